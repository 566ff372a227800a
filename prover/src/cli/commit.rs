//! `tapeout commit`

use std::path::PathBuf;

use serde::Serialize;
use tapeout_prover::commitment::MAX_PROOFS;
use tapeout_prover::model::io;
use tapeout_prover::pipeline;

use super::device::BackendArgs;
use super::keys::{self, hex};
use super::opening;
use super::output::{Output, Status, facts};

/// Commit to an input that later proofs will be about, without showing it
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The input: {"input_data": [[...]]} or .npy
    #[arg(long, value_name = "FILE")]
    input: PathBuf,

    /// Folder with model.pk, as `tapeout setup --input committed` wrote it
    #[arg(long, value_name = "FOLDER")]
    keys: PathBuf,

    /// File that the opening is written to: secret, and needed for every proof that shows the commitment
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    #[command(flatten)]
    backend: BackendArgs,
}

#[derive(Serialize)]
struct Report {
    commitment: String,
    opening: PathBuf,
    /// How many proofs may show the commitment.
    proofs: u32,
    vk_digest: String,
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let key = keys::read_first(&self.keys)?;
        let input = io::read_input(&self.input, key.quantised().program.input_len())?;
        let made = pipeline::commit(&key, &input, self.backend.open()?.backend.as_ref(), None)?;
        opening::write(&self.out, &made)?;
        let report = Report {
            commitment: made.commitment().to_string(),
            opening: self.out.clone(),
            proofs: MAX_PROOFS,
            vk_digest: hex(&key.verifying().digest()),
        };
        output.result(&report, human)?;
        Ok(Status::Ok)
    }
}

fn human(report: &Report) -> String {
    facts(&[
        ("commitment", report.commitment.clone()),
        ("opening", format!("{} (secret)", report.opening.display())),
        ("proofs", format!("at most {} can show this commitment", report.proofs)),
        ("key digest", report.vk_digest.clone()),
    ])
}
