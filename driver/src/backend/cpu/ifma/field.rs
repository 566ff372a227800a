//! BN254's two fields, eight elements at a time: five limbs of 52 bits, Montgomery form with `R = 2^260`.
//!
//! `R` exceeds `84 p`, so a product of operands `a` and `b` is below `a b / R + 2 p` and its operands need not be reduced: a
//! few multiples of `p` more or less in either leave the product below `3 p`. Only results that are stored are reduced.

use std::marker::PhantomData;

use ark_bn254::{Fq, Fr};
use ark_ff::PrimeField;

use super::lane::{Mask, Simd, W};

/// The low 52 bits.
pub(crate) const LOW: u64 = (1 << 52) - 1;

/// A prime of 254 bits, below `2^260 / 84`.
pub(crate) trait Prime: Copy + 'static {
    /// The prime, lowest word first.
    const WORDS: [u64; 4];
}

/// The base field's prime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Base;

impl Prime for Base {
    const WORDS: [u64; 4] = Fq::MODULUS.0;
}

/// The scalar field's prime.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scalar;

impl Prime for Scalar {
    const WORDS: [u64; 4] = Fr::MODULUS.0;
}

/// The limbs of an integer below `2^256`.
pub(crate) const fn split(w: [u64; 4]) -> [u64; 5] {
    [
        w[0] & LOW,
        (w[0] >> 52 | w[1] << 12) & LOW,
        (w[1] >> 40 | w[2] << 24) & LOW,
        (w[2] >> 28 | w[3] << 36) & LOW,
        w[3] >> 16,
    ]
}

/// The six limbs of `limbs * factor`.
const fn scale(limbs: [u64; 5], factor: u64) -> [u64; 6] {
    let (mut out, mut carry, mut i) = ([0; 6], 0u128, 0);
    while i < 5 {
        carry += limbs[i] as u128 * factor as u128;
        out[i] = carry as u64 & LOW;
        carry >>= 52;
        i += 1;
    }
    out[5] = carry as u64;
    out
}

/// What follows from a prime.
pub(crate) struct Consts<P>(PhantomData<P>);

impl<P: Prime> Consts<P> {
    /// The prime.
    pub(crate) const P: [u64; 5] = split(P::WORDS);

    /// `2^260 - p`.
    const COMPLEMENT: [u64; 5] = {
        let (mut out, mut carry, mut i) = ([0; 5], 1, 0);
        while i < 5 {
            let limb = (Self::P[i] ^ LOW) + carry;
            out[i] = limb & LOW;
            carry = limb >> 52;
            i += 1;
        }
        out
    };

    /// `-1 / p mod 2^52`, by Newton's iteration.
    const NEGATED_INVERSE: u64 = {
        let (mut x, mut i) = (1u64, 0);
        while i < 6 {
            x = x.wrapping_mul(2u64.wrapping_sub(Self::P[0].wrapping_mul(x)));
            i += 1;
        }
        x.wrapping_neg() & LOW
    };

    /// `(m p + 1) / 2^52` with `m = -1 / p mod 2^52`. As `m p = -1 mod 2^52`, adding `t m p` clears a lowest limb `t`: the
    /// limb is its own quotient digit, and what is added above it is `t` times this.
    const SHIFTED: [u64; 5] = {
        let scaled = scale(Self::P, Self::NEGATED_INVERSE);
        assert!(scaled[0] == LOW && scaled[1] < LOW);
        [scaled[1] + 1, scaled[2], scaled[3], scaled[4], scaled[5]]
    };

    /// `MULTIPLES[i][k]` is limb `i` of `k p`.
    const MULTIPLES: [[u64; 8]; 5] = {
        let (mut table, mut k) = ([[0; 8]; 5], 0);
        while k < 8 {
            let (multiple, mut i) = (scale(Self::P, k as u64), 0);
            while i < 5 {
                table[i][k] = multiple[i];
                i += 1;
            }
            k += 1;
        }
        table
    };

    /// `floor(2^72 / (top limb of p + 2^22))`: times a top limb without its lowest 20 bits, over `2^52`, this is the
    /// quotient by `p`, or less by a fraction of `2^-18`.
    const QUOTIENT: u64 = ((1u128 << 72) / (Self::P[4] as u128 + (1 << 22))) as u64;
}

/// A constant factor, with what makes products by it cheap (Shoup's method): `floor(factor * 2^260 / p)`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Factor {
    factor: [u64; 5],
    quotient: [u64; 5],
}

impl Factor {
    pub(crate) fn new(factor: Fr) -> Factor {
        type C = Consts<Scalar>;
        // factor 2^260 = quotient p + rest, so modulo 2^260 the quotient is -rest / p: what Montgomery's reduction of the
        // rest, which arkworks' form of 16 factor is, takes for its digits.
        let (mut rest, mut quotient) = ([0; 10], [0; 5]);
        rest[..5].copy_from_slice(&split((factor * Fr::from(16u64)).0.0));
        for i in 0..5 {
            quotient[i] = rest[i].wrapping_mul(C::NEGATED_INVERSE) & LOW;
            let mut carry = 0;
            for j in 0..5 {
                let sum = u128::from(rest[i + j]) + u128::from(quotient[i]) * u128::from(C::P[j]) + carry;
                rest[i + j] = sum as u64 & LOW;
                carry = sum >> 52;
            }
            rest[i + 5] += carry as u64;
        }
        Factor {
            factor: split(factor.into_bigint().0),
            quotient,
        }
    }
}

/// Eight field elements with limbs below `2^52`. How large the elements are is for the caller to know.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Field8<P>([W; 5], PhantomData<P>);

/// Eight field elements with limbs of 64 bits and a sign, before their carries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loose8<P>([W; 5], PhantomData<P>);

impl<P: Prime> Field8<P> {
    #[inline(always)]
    pub(crate) fn zero(simd: Simd) -> Self {
        Field8([simd.zero(); 5], PhantomData)
    }

    /// The elements `k p`.
    #[inline(always)]
    fn multiple<const K: usize>(simd: Simd) -> [W; 5] {
        let mut out = [simd.zero(); 5];
        for (out, row) in out.iter_mut().zip(&Consts::<P>::MULTIPLES) {
            *out = simd.splat(row[K]);
        }
        out
    }

    /// The same element, given by its words, in every lane.
    #[inline(always)]
    pub(crate) fn splat(simd: Simd, words: [u64; 4]) -> Self {
        let mut out = [simd.zero(); 5];
        for (out, limb) in out.iter_mut().zip(split(words)) {
            *out = simd.splat(limb);
        }
        Field8(out, PhantomData)
    }

    /// From four words of each element, lowest first.
    #[inline(always)]
    pub(crate) fn from_words(w: [W; 4]) -> Self {
        let low = w[0].simd().splat(LOW);
        let limbs = [
            w[0] & low,
            w[0].funnel::<52>(w[1]) & low,
            w[1].funnel::<40>(w[2]) & low,
            w[2].funnel::<28>(w[3]) & low,
            w[3].shr::<16>(),
        ];
        Field8(limbs, PhantomData)
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

    /// The four words of each element; for elements below `2^256`.
    #[inline(always)]
    pub(crate) fn to_words(self) -> [W; 4] {
        let l = self.0;
        [
            l[0] | l[1].shl::<52>(),
            l[1].shr::<12>() | l[2].shl::<40>(),
            l[2].shr::<24>() | l[3].shl::<28>(),
            l[3].shr::<36>() | l[4].shl::<16>(),
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
        let [out] = Self::square_each([self]);
        out
    }

    /// As [`Field8::square`], for several elements in turn.
    #[inline(always)]
    pub(crate) fn square_each<const N: usize>(a: [Self; N]) -> [Self; N] {
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
        for t in &mut t {
            for limb in &mut t[1..9] {
                *limb = *limb + *limb;
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
        for (t, limb) in t.iter_mut().zip(self.0) {
            *t = limb.shl::<4>();
        }
        let [out] = Self::redc_each([t]);
        out
    }

    /// Montgomery's reduction of ten limbs of up to 63 bits.
    #[inline(always)]
    fn redc_each<const N: usize>(mut t: [[W; 10]; N]) -> [Self; N] {
        let simd = t[0][0].simd();
        // Four rounds add less than 2^52 p each and cost no product for the quotient digit; the last must use the least
        // multiple of p, for what it adds is not divided any further.
        for i in 0..4 {
            for (j, &limb) in Consts::<P>::SHIFTED.iter().enumerate() {
                let limb = simd.splat(limb);
                for t in &mut t {
                    t[i + 1 + j] = t[i + 1 + j].madd_lo(t[i], limb);
                }
            }
            for t in &mut t {
                t[i + 1] = t[i + 1] + t[i].shr::<52>();
            }
            for (j, &limb) in Consts::<P>::SHIFTED.iter().enumerate() {
                let limb = simd.splat(limb);
                for t in &mut t {
                    t[i + 2 + j] = t[i + 2 + j].madd_hi(t[i], limb);
                }
            }
        }
        let mut digits = [simd.zero(); N];
        for (digit, t) in digits.iter_mut().zip(&t) {
            *digit = digit.madd_lo(t[4], simd.splat(Consts::<P>::NEGATED_INVERSE));
        }
        // The lowest limb becomes a multiple of 2^52: the next one if its low 52 bits are not zero already.
        for t in &mut t {
            t[5] = t[5] + (t[4] + simd.splat(LOW)).shr::<52>();
        }
        for (j, &limb) in Consts::<P>::P.iter().enumerate() {
            let limb = simd.splat(limb);
            for (t, &digit) in t.iter_mut().zip(&digits) {
                if j > 0 {
                    t[4 + j] = t[4 + j].madd_lo(digit, limb);
                }
            }
        }
        for (j, &limb) in Consts::<P>::P.iter().enumerate() {
            let limb = simd.splat(limb);
            for (t, &digit) in t.iter_mut().zip(&digits) {
                t[5 + j] = t[5 + j].madd_hi(digit, limb);
            }
        }
        let mut out = [Field8([simd.zero(); 5], PhantomData); N];
        for (out, t) in out.iter_mut().zip(&t) {
            *out = Loose8([t[5], t[6], t[7], t[8], t[9]], PhantomData).carry();
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

    /// `other` in the lanes of the mask.
    #[inline(always)]
    pub(crate) fn blend(self, mask: Mask, other: Self) -> Self {
        let mut out = self.0;
        for (out, other) in out.iter_mut().zip(other.0) {
            *out = out.blend(mask, other);
        }
        Field8(out, PhantomData)
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
        for (out, other) in out.iter_mut().zip(other) {
            *out = *out - other;
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
        for (out, other) in self.0.iter_mut().zip(other.0) {
            *out = *out + other;
        }
        self
    }

    /// `self - other + K p`.
    #[inline(always)]
    pub(crate) fn minus<const K: usize>(mut self, other: impl Into<Loose8<P>>) -> Self {
        let other = other.into();
        let multiple = Field8::<P>::multiple::<K>(self.0[0].simd());
        for ((out, other), multiple) in self.0.iter_mut().zip(other.0).zip(multiple) {
            *out = *out - other + multiple;
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
        for (out, other) in self.0.iter_mut().zip(other.0) {
            *out = out.blend(mask, other);
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
        for (limb, &p) in l.iter_mut().zip(&Consts::<P>::P) {
            let p = simd.splat(p);
            *limb = *limb - simd.zero().madd_lo(quotient, p) - high;
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
        for (limb, row) in l.iter_mut().zip(&Consts::<P>::MULTIPLES) {
            *limb = *limb - quotient.look_up(simd.load(row));
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

#[cfg(test)]
mod tests {
    use ark_ff::{BigInt, BigInteger};
    use proptest::prelude::*;

    use super::*;

    /// `k p + offset`.
    fn near(p: [u64; 4], k: u64, offset: i64) -> [u64; 4] {
        let mut out = BigInt::<4>([0; 4]);
        for _ in 0..k {
            out.add_with_carry(&BigInt(p));
        }
        let step = BigInt::from(offset.unsigned_abs());
        if offset < 0 {
            out.sub_with_borrow(&step)
        } else {
            out.add_with_carry(&step)
        };
        out.0
    }

    fn lanes<P: Prime>(simd: Simd, values: [[u64; 4]; 8]) -> Field8<P> {
        let words = [0, 1, 2, 3].map(|i| simd.load(&values.map(|value| value[i])));
        Field8::from_words(words)
    }

    fn words<P: Prime>(element: Field8<P>) -> [[u64; 4]; 8] {
        let words = element.to_words().map(W::lanes);
        [0, 1, 2, 3, 4, 5, 6, 7].map(|k| [0, 1, 2, 3].map(|i| words[i][k]))
    }

    /// The residue of an integer below `2^256`.
    fn residue<F: PrimeField<BigInt = BigInt<4>>>(words: [u64; 4]) -> F {
        words
            .iter()
            .rev()
            .fold(F::ZERO, |sum, &word| sum * F::from(1u128 << 64) + F::from(word))
    }

    fn check<P: Prime, F: PrimeField<BigInt = BigInt<4>>>(a: [[u64; 4]; 8], b: [[u64; 4]; 8]) {
        let Some(simd) = Simd::detect() else { return };
        let shrink = F::from(2u64).pow([260]).inverse().unwrap_or_default();
        let (x, y) = (lanes::<P>(simd, a), lanes::<P>(simd, b));
        assert_eq!(words(x), a);
        // Each of these is below 5.3 p and so canonical() holds it.
        let product = words(x.mul(y).canonical());
        let square = words(x.square().canonical());
        let difference = words(x.canonical().minus::<2>(y.canonical()).reduce().canonical());
        let sum = words(x.canonical().plus(y.canonical()).carry().canonical());
        let factor = words(
            x.canonical()
                .minus::<2>(y.canonical())
                .carry_for_product()
                .mul(y)
                .canonical(),
        );
        let canonical = words(x.canonical());
        let high = x.canonical().above_half();
        let integer = words(x.leave_montgomery().canonical());
        let congruent = x.canonical().maybe_congruent(y.canonical());
        for k in 0..8 {
            let (u, v) = (residue::<F>(a[k]), residue::<F>(b[k]));
            assert_eq!(canonical[k], u.into_bigint().0);
            assert_eq!(product[k], (u * v * shrink).into_bigint().0);
            assert_eq!(square[k], (u * u * shrink).into_bigint().0);
            assert_eq!(integer[k], (u * F::from(16u64) * shrink).into_bigint().0);
            assert_eq!(difference[k], (u - v).into_bigint().0);
            assert_eq!(sum[k], (u + v).into_bigint().0);
            assert_eq!(factor[k], ((u - v) * v * shrink).into_bigint().0);
            assert_eq!(high >> k & 1 == 1, u.into_bigint() > F::MODULUS_MINUS_ONE_DIV_TWO);
            assert!(u != v || congruent >> k & 1 == 1);
        }
    }

    #[test]
    fn edges_of_the_lazy_form() {
        let mut values = vec![
            [1, 0, 0, 0],
            [LOW, 0, 0, 0],
            [0, 0, 0, 1 << 61],
            [u64::MAX; 4],
            [0, u64::MAX, 0, 0],
        ];
        for p in [Base::WORDS, Scalar::WORDS] {
            values.extend((1..=5).flat_map(|k| [-2, -1, 0, 1, 2].map(|offset| near(p, k, offset))));
            let mut half = BigInt(p);
            half.div2();
            values.extend([half.0, near(half.0, 1, 1), [0; 4]]);
        }
        for (i, &a) in values.iter().enumerate() {
            let b = [0, 1, 2, 3, 4, 5, 6, 7].map(|k| values[(i + k) % values.len()]);
            check::<Base, Fq>([a; 8], b);
            check::<Scalar, Fr>(b, [a; 8]);
        }
    }

    proptest! {
        #[test]
        fn arithmetic_is_that_of_the_field(a in any::<[[u64; 4]; 8]>(), b in any::<[[u64; 4]; 8]>()) {
            check::<Base, Fq>(a, b);
            check::<Scalar, Fr>(a, b);
        }
    }
}
