//! The NTT engine: its shape, the words it is fed with, its bit-exact model and its cycles.
//!
//! The engine works in batches: columns of one length, one direction and one coset, streamed back to back. With `P`
//! butterflies it keeps a column in `2P` banks and runs stages of constant geometry (Pease 1968): each step reads two
//! half rows or one row, and writes the other. Cosets cost nothing: reduction modulo `X^n - c^n` splits into
//! `X^(n/2) - t` and `X^(n/2) + t` with `t = c^(n/2)`, and so on down, so that the coset is in the twiddles. Nor does
//! `1/n`: the inverse butterfly halves.

mod cycles;
pub mod four_step;
mod model;

pub use cycles::{OUTPUT_LATENCY, UNLOAD_START};
pub use model::{
    bit_reversed, bounds, butterfly, entries, first_entries, growth, montgomery, place, root, table, transform,
};

use crate::msm::MUL_LATENCY;

/// What the engine is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// `log2` of the number of butterflies `P`, at least 1 and at most [`MAX_LOG_LANES`].
    pub log_lanes: u32,
    /// `log2` of the longest column that is transformed on chip.
    pub max_log_n: u32,
}

/// The configuration that `rtl/gen` is generated for.
pub const CONFIG: Config = Config {
    log_lanes: 2,
    max_log_n: 15,
};

/// Largest `log_lanes` and `max_log_n` that constants are generated for.
pub const MAX_LOG_LANES: u32 = 4;
/// See [`MAX_LOG_LANES`].
pub const LARGEST_LOG_N: u32 = 18;
/// Marks the first word of a header.
pub const MAGIC: u8 = 0x5a;
/// `r - 1` is divisible by two this often.
pub const TWO_ADICITY: u32 = 28;

/// Cycles from a butterfly's operands to its results: two for sums and halves, the multiplier, one for sums, two for
/// the reduction.
pub const BUTTERFLY_LATENCY: u32 = 2 + MUL_LATENCY + 1 + 2;
/// Cycles from a step's addresses until what it wrote can be read.
pub const PIPELINE: u32 = 3 + BUTTERFLY_LATENCY + 2;

/// A configuration that `rtl/ntt` cannot be built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// Too few or too many butterflies.
    #[error("2^{got} butterflies: expected 2^1 to 2^{max}", max = MAX_LOG_LANES)]
    Lanes {
        /// `log2` of their number.
        got: u32,
    },
    /// The longest column is too short for the banks, or there are no constants for it.
    #[error("columns of up to 2^{got} elements: expected 2^{min} to 2^{max}", max = LARGEST_LOG_N)]
    Length {
        /// `log2` of the length.
        got: u32,
        /// The shortest column of that many butterflies.
        min: u32,
    },
}

impl Config {
    /// Checks it as the elaboration of `rtl/ntt/ntt_engine.sv` does.
    ///
    /// # Errors
    /// What the engine cannot be built with.
    pub fn check(&self) -> Result<(), ConfigError> {
        if !(1..=MAX_LOG_LANES).contains(&self.log_lanes) {
            return Err(ConfigError::Lanes { got: self.log_lanes });
        }
        let (got, min) = (self.max_log_n, self.min_log_n());
        if !(min..=LARGEST_LOG_N).contains(&got) {
            return Err(ConfigError::Length { got, min });
        }
        Ok(())
    }

    /// `log2` of the shortest column: two rows.
    #[must_use]
    pub fn min_log_n(&self) -> u32 {
        self.log_lanes + 2
    }

    /// Steps of a stage.
    #[must_use]
    pub fn steps(&self, log_n: u32) -> u64 {
        1 << (log_n - self.log_lanes - 1)
    }
}

/// A batch, as its header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Batch {
    /// `log2` of the columns' length.
    pub log_n: u32,
    /// Values to coefficients, the factor `1/n` included.
    pub inverse: bool,
    /// Columns come in bit-reversed order.
    pub input_reversed: bool,
    /// Columns are wanted in bit-reversed order.
    pub output_reversed: bool,
    /// The header is followed by the words of [`table`]; without, the table of the batch before it serves.
    pub table: bool,
    /// Number of columns.
    pub columns: u32,
}

/// A batch that the engine would refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// The length is not one that the engine was built for.
    #[error("columns of length 2^{got}: expected 2^{min} to 2^{max}")]
    Length {
        /// `log2` of the length.
        got: u32,
        /// The shortest.
        min: u32,
        /// The longest.
        max: u32,
    },
    /// Nothing to do.
    #[error("a batch needs at least one column")]
    Empty,
}

impl Batch {
    /// A batch in natural order at either end, with a table of its own.
    #[must_use]
    pub fn new(log_n: u32, inverse: bool, columns: u32) -> Self {
        Self {
            log_n,
            inverse,
            input_reversed: false,
            output_reversed: false,
            table: true,
            columns,
        }
    }

    /// Checks it as the engine does.
    ///
    /// # Errors
    /// What the engine would refuse with [`crate::regs::Fault::Header`].
    pub fn check(&self, config: &Config) -> Result<(), BatchError> {
        let (min, max) = (config.min_log_n(), config.max_log_n);
        if !(min..=max).contains(&self.log_n) {
            let got = self.log_n;
            return Err(BatchError::Length { got, min, max });
        }
        if self.columns == 0 {
            return Err(BatchError::Empty);
        }
        Ok(())
    }

    /// The first word of the header, least significant limb first.
    #[must_use]
    pub fn header(&self) -> [u64; 4] {
        let flags = [self.inverse, self.input_reversed, self.output_reversed, self.table];
        let flags = (0..).zip(flags).fold(0, |bits, (i, flag)| bits | u64::from(flag) << i);
        [
            u64::from(MAGIC) | u64::from(self.log_n) << 8 | flags << 16 | u64::from(self.columns) << 32,
            0,
            0,
            0,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn batch(log_n: u32, inverse: bool) -> Batch {
        Batch::new(log_n, inverse, 1)
    }

    #[test]
    fn headers_are_checked() {
        assert_eq!(batch(4, false).check(&CONFIG), Ok(()));
        let length = |got| Err(BatchError::Length { got, min: 4, max: 15 });
        assert_eq!(batch(3, false).check(&CONFIG), length(3));
        assert_eq!(batch(16, true).check(&CONFIG), length(16));
        let empty = Batch {
            columns: 0,
            ..batch(4, true)
        };
        assert_eq!(empty.check(&CONFIG), Err(BatchError::Empty));
    }

    #[test]
    fn configurations_are_checked() {
        let check = |log_lanes, max_log_n| Config { log_lanes, max_log_n }.check();
        assert_eq!(CONFIG.check(), Ok(()));
        assert_eq!(check(2, LARGEST_LOG_N), Ok(()));
        assert_eq!(check(2, 19), Err(ConfigError::Length { got: 19, min: 4 }));
        assert_eq!(check(4, 5), Err(ConfigError::Length { got: 5, min: 6 }));
        assert_eq!(check(0, 10), Err(ConfigError::Lanes { got: 0 }));
        assert_eq!(check(5, 10), Err(ConfigError::Lanes { got: 5 }));
    }
}
