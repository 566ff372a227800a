//! Single kernels on several backends.

use std::collections::HashMap;
use std::ops::RangeInclusive;

use anyhow::Context;
use serde::Serialize;
use tapeout_driver::bench::{self, Draw, Kernel, Plan};
use tapeout_driver::explore::{msm_roof, ntt_roof};
use tapeout_driver::part::Part;
use tapeout_driver::trace::Item;
use tapeout_driver::{Info, Width, backend};

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
    /// Whether nothing ran: the performance model's figures for hardware that is not simulated at this size.
    pub(super) estimated: bool,
    pub(super) median_wall_ms: Option<f64>,
    /// The shortest and the longest time.
    pub(super) wall_range_ms: Option<[f64; 2]>,
    pub(super) median_cpu_ms: Option<f64>,
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

/// Measures one kernel; hardware that is simulated, up to the size that it is to be.
pub(super) fn run(kernel: Kernel, common: &Common, sizes: &Sizes, scalars: Draw) -> anyhow::Result<Vec<Row>> {
    let infos = common.backends.iter().map(|name| Ok(backend::open(name)?.info()));
    let infos = infos.collect::<anyhow::Result<Vec<Info>>>()?;
    let (from, to) = (*sizes.sizes.start(), *sizes.sizes.end());
    let plan = |backends: Vec<String>, log_sizes: RangeInclusive<u32>| Plan {
        kernel,
        backends,
        log_sizes,
        scalars,
        batch: sizes.batch as usize,
        repetitions: common.runs as usize,
        seed: common.seed,
    };
    let real = common
        .backends
        .iter()
        .zip(&infos)
        .filter(|(_, info)| info.clock_hz.is_none());
    let real: Vec<String> = real.map(|(name, _)| name.clone()).collect();
    // backends that are no simulation go on where those end
    let limit = if real.len() == infos.len() {
        to
    } else {
        sizes.simulate_to
    };
    let plans = [
        plan(common.backends.clone(), from..=to.min(limit)),
        plan(real, from.max(limit.saturating_add(1))..=to),
    ];
    let steps = plans
        .iter()
        .map(|plan| plan.backends.len() * plan.log_sizes.clone().count());
    let progress = progress::bar(steps.sum::<usize>() as u64);
    let mut rows = Vec::new();
    for plan in plans {
        let measured = bench::run(&plan, |row| {
            progress.set_message(format!("{} 2^{}: {:.3} ms", row.backend, row.log_n, row.median_wall_ms));
            progress.inc(1);
        });
        rows.extend(measured.context("the benchmark stopped")?.into_iter().map(Row::from));
    }
    progress.finish_and_clear();
    for log_n in from.max(limit.saturating_add(1))..=to {
        let simulated = infos.iter().filter(|info| info.clock_hz.is_some());
        rows.extend(simulated.filter_map(|info| Row::estimate(kernel, info, log_n, scalars, sizes.batch as usize)));
    }
    rows.sort_by_key(|row| (row.log_n, infos.iter().position(|info| info.name == row.backend)));
    Ok(rows)
}

impl From<bench::Row> for Row {
    fn from(row: bench::Row) -> Self {
        Row {
            backend: row.backend,
            kind: row.kernel,
            log_n: row.log_n,
            scalars: row.scalars.map(|width| width.to_string()),
            batch: row.batch,
            estimated: false,
            median_wall_ms: Some(row.median_wall_ms),
            wall_range_ms: Some(row.wall_range_ms),
            median_cpu_ms: Some(row.median_cpu_ms),
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

/// The part whose memory and link bound a card that is not simulated; none where the descriptions of parts are damaged.
pub(super) fn part() -> Option<Part> {
    Part::built_in().next()
}

/// Engines of a backend: `rtl:3` has three.
pub(super) fn engines(backend: &str) -> u32 {
    backend
        .split_once(':')
        .and_then(|(_, count)| count.parse().ok())
        .unwrap_or(1)
}

/// What scalars so drawn are to the performance model.
pub(super) fn item(draw: Draw, log_n: u32) -> Item {
    let len = 1 << log_n;
    let (width, nonzero) = match draw {
        Draw::Uniform(width) => (width, len),
        Draw::Mixed => (Width::Full, len / 2),
    };
    Item {
        len,
        width,
        nonzero,
        distinct: nonzero,
    }
}

impl Row {
    /// What the performance model says; `None` for sizes that the hardware does not take.
    fn estimate(kernel: Kernel, info: &Info, log_n: u32, scalars: Draw, batch: usize) -> Option<Self> {
        let (part, clock_hz) = (part()?, info.clock_hz? as f64);
        let roof = match kernel {
            Kernel::Msm => msm_roof(&item(scalars, log_n), batch, engines(info.name), &part, clock_hz),
            Kernel::Ntt => ntt_roof(log_n, batch, &part, clock_hz)?,
        };
        let seconds = roof.longest_s();
        Some(Self {
            backend: info.name,
            kind: kernel,
            log_n,
            scalars: (kernel == Kernel::Msm).then(|| scalars.to_string()),
            batch,
            estimated: true,
            median_wall_ms: None,
            wall_range_ms: None,
            median_cpu_ms: None,
            cycles: Some((seconds * clock_hz) as u64),
            work: None,
            occupancy: None,
            adds_issued: None,
            bubbles: None,
            modelled_ms: Some(seconds * 1e3),
            bytes_in: 0,
            bytes_out: 0,
        })
    }

    /// What the run takes on the backend's device: a simulated one's cycles at its assumed clock, else wall time.
    pub(super) fn device_ms(&self) -> f64 {
        self.modelled_ms.or(self.median_wall_ms).unwrap_or(f64::INFINITY)
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
            format!("{}{}", row.backend, if row.estimated { " (model)" } else { "" }),
            optional(row.scalars.clone()),
            optional(row.median_wall_ms.map(|ms| format!("{ms:.3}"))),
            optional(row.wall_range_ms.map(|[from, to]| format!("{from:.3}..{to:.3}"))),
            optional(row.median_cpu_ms.map(|ms| format!("{ms:.3}"))),
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
