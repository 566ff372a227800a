//! The constraints at one point: what the verifier evaluates, and the prover at a few points.

use ark_bn254::Fr;
use ark_ff::{FftField, Field, One, Zero};

use super::{
    cs::ConstraintSystem,
    expr::{Expr, Leaves},
};

/// `sum_i alpha^(k-1-i) gate_i` over the `k` gates, as one expression.
pub fn combined(cs: &ConstraintSystem, alpha: Fr) -> Expr {
    cs.gates
        .iter()
        .fold(Expr::int(0), |acc, gate| acc * Expr::Const(alpha) + gate.expr.clone())
}

/// A primitive root of unity of order `n`, a power of two of at most 2^28.
pub fn root_of_unity(n: usize) -> Fr {
    Fr::get_root_of_unity(n as u64).unwrap_or(Fr::one())
}

/// Values of all columns at one point.
#[derive(Clone, Debug)]
pub struct At {
    /// Advice columns.
    pub advice: Vec<Fr>,
    /// Advice columns one row back; zero for columns that are not rotated.
    pub prev: Vec<Fr>,
    /// Fixed columns.
    pub fixed: Vec<Fr>,
    /// The point.
    pub x: Fr,
    /// `L_0` there.
    pub first: Fr,
}

impl Leaves for At {
    fn fixed(&self, column: usize) -> Fr {
        self.fixed[column]
    }
    fn advice(&self, column: usize) -> Fr {
        self.advice[column]
    }
    fn prev(&self, column: usize) -> Fr {
        self.prev[column]
    }
    fn x(&self) -> Fr {
        self.x
    }
    fn first(&self) -> Fr {
        self.first
    }
}

/// `L_0(x)` anywhere outside of `H`; `None` in it.
pub fn lagrange_first_at(x: Fr, n: usize) -> Option<Fr> {
    let z_h = x.pow([n as u64]) - Fr::one();
    if z_h.is_zero() {
        return None;
    }
    (Fr::from(n as u64) * (x - Fr::one())).inverse().map(|i| i * z_h)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::geometric;

    #[test]
    fn first_lagrange_polynomial_is_a_geometric_sum() {
        let (x, n) = (Fr::from(1234567u64), 32);
        let expected = geometric(x, n) * Fr::from(n as u64).inverse().unwrap_or_default();
        assert_eq!(lagrange_first_at(x, n), Some(expected));
        assert_eq!(lagrange_first_at(root_of_unity(n), n), None);
    }
}
