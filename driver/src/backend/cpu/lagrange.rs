//! The inverse NTT in the exponent, which turns powers of tau into a Lagrange basis.
//!
//! Nearly all of its time is `n log n / 2` multiplications of different points by different scalars. They are done many at
//! a time, in lock step, by the batched affine additions of an MSM, and the endomorphism of BN254 (Gallant, Lambert and Vanstone,
//! CRYPTO 2001) halves the doublings.

use ark_bn254::g1;
use ark_ec::scalar_mul::glv::GLVConfig;
use ark_ff::{FftField, Field, PrimeField};
use rayon::prelude::*;

use super::engine::{Engine, NEGATED, Points, RESULT};
use crate::{Fr, G1Affine};

/// Points that one task multiplies in lock step.
const LANES: usize = 1 << 10;

/// Bits of a window of a scalar; its digit is in `-2^(WINDOW - 1) < d <= 2^(WINDOW - 1)`.
const WINDOW: usize = 4;

/// Windows of half a scalar, which has fewer than 128 bits, and one for the last carry.
const WINDOWS: usize = 128 / WINDOW + 1;

/// Multiples of a point that digits choose from, by their magnitude.
const MULTIPLES: usize = 1 << (WINDOW - 1);

/// `out_i = 1/n sum_j w^(-i j) points_j` for the `n`-th root of unity `w`, `n` being a power of two (Cooley and Tukey's butterflies).
pub(super) fn inverse_ntt<E: Engine>(engine: E, points: &[G1Affine]) -> Vec<G1Affine> {
    let n = points.len();
    let log_n = n.trailing_zeros();
    let mut out: Vec<E::Point> = points.iter().map(|point| engine.import(point)).collect();
    for i in 0..n {
        let reversed = i.reverse_bits().checked_shr(usize::BITS - log_n).unwrap_or(0);
        if i < reversed {
            out.swap(i, reversed);
        }
    }
    let scale = Fr::from(n as u64).inverse().unwrap_or_default();
    let mut half = 1;
    while half < n {
        let order = (2 * half).trailing_zeros();
        let root = (order..Fr::TWO_ADICITY).fold(Fr::TWO_ADIC_ROOT_OF_UNITY, |w, _| w.square());
        let root = root.inverse().unwrap_or_default();
        let (upper, mut lower): (Vec<_>, Vec<_>) = out
            .chunks_exact(2 * half)
            .flat_map(|block| block[..half].iter().copied().zip(block[half..].iter().copied()))
            .unzip();
        if half > 1 {
            let twiddles: Vec<Fr> = std::iter::successors(Some(Fr::ONE), |power| Some(root * power))
                .take(half)
                .collect();
            multiply(engine, &mut lower, |i| twiddles[i % half]);
        }
        let (sums, differences) = butterflies(engine, &upper, &lower);
        let pairs = sums.chunks_exact(half).zip(differences.chunks_exact(half));
        for (block, (sums, differences)) in out.chunks_exact_mut(2 * half).zip(pairs) {
            block[..half].copy_from_slice(sums);
            block[half..].copy_from_slice(differences);
        }
        half *= 2;
    }
    multiply(engine, &mut out, |_| scale);
    out.iter().map(|point| engine.export(point)).collect()
}

/// `(a + b, a - b)`.
fn butterflies<E: Engine>(engine: E, a: &[E::Point], b: &[E::Point]) -> (Vec<E::Point>, Vec<E::Point>) {
    let (mut sums, mut differences) = (a.to_vec(), a.to_vec());
    let chunks = a.par_chunks(LANES).zip(b.par_chunks(LANES));
    let out = sums.par_chunks_mut(LANES).zip(differences.par_chunks_mut(LANES));
    chunks.zip(out).for_each(|((a, b), (sums, differences))| {
        let (mut scratch, points) = (engine.scratch(), Points { bases: a, results: b });
        let first: Vec<u32> = (0..a.len() as u32).collect();
        let second: Vec<u32> = first.iter().map(|at| at | RESULT).collect();
        engine.add(&mut scratch, points, &first, &second, sums);
        let second: Vec<u32> = second.iter().map(|at| at | NEGATED).collect();
        engine.add(&mut scratch, points, &first, &second, differences);
    });
    (sums, differences)
}

/// Multiplies each point by its scalar, which `scalar` gives for the point's index.
fn multiply<E: Engine>(engine: E, points: &mut [E::Point], scalar: impl Fn(usize) -> Fr + Sync) {
    points.par_chunks_mut(LANES).enumerate().for_each(|(chunk, points)| {
        let first = chunk * LANES;
        let digits: Vec<_> = (first..first + points.len())
            .map(|index| digits(scalar(index)))
            .collect();
        multiply_chunk(engine, points, &digits);
    });
}

fn multiply_chunk<E: Engine>(engine: E, points: &mut [E::Point], digits: &[[[i8; WINDOWS]; 2]]) {
    let (lanes, mut scratch) = (points.len(), engine.scratch());
    // The points times 1, 2, .., one multiple behind the other, the same under the endomorphism, and the identity.
    let mut table = points.to_vec();
    let all: Vec<u32> = (0..lanes as u32).collect();
    for multiple in 1..MULTIPLES {
        let last: Vec<u32> = all.iter().map(|at| at + ((multiple - 1) * lanes) as u32).collect();
        let known = Points {
            bases: &table,
            results: &[],
        };
        engine.add(&mut scratch, known, &last, &all, points);
        table.extend_from_slice(points);
    }
    table.extend_from_within(..);
    engine.rotate(&mut table[MULTIPLES * lanes..]);
    let identity = table.len() as u32;
    table.push(E::INFINITY);
    let entry = |half: usize, lane: usize, digit: i8| match usize::from(digit.unsigned_abs()) {
        0 => identity,
        magnitude => {
            let place = ((half * MULTIPLES + magnitude - 1) * lanes + lane) as u32;
            place | if digit < 0 { NEGATED } else { 0 }
        }
    };

    let own: Vec<u32> = all.iter().map(|at| at | RESULT).collect();
    let (mut sums, mut next) = (vec![E::INFINITY; lanes], vec![E::INFINITY; lanes]);
    let mut add = |sums: &mut Vec<E::Point>, second: &[u32]| {
        let points = Points {
            bases: &table,
            results: sums,
        };
        engine.add(&mut scratch, points, &own, second, &mut next);
        std::mem::swap(sums, &mut next);
    };
    for window in (0..WINDOWS).rev() {
        if window + 1 < WINDOWS {
            (0..WINDOW).for_each(|_| add(&mut sums, &own));
        }
        for half in 0..2 {
            let entries = digits
                .iter()
                .enumerate()
                .map(|(lane, digits)| entry(half, lane, digits[half][window]));
            add(&mut sums, &entries.collect::<Vec<u32>>());
        }
    }
    points.copy_from_slice(&sums);
}

/// The signed digits, lowest first, of `k_0` and `k_1`, where the scalar is `k_0 + lambda k_1` for the eigenvalue lambda of the
/// endomorphism.
fn digits(scalar: Fr) -> [[i8; WINDOWS]; 2] {
    let (first, second) = g1::Config::scalar_decomposition(scalar);
    [first, second].map(|(positive, magnitude)| {
        let [low, high, ..] = magnitude.into_bigint().0;
        let mut left = u128::from(high) << 64 | u128::from(low);
        let mut carry = 0;
        std::array::from_fn(|_| {
            let mut digit = (left % (1 << WINDOW)) as i8 + carry;
            left >>= WINDOW;
            carry = i8::from(digit > MULTIPLES as i8);
            digit -= carry << WINDOW;
            if positive { digit } else { -digit }
        })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ark_ec::{AffineRepr, CurveGroup};
    use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
    use rand_chacha::rand_core::SeedableRng;

    use super::super::engine::Portable;
    use super::super::scalar::Plain;
    use super::*;
    use crate::{G1Projective, sample};

    fn agrees_with_the_generic_transform<E: Engine>(engine: E) {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        let generator = G1Affine::generator();
        for log_n in 0..=7 {
            let n = 1usize << log_n;
            let domain = Radix2EvaluationDomain::<Fr>::new(n).unwrap();
            let mut unit = vec![G1Affine::zero(); n];
            unit[n - 1] = generator;
            let alternating = (0..n).map(|i| if i % 2 == 0 { generator } else { -generator });
            for input in [
                sample::Bases::random(n, &mut rng).points,
                vec![generator; n],
                vec![G1Affine::zero(); n],
                alternating.collect(),
                unit,
            ] {
                let group: Vec<G1Projective> = input.iter().map(|point| point.into_group()).collect();
                let expected = G1Projective::normalize_batch(&domain.ifft(&group));
                assert!(inverse_ntt(engine, &input) == expected, "2^{log_n}");
            }
        }
    }

    fn multiples_of_points<E: Engine>(engine: E) {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(2);
        let lambda = <g1::Config as GLVConfig>::LAMBDA;
        let mut scalars = vec![lambda, -lambda, lambda + Fr::ONE, lambda.square()];
        scalars.extend((0..300u64).flat_map(|scalar| [Fr::from(scalar), -Fr::from(scalar)]));
        scalars.extend((0..254).map(|bit| Fr::from(2u8).pow([bit]) - Fr::ONE));
        scalars.extend(sample::fields(LANES, &mut rng));
        for point in [
            (G1Affine::generator() * sample::field(&mut rng)).into_affine(),
            G1Affine::zero(),
        ] {
            let mut points = vec![engine.import(&point); scalars.len()];
            multiply(engine, &mut points, |lane| scalars[lane]);
            for (product, scalar) in points.iter().zip(&scalars) {
                assert_eq!(engine.export(product), (point * scalar).into_affine());
            }
        }
    }

    #[test]
    fn portable() {
        agrees_with_the_generic_transform(Portable(Plain));
        multiples_of_points(Portable(Plain));
    }

    #[test]
    #[cfg(target_arch = "x86_64")]
    fn in_lanes() {
        let Some(simd) = super::super::ifma::Simd::detect() else {
            return;
        };
        agrees_with_the_generic_transform(simd);
        multiples_of_points(simd);
    }
}
