//! A card simulated by Verilator.

use std::path::Path;

use tapeout_hw::regs::Fault;
use tapeout_sim::{Engine, Fidelity, LINE, Surroundings, WORD};

use super::{Card, Port, Reg};
use crate::{Error, Result};

/// Memory of the simulated card in lines: 256 MiB.
const LINES: u32 = 1 << 22;

/// Cycles between two looks at the status while results are awaited.
const LOOK: u64 = 1 << 16;

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
        let (engine, status) = match port {
            Port::Sums => (Engine::Msm, Reg::Status),
            Port::Transforms => (Engine::Ntt, Reg::NttStatus),
            _ => return Err(failed("only streams of results give words")),
        };
        if !words.len().is_multiple_of(WORD) {
            return Err(failed("only whole words of a stream can be received"));
        }
        let count = words.len() / WORD;
        let mut look = self.card.cycles() + LOOK;
        while self.card.pending(engine) < count {
            self.card.step().map_err(failed)?;
            if self.card.cycles() >= look {
                look += LOOK;
                if let Some(fault) = Fault::of_status(self.card.read(status).map_err(failed)?) {
                    self.card.drop_words(engine);
                    while self.card.received(engine).is_some() {}
                    return Err(failed(fault));
                }
            }
        }
        for limbs in words.chunks_exact_mut(WORD) {
            if let Some((word, _)) = self.card.received(engine) {
                limbs.copy_from_slice(&word);
            }
        }
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
