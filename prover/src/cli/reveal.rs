//! `tapeout reveal` and `tapeout verify-reveal`

use std::path::PathBuf;

use anyhow::Context;
use serde::Serialize;
use tapeout_prover::commitment::{Commitment, Opening, RevealError, Revealed, reveal};

use super::device::BackendArgs;
use super::keys;
use super::output::{Output, Status, facts, table};
use super::{files, opening};

/// Show chosen elements of what a commitment is to, and prove that they are
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The opening, as `tapeout commit` or `tapeout prove --keep-output` wrote it
    #[arg(long, value_name = "FILE")]
    opening: PathBuf,

    /// Folder with model.pk: keys that the commitment was made for
    #[arg(long, value_name = "FOLDER")]
    keys: PathBuf,

    /// Which elements, numbered from 0 in row-major order
    #[arg(long, value_name = "INDEX", value_delimiter = ',', required = true)]
    elements: Vec<u32>,

    /// File that the elements and the proof are written to
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    #[command(flatten)]
    backend: BackendArgs,
}

/// Check elements that `tapeout reveal` shows against a commitment
#[derive(clap::Args)]
pub(crate) struct VerifyArgs {
    /// The file, as `tapeout reveal` wrote it
    file: PathBuf,

    /// The verifying key
    #[arg(long, value_name = "FILE")]
    vk: PathBuf,

    /// The commitment, to an input
    #[arg(
        long,
        value_name = "HEX",
        required_unless_present = "output_commitment",
        conflicts_with = "output_commitment"
    )]
    input_commitment: Option<Commitment>,

    /// The commitment, to an output
    #[arg(long, value_name = "HEX")]
    output_commitment: Option<Commitment>,
}

#[derive(Serialize)]
struct Shown {
    commitment: String,
    elements: Vec<u32>,
    out: PathBuf,
    bytes: usize,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    /// Why the elements are not believed.
    reason: Option<String>,
    elements: Vec<Element>,
}

#[derive(Serialize)]
struct Element {
    index: u32,
    /// Dequantised.
    value: f64,
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let key = keys::read_first(&self.keys)?;
        let cannot = || opening::cannot(&self.opening);
        let opened = Opening::from_bytes(&files::read(&self.opening)?).with_context(cannot)?;
        let revealed =
            reveal(&key, &opened, &self.elements, self.backend.open()?.backend.as_ref()).with_context(cannot)?;
        let bytes = revealed.to_bytes();
        files::write(&self.out, &bytes)?;
        let report = Shown {
            commitment: opened.commitment().to_string(),
            elements: revealed.elements.iter().map(|(index, _)| *index).collect(),
            out: self.out.clone(),
            bytes: bytes.len(),
        };
        output.result(&report, |report| {
            facts(&[
                ("commitment", report.commitment.clone()),
                (
                    "elements",
                    report
                        .elements
                        .iter()
                        .map(u32::to_string)
                        .collect::<Vec<_>>()
                        .join(", "),
                ),
                ("file", format!("{} ({} bytes)", report.out.display(), report.bytes)),
            ])
        })?;
        Ok(Status::Ok)
    }
}

impl VerifyArgs {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let key = keys::read_key(&self.vk)?;
        let (first, last) = key.ends();
        let cannot = || format!("cannot read the elements '{}'", self.file.display());
        let revealed = Revealed::from_bytes(&files::read(&self.file)?).with_context(cannot)?;
        let (scale, commitment) = match (self.input_commitment, self.output_commitment) {
            (Some(commitment), _) => (first.model().input_scale, Some(commitment)),
            (None, commitment) => (last.model().output_scale, commitment),
        };
        let commitment = commitment.context("no commitment to check the elements against")?;
        let reason = match revealed.verify(first, &commitment) {
            Ok(()) => None,
            Err(error @ (RevealError::Opening(_) | RevealError::Indices { .. })) => Some(error.to_string()),
            Err(error) => return Err(error).with_context(cannot),
        };
        let element = |(index, value): &(u32, i64)| Element {
            index: *index,
            value: *value as f64 / scale.factor(),
        };
        let elements = match reason {
            None => revealed.elements.iter().map(element).collect(),
            Some(_) => Vec::new(),
        };
        let report = Report {
            ok: reason.is_none(),
            elements,
            reason,
        };
        let status = if report.ok { Status::Ok } else { Status::DoesNotVerify };
        output.result(&report, human)?;
        Ok(status)
    }
}

fn human(report: &Report) -> String {
    if let Some(reason) = &report.reason {
        return format!("THE ELEMENTS ARE NOT THOSE OF THE COMMITMENT: {reason}");
    }
    let rows = report
        .elements
        .iter()
        .map(|e| [e.index.to_string(), e.value.to_string()]);
    format!(
        "the elements are those of the commitment\n\n{}",
        table(["element", "value"], 0, rows)
    )
}
