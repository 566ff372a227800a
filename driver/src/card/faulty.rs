//! A card on which bits flip, to test what notices it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tapeout_hw::regs::bits;
use tapeout_sim::upset::{self, Unit};

use super::{Card, Port, Reg};
use crate::Result;

/// Limbs of a line of memory.
const LINE: usize = 8;

/// Where a bit flips.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Site {
    /// In a result, on its way to the host.
    Result,
    /// In a packet, on its way to the card.
    Packet,
    /// In the memory, in a line that was written once; it stays.
    Memory,
    /// In a register, at rest: the watchdog's limit, the base's address or count, or a spurious bit of control.
    Register,
    /// In a register's value as the host reads it.
    Read,
    /// In a register's value as the host writes it.
    Write,
    /// Within an engine, in a sum of the point adder.
    Adder,
    /// Within an engine, in a result of a butterfly.
    Butterfly,
}

impl Site {
    /// All of them.
    pub const ALL: [Site; 8] = [
        Site::Result,
        Site::Packet,
        Site::Memory,
        Site::Register,
        Site::Read,
        Site::Write,
        Site::Adder,
        Site::Butterfly,
    ];
}

/// What is to happen to a card; clones speak to the same one.
#[derive(Clone, Default)]
pub struct Injector(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    armed: Option<(Site, u32)>,
    random: u64,
    flipped: Vec<String>,
}

impl Injector {
    /// Lets one bit flip at `site`, after it has been passed `after` times; which bit, `seed` decides. What was armed before is forgotten. Bits
    /// within an engine flip in a simulated card that runs on the caller's thread.
    pub fn arm(&self, site: Site, after: u32, seed: u64) {
        let mut state = self.lock();
        state.armed = Some((site, after));
        state.random = seed;
        let unit = match site {
            Site::Adder => Unit::Adder,
            Site::Butterfly => Unit::Butterfly,
            _ => return,
        };
        upset::arm(Some((unit, after, seed as u32)));
    }

    /// Forgets what is armed; gives what has flipped since the last time, in words.
    pub fn disarm(&self) -> Vec<String> {
        let mut state = self.lock();
        let waiting = upset::arm(None).is_some();
        if let Some((site @ (Site::Adder | Site::Butterfly), _)) = state.armed.take()
            && !waiting
        {
            state.flipped.push(format!("a bit within an engine: {site:?}"));
        }
        std::mem::take(&mut state.flipped)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether it is now that a bit is to flip there.
    fn due(&self, sites: &[Site]) -> Option<Site> {
        let mut state = self.lock();
        let (site, after) = state.armed.filter(|(site, _)| sites.contains(site))?;
        state.armed = after.checked_sub(1).map(|left| (site, left));
        (after == 0).then_some(site)
    }

    /// A number below `bound`, which is not zero.
    fn below(&self, bound: usize) -> usize {
        // splitmix64 (Steele, Lea, Flood 2014)
        let mut state = self.lock();
        state.random = state.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = state.random;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ z >> 31) % bound as u64) as usize
    }

    /// Flips a bit of `words`, which are not empty.
    fn flip(&self, words: &mut [u64], what: impl std::fmt::Display) {
        let bit = self.below(64 * words.len());
        words[bit / 64] ^= 1 << (bit % 64);
        self.lock().flipped.push(format!("bit {bit} of {what}"));
    }

    fn flip_register(&self, value: u32, what: impl std::fmt::Display) -> u32 {
        let bit = self.below(32);
        self.lock().flipped.push(format!("bit {bit} of {what}"));
        value ^ 1 << bit
    }
}

/// A card that passes everything on to another one, but for the bits that its [`Injector`] flips.
pub struct Faulty {
    inner: Box<dyn Card>,
    injector: Injector,
    /// What the memory was given, line by line; `None` where nothing was written.
    memory: Vec<Option<[u64; LINE]>>,
}

impl Faulty {
    /// The card, and who flips its bits.
    #[must_use]
    pub fn new(inner: Box<dyn Card>) -> (Self, Injector) {
        let injector = Injector::default();
        let card = Self {
            inner,
            injector: injector.clone(),
            memory: Vec::new(),
        };
        (card, injector)
    }

    /// Bits that flip at rest do so at any time: before a call, or after the card has run for a while.
    fn rest(&mut self) -> Result<()> {
        let Some(site) = self.injector.due(&[Site::Memory, Site::Register]) else {
            return Ok(());
        };
        for _ in 0..self.injector.below(200) {
            // a card only runs while the host talks to it
            self.inner.read(Reg::Id)?;
        }
        if site == Site::Memory {
            let written: Vec<usize> = (0..self.memory.len()).filter(|i| self.memory[*i].is_some()).collect();
            let Some(line) = (!written.is_empty()).then(|| written[self.injector.below(written.len())]) else {
                return Ok(());
            };
            if let Some(words) = &mut self.memory[line] {
                self.injector.flip(words, format_args!("line {line} of the memory"));
                self.inner.send(Port::Memory(line as u32), words)?;
            }
            return Ok(());
        }
        let reg = [Reg::Watchdog, Reg::BaseAddress, Reg::BaseCount, Reg::Control][self.injector.below(4)];
        let value = if reg == Reg::Control {
            let all = [bits::RESET, bits::CLEAR, bits::NTT_RESET, bits::NTT_CLEAR];
            all[self.injector.below(all.len())]
        } else {
            let held = self.inner.read(reg)?;
            self.injector.flip_register(held, format_args!("{reg:?}"))
        };
        if reg == Reg::Control {
            self.injector.lock().flipped.push(format!("{value:#x} in {reg:?}"));
        }
        self.inner.write(reg, value)
    }
}

impl Card for Faulty {
    fn read(&mut self, reg: Reg) -> Result<u32> {
        let value = self.inner.read(reg)?;
        Ok(match self.injector.due(&[Site::Read]) {
            Some(_) => self
                .injector
                .flip_register(value, format_args!("{reg:?} as it was read")),
            None => value,
        })
    }

    fn write(&mut self, reg: Reg, value: u32) -> Result<()> {
        let value = match self.injector.due(&[Site::Write]) {
            Some(_) => self
                .injector
                .flip_register(value, format_args!("{reg:?} as it was written")),
            None => value,
        };
        self.inner.write(reg, value)
    }

    fn send(&mut self, port: Port, words: &[u64]) -> Result<()> {
        let mut words = words.to_vec();
        if let Port::Memory(line) = port {
            let (first, count) = (line as usize, words.len() / LINE);
            self.memory.resize(self.memory.len().max(first + count), None);
            for (kept, words) in self.memory[first..].iter_mut().zip(words.chunks_exact(LINE)) {
                let mut line = [0; LINE];
                line.copy_from_slice(words);
                *kept = Some(line);
            }
            return self.inner.send(port, &words);
        }
        if !words.is_empty() && self.injector.due(&[Site::Packet]).is_some() {
            self.injector.flip(&mut words, format_args!("a packet to {port:?}"));
        }
        self.inner.send(port, &words)?;
        self.rest()
    }

    fn recv(&mut self, port: Port, words: &mut [u64]) -> Result<()> {
        self.rest()?;
        self.inner.recv(port, words)?;
        if !words.is_empty() && self.injector.due(&[Site::Result]).is_some() {
            self.injector.flip(words, format_args!("a packet from {port:?}"));
        }
        Ok(())
    }

    fn abandon(&mut self, port: Port) -> Result<()> {
        self.inner.abandon(port)
    }

    fn lines(&self) -> u32 {
        self.inner.lines()
    }

    fn describe(&self) -> String {
        self.inner.describe()
    }
}
