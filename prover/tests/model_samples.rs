//! The example models: quantised inference against onnxruntime's outputs, on every sample.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::path::PathBuf;

use serde_json::Value;
use tapeout_prover::model::{Calibration, Limbs, Model, Quantised, calibrate, execute, interval, io};

/// Each model with the limbs that its layout takes.
const MODELS: [(&str, (u32, u32, u32)); 4] = [
    ("linreg", (8, 3, 3)),
    ("mlp_mnist", (11, 2, 2)),
    ("lenet5", (12, 2, 2)),
    ("cnn_264k", (13, 2, 2)),
];

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)
}

struct Example {
    model: Model,
    samples: Vec<Vec<f64>>,
    outputs: Vec<Vec<f64>>,
}

fn load(name: &str) -> Example {
    let model = Model::load(folder(name).join("network.onnx")).unwrap();
    let path = folder(name).join("samples.json");
    let value: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    let samples = io::read_samples(&path, model.program.input_len()).unwrap();
    let outputs: Vec<Vec<f64>> = serde_json::from_value(value["outputs"].clone()).unwrap();
    assert!(!samples.is_empty() && samples.len() == outputs.len());
    Example {
        model,
        samples,
        outputs,
    }
}

fn argmax(values: &[f64]) -> usize {
    (0..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

impl Example {
    /// The largest error over all samples of the model calibrated with the given ones.
    fn worst(&self, calibrate_with: &[Vec<f64>], limbs: (u32, u32, u32)) -> f64 {
        let limbs = Limbs::new(limbs.0, limbs.1, limbs.2).unwrap();
        let calibration = Calibration::new(&self.model.program, calibrate_with).unwrap();
        let quantised = Quantised::new(&self.model.program, &calibration, limbs).unwrap();
        let mut worst: f64 = 0.0;
        for (sample, expected) in self.samples.iter().zip(&self.outputs) {
            let trace = quantised.run(&quantised.quantise_input(sample).unwrap()).unwrap();
            let outputs = quantised.dequantise_output(&trace.outputs);
            assert_eq!(outputs.len(), expected.len());
            assert_eq!(argmax(&outputs), argmax(expected));
            outputs
                .iter()
                .zip(expected)
                .for_each(|(a, b)| worst = worst.max((a - b).abs()));
        }
        worst
    }
}

#[test]
fn outputs_are_onnxruntimes() {
    for (name, limbs) in MODELS {
        let example = load(name);
        let worst = example.worst(&example.samples, limbs);
        println!(
            "{name}: largest error {worst:.1e} over {} samples",
            example.samples.len()
        );
        assert!(worst < 1e-4, "{name}: {worst}");
    }
}

#[test]
fn one_sample_calibrates_for_the_others() {
    for (name, limbs) in MODELS {
        let example = load(name);
        for sample in &example.samples {
            let worst = example.worst(std::slice::from_ref(sample), limbs);
            assert!(worst < 1e-4, "{name}: {worst}");
        }
    }
}

#[test]
fn random_inputs_calibrate_for_the_samples() {
    for (name, limbs) in MODELS {
        let worst = load(name).worst(&[], limbs);
        println!("{name}: largest error {worst:.1e} without samples");
        assert!(worst < 1e-3, "{name}: {worst}");
    }
}

#[test]
fn every_width_of_limbs_is_accurate() {
    for (name, _) in MODELS {
        let example = load(name);
        for limbs in [(8, 3, 3), (10, 3, 2), (14, 2, 2), (16, 2, 1), (18, 2, 1)] {
            let worst = example.worst(&example.samples, limbs);
            println!("{name}: {limbs:?}: largest error {worst:.1e}");
            assert!(worst < 5e-4, "{name} {limbs:?}: {worst}");
        }
    }
}

/// The margin over the largest sample covers more than what samples differ by among themselves.
#[test]
fn ranges_of_samples_differ_by_less_than_the_margin() {
    for (name, _) in MODELS {
        let example = load(name);
        let traces: Vec<_> = example
            .samples
            .iter()
            .map(|s| execute::float(&example.model.program, s).unwrap())
            .collect();
        let magnitude = |v: &[f64]| v.iter().fold(0.0f64, |m, x| m.max(x.abs()));
        for layer in 0..example.model.program.layers.len() {
            let all: Vec<f64> = traces.iter().map(|t| magnitude(&t.pre[layer])).collect();
            let (low, high) = (all.iter().copied().fold(f64::INFINITY, f64::min), magnitude(&all));
            println!(
                "{name}: layer {layer}: ranges of samples differ by a factor of {:.2}",
                high / low
            );
            assert!(high / low < calibrate::MARGIN);
        }
    }
}

#[test]
fn accumulators_have_room() {
    for (name, (bits, hi, lo)) in MODELS {
        let example = load(name);
        let limbs = Limbs::new(bits, hi, lo).unwrap();
        let calibration = Calibration::new(&example.model.program, &example.samples).unwrap();
        let quantised = Quantised::new(&example.model.program, &calibration, limbs).unwrap();
        let bounds = interval::bounds(&quantised.program, &limbs).unwrap();
        let bits: Vec<u32> = bounds.iter().map(|b| b.pre.magnitude().ilog2() + 1).collect();
        println!("{name}: worst-case accumulators of {bits:?} bits");
        assert_eq!(bits.len(), quantised.program.layers.len());
    }
}

#[test]
fn summaries() {
    let summary = load("lenet5").model.summary;
    assert_eq!((summary.nodes, summary.params, summary.macs), (12, 44_426, 281_640));
    assert_eq!(summary.ops["MaxPool"], 2);
    let summary = load("cnn_264k").model.summary;
    assert_eq!((summary.nodes, summary.params, summary.macs), (12, 259_511, 1_943_836));
}
