//! Measures how busy the adder is: cycles and performance counters of MSMs over several distributions of scalars.
//!
//! `cargo run --release -p tapeout-sim --example occupancy -- [LOG_SIZES] [exact]`, sizes as `12..14`. Work is the number of
//! non-zero digits and of additions of the reduction; occupancy is work over cycles, for the whole run from the first word to the last sum.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use ark_bn254::{G1Affine, G1Projective};
use ark_ec::{CurveGroup, PrimeGroup};
use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use cpu_time::ProcessTime;
use tapeout_hw::Reg;
use tapeout_hw::msm::{self, Pass, SUM_WORDS, best_width, windows_for, windows_per_pass};
use tapeout_hw::regs::bits;
use tapeout_sim::{Card, Fidelity, LINE, Surroundings, WORD};

type Word = [u64; WORD];

/// The distributions of full-width scalars.
const KINDS: [&str; 6] = [
    "uniform",
    "10% equal",
    "two values",
    "zipf digits",
    "all equal",
    "quantised",
];

fn scalars(kind: &str, n: usize, width: u32, rng: &mut StdRng) -> Vec<Word> {
    let uniform = |rng: &mut StdRng| {
        let mut word: Word = rng.r#gen();
        word[3] = ((word[3] as i64) >> 3) as u64;
        word
    };
    let (one, other) = (uniform(rng), uniform(rng));
    let buckets = 1u64 << (width - 1);
    let harmonic: Vec<f64> = (1..=buckets)
        .scan(0.0, |sum, k| {
            *sum += 1.0 / k as f64;
            Some(*sum)
        })
        .collect();
    let zipf = |rng: &mut StdRng| {
        let at = rng.gen_range(0.0..harmonic[harmonic.len() - 1]);
        1 + harmonic.partition_point(|&sum| sum < at) as u64
    };
    (0..n)
        .map(|_| match kind {
            "10% equal" if rng.gen_range(0..10) == 0 => one,
            "two values" => [one, other][rng.gen_range(0..2)],
            "zipf digits" => (0..252 / width).fold([0; WORD], |mut word, i| {
                let (digit, at) = (zipf(rng) - 1, (i * width) as usize);
                word[at / 64] |= digit << (at % 64);
                if at % 64 != 0 && at / 64 + 1 < WORD {
                    word[at / 64 + 1] |= digit >> (64 - at % 64);
                }
                word
            }),
            "all equal" => one,
            // values of a quantised network in a full-width column: half of them zero, the rest of eight bits
            "quantised" => {
                let value: i64 = if rng.r#gen() { 0 } else { rng.gen_range(-128..128) };
                let sign = if value < 0 { u64::MAX } else { 0 };
                [value as u64, sign, sign, sign]
            }
            _ => uniform(rng),
        })
        .collect()
}

struct Row {
    cycles: u64,
    work: u64,
    digits: u64,
    stream: u64,
    adds: u64,
    bubbles: [u64; 3],
    model: u64,
    seconds: f64,
}

fn run(card: &mut Card, passes: &[(Pass, &[Word])]) -> Row {
    card.write(Reg::Control, bits::CLEAR).unwrap();
    let start = ProcessTime::now();
    let first = card.cycles();
    for (pass, words) in passes {
        pass.header().into_iter().for_each(|word| card.send(word, false));
        words
            .iter()
            .enumerate()
            .for_each(|(i, word)| card.send(*word, i + 1 == words.len()));
    }
    let sums: usize = passes.iter().map(|(pass, _)| pass.windows as usize * SUM_WORDS).sum();
    while card.pending() < sums {
        card.step().unwrap();
    }
    let seconds = start.elapsed().as_secs_f64() / (card.cycles() - first) as f64;
    while card.received().is_some() {}
    let mut counter = |low: Reg| {
        let high = tapeout_hw::regs::REGS[low as usize + 1].reg;
        u64::from(card.read(low).unwrap()) | u64::from(card.read(high).unwrap()) << 32
    };
    let cycles = counter(Reg::CyclesLo);
    let (digits, reduction) = (counter(Reg::DigitsLo), counter(Reg::ReductionAddsLo));
    let counted: Vec<_> = passes
        .iter()
        .map(|(pass, _)| (digits / passes.len() as u64, pass))
        .collect();
    Row {
        cycles,
        work: digits + reduction,
        digits,
        stream: counter(Reg::StreamCyclesLo),
        adds: counter(Reg::AddsLo),
        bubbles: [Reg::BubbleHostLo, Reg::BubbleMemoryLo, Reg::BubbleDrainLo].map(counter),
        model: msm::cycles(&counted),
        seconds,
    }
}

fn print(what: &str, width: u32, row: &Row) {
    println!(
        "| {what} | {width} | {} | {} | {:.3} | {:.3} | {} | {} / {} / {} | {:.3} | {:.2} |",
        row.cycles,
        row.work,
        row.work as f64 / row.cycles as f64,
        row.digits as f64 / row.stream as f64,
        row.adds,
        row.bubbles[0],
        row.bubbles[1],
        row.bubbles[2],
        row.model as f64 / row.cycles as f64,
        1e-6 / row.seconds
    );
}

/// The passes of one scalar width, windows split evenly.
fn passes(n: usize, width: u32) -> Vec<Pass> {
    let windows = windows_for(254, width);
    let count = windows.div_ceil(windows_per_pass(width));
    let pass = |i: u32| {
        let first_field = windows * i / count;
        Pass {
            width,
            log_fields_per_base: 5,
            bases_per_word: 1,
            first_field,
            windows: windows * (i + 1) / count - first_field,
            words: n as u32,
            first_base: 0,
            lane_tops: [0; WORD],
        }
    };
    (0..count).map(pass).collect()
}

fn main() {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let sizes = arguments.first().map_or("12..14", String::as_str);
    let (from, to) = sizes.split_once("..").unwrap_or((sizes, sizes));
    let fidelity = if arguments.iter().any(|a| a == "exact") {
        Fidelity::Exact
    } else {
        Fidelity::Fast
    };
    let mut card = Card::new(fidelity, Surroundings::default()).unwrap();
    let mut rng = StdRng::seed_from_u64(1);
    println!(
        "| scalars | c | cycles | work | occupancy | digits per streaming cycle | additions | idle: host / memory / drain | model / counter | Mcycle per CPU second |\n\
         |---|---|---|---|---|---|---|---|---|---|"
    );
    for log_n in from.parse::<u32>().unwrap()..=to.parse().unwrap() {
        let n = 1usize << log_n;
        bases(&mut card, n);
        for kind in KINDS {
            let width = best_width(n as u64, 254);
            let words = scalars(kind, n, width, &mut rng);
            let passes: Vec<_> = passes(n, width).into_iter().map(|pass| (pass, &words[..])).collect();
            print(&format!("2^{log_n} {kind}"), width, &run(&mut card, &passes));
        }
    }
    let n = 1 << 11;
    bases(&mut card, n);
    let width = best_width(n as u64, 254);
    let items: Vec<_> = (0..16).map(|_| scalars("uniform", n, width, &mut rng)).collect();
    let batch: Vec<_> = items
        .iter()
        .flat_map(|words| passes(n, width).into_iter().map(|pass| (pass, &words[..])))
        .collect();
    print("16 of 2^11 uniform", width, &run(&mut card, &batch));
    // sixteen columns of quantised values, one window each, side by side in every word
    let lanes: Vec<Word> = (0..n).map(|_| narrow(&mut rng)).collect();
    let mut lane_tops = [0; WORD];
    (1..=16)
        .map(|i| 9 * i - 1)
        .for_each(|bit| lane_tops[bit / 64] |= 1 << (bit % 64));
    let pass = Pass {
        log_fields_per_base: 4,
        windows: 16,
        lane_tops,
        ..passes(n, 9)[0].clone()
    };
    print("16 of 2^11 quantised", 9, &run(&mut card, &[(pass, &lanes[..])]));
}

/// Sixteen values of eight bits and a sign, half of them zero, nine bits each.
fn narrow(rng: &mut StdRng) -> Word {
    (0..16).fold([0; WORD], |mut word, i| {
        let value: i64 = if rng.r#gen() { 0 } else { rng.gen_range(-128..128) };
        for bit in (0..9).filter(|bit| value >> bit & 1 == 1) {
            word[(9 * i + bit) / 64] |= 1 << ((9 * i + bit) % 64);
        }
        word
    })
}

fn bases(card: &mut Card, n: usize) {
    let mut next = G1Projective::generator();
    let step = next + next;
    let points: Vec<_> = (0..n)
        .map(|_| {
            next += step;
            next
        })
        .collect();
    let line = |point: &G1Affine| {
        let mut line = [0; LINE];
        line[..4].copy_from_slice(&point.x.0.0);
        line[4..].copy_from_slice(&point.y.0.0);
        line
    };
    *card.memory() = G1Projective::normalize_batch(&points).iter().map(line).collect();
    card.write(Reg::BaseCount, n as u32).unwrap();
}
