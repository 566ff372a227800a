//! A proof and its bytes.

use ark_bn254::{Fr, G1Affine};

use super::cs::{AdviceColumn, ConstraintSystem};
use crate::{
    encoding::{DecodeError, G1_BYTES, Reader, SCALAR_BYTES, Writer},
    kzg::OpeningProof,
};

/// A proof, without the statement that it proves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// Commitments of the advice columns, in the constraint system's order.
    pub advice: Vec<G1Affine>,
    /// The commitment of the mask, where weights are hidden.
    pub mask: Option<G1Affine>,
    /// The weight fold's commitments.
    pub fold: Folded<G1Affine>,
    /// Commitments of the quotient's two parts: `t = t_0 + X^n t_1`.
    pub quotient: [G1Affine; 2],
    /// Values of the advice columns: per column at `z`, then at `z / w` if the column is rotated.
    pub advice_evals: Vec<Fr>,
    /// Values of the fixed columns at `z`.
    pub fixed_evals: Vec<Fr>,
    /// `V(eta)`, which is `kappa`, and `V(z)`.
    pub fold_evals: [Fr; 2],
    /// The opening of all of them.
    pub opening: OpeningProof,
}

/// What the prover sends of a weight fold ([`super::fold`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Folded<T> {
    /// `V`.
    pub remainder: T,
    /// `V*`, that is `V` backwards.
    pub reversed: T,
    /// `q`.
    pub quotient: T,
}

impl<T: Copy> Folded<T> {
    /// The three in the order in which they are sent.
    pub fn to_array(&self) -> [T; 3] {
        [self.remainder, self.reversed, self.quotient]
    }
}

impl<T> From<[T; 3]> for Folded<T> {
    fn from([remainder, reversed, quotient]: [T; 3]) -> Self {
        Self {
            remainder,
            reversed,
            quotient,
        }
    }
}

impl Proof {
    /// The number of bytes that a proof for `cs` has.
    pub fn len(cs: &ConstraintSystem) -> usize {
        let evals = cs.advice.len() + cs.rotated().count() + cs.fixed.len() + 2;
        (cs.advice.len() + usize::from(cs.hides_weights()) + 7) * G1_BYTES + evals * SCALAR_BYTES
    }

    /// Writes the proof: points, then values, then the opening, each in the strict encoding of [`crate::encoding`].
    pub fn write(&self, out: &mut Writer) {
        let fold = self.fold.to_array();
        self.advice
            .iter()
            .chain(&self.mask)
            .chain(&fold)
            .chain(&self.quotient)
            .for_each(|p| out.g1(p));
        self.advice_evals
            .iter()
            .chain(&self.fixed_evals)
            .chain(&self.fold_evals)
            .for_each(|v| out.scalar(v));
        self.opening.write(out);
    }

    /// Reads a proof for `cs`.
    ///
    /// A commitment may be the point at infinity only where a zero polynomial is possible: in the columns that are not blinded,
    /// and in the weight fold.
    ///
    /// # Errors
    /// As [`Reader`]: too short, not canonical, not on the curve.
    pub fn read(reader: &mut Reader<'_>, cs: &ConstraintSystem) -> Result<Self, DecodeError> {
        let commitment = |column: &AdviceColumn| match column.blinds {
            0 => reader.g1_or_infinity("commitment"),
            _ => reader.g1("commitment"),
        };
        let advice = cs.advice.iter().map(commitment).collect::<Result<_, _>>()?;
        let mask = cs.hides_weights().then(|| reader.g1("mask")).transpose()?;
        let mut folded = || reader.g1_or_infinity("weight fold");
        let fold = [folded()?, folded()?, folded()?].into();
        let quotient = [reader.g1("quotient")?, reader.g1("quotient")?];
        let evals = cs.advice.len() + cs.rotated().count();
        let advice_evals = (0..evals)
            .map(|_| reader.scalar("evaluation"))
            .collect::<Result<_, _>>()?;
        let fixed_evals = (0..cs.fixed.len())
            .map(|_| reader.scalar("evaluation"))
            .collect::<Result<_, _>>()?;
        let fold_evals = [reader.scalar("evaluation")?, reader.scalar("evaluation")?];
        let opening = OpeningProof::read(reader)?;
        Ok(Self {
            advice,
            mask,
            fold,
            quotient,
            advice_evals,
            fixed_evals,
            fold_evals,
            opening,
        })
    }
}
