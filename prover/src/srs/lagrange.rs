//! The inverse NTT in the exponent, which turns powers of tau into a Lagrange basis.
//!
//! Nearly all of its time is `n log n / 2` multiplications of different points by different scalars. They are done many at
//! a time, in lock step: affine additions whose inversions are shared (Montgomery's trick) cost half of a projective one, and
//! the endomorphism of BN254 (Gallant, Lambert and Vanstone, CRYPTO 2001) halves the doublings. Everything here is public, so
//! that nothing needs to run in constant time.

use ark_bn254::{Fq, Fr, G1Affine, g1};
use ark_ec::{AffineRepr, CurveGroup, scalar_mul::glv::GLVConfig};
use ark_ff::{AdditiveGroup, Field, PrimeField, Zero, serial_batch_inversion_and_mul};
use ark_poly::EvaluationDomain;
use rayon::prelude::*;

/// Multiplications that one task does in lock step.
const LANES: usize = 512;
/// Bits of a window of a scalar; its digit is in `-2^(WINDOW - 1) < d <= 2^(WINDOW - 1)`.
const WINDOW: usize = 4;
/// Windows of half a scalar, which has fewer than 128 bits, and one for the last carry.
const WINDOWS: usize = 128 / WINDOW + 1;
/// Multiples of a point that digits choose from, by their magnitude.
const MULTIPLES: usize = 1 << (WINDOW - 1);

/// `out_i = 1/n sum_j w^{-ij} points_j` over the domain of as many points as there are (Cooley and Tukey's butterflies).
pub(super) fn inverse_ntt(points: &[G1Affine], domain: &impl EvaluationDomain<Fr>) -> Vec<G1Affine> {
    let n = domain.size();
    let mut out = points.to_vec();
    let log_n = n.trailing_zeros();
    for i in 0..n {
        let reversed = i.reverse_bits().checked_shr(usize::BITS - log_n).unwrap_or(0);
        if i < reversed {
            out.swap(i, reversed);
        }
    }
    let mut half = 1;
    while half < n {
        let root = domain.group_gen_inv().pow([(n / (2 * half)) as u64]);
        let twiddles: Vec<Fr> = std::iter::successors(Some(Fr::ONE), |power| Some(root * power))
            .take(half)
            .collect();
        let (mut upper, mut lower): (Vec<_>, Vec<_>) = out
            .chunks_exact(2 * half)
            .flat_map(|block| block[..half].iter().copied().zip(block[half..].iter().copied()))
            .unzip();
        if half > 1 {
            multiply(&mut lower, |i| twiddles[i % half]);
        }
        butterflies(&mut upper, &mut lower);
        for (block, (upper, lower)) in out
            .chunks_exact_mut(2 * half)
            .zip(upper.chunks_exact(half).zip(lower.chunks_exact(half)))
        {
            block[..half].copy_from_slice(upper);
            block[half..].copy_from_slice(lower);
        }
        half *= 2;
    }
    multiply(&mut out, |_| domain.size_inv());
    out
}

/// `(a, b) := (a + b, a - b)`.
fn butterflies(upper: &mut [G1Affine], lower: &mut [G1Affine]) {
    upper
        .par_chunks_mut(LANES)
        .zip(lower.par_chunks_mut(LANES))
        .for_each(|(upper, lower)| {
            let mut difference = upper.to_vec();
            add(upper, lower);
            lower.iter_mut().for_each(|point| *point = -*point);
            add(&mut difference, lower);
            lower.copy_from_slice(&difference);
        });
}

/// Multiplies each point by its scalar, which `scalar` gives for the point's index.
fn multiply(points: &mut [G1Affine], scalar: impl Fn(usize) -> Fr + Sync) {
    points.par_chunks_mut(LANES).enumerate().for_each(|(chunk, points)| {
        let first = chunk * LANES;
        let digits: Vec<_> = (first..first + points.len())
            .map(|index| digits(scalar(index)))
            .collect();
        let multiples = multiples(points);
        points.fill(G1Affine::zero());
        for window in (0..WINDOWS).rev() {
            if window + 1 < WINDOWS {
                (0..WINDOW).for_each(|_| double(points));
            }
            let lanes = || digits.iter().enumerate();
            let addends: Vec<_> = lanes()
                .map(|(lane, [low, _])| multiple(&multiples, lane, low[window]))
                .collect();
            add(points, &addends);
            let addends = lanes().map(|(lane, [_, high])| multiple(&multiples, lane, high[window]));
            let addends: Vec<_> = addends.map(|point| g1::Config::endomorphism_affine(&point)).collect();
            add(points, &addends);
        }
    });
}

/// The points times 1, 2, .., [`MULTIPLES`].
fn multiples(points: &[G1Affine]) -> Vec<Vec<G1Affine>> {
    let mut next = points.to_vec();
    double(&mut next);
    let mut multiples = vec![points.to_vec(), next.clone()];
    while multiples.len() < MULTIPLES {
        add(&mut next, points);
        multiples.push(next.clone());
    }
    multiples
}

/// The multiple of the lane's point that a digit stands for.
fn multiple(multiples: &[Vec<G1Affine>], lane: usize, digit: i8) -> G1Affine {
    match digit {
        0 => G1Affine::zero(),
        1.. => multiples[usize::from(digit.unsigned_abs()) - 1][lane],
        _ => -multiples[usize::from(digit.unsigned_abs()) - 1][lane],
    }
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

/// `a := a + b`, lane by lane.
fn add(a: &mut [G1Affine], b: &[G1Affine]) {
    let mut slopes: Vec<Fq> = a
        .iter()
        .zip(b)
        .map(|(a, b)| {
            if a.is_zero() || b.is_zero() {
                Fq::ZERO
            } else {
                b.x - a.x
            }
        })
        .collect();
    serial_batch_inversion_and_mul(&mut slopes, &Fq::ONE);
    for ((a, b), inverse) in a.iter_mut().zip(b).zip(slopes) {
        *a = match (a.is_zero(), b.is_zero()) {
            (true, _) => *b,
            (_, true) => *a,
            // The same or opposite points.
            _ if inverse.is_zero() => (*a + b).into_affine(),
            _ => chord(a, b.x, (b.y - a.y) * inverse),
        };
    }
}

/// `a := 2 a`, lane by lane. No point has order two: y is zero only in the encoding of the point at infinity.
fn double(a: &mut [G1Affine]) {
    let mut slopes: Vec<Fq> = a.iter().map(|a| a.y.double()).collect();
    serial_batch_inversion_and_mul(&mut slopes, &Fq::ONE);
    for (a, inverse) in a.iter_mut().zip(slopes).filter(|(_, inverse)| !inverse.is_zero()) {
        let square = a.x.square();
        *a = chord(a, a.x, (square.double() + square) * inverse);
    }
}

/// The sum of `a` and a point whose x is `x`, on the line of that slope through both.
fn chord(a: &G1Affine, x: Fq, slope: Fq) -> G1Affine {
    let sum_x = slope.square() - a.x - x;
    G1Affine::new_unchecked(sum_x, slope * (a.x - sum_x) - a.y)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ark_bn254::{Fr, G1Affine, G1Projective};
    use ark_ec::{AffineRepr, CurveGroup, scalar_mul::glv::GLVConfig};
    use ark_ff::{AdditiveGroup, Field, PrimeField, UniformRand};
    use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
    use ark_std::rand::{SeedableRng, rngs::StdRng};

    use super::{LANES, add, double, inverse_ntt, multiply};

    #[test]
    fn agrees_with_the_generic_transform() {
        let rng = &mut StdRng::seed_from_u64(1);
        let generator = G1Affine::generator();
        for log_n in 0..=8 {
            let n = 1usize << log_n;
            let domain = Radix2EvaluationDomain::<Fr>::new(n).unwrap();
            let mut inputs = vec![
                (0..n).map(|_| G1Affine::rand(rng)).collect::<Vec<_>>(),
                vec![generator; n],
                vec![G1Affine::zero(); n],
                (0..n)
                    .map(|i| if i % 2 == 0 { generator } else { -generator })
                    .collect(),
            ];
            let mut unit = vec![G1Affine::zero(); n];
            unit[n - 1] = generator;
            inputs.push(unit);
            for input in inputs {
                let expected = domain.ifft(&input.iter().map(|point| point.into_group()).collect::<Vec<_>>());
                assert_eq!(inverse_ntt(&input, &domain), G1Projective::normalize_batch(&expected));
            }
        }
    }

    #[test]
    fn multiples_of_points() {
        let rng = &mut StdRng::seed_from_u64(2);
        let lambda = <ark_bn254::g1::Config as GLVConfig>::LAMBDA;
        let mut scalars = vec![
            Fr::ZERO,
            Fr::ONE,
            -Fr::ONE,
            lambda,
            -lambda,
            lambda + Fr::ONE,
            lambda.square(),
        ];
        scalars.extend((0..300u64).map(Fr::from));
        scalars.extend((0..300u64).map(|scalar| -Fr::from(scalar)));
        scalars.extend((0..254).map(|bit| Fr::from(2u8).pow([bit]) - Fr::ONE));
        scalars.extend((0..LANES).map(|_| Fr::rand(rng)));
        for point in [G1Affine::rand(rng), G1Affine::zero()] {
            let mut points = vec![point; scalars.len()];
            multiply(&mut points, |lane| scalars[lane]);
            for (product, scalar) in points.iter().zip(&scalars) {
                assert_eq!(*product, point.mul_bigint(scalar.into_bigint()).into_affine());
            }
        }
    }

    #[test]
    fn sums_of_every_kind() {
        let rng = &mut StdRng::seed_from_u64(3);
        let (p, q, zero) = (G1Affine::rand(rng), G1Affine::rand(rng), G1Affine::zero());
        let pairs = [(p, q), (p, p), (p, -p), (p, zero), (zero, p), (zero, zero)];
        let (mut a, b): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
        add(&mut a, &b);
        assert_eq!(a, pairs.map(|(a, b)| (a + b).into_affine()));
        let mut doubles = [p, zero, q];
        double(&mut doubles);
        assert_eq!(doubles, [p, zero, q].map(|point| (point + point).into_affine()));
    }
}
