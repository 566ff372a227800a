//! The global linear argument: every linear layer of a network in three sums over the rows.
//!
//! Output channel `o` at position `p` of layer `l` belongs to the monomial `rho^(off_l + o) * prod_d s_d^(p_d)`. Column `E`
//! holds each output's monomial at its row, `C` each read's total coefficient, a column for each port (read `r` is in port `r / n`,
//! row `r % n`), so that `sum_r C_r x_r - sum_j E_j U_j` is a polynomial in `(rho, s)` whose coefficients are
//! `(W x)_{l,o,p} - U_{l,o,p}`: it vanishes at a random point only if every layer is right (L1). That `C` and `E` are what they
//! should be is one more evaluation each, at a random `eta`: `sum_j eta^j E_j = K` (L3) and `sum_r eta^r C_r = kappa` (L2). Every layout is affine, so `K` is a product of
//! geometric sums; `kappa`, a weighted sum of the weights, is what [`super::fold`] proves.
//!
//! See `docs/protocol.md`, "The linear argument".

use ark_bn254::Fr;
use ark_ff::Field;
use serde::{Deserialize, Serialize};

use super::matrix::Matrices;
use crate::field::geometric;

/// The largest number of position axes of a layer: a batch, a pool's windows, and the elements of a window.
pub const MAX_DIMS: usize = 5;

/// The challenges of the linear argument that are drawn before `C` and `E` are committed.
#[derive(Clone, Debug)]
pub struct Point {
    /// Separates output channels.
    pub rho: Fr,
    /// Separates positions, one per axis.
    pub s: [Fr; MAX_DIMS],
}

/// One position axis of a layer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Axis {
    /// Number of positions.
    pub count: usize,
    /// How far one step moves the output's row.
    pub row_stride: usize,
}

/// Where a layer's outputs are, and how it reads its inputs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinearLayer {
    /// The exponent of `rho` that channel 0 has. Channels that only fill up the lanes are counted.
    pub offset: usize,
    /// Row of channel group 0 at position 0.
    pub row: usize,
    /// Number of channel groups: channel `o` is in group `o / lanes`, lane `o % lanes`.
    pub groups: usize,
    /// How far the next group's row is.
    pub group_stride: usize,
    /// The position axes, outermost first.
    pub axes: Vec<Axis>,
    /// The operands.
    pub tiles: Vec<Tile>,
    /// What is read if the layer is a product of matrices. Its outputs' monomials have one more factor `s_1`.
    pub matrices: Option<Matrices>,
}

/// Where an operand is: channel `o` at position `p` takes `weight * x[read + slot + sum_d p_d * strides[d]]` for each of its weights,
/// which the prover knows and the verifier has commitments of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tile {
    /// The first read of the operand.
    pub read: usize,
    /// How far one step along each axis moves the reads.
    pub strides: Vec<usize>,
    /// Number of channels.
    pub channels: usize,
    /// One more than the largest slot that a channel at position 0 reads.
    pub slots: usize,
}

impl LinearLayer {
    /// What the monomials of channel 0 at position 0 and of all others share.
    pub fn origin(&self, at: &Point) -> Fr {
        let offset = at.rho.pow([self.offset as u64]);
        if self.matrices.is_some() {
            offset * at.s[1]
        } else {
            offset
        }
    }
}

/// `K = sum_j eta^j E_j`, from the layout alone (L3).
pub fn output_checksum(layers: &[LinearLayer], lanes: usize, at: &Point, eta: Fr) -> Fr {
    let lane_step = at.rho.pow([lanes as u64]);
    layers
        .iter()
        .map(|layer| {
            let groups = geometric(lane_step * eta.pow([layer.group_stride as u64]), layer.groups);
            let axes: Fr = layer
                .axes
                .iter()
                .zip(&at.s)
                .map(|(a, s)| geometric(*s * eta.pow([a.row_stride as u64]), a.count))
                .product();
            layer.origin(at) * eta.pow([layer.row as u64]) * groups * axes
        })
        .sum()
}
