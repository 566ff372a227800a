//! Multi-scalar multiplication: Pippenger's algorithm with signed digits over a whole batch at once.
//!
//! Each scalar is cut into digits of `c` bits. For each item of the batch and each window of its digits, bases are put into
//! the bucket of their digit's magnitude; all buckets of all items are summed together by batched affine additions
//! ([`super::sums`]), and so are the bucket sums weighted with their magnitudes. Where multiples `2^(k D)` of the bases are
//! resident, digits at bit `k D + b` of a scalar go to the buckets of window `b`, which leaves fewer buckets to weigh.

use std::time::Instant;

use ark_ff::AdditiveGroup;
use rayon::prelude::*;

use super::super::check_lengths;
use super::super::reference::host_run;
use super::digits::{Extent, Integer, SIGN, Windows, extent_of};
use super::engine::{Engine, NEGATED};
use super::sums::{Groups, Summer, weighted};
use crate::{Error, G1Affine, G1Projective, Msm, Result, Run, Scalars};

/// How many scalars of an item one task recodes.
const CHUNK: usize = 1 << 12;

/// Items are taken together until their scalars are more than this.
const WAVE: usize = 1 << 18;

/// Resident bases.
pub(super) struct CpuMsm<E: Engine> {
    summer: Summer<E>,
    bases: Vec<E::Point>,
}

/// An item's integers, and how it is computed.
struct Item {
    integers: Vec<Integer>,
    bits: u32,
    windows: Windows,
}

impl<E: Engine> CpuMsm<E> {
    pub(super) fn new(engine: E, bases: &[G1Affine]) -> Self {
        let bases = bases
            .par_iter()
            .with_min_len(CHUNK)
            .map(|base| engine.import(base))
            .collect();
        CpuMsm {
            summer: Summer::new(engine),
            bases,
        }
    }

    /// Recodes an item's scalars and checks that they fit their hint.
    fn item(&self, at: usize, scalars: &Scalars<'_>) -> Result<Item> {
        scalars.width.check()?;
        let mut integers = vec![[0; 4]; scalars.values.len()];
        let chunks = integers.par_chunks_mut(CHUNK).zip(scalars.values.par_chunks(CHUNK));
        let extent = chunks
            .map(|(out, values)| self.summer.engine.integers(values, out))
            .reduce(Extent::default, Extent::join);
        if !extent.fits(scalars.width) {
            let index = integers
                .iter()
                .position(|&integer| !extent_of(integer).fits(scalars.width))
                .unwrap_or(0);
            return Err(Error::Width {
                item: at,
                index,
                width: scalars.width,
            });
        }
        let bits = extent.bits();
        Ok(Item {
            windows: choose(integers.len(), bits),
            integers,
            bits,
        })
    }

    /// The sums of a few items.
    fn wave(&self, items: &[Item]) -> Vec<G1Projective> {
        let per_item: Vec<(Groups, Vec<usize>)> = items.par_iter().map(|item| sort(self.summer.engine, item)).collect();
        let mut groups = Groups::new();
        let mut sets = Vec::new();
        let mut of_item = Vec::with_capacity(items.len());
        for (sorted, sizes) in per_item {
            let (group, reference) = (groups.offsets.len() - 1, groups.references.len());
            groups.references.extend(sorted.references);
            groups.offsets.extend(sorted.offsets[1..].iter().map(|o| o + reference));
            let mut start = group;
            of_item.push(sets.len()..sets.len() + sizes.len());
            for size in sizes {
                sets.push(start..start + size);
                start += size;
            }
        }
        let buckets = self.summer.sums(&self.bases, &mut groups);
        let parts = weighted(&self.summer, &buckets, &sets);
        let combine = |(item, sets): (&Item, std::ops::Range<usize>)| self.combine(item.windows, &parts[sets]);
        items.par_iter().zip(of_item).map(combine).collect()
    }

    /// `sum_j 2^(c j) sum_k 2^k parts[j][k]`, by Horner's rule.
    fn combine(&self, windows: Windows, parts: &[Vec<E::Point>]) -> G1Projective {
        let mut sum = G1Projective::ZERO;
        for (window, parts) in parts.iter().enumerate().rev() {
            // Windows but the last have no more parts than bits.
            let places = if window + 1 < windows.count {
                windows.width as usize
            } else {
                parts.len()
            };
            for place in (0..places).rev() {
                sum.double_in_place();
                if let Some(part) = parts.get(place) {
                    sum += self.summer.engine.export(part);
                }
            }
        }
        sum
    }
}

impl<E: Engine> Msm for CpuMsm<E> {
    fn len(&self) -> usize {
        self.bases.len()
    }

    fn run(&self, batch: &[Scalars<'_>]) -> Result<Run<Vec<G1Projective>>> {
        let start = Instant::now();
        check_lengths(self, batch)?;
        let mut out = Vec::with_capacity(batch.len());
        let mut rest = batch;
        while !rest.is_empty() {
            // At least one item, then those that come with it to no more than a wave.
            let mut scalars = 0;
            let fits = |item: &&Scalars<'_>| {
                scalars += item.values.len();
                scalars <= WAVE
            };
            let (wave, later) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            let first = batch.len() - rest.len();
            let items = wave.par_iter().enumerate().map(|(i, item)| self.item(first + i, item));
            out.extend(self.wave(&items.collect::<Result<Vec<_>>>()?));
            rest = later;
        }
        Ok(host_run(out, start.elapsed()))
    }
}

/// Puts an item's references into the groups of their digits. Returns with them each set's number of groups; a set's first
/// group, for the digit zero, stays empty.
fn sort(engine: impl Engine, item: &Item) -> (Groups, Vec<usize>) {
    let n = item.integers.len();
    let mut digits = vec![0; n * item.windows.count];
    engine.digits(item.windows, &item.integers, &mut digits);
    let mut groups = Groups::new();
    groups.references.resize(digits.len(), 0);
    let mut sizes = Vec::with_capacity(item.windows.count);
    let mut cursors = Vec::new();
    let mut end = 0;
    for (window, digits) in digits.chunks_exact(n.max(1)).enumerate() {
        let size = item.windows.largest(window, item.bits) + 1;
        cursors.clear();
        cursors.resize(size, 0);
        for digit in digits {
            cursors[(digit & !SIGN) as usize] += 1;
        }
        groups.offsets.push(end);
        for cursor in &mut cursors[1..] {
            (*cursor, end) = (end, end + *cursor);
            groups.offsets.push(end);
        }
        for (i, digit) in digits.iter().enumerate() {
            let magnitude = (digit & !SIGN) as usize;
            if magnitude > 0 {
                let cursor = &mut cursors[magnitude];
                groups.references[*cursor] = i as u32 | if digit & SIGN == 0 { 0 } else { NEGATED };
                *cursor += 1;
            }
        }
        sizes.push(size);
    }
    groups.references.truncate(end);
    (groups, sizes)
}

/// The windows that make the fewest additions, for `n` integers of magnitude at most `2^bits`.
fn choose(n: usize, bits: u32) -> Windows {
    let cost = |windows: &Windows| {
        let buckets: usize = (0..windows.count).map(|j| windows.largest(j, bits)).sum();
        windows.count * n + 2 * buckets
    };
    let candidates = (1..=16u32.min(bits.max(1))).map(|width| Windows::new(width, bits));
    candidates.min_by_key(cost).unwrap_or(Windows { width: 1, count: 1 })
}
