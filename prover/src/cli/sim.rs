//! `tapeout sim`

use std::path::PathBuf;

use anyhow::Context;
use clap::ValueEnum;
use serde::Serialize;
use tapeout_driver::{Width, backend};

use super::output::{Output, Status, facts};
use super::progress;

/// Record every signal of a simulated engine while it computes, for a wave viewer
///
/// The file is FST: GTKWave and Surfer open it. The result is checked.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The engine
    #[arg(long, value_enum)]
    engine: Engine,

    /// Points of the multi-scalar multiplication
    #[arg(long, default_value_t = 256, value_parser = clap::value_parser!(u32).range(1..=1 << 16))]
    size: u32,

    /// Width of the scalars: full, or u or i and a number of bits (u8, i16)
    #[arg(long, default_value = "full")]
    scalars: Width,

    /// The file to write
    #[arg(long, value_name = "FILE")]
    trace: PathBuf,

    /// Simulate every gate of the adder too: a file many times as large
    #[arg(long)]
    exact: bool,

    /// Seed of the random data
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Clone, Copy, ValueEnum)]
enum Engine {
    Msm,
}

#[derive(Serialize)]
struct Report {
    size: u32,
    scalars: String,
    cycles: u64,
    trace: PathBuf,
    bytes: u64,
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let place = || format!("cannot record '{}'", self.trace.display());
        let working = progress::spinner();
        working.set_message("simulating");
        let Engine::Msm = self.engine;
        let cycles = backend::record_msm(self.size as usize, self.scalars, self.seed, self.exact, &self.trace);
        working.finish_and_clear();
        let report = Report {
            size: self.size,
            scalars: self.scalars.to_string(),
            cycles: cycles?,
            trace: self.trace.clone(),
            bytes: std::fs::metadata(&self.trace).with_context(place)?.len(),
        };
        output.result(&report, human)?;
        Ok(Status::Ok)
    }
}

fn human(report: &Report) -> String {
    facts(&[
        ("points", report.size.to_string()),
        ("scalars", report.scalars.clone()),
        ("cycles", report.cycles.to_string()),
        ("waves", format!("{} ({} bytes)", report.trace.display(), report.bytes)),
    ])
}
