#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod paper;
mod soundness;

use std::sync::LazyLock;

use ark_bn254::{Bn254, Fr, G1Affine, G1Projective, G2Affine};
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM, pairing::Pairing};
use ark_ff::{Field, UniformRand, Zero};
use ark_poly::{DenseUVPolynomial, Polynomial, univariate::DensePolynomial};
use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};

use super::{
    Accumulator, Claim, CommitmentClaim, KzgError, LinearCombination, OpenError, OpeningProof, PolynomialClaim,
    VerifierKey, accumulate, open, verify,
};
use crate::{
    encoding::{Reader, Writer},
    srs::Srs,
    transcript::{Tag, Transcript},
};

const DEGREE: usize = 72;

static SRS: LazyLock<Srs> = LazyLock::new(|| Srs::insecure_from_seed(DEGREE, 2, &[7; 32]).unwrap());
static KEY: LazyLock<VerifierKey> = LazyLock::new(|| VerifierKey::new(SRS.tau_g2()).unwrap());

fn commit(coefficients: &[Fr]) -> G1Affine {
    assert!(coefficients.len() <= DEGREE);
    G1Projective::msm_unchecked(SRS.powers_g1(), coefficients).into_affine()
}

/// A statement: polynomials with the sets that they are opened on.
#[derive(Clone)]
struct Case {
    sets: Vec<Vec<Fr>>,
    polynomials: Vec<Vec<Fr>>,
    /// Per claim: polynomial and set.
    claims: Vec<(usize, usize)>,
    commitments: Vec<LinearCombination>,
    evals: Vec<Vec<Fr>>,
}

impl Case {
    fn new(sets: Vec<Vec<Fr>>, polynomials: Vec<Vec<Fr>>, claims: Vec<(usize, usize)>) -> Self {
        let evals = claims
            .iter()
            .map(|&(polynomial, set)| {
                let polynomial = DensePolynomial::from_coefficients_slice(&polynomials[polynomial]);
                sets[set].iter().map(|point| polynomial.evaluate(point)).collect()
            })
            .collect();
        let commitments = claims
            .iter()
            .map(|&(polynomial, _)| commit(&polynomials[polynomial]).into())
            .collect();
        Self {
            sets,
            polynomials,
            claims,
            commitments,
            evals,
        }
    }

    fn random(rng: &mut StdRng, set_sizes: &[usize], claims: usize) -> Self {
        let sets = set_sizes
            .iter()
            .map(|size| (0..*size).map(|_| Fr::rand(rng)).collect())
            .collect();
        let polynomials = (0..claims).map(|_| random_polynomial(rng)).collect();
        let of = (0..claims)
            .map(|index| (index, rng.gen_range(0..set_sizes.len())))
            .collect();
        Self::new(sets, polynomials, of)
    }

    /// The columns of a proof: most at z, some at z and z/w, one at eta, one at 1/z.
    fn columns(rng: &mut StdRng) -> Self {
        let (z, w, eta) = (Fr::rand(rng), Fr::rand(rng), Fr::rand(rng));
        let sets = vec![vec![z], vec![z, z / w], vec![eta], vec![eta, z.inverse().unwrap()]];
        let polynomials = (0..7).map(|_| random_polynomial(rng)).collect();
        Self::new(
            sets,
            polynomials,
            vec![(0, 0), (1, 1), (2, 0), (3, 1), (4, 2), (5, 3), (6, 0)],
        )
    }

    fn transcript(&self) -> Transcript {
        let mut transcript = Transcript::new(b"tapeout/kzg-test");
        let points: Vec<_> = self.commitments.iter().flat_map(|combination| &combination.0).collect();
        transcript.absorb_g1(Tag(1), &points.iter().map(|term| term.1).collect::<Vec<_>>());
        transcript.absorb_scalars(Tag(2), &points.iter().map(|term| term.0).collect::<Vec<_>>());
        self.sets.iter().for_each(|set| transcript.absorb_scalars(Tag(3), set));
        transcript
    }

    fn polynomial_claims(&self) -> Vec<PolynomialClaim<'_>> {
        self.claim(|index| self.polynomials[self.claims[index].0].as_slice())
    }

    fn commitment_claims(&self) -> Vec<CommitmentClaim<'_>> {
        self.claim(|index| self.commitments[index].clone())
    }

    fn claim<T>(&self, subject: impl Fn(usize) -> T) -> Vec<Claim<'_, T>> {
        let claim = |(index, &(_, set)): (usize, &(usize, usize))| Claim {
            subject: subject(index),
            points: &self.sets[set],
            evals: self.evals[index].clone(),
        };
        self.claims.iter().enumerate().map(claim).collect()
    }

    fn open(&self) -> Result<(OpeningProof, Transcript), OpenError> {
        open(&self.polynomial_claims(), self.transcript(), &mut |coefficients| {
            Ok(commit(coefficients))
        })
    }

    fn verify(&self, proof: &OpeningProof) -> Result<Transcript, KzgError> {
        verify(&KEY, &self.commitment_claims(), proof, self.transcript())
    }

    fn rejects(&self, proof: &OpeningProof) {
        assert!(matches!(self.verify(proof), Err(KzgError::Rejected)));
    }
}

fn random_polynomial(rng: &mut StdRng) -> Vec<Fr> {
    let len = rng.gen_range(DEGREE - 8..=DEGREE);
    (0..len).map(|_| Fr::rand(rng)).collect()
}

fn rng(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

fn draw(transcript: Transcript) -> Fr {
    transcript.seal().draw(Tag(0))
}

#[test]
fn honest_claims_verify() {
    let rng = &mut rng(1);
    let shapes: [&[usize]; 6] = [&[1], &[2], &[1, 2], &[1, 2, 1, 2], &[8], &[3, 1, 5, 2, 4]];
    for shape in shapes {
        for claims in [1, 2, 9] {
            let case = Case::random(rng, shape, claims);
            let (proof, prover) = case.open().unwrap();
            let verifier = case.verify(&proof).unwrap();
            assert_eq!(draw(prover), draw(verifier));
        }
    }
    let case = Case::columns(rng);
    case.verify(&case.open().unwrap().0).unwrap();
}

#[test]
fn accumulator_is_the_pairing_check() {
    let rng = &mut rng(7);
    let case = Case::columns(rng);
    let (proof, _) = case.open().unwrap();
    let (accumulator, _) = accumulate(&case.commitment_claims(), &proof, case.transcript()).unwrap();
    assert_eq!(accumulator.rhs, proof.w_prime);
    let [lhs, rhs] = [
        (accumulator.lhs.value(), G2Affine::generator()),
        (accumulator.rhs, KEY.tau_g2()),
    ];
    assert_eq!(Bn254::pairing(lhs.0, lhs.1), Bn254::pairing(rhs.0, rhs.1));
    KEY.check(&accumulator).unwrap();
    let wrong = Accumulator {
        lhs: accumulator.rhs.into(),
        rhs: accumulator.lhs.value(),
    };
    assert!(matches!(KEY.check(&wrong), Err(KzgError::Rejected)));
}

#[test]
fn commitments_may_be_linear_combinations() {
    let rng = &mut rng(8);
    let z = Fr::rand(rng);
    let z_n = z.pow([32]);
    let chunks: Vec<Vec<Fr>> = (0..2).map(|_| (0..40).map(|_| Fr::rand(rng)).collect()).collect();
    let folded: Vec<Fr> = chunks[0]
        .iter()
        .zip(&chunks[1])
        .map(|(low, high)| *low + z_n * high)
        .collect();
    let mut case = Case::new(
        vec![vec![z]],
        vec![random_polynomial(rng), folded],
        vec![(0, 0), (1, 0)],
    );
    case.commitments[1] = LinearCombination(vec![(Fr::ONE, commit(&chunks[0])), (z_n, commit(&chunks[1]))]);
    let (proof, _) = case.open().unwrap();
    case.verify(&proof).unwrap();

    // The transcript absorbs what was sent, so that a changed scalar meets the same challenges.
    let mut claims = case.commitment_claims();
    claims[1].subject.0[1].0 += Fr::ONE;
    assert!(matches!(
        verify(&KEY, &claims, &proof, case.transcript()),
        Err(KzgError::Rejected)
    ));
}

#[test]
fn edge_polynomials() {
    let rng = &mut rng(9);
    let sets = vec![vec![Fr::rand(rng)], vec![Fr::zero(), Fr::ONE]];
    let constant = vec![Fr::from(5u8)];
    let linear = vec![Fr::ONE, Fr::from(3u8)];

    // W is the identity when every degree is below the number of points, W' too when all are constant.
    let case = Case::new(
        sets.clone(),
        vec![constant, vec![], linear],
        vec![(0, 0), (1, 0), (2, 1), (0, 1)],
    );
    let (proof, _) = case.open().unwrap();
    assert!(proof.w.is_zero() && !proof.w_prime.is_zero());
    case.verify(&proof).unwrap();
    let constants = Case::new(
        sets.clone(),
        case.polynomials[..2].to_vec(),
        vec![(0, 0), (1, 0), (0, 1)],
    );
    let none = OpeningProof {
        w: G1Affine::zero(),
        w_prime: G1Affine::zero(),
    };
    assert_eq!(constants.open().unwrap().0, none);
    constants.verify(&none).unwrap();
    for (case, proof) in [(case, proof), (constants, none)] {
        case.rejects(&OpeningProof {
            w: G1Affine::generator(),
            ..proof
        });
        case.rejects(&OpeningProof {
            w_prime: G1Affine::generator(),
            ..proof
        });
    }

    let lengths = [1, 2, 3, 1023, 1024, 1025];
    let srs = Srs::insecure_from_seed(1100, 2, &[7; 32]).unwrap();
    let polynomials: Vec<Vec<Fr>> = lengths
        .iter()
        .map(|len| (0..*len).map(|_| Fr::rand(rng)).collect())
        .collect();
    let commit = |polynomial: &[Fr]| G1Projective::msm_unchecked(srs.powers_g1(), polynomial).into_affine();
    let claim = |polynomial: &Vec<Fr>, set: usize| -> Vec<Fr> {
        let polynomial = DensePolynomial::from_coefficients_slice(polynomial);
        sets[set].iter().map(|point| polynomial.evaluate(point)).collect()
    };
    let opened: Vec<_> = (0..12)
        .map(|index| (&polynomials[index / 2], index % 2))
        .map(|(polynomial, set)| Claim {
            subject: &polynomial[..],
            points: &sets[set],
            evals: claim(polynomial, set),
        })
        .collect();
    let committed: Vec<_> = opened
        .iter()
        .map(|claim| Claim {
            subject: commit(claim.subject).into(),
            points: claim.points,
            evals: claim.evals.clone(),
        })
        .collect();
    let (proof, _) = open(&opened, Transcript::new(b"edge"), &mut |polynomial| {
        Ok(commit(polynomial))
    })
    .unwrap();
    verify(
        &VerifierKey::new(srs.tau_g2()).unwrap(),
        &committed,
        &proof,
        Transcript::new(b"edge"),
    )
    .unwrap();
}

#[test]
fn bad_claims_are_named() {
    let rng = &mut rng(10);
    let case = Case::random(rng, &[2], 2);
    let both = |case: &Case| {
        let proof = OpeningProof {
            w: G1Affine::zero(),
            w_prime: G1Affine::zero(),
        };
        [
            match case.open() {
                Err(OpenError::Claims(error)) => error,
                other => panic!("{other:?}"),
            },
            case.verify(&proof).map(|_| ()).unwrap_err(),
        ]
    };

    let mut none = case.clone();
    none.claims.clear();
    none.evals.clear();
    assert!(both(&none).iter().all(|error| matches!(error, KzgError::NoClaims)));

    let mut no_points = case.clone();
    no_points.sets[0].clear();
    no_points.evals.iter_mut().for_each(Vec::clear);
    assert!(
        both(&no_points)
            .iter()
            .all(|error| matches!(error, KzgError::NoPoints { claim: 0 }))
    );

    let mut count = case.clone();
    count.evals[1].pop();
    let expected = |error: &KzgError| {
        matches!(
            error,
            KzgError::EvaluationCount {
                claim: 1,
                expected: 2,
                got: 1
            }
        )
    };
    assert!(both(&count).iter().all(expected));

    let mut repeated = case.clone();
    repeated.sets[0][1] = repeated.sets[0][0];
    let expected = |error: &KzgError| {
        matches!(
            error,
            KzgError::RepeatedPoint {
                claim: 0,
                first: 0,
                second: 1
            }
        )
    };
    assert!(both(&repeated).iter().all(expected));

    let mut wrong = case.clone();
    wrong.evals[1][1] += Fr::ONE;
    assert!(matches!(wrong.open(), Err(OpenError::WrongEvaluation { claim: 0 })));
}

#[test]
fn commit_failure_is_passed_on() {
    let rng = &mut rng(12);
    let case = Case::random(rng, &[1], 1);
    let fails = |after: usize| {
        let mut left = after;
        let opened = open(&case.polynomial_claims(), case.transcript(), &mut |polynomial| {
            if left == 0 {
                return Err(tapeout_driver::Error::Device {
                    backend: "test",
                    reason: "unplugged".into(),
                });
            }
            left -= 1;
            Ok(commit(polynomial))
        });
        matches!(opened, Err(OpenError::Commit(_)))
    };
    assert_eq!([fails(0), fails(1), fails(2)], [true, true, false]);
}

#[test]
fn proof_encoding_roundtrip() {
    let rng = &mut rng(13);
    for proof in [
        OpeningProof {
            w: G1Affine::rand(rng),
            w_prime: G1Affine::rand(rng),
        },
        OpeningProof {
            w: G1Affine::zero(),
            w_prime: G1Affine::generator(),
        },
    ] {
        let mut out = Writer::new();
        proof.write(&mut out);
        let bytes = out.finish();
        assert_eq!(bytes.len(), 128);
        let mut reader = Reader::new(&bytes);
        assert_eq!(OpeningProof::read(&mut reader).unwrap(), proof);
        reader.finish().unwrap();
        for len in 0..bytes.len() {
            assert!(OpeningProof::read(&mut Reader::new(&bytes[..len])).is_err());
        }
    }
}
