//! The sample models: quantised inference against onnxruntime's outputs, on every sample.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::path::PathBuf;

use serde_json::Value;
use tapeout_prover::model::{Calibration, Limbs, Model, Quantised};

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}

fn rows(name: &str, file: &str, key: &str) -> Vec<Vec<f64>> {
    let text = std::fs::read_to_string(folder(name).join(file)).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    serde_json::from_value(value[key].clone()).unwrap()
}

fn argmax(values: &[f64]) -> usize {
    (0..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

fn check(name: &str, limbs: Limbs, calibrated: bool, tolerance: f64) {
    let model = Model::load(folder(name).join("network.onnx")).unwrap();
    let samples = rows(name, "samples.json", "samples");
    let expected = rows(name, "samples.json", "outputs");
    let given: &[_] = if calibrated { &samples } else { &[] };
    let calibration = Calibration::new(&model.program, given).unwrap();
    let quantised = Quantised::new(&model.program, &calibration, limbs).unwrap();
    let mut worst: f64 = 0.0;
    assert!(!samples.is_empty() && samples.len() == expected.len());
    for (sample, expected) in samples.iter().zip(&expected) {
        let trace = quantised.run(&quantised.quantise_input(sample).unwrap()).unwrap();
        let outputs = quantised.dequantise_output(&trace.outputs);
        assert_eq!(outputs.len(), expected.len());
        assert_eq!(argmax(&outputs), argmax(expected), "{name}: another class");
        outputs
            .iter()
            .zip(expected)
            .for_each(|(a, b)| worst = worst.max((a - b).abs()));
    }
    println!(
        "{name}: {limbs:?}: largest error {worst:e} over {} samples",
        samples.len()
    );
    assert!(worst < tolerance, "{name}: error {worst}");
}

#[test]
fn linreg() {
    check("linreg", Limbs::new(8, 3, 3).unwrap(), true, 1e-4);
}

#[test]
fn mlp_mnist() {
    check("mlp_mnist", Limbs::new(11, 2, 2).unwrap(), true, 1e-4);
}

#[test]
fn lenet5() {
    check("lenet5", Limbs::new(12, 2, 2).unwrap(), true, 1e-4);
}

#[test]
fn cnn_264k() {
    check("cnn_264k", Limbs::new(13, 2, 2).unwrap(), true, 1e-4);
}
