//! Both engines of a card at once: neither waits for the other, nor stops with it.
#![allow(clippy::unwrap_used)]

mod common;

use ark_bn254::Fr;
use ark_ff::UniformRand;
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use ark_std::rand::{SeedableRng, rngs::StdRng};
use num_bigint::BigUint;
use tapeout_hw::Reg;
use tapeout_hw::msm::Pass;
use tapeout_hw::ntt::{Batch, CONFIG, table};
use tapeout_hw::regs::{Fault, NTT_COUNTERS, REGS, bits};
use tapeout_sim::{Card, Engine, Fidelity, Surroundings, WORD, available};

const LOG_N: u32 = 10;
const COLUMNS: usize = 3;

fn limbs(n: &BigUint) -> [u64; WORD] {
    std::array::from_fn(|i| n.iter_u64_digits().nth(i).unwrap_or(0))
}

fn send(card: &mut Card, coset: Fr, columns: &[Vec<Fr>]) {
    let batch = Batch::new(LOG_N, false, columns.len() as u32);
    card.send(Engine::Ntt, batch.header(), false);
    for word in table(LOG_N, false, &BigUint::from(coset)) {
        card.send(Engine::Ntt, limbs(&word), false);
    }
    let count = columns.len() << LOG_N;
    for (i, value) in columns.iter().flatten().enumerate() {
        card.send(Engine::Ntt, value.0.0, i + 1 == count);
    }
}

fn receive(card: &mut Card) -> Vec<Fr> {
    while card.pending(Engine::Ntt) < COLUMNS << LOG_N {
        card.step().unwrap();
    }
    let word = |_| Fr::new_unchecked(ark_ff::BigInt(card.received(Engine::Ntt).unwrap().0));
    (0..COLUMNS << LOG_N).map(word).collect()
}

#[test]
fn both_engines_run_at_once() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(9);
    let bases = common::points(&mut rng);
    let pass = common::full(9, common::BASES);
    let words: Vec<_> = (0..common::BASES).map(|_| common::scalar(&mut rng)).collect();
    let coset = Fr::rand(&mut rng);
    let columns: Vec<Vec<Fr>> = (0..COLUMNS)
        .map(|_| (0..1 << LOG_N).map(|_| Fr::rand(&mut rng)).collect())
        .collect();
    let domain = Radix2EvaluationDomain::<Fr>::new(1 << LOG_N).unwrap();
    let domain = domain.get_coset(coset).unwrap();
    let expected: Vec<Fr> = columns.iter().flat_map(|column| domain.fft(column)).collect();
    for stalls in [0, 60] {
        let around = Surroundings {
            stalls,
            ..Surroundings::default()
        };
        let mut card = common::card(Fidelity::Fast, around, &bases);
        let capability = CONFIG.max_log_n | CONFIG.log_lanes << 8;
        assert_eq!(card.read(Reg::NttCapability).unwrap(), capability);
        card.write(Reg::Control, bits::CLEAR | bits::NTT_CLEAR).unwrap();
        let start = card.cycles();
        common::send(&mut card, &pass, &words);
        send(&mut card, coset, &columns);
        assert!(receive(&mut card) == expected);
        assert_eq!(common::receive(&mut card, &pass), common::sums(&pass, &words, &bases));
        let elapsed = card.cycles() - start;
        let mut counter = |low: Reg| {
            let high = REGS[low as usize + 1].reg;
            u64::from(card.read(low).unwrap()) | u64::from(card.read(high).unwrap()) << 32
        };
        assert!(counter(Reg::CyclesLo) + counter(Reg::NttCyclesLo) > elapsed);
        let counts: Vec<u64> = NTT_COUNTERS.iter().map(|&low| counter(low)).collect();
        assert_eq!(counts[1], COLUMNS as u64 * CONFIG.butterflies(LOG_N));
        let count = (COLUMNS as u64) << LOG_N;
        assert_eq!(counts[6..], [32 * (count + 1 + u64::from(LOG_N)), 32 * count]);
        if stalls == 0 {
            assert_eq!(counts[0], CONFIG.batch_cycles(LOG_N, COLUMNS as u32));
        }
        // the NTT engine stops, the MSM engine goes on
        card.send(Engine::Ntt, [1; WORD], false);
        common::send(&mut card, &pass, &words);
        assert_eq!(common::receive(&mut card, &pass), common::sums(&pass, &words, &bases));
        let status = card.read(Reg::NttStatus).unwrap();
        assert_eq!(
            (Fault::of_status(status), status & bits::READY),
            (Some(Fault::Header), 0)
        );
        card.drop_words(Engine::Ntt);
        card.write(Reg::Control, bits::NTT_RESET).unwrap();
        assert_eq!(card.read(Reg::NttStatus).unwrap(), bits::READY);
        send(&mut card, coset, &columns);
        assert!(receive(&mut card) == expected);
    }
}

/// An engine whose clock stands still takes what comes as soon as one that has just ended, answers of memory to reads that were
/// given up among it.
#[test]
fn engines_wake_without_losing_a_cycle() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(10);
    let bases = common::points(&mut rng);
    let pass = common::full(9, 100);
    let words: Vec<_> = (0..100).map(|_| common::scalar(&mut rng)).collect();
    let sums = common::sums(&pass, &words, &bases);
    let columns: Vec<Vec<Fr>> = (0..COLUMNS)
        .map(|_| (0..1 << LOG_N).map(|_| Fr::rand(&mut rng)).collect())
        .collect();
    let coset = Fr::rand(&mut rng);
    let around = Surroundings {
        // longer than the clearing of buckets after a reset, so that what was given up comes when the clock has stopped
        memory_latency: 17_500,
        ..Surroundings::default()
    };
    let mut card = common::card(Fidelity::Fast, around, &bases);
    let mut taken = Vec::new();
    for idle in [0, 1, 253, 254, 255, 256, 257, 2_000] {
        (0..idle).for_each(|_| card.step().unwrap());
        let start = card.cycles();
        common::send(&mut card, &pass, &words);
        assert_eq!(common::receive(&mut card, &pass), sums);
        let middle = card.cycles();
        send(&mut card, coset, &columns);
        receive(&mut card);
        taken.push((middle - start, card.cycles() - middle));
        // a pass given up while its bases are on their way
        common::send(&mut card, &pass, &words);
        (0..150).for_each(|_| card.step().unwrap());
        card.drop_words(Engine::Msm);
        card.write(Reg::Control, bits::RESET).unwrap();
        card.wait_until_ready().unwrap();
    }
    assert!(taken.iter().all(|cycles| *cycles == taken[0]), "{taken:?}");
    // one that has nothing to do is reset all the same
    (0..2_000).for_each(|_| card.step().unwrap());
    card.write(Reg::Control, bits::RESET).unwrap();
    assert_eq!(card.read(Reg::Status).unwrap() & bits::READY, 0);
}

/// An address that memory has not taken when its read is given up stands until it is taken, also when the clock would
/// have stopped by then, and is read once.
#[test]
fn addresses_given_up_are_read_once() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(11);
    let bases = common::points(&mut rng);
    let pass = common::full(9, 4);
    let words: Vec<_> = (0..4).map(|_| common::scalar(&mut rng)).collect();
    let around = Surroundings {
        // longer than the clearing of buckets after a reset
        memory_interval: 18_000,
        ..Surroundings::default()
    };
    let mut card = common::card(Fidelity::Fast, around, &bases);
    common::send(&mut card, &pass, &words);
    (0..150).for_each(|_| card.step().unwrap());
    card.drop_words(Engine::Msm);
    card.write(Reg::Control, bits::RESET).unwrap();
    card.wait_until_ready().unwrap();
    (0..60_000).for_each(|_| card.step().unwrap());
    let other = Pass { first_base: 4, ..pass };
    common::send(&mut card, &other, &words);
    assert_eq!(common::receive(&mut card, &other), common::sums(&other, &words, &bases));
}
