//! The default backend: kernels of its own for whatever this processor can do best.

mod digits;
mod engine;
#[cfg(target_arch = "x86_64")]
mod ifma;
mod msm;
mod sums;

use engine::Portable;
use msm::CpuMsm;

use super::arkworks::Arkworks;
use crate::{Backend, G1Affine, Info, Msm, Ntt, Result};

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
            return Ok(Box::new(CpuMsm::new(simd, bases)));
        }
        Ok(Box::new(CpuMsm::new(Portable, bases)))
    }

    fn prepare_ntt(&self, log_n: u32) -> Result<Box<dyn Ntt>> {
        Arkworks.prepare_ntt(log_n)
    }
}
