//! What a constraint system depends on.

use serde::{Deserialize, Serialize};

use crate::model::{
    Limbs,
    program::{Act, Composite},
};

/// Everything that the constraint system depends on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Limbs of a slot; their width is also `log2` of the number of rows, since the range table is the whole column.
    pub limbs: Limbs,
    /// Slots side by side in a row.
    pub lanes: usize,
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
}

impl Shape {
    /// The shape that has the kinds of rows that layers of these kinds take.
    pub fn new(limbs: Limbs, lanes: usize, acts: impl IntoIterator<Item = Act>, functions: usize) -> Self {
        let mut shape = Self {
            limbs,
            lanes,
            relu: false,
            pool_relu: false,
            pool_signed: false,
            floor: false,
            product: false,
            raw: false,
            matmul: false,
            functions,
        };
        for act in acts {
            match act {
                Act::Requant | Act::Zero | Act::Advice(_) | Act::Function(_) => {}
                Act::Relu | Act::Composite(Composite::Negative) => shape.relu = true,
                Act::MaxPool { relu: true } => shape.pool_relu = true,
                Act::MaxPool { relu: false } => shape.pool_signed = true,
                Act::Floor => shape.floor = true,
                Act::Product { .. } => shape.product = true,
                Act::RawProduct => shape.raw = true,
                Act::MatMul { .. } => shape.matmul = true,
                Act::Composite(_) => (shape.floor, shape.raw) = (true, true),
            }
        }
        shape
    }

    /// Whether rows have a second read port.
    pub fn products(&self) -> bool {
        self.product || self.raw
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
