//! Single kernels on several backends.

use std::collections::HashMap;

use anyhow::Context;
use serde::Serialize;
use tapeout_driver::bench::{self, Draw, Kernel, Plan};

use super::super::{output, progress};
use super::{Common, Sizes};

/// One backend at one size.
#[derive(Serialize)]
pub(super) struct Row {
    pub(super) backend: &'static str,
    pub(super) kind: Kernel,
    pub(super) log_n: u32,
    pub(super) scalars: Option<String>,
    pub(super) batch: usize,
    pub(super) median_wall_ms: f64,
    /// The shortest and the longest time.
    pub(super) wall_range_ms: [f64; 2],
    pub(super) median_cpu_ms: f64,
    pub(super) cycles: Option<u64>,
    /// Additions that the device's cycles were needed for; see [`tapeout_driver::Activity`].
    pub(super) work: Option<u64>,
    /// Work over cycles.
    pub(super) occupancy: Option<f64>,
    pub(super) adds_issued: Option<u64>,
    pub(super) bubbles: Option<u64>,
    /// The cycles at the clock that the backend assumes.
    pub(super) modelled_ms: Option<f64>,
    /// Bytes sent to a device and received from it, none where there is no link.
    pub(super) bytes_in: u64,
    pub(super) bytes_out: u64,
}

/// Measures one kernel.
pub(super) fn run(kernel: Kernel, common: &Common, sizes: &Sizes, scalars: Draw) -> anyhow::Result<Vec<Row>> {
    let plan = Plan {
        kernel,
        backends: common.backends.clone(),
        log_sizes: sizes.sizes.clone(),
        scalars,
        batch: sizes.batch as usize,
        repetitions: common.runs as usize,
        seed: common.seed,
    };
    let steps = plan.backends.len() as u64 * u64::from(plan.log_sizes.end() - plan.log_sizes.start() + 1);
    let progress = progress::bar(steps);
    let rows = bench::run(&plan, |row| {
        progress.set_message(format!("{} 2^{}: {:.3} ms", row.backend, row.log_n, row.median_wall_ms));
        progress.inc(1);
    });
    progress.finish_and_clear();
    let rows = rows.context("the benchmark stopped")?;
    Ok(rows.into_iter().map(Row::from).collect())
}

impl From<bench::Row> for Row {
    fn from(row: bench::Row) -> Self {
        Row {
            backend: row.backend,
            kind: row.kernel,
            log_n: row.log_n,
            scalars: row.scalars.map(|width| width.to_string()),
            batch: row.batch,
            median_wall_ms: row.median_wall_ms,
            wall_range_ms: row.wall_range_ms,
            median_cpu_ms: row.median_cpu_ms,
            cycles: row.cycles,
            work: row.activity.map(|activity| activity.work),
            occupancy: row
                .activity
                .zip(row.cycles)
                .map(|(activity, cycles)| activity.work as f64 / (cycles * u64::from(activity.adders)) as f64),
            adds_issued: row.activity.map(|activity| activity.adds_issued),
            bubbles: row.activity.map(|activity| activity.bubbles),
            modelled_ms: row.modelled_ms,
            bytes_in: row.bytes_in,
            bytes_out: row.bytes_out,
        }
    }
}

impl Row {
    /// What the run takes on the backend's device: a simulated one's cycles at its assumed clock, else wall time.
    pub(super) fn device_ms(&self) -> f64 {
        self.modelled_ms.unwrap_or(self.median_wall_ms)
    }

    /// The clock that a device's cycles are converted to time with.
    pub(super) fn clock_hz(&self) -> Option<f64> {
        Some(self.cycles? as f64 / (self.modelled_ms? / 1e3))
    }
}

/// The rows as a table. A device that counts cycles is compared by them: the host's time is that of its simulation.
pub(super) fn table(rows: &[Row]) -> String {
    // The first backend named is the one that the others are held against.
    let mut first: HashMap<u32, f64> = HashMap::new();
    for row in rows {
        first.entry(row.log_n).or_insert_with(|| row.device_ms());
    }
    let optional = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let cells = rows.iter().map(|row| {
        [
            format!("2^{}", row.log_n),
            row.backend.to_owned(),
            optional(row.scalars.clone()),
            format!("{:.3}", row.median_wall_ms),
            format!("{:.3}..{:.3}", row.wall_range_ms[0], row.wall_range_ms[1]),
            format!("{:.3}", row.median_cpu_ms),
            optional(row.cycles.map(|cycles| cycles.to_string())),
            optional(row.occupancy.map(|occupancy| format!("{occupancy:.3}"))),
            optional(row.modelled_ms.map(|ms| format!("{ms:.3}"))),
            format!("{:.2}x", first[&row.log_n] / row.device_ms()),
        ]
    });
    let header = [
        "size",
        "backend",
        "scalars",
        "host wall ms",
        "range",
        "host CPU ms",
        "device cycles",
        "occupancy",
        "at assumed clock ms",
        "speed",
    ];
    output::table(header, 3, cells)
}
