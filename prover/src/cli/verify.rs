//! `tapeout verify`

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::{Deserialize, Serialize};
use tapeout_prover::commitment::Commitment;
use tapeout_prover::hash::Hash;
use tapeout_prover::keys::VerifyingKey;
use tapeout_prover::layout::Visibility;
use tapeout_prover::model::io;
use tapeout_prover::pipeline::{Key, Trust, Verified};
use tapeout_prover::plonk::verifier::Rejection;
use tapeout_prover::srs::Origin;
use tapeout_prover::statement::{Statement, VerifyError};

use super::context::{self, ContextArgs};
use super::files;
use super::keys::{self, hex, origin_name};
use super::meter::Meter;
use super::output::{Output, Shown, Status, facts, numbers};

/// Check a proof against a verifying key
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The proof, as `tapeout prove` wrote it
    proof: PathBuf,

    /// The verifying key
    #[arg(long, value_name = "FILE")]
    vk: PathBuf,

    /// Check these outputs, {"outputs": [...]}, in place of those that the proof file states
    #[arg(long, value_name = "FILE")]
    outputs: Option<PathBuf>,

    /// Refuse proofs about another input than this one, {"input_data": [[...]]} or .npy; for keys whose input is public
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,

    /// Refuse proofs of another model than the one with this hash (keccak256 of its file, hexadecimal)
    #[arg(long, value_name = "HEX", value_parser = context::parse)]
    model_hash: Option<[u8; 32]>,

    /// Refuse proofs about another input than the one with this commitment
    #[arg(long, value_name = "HEX")]
    input_commitment: Option<Commitment>,

    /// Refuse proofs about another output than the one with this commitment
    #[arg(long, value_name = "HEX")]
    output_commitment: Option<Commitment>,

    /// Refuse proofs about another input than the one with this hash (`tapeout hash` computes it)
    #[arg(long, value_name = "HEX")]
    input_hash: Option<Hash>,

    /// Refuse proofs about another output than the one with this hash
    #[arg(long, value_name = "HEX")]
    output_hash: Option<Hash>,

    #[command(flatten)]
    context: ContextArgs,

    /// Accept keys whose reference string was made for development, as `tapeout setup` makes it without --srs: whoever made it can forge
    /// proofs
    #[arg(long)]
    insecure_dev: bool,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    /// Why the proof is refused.
    reason: Option<String>,
    model_hash: String,
    vk_digest: String,
    srs: &'static str,
    proof_bytes: usize,
    /// The public values, dequantised: the input's if it is public, then the output's.
    public: Option<Vec<f64>>,
    inputs: Option<Vec<f64>>,
    outputs: Option<Vec<f64>>,
    #[serde(flatten)]
    shown: Shown,
    /// What was compared with what the caller named, beside the proof.
    checked: Vec<&'static str>,
    /// Reading the files included.
    wall_s: f64,
    /// Of that, decoding and checking the proof.
    check_s: f64,
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let meter = Meter::start();
        let key = keys::read_key(&self.vk)?;
        let input = self.input.as_deref().map(|path| read_input(&key, path)).transpose()?;
        let proof = files::read(&self.proof)?;
        let proof = match &self.outputs {
            Some(path) => with_outputs(self.whole(&key)?, &proof, path).with_context(|| self.unreadable())?,
            None => proof,
        };
        let trust = match self.insecure_dev {
            true => Trust::InsecureDev,
            false => Trust::Ceremony,
        };
        let check = Meter::start();
        let verdict = key.verify(&proof, &self.context.bytes(), trust);
        let check_s = check.read().wall_s;
        let (verified, reason) = match verdict {
            Ok(verified) => (Some(verified), None),
            Err(VerifyError::Rejected(reason @ Rejection::InsecureReferenceString)) => (
                None,
                Some(format!("{reason}; --insecure-dev accepts it for trying things out")),
            ),
            Err(VerifyError::Rejected(reason)) => (None, Some(reason.to_string())),
            Err(VerifyError::Unreadable(error)) => return Err(error).with_context(|| self.unreadable()),
            Err(error) => return Err(error).with_context(|| self.unreadable()),
        };
        if reason.is_none() && key.origin() == Origin::InsecureDev {
            tracing::warn!("the key's reference string stems from no ceremony: whoever made it can forge proofs");
        }
        let (checked, mismatch) = match &verified {
            Some(verified) => self.compare(&key, input.as_deref(), verified),
            None => (Vec::new(), None),
        };
        let (reason, verified) = match mismatch {
            Some(mismatch) => (Some(mismatch), None),
            None => (reason, verified),
        };
        let shown = Shown::verified(verified.as_ref());
        let (inputs, outputs) = verified.map(|v| (v.input, v.outputs)).unwrap_or_default();
        let ok = reason.is_none();
        let report = Report {
            ok,
            reason,
            model_hash: hex(&key.model_hash()),
            vk_digest: hex(&key.digest()),
            srs: origin_name(key.origin()),
            proof_bytes: proof.len(),
            public: ok.then(|| inputs.iter().chain(&outputs).flatten().copied().collect()),
            inputs,
            outputs,
            shown,
            checked,
            wall_s: meter.read().wall_s,
            check_s,
        };
        let status = if report.ok { Status::Ok } else { Status::DoesNotVerify };
        output.result(&report, human)?;
        Ok(status)
    }

    /// Compares what the caller expects: what was compared, and the first thing that is another.
    fn compare(&self, key: &Key, input: Option<&[f64]>, verified: &Verified) -> (Vec<&'static str>, Option<String>) {
        fn pair<T: ToString>(
            what: &'static str,
            expected: Option<T>,
            got: Option<T>,
        ) -> Option<(&'static str, String, String)> {
            let got = got.map_or("none".to_owned(), |got| got.to_string());
            Some((what, expected?.to_string(), got))
        }
        let pairs = [
            self.model_hash
                .map(|hash| ("model hash", hex(&hash), hex(&key.model_hash()))),
            pair("input commitment", self.input_commitment, verified.input_commitment),
            pair("output commitment", self.output_commitment, verified.output_commitment),
            pair("input hash", self.input_hash, verified.input_hash),
            pair("output hash", self.output_hash, verified.output_hash),
        ];
        let pairs: Vec<_> = pairs.into_iter().flatten().collect();
        let other = pairs.iter().find(|(_, expected, got)| expected != got);
        let mismatch = other.map(|(what, expected, got)| format!("the {what} is {got}, not {expected}"));
        let mut checked: Vec<_> = pairs.iter().map(|(what, ..)| *what).collect();
        checked.extend(input.map(|_| "input"));
        let stated = verified.input.iter().flatten();
        let differs = input.and_then(|input| input.iter().zip(stated).position(|(a, b)| a != b));
        let differs = differs.map(|at| format!("the input is another one: its element {at} differs"));
        (checked, mismatch.or(differs))
    }

    /// Outputs other than the file's are put into a proof of one piece.
    fn whole<'a>(&self, key: &'a Key) -> anyhow::Result<&'a VerifyingKey> {
        match key {
            Key::Whole(key) => Ok(key),
            Key::Segmented(_) => bail!(
                "--outputs is for models of one piece; '{}' is of one in segments",
                self.vk.display()
            ),
        }
    }

    fn unreadable(&self) -> String {
        format!("cannot read the proof '{}'", self.proof.display())
    }
}

/// Claimed outputs, as `tapeout prove --json` prints them.
#[derive(Deserialize)]
struct Claim {
    outputs: Vec<f64>,
}

/// Reads outputs as `tapeout prove --json` prints them.
pub(super) fn read_outputs(path: &Path) -> anyhow::Result<Vec<f64>> {
    let claim: Claim = serde_json::from_slice(&files::read(path)?)
        .with_context(|| format!("'{}' is not of the form {{\"outputs\": [...]}}", path.display()))?;
    Ok(claim.outputs)
}

/// The input as a statement of this key holds it, each value as the nearest fixed-point number, where the key makes it public.
fn read_input(key: &Key, path: &Path) -> anyhow::Result<Vec<f64>> {
    let (first, _) = key.ends();
    let who = first.interface().disclosure().input;
    if who != Visibility::Public {
        bail!(
            "the key's input is {who}, not public: no proof says what it is, and --input has nothing to compare with"
        );
    }
    let values = io::read_input(path, first.model().input_shape.iter().product())?;
    let factor = first.model().input_scale.factor();
    Ok(values.iter().map(|value| (value * factor).round() / factor).collect())
}

/// The proof file with the claimed outputs in place of its own, each as the nearest fixed-point number.
fn with_outputs(key: &VerifyingKey, proof: &[u8], path: &Path) -> anyhow::Result<Vec<u8>> {
    let claimed = read_outputs(path)?;
    let mut statement = match Statement::read(proof, key) {
        Ok(statement) => statement,
        // Whatever the outputs, such a proof does not verify; the caller finds out why.
        Err(VerifyError::Rejected(_)) => return Ok(proof.to_vec()),
        Err(error) => return Err(error.into()),
    };
    let expected = key.interface().outputs.len();
    if expected == 0 {
        bail!("the output is not public: there is none to put others in the place of");
    }
    if claimed.len() != expected {
        bail!(
            "'{}' holds {} outputs, the model has {expected}",
            path.display(),
            claimed.len()
        );
    }
    let factor = key.model().output_scale.factor();
    let first = statement.public.len() - expected;
    // The conversion saturates at values that no statement may hold, so that they are refused.
    for (word, value) in statement.public[first..].iter_mut().zip(claimed) {
        *word = (value * factor).round() as i64;
    }
    Ok(statement.to_bytes())
}

fn human(report: &Report) -> String {
    let verdict = match &report.reason {
        None => "the proof verifies".to_owned(),
        Some(reason) => format!("THE PROOF DOES NOT VERIFY: {reason}"),
    };
    let mut rows = vec![("model", report.model_hash.clone())];
    rows.extend(report.inputs.as_ref().map(|inputs| ("input", numbers(inputs))));
    rows.extend(report.outputs.as_ref().map(|outputs| ("output", numbers(outputs))));
    rows.extend(report.shown.facts());
    if !report.checked.is_empty() {
        rows.push(("checked", report.checked.join(", ")));
    }
    rows.extend([
        ("key digest", report.vk_digest.clone()),
        ("reference string", report.srs.to_owned()),
        ("proof", format!("{} bytes", report.proof_bytes)),
        (
            "time",
            format!(
                "{:.1} ms, of which checking {:.1} ms",
                report.wall_s * 1e3,
                report.check_s * 1e3
            ),
        ),
    ]);
    format!("{verdict}\n\n{}", facts(&rows))
}
