//! The verifier's side of SHPLONK.

use std::collections::HashMap;

use ark_bn254::{Bn254, Fr, G1Affine, G1Projective, G2Affine};
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM, bn::G2Prepared, pairing::Pairing};
use ark_ff::Zero;

use super::{CommitmentClaim, KzgError, OpeningProof, absorb_opening, denominators, draw_batching, draw_point, group};
use crate::transcript::Transcript;

/// A commitment as `sum_j scalar_j point_j` of points that the verifier has, such as the chunks `t_0 + z^n t_1` of a quotient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LinearCombination(pub Vec<(Fr, G1Affine)>);

impl LinearCombination {
    /// The point. One that occurs several times is multiplied once.
    pub fn value(&self) -> G1Affine {
        let mut places: HashMap<G1Affine, usize> = HashMap::new();
        let (mut bases, mut scalars): (Vec<G1Affine>, Vec<Fr>) = (Vec::new(), Vec::new());
        for (scalar, point) in &self.0 {
            let place = *places.entry(*point).or_insert_with(|| {
                bases.push(*point);
                scalars.push(Fr::zero());
                scalars.len() - 1
            });
            scalars[place] += scalar;
        }
        G1Projective::msm_unchecked(&bases, &scalars).into_affine()
    }
}

impl From<G1Affine> for LinearCombination {
    fn from(point: G1Affine) -> Self {
        Self(vec![(Fr::from(1u8), point)])
    }
}

/// What is left of an opening proof once all but the curve's arithmetic is done: it is right if and only if
/// `e(lhs, [1]_2) = e(rhs, [tau]_2)`. A random linear combination of accumulators is right (but for a negligible probability) if
/// and only if all are, so that many proofs can share one MSM and two pairings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accumulator {
    /// Paired with `[1]_2`.
    pub lhs: LinearCombination,
    /// Paired with `[tau]_2`.
    pub rhs: G1Affine,
}

/// A point of G2, prepared for pairings.
pub type PreparedG2 = G2Prepared<ark_bn254::Config>;

/// The reference string's part that verification needs, prepared for pairings.
#[derive(Clone, Debug)]
pub struct VerifierKey {
    tau_g2: G2Affine,
    prepared: [PreparedG2; 2],
}

impl VerifierKey {
    /// The key with `[tau]_2`, a point of the subgroup of order r (as every decoded G2 point is).
    ///
    /// # Errors
    /// [`KzgError::TrivialTau`] for the identity and the generator.
    pub fn new(tau_g2: G2Affine) -> Result<Self, KzgError> {
        if tau_g2.is_zero() {
            return Err(KzgError::TrivialTau { what: "identity" });
        }
        if tau_g2 == G2Affine::generator() {
            return Err(KzgError::TrivialTau { what: "generator" });
        }
        Ok(Self {
            tau_g2,
            prepared: [G2Affine::generator().into(), tau_g2.into()],
        })
    }

    /// `[tau]_2`.
    pub fn tau_g2(&self) -> G2Affine {
        self.tau_g2
    }

    /// Checks `e(lhs, [1]_2) = e(rhs, [tau]_2)`.
    ///
    /// # Errors
    /// [`KzgError::Rejected`].
    pub fn check(&self, accumulator: &Accumulator) -> Result<(), KzgError> {
        self.check_with(accumulator, &[])
    }

    /// Checks `e(lhs, [1]_2) = e(rhs, [tau]_2) prod e(P, Q)` over further pairs `(P, Q)`, in one product of pairings.
    ///
    /// # Errors
    /// [`KzgError::Rejected`].
    pub fn check_with(&self, accumulator: &Accumulator, further: &[(G1Affine, &PreparedG2)]) -> Result<(), KzgError> {
        let g1 = [accumulator.lhs.value(), -accumulator.rhs];
        let g1 = g1.into_iter().chain(further.iter().map(|(p, _)| -*p));
        let g2 = self.prepared.iter().chain(further.iter().map(|(_, q)| *q)).cloned();
        if Bn254::multi_pairing(g1, g2).is_zero() {
            Ok(())
        } else {
            Err(KzgError::Rejected)
        }
    }
}

/// Verifies an opening proof: [`accumulate`], then the two pairings. Returns the transcript with W and W' absorbed.
///
/// # Errors
/// [`KzgError::Rejected`] for a wrong proof; a claim of the wrong shape; [`KzgError::ChallengeIsPoint`].
pub fn verify(
    key: &VerifierKey,
    claims: &[CommitmentClaim<'_>],
    proof: &OpeningProof,
    transcript: Transcript,
) -> Result<Transcript, KzgError> {
    let (accumulator, transcript) = accumulate(claims, proof, transcript)?;
    key.check(&accumulator)?;
    Ok(transcript)
}

/// Does all of the verification but the curve's arithmetic: an accumulator over every point of the claims, the generator, W and
/// W'. Accepts nothing yet: it must pass [`VerifierKey::check`]. Returns the transcript with W and W' absorbed.
///
/// # Errors
/// A claim of the wrong shape, [`KzgError::ChallengeIsPoint`].
pub fn accumulate(
    claims: &[CommitmentClaim<'_>],
    proof: &OpeningProof,
    transcript: Transcript,
) -> Result<(Accumulator, Transcript), KzgError> {
    let (powers, transcript) = draw_batching(claims, transcript);
    let (u, transcript) = draw_point(&proof.w, transcript);
    let accumulator = accumulator(claims, proof, &powers, u)?;
    Ok((accumulator, absorb_opening(&proof.w_prime, transcript)))
}

/// Step 4's `A` and W', under given challenges: `powers` are those of v, one per claim.
///
/// # Errors
/// As [`accumulate`].
pub fn accumulator(
    claims: &[CommitmentClaim<'_>],
    proof: &OpeningProof,
    powers: &[Fr],
    u: Fr,
) -> Result<Accumulator, KzgError> {
    let mut terms = vec![(-Fr::from(1u8), proof.w), (u, proof.w_prime)];
    let mut constant = Fr::zero();
    for group in group(claims)? {
        let first = group.claims.first().copied().unwrap_or_default();
        let (vanishing, weights) = denominators(group.points, u).ok_or(KzgError::ChallengeIsPoint { claim: first })?;
        for index in group.claims {
            let (claim, power) = (&claims[index], powers[index]);
            let scale = power * vanishing;
            terms.extend(claim.subject.0.iter().map(|(scalar, point)| (scale * scalar, *point)));
            let interpolated: Fr = claim
                .evals
                .iter()
                .zip(&weights)
                .map(|(value, weight)| *value * weight)
                .sum();
            constant += power * interpolated;
        }
    }
    terms.push((-constant, G1Affine::generator()));
    Ok(Accumulator {
        lhs: LinearCombination(terms),
        rhs: proof.w_prime,
    })
}
