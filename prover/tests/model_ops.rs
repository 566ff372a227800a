//! Every operator, and the combinations that fuse, against onnxruntime: `data/make_models.py` wrote the models and outputs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;
use tapeout_prover::model::program::{Act, Layer};
use tapeout_prover::model::{Calibration, Limbs, Model, Quantised, execute, interval};
use tapeout_prover::ops;

#[derive(Deserialize)]
struct Case {
    shape: Vec<usize>,
    inputs: Vec<Vec<f64>>,
    outputs: Vec<Vec<f64>>,
}

fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/ops")
}

fn cases() -> BTreeMap<String, Case> {
    serde_json::from_str(&std::fs::read_to_string(data().join("cases.json")).unwrap()).unwrap()
}

fn load(name: &str) -> Model {
    Model::load(data().join(format!("{name}.onnx"))).unwrap_or_else(|e| panic!("{name}: {e}"))
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn every_case_agrees_with_onnxruntime_in_floats() {
    for (name, case) in cases() {
        let model = load(&name);
        assert_eq!(model.program.output_shape, case.shape, "{name}");
        for (input, output) in case.inputs.iter().zip(&case.outputs) {
            let trace = execute::float(&model.program, input).unwrap();
            let error = largest_difference(&trace.outputs, output);
            assert!(error < 3e-6, "{name}: {error:e}");
        }
    }
}

#[test]
fn every_case_agrees_with_onnxruntime_quantised() {
    // Weights keep as many bits behind the point as the shift has, so that the error follows `bits * lo`: 24, 24, 20, 16.
    for (bits, hi, lo, tolerance) in [(12, 2, 2, 2e-5), (8, 3, 3, 2e-5), (10, 3, 2, 5e-5), (16, 2, 1, 3e-4)] {
        let limbs = Limbs::new(bits, hi, lo).unwrap();
        let mut worst = (0.0, String::new());
        for (name, case) in cases() {
            let model = load(&name);
            let calibration = Calibration::new(&model.program, &case.inputs).unwrap();
            let quantised = Quantised::new(&model.program, &calibration, limbs).unwrap();
            interval::bounds(&quantised.program, &limbs).unwrap();
            for (input, output) in case.inputs.iter().zip(&case.outputs) {
                let trace = quantised.run(&quantised.quantise_input(input).unwrap()).unwrap();
                // Relative, since errors grow with what they are errors of.
                let size = output.iter().fold(1.0f64, |m, v| m.max(v.abs()));
                let error = largest_difference(&quantised.dequantise_output(&trace.outputs), output) / size;
                worst = if error > worst.0 { (error, name.clone()) } else { worst };
                // Tables have at most as many rows as a limb has values; layouts make room for 2^10.
                let coarse = bits < 10 && !model.program.functions.is_empty();
                let tolerance = if coarse { 3e-4 } else { tolerance };
                assert!(error < tolerance, "{name}, {limbs:?}: {error:e}");
            }
        }
        println!("{limbs:?}: largest error {:e} ({})", worst.0, worst.1);
    }
}

/// Kinds of a model's layers, in order: requantised, rectified, pooled, pooled with a ReLU, others.
fn acts(layers: &[Layer<f64>]) -> String {
    let kind = |l: &Layer<f64>| match l.act {
        Act::Requant => 'q',
        Act::Relu => 'r',
        Act::MaxPool { relu: false } => 'm',
        Act::MaxPool { relu: true } => 'M',
        _ => '?',
    };
    layers.iter().map(kind).collect()
}

#[test]
fn layers_fuse() {
    for (name, expected) in [
        ("conv_bn_relu", "r"),
        ("conv_normalised_input", "q"),
        ("conv_mean_image", "qq"),
        ("conv_position_bias", "r"),
        ("conv_position_scale", "qq"),
        ("conv_relu_max_pool", "M"),
        ("conv_max_pool_relu", "M"),
        ("conv_max_pool", "m"),
        ("conv_max_pool_pad", "qm"),
        ("conv_1d_max_pool", "M"),
        ("relu_max_pool_relu", "M"),
        ("max_pool_negated", "m"),
        ("residual", "rrq"),
        ("residual_downsample", "rr"),
        ("conv_relu_average_pool", "rq"),
        ("average_pool_pad", "q"),
        ("gemm_activation_bias", "rq"),
        ("add_gemms", "r"),
        ("matmul_column_scaled", "q"),
        ("matmul_row_scaled", "qq"),
        ("linear_read_twice", "qrq"),
        ("clip", "rrq"),
        ("relu6", "rr"),
        ("relu6_conv", "rr"),
        ("relu6_max_pool", "rM"),
        ("clip_offset_conv", "rrq"),
        ("clip_min", "rq"),
        ("leaky_relu", "rq"),
        ("leaky_relu_conv", "qrq"),
        ("pad_scaled", "q"),
        ("concat_scaled", "rq"),
        ("mobile_block", "rrrrqqq"),
        ("lenet_small", "MMrq"),
        ("flatten_by_shape", "q"),
    ] {
        assert_eq!(acts(&load(name).program.layers), expected, "{name}");
    }
}

#[test]
fn blocks_are_compact() {
    let blocks = |name: &str| -> Vec<usize> {
        load(name)
            .program
            .layers
            .iter()
            .flat_map(|l| &l.terms)
            .map(|t| t.block.len())
            .collect()
    };
    assert_eq!(blocks("conv"), [2 * 6 * 7]);
    // Rows of 6 share a pad; 5 rows and a shared pad row per channel; a row of pads, and one pad, on either side.
    assert_eq!(blocks("conv_pad"), [2 * 6 * 7 + 7 + 1]);
    // Of 7 x 7, strides 2 read 4 x 4.
    assert_eq!(blocks("conv_pointwise_stride"), [3 * 4 * 4]);
    // The last row of 7 and the last column of 5 are read by no window.
    assert_eq!(blocks("max_pool_cropped"), [2 * 6 * 4]);
    assert_eq!(blocks("gemm"), [6]);
}

#[test]
fn a_fused_pool_has_a_position_per_window_and_element() {
    let model = load("lenet_small");
    let layer = &model.program.layers[0];
    assert_eq!((layer.channels, layer.dims.as_slice()), (3, &[3, 3, 2, 2][..]));
    assert_eq!(layer.terms[0].strides, [18, 2, 9, 1]);
    assert_eq!(layer.name, "Conv(t0_0) + Relu(t1_0) + MaxPool(t2_0)");
}

#[test]
fn summaries_count_nodes_parameters_and_macs() {
    let summary = load("lenet_small").summary;
    assert_eq!(
        (summary.nodes, summary.params),
        (10, 3 * 9 + 3 + 4 * 12 + 4 + 20 + 5 + 15 + 3)
    );
    assert_eq!(summary.macs, 49 * 27 + 4 * 48 + 20 + 15);
    assert_eq!(summary.ops["Relu"], 3);
}

#[test]
fn every_operator_has_a_case() {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    cases().keys().for_each(|name| seen.extend(load(name).summary.ops));
    // Those of the ONNX project's node tests that pass; `model_conformance` holds the table to what it runs.
    let table = include_str!("../../docs/onnx-conformance.md");
    seen.extend(table.lines().filter_map(|line| {
        let cells: Vec<&str> = line.split('|').map(str::trim).collect();
        let passed = cells.get(2)?.parse().ok().filter(|passed| *passed > 0)?;
        Some((cells[1].to_owned(), passed))
    }));
    let missing: Vec<_> = ops::supported()
        .iter()
        .filter(|op| !seen.contains_key(op.name))
        .map(|op| op.name)
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(ops::supported().is_sorted_by_key(|op| op.name));
}
