//! The bucket unit and the reducer, each alone. Points are integers modulo `2^64` here: the modules move points and never look at
//! them, so any group will do, and the test is the adder.
#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, HashMap, VecDeque};

use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use tapeout_hw::msm::{ADD_LATENCY, CONFIG};
use tapeout_sim::{Model, Port, available};

/// Limbs of a point.
const POINT: usize = 12;
const SCRATCH: u64 = 2;

/// A model whose ports are found by name.
struct Dut {
    model: Model,
    ports: HashMap<&'static str, Port>,
}

impl Dut {
    fn new(name: &str, ports: &[&'static str]) -> Self {
        let model = Model::new(name).unwrap();
        let ports = ports.iter().map(|&port| (port, model.port(port).unwrap())).collect();
        Self { model, ports }
    }

    fn set(&mut self, port: &str, value: u64) {
        self.model.set(self.ports[port], &[value]);
    }

    /// A point of that value, its upper limbs must come out with it, and what stands above it: a tag, or whether there is one.
    fn set_point(&mut self, port: &str, above: u64, value: u64) {
        let mut limbs = [value ^ u64::MAX; POINT + 1];
        (limbs[0], limbs[POINT]) = (value, above);
        self.model.set(self.ports[port], &limbs);
    }

    fn get(&self, port: &str) -> u64 {
        self.model.bits(self.ports[port])
    }

    /// The points of a port and what stands above them.
    fn points<const N: usize>(&self, port: &str) -> ([u64; N], u64) {
        let mut limbs = vec![0; POINT * N + 1];
        self.model.get(self.ports[port], &mut limbs);
        (
            std::array::from_fn(|i| whole(&limbs[POINT * i..POINT * (i + 1)])),
            limbs[POINT * N],
        )
    }
}

/// The value of a point.
fn whole(limbs: &[u64]) -> u64 {
    assert!(
        limbs[1..].iter().all(|&limb| limb == limbs[0] ^ u64::MAX),
        "a torn point"
    );
    limbs[0]
}

/// The bucket unit with a queue for an adder.
struct Buckets {
    dut: Dut,
    sums: VecDeque<(u64, u64, u64)>,
    takes: VecDeque<u64>,
    taken: HashMap<u64, u64>,
    pairs: u64,
}

impl Buckets {
    fn new() -> Self {
        let dut = Dut::new(
            "bucket_unit",
            &[
                "rst_ni",
                "ready_o",
                "arrival_valid_i",
                "arrival_ready_o",
                "arrival_i",
                "sum_valid_i",
                "sum_i",
                "take_valid_i",
                "take_ready_o",
                "take_i",
                "taken_valid_o",
                "taken_o",
                "pair_valid_o",
                "pair_o",
                "announce_i",
                "moving_o",
            ],
        );
        let mut buckets = Self {
            dut,
            sums: VecDeque::new(),
            takes: VecDeque::new(),
            taken: HashMap::new(),
            pairs: 0,
        };
        buckets.dut.model.tick();
        buckets.dut.set("rst_ni", 1);
        while buckets.dut.get("ready_o") == 0 {
            buckets.dut.model.tick();
        }
        buckets
    }

    /// A cycle in which a point and a take are offered; says which of them were accepted.
    fn step(&mut self, arrival: Option<(u64, u64)>, take: Option<u64>) -> (bool, bool) {
        let now = self.dut.model.cycles();
        let d = &mut self.dut;
        let sum = self.sums.front().copied().filter(|&(due, ..)| due == now);
        d.set("sum_valid_i", u64::from(sum.is_some()));
        if let Some((_, tag, value)) = sum {
            self.sums.pop_front();
            d.set_point("sum_i", tag, value);
        }
        d.set("arrival_valid_i", u64::from(arrival.is_some()));
        if let Some((tag, value)) = arrival {
            d.set_point("arrival_i", tag, value);
        }
        d.set("take_valid_i", u64::from(take.is_some()));
        d.set("take_i", take.unwrap_or(0));
        d.model.settle();
        let accepted = (
            arrival.is_some() && d.get("arrival_ready_o") == 1,
            take.is_some() && d.get("take_ready_o") == 1,
        );
        d.set(
            "announce_i",
            arrival
                .filter(|_| accepted.0)
                .map_or(0, |(tag, _)| 1 << (tag >> CONFIG.slot_bits)),
        );
        if accepted.1 {
            self.takes.extend(take);
        }
        d.model.tick();
        assert!(!d.model.stopped());
        if d.get("pair_valid_o") == 1 {
            let ([first, second], tag) = d.points("pair_o");
            let due = d.model.cycles() + u64::from(ADD_LATENCY);
            self.sums.push_back((due, tag, first.wrapping_add(second)));
            self.pairs += 1;
        }
        if d.get("taken_valid_o") == 1 {
            let tag = self.takes.pop_front().unwrap();
            let mut limbs = [0; POINT + 1];
            d.model.get(d.ports["taken_o"], &mut limbs);
            if limbs[POINT] == 1 {
                let value = whole(&limbs[..POINT]);
                let all = self.taken.entry(tag).or_default();
                *all = all.wrapping_add(value);
            }
        }
        accepted
    }

    fn settle(&mut self) {
        let patience = self.dut.model.cycles() + 100_000;
        while self.dut.get("moving_o") != 0 {
            self.step(None, None);
            assert!(self.dut.model.cycles() < patience, "points that never come");
        }
        assert!(self.sums.is_empty());
    }
}

/// Every slot's points come to its sum, however they meet, and none gets lost to a take in between.
#[test]
fn buckets_lose_nothing() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(10);
    let latency = u64::from(ADD_LATENCY);
    let slots = 1 << CONFIG.slot_bits;
    for period in [
        1,
        2,
        3,
        latency - 1,
        latency,
        latency + 1,
        latency + 4,
        latency + 5,
        1000,
        slots,
    ] {
        for (stalls, takes) in [(0, 0), (60, 40)] {
            let mut buckets = Buckets::new();
            let mut right: BTreeMap<u64, u64> = BTreeMap::new();
            let mut sent = 0;
            let mut tag = 0;
            let mut offered = None;
            let mut begin = 0;
            let count = 3_000;
            while sent < count {
                if offered.is_none() && rng.gen_range(0..256) >= stalls {
                    // one slot after the other, or any of them; now and then in another bank
                    tag = if rng.r#gen() {
                        (tag + 1) % period
                    } else {
                        rng.gen_range(0..period)
                    };
                    let bank = if rng.gen_range(0..16) == 0 {
                        rng.gen_range(0..=SCRATCH)
                    } else {
                        0
                    };
                    let slot = if bank == SCRATCH { tag % (slots / 2) } else { tag };
                    offered = Some((bank << CONFIG.slot_bits | slot, rng.r#gen()));
                }
                let take = (rng.gen_range(0..256) < takes).then(|| rng.gen_range(0..period));
                if sent == 200 {
                    begin = buckets.pairs;
                }
                if buckets.step(offered, take).0 {
                    let (tag, value) = offered.take().unwrap();
                    let all = right.entry(tag).or_default();
                    *all = all.wrapping_add(value);
                    sent += 1;
                }
            }
            if (period, stalls, takes) == (1, 0, 0) {
                // with all points in one slot, each but the first is an addition, and none waits
                assert!(buckets.pairs - begin > (count - 200) * 9 / 10);
            }
            buckets.settle();
            for &tag in right.keys() {
                while !buckets.step(None, Some(tag)).1 {}
            }
            for _ in 0..4 {
                buckets.step(None, None);
            }
            assert_eq!(
                buckets.taken,
                right.into_iter().collect(),
                "{period} slots, takes {takes}"
            );
        }
    }
}

/// Slots as the reducer sees them: points that arrive become one at once.
#[derive(Default)]
struct Slots {
    full: HashMap<u64, u64>,
    touched: HashMap<(u64, u64), u32>,
}

impl Slots {
    fn arrive(&mut self, tag: u64, value: u64) {
        let all = self.full.entry(tag).or_default();
        *all = all.wrapping_add(value);
        let (bank, slot) = (tag >> CONFIG.slot_bits, tag % (1 << CONFIG.slot_bits));
        *self.touched.entry((bank, slot >> 9)).or_default() |= 1 << (slot >> 4 & 31);
    }
}

/// `sum_d d * bucket[d]` of every window, for every width, under stalls and with buckets that are filled while they
/// are walked over.
#[test]
fn reductions_are_weighted_sums() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(11);
    for k in 3..=12u32 {
        for stalls in [0, 0, 0, 100, 100] {
            let windows = rng.gen_range(1..=32u64.min(1 << (CONFIG.slot_bits - k)));
            reduce(k, windows, stalls, &mut rng);
        }
    }
}

fn reduce(k: u32, windows: u64, stalls: u32, rng: &mut StdRng) {
    let mut d = Dut::new(
        "reducer",
        &[
            "rst_ni",
            "absorbed_i",
            "shape_i",
            "freed_o",
            "busy_o",
            "moving_i",
            "scan_o",
            "scan_bits_i",
            "take_valid_o",
            "take_ready_i",
            "take_o",
            "taken_valid_i",
            "taken_i",
            "arrival_valid_o",
            "arrival_ready_i",
            "arrival_o",
            "sum_valid_o",
            "sum_ready_i",
            "sum_o",
            "sum_last_o",
        ],
    );
    let log_windows = windows.next_power_of_two().ilog2();
    // rtl/pkg/types_pkg.sv, shape_t; the same for both banks
    let planes = rng.r#gen();
    let shape = u64::from(planes) << 13 | u64::from(k) << 9 | u64::from(log_windows) << 6 | windows;
    d.set("shape_i", shape | shape << 16);
    d.model.tick();
    d.set("rst_ni", 1);
    // the two banks one after the other
    for bank in 0..2u64 {
        let mut slots = Slots::default();
        let mut right = vec![0u64; windows as usize];
        let mut points: Vec<_> = (0..rng.gen_range(0..400))
            .map(|_| {
                (
                    rng.gen_range(0..1u64 << k),
                    rng.gen_range(0..windows),
                    rng.r#gen::<u64>(),
                )
            })
            .collect();
        // the largest magnitude has index zero
        for &(index, window, value) in &points {
            let digit = if index == 0 { 1 << k } else { index };
            right[window as usize] = right[window as usize].wrapping_add(value.wrapping_mul(digit));
        }
        let tag = |(index, window, _): &(u64, u64, u64)| bank << CONFIG.slot_bits | index << log_windows | window;
        let late = points.split_off(points.len() * 3 / 4);
        points.iter().for_each(|point| slots.arrive(tag(point), point.2));
        let mut late = VecDeque::from(late);
        let mut answers: VecDeque<(u64, Option<u64>)> = VecDeque::new();
        let mut sums = Vec::new();
        d.set("absorbed_i", 1 << bank);
        let mut freed = false;
        let bits = if planes { k as usize } else { 1 };
        while sums.len() < windows as usize * bits {
            let mut stall = || rng.gen_range(0..256) < stalls;
            d.set("moving_i", u64::from(!late.is_empty()) << bank);
            for port in ["take_ready_i", "arrival_ready_i", "sum_ready_i"] {
                d.set(port, u64::from(!stall()));
            }
            let now = d.model.cycles();
            let answer = answers
                .front()
                .copied()
                .filter(|&(due, _)| due == now)
                .map(|(_, point)| point);
            d.set("taken_valid_i", u64::from(answer.is_some()));
            d.set_point(
                "taken_i",
                u64::from(answer.flatten().is_some()),
                answer.flatten().unwrap_or(0),
            );
            if answer.is_some() {
                answers.pop_front();
            }
            d.model.settle();
            // scan_t: bank, word, clear, group
            let scan = d.get("scan_o");
            let (scanned, clear, group) = ((scan >> 16, scan >> 11 & 31), scan >> 10 & 1, scan & 1023);
            d.set("scan_bits_i", slots.touched.get(&scanned).copied().unwrap_or(0).into());
            if clear == 1 {
                *slots.touched.entry((scanned.0, group >> 5)).or_default() &= !(1 << (group & 31));
            }
            d.model.settle();
            if d.get("take_valid_o") == 1 && d.get("take_ready_i") == 1 {
                answers.push_back((now + 2, slots.full.remove(&d.get("take_o"))));
            }
            if d.get("arrival_valid_o") == 1 && d.get("arrival_ready_i") == 1 {
                let ([value], tag) = d.points("arrival_o");
                slots.arrive(tag, value);
            }
            if d.get("sum_valid_o") == 1 && d.get("sum_ready_i") == 1 {
                assert_eq!(
                    d.get("sum_last_o"),
                    u64::from(sums.len() + 1 == windows as usize * bits)
                );
                // an empty slot is (0 : 1 : 0), here an integer that no point is
                let mut limbs = [0; POINT];
                d.model.get(d.ports["sum_o"], &mut limbs);
                let identity = [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0];
                sums.push(if limbs == identity { 0 } else { whole(&limbs) });
            }
            freed |= d.get("freed_o") == 1 << bank;
            if d.get("freed_o") != 0 {
                d.set("absorbed_i", 0);
            }
            if let Some(point) = late.pop_front() {
                slots.arrive(tag(&point), point.2);
            }
            d.model.tick();
            assert!(!d.model.stopped() && d.model.cycles() < 4_000_000);
        }
        let joined: Vec<_> = (0..windows as usize)
            .map(|window| {
                (0..bits).fold(0u64, |all, bit| {
                    all.wrapping_add(sums[bit * windows as usize + window] << bit)
                })
            })
            .collect();
        assert_eq!(joined, right, "{k} bits, {windows} windows, planes {planes}");
        assert!(freed && slots.full.keys().all(|tag| tag >> CONFIG.slot_bits == SCRATCH));
        while d.get("busy_o") == 1 {
            d.set("taken_valid_i", 0);
            d.model.tick();
        }
    }
}
