//! What the NTT engine computes, to the bit: its tables, its butterfly, its banks and whole columns.

use num_bigint::BigUint;

use super::{Batch, Config, LARGEST_LOG_N, MAX_LOG_LANES};
use crate::field::{Field, R_BITS, one};

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

/// What a table grows by: entry `b + 2^j` is entry `b` times `w_(2^(j+2))`, in Montgomery form, for `j` below
/// `LARGEST_LOG_N - 1`.
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

/// The words behind a header: for each stage `s` the twiddle of its first block, `c^(n / 2^(s+1))` or its inverse, in
/// Montgomery form.
#[must_use]
pub fn table(log_n: u32, inverted: bool, coset: &BigUint) -> Vec<BigUint> {
    let r = Field::fr().modulus().clone();
    let base = if inverted { inverse(coset) } else { coset.clone() };
    let of = |s| montgomery(&base.modpow(&(one() << (log_n - 1 - s) as usize), &r));
    (0..log_n).map(of).collect()
}

/// What `rtl/ntt/ntt_butterfly.sv` gives, to the bit. Forward (Cooley, Tukey): `a + t b` and `a - t b`. Inverse
/// (Gentleman, Sande): `(a + b) / 2` and `t (a - b) / 2`.
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

/// Exclusive bounds of the butterfly's signals for operands that are results of butterflies, by interval arithmetic:
/// the operands, the multiplier's operand, its product, and the widest value that is reduced.
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

/// Where the element at `index` of a column stands: row, half of the row, and place in that half. Rows of the
/// column's upper half have their halves swapped, so that the two half rows of a step lie in different banks.
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

/// The engine's model: the columns that it gives for a batch of columns, canonical, as integers of the form that they came in.
#[must_use]
pub fn transform(config: &Config, batch: &Batch, coset: &BigUint, columns: &[Vec<BigUint>]) -> Vec<Vec<BigUint>> {
    let field = Field::fr();
    let words = table(batch.log_n, batch.inverse, coset);
    let table = entries(&field, config, batch.log_n, batch.inverse, &words);
    columns
        .iter()
        .map(|column| column_of(&field, batch, &table, column))
        .collect()
}

fn column_of(field: &Field, batch: &Batch, table: &[Vec<BigUint>], column: &[BigUint]) -> Vec<BigUint> {
    let (log_n, n) = (batch.log_n, column.len());
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
            let results = butterfly(field, batch.inverse, [&now[from[0]], &now[from[1]], t]);
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
    use ark_ff::{FftField, Field as _, UniformRand};
    use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};

    use super::super::{CONFIG, TWO_ADICITY};
    use super::*;

    fn batch(log_n: u32, inverse: bool) -> Batch {
        Batch::new(log_n, inverse, 1)
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
                let integers = |column: &[Fr]| vec![column.iter().map(|&v| BigUint::from(v)).collect::<Vec<_>>()];
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
                assert!((0..n).all(|i| middle[0][bit_reversed(log_n, i)] == values[0][i]));
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
}
