//! The columns of hashes, from what is absorbed: the prover's side of [`super::cs::hash`].

use std::array::from_fn;
use std::ops::Range;

use ark_ff::{AdditiveGroup, Field, Zero};
use tapeout_driver::Fr;

use super::cs::{
    HashColumns,
    hash::{DIAGONAL, STATE},
};

/// The cells of one row.
pub(super) type State = [Fr; STATE];

/// Fills the state and the powers from the values that are absorbed and the fixed columns.
pub(crate) fn fill(columns: &HashColumns, fixed: &[Vec<Fr>], advice: &mut [Vec<Fr>]) {
    let n = fixed[columns.round].len();
    fill_rows(columns, fixed, advice, 0..n, [Fr::zero(); STATE]);
}

/// Fills rows one after the other, the first of them behind this state.
pub(super) fn fill_rows(
    columns: &HashColumns,
    fixed: &[Vec<Fr>],
    advice: &mut [Vec<Fr>],
    rows: Range<usize>,
    mut state: State,
) {
    for row in rows {
        let x = state[0] + fixed[columns.round][row];
        let square = x.square();
        let power = square.square() * x;
        let absorbed = fixed[columns.scale][row] * advice[columns.values][row];
        let selects = |column: usize| !fixed[column][row].is_zero();
        let cell = absorbed + if selects(columns.q_sbox) { power } else { x };
        let [_, second, third, fourth] = state;
        let (hold, rotated) = ([cell, second, third, fourth], [second, third, fourth, cell]);
        state = if selects(columns.q_hold) {
            hold
        } else if selects(columns.q_rot) {
            rotated
        } else if selects(columns.q_mix) {
            mix_full(rotated)
        } else if selects(columns.q_part) {
            let sum: Fr = hold.iter().sum();
            from_fn(|i| DIAGONAL[i] * hold[i] + sum)
        } else {
            [Fr::zero(); STATE]
        };
        (advice[columns.square][row], advice[columns.power][row]) = (square, power);
        columns
            .state
            .iter()
            .zip(state)
            .for_each(|(column, cell)| advice[*column][row] = cell);
    }
}

/// The matrix of the full rounds: rows (5, 7, 1, 3), (4, 6, 1, 1), (1, 3, 5, 7), (1, 1, 4, 6).
fn mix_full([a, b, c, d]: State) -> State {
    let (ab, cd) = (a + b, c + d);
    let (low, high) = (b.double() + cd, d.double() + ab);
    let (second, last) = (ab.double().double() + low, cd.double().double() + high);
    [high + second, second, low + last, last]
}
