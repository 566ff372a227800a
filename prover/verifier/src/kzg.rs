//! KZG openings of many polynomials at many points with two group elements: SHPLONK, that is, Boneh, Drake, Fisch and Gabizon,
//! <https://eprint.iacr.org/2020/081>, section 4.
//!
//! # The protocol
//! Claim i, counted from 0, says `f_i(s) = y_{i,s}` for each point s of its set `S_i`. Let `Z_S(X) = prod_{s in S} (X - s)`
//! and let `r_i` be the polynomial of degree below `|S_i|` that interpolates the claimed evaluations.
//!
//! 1. The evaluations, in the order of the claims and of the points in each, are absorbed; challenge `v`.
//! 2. The prover sends `W = [h(tau)]_1`, `h(X) = sum_i v^i (f_i(X) - r_i(X)) / Z_{S_i}(X)`; it is absorbed; challenge `u`.
//! 3. The prover sends `W' = [L(tau) / (tau - u)]_1`, `L(X) = sum_i v^i (f_i(X) - r_i(u)) / Z_{S_i}(u) - h(X)`, which vanishes
//!    at u; it is absorbed.
//! 4. The verifier checks `e(A, [1]_2) = e(W', [tau]_2)` with
//!    `A = sum_i v^i / Z_{S_i}(u) C_i - [sum_i v^i r_i(u) / Z_{S_i}(u)]_1 - W + u W'`.
//!
//! The paper's L is this one times `Z_T(u)`, T the union of the sets. Dividing by it once instead leaves W without a scalar,
//! and lets sets be treated apart from each other: `r_i(u) / Z_{S_i}(u) = sum_s y_{i,s} / ((u - s) prod_{t != s} (s - t))`.
//! The division fails only for u in T, which both sides refuse.
//!
//! Claims over the same set are combined before anything is divided, so that the prover pays two commitments and a few passes
//! per set whatever the number of claims.
//!
//! # What the caller owes
//! Commitments and points must be fixed by the transcript before claims are opened or verified ([`verify`]): absorbed, part of a digest
//! that was absorbed, or computed from challenges. The evaluations are absorbed here.
//!
//! W and W' may be the point at infinity: W is when every polynomial has a degree below the number of its points, W' when all
//! are constant as well. Nothing hinges on it, the equation of step 4 decides.

mod verify;

use ark_bn254::{Fr, G1Affine};
use ark_ff::Field;

pub use verify::{Accumulator, LinearCombination, PreparedG2, VerifierKey, accumulate, accumulator, verify};

use crate::{
    encoding::{DecodeError, Reader, Writer},
    transcript::{Tag, Transcript},
};

/// The claimed evaluations.
pub const EVALUATIONS: Tag = Tag(0xf0);
/// The challenge v, which batches claims.
pub const BATCHING: Tag = Tag(0xf1);
/// The commitment W to the quotient.
pub const QUOTIENT: Tag = Tag(0xf2);
/// The challenge u, at which the quotient is opened.
pub const POINT: Tag = Tag(0xf3);
/// The commitment W' that opens L at u.
pub const OPENING: Tag = Tag(0xf4);

/// "`subject` takes the value `evals[j]` at `points[j]`", for a polynomial ([`PolynomialClaim`]) or what was committed in a
/// commitment ([`CommitmentClaim`]). Both sides must list the same claims in the same order.
#[derive(Clone, Debug)]
pub struct Claim<'a, T> {
    /// What is opened.
    pub subject: T,
    /// Where: one or more points, no point twice.
    pub points: &'a [Fr],
    /// The values there, one per point.
    pub evals: Vec<Fr>,
}

/// The prover's claim: over the coefficients of a polynomial, constant term first, of any length.
pub type PolynomialClaim<'a> = Claim<'a, &'a [Fr]>;

/// The verifier's claim: over a commitment, given as a linear combination of points.
pub type CommitmentClaim<'a> = Claim<'a, LinearCombination>;

/// The two points that prove any number of claims.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OpeningProof {
    /// The commitment W to the quotient h.
    pub w: G1Affine,
    /// The commitment W' to `L(X) / (X - u)`.
    pub w_prime: G1Affine,
}

/// Why claims were not opened or not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KzgError {
    /// There is nothing to open.
    #[error("an opening needs at least one claim")]
    NoClaims,
    /// A claim without points.
    #[error("claim {claim} has no points")]
    NoPoints {
        /// Index of the claim.
        claim: usize,
    },
    /// A claim with more or fewer values than points.
    #[error("claim {claim}: expected one evaluation per point, {expected}, got {got}")]
    EvaluationCount {
        /// Index of the claim.
        claim: usize,
        /// The number of points.
        expected: usize,
        /// The number of evaluations.
        got: usize,
    },
    /// A claim names a point twice.
    #[error("claim {claim}: points {first} and {second} coincide")]
    RepeatedPoint {
        /// Index of the claim.
        claim: usize,
        /// Index of a point in the claim.
        first: usize,
        /// Index of the other.
        second: usize,
    },
    /// The challenge u is one of the points of the claim, where the check would divide by zero.
    #[error("the opening challenge coincides with a point of claim {claim}")]
    ChallengeIsPoint {
        /// Index of the claim.
        claim: usize,
    },
    /// `[tau]_2` of the verifier's key is the identity or the generator.
    #[error("[tau]_2 is the {what} of G2, tau would be no secret")]
    TrivialTau {
        /// `identity` or `generator`.
        what: &'static str,
    },
    /// The pairing equation does not hold.
    #[error("the opening proof does not verify")]
    Rejected,
}

impl OpeningProof {
    /// Writes W and W'.
    pub fn write(&self, out: &mut Writer) {
        out.g1(&self.w);
        out.g1(&self.w_prime);
    }

    /// Reads W and W'.
    ///
    /// # Errors
    /// As [`Reader::g1_or_infinity`].
    pub fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            w: reader.g1_or_infinity("opening proof W")?,
            w_prime: reader.g1_or_infinity("opening proof W'")?,
        })
    }
}

/// The claims over one set of points.
#[derive(Clone, Debug)]
pub struct Group<'a> {
    /// The points.
    pub points: &'a [Fr],
    /// Indices of the claims, ascending; never empty.
    pub claims: Vec<usize>,
}

/// Checks the claims' shape and groups them by their sets of points (in equal order), in order of first appearance.
///
/// # Errors
/// [`KzgError`] for claims of the wrong shape.
pub fn group<'a, T>(claims: &[Claim<'a, T>]) -> Result<Vec<Group<'a>>, KzgError> {
    if claims.is_empty() {
        return Err(KzgError::NoClaims);
    }
    let mut groups: Vec<Group<'a>> = Vec::new();
    for (index, claim) in claims.iter().enumerate() {
        if claim.evals.len() != claim.points.len() {
            let (expected, got) = (claim.points.len(), claim.evals.len());
            return Err(KzgError::EvaluationCount {
                claim: index,
                expected,
                got,
            });
        }
        if let Some(group) = groups.iter_mut().find(|group| group.points == claim.points) {
            group.claims.push(index);
            continue;
        }
        if claim.points.is_empty() {
            return Err(KzgError::NoPoints { claim: index });
        }
        for (second, point) in claim.points.iter().enumerate() {
            if let Some(first) = claim.points[..second].iter().position(|other| other == point) {
                return Err(KzgError::RepeatedPoint {
                    claim: index,
                    first,
                    second,
                });
            }
        }
        groups.push(Group {
            points: claim.points,
            claims: vec![index],
        });
    }
    Ok(groups)
}

/// Absorbs the evaluations and draws v; returns its powers, one per claim.
pub fn draw_batching<T>(claims: &[Claim<'_, T>], mut transcript: Transcript) -> (Vec<Fr>, Transcript) {
    let evals: Vec<Fr> = claims.iter().flat_map(|claim| &claim.evals).copied().collect();
    transcript.absorb_scalars(EVALUATIONS, &evals);
    let mut round = transcript.seal();
    let v = round.draw(BATCHING);
    let powers = std::iter::successors(Some(Fr::from(1u8)), |power| Some(v * power))
        .take(claims.len())
        .collect();
    (powers, round.next_round())
}

/// Absorbs W and draws u.
pub fn draw_point(w: &G1Affine, mut transcript: Transcript) -> (Fr, Transcript) {
    transcript.absorb_g1(QUOTIENT, &[*w]);
    let mut round = transcript.seal();
    let u = round.draw(POINT);
    (u, round.next_round())
}

/// Absorbs W'. Returns the transcript, in which whatever is drawn next depends on the whole opening.
pub fn absorb_opening(w_prime: &G1Affine, mut transcript: Transcript) -> Transcript {
    transcript.absorb_g1(OPENING, &[*w_prime]);
    transcript
}

/// `1 / Z_S(u)` and, per point s of S, `1 / ((u - s) prod_{t != s} (s - t))`; `None` when u is in S or points coincide.
fn denominators(points: &[Fr], u: Fr) -> Option<(Fr, Vec<Fr>)> {
    let vanishing = points.iter().map(|s| u - s).product::<Fr>().inverse()?;
    let weight = |(index, s): (usize, &Fr)| {
        let others = points.iter().enumerate().filter(|(other, _)| *other != index);
        let product = others.map(|(_, t)| *s - t).product::<Fr>();
        (product * (u - s)).inverse()
    };
    let weights = points.iter().enumerate().map(weight).collect::<Option<_>>()?;
    Some((vanishing, weights))
}
