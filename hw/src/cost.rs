//! What passes cost on the MSM engine: additions, and cycles when the host does not keep it waiting.
//!
//! The performance counters of the simulated card are held to these figures by `sim/tests/counters.rs` and `sim/tests/model.rs`.

use std::collections::VecDeque;

use crate::msm::{ADD_LATENCY, CONFIG, Pass, WORD_LIMBS, recode};

/// Cycles from a point's arrival, through the adder, to the arrival of the sum: the queue and the bucket's pipeline included.
const TRIP: u64 = ADD_LATENCY as u64 + 5;
/// Cycles between two steps of the reduction besides the trip of their sums.
const STEP: u64 = 8;
/// Slots that the reduction looks at together (`rtl/msm/touched_map.sv`).
const GROUP: u64 = 16;
/// Groups in a word of the map.
const WORD_GROUPS: u64 = 32;
/// Cycles from a pass's header to its first arrival at a bucket, when the base is there.
const START: u64 = 8;
/// Cycles of a read within the engine.
const READ: u64 = 4;
/// Words of the stream per sum, one a cycle.
const SUM: u64 = crate::msm::SUM_WORDS as u64;

/// The memory that holds the bases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Cycles from a read's address to its data.
    pub latency: u32,
    /// Cycles between two reads that it takes: 1 is 64 bytes per cycle.
    pub interval: u32,
}

impl Default for Memory {
    /// 64 bytes per cycle, a latency of 100 cycles.
    fn default() -> Self {
        Self {
            latency: 100,
            interval: 1,
        }
    }
}

impl Memory {
    /// Cycles in which it gives that many bases: as many reads are under way as the engine has room for.
    fn read_cycles(self, bases: u64) -> u64 {
        let round = u64::from(self.latency) + READ;
        (bases * u64::from(self.interval)).max(bases * round / u64::from(CONFIG.base_fifo))
    }
}

/// What a pass brings into the engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Load {
    /// Words of the stream.
    words: u64,
    /// Bases that have a digit.
    bases: u64,
    /// Non-zero digits.
    pub digits: u64,
    /// Buckets that at least one of them falls into.
    pub buckets: u64,
    /// Additions of the reduction.
    pub reduction: u64,
    steps: Vec<Step>,
    /// Points that the pass gives.
    sums: u64,
    /// Cycles from the last digit until the buckets have settled; the first walk over them runs meanwhile.
    rest: u64,
}

/// A step of the reduction: slots that are looked at, and arrivals of what was found. The first step is the walk over
/// the buckets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Step {
    visits: u64,
    arrivals: u64,
    /// Round trips until its sums have settled.
    trips: u64,
}

/// Halves of a bucket index of `k` bits, `(high, low)`.
fn halves(k: u32, planes: bool) -> (u32, u32) {
    let low = (k + u32::from(!planes)) / 2;
    (k - low, low)
}

/// Round trips from the last of many points that arrive at one slot, so many cycles apart, until they are one.
fn tail(points: u64, spacing: u64) -> u64 {
    let trips = |n: u64| u64::from(n.next_power_of_two().ilog2());
    if points * spacing <= TRIP {
        trips(points)
    } else {
        1 + trips(TRIP.div_ceil(spacing))
    }
}

/// Counts additions: all points that arrive at a slot but one become one with another.
fn merged(arrivals: &[u64]) -> u64 {
    arrivals.iter().map(|n| n.saturating_sub(1)).sum()
}

impl Load {
    /// What the engine makes of these words.
    #[must_use]
    pub fn of(pass: &Pass, words: &[[u64; WORD_LIMBS]]) -> Self {
        let (k, windows) = (pass.width - 1, pass.windows as usize);
        let mut filled = vec![vec![false; 1 << k]; windows];
        let (mut digits, mut bases) = (0, 0);
        let mut last = VecDeque::new();
        for word in words {
            let mut last_base = None;
            let fields = recode(word, &pass.lane_tops, pass.width);
            let used = (pass.bases_per_word << pass.log_fields_per_base) as usize;
            for (f, digit) in fields
                .into_iter()
                .enumerate()
                .take(used)
                .filter(|&(_, digit)| digit != 0)
            {
                let place = f % (1 << pass.log_fields_per_base);
                if let Some(window) = place.checked_sub(pass.first_field as usize).filter(|&w| w < windows) {
                    digits += 1;
                    bases += u64::from(
                        last_base.replace(f >> pass.log_fields_per_base) != Some(f >> pass.log_fields_per_base),
                    );
                    // the largest magnitude shares the index of zero
                    let index = digit.unsigned_abs() as usize % (1 << k);
                    filled[window][index] = true;
                    last.push_back((window, index));
                    if last.len() as u64 > TRIP {
                        last.pop_front();
                    }
                }
            }
        }
        let of_one = |slot| last.iter().filter(|&other| other == slot).count() as u64;
        let most = last.iter().map(of_one).max().unwrap_or(1);
        Self {
            rest: tail(most, 1) * TRIP,
            ..Self::reduced(pass, digits, bases, &filled)
        }
    }

    /// What the engine is to expect of that many uniformly distributed digits.
    #[must_use]
    pub fn expected(pass: &Pass, digits: u64) -> Self {
        let (windows, buckets) = (pass.windows as usize, 1usize << (pass.width - 1));
        let each = digits as f64 / windows as f64 / buckets as f64;
        let filled = (buckets as f64 * (1.0 - (-each).exp())).ceil() as usize;
        // spread over the whole range, so that rows and columns fill as they would
        let one: Vec<_> = (0..buckets)
            .map(|i| i * filled / buckets != (i + 1) * filled / buckets)
            .collect();
        let bases = u64::from(pass.words * pass.bases_per_word).min(digits);
        Self::reduced(pass, digits, bases, &vec![one; windows])
    }

    fn reduced(pass: &Pass, digits: u64, bases: u64, filled: &[Vec<bool>]) -> Self {
        let (high, low) = halves(pass.width - 1, pass.planes);
        let rounds = if pass.planes { 0 } else { rounds(high, low) };
        let mut steps = vec![Step::default(); 2 + rounds];
        let mut reduction = 0;
        for window in filled {
            reduction += window_steps(window, high, low, &mut steps);
        }
        let buckets = filled.iter().flatten().filter(|&&full| full).count() as u64;
        let stride = pass.windows.next_power_of_two();
        let indices = 1usize << (pass.width - 1);
        let group = (GROUP as usize / stride.min(GROUP as u32) as usize).clamp(1, indices);
        // more windows than a group has slots are in groups of their own
        let visits = filled.chunks(GROUP as usize).map(|windows| {
            let touched = (0..indices)
                .step_by(group)
                .filter(|&from| windows.iter().any(|window| window[from..from + group].contains(&true)));
            let slots = if stride < GROUP as u32 {
                GROUP
            } else {
                windows.len() as u64
            };
            touched.count() as u64 * slots
        });
        steps[0].visits = visits.sum();
        let words = |groups: u64| 2 * groups.div_ceil(WORD_GROUPS);
        // the map is read twice: the second time for sums that came late
        let map = 2 * words(u64::from(stride) * indices as u64 / GROUP);
        steps[0].visits = steps[0].visits.max(steps[0].arrivals) + map;
        // a bucket goes to a row and a column, a line to half of its planes on the average
        let spacing = 2 * u64::from(pass.windows);
        steps[0].trips *= tail(1 << low, spacing).max(tail(1 << high, spacing << low));
        steps[1].trips *= tail(1 << (high.max(low) - 1), spacing);
        // the lines of a group of windows are looked at together, where any has a point
        for windows in filled.chunks(GROUP as usize) {
            let full = |index: usize| windows.iter().any(|window| window[index]);
            let rows = (1..1usize << high).filter(|row| (0..1 << low).any(|column| full(row << low | column)));
            let columns = (1..1usize << low).filter(|column| (0..1 << high).any(|row| full(row << low | column)));
            let touched = rows.count() + columns.count();
            steps[1].visits += (touched * windows.len()) as u64;
        }
        steps[1].visits += words(256);
        Self {
            words: pass.words.into(),
            bases,
            digits,
            buckets,
            reduction,
            steps,
            sums: pass.sums().count() as u64,
            rest: 0,
        }
    }

    /// Additions into buckets.
    #[must_use]
    pub fn accumulation(&self) -> u64 {
        self.digits - self.buckets
    }

    /// The work of the pass: a digit that is the first of its bucket is stored, and takes its turn all the same.
    #[must_use]
    pub fn work(&self) -> u64 {
        self.digits + self.reduction
    }

    fn arrivals(&self) -> u64 {
        self.steps.iter().map(|step| step.arrivals).sum()
    }

    /// Cycles until the buckets are free again, and until the last sum is out.
    fn reduction_cycles(&self) -> (u64, u64) {
        let walk = self.rest.max(self.steps[0].visits).max(self.steps[0].arrivals);
        // within the scratch bank, visits and arrivals take turns at one port
        let within = |step: &Step| step.visits + step.arrivals;
        let trips = |step: &Step| if step.arrivals == 0 { 0 } else { step.trips };
        let waiting: u64 = self.steps.iter().map(|step| trips(step) * TRIP + STEP).sum();
        (
            walk,
            walk + self.steps[1..].iter().map(within).sum::<u64>() + waiting + STEP + SUM * self.sums,
        )
    }
}

/// Rounds of doublings and joins of `rtl/msm/reduce_rounds.sv`.
fn rounds(high: u32, low: u32) -> usize {
    (2 * (high - 1) + low + 1) as usize
}

/// Adds the steps of one window's reduction; the result is its additions.
fn window_steps(filled: &[bool], high: u32, low: u32, steps: &mut [Step]) -> u64 {
    let (mut rows, mut columns) = (vec![0; 1 << high], vec![0; 1 << low]);
    // planes as points that have arrived: low ones, then high ones
    let (mut low_planes, mut high_planes) = (vec![0u64; low as usize], vec![0u64; high as usize]);
    for index in (0..filled.len()).filter(|&index| filled[index]) {
        let (row, column) = (index >> low, index % (1 << low));
        if row != 0 {
            rows[row] += 1;
        }
        if column != 0 {
            columns[column] += 1;
        }
        if index == 0 {
            high_planes[high as usize - 1] += 2;
        }
    }
    steps[0].arrivals += (rows.iter().chain(&columns).chain(&high_planes)).sum::<u64>();
    let mut additions = merged(&rows) + merged(&columns);
    steps[0].trips |= u64::from(additions != 0);
    for (lines, planes) in [(&rows, &mut high_planes), (&columns, &mut low_planes)] {
        for line in (0..lines.len()).filter(|&line| lines[line] != 0) {
            steps[1].arrivals += u64::from(line.count_ones());
            (0..planes.len())
                .filter(|bit| line >> bit & 1 == 1)
                .for_each(|bit| planes[bit] += 1);
        }
    }
    let joins = merged(&low_planes) + merged(&high_planes);
    steps[1].trips |= u64::from(joins != 0);
    additions += joins;
    let mut low_planes: Vec<_> = low_planes.into_iter().map(|n| n != 0).collect();
    let mut high_planes: Vec<_> = high_planes.into_iter().map(|n| n != 0).collect();
    let high_steps = 2 * (high as usize - 1);
    for (t, step) in steps[2..].iter_mut().enumerate() {
        step.trips = 1;
        let mut walk = |planes: &mut Vec<bool>, doubles: bool, from: usize| {
            step.visits += 1;
            if planes[from] && doubles {
                step.arrivals += 2;
                additions += 1;
            } else if planes[from] {
                step.arrivals += 1;
                additions += u64::from(planes[from - 1]);
                planes[from - 1] = true;
                planes[from] = false;
            }
        };
        if t < 2 * (low as usize - 1) {
            walk(&mut low_planes, t % 2 == 0, low as usize - 1 - t / 2);
        }
        if t < high_steps {
            walk(&mut high_planes, t % 2 == 0, high as usize - 1 - t / 2);
        } else if t < high_steps + low as usize {
            walk(&mut high_planes, true, 0);
        } else {
            // the high side joins the low side's lowest plane
            let mut both = vec![low_planes[0], high_planes[0]];
            walk(&mut both, false, 1);
        }
    }
    additions
}

/// The cycles that the engine takes for a sequence of passes. The digits of a pass are absorbed under the reduction
/// of the pass before it; what remains at the end is the last one's.
#[must_use]
pub fn cycles(loads: &[Load], memory: Memory) -> u64 {
    let (mut issued, mut absorbed, mut reduced, mut moves) = (0u64, 0u64, 0u64, 0);
    let mut freed = [0; 2];
    for (i, load) in loads.iter().enumerate() {
        let wait = if load.bases == 0 { 0 } else { u64::from(memory.latency) };
        let start = (freed[i % 2].max(issued) + START + wait).max(absorbed);
        // the arrivals of the reduction before it take their turns first
        let alone = load.digits.max(load.words).max(memory.read_cycles(load.bases));
        let shared = reduced.saturating_sub(start);
        absorbed = start + alone + moves.min(shared).min(alone + moves);
        // the digit unit runs ahead of the bases
        issued = absorbed - load.digits.min(CONFIG.digit_fifo.into());
        let begin = absorbed.max(reduced);
        let (walk, all) = load.reduction_cycles();
        freed[i % 2] = begin + walk;
        reduced = begin + all;
        moves = load.arrivals();
    }
    reduced
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pass(width: u32) -> Pass {
        Pass {
            width,
            log_fields_per_base: 5,
            bases_per_word: 1,
            first_field: 0,
            windows: 1,
            words: 1,
            first_base: 0,
            lane_tops: [0; 4],
            planes: false,
        }
    }

    #[test]
    fn a_single_digit_needs_its_doublings_only() {
        // magnitude 2^3 of width 6: five bits of index, row 1 of two bits, column 0 of three
        let load = Load::of(&pass(6), &[[8, 0, 0, 0]]);
        assert_eq!(
            (load.digits, load.buckets, load.accumulation(), load.reduction),
            (1, 1, 0, 3)
        );
        // the largest magnitude, 2^5, arrives twice at the higher of two high planes; four doublings follow
        let load = Load::of(&pass(6), &[[-32i64 as u64, u64::MAX, u64::MAX, u64::MAX]]);
        assert_eq!((load.digits, load.reduction), (1, 5));
        assert_eq!(Load::of(&pass(6), &[[0; 4]]).work(), 0);
    }

    #[test]
    fn expected_loads_are_those_of_many_digits() {
        let load = Load::expected(&pass(8), 100_000);
        assert_eq!((load.buckets, load.accumulation()), (128, 100_000 - 128));
        assert_eq!(Load::expected(&pass(8), 0).buckets, 0);
        assert_eq!(Load::expected(&pass(4), 1_000).buckets, 8);
    }
}
