//! `tapeout ops`

use serde::Serialize;
use tapeout_prover::ops;

use super::output::{Output, Status, table};

/// List the ONNX operators that can be proven, what each becomes and what it costs in slots
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Print the page docs/ops.md in place of a table
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
}

#[derive(Serialize)]
struct Row {
    name: &'static str,
    domain: &'static str,
    lowers_to: &'static str,
    slots: &'static str,
    doc: &'static str,
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let rows: Vec<Row> = ops::supported()
            .iter()
            .map(|op| Row {
                name: op.short_name(),
                domain: op.domain(),
                lowers_to: op.lowers_to,
                slots: op.slots,
                doc: op.doc,
            })
            .collect();
        output.result(&rows, |rows| {
            if self.markdown {
                return ops::markdown();
            }
            let cells = rows
                .iter()
                .map(|r| [r.name, r.domain, r.lowers_to, r.slots, r.doc].map(str::to_owned));
            table(["operator", "domain", "lowers to", "slots", "forms"], usize::MAX, cells)
        })?;
        Ok(Status::Ok)
    }
}
