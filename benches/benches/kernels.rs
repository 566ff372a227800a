//! MSM and NTT on every backend that can run here, but the reference, and what a proof computes besides with `driver::kernels`
//! beside arkworks' arithmetic. Set `TAPEOUT_BENCH_LOG_SIZES` (such as `10,12,16`)
//! for other sizes than 2^10 and 2^12.
#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../peers/libraries/src/work.rs"]
mod work;

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use tapeout_driver::backend::{self, Availability};
use tapeout_driver::sample::{Bases, fields, scalars};
use tapeout_driver::{Backend, Dir, Fr, Scalars, Width};

/// Columns, or MSMs over the same bases, in one run: what a prover has at once.
const BATCH: usize = 8;

fn log_sizes() -> Vec<u32> {
    let sizes = std::env::var("TAPEOUT_BENCH_LOG_SIZES").unwrap_or_else(|_| "10,12".into());
    sizes.split(',').map(|size| size.trim().parse().unwrap()).collect()
}

fn backends() -> Vec<Box<dyn Backend>> {
    // the reference is slow by intent, and the wall time of simulated hardware says nothing
    let timed = |entry: &backend::Entry| !["reference", "rtl"].contains(&entry.name);
    let wanted = |entry: &&backend::Entry| timed(entry) && entry.availability() == Availability::Ready;
    backend::TABLE
        .iter()
        .filter(wanted)
        .map(|entry| entry.open().unwrap())
        .collect()
}

fn msm(c: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    for log_n in log_sizes() {
        let n = 1usize << log_n;
        let bases = Bases::random(n, &mut rng).points;
        for width in [Width::Full, Width::Bits(1), Width::Signed(8), Width::Signed(48)] {
            let items: Vec<Vec<Fr>> = (0..BATCH).map(|_| scalars(n, width, &mut rng)).collect();
            let batch: Vec<Scalars<'_>> = items.iter().map(|values| Scalars { values, width }).collect();
            let mut group = c.benchmark_group(format!("msm/{width}x{BATCH}"));
            group
                .sample_size(10)
                .throughput(Throughput::Elements((n * BATCH) as u64));
            for backend in backends() {
                let prepared = backend.prepare_msm(&bases).unwrap();
                let id = BenchmarkId::new(backend.info().name, log_n);
                group.bench_function(id, |b| b.iter(|| prepared.run(&batch).unwrap()));
            }
        }
    }
}

fn ntt(c: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    for log_n in log_sizes() {
        let n = 1usize << log_n;
        for count in [1, BATCH] {
            let mut columns: Vec<Vec<Fr>> = (0..count).map(|_| fields(n, &mut rng)).collect();
            let mut group = c.benchmark_group(format!("ntt/x{count}"));
            group
                .sample_size(10)
                .throughput(Throughput::Elements((n * count) as u64));
            for backend in backends() {
                let prepared = backend.prepare_ntt(log_n).unwrap();
                for (dir, coset) in [(Dir::Forward, Fr::from(5u64)), (Dir::Inverse, Fr::from(1u64))] {
                    let id = BenchmarkId::new(format!("{}/{dir:?}", backend.info().name), log_n);
                    group.bench_function(id, |b| b.iter(|| prepared.run(dir, coset, &mut columns).unwrap()));
                }
            }
        }
    }
}

fn besides(c: &mut Criterion) {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    for log_n in log_sizes() {
        let n = 1usize << log_n;
        let columns: Vec<Vec<Fr>> = (0..work::COLUMNS).map(|_| fields(n, &mut rng)).collect();
        for operation in work::OPERATIONS {
            let mut group = c.benchmark_group(format!("work/{}", operation.name));
            group.sample_size(10).throughput(Throughput::Elements(n as u64));
            for (by, run) in [("kernels", operation.kernels), ("arkworks", operation.arkworks)] {
                let copy = || columns.clone();
                group.bench_function(BenchmarkId::new(by, log_n), |b| {
                    b.iter_batched_ref(copy, |columns| run(columns), BatchSize::LargeInput);
                });
            }
        }
    }
}

criterion_group!(kernels, msm, ntt, besides);
criterion_main!(kernels);
