//! Parts that a card can be built with: what they hold and what feeds them, each figure with its source (`hw/parts`).

use serde::{Deserialize, Serialize};

/// A number and where it is from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Figure {
    /// The number, in the unit that the field's name ends with.
    pub value: f64,
    /// A document, or `assumed` and why.
    pub source: String,
}

/// A part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    /// What it is chosen by.
    pub name: String,
    /// What it is.
    pub title: String,
    /// What engines are made of.
    pub fabric: Fabric,
    /// Channels of external memory.
    pub memory_channels: Figure,
    /// Bandwidth of one of them.
    pub channel_bytes_per_s: Figure,
    /// Bandwidth of the link to the host, each way.
    pub link_bytes_per_s: Figure,
    /// What starting a transfer takes.
    pub link_latency_s: Figure,
    /// Clocks to consider.
    pub clocks_hz: Vec<Figure>,
    /// What the card draws.
    pub watts: Figure,
}

/// What engines are made of.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Fabric {
    /// Resources of an FPGA.
    Fpga {
        /// DSP48E2 slices.
        dsp: Figure,
        /// Look-up tables of six inputs.
        lut: Figure,
        /// Registers.
        ff: Figure,
        /// Block RAMs of 36 kbit.
        bram36: Figure,
        /// UltraRAMs of 288 kbit.
        uram: Figure,
        /// The share of each that designs can use.
        usable: Figure,
    },
    /// Areas of a process.
    Asic {
        /// A modular multiplier of 254 bits.
        multiplier_mm2: Figure,
        /// A bit of memory.
        bit_mm2: Figure,
        /// The die that is allowed.
        limit_mm2: Figure,
    },
}

/// Why a part cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    /// It is not described as parts are.
    #[error("it does not describe a part: {0}")]
    Format(#[from] serde_json::Error),
    /// A figure makes no sense.
    #[error("{field} is {value}: expected a finite number above zero")]
    Figure {
        /// The figure.
        field: &'static str,
        /// Its value.
        value: f64,
    },
    /// No clock is given.
    #[error("clocks_hz is empty: expected at least one clock")]
    NoClock,
}

const BUILT_IN: [&str; 5] = [
    include_str!("../parts/vu9p.json"),
    include_str!("../parts/vu47p.json"),
    include_str!("../parts/u55c.json"),
    include_str!("../parts/u250.json"),
    include_str!("../parts/asic7.json"),
];

impl Part {
    /// Reads a description.
    ///
    /// # Errors
    /// [`PartError`] with what is wrong with it.
    pub fn from_json(text: &str) -> Result<Self, PartError> {
        let part: Self = serde_json::from_str(text)?;
        part.check()?;
        Ok(part)
    }

    /// The parts that are described in this crate.
    pub fn built_in() -> impl Iterator<Item = Self> {
        BUILT_IN.iter().filter_map(|text| Self::from_json(text).ok())
    }

    fn check(&self) -> Result<(), PartError> {
        let mut figures = vec![
            ("memory_channels", &self.memory_channels),
            ("channel_bytes_per_s", &self.channel_bytes_per_s),
            ("link_bytes_per_s", &self.link_bytes_per_s),
            ("link_latency_s", &self.link_latency_s),
            ("watts", &self.watts),
        ];
        match &self.fabric {
            Fabric::Fpga {
                dsp,
                lut,
                ff,
                bram36,
                uram,
                usable,
            } => figures.extend([
                ("dsp", dsp),
                ("lut", lut),
                ("ff", ff),
                ("bram36", bram36),
                ("uram", uram),
                ("usable", usable),
            ]),
            Fabric::Asic {
                multiplier_mm2,
                bit_mm2,
                limit_mm2,
            } => {
                figures.extend([
                    ("multiplier_mm2", multiplier_mm2),
                    ("bit_mm2", bit_mm2),
                    ("limit_mm2", limit_mm2),
                ]);
            }
        }
        figures.extend(self.clocks_hz.iter().map(|clock| ("clocks_hz", clock)));
        if self.clocks_hz.is_empty() {
            return Err(PartError::NoClock);
        }
        let wrong = figures
            .into_iter()
            .find(|(_, figure)| !(figure.value > 0.0 && figure.value.is_finite()));
        wrong.map_or(Ok(()), |(field, figure)| {
            Err(PartError::Figure {
                field,
                value: figure.value,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn every_part_is_read_and_every_figure_has_a_source() {
        assert_eq!(Part::built_in().count(), BUILT_IN.len());
        for text in BUILT_IN {
            assert!(
                text.matches("\"value\"").count() == text.matches("\"source\"").count()
                    && !text.contains("\"source\": \"\"")
            );
        }
    }

    #[test]
    fn parts_that_make_no_sense_are_refused() {
        let text = BUILT_IN[0];
        let error = |text: &str| Part::from_json(text).unwrap_err().to_string();
        assert!(error("{}").contains("missing field"));
        assert!(error(&text.replace("\"watts\"", "\"volts\"")).contains("unknown field"));
        assert!(error(&text.replace("6840", "-6840")).contains("dsp is -6840"));
        assert!(error(&text.replace("6840", "0")).contains("above zero"));
        let mut part = Part::from_json(text).unwrap();
        part.clocks_hz.clear();
        assert!(matches!(part.check(), Err(PartError::NoClock)));
    }
}
