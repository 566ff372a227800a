//! Equal devices that share the work.

use std::time::Instant;

use rayon::prelude::*;

use super::check_lengths;
use crate::{Backend, Error, G1Affine, G1Projective, Info, Msm, Ntt, Result, Run, Scalars};

/// Bases are split among the devices evenly, and the host adds what they come to; transforms run on the first device.
pub(super) struct Several {
    name: &'static str,
    devices: Vec<Box<dyn Backend>>,
}

impl Several {
    /// At least one device.
    pub(super) fn new(name: &'static str, devices: Vec<Box<dyn Backend>>) -> Self {
        Self { name, devices }
    }

    fn none(&self) -> Error {
        Error::Device {
            backend: self.name,
            reason: "it has no devices".into(),
        }
    }
}

impl Backend for Several {
    fn info(&self) -> Info {
        let all: Vec<Info> = self.devices.iter().map(|device| device.info()).collect();
        let device = all.first().map(|info| info.device.as_str()).unwrap_or_default();
        Info {
            name: self.name,
            device: format!("{} times {device}", all.len()),
            clock_hz: all.first().and_then(|info| info.clock_hz),
            memory_bytes: all.iter().map(|info| info.memory_bytes).sum(),
        }
    }

    fn prepare_msm(&self, bases: &[G1Affine]) -> Result<Box<dyn Msm>> {
        let share = bases.len().div_ceil(self.devices.len().max(1)).max(1);
        let mut parts = Vec::with_capacity(self.devices.len());
        for (i, device) in self.devices.iter().enumerate() {
            let start = (i * share).min(bases.len());
            let msm = device.prepare_msm(&bases[start..(start + share).min(bases.len())])?;
            parts.push(Part { start, msm });
        }
        Ok(Box::new(Split {
            name: self.name,
            parts,
            len: bases.len(),
        }))
    }

    fn prepare_ntt(&self, log_n: u32) -> Result<Box<dyn Ntt>> {
        self.devices.first().ok_or_else(|| self.none())?.prepare_ntt(log_n)
    }
}

struct Split {
    name: &'static str,
    parts: Vec<Part>,
    len: usize,
}

struct Part {
    /// Its first base.
    start: usize,
    msm: Box<dyn Msm>,
}

impl Part {
    /// The part's share of every item's sum.
    fn run(&self, batch: &[Scalars<'_>]) -> Result<Run<Vec<G1Projective>>> {
        let own = |item: &Scalars<'_>| -> std::ops::Range<usize> {
            let len = item.values.len();
            self.start.min(len)..(self.start + self.msm.len()).min(len)
        };
        let items: Vec<_> = batch
            .iter()
            .map(|item| Scalars {
                values: &item.values[own(item)],
                width: item.width,
            })
            .collect();
        self.msm.run(&items).map_err(|error| match error {
            Error::Width { item, index, width } => Error::Width {
                item,
                index: self.start + index,
                width,
            },
            other => other,
        })
    }
}

impl Msm for Split {
    fn len(&self) -> usize {
        self.len
    }

    fn run(&self, batch: &[Scalars<'_>]) -> Result<Run<Vec<G1Projective>>> {
        let start = Instant::now();
        check_lengths(self, batch)?;
        let runs: Vec<Result<_>> = self.parts.par_iter().map(|part| part.run(batch)).collect();
        // they run side by side: the slowest one's cycles are those of all
        let together = |mut all: Run<Vec<G1Projective>>, one: Run<Vec<G1Projective>>| {
            all.out.iter_mut().zip(one.out).for_each(|(sum, part)| *sum += part);
            all.cycles = all.cycles.max(one.cycles);
            all.activity = all.activity.zip(one.activity).map(|(a, b)| a.beside(b));
            all.bytes_in += one.bytes_in;
            all.bytes_out += one.bytes_out;
            all
        };
        let runs = runs.into_iter().collect::<Result<Vec<_>>>()?;
        let run = runs.into_iter().reduce(together);
        let mut run = run.ok_or_else(|| Error::Device {
            backend: self.name,
            reason: "it has no devices".into(),
        })?;
        run.wall = start.elapsed();
        Ok(run)
    }
}
