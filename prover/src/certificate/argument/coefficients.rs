//! The coefficients of the tiles: what each may be, and what it is multiplied by.
//!
//! Most places of a tile hold zero: a row is as long as the circuit has reads. So what is known there is multiplied by powers of
//! one challenge, whose sums have closed forms, and lists name the other places alone.

use std::ops::Range;

use ark_ff::{Field, PrimeField, Zero};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tapeout_driver::Fr;

use super::{super::Stated, BLINDERS, Combining, MASK_LEN, SUMS};
use crate::{
    field::{powers, signed},
    plonk::{
        fold::{DUMMIES, Fold, Sparse, WeightTile},
        linear::LinearLayer,
    },
};

/// What the coefficients of a tile are, by their places. Those that nothing is said of are zero.
pub(super) struct Places {
    /// Weights: any integers of bounded size. Ascending.
    weights: Vec<Range<usize>>,
    /// The first dummy of each row: any field elements.
    dummies: Vec<usize>,
    /// What the network states: the weights that settle advice.
    known: Vec<(usize, i64)>,
}

/// Those of all tiles.
pub(super) fn places(fold: &Fold, layers: &[LinearLayer], stated: &Stated) -> Vec<Places> {
    let width = fold.width;
    let of = |tile: &WeightTile| {
        let (mut weights, mut known) = (Vec::new(), Vec::new());
        for (l, t) in &tile.parts {
            let (layer, operand) = (&layers[*l], &layers[*l].tiles[*t]);
            let channels = layer.offset..layer.offset + operand.channels;
            for row in (0..tile.rows).filter(|row| channels.contains(&(tile.channel + row))) {
                let first = width * row + operand.read - tile.read;
                if stated.settling[*l] {
                    let taps = &stated.wiring.weights[*l][*t][tile.channel + row - layer.offset];
                    known.extend(taps.iter().map(|(slot, w)| (first + *slot as usize, *w)));
                } else {
                    weights.push(first..first + operand.slots);
                }
            }
        }
        weights.sort_by_key(|range: &Range<usize>| range.start);
        let slot = fold.hidden.map(|hidden| hidden.slot(tile));
        Places {
            weights,
            dummies: slot
                .iter()
                .flat_map(|slot| (0..tile.rows).map(move |row| width * row + slot))
                .collect(),
            known,
        }
    };
    fold.tiles.iter().map(of).collect()
}

/// `N`: the longest polynomial's number of coefficients.
pub(super) fn longest(fold: &Fold) -> usize {
    let lengths = fold.tiles.iter().map(|tile| fold.width * tile.rows);
    lengths.fold(MASK_LEN, usize::max)
}

/// The bits of each weight in turn: bit `k` belongs to sum `k`.
fn bits(seed: Fr) -> impl Iterator<Item = u128> {
    let mut bytes = [0; 32];
    let integer = seed.into_bigint();
    bytes
        .chunks_mut(8)
        .zip(integer.0)
        .for_each(|(chunk, limb)| chunk.copy_from_slice(&limb.to_le_bytes()));
    let mut rng = ChaCha20Rng::from_seed(bytes);
    std::iter::repeat_with(move || {
        let mut bits = [0; 16];
        rng.fill_bytes(&mut bits);
        u128::from_le_bytes(bits)
    })
}

/// `v_k`.
pub(super) fn sums(places: &[Places], tiles: &[Sparse], mask: &[Fr], seed: Fr) -> [Fr; SUMS] {
    let mut sums = [Fr::zero(); SUMS];
    sums.copy_from_slice(&mask[BLINDERS..BLINDERS + SUMS]);
    let mut bits = bits(seed);
    for (places, tile) in places.iter().zip(tiles) {
        let mut rest = tile.iter().peekable();
        for place in places.weights.iter().cloned().flatten() {
            let mut bits = bits.next().unwrap_or_default();
            while rest.next_if(|(at, _)| *at < place).is_some() {}
            let Some((_, w)) = rest.next_if(|(at, _)| *at == place) else {
                continue;
            };
            while bits != 0 {
                sums[bits.trailing_zeros() as usize] += w;
                bits &= bits - 1;
            }
        }
    }
    sums
}

/// What the tiles and `Y` are multiplied by.
pub(super) struct Vectors {
    /// `a_l` of every tile.
    pub(super) tiles: Vec<Vector>,
    /// `a_Y`.
    pub(super) mask: Vec<Fr>,
    /// What the coefficients that are known add to the product.
    pub(super) known: Fr,
}

/// `start gamma^p` at each of the first `N` places `p`, and `others` more at some.
pub(super) struct Vector {
    pub(super) start: Fr,
    pub(super) others: Sparse,
}

impl Vectors {
    pub(super) fn new(places: &[Places], at: &Combining, longest: usize) -> Self {
        let of_sums = powers(at.beta, SUMS + 1);
        // Sums of powers of beta for each byte of bits, so that a weight takes sixteen additions.
        let tables: Vec<Vec<Fr>> = of_sums[..SUMS]
            .chunks(8)
            .map(|powers| {
                let sum = |byte: usize| (0..8).filter(|bit| byte >> bit & 1 == 1).map(|bit| powers[bit]).sum();
                (0..256).map(sum).collect()
            })
            .collect();
        let mut bits = bits(at.seed);
        let mut known = Fr::zero();
        let mut start = of_sums[SUMS];
        let step = at.gamma.pow([longest as u64]);
        let mut tiles = Vec::with_capacity(places.len());
        for places in places {
            let power = |place: usize| start * at.gamma.pow([place as u64]);
            let mut others = Vec::new();
            for range in &places.weights {
                let mut geometric = power(range.start);
                for place in range.clone() {
                    let bytes = bits.next().unwrap_or_default().to_le_bytes();
                    let bytes = bytes.iter().zip(&tables);
                    let own: Fr = bytes.map(|(byte, table)| table[usize::from(*byte)]).sum();
                    others.push((place, own - geometric));
                    geometric *= at.gamma;
                }
            }
            let dummies = places.dummies.iter().flat_map(|first| *first..first + DUMMIES);
            others.extend(dummies.map(|place| (place, -power(place))));
            others.sort_by_key(|(place, _)| *place);
            known += places
                .known
                .iter()
                .map(|(place, w)| power(*place) * signed(*w))
                .sum::<Fr>();
            tiles.push(Vector { start, others });
            start *= step;
        }
        let mut mask = vec![Fr::zero(); MASK_LEN];
        mask[BLINDERS..BLINDERS + SUMS].copy_from_slice(&of_sums[..SUMS]);
        Self { tiles, mask, known }
    }
}

/// The value of a polynomial.
pub(super) fn evaluate(coefficients: &[(usize, Fr)], x: Fr) -> Fr {
    let (mut last, mut power) = (0, Fr::ONE);
    let mut sum = Fr::zero();
    for (place, c) in coefficients {
        power *= match place - last {
            1 => x,
            far => x.pow([far as u64]),
        };
        last = *place;
        sum += power * c;
    }
    sum
}

/// Adds a multiple of a polynomial, as far as it goes.
pub(super) fn accumulate(sum: &mut Vec<Fr>, coefficients: &[(usize, Fr)], scalar: Fr) {
    for (place, c) in coefficients {
        if *place >= sum.len() {
            sum.resize(place + 1, Fr::zero());
        }
        sum[*place] += scalar * c;
    }
}
