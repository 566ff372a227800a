//! A proof file in, a verdict out.

use crate::{
    commitment::Commitment,
    fixed::Scale,
    hash::Hash,
    interface::{Disclosure, Visibility},
    keys::{KeyFormatError, Origin, VerifyingKey},
    plonk::verifier::Rejection,
    segments::{KEY_MAGIC, SegmentedKey, SegmentedStatement},
    statement::{Context, Statement, VerifyError},
};

/// The verifying key of a model, whole or in segments.
#[derive(Clone, Debug)]
pub enum Key {
    /// One proof.
    Whole(Box<VerifyingKey>),
    /// A proof for each segment.
    Segmented(SegmentedKey),
}

impl Key {
    /// Reads a key of either kind.
    ///
    /// # Errors
    /// [`KeyFormatError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyFormatError> {
        Ok(match bytes.starts_with(&KEY_MAGIC) {
            true => Self::Segmented(SegmentedKey::from_bytes(bytes)?),
            false => Self::Whole(VerifyingKey::from_bytes(bytes)?.into()),
        })
    }

    /// keccak256 of the key's bytes.
    pub fn digest(&self) -> [u8; 32] {
        match self {
            Self::Whole(key) => key.digest(),
            Self::Segmented(key) => key.digest(),
        }
    }

    /// The keys of all segments.
    pub fn keys(&self) -> &[VerifyingKey] {
        match self {
            Self::Whole(key) => std::slice::from_ref(key),
            Self::Segmented(key) => key.keys(),
        }
    }

    /// The keys of the first and of the last segment: what says how the input and the output are proven.
    pub fn ends(&self) -> (&VerifyingKey, &VerifyingKey) {
        match self {
            Self::Whole(key) => (key, key),
            Self::Segmented(key) => key.ends(),
        }
    }

    /// The model's file.
    pub fn model_hash(&self) -> [u8; 32] {
        self.ends().0.model().hash
    }

    /// Where the reference string stems from.
    pub fn origin(&self) -> Origin {
        self.ends().0.origin()
    }

    /// Verifies a proof file's bytes: the proof must have been made for `context`.
    ///
    /// # Errors
    /// As [`verify`].
    pub fn verify(&self, proof: &[u8], context: &Context, trust: Trust) -> Result<Verified, VerifyError> {
        match self {
            Self::Whole(key) => verify(key, proof, context, trust),
            Self::Segmented(key) => verify_segments(key, proof, context, trust),
        }
    }
}

/// Whether a proof under a reference string that its maker could have broken is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Only strings from a ceremony.
    Ceremony,
    /// Development strings too: good for trying things out, worth nothing against a dishonest prover.
    InsecureDev,
}

/// What a proof that verifies says.
#[derive(Clone, Debug, PartialEq)]
pub struct Verified {
    /// The input, if it is public, dequantised.
    pub input: Option<Vec<f64>>,
    /// The output, or what of it is public, dequantised.
    pub outputs: Option<Vec<f64>>,
    /// The commitment to the input, if it is committed to. It says nothing by itself: compare it with one that is known.
    pub input_commitment: Option<Commitment>,
    /// The commitment to the output, if it is committed to.
    pub output_commitment: Option<Commitment>,
    /// The hash of the input, if it is hashed. It says nothing by itself: compare it with one that is known.
    pub input_hash: Option<Hash>,
    /// The hash of the output, if it is hashed.
    pub output_hash: Option<Hash>,
    /// The integers among the public words as they stand in the statement.
    pub words: Vec<i64>,
}

/// Verifies a proof file's bytes: the proof must have been made for `context`.
///
/// # Errors
/// [`VerifyError::Unreadable`] for bytes that are no proof file, [`VerifyError::Rejected`] for a proof that does not verify,
/// among them any under a development string unless `trust` allows it.
pub fn verify(key: &VerifyingKey, proof: &[u8], context: &Context, trust: Trust) -> Result<Verified, VerifyError> {
    trusted(key.origin, trust)?;
    let statement = Statement::read(proof, key)?;
    statement.verify(key, context)?;
    Ok(Verified::of((key, &statement), (key, &statement)))
}

fn verify_segments(key: &SegmentedKey, proof: &[u8], context: &Context, trust: Trust) -> Result<Verified, VerifyError> {
    let (first, last) = key.ends();
    trusted(first.origin, trust)?;
    let statement = SegmentedStatement::read(proof, key)?;
    statement.verify(key, context)?;
    let segments = &statement.segments;
    Ok(Verified::of(
        (first, &segments[0]),
        (last, &segments[segments.len() - 1]),
    ))
}

fn trusted(origin: Origin, trust: Trust) -> Result<(), Rejection> {
    match (origin, trust) {
        (Origin::InsecureDev, Trust::Ceremony) => Err(Rejection::InsecureReferenceString),
        _ => Ok(()),
    }
}

impl Verified {
    /// What proofs say of the input of the first and of the output of the last; both are one where there are no segments.
    fn of(first: (&VerifyingKey, &Statement), last: (&VerifyingKey, &Statement)) -> Self {
        let dequantise = |words: &[i64], scale: Scale| words.iter().map(|v| *v as f64 / scale.factor()).collect();
        let (inputs, outputs) = (inputs(first), outputs(last));
        let Disclosure { input: sees_input, .. } = first.0.interface.disclosure();
        Self {
            input: (sees_input == Visibility::Public).then(|| dequantise(inputs, first.0.model.input_scale)),
            outputs: (!outputs.is_empty()).then(|| dequantise(outputs, last.0.model.output_scale)),
            input_commitment: first.1.input_commitment(first.0),
            output_commitment: last.1.output_commitment(last.0),
            input_hash: first.1.input_hash(first.0),
            output_hash: last.1.output_hash(last.0),
            words: inputs.iter().chain(outputs).copied().collect(),
        }
    }
}

/// The words of a public input.
fn inputs<'a>((key, statement): (&VerifyingKey, &'a Statement)) -> &'a [i64] {
    &statement.public[..statement.public.len() - key.interface.outputs.len()]
}

/// The words of a public output.
fn outputs<'a>((key, statement): (&VerifyingKey, &'a Statement)) -> &'a [i64] {
    &statement.public[statement.public.len() - key.interface.outputs.len()..]
}
