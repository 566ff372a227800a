//! `tapeout inspect`

use std::io::{Read, Seek};
use std::path::PathBuf;

use anyhow::Context;
use serde::Serialize;
use tapeout_prover::keys::{KeyError, KeyFormatError, ProvingKey, VerifyingKey};
use tapeout_prover::layout::{self, Disclosure, Profile, Visibility};
use tapeout_prover::model::program::{Act, Composite, Layer};
use tapeout_prover::model::{Limbs, Model, Summary};
use tapeout_prover::segments::{SegmentedKey, SegmentedStatement};
use tapeout_prover::srs::ptau::{self, Ptau};
use tapeout_prover::srs::{Srs, SrsError, pins};
use tapeout_prover::statement::{Header, ReadError, Statement};

use super::files;
use super::keys::{hex, origin_name};
use super::output::{self, Output, Status, facts, table};
use super::srs::open_ptau;
use super::weights::Weights;

/// Say what a file is: a model, a key, a proof or a reference string
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The file
    file: PathBuf,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Report {
    Model(ModelReport),
    VerifyingKey(KeyReport),
    /// Of a model in segments.
    SegmentedKey {
        bytes: usize,
        vk_digest: String,
        segments: Vec<KeyReport>,
        /// A proof file's length.
        proof_bytes: usize,
    },
    ProvingKey(KeyReport),
    /// Of a model in segments.
    SegmentedProof {
        bytes: usize,
        vk_digest: String,
    },
    Proof {
        bytes: usize,
        vk_digest: String,
        public_words: usize,
    },
    ReferenceString {
        bytes: usize,
        powers_g1: usize,
        powers_g2: usize,
        origin: &'static str,
    },
    Ceremony {
        powers_g1: usize,
        powers_g2: usize,
        /// blake2b-512 of the file.
        hash: String,
        /// The name that the file with this hash is published under, if it is known.
        published: Option<&'static str>,
    },
}

#[derive(Serialize)]
struct ModelReport {
    bytes: usize,
    model_hash: String,
    input_shape: Vec<usize>,
    output_shape: Vec<usize>,
    #[serde(flatten)]
    summary: Summary,
    layers: Vec<LayerReport>,
    /// The trace that keys for a private input have; `None` if there is none large enough.
    trace: Option<Trace>,
}

#[derive(Serialize)]
struct LayerReport {
    name: String,
    activation: &'static str,
    channels: usize,
    positions: Vec<usize>,
    outputs: usize,
    weights: usize,
}

#[derive(Serialize)]
struct Trace {
    rows: usize,
    lanes: usize,
    ports: usize,
    limbs: Limbs,
    /// Rows that slots take, and rows that reads take.
    slot_rows: usize,
    read_rows: usize,
}

#[derive(Serialize)]
struct KeyReport {
    bytes: usize,
    model_hash: String,
    vk_digest: String,
    srs: &'static str,
    input_shape: Vec<usize>,
    output_shape: Vec<usize>,
    input: Visibility,
    output: Visibility,
    weights: Weights,
    /// A value `v` stands in a statement as the integer nearest to `v 2^input_bits`, of the output likewise.
    input_bits: i32,
    output_bits: i32,
    rows: usize,
    lanes: usize,
    ports: usize,
    limbs: Limbs,
    advice_columns: usize,
    fixed_columns: usize,
    gates: usize,
    bus_terms: usize,
    /// A proof file's length.
    proof_bytes: usize,
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let cannot = || format!("cannot read '{}'", self.file.display());
        // Files of ceremonies can be larger than memory.
        let report = match open_ptau(&self.file).with_context(cannot)? {
            Some(mut file) => ptau_report(&mut file).with_context(cannot)?,
            None => self.report(&files::read(&self.file)?).with_context(cannot)?,
        };
        output.result(&report, human)?;
        Ok(Status::Ok)
    }

    /// Asks each kind of file in turn whether these are its first bytes. A model's are not marked, so that it comes last.
    fn report(&self, bytes: &[u8]) -> anyhow::Result<Report> {
        match VerifyingKey::from_bytes(bytes) {
            Err(KeyFormatError::Magic { .. }) => {}
            key => return Ok(Report::VerifyingKey(key_report(&key?, bytes.len()))),
        }
        match SegmentedKey::from_bytes(bytes) {
            Err(KeyFormatError::Magic { .. }) => {}
            key => {
                let key = key?;
                let segment = |key: &VerifyingKey| Ok(key_report(key, key.to_bytes()?.len()));
                return Ok(Report::SegmentedKey {
                    bytes: bytes.len(),
                    vk_digest: hex(&key.digest()),
                    segments: key.keys().iter().map(segment).collect::<anyhow::Result<_>>()?,
                    proof_bytes: SegmentedStatement::len(&key),
                });
            }
        }
        match SegmentedStatement::key_of(bytes) {
            Err(ReadError::Magic { .. }) => {}
            digest => {
                return Ok(Report::SegmentedProof {
                    bytes: bytes.len(),
                    vk_digest: hex(&digest?),
                });
            }
        }
        match ProvingKey::from_bytes(bytes) {
            Err(KeyError::Format(KeyFormatError::Magic { .. })) => {}
            key => return Ok(Report::ProvingKey(key_report(key?.verifying(), bytes.len()))),
        }
        match Header::read(bytes) {
            Err(ReadError::Magic { .. }) => {}
            header => {
                let Header { key, public_words } = header?;
                return Ok(Report::Proof {
                    bytes: bytes.len(),
                    vk_digest: hex(&key),
                    public_words,
                });
            }
        }
        match Srs::from_bytes(bytes) {
            Err(SrsError::Magic { .. }) => {}
            srs => {
                let srs = srs?;
                let (powers_g1, powers_g2) = (srs.powers_g1().len(), srs.powers_g2().len());
                let origin = origin_name(srs.origin());
                return Ok(Report::ReferenceString {
                    bytes: bytes.len(),
                    powers_g1,
                    powers_g2,
                    origin,
                });
            }
        }
        let model =
            Model::from_bytes(bytes).context("no key, proof or reference string, nor a model that can be proven")?;
        Ok(Report::Model(model_report(model, bytes.len())))
    }
}

fn ptau_report(file: &mut Ptau<impl Read + Seek>) -> anyhow::Result<Report> {
    let hash = file.hash()?;
    Ok(Report::Ceremony {
        powers_g1: file.powers_g1(),
        powers_g2: file.powers_g2(),
        hash: ptau::hex(&hash),
        published: pins::ceremony(&hash).map(|known| known.file),
    })
}

fn key_report(key: &VerifyingKey, bytes: usize) -> KeyReport {
    let (interface, constraints) = (key.interface(), key.constraints());
    KeyReport {
        bytes,
        model_hash: hex(&key.model().hash),
        vk_digest: hex(&key.digest()),
        srs: origin_name(key.origin()),
        input_shape: key.model().input_shape.clone(),
        output_shape: key.model().output_shape.clone(),
        input: interface.disclosure().input,
        output: interface.disclosure().output,
        weights: Weights::of(interface),
        input_bits: key.model().input_scale.0,
        output_bits: key.model().output_scale.0,
        rows: interface.shape.n(),
        lanes: interface.shape.lanes,
        ports: interface.shape.ports,
        limbs: interface.shape.limbs,
        advice_columns: constraints.advice.len(),
        fixed_columns: constraints.fixed.len(),
        gates: constraints.gates.len(),
        bus_terms: constraints.bus.len(),
        proof_bytes: Statement::len(key),
    }
}

fn model_report(model: Model, bytes: usize) -> ModelReport {
    let program = &model.program;
    let trace = layout::choose(program, Disclosure::default(), Profile::Native).map(|shape| {
        let need = layout::demand(program, shape.lanes, Disclosure::default());
        Trace {
            rows: shape.n(),
            lanes: shape.lanes,
            ports: shape.ports,
            limbs: shape.limbs,
            slot_rows: need.slots,
            read_rows: need.reads.div_ceil(shape.ports),
        }
    });
    ModelReport {
        bytes,
        model_hash: hex(&model.hash),
        input_shape: program.input_shape.clone(),
        output_shape: program.output_shape.clone(),
        layers: program.layers.iter().map(layer_report).collect(),
        summary: model.summary,
        trace,
    }
}

/// An activation in words.
pub(super) fn activation(act: Act) -> &'static str {
    match act {
        Act::Requant => "none",
        Act::Relu => "relu",
        Act::MaxPool { relu: false } => "max-pool",
        Act::MaxPool { relu: true } => "max-pool, relu",
        Act::Floor => "floor",
        Act::Zero => "zero",
        Act::Function(_) => "function",
        Act::Product { .. } => "product",
        Act::RawProduct => "raw product",
        Act::Advice(_) => "advice",
        Act::MatMul { .. } => "matrix product",
        Act::Composite(Composite::Divide) => "divide",
        Act::Composite(Composite::SquareRoot) => "square root",
        Act::Composite(Composite::ReciprocalSquareRoot) => "reciprocal square root",
        Act::Composite(Composite::Negative) => "negative",
    }
}

fn layer_report(layer: &Layer<f64>) -> LayerReport {
    LayerReport {
        name: layer.name.clone(),
        activation: activation(layer.act),
        channels: layer.channels,
        positions: layer.dims.clone(),
        outputs: layer.outputs(),
        weights: layer.terms.iter().flat_map(|term| &term.taps).map(Vec::len).sum(),
    }
}

fn human(report: &Report) -> String {
    match report {
        Report::Model(model) => human_model(model),
        Report::VerifyingKey(key) => human_key("verifying key", key),
        Report::SegmentedKey {
            bytes,
            vk_digest,
            segments,
            proof_bytes,
        } => {
            let whole = facts(&[
                (
                    "kind",
                    format!("verifying key of a model in {} segments", segments.len()),
                ),
                ("size", format!("{bytes} bytes")),
                ("digest", vk_digest.clone()),
                ("proof", format!("{proof_bytes} bytes")),
            ]);
            let segments = segments.iter().enumerate();
            let each = segments.map(|(i, key)| human_key(&format!("segment {i}"), key));
            std::iter::once(whole).chain(each).collect::<Vec<_>>().join("\n\n")
        }
        Report::SegmentedProof { bytes, vk_digest } => facts(&[
            ("kind", "proof of a model in segments".to_owned()),
            ("size", format!("{bytes} bytes")),
            ("key digest", vk_digest.clone()),
        ]),
        Report::ProvingKey(key) => human_key("proving key", key),
        Report::Proof {
            bytes,
            vk_digest,
            public_words,
        } => facts(&[
            ("kind", "proof".to_owned()),
            ("size", format!("{bytes} bytes")),
            ("key digest", vk_digest.clone()),
            ("public words", public_words.to_string()),
        ]),
        Report::ReferenceString {
            bytes,
            powers_g1,
            powers_g2,
            origin,
        } => facts(&[
            ("kind", "reference string".to_owned()),
            ("size", format!("{bytes} bytes")),
            ("powers", format!("{powers_g1} in G1, {powers_g2} in G2")),
            ("origin", (*origin).to_owned()),
        ]),
        Report::Ceremony {
            powers_g1,
            powers_g2,
            hash,
            published,
        } => facts(&[
            ("kind", "powers of tau (.ptau), points not checked".to_owned()),
            ("powers", format!("{powers_g1} in G1, {powers_g2} in G2")),
            ("blake2b-512", hash.clone()),
            ("published as", published.unwrap_or("unknown").to_owned()),
        ]),
    }
}

fn human_model(model: &ModelReport) -> String {
    let ops: Vec<String> = model
        .summary
        .ops
        .iter()
        .map(|(op, count)| format!("{count} {op}"))
        .collect();
    let trace = match &model.trace {
        Some(t) => format!(
            "{}; {} and {} rows used",
            output::trace(t.rows, t.lanes, t.ports),
            t.slot_rows,
            t.read_rows
        ),
        None => "too large to be proven".to_owned(),
    };
    let facts = facts(&[
        ("kind", "ONNX model".to_owned()),
        ("size", format!("{} bytes", model.bytes)),
        ("hash", model.model_hash.clone()),
        ("input", shape(&model.input_shape)),
        ("output", shape(&model.output_shape)),
        ("nodes", format!("{}: {}", model.summary.nodes, ops.join(", "))),
        ("parameters", model.summary.params.to_string()),
        ("multiplications", model.summary.macs.to_string()),
        ("trace", trace),
    ]);
    let rows = model.layers.iter().map(|layer| {
        [
            layer.name.clone(),
            layer.activation.to_owned(),
            layer.channels.to_string(),
            shape(&layer.positions),
            layer.weights.to_string(),
            layer.outputs.to_string(),
        ]
    });
    format!(
        "{facts}\n\n{}",
        table(
            ["layer", "activation", "channels", "positions", "weights", "outputs"],
            2,
            rows
        )
    )
}

fn human_key(kind: &str, key: &KeyReport) -> String {
    facts(&[
        ("kind", kind.to_owned()),
        ("size", format!("{} bytes", key.bytes)),
        ("digest", key.vk_digest.clone()),
        ("model", key.model_hash.clone()),
        ("reference string", key.srs.to_owned()),
        ("input", interface(&key.input_shape, key.input, key.input_bits)),
        ("output", interface(&key.output_shape, key.output, key.output_bits)),
        ("weights", key.weights.name().to_owned()),
        ("trace", output::trace(key.rows, key.lanes, key.ports)),
        (
            "columns",
            format!("{} advice, {} fixed", key.advice_columns, key.fixed_columns),
        ),
        (
            "constraints",
            format!("{} gates, {} bus terms", key.gates, key.bus_terms),
        ),
        ("proof", format!("{} bytes", key.proof_bytes)),
    ])
}

fn interface(extents: &[usize], who: Visibility, bits: i32) -> String {
    format!("{}, {who}, in units of 2^{}", shape(extents), -bits)
}

/// A shape such as `1 x 28 x 28`.
fn shape(extents: &[usize]) -> String {
    if extents.is_empty() {
        return "1".to_owned();
    }
    extents.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ")
}
