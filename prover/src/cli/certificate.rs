//! `tapeout verify-weights`

use std::path::PathBuf;

use anyhow::Context;
use serde::Serialize;
use tapeout_prover::certificate::{CertificateError, Certificates, WEIGHT_BITS};
use tapeout_prover::model::program::{self, Program};
use tapeout_prover::pipeline::Trust;

use super::files;
use super::inspect::activation;
use super::keys::{self, hex, origin_name};
use super::meter::{Cost, Meter};
use super::output::{Output, Status, facts, table};

/// Check what is certified of a key's hidden weights: that they are integers, and of which layers
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The certificate that `tapeout setup --weights private` wrote
    certificate: PathBuf,

    /// The verifying key
    #[arg(long, value_name = "FILE")]
    vk: PathBuf,

    /// Accept keys whose reference string was made for development: whoever made it can certify anything
    #[arg(long)]
    insecure_dev: bool,
}

#[derive(Serialize)]
struct Report {
    ok: bool,
    /// Why nothing is certified.
    reason: Option<String>,
    vk_digest: String,
    srs: &'static str,
    /// Weights are integers of at most so many bits.
    weight_bits: u32,
    layers: Vec<Layer>,
    #[serde(flatten)]
    cost: Cost,
}

#[derive(Serialize)]
struct Layer {
    segment: usize,
    activation: &'static str,
    channels: usize,
    positions: Vec<usize>,
    /// Values that it reads.
    reads: usize,
    biased: bool,
    /// Whether its weights are stated, as they settle values that the prover chooses.
    stated: bool,
}

fn layers(segment: usize, skeleton: &Program<i64>) -> impl Iterator<Item = Layer> {
    let stated = |layer: &program::Layer<i64>| layer.terms.iter().flat_map(|t| &t.taps).any(|taps| !taps.is_empty());
    skeleton.layers.iter().map(move |layer| Layer {
        segment,
        activation: activation(layer.act),
        channels: layer.channels,
        positions: layer.dims.clone(),
        reads: layer.sources().count(),
        biased: layer.bias.iter().any(|b| *b != 0),
        stated: stated(layer),
    })
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let meter = Meter::start();
        let key = keys::read_key(&self.vk)?;
        let cannot = || format!("cannot read the certificate '{}'", self.certificate.display());
        let certificates = Certificates::from_bytes(&files::read(&self.certificate)?).with_context(cannot)?;
        let trust = match self.insecure_dev {
            true => Trust::InsecureDev,
            false => Trust::Ceremony,
        };
        let verdict = certificates.verify(&key, trust).map_err(|error| match error {
            CertificateError::InsecureReferenceString => {
                format!("{error}; --insecure-dev accepts it for trying things out")
            }
            error => error.to_string(),
        });
        let skeletons = certificates.0.iter().enumerate();
        let layers = skeletons.flat_map(|(segment, certificate)| layers(segment, &certificate.skeleton));
        let report = Report {
            ok: verdict.is_ok(),
            layers: if verdict.is_ok() { layers.collect() } else { Vec::new() },
            reason: verdict.err(),
            vk_digest: hex(&key.digest()),
            srs: origin_name(key.origin()),
            weight_bits: WEIGHT_BITS,
            cost: meter.read(),
        };
        let status = if report.ok { Status::Ok } else { Status::DoesNotVerify };
        output.result(&report, human)?;
        Ok(status)
    }
}

fn human(report: &Report) -> String {
    if let Some(reason) = &report.reason {
        return format!("NOTHING IS CERTIFIED OF THE KEY'S WEIGHTS: {reason}");
    }
    let rows = report.layers.iter().map(|layer| {
        [
            layer.segment.to_string(),
            layer.activation.to_owned(),
            layer.channels.to_string(),
            format!("{:?}", layer.positions),
            layer.reads.to_string(),
            if layer.biased { "yes" } else { "no" }.to_owned(),
            if layer.stated { "stated" } else { "hidden" }.to_owned(),
        ]
    });
    let header = [
        "segment",
        "activation",
        "channels",
        "positions",
        "reads",
        "bias",
        "weights",
    ];
    let facts = facts(&[
        ("weights", format!("integers of at most {} bits", report.weight_bits)),
        ("key digest", report.vk_digest.clone()),
        ("reference string", report.srs.to_owned()),
        ("cost", report.cost.to_string()),
    ]);
    format!(
        "the key is of a network of these layers, with weights that it hides\n\n{facts}\n\n{}",
        table(header, 2, rows)
    )
}
