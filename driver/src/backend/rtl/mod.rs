//! The engines on a card. Of the MSM engine: bases in the card's memory, packed scalars in, window sums out.
//!
//! The host recodes nothing: it packs scalars of similar width side by side, so that items of a batch share a pass, and puts the
//! window sums of each item together with doublings.

mod ntt;
mod plan;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use ark_bn254::Fq;
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, BigInt, PrimeField};
use tapeout_hw::Reg;
use tapeout_hw::msm::{SUM_WORDS, WORD_LIMBS};
use tapeout_hw::ntt::CONFIG;
use tapeout_hw::regs::{bits, hash};
use tapeout_sim::Fidelity;

use super::{Availability, check_lengths};
use crate::card::{Card, Port, VerilatorCard};
use crate::{Activity, Backend, Error, G1Affine, G1Projective, Info, Msm, Ntt, Result, Run, Scalars};
use plan::Item;

const NAME: &str = "rtl";

/// The clock that cycles are converted to time with: what comparable engines run at on a VU9P (Hardcaml 278 MHz,
/// CycloneMSM 250 MHz). An assumption, not the result of place and route.
const CLOCK_HZ: u64 = 250_000_000;

/// 64-bit limbs of a line of the card's memory: the coordinates of one base.
const LINE: usize = 8;

/// Reads of the status until a card that clears its buckets is given up.
const PATIENCE: u32 = 1 << 20;

fn failed(reason: impl Into<String>) -> Error {
    Error::Device {
        backend: NAME,
        reason: reason.into(),
    }
}

/// Whether this build can simulate the card.
pub(super) fn availability() -> Availability {
    if tapeout_sim::available() {
        return Availability::Ready;
    }
    Availability::Missing {
        reason: "this program was built without Verilator, which simulates the card".into(),
        remedy: "install Verilator 5 (Debian and Ubuntu: apt-get install verilator) and build it again".into(),
    }
}

/// A card with an MSM engine and an NTT engine.
pub(super) struct Rtl {
    shared: Arc<Mutex<Shared>>,
    device: String,
    lines: u32,
}

/// The card and who has which of its memory.
struct Shared {
    card: Box<dyn Card>,
    /// First line and number of lines of what is taken, ascending.
    taken: Vec<(u32, u32)>,
    /// What the NTT engine has a table for.
    table: Option<ntt::Table>,
}

fn lock(shared: &Mutex<Shared>) -> Result<MutexGuard<'_, Shared>> {
    shared.lock().map_err(|_| failed("an earlier use of the card panicked"))
}

impl Rtl {
    /// The simulated card.
    pub(super) fn simulated(fidelity: Fidelity) -> Result<Self> {
        Self::new(Box::new(VerilatorCard::new(fidelity)?))
    }

    /// Takes a card whose registers are those that this program knows.
    fn new(mut card: Box<dyn Card>) -> Result<Self> {
        let (found, known) = (card.read(Reg::Id)?, hash());
        if found != known {
            let reason = format!("its register table is {found:#010x}, this program speaks {known:#010x}");
            return Err(failed(reason));
        }
        let (device, lines) = (card.describe(), card.lines());
        let shared = Shared {
            card,
            taken: Vec::new(),
            table: None,
        };
        Ok(Self {
            shared: Arc::new(Mutex::new(shared)),
            device,
            lines,
        })
    }
}

impl Backend for Rtl {
    fn info(&self) -> Info {
        Info {
            name: NAME,
            device: format!("{}; times assume {} MHz", self.device, CLOCK_HZ / 1_000_000),
            clock_hz: Some(CLOCK_HZ),
            memory_bytes: Some(u64::from(self.lines) * 64),
        }
    }

    fn prepare_msm(&self, bases: &[G1Affine]) -> Result<Box<dyn Msm>> {
        let mut shared = lock(&self.shared)?;
        let first = shared.take(bases.len(), self.lines)?;
        let words: Vec<u64> = bases.iter().flat_map(line).collect();
        shared.card.send(Port::Memory(first), &words)?;
        Ok(Box::new(RtlMsm {
            shared: Arc::clone(&self.shared),
            first,
            len: bases.len(),
        }))
    }

    fn prepare_ntt(&self, log_n: u32) -> Result<Box<dyn Ntt>> {
        Ok(Box::new(ntt::RtlNtt::new(&self.shared, log_n, CONFIG.max_log_n)?))
    }
}

impl Shared {
    /// The first gap of that many lines, at least one.
    fn take(&mut self, count: usize, lines: u32) -> Result<u32> {
        let refuse = || Error::Unsupported {
            backend: NAME,
            reason: format!("{count} bases do not fit what is free of the card's memory of {lines}"),
        };
        let count = u32::try_from(count.max(1)).map_err(|_| refuse())?;
        let mut first = 0;
        let mut place = self.taken.len();
        for (i, &(start, len)) in self.taken.iter().enumerate() {
            if start - first >= count {
                place = i;
                break;
            }
            first = start + len;
        }
        if lines - first < count {
            return Err(refuse());
        }
        self.taken.insert(place, (first, count));
        Ok(first)
    }

    /// Waits until the engine takes passes, after a reset if it has stopped.
    fn ready(&mut self) -> Result<()> {
        for look in 0..PATIENCE {
            let status = self.card.read(Reg::Status)?;
            if status & bits::READY != 0 {
                return Ok(());
            }
            if look == 0 {
                self.card.write(Reg::Control, bits::RESET)?;
            }
        }
        Err(failed("the engine is not ready after a reset"))
    }

    fn activity(&mut self) -> Result<Activity> {
        let digits = self.counter(Reg::DigitsLo, Reg::DigitsHi)?;
        let reduction = self.counter(Reg::ReductionAddsLo, Reg::ReductionAddsHi)?;
        let host = self.counter(Reg::BubbleHostLo, Reg::BubbleHostHi)?;
        let memory = self.counter(Reg::BubbleMemoryLo, Reg::BubbleMemoryHi)?;
        let drain = self.counter(Reg::BubbleDrainLo, Reg::BubbleDrainHi)?;
        Ok(Activity {
            work: digits + reduction,
            adds_issued: self.counter(Reg::AddsLo, Reg::AddsHi)?,
            bubbles: host + memory + drain,
        })
    }

    fn counter(&mut self, low: Reg, high: Reg) -> Result<u64> {
        Ok(u64::from(self.card.read(low)?) | u64::from(self.card.read(high)?) << 32)
    }
}

/// Bases in a card's memory.
struct RtlMsm {
    shared: Arc<Mutex<Shared>>,
    first: u32,
    len: usize,
}

impl Drop for RtlMsm {
    fn drop(&mut self) {
        if let Ok(mut shared) = self.shared.lock() {
            shared.taken.retain(|&(first, _)| first != self.first);
        }
    }
}

impl Msm for RtlMsm {
    fn len(&self) -> usize {
        self.len
    }

    fn run(&self, batch: &[Scalars<'_>]) -> Result<Run<Vec<G1Projective>>> {
        let start = Instant::now();
        check_lengths(self, batch)?;
        let items = batch.iter().enumerate().map(|(i, item)| Item::new(item, i));
        let items = items.collect::<Result<Vec<_>>>()?;
        let jobs = plan::plan(&items);
        let mut shared = lock(&self.shared)?;
        shared.ready()?;
        shared.card.write(Reg::BaseAddress, self.first)?;
        shared.card.write(Reg::BaseCount, self.len as u32)?;
        shared.card.write(Reg::Control, bits::CLEAR)?;
        for job in &jobs {
            shared.card.send(Port::Passes, &job.words(&items))?;
        }
        let mut windows: Vec<Vec<(u32, G1Projective)>> = vec![Vec::new(); items.len()];
        for job in &jobs {
            let mut words = vec![0; job.pass.windows as usize * SUM_WORDS * WORD_LIMBS];
            shared.card.recv(Port::Sums, &mut words)?;
            let sums = words.chunks_exact(SUM_WORDS * WORD_LIMBS).map(point);
            for (weight, sum) in job.weights().zip(sums) {
                windows[weight.item].push((weight.bit, sum));
            }
        }
        let out = windows.into_iter().map(combine).collect();
        // reading the cycles takes the snapshot that all counters are read from
        let cycles = shared.counter(Reg::CyclesLo, Reg::CyclesHi)?;
        let activity = shared.activity()?;
        let bytes_in = shared.counter(Reg::BytesInLo, Reg::BytesInHi)?;
        let bytes_out = shared.counter(Reg::BytesOutLo, Reg::BytesOutHi)?;
        Ok(Run {
            out,
            wall: start.elapsed(),
            cycles: Some(cycles),
            activity: Some(activity),
            bytes_in,
            bytes_out,
        })
    }
}

/// `sum 2^bit * sum`, highest first.
fn combine(mut windows: Vec<(u32, G1Projective)>) -> G1Projective {
    windows.sort_unstable_by_key(|&(bit, _)| std::cmp::Reverse(bit));
    let mut total = G1Projective::ZERO;
    let mut above = None;
    for (bit, sum) in windows {
        for _ in bit..above.unwrap_or(bit) {
            total.double_in_place();
        }
        total += sum;
        above = Some(bit);
    }
    for _ in 0..above.unwrap_or(0) {
        total.double_in_place();
    }
    total
}

/// A line of the card's memory: the coordinates as they are in memory here, in Montgomery form; zero is infinity.
fn line(base: &G1Affine) -> [u64; LINE] {
    let mut line = [0; LINE];
    if let Some((x, y)) = base.xy() {
        line[..4].copy_from_slice(&x.0.0);
        line[4..].copy_from_slice(&y.0.0);
    }
    line
}

/// The point with these homogeneous coordinates, lazily reduced and in a Montgomery form: a common factor does not matter.
fn point(words: &[u64]) -> G1Projective {
    let coordinate = |i: usize| {
        let mut limbs = [0; 4];
        limbs.copy_from_slice(&words[4 * i..4 * i + 4]);
        let mut value = BigInt(limbs);
        // below 2^255, so at most twice
        while value >= Fq::MODULUS {
            ark_ff::BigInteger::sub_with_borrow(&mut value, &Fq::MODULUS);
        }
        Fq::new_unchecked(value)
    };
    let (x, y, z) = (coordinate(0), coordinate(1), coordinate(2));
    // Jacobian coordinates divide by z^2 and z^3
    G1Projective::new_unchecked(x * z, y * z * z, z)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    /// A card of which only the registers answer.
    struct Stranger(u32);

    impl Card for Stranger {
        fn read(&mut self, reg: Reg) -> Result<u32> {
            Ok(if reg == Reg::Id { self.0 } else { bits::READY })
        }

        fn write(&mut self, _: Reg, _: u32) -> Result<()> {
            Ok(())
        }

        fn send(&mut self, _: Port, _: &[u64]) -> Result<()> {
            Ok(())
        }

        fn recv(&mut self, _: Port, _: &mut [u64]) -> Result<()> {
            Err(failed("it gives nothing"))
        }

        fn lines(&self) -> u32 {
            8
        }

        fn describe(&self) -> String {
            "stranger".into()
        }
    }

    #[test]
    fn a_card_with_another_table_is_refused() {
        assert!(Rtl::new(Box::new(Stranger(hash()))).is_ok());
        let error = Rtl::new(Box::new(Stranger(hash() ^ 1))).err().unwrap();
        assert!(error.to_string().contains("register table"), "{error}");
    }

    #[test]
    fn memory_is_given_back_and_taken_again() {
        let card = Rtl::new(Box::new(Stranger(hash()))).unwrap();
        let prepare = |n| card.prepare_msm(&vec![G1Affine::identity(); n]);
        let (a, b, c) = (prepare(3).unwrap(), prepare(2).unwrap(), prepare(3).unwrap());
        assert!(matches!(prepare(1).err(), Some(Error::Unsupported { .. })));
        drop(b);
        assert!(prepare(3).is_err());
        let b = prepare(2).unwrap();
        assert_eq!(card.shared.lock().unwrap().taken, [(0, 3), (3, 2), (5, 3)]);
        drop((a, b, c));
        assert!(prepare(8).is_ok());
    }
}
