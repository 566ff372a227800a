//! Sums of bases with the same digits.

use rayon::prelude::*;

use super::dealt::{Dealt, Range};
use super::digits::Integers;
use super::engine::{Engine, RESULT};
use super::queue::{Of, Piece};
use super::sums::{SPLIT, Summer};
use super::tables::place;
use super::weighted::Set;
use super::windows::Windows;

/// How many scalars one task recodes.
pub(super) const CHUNK: usize = 1 << 12;

/// How many sums of one part one task adds to those of another.
const JOINED: usize = 1 << 11;

/// A set with no more digits than this for each bucket is filled range by range of its buckets: to deal so many costs as much as
/// the addition that joins a bucket's two parts.
const DEALT: usize = 12;

/// The digits of an item's scalars, and where the bases that they multiply are.
pub(super) struct Digits {
    windows: Windows,
    /// Those of each chunk of scalars behind each other, window after window.
    digits: Vec<u32>,
    /// How many bases there are: so far are a base's rotations apart, which are taken for the digits' units, and its multiples, which
    /// are taken for the windows of a set.
    bases: usize,
}

/// Some sets of an item's buckets, and a part of the digits that fill them.
struct Task<'a, P> {
    digits: &'a Digits,
    sets: std::ops::Range<usize>,
    part: usize,
    /// The sums of the buckets, set after set.
    out: &'a mut [P],
}

impl Digits {
    /// Recodes integers.
    pub(super) fn new(engine: impl Engine, windows: Windows, integers: &Integers, bases: usize) -> Self {
        let mut digits = vec![0; integers.len() * windows.count];
        let chunks = digits.par_chunks_mut(CHUNK * windows.count);
        match integers {
            Integers::Wide(integers) => chunks
                .zip(integers.par_chunks(CHUNK))
                .for_each(|(digits, integers)| engine.digits(windows, integers, digits)),
            Integers::Narrow(integers) => chunks
                .zip(integers.par_chunks(CHUNK))
                .for_each(|(digits, integers)| engine.narrow_digits(windows, integers, digits)),
        }
        Digits { windows, digits, bases }
    }

    /// How many windows share their buckets.
    fn in_set(&self) -> usize {
        if self.windows.shared { self.windows.count } else { 1 }
    }

    pub(super) fn sets(&self) -> usize {
        self.windows.count / self.in_set()
    }

    /// How many buckets some sets have.
    fn buckets(&self, sets: std::ops::Range<usize>) -> usize {
        sets.map(|set| self.windows.grid(set).size).sum()
    }

    /// The sets in runs of about the same length: as few as have about `most` buckets each at most, and a multiple of `multiple`.
    fn runs(&self, most: usize, multiple: usize) -> Vec<std::ops::Range<usize>> {
        let sets = self.sets();
        let count = self.buckets(0..sets).div_ceil(most);
        let count = count.next_multiple_of(multiple).min(sets);
        (0..count)
            .map(|run| sets * run / count..sets * (run + 1) / count)
            .collect()
    }

    /// A part of a set's digits; `zero` is the first bucket of the set.
    fn part(&self, set: usize, zero: usize, part: usize, parts: usize) -> impl Iterator<Item = Piece<'_>> {
        let (per_chunk, in_set) = (CHUNK * self.windows.count, self.in_set());
        let pieces = self.digits.len().div_ceil(per_chunk) * in_set;
        (pieces * part / parts..pieces * (part + 1) / parts).map(move |piece| {
            let (chunk, level) = (piece / in_set, piece % in_set);
            let digits = &self.digits[chunk * per_chunk..];
            let digits = &digits[..digits.len().min(per_chunk)];
            let len = digits.len() / self.windows.count;
            Piece {
                digits: &digits[(set * in_set + level) * len..][..len],
                zero,
                bases: Of::From(place(level) * self.bases + chunk * CHUNK),
                stride: self.bases,
            }
        })
    }
}

/// The sums of the bases that have the same digits, and the sets that they make. A set's first sum, that of the digit zero, is
/// the identity.
pub(super) fn buckets<E: Engine>(
    summer: &Summer<E>,
    bases: &[E::Point],
    items: &[Digits],
) -> (Vec<E::Point>, Vec<Set>) {
    let mut sets = Vec::new();
    let mut count = 0;
    for item in items {
        for set in 0..item.sets() {
            let grid = item.windows.grid(set);
            sets.push(Set {
                buckets: count..count + grid.size,
                columns: grid.columns,
            });
            count += grid.size;
        }
    }
    // All threads end together if each has as many runs; where there are many it makes no difference.
    let threads = rayon::current_num_threads();
    let multiple = if items.len() < 4 * threads { threads } else { 1 };
    let runs: Vec<(&Digits, std::ops::Range<usize>)> = items
        .iter()
        .flat_map(|item| {
            let runs = item.runs(summer.portions.buckets, multiple);
            runs.into_iter().map(move |run| (item, run))
        })
        .collect();
    let digits: usize = items.iter().map(|item| item.digits.len()).sum();
    if let [(item, set)] = &runs[..]
        && set.len() == 1
        && let Some(sums) = dealt(summer, bases, item, count)
    {
        return (sums, sets);
    }
    let parts = parts(runs.len(), digits, count);
    let mut out = vec![E::INFINITY; parts * count];
    let mut tasks = Vec::with_capacity(parts * runs.len());
    let mut rest = out.as_mut_slice();
    for part in 0..parts {
        for (digits, sets) in &runs {
            let (own, others) = std::mem::take(&mut rest).split_at_mut(digits.buckets(sets.clone()));
            rest = others;
            tasks.push(Task {
                digits,
                sets: sets.clone(),
                part,
                out: own,
            });
        }
    }
    let run = |task: Task<'_, E::Point>| {
        let mut before = 0;
        let pieces = task.sets.flat_map(|set| {
            let zero = before;
            before += task.digits.windows.grid(set).size;
            task.digits.part(set, zero, task.part, parts)
        });
        fill(summer, bases, pieces, task.out);
    };
    if digits <= SPLIT {
        tasks.into_iter().for_each(run);
    } else {
        tasks.into_par_iter().with_max_len(1).for_each(run);
    }
    join(summer, &mut out, count);
    (out, sets)
}

/// Sums the bases of some digits into all buckets of a task.
fn fill<'a, E: Engine>(
    summer: &Summer<E>,
    bases: &[E::Point],
    pieces: impl Iterator<Item = Piece<'a>>,
    out: &mut [E::Point],
) {
    let mut workspace = summer.take();
    let (queue, scratch, engine) = (&mut workspace.queue, &mut workspace.scratch, summer.engine);
    queue.start(out.len(), summer.portions.queue);
    for piece in pieces {
        queue.fill(engine, scratch, bases, piece);
    }
    queue.finish(engine, scratch, bases, out);
    summer.give(workspace);
}

/// The sums of an item's only set, by ranges of its buckets on all threads; `None` where there is one thread, or parts of the
/// digits are better summed and joined.
fn dealt<E: Engine>(summer: &Summer<E>, bases: &[E::Point], item: &Digits, count: usize) -> Option<Vec<E::Point>> {
    let (threads, digits) = (rayon::current_num_threads(), item.digits.len());
    if threads == 1 || digits <= 2 * CHUNK || digits > DEALT * count {
        return None;
    }
    let ranges = count.div_ceil(summer.portions.buckets).next_multiple_of(threads);
    let pieces: Vec<Piece<'_>> = item.part(0, 0, 0, 1).collect();
    let dealt = Dealt::new(&pieces, count, ranges.min(digits / CHUNK))?;
    let mut out = vec![E::INFINITY; count];
    let mut tasks = Vec::with_capacity(ranges);
    let mut rest = out.as_mut_slice();
    for range in dealt.ranges() {
        let (own, others) = std::mem::take(&mut rest).split_at_mut(range.buckets.len());
        rest = others;
        tasks.push((range, own));
    }
    let run = |(range, out): (Range<'_>, &mut [E::Point])| fill(summer, bases, range.pieces(), out);
    tasks.into_par_iter().with_max_len(1).for_each(run);
    Some(out)
}

/// In how many parts digits are summed: in one where there are tasks enough for all threads, or few digits for each bucket.
fn parts(tasks: usize, digits: usize, buckets: usize) -> usize {
    let threads = rayon::current_num_threads();
    if tasks >= 4 * threads || tasks.is_multiple_of(threads) || digits <= SPLIT {
        return 1;
    }
    threads.min(digits / (2 * buckets).max(CHUNK)).max(1)
}

/// Adds to the first `count` sums, each at its place, those that follow in as many lists of the same length, which go.
fn join<E: Engine>(summer: &Summer<E>, sums: &mut Vec<E::Point>, count: usize) {
    if sums.len() == count {
        return;
    }
    let references: Vec<u32> = (0..JOINED as u32).collect();
    let (first, others) = sums.split_at_mut(count);
    for other in others.chunks_exact(count) {
        let chunks = first.par_chunks_mut(JOINED).zip(other.par_chunks(JOINED));
        chunks.for_each(|(sums, other)| {
            let mut workspace = summer.take();
            let to = &references[..sums.len()];
            let own: Vec<u32> = to.iter().map(|place| place | RESULT).collect();
            summer
                .engine
                .add_among(&mut workspace.scratch, other, sums, &own, to, to);
            summer.give(workspace);
        });
    }
    sums.truncate(count);
}

#[cfg(test)]
mod tests {
    use ark_ec::CurveGroup;
    use rand_chacha::rand_core::{RngCore, SeedableRng};

    use super::super::engine::Portable;
    use super::super::scalar::Plain;
    use super::super::sums::Portions;
    use super::super::windows::{BUCKET, SIGN};
    use super::*;
    use crate::G1Projective;
    use crate::sample::Bases;

    /// The sum of each bucket, by the digits of one scalar after the other.
    fn expected(windows: Windows, lists: &[Vec<u64>], points: &[crate::G1Affine]) -> Vec<G1Projective> {
        let mut out = Vec::new();
        for scalars in lists {
            let sets = if windows.shared { 1 } else { windows.count };
            let starts: Vec<usize> = (0..sets)
                .map(|set| {
                    out.resize(out.len() + windows.grid(set).size, G1Projective::default());
                    out.len() - windows.grid(set).size
                })
                .collect();
            for (i, &scalar) in scalars.iter().enumerate() {
                let mut digits = vec![0; windows.count];
                super::super::digits::narrow_digits(windows, &[scalar], &mut digits);
                for (window, digit) in digits.into_iter().enumerate().filter(|(_, digit)| digit & BUCKET != 0) {
                    let (set, level) = if windows.shared { (0, window) } else { (window, 0) };
                    let point = points[place(level) * scalars.len() + i];
                    let bucket = &mut out[starts[set] + (digit & BUCKET) as usize];
                    *bucket += if digit & SIGN == 0 { point } else { -point };
                }
            }
        }
        out
    }

    fn check<E: Engine>(engine: E, windows: Windows, lists: &[Vec<u64>], points: &[crate::G1Affine]) {
        let bases: Vec<E::Point> = points.iter().map(|point| engine.import(point)).collect();
        let items: Vec<Digits> = lists
            .iter()
            .map(|scalars| Digits::new(engine, windows, &Integers::Narrow(scalars.clone()), scalars.len()))
            .collect();
        let expected = G1Projective::normalize_batch(&expected(windows, lists, points));
        for portions in [Portions::LARGE, Portions::SMALL] {
            for threads in 1..4 {
                let summer = Summer::new(engine, portions);
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
                let run = || buckets(&summer, &bases, &items);
                let (sums, sets) = pool.map_or_else(|_| run(), |pool| pool.install(run));
                assert_eq!(sets.last().map_or(0, |set| set.buckets.end), sums.len());
                let sums: Vec<crate::G1Affine> = sums.iter().map(|sum| engine.export(sum)).collect();
                assert!(
                    sums == expected,
                    "{windows:?}, {} scalars on {threads} threads",
                    lists[0].len()
                );
            }
        }
    }

    /// Many buckets and few, a single one among them, which every sum goes back to; all at once, and in parts on several threads.
    #[test]
    fn every_base_is_in_its_bucket_once() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        for len in [1, 33, CHUNK - 1, 5 * CHUNK + 2, 5 * CHUNK + 3] {
            for (width, bits, shared) in [
                (1, 0, false),
                (1, 1, false),
                (3, 3, false),
                (8, 8, false),
                (5, 15, false),
                (12, 12, false),
                (8, 16, true),
            ] {
                let windows = Windows::signed(width, bits, shared);
                let lists: Vec<Vec<u64>> = (0..1 + len % 2)
                    .map(|_| (0..len).map(|_| rng.next_u64() >> (64 - bits.max(1))).collect())
                    .collect();
                let levels = if shared { place(windows.count) } else { 1 };
                // Few different points: equal and opposite ones meet, and sums that are the identity go on.
                let few = Bases::random(len.min(60), &mut rng).points;
                let points: Vec<crate::G1Affine> = (0..levels * len).map(|i| few[i * i % few.len()]).collect();
                check(Portable(Plain), windows, &lists, &points);
                #[cfg(target_arch = "x86_64")]
                if let Some(simd) = super::super::ifma::Simd::detect() {
                    check(simd, windows, &lists, &points);
                }
            }
        }
    }
}
