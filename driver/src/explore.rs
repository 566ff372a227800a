//! What an accelerator would do to a whole proof: a recorded trace on cards that have not been built.
//!
//! Each call takes the longest of what its engine computes ([`tapeout_hw::cost`], [`tapeout_hw::ntt`]), what its memory delivers and what its
//! link carries, and the link's latency there and back. Between calls the host does what it did when the trace was recorded.

mod need;

use std::collections::HashMap;

use rayon::prelude::*;
use serde::Serialize;
use tapeout_hw::area::{self, Area, Multiplier};
use tapeout_hw::part::{Fabric, Part};
use tapeout_hw::{msm, ntt};

use crate::trace::{Trace, Work};
use crate::{Error, Result};
use need::{Need, msm_need, ntt_need, shape};
pub use need::{Roof, msm_roof, ntt_roof};

/// Largest number of point adders, and `log2` of the largest number of butterflies, that are tried.
const MOST_ADDERS: u32 = 16;
const MOST_LOG_LANES: u32 = ntt::MAX_LOG_LANES;
/// `log2` of the bucket slots that are tried; windows are two bits less than the slots of a bank.
const SLOT_BITS: std::ops::RangeInclusive<u32> = 10..=17;
/// A design that is larger must be faster by this factor to be worth showing.
const WORTH: f64 = 1.01;

/// A card.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Design {
    /// MSM engines, one point adder each; none leaves MSMs to the host. Items are split evenly among them.
    pub adders: u32,
    /// Largest window width in bits.
    pub window_bits: u32,
    /// Butterflies of the NTT engine; none leaves transforms to the host.
    pub butterflies: u32,
    /// How its multipliers are built.
    pub multiplier: Multiplier,
    /// Channels of external memory: the fewest that keep nothing waiting, or all.
    pub channels: u32,
    /// The clock.
    pub clock_hz: f64,
}

/// Where the time of a proof goes, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Split {
    /// The host's own work, that of kernels without an engine included.
    pub host_s: f64,
    /// MSMs on the card.
    pub msm_s: f64,
    /// Transforms on the card.
    pub ntt_s: f64,
}

impl Split {
    /// The whole proof.
    #[must_use]
    pub fn whole_s(&self) -> f64 {
        self.host_s + self.msm_s + self.ntt_s
    }
}

/// What bounds the calls on the card: seconds in calls that each resource takes longest for, and in the latency of the link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Bounds {
    /// The engines.
    pub compute_s: f64,
    /// The memory.
    pub memory_s: f64,
    /// The link's bandwidth.
    pub link_s: f64,
    /// The link's latency.
    pub latency_s: f64,
}

/// What a design does and takes.
#[derive(Clone, Debug, Serialize)]
pub struct Outcome {
    /// The design.
    pub design: Design,
    /// Where the proof's time goes.
    pub time: Split,
    /// What bounds the card's part.
    pub bounds: Bounds,
    /// FPGA resources; of no meaning for other fabrics.
    pub area: Area,
    /// The share of the part's scarcest resource, or of the die that is allowed.
    pub share: f64,
    /// Square millimetres, where the fabric is counted in them.
    pub mm2: Option<f64>,
}

/// What exploring found.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The part's name.
    pub part: String,
    /// The backend that the trace was recorded on.
    pub recorded_on: String,
    /// The proof as it was recorded, every kernel on the processor that recorded it.
    pub recorded: Split,
    /// Designs that were looked at and fit.
    pub fit: usize,
    /// Designs that are faster than every smaller one, smallest first.
    pub front: Vec<Outcome>,
}

/// Explores designs on `part`, at its middle clock or the one given.
///
/// # Errors
/// [`Error::Trace`] for a trace that was recorded on a simulated device: what stays on the host would be given the time of the simulation.
pub fn explore(trace: &Trace, part: &Part, clock_hz: Option<f64>) -> Result<Report> {
    if let Some(call) = trace.calls.iter().position(|call| call.cycles.is_some()) {
        let what = format!(
            "it ran on backend {}, whose times are those of a simulation; record the proof on this machine's processor",
            trace.backend
        );
        return Err(Error::Trace { call, what });
    }
    let clock_hz = clock_hz.unwrap_or_else(|| part.clocks_hz[part.clocks_hz.len() / 2].value);
    let longest = trace.calls.iter().filter_map(|call| match call.work {
        Work::Ntt { log_n, .. } => Some(log_n),
        Work::Msm { .. } => None,
    });
    let max_log_n = longest.max().unwrap_or(0);
    let mut found = Vec::new();
    for msms in msm_choices(trace) {
        for butterflies in ntt_choices(max_log_n) {
            for multiplier in Multiplier::ALL {
                let outcome = Card {
                    part,
                    clock_hz,
                    multiplier,
                    msms: &msms,
                    transforms: butterflies,
                }
                .outcome(trace);
                found.extend(outcome);
            }
        }
    }
    Ok(Report {
        part: part.name.clone(),
        recorded_on: trace.backend.clone(),
        recorded: recorded(trace),
        fit: found.len(),
        front: front(found),
    })
}

fn recorded(trace: &Trace) -> Split {
    let mut split = Split {
        host_s: trace.host_after_s,
        ..Split::default()
    };
    for call in &trace.calls {
        split.host_s += call.host_before_s;
        match call.work {
            Work::Msm { .. } => split.msm_s += call.wall_s,
            Work::Ntt { .. } => split.ntt_s += call.wall_s,
        }
    }
    split
}

/// MSM engines, and what each of the trace's calls needs of them; `None` for transforms.
struct Msms {
    adders: u32,
    config: msm::Config,
    needs: Vec<Option<Need>>,
}

fn msm_choices(trace: &Trace) -> Vec<Msms> {
    let none = Msms {
        adders: 0,
        config: msm::CONFIG,
        needs: vec![None; trace.calls.len()],
    };
    let sizes: Vec<_> = SLOT_BITS
        .flat_map(|slot_bits| (1..=MOST_ADDERS).map(move |adders| (slot_bits, adders)))
        .collect();
    let engines = sizes.into_par_iter().map(|(slot_bits, adders)| {
        let config = msm::Config {
            slot_bits,
            max_width: slot_bits - 2,
            ..msm::CONFIG
        };
        let mut known = HashMap::new();
        let needs = trace.calls.iter().map(|call| match &call.work {
            Work::Msm { items, .. } => {
                let shapes: Vec<_> = items.iter().map(|item| shape(item, adders as usize)).collect();
                Some(
                    *known
                        .entry(shapes)
                        .or_insert_with_key(|shapes| msm_need(shapes, adders, &config)),
                )
            }
            Work::Ntt { .. } => None,
        });
        let needs = needs.collect();
        Msms { adders, config, needs }
    });
    let mut choices = vec![none];
    choices.par_extend(engines);
    choices
}

/// No NTT engine, then each that can take the longest column.
fn ntt_choices(max_log_n: u32) -> Vec<Option<ntt::Config>> {
    let fits = |log_lanes: &u32| (log_lanes + 2..=ntt::LARGEST_LOG_N).contains(&max_log_n);
    let engines = (1..=MOST_LOG_LANES)
        .filter(fits)
        .map(|log_lanes| Some(ntt::Config { log_lanes, max_log_n }));
    std::iter::once(None).chain(engines).collect()
}

/// A design with what it is made of.
struct Card<'a> {
    part: &'a Part,
    clock_hz: f64,
    multiplier: Multiplier,
    msms: &'a Msms,
    transforms: Option<ntt::Config>,
}

impl Card<'_> {
    /// What it does; `None` where it does not fit the part.
    fn outcome(&self, trace: &Trace) -> Option<Outcome> {
        let (area, share, mm2) = self.size();
        if share > 1.0 {
            return None;
        }
        let all = self.part.memory_channels.value as u32;
        let (time, bounds) = self.time(trace, all);
        let channels = (1..all)
            .find(|few| self.time(trace, *few).0.whole_s() <= time.whole_s() * (1.0 + 1e-9))
            .unwrap_or(all);
        Some(Outcome {
            design: Design {
                adders: self.msms.adders,
                window_bits: self.msms.config.max_width,
                butterflies: self.transforms.map_or(0, |config| 1 << config.log_lanes),
                multiplier: self.multiplier,
                channels,
                clock_hz: self.clock_hz,
            },
            time,
            bounds,
            area,
            share,
            mm2,
        })
    }

    fn size(&self) -> (Area, f64, Option<f64>) {
        let (adders, transforms) = (f64::from(self.msms.adders), self.transforms.as_ref());
        let msms = area::msm_engine(&self.msms.config, self.multiplier) * adders;
        let area = transforms.map_or(msms, |config| msms + area::ntt_engine(config, self.multiplier));
        match &self.part.fabric {
            Fabric::Fpga {
                dsp,
                lut,
                ff,
                bram36,
                uram,
                usable,
            } => {
                let shares = [
                    area.dsp / dsp.value,
                    area.lut / lut.value,
                    area.ff / ff.value,
                    area.bram36 / bram36.value,
                    area.uram / uram.value,
                ];
                (area, shares.into_iter().fold(0.0, f64::max) / usable.value, None)
            }
            Fabric::Asic {
                multiplier_mm2,
                bit_mm2,
                limit_mm2,
            } => {
                let lanes = transforms.map_or(0.0, |config| f64::from(config.log_lanes).exp2());
                let multipliers = adders * f64::from(area::ADDER_MULTIPLIERS) + lanes;
                let bits = adders * area::msm_bits(&self.msms.config) + transforms.map_or(0.0, area::ntt_bits);
                let mm2 = multipliers * multiplier_mm2.value + bits * bit_mm2.value;
                (Area::default(), mm2 / limit_mm2.value, Some(mm2))
            }
        }
    }

    fn time(&self, trace: &Trace, channels: u32) -> (Split, Bounds) {
        let mut split = Split {
            host_s: trace.host_after_s,
            ..Split::default()
        };
        let mut bounds = Bounds::default();
        for (call, msm) in trace.calls.iter().zip(&self.msms.needs) {
            split.host_s += call.host_before_s;
            let (need, seconds) = match call.work {
                Work::Msm { .. } => (*msm, &mut split.msm_s),
                Work::Ntt { log_n, columns, .. } => (
                    self.transforms.and_then(|config| ntt_need(&config, log_n, columns)),
                    &mut split.ntt_s,
                ),
            };
            match need {
                Some(need) => *seconds += self.call(&need, channels, &mut bounds),
                None => split.host_s += call.wall_s,
            }
        }
        (split, bounds)
    }

    fn call(&self, need: &Need, channels: u32, bounds: &mut Bounds) -> f64 {
        let roof = need.roof(self.part, channels.into(), self.clock_hz);
        let (longest, latency) = (roof.longest_s(), 2.0 * self.part.link_latency_s.value);
        *(if longest == roof.compute_s {
            &mut bounds.compute_s
        } else if longest == roof.memory_s {
            &mut bounds.memory_s
        } else {
            &mut bounds.link_s
        }) += longest;
        bounds.latency_s += latency;
        longest + latency
    }
}

/// The designs that are worth their size, smallest first.
fn front(mut found: Vec<Outcome>) -> Vec<Outcome> {
    found.sort_by(|a, b| {
        a.share
            .total_cmp(&b.share)
            .then(a.time.whole_s().total_cmp(&b.time.whole_s()))
    });
    let mut front: Vec<Outcome> = Vec::new();
    for outcome in found {
        if front
            .last()
            .is_none_or(|best| outcome.time.whole_s() * WORTH < best.time.whole_s())
        {
            front.push(outcome);
        }
    }
    front
}

#[cfg(test)]
mod tests;
