//! One suite that every backend must pass: results are compared, to the bit, with what the definitions say.
//!
//! The expected values come from neither arkworks' MSM nor its FFT. Every base is a known multiple of the generator, so
//! an MSM is one inner product in Fr and one double-and-add; transforms are checked by Horner's rule, at every point for
//! small domains and at random points for large ones. The suite draws its data from a fixed seed.

mod msm;
mod ntt;

use std::fmt;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

use crate::Backend;

/// How far the suite goes. A simulated device is orders of magnitude slower than a processor and may need less.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// The longest MSM.
    pub max_len: usize,
    /// The base-2 logarithm of the largest domain.
    pub max_log_n: u32,
}

impl Default for Scope {
    /// MSMs of up to 4096 points, domains of up to 2^12.
    fn default() -> Self {
        Scope {
            max_len: 1 << 12,
            max_log_n: 12,
        }
    }
}

/// What a backend passed.
#[derive(Clone, Debug)]
pub struct Report {
    /// The backend's name.
    pub backend: &'static str,
    /// The cases, in the order they ran.
    pub cases: Vec<&'static str>,
}

/// The first case that a backend failed.
#[derive(Clone, Debug, thiserror::Error)]
pub struct Failure {
    /// The backend's name.
    pub backend: &'static str,
    /// The case.
    pub case: &'static str,
    /// What was given, what was expected and what came.
    pub reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "backend {} fails case '{}': {}",
            self.backend, self.case, self.reason
        )
    }
}

/// A case: what it is called and what it does.
type Case = (&'static str, fn(&mut Suite<'_>) -> Outcome);

/// `Err` says what went wrong.
type Outcome = Result<(), String>;

/// What every case needs.
struct Suite<'a> {
    backend: &'a dyn Backend,
    scope: Scope,
    rng: ChaCha8Rng,
}

/// Runs the whole suite.
///
/// # Errors
/// The first case that fails.
pub fn check(backend: &dyn Backend) -> Result<Report, Failure> {
    check_within(backend, Scope::default())
}

/// Runs every case, at sizes within `scope`.
///
/// # Errors
/// The first case that fails.
pub fn check_within(backend: &dyn Backend, scope: Scope) -> Result<Report, Failure> {
    let name = backend.info().name;
    let mut suite = Suite {
        backend,
        scope,
        rng: ChaCha8Rng::seed_from_u64(0x7461_7065_6f75_7400),
    };
    let mut cases = Vec::new();
    for &(case, run) in msm::CASES.iter().chain(ntt::CASES) {
        run(&mut suite).map_err(|reason| Failure {
            backend: name,
            case,
            reason,
        })?;
        cases.push(case);
    }
    Ok(Report { backend: name, cases })
}

/// The message of an error where a result was expected.
fn refused(error: crate::Error) -> String {
    format!("expected a result, got the error: {error}")
}
