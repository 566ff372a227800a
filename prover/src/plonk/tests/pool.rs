//! Windows: the maximum is one of them, and the whole of them counts.

use super::{forge::*, *};
use crate::{field::signed, plonk::expr::Expr};

/// Two windows of two elements, `[0, 1]` and `[2, 3]` of the input, one channel.
fn two_windows(relu: bool) -> Program<i64> {
    pool(4, vec![2, 1, 2], vec![2, 0, 1], relu)
}

/// What a prover fills a window with that claims `max` of the pre-activations `u`: everything is consistent with that, and the
/// flag is up from the first element that attains it on.
fn claim(slots: &mut Slots<'_>, window: usize, u: [i64; 2], max: i64, relu: bool) {
    let (close, lane) = slots.fixture.slot(0, window);
    let mut attained = false;
    for (i, u) in u.iter().enumerate() {
        attained |= *u == max;
        let mut slot = slots.at(close - 2 + i, lane);
        slot.set_y(signed(max));
        slot.set_difference(max - u);
        slot.set_flag(signed(attained.into()));
    }
    let mut slot = slots.at(close, lane);
    slot.set_difference(max + LIMBS.half());
    if !relu {
        let hi = slot.hi();
        slot.set_hi(signed(hi + LIMBS.signed_range()));
    }
}

const INPUT: [i64; 4] = [100, -300, -7, 250];
const U: [[i64; 2]; 2] = [[100 * SCALE, -300 * SCALE], [-7 * SCALE, 250 * SCALE]];

/// Traps T10 and A8: a maximum that no element attains.
#[test]
fn a_maximum_that_is_not_attained_is_rejected() {
    for (relu, gate) in [
        (true, "lane 0: close: attained or zero"),
        (false, "lane 0: close signed: attained"),
    ] {
        let attack = || Attack::new(two_windows(relu), &INPUT).lie(|_, _, y| y[1] += signed(1000));
        let lie = move |slots: &mut Slots<'_>| claim(slots, 1, U[1], 1250 * SCALE, relu);
        assert_eq!(attack().public(), [100, 1250]);
        attack().slots(lie).needs_gate(gate);
        // A flag that rises where the maximum is not.
        let raised = attack().slots(move |slots| {
            lie(slots);
            let (close, _) = slots.fixture.slot(0, 1);
            slots.at(close - 1, 0).set_flag(signed(1));
        });
        raised.needs_gate("lane 0: flag rises only where the maximum is");
    }
}

/// Trap T10: zero without a ReLU that would allow it, and zero where an element is positive.
#[test]
fn zero_for_a_positive_maximum_is_rejected() {
    let attack = Attack::new(two_windows(true), &INPUT).lie(|_, _, y| y[1] = signed(0));
    attack
        .slots(|slots| claim(slots, 1, U[1], 0, true))
        .needs_bus("range of lane0.hi1");
    let input = [-100, -300, -7, -250];
    let attack = Attack::new(two_windows(false), &input).lie(|_, _, y| y[1] = signed(0));
    let u = [-7 * SCALE, -250 * SCALE];
    attack
        .slots(move |slots| claim(slots, 1, u, 0, false))
        .needs_gate("lane 0: close signed: attained");
}

/// Trap T10: the first element of a window must not take over the flag that the row before it, which closes the previous
/// window, happens to have.
#[test]
fn a_flag_of_the_previous_window_does_not_count() {
    for relu in [true, false] {
        let attack = Attack::new(two_windows(relu), &INPUT).lie(|_, _, y| y[1] += signed(1));
        let attack = attack.slots(move |slots| {
            claim(slots, 1, U[1], 251 * SCALE, relu);
            let (first, _) = slots.fixture.slot(0, 0);
            let (last, _) = slots.fixture.slot(0, 1);
            (first..last).for_each(|row| slots.at(row, 0).set_flag(signed(1)));
        });
        attack.needs(|draft| {
            let (window, lane) = (draft.columns.q_window.unwrap(), draft.columns.lanes[0].clone());
            let gate = draft
                .gates
                .iter_mut()
                .find(|g| g.name == "lane 0: flag rises only where the maximum is");
            let limbs = lane.lo.iter().chain(&lane.hi).enumerate();
            let d = Expr::sum(limbs.map(|(i, c)| Expr::pow2(LIMBS.bits * i as u32) * Expr::Advice(*c)));
            gate.unwrap().expr = d * Expr::Fixed(window) * (Expr::Advice(lane.flag) - Expr::Prev(lane.flag));
        });
    }
}

/// Every element is held against the same maximum.
#[test]
fn a_maximum_that_changes_within_the_window_is_rejected() {
    let attack = Attack::new(two_windows(true), &[100, 30, -7, 250]).lie(|_, _, y| y[0] = signed(30));
    let attack = attack.slots(|slots| {
        claim(slots, 0, [30 * SCALE; 2], 30 * SCALE, true);
        let (close, _) = slots.fixture.slot(0, 0);
        slots.at(close - 2, 0).set_y(signed(100 * SCALE));
    });
    assert_eq!(attack.public(), [30, 250]);
    attack.needs_gate("lane 0: window keeps its maximum");
}

/// Trap T2 for the row that closes a window.
#[test]
fn a_closing_value_apart_from_the_maximum_is_rejected() {
    let attack = |relu| Attack::new(two_windows(relu), &INPUT).lie(|_, _, y| y[0] += signed(5));
    attack(true).needs_gate("lane 0: close: value");
    let split = move |slots: &mut Slots<'_>| {
        let hi = slots.of(0, 0).hi() + 5;
        slots.of(0, 0).set_hi(signed(hi));
    };
    attack(true)
        .slots(split)
        .needs_gate("lane 0: close: splits the maximum");
    attack(false)
        .slots(split)
        .needs_gate("lane 0: close signed: splits the maximum");
    // One more above, `2^s` less below.
    let attack = Attack::new(two_windows(false), &INPUT).lie(|_, _, y| y[0] += signed(1));
    let attack = attack.slots(|slots| slots.of(0, 0).borrow(1));
    attack.needs_bus("range of lane0.lo1");
}

/// Trap A3: windows that overlap read one pre-activation in several rows. Each of them must be right, not only their sum.
#[test]
fn an_element_of_two_windows_has_one_value() {
    // Windows [0, 1] and [1, 2]: element 1 is the maximum of both. The first axis is the window's, the last the element's.
    let program = pool(3, vec![1, 2, 1, 2], vec![0, 1, 0, 1], true);
    let attack = Attack::new(program, &[10, 500, 20]).lie(|_, u, y| {
        // Per window (u0, u1), (u1, u2): the shared element is at index 1 and at index 2.
        u[1] += 100 * SCALE;
        u[2] -= 100 * SCALE;
        (y[0], y[1]) = (signed(600), signed(400));
    });
    assert_eq!(attack.public(), [600, 400]);
    attack.needs_defence(|defences| defences.separate_axes = false);
}

/// Traps A1 and T9: the largest element's index is the maximum of keys that hold it, so that no flag is there to rise or fall, and
/// two equal elements have different keys.
#[test]
fn the_second_of_two_equal_maxima_is_rejected() {
    // Keys 2 x_k + (1 - k): the first of equals wins.
    let mut program = pool(2, vec![1, 2], vec![0, 1], false);
    let layer = &mut program.layers[0];
    layer.terms[0].taps = vec![vec![(0, 2 * SCALE)]].into();
    layer.terms.push(Term {
        block: vec![Source::Const(1), Source::Const(0)],
        strides: vec![0, 1],
        taps: vec![vec![(0, SCALE)]].into(),
    });
    let keys = [2 * 40 + 1, 2 * 40];
    let honest = Attack::new(program.clone(), &[40, 40]);
    assert_eq!(honest.public(), [keys[0]]);
    let attack = Attack::new(program, &[40, 40]).lie(move |_, _, y| y[0] = signed(keys[1]));
    let attack = attack.slots(move |slots| claim(slots, 0, keys.map(|k| k * SCALE), keys[1] * SCALE, false));
    attack.needs_bus("range of lane0.hi1");
}
