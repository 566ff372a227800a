//! Functions: tables over the calibrated range, and arguments scaled to segments.

use super::{Accumulator, Expansion, Result};
use crate::model::curve::{Curve, MAX_ROWS, Segments};
use crate::model::error::Error;
use crate::model::program::{Act, Function, Layer};
use crate::model::scales::room;

/// How far a clamped argument may lie beyond the bounds, from rounding.
const CLAMP_SLACK: f64 = 1.0 / 256.0;

/// The part of a range that is tabulated, and whether arguments must be clamped to its ends.
struct Clamped {
    range: (f64, f64),
    low: bool,
    high: bool,
}

fn clamp(curve: Curve, range: (f64, f64)) -> Clamped {
    let (least, most) = curve.tails();
    let low = least.filter(|t| range.0 < *t);
    let high = most.filter(|t| range.1 > *t);
    Clamped {
        range: (low.unwrap_or(range.0), high.unwrap_or(range.1)),
        low: low.is_some(),
        high: high.is_some(),
    }
}

impl Expansion<'_> {
    /// Makes the tables. All of them together have at most as many rows as the trace.
    pub(super) fn tabulate(&mut self) -> Result<()> {
        let too_long = || Error::Program {
            layer: "functions".into(),
            what: "their tables have more rows than the trace",
        };
        let used = |f: usize| {
            let layers = self.source.layers.iter().enumerate();
            layers
                .filter(move |(_, l)| l.act == Act::Function(f as u32))
                .map(|(i, _)| i)
        };
        let given = self
            .source
            .functions
            .iter()
            .map(|f| if let Function::Table(rows) = f { rows.len() } else { 0 });
        let curves = self
            .source
            .functions
            .iter()
            .filter(|f| matches!(f, Function::Curve(_)))
            .count();
        let left = (1usize << self.limbs.bits)
            .checked_sub(given.sum())
            .ok_or_else(too_long)?;
        let most = (left / curves.max(1)).min(MAX_ROWS);
        for (f, function) in self.source.functions.iter().enumerate() {
            // A table's values have the scale of the layers that use it; those agree, or the table serves one of them only.
            let scale = used(f)
                .map(|i| self.scales.of(i + 1) - self.limbs.shift() as i32)
                .min()
                .unwrap_or(0);
            let factor = f64::from(scale).exp2();
            let round = |rows: &[(f64, f64)]| {
                let integer = |v: f64| (v * factor).round() as i64;
                rows.iter()
                    .map(|(value, rise)| (integer(*value), integer(*rise)))
                    .collect::<Vec<_>>()
            };
            let (segments, rows) = match function {
                Function::Table(rows) => (None, round(rows)),
                Function::Curve(curve) => {
                    let ranges = used(f).map(|i| self.calibration.ranges[i]);
                    let mut range = ranges.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((0.0, 0.0));
                    if *curve == Curve::Exp {
                        // Beyond where its values leave the room that they have, a table is of no use.
                        let largest = used(f).map(|i| self.calibration.outputs[i]).fold(0.0, f64::max);
                        range.1 = range.1.min(largest.ln()).max(range.0);
                    }
                    let clamped = clamp(*curve, range).range;
                    if most < 4 {
                        return Err(too_long());
                    }
                    let segments = Segments::of(*curve, (clamped.0 - CLAMP_SLACK, clamped.1 + CLAMP_SLACK), most);
                    let rows = round(&segments.rows);
                    (Some(segments), rows)
                }
            };
            self.segments.push(segments);
            self.functions.push(Function::Table(rows));
        }
        Ok(())
    }

    /// A function's layer, behind layers that clamp its argument where the curve is flat.
    pub(super) fn function(&mut self, layer: &Layer<f64>, i: usize, f: usize) -> Result<u32> {
        let point = self.limbs.argument_point() as i32;
        let act = Act::Function(f as u32);
        let (Some(segments), Function::Curve(curve)) = (self.segments[f].clone(), &self.source.functions[f]) else {
            let to = Accumulator {
                exponent: point,
                offset: 0,
            };
            let quantised = self.linear(layer, to, act)?;
            return Ok(self.push(quantised));
        };
        let exponent = point + segments.density;
        let range = self.calibration.ranges[i];
        let clamped = clamp(*curve, range);
        if !clamped.low && !clamped.high {
            let to = Accumulator {
                exponent,
                offset: -(segments.start << point),
            };
            let quantised = self.linear(layer, to, act)?;
            return Ok(self.push(quantised));
        }
        // What is left of the argument is `bound + sign * rest`, `rest` a ReLU's value.
        let shift = self.limbs.shift() as i32;
        let scale = room(
            self.limbs.hi_bits() - 1,
            self.calibration.layers[i].max(range.1 - range.0),
        );
        let integer = |v: f64, exponent: i32| (v * f64::from(exponent).exp2()).round() as i64;
        let (bound, sign) = if clamped.low {
            (clamped.range.0, 1.0)
        } else {
            (clamped.range.1, -1.0)
        };
        let to = Accumulator {
            exponent: shift + scale,
            offset: -integer(sign * bound, shift + scale),
        };
        let mut first = self.linear(&signed(layer, sign), to, Act::Relu)?;
        first.name = format!("{}: clamped", layer.name);
        let (_, mut rest) = self.values(first);
        let (mut bound, mut sign) = (bound, sign);
        if clamped.low && clamped.high {
            let width = integer(clamped.range.1 - bound, shift + scale);
            let second = self.combination(layer, "clamped above", Act::Relu, &[(&rest, -(1 << shift))], width);
            (_, rest) = self.values(second);
            (bound, sign) = (clamped.range.1, -1.0);
        }
        let weight = integer(sign, exponent - scale);
        let offset = integer(bound, exponent) - (segments.start << point);
        let looked_up = self.combination(layer, "value", act, &[(&rest, weight)], offset);
        Ok(self.push(looked_up))
    }
}

/// The layer with its linear map multiplied by 1 or -1.
fn signed(layer: &Layer<f64>, sign: f64) -> Layer<f64> {
    let mut layer = layer.clone();
    layer.bias.iter_mut().for_each(|b| *b *= sign);
    for taps in layer.terms.iter_mut().flat_map(|t| t.taps.iter_mut()) {
        taps.iter_mut().for_each(|(_, w)| *w *= sign);
    }
    layer
}
