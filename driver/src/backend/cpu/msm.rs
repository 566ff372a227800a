//! Multi-scalar multiplication: Pippenger's algorithm with signed digits over a whole batch at once.
//!
//! Each scalar is cut into digits ([`super::windows`]). For each item of the batch and each window of its digits, bases are put into
//! the bucket of their digit but for its unit, times which the base is taken: its negative, and with Eisenstein digits its
//! products by a cube root of unity, which are resident. Buckets are summed by batched affine additions ([`super::queue`]), and so are the bucket
//! sums of all items weighted with their digits ([`super::weighted`]). Where multiples `2^(k D)` of the bases are resident
//! ([`super::tables`]), digits of all windows go to the same buckets, which leaves fewer to weigh. Scalars that are zero, one or
//! minus one are not cut at all ([`super::units`]).

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use ark_ff::AdditiveGroup;
use rayon::prelude::*;

use super::super::check_lengths;
use super::super::reference::host_run;
use super::buckets::{Digits, buckets};
use super::digits::{Extent, Integers, MAX_BITS, fits};
use super::engine::{Engine, RESULT, ROOT};
use super::pages;
use super::sums::Summer;
use super::tables::{ROTATIONS, Tables, rotations};
use super::units::Units;
use super::weighted::{Weighted, weighted};
use super::windows::{Kind, Windows};
use crate::{Error, G1Affine, G1Projective, Msm, Result, Run, Scalars, Width};

/// How many bases, or scalars of an item, one task converts.
const CHUNK: usize = 1 << 12;

/// Resident bases.
pub(super) struct CpuMsm<E: Engine> {
    /// Shared with other lists of bases, which a proof uses in turn: what one leaves in its caches serves the next.
    summer: Arc<Summer<E>>,
    /// How many bases there are.
    len: usize,
    /// The bases, with their rotations where there is memory for them.
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

/// What is to be computed of an item.
enum Item {
    /// The sum of these bases, or their negatives: all scalars are zero, one or minus one.
    Units(Units),
    /// The sum of the bases times these integers, by buckets. Each window has its multiples of the bases where they share
    /// their buckets.
    Buckets { integers: Integers, windows: Windows },
}

/// What is kept of the multiples of resident bases: those by cube roots of unity, with which scalars of full size take fewer
/// digits, and those by `2^(k D)` besides, with which MSMs have fewer buckets to weigh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multiples {
    /// The memory that one list of bases may take with its multiples, 64 bytes a point: three points a base for those by roots of
    /// unity, one more for each of some sixteen powers of two. Zero for none.
    pub bytes: usize,
    /// Whether the multiples by powers of two are computed with the bases, which takes as long as some fifty MSMs, or else once
    /// the MSMs that were computed without them would have paid for it. Those by roots of unity always are.
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
    pub(super) fn new(summer: Arc<Summer<E>>, bases: &[G1Affine], multiples: Multiples) -> Self {
        let (engine, len) = (summer.engine, bases.len());
        let room = |lists: usize| {
            let points = lists.saturating_mul(len);
            points < RESULT as usize && points.saturating_mul(size_of::<E::Point>()) <= multiples.bytes
        };
        let mut points = pages::with_capacity(len);
        bases
            .par_iter()
            .with_min_len(CHUNK)
            .map(|base| engine.import(base))
            .collect_into_vec(&mut points);
        if room(ROTATIONS) {
            points = rotations(engine, &points);
        }
        let shape = Windows::choose_signed(len, MAX_BITS, true);
        let shape = room(Tables::<E>::lists(shape)).then_some(shape);
        let tables = shape
            .filter(|_| multiples.at_once)
            .map(|shape| Tables::new(engine, &points, shape));
        CpuMsm {
            summer,
            shape,
            len,
            bases: points,
            making: AtomicBool::new(tables.is_some()),
            tables: tables.map_or_else(OnceLock::new, OnceLock::from),
            forgone: AtomicUsize::new(0),
        }
    }

    /// The windows of an item.
    fn plan(&self, integers: &Integers, bits: u32) -> Windows {
        let n = integers.len();
        let plain = Windows::choose_signed(n, bits, false);
        // There is no need of Eisenstein integers where scalars are narrow.
        let wide = matches!(integers, Integers::Wide(_)) && self.bases.len() > self.len;
        let rotated = wide.then(|| Windows::choose_eisenstein(n));
        let plain = rotated
            .filter(|rotated| rotated.cost(n) < plain.cost(n))
            .unwrap_or(plain);
        let Some(shape) = self.shape else { return plain };
        let shared = Windows::signed(shape.width, bits, true);
        if shared.cost(n) >= plain.cost(n) {
            return plain;
        }
        if self.tables.get().is_none() {
            let saved = plain.cost(n) - shared.cost(n);
            let forgone = self.forgone.fetch_add(saved, Ordering::Relaxed).saturating_add(saved);
            let due = forgone >= Tables::<E>::cost(shape, self.len);
            // Others go on without while one makes them: it may well be waiting for their threads.
            if !due || self.making.swap(true, Ordering::Relaxed) {
                return plain;
            }
            let made = self.tables.set(Tables::new(self.summer.engine, &self.bases, shape));
            debug_assert!(made.is_ok());
        }
        shared
    }

    /// Recodes an item's scalars and checks that they fit their hint.
    fn item(&self, at: usize, scalars: &Scalars<'_>) -> Result<Item> {
        scalars.width.check()?;
        if let Some((units, extent)) = Units::read(self.summer.engine, scalars.values)
            && extent.fits(scalars.width)
        {
            return Ok(Item::Units(units));
        }
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
        let windows = self.plan(&integers, extent.bits());
        Ok(Item::Buckets { integers, windows })
    }

    /// The sums of all items, wave by wave.
    fn sums(&self, batch: &[Scalars<'_>]) -> Result<Vec<G1Projective>> {
        let mut out = Vec::with_capacity(batch.len());
        let mut rest = batch;
        while !rest.is_empty() {
            // At least one item, then those that come with it to no more than a wave.
            let mut scalars = 0;
            let fits = |item: &&Scalars<'_>| {
                scalars += item.values.len();
                scalars <= self.summer.portions.wave
            };
            let (wave, later) = rest.split_at(rest.iter().take_while(fits).count().max(1));
            let first = batch.len() - rest.len();
            let items = wave.par_iter().enumerate().map(|(i, item)| self.item(first + i, item));
            out.extend(self.wave(&items.collect::<Result<Vec<_>>>()?));
            rest = later;
        }
        Ok(out)
    }

    /// The sums of a few items.
    fn wave(&self, items: &[Item]) -> Vec<G1Projective> {
        let cut: Vec<(Windows, &Integers)> = items
            .iter()
            .filter_map(|item| match item {
                Item::Units(_) => None,
                Item::Buckets { integers, windows } => Some((*windows, integers)),
            })
            .collect();
        let digits = |&(windows, integers): &_| Digits::new(self.summer.engine, windows, integers, self.len);
        let digits: Vec<Digits> = cut.par_iter().map(digits).collect();
        let (sums, sets) = buckets(&self.summer, self.points(), &digits);
        let parts = weighted(&self.summer, &sums, &sets);
        let mut sets = parts.as_slice();
        let of_items: Vec<&[Weighted<E::Point>]> = digits
            .iter()
            .map(|digits| sets.split_off(..digits.sets()).unwrap_or_default())
            .collect();
        let combine = |((windows, _), sets): (&(Windows, _), _)| self.combine(*windows, sets);
        let weighed: Vec<G1Projective> = cut.par_iter().zip(of_items).map(combine).collect();
        let of_units = |item: &Item| match item {
            Item::Units(units) => Some(units.sum(&self.summer, self.points())),
            Item::Buckets { .. } => None,
        };
        let of_units: Vec<Option<G1Projective>> = items.par_iter().map(of_units).collect();
        let mut weighed = weighed.into_iter();
        of_units
            .into_iter()
            .filter_map(|sum| sum.or_else(|| weighed.next()))
            .collect()
    }

    /// The bases, with their multiples if there are any, behind each other.
    fn points(&self) -> &[E::Point] {
        self.tables.get().map_or(&self.bases, |tables| &tables.points)
    }

    /// `sum_j 2^(c j) (columns_j + rows_j rho)` over the weighted sums of an item's sets of buckets, by Horner's rule, where
    /// `rho` is what a row of the buckets stands for.
    fn combine(&self, windows: Windows, sets: &[Weighted<E::Point>]) -> G1Projective {
        let (mut sum, last) = (G1Projective::ZERO, sets.len().saturating_sub(1));
        let engine = self.summer.engine;
        for (window, set) in sets.iter().enumerate().rev() {
            // Places of signed digits' rows follow those of their columns.
            let shift = match windows.kind {
                Kind::Signed => set.columns.len(),
                Kind::Eisenstein => 0,
            };
            // Sets but the last have no more parts than bits.
            let places = if window < last {
                windows.width as usize
            } else {
                set.columns.len().max(shift + set.rows.len())
            };
            for place in (0..places).rev() {
                sum.double_in_place();
                if let Some(part) = set.columns.get(place) {
                    sum += engine.export(part);
                }
                if let Some(part) = place.checked_sub(shift).and_then(|place| set.rows.get(place)) {
                    let part = engine.export(part);
                    sum += match windows.kind {
                        Kind::Signed => part,
                        Kind::Eisenstein => rho(part),
                    };
                }
            }
        }
        sum
    }
}

/// Whether scalars of that width are of one byte at most.
fn is_byte(width: Width) -> bool {
    matches!(width, Width::Bits(bits) | Width::Signed(bits) if bits <= 8)
}

/// `-w^2` times a point.
fn rho(mut point: G1Affine) -> G1Affine {
    point.x *= ROOT * ROOT;
    -point
}

impl<E: Engine> Msm for CpuMsm<E> {
    fn len(&self) -> usize {
        self.len
    }

    fn run(&self, batch: &[Scalars<'_>]) -> Result<Run<Vec<G1Projective>>> {
        let start = Instant::now();
        check_lengths(self, batch)?;
        let out = match batch {
            // No part of it would be parallel, and a thread of the pool takes 15 us to wake.
            [item] if item.values.len() <= CHUNK && is_byte(item.width) => self.sums(batch),
            // On a thread of the pool from here on: one that is not would wait to be woken after each parallel part.
            _ => rayon::scope(|_| self.sums(batch)),
        }?;
        self.summer.release();
        Ok(host_run(out, start.elapsed()))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic)]

    use super::super::engine::Portable;
    use super::super::scalar::Plain;
    use super::super::sums::Portions;
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
            Ok(Box::new(CpuMsm::new(
                Arc::new(Summer::new(self.0, Portions::LARGE)),
                bases,
                multiples,
            )))
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
        let summer = Arc::new(Summer::new(Portable(Plain), Portions::LARGE));
        let none = Multiples {
            bytes: 0,
            at_once: true,
        };
        let (poor, rich) = (
            CpuMsm::new(summer.clone(), &bases.points, none),
            CpuMsm::new(summer, &bases.points, Multiples::default()),
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
