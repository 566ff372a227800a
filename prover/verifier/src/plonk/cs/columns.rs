//! Where the columns are.

use super::HashColumns;

/// Indices of the columns of one lane.
#[derive(Clone, Debug)]
pub struct Lane {
    /// High limbs, low end first.
    pub hi: Vec<usize>,
    /// Low limbs, low end first.
    pub lo: Vec<usize>,
    /// The flag: negative (ReLU), or attained (window).
    pub flag: usize,
    /// The slot's value.
    pub y: usize,
    /// What a function's table holds of the argument's segment.
    pub function: Option<Segment>,
    /// Fixed: how often the value is read.
    pub mu: usize,
}

/// Indices of a lane's columns for a looked-up segment.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// The value at its left end.
    pub value: usize,
    /// How much the value rises over it.
    pub rise: usize,
}

/// Indices of the columns of one read port.
#[derive(Clone, Copy, Debug)]
pub struct Port {
    /// What is read.
    pub x: usize,
    /// Fixed: the id that each row reads.
    pub read_id: usize,
    /// Input coefficients of the linear argument.
    pub c: usize,
}

/// Indices of the columns of products.
#[derive(Clone, Copy, Debug)]
pub struct Products {
    /// The second factors; the first are what the port reads.
    pub x2: usize,
    /// Fixed: the id that it reads.
    pub read_id: usize,
    /// Fixed: what the product is multiplied by; 0 on other rows.
    pub factor: usize,
    /// Fixed selectors.
    pub q_product: Option<usize>,
    /// See [`Products::q_product`].
    pub q_raw: Option<usize>,
}

/// Indices of the columns of functions.
#[derive(Clone, Copy, Debug)]
pub struct Functions {
    /// Fixed selector.
    pub q_function: usize,
    /// Fixed, where there is more than one function: `n` times the function's index.
    pub tag: Option<usize>,
    /// Fixed: the tables' keys, `n` times the function's index added.
    pub key: usize,
    /// Fixed: the tables' values.
    pub value: usize,
    /// Fixed: the tables' rises.
    pub rise: usize,
    /// How often each row of the tables is looked up.
    pub m: usize,
}

/// Indices of the columns of products of matrices.
#[derive(Clone, Copy, Debug)]
pub struct MatrixColumns {
    /// Fixed selectors.
    pub q_left: usize,
    /// See [`MatrixColumns::q_left`].
    pub q_right: usize,
    /// The running sum.
    pub s: usize,
}

/// Indices of the columns of a commitment that stands for itself: element `i` on row `i`, zeros behind.
#[derive(Clone, Copy, Debug)]
pub struct Committed {
    /// The column.
    pub values: usize,
    /// Fixed: the id that each row reads.
    pub read_id: usize,
}

/// Indices of the columns.
#[derive(Clone, Debug)]
pub struct Columns {
    /// Fixed: the range table, `0, 1, ..., n-1`.
    pub table: usize,
    /// Fixed selectors, where the shape has such rows.
    pub q_requant: usize,
    /// See [`Columns::q_requant`].
    pub q_relu: Option<usize>,
    /// See [`Columns::q_requant`].
    pub q_window: Option<usize>,
    /// See [`Columns::q_requant`].
    pub q_first: Option<usize>,
    /// See [`Columns::q_requant`].
    pub q_close_relu: Option<usize>,
    /// See [`Columns::q_requant`].
    pub q_close_signed: Option<usize>,
    /// See [`Columns::q_requant`].
    pub q_floor: Option<usize>,
    /// Products.
    pub products: Option<Products>,
    /// Functions.
    pub functions: Option<Functions>,
    /// Products of matrices.
    pub matrices: Option<MatrixColumns>,
    /// The commitment of the input.
    pub committed_input: Option<Committed>,
    /// The commitment of the output.
    pub committed_output: Option<Committed>,
    /// The hashes of input and output.
    pub hash: Option<HashColumns>,
    /// The lanes.
    pub lanes: Vec<Lane>,
    /// The read ports.
    pub ports: Vec<Port>,
    /// Multiplicities of the range table.
    pub m: usize,
    /// Output coefficients of the linear argument.
    pub e: usize,
    /// Powers of `eta`.
    pub d: usize,
    /// Helpers of the bus, one for two terms; filled in when the system is finished.
    pub helpers: Vec<usize>,
    /// The range table's side of the bus.
    pub table_helper: usize,
    /// The cyclic sum.
    pub phi: usize,
}
