//! Multi-scalar multiplication: Pippenger's algorithm with signed digits over a whole batch at once.
//!
//! Each scalar is cut into digits of `c` bits. For each item of the batch and each window of its digits, bases are put into
//! the bucket of their digit's magnitude; all buckets of all items are summed together by batched affine additions
//! ([`super::sums`]), and so are the bucket sums weighted with their magnitudes. Where multiples `2^(k D)` of the bases are
//! resident, digits at bit `k D + b` of a scalar go to the buckets of window `b`, which leaves fewer buckets to weigh.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use ark_ff::AdditiveGroup;
use rayon::prelude::*;

use super::super::check_lengths;
use super::super::reference::host_run;
use super::digits::{Extent, Integers, MAX_BITS, SIGN, Windows, fits};
use super::engine::{Engine, NEGATED, RESULT};
use super::pages;
use super::sums::{Groups, Summer, weighted};
use super::tables::Tables;
use crate::{Error, G1Affine, G1Projective, Msm, Result, Run, Scalars};

/// How many scalars of an item one task recodes.
const CHUNK: usize = 1 << 12;

/// Items are taken together until their scalars are more than this: enough for long batches of additions, few enough that
/// digits and buckets of a batch of small items stay within a few MiB.
const WAVE: usize = 1 << 13;

/// Resident bases.
pub(super) struct CpuMsm<E: Engine> {
    summer: Summer<E>,
    bases: Vec<E::Point>,
    tables: OnceLock<Tables<E>>,
    /// The shape of the tables that would be made; `None` where they would take too much memory.
    shape: Option<Windows>,
    /// The additions that tables would have saved so far. Once they would have paid for themselves, they are made: bases
    /// that serve a few proofs only never pay for more.
    forgone: AtomicUsize,
    /// Whether someone is making the tables, or has.
    making: AtomicBool,
}

/// An item's integers, and how it is computed.
struct Item {
    integers: Integers,
    bits: u32,
    windows: Windows,
    /// Whether all windows share their buckets, and each has its multiples of the bases.
    tabled: bool,
}

/// What is kept of the multiples `2^(k D)` of resident bases, with which MSMs have fewer buckets to weigh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multiples {
    /// The memory that those of one list of bases may take, 64 bytes a point; zero for none.
    pub bytes: usize,
    /// Whether they are computed with the bases, which takes as long as some fifty MSMs, or else once the MSMs that were computed
    /// without them would have paid for it.
    pub at_once: bool,
}

impl Default for Multiples {
    fn default() -> Self {
        Multiples {
            bytes: 512 << 20,
            at_once: false,
        }
    }
}

impl<E: Engine> CpuMsm<E> {
    /// Makes `bases` resident.
    pub(super) fn new(engine: E, bases: &[G1Affine], multiples: Multiples) -> Self {
        let (points, mut bases) = (bases, pages::with_capacity(bases.len()));
        points
            .par_iter()
            .with_min_len(CHUNK)
            .map(|base| engine.import(base))
            .collect_into_vec(&mut bases);
        let shape = choose(bases.len(), MAX_BITS, tabled_cost);
        let bytes = shape.count * bases.len() * size_of::<E::Point>();
        let shape = (bytes <= multiples.bytes && shape.count * bases.len() < RESULT as usize).then_some(shape);
        let tables = shape
            .filter(|_| multiples.at_once)
            .map(|shape| Tables::new(engine, &bases, shape));
        CpuMsm {
            summer: Summer::new(engine),
            shape,
            bases,
            making: AtomicBool::new(tables.is_some()),
            tables: tables.map_or_else(OnceLock::new, OnceLock::from),
            forgone: AtomicUsize::new(0),
        }
    }

    /// The windows of an item and whether they use the tables.
    fn plan(&self, n: usize, bits: u32) -> (Windows, bool) {
        let plain = choose(n, bits, plain_cost);
        let Some(shape) = self.shape else { return (plain, false) };
        let tabled = Windows::new(shape.width, bits);
        let saved = plain_cost(n, bits, plain).saturating_sub(tabled_cost(n, bits, tabled));
        if saved == 0 {
            return (plain, false);
        }
        if self.tables.get().is_none() {
            let forgone = self.forgone.fetch_add(saved, Ordering::Relaxed).saturating_add(saved);
            let due = forgone >= Tables::<E>::cost(shape, self.bases.len());
            // Others go on without while one makes them: it may well be waiting for their threads.
            if !due || self.making.swap(true, Ordering::Relaxed) {
                return (plain, false);
            }
            let made = self.tables.set(Tables::new(self.summer.engine, &self.bases, shape));
            debug_assert!(made.is_ok());
        }
        (tabled, true)
    }

    /// Recodes an item's scalars and checks that they fit their hint.
    fn item(&self, at: usize, scalars: &Scalars<'_>) -> Result<Item> {
        scalars.width.check()?;
        let (engine, values) = (self.summer.engine, scalars.values.par_chunks(CHUNK));
        let mut integers = Integers::zero(scalars.width, scalars.values.len());
        let extent = match &mut integers {
            Integers::Wide(out) => {
                let chunks = out.par_chunks_mut(CHUNK).zip(values);
                let extents = chunks.map(|(out, values)| engine.integers(values, out));
                extents.reduce(Extent::default, Extent::join)
            }
            Integers::Narrow(out) => {
                let chunks = out.par_chunks_mut(CHUNK).zip(values);
                let extents = chunks.map(|(out, values)| engine.narrow(values, out));
                extents.reduce(Extent::default, Extent::join)
            }
        };
        if !extent.fits(scalars.width) {
            let misfit = scalars.values.iter().position(|value| !fits(value, scalars.width));
            return Err(Error::Width {
                item: at,
                index: misfit.unwrap_or(0),
                width: scalars.width,
            });
        }
        let bits = extent.bits();
        let (windows, tabled) = self.plan(integers.len(), bits);
        Ok(Item {
            windows,
            tabled,
            integers,
            bits,
        })
    }

    /// The sums of a few items.
    fn wave(&self, items: &[Item]) -> Vec<G1Projective> {
        let per_item: Vec<(Groups, Vec<usize>)> = items.par_iter().map(|item| self.sort(item)).collect();
        let mut groups = Groups::new();
        let mut sets = Vec::new();
        let mut of_item = Vec::with_capacity(items.len());
        for (sorted, sizes) in per_item {
            let mut start = groups.offsets.len() - 1;
            groups.append(sorted);
            of_item.push(sets.len()..sets.len() + sizes.len());
            for size in sizes {
                sets.push(start..start + size);
                start += size;
            }
        }
        let buckets = self.summer.sums(self.points(), &mut groups);
        let parts = weighted(&self.summer, &buckets, &sets);
        let combine = |(item, sets): (&Item, std::ops::Range<usize>)| self.combine(item.windows, &parts[sets]);
        items.par_iter().zip(of_item).map(combine).collect()
    }

    /// The bases, with their multiples if there are any: multiple `k` of base `i` at `k * len + i`.
    fn points(&self) -> &[E::Point] {
        self.tables.get().map_or(&self.bases, |tables| &tables.points)
    }

    /// Puts an item's references into the groups of their digits. Returns with them each set's number of groups; a set's
    /// first group, for the digit zero, stays empty.
    fn sort(&self, item: &Item) -> (Groups, Vec<usize>) {
        let (n, windows) = (item.integers.len(), item.windows);
        let mut digits = vec![0; n * windows.count];
        match &item.integers {
            Integers::Wide(integers) => self.summer.engine.digits(windows, integers, &mut digits),
            Integers::Narrow(integers) => self.summer.engine.narrow_digits(windows, integers, &mut digits),
        }
        let in_set = if item.tabled { windows.count } else { 1 };
        let sets = digits.par_chunks(n.max(1) * in_set).enumerate().map(|(set, digits)| {
            let largest = (set * in_set..(set + 1) * in_set)
                .map(|window| windows.largest(window, item.bits))
                .max();
            sort_set(digits, n, self.bases.len(), largest.unwrap_or(0) + 1)
        });
        let mut groups = Groups::new();
        let mut sizes = Vec::with_capacity(windows.count);
        for set in sets.collect::<Vec<Groups>>() {
            sizes.push(set.offsets.len() - 1);
            groups.append(set);
        }
        (groups, sizes)
    }

    /// `sum_j 2^(c j) sum_k 2^k parts[j][k]` over an item's sets of buckets, by Horner's rule.
    fn combine(&self, windows: Windows, parts: &[Vec<E::Point>]) -> G1Projective {
        let (mut sum, last) = (G1Projective::ZERO, parts.len().saturating_sub(1));
        for (window, parts) in parts.iter().enumerate().rev() {
            // Sets but the last have no more parts than bits.
            let places = if window < last {
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
        self.summer.release();
        Ok(host_run(out, start.elapsed()))
    }
}

/// Sorts the digits of one set of buckets, `n` of each of its windows, into `size` groups.
fn sort_set(digits: &[u32], n: usize, stride: usize, size: usize) -> Groups {
    let mut cursors = vec![0u32; size];
    for digit in digits {
        cursors[(digit & !SIGN) as usize] += 1;
    }
    // Digits of zero go to the end, to be cut off: whether a digit is zero is not for a processor to foresee.
    let mut groups = Groups::new();
    groups.offsets.reserve(size);
    let mut end = 0;
    groups.offsets.push(end as usize);
    for cursor in &mut cursors[1..] {
        (*cursor, end) = (end, end + *cursor);
        groups.offsets.push(end as usize);
    }
    cursors[0] = end;
    groups.references = vec![0; digits.len()];
    for (level, digits) in digits.chunks_exact(n).enumerate() {
        for (digit, reference) in digits.iter().zip((level * stride) as u32..) {
            let cursor = &mut cursors[(digit & !SIGN) as usize];
            // The sign of a digit is at the same place as that of a reference.
            groups.references[*cursor as usize] = reference | (digit & SIGN);
            *cursor += 1;
        }
    }
    groups.references.truncate(end as usize);
    groups
}

const _: () = assert!(SIGN == NEGATED);

/// How many additions `n` integers of magnitude at most `2^bits` take, each window with buckets of its own.
fn plain_cost(n: usize, bits: u32, windows: Windows) -> usize {
    let buckets: usize = (0..windows.count).map(|j| windows.largest(j, bits)).sum();
    windows.count * n + 3 * buckets
}

/// As [`plain_cost`], with one set of buckets for all windows.
fn tabled_cost(n: usize, bits: u32, windows: Windows) -> usize {
    let buckets = (0..windows.count).map(|j| windows.largest(j, bits)).max().unwrap_or(0);
    windows.count * n + 3 * buckets
}

/// The windows of the least cost, for `n` integers of magnitude at most `2^bits`.
fn choose(n: usize, bits: u32, cost: fn(usize, u32, Windows) -> usize) -> Windows {
    let candidates = (1..=18u32.min(bits.max(1))).map(|width| Windows::new(width, bits));
    candidates
        .min_by_key(|&windows| cost(n, bits, windows))
        .unwrap_or(Windows { width: 1, count: 1 })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use super::super::engine::Portable;
    use super::super::scalar::Plain;
    use super::*;
    use crate::conformance::{Scope, check_within};
    use crate::{Backend, Info, Ntt, backend};

    /// A backend that has the multiples of every base from the first MSM on.
    struct Tabled<E>(E);

    impl<E: Engine + 'static> Backend for Tabled<E> {
        fn info(&self) -> Info {
            Info {
                name: "tabled",
                device: String::new(),
                clock_hz: None,
                memory_bytes: None,
            }
        }

        fn prepare_msm(&self, bases: &[G1Affine]) -> Result<Box<dyn Msm>> {
            let multiples = Multiples {
                at_once: true,
                ..Multiples::default()
            };
            Ok(Box::new(CpuMsm::new(self.0, bases, multiples)))
        }

        fn prepare_ntt(&self, log_n: u32) -> Result<Box<dyn Ntt>> {
            backend::open("arkworks")?.prepare_ntt(log_n)
        }
    }

    #[test]
    fn multiples_of_the_bases_change_nothing() {
        let scope = Scope {
            max_len: 1024,
            max_log_n: 1,
        };
        check_within(&Tabled(Portable(Plain)), scope).unwrap_or_else(|failure| panic!("{failure}"));
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = super::super::ifma::Simd::detect() {
            check_within(&Tabled(simd), scope).unwrap_or_else(|failure| panic!("{failure}"));
        }
    }

    #[test]
    fn tables_are_made_once_they_would_have_paid() {
        use rand_chacha::rand_core::SeedableRng;
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(4);
        let bases = crate::sample::Bases::random(64, &mut rng);
        let values = crate::sample::fields(64, &mut rng);
        let batch = [Scalars {
            values: &values,
            width: crate::Width::Full,
        }];
        let (poor, rich) = (
            CpuMsm::new(
                Portable(Plain),
                &bases.points,
                Multiples {
                    bytes: 0,
                    at_once: true,
                },
            ),
            CpuMsm::new(Portable(Plain), &bases.points, Multiples::default()),
        );
        let mut runs = 0;
        while rich.tables.get().is_none() && runs < 1000 {
            for msm in [&poor, &rich] {
                assert!(msm.run(&batch).is_ok_and(|run| run.out == [bases.msm(&values)]));
            }
            runs += 1;
        }
        assert!((2..1000).contains(&runs) && poor.tables.get().is_none());
    }
}
