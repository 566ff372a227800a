//! The small parts that engines are made of, each alone: random words, edges, stalls wherever there is a handshake.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use tapeout_sim::{Model, Port, available};

/// Limbs of a point.
const POINT: usize = 12;

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

/// Two stores and a clear a cycle, often of the same group; a store wins over a clear.
#[test]
fn touched_groups_are_remembered() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(56);
    let mut m = started("touched_map");
    let [a, a_group, b, b_group] = ports(&m, ["a_store_i", "a_group_i", "b_store_i", "b_group_i"]);
    let [clear, clear_group, word, bits] = ports(&m, ["clear_i", "clear_group_i", "word_i", "bits_o"]);
    let mut touched = [0u64; 2];
    for _ in 0..20_000 {
        let near = rng.gen_range(0..64u64);
        let mut group = || if rng.r#gen() { near } else { rng.gen_range(0..64) };
        let groups = [group(), group(), group()];
        let [a_on, b_on, clears]: [bool; 3] = rng.r#gen();
        for (port, value) in [(a, a_on), (b, b_on), (clear, clears)] {
            m.set(port, &[u64::from(value)]);
        }
        for (port, group) in [a_group, b_group, clear_group].into_iter().zip(groups) {
            m.set(port, &[group]);
        }
        for (i, &expected) in touched.iter().enumerate() {
            m.set(word, &[i as u64]);
            m.settle();
            assert_eq!(m.bits(bits), expected);
        }
        let at = |group: u64| (group as usize / 32, 1 << (group % 32));
        if clears {
            let (word, bit) = at(groups[2]);
            touched[word] &= !bit;
        }
        for (on, group) in [(a_on, groups[0]), (b_on, groups[1])] {
            let (word, bit) = at(group);
            touched[word] |= if on { bit } else { 0 };
        }
        m.tick();
        assert!(!m.stopped());
    }
}

/// A walk gives every touched group up to its last word, once, in order, however slowly they are taken.
#[test]
fn walks_visit_every_touched_group() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(57);
    let mut m = started("group_scan");
    let [start, last, word, bits] = ports(&m, ["start_i", "last_i", "word_o", "bits_i"]);
    let [busy, valid, ready, group] = ports(&m, ["busy_o", "group_valid_o", "group_ready_i", "group_o"]);
    for round in 0..200 {
        let density = [0, 1, 8, 32][round % 4];
        let words: [u64; 32] = std::array::from_fn(|_| {
            (0..32)
                .map(|bit| u64::from(rng.gen_range(0..32) < density) << bit)
                .sum()
        });
        let end = rng.gen_range(0..32usize);
        let all = (0..=end).flat_map(|w| {
            (0..32)
                .filter(move |bit| words[w] >> bit & 1 == 1)
                .map(move |bit| 32 * w as u64 + bit)
        });
        let mut expected: VecDeque<u64> = all.collect();
        m.set(last, &[end as u64]);
        m.set(start, &[1]);
        m.tick();
        m.set(start, &[0]);
        let patience = 4 * (expected.len() + 4 * end) + 40;
        let mut cycles = 0;
        loop {
            m.set(ready, &[u64::from(rng.gen_range(0..3) != 0)]);
            m.settle();
            m.set(bits, &[words[m.bits(word) as usize]]);
            m.settle();
            if m.bits(busy) == 0 {
                break;
            }
            if m.bits(valid) == 1 && m.bits(ready) == 1 {
                assert_eq!(Some(m.bits(group)), expected.pop_front());
            }
            m.tick();
            cycles += 1;
            assert!(cycles < patience && !m.stopped());
        }
        assert!(expected.is_empty());
    }
}

/// The groups of every round of every shape, and those of the sums after them.
#[test]
fn rounds_double_and_join_planes() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(58);
    let mut m = started("reduce_rounds");
    let [first, start, sums, planes] = ports(&m, ["first_i", "start_i", "sums_i", "planes_i"]);
    let [low_bits, high_bits, two_halves] = ports(&m, ["low_bits_i", "high_bits_i", "two_halves_i"]);
    let [busy, done, valid, ready] = ports(&m, ["busy_o", "done_o", "valid_o", "ready_i"]);
    let [plane, half, doubles] = ports(&m, ["plane_o", "half_o", "doubles_o"]);
    for _ in 0..200 {
        let k = rng.gen_range(3..=12u64);
        let low = k.div_ceil(2);
        let (high, two, by_plane) = (k - low, rng.r#gen::<bool>(), rng.r#gen::<bool>());
        for (port, value) in [
            (low_bits, low),
            (high_bits, high),
            (two_halves, two.into()),
            (planes, by_plane.into()),
        ] {
            m.set(port, &[value]);
        }
        let mut visit = |m: &mut Model, expected: &[(u64, bool)], of_sums: bool| {
            m.set(sums, &[u64::from(of_sums)]);
            m.set(start, &[1]);
            m.tick();
            m.set(start, &[0]);
            for &(at, doubled) in expected {
                for h in 0..=u64::from(two) {
                    loop {
                        let takes = rng.r#gen::<bool>();
                        m.set(ready, &[u64::from(takes)]);
                        m.settle();
                        assert_eq!((m.bits(busy), m.bits(valid)), (1, 1));
                        let found = (m.bits(plane), m.bits(half), m.bits(doubles));
                        assert_eq!(found, (at, h, u64::from(doubled)));
                        m.tick();
                        if takes {
                            break;
                        }
                    }
                }
            }
            m.settle();
            assert_eq!(m.bits(busy), 0);
        };
        m.set(first, &[1]);
        m.tick();
        m.set(first, &[0]);
        let steps = 2 * (high - 1);
        for round in 0..=steps + low {
            m.settle();
            assert_eq!(m.bits(done), 0);
            let mut groups = Vec::new();
            if round < 2 * (low - 1) {
                groups.push((low - 1 - round / 2, round % 2 == 0));
            }
            groups.push(if round < steps {
                (8 + high - 1 - round / 2, round % 2 == 0)
            } else {
                (8, round - steps != low)
            });
            visit(&mut m, &groups, false);
        }
        assert_eq!(m.bits(done), 1);
        let results: Vec<_> = if by_plane {
            (0..low).chain(8..8 + high).map(|at| (at, false)).collect()
        } else {
            vec![(0, false)]
        };
        visit(&mut m, &results, true);
    }
}

/// What the requests of a cycle come to, at each port.
#[derive(Clone, Copy, Default)]
struct Come {
    slots: [u64; 2],
    values: [u64; 2],
    stores: [bool; 2],
    meets: bool,
    /// The point that was taken out.
    hits: [Option<u64>; 2],
}

/// Both ports at random on a few slots, so that they meet often, right after each other as well.
#[test]
fn banks_store_pair_and_give_up_points() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(59);
    let mut m = started("bucket_bank");
    let [ready, a_valid, a_take, a_slot] = ports(&m, ["ready_o", "a_valid_i", "a_take_i", "a_slot_i"]);
    let [b_valid, b_slot, a_point, b_point] = ports(&m, ["b_valid_i", "b_slot_i", "a_point_i", "b_point_i"]);
    let [a_store, b_store, meet] = ports(&m, ["a_store_o", "b_store_o", "meet_o"]);
    let [a_hit, a_found, b_hit, b_found] = ports(&m, ["a_hit_o", "a_point_o", "b_hit_o", "b_point_o"]);
    let [word, bits, clear, group_at] = ports(&m, ["scan_word_i", "scan_bits_o", "scan_clear_i", "scan_group_i"]);
    while m.bits(ready) == 0 {
        m.tick();
    }
    let whole = |value: u64| {
        let mut limbs = [!value; POINT];
        limbs[0] = value;
        limbs
    };
    let mut buckets: BTreeMap<u64, u64> = BTreeMap::new();
    let mut touched = BTreeSet::new();
    let (mut second, mut third) = (Come::default(), Come::default());
    for cycle in 0..40_000u64 {
        // few slots for a while, then many
        let slots = if cycle / 500 % 2 == 0 { 3 } else { 1 << 10 };
        let [a, b, takes]: [bool; 3] = rng.r#gen();
        let mut first = Come {
            slots: [rng.gen_range(0..slots), rng.gen_range(0..slots)],
            values: rng.r#gen(),
            ..Come::default()
        };
        for (port, value) in [(a_valid, a), (a_take, takes), (b_valid, b)] {
            m.set(port, &[u64::from(value)]);
        }
        m.set(a_slot, &[first.slots[0]]);
        m.set(b_slot, &[first.slots[1]]);
        m.set(a_point, &whole(second.values[0]));
        m.set(b_point, &whole(second.values[1]));
        let (group, clears) = (rng.gen_range(0..64u64), rng.gen_range(0..8) == 0);
        m.set(word, &[group / 32]);
        m.set(clear, &[u64::from(clears)]);
        m.set(group_at, &[group]);
        m.settle();
        assert_eq!(m.bits(bits) >> (group % 32) & 1 == 1, touched.contains(&group));
        assert_eq!([m.bits(a_store), m.bits(b_store)], second.stores.map(u64::from));
        assert_eq!(m.bits(meet), u64::from(second.meets));
        for ((hit, found), expected) in [(a_hit, a_found), (b_hit, b_found)].into_iter().zip(third.hits) {
            assert_eq!(m.bits(hit), u64::from(expected.is_some()));
            if let Some(value) = expected {
                let mut limbs = [0; POINT];
                m.get(found, &mut limbs);
                assert_eq!(limbs, whole(value));
            }
        }
        // a store wins over a clear
        if clears {
            touched.remove(&group);
        }
        touched.extend(
            (0..2)
                .filter(|&port| second.stores[port])
                .map(|port| second.slots[port] / 16),
        );
        m.tick();
        assert!(!m.stopped());
        let same = a && b && first.slots[0] == first.slots[1];
        first.meets = same && !takes;
        for (port, acts) in [(0, a && !same), (1, b && !first.meets)] {
            if acts {
                let (slot, arrives) = (first.slots[port], port == 1 || !takes);
                first.hits[port] = buckets.remove(&slot);
                first.stores[port] = arrives && first.hits[port].is_none();
                if first.stores[port] {
                    buckets.insert(slot, first.values[port]);
                }
            }
        }
        (third, second) = (second, first);
    }
}
