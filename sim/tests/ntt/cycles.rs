//! Cycles: those of the model, and what the engine promises.

use ark_bn254::Fr;
use ark_ff::UniformRand;
use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use tapeout_hw::ntt::{Batch, CONFIG, Config};
use tapeout_sim::available;

use super::engine::{BLOCKED, Engine, GAP, HOST, STEP, TABLE, WORDS_IN, WORDS_OUT, batch, random_columns};

/// Cycles from a batch's first word in to its last one out, and the counts of events.
fn measure(mut engine: Engine, log_n: u32, inverse: bool, columns: usize) -> (u64, [u64; 8]) {
    let mut rng = StdRng::seed_from_u64(5);
    let batch = batch(log_n, inverse, columns);
    engine.send(
        &batch,
        Fr::rand(&mut rng),
        &random_columns(1 << log_n, columns, &mut rng),
    );
    let start = engine.model.cycles();
    while engine.received.len() < columns << log_n {
        engine.step();
    }
    (engine.times[engine.times.len() - 1] + 1 - start, engine.events)
}

/// Cycles and counts are those of the model, to the cycle.
#[test]
fn cycles_are_those_of_the_model() {
    if !available() {
        return;
    }
    for (log_n, columns) in [
        (4, 1),
        (4, 5),
        (5, 3),
        (7, 1),
        (7, 4),
        (8, 3),
        (9, 6),
        (10, 4),
        (12, 1),
        (13, 2),
    ] {
        for inverse in [false, true] {
            let (cycles, events) = measure(Engine::fast([0, 0]), log_n, inverse, columns);
            let count = columns as u64;
            assert_eq!(
                cycles,
                CONFIG.batch_cycles(log_n, columns as u32),
                "2^{log_n}, {columns}"
            );
            assert_eq!(events[STEP] << CONFIG.log_lanes, count * CONFIG.butterflies(log_n));
            assert_eq!(events[GAP], count * u64::from(log_n - 1) * CONFIG.gap(log_n));
            // before the first step and after the last one
            assert!(
                events[HOST] >= 2 * (1 << log_n) / 3 && events.iter().skip(STEP).take(BLOCKED).sum::<u64>() <= cycles
            );
            assert_eq!(
                (events[WORDS_IN], events[WORDS_OUT]),
                (1 + u64::from(log_n) + (count << log_n), count << log_n)
            );
            assert_eq!(
                events[TABLE],
                u64::from(log_n) + (1 << (log_n - CONFIG.log_lanes)) - (1 + u64::from(log_n - CONFIG.log_lanes))
            );
        }
    }
}

/// What the engine promises of columns of 2^12: butterflies over (multipliers x cycles) of 32 of them, the first
/// one's words in and the last one's out included; no cycle between columns; and of one column alone, the cycles over
/// the words in, the butterflies and the words out.
#[test]
fn butterflies_are_busy() {
    if !available() {
        return;
    }
    let (cycles, events) = measure(Engine::fast([0, 0]), 12, false, 32);
    let lanes = 1 << CONFIG.log_lanes;
    let utilisation = (32 * CONFIG.butterflies(12)) as f64 / (lanes * cycles) as f64;
    assert!(utilisation >= 0.95, "{utilisation}");
    assert_eq!((events[GAP], events[BLOCKED]), (0, 0));
    let (alone, _) = measure(Engine::fast([0, 0]), 12, false, 1);
    // the other columns take their butterflies' cycles and no others
    assert_eq!(cycles - alone, 31 * CONFIG.butterflies(12) / lanes);
    let phases = (2 << 12) + CONFIG.butterflies(12) / lanes;
    assert!(alone as f64 <= 1.15 * phases as f64);
    // so it would be even if the first stage were hidden under the words in, and the last one under the words out
    assert!(alone as f64 <= 1.15 * (phases - 2 * CONFIG.steps(12)) as f64);
}

/// Sequences of batches, tables made anew and kept, from hosts of several paces: to the cycle.
#[test]
fn cycles_of_sequences_are_those_of_the_model() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(11);
    for interval in [1, 1, 2, 3] {
        let mut engine = Engine::fast([0, 0]);
        engine.interval = interval;
        let mut batches: Vec<Batch> = Vec::new();
        for i in 0..10 {
            let columns = rng.gen_range(1..=4);
            let next = match batches.last() {
                Some(last) if i > 0 && rng.r#gen() => Batch {
                    table: false,
                    columns,
                    ..*last
                },
                _ => batch(rng.gen_range(4..=9), rng.r#gen(), columns as usize),
            };
            batches.push(next);
        }
        for batch in &batches {
            let columns = random_columns(1 << batch.log_n, batch.columns as usize, &mut rng);
            engine.send(batch, Fr::rand(&mut rng), &columns);
        }
        let (start, total) = (
            engine.model.cycles(),
            batches.iter().map(|b| u64::from(b.columns) << b.log_n).sum(),
        );
        while (engine.received.len() as u64) < total {
            engine.step();
        }
        let cycles = engine.model.cycles() - start;
        // a slow stream takes longer to take a column than the engine to make one
        assert!(interval < 3 || engine.events[BLOCKED] > cycles / 10);
        assert_eq!(
            cycles,
            CONFIG.sequence_cycles(&batches, interval),
            "{interval}: {batches:?}"
        );
    }
}

/// Engines of two and of eight butterflies: the figures that the engine's README compares.
#[test]
fn cycles_of_other_shapes_are_those_of_the_model() {
    if !available() {
        return;
    }
    for (log_lanes, name) in [(1, "ntt_engine_two_lanes"), (3, "ntt_engine_eight_lanes")] {
        let config = Config {
            log_lanes,
            max_log_n: 12,
        };
        for (log_n, columns) in [(5, 3), (8, 2), (12, 1), (12, 6)] {
            let (cycles, _) = measure(Engine::new(name, config, [0, 0]), log_n, columns == 1, columns);
            assert_eq!(
                cycles,
                config.batch_cycles(log_n, columns as u32),
                "{name}, 2^{log_n}, {columns}"
            );
        }
    }
}
