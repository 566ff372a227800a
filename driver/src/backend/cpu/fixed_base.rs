//! Many multiples of one point: each is the sum of one entry of a table for every window of its scalar's signed digits
//! (E. F. Brickell et al., Fast Exponentiation with Precomputation, 1992), and all are summed together by batched affine additions.

use ark_ec::CurveGroup;
use ark_ff::AdditiveGroup;

use super::digits::MAX_BITS;
use super::engine::{Engine, NEGATED, Points};
use super::sums::{Groups, Summer};
use super::windows::{BUCKET, SIGN, Windows};
use crate::{Fr, G1Affine, G1Projective};

/// The widest digits: their table stays in the second-level cache.
const WIDEST: u32 = 13;

/// How many scalars are cut into digits at a time.
const CHUNK: usize = 1 << 13;

/// `base` times each scalar.
pub(super) fn multiples<E: Engine>(summer: &Summer<E>, base: G1Affine, scalars: &[Fr]) -> Vec<G1Affine> {
    let engine = summer.engine;
    // Entries of the table, and additions for the scalars.
    let cost = |windows: &Windows| windows.count * (scalars.len() + windows.largest(0));
    let windows = (1..=WIDEST).map(|width| Windows::signed(width, MAX_BITS, false));
    let Some(windows) = windows.min_by_key(cost) else {
        return Vec::new();
    };
    let table = Table::new(engine, base, windows);
    let mut out = Vec::with_capacity(scalars.len());
    for scalars in scalars.chunks(CHUNK) {
        let mut integers = vec![[0; 4]; scalars.len()];
        engine.integers(scalars, &mut integers);
        let mut digits = vec![0; scalars.len() * windows.count];
        engine.digits(windows, &integers, &mut digits);
        let mut groups = Groups::new();
        for i in 0..scalars.len() {
            let own = digits[i..].iter().step_by(scalars.len()).enumerate();
            let entries = own.filter(|(_, digit)| **digit & BUCKET != 0);
            groups.references.extend(entries.map(|(window, digit)| {
                let negated = if digit & SIGN != 0 { NEGATED } else { 0 };
                table.place(window, (digit & BUCKET) as usize) | negated
            }));
            groups.close();
        }
        let sums = summer.sums(&table.points, &mut groups);
        out.extend(sums.iter().map(|sum| engine.export(sum)));
    }
    out
}

/// Small multiples of a base times the weight of each window.
struct Table<E: Engine> {
    /// Those of one window behind those of the one before, `size` each.
    points: Vec<E::Point>,
    size: usize,
}

impl<E: Engine> Table<E> {
    fn new(engine: E, base: G1Affine, windows: Windows) -> Self {
        let sizes = (0..windows.count).map(|window| windows.largest(window));
        let size = sizes.max().unwrap_or(0);
        let mut weighted = Vec::with_capacity(windows.count);
        let mut power = G1Projective::from(base);
        for _ in 0..windows.count {
            weighted.push(power);
            (0..windows.width).for_each(|_| {
                power.double_in_place();
            });
        }
        let mut table = Table {
            points: vec![E::INFINITY; size * windows.count],
            size,
        };
        for (window, point) in G1Projective::normalize_batch(&weighted).iter().enumerate() {
            table.points[window * size] = engine.import(point);
        }
        let mut scratch = engine.scratch();
        let mut known = 1;
        while known < size {
            // The largest multiple that is known plus each of them.
            let new = known.min(size - known);
            let places = |first: bool| -> Vec<u32> {
                let of = |window| (1..=new).map(move |k| (window, if first { known } else { k }));
                let all = (0..windows.count).flat_map(of);
                all.map(|(window, multiple)| table.place(window, multiple)).collect()
            };
            let (a, b) = (places(true), places(false));
            let mut sums = vec![E::INFINITY; a.len()];
            let points = Points {
                bases: &table.points,
                results: &[],
            };
            engine.add(&mut scratch, points, &a, &b, &mut sums);
            for (window, sums) in sums.chunks_exact(new).enumerate() {
                table.points[window * size + known..][..new].copy_from_slice(sums);
            }
            known += new;
        }
        table
    }

    /// The place of a multiple, which is not zero.
    fn place(&self, window: usize, multiple: usize) -> u32 {
        (window * self.size + multiple - 1) as u32
    }
}

#[cfg(test)]
mod tests {
    use ark_ec::AffineRepr;
    use ark_ff::Field;
    use rand_chacha::rand_core::SeedableRng;

    use super::super::engine::Portable;
    use super::super::scalar::Plain;
    use super::super::sums::Portions;
    use super::*;
    use crate::sample;

    fn check<E: Engine>(engine: E) {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(7);
        let summer = Summer::new(engine, Portions::LARGE);
        let base = (G1Affine::generator() * sample::field(&mut rng)).into_affine();
        let edges = [0u64, 1, 2, 3, 4095, 4096, 4097, u64::MAX].map(Fr::from);
        let high = [64, 127, 128, 252, 253].map(|bit| Fr::from(2u8).pow([bit]));
        let half = Fr::from(2u8).inverse().into_iter();
        let edges: Vec<Fr> = edges.into_iter().chain(high).chain(half).collect();
        let all = edges.iter().flat_map(|edge| [*edge, -*edge, *edge + Fr::from(1u8)]);
        let mut scalars: Vec<Fr> = all.collect();
        scalars.extend(sample::fields(CHUNK - 20, &mut rng));
        // Wide windows and narrow ones, each lane alone, and more than one chunk.
        for len in (0..34).chain([200, scalars.len()]) {
            let expected: Vec<G1Projective> = scalars[..len].iter().map(|scalar| base * scalar).collect();
            assert!(
                multiples(&summer, base, &scalars[..len]) == G1Projective::normalize_batch(&expected),
                "{len}"
            );
        }
        let nothing = multiples(&summer, G1Affine::identity(), &scalars[..40]);
        assert!(nothing.iter().all(G1Affine::is_zero));
    }

    #[test]
    fn multiples_are_those_of_arkworks() {
        check(Portable(Plain));
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = super::super::ifma::Simd::detect() {
            check(simd);
        }
    }
}
