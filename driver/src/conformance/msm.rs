//! The cases for multi-scalar multiplication.

use ark_ff::{AdditiveGroup, Field};
use rand_chacha::rand_core::RngCore;

use super::{Case, Outcome, Suite, refused};
use crate::sample::{Bases, field, fields, integer, scalars, times};
use crate::{Error, Fr, G1Affine, G1Projective, Msm, Scalars, Width};

pub(super) const CASES: &[Case] = &[
    ("msm: lengths", lengths),
    ("msm: term by term", term_by_term),
    ("msm: edge scalars", edge_scalars),
    ("msm: narrow scalars", narrow_scalars),
    ("msm: width violations", width_violations),
    ("msm: related bases", related_bases),
    ("msm: empty batches and items", empty),
    ("msm: items shorter than the bases", short_items),
    ("msm: items longer than the bases", long_items),
    ("msm: many items in one batch", batches),
];

/// The bit counts around which kernels change their ways.
const BITS: [u8; 13] = [1, 2, 3, 7, 8, 9, 16, 17, 32, 33, 48, 63, 64];

fn prepare(suite: &Suite<'_>, points: &[G1Affine]) -> Result<Box<dyn Msm>, String> {
    let msm = suite.backend.prepare_msm(points).map_err(refused)?;
    if msm.len() != points.len() || msm.is_empty() != points.is_empty() {
        return Err(format!(
            "{} bases were prepared, but the backend counts {}",
            points.len(),
            msm.len()
        ));
    }
    Ok(msm)
}

/// Runs a batch and compares each item with the sum that the bases' logarithms give.
fn compare(msm: &dyn Msm, bases: &Bases, batch: &[Scalars<'_>], what: &str) -> Outcome {
    let expected: Vec<G1Projective> = batch.iter().map(|item| bases.msm(item.values)).collect();
    let got = msm.run(batch).map_err(refused)?.out;
    if got.len() != batch.len() {
        return Err(format!("{what}: {} results for {} items", got.len(), batch.len()));
    }
    match got.iter().zip(&expected).position(|(got, expected)| got != expected) {
        Some(i) => {
            let (n, width) = (batch[i].values.len(), batch[i].width);
            Err(format!(
                "{what}: wrong sum for item {i} of {} ({n} scalars of width {width})",
                batch.len()
            ))
        }
        None => Ok(()),
    }
}

fn full(values: &[Fr]) -> Scalars<'_> {
    Scalars {
        values,
        width: Width::Full,
    }
}

fn lengths(suite: &mut Suite<'_>) -> Outcome {
    let max = suite.scope.max_len;
    for n in (0..=33)
        .chain([63, 64, 65, 100, 257, 1000, 1024, 4096])
        .filter(|&n| n <= max)
    {
        let bases = Bases::random(n, &mut suite.rng);
        let values = fields(n, &mut suite.rng);
        compare(
            prepare(suite, &bases.points)?.as_ref(),
            &bases,
            &[full(&values)],
            &format!("{n} bases"),
        )?;
    }
    Ok(())
}

/// Without the logarithms: the sum of single multiples.
fn term_by_term(suite: &mut Suite<'_>) -> Outcome {
    let bases = Bases::random(12, &mut suite.rng).points;
    let values = fields(12, &mut suite.rng);
    let expected: G1Projective = bases.iter().zip(&values).map(|(base, &value)| times(base, value)).sum();
    let got = prepare(suite, &bases)?.run(&[full(&values)]).map_err(refused)?.out;
    if got == [expected] {
        Ok(())
    } else {
        Err("12 bases: wrong sum".into())
    }
}

fn edge_scalars(suite: &mut Suite<'_>) -> Outcome {
    let n = 48.min(suite.scope.max_len);
    let bases = Bases::random(n, &mut suite.rng);
    let msm = prepare(suite, &bases.points)?;
    let half = Fr::from(2u64).inverse().unwrap_or_default();
    let mut edges = vec![
        Fr::ZERO,
        Fr::ONE,
        -Fr::ONE,
        integer(2),
        integer(-2),
        half,
        half - Fr::ONE,
        field(&mut suite.rng),
    ];
    // Every digit of every window at the value where a signed digit flips and carries.
    for window in 2..=20u32 {
        let step = Fr::from(2u64).pow([u64::from(window)]);
        let digit = Fr::from(1u64 << (window - 1));
        edges.push((0..250 / window).fold(Fr::ZERO, |sum, _| sum * step + digit));
        edges.push((0..250 / window).fold(Fr::ZERO, |sum, _| sum * step + digit + Fr::ONE));
    }
    edges.extend((0..254).step_by(13).flat_map(|k| {
        let power = Fr::from(2u64).pow([k]);
        [power, power - Fr::ONE, -power]
    }));
    for edge in &edges {
        compare(
            msm.as_ref(),
            &bases,
            &[full(&vec![*edge; n])],
            "all scalars equal to an edge value",
        )?;
    }
    let mixed: Vec<Fr> = (0..n).map(|i| edges[i % edges.len()]).collect();
    compare(msm.as_ref(), &bases, &[full(&mixed)], "edge values mixed")?;
    let few: Vec<Fr> = (0..n).map(|i| if i % 2 == 0 { half } else { edges[7] }).collect();
    compare(msm.as_ref(), &bases, &[full(&few)], "two values repeated")?;
    let sizes = [Width::Bits(1), Width::Signed(8), Width::Bits(64), Width::Full];
    let sizes: Vec<Fr> = (0..n).flat_map(|i| scalars(1, sizes[i % 4], &mut suite.rng)).collect();
    compare(
        msm.as_ref(),
        &bases,
        &[full(&sizes)],
        "small and large scalars mixed under a full hint",
    )
}

fn narrow_scalars(suite: &mut Suite<'_>) -> Outcome {
    let max = suite.scope.max_len;
    for (n, bits) in [(1, &BITS[..]), (9, &BITS), (100, &BITS), (1000, &[1, 8, 16, 48])]
        .into_iter()
        .filter(|c| c.0 <= max)
    {
        let bases = Bases::random(n, &mut suite.rng);
        let msm = prepare(suite, &bases.points)?;
        for width in bits.iter().flat_map(|&bits| [Width::Bits(bits), Width::Signed(bits)]) {
            let what = format!("{n} bases, {width}");
            let values = scalars(n, width, &mut suite.rng);
            compare(msm.as_ref(), &bases, &[Scalars { values: &values, width }], &what)?;
            for end in width.range().iter().flat_map(|range| [*range.start(), *range.end()]) {
                let values = vec![integer(end); n];
                compare(
                    msm.as_ref(),
                    &bases,
                    &[Scalars { values: &values, width }],
                    &format!("{what}, all {end}"),
                )?;
            }
        }
        let zeros = vec![Fr::ZERO; n];
        for width in [Width::Bits(0), Width::Signed(0)] {
            compare(
                msm.as_ref(),
                &bases,
                &[Scalars { values: &zeros, width }],
                &format!("{n} bases, {width}"),
            )?;
        }
    }
    Ok(())
}

fn width_violations(suite: &mut Suite<'_>) -> Outcome {
    let n = 21.min(suite.scope.max_len);
    let bases = Bases::random(n, &mut suite.rng);
    let msm = prepare(suite, &bases.points)?;
    for width in BITS.iter().flat_map(|&bits| [Width::Bits(bits), Width::Signed(bits)]) {
        let Some(range) = width.range() else { continue };
        let beyond = [
            integer(range.start() - 1),
            integer(range.end() + 1),
            Fr::from(2u64).pow([200]),
            field(&mut suite.rng),
        ];
        for value in beyond {
            let right = scalars(n, width, &mut suite.rng);
            let mut wrong = scalars(n, width, &mut suite.rng);
            let at = suite.rng.next_u32() as usize % n;
            wrong[at] = value;
            let batch = [Scalars { values: &right, width }, Scalars { values: &wrong, width }];
            match msm.run(&batch) {
                Err(Error::Width {
                    item: 1,
                    index,
                    width: w,
                }) if index == at && w == width => {}
                Err(error) => {
                    return Err(format!(
                        "{width}: expected an error at scalar {at} of item 1, got the error: {error}"
                    ));
                }
                Ok(_) => return Err(format!("{width}: a value outside of the promised range was taken")),
            }
        }
    }
    for width in [Width::Bits(65), Width::Signed(65), Width::Bits(255)] {
        match msm.run(&[Scalars {
            values: &[Fr::ONE],
            width,
        }]) {
            Err(Error::Promise { bits: 65 | 255 }) => {}
            Err(error) => {
                return Err(format!(
                    "{width}: expected the promise to be refused, got the error: {error}"
                ));
            }
            Ok(_) => return Err(format!("{width}: a promise of more than 64 bits was taken")),
        }
    }
    Ok(())
}

/// Equal and opposite bases, and the point at infinity: every exception of affine addition.
fn related_bases(suite: &mut Suite<'_>) -> Outcome {
    let n = 300.min(suite.scope.max_len);
    let k = field(&mut suite.rng);
    let mut shapes: Vec<(&str, Vec<Fr>)> = vec![
        ("one base repeated", vec![k; n]),
        (
            "a base and its opposite",
            (0..n).map(|i| if i % 2 == 0 { k } else { -k }).collect(),
        ),
        (
            "a base, then its opposite",
            (0..n).map(|i| if i < n / 2 { k } else { -k }).collect(),
        ),
        ("only infinity", vec![Fr::ZERO; n]),
        (
            "infinity at every other place",
            (0..n).map(|i| if i % 2 == 0 { k } else { Fr::ZERO }).collect(),
        ),
        (
            "an arithmetic progression",
            (1..=n).map(|i| Fr::from(i as u64)).collect(),
        ),
        (
            "a progression across infinity",
            (0..n).map(|i| integer(i as i128 - n as i128 / 2)).collect(),
        ),
        (
            "powers of two",
            (0..n).map(|i| Fr::from(2u64).pow([i as u64])).collect(),
        ),
    ];
    let few: Vec<Fr> = (0..n)
        .map(|_| integer(i128::from(suite.rng.next_u32() % 5) - 2))
        .collect();
    shapes.push(("five bases at random", few));
    for (what, logs) in shapes {
        let bases = Bases::with_logs(logs);
        let msm = prepare(suite, &bases.points)?;
        let rng = &mut suite.rng;
        let (signed, bit) = (Width::Signed(8), Width::Bits(1));
        let (random, equal) = (fields(n, rng), vec![field(rng); n]);
        let (narrow, ones) = (scalars(n, signed, rng), vec![Fr::ONE; n]);
        let signs: Vec<Fr> = (0..n).map(|i| integer(if i % 3 == 0 { -1 } else { 1 })).collect();
        let batch = [
            full(&random),
            full(&equal),
            Scalars {
                values: &narrow,
                width: signed,
            },
            Scalars {
                values: &ones,
                width: bit,
            },
            Scalars {
                values: &signs,
                width: signed,
            },
        ];
        compare(msm.as_ref(), &bases, &batch, what)?;
    }
    Ok(())
}

fn empty(suite: &mut Suite<'_>) -> Outcome {
    for n in [0, 5] {
        let bases = Bases::random(n, &mut suite.rng);
        let msm = prepare(suite, &bases.points)?;
        compare(msm.as_ref(), &bases, &[], "an empty batch")?;
        let values = fields(n, &mut suite.rng);
        let nothing = Scalars {
            values: &[],
            width: Width::Signed(8),
        };
        compare(msm.as_ref(), &bases, &[full(&[])], "an empty item")?;
        compare(
            msm.as_ref(),
            &bases,
            &[nothing, full(&values), full(&[])],
            "empty items beside another",
        )?;
    }
    Ok(())
}

fn short_items(suite: &mut Suite<'_>) -> Outcome {
    let n = 130.min(suite.scope.max_len);
    let bases = Bases::random(n, &mut suite.rng);
    let msm = prepare(suite, &bases.points)?;
    for len in [1, 2, 7, 8, 9, 31, n - 1] {
        let (values, narrow) = (
            fields(len, &mut suite.rng),
            scalars(len, Width::Signed(16), &mut suite.rng),
        );
        let batch = [
            full(&values),
            Scalars {
                values: &narrow,
                width: Width::Signed(16),
            },
        ];
        compare(msm.as_ref(), &bases, &batch, &format!("{len} scalars on {n} bases"))?;
    }
    Ok(())
}

fn long_items(suite: &mut Suite<'_>) -> Outcome {
    for n in [0, 9] {
        let bases = Bases::random(n, &mut suite.rng);
        let msm = prepare(suite, &bases.points)?;
        let (right, long) = (fields(n, &mut suite.rng), fields(n + 1, &mut suite.rng));
        match msm.run(&[full(&right), full(&long)]) {
            Err(Error::Length { expected, got, .. }) if expected == n && got == n + 1 => {}
            Err(error) => {
                return Err(format!(
                    "{} scalars on {n} bases: expected a length error, got: {error}",
                    n + 1
                ));
            }
            Ok(_) => return Err(format!("{} scalars on {n} bases were taken", n + 1)),
        }
    }
    Ok(())
}

fn batches(suite: &mut Suite<'_>) -> Outcome {
    let n = 200.min(suite.scope.max_len);
    let bases = Bases::random(n, &mut suite.rng);
    let msm = prepare(suite, &bases.points)?;
    for count in [2, 9, 40] {
        let items: Vec<(Vec<Fr>, Width)> = (0..count)
            .map(|_| {
                let bits = 1 + (suite.rng.next_u32() % 64) as u8;
                let width = [Width::Full, Width::Bits(bits), Width::Signed(bits)][suite.rng.next_u32() as usize % 3];
                let len = suite.rng.next_u32() as usize % (n + 1);
                (scalars(len, width, &mut suite.rng), width)
            })
            .collect();
        let batch: Vec<Scalars<'_>> = items
            .iter()
            .map(|(values, width)| Scalars { values, width: *width })
            .collect();
        compare(msm.as_ref(), &bases, &batch, "first run")?;
        compare(msm.as_ref(), &bases, &batch, "second run over the same bases")?;
    }
    Ok(())
}
