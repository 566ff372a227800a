//! The argument of a certificate: short weights, and columns that are known.
//!
//! With `W_l` the tiles, `N` the length of the longest, and `Y` a mask of [`MASK_LEN`] coefficients: [`BLINDERS`] random field elements, then
//! [`SUMS`] random integers `y_k`, then [`BLINDERS`] random field elements:
//!
//! 1. `[Y]` is sent. Bits `c_k,p` are drawn for every coefficient `p` of the tiles that may be a weight.
//! 2. `v_k = sum_p c_k,p w_p + y_k` are sent, each an integer below `2^WEIGHT_BITS`. `beta`, `gamma`, `theta` are drawn.
//! 3. All sums at once, and that coefficients which the network states, or no operand has, are what they should be, are one scalar
//!    product `sum_l <a_l, W_l> + <a_Y, Y> = v`: the coefficient of `X^(N-1)` in `P = sum_l W_l A_l + Y A_Y`, where
//!    `A_l = sum_p a_l,p X^(N-1-p)`. `P = L + v X^(N-1) + X^N H`; `[L]`, `[H]`, and to show the degrees `[L*]`, `L* = X^(N-2) L(1/X)`, and
//!    `[Q*]`, `Q* = X^(N-1) Q(1/X)` with `Q = sum_l theta^l W_l + theta^T Y`, are sent; `z` is drawn.
//! 4. `L(z)` and `Q(z)` are sent, and one opening of all that follows, at `z` and at `1/z`; and of the key's fixed columns at `z`, whose
//!    values the verifier computes.
//!
//! If some `|w_p|` is `2^WEIGHT_BITS` or more (as a residue of least size), then for any fixed `y_k` and any choice of the
//! other bits one value of `c_k,p` takes `v_k` out of its range: 128 sums all stay in it with probability at most `2^-128`. This
//! is the approximate range proof of Gentry, Halevi and Lyubashevsky (<https://eprint.iacr.org/2021/1397>) with bits.

mod coefficients;
mod product;

use ark_ff::{Field, PrimeField, Zero};
use rand::CryptoRng;
use tapeout_driver::{Backend, Dir, Fr, G1Affine, Scalars, Width};

use super::{CertificateError, Stated, WEIGHT_BITS};
use crate::{
    encoding::{DecodeError, Reader, Writer},
    field::{horner, powers, random},
    keys::VerifyingKey,
    kzg::{self, Claim, LinearCombination, OpeningProof},
    plonk::{
        at::root_of_unity,
        fold::{Sparse, WeightTile},
    },
    srs::Srs,
    transcript::{Tag, Transcript},
};
use coefficients::{Vector, Vectors, accumulate, evaluate, longest, places, sums};
use product::{Halves, Rows, split};

/// How many sums of weights are shown.
pub(super) const SUMS: usize = 128;

/// Random coefficients at either end of the mask: as many as functionals of it are revealed.
pub(super) const BLINDERS: usize = 6;

/// The mask's number of coefficients.
pub(crate) const MASK_LEN: usize = SUMS + 2 * BLINDERS;

/// The hidden weights of a key add up to less than this power of two in size. A sum of them is hidden by a number of [`MASK_BITS`]
/// bits: what is shown is within a statistical distance of `2^(SUM_BITS - MASK_BITS)` of being independent of them.
pub(super) const SUM_BITS: u32 = 64;
const MASK_BITS: u32 = WEIGHT_BITS - 1;

const DOMAIN: &[u8] = b"tapeout certificate v2";
const KEY: Tag = Tag(0x01);
const SKELETON: Tag = Tag(0x02);
const MASK: Tag = Tag(0x03);
const BITS: Tag = Tag(0x04);
const TOTALS: Tag = Tag(0x05);
const COMBINING: Tag = Tag(0x06);
const PRODUCT: Tag = Tag(0x07);
const Z: Tag = Tag(0x08);

#[derive(Clone, Debug, PartialEq)]
pub(super) struct Argument {
    /// `[Y]`.
    pub(super) mask: G1Affine,
    /// `[L]`.
    pub(super) low: G1Affine,
    /// `[L*]`.
    pub(super) reversed: G1Affine,
    /// `[H]`.
    pub(super) high: G1Affine,
    /// `[Q*]`.
    pub(super) degrees: G1Affine,
    /// `v_k`.
    pub(super) sums: [Fr; SUMS],
    /// `L(z)`, `Q(z)`.
    pub(super) values: [Fr; 2],
    pub(super) opening: OpeningProof,
}

/// What is drawn once the sums are sent.
struct Combining {
    seed: Fr,
    beta: Fr,
    gamma: Fr,
    theta: Fr,
}

/// The rounds, for prover and verifier alike.
fn begin(key: &VerifyingKey, skeleton: &[u8; 32], mask: &G1Affine) -> (Fr, Transcript) {
    let mut transcript = Transcript::new(DOMAIN);
    transcript.absorb_bytes(KEY, &key.digest);
    transcript.absorb_bytes(SKELETON, skeleton);
    transcript.absorb_g1(MASK, std::slice::from_ref(mask));
    let mut round = transcript.seal();
    (round.draw(BITS), round.next_round())
}

fn combining(seed: Fr, sums: &[Fr; SUMS], mut transcript: Transcript) -> (Combining, Transcript) {
    transcript.absorb_scalars(TOTALS, sums);
    let mut round = transcript.seal();
    let [beta, gamma, theta] = [(); 3].map(|()| round.draw(COMBINING));
    let combining = Combining {
        seed,
        beta,
        gamma,
        theta,
    };
    (combining, round.next_round())
}

fn last_round(points: &[G1Affine; 4], mut transcript: Transcript) -> (Fr, Transcript) {
    transcript.absorb_g1(PRODUCT, points);
    let mut round = transcript.seal();
    (round.draw(Z), round.next_round())
}

/// What is opened: the scalars of the tiles, of `Y`, `L` and `H` in the polynomial that vanishes with `P - L - v X^(N-1) - X^N H`, those of
/// the tiles and of `Y` in `Q`, and the values that follow.
struct Point {
    z: Fr,
    inverse: Fr,
    /// Of the tiles and of `Y`.
    product: Vec<Fr>,
    degrees: Vec<Fr>,
    /// `z^N`.
    top: Fr,
    /// `v z^(N-1)`, `L*(1/z)`, `Q*(1/z)`.
    values: [Fr; 3],
}

impl Point {
    fn new(
        z: Fr,
        vectors: &Vectors,
        at: &Combining,
        sums: &[Fr; SUMS],
        [low, degrees]: [Fr; 2],
        longest: usize,
    ) -> Option<Self> {
        let inverse = z.inverse()?;
        let last = z.pow([longest as u64 - 1]);
        // sum a_p z^(N-1-p) = z^(N-1) sum a_p z^-p, and the powers of gamma have a closed form.
        let ratio = at.gamma * inverse;
        let geometric = (ratio.pow([longest as u64]) - Fr::from(1u8)) * (ratio - Fr::from(1u8)).inverse()?;
        let of_tile = |a: &Vector| last * (a.start * geometric + evaluate(&a.others, inverse));
        let of_mask = last * horner(&vectors.mask, inverse);
        let back = inverse.pow([longest as u64 - 1]);
        Some(Self {
            z,
            inverse,
            product: vectors.tiles.iter().map(of_tile).chain([of_mask]).collect(),
            degrees: powers(at.theta, vectors.tiles.len() + 1),
            top: last * z,
            values: [
                (horner(sums, at.beta) + vectors.known) * last,
                low * back * z,
                degrees * back,
            ],
        })
    }

    /// The claims, over polynomials or commitments. `combine` forms a linear combination of the tiles, `Y`, `L` and `H`.
    fn claims<'a, T>(
        &'a self,
        combine: impl Fn(&[Fr]) -> T,
        [low, reversed, degrees]: [T; 3],
        [at_low, at_degrees]: [Fr; 2],
        fixed: impl Iterator<Item = (T, Fr)>,
    ) -> Vec<Claim<'a, T>> {
        let here = std::slice::from_ref(&self.z);
        let there = std::slice::from_ref(&self.inverse);
        let claim = |subject, points, value| Claim {
            subject,
            points,
            evals: vec![value],
        };
        let product: Vec<Fr> = self
            .product
            .iter()
            .copied()
            .chain([-Fr::from(1u8), -self.top])
            .collect();
        let [value, back_low, back_degrees] = self.values;
        let mut claims = vec![
            claim(combine(&product), here, value),
            claim(low, here, at_low),
            claim(combine(&self.degrees), here, at_degrees),
            claim(reversed, there, back_low),
            claim(degrees, there, back_degrees),
        ];
        claims.extend(fixed.map(|(subject, value)| claim(subject, here, value)));
        claims
    }
}

/// The values of columns at `z`; `None` where `z` is a row.
fn columns_at(columns: &[Vec<Fr>], z: Fr) -> Option<Vec<Fr>> {
    let n = columns.first().map_or(1, Vec::len);
    let rows = powers(root_of_unity(n), n);
    let scale = (z.pow([n as u64]) - Fr::from(1u8)) * Fr::from(n as u64).inverse()?;
    let mut weights: Vec<Fr> = rows.iter().map(|w| z - w).collect();
    if scale.is_zero() {
        return None;
    }
    ark_ff::batch_inversion(&mut weights);
    weights
        .iter_mut()
        .zip(&rows)
        .for_each(|(weight, row)| *weight *= scale * row);
    let value = |column: &Vec<Fr>| column.iter().zip(&weights).map(|(v, weight)| *v * weight).sum();
    Some(columns.iter().map(value).collect())
}

impl Argument {
    /// `claim` is for tests: what a malicious prover makes of the sums before they are sent.
    pub(super) fn prove(
        key: &VerifyingKey,
        tiles: &[Sparse],
        stated: &Stated,
        srs: &Srs,
        backend: &dyn Backend,
        rng: &mut impl CryptoRng,
        claim: impl FnOnce(&mut [Fr; SUMS]),
    ) -> Result<Self, CertificateError> {
        let fold = &key.weights.fold;
        let (places, n) = (places(fold, &key.interface.linear, stated), longest(fold));
        let powers_needed = n.max(key.interface.shape.n());
        srs.require(powers_needed, 2)?;
        let msm = backend.prepare_msm(&srs.powers_g1()[..powers_needed])?;
        let commit = |p: &[Fr]| -> tapeout_driver::Result<G1Affine> {
            let scalars = Scalars {
                values: p,
                width: Width::Full,
            };
            Ok(msm.run(&[scalars])?.out.swap_remove(0).into())
        };

        let mask = mask(rng);
        let mask_point = commit(&mask)?;
        let (seed, transcript) = begin(key, &stated.digest, &mask_point);
        let mut sums = sums(&places, tiles, &mask, seed);
        claim(&mut sums);

        let (at, transcript) = combining(seed, &sums, transcript);
        let vectors = Vectors::new(&places, &at, n);
        let of_rows = |tile: &WeightTile| Rows {
            width: fold.width,
            dummies: fold.hidden.map_or(fold.width, |hidden| hidden.slot(tile)),
        };
        let with_rows: Vec<(&Sparse, Rows)> = tiles.iter().zip(fold.tiles.iter().map(of_rows)).collect();
        let Halves { mut low, middle, high } = split(&with_rows, &mask, &vectors, at.gamma, n, backend)?;
        let reversed: Vec<Fr> = low.iter().rev().copied().collect();
        // Nothing is left of it unless the sums are not those of the weights.
        low.push(middle - vectors.known - horner(&sums, at.beta));
        let combine = |scalars: &[Fr], dense: &[&[Fr]]| {
            let mut sum = vec![Fr::zero(); n];
            let (of_tiles, of_dense) = scalars.split_at(tiles.len());
            for (tile, scalar) in tiles.iter().zip(of_tiles) {
                accumulate(&mut sum, tile, *scalar);
            }
            for (p, scalar) in dense.iter().zip(of_dense) {
                sum.iter_mut().zip(*p).for_each(|(sum, c)| *sum += *scalar * c);
            }
            sum
        };
        let sum = combine(&powers(at.theta, tiles.len() + 1), &[&mask]);
        let degrees: Vec<Fr> = sum[..n].iter().rev().copied().collect();
        let points = [commit(&low)?, commit(&reversed)?, commit(&high)?, commit(&degrees)?];
        let (z, transcript) = last_round(&points, transcript);

        let values = [horner(&low, z), horner(&sum, z)];
        let point = Point::new(z, &vectors, &at, &sums, values, n).ok_or(CertificateError::Challenge)?;
        let combine = |scalars: &[Fr]| combine(scalars, &[&mask, &low, &high]);
        let mut coefficients = stated.wiring.fixed_columns();
        let log_n = key.interface.shape.log_n();
        backend
            .prepare_ntt(log_n)?
            .run(Dir::Inverse, Fr::from(1u8), &mut coefficients)?;
        let fixed = coefficients.into_iter().map(|p| {
            let value = horner(&p, z);
            (p, value)
        });
        let subjects = [low.clone(), reversed, degrees];
        let owned = point.claims(combine, subjects, values, fixed);
        let claims: Vec<kzg::PolynomialClaim<'_>> = owned
            .iter()
            .map(|claim| Claim {
                subject: claim.subject.as_slice(),
                points: claim.points,
                evals: claim.evals.clone(),
            })
            .collect();
        let (opening, _) = kzg::open(&claims, transcript, &mut |p| commit(p))?;
        let [low, reversed, high, degrees] = points;
        Ok(Self {
            mask: mask_point,
            low,
            reversed,
            high,
            degrees,
            sums,
            values,
            opening,
        })
    }

    pub(super) fn verify(&self, key: &VerifyingKey, stated: &Stated) -> Result<(), CertificateError> {
        let in_range = |sum: &Fr| sum.into_bigint().0[2] >> (WEIGHT_BITS - 128) == 0 && sum.into_bigint().0[3] == 0;
        if !self.sums.iter().all(in_range) {
            return Err(CertificateError::Range);
        }
        let fold = &key.weights.fold;
        let (places, n) = (places(fold, &key.interface.linear, stated), longest(fold));
        let (seed, transcript) = begin(key, &stated.digest, &self.mask);
        let (at, transcript) = combining(seed, &self.sums, transcript);
        let vectors = Vectors::new(&places, &at, n);
        let (z, transcript) = last_round(&[self.low, self.reversed, self.high, self.degrees], transcript);
        let point = Point::new(z, &vectors, &at, &self.sums, self.values, n).ok_or(CertificateError::Challenge)?;
        let values = columns_at(&stated.wiring.fixed_columns(), z).ok_or(CertificateError::Challenge)?;
        let combine = |scalars: &[Fr]| {
            let points = key.weights.tiles.iter().chain([&self.mask, &self.low, &self.high]);
            LinearCombination(scalars.iter().copied().zip(points.copied()).collect())
        };
        let subjects = [self.low, self.reversed, self.degrees].map(LinearCombination::from);
        let fixed = key.fixed.iter().map(|p| LinearCombination::from(*p)).zip(values);
        let claims = point.claims(combine, subjects, self.values, fixed);
        kzg::verify(&key.opening, &claims, &self.opening, transcript)?;
        Ok(())
    }

    /// The points in the order in which they are written.
    pub(super) fn points(&self) -> [G1Affine; 5] {
        [self.mask, self.low, self.reversed, self.high, self.degrees]
    }

    /// Points, sums, evaluations, then the opening.
    pub(super) fn write(&self, out: &mut Writer) {
        self.points().iter().for_each(|p| out.g1(p));
        self.sums.iter().chain(&self.values).for_each(|v| out.scalar(v));
        self.opening.write(out);
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let mut point = || reader.g1("point of the certificate");
        let [mask, low, reversed, high, degrees] = [point()?, point()?, point()?, point()?, point()?];
        let mut sums = [Fr::zero(); SUMS];
        for sum in &mut sums {
            *sum = reader.scalar("sum of weights")?;
        }
        let values = [reader.scalar("evaluation")?, reader.scalar("evaluation")?];
        let opening = OpeningProof::read(reader)?;
        Ok(Self {
            mask,
            low,
            reversed,
            high,
            degrees,
            sums,
            values,
            opening,
        })
    }
}

/// `Y`.
fn mask(rng: &mut impl CryptoRng) -> Vec<Fr> {
    let mut mask: Vec<Fr> = (0..MASK_LEN).map(|_| random(rng)).collect();
    for y in &mut mask[BLINDERS..BLINDERS + SUMS] {
        // Never negative, however the weights add up.
        let mut bytes = [0; 32];
        rng.fill_bytes(&mut bytes[..MASK_BITS as usize / 8]);
        *y = Fr::from_le_bytes_mod_order(&bytes) + Fr::from(1u128 << SUM_BITS);
    }
    mask
}
