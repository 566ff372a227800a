//! What the table of operators says of slots, against compiled programs.

use tapeout_prover::model::program::{Act, Layer, Program, Source};
use tapeout_prover::ops;

use crate::suite::{Imported, Suite};

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

/// A node test of an operator, and how often each unit of its cost occurs in it.
type Instance = (&'static str, &'static str, &'static [(&'static str, usize)]);

/// Where the units can be counted from shapes: an element is one of the first input, or of what it is broadcast to.
const INSTANCES: &[Instance] = &[
    (
        "ArgMax",
        "argmax_default_axis_example",
        &[("element", 4), ("output", 2)],
    ),
    (
        "ArgMin",
        "argmin_default_axis_example",
        &[("element", 4), ("output", 2)],
    ),
    ("Atan", "atan_example", &[("element", 3)]),
    ("Celu", "celu", &[("element", 27)]),
    ("Div", "div_example", &[("element", 2), ("divisor", 2)]),
    ("Div", "div_bcast", &[("element", 60), ("divisor", 5)]),
    ("Equal", "equal", &[("element", 60)]),
    ("Erf", "erf", &[("element", 3072)]),
    ("Exp", "exp_example", &[("element", 3)]),
    ("Floor", "floor_example", &[("element", 3)]),
    ("GlobalMaxPool", "globalmaxpool", &[("element", 75), ("output", 3)]),
    (
        "GroupNormalization",
        "group_normalization_example",
        &[("element", 48), ("group", 6)],
    ),
    ("HardSigmoid", "hardsigmoid_example", &[("element", 3)]),
    ("HardSwish", "hardswish", &[("element", 60)]),
    ("Hardmax", "hardmax_axis_0", &[("element", 60), ("row", 20)]),
    ("Hardmax", "hardmax_axis_2", &[("element", 60), ("row", 12)]),
    (
        "InstanceNormalization",
        "instancenorm_epsilon",
        &[("element", 120), ("channel", 6)],
    ),
    (
        "InstanceNormalization",
        "instancenorm_example",
        &[("element", 6), ("channel", 2)],
    ),
    ("LRN", "lrn", &[("element", 625)]),
    (
        "LayerNormalization",
        "layer_normalization_2d_axis0",
        &[("element", 12), ("row", 1)],
    ),
    (
        "LayerNormalization",
        "layer_normalization_2d_axis1",
        &[("element", 12), ("row", 3)],
    ),
    ("LeakyRelu", "leakyrelu_example", &[("element", 3)]),
    ("Log", "log_example", &[("element", 2)]),
    ("LogSoftmax", "logsoftmax_axis_0", &[("element", 60), ("row", 20)]),
    ("LogSoftmax", "logsoftmax_axis_2", &[("element", 60), ("row", 12)]),
    (
        "LpNormalization",
        "l2normalization_axis_0",
        &[("element", 12), ("row", 6)],
    ),
    (
        "LpNormalization",
        "l2normalization_axis_1",
        &[("element", 4), ("row", 2)],
    ),
    ("MeanVarianceNormalization", "mvn", &[("element", 27), ("row", 3)]),
    ("Mod", "mod_broadcast", &[("element", 30), ("divisor", 1)]),
    ("QuantizeLinear", "quantizelinear", &[("element", 6)]),
    (
        "RMSNormalization",
        "rms_normalization_2d_axis0",
        &[("element", 12), ("row", 1)],
    ),
    (
        "RMSNormalization",
        "rms_normalization_2d_axis1",
        &[("element", 12), ("row", 3)],
    ),
    ("Reciprocal", "reciprocal_example", &[("element", 2)]),
    (
        "ReduceL2",
        "reduce_l2_default_axes_keepdims_example",
        &[("element", 12), ("output", 1)],
    ),
    (
        "ReduceLogSumExp",
        "reduce_log_sum_exp_default_axes_keepdims_example",
        &[("element", 12), ("output", 1)],
    ),
    (
        "ReduceMax",
        "reduce_max_default_axes_keepdim_example",
        &[("element", 12), ("output", 1)],
    ),
    (
        "ReduceMin",
        "reduce_min_default_axes_keepdims_example",
        &[("element", 12), ("output", 1)],
    ),
    ("Round", "round", &[("element", 15)]),
];

/// `N per unit, M per unit`, for these counts.
fn evaluated(claim: &str, units: &[(&str, usize)]) -> usize {
    let term = |term: &str| {
        let (count, unit) = term.split_once(" per ").unwrap_or_else(|| panic!("{claim}"));
        let of = units
            .iter()
            .find(|(name, _)| *name == unit)
            .unwrap_or_else(|| panic!("{claim}: {unit}"));
        count.parse::<usize>().unwrap() * of.1
    };
    claim.split(", ").map(term).sum()
}

#[test]
fn what_operators_cost_is_what_compiled_programs_take() {
    let suite = Suite::load();
    let mut wrong = Vec::new();
    for (op, name, units) in INSTANCES {
        let claim = ops::supported().iter().find(|o| o.name == *op).unwrap().slots;
        let case = suite
            .cases
            .iter()
            .find(|c| c.name == *name)
            .unwrap_or_else(|| panic!("{name}"));
        let imported = Imported::new(&suite, case).unwrap();
        let found = slots_of(&imported.choose().unwrap().quantised.program);
        if evaluated(claim, units) != found {
            wrong.push(format!(
                "{op}: {claim}: {} for {name}, found {found}",
                evaluated(claim, units)
            ));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
