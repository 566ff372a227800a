//! The example models with functions, products and comparisons: quantised inference and proofs against onnxruntime's outputs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::path::PathBuf;

use serde_json::Value;
use tapeout_driver::backend;
use tapeout_prover::choice::{self, Choice};
use tapeout_prover::model::{Model, io};
use tapeout_prover::pipeline::{self, SetupOptions, Trust};
use tapeout_prover::statement::NO_CONTEXT;

/// The largest error of an output, whatever the sample.
const TOLERANCE: f64 = 1e-3;

/// Each with whether it classifies: the class must be right on every sample.
const MODELS: [(&str, bool); 5] = [
    ("mlp_sigmoid", true),
    ("trading_mlp", true),
    ("rf_iris", true),
    ("lstm", false),
    ("attn_tiny", false),
];

fn argmax(values: &[f64]) -> usize {
    (0..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

fn largest_difference(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

struct Example {
    model: Model,
    samples: Vec<Vec<f64>>,
    /// onnxruntime's.
    outputs: Vec<Vec<f64>>,
}

impl Example {
    fn load(name: &str) -> Self {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
        let model = Model::load(folder.join("network.onnx")).unwrap_or_else(|e| panic!("{name}: {e}"));
        let path = folder.join("samples.json");
        let value: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let samples = io::read_samples(&path, model.program.input_len()).unwrap();
        let outputs: Vec<Vec<f64>> = serde_json::from_value(value["outputs"].clone()).unwrap();
        assert!(!samples.is_empty() && samples.len() == outputs.len());
        Self {
            model,
            samples,
            outputs,
        }
    }

    fn choose(&self) -> Choice {
        choice::choose(&self.model, &self.samples, SetupOptions::default()).unwrap()
    }
}

#[test]
fn outputs_are_onnxruntimes() {
    let mut wrong = Vec::new();
    for (name, classifies) in MODELS {
        let example = Example::load(name);
        let measured = example.choose().accuracy.unwrap();
        let quantised = &measured.quantised;
        let mut worst: f64 = 0.0;
        for (sample, expected) in example.samples.iter().zip(&example.outputs) {
            let trace = quantised.run(&quantised.quantise_input(sample).unwrap()).unwrap();
            let outputs = quantised.dequantise_output(&trace.outputs);
            if classifies && argmax(&outputs) != argmax(expected) {
                wrong.push(format!("{name}: another class"));
            }
            worst = worst.max(largest_difference(&outputs, expected));
        }
        let (samples, layers) = (example.samples.len(), quantised.program.layers.len());
        println!("{name}: largest error {worst:.1e} over {samples} samples, {layers} layers");
        if worst >= TOLERANCE {
            wrong.push(format!("{name}: {worst:.1e}; most is lost in {:?}", measured.worst()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn proofs_verify_and_say_what_onnxruntime_says() {
    let backend = backend::open(backend::DEFAULT).unwrap();
    for (name, classifies) in MODELS {
        let example = Example::load(name);
        let options = SetupOptions::default();
        let pipeline::Keys { proving: key, .. } =
            pipeline::keys(&example.model, example.choose(), options, None, &*backend, &mut |_| {}).unwrap();
        let (sample, expected) = (&example.samples[0], &example.outputs[0]);
        let proven = pipeline::prove(&key, sample, &NO_CONTEXT, &*backend, Some(1), &mut |_| {}).unwrap();
        let statement = proven.statement.to_bytes();
        let verified = pipeline::verify(key.verifying(), &statement, &NO_CONTEXT, Trust::InsecureDev).unwrap();
        let outputs = verified.outputs.unwrap();
        let error = largest_difference(&outputs, expected);
        assert!(error < TOLERANCE, "{name}: {error}");
        assert!(!classifies || argmax(&outputs) == argmax(expected), "{name}");
        let mut other = proven.statement;
        *other.public.last_mut().unwrap() ^= 1;
        let tampered = pipeline::verify(key.verifying(), &other.to_bytes(), &NO_CONTEXT, Trust::InsecureDev);
        assert!(tampered.is_err(), "{name}: another output verifies");
    }
}
