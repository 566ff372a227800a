//! The ONNX project's backend node tests in the quantised executor: `data/make_conformance.py` packed them.
//!
//! Every test is imported, calibrated with its own input, quantised, run in exact integers and compared with the expected output.
//! The outcome of each is in docs/onnx-conformance.md; a test here fails when that file says anything else. To write it anew:
//! `BLESS=1 cargo test -p tapeout-prover --test model_conformance`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde::Deserialize;
use tapeout_prover::model::{Calibration, Element, Error, Import, Limbs, Model, OpError, Quantised, Tensor};

/// Floats may differ by this much of the largest magnitude of the expected tensor, or of 1 where that is larger.
const TOLERANCE: f64 = 1.0 / 1024.0;

/// What a tensor of 8-bit mantissas is compared with.
const BFLOAT16_TOLERANCE: f64 = 1.0 / 128.0;

/// Operators that are constants whenever their inputs are, as the specification's uses of them have it.
const FOLDED: [&str; 7] = [
    "BlackmanWindow",
    "Constant",
    "ConstantOfShape",
    "EyeLike",
    "HammingWindow",
    "HannWindow",
    "Range",
];

#[derive(Deserialize)]
struct Case {
    name: String,
    op: String,
    expanded: bool,
    /// Element types beyond floats, integers and booleans; nothing else is given then.
    types: Option<String>,
    #[serde(default)]
    model: (usize, usize),
    #[serde(default)]
    inputs: Vec<Place>,
    #[serde(default)]
    outputs: Vec<Place>,
}

#[derive(Deserialize)]
struct Place {
    r#type: i32,
    shape: Vec<usize>,
    at: usize,
}

struct Suite {
    cases: Vec<Case>,
    blob: Vec<u8>,
}

impl Suite {
    fn load() -> Self {
        let packed = std::fs::read(root().join("prover/tests/data/conformance.gz")).unwrap();
        let mut bytes = Vec::new();
        flate2::read::GzDecoder::new(&packed[..])
            .read_to_end(&mut bytes)
            .unwrap();
        let (length, rest) = bytes.split_at(8);
        let (index, blob) = rest.split_at(u64::from_le_bytes(length.try_into().unwrap()) as usize);
        Self {
            cases: serde_json::from_slice(index).unwrap(),
            blob: blob.to_vec(),
        }
    }

    fn model(&self, case: &Case) -> &[u8] {
        &self.blob[case.model.0..][..case.model.1]
    }

    fn tensor(&self, place: &Place) -> Tensor {
        let element = Element::from_onnx(place.r#type).unwrap();
        let size = place.shape.iter().product::<usize>() * element.size();
        Tensor::from_le_bytes(element, place.shape.clone(), &self.blob[place.at..][..size]).unwrap()
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

enum Outcome {
    /// With the inputs that were given as constants.
    Passed(Vec<String>),
    Unsupported(String),
    Failed(String),
}

/// Names of the inputs that stay inputs, in order, and the model; inputs that operators need to know are constants.
fn import(bytes: &[u8], values: &BTreeMap<String, Tensor>) -> Result<(Model, Vec<String>), Error> {
    let mut import = Import {
        constant_outputs: true,
        ..Import::default()
    };
    loop {
        match Model::import(bytes, &import) {
            Ok(model) => return Ok((model, import.constants.into_keys().collect())),
            Err(Error::Node { inputs, source, .. })
                if matches!(*source, OpError::NotConstant { .. }) && !inputs.is_empty() =>
            {
                import.constants.extend(inputs.into_iter().map(|name| {
                    let value = values[&name].clone();
                    (name, value)
                }));
            }
            Err(error) => return Err(error),
        }
    }
}

/// The model's inputs in the order of the file, which is that of a test's values.
fn input_names(bytes: &[u8]) -> Vec<String> {
    #[derive(Clone, PartialEq, prost::Message)]
    struct ModelProto {
        #[prost(message, optional, tag = "7")]
        graph: Option<GraphProto>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct GraphProto {
        #[prost(message, repeated, tag = "11")]
        input: Vec<ValueInfoProto>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct ValueInfoProto {
        #[prost(string, tag = "1")]
        name: String,
    }
    let model: ModelProto = prost::Message::decode(bytes).unwrap();
    model.graph.unwrap().input.into_iter().map(|i| i.name).collect()
}

fn run(suite: &Suite, case: &Case) -> Outcome {
    if let Some(types) = &case.types {
        return Outcome::Unsupported(format!("element type {types}"));
    }
    let bytes = suite.model(case);
    let values: BTreeMap<String, Tensor> = input_names(bytes)
        .into_iter()
        .zip(case.inputs.iter().map(|p| suite.tensor(p)))
        .collect();
    let expected: Vec<Tensor> = case.outputs.iter().map(|p| suite.tensor(p)).collect();
    let finite = |t: &Tensor| t.to_floats().iter().all(|v| v.is_finite());
    if !values.values().chain(&expected).all(finite) {
        return Outcome::Unsupported("NaN or infinities in an input or output".into());
    }
    let (model, constants) = match import(bytes, &values) {
        Ok(imported) => imported,
        Err(error) => return Outcome::Unsupported(reason(&error)),
    };
    if model.inputs.is_empty() && !constants.is_empty() && !FOLDED.contains(&&case.op[..]) {
        return Outcome::Unsupported("all of its inputs would have to be constants".into());
    }
    let input: Vec<f64> = model.inputs.iter().flat_map(|i| values[&i.name].to_floats()).collect();
    let outputs = || -> Result<Vec<f64>, Error> {
        let calibration = Calibration::new(&model.program, std::slice::from_ref(&input))?;
        let quantised = Quantised::new(&model.program, &calibration, Limbs::new(12, 2, 2)?)?;
        let trace = quantised.run(&quantised.quantise_input(&input)?)?;
        Ok(quantised.dequantise_output(&trace.outputs))
    };
    let outputs = match outputs() {
        Ok(outputs) => outputs,
        Err(error) => return Outcome::Failed(reason(&error)),
    };
    let mut outputs = &outputs[..];
    for (port, (expected, place)) in model.outputs.iter().zip(expected.iter().zip(&case.outputs)) {
        if port.shape != expected.shape {
            return Outcome::Failed(format!("shape {:?}, expected {:?}", port.shape, expected.shape));
        }
        let (found, rest) = outputs.split_at(expected.shape.iter().product());
        outputs = rest;
        let expected = expected.to_floats();
        let element = Element::from_onnx(place.r#type).unwrap();
        let exact = !element.is_float();
        let tolerance = if element == Element::Bfloat16 {
            BFLOAT16_TOLERANCE
        } else {
            TOLERANCE
        };
        let size = expected.iter().fold(1.0f64, |m, v| m.max(v.abs()));
        let error = |(f, e): (&f64, &f64)| if exact { f.round() - e } else { f - e }.abs();
        let worst = found.iter().zip(&expected).map(error).fold(0.0, f64::max);
        if worst > if exact { 0.0 } else { size * tolerance } {
            return Outcome::Failed(format!("{} differs by {worst:.1e}", port.name));
        }
    }
    Outcome::Passed(constants)
}

/// What an error says but for the node's name, which is the test's.
fn reason(error: &Error) -> String {
    match error {
        Error::UnsupportedOp { op, .. } => format!("operator {op}"),
        Error::Node { op, source, .. } => format!("{op}: {source}"),
        other => other.to_string(),
    }
}

#[derive(Default)]
struct Count {
    passed: usize,
    unsupported: usize,
    failed: usize,
}

fn table(cases: &[Case], outcomes: &[Outcome]) -> (String, Count) {
    let (mut total, mut per_op) = (Count::default(), BTreeMap::<&str, Count>::new());
    let (mut reasons, mut constants) = (String::new(), BTreeMap::<String, BTreeSet<&str>>::new());
    for (case, outcome) in cases.iter().zip(outcomes).filter(|(c, _)| c.types.is_none()) {
        for count in [&mut total, per_op.entry(&case.op).or_default()] {
            *match outcome {
                Outcome::Passed(_) => &mut count.passed,
                Outcome::Unsupported(_) => &mut count.unsupported,
                Outcome::Failed(_) => &mut count.failed,
            } += 1;
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
            Outcome::Failed(why) => writeln!(reasons, "| {} | failed | {why} |", case.name).unwrap(),
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
    let mut out = String::from(include_str!("data/conformance_head.md"));
    writeln!(
        out,
        "**{} of {all} tests of floats, integers and booleans pass ({:.1} %)**; {} are not supported, {} fail.\n",
        total.passed,
        100.0 * total.passed as f64 / all as f64,
        total.unsupported,
        total.failed
    )
    .unwrap();
    out += "## By operator\n\nTests whose node is expanded into other operators count for the operator that they stand for.\n\n";
    out += "| operator | passed | not supported | failed |\n|---|--:|--:|--:|\n";
    for (op, c) in &per_op {
        writeln!(out, "| {op} | {} | {} | {} |", c.passed, c.unsupported, c.failed).unwrap();
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
    let (table, total) = table(&suite.cases, &outcomes);
    println!(
        "passed {}, not supported {}, failed {}",
        total.passed, total.unsupported, total.failed
    );
    check_file(&root().join("docs/onnx-conformance.md"), &table);
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
