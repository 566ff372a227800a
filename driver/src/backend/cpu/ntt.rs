//! Number-theoretic transforms one element at a time: for processors without vector multiplication, and for domains too
//! small for vectors.

use ark_bn254::FrConfig;
use ark_ff::{FftField, Field, PrimeField};
use rayon::prelude::*;

use super::powers::powers;
use super::scalar::{Scalar, reduce};
use super::words;
use crate::{Dir, Error, Fr, Result};

/// Transforms up to this size stay in the second-level cache and on one thread.
const NEAR: usize = 1 << 12;

/// A domain's resident constants.
pub(super) struct Plan<S> {
    scalar: S,
    n: usize,
    forward: Vec<Fr>,
    inverse: Vec<Fr>,
    shrink: Fr,
}

impl<S: Scalar> Plan<S> {
    /// The constants of the domain of size `2^log_n`.
    pub(super) fn new(scalar: S, log_n: u32) -> Result<Self> {
        let n = 1usize << log_n;
        let root = (log_n..Fr::TWO_ADICITY).fold(Fr::TWO_ADIC_ROOT_OF_UNITY, |w, _| w.square());
        let invert = |x: Fr| x.inverse().ok_or(Error::Coset);
        Ok(Plan {
            scalar,
            n,
            forward: twiddles(root, n),
            inverse: twiddles(invert(root)?, n),
            shrink: invert(Fr::from(n as u64))?,
        })
    }

    pub(super) fn run(&self, dir: Dir, coset: Fr, batch: &mut [Vec<Fr>]) -> Result<()> {
        let scale = match dir {
            Dir::Forward if coset == Fr::ONE => Vec::new(),
            Dir::Forward => powers(Fr::ONE, coset, self.n),
            Dir::Inverse => powers(self.shrink, coset.inverse().ok_or(Error::Coset)?, self.n),
        };
        let multiply = |column: &mut [Fr]| {
            let pairs = column.iter_mut().zip(&scale);
            pairs.for_each(|(x, factor)| *x = reduce(self.scalar.product::<FrConfig>(&factor.0.0, &x.0.0)));
        };
        batch.par_iter_mut().for_each(|column| match dir {
            Dir::Forward => {
                multiply(column);
                reverse(column);
                transform(self.scalar, column, &self.forward);
                column
                    .par_iter_mut()
                    .with_min_len(NEAR)
                    .for_each(|x| *x = reduce(words::reduce(x.0.0, TWICE)));
            }
            Dir::Inverse => {
                reverse(column);
                transform(self.scalar, column, &self.inverse);
                multiply(column);
            }
        });
        Ok(())
    }
}

/// `out[h + j]` is the `j`-th power of the root of unity of order `2 h`, for `j < h < n`; `root` is that of order `n`.
fn twiddles(root: Fr, n: usize) -> Vec<Fr> {
    let full = powers(Fr::ONE, root, n / 2);
    let mut out = vec![Fr::ONE; n];
    let mut half = 1;
    while half < n {
        for j in 0..half {
            out[half + j] = full[j * (n / (2 * half))];
        }
        half *= 2;
    }
    out
}

/// Puts the elements in bit-reversed order.
fn reverse(column: &mut [Fr]) {
    // A column of one has no bits to reverse.
    let unused = column.len().leading_zeros() + 1;
    for i in 0..column.len() {
        let j = i.reverse_bits().checked_shr(unused).unwrap_or(0);
        if i < j {
            column.swap(i, j);
        }
    }
}

/// Decimation in time: the halves of bit-reversed data are the even and the odd elements. Leaves words below `4 r`.
fn transform<S: Scalar>(scalar: S, data: &mut [Fr], twiddles: &[Fr]) {
    if data.len() <= NEAR {
        let mut half = 1;
        while half < data.len() {
            data.chunks_exact_mut(2 * half)
                .for_each(|block| butterflies(scalar, block, twiddles));
            half *= 2;
        }
        return;
    }
    let (even, odd) = data.split_at_mut(data.len() / 2);
    rayon::join(
        || transform(scalar, even, twiddles),
        || transform(scalar, odd, twiddles),
    );
    butterflies(scalar, data, twiddles);
}

/// `2 r`. Between the levels, elements are words below `4 r`, which fit: products need no reduced factors, and of each
/// butterfly only one sum is reduced.
const TWICE: &[u64; 4] = &{
    let [r0, r1, r2, r3] = Fr::MODULUS.0;
    [r0 << 1, r1 << 1 | r0 >> 63, r2 << 1 | r1 >> 63, r3 << 1 | r2 >> 63]
};

/// The last level of a transform.
fn butterflies<S: Scalar>(scalar: S, data: &mut [Fr], twiddles: &[Fr]) {
    let half = data.len() / 2;
    let (even, odd) = data.split_at_mut(half);
    let pairs = even.iter_mut().zip(odd).zip(&twiddles[half..2 * half]);
    for (j, ((a, b), twiddle)) in pairs.enumerate() {
        // The first twiddle is one.
        let product = if j == 0 {
            words::reduce(b.0.0, TWICE)
        } else {
            scalar.product::<FrConfig>(&twiddle.0.0, &b.0.0)
        };
        (a.0.0, b.0.0) = words::butterfly(a.0.0, product, TWICE);
    }
}
