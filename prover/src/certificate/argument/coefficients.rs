//! The coefficients of the tiles: what each may be, and what it is multiplied by.

use ark_ff::{PrimeField, Zero};
use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tapeout_driver::Fr;

use super::{super::Stated, BLINDERS, Combining, MASK_LEN, SUMS};
use crate::{
    field::{powers, signed},
    plonk::{
        fold::{DUMMIES, Fold, WeightTile},
        linear::LinearLayer,
    },
};

/// What a coefficient of a tile is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A weight: any integer of bounded size.
    Weight,
    /// A dummy: any field element.
    Dummy,
    /// What the network states: the weights that settle advice, and zero where no operand has any.
    Known(i64),
}

/// The kinds of a tile's coefficients, row after row.
pub(super) fn kinds(fold: &Fold, layers: &[LinearLayer], stated: &Stated) -> Vec<Vec<Kind>> {
    let width = fold.width;
    let of = |tile: &WeightTile| {
        let mut kinds = vec![Kind::Known(0); width * tile.rows];
        for (l, t) in &tile.parts {
            let (layer, operand) = (&layers[*l], &layers[*l].tiles[*t]);
            let channels = layer.offset..layer.offset + operand.channels;
            let first = operand.read - tile.read;
            for row in (0..tile.rows).filter(|row| channels.contains(&(tile.channel + row))) {
                let slots = &mut kinds[width * row + first..][..operand.slots];
                match stated.settling[*l] {
                    true => {
                        let taps = &stated.wiring.weights[*l][*t][tile.channel + row - layer.offset];
                        taps.iter()
                            .for_each(|(slot, w)| slots[*slot as usize] = Kind::Known(*w));
                    }
                    false => slots.fill(Kind::Weight),
                }
            }
        }
        if let Some(hidden) = fold.hidden {
            for row in 0..tile.rows {
                kinds[width * row + hidden.slot(tile)..][..DUMMIES].fill(Kind::Dummy);
            }
        }
        kinds
    };
    fold.tiles.iter().map(of).collect()
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

/// What the tiles and `Y` are multiplied by.
pub(super) struct Vectors {
    /// `a_l` of every tile.
    pub(super) tiles: Vec<Vec<Fr>>,
    /// `a_Y`.
    pub(super) mask: Vec<Fr>,
    /// What the coefficients that are known add to the product.
    pub(super) known: Fr,
}

pub(super) fn vectors(kinds: &[Vec<Kind>], at: &Combining) -> Vectors {
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
    let (mut next, mut known) = (of_sums[SUMS], Fr::zero());
    let mut of = |kind: &Kind| match kind {
        Kind::Weight => {
            let bytes = bits.next().unwrap_or_default().to_le_bytes();
            bytes
                .iter()
                .zip(&tables)
                .map(|(byte, table)| table[usize::from(*byte)])
                .sum()
        }
        Kind::Dummy => Fr::zero(),
        Kind::Known(w) => {
            next *= at.gamma;
            if *w != 0 {
                known += next * signed(*w);
            }
            next
        }
    };
    let tiles = kinds.iter().map(|kinds| kinds.iter().map(&mut of).collect()).collect();
    let mut mask = vec![Fr::zero(); MASK_LEN];
    mask[BLINDERS..BLINDERS + SUMS].copy_from_slice(&of_sums[..SUMS]);
    Vectors { tiles, mask, known }
}

/// `N`, the longest polynomial's number of coefficients.
pub(super) fn longest(kinds: &[Vec<Kind>]) -> usize {
    kinds.iter().map(Vec::len).fold(MASK_LEN, usize::max)
}

/// `v_k`.
pub(super) fn sums(kinds: &[Vec<Kind>], tiles: &[Vec<Fr>], mask: &[Fr], seed: Fr) -> [Fr; SUMS] {
    let mut sums = [Fr::zero(); SUMS];
    sums.copy_from_slice(&mask[BLINDERS..BLINDERS + SUMS]);
    let mut bits = bits(seed);
    let coefficients = kinds.iter().flatten().zip(tiles.iter().flatten());
    for (_, w) in coefficients.filter(|(kind, _)| **kind == Kind::Weight) {
        let mut bits = bits.next().unwrap_or_default();
        while bits != 0 && !w.is_zero() {
            sums[bits.trailing_zeros() as usize] += w;
            bits &= bits - 1;
        }
    }
    sums
}
