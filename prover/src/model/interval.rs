//! Static interval analysis: no accumulator may leave the integers, whatever the input.

use super::error::{Error, Result};
use super::fixed::Limbs;
use super::program::{Act, Function, Layer, Program, Source};

/// Accumulators stay below `2^LIMIT_BITS`, which `i64` represents with room for the rounding term, and so does the field
/// (`r > 2^253`): an equation of pre-activations that holds modulo `r` holds for the integers.
pub const LIMIT_BITS: u32 = 62;

/// The limit for accumulators that are computed with 128 bits and then held to [`LIMIT_BITS`] one by one: the arguments of
/// functions, products of matrices, and what raw values are summed in. The field is beyond that too.
pub const WIDE_BITS: u32 = 120;

/// Bounds on what one layer computes, whatever the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// The largest magnitude of an accumulator.
    pub pre: i128,
    /// The largest magnitude of an output.
    pub out: i128,
}

impl<W> Program<W> {
    /// Whether a layer's accumulators may be wider than `i64` as far as is known without an input.
    pub(super) fn is_wide(&self, layer: &Layer<W>) -> bool {
        let raw = |s: &Source<W>| matches!(s, Source::Layer { layer, .. } if self.layers[*layer as usize].act.is_raw());
        matches!(layer.act, Act::Function(_)) || layer.sources().any(raw)
    }
}

/// Per layer, bounds on its accumulator, `max over channels of |bias| + sum |weight| * max |value|`, and on its outputs, where
/// values are only known to fit the limbs of the slot that holds them. What is raw is bounded by what it is computed from.
///
/// # Errors
/// [`Error::Overflow`], naming the layer, when a bound reaches `2^LIMIT_BITS` (or `2^WIDE_BITS`); [`Error::Program`] for a
/// program that breaks its rules.
pub fn bounds(program: &Program<i64>, limbs: &Limbs) -> Result<Vec<Bound>> {
    program.validate()?;
    let mut bounds: Vec<Bound> = Vec::with_capacity(program.layers.len());
    for layer in &program.layers {
        let values = Magnitudes { limbs, known: &bounds };
        let pre = match layer.operands.is_empty() {
            true => values.linear(layer),
            false => values.operands(layer),
        };
        let wide = program.is_wide(layer) || !layer.operands.is_empty();
        let limit = if wide { WIDE_BITS } else { LIMIT_BITS };
        let out = match layer.act {
            Act::RawProduct => pre,
            Act::Function(f) => table(program, f as usize, limbs, &layer.name)?,
            Act::Relu | Act::MaxPool { relu: true } | Act::Floor => (limbs.hi_range() - 1).into(),
            Act::Composite(_) => {
                let (layer, what) = (layer.name.clone(), "a composite operation in a quantised program");
                return Err(Error::Program { layer, what });
            }
            _ => limbs.signed_range().into(),
        };
        if pre >> limit != 0 {
            return Err(overflow(&layer.name, pre, limit));
        }
        bounds.push(Bound { pre, out });
    }
    Ok(bounds)
}

fn overflow(layer: &str, bound: i128, limit: u32) -> Error {
    Error::Overflow {
        layer: layer.into(),
        bits: bound.checked_ilog2().unwrap_or(0) + 1,
        limit,
    }
}

/// The largest value that a table gives. Rows fit the high limbs with their signs, rises too.
fn table(program: &Program<i64>, function: usize, limbs: &Limbs, layer: &str) -> Result<i128> {
    let Function::Table(rows) = &program.functions[function] else {
        let (layer, what) = (layer.into(), "a curve in a quantised program");
        return Err(Error::Program { layer, what });
    };
    if rows.len() > 1 << limbs.bits {
        let (layer, what) = (layer.into(), "its table has more rows than the trace");
        return Err(Error::Program { layer, what });
    }
    let largest = rows
        .iter()
        .map(|(v, rise)| i128::from(*v).abs() + i128::from(*rise).abs())
        .max()
        .unwrap_or(0);
    match largest << limbs.shift() {
        bound if bound >> LIMIT_BITS == 0 => Ok(bound),
        bound => Err(overflow(layer, bound, LIMIT_BITS)),
    }
}

/// How large what is read can be.
struct Magnitudes<'a> {
    limbs: &'a Limbs,
    known: &'a [Bound],
}

impl Magnitudes<'_> {
    fn of(&self, sources: &[Source<i64>]) -> i128 {
        let magnitude = |source: &Source<i64>| match *source {
            Source::Input(_) => self.limbs.signed_range().into(),
            Source::Const(c) => i128::from(c).abs(),
            Source::Layer { layer, .. } => self.known[layer as usize].out,
        };
        sources.iter().map(magnitude).max().unwrap_or(0)
    }

    fn linear(&self, layer: &Layer<i64>) -> i128 {
        let blocks: Vec<i128> = layer.terms.iter().map(|t| self.of(&t.block)).collect();
        let channel = |o: usize| {
            let terms = layer.terms.iter().zip(&blocks).map(|(term, &max)| {
                let weights: i128 = term.taps[o].iter().map(|&(_, w)| i128::from(w).abs()).sum();
                weights.saturating_mul(max)
            });
            terms.fold(i128::from(layer.bias[o]).abs(), i128::saturating_add)
        };
        (0..layer.channels).map(channel).max().unwrap_or(0)
    }

    fn operands(&self, layer: &Layer<i64>) -> i128 {
        let factors = layer.operands.iter().map(|o| self.of(o));
        let product = |factor: i64| factors.fold(i128::from(factor).abs(), i128::saturating_mul);
        match layer.act {
            Act::Product { factor } => product(factor),
            Act::RawProduct => product(1),
            Act::MatMul { factor } => product(factor).saturating_mul(layer.inner() as i128),
            _ => self.limbs.signed_range().into(),
        }
    }
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
            ..Layer::default()
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
            ..Layer::default()
        };
        Program {
            input_shape: vec![n as usize],
            output_shape: vec![1],
            layers: vec![first, second],
            outputs: vec![Source::Layer { layer: 1, index: 0 }],
            ..Program::default()
        }
    }

    #[test]
    fn bounds_are_those_of_the_worst_input() {
        let found = bounds(&program(&[5, -7], -3, None), &LIMBS).unwrap();
        assert_eq!(
            found.iter().map(|b| b.pre).collect::<Vec<_>>(),
            [1 << 23, 12 * ((1 << 24) - 1) + 3]
        );
        let found = bounds(&program(&[1], 0, Some(-(1 << 40))), &LIMBS).unwrap();
        assert_eq!(found[1].pre, 1 << 40);
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
