//! Results that are checked as they come, and calls made good that a device failed.
//!
//! [`Guard::wrap`] makes a backend of any backend. Each result is held against a random relation that a right one satisfies; one that does
//! not is an [`Error::Fault`], which names the engine, or, where a fallback is given, is computed again there. The relations
//! cost a part of the work that they check (`docs/faults.md` says how much). They find what hardware does wrong by accident, in
//! arithmetic, memory or on the way, with a chance of at most 2^-32 to miss; they do not stand up to hardware that wants to deceive,
//! which the proof's verification does.

mod msm;
mod ntt;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use serde::Serialize;

use crate::{Backend, Error, G1Affine, Info, Msm, Ntt, Result, Run};

/// What is done about a device that may fail. Clones share one log.
#[derive(Clone, Default)]
pub struct Guard {
    /// Whether results are checked.
    pub check: bool,
    /// What computes a call again that the device failed. It is trusted.
    pub fallback: Option<Arc<dyn Backend>>,
    log: Arc<Mutex<Log>>,
}

/// What the guard of a device has seen.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Log {
    /// Calls of kernels.
    pub calls: usize,
    /// Those whose results were checked.
    pub checked: usize,
    /// Cycles of the device that were spent for checks only, where it counts them.
    pub check_cycles: Option<u64>,
    /// Time of the host that was spent for checks only, in seconds.
    pub check_host_s: f64,
    /// What went wrong.
    pub incidents: Vec<Incident>,
}

/// A call that a device failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Incident {
    /// The engine and its device.
    pub engine: String,
    /// Which call it was, and of what size.
    pub call: String,
    /// What was noticed.
    pub reason: String,
    /// The backend that computed the call in its place, if any.
    pub made_good_on: Option<&'static str>,
}

impl Guard {
    /// A guard that does nothing if `check` is not set and there is no fallback.
    #[must_use]
    pub fn new(check: bool, fallback: Option<Arc<dyn Backend>>) -> Self {
        Self {
            check,
            fallback,
            log: Arc::default(),
        }
    }

    /// What all devices under this guard have done so far.
    #[must_use]
    pub fn log(&self) -> Log {
        self.lock().clone()
    }

    /// `inner` under guard; errors and the log call it `device`.
    #[must_use]
    pub fn wrap(&self, inner: Box<dyn Backend>, device: String) -> Box<dyn Backend> {
        if !self.check && self.fallback.is_none() {
            return inner;
        }
        Box::new(Guarded {
            inner: Arc::from(inner),
            device,
            guard: self.clone(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Log> {
        // what a panicking thread left behind is whole: entries are pushed at once
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Guarded {
    inner: Arc<dyn Backend>,
    device: String,
    guard: Guard,
}

impl Backend for Guarded {
    fn info(&self) -> Info {
        self.inner.info()
    }

    fn prepare_msm(&self, bases: &[G1Affine]) -> Result<Box<dyn Msm>> {
        Ok(Box::new(msm::GuardedMsm::new(bases, self.watch("MSM"))?))
    }

    fn prepare_ntt(&self, log_n: u32) -> Result<Box<dyn Ntt>> {
        Ok(Box::new(ntt::GuardedNtt::new(log_n, self.watch("NTT"))?))
    }
}

impl Guarded {
    fn watch(&self, kernel: &str) -> Watch {
        Watch {
            backend: Arc::clone(&self.inner),
            engine: format!("the {kernel} engine of {}", self.device),
            guard: self.guard.clone(),
        }
    }
}

/// The guard of one engine.
struct Watch {
    backend: Arc<dyn Backend>,
    engine: String,
    guard: Guard,
}

/// What is resident on a device, and the same on the fallback. What failed a call is dropped and loaded again for the next one.
struct Resident<K: ?Sized> {
    device: Mutex<Option<Arc<K>>>,
    fallback: Mutex<Option<Arc<K>>>,
}

impl<K: ?Sized> Resident<K> {
    fn nothing() -> Self {
        Self {
            device: Mutex::new(None),
            fallback: Mutex::new(None),
        }
    }

    /// What is there, or else what `make` loads.
    fn get(place: &Mutex<Option<Arc<K>>>, make: impl FnOnce() -> Result<Box<K>>) -> Result<Arc<K>> {
        let mut place = place.lock().unwrap_or_else(PoisonError::into_inner);
        match &*place {
            Some(kernel) => Ok(Arc::clone(kernel)),
            None => Ok(Arc::clone(place.insert(Arc::from(make()?)))),
        }
    }

    fn unload(&self) {
        *self.device.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl Watch {
    /// Counts a call.
    fn next_call(&self) -> usize {
        let mut log = self.guard.lock();
        log.calls += 1;
        log.calls
    }

    /// Notes what a check took.
    fn checked(&self, cycles: Option<u64>, host: Duration) {
        let mut log = self.guard.lock();
        log.checked += 1;
        log.check_cycles = cycles
            .map(|more| log.check_cycles.unwrap_or(0) + more)
            .or(log.check_cycles);
        log.check_host_s += host.as_secs_f64();
    }

    /// Notes a failure: the fallback to turn to, or the error.
    fn give_up(&self, call: String, error: Error) -> Result<&Arc<dyn Backend>> {
        let reason = match error {
            Error::Fault { reason, .. } => reason,
            other => other.to_string(),
        };
        let engine = self.engine.clone();
        let fallback = self.guard.fallback.as_ref();
        let made_good_on = fallback.map(|backend| backend.info().name);
        if let Some(backend) = made_good_on {
            tracing::warn!("{engine} failed {call}: {reason}; computed on backend {backend} instead");
        }
        let incident = Incident {
            engine: engine.clone(),
            call: call.clone(),
            reason: reason.clone(),
            made_good_on,
        };
        self.guard.lock().incidents.push(incident);
        fallback.ok_or(Error::Fault { engine, call, reason })
    }

    /// The error of a result that a check refuses.
    fn wrong(&self, reason: String) -> Error {
        Error::Fault {
            engine: self.engine.clone(),
            call: String::new(),
            reason,
        }
    }
}

/// Whether it is the device that failed, not the caller.
fn is_fault(error: &Error) -> bool {
    matches!(error, Error::Device { .. } | Error::Fault { .. })
}

/// Randomness that does not depend on what devices are given.
fn entropy() -> Result<ChaCha20Rng> {
    ChaCha20Rng::try_from_os_rng().map_err(|error| Error::Randomness {
        reason: error.to_string(),
    })
}

/// Adds what a check took on the device to what the call took.
fn add<T, U>(run: &mut Run<T>, check: &Run<U>) {
    run.cycles = run.cycles.zip(check.cycles).map(|(a, b)| a + b);
    run.activity = run.activity.zip(check.activity).map(|(a, b)| a.after(b));
    run.bytes_in += check.bytes_in;
    run.bytes_out += check.bytes_out;
}
