//! Kernel traces: what a prover asked of its backend, call by call, without the data.
//!
//! A trace is enough to run the same work on any backend without the prover ([`crate::replay`]), and to ask a model of hardware what
//! it would take. It holds lengths, widths and how many scalars are zero or repeated, and times; no scalar, no point.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use ark_ff::{AdditiveGroup, Field};
use serde::{Deserialize, Serialize};

use crate::{Backend, Dir, Error, Fr, G1Affine, G1Projective, Info, Msm, Ntt, Result, Run, Scalars, Width, backend};

/// The version of the format.
const VERSION: u32 = 1;

/// The most resident bases that a trace can ask for in one set, so that a damaged file cannot ask for all memory.
const MAX_BASES: usize = 1 << 24;

/// The calls of one proof, in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// The version of the format: 1.
    pub version: u32,
    /// The backend that the calls ran on when they were recorded.
    pub backend: String,
    /// Lengths of the sets of resident bases.
    pub bases: Vec<usize>,
    /// The calls.
    pub calls: Vec<Call>,
    /// Time from the last call's end to the end of the recording, in seconds.
    pub host_after_s: f64,
}

/// One call of a kernel.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// What was asked for.
    pub work: Work,
    /// Time from the end of the call before (or from the start) to this call: the host's own work, in seconds.
    pub host_before_s: f64,
    /// Wall time of the call in seconds.
    pub wall_s: f64,
    /// The device's clock cycles, where it counts them.
    pub cycles: Option<u64>,
}

/// What a call asks for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Work {
    /// A batch of MSMs over one set of bases.
    Msm {
        /// Index of the set.
        bases: usize,
        /// The items of the batch.
        items: Vec<Item>,
    },
    /// A batch of transforms.
    Ntt {
        /// Base-2 logarithm of the size.
        log_n: u32,
        /// From values to coefficients.
        inverse: bool,
        /// Whether on a coset.
        coset: bool,
        /// Number of columns.
        columns: usize,
    },
}

/// One MSM's scalars, as far as they decide the time it takes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// How many.
    pub len: usize,
    /// Their width.
    pub width: Width,
    /// How many are not zero.
    pub nonzero: usize,
    /// How many different values are among those.
    pub distinct: usize,
}

impl Item {
    fn of(scalars: &Scalars<'_>) -> Self {
        let nonzero = || scalars.values.iter().filter(|value| **value != Fr::ZERO);
        Self {
            len: scalars.values.len(),
            width: scalars.width,
            nonzero: nonzero().count(),
            distinct: nonzero().collect::<HashSet<_>>().len(),
        }
    }
}

impl Trace {
    /// Checks a trace that was read from a file.
    ///
    /// # Errors
    /// [`Error::Trace`] with the rule that is broken.
    pub fn validate(&self) -> Result<()> {
        let refuse = |call: usize, what: String| Err(Error::Trace { call, what });
        if self.version != VERSION {
            return refuse(
                0,
                format!("its version is {}, this program reads {VERSION}", self.version),
            );
        }
        if let Some(len) = self.bases.iter().find(|len| **len > MAX_BASES) {
            return refuse(0, format!("a set of {len} bases is too large: at most {MAX_BASES}"));
        }
        for (i, call) in self.calls.iter().enumerate() {
            match &call.work {
                Work::Msm { bases, items } => {
                    let Some(len) = self.bases.get(*bases) else {
                        return refuse(
                            i,
                            format!("there is no set {bases} of bases; there are {}", self.bases.len()),
                        );
                    };
                    for item in items {
                        item.width.check()?;
                        let values = item
                            .width
                            .range()
                            .map_or(u128::MAX, |range| (range.end() - range.start()) as u128);
                        let counts = item.nonzero <= item.len
                            && item.distinct <= item.nonzero
                            && (item.distinct > 0) == (item.nonzero > 0)
                            && item.distinct as u128 <= values;
                        if item.len > *len || !counts {
                            return refuse(
                                i,
                                format!("an item's counts contradict each other: {item:?} over {len} bases"),
                            );
                        }
                    }
                }
                Work::Ntt { log_n, columns, .. } => {
                    let elements = 1usize.checked_shl(*log_n).and_then(|n| n.checked_mul(*columns));
                    if *log_n > backend::MAX_LOG_N || elements.is_none_or(|count| count > MAX_BASES << 4) {
                        return refuse(i, format!("{columns} columns of 2^{log_n} are too many"));
                    }
                }
            }
        }
        Ok(())
    }
}

/// A backend that passes every call on to another one and keeps what was asked.
pub struct Recorder<'a> {
    inner: &'a dyn Backend,
    log: Arc<Mutex<Log>>,
}

struct Log {
    bases: Vec<usize>,
    calls: Vec<Call>,
    /// When the last call ended.
    last: Instant,
}

fn lock(log: &Mutex<Log>) -> MutexGuard<'_, Log> {
    // What a panicking call left behind is whole: entries are pushed at once.
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<'a> Recorder<'a> {
    /// Records from now on.
    #[must_use]
    pub fn new(inner: &'a dyn Backend) -> Self {
        let log = Log {
            bases: Vec::new(),
            calls: Vec::new(),
            last: Instant::now(),
        };
        Self {
            inner,
            log: Arc::new(Mutex::new(log)),
        }
    }

    /// What has been recorded.
    #[must_use]
    pub fn trace(&self) -> Trace {
        let log = lock(&self.log);
        Trace {
            version: VERSION,
            backend: self.inner.info().name.to_owned(),
            bases: log.bases.clone(),
            calls: log.calls.clone(),
            host_after_s: log.last.elapsed().as_secs_f64(),
        }
    }
}

impl Backend for Recorder<'_> {
    fn info(&self) -> Info {
        self.inner.info()
    }

    fn prepare_msm(&self, bases: &[G1Affine]) -> Result<Box<dyn Msm>> {
        let inner = self.inner.prepare_msm(bases)?;
        let mut log = lock(&self.log);
        log.bases.push(bases.len());
        log.last = Instant::now();
        Ok(Box::new(Recorded {
            set: log.bases.len() - 1,
            inner,
            log: Arc::clone(&self.log),
        }))
    }

    fn prepare_ntt(&self, log_n: u32) -> Result<Box<dyn Ntt>> {
        let inner = self.inner.prepare_ntt(log_n)?;
        Ok(Box::new(Recorded {
            set: log_n as usize,
            inner,
            log: Arc::clone(&self.log),
        }))
    }
}

/// A kernel and the set of bases or the domain's logarithm that it was prepared for.
struct Recorded<K: ?Sized> {
    set: usize,
    inner: Box<K>,
    log: Arc<Mutex<Log>>,
}

impl<K: ?Sized> Recorded<K> {
    fn keep<T>(&self, work: Work, call: impl FnOnce(&K) -> Result<Run<T>>) -> Result<Run<T>> {
        let start = Instant::now();
        let run = call(&self.inner)?;
        let mut log = lock(&self.log);
        let host_before_s = start.saturating_duration_since(log.last).as_secs_f64();
        log.calls.push(Call {
            work,
            host_before_s,
            wall_s: run.wall.as_secs_f64(),
            cycles: run.cycles,
        });
        log.last = Instant::now();
        Ok(run)
    }
}

impl Msm for Recorded<dyn Msm> {
    fn len(&self) -> usize {
        self.inner.len()
    }

    fn run(&self, batch: &[Scalars<'_>]) -> Result<Run<Vec<G1Projective>>> {
        let work = Work::Msm {
            bases: self.set,
            items: batch.iter().map(Item::of).collect(),
        };
        self.keep(work, |msm| msm.run(batch))
    }
}

impl Ntt for Recorded<dyn Ntt> {
    fn run(&self, dir: Dir, coset: Fr, columns: &mut [Vec<Fr>]) -> Result<Run<()>> {
        let work = Work::Ntt {
            log_n: self.set as u32,
            inverse: dir == Dir::Inverse,
            coset: coset != Fr::ONE,
            columns: columns.len(),
        };
        self.keep(work, |ntt| ntt.run(dir, coset, columns))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub(crate) mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;

    use super::*;
    use crate::sample::Bases;

    /// Two MSMs and a transform on the default backend.
    pub(crate) fn recorded() -> Trace {
        let backend = backend::open(backend::DEFAULT).unwrap();
        let recorder = Recorder::new(backend.as_ref());
        let bases = Bases::random(8, &mut ChaCha8Rng::seed_from_u64(1));
        let msm = recorder.prepare_msm(&bases.points).unwrap();
        let values: Vec<Fr> = [0i64, 3, 3, -1, 0].map(Fr::from).to_vec();
        let narrow = Scalars {
            values: &values,
            width: Width::Signed(3),
        };
        let full = Scalars {
            values: &values[..2],
            width: Width::Full,
        };
        let run = msm.run(&[narrow, full]).unwrap();
        assert_eq!(run.out, [bases.msm(&values), bases.msm(&values[..2])]);
        let ntt = recorder.prepare_ntt(1).unwrap();
        let mut columns = vec![vec![Fr::from(1u64), Fr::from(2u64)]; 3];
        ntt.run(Dir::Inverse, Fr::from(5u64), &mut columns).unwrap();
        recorder.trace()
    }

    #[test]
    fn calls_are_kept_in_order_without_their_data() {
        let trace = recorded();
        assert_eq!((trace.bases.as_slice(), trace.calls.len()), (&[8][..], 2));
        let item = |len, width, nonzero, distinct| Item {
            len,
            width,
            nonzero,
            distinct,
        };
        let items = vec![item(5, Width::Signed(3), 3, 2), item(2, Width::Full, 1, 1)];
        assert_eq!(trace.calls[0].work, Work::Msm { bases: 0, items });
        let transform = Work::Ntt {
            log_n: 1,
            inverse: true,
            coset: true,
            columns: 3,
        };
        assert_eq!(trace.calls[1].work, transform);
        trace.validate().unwrap();
        assert!(recorded().host_after_s >= 0.0);
    }

    #[test]
    fn traces_that_contradict_themselves_are_refused() {
        let broken = |change: &dyn Fn(&mut Trace)| {
            let mut trace = recorded();
            change(&mut trace);
            trace.validate().err().map(|e| e.to_string()).unwrap_or_default()
        };
        let item = |trace: &mut Trace, change: &dyn Fn(&mut Item)| {
            if let Work::Msm { items, .. } = &mut trace.calls[0].work {
                change(&mut items[0]);
            }
        };
        assert!(broken(&|t| t.version = 2).contains("its version is 2"));
        assert!(broken(&|t| t.bases.clear()).contains("no set 0 of bases"));
        assert!(broken(&|t| t.bases[0] = usize::MAX).contains("too large"));
        assert!(broken(&|t| t.bases[0] = 4).contains("contradict"));
        assert!(broken(&|t| item(t, &|i| i.nonzero = 6)).contains("contradict"));
        assert!(broken(&|t| item(t, &|i| i.distinct = 4)).contains("contradict"));
        assert!(broken(&|t| item(t, &|i| i.distinct = 0)).contains("contradict"));
        assert!(broken(&|t| item(t, &|i| i.width = Width::Bits(1))).contains("contradict"));
        assert!(broken(&|t| item(t, &|i| i.width = Width::Bits(90))).contains("90 bits"));
        for (log_n, columns) in [(29, 1), (200, 1), (28, 1 << 10), (20, usize::MAX)] {
            let work = Work::Ntt {
                log_n,
                inverse: false,
                coset: false,
                columns,
            };
            assert!(broken(&|t| t.calls[1].work = work.clone()).contains("too many"));
        }
    }
}
