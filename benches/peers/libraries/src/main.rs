//! Times Tapeout's CPU kernels beside arkworks' and halo2curves' (what a proof does besides MSMs and transforms beside arkworks'), in one run: repetitions are interleaved, every result
//! is compared with the others', and medians of wall time and of processor time are printed, and the least processor time.
//! On a busy machine the least says more: what other programs take of caches and clock only ever adds.
//!
//! Each library gets bases, domains and scalars in its own form beforehand; halo2curves, which has no prepared domains,
//! computes its twiddles in the timed part. Transforms are forward ones on the domain itself. Scalars of known width go to
//! arkworks' calls for integers too (the row `ark-typed`): sorted by sign and turned into integers beforehand, untimed.

mod work;

use std::ops::RangeInclusive;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ark_ec::VariableBaseMSM;
use ark_ff::{BigInteger, FftField, Field, PrimeField};
use clap::{Parser, ValueEnum};
use cpu_time::ProcessTime;
use halo2curves::bn256;
use halo2curves::ff::PrimeField as _;
use halo2curves::group::Curve as _;
use halo2curves::{Coordinates, CurveAffine, fft::best_fft, msm::msm_best};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use serde_json::json;
use tapeout_driver::backend::{self, Multiples};
use tapeout_driver::sample::{Bases, fields, root, scalars};
use tapeout_driver::{Dir, Fr, G1Affine, G1Projective, Scalars, Width};

/// Times Tapeout's CPU kernels beside arkworks' and halo2curves'.
#[derive(Parser)]
struct Options {
    /// What to time.
    kernel: Kernel,
    /// Base-2 logarithms of the sizes, such as 12..16 (both ends included).
    #[arg(long, default_value = "10..16", value_parser = range)]
    sizes: RangeInclusive<u32>,
    /// The scalars' width: full, u1 to u64, or i1 to i64.
    #[arg(long, default_value = "full")]
    scalars: Width,
    /// One of the operations besides; all where none is named.
    #[arg(long)]
    operation: Option<String>,
    /// MSMs over the same bases, or columns, in a run.
    #[arg(long, default_value_t = 1)]
    batch: usize,
    /// Runs of which the median is taken; one more goes before.
    #[arg(long, default_value_t = 5)]
    repetitions: usize,
    /// Threads of every library.
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// One JSON object a row, instead of a table.
    #[arg(long)]
    json: bool,
    /// The rows to measure, the first of which the others are compared with; all where none is named.
    #[arg(long, value_delimiter = ',')]
    libraries: Vec<String>,
}

impl Options {
    fn wants(&self, library: &str) -> bool {
        self.libraries.is_empty() || self.libraries.iter().any(|name| name == library)
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Kernel {
    /// Multi-scalar multiplication.
    Msm,
    /// Number-theoretic transforms.
    Ntt,
    /// Powers, evaluations, inversions, products, combinations and expressions over columns.
    Work,
}

fn range(text: &str) -> Result<RangeInclusive<u32>> {
    let (low, high) = text
        .split_once("..")
        .context("expected two numbers and two dots, such as 12..16")?;
    let (low, high) = (low.parse()?, high.parse()?);
    ensure!(low <= high && high <= 28, "expected sizes in order and of at most 2^28");
    Ok(low..=high)
}

/// Tapeout's backends that take part, by name.
const BACKENDS: [&str; 3] = ["cpu", "portable", "arkworks"];

/// The row of the backend `cpu` with multiples of the bases, made beforehand: where it is asked for by name.
const MULTIPLES: &str = "cpu-multiples";

/// What those multiples may take.
const MULTIPLES_BYTES: usize = 4 << 30;

/// One library: computes on its own copy of the round's data, and returns the results and the times it took.
type Runner<'a, T> = Box<dyn FnMut(&[Vec<Fr>]) -> Result<(T, Duration, Duration)> + 'a>;

fn main() -> Result<()> {
    let options = Options::parse();
    // A core for each: left alone, two threads may share one for longer than a run takes.
    let cores = core_affinity::get_core_ids().unwrap_or_default();
    rayon::ThreadPoolBuilder::new()
        .num_threads(options.threads)
        .start_handler(move |thread| {
            if let Some(core) = cores.get(thread) {
                core_affinity::set_for_current(*core);
            }
        })
        .build_global()?;
    if !options.json {
        println!(
            "{:13} {:>5} {:>20} {:>6} {:>12} {:>12} {:>8} {:>12} {:>8}",
            "library", "log n", "what", "batch", "wall ms", "cpu ms", "cpu : 1", "least cpu ms", "least : 1"
        );
    }
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for log_n in options.sizes.clone() {
        match options.kernel {
            Kernel::Msm => msm(&options, log_n, &mut rng)?,
            Kernel::Ntt => ntt(&options, log_n, &mut rng)?,
            Kernel::Work => others(&options, log_n, &mut rng)?,
        }
    }
    Ok(())
}

/// How long all threads are busy before the clock starts. A thread that has slept takes up to milliseconds to come back on some
/// virtual machines, which in a proof it does once and here would do in each run.
const AWAKE: Duration = Duration::from_micros(200);

/// Times `work` on a thread of the pool, as the prover calls its kernels.
fn timed<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<(T, Duration, Duration)> {
    rayon::scope(|_| {
        if rayon::current_num_threads() > 1 {
            let start = Instant::now();
            rayon::broadcast(|_| while start.elapsed() < AWAKE {});
        }
        let (wall, cpu) = (Instant::now(), ProcessTime::now());
        let out = work()?;
        Ok((out, wall.elapsed(), cpu.elapsed()))
    })
}

fn msm(options: &Options, log_n: u32, rng: &mut ChaCha8Rng) -> Result<()> {
    let (n, width) = (1usize << log_n, options.scalars);
    let bases = Bases::random(n, rng).points;
    let theirs = bases.iter().map(point).collect::<Result<Vec<_>>>()?;
    let mut runners: Vec<(&str, Runner<'_, Vec<G1Affine>>)> = Vec::new();
    let multiples = options
        .libraries
        .iter()
        .any(|name| name == MULTIPLES)
        .then_some(MULTIPLES);
    for name in BACKENDS.into_iter().chain(multiples).filter(|name| options.wants(name)) {
        let backend = if name == MULTIPLES {
            backend::cpu(Multiples {
                bytes: MULTIPLES_BYTES,
                at_once: true,
            })
        } else {
            backend::open(name)?
        };
        let prepared = backend.prepare_msm(&bases)?;
        let run = move |items: &[Vec<Fr>]| {
            let batch: Vec<Scalars<'_>> = items.iter().map(|values| Scalars { values, width }).collect();
            let (run, wall, cpu) = timed(|| Ok(prepared.run(&batch)?))?;
            Ok((run.out.into_iter().map(Into::into).collect(), wall, cpu))
        };
        runners.push((name, Box::new(run)));
    }
    if width.range().is_some() && options.wants("ark-typed") {
        let bases = &bases;
        let run = move |items: &[Vec<Fr>]| {
            let items = items
                .iter()
                .map(|values| Typed::new(bases, Scalars { values, width }))
                .collect::<Result<Vec<_>>>()?;
            let (sums, wall, cpu) = timed(|| Ok(items.iter().map(Typed::run).collect::<Vec<_>>()))?;
            Ok((sums.into_iter().map(Into::into).collect(), wall, cpu))
        };
        runners.push(("ark-typed", Box::new(run)));
    }
    let run = |items: &[Vec<Fr>]| {
        let items = items.iter().map(|item| elements(item)).collect::<Result<Vec<_>>>()?;
        let (sums, wall, cpu) = timed(|| Ok(items.iter().map(|item| msm_best(item, &theirs)).collect::<Vec<_>>()))?;
        Ok((sums.into_iter().map(back).collect::<Result<_>>()?, wall, cpu))
    };
    if options.wants("halo2curves") {
        runners.push(("halo2curves", Box::new(run)));
    }
    compare(options, &width.to_string(), log_n, runners, || {
        (0..options.batch).map(|_| scalars(n, width, rng)).collect()
    })
}

/// An MSM as arkworks' calls for integers take it: positive scalars and negative ones apart.
struct Typed {
    bits: u8,
    /// The bases and the magnitudes of each side.
    sides: [(Vec<G1Affine>, Vec<u64>); 2],
}

impl Typed {
    fn new(bases: &[G1Affine], scalars: Scalars<'_>) -> Result<Typed> {
        let integers = scalars.integers(0)?.context("scalars of any size have no type")?;
        let side = |negative: bool| {
            let chosen = bases
                .iter()
                .zip(&integers)
                .filter(|(_, v)| **v != 0 && (**v < 0) == negative);
            chosen.map(|(base, v)| (*base, v.unsigned_abs() as u64)).unzip()
        };
        let sides: [(Vec<G1Affine>, Vec<u64>); 2] = [side(false), side(true)];
        let largest = sides.iter().flat_map(|(_, magnitudes)| magnitudes).max();
        let bits = (64 - largest.copied().unwrap_or(0).leading_zeros()) as u8;
        Ok(Typed { bits, sides })
    }

    fn run(&self) -> G1Projective {
        let [positive, negative] = &self.sides;
        self.side(positive) - self.side(negative)
    }

    fn side(&self, (bases, magnitudes): &(Vec<G1Affine>, Vec<u64>)) -> G1Projective {
        match self.bits {
            0..=1 => G1Projective::msm_u1(bases, &magnitudes.iter().map(|&v| v == 1).collect::<Vec<_>>()),
            2..=8 => G1Projective::msm_u8(bases, &magnitudes.iter().map(|&v| v as u8).collect::<Vec<_>>()),
            9..=16 => G1Projective::msm_u16(bases, &magnitudes.iter().map(|&v| v as u16).collect::<Vec<_>>()),
            17..=32 => G1Projective::msm_u32(bases, &magnitudes.iter().map(|&v| v as u32).collect::<Vec<_>>()),
            _ => G1Projective::msm_u64(bases, magnitudes),
        }
    }
}

fn ntt(options: &Options, log_n: u32, rng: &mut ChaCha8Rng) -> Result<()> {
    let n = 1usize << log_n;
    let mut runners: Vec<(&str, Runner<'_, Vec<Vec<Fr>>>)> = Vec::new();
    for name in BACKENDS.into_iter().filter(|name| options.wants(name)) {
        let prepared = backend::open(name)?.prepare_ntt(log_n)?;
        let run = move |columns: &[Vec<Fr>]| {
            let mut columns = columns.to_vec();
            let ((), wall, cpu) = timed(|| {
                prepared.run(Dir::Forward, Fr::ONE, &mut columns)?;
                Ok(())
            })?;
            Ok((columns, wall, cpu))
        };
        runners.push((name, Box::new(run)));
    }
    let omega = element(&root(log_n))?;
    let run = move |columns: &[Vec<Fr>]| {
        let mut columns = columns
            .iter()
            .map(|column| elements(column))
            .collect::<Result<Vec<_>>>()?;
        let ((), wall, cpu) = timed(|| {
            columns.iter_mut().for_each(|column| best_fft(column, omega, log_n));
            Ok(())
        })?;
        let ours = |x: &bn256::Fr| Fr::from_le_bytes_mod_order(x.to_repr().as_ref());
        Ok((
            columns.iter().map(|column| column.iter().map(ours).collect()).collect(),
            wall,
            cpu,
        ))
    };
    ensure!(log_n <= Fr::TWO_ADICITY, "no domain of size 2^{log_n}");
    if options.wants("halo2curves") {
        runners.push(("halo2curves", Box::new(run)));
    }
    compare(options, "-", log_n, runners, || {
        (0..options.batch).map(|_| fields(n, rng)).collect()
    })
}

/// Times the operations besides MSMs and transforms.
fn others(options: &Options, log_n: u32, rng: &mut ChaCha8Rng) -> Result<()> {
    let n = 1usize << log_n;
    let wanted = |name: &str| options.operation.as_ref().is_none_or(|operation| operation == name);
    let chosen: Vec<_> = work::OPERATIONS
        .iter()
        .filter(|operation| wanted(operation.name))
        .collect();
    if chosen.is_empty() {
        let names = work::OPERATIONS.map(|operation| operation.name).join(", ");
        bail!("expected an operation of {names}");
    }
    for operation in chosen {
        let runner = |work: work::Work| -> Runner<'_, Vec<Fr>> {
            Box::new(move |columns: &[Vec<Fr>]| {
                let mut columns = columns.to_vec();
                let ((), wall, cpu) = timed(|| {
                    work(&mut columns);
                    Ok(())
                })?;
                Ok((columns.swap_remove(0), wall, cpu))
            })
        };
        let runners = [("kernels", operation.kernels), ("arkworks", operation.arkworks)];
        let runners = runners.into_iter().filter(|(name, _)| options.wants(name));
        let runners = runners.map(|(name, work)| (name, runner(work))).collect();
        compare(options, operation.name, log_n, runners, || {
            (0..work::COLUMNS).map(|_| fields(n, rng)).collect()
        })?;
    }
    Ok(())
}

/// Runs all on the same fresh data, round by round, and prints a row for each.
fn compare<T: PartialEq>(
    options: &Options,
    what: &str,
    log_n: u32,
    mut runners: Vec<(&str, Runner<'_, T>)>,
    mut data: impl FnMut() -> Vec<Vec<Fr>>,
) -> Result<()> {
    let mut times = vec![(Vec::new(), Vec::new()); runners.len()];
    for round in 0..=options.repetitions {
        let data = data();
        let mut first = None;
        for ((name, run), (walls, cpus)) in runners.iter_mut().zip(&mut times) {
            let (out, wall, cpu) = run(&data)?;
            match &first {
                Some(first) if *first != out => bail!("{name} disagrees at 2^{log_n}"),
                Some(_) => {}
                None => first = Some(out),
            }
            if round > 0 {
                walls.push(wall);
                cpus.push(cpu);
            }
        }
    }
    let mut base = None;
    for ((name, _), (walls, cpus)) in runners.iter().zip(times) {
        let least_wall = milliseconds(walls.iter().min().copied());
        let least = milliseconds(cpus.iter().min().copied());
        let each: Vec<f64> = cpus.iter().map(|cpu| milliseconds(Some(*cpu))).collect();
        let (wall, cpu) = (median(walls), median(cpus));
        let (first, first_least) = *base.get_or_insert((cpu, least));
        if options.json {
            let row = json!({
                "library": name, "log_n": log_n, "what": what, "batch": options.batch, "threads": options.threads,
                "runs": options.repetitions, "wall_ms": wall, "least_wall_ms": least_wall, "cpu_ms": cpu, "least_cpu_ms": least,
                "cpu_ms_each": each,
            });
            println!("{row}");
            continue;
        }
        println!(
            "{name:13} {log_n:>5} {what:>20} {:>6} {wall:>12.3} {cpu:>12.3} {:>8.2} {least:>12.3} {:>8.2}",
            options.batch,
            cpu / first,
            least / first_least
        );
    }
    Ok(())
}

/// The median in milliseconds.
fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    milliseconds(times.get(times.len() / 2).copied())
}

fn milliseconds(time: Option<Duration>) -> f64 {
    time.map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

fn element(x: &Fr) -> Result<bn256::Fr> {
    convert(&x.into_bigint().to_bytes_le(), bn256::Fr::from_repr_vartime)
}

fn elements(values: &[Fr]) -> Result<Vec<bn256::Fr>> {
    values.iter().map(element).collect()
}

/// A point in halo2curves' form.
fn point(point: &G1Affine) -> Result<bn256::G1Affine> {
    let [x, y] = [point.x, point.y].map(|x| convert(&x.into_bigint().to_bytes_le(), bn256::Fq::from_repr_vartime));
    Option::from(bn256::G1Affine::from_xy(x?, y?)).context("a base that is not on the curve")
}

/// A point in arkworks' form.
fn back(point: bn256::G1) -> Result<G1Affine> {
    let coordinates: Option<Coordinates<bn256::G1Affine>> = Option::from(point.to_affine().coordinates());
    let Some(coordinates) = coordinates else {
        return Ok(G1Affine::identity());
    };
    let ours = |x: &bn256::Fq| PrimeField::from_le_bytes_mod_order(x.to_repr().as_ref());
    Ok(G1Affine::new_unchecked(ours(coordinates.x()), ours(coordinates.y())))
}

/// A field element from its 32 bytes, lowest first.
fn convert<T, R: Default + AsMut<[u8]>>(bytes: &[u8], from: impl FnOnce(R) -> Option<T>) -> Result<T> {
    let mut repr = R::default();
    repr.as_mut().copy_from_slice(bytes);
    from(repr).context("a field element that is not reduced")
}
