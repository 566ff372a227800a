//! Sums and differences before their carries, and the ways back to limbs of 52 bits.

use std::marker::PhantomData;

use super::{Consts, Factor, Field8, LOW, Loose8, Prime, Scalar};
use crate::backend::cpu::ifma::lane::Mask;

impl<P> From<Field8<P>> for Loose8<P> {
    #[inline(always)]
    fn from(element: Field8<P>) -> Self {
        Loose8(element.0, PhantomData)
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

    /// The representative below `p`, of elements from zero to `60 p`.
    #[inline(always)]
    pub(crate) fn canonical(self) -> Field8<P> {
        let reduced = self.shrink();
        let less = reduced.minus_exact(Field8::<P>::multiple::<1>(self.0[0].simd()));
        less.blend(less.0[4].negative(), reduced)
    }

    /// Elements from zero to `60 p`, down to below `(1 + 2^-12) p`.
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
        let mut l = self.0;
        let simd = l[0].simd();
        let quotient = simd.zero().madd_hi(l[4].shr::<20>(), simd.splat(Consts::<P>::QUOTIENT));
        for i in 0..5 {
            l[i] = l[i] - quotient.look_up(simd.load(&Consts::<P>::MULTIPLES[i]));
        }
        Loose8(l, PhantomData).carry()
    }
}

impl Loose8<Scalar> {
    /// `self * factor`, below `3 p` and with limbs below `2^52`; for elements from zero to below `2^260`.
    #[inline(always)]
    pub(crate) fn times(self, by: &Factor) -> Self {
        let b = self.carry_for_product().0;
        let simd = b[0].simd();
        // The upper five limbs of quotient * b. What is left out below is less than 2^-48 of their lowest place.
        let mut q = [simd.zero(); 6];
        for i in 0..5 {
            let w = simd.splat(by.quotient[i]);
            for j in 3 - i.min(3)..5 {
                if i + j >= 4 {
                    q[i + j - 4] = q[i + j - 4].madd_lo(w, b[j]);
                }
                q[i + j - 3] = q[i + j - 3].madd_hi(w, b[j]);
            }
        }
        for i in 0..5 {
            q[i + 1] = q[i + 1] + q[i].shr::<52>();
        }
        // factor * b - q * p modulo 2^260.
        let mut t = [simd.zero(); 5];
        for i in 0..5 {
            let (w, p) = (simd.splat(by.factor[i]), simd.splat(Consts::<Scalar>::COMPLEMENT[i]));
            for j in 0..5 - i {
                t[i + j] = t[i + j].madd_lo(w, b[j]).madd_lo(p, q[j + 1]);
                if i + j < 4 {
                    t[i + j + 1] = t[i + j + 1].madd_hi(w, b[j]).madd_hi(p, q[j + 1]);
                }
            }
        }
        let mut out = Loose8::<Scalar>(t, PhantomData).carry().0;
        out[4] = out[4] & simd.splat(LOW);
        Loose8(out, PhantomData)
    }

    /// `(a + b, a - b)`, for `b` up to `K p`; `K p` is added to the difference.
    #[inline(always)]
    pub(crate) fn butterfly<const K: usize>(self, b: Self) -> (Self, Self) {
        (self.plus(b), self.minus::<K>(b))
    }
}
