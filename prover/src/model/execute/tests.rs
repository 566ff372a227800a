#![allow(clippy::unwrap_used)]

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::super::program::{Act, Term};
use super::*;

const LIMBS: Limbs = Limbs { bits: 4, hi: 2, lo: 1 };

/// A layer of one channel that passes its inputs on, so that a test chooses the pre-activations.
fn pass(inputs: usize, dims: &[usize], strides: &[usize], act: Act) -> Program<i64> {
    let layer = Layer {
        name: "layer".into(),
        channels: 1,
        dims: dims.to_vec(),
        terms: vec![Term {
            block: (0..inputs as u32).map(Source::Input).collect(),
            strides: strides.to_vec(),
            taps: vec![vec![(0, 1)]].into(),
        }],
        bias: vec![0],
        act,
        ..Layer::default()
    };
    let outputs = (0..layer.outputs() as u32)
        .map(|index| Source::Layer { layer: 0, index })
        .collect::<Vec<_>>();
    Program {
        input_shape: vec![inputs],
        output_shape: vec![outputs.len()],
        layers: vec![layer],
        outputs,
        ..Program::default()
    }
}

/// The activation of pre-activations that are `scale` times inputs.
fn act_on(act: Act, inputs: &[i64], scale: i64, bias: i64) -> Result<i64> {
    let (dims, strides) = match act {
        Act::MaxPool { .. } => (vec![1, inputs.len()], vec![0, 1]),
        _ => (vec![], vec![]),
    };
    let mut program = pass(inputs.len(), &dims, &strides, act);
    program.layers[0].terms[0].taps[0][0].1 = scale;
    program.layers[0].bias[0] = bias;
    exact(&program, &LIMBS, inputs).map(|t| t.outputs[0])
}

#[test]
fn ties_round_toward_plus_infinity() {
    // s = 4: halves are odd multiples of 8.
    for (u, y) in [
        (8, 1),
        (7, 0),
        (9, 1),
        (-8, 0),
        (-9, -1),
        (-7, 0),
        (24, 2),
        (-24, -1),
        (-25, -2),
        (0, 0),
    ] {
        assert_eq!(act_on(Act::Requant, &[u], 1, 0).unwrap(), y, "{u}");
        assert_eq!(act_on(Act::Relu, &[u], 1, 0).unwrap(), y.max(0), "{u}");
        assert_eq!(
            act_on(Act::MaxPool { relu: false }, &[u, -128], 1, 0).unwrap(),
            y,
            "{u}"
        );
        assert_eq!(
            act_on(Act::MaxPool { relu: true }, &[u, -128], 1, 0).unwrap(),
            y.max(0),
            "{u}"
        );
    }
}

#[test]
fn requantised_values_are_signed() {
    let at = |u: i64| act_on(Act::Requant, &[0], 1, u);
    assert_eq!(at(127 * 16 + 7).unwrap(), 127);
    assert!(at(127 * 16 + 8).is_err());
    assert_eq!(at(-128 * 16 - 8).unwrap(), -128);
    assert!(at(-128 * 16 - 9).is_err());
}

#[test]
fn rectified_values_use_all_high_limbs_on_both_sides() {
    let at = |u: i64| act_on(Act::Relu, &[0], 1, u);
    assert_eq!(at(255 * 16 + 7).unwrap(), 255);
    assert!(at(255 * 16 + 8).is_err());
    assert_eq!(at(-255 * 16 - 8).unwrap(), 0);
    assert!(at(-255 * 16 - 9).is_err());
    assert!(at(i64::MAX).is_err() && at(i64::MIN).is_err());
}

#[test]
fn pools_bound_the_maximum_and_each_distance_from_it() {
    let at = |relu, a: i64, b: i64| act_on(Act::MaxPool { relu }, &[a, b], 16, 0);
    assert_eq!(at(false, 127, -128).unwrap(), 127);
    assert_eq!(at(true, -1, -128).unwrap(), 0);
    // A distance of 2^(s + kA) = 16 * 256 is too long.
    let wide = |relu, a, b, scale| act_on(Act::MaxPool { relu }, &[a, b], scale, 0);
    assert_eq!(wide(false, 64, -64, 31).unwrap(), 124);
    assert!(wide(false, 64, -64, 32).is_err());
    // With a ReLU the maximum is 0 at least, and the distance is from there.
    assert_eq!(wide(true, -64, -127, 32).unwrap(), 0);
    assert!(wide(true, -64, -128, 32).is_err());
    // The maximum itself: signed without a ReLU, all high limbs with one.
    assert!(wide(false, 64, 60, 32).is_err());
    assert_eq!(wide(true, 64, 60, 32).unwrap(), 128);
    assert!(wide(true, 64, 60, 64).is_err());
    assert!(wide(false, -128, -128, 17).is_err());
}

#[test]
fn errors_name_the_layer_and_no_value() {
    let error = act_on(Act::Requant, &[0], 1, 123_456).unwrap_err().to_string();
    assert!(
        error.contains("layer layer") && error.contains("outside of the calibrated range"),
        "{error}"
    );
    assert!(!error.contains("123456") && !error.contains("7716"));
    let error = act_on(Act::Requant, &[128], 1, 0).unwrap_err().to_string();
    assert!(
        error.starts_with("layer input: a value") && !error.contains("128"),
        "{error}"
    );
    assert!(act_on(Act::Requant, &[-128], 1, 0).is_ok() && act_on(Act::Requant, &[-129], 1, 0).is_err());
}

#[test]
fn inputs_of_another_length_are_refused() {
    let program = pass(2, &[2], &[1], Act::Requant);
    assert!(matches!(
        exact(&program, &LIMBS, &[1]),
        Err(Error::Length {
            expected: 2,
            got: 1,
            ..
        })
    ));
}

/// Pre-activations by the formula in [`Layer`]'s documentation, one at a time.
fn by_definition(layer: &Layer<i64>, input: &[i64]) -> Vec<i64> {
    let mut out = Vec::new();
    for o in 0..layer.channels {
        for p in 0..layer.positions() {
            let mut index = vec![0; layer.dims.len()];
            let mut rest = p;
            for d in (0..layer.dims.len()).rev() {
                index[d] = rest % layer.dims[d];
                rest /= layer.dims[d];
            }
            let mut u = layer.bias[o];
            for term in &layer.terms {
                let offset: usize = index.iter().zip(&term.strides).map(|(i, s)| i * s).sum();
                for &(slot, w) in &term.taps[o] {
                    u += w * match term.block[slot as usize + offset] {
                        Source::Input(i) => input[i as usize],
                        Source::Const(c) => c,
                        Source::Layer { .. } => unreachable!(),
                    };
                }
            }
            out.push(u);
        }
    }
    out
}

#[test]
fn pre_activations_follow_the_definition() {
    let mut rng = ChaCha20Rng::seed_from_u64(1);
    for _ in 0..200 {
        let dims: Vec<usize> = (0..rng.random_range(0..=4)).map(|_| rng.random_range(1..4)).collect();
        let channels = rng.random_range(1..4);
        let input: Vec<i64> = (0..10).map(|_| rng.random_range(-100..100)).collect();
        let term = |rng: &mut ChaCha20Rng| {
            let strides: Vec<usize> = dims.iter().map(|_| rng.random_range(0..4)).collect();
            let reach: usize = dims.iter().zip(&strides).map(|(d, s)| (d - 1) * s).sum();
            let free = rng.random_range(1..6);
            let source = |rng: &mut ChaCha20Rng| match rng.random() {
                true => Source::Input(rng.random_range(0..10)),
                false => Source::Const(rng.random_range(-9..9)),
            };
            let block = (0..reach + free).map(|_| source(rng)).collect();
            let taps = |rng: &mut ChaCha20Rng| {
                let slots: Vec<u32> = (0..free as u32).filter(|_| rng.random()).collect();
                slots
                    .into_iter()
                    .map(|slot| (slot, rng.random_range(-50..50)))
                    .collect()
            };
            let taps = (0..channels).map(|_| taps(rng)).collect();
            Term { block, strides, taps }
        };
        let terms = (0..rng.random_range(0..3)).map(|_| term(&mut rng)).collect();
        let bias = (0..channels).map(|_| rng.random_range(-99..99)).collect();
        let layer = Layer {
            name: "layer".into(),
            channels,
            dims: dims.clone(),
            terms,
            bias,
            act: Act::Requant,
            ..Layer::default()
        };
        let outputs: Vec<_> = (0..layer.outputs() as u32)
            .map(|index| Source::Layer { layer: 0, index })
            .collect();
        let expected = by_definition(&layer, &input);
        let program = Program {
            input_shape: vec![10],
            output_shape: vec![outputs.len()],
            layers: vec![layer],
            outputs,
            ..Program::default()
        };
        let trace = exact(&program, &Limbs { bits: 8, hi: 2, lo: 1 }, &input).unwrap();
        assert_eq!(trace.pre[0], expected);
        let rounded: Vec<i64> = expected.iter().map(|u| (u + 128).div_euclid(256)).collect();
        assert_eq!(trace.outputs, rounded);
    }
}
