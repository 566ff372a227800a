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
pub(crate) const PRODUCT: usize = 6;

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

/// Sums of products by constants, reduced once.
#[derive(Clone, Copy)]
pub(crate) struct Combination([W; 6]);

impl Combination {
    /// How many products there may be for the sum to be below `80 p`.
    pub(crate) const MOST: usize = 15;

    #[inline(always)]
    pub(crate) fn new(simd: Simd) -> Self {
        Combination([simd.zero(); 6])
    }

    /// Adds `value * factor`.
    #[inline(always)]
    pub(crate) fn add(&mut self, value: Field8<Scalar>, factor: &Factor) {
        let mut t = [self.0];
        add_multiples(&mut t, [value.0], [factor]);
        [self.0] = t;
    }

    /// The sum: below `5 p` for each product, and `p` more.
    #[inline(always)]
    pub(crate) fn reduce(self) -> Loose8<Scalar> {
        let [out] = Field8::last_round_each([self.0]);
        out
    }
}

/// Five limbs times five elements each: less than `5 * 2^52 p`, one limb too many.
#[inline(always)]
fn add_multiples<const N: usize>(t: &mut [[W; 6]; N], values: [[W; 5]; N], by: [&Factor; N]) {
    let simd = values[0][0].simd();
    for i in 0..5 {
        for j in 0..5 {
            for k in 0..N {
                t[k][j] = t[k][j].madd_lo(values[k][i], simd.splat(by[k].0[i][j]));
            }
        }
        for j in 0..5 {
            for k in 0..N {
                t[k][j + 1] = t[k][j + 1].madd_hi(values[k][i], simd.splat(by[k].0[i][j]));
            }
        }
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
        let mut l = self.0;
        let simd = l[0].simd();
        // The limb below tells all of the last one's carry but for one, which makes less of a difference than what the quotient
        // leaves out; of elements close to zero it makes a last limb of -1.
        let top = (l[4] + l[3].sar::<52>()).larger(simd.zero());
        let quotient = simd.zero().madd_hi(top.shr::<20>(), simd.splat(Consts::<P>::QUOTIENT));
        // Modulo 2^260.
        for i in 0..5 {
            l[i] = l[i].madd_lo(quotient, simd.splat(Consts::<P>::COMPLEMENT[i]));
        }
        for i in 0..4 {
            l[i + 1] = l[i + 1].madd_hi(quotient, simd.splat(Consts::<P>::COMPLEMENT[i]));
        }
        let mut out = Loose8(l, PhantomData).carry();
        out.0[4] = out.0[4] & simd.splat(LOW);
        out
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
    /// `self * factor`, below `PRODUCT p` and before its carries; for elements from zero to below `2^260`.
    #[inline(always)]
    pub(crate) fn times(self, by: &Factor) -> Self {
        let [out] = Self::times_each([self], [by]);
        out
    }

    /// As [`Loose8::times`], for several pairs, instruction by instruction in turn: a product's instructions wait for each
    /// other about as long as they take, and the processor's scheduler does not hold the next product's beside them.
    #[inline(always)]
    pub(crate) fn times_each<const N: usize>(values: [Self; N], by: [&Factor; N]) -> [Self; N] {
        let simd = values[0].0[0].simd();
        let mut b = [[simd.zero(); 5]; N];
        for k in 0..N {
            b[k] = values[k].carry_for_product().0;
        }
        let mut t = [[simd.zero(); 6]; N];
        add_multiples(&mut t, b, by);
        Field8::last_round_each(t)
    }

    /// `(a + b, a - b)`, for `b` up to `K p`; `K p` is added to the difference.
    #[inline(always)]
    pub(crate) fn butterfly<const K: usize>(self, b: Self) -> (Self, Self) {
        (self.plus(b), self.minus::<K>(b))
    }
}
