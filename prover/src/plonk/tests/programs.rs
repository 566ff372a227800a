//! Programs small enough for 128 rows.

use super::{forge::SCALE, *};
use crate::model::{Calibration, Quantised};

pub(crate) fn read(layer: u32, index: usize) -> Source<i64> {
    Source::Layer {
        layer,
        index: index as u32,
    }
}

/// A layer of channels without positions, each a weighted sum of all of `block`.
pub(crate) fn gemm(block: Vec<Source<i64>>, weights: &[&[i64]], act: Act) -> Layer<i64> {
    let taps = |row: &&[i64]| row.iter().enumerate().map(|(k, w)| (k as u32, *w)).collect();
    Layer {
        name: "gemm".into(),
        channels: weights.len(),
        dims: vec![],
        terms: vec![Term {
            block,
            strides: vec![],
            taps: weights.iter().map(taps).collect(),
        }],
        bias: vec![0; weights.len()],
        act,
        ..Layer::default()
    }
}

/// A pool over the input itself, one channel. The last two of `dims` are the window's.
pub(crate) fn pool(inputs: usize, dims: Vec<usize>, strides: Vec<usize>, relu: bool) -> Program<i64> {
    let layer = Layer {
        name: "pool".into(),
        channels: 1,
        dims,
        terms: vec![Term {
            block: (0..inputs as u32).map(Source::Input).collect(),
            strides,
            taps: vec![vec![(0, 1 << LIMBS.shift())]].into(),
        }],
        bias: vec![0],
        act: Act::MaxPool { relu },
        ..Layer::default()
    };
    network(inputs, vec![layer])
}

/// A program whose output is that of its last layer.
pub(crate) fn network(inputs: usize, layers: Vec<Layer<i64>>) -> Program<i64> {
    let outputs = layers.last().unwrap().outputs();
    Program {
        input_shape: vec![inputs],
        output_shape: vec![outputs],
        outputs: (0..outputs).map(|i| read(layers.len() as u32 - 1, i)).collect(),
        layers,
        ..Program::default()
    }
}

/// A two-channel convolution over a padded 5x5 image with ReLU and overlapping 2x2 pools, a pool without ReLU, a residual sum
/// and a Gemm: every kind of row, and channel counts that no number of lanes divides.
pub(crate) fn small_network() -> Program<i64> {
    let image = |c: usize, i: usize, j: usize| Source::Input((c * 9 + i * 3 + j) as u32);
    let scale = 1i64 << LIMBS.shift();
    let weight = |o: usize, k: usize| (((o * 7 + k * 5) % 11) as i64 - 5) * scale / 16;
    // conv: one input channel of 3x3, padded by 1, kernel 2x2 -> 3 channels of 4x4, pooled 2x2 with stride 1 -> 3x3.
    let pitch = 4;
    let mut block = vec![Source::Const(0); pitch * 5 + 1];
    for i in 0..3 {
        for j in 0..3 {
            block[(i + 1) * pitch + 1 + j] = image(0, i, j);
        }
    }
    let taps = (0..3)
        .map(|o| {
            [0, 1, pitch, pitch + 1]
                .iter()
                .enumerate()
                .map(|(k, s)| (*s as u32, weight(o, k)))
                .collect()
        })
        .collect();
    let conv = Layer {
        name: "conv".into(),
        channels: 3,
        dims: vec![3, 3, 2, 2],
        terms: vec![Term {
            block,
            strides: vec![pitch, 1, pitch, 1],
            taps,
        }],
        bias: vec![scale / 3, -scale / 5, 7],
        act: Act::MaxPool { relu: true },
        ..Layer::default()
    };
    // A signed pool of 3 channels of 3x3 by 3x1.
    let identity = |c: usize, s: usize, w: i64| (0..c).map(|o| vec![((o * s) as u32, w)]).collect::<Vec<_>>();
    let pool = Layer {
        name: "pool".into(),
        channels: 3,
        dims: vec![1, 3, 3, 1],
        terms: vec![Term {
            block: (0..27).map(|i| read(0, i)).collect(),
            strides: vec![0, 1, 3, 1],
            taps: identity(3, 9, -scale).into(),
        }],
        bias: vec![0; 3],
        act: Act::MaxPool { relu: false },
        ..Layer::default()
    };
    // A residual sum of the pool and the input, with ReLU.
    let sum = Layer {
        name: "sum".into(),
        channels: 3,
        dims: vec![3],
        terms: vec![
            Term {
                block: (0..9).map(|i| read(1, i)).collect(),
                strides: vec![1],
                taps: identity(3, 3, scale).into(),
            },
            Term {
                block: (0..9).map(|i| image(0, i / 3, i % 3)).collect(),
                strides: vec![1],
                taps: identity(3, 3, -scale / 2).into(),
            },
        ],
        bias: vec![1, 2, 3],
        act: Act::Relu,
        ..Layer::default()
    };
    let gemm = Layer {
        name: "gemm".into(),
        channels: 5,
        dims: vec![],
        terms: vec![Term {
            block: (0..9).map(|i| read(2, i)).collect(),
            strides: vec![],
            taps: (0..5)
                .map(|o| (0..9).map(|k| (k as u32, weight(o, k))).collect())
                .collect(),
        }],
        bias: vec![5, 4, -3, 2, -scale],
        act: Act::Requant,
        ..Layer::default()
    };
    Program {
        input_shape: vec![1, 3, 3],
        output_shape: vec![5],
        layers: vec![conv, pool, sum, gemm],
        outputs: (0..5).map(|i| read(3, i)).collect(),
        ..Program::default()
    }
}

pub(crate) fn small_input() -> Vec<i64> {
    vec![100, -200, 300, 45, -56, 67, 0, 1023, -1023]
}

/// A layer over operands, element by element.
pub(crate) fn elementwise(act: Act, operands: Vec<Vec<Source<i64>>>) -> Layer<i64> {
    Layer {
        name: "elementwise".into(),
        channels: 1,
        dims: vec![operands[0].len()],
        act,
        operands,
        ..Layer::default()
    }
}

/// Elements of the input.
pub(crate) fn inputs(range: std::ops::Range<u32>) -> Vec<Source<i64>> {
    range.map(Source::Input).collect()
}

/// Rounded and raw products of inputs, and a sum of both.
pub(crate) fn products() -> Program<i64> {
    let scale = 1i64 << LIMBS.shift();
    let rounded = elementwise(Act::Product { factor: 5 }, vec![inputs(0..2), inputs(1..3)]);
    let raw = elementwise(
        Act::RawProduct,
        vec![inputs(0..2), vec![Source::Input(2), Source::Const(-3)]],
    );
    let sum = gemm(
        vec![read(0, 0), read(0, 1)],
        &[&[scale, scale], &[-scale, 0]],
        Act::Requant,
    );
    let of_raw = gemm(vec![read(1, 0), read(1, 1)], &[&[3, 0], &[1, -7]], Act::Relu);
    network(3, vec![rounded, raw, sum, of_raw])
}

/// The quotient of two inputs by their composite's layers.
pub(crate) fn composite(composite: crate::model::program::Composite, inputs: u32, scale: i32) -> Program<i64> {
    let source = |i| Source::Input(i);
    let count = if inputs == 2 { 2 } else { 1 };
    let layer = Layer {
        name: "composite".into(),
        channels: 1,
        dims: vec![1],
        act: Act::Composite(composite),
        operands: (0..count).map(|i| vec![source(i)]).collect(),
        scale: Some(Scale(scale)),
        ..Layer::default()
    };
    let program = Program {
        input_shape: vec![inputs as usize],
        input_scale: Some(Scale(0)),
        output_shape: vec![1],
        layers: vec![layer],
        outputs: vec![Source::Layer { layer: 0, index: 0 }],
        ..Program::default()
    };
    quantised(&program, LIMBS).program
}

/// A program that fixes its scales, quantised as if all values were at most 1.
pub(crate) fn quantised(program: &Program<f64>, limbs: Limbs) -> Quantised {
    let calibration = Calibration {
        input: 1.0,
        layers: vec![1.0],
        outputs: vec![1.0],
        ranges: vec![(0.0, 1.0)],
    };
    Quantised::new(program, &calibration, limbs).unwrap()
}

/// Two functions of inputs, requantised.
pub(crate) fn functions() -> Program<i64> {
    let table = |f: fn(i64) -> (i64, i64)| Function::Table((0..20).map(f).collect());
    let look_up = |f, weight| Layer {
        channels: 2,
        ..gemm(inputs(0..2), &[&[weight, 0], &[0, weight]], Act::Function(f))
    };
    let pass = |layer| gemm(vec![read(layer, 0), read(layer, 1)], &[&[1, 0], &[0, 1]], Act::Requant);
    Program {
        functions: vec![table(|i| (i * i, 2 * i + 1)), table(|i| (7 - 3 * i, -5 * i))],
        ..network(2, vec![look_up(0, 1 << 14), look_up(1, 1 << 12), pass(0), pass(1)])
    }
}

/// A product of matrices of inputs, 2 times 2 x 3 by 3 x 2, and what is made of it.
pub(crate) fn matrix_product_of_inputs() -> Program<i64> {
    let product = Layer {
        name: "matmul".into(),
        channels: 2,
        dims: vec![2, 2],
        act: Act::MatMul { factor: 9 },
        operands: vec![inputs(0..12), inputs(6..18)],
        ..Layer::default()
    };
    let scale = 1i64 << LIMBS.shift();
    let sums = gemm(
        (0..8).map(|i| read(0, i)).collect(),
        &[&[scale, 2 * scale, 0, 0, 5, 0, 0, -scale]],
        Act::Relu,
    );
    network(18, vec![product, sums])
}

/// More reads than rows: a layer that reads 120 values, one whose positions move from the first port into the second, and a sum of both.
pub(crate) fn two_ports() -> Program<i64> {
    let weight = |o: usize, k: usize| ((o * 5 + k * 3) % 7) as i64 * SCALE / 64 - SCALE / 32;
    let many: Vec<_> = (0..120).map(|r| Source::Input(r % 4)).collect();
    let weights: Vec<Vec<i64>> = (0..2).map(|o| (0..120).map(|k| weight(o, k)).collect()).collect();
    let weights: Vec<&[i64]> = weights.iter().map(Vec::as_slice).collect();
    let moved = Layer {
        dims: vec![4],
        terms: vec![Term {
            block: (0..16).map(|r| Source::Input(r % 3)).collect(),
            strides: vec![3],
            taps: vec![vec![(0, SCALE), (4, -SCALE / 2), (6, SCALE / 3)]].into(),
        }],
        bias: vec![3 * SCALE],
        ..gemm(vec![], &[&[]], Act::Relu)
    };
    let sum = gemm(
        vec![read(0, 0), read(0, 1), read(1, 0), read(1, 3)],
        &[&[SCALE, -SCALE, SCALE, 2 * SCALE], &[0, SCALE, -SCALE, 0]],
        Act::Requant,
    );
    network(4, vec![gemm(many, &weights, Act::Requant), moved, sum])
}

/// One program of each kind that has columns of its own, with an input.
pub(crate) fn primitives() -> Vec<(&'static str, Program<i64>, Vec<i64>)> {
    use crate::model::program::Composite;
    vec![
        ("products", products(), vec![1000, -70, 33]),
        ("quotient", composite(Composite::Divide, 2, 4), vec![-1000, 7]),
        ("root", composite(Composite::SquareRoot, 1, 3), vec![77]),
        (
            "reciprocal root",
            composite(Composite::ReciprocalSquareRoot, 1, 9),
            vec![77],
        ),
        ("functions", functions(), vec![2047, 1]),
        (
            "matrices",
            matrix_product_of_inputs(),
            (0..18).map(|i| 37 * i - 300).collect(),
        ),
        ("two ports", two_ports(), vec![100, -70, 33, 500]),
    ]
}
