//! The primes, what follows from them, and constant factors.

use std::marker::PhantomData;

use ark_bn254::{Fq, Fr};
use ark_ff::{BigInt, PrimeField};

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
pub(super) const fn scale(limbs: [u64; 5], factor: u64) -> [u64; 6] {
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
    pub(super) const COMPLEMENT: [u64; 5] = {
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
    pub(super) const NEGATED_INVERSE: u64 = {
        let (mut x, mut i) = (1u64, 0);
        while i < 6 {
            x = x.wrapping_mul(2u64.wrapping_sub(Self::P[0].wrapping_mul(x)));
            i += 1;
        }
        x.wrapping_neg() & LOW
    };

    /// `(m p + 1) / 2^52` with `m = -1 / p mod 2^52`. As `m p = -1 mod 2^52`, adding `t m p` clears a lowest limb `t`: the
    /// limb is its own quotient digit, and what is added above it is `t` times this.
    pub(super) const SHIFTED: [u64; 5] = {
        let scaled = scale(Self::P, Self::NEGATED_INVERSE);
        assert!(scaled[0] == LOW && scaled[1] < LOW);
        [scaled[1] + 1, scaled[2], scaled[3], scaled[4], scaled[5]]
    };

    /// `MULTIPLES[i][k]` is limb `i` of `k p`.
    pub(super) const MULTIPLES: [[u64; 8]; 5] = {
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
    pub(super) const QUOTIENT: u64 = ((1u128 << 72) / (Self::P[4] as u128 + (1 << 22))) as u64;
}

/// A constant factor `w`, as what makes products by it cheap: limb `i` of a value is multiplied by `w 2^(52 (i + 1)) mod p`, and the sum of
/// these five products takes one round of Montgomery's reduction.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Factor(pub(super) [[u64; 5]; 5]);

impl Factor {
    pub(crate) fn new(factor: Fr) -> Factor {
        const LIMB: [u64; 4] = [1 << 52, 0, 0, 0];
        const STEP: Fr = Fr::new(BigInt(LIMB));
        // Arkworks' form of the product is 2^52 w.
        let mut multiple = factor * Fr::new_unchecked(BigInt(LIMB));
        Factor([(); 5].map(|()| {
            let limbs = split(multiple.0.0);
            multiple *= STEP;
            limbs
        }))
    }
}
