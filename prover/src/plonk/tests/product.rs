//! Products: the value is that of what both ports read.

use super::{forge::*, *};
use crate::field::signed;

const INPUT: [i64; 3] = [1000, -70, 33];

#[test]
fn a_false_product_is_rejected() {
    let rounded = Attack::new(products(), &INPUT).lie(|layer, u, y| {
        if layer == 0 {
            u[0] += SCALE;
            y[0] += signed(1);
        }
    });
    rounded.needs_gate("product");
    let raw = Attack::new(products(), &INPUT).lie(|layer, _, y| {
        if layer == 1 {
            y[0] += signed(100_000);
        }
    });
    assert_ne!(raw.public(), reference_run(&products(), &INPUT).outputs);
    raw.needs_gate("product");
}

/// Trap T6 for the second port: what it reads is what was written under that id.
#[test]
fn a_factor_of_ones_own_is_rejected() {
    let attack = Attack::new(products(), &INPUT).lie(|layer, _, y| {
        if layer == 1 {
            y[0] = signed(1000 * 100);
        }
    });
    let attack = attack.slots(|slots| {
        let (row, _) = slots.fixture.slot(1, 0);
        assert_eq!(*slots.x2(row), signed(33));
        *slots.x2(row) = signed(100);
    });
    attack
        .answered_from_the_table(33, 100)
        .needs_defence(|defences| defences.bus_ids = false);
}

/// Trap T2 for products.
#[test]
fn a_rounded_product_apart_from_its_limbs_is_rejected() {
    let attack = Attack::new(products(), &INPUT).lie(|layer, u, y| {
        if layer == 0 {
            y[0] = signed(u[0] + LIMBS.half() - 7) / signed(SCALE);
        }
    });
    let attack = attack.slots(|slots| slots.of(0, 0).set_lo(7));
    attack.needs_gate("lane 0: requantise");
    // One more above, `2^s` less below.
    let attack = Attack::new(products(), &INPUT).lie(|layer, _, y| {
        if layer == 0 {
            y[0] += signed(1);
        }
    });
    attack
        .slots(|slots| slots.of(0, 0).borrow(1))
        .needs_bus("range of lane0.lo1");
}
