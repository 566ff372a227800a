//! The prover's side of SHPLONK.

use ark_bn254::{Fr, G1Affine};
use ark_ff::{Field, Zero};
use rayon::prelude::*;
use tapeout_driver::kernels;

use super::{Group, KzgError, OpeningProof, PolynomialClaim, absorb_opening, draw_batching, draw_point, group};
use crate::transcript::Transcript;

/// Why claims were not opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The claims are malformed.
    #[error(transparent)]
    Claims(#[from] KzgError),
    /// The evaluations are not the polynomials'.
    #[error("the evaluations claimed over the points of claim {claim} are not those of the polynomials")]
    WrongEvaluation {
        /// Index of the first claim over these points.
        claim: usize,
    },
    /// A commitment failed.
    #[error("commitment: {0}")]
    Commit(#[from] tapeout_driver::Error),
}

/// Proves the claims. `commit` gives `sum_i c_i [tau^i]_1` for coefficients `c`, and is called twice, with polynomials shorter
/// than the longest one of the claims. Returns the proof, and the transcript with W and W' absorbed.
///
/// # Errors
/// A claim of the wrong shape, [`OpenError::WrongEvaluation`] when the claimed evaluations are not those of the polynomials,
/// [`KzgError::ChallengeIsPoint`] (with negligible probability), and whatever `commit` fails with.
pub fn open(
    claims: &[PolynomialClaim<'_>],
    transcript: Transcript,
    commit: &mut dyn FnMut(&[Fr]) -> tapeout_driver::Result<G1Affine>,
) -> Result<(OpeningProof, Transcript), OpenError> {
    Combined::new(claims, transcript)?.open(commit)
}

/// What is left of claims once they are combined: the polynomials themselves are no longer needed.
pub struct Combined {
    /// Those over one set of points each.
    sets: Vec<Set>,
    transcript: Transcript,
}

struct Set {
    points: Vec<Fr>,
    /// Index of the first claim.
    claim: usize,
    /// `g_S = sum v^i f_i` over the claims i with that set.
    g: Vec<Fr>,
    /// `sum v^i y_i` for each point.
    claimed: Vec<Fr>,
}

impl Combined {
    /// Combines claims.
    ///
    /// # Errors
    /// A claim of the wrong shape.
    pub fn new(claims: &[PolynomialClaim<'_>], transcript: Transcript) -> Result<Self, OpenError> {
        let groups = group(claims)?;
        let (powers, transcript) = draw_batching(claims, transcript);
        let sets = groups.iter().map(|group| {
            let claimed = |point| group.claims.iter().map(|i| powers[*i] * claims[*i].evals[point]).sum();
            Set {
                points: group.points.to_vec(),
                claim: group.claims.first().copied().unwrap_or_default(),
                g: combine(claims, group, &powers),
                claimed: (0..group.points.len()).map(claimed).collect(),
            }
        });
        Ok(Self {
            sets: sets.collect(),
            transcript,
        })
    }

    /// The proof, and the transcript with W and W' absorbed; `commit` is as in [`open`].
    ///
    /// # Errors
    /// Those of [`open`].
    pub fn open(
        self,
        commit: &mut dyn FnMut(&[Fr]) -> tapeout_driver::Result<G1Affine>,
    ) -> Result<(OpeningProof, Transcript), OpenError> {
        let Self { sets, transcript } = self;
        // The quotient of g_S by Z_S is that of g_S - sum v^i r_i.
        let quotients = sets
            .par_iter()
            .map(Set::quotient)
            .collect::<Vec<_>>()
            .into_iter()
            .collect::<Result<Vec<_>, _>>()?;
        let terms: Vec<(Fr, &[Fr])> = quotients
            .iter()
            .map(|quotient| (Fr::ONE, quotient.as_slice()))
            .collect();
        let h = kernels::combine(&terms);
        drop(quotients);
        let w = commit(&h)?;
        let (u, transcript) = draw_point(&w, transcript);
        // L without its constant term, which cannot reach the quotient by X - u.
        let mut terms = vec![(-Fr::ONE, h.as_slice())];
        for set in &sets {
            let (vanishing, claim): (Fr, _) = (set.points.iter().map(|s| u - s).product(), set.claim);
            terms.push((vanishing.inverse().ok_or(KzgError::ChallengeIsPoint { claim })?, &set.g));
        }
        let mut opening = kernels::combine(&terms);
        divide(&mut opening, u);
        let w_prime = commit(&opening)?;
        Ok((OpeningProof { w, w_prime }, absorb_opening(&w_prime, transcript)))
    }
}

/// `sum v^i f_i` over the claims of the group.
fn combine(claims: &[PolynomialClaim<'_>], group: &Group<'_>, powers: &[Fr]) -> Vec<Fr> {
    let terms = group
        .claims
        .iter()
        .map(|index| (powers[*index], claims[*index].subject));
    kernels::combine(&terms.collect::<Vec<_>>())
}

impl Set {
    /// The quotient of g by `Z_S`, one linear factor after the other. The remainders are the coefficients of g mod `Z_S` in Newton's
    /// basis `1, X - s_0, (X - s_0)(X - s_1), ..`, which must take the claimed values on S.
    fn quotient(&self) -> Result<Vec<Fr>, OpenError> {
        let mut quotient = self.g.clone();
        let newton: Vec<Fr> = self.points.iter().map(|s| divide(&mut quotient, *s)).collect();
        for (s, claimed) in self.points.iter().zip(&self.claimed) {
            let basis = self.points.iter().scan(Fr::ONE, |product, node| {
                let value = *product;
                *product *= *s - node;
                Some(value)
            });
            let value: Fr = newton
                .iter()
                .zip(basis)
                .map(|(coefficient, basis)| *coefficient * basis)
                .sum();
            if value != *claimed {
                return Err(OpenError::WrongEvaluation { claim: self.claim });
            }
        }
        Ok(quotient)
    }
}

/// Replaces a polynomial by its quotient by `X - s` and returns the remainder, its value at s (Horner's scheme).
fn divide(polynomial: &mut Vec<Fr>, s: Fr) -> Fr {
    let mut carry = Fr::zero();
    for coefficient in polynomial.iter_mut().rev() {
        let value = *coefficient + carry * s;
        *coefficient = carry;
        carry = value;
    }
    polynomial.pop();
    carry
}
