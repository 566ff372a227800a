#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use ark_bn254::{Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{AffineRepr, CurveGroup, PrimeGroup, VariableBaseMSM, scalar_mul::ScalarMul};
use ark_ff::{Field, UniformRand};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use ark_std::rand::{SeedableRng, rngs::StdRng};

use super::{Origin, Srs, SrsError};
use crate::encoding::{DecodeError, G1_BYTES, G2_BYTES};

const SIZE: usize = 19;
/// Where the points start in the file.
const HEADER: usize = 8 + 4 + 1 + 8 + 8;

fn srs() -> Srs {
    Srs::insecure_from_seed(SIZE, 2, &[1; 32]).unwrap()
}

/// A string of a known tau, with more powers in G2 than are generated.
fn with_tau(tau: Fr, size_g1: usize, size_g2: usize) -> Srs {
    let powers: Vec<Fr> = std::iter::successors(Some(Fr::ONE), |power| Some(tau * power))
        .take(size_g1)
        .collect();
    Srs {
        powers_g1: G1Projective::generator().batch_mul(&powers),
        powers_g2: G2Projective::generator().batch_mul(&powers[..size_g2]),
        origin: Origin::Ceremony,
    }
}

/// What decoding says to the string after a change.
fn after(change: impl FnOnce(&mut Srs)) -> SrsError {
    let mut srs = with_tau(Fr::from(1234567u64), SIZE, 5);
    assert_eq!(Srs::from_bytes(&srs.to_bytes()).unwrap(), srs);
    change(&mut srs);
    Srs::from_bytes(&srs.to_bytes()).unwrap_err()
}

#[test]
fn generated_strings_are_powers_and_roundtrip() {
    for srs in [
        srs(),
        Srs::insecure_dev(2, 2).unwrap(),
        Srs::insecure_dev(SIZE, 2).unwrap(),
    ] {
        assert_eq!(srs.origin(), Origin::InsecureDev);
        assert_eq!(srs.tau_g2(), srs.powers_g2()[1]);
        let bytes = srs.to_bytes();
        assert_eq!(bytes.len(), HEADER + srs.powers_g1().len() * G1_BYTES + 2 * G2_BYTES);
        assert_eq!(Srs::from_bytes(&bytes).unwrap(), srs);
    }
    assert_eq!(srs(), srs());
    assert_ne!(srs(), Srs::insecure_from_seed(SIZE, 2, &[2; 32]).unwrap());
    assert_ne!(Srs::insecure_dev(SIZE, 2).unwrap(), Srs::insecure_dev(SIZE, 2).unwrap());
    // The start of a longer string of the same seed.
    assert_eq!(
        Srs::insecure_from_seed(300, 2, &[1; 32]).unwrap().powers_g1()[..SIZE],
        *srs().powers_g1()
    );
}

#[test]
fn counts_out_of_range_are_refused() {
    for size in [0, 1, (1 << 29) + 1, usize::MAX] {
        assert!(matches!(Srs::insecure_dev(size, 2), Err(SrsError::Count { group: "G1", got }) if got == size as u64));
    }
    for (at, group) in [(13, "G1"), (21, "G2")] {
        for count in [0u64, 1, u64::MAX] {
            let mut bytes = srs().to_bytes();
            bytes[at..at + 8].copy_from_slice(&count.to_be_bytes());
            let error = Srs::from_bytes(&bytes).unwrap_err();
            assert!(matches!(error, SrsError::Count { group: g, got } if g == group && got == count));
        }
    }
    // In range, but far more than the file has: found before anything is allocated.
    let mut bytes = srs().to_bytes();
    bytes[13..21].copy_from_slice(&(1u64 << 29).to_be_bytes());
    assert!(matches!(
        Srs::from_bytes(&bytes),
        Err(SrsError::Decode(DecodeError::Truncated { .. }))
    ));
}

#[test]
fn header_faults_are_named() {
    let change = |at: usize| {
        let mut bytes = srs().to_bytes();
        bytes[at] ^= 2;
        Srs::from_bytes(&bytes).unwrap_err()
    };
    assert!((0..8).all(|at| matches!(change(at), SrsError::Magic { .. })));
    assert!((8..12).all(|at| matches!(change(at), SrsError::Version { expected: 1, .. })));
    assert!(matches!(change(12), SrsError::UnknownOrigin { got: 2 }));
}

#[test]
fn origin_is_kept() {
    let ceremony = with_tau(Fr::from(99u64), 4, 2);
    assert_eq!(
        Srs::from_bytes(&ceremony.to_bytes()).unwrap().origin(),
        Origin::Ceremony
    );
}

#[test]
fn every_truncation_and_a_spare_byte_are_refused() {
    let bytes = Srs::insecure_from_seed(3, 2, &[1; 32]).unwrap().to_bytes();
    for len in 0..bytes.len() {
        let error = Srs::from_bytes(&bytes[..len]).unwrap_err();
        assert!(
            matches!(error, SrsError::Decode(DecodeError::Truncated { .. })),
            "{len}: {error}"
        );
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    let error = Srs::from_bytes(&longer).unwrap_err();
    assert!(matches!(error, SrsError::Decode(DecodeError::Trailing { .. })));
}

#[test]
fn wrong_generators_are_refused() {
    assert!(matches!(
        after(|srs| srs.powers_g1.swap(0, 1)),
        SrsError::Generator { group: "G1" }
    ));
    assert!(matches!(
        after(|srs| srs.powers_g2.swap(0, 1)),
        SrsError::Generator { group: "G2" }
    ));
    // Consistent in itself, over another generator.
    let scaled = |srs: &mut Srs| {
        let five = Fr::from(5u8);
        srs.powers_g1
            .iter_mut()
            .for_each(|point| *point = (*point * five).into_affine());
    };
    assert!(matches!(after(scaled), SrsError::Generator { group: "G1" }));
}

#[test]
fn tau_of_one_is_refused() {
    assert!(matches!(
        after(|srs| *srs = with_tau(Fr::ONE, SIZE, 2)),
        SrsError::TrivialTau
    ));
    assert!(matches!(
        after(|srs| srs.powers_g2[1] = G2Affine::generator()),
        SrsError::TrivialTau
    ));
}

#[test]
fn points_that_are_no_powers_are_refused() {
    let rng = &mut StdRng::seed_from_u64(3);
    for index in 1..SIZE {
        let other = G1Affine::rand(rng);
        let error = after(|srs| srs.powers_g1[index] = other);
        assert!(matches!(error, SrsError::Inconsistent { group: "G1" }));
        let error = after(|srs| srs.powers_g1[index] = -srs.powers_g1[index]);
        assert!(matches!(error, SrsError::Inconsistent { group: "G1" }));
    }
    for index in 1..SIZE - 1 {
        let error = after(|srs| srs.powers_g1.swap(index, index + 1));
        assert!(matches!(error, SrsError::Inconsistent { group: "G1" }));
    }
    // The sum of all points is unchanged: only the random coefficients tell.
    let cancel = |srs: &mut Srs| {
        let generator = G1Affine::generator();
        srs.powers_g1[3] = (srs.powers_g1[3] + generator).into_affine();
        srs.powers_g1[4] = (srs.powers_g1[4] - generator).into_affine();
    };
    assert!(matches!(after(cancel), SrsError::Inconsistent { group: "G1" }));

    for index in 2..5 {
        let other = G2Affine::rand(rng);
        let error = after(|srs| srs.powers_g2[index] = other);
        assert!(matches!(error, SrsError::Inconsistent { group: "G2" }));
    }
    assert!(matches!(
        after(|srs| srs.powers_g2.swap(3, 4)),
        SrsError::Inconsistent { group: "G2" }
    ));
    // Another [tau]_2 disagrees with all of G1.
    let other = G2Affine::rand(rng);
    assert!(matches!(
        after(|srs| srs.powers_g2[1] = other),
        SrsError::Inconsistent { group: "G1" }
    ));
}

#[test]
fn points_outside_of_the_groups_are_refused() {
    let patch = |at: usize, with: &[u8]| {
        let mut bytes = srs().to_bytes();
        bytes[at..at + with.len()].copy_from_slice(with);
        Srs::from_bytes(&bytes).unwrap_err()
    };
    let g1 = |index: usize| HEADER + index * G1_BYTES;
    let g2 = HEADER + SIZE * G1_BYTES + G2_BYTES;
    let at = |error: SrsError| match error {
        SrsError::Decode(DecodeError::OffCurve { offset, .. }) => ("off curve", offset),
        SrsError::Decode(DecodeError::Infinity { offset, .. }) => ("infinity", offset),
        SrsError::Decode(DecodeError::CoordinateRange { offset, .. }) => ("range", offset),
        other => panic!("{other}"),
    };
    for index in [0, 1, SIZE - 1] {
        assert_eq!(at(patch(g1(index) + 63, &[0])), ("off curve", g1(index)));
        assert_eq!(at(patch(g1(index), &[0; 64])), ("infinity", g1(index)));
        assert_eq!(at(patch(g1(index), &[0xff; 32])), ("range", g1(index)));
    }
    assert_eq!(at(patch(g2, &[0; 128])), ("infinity", g2));
    assert_eq!(at(patch(g2 + 127, &[0])), ("off curve", g2));
}

/// Committing to values over the Lagrange basis is committing to the polynomial through them over the powers.
#[test]
fn lagrange_basis_commits_to_the_same_polynomials() {
    let rng = &mut StdRng::seed_from_u64(4);
    let srs = Srs::insecure_from_seed(70, 2, &[5; 32]).unwrap();
    for log_n in 0..=6 {
        let n = 1 << log_n;
        let basis = srs.lagrange_g1(log_n).unwrap();
        assert_eq!(basis.len(), n);
        let evals: Vec<Fr> = (0..n).map(|_| Fr::rand(rng)).collect();
        let coefficients = Radix2EvaluationDomain::<Fr>::new(n).unwrap().ifft(&evals);
        assert_eq!(
            G1Projective::msm(&basis, &evals).unwrap(),
            G1Projective::msm_unchecked(srs.powers_g1(), &coefficients)
        );
        // sum_i L_i = 1
        let sum: G1Projective = basis.iter().sum();
        assert_eq!(sum, G1Projective::generator());
    }
}

#[test]
fn lagrange_basis_needs_enough_powers() {
    let srs = srs();
    assert!(srs.lagrange_g1(4).is_ok());
    for log_n in [5, 28, 29, 63, 64, u32::MAX] {
        let error = srs.lagrange_g1(log_n).unwrap_err();
        assert!(matches!(error, SrsError::TooShort { log_n: l, got: SIZE } if l == log_n));
    }
}
