//! The default backend.

use super::arkworks::Arkworks;
use crate::{Backend, G1Affine, Info, Msm, Ntt, Result};

/// This machine's processor.
pub(super) struct Cpu(Arkworks);

impl Cpu {
    pub(super) fn new() -> Self {
        Cpu(Arkworks)
    }
}

impl Backend for Cpu {
    fn info(&self) -> Info {
        Info {
            name: "cpu",
            ..self.0.info()
        }
    }

    fn prepare_msm(&self, bases: &[G1Affine]) -> Result<Box<dyn Msm>> {
        self.0.prepare_msm(bases)
    }

    fn prepare_ntt(&self, log_n: u32) -> Result<Box<dyn Ntt>> {
        self.0.prepare_ntt(log_n)
    }
}
