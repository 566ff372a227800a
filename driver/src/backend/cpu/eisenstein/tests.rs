//! Digits of scalars where rounding may go either way, and of any, by both engines.

#![allow(clippy::unwrap_used)]

use ark_ec::scalar_mul::glv::GLVConfig;
use ark_ff::{Field, PrimeField};
use num_bigint::BigInt;
use proptest::prelude::*;

use super::super::engine::{Engine, Portable};
use super::super::scalar::Plain;
use super::super::windows::BUCKET;
use super::*;
use crate::{Fr, sample};

/// What `w` is modulo `pi`.
const W: Fr = <ark_bn254::g1::Config as GLVConfig>::LAMBDA;

fn field(x: i128) -> Fr {
    sample::integer(x)
}

fn measure([a, b]: [i128; 2]) -> i128 {
    // Sums of three that fit, in an order that does.
    (a - b + a).abs().max((b - a + b).abs()).max((a + b).abs())
}

#[test]
fn constants_are_what_they_should_be() {
    assert_eq!(W * W + W, -Fr::ONE);
    assert_eq!(field(C - D), field(D) * W);
    let r = BigInt::from(num_bigint::BigUint::from(Fr::MODULUS));
    let (c, d) = (BigInt::from(C), BigInt::from(D));
    assert_eq!(&c * &c - &c * &d + &d * &d, r);
    assert_eq!(BigInt::from(NORM_ROOT), r.sqrt());
    const { assert!(NORM_ROOT >> BITS == 0) };
    for (part, quotient) in [(c, C_OVER_R), (d, D_OVER_R)] {
        let words = quotient.map(BigInt::from);
        let quotient = &words[0] + (&words[1] << 64) + (&words[2] << 128);
        assert_eq!(quotient, ((part << (FRACTION + 1)) + &r) / (&r << 1));
    }
}

/// The Eisenstein integer that a digit stands for, after checking that its bucket is one of a window's.
fn value(windows: Windows, window: usize, digit: u32) -> [i128; 2] {
    let grid = windows.grid(window);
    let bucket = (digit & BUCKET) as usize;
    assert!(bucket < grid.size);
    let (column, row) = ((bucket % grid.columns) as i128, (bucket / grid.columns) as i128);
    let largest = windows.largest(window) as i128;
    assert!(2 * column + row <= largest && column + 2 * row <= largest);
    // column - row w^2 = column + row + row w
    let mut value = [column + row, row];
    for _ in 0..(digit & !SIGN) >> UNIT {
        let [a, b] = value;
        value = [-b, a - b];
    }
    if digit & SIGN == 0 {
        value
    } else {
        value.map(|part| -part)
    }
}

fn check(values: &[Fr], windows: Windows) {
    let mut integers = vec![[0; 4]; values.len()];
    Portable(Plain).integers(values, &mut integers);
    let mut digits = vec![0; values.len() * windows.count];
    Portable(Plain).digits(windows, &integers, &mut digits);
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = super::super::ifma::Simd::detect() {
        let mut lanes = vec![0; digits.len()];
        simd.digits(windows, &integers, &mut lanes);
        assert!(digits == lanes, "{windows:?}");
    }
    let base = Fr::from(2u64).pow([u64::from(windows.width)]);
    for (i, v) in values.iter().enumerate() {
        let own = digits.iter().skip(i).step_by(values.len()).enumerate();
        let sum = own.rev().fold(field(0), |sum, (window, digit)| {
            let [a, b] = value(windows, window, *digit);
            sum * base + field(a) + field(b) * W
        });
        assert_eq!(sum, *v, "{windows:?}");
    }
}

/// All kinds of windows that scalars may be cut into, but those of which the last has more buckets than memory.
fn all_windows() -> impl Iterator<Item = Windows> {
    let all = (1..=12).flat_map(|width| [(width, false), (width, true)]);
    let all = all.map(|(width, rest)| Windows::eisenstein(width, rest));
    all.filter(|windows| windows.grid(windows.count - 1).size < 1 << 22)
}

/// Scalars whose Eisenstein integers, or whose digits, are where rounding may go either way.
fn edges() -> Vec<Fr> {
    let half = Fr::from(2u64).inverse().unwrap();
    let third = Fr::from(3u64).inverse().unwrap();
    let powers = (0..254u64).flat_map(|k| {
        let power = Fr::from(2u64).pow([k]);
        [power - Fr::ONE, power, power + Fr::ONE, power * third]
    });
    let parts = [
        0,
        1,
        2,
        C,
        C / 2,
        C / 3,
        D,
        D / 2,
        C - D,
        (C - D) / 2,
        (C + D) / 2,
        (C + D) / 3,
    ];
    let parts = parts.into_iter().flat_map(|a| parts.map(|b| field(a) + field(b) * W));
    let mut values: Vec<Fr> = powers.chain(parts).chain([half, third]).collect();
    // Midpoints and corners of the hexagons of every width, by every unit.
    for k in 0..16 {
        let full = 1i128 << k;
        values.extend(
            [[full / 2, 0], [full / 3, 2 * full / 3], [full / 3 + 1, 2 * full / 3]]
                .map(|[a, b]| field(a) + field(b) * W),
        );
    }
    let near = values.iter().flat_map(|v| [*v, *v + Fr::ONE, *v - W]);
    near.flat_map(|v| [v, v * W, v * W * W]).flat_map(|v| [v, -v]).collect()
}

#[test]
fn scalars_become_what_is_nearest_to_zero() {
    let mut rng = <rand_chacha::ChaCha8Rng as rand_chacha::rand_core::SeedableRng>::seed_from_u64(6);
    for v in edges().into_iter().chain(sample::fields(10_000, &mut rng)) {
        let mut integer = [[0; 4]];
        Portable(Plain).integers(&[v], &mut integer);
        let [w0, w1, w2, w3] = integer[0];
        let [a, b] = reduce([w0, w1, w2, w3 & !NEGATIVE]);
        let sum = field(a) + field(b) * W;
        assert_eq!(if w3 & NEGATIVE == 0 { sum } else { -sum }, v);
        // 2^-18 and less for roundings, of quotients and of measures.
        assert!(measure([a, b]) <= NORM_ROOT as i128 + (NORM_ROOT >> 18) as i128);
    }
}

#[test]
fn edge_values_are_what_their_digits_say() {
    let values = edges();
    for windows in all_windows() {
        check(&values, windows);
        for few in 0..10 {
            check(&values[..few], windows);
        }
    }
}

/// Every residue has a digit that is nearest to zero, and as many share one as there are units, but for those on the edge.
#[test]
fn every_residue_is_nearest_to_zero_in_its_bucket() {
    for width in 1..=7 {
        let full = 1i64 << width;
        let mut buckets = vec![0usize; 1 << (2 * width)];
        let windows = Windows::eisenstein(width, true);
        let mut inside = 0;
        for (a, b) in (0..=full).flat_map(|a| (0..=full).map(move |b| (a, b))) {
            let (digit, carries) = nearest([a, b], width, windows.grid(0).columns);
            let [x, y] = value(windows, 0, digit);
            let carried = carries.map(|carry| i128::from(full) * i128::from(carry));
            assert_eq!([x + carried[0], y + carried[1]], [a, b].map(i128::from));
            // Points between two sectors may be in either's bucket, those between two hexagons in either.
            let bucket = (digit & BUCKET) as usize;
            let columns = windows.grid(0).columns;
            let between = bucket < columns || bucket.is_multiple_of(columns) || measure([x, y]) == i128::from(full);
            if !between && a < full && b < full {
                buckets[bucket] += 1;
                inside += 1;
            }
        }
        let used: Vec<usize> = buckets.into_iter().filter(|&n| n > 0).collect();
        assert!(used.iter().all(|&n| n == 6) && 6 * used.len() == inside);
    }
}

proptest! {
    #[test]
    fn digits_are_the_scalar(seed in any::<[u8; 32]>()) {
        use rand_chacha::rand_core::SeedableRng;
        let values = sample::fields(19, &mut rand_chacha::ChaCha8Rng::from_seed(seed));
        all_windows().for_each(|windows| check(&values, windows));
    }
}
