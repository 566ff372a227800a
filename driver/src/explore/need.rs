//! What calls need of a card's resources, and how long each of those takes for them.

use serde::Serialize;
use tapeout_hw::cost::{Load, Memory, cycles};
use tapeout_hw::msm::{SUM_WORDS, WORD_LIMBS};
use tapeout_hw::ntt::four_step::{Pass, Plan};
use tapeout_hw::part::Part;
use tapeout_hw::{msm, ntt};

use crate::Width;
use crate::backend::rtl::plan::{Shape, plan};
use crate::trace::Item;

/// Bytes of a word of the card's streams.
const WORD_BYTES: u64 = 8 * WORD_LIMBS as u64;
/// Bytes of a base in the card's memory.
const BASE_BYTES: u64 = 64;

/// What one call needs of each resource.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Need {
    pub(super) cycles: u64,
    pub(super) memory_bytes: u64,
    /// Bytes to the card and from it; the link carries both at once.
    pub(super) link_bytes: [u64; 2],
}

/// How long a kernel takes on the card that `rtl/` builds, as far as each resource alone allows, in seconds: no other can make it shorter than
/// the longest of them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Roof {
    /// The engine.
    pub compute_s: f64,
    /// The memory, all channels of it.
    pub memory_s: f64,
    /// The link.
    pub link_s: f64,
}

/// The roofs of a batch of equal MSMs on the card that `rtl/` builds with that many MSM engines, on `part` at that clock.
#[must_use]
pub fn msm_roof(item: &Item, batch: usize, engines: u32, part: &Part, clock_hz: f64) -> Roof {
    let engines = engines.max(1);
    let need = msm_need(&vec![shape(item, engines as usize); batch], engines, &msm::CONFIG);
    need.roof(part, part.memory_channels.value, clock_hz)
}

/// The roofs of a batch of transforms on the card that `rtl/` builds; `None` for columns that it does not take.
#[must_use]
pub fn ntt_roof(log_n: u32, columns: usize, part: &Part, clock_hz: f64) -> Option<Roof> {
    let need = ntt_need(&ntt::CONFIG, log_n, columns)?;
    Some(need.roof(part, part.memory_channels.value, clock_hz))
}

impl Need {
    pub(super) fn roof(&self, part: &Part, channels: f64, clock_hz: f64) -> Roof {
        let [to, from] = self.link_bytes;
        Roof {
            compute_s: self.cycles as f64 / clock_hz,
            memory_s: self.memory_bytes as f64 / (channels * part.channel_bytes_per_s.value),
            link_s: to.max(from) as f64 / part.link_bytes_per_s.value,
        }
    }
}

impl Roof {
    /// The longest of them.
    #[must_use]
    pub fn longest_s(&self) -> f64 {
        self.compute_s.max(self.memory_s).max(self.link_s)
    }
}

/// An item's share of one engine.
pub(super) fn shape(item: &Item, adders: usize) -> Shape {
    let bits = match item.width {
        // the representative of least magnitude, with its sign
        Width::Full => 254,
        Width::Bits(bits) => u32::from(bits) + 1,
        Width::Signed(bits) => bits.into(),
    };
    Shape {
        len: item.len.div_ceil(adders),
        bits: if item.nonzero == 0 { 0 } else { bits },
        nonzero: item.nonzero.div_ceil(adders),
    }
}

pub(super) fn msm_need(shapes: &[Shape], adders: u32, config: &msm::Config) -> Need {
    let jobs = plan(shapes, config);
    let loads: Vec<_> = jobs
        .iter()
        .map(|job| Load::expected(&job.pass, job.digits(shapes)))
        .collect();
    let sum = |of: fn(&msm::Pass) -> u64| u64::from(adders) * jobs.iter().map(|job| of(&job.pass)).sum::<u64>();
    Need {
        cycles: cycles(&loads, Memory::default()),
        memory_bytes: sum(|pass| u64::from(pass.words * pass.bases_per_word) * BASE_BYTES),
        link_bytes: [
            sum(|pass| u64::from(pass.words + 2) * WORD_BYTES),
            sum(|pass| (pass.sums().count() * SUM_WORDS) as u64 * WORD_BYTES),
        ],
    }
}

/// What a batch of transforms needs; `None` for columns that the engine neither takes nor can be cut to.
pub(super) fn ntt_need(config: &ntt::Config, log_n: u32, columns: usize) -> Option<Need> {
    let bytes = (columns as u64) << log_n << WORD_BYTES.ilog2();
    if (config.min_log_n()..=config.max_log_n).contains(&log_n) {
        let cycles = if columns == 0 {
            0
        } else {
            config.batch_cycles(log_n, columns as u32)
        };
        return Some(Need {
            cycles,
            memory_bytes: 0,
            link_bytes: [bytes; 2],
        });
    }
    // cut in four steps through the host's memory, as the driver does it: there and back twice
    let cut = Plan::new(config, log_n).ok()?;
    let pass = |pass: Pass| config.sequence_cycles(&pass.batches(false), 1);
    Some(Need {
        cycles: columns as u64 * cut.passes(false).into_iter().map(pass).sum::<u64>(),
        memory_bytes: 0,
        link_bytes: [2 * bytes; 2],
    })
}
