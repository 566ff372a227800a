//! Static interval analysis: no accumulator may leave the integers, whatever the input.

use super::error::{Error, Result};
use super::fixed::Limbs;
use super::program::{Act, Layer, Program, Source};

/// Accumulators stay below `2^LIMIT_BITS`, which `i64` represents with room for the rounding term, and so does the field
/// (`r > 2^253`): an equation of pre-activations that holds modulo `r` holds for the integers.
pub const LIMIT_BITS: u32 = 62;

/// Per layer, a bound on the magnitude of its accumulator: `max over channels of |bias| + sum |weight| * max |value|`, where
/// values are only known to fit the limbs of the slot that holds them.
///
/// # Errors
/// [`Error::Overflow`], naming the layer, when a bound reaches `2^LIMIT_BITS`; [`Error::Program`] for a program that breaks its
/// rules.
pub fn bounds(program: &Program<i64>, limbs: &Limbs) -> Result<Vec<i128>> {
    program.validate()?;
    let bounds: Vec<i128> = program.layers.iter().map(|l| bound(program, l, limbs)).collect();
    for (layer, &bound) in program.layers.iter().zip(&bounds) {
        if bound >> LIMIT_BITS != 0 {
            let bits = bound.checked_ilog2().unwrap_or(0) + 1;
            return Err(Error::Overflow {
                layer: layer.name.clone(),
                bits,
                limit: LIMIT_BITS,
            });
        }
    }
    Ok(bounds)
}

fn bound(program: &Program<i64>, layer: &Layer<i64>, limbs: &Limbs) -> i128 {
    let magnitude = |source: &Source<i64>| -> i128 {
        match *source {
            Source::Input(_) => limbs.signed_range().into(),
            Source::Const(c) => i128::from(c).abs(),
            Source::Layer { layer, .. } => match program.layers[layer as usize].act {
                Act::Requant | Act::MaxPool { relu: false } => limbs.signed_range().into(),
                Act::Relu | Act::MaxPool { relu: true } => (limbs.hi_range() - 1).into(),
            },
        }
    };
    let blocks: Vec<i128> = layer
        .terms
        .iter()
        .map(|t| t.block.iter().map(magnitude).max().unwrap_or(0))
        .collect();
    let channel = |o: usize| {
        let terms = layer.terms.iter().zip(&blocks).map(|(term, &max)| {
            let weights: i128 = term.taps[o].iter().map(|&(_, w)| i128::from(w).abs()).sum();
            weights.saturating_mul(max)
        });
        terms.fold(i128::from(layer.bias[o]).abs(), i128::saturating_add)
    };
    (0..layer.channels).map(channel).max().unwrap_or(0)
}
