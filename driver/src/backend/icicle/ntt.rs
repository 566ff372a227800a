//! Transforms over a domain whose twiddles are in the device's memory.

use std::time::Instant;

use ark_ff::{FftField, Field};

use super::abi::{DomainConfig, NttConfig};
use super::{Buffer, Icicle, Session, limbs, session};
use crate::backend::{MAX_LOG_N, check_columns};
use crate::{Dir, Fr, Ntt, Result, Run};

/// The most field elements of one call, 512 MiB of them; a longer batch is several calls.
const CALL: usize = 1 << 24;

pub(super) struct IcicleNtt {
    icicle: Icicle,
    log_n: u32,
}

impl IcicleNtt {
    pub(super) fn new(icicle: &Icicle, log_n: u32) -> Result<Self> {
        let icicle = Icicle {
            device: icicle.device,
            api: icicle.api,
        };
        icicle.session()?.cover(log_n)?;
        Ok(Self { icicle, log_n })
    }

    /// Transforms columns that lie one behind the other.
    fn call(&self, dir: Dir, coset: Fr, columns: &mut [Vec<Fr>]) -> Result<()> {
        let device = self.icicle.device;
        let n = 1usize << self.log_n;
        let mut session = session(device, self.icicle.api)?;
        let domain = session.cover(self.log_n)?;
        // ICICLE's CPU device reads behind its table of twiddles when the offset is one of them, so those are applied here.
        let host = if coset.pow([1u64 << domain]) == Fr::ONE {
            coset
        } else {
            Fr::ONE
        };
        let coset = if host == Fr::ONE { coset } else { Fr::ONE };
        if dir == Dir::Forward {
            scale(columns, host);
        }
        let values: Vec<Fr> = columns.iter().flatten().copied().collect();
        // The library's form is not Montgomery's, but a transform is linear: it may as well be of the Montgomery forms.
        let from: Buffer = session.upload(&values)?;
        let to = session.allocate(from.bytes)?;
        let config = NttConfig {
            stream: std::ptr::null_mut(),
            coset_gen: limbs(&coset),
            batch_size: columns.len() as i32,
            columns_batch: false,
            ordering: 0,
            are_inputs_on_device: true,
            are_outputs_on_device: true,
            is_async: false,
            ext: std::ptr::null_mut(),
        };
        let direction = match dir {
            Dir::Forward => 0,
            Dir::Inverse => 1,
        };
        // SAFETY: both buffers hold `n * batch_size` elements; `n` is a power of two that the domain covers.
        let status = unsafe { (session.api.ntt)(from.at, n as i32, direction, &raw const config, to.at) };
        status.ok("bn254_ntt").map_err(|reason| device.failed(reason))?;
        for (i, column) in columns.iter_mut().enumerate() {
            // SAFETY: element `i * n` and the `n` from there on lie in `to`; an `Fr` is four limbs.
            let status = unsafe {
                let at = to.at.cast::<u8>().add(i * n * size_of::<Fr>());
                (session.api.copy_to_host)(column.as_mut_ptr().cast(), at.cast(), n * size_of::<Fr>())
            };
            status
                .ok("icicle_copy_to_host")
                .map_err(|reason| device.failed(reason))?;
        }
        if dir == Dir::Inverse {
            scale(columns, host.inverse().unwrap_or(Fr::ONE));
        }
        Ok(())
    }
}

/// Multiplies element `i` of each column by `base^i`.
fn scale(columns: &mut [Vec<Fr>], base: Fr) {
    if base == Fr::ONE {
        return;
    }
    for column in columns {
        let mut power = Fr::ONE;
        for value in column {
            *value *= power;
            power *= base;
        }
    }
}

impl Session<'_> {
    /// Makes the device's one domain at least so large, and says how large it is.
    fn cover(&mut self, log_n: u32) -> Result<u32> {
        if let Some(log) = self.domain.filter(|&log| log >= log_n) {
            return Ok(log);
        }
        let failed = |reason: String| self.device.failed(reason);
        if self.domain.take().is_some() {
            // SAFETY: no transform runs: this session has the lock.
            unsafe { (self.api.release_domain)() }
                .ok("bn254_ntt_release_domain")
                .map_err(failed)?;
        }
        // The device's smallest domain is not documented; 2^10 costs nothing.
        let log_n = log_n.max(10);
        let root = limbs(&Fr::TWO_ADIC_ROOT_OF_UNITY.pow([1u64 << (MAX_LOG_N - log_n)]));
        let config = DomainConfig {
            stream: std::ptr::null_mut(),
            is_async: false,
            ext: std::ptr::null_mut(),
        };
        // SAFETY: both outlive the call.
        let status = unsafe { (self.api.init_domain)(&raw const root, &raw const config) };
        status.ok("bn254_ntt_init_domain").map_err(failed)?;
        *self.domain = Some(log_n);
        Ok(log_n)
    }
}

impl Ntt for IcicleNtt {
    fn run(&self, dir: Dir, coset: Fr, columns: &mut [Vec<Fr>]) -> Result<Run<()>> {
        let start = Instant::now();
        check_columns(1 << self.log_n, coset, columns)?;
        let bytes = columns.iter().map(|column| size_of_val(column.as_slice()) as u64).sum();
        // A constant is its own transform.
        if self.log_n > 0 {
            for columns in columns.chunks_mut((CALL >> self.log_n).max(1)) {
                self.call(dir, coset, columns)?;
            }
        }
        Ok(Run {
            out: (),
            wall: start.elapsed(),
            cycles: None,
            activity: None,
            bytes_in: bytes,
            bytes_out: bytes,
        })
    }
}
