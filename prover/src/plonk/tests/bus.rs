//! The bus: what is read is what was written under that id.

use super::{forge::*, *};
use crate::field::signed;

/// Two values pass through slots of their own, and a layer with different weights reads both.
fn two_reads() -> Program<i64> {
    let both = vec![Source::Input(0), Source::Input(1)];
    let first = gemm(both, &[&[SCALE, 0], &[0, SCALE]], Act::Requant);
    network(
        2,
        vec![
            first,
            gemm(vec![read(0, 0), read(0, 1)], &[&[SCALE, 2 * SCALE]], Act::Requant),
        ],
    )
}

/// The row in which the second layer of [`two_reads`] reads the first value.
fn second_layer(fixture: &Fixture) -> usize {
    fixture.key.verifying.interface.linear[1].tiles[0].read
}

/// Trap T6: without ids a read could be answered by any entry of the range table.
#[test]
fn a_read_is_not_answered_by_the_range_table() {
    let attack = Attack::new(two_reads(), &[40, 9]).lie(|layer, u, y| {
        if layer == 1 {
            u[0] += 60 * SCALE;
            y[0] += signed(60);
        }
    });
    let attack = attack.slots(|slots| {
        let row = second_layer(slots.fixture);
        *slots.x(row) = signed(100);
    });
    assert_eq!(attack.public(), [118]);
    attack
        .answered_from_the_table(40, 100)
        .needs_defence(|defences| defences.bus_ids = false);
}

/// Trap T6: nor by another slot, even one whose value is read as often as before.
#[test]
fn a_read_is_not_answered_by_another_slot() {
    let attack = Attack::new(two_reads(), &[40, -9]).lie(|layer, u, y| {
        if layer == 1 {
            u[0] = (-9 + 2 * 40) * SCALE;
            y[0] = signed(71);
        }
    });
    let attack = attack.slots(|slots| {
        let row = second_layer(slots.fixture);
        *slots.x(row) = signed(-9);
        *slots.x(row + 1) = signed(40);
    });
    assert_eq!(attack.public(), [71]);
    attack.needs_defence(|defences| defences.bus_ids = false);
}

/// Trap T13: a padding zero is the verifier's, not the content of a slot that nothing constrains.
#[test]
fn a_constant_is_not_the_provers_to_choose() {
    let block = vec![Source::Const(0), Source::Input(0)];
    let program = network(1, vec![gemm(block, &[&[SCALE, SCALE]], Act::Requant)]);
    let attack = Attack::new(program, &[5]).lie(|_, u, y| {
        u[0] += 30 * SCALE;
        y[0] += signed(30);
    });
    let attack = attack.slots(|slots| {
        // Whoever reads the zero reads 30.
        let zero = slots.fixture.key.wiring.fixed[slots.fixture.cs().columns.ports[0].read_id][0];
        let ids = slots.fixture.key.wiring.fixed[slots.fixture.cs().columns.ports[0].read_id].clone();
        (0..ids.len())
            .filter(|row| ids[*row] == zero)
            .for_each(|row| *slots.x(row) = signed(30));
        let idle = slots.idle_row();
        slots.at(idle, 0).set_y(signed(30));
    });
    assert_eq!(attack.public(), [35]);
    attack.assert_rejected(&attack.fixture(|_| {}));
    let free_zero = attack.fixture(|_| {}).rewired(|interface, wiring| {
        let cs = Fixture::columns(interface);
        let (value, zero) = interface.constants.remove(0);
        assert_eq!(value, 0);
        let slot = interface.shape.slot_id(127, 0);
        wiring.fixed[cs.ports[0].read_id]
            .iter_mut()
            .filter(|id| **id == zero.id as i64)
            .for_each(|id| *id = slot as i64);
        wiring.fixed[cs.lanes[0].mu][127] = zero.reads as i64;
    });
    attack.assert_accepted(&free_zero);
}

/// Trap T28: multiplicities and ids are the key's. A prover that uses others proves something about another circuit.
#[test]
fn fixed_columns_are_not_the_provers_to_choose() {
    // Both reads go to the second slot, whose multiplicity goes up.
    let attack = Attack::new(two_reads(), &[40, 9]).lie(|layer, u, y| {
        if layer == 1 {
            u[0] = (9 + 2 * 9) * SCALE;
            y[0] = signed(27);
        }
    });
    let attack = attack.slots(|slots| {
        let row = second_layer(slots.fixture);
        *slots.x(row) = signed(9);
    });
    let other = attack.fixture(|_| {}).rewired(|interface, wiring| {
        let cs = Fixture::columns(interface);
        let row = interface.linear[1].tiles[0].read;
        let (from, to) = (
            wiring.fixed[cs.ports[0].read_id][row],
            wiring.fixed[cs.ports[0].read_id][row + 1],
        );
        wiring.fixed[cs.ports[0].read_id][row] = to;
        wiring.fixed[cs.lanes[0].mu][from as usize - 1] -= 1;
        wiring.fixed[cs.lanes[0].mu][to as usize - 1] += 1;
    });
    attack.assert_accepted(&other);
    // The same prover, before the verifier of the real key.
    let mut mixed = attack.fixture(|_| {});
    mixed.key.wiring = other.key.wiring;
    attack.assert_rejected(&mixed);
    // The multiplicities alone.
    let honest = Attack::new(two_reads(), &[40, 9]);
    let mut mixed = honest.fixture(|_| {});
    let (mu, slot) = (mixed.cs().columns.lanes[0].mu, mixed.slot(0, 0).0);
    mixed.key.wiring.fixed[mu][slot] += 1;
    honest.assert_rejected(&mixed);
}
