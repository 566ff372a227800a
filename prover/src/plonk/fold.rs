//! The prover's side of the weight fold ([`tapeout_verifier::plonk::fold`]): what it keeps, and what a proof takes of that.

use ark_ec::CurveGroup;
use tapeout_driver::{Backend, Fr, G1Affine, G1Projective, Msm, Scalars, Width};

pub use tapeout_verifier::plonk::fold::*;

use super::{
    hidden::Dummies,
    linear::{LinearLayer, Point},
};
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
pub fn remainder(
    fold: &Fold,
    layers: &[LinearLayer],
    weights: &Weights,
    dummies: &Dummies,
    at: &Point,
    eta: Fr,
) -> Vec<Fr> {
    let scalars = row_scalars(fold, at, eta);
    let mut sums = vec![SmallSum::default(); fold.width];
    let mut first = 0;
    for tile in &fold.tiles {
        let scalars = &scalars[first..first + tile.rows];
        for_each_weight(tile, layers, weights, |row, slot, w| sums[slot].add(w, &scalars[row]));
        first += tile.rows;
    }
    let mut remainder: Vec<Fr> = sums.iter().map(SmallSum::finish).collect();
    let mut scalars = scalars.iter();
    for (_, slot, rows) in dummies.tiles(fold) {
        for (row, scalar) in rows.iter().zip(scalars.by_ref()) {
            row.iter()
                .enumerate()
                .for_each(|(i, dummy)| remainder[slot + i] += *scalar * dummy);
        }
    }
    remainder
}

/// Commits to the tiles, and prepares what the prover's sums are over. `powers_g1` are at least [`Fold::powers`].
///
/// # Errors
/// Those of the backend.
pub fn prepare(
    fold: &Fold,
    layers: &[LinearLayer],
    weights: &Weights,
    dummies: &Dummies,
    powers_g1: &[G1Affine],
    backend: &dyn Backend,
) -> tapeout_driver::Result<(Vec<G1Affine>, Cache)> {
    let width = fold.width;
    let mut commitments = Vec::with_capacity(fold.tiles.len());
    let (mut remainders, mut reversed, mut quotients) = (Vec::new(), Vec::new(), Vec::new());
    for tile in &fold.tiles {
        // Slots in which no row of the tile has a weight are left out: most, where layers share it or convolutions have wide images.
        let (slots, integers) = occupied(tile, layers, weights, width);
        let hint = Width::covering(&integers);
        let values: Vec<Fr> = integers.iter().map(|v| signed(*v)).collect();
        drop(integers);
        let at = |row: usize| slots.iter().map(move |slot| powers_g1[width * row + slot]);
        let bases: Vec<G1Affine> = (0..tile.rows).flat_map(at).collect();
        let msm = backend.prepare_msm(&bases)?;
        let commit = |msm: &dyn Msm, items: Vec<&[Fr]>| -> tapeout_driver::Result<Vec<G1Projective>> {
            let mut points = Vec::with_capacity(items.len());
            for items in items.chunks(BATCH) {
                let batch: Vec<_> = items.iter().map(|values| Scalars { values, width: hint }).collect();
                points.extend(msm.run(&batch)?.out);
            }
            Ok(points)
        };
        let suffixes = (0..=tile.rows).map(|row| &values[slots.len() * row..]).collect();
        let mut suffixes = commit(msm.as_ref(), suffixes)?.into_iter();
        commitments.extend(suffixes.next());
        quotients.extend(suffixes);
        remainders.extend(commit(msm.as_ref(), values.chunks(slots.len()).collect())?);
        let backwards: Vec<G1Affine> = slots.iter().map(|slot| powers_g1[width - 1 - slot]).collect();
        let msm = backend.prepare_msm(&backwards)?;
        reversed.extend(commit(msm.as_ref(), values.chunks(slots.len()).collect())?);
    }
    let mut first = 0;
    for (index, (tile, slot, rows)) in dummies.tiles(fold).enumerate() {
        // Suffix d has the dummies of row i at X^(width (i - d)), backwards at the other end of a row's slots.
        let at = |slot: usize| (0..tile.rows).flat_map(move |row| (0..DUMMIES).map(move |i| width * row + slot + i));
        let bases: Vec<G1Affine> = at(slot).map(|power| powers_g1[power]).collect();
        let values: Vec<Fr> = rows.iter().flatten().copied().collect();
        let suffixes: Vec<&[Fr]> = (0..tile.rows).map(|row| &values[DUMMIES * row..]).collect();
        let suffixes = full(backend, &bases, &suffixes)?;
        let rows: Vec<&[Fr]> = values.chunks(DUMMIES).collect();
        let forwards = full(backend, &bases[..DUMMIES], &rows)?;
        let bases: Vec<G1Affine> = (0..DUMMIES).map(|i| powers_g1[width - 1 - slot - i]).collect();
        let backwards = full(backend, &bases, &rows)?;
        let mut suffixes = suffixes.into_iter();
        commitments[index] += suffixes.next().unwrap_or_default();
        // The last suffix of a tile is empty.
        add(&mut quotients[first..], suffixes);
        add(&mut remainders[first..], forwards);
        add(&mut reversed[first..], backwards);
        first += tile.rows;
    }
    let cache = Cache {
        remainders: G1Projective::normalize_batch(&remainders),
        reversed: G1Projective::normalize_batch(&reversed),
        quotients: G1Projective::normalize_batch(&quotients),
    };
    Ok((G1Projective::normalize_batch(&commitments), cache))
}

/// A polynomial by its coefficients that are not zero, with the powers that they belong to, ascending.
pub type Sparse = Vec<(usize, Fr)>;

/// The tiles' polynomials.
pub fn polynomials(fold: &Fold, layers: &[LinearLayer], weights: &Weights, dummies: &Dummies) -> Vec<Sparse> {
    let width = fold.width;
    let of_weights = |tile: &WeightTile| {
        let mut out = Sparse::new();
        for_each_weight(tile, layers, weights, |row, slot, w| {
            if w != 0 {
                out.push((width * row + slot, signed(w)));
            }
        });
        out
    };
    let mut polynomials: Vec<Sparse> = fold.tiles.iter().map(of_weights).collect();
    for (out, (_, slot, rows)) in polynomials.iter_mut().zip(dummies.tiles(fold)) {
        for (row, own) in rows.iter().enumerate() {
            out.extend(
                own.iter()
                    .enumerate()
                    .map(|(i, dummy)| (width * row + slot + i, *dummy)),
            );
        }
    }
    polynomials
        .iter_mut()
        .for_each(|polynomial| polynomial.sort_by_key(|(power, _)| *power));
    polynomials
}

/// Sums of multiples of `bases` by scalars of full width.
fn full(backend: &dyn Backend, bases: &[G1Affine], scalars: &[&[Fr]]) -> tapeout_driver::Result<Vec<G1Projective>> {
    let batch: Vec<_> = scalars
        .iter()
        .map(|values| Scalars {
            values,
            width: Width::Full,
        })
        .collect();
    Ok(backend.prepare_msm(bases)?.run(&batch)?.out)
}

fn add(sums: &mut [G1Projective], terms: impl IntoIterator<Item = G1Projective>) {
    sums.iter_mut().zip(terms).for_each(|(sum, term)| *sum += term);
}

/// The slots, at least one, in which any row of a tile has a weight, and the tile's weights in those, row after row.
fn occupied(tile: &WeightTile, layers: &[LinearLayer], weights: &Weights, width: usize) -> (Vec<usize>, Vec<i64>) {
    let mut place = vec![usize::MAX; width];
    for_each_weight(tile, layers, weights, |_, slot, w| {
        if w != 0 {
            place[slot] = 0;
        }
    });
    let mut slots: Vec<usize> = (0..width).filter(|slot| place[*slot] == 0).collect();
    if slots.is_empty() {
        slots.push(0);
    }
    slots.iter().enumerate().for_each(|(at, slot)| place[*slot] = at);
    let mut out = vec![0; slots.len() * tile.rows];
    for_each_weight(tile, layers, weights, |row, slot, w| {
        if w != 0 {
            out[slots.len() * row + place[slot]] += w;
        }
    });
    (slots, out)
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
                f(row, operand.read - tile.read + *slot as usize, *w);
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
        let srs = Srs::insecure_from_seed(1 << 14, 2, &[3; 32]).unwrap();
        let commit = |p: &[Fr]| -> G1Affine { G1Projective::msm_unchecked(srs.powers_g1(), p).into() };
        for (lanes, hide) in [(1, false), (2, false), (3, false), (1, true), (2, true)] {
            let (layers, weights, n) = random_layers(rng, lanes);
            let hidden = hide.then_some(Hidden {
                dummies: n,
                mask: 2 * n,
            });
            let mut fold = Fold::new(&layers, hidden);
            if lanes == 2 {
                let most = 2;
                fold.tiles = fold.tiles.iter().flat_map(|tile| cut(tile, most)).collect();
            }
            let at = Point {
                rho: Fr::rand(rng),
                s: std::array::from_fn(|_| Fr::rand(rng)),
            };
            let eta = Fr::rand(rng);
            let dummies = if hide {
                Dummies::new(&fold, [5; 32])
            } else {
                Dummies::default()
            };
            let sparse = polynomials(&fold, &layers, &weights, &dummies);
            let dense = |(p, tile): (&Sparse, &WeightTile)| {
                let mut out = vec![Fr::from(0u8); fold.width * tile.rows];
                p.iter().for_each(|(power, c)| out[*power] = *c);
                out
            };
            let polynomials: Vec<Vec<Fr>> = sparse.iter().zip(&fold.tiles).map(dense).collect();
            let mut u = vec![Fr::from(0u8); fold.powers()];
            for (p, c) in polynomials.iter().zip(fold.scalars(&at, eta)) {
                u.iter_mut().zip(p).for_each(|(u, p)| *u += c * p);
            }
            let (v, q) = divide(u, fold.width, at.rho);
            assert_eq!(remainder(&fold, &layers, &weights, &dummies, &at, eta), v);

            let powers = srs.powers_g1();
            let (tiles, cache) = prepare(&fold, &layers, &weights, &dummies, powers, backend().as_ref()).unwrap();
            for (p, point) in polynomials.iter().zip(tiles) {
                assert_eq!(point, commit(p));
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
        let operand = |read, channels, slots| crate::plonk::linear::Tile {
            read,
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
        let fold = Fold::new(
            &[layer(0, operand(0, 128, 785)), layer(128, operand(785, 10, 129))],
            None,
        );
        assert_eq!((fold.width, fold.tiles.len(), fold.rows()), (914, 1, 138));
        let fold = Fold::new(
            &[layer(0, operand(0, 1000, 1024)), layer(1000, operand(1024, 500, 1000))],
            None,
        );
        let rows: Vec<usize> = fold.tiles.iter().map(|t| t.rows).collect();
        assert_eq!((fold.width, rows), (2024, vec![259, 259, 259, 259, 259, 205]));
        assert!(fold.powers() <= MAX_COEFFICIENTS);
    }
}
