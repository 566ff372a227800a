//! The verifier: a key, public words and a proof in; accepted or the reason why not.

use ark_bn254::G2Affine;
use ark_bn254::{Fr, G1Affine};
use ark_ff::{Field, Zero};

use super::{
    at::{At, combined, lagrange_first_at, root_of_unity},
    cs::{Phase, Shape},
    expr::{Scalar, Scalars},
    fold::{Fold, reversed_value},
    linear::{self, Point},
    matrix,
    pending::{Pending, settle},
    proof::Proof,
    rounds::{self, Defences},
};
use crate::{
    field::signed,
    interface::{Input, Interface, Public},
    keys::Parts,
    kzg::{self, Claim, KzgError, LinearCombination},
    statement::{Context, Hex},
};

/// Why a proof that could be read is not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Rejection {
    /// The proof was made for another key: another model, other options or another reference string.
    #[error("it was made for verifying key {got}, not for {expected}")]
    OtherKey {
        /// Digest of the key at hand.
        expected: Hex,
        /// Digest that the proof names.
        got: Hex,
    },
    /// The key's reference string was made for development.
    #[error("the key's reference string is marked insecure-dev: whoever made it can prove anything")]
    InsecureReferenceString,
    /// The proof has more or fewer segments than the key.
    #[error("it has {got} segments, the verifying key has {expected}")]
    Segments {
        /// The key's number.
        expected: usize,
        /// The proof's.
        got: usize,
    },
    /// Two segments are about different tensors.
    #[error("segment {segment}, counted from 0, starts from another tensor than the one that the segment before gives")]
    Boundary {
        /// The second of the two.
        segment: usize,
    },
    /// The statement has too few or too many words.
    #[error("the statement has {got} public words, the verifying key expects {expected}")]
    PublicCount {
        /// The key's number.
        expected: usize,
        /// The statement's.
        got: usize,
    },
    /// The statement has too few or too many hashes.
    #[error("the statement has {got} hashes, the verifying key expects {expected}")]
    HashCount {
        /// The key's number.
        expected: usize,
        /// The statement's.
        got: usize,
    },
    /// A public word is outside of what a slot can hold, so that it means nothing.
    #[error("public word {index} is outside of the range of the fixed-point format ({bits} bits, signed)")]
    PublicRange {
        /// Which word.
        index: usize,
        /// Bits of a signed value.
        bits: u32,
    },
    /// A challenge took a value at which the check is not defined; no honest prover meets one.
    #[error("a challenge of this proof is a value at which it cannot be checked")]
    Challenge,
    /// The opening of the commitments is wrong: the proof was not made for this statement and key, or was changed.
    #[error("the proof does not hold for this statement and key: {0}")]
    Opening(#[from] KzgError),
}

/// The key's part that the weight fold is checked with.
#[derive(Clone, Debug)]
pub struct Weights {
    /// How the weights are cut into tiles.
    pub fold: Fold,
    /// `[W_l]` of each tile.
    pub tiles: Vec<G1Affine>,
    /// `[tau^width]_2`.
    pub shift: G2Affine,
    /// The same, prepared.
    pub prepared: kzg::PreparedG2,
}

impl Weights {
    /// The tiles, with their commitments and `[tau^width]_2`.
    pub fn new(fold: Fold, tiles: Vec<G1Affine>, shift: G2Affine) -> Self {
        Self {
            fold,
            tiles,
            shift,
            prepared: shift.into(),
        }
    }
}

/// What all rows together must add up to, per row; `None` if a denominator of the verifier's own terms vanishes.
///
/// The verifier writes the constants and a public input, and reads a public output.
pub fn bus_total(interface: &Interface, public: &[i64], point: &Point, kappa: Fr, scalars: &Scalars) -> Option<Fr> {
    let (lanes, eta) = (interface.shape.lanes, scalars[Scalar::Eta]);
    let kappa = kappa + matrix::checksum(&interface.linear, point, eta);
    let k = linear::output_checksum(&interface.linear, lanes, point, eta);
    let mut terms: Vec<(Fr, i64, u64)> = Vec::new();
    for (value, written) in &interface.constants {
        terms.push((Fr::from(written.reads), *value, written.id));
    }
    let mut words = public.iter();
    if let Input::Public(written) = &interface.input {
        terms.extend(
            written
                .iter()
                .zip(words.by_ref())
                .map(|(w, value)| (Fr::from(w.reads), *value, w.id)),
        );
    }
    terms.extend(
        interface
            .outputs
            .iter()
            .zip(words)
            .map(|(id, value)| (-Fr::from(1u8), *value, *id)),
    );
    let denominator = |value: i64, id: u64| scalars[Scalar::Beta] + signed(value) + scalars[Scalar::Chi] * Fr::from(id);
    let mut inverses: Vec<Fr> = terms.iter().map(|(_, value, id)| denominator(*value, *id)).collect();
    if inverses.iter().any(Zero::is_zero) {
        return None;
    }
    ark_ff::batch_inversion(&mut inverses);
    let verifier: Fr = terms
        .iter()
        .zip(&inverses)
        .map(|((count, ..), inverse)| *count * inverse)
        .sum();
    let total = scalars[Scalar::WeightInputs] * kappa + scalars[Scalar::WeightOutputs] * k - verifier;
    Some(total * Fr::from(interface.shape.n() as u64).inverse()?)
}

/// Checks the public words by themselves.
fn check_public(interface: &Interface, public: Public<'_>, defences: &Defences) -> Result<(), Rejection> {
    let shape = &interface.shape;
    let (expected, got) = (interface.public_integers(), public.integers.len());
    if got != expected {
        return Err(Rejection::PublicCount { expected, got });
    }
    let (expected, got) = (interface.hashes(), public.hashes.len());
    if got != expected {
        return Err(Rejection::HashCount { expected, got });
    }
    // A word that no slot could hold would stand for another value mod r (docs/protocol.md, "Public words").
    let out_of_range = |v: &i64| defences.public_range && !shape.limbs.holds_signed(*v);
    match public.integers.iter().position(out_of_range) {
        Some(index) => Err(Rejection::PublicRange {
            index,
            bits: shape.limbs.hi_bits(),
        }),
        None => Ok(()),
    }
}

/// The scalars that the hashes among the public words are.
pub fn hash_scalars(shape: &Shape, public: Public<'_>, scalars: &mut Scalars) {
    let kinds = [
        (shape.hashed_input, Scalar::InputHash),
        (shape.hashed_output, Scalar::OutputHash),
    ];
    let shown = kinds
        .into_iter()
        .filter_map(|(hashed, scalar)| hashed.then_some(scalar));
    shown
        .zip(public.hashes)
        .for_each(|(scalar, hash)| scalars[scalar] = hash.0);
}

impl Parts {
    /// Verifies `proof` of the statement `public`, bound to `context`.
    pub(crate) fn check(
        &self,
        public: Public<'_>,
        context: &Context,
        proof: &Proof,
        defences: &Defences,
    ) -> Result<(), Rejection> {
        settle(&[self.reduce(public, context, proof, defences)?])
    }

    /// Checks all of a proof but what takes the curve's arithmetic.
    pub(crate) fn reduce(
        &self,
        public: Public<'_>,
        context: &Context,
        proof: &Proof,
        defences: &Defences,
    ) -> Result<Pending<'_>, Rejection> {
        let Self {
            cs, interface, weights, ..
        } = self;
        let n = interface.shape.n();
        check_public(interface, public, defences)?;
        let words = public.words();
        let mut scalars = Scalars::default();
        hash_scalars(&interface.shape, public, &mut scalars);
        let of = |phase: Phase| cs.phase(phase).map(|i| proof.advice[i]).collect::<Vec<_>>();
        let transcript = rounds::start(defences, &self.digest, context, &words);
        let (point, transcript) = rounds::trace(defences, transcript, &of(Phase::Trace), &mut scalars);
        let mask = proof.mask.as_ref();
        let transcript = rounds::linear(defences, transcript, n, &of(Phase::Linear), mask, &mut scalars);
        let (alpha, transcript) = rounds::bus(transcript, &of(Phase::Bus), &proof.fold);
        let (z, transcript) = rounds::quotient(transcript, &proof.quotient);

        // In `H` the identity would be checked nowhere but on the rows, where both sides are zero.
        let first = lagrange_first_at(z, n).ok_or(Rejection::Challenge)?;
        scalars[Scalar::TotalPerRow] =
            bus_total(interface, public.integers, &point, proof.fold_evals[0], &scalars).ok_or(Rejection::Challenge)?;
        let mut evals = proof.advice_evals.iter().copied();
        let mut next = || evals.next().unwrap_or_default();
        let mut at = At {
            advice: Vec::new(),
            prev: Vec::new(),
            fixed: proof.fixed_evals.clone(),
            x: z,
            first,
        };
        for column in &cs.advice {
            at.advice.push(next());
            at.prev.push(if column.rotated { next() } else { Fr::zero() });
        }
        let z_n = z.pow([n as u64]);
        let z_h = (z_n - Fr::from(1u8)).inverse().ok_or(Rejection::Challenge)?;
        let t = combined(cs, alpha).eval(&at, &scalars) * z_h;

        let back = root_of_unity(n).inverse().ok_or(Rejection::Challenge)?;
        let (one_point, two_points) = ([z], [z, z * back]);
        let mut claims: Vec<kzg::CommitmentClaim<'_>> = Vec::with_capacity(cs.advice.len() + cs.fixed.len() + 1);
        for (i, column) in cs.advice.iter().enumerate() {
            let (points, evals) = if column.rotated {
                (&two_points[..], vec![at.advice[i], at.prev[i]])
            } else {
                (&one_point[..], vec![at.advice[i]])
            };
            claims.push(Claim {
                subject: proof.advice[i].into(),
                points,
                evals,
            });
        }
        for (commitment, value) in self.fixed.iter().zip(&proof.fixed_evals) {
            claims.push(Claim {
                subject: (*commitment).into(),
                points: &one_point,
                evals: vec![*value],
            });
        }
        // The two parts of t are never opened apart: that would reveal a further functional of the blinded columns.
        let subject = LinearCombination(vec![(Fr::from(1u8), proof.quotient[0]), (z_n, proof.quotient[1])]);
        claims.push(Claim {
            subject,
            points: &one_point,
            evals: vec![t],
        });
        let (eta, rho, width) = (scalars[Scalar::Eta], point.rho, weights.fold.width);
        let fold_points = FoldPoints::new(eta, z).ok_or(Rejection::Challenge)?;
        let [kappa, at_z] = proof.fold_evals;
        let values = [
            vec![kappa, at_z],
            vec![reversed_value(at_z, z, width).ok_or(Rejection::Challenge)?],
        ];
        claims.extend(fold_points.claims(
            defences,
            proof.fold.remainder.into(),
            proof.fold.reversed.into(),
            values,
        ));
        let early = transcript.clone();
        let (mut accumulator, late) = kzg::accumulate(&claims, &proof.opening, transcript)?;
        let transcript = if defences.fold_weight_last { late } else { early };

        // (F1), with a weight that depends on everything that was sent.
        let weight = if defences.fold_division {
            rounds::fold(transcript)
        } else {
            Fr::zero()
        };
        let quotient = proof.fold.quotient;
        let tiles = weights
            .fold
            .scalars(&point, eta)
            .into_iter()
            .zip(weights.tiles.iter().copied());
        let mask = weights.fold.mask_scalar(eta).zip(proof.mask);
        let fold = tiles
            .chain(mask)
            .chain([(-Fr::from(1u8), proof.fold.remainder), (rho, quotient)]);
        accumulator
            .lhs
            .0
            .extend(fold.map(|(scalar, point)| (weight * scalar, point)));
        Ok(Pending {
            key: self,
            accumulator,
            weight,
            quotient,
        })
    }
}

/// Where the weight fold is opened.
#[derive(Clone, Copy, Debug)]
pub struct FoldPoints {
    remainder: [Fr; 2],
    reversed: [Fr; 1],
}

impl FoldPoints {
    /// `None` for `z = 0`.
    pub fn new(eta: Fr, z: Fr) -> Option<Self> {
        Some(Self {
            remainder: [eta, z],
            reversed: [z.inverse()?],
        })
    }

    /// `V` at `eta` (F2) and `z`, `V*` at `1/z` (F3), for prover and verifier alike.
    pub fn claims<T>(
        &self,
        defences: &Defences,
        remainder: T,
        reversed: T,
        [at, back]: [Vec<Fr>; 2],
    ) -> Vec<Claim<'_, T>> {
        let skip = usize::from(!defences.fold_value);
        let mut claims = vec![Claim {
            subject: remainder,
            points: &self.remainder[skip..],
            evals: at[skip..].to_vec(),
        }];
        if defences.fold_degree {
            claims.push(Claim {
                subject: reversed,
                points: &self.reversed,
                evals: back,
            });
        }
        claims
    }
}
