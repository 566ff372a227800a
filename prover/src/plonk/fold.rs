//! The weight fold: the checksum `kappa` of (L2) without the weights.
//!
//! A *weight tile* is a polynomial `W(X) = sum_(i < m) X^(width i) R_i(X)` with `R_i(X) = sum weight X^slot`, `deg R_i < width`: row
//! `i` of the tile belongs to the power `rho^(channel + i)`. The verifying key holds `[W_l]` for every tile. With `c_l` the scalar
//! that a tile's position has ([`WeightTile::scalar`]), let `U = sum_l c_l W_l`. Dividing by `X^width - rho`,
//!
//! ```text
//! U = V + (X^width - rho) q,     V = sum_l c_l sum_i rho^i R_(l,i),     kappa = V(eta),
//! ```
//!
//! since reducing mod `X^width - rho` puts `rho` in the place of `X^width`. The prover sends `[V]`, `[V*]` with
//! `V*(X) = X^(width-1) V(1/X)`, and `[q]`. The verifier checks
//!
//! - (F1) `e([U] - [V] + rho [q], [1]_2) = e([q], [tau^width]_2)`, batched with the opening's pairings;
//! - (F2) `V(eta) = kappa`, by the opening;
//! - (F3) `deg V < width`: `V*(1/z) = z^-(width-1) V(z)` at a point drawn later. That the reference string ends somewhere shows
//!   nothing: a longer one of the same `tau` may exist.
//!
//! No polynomial of the size of the weights is handled per proof: with `floor(W_l / X^(width (d+1))) = S_(l,d)`, a polynomial that
//! never changes, `q = sum_l c_l sum_d rho^d S_(l,d)`. The proving key holds `[R_(l,i)]`, the reversed `[R*_(l,i)]` and `[S_(l,d)]`
//! ([`Cache`]), and the three commitments are sums of as many multiples as the tiles have rows.
//!
//! Cached quotients: Eagen and Gabizon, <https://eprint.iacr.org/2023/393>; division by `X^width - rho`: Eagen and Gabizon's
//! Mercury, <https://eprint.iacr.org/2025/385>. See `docs/protocol.md`, "The weight fold".

use ark_ec::CurveGroup;
use ark_ff::Field;
use tapeout_driver::{Backend, Fr, G1Affine, G1Projective, Scalars, Width};

use super::linear::{LinearLayer, Point};
use crate::{
    field::{SmallSum, geometric, powers, signed},
    model::program::Taps,
};

/// The longest weight polynomial that is committed to as one, in coefficients: tiles with more rows are cut. More is a longer
/// reference string, less is more points in the verifying key.
const MAX_COEFFICIENTS: usize = 1 << 19;

/// How many commitments the preparation asks of a backend at once.
const BATCH: usize = 32;

/// The weights of each operand of each layer.
pub type Weights = Vec<Vec<Taps<i64>>>;

/// One axis of positions that all taps of a tile move along.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which position challenge.
    pub axis: usize,
    /// Number of positions.
    pub count: usize,
    /// How far one step moves the taps.
    pub stride: usize,
}

/// Weights that are committed to as one polynomial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WeightTile {
    /// The exponent of `rho` that row 0 has.
    pub channel: usize,
    /// Number of rows.
    pub rows: usize,
    /// The row of the read column that slot 0 reads.
    pub read: usize,
    /// What the positions multiply the weights by.
    pub steps: Vec<Step>,
    /// The operands it holds: layer, operand.
    parts: Vec<(usize, usize)>,
}

/// How the weights of a circuit are cut into tiles: a function of the circuit, so that no key needs to hold it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fold {
    /// The number of slots of a tile, `width` above.
    pub width: usize,
    /// The tiles.
    pub tiles: Vec<WeightTile>,
}

/// What the prover keeps so that a fold costs it no more than the tiles have rows. One point per row, tile after tile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cache {
    /// `[R_(l,i)]`.
    pub remainders: Vec<G1Affine>,
    /// `[X^(width-1) R_(l,i)(1/X)]`.
    pub reversed: Vec<G1Affine>,
    /// `[S_(l,d)]`, the last of each tile being zero.
    pub quotients: Vec<G1Affine>,
}

impl WeightTile {
    /// `c_l = rho^channel eta^read prod_d sum_(i < count) (s_d eta^stride)^i`.
    pub fn scalar(&self, at: &Point, eta: Fr) -> Fr {
        let positions: Fr = self
            .steps
            .iter()
            .map(|step| geometric(at.s[step.axis] * eta.pow([step.stride as u64]), step.count))
            .product();
        at.rho.pow([self.channel as u64]) * eta.pow([self.read as u64]) * positions
    }
}

impl Fold {
    /// Cuts the weights of `layers` into tiles.
    ///
    /// Operands that every position reads alike (those of a Gemm) have `c_l` of the same form and share tiles, as long as that
    /// does not make tiles much wider than the widest operand.
    pub fn new(layers: &[LinearLayer]) -> Self {
        let widest = layers
            .iter()
            .flat_map(|l| &l.tiles)
            .map(|t| t.slots)
            .max()
            .unwrap_or(0)
            .max(1);
        let mut groups: Vec<WeightTile> = Vec::new();
        let mut shared: Option<usize> = None;
        let mut width = widest;
        for (l, layer) in layers.iter().enumerate() {
            for (t, tile) in layer.tiles.iter().enumerate() {
                let steps: Vec<Step> = layer
                    .axes
                    .iter()
                    .zip(&tile.strides)
                    .enumerate()
                    .filter(|(_, (axis, _))| axis.count != 1)
                    .map(|(axis, (a, stride))| Step {
                        axis,
                        count: a.count,
                        stride: *stride,
                    })
                    .collect();
                let free = steps.is_empty();
                // Layers and operands come in ascending order of channels and of rows.
                if let Some(index) = shared.filter(|_| free) {
                    let group = &mut groups[index];
                    let span = (tile.row + tile.slots).saturating_sub(group.read);
                    if tile.row >= group.read && layer.offset >= group.channel && span <= 2 * widest {
                        group.rows = group.rows.max(layer.offset + tile.channels - group.channel);
                        group.parts.push((l, t));
                        width = width.max(span);
                        continue;
                    }
                }
                if free {
                    shared = Some(groups.len());
                }
                groups.push(WeightTile {
                    channel: layer.offset,
                    rows: tile.channels,
                    read: tile.row,
                    steps,
                    parts: vec![(l, t)],
                });
            }
        }
        let most = (MAX_COEFFICIENTS / width).max(1);
        let tiles = groups.iter().flat_map(|group| cut(group, most)).collect();
        Self { width, tiles }
    }

    /// The rows of all tiles.
    pub fn rows(&self) -> usize {
        self.tiles.iter().map(|tile| tile.rows).sum()
    }

    /// The number of powers of tau in G1 that the preparation takes.
    pub fn powers(&self) -> usize {
        self.width * self.tiles.iter().map(|tile| tile.rows).max().unwrap_or(1)
    }

    /// Each tile's scalar `c_l`.
    pub fn scalars(&self, at: &Point, eta: Fr) -> Vec<Fr> {
        self.tiles.iter().map(|tile| tile.scalar(at, eta)).collect()
    }

    /// `c_l rho^i` for every row of every tile: the scalars of the prover's three sums.
    pub fn row_scalars(&self, at: &Point, eta: Fr) -> Vec<Fr> {
        let most = self.tiles.iter().map(|tile| tile.rows).max().unwrap_or(0);
        let powers = powers(at.rho, most);
        let tiles = self.tiles.iter().zip(self.scalars(at, eta));
        tiles
            .flat_map(|(tile, c)| powers[..tile.rows].iter().map(move |power| c * power))
            .collect()
    }

    /// The coefficients of `V`: one multiplication of 64 by 256 bits a weight.
    pub fn remainder(&self, layers: &[LinearLayer], weights: &Weights, at: &Point, eta: Fr) -> Vec<Fr> {
        let mut sums = vec![SmallSum::default(); self.width];
        let mut scalars = self.row_scalars(at, eta).into_iter();
        for tile in &self.tiles {
            let scalars: Vec<Fr> = scalars.by_ref().take(tile.rows).collect();
            tile.for_each_weight(layers, weights, |row, slot, w| sums[slot].add(w, &scalars[row]));
        }
        sums.iter().map(SmallSum::finish).collect()
    }

    /// Commits to the tiles, and prepares what the prover's sums are over. `powers_g1` are at least [`Self::powers`].
    ///
    /// # Errors
    /// Those of the backend.
    pub fn prepare(
        &self,
        layers: &[LinearLayer],
        weights: &Weights,
        powers_g1: &[G1Affine],
        backend: &dyn Backend,
    ) -> tapeout_driver::Result<(Vec<G1Affine>, Cache)> {
        let msm = backend.prepare_msm(&powers_g1[..self.powers()])?;
        let width = self.width;
        let mut commitments = Vec::with_capacity(self.tiles.len());
        let (mut remainders, mut reversed, mut quotients) = (Vec::new(), Vec::new(), Vec::new());
        for tile in &self.tiles {
            let mut integers = vec![0i64; width * tile.rows];
            tile.for_each_weight(layers, weights, |row, slot, w| integers[width * row + slot] += w);
            let hint = Width::covering(&integers);
            let values: Vec<Fr> = integers.iter().map(|v| signed(*v)).collect();
            drop(integers);
            let commit = |items: Vec<&[Fr]>| -> tapeout_driver::Result<Vec<G1Projective>> {
                let mut points = Vec::with_capacity(items.len());
                for items in items.chunks(BATCH) {
                    let batch: Vec<_> = items.iter().map(|values| Scalars { values, width: hint }).collect();
                    points.extend(msm.run(&batch)?.out);
                }
                Ok(points)
            };
            let backwards: Vec<Vec<Fr>> = values
                .chunks(width)
                .map(|row| row.iter().rev().copied().collect())
                .collect();
            let suffixes = (0..=tile.rows).map(|row| &values[width * row..]).collect();
            let mut suffixes = commit(suffixes)?.into_iter();
            commitments.extend(suffixes.next());
            quotients.extend(suffixes);
            remainders.extend(commit(values.chunks(width).collect())?);
            reversed.extend(commit(backwards.iter().map(Vec::as_slice).collect())?);
        }
        let cache = Cache {
            remainders: G1Projective::normalize_batch(&remainders),
            reversed: G1Projective::normalize_batch(&reversed),
            quotients: G1Projective::normalize_batch(&quotients),
        };
        Ok((G1Projective::normalize_batch(&commitments), cache))
    }
}

impl WeightTile {
    /// Calls `f` with row, slot and value of every weight.
    fn for_each_weight(&self, layers: &[LinearLayer], weights: &Weights, mut f: impl FnMut(usize, usize, i64)) {
        for (l, t) in &self.parts {
            let (layer, tile) = (&layers[*l], &layers[*l].tiles[*t]);
            for (o, taps) in weights[*l][*t].iter().enumerate() {
                let row = (layer.offset + o)
                    .checked_sub(self.channel)
                    .filter(|row| *row < self.rows);
                let Some(row) = row else { continue };
                for (slot, w) in taps {
                    f(row, tile.row - self.read + *slot as usize, *w);
                }
            }
        }
    }
}

/// Cuts a tile into tiles of at most `most` rows.
fn cut(tile: &WeightTile, most: usize) -> impl Iterator<Item = WeightTile> + '_ {
    (0..tile.rows).step_by(most).map(move |first| WeightTile {
        channel: tile.channel + first,
        rows: most.min(tile.rows - first),
        ..tile.clone()
    })
}

/// The value at `1/z` of a polynomial of degree below `width` written backwards, from its value at `z` (F3); `None` for `z = 0`.
pub fn reversed_value(value: Fr, z: Fr, width: usize) -> Option<Fr> {
    Some(value * z.inverse()?.pow([width as u64 - 1]))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ark_ec::VariableBaseMSM;
    use ark_ff::UniformRand;

    use super::*;
    use crate::{
        plonk::{linear::tests::random_layers, tests::backend},
        srs::Srs,
    };

    /// The coefficients of a tile's polynomial, row after row.
    fn polynomial(tile: &WeightTile, width: usize, layers: &[LinearLayer], weights: &Weights) -> Vec<Fr> {
        let mut out = vec![Fr::from(0u8); width * tile.rows];
        tile.for_each_weight(layers, weights, |row, slot, w| {
            assert!(slot < width);
            out[row * width + slot] += signed(w);
        });
        out
    }

    /// `V` and `q` by long division of `U` by `X^width - rho`, coefficient by coefficient from the top.
    fn divide(mut u: Vec<Fr>, width: usize, rho: Fr) -> (Vec<Fr>, Vec<Fr>) {
        let mut q = vec![Fr::from(0u8); u.len().saturating_sub(width)];
        for i in (width..u.len()).rev() {
            q[i - width] = u[i];
            let top = u[i];
            u[i - width] += rho * top;
        }
        u.truncate(width);
        (u, q)
    }

    #[test]
    fn the_fold_is_a_division_with_remainder() {
        let rng = &mut ark_std::test_rng();
        let srs = Srs::insecure_from_seed(1 << 13, 2, &[3; 32]).unwrap();
        let commit = |p: &[Fr]| -> G1Affine { G1Projective::msm_unchecked(srs.powers_g1(), p).into() };
        for lanes in 1..4 {
            let (layers, weights, _) = random_layers(rng, lanes);
            let mut fold = Fold::new(&layers);
            if lanes == 2 {
                let most = 2;
                fold.tiles = fold.tiles.iter().flat_map(|tile| cut(tile, most)).collect();
            }
            let at = Point {
                rho: Fr::rand(rng),
                s: std::array::from_fn(|_| Fr::rand(rng)),
            };
            let eta = Fr::rand(rng);
            let mut u = vec![Fr::from(0u8); fold.powers()];
            for (tile, c) in fold.tiles.iter().zip(fold.scalars(&at, eta)) {
                let p = polynomial(tile, fold.width, &layers, &weights);
                u.iter_mut().zip(p).for_each(|(u, p)| *u += c * p);
            }
            let (v, q) = divide(u, fold.width, at.rho);
            assert_eq!(fold.remainder(&layers, &weights, &at, eta), v);

            let (tiles, cache) = fold
                .prepare(&layers, &weights, srs.powers_g1(), backend().as_ref())
                .unwrap();
            for (tile, point) in fold.tiles.iter().zip(tiles) {
                assert_eq!(point, commit(&polynomial(tile, fold.width, &layers, &weights)));
            }
            let scalars = fold.row_scalars(&at, eta);
            let sum = |bases: &[G1Affine]| -> G1Affine { G1Projective::msm(bases, &scalars).unwrap().into() };
            let reversed: Vec<Fr> = v.iter().rev().copied().collect();
            assert_eq!(sum(&cache.remainders), commit(&v));
            assert_eq!(sum(&cache.reversed), commit(&reversed));
            assert_eq!(sum(&cache.quotients), commit(&q));
        }
    }

    /// Gemms share a tile, and no tile is longer than a reference string should be.
    #[test]
    fn tiles_are_shared_and_cut() {
        let operand = |row, channels, slots| crate::plonk::linear::Tile {
            row,
            strides: Vec::new(),
            channels,
            slots,
        };
        let layer = |offset, tile| LinearLayer {
            offset,
            row: 0,
            groups: 1,
            group_stride: 1,
            axes: Vec::new(),
            tiles: vec![tile],
            matrices: None,
        };
        let fold = Fold::new(&[layer(0, operand(0, 128, 785)), layer(128, operand(785, 10, 129))]);
        assert_eq!((fold.width, fold.tiles.len(), fold.rows()), (914, 1, 138));
        let fold = Fold::new(&[layer(0, operand(0, 1000, 1024)), layer(1000, operand(1024, 500, 1000))]);
        let rows: Vec<usize> = fold.tiles.iter().map(|t| t.rows).collect();
        assert_eq!((fold.width, rows), (2024, vec![259, 259, 259, 259, 259, 205]));
        assert!(fold.powers() <= MAX_COEFFICIENTS);
    }
}
