//! A card that several users share: its memory, and the state of its engines.

use std::sync::{Mutex, MutexGuard};

use tapeout_hw::Reg;
use tapeout_hw::regs::{REGS, bits};

use super::{NAME, failed, ntt};
use crate::card::{Card, Port};
use crate::{Activity, Error, Result};

/// Reads of the status until a card that clears its buckets is given up.
const PATIENCE: u32 = 1 << 20;

/// The card, who has which of its memory, and what its engines hold.
pub(super) struct Shared {
    pub(super) card: Box<dyn Card>,
    pub(super) lines: u32,
    /// First line and number of lines of what is taken, ascending.
    pub(super) taken: Vec<(u32, u32)>,
    /// What the NTT engine has a table for.
    pub(super) table: Option<ntt::Table>,
    /// Whether a call began and did not end: the engine and its streams may hold anything.
    msm_open: bool,
    ntt_open: bool,
}

pub(super) fn lock(shared: &Mutex<Shared>) -> Result<MutexGuard<'_, Shared>> {
    shared.lock().map_err(|_| failed("an earlier use of the card panicked"))
}

impl Shared {
    pub(super) fn new(card: Box<dyn Card>) -> Self {
        let lines = card.lines();
        Self {
            card,
            lines,
            taken: Vec::new(),
            table: None,
            msm_open: false,
            ntt_open: false,
        }
    }

    /// The first gap of that many lines, at least one.
    pub(super) fn take(&mut self, count: usize) -> Result<u32> {
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

    /// What holds the limit may have changed since: it is written anew for each call.
    fn set_watchdog(&mut self) -> Result<()> {
        let limit = REGS
            .iter()
            .find(|row| row.reg == Reg::Watchdog)
            .map_or(0, |row| row.reset);
        self.card.write(Reg::Watchdog, limit)
    }

    /// Waits until the MSM engine takes passes, after a reset if it has stopped or the call before this did not end.
    pub(super) fn begin_msm(&mut self) -> Result<()> {
        self.set_watchdog()?;
        let mut reset = std::mem::replace(&mut self.msm_open, true);
        if reset {
            self.card.abandon(Port::Passes)?;
            self.card.write(Reg::Control, bits::RESET)?;
        }
        for _ in 0..PATIENCE {
            if self.card.read(Reg::Status)? & bits::READY != 0 {
                return Ok(());
            }
            if !std::mem::replace(&mut reset, true) {
                self.card.write(Reg::Control, bits::RESET)?;
            }
        }
        Err(failed("the MSM engine is not ready after a reset"))
    }

    pub(super) fn ended_msm(&mut self) {
        self.msm_open = false;
    }

    /// Waits until the NTT engine takes batches, likewise.
    pub(super) fn begin_ntt(&mut self) -> Result<()> {
        self.set_watchdog()?;
        let left = std::mem::replace(&mut self.ntt_open, true);
        if left {
            self.card.abandon(Port::Columns)?;
        } else if self.card.read(Reg::NttStatus)? & bits::READY != 0 {
            return Ok(());
        }
        self.table = None;
        self.card.write(Reg::Control, bits::NTT_RESET)?;
        match self.card.read(Reg::NttStatus)? & bits::READY {
            0 => Err(failed("the NTT engine is not ready after a reset")),
            _ => Ok(()),
        }
    }

    pub(super) fn ended_ntt(&mut self) {
        self.ntt_open = false;
    }

    pub(super) fn activity(&mut self) -> Result<Activity> {
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

    pub(super) fn counter(&mut self, low: Reg, high: Reg) -> Result<u64> {
        Ok(u64::from(self.card.read(low)?) | u64::from(self.card.read(high)?) << 32)
    }
}
