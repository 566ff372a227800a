//! Which windows of which items share a pass, and how their scalars are packed.

use ark_ff::PrimeField;
use tapeout_hw::cost::{Load, Memory, cycles};
use tapeout_hw::msm::{Config, FIELDS, MIN_WIDTH, Pass, WORD_BITS, WORD_LIMBS, windows_for};

use crate::{Fr, Result, Scalars};

/// Items of more bits have passes of their own.
const NARROW_BITS: u32 = 120;

/// What an addition or doubling on the host is taken to cost, in cycles of the engine: a quarter of a microsecond at 250 MHz.
const HOST_STEP: u64 = 60;

/// A word of the stream, or a scalar in two's complement, least significant limb first.
type Word = [u64; WORD_LIMBS];

/// What of an item decides its passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Shape {
    /// Number of scalars.
    pub(crate) len: usize,
    /// Every one is in `-2^(bits-1) .. 2^(bits-1)`; zero when all are zero.
    pub(crate) bits: u32,
    /// How many are not zero.
    pub(crate) nonzero: usize,
}

/// One item's scalars as signed integers.
pub(super) struct Item {
    values: Vec<Word>,
    pub(super) shape: Shape,
}

/// Consecutive windows of an item in a pass.
#[derive(Clone, Copy, Debug)]
struct Lane {
    item: usize,
    first_window: u32,
    windows: u32,
}

/// A pass and whose windows it has.
pub(crate) struct Job {
    pub(crate) pass: Pass,
    lanes: Vec<Lane>,
    /// Whether the lane is the whole word.
    wide: bool,
}

/// What a sum is to be multiplied with: `2^bit`, for this item.
#[derive(Clone, Copy)]
pub(super) struct Weight {
    pub(super) item: usize,
    pub(super) bit: u32,
}

impl Item {
    /// Refuses values that break the promise of their width.
    pub(super) fn new(scalars: &Scalars<'_>, index: usize) -> Result<Self> {
        scalars.integers(index)?;
        let values: Vec<_> = scalars.values.iter().map(signed).collect();
        let shape = Shape {
            len: values.len(),
            bits: values.iter().map(signed_bits).max().unwrap_or(0),
            nonzero: values.iter().filter(|value| **value != [0; WORD_LIMBS]).count(),
        };
        Ok(Self { values, shape })
    }
}

/// The representative of least magnitude: `r - v` becomes `-v`.
fn signed(value: &Fr) -> Word {
    let value = value.into_bigint().0;
    let mut rest = [0; WORD_LIMBS];
    let mut borrow = false;
    for i in 0..WORD_LIMBS {
        let (once, first) = value[i].overflowing_sub(Fr::MODULUS.0[i]);
        let (twice, second) = once.overflowing_sub(u64::from(borrow));
        rest[i] = twice;
        borrow = first || second;
    }
    if signed_bits(&rest) < signed_bits(&value) {
        rest
    } else {
        value
    }
}

/// The least `b` with the value in `-2^(b-1) .. 2^(b-1)`; zero for zero.
fn signed_bits(value: &Word) -> u32 {
    if *value == [0; WORD_LIMBS] {
        return 0;
    }
    let sign = if value[WORD_LIMBS - 1] >> 63 == 1 { u64::MAX } else { 0 };
    let top = (0..WORD_LIMBS).rev().find(|&i| value[i] != sign);
    top.map_or(1, |i| 64 * i as u32 + 65 - (value[i] ^ sign).leading_zeros())
}

/// The passes of a batch on an engine of that configuration, in the order in which they are to run.
pub(crate) fn plan(items: &[Shape], config: &Config) -> Vec<Job> {
    let mut narrow: Vec<_> = (0..items.len())
        .filter(|&i| (1..=NARROW_BITS).contains(&items[i].bits))
        .collect();
    narrow.sort_by_key(|&i| (items[i].bits, items[i].len));
    let wide = (0..items.len()).filter(|&i| items[i].bits > NARROW_BITS);
    let mut jobs: Vec<_> = wide
        .flat_map(|i| cheapest(items, config, |width| split(items, i, width, config)))
        .collect();
    jobs.extend(cheapest(items, config, |width| share(items, &narrow, width, config)));
    choose_planes(items, &mut jobs);
    jobs
}

/// Nothing runs under the last pass's chain of doublings: where that saves time, the host does them.
fn choose_planes(items: &[Shape], jobs: &mut [Job]) {
    let with_host = |jobs: &[Job]| {
        let mut bits = vec![0; items.len()];
        let mut steps = 0;
        for weight in jobs.iter().flat_map(Job::weights) {
            bits[weight.item] = weight.bit.max(bits[weight.item]);
            steps += 1;
        }
        expected_cycles(items, jobs) + HOST_STEP * (steps + bits.into_iter().map(u64::from).sum::<u64>())
    };
    let without = with_host(jobs);
    set_planes(jobs, true);
    if with_host(jobs) >= without {
        set_planes(jobs, false);
    }
}

fn set_planes(jobs: &mut [Job], planes: bool) {
    if let Some(last) = jobs.last_mut() {
        last.pass.planes = planes;
    }
}

fn expected_cycles(items: &[Shape], jobs: &[Job]) -> u64 {
    let loads = jobs.iter().map(|job| Load::expected(&job.pass, job.digits(items)));
    cycles(&loads.collect::<Vec<_>>(), Memory::default())
}

/// The window width whose passes take the fewest cycles.
fn cheapest(items: &[Shape], config: &Config, make: impl Fn(u32) -> Option<Vec<Job>>) -> Vec<Job> {
    let cost = |jobs: &Vec<Job>| expected_cycles(items, jobs);
    let all = (MIN_WIDTH..=config.max_width).filter_map(make);
    all.min_by_key(cost).unwrap_or_default()
}

/// All windows of one item, in as few passes of nearly the same size as the buckets allow.
fn split(items: &[Shape], item: usize, width: u32, config: &Config) -> Option<Vec<Job>> {
    let windows = windows_for(items[item].bits, width);
    if windows > FIELDS {
        return None;
    }
    let passes = windows.div_ceil(config.windows_per_pass(width));
    let job = |i: u32| {
        let first_window = windows * i / passes;
        let lane = Lane {
            item,
            first_window,
            windows: windows * (i + 1) / passes - first_window,
        };
        let pass = Pass {
            width,
            log_fields_per_base: FIELDS.ilog2(),
            bases_per_word: 1,
            first_field: first_window,
            windows: lane.windows,
            words: items[item].len as u32,
            first_base: 0,
            lane_tops: [0; WORD_LIMBS],
            planes: false,
        };
        Job {
            pass,
            lanes: vec![lane],
            wide: true,
        }
    };
    Some((0..passes).map(job).collect())
}

/// Items side by side in a word, in the order given, as many as fit.
fn share(items: &[Shape], order: &[usize], width: u32, config: &Config) -> Option<Vec<Job>> {
    let most = config.windows_per_pass(width).min(WORD_BITS / width);
    let mut jobs = Vec::new();
    let mut lanes: Vec<Lane> = Vec::new();
    let mut used = 0;
    for &item in order {
        let windows = windows_for(items[item].bits, width);
        if windows > most {
            return None;
        }
        if used + windows > most {
            jobs.push(side_by_side(items, std::mem::take(&mut lanes), width));
            used = 0;
        }
        used += windows;
        lanes.push(Lane {
            item,
            first_window: 0,
            windows,
        });
    }
    if !lanes.is_empty() {
        jobs.push(side_by_side(items, lanes, width));
    }
    Some(jobs)
}

fn side_by_side(items: &[Shape], lanes: Vec<Lane>, width: u32) -> Job {
    let windows: u32 = lanes.iter().map(|lane| lane.windows).sum();
    let per_base = windows.next_power_of_two();
    let bases_per_word = (FIELDS / per_base).min(WORD_BITS / (per_base * width)).max(1);
    let bases = lanes.iter().map(|lane| items[lane.item].len).max().unwrap_or(0) as u32;
    let mut lane_tops = [0; WORD_LIMBS];
    for base in 0..bases_per_word {
        let mut end = base * per_base;
        for lane in &lanes {
            end += lane.windows;
            let top = (end * width - 1) as usize;
            lane_tops[top / 64] |= 1 << (top % 64);
        }
    }
    let pass = Pass {
        width,
        log_fields_per_base: per_base.ilog2(),
        bases_per_word,
        first_field: 0,
        windows,
        words: bases.div_ceil(bases_per_word),
        first_base: 0,
        lane_tops,
        planes: false,
    };
    Job {
        pass,
        lanes,
        wide: false,
    }
}

impl Job {
    /// Digits that are probably not zero.
    pub(crate) fn digits(&self, items: &[Shape]) -> u64 {
        let of = |lane: &Lane| items[lane.item].nonzero as u64 * u64::from(lane.windows);
        self.lanes.iter().map(of).sum()
    }

    /// What the pass's sums are worth, in their order.
    pub(super) fn weights(&self) -> impl Iterator<Item = Weight> {
        let of_lane = |lane: &Lane| {
            let (item, width) = (lane.item, self.pass.width);
            let windows = lane.first_window..lane.first_window + lane.windows;
            windows.map(move |window| Weight {
                item,
                bit: window * width,
            })
        };
        let windows: Vec<_> = self.lanes.iter().flat_map(of_lane).collect();
        self.pass.sums().map(move |(window, bit)| Weight {
            bit: windows[window as usize].bit + bit,
            ..windows[window as usize]
        })
    }

    /// The packet to send: the header and the packed scalars.
    pub(super) fn words(&self, items: &[Item]) -> Vec<u64> {
        let pass = &self.pass;
        let mut words: Vec<Word> = pass.header().into();
        if self.wide {
            words.extend(self.lanes.iter().flat_map(|lane| &items[lane.item].values));
            return words.concat();
        }
        let headers = words.len();
        words.resize(headers + pass.words as usize, [0; WORD_LIMBS]);
        let mut field = 0;
        for lane in &self.lanes {
            for (i, value) in items[lane.item].values.iter().enumerate() {
                let (word, place) = (i / pass.bases_per_word as usize, i as u32 % pass.bases_per_word);
                let at = ((place << pass.log_fields_per_base) + field) * pass.width;
                put(&mut words[headers + word], value, at, lane.windows * pass.width);
            }
            field += lane.windows;
        }
        words.concat()
    }
}

/// Writes the low `count` bits of `value` into `word` from bit `at` on, where it is zero.
fn put(word: &mut Word, value: &Word, at: u32, count: u32) {
    for (i, &limb) in value.iter().enumerate() {
        let left = count.saturating_sub(64 * i as u32);
        let limb = if left >= 64 { limb } else { limb & ((1 << left) - 1) };
        let bit = at as usize + 64 * i;
        if limb == 0 || bit >= WORD_BITS as usize {
            continue;
        }
        word[bit / 64] |= limb << (bit % 64);
        if !bit.is_multiple_of(64) && bit / 64 + 1 < WORD_LIMBS {
            word[bit / 64 + 1] |= limb >> (64 - bit % 64);
        }
    }
}

#[cfg(test)]
mod tests;
