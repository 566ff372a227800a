//! The cases for number-theoretic transforms.

use ark_ff::{AdditiveGroup, Field};
use rand_chacha::rand_core::RngCore;

use super::{Case, Outcome, Suite, refused};
use crate::sample::{evaluate, field, fields, root};
use crate::{Dir, Error, Fr, Ntt};

pub(super) const CASES: &[Case] = &[
    ("ntt: forward", forward),
    ("ntt: forward on cosets", forward_on_cosets),
    ("ntt: inverse", inverse),
    ("ntt: inverse on cosets", inverse_on_cosets),
    ("ntt: there and back", there_and_back),
    ("ntt: linearity", linearity),
    ("ntt: edge columns", edge_columns),
    ("ntt: many columns", many_columns),
    ("ntt: columns of a wrong length", wrong_lengths),
    ("ntt: the coset of zero", zero_coset),
    ("ntt: domains that do not exist", too_large),
];

/// Up to this size every point is checked, above it [`SAMPLES`] random ones.
const EXHAUSTIVE: usize = 1 << 6;
const SAMPLES: usize = 12;

fn prepare(suite: &Suite<'_>, log_n: u32) -> Result<Box<dyn Ntt>, String> {
    suite.backend.prepare_ntt(log_n).map_err(refused)
}

/// Whether `values[i] = f(coset * w^i)`, for each `i` or for random ones.
fn matches(suite: &mut Suite<'_>, log_n: u32, coset: Fr, coefficients: &[Fr], values: &[Fr]) -> Result<(), usize> {
    let n = 1usize << log_n;
    let points: Vec<usize> = if n <= EXHAUSTIVE {
        (0..n).collect()
    } else {
        (0..SAMPLES)
            .map(|_| suite.rng.next_u32() as usize % n)
            .chain([0, 1, n / 2, n - 1])
            .collect()
    };
    let wrong = |&i: &usize| values.get(i) != Some(&evaluate(coefficients, coset * root(log_n).pow([i as u64])));
    points.into_iter().find(wrong).map_or(Ok(()), Err)
}

/// Transforms one random column and checks it.
fn transform(suite: &mut Suite<'_>, dir: Dir, log_n: u32, coset: Fr) -> Outcome {
    let n = 1usize << log_n;
    let before = fields(n, &mut suite.rng);
    let mut columns = vec![before.clone()];
    prepare(suite, log_n)?.run(dir, coset, &mut columns).map_err(refused)?;
    let after = columns.pop().filter(|column| column.len() == n && columns.is_empty());
    let after = after.ok_or_else(|| format!("2^{log_n}: the column changed its length"))?;
    let checked = match dir {
        Dir::Forward => matches(suite, log_n, coset, &before, &after),
        Dir::Inverse => matches(suite, log_n, coset, &after, &before),
    };
    checked.map_err(|i| match dir {
        Dir::Forward => format!("2^{log_n}: wrong value at point {i}"),
        Dir::Inverse => format!("2^{log_n}: the coefficients do not give back the value at point {i}"),
    })
}

fn each_size(suite: &mut Suite<'_>, mut case: impl FnMut(&mut Suite<'_>, u32) -> Outcome) -> Outcome {
    (0..=suite.scope.max_log_n).try_for_each(|log_n| case(suite, log_n))
}

/// Cosets that provers use, and edge values.
fn cosets(suite: &mut Suite<'_>, log_n: u32) -> [Fr; 4] {
    [Fr::from(5u64), -Fr::ONE, root(log_n + 2), field(&mut suite.rng)]
}

fn forward(suite: &mut Suite<'_>) -> Outcome {
    each_size(suite, |suite, log_n| transform(suite, Dir::Forward, log_n, Fr::ONE))
}

fn forward_on_cosets(suite: &mut Suite<'_>) -> Outcome {
    each_size(suite, |suite, log_n| {
        cosets(suite, log_n)
            .into_iter()
            .try_for_each(|coset| transform(suite, Dir::Forward, log_n, coset))
    })
}

fn inverse(suite: &mut Suite<'_>) -> Outcome {
    each_size(suite, |suite, log_n| transform(suite, Dir::Inverse, log_n, Fr::ONE))
}

fn inverse_on_cosets(suite: &mut Suite<'_>) -> Outcome {
    each_size(suite, |suite, log_n| {
        cosets(suite, log_n)
            .into_iter()
            .try_for_each(|coset| transform(suite, Dir::Inverse, log_n, coset))
    })
}

fn there_and_back(suite: &mut Suite<'_>) -> Outcome {
    each_size(suite, |suite, log_n| {
        let ntt = prepare(suite, log_n)?;
        for coset in [Fr::ONE, field(&mut suite.rng)] {
            let before = vec![fields(1 << log_n, &mut suite.rng)];
            for (there, back) in [(Dir::Forward, Dir::Inverse), (Dir::Inverse, Dir::Forward)] {
                let mut columns = before.clone();
                ntt.run(there, coset, &mut columns).map_err(refused)?;
                ntt.run(back, coset, &mut columns).map_err(refused)?;
                if columns != before {
                    return Err(format!("2^{log_n}: {there:?} then {back:?} is not the identity"));
                }
            }
        }
        Ok(())
    })
}

fn linearity(suite: &mut Suite<'_>) -> Outcome {
    each_size(suite, |suite, log_n| {
        let ntt = prepare(suite, log_n)?;
        let (a, b) = (fields(1 << log_n, &mut suite.rng), fields(1 << log_n, &mut suite.rng));
        let (s, t, coset) = (field(&mut suite.rng), field(&mut suite.rng), field(&mut suite.rng));
        let combine = |a: &[Fr], b: &[Fr]| a.iter().zip(b).map(|(a, b)| s * a + t * b).collect::<Vec<Fr>>();
        let mut columns = vec![combine(&a, &b), a, b];
        for dir in [Dir::Forward, Dir::Inverse] {
            ntt.run(dir, coset, &mut columns).map_err(refused)?;
            if columns[0] != combine(&columns[1], &columns[2]) {
                return Err(format!(
                    "2^{log_n}, {dir:?}: a combination's transform is not the transforms' combination"
                ));
            }
        }
        Ok(())
    })
}

fn edge_columns(suite: &mut Suite<'_>) -> Outcome {
    each_size(suite, |suite, log_n| {
        let n = 1usize << log_n;
        let ntt = prepare(suite, log_n)?;
        let impulse = |at: usize| {
            (0..n)
                .map(|i| if i == at { Fr::ONE } else { Fr::ZERO })
                .collect::<Vec<_>>()
        };
        let flat = |value: Fr| vec![value; n];
        let before = vec![
            flat(Fr::ZERO),
            flat(Fr::ONE),
            flat(-Fr::ONE),
            impulse(0),
            impulse(1 % n),
            impulse(n - 1),
        ];
        for dir in [Dir::Forward, Dir::Inverse] {
            let mut after = before.clone();
            ntt.run(dir, Fr::ONE, &mut after).map_err(refused)?;
            for (i, (before, after)) in before.iter().zip(&after).enumerate() {
                let checked = match dir {
                    Dir::Forward => matches(suite, log_n, Fr::ONE, before, after),
                    Dir::Inverse => matches(suite, log_n, Fr::ONE, after, before),
                };
                checked.map_err(|point| format!("2^{log_n}, {dir:?}: edge column {i} is wrong at point {point}"))?;
            }
        }
        Ok(())
    })
}

fn many_columns(suite: &mut Suite<'_>) -> Outcome {
    let max = suite.scope.max_log_n;
    for log_n in [1, 5, 8].into_iter().filter(|&log_n| log_n <= max) {
        let ntt = prepare(suite, log_n)?;
        for count in (0..=9).chain([16, 17]) {
            let coset = field(&mut suite.rng);
            let before: Vec<Vec<Fr>> = (0..count).map(|_| fields(1 << log_n, &mut suite.rng)).collect();
            let mut after = before.clone();
            ntt.run(Dir::Forward, coset, &mut after).map_err(refused)?;
            if after.len() != count {
                return Err(format!("2^{log_n}: {count} columns became {}", after.len()));
            }
            for (i, (before, after)) in before.iter().zip(&after).enumerate() {
                matches(suite, log_n, coset, before, after)
                    .map_err(|point| format!("2^{log_n}: column {i} of {count} is wrong at point {point}"))?;
            }
        }
    }
    Ok(())
}

/// A refused run must leave every column as it was, also those that are right.
fn unchanged(ntt: &dyn Ntt, coset: Fr, before: &[Vec<Fr>], right: fn(&Error) -> bool) -> Outcome {
    for dir in [Dir::Forward, Dir::Inverse] {
        let mut columns = before.to_vec();
        match ntt.run(dir, coset, &mut columns) {
            Err(error) if right(&error) => {}
            Err(error) => return Err(format!("{dir:?}: refused with another error than expected: {error}")),
            Ok(_) => return Err(format!("{dir:?}: taken without an error")),
        }
        if columns != before {
            return Err(format!("{dir:?}: refused, but the columns were changed"));
        }
    }
    Ok(())
}

fn wrong_lengths(suite: &mut Suite<'_>) -> Outcome {
    let max = suite.scope.max_log_n;
    for log_n in [0, 4].into_iter().filter(|&log_n| log_n <= max) {
        let n = 1usize << log_n;
        let ntt = prepare(suite, log_n)?;
        for len in [0, n - 1, n + 1, 2 * n, 3 * n] {
            let columns = [
                fields(n, &mut suite.rng),
                fields(if len == n { n + 3 } else { len }, &mut suite.rng),
            ];
            let right = |error: &Error| matches!(error, Error::Length { .. });
            unchanged(ntt.as_ref(), Fr::ONE, &columns, right)
                .map_err(|reason| format!("a column of {len} in a domain of {n}: {reason}"))?;
        }
    }
    Ok(())
}

fn zero_coset(suite: &mut Suite<'_>) -> Outcome {
    let ntt = prepare(suite, 3.min(suite.scope.max_log_n))?;
    let columns = [fields(1 << 3.min(suite.scope.max_log_n), &mut suite.rng)];
    unchanged(ntt.as_ref(), Fr::ZERO, &columns, |error| matches!(error, Error::Coset))
}

fn too_large(suite: &mut Suite<'_>) -> Outcome {
    for log_n in [29, 64, u32::MAX] {
        match suite.backend.prepare_ntt(log_n) {
            Err(Error::Unsupported { .. }) => {}
            Err(error) => return Err(format!("2^{log_n}: refused with another error than expected: {error}")),
            Ok(_) => return Err(format!("2^{log_n}: the field has no such domain, but it was prepared")),
        }
    }
    Ok(())
}
