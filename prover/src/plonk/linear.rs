//! The global linear argument: every linear layer of a network in three sums over the rows.
//!
//! Output channel `o` at position `p` of layer `l` belongs to the monomial `rho^(off_l + o) * prod_d s_d^(p_d)`. Column `E`
//! holds each output's monomial at its row, column `C` each read's total coefficient, so that
//! `sum_j C_j x_j - E_j U_j` is a polynomial in `(rho, s)` whose coefficients are `(W x)_{l,o,p} - U_{l,o,p}`: it vanishes at a
//! random point only if every layer is right (L1). That `C` and `E` are what they should be is one more evaluation each, at a
//! random `eta`: `sum_j eta^j E_j = K` (L3) and `sum_j eta^j C_j = kappa` (L2). Every layout is affine, so `K` is a product of
//! geometric sums; `kappa`, a weighted sum of the weights, is what [`super::fold`] proves.
//!
//! See `docs/protocol.md`, "The linear argument".

use ark_ff::{Field, One, Zero};
use serde::{Deserialize, Serialize};
use tapeout_driver::Fr;

use super::matrix::Matrices;
use crate::{
    field::{SmallSum, geometric, powers},
    model::program::MAX_DIMS,
    plonk::fold::Weights,
};

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

/// Where an operand is: channel `o` at position `p` takes `weight * x[row + slot + sum_d p_d * strides[d]]` for each of its weights,
/// which the prover knows and the verifier has commitments of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tile {
    /// The first row of the operand in the read column.
    pub row: usize,
    /// How far one step along each axis moves the reads.
    pub strides: Vec<usize>,
    /// Number of channels.
    pub channels: usize,
    /// One more than the largest slot that a channel at position 0 reads.
    pub slots: usize,
}

impl LinearLayer {
    /// What the monomials of channel 0 at position 0 and of all others share.
    fn origin(&self, at: &Point) -> Fr {
        let offset = at.rho.pow([self.offset as u64]);
        if self.matrices.is_some() {
            offset * at.s[1]
        } else {
            offset
        }
    }

    /// `prod_d s_d^(p_d)` for every position, row-major, with the sum of `p_d * stride(d)` beside it.
    fn monomials(&self, s: &[Fr; MAX_DIMS], stride: impl Fn(usize) -> usize) -> Vec<(usize, Fr)> {
        let mut out = vec![(0, Fr::one())];
        for (d, axis) in self.axes.iter().enumerate() {
            let powers = powers(s[d], axis.count);
            let step = stride(d);
            out = out
                .iter()
                .flat_map(|(at, m)| powers.iter().enumerate().map(move |(i, p)| (at + i * step, *m * p)))
                .collect();
        }
        out
    }
}

/// Column `E`: each output's monomial, the lane's power of `rho` left out.
pub fn output_coefficients(layers: &[LinearLayer], lanes: usize, n: usize, at: &Point) -> Vec<Fr> {
    let mut e = vec![Fr::zero(); n];
    let step = at.rho.pow([lanes as u64]);
    for layer in layers {
        let positions = layer.monomials(&at.s, |d| layer.axes[d].row_stride);
        let mut channel = layer.origin(at);
        for group in 0..layer.groups {
            let row = layer.row + group * layer.group_stride;
            for (shift, m) in &positions {
                e[row + shift] = channel * m;
            }
            channel *= step;
        }
    }
    e
}

/// Column `C`: each read's total coefficient.
pub fn input_coefficients(layers: &[LinearLayer], weights: &Weights, n: usize, at: &Point) -> Vec<Fr> {
    let mut c = vec![Fr::zero(); n];
    for (layer, weights) in layers.iter().zip(weights) {
        if let Some(matrices) = &layer.matrices {
            matrices.coefficients(layer, at, &mut c);
        }
        let offset = at.rho.pow([layer.offset as u64]);
        for (tile, taps) in layer.tiles.iter().zip(weights) {
            let mut sums = vec![SmallSum::default(); tile.slots];
            let mut channel = offset;
            for weights in taps {
                for (slot, w) in weights {
                    sums[*slot as usize].add(*w, &channel);
                }
                channel *= at.rho;
            }
            let taps: Vec<Fr> = sums.iter().map(SmallSum::finish).collect();
            if tile.strides.iter().all(|s| *s == 0) {
                // Every position reads the same: one sum of the monomials, not one addition a position.
                let total: Fr = layer
                    .axes
                    .iter()
                    .zip(&at.s)
                    .map(|(a, s)| geometric(*s, a.count))
                    .product();
                taps.iter()
                    .enumerate()
                    .for_each(|(slot, v)| c[tile.row + slot] += total * v);
                continue;
            }
            let positions = layer.monomials(&at.s, |d| tile.strides[d]);
            for (slot, v) in taps.iter().enumerate().filter(|(_, v)| !v.is_zero()) {
                for (shift, m) in &positions {
                    c[tile.row + slot + shift] += *v * m;
                }
            }
        }
    }
    c
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

#[cfg(test)]
pub(crate) mod tests {
    use ark_ff::UniformRand;
    use ark_std::rand::Rng;

    use super::*;
    use crate::plonk::fold::Fold;

    /// Layers, their weights, and a number of rows that holds them.
    pub(crate) fn random_layers(rng: &mut impl Rng, lanes: usize) -> (Vec<LinearLayer>, Weights, usize) {
        let (mut row, mut x_row, mut offset) = (0, 0, 0);
        let mut weights = Weights::new();
        let layers = (0..3)
            .map(|_| {
                let counts: Vec<usize> = (0..rng.gen_range(0..=MAX_DIMS)).map(|_| rng.gen_range(1..4)).collect();
                let channels: usize = rng.gen_range(1..6);
                let groups = channels.div_ceil(lanes);
                let mut stride = 1;
                let mut axes: Vec<Axis> = counts
                    .iter()
                    .rev()
                    .map(|count| {
                        let axis = Axis {
                            count: *count,
                            row_stride: stride,
                        };
                        stride *= count;
                        axis
                    })
                    .collect();
                axes.reverse();
                let taps = |_| {
                    let channel = |_| (0..3).map(|s| (s * 2, rng.gen_range(-50..50))).collect();
                    (0..channels).map(channel).collect()
                };
                weights.push((0..2).map(taps).collect());
                let tiles = (0..2)
                    .map(|_| {
                        let strides: Vec<usize> = counts.iter().map(|_| rng.gen_range(0..5)).collect();
                        let tile = Tile {
                            row: x_row,
                            strides,
                            channels,
                            slots: 5,
                        };
                        x_row += 80;
                        tile
                    })
                    .collect();
                let layer = LinearLayer {
                    offset,
                    row,
                    groups,
                    group_stride: stride,
                    axes,
                    tiles,
                    matrices: None,
                };
                row += groups * stride;
                offset += groups * lanes;
                layer
            })
            .collect();
        (layers, weights, row.max(x_row).next_power_of_two())
    }

    #[test]
    fn checksums_match_the_columns() {
        let rng = &mut ark_std::test_rng();
        for lanes in 1..4 {
            let (layers, weights, n) = random_layers(rng, lanes);
            let at = Point {
                rho: Fr::rand(rng),
                s: std::array::from_fn(|_| Fr::rand(rng)),
            };
            let eta = Fr::rand(rng);
            let at_eta = |column: Vec<Fr>| crate::field::horner(&column, eta);
            assert_eq!(
                at_eta(output_coefficients(&layers, lanes, n, &at)),
                output_checksum(&layers, lanes, &at, eta)
            );
            let folded = Fold::new(&layers).remainder(&layers, &weights, &at, eta);
            assert_eq!(
                at_eta(input_coefficients(&layers, &weights, n, &at)),
                crate::field::horner(&folded, eta)
            );
        }
    }
}
