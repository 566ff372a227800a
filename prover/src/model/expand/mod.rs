//! Quantised layers from a program's: one each, but for what takes several to prove.

mod composite;
mod function;
#[cfg(test)]
mod tests;

use super::calibrate::Calibration;
use super::curve::Segments;
use super::error::{Error, Result};
use super::fixed::Limbs;
use super::interval;
use super::program::{Act, Composite, Function, Layer, Program, Source, Term};
use super::scales::{Scales, WEIGHT_BITS};

/// A quantised program in the making.
pub(super) struct Expansion<'a> {
    source: &'a Program<f64>,
    calibration: &'a Calibration,
    scales: &'a Scales,
    limbs: Limbs,
    /// Per function the table, if it is a curve's.
    segments: Vec<Option<Segments>>,
    functions: Vec<Function<i64>>,
    layers: Vec<Layer<i64>>,
    /// Per layer of the source the layer that gives its values.
    result: Vec<u32>,
}

/// What scales a layer's accumulator, and what is added to it.
#[derive(Clone, Copy)]
struct Accumulator {
    /// The exponent.
    exponent: i32,
    /// In units of the accumulator.
    offset: i64,
}

impl<'a> Expansion<'a> {
    /// No layers yet; tabulates the functions.
    pub(super) fn new(
        source: &'a Program<f64>,
        calibration: &'a Calibration,
        scales: &'a Scales,
        limbs: Limbs,
    ) -> Result<Self> {
        let mut expansion = Self {
            source,
            calibration,
            scales,
            limbs,
            segments: Vec::new(),
            functions: Vec::new(),
            layers: Vec::new(),
            result: Vec::new(),
        };
        expansion.tabulate()?;
        Ok(expansion)
    }

    /// Per layer of the source so far the layer that gives its values.
    pub(super) fn results(&self) -> &[u32] {
        &self.result
    }

    /// The program.
    pub(super) fn finish(self) -> Program<i64> {
        Program {
            input_shape: self.source.input_shape.clone(),
            input_scale: self.source.input_scale,
            output_shape: self.source.output_shape.clone(),
            // Outputs are layers' only, see `Program::validate`.
            outputs: self.source.outputs.iter().map(|s| self.refer(s, 0)).collect(),
            layers: self.layers,
            functions: self.functions,
        }
    }

    /// Adds what layer `i` of the source becomes.
    pub(super) fn add(&mut self, i: usize) -> Result<()> {
        let layer = &self.source.layers[i];
        self.check_raw(layer)?;
        let shift = self.limbs.shift() as i32;
        let own = Accumulator {
            exponent: shift + self.scales.of(i + 1),
            offset: 0,
        };
        let result = match layer.act {
            Act::Requant | Act::Relu | Act::MaxPool { .. } | Act::Floor | Act::Zero => {
                let quantised = self.linear(layer, own, layer.act)?;
                self.push(quantised)
            }
            Act::Function(f) => self.function(layer, i, f as usize)?,
            Act::Product { .. } | Act::MatMul { .. } => {
                let [(left, a), (right, b)] = [self.operand(layer, 0)?, self.operand(layer, 1)?];
                let factor = self.power(layer, own.exponent - a - b)?;
                let act = match layer.act {
                    Act::Product { .. } => Act::Product { factor },
                    _ => Act::MatMul { factor },
                };
                self.push(Layer {
                    name: layer.name.clone(),
                    channels: layer.channels,
                    dims: layer.dims.clone(),
                    act,
                    operands: vec![left, right],
                    ..Layer::default()
                })
            }
            Act::Composite(Composite::Divide) => self.divide(layer, self.scales.of(i + 1))?,
            Act::Composite(Composite::SquareRoot) => self.square_root(layer, self.scales.of(i + 1))?,
            Act::Composite(Composite::ReciprocalSquareRoot) => {
                self.reciprocal_square_root(layer, self.scales.of(i + 1))?
            }
            Act::Composite(Composite::Negative) => self.negative(layer, i)?,
            Act::RawProduct | Act::Advice(_) => {
                return Err(self.malformed(layer, "raw products and advice are for quantised programs only"));
            }
        };
        self.result.push(result);
        Ok(())
    }

    fn malformed(&self, layer: &Layer<f64>, what: &'static str) -> Error {
        let layer = layer.name.clone();
        Error::Program { layer, what }
    }

    /// Raw values have a scale apart, so that nothing reads them together with others.
    fn check_raw(&self, layer: &Layer<f64>) -> Result<()> {
        let raw = |s: &Source<f64>| matches!(s, Source::Layer { layer, .. } if self.source.layers[*layer as usize].act.is_raw());
        let mixed = |block: &Vec<Source<f64>>| block.iter().any(raw) && !block.iter().all(raw);
        if layer.terms.iter().any(|t| mixed(&t.block)) {
            return Err(self.malformed(layer, "it reads a function's raw values together with others"));
        }
        match layer.operands.iter().flatten().chain(&self.source.outputs).any(raw) {
            true => Err(self.malformed(layer, "a function's raw values must be requantised before this use")),
            false => Ok(()),
        }
    }

    fn push(&mut self, layer: Layer<i64>) -> u32 {
        self.layers.push(layer);
        self.layers.len() as u32 - 1
    }

    /// A source in the quantised program; a constant at the given scale.
    fn refer(&self, source: &Source<f64>, scale: i32) -> Source<i64> {
        match *source {
            Source::Input(i) => Source::Input(i),
            Source::Layer { layer, index } => Source::Layer {
                layer: self.result[layer as usize],
                index,
            },
            Source::Const(c) => Source::Const((c * f64::from(scale).exp2()).round() as i64),
        }
    }

    /// An operand and its scale.
    fn operand(&self, layer: &Layer<f64>, o: usize) -> Result<(Vec<Source<i64>>, i32)> {
        let sources = &layer.operands[o];
        let scale = self.scales.of_operand(sources, &self.limbs);
        if sources
            .iter()
            .any(|s| matches!(s, Source::Const(c) if !fits(*c, scale, self.limbs.hi_bits() as i32 - 1)))
        {
            return Err(weight(layer, "a constant"));
        }
        Ok((sources.iter().map(|s| self.refer(s, scale)).collect(), scale))
    }

    /// `2^exponent` as a weight.
    fn power(&self, layer: &Layer<f64>, exponent: i32) -> Result<i64> {
        match (0..=WEIGHT_BITS).contains(&exponent) {
            true => Ok(1 << exponent),
            false => Err(weight(layer, "the ratio of its operands' scales to its own")),
        }
    }

    /// `2^exponent` as a shift of an assertion.
    fn shift(&self, layer: &Layer<f64>, exponent: i32) -> Result<u32> {
        match u32::try_from(exponent) {
            Ok(shift) if shift < interval::LIMIT_BITS => Ok(shift),
            _ => Err(weight(layer, "the ratio of its operands' scales to its own")),
        }
    }

    /// The layer's linear map at the scale of `to`, with another act.
    fn linear(&self, layer: &Layer<f64>, to: Accumulator, act: Act) -> Result<Layer<i64>> {
        let round = |value: f64, exponent: i32, bits: i32, what| match fits(value, exponent, bits) {
            true => Ok((value * f64::from(exponent).exp2()).round() as i64),
            false => Err(weight(layer, what)),
        };
        let limit = interval::LIMIT_BITS as i32;
        let term = |term: &Term<f64>| -> Result<Term<i64>> {
            let scale = self.scales.of_block(&term.block, &self.limbs);
            let source = |source: &Source<f64>| match *source {
                Source::Const(c) => round(c, scale, limit, "a constant").map(Source::Const),
                _ => Ok(self.refer(source, scale)),
            };
            let taps = |taps: &Vec<(u32, f64)>| {
                let tap = |&(slot, w): &(u32, f64)| Ok((slot, round(w, to.exponent - scale, WEIGHT_BITS, "a weight")?));
                taps.iter().map(tap).collect::<Result<Vec<_>>>()
            };
            Ok(Term {
                block: term.block.iter().map(source).collect::<Result<_>>()?,
                strides: term.strides.clone(),
                taps: term.taps.iter().map(taps).collect::<Result<_>>()?,
            })
        };
        let bias = |&b: &f64| Ok(round(b, to.exponent, limit, "a bias")?.saturating_add(to.offset));
        Ok(Layer {
            name: layer.name.clone(),
            channels: layer.channels,
            dims: layer.dims.clone(),
            terms: layer.terms.iter().map(term).collect::<Result<_>>()?,
            bias: layer.bias.iter().map(bias).collect::<Result<_>>()?,
            act,
            scale: layer.scale,
            ..Layer::default()
        })
    }

    /// A layer that adds multiples of values element by element: `(values, weight)` each.
    fn combination(
        &self,
        layer: &Layer<f64>,
        part: &str,
        act: Act,
        parts: &[(&[Source<i64>], i64)],
        bias: i64,
    ) -> Layer<i64> {
        let per_channel: usize = layer.dims.iter().product();
        let term = |(block, weight): &(&[Source<i64>], i64)| Term {
            block: block.to_vec(),
            strides: vec![1],
            taps: (0..layer.channels)
                .map(|o| vec![((o * per_channel) as u32, *weight)])
                .collect(),
        };
        Layer {
            name: format!("{}: {part}", layer.name),
            channels: layer.channels,
            dims: vec![per_channel],
            terms: parts.iter().map(term).collect(),
            bias: vec![bias; layer.channels],
            act,
            ..Layer::default()
        }
    }

    /// A layer that computes on operands element by element.
    fn elementwise(&self, layer: &Layer<f64>, part: &str, act: Act, operands: Vec<Vec<Source<i64>>>) -> Layer<i64> {
        Layer {
            name: format!("{}: {part}", layer.name),
            channels: layer.channels,
            dims: vec![layer.dims.iter().product()],
            act,
            operands,
            ..Layer::default()
        }
    }

    /// Adds a layer and refers to its outputs.
    fn values(&mut self, layer: Layer<i64>) -> (u32, Vec<Source<i64>>) {
        let count = layer.outputs() as u32;
        let layer = self.push(layer);
        (layer, (0..count).map(|index| Source::Layer { layer, index }).collect())
    }
}

/// Whether a value is an integer of that many bits at this scale.
fn fits(value: f64, exponent: i32, bits: i32) -> bool {
    (value * f64::from(exponent).exp2()).round().abs() <= f64::from(bits).exp2()
}

fn weight(layer: &Layer<f64>, what: &'static str) -> Error {
    let layer = layer.name.clone();
    Error::Weight { layer, what }
}
