//! The engines on a card. Of the MSM engine: bases in the card's memory, packed scalars in, window sums out.
//!
//! The host recodes nothing: it packs scalars of similar width side by side, so that items of a batch share a pass, and puts the
//! window sums of each item together with doublings.

mod ntt;
pub(crate) mod plan;
mod waves;

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Instant;

use ark_bn254::Fq;
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, BigInt, PrimeField};
use rayon::prelude::*;
use tapeout_hw::Reg;
use tapeout_hw::msm::{self, SUM_WORDS, WORD_LIMBS};
use tapeout_hw::ntt::CONFIG;
use tapeout_hw::regs::{bits, hash};
use tapeout_sim::Fidelity;

use super::{Availability, check_lengths};
use crate::card::{Card, Port, VerilatorCard};
use crate::{Activity, Backend, Error, G1Affine, G1Projective, Info, Msm, Ntt, Result, Run, Scalars};
use plan::Item;
pub use waves::record_msm;

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

/// The most engines that share the work.
const MAX_ENGINES: usize = 4;

/// The names of the backend, by its number of engines.
pub(super) const NAMES: [&str; MAX_ENGINES] = [NAME, "rtl:2", "rtl:3", "rtl:4"];

/// One to four cards with an MSM engine, an NTT engine and a memory each. Bases are split among them evenly, and the host adds what they come
/// to; transforms run on the first card.
pub(super) struct Rtl {
    engines: Vec<Arc<Mutex<Shared>>>,
    device: String,
}

/// The card and who has which of its memory.
struct Shared {
    card: Box<dyn Card>,
    lines: u32,
    /// First line and number of lines of what is taken, ascending.
    taken: Vec<(u32, u32)>,
    /// What the NTT engine has a table for.
    table: Option<ntt::Table>,
}

fn lock(shared: &Mutex<Shared>) -> Result<MutexGuard<'_, Shared>> {
    shared.lock().map_err(|_| failed("an earlier use of the card panicked"))
}

/// The number of engines that `rtl:N` asks for.
pub(super) fn engines(text: &str) -> Result<usize> {
    let count = text.parse().ok().filter(|count| (1..=MAX_ENGINES).contains(count));
    count.ok_or_else(|| Error::Unsupported {
        backend: NAME,
        reason: format!("'{text}' is no number of engines: give rtl:1 to rtl:{MAX_ENGINES}"),
    })
}

impl Rtl {
    /// That many simulated cards, 1 to 4.
    pub(super) fn simulated(fidelity: Fidelity, engines: usize) -> Result<Self> {
        let card = |_| -> Result<Box<dyn Card>> { Ok(Box::new(VerilatorCard::new(fidelity)?)) };
        Self::new((0..engines).map(card).collect::<Result<_>>()?)
    }

    /// Takes cards whose registers are those that this program knows.
    fn new(cards: Vec<Box<dyn Card>>) -> Result<Self> {
        let device = cards.first().map(|card| card.describe()).unwrap_or_default();
        let engine = |mut card: Box<dyn Card>| {
            let (found, known) = (card.read(Reg::Id)?, hash());
            if found != known {
                let reason = format!("its register table is {found:#010x}, this program speaks {known:#010x}");
                return Err(failed(reason));
            }
            let lines = card.lines();
            let shared = Shared {
                card,
                lines,
                taken: Vec::new(),
                table: None,
            };
            Ok(Arc::new(Mutex::new(shared)))
        };
        let engines = cards.into_iter().map(engine).collect::<Result<_>>()?;
        Ok(Self { engines, device })
    }
}

impl Backend for Rtl {
    fn info(&self) -> Info {
        let lines = |engine| lock(engine).map_or(0, |shared| u64::from(shared.lines));
        let count = self.engines.len();
        let number = if count == 1 {
            String::new()
        } else {
            format!("{count} times ")
        };
        Info {
            name: NAMES[count.clamp(1, MAX_ENGINES) - 1],
            device: format!("{number}{}; times assume {} MHz", self.device, CLOCK_HZ / 1_000_000),
            clock_hz: Some(CLOCK_HZ),
            memory_bytes: Some(self.engines.iter().map(|engine| lines(engine)).sum::<u64>() * 64),
        }
    }

    fn prepare_msm(&self, bases: &[G1Affine]) -> Result<Box<dyn Msm>> {
        let share = bases.len().div_ceil(self.engines.len()).max(1);
        let part = |(i, engine): (usize, &Arc<Mutex<Shared>>)| {
            let start = (i * share).min(bases.len());
            Part::new(engine, start, &bases[start..(start + share).min(bases.len())])
        };
        let parts = self.engines.iter().enumerate().map(part).collect::<Result<_>>()?;
        let len = bases.len();
        Ok(Box::new(RtlMsm { parts, len }))
    }

    fn prepare_ntt(&self, log_n: u32) -> Result<Box<dyn Ntt>> {
        Ok(Box::new(ntt::RtlNtt::new(&self.engines[0], log_n, CONFIG.max_log_n)?))
    }
}

impl Shared {
    /// The first gap of that many lines, at least one.
    fn take(&mut self, count: usize) -> Result<u32> {
        let lines = self.lines;
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
            adders: 1,
        })
    }

    fn counter(&mut self, low: Reg, high: Reg) -> Result<u64> {
        Ok(u64::from(self.card.read(low)?) | u64::from(self.card.read(high)?) << 32)
    }
}

/// Bases in the cards' memories.
struct RtlMsm {
    parts: Vec<Part>,
    len: usize,
}

/// Those of one card.
struct Part {
    shared: Arc<Mutex<Shared>>,
    /// Its first line of the card's memory.
    line: u32,
    /// Its first base.
    start: usize,
    len: usize,
}

impl Drop for Part {
    fn drop(&mut self) {
        if let Ok(mut shared) = self.shared.lock() {
            shared.taken.retain(|&(line, _)| line != self.line);
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
        let runs = self
            .parts
            .par_iter()
            .map(|part| part.run(&items))
            .collect::<Result<Vec<_>>>()?;
        // they run side by side: the slowest one's cycles are those of all
        let together = |mut all: Run<Vec<G1Projective>>, one: Run<Vec<G1Projective>>| {
            all.out.iter_mut().zip(one.out).for_each(|(sum, part)| *sum += part);
            all.cycles = all.cycles.max(one.cycles);
            all.activity = all.activity.zip(one.activity).map(|(a, b)| Activity {
                work: a.work + b.work,
                adds_issued: a.adds_issued + b.adds_issued,
                bubbles: a.bubbles + b.bubbles,
                adders: a.adders + b.adders,
            });
            all.bytes_in += one.bytes_in;
            all.bytes_out += one.bytes_out;
            all
        };
        let mut run = runs
            .into_iter()
            .reduce(together)
            .ok_or_else(|| failed("it has no engines"))?;
        run.wall = start.elapsed();
        Ok(run)
    }
}

impl Part {
    fn new(engine: &Arc<Mutex<Shared>>, start: usize, bases: &[G1Affine]) -> Result<Self> {
        let mut shared = lock(engine)?;
        let part = Self {
            shared: Arc::clone(engine),
            line: shared.take(bases.len())?,
            start,
            len: bases.len(),
        };
        let words: Vec<u64> = bases.iter().flat_map(line).collect();
        let sent = shared.card.send(Port::Memory(part.line), &words);
        // a part that is dropped takes the lock
        drop(shared);
        sent.map(|()| part)
    }

    /// The part's share of every item's sum.
    fn run(&self, items: &[Item]) -> Result<Run<Vec<G1Projective>>> {
        let start = Instant::now();
        let items: Vec<_> = items
            .iter()
            .map(|item| item.part(self.start..self.start + self.len))
            .collect();
        let shapes: Vec<_> = items.iter().map(|item| item.shape).collect();
        let jobs = plan::plan(&shapes, &msm::CONFIG);
        let mut shared = lock(&self.shared)?;
        shared.ready()?;
        shared.card.write(Reg::BaseAddress, self.line)?;
        shared.card.write(Reg::BaseCount, self.len as u32)?;
        shared.card.write(Reg::Control, bits::CLEAR)?;
        for job in &jobs {
            shared.card.send(Port::Passes, &job.words(&items))?;
        }
        let mut windows: Vec<Vec<(u32, G1Projective)>> = vec![Vec::new(); items.len()];
        for job in &jobs {
            let mut words = vec![0; job.pass.sums().count() * SUM_WORDS * WORD_LIMBS];
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
        assert!(Rtl::new(vec![Box::new(Stranger(hash()))]).is_ok());
        let error = Rtl::new(vec![Box::new(Stranger(hash())), Box::new(Stranger(hash() ^ 1))])
            .err()
            .unwrap();
        assert!(error.to_string().contains("register table"), "{error}");
    }

    #[test]
    fn bases_are_split_among_engines() {
        let cards: Vec<Box<dyn Card>> = (0..4).map(|_| Box::new(Stranger(hash())) as Box<dyn Card>).collect();
        let rtl = Rtl::new(cards).unwrap();
        assert_eq!((rtl.info().name, rtl.info().memory_bytes), ("rtl:4", Some(4 * 8 * 64)));
        let msm = rtl.prepare_msm(&[G1Affine::identity(); 30]).unwrap();
        let taken = |i: usize| rtl.engines[i].lock().unwrap().taken.clone();
        assert_eq!([0, 1, 2, 3].map(taken), [[(0, 8)], [(0, 8)], [(0, 8)], [(0, 6)]]);
        // what does not fit one engine is taken from none
        drop(msm);
        assert!(rtl.prepare_msm(&[G1Affine::identity(); 33]).is_err());
        assert!((0..4).all(|i| taken(i).is_empty()));
        assert!(["0", "5", "", "x"].into_iter().all(|text| engines(text).is_err()));
    }

    #[test]
    fn memory_is_given_back_and_taken_again() {
        let card = Rtl::new(vec![Box::new(Stranger(hash()))]).unwrap();
        let prepare = |n| card.prepare_msm(&vec![G1Affine::identity(); n]);
        let (a, b, c) = (prepare(3).unwrap(), prepare(2).unwrap(), prepare(3).unwrap());
        assert!(matches!(prepare(1).err(), Some(Error::Unsupported { .. })));
        drop(b);
        assert!(prepare(3).is_err());
        let b = prepare(2).unwrap();
        assert_eq!(card.engines[0].lock().unwrap().taken, [(0, 3), (3, 2), (5, 3)]);
        drop((a, b, c));
        assert!(prepare(8).is_ok());
    }
}
