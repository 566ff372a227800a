//! An accelerator card as the driver sees it: registers, memory and streams.
//!
//! The RTL backend is written against [`Card`]; what carries the words (a simulation now, PCIe later) is one file here.

mod faulty;
mod verilator;

pub use faulty::{Faulty, Injector, Site};
pub use tapeout_hw::Reg;
pub use verilator::VerilatorCard;

use crate::Result;

/// Where words go to or come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// The card's memory, from this line of 64 bytes on.
    Memory(u32),
    /// The stream into the MSM engine; the words of one call are one packet.
    Passes,
    /// The stream out of the MSM engine.
    Sums,
    /// The stream into the NTT engine; the words of one call are one packet.
    Columns,
    /// The stream out of the NTT engine.
    Transforms,
}

/// One accelerator card.
pub trait Card: Send {
    /// Reads a register.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the card does not answer.
    fn read(&mut self, reg: Reg) -> Result<u32>;

    /// Writes a register.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the card does not answer.
    fn write(&mut self, reg: Reg, value: u32) -> Result<()>;

    /// Sends words to [`Port::Memory`], [`Port::Passes`] or [`Port::Columns`]; may return before the engine has taken them.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the port does not take words, or not that many.
    fn send(&mut self, port: Port, words: &[u64]) -> Result<()>;

    /// Fills `words` with one packet from [`Port::Sums`] or [`Port::Transforms`]: what the engine gives for one packet sent.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the port gives no words, the packet is shorter or longer, or the engine stops or falls idle
    /// first.
    fn recv(&mut self, port: Port, words: &mut [u64]) -> Result<()>;

    /// Drops what was sent to [`Port::Passes`] or [`Port::Columns`] and not taken, and what that engine gave and was not received.
    ///
    /// # Errors
    /// [`crate::Error::Device`] when the port is none of the two.
    fn abandon(&mut self, port: Port) -> Result<()>;

    /// Lines of 64 bytes that its memory has.
    fn lines(&self) -> u32;

    /// What it is, in words.
    fn describe(&self) -> String;
}
