//! MSMs under guard.
//!
//! For scalars `s_k` and results `A_k`, the device computes one more sum, of the scalars `sum_k g_k s_k + t` with random `g_k` drawn after the
//! results came, and it must be `sum_k g_k A_k + T`. The mask `t` is drawn when the bases are loaded, and `T`, its sum, comes from
//! the processor: without it a base that is wrong in the device's memory would be wrong on both sides. All of these
//! are 32 bits wide, so that a batch of narrow items is checked by one item that is wider by 32 bits and a few; of full-width items, one more.
//! A wrong `A_k`, the others given, passes for one `g_k` at the most, and a wrong base for one of its masks.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use ark_ec::CurveGroup;
use ark_ff::AdditiveGroup;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::RngCore;

use super::{Resident, Watch, add, entropy, is_fault};
use crate::{Fr, G1Affine, G1Projective, Msm, Result, Run, Scalars, Width, backend, kernels};

/// Bits of the random coefficients and of the masks.
const BITS: u8 = 32;

pub(super) struct GuardedMsm {
    bases: Vec<G1Affine>,
    resident: Resident<dyn Msm>,
    check: Option<Check>,
    watch: Watch,
}

struct Check {
    masks: Vec<Fr>,
    /// The sum of the masks times the bases.
    masked: G1Projective,
    rng: Mutex<ChaCha20Rng>,
}

impl Check {
    fn new(bases: &[G1Affine]) -> Result<Self> {
        let mut rng = entropy()?;
        let masks: Vec<Fr> = bases.iter().map(|_| Fr::from(rng.next_u32())).collect();
        // the processor's kernels that need no tables, which one sum would not pay for
        let host = backend::open("arkworks")?.prepare_msm(bases)?;
        let scalars = Scalars {
            values: &masks,
            width: Width::Bits(BITS),
        };
        let masked = host.run(&[scalars])?.out.into_iter().sum();
        let rng = Mutex::new(rng);
        Ok(Self { masks, masked, rng })
    }

    fn coefficients(&self, count: usize) -> Vec<u32> {
        let mut rng = self.rng.lock().unwrap_or_else(PoisonError::into_inner);
        (0..count).map(|_| rng.next_u32()).collect()
    }
}

impl GuardedMsm {
    pub(super) fn new(bases: &[G1Affine], watch: Watch) -> Result<Self> {
        let check = watch.guard.check.then(|| Check::new(bases)).transpose()?;
        let msm = Self {
            bases: bases.to_vec(),
            resident: Resident::nothing(),
            check,
            watch,
        };
        match msm.device() {
            Err(error) if is_fault(&error) => {
                msm.watch.give_up(format!("loading {} bases", bases.len()), error)?;
            }
            other => drop(other?),
        }
        Ok(msm)
    }

    fn device(&self) -> Result<Arc<dyn Msm>> {
        Resident::get(&self.resident.device, || self.watch.backend.prepare_msm(&self.bases))
    }

    /// What the device makes of the batch, checked.
    fn on_device(&self, batch: &[Scalars<'_>]) -> Result<Run<Vec<G1Projective>>> {
        let device = self.device()?;
        let mut run = device.run(batch)?;
        let Some(check) = &self.check else { return Ok(run) };
        if run.out.len() != batch.len() {
            let reason = format!("it gave {} sums for {} items", run.out.len(), batch.len());
            return Err(self.watch.wrong(reason));
        }
        if batch.is_empty() {
            return Ok(run);
        }
        let start = Instant::now();
        let coefficients = check.coefficients(batch.len());
        let (scalars, width) = combined(batch, &coefficients, &check.masks);
        let expected = weighted(&run.out, &coefficients).map(|sum| sum + check.masked);
        let host = start.elapsed();
        let again = device.run(&[Scalars {
            values: &scalars,
            width,
        }])?;
        match expected {
            None => return Err(self.watch.wrong("it gave a point that is not on the curve".into())),
            Some(expected) if again.out != [expected] => {
                return Err(self.watch.wrong("its sums do not pass the random check".into()));
            }
            Some(_) => self.watch.checked(again.cycles, host),
        }
        add(&mut run, &again);
        run.wall = run.wall + host + again.wall;
        Ok(run)
    }
}

impl Msm for GuardedMsm {
    fn len(&self) -> usize {
        self.bases.len()
    }

    fn run(&self, batch: &[Scalars<'_>]) -> Result<Run<Vec<G1Projective>>> {
        let number = self.watch.next_call();
        match self.on_device(batch) {
            Err(error) if is_fault(&error) => {
                self.resident.unload();
                let width = batch.first().map(|item| item.width.to_string()).unwrap_or_default();
                let call = format!(
                    "call {number}, {} sums over {} bases ({width})",
                    batch.len(),
                    self.bases.len()
                );
                let fallback = self.watch.give_up(call, error)?;
                Resident::get(&self.resident.fallback, || fallback.prepare_msm(&self.bases))?.run(batch)
            }
            other => other,
        }
    }
}

/// `masks + sum_k g_k s_k`, and its width.
fn combined(batch: &[Scalars<'_>], coefficients: &[u32], masks: &[Fr]) -> (Vec<Fr>, Width) {
    let one = (Fr::from(1u8), masks);
    let items = batch.iter().zip(coefficients);
    let terms: Vec<_> = items
        .map(|(item, g)| (Fr::from(*g), item.values))
        .chain([one])
        .collect();
    let widest = batch.iter().map(|item| match item.width {
        Width::Full => u32::MAX,
        Width::Bits(bits) => u32::from(bits) + 1,
        Width::Signed(bits) => bits.into(),
    });
    let carries = (batch.len() + 1).next_power_of_two().ilog2();
    let bits = widest
        .max()
        .unwrap_or(0)
        .max(1)
        .saturating_add(u32::from(BITS) + carries);
    let width = match bits {
        0..=64 => Width::Signed(bits as u8),
        _ => Width::Full,
    };
    (kernels::combine(&terms), width)
}

/// `sum_k g_k A_k`; `None` where a point is not on the curve, which has no points outside of the group.
fn weighted(points: &[G1Projective], coefficients: &[u32]) -> Option<G1Projective> {
    let points = G1Projective::normalize_batch(points);
    if !points.iter().all(G1Affine::is_on_curve) {
        return None;
    }
    let mut sum = G1Projective::ZERO;
    for bit in (0..BITS).rev() {
        sum.double_in_place();
        let chosen = points.iter().zip(coefficients).filter(|(_, g)| *g >> bit & 1 == 1);
        chosen.for_each(|(point, _)| sum += point);
    }
    Some(sum)
}
