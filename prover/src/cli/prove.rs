//! `tapeout prove`

use std::fmt;
use std::path::PathBuf;

use anyhow::{Context, bail};
use serde::Serialize;
use tapeout_driver::Backend;
use tapeout_driver::guard::Log;
use tapeout_driver::trace::Recorder;
use tapeout_prover::commitment::OpeningError;
use tapeout_prover::keys::VerifyingKey;
use tapeout_prover::model::io;
use tapeout_prover::pipeline::{self, Key, Standing};
use tapeout_prover::plonk::cost::{self, Prediction};
use tapeout_prover::plonk::kernels::KernelRow;
use tapeout_prover::plonk::prover::{PhaseTime, Phases};

use super::context::ContextArgs;
use super::device::{self, BackendArgs, Device};
use super::keys::{self, hex, origin_name};
use super::meter::{Cost, Meter};
use super::output::{Output, Shown, Status, facts, numbers, phases, table};
use super::{files, memory, opening, progress, segments};

/// Run a model on an input and prove the output
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The ONNX model that the keys were made for
    model: PathBuf,

    /// The input: {"input_data": [[...]]} or .npy
    #[arg(long, value_name = "FILE")]
    input: PathBuf,

    /// Folder with the keys, as `tapeout setup` wrote it
    #[arg(long, value_name = "FOLDER")]
    keys: PathBuf,

    /// File that the proof is written to. Of a model in segments, those that are finished are kept in FILE.segments meanwhile, and a
    /// proof that was interrupted goes on from there
    #[arg(long, value_name = "FILE")]
    out: PathBuf,

    /// The opening of a commitment to the input that the proof is to show; each proof is counted in it
    #[arg(long, value_name = "FILE")]
    input_opening: Option<PathBuf>,

    /// The opening of a commitment to the output that the proof is to show; each proof is counted in it
    #[arg(long, value_name = "FILE")]
    output_opening: Option<PathBuf>,

    /// Keep what opens the new commitment to the input in FILE, for other proofs about it
    #[arg(long, value_name = "FILE", conflicts_with = "input_opening")]
    keep_input: Option<PathBuf>,

    /// Keep what opens the new commitment to the output in FILE: the next model's input, for one
    #[arg(long, value_name = "FILE", conflicts_with = "output_opening")]
    keep_output: Option<PathBuf>,

    #[command(flatten)]
    context: ContextArgs,

    #[command(flatten)]
    backend: BackendArgs,

    /// Fix the blinding, so that every backend gives the same bytes; for comparisons only, since it weakens secrecy
    #[arg(long)]
    seed: Option<u64>,

    /// Write the kernel calls (their sizes and times, not their data) to FILE, for `tapeout replay`
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,

    /// Afterwards, measure what single operations take on this machine and backend, and print what the cost formula predicts
    #[arg(long)]
    predict: bool,
}

/// The phases that the cost formula is not about.
const NOT_PREDICTED: &[&str] = &["load bases", "run the model", "self-check"];

#[derive(Serialize)]
struct Report {
    model_hash: String,
    vk_digest: String,
    srs: &'static str,
    proof: PathBuf,
    proof_bytes: usize,
    /// The model's output, dequantised, row-major.
    outputs: Vec<f64>,
    /// The public words that the proof is about, as fixed-point integers; hashes apart.
    public_words: Vec<i64>,
    #[serde(flatten)]
    shown: Shown,
    backend: &'static str,
    device: String,
    /// The clock that the device's cycles are converted to time with.
    clock_hz: Option<u64>,
    #[serde(flatten)]
    cost: Cost,
    phases: Vec<PhaseTime>,
    kernels: Vec<KernelRow>,
    /// Checks of the backend's results, and what failed; `None` where there are none and no fallback.
    results: Option<Log>,
    /// What a device that counts cycles would take for its kernels.
    device_time: Option<DeviceTime>,
    prediction: Option<Comparison>,
}

/// The device's share of a proof: every kernel's cycles, one after the other, at the clock that it assumes.
#[derive(Serialize)]
struct DeviceTime {
    cycles: u64,
    /// Those of them that were spent to check results.
    check_cycles: u64,
    clock_hz: u64,
    seconds: f64,
}

impl DeviceTime {
    fn of(rows: &[KernelRow], log: Option<&Log>, clock_hz: Option<u64>) -> Option<Self> {
        let (clock_hz, cycles) = (clock_hz?, rows.iter().filter_map(|row| row.cycles).sum());
        let seconds = cycles as f64 / clock_hz as f64;
        Some(Self {
            cycles,
            check_cycles: log.and_then(|log| log.check_cycles).unwrap_or(0),
            clock_hz,
            seconds,
        })
    }
}

impl fmt::Display for DeviceTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (ms, mhz) = (self.seconds * 1e3, self.clock_hz / 1_000_000);
        write!(
            f,
            "{ms:.3} ms predicted for all kernels: {} cycles at an assumed {mhz} MHz",
            self.cycles
        )?;
        match self.check_cycles {
            0 => Ok(()),
            check => write!(f, ", {check} of them for checks"),
        }
    }
}

/// What the cost formula predicts beside what it took.
#[derive(Serialize)]
struct Comparison {
    #[serde(flatten)]
    predicted: Prediction,
    measured_cpu_s: f64,
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let meter = Meter::start();
        let in_segments = keys::in_segments(&self.keys);
        if in_segments {
            memory::keep_little();
        }
        let device = self.backend.open()?;
        if in_segments {
            return self.prove_segments(&device, &meter, output);
        }
        let report = self.prove(&device, &meter)?;
        output.result(&report, human)?;
        Ok(Status::Ok)
    }

    /// Proves on that device and writes the proof.
    fn prove(&self, device: &Device, meter: &Meter) -> anyhow::Result<Report> {
        let spinner = progress::spinner();
        let mut observe = |phase: &'static str| spinner.set_message(phase);
        let mut reading = Phases::new(&mut observe);
        reading.begin("read the key");
        let opened = device.backend.as_ref();
        let recorder = self.record.as_ref().map(|_| Recorder::new(opened));
        let backend: &dyn Backend = recorder.as_ref().map_or(opened, |recorder| recorder);
        let key = keys::read_proving(&self.keys)?;
        let verifying = key.verifying();
        keys::expect_model(&self.model, &key.model_hash(), &self.keys)?;
        let input = io::read_input(&self.input, key.quantised().program.input_len())?;
        let mut times = reading.finish();
        let context = self.context.bytes();
        let standing = self.standing(verifying, verifying)?;
        let proven = pipeline::prove_standing(&key, &input, standing, &context, backend, self.seed, &mut observe)
            .with_context(|| format!("no proof for the input '{}'", self.input.display()))?;
        let formula_covers = |phase: &&PhaseTime| !NOT_PREDICTED.contains(&phase.name);
        let measured_cpu_s = proven
            .phases
            .iter()
            .filter(formula_covers)
            .map(|phase| phase.cpu_s)
            .sum();
        let trace = recorder.as_ref().map(Recorder::trace);
        times.extend(proven.phases);
        let bytes = proven.statement.to_bytes();
        opening::keep([
            (self.keep_input.as_deref(), &proven.input_opening),
            (self.keep_output.as_deref(), &proven.output_opening),
        ])?;
        files::write(&self.out, &bytes)?;
        if let (Some(path), Some(trace)) = (&self.record, trace) {
            files::write(path, &serde_json::to_vec_pretty(&trace)?)?;
        }
        let cost = meter.read();
        let prediction = if self.predict {
            spinner.set_message("measure single operations");
            let predicted = cost::predict(verifying.constraints(), key.bases(), opened)?;
            Some(Comparison {
                predicted,
                measured_cpu_s,
            })
        } else {
            None
        };
        spinner.finish_and_clear();
        let info = backend.info();
        let log = device.log();
        Ok(Report {
            model_hash: hex(&verifying.model().hash),
            vk_digest: hex(&verifying.digest()),
            srs: origin_name(verifying.origin()),
            proof: self.out.clone(),
            proof_bytes: bytes.len(),
            outputs: proven.outputs,
            shown: Shown::of((verifying, &proven.statement), (verifying, &proven.statement)),
            public_words: proven.statement.public,
            backend: info.name,
            device: info.device,
            clock_hz: info.clock_hz,
            cost,
            phases: times,
            device_time: DeviceTime::of(&proven.kernels, log.as_ref(), info.clock_hz),
            kernels: proven.kernels,
            results: log,
            prediction,
        })
    }

    /// Proves segment by segment and writes the proof.
    fn prove_segments(&self, device: &Device, meter: &Meter, output: &Output) -> anyhow::Result<Status> {
        for (flag, given) in [("--record", self.record.is_some()), ("--predict", self.predict)] {
            if given {
                bail!("{flag} is for models of one piece; these keys are of one in segments");
            }
        }
        let vk = keys::verifying_path(&self.keys);
        let Key::Segmented(key) = keys::read_key(&vk)? else {
            bail!("'{}' does not belong to the segments' keys beside it", vk.display());
        };
        let (first, last) = key.ends();
        let standing = self.standing(first, last)?;
        let job = segments::Prove {
            model: &self.model,
            input: &self.input,
            keys: &self.keys,
            out: &self.out,
            keep_input: self.keep_input.as_deref(),
            keep_output: self.keep_output.as_deref(),
            context: self.context.bytes(),
            seed: self.seed,
        };
        job.run(&key, standing, device, meter, output)
    }

    /// The commitments that the proof is to show: to the input of `first`, and to the output of `last`.
    fn standing(&self, first: &VerifyingKey, last: &VerifyingKey) -> anyhow::Result<Standing> {
        // Openings that no proof can show are not counted, and none is promised that cannot be kept.
        let (sees_input, sees_output) = (
            first.interface().disclosure().input,
            last.interface().disclosure().output,
        );
        for (what, visibility, given, kept) in [
            ("input", sees_input, &self.input_opening, &self.keep_input),
            ("output", sees_output, &self.output_opening, &self.keep_output),
        ] {
            if !visibility.is_committed() && given.as_ref().or(kept.as_ref()).is_some() {
                bail!(OpeningError::NotCommitted(what));
            }
        }
        let spend = |path: &Option<PathBuf>| path.as_deref().map(opening::spend).transpose();
        Ok(Standing {
            input: spend(&self.input_opening)?,
            output: spend(&self.output_opening)?,
        })
    }
}

fn human(report: &Report) -> String {
    let mut rows = vec![
        ("model", report.model_hash.clone()),
        ("output", numbers(&report.outputs)),
        (
            "proof",
            format!("{} ({} bytes)", report.proof.display(), report.proof_bytes),
        ),
    ];
    rows.extend(report.shown.facts());
    rows.extend([
        ("key digest", report.vk_digest.clone()),
        ("backend", format!("{}: {}", report.backend, report.device)),
        ("cost", report.cost.to_string()),
    ]);
    rows.extend(report.device_time.as_ref().map(|time| ("device", time.to_string())));
    rows.extend(report.results.as_ref().map(|log| ("results", device::summary(log))));
    let facts = facts(&rows);
    let mut blocks = vec![facts, phases(&report.phases), kernels(&report.kernels, report.clock_hz)];
    blocks.extend(report.prediction.as_ref().map(prediction));
    blocks.join("\n\n")
}

/// The formula's terms, their sum and the measured time.
fn prediction(comparison: &Comparison) -> String {
    let ms = |seconds: f64| format!("{:.1}", seconds * 1e3);
    let terms = comparison.predicted.terms.iter().map(|term| {
        let unit_us = format!("{:.3}", term.unit_s * 1e6);
        [
            term.name.to_owned(),
            term.count.to_string(),
            unit_us,
            ms(term.count as f64 * term.unit_s),
        ]
    });
    let whole = |name: &str, seconds: f64| [name.to_owned(), String::new(), String::new(), ms(seconds)];
    let sums = [
        whole("predicted", comparison.predicted.cpu_s),
        whole("measured, commit trace to open", comparison.measured_cpu_s),
    ];
    table(["cost formula", "count", "CPU us each", "CPU ms"], 1, terms.chain(sums))
}

/// The kernel calls. Those of a device that counts cycles are shown with the time that they take at its assumed clock.
fn kernels(rows: &[KernelRow], clock_hz: Option<u64>) -> String {
    let common = |row: &KernelRow| {
        let size = format!("2^{}", row.log_n);
        [
            row.kind.to_owned(),
            row.width.clone(),
            size,
            row.count.to_string(),
            format!("{:.1}", row.wall_s * 1e3),
        ]
    };
    if rows.iter().all(|row| row.cycles.is_none()) {
        return table(
            ["kernel", "scalars", "size", "calls", "wall ms"],
            2,
            rows.iter().map(common),
        );
    }
    let with_cycles = rows.iter().map(|row| {
        let [kind, width, size, calls, wall] = common(row);
        let device_ms = row
            .cycles
            .zip(clock_hz)
            .map(|(cycles, hz)| cycles as f64 * 1e3 / hz as f64);
        let cycles = row.cycles.map_or_else(|| "-".to_owned(), |cycles| cycles.to_string());
        let device_ms = device_ms.map_or_else(|| "-".to_owned(), |ms| format!("{ms:.3}"));
        [kind, width, size, calls, wall, cycles, device_ms]
    });
    let header = [
        "kernel",
        "scalars",
        "size",
        "calls",
        "host wall ms",
        "device cycles",
        "at assumed clock ms",
    ];
    table(header, 2, with_cycles)
}

#[cfg(test)]
mod tests;
