//! The backends there are, and how to get one by name.

mod arkworks;
mod cpu;
mod icicle;
mod reference;
pub(crate) mod rtl;
mod several;

pub use cpu::Multiples;
#[cfg(target_arch = "x86_64")]
pub(crate) use cpu::ifma;
pub(crate) use cpu::{inverse_ntt_of, multiples_of};
pub use rtl::{on_cards, record_msm};

use crate::guard::Guard;
use crate::{Backend, Error, Fr, Msm, Result, Scalars};

/// The backend that is used when none is named.
pub const DEFAULT: &str = "cpu";

/// A row of the table of backends.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The name it is chosen by.
    pub name: &'static str,
    /// What it is, in one line.
    pub summary: &'static str,
    /// Whether it is this machine's processor with kernels of this program or of a library linked into it; others are devices, whose results
    /// are worth a check.
    pub host: bool,
    availability: fn() -> Availability,
    open: fn() -> Result<Box<dyn Backend>>,
}

/// Whether a backend can run on this machine, as this program was built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Availability {
    /// It can.
    Ready,
    /// It cannot.
    Missing {
        /// What is missing.
        reason: String,
        /// How to get it.
        remedy: String,
    },
}

/// Every backend, whether it can run here or not.
pub const TABLE: &[Entry] = &[
    Entry {
        name: "cpu",
        summary: "this machine's processor, with the fastest kernels it can run",
        host: true,
        availability: || Availability::Ready,
        open: || Ok(cpu(Multiples::default())),
    },
    Entry {
        name: "portable",
        summary: "as cpu, with the kernels that every processor can run",
        host: true,
        availability: || Availability::Ready,
        open: || Ok(Box::new(cpu::Cpu::portable())),
    },
    Entry {
        name: "arkworks",
        summary: "this machine's processor, with the arkworks libraries' kernels",
        host: true,
        availability: || Availability::Ready,
        open: || Ok(Box::new(arkworks::Arkworks)),
    },
    Entry {
        name: "reference",
        summary: "the definitions, computed as written: slow, to check against",
        host: true,
        availability: || Availability::Ready,
        open: || Ok(Box::new(reference::Reference)),
    },
    Entry {
        name: "rtl",
        summary: "the engines in SystemVerilog on a simulated FPGA card; counts cycles",
        host: false,
        availability: rtl::availability,
        open: || rtl::simulated(1, &Guard::default()),
    },
    Entry {
        name: "icicle-cuda",
        summary: "an NVIDIA GPU, through Ingonyama's ICICLE",
        host: false,
        availability: || icicle::CUDA.availability(),
        open: || Ok(Box::new(icicle::Icicle::open(&icicle::CUDA)?)),
    },
    Entry {
        name: "icicle-cpu",
        summary: "ICICLE's own kernels for this machine's processor",
        host: false,
        availability: || icicle::CPU.availability(),
        open: || Ok(Box::new(icicle::Icicle::open(&icicle::CPU)?)),
    },
];

impl Entry {
    /// Whether the backend can run here, and if not, why and what to do about it.
    #[must_use]
    pub fn availability(&self) -> Availability {
        (self.availability)()
    }

    /// Opens the backend.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it cannot run here, [`Error::Device`] when its device fails.
    pub fn open(&self) -> Result<Box<dyn Backend>> {
        self.availability().check(self.name)?;
        (self.open)()
    }
}

impl Availability {
    fn check(self, backend: &'static str) -> Result<()> {
        match self {
            Self::Ready => Ok(()),
            Self::Missing { reason, remedy } => Err(Error::Unavailable {
                backend,
                reason,
                remedy,
            }),
        }
    }
}

/// The names of all backends, the default one first.
pub fn names() -> impl Iterator<Item = &'static str> {
    TABLE.iter().map(|entry| entry.name)
}

/// Every name that [`open`] knows: those of the table, and `rtl` with more engines than one.
pub fn choices() -> impl Iterator<Item = &'static str> {
    names().chain(rtl::NAMES.into_iter().skip(1))
}

/// Opens the backend of that name. `rtl:2` to `rtl:4` are `rtl` with as many engines.
///
/// # Errors
/// [`Error::UnknownBackend`] when none has it, [`Error::Unsupported`] for another number of engines, and those of [`Entry::open`].
pub fn open(name: &str) -> Result<Box<dyn Backend>> {
    open_guarded(name, &Guard::default())
}

/// Opens the backend of that name with each of its devices under guard.
///
/// # Errors
/// As [`open`].
pub fn open_guarded(name: &str, guard: &Guard) -> Result<Box<dyn Backend>> {
    if let Some(engines) = name.strip_prefix("rtl:") {
        let engines = rtl::engines(engines)?;
        rtl::availability().check("rtl")?;
        return rtl::simulated(engines, guard);
    }
    let entry = TABLE.iter().find(|entry| entry.name == name);
    let unknown = || Error::UnknownBackend {
        name: name.to_owned(),
        known: names().collect::<Vec<_>>().join(", "),
    };
    let backend = entry.ok_or_else(unknown)?.open()?;
    Ok(guard.wrap(backend, format!("backend {name}")))
}

/// The default backend, with that much memory for multiples of resident bases.
#[must_use]
pub fn cpu(multiples: Multiples) -> Box<dyn Backend> {
    Box::new(cpu::Cpu::new(multiples))
}

/// Whether that name is one of this machine's processor ([`Entry::host`]).
#[must_use]
pub fn is_host(name: &str) -> bool {
    TABLE.iter().any(|entry| entry.name == name && entry.host)
}

/// The largest domain there is: `2^28` divides `r - 1`, `2^29` does not.
pub(crate) const MAX_LOG_N: u32 = 28;

/// Refuses domains that the field does not have.
fn check_domain(backend: &'static str, log_n: u32) -> Result<()> {
    if log_n <= MAX_LOG_N {
        return Ok(());
    }
    let reason = format!("no domain of size 2^{log_n} in BN254 Fr: the largest is 2^{MAX_LOG_N}");
    Err(Error::Unsupported { backend, reason })
}

/// Refuses a batch with an item that is longer than the bases.
fn check_lengths(msm: &impl Msm, batch: &[Scalars<'_>]) -> Result<()> {
    match batch.iter().find(|item| item.values.len() > msm.len()) {
        Some(item) => Err(Error::Length {
            what: "an item's scalars",
            expected: msm.len(),
            got: item.values.len(),
        }),
        None => Ok(()),
    }
}

/// Refuses columns that are not as long as the domain, and the coset of zero.
pub(crate) fn check_columns(n: usize, coset: Fr, columns: &[Vec<Fr>]) -> Result<()> {
    if coset == Fr::from(0u64) {
        return Err(Error::Coset);
    }
    match columns.iter().find(|column| column.len() != n) {
        Some(column) => Err(Error::Length {
            what: "a column",
            expected: n,
            got: column.len(),
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn the_default_is_first_and_names_are_unique() {
        let names: Vec<_> = names().collect();
        assert_eq!(names[0], DEFAULT);
        assert!(names.iter().enumerate().all(|(i, name)| !names[..i].contains(name)));
    }

    #[test]
    fn backends_answer_to_their_names() {
        for entry in TABLE.iter().filter(|entry| entry.availability() == Availability::Ready) {
            assert_eq!(entry.open().unwrap().info().name, entry.name);
        }
    }

    #[test]
    fn an_unknown_name_is_told_the_known_ones() {
        let message = open("fpga").err().unwrap().to_string();
        assert_eq!(
            message,
            "no backend is named 'fpga'; there are: cpu, portable, arkworks, reference, rtl, icicle-cuda, icicle-cpu"
        );
    }

    #[test]
    fn a_missing_backend_says_how_to_get_it() {
        let missing = Availability::Missing {
            reason: "no such device".into(),
            remedy: "plug it in".into(),
        };
        let entry = Entry {
            availability: || unreachable!(),
            ..TABLE[0]
        };
        assert_eq!(entry.name, "cpu");
        let entry = Entry {
            availability: || Availability::Missing {
                reason: "no such device".into(),
                remedy: "plug it in".into(),
            },
            ..entry
        };
        assert_eq!(entry.availability(), missing);
        let message = entry.open().err().unwrap().to_string();
        assert_eq!(message, "backend cpu is not available: no such device; plug it in");
    }
}
