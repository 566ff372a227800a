//! Runs a recorded trace on backends side by side, on random data of the recorded shape, every result checked.

use std::collections::BTreeMap;
use std::time::Duration;

use ark_ff::{AdditiveGroup, Field};
use cpu_time::ProcessTime;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::bench::median;
use crate::sample::{Bases, barycentric, evaluate, field, fields, scalars};
use crate::trace::{Item, Trace, Work};
use crate::{Backend, Dir, Error, Fr, Msm, Ntt, Result, Scalars, Width};

/// What to run a trace on.
pub struct Plan<'a> {
    /// The backends, in the order of the rows.
    pub backends: &'a [Box<dyn Backend>],
    /// How often the whole trace runs, after one run to warm up; at least 1.
    pub repetitions: usize,
    /// Where the random data starts from.
    pub seed: u64,
}

/// What calls of one kind took on one backend, all of them together; medians over the repetitions.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Row {
    /// The backend's name.
    pub backend: &'static str,
    /// What the calls are.
    #[serde(flatten)]
    pub kind: Kind,
    /// Number of calls.
    pub calls: usize,
    /// What they took; `None` where the backend does not run such calls.
    pub took: Option<Took>,
}

/// Times and cycles of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, serde::Serialize)]
pub struct Took {
    /// Wall time on the host in milliseconds. For a simulated device, the time of the simulation.
    pub wall_ms: f64,
    /// Processor time of this process, over all threads, in milliseconds.
    pub cpu_ms: f64,
    /// The device's clock cycles, where it counts them.
    pub cycles: Option<u64>,
    /// The cycles at the clock that the backend assumes, in milliseconds.
    pub modelled_ms: Option<f64>,
}

/// Calls that are reported together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Kind {
    /// `msm` or `ntt`.
    pub kernel: &'static str,
    /// The width of an MSM batch's scalars, `mixed` if its items differ; the direction of a transform.
    pub what: String,
    /// Base-2 logarithm of the size, rounded up; of an MSM batch, of its longest item.
    pub log_n: u32,
}

impl Kind {
    fn of(work: &Work) -> Self {
        match work {
            Work::Msm { items, .. } => {
                let mut widths: Vec<String> = items.iter().map(|item| item.width.to_string()).collect();
                widths.dedup();
                let len = items.iter().map(|item| item.len).max().unwrap_or(0);
                Kind {
                    kernel: "msm",
                    what: if widths.len() == 1 {
                        widths.remove(0)
                    } else {
                        "mixed".into()
                    },
                    log_n: len.next_power_of_two().ilog2(),
                }
            }
            Work::Ntt {
                log_n, inverse, coset, ..
            } => Kind {
                kernel: "ntt",
                what: format!(
                    "{}{}",
                    if *inverse { "inverse" } else { "forward" },
                    if *coset { ", coset" } else { "" }
                ),
                log_n: *log_n,
            },
        }
    }
}

/// One run's measurements.
#[derive(Clone, Copy, Default)]
struct Sample {
    wall: Duration,
    cpu: Duration,
    cycles: Option<u64>,
}

/// The samples of each call; `None` where the backend does not run it.
type Samples = Vec<Option<Vec<Sample>>>;

/// Runs the trace; `progress` is called after each call of each backend.
///
/// # Errors
/// [`Error::Trace`] for a trace that contradicts itself, [`Error::Wrong`] when a result is wrong, and those of the backends but
/// [`Error::Unsupported`].
pub fn run(trace: &Trace, plan: &Plan<'_>, mut progress: impl FnMut()) -> Result<Vec<Row>> {
    trace.validate()?;
    let mut rng = ChaCha8Rng::seed_from_u64(plan.seed);
    let bases: Vec<Bases> = trace.bases.iter().map(|&len| Bases::random(len, &mut rng)).collect();
    let prepared = plan
        .backends
        .iter()
        .map(|b| Prepared::new(b.as_ref(), trace, &bases))
        .collect::<Result<Vec<_>>>()?;
    let mut samples: Vec<Samples> = plan
        .backends
        .iter()
        .map(|_| vec![Some(Vec::new()); trace.calls.len()])
        .collect();
    for repetition in 0..=plan.repetitions.max(1) {
        for (i, call) in trace.calls.iter().enumerate() {
            let job = Job::draw(&call.work, &bases, &mut rng);
            for ((backend, prepared), samples) in plan.backends.iter().zip(&prepared).zip(&mut samples) {
                match prepared.run(&job) {
                    Ok((sample, true)) => {
                        if let (Some(kept), true) = (&mut samples[i], repetition > 0) {
                            kept.push(sample);
                        }
                    }
                    Err(Error::Unsupported { .. }) => samples[i] = None,
                    Err(error) => return Err(error),
                    Ok((_, false)) => {
                        let what = format!("call {i} of the trace");
                        return Err(Error::Wrong {
                            backend: backend.info().name,
                            what,
                        });
                    }
                }
                progress();
            }
        }
    }
    let rows = plan
        .backends
        .iter()
        .zip(samples)
        .flat_map(|(backend, samples)| rows(trace, backend.as_ref(), &samples));
    Ok(rows.collect())
}

fn rows(trace: &Trace, backend: &dyn Backend, samples: &Samples) -> Vec<Row> {
    let info = backend.info();
    let mut kinds: BTreeMap<Kind, (usize, Option<Took>)> = BTreeMap::new();
    for (call, samples) in trace.calls.iter().zip(samples) {
        let took = samples.as_ref().map(|samples| {
            let ms = |of: fn(&Sample) -> Duration| median(samples.iter().map(of).collect()).as_secs_f64() * 1e3;
            let cycles = samples.iter().map(|s| s.cycles).collect::<Option<Vec<_>>>().map(median);
            Took {
                wall_ms: ms(|s| s.wall),
                cpu_ms: ms(|s| s.cpu),
                cycles,
                modelled_ms: cycles
                    .zip(info.clock_hz)
                    .map(|(cycles, hz)| cycles as f64 * 1e3 / hz as f64),
            }
        });
        let (calls, sum) = kinds.entry(Kind::of(&call.work)).or_insert((
            0,
            took.map(|_| Took {
                cycles: Some(0),
                modelled_ms: Some(0.0),
                ..Took::default()
            }),
        ));
        *calls += 1;
        *sum = sum.zip(took).map(|(sum, took)| sum.and(&took));
    }
    kinds
        .into_iter()
        .map(|(kind, (calls, took))| Row {
            backend: info.name,
            kind,
            calls,
            took,
        })
        .collect()
}

impl Took {
    /// Both together; cycles only if both have them.
    #[must_use]
    pub fn and(&self, other: &Took) -> Took {
        Took {
            wall_ms: self.wall_ms + other.wall_ms,
            cpu_ms: self.cpu_ms + other.cpu_ms,
            cycles: self.cycles.zip(other.cycles).map(|(a, b)| a + b),
            modelled_ms: self.modelled_ms.zip(other.modelled_ms).map(|(a, b)| a + b),
        }
    }
}

/// A call with data.
enum Job {
    Msm {
        set: usize,
        items: Vec<(Vec<Fr>, Width)>,
        expected: Vec<crate::G1Projective>,
    },
    Ntt {
        log_n: u32,
        dir: Dir,
        coset: Fr,
        columns: Vec<Vec<Fr>>,
        point: Fr,
    },
}

impl Job {
    fn draw(work: &Work, bases: &[Bases], rng: &mut ChaCha8Rng) -> Self {
        match work {
            Work::Msm { bases: set, items } => {
                let items: Vec<_> = items.iter().map(|item| (draw(item, rng), item.width)).collect();
                let expected = items.iter().map(|(values, _)| bases[*set].msm(values)).collect();
                Job::Msm {
                    set: *set,
                    items,
                    expected,
                }
            }
            Work::Ntt {
                log_n,
                inverse,
                coset,
                columns,
            } => Job::Ntt {
                log_n: *log_n,
                dir: if *inverse { Dir::Inverse } else { Dir::Forward },
                coset: if *coset { field(rng) } else { Fr::ONE },
                columns: (0..*columns).map(|_| fields(1 << log_n, rng)).collect(),
                point: field(rng),
            },
        }
    }
}

/// Scalars with as many zeros and different values as recorded, in random order.
fn draw(item: &Item, rng: &mut ChaCha8Rng) -> Vec<Fr> {
    // Drawing until a value is not zero and new would not end for narrow widths; as good for the time it takes: few repeat.
    let pool = scalars(item.distinct, item.width, rng);
    let mut values: Vec<Fr> = (0..item.nonzero).map(|i| pool[i % pool.len()]).collect();
    values.resize(item.len, Fr::ZERO);
    for i in (1..values.len()).rev() {
        values.swap(i, (rng.next_u64() % (i as u64 + 1)) as usize);
    }
    values
}

/// A backend's resident bases and domains; `None` where it cannot hold them.
struct Prepared {
    sets: Vec<Option<Box<dyn Msm>>>,
    domains: BTreeMap<u32, Option<Box<dyn Ntt>>>,
    name: &'static str,
}

/// `None` where the backend says that it does not do such a thing.
fn supported<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::Unsupported { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

impl Prepared {
    fn new(backend: &dyn Backend, trace: &Trace, bases: &[Bases]) -> Result<Self> {
        let sets = bases
            .iter()
            .map(|set| supported(backend.prepare_msm(&set.points)))
            .collect::<Result<_>>()?;
        let mut domains = BTreeMap::new();
        for call in &trace.calls {
            if let Work::Ntt { log_n, .. } = call.work
                && !domains.contains_key(&log_n)
            {
                domains.insert(log_n, supported(backend.prepare_ntt(log_n))?);
            }
        }
        Ok(Self {
            sets,
            domains,
            name: backend.info().name,
        })
    }

    /// Runs the call and says whether its result is right.
    fn run(&self, job: &Job) -> Result<(Sample, bool)> {
        let unsupported = || Error::Unsupported {
            backend: self.name,
            reason: "it was not prepared for this call".into(),
        };
        match job {
            Job::Msm { set, items, expected } => {
                let msm = self.sets[*set].as_ref().ok_or_else(unsupported)?;
                let batch: Vec<Scalars<'_>> = items
                    .iter()
                    .map(|(values, width)| Scalars { values, width: *width })
                    .collect();
                let start = ProcessTime::now();
                let run = msm.run(&batch)?;
                let sample = Sample {
                    wall: run.wall,
                    cpu: start.elapsed(),
                    cycles: run.cycles,
                };
                Ok((sample, run.out == *expected))
            }
            Job::Ntt {
                log_n,
                dir,
                coset,
                columns,
                point,
            } => {
                let ntt = self
                    .domains
                    .get(log_n)
                    .and_then(Option::as_ref)
                    .ok_or_else(unsupported)?;
                let mut out = columns.clone();
                let start = ProcessTime::now();
                let run = ntt.run(*dir, *coset, &mut out)?;
                let sample = Sample {
                    wall: run.wall,
                    cpu: start.elapsed(),
                    cycles: run.cycles,
                };
                let weights = barycentric(*log_n, *coset, *point);
                let from_values = |values: &Vec<Fr>| values.iter().zip(&weights).map(|(v, w)| *v * w).sum::<Fr>();
                let right = columns.iter().zip(&out).all(|(before, after)| match dir {
                    Dir::Forward => evaluate(before, *point) == from_values(after),
                    Dir::Inverse => evaluate(after, *point) == from_values(before),
                });
                Ok((sample, right))
            }
        }
    }
}

#[cfg(test)]
mod tests;
