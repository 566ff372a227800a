//! Chooses how wide and how long the trace is.

use crate::{
    model::{
        Limbs,
        program::{Act, Layer, Program, Term},
    },
    plonk::cs::Shape,
};

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

    /// The binary logarithm of the smallest number of rows. Below 2^11 a slot takes more than four limbs.
    fn min_log_rows(self) -> u32 {
        match self {
            Self::Native => *LOG_ROWS.start(),
            Self::Evm => 11,
        }
    }

    fn limbs(self, bits: u32) -> Limbs {
        match self {
            // Three limbs instead of four, at the price of a coarser shift.
            Self::Evm if bits >= 14 => Limbs { bits, hi: 2, lo: 1 },
            _ => limbs(bits),
        }
    }
}

/// Rows from 2^5 to 2^20.
const LOG_ROWS: std::ops::RangeInclusive<u32> = 5..=20;

/// How many rows a program takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Rows of slots, for the number of lanes asked about.
    pub slots: usize,
    /// Rows of the read column.
    pub reads: usize,
}

/// The rows that one layer takes with `lanes` slots in a row.
pub(super) fn layer_rows<W>(layer: &Layer<W>, lanes: usize) -> usize {
    layer.channels.div_ceil(lanes) * group_rows(layer)
}

/// The rows that one group of channels takes: a row a position, and one that closes each window.
pub(super) fn group_rows<W>(layer: &Layer<W>) -> usize {
    match layer.act {
        Act::MaxPool { .. } => layer.positions() / layer.window() * (layer.window() + 1),
        _ => layer.positions(),
    }
}

/// The rows of an image of ones that the positions of the layer's first operand move through: 0 where there is no bias, or where
/// all positions read alike, so that one read serves them all.
pub(super) fn image_rows(layer: &Layer<i64>) -> usize {
    let moves = |term: &Term<i64>| {
        term.strides
            .iter()
            .zip(&layer.dims)
            .map(|(s, count)| s * (count - 1))
            .sum::<usize>()
    };
    let biased = layer.bias.iter().any(|b| *b != 0);
    match layer.terms.first().map(moves) {
        Some(span) if biased && span > 0 => span + 1,
        _ => 0,
    }
}

/// What `program` takes with `lanes` slots in a row.
pub fn demand<W>(program: &Program<W>, lanes: usize, public_input: bool) -> Demand {
    let inputs: usize = program.input_shape.iter().product();
    let input_rows = if public_input { 0 } else { inputs.div_ceil(lanes) };
    Demand {
        slots: input_rows + program.layers.iter().map(|l| layer_rows(l, lanes)).sum::<usize>(),
        // One more row a layer reads the constant that its bias multiplies.
        reads: program
            .layers
            .iter()
            .map(|l| 1 + l.terms.iter().map(|t| t.block.len()).sum::<usize>())
            .sum(),
    }
}

/// The cheapest shape that `program` fits in, or `None` if it fits in none.
///
/// The cost counted is that of the commitments, which dominates: full-width columns (a helper for two bus terms, and nine that
/// every proof has), and columns of small values at a twelfth of that (docs/protocol.md, "Cost").
pub fn choose<W>(program: &Program<W>, public_input: bool, profile: Profile) -> Option<Shape> {
    let acts = || program.layers.iter().map(|l| l.act);
    let sizes = profile.min_log_rows()..=*LOG_ROWS.end();
    let candidates = sizes.flat_map(|log_n| (1..=profile.max_lanes()).map(move |lanes| (log_n, lanes)));
    candidates
        .filter(|(log_n, lanes)| {
            let need = demand(program, *lanes, public_input);
            need.slots.max(need.reads) <= 1 << log_n
        })
        .map(|(log_n, lanes)| Shape {
            limbs: profile.limbs(log_n),
            lanes,
            relu: acts().any(|a| a == Act::Relu),
            pool_relu: acts().any(|a| a == Act::MaxPool { relu: true }),
            pool_signed: acts().any(|a| a == Act::MaxPool { relu: false }),
        })
        .min_by_key(cost)
}

/// Committed cells, full-width ones counting twelve.
fn cost(shape: &Shape) -> usize {
    let limbs = (shape.limbs.hi + shape.limbs.lo) as usize;
    let helpers = ((limbs + 1) * shape.lanes + 1).div_ceil(2);
    let small = (limbs + 2) * shape.lanes + 2;
    shape.n() * (12 * (helpers + 9) + small)
}

/// Limbs for a range table of `2^bits` rows: a value of 22 bits or more, so that activations keep 2^-16 of their range, and a
/// shift of 20 or more, so that weights do; together at most 60, so that a pre-activation fits 64 bits.
fn limbs(bits: u32) -> Limbs {
    match bits {
        ..=15 => Limbs {
            bits,
            hi: 22u32.div_ceil(bits),
            lo: 20u32.div_ceil(bits),
        },
        _ => Limbs { bits, hi: 2, lo: 1 },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_choice_of_limbs_is_wide_enough_and_fits_64_bits() {
        for bits in LOG_ROWS {
            let Limbs { hi, lo, .. } = limbs(bits);
            assert!(hi * bits >= 22 && lo * bits >= 16 && (hi + lo) * bits <= 60, "{bits}");
        }
    }
}
