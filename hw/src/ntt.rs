//! The NTT engine: its shape, the words it is fed with, its bit-exact model and its cycles.
//!
//! The engine works in batches: columns of one length, one direction and one coset, streamed back to back. With `P` butterflies it keeps
//! a column in `2P` banks and runs stages of constant geometry (Pease 1968): each step reads two half rows or one row, and writes the
//! other. Cosets cost nothing: reduction modulo `X^n - c^n` splits into `X^(n/2) - t` and `X^(n/2) + t` with `t = c^(n/2)`, and so on down, so that the
//! coset is in the twiddles. Nor does `1/n`: the inverse butterfly halves.

use num_bigint::BigUint;

use crate::field::{Field, R_BITS, one};
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

/// Cycles from a butterfly's operands to its results: two for sums and halves, the multiplier, one for sums, two for the reduction.
pub const BUTTERFLY_LATENCY: u32 = 2 + MUL_LATENCY + 1 + 2;
/// Cycles from a step's addresses until what it wrote can be read.
pub const PIPELINE: u32 = 3 + BUTTERFLY_LATENCY + 2;

impl Config {
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

    /// Cycles between a stage's last step and the next stage's first one, until the row that it needs has been written: none
    /// from `4 P` times [`PIPELINE`] elements on.
    #[must_use]
    pub fn gap(&self, log_n: u32) -> u64 {
        u64::from(PIPELINE).saturating_sub(self.steps(log_n) / 2)
    }

    /// Cycles from a column's first step to the next column's first step when nothing is waited for.
    #[must_use]
    pub fn column_cycles(&self, log_n: u32) -> u64 {
        u64::from(log_n) * self.steps(log_n) + u64::from(log_n - 1) * self.gap(log_n)
    }

    /// Cycles that making a table takes: the first rows from the header's words, then all others by doubling.
    #[must_use]
    pub fn table_cycles(&self, log_n: u32) -> u64 {
        let wait = u64::from(PIPELINE);
        let levels = log_n - 1 - self.log_lanes;
        let level = |j: u32| (u64::from(levels - j) << j) + wait - 1;
        u64::from(log_n) + wait + (0..levels).map(level).sum::<u64>()
    }

    /// Butterflies of a column.
    #[must_use]
    pub fn butterflies(&self, log_n: u32) -> u64 {
        u64::from(log_n) << (log_n - 1)
    }

    /// Cycles from the first word of a batch with a table in to its last word out, when the host is always ready and the engine was idle:
    /// header, first column in, columns, last column out. Columns whose words take longer than their butterflies
    /// are bound by the words.
    #[must_use]
    pub fn batch_cycles(&self, log_n: u32, columns: u32) -> u64 {
        let words = 1u64 << log_n;
        let (header, compute) = (1 + u64::from(log_n), self.column_cycles(log_n));
        // the column's words and its table, whichever is later: the engine looks at the table a cycle after its last word
        let first = header + words.max(self.table_cycles(log_n) + 1) + 1;
        // a buffer is given back a cycle after its last word
        let period = compute.max(words + 1).max(words + u64::from(UNLOAD_START));
        first + u64::from(columns - 1) * period + compute + u64::from(UNLOAD_START + OUTPUT_LATENCY) + words
    }
}

/// Cycles from a column's last step to its first read for the host.
pub const UNLOAD_START: u32 = PIPELINE;
/// Cycles from a read for the host to its word on the stream, less one.
pub const OUTPUT_LATENCY: u32 = 5;

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

/// A primitive `2^log`-th root of unity: `5^((r-1) / 2^log)`, which for `log = 28` is arkworks' `TWO_ADIC_ROOT_OF_UNITY`.
#[must_use]
pub fn root(log: u32) -> BigUint {
    let r = Field::fr().modulus().clone();
    BigUint::from(5u8).modpow(&((&r - one()) >> log as usize), &r)
}

fn inverse(x: &BigUint) -> BigUint {
    let r = Field::fr().modulus().clone();
    x.modpow(&(&r - BigUint::from(2u8)), &r)
}

/// `x 2^255 mod r`, the form that the multiplier takes its constant operand in.
#[must_use]
pub fn montgomery(x: &BigUint) -> BigUint {
    (x << R_BITS) % Field::fr().modulus()
}

/// What a table grows by: entry `b + 2^j` is entry `b` times `w_(2^(j+2))`, in Montgomery form, for `j` below `LARGEST_LOG_N - 1`.
#[must_use]
pub fn growth(inverted: bool) -> Vec<BigUint> {
    let of = |j| {
        let root = root(j + 2);
        montgomery(&if inverted { inverse(&root) } else { root })
    };
    (0..LARGEST_LOG_N - 1).map(of).collect()
}

/// The first `P` entries of the table of the coset of one: `w^bitrev(b)`, in Montgomery form.
#[must_use]
pub fn first_entries(inverted: bool) -> Vec<BigUint> {
    let (field, growth) = (Field::fr(), growth(inverted));
    let mut entries = vec![montgomery(&one())];
    for step in growth.iter().take(MAX_LOG_LANES as usize) {
        let next: Vec<_> = entries
            .iter()
            .map(|entry| field.mont_mul(entry, step) % field.modulus())
            .collect();
        entries.extend(next);
    }
    entries
}

/// The words behind a header: for each stage `s` the twiddle of its first block, `c^(n / 2^(s+1))` or its inverse, in Montgomery form.
#[must_use]
pub fn table(log_n: u32, inverted: bool, coset: &BigUint) -> Vec<BigUint> {
    let r = Field::fr().modulus().clone();
    let base = if inverted { inverse(coset) } else { coset.clone() };
    let of = |s| montgomery(&base.modpow(&(one() << (log_n - 1 - s) as usize), &r));
    (0..log_n).map(of).collect()
}

/// What `rtl/ntt/ntt_butterfly.sv` gives, to the bit. Forward (Cooley, Tukey): `a + t b` and `a - t b`. Inverse (Gentleman, Sande): `(a + b) / 2`
/// and `t (a - b) / 2`.
#[must_use]
pub fn butterfly(field: &Field, inverse: bool, [a, b, t]: [&BigUint; 3]) -> [BigUint; 2] {
    let p = field.modulus();
    let half = |v: BigUint| if v.bit(0) { (v + p) >> 1usize } else { v >> 1usize };
    let wide = if inverse {
        [half(a + b), field.mont_mul(&half(a + p * 2u8 - b), t)]
    } else {
        let product = field.mont_mul(b, t);
        [a + &product, a + p * 2u8 - product]
    };
    wide.map(|v| field.reduce_small(&v))
}

/// Exclusive bounds of the butterfly's signals for operands that are results of butterflies, by interval arithmetic: the operands, the
/// multiplier's operand, its product, and the widest value that is reduced.
#[must_use]
pub fn bounds(inverse: bool) -> [BigUint; 4] {
    let field = Field::fr();
    let (p, element) = (field.modulus(), field.reduced_bound());
    let half = |bound: BigUint| ((bound + p) >> 1usize) + one();
    let twice = &element + p * 2u8;
    let factor = if inverse { half(twice.clone()) } else { element.clone() };
    let product = field.mont_mul_bound(&factor, &element);
    let sum = if inverse {
        half(&element * 2u8)
    } else {
        (&element + &product).max(twice)
    };
    [element, factor, product.clone(), sum.max(product)]
}

/// Where the element at `index` of a column stands: row, half of the row, and place in that half. Rows of the column's upper half have their halves
/// swapped, so that the two half rows of a step lie in different banks.
#[must_use]
pub fn place(config: &Config, log_n: u32, index: usize) -> (usize, usize, usize) {
    let lanes = 1usize << config.log_lanes;
    let half = index >> config.log_lanes & 1 ^ index >> (log_n - 1) & 1;
    (index >> (config.log_lanes + 1), half, index & (lanes - 1))
}

/// The permutation of bit-reversed order.
#[must_use]
pub fn bit_reversed(log_n: u32, index: usize) -> usize {
    if log_n == 0 {
        return index;
    }
    index.reverse_bits() >> (usize::BITS - log_n)
}

/// The table as the engine makes it: `entries[s][b]` for block `b` of stage `s`, lazily reduced.
#[must_use]
pub fn entries(field: &Field, config: &Config, log_n: u32, inverted: bool, words: &[BigUint]) -> Vec<Vec<BigUint>> {
    let (first, growth) = (first_entries(inverted), growth(inverted));
    let product = |a: &BigUint, b: &BigUint| field.reduce_small(&field.mont_mul(a, b));
    (0..log_n)
        .map(|s| {
            let known = 1usize << s.min(config.log_lanes);
            let mut stage: Vec<_> = (0..known).map(|b| product(&first[b], &words[s as usize])).collect();
            for j in config.log_lanes..s {
                let next: Vec<_> = stage.iter().map(|entry| product(&growth[j as usize], entry)).collect();
                stage.extend(next);
            }
            stage
        })
        .collect()
}

/// The engine's model: the column that it gives for a column, canonical, as integers of the form that they came in.
#[must_use]
pub fn transform(config: &Config, batch: &Batch, coset: &BigUint, column: &[BigUint]) -> Vec<BigUint> {
    let field = Field::fr();
    let (log_n, n) = (batch.log_n, column.len());
    let words = table(log_n, batch.inverse, coset);
    let table = entries(&field, config, log_n, batch.inverse, &words);
    let at = |reversed: bool, i: usize| if reversed { bit_reversed(log_n, i) } else { i };
    let mut now = vec![BigUint::ZERO; n];
    for (i, value) in column.iter().enumerate() {
        now[at(batch.inverse != batch.input_reversed, i)] = value.clone();
    }
    for stage in 0..log_n {
        let s = if batch.inverse { log_n - 1 - stage } else { stage };
        let mut next = vec![BigUint::ZERO; n];
        for i in 0..n / 2 {
            let t = &table[s as usize][i & ((1 << s) - 1)];
            let (split, joined) = ([i, i + n / 2], [2 * i, 2 * i + 1]);
            let (from, to) = if batch.inverse {
                (joined, split)
            } else {
                (split, joined)
            };
            let results = butterfly(&field, batch.inverse, [&now[from[0]], &now[from[1]], t]);
            for (place, result) in to.into_iter().zip(results) {
                next[place] = result;
            }
        }
        now = next;
    }
    (0..n)
        .map(|i| &now[at(batch.inverse == batch.output_reversed, i)] % field.modulus())
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ark_bn254::Fr;
    use ark_ff::{FftField, Field as _, PrimeField, UniformRand};
    use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;

    fn batch(log_n: u32, inverse: bool) -> Batch {
        Batch {
            log_n,
            inverse,
            input_reversed: false,
            output_reversed: false,
            table: true,
            columns: 1,
        }
    }

    #[test]
    fn roots_are_those_of_arkworks() {
        assert_eq!(root(TWO_ADICITY), BigUint::from(Fr::TWO_ADIC_ROOT_OF_UNITY));
        assert_eq!(root(1), Field::fr().modulus() - one());
    }

    /// Every length and direction against the definition.
    #[test]
    fn the_model_transforms() {
        let mut rng = StdRng::seed_from_u64(1);
        for config in [CONFIG, Config { log_lanes: 1, ..CONFIG }] {
            for log_n in config.min_log_n()..=8 {
                let n = 1usize << log_n;
                let (coset, w) = (Fr::rand(&mut rng), Fr::get_root_of_unity(n as u64).unwrap());
                let coefficients: Vec<Fr> = (0..n).map(|_| Fr::rand(&mut rng)).collect();
                let value = |i: usize| {
                    let x = coset * w.pow([i as u64]);
                    coefficients.iter().rev().fold(Fr::from(0), |sum, c| sum * x + c)
                };
                let values: Vec<Fr> = (0..n).map(value).collect();
                let integers = |column: &[Fr]| column.iter().map(|&v| BigUint::from(v)).collect::<Vec<_>>();
                let (coefficients, values) = (integers(&coefficients), integers(&values));
                let coset = BigUint::from(coset);
                let (forward, inverse) = (batch(log_n, false), batch(log_n, true));
                assert_eq!(transform(&config, &forward, &coset, &coefficients), values);
                assert_eq!(transform(&config, &inverse, &coset, &values), coefficients);
                let reversed = Batch {
                    output_reversed: true,
                    ..forward
                };
                let back = Batch {
                    input_reversed: true,
                    ..inverse
                };
                let middle = transform(&config, &reversed, &coset, &coefficients);
                assert!((0..n).all(|i| middle[bit_reversed(log_n, i)] == values[i]));
                assert_eq!(transform(&config, &back, &coset, &middle), coefficients);
            }
        }
    }

    /// The elements of every step, read or written, are one of each bank.
    #[test]
    fn banks_have_no_conflicts() {
        for log_lanes in 1..=MAX_LOG_LANES {
            let config = Config { log_lanes, ..CONFIG };
            for log_n in config.min_log_n()..=10 {
                let (n, lanes) = (1usize << log_n, 1usize << log_lanes);
                for k in 0..n / 2 / lanes {
                    let split = (0..lanes)
                        .flat_map(|q| [k * lanes + q, k * lanes + q + n / 2])
                        .collect();
                    let joined: Vec<_> = (0..2 * lanes).map(|l| 2 * lanes * k + l).collect();
                    for indices in [split, joined] {
                        let mut banks: Vec<_> = indices
                            .into_iter()
                            .map(|i| {
                                let (row, half, lane) = place(&config, log_n, i);
                                assert!(row < config.steps(log_n) as usize);
                                half * lanes + lane
                            })
                            .collect();
                        banks.sort_unstable();
                        assert!(banks.into_iter().eq(0..2 * lanes));
                    }
                }
            }
        }
    }

    #[test]
    fn signals_fit_their_wires() {
        for inverse in [false, true] {
            let [element, factor, product, widest] = bounds(inverse);
            let r = one() << R_BITS;
            assert!(element < r && factor < r && product < r);
            assert!(widest < Field::fr().modulus() * 64u8);
        }
        // the interval's ends are reached by no operands, but not left either
        let mut rng = StdRng::seed_from_u64(2);
        let field = Field::fr();
        let max = field.reduced_bound() - one();
        for _ in 0..200 {
            let mut operand = || {
                if rng.r#gen() {
                    max.clone()
                } else {
                    BigUint::from(Fr::rand(&mut rng)) % &max
                }
            };
            let (a, b, t) = (operand(), operand(), operand());
            for inverse in [false, true] {
                assert!(butterfly(&field, inverse, [&a, &b, &t]).iter().all(|v| *v <= max));
            }
        }
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
        assert_eq!(Fr::MODULUS_BIT_SIZE, 254);
    }
}
