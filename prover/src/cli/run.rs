//! `tapeout run`

use std::path::PathBuf;

use anyhow::{Context, bail};
use serde::Serialize;
use tapeout_prover::choice;
use tapeout_prover::model::{Limbs, execute, io};
use tapeout_prover::pipeline::SetupOptions;

use super::keys::{self, hex};
use super::meter::{Cost, Meter};
use super::output::{Output, Status, facts, numbers};

/// Run the quantised model without proving: the outputs that `prove` would prove
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The ONNX model
    model: PathBuf,

    /// The input: {"input_data": [[...]]} or .npy
    #[arg(long, value_name = "FILE")]
    input: PathBuf,

    /// Take the fixed-point ranges from the keys in this folder
    #[arg(long, value_name = "FOLDER", conflicts_with = "calibrate")]
    keys: Option<PathBuf>,

    /// Choose the fixed-point ranges by these inputs, as `setup` does
    #[arg(long, value_name = "FILE")]
    calibrate: Option<PathBuf>,
}

#[derive(Serialize)]
struct Report {
    model_hash: String,
    /// The model's output, dequantised, row-major.
    outputs: Vec<f64>,
    /// The largest difference to the same model in floating point.
    max_error: f64,
    limbs: Limbs,
    #[serde(flatten)]
    cost: Cost,
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let meter = Meter::start();
        let model = keys::read_model(&self.model)?;
        let input = io::read_input(&self.input, model.program.input_len())?;
        let quantised = match &self.keys {
            Some(folder) => {
                let key = keys::read_proving(folder)?;
                if key.model_hash() != model.hash {
                    bail!("the keys in '{}' were made for another model", folder.display());
                }
                key.quantised().clone()
            }
            None => {
                let samples = match &self.calibrate {
                    Some(path) => io::read_samples(path, model.program.input_len())?,
                    None => Vec::new(),
                };
                choice::choose(&model, &samples, SetupOptions::default())?.quantised
            }
        };
        let cannot = || format!("cannot run the model on '{}'", self.input.display());
        let execution = quantised
            .run(&quantised.quantise_input(&input).with_context(cannot)?)
            .with_context(cannot)?;
        let outputs = quantised.dequantise_output(&execution.outputs);
        let float = execute::float(&model.program, &input)?.outputs;
        let max_error = outputs
            .iter()
            .zip(&float)
            .map(|(got, want)| (got - want).abs())
            .fold(0.0, f64::max);
        let report = Report {
            model_hash: hex(&model.hash),
            outputs,
            max_error,
            limbs: quantised.limbs,
            cost: meter.read(),
        };
        output.result(&report, |report| {
            facts(&[
                ("model", report.model_hash.clone()),
                ("output", numbers(&report.outputs)),
                ("off floating point by", format!("{:.1e} at most", report.max_error)),
                ("cost", report.cost.to_string()),
            ])
        })?;
        Ok(Status::Ok)
    }
}
