//! The two kernels as their definitions read: double-and-add for each scalar, Horner's rule for each point.

use std::time::{Duration, Instant};

use ark_ff::{AdditiveGroup, BitIteratorBE, FftField, Field, PrimeField};

use super::{check_columns, check_domain, check_lengths};
use crate::{Backend, Dir, Error, Fr, G1Affine, G1Projective, Info, Msm, Ntt, Result, Run, Scalars};

const NAME: &str = "reference";

/// The largest domain it transforms; the work grows with the square of the size.
const MAX_LOG_N: u32 = 16;

/// The slow and obviously right backend.
pub(super) struct Reference;

impl Backend for Reference {
    fn info(&self) -> Info {
        Info {
            name: NAME,
            device: "this machine, naive algorithms".into(),
            clock_hz: None,
            memory_bytes: None,
        }
    }

    fn prepare_msm(&self, bases: &[G1Affine]) -> Result<Box<dyn Msm>> {
        Ok(Box::new(NaiveMsm { bases: bases.to_vec() }))
    }

    fn prepare_ntt(&self, log_n: u32) -> Result<Box<dyn Ntt>> {
        check_domain(NAME, log_n)?;
        if log_n > MAX_LOG_N {
            let reason = format!("2^{log_n} points are too many for a quadratic algorithm: at most 2^{MAX_LOG_N}");
            return Err(Error::Unsupported { backend: NAME, reason });
        }
        let root = (log_n..Fr::TWO_ADICITY).fold(Fr::TWO_ADIC_ROOT_OF_UNITY, |root, _| root.square());
        Ok(Box::new(NaiveNtt { n: 1 << log_n, root }))
    }
}

struct NaiveMsm {
    bases: Vec<G1Affine>,
}

impl Msm for NaiveMsm {
    fn len(&self) -> usize {
        self.bases.len()
    }

    fn run(&self, batch: &[Scalars<'_>]) -> Result<Run<Vec<G1Projective>>> {
        let start = Instant::now();
        check_lengths(self, batch)?;
        for (i, item) in batch.iter().enumerate() {
            item.integers(i)?;
        }
        let sum = |item: &Scalars<'_>| self.bases.iter().zip(item.values).map(|(b, s)| multiple(b, s)).sum();
        let out = batch.iter().map(sum).collect();
        Ok(host_run(out, start.elapsed()))
    }
}

/// `scalar * base` by double-and-add, highest bit first.
fn multiple(base: &G1Affine, scalar: &Fr) -> G1Projective {
    let mut sum = G1Projective::ZERO;
    for bit in BitIteratorBE::without_leading_zeros(scalar.into_bigint()) {
        sum.double_in_place();
        if bit {
            sum += base;
        }
    }
    sum
}

struct NaiveNtt {
    n: usize,
    root: Fr,
}

impl NaiveNtt {
    /// `sum_j column[j] * (start * step^i)^j` for each `i`.
    fn evaluate(&self, column: &[Fr], start: Fr, step: Fr) -> Vec<Fr> {
        let horner = |x: Fr| column.iter().rev().fold(Fr::ZERO, |sum, c| sum * x + c);
        (0..self.n)
            .scan(start, |x, _| Some(horner(std::mem::replace(x, *x * step))))
            .collect()
    }
}

impl Ntt for NaiveNtt {
    fn run(&self, dir: Dir, coset: Fr, columns: &mut [Vec<Fr>]) -> Result<Run<()>> {
        let start = Instant::now();
        check_columns(self.n, coset, columns)?;
        let invert = |x: Fr| x.inverse().ok_or(Error::Coset);
        for column in columns.iter_mut() {
            *column = match dir {
                Dir::Forward => self.evaluate(column, coset, self.root),
                // f_j = coset^-j / n * sum_i f(coset * w^i) * w^(-ij)
                Dir::Inverse => {
                    let mut scale = invert(Fr::from(self.n as u64))?;
                    let (back, shrink) = (invert(self.root)?, invert(coset)?);
                    let mut coefficients = self.evaluate(column, Fr::ONE, back);
                    for coefficient in &mut coefficients {
                        *coefficient *= scale;
                        scale *= shrink;
                    }
                    coefficients
                }
            };
        }
        Ok(host_run((), start.elapsed()))
    }
}

/// A result computed on the host: no device, no transfers.
pub(super) fn host_run<T>(out: T, wall: Duration) -> Run<T> {
    Run {
        out,
        wall,
        cycles: None,
        activity: None,
        bytes_in: 0,
        bytes_out: 0,
    }
}
