//! Transforms short enough for the nearest caches, of eight columns or rows at once.

use ark_ff::Field;

use super::super::super::powers::powers;
use super::super::field::{Factor, Loose8, Scalar};
use crate::Fr;

/// A short transform's twiddles.
pub(super) struct Short {
    /// `twiddles[h + j]` is the `j`-th power of the root of unity of order `2 h`, for `j < h`.
    twiddles: Vec<Factor>,
    pub(super) reversed: Vec<u32>,
}

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

    /// Transforms values below `3 p` that lie in bit-reversed order; the results are below `(6 + 3 log) p`.
    #[inline(always)]
    pub(super) fn run(&self, data: &mut [Loose8<Scalar>]) {
        /// Values that stay in the nearest cache for several levels.
        const NEAR: usize = 64;
        let block = NEAR.min(data.len());
        for data in data.chunks_exact_mut(block) {
            for four in data.as_chunks_mut::<4>().0 {
                let [a, b, c, d] = *four;
                let ((a, b), (c, d)) = (a.butterfly::<3>(b), c.butterfly::<3>(d));
                let ((a, c), (b, d)) = (a.butterfly::<6>(c), b.butterfly::<3>(d.times(&self.twiddles[3])));
                *four = [a, b, c, d];
            }
            self.levels(data, 4);
        }
        self.levels(data, block);
    }

    /// The levels from half-size `half` up, two at a time.
    #[inline(always)]
    fn levels(&self, data: &mut [Loose8<Scalar>], mut half: usize) {
        while 4 * half <= data.len() {
            for data in data.chunks_exact_mut(4 * half) {
                let (low, high) = data.split_at_mut(2 * half);
                let ((a, b), (c, d)) = (low.split_at_mut(half), high.split_at_mut(half));
                let (near, far) = (&self.twiddles[half..2 * half], &self.twiddles[2 * half..4 * half]);
                let (far, farther) = far.split_at(half);
                for j in 0..half {
                    let [low, high] = Loose8::times_each([b[j], d[j]], [&near[j]; 2]);
                    let ((x, y), (z, t)) = (a[j].butterfly::<3>(low), c[j].butterfly::<3>(high));
                    let [low, high] = Loose8::times_each([z, t], [&far[j], &farther[j]]);
                    (a[j], c[j]) = x.butterfly::<3>(low);
                    (b[j], d[j]) = y.butterfly::<3>(high);
                }
            }
            half *= 4;
        }
        if 2 * half <= data.len() {
            for data in data.chunks_exact_mut(2 * half) {
                let (a, b) = data.split_at_mut(half);
                for ((a, b), twiddle) in a.iter_mut().zip(b).zip(&self.twiddles[half..]) {
                    (*a, *b) = a.butterfly::<3>(b.times(twiddle));
                }
            }
        }
    }
}
