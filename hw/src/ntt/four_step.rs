//! Columns longer than the engine holds, in four steps through external memory (Bailey 1990).
//!
//! With `n = n1 n2`: columns of `n1` elements that lie `n2` apart are transformed, their results multiplied by powers
//! of the root of unity, and columns of `n2` elements transformed, whose results lie `n1` apart. The multiplication
//! is not one here: the second transforms run on a coset of their own each, which is in the engine's tables. So a
//! long column is two passes of batches over memory, and nothing is computed outside the engine.

use num_bigint::BigUint;

use super::model::{root, transform};
use super::{Batch, BatchError, Config, TWO_ADICITY};
use crate::field::Field;

/// The memory that holds a column which is longer than the engine's, as seen from the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct External {
    /// Cycles from a read's address to its word, and from a write to the first read that sees it.
    pub latency: u32,
    /// Cycles between two words of 32 bytes, in each direction: 1 is 32 bytes read and 32 written per cycle.
    pub interval: u32,
}

impl Default for External {
    /// A word in and a word out per cycle, a latency of 100 cycles.
    fn default() -> Self {
        Self {
            latency: 100,
            interval: 1,
        }
    }
}

/// A pass: columns that memory gives to the engine and takes from it. Element `i` of column `c` is read at
/// `read[0] c + read[1] i` and written at `write[0] c + write[1] i`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pass {
    /// `log2` of the columns' length.
    pub log_n: u32,
    /// Number of columns.
    pub columns: usize,
    /// All columns are on the long column's coset to the power of their number; else column `c` is on that coset
    /// times `w^c`, with `w` the root of unity of the long column's length, and a batch of its own.
    pub one_coset: bool,
    /// Where columns are read.
    pub read: [usize; 2],
    /// Where results are written.
    pub write: [usize; 2],
}

impl Pass {
    /// The columns that the pass reads from memory.
    pub fn gather<T: Clone>(&self, memory: &[T]) -> Vec<Vec<T>> {
        let [column, element] = self.read;
        (0..self.columns)
            .map(|c| {
                let start = c * column;
                (0..1 << self.log_n)
                    .map(|i| memory[start + i * element].clone())
                    .collect()
            })
            .collect()
    }

    /// Writes the pass's results to memory.
    pub fn scatter<T: Clone>(&self, results: &[Vec<T>], memory: &mut [T]) {
        let [column, element] = self.write;
        for (c, result) in results.iter().enumerate() {
            for (i, value) in result.iter().enumerate() {
                memory[c * column + i * element] = value.clone();
            }
        }
    }

    /// The batches that the pass is streamed in; each needs its table.
    #[must_use]
    pub fn batches(&self, inverse: bool) -> Vec<Batch> {
        let count = if self.one_coset { 1 } else { self.columns };
        vec![Batch::new(self.log_n, inverse, (self.columns / count) as u32); count]
    }
}

/// How a long column is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plan {
    /// `log2` of the length of the columns that lie apart.
    pub log_n1: u32,
    /// `log2` of the length of the columns with cosets of their own.
    pub log_n2: u32,
}

impl Plan {
    /// The cut of a column of `2^log_n` elements that takes the fewest cycles on an engine.
    ///
    /// # Errors
    /// [`BatchError::Length`] for columns that cannot be cut into two lengths of the engine's.
    pub fn new(config: &Config, log_n: u32) -> Result<Self, BatchError> {
        let (shortest, longest) = (config.min_log_n(), config.max_log_n);
        let cuts = (shortest..=longest).filter_map(|log_n1| {
            let log_n2 = log_n.checked_sub(log_n1)?;
            (shortest..=longest)
                .contains(&log_n2)
                .then_some(Self { log_n1, log_n2 })
        });
        cuts.filter(|_| log_n <= TWO_ADICITY)
            .min_by_key(|cut| cut.cycles(config, External::default()))
            .ok_or(BatchError::Length {
                got: log_n,
                min: 2 * shortest,
                max: (2 * longest).min(TWO_ADICITY),
            })
    }

    /// The two passes over memory, in their order.
    #[must_use]
    pub fn passes(&self, inverse: bool) -> [Pass; 2] {
        let (n1, n2) = (1usize << self.log_n1, 1usize << self.log_n2);
        let apart = Pass {
            log_n: self.log_n1,
            columns: n2,
            one_coset: true,
            read: [1, n2],
            write: [1, n2],
        };
        let (rows, turned) = ([n2, 1], [1, n1]);
        let own = |read, write| Pass {
            log_n: self.log_n2,
            columns: n1,
            one_coset: false,
            read,
            write,
        };
        if inverse {
            [own(turned, rows), apart]
        } else {
            [apart, own(rows, turned)]
        }
    }

    /// Words of 32 bytes that memory gives, and takes.
    #[must_use]
    pub fn words(&self) -> u64 {
        2 << (self.log_n1 + self.log_n2)
    }

    /// Cycles from the first read to the last write: each pass begins when memory has all results of the one before it.
    #[must_use]
    pub fn cycles(&self, config: &Config, memory: External) -> u64 {
        let pass = |pass: Pass| {
            2 * u64::from(memory.latency) + config.sequence_cycles(&pass.batches(false), memory.interval.into())
        };
        self.passes(false).into_iter().map(pass).sum()
    }

    /// The model of the whole: what the engine makes of a long column, canonical.
    #[must_use]
    pub fn transform(&self, config: &Config, inverse: bool, coset: &BigUint, column: &[BigUint]) -> Vec<BigUint> {
        let field = Field::fr();
        let root = root(self.log_n1 + self.log_n2);
        let mut memory = column.to_vec();
        for pass in self.passes(inverse) {
            let columns = pass.gather(&memory);
            let mut shift = if pass.one_coset {
                coset.modpow(&BigUint::from(pass.columns), field.modulus())
            } else {
                coset.clone()
            };
            let mut results = Vec::with_capacity(columns.len());
            for batch in pass.batches(inverse) {
                let from = results.len();
                let part = &columns[from..from + batch.columns as usize];
                results.extend(transform(config, &batch, &shift, part));
                shift = shift * &root % field.modulus();
            }
            pass.scatter(&results, &mut memory);
        }
        memory
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ark_bn254::Fr;
    use ark_ff::{PrimeField, UniformRand};
    use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
    use ark_std::rand::{SeedableRng, rngs::StdRng};

    use super::super::CONFIG;
    use super::*;

    /// Both directions on a random coset against arkworks.
    fn check(config: &Config, log_n: u32) {
        let mut rng = StdRng::seed_from_u64(log_n.into());
        let plan = Plan::new(config, log_n).unwrap();
        assert_eq!(plan.log_n1 + plan.log_n2, log_n);
        let coset = Fr::rand(&mut rng);
        let column: Vec<Fr> = (0..1 << log_n).map(|_| Fr::rand(&mut rng)).collect();
        let domain = Radix2EvaluationDomain::<Fr>::new(1 << log_n).unwrap();
        let values = domain.get_coset(coset).unwrap().fft(&column);
        let integers = |column: &[Fr]| {
            column
                .iter()
                .map(|&v| BigUint::from(v.into_bigint()))
                .collect::<Vec<_>>()
        };
        let (column, values, coset) = (integers(&column), integers(&values), BigUint::from(coset));
        assert!(plan.transform(config, false, &coset, &column) == values, "{plan:?}");
        assert!(plan.transform(config, true, &coset, &values) == column, "{plan:?}");
    }

    #[test]
    fn long_columns_are_those_of_arkworks() {
        let short = Config {
            log_lanes: 2,
            max_log_n: 8,
        };
        for log_n in [9, 13] {
            check(&short, log_n);
        }
        check(&CONFIG, 16);
    }

    /// The longest column of the model, cut for the engine as it is built.
    #[test]
    #[ignore = "takes minutes: make test-hardware"]
    fn a_column_of_2_to_the_22_is_that_of_arkworks() {
        check(&CONFIG, 22);
    }

    #[test]
    fn cuts_fit_the_engine() {
        for log_n in CONFIG.max_log_n + 1..=TWO_ADICITY {
            let plan = Plan::new(&CONFIG, log_n).unwrap();
            for inverse in [false, true] {
                for pass in plan.passes(inverse) {
                    assert!(pass.batches(inverse).iter().all(|batch| batch.check(&CONFIG).is_ok()));
                }
            }
            // the engine cannot be faster than its butterflies
            let least = CONFIG.butterflies(log_n) >> CONFIG.log_lanes;
            assert!(plan.cycles(&CONFIG, External::default()) > least);
        }
        let refused = |got| Err(BatchError::Length { got, min: 8, max: 28 });
        assert_eq!(Plan::new(&CONFIG, 7), refused(7));
        assert_eq!(Plan::new(&CONFIG, 29), refused(29));
    }

    #[test]
    fn slow_memory_is_waited_for() {
        let plan = Plan::new(&CONFIG, 16).unwrap();
        let cycles = |latency, interval| plan.cycles(&CONFIG, External { latency, interval });
        assert_eq!(cycles(150, 1) - cycles(100, 1), 4 * 50);
        assert!(cycles(100, 4) >= 4 * plan.words());
    }
}
