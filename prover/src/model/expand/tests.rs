//! Composite operations and functions: the quantised layers against the reals, and their assertions against every other value.

#![allow(clippy::unwrap_used)]

use super::*;
use crate::model::curve::Curve;
use crate::model::fixed::Scale;
use crate::model::quantise::Quantised;

const LIMBS: Limbs = Limbs { bits: 11, hi: 2, lo: 2 };

fn input(range: std::ops::Range<u32>) -> Vec<Source<f64>> {
    range.map(Source::Input).collect()
}

/// One layer over the input, and behind it a layer that passes its values on.
fn program(inputs: usize, layer: Layer<f64>, functions: Vec<Function<f64>>) -> Program<f64> {
    let count = layer.outputs();
    let read = |layer: u32| (0..count as u32).map(move |index| Source::Layer { layer, index });
    let pass = Layer {
        name: "pass".into(),
        channels: 1,
        dims: vec![count],
        terms: vec![Term {
            block: read(0).collect(),
            strides: vec![1],
            taps: vec![vec![(0, 1.0)]].into(),
        }],
        bias: vec![0.0],
        ..Layer::default()
    };
    Program {
        input_shape: vec![inputs],
        output_shape: vec![count],
        layers: vec![layer, pass],
        functions,
        outputs: read(1).collect(),
        ..Program::default()
    }
}

/// Elementwise over operands of `count` elements each.
fn operands(act: Act, count: usize, operands: Vec<Vec<Source<f64>>>) -> Layer<f64> {
    Layer {
        name: "layer".into(),
        channels: 1,
        dims: vec![count],
        act,
        operands,
        ..Layer::default()
    }
}

/// The input itself, through another act.
fn identity(act: Act, count: usize) -> Layer<f64> {
    Layer {
        name: "layer".into(),
        channels: 1,
        dims: vec![count],
        terms: vec![Term {
            block: input(0..count as u32),
            strides: vec![1],
            taps: vec![vec![(0, 1.0)]].into(),
        }],
        bias: vec![0.0],
        act,
        ..Layer::default()
    }
}

/// What the quantised program gives.
fn quantised(program: &Program<f64>, samples: &[Vec<f64>]) -> Quantised {
    let calibration = Calibration::new(program, samples).unwrap();
    Quantised::new(program, &calibration, LIMBS).unwrap()
}

fn assert_close(program: &Program<f64>, samples: &[Vec<f64>], tolerance: f64) {
    let q = quantised(program, samples);
    for sample in samples {
        let expected = crate::model::execute::float(program, sample).unwrap().outputs;
        let got = q.run(&q.quantise_input(sample).unwrap()).unwrap().outputs;
        for (a, b) in expected.iter().zip(q.dequantise_output(&got)) {
            assert!((a - b).abs() <= tolerance * a.abs().max(1.0), "{a} {b} for {sample:?}");
        }
    }
}

#[test]
fn products_and_quotients_match_the_reals() {
    let samples: Vec<Vec<f64>> = (1..40)
        .map(|i| vec![f64::from(i) / 7.0, 3.0 - f64::from(i) / 9.0, 0.3, 2.0])
        .collect();
    for act in [Act::Product { factor: 1 }, Act::Composite(Composite::Divide)] {
        let layer = operands(act, 2, vec![input(1..3), vec![Source::Input(0), Source::Input(3)]]);
        assert_close(&program(4, layer, vec![]), &samples, 1e-4);
    }
    for act in [Composite::SquareRoot, Composite::ReciprocalSquareRoot] {
        let layer = operands(Act::Composite(act), 1, vec![input(0..1)]);
        assert_close(&program(4, layer, vec![]), &samples, 1e-3);
    }
    // One over a value.
    let layer = operands(
        Act::Composite(Composite::Divide),
        1,
        vec![vec![Source::Const(1.0)], input(0..1)],
    );
    assert_close(&program(4, layer, vec![]), &samples, 1e-4);
}

#[test]
fn products_of_matrices_match_the_reals() {
    let samples: Vec<Vec<f64>> = (0..8)
        .map(|i| (0..24).map(|k| f64::from((i * 7 + k * 5) % 13) / 13.0 - 0.5).collect())
        .collect();
    // Batch 2, 2 x 3 times 3 x 2.
    let layer = Layer {
        name: "matmul".into(),
        channels: 2,
        dims: vec![2, 2],
        act: Act::MatMul { factor: 1 },
        operands: vec![input(0..12), input(12..24)],
        ..Layer::default()
    };
    let program = program(24, layer, vec![]);
    let float = crate::model::execute::float(&program, &samples[3]).unwrap();
    let (left, right) = samples[3].split_at(12);
    for i in 0..2 {
        for b in 0..2 {
            for j in 0..2 {
                let expected: f64 = (0..3)
                    .map(|k| left[(b * 2 + i) * 3 + k] * right[(b * 3 + k) * 2 + j])
                    .sum();
                assert!((float.out[0][(i * 2 + b) * 2 + j] - expected).abs() < 1e-12);
            }
        }
    }
    assert_close(&program, &samples, 1e-4);
}

#[test]
fn functions_match_the_reals_within_and_beyond_their_tables() {
    let narrow: Vec<Vec<f64>> = (0..60).map(|i| vec![f64::from(i) / 30.0 - 1.0, 0.1]).collect();
    let wide: Vec<Vec<f64>> = (0..60).map(|i| vec![f64::from(i) - 30.0, 0.1]).collect();
    for (curve, samples, tolerance) in [
        (Curve::Sigmoid, &narrow, 3e-5),
        (Curve::Sigmoid, &wide, 3e-5),
        (Curve::Tanh, &wide, 6e-5),
        (Curve::Erf, &narrow, 6e-5),
        (Curve::Exp, &narrow, 3e-3),
        (Curve::Softplus, &wide, 1e-3),
        (Curve::Gelu, &narrow, 6e-5),
        (Curve::Sin, &narrow, 6e-5),
    ] {
        let program = program(2, identity(Act::Function(0), 2), vec![Function::Curve(curve)]);
        assert_close(&program, samples, tolerance);
    }
}

#[test]
fn tables_give_their_entries_to_integers() {
    let values: Vec<(f64, f64)> = (0..9).map(|i| (f64::from(i * i) - 3.5, 0.0)).collect();
    let mut layer = identity(Act::Function(0), 2);
    layer.scale = Some(Scale(4));
    let mut program = program(2, layer, vec![Function::Table(values.clone())]);
    program.input_scale = Some(Scale(0));
    let samples: Vec<Vec<f64>> = (0..9).map(|i| vec![f64::from(i), f64::from(8 - i)]).collect();
    assert_close(&program, &samples, 1e-6);
    let q = quantised(&program, &samples);
    for beyond in [-1, 9] {
        let error = q.run(&[beyond, 0]).unwrap_err();
        assert!(
            matches!(&error, Error::Range { layer, .. } if layer == "layer"),
            "{error}"
        );
    }
}

#[test]
fn comparisons_are_exact_on_what_is_compared() {
    let mut layer = identity(Act::Composite(Composite::Negative), 1);
    layer.bias = vec![-0.3];
    let program = program(2, layer, vec![]);
    let samples = vec![vec![1.0, -1.0]];
    let q = quantised(&program, &samples);
    let threshold = (0.3 * q.input_scale.factor()).floor() as i64;
    for v in threshold - 5..threshold + 5 {
        // Two layers; the second one's value is the answer.
        assert_eq!(q.run(&[v, 0]).unwrap().out[1], [i64::from(v <= threshold)], "{v}");
    }
}

#[test]
fn fixed_scales_round_in_floats_too() {
    let mut layer = identity(Act::Requant, 2);
    layer.scale = Some(Scale(0));
    let program = program(2, layer, vec![]);
    let samples: Vec<Vec<f64>> = (-9..9).map(|i| vec![f64::from(i) / 4.0 + 0.01, 2.0]).collect();
    let q = quantised(&program, &samples);
    for sample in &samples {
        let expected = (sample[0] + 0.5).floor();
        assert_eq!(
            crate::model::execute::float(&program, sample).unwrap().out[0][0],
            expected
        );
        assert_eq!(
            q.run(&q.quantise_input(sample).unwrap()).unwrap().out[0][0],
            expected as i64
        );
    }
}

#[test]
fn scales_that_contradict_are_refused() {
    let mut layer = identity(Act::Requant, 2);
    layer.scale = Some(Scale(30));
    let program = program(2, layer, vec![]);
    let calibration = Calibration::new(&program, &[vec![1.0, 1.0]]).unwrap();
    let error = Quantised::new(&program, &calibration, LIMBS).unwrap_err();
    assert!(error.to_string().contains("leaves no room"), "{error}");
}

/// The values that pass the assertions behind an advice, all others being computed from it.
fn accepted(program: &Program<i64>, limbs: &Limbs, input: &[i64]) -> Vec<i64> {
    let advice = program
        .layers
        .iter()
        .position(|l| matches!(l.act, Act::Advice(_)))
        .unwrap();
    let candidates = -limbs.signed_range()..limbs.signed_range();
    let holds = |q: &i64| {
        // In the place of the advice a constant.
        let mut program = program.clone();
        program.layers[advice] = Layer {
            channels: 1,
            dims: vec![1],
            bias: vec![*q << limbs.shift()],
            ..Layer::default()
        };
        crate::model::execute::exact(&program, limbs, input).is_ok()
    };
    candidates.filter(holds).collect()
}

/// Traps A9 and T11: of all values in range the honest one alone passes, whatever the operands.
#[test]
fn advice_is_unique() {
    let limbs = Limbs { bits: 3, hi: 2, lo: 2 };
    let both = |composite| operands(Act::Composite(composite), 1, vec![input(0..1), input(1..2)]);
    let one = |composite| operands(Act::Composite(composite), 1, vec![input(0..1)]);
    let cases = [
        (both(Composite::Divide), 0, 0),
        (both(Composite::Divide), 2, 0),
        (both(Composite::Divide), 0, 2),
        (one(Composite::SquareRoot), 3, 3),
        (one(Composite::ReciprocalSquareRoot), 3, 0),
    ];
    for (mut layer, own, scale) in cases {
        layer.scale = Some(Scale(own));
        let mut program = program(2, layer, vec![]);
        program.input_scale = Some(Scale(scale));
        let calibration = Calibration {
            input: 1.0,
            layers: vec![1.0; 2],
            outputs: vec![1.0; 2],
            ranges: vec![(0.0, 1.0); 2],
        };
        // Both operands have the input's scale, so that a quotient's is a shift of the dividend.
        let quantised = Quantised::new(&program, &calibration, limbs).unwrap();
        for a in -9..32 {
            for b in if quantised.program.layers[0].operands.len() == 2 {
                -3..12
            } else {
                0..1
            } {
                let honest = quantised.run(&[a, b]).map(|t| t.out[0][0]);
                let found = accepted(&quantised.program, &limbs, &[a, b]);
                match honest {
                    Ok(value) => assert_eq!(found, [value], "{a} {b}"),
                    Err(_) => assert!(found.is_empty(), "{a} {b}: {found:?}"),
                }
            }
        }
    }
}
