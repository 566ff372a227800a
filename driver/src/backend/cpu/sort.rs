//! Puts references to bases into the groups of their digits.

use std::hint::select_unpredictable;
use std::sync::atomic::{AtomicU32, Ordering};

use rayon::prelude::*;

use super::digits::Integers;
use super::engine::{Engine, NEGATED};
use super::sums::Groups;
use super::tables::place;
use super::weighted::Set;
use super::windows::{BUCKET, SIGN, UNIT, Windows};

/// How many scalars one task recodes.
const CHUNK: usize = 1 << 12;

/// The digits of an item's scalars, and where the bases that they multiply are.
pub(super) struct Digits {
    windows: Windows,
    /// Those of each chunk of scalars behind each other, window after window.
    digits: Vec<u32>,
    /// How many bases there are: so far are a base's rotations apart, which are taken for the digits' units, and its multiples, which
    /// are taken for the windows of a set.
    bases: usize,
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

    /// The references of each bucket, and the sets that the buckets make. A set's first group, that of the digit zero, is empty.
    ///
    /// By counting: each part of a set's digits has places of its own in every group, those behind the ones of the parts before.
    pub(super) fn sort(&self) -> (Groups, Vec<Set>) {
        let (mut groups, mut sets) = (Groups::new(), Vec::new());
        if self.digits.is_empty() {
            return (groups, sets);
        }
        let parts = self.parts();
        let tasks: Vec<(usize, usize)> = (0..self.sets())
            .flat_map(|set| (0..parts).map(move |part| (set, part)))
            .collect();
        let count = |&(set, part)| self.count(set, part, parts);
        let mut cursors: Vec<Vec<u32>> = tasks.par_iter().map(count).collect();
        let mut starts = Vec::with_capacity(self.sets());
        let mut end = 0;
        for (set, cursors) in cursors.chunks_exact_mut(parts).enumerate() {
            let (first, start) = (groups.offsets.len() - 1, end);
            starts.push(start);
            groups.offsets.push(end);
            for bucket in 1..self.windows.grid(set).size {
                for cursors in &mut *cursors {
                    let len = std::mem::replace(&mut cursors[bucket], (end - start) as u32);
                    end += len as usize;
                }
                groups.offsets.push(end);
            }
            sets.push(Set {
                buckets: first..groups.offsets.len() - 1,
                columns: self.windows.grid(set).columns,
            });
        }
        groups.references = vec![0; end + tasks.len() * LINE];
        let references = shared(&mut groups.references);
        let places = tasks.par_iter().zip(cursors).enumerate();
        places.for_each(|(task, (&(set, part), mut cursors))| {
            let own = &references[starts[set]..];
            // Zeros overwrite each other behind all groups: whether a digit is zero is not for a processor to foresee.
            cursors[0] = (end - starts[set] + task * LINE) as u32;
            self.fill(set, part, parts, cursors, own);
        });
        groups.references.truncate(end);
        (groups, sets)
    }

    /// How many windows share their buckets.
    fn in_set(&self) -> usize {
        if self.windows.shared { self.windows.count } else { 1 }
    }

    fn sets(&self) -> usize {
        self.windows.count / self.in_set()
    }

    /// In how many parts a set is sorted: in one where there are sets enough for all threads or few digits for each bucket.
    fn parts(&self) -> usize {
        let threads = rayon::current_num_threads();
        let digits = self.digits.len() / self.sets();
        let buckets = (0..self.sets()).map(|set| self.windows.grid(set).size).max();
        let most = digits / CHUNK.max(2 * buckets.unwrap_or(1));
        if self.sets() >= 4 * threads {
            1
        } else {
            threads.min(most).max(1)
        }
    }

    /// A part of a set's digits, piece by piece, each with the place of its first base among the bases and their multiples.
    fn part(&self, set: usize, part: usize, parts: usize) -> impl Iterator<Item = (usize, &[u32])> {
        let (per_chunk, in_set) = (CHUNK * self.windows.count, self.in_set());
        let pieces = self.digits.len().div_ceil(per_chunk) * in_set;
        (pieces * part / parts..pieces * (part + 1) / parts).map(move |piece| {
            let (chunk, level) = (piece / in_set, piece % in_set);
            let digits = &self.digits[chunk * per_chunk..];
            let digits = &digits[..digits.len().min(per_chunk)];
            let len = digits.len() / self.windows.count;
            let first = place(level) * self.bases + chunk * CHUNK;
            (first, &digits[(set * in_set + level) * len..][..len])
        })
    }

    /// How many digits of a part go to each bucket of a set.
    fn count(&self, set: usize, part: usize, parts: usize) -> Vec<u32> {
        let mut counts = vec![0u32; self.windows.grid(set).size];
        for (_, digits) in self.part(set, part, parts) {
            if let [_, one] = counts.as_mut_slice() {
                *one += digits.iter().map(|digit| u32::from(digit & BUCKET != 0)).sum::<u32>();
                continue;
            }
            for digit in digits {
                counts[(digit & BUCKET) as usize] += 1;
            }
        }
        counts
    }

    /// Writes the references of a part; `cursors` say where in each group of the set its first one goes.
    fn fill(&self, set: usize, part: usize, parts: usize, mut cursors: Vec<u32>, references: &[AtomicU32]) {
        for (first, digits) in self.part(set, part, parts) {
            let digits = digits.iter().zip(first as u32..);
            let reference = |digit: u32, base: u32| {
                // The sign of a digit is at the same place as that of a reference.
                (base + ((digit & !SIGN) >> UNIT) * self.bases as u32) | (digit & SIGN)
            };
            // A single bucket's cursor stays in a register: in memory, each digit would wait for the one before.
            if let &mut [zero, ref mut one] = cursors.as_mut_slice() {
                let mut cursor = *one;
                for (&digit, base) in digits {
                    let some = digit & BUCKET != 0;
                    let at = select_unpredictable(some, cursor, zero);
                    references[at as usize].store(reference(digit, base), Ordering::Relaxed);
                    cursor += u32::from(some);
                }
                *one = cursor;
                continue;
            }
            for (&digit, base) in digits {
                let bucket = digit & BUCKET;
                let cursor = &mut cursors[bucket as usize];
                references[*cursor as usize].store(reference(digit, base), Ordering::Relaxed);
                *cursor += u32::from(bucket != 0);
            }
        }
    }
}

/// How many references are apart what several threads write over and over.
const LINE: usize = 16;

/// A list that several threads write to.
fn shared(list: &mut [u32]) -> &[AtomicU32] {
    // SAFETY: the two types are laid out alike, and the list is borrowed for as long as nobody may use it otherwise.
    unsafe { std::slice::from_raw_parts(list.as_mut_ptr().cast(), list.len()) }
}

const _: () = assert!(SIGN == NEGATED);

#[cfg(test)]
mod tests {
    use rand_chacha::rand_core::{RngCore, SeedableRng};

    use super::super::engine::Portable;
    use super::super::scalar::Plain;
    use super::*;

    /// Every group's references, put in order.
    fn groups(windows: Windows, scalars: &[u64], threads: usize) -> Vec<Vec<u32>> {
        let digits = Digits::new(
            Portable(Plain),
            windows,
            &Integers::Narrow(scalars.to_vec()),
            scalars.len(),
        );
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
        let (sorted, sets) = pool.map_or_else(|_| digits.sort(), |pool| pool.install(|| digits.sort()));
        assert_eq!(
            sets.iter().map(|set| set.buckets.len()).sum::<usize>(),
            sorted.offsets.len() - 1
        );
        let bounds = sorted.offsets.windows(2);
        let mut groups: Vec<Vec<u32>> = bounds.map(|w| sorted.references[w[0]..w[1]].to_vec()).collect();
        groups.iter_mut().for_each(|group| group.sort_unstable());
        groups
    }

    /// The same, scalar by scalar.
    fn expected(windows: Windows, scalars: &[u64]) -> Vec<Vec<u32>> {
        let sets = if windows.shared { 1 } else { windows.count };
        let mut groups: Vec<Vec<Vec<u32>>> = (0..sets).map(|set| vec![Vec::new(); windows.grid(set).size]).collect();
        for (i, &scalar) in scalars.iter().enumerate() {
            let mut digits = vec![0; windows.count];
            super::super::digits::narrow_digits(windows, &[scalar], &mut digits);
            for (window, digit) in digits.into_iter().enumerate().filter(|(_, digit)| digit & BUCKET != 0) {
                let (set, level) = if windows.shared { (0, window) } else { (window, 0) };
                let reference = (place(level) * scalars.len() + i) as u32 | (digit & SIGN);
                groups[set][(digit & BUCKET) as usize].push(reference);
            }
        }
        groups.iter_mut().flatten().for_each(|group| group.sort_unstable());
        groups.into_iter().flatten().collect()
    }

    #[test]
    fn every_reference_is_in_its_group_once() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        for len in [1, 33, CHUNK - 1, 2 * CHUNK, 5 * CHUNK + 3] {
            for (width, bits, shared) in [
                (1, 0, false),
                (1, 1, false),
                (8, 8, false),
                (5, 15, false),
                (8, 16, true),
            ] {
                let scalars: Vec<u64> = (0..len).map(|_| rng.next_u64() >> (64 - bits.max(1))).collect();
                let windows = Windows::signed(width, bits, shared);
                for threads in 1..4 {
                    let found = groups(windows, &scalars, threads);
                    assert!(
                        found == expected(windows, &scalars),
                        "{len} scalars on {threads} threads"
                    );
                }
            }
        }
    }
}
