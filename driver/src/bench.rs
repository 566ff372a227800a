//! Measures backends side by side, and checks every result that it times.
//!
//! Repetitions are interleaved: each round draws fresh data and runs every backend on it, so that a change in the
//! machine's load falls on all of them alike. Every result is checked outside of the timed part, in time linear in its size:
//! MSMs against bases of known discrete logarithm, transforms by comparing coefficients and values at a random point.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use cpu_time::ProcessTime;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::sample::{Bases, barycentric, evaluate, field, fields, scalars};
use crate::{Activity, Backend, Dir, Error, Fr, Msm, Ntt, Result, Run, Scalars, Width, backend};

/// The kernel to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kernel {
    /// Multi-scalar multiplication over bases prepared beforehand.
    Msm,
    /// Forward transforms on a coset, over a domain prepared beforehand.
    Ntt,
}

/// How the scalars of a measured MSM are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Draw {
    /// Uniformly from those of a width, which the backends are told.
    Uniform(Width),
    /// As a column of a quantised witness: half of them zero, seven sixteenths of 8 bits and a sign, one sixteenth any. The backends
    /// are told nothing.
    Mixed,
}

impl Draw {
    /// What the backends are told of the width.
    fn hint(self) -> Width {
        match self {
            Draw::Uniform(width) => width,
            Draw::Mixed => Width::Full,
        }
    }

    fn draw(self, n: usize, rng: &mut ChaCha8Rng) -> Vec<Fr> {
        let width = match self {
            Draw::Uniform(width) => return scalars(n, width, rng),
            Draw::Mixed => |kind: u32| match kind % 16 {
                0..8 => Width::Bits(0),
                8..15 => Width::Signed(8),
                _ => Width::Full,
            },
        };
        (0..n).flat_map(|_| scalars(1, width(rng.next_u32()), rng)).collect()
    }
}

impl fmt::Display for Draw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Draw::Uniform(width) => width.fmt(f),
            Draw::Mixed => f.write_str("mixed"),
        }
    }
}

impl FromStr for Draw {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "mixed" => Ok(Draw::Mixed),
            _ => text.parse().map(Draw::Uniform),
        }
    }
}

/// What to measure.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The kernel.
    pub kernel: Kernel,
    /// The backends' names.
    pub backends: Vec<String>,
    /// Base-2 logarithms of the sizes.
    pub log_sizes: RangeInclusive<u32>,
    /// The scalars; of no meaning for transforms.
    pub scalars: Draw,
    /// How many MSMs over the same bases, or how many columns, make up one run.
    pub batch: usize,
    /// How often each backend runs at each size, after one run to warm up; at least 1.
    pub repetitions: usize,
    /// Where the random data starts from.
    pub seed: u64,
}

/// What was measured of one backend at one size. Times and cycles are medians over the repetitions and are for the whole
/// batch.
#[derive(Clone, Debug)]
pub struct Row {
    /// The backend's name.
    pub backend: &'static str,
    /// The kernel.
    pub kernel: Kernel,
    /// The base-2 logarithm of the size.
    pub log_n: u32,
    /// The scalars; `None` for transforms.
    pub scalars: Option<Draw>,
    /// MSMs or columns per run.
    pub batch: usize,
    /// Wall time on the host in milliseconds. For a simulated device, the time of the simulation.
    pub median_wall_ms: f64,
    /// The shortest and the longest of those times.
    pub wall_range_ms: [f64; 2],
    /// Processor time of this process, over all threads, in milliseconds.
    pub median_cpu_ms: f64,
    /// The device's clock cycles, where it counts them.
    pub cycles: Option<u64>,
    /// How busy the device was in those cycles, where it counts that.
    pub activity: Option<Activity>,
    /// The cycles at the clock that the backend assumes, in milliseconds.
    pub modelled_ms: Option<f64>,
    /// Bytes sent to the device in a run.
    pub bytes_in: u64,
    /// Bytes received from the device in a run.
    pub bytes_out: u64,
}

/// One run's measurements.
struct Sample {
    wall: Duration,
    cpu: Duration,
    cycles: Option<u64>,
    activity: Option<Activity>,
    bytes: [u64; 2],
}

impl Sample {
    fn of<T>(run: &Run<T>, cpu: Duration) -> Self {
        Self {
            wall: run.wall,
            cpu,
            cycles: run.cycles,
            activity: run.activity,
            bytes: [run.bytes_in, run.bytes_out],
        }
    }
}

/// Runs the plan; `progress` is given each row as soon as it is there.
///
/// # Errors
/// Those of opening, preparing and running the backends, and [`Error::Wrong`] when a result is wrong.
pub fn run(plan: &Plan, mut progress: impl FnMut(&Row)) -> Result<Vec<Row>> {
    let backends = plan
        .backends
        .iter()
        .map(|name| backend::open(name))
        .collect::<Result<Vec<_>>>()?;
    let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
    let mut rows = Vec::new();
    for log_n in plan.log_sizes.clone() {
        let samples = match plan.kernel {
            Kernel::Msm => measure_msm(plan, &backends, log_n, &mut rng)?,
            Kernel::Ntt => measure_ntt(plan, &backends, log_n, &mut rng)?,
        };
        for (backend, samples) in backends.iter().zip(samples) {
            let row = summarise(plan, backend.as_ref(), log_n, &samples);
            progress(&row);
            rows.push(row);
        }
    }
    Ok(rows)
}

/// The samples of each backend.
type Samples = Vec<Vec<Sample>>;

fn measure_msm(plan: &Plan, backends: &[Box<dyn Backend>], log_n: u32, rng: &mut ChaCha8Rng) -> Result<Samples> {
    let n = size(plan, log_n)?;
    let width = plan.scalars.hint();
    width.check()?;
    let bases = Bases::random(n, rng);
    let prepared = backends
        .iter()
        .map(|b| b.prepare_msm(&bases.points))
        .collect::<Result<Vec<Box<dyn Msm>>>>()?;
    rounds(plan, backends, || {
        let items: Vec<Vec<Fr>> = (0..plan.batch).map(|_| plan.scalars.draw(n, rng)).collect();
        let batch: Vec<Scalars<'_>> = items.iter().map(|values| Scalars { values, width }).collect();
        let expected: Vec<_> = items.iter().map(|values| bases.msm(values)).collect();
        let one = |msm: &dyn Msm| {
            let start = ProcessTime::now();
            let run = msm.run(&batch)?;
            let cpu = start.elapsed();
            Ok((Sample::of(&run, cpu), run.out == expected))
        };
        prepared.iter().map(|msm| one(msm.as_ref())).collect()
    })
}

fn measure_ntt(plan: &Plan, backends: &[Box<dyn Backend>], log_n: u32, rng: &mut ChaCha8Rng) -> Result<Samples> {
    let n = size(plan, log_n)?;
    let prepared = backends
        .iter()
        .map(|b| b.prepare_ntt(log_n))
        .collect::<Result<Vec<Box<dyn Ntt>>>>()?;
    rounds(plan, backends, || {
        let coefficients: Vec<Vec<Fr>> = (0..plan.batch).map(|_| fields(n, rng)).collect();
        let (coset, point) = (field(rng), field(rng));
        let expected: Vec<Fr> = coefficients.iter().map(|column| evaluate(column, point)).collect();
        let weights = barycentric(log_n, coset, point);
        let one = |ntt: &dyn Ntt| {
            let mut columns = coefficients.clone();
            let start = ProcessTime::now();
            let run = ntt.run(Dir::Forward, coset, &mut columns)?;
            let cpu = start.elapsed();
            let at_point = |column: &Vec<Fr>| column.iter().zip(&weights).map(|(value, weight)| *value * weight).sum();
            let right = columns.iter().map(at_point).collect::<Vec<Fr>>() == expected;
            Ok((Sample::of(&run, cpu), right))
        };
        prepared.iter().map(|ntt| one(ntt.as_ref())).collect()
    })
}

/// Runs `round`, which runs each backend once on the same fresh data; the first round only warms up.
fn rounds(
    plan: &Plan,
    backends: &[Box<dyn Backend>],
    mut round: impl FnMut() -> Result<Vec<(Sample, bool)>>,
) -> Result<Samples> {
    let mut samples: Samples = backends.iter().map(|_| Vec::new()).collect();
    for repetition in 0..=plan.repetitions.max(1) {
        for ((backend, samples), (sample, right)) in backends.iter().zip(&mut samples).zip(round()?) {
            if !right {
                let what = format!("a measured {:?} of batch {}", plan.kernel, plan.batch);
                return Err(Error::Wrong {
                    backend: backend.info().name,
                    what,
                });
            }
            if repetition > 0 {
                samples.push(sample);
            }
        }
    }
    Ok(samples)
}

/// `2^log_n`, where the field has such a domain.
fn size(plan: &Plan, log_n: u32) -> Result<usize> {
    let what = match plan.kernel {
        Kernel::Msm => "the log of an MSM's size",
        Kernel::Ntt => "the log of a domain's size",
    };
    let expected = backend::MAX_LOG_N as usize;
    if log_n > backend::MAX_LOG_N {
        return Err(Error::Length {
            what,
            expected,
            got: log_n as usize,
        });
    }
    Ok(1 << log_n)
}

fn summarise(plan: &Plan, backend: &dyn Backend, log_n: u32, samples: &[Sample]) -> Row {
    let info = backend.info();
    // cycles and what they were spent with belong to one run
    let mut by_cycles: Vec<_> = samples.iter().collect();
    by_cycles.sort_by_key(|sample| sample.cycles);
    let middle = by_cycles.get(samples.len() / 2);
    let cycles = middle.and_then(|sample| sample.cycles);
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let walls = || samples.iter().map(|s| s.wall);
    let range = [walls().min(), walls().max()];
    let [bytes_in, bytes_out] = middle.map(|sample| sample.bytes).unwrap_or_default();
    Row {
        backend: info.name,
        kernel: plan.kernel,
        log_n,
        scalars: (plan.kernel == Kernel::Msm).then_some(plan.scalars),
        batch: plan.batch,
        median_wall_ms: ms(median(walls().collect())),
        wall_range_ms: range.map(|wall| ms(wall.unwrap_or_default())),
        median_cpu_ms: ms(median(samples.iter().map(|s| s.cpu).collect())),
        cycles,
        activity: middle.and_then(|sample| sample.activity),
        modelled_ms: cycles
            .zip(info.clock_hz)
            .map(|(cycles, hz)| cycles as f64 * 1e3 / hz as f64),
        bytes_in,
        bytes_out,
    }
}

/// The middle value, the upper one of two; the default of an empty list.
pub(crate) fn median<T: Ord + Default + Copy>(mut values: Vec<T>) -> T {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
