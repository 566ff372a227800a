//! Which scale every tensor has.

mod magnitude;

use super::calibrate::Calibration;
use super::error::{Error, Result};
use super::fixed::{Limbs, Scale};
use super::interval;
use super::program::{Act, Composite, Layer, Program, Source};
use magnitude::{largest, largest_constant, largest_of, largest_possible, largest_sum};

/// Weights stay below this many bits.
pub(super) const WEIGHT_BITS: i32 = 40;

/// Bits of an activation that are kept before any are given up in favour of weights.
const ACTIVATION_BITS: u32 = 20;

/// What is smaller than this much of what it could be, by the sizes of what it is computed from, is taken for rounding errors:
/// a difference that vanishes in floats does not in integers.
const NOISE: f64 = 1.0 / 4096.0;

/// Values of an output are told apart to this many bits of the calibrated range, or of 1 where that is larger.
const OUTPUT_BITS: i32 = 10;

/// Dividends and radicands of assertions stay below this many bits.
const ASSERTION_BITS: i32 = 60;

/// The node of a source in the graph of scales: 0 for the input, `1 + l` for layer `l`.
pub(super) fn node<W>(source: &Source<W>) -> Option<usize> {
    match *source {
        Source::Input(_) => Some(0),
        Source::Layer { layer, .. } => Some(layer as usize + 1),
        Source::Const(_) => None,
    }
}

/// The largest exponent at which magnitudes up to `max` take `bits` bits.
pub(super) fn room(bits: u32, max: f64) -> i32 {
    ((f64::from(bits).exp2() / max).log2().floor() as i32).clamp(-64, 64)
}

/// Exponents of the scales. What is read from one block or operand, or makes up the output, has one scale.
pub(super) struct Scales {
    /// Union-find over the nodes.
    parent: Vec<usize>,
    /// Per root.
    exponent: Vec<i32>,
    /// Per root: whether the model fixes it.
    fixed: Vec<bool>,
    /// Per node: the largest magnitude that calibration leaves room for.
    largest: Vec<f64>,
    /// Per node: the largest magnitude whatever the input, where the layers before it bound it.
    bound: Vec<f64>,
}

impl Scales {
    /// Chooses scales: as fine as calibrated magnitudes leave room for, and as what is computed from the values demands.
    ///
    /// # Errors
    /// [`Error::Program`] where the model fixes a scale and that contradicts another, or leaves no room.
    pub(super) fn choose(program: &Program<f64>, calibration: &Calibration, limbs: &Limbs) -> Result<Self> {
        let nodes = program.layers.len() + 1;
        let mut scales = Self {
            parent: (0..nodes).collect(),
            exponent: vec![i32::MAX; nodes],
            fixed: vec![false; nodes],
            largest: std::iter::once(&calibration.input)
                .chain(&calibration.outputs)
                .copied()
                .collect(),
            bound: largest_possible(program),
        };
        let blocks = program
            .layers
            .iter()
            .flat_map(|l| l.terms.iter().map(|t| &t.block).chain(&l.operands));
        for block in blocks.chain([&program.outputs]) {
            let mut members = block.iter().filter_map(node);
            if let Some(first) = members.next() {
                members.for_each(|other| scales.unite(first, other));
            }
        }
        // A table's values have one scale, whoever looks them up.
        let mut first_use = vec![None; program.functions.len()];
        for (i, layer) in program.layers.iter().enumerate() {
            if let Act::Function(f) = layer.act {
                let first = *first_use[f as usize].get_or_insert(i + 1);
                scales.unite(first, i + 1);
            }
        }
        scales.fix(program, limbs)?;
        scales.check_mixed(program)?;
        // Room for the largest magnitude; a ReLU's values have a bit more, since its limbs hold no sign.
        let hi = limbs.hi_bits();
        scales.bound("input", 0, room(hi - 1, calibration.input))?;
        for (i, (layer, &max)) in program.layers.iter().zip(&calibration.layers).enumerate() {
            let max = max.max(NOISE * scales.computed_from(layer));
            let to = match layer.act {
                Act::Relu | Act::Floor => room(hi, max),
                Act::Function(f) => {
                    limbs.shift() as i32 + room(hi - 1, largest(&program.functions[f as usize], calibration, i))
                }
                Act::Zero | Act::Composite(Composite::Negative) => continue,
                _ => room(hi - 1, max),
            };
            scales.bound(&layer.name, i + 1, to)?;
        }
        scales.balance(program, limbs);
        scales.fit(program, limbs);
        scales.check_outputs(program, calibration, limbs)?;
        Ok(scales)
    }

    /// Refuses scales that leave next to nothing of the output: where large sums cancel out, no scale has room for the sums and
    /// tells apart what is left.
    fn check_outputs(&self, program: &Program<f64>, calibration: &Calibration, limbs: &Limbs) -> Result<()> {
        // Limbs that hold hardly more than that are chosen by whoever wants no more.
        if limbs.hi_bits() as i32 <= OUTPUT_BITS + 1 {
            return Ok(());
        }
        let layers = || program.outputs.iter().filter_map(node).filter_map(|n| n.checked_sub(1));
        let range = layers().fold(1.0, |range: f64, l| {
            range.max(calibration.layers[l]).max(calibration.outputs[l])
        });
        let coarse = layers().find(|l| {
            let root = self.find(l + 1);
            !self.fixed[root] && f64::from(-self.exponent[root]).exp2() > range * f64::from(-OUTPUT_BITS).exp2()
        });
        match coarse {
            None => Ok(()),
            Some(l) => Err(Error::Coarse {
                layer: program.layers[l].name.clone(),
                scale: Scale(self.of(l + 1)),
                needed: Scale(OUTPUT_BITS - range.log2().floor() as i32),
            }),
        }
    }

    /// Takes over what the model fixes.
    fn fix(&mut self, program: &Program<f64>, limbs: &Limbs) -> Result<()> {
        let layers = program.layers.iter().enumerate().map(|(i, layer)| {
            let scale = match layer.act {
                Act::Composite(Composite::Negative) => Some(Scale(0)),
                _ => layer.scale,
            };
            let extra = if layer.act.is_raw() { limbs.shift() as i32 } else { 0 };
            (layer.name.as_str(), i + 1, scale.map(|s| s.0 + extra))
        });
        for (name, node, scale) in std::iter::once(("input", 0, program.input_scale.map(|s| s.0))).chain(layers) {
            let Some(exponent) = scale else { continue };
            let root = self.find(node);
            if self.fixed[root] && self.exponent[root] != exponent {
                return Err(Error::Program {
                    layer: name.into(),
                    what: "values of different fixed scales are read as one tensor",
                });
            }
            (self.fixed[root], self.exponent[root]) = (true, exponent);
        }
        Ok(())
    }

    /// Refuses what would make calibrated values as coarse as a fixed scale: integers, most often.
    fn check_mixed(&self, program: &Program<f64>) -> Result<()> {
        let fixed = |n: usize| match n.checked_sub(1).map(|l| &program.layers[l]) {
            None => program.input_scale.is_some(),
            Some(layer) => layer.scale.is_some() || layer.act == Act::Composite(Composite::Negative),
        };
        let mixed = |sources: &[Source<f64>]| {
            let mut nodes = sources.iter().filter_map(node).filter(|n| self.fixed[self.find(*n)]);
            nodes.any(|n| !fixed(n))
        };
        let layers = program.layers.iter();
        let blocks = layers.flat_map(|l| {
            l.terms
                .iter()
                .map(|t| &t.block)
                .chain(&l.operands)
                .map(|b| (l.name.as_str(), b))
        });
        match blocks
            .chain([("outputs", &program.outputs)])
            .find(|(_, block)| mixed(block))
        {
            None => Ok(()),
            Some((layer, _)) => Err(Error::Program {
                layer: layer.into(),
                what: "it reads values of a fixed scale and calibrated ones as one tensor, which would round the latter",
            }),
        }
    }

    /// Lowers a scale to what there is room for.
    fn bound(&mut self, layer: &str, node: usize, to: i32) -> Result<()> {
        let root = self.find(node);
        match self.fixed[root] {
            true if to < self.exponent[root] => Err(Error::Program {
                layer: layer.into(),
                what: "its fixed scale leaves no room for the calibrated range",
            }),
            true => Ok(()),
            false => {
                self.lower(root, to);
                Ok(())
            }
        }
    }

    /// Where limbs give activations more bits than weights, hands the surplus to the weights: the scale rises from the input
    /// to the output, evenly over the layers on the way, and a layer's weights are scaled by the ratio of its two ends.
    fn balance(&mut self, program: &Program<f64>, limbs: &Limbs) {
        let surplus = limbs.hi_bits().saturating_sub(limbs.shift().max(ACTIVATION_BITS));
        let mut depths = vec![0];
        for layer in &program.layers {
            let sources = layer.sources().filter_map(node);
            depths.push(1 + sources.map(|n| depths[n]).max().unwrap_or(0));
        }
        let deepest = depths.iter().copied().max().unwrap_or(0).max(1);
        let mut of_root = vec![0; depths.len()];
        for (n, &depth) in depths.iter().enumerate() {
            let root = self.find(n);
            of_root[root] = depth.max(of_root[root]);
        }
        for (root, depth) in of_root.into_iter().enumerate().filter(|(root, _)| !self.fixed[*root]) {
            let less = (surplus as usize * (deepest - depth) / deepest) as i32;
            // No coarser than integers: of large values every unit may count.
            let exponent = self.exponent[root];
            self.exponent[root] = exponent.min(exponent.saturating_sub(less).max(0));
        }
    }

    /// Lowers scales until weights and worst-case accumulators are in bounds, at the price of resolution: of half of the
    /// bits at most. A model that needs more is refused by the interval analysis.
    fn fit(&mut self, program: &Program<f64>, limbs: &Limbs) {
        let spare = |e: &i32| e.saturating_sub(limbs.hi_bits() as i32 / 2);
        let least: Vec<i32> = self.exponent.iter().map(spare).collect();
        loop {
            let mut changed = false;
            for (i, layer) in program.layers.iter().enumerate() {
                for (node, excess) in self.excesses(layer, i, limbs) {
                    let root = self.find(node);
                    let target = (self.exponent[root] - excess).max(least[root]);
                    if excess > 0 && !self.fixed[root] && target < self.exponent[root] {
                        self.exponent[root] = target;
                        changed = true;
                    }
                }
            }
            if !changed {
                return;
            }
        }
    }

    /// By how many bits which scales are too fine for what a layer computes.
    fn excesses(&self, layer: &Layer<f64>, i: usize, limbs: &Limbs) -> Vec<(usize, i32)> {
        let shift = limbs.shift() as i32;
        let out = self.of(i + 1);
        let operand = |o: usize| layer.operands[o].iter().find_map(node);
        let scale = |o: usize| self.of_operand(&layer.operands[o], limbs);
        match layer.act {
            Act::Product { .. } | Act::MatMul { .. } => {
                // The factor is 2^surplus.
                let surplus = shift + out - scale(0) - scale(1);
                let finer = if scale(0) >= scale(1) {
                    operand(0).or(operand(1))
                } else {
                    operand(1).or(operand(0))
                };
                let coarser = finer.map(|node| (node, -surplus));
                [(i + 1, surplus - WEIGHT_BITS)].into_iter().chain(coarser).collect()
            }
            Act::Composite(Composite::Divide) => {
                let shift = out + scale(1) - scale(0);
                let dividend = shift.max(0) + self.bits(&layer.operands[0], scale(0)) - ASSERTION_BITS;
                let divisor = (-shift).max(0) + self.bits(&layer.operands[1], scale(1)) - ASSERTION_BITS;
                let dividends = operand(0).map(|node| (node, divisor));
                [(i + 1, dividend)].into_iter().chain(dividends).collect()
            }
            Act::Composite(Composite::SquareRoot) => {
                let shift = 2 * out - scale(0);
                let finer = (shift + self.bits(&layer.operands[0], scale(0)) - ASSERTION_BITS + 1) / 2;
                let coarser = operand(0).map(|node| (node, -shift));
                [(i + 1, finer)].into_iter().chain(coarser).collect()
            }
            Act::Composite(Composite::ReciprocalSquareRoot) => {
                vec![(i + 1, (2 * out + scale(0) - ASSERTION_BITS + 1) / 2)]
            }
            // An argument's scale is the table's, a comparison's that of what is compared.
            Act::Function(_) | Act::Zero | Act::Composite(Composite::Negative) => self.raw_sources(layer, i64::MAX),
            _ => {
                let mut found = self.raw_sources(layer, i64::from(shift + out));
                found.push((i + 1, self.excess(layer, i, limbs)));
                found
            }
        }
    }

    /// Raw values that are finer than a weight of 1 allows, `finest` being the scale of the accumulator.
    fn raw_sources(&self, layer: &Layer<f64>, finest: i64) -> Vec<(usize, i32)> {
        let first = layer.terms.iter().filter_map(|t| t.block.iter().find_map(node));
        let excess = |node| i64::from(self.of(node)).saturating_sub(finest).clamp(0, 64) as i32;
        first.map(|node| (node, excess(node))).collect()
    }

    /// By how many bits a layer's weights or accumulators are too large.
    fn excess(&self, layer: &Layer<f64>, i: usize, limbs: &Limbs) -> i32 {
        let shift = limbs.shift() as i32 + self.of(i + 1);
        let mut sums: Vec<f64> = layer.bias.iter().map(|b| b.abs() * f64::from(shift).exp2()).collect();
        let mut heaviest: f64 = 0.0;
        for term in &layer.terms {
            let scale = self.of_block(&term.block, limbs);
            let factor = f64::from(shift - scale).exp2();
            let possible = largest_of(&self.bound, &term.block) * f64::from(scale).exp2() + 1.0;
            let largest = possible.min(limbs.hi_range() as f64);
            for (sum, taps) in sums.iter_mut().zip(&term.taps) {
                let weights = taps.iter().map(|t| t.1.abs() * factor);
                heaviest = weights.clone().fold(heaviest, f64::max);
                *sum += weights.sum::<f64>() * largest;
            }
        }
        let bits = |v: f64| if v > 0.0 { v.log2().ceil().min(1e6) as i32 } else { 0 };
        let sum = sums.into_iter().fold(0.0, f64::max);
        (bits(heaviest) - WEIGHT_BITS)
            .max(bits(sum) + 1 - interval::LIMIT_BITS as i32)
            .max(0)
    }

    /// How large a linear map or a product could be, what it reads being as large as calibration allows for.
    fn computed_from(&self, layer: &Layer<f64>) -> f64 {
        match layer.act {
            Act::Product { .. } => layer.operands.iter().map(|o| largest_of(&self.largest, o)).product(),
            _ if layer.operands.is_empty() => largest_sum(&self.largest, layer),
            _ => 0.0,
        }
    }

    /// Bits of the largest integer that an operand holds at this scale.
    fn bits(&self, operand: &[Source<f64>], scale: i32) -> i32 {
        let largest = largest_of(&self.largest, operand);
        if largest > 0.0 {
            largest.log2().ceil() as i32 + scale + 1
        } else {
            1
        }
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

    /// The exponent of the input's scale (node 0) or of a layer's.
    pub(super) fn of(&self, node: usize) -> i32 {
        self.exponent[self.find(node)]
    }

    /// The scale of what is read from one block; constants alone are scaled to their own size.
    pub(super) fn of_block(&self, block: &[Source<f64>], limbs: &Limbs) -> i32 {
        match (block.iter().find_map(node), largest_constant(block)) {
            (Some(node), _) => self.of(node),
            (None, max) if max > 0.0 => room(limbs.hi_bits() - 1, max),
            _ => 0,
        }
    }

    /// The scale of an operand; constants alone have the coarsest at which they are exact, if there is one.
    pub(super) fn of_operand(&self, operand: &[Source<f64>], limbs: &Limbs) -> i32 {
        let finest = self.of_block(operand, limbs);
        if operand.iter().any(|s| node(s).is_some()) {
            return finest;
        }
        let integer =
            |s: &Source<f64>, e: i32| matches!(s, Source::Const(c) if (c * f64::from(e).exp2()).fract() == 0.0);
        let exact = |e: &i32| operand.iter().all(|s| integer(s, *e));
        (0..finest).find(exact).unwrap_or(finest)
    }
}
