//! Which rows hash: a chain of rows for each tensor that is hashed, one below the other, each behind a row that hashes nothing.

use tapeout_driver::Fr;
use tapeout_verifier::plonk::cs::HashColumns;

use super::{Disclosure, Error, Visibility};
use crate::{
    hash::{
        Packing, RATE, initial,
        rounds::{FULL, PARTIAL, ROUNDS},
    },
    model::{
        Limbs,
        program::{Program, Source},
    },
};

/// Rows of a permutation: its first linear layer, which also adds what the fourth cell starts from, and an S-box each.
const PERMUTATION: usize = 1 + FULL * (RATE + 1) + PARTIAL;

/// What becomes of the state.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Step {
    Hold,
    Rotate,
    Mix,
    Partial,
}

/// A row of a chain.
struct Row {
    step: Step,
    sbox: bool,
    /// What is added to the first cell.
    round: Fr,
    /// Which value is absorbed, and what it is multiplied by.
    value: Option<(usize, Fr)>,
}

/// How many field elements and permutations so many values take. Nothing at all takes a permutation too.
fn sizes(len: usize, packing: Packing) -> (usize, usize) {
    let elements = len.div_ceil(packing.count);
    (elements, elements.div_ceil(RATE).max(1))
}

/// The rows that hash `len` values.
fn chain(len: usize, packing: Packing) -> Vec<Row> {
    let (elements, blocks) = sizes(len, packing);
    let mut rows = Vec::new();
    let mut row = |step, sbox, round, value| {
        rows.push(Row {
            step,
            sbox,
            round,
            value,
        });
    };
    let zero = Fr::from(0u8);
    for block in 0..blocks {
        for element in block * RATE..(block + 1) * RATE {
            let first = (element * packing.count).min(len);
            let count = packing.count.min(len - first);
            for i in 0..count {
                let step = if i + 1 < count { Step::Hold } else { Step::Rotate };
                row(step, false, packing.offset(i), Some((first + i, packing.scale(i))));
            }
            if count == 0 {
                row(Step::Rotate, false, zero, None);
            }
        }
        let start = if block == 0 { initial(elements) } else { zero };
        row(Step::Mix, false, start, None);
        for (i, round) in ROUNDS.full.iter().enumerate() {
            if i == FULL / 2 {
                let partial = ROUNDS.partial.iter();
                partial.for_each(|constant| row(Step::Partial, true, *constant, None));
            }
            for (cell, constant) in round.iter().enumerate() {
                let step = if cell < RATE { Step::Rotate } else { Step::Mix };
                row(step, true, *constant, None);
            }
        }
    }
    rows
}

/// The rows that the hashes of a program's input and output take, in a trace with these limbs.
pub fn rows<W>(program: &Program<W>, limbs: &Limbs, disclosure: Disclosure) -> usize {
    let packing = Packing::of(limbs);
    let tensors = [
        (disclosure.input, program.input_len()),
        (disclosure.output, program.outputs.len()),
    ];
    let hashed = tensors.iter().filter(|(seen, _)| *seen == Visibility::Hashed);
    // A chain stands behind a row that hashes nothing; cells that no element fills take a row each.
    let rows = |len: usize| {
        let (elements, blocks) = sizes(len, packing);
        1 + len + blocks * (RATE + PERMUTATION) - elements
    };
    hashed.map(|(_, len)| rows(*len)).sum()
}

/// The chains of a circuit.
#[derive(Default)]
pub(super) struct Chains {
    rows: Vec<Option<Row>>,
    /// What each row absorbs.
    pub(super) sources: Vec<Source<i64>>,
    /// The row that ends the input's chain, and the output's.
    ends: [Option<usize>; 2],
}

impl Chains {
    /// Those of the tensors that are hashed.
    ///
    /// # Errors
    /// [`Error::Unbounded`] for an output that the limbs of its slots do not bound: other values could pack to the same.
    pub(super) fn new(program: &Program<i64>, limbs: &Limbs, disclosure: Disclosure) -> Result<Self, Error> {
        let packing = Packing::of(limbs);
        let input: Vec<_> = (0..program.input_len() as u32).map(Source::Input).collect();
        let mut chains = Self::default();
        for (tensor, seen, sources) in [(0, disclosure.input, &input), (1, disclosure.output, &program.outputs)] {
            if seen != Visibility::Hashed {
                continue;
            }
            bounded(program, packing, sources)?;
            chains.rows.push(None);
            chains.sources.push(Source::Const(0));
            for row in chain(sources.len(), packing) {
                let source = row.value.map_or(Source::Const(0), |(i, _)| sources[i]);
                chains.sources.push(source);
                chains.rows.push(Some(row));
            }
            chains.ends[tensor] = Some(chains.rows.len() - 1);
        }
        Ok(chains)
    }

    /// Fills the selectors, and gives the fixed columns that hold field elements of any size.
    pub(super) fn fill(&self, columns: &HashColumns, fixed: &mut [Vec<i64>]) -> Vec<(usize, Vec<Fr>)> {
        let n = fixed[columns.q_sbox].len();
        let mut wide = [columns.round, columns.scale].map(|column| (column, vec![Fr::from(0u8); n]));
        for (at, row) in self.rows.iter().enumerate() {
            let Some(row) = row else { continue };
            let selector = match row.step {
                Step::Hold => columns.q_hold,
                Step::Rotate => columns.q_rot,
                Step::Mix => columns.q_mix,
                Step::Partial => columns.q_part,
            };
            fixed[selector][at] = 1;
            fixed[columns.q_sbox][at] = i64::from(row.sbox);
            wide[0].1[at] = row.round;
            wide[1].1[at] = row.value.map_or(Fr::from(0u8), |(_, scale)| scale);
        }
        for (column, end) in [columns.input_end, columns.output_end].into_iter().zip(self.ends) {
            if let (Some(column), Some(end)) = (column, end) {
                fixed[column][end] = 1;
            }
        }
        wide.into()
    }
}

/// Values in slots are bounded by their limbs, and those of raw slots are not.
fn bounded(program: &Program<i64>, packing: Packing, sources: &[Source<i64>]) -> Result<(), Error> {
    let unbounded = |source: &Source<i64>| match *source {
        Source::Input(_) => None,
        Source::Const(value) => (!packing.holds(value)).then(|| format!("the constant {value}")),
        Source::Layer { layer, .. } => {
            let layer = &program.layers[layer as usize];
            layer.act.is_raw().then(|| layer.name.clone())
        }
    };
    match sources.iter().find_map(unbounded) {
        Some(layer) => Err(Error::Unbounded { layer }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_of_rows_is_known_beforehand() {
        for packing in [Packing { bits: 31, count: 8 }, Packing { bits: 62, count: 4 }] {
            for len in 0..70 {
                let (elements, blocks) = sizes(len, packing);
                let rows = chain(len, packing);
                assert_eq!(rows.len(), len + blocks * (RATE + PERMUTATION) - elements, "{len}");
            }
        }
    }
}
