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

/// The integers from `low` to `high`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interval {
    /// The least.
    pub low: i128,
    /// The largest.
    pub high: i128,
}

impl Interval {
    const ZERO: Self = Self { low: 0, high: 0 };

    fn new(low: impl Into<i128>, high: impl Into<i128>) -> Self {
        let (low, high) = (low.into(), high.into());
        Self { low, high }
    }

    /// The largest magnitude.
    pub fn magnitude(self) -> i128 {
        self.high.max(self.low.saturating_neg())
    }

    /// What holds both.
    fn hull(self, other: Self) -> Self {
        Self::new(self.low.min(other.low), self.high.max(other.high))
    }

    /// Sums; `None` where they leave the 128-bit integers, as for all that follows.
    fn plus(self, other: Self) -> Option<Self> {
        Some(Self::new(
            self.low.checked_add(other.low)?,
            self.high.checked_add(other.high)?,
        ))
    }

    fn times(self, other: Self) -> Option<Self> {
        let corner = |a: i128, b: i128| a.checked_mul(b).map(|v| Self::new(v, v));
        let corners = [
            corner(self.low, other.low)?,
            corner(self.low, other.high)?,
            corner(self.high, other.low)?,
            corner(self.high, other.high)?,
        ];
        corners.into_iter().reduce(Self::hull)
    }

    fn scaled(self, factor: impl Into<i128>) -> Option<Self> {
        let factor = factor.into();
        self.times(Self::new(factor, factor))
    }

    /// What is left of it between `low` and `high`: beyond them a slot holds nothing.
    fn within(self, low: impl Into<i128>, high: impl Into<i128>) -> Self {
        let (low, high) = (low.into(), high.into());
        Self::new(self.low.clamp(low, high), self.high.clamp(low, high))
    }

    /// Both ends moved by a map that never falls.
    fn map(self, f: impl Fn(i128) -> i128) -> Self {
        Self::new(f(self.low), f(self.high))
    }
}

/// Bounds on what one layer computes, whatever the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Of an accumulator.
    pub pre: Interval,
    /// Of an output.
    pub out: Interval,
}

impl<W> Program<W> {
    /// Whether a layer's accumulators may be wider than `i64` as far as is known without an input.
    pub(super) fn is_wide(&self, layer: &Layer<W>) -> bool {
        let raw = |s: &Source<W>| matches!(s, Source::Layer { layer, .. } if self.layers[*layer as usize].act.is_raw());
        matches!(layer.act, Act::Function(_)) || layer.sources().any(raw)
    }
}

/// Per layer, bounds on its accumulator and on its outputs. Of an input only that it fits its slot is known. An output lies in
/// its slot's range and where the accumulator's bounds put it: its slot's equation holds for the integers, since by these very
/// bounds neither side can wrap around modulo `r`. What is raw is bounded by what it is computed from.
///
/// # Errors
/// [`Error::Overflow`], naming the layer, when a bound reaches `2^LIMIT_BITS` (or `2^WIDE_BITS`); [`Error::Program`] for a
/// program that breaks its rules.
pub fn bounds(program: &Program<i64>, limbs: &Limbs) -> Result<Vec<Bound>> {
    program.validate()?;
    let mut bounds: Vec<Bound> = Vec::with_capacity(program.layers.len());
    for layer in &program.layers {
        let values = Values { limbs, known: &bounds };
        let pre = match layer.operands.is_empty() {
            true => values.linear(layer),
            false => values.operands(layer),
        };
        let wide = program.is_wide(layer) || !layer.operands.is_empty();
        let limit = if wide { WIDE_BITS } else { LIMIT_BITS };
        let too_large = |bound: i128| bound >> limit != 0;
        let pre = match pre {
            Some(pre) if !too_large(pre.magnitude()) => pre,
            large => {
                return Err(overflow(
                    &layer.name,
                    large.map_or(i128::MAX, Interval::magnitude),
                    limit,
                ));
            }
        };
        let rounded = pre.map(|u| (u + i128::from(limbs.half())) >> limbs.shift());
        let (signed, top) = (limbs.signed_range(), limbs.hi_range() - 1);
        let out = match layer.act {
            Act::RawProduct => pre,
            Act::Zero => Interval::ZERO,
            Act::Function(f) => table(program, f as usize, limbs, &layer.name)?,
            Act::Relu | Act::MaxPool { relu: true } => rounded.within(0, top),
            Act::Floor => pre.map(|u| u >> limbs.shift()).within(0, top),
            Act::Requant | Act::MaxPool { relu: false } | Act::Product { .. } | Act::MatMul { .. } => {
                rounded.within(-signed, signed - 1)
            }
            Act::Advice(_) => values.slot(),
            Act::Composite(_) => {
                let (layer, what) = (layer.name.clone(), "a composite operation in a quantised program");
                return Err(Error::Program { layer, what });
            }
        };
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

/// What a table gives: from one end of a row to the other, with the bits of a raw value.
fn table(program: &Program<i64>, function: usize, limbs: &Limbs, layer: &str) -> Result<Interval> {
    let Function::Table(rows) = &program.functions[function] else {
        let (layer, what) = (layer.into(), "a curve in a quantised program");
        return Err(Error::Program { layer, what });
    };
    if rows.len() > 1 << limbs.bits {
        let (layer, what) = (layer.into(), "its table has more rows than the trace");
        return Err(Error::Program { layer, what });
    }
    let ends = rows
        .iter()
        .flat_map(|&(value, rise)| [value.into(), i128::from(value) + i128::from(rise)]);
    let values = ends
        .map(|v| Interval::new(v, v))
        .reduce(Interval::hull)
        .unwrap_or(Interval::ZERO);
    // Rows are below 2^65, and limbs together at most 60 bits.
    let raw = values.map(|v| v << limbs.shift());
    match raw.magnitude() {
        bound if bound >> LIMIT_BITS == 0 => Ok(raw),
        bound => Err(overflow(layer, bound, LIMIT_BITS)),
    }
}

/// What is known of what can be read.
struct Values<'a> {
    limbs: &'a Limbs,
    known: &'a [Bound],
}

impl Values<'_> {
    /// Of a signed value only that its slot holds it.
    fn slot(&self) -> Interval {
        Interval::new(-self.limbs.signed_range(), self.limbs.signed_range() - 1)
    }

    fn of(&self, sources: &[Source<i64>]) -> Interval {
        let interval = |source: &Source<i64>| match *source {
            Source::Input(_) => self.slot(),
            Source::Const(c) => Interval::new(c, c),
            Source::Layer { layer, .. } => self.known[layer as usize].out,
        };
        sources
            .iter()
            .map(interval)
            .reduce(Interval::hull)
            .unwrap_or(Interval::ZERO)
    }

    fn linear(&self, layer: &Layer<i64>) -> Option<Interval> {
        let blocks: Vec<Interval> = layer.terms.iter().map(|t| self.of(&t.block)).collect();
        let channel = |o: usize| {
            let mut sum = Interval::new(layer.bias[o], layer.bias[o]);
            for (term, block) in layer.terms.iter().zip(&blocks) {
                // What rises with the block's value, and what falls.
                let weights = |sign: i128| {
                    let own = term.taps[o].iter().map(|&(_, w)| (i128::from(w) * sign).max(0));
                    own.sum::<i128>() * sign
                };
                sum = sum.plus(block.scaled(weights(1))?)?.plus(block.scaled(weights(-1))?)?;
            }
            Some(sum)
        };
        let hull = |all: Option<Interval>, o: usize| {
            let own = channel(o)?;
            Some(all.map_or(own, |all| all.hull(own)))
        };
        // A layer has a channel at least.
        (1..layer.channels).try_fold(channel(0)?, |all, o| hull(Some(all), o))
    }

    fn operands(&self, layer: &Layer<i64>) -> Option<Interval> {
        let product = |factor: i64| {
            let mut factors = layer.operands.iter().map(|o| self.of(o));
            factors.try_fold(Interval::new(factor, factor), Interval::times)
        };
        match layer.act {
            Act::Product { factor } => product(factor),
            Act::RawProduct => product(1),
            Act::MatMul { factor } => product(factor)?.scaled(layer.inner() as i128),
            _ => Some(self.slot()),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha20Rng;

    use super::super::execute;
    use super::super::program::Term;
    use super::*;

    const LIMBS: Limbs = Limbs { bits: 12, hi: 2, lo: 2 };

    /// A ReLU of each input, which are below 2^23, then a weighted sum of all.
    fn program(weights: &[i64], bias: i64, constant: Option<i64>) -> Program<i64> {
        let n = weights.len() as u32;
        let first = Layer {
            name: "first".into(),
            channels: 1,
            dims: vec![n as usize],
            terms: vec![Term {
                block: (0..n).map(Source::Input).collect(),
                strides: vec![1],
                taps: vec![vec![(0, 1 << 24)]].into(),
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
        let top = (1i128 << 23) - 1;
        assert_eq!(found[0].pre, Interval::new(-(1i128 << 47), top << 24));
        assert_eq!(found[0].out, Interval::new(0, top));
        assert_eq!(found[1].pre, Interval::new(-7 * top - 3, 5 * top - 3));
        assert_eq!(found[1].out, Interval::new(-3, 2));
        let found = bounds(&program(&[1], 0, Some(-(1 << 40))), &LIMBS).unwrap();
        assert_eq!(found[1].pre, Interval::new(-(1i128 << 40), top));
    }

    #[test]
    fn a_truth_value_is_0_or_1() {
        let mut program = program(&[-(1 << 24)], 1 << 24, None);
        program.layers[1].act = Act::Relu;
        assert_eq!(bounds(&program, &LIMBS).unwrap()[1].out, Interval::new(0, 1));
    }

    #[test]
    fn no_execution_leaves_its_bounds() {
        let limbs = Limbs::new(2, 2, 1).unwrap();
        let rng = &mut ChaCha20Rng::seed_from_u64(7);
        let acts = [
            Act::Requant,
            Act::Relu,
            Act::Floor,
            Act::MaxPool { relu: false },
            Act::MaxPool { relu: true },
        ];
        let mut runs = 0;
        for _ in 0..2000 {
            let mut program = program(
                &[rng.random_range(-4..=4), rng.random_range(-4..=4)],
                rng.random_range(-9..=9),
                None,
            );
            program.layers[0].terms[0].taps[0][0].1 = rng.random_range(-5..=5);
            program.layers[0].bias = vec![rng.random_range(-9..=9)];
            program.layers[1].dims = vec![1, 1];
            program.layers[1].terms[0].strides = vec![0, 0];
            program.layers[0].act = acts[rng.random_range(0..3)];
            program.layers[1].act = acts[rng.random_range(0..5)];
            let bounds = bounds(&program, &limbs).unwrap();
            let input = [rng.random_range(-8..8), rng.random_range(-8..8)];
            let Ok(trace) = execute::exact(&program, &limbs, &input) else {
                continue;
            };
            runs += 1;
            for (bound, (pre, out)) in bounds.iter().zip(trace.pre.iter().zip(&trace.out)) {
                let within = |i: Interval, v: &i64| (i.low..=i.high).contains(&i128::from(*v));
                assert!(
                    pre.iter().all(|u| within(bound.pre, u)) && out.iter().all(|y| within(bound.out, y)),
                    "{program:?}"
                );
            }
        }
        assert!(runs > 500, "{runs}");
    }

    #[test]
    fn a_model_that_could_wrap_is_refused_by_name() {
        // 2^62 is reached by 2^39 * (2^23 - 1) + 2^39 and by no less.
        assert!(bounds(&program(&[1 << 39, -(1 << 39)], (1 << 39) - 1, None), &LIMBS).is_ok());
        let error = bounds(&program(&[1 << 39, -(1 << 39)], 1 << 39, None), &LIMBS).unwrap_err();
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
