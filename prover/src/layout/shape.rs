//! Chooses how wide and how long the trace is.

use crate::{
    model::{
        Limbs,
        program::{Act, Composite, Function, Layer, Program},
    },
    plonk::{
        cs::{ConstraintSystem, MAX_PORTS, Shape},
        fold::{DUMMIES, MASK},
    },
};

use super::{Disclosure, Visibility, hash, slots::Regions};

/// Rows that are set aside for the table of a curve, whose range calibration decides.
const CURVE_ROWS: usize = 1 << 10;

/// What proofs are to be cheap for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Profile {
    /// The prover: as many lanes as make proving fastest.
    #[default]
    Native,
    /// A verifier on a chain, which pays for every commitment: one lane and few limbs, so that proofs are short and proving
    /// takes longer.
    Evm,
}

impl Profile {
    /// The largest number of lanes. More than four make the proof longer than they make it faster.
    pub fn max_lanes(self) -> usize {
        match self {
            Self::Native => 4,
            Self::Evm => 1,
        }
    }

    /// The largest number of read ports. Where commitments are paid for, one.
    pub fn max_ports(self) -> usize {
        match self {
            Self::Native => MAX_PORTS,
            Self::Evm => 1,
        }
    }

    /// The binary logarithm of the smallest number of rows. Below 2^11 a slot takes more than four limbs.
    fn min_log_rows(self) -> u32 {
        match self {
            Self::Native => *LOG_ROWS.start(),
            Self::Evm => 11,
        }
    }

    fn limbs(self, bits: u32, precision: Precision) -> Limbs {
        match (self, precision) {
            // Three limbs instead of four, at the price of a coarser shift.
            (Self::Evm, Precision::Balanced) if bits >= 14 => Limbs { bits, hi: 2, lo: 1 },
            _ => precision.limbs(bits),
        }
    }
}

/// How finely values are represented.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Few limbs: the least work in a proof. Values of 16 bits or more, shifts of 12 or more.
    Fast,
    /// Values of 22 bits or more, so that activations keep 2^-16 of their range, and shifts of 20 or more, so that weights do;
    /// in traces of 2^15 rows and more, shifts of one limb.
    #[default]
    Balanced,
    /// Many limbs: values of 26 bits or more, and shifts of 24 or more where 60 bits in all allow it.
    Accurate,
}

impl Precision {
    /// Bits of values and of the shift, at least, in limbs of `bits` bits.
    fn wanted(self, bits: u32) -> (u32, u32) {
        match self {
            Self::Fast => (16, 12),
            // One limb of 15 bits is as good as the one of 16 that longer traces have.
            Self::Balanced if bits >= 15 => (22, 15),
            Self::Balanced => (22, 20),
            Self::Accurate => (26, 24),
        }
    }

    /// Limbs for a range table of `2^bits` rows, together of at most 60 bits, so that a pre-activation fits 64 bits.
    fn limbs(self, bits: u32) -> Limbs {
        let (value, shift) = self.wanted(bits);
        let (hi, mut lo) = (value.div_ceil(bits), shift.div_ceil(bits));
        while (hi + lo) * bits > TOTAL_BITS && lo > 1 {
            lo -= 1;
        }
        Limbs { bits, hi, lo }
    }

    /// Other limbs, for models that do not fit those of [`Precision::limbs`]: one more at most.
    fn other_limbs(self, bits: u32) -> impl Iterator<Item = Limbs> {
        let first = self.limbs(bits);
        let most = first.hi + first.lo + 1;
        let all = (1..most).flat_map(move |hi| (1..=most - hi).map(move |lo| Limbs { bits, hi, lo }));
        all.filter(move |l| {
            let (hi, lo) = (l.hi * bits, l.lo * bits);
            *l != first && hi + lo <= TOTAL_BITS && hi >= LEAST_BITS && lo >= LEAST_BITS
        })
    }
}

/// Limbs hold at most this many bits together.
const TOTAL_BITS: u32 = 60;

/// Values and shifts have at least this many bits.
const LEAST_BITS: u32 = 12;

/// How many shapes of other limbs are offered.
const OTHERS: usize = 24;

/// Rows from 2^5 to 2^20.
const LOG_ROWS: std::ops::RangeInclusive<u32> = 5..=20;

/// What a program takes of a trace. What hashes is not counted: its rows depend on the limbs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Rows of slots, for the number of lanes asked about.
    pub slots: usize,
    /// Reads of layers, which share the rows of all ports.
    pub reads: usize,
    /// Rows of the longest column that commits to the input or the output.
    pub committed: usize,
    /// Rows of the tables of functions.
    pub tables: usize,
}

impl Demand {
    /// The rows that this comes to with so many read ports.
    pub fn rows(&self, ports: usize) -> usize {
        let reads = self.reads.div_ceil(ports);
        self.slots.max(reads).max(self.committed).max(self.tables)
    }
}

/// How many integers a proof shows.
fn public_words<W>(program: &Program<W>, disclosure: Disclosure) -> usize {
    let inputs = match disclosure.input {
        Visibility::Public => program.input_len(),
        _ => 0,
    };
    let outputs = match disclosure.output {
        Visibility::Public | Visibility::Part(_) => {
            program.outputs.len() - disclosure.output.committed_of(program.outputs.len())
        }
        _ => 0,
    };
    inputs + outputs
}

/// The rows that one group of channels of a linear layer takes: a row a position, and one that closes each window.
pub(super) fn group_rows<W>(layer: &Layer<W>) -> usize {
    match layer.act {
        Act::MaxPool { .. } => layer.positions() / layer.window() * (layer.window() + 1),
        _ => layer.positions(),
    }
}

/// The rows that a linear layer takes with `lanes` slots in a row.
pub fn rows<W>(layer: &Layer<W>, lanes: usize) -> usize {
    layer.channels.div_ceil(lanes) * group_rows(layer)
}

/// The rows of an image of ones that the positions of the layer's first operand move through: 0 where there is no bias, or where
/// all positions read alike, so that one read serves them all.
pub(super) fn image_rows(layer: &Layer<i64>) -> usize {
    let biased = layer.bias.iter().any(|b| *b != 0);
    match layer.terms.first().map(|term| span(layer, &term.strides)) {
        Some(span) if biased && span > 0 => span + 1,
        _ => 0,
    }
}

/// How far the positions of a layer move the reads of an operand in all.
pub(super) fn span<W>(layer: &Layer<W>, strides: &[usize]) -> usize {
    strides.iter().zip(&layer.dims).map(|(s, count)| s * (count - 1)).sum()
}

/// The rows that hide weights ([`crate::plonk::fold`]): the dummies move as far as any operand. What a composite becomes moves from element to
/// element.
fn hiding_rows<W>(program: &Program<W>) -> usize {
    let spans = program.layers.iter().map(|layer| {
        let elements = match layer.act {
            Act::Composite(_) | Act::Function(_) => layer.channels * layer.positions(),
            _ => 0,
        };
        let spans = layer.terms.iter().map(|t| span(layer, &t.strides));
        spans.fold(elements, usize::max)
    });
    spans.max().unwrap_or(0) + DUMMIES + MASK
}

/// What a layer takes; of a composite what it will become.
#[derive(Clone, Copy, Default)]
struct Parts {
    products: usize,
    raw: usize,
    free: usize,
    /// Rows of outputs that take part in sums, as multiples of the layer's own.
    linear: usize,
    reads: usize,
}

fn parts<W>(program: &Program<W>, layer: &Layer<W>) -> Parts {
    let elements = layer.channels * layer.positions();
    // One more row reads the constant that a bias multiplies.
    let reads = 1 + layer.terms.iter().map(|t| t.block.len()).sum::<usize>();
    let (linear, none) = (
        Parts {
            linear: 1,
            reads,
            ..Parts::default()
        },
        Parts::default(),
    );
    let assertions = |free, raw, linear, reads| Parts {
        free,
        raw,
        linear,
        reads,
        ..none
    };
    match layer.act {
        Act::Product { .. } => Parts {
            products: elements,
            ..none
        },
        Act::RawProduct => Parts { raw: elements, ..none },
        Act::Advice(_) => Parts { free: elements, ..none },
        Act::MatMul { .. } => {
            let (rows, columns) = (layer.channels, layer.dims.get(1).copied().unwrap_or(1));
            let segments = layer.dims.first().copied().unwrap_or(1) * layer.inner();
            Parts {
                reads: segments * (rows + columns + 1),
                ..linear
            }
        }
        // Its argument may have to be clamped on both sides.
        Act::Function(f) if matches!(program.functions.get(f as usize), Some(Function::Curve(_))) => Parts {
            linear: 3,
            reads: reads + 2 * (elements + 1),
            ..none
        },
        Act::Composite(Composite::Divide) => assertions(elements, elements, 3, 8 * elements + 3),
        Act::Composite(Composite::SquareRoot) => assertions(elements, elements, 2, 5 * elements + 2),
        Act::Composite(Composite::ReciprocalSquareRoot) => assertions(elements, 2 * elements, 2, 4 * elements + 2),
        Act::Composite(Composite::Negative) => Parts {
            linear: 2,
            reads: reads + elements + 1,
            ..none
        },
        _ => linear,
    }
}

/// The rows above the linear layers, where the input takes `inputs` slots.
pub(super) fn regions<W>(program: &Program<W>, inputs: usize) -> Regions {
    let mut regions = Regions {
        products: 0,
        raw: 0,
        free: inputs,
    };
    for parts in program.layers.iter().map(|l| parts(program, l)) {
        regions.products += parts.products;
        regions.raw += parts.raw;
        regions.free += parts.free;
    }
    regions
}

/// What `program` takes with `lanes` slots in a row.
pub fn demand<W>(program: &Program<W>, lanes: usize, disclosure: Disclosure) -> Demand {
    let inputs: usize = program.input_shape.iter().product();
    let regions = regions(
        program,
        if disclosure.input == Visibility::Public {
            0
        } else {
            inputs
        },
    );
    let committed = [(disclosure.input, inputs), (disclosure.output, program.outputs.len())];
    let committed = committed
        .into_iter()
        .map(|(visibility, len)| visibility.committed_of(len))
        .max();
    let layers = program.layers.iter().map(|l| (l, parts(program, l)));
    let rows_of = |(l, parts): (&Layer<W>, Parts)| parts.linear * rows(l, lanes);
    let tables = program.functions.iter().map(|f| match f {
        Function::Curve(_) => CURVE_ROWS,
        Function::Table(rows) => rows.len(),
    });
    let hiding = if disclosure.hidden_weights {
        hiding_rows(program)
    } else {
        0
    };
    Demand {
        slots: regions.rows(lanes) + layers.clone().map(rows_of).sum::<usize>(),
        reads: regions.products + regions.raw + layers.map(|(_, parts)| parts.reads).sum::<usize>() + hiding,
        committed: committed.unwrap_or(0),
        tables: tables.sum(),
    }
}

/// The cheapest shape that `program` fits in, or `None` if it fits in none. Of a program in floats the number of rows is what
/// counts; quantised, it may take fewer lanes ([`choose_lanes`]).
///
/// Counted are the commitments, which dominate, and the proof's length (docs/protocol.md, "Cost").
pub fn choose<W>(program: &Program<W>, disclosure: Disclosure, profile: Profile) -> Option<Shape> {
    candidates(program, disclosure, profile, Precision::default()).next()
}

/// The shapes that `program` fits in, those to be preferred first: of as many limbs as `precision` wants, the cheapest first; then
/// of other limbs, for programs whose weights or integers these do not hold.
pub fn candidates<W>(
    program: &Program<W>,
    disclosure: Disclosure,
    profile: Profile,
    precision: Precision,
) -> impl Iterator<Item = Shape> {
    let sizes = move || profile.min_log_rows()..=*LOG_ROWS.end();
    let shape = move |limbs| choose_lanes(program, limbs, disclosure, profile);
    let mut wanted: Vec<Shape> = sizes()
        .filter_map(|bits| shape(profile.limbs(bits, precision)))
        .collect();
    let words = public_words(program, disclosure);
    wanted.sort_by_cached_key(|s| cost(s, words));
    let limbs: Vec<Limbs> = wanted.iter().map(|s| s.limbs).collect();
    let others = move || {
        // Of the traces' lengths the shortest are enough to choose from.
        let others = sizes().flat_map(|bits| precision.other_limbs(bits));
        let others = others.filter(|l| !limbs.contains(l)).filter_map(shape);
        let mut others: Vec<Shape> = others.take(4 * OTHERS).collect();
        let coarse = |s: &Shape| {
            let (value, shift) = Precision::Fast.wanted(s.limbs.bits);
            s.limbs.hi_bits() < value || s.limbs.shift() < shift
        };
        others.sort_by_cached_key(|s| (coarse(s), cost(s, words)));
        others.truncate(OTHERS);
        others
    };
    wanted.into_iter().chain(std::iter::once_with(others).flatten())
}

/// The limbs that come first for each number of rows, the fewest rows first.
pub fn limbs(profile: Profile, precision: Precision) -> Vec<Limbs> {
    let sizes = profile.min_log_rows()..=*LOG_ROWS.end();
    sizes.map(|bits| profile.limbs(bits, precision)).collect()
}

/// The cheapest shape of as many rows as these limbs mean.
pub fn choose_lanes<W>(program: &Program<W>, limbs: Limbs, disclosure: Disclosure, profile: Profile) -> Option<Shape> {
    lanes(program, limbs, disclosure, profile).next()
}

/// The shapes of as many rows as these limbs mean that a program fits in, the cheapest first.
pub fn lanes<W>(
    program: &Program<W>,
    limbs: Limbs,
    disclosure: Disclosure,
    profile: Profile,
) -> impl Iterator<Item = Shape> {
    let hashing = hash::rows(program, &limbs, disclosure);
    let acts = || program.layers.iter().map(|l| l.act);
    let of = |lanes| shape_for(limbs, lanes, acts(), program.functions.len(), disclosure);
    let mut shapes: Vec<Shape> = (1..=profile.max_lanes())
        .flat_map(|lanes| {
            let (one, need) = (of(lanes), demand(program, lanes, disclosure));
            let most = if one.one_port() { 1 } else { profile.max_ports() };
            let fits = move |ports: &usize| need.rows(*ports).max(hashing) <= 1 << limbs.bits;
            let ports = (1..=most).filter(fits);
            ports.map(move |ports| Shape { ports, ..one.clone() })
        })
        .collect();
    let words = public_words(program, disclosure);
    shapes.sort_by_cached_key(|s| cost(s, words));
    shapes.into_iter()
}

/// The shape that has the kinds of rows that layers of these kinds take, and one read port.
pub fn shape_for(
    limbs: Limbs,
    lanes: usize,
    acts: impl IntoIterator<Item = Act>,
    functions: usize,
    disclosure: Disclosure,
) -> Shape {
    let mut shape = Shape {
        limbs,
        lanes,
        ports: 1,
        relu: false,
        pool_relu: false,
        pool_signed: false,
        floor: false,
        product: false,
        raw: false,
        matmul: false,
        functions,
        committed_input: disclosure.input.is_committed(),
        committed_output: disclosure.output.is_committed(),
        hidden_weights: disclosure.hidden_weights,
        hashed_input: disclosure.input == Visibility::Hashed,
        hashed_output: disclosure.output == Visibility::Hashed,
    };
    for act in acts {
        match act {
            Act::Requant | Act::Zero | Act::Advice(_) | Act::Function(_) => {}
            Act::Relu | Act::Composite(Composite::Negative) => shape.relu = true,
            Act::MaxPool { relu: true } => shape.pool_relu = true,
            Act::MaxPool { relu: false } => shape.pool_signed = true,
            Act::Floor => shape.floor = true,
            Act::Product { .. } => shape.product = true,
            Act::RawProduct => shape.raw = true,
            Act::MatMul { .. } => shape.matmul = true,
            Act::Composite(_) => (shape.floor, shape.raw) = (true, true),
        }
    }
    shape
}

/// What proofs cost that show so many public words: the additions that commit to the columns, those of small values being a
/// twelfth of others, times the square root of the proof's length. A proof of twice the length is to be made in less than 0.7
/// of the time.
fn cost(shape: &Shape, words: usize) -> u64 {
    let cs = ConstraintSystem::new(shape);
    let narrow = cs.narrow();
    // The quotient's two parts and the opening's are polynomials of full width too.
    let full = cs.advice.len() - narrow + 4;
    // Each addition takes more bits of a scalar the longer the columns are; fitted to measured MSMs of 2^12 to 2^16.
    let windows = MAX_BITS / f64::from(shape.log_n().saturating_sub(6).max(1));
    let additions = (shape.n() * (12 * full + narrow)) as f64 / 12.0 * windows;
    // Two scalars' length for a point.
    let elements = words + 3 * cs.advice.len() + cs.rotated().count() + cs.fixed.len();
    (additions * (elements as f64).sqrt()) as u64
}

/// Bits of a scalar.
const MAX_BITS: f64 = 254.0;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_of_limbs_is_wide_enough_and_fits_64_bits() {
        for bits in LOG_ROWS {
            for (precision, value, shift) in [
                (Precision::Fast, 16, 12),
                (Precision::Balanced, 22, 15),
                (Precision::Accurate, 26, 15),
            ] {
                let limbs = precision.limbs(bits);
                assert!(limbs.hi_bits() >= value && limbs.shift() >= shift, "{limbs:?}");
                for limbs in precision.other_limbs(bits).chain([limbs]) {
                    assert_eq!(Limbs::new(bits, limbs.hi, limbs.lo).unwrap(), limbs);
                }
            }
        }
    }
}
