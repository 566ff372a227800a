//! That a proof of ArgMax, TopK or LayerNormalization can have one output only, which is the right one.
//!
//! **No freedom.** Every slot's value is a function of what the slot reads, for all rows but advice: a requantised or rectified
//! value is the quotient of a division with remainder (`0 <= lo < 2^s`), a window's maximum is the least bound that is attained, a
//! product is itself (docs/protocol.md). By induction over the layers, what is composed of such layers is a function
//! of the input: there is one output that verifies. ArgMax and TopK have no advice; LayerNormalization has one value a row,
//! the reciprocal square root, unique by its assertions (`model/expand/composite.rs`).
//!
//! **The right function.** What remains is that this function is the operator's. ArgMax: `lost_k = [z_k < max z]` is exact, since
//! elements and maximum have one scale. An element that lost has rank at most `K - 1 - K < 0`, the others `K - 1 - k >= 0`, so the
//! maximum of the ranks is that of the first element that did not lose. TopK: element `i` is behind `j > i` if `z_i < z_j`, and `j`
//! behind `i` otherwise; so of each pair one is ahead, and it is a total order (greater first, of equals the lower index). The number
//! of those ahead is a rank, the ranks are a permutation, and `[rank = p]` picks one element for each place `p`. The
//! tests go through all inputs of few values: these arguments, and whether the layers are the ones they speak of.

use super::*;
use crate::model::fixed::Limbs;
use crate::model::program::{Act, Layer, Program};
use crate::model::quantise::Quantised;
use crate::model::{Calibration, execute};

/// A node over the input `[1, K]`, calibrated by all small integers.
fn quantised(op: &str, outputs: usize, size: usize, attributes: &[(&str, Attribute)], limbs: Limbs) -> Quantised {
    let names: Vec<String> = (0..outputs).map(|i| format!("y{i}")).collect();
    let mut initializers = HashMap::new();
    let mut inputs = vec![Some("x".to_owned())];
    if op == "LayerNormalization" {
        let tensor = Tensor::float(vec![size], vec![1.0; size]);
        initializers.insert(
            "scale".to_owned(),
            Constant {
                tensor,
                element: Element::Float,
            },
        );
        inputs.push(Some("scale".into()));
    }
    let graph = Graph {
        inputs: vec![Input {
            name: "x".into(),
            shape: vec![1, size],
            element: Element::Float,
        }],
        outputs: names.clone(),
        initializers,
        nodes: vec![Node {
            op: op.into(),
            opset: 17,
            inputs,
            outputs: names.into_iter().map(Some).collect(),
            attributes: attributes.iter().map(|(k, v)| ((*k).to_owned(), v.clone())).collect(),
            name: "node".into(),
        }],
    };
    let program = lower(&graph.sort().unwrap()).unwrap().program;
    let samples: Vec<Vec<f64>> = all(size, -2..=2)
        .map(|z| z.iter().map(|v| *v as f64).collect())
        .collect();
    let calibration = Calibration::new(&program, &samples).unwrap();
    Quantised::new(&program, &calibration, limbs).unwrap()
}

/// All vectors of so many integers of a range.
fn all(size: usize, range: std::ops::RangeInclusive<i64>) -> impl Iterator<Item = Vec<i64>> {
    let (low, span) = (*range.start(), (range.end() - range.start() + 1) as usize);
    (0..span.pow(size as u32)).map(move |n| {
        (0..size)
            .map(|i| low + (n / span.pow(i as u32) % span) as i64)
            .collect()
    })
}

/// The integers that represent these, exactly.
fn integers(q: &Quantised, z: &[i64]) -> Vec<i64> {
    q.quantise_input(&z.iter().map(|v| *v as f64).collect::<Vec<_>>())
        .unwrap()
}

fn advice(program: &Program<i64>) -> Vec<usize> {
    let layers = program.layers.iter().enumerate();
    layers
        .filter(|(_, l)| matches!(l.act, Act::Advice(_)))
        .map(|(i, _)| i)
        .collect()
}

fn flag(name: &'static str, value: i64) -> (&'static str, Attribute) {
    (name, Attribute::Int(value))
}

const LIMBS: Limbs = Limbs { bits: 10, hi: 2, lo: 2 };

#[test]
fn arg_max_is_the_first_or_last_largest() {
    for (op, sign) in [("ArgMax", 1), ("ArgMin", -1)] {
        for last in [0, 1] {
            let q = quantised(op, 1, 4, &[flag("axis", 1), flag("select_last_index", last)], LIMBS);
            assert!(advice(&q.program).is_empty());
            for z in all(4, -2..=2) {
                let best = z.iter().map(|v| sign * v).max().unwrap();
                let mut winners = (0..4).filter(|&k| sign * z[k] == best);
                let expected = if last == 1 { winners.next_back() } else { winners.next() };
                let found = q.dequantise_output(&q.run(&integers(&q, &z)).unwrap().outputs);
                assert_eq!(found, [expected.unwrap() as f64], "{op} {z:?} {last}");
            }
        }
    }
}

#[test]
fn top_k_is_sorted_and_stable() {
    for largest in [1, 0] {
        for k in 1..=4 {
            let attributes = [flag("k", k), flag("largest", largest)];
            let q = quantised("TopK", 2, 4, &attributes, LIMBS);
            assert!(advice(&q.program).is_empty());
            for z in all(4, -2..=2) {
                let mut order: Vec<usize> = (0..4).collect();
                order.sort_by_key(|&i| (if largest == 1 { -z[i] } else { z[i] }, i));
                order.truncate(k as usize);
                let values = order.iter().map(|&i| z[i] as f64);
                let expected: Vec<f64> = values.chain(order.iter().map(|&i| i as f64)).collect();
                let found = q.dequantise_output(&q.run(&integers(&q, &z)).unwrap().outputs);
                assert_eq!(found, expected, "{z:?} {k} {largest}");
            }
        }
    }
}

#[test]
fn layer_normalization_has_one_output() {
    let limbs = Limbs { bits: 10, hi: 2, lo: 2 };
    let q = quantised("LayerNormalization", 1, 3, &[flag("axis", -1)], limbs);
    let roots = advice(&q.program);
    assert_eq!(roots.len(), 1, "one root a row");
    for z in all(3, -2..=2) {
        let mean = z.iter().sum::<i64>() as f64 / 3.0;
        let variance = z.iter().map(|v| (*v as f64 - mean).powi(2)).sum::<f64>() / 3.0;
        let Ok(trace) = q.run(&integers(&q, &z)) else {
            // One over the root of almost nothing does not fit.
            assert_eq!(variance, 0.0, "{z:?}");
            continue;
        };
        for (v, found) in z.iter().zip(q.dequantise_output(&trace.outputs)) {
            let expected = (*v as f64 - mean) / (variance + 1e-5).sqrt();
            assert!((found - expected).abs() < 0.02, "{z:?}: {found} {expected}");
        }
        // No other root passes its assertions.
        let honest = trace.out[roots[0]][0];
        for forged in -limbs.signed_range()..limbs.signed_range() {
            if forged == honest || (forged - honest).abs() > 40 && forged % 997 != 0 && forged != -honest {
                continue;
            }
            let mut program = q.program.clone();
            program.layers[roots[0]] = Layer {
                channels: 1,
                dims: vec![1],
                bias: vec![forged << limbs.shift()],
                ..Layer::default()
            };
            assert!(
                execute::exact(&program, &limbs, &integers(&q, &z)).is_err(),
                "{z:?}: {forged} for {honest}"
            );
        }
    }
}
