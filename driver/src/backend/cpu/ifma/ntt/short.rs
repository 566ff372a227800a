//! Transforms short enough for the nearest caches, of eight columns or rows at once.

use ark_ff::Field;

use super::super::super::powers::powers;
use super::super::field::{Factor, Loose8, PRODUCT, Scalar};
use crate::Fr;

/// A short transform's twiddles.
pub(super) struct Short {
    /// `twiddles[h + j]` is the `j`-th power of the root of unity of order `2 h`, for `j < h`.
    twiddles: Vec<Factor>,
    pub(super) reversed: Vec<u32>,
}

/// How large values may be before a level or the transform's end, in multiples of the prime: `2^260` is more.
const ROOM: usize = 84;

/// Up to this length the products by one of the third level are left out: what they would reduce is below twelve primes.
const PLAIN: usize = 1 << 13;

/// After two levels, values that were below three are below twelve, and transforms of up to `2^14` have twelve more. Where the third has no
/// products it leaves 24, and up to ten follow.
const _: () = assert!(12 + 12 * PRODUCT <= ROOM && 24 + 10 * PRODUCT <= ROOM);

impl Short {
    pub(super) fn new(len: usize, root: Fr) -> Short {
        let full = powers(Fr::ONE, root, len / 2);
        let mut twiddles = vec![Factor::new(Fr::ONE); len];
        let mut half = 1;
        while half < len {
            for j in 0..half {
                twiddles[half + j] = Factor::new(full[j * (len / (2 * half))]);
            }
            half *= 2;
        }
        let bits = len.trailing_zeros();
        let reversed = (0..len as u32).map(|i| i.reverse_bits() >> (32 - bits)).collect();
        Short { twiddles, reversed }
    }

    /// Transforms values below `3 p` that lie in bit-reversed order; the results are below `84 p`.
    ///
    /// Each level with products adds [`PRODUCT`] to what values are below, and none may begin with more than `84 p`.
    #[inline(always)]
    pub(super) fn run(&self, data: &mut [Loose8<Scalar>]) {
        /// Values that stay in the nearest cache for several levels.
        const NEAR: usize = 64;
        let len = data.len();
        let block = NEAR.min(len);
        for data in data.chunks_exact_mut(block) {
            for four in data.as_chunks_mut::<4>().0 {
                let [a, b, c, d] = *four;
                let ((a, b), (c, d)) = (a.butterfly::<3>(b), c.butterfly::<3>(d));
                let ((a, c), (b, d)) = (a.butterfly::<6>(c), b.butterfly::<PRODUCT>(d.times(&self.twiddles[3])));
                *four = [a, b, c, d];
            }
            self.levels(data, 4, block);
        }
        self.levels(data, block, len);
    }

    /// The levels from half-size `half` up to blocks of `to`, two at a time.
    #[inline(always)]
    fn levels(&self, data: &mut [Loose8<Scalar>], mut half: usize, to: usize) {
        while 4 * half <= to {
            for data in data.chunks_exact_mut(4 * half) {
                let (low, high) = data.split_at_mut(2 * half);
                let ((a, b), (c, d)) = (low.split_at_mut(half), high.split_at_mut(half));
                let (near, far) = (&self.twiddles[half..2 * half], &self.twiddles[2 * half..4 * half]);
                let (far, farther) = far.split_at(half);
                let plain = half == 4 && self.twiddles.len() <= PLAIN;
                if plain {
                    let ((x, y), (z, t)) = (a[0].butterfly::<12>(b[0]), c[0].butterfly::<12>(d[0]));
                    let [low, high] = Loose8::times_each([z, t], [&far[0], &farther[0]]);
                    (a[0], c[0]) = x.butterfly::<PRODUCT>(low);
                    (b[0], d[0]) = y.butterfly::<PRODUCT>(high);
                }
                for j in usize::from(plain)..half {
                    let [low, high] = Loose8::times_each([b[j], d[j]], [&near[j]; 2]);
                    let ((x, y), (z, t)) = (a[j].butterfly::<PRODUCT>(low), c[j].butterfly::<PRODUCT>(high));
                    let [low, high] = Loose8::times_each([z, t], [&far[j], &farther[j]]);
                    (a[j], c[j]) = x.butterfly::<PRODUCT>(low);
                    (b[j], d[j]) = y.butterfly::<PRODUCT>(high);
                }
            }
            half *= 4;
        }
        if 2 * half <= to {
            for data in data.chunks_exact_mut(2 * half) {
                let (a, b) = data.split_at_mut(half);
                for ((a, b), twiddle) in a.iter_mut().zip(b).zip(&self.twiddles[half..]) {
                    (*a, *b) = a.butterfly::<PRODUCT>(b.times(twiddle));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::{AdditiveGroup, FftField, PrimeField};
    use rand_chacha::rand_core::{RngCore, SeedableRng};

    use super::super::super::field::Field8;
    use super::super::super::lane::Simd;
    use super::*;

    /// Inputs of `3 p - 1` everywhere, at one place, and at random ones, zero elsewhere.
    #[test]
    fn the_largest_values_stay_in_their_room() {
        let Some(simd) = Simd::detect() else { return };
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(12);
        let top = Loose8::from(Field8::<Scalar>::splat(simd, (-Fr::ONE).into_bigint().0));
        // 3 p - 1 as (p - 1) + 2 p.
        let top = top.minus::<2>(Field8::zero(simd));
        for log_n in 3..=14u32 {
            let n = 1 << log_n;
            let root = (log_n..Fr::TWO_ADICITY).fold(Fr::TWO_ADIC_ROOT_OF_UNITY, |w, _| w.square());
            let short = Short::new(n, root);
            for kind in 0..3 {
                let chosen: Vec<bool> = (0..n as u32)
                    .map(|i| [true, i == 1, rng.next_u32() & 1 == 1][kind])
                    .collect();
                let mut data: Vec<Loose8<Scalar>> = (0..n)
                    .map(|i| match chosen[short.reversed[i] as usize] {
                        true => top,
                        false => Field8::zero(simd).into(),
                    })
                    .collect();
                short.run(&mut data);
                // Horner's rule at a few points.
                for at in [0, 1, n / 2, n - 1, rng.next_u32() as usize % n] {
                    let point = root.pow([at as u64]);
                    let expected = chosen.iter().rev().fold(Fr::ZERO, |sum, &chosen| {
                        sum * point - if chosen { Fr::ONE } else { Fr::ZERO }
                    });
                    let words = data[at].canonical().to_words().map(|word| word.lanes()[0]);
                    assert_eq!(words, expected.into_bigint().0, "2^{log_n}, kind {kind}, at {at}");
                }
            }
        }
    }
}
