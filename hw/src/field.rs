//! Prime fields as the hardware computes in them: Montgomery form with `R = 2^255` and lazily reduced representatives.
//!
//! A field element is any non-negative integer of its residue class within the bound that each signal states, never only
//! the canonical one. `R` is five limbs of 51 bits: 51 = 3 * 17 and 52 = 2 * 26, so a limb product fills 2 x 3 DSP
//! multipliers of 26 x 17 bits (27 x 18 signed) without a remainder.

use num_bigint::BigUint;

/// Bits of a limb.
pub const LIMB_BITS: usize = 51;
/// Limbs of an operand.
pub const LIMBS: usize = 5;
/// `log2 R`, and the width of a multiplier's operands.
pub const R_BITS: usize = LIMB_BITS * LIMBS;
/// The small reduction looks its quotient up by the bits from here on.
pub const QUOTIENT_SHIFT: usize = 251;
/// The small reduction takes values below this many times the modulus.
pub const MULTIPLES: usize = 64;
/// Width of the small reduction's operand.
pub const WIDE_BITS: usize = 260;
/// Width of a field element between blocks.
pub const WIDTH: usize = 256;

/// A prime field.
#[derive(Clone, Debug)]
pub struct Field {
    name: &'static str,
    modulus: BigUint,
    neg_inv: BigUint,
}

impl Field {
    /// The base field of BN254, over which the points of G1 have their coordinates.
    #[must_use]
    pub fn fq() -> Self {
        Self::new(
            "Fq",
            [
                0x3c20_8c16_d87c_fd47,
                0x9781_6a91_6871_ca8d,
                0xb850_45b6_8181_585d,
                0x3064_4e72_e131_a029,
            ],
        )
    }

    /// The scalar field of BN254.
    #[must_use]
    pub fn fr() -> Self {
        Self::new(
            "Fr",
            [
                0x43e1_f593_f000_0001,
                0x2833_e848_79b9_7091,
                0xb850_45b6_8181_585d,
                0x3064_4e72_e131_a029,
            ],
        )
    }

    fn new(name: &'static str, limbs: [u64; 4]) -> Self {
        let modulus = from_limbs(&limbs);
        let neg_inv = inverse_of_negative(&modulus, R_BITS);
        Self { name, modulus, neg_inv }
    }

    /// `Fq` or `Fr`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The prime `p`.
    #[must_use]
    pub fn modulus(&self) -> &BigUint {
        &self.modulus
    }

    /// `-1/p mod R`.
    #[must_use]
    pub fn neg_inv(&self) -> &BigUint {
        &self.neg_inv
    }

    /// What the Montgomery multiplier (`rtl/field/mont_mul.sv`) gives, to the bit: `(a*b + m*p) / R` with
    /// `m = (a*b mod R) * (-1/p) mod R` (Montgomery 1985). Operands are below `R`.
    #[must_use]
    pub fn mont_mul(&self, a: &BigUint, b: &BigUint) -> BigUint {
        let product = a * b;
        let m = low(&(low(&product, R_BITS) * &self.neg_inv), R_BITS);
        (product + m * &self.modulus) >> R_BITS
    }

    /// A bound that [`Field::mont_mul`] stays below when its operands are below `a` and `b`.
    #[must_use]
    pub fn mont_mul_bound(&self, a: &BigUint, b: &BigUint) -> BigUint {
        // (ab + (R-1)p) / R, rounded up and made exclusive
        ((a * b + ((one() << R_BITS) - one()) * &self.modulus) >> R_BITS) + one()
    }

    /// What the small reduction (`rtl/field/reduce_small.sv`) gives, to the bit: `v - q*p` with the quotient looked up by
    /// the top bits of `v`, for `v < 64 p`.
    #[must_use]
    pub fn reduce_small(&self, v: &BigUint) -> BigUint {
        let top = u64::try_from(v >> QUOTIENT_SHIFT).unwrap_or(u64::MAX);
        v - BigUint::from(self.quotient(top)) * &self.modulus
    }

    /// The quotient that the small reduction looks up: `floor(top * 2^251 / p)`, at most 63.
    #[must_use]
    pub fn quotient(&self, top: u64) -> u64 {
        let quotient = (BigUint::from(top) << QUOTIENT_SHIFT) / &self.modulus;
        u64::try_from(quotient).unwrap_or(u64::MAX).min(MULTIPLES as u64 - 1)
    }

    /// The bound that [`Field::reduce_small`] stays below: `p + 2^251`, 1.166 p.
    #[must_use]
    pub fn reduced_bound(&self) -> BigUint {
        &self.modulus + (one() << QUOTIENT_SHIFT)
    }
}

/// `-1/p mod 2^bits` for an odd `p`, by Newton's iteration.
fn inverse_of_negative(p: &BigUint, bits: usize) -> BigUint {
    let modulus = one() << bits;
    let two = BigUint::from(2u8);
    let mut inverse = one();
    let mut right = 1;
    while right < bits {
        right *= 2;
        let error = low(&(p * &inverse), bits);
        inverse = low(&(inverse * (&modulus + &two - error)), bits);
    }
    modulus - inverse
}

/// The integer with these 64-bit limbs, least significant first.
#[must_use]
pub fn from_limbs(limbs: &[u64]) -> BigUint {
    limbs.iter().rev().fold(BigUint::ZERO, |n, &limb| (n << 64) + limb)
}

/// The low `bits` bits.
#[must_use]
pub fn low(n: &BigUint, bits: usize) -> BigUint {
    n & ((one() << bits) - one())
}

pub(crate) fn one() -> BigUint {
    BigUint::from(1u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> [Field; 2] {
        [Field::fq(), Field::fr()]
    }

    #[test]
    fn moduli_are_those_of_arkworks() {
        use ark_ff::PrimeField;
        assert_eq!(Field::fq().modulus, BigUint::from(ark_bn254::Fq::MODULUS));
        assert_eq!(Field::fr().modulus, BigUint::from(ark_bn254::Fr::MODULUS));
    }

    #[test]
    fn the_negative_inverse_is_one() {
        for field in fields() {
            let r = one() << R_BITS;
            assert_eq!((&field.modulus * &field.neg_inv + one()) % r, BigUint::ZERO);
        }
    }

    #[test]
    fn products_are_right_modulo_p_and_below_their_bound() {
        for field in fields() {
            let p = &field.modulus;
            let max = (one() << R_BITS) - one();
            for a in [BigUint::ZERO, one(), p - one(), p + one(), max.clone()] {
                for b in [BigUint::ZERO, one(), p.clone(), max.clone()] {
                    let y = field.mont_mul(&a, &b);
                    assert_eq!((&y << R_BITS) % p, (&a * &b) % p);
                    assert!(y < field.mont_mul_bound(&(&a + one()), &(&b + one())));
                }
            }
        }
    }

    /// Every interval of the quotient table at both of its ends.
    #[test]
    fn the_small_reduction_is_right_for_every_quotient() {
        for field in fields() {
            let (p, bound) = (&field.modulus, field.reduced_bound());
            let limit = p * BigUint::from(MULTIPLES);
            for top in 0u64..1 << (WIDE_BITS - QUOTIENT_SHIFT) {
                for v in [
                    BigUint::from(top) << QUOTIENT_SHIFT,
                    (BigUint::from(top + 1) << QUOTIENT_SHIFT) - one(),
                ] {
                    if v < limit {
                        let y = field.reduce_small(&v);
                        assert!(y < bound && (&v - &y) % p == BigUint::ZERO);
                    }
                }
            }
        }
    }
}
