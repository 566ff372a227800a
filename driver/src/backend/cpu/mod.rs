//! The default backend: kernels of its own for whatever this processor can do best.

mod buckets;
mod dealt;
mod digits;
mod eisenstein;
mod engine;
mod fixed_base;
#[cfg(target_arch = "x86_64")]
pub(crate) mod ifma;
mod inverse;
mod lagrange;
mod msm;
mod ntt;
mod pages;
mod powers;
mod queue;
mod scalar;
mod sums;
mod tables;
mod units;
mod weighted;
mod windows;
mod words;

use std::sync::Arc;
use std::time::Instant;

pub use msm::Multiples;

use engine::Portable;
use msm::CpuMsm;
use sums::{Portions, Summer};

use super::reference::host_run;
use super::{check_columns, check_domain};
use crate::{Backend, Dir, Fr, G1Affine, Info, Msm, Ntt, Result, Run};

/// This machine's processor.
pub(super) struct Cpu {
    name: &'static str,
    multiples: Multiples,
    kernels: Kernels,
}

/// Kernels that this processor can run, and the buffers that they share.
enum Kernels {
    #[cfg(target_arch = "x86_64")]
    Ifma(ifma::Simd, Arc<Summer<ifma::Simd>>),
    #[cfg(target_arch = "x86_64")]
    Adx(scalar::Adx, Arc<Summer<Portable<scalar::Adx>>>),
    Plain(Arc<Summer<Portable<scalar::Plain>>>),
}

impl Kernels {
    /// The fastest.
    fn new(portions: Portions) -> Kernels {
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = ifma::Simd::detect() {
            return Kernels::Ifma(simd, Arc::new(Summer::new(simd, portions)));
        }
        Kernels::portable(portions)
    }

    /// The fastest without vectors.
    fn portable(portions: Portions) -> Kernels {
        #[cfg(target_arch = "x86_64")]
        if let Some(adx) = scalar::Adx::detect() {
            return Kernels::Adx(adx, Arc::new(Summer::new(Portable(adx), portions)));
        }
        Kernels::Plain(Arc::new(Summer::new(Portable(scalar::Plain), portions)))
    }

    /// The same with buffers of their own, and small ones.
    fn frugal(&self) -> Kernels {
        match self {
            #[cfg(target_arch = "x86_64")]
            Kernels::Ifma(..) => Kernels::new(Portions::SMALL),
            _ => Kernels::portable(Portions::SMALL),
        }
    }

    fn name(&self) -> &'static str {
        match self {
            #[cfg(target_arch = "x86_64")]
            Kernels::Ifma(..) => "AVX-512 IFMA kernels",
            _ => "portable kernels",
        }
    }

    fn transform(&self, log_n: u32) -> Result<Transform> {
        Ok(match self {
            #[cfg(target_arch = "x86_64")]
            Kernels::Ifma(simd, summer) if log_n >= ifma::MIN_LOG_N => {
                Transform::Ifma(Box::new(ifma::Plan::new(*simd, log_n, summer.portions.keeps)?))
            }
            #[cfg(target_arch = "x86_64")]
            Kernels::Ifma(_, summer) => return Kernels::portable(summer.portions).transform(log_n),
            #[cfg(target_arch = "x86_64")]
            Kernels::Adx(adx, _) => Transform::Adx(ntt::Plan::new(*adx, log_n)?),
            Kernels::Plain(_) => Transform::Plain(ntt::Plan::new(scalar::Plain, log_n)?),
        })
    }
}

/// `base` times each scalar, by the fastest kernels that this processor can run.
pub(crate) fn multiples_of(base: G1Affine, scalars: &[Fr]) -> Vec<G1Affine> {
    match Kernels::new(Portions::LARGE) {
        #[cfg(target_arch = "x86_64")]
        Kernels::Ifma(_, summer) => fixed_base::multiples(&summer, base, scalars),
        #[cfg(target_arch = "x86_64")]
        Kernels::Adx(_, summer) => fixed_base::multiples(&summer, base, scalars),
        Kernels::Plain(summer) => fixed_base::multiples(&summer, base, scalars),
    }
}

/// The inverse transform of points, a power of two of them, by the fastest kernels that this processor can run.
pub(crate) fn inverse_ntt_of(points: &[G1Affine]) -> Vec<G1Affine> {
    match Kernels::new(Portions::LARGE) {
        #[cfg(target_arch = "x86_64")]
        Kernels::Ifma(simd, _) => lagrange::inverse_ntt(simd, points),
        #[cfg(target_arch = "x86_64")]
        Kernels::Adx(adx, _) => lagrange::inverse_ntt(Portable(adx), points),
        Kernels::Plain(_) => lagrange::inverse_ntt(Portable(scalar::Plain), points),
    }
}

impl Cpu {
    /// With the fastest kernels that this processor can run.
    pub(super) fn new(multiples: Multiples) -> Self {
        Cpu {
            name: "cpu",
            multiples,
            kernels: Kernels::new(Portions::LARGE),
        }
    }

    /// With the kernels that every processor can run.
    pub(super) fn portable() -> Self {
        Cpu {
            name: "portable",
            multiples: Multiples::default(),
            kernels: Kernels::portable(Portions::LARGE),
        }
    }
}

impl Backend for Cpu {
    fn info(&self) -> Info {
        let device = format!("{} on {} threads", self.kernels.name(), rayon::current_num_threads());
        Info {
            name: self.name,
            device,
            clock_hz: None,
            memory_bytes: None,
        }
    }

    fn frugal(&self) -> Option<Box<dyn Backend>> {
        Some(Box::new(Cpu {
            name: self.name,
            multiples: Multiples {
                bytes: 0,
                at_once: false,
            },
            kernels: self.kernels.frugal(),
        }))
    }

    fn prepare_msm(&self, bases: &[G1Affine]) -> Result<Box<dyn Msm>> {
        Ok(match &self.kernels {
            #[cfg(target_arch = "x86_64")]
            Kernels::Ifma(_, summer) => Box::new(CpuMsm::new(summer.clone(), bases, self.multiples)),
            #[cfg(target_arch = "x86_64")]
            Kernels::Adx(_, summer) => Box::new(CpuMsm::new(summer.clone(), bases, self.multiples)),
            Kernels::Plain(summer) => Box::new(CpuMsm::new(summer.clone(), bases, self.multiples)),
        })
    }

    fn prepare_ntt(&self, log_n: u32) -> Result<Box<dyn Ntt>> {
        check_domain(self.name, log_n)?;
        Ok(Box::new(CpuNtt {
            n: 1 << log_n,
            transform: self.kernels.transform(log_n)?,
        }))
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
