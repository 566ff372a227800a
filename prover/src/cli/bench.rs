//! `tapeout bench`

use std::collections::HashMap;
use std::ops::RangeInclusive;

use anyhow::Context;
use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use serde::Serialize;
use tapeout_driver::Width;
use tapeout_driver::backend::{DEFAULT, choices};
use tapeout_driver::bench::{self, Kernel, Plan};

use super::output::{Output, Status, table};
use super::progress;

/// The largest power of two that divides r - 1 bounds the domains there are.
const LARGEST_LOG_N: u32 = 28;

/// Time MSM or NTT on several backends, interleaved, every result checked
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    kernel: KernelArgs,
}

#[derive(Subcommand)]
enum KernelArgs {
    /// Multi-scalar multiplication over BN254 G1, the bases resident on the backend
    Msm {
        #[command(flatten)]
        common: Common,

        /// Width of the scalars: full, or u or i and a number of bits (u8, i16)
        #[arg(long, value_name = "WIDTH", default_value = "full")]
        scalars: Width,
    },
    /// Forward number-theoretic transform over BN254 Fr on a coset, the twiddles resident on the backend
    Ntt {
        #[command(flatten)]
        common: Common,
    },
}

#[derive(clap::Args)]
struct Common {
    /// Backends to compare, separated by commas; `tapeout backends` lists them
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = DEFAULT,
          value_parser = PossibleValuesParser::new(choices()))]
    backends: Vec<String>,

    /// Base-2 logarithms of the sizes, both ends included: 10..14, or one number
    #[arg(long, value_name = "FROM..TO", default_value = "10..14", value_parser = parse_sizes)]
    sizes: RangeInclusive<u32>,

    /// MSMs over the same bases, or columns, per run; times are for the whole batch
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,

    /// Runs of each backend at each size, after one to warm up; the median is reported
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Seed of the random scalars
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(Serialize)]
struct Row {
    backend: &'static str,
    kind: Kernel,
    log_n: u32,
    scalars: Option<String>,
    batch: usize,
    median_wall_ms: f64,
    median_cpu_ms: f64,
    cycles: Option<u64>,
    /// Additions that the device's cycles were needed for; see [`tapeout_driver::Activity`].
    work: Option<u64>,
    /// Work over cycles.
    occupancy: Option<f64>,
    adds_issued: Option<u64>,
    bubbles: Option<u64>,
    /// The cycles at the clock that the backend assumes.
    modelled_ms: Option<f64>,
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let plan = self.plan();
        let steps = plan.backends.len() as u64 * u64::from(plan.log_sizes.end() - plan.log_sizes.start() + 1);
        let progress = progress::bar(steps);
        let rows = bench::run(&plan, |row| {
            progress.set_message(format!("{} 2^{}: {:.3} ms", row.backend, row.log_n, row.median_wall_ms));
            progress.inc(1);
        });
        progress.finish_and_clear();
        let rows: Vec<Row> = rows
            .context("the benchmark stopped")?
            .into_iter()
            .map(Row::from)
            .collect();
        output.result(&rows, |rows| human(rows))?;
        Ok(Status::Ok)
    }

    fn plan(&self) -> Plan {
        let (kernel, common, width) = match &self.kernel {
            KernelArgs::Msm { common, scalars } => (Kernel::Msm, common, *scalars),
            KernelArgs::Ntt { common } => (Kernel::Ntt, common, Width::Full),
        };
        Plan {
            kernel,
            backends: common.backends.clone(),
            log_sizes: common.sizes.clone(),
            width,
            batch: common.batch as usize,
            repetitions: common.runs as usize,
            seed: common.seed,
        }
    }
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
        }
    }
}

/// The rows as a table. A device that counts cycles is compared by them: the host's time is that of its simulation.
fn human(rows: &[Row]) -> String {
    let device_ms = |row: &Row| row.modelled_ms.unwrap_or(row.median_wall_ms);
    // The first backend named is the one that the others are held against.
    let mut first: HashMap<u32, f64> = HashMap::new();
    for row in rows {
        first.entry(row.log_n).or_insert_with(|| device_ms(row));
    }
    let optional = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    let cells = rows.iter().map(|row| {
        [
            format!("2^{}", row.log_n),
            row.backend.to_owned(),
            optional(row.scalars.clone()),
            format!("{:.3}", row.median_wall_ms),
            format!("{:.3}", row.median_cpu_ms),
            optional(row.cycles.map(|cycles| cycles.to_string())),
            optional(row.occupancy.map(|occupancy| format!("{occupancy:.3}"))),
            optional(row.modelled_ms.map(|ms| format!("{ms:.3}"))),
            format!("{:.2}x", first[&row.log_n] / device_ms(row)),
        ]
    });
    let header = [
        "size",
        "backend",
        "scalars",
        "host wall ms",
        "host CPU ms",
        "device cycles",
        "occupancy",
        "at assumed clock ms",
        "speed",
    ];
    table(header, 3, cells)
}

/// `FROM..TO`, both ends included, or one number.
fn parse_sizes(text: &str) -> Result<RangeInclusive<u32>, String> {
    let number = |text: &str| {
        text.trim()
            .parse::<u32>()
            .ok()
            .filter(|log_n| *log_n <= LARGEST_LOG_N)
            .ok_or_else(|| {
                format!("'{text}' is no base-2 logarithm of a size: expected 0 to {LARGEST_LOG_N}, as in 10..14 or 12")
            })
    };
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let (from, to) = (number(from)?, number(to)?);
    if from > to {
        return Err(format!("the range {from}..{to} is empty: the smaller size comes first"));
    }
    Ok(from..=to)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_include_both_ends() {
        assert_eq!(parse_sizes("10..14"), Ok(10..=14));
        assert_eq!(parse_sizes("7"), Ok(7..=7));
        assert_eq!(parse_sizes("0..28"), Ok(0..=28));
        for wrong in ["", "..", "1..", "5..4", "29", "1..29", "-1", "a..b", "1..2..3"] {
            assert!(parse_sizes(wrong).is_err(), "{wrong}");
        }
    }
}
