//! The whole card: passes of every shape against arkworks, random stalls on every interface, faults.
#![allow(clippy::unwrap_used)]

mod common;

use ark_bn254::G1Affine;
use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use common::{BASES, card, full, joined, points, receive, scalar, send, sums};
use tapeout_hw::Reg;
use tapeout_hw::msm::{CONFIG, FIELDS, Pass, WORD_BITS};
use tapeout_hw::regs::{Fault, bits};
use tapeout_sim::{Card, Engine, Fidelity, Surroundings, WORD, available};

/// Lanes that fill the word, one top bit each.
fn tops(width: u32, windows: u32) -> [u64; WORD] {
    let mut tops = [0; WORD];
    let lane = width * windows;
    for bit in (1..=WORD_BITS / lane).map(|i| i * lane - 1) {
        tops[bit as usize / 64] |= 1 << (bit % 64);
    }
    tops
}

/// A pass of a random shape with random words.
fn random_pass(rng: &mut StdRng) -> (Pass, Vec<[u64; WORD]>) {
    let width = rng.gen_range(4..=CONFIG.max_width);
    let log = rng.gen_range(0..=5u32);
    let per_base = 1 << log;
    let fit = (FIELDS / per_base).min(WORD_BITS / (per_base * width));
    let bases_per_word = if fit > 1 { rng.gen_range(1..=fit) } else { 1 };
    let reach = per_base.min(272 / width);
    let first_field = rng.gen_range(0..reach);
    let windows = rng
        .gen_range(1..=reach - first_field)
        .min(CONFIG.windows_per_pass(width));
    let words = rng.gen_range(1..=BASES as u32 / bases_per_word).min(60);
    let first_base = rng.gen_range(0..=BASES as u32 - words * bases_per_word);
    let lane_tops = if rng.r#gen() {
        tops(width, rng.gen_range(1..=WORD_BITS / width))
    } else {
        [0; WORD]
    };
    let pass = Pass {
        width,
        log_fields_per_base: log,
        bases_per_word,
        first_field,
        windows,
        words,
        first_base,
        lane_tops,
        planes: rng.r#gen(),
    };
    pass.check().unwrap();
    let sparse = rng.gen_range(0..4);
    let word = |rng: &mut StdRng| {
        if rng.gen_range(0..4) < sparse {
            [0; WORD]
        } else {
            rng.r#gen()
        }
    };
    let words = (0..words).map(|_| word(rng)).collect();
    (pass, words)
}

/// Passes one behind the other, so that each is reduced under the next.
fn check(card: &mut Card, passes: &[(Pass, Vec<[u64; WORD]>)], bases: &[G1Affine]) {
    for (pass, words) in passes {
        send(card, pass, words);
    }
    for (pass, words) in passes {
        let got = receive(card, pass);
        assert_eq!(joined(pass, &got), sums(pass, words, bases), "{pass:?}");
    }
}

#[test]
fn passes_of_every_shape_are_right_under_stalls() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(4);
    let bases = points(&mut rng);
    for (fidelity, count, stalls) in [
        (Fidelity::Fast, 24, 0),
        (Fidelity::Fast, 24, 100),
        (Fidelity::Fast, 12, 220),
        (Fidelity::Exact, 4, 50),
    ] {
        let around = Surroundings {
            stalls,
            memory_latency: rng.gen_range(1..200),
            ..Surroundings::default()
        };
        let mut card = card(fidelity, around, &bases);
        let passes: Vec<_> = (0..count).map(|_| random_pass(&mut rng)).collect();
        check(&mut card, &passes, &bases);
    }
}

/// The distributions that hold up an engine with hazards: one bucket, two, few, strides about the adder's latency.
#[test]
fn adversarial_digits_are_right() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(5);
    let bases = points(&mut rng);
    let mut card = card(Fidelity::Fast, Surroundings::default(), &bases);
    let random = scalar(&mut rng);
    let minus_one = [u64::MAX; WORD];
    let one = [1, 0, 0, 0];
    let latency = tapeout_hw::msm::ADD_LATENCY as usize;
    let of = |f: &mut dyn FnMut(usize) -> [u64; WORD]| (full(9, BASES), (0..BASES).map(f).collect::<Vec<_>>());
    let mut passes = vec![
        of(&mut |_| random),
        of(&mut |_| [0; WORD]),
        of(&mut |_| one),
        of(&mut |_| minus_one),
        of(&mut |i| if i % 2 == 0 { one } else { random }),
        of(&mut |i| [i as u64 / 50, 0, 0, 0]),
        of(&mut |i| if i == BASES - 1 { one } else { [0; WORD] }),
    ];
    for stride in [latency - 1, latency, latency + 1] {
        passes.push(of(&mut |i| [1 + (i % stride) as u64, 0, 0, 0]));
    }
    // a single window, digit after digit
    for period in [1, 2, 3, latency as u64] {
        let pass = Pass {
            width: 9,
            log_fields_per_base: 0,
            bases_per_word: 28,
            windows: 1,
            words: 20,
            ..full(9, 20)
        };
        let lane = |i: u64| 1 + i % period;
        let word = |w: u64| {
            let mut word = [0u64; WORD];
            for f in 0..28 {
                for bit in (0..9).filter(|bit| lane(28 * w + f) >> bit & 1 == 1) {
                    let at = 9 * f + bit;
                    word[at as usize / 64] |= 1 << (at % 64);
                }
            }
            word
        };
        passes.push((
            Pass {
                lane_tops: tops(9, 1),
                ..pass
            },
            (0..20).map(word).collect(),
        ));
    }
    check(&mut card, &passes, &bases);
}

/// `exact` and `fast` are the same hardware: every word and the cycle it comes in.
#[test]
fn both_fidelities_run_in_lockstep() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(6);
    let bases = points(&mut rng);
    let around = Surroundings {
        stalls: 40,
        ..Surroundings::default()
    };
    let mut cards = [Fidelity::Exact, Fidelity::Fast].map(|fidelity| card(fidelity, around, &bases));
    let passes: Vec<_> = (0..4).map(|_| random_pass(&mut rng)).collect();
    let mut words: usize = passes.iter().map(|(pass, _)| pass.sums().count() * 3).sum();
    for card in &mut cards {
        passes.iter().for_each(|(pass, words)| send(card, pass, words));
    }
    assert_eq!(cards[0].cycles(), cards[1].cycles());
    while words > 0 {
        cards.iter_mut().for_each(|card| card.step().unwrap());
        let [exact, fast] = cards.each_mut().map(|card| card.received(Engine::Msm));
        assert_eq!(exact, fast);
        words -= usize::from(exact.is_some());
    }
}

#[test]
fn faults_stop_the_engine_until_reset() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(8);
    let bases = points(&mut rng);
    let mut card = card(Fidelity::Fast, Surroundings::default(), &bases);
    let pass = full(9, 20);
    let words: Vec<_> = (0..20).map(|_| scalar(&mut rng)).collect();
    let fault = |card: &mut Card, fault| {
        for _ in 0..4_000 {
            card.step().unwrap();
        }
        let status = card.read(Reg::Status).unwrap();
        assert_eq!(Fault::of_status(status), Some(fault));
        assert_eq!(status & bits::READY, 0);
        card.drop_words(Engine::Msm);
        card.break_memory(false);
        card.write(Reg::Control, bits::RESET).unwrap();
        card.wait_until_ready().unwrap();
        while card.received(Engine::Msm).is_some() {}
        check(card, &[(pass.clone(), words.clone())], &bases);
    };
    let malformed: [fn(&mut Pass); 7] = [
        |pass| pass.width = 3,
        |pass| pass.width = 14,
        |pass| pass.windows = 0,
        |pass| pass.windows = 33,
        |pass| pass.words = 0,
        |pass| pass.bases_per_word = 2,
        |pass| pass.first_field = 4,
    ];
    for break_it in malformed {
        let mut broken = pass.clone();
        break_it(&mut broken);
        send(&mut card, &broken, &words);
        fault(&mut card, Fault::Header);
    }
    // no header at all
    card.send(Engine::Msm, [0; WORD], false);
    fault(&mut card, Fault::Header);
    // the last word too early, too late, and in the header
    send(
        &mut card,
        &Pass {
            words: 21,
            ..pass.clone()
        },
        &words,
    );
    fault(&mut card, Fault::Length);
    send(
        &mut card,
        &Pass {
            words: 19,
            ..pass.clone()
        },
        &words,
    );
    fault(&mut card, Fault::Length);
    card.send(Engine::Msm, pass.header()[0], true);
    fault(&mut card, Fault::Length);
    // bases that are not there
    send(
        &mut card,
        &Pass {
            first_base: BASES as u32 - 19,
            ..pass.clone()
        },
        &words,
    );
    fault(&mut card, Fault::Bases);
    card.break_memory(true);
    send(&mut card, &pass, &words);
    fault(&mut card, Fault::Memory);
    // a host that sends half a pass
    card.write(Reg::Watchdog, 1_000).unwrap();
    pass.header()
        .into_iter()
        .for_each(|word| card.send(Engine::Msm, word, false));
    card.send(Engine::Msm, words[0], false);
    fault(&mut card, Fault::Watchdog);
}
