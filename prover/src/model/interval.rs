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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::program::Term;
    use super::*;

    const LIMBS: Limbs = Limbs { bits: 12, hi: 2, lo: 2 };

    /// A ReLU of each input, then a weighted sum of all.
    fn program(weights: &[i64], bias: i64, constant: Option<i64>) -> Program<i64> {
        let n = weights.len() as u32;
        let first = Layer {
            name: "first".into(),
            channels: 1,
            dims: vec![n as usize],
            terms: vec![Term {
                block: (0..n).map(Source::Input).collect(),
                strides: vec![1],
                taps: vec![vec![(0, 1)]].into(),
            }],
            bias: vec![0],
            act: Act::Relu,
        };
        let mut block: Vec<_> = (0..n).map(|index| Source::Layer { layer: 0, index }).collect();
        block.extend(constant.map(Source::Const));
        let second = Layer {
            name: "second".into(),
            channels: 1,
            dims: vec![],
            terms: vec![Term {
                block,
                strides: vec![],
                taps: vec![(0..n).zip(weights.iter().copied()).collect()].into(),
            }],
            bias: vec![bias],
            act: Act::Requant,
        };
        Program {
            input_shape: vec![n as usize],
            output_shape: vec![1],
            layers: vec![first, second],
            outputs: vec![Source::Layer { layer: 1, index: 0 }],
        }
    }

    #[test]
    fn bounds_are_those_of_the_worst_input() {
        let found = bounds(&program(&[5, -7], -3, None), &LIMBS).unwrap();
        assert_eq!(found, [1 << 23, 12 * ((1 << 24) - 1) + 3]);
        let found = bounds(&program(&[1], 0, Some(-(1 << 40))), &LIMBS).unwrap();
        assert_eq!(found[1], 1 << 40);
    }

    #[test]
    fn a_model_that_could_wrap_is_refused_by_name() {
        // 2^62 is reached by 2^38 * 2^24 and by no less.
        assert!(bounds(&program(&[1 << 37, -(1 << 37)], 0, None), &LIMBS).is_ok());
        let error = bounds(&program(&[1 << 37, -(1 << 37)], 1 << 39, None), &LIMBS).unwrap_err();
        assert!(
            matches!(&error, Error::Overflow { layer, bits: 63, limit: 62 } if layer == "second"),
            "{error}"
        );
        for extreme in [
            program(&[i64::MIN; 4], i64::MIN, None),
            program(&[i64::MAX], 0, Some(i64::MIN)),
        ] {
            assert!(matches!(bounds(&extreme, &LIMBS), Err(Error::Overflow { .. })));
        }
    }
}
