//! `tapeout explore`

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tapeout_driver::backend;
use tapeout_driver::explore::{Outcome, Report, Split, explore};
use tapeout_driver::part::Part;
use tapeout_driver::trace::{Recorder, Trace};
use tapeout_prover::model::io;
use tapeout_prover::pipeline::{self, SetupOptions};
use tapeout_prover::statement::NO_CONTEXT;

use super::output::{Output, Status, facts, table};
use super::page::chart::{Labels, Series, bars, lines};
use super::page::{figure, html};
use super::{files, keys, progress};

/// What an accelerator would do to a whole proof: sweep designs of a card and show those worth their size
///
/// A real proof's kernel calls are recorded (or read from a trace of `tapeout prove --record`) and run on a model of the engines, their
/// memory and their link. The model's cycles are held to those of the simulated hardware by tests; clocks are assumptions.
#[derive(clap::Args)]
#[group(id = "proof", required = true, multiple = true)]
pub(crate) struct Args {
    /// A recorded trace, in place of a model and an input
    #[arg(value_name = "TRACE", conflicts_with_all = ["model", "input"])]
    trace: Option<PathBuf>,

    /// The ONNX model whose proof is recorded
    #[arg(long, value_name = "MODEL", requires = "input")]
    model: Option<PathBuf>,

    /// The input: {"input_data": [[...]]} or .npy
    #[arg(long, value_name = "FILE", requires = "model")]
    input: Option<PathBuf>,

    /// What the card is built with: vu9p, vu47p, u55c, u250, asic7, or a JSON file that describes another part
    #[arg(long, value_name = "PART", default_value = "vu9p")]
    part: String,

    /// The card's clock in MHz; by default the middle one of the part's description
    #[arg(long, value_name = "MHZ", value_parser = parse_clock)]
    clock: Option<f64>,

    /// Draw the figures: write one HTML page to FILE that needs nothing else
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let part = self.part()?;
        let spinner = progress::spinner();
        let trace = match (&self.trace, &self.model, &self.input) {
            (Some(path), ..) => read(path)?,
            (None, Some(model), Some(input)) => {
                spinner.set_message("record a proof");
                record(model, input)?
            }
            _ => bail!("name a TRACE, or --model and --input to record one"),
        };
        spinner.set_message("explore designs");
        let report = explore(&trace, &part, self.clock.map(|mhz| mhz * 1e6))?;
        spinner.finish_and_clear();
        output.result(&report, |report| human(report, &part))?;
        if let Some(path) = &self.html {
            files::write(path, drawn(&report, &part)?.as_bytes())?;
        }
        Ok(Status::Ok)
    }

    fn part(&self) -> anyhow::Result<Part> {
        if let Some(part) = Part::built_in().find(|part| part.name == self.part) {
            return Ok(part);
        }
        let known: Vec<_> = Part::built_in().map(|part| part.name).collect();
        let hint = || {
            format!(
                "no part is named '{}': expected {}, or a file that describes one",
                self.part,
                known.join(", ")
            )
        };
        let text = files::read(self.part.as_ref()).with_context(hint)?;
        let place = || format!("cannot use the part '{}'", self.part);
        Part::from_json(&String::from_utf8_lossy(&text)).with_context(place)
    }
}

fn read(path: &Path) -> anyhow::Result<Trace> {
    let place = || format!("cannot use the trace '{}'", path.display());
    let trace: Trace = serde_json::from_slice(&files::read(path)?).with_context(place)?;
    trace.validate().with_context(place)?;
    Ok(trace)
}

/// Proves once to warm up and once to record.
fn record(model: &Path, input: &Path) -> anyhow::Result<Trace> {
    let backend = backend::open(backend::DEFAULT)?;
    let parsed = keys::read_model(model)?;
    let values = io::read_input(input, parsed.program.input_len())?;
    let options = SetupOptions::default();
    let mut quiet = |_: &'static str| ();
    let pipeline::Keys { proving: key, .. } =
        pipeline::setup(&parsed, &[], options, None, backend.as_ref(), &mut quiet)
            .with_context(|| format!("no keys for the model '{}'", model.display()))?;
    let mut recorder = Recorder::new(backend.as_ref());
    for _ in 0..2 {
        recorder = Recorder::new(backend.as_ref());
        pipeline::prove(&key, &values, &NO_CONTEXT, &recorder, None, &mut quiet)
            .with_context(|| format!("no proof for the input '{}'", input.display()))?;
    }
    Ok(recorder.trace())
}

fn parse_clock(text: &str) -> Result<f64, String> {
    let clock = text.parse().ok().filter(|mhz: &f64| *mhz > 0.0 && mhz.is_finite());
    clock.ok_or_else(|| format!("'{text}' is no clock: expected megahertz above zero, as in 250"))
}

fn human(report: &Report, part: &Part) -> String {
    let ms = |seconds: f64| format!("{:.2}", seconds * 1e3);
    let recorded = report.recorded;
    let about = facts(&[
        ("part", format!("{}: {}", part.name, part.title)),
        (
            "recorded",
            format!(
                "{} ms on {}: {} in MSMs, {} in transforms, {} the host's own",
                ms(recorded.whole_s()),
                report.recorded_on,
                ms(recorded.msm_s),
                ms(recorded.ntt_s),
                ms(recorded.host_s)
            ),
        ),
        (
            "Amdahl's limit",
            format!(
                "{:.1}x: kernels that take no time leave the host's own",
                recorded.whole_s() / recorded.host_s
            ),
        ),
        (
            "designs",
            format!("{} fit, {} are worth their size", report.fit, report.front.len()),
        ),
    ]);
    let cells = report.front.iter().map(|outcome| {
        let (design, time) = (outcome.design, outcome.time);
        [
            design.adders.to_string(),
            if design.adders == 0 {
                "-".to_owned()
            } else {
                design.window_bits.to_string()
            },
            design.butterflies.to_string(),
            format!("{:?}", design.multiplier).to_lowercase(),
            design.channels.to_string(),
            format!("{:.0}", design.clock_hz / 1e6),
            outcome
                .mm2
                .map_or_else(|| format!("{:.0}", outcome.area.dsp), |mm2| format!("{mm2:.1} mm2")),
            format!("{:.0} %", 100.0 * outcome.share),
            ms(time.whole_s()),
            ms(time.host_s),
            ms(time.msm_s),
            ms(time.ntt_s),
            bottleneck(outcome).to_owned(),
            format!("{:.2}x", recorded.whole_s() / time.whole_s()),
        ]
    });
    let header = [
        "adders",
        "window bits",
        "butterflies",
        "multiplier",
        "channels",
        "MHz",
        "DSPs",
        "of the part",
        "proof ms",
        "host ms",
        "MSM ms",
        "NTT ms",
        "bound by",
        "speed",
    ];
    [about, table(header, 0, cells)].join("\n\n")
}

/// What takes the largest part of the proof.
fn bottleneck(outcome: &Outcome) -> &'static str {
    let bounds = outcome.bounds;
    let parts = [
        ("host", outcome.time.host_s),
        ("compute", bounds.compute_s),
        ("memory", bounds.memory_s),
        ("link", bounds.link_s),
        ("latency", bounds.latency_s),
    ];
    parts
        .into_iter()
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map_or("host", |(name, _)| name)
}

/// The same as one page.
fn drawn(report: &Report, part: &Part) -> anyhow::Result<String> {
    let points = report
        .front
        .iter()
        .map(|outcome| (100.0 * outcome.share, outcome.time.whole_s()));
    let series = Series {
        name: format!("designs on {}", part.name),
        points: points.collect(),
        modelled: true,
    };
    let labels = Labels {
        title: "Time of a proof over the size of the card",
        x: "share of the part's scarcest resource",
        x_format: |share| format!("{share:.0} %"),
        y: "seconds",
    };
    let mut body = String::new();
    figure(
        &mut body,
        labels.title,
        &lines(&labels, &[series])?,
        &human(report, part),
    );
    let name = |outcome: &Outcome| {
        let design = outcome.design;
        format!(
            "MSM x{}, NTT x{} ({:.0} %)",
            design.adders,
            design.butterflies,
            100.0 * outcome.share
        )
    };
    let split = |time: &Split| vec![time.host_s, time.msm_s, time.ntt_s];
    let mut rows = vec![(format!("{}, recorded", report.recorded_on), split(&report.recorded))];
    rows.extend(
        report
            .front
            .iter()
            .skip(1)
            .map(|outcome| (name(outcome), split(&outcome.time))),
    );
    let title = "Where the time goes";
    figure(
        &mut body,
        title,
        &bars(title, &["host", "MSM", "NTT"], &rows, "s")?,
        &sources(part),
    );
    let intro = "A real proof's kernel calls on a model of cards that have not been built. <strong>Clocks are assumptions, areas are estimates \
                 before placement and routing.</strong>";
    Ok(html("What an accelerator would do to a proof", intro, &body))
}

/// Where the part's figures are from.
fn sources(part: &Part) -> String {
    let figures = [
        ("memory channels", &part.memory_channels),
        ("bytes/s of a channel", &part.channel_bytes_per_s),
        ("bytes/s of the link", &part.link_bytes_per_s),
        ("seconds of latency", &part.link_latency_s),
        ("watts", &part.watts),
    ];
    facts(&figures.map(|(name, figure)| (name, format!("{:e}: {}", figure.value, figure.source))))
}
