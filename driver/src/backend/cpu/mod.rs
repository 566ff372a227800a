//! The default backend: kernels of its own for whatever this processor can do best.

mod cosets;
mod digits;
mod engine;
#[cfg(target_arch = "x86_64")]
mod ifma;
mod msm;
mod sums;
mod tables;

use std::time::Instant;

use engine::Portable;
use msm::{CpuMsm, TABLE_BYTES};

use super::arkworks::Arkworks;
use super::reference::host_run;
use super::{MAX_LOG_N, check_columns};
use crate::{Backend, Dir, Fr, G1Affine, Info, Msm, Ntt, Result, Run};

/// This machine's processor.
pub(super) struct Cpu {
    name: &'static str,
    #[cfg(target_arch = "x86_64")]
    simd: Option<ifma::Simd>,
}

impl Cpu {
    /// With the fastest kernels that this processor can run.
    pub(super) fn new() -> Self {
        Cpu {
            name: "cpu",
            #[cfg(target_arch = "x86_64")]
            simd: ifma::Simd::detect(),
        }
    }

    /// With the kernels that every processor can run.
    pub(super) fn portable() -> Self {
        Cpu {
            name: "portable",
            #[cfg(target_arch = "x86_64")]
            simd: None,
        }
    }
}

impl Backend for Cpu {
    fn info(&self) -> Info {
        Info {
            name: self.name,
            ..Arkworks.info()
        }
    }

    fn prepare_msm(&self, bases: &[G1Affine]) -> Result<Box<dyn Msm>> {
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = self.simd {
            return Ok(Box::new(CpuMsm::new(simd, bases, TABLE_BYTES)));
        }
        Ok(Box::new(CpuMsm::new(Portable, bases, TABLE_BYTES)))
    }

    fn prepare_ntt(&self, log_n: u32) -> Result<Box<dyn Ntt>> {
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = self.simd
            && (ifma::MIN_LOG_N..=MAX_LOG_N).contains(&log_n)
        {
            return Ok(Box::new(IfmaNtt {
                log_n,
                plan: ifma::Plan::new(simd, log_n)?,
            }));
        }
        Arkworks.prepare_ntt(log_n)
    }
}

/// A resident domain of the vector kernels.
#[cfg(target_arch = "x86_64")]
struct IfmaNtt {
    log_n: u32,
    plan: ifma::Plan,
}

#[cfg(target_arch = "x86_64")]
impl Ntt for IfmaNtt {
    fn run(&self, dir: Dir, coset: Fr, columns: &mut [Vec<Fr>]) -> Result<Run<()>> {
        let start = Instant::now();
        check_columns(1 << self.log_n, coset, columns)?;
        self.plan.run(dir, coset, columns)?;
        Ok(host_run((), start.elapsed()))
    }
}
