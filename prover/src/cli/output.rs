//! How results reach the caller: tables or JSON on standard output, errors on standard error, and the exit code.

use std::io::{self, Write};
use std::process::ExitCode;

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};
use serde::Serialize;
use tapeout_prover::commitment::Commitment;
use tapeout_prover::hash::Hash;
use tapeout_prover::keys::VerifyingKey;
use tapeout_prover::pipeline::Verified;
use tapeout_prover::plonk::prover::PhaseTime;
use tapeout_prover::statement::Statement;

/// How a verb ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    /// All is well.
    Ok,
    /// A proof was read and does not verify.
    DoesNotVerify,
    /// Bad use, or something could not be read or done.
    Failed,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> Self {
        ExitCode::from(match status {
            Status::Ok => 0,
            Status::DoesNotVerify => 1,
            Status::Failed => 2,
        })
    }
}

/// Where results go.
pub(crate) struct Output {
    /// One JSON value in place of tables.
    pub(crate) json: bool,
}

/// An error as scripts see it.
#[derive(Serialize)]
struct Failure {
    error: String,
}

impl Output {
    /// Prints a result: `report` as JSON, or the text that `human` makes of it.
    ///
    /// # Errors
    /// When standard output cannot be written to; that the reader has gone away (a closed pipe) is no error.
    pub(crate) fn result<T: Serialize>(&self, report: &T, human: impl FnOnce(&T) -> String) -> anyhow::Result<()> {
        let text = if self.json {
            serde_json::to_string_pretty(report)?
        } else {
            human(report)
        };
        match writeln!(io::stdout().lock(), "{}", text.trim_end()) {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Prints an error with its causes.
    pub(crate) fn error(&self, error: &anyhow::Error) {
        let error = message(error);
        // Nothing is left to be done if even standard error is closed.
        let _ = writeln!(io::stderr().lock(), "error: {error}");
        if self.json {
            let _ = self.result(&Failure { error }, |_| String::new());
        }
    }
}

/// An error and its causes on one line, without repeating what an outer message already says.
fn message(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

/// What a proof shows of an input and an output that are not public.
#[derive(Serialize)]
pub(crate) struct Shown {
    input_commitment: Option<String>,
    output_commitment: Option<String>,
    input_hash: Option<String>,
    output_hash: Option<String>,
}

impl Shown {
    /// What the proof of the first segment shows of the input, and that of the last one of the output; both are one where there are no
    /// segments.
    pub(crate) fn of(first: (&VerifyingKey, &Statement), last: (&VerifyingKey, &Statement)) -> Self {
        Self {
            input_commitment: first.1.input_commitment(first.0).map(|c| c.to_string()),
            output_commitment: last.1.output_commitment(last.0).map(|c| c.to_string()),
            input_hash: first.1.input_hash(first.0).map(|h| h.to_string()),
            output_hash: last.1.output_hash(last.0).map(|h| h.to_string()),
        }
    }

    /// What a proof that verifies shows; nothing for one that does not.
    pub(crate) fn verified(verified: Option<&Verified>) -> Self {
        let commitment = |get: fn(&Verified) -> Option<Commitment>| Some(get(verified?)?.to_string());
        let hash = |get: fn(&Verified) -> Option<Hash>| Some(get(verified?)?.to_string());
        Self {
            input_commitment: commitment(|v| v.input_commitment),
            output_commitment: commitment(|v| v.output_commitment),
            input_hash: hash(|v| v.input_hash),
            output_hash: hash(|v| v.output_hash),
        }
    }

    /// As named facts.
    pub(crate) fn facts(&self) -> impl Iterator<Item = (&'static str, String)> {
        let shown = [
            ("input commitment", self.input_commitment.clone()),
            ("output commitment", self.output_commitment.clone()),
            ("input hash", self.input_hash.clone()),
            ("output hash", self.output_hash.clone()),
        ];
        shown.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }
}

/// Named facts, one a line.
pub(crate) fn facts(rows: &[(&str, String)]) -> String {
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = rows.iter().map(|(name, value)| format!("{name:width$}  {value}"));
    lines.collect::<Vec<_>>().join("\n")
}

/// A trace's size.
pub(crate) fn trace(rows: usize, lanes: usize, ports: usize) -> String {
    let reads = if ports == 1 { "read" } else { "reads" };
    format!("{rows} rows, {lanes} slots and {ports} {reads} in a row")
}

/// Values on one line, the first ones where there are many.
pub(crate) fn numbers(values: &[f64]) -> String {
    const SHOWN: usize = 16;
    let mut shown: Vec<String> = values.iter().take(SHOWN).map(|value| format!("{value:.4}")).collect();
    if values.len() > SHOWN {
        shown.push(format!("... ({} values)", values.len()));
    }
    shown.join(" ")
}

/// Time per phase, with the sum.
pub(crate) fn phases(phases: &[PhaseTime]) -> String {
    let wall: f64 = phases.iter().map(|phase| phase.wall_s).sum();
    let cpu: f64 = phases.iter().map(|phase| phase.cpu_s).sum();
    let row = |name: &str, wall_s: f64, cpu_s: f64| {
        [
            name.to_owned(),
            format!("{:.1}", wall_s * 1e3),
            format!("{:.1}", cpu_s * 1e3),
            percent(wall_s, wall),
        ]
    };
    let rows = phases.iter().map(|phase| row(phase.name, phase.wall_s, phase.cpu_s));
    table(
        ["phase", "wall ms", "CPU ms", "share"],
        1,
        rows.chain([row("all", wall, cpu)]),
    )
}

fn percent(part: f64, whole: f64) -> String {
    format!("{:.0} %", if whole > 0.0 { 100.0 * part / whole } else { 0.0 })
}

/// A table with a header line; columns from `numbers` on are aligned to the right.
pub(crate) fn table<const N: usize>(
    header: [&str; N],
    numbers: usize,
    rows: impl IntoIterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    let underline = LineStyle::none().fill('─').junction('─');
    table
        .load_style(TableStyle::new().header_separator(underline))
        .set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
        if column.index >= numbers {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.trim_fmt()
}

#[cfg(test)]
mod tests {
    use anyhow::Context;

    use super::*;

    #[test]
    fn causes_are_told_once() {
        let error = anyhow::anyhow!("no such file").context("cannot read 'x'");
        assert_eq!(message(&error), "cannot read 'x': no such file");
        let repeated = Err::<(), _>(anyhow::anyhow!("no such file")).context("cannot read 'x': no such file");
        assert_eq!(
            repeated.map_err(|e| message(&e)),
            Err("cannot read 'x': no such file".to_owned())
        );
    }
}
