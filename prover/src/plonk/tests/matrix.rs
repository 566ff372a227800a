//! Products of matrices: the running sum is that of what is read, with the verifier's coefficients.

use super::{forge::*, *};
use crate::field::signed;

/// The first output is one more, in a slot that is all right.
fn one_more() -> Attack {
    let input: Vec<i64> = (0..18).map(|i| 37 * i - 300).collect();
    Attack::new(matrix_product_of_inputs(), &input).lie(|layer, u, y| {
        if layer == 0 {
            u[0] += SCALE;
            y[0] += signed(1);
        }
    })
}

/// What the lie lacks in (L1).
fn imbalance(fixture: &Fixture, columns: &[Vec<Fr>]) -> Fr {
    let (row, _) = fixture.slot(0, 0);
    columns[fixture.cs().columns.e][row] * signed(SCALE)
}

/// The first segment's first rows, of its left and of its right part.
fn segment(fixture: &Fixture) -> (usize, usize) {
    let matrices = fixture.key.verifying.interface.linear[0].matrices.clone().unwrap();
    (matrices.row, matrices.row + matrices.rows)
}

#[test]
fn a_false_product_of_matrices_is_rejected() {
    let attack = one_more();
    attack.assert_rejected(&attack.fixture(|_| {}));
}

/// The running sum is no free coefficient.
#[test]
fn a_running_sum_of_ones_own_is_rejected() {
    let attack = one_more().linear(|fixture, columns, _| {
        let cs = &fixture.cs().columns;
        let (_, right) = segment(fixture);
        let more = imbalance(fixture, columns) / columns[cs.ports[0].x][right];
        columns[cs.matrices.unwrap().s][right] += more;
    });
    attack.needs_gate("S: running sum");
}

/// Traps A5 and T5 for the left parts' coefficients: chosen after `eta` they could be anything.
#[test]
fn coefficients_chosen_after_eta_are_rejected() {
    let attack = one_more().linear(|fixture, columns, eta| {
        let cs = &fixture.cs().columns;
        let ((left, right), s) = (segment(fixture), cs.matrices.unwrap().s);
        // What one more in the left coefficient adds to the sum over the right part.
        let matrices = fixture.key.verifying.interface.linear[0].matrices.clone().unwrap();
        let step = columns[s][right + 1] / columns[s][right];
        let mut factor = Fr::from(1u8);
        let mut gain = Fr::from(0u8);
        for j in 0..matrices.columns {
            factor *= step;
            gain += factor * columns[cs.ports[0].x][right + j];
        }
        let more = imbalance(fixture, columns) / (gain * columns[cs.ports[0].x][left]);
        columns[cs.ports[0].c][left] += more;
        let added = more * columns[cs.ports[0].x][left];
        (left..right).for_each(|row| columns[s][row] += added);
        let mut carried = added;
        for j in 0..matrices.columns {
            carried *= step;
            columns[s][right + j] += carried;
        }
        // The checksum stays what it was, at the price of a row that reads zero.
        let (eta, idle) = (eta.unwrap_or(Fr::from(7u8)), 120);
        columns[cs.ports[0].c][idle] -= more / ark_ff::Field::pow(&eta, [(idle - left) as u64]);
    });
    attack.needs_defence(|defences| defences.linear_before_eta = false);
}

/// A segment begins with nothing, whatever the row before it: the row of zero between two segments is read from the verifier.
#[test]
fn segments_do_not_run_into_each_other() {
    let fixture = Fixture::new(&matrix_product_of_inputs(), 1, false);
    let (interface, wiring) = (&fixture.key.verifying.interface, &fixture.key.wiring);
    let (columns, matrices) = (&fixture.cs().columns, interface.linear[0].matrices.clone().unwrap());
    let sides = columns.matrices.unwrap();
    for row in matrices.segments() {
        let before = (row + wiring.fixed[0].len() - 1) % wiring.fixed[0].len();
        for side in [sides.q_left, sides.q_right] {
            assert_eq!(wiring.fixed[side][before], 0);
            assert_eq!(wiring.fixed[side][row + matrices.pitch() - 1], 0);
        }
    }
}
