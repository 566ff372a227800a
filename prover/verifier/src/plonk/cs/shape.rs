//! What a constraint system depends on.

use serde::{Deserialize, Serialize};

use crate::fixed::Limbs;

/// The largest number of read ports.
pub const MAX_PORTS: usize = 2;

/// Everything that the constraint system depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Limbs of a slot; their width is also `log2` of the number of rows, since the range table is the whole column.
    pub limbs: Limbs,
    /// Slots side by side in a row.
    pub lanes: usize,
    /// Reads of linear layers side by side in a row; one where there are products, of values or of matrices.
    pub ports: usize,
    /// Whether any row is a ReLU.
    pub relu: bool,
    /// Whether any window closes with a ReLU.
    pub pool_relu: bool,
    /// Whether any window closes signed.
    pub pool_signed: bool,
    /// Whether any row is a floor.
    pub floor: bool,
    /// Whether any row is a product that is rounded.
    pub product: bool,
    /// Whether any row is a raw product.
    pub raw: bool,
    /// Whether any layer is a product of matrices.
    pub matmul: bool,
    /// Number of functions that are looked up.
    pub functions: usize,
    /// Whether a column of its own commits to the input.
    pub committed_input: bool,
    /// Whether a column of its own commits to the output.
    pub committed_output: bool,
    /// Whether proofs reveal nothing of the weights ([`super::super::fold`], "Hidden weights").
    pub hidden_weights: bool,
    /// Whether the input is hashed.
    pub hashed_input: bool,
    /// Whether the output is hashed.
    pub hashed_output: bool,
}

impl Shape {
    /// Whether rows multiply two values that they read.
    pub fn products(&self) -> bool {
        self.product || self.raw
    }

    /// Whether there can be one read port only: what products multiply stands in their own rows.
    pub fn one_port(&self) -> bool {
        self.products() || self.matmul
    }

    /// Whether rows hash.
    pub fn hashes(&self) -> bool {
        self.hashed_input || self.hashed_output
    }

    /// How many values linear layers can read: read `r` is in port `r / n`, row `r % n`.
    pub fn reads(&self) -> usize {
        self.ports * self.n()
    }

    /// Number of rows.
    pub fn n(&self) -> usize {
        1 << self.limbs.bits
    }

    /// `log2` of the number of rows.
    pub fn log_n(&self) -> u32 {
        self.limbs.bits
    }

    /// The id under which the bus carries the slot at `row` and `lane`. Id 0 is the range table's.
    pub fn slot_id(&self, row: usize, lane: usize) -> u64 {
        (lane * self.n() + row + 1) as u64
    }

    /// The first id that no slot has; the verifier's own values are numbered from here.
    pub fn first_free_id(&self) -> u64 {
        (self.lanes * self.n() + 1) as u64
    }
}
