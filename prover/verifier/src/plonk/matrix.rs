//! Products of two matrices of activations, in the linear argument.
//!
//! For each batch index `b` and inner index `k` the reads hold one *segment*: column `k` of the left matrix, row `k` of
//! the right one, and a row of zero that keeps segments apart. Along the segment runs the column `S`:
//!
//! - over the left part it adds up `C x`, with `C = factor rho^(off + i) s_0^b` at row `i`: at the end it is the left column's
//!   random combination;
//! - over the right part it is multiplied by `s_1` from row to row: at column `j` it is that combination times `s_1^(j + 1)`, the
//!   coefficient with which the right matrix's element takes part in the global sum.
//!
//! So all segments together contribute `sum rho^(off + i) s_0^b s_1^(j + 1) factor sum_k left right`, against the outputs'
//! monomials. `C` is public as everywhere, and checked by its checksum; `S` depends on the witness, is forced by a gate, and is
//! blinded.

use ark_bn254::Fr;
use ark_ff::Field;
use serde::{Deserialize, Serialize};

use super::linear::{LinearLayer, Point};
use crate::field::{geometric, signed};

/// Where the operands of a product of matrices are read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Matrices {
    /// The first row of the first segment.
    pub row: usize,
    /// Number of products.
    pub batch: usize,
    /// Rows of the left matrices.
    pub rows: usize,
    /// Columns of the left matrices, rows of the right ones.
    pub inner: usize,
    /// Columns of the right matrices.
    pub columns: usize,
    /// What the products are multiplied by.
    pub factor: i64,
}

impl Matrices {
    /// Rows of one segment.
    pub fn pitch(&self) -> usize {
        self.rows + self.columns + 1
    }

    /// The first rows of the segments, ascending: `k` inner, `b` outer.
    pub fn segments(&self) -> impl Iterator<Item = usize> + use<> {
        let (row, pitch) = (self.row, self.pitch());
        (0..self.batch * self.inner).map(move |i| row + i * pitch)
    }

    /// What the left parts' coefficients add to the checksum of column `C`.
    fn checksum(&self, layer: &LinearLayer, at: &Point, eta: Fr) -> Fr {
        let pitch = eta.pow([self.pitch() as u64]);
        let batches = geometric(at.s[0] * pitch.pow([self.inner as u64]), self.batch);
        let segments = geometric(pitch, self.inner);
        let channels = geometric(at.rho * eta, self.rows);
        let first = at.rho.pow([layer.offset as u64]) * eta.pow([self.row as u64]);
        signed(self.factor) * first * batches * segments * channels
    }
}

/// The part of (L2)'s right side that comes from products of matrices: weights have no part in it.
pub fn checksum(layers: &[LinearLayer], at: &Point, eta: Fr) -> Fr {
    let matrices = layers
        .iter()
        .filter_map(|layer| Some((layer, layer.matrices.as_ref()?)));
    matrices.map(|(layer, m)| m.checksum(layer, at, eta)).sum()
}
