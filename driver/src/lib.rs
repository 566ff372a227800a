//! The seam between the prover and whatever computes its heavy kernels.
//!
//! A proof spends most of its time in two kernels: multi-scalar multiplication over BN254 G1 (MSM) and number-theoretic
//! transforms over BN254 Fr (NTT). Everything that can run them (a CPU, a simulated FPGA, a GPU) is a [`Backend`]: chosen by
//! value at run time, checked by the one [`conformance`] suite, and interchangeable to the bit. MSM results are group
//! elements and NTT results field elements, so the same proof bytes come out whichever backend ran.
//!
//! This crate is not a proof system and knows nothing of models; it depends on no other crate of the project but the
//! hardware description.

pub mod backend;
pub mod bench;
pub mod card;
pub mod conformance;
mod error;
pub mod explore;
pub mod guard;
pub mod kernels;
pub mod replay;
pub mod sample;
mod scalars;
pub mod trace;

use std::time::Duration;

pub use ark_bn254::{Fr, G1Affine, G1Projective};

pub use error::{Error, Result};
pub use tapeout_hw::part;

/// A device that can run MSMs and NTTs.
pub trait Backend: Send + Sync {
    /// What this backend is.
    fn info(&self) -> Info;

    /// Makes `bases` resident on the device, once per structured reference string.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the device cannot hold that many bases, [`Error::Device`] when it fails.
    fn prepare_msm(&self, bases: &[G1Affine]) -> Result<Box<dyn Msm>>;

    /// Makes the twiddles of the domain of size `2^log_n` resident on the device, once per domain.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when the device cannot transform columns of that length, [`Error::Device`] when it fails.
    fn prepare_ntt(&self, log_n: u32) -> Result<Box<dyn Ntt>>;

    /// The same device with kernels that take less memory of the host for more time, where it has such.
    fn frugal(&self) -> Option<Box<dyn Backend>> {
        None
    }
}

/// Multi-scalar multiplication over resident bases.
pub trait Msm: Send + Sync {
    /// The number of resident bases.
    fn len(&self) -> usize;

    /// Whether there are no bases at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Computes `sum_i values[i] * bases[i]` for each item of the batch. An item may be shorter than the bases (the
    /// remaining bases take no part); an empty item gives the identity.
    ///
    /// # Errors
    /// [`Error::Length`] when an item is longer than the bases, [`Error::Width`] when a value does not fit its hint,
    /// [`Error::Promise`] when a hint is wider than 64 bits.
    fn run(&self, batch: &[Scalars<'_>]) -> Result<Run<Vec<G1Projective>>>;
}

/// Number-theoretic transforms over one domain `H = <w>` of size `n = 2^log_n`, natural order in and out, where `w` is
/// `Fr::TWO_ADIC_ROOT_OF_UNITY` raised to `2^(28 - log_n)`.
pub trait Ntt: Send + Sync {
    /// Transforms each column in place. [`Dir::Forward`]: coefficients of `f` to the values `f(coset * w^i)`.
    /// [`Dir::Inverse`]: those values back to coefficients, the factor `1/n` included.
    ///
    /// # Errors
    /// [`Error::Length`] when a column's length is not `n`, [`Error::Coset`] when `coset` is zero. No column is changed then.
    fn run(&self, dir: Dir, coset: Fr, columns: &mut [Vec<Fr>]) -> Result<Run<()>>;
}

/// One MSM's scalars, with what is known of their size.
#[derive(Clone, Copy, Debug)]
pub struct Scalars<'a> {
    /// The scalars, base 0 first.
    pub values: &'a [Fr],
    /// How large they can be. A hint decides speed, never the result: a value outside of it is an error.
    pub width: Width,
}

/// The size of a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Width {
    /// Any field element.
    Full,
    /// An unsigned integer below `2^bits`, at most 64 bits.
    Bits(u8),
    /// A signed integer in `-2^(bits-1) .. 2^(bits-1)`, at most 64 bits; negative values are stored as `r - |v|`.
    Signed(u8),
}

/// The direction of a transform.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dir {
    /// Coefficients to evaluations.
    Forward,
    /// Evaluations to coefficients.
    Inverse,
}

/// What a kernel returned and what it took.
#[derive(Clone, Debug)]
pub struct Run<T> {
    /// The result.
    pub out: T,
    /// Wall time on the host. For a simulated device this is the time of the simulation, never the device's speed.
    pub wall: Duration,
    /// Clock cycles of the device, where it counts them.
    pub cycles: Option<u64>,
    /// How busy those cycles were, where the device counts that.
    pub activity: Option<Activity>,
    /// Bytes sent to the device.
    pub bytes_in: u64,
    /// Bytes received from the device.
    pub bytes_out: u64,
}

/// What a device's performance counters say of its adder or its butterflies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Activity {
    /// Non-zero digits absorbed and additions of the reduction, or butterflies over their number: the cycles that hardware that
    /// is never idle would take.
    pub work: u64,
    /// Additions, or butterflies, issued.
    pub adds_issued: u64,
    /// Cycles in which it had nothing to do: waiting for the host, for memory, or for its own sums.
    pub bubbles: u64,
    /// Adders that share the work; the other figures are their sums.
    pub adders: u32,
}

impl Activity {
    /// Of two calls on one device.
    pub(crate) fn after(self, other: Self) -> Self {
        Self {
            adders: self.adders,
            ..self.beside(other)
        }
    }

    /// Of one call on two devices.
    pub(crate) fn beside(self, other: Self) -> Self {
        Self {
            work: self.work + other.work,
            adds_issued: self.adds_issued + other.adds_issued,
            bubbles: self.bubbles + other.bubbles,
            adders: self.adders + other.adders,
        }
    }
}

/// What a backend is.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Info {
    /// The name it is chosen by.
    pub name: &'static str,
    /// The device in words.
    pub device: String,
    /// The clock that cycles are converted to time with, in hertz; `None` where wall time is the device's own.
    pub clock_hz: Option<u64>,
    /// Memory of the device in bytes, where known.
    pub memory_bytes: Option<u64>,
}
