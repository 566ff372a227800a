//! The kernels of the arkworks libraries, on all cores.

use std::time::Instant;

use ark_ec::VariableBaseMSM;
use ark_ff::{AdditiveGroup, Field};
use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
use rayon::prelude::*;

use super::reference::host_run;
use super::{check_columns, check_domain, check_lengths};
use crate::{Backend, Dir, Error, Fr, G1Affine, G1Projective, Info, Msm, Ntt, Result, Run, Scalars, Width};

const NAME: &str = "arkworks";

/// The arkworks libraries.
pub(super) struct Arkworks;

impl Backend for Arkworks {
    fn info(&self) -> Info {
        let device = format!("arkworks 0.6 on {} threads", rayon::current_num_threads());
        Info {
            name: NAME,
            device,
            clock_hz: None,
            memory_bytes: None,
        }
    }

    fn prepare_msm(&self, bases: &[G1Affine]) -> Result<Box<dyn Msm>> {
        Ok(Box::new(ArkMsm { bases: bases.to_vec() }))
    }

    fn prepare_ntt(&self, log_n: u32) -> Result<Box<dyn Ntt>> {
        check_domain(NAME, log_n)?;
        let domain = Radix2EvaluationDomain::new(1 << log_n);
        let reason = || format!("no domain of size 2^{log_n}");
        let domain = domain.ok_or_else(|| Error::Unsupported {
            backend: NAME,
            reason: reason(),
        })?;
        Ok(Box::new(ArkNtt { domain }))
    }
}

struct ArkMsm {
    bases: Vec<G1Affine>,
}

impl Msm for ArkMsm {
    fn len(&self) -> usize {
        self.bases.len()
    }

    fn run(&self, batch: &[Scalars<'_>]) -> Result<Run<Vec<G1Projective>>> {
        let start = Instant::now();
        check_lengths(self, batch)?;
        let integers = batch
            .iter()
            .enumerate()
            .map(|(i, item)| item.integers(i))
            .collect::<Result<Vec<_>>>()?;
        let sum = |(item, integers): (&Scalars<'_>, Option<Vec<i128>>)| match integers {
            None => G1Projective::msm_unchecked(&self.bases[..item.values.len()], item.values),
            Some(integers) => self.narrow(item.width, &integers),
        };
        let out = batch.iter().zip(integers).map(sum).collect();
        Ok(host_run(out, start.elapsed()))
    }
}

impl ArkMsm {
    /// The typed calls take unsigned values, so negative ones are summed apart and subtracted.
    fn narrow(&self, width: Width, integers: &[i128]) -> G1Projective {
        let bits = match width {
            Width::Full => 64,
            Width::Bits(bits) | Width::Signed(bits) => bits,
        };
        let side = |negative: bool| {
            let chosen = self
                .bases
                .iter()
                .zip(integers)
                .filter(|&(_, &v)| v != 0 && (v < 0) == negative);
            let (bases, values): (Vec<_>, Vec<_>) = chosen.map(|(b, v)| (*b, v.unsigned_abs() as u64)).unzip();
            typed(bits, &bases, &values)
        };
        side(false) - side(true)
    }
}

/// `sum_i values[i] * bases[i]` for values of at most `bits` bits.
fn typed(bits: u8, bases: &[G1Affine], values: &[u64]) -> G1Projective {
    fn cast<T>(values: &[u64], to: impl Fn(u64) -> T) -> Vec<T> {
        values.iter().map(|&v| to(v)).collect()
    }
    if bases.is_empty() {
        return G1Projective::ZERO;
    }
    match bits {
        0..=1 => G1Projective::msm_u1(bases, &cast(values, |v| v != 0)),
        2..=8 => G1Projective::msm_u8(bases, &cast(values, |v| v as u8)),
        9..=16 => G1Projective::msm_u16(bases, &cast(values, |v| v as u16)),
        17..=32 => G1Projective::msm_u32(bases, &cast(values, |v| v as u32)),
        _ => G1Projective::msm_u64(bases, values),
    }
}

struct ArkNtt {
    domain: Radix2EvaluationDomain<Fr>,
}

impl Ntt for ArkNtt {
    fn run(&self, dir: Dir, coset: Fr, columns: &mut [Vec<Fr>]) -> Result<Run<()>> {
        let start = Instant::now();
        check_columns(self.domain.size(), coset, columns)?;
        let domain = if coset == Fr::ONE {
            Some(self.domain)
        } else {
            self.domain.get_coset(coset)
        };
        let domain = domain.ok_or(Error::Coset)?;
        columns.par_iter_mut().for_each(|column| match dir {
            Dir::Forward => domain.fft_in_place(column),
            Dir::Inverse => domain.ifft_in_place(column),
        });
        Ok(host_run((), start.elapsed()))
    }
}
