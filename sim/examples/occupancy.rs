//! Measures how busy the adder is: cycles and performance counters of MSMs over several distributions of scalars.
//!
//! `cargo run --release -p tapeout-sim --example occupancy -- [LOG_SIZES] [exact]`, sizes as `12..14`. Work is the
//! number of non-zero digits and of additions of the reduction; occupancy is work over cycles, for the whole run from
//! the first word to the last sum. `absorbed` is the number of non-zero digits per cycle until the last one is in its
//! bucket, in a run of a single pass: accumulation alone.
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use ark_bn254::{G1Affine, G1Projective};
use ark_ec::{CurveGroup, PrimeGroup};
use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use cpu_time::ProcessTime;
use tapeout_hw::Reg;
use tapeout_hw::cost::{Load, Memory, cycles};
use tapeout_hw::msm::{CONFIG, FIELDS, MIN_WIDTH, Pass, SUM_WORDS, windows_for};
use tapeout_hw::regs::bits;
use tapeout_sim::{Card, Engine, Fidelity, LINE, Surroundings, WORD};

type Word = [u64; WORD];

/// The distributions of full-width scalars.
const KINDS: [&str; 5] = ["uniform", "10% equal", "two values", "zipf digits", "all equal"];

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
            _ => uniform(rng),
        })
        .collect()
}

struct Row {
    cycles: u64,
    work: u64,
    absorbed: f64,
    adds: u64,
    bubbles: [u64; 3],
    loads: Vec<Load>,
    seconds: f64,
}

fn run(card: &mut Card, passes: &[(Pass, &[Word])]) -> Row {
    card.write(Reg::Control, bits::CLEAR).unwrap();
    let start = ProcessTime::now();
    let first = card.cycles();
    for (pass, words) in passes {
        pass.header()
            .into_iter()
            .for_each(|word| card.send(Engine::Msm, word, false));
        words
            .iter()
            .enumerate()
            .for_each(|(i, word)| card.send(Engine::Msm, *word, i + 1 == words.len()));
    }
    let sums: usize = passes.iter().map(|(pass, _)| pass.sums().count() * SUM_WORDS).sum();
    while card.pending(Engine::Msm) < sums {
        card.step().unwrap();
    }
    let seconds = start.elapsed().as_secs_f64() / (card.cycles() - first) as f64;
    while card.received(Engine::Msm).is_some() {}
    let mut counter = |low: Reg| {
        let high = tapeout_hw::regs::REGS[low as usize + 1].reg;
        u64::from(card.read(low).unwrap()) | u64::from(card.read(high).unwrap()) << 32
    };
    let cycles = counter(Reg::CyclesLo);
    let (digits, reduction) = (counter(Reg::DigitsLo), counter(Reg::ReductionAddsLo));
    Row {
        cycles,
        work: digits + reduction,
        absorbed: digits as f64 / counter(Reg::StreamCyclesLo) as f64,
        adds: counter(Reg::AddsLo),
        bubbles: [Reg::BubbleHostLo, Reg::BubbleMemoryLo, Reg::BubbleDrainLo].map(counter),
        loads: passes.iter().map(|(pass, words)| Load::of(pass, words)).collect(),
        seconds,
    }
}

fn print(what: &str, width: u32, row: &Row, absorbed: f64) {
    let work: u64 = row.loads.iter().map(Load::work).sum();
    println!(
        "| {what} | {width} | {} | {} | {:.3} | {absorbed:.3} | {} | {} / {} / {} | {:.3} / {:.3} | {:.3} |",
        row.cycles,
        row.work,
        row.work as f64 / row.cycles as f64,
        row.adds,
        row.bubbles[0],
        row.bubbles[1],
        row.bubbles[2],
        work as f64 / row.work as f64,
        cycles(&row.loads, Memory::default()) as f64 / row.cycles as f64,
        1e-6 / row.seconds
    );
}

/// The width whose passes take the fewest cycles when digits are uniform.
fn best_width(n: usize) -> u32 {
    let all = (MIN_WIDTH..=CONFIG.max_width).filter(|&width| windows_for(254, width) <= FIELDS);
    let cost = |width: &u32| {
        let passes = passes(n, *width);
        let load = |pass| Load::expected(pass, (n as u64) * u64::from(pass.windows));
        cycles(&passes.iter().map(load).collect::<Vec<_>>(), Memory::default())
    };
    all.min_by_key(cost).unwrap()
}

/// The passes of one scalar width, windows split evenly.
fn passes(n: usize, width: u32) -> Vec<Pass> {
    let windows = windows_for(254, width);
    let count = windows.div_ceil(CONFIG.windows_per_pass(width));
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
            planes: false,
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
        "| scalars | c | cycles | work | occupancy | absorbed | additions | idle: host / memory / drain | model: work / cycles | Mcycle per CPU second |\n\
         |---|---|---|---|---|---|---|---|---|---|"
    );
    for log_n in from.parse::<u32>().unwrap()..=to.parse().unwrap() {
        let n = 1usize << log_n;
        bases(&mut card, n);
        for kind in KINDS {
            let width = best_width(n);
            let words = scalars(kind, n, width, &mut rng);
            let passes: Vec<_> = passes(n, width).into_iter().map(|pass| (pass, &words[..])).collect();
            let row = run(&mut card, &passes);
            print(
                &format!("2^{log_n} {kind}"),
                width,
                &row,
                single(&mut card, kind, n, &mut rng),
            );
        }
        let (pass, words) = quantised(n, 1, &mut rng);
        let row = run(&mut card, &[(pass, &words)]);
        print(&format!("2^{log_n} quantised"), 8, &row, row.absorbed);
    }
    let n = 1 << 11;
    bases(&mut card, n);
    let width = best_width(n);
    let items: Vec<_> = (0..16).map(|_| scalars("uniform", n, width, &mut rng)).collect();
    let batch: Vec<_> = items
        .iter()
        .flat_map(|words| passes(n, width).into_iter().map(|pass| (pass, &words[..])))
        .collect();
    let row = run(&mut card, &batch);
    print(
        "16 of 2^11 uniform",
        width,
        &row,
        single(&mut card, "uniform", n, &mut rng),
    );
    let (pass, words) = quantised(n, 16, &mut rng);
    let row = run(&mut card, &[(pass, &words)]);
    print("16 of 2^11 quantised", 8, &row, row.absorbed);
}

/// Digits absorbed per cycle by a single pass of all windows that fit.
fn single(card: &mut Card, kind: &str, n: usize, rng: &mut StdRng) -> f64 {
    let words = scalars(kind, n, 10, rng);
    let pass = passes(n, 10).remove(0);
    run(card, &[(pass, &words)]).absorbed
}

/// Columns of quantised values as the driver packs them: one window of eight bits each, as many columns and bases
/// side by side in a word as fit. Half of the values are zero.
fn quantised(n: usize, columns: u32, rng: &mut StdRng) -> (Pass, Vec<Word>) {
    let pass = Pass {
        width: 8,
        log_fields_per_base: columns.ilog2(),
        bases_per_word: FIELDS / columns,
        first_field: 0,
        windows: columns,
        words: n as u32 * columns / FIELDS,
        first_base: 0,
        lane_tops: [0x8080_8080_8080_8080; WORD],
        // as the driver chooses: a single column's doublings are the host's
        planes: columns == 1,
    };
    let byte = |rng: &mut StdRng| if rng.r#gen() { 0 } else { rng.r#gen() };
    let word = |_| std::array::from_fn(|_| u64::from_le_bytes(std::array::from_fn(|_| byte(rng))));
    let words = (0..pass.words).map(word).collect();
    (pass, words)
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
