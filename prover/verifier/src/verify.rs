//! A proof file in, a verdict out.

use crate::{
    commitment::Commitment,
    fixed::Scale,
    interface::{Disclosure, Visibility},
    keys::{Origin, VerifyingKey},
    plonk::verifier::Rejection,
    statement::{Context, Statement, VerifyError},
};

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
    /// The output, if it is public, dequantised.
    pub outputs: Option<Vec<f64>>,
    /// The commitment to the input, if it is committed to. It says nothing by itself: compare it with one that is known.
    pub input_commitment: Option<Commitment>,
    /// The commitment to the output, if it is committed to.
    pub output_commitment: Option<Commitment>,
    /// The public words as they stand in the statement.
    pub words: Vec<i64>,
}

/// Verifies a proof file's bytes: the proof must have been made for `context`.
///
/// # Errors
/// [`VerifyError::Unreadable`] for bytes that are no proof file, [`VerifyError::Rejected`] for a proof that does not verify,
/// among them any under a development string unless `trust` allows it.
pub fn verify(key: &VerifyingKey, proof: &[u8], context: &Context, trust: Trust) -> Result<Verified, VerifyError> {
    if key.origin == Origin::InsecureDev && trust == Trust::Ceremony {
        return Err(Rejection::InsecureReferenceString.into());
    }
    let statement = Statement::read(proof, key)?;
    statement.verify(key, context)?;
    let dequantise = |words: &[i64], scale: Scale| words.iter().map(|v| *v as f64 / scale.factor()).collect();
    let (input, outputs) = statement
        .public
        .split_at(statement.public.len() - key.interface.outputs.len());
    let Disclosure {
        input: sees_input,
        output: sees_output,
    } = key.interface.disclosure();
    Ok(Verified {
        input: (sees_input == Visibility::Public).then(|| dequantise(input, key.model.input_scale)),
        outputs: (sees_output == Visibility::Public).then(|| dequantise(outputs, key.model.output_scale)),
        input_commitment: statement.input_commitment(key),
        output_commitment: statement.output_commitment(key),
        words: statement.public,
    })
}
