//! What a proof should cost: operation counts from the constraint system, unit costs measured on the machine and backend at
//! hand (docs/protocol.md, "Cost").

use std::time::Instant;

use cpu_time::ProcessTime;
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use serde::Serialize;
use tapeout_driver::{Backend, Dir, Fr, Result, Scalars, Width};

use super::{
    at::combined,
    cs::ConstraintSystem,
    eval::Compiled,
    expr::Scalars as Known,
    kernels::{Bases, MAX_BLINDS},
};
use crate::field::{powers, random, signed};

/// Calls per measurement: enough to fill a batch, few enough to be quick.
const BATCH: usize = 4;

/// Repetitions, of which the median counts.
const REPEATS: usize = 3;

/// One term of the formula.
#[derive(Clone, Debug, Serialize)]
pub struct CostTerm {
    /// What is counted.
    pub name: &'static str,
    /// How many.
    pub count: usize,
    /// CPU time of one, seconds, as measured.
    pub unit_s: f64,
}

/// What a proof should take.
#[derive(Clone, Debug, Serialize)]
pub struct Prediction {
    /// The formula's terms.
    pub terms: Vec<CostTerm>,
    /// Their sum: CPU time, seconds.
    pub cpu_s: f64,
}

/// Measures the unit costs on `backend` and predicts what one proof for `cs` over `bases` takes.
///
/// # Errors
/// Those of the backend.
pub fn predict(cs: &ConstraintSystem, bases: &Bases, backend: &dyn Backend) -> Result<Prediction> {
    let n = bases.lagrange.len();
    let rng = &mut ChaCha20Rng::seed_from_u64(0);
    let columns: Vec<Vec<Fr>> = (0..BATCH).map(|_| (0..n).map(|_| random(rng)).collect()).collect();
    let limbs: Vec<Fr> = (0..n).map(|i| signed((i * 7919 % n) as i64)).collect();

    let msm = backend.prepare_msm(&bases.lagrange)?;
    let full: Vec<_> = columns
        .iter()
        .map(|c| Scalars {
            values: c,
            width: Width::Full,
        })
        .collect();
    let narrow = vec![
        Scalars {
            values: &limbs,
            width: Width::Bits(n.trailing_zeros() as u8)
        };
        BATCH
    ];
    let few = backend.prepare_msm(&bases.monomial[..MAX_BLINDS])?;
    let blinds: Vec<_> = columns
        .iter()
        .map(|c| Scalars {
            values: &c[..MAX_BLINDS],
            width: Width::Full,
        })
        .collect();
    let ntt = backend.prepare_ntt(n.trailing_zeros())?;
    let mut transformed = columns.clone();

    let msm_full = median(|| msm.run(&full).map(drop))? / BATCH as f64;
    let msm_narrow = median(|| msm.run(&narrow).map(drop))? / BATCH as f64;
    let msm_blinds = median(|| few.run(&blinds).map(drop))? / BATCH as f64;
    let transform = median(|| ntt.run(Dir::Forward, Fr::from(5u64), &mut transformed).map(drop))? / BATCH as f64;
    let product = median(|| {
        std::hint::black_box(powers(columns[0][0], n));
        Ok(())
    })? / n as f64;
    let inverse = median(|| {
        tapeout_driver::kernels::invert(&mut columns[1].clone());
        Ok(())
    })? / n as f64;

    let (advice, fixed, helpers) = (cs.advice.len(), cs.fixed.len(), cs.columns.helpers.len());
    let narrow_columns = cs.narrow();
    let gates = Compiled::new([&combined(cs, Fr::from(3u64))], &Known::default()).operations();
    let blinded = cs.advice.iter().filter(|c| c.blinds > 0).count();
    let evaluated = advice + cs.rotated().count() + fixed + 1;
    let term = |name, count, unit_s| CostTerm { name, count, unit_s };
    let terms = vec![
        term("narrow MSM of n", narrow_columns, msm_narrow),
        term("full MSM of n", advice - narrow_columns + 4, msm_full),
        term("MSM of blinding coefficients", blinded, msm_blinds),
        term("NTT of n", 3 * (advice + fixed) + 2, transform),
        // A gate's operation on both cosets; evaluation and opening walk over every polynomial three times.
        term("field operation", n * (2 * gates + 3 * evaluated), product),
        term("inversion in a batch", n * (helpers + 3), inverse),
    ];
    let cpu_s = terms.iter().map(|t| t.count as f64 * t.unit_s).sum();
    Ok(Prediction { terms, cpu_s })
}

/// The median CPU time of `work`, seconds. Where the clock of CPU time is too coarse, wall time stands in.
fn median(mut work: impl FnMut() -> Result<()>) -> Result<f64> {
    let mut times = Vec::with_capacity(REPEATS);
    for _ in 0..REPEATS {
        let (wall, cpu) = (Instant::now(), ProcessTime::now());
        work()?;
        let (wall, cpu) = (wall.elapsed().as_secs_f64(), cpu.elapsed().as_secs_f64());
        times.push(if cpu > 0.0 { cpu } else { wall });
    }
    times.sort_by(f64::total_cmp);
    Ok(times[REPEATS / 2])
}
