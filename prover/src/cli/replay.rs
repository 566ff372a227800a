//! `tapeout replay`

use std::path::PathBuf;

use anyhow::Context;
use clap::builder::PossibleValuesParser;
use serde::Serialize;
use tapeout_driver::backend::{self, DEFAULT, choices};
use tapeout_driver::replay::{self, Plan, Row, Took};
use tapeout_driver::trace::Trace;

use super::files;
use super::output::{Output, Status, facts, table};
use super::progress;

/// Run the kernel calls of a recorded proof on several backends, without the prover, every result checked
///
/// `tapeout prove --record FILE` records. The data is random: of the recorded lengths and widths, and with as many zeros and repeated values.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The recorded trace
    #[arg(value_name = "TRACE")]
    trace: PathBuf,

    /// Backends to compare, separated by commas; `tapeout backends` lists them
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = DEFAULT,
          value_parser = PossibleValuesParser::new(choices()))]
    backends: Vec<String>,

    /// Runs of the whole trace, after one to warm up; medians are reported
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Seed of the random data
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Serialize)]
struct Report {
    /// The backend that the trace was recorded on.
    recorded_on: String,
    calls: usize,
    /// The prover's own time between the calls when it was recorded, in milliseconds: no backend changes it.
    host_ms: f64,
    rows: Vec<Row>,
    totals: Vec<Total>,
}

/// All calls on one backend.
#[derive(Serialize)]
struct Total {
    backend: &'static str,
    /// Calls that the backend does not run; the times are of the others.
    unsupported_calls: usize,
    #[serde(flatten)]
    took: Took,
    /// The host's own time and the kernels', a simulated device's at its assumed clock; `None` if calls are missing.
    whole_ms: Option<f64>,
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let place = || format!("cannot use the trace '{}'", self.trace.display());
        let trace: Trace = serde_json::from_slice(&files::read(&self.trace)?).with_context(place)?;
        trace.validate().with_context(place)?;
        let backends = self
            .backends
            .iter()
            .map(|name| backend::open(name))
            .collect::<Result<Vec<_>, _>>()?;
        let plan = Plan {
            backends: &backends,
            repetitions: self.runs as usize,
            seed: self.seed,
        };
        let progress = progress::bar((trace.calls.len() * backends.len()) as u64 * u64::from(self.runs + 1));
        let rows = replay::run(&trace, &plan, || progress.inc(1));
        progress.finish_and_clear();
        let rows = rows.context("the replay stopped")?;
        let host_s = trace.host_after_s + trace.calls.iter().map(|call| call.host_before_s).sum::<f64>();
        let host_ms = host_s * 1e3;
        let totals = backends.iter().map(|b| total(b.info().name, &rows, host_ms)).collect();
        let report = Report {
            recorded_on: trace.backend,
            calls: trace.calls.len(),
            host_ms,
            rows,
            totals,
        };
        output.result(&report, human)?;
        Ok(Status::Ok)
    }
}

fn total(backend: &'static str, rows: &[Row], host_ms: f64) -> Total {
    let own = || rows.iter().filter(|row| row.backend == backend);
    let took = own()
        .filter_map(|row| row.took)
        .reduce(|sum, took| sum.and(&took))
        .unwrap_or_default();
    let unsupported_calls = own().filter(|row| row.took.is_none()).map(|row| row.calls).sum();
    let whole_ms = (unsupported_calls == 0).then(|| host_ms + took.modelled_ms.unwrap_or(took.wall_ms));
    Total {
        backend,
        unsupported_calls,
        took,
        whole_ms,
    }
}

fn human(report: &Report) -> String {
    let ms = |value: f64| format!("{value:.3}");
    let optional = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let cells = |took: Option<Took>| {
        [
            optional(took.map(|t| ms(t.wall_ms))),
            optional(took.map(|t| ms(t.cpu_ms))),
            optional(took.and_then(|t| t.cycles).map(|cycles| cycles.to_string())),
            optional(took.and_then(|t| t.modelled_ms).map(ms)),
        ]
    };
    let rows = report.rows.iter().map(|row| {
        let [wall, cpu, cycles, modelled] = cells(row.took);
        let size = format!("2^{}", row.kind.log_n);
        [
            row.kind.kernel.to_owned(),
            row.kind.what.clone(),
            size,
            row.calls.to_string(),
            row.backend.to_owned(),
            wall,
            cpu,
            cycles,
            modelled,
        ]
    });
    let header = [
        "kernel",
        "data",
        "size",
        "calls",
        "backend",
        "host wall ms",
        "host CPU ms",
        "device cycles",
        "at assumed clock ms",
    ];
    let totals = report.totals.iter().map(|total| {
        let [wall, _, cycles, modelled] = cells(Some(total.took));
        let missing = total.unsupported_calls;
        let whole = total.whole_ms.map_or_else(|| format!("{missing} calls not run"), ms);
        [total.backend.to_owned(), wall, cycles, modelled, whole]
    });
    let sums = table(
        [
            "backend",
            "kernels' wall ms",
            "device cycles",
            "at assumed clock ms",
            "kernels and host ms",
        ],
        1,
        totals,
    );
    let about = facts(&[
        ("recorded on", report.recorded_on.clone()),
        ("calls", report.calls.to_string()),
        (
            "host",
            format!("{} ms between the calls when it was recorded", ms(report.host_ms)),
        ),
    ]);
    [about, table(header, 5, rows), sums].join("\n\n")
}
