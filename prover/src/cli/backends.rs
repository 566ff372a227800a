//! `tapeout backends`

use serde::Serialize;
use tapeout_driver::backend::{Availability, DEFAULT, Entry, TABLE};

use super::output::{Output, Status, table};

/// List the backends that compute MSMs and NTTs, and whether they can run here
#[derive(clap::Args)]
pub(crate) struct Args {}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    summary: &'static str,
    default: bool,
    available: bool,
    /// The device in words, where the backend can run.
    device: Option<String>,
    /// The clock that cycles are converted to time with.
    clock_hz: Option<u64>,
    memory_bytes: Option<u64>,
    /// What is missing and how to get it, where the backend cannot run.
    missing: Option<String>,
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let rows: Vec<Row> = TABLE.iter().map(row).collect();
        output.result(&rows, |rows| {
            let cells = rows.iter().map(|row| {
                let name = if row.default {
                    format!("{} (default)", row.name)
                } else {
                    row.name.to_owned()
                };
                let state = row
                    .missing
                    .as_ref()
                    .or(row.device.as_ref())
                    .cloned()
                    .unwrap_or_default();
                [
                    name,
                    if row.available { "yes" } else { "no" }.to_owned(),
                    state,
                    row.summary.to_owned(),
                ]
            });
            table(["backend", "runs here", "device", "what it is"], usize::MAX, cells)
        })?;
        Ok(Status::Ok)
    }
}

fn row(entry: &Entry) -> Row {
    let opened = entry.open();
    let info = opened.as_ref().ok().map(|backend| backend.info());
    let missing = match (entry.availability(), &opened) {
        (Availability::Missing { reason, remedy }, _) => Some(format!("{reason}; {remedy}")),
        (Availability::Ready, Err(error)) => Some(error.to_string()),
        (Availability::Ready, Ok(_)) => None,
    };
    Row {
        name: entry.name,
        summary: entry.summary,
        default: entry.name == DEFAULT,
        available: opened.is_ok(),
        clock_hz: info.as_ref().and_then(|info| info.clock_hz),
        memory_bytes: info.as_ref().and_then(|info| info.memory_bytes),
        device: info.map(|info| info.device),
        missing,
    }
}
