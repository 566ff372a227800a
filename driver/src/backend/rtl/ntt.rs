//! Transforms on the card's NTT engine.
//!
//! Columns of the engine's lengths are one batch. Longer ones are cut in four steps (`tapeout_hw::ntt::four_step`):
//! the host's memory is the external memory, which holds what is between the passes, and nothing is computed there.
//! Shorter ones are a part of a column of the shortest length.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use ark_ff::{AdditiveGroup, BigInt, FftField, Field, PrimeField};
use tapeout_hw::Reg;
use tapeout_hw::msm::WORD_LIMBS;
use tapeout_hw::ntt::four_step::Plan;
use tapeout_hw::ntt::{Batch, CONFIG, Config};
use tapeout_hw::regs::bits;

use super::shared::{Shared, lock};
use super::{NAME, failed};
use crate::backend::{check_columns, check_domain};
use crate::card::Port;
use crate::{Activity, Dir, Error, Fr, Ntt, Result, Run};

/// The table in the engine: the length, direction and coset that it is for.
pub(super) type Table = (u32, bool, Fr);

/// Transforms of one length.
pub(super) struct RtlNtt {
    shared: Arc<Mutex<Shared>>,
    log_n: u32,
    /// How columns that are longer than the engine's are cut.
    plan: Option<Plan>,
}

impl RtlNtt {
    pub(super) fn new(shared: &Arc<Mutex<Shared>>, log_n: u32, max_log_n: u32) -> Result<Self> {
        check_domain(NAME, log_n)?;
        let config = Config { max_log_n, ..CONFIG };
        let cut = |error| {
            let reason = format!("columns cut in four steps: {error}");
            Error::Unsupported { backend: NAME, reason }
        };
        let plan = (log_n > max_log_n).then(|| Plan::new(&config, log_n).map_err(cut));
        // whoever prepares again does not trust what the engine holds
        lock(shared)?.table = None;
        Ok(Self {
            shared: Arc::clone(shared),
            log_n,
            plan: plan.transpose()?,
        })
    }

    /// Transforms columns of any length.
    fn transform(&self, shared: &mut Shared, dir: Dir, coset: Fr, columns: &mut [Vec<Fr>]) -> Result<()> {
        if let Some(plan) = self.plan {
            columns
                .iter_mut()
                .try_for_each(|column| long(shared, plan, dir, coset, column))
        } else if self.log_n < CONFIG.min_log_n() {
            self.short(shared, dir, coset, columns)
        } else {
            shared.batches(&mut [(coset, columns)], self.log_n, dir)
        }
    }

    /// A polynomial of few coefficients has the shortest column's domain's values at every so many places; and values
    /// there, with zeros between them, are those of a polynomial whose first coefficients are the wanted ones, scaled.
    fn short(&self, shared: &mut Shared, dir: Dir, coset: Fr, columns: &mut [Vec<Fr>]) -> Result<()> {
        let (log_n, n) = (CONFIG.min_log_n(), 1usize << self.log_n);
        let step = (1usize << log_n) / n;
        let spread = |column: &Vec<Fr>| {
            let mut wide = vec![Fr::ZERO; n * step];
            for (i, value) in column.iter().enumerate() {
                wide[if dir == Dir::Forward { i } else { i * step }] = *value;
            }
            wide
        };
        let mut wide: Vec<_> = columns.iter().map(spread).collect();
        shared.batches(&mut [(coset, &mut wide)], log_n, dir)?;
        let scale = Fr::from(step as u64);
        for (column, wide) in columns.iter_mut().zip(wide) {
            for (i, value) in column.iter_mut().enumerate() {
                *value = if dir == Dir::Forward {
                    wide[i * step]
                } else {
                    wide[i] * scale
                };
            }
        }
        Ok(())
    }
}

/// Runs a plan's passes on a column.
fn long(shared: &mut Shared, plan: Plan, dir: Dir, coset: Fr, column: &mut [Fr]) -> Result<()> {
    let root = Fr::get_root_of_unity(column.len() as u64).ok_or_else(|| failed("no such domain"))?;
    for pass in plan.passes(dir == Dir::Inverse) {
        let mut columns = pass.gather(column);
        if pass.one_coset {
            let coset = coset.pow([pass.columns as u64]);
            shared.batches(&mut [(coset, &mut columns)], pass.log_n, dir)?;
        } else {
            let shifts = std::iter::successors(Some(coset), |shift| Some(*shift * root));
            let mut batches: Vec<_> = shifts.zip(columns.chunks_mut(1)).collect();
            shared.batches(&mut batches, pass.log_n, dir)?;
        }
        pass.scatter(&columns, column);
    }
    Ok(())
}

impl Ntt for RtlNtt {
    fn run(&self, dir: Dir, coset: Fr, columns: &mut [Vec<Fr>]) -> Result<Run<()>> {
        let start = Instant::now();
        check_columns(1 << self.log_n, coset, columns)?;
        let mut shared = lock(&self.shared)?;
        shared.begin_ntt()?;
        shared.card.write(Reg::Control, bits::NTT_CLEAR)?;
        let mut out: Vec<Vec<Fr>> = columns.to_vec();
        self.transform(&mut shared, dir, coset, &mut out)?;
        columns.clone_from_slice(&out);
        // reading the cycles takes the snapshot that all counters are read from
        let cycles = shared.counter(Reg::NttCyclesLo, Reg::NttCyclesHi)?;
        let butterflies = shared.counter(Reg::NttButterfliesLo, Reg::NttButterfliesHi)?;
        let host = shared.counter(Reg::NttBubbleHostLo, Reg::NttBubbleHostHi)?;
        let stage = shared.counter(Reg::NttBubbleStageLo, Reg::NttBubbleStageHi)?;
        let output = shared.counter(Reg::NttStallOutputLo, Reg::NttStallOutputHi)?;
        let activity = Activity {
            work: butterflies >> CONFIG.log_lanes,
            adds_issued: butterflies,
            bubbles: host + stage + output,
            adders: 1,
        };
        let bytes_in = shared.counter(Reg::NttBytesInLo, Reg::NttBytesInHi)?;
        let bytes_out = shared.counter(Reg::NttBytesOutLo, Reg::NttBytesOutHi)?;
        shared.ended_ntt();
        Ok(Run {
            out: (),
            wall: start.elapsed(),
            cycles: Some(cycles),
            activity: Some(activity),
            bytes_in,
            bytes_out,
        })
    }
}

impl Shared {
    /// Streams batches of columns of one of the engine's lengths through it, each on its coset.
    fn batches(&mut self, batches: &mut [(Fr, &mut [Vec<Fr>])], log_n: u32, dir: Dir) -> Result<()> {
        let inverse = dir == Dir::Inverse;
        for (coset, columns) in batches.iter().filter(|(_, columns)| !columns.is_empty()) {
            let table = (log_n, inverse, *coset);
            let batch = Batch {
                log_n,
                inverse,
                input_reversed: false,
                output_reversed: false,
                table: self.table != Some(table),
                columns: u32::try_from(columns.len()).map_err(|_| failed("more columns than a batch has"))?,
            };
            batch.check(&CONFIG).map_err(|error| failed(error.to_string()))?;
            let mut words = batch.header().to_vec();
            if batch.table {
                words.extend(table_words(log_n, inverse, *coset)?);
            }
            words.extend(columns.iter().flatten().flat_map(|value| value.0.0));
            self.card.send(Port::Columns, &words)?;
            self.table = Some(table);
        }
        for (_, columns) in batches.iter_mut().filter(|(_, columns)| !columns.is_empty()) {
            let mut words = vec![0; columns.iter().map(|column| column.len() * WORD_LIMBS).sum()];
            self.card.recv(Port::Transforms, &mut words)?;
            let values = columns.iter_mut().flatten();
            for (value, limbs) in values.zip(words.chunks_exact(WORD_LIMBS)) {
                let limbs = BigInt::new([limbs[0], limbs[1], limbs[2], limbs[3]]);
                if limbs >= Fr::MODULUS {
                    return Err(failed("the NTT engine gave a word that is not a field element"));
                }
                *value = Fr::new_unchecked(limbs);
            }
        }
        Ok(())
    }
}

/// `hw::ntt::table` for a coset: for each stage the power of the coset, or of its inverse, times `2^255`.
fn table_words(log_n: u32, inverse: bool, coset: Fr) -> Result<Vec<u64>> {
    let missing = || failed("the coset has no inverse");
    let base = if inverse {
        coset.inverse().ok_or_else(missing)?
    } else {
        coset
    };
    let powers = std::iter::successors(Some(base), |power| Some(power.square()));
    let powers: Vec<Fr> = powers.take(log_n as usize).collect();
    // arkworks' form is times 2^256
    let half = Fr::from(2u64).inverse().ok_or_else(missing)?;
    Ok(powers.iter().rev().flat_map(|power| (*power * half).0.0).collect())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ark_poly::{EvaluationDomain, Radix2EvaluationDomain};
    use num_bigint::BigUint;
    use rand_chacha::ChaCha8Rng;
    use rand_chacha::rand_core::SeedableRng;
    use tapeout_sim::Fidelity;

    use super::super::Rtl;
    use super::*;
    use crate::card::VerilatorCard;

    #[test]
    fn table_words_are_those_of_the_hardware() {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let coset = crate::sample::field(&mut rng);
        for inverse in [false, true] {
            let words = table_words(9, inverse, coset).unwrap();
            let expected = tapeout_hw::ntt::table(9, inverse, &BigUint::from(coset));
            let got: Vec<_> = words.chunks(4).map(tapeout_hw::field::from_limbs).collect();
            assert_eq!(got, expected);
        }
    }

    /// Columns longer than the engine is given: in four steps, to 2^16 with columns of 2^8 on chip.
    #[test]
    fn long_columns_are_cut() {
        if !tapeout_sim::available() {
            return;
        }
        let card = Rtl::new(Box::new(VerilatorCard::new(Fidelity::Fast).unwrap())).unwrap();
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        for (log_n, max_log_n) in [(9, 8), (12, 8), (16, 8)] {
            let ntt = RtlNtt::new(&card.shared, log_n, max_log_n).unwrap();
            let n = 1usize << log_n;
            let coset = crate::sample::field(&mut rng);
            let column: Vec<Fr> = crate::sample::fields(n, &mut rng);
            let domain = Radix2EvaluationDomain::<Fr>::new(n).unwrap().get_coset(coset).unwrap();
            let mut columns = [column.clone()];
            let run = ntt.run(Dir::Forward, coset, &mut columns).unwrap();
            assert!(columns[0] == domain.fft(&column));
            assert!(run.activity.unwrap().adds_issued == CONFIG.butterflies(log_n) && run.cycles.unwrap() > 0);
            ntt.run(Dir::Inverse, coset, &mut columns).unwrap();
            assert!(columns[0] == column);
        }
        assert!(matches!(
            RtlNtt::new(&card.shared, 17, 8),
            Err(Error::Unsupported { .. })
        ));
    }
}
