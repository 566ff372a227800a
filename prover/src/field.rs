//! Arithmetic on the scalar field: the map between signed integers and it ([`tapeout_verifier::field`]), and what provers need.

use ark_ff::{BigInt, BigInteger, One, PrimeField};
use rand::RngCore;
use tapeout_driver::{Fr, kernels};

pub use tapeout_verifier::field::*;

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
        // What was summed are Montgomery forms, R x: words above R are the form of the integer that they are themselves.
        let reduce = |words: &[u64; 6]| {
            let [w0, w1, w2, w3, w4, w5] = *words;
            let mut low = BigInt([w0, w1, w2, w3]);
            while low >= Fr::MODULUS {
                low.sub_with_borrow(&Fr::MODULUS);
            }
            Fr::new_unchecked(low) + Fr::from(u128::from(w5) << 64 | u128::from(w4))
        };
        reduce(&self.positive) - reduce(&self.negative)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ark_ff::Zero;

    use super::*;

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
}
