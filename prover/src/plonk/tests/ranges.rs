//! Limbs, rounding, signs: a slot holds one value and no other.

use super::{forge::*, *};
use crate::field::signed;

/// One layer of one channel over one input.
fn one_layer(weight: i64, act: Act) -> Program<i64> {
    network(1, vec![gemm(vec![Source::Input(0)], &[&[weight]], act)])
}

/// One layer, and a second one that multiplies what the first gives by `second`.
fn two_layers(weight: i64, act: Act, second: i64) -> Program<i64> {
    let first = gemm(vec![Source::Input(0)], &[&[weight]], act);
    network(1, vec![first, gemm(vec![read(0, 0)], &[&[second]], Act::Requant)])
}

/// Trap T1, all limbs but the top low and the top high one: a limb of -1 beside the one that it was borrowed from.
#[test]
fn a_negative_limb_is_rejected() {
    let layer = gemm(vec![Source::Input(0)], &[&[SCALE], &[-3 * SCALE]], Act::Requant);
    for lane in 0..2 {
        for (limb, name) in [(0, "lo0"), (2, "hi0")] {
            let attack = Attack::new(network(1, vec![layer.clone()]), &[1000]).lanes(2);
            let attack = attack.slots(move |slots| slots.of(0, lane).borrow(limb));
            attack.needs_bus(&format!("range of lane{lane}.{name}"));
        }
    }
}

/// Trap T1, the top low limb: `lo - 2^s` beside `y + 1`, a false output.
#[test]
fn a_low_part_out_of_range_is_rejected() {
    for act in [Act::Requant, Act::Relu] {
        let attack = Attack::new(one_layer(SCALE + 77, act), &[1000]).lie(|_, _, y| y[0] += Fr::from(1u8));
        let attack = attack.slots(|slots| slots.of(0, 0).borrow(1));
        assert_eq!(attack.public(), [1006]);
        attack.needs_bus("range of lane0.lo1");
    }
}

/// Trap T1, the top high limb, and trap T3: a private input of `2^s Y / w` gives any output `Y`.
#[test]
fn a_private_input_out_of_range_is_rejected() {
    let (weight, output) = (3 * SCALE / 7, 4321);
    let input = signed(SCALE * output) / signed(weight);
    let attack = || Attack::new(one_layer(weight, Act::Requant), &[0]).input(0, input);
    assert_eq!(attack().public(), [output]);
    let covered = attack().slots(move |slots| {
        let y = slots.input(0).y();
        slots.input(0).set_hi(y + signed(LIMBS.signed_range()));
    });
    covered.needs_bus("range of lane0.hi1");
    // With honest limbs it is the gate between them and the value that stands in the way.
    attack().needs_gate("lane 0: requantise");
}

/// Trap T2: a value that is not tied to the high limbs can absorb any low part.
#[test]
fn a_value_apart_from_its_limbs_is_rejected() {
    for (act, gate, unit) in [(Act::Requant, "lane 0: requantise", 1), (Act::Relu, "lane 0: relu", 2)] {
        let program = two_layers(SCALE + 5, act, unit * SCALE);
        let honest = reference_run(&program, &[900]).out[1][0];
        let attack = Attack::new(program, &[900]).lie(move |layer, u, y| {
            if layer == 0 {
                let lo = (u[0] + LIMBS.half()) % SCALE;
                y[0] = signed(u[0] + LIMBS.half() - forged_lo(lo)) / signed(unit * SCALE);
            }
        });
        let attack = attack.slots(move |slots| {
            let lo = slots.of(0, 0).lo();
            slots.of(0, 0).set_lo(forged_lo(lo));
            if unit == 2 {
                slots.of(0, 0).set_hi(Fr::from(0u8));
            }
        });
        assert_ne!(attack.public(), [honest]);
        attack.needs_gate(gate);
    }
}

/// Far enough from `lo` that the next layer rounds to something else.
fn forged_lo(lo: i64) -> i64 {
    if lo < LIMBS.half() { lo + LIMBS.half() + 1 } else { 0 }
}

/// Trap T7: exactly on a tie, rounding down or to even in the place of up.
#[test]
fn a_tie_rounds_up_and_nowhere_else() {
    for (input, up, other) in [(3, 2, 1), (1, 1, 0), (-3, -1, -2), (-1, 0, -1)] {
        let program = one_layer(SCALE / 2, Act::Requant);
        assert_eq!(reference_run(&program, &[input]).out[0], [up]);
        let attack = Attack::new(program, &[input]).lie(|_, _, y| y[0] -= Fr::from(1u8));
        let attack = attack.slots(|slots| {
            let hi = slots.of(0, 0).hi() - 1;
            slots.of(0, 0).set_hi(signed(hi));
            slots.of(0, 0).set_lo(SCALE);
        });
        assert_eq!(attack.public(), [other]);
        attack.needs_bus("range of lane0.lo1");
    }
}

/// Trap T8: with `hi > 0` the flag says the sign, and a flag that is neither 0 nor 1 would say anything.
#[test]
fn a_flag_between_zero_and_one_is_rejected() {
    // U stays as it is when 2 y - hi does: hi + 2 t beside y + t.
    let t = 40;
    let program = one_layer(SCALE, Act::Relu);
    for (input, output) in [(1000, 1040), (-1000, 40)] {
        let attack = Attack::new(program.clone(), &[input]).lie(move |_, _, y| y[0] += signed(t));
        let attack = attack.slots(move |slots| {
            let y = slots.of(0, 0).y();
            let hi = signed(slots.of(0, 0).hi() + 2 * t);
            slots.of(0, 0).set_hi(hi);
            slots.of(0, 0).set_flag(Fr::from(1u8) - y / hi);
        });
        assert_eq!(attack.public(), [output]);
        attack.needs_gate("lane 0: flag is 0 or 1");
    }
}

/// Trap T8: the other sign needs the negative of the high part, which is out of range.
#[test]
fn a_flipped_flag_is_rejected() {
    let attack = Attack::new(one_layer(SCALE, Act::Relu), &[1000]).lie(|_, _, y| y[0] = Fr::from(0u8));
    let attack = attack.slots(|slots| {
        slots.of(0, 0).set_flag(Fr::from(1u8));
        slots.of(0, 0).set_hi(signed(-1000));
    });
    attack.needs_bus("range of lane0.hi1");
}

/// Trap T12: nor does `r - 5` pass for a positive value.
#[test]
fn a_negative_value_behind_a_relu_is_rejected() {
    let attack = Attack::new(one_layer(SCALE, Act::Relu), &[-5]).lie(|_, _, y| y[0] = signed(-5));
    let attack = attack.slots(|slots| {
        slots.of(0, 0).set_flag(Fr::from(0u8));
        slots.of(0, 0).set_hi(signed(-5));
    });
    assert_eq!(attack.public(), [-5]);
    attack.needs_bus("range of lane0.hi1");
}

/// Trap T8: where the high part is zero both flags mean the same value, which is why nothing forbids it.
#[test]
fn the_flag_of_a_zero_is_free() {
    let attack = Attack::new(one_layer(SCALE / 4, Act::Relu), &[1]);
    let attack = attack.slots(|slots| {
        assert_eq!(slots.of(0, 0).hi(), 0);
        slots.of(0, 0).set_flag(Fr::from(1u8));
    });
    assert_eq!(attack.public(), [0]);
    attack.assert_accepted(&attack.fixture(|_| {}));
}
