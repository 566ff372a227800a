//! What hides the weights ([`super::fold`], "Hidden weights"): a key's dummies and a proof's mask.

use std::fmt;

use ark_ff::Field;
use rand::{CryptoRng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tapeout_driver::{Fr, G1Affine};

use super::{
    fold::{DUMMIES, Fold, Hidden, MASK, WeightTile},
    kernels::Kernels,
    linear::Point,
    proof::Folded,
};
use crate::field::{powers, random};

/// What the dummies of keys follow from: whoever has it and a guess of the weights can check the guess.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Secret(pub [u8; 32]);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The random coefficients that hide the weights: for every row of every tile, tile after tile; none where weights are not hidden.
#[derive(Clone, Debug, Default)]
pub struct Dummies(Vec<[Fr; DUMMIES]>);

impl Dummies {
    /// Those that follow from a seed, which no other key may have.
    pub fn new(fold: &Fold, seed: [u8; 32]) -> Self {
        let mut rng = ChaCha20Rng::from_seed(seed);
        let mut draw = |_| std::array::from_fn(|_| random(&mut rng));
        Self((0..fold.rows()).map(&mut draw).collect())
    }

    /// The tiles that have some, with the first slot of each and its rows' coefficients.
    pub(super) fn tiles<'a>(
        &'a self,
        fold: &'a Fold,
    ) -> impl Iterator<Item = (&'a WeightTile, usize, &'a [[Fr; DUMMIES]])> {
        let mut rest = &self.0[..];
        let hidden = fold.hidden.filter(|_| !self.0.is_empty());
        hidden
            .into_iter()
            .flat_map(|hidden| fold.tiles.iter().map(move |tile| (tile, hidden.slot(tile))))
            .map(move |(tile, slot)| {
                let (own, others) = rest.split_at(tile.rows);
                rest = others;
                (tile, slot, own)
            })
    }

    /// Adds what the dummies are multiplied by to column `C`.
    pub fn add_to_inputs(&self, fold: &Fold, at: &Point, c: &mut [Fr]) {
        for (tile, slot, rows) in self.tiles(fold) {
            let mut sums = [Fr::from(0u8); DUMMIES];
            let mut channel = at.rho.pow([tile.channel as u64]);
            for row in rows {
                sums.iter_mut()
                    .zip(row)
                    .for_each(|(sum, dummy)| *sum += channel * dummy);
                channel *= at.rho;
            }
            let mut positions = vec![(tile.read + slot, Fr::from(1u8))];
            for step in &tile.steps {
                let powers = powers(at.s[step.axis], step.count);
                let moved = |(row, m): &(usize, Fr)| {
                    let (row, m, stride) = (*row, *m, step.stride);
                    powers
                        .iter()
                        .enumerate()
                        .map(move |(i, p)| (row + i * stride, m * p))
                        .collect::<Vec<_>>()
                };
                positions = positions.iter().flat_map(moved).collect();
            }
            for (row, m) in positions {
                sums.iter().enumerate().for_each(|(i, sum)| c[row + i] += m * sum);
            }
        }
    }
}

/// A proof's mask `M`.
#[derive(Clone, Debug)]
pub(crate) struct Mask {
    /// Its coefficients.
    pub(crate) coefficients: Vec<Fr>,
    at: usize,
}

impl Mask {
    /// A new one.
    pub(crate) fn new(hidden: &Hidden, rng: &mut impl CryptoRng) -> Self {
        Self {
            coefficients: (0..MASK).map(|_| random(rng)).collect(),
            at: hidden.mask,
        }
    }

    /// Adds it to column `C`.
    pub(crate) fn add_to_inputs(&self, c: &mut [Fr]) {
        c[self.at..]
            .iter_mut()
            .zip(&self.coefficients)
            .for_each(|(c, m)| *c += m);
    }

    /// Adds it, times `eta^(n - MASK)`, to the remainder `V` and its commitments.
    ///
    /// # Errors
    /// Those of the backend.
    pub(crate) fn add_to_fold(
        &self,
        eta: Fr,
        remainder: &mut [Fr],
        points: &mut Folded<G1Affine>,
        kernels: &mut Kernels,
    ) -> tapeout_driver::Result<()> {
        let scalar = eta.pow([self.at as u64]);
        let mut backwards = vec![Fr::from(0u8); remainder.len()];
        let scaled: Vec<Fr> = self.coefficients.iter().map(|m| scalar * m).collect();
        for ((v, back), m) in remainder.iter_mut().zip(backwards.iter_mut().rev()).zip(&scaled) {
            *v += m;
            *back = *m;
        }
        let added = kernels.commit_polynomials(&[&scaled, &backwards])?;
        points.remainder = (points.remainder + added[0]).into();
        points.reversed = (points.reversed + added[1]).into();
        Ok(())
    }
}
