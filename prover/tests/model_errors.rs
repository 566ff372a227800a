//! Models and bytes that must be refused, each with a message that says why.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::PathBuf;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use tapeout_prover::model::{Calibration, Error, Limbs, Model, Quantised, execute};

fn data() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn files(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(data().join(folder))
        .unwrap()
        .map(|e| e.unwrap().path());
    let mut files: Vec<_> = entries.filter(|p| p.extension().is_some_and(|e| e == "onnx")).collect();
    files.sort();
    files
}

#[test]
fn bad_models_are_refused_with_a_reason() {
    let expected = [
        ("constant_output", "its output does not depend on its input"),
        (
            "conv_groups",
            "attribute group: expected a divisor of 2 channels, got 3",
        ),
        ("cycle", "node Add(t1_0) depends on its own output"),
        ("defined_twice", "the name \"t0_0\" is defined twice"),
        ("division_by_zero", "constant B: divides by zero"),
        ("dynamic_axis", "axis 1 of input \"x\" has no fixed length (length)"),
        ("empty_output", "its output has no elements"),
        ("external_data", "tensor \"c0\" is stored in another file"),
        ("huge_axis", "input \"x\" has more than 16777216 elements"),
        ("huge_tensor", "has more than 16777216 elements"),
        ("max_pool_indices", "expected 1 outputs, got 2"),
        ("missing_input", "expected 2 to 3 inputs, got 1"),
        ("nan_weight", "constant B: holds a value that is not finite"),
        ("negative_dimension", "tensor \"c0\" has dimensions [-4, 2]"),
        (
            "no_kernel_shape",
            "attribute kernel_shape: expected 2 positive integers, got nothing",
        ),
        ("no_shape", "input \"x\" has no shape"),
        ("odd_tensor", "33 bytes are no multiple of element type 1's 4"),
        ("reshape_size", "data: expected to fit shape [3, -1], got [1, 4]"),
        ("short_tensor", "shape [4, 2] takes 8 elements, got 7"),
        ("text_input", "input \"x\" has element type 8; expected numbers"),
        ("training_batch_norm", "attribute training_mode: expected 0, got 1"),
        ("truncated", "not an ONNX model"),
        (
            "undefined_name",
            "Add(t0_0) refers to \"nowhere\", which nothing defines",
        ),
        ("unknown_attribute", "attribute slope: expected no attributes, got 0.5"),
        ("unsupported_domain", "op com.example::Add is not supported"),
        (
            "opset_too_new",
            "it uses version 99 of the operator set ai.onnx; the newest that is known is 28",
        ),
        (
            "unsupported_op",
            "node Det(t0_0): op Det is not supported; supported: Abs, Add, And, ArgMax, ",
        ),
        ("variable_weights", "node Conv(t1_0) (Conv): input W must be a constant"),
        (
            "weights_do_not_fit",
            "second operand: expected matrices of 4 rows, got [5, 2]",
        ),
        ("window_too_large", "at least 5 elements with pads on spatial axis 0"),
        (
            "wrong_attribute_type",
            "attribute alpha: expected a finite float, got \"much\"",
        ),
        ("zero_axis", "axis 1 of input \"x\" has length 0"),
    ];
    let names: Vec<_> = files("bad")
        .iter()
        .map(|p| p.file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    // Loads, but has no quantisation; see below.
    let others = ["cancellation"];
    assert_eq!(names.len(), expected.len() + others.len());
    let mut wrong = Vec::new();
    for (name, message) in expected {
        match Model::load(data().join(format!("bad/{name}.onnx"))) {
            Ok(_) => wrong.push(format!("{name} is accepted")),
            Err(error) if !error.to_string().contains(message) => wrong.push(format!("{name}: {error}")),
            Err(_) => {}
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn outputs_that_are_lost_in_what_they_are_sums_of_are_refused_with_the_layer() {
    let model = Model::load(data().join("bad/cancellation.onnx")).unwrap();
    // Both weights are 1e9 and cancel on every sample: a scale with room for a worst-case accumulator leaves nothing of the output.
    let samples = vec![vec![0.5, 0.5, 0.0, 0.0], vec![1.0, 1.0 - 1e-9, 0.0, 0.0]];
    let calibration = Calibration::new(&model.program, &samples).unwrap();
    let error = Quantised::new(&model.program, &calibration, Limbs::new(12, 2, 2).unwrap()).unwrap_err();
    assert!(
        matches!(&error, Error::Coarse { layer, .. } if layer == "Gemm(t0_0)"),
        "{error}"
    );
    let message = "layer Gemm(t0_0): the scale of its outputs would be 2^";
    assert!(error.to_string().starts_with(message), "{error}");
    // Calibrated by what the weights really do, the same model has a scale.
    let samples = vec![vec![1.0, -1.0, 0.0, 0.0]];
    let calibration = Calibration::new(&model.program, &samples).unwrap();
    Quantised::new(&model.program, &calibration, Limbs::new(12, 2, 2).unwrap()).unwrap();
}

#[test]
fn missing_files_are_named() {
    let error = Model::load("no/such/model.onnx").unwrap_err();
    assert!(matches!(error, Error::Io { .. }) && error.to_string().starts_with("cannot read no/such/model.onnx: "));
}

#[test]
fn truncated_and_damaged_models_give_errors_or_other_models() {
    let mut rng = ChaCha20Rng::seed_from_u64(7);
    for file in files("ops") {
        let bytes = std::fs::read(file).unwrap();
        for len in 0..bytes.len() {
            // Protobuf has no checksum, and a message cut between two fields is one: all that is asked is no panic.
            let _ = Model::from_bytes(&bytes[..len]);
        }
        for _ in 0..100 {
            let mut damaged = bytes.clone();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..damaged.len());
                damaged[at] = if rng.random() {
                    rng.random()
                } else {
                    damaged[at] ^ (1 << rng.random_range(0..8))
                };
            }
            if let Ok(model) = Model::from_bytes(&damaged) {
                let _ = execute::float(&model.program, &vec![0.5; model.program.input_len()]);
            }
        }
    }
}

#[test]
fn random_bytes_are_no_model() {
    let mut rng = ChaCha20Rng::seed_from_u64(8);
    for len in 0..500 {
        let bytes: Vec<u8> = (0..len).map(|_| rng.random()).collect();
        assert!(Model::from_bytes(&bytes).is_err());
    }
    // A length that claims what is not there.
    assert!(matches!(
        Model::from_bytes(&[0x3a, 0xff, 0xff, 0xff, 0xff, 0x0f]),
        Err(Error::Decode(_))
    ));
}

#[test]
fn inputs_are_checked() {
    let model = Model::load(data().join("ops/gemm.onnx")).unwrap();
    let calibration = Calibration::new(&model.program, &[vec![0.5; 6]]).unwrap();
    let quantised = Quantised::new(&model.program, &calibration, Limbs::new(8, 2, 2).unwrap()).unwrap();
    let message = |input: &[f64]| quantised.quantise_input(input).unwrap_err().to_string();
    assert_eq!(message(&[0.0; 5]), "input: expected 6 values, got 5");
    assert_eq!(
        message(&[0.0, 0.0, f64::NAN, 0.0, 0.0, 0.0]),
        "input: value 2 is not a finite number"
    );
    assert_eq!(
        message(&[0.0, f64::INFINITY, 0.0, 0.0, 0.0, 0.0]),
        "input: value 1 is not a finite number"
    );
    let far = message(&[1e4; 6]);
    assert!(
        far.contains("layer input") && far.contains("calibrated range") && !far.contains("10000"),
        "{far}"
    );
    assert!(Calibration::new(&model.program, &[vec![0.0; 7]]).is_err());
}
