//! The figures as one HTML page, and what they answer.

use std::fmt::Write;

use super::super::page::chart::{Labels, Series, bars, lines, power_of_two};
use super::super::page::{escape, figure, html};
use tapeout_driver::explore::{Roof, msm_roof, ntt_roof};

use super::kernels::Row;
use super::{Measured, kernels, proof};

/// `log2` of the largest size that the model is drawn for.
const MODELLED_LOG_N: u32 = 20;

/// What a kernel's throughput is counted in.
struct Unit {
    title: &'static str,
    /// What one run does of it, from its size.
    count: fn(u32) -> f64,
    name: &'static str,
}

const POINTS: Unit = Unit {
    title: "Multi-scalar multiplication",
    count: |log_n| f64::from(log_n).exp2(),
    name: "points per second",
};

const BUTTERFLIES: Unit = Unit {
    title: "Number-theoretic transform",
    count: |log_n| f64::from(log_n) * f64::from(log_n).exp2() / 2.0,
    name: "butterflies per second",
};

/// One page with all figures, drawings included.
///
/// # Errors
/// When a chart cannot be drawn.
pub(super) fn page(all: &Measured) -> anyhow::Result<String> {
    let mut body = String::new();
    let answers: String = answers(all).iter().fold(String::new(), |list, answer| {
        list + &format!("<li>{}</li>", escape(answer))
    });
    if !answers.is_empty() {
        write!(body, "<h2>In short</h2><ul>{answers}</ul>")?;
    }
    for (rows, unit) in [(&all.msm, POINTS), (&all.ntt, BUTTERFLIES)] {
        if !rows.is_empty() {
            kernel(&mut body, rows, &unit)?;
        }
    }
    if let Some(part) = kernels::part() {
        roofline(&mut body, &all.msm, &POINTS, |row, log_n| {
            let draw = row.scalars.as_deref()?.parse().ok()?;
            let engines = kernels::engines(row.backend);
            Some(msm_roof(
                &kernels::item(draw, log_n),
                row.batch,
                engines,
                &part,
                row.clock_hz()?,
            ))
        })?;
        roofline(&mut body, &all.ntt, &BUTTERFLIES, |row, log_n| {
            ntt_roof(log_n, row.batch, &part, row.clock_hz()?)
        })?;
    }
    if !all.proof.is_empty() {
        proofs(&mut body, all)?;
    }
    let intro = "Every backend ran in turn on the same fresh data and every result was checked. Times are medians. <strong>A simulated \
                 device is shown by its clock cycles at an assumed clock</strong> and drawn hollow; how long its simulation took says \
                 nothing of it.";
    Ok(html("Backends side by side", intro, &body))
}

impl Unit {
    /// What a row's backend does of it in a second.
    fn throughput(&self, row: &Row) -> f64 {
        (self.count)(row.log_n) * row.batch as f64 / (row.device_ms() / 1e3)
    }

    /// Rows as points of a chart.
    fn points<'a>(&self, rows: impl Iterator<Item = &'a Row>) -> Vec<(f64, f64)> {
        rows.map(|row| (f64::from(row.log_n), self.throughput(row))).collect()
    }
}

fn kernel(body: &mut String, rows: &[Row], unit: &Unit) -> anyhow::Result<()> {
    let mut series: Vec<Series> = Vec::new();
    for name in names(rows) {
        let own = |estimated: bool| {
            rows.iter()
                .filter(move |row| row.backend == name && row.estimated == estimated)
        };
        series.push(Series {
            name: name.to_owned(),
            points: unit.points(own(false)),
            modelled: own(false).any(|row| row.modelled_ms.is_some()),
        });
        // sizes that nothing ran at are a line of their own
        series.push(Series {
            name: format!("{name}, not simulated (model)"),
            points: unit.points(own(true)),
            modelled: true,
        });
    }
    series.retain(|one| !one.points.is_empty());
    let labels = Labels {
        title: unit.title,
        x: "size",
        x_format: power_of_two,
        y: unit.name,
    };
    figure(body, unit.title, &lines(&labels, &series)?, &kernels::table(rows));
    Ok(())
}

/// What the card of `rtl/` could do at most, resource by resource, up to sizes that are not simulated.
fn roofline(
    body: &mut String,
    rows: &[Row],
    unit: &Unit,
    roof: impl Fn(&Row, u32) -> Option<Roof>,
) -> anyhow::Result<()> {
    let Some(last) = rows.iter().rev().find(|row| row.modelled_ms.is_some()) else {
        return Ok(());
    };
    let first = rows.iter().map(|row| row.log_n).min().unwrap_or(last.log_n);
    let bound = |name: &str, seconds: fn(&Roof) -> f64| {
        let point = |log_n| {
            let seconds = seconds(&roof(last, log_n)?);
            (seconds > 0.0).then(|| (f64::from(log_n), (unit.count)(log_n) * last.batch as f64 / seconds))
        };
        Series {
            name: name.to_owned(),
            points: (first..=MODELLED_LOG_N).filter_map(point).collect(),
            modelled: true,
        }
    };
    let simulated = rows.iter().filter(|row| row.backend == last.backend && !row.estimated);
    let series = [
        Series {
            name: format!("{}, simulated", last.backend),
            points: unit.points(simulated),
            modelled: false,
        },
        bound("bound of the engine (model)", |roof| roof.compute_s),
        bound("bound of the memory (model)", |roof| roof.memory_s),
        bound("bound of the link (model)", |roof| roof.link_s),
    ];
    let series: Vec<_> = series.into_iter().filter(|one| !one.points.is_empty()).collect();
    let title = format!("{}: what bounds the card", unit.title);
    let labels = Labels {
        title: &title,
        x: "size",
        x_format: power_of_two,
        y: unit.name,
    };
    let note = "The model of the card, its engines on a VU9P; simulated points are cycles at the assumed clock. Sizes without one are not simulated.";
    figure(body, &title, &lines(&labels, &series)?, note);
    Ok(())
}

fn proofs(body: &mut String, all: &Measured) -> anyhow::Result<()> {
    let parts = |row: &proof::Row| match row.modelled_ms {
        // a device's share cannot be split further: its cycles are one sum
        Some(device) => vec![row.host_ms / 1e3, 0.0, 0.0, device / 1e3],
        None => vec![row.host_ms / 1e3, row.msm_ms / 1e3, row.ntt_ms / 1e3, 0.0],
    };
    let rows: Vec<_> = all
        .proof
        .iter()
        .map(|row| (row.backend.to_owned(), parts(row)))
        .collect();
    let names = ["host", "MSM", "NTT", "device, modelled"];
    let svg = bars("A whole proof", &names, &rows, "s")?;
    figure(body, "A whole proof", &svg, &proof::table(&all.proof));
    let joules = |row: &proof::Row| {
        all.watts
            .get(row.backend)
            .map(|watts| (row.backend.to_owned(), vec![watts * row.whole_ms() / 1e3]))
    };
    let energy: Vec<_> = all.proof.iter().filter_map(joules).collect();
    if !energy.is_empty() {
        let given: Vec<_> = all
            .watts
            .iter()
            .map(|(name, watts)| format!("{name} {watts} W"))
            .collect();
        let note = format!(
            "Power as given ({}) times the time of the whole proof.",
            given.join(", ")
        );
        figure(
            body,
            "Energy of a proof",
            &bars("Energy of a proof", &["energy"], &energy, "J")?,
            &note,
        );
    }
    Ok(())
}

/// The backends, in the order of the rows.
fn names(rows: &[Row]) -> Vec<&'static str> {
    let mut names = Vec::new();
    for row in rows {
        if !names.contains(&row.backend) {
            names.push(row.backend);
        }
    }
    names
}

/// At which size which backend wins, and where the host becomes the bottleneck.
pub(super) fn answers(all: &Measured) -> Vec<String> {
    let mut answers = winners("MSM", &all.msm);
    answers.extend(winners("NTT", &all.ntt));
    answers.extend(all.proof.iter().map(bottleneck));
    answers
}

/// One sentence for each run of sizes that the same backend wins.
fn winners(kernel: &str, rows: &[Row]) -> Vec<String> {
    /// A backend, and whether its figures are the model's.
    type Name = (&'static str, bool);
    struct Reign {
        winner: Name,
        second: Name,
        from: u32,
        to: u32,
        leads: Vec<f64>,
    }
    let mut sizes: Vec<u32> = rows.iter().map(|row| row.log_n).collect();
    sizes.dedup();
    let mut reigns: Vec<Reign> = Vec::new();
    for log_n in sizes {
        let mut here: Vec<&Row> = rows.iter().filter(|row| row.log_n == log_n).collect();
        here.sort_by(|a, b| a.device_ms().total_cmp(&b.device_ms()));
        let [winner, second, ..] = here[..] else { continue };
        let lead = second.device_ms() / winner.device_ms();
        let name = |row: &Row| (row.backend, row.estimated);
        match reigns.last_mut() {
            Some(last) if (last.winner, last.second) == (name(winner), name(second)) => {
                last.to = log_n;
                last.leads.push(lead);
            }
            _ => reigns.push(Reign {
                winner: name(winner),
                second: name(second),
                from: log_n,
                to: log_n,
                leads: vec![lead],
            }),
        }
    }
    let sentence = |reign: &Reign| {
        let at = if reign.from == reign.to {
            format!("at 2^{}", reign.from)
        } else {
            format!("from 2^{} to 2^{}", reign.from, reign.to)
        };
        let least = reign.leads.iter().copied().fold(f64::INFINITY, f64::min);
        let most = reign.leads.iter().copied().fold(0.0, f64::max);
        let by = if least == most {
            format!("{least:.2}x")
        } else {
            format!("{least:.2}x to {most:.2}x")
        };
        let name = |(backend, estimated): Name| {
            let simulated = rows
                .iter()
                .any(|row| row.backend == backend && row.modelled_ms.is_some());
            let how = match (estimated, simulated) {
                (true, _) => " (by the model, not simulated)",
                (false, true) => " (simulated, at its assumed clock)",
                (false, false) => "",
            };
            format!("{backend}{how}")
        };
        format!(
            "{kernel} {at}: {} wins, {by} ahead of {}",
            name(reign.winner),
            name(reign.second)
        )
    };
    reigns.iter().map(sentence).collect()
}

/// Amdahl's split of a proof.
fn bottleneck(row: &proof::Row) -> String {
    let (host, device, whole) = (row.host_ms, row.device_ms(), row.whole_ms());
    let what = if host > device {
        "the host is the bottleneck".to_owned()
    } else {
        format!(
            "the kernels are the bottleneck, and the host becomes it where they are {:.1}x as fast",
            device / host
        )
    };
    format!(
        "Proof on {}: {what}: {host:.1} ms of {whole:.1} on the host ({:.0} %); kernels that took no time would make it {:.1}x as fast",
        row.backend,
        100.0 * host / whole,
        whole / host
    )
}
