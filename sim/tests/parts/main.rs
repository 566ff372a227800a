//! The small parts that engines are made of, each alone: random words, edges, stalls wherever there is a handshake.
#![allow(clippy::unwrap_used)]

mod msm;

use std::collections::VecDeque;

use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use tapeout_sim::{Model, Port, available};

fn ports<const N: usize>(model: &Model, names: [&str; N]) -> [Port; N] {
    names.map(|name| model.port(name).unwrap())
}

/// A module out of reset.
fn started(name: &str) -> Model {
    let mut model = Model::new(name).unwrap();
    let [reset] = ports(&model, ["rst_ni"]);
    model.tick();
    model.set(reset, &[1]);
    model.settle();
    model
}

/// A signed number of so many bits: at its ends, near zero, or anything.
fn signed(bits: u32, rng: &mut StdRng) -> i64 {
    let (min, max) = (-1i64 << (bits - 1), (1i64 << (bits - 1)) - 1);
    match rng.gen_range(0..5) {
        0 => [min, max, -1, 0, 1][rng.gen_range(0..5)],
        1 => (1i64 << rng.gen_range(0..bits - 1)) - 1,
        2 => -(1i64 << rng.gen_range(0..bits - 1)),
        _ => rng.gen_range(min..=max),
    }
}

/// The clock runs in a cycle that needs it and in five more, also when the need comes with the cycle itself.
#[test]
fn clocks_run_while_they_are_needed() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(50);
    let mut m = Model::new("clock_gate").unwrap();
    let [reset, need, clock] = ports(&m, ["rst_ni", "need_i", "clk_o"]);
    // of the cycles since the last need; in reset the clock runs, so that what it drives is reset
    let mut quiet = 0;
    for cycle in 0..5_000 {
        let (in_reset, needed) = (cycle < 10 || rng.gen_range(0..200) == 0, rng.gen_range(0..8) == 0);
        m.set(reset, &[u64::from(!in_reset)]);
        m.set(need, &[u64::from(needed)]);
        m.tick();
        quiet = if in_reset || needed { 0 } else { quiet + 1 };
        assert_eq!(m.bits(clock) == 1, quiet <= 5, "cycle {cycle}");
        m.settle();
        assert_eq!(m.bits(clock), 0, "cycle {cycle}");
    }
}

/// `lo + 2^51 hi` is the product, and both stay in the ranges that the multiplier's columns are made for.
#[test]
fn limb_products_are_products() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(51);
    let mut m = Model::new("mul_limb").unwrap();
    let [x, y, lo, hi] = ports(&m, ["x_i", "y_i", "lo_o", "hi_o"]);
    let mut pending = VecDeque::new();
    for _ in 0..20_000 {
        let (a, b) = (signed(52, &mut rng), signed(52, &mut rng));
        let bits = |v: i64| v as u64 & ((1 << 52) - 1);
        m.set(x, &[bits(a)]);
        m.set(y, &[bits(b)]);
        pending.push_back((a, b));
        m.tick();
        if pending.len() == 3 {
            let (a, b) = pending.pop_front().unwrap();
            let (low, high) = (m.bits(lo) as i64, m.bits(hi) as i64);
            let whole = i128::from(low) + (i128::from(high) << 51);
            assert_eq!(whole, i128::from(a) * i128::from(b), "{a} * {b}");
            assert!((0..1 << 53).contains(&low) && high.abs() < 1 << 54, "{a} * {b}");
        }
    }
}

#[test]
fn columns_become_limbs() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(52);
    let mut m = Model::new("carry_chain").unwrap();
    let [col, limb, carry] = ports(&m, ["col_i", "limb_o", "carry_o"]);
    let mut pending = VecDeque::new();
    for _ in 0..10_000 {
        let columns: [i64; 5] = std::array::from_fn(|_| signed(63, &mut rng));
        m.set(col, &columns.map(|c| c as u64));
        let mut left = 0;
        let limbs = columns.map(|c| {
            let total = c + left;
            left = total >> 51;
            total as u64 & ((1 << 51) - 1)
        });
        pending.push_back((limbs, left));
        m.tick();
        if pending.len() == 5 {
            let mut found = [0; 5];
            m.get(limb, &mut found);
            assert_eq!((found, m.bits(carry) as i64), pending.pop_front().unwrap());
        }
    }
}

/// Lines of registers, and rings whose length is a power of two or not.
#[test]
fn lines_delay() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(53);
    for (name, cycles) in [("delay_line_3", 3), ("delay_line_8", 8), ("delay_line_22", 22)] {
        let mut m = Model::new(name).unwrap();
        let [data_i, data_o] = ports(&m, ["data_i", "data_o"]);
        let mut pending = VecDeque::new();
        for _ in 0..500 {
            let word: [u64; 2] = [rng.r#gen(), rng.r#gen::<u64>() & 63];
            m.set(data_i, &word);
            pending.push_back(word);
            m.tick();
            if pending.len() == cycles {
                let mut found = [0; 2];
                m.get(data_o, &mut found);
                assert_eq!(found, pending.pop_front().unwrap(), "{name}");
            }
        }
    }
}

#[test]
fn queues_keep_order_and_count() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(54);
    let mut m = started("fifo");
    let [valid_i, ready_o, data_i] = ports(&m, ["valid_i", "ready_o", "data_i"]);
    let [valid_o, ready_i, data_o, count] = ports(&m, ["valid_o", "ready_i", "data_o", "count_o"]);
    let mut held = VecDeque::new();
    let (mut filled, mut emptied) = (0, 0);
    for cycle in 0..20_000 {
        // by turns the writer and the reader are the slower one
        let busy = if cycle / 100 % 2 == 0 { [200, 100] } else { [100, 200] };
        let [offers, takes] = busy.map(|chance| rng.gen_range(0..256) < chance);
        let word = rng.r#gen::<u64>() & 0xff_ffff_ffff;
        m.set(valid_i, &[u64::from(offers)]);
        m.set(data_i, &[word]);
        m.set(ready_i, &[u64::from(takes)]);
        m.settle();
        let (space, some) = (held.len() < 8, !held.is_empty());
        assert_eq!(m.bits(ready_o), u64::from(space));
        assert_eq!(m.bits(valid_o), u64::from(some));
        assert_eq!(m.bits(count), held.len() as u64);
        if let Some(&front) = held.front() {
            assert_eq!(m.bits(data_o), front);
        }
        filled += u32::from(!space);
        emptied += u32::from(!some);
        if some && takes {
            held.pop_front();
        }
        if space && offers {
            held.push_back(word);
        }
        m.tick();
        assert!(!m.stopped());
    }
    assert!(filled > 100 && emptied > 100);
}

/// A read gives the word two cycles later, the old one in the cycle of a write to it, and holds while nothing is read.
#[test]
fn memories_give_what_was_written_before() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(55);
    let mut m = Model::new("ram_1r1w").unwrap();
    let [read, read_at, data] = ports(&m, ["read_i", "read_address_i", "read_data_o"]);
    let [write, write_at, new] = ports(&m, ["write_i", "write_address_i", "write_data_i"]);
    let (mut memory, mut word) = ([None; 16], None);
    for _ in 0..10_000 {
        let [reads, writes]: [bool; 2] = rng.r#gen();
        let (from, to) = (rng.gen_range(0..16usize), rng.gen_range(0..16usize));
        let value: [u64; 2] = [rng.r#gen(), rng.r#gen::<u64>() & 0xffff];
        for (port, value) in [
            (read, reads.into()),
            (write, writes.into()),
            (read_at, from as u64),
            (write_at, to as u64),
        ] {
            m.set(port, &[value]);
        }
        m.set(new, &value);
        m.tick();
        let out = word;
        if reads {
            word = memory[from];
        }
        if writes {
            memory[to] = Some(value);
        }
        if let Some(expected) = out {
            let mut found = [0; 2];
            m.get(data, &mut found);
            assert_eq!(found, expected);
        }
    }
}
