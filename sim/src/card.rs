//! A simulated card: the top module with its buses, a host that drives them, and external memory.

use std::collections::VecDeque;

use tapeout_hw::Reg;

use crate::{Error, Model, Port};

/// 64-bit limbs of a word of the stream.
pub const WORD: usize = 4;
/// 64-bit limbs of a memory line, which holds one base.
pub const LINE: usize = 8;

/// Whether point additions and butterflies are simulated or computed on the host; outputs and cycles are the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fidelity {
    /// Every gate of `rtl/`.
    Exact,
    /// Point additions and butterflies by the host's processor, with the same latency.
    Fast,
}

/// What stands around the card.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Surroundings {
    /// Cycles from a read's address to its data.
    pub memory_latency: u32,
    /// Cycles between two reads that memory takes: 1 is 64 bytes per cycle.
    pub memory_interval: u32,
    /// Probability, in 256ths, that the host or memory holds back what it has, or what the card has, in a cycle.
    pub stalls: u8,
    /// Seed of the stalls.
    pub seed: u64,
}

impl Default for Surroundings {
    /// Memory with a latency of 100 cycles and 64 bytes per cycle, nothing held back.
    fn default() -> Self {
        Self {
            memory_latency: 100,
            memory_interval: 1,
            stalls: 0,
            seed: 1,
        }
    }
}

/// The simulated card.
pub struct Card {
    model: Model,
    ports: Ports,
    stream_ports: [StreamPorts; 2],
    around: Surroundings,
    random: u64,
    memory: Vec<[u64; LINE]>,
    reads: VecDeque<(u64, usize)>,
    next_read: u64,
    streams: [Stream; 2],
    answered: bool,
    memory_fault: bool,
}

/// An engine of the card, each with a stream in and one out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engine {
    /// Passes in, window sums out.
    Msm,
    /// Batches of columns in, their transforms out.
    Ntt,
}

/// The streams of an engine: words with the mark of a packet's last.
#[derive(Default)]
struct Stream {
    words: VecDeque<([u64; WORD], bool)>,
    offered: bool,
    received: VecDeque<([u64; WORD], bool)>,
}

/// The ports of an engine's streams: in, and out.
#[derive(Clone, Copy)]
struct StreamPorts {
    in_valid: Port,
    in_ready: Port,
    in_data: Port,
    in_last: Port,
    out_valid: Port,
    out_ready: Port,
    out_data: Port,
    out_last: Port,
}

impl StreamPorts {
    fn of(model: &Model, input: &str, output: &str) -> Result<Self, Error> {
        let port = |prefix: &str, name: &str| model.port(&format!("{prefix}_t{name}"));
        Ok(Self {
            in_valid: port(input, "valid_i")?,
            in_ready: port(input, "ready_o")?,
            in_data: port(input, "data_i")?,
            in_last: port(input, "last_i")?,
            out_valid: port(output, "valid_o")?,
            out_ready: port(output, "ready_i")?,
            out_data: port(output, "data_o")?,
            out_last: port(output, "last_o")?,
        })
    }
}

macro_rules! ports {
    ($($field:ident $name:literal;)*) => {
        struct Ports { $($field: Port,)* }

        impl Ports {
            fn of(model: &Model) -> Result<Self, Error> {
                Ok(Self { $($field: model.port($name)?,)* })
            }
        }
    };
}

ports! {
    rst_n "rst_ni";
    c_awvalid "c_awvalid_i"; c_awready "c_awready_o"; c_awaddr "c_awaddr_i";
    c_wvalid "c_wvalid_i"; c_wdata "c_wdata_i"; c_bvalid "c_bvalid_o"; c_bready "c_bready_i";
    c_arvalid "c_arvalid_i"; c_arready "c_arready_o"; c_araddr "c_araddr_i";
    c_rvalid "c_rvalid_o"; c_rready "c_rready_i"; c_rdata "c_rdata_o";
    m_arvalid "m_arvalid_o"; m_arready "m_arready_i"; m_araddr "m_araddr_o";
    m_rvalid "m_rvalid_i"; m_rdata "m_rdata_i"; m_rresp "m_rresp_i";
}

impl Card {
    /// A card after power-on, ready for passes.
    ///
    /// # Errors
    /// Those of [`Model::new`].
    pub fn new(fidelity: Fidelity, around: Surroundings) -> Result<Self, Error> {
        let model = Model::new(match fidelity {
            Fidelity::Exact => "card",
            Fidelity::Fast => "card_fast",
        })?;
        let ports = Ports::of(&model)?;
        let stream_ports = [StreamPorts::of(&model, "s", "o")?, StreamPorts::of(&model, "n", "t")?];
        let mut card = Self {
            model,
            ports,
            stream_ports,
            around,
            random: around.seed | 1,
            memory: Vec::new(),
            reads: VecDeque::new(),
            next_read: 0,
            streams: Default::default(),
            answered: false,
            memory_fault: false,
        };
        for _ in 0..4 {
            card.model.tick();
        }
        card.model.set(card.ports.rst_n, &[1]);
        card.model.settle();
        card.wait_until_ready()?;
        Ok(card)
    }

    /// Dumps waves (FST) from now on.
    ///
    /// # Errors
    /// [`Error::Waves`] when this build cannot.
    pub fn dump_waves(&mut self, path: &std::path::Path) -> Result<(), Error> {
        self.model.dump_waves(path)
    }

    /// Reads a register.
    ///
    /// # Errors
    /// [`Error::Stopped`] when an assertion failed, [`Error::Stuck`] when the card does not answer.
    pub fn read(&mut self, reg: Reg) -> Result<u32, Error> {
        let (p, m) = (&self.ports, &mut self.model);
        m.set(p.c_araddr, &[u64::from(reg.address())]);
        m.set(p.c_arvalid, &[1]);
        m.set(p.c_rready, &[1]);
        let mut taken = false;
        for _ in 0..PATIENCE {
            self.model.settle();
            taken |= self.model.bits(self.ports.c_arready) == 1;
            if self.model.bits(self.ports.c_rvalid) == 1 {
                let value = self.model.bits(self.ports.c_rdata);
                self.step()?;
                self.model.set(self.ports.c_rready, &[0]);
                return Ok(value as u32);
            }
            self.step()?;
            if taken {
                self.model.set(self.ports.c_arvalid, &[0]);
            }
        }
        Err(Error::Stuck("a register read"))
    }

    /// Writes a register.
    ///
    /// # Errors
    /// As [`Card::read`].
    pub fn write(&mut self, reg: Reg, value: u32) -> Result<(), Error> {
        let (p, m) = (&self.ports, &mut self.model);
        m.set(p.c_awaddr, &[u64::from(reg.address())]);
        m.set(p.c_wdata, &[u64::from(value)]);
        m.set(p.c_awvalid, &[1]);
        m.set(p.c_wvalid, &[1]);
        m.set(p.c_bready, &[1]);
        let mut taken = false;
        for _ in 0..PATIENCE {
            self.model.settle();
            taken |= self.model.bits(self.ports.c_awready) == 1;
            let done = self.model.bits(self.ports.c_bvalid) == 1;
            self.step()?;
            if taken {
                self.model.set(self.ports.c_awvalid, &[0]);
                self.model.set(self.ports.c_wvalid, &[0]);
            }
            if done {
                self.model.set(self.ports.c_bready, &[0]);
                return Ok(());
            }
        }
        Err(Error::Stuck("a register write"))
    }

    /// External memory, one line per base.
    pub fn memory(&mut self) -> &mut Vec<[u64; LINE]> {
        &mut self.memory
    }

    /// Lets memory answer reads with an error, or no longer.
    pub fn break_memory(&mut self, broken: bool) {
        self.memory_fault = broken;
    }

    /// Queues a word for an engine's input; `last` marks the last one of a pass or batch.
    pub fn send(&mut self, engine: Engine, word: [u64; WORD], last: bool) {
        self.streams[engine as usize].words.push_back((word, last));
    }

    /// Words queued for an engine and not yet taken.
    #[must_use]
    pub fn unsent(&self, engine: Engine) -> usize {
        self.streams[engine as usize].words.len()
    }

    /// Drops all words queued for an engine, as a host that resets its transfers.
    pub fn drop_words(&mut self, engine: Engine) {
        let stream = &mut self.streams[engine as usize];
        stream.words.clear();
        stream.offered = false;
        self.model.set(self.stream_ports[engine as usize].in_valid, &[0]);
    }

    /// The next word that an engine has sent, with the mark of a pass's or batch's last.
    pub fn received(&mut self, engine: Engine) -> Option<([u64; WORD], bool)> {
        self.streams[engine as usize].received.pop_front()
    }

    /// Words received from an engine and not yet fetched.
    #[must_use]
    pub fn pending(&self, engine: Engine) -> usize {
        self.streams[engine as usize].received.len()
    }

    /// Cycles since power-on.
    #[must_use]
    pub fn cycles(&self) -> u64 {
        self.model.cycles()
    }

    /// One cycle of the card and everything around it.
    ///
    /// # Errors
    /// [`Error::Stopped`] when an assertion failed.
    pub fn step(&mut self) -> Result<(), Error> {
        // outputs of the buses depend on registers and on inputs set before; they are sampled before the edge, as the card does
        self.offer();
        self.model.settle();
        let p = &self.ports;
        let high = |port| self.model.bits(port) == 1;
        for (stream, ports) in self.streams.iter_mut().zip(&self.stream_ports) {
            if stream.offered && high(ports.in_ready) {
                stream.words.pop_front();
                stream.offered = false;
            }
            if high(ports.out_valid) && high(ports.out_ready) {
                let mut word = [0; WORD];
                self.model.get(ports.out_data, &mut word);
                stream.received.push_back((word, high(ports.out_last)));
            }
        }
        if high(p.m_arvalid) && high(p.m_arready) {
            let due = self.model.cycles() + u64::from(self.around.memory_latency);
            self.reads.push_back((due, (self.model.bits(p.m_araddr) / 64) as usize));
            self.next_read = self.model.cycles() + u64::from(self.around.memory_interval);
        }
        if self.answered {
            self.reads.pop_front();
            self.answered = false;
        }
        self.model.edge();
        if self.model.stopped() {
            Err(Error::Stopped)
        } else {
            Ok(())
        }
    }

    /// Sets the inputs of the streams and of memory for this cycle. What was offered once stays until it is taken.
    fn offer(&mut self) {
        let now = self.model.cycles();
        for engine in [Engine::Msm as usize, Engine::Ntt as usize] {
            let (held, ready) = (self.stalls(), !self.stalls());
            let (stream, ports) = (&mut self.streams[engine], self.stream_ports[engine]);
            if !stream.offered {
                let valid = if held { None } else { stream.words.front() };
                stream.offered = valid.is_some();
                self.model.set(ports.in_valid, &[u64::from(valid.is_some())]);
                if let Some((word, last)) = valid {
                    self.model.set(ports.in_data, word);
                    self.model.set(ports.in_last, &[u64::from(*last)]);
                }
            }
            self.model.set(ports.out_ready, &[u64::from(ready)]);
        }
        let ready = now >= self.next_read && !self.stalls();
        self.model.set(self.ports.m_arready, &[u64::from(ready)]);
        // the card is always ready for data
        let due = self.reads.front().filter(|(due, _)| *due <= now).copied();
        let due = if self.stalls() { None } else { due };
        self.answered = due.is_some();
        self.model.set(self.ports.m_rvalid, &[u64::from(due.is_some())]);
        if let Some((_, line)) = due {
            let found = self.memory.get(line).copied();
            let broken = self.memory_fault || found.is_none();
            self.model.set(self.ports.m_rdata, &found.unwrap_or_default());
            self.model.set(self.ports.m_rresp, &[if broken { 2 } else { 0 }]);
        }
    }

    fn stalls(&mut self) -> bool {
        if self.around.stalls == 0 {
            return false;
        }
        // xorshift (Marsaglia 2003): the stalls need no better randomness
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 32) as u8 <= self.around.stalls
    }

    /// Steps until the engine has cleared its buckets.
    ///
    /// # Errors
    /// As [`Card::read`].
    pub fn wait_until_ready(&mut self) -> Result<(), Error> {
        for _ in 0..PATIENCE {
            if self.read(Reg::Status)? & tapeout_hw::regs::bits::READY != 0 {
                return Ok(());
            }
        }
        Err(Error::Stuck("the start of the engine"))
    }
}

/// Cycles after which a card that does not answer is given up.
const PATIENCE: u32 = 100_000;
