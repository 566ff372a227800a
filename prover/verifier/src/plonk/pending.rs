//! Proofs of which only the curve's arithmetic is left to check: one or several by one product of pairings.

use ark_bn254::{Fr, G1Affine};

use super::verifier::Rejection;
use crate::{
    keys::Parts,
    kzg::{Accumulator, KzgError, LinearCombination, PreparedG2},
    transcript::{Tag, Transcript},
};

/// A proof that is right if and only if `e(lhs, [1]_2) = e(rhs, [tau]_2) e(weight quotient, [tau^width]_2)`.
pub(crate) struct Pending<'a> {
    /// The key that it was made for.
    pub(crate) key: &'a Parts,
    /// The opening, and (F1)'s side of `[1]_2`.
    pub(crate) accumulator: Accumulator,
    /// (F1)'s weight, which depends on all of the proof.
    pub(crate) weight: Fr,
    /// (F1)'s quotient.
    pub(crate) quotient: G1Affine,
}

const DOMAIN: &[u8] = b"tapeout segments v1";
const WEIGHTS: Tag = Tag(0x01);
const COMBINING: Tag = Tag(0x02);

/// Checks proofs that share a reference string, their equations added with the powers of a challenge that depends on all of them.
///
/// # Errors
/// [`Rejection::Opening`] if one of them is wrong; nothing says which.
pub(crate) fn settle(proofs: &[Pending<'_>]) -> Result<(), Rejection> {
    let Some(first) = proofs.first() else { return Ok(()) };
    let tau = first.key.opening.tau_g2();
    if proofs.iter().any(|p| p.key.opening.tau_g2() != tau) {
        return Err(KzgError::Rejected.into());
    }
    let mut transcript = Transcript::new(DOMAIN);
    transcript.absorb_scalars(WEIGHTS, &proofs.iter().map(|p| p.weight).collect::<Vec<_>>());
    let challenge = transcript.seal().draw(COMBINING);
    let powers = std::iter::successors(Some(Fr::from(1u8)), |power| Some(challenge * power));
    let (mut lhs, mut rhs) = (Vec::new(), Vec::new());
    let mut shifted: Vec<(&PreparedG2, Vec<(Fr, G1Affine)>)> = Vec::new();
    let mut shifts = Vec::new();
    for (proof, power) in proofs.iter().zip(powers) {
        let terms = proof.accumulator.lhs.0.iter();
        lhs.extend(terms.map(|(scalar, point)| (power * scalar, *point)));
        rhs.push((power, proof.accumulator.rhs));
        let weights = &proof.key.weights;
        let place = shifts
            .iter()
            .position(|shift| *shift == weights.shift)
            .unwrap_or_else(|| {
                shifts.push(weights.shift);
                shifted.push((&weights.prepared, Vec::new()));
                shifts.len() - 1
            });
        shifted[place].1.push((power * proof.weight, proof.quotient));
    }
    let accumulator = Accumulator {
        lhs: LinearCombination(lhs),
        rhs: LinearCombination(rhs).value(),
    };
    let further: Vec<_> = shifted
        .into_iter()
        .map(|(shift, terms)| (LinearCombination(terms).value(), shift))
        .collect();
    Ok(first.key.opening.check_with(&accumulator, &further)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ark_ec::AffineRepr;

    use super::*;
    use crate::keys::VerifyingKey;

    /// A key of the shared vectors.
    fn key() -> VerifyingKey {
        let vectors = std::fs::read_to_string("tests/vectors.json").unwrap();
        let vectors: serde_json::Value = serde_json::from_str(&vectors).unwrap();
        let hex = vectors["keys"][0].as_str().unwrap();
        let byte = |at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..hex.len()).step_by(2).map(byte).collect();
        VerifyingKey::from_bytes(&bytes).unwrap()
    }

    /// Two equations that are wrong by opposite points would hold if they were only added up.
    #[test]
    fn errors_that_cancel_out_are_noticed() {
        let key = key();
        let proof = |error: G1Affine, weight: u64| Pending {
            key: &key,
            accumulator: Accumulator {
                lhs: error.into(),
                rhs: G1Affine::zero(),
            },
            weight: Fr::from(weight),
            quotient: G1Affine::zero(),
        };
        let (none, error) = (G1Affine::zero(), G1Affine::generator());
        settle(&[proof(none, 1), proof(none, 2)]).unwrap();
        assert!(settle(&[proof(error, 1)]).is_err());
        assert!(settle(&[proof(error, 1), proof(none, 2)]).is_err());
        assert!(settle(&[proof(error, 1), proof(-error, 2)]).is_err());
    }
}
