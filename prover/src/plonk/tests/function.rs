//! Functions: the segment is the argument's, and the entry is that table's.

use super::{forge::*, *};
use crate::{
    field::signed,
    plonk::expr::{Expr, Scalar},
};

/// The first function's argument is in segment 15 of its table, whose entry is (225, 31), this far.
const INPUT: [i64; 2] = [2047, 1];
const WITHIN: i64 = (INPUT[0] << 7) & (SCALE - 1);

/// Claims another entry for the first lookup.
fn claim(value: i64, rise: i64) -> Attack {
    let attack = Attack::new(functions(), &INPUT).lie(move |layer, _, y| {
        if layer == 0 {
            assert_eq!(y[0], signed(225 * SCALE + 31 * WITHIN));
            y[0] = signed(value * SCALE + rise * WITHIN);
        }
    });
    attack.slots(move |slots| slots.of(0, 0).set_segment(value, rise))
}

#[test]
fn an_entry_of_no_table_is_rejected() {
    claim(226, 31).needs_bus("lookup of lane0");
    claim(225, 32).needs_bus("lookup of lane0");
}

/// The segment beside the argument's, and a position outside of it.
#[test]
fn an_entry_of_another_segment_is_rejected() {
    let attack = Attack::new(functions(), &INPUT).lie(|layer, _, y| {
        if layer == 0 {
            y[0] = signed(256 * SCALE + 33 * (WITHIN - SCALE));
        }
    });
    let attack = attack.slots(|slots| {
        slots.of(0, 0).set_segment(256, 33);
        slots.of(0, 0).borrow(2);
    });
    attack.needs_bus("range of lane0.hi0");
    // The same entry with honest limbs.
    claim(256, 33).needs_bus("lookup of lane0");
}

#[test]
fn a_value_apart_from_the_entry_is_rejected() {
    let attack = Attack::new(functions(), &INPUT).lie(|layer, _, y| {
        if layer == 0 {
            y[0] += signed(3 * SCALE);
        }
    });
    attack.needs_gate("lane 0: function");
}

/// Trap A10: two functions have the same keys; what tells them apart is the tag.
#[test]
fn an_entry_of_another_function_is_rejected() {
    let attack = claim(7 - 3 * 15, -5 * 15);
    attack.assert_rejected(&attack.fixture(|_| {}));
    let untagged = attack.fixture(|_| {}).rewired(|interface, wiring| {
        let functions = Fixture::columns(interface).functions.unwrap();
        wiring.fixed[functions.tag.unwrap()].fill(0);
        wiring.fixed[functions.key].iter_mut().for_each(|key| *key %= 128);
    });
    attack.assert_accepted(&untagged);
}

/// Trap A10: with id 0 in its place the range table would answer for every key, that the function is zero there.
#[test]
fn a_lookup_is_not_answered_by_the_range_table() {
    claim(0, 0).counted_in_the_table(15).needs(|draft| {
        let lookups = draft
            .bus
            .iter_mut()
            .filter(|t| t.name == "lookup of lane0" || t.name == "function tables");
        lookups.for_each(|t| t.message = t.message.clone() + Expr::from(Scalar::Chi));
    });
}

/// The rows behind the last entry repeat it: there is no entry that nobody wrote.
#[test]
fn the_rest_of_the_tables_is_no_entry_of_its_own() {
    let fixture = Fixture::new(&functions(), 1, false);
    let functions = fixture.cs().columns.functions.unwrap();
    let entries = |column: usize| fixture.key.wiring.fixed[column][39..].iter();
    assert!(entries(functions.key).all(|v| *v == 128 + 19));
    assert!(entries(functions.value).all(|v| *v == 7 - 3 * 19));
    assert!(entries(functions.rise).all(|v| *v == -5 * 19));
}
