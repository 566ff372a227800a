//! Ingonyama's ICICLE, the GPU library that the comparison is held against, on its CUDA device and on its CPU device.
//!
//! Nothing of it is needed to build: its C interface is bound at run time ([`abi`]). Bases and twiddles are resident, batches are
//! one call, and every argument is checked here first: an exception of the library would end the process at its C interface.

mod abi;
mod msm;
mod ntt;

use std::ffi::c_void;
use std::sync::{Mutex, MutexGuard};

use ark_ec::{AffineRepr, CurveGroup};
use ark_ff::{AdditiveGroup, BigInt, FftField, Field, PrimeField};

use super::{Availability, check_domain};
use crate::{Backend, Dir, Error, Fr, G1Affine, Info, Msm, Ntt, Result, Scalars, Width};
use abi::Api;

/// One of ICICLE's devices.
#[derive(Debug)]
pub(super) struct Device {
    /// The name of the backend.
    name: &'static str,
    /// What ICICLE calls it.
    kind: &'static str,
    /// Whether it is a library of its own.
    plugin: bool,
    /// Serialises the calls: the device has one default stream, and one domain for all transforms, whose size this is.
    domain: Mutex<Option<u32>>,
}

pub(super) static CPU: Device = Device {
    name: "icicle-cpu",
    kind: "CPU",
    plugin: false,
    domain: Mutex::new(None),
};

pub(super) static CUDA: Device = Device {
    name: "icicle-cuda",
    kind: "CUDA",
    plugin: true,
    domain: Mutex::new(None),
};

impl Device {
    /// Whether ICICLE and the device are there.
    pub(super) fn availability(&self) -> Availability {
        let missing = |reason, remedy| Availability::Missing { reason, remedy };
        match abi::load() {
            Err(reason) => {
                let source = "https://github.com/ingonyama-zk/icicle, built with CURVE=bn254";
                missing(
                    reason,
                    format!("install ICICLE v4 ({source}) and set {} to its folder", abi::FOLDER),
                )
            }
            Ok(api) => match self.find(api) {
                Ok(()) => Availability::Ready,
                Err(reason) => {
                    let remedy = "run it where the device, its driver and ICICLE's library for it are installed";
                    missing(reason, remedy.into())
                }
            },
        }
    }

    /// # Errors
    /// What is missing.
    fn find(&self, api: &Api) -> std::result::Result<(), String> {
        if self.plugin {
            api.load_devices()?;
        }
        let device = abi::Device::new(self.kind);
        // SAFETY: `device` outlives the call.
        let status = unsafe { (api.is_device_available)(&raw const device) };
        status
            .ok("")
            .map_err(|_| format!("ICICLE has no {} device here", self.kind))
    }

    fn failed(&self, reason: impl Into<String>) -> Error {
        Error::Device {
            backend: self.name,
            reason: reason.into(),
        }
    }
}

/// A device that has been found and has computed a known result.
pub(super) struct Icicle {
    device: &'static Device,
    api: &'static Api,
}

/// The right to call the library, held while a kernel runs: its choice of a device belongs to the calling thread.
struct Session<'a> {
    device: &'static Device,
    api: &'static Api,
    domain: MutexGuard<'a, Option<u32>>,
}

/// Memory on the device.
struct Buffer {
    device: &'static Device,
    api: &'static Api,
    at: *mut c_void,
    bytes: usize,
}

// SAFETY: an address in the device's memory, which every thread may use that has chosen the device.
unsafe impl Send for Buffer {}
// SAFETY: see above; the library is only called from within a `Session`.
unsafe impl Sync for Buffer {}

impl Icicle {
    /// # Errors
    /// [`Error::Unavailable`] without ICICLE or the device, [`Error::Device`] when it fails, [`Error::Wrong`] when a known
    /// result is not what it computes.
    pub(super) fn open(device: &'static Device) -> Result<Self> {
        let api = abi::load().map_err(|reason| device.failed(reason))?;
        device.find(api).map_err(|reason| device.failed(reason))?;
        let icicle = Self { device, api };
        icicle.self_check()?;
        Ok(icicle)
    }

    /// A library with other layouts would compute something else, if anything.
    fn self_check(&self) -> Result<()> {
        let wrong = |what: &str| Error::Wrong {
            backend: self.device.name,
            what: format!("{what} (is it ICICLE v4?)"),
        };
        let generator = G1Affine::generator();
        let bases = [generator, (generator + generator).into_affine()];
        let values = [Fr::from(5u64), -Fr::from(3u64)];
        let scalars = Scalars {
            values: &values,
            width: Width::Full,
        };
        if self.prepare_msm(&bases)?.run(&[scalars])?.out[0] != -generator.into_group() {
            return Err(wrong("a known MSM"));
        }
        // The values of 1 + X at 1, i, -1, -i.
        let mut columns = [vec![Fr::ONE, Fr::ONE, Fr::ZERO, Fr::ZERO]];
        self.prepare_ntt(2)?.run(Dir::Forward, Fr::ONE, &mut columns)?;
        let root = Fr::TWO_ADIC_ROOT_OF_UNITY.pow([1 << 26]);
        let right: Vec<Fr> = (0..4u64).map(|i| Fr::ONE + root.pow([i])).collect();
        if columns[0] == right {
            Ok(())
        } else {
            Err(wrong("a known transform"))
        }
    }

    fn session(&self) -> Result<Session<'static>> {
        session(self.device, self.api)
    }
}

fn session(device: &'static Device, api: &'static Api) -> Result<Session<'static>> {
    let domain = device
        .domain
        .lock()
        .map_err(|_| device.failed("an earlier call panicked"))?;
    let chosen = abi::Device::new(device.kind);
    // SAFETY: `chosen` outlives the call, which copies it.
    let status = unsafe { (api.set_device)(&raw const chosen) };
    status.ok("icicle_set_device").map_err(|reason| device.failed(reason))?;
    Ok(Session { device, api, domain })
}

impl Session<'_> {
    /// At least one byte of the device's memory.
    fn allocate(&self, bytes: usize) -> Result<Buffer> {
        let mut at = std::ptr::null_mut();
        // SAFETY: `at` outlives the call.
        let status = unsafe { (self.api.malloc)(&raw mut at, bytes.max(1)) };
        status
            .ok("icicle_malloc")
            .map_err(|reason| self.device.failed(format!("{reason} ({bytes} bytes)")))?;
        Ok(Buffer {
            device: self.device,
            api: self.api,
            at,
            bytes,
        })
    }

    fn upload<T: Copy>(&self, data: &[T]) -> Result<Buffer> {
        let buffer = self.allocate(size_of_val(data))?;
        if !data.is_empty() {
            // SAFETY: both sides hold `bytes` bytes.
            let status = unsafe { (self.api.copy_to_device)(buffer.at, data.as_ptr().cast(), buffer.bytes) };
            status
                .ok("icicle_copy_to_device")
                .map_err(|reason| self.device.failed(reason))?;
        }
        Ok(buffer)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: allocated by this library, freed once; it chooses the device that the memory belongs to.
        let _nothing_to_do_about_it = unsafe { (self.api.free)(self.at) };
    }
}

impl Backend for Icicle {
    fn info(&self) -> Info {
        let memory = self.session().ok().and_then(|session| {
            let (mut total, mut free) = (0, 0);
            // SAFETY: both outlive the call.
            let status = unsafe { (session.api.available_memory)(&raw mut total, &raw mut free) };
            status.ok("").ok().map(|()| total as u64)
        });
        Info {
            name: self.device.name,
            device: format!("ICICLE's {} device", self.device.kind),
            clock_hz: None,
            memory_bytes: memory.filter(|&bytes| bytes > 0),
        }
    }

    fn prepare_msm(&self, bases: &[G1Affine]) -> Result<Box<dyn Msm>> {
        Ok(Box::new(msm::IcicleMsm::new(self, bases)?))
    }

    fn prepare_ntt(&self, log_n: u32) -> Result<Box<dyn Ntt>> {
        check_domain(self.device.name, log_n)?;
        Ok(Box::new(ntt::IcicleNtt::new(self, log_n)?))
    }
}

/// A field element in the library's form.
fn limbs<F: PrimeField<BigInt = BigInt<4>>>(value: &F) -> abi::Limbs {
    value.into_bigint().0
}
