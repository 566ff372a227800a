//! BN254's two fields, eight elements at a time: five limbs of 52 bits, Montgomery form with `R = 2^260`.
//!
//! `R` exceeds `84 p`, so a product of operands `a` and `b` is below `a b / R + 2 p` and its operands need not be reduced: a
//! few multiples of `p` more or less in either leave the product below `3 p`. Only results that are stored are reduced.
//!
//! Loops here count, and zip nothing: parts of the library's iterators are not marked for inlining, and without link-time
//! optimisation a call in the middle of a product doubles its time.

#![allow(clippy::needless_range_loop)]

mod consts;
mod loose;
#[cfg(test)]
mod tests;

use std::marker::PhantomData;

pub(crate) use consts::{Base, Factor, LOW, Prime, Scalar, split};
pub(crate) use loose::{Combination, PRODUCT, Products};

use consts::{Consts, scale};

use super::lane::{Mask, Simd, W};

/// Eight field elements with limbs below `2^52`. How large the elements are is for the caller to know.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Field8<P>([W; 5], PhantomData<P>);

/// Eight field elements with limbs of 64 bits and a sign, before their carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loose8<P>([W; 5], PhantomData<P>);

/// Four words of each lane as five limbs of 52 bits.
#[inline(always)]
pub(crate) fn limbs(w: [W; 4]) -> [W; 5] {
    let low = w[0].simd().splat(LOW);
    [
        w[0] & low,
        w[0].funnel::<52>(w[1]) & low,
        w[1].funnel::<40>(w[2]) & low,
        w[2].funnel::<28>(w[3]) & low,
        w[3].shr::<16>(),
    ]
}

impl<P: Prime> Field8<P> {
    #[inline(always)]
    pub(crate) fn zero(simd: Simd) -> Self {
        Field8([simd.zero(); 5], PhantomData)
    }

    /// The elements `k p`.
    #[inline(always)]
    fn multiple<const K: usize>(simd: Simd) -> [W; 5] {
        let mut out = [simd.zero(); 5];
        for i in 0..5 {
            out[i] = simd.splat(const { scale(Consts::<P>::P, K as u64) }[i]);
        }
        out
    }

    /// The same element, given by its words, in every lane.
    #[inline(always)]
    pub(crate) fn splat(simd: Simd, words: [u64; 4]) -> Self {
        let mut out = [simd.zero(); 5];
        let limbs = split(words);
        for i in 0..5 {
            out[i] = simd.splat(limbs[i]);
        }
        Field8(out, PhantomData)
    }

    /// From four words of each element, lowest first.
    #[inline(always)]
    pub(crate) fn from_words(w: [W; 4]) -> Self {
        Field8(limbs(w), PhantomData)
    }

    /// Sixteen times the elements of these words: takes arkworks' form, which has `R = 2^256`, to that of the lanes.
    #[inline(always)]
    pub(crate) fn enter(w: [W; 4]) -> Self {
        let low = w[0].simd().splat(LOW);
        let limbs = [
            w[0].shl::<4>() & low,
            w[0].funnel::<48>(w[1]) & low,
            w[1].funnel::<36>(w[2]) & low,
            w[2].funnel::<24>(w[3]) & low,
            w[3].shr::<12>(),
        ];
        Field8(limbs, PhantomData)
    }

    /// The four words of each element; for elements below `2^256`. What is in the limbs above their 52 bits is of no account.
    #[inline(always)]
    pub(crate) fn to_words(self) -> [W; 4] {
        let [l0, l1, l2, l3, l4] = self.0;
        [
            l0.shl::<12>().funnel::<12>(l1),
            l1.shl::<12>().funnel::<24>(l2),
            l2.shl::<12>().funnel::<36>(l3),
            l3.shl::<12>().funnel::<48>(l4),
        ]
    }

    /// `self * other / 2^260`, below `self * other / 2^260 + 2 p`.
    #[inline(always)]
    pub(crate) fn mul(self, other: Self) -> Self {
        let [out] = Self::mul_each([self], [other]);
        out
    }

    /// As [`Field8::mul`], for several pairs, instruction by instruction in turn: a product alone waits for its own results
    /// most of the time, and the processor's window is too short to reach the next one.
    #[inline(always)]
    pub(crate) fn mul_each<const N: usize>(a: [Self; N], b: [Self; N]) -> [Self; N] {
        Self::carry_each(Self::mul_loose_each(a, b))
    }

    /// As [`Field8::mul_each`], but for the last carries.
    #[inline(always)]
    pub(crate) fn mul_loose_each<const N: usize>(a: [Self; N], b: [Self; N]) -> [Loose8<P>; N] {
        let mut t = [[a[0].0[0].simd().zero(); 10]; N];
        for i in 0..5 {
            for j in 0..5 {
                for k in 0..N {
                    t[k][i + j] = t[k][i + j].madd_lo(a[k].0[i], b[k].0[j]);
                }
            }
            for j in 0..5 {
                for k in 0..N {
                    t[k][i + j + 1] = t[k][i + j + 1].madd_hi(a[k].0[i], b[k].0[j]);
                }
            }
        }
        Self::redc_each(t)
    }

    /// `self^2 / 2^260`, below `self^2 / 2^260 + 2 p`.
    #[inline(always)]
    pub(crate) fn square(self) -> Self {
        let [out] = Self::square_loose_each([self]);
        out.carry()
    }

    /// As [`Field8::square`], for several elements in turn and but for the last carries.
    #[inline(always)]
    pub(crate) fn square_loose_each<const N: usize>(a: [Self; N]) -> [Loose8<P>; N] {
        let mut t = [[a[0].0[0].simd().zero(); 10]; N];
        for i in 0..5 {
            for j in i + 1..5 {
                for k in 0..N {
                    t[k][i + j] = t[k][i + j].madd_lo(a[k].0[i], a[k].0[j]);
                }
            }
            for j in i + 1..5 {
                for k in 0..N {
                    t[k][i + j + 1] = t[k][i + j + 1].madd_hi(a[k].0[i], a[k].0[j]);
                }
            }
        }
        for k in 0..N {
            for i in 1..9 {
                t[k][i] = t[k][i] + t[k][i];
            }
        }
        for i in 0..5 {
            for k in 0..N {
                t[k][2 * i] = t[k][2 * i].madd_lo(a[k].0[i], a[k].0[i]);
                t[k][2 * i + 1] = t[k][2 * i + 1].madd_hi(a[k].0[i], a[k].0[i]);
            }
        }
        Self::redc_each(t)
    }

    /// `self * 2^4 / 2^260`: takes arkworks' form, which has `R = 2^256`, to the integer itself.
    #[inline(always)]
    pub(crate) fn leave_montgomery(self) -> Self {
        let mut t = [self.0[0].simd().zero(); 10];
        for i in 0..5 {
            t[i] = self.0[i].shl::<4>();
        }
        let [out] = Self::redc_each([t]);
        out.carry()
    }

    /// As [`Field8::leave_montgomery`], for several lots of elements in turn, given by their words.
    #[inline(always)]
    pub(crate) fn leave_montgomery_each<const N: usize>(words: [[W; 4]; N]) -> [Self; N] {
        let simd = words[0][0].simd();
        let mut t = [[simd.zero(); 10]; N];
        for k in 0..N {
            t[k][..5].copy_from_slice(&Self::enter(words[k]).0);
        }
        Self::carry_each(Self::redc_each(t))
    }

    /// The integers of less than `2^44` in magnitude that arkworks' forms, given by their words, stand for, and what is zero in
    /// the lanes where there is such an integer.
    ///
    /// For an integer `v` as small as that, `16 m = v 2^260 - q r` has a `q` below `2^51` in magnitude: the lowest limb tells all
    /// of it, and the reduction takes one round.
    #[inline(always)]
    pub(crate) fn leave_montgomery_small(words: [W; 4]) -> (W, W) {
        let simd = words[0].simd();
        let [l0, l1, l2, l3, l4] = Self::enter(words).0;
        let mut t = [l0, l1, l2, l3, l4, simd.zero()];
        let digit = simd.zero().madd_lo(l0, simd.splat(Consts::<P>::NEGATED_INVERSE));
        // Its 52 bits are those of a signed integer; products take them for one without a sign.
        let negative = digit.test(simd.splat(1 << 51));
        for i in 0..5 {
            let limb = simd.splat(Consts::<P>::P[i]);
            t[i] = t[i].madd_lo(digit, limb);
            t[i + 1] = t[i + 1].madd_hi(digit, limb);
        }
        for i in 0..5 {
            t[i + 1] = t[i + 1].blend(negative, t[i + 1] - simd.splat(Consts::<P>::P[i]));
        }
        let mut beyond = t[0];
        for i in 0..5 {
            t[i + 1] = t[i + 1] + t[i].sar::<52>();
            beyond = beyond | t[i];
        }
        (t[5], beyond & simd.splat(LOW))
    }

    /// `self + 2^63`.
    #[inline(always)]
    pub(crate) fn plus_half_word(mut self) -> Self {
        self.0[1] = self.0[1] + self.0[1].simd().splat(1 << 11);
        Loose8(self.0, PhantomData).carry()
    }

    /// The lowest word of canonical elements, and what is zero only if there is nothing above it.
    #[inline(always)]
    pub(crate) fn low_word(self) -> (W, W) {
        let l = self.0;
        (l[0] | l[1].shl::<52>(), l[1].shr::<12>() | l[2] | l[3] | l[4])
    }

    /// As [`Field8::mul_each`], but leaves what it carried in place: the results are good as factors of products only.
    #[inline(always)]
    pub(crate) fn factors_each<const N: usize>(a: [Self; N], b: [Self; N]) -> [Self; N] {
        let mut out = a;
        let products = Self::mul_loose_each(a, b);
        for k in 0..N {
            out[k] = products[k].carry_for_product();
        }
        out
    }

    /// The carries of several elements in turn.
    #[inline(always)]
    fn carry_each<const N: usize>(values: [Loose8<P>; N]) -> [Self; N] {
        let simd = values[0].0[0].simd();
        let mut l = [[simd.zero(); 5]; N];
        for k in 0..N {
            l[k] = values[k].0;
        }
        let low = simd.splat(LOW);
        for i in 0..4 {
            for k in 0..N {
                l[k][i + 1] = l[k][i + 1] + l[k][i].shr::<52>();
                l[k][i] = l[k][i] & low;
            }
        }
        let mut out = [Self::zero(simd); N];
        for k in 0..N {
            out[k] = Field8(l[k], PhantomData);
        }
        out
    }

    /// Montgomery's reduction of ten limbs of up to 63 bits, but for the last carries.
    #[inline(always)]
    fn redc_each<const N: usize>(mut t: [[W; 10]; N]) -> [Loose8<P>; N] {
        let simd = t[0][0].simd();
        // Four rounds add less than 2^52 p each and cost no product for the quotient digit; the last must use the least
        // multiple of p, for what it adds is not divided any further.
        for i in 0..4 {
            for j in 0..5 {
                let limb = simd.splat(Consts::<P>::SHIFTED[j]);
                for k in 0..N {
                    t[k][i + 1 + j] = t[k][i + 1 + j].madd_lo(t[k][i], limb);
                }
            }
            for k in 0..N {
                t[k][i + 1] = t[k][i + 1] + t[k][i].shr::<52>();
            }
            for j in 0..5 {
                let limb = simd.splat(Consts::<P>::SHIFTED[j]);
                for k in 0..N {
                    t[k][i + 2 + j] = t[k][i + 2 + j].madd_hi(t[k][i], limb);
                }
            }
        }
        let mut rest = [[simd.zero(); 6]; N];
        for k in 0..N {
            rest[k].copy_from_slice(&t[k][4..]);
        }
        Self::last_round_each(rest)
    }

    /// One round of Montgomery's reduction by the least multiple of `p`, which adds less than `p` to the quotient by `2^52`.
    #[inline(always)]
    fn last_round_each<const N: usize>(mut t: [[W; 6]; N]) -> [Loose8<P>; N] {
        let simd = t[0][0].simd();
        let mut digits = [simd.zero(); N];
        for k in 0..N {
            digits[k] = simd.zero().madd_lo(t[k][0], simd.splat(Consts::<P>::NEGATED_INVERSE));
        }
        // The lowest limb becomes a multiple of 2^52: the next one if its low 52 bits are not zero already.
        for k in 0..N {
            t[k][1] = t[k][1] + (t[k][0] + simd.splat(LOW)).shr::<52>();
        }
        for j in 1..5 {
            let limb = simd.splat(Consts::<P>::P[j]);
            for k in 0..N {
                t[k][j] = t[k][j].madd_lo(digits[k], limb);
            }
        }
        for j in 0..5 {
            let limb = simd.splat(Consts::<P>::P[j]);
            for k in 0..N {
                t[k][j + 1] = t[k][j + 1].madd_hi(digits[k], limb);
            }
        }
        let mut out = [Loose8([simd.zero(); 5], PhantomData); N];
        for k in 0..N {
            out[k].0.copy_from_slice(&t[k][1..]);
        }
        out
    }

    /// `self + other`.
    #[inline(always)]
    pub(crate) fn plus(self, other: impl Into<Loose8<P>>) -> Loose8<P> {
        Loose8(self.0, PhantomData).plus(other)
    }

    /// `self - other + K p`.
    #[inline(always)]
    pub(crate) fn minus<const K: usize>(self, other: impl Into<Loose8<P>>) -> Loose8<P> {
        Loose8(self.0, PhantomData).minus::<K>(other)
    }

    /// In lane `k`, the element of lane `from[k]`.
    #[inline(always)]
    pub(crate) fn look_up(self, from: W) -> Self {
        let mut out = self.0;
        for i in 0..5 {
            out[i] = from.look_up(out[i]);
        }
        Field8(out, PhantomData)
    }

    /// `other` in the lanes of the mask.
    #[inline(always)]
    pub(crate) fn blend(self, mask: Mask, other: Self) -> Self {
        let mut out = self.0;
        for i in 0..5 {
            out[i] = out[i].blend(mask, other.0[i]);
        }
        Field8(out, PhantomData)
    }

    /// Limbs of 52 bits again, after [`Loose8::carry_for_product`].
    #[inline(always)]
    pub(crate) fn cut(mut self) -> Self {
        let low = self.0[0].simd().splat(LOW);
        for i in 0..4 {
            self.0[i] = self.0[i] & low;
        }
        self
    }

    /// The lanes whose low limb is zero.
    #[inline(always)]
    pub(crate) fn low_limb_is_zero(self) -> Mask {
        self.0[0].equal(self.0[0].simd().zero())
    }

    /// Where the two may be congruent, if they differ by less than `2 p`: all lanes where they are, and another lane only by
    /// a chance of `2^-50`.
    #[inline(always)]
    pub(crate) fn maybe_congruent(self, other: Self) -> Mask {
        let simd = self.0[0].simd();
        let difference = (self.0[0] - other.0[0]) & simd.splat(LOW);
        let p = Consts::<P>::P[0];
        difference.equal(simd.zero())
            | difference.equal(simd.splat(p))
            | difference.equal(simd.splat(p.wrapping_neg() & LOW))
    }

    /// The representative below `p`, of elements below `7 p`.
    #[inline(always)]
    pub(crate) fn canonical(self) -> Self {
        let reduced = Loose8::<P>(self.0, PhantomData).reduce();
        let less = reduced.minus_exact(Self::multiple::<1>(self.0[0].simd()));
        less.blend(less.0[4].negative(), reduced)
    }

    #[inline(always)]
    fn minus_exact(self, other: [W; 5]) -> Self {
        let mut out = self.0;
        for i in 0..5 {
            out[i] = out[i] - other[i];
        }
        Loose8(out, PhantomData).carry()
    }

    /// `p - self` for canonical elements.
    #[inline(always)]
    pub(crate) fn negate_canonical(self) -> Self {
        Field8(Self::multiple::<1>(self.0[0].simd()), PhantomData).minus_exact(self.0)
    }

    /// The lanes where canonical elements are above `(p - 1) / 2`.
    #[inline(always)]
    pub(crate) fn above_half(self) -> Mask {
        let twice = self.plus(self).carry();
        Field8::<P>(Self::multiple::<1>(self.0[0].simd()), PhantomData)
            .minus_exact(twice.0)
            .0[4]
            .negative()
    }

    /// `self - 1`, for elements that are not zero.
    #[inline(always)]
    pub(crate) fn minus_one(self) -> Self {
        let mut out = self.0;
        out[0] = out[0] - out[0].simd().splat(1);
        Loose8(out, PhantomData).carry()
    }

    /// The lanes that are exactly zero: not merely congruent to it.
    #[inline(always)]
    pub(crate) fn is_zero(self) -> Mask {
        let l = self.0;
        let any = l[0] | l[1] | l[2] | l[3] | l[4];
        any.equal(any.simd().zero())
    }
}
