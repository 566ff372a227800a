//! The tables of docs/area.md that follow from the modules' areas (`hw/area.json`), the engines' cycles and what others publish
//! (`hw/peers.json`, each figure with its source).

use std::fmt::Write as _;

use serde::Deserialize;

use crate::area::{self, Area, Multiplier};
use crate::cost::{Load, Memory, cycles};
use crate::emit::Section;
use crate::msm::{self, FIELDS, MIN_WIDTH, Pass, windows_for};
use crate::ntt::four_step::{External, Plan};
use crate::ntt::{self, BatchError};
use crate::part::{Fabric, Part};

/// The clock that cycles are converted to time with, in Hz: an assumption.
const CLOCK: f64 = 250e6;

/// Why the tables cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// `hw/peers.json` is not as expected.
    #[error("hw/peers.json: {0}")]
    Peers(#[from] serde_json::Error),
    /// `hw/area.json` lacks a module.
    #[error("hw/area.json has no '{0}': run `make synth`")]
    Module(&'static str),
    /// A part is missing from `hw/parts`.
    #[error("hw/parts has no FPGA named '{0}'")]
    Part(&'static str),
    /// A length that the NTT engine cannot transform.
    #[error(transparent)]
    Length(#[from] BatchError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Peers {
    adders: Vec<Adder>,
    sums: Vec<Sum>,
    transforms: Vec<Transform>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Adder {
    design: String,
    field: String,
    multiplier_dsp: String,
    adder_dsp: u32,
    multiplications: String,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sum {
    design: String,
    part: String,
    clock_hz: f64,
    curve: String,
    log_n: i32,
    count: u32,
    seconds: f64,
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Transform {
    design: String,
    part: String,
    field: String,
    log_n: i32,
    seconds: f64,
    source: String,
}

/// The generated sections of docs/area.md.
///
/// # Errors
/// What is missing for them.
pub fn sections() -> Result<Vec<Section>, TableError> {
    let peers: Peers = serde_json::from_str(include_str!("../peers.json"))?;
    let section = |name, text| Section {
        path: "docs/area.md",
        name,
        text,
    };
    Ok(vec![
        section("adders", adders(&peers.adders)?),
        section("engines", engines()?),
        section("sums", sums(&peers.sums)?),
        section("transforms", transforms(&peers.transforms)?),
    ])
}

fn module(name: &'static str) -> Result<Area, TableError> {
    area::module(name).ok_or(TableError::Module(name))
}

/// A whole number with commas between thousands.
fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut out = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn adders(peers: &[Adder]) -> Result<String, TableError> {
    let mut out = String::from(
        "| design | field | DSPs per modular multiplier | DSPs of the adder | multiplications in it | source |\n|---|---|---|---|---|---|\n",
    );
    let _ = writeln!(
        out,
        "| this one (Yosys, estimate) | BN254, 254 bits | {} | {} | {} (complete, any curve with a = 0) | above |",
        module("field/mont_mul")?.dsp,
        grouped(module("curve/point_add")?.dsp),
        area::ADDER_MULTIPLIERS
    );
    for peer in peers {
        let Adder {
            design,
            field,
            multiplier_dsp,
            adder_dsp,
            multiplications,
            source,
        } = peer;
        let adder_dsp = grouped((*adder_dsp).into());
        let _ = writeln!(
            out,
            "| {design} | {field} | {multiplier_dsp} | {adder_dsp} | {multiplications} | {source} |"
        );
    }
    Ok(out)
}

/// The DSPs and UltraRAMs of an FPGA.
fn fpga(name: &'static str) -> Result<(f64, f64), TableError> {
    let found = Part::built_in().find(|part| part.name == name);
    match found.map(|part| part.fabric) {
        Some(Fabric::Fpga { dsp, uram, .. }) => Ok((dsp.value, uram.value)),
        _ => Err(TableError::Part(name)),
    }
}

fn engines() -> Result<String, TableError> {
    let (all_dsp, all_uram) = fpga("vu9p")?;
    let mut out = String::from(
        "| | DSP48E2 | of a VU9P's | LUT | FF | UltraRAM | of a VU9P's |\n|---|---|---|---|---|---|---|\n",
    );
    let ntt = module("ntt/ntt_engine")?;
    let lanes = f64::from(ntt::CONFIG.log_lanes).exp2();
    for (what, area) in [
        ("MSM engine", module("msm/msm_engine")?),
        ("its adder", module("curve/point_add")?),
        ("NTT engine", ntt),
        ("the same, per butterfly", ntt * lanes.recip()),
        ("a butterfly alone", module("ntt/ntt_butterfly")?),
        ("card, both engines and the registers", module("shell/card")?),
    ] {
        let share = |part: f64, all: f64| format!("{:.1} %", 100.0 * part / all);
        let _ = writeln!(
            out,
            "| {what} | {} | {} | {} | {} | {} | {} |",
            grouped(area.dsp),
            share(area.dsp, all_dsp),
            grouped(area.lut),
            grouped(area.ff),
            grouped(area.uram),
            share(area.uram, all_uram)
        );
    }
    Ok(out)
}

/// The passes of `n` full-width scalars in windows of that width, evenly split.
fn full_width(n: u32, width: u32) -> Vec<Pass> {
    let windows = windows_for(254, width);
    let count = windows.div_ceil(msm::CONFIG.windows_per_pass(width));
    let pass = |i: u32| Pass {
        width,
        log_fields_per_base: 5,
        bases_per_word: 1,
        first_field: windows * i / count,
        windows: windows * (i + 1) / count - windows * i / count,
        words: n,
        first_base: 0,
        lane_tops: [0; 4],
        planes: false,
    };
    (0..count).map(pass).collect()
}

/// Cycles of an MSM of `n` full-width scalars, in windows of the width that the driver would take too.
fn uniform_sum(n: u32) -> u64 {
    let expected = |width: &u32| {
        let load = |pass: Pass| Load::expected(&pass, u64::from(n) * u64::from(pass.windows));
        cycles(
            &full_width(n, *width).into_iter().map(load).collect::<Vec<_>>(),
            Memory::default(),
        )
    };
    let widths = (MIN_WIDTH..=msm::CONFIG.max_width).filter(|&width| windows_for(254, width) <= FIELDS);
    let width = widths.min_by_key(expected).unwrap_or(msm::CONFIG.max_width);
    // xorshift (Marsaglia 2003); two's complement, of magnitude below 2^252
    let mut state = 1u64;
    let mut limb = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    };
    let words: Vec<[u64; 4]> = (0..n)
        .map(|_| [limb(), limb(), limb(), ((limb() as i64) >> 3) as u64])
        .collect();
    let loads: Vec<_> = full_width(n, width).iter().map(|pass| Load::of(pass, &words)).collect();
    cycles(&loads, Memory::default())
}

fn sums(peers: &[Sum]) -> Result<String, TableError> {
    let mut out = String::from(
        "| design | part, clock | curve | size | cycles per point | million points per second | source |\n|---|---|---|---|---|---|---|\n",
    );
    let adder = module("curve/point_add")?.dsp;
    for (part, log_n) in [("vu9p", 14), ("vu9p", 16), ("u55c", 16), ("u250", 16)] {
        let per_point = uniform_sum(1 << log_n) as f64 / f64::from(log_n).exp2();
        let _ = writeln!(
            out,
            "| this one, projected | {} ({} of {} DSPs), {:.0} MHz assumed | BN254 | 2^{log_n} | {per_point:.1} | {:.1} | `hw::cost` |",
            part.to_uppercase(),
            grouped(adder),
            grouped(fpga(part)?.0),
            CLOCK / 1e6,
            CLOCK / per_point / 1e6
        );
    }
    for peer in peers {
        let points = f64::from(peer.count) * f64::from(peer.log_n).exp2();
        let times = if peer.count == 1 {
            String::new()
        } else {
            format!("{} x ", peer.count)
        };
        let _ = writeln!(
            out,
            "| {} | {}, {:.0} MHz | {} | {times}2^{} in {} s | {:.1} | {:.1} | {} |",
            peer.design,
            peer.part,
            peer.clock_hz / 1e6,
            peer.curve,
            peer.log_n,
            peer.seconds,
            peer.seconds * peer.clock_hz / points,
            points / peer.seconds / 1e6,
            peer.source
        );
    }
    Ok(out)
}

fn transforms(peers: &[Transform]) -> Result<String, TableError> {
    let mut out = String::from(
        "| design | part, clock | field | size | time of a transform | transforms per second | butterflies per second | source |\n\
         |---|---|---|---|---|---|---|---|\n",
    );
    let mut row = |design: &str, part: &str, field: &str, log_n: i32, seconds: f64, source: &str| {
        let time = match seconds {
            s if s < 1e-4 => format!("{:.1} us", s * 1e6),
            s => format!("{:.3} ms", s * 1e3),
        };
        let butterflies = f64::from(log_n) * f64::from(log_n - 1).exp2();
        let _ = writeln!(
            out,
            "| {design} | {part} | {field} | 2^{log_n} | {time} | {} | {:.2} G | {source} |",
            grouped(seconds.recip()),
            butterflies / seconds / 1e9
        );
    };
    let assumed = |part: &'static str, config: &ntt::Config| {
        let (dsp, uram) = fpga(part)?;
        let area = area::ntt_engine(config, Multiplier::Tiles);
        Ok::<_, TableError>(format!(
            "{} ({} of {} DSPs, {} of {} UltraRAMs), {:.0} MHz assumed",
            part.to_uppercase(),
            grouped(area.dsp),
            grouped(dsp),
            grouped(area.uram),
            grouped(uram),
            CLOCK / 1e6
        ))
    };
    let built = assumed("vu9p", &ntt::CONFIG)?;
    let longer = ntt::Config {
        max_log_n: 16,
        ..ntt::CONFIG
    };
    let seconds = |cycles: u64| cycles as f64 / CLOCK;
    let four_steps =
        |log_n| Ok::<_, TableError>(Plan::new(&ntt::CONFIG, log_n)?.cycles(&ntt::CONFIG, External::default()));
    let (ours, fr, model) = ("this one, projected", "BN254 Fr", "`hw::ntt`");
    for log_n in [12u32, 14] {
        row(
            ours,
            &built,
            fr,
            log_n as i32,
            seconds(ntt::CONFIG.column_cycles(log_n)),
            model,
        );
    }
    let in_four = "this one, projected, in four steps";
    row(in_four, &built, fr, 16, seconds(four_steps(16)?), model);
    row(
        "this one, projected, built for 2^16",
        &assumed("u55c", &longer)?,
        fr,
        16,
        seconds(longer.column_cycles(16)),
        model,
    );
    row(in_four, &built, fr, 20, seconds(four_steps(20)?), model);
    for peer in peers {
        row(
            &peer.design,
            &peer.part,
            &peer.field,
            peer.log_n,
            peer.seconds,
            &peer.source,
        );
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!(
            [0.0, 999.0, 1000.4, 1_234_567.0].map(grouped),
            ["0", "999", "1,000", "1,234,567"]
        );
    }

    /// Figures that can be computed by hand from what was published: 5.66 s of 250 MHz for 2^26 points, 2^24 elements in 45 ms.
    #[test]
    fn rows_follow_from_what_was_published() {
        let all = sections().unwrap();
        let text = |name: &str| &all.iter().find(|section| section.name == name).unwrap().text;
        assert!(text("sums").contains("2^26 in 5.66 s | 21.1 | 11.9 |"));
        assert!(text("transforms").contains("2^24 | 45.000 ms | 22 | 4.47 G |"));
        // 2^12: 12 stages of 512 steps at 250 MHz
        assert!(text("transforms").contains("2^12 | 24.6 us | 40,690 | 1.00 G |"));
    }

    #[test]
    fn the_width_of_the_fewest_cycles_is_near_a_bucket_per_point() {
        // 2^14: 24 windows of 11 bits are 393,216 digits
        assert!((393_216..450_000).contains(&uniform_sum(1 << 14)));
    }
}
