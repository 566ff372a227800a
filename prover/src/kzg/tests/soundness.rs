//! What a verifier must refuse.

use ark_bn254::{Fr, G1Affine, G2Affine};
use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{Field, UniformRand};

use super::{Case, KEY, SRS, draw, rng};
use crate::{
    kzg::{KzgError, OpenError, OpeningProof, VerifierKey, accumulate, accumulator, draw_batching, draw_point, verify},
    srs::Srs,
    transcript::Tag,
};

#[test]
fn any_change_is_rejected() {
    let rng = &mut rng(3);
    let case = Case::columns(rng);
    let (proof, _) = case.open().unwrap();

    for claim in 0..case.claims.len() {
        for eval in 0..case.evals[claim].len() {
            let mut changed = case.clone();
            changed.evals[claim][eval] += Fr::ONE;
            changed.rejects(&proof);
        }
        let mut changed = case.clone();
        changed.commitments[claim] = G1Affine::rand(rng).into();
        changed.rejects(&proof);
        changed.commitments[claim] = G1Affine::zero().into();
        changed.rejects(&proof);
    }
    for set in 0..case.sets.len() {
        for point in 0..case.sets[set].len() {
            let mut changed = case.clone();
            changed.sets[set][point] += Fr::ONE;
            changed.rejects(&proof);
        }
    }
    for other in [
        G1Affine::rand(rng),
        G1Affine::zero(),
        G1Affine::generator(),
        -proof.w,
        -proof.w_prime,
    ] {
        case.rejects(&OpeningProof { w: other, ..proof });
        case.rejects(&OpeningProof {
            w_prime: other,
            ..proof
        });
    }
    case.rejects(&OpeningProof {
        w: G1Affine::zero(),
        w_prime: G1Affine::zero(),
    });
    case.rejects(&OpeningProof {
        w: proof.w_prime,
        w_prime: proof.w,
    });

    let mut swapped = case.clone();
    swapped.evals.swap(0, 2);
    swapped.rejects(&proof);
    let mut reordered = case.clone();
    reordered.claims.swap(0, 2);
    reordered.evals.swap(0, 2);
    reordered.commitments.swap(0, 2);
    reordered.rejects(&proof);
    let mut dropped = case.clone();
    dropped.claims.pop();
    dropped.rejects(&proof);

    let mut transcript = case.transcript();
    transcript.absorb_bytes(Tag(9), b"context");
    assert!(matches!(
        verify(&KEY, &case.commitment_claims(), &proof, transcript),
        Err(KzgError::Rejected)
    ));

    let other_key = VerifierKey::new(Srs::insecure_from_seed(2, 2, &[8; 32]).unwrap().tau_g2()).unwrap();
    let verified = verify(&other_key, &case.commitment_claims(), &proof, case.transcript());
    assert!(matches!(verified, Err(KzgError::Rejected)));
}

/// The sum of both evaluations is right; only the powers of v tell them apart.
#[test]
fn errors_that_cancel_without_batching_are_rejected() {
    let rng = &mut rng(4);
    let case = Case::random(rng, &[1], 2);
    let (proof, _) = case.open().unwrap();
    let mut changed = case.clone();
    changed.evals[0][0] += Fr::ONE;
    changed.evals[1][0] -= Fr::ONE;
    changed.rejects(&proof);
    assert!(matches!(changed.open(), Err(OpenError::WrongEvaluation { claim: 0 })));
}

/// A prover that knows v before the evaluations are fixed shifts them so that the batched claim stays the same.
#[test]
fn evaluations_bind_the_batching_challenge() {
    let rng = &mut rng(14);
    let case = Case::random(rng, &[2], 2);
    let (powers, _) = draw_batching(&case.commitment_claims(), case.transcript());
    let mut shifted = case.clone();
    shifted.evals[0][1] += powers[1];
    shifted.evals[1][1] -= Fr::ONE;

    let (proof, _) = case.open().unwrap();
    let (_, transcript) = draw_batching(&case.commitment_claims(), case.transcript());
    let (u, _) = draw_point(&proof.w, transcript);
    let replayed = accumulator(&shifted.commitment_claims(), &proof, &powers, u).unwrap();
    KEY.check(&replayed)
        .expect("under the challenges of the honest evaluations, the forgery passes");
    shifted.rejects(&proof);
}

/// A prover that knows u before W is fixed proves anything, since any W' fits one W.
#[test]
fn point_must_be_drawn_after_w() {
    let rng = &mut rng(5);
    let mut case = Case::columns(rng);
    case.evals[0][0] = Fr::from(42u8);
    let claims = case.commitment_claims();

    // The u of another W, as if u did not depend on it.
    let (powers, transcript) = draw_batching(&claims, case.transcript());
    let (u, _) = draw_point(&G1Affine::generator(), transcript);
    // W' = [a]_1, so that tau W' is known; W takes whatever the equation lacks.
    let a = Fr::rand(rng);
    let blank = OpeningProof {
        w: G1Affine::zero(),
        w_prime: (G1Affine::generator() * a).into_affine(),
    };
    let lacks = accumulator(&claims, &blank, &powers, u).unwrap().lhs.value();
    let w = (lacks.into_group() - SRS.powers_g1()[1] * a).into_affine();
    let forged = OpeningProof { w, ..blank };

    let accumulator = accumulator(&claims, &forged, &powers, u).unwrap();
    KEY.check(&accumulator)
        .expect("under a u that W does not bind, the forgery passes");
    case.rejects(&forged);
}

/// What is drawn after an opening depends on W', so that later batching challenges bind it.
#[test]
fn later_challenges_bind_both_points() {
    let rng = &mut rng(6);
    let case = Case::columns(rng);
    let (proof, _) = case.open().unwrap();
    let after = |proof: &OpeningProof| {
        draw(
            accumulate(&case.commitment_claims(), proof, case.transcript())
                .unwrap()
                .1,
        )
    };
    assert_ne!(
        after(&proof),
        after(&OpeningProof {
            w: G1Affine::rand(rng),
            ..proof
        })
    );
    assert_ne!(
        after(&proof),
        after(&OpeningProof {
            w_prime: G1Affine::rand(rng),
            ..proof
        })
    );
}

/// A u in a point set is found before anything is divided by it.
#[test]
fn challenge_at_a_point_is_an_error() {
    let rng = &mut rng(11);
    let case = Case::random(rng, &[2, 2], 3);
    let (proof, _) = case.open().unwrap();
    for (set, point) in [(0, 0), (1, 1)] {
        let powers = [Fr::ONE; 3];
        let mut case = case.clone();
        case.claims = vec![(0, set), (1, set), (2, set)];
        let forced = accumulator(&case.commitment_claims(), &proof, &powers, case.sets[set][point]);
        assert!(matches!(forced, Err(KzgError::ChallengeIsPoint { claim: 0 })));
    }
}

#[test]
fn trivial_tau_is_refused() {
    assert!(matches!(
        VerifierKey::new(G2Affine::generator()),
        Err(KzgError::TrivialTau { what: "generator" })
    ));
    assert!(matches!(
        VerifierKey::new(G2Affine::zero()),
        Err(KzgError::TrivialTau { what: "identity" })
    ));
}
