//! `tapeout hash`

use std::path::PathBuf;

use serde::Serialize;
use tapeout_prover::hash;
use tapeout_prover::model::io;

use super::keys::{self, hex};
use super::output::{Output, Status, facts};
use super::verify;

/// Compute the hash that proofs show of an input or an output, without proving
#[derive(clap::Args)]
#[group(required = true, multiple = true, args = ["input", "outputs"])]
pub(crate) struct Args {
    /// The input: {"input_data": [[...]]} or .npy; for keys made with --input hashed
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,

    /// The outputs, {"outputs": [...]} as `tapeout prove --json` prints them; for keys made with --output hashed
    #[arg(long, value_name = "FILE")]
    outputs: Option<PathBuf>,

    /// The verifying key, which says how values become integers
    #[arg(long, value_name = "FILE")]
    vk: PathBuf,
}

#[derive(Serialize)]
struct Report {
    input_hash: Option<String>,
    output_hash: Option<String>,
    vk_digest: String,
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let key = keys::read_key(&self.vk)?;
        let (first, last) = key.ends();
        let mut report = Report {
            input_hash: None,
            output_hash: None,
            vk_digest: hex(&key.digest()),
        };
        if let Some(path) = &self.input {
            let values = io::read_input(path, first.model().input_shape.iter().product())?;
            report.input_hash = Some(hash::input(first, &values)?.to_string());
        }
        if let Some(path) = &self.outputs {
            report.output_hash = Some(hash::output(last, &verify::read_outputs(path)?)?.to_string());
        }
        output.result(&report, human)?;
        Ok(Status::Ok)
    }
}

fn human(report: &Report) -> String {
    let hashes = [("input hash", &report.input_hash), ("output hash", &report.output_hash)];
    let mut rows: Vec<_> = hashes
        .into_iter()
        .filter_map(|(name, hash)| Some((name, hash.clone()?)))
        .collect();
    rows.push(("key digest", report.vk_digest.clone()));
    facts(&rows)
}
