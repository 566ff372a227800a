//! From a program in floats to a proof: a softmax, made of a maximum, a function, a quotient and products, and an attention
//! score, a product of two matrices of activations.

#![allow(clippy::unwrap_used)]

use tapeout_prover::{
    keys::{ModelInfo, ProvingKey, powers_needed},
    layout::{self, Disclosure, Profile},
    model::{
        Calibration, Program, Quantised,
        curve::Curve,
        program::{Act, Composite, Function, Layer, Source, Term},
    },
    pipeline::{self, Trust},
    srs::Srs,
};

fn read(layer: u32, count: u32) -> Vec<Source<f64>> {
    (0..count).map(|index| Source::Layer { layer, index }).collect()
}

fn term(block: Vec<Source<f64>>, stride: usize, weight: f64) -> Term<f64> {
    Term {
        block,
        strides: vec![stride],
        taps: vec![vec![(0, weight)]].into(),
    }
}

fn linear(count: usize, terms: Vec<Term<f64>>, act: Act) -> Layer<f64> {
    Layer {
        name: "linear".into(),
        channels: 1,
        dims: vec![count],
        terms,
        bias: vec![0.0],
        act,
        ..Layer::default()
    }
}

fn elementwise(count: usize, act: Act, operands: Vec<Vec<Source<f64>>>) -> Layer<f64> {
    Layer {
        name: "elementwise".into(),
        channels: 1,
        dims: vec![count],
        act,
        operands,
        ..Layer::default()
    }
}

/// Softmax of the products of a 2 x 3 and a 3 x 2 matrix, over all four of them.
fn attention() -> Program<f64> {
    let input = |range: std::ops::Range<u32>| range.map(Source::Input).collect::<Vec<_>>();
    let scores = Layer {
        channels: 2,
        dims: vec![1, 2],
        ..elementwise(0, Act::MatMul { factor: 1 }, vec![input(0..6), input(6..12)])
    };
    let scores = Layer {
        name: "scores".into(),
        ..scores
    };
    let max = Layer {
        dims: vec![1, 4],
        terms: vec![Term {
            block: read(0, 4),
            strides: vec![0, 1],
            taps: vec![vec![(0, 1.0)]].into(),
        }],
        ..linear(1, vec![], Act::MaxPool { relu: false })
    };
    let exp = linear(
        4,
        vec![term(read(0, 4), 1, 1.0), term(read(1, 1), 0, -1.0)],
        Act::Function(0),
    );
    let pass = linear(4, vec![term(read(2, 4), 1, 1.0)], Act::Requant);
    let sum = Layer {
        dims: vec![],
        terms: vec![Term {
            block: read(3, 4),
            strides: vec![],
            taps: vec![(0..4).map(|k| (k, 1.0)).collect()].into(),
        }],
        ..linear(1, vec![], Act::Requant)
    };
    let inverse = elementwise(
        1,
        Act::Composite(Composite::Divide),
        vec![vec![Source::Const(1.0)], read(4, 1)],
    );
    let shares = elementwise(4, Act::Product { factor: 1 }, vec![read(3, 4), vec![read(5, 1)[0]; 4]]);
    Program {
        input_shape: vec![12],
        output_shape: vec![4],
        layers: vec![scores, max, exp, pass, sum, inverse, shares],
        functions: vec![Function::Curve(Curve::Exp)],
        outputs: read(6, 4),
        ..Program::default()
    }
}

fn expected(input: &[f64]) -> Vec<f64> {
    let score = |i: usize, j: usize| (0..3).map(|k| input[i * 3 + k] * input[6 + k * 2 + j]).sum::<f64>();
    let scores = [score(0, 0), score(0, 1), score(1, 0), score(1, 1)];
    let sum: f64 = scores.iter().map(|s| s.exp()).sum();
    scores.iter().map(|s| s.exp() / sum).collect()
}

#[test]
fn attention_is_proven_and_close_to_the_reals() {
    let samples: Vec<Vec<f64>> = (0..12)
        .map(|s| (0..12).map(|i| f64::from((s * 5 + i * 7) % 11) / 5.5 - 1.0).collect())
        .collect();
    let program = attention();
    let calibration = Calibration::new(&program, &samples).unwrap();
    let shape = layout::choose(&program, Disclosure::default(), Profile::Native).unwrap();
    let quantised = Quantised::new(&program, &calibration, shape.limbs).unwrap();
    let shape = layout::choose_lanes(&quantised.program, shape.limbs, Disclosure::default(), Profile::Native).unwrap();
    let needed = powers_needed(&quantised.program, &shape, Disclosure::default()).unwrap();
    let srs = Srs::insecure_dev(needed.g1, needed.g2).unwrap();
    let info = ModelInfo {
        hash: [3; 32],
        input_shape: vec![12],
        output_shape: vec![4],
        input_scale: quantised.input_scale,
        output_scale: quantised.output_scale,
    };
    let backend = tapeout_driver::backend::open("cpu").unwrap();
    let mut quiet = |_| {};
    let key = ProvingKey::generate(
        quantised.program,
        &shape,
        Disclosure::default(),
        info,
        None,
        &srs,
        backend.as_ref(),
    )
    .unwrap();
    let key = ProvingKey::from_bytes(&key.to_bytes().unwrap()).unwrap();
    for sample in &samples[..2] {
        let proven = pipeline::prove(&key, sample, &[0; 32], backend.as_ref(), Some(1), &mut quiet).unwrap();
        for (a, b) in expected(sample).iter().zip(&proven.outputs) {
            assert!((a - b).abs() < 1e-4, "{a} {b}");
        }
        let bytes = proven.statement.to_bytes();
        let verified = pipeline::verify(key.verifying(), &bytes, &[0; 32], Trust::InsecureDev).unwrap();
        assert_eq!(verified.outputs.as_ref(), Some(&proven.outputs));
    }
}
