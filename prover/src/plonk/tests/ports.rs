//! Reads of two ports: which value stands where, and which coefficient belongs to which read.

use ark_ff::Field;

use super::{forge::*, *};
use crate::{
    field::signed,
    kzg::KzgError,
    layout::{Inconsistent, Interface},
};

/// The first read of the second port.
const SECOND: usize = 128;

/// One layer, whose reads of the two ports' first rows count three times and once. The others are of zero.
fn difference() -> Program<i64> {
    let block = (0..140).map(|read| match read {
        0 => Source::Input(0),
        SECOND => Source::Input(1),
        _ => Source::Const(0),
    });
    let mut weights = vec![0; 140];
    (weights[0], weights[SECOND]) = (3 * SCALE, -SCALE);
    network(2, vec![gemm(block.collect(), &[&weights], Act::Requant)])
}

/// The output is larger by `more`, in a slot that is all right.
fn lie(more: i64) -> Attack {
    Attack::new(difference(), &[50, 20]).lie(move |_, u, y| {
        u[0] += more * SCALE;
        y[0] += signed(more);
    })
}

#[test]
fn the_second_port_reads_what_it_is_wired_to() {
    let attack = lie(1).slots(|slots| *slots.x(SECOND) = signed(19));
    assert_eq!(attack.public(), [131]);
    attack.assert_rejected(&attack.fixture(|_| {}));
    let weak = attack.fixture(|draft| draft.bus.retain(|term| term.name != "read of port1"));
    let ids = weak.cs().columns.ports[1].read_id;
    attack.assert_accepted(&weak.unread(ids));
}

#[test]
fn what_one_port_reads_is_not_read_by_the_other() {
    let attack = lie(3 * 20 - 50 - 130).slots(|slots| {
        *slots.x(0) = signed(20);
        *slots.x(SECOND) = signed(50);
    });
    assert_eq!(attack.public(), [10]);
    attack.needs_defence(|defences| defences.bus_ids = false);
}

/// Each port's coefficient with the other's read: the sum of both checksums is what it was, their weighted sum is not.
#[test]
fn coefficients_of_one_port_are_not_those_of_the_other() {
    let attack = lie(3 * 20 - 50 - 130).linear(|fixture, columns, _| {
        let [first, second] = [0, 1].map(|p| fixture.cs().columns.ports[p].c);
        let (a, b) = (columns[first][0], columns[second][0]);
        (columns[first][0], columns[second][0]) = (b, a);
    });
    assert_eq!(attack.public(), [10]);
    attack.assert_rejected(&attack.fixture(|_| {}));
}

/// Trap T5 across the ports: knowing `eta`, a prover takes from one port's coefficients what it adds to the other's.
#[test]
fn coefficients_of_two_ports_make_up_for_each_other_only_once_eta_is_known() {
    let attack = lie(1).linear(|fixture, columns, eta| {
        let at = &fixture.cs().columns;
        let missing = columns[at.e][fixture.slot(0, 0).0] * signed(SCALE);
        let delta = missing / columns[at.ports[1].x][0];
        let eta = eta.unwrap_or(Fr::from(12345u64));
        columns[at.ports[1].c][0] += delta;
        // A read of zero, whose coefficient is nobody's business.
        columns[at.ports[0].c][100] -= delta * eta.pow([SECOND as u64 - 100]);
    });
    attack.needs_defence(|defences| defences.linear_before_eta = false);
}

#[test]
fn honest_proofs_of_two_ports_hide_weights_and_commit() {
    let (program, input) = (two_ports(), [100, -70, 33, 500]);
    let fixture = Fixture::hidden(&program, 2);
    assert_eq!(fixture.key.verifying.interface.shape.ports, 2);
    let (public, proof) = fixture.honest(&input);
    fixture.verify(&public, &proof).unwrap();
    let hidden = fixture.key.verifying.weights.fold.hidden.unwrap();
    assert_eq!(hidden.mask, 2 * 128 - 4);
    let mut other = proof;
    let columns = &fixture.cs().columns;
    other.advice.swap(columns.ports[0].c, columns.ports[1].c);
    let refused = fixture.verify(&public, &other);
    assert!(
        matches!(refused, Err(Rejection::Opening(KzgError::Rejected))),
        "{refused:?}"
    );
}

#[test]
fn interfaces_with_other_ports_are_refused() {
    let interface = Fixture::new(&two_ports(), 1, false).key.verifying.interface.clone();
    let refused = |change: fn(&mut Interface)| -> Option<Inconsistent> {
        let mut other = interface.clone();
        change(&mut other);
        other.validate().err()
    };
    assert_eq!(refused(|_| {}), None);
    for change in [
        |i: &mut Interface| i.shape.ports = 0,
        |i: &mut Interface| i.shape.ports = 3,
        |i: &mut Interface| i.shape.ports = usize::MAX,
        // What the second port read is read by nobody then.
        |i: &mut Interface| i.shape.ports = 1,
        |i: &mut Interface| i.shape.raw = true,
        |i: &mut Interface| i.shape.matmul = true,
        |i: &mut Interface| i.linear[1].tiles[0].read = 250,
    ] {
        assert!(refused(change).is_some());
    }
}
