//! Area of the modules on UltraScale+, as `make synth` found it (`hw/area.json`), and of engines that are made of them.

use std::collections::BTreeMap;
use std::ops::{Add, Mul};
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::{msm, ntt};

/// What a module takes. Estimates: netlists before placement and routing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Area {
    /// DSP48E2 slices.
    #[serde(rename = "DSP48E2")]
    pub dsp: f64,
    /// Look-up tables used as logic.
    #[serde(rename = "LUT")]
    pub lut: f64,
    /// Registers.
    #[serde(rename = "FF")]
    pub ff: f64,
    /// Block RAMs of 36 kbit.
    #[serde(rename = "BRAM36")]
    pub bram36: f64,
    /// UltraRAMs of 288 kbit.
    #[serde(rename = "URAM")]
    pub uram: f64,
}

impl Add for Area {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            dsp: self.dsp + other.dsp,
            lut: self.lut + other.lut,
            ff: self.ff + other.ff,
            bram36: self.bram36 + other.bram36,
            uram: self.uram + other.uram,
        }
    }
}

impl Mul<f64> for Area {
    type Output = Self;

    fn mul(self, by: f64) -> Self {
        Self {
            dsp: self.dsp * by,
            lut: self.lut * by,
            ff: self.ff * by,
            bram36: self.bram36 * by,
            uram: self.uram * by,
        }
    }
}

static MODULES: LazyLock<BTreeMap<String, Area>> =
    LazyLock::new(|| serde_json::from_str(include_str!("../area.json")).unwrap_or_default());

/// The area of a module, `folder/name`, if it has been synthesised.
#[must_use]
pub fn module(name: &str) -> Option<Area> {
    MODULES.get(name).copied()
}

fn known(name: &str) -> Area {
    module(name).unwrap_or_default()
}

/// How the modular multiplier is built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Multiplier {
    /// Columns of 26 x 17 tiles: `rtl/field/mont_mul.sv`.
    Tiles,
    /// Two levels of Karatsuba over 64-bit leaves, as an earlier prototype of it was synthesised by the same tool:
    /// more DSPs and LUTs, fewer registers.
    Karatsuba,
}

impl Multiplier {
    /// Both kinds.
    pub const ALL: [Self; 2] = [Self::Tiles, Self::Karatsuba];

    /// What one takes.
    #[must_use]
    pub fn area(self) -> Area {
        match self {
            Self::Tiles => known("field/mont_mul"),
            Self::Karatsuba => Area {
                dsp: 316.0,
                lut: 24_000.0,
                ff: 15_600.0,
                ..Area::default()
            },
        }
    }
}

/// Multipliers of the point adder.
pub const ADDER_MULTIPLIERS: u32 = 12;

/// Banks of buckets: two, and a scratch bank of half their size.
const BANKS: f64 = 2.5;

/// Bits of a bucket: three coordinates, lazily reduced.
const BUCKET_BITS: f64 = 3.0 * 255.0;

/// Buffers of a column in the NTT engine, and its table of twiddles, which is as long as one.
const NTT_BUFFERS: f64 = 5.0;

/// Bits of memory that an MSM engine has.
#[must_use]
pub fn msm_bits(config: &msm::Config) -> f64 {
    BANKS * BUCKET_BITS * f64::from(config.slot_bits).exp2()
}

/// Bits of memory that an NTT engine has.
#[must_use]
pub fn ntt_bits(config: &ntt::Config) -> f64 {
    NTT_BUFFERS * 256.0 * f64::from(config.max_log_n).exp2()
}

/// An MSM engine: that of `rtl/` as it was synthesised, with other multipliers and other banks of buckets.
#[must_use]
pub fn msm_engine(config: &msm::Config, multiplier: Multiplier) -> Area {
    let scale = (f64::from(config.slot_bits) - f64::from(msm::CONFIG.slot_bits)).exp2();
    let other = multiplier.area() + Multiplier::Tiles.area() * -1.0;
    // what finds touched buckets and joins points stays; the memory grows
    let built = known("msm/bucket_unit");
    let more = Area {
        uram: built.uram,
        bram36: built.bram36,
        ..Area::default()
    };
    known("msm/msm_engine") + other * f64::from(ADDER_MULTIPLIERS) + more * (scale - 1.0)
}

/// Modules of an NTT engine that are there once, however many butterflies it has.
const NTT_CONTROL: [&str; 3] = ["ntt/ntt_input", "ntt/ntt_sequencer", "ntt/ntt_output"];

/// An NTT engine: that of `rtl/` as it was synthesised, with other multipliers, butterflies and memory. Banks that
/// fill no UltraRAM take block RAM.
#[must_use]
pub fn ntt_engine(config: &ntt::Config, multiplier: Multiplier) -> Area {
    let lanes = |config: &ntt::Config| f64::from(config.log_lanes).exp2();
    let control = NTT_CONTROL.into_iter().map(known).fold(Area::default(), Add::add);
    let built = known("ntt/ntt_engine") + (control + ntt_memory(&ntt::CONFIG)) * -1.0;
    let other = multiplier.area() + Multiplier::Tiles.area() * -1.0;
    let lane = built * lanes(&ntt::CONFIG).recip() + other;
    lane * lanes(config) + control + ntt_memory(config)
}

/// The memory of an NTT engine, with the choice between UltraRAM and block RAM that `rtl/ntt/ntt_memory.sv` makes.
fn ntt_memory(config: &ntt::Config) -> Area {
    let depth = f64::from(config.max_log_n - config.log_lanes - 1).exp2();
    let banks = NTT_BUFFERS * 2.0 * f64::from(config.log_lanes).exp2();
    // 256 bits are four UltraRAMs of 72 bits and 4,096 words, or 3.6 block RAMs of 72 bits and 512 words
    if depth > 2048.0 {
        Area {
            uram: banks * 4.0 * (depth / 4096.0).ceil(),
            ..Area::default()
        }
    } else {
        Area {
            bram36: banks * 3.625 * (depth / 512.0).ceil(),
            ..Area::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_modules_that_engines_are_made_of_are_known() {
        for name in [
            "field/mont_mul",
            "msm/bucket_unit",
            "msm/msm_engine",
            "ntt/ntt_input",
            "ntt/ntt_engine",
        ] {
            assert!(module(name).is_some_and(|area| area.lut > 0.0), "{name}");
        }
        assert_eq!(module("msm/nothing"), None);
    }

    #[test]
    fn engines_grow_with_what_they_are_built_with() {
        let msm = |slot_bits| {
            msm_engine(
                &msm::Config {
                    slot_bits,
                    ..msm::CONFIG
                },
                Multiplier::Tiles,
            )
        };
        let multiplier = Multiplier::Tiles.area();
        // as built, what was synthesised
        assert_eq!(Some(msm(14)), module("msm/msm_engine"));
        let built = ntt_engine(&ntt::CONFIG, Multiplier::Tiles);
        let found = module("ntt/ntt_engine").unwrap_or_default();
        assert_eq!(
            (built.dsp, built.uram, built.bram36),
            (found.dsp, found.uram, found.bram36)
        );
        assert!((12.0 * multiplier.dsp..12.1 * multiplier.dsp).contains(&msm(14).dsp));
        assert!(msm(15).uram == 2.0 * msm(14).uram && msm(15).dsp == msm(14).dsp);
        let ntt = |log_lanes, max_log_n| ntt_engine(&ntt::Config { log_lanes, max_log_n }, Multiplier::Tiles);
        assert_eq!(ntt(3, 14).dsp, 2.0 * ntt(2, 14).dsp);
        assert!(ntt(2, 16).uram > ntt(2, 15).uram && ntt(2, 10).uram == 0.0 && ntt(2, 10).bram36 > 0.0);
    }
}
