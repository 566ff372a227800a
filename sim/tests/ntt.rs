//! The NTT engine and its butterfly, each alone: against the models of `hw` and against arkworks, under stalls, and in cycles.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field as _, UniformRand};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use num_bigint::BigUint;
use tapeout_hw::field::{Field, from_limbs};
use tapeout_hw::ntt::{self, Batch, CONFIG, Config, bit_reversed};
use tapeout_hw::regs::Fault;
use tapeout_sim::{Model, Port, WORD, available};

fn limbs(n: &BigUint) -> [u64; WORD] {
    std::array::from_fn(|i| n.iter_u64_digits().nth(i).unwrap_or(0))
}

/// The butterfly and its stand-in, forward and inverse, at the ends of the operands' range and within.
#[test]
fn butterflies_equal_the_model() {
    if !available() {
        return;
    }
    let field = Field::fr();
    let (p, max) = (field.modulus().clone(), field.reduced_bound() - BigUint::from(1u8));
    let edges = [
        BigUint::ZERO,
        BigUint::from(1u8),
        &p - 1u8,
        p.clone(),
        &p + 1u8,
        max.clone(),
    ];
    for model in ["ntt_butterfly", "ntt_butterfly_fast"] {
        let mut dut = Model::new(model).unwrap();
        let [inverse, a, b, t, u, v] =
            ["inverse_i", "a_i", "b_i", "t_i", "u_o", "v_o"].map(|name| dut.port(name).unwrap());
        for direction in [false, true] {
            let mut rng = StdRng::seed_from_u64(1);
            dut.set(inverse, &[u64::from(direction)]);
            let mut vectors: Vec<[BigUint; 3]> = Vec::new();
            for a in &edges {
                for b in &edges {
                    vectors.extend(edges.iter().map(|t| [a.clone(), b.clone(), t.clone()]));
                }
            }
            let mut operand = || from_limbs(&rng.r#gen::<[u64; 4]>()) % (&max + 1u8);
            vectors.extend((0..2_000).map(|_| [operand(), operand(), operand()]));
            let mut expected = VecDeque::new();
            let idle = (0..ntt::BUTTERFLY_LATENCY).map(|_| [BigUint::ZERO, BigUint::ZERO, BigUint::ZERO]);
            for vector in vectors.into_iter().chain(idle) {
                for (port, operand) in [a, b, t].into_iter().zip(&vector) {
                    dut.set(port, &limbs(operand));
                }
                expected.push_back(ntt::butterfly(&field, direction, [&vector[0], &vector[1], &vector[2]]));
                dut.tick();
                assert!(!dut.stopped());
                if expected.len() == ntt::BUTTERFLY_LATENCY as usize {
                    let got = [u, v].map(|port| {
                        let mut word = [0; WORD];
                        dut.get(port, &mut word);
                        from_limbs(&word)
                    });
                    assert_eq!(got, expected.pop_front().unwrap(), "{model}, inverse: {direction}");
                }
            }
        }
    }
}

/// The engine with a host that streams words in and out.
struct Engine {
    model: Model,
    ports: [Port; 8],
    config: Config,
    words: VecDeque<([u64; WORD], bool)>,
    offered: bool,
    received: Vec<([u64; WORD], bool)>,
    /// Cycle of each word received.
    times: Vec<u64>,
    /// Counts of the engine's events.
    events: [u64; 8],
    stalls: [u8; 2],
    rng: StdRng,
}

const NAMES: [&str; 8] = [
    "s_valid_i",
    "s_ready_o",
    "s_data_i",
    "s_last_i",
    "o_valid_o",
    "o_ready_i",
    "o_data_o",
    "o_last_o",
];
const STEP: usize = 1;
const TABLE: usize = 2;
const GAP: usize = 4;
const BLOCKED: usize = 5;

impl Engine {
    fn new(name: &str, config: Config, stalls: [u8; 2]) -> Self {
        let mut model = Model::new(name).unwrap();
        let ports = NAMES.map(|name| model.port(name).unwrap());
        model.set(model.port("watchdog_i").unwrap(), &[1_000]);
        model.tick();
        model.set(model.port("rst_ni").unwrap(), &[1]);
        model.tick();
        model.tick();
        Self {
            model,
            ports,
            config,
            words: VecDeque::new(),
            offered: false,
            received: Vec::new(),
            times: Vec::new(),
            events: [0; 8],
            stalls,
            rng: StdRng::seed_from_u64(3),
        }
    }

    fn exact(stalls: [u8; 2]) -> Self {
        Self::new("ntt_engine", CONFIG, stalls)
    }

    fn fast(stalls: [u8; 2]) -> Self {
        Self::new("ntt_engine_fast", CONFIG, stalls)
    }

    fn step(&mut self) {
        let [s_valid, s_ready, s_data, s_last, o_valid, o_ready, o_data, o_last] = self.ports;
        if !self.offered
            && self.rng.r#gen::<u8>() >= self.stalls[0]
            && let Some((word, last)) = self.words.front()
        {
            self.model.set(s_data, word);
            self.model.set(s_last, &[u64::from(*last)]);
            self.offered = true;
        }
        self.model.set(s_valid, &[u64::from(self.offered)]);
        let ready = self.rng.r#gen::<u8>() >= self.stalls[1];
        self.model.set(o_ready, &[u64::from(ready)]);
        self.model.settle();
        if self.offered && self.model.bits(s_ready) == 1 {
            self.words.pop_front();
            self.offered = false;
        }
        if ready && self.model.bits(o_valid) == 1 {
            let mut word = [0; WORD];
            self.model.get(o_data, &mut word);
            self.received.push((word, self.model.bits(o_last) == 1));
            self.times.push(self.model.cycles());
        }
        let events = self.model.bits(self.model.port("events_o").unwrap());
        (0..8).for_each(|i| self.events[i] += events >> i & 1);
        self.model.edge();
        assert!(!self.model.stopped());
    }

    fn send(&mut self, batch: &Batch, coset: Fr, columns: &[Vec<Fr>]) {
        batch.check(&self.config).unwrap();
        self.words.push_back((batch.header(), false));
        if batch.table {
            let words = ntt::table(batch.log_n, batch.inverse, &BigUint::from(coset));
            self.words.extend(words.iter().map(|word| (limbs(word), false)));
        }
        self.words
            .extend(columns.iter().flatten().map(|value| (value.0.0, false)));
        self.words.back_mut().unwrap().1 = true;
    }

    fn receive(&mut self, columns: usize, n: usize) -> Vec<Vec<Fr>> {
        let patience = self.model.cycles() + 20_000_000;
        while self.received.len() < columns * n {
            self.step();
            assert!(self.model.cycles() < patience, "stuck");
        }
        let words: Vec<_> = self.received.drain(..).collect();
        self.times.clear();
        let marks: Vec<_> = (0..words.len()).filter(|&i| words[i].1).collect();
        assert_eq!(marks, [columns * n - 1]);
        let values: Vec<Fr> = words
            .iter()
            .map(|(word, _)| Fr::new_unchecked(ark_ff::BigInt(*word)))
            .collect();
        values.chunks(n).map(<[Fr]>::to_vec).collect()
    }
}

/// What arkworks gives, in the order asked for.
fn expected(batch: &Batch, coset: Fr, columns: &[Vec<Fr>]) -> Vec<Vec<Fr>> {
    let (log_n, n) = (batch.log_n, 1usize << batch.log_n);
    let domain = Radix2EvaluationDomain::<Fr>::new(n).unwrap().get_coset(coset).unwrap();
    let order = |column: &[Fr], reversed: bool| -> Vec<Fr> {
        (0..n)
            .map(|i| column[if reversed { bit_reversed(log_n, i) } else { i }])
            .collect()
    };
    columns
        .iter()
        .map(|column| {
            let column = order(column, batch.input_reversed);
            let out = if batch.inverse {
                domain.ifft(&column)
            } else {
                domain.fft(&column)
            };
            order(&out, batch.output_reversed)
        })
        .collect()
}

fn random_columns(n: usize, count: usize, rng: &mut StdRng) -> Vec<Vec<Fr>> {
    (0..count).map(|_| (0..n).map(|_| Fr::rand(rng)).collect()).collect()
}

/// Zero, ones in one place, all r - 1, all one, random.
fn edge_columns(n: usize, rng: &mut StdRng) -> Vec<Vec<Fr>> {
    let one_hot = |at: usize| (0..n).map(|i| Fr::from(u8::from(i == at))).collect();
    let mut columns = vec![
        vec![Fr::ZERO; n],
        one_hot(0),
        one_hot(n / 2),
        one_hot(n - 1),
        vec![-Fr::ONE; n],
        vec![Fr::ONE; n],
    ];
    columns.extend(random_columns(n, 1, rng));
    columns
}

fn batch(log_n: u32, inverse: bool, columns: usize) -> Batch {
    Batch {
        log_n,
        inverse,
        input_reversed: false,
        output_reversed: false,
        table: true,
        columns: columns as u32,
    }
}

fn check(engine: &mut Engine, batch: Batch, coset: Fr, columns: &[Vec<Fr>]) {
    engine.send(&batch, coset, columns);
    let got = engine.receive(columns.len(), 1 << batch.log_n);
    assert!(got == expected(&batch, coset, columns), "{batch:?}");
}

/// Every length from 2^4 to 2^14, both directions, on cosets, edge columns; one engine after another batch's leavings.
#[test]
fn transforms_of_every_length_are_right() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(2);
    let mut engine = Engine::fast([0, 0]);
    for log_n in 4..=14 {
        for inverse in [false, true] {
            for coset in [Fr::ONE, Fr::rand(&mut rng)] {
                let n = 1 << log_n;
                let columns = if log_n <= 9 {
                    edge_columns(n, &mut rng)
                } else {
                    let mut columns = random_columns(n, 1, &mut rng);
                    columns.push(vec![-Fr::ONE; n]);
                    columns
                };
                check(&mut engine, batch(log_n, inverse, columns.len()), coset, &columns);
            }
        }
    }
}

/// Batches of 1 to 32 columns, orders, kept tables, random stalls on both streams, other numbers of butterflies, every gate.
#[test]
fn batches_are_right_under_stalls() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(4);
    let two_lanes = Config {
        log_lanes: 1,
        max_log_n: 8,
    };
    let engines = [
        (Engine::fast([100, 100]), 24),
        (Engine::fast([0, 220]), 12),
        (Engine::fast([220, 0]), 12),
        (Engine::new("ntt_engine_two_lanes", two_lanes, [60, 60]), 24),
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
            engine.send(&batch, coset, &columns);
            sent.push((batch, coset, columns));
        }
        for (batch, coset, columns) in sent {
            let total = columns.len() << batch.log_n;
            while engine.received.len() < total {
                engine.step();
            }
            let rest = engine.received.split_off(total);
            let got = engine.receive(columns.len(), 1 << batch.log_n);
            engine.received = rest;
            assert!(got == expected(&batch, coset, &columns), "{batch:?}");
        }
    }
}

/// Cycles from a batch's first word in to its last one out, and the counts of events.
fn measure(log_n: u32, inverse: bool, columns: usize) -> (u64, [u64; 8]) {
    let mut rng = StdRng::seed_from_u64(5);
    let mut engine = Engine::fast([0, 0]);
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
            let (cycles, events) = measure(log_n, inverse, columns);
            let count = columns as u64;
            assert_eq!(
                cycles,
                CONFIG.batch_cycles(log_n, columns as u32),
                "2^{log_n}, {columns}"
            );
            assert_eq!(events[STEP] << CONFIG.log_lanes, count * CONFIG.butterflies(log_n));
            assert_eq!(events[GAP], count * u64::from(log_n - 1) * CONFIG.gap(log_n));
            assert_eq!(
                events[TABLE],
                u64::from(log_n) + (1 << (log_n - CONFIG.log_lanes)) - (1 + u64::from(log_n - CONFIG.log_lanes))
            );
        }
    }
}

/// What the engine promises of columns of 2^12: butterflies over (multipliers x cycles) of 32 of them, the first one's words in and the
/// last one's out included; no cycle between columns; and of one column alone, the cycles over the words in, the
/// butterflies and the words out.
#[test]
fn butterflies_are_busy() {
    if !available() {
        return;
    }
    let (cycles, events) = measure(12, false, 32);
    let lanes = 1 << CONFIG.log_lanes;
    let utilisation = (32 * CONFIG.butterflies(12)) as f64 / (lanes * cycles) as f64;
    assert!(utilisation >= 0.95, "{utilisation}");
    assert_eq!((events[GAP], events[BLOCKED]), (0, 0));
    let (alone, _) = measure(12, false, 1);
    // the other columns take their butterflies' cycles and no others
    assert_eq!(cycles - alone, 31 * CONFIG.butterflies(12) / lanes);
    let phases = (2 << 12) + CONFIG.butterflies(12) / lanes;
    assert!(alone as f64 <= 1.15 * phases as f64);
    // so it would be even if the first stage were hidden under the words in, and the last one under the words out
    assert!(alone as f64 <= 1.15 * (phases - 2 * CONFIG.steps(12)) as f64);
}

/// Steps an engine until it stops.
fn fault(engine: &mut Engine) -> Option<Fault> {
    let port = engine.model.port("fault_o").unwrap();
    for _ in 0..4_000 {
        engine.step();
    }
    assert_eq!(engine.model.bits(engine.model.port("ready_o").unwrap()), 0);
    Fault::of_status((engine.model.bits(port) as u32) << 8)
}

#[test]
fn faults_stop_the_engine_until_it_is_cleared() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(6);
    let mut engine = Engine::fast([0, 0]);
    let columns = random_columns(32, 2, &mut rng);
    let good = batch(5, true, 2);
    let word = |f: &dyn Fn(&mut u64)| {
        let mut header = good.header();
        f(&mut header[0]);
        header
    };
    type Break<'a> = Box<dyn Fn(&mut VecDeque<([u64; WORD], bool)>) + 'a>;
    let header = |header: [u64; WORD]| -> Break<'_> { Box::new(move |words| words[0].0 = header) };
    let value = |i: usize| -> Break<'_> { Box::new(move |words| words[i].0 = limbs(Field::fr().modulus())) };
    let kept = Batch {
        table: false,
        inverse: false,
        ..good
    };
    let cases: Vec<(Break<'_>, Fault)> = vec![
        (header(word(&|low| *low ^= 1)), Fault::Header),
        (header(word(&|low| *low = *low & !0x1f00 | 3 << 8)), Fault::Header),
        (header(word(&|low| *low = *low & !0x1f00 | 16 << 8)), Fault::Header),
        (header(word(&|low| *low |= 1 << 20)), Fault::Header),
        (header(word(&|low| *low &= 0xffff_ffff)), Fault::Header),
        (header(kept.header()), Fault::Header),
        (header([0; WORD]), Fault::Header),
        (Box::new(|words| words[0].1 = true), Fault::Length),
        (Box::new(|words| words[3].1 = true), Fault::Length),
        (Box::new(|words| words[40].1 = true), Fault::Length),
        (Box::new(|words| words.back_mut().unwrap().1 = false), Fault::Length),
        (value(3), Fault::Value),
        (value(50), Fault::Value),
        (Box::new(|words| words.truncate(60)), Fault::Watchdog),
    ];
    for (i, (break_it, expected)) in cases.into_iter().enumerate() {
        engine.send(&good, Fr::ONE, &columns);
        break_it(&mut engine.words);
        assert_eq!(fault(&mut engine), Some(expected), "case {i}");
        let clear = engine.model.port("clear_i").unwrap();
        engine.model.set(clear, &[1]);
        engine.words.clear();
        engine.offered = false;
        engine.step();
        engine.model.set(clear, &[0]);
        engine.step();
        engine.received.clear();
        check(&mut engine, good, Fr::ONE, &columns);
    }
}
