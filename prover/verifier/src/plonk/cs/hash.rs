//! Poseidon2 over the rows: a value absorbed, or one S-box, a row.
//!
//! A row's state follows from the row before it. Let `x = prev s_0 + round`. The state's first cell becomes
//! `cell = x + scale v + q_sbox (x^5 - x)`, where `v` is the value that is absorbed, and the state one of
//!
//! | selector | the new state |
//! |---|---|
//! | `q_hold` | `cell, prev s_1, prev s_2, prev s_3` |
//! | `q_rot` | `prev s_1, prev s_2, prev s_3, cell` |
//! | `q_mix` | `M_E` times the state of `q_rot` |
//! | `q_part` | `M_I` times the state of `q_hold` |
//! | none | zero |
//!
//! so that a chain of rows starts from zero behind any row that it does not use. Which rows a tensor takes is the layout's
//! (`docs/protocol.md`, "Hashes").

use std::array::from_fn;

use ark_bn254::Fr;
use ark_ff::MontFp;

use super::{Columns, Gate, Shape};
use crate::plonk::expr::{Expr, Scalar};

/// Cells of the state.
pub const STATE: usize = 4;

/// The diagonal of `M_I`, less 1; all other elements of `M_I` are 1. From the Poseidon2 parameters of the field for four cells.
pub const DIAGONAL: [Fr; STATE] = [
    MontFp!("7626475329478847982857743246276194948757851985510858890691733676098590062311"),
    MontFp!("5498568565063849786384470689962419967523752476452646391422913716315471115275"),
    MontFp!("148936322117705719734052984176402258788283488576388928671173547788498414613"),
    MontFp!("15456385653678559339152734484033356164266089951521103188900320352052358038155"),
];

/// Indices of the columns of hashes.
#[derive(Clone, Copy, Debug)]
pub struct HashColumns {
    /// The value that a row absorbs; zero elsewhere.
    pub values: usize,
    /// Fixed: the id that it is read by.
    pub read_id: usize,
    /// The state.
    pub state: [usize; STATE],
    /// `x^2`.
    pub square: usize,
    /// `x^5`.
    pub power: usize,
    /// Fixed: what is added to the first cell, round constants among them.
    pub round: usize,
    /// Fixed: what the value is multiplied by.
    pub scale: usize,
    /// Fixed selectors.
    pub q_sbox: usize,
    /// See [`HashColumns::q_sbox`].
    pub q_hold: usize,
    /// See [`HashColumns::q_sbox`].
    pub q_rot: usize,
    /// See [`HashColumns::q_sbox`].
    pub q_mix: usize,
    /// See [`HashColumns::q_sbox`].
    pub q_part: usize,
    /// Fixed: 1 on the row whose first cell is the input's hash.
    pub input_end: Option<usize>,
    /// Fixed: 1 on the row whose first cell is the output's hash.
    pub output_end: Option<usize>,
}

impl HashColumns {
    /// Adds the columns where the shape has hashes; `advice` takes a name, a number of blinds and whether the column is rotated.
    pub(super) fn new(
        shape: &Shape,
        fixed: &mut impl FnMut(String) -> usize,
        advice: &mut impl FnMut(String, usize, bool) -> usize,
    ) -> Option<Self> {
        if !shape.hashes() {
            return None;
        }
        let mut fixed = |name: &str| fixed(format!("hash.{name}"));
        Some(Self {
            read_id: fixed("id"),
            round: fixed("round"),
            scale: fixed("scale"),
            q_sbox: fixed("q_sbox"),
            q_hold: fixed("q_hold"),
            q_rot: fixed("q_rot"),
            q_mix: fixed("q_mix"),
            q_part: fixed("q_part"),
            input_end: shape.hashed_input.then(|| fixed("input_end")),
            output_end: shape.hashed_output.then(|| fixed("output_end")),
            values: advice("hash.values".into(), 2, false),
            state: from_fn(|i| advice(format!("hash.s{i}"), 4, true)),
            square: advice("hash.square".into(), 2, false),
            power: advice("hash.power".into(), 2, false),
        })
    }

    /// The columns that hold field elements of any size.
    pub fn wide(&self) -> [usize; STATE + 2] {
        let [a, b, c, d] = self.state;
        [a, b, c, d, self.square, self.power]
    }
}

/// The matrix of the full rounds, with the additions of the Poseidon2 paper (appendix B).
fn mix_full([a, b, c, d]: [Expr; STATE]) -> [Expr; STATE] {
    let twice = |e: &Expr| e.clone() + e.clone();
    let four = |e: &Expr| twice(&twice(e));
    let (ab, cd) = (a + b.clone(), c + d.clone());
    let (low, high) = (twice(&b) + cd.clone(), twice(&d) + ab.clone());
    let (second, last) = (four(&ab) + low.clone(), four(&cd) + high.clone());
    [high + second.clone(), second, low + last.clone(), last]
}

/// The matrix of the partial rounds.
fn mix_partial(state: [Expr; STATE]) -> [Expr; STATE] {
    let sum = Expr::sum(state.clone());
    from_fn(|i| Expr::Const(DIAGONAL[i]) * state[i].clone() + sum.clone())
}

pub(super) fn gates(columns: &Columns) -> Vec<Gate> {
    let Some(hash) = &columns.hash else {
        return Vec::new();
    };
    let x = || Expr::Prev(hash.state[0]) + Expr::Fixed(hash.round);
    let (square, power) = (Expr::Advice(hash.square), Expr::Advice(hash.power));
    let absorbed = Expr::Fixed(hash.scale) * Expr::Advice(hash.values);
    let cell = x() + absorbed + Expr::Fixed(hash.q_sbox) * (power.clone() - x());
    let [second, third, fourth] = [1, 2, 3].map(|i| Expr::Prev(hash.state[i]));
    let hold = [cell.clone(), second.clone(), third.clone(), fourth.clone()];
    let rotated = [second, third, fourth, cell];
    let states = [
        (hash.q_mix, mix_full(rotated.clone())),
        (hash.q_part, mix_partial(hold.clone())),
        (hash.q_hold, hold),
        (hash.q_rot, rotated),
    ];
    let mut gates = vec![
        Gate {
            name: "hash: square".into(),
            expr: square.clone() - x() * x(),
        },
        Gate {
            name: "hash: fifth power".into(),
            expr: power - square.clone() * square * x(),
        },
    ];
    for (i, cell) in hash.state.iter().enumerate() {
        let new = states.iter().map(|(q, state)| Expr::Fixed(*q) * state[i].clone());
        gates.push(Gate {
            name: format!("hash: s{i}"),
            expr: Expr::Advice(*cell) - Expr::sum(new),
        });
    }
    let ends = [
        ("hash of the input", hash.input_end, Scalar::InputHash),
        ("hash of the output", hash.output_end, Scalar::OutputHash),
    ];
    for (name, end, word) in ends {
        if let Some(end) = end {
            gates.push(Gate {
                name: name.into(),
                expr: Expr::Fixed(end) * (Expr::Advice(hash.state[0]) - Expr::from(word)),
            });
        }
    }
    gates
}
