//! Puts references to bases into the groups of their digits.

use rayon::prelude::*;

use super::digits::Integers;
use super::engine::{Engine, NEGATED};
use super::sums::{Groups, Set};
use super::tables::place;
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

    /// The references of each bucket, and the sets that the buckets make. A set's first group, that of the digit zero, has one
    /// reference, which stands for nothing.
    pub(super) fn sort(&self) -> (Groups, Vec<Set>) {
        let (mut groups, mut sets) = (Groups::new(), Vec::new());
        if self.digits.is_empty() {
            return (groups, sets);
        }
        let count = self.windows.count / self.in_set();
        let mut cursors: Vec<Vec<u32>> = (0..count).into_par_iter().map(|set| self.count(set)).collect();
        let mut lens = Vec::with_capacity(count);
        for (set, cursors) in cursors.iter_mut().enumerate() {
            let (first, start) = (groups.offsets.len() - 1, groups.offsets[groups.offsets.len() - 1]);
            let mut end = start;
            cursors[0] = 1;
            for cursor in cursors {
                let len = std::mem::replace(cursor, (end - start) as u32) as usize;
                end += len;
                groups.offsets.push(end);
            }
            lens.push(end - start);
            sets.push(Set {
                buckets: first..groups.offsets.len() - 1,
                columns: self.windows.grid(set).columns,
            });
        }
        groups.references = vec![0; lens.iter().sum()];
        let mut rest = groups.references.as_mut_slice();
        let parts = lens.iter().map(|&len| rest.split_off_mut(..len).unwrap_or_default());
        let parts: Vec<&mut [u32]> = parts.collect();
        let tasks = cursors.into_par_iter().zip(parts).enumerate();
        tasks.for_each(|(set, (cursors, references))| self.fill(set, cursors, references));
        (groups, sets)
    }

    /// How many windows share their buckets.
    fn in_set(&self) -> usize {
        if self.windows.shared { self.windows.count } else { 1 }
    }

    /// A set's digits, chunk by chunk, each with the place of its first base among the bases and their multiples.
    fn of_set(&self, set: usize) -> impl Iterator<Item = (usize, &[u32])> {
        let chunks = self.digits.chunks(CHUNK * self.windows.count).enumerate();
        chunks.flat_map(move |(chunk, digits)| {
            let len = digits.len() / self.windows.count;
            let windows = digits[set * self.in_set() * len..].chunks_exact(len);
            let windows = windows.take(self.in_set()).enumerate();
            windows.map(move |(level, digits)| (place(level) * self.bases + chunk * CHUNK, digits))
        })
    }

    /// How many digits go to each bucket of a set.
    fn count(&self, set: usize) -> Vec<u32> {
        let mut counts = vec![0u32; self.windows.grid(set).size];
        for (_, digits) in self.of_set(set) {
            for digit in digits {
                counts[(digit & BUCKET) as usize] += 1;
            }
        }
        counts
    }

    /// Writes the references of a set; `cursors` say where those of each bucket begin.
    fn fill(&self, set: usize, mut cursors: Vec<u32>, references: &mut [u32]) {
        for (first, digits) in self.of_set(set) {
            for (digit, base) in digits.iter().zip(first as u32..) {
                let bucket = digit & BUCKET;
                let cursor = &mut cursors[bucket as usize];
                let reference = base + ((digit & !SIGN) >> UNIT) * self.bases as u32;
                // The sign of a digit is at the same place as that of a reference.
                references[*cursor as usize] = reference | (digit & SIGN);
                // Those of zero overwrite each other: whether a digit is zero is not for a processor to foresee.
                *cursor += u32::from(bucket != 0);
            }
        }
    }
}

const _: () = assert!(SIGN == NEGATED);
