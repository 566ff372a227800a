//! Random data of which the right results are known without the kernels, for checks and measurements.

use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, BigInt, BigInteger, FftField, Field, PrimeField, batch_inversion};
use rand_chacha::rand_core::RngCore;

use crate::{Fr, G1Affine, G1Projective, Width};

/// Points with known discrete logarithms to the generator.
pub struct Bases {
    /// The points.
    pub points: Vec<G1Affine>,
    /// `points[i] = logs[i] * G`.
    pub logs: Vec<Fr>,
}

impl Bases {
    /// `n` points that are random to any MSM: a walk whose steps are drawn from sixteen random points.
    #[must_use]
    pub fn random(n: usize, rng: &mut impl RngCore) -> Bases {
        let steps: Vec<Fr> = (0..16).map(|_| field(rng)).collect();
        let points: Vec<G1Affine> = steps.iter().map(|&k| generator_times(k).into_affine()).collect();
        let (mut point, mut log) = (G1Projective::ZERO, Fr::ZERO);
        let (mut walk, mut logs) = (Vec::with_capacity(n), Vec::with_capacity(n));
        for _ in 0..n {
            let step = (rng.next_u32() % 16) as usize;
            point += points[step];
            log += steps[step];
            walk.push(point);
            logs.push(log);
        }
        Bases {
            points: G1Projective::normalize_batch(&walk),
            logs,
        }
    }

    /// The points with these discrete logarithms.
    #[must_use]
    pub fn with_logs(logs: Vec<Fr>) -> Bases {
        let points: Vec<G1Projective> = logs.iter().map(|&k| generator_times(k)).collect();
        Bases {
            points: G1Projective::normalize_batch(&points),
            logs,
        }
    }

    /// `sum_i scalars[i] * points[i]`.
    pub fn msm(&self, scalars: &[Fr]) -> G1Projective {
        generator_times(self.logs.iter().zip(scalars).map(|(k, s)| *k * s).sum())
    }
}

/// `k` times the generator, by double-and-add.
pub fn generator_times(k: Fr) -> G1Projective {
    times(&G1Affine::generator(), k)
}

/// `k * point`, by double-and-add.
pub fn times(point: &G1Affine, k: Fr) -> G1Projective {
    k.into_bigint()
        .to_bits_be()
        .iter()
        .fold(G1Projective::ZERO, |sum, &bit| {
            let twice = sum + sum;
            if bit { twice + point } else { twice }
        })
}

/// A uniform field element.
pub fn field(rng: &mut impl RngCore) -> Fr {
    loop {
        let mut words = [0; 4];
        words.fill_with(|| rng.next_u64());
        words[3] >>= 2;
        if let Some(element) = Fr::from_bigint(BigInt(words)) {
            return element;
        }
    }
}

/// `n` uniform field elements.
pub fn fields(n: usize, rng: &mut impl RngCore) -> Vec<Fr> {
    (0..n).map(|_| field(rng)).collect()
}

/// The field element of an integer.
#[must_use]
pub fn integer(v: i128) -> Fr {
    let magnitude = Fr::from(v.unsigned_abs());
    if v < 0 { -magnitude } else { magnitude }
}

/// `n` scalars that fit `width`: uniform in its range.
pub fn scalars(n: usize, width: Width, rng: &mut impl RngCore) -> Vec<Fr> {
    let Some(range) = width.range() else {
        return fields(n, rng);
    };
    let size = (range.end() - range.start() + 1) as u128;
    let draw = |_| {
        let wide = u128::from(rng.next_u64()) | u128::from(rng.next_u64()) << 64;
        integer(range.start() + (wide % size) as i128)
    };
    (0..n).map(draw).collect()
}

/// `f(x)` by Horner's rule, lowest coefficient first.
#[must_use]
pub fn evaluate(coefficients: &[Fr], x: Fr) -> Fr {
    coefficients.iter().rev().fold(Fr::ZERO, |sum, c| sum * x + c)
}

/// The generator of the subgroup of size `2^log_n` that the seam prescribes.
#[must_use]
pub fn root(log_n: u32) -> Fr {
    (log_n..Fr::TWO_ADICITY).fold(Fr::TWO_ADIC_ROOT_OF_UNITY, |w, _| w.square())
}

/// The weights `l_i` with `f(point) = sum_i l_i * f(coset * w^i)` for each `f` of degree below `n` (the barycentric formula):
/// `l_i = x_i * (point^n - coset^n) / (n * coset^n * (point - x_i))` where `x_i = coset * w^i`.
pub(crate) fn barycentric(log_n: u32, coset: Fr, point: Fr) -> Vec<Fr> {
    let n = 1u64 << log_n;
    let w = root(log_n);
    let nodes: Vec<Fr> = (0..n).scan(coset, |x, _| Some(std::mem::replace(x, *x * w))).collect();
    let shift = coset.pow([n]);
    let mut weights: Vec<Fr> = nodes.iter().map(|x| Fr::from(n) * shift * (point - x)).collect();
    batch_inversion(&mut weights);
    let vanishing = point.pow([n]) - shift;
    weights
        .iter_mut()
        .zip(&nodes)
        .for_each(|(weight, x)| *weight *= vanishing * x);
    weights
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;

    #[test]
    fn the_barycentric_weights_evaluate() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let (coset, point, coefficients) = (field(&mut rng), field(&mut rng), fields(16, &mut rng));
        let values = (0..16).map(|i| evaluate(&coefficients, coset * root(4).pow([i])));
        let at_point: Fr = values
            .zip(barycentric(4, coset, point))
            .map(|(value, weight)| value * weight)
            .sum();
        assert_eq!(at_point, evaluate(&coefficients, point));
    }
}
