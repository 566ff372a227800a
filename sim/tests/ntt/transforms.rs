//! Transforms against arkworks: every length, direction and order, cosets, batches, stalls, other shapes of the engine.

use ark_bn254::Fr;
use ark_ff::{Field as _, UniformRand};
use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use tapeout_hw::ntt::{Batch, Config};
use tapeout_sim::available;

use super::engine::{Engine, batch, check, edge_columns, expected, random_columns};

/// Every length from 2^4 to 2^14, both directions, with and without a coset, edge columns; one engine after another
/// batch's leavings.
#[test]
fn transforms_of_every_length_are_right() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(2);
    let mut engine = Engine::fast([0, 0]);
    for log_n in 4..=14 {
        for inverse in [false, true] {
            let columns = edge_columns(1 << log_n, &mut rng);
            check(&mut engine, batch(log_n, inverse, columns.len()), Fr::ONE, &columns);
            let few = if log_n <= 9 { &columns[..] } else { &columns[4..] };
            check(&mut engine, batch(log_n, inverse, few.len()), Fr::rand(&mut rng), few);
        }
    }
}

/// An engine that is built for the longest columns that there are constants for.
#[test]
fn columns_up_to_the_largest_build_are_right() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(7);
    let largest = Config {
        log_lanes: 2,
        max_log_n: 18,
    };
    let mut engine = Engine::new("ntt_engine_largest", largest, [0, 0]);
    for (log_n, inverse) in [(16, false), (17, true), (18, false), (18, true), (4, false)] {
        let columns = random_columns(1 << log_n, 1, &mut rng);
        check(&mut engine, batch(log_n, inverse, 1), Fr::rand(&mut rng), &columns);
    }
}

/// Every length and direction again, two columns each, with random stalls on both streams.
#[test]
fn transforms_of_every_length_are_right_under_stalls() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(8);
    let mut engine = Engine::fast([90, 90]);
    for log_n in 4..=14 {
        for inverse in [false, true] {
            let columns = random_columns(1 << log_n, 2, &mut rng);
            check(&mut engine, batch(log_n, inverse, 2), Fr::rand(&mut rng), &columns);
        }
    }
}

/// Batches of each number of columns from 1 to 32, one behind the other.
#[test]
fn batches_of_every_size_are_right() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(9);
    let mut engine = Engine::fast([30, 60]);
    let sent: Vec<_> = (1..=32)
        .map(|count| {
            let (log_n, inverse) = (4 + count % 3, rng.r#gen());
            let columns = random_columns(1 << log_n, count as usize, &mut rng);
            (batch(log_n, inverse, count as usize), Fr::rand(&mut rng), columns)
        })
        .collect();
    run(&mut engine, &sent);
}

/// Streams batches in without waiting for what they give, and compares that.
fn run(engine: &mut Engine, sent: &[(Batch, Fr, Vec<Vec<Fr>>)]) {
    for (batch, coset, columns) in sent {
        engine.send(batch, *coset, columns);
    }
    for (batch, coset, columns) in sent {
        let total = columns.len() << batch.log_n;
        while engine.received.len() < total {
            engine.step();
        }
        let rest = engine.received.split_off(total);
        let got = engine.receive(columns.len(), 1 << batch.log_n);
        engine.received = rest;
        assert!(got == expected(batch, *coset, columns), "{batch:?}");
    }
}

/// Random sequences of batches: orders, kept tables, random stalls on both streams, other numbers of butterflies, every gate.
#[test]
fn sequences_of_batches_are_right_under_stalls() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(4);
    let lanes = |log_lanes| Config {
        log_lanes,
        max_log_n: 12,
    };
    let engines = [
        (Engine::fast([100, 100]), 24),
        (Engine::fast([0, 220]), 12),
        (Engine::fast([220, 0]), 12),
        (Engine::new("ntt_engine_two_lanes", lanes(1), [60, 60]), 24),
        (Engine::new("ntt_engine_eight_lanes", lanes(3), [60, 60]), 24),
        (Engine::exact([40, 40]), 4),
    ];
    for (mut engine, rounds) in engines {
        let (mut sent, mut known) = (Vec::new(), None);
        for round in 0..rounds {
            let keep = known.filter(|_| rng.r#gen());
            let log_n = keep.map_or_else(
                || rng.gen_range(engine.config.min_log_n()..=8),
                |(log_n, ..): (u32, bool, Fr)| log_n,
            );
            let inverse = keep.map_or_else(|| rng.r#gen(), |(_, inverse, _)| inverse);
            let coset = keep.map_or_else(|| Fr::rand(&mut rng), |(.., coset)| coset);
            known = Some((log_n, inverse, coset));
            let count = if round == 0 { 32 } else { rng.gen_range(1..=8) };
            let columns = random_columns(1 << log_n, count, &mut rng);
            let batch = Batch {
                input_reversed: rng.r#gen(),
                output_reversed: rng.r#gen(),
                table: keep.is_none(),
                ..batch(log_n, inverse, count)
            };
            sent.push((batch, coset, columns));
        }
        run(&mut engine, &sent);
    }
}
