//! What keys and proofs take besides MSMs and transforms, on the host, in the lanes of its processor where it has them: powers,
//! evaluations, inverses, linear combinations, expressions over whole columns, multiples of one point, and Lagrange bases.
//!
//! These work on data that the host holds and are the same for every backend. Results do not depend on the processor.

use ark_ff::{AdditiveGroup, FftField, Field};
use rayon::prelude::*;

#[cfg(target_arch = "x86_64")]
use crate::backend::ifma::{Simd, columns};
use crate::{Fr, G1Affine};

/// Elements that one task works on.
const CHUNK: usize = 1 << 12;

/// `start * step^i` for `i < count`.
#[must_use]
pub fn powers(start: Fr, step: Fr, count: usize) -> Vec<Fr> {
    let mut out = vec![Fr::ZERO; count];
    out.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| {
        let start = start * step.pow([(chunk * CHUNK) as u64]);
        let done = eights_mut(out, |simd, eights| columns::powers(simd, start, step, eights));
        let mut power = if done == out.len() {
            start
        } else {
            start * step.pow([done as u64])
        };
        for out in &mut out[done..] {
            *out = power;
            power *= step;
        }
    });
    out
}

/// `sum_i coefficients[i] * x^i`.
#[must_use]
pub fn evaluate(coefficients: &[Fr], x: Fr) -> Fr {
    let horner = |part: &[Fr]| part.iter().rev().fold(Fr::ZERO, |sum, c| sum * x + c);
    #[cfg(target_arch = "x86_64")]
    if coefficients.len() >= 32
        && let Some(simd) = Simd::detect()
    {
        let (eights, rest) = coefficients.as_chunks();
        let low = columns::evaluate(simd, eights, x);
        return low + horner(rest) * x.pow([8 * eights.len() as u64]);
    }
    horner(coefficients)
}

/// `base` times each scalar: many times as fast as one by one if there are hundreds.
#[must_use]
pub fn multiples(base: G1Affine, scalars: &[Fr]) -> Vec<G1Affine> {
    crate::backend::multiples_of(base, scalars)
}

/// `1/n sum_j w^(-i j) points[j]` for the `n`-th root of unity `w`: powers of tau become a Lagrange basis. `None` unless there are `n`
/// points, a power of two that is `2^28` at most.
#[must_use]
pub fn inverse_ntt_of_points(points: &[G1Affine]) -> Option<Vec<G1Affine>> {
    let n = points.len();
    let valid = n.is_power_of_two() && n.trailing_zeros() <= Fr::TWO_ADICITY;
    valid.then(|| crate::backend::inverse_ntt_of(points))
}

/// Replaces each value by its inverse, zero by zero.
pub fn invert(values: &mut [Fr]) {
    values.par_chunks_mut(CHUNK).for_each(|values| {
        let done = eights_mut(values, columns::invert);
        ark_ff::serial_batch_inversion_and_mul(&mut values[done..], &Fr::ONE);
    });
}

/// Multiplies each value by its factor. Where one list is longer than the other its end is left alone.
pub fn multiply(values: &mut [Fr], factors: &[Fr]) {
    let chunks = values.par_chunks_mut(CHUNK).zip(factors.par_chunks(CHUNK));
    chunks.for_each(|(values, factors)| {
        let both = values.len().min(factors.len());
        let (values, factors) = (&mut values[..both], &factors[..both]);
        let done = eights_mut(values, |simd, eights| {
            columns::multiply(simd, eights, factors.as_chunks().0);
        });
        values[done..]
            .iter_mut()
            .zip(&factors[done..])
            .for_each(|(value, factor)| *value *= factor);
    });
}

/// `sum_i values[i] * factors[i]`, as far as both lists go.
#[must_use]
pub fn inner_product(values: &[Fr], factors: &[Fr]) -> Fr {
    let both = values.len().min(factors.len());
    let parts = values[..both].par_chunks(CHUNK).zip(factors[..both].par_chunks(CHUNK));
    parts.map(|(values, factors)| inner_product_of(values, factors)).sum()
}

/// The inner product of two lists of the same length, on this thread.
fn inner_product_of(values: &[Fr], factors: &[Fr]) -> Fr {
    let one_by_one = |values: &[Fr], factors: &[Fr]| values.iter().zip(factors).map(|(v, f)| *v * f).sum::<Fr>();
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = Simd::detect() {
        let ((values, rest), (factors, rest_factors)) = (values.as_chunks(), factors.as_chunks());
        return columns::inner_product(simd, values, factors) + one_by_one(rest, rest_factors);
    }
    one_by_one(values, factors)
}

/// `sum_k factor_k * values_k`, as long as the longest list; shorter ones go on with zeros.
#[must_use]
pub fn combine(terms: &[(Fr, &[Fr])]) -> Vec<Fr> {
    let len = terms.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
    let mut out = vec![Fr::ZERO; len];
    out.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| {
        let parts = terms.iter().map(|(factor, values)| {
            let rest = values.get(chunk * CHUNK..).unwrap_or_default();
            (*factor, &rest[..rest.len().min(out.len())])
        });
        let parts: Vec<(Fr, &[Fr])> = parts.collect();
        // Whole eights of each list in the lanes; what is left of each one by one.
        let lanes = eights_mut(out, |simd, eights| {
            let parts: Vec<_> = parts
                .iter()
                .map(|(factor, values)| (*factor, values.as_chunks().0))
                .collect();
            columns::combine(simd, &parts, eights);
        });
        for (factor, values) in &parts {
            let done = lanes.min(values.len() / 8 * 8);
            let pairs = out[done..].iter_mut().zip(&values[done..]);
            pairs.for_each(|(out, value)| *out += *factor * value);
        }
    });
    out
}

/// An operation of a [`Program`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `a + b`.
    Add,
    /// `a - b`.
    Sub,
    /// `a * b`.
    Mul,
}

/// Where an operation takes a value from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// A register that an earlier operation wrote.
    Register(usize),
    /// The same value in all rows.
    Const(Fr),
    /// A column's value in this row.
    Column(usize),
    /// A column's value in the row before; in the first row, that of the last.
    Previous(usize),
}

/// One step of a [`Program`].
#[derive(Clone, Copy, Debug)]
pub struct Op {
    /// What to compute.
    pub kind: Kind,
    /// The first operand.
    pub a: Source,
    /// The second operand.
    pub b: Source,
    /// The register that takes the result.
    pub to: usize,
}

/// Expressions as straight-line code, computed for every row of a table.
#[derive(Clone, Debug)]
pub struct Program {
    /// The steps in order.
    pub ops: Vec<Op>,
    /// The results.
    pub outputs: Vec<Source>,
    /// How many registers the steps use.
    pub registers: usize,
}

/// Rows at a time without lanes. All registers of a block (a hundred or two of 2 KiB) stay in the second-level cache.
const BLOCK: usize = 64;

impl Program {
    /// The outputs' columns, each of `rows` values; so must those of `columns` be that the program reads.
    ///
    /// # Panics
    /// When a source names a column or a register that there is not, or a column is shorter.
    #[must_use]
    pub fn run(&self, rows: usize, columns: &[&[Fr]]) -> Vec<Vec<Fr>> {
        let mut out = vec![vec![Fr::ZERO; rows]; self.outputs.len()];
        let mut blocks: Vec<Vec<&mut [Fr]>> = (0..rows.div_ceil(BLOCK)).map(|_| Vec::new()).collect();
        for column in &mut out {
            for (block, part) in blocks.iter_mut().zip(column.chunks_mut(BLOCK)) {
                block.push(part);
            }
        }
        #[cfg(target_arch = "x86_64")]
        if rows.is_multiple_of(8)
            && let Some(simd) = Simd::detect()
        {
            const { assert!(BLOCK == columns::ROWS) };
            let bound = columns::Bound::new(simd, self, columns);
            blocks.par_iter_mut().enumerate().for_each_init(
                || bound.registers(),
                |registers, (block, out)| bound.run(block * BLOCK, registers, out),
            );
            return out;
        }
        blocks.par_iter_mut().enumerate().for_each_init(
            || vec![Fr::ZERO; self.registers],
            |registers, (block, out)| self.run_block(block * BLOCK, rows, columns, registers, out),
        );
        out
    }

    fn run_block(&self, start: usize, rows: usize, columns: &[&[Fr]], registers: &mut [Fr], out: &mut [&mut [Fr]]) {
        let len = out.first().map_or(0, |out| out.len());
        for i in 0..len {
            let row = start + i;
            let value = |source: &Source, registers: &[Fr]| match *source {
                Source::Register(register) => registers[register],
                Source::Const(value) => value,
                Source::Column(column) => columns[column][row],
                Source::Previous(column) => columns[column][if row == 0 { rows } else { row } - 1],
            };
            for op in &self.ops {
                let (a, b) = (value(&op.a, registers), value(&op.b, registers));
                registers[op.to] = match op.kind {
                    Kind::Add => a + b,
                    Kind::Sub => a - b,
                    Kind::Mul => a * b,
                };
            }
            for (source, out) in self.outputs.iter().zip(out.iter_mut()) {
                out[i] = value(source, registers);
            }
        }
    }
}

/// Lets `work` do the whole eights of `values` where the processor has lanes; returns how many values that were.
#[cfg(target_arch = "x86_64")]
fn eights_mut(values: &mut [Fr], work: impl FnOnce(Simd, &mut [[Fr; 8]])) -> usize {
    let eights = values.as_chunks_mut().0;
    let done = 8 * eights.len();
    match Simd::detect() {
        Some(simd) if done > 0 => {
            work(simd, eights);
            done
        }
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::{BigInt, PrimeField};
    use rand_chacha::rand_core::SeedableRng;

    use super::*;
    use crate::sample::{field, fields};

    /// Random elements, with the edges among them.
    fn values(len: usize, seed: u64) -> Vec<Fr> {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut out = fields(len, &mut rng);
        for (i, edge) in [Fr::ZERO, -Fr::ONE, Fr::ONE].into_iter().enumerate() {
            if let Some(value) = out.get_mut((seed as usize + 5 * i) % len.max(1)) {
                *value = edge;
            }
        }
        out
    }

    fn lengths() -> impl Iterator<Item = usize> {
        (0..=33).chain([63, 64, 65, 71, 256, CHUNK - 1, CHUNK + 9])
    }

    #[test]
    fn powers_and_evaluations_match_term_by_term() {
        for len in lengths() {
            let coefficients = values(len, 3);
            for x in [
                Fr::ZERO,
                Fr::ONE,
                -Fr::ONE,
                coefficients.last().copied().unwrap_or(Fr::ONE),
            ] {
                let start = Fr::from(7u64);
                let (mut power, mut sum) = (Fr::ONE, Fr::ZERO);
                let powers = powers(start, x, len);
                assert_eq!(powers.len(), len);
                for (c, found) in coefficients.iter().zip(&powers) {
                    assert_eq!(*found, start * power);
                    sum += power * c;
                    power *= x;
                }
                assert_eq!(evaluate(&coefficients, x), sum, "{len} coefficients");
            }
        }
    }

    #[test]
    fn inverses_and_products_match_one_by_one() {
        for len in lengths() {
            for seed in 0..4 {
                let (before, factors) = (values(len, seed), values(len, seed + 9));
                let mut inverses = before.clone();
                invert(&mut inverses);
                let mut products = before.clone();
                multiply(&mut products, &factors);
                for i in 0..len {
                    assert_eq!(inverses[i], before[i].inverse().unwrap_or(Fr::ZERO), "{i} of {len}");
                    assert_eq!(products[i], before[i] * factors[i], "{i} of {len}");
                }
                let sum: Fr = products.iter().sum();
                assert_eq!(inner_product(&before, &factors), sum, "{len}");
                assert_eq!(
                    inner_product(&before, &factors[..len / 2]),
                    products[..len / 2].iter().sum()
                );
            }
        }
    }

    /// Sums that come to as much as limbs have room for, and one more.
    #[test]
    fn inner_products_of_the_largest_values() {
        for len in [511, 512, 513, 520, 1024, 4096, 5000] {
            let largest = vec![-Fr::ONE; len];
            assert_eq!(inner_product(&largest, &largest), Fr::from(len as u64));
            // The largest words that a value may have in memory.
            let stored = vec![Fr::new_unchecked((-Fr::ONE).into_bigint()); len];
            assert_eq!(
                inner_product(&stored, &stored),
                stored[0] * stored[0] * Fr::from(len as u64)
            );
        }
    }

    #[test]
    fn combinations_take_lists_of_any_length() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(1);
        for len in lengths() {
            let lists = [
                values(len, 1),
                values(len / 2, 2),
                values(len.saturating_sub(3), 3),
                Vec::new(),
            ];
            let terms: Vec<(Fr, &[Fr])> = lists.iter().map(|list| (field(&mut rng), list.as_slice())).collect();
            let sums = combine(&terms);
            assert_eq!(sums.len(), len);
            for (i, sum) in sums.iter().enumerate() {
                let expected: Fr = terms.iter().filter_map(|(f, list)| Some(*f * list.get(i)?)).sum();
                assert_eq!(*sum, expected, "{i} of {len}");
            }
        }
    }

    /// More of them than are summed before one reduction.
    #[test]
    fn combinations_take_any_number_of_lists() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(3);
        // In memory, the most that limbs can hold but for the last.
        let large = Fr::new_unchecked(BigInt([
            u64::MAX,
            u64::MAX,
            u64::MAX,
            (Fr::MODULUS.0[3] >> 16 << 16) - 1,
        ]));
        let list = vec![large; 19];
        for count in [1, 14, 15, 16, 31, 100] {
            for factor in fields(30, &mut rng) {
                let terms = vec![(factor, list.as_slice()); count];
                let expected = factor * large * Fr::from(count as u64);
                assert_eq!(combine(&terms), vec![expected; list.len()], "{count} times {factor}");
            }
        }
    }

    #[test]
    fn programs_do_in_lanes_what_they_do_without() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(2);
        let mut state = 1usize;
        let mut any = move |below: usize| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        for rows in [8, 16, 64, 72, 128, 136] {
            let table: Vec<Vec<Fr>> = (0..3).map(|k| values(rows, k)).collect();
            let columns: Vec<&[Fr]> = table.iter().map(Vec::as_slice).collect();
            let mut source = |written: usize| match any(if written == 0 { 3 } else { 5 }) {
                0 => Source::Column(any(3)),
                1 => Source::Previous(any(3)),
                2 => Source::Const(if any(2) == 0 { -Fr::ONE } else { field(&mut rng) }),
                _ => Source::Register(any(written)),
            };
            let kinds = [Kind::Add, Kind::Sub, Kind::Mul, Kind::Sub];
            let ops = (0..40).map(|i| {
                let (a, b) = (source(i.min(7)), source(i.min(7)));
                Op {
                    kind: kinds[i % 4],
                    a,
                    b,
                    to: i % 7,
                }
            });
            let program = Program {
                ops: ops.collect(),
                outputs: vec![
                    Source::Register(4),
                    Source::Register(1),
                    Source::Previous(2),
                    Source::Const(Fr::ONE),
                ],
                registers: 7,
            };
            let mut expected = vec![vec![Fr::ZERO; rows]; 4];
            let mut out: Vec<&mut [Fr]> = expected.iter_mut().map(Vec::as_mut_slice).collect();
            program.run_block(0, rows, &columns, &mut [Fr::ZERO; 7], &mut out);
            assert!(program.run(rows, &columns) == expected, "{rows} rows");
        }
    }

    /// What is left of nothing after a product by a constant: the least that a register can be.
    #[test]
    fn products_by_constants_can_be_subtracted() {
        let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(4);
        let columns = [fields(64, &mut rng), vec![Fr::ZERO; 64]];
        for factor in fields(100, &mut rng) {
            let [values, zeros] = [Source::Column(0), Source::Column(1)];
            let op = |kind, a, b| Op { kind, a, b, to: 0 };
            let program = Program {
                ops: vec![
                    op(Kind::Mul, Source::Const(factor), values),
                    op(Kind::Sub, zeros, Source::Register(0)),
                ],
                outputs: vec![Source::Register(0)],
                registers: 1,
            };
            let expected: Vec<Fr> = columns[0].iter().map(|value| -factor * value).collect();
            assert_eq!(program.run(64, &columns.each_ref().map(Vec::as_slice)), [expected]);
        }
    }
}
