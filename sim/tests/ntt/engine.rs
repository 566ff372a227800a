//! A host of the NTT engine: streams batches in and transforms out, and knows what arkworks gives.

use std::collections::VecDeque;

use ark_bn254::Fr;
use ark_ff::{AdditiveGroup, Field as _, UniformRand};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use num_bigint::BigUint;
use tapeout_hw::ntt::{self, Batch, CONFIG, Config, bit_reversed};
use tapeout_sim::{Model, Port, WORD};

pub(crate) fn limbs(n: &BigUint) -> [u64; WORD] {
    std::array::from_fn(|i| n.iter_u64_digits().nth(i).unwrap_or(0))
}

/// The engine with a host that streams words in and out.
pub(crate) struct Engine {
    pub(crate) model: Model,
    ports: [Port; 6],
    pub(crate) config: Config,
    pub(crate) words: VecDeque<([u64; WORD], bool)>,
    pub(crate) offered: bool,
    pub(crate) received: Vec<([u64; WORD], bool)>,
    /// Cycle of each word received.
    pub(crate) times: Vec<u64>,
    /// Counts of the engine's events.
    pub(crate) events: [u64; 8],
    /// How often in 256 cycles the host holds back words in, and words out.
    pub(crate) stalls: [u16; 2],
    /// Cycles between two words, in either direction, and when the next one may come.
    pub(crate) interval: u64,
    next: [u64; 2],
    rng: StdRng,
}

const NAMES: [&str; 6] = ["s_valid_i", "s_ready_o", "s_i", "o_valid_o", "o_ready_i", "o_o"];
pub(crate) const STEP: usize = 1;
pub(crate) const TABLE: usize = 2;
pub(crate) const HOST: usize = 3;
pub(crate) const GAP: usize = 4;
pub(crate) const BLOCKED: usize = 5;
pub(crate) const WORDS_IN: usize = 6;
pub(crate) const WORDS_OUT: usize = 7;

impl Engine {
    pub(crate) fn new(name: &str, config: Config, stalls: [u16; 2]) -> Self {
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
            interval: 1,
            next: [0; 2],
            rng: StdRng::seed_from_u64(3),
        }
    }

    pub(crate) fn exact(stalls: [u16; 2]) -> Self {
        Self::new("ntt_engine", CONFIG, stalls)
    }

    pub(crate) fn fast(stalls: [u16; 2]) -> Self {
        Self::new("ntt_engine_fast", CONFIG, stalls)
    }

    pub(crate) fn step(&mut self) {
        let [s_valid, s_ready, s_word, o_valid, o_ready, o_word] = self.ports;
        let now = self.model.cycles();
        if !self.offered
            && now >= self.next[0]
            && u16::from(self.rng.r#gen::<u8>()) >= self.stalls[0]
            && let Some((word, last)) = self.words.front()
        {
            self.model
                .set(s_word, &[word[0], word[1], word[2], word[3], u64::from(*last)]);
            self.offered = true;
        }
        self.model.set(s_valid, &[u64::from(self.offered)]);
        let ready = now >= self.next[1] && u16::from(self.rng.r#gen::<u8>()) >= self.stalls[1];
        self.model.set(o_ready, &[u64::from(ready)]);
        self.model.settle();
        if self.offered && self.model.bits(s_ready) == 1 {
            self.words.pop_front();
            self.offered = false;
            self.next[0] = now + self.interval;
        }
        if ready && self.model.bits(o_valid) == 1 {
            let mut word = [0; WORD + 1];
            self.model.get(o_word, &mut word);
            self.received
                .push(([word[0], word[1], word[2], word[3]], word[WORD] == 1));
            self.times.push(now);
            self.next[1] = now + self.interval;
        }
        let events = self.model.bits(self.model.port("events_o").unwrap());
        (0..8).for_each(|i| self.events[i] += events >> i & 1);
        self.model.edge();
        assert!(!self.model.stopped());
    }

    pub(crate) fn send(&mut self, batch: &Batch, coset: Fr, columns: &[Vec<Fr>]) {
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

    pub(crate) fn receive(&mut self, columns: usize, n: usize) -> Vec<Vec<Fr>> {
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
pub(crate) fn expected(batch: &Batch, coset: Fr, columns: &[Vec<Fr>]) -> Vec<Vec<Fr>> {
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

pub(crate) fn random_columns(n: usize, count: usize, rng: &mut StdRng) -> Vec<Vec<Fr>> {
    (0..count).map(|_| (0..n).map(|_| Fr::rand(rng)).collect()).collect()
}

/// Zero, ones in one place, all r - 1, all one, random.
pub(crate) fn edge_columns(n: usize, rng: &mut StdRng) -> Vec<Vec<Fr>> {
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

pub(crate) fn batch(log_n: u32, inverse: bool, columns: usize) -> Batch {
    Batch::new(log_n, inverse, columns as u32)
}

pub(crate) fn check(engine: &mut Engine, batch: Batch, coset: Fr, columns: &[Vec<Fr>]) {
    engine.send(&batch, coset, columns);
    let got = engine.receive(columns.len(), 1 << batch.log_n);
    assert!(got == expected(&batch, coset, columns), "{batch:?}");
}
