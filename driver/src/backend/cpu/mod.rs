//! The default backend: kernels of its own for whatever this processor can do best.

mod digits;
mod eisenstein;
mod engine;
#[cfg(target_arch = "x86_64")]
pub(crate) mod ifma;
mod inverse;
mod msm;
mod ntt;
mod pages;
mod powers;
mod scalar;
mod sort;
mod sums;
mod tables;
mod windows;
mod words;

use std::time::Instant;

pub use msm::Multiples;

use engine::Portable;
use msm::CpuMsm;

use super::reference::host_run;
use super::{check_columns, check_domain};
use crate::{Backend, Dir, Fr, G1Affine, Info, Msm, Ntt, Result, Run};

/// This machine's processor.
pub(super) struct Cpu {
    name: &'static str,
    multiples: Multiples,
    #[cfg(target_arch = "x86_64")]
    simd: Option<ifma::Simd>,
}

impl Cpu {
    /// With the fastest kernels that this processor can run.
    pub(super) fn new(multiples: Multiples) -> Self {
        Cpu {
            name: "cpu",
            multiples,
            #[cfg(target_arch = "x86_64")]
            simd: ifma::Simd::detect(),
        }
    }

    /// With the kernels that every processor can run.
    pub(super) fn portable() -> Self {
        Cpu {
            name: "portable",
            multiples: Multiples::default(),
            #[cfg(target_arch = "x86_64")]
            simd: None,
        }
    }
}

impl Cpu {
    /// Which kernels it runs.
    fn kernels(&self) -> &'static str {
        #[cfg(target_arch = "x86_64")]
        if self.simd.is_some() {
            return "AVX-512 IFMA kernels";
        }
        "portable kernels"
    }
}

impl Backend for Cpu {
    fn info(&self) -> Info {
        let device = format!("{} on {} threads", self.kernels(), rayon::current_num_threads());
        Info {
            name: self.name,
            device,
            clock_hz: None,
            memory_bytes: None,
        }
    }

    fn prepare_msm(&self, bases: &[G1Affine]) -> Result<Box<dyn Msm>> {
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = self.simd {
            return Ok(Box::new(CpuMsm::new(simd, bases, self.multiples)));
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(adx) = scalar::Adx::detect() {
            return Ok(Box::new(CpuMsm::new(Portable(adx), bases, self.multiples)));
        }
        Ok(Box::new(CpuMsm::new(Portable(scalar::Plain), bases, self.multiples)))
    }

    fn prepare_ntt(&self, log_n: u32) -> Result<Box<dyn Ntt>> {
        check_domain(self.name, log_n)?;
        let n = 1 << log_n;
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = self.simd
            && log_n >= ifma::MIN_LOG_N
        {
            return Ok(Box::new(CpuNtt {
                n,
                transform: Transform::Ifma(Box::new(ifma::Plan::new(simd, log_n)?)),
            }));
        }
        #[cfg(target_arch = "x86_64")]
        if let Some(adx) = scalar::Adx::detect() {
            let transform = Transform::Adx(ntt::Plan::new(adx, log_n)?);
            return Ok(Box::new(CpuNtt { n, transform }));
        }
        let transform = Transform::Plain(ntt::Plan::new(scalar::Plain, log_n)?);
        Ok(Box::new(CpuNtt { n, transform }))
    }
}

/// A resident domain.
struct CpuNtt {
    n: usize,
    transform: Transform,
}

enum Transform {
    #[cfg(target_arch = "x86_64")]
    Ifma(Box<ifma::Plan>),
    #[cfg(target_arch = "x86_64")]
    Adx(ntt::Plan<scalar::Adx>),
    Plain(ntt::Plan<scalar::Plain>),
}

impl Ntt for CpuNtt {
    fn run(&self, dir: Dir, coset: Fr, columns: &mut [Vec<Fr>]) -> Result<Run<()>> {
        let start = Instant::now();
        check_columns(self.n, coset, columns)?;
        match &self.transform {
            #[cfg(target_arch = "x86_64")]
            Transform::Ifma(plan) => plan.run(dir, coset, columns)?,
            #[cfg(target_arch = "x86_64")]
            Transform::Adx(plan) => plan.run(dir, coset, columns)?,
            Transform::Plain(plan) => plan.run(dir, coset, columns)?,
        }
        Ok(host_run((), start.elapsed()))
    }
}
