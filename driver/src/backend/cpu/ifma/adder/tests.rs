//! Sums of every kind of pair, in every lane.

use ark_ec::CurveGroup;
use ark_ff::Field;
use rand_chacha::rand_core::SeedableRng;

use super::super::super::engine::{NEGATED, Portable, RESULT};
use super::super::super::scalar::{Adx, Plain};
use super::*;
use crate::sample::{Bases, field, generator_times};

/// Adds pairs of points, given by references to `points`, with both engines, and compares with arkworks' sums.
fn check(points: &[G1Affine], a: &[u32], b: &[u32]) {
    check_engine(Portable(Plain), points, a, b);
    if let Some(adx) = Adx::detect() {
        check_engine(Portable(adx), points, a, b);
    }
    if let Some(simd) = Simd::detect() {
        check_engine(simd, points, a, b);
    }
}

fn check_engine<E: Engine>(engine: E, points: &[G1Affine], a: &[u32], b: &[u32]) {
    let bases: Vec<E::Point> = points.iter().map(|point| engine.import(point)).collect();
    let mut out = vec![E::INFINITY; a.len()];
    let from = Points {
        bases: &bases,
        results: &[],
    };
    engine.add(&mut engine.scratch(), from, a, b, &mut out);
    let point = |reference: u32| {
        let point = points[(reference & !NEGATED) as usize];
        if reference & NEGATED == 0 { point } else { -point }
    };
    let expected: Vec<G1Affine> = a
        .iter()
        .zip(b)
        .map(|(&a, &b)| (point(a) + point(b)).into_affine())
        .collect();
    for (sum, expected) in out.iter().zip(&expected) {
        assert_eq!(engine.export(sum), *expected);
    }
    // The same in place: sums go where other pairs have their points.
    let mut results = bases.clone();
    results.resize(bases.len().max(a.len()), E::INFINITY);
    let second: Vec<u32> = b.iter().map(|&b| b | RESULT).collect();
    let to: Vec<u32> = (0..a.len() as u32).rev().collect();
    engine.add_among(&mut engine.scratch(), &bases, &mut results, a, &second, &to);
    for (sum, expected) in results[..a.len()].iter().rev().zip(&expected) {
        assert_eq!(engine.export(sum), *expected);
    }
}

#[test]
fn every_length_and_every_exception_in_every_lane() {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(9);
    let k = field(&mut rng);
    let mut points = Bases::random(40, &mut rng).points;
    // The last four: a point, its opposite, the identity, and the point's double.
    points.extend([k, -k, Fr::from(0u64), k + k].map(|k| generator_times(k).into_affine()));
    for len in 1..=33u32 {
        let a: Vec<u32> = (0..len).collect();
        let b: Vec<u32> = (0..len)
            .map(|i| (i + 7) | if i % 3 == 0 { NEGATED } else { 0 })
            .collect();
        check(&points, &a, &b);
        for lane in 0..len as usize {
            for (first, second) in [
                (40, 40),
                (40, 41),
                (40, 40 | NEGATED),
                (41 | NEGATED, 40),
                (42, 40),
                (40, 42),
                (42, 42),
                (43, 40),
            ] {
                let (mut a, mut b) = (a.clone(), b.clone());
                (a[lane], b[lane]) = (first, second);
                check(&points, &a, &b);
            }
        }
    }
    let long: Vec<u32> = (0..8 * SHARED as u32 * 2 + 5).map(|i| i % 44).collect();
    let other: Vec<u32> = (0..long.len() as u32)
        .map(|i| ((i * i) % 44) | if i % 5 == 0 { NEGATED } else { 0 })
        .collect();
    check(&points, &long, &other);
}

/// Stored coordinates may exceed `p` by a little: equal points must be seen as equal all the same.
#[test]
fn unreduced_coordinates_are_seen_through() {
    let Some(simd) = Simd::detect() else { return };
    let smallest = (1u64..).find_map(|stored| {
        let x = Fq::new_unchecked(BigInt::from(stored)) * SIXTEENTH;
        let y = (x.square() * x + Fq::from(3u64)).sqrt()?;
        Some(G1Affine::new_unchecked(x, y))
    });
    let Some(base) = smallest else { return };
    let reduced = simd.import(&base);
    let mut raised = reduced;
    let mut x = BigInt(raised.0[0]);
    x.add_with_carry(&Fq::MODULUS);
    raised.0[0] = x.0;
    let bases = [reduced, raised];
    let double = (base + base).into_affine();
    for (a, b) in [(0, 1), (1, 0), (1, 1)] {
        let mut out = [Simd::INFINITY; 2];
        simd.add(
            &mut simd.scratch(),
            Points {
                bases: &bases,
                results: &[],
            },
            &[a, a],
            &[b, b | NEGATED],
            &mut out,
        );
        assert_eq!(out.map(|point| simd.export(&point)), [double, G1Affine::identity()]);
    }
}

#[test]
fn points_survive_import_and_export() {
    let Some(simd) = Simd::detect() else { return };
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(10);
    for point in Bases::random(5, &mut rng)
        .points
        .into_iter()
        .chain([G1Affine::identity()])
    {
        let stored = simd.import(&point);
        assert_eq!(simd.export(&stored), point);
        assert_eq!(simd.export(&Simd::negate_if(true, &stored)), -point);
    }
}
