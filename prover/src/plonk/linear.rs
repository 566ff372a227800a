//! The global linear argument's columns ([`tapeout_verifier::plonk::linear`]), from the weights and the challenges.

use ark_ff::{Field, One, Zero};
use tapeout_driver::Fr;

pub use tapeout_verifier::plonk::linear::*;

use super::{fold::Weights, matrix};
use crate::field::{SmallSum, geometric, powers};

/// `prod_d s_d^(p_d)` for every position, row-major, with the sum of `p_d * stride(d)` beside it.
fn monomials(layer: &LinearLayer, s: &[Fr; MAX_DIMS], stride: impl Fn(usize) -> usize) -> Vec<(usize, Fr)> {
    let mut out = vec![(0, Fr::one())];
    for (d, axis) in layer.axes.iter().enumerate() {
        let powers = powers(s[d], axis.count);
        let step = stride(d);
        out = out
            .iter()
            .flat_map(|(at, m)| powers.iter().enumerate().map(move |(i, p)| (at + i * step, *m * p)))
            .collect();
    }
    out
}

/// Column `E`: each output's monomial, the lane's power of `rho` left out.
pub fn output_coefficients(layers: &[LinearLayer], lanes: usize, n: usize, at: &Point) -> Vec<Fr> {
    let mut e = vec![Fr::zero(); n];
    let step = at.rho.pow([lanes as u64]);
    for layer in layers {
        let positions = monomials(layer, &at.s, |d| layer.axes[d].row_stride);
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
            matrix::coefficients(matrices, layer, at, &mut c);
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
                    .for_each(|(slot, v)| c[tile.read + slot] += total * v);
                continue;
            }
            let positions = monomials(layer, &at.s, |d| tile.strides[d]);
            for (slot, v) in taps.iter().enumerate().filter(|(_, v)| !v.is_zero()) {
                for (shift, m) in &positions {
                    c[tile.read + slot + shift] += *v * m;
                }
            }
        }
    }
    c
}

#[cfg(test)]
pub(crate) mod tests {
    use ark_ff::UniformRand;
    use ark_std::rand::Rng;

    use super::*;
    use crate::plonk::{
        fold::{self, Fold},
        hidden::Dummies,
    };

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
                            read: x_row,
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
            let folded = fold::remainder(
                &Fold::new(&layers, None),
                &layers,
                &weights,
                &Dummies::default(),
                &at,
                eta,
            );
            assert_eq!(
                at_eta(input_coefficients(&layers, &weights, n, &at)),
                crate::field::horner(&folded, eta)
            );
        }
    }
}
