//! `tapeout calibrate`

use std::path::PathBuf;

use anyhow::Context;
use serde::Serialize;
use tapeout_prover::choice::{self, Refusal};
use tapeout_prover::model::accuracy::LayerAccuracy;
use tapeout_prover::model::{Limbs, io};
use tapeout_prover::pipeline::SetupOptions;

use super::output::{Output, Status, facts, table};
use super::precision::{PrecisionArgs, describe};
use super::{files, keys};

/// Choose limbs and fixed-point scales by samples and report what they cost in accuracy, layer by layer
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The ONNX model
    model: PathBuf,

    /// Typical inputs, by which scales are chosen and on which errors are measured
    #[arg(long, value_name = "FILE")]
    samples: PathBuf,

    #[command(flatten)]
    precision: PrecisionArgs,

    /// Take finer limbs until no output is off by more
    #[arg(long, value_name = "ERROR", default_value_t = 1e-3, value_parser = positive)]
    max_error: f64,

    /// Write the choice here, for `tapeout setup --calibration`
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    limbs: Limbs,
    samples: usize,
    max_error: f64,
    largest_output: f64,
    /// The layer that adds most of the error.
    worst_layer: Option<String>,
    /// Limbs that were tried before these.
    refused: Vec<Refusal>,
    layers: Vec<LayerAccuracy>,
}

fn positive(text: &str) -> Result<f64, String> {
    let error: Option<f64> = text.parse().ok().filter(|e| *e > 0.0);
    error.ok_or_else(|| "expected a positive number".to_owned())
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let model = keys::read_model(&self.model)?;
        let samples = io::read_samples(&self.samples, model.program.input_len())?;
        let cannot = || format!("no scales for the model '{}'", self.model.display());
        let options = SetupOptions {
            precision: self.precision.into(),
            ..SetupOptions::default()
        };
        let choice = choice::accurate(&model, &samples, options, self.max_error).with_context(cannot)?;
        if let Some(path) = &self.out {
            files::write(path, &serde_json::to_vec_pretty(&choice.to_calibrated(&model))?)?;
        }
        let measured = choice.accuracy.with_context(cannot)?;
        if measured.error > self.max_error {
            let worst = measured.worst().map_or("no layer", |l| &l.name);
            tracing::warn!(
                "no limbs keep the largest error below {:.1e}; {worst} loses most",
                self.max_error
            );
        }
        let report = Report {
            limbs: choice.shape.limbs,
            samples: samples.len(),
            max_error: measured.error,
            largest_output: measured.largest,
            worst_layer: measured.worst().map(|l| l.name.clone()),
            refused: choice.refused,
            layers: measured.layers,
        };
        output.result(&report, human)?;
        Ok(Status::Ok)
    }
}

fn human(report: &Report) -> String {
    let mut refused = vec![report.refused.len().to_string()];
    refused.extend(
        report
            .refused
            .iter()
            .map(|r| format!("{}: {}", describe(r.limbs), r.reason)),
    );
    let facts = facts(&[
        ("limbs", describe(report.limbs)),
        ("refused before", refused.join("\n")),
        ("samples", report.samples.to_string()),
        ("largest error", format!("{:.1e}", report.max_error)),
        ("largest output", format!("{:.4}", report.largest_output)),
        (
            "loses most",
            report.worst_layer.clone().unwrap_or_else(|| "no layer".to_owned()),
        ),
    ]);
    let rows = report.layers.iter().map(|l| {
        [
            l.name.clone(),
            format!("2^{}", l.scale.0),
            l.limbs.to_string(),
            format!("{:.4}", l.largest),
            format!("{:.1e}", l.error),
            format!("{:.1e}", l.added),
        ]
    });
    let header = ["layer", "scale", "limbs", "largest value", "error", "relative, added"];
    format!("{facts}\n\n{}", table(header, 1, rows))
}
