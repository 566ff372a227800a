//! A Verilated module.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;

/// Why a model could not be made or used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// This build has no models at all.
    #[error(
        "built without Verilator: install Verilator 5 (Debian and Ubuntu: apt-get install verilator) and build again"
    )]
    Unavailable,
    /// No model has this name.
    #[error("no model is named '{0}'")]
    UnknownModel(String),
    /// The module has no such port.
    #[error("model {model} has no port '{port}'")]
    UnknownPort {
        /// The model.
        model: &'static str,
        /// The port asked for.
        port: String,
    },
    /// An assertion of the hardware failed; its name is on standard error.
    #[error("an assertion of the simulated hardware failed")]
    Stopped,
    /// The simulated hardware does not answer.
    #[error("the simulated hardware does not answer: {0} is not done")]
    Stuck(&'static str),
    /// Waves were asked of a build that cannot dump them.
    #[error("this build cannot dump waves to '{0}': build with `cargo build --release --features waves`")]
    Waves(String),
    /// The wave file cannot be written.
    #[error("cannot write waves to '{path}'")]
    WaveFile {
        /// The file.
        path: String,
        /// Why.
        source: std::io::Error,
    },
}

#[repr(C)]
struct RawPort {
    name: *const c_char,
    data: *mut c_void,
    bytes: usize,
}

struct Functions {
    name: &'static str,
    new: unsafe extern "C" fn() -> *mut c_void,
    free: unsafe extern "C" fn(*mut c_void),
    eval: unsafe extern "C" fn(*mut c_void),
    stopped: unsafe extern "C" fn(*mut c_void) -> c_int,
    trace: unsafe extern "C" fn(*mut c_void, *const c_char) -> c_int,
    dump: unsafe extern "C" fn(*mut c_void, u64),
    ports: unsafe extern "C" fn(*mut c_void, *mut RawPort) -> usize,
}

mod generated {
    #![allow(clippy::wildcard_imports, unused_imports, unreachable_pub)]
    use super::*;
    include!(concat!(env!("OUT_DIR"), "/models.rs"));
}

/// A cycle in a wave file's picoseconds: that of the 250 MHz which cycles are converted to time with.
const CYCLE: u64 = 4_000;

/// Whether this build has models.
#[must_use]
pub fn available() -> bool {
    cfg!(verilator)
}

/// A port of a model, at most 1024 bits wide.
#[derive(Clone, Copy, Debug)]
pub struct Port {
    data: *mut u8,
    bytes: usize,
}

// SAFETY: a port is an address within a model, which alone reads and writes through it.
unsafe impl Send for Port {}

/// A Verilated module with a clock `clk_i`.
pub struct Model {
    functions: &'static Functions,
    raw: *mut c_void,
    ports: Vec<(String, Port)>,
    clock: Port,
    cycles: u64,
    /// Whether waves are dumped.
    waves: bool,
}

// SAFETY: a model owns its state and its context; nothing in them is tied to a thread.
unsafe impl Send for Model {}

impl Model {
    /// Makes a model of that name, all inputs zero; a module that has a reset is in reset.
    ///
    /// # Errors
    /// [`Error::Unavailable`] without Verilator, [`Error::UnknownModel`], and [`Error::UnknownPort`] when it has no clock.
    pub fn new(name: &str) -> Result<Self, Error> {
        if !available() {
            return Err(Error::Unavailable);
        }
        let found = generated::MODELS.iter().find(|functions| functions.name == name);
        let functions = found.ok_or_else(|| Error::UnknownModel(name.to_owned()))?;
        // SAFETY: the constructor has no preconditions; the model is freed once, on drop.
        let raw = unsafe { (functions.new)() };
        let mut rows: Vec<RawPort> = Vec::with_capacity(generated::MAX_PORTS);
        // SAFETY: the build script counts no module with more ports than MAX_PORTS, and every written row is initialised.
        unsafe {
            let count = (functions.ports)(raw, rows.as_mut_ptr());
            rows.set_len(count);
        }
        let port = |row: &RawPort| {
            // SAFETY: names are string literals of the wrapper.
            let name = unsafe { CStr::from_ptr(row.name) }.to_string_lossy().into_owned();
            (
                name,
                Port {
                    data: row.data.cast(),
                    bytes: row.bytes,
                },
            )
        };
        let ports: Vec<_> = rows.iter().map(port).collect();
        let clock = Port {
            data: std::ptr::null_mut(),
            bytes: 0,
        };
        let mut model = Self {
            functions,
            raw,
            ports,
            clock,
            cycles: 0,
            waves: false,
        };
        model.clock = model.port("clk_i")?;
        // registers are reset when their reset falls, as at power-on, not at a first edge of the clock
        if let Ok(reset) = model.port("rst_ni") {
            model.set(reset, &[1]);
            model.settle();
            model.set(reset, &[0]);
        }
        model.settle();
        Ok(model)
    }

    /// The port of that name.
    ///
    /// # Errors
    /// [`Error::UnknownPort`] when the module has none.
    pub fn port(&self, name: &str) -> Result<Port, Error> {
        let found = self.ports.iter().find(|(port, _)| port == name);
        found.map(|&(_, port)| port).ok_or_else(|| Error::UnknownPort {
            model: self.functions.name,
            port: name.to_owned(),
        })
    }

    /// Sets an input; bits beyond the port's width must be zero.
    pub fn set(&mut self, port: Port, value: &[u64]) {
        let bytes = port.bytes.min(value.len() * 8);
        for (i, limb) in value.iter().enumerate().take(bytes.div_ceil(8)) {
            let limb = limb.to_le_bytes();
            let part = (bytes - 8 * i).min(8);
            // SAFETY: the port has `bytes` bytes at `data`, in the model that `self` owns and borrows mutably.
            unsafe { std::ptr::copy_nonoverlapping(limb.as_ptr(), port.data.add(8 * i), part) };
        }
    }

    /// Reads a port into as many limbs as `out` has; limbs beyond the port's width become zero.
    pub fn get(&self, port: Port, out: &mut [u64]) {
        for (i, limb) in out.iter_mut().enumerate() {
            let mut bytes = [0; 8];
            let part = port.bytes.saturating_sub(8 * i).min(8);
            // SAFETY: as in `set`; the part read lies within the port.
            unsafe { std::ptr::copy_nonoverlapping(port.data.add(8 * i), bytes.as_mut_ptr(), part) };
            *limb = u64::from_le_bytes(bytes);
        }
    }

    /// The low 64 bits of a port.
    #[must_use]
    pub fn bits(&self, port: Port) -> u64 {
        let mut limb = [0];
        self.get(port, &mut limb);
        limb[0]
    }

    /// Lets changed inputs reach the outputs that depend on them without a clock edge.
    pub fn settle(&mut self) {
        // SAFETY: `raw` is a live model.
        unsafe { (self.functions.eval)(self.raw) }
    }

    /// One rising edge of the clock; outputs are those after it.
    pub fn tick(&mut self) {
        self.settle();
        self.edge();
    }

    /// As [`Model::tick`], for a caller that has settled the inputs.
    pub fn edge(&mut self) {
        self.set(self.clock, &[1]);
        self.settle();
        self.dump(CYCLE * self.cycles);
        self.set(self.clock, &[0]);
        self.dump(CYCLE * self.cycles + CYCLE / 2);
        self.cycles += 1;
    }

    /// Writes what has changed since the last time, where waves are dumped.
    fn dump(&mut self, time: u64) {
        if self.waves {
            // SAFETY: `raw` is a live model.
            unsafe { (self.functions.dump)(self.raw, time) }
        }
    }

    /// Rising edges so far.
    #[must_use]
    pub fn cycles(&self) -> u64 {
        self.cycles
    }

    /// Whether an assertion stopped the simulation.
    #[must_use]
    pub fn stopped(&self) -> bool {
        // SAFETY: `raw` is a live model.
        unsafe { (self.functions.stopped)(self.raw) != 0 }
    }

    /// Dumps waves (FST) from now on.
    ///
    /// # Errors
    /// [`Error::Waves`] when this build cannot, or the path is none; [`Error::WaveFile`] when the file cannot be written.
    pub fn dump_waves(&mut self, path: &Path) -> Result<(), Error> {
        let refused = || Error::Waves(path.display().to_string());
        if !cfg!(feature = "waves") {
            return Err(refused());
        }
        // Verilator's writer says nothing of a file that it cannot open
        std::fs::File::create(path).map_err(|source| Error::WaveFile {
            path: path.display().to_string(),
            source,
        })?;
        let text = CString::new(path.as_os_str().as_encoded_bytes()).map_err(|_| refused())?;
        // SAFETY: `raw` is a live model, the path a NUL-terminated string.
        let open = unsafe { (self.functions.trace)(self.raw, text.as_ptr()) };
        self.waves = open == 1;
        if self.waves { Ok(()) } else { Err(refused()) }
    }
}

impl Drop for Model {
    fn drop(&mut self) {
        // SAFETY: `raw` came from `new` and is freed once.
        unsafe { (self.functions.free)(self.raw) }
    }
}
