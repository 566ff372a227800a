//! The parts of the MSM engine: the map of touched slots and the walk over it, the rounds of the reduction, a bank of buckets.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use tapeout_sim::{Model, available};

use crate::{ports, started};

/// Limbs of a point.
const POINT: usize = 12;

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
