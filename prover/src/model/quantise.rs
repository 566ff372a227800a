//! Quantisation: weights and scales as integers, chosen so that every requantisation is a shift by the same `s` bits.

use serde::{Deserialize, Serialize};

use super::calibrate::{Calibration, check_input};
use super::error::{Error, Result};
use super::execute::{self, Trace};
use super::fixed::Limbs;
use super::interval;
use super::program::{Act, Layer, Program, Source, Term};

/// Weights stay below this many bits.
const WEIGHT_BITS: i32 = 40;

/// Bits of an activation that are kept before any are given up in favour of weights.
const ACTIVATION_BITS: u32 = 20;

/// A quantised model: what is proven.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantised {
    /// The program in integers.
    pub program: Program<i64>,
    /// The limbs that its values fit.
    pub limbs: Limbs,
    /// Scale of the input.
    pub input_scale: Scale,
    /// Scale of the output.
    pub output_scale: Scale,
}

/// A scale `2^e`: the real `x` is represented by the integer nearest to `x * 2^e`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scale(pub i32);

impl Scale {
    /// `2^e`.
    pub fn factor(self) -> f64 {
        f64::from(self.0).exp2()
    }
}

impl Quantised {
    /// Quantises a program for limbs of the given kind.
    ///
    /// # Errors
    /// [`Error::Weight`] for parameters that no scale represents, [`Error::Overflow`] when a layer's accumulator could wrap.
    pub fn new(program: &Program<f64>, calibration: &Calibration, limbs: Limbs) -> Result<Self> {
        let scales = Scales::choose(program, calibration, &limbs);
        let layers = program
            .layers
            .iter()
            .enumerate()
            .map(|(i, l)| quantise_layer(l, i, &scales, &limbs));
        let out = |source: &Source<f64>| match *source {
            Source::Layer { layer, index } => Source::Layer { layer, index },
            Source::Input(i) => Source::Input(i),
            // Outputs are layers' only, see `Program::validate`.
            Source::Const(_) => Source::Const(0),
        };
        let quantised = Self {
            program: Program {
                input_shape: program.input_shape.clone(),
                output_shape: program.output_shape.clone(),
                layers: layers.collect::<Result<_>>()?,
                outputs: program.outputs.iter().map(out).collect(),
            },
            limbs,
            input_scale: Scale(scales.of(0)),
            output_scale: Scale(program.outputs.iter().find_map(node).map_or(0, |n| scales.of(n))),
        };
        quantised.check()?;
        Ok(quantised)
    }

    /// Checks a quantised model that comes from a file: limbs, the program's rules, and that no accumulator can wrap.
    ///
    /// # Errors
    /// [`Error::Limbs`], [`Error::Program`], [`Error::Overflow`].
    pub fn check(&self) -> Result<()> {
        Limbs::new(self.limbs.bits, self.limbs.hi, self.limbs.lo)?;
        interval::bounds(&self.program, &self.limbs).map(drop)
    }

    /// The integers that represent an input.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`], and [`Error::Range`] for a value beyond the calibrated range.
    pub fn quantise_input(&self, input: &[f64]) -> Result<Vec<i64>> {
        check_input(&self.program, input, "input")?;
        let factor = self.input_scale.factor();
        let quantise = |x: &f64| {
            let range = || Error::Range {
                layer: "input".into(),
                what: "a value",
            };
            // The conversion saturates, and no limbs hold its limits.
            Some((x * factor).round() as i64)
                .filter(|&v| self.limbs.holds_signed(v))
                .ok_or_else(range)
        };
        input.iter().map(quantise).collect()
    }

    /// The reals that outputs represent.
    pub fn dequantise_output(&self, outputs: &[i64]) -> Vec<f64> {
        let factor = self.output_scale.factor();
        outputs.iter().map(|&y| y as f64 / factor).collect()
    }

    /// Runs the model on integers, exactly as it is proven.
    ///
    /// # Errors
    /// Those of [`execute::exact`].
    pub fn run(&self, input: &[i64]) -> Result<Trace<i64>> {
        execute::exact(&self.program, &self.limbs, input)
    }
}

/// The node of a source in the graph of scales: 0 for the input, `1 + l` for layer `l`.
fn node<W>(source: &Source<W>) -> Option<usize> {
    match *source {
        Source::Input(_) => Some(0),
        Source::Layer { layer, .. } => Some(layer as usize + 1),
        Source::Const(_) => None,
    }
}

/// Exponents of the scales. What is read from one block, or makes up the output, has one scale.
struct Scales {
    /// Union-find over the nodes.
    parent: Vec<usize>,
    /// Per root.
    exponent: Vec<i32>,
}

impl Scales {
    fn choose(program: &Program<f64>, calibration: &Calibration, limbs: &Limbs) -> Self {
        let nodes = program.layers.len() + 1;
        let mut scales = Self {
            parent: (0..nodes).collect(),
            exponent: vec![i32::MAX; nodes],
        };
        let blocks = program.layers.iter().flat_map(|l| &l.terms).map(|t| &t.block);
        for block in blocks.chain([&program.outputs]) {
            let mut members = block.iter().filter_map(node);
            if let Some(first) = members.next() {
                members.for_each(|other| scales.unite(first, other));
            }
        }
        // Room for the largest magnitude; a ReLU's values have a bit more, since its limbs hold no sign.
        let room = |bits: u32, max: f64| ((f64::from(bits).exp2() / max).log2().floor() as i32).clamp(-64, 64);
        let hi = limbs.hi_bits();
        scales.lower(0, room(hi - 1, calibration.input));
        for (i, (layer, &max)) in program.layers.iter().zip(&calibration.layers).enumerate() {
            let bits = if layer.act == Act::Relu { hi } else { hi - 1 };
            scales.lower(i + 1, room(bits, max));
        }
        scales.balance(program, limbs);
        scales.fit(program, limbs);
        scales
    }

    /// Where limbs give activations more bits than weights, hands the surplus to the weights: the scale rises from the input
    /// to the output, evenly over the layers on the way, and a layer's weights are scaled by the ratio of its two ends.
    fn balance(&mut self, program: &Program<f64>, limbs: &Limbs) {
        let surplus = limbs.hi_bits().saturating_sub(limbs.shift().max(ACTIVATION_BITS));
        let mut depths = vec![0];
        for layer in &program.layers {
            let sources = layer.terms.iter().flat_map(|t| &t.block).filter_map(node);
            depths.push(1 + sources.map(|n| depths[n]).max().unwrap_or(0));
        }
        let deepest = depths.iter().copied().max().unwrap_or(0).max(1);
        let mut of_root = vec![0; depths.len()];
        for (n, &depth) in depths.iter().enumerate() {
            let root = self.find(n);
            of_root[root] = depth.max(of_root[root]);
        }
        for (exponent, depth) in self.exponent.iter_mut().zip(of_root) {
            *exponent = exponent.saturating_sub((surplus as usize * (deepest - depth) / deepest) as i32);
        }
    }

    /// Lowers scales until weights and worst-case accumulators are in bounds, at the price of resolution: of half of the
    /// bits at most. A model that needs more is refused by the interval analysis.
    fn fit(&mut self, program: &Program<f64>, limbs: &Limbs) {
        let least: Vec<i32> = self
            .exponent
            .iter()
            .map(|e| e.saturating_sub(limbs.hi_bits() as i32 / 2))
            .collect();
        loop {
            let mut changed = false;
            for (i, layer) in program.layers.iter().enumerate() {
                let root = self.find(i + 1);
                let target = (self.exponent[root] - self.excess(layer, i, limbs)).max(least[root]);
                if target < self.exponent[root] {
                    self.exponent[root] = target;
                    changed = true;
                }
            }
            if !changed {
                return;
            }
        }
    }

    /// By how many bits a layer's weights or accumulators are too large.
    fn excess(&self, layer: &Layer<f64>, i: usize, limbs: &Limbs) -> i32 {
        let shift = limbs.shift() as i32 + self.of(i + 1);
        let mut sums: Vec<f64> = layer.bias.iter().map(|b| b.abs() * f64::from(shift).exp2()).collect();
        let mut heaviest: f64 = 0.0;
        for term in &layer.terms {
            let factor = f64::from(shift - self.of_block(term, limbs)).exp2();
            for (sum, taps) in sums.iter_mut().zip(&term.taps) {
                let weights = taps.iter().map(|t| t.1.abs() * factor);
                heaviest = weights.clone().fold(heaviest, f64::max);
                *sum += weights.sum::<f64>() * limbs.hi_range() as f64;
            }
        }
        let bits = |v: f64| if v > 0.0 { v.log2().ceil().min(1e6) as i32 } else { 0 };
        let sum = sums.into_iter().fold(0.0, f64::max);
        (bits(heaviest) - WEIGHT_BITS)
            .max(bits(sum) + 1 - interval::LIMIT_BITS as i32)
            .max(0)
    }

    fn find(&self, mut node: usize) -> usize {
        while self.parent[node] != node {
            node = self.parent[node];
        }
        node
    }

    fn unite(&mut self, a: usize, b: usize) {
        let (a, b) = (self.find(a), self.find(b));
        self.parent[b.max(a)] = a.min(b);
    }

    fn lower(&mut self, node: usize, to: i32) {
        let root = self.find(node);
        self.exponent[root] = self.exponent[root].min(to);
    }

    fn of(&self, node: usize) -> i32 {
        self.exponent[self.find(node)]
    }

    /// The scale of what a term reads; constants alone are scaled to their own size.
    fn of_block(&self, term: &Term<f64>, limbs: &Limbs) -> i32 {
        if let Some(node) = term.block.iter().find_map(node) {
            return self.of(node);
        }
        let constant = |s: &Source<f64>| if let Source::Const(c) = s { c.abs() } else { 0.0 };
        let max = term.block.iter().map(constant).fold(0.0, f64::max);
        if max > 0.0 {
            ((f64::from(limbs.hi_bits() - 1).exp2() / max).log2().floor() as i32).clamp(-64, 64)
        } else {
            0
        }
    }
}

fn quantise_layer(layer: &Layer<f64>, i: usize, scales: &Scales, limbs: &Limbs) -> Result<Layer<i64>> {
    let round = |value: f64, exponent: i32, bits: i32, what| {
        let scaled = (value * f64::from(exponent).exp2()).round();
        match scaled.abs() <= f64::from(bits).exp2() {
            true => Ok(scaled as i64),
            false => Err(Error::Weight {
                layer: layer.name.clone(),
                what,
            }),
        }
    };
    let out = limbs.shift() as i32 + scales.of(i + 1);
    let limit = interval::LIMIT_BITS as i32;
    let term = |term: &Term<f64>| -> Result<Term<i64>> {
        let scale = scales.of_block(term, limbs);
        let source = |source: &Source<f64>| {
            Ok(match *source {
                Source::Input(i) => Source::Input(i),
                Source::Layer { layer, index } => Source::Layer { layer, index },
                Source::Const(c) => Source::Const(round(c, scale, limit, "a constant")?),
            })
        };
        let taps = |taps: &Vec<(u32, f64)>| {
            let tap = |&(slot, w): &(u32, f64)| Ok((slot, round(w, out - scale, WEIGHT_BITS, "a weight")?));
            taps.iter().map(tap).collect::<Result<Vec<_>>>()
        };
        Ok(Term {
            block: term.block.iter().map(source).collect::<Result<_>>()?,
            strides: term.strides.clone(),
            taps: term.taps.iter().map(taps).collect::<Result<_>>()?,
        })
    };
    Ok(Layer {
        name: layer.name.clone(),
        channels: layer.channels,
        dims: layer.dims.clone(),
        terms: layer.terms.iter().map(term).collect::<Result<_>>()?,
        bias: layer
            .bias
            .iter()
            .map(|&b| round(b, out, limit, "a bias"))
            .collect::<Result<_>>()?,
        act: layer.act,
    })
}
