//! The figures as one HTML page, and what they answer.

mod chart;

use std::fmt::Write;

use super::kernels::Row;
use super::{Measured, kernels, proof};
use chart::{Labels, Series, bars, lines};

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:800px;margin:2em auto;padding:0 1em;color:#222}\
h1,h2{font-weight:600}pre{overflow-x:auto;background:#f6f6f6;padding:1em;font-size:12px}svg{max-width:100%;height:auto}\
figcaption{color:#555;font-size:13px}figure{margin:1.5em 0}";

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
    if !all.proof.is_empty() {
        proofs(&mut body, all)?;
    }
    Ok(format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Tapeout: backends side by side</title><style>{STYLE}</style>\
         <h1>Backends side by side</h1><p>tapeout {}. Every backend ran in turn on the same fresh data and every result was checked. \
         Times are medians. <strong>A simulated device is shown by its clock cycles at an assumed clock</strong> and drawn hollow; how long \
         its simulation took says nothing of it.</p>{body}</html>\n",
        env!("CARGO_PKG_VERSION")
    ))
}

fn kernel(body: &mut String, rows: &[Row], unit: &Unit) -> anyhow::Result<()> {
    let series: Vec<Series> = names(rows)
        .into_iter()
        .map(|name| {
            let own = || rows.iter().filter(|row| row.backend == name);
            let throughput = |row: &Row| (unit.count)(row.log_n) * row.batch as f64 / (row.device_ms() / 1e3);
            Series {
                name: name.to_owned(),
                points: own().map(|row| (f64::from(row.log_n), throughput(row))).collect(),
                modelled: own().any(|row| row.modelled_ms.is_some()),
            }
        })
        .collect();
    let labels = Labels {
        title: unit.title,
        x: "size",
        y: unit.name,
    };
    figure(body, unit.title, &lines(&labels, &series)?, &kernels::table(rows))
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
    figure(body, "A whole proof", &svg, &proof::table(&all.proof))?;
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
        )?;
    }
    Ok(())
}

fn figure(body: &mut String, title: &str, svg: &str, text: &str) -> anyhow::Result<()> {
    write!(
        body,
        "<h2>{}</h2><figure>{svg}</figure><pre>{}</pre>",
        escape(title),
        escape(text)
    )?;
    Ok(())
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
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
    struct Reign {
        winner: &'static str,
        second: &'static str,
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
        match reigns.last_mut() {
            Some(last) if (last.winner, last.second) == (winner.backend, second.backend) => {
                last.to = log_n;
                last.leads.push(lead);
            }
            _ => reigns.push(Reign {
                winner: winner.backend,
                second: second.backend,
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
        format!("{kernel} {at}: {} wins, {by} ahead of {}", reign.winner, reign.second)
    };
    reigns.iter().map(sentence).collect()
}

/// Amdahl's split of a proof.
fn bottleneck(row: &proof::Row) -> String {
    let (host, device, whole) = (row.host_ms, row.device_ms(), row.whole_ms());
    let what = if host > device {
        "the host is the bottleneck"
    } else {
        "the kernels are the bottleneck"
    };
    format!(
        "Proof on {}: {what}: {host:.1} ms of {whole:.1} on the host ({:.0} %); kernels that took no time would make it {:.1}x as fast",
        row.backend,
        100.0 * host / whole,
        whole / host
    )
}
