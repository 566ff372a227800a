//! Everything that a proof asks of a backend, and a record of it.

use std::time::Duration;

use ark_ec::{AffineRepr, CurveGroup};
use serde::Serialize;
use tapeout_driver::{Backend, Dir, Fr, G1Affine, G1Projective, Msm, Ntt, Run, Scalars, Width};

use super::{
    cs::{COMMITMENT_BLINDS, SLACK},
    fold::Cache,
    proof::Folded,
};

/// One kind of kernel call, all its calls together.
#[derive(Clone, Debug, Serialize)]
pub struct KernelRow {
    /// `msm` or `ntt`.
    pub kind: &'static str,
    /// `log2` of the number of terms or points, rounded up.
    pub log_n: u32,
    /// Size of the scalars: `full`, `u12`, `i24`. A transform is always `full`.
    pub width: String,
    /// How many.
    pub count: usize,
    /// Wall time on the host, seconds.
    pub wall_s: f64,
    /// Device cycles, where the backend counts them.
    pub cycles: Option<u64>,
}

/// A backend prepared for one key: bases and twiddles resident.
pub struct Kernels {
    lagrange: Box<dyn Msm>,
    monomial: Box<dyn Msm>,
    blinding: Box<dyn Msm>,
    fold: [Sparse; 3],
    ntt: Box<dyn Ntt>,
    /// The transforms of a part of the domain, and how many parts that is in.
    part: Option<(Box<dyn Ntt>, usize)>,
    rows: Vec<KernelRow>,
}

/// Bases of which some are the point at infinity, which no device is asked to multiply.
struct Sparse {
    finite: Vec<usize>,
    msm: Option<Box<dyn Msm>>,
}

impl Sparse {
    fn new(backend: &dyn Backend, bases: &[G1Affine]) -> tapeout_driver::Result<Self> {
        let finite: Vec<usize> = (0..bases.len()).filter(|i| !bases[*i].is_zero()).collect();
        let points: Vec<G1Affine> = finite.iter().map(|i| bases[*i]).collect();
        let msm = (!points.is_empty()).then(|| backend.prepare_msm(&points)).transpose()?;
        Ok(Self { finite, msm })
    }
}

/// The bases of a key.
#[derive(Clone, Debug, Default)]
pub struct Bases {
    /// `[L_i(tau)]`, `n` of them.
    pub lagrange: Vec<G1Affine>,
    /// `[tau^i]`: `n` and [`TAIL`] of them, or as many as the fold's tiles are wide.
    pub monomial: Vec<G1Affine>,
    /// What the weight fold is over.
    pub fold: Cache,
}

/// How many coefficients beyond `n` a committed polynomial may have: the quotient's upper half has the most.
pub const TAIL: usize = SLACK + 1;

/// How many parts a domain is in for a prover that is to take little memory ([`Kernels::in_parts`]).
const PARTS: usize = 8;

/// The binary logarithm of the least number of rows of such a part.
const MIN_LOG_PART: u32 = 5;

/// The largest number of blinding coefficients of a column.
pub const MAX_BLINDS: usize = COMMITMENT_BLINDS;

impl Kernels {
    /// Loads a key's bases and domain into `backend`.
    ///
    /// # Errors
    /// Those of the backend.
    pub fn new(backend: &dyn Backend, bases: &Bases) -> tapeout_driver::Result<Self> {
        let n = bases.lagrange.len();
        // A blinding coefficient r_i stands for r_i X^i Z_H, that is [tau^(n+i)] - [tau^i].
        let blinding: Vec<G1Projective> = (0..MAX_BLINDS)
            .map(|i| G1Projective::from(bases.monomial[n + i]) - bases.monomial[i])
            .collect();
        Ok(Self {
            lagrange: backend.prepare_msm(&bases.lagrange)?,
            monomial: backend.prepare_msm(&bases.monomial)?,
            blinding: backend.prepare_msm(&G1Projective::normalize_batch(&blinding))?,
            fold: [
                Sparse::new(backend, &bases.fold.remainders)?,
                Sparse::new(backend, &bases.fold.reversed)?,
                Sparse::new(backend, &bases.fold.quotients)?,
            ],
            ntt: backend.prepare_ntt(n.trailing_zeros())?,
            part: None,
            rows: Vec::new(),
        })
    }

    /// As [`Self::new`], for a prover that looks at a part of the domain at a time.
    ///
    /// # Errors
    /// Those of the backend.
    pub fn in_parts(backend: &dyn Backend, bases: &Bases) -> tapeout_driver::Result<Self> {
        let (whole, log_n) = (Self::new(backend, bases)?, bases.lagrange.len().trailing_zeros());
        let log_part = log_n.saturating_sub(PARTS.trailing_zeros());
        let part = match log_part < MIN_LOG_PART {
            true => None,
            false => Some((backend.prepare_ntt(log_part)?, PARTS)),
        };
        Ok(Self { part, ..whole })
    }

    /// How many parts of the domain the prover is to look at one after the other.
    pub fn parts(&self) -> usize {
        self.part.as_ref().map_or(1, |(_, parts)| *parts)
    }

    /// What was asked, in order of first use.
    pub fn into_rows(self) -> Vec<KernelRow> {
        self.rows
    }

    fn record<T>(&mut self, kind: &'static str, len: usize, width: Width, count: usize, run: Run<T>) -> T {
        let (log_n, width) = (len.next_power_of_two().trailing_zeros(), width.to_string());
        let same = |r: &KernelRow| (r.kind, r.log_n, &r.width) == (kind, log_n, &width);
        let index = self.rows.iter().position(same).unwrap_or_else(|| {
            self.rows.push(KernelRow {
                kind,
                log_n,
                width: width.clone(),
                count: 0,
                wall_s: 0.0,
                cycles: None,
            });
            self.rows.len() - 1
        });
        let row = &mut self.rows[index];
        row.count += count;
        row.wall_s += Duration::as_secs_f64(&run.wall);
        row.cycles = row.cycles.map_or(run.cycles, |c| Some(c + run.cycles.unwrap_or(0)));
        run.out
    }

    /// Commits to columns given by their values, each with its blinding coefficients (possibly none). Columns of one width
    /// go to the backend together.
    ///
    /// # Errors
    /// Those of the backend.
    pub fn commit_columns(&mut self, columns: &[(&[Fr], Width, &[Fr])]) -> tapeout_driver::Result<Vec<G1Affine>> {
        let mut sums = vec![G1Projective::default(); columns.len()];
        let mut left: Vec<usize> = (0..columns.len()).collect();
        while let Some(width) = left.first().map(|i| columns[*i].1) {
            let (now, later): (Vec<usize>, Vec<usize>) = left.iter().partition(|i| columns[**i].1 == width);
            left = later;
            let batch: Vec<_> = now
                .iter()
                .map(|i| Scalars {
                    values: columns[*i].0,
                    width,
                })
                .collect();
            let run = self.lagrange.run(&batch)?;
            let points = self.record("msm", self.lagrange.len(), width, batch.len(), run);
            now.iter().zip(points).for_each(|(i, p)| sums[*i] += p);
        }
        let blinded: Vec<usize> = (0..columns.len()).filter(|i| !columns[*i].2.is_empty()).collect();
        if !blinded.is_empty() {
            let batch: Vec<_> = blinded
                .iter()
                .map(|i| Scalars {
                    values: columns[*i].2,
                    width: Width::Full,
                })
                .collect();
            let run = self.blinding.run(&batch)?;
            let points = self.record("msm", self.blinding.len(), Width::Full, batch.len(), run);
            blinded.iter().zip(points).for_each(|(i, p)| sums[*i] += p);
        }
        Ok(G1Projective::normalize_batch(&sums))
    }

    /// Commits to polynomials given by their coefficients.
    ///
    /// # Errors
    /// Those of the backend.
    pub fn commit_polynomials(&mut self, polynomials: &[&[Fr]]) -> tapeout_driver::Result<Vec<G1Affine>> {
        let batch: Vec<_> = polynomials
            .iter()
            .map(|p| Scalars {
                values: p,
                width: Width::Full,
            })
            .collect();
        let run = self.monomial.run(&batch)?;
        let longest = polynomials.iter().map(|p| p.len()).max().unwrap_or(0);
        // A few coefficients beyond n do not make it the next size.
        let len = longest.min(self.lagrange.len());
        let points = self.record("msm", len, Width::Full, batch.len(), run);
        Ok(G1Projective::normalize_batch(&points))
    }

    /// The weight fold's three commitments, from one scalar for each row of the tiles ([`super::fold::row_scalars`]).
    ///
    /// # Errors
    /// Those of the backend.
    pub fn commit_fold(&mut self, scalars: &[Fr]) -> tapeout_driver::Result<Folded<G1Affine>> {
        let mut points = [G1Projective::default(); 3];
        for (index, point) in points.iter_mut().enumerate() {
            let Sparse { finite, msm: Some(msm) } = &self.fold[index] else {
                continue;
            };
            let values: Vec<Fr> = finite.iter().map(|i| scalars[*i]).collect();
            let batch = [Scalars {
                values: &values,
                width: Width::Full,
            }];
            let run = msm.run(&batch)?;
            *point = self.record("msm", values.len(), Width::Full, 1, run).swap_remove(0);
        }
        let points = G1Projective::normalize_batch(&points);
        Ok([points[0], points[1], points[2]].into())
    }

    /// Transforms columns in place: columns over the domain, or over a part of it ([`Self::parts`]).
    ///
    /// # Errors
    /// Those of the backend.
    pub fn transform(&mut self, dir: Dir, coset: Fr, columns: &mut [Vec<Fr>]) -> tapeout_driver::Result<()> {
        let (count, len) = (columns.len(), columns.first().map_or(0, Vec::len));
        let ntt = match &self.part {
            Some((ntt, parts)) if len * parts == self.lagrange.len() => ntt,
            _ => &self.ntt,
        };
        let run = ntt.run(dir, coset, columns)?;
        self.record("ntt", len, Width::Full, count, run);
        Ok(())
    }
}
