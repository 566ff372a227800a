//! `tapeout calibrate`

use std::path::PathBuf;

use anyhow::Context;
use serde::Serialize;
use tapeout_prover::model::accuracy::{Accuracy, LayerAccuracy};
use tapeout_prover::model::{Limbs, io};
use tapeout_prover::pipeline::{self, SetupOptions};

use super::keys;
use super::output::{Output, Status, facts, table};

/// Choose fixed-point scales by samples and report what they cost in accuracy, layer by layer
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The ONNX model
    model: PathBuf,

    /// Typical inputs, by which scales are chosen and on which errors are measured
    #[arg(long, value_name = "FILE")]
    samples: PathBuf,

    /// More limbs: the smallest error
    #[arg(long, conflicts_with = "fast")]
    accuracy: bool,

    /// Fewer limbs: the least work in a proof
    #[arg(long)]
    fast: bool,
}

#[derive(Serialize)]
struct Report {
    limbs: Limbs,
    samples: usize,
    max_error: f64,
    largest_output: f64,
    /// The layer that adds most of the error.
    worst_layer: Option<String>,
    layers: Vec<LayerAccuracy>,
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let model = keys::read_model(&self.model)?;
        let samples = io::read_samples(&self.samples, model.program.input_len())?;
        let cannot = || format!("no scales for the model '{}'", self.model.display());
        let (_, shape) = pipeline::quantise(&model, &samples, SetupOptions::default()).with_context(cannot)?;
        let limbs = self.limbs(shape.limbs);
        let measured = Accuracy::measure(&model.program, &samples, limbs).with_context(cannot)?;
        let report = Report {
            limbs,
            samples: samples.len(),
            max_error: measured.error,
            largest_output: measured.largest,
            worst_layer: measured.worst().map(|l| l.name.clone()),
            layers: measured.layers,
        };
        output.result(&report, human)?;
        Ok(Status::Ok)
    }

    /// The limbs that `setup` uses, or as near to them as a preset allows: a limb more above the point, or one less below.
    fn limbs(&self, default: Limbs) -> Limbs {
        let Limbs { bits, hi, lo } = default;
        let preset = match (self.accuracy, self.fast) {
            (true, _) => Limbs::new(bits, hi + 1, lo),
            (_, true) => Limbs::new(bits, hi, lo - u32::from(lo > 1)),
            _ => Ok(default),
        };
        preset.unwrap_or(default)
    }
}

fn human(report: &Report) -> String {
    let Limbs { bits, hi, lo } = report.limbs;
    let facts = facts(&[
        ("limbs", format!("{hi} above the point, {lo} below, of {bits} bits")),
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
            format!("{:.4}", l.largest),
            format!("{:.1e}", l.error),
            format!("{:.1e}", l.added),
        ]
    });
    let header = ["layer", "scale", "largest value", "error", "relative, added"];
    format!("{facts}\n\n{}", table(header, 1, rows))
}
