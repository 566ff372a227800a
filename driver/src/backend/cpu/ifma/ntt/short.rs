//! Transforms short enough for the nearest caches, of eight columns or rows at once.

use ark_ff::Field;

use super::super::super::powers::powers;
use super::super::field::{CLOSE, Factor, Loose8, ROUGH, Scalar};
use crate::Fr;

/// A short transform's twiddles.
pub(super) struct Short {
    /// `twiddles[h + j]` is the `j`-th power of the root of unity of order `2 h`, for `j < h`.
    twiddles: Vec<Factor>,
    pub(super) reversed: Vec<u32>,
}

/// How large values may be before a level or the transform's end, in multiples of the prime: `2^260` is more.
const ROOM: usize = 84;

/// After two levels, values that were below three are below twelve.
const _: () = assert!(12 + 6 * ROUGH + 2 * CLOSE <= ROOM && 12 + 4 * ROUGH + 8 * CLOSE <= ROOM);

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
    /// After two levels values are below `12 p`. Each further level adds [`CLOSE`] or [`ROUGH`] to that, and none may begin with more than
    /// `84 p`. Lengths of up to `2^10` have room for six rough levels, up to `2^14` for the four of the nearest cache.
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
                let ((a, c), (b, d)) = (a.butterfly::<6>(c), b.butterfly::<3>(d.times(&self.twiddles[3])));
                *four = [a, b, c, d];
            }
            self.levels::<ROUGH>(data, 4, block);
        }
        let rough = if len <= 1 << 10 { len.min(4 * NEAR) } else { block };
        self.levels::<ROUGH>(data, block, rough);
        self.levels::<CLOSE>(data, rough, len);
    }

    /// The levels from half-size `half` up to blocks of `to`, two at a time.
    #[inline(always)]
    fn levels<const BELOW: usize>(&self, data: &mut [Loose8<Scalar>], mut half: usize, to: usize) {
        while 4 * half <= to {
            for data in data.chunks_exact_mut(4 * half) {
                let (low, high) = data.split_at_mut(2 * half);
                let ((a, b), (c, d)) = (low.split_at_mut(half), high.split_at_mut(half));
                let (near, far) = (&self.twiddles[half..2 * half], &self.twiddles[2 * half..4 * half]);
                let (far, farther) = far.split_at(half);
                for j in 0..half {
                    let [low, high] = Loose8::times_each::<BELOW, 2>([b[j], d[j]], [&near[j]; 2]);
                    let ((x, y), (z, t)) = (a[j].butterfly::<BELOW>(low), c[j].butterfly::<BELOW>(high));
                    let [low, high] = Loose8::times_each::<BELOW, 2>([z, t], [&far[j], &farther[j]]);
                    (a[j], c[j]) = x.butterfly::<BELOW>(low);
                    (b[j], d[j]) = y.butterfly::<BELOW>(high);
                }
            }
            half *= 4;
        }
        if 2 * half <= to {
            for data in data.chunks_exact_mut(2 * half) {
                let (a, b) = data.split_at_mut(half);
                for ((a, b), twiddle) in a.iter_mut().zip(b).zip(&self.twiddles[half..]) {
                    let [product] = Loose8::times_each::<BELOW, 1>([*b], [twiddle]);
                    (*a, *b) = a.butterfly::<BELOW>(product);
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
