//! The one map between signed integers and the scalar field.
//!
//! A signed value `v` stands for `v mod r`; since every honest value is far below `r / 2` in size, the map is one to one on
//! what a statement may hold. Everything that encodes or decodes a signed value goes through here.

use ark_bn254::Fr;
use ark_ff::{Field, One, PrimeField};

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

/// `sum_{i < m} q^i`.
pub fn geometric(q: Fr, m: usize) -> Fr {
    match (q - Fr::one()).inverse() {
        Some(inv) => (q.pow([m as u64]) - Fr::one()) * inv,
        None => Fr::from(m as u64),
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
    fn geometric_sums_match_term_by_term() {
        for q in [Fr::one(), Fr::from(7u64), -Fr::one(), Fr::zero()] {
            for m in 0..6 {
                assert_eq!(geometric(q, m), (0..m as u64).map(|i| q.pow([i])).sum::<Fr>());
            }
        }
    }
}
