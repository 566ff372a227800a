//! Columns longer than the engine's, in two passes over a memory beside it.

use std::collections::VecDeque;

use ark_bn254::Fr;
use ark_ff::{FftField, Field as _, UniformRand};
use ark_std::rand::{SeedableRng, rngs::StdRng};
use tapeout_hw::ntt::CONFIG;
use tapeout_hw::ntt::four_step::{External, Plan};
use tapeout_sim::available;

use super::engine::{Engine, batch, expected, random_columns};

/// Runs the passes, the memory's latency and pace included; the result is the cycles from the first read to the last write.
fn run(engine: &mut Engine, plan: Plan, memory: External, inverse: bool, coset: Fr, column: &mut [Fr]) -> u64 {
    let root = Fr::get_root_of_unity(column.len() as u64).unwrap();
    engine.interval = memory.interval.into();
    let start = engine.model.cycles();
    for pass in plan.passes(inverse) {
        (0..memory.latency).for_each(|_| engine.step());
        let columns = pass.gather(column);
        let mut shift = if pass.one_coset {
            coset.pow([pass.columns as u64])
        } else {
            coset
        };
        let mut waiting: VecDeque<_> = columns.into();
        for batch in pass.batches(inverse) {
            let part: Vec<_> = waiting.drain(..batch.columns as usize).collect();
            engine.send(&batch, shift, &part);
            shift *= root;
        }
        while engine.received.len() < pass.columns << pass.log_n {
            engine.step();
        }
        let values = engine
            .received
            .drain(..)
            .map(|(word, _)| Fr::new_unchecked(ark_ff::BigInt(word)));
        let values: Vec<Fr> = values.collect();
        let results: Vec<_> = values.chunks(1 << pass.log_n).map(<[Fr]>::to_vec).collect();
        pass.scatter(&results, column);
        (0..memory.latency).for_each(|_| engine.step());
    }
    engine.model.cycles() - start
}

/// To 2^16, both directions, on a coset; the cycles are the model's, with memory as fast as the engine, slower, and far away.
#[test]
fn long_columns_are_right_and_take_the_cycles_of_the_model() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(10);
    let slow = External {
        latency: 333,
        interval: 3,
    };
    for (log_n, memory) in [
        (8, External::default()),
        (11, slow),
        (13, External::default()),
        (16, External::default()),
    ] {
        let plan = Plan::new(&CONFIG, log_n).unwrap();
        for inverse in [false, true] {
            let mut engine = Engine::fast([0, 0]);
            let coset = Fr::rand(&mut rng);
            let mut columns = random_columns(1 << log_n, 1, &mut rng);
            let wanted = expected(&batch(log_n, inverse, 1), coset, &columns);
            let cycles = run(&mut engine, plan, memory, inverse, coset, &mut columns[0]);
            assert!(columns == wanted, "{plan:?}, inverse: {inverse}");
            assert_eq!(cycles, plan.cycles(&CONFIG, memory), "{plan:?}, inverse: {inverse}");
        }
    }
}
