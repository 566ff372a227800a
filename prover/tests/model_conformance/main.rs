//! The ONNX project's backend node tests in the quantised executor: `data/make_conformance.py` packed them.
//!
//! Every test is imported, calibrated with its own input, quantised, run in exact integers and compared with the expected output.
//! The outcome of each is in docs/onnx-conformance.md; a test here fails when that file says anything else. To write it anew:
//! `BLESS=1 cargo test -p tapeout-prover --test model_conformance`. Beside it stands what EZKL makes of the same tests, which
//! `make bench-ezkl-conformance` measured.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

mod instances;
mod proofs;
mod slots;
mod suite;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;

use rayon::prelude::*;
use serde::Deserialize;
use suite::{Case, Imported, Suite, root};
use tapeout_prover::model::Element;

/// Floats may differ by this much of the largest magnitude of the expected tensor, or of 1 where that is larger.
const TOLERANCE: f64 = 1.0 / 1024.0;

/// What a tensor of 8-bit mantissas is compared with.
const BFLOAT16_TOLERANCE: f64 = 1.0 / 128.0;

/// What is behind failures, by how the tests' names begin.
const CAUSES: [(&str, &str); 3] = [
    (
        "bitshift_left_int32_overflow",
        "the expected value has wrapped around at 32 bits, which integers of a proof do not",
    ),
    (
        "dynamicquantizelinear",
        "-2.5 by a scale of 5/255 is -127.5, a tie; expected is what a quotient of 32-bit floats rounds to, which is just above it",
    ),
    (
        "reduce_log_sum_exp",
        "the expanded graph takes the exponential of 60, which is 10^26; the operator itself subtracts the largest first and passes",
    ),
];

enum Outcome {
    /// With the inputs that were given as constants.
    Passed(Vec<String>),
    Unsupported(String),
    Failed(String),
}

fn tolerance(element: Element) -> f64 {
    match element {
        Element::Bfloat16 => BFLOAT16_TOLERANCE,
        _ => TOLERANCE,
    }
}

fn run(suite: &Suite, case: &Case) -> Outcome {
    let imported = match Imported::new(suite, case) {
        Ok(imported) => imported,
        Err(why) => return Outcome::Unsupported(why),
    };
    let outputs = imported.choose().and_then(|choice| {
        let quantised = choice.quantised;
        let input = quantised
            .quantise_input(&imported.input)
            .map_err(|e| suite::reason(&e))?;
        let trace = quantised.run(&input).map_err(|e| suite::reason(&e))?;
        Ok(quantised.dequantise_output(&trace.outputs))
    });
    match outputs.and_then(|outputs| compare(&imported, case, &outputs)) {
        Ok(()) => Outcome::Passed(imported.constants),
        Err(why) => Outcome::Failed(why),
    }
}

/// Compares outputs, one behind the other, with what is expected.
fn compare(imported: &Imported, case: &Case, mut outputs: &[f64]) -> Result<(), String> {
    for (port, (expected, place)) in imported
        .model
        .outputs
        .iter()
        .zip(imported.expected.iter().zip(&case.outputs))
    {
        if port.shape != expected.shape {
            return Err(format!("shape {:?}, expected {:?}", port.shape, expected.shape));
        }
        let (found, rest) = outputs.split_at(expected.shape.iter().product());
        outputs = rest;
        let expected = expected.to_floats();
        let element = Element::from_onnx(place.r#type).unwrap();
        let exact = !element.is_float();
        let size = expected.iter().fold(1.0f64, |m, v| m.max(v.abs()));
        let error = |(f, e): (&f64, &f64)| if exact { f.round() - e } else { f - e }.abs();
        let worst = found.iter().zip(&expected).map(error).fold(0.0, f64::max);
        if worst > if exact { 0.0 } else { size * tolerance(element) } {
            return Err(format!("{} differs by {worst:.1e}", port.name));
        }
    }
    Ok(())
}

/// What EZKL makes of the tests.
#[derive(Deserialize)]
struct Peer {
    ezkl: String,
    tests: BTreeMap<String, PeerOutcome>,
}

#[derive(Deserialize)]
struct PeerOutcome {
    /// Relative to the largest expected magnitude or 1; of integers the error itself.
    error: Option<f64>,
}

impl Peer {
    fn load() -> Self {
        let text = std::fs::read_to_string(root().join("prover/tests/data/ezkl_conformance.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    fn passes(&self, case: &Case) -> bool {
        let of = |p: &suite::Place| tolerance(Element::from_onnx(p.r#type).unwrap());
        let tolerance = case.outputs.iter().map(of).fold(TOLERANCE, f64::max);
        self.tests[&case.name].error.is_some_and(|e| e <= tolerance)
    }
}

#[derive(Default)]
struct Count {
    passed: usize,
    unsupported: usize,
    failed: usize,
    ezkl: usize,
}

fn table(cases: &[Case], outcomes: &[Outcome], peer: &Peer) -> (String, Count) {
    let (mut total, mut per_op) = (Count::default(), BTreeMap::<&str, Count>::new());
    let (mut reasons, mut constants) = (String::new(), BTreeMap::<String, BTreeSet<&str>>::new());
    for (case, outcome) in cases.iter().zip(outcomes).filter(|(c, _)| c.types.is_none()) {
        for count in [&mut total, per_op.entry(&case.op).or_default()] {
            *match outcome {
                Outcome::Passed(_) => &mut count.passed,
                Outcome::Unsupported(_) => &mut count.unsupported,
                Outcome::Failed(_) => &mut count.failed,
            } += 1;
            count.ezkl += usize::from(peer.passes(case));
        }
        match outcome {
            Outcome::Passed(names) => {
                for name in names {
                    constants
                        .entry(format!("{} ({name})", case.op))
                        .or_default()
                        .insert(&case.name);
                }
            }
            Outcome::Unsupported(why) => writeln!(reasons, "| {} | not supported | {why} |", case.name).unwrap(),
            Outcome::Failed(why) => {
                let cause = CAUSES.iter().find(|(name, _)| case.name.starts_with(name));
                let cause = cause.map_or(String::new(), |(_, cause)| format!(" ({cause})"));
                writeln!(reasons, "| {} | failed | {why}{cause} |", case.name).unwrap();
            }
        }
    }
    let all = total.passed + total.unsupported + total.failed;
    let others: BTreeMap<&str, usize> =
        cases
            .iter()
            .filter_map(|c| c.types.as_deref())
            .fold(BTreeMap::new(), |mut m, t| {
                *m.entry(t).or_default() += 1;
                m
            });
    let mut out = String::from(include_str!("../data/conformance_head.md"));
    writeln!(
        out,
        "**{} of {all} tests of floats, integers and booleans pass ({:.1} %)**; {} are not supported, {} fail.\n",
        total.passed,
        100.0 * total.passed as f64 / all as f64,
        total.unsupported,
        total.failed
    )
    .unwrap();
    writeln!(
        out,
        "**EZKL {} passes {} of the same tests ({:.1} %)**, counted by the same tolerances.\n",
        peer.ezkl,
        total.ezkl,
        100.0 * total.ezkl as f64 / all as f64
    )
    .unwrap();
    out += include_str!("../data/conformance_ezkl.md");
    out += "\n## By operator\n\nTests whose node is expanded into other operators count for the operator that they stand for.\n\n";
    out += "| operator | passed | not supported | failed | EZKL passes |\n|---|--:|--:|--:|--:|\n";
    for (op, c) in &per_op {
        writeln!(
            out,
            "| {op} | {} | {} | {} | {} |",
            c.passed, c.unsupported, c.failed, c.ezkl
        )
        .unwrap();
    }
    out += "\n## Inputs that were given as constants\n\n";
    out += "What an operator must know when the model is compiled is no input of a proof. In these tests it is given as a constant.\n\n";
    out += "| operator (input) | tests that pass |\n|---|--:|\n";
    for (input, tests) in &constants {
        writeln!(out, "| {input} | {} |", tests.len()).unwrap();
    }
    out += "\n## Tests that do not pass\n\n| test | outcome | reason |\n|---|---|---|\n";
    out += &reasons;
    out += "\n## Tests of other types\n\nNot counted above.\n\n| type | tests |\n|---|--:|\n";
    for (types, n) in others {
        writeln!(out, "| {types} | {n} |").unwrap();
    }
    (out, total)
}

#[test]
fn the_table_of_outcomes_is_up_to_date() {
    let suite = Suite::load();
    let outcomes: Vec<Outcome> = suite
        .cases
        .par_iter()
        .map(|case| {
            let outcome = std::panic::catch_unwind(|| run(&suite, case));
            outcome.unwrap_or_else(|_| Outcome::Failed("panic".into()))
        })
        .collect();
    let (table, total) = table(&suite.cases, &outcomes, &Peer::load());
    println!(
        "passed {}, not supported {}, failed {}",
        total.passed, total.unsupported, total.failed
    );
    check_file(&root().join("docs/onnx-conformance.md"), &table);
    let failed = |prefix: &&(&str, &str)| {
        let mut both = suite.cases.iter().zip(&outcomes);
        both.any(|(case, outcome)| case.name.starts_with(prefix.0) && matches!(outcome, Outcome::Failed(_)))
    };
    assert!(CAUSES.iter().all(|cause| failed(&cause)), "a cause of nothing");
    assert!(suite.cases.iter().filter(|c| c.expanded).count() > 400);
}

/// Compares a generated file with what it should be, or writes it.
fn check_file(path: &Path, expected: &str) {
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(path, expected).unwrap();
        return;
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    let differs = found.lines().zip(expected.lines()).find(|(a, b)| a != b);
    assert!(
        found == expected,
        "{} is out of date: {differs:?}; run with BLESS=1 to write it anew",
        path.display()
    );
}
