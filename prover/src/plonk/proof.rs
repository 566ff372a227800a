//! A proof and its bytes.

use tapeout_driver::{Fr, G1Affine};

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
    /// Commitments of the quotient's two parts: `t = t_0 + X^n t_1`.
    pub quotient: [G1Affine; 2],
    /// Values of the advice columns: per column at `z`, then at `z / w` if the column is rotated.
    pub advice_evals: Vec<Fr>,
    /// Values of the fixed columns at `z`.
    pub fixed_evals: Vec<Fr>,
    /// The opening of all of them.
    pub opening: OpeningProof,
}

impl Proof {
    /// The number of bytes that a proof for `cs` has.
    pub fn len(cs: &ConstraintSystem) -> usize {
        let evals = cs.advice.len() + cs.rotated().count() + cs.fixed.len();
        (cs.advice.len() + 4) * G1_BYTES + evals * SCALAR_BYTES
    }

    /// Writes the proof: points, then values, then the opening, each in the strict encoding of [`crate::encoding`].
    pub fn write(&self, out: &mut Writer) {
        self.advice.iter().chain(&self.quotient).for_each(|p| out.g1(p));
        self.advice_evals
            .iter()
            .chain(&self.fixed_evals)
            .for_each(|v| out.scalar(v));
        self.opening.write(out);
    }

    /// Reads a proof for `cs`.
    ///
    /// A commitment may be the point at infinity only where a zero polynomial is possible: in the columns that are not blinded.
    ///
    /// # Errors
    /// As [`Reader`]: too short, not canonical, not on the curve.
    pub fn read(reader: &mut Reader<'_>, cs: &ConstraintSystem) -> Result<Self, DecodeError> {
        let commitment = |column: &AdviceColumn| match column.blinds {
            0 => reader.g1_or_infinity("commitment"),
            _ => reader.g1("commitment"),
        };
        let advice = cs.advice.iter().map(commitment).collect::<Result<_, _>>()?;
        let quotient = [reader.g1("quotient")?, reader.g1("quotient")?];
        let evals = cs.advice.len() + cs.rotated().count();
        let advice_evals = (0..evals)
            .map(|_| reader.scalar("evaluation"))
            .collect::<Result<_, _>>()?;
        let fixed_evals = (0..cs.fixed.len())
            .map(|_| reader.scalar("evaluation"))
            .collect::<Result<_, _>>()?;
        let opening = OpeningProof::read(reader)?;
        Ok(Self {
            advice,
            quotient,
            advice_evals,
            fixed_evals,
            opening,
        })
    }
}
