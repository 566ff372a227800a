//! The performance model against the simulated card: sizes, window widths, distributions of scalars, memories (fidelity `fast`).
#![allow(clippy::unwrap_used, clippy::print_stdout)]

mod common;

use ark_bn254::G1Affine;
use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use common::{bases, card, counter, full, scalar, send, wide};
use tapeout_hw::Reg;
use tapeout_hw::cost::{Load, Memory, cycles};
use tapeout_hw::msm::{FIELDS, Pass, SUM_WORDS};
use tapeout_hw::regs::bits;
use tapeout_sim::{Card, Engine, Fidelity, Surroundings, WORD, available};

type Word = [u64; WORD];

/// Columns of signed bytes side by side, half of them zero.
fn narrow(n: usize, columns: u32, planes: bool, rng: &mut StdRng) -> Vec<(Pass, Vec<Word>)> {
    let pass = Pass {
        width: 8,
        log_fields_per_base: columns.ilog2(),
        bases_per_word: FIELDS / columns,
        windows: columns,
        words: n as u32 * columns / FIELDS,
        lane_tops: [0x8080_8080_8080_8080; WORD],
        planes,
        ..full(8, n)
    };
    let byte = |rng: &mut StdRng| if rng.r#gen() { 0 } else { rng.r#gen() };
    let mut word = || std::array::from_fn(|_| u64::from_le_bytes(std::array::from_fn(|_| byte(rng))));
    let words = (0..pass.words).map(|_| word()).collect();
    vec![(pass, words)]
}

/// Passes and their words.
type Passes = Vec<(Pass, Vec<Word>)>;

fn measure(card: &mut Card, passes: &[(Pass, Vec<Word>)]) -> (u64, u64) {
    card.write(Reg::Control, bits::CLEAR).unwrap();
    passes.iter().for_each(|(pass, words)| send(card, pass, words));
    let sums: usize = passes.iter().map(|(pass, _)| pass.sums().count() * SUM_WORDS).sum();
    while card.pending(Engine::Msm) < sums {
        card.step().unwrap();
        assert!(
            card.cycles() < 10_000_000,
            "stuck: status {:#x}",
            card.read(Reg::Status).unwrap()
        );
    }
    while card.received(Engine::Msm).is_some() {}
    while card.read(Reg::Status).unwrap() & bits::BUSY != 0 {}
    let cycles = counter(card, Reg::CyclesLo);
    (
        cycles,
        counter(card, Reg::DigitsLo) + counter(card, Reg::ReductionAddsLo),
    )
}

/// Work within 1 %, cycles within 3 %.
#[test]
fn cycles_are_those_of_the_model() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(14);
    let points = bases(1 << 12, &[], &mut rng);
    let one = scalar(&mut rng);
    let mut random = StdRng::seed_from_u64(15);
    let mut other = StdRng::seed_from_u64(16);
    let mut uniform = |_: usize| scalar(&mut random);
    let mut mixed = |i: usize| if i.is_multiple_of(10) { one } else { scalar(&mut other) };
    let mut sparse = |i: usize| if i.is_multiple_of(8) { one } else { [i as u64, 0, 0, 0] };
    let slow = |latency, interval| Memory { latency, interval };
    let memory = Memory::default();
    let cases: Vec<(&str, Memory, Passes)> = vec![
        ("2^9 uniform, c = 8", memory, wide(1 << 9, 8, &mut uniform)),
        ("2^10 uniform, c = 8", memory, wide(1 << 10, 8, &mut uniform)),
        ("2^10 uniform, c = 9", slow(300, 1), wide(1 << 10, 9, &mut uniform)),
        ("2^11 uniform, c = 10", slow(20, 1), wide(1 << 11, 10, &mut uniform)),
        ("2^11 uniform, c = 12", memory, wide(1 << 11, 12, &mut uniform)),
        ("2^12 uniform, c = 11", slow(500, 2), wide(1 << 12, 11, &mut uniform)),
        ("2^10 all equal, c = 8", memory, wide(1 << 10, 8, &mut |_| one)),
        ("2^11 10 % equal, c = 9", memory, wide(1 << 11, 9, &mut mixed)),
        (
            "2^11 small and equal, c = 9",
            slow(200, 1),
            wide(1 << 11, 9, &mut sparse),
        ),
        ("2^12 all one, c = 10", memory, wide(1 << 12, 10, &mut |_| [1, 0, 0, 0])),
        ("2^12 bytes", memory, narrow(1 << 12, 1, true, &mut rng)),
        (
            "2^12 bytes, windows joined",
            memory,
            narrow(1 << 12, 1, false, &mut rng),
        ),
        (
            "2^12 bytes, slow memory",
            slow(400, 3),
            narrow(1 << 12, 1, true, &mut rng),
        ),
        ("2^11 bytes", memory, narrow(1 << 11, 1, true, &mut rng)),
        ("2^11 bytes, 16 columns", memory, narrow(1 << 11, 16, false, &mut rng)),
    ];
    compare(cases, &points);
}

/// Points that the model was not fitted to: other widths, distributions, shapes and memories.
#[test]
fn cycles_of_other_points_are_those_of_the_model() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(24);
    let points = bases(1 << 12, &[], &mut rng);
    let values = [scalar(&mut rng), scalar(&mut rng)];
    let (mut first, mut second, mut third) = (
        StdRng::seed_from_u64(25),
        StdRng::seed_from_u64(26),
        StdRng::seed_from_u64(27),
    );
    let mut uniform = |_: usize| scalar(&mut first);
    let mut two = |_: usize| values[usize::from(second.r#gen::<bool>())];
    // magnitudes of every order as often
    let mut skewed = |_: usize| {
        let mut word = scalar(&mut third);
        let drop = third.gen_range(0..250);
        (0..drop / 64).for_each(|i| word[3 - i] = 0);
        word[3 - drop / 64] &= u64::MAX >> (drop % 64) >> 4;
        word
    };
    let slow = |latency, interval| Memory { latency, interval };
    let memory = Memory::default();
    let cases: Vec<(&str, Memory, Passes)> = vec![
        ("700 uniform, c = 8", memory, wide(700, 8, &mut uniform)),
        ("1500 uniform, c = 9", slow(60, 1), wide(1500, 9, &mut uniform)),
        ("3000 uniform, c = 10", slow(250, 1), wide(3000, 10, &mut uniform)),
        ("2^12 uniform, c = 13", slow(150, 1), wide(1 << 12, 13, &mut uniform)),
        ("2^12 two values, c = 9", memory, wide(1 << 12, 9, &mut two)),
        ("2^11 skewed, c = 8", memory, wide(1 << 11, 8, &mut skewed)),
        ("2^12 skewed, c = 11", slow(350, 2), wide(1 << 12, 11, &mut skewed)),
        ("2^12 bytes, two columns", memory, narrow(1 << 12, 2, false, &mut rng)),
        (
            "2^12 bytes, eight columns",
            slow(300, 1),
            narrow(1 << 12, 8, false, &mut rng),
        ),
        (
            "2^12 bytes, two columns, planes",
            memory,
            narrow(1 << 12, 2, true, &mut rng),
        ),
        (
            "2^12 bytes, four columns, planes",
            memory,
            narrow(1 << 12, 4, true, &mut rng),
        ),
        (
            "2^11 bytes, eight columns, planes",
            memory,
            narrow(1 << 11, 8, true, &mut rng),
        ),
        (
            "2^12 bytes, sixteen columns, planes",
            slow(200, 1),
            narrow(1 << 12, 16, true, &mut rng),
        ),
    ];
    compare(cases, &points);
}

fn compare(cases: Vec<(&str, Memory, Passes)>, points: &[G1Affine]) {
    let mut missed = Vec::new();
    for (what, memory, passes) in cases {
        let around = Surroundings {
            memory_latency: memory.latency,
            memory_interval: memory.interval,
            ..Surroundings::default()
        };
        let mut card = card(Fidelity::Fast, around, points);
        let (found, work) = measure(&mut card, &passes);
        let loads: Vec<_> = passes.iter().map(|(pass, words)| Load::of(pass, words)).collect();
        let (expected, expected_work) = (cycles(&loads, memory), loads.iter().map(Load::work).sum::<u64>());
        let row = format!("{what}: cycles {found}, model {expected}; work {work}, model {expected_work}");
        println!("{row}");
        if found.abs_diff(expected) * 100 > 3 * found || work.abs_diff(expected_work) * 100 > work {
            missed.push(row);
        }
    }
    assert!(missed.is_empty(), "{missed:#?}");
}
