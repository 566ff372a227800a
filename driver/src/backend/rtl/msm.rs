//! Sums on the card's MSM engine.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use ark_bn254::Fq;
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, BigInt, PrimeField};
use tapeout_hw::Reg;
use tapeout_hw::msm::{CONFIG, SUM_WORDS, WORD_LIMBS};
use tapeout_hw::regs::bits;

use super::plan::{self, Item};
use super::shared::{Shared, lock};
use crate::backend::check_lengths;
use crate::card::Port;
use crate::{G1Affine, G1Projective, Msm, Result, Run, Scalars};

/// 64-bit limbs of a line of the card's memory: the coordinates of one base.
const LINE: usize = 8;

/// Bases in the card's memory.
pub(super) struct RtlMsm {
    shared: Arc<Mutex<Shared>>,
    /// Its first line of the card's memory.
    line: u32,
    len: usize,
}

impl RtlMsm {
    pub(super) fn new(card: &Arc<Mutex<Shared>>, bases: &[G1Affine]) -> Result<Self> {
        let mut shared = lock(card)?;
        let resident = Self {
            shared: Arc::clone(card),
            line: shared.take(bases.len())?,
            len: bases.len(),
        };
        let words: Vec<u64> = bases.iter().flat_map(line).collect();
        let sent = shared.card.send(Port::Memory(resident.line), &words);
        // what is dropped takes the lock
        drop(shared);
        sent.map(|()| resident)
    }
}

impl Drop for RtlMsm {
    fn drop(&mut self) {
        if let Ok(mut shared) = self.shared.lock() {
            shared.taken.retain(|&(line, _)| line != self.line);
        }
    }
}

impl Msm for RtlMsm {
    fn len(&self) -> usize {
        self.len
    }

    fn run(&self, batch: &[Scalars<'_>]) -> Result<Run<Vec<G1Projective>>> {
        let start = Instant::now();
        check_lengths(self, batch)?;
        let items = batch.iter().enumerate().map(|(i, item)| Item::new(item, i));
        let items = items.collect::<Result<Vec<_>>>()?;
        let shapes: Vec<_> = items.iter().map(|item| item.shape).collect();
        let jobs = plan::plan(&shapes, &CONFIG);
        let mut shared = lock(&self.shared)?;
        shared.begin_msm()?;
        shared.card.write(Reg::BaseAddress, self.line)?;
        shared.card.write(Reg::BaseCount, self.len as u32)?;
        shared.card.write(Reg::Control, bits::CLEAR)?;
        for job in &jobs {
            shared.card.send(Port::Passes, &job.words(&items))?;
        }
        let mut windows: Vec<Vec<(u32, G1Projective)>> = vec![Vec::new(); items.len()];
        for job in &jobs {
            let mut words = vec![0; job.pass.sums().count() * SUM_WORDS * WORD_LIMBS];
            shared.card.recv(Port::Sums, &mut words)?;
            let sums = words.chunks_exact(SUM_WORDS * WORD_LIMBS).map(point);
            for (weight, sum) in job.weights().zip(sums) {
                windows[weight.item].push((weight.bit, sum));
            }
        }
        let out = windows.into_iter().map(combine).collect();
        // reading the cycles takes the snapshot that all counters are read from
        let cycles = shared.counter(Reg::CyclesLo, Reg::CyclesHi)?;
        let activity = shared.activity()?;
        let bytes_in = shared.counter(Reg::BytesInLo, Reg::BytesInHi)?;
        let bytes_out = shared.counter(Reg::BytesOutLo, Reg::BytesOutHi)?;
        shared.ended_msm();
        Ok(Run {
            out,
            wall: start.elapsed(),
            cycles: Some(cycles),
            activity: Some(activity),
            bytes_in,
            bytes_out,
        })
    }
}

/// `sum 2^bit * sum`, highest first.
fn combine(mut windows: Vec<(u32, G1Projective)>) -> G1Projective {
    windows.sort_unstable_by_key(|&(bit, _)| std::cmp::Reverse(bit));
    let mut total = G1Projective::ZERO;
    let mut above = None;
    for (bit, sum) in windows {
        for _ in bit..above.unwrap_or(bit) {
            total.double_in_place();
        }
        total += sum;
        above = Some(bit);
    }
    for _ in 0..above.unwrap_or(0) {
        total.double_in_place();
    }
    total
}

/// A line of the card's memory: the coordinates as they are in memory here, in Montgomery form; zero is infinity.
fn line(base: &G1Affine) -> [u64; LINE] {
    let mut line = [0; LINE];
    if let Some((x, y)) = base.xy() {
        line[..4].copy_from_slice(&x.0.0);
        line[4..].copy_from_slice(&y.0.0);
    }
    line
}

/// The point with these homogeneous coordinates, lazily reduced and in a Montgomery form: a common factor does not matter.
fn point(words: &[u64]) -> G1Projective {
    let coordinate = |i: usize| {
        let mut limbs = [0; 4];
        limbs.copy_from_slice(&words[4 * i..4 * i + 4]);
        let mut value = BigInt(limbs);
        // below 2^255, so at most twice
        while value >= Fq::MODULUS {
            ark_ff::BigInteger::sub_with_borrow(&mut value, &Fq::MODULUS);
        }
        Fq::new_unchecked(value)
    };
    let (x, y, z) = (coordinate(0), coordinate(1), coordinate(2));
    // Jacobian coordinates divide by z^2 and z^3
    G1Projective::new_unchecked(x * z, y * z * z, z)
}
