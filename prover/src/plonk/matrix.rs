//! The columns of products of matrices ([`tapeout_verifier::plonk::matrix`]), from the witness and the challenges.

use ark_ff::{Field, Zero};
use tapeout_driver::Fr;

pub use tapeout_verifier::plonk::matrix::*;

use super::linear::{LinearLayer, Point};
use crate::field::{powers, signed};

/// Adds the left parts' coefficients to column `C`.
pub(super) fn coefficients(m: &Matrices, layer: &LinearLayer, at: &Point, c: &mut [Fr]) {
    let channels = powers(at.rho, m.rows);
    let mut batch = signed(m.factor) * at.rho.pow([layer.offset as u64]);
    for (i, row) in m.segments().enumerate() {
        if i > 0 && i % m.inner == 0 {
            batch *= at.s[0];
        }
        c[row..].iter_mut().zip(&channels).for_each(|(c, rho)| *c = batch * rho);
    }
}

/// Column `S`, from `C` and the reads.
pub(super) fn running_sums(layers: &[LinearLayer], c: &[Fr], x: &[Fr], at: &Point) -> Vec<Fr> {
    let mut s = vec![Fr::zero(); c.len()];
    for m in layers.iter().filter_map(|l| l.matrices.as_ref()) {
        for row in m.segments() {
            let (left, right) = (row..row + m.rows, row + m.rows..row + m.rows + m.columns);
            let mut sum = Fr::zero();
            for j in left {
                sum += c[j] * x[j];
                s[j] = sum;
            }
            for j in right {
                sum *= at.s[1];
                s[j] = sum;
            }
        }
    }
    s
}
