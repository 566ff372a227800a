//! The one map between signed integers and the scalar field.
//!
//! A signed value `v` stands for `v mod r`; since every honest value is far below `r / 2` in size, the map is one to one on
//! what a statement may hold. Everything that encodes or decodes a signed value goes through here.

use ark_ff::{Field, One, PrimeField};
use rand::RngCore;
use tapeout_driver::{Fr, kernels};

/// The field element that stands for `v`.
pub fn signed(v: i64) -> Fr {
    let magnitude = Fr::from(v.unsigned_abs());
    if v < 0 { -magnitude } else { magnitude }
}

/// The signed integer that `v` stands for, if it is one of 63 bits or fewer.
pub fn to_signed(v: Fr) -> Option<i64> {
    let small = |v: Fr| {
        let limbs = v.into_bigint().0;
        (limbs[1..] == [0, 0, 0])
            .then(|| i64::try_from(limbs[0]).ok())
            .flatten()
    };
    small(v).or_else(|| small(-v).map(|m| -m))
}

/// A uniform field element: 512 random bits reduced, so that the bias is below `2^-256`.
pub fn random(rng: &mut impl RngCore) -> Fr {
    let mut bytes = [0u8; 64];
    rng.fill_bytes(&mut bytes);
    Fr::from_le_bytes_mod_order(&bytes)
}

/// `1, base, base^2, ...`, `n` of them.
pub fn powers(base: Fr, n: usize) -> Vec<Fr> {
    kernels::powers(Fr::one(), base, n)
}

/// `sum_{i < m} q^i`.
pub fn geometric(q: Fr, m: usize) -> Fr {
    match (q - Fr::one()).inverse() {
        Some(inv) => (q.pow([m as u64]) - Fr::one()) * inv,
        None => Fr::from(m as u64),
    }
}

/// `sum_i coefficients[i] * x^i`.
pub fn horner(coefficients: &[Fr], x: Fr) -> Fr {
    kernels::evaluate(coefficients, x)
}

/// `sum weight_i * x_i` for weights of 64 bits, reduced once at the end: a quarter of the cost of as many field products.
///
/// Positive and negative weights are summed apart, as integers of 384 bits; the sum of all `|weight|` must be below `2^128`,
/// which `2^64` terms cannot exceed.
#[derive(Clone, Copy, Debug, Default)]
pub struct SmallSum {
    positive: [u64; 6],
    negative: [u64; 6],
}

impl SmallSum {
    /// Adds `weight * x`.
    #[inline]
    pub fn add(&mut self, weight: i64, x: &Fr) {
        let sum = if weight < 0 {
            &mut self.negative
        } else {
            &mut self.positive
        };
        let weight = u128::from(weight.unsigned_abs());
        let mut carry = 0u128;
        // The Montgomery form is linear, so that it can be summed as it is.
        for (word, limb) in sum.iter_mut().zip(x.0.0) {
            let t = weight * u128::from(limb) + u128::from(*word) + carry;
            *word = t as u64;
            carry = t >> 64;
        }
        let high = (u128::from(sum[5]) << 64 | u128::from(sum[4])) + carry;
        (sum[4], sum[5]) = (high as u64, (high >> 64) as u64);
    }

    /// The sum.
    pub fn finish(&self) -> Fr {
        let reduce = |words: &[u64; 6]| {
            let bytes: Vec<u8> = words.iter().flat_map(|w| w.to_le_bytes()).collect();
            Fr::from_le_bytes_mod_order(&bytes)
        };
        // What was summed is R times the sum, R the Montgomery radix.
        let radix_inverse = Fr::new_unchecked(ark_ff::BigInt::one());
        (reduce(&self.positive) - reduce(&self.negative)) * radix_inverse
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ark_ff::Zero;

    use super::*;

    #[test]
    fn signed_values_round_trip() {
        for v in [0, 1, -1, 5, -5, i64::MAX, -i64::MAX, 1 << 40, -(1 << 40)] {
            assert_eq!(to_signed(signed(v)), Some(v));
        }
    }

    #[test]
    fn a_field_element_that_is_no_small_integer_is_refused() {
        assert_eq!(to_signed(Fr::from(3u64).inverse().unwrap()), None);
        assert_eq!(to_signed(Fr::from(u64::MAX)), None);
        assert_eq!(to_signed(Fr::from(1u128 << 64)), None);
    }

    #[test]
    fn sums_with_small_weights_match_field_products() {
        use ark_ff::UniformRand;
        let rng = &mut ark_std::test_rng();
        for weights in [
            vec![],
            vec![0],
            vec![i64::MIN, i64::MAX],
            vec![-1; 1000],
            (-500..500).map(|w| w << 40).collect(),
        ] {
            let mut sum = SmallSum::default();
            let mut expected = Fr::zero();
            for w in weights {
                let x = if w % 3 == 0 { -Fr::one() } else { Fr::rand(rng) };
                sum.add(w, &x);
                expected += signed(w) * x;
            }
            assert_eq!(sum.finish(), expected);
        }
    }

    #[test]
    fn geometric_sums_match_term_by_term() {
        for q in [Fr::one(), Fr::from(7u64), -Fr::one(), Fr::zero()] {
            for m in 0..6 {
                assert_eq!(geometric(q, m), powers(q, m).iter().sum::<Fr>());
            }
        }
    }
}
