//! What the table of operators says of slots, against compiled programs: every operator's figure is measured here.

use std::collections::{BTreeMap, BTreeSet};

use tapeout_prover::choice;
use tapeout_prover::model::program::{Act, Layer, Program, Source};
use tapeout_prover::model::{Calibration, Import, Limbs, Model, Quantised};
use tapeout_prover::ops;
use tapeout_prover::pipeline::SetupOptions;

use crate::instances::{INSTANCES, Instance, Units, VARIABLE_COSTS};
use crate::suite::{Case, Imported, Suite, root};

/// Slots of a layer: one per value, and one that closes each window.
fn slots(layer: &Layer<i64>) -> usize {
    let values = layer.channels * layer.positions();
    match layer.act {
        Act::MaxPool { .. } => values + values / layer.window(),
        _ => values,
    }
}

/// Slots of a program but for those that only write linear maps as outputs, which would be part of whatever reads them.
fn slots_of(program: &Program<i64>) -> usize {
    let layer_of = |s: &Source<i64>| match s {
        Source::Layer { layer, .. } => Some(*layer as usize),
        Source::Input(_) | Source::Const(_) => None,
    };
    let reads = |layer: &Layer<i64>, which: &dyn Fn(usize) -> bool| layer.sources().filter_map(layer_of).any(which);
    let counted = program.layers.iter().enumerate().filter(|(i, layer)| {
        let raw = |l: usize| program.layers[l].act.is_raw();
        let is_read = program.layers.iter().any(|other| reads(other, &|l| l == *i));
        let passes_on = layer.act == Act::Requant && layer.scale.is_none() && !reads(layer, &raw) && !is_read;
        !passes_on
    });
    counted.map(|(_, layer)| slots(layer)).sum()
}

/// Slots of a model on these samples. How many there are does not depend on the limbs.
fn measured(model: &Model, samples: &[Vec<f64>]) -> Result<usize, String> {
    let usual = Calibration::new(&model.program, samples)
        .and_then(|calibration| Quantised::new(&model.program, &calibration, Limbs { bits: 12, hi: 2, lo: 2 }));
    let quantised = match usual {
        Ok(quantised) => quantised,
        Err(_) => {
            let chosen = choice::choose(model, samples, SetupOptions::default());
            chosen.map_err(|e| e.to_string())?.quantised
        }
    };
    Ok(slots_of(&quantised.program))
}

/// A node test with these inputs as constants, besides those that the operator must know.
fn with_constants(suite: &Suite, case: &Case, constants: impl Fn(usize, &str) -> bool) -> Result<usize, String> {
    let values = crate::suite::values(suite, case);
    let mut import = Import {
        constant_outputs: true,
        ..Import::default()
    };
    let given = values.iter().enumerate().filter(|(i, (name, _))| constants(*i, name));
    import.constants = given.map(|(_, (name, value))| (name.clone(), value.clone())).collect();
    let all: BTreeMap<_, _> = values.iter().cloned().collect();
    let (model, _) = crate::suite::import_with(suite.model(case), &all, import).map_err(|e| e.to_string())?;
    let input: Vec<f64> = model.inputs.iter().flat_map(|i| all[&i.name].to_floats()).collect();
    match model.inputs.is_empty() {
        true => Ok(0),
        false => measured(&model, &[input]),
    }
}

/// `N per unit, M per unit`, for these counts: of all units, and of no others.
fn evaluated(claim: &str, units: Units) -> Result<usize, String> {
    let terms: Vec<(&str, &str)> = claim.split(", ").filter_map(|term| term.split_once(" per ")).collect();
    if !terms.iter().map(|t| t.1).eq(units.iter().map(|u| u.0)) {
        return Err(format!("other units: {units:?}"));
    }
    let term = |((count, _), unit): (&(&str, &str), &(&str, usize))| count.parse::<usize>().unwrap() * unit.1;
    Ok(terms.iter().zip(units).map(term).sum())
}

fn claim(op: &str) -> &'static str {
    let found = ops::supported().iter().find(|o| o.name == op);
    found.unwrap_or_else(|| panic!("{op}")).slots
}

fn case<'a>(suite: &'a Suite, name: &str) -> &'a Case {
    let found = suite.cases.iter().find(|c| c.name == name);
    found.unwrap_or_else(|| panic!("{name}"))
}

fn found(suite: &Suite, instance: &Instance) -> Result<usize, String> {
    let found = match instance.model {
        true => {
            let file = root().join(format!("prover/tests/data/ops/{}.onnx", instance.name));
            measured(&Model::load(file).unwrap(), &[])
        }
        false => with_constants(suite, case(suite, instance.name), |_, name| {
            instance.constants.contains(&name)
        }),
    };
    let own = |slots: usize| slots.checked_add_signed(-instance.besides);
    found.and_then(|slots| own(slots).ok_or_else(|| format!("{slots} in all")))
}

#[test]
fn what_operators_cost_is_what_compiled_programs_take() {
    let suite = Suite::load();
    let mut wrong = Vec::new();
    for instance in INSTANCES {
        let claim = claim(instance.op);
        let (evaluated, found) = (evaluated(claim, instance.units), found(&suite, instance));
        if found.is_err() || found != evaluated {
            let (op, name) = (instance.op, instance.name);
            wrong.push(format!("{op}: {claim}: {evaluated:?} for {name}, found {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// With everything but the first input constant; and with all inputs variable, but for operators of which the table says what
/// that costs.
#[test]
fn what_costs_nothing_takes_no_slots_in_any_node_test() {
    let suite = Suite::load();
    let free = ops::supported().iter().filter(|o| o.slots == "0");
    let free: BTreeMap<&str, &str> = free.map(|o| (o.short_name(), o.name)).collect();
    let (mut seen, mut wrong) = (BTreeSet::new(), Vec::new());
    for case in suite.cases.iter().filter(|c| c.types.is_none() && !c.expanded) {
        let Some(op) = free.get(&case.op[..]) else { continue };
        let named = INSTANCES.iter().any(|i| i.name == case.name);
        // What is a maximum, a minimum or a product of several costs what those do.
        let reduces = case.op.starts_with("Scatter") && ["max", "min", "mul"].iter().any(|r| case.name.contains(r));
        if named || reduces || Imported::new(&suite, case).is_err() {
            continue;
        }
        let mut ways = vec![with_constants(&suite, case, |i, _| i > 0)];
        if !VARIABLE_COSTS.contains(op) {
            ways.push(with_constants(&suite, case, |_, _| false));
        }
        for way in ways {
            match way {
                Ok(0) => _ = seen.insert(*op),
                Ok(n) => wrong.push(format!("{}: {n}", case.name)),
                // The outcomes are docs/onnx-conformance.md's.
                Err(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    let instances = INSTANCES.iter().map(|i| i.op);
    let covered: BTreeSet<&str> = seen.into_iter().chain(instances).collect();
    let all = ops::supported().iter().map(|o| o.name);
    let missing: Vec<_> = all.filter(|name| !covered.contains(name)).collect();
    assert!(
        missing.is_empty(),
        "no compiled program says what these cost: {missing:?}"
    );
}
