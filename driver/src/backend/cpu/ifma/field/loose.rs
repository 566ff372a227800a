//! Sums and differences before their carries, and the ways back to limbs of 52 bits.

use std::marker::PhantomData;

use super::{Consts, Factor, Field8, LOW, Loose8, Prime, Scalar};
use crate::backend::cpu::ifma::lane::{Mask, Simd, W};

impl<P> From<Field8<P>> for Loose8<P> {
    #[inline(always)]
    fn from(element: Field8<P>) -> Self {
        Loose8(element.0, PhantomData)
    }
}

/// What products by constants are below, in multiples of the prime.
pub(crate) const CLOSE: usize = 3;

/// As [`CLOSE`], where fewer instructions are worth larger results.
pub(crate) const ROUGH: usize = 11;

/// Sums of products, reduced once.
#[derive(Clone, Copy)]
pub(crate) struct Products<P> {
    /// The low halves of the limbs' products and the high ones, which belong one limb above: two sums wait for themselves half as
    /// long as one.
    low: [W; 9],
    high: [W; 9],
    prime: PhantomData<P>,
}

impl<P: Prime> Products<P> {
    /// How many products the limbs have room for.
    pub(crate) const MOST: usize = 64;

    #[inline(always)]
    pub(crate) fn new(simd: Simd) -> Self {
        Products {
            low: [simd.zero(); 9],
            high: [simd.zero(); 9],
            prime: PhantomData,
        }
    }

    /// Adds `a * b`.
    #[inline(always)]
    pub(crate) fn add(&mut self, a: Field8<P>, b: Field8<P>) {
        for i in 0..5 {
            for j in 0..5 {
                self.low[i + j] = self.low[i + j].madd_lo(a.0[i], b.0[j]);
                self.high[i + j] = self.high[i + j].madd_hi(a.0[i], b.0[j]);
            }
        }
    }

    /// The sum divided by `2^260`, below that and `2 p` more.
    #[inline(always)]
    pub(crate) fn reduce(self) -> Loose8<P> {
        let mut t = [self.low[0]; 10];
        for i in 1..9 {
            t[i] = self.low[i] + self.high[i - 1];
        }
        t[9] = self.high[8];
        let [out] = Field8::redc_each([t]);
        out
    }
}

impl<P: Prime> Loose8<P> {
    #[inline(always)]
    pub(crate) fn plus(mut self, other: impl Into<Loose8<P>>) -> Self {
        let other = other.into();
        for i in 0..5 {
            self.0[i] = self.0[i] + other.0[i];
        }
        self
    }

    /// `self - other + K p`.
    #[inline(always)]
    pub(crate) fn minus<const K: usize>(mut self, other: impl Into<Loose8<P>>) -> Self {
        let other = other.into();
        let multiple = Field8::<P>::multiple::<K>(self.0[0].simd());
        for i in 0..5 {
            self.0[i] = self.0[i] - other.0[i] + multiple[i];
        }
        self
    }

    /// Propagates the carries; for elements that are not negative as a whole. With `K p` added where one was subtracted,
    /// none is.
    #[inline(always)]
    pub(crate) fn carry(self) -> Field8<P> {
        let mut l = self.0;
        let low = l[0].simd().splat(LOW);
        for i in 0..4 {
            l[i + 1] = l[i + 1] + l[i].sar::<52>();
            l[i] = l[i] & low;
        }
        Field8(l, PhantomData)
    }

    /// `other` in the lanes of the mask.
    #[inline(always)]
    pub(crate) fn blend(mut self, mask: Mask, other: Self) -> Self {
        for i in 0..5 {
            self.0[i] = self.0[i].blend(mask, other.0[i]);
        }
        self
    }

    /// As [`Loose8::carry`], but leaves what it carried in place: the result is good as a factor of a product only, as
    /// products read 52 bits of each limb.
    #[inline(always)]
    pub(crate) fn carry_for_product(self) -> Field8<P> {
        let mut l = self.0;
        for i in 0..4 {
            l[i + 1] = l[i + 1] + l[i].sar::<52>();
        }
        Field8(l, PhantomData)
    }

    /// The representative below `p`, of elements from zero to `84 p`.
    #[inline(always)]
    pub(crate) fn canonical(self) -> Field8<P> {
        let reduced = self.shrink();
        let less = reduced.minus_exact(Field8::<P>::multiple::<1>(self.0[0].simd()));
        less.blend(less.0[4].negative(), reduced)
    }

    /// Elements from zero to `84 p`, down to below `(1 + 2^-12) p`.
    #[inline(always)]
    pub(crate) fn shrink(self) -> Field8<P> {
        let mut l = self.carry().0;
        let simd = l[0].simd();
        let quotient = simd.zero().madd_hi(l[4].shr::<20>(), simd.splat(Consts::<P>::QUOTIENT));
        let mut high = simd.zero();
        for i in 0..5 {
            let p = simd.splat(Consts::<P>::P[i]);
            l[i] = l[i] - simd.zero().madd_lo(quotient, p) - high;
            high = simd.zero().madd_hi(quotient, p);
        }
        Loose8(l, PhantomData).carry()
    }

    /// Elements from `p / 2^18` to `7.9 p`, down to below `(1 + 2^-17) p`.
    #[inline(always)]
    pub(crate) fn reduce(self) -> Field8<P> {
        self.reduced().carry()
    }

    /// As [`Loose8::reduce`], and then as [`Loose8::carry_for_product`].
    #[inline(always)]
    pub(crate) fn reduce_for_product(self) -> Field8<P> {
        self.reduced().carry_for_product()
    }

    #[inline(always)]
    fn reduced(self) -> Self {
        let mut l = self.0;
        let simd = l[0].simd();
        let quotient = simd.zero().madd_hi(l[4].shr::<20>(), simd.splat(Consts::<P>::QUOTIENT));
        for i in 0..5 {
            l[i] = l[i] - quotient.look_up(simd.load(&Consts::<P>::MULTIPLES[i]));
        }
        Loose8(l, PhantomData)
    }
}

impl Loose8<Scalar> {
    /// `self * factor`, below `CLOSE p` and with limbs below `2^52`; for elements from zero to below `2^260`.
    #[inline(always)]
    pub(crate) fn times(self, by: &Factor) -> Self {
        let [out] = Self::times_each::<CLOSE, 1>([self], [by]);
        out
    }

    /// As [`Loose8::times`], for several pairs, instruction by instruction in turn: a product's 130 instructions wait for each
    /// other some 115 cycles and would take half as long if they did not, and the processor's scheduler does not hold the
    /// next product's beside them.
    ///
    /// The results are below `BELOW p`: [`CLOSE`], or [`ROUGH`] for nine of 84 products of limbs less. The quotient by `p` is then
    /// found without the column of limbs' products below its own, whose nine terms carry up to nine.
    #[inline(always)]
    pub(crate) fn times_each<const BELOW: usize, const N: usize>(values: [Self; N], by: [&Factor; N]) -> [Self; N] {
        const { assert!(BELOW == CLOSE || BELOW == ROUGH) };
        let simd = values[0].0[0].simd();
        let zero = simd.zero();
        let mut b = [[zero; 5]; N];
        for k in 0..N {
            b[k] = values[k].0;
        }
        // Carries, as [`Loose8::carry_for_product`] has them.
        for i in 0..4 {
            for k in 0..N {
                b[k][i + 1] = b[k][i + 1] + b[k][i].sar::<52>();
            }
        }
        // The upper five limbs of quotient * b, and below them the column that carries into them. What is left out below that is less
        // than 2^-48 of their lowest place.
        let mut q = [[zero; 6]; N];
        upper::<0, BELOW, N>(&mut q, by, &b);
        upper::<1, BELOW, N>(&mut q, by, &b);
        upper::<2, BELOW, N>(&mut q, by, &b);
        upper::<3, BELOW, N>(&mut q, by, &b);
        upper::<4, BELOW, N>(&mut q, by, &b);
        // factor * b - q * p modulo 2^260. The first does not wait for the carries of q.
        let mut t = [[zero; 5]; N];
        lower::<0, N>(&mut t, limbs(simd, by, 0), &b);
        lower::<1, N>(&mut t, limbs(simd, by, 1), &b);
        lower::<2, N>(&mut t, limbs(simd, by, 2), &b);
        lower::<3, N>(&mut t, limbs(simd, by, 3), &b);
        lower::<4, N>(&mut t, limbs(simd, by, 4), &b);
        for i in 0..5 {
            for k in 0..N {
                q[k][i + 1] = q[k][i + 1] + q[k][i].shr::<52>();
                b[k][i] = q[k][i + 1];
            }
        }
        let p = Consts::<Scalar>::COMPLEMENT;
        lower::<0, N>(&mut t, [simd.splat(p[0]); N], &b);
        lower::<1, N>(&mut t, [simd.splat(p[1]); N], &b);
        lower::<2, N>(&mut t, [simd.splat(p[2]); N], &b);
        lower::<3, N>(&mut t, [simd.splat(p[3]); N], &b);
        lower::<4, N>(&mut t, [simd.splat(p[4]); N], &b);
        let low = simd.splat(LOW);
        for i in 0..4 {
            for k in 0..N {
                t[k][i + 1] = t[k][i + 1] + t[k][i].shr::<52>();
                t[k][i] = t[k][i] & low;
            }
        }
        let mut out = values;
        for k in 0..N {
            t[k][4] = t[k][4] & low;
            out[k] = Loose8(t[k], PhantomData);
        }
        out
    }

    /// `(a + b, a - b)`, for `b` up to `K p`; `K p` is added to the difference.
    #[inline(always)]
    pub(crate) fn butterfly<const K: usize>(self, b: Self) -> (Self, Self) {
        (self.plus(b), self.minus::<K>(b))
    }
}

// The rows of the products in [`Loose8::times_each`], with their number known when they are compiled: loops in loops whose
// lengths depend on each other are not unrolled, and the limbs would live in memory.

/// Limb `I` of the factors' quotients times `b`, as far as it reaches the upper five limbs, or the column below them where products are
/// to be close.
#[inline(always)]
fn upper<const I: usize, const BELOW: usize, const N: usize>(q: &mut [[W; 6]; N], by: [&Factor; N], b: &[[W; 5]; N]) {
    let simd = b[0][0].simd();
    let lowest = if BELOW == CLOSE { 4 } else { 5 };
    for j in lowest - I..5 {
        for k in 0..N {
            q[k][I + j - 4] = q[k][I + j - 4].madd_lo(simd.splat(by[k].quotient[I]), b[k][j]);
        }
    }
    for j in (lowest - 1usize).saturating_sub(I)..5 {
        for k in 0..N {
            q[k][I + j - 3] = q[k][I + j - 3].madd_hi(simd.splat(by[k].quotient[I]), b[k][j]);
        }
    }
}

/// Limb `I` of a factor, given as `limb`, times `b`, as far as it reaches the lower five limbs.
#[inline(always)]
fn lower<const I: usize, const N: usize>(t: &mut [[W; 5]; N], limb: [W; N], b: &[[W; 5]; N]) {
    for j in 0..5 - I {
        for k in 0..N {
            t[k][I + j] = t[k][I + j].madd_lo(limb[k], b[k][j]);
        }
    }
    for j in 0..4 - I {
        for k in 0..N {
            t[k][I + j + 1] = t[k][I + j + 1].madd_hi(limb[k], b[k][j]);
        }
    }
}

/// Limb `i` of each factor, in every lane.
#[inline(always)]
fn limbs<const N: usize>(simd: Simd, by: [&Factor; N], i: usize) -> [W; N] {
    let mut out = [simd.zero(); N];
    for k in 0..N {
        out[k] = simd.splat(by[k].factor[i]);
    }
    out
}
