//! Sums of bases whose scalars are zero, one and minus one: there is nothing to cut into digits, and one bucket.

use ark_ff::AdditiveGroup;
use rayon::prelude::*;

use super::digits::Extent;
use super::engine::Engine;
use super::sums::{SPLIT, Summer};
use crate::{Fr, G1Projective};

/// How many scalars one task reads.
const CHUNK: usize = 1 << 12;

/// References to the bases that a sum is of, chunk by chunk of the scalars.
pub(super) struct Units(Vec<Vec<u32>>);

impl Units {
    /// Reads scalars, and tells how large they are; `None` where one of them is none of the three.
    pub(super) fn read(engine: impl Engine, values: &[Fr]) -> Option<(Units, Extent)> {
        let chunks = values.par_chunks(CHUNK).enumerate();
        let read = |(at, values): (usize, &[Fr])| {
            let mut references = vec![0; values.len() + 8];
            let (len, extent) = engine.units(values, (at * CHUNK) as u32, &mut references)?;
            references.truncate(len);
            Some((references, extent))
        };
        let chunks: Option<Vec<_>> = chunks.map(read).collect();
        let (references, extents): (_, Vec<Extent>) = chunks?.into_iter().unzip();
        Some((
            Units(references),
            extents.into_iter().fold(Extent::default(), Extent::join),
        ))
    }

    /// The sum, in parts on all threads.
    pub(super) fn sum<E: Engine>(&self, summer: &Summer<E>, bases: &[E::Point]) -> G1Projective {
        let count: usize = self.0.iter().map(Vec::len).sum();
        let parts = if count <= SPLIT {
            1
        } else {
            rayon::current_num_threads()
        };
        let sum = |lists: &[Vec<u32>]| {
            let mut workspace = summer.take();
            let (queue, scratch, engine) = (&mut workspace.queue, &mut workspace.scratch, summer.engine);
            queue.start(1, summer.portions.queue);
            for references in lists {
                queue.fill_first(engine, scratch, bases, references);
            }
            let mut sum = [E::INFINITY];
            queue.finish(engine, scratch, bases, &mut sum);
            summer.give(workspace);
            G1Projective::from(engine.export(&sum[0]))
        };
        let lists = self.0.par_chunks(self.0.len().div_ceil(parts).max(1));
        lists.map(sum).reduce(|| G1Projective::ZERO, |a, b| a + b)
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::Field;
    use rand_chacha::rand_core::{RngCore, SeedableRng};

    use super::super::engine::Portable;
    use super::super::scalar::Plain;
    use super::super::sums::Portions;
    use super::*;
    use crate::sample::Bases;

    fn check<E: Engine>(engine: E, bases: &Bases, values: &[Fr]) {
        let points: Vec<E::Point> = bases.points.iter().map(|point| engine.import(point)).collect();
        for (portions, threads) in [(Portions::LARGE, 1), (Portions::LARGE, 3), (Portions::SMALL, 2)] {
            let summer = Summer::new(engine, portions);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            let run = || Units::read(engine, values).map(|(units, _)| units.sum(&summer, &points));
            let sum = pool.map_or_else(|_| run(), |pool| pool.install(run));
            assert!(sum == Some(bases.msm(values)), "{} on {threads} threads", values.len());
        }
    }

    #[test]
    fn sums_of_any_number_of_units_are_right() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(10);
        for len in [0, 1, 2, 17, CHUNK, 2 * CHUNK + 9] {
            let bases = Bases::random(len, &mut rng);
            for units in [[Fr::ZERO; 3], [Fr::ONE; 3], [Fr::ZERO, Fr::ONE, -Fr::ONE]] {
                let values: Vec<Fr> = (0..len).map(|_| units[rng.next_u32() as usize % 3]).collect();
                check(Portable(Plain), &bases, &values);
                #[cfg(target_arch = "x86_64")]
                if let Some(simd) = super::super::ifma::Simd::detect() {
                    check(simd, &bases, &values);
                }
            }
        }
    }

    #[test]
    fn one_other_scalar_is_enough_for_buckets() {
        let mut values = vec![Fr::ONE; 3 * CHUNK];
        values[2 * CHUNK + 1] += Fr::ONE;
        assert!(Units::read(Portable(Plain), &values).is_none());
    }
}
