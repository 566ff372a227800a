//! Exactly: integers, rounded and held in range as the gates of a slot demand it.

use super::super::interval::LIMIT_BITS;
use super::super::program::{Function, Rule};
use super::*;

pub(super) struct Exact<'a> {
    pub(super) program: &'a Program<i64>,
    pub(super) limbs: &'a Limbs,
}

impl Number for i64 {
    /// Modulo 2^64: where the interval analysis has passed, the result is exact whatever the partial sums.
    fn add_product(self, a: i64, b: i64) -> i64 {
        self.wrapping_add(a.wrapping_mul(b))
    }
}

impl Number for i128 {
    /// Modulo 2^128, as for `i64`.
    fn add_product(self, a: i128, b: i128) -> i128 {
        self.wrapping_add(a.wrapping_mul(b))
    }
}

fn range(layer: &Layer<i64>, what: &'static str) -> Error {
    Error::Range {
        layer: layer.name.clone(),
        what,
    }
}

/// What was computed with room to spare, if it is as small as an accumulator must be.
fn narrow(layer: &Layer<i64>, wide: Vec<i128>) -> Result<Vec<i64>> {
    let fits = |v: i128| i64::try_from(v).ok().filter(|v| v.unsigned_abs() >> LIMIT_BITS == 0);
    let fitting = wide.into_iter().map(fits).collect::<Option<Vec<_>>>();
    fitting.ok_or_else(|| range(layer, "an accumulator"))
}

impl Arithmetic for Exact<'_> {
    type Value = i64;

    fn linear(&self, layer: &Layer<i64>, values: Values<'_, i64>) -> Result<Vec<i64>> {
        match self.program.is_wide(layer) {
            true => narrow(layer, pre_activations(layer, values, i128::from)),
            false => Ok(pre_activations(layer, values, |v| v)),
        }
    }

    fn combine(&self, layer: &Layer<i64>, operands: &[Vec<i64>]) -> Result<Vec<i64>> {
        let products = |factor: i64| {
            let pairs = operands[0].iter().zip(&operands[1]);
            // Factors are raw values at most: 62 bits each.
            let product = |(a, b): (&i64, &i64)| (i128::from(*a) * i128::from(*b)).saturating_mul(factor.into());
            narrow(layer, pairs.map(product).collect())
        };
        match layer.act {
            Act::Product { factor } => products(factor),
            Act::RawProduct => products(1),
            Act::MatMul { factor } => {
                let sums = matrix_product(layer, operands, i128::from);
                narrow(
                    layer,
                    sums.into_iter().map(|v| v.saturating_mul(factor.into())).collect(),
                )
            }
            Act::Advice(rule) => {
                let pick = |i: usize| operands.iter().map(|o| i128::from(o[i])).collect::<Vec<_>>();
                let value = |i: usize| advice(rule, &pick(i)).and_then(|v| i64::try_from(v).ok());
                let values = (0..operands[0].len()).map(value).collect::<Option<_>>();
                values.ok_or_else(|| range(layer, "a divisor or a square root's argument"))
            }
            _ => Err(Error::Program {
                layer: layer.name.clone(),
                what: "a composite operation in a quantised program",
            }),
        }
    }

    fn activate(&self, layer: &Layer<i64>, pre: &[i64]) -> Result<Vec<i64>> {
        if let Act::Function(f) = layer.act {
            let Function::Table(rows) = &self.program.functions[f as usize] else {
                let (layer, what) = (layer.name.clone(), "a curve in a quantised program");
                return Err(Error::Program { layer, what });
            };
            let values = pre.iter().map(|u| look_up(self.limbs, rows, *u)).collect::<Option<_>>();
            return values.ok_or_else(|| range(layer, "a function's argument"));
        }
        let activate = |window: &[i64]| activation(layer.act, self.limbs, window);
        let values = pre.chunks_exact(layer.window()).map(activate).collect::<Option<_>>();
        let what = match layer.act {
            Act::Floor | Act::Zero => "an asserted value",
            _ => "an activation",
        };
        values.ok_or_else(|| range(layer, what))
    }
}

/// The value that a table gives for an argument, with `s` bits more than its rows.
fn look_up(limbs: &Limbs, rows: &[(i64, i64)], argument: i64) -> Option<i64> {
    let (key, within) = limbs.look_up(argument);
    let (value, rise) = *rows.get(usize::try_from(key).ok()?)?;
    Some((value << limbs.shift()) + rise * within)
}

/// What a rule gives, unless it divides by what is not positive.
fn advice(rule: Rule, operands: &[i128]) -> Option<i128> {
    match (rule, operands) {
        (Rule::Quotient { numerator, denominator }, [a, b]) => {
            let b = b << denominator;
            (b > 0).then(|| ((a << numerator) + b / 2).div_euclid(b))
        }
        (Rule::SquareRoot { shift }, [v]) => (*v >= 0).then(|| (v << shift).isqrt()),
        (Rule::ReciprocalSquareRoot { shift }, [v]) => (*v > 0).then(|| ((1i128 << shift) / v).isqrt()),
        _ => None,
    }
}

/// The activation of one window (of one element, but for a pool), unless it does not fit the limbs.
fn activation(act: Act, limbs: &Limbs, window: &[i64]) -> Option<i64> {
    let (low, high) = window
        .iter()
        .fold((i64::MAX, i64::MIN), |(l, h), &u| (l.min(u), h.max(u)));
    let y = match act {
        Act::Requant | Act::Product { .. } | Act::MatMul { .. } => {
            return Some(limbs.round(high)).filter(|&y| limbs.holds_signed(y));
        }
        Act::Relu => {
            return Some(limbs.round(high))
                .filter(|y| y.abs() < limbs.hi_range())
                .map(|y| y.max(0));
        }
        Act::Floor => {
            return Some(high >> limbs.shift()).filter(|y| (0..limbs.hi_range()).contains(y));
        }
        Act::Zero => return (high == 0).then_some(0),
        Act::RawProduct => return Some(high),
        Act::Advice(_) => return limbs.holds_signed(high).then_some(high),
        Act::Function(_) | Act::Composite(_) => return None,
        Act::MaxPool { relu } => {
            let top = if relu { high.max(0) } else { high };
            // Each element's distance from the maximum is written with all limbs.
            top.checked_sub(low).filter(|d| d >> limbs.shift() < limbs.hi_range())?;
            limbs.round(top)
        }
    };
    let fits = if act == (Act::MaxPool { relu: true }) {
        y < limbs.hi_range()
    } else {
        limbs.holds_signed(y)
    };
    fits.then_some(y)
}
