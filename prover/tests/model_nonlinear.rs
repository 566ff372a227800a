//! The example models with functions, products and comparisons: quantised inference against onnxruntime's outputs.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stdout)]

use std::path::PathBuf;

use serde_json::Value;
use tapeout_prover::choice;
use tapeout_prover::model::{Model, io};
use tapeout_prover::pipeline::SetupOptions;

fn argmax(values: &[f64]) -> usize {
    (0..values.len()).fold(0, |best, i| if values[i] > values[best] { i } else { best })
}

#[test]
fn outputs_are_onnxruntimes() {
    let mut wrong = Vec::new();
    for (name, tolerance, classifies) in [
        ("mlp_sigmoid", 1e-3, true),
        ("trading_mlp", 1e-3, true),
        ("rf_iris", 1e-3, true),
        ("lstm", 1e-3, false),
        ("attn_tiny", 1e-2, false),
    ] {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
        let model = Model::load(folder.join("network.onnx")).unwrap_or_else(|e| panic!("{name}: {e}"));
        let path = folder.join("samples.json");
        let value: Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let samples = io::read_samples(&path, model.program.input_len()).unwrap();
        let expected: Vec<Vec<f64>> = serde_json::from_value(value["outputs"].clone()).unwrap();
        let chosen = choice::choose(&model, &samples, SetupOptions::default());
        let measured = match chosen.map(|c| c.accuracy.unwrap()) {
            Ok(measured) => measured,
            Err(error) => {
                wrong.push(format!("{name}: {error}"));
                continue;
            }
        };
        let mut worst: f64 = 0.0;
        for (sample, expected) in samples.iter().zip(&expected) {
            let quantised = &measured.quantised;
            let trace = quantised.run(&quantised.quantise_input(sample).unwrap()).unwrap();
            let outputs = quantised.dequantise_output(&trace.outputs);
            assert_eq!(outputs.len(), expected.len());
            if classifies && argmax(&outputs) != argmax(expected) {
                wrong.push(format!("{name}: another class"));
            }
            let errors = outputs.iter().zip(expected).map(|(a, b)| (a - b).abs());
            worst = errors.fold(worst, f64::max);
        }
        let layers = measured.quantised.program.layers.len();
        println!(
            "{name}: largest error {worst:.1e} over {} samples, {layers} layers",
            samples.len()
        );
        if worst >= tolerance {
            wrong.push(format!("{name}: {worst:.1e}; most is lost in {:?}", measured.worst()));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
