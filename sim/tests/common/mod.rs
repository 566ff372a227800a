//! What the tests of the card share: bases, passes and what they must come to.
#![allow(clippy::unwrap_used, dead_code, unreachable_pub)]

use ark_bn254::{Fq, G1Affine, G1Projective};
use ark_ec::{AffineRepr, CurveGroup, PrimeGroup};
use ark_ff::{AdditiveGroup, Field as _, UniformRand};
use ark_std::rand::{Rng, rngs::StdRng};
use tapeout_hw::Reg;
use tapeout_hw::field::from_limbs;
use tapeout_hw::msm::{Pass, SUM_WORDS, recode};
use tapeout_hw::regs::REGS;
use tapeout_sim::{Card, Engine, Fidelity, LINE, Surroundings, WORD};

/// Resident bases of the tests.
pub const BASES: usize = 600;

/// A card with these bases.
pub fn card(fidelity: Fidelity, around: Surroundings, bases: &[G1Affine]) -> Card {
    let mut card = Card::new(fidelity, around).unwrap();
    *card.memory() = bases.iter().map(line).collect();
    card.write(Reg::BaseCount, bases.len() as u32).unwrap();
    card
}

/// Bases that begin with infinity, a point, the same again and its opposite.
pub fn points(rng: &mut StdRng) -> Vec<G1Affine> {
    let g = G1Affine::generator();
    bases(BASES, &[G1Affine::identity(), g, g, -g], rng)
}

/// A random full-width scalar, positive or negative, within the windows' reach.
pub fn scalar(rng: &mut StdRng) -> [u64; WORD] {
    let mut word: [u64; WORD] = rng.r#gen();
    word[3] = ((word[3] as i64) >> 3) as u64;
    word
}

/// `n` bases: the multiples of a random point, and what the caller asks for in front.
pub fn bases(n: usize, front: &[G1Affine], rng: &mut StdRng) -> Vec<G1Affine> {
    let step = G1Projective::rand(rng);
    let mut next = G1Projective::generator();
    let mut all = Vec::with_capacity(n);
    while all.len() < n {
        all.push(next);
        next += step;
    }
    let mut all = G1Projective::normalize_batch(&all);
    all[..front.len()].copy_from_slice(front);
    all
}

/// A line of external memory: the coordinates in Montgomery form, zero for infinity.
pub fn line(base: &G1Affine) -> [u64; LINE] {
    let mut line = [0; LINE];
    if !base.is_zero() {
        line[..4].copy_from_slice(&base.x.0.0);
        line[4..].copy_from_slice(&base.y.0.0);
    }
    line
}

/// The digits of a pass that are not zero, as `(base, window, digit)`.
pub fn digits(pass: &Pass, words: &[[u64; WORD]]) -> Vec<(usize, usize, i32)> {
    let mut all = Vec::new();
    for (i, word) in words.iter().enumerate() {
        let fields = recode(word, &pass.lane_tops, pass.width);
        for (f, &digit) in fields.iter().enumerate() {
            let place = f % (1 << pass.log_fields_per_base);
            let taken = f < (pass.bases_per_word << pass.log_fields_per_base) as usize
                && (pass.first_field..pass.first_field + pass.windows).contains(&(place as u32));
            if taken && digit != 0 {
                let base =
                    pass.first_base as usize + i * pass.bases_per_word as usize + (f >> pass.log_fields_per_base);
                all.push((base, place - pass.first_field as usize, digit));
            }
        }
    }
    all
}

/// The window sums that arkworks gives.
pub fn sums(pass: &Pass, words: &[[u64; WORD]], bases: &[G1Affine]) -> Vec<G1Affine> {
    let mut sums = vec![G1Projective::ZERO; pass.windows as usize];
    for (base, window, digit) in digits(pass, words) {
        let multiple = bases[base].mul_bigint([u64::from(digit.unsigned_abs())]);
        sums[window] += if digit < 0 { -multiple } else { multiple };
    }
    G1Projective::normalize_batch(&sums)
}

/// What the sums of a pass come to for each window.
pub fn joined(pass: &Pass, got: &[G1Affine]) -> Vec<G1Affine> {
    let mut sums = vec![G1Projective::ZERO; pass.windows as usize];
    for ((window, bit), sum) in pass.sums().zip(got) {
        sums[window as usize] += sum.mul_bigint([1u64 << bit]);
    }
    G1Projective::normalize_batch(&sums)
}

/// Queues a pass.
pub fn send(card: &mut Card, pass: &Pass, words: &[[u64; WORD]]) {
    pass.header()
        .into_iter()
        .for_each(|word| card.send(Engine::Msm, word, false));
    for (i, word) in words.iter().enumerate() {
        card.send(Engine::Msm, *word, i + 1 == words.len());
    }
}

/// A counter of the card, in the snapshot that reading the cycles takes.
pub fn counter(card: &mut Card, low: Reg) -> u64 {
    let high = REGS[low as usize + 1].reg;
    u64::from(card.read(low).unwrap()) | u64::from(card.read(high).unwrap()) << 32
}

/// Steps until the sums of a pass have come.
pub fn receive(card: &mut Card, pass: &Pass) -> Vec<G1Affine> {
    let count = pass.sums().count();
    let patience = card.cycles() + 10_000_000;
    while card.pending(Engine::Msm) < count * SUM_WORDS {
        card.step().unwrap();
        assert!(
            card.cycles() < patience,
            "stuck: status {:#x}",
            card.read(Reg::Status).unwrap()
        );
    }
    (0..count)
        .map(|i| {
            let words: Vec<_> = (0..SUM_WORDS).map(|_| card.received(Engine::Msm).unwrap()).collect();
            let last: Vec<_> = words.iter().map(|word| word.1).collect();
            assert_eq!(last, [false, false, i + 1 == count]);
            point(&[words[0].0, words[1].0, words[2].0])
        })
        .collect()
}

/// The point of homogeneous coordinates, whatever their common factor.
pub fn point(words: &[[u64; WORD]; 3]) -> G1Affine {
    let [x, y, z] = words.map(|word| Fq::from(from_limbs(&word)));
    z.inverse()
        .map_or(G1Affine::identity(), |z| G1Affine::new_unchecked(x * z, y * z))
}

/// The full width of a scalar in windows of width `c`, 26 of them for `c = 10`.
pub fn full(width: u32, words: usize) -> Pass {
    Pass {
        width,
        log_fields_per_base: 5,
        bases_per_word: 1,
        first_field: 0,
        windows: tapeout_hw::msm::windows_for(254, width).min(tapeout_hw::msm::CONFIG.windows_per_pass(width)),
        words: words as u32,
        first_base: 0,
        lane_tops: [0; 4],
        planes: false,
    }
}

/// A full-width MSM of that many points, in as few passes as hold its windows.
pub fn wide(n: usize, width: u32, word: &mut dyn FnMut(usize) -> [u64; WORD]) -> Vec<(Pass, Vec<[u64; WORD]>)> {
    let words: Vec<_> = (0..n).map(word).collect();
    let (mut passes, mut first_field) = (Vec::new(), 0);
    let windows = tapeout_hw::msm::windows_for(254, width);
    while first_field < windows {
        let pass = full(width, n);
        let taken = pass.windows.min(windows - first_field);
        passes.push((
            Pass {
                first_field,
                windows: taken,
                ..pass
            },
            words.clone(),
        ));
        first_field += taken;
    }
    passes
}
