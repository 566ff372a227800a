//! Whole MSMs of every size from 2^4 to 2^14 against arkworks', on scalars of every pattern, with random stalls on
//! all interfaces.
#![allow(clippy::unwrap_used)]

mod common;

use ark_bn254::{Fr, G1Affine, G1Projective};
use ark_ec::{CurveGroup, VariableBaseMSM};
use ark_ff::{AdditiveGroup, PrimeField, UniformRand};
use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use common::{bases, card, joined, receive, send, wide};
use tapeout_sim::{Card, Fidelity, Surroundings, available};

/// Uniform scalars, and those that hold up engines with hazards. The last one has the same digit in every window, so
/// that all bases meet in one bucket of each.
fn patterns(n: usize, width: u32, rng: &mut StdRng) -> Vec<(&'static str, Vec<Fr>)> {
    let (one, other, random) = (Fr::from(1u8), Fr::rand(rng), Fr::rand(rng));
    let mut sorted: Vec<Fr> = (0..n).map(|_| Fr::rand(rng)).collect();
    sorted.sort();
    let digit = Fr::from(3u8);
    let adversarial = (0..254 / width - 1).fold(digit, |sum, _| sum * Fr::from(1u64 << width) + digit);
    let mut of = |f: &mut dyn FnMut(&mut StdRng) -> Fr| (0..n).map(|_| f(rng)).collect();
    vec![
        ("uniform", of(&mut |rng| Fr::rand(rng))),
        ("all equal", of(&mut |_| random)),
        ("all zero", of(&mut |_| Fr::ZERO)),
        ("all one", of(&mut |_| one)),
        ("all minus one", of(&mut |_| -one)),
        ("two values", of(&mut |rng| if rng.r#gen() { random } else { other })),
        (
            "a tenth equal",
            of(&mut |rng| if rng.gen_ratio(1, 10) { random } else { Fr::rand(rng) }),
        ),
        ("sorted", sorted),
        ("one bucket a window", of(&mut |_| adversarial)),
    ]
}

/// The MSM from its window sums.
fn msm(card: &mut Card, scalars: &[Fr], width: u32) -> G1Affine {
    let passes = wide(scalars.len(), width, &mut |i| scalars[i].into_bigint().0);
    passes.iter().for_each(|(pass, words)| send(card, pass, words));
    let sums = passes.iter().flat_map(|(pass, _)| {
        let got = receive(card, pass);
        joined(pass, &got)
    });
    let sums: Vec<G1Affine> = sums.collect();
    let shifted = |sum: G1Projective, window: &G1Affine| (0..width).fold(sum, |sum, _| sum.double()) + window;
    sums.iter().rev().fold(G1Projective::ZERO, shifted).into_affine()
}

#[test]
fn sums_of_every_size_and_pattern_are_those_of_arkworks() {
    if !available() {
        return;
    }
    let mut rng = StdRng::seed_from_u64(31);
    let points = bases(1 << 14, &[], &mut rng);
    for log_n in 4..=14u32 {
        let (n, width) = (1 << log_n, (log_n - 3).clamp(8, 11));
        let fidelity = if log_n <= 7 { Fidelity::Exact } else { Fidelity::Fast };
        let around = Surroundings {
            stalls: 30,
            memory_latency: rng.gen_range(1..200),
            ..Surroundings::default()
        };
        let mut card = card(fidelity, around, &points[..n]);
        for (what, scalars) in patterns(n, width, &mut rng) {
            let expected = G1Projective::msm(&points[..n], &scalars).unwrap().into_affine();
            assert_eq!(msm(&mut card, &scalars, width), expected, "2^{log_n}, {what}");
        }
    }
}
