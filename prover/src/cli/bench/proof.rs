//! Whole proofs on several backends.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Context, bail};
use cpu_time::ProcessTime;
use serde::Serialize;
use tapeout_driver::{Backend, backend};
use tapeout_prover::keys::ProvingKey;
use tapeout_prover::model::io;
use tapeout_prover::pipeline::{self, SetupOptions};
use tapeout_prover::statement::NO_CONTEXT;

use super::super::{keys, output, progress};
use super::Common;

/// The model to prove.
#[derive(clap::Args)]
pub(super) struct ModelArgs {
    /// The ONNX model whose inference is proven; keys are made for it first, outside of the measured time
    #[arg(long, value_name = "MODEL")]
    model: PathBuf,

    /// The input: {"input_data": [[...]]} or .npy
    #[arg(long, value_name = "FILE")]
    input: PathBuf,

    /// Typical inputs for the fixed-point ranges, as for `tapeout setup`
    #[arg(long, value_name = "FILE")]
    calibrate: Option<PathBuf>,
}

/// Proofs on one backend; medians over the runs.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) backend: &'static str,
    pub(super) kind: &'static str,
    /// Rows of the trace.
    pub(super) log_n: u32,
    pub(super) proof_bytes: usize,
    pub(super) median_wall_ms: f64,
    /// The shortest and the longest time.
    pub(super) wall_range_ms: [f64; 2],
    pub(super) median_cpu_ms: f64,
    /// Wall time outside of the kernels: what no accelerator changes.
    pub(super) host_ms: f64,
    /// Wall time of the MSMs; for a simulated device, that of the simulation.
    pub(super) msm_ms: f64,
    /// Wall time of the transforms, likewise.
    pub(super) ntt_ms: f64,
    /// The device's cycles, where it counts them.
    pub(super) cycles: Option<u64>,
    /// The cycles at the clock that the backend assumes.
    pub(super) modelled_ms: Option<f64>,
}

impl Row {
    /// The kernels' time on the backend's device.
    pub(super) fn device_ms(&self) -> f64 {
        self.modelled_ms.unwrap_or(self.msm_ms + self.ntt_ms)
    }

    /// The whole proof: the host's part and the device's, one after the other.
    pub(super) fn whole_ms(&self) -> f64 {
        self.host_ms + self.device_ms()
    }
}

/// One proof's measurements, in milliseconds.
#[derive(Clone, Copy, Default)]
struct Sample {
    wall: f64,
    cpu: f64,
    msm: f64,
    ntt: f64,
    cycles: Option<u64>,
}

/// Proves the same input on every backend in turn, and compares the proofs byte by byte.
pub(super) fn run(common: &Common, args: &ModelArgs) -> anyhow::Result<Vec<Row>> {
    let backends = common
        .backends
        .iter()
        .map(|name| backend::open(name))
        .collect::<Result<Vec<_>, _>>()?;
    let model = keys::read_model(&args.model)?;
    let samples = match &args.calibrate {
        Some(path) => io::read_samples(path, model.program.input_len())?,
        None => Vec::new(),
    };
    let input = io::read_input(&args.input, model.program.input_len())?;
    let host = backend::open(backend::DEFAULT)?;
    let pipeline::Keys { proving: key, .. } = pipeline::setup(
        &model,
        &samples,
        SetupOptions::default(),
        None,
        host.as_ref(),
        &mut |_: &'static str| (),
    )
    .with_context(|| format!("no keys for the model '{}'", args.model.display()))?;
    let progress = progress::bar(u64::from(common.runs + 1) * backends.len() as u64);
    let mut taken: Vec<Vec<Sample>> = vec![Vec::new(); backends.len()];
    let mut bytes = 0;
    // the first round warms up
    for round in 0..=u64::from(common.runs) {
        let mut first: Option<Vec<u8>> = None;
        for (backend, taken) in backends.iter().zip(&mut taken) {
            progress.set_message(backend.info().name);
            let (sample, proof) = prove(&key, &input, backend.as_ref(), common.seed + round)?;
            match &first {
                Some(first) if *first != proof => bail!(
                    "the proof from backend {} is not the one from {} for the same seed",
                    backend.info().name,
                    backends[0].info().name
                ),
                _ => first = Some(proof),
            }
            if round > 0 {
                taken.push(sample);
            }
            progress.inc(1);
        }
        bytes = first.map_or(0, |proof| proof.len());
    }
    progress.finish_and_clear();
    let log_n = key.verifying().interface().shape.log_n();
    Ok(backends
        .iter()
        .zip(taken)
        .map(|(backend, taken)| row(backend.as_ref(), log_n, bytes, &taken))
        .collect())
}

fn prove(key: &ProvingKey, input: &[f64], backend: &dyn Backend, seed: u64) -> anyhow::Result<(Sample, Vec<u8>)> {
    let (wall, cpu) = (Instant::now(), ProcessTime::now());
    let proven = pipeline::prove(key, input, &NO_CONTEXT, backend, Some(seed), &mut |_: &'static str| ())?;
    let (wall, cpu) = (wall.elapsed().as_secs_f64() * 1e3, cpu.elapsed().as_secs_f64() * 1e3);
    let kernel = |kind: &str| {
        let rows = proven.kernels.iter().filter(|row| row.kind == kind);
        rows.map(|row| row.wall_s * 1e3).sum()
    };
    let counted = proven.kernels.iter().filter_map(|row| row.cycles);
    let sample = Sample {
        wall,
        cpu,
        msm: kernel("msm"),
        ntt: kernel("ntt"),
        cycles: counted.fold(None, |sum: Option<u64>, cycles| Some(sum.unwrap_or(0) + cycles)),
    };
    Ok((sample, proven.statement.to_bytes()))
}

fn row(backend: &dyn Backend, log_n: u32, proof_bytes: usize, taken: &[Sample]) -> Row {
    let median = |value: fn(&Sample) -> f64| {
        let mut values: Vec<f64> = taken.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    let walls = || taken.iter().map(|sample| sample.wall);
    let info = backend.info();
    let mut cycles: Vec<_> = taken.iter().map(|sample| sample.cycles).collect();
    cycles.sort_unstable();
    let cycles = cycles.get(taken.len() / 2).copied().flatten();
    Row {
        backend: info.name,
        kind: "proof",
        log_n,
        proof_bytes,
        median_wall_ms: median(|s| s.wall),
        wall_range_ms: [walls().fold(f64::INFINITY, f64::min), walls().fold(0.0, f64::max)],
        median_cpu_ms: median(|s| s.cpu),
        host_ms: median(|s| s.wall - s.msm - s.ntt),
        msm_ms: median(|s| s.msm),
        ntt_ms: median(|s| s.ntt),
        cycles,
        modelled_ms: cycles
            .zip(info.clock_hz)
            .map(|(cycles, hz)| cycles as f64 * 1e3 / hz as f64),
    }
}

/// The rows as a table.
pub(super) fn table(rows: &[Row]) -> String {
    let ms = |value: f64| format!("{value:.2}");
    let mut first: HashMap<u32, f64> = HashMap::new();
    for row in rows {
        first.entry(row.log_n).or_insert_with(|| row.whole_ms());
    }
    let cells = rows.iter().map(|row| {
        [
            row.backend.to_owned(),
            format!("2^{}", row.log_n),
            ms(row.median_wall_ms),
            format!("{:.2}..{:.2}", row.wall_range_ms[0], row.wall_range_ms[1]),
            ms(row.median_cpu_ms),
            ms(row.host_ms),
            ms(row.msm_ms),
            ms(row.ntt_ms),
            row.modelled_ms.map_or_else(|| "-".to_owned(), ms),
            format!("{:.2}x", first[&row.log_n] / row.whole_ms()),
        ]
    });
    let header = [
        "proof on",
        "rows",
        "wall ms",
        "range",
        "CPU ms",
        "host ms",
        "MSM ms",
        "NTT ms",
        "kernels at assumed clock ms",
        "speed",
    ];
    output::table(header, 1, cells)
}
