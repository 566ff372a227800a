//! The prover's side of the weight fold ([`tapeout_verifier::plonk::fold`]): what it keeps, and what a proof takes of that.

use ark_ec::CurveGroup;
use tapeout_driver::{Backend, Fr, G1Affine, G1Projective, Scalars, Width};

pub use tapeout_verifier::plonk::fold::*;

use super::linear::{LinearLayer, Point};
use crate::{
    field::{SmallSum, powers, signed},
    model::program::Taps,
};

/// How many commitments the preparation asks of a backend at once.
const BATCH: usize = 32;

/// The weights of each operand of each layer.
pub type Weights = Vec<Vec<Taps<i64>>>;

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

/// `c_l rho^i` for every row of every tile: the scalars of the prover's three sums.
pub fn row_scalars(fold: &Fold, at: &Point, eta: Fr) -> Vec<Fr> {
    let most = fold.tiles.iter().map(|tile| tile.rows).max().unwrap_or(0);
    let powers = powers(at.rho, most);
    let tiles = fold.tiles.iter().zip(fold.scalars(at, eta));
    tiles
        .flat_map(|(tile, c)| powers[..tile.rows].iter().map(move |power| c * power))
        .collect()
}

/// The coefficients of `V`: one multiplication of 64 by 256 bits a weight.
pub fn remainder(fold: &Fold, layers: &[LinearLayer], weights: &Weights, at: &Point, eta: Fr) -> Vec<Fr> {
    let mut sums = vec![SmallSum::default(); fold.width];
    let mut scalars = row_scalars(fold, at, eta).into_iter();
    for tile in &fold.tiles {
        let scalars: Vec<Fr> = scalars.by_ref().take(tile.rows).collect();
        for_each_weight(tile, layers, weights, |row, slot, w| sums[slot].add(w, &scalars[row]));
    }
    sums.iter().map(SmallSum::finish).collect()
}

/// Commits to the tiles, and prepares what the prover's sums are over. `powers_g1` are at least [`Fold::powers`].
///
/// # Errors
/// Those of the backend.
pub fn prepare(
    fold: &Fold,
    layers: &[LinearLayer],
    weights: &Weights,
    powers_g1: &[G1Affine],
    backend: &dyn Backend,
) -> tapeout_driver::Result<(Vec<G1Affine>, Cache)> {
    let msm = backend.prepare_msm(&powers_g1[..fold.powers()])?;
    let width = fold.width;
    let mut commitments = Vec::with_capacity(fold.tiles.len());
    let (mut remainders, mut reversed, mut quotients) = (Vec::new(), Vec::new(), Vec::new());
    for tile in &fold.tiles {
        let mut integers = vec![0i64; width * tile.rows];
        for_each_weight(tile, layers, weights, |row, slot, w| integers[width * row + slot] += w);
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

/// Calls `f` with row, slot and value of every weight.
fn for_each_weight(tile: &WeightTile, layers: &[LinearLayer], weights: &Weights, mut f: impl FnMut(usize, usize, i64)) {
    for (l, t) in &tile.parts {
        let (layer, operand) = (&layers[*l], &layers[*l].tiles[*t]);
        for (o, taps) in weights[*l][*t].iter().enumerate() {
            let row = (layer.offset + o)
                .checked_sub(tile.channel)
                .filter(|row| *row < tile.rows);
            let Some(row) = row else { continue };
            for (slot, w) in taps {
                f(row, operand.row - tile.read + *slot as usize, *w);
            }
        }
    }
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
        for_each_weight(tile, layers, weights, |row, slot, w| {
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
            assert_eq!(remainder(&fold, &layers, &weights, &at, eta), v);

            let (tiles, cache) = prepare(&fold, &layers, &weights, srs.powers_g1(), backend().as_ref()).unwrap();
            for (tile, point) in fold.tiles.iter().zip(tiles) {
                assert_eq!(point, commit(&polynomial(tile, fold.width, &layers, &weights)));
            }
            let scalars = row_scalars(&fold, &at, eta);
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
