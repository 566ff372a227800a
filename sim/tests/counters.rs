//! The performance counters of the card against what `hw::cost` says of the passes (fidelity `fast`).
#![allow(clippy::unwrap_used)]

mod common;

use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use common::{BASES, card, full, points, receive, scalar, send};
use tapeout_hw::Reg;
use tapeout_hw::cost::{Load, Memory, cycles};
use tapeout_hw::msm::{ADD_LATENCY, Pass};
use tapeout_hw::regs::{COUNTERS, REGS, bits, hash};
use tapeout_sim::{Card, Engine, Fidelity, Surroundings, WORD, available};

/// All counters of a card that is idle, in the order of [`COUNTERS`].
fn counters(card: &mut Card) -> impl Fn(Reg) -> u64 + use<> {
    while card.read(Reg::Status).unwrap() & bits::BUSY != 0 {}
    let values: Vec<_> = COUNTERS
        .iter()
        .map(|&low| {
            let high = REGS[low as usize + 1].reg;
            u64::from(card.read(low).unwrap()) | u64::from(card.read(high).unwrap()) << 32
        })
        .collect();
    move |reg| values[COUNTERS.iter().position(|&low| low == reg).unwrap()]
}

fn near(got: u64, expected: u64, percent: u64, slack: u64) {
    let tolerance = expected * percent / 100 + slack;
    assert!(
        got.abs_diff(expected) <= tolerance,
        "counted {got}, the model says {expected}"
    );
}

#[test]
fn counters_agree_with_the_model() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(7);
    let bases = points(&mut rng);
    let mut card = card(Fidelity::Fast, Surroundings::default(), &bases);
    assert_eq!(card.read(Reg::Id).unwrap(), hash());
    let random = scalar(&mut rng);
    let mut fill =
        |word: &mut dyn FnMut(&mut StdRng) -> [u64; WORD]| (0..BASES).map(|_| word(&mut rng)).collect::<Vec<_>>();
    let distributions = [
        fill(&mut scalar),
        fill(&mut |_| random),
        fill(&mut |rng| if rng.r#gen() { random } else { [1, 0, 0, 0] }),
        fill(&mut |rng| {
            if rng.gen_range(0..8) == 0 {
                scalar(rng)
            } else {
                [0; WORD]
            }
        }),
        fill(&mut |_| [0; WORD]),
    ];
    for width in [8, 9, 11] {
        for words in &distributions {
            let pass = full(width, BASES);
            let load = Load::of(&pass, words);
            card.write(Reg::Control, bits::CLEAR).unwrap();
            send(&mut card, &pass, words);
            receive(&mut card, &pass);
            let count = counters(&mut card);
            assert_eq!(count(Reg::DigitsLo), load.digits);
            // a sum that comes when its bucket has been visited already is moved instead of added there
            let (adds, reduction) = (count(Reg::AddsLo), count(Reg::ReductionAddsLo));
            assert!(adds - reduction <= load.accumulation());
            near(adds - reduction, load.accumulation(), 1, 100);
            near(reduction, load.reduction, 2, 300);
            near(count(Reg::CyclesLo), cycles(&[load], Memory::default()), 3, 250);
            assert_eq!(count(Reg::BytesInLo), 32 * (BASES as u64 + 2));
            assert_eq!(count(Reg::BytesOutLo), 96 * u64::from(pass.windows));
            let used = words.iter().filter(|&&word| word != [0; WORD]).count() as u64;
            assert_eq!(count(Reg::BytesMemoryLo), 64 * used);
            let bubbles = [Reg::BubbleHostLo, Reg::BubbleMemoryLo, Reg::BubbleDrainLo].map(&count);
            assert!(count(Reg::CyclesLo) > adds && bubbles.iter().sum::<u64>() <= count(Reg::CyclesLo));
        }
    }
}

/// What holds the engine up for so many cycles more shows in the counter of that cause, and in no other.
#[test]
fn waits_are_counted_by_their_cause() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(9);
    let bases = points(&mut rng);
    let pass = full(9, 200);
    let words: Vec<_> = (0..200).map(|_| scalar(&mut rng)).collect();
    // a pass in whose middle the host rests
    let run = |memory_latency, stalls, rest: u64| {
        let around = Surroundings {
            memory_latency,
            stalls,
            ..Surroundings::default()
        };
        let mut card = card(Fidelity::Fast, around, &bases);
        card.write(Reg::Control, bits::CLEAR).unwrap();
        for word in pass.header() {
            card.send(Engine::Msm, word, false);
        }
        for (i, word) in words.iter().enumerate() {
            if i == words.len() / 2 {
                (0..rest).for_each(|_| card.step().unwrap());
            }
            card.send(Engine::Msm, *word, i + 1 == words.len());
        }
        receive(&mut card, &pass);
        let count = counters(&mut card);
        COUNTERS.iter().map(|&reg| (reg, count(reg))).collect::<Vec<_>>()
    };
    let of = |counts: &[(Reg, u64)], reg| counts.iter().find(|&&(r, _)| r == reg).unwrap().1;
    let differ = |less: &[(Reg, u64)], more: &[(Reg, u64)]| -> Vec<(Reg, i64)> {
        let pairs = less.iter().zip(more).map(|(a, b)| (a.0, b.1 as i64 - a.1 as i64));
        pairs.filter(|&(_, by)| by != 0).collect()
    };
    let longer = |cause, by| vec![(Reg::CyclesLo, by), (Reg::StreamCyclesLo, by), (cause, by)];
    // by then the engine has absorbed what it had
    let [short, long] = [5_000, 6_000].map(|rest| run(100, 0, rest));
    assert_eq!(differ(&short, &long), longer(Reg::BubbleHostLo, 1_000));
    let [near, far] = [100, 300].map(|latency| run(latency, 0, 0));
    assert_eq!(differ(&near, &far), longer(Reg::BubbleMemoryLo, 200));
    // the last pass's doublings, one at a time
    assert!(of(&near, Reg::BubbleDrainLo) > 10 * u64::from(ADD_LATENCY));
    // a host that takes what there is, and one that does not
    assert_eq!(of(&near, Reg::StallOutputLo), 0);
    // each word waits for about a cycle then
    let stalled = of(&run(100, 128, 0), Reg::StallOutputLo);
    let words = 3 * u64::from(pass.windows);
    assert!((words / 2..2 * words).contains(&stalled), "{stalled}");
}

/// Passes of many items: the reduction of one runs under the accumulation of the next.
#[test]
fn passes_overlap_as_the_model_says() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(8);
    let bases = points(&mut rng);
    let mut card = card(Fidelity::Fast, Surroundings::default(), &bases);
    let passes: Vec<(Pass, Vec<_>)> = (0..8)
        .map(|_| (full(8, BASES), (0..BASES).map(|_| scalar(&mut rng)).collect()))
        .collect();
    card.write(Reg::Control, bits::CLEAR).unwrap();
    passes.iter().for_each(|(pass, words)| send(&mut card, pass, words));
    passes.iter().for_each(|(pass, _)| drop(receive(&mut card, pass)));
    let loads: Vec<_> = passes.iter().map(|(pass, words)| Load::of(pass, words)).collect();
    let count = counters(&mut card);
    near(count(Reg::CyclesLo), cycles(&loads, Memory::default()), 3, 200);
    let alone: u64 = loads
        .iter()
        .map(|load| cycles(std::slice::from_ref(load), Memory::default()))
        .sum();
    assert!(count(Reg::CyclesLo) + 7 * 1_000 < alone);
}
