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
    let groups = group(claims)?;
    let (powers, transcript) = draw_batching(claims, transcript);

    // Per set: g_S = sum v^i f_i over the claims i with that set. Its quotient by Z_S is that of g_S - sum v^i r_i.
    let combined: Vec<Vec<Fr>> = groups.iter().map(|group| combine(claims, group, &powers)).collect();
    let quotients = groups
        .par_iter()
        .zip(&combined)
        .map(|(group, g)| quotient(claims, group, &powers, g));
    let quotients = quotients
        .collect::<Vec<_>>()
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    let terms: Vec<(Fr, &[Fr])> = quotients
        .iter()
        .map(|quotient| (Fr::ONE, quotient.as_slice()))
        .collect();
    let h = kernels::combine(&terms);
    let w = commit(&h)?;
    let (u, transcript) = draw_point(&w, transcript);

    // L without its constant term, which cannot reach the quotient by X - u.
    let mut terms = vec![(-Fr::ONE, h.as_slice())];
    for (group, g) in groups.iter().zip(&combined) {
        let vanishing: Fr = group.points.iter().map(|s| u - s).product();
        let claim = group.claims.first().copied().unwrap_or_default();
        terms.push((vanishing.inverse().ok_or(KzgError::ChallengeIsPoint { claim })?, g));
    }
    let mut opening = kernels::combine(&terms);
    divide(&mut opening, u);
    let w_prime = commit(&opening)?;
    Ok((OpeningProof { w, w_prime }, absorb_opening(&w_prime, transcript)))
}

/// `sum v^i f_i` over the claims of the group.
fn combine(claims: &[PolynomialClaim<'_>], group: &Group<'_>, powers: &[Fr]) -> Vec<Fr> {
    let terms = group
        .claims
        .iter()
        .map(|index| (powers[*index], claims[*index].subject));
    kernels::combine(&terms.collect::<Vec<_>>())
}

/// The quotient of g by `Z_S`, one linear factor after the other. The remainders are the coefficients of g mod `Z_S` in Newton's
/// basis `1, X - s_0, (X - s_0)(X - s_1), ..`, which must take the claimed values on S.
fn quotient(claims: &[PolynomialClaim<'_>], group: &Group<'_>, powers: &[Fr], g: &[Fr]) -> Result<Vec<Fr>, OpenError> {
    let mut quotient = g.to_vec();
    let newton: Vec<Fr> = group.points.iter().map(|s| divide(&mut quotient, *s)).collect();
    for (index, s) in group.points.iter().enumerate() {
        let basis = group.points.iter().scan(Fr::ONE, |product, node| {
            let value = *product;
            *product *= *s - node;
            Some(value)
        });
        let value: Fr = newton
            .iter()
            .zip(basis)
            .map(|(coefficient, basis)| *coefficient * basis)
            .sum();
        let claimed: Fr = group
            .claims
            .iter()
            .map(|claim| powers[*claim] * claims[*claim].evals[index])
            .sum();
        if value != claimed {
            return Err(OpenError::WrongEvaluation {
                claim: group.claims.first().copied().unwrap_or_default(),
            });
        }
    }
    Ok(quotient)
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
