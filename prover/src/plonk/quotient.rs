//! The quotient `t = N / Z_H` of the gates' random combination `N`.
//!
//! `N` has degree at most `3n + 15`, so `t` has degree at most `2n + 15`: the `2n` values on two cosets of `H` determine it but
//! for a remainder `e` of degree at most 15, `t = (t mod X^(2n) - g^(2n)) + (X^(2n) - g^(2n)) e`, which sixteen more values
//! determine. Nothing larger than `n` is ever transformed, and one coset is held at a time.

use ark_ff::{Field, One, Zero};
use rayon::prelude::*;
use tapeout_driver::{
    Dir, Fr,
    kernels::{combine, invert},
};

use super::{
    at::{At, combined, lagrange_first_at, root_of_unity},
    cs::{ConstraintSystem, SLACK},
    eval::{Compiled, Table},
    expr::{Expr, Scalars},
    kernels::{Kernels, TAIL},
};
use crate::field::{horner, powers};

/// Offset of the first coset; the second is `w_2n` times it. Any generator of the field's multiplicative group is outside of
/// every subgroup of a power of two.
const COSET: u64 = 5;

/// Offset of the coset of sixteen points that determine the remainder.
const OVERFLOW_COSET: u64 = 7;

/// Points that determine the remainder.
const POINTS: usize = SLACK + 1;

/// Coefficients that are folded side by side, a multiple of [`POINTS`].
const BLOCK: usize = 32 * POINTS;

/// The coefficients of `t`, `2n + 16` of them. `advice` and `fixed` are coefficients, of `n + 16` terms at most.
///
/// If a gate is not satisfied the result is no quotient at all, and no verifier accepts it.
///
/// # Errors
/// Those of the backend.
pub(crate) fn quotient(
    cs: &ConstraintSystem,
    advice: &[Vec<Fr>],
    fixed: &[Vec<Fr>],
    scalars: &Scalars,
    alpha: Fr,
    kernels: &mut Kernels,
) -> tapeout_driver::Result<Vec<Fr>> {
    let n = fixed[0].len();
    let numerator = combined(cs, alpha);
    let compiled = Compiled::new([&numerator], scalars);
    let g = Fr::from(COSET);
    let w2n = root_of_unity(2 * n);
    let mut halves = Vec::with_capacity(2);
    for offset in [g, g * w2n] {
        halves.push(on_coset(&compiled, advice, fixed, offset, kernels)?);
    }
    // t mod X^n - g^n and t mod X^n + g^n, since (g w_2n)^n = -g^n.
    let g_n = g.pow([n as u64]);
    let half = (Fr::one() + Fr::one()).inverse().unwrap_or_default();
    let quarter = (g_n + g_n).inverse().unwrap_or_default();
    let mut t: Vec<Fr> = halves[0].iter().zip(&halves[1]).map(|(a, b)| (*a + b) * half).collect();
    t.extend(halves[0].iter().zip(&halves[1]).map(|(a, b)| (*a - b) * quarter));
    let e = remainder(&numerator, advice, fixed, scalars, &t, g_n.square());
    t.resize(2 * n + TAIL, Fr::zero());
    for (i, e) in e.iter().enumerate() {
        t[2 * n + i] += e;
        t[i] -= g_n.square() * e;
    }
    Ok(t)
}

/// The interpolation of `N / Z_H` over `offset H`.
///
/// The coset falls into cosets of a smaller group, as many as [`Kernels::parts`], which are visited one after the other: what is
/// held of the columns there is that much less, for as many operations.
fn on_coset(
    compiled: &Compiled,
    advice: &[Vec<Fr>],
    fixed: &[Vec<Fr>],
    offset: Fr,
    kernels: &mut Kernels,
) -> tapeout_driver::Result<Vec<Fr>> {
    let (n, parts) = (fixed[0].len(), kernels.parts());
    let w = root_of_unity(n);
    let z_h = offset.pow([n as u64]) - Fr::one();
    let mut quotient = vec![Fr::zero(); n];
    let rotated: Vec<&Vec<Fr>> = compiled
        .looked_back_at()
        .iter()
        .map(|column| &advice[*column])
        .collect();
    // One row back from a part is the part before it.
    let mut back = match parts {
        1 => None,
        _ => Some(values(
            rotated,
            offset * w.inverse().unwrap_or_default(),
            n / parts,
            kernels,
        )?),
    };
    for (part, offset) in powers(w, parts).into_iter().map(|power| offset * power).enumerate() {
        let mut advice = values(advice, offset, n / parts, kernels)?;
        let fixed = values(fixed, offset, n / parts, kernels)?;
        let x = tapeout_driver::kernels::powers(offset, root_of_unity(n / parts), n / parts);
        let first = lagrange_first(&x, n, z_h);
        let numerator = compiled.run(Table {
            fixed: &fixed,
            advice: &advice,
            x: &x,
            first: &first,
            back: back.as_deref(),
        });
        let rows = quotient.iter_mut().skip(part).step_by(parts);
        rows.zip(&numerator[0]).for_each(|(quotient, value)| *quotient = *value);
        if let Some(back) = &mut back {
            for (back, column) in back.iter_mut().zip(compiled.looked_back_at()) {
                *back = std::mem::take(&mut advice[*column]);
            }
        }
    }
    let inverse = z_h.inverse().unwrap_or_default();
    quotient.par_iter_mut().for_each(|v| *v *= inverse);
    let mut quotient = [quotient];
    kernels.transform(Dir::Inverse, offset, &mut quotient)?;
    let [quotient] = quotient;
    Ok(quotient)
}

/// The values of polynomials on the coset of `m` points.
fn values<'a>(
    polynomials: impl IntoIterator<Item = &'a Vec<Fr>>,
    offset: Fr,
    m: usize,
    kernels: &mut Kernels,
) -> tapeout_driver::Result<Vec<Vec<Fr>>> {
    // Reduced mod X^m - offset^m, which does not change the values on the coset.
    let offset_m = offset.pow([m as u64]);
    let reduce = |p: &Vec<Fr>| {
        let (low, high) = p.split_at(m);
        let factors = powers(offset_m, 1 + high.len().div_ceil(m)).into_iter().skip(1);
        let high = combine(&factors.zip(high.chunks(m)).collect::<Vec<_>>());
        let mut low = low.to_vec();
        low.iter_mut().zip(&high).for_each(|(l, h)| *l += h);
        low
    };
    let mut columns: Vec<Vec<Fr>> = polynomials.into_iter().map(reduce).collect();
    kernels.transform(Dir::Forward, offset, &mut columns)?;
    Ok(columns)
}

/// `L_0(x) = Z_H(x) / (n (x - 1))` at points that share `Z_H(x) = z_h`, none of them in `H`.
fn lagrange_first(x: &[Fr], n: usize, z_h: Fr) -> Vec<Fr> {
    let n = Fr::from(n as u64);
    let mut first: Vec<Fr> = x.iter().map(|x| n * (*x - Fr::one())).collect();
    invert(&mut first);
    first.iter_mut().for_each(|f| *f *= z_h);
    first
}

/// The coefficients of `e`, from the values of everything at sixteen points.
fn remainder(
    numerator: &Expr,
    advice: &[Vec<Fr>],
    fixed: &[Vec<Fr>],
    scalars: &Scalars,
    t: &[Fr],
    g_2n: Fr,
) -> Vec<Fr> {
    let n = fixed[0].len();
    let offset = Fr::from(OVERFLOW_COSET);
    let x: Vec<Fr> = powers(root_of_unity(POINTS), POINTS)
        .iter()
        .map(|w| *w * offset)
        .collect();
    let back = root_of_unity(n).inverse().unwrap_or_default();
    let shifted: Vec<Fr> = x.iter().map(|x| *x * back).collect();
    let on = |columns: &[Vec<Fr>], x: &[Fr]| -> Vec<Vec<Fr>> { columns.par_iter().map(|c| at_points(c, x)).collect() };
    let (advice_at, fixed_at) = (on(advice, &x), on(fixed, &x));
    let mut looked_back_at = vec![false; advice.len()];
    numerator.for_each_leaf(&mut |leaf| {
        if let Expr::Prev(column) = leaf {
            looked_back_at[*column] = true;
        }
    });
    let back_at = |(column, looked_back_at): (&Vec<Fr>, &bool)| match looked_back_at {
        true => at_points(column, &shifted),
        false => vec![Fr::zero(); POINTS],
    };
    let prev_at: Vec<Vec<Fr>> = advice.par_iter().zip(&looked_back_at).map(back_at).collect();
    let t_at = at_points(t, &x);
    let value = |i: usize| {
        let pick = |columns: &[Vec<Fr>]| columns.iter().map(|c| c[i]).collect();
        let first = lagrange_first_at(x[i], n)?;
        let at = At {
            advice: pick(&advice_at),
            prev: pick(&prev_at),
            fixed: pick(&fixed_at),
            x: x[i],
            first,
        };
        let x_n = x[i].pow([n as u64]);
        let z_h = (x_n - Fr::one()).inverse()?;
        Some((numerator.eval(&at, scalars) * z_h - t_at[i]) * (x_n.square() - g_2n).inverse()?)
    };
    // The points are constants outside of H and of both cosets, so that no denominator vanishes.
    let values: Vec<Fr> = (0..POINTS).map(|i| value(i).unwrap_or_default()).collect();
    interpolate(&values, offset)
}

/// The values at `x`, the points of a coset of the group of order [`POINTS`]: folds modulo `X^BLOCK - x^BLOCK`, many coefficients at once, and then
/// modulo `X^16 - x^16`, so that one multiplication a coefficient serves all points.
fn at_points(coefficients: &[Fr], x: &[Fr]) -> Vec<Fr> {
    let factors = powers(x[0].pow([BLOCK as u64]), coefficients.len().div_ceil(BLOCK));
    let terms: Vec<(Fr, &[Fr])> = factors.into_iter().zip(coefficients.chunks(BLOCK)).collect();
    let block = combine(&terms);
    let x_k = x[0].pow([POINTS as u64]);
    let mut folded = [Fr::zero(); POINTS];
    for chunk in block.chunks(POINTS).rev() {
        for (i, f) in folded.iter_mut().enumerate() {
            *f = *f * x_k + chunk.get(i).copied().unwrap_or_default();
        }
    }
    x.iter().map(|x| horner(&folded, *x)).collect()
}

/// The coefficients of the polynomial with these values at `offset * w^i`.
fn interpolate(values: &[Fr], offset: Fr) -> Vec<Fr> {
    let k = values.len();
    let root = root_of_unity(k).inverse().unwrap_or_default();
    let scale = Fr::from(k as u64).inverse().unwrap_or_default();
    let back = offset.inverse().unwrap_or_default();
    (0..k)
        .map(|i| horner(values, root.pow([i as u64])) * scale * back.pow([i as u64]))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ark_ec::AffineRepr;
    use ark_ff::UniformRand;
    use tapeout_driver::{G1Affine, backend};

    use super::*;
    use crate::{
        layout::{self, Disclosure},
        model::{Limbs, program::Act},
        plonk::{cs::Shape, expr::Scalar, kernels::Bases},
    };

    /// Whatever the columns hold: with rows that look back, and columns with blinds of several lengths.
    #[test]
    fn a_domain_in_parts_gives_the_same_quotient() {
        let (rng, backend) = (&mut ark_std::test_rng(), backend::open("cpu").unwrap());
        let limbs = Limbs { bits: 9, hi: 2, lo: 1 };
        let plain = layout::shape_for(limbs, 1, [Act::Relu], 0, Disclosure::default());
        let pools = Shape {
            lanes: 2,
            pool_relu: true,
            committed_output: true,
            ..plain.clone()
        };
        let matrices = Shape {
            matmul: true,
            functions: 2,
            ..plain.clone()
        };
        let hashes = Shape {
            hashed_input: true,
            ..plain.clone()
        };
        for shape in [plain, pools, matrices, hashes] {
            let (n, cs) = (shape.n(), ConstraintSystem::new(&shape));
            let bases = Bases {
                lagrange: vec![G1Affine::generator(); n],
                monomial: vec![G1Affine::generator(); n + TAIL],
                ..Bases::default()
            };
            let mut column = |len: usize| (0..len).map(|_| Fr::rand(rng)).collect::<Vec<_>>();
            let advice: Vec<_> = cs.advice.iter().map(|c| column(n + c.blinds)).collect();
            let fixed: Vec<_> = cs.fixed.iter().map(|_| column(n)).collect();
            let mut scalars = Scalars::default();
            scalars[Scalar::Beta] = Fr::rand(rng);
            let alpha = Fr::rand(rng);
            let mut whole = Kernels::new(backend.as_ref(), &bases).unwrap();
            let mut parts = Kernels::in_parts(backend.as_ref(), &bases).unwrap();
            assert!(parts.parts() > 1);
            let expected = quotient(&cs, &advice, &fixed, &scalars, alpha, &mut whole).unwrap();
            assert!(quotient(&cs, &advice, &fixed, &scalars, alpha, &mut parts).unwrap() == expected);
        }
    }

    #[test]
    fn folded_evaluation_matches_horner() {
        let rng = &mut ark_std::test_rng();
        for len in [1, 15, 16, 17, 64, 80, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK + 16] {
            let p: Vec<Fr> = (0..len).map(|_| Fr::rand(rng)).collect();
            let x: Vec<Fr> = powers(root_of_unity(POINTS), POINTS)
                .iter()
                .map(|w| *w * Fr::from(3u64))
                .collect();
            assert_eq!(at_points(&p, &x), x.iter().map(|x| horner(&p, *x)).collect::<Vec<_>>());
        }
        let p: Vec<Fr> = (0..POINTS).map(|_| Fr::rand(rng)).collect();
        let x: Vec<Fr> = powers(root_of_unity(POINTS), POINTS)
            .iter()
            .map(|w| *w * Fr::from(3u64))
            .collect();
        assert_eq!(interpolate(&at_points(&p, &x), Fr::from(3u64)), p);
    }
}
