//! How large values become: constants, sums, what layers bound.

use super::node;
use crate::model::calibrate::Calibration;
use crate::model::program::{Act, Composite, Function, Layer, Program, Source, Term};

/// The largest magnitude of a constant among these.
pub(super) fn largest_constant(sources: &[Source<f64>]) -> f64 {
    let constant = |s: &Source<f64>| if let Source::Const(c) = s { c.abs() } else { 0.0 };
    sources.iter().map(constant).fold(0.0, f64::max)
}

/// The largest of the magnitudes per node and of constants.
pub(super) fn largest_of(nodes: &[f64], sources: &[Source<f64>]) -> f64 {
    let read = sources.iter().filter_map(node).map(|n| nodes[n]);
    read.fold(largest_constant(sources), f64::max)
}

/// How large a linear map could be, its nodes being as large as these magnitudes.
pub(super) fn largest_sum(nodes: &[f64], layer: &Layer<f64>) -> f64 {
    let blocks: Vec<f64> = layer.terms.iter().map(|t| largest_of(nodes, &t.block)).collect();
    let channel = |o: usize| {
        let term = |(term, largest): (&Term<f64>, &f64)| {
            let weights: f64 = term.taps[o].iter().map(|t| t.1.abs()).sum();
            // Of what is unbounded nothing is nothing.
            if weights > 0.0 { weights * largest } else { 0.0 }
        };
        layer.bias[o].abs() + layer.terms.iter().zip(&blocks).map(term).sum::<f64>()
    };
    (0..layer.channels).map(channel).fold(0.0, f64::max)
}

/// Per node the largest magnitude that is possible at all, infinite where the layers say nothing of it: truth values, and what
/// is computed from them.
pub(super) fn largest_possible(program: &Program<f64>) -> Vec<f64> {
    let mut known = vec![f64::INFINITY];
    for layer in &program.layers {
        let factors = || layer.operands.iter().map(|o| largest_of(&known, o)).product::<f64>();
        let largest = match layer.act {
            Act::Composite(Composite::Negative) => 1.0,
            Act::Requant | Act::Relu | Act::MaxPool { .. } | Act::Floor => largest_sum(&known, layer),
            Act::Product { .. } => factors(),
            Act::MatMul { .. } => factors() * layer.inner() as f64,
            _ => f64::INFINITY,
        };
        known.push(if largest.is_nan() { f64::INFINITY } else { largest });
    }
    known
}

/// The largest magnitude that a function's layer `i` gives.
pub(super) fn largest(function: &Function<f64>, calibration: &Calibration, i: usize) -> f64 {
    let max = match function {
        Function::Curve(_) => calibration.outputs[i],
        Function::Table(rows) => {
            let ends = rows
                .iter()
                .flat_map(|(value, rise)| [value.abs(), (value + rise).abs()]);
            ends.fold(0.0, f64::max)
        }
    };
    if max > 0.0 { max } else { 1.0 }
}
