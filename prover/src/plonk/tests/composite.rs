//! Quotients, roots, assertions: advice has one value that passes.

use super::{forge::*, *};
use crate::{field::signed, model::program::Composite};

/// Layers of a quotient: the quotient, its product with the divisor, half of the divisor, the remainder, what is left to the divisor.
const HALF: usize = 2;

/// A value of an assertion that is negative: written with a high part that is.
fn assert_negative(slots: &mut Slots<'_>, layer: usize, u: i64) {
    assert!(u < 0);
    slots.of(layer, 0).set_difference(u);
}

/// Traps A9 and T11: one more and one less than the quotient or the root leave an assertion negative.
#[test]
fn advice_off_by_one_is_rejected() {
    for (kind, input, scale) in [
        (Composite::Divide, vec![-1000, 7], 4),
        (Composite::Divide, vec![1001, 3], 2),
        (Composite::SquareRoot, vec![77], 3),
        (Composite::ReciprocalSquareRoot, vec![77], 9),
    ] {
        let program = composite(kind, input.len() as u32, scale);
        // The assertions are the last two layers: the first one falls with the advice, the second one rises.
        let layers = program.layers.len();
        for (off, asserted) in [(1, layers - 2), (-1, layers - 1)] {
            let lie = move |layer: usize, _: &mut Vec<i64>, y: &mut Vec<Fr>| {
                if layer == 0 {
                    y[0] += signed(off);
                }
            };
            let attack = Attack::new(program.clone(), &input).lie(lie);
            let u = attack.pre_activation(asserted, 0);
            let attack = attack.slots(move |slots| assert_negative(slots, asserted, u));
            attack.needs_bus("range of lane0.hi1");
        }
    }
}

/// Trap A9: a quotient without a range could be any field element that leaves a remainder in range.
#[test]
fn a_quotient_out_of_range_is_rejected() {
    let mut program = composite(Composite::Divide, 2, 4);
    // Seven times the quotient, so that the output of the lie is a small number.
    program
        .layers
        .push(gemm(vec![read(0, 0)], &[&[7 * SCALE]], Act::Requant));
    let last = program.layers.len() as u32 - 1;
    program.outputs = vec![read(last, 0)];
    let attack = || {
        Attack::new(program.clone(), &[-100, 7]).lie(|layer, _, y| {
            if layer == 0 {
                // 16 * -100 + 3 = 7 * -229 + 6, and 1 in the place of 6.
                y[0] = signed(-1600 + 3 - 1) / signed(7);
            }
        })
    };
    assert_eq!(attack().public(), [-1598]);
    attack().needs_gate("lane 0: requantise");
    let covered = attack().slots(|slots| {
        let y = slots.of(0, 0).y();
        slots.of(0, 0).set_hi(y + signed(LIMBS.signed_range()));
    });
    covered.needs_bus("range of lane0.hi1");
}

/// Trap A9: half of the divisor decides which way a quotient rounds.
#[test]
fn another_half_of_the_divisor_is_rejected() {
    let attack = Attack::new(composite(Composite::Divide, 2, 4), &[-1000, 7]).lie(|layer, _, y| match layer {
        // -16000 + 3 = 7 * -2286 + 5, -16000 - 3 = 7 * -2287 + 6.
        0 => y[0] -= signed(1),
        HALF => y[0] = signed(-3),
        _ => {}
    });
    assert_eq!(attack.public(), [-2287]);
    attack.needs_gate("lane 0: floor");
}

/// A sum that is asserted to be zero, and is not.
#[test]
fn a_sum_that_is_not_zero_is_rejected() {
    let pass = gemm(inputs(0..2), &[&[SCALE, 0]], Act::Requant);
    let equal = gemm(inputs(0..2), &[&[SCALE, -SCALE]], Act::Zero);
    let program = Program {
        outputs: vec![read(0, 0)],
        output_shape: vec![1],
        ..network(2, vec![equal.clone(), pass.clone()])
    };
    let program = Program {
        layers: vec![pass, equal],
        ..program
    };
    let honest = Attack::new(program.clone(), &[5, 5]);
    honest.assert_accepted(&honest.fixture(|_| {}));
    let attack = Attack::new(program, &[5, 6]);
    attack.assert_rejected(&attack.fixture(|_| {}));
    // Without a monomial of its own nothing is asserted.
    let silent = attack.fixture(|_| {}).rewired(|interface, wiring| {
        interface.linear[1].groups = 0;
        interface.linear[1].tiles.clear();
        wiring.weights[1].clear();
    });
    attack.assert_accepted(&silent);
}
