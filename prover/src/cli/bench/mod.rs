//! `tapeout bench`

mod kernels;
mod proof;
mod report;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use anyhow::bail;
use clap::Subcommand;
use clap::builder::PossibleValuesParser;
use serde::Serialize;
use tapeout_driver::backend::{DEFAULT, choices};
use tapeout_driver::bench::{Draw, Kernel};

use super::files;
use super::output::{Output, Status};

/// The largest power of two that divides r - 1 bounds the domains there are.
const LARGEST_LOG_N: u32 = 28;

/// Time MSM, NTT or whole proofs on several backends, interleaved, every result checked
#[derive(clap::Args)]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,

    /// Draw the figures: write one HTML page to FILE that needs nothing else
    #[arg(long, value_name = "FILE", global = true)]
    html: Option<PathBuf>,

    /// What a backend's device draws, for the energy of a run: cpu=120,rtl=75; in watts, measured or from its data sheet
    #[arg(long, value_name = "NAME=WATTS", value_delimiter = ',', value_parser = parse_watts, global = true)]
    watts: Vec<(String, f64)>,
}

#[derive(Subcommand)]
enum What {
    /// Multi-scalar multiplication over BN254 G1, the bases resident on the backend
    Msm {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        sizes: Sizes,
        #[command(flatten)]
        scalars: ScalarArgs,
    },
    /// Forward number-theoretic transform over BN254 Fr on a coset, the twiddles resident on the backend
    Ntt {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        sizes: Sizes,
    },
    /// Whole proofs of a model, the same bytes from every backend
    Proof {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        model: proof::ModelArgs,
    },
    /// All three: which backend wins at which size, and where the host becomes the bottleneck
    All {
        #[command(flatten)]
        common: Common,
        #[command(flatten)]
        sizes: Sizes,
        #[command(flatten)]
        scalars: ScalarArgs,
        #[command(flatten)]
        model: proof::ModelArgs,
    },
}

#[derive(clap::Args)]
struct Common {
    /// Backends to compare, separated by commas; `tapeout backends` lists them
    #[arg(long, value_name = "NAMES", value_delimiter = ',', default_value = DEFAULT,
          value_parser = PossibleValuesParser::new(choices()))]
    backends: Vec<String>,

    /// Runs of each backend at each size, after one to warm up; the median is reported
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,

    /// Seed of the random data
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

#[derive(clap::Args)]
struct Sizes {
    /// Base-2 logarithms of the sizes, both ends included: 10..14, or one number
    #[arg(long, value_name = "FROM..TO", default_value = "10..14", value_parser = parse_sizes)]
    sizes: RangeInclusive<u32>,

    /// Base-2 logarithm of the largest size that hardware is simulated for; beyond it the performance model says what it would take, so marked
    #[arg(long, value_name = "LOG", default_value_t = 14)]
    simulate_to: u32,

    /// MSMs over the same bases, or columns, per run; times are for the whole batch
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
}

#[derive(clap::Args)]
struct ScalarArgs {
    /// The scalars: full, u or i and a number of bits (u8, i16), or mixed (half zero, most others small, as in a witness)
    #[arg(long, value_name = "KIND", default_value = "full")]
    scalars: Draw,
}

/// Everything that one call measured; what was not asked for is empty.
#[derive(Default, Serialize)]
struct Measured {
    msm: Vec<kernels::Row>,
    ntt: Vec<kernels::Row>,
    proof: Vec<proof::Row>,
    /// Watts by backend, as the caller gave them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    watts: BTreeMap<String, f64>,
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let mut measured = Measured {
            watts: self.watts.iter().cloned().collect(),
            ..Measured::default()
        };
        if let Some(stranger) = measured
            .watts
            .keys()
            .find(|name| !choices().any(|known| known == *name))
        {
            bail!(
                "--watts: no backend is named '{stranger}'; there are: {}",
                choices().collect::<Vec<_>>().join(", ")
            );
        }
        match &self.what {
            What::Msm { common, sizes, scalars } => {
                measured.msm = kernels::run(Kernel::Msm, common, sizes, scalars.scalars)?;
                output.result(&measured.msm, |rows| kernels::table(rows))?;
            }
            What::Ntt { common, sizes } => {
                measured.ntt = kernels::run(Kernel::Ntt, common, sizes, UNUSED)?;
                output.result(&measured.ntt, |rows| kernels::table(rows))?;
            }
            What::Proof { common, model } => {
                measured.proof = proof::run(common, model)?;
                output.result(&measured.proof, |rows| proof::table(rows))?;
            }
            What::All {
                common,
                sizes,
                scalars,
                model,
            } => {
                measured.msm = kernels::run(Kernel::Msm, common, sizes, scalars.scalars)?;
                measured.ntt = kernels::run(Kernel::Ntt, common, sizes, UNUSED)?;
                measured.proof = proof::run(common, model)?;
                output.result(&measured, |all| {
                    let tables = [
                        kernels::table(&all.msm),
                        kernels::table(&all.ntt),
                        proof::table(&all.proof),
                    ];
                    [tables.join("\n\n"), report::answers(all).join("\n")].join("\n\n")
                })?;
            }
        }
        if let Some(path) = &self.html {
            files::write(path, report::page(&measured)?.as_bytes())?;
        }
        Ok(Status::Ok)
    }
}

/// Transforms are of uniform data.
const UNUSED: Draw = Draw::Uniform(tapeout_driver::Width::Full);

/// `NAME=WATTS`.
fn parse_watts(text: &str) -> Result<(String, f64), String> {
    let wrong = || format!("'{text}' is no power: expected a backend's name and watts above zero, as in cpu=120");
    let (name, watts) = text.split_once('=').ok_or_else(wrong)?;
    let watts: f64 = watts.parse().map_err(|_| wrong())?;
    if watts > 0.0 && watts.is_finite() {
        Ok((name.to_owned(), watts))
    } else {
        Err(wrong())
    }
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

    #[test]
    fn watts_belong_to_a_name() {
        assert_eq!(parse_watts("cpu=65.5"), Ok(("cpu".to_owned(), 65.5)));
        for wrong in ["cpu", "cpu=", "cpu=x", "cpu=0", "cpu=-3", "cpu=inf", "cpu=NaN"] {
            assert!(parse_watts(wrong).is_err(), "{wrong}");
        }
    }
}
