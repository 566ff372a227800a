//! The circuit of every operator, each of its cells changed alone (`plonk/tests/mutation.rs`): compiled from the smallest of the ONNX
//! project's node tests, or of the models in `tests/data/ops`.
#![allow(clippy::expect_used)]

#[allow(dead_code)]
#[path = "../../../tests/model_conformance/suite.rs"]
mod suite;

use std::collections::BTreeMap;
use std::path::Path;

use rayon::prelude::*;
use suite::{Imported, Suite, root};

use crate::keys::powers_needed;
use crate::layout::{self, Disclosure};
use crate::model::program::Act;
use crate::model::{Calibration, Limbs, Model, Quantised};
use crate::ops;
use crate::plonk::cs::Shape;
use crate::plonk::tests::mutation::{HARMLESS, survivors};
use crate::plonk::tests::srs;

/// The circuits that every run of the tests goes through.
const FEW: [&str; 8] = [
    "ArgMax",
    "Div",
    "Equal",
    "LayerNormalization",
    "MatMul",
    "Sigmoid",
    "Softmax",
    "Where",
];

/// Traces of 128 rows; where that is too few, or values are too large for 14 bits, of up to 1024.
const LIMBS: [Limbs; 4] = [
    Limbs { bits: 7, hi: 2, lo: 2 },
    Limbs { bits: 8, hi: 2, lo: 2 },
    Limbs { bits: 9, hi: 2, lo: 2 },
    Limbs { bits: 10, hi: 2, lo: 2 },
];

struct Circuit {
    name: String,
    quantised: Quantised,
    shape: Shape,
    input: Vec<i64>,
}

/// A model for limbs that it and its input fit.
fn circuit(name: &str, model: &Model, input: &[f64]) -> Option<Circuit> {
    let calibration = Calibration::new(&model.program, &[input.to_vec()]).ok()?;
    LIMBS.into_iter().find_map(|limbs| {
        let quantised = Quantised::new(&model.program, &calibration, limbs).ok()?;
        let need = layout::demand(&quantised.program, 1, Disclosure::default());
        if need.rows(1) > 1 << limbs.bits {
            return None;
        }
        let acts = quantised.program.layers.iter().map(|l| l.act);
        let shape = layout::shape_for(limbs, 1, acts, quantised.program.functions.len(), Disclosure::default());
        let powers = powers_needed(&quantised.program, &shape, Disclosure::default()).ok()?;
        if powers.g1 > srs().powers_g1().len() || powers.g2 > srs().powers_g2().len() {
            return None;
        }
        let input = quantised.quantise_input(input).ok()?;
        quantised.run(&input).ok()?;
        Some(Circuit {
            name: name.to_owned(),
            quantised,
            shape,
            input,
        })
    })
}

/// The smallest circuit of an operator.
fn smallest(suite: &Suite, op: &ops::Op) -> Option<Circuit> {
    let own = |c: &&suite::Case| c.op == op.short_name() && !c.expanded && c.types.is_none();
    let size = |c: &suite::Case| {
        let places = c.inputs.iter().chain(&c.outputs);
        places.map(|p| p.shape.iter().product::<usize>()).sum::<usize>()
    };
    let mut cases: Vec<_> = suite.cases.iter().filter(own).collect();
    cases.sort_by_key(|c| size(c));
    let tests = cases.into_iter().filter_map(|case| {
        let imported = Imported::new(suite, case).ok()?;
        let circuit = circuit(&case.name, &imported.model, &imported.input)?;
        // One that its constants leave nothing of but sums would show nothing.
        let layers = &circuit.quantised.program.layers;
        (layers.len() > 1 || layers[0].act != Act::Requant).then_some(circuit)
    });
    tests.take(3).min_by_key(|c| c.shape.n())
}

/// A model of `tests/data/ops` that has the operator.
fn from_files(op: &ops::Op) -> Option<Circuit> {
    let folder = root().join("prover/tests/data/ops");
    let cases = std::fs::read(folder.join("cases.json")).unwrap();
    let cases: BTreeMap<String, serde_json::Value> = serde_json::from_slice(&cases).unwrap();
    let found = cases.iter().filter_map(|(name, case)| {
        let model = Model::load(Path::new(&folder).join(format!("{name}.onnx"))).ok()?;
        let input: Vec<f64> = serde_json::from_value(case["inputs"][0].clone()).ok()?;
        model
            .summary
            .ops
            .contains_key(op.name)
            .then(|| circuit(name, &model, &input))?
    });
    found.min_by_key(|c| c.shape.n())
}

/// Scans the circuits of these operators; returns those of which there is none.
fn scan(wanted: impl Fn(&str) -> bool + Sync) -> Vec<&'static str> {
    let suite = Suite::load();
    let ops: Vec<_> = ops::supported().iter().filter(|op| wanted(op.name)).collect();
    let missing = ops.into_par_iter().filter_map(|op| {
        let Some(circuit) = smallest(&suite, op).or_else(|| from_files(op)) else {
            return Some(op.name);
        };
        let Circuit {
            name,
            quantised,
            shape,
            input,
        } = circuit;
        let found = survivors(&format!("{} ({name})", op.name), &quantised.program, &shape, &input);
        assert!(found.keys().all(|why| HARMLESS.contains(why)));
        None
    });
    missing.collect()
}

#[test]
fn no_cell_of_these_circuits_is_free() {
    assert!(scan(|name| FEW.contains(&name)).is_empty());
}

/// `make test-conformance`
#[test]
#[ignore = "takes minutes"]
fn no_cell_of_any_operator_is_free() {
    let missing = scan(|name| ops::find(name).is_some_and(|op| op.slots != "0"));
    assert!(missing.is_empty(), "{missing:?}");
}
