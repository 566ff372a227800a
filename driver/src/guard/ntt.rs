//! Transforms under guard.
//!
//! The coefficients before (or after) a transform and the values after (or before) it are one polynomial's: both are evaluated at one random
//! point, the values by the barycentric formula. With `f(coset x) = g(x)`, the values are those of `g` on the domain itself, so
//! that one point and its weights, drawn with the domain, serve every coset. A column that is wrong agrees at no more than `n - 1` of
//! the field's points. Two multiplications per element, in place of the transform's `log2(n) / 2`.

use std::sync::Arc;
use std::time::Instant;

use ark_ff::Field;
use rayon::prelude::*;

use super::{Resident, Watch, entropy, is_fault};
use crate::backend::{MAX_LOG_N, check_columns};
use crate::sample::{barycentric, field};
use crate::{Dir, Fr, Ntt, Result, Run, kernels};

pub(super) struct GuardedNtt {
    log_n: u32,
    resident: Resident<dyn Ntt>,
    check: Option<Check>,
    watch: Watch,
}

struct Check {
    point: Fr,
    weights: Vec<Fr>,
}

impl Check {
    fn new(log_n: u32) -> Result<Self> {
        let mut rng = entropy()?;
        let point = loop {
            let point = field(&mut rng);
            if point.pow([1 << log_n]) != Fr::ONE {
                break point;
            }
        };
        Ok(Self {
            point,
            weights: barycentric(log_n, Fr::ONE, point),
        })
    }

    /// What each column's polynomial is at the point of the coset.
    fn at_point(&self, coefficients: bool, coset: Fr, columns: &[Vec<Fr>]) -> Vec<Fr> {
        let x = coset * self.point;
        let one = |column: &Vec<Fr>| {
            if coefficients {
                kernels::evaluate(column, x)
            } else {
                kernels::inner_product(column, &self.weights)
            }
        };
        columns.par_iter().map(one).collect()
    }
}

impl GuardedNtt {
    pub(super) fn new(log_n: u32, watch: Watch) -> Result<Self> {
        let mut ntt = Self {
            log_n,
            resident: Resident::nothing(),
            check: None,
            watch,
        };
        match ntt.device() {
            Err(error) if is_fault(&error) => {
                ntt.watch.give_up(format!("preparing the domain 2^{log_n}"), error)?;
            }
            other => drop(other?),
        }
        // the domain exists: the device, or the fallback when it is asked, refuses one that does not
        ntt.check = (ntt.watch.guard.check && log_n <= MAX_LOG_N)
            .then(|| Check::new(log_n))
            .transpose()?;
        Ok(ntt)
    }

    fn device(&self) -> Result<Arc<dyn Ntt>> {
        Resident::get(&self.resident.device, || self.watch.backend.prepare_ntt(self.log_n))
    }

    /// What the device makes of the columns, checked.
    fn on_device(&self, dir: Dir, coset: Fr, columns: &mut [Vec<Fr>]) -> Result<Run<()>> {
        let device = self.device()?;
        let Some(check) = &self.check else {
            return device.run(dir, coset, columns);
        };
        let start = Instant::now();
        let before = check.at_point(dir == Dir::Forward, coset, columns);
        let mut host = start.elapsed();
        let mut run = device.run(dir, coset, columns)?;
        let start = Instant::now();
        let whole = columns.iter().all(|column| column.len() == 1 << self.log_n);
        let after = whole.then(|| check.at_point(dir == Dir::Inverse, coset, columns));
        host += start.elapsed();
        let Some(after) = after else {
            return Err(self.watch.wrong("it changed a column's length".into()));
        };
        if let Some(wrong) = before.iter().zip(&after).position(|(before, after)| before != after) {
            return Err(self
                .watch
                .wrong(format!("column {wrong} does not pass the random check")));
        }
        self.watch.checked(None, host);
        run.wall += host;
        Ok(run)
    }
}

impl Ntt for GuardedNtt {
    fn run(&self, dir: Dir, coset: Fr, columns: &mut [Vec<Fr>]) -> Result<Run<()>> {
        check_columns(1 << self.log_n, coset, columns)?;
        let number = self.watch.next_call();
        let kept = self.watch.guard.fallback.as_ref().map(|_| columns.to_vec());
        match self.on_device(dir, coset, columns) {
            Err(error) if is_fault(&error) => {
                self.resident.unload();
                let call = format!("call {number}, {} columns of 2^{} ({dir:?})", columns.len(), self.log_n);
                let fallback = self.watch.give_up(call, error)?;
                if let Some(kept) = kept {
                    columns.clone_from_slice(&kept);
                }
                let ntt = Resident::get(&self.resident.fallback, || fallback.prepare_ntt(self.log_n))?;
                ntt.run(dir, coset, columns)
            }
            other => other,
        }
    }
}
