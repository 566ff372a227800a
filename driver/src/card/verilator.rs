//! A card simulated by Verilator.

use std::path::Path;

use tapeout_hw::regs::{Fault, bits};
use tapeout_sim::{Engine, Fidelity, LINE, Surroundings, WORD};

use super::{Card, Port, Reg};
use crate::{Error, Result};

/// Memory of the simulated card in lines: 256 MiB.
const LINES: u32 = 1 << 22;

/// Cycles until the first look at the status while results are awaited; each wait is twice as long as the one before, up to the longest.
const FIRST_LOOK: u64 = 1 << 10;
const LONGEST_LOOK: u64 = 1 << 16;

/// Cycles without a word taken or given until an engine is given up that says it is busy. Twice what its own watchdog is set to.
const PATIENCE: u64 = 2_000_000;

/// The simulated card.
pub struct VerilatorCard {
    card: tapeout_sim::Card,
    fidelity: Fidelity,
}

fn failed(error: impl std::fmt::Display) -> Error {
    Error::Device {
        backend: "rtl",
        reason: error.to_string(),
    }
}

impl VerilatorCard {
    /// A card after power-on, with memory of 64 bytes per cycle and a latency of 100 cycles.
    ///
    /// # Errors
    /// [`Error::Device`] where this build has no models.
    pub fn new(fidelity: Fidelity) -> Result<Self> {
        let card = tapeout_sim::Card::new(fidelity, Surroundings::default()).map_err(failed)?;
        Ok(Self { card, fidelity })
    }

    /// As [`VerilatorCard::new`], with the fidelity that the backend uses: additions and butterflies are computed on the host.
    ///
    /// # Errors
    /// As [`VerilatorCard::new`].
    pub fn simulated() -> Result<Self> {
        Self::new(Fidelity::Fast)
    }

    /// Records all signals from now on (FST).
    ///
    /// # Errors
    /// [`Error::Device`] where this build cannot.
    pub fn dump_waves(&mut self, path: &Path) -> Result<()> {
        self.card
            .dump_waves(path)
            .map_err(|error| match std::error::Error::source(&error) {
                Some(cause) => failed(format!("{error}: {cause}")),
                None => failed(error),
            })
    }
}

impl Card for VerilatorCard {
    fn read(&mut self, reg: Reg) -> Result<u32> {
        self.card.read(reg).map_err(failed)
    }

    fn write(&mut self, reg: Reg, value: u32) -> Result<()> {
        self.card.write(reg, value).map_err(failed)
    }

    fn send(&mut self, port: Port, words: &[u64]) -> Result<()> {
        match port {
            Port::Memory(line) => {
                let end = line as usize + words.len() / LINE;
                if !words.len().is_multiple_of(LINE) || end > LINES as usize {
                    return Err(failed(format!(
                        "{} words at line {line} do not fit the memory",
                        words.len()
                    )));
                }
                let memory = self.card.memory();
                memory.resize(memory.len().max(end), [0; LINE]);
                for (line, words) in memory[line as usize..end].iter_mut().zip(words.chunks_exact(LINE)) {
                    line.copy_from_slice(words);
                }
            }
            Port::Passes | Port::Columns => {
                let engine = if port == Port::Passes { Engine::Msm } else { Engine::Ntt };
                if words.is_empty() || !words.len().is_multiple_of(WORD) {
                    return Err(failed(format!(
                        "{} words are no packet of words of 256 bits",
                        words.len()
                    )));
                }
                let count = words.len() / WORD;
                for (i, limbs) in words.chunks_exact(WORD).enumerate() {
                    let mut word = [0; WORD];
                    word.copy_from_slice(limbs);
                    self.card.send(engine, word, i + 1 == count);
                }
            }
            Port::Sums | Port::Transforms => return Err(failed("a stream of results takes no words")),
        }
        Ok(())
    }

    fn recv(&mut self, port: Port, words: &mut [u64]) -> Result<()> {
        let (engine, status, name) = match port {
            Port::Sums => (Engine::Msm, Reg::Status, "MSM"),
            Port::Transforms => (Engine::Ntt, Reg::NttStatus, "NTT"),
            _ => return Err(failed("only streams of results give words")),
        };
        if !words.len().is_multiple_of(WORD) {
            return Err(failed("only whole words of a stream can be received"));
        }
        let count = words.len() / WORD;
        let mut wait = FIRST_LOOK;
        let mut look = self.card.cycles() + wait;
        let mut moved = (self.card.cycles(), self.card.unsent(engine), self.card.pending(engine));
        while self.card.pending(engine) < count {
            self.card.step().map_err(failed)?;
            if self.card.cycles() < look {
                continue;
            }
            let status = self.card.read(status).map_err(failed)?;
            if let Some(fault) = Fault::of_status(status) {
                return Err(failed(format!("the {name} engine stopped: {fault}")));
            }
            let (unsent, pending) = (self.card.unsent(engine), self.card.pending(engine));
            if status & bits::BUSY == 0 && unsent == 0 && pending < count {
                let reason = format!("the {name} engine has ended with {pending} words given of {count}");
                return Err(failed(reason));
            }
            if (unsent, pending) != (moved.1, moved.2) {
                moved = (self.card.cycles(), unsent, pending);
            } else if self.card.cycles() - moved.0 > PATIENCE {
                return Err(failed(format!(
                    "the {name} engine has hung: no word moved in {PATIENCE} cycles"
                )));
            }
            wait = (2 * wait).min(LONGEST_LOOK);
            look = self.card.cycles() + wait;
        }
        for (i, limbs) in words.chunks_exact_mut(WORD).enumerate() {
            if let Some((word, last)) = self.card.received(engine) {
                if last != (i + 1 == count) {
                    let reason = format!("the {name} engine gave a packet of another length than {count} words");
                    return Err(failed(reason));
                }
                limbs.copy_from_slice(&word);
            }
        }
        Ok(())
    }

    fn abandon(&mut self, port: Port) -> Result<()> {
        let engine = match port {
            Port::Passes => Engine::Msm,
            Port::Columns => Engine::Ntt,
            _ => return Err(failed("only streams to an engine are abandoned")),
        };
        self.card.drop_words(engine);
        while self.card.received(engine).is_some() {}
        Ok(())
    }

    fn lines(&self) -> u32 {
        LINES
    }

    fn describe(&self) -> String {
        match self.fidelity {
            Fidelity::Exact => "FPGA card simulated by Verilator, every gate".into(),
            Fidelity::Fast => "FPGA card simulated by Verilator, additions and butterflies computed on the host".into(),
        }
    }
}
