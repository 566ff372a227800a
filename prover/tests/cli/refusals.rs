//! What is refused, with which exit code and message, and that nothing is left half written.

use std::fs;

use super::*;

/// Offset of the public words in a proof file: magic, version, key digest and their number stand before.
const PUBLIC_WORDS: usize = 8 + 4 + 32 + 4;

/// A changed copy of the proof, verified against the key that it was made for.
fn verify_changed(change: impl FnOnce(&mut Vec<u8>), code: i32) -> String {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("changed");
    let mut bytes = fs::read(FIXTURE.proof()).unwrap();
    change(&mut bytes);
    fs::write(&path, bytes).unwrap();
    fail(&mut verify_command(&path, &FIXTURE.vk()), code)
}

#[test]
fn a_changed_output_does_not_verify() {
    let message = verify_changed(|bytes| bytes[PUBLIC_WORDS + 31] ^= 1, 1);
    assert!(message.contains("does not hold for this statement"), "{message}");
}

#[test]
fn claimed_outputs_are_checked_in_place_of_the_files() {
    let folder = tempfile::tempdir().unwrap();
    let claim = |outputs: &[f64]| {
        let path = folder.path().join("claim.json");
        fs::write(&path, serde_json::json!({ "outputs": outputs }).to_string()).unwrap();
        let mut command = verify_command(&FIXTURE.proof(), &FIXTURE.vk());
        command.arg("--outputs").arg(path);
        command
    };
    let true_outputs = FIXTURE.outputs();
    assert_eq!(succeed(&mut claim(&true_outputs))["outputs"], FIXTURE.proved["outputs"]);
    let message = fail(&mut claim(&[true_outputs[0] + 0.01]), 1);
    assert!(message.contains("does not hold for this statement"), "{message}");
    let message = fail(&mut claim(&[1e30]), 1);
    assert!(message.contains("outside of the range"), "{message}");
    let message = fail(&mut claim(&[true_outputs[0], 0.0]), 2);
    assert!(message.contains("holds 2 outputs, the model has 1"), "{message}");
}

#[test]
fn another_key_does_not_verify() {
    let folder = tempfile::tempdir().unwrap();
    setup(folder.path(), &[]);
    let message = fail(
        &mut verify_command(&FIXTURE.proof(), &folder.path().join("model.vk")),
        1,
    );
    assert!(message.contains("made for verifying key"), "{message}");
}

#[test]
fn a_point_of_another_proof_does_not_verify() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("proof");
    prove(&FIXTURE.keys(), &path, &["--seed", "3"]);
    let other = fs::read(path).unwrap();
    let points = PUBLIC_WORDS + 32..PUBLIC_WORDS + 32 + 64;
    verify_changed(|bytes| bytes[points.clone()].copy_from_slice(&other[points]), 1);
}

#[test]
fn development_keys_are_refused_unless_they_are_asked_for() {
    let message = fail(command("verify").arg(FIXTURE.proof()).arg("--vk").arg(FIXTURE.vk()), 1);
    assert!(
        message.contains("reference string") && message.contains("--insecure-dev"),
        "{message}"
    );
}

#[test]
fn bytes_that_are_no_proof_cannot_be_read() {
    let length = fs::metadata(FIXTURE.proof()).unwrap().len() as usize;
    verify_changed(|bytes| bytes.truncate(length - 1), 2);
    verify_changed(|bytes| bytes.truncate(PUBLIC_WORDS + 5), 2);
    verify_changed(|bytes| bytes.clear(), 2);
    verify_changed(|bytes| bytes.push(0), 2);
    assert!(verify_changed(|bytes| bytes[0] ^= 1, 2).contains("not a proof file"));
    assert!(verify_changed(|bytes| bytes[11] ^= 2, 2).contains("version"));
    // The word plus the field's order: the same value, written another way.
    let message = verify_changed(|bytes| bytes[PUBLIC_WORDS..PUBLIC_WORDS + 32].fill(0xff), 2);
    assert!(message.contains("public word"), "{message}");
    let message = verify_changed(|bytes| bytes[PUBLIC_WORDS + 32..PUBLIC_WORDS + 96].fill(7), 2);
    assert!(message.contains("cannot read the proof"), "{message}");
}

#[test]
fn damaged_keys_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    type Damage = fn(&mut Vec<u8>);
    // The end of a verifying key is a point of G2; a proving key has a checksum over all.
    let damages: [(&str, Damage); 7] = [
        ("model.vk", |bytes| bytes[0] ^= 1),
        ("model.vk", |bytes| *bytes.last_mut().unwrap() ^= 1),
        ("model.vk", |bytes| bytes.truncate(100)),
        ("model.vk", |bytes| bytes.push(0)),
        ("model.pk", |bytes| bytes[0] ^= 1),
        ("model.pk", |bytes| bytes[2000] ^= 1),
        ("model.pk", |bytes| bytes.truncate(100)),
    ];
    for (case, (name, damage)) in damages.into_iter().enumerate() {
        let path = folder.path().join(name);
        let mut bytes = fs::read(FIXTURE.keys().join(name)).unwrap();
        damage(&mut bytes);
        fs::write(&path, &bytes).unwrap();
        let message = match name {
            "model.vk" => fail(&mut verify_command(&FIXTURE.proof(), &path), 2),
            _ => fail(&mut prove_command(folder.path(), &folder.path().join("proof")), 2),
        };
        assert!(message.contains("cannot read the"), "{case}: {message}");
    }
    assert!(!folder.path().join("proof").exists());
}

#[test]
fn missing_files_are_named() {
    let message = fail(&mut verify_command(Path::new("no/such/proof"), &FIXTURE.vk()), 2);
    assert!(message.contains("no/such/proof"), "{message}");
    let message = fail(&mut prove_command(Path::new("no/keys"), Path::new("proof")), 2);
    assert!(
        message.contains("tapeout setup") && message.contains("no/keys"),
        "{message}"
    );
}

#[test]
fn keys_of_another_model_do_not_prove() {
    let folder = tempfile::tempdir().unwrap();
    let (model, proof) = (folder.path().join("network.onnx"), folder.path().join("proof"));
    // The last bits of one weight.
    let mut bytes = fs::read(linreg("network.onnx")).unwrap();
    let weight = bytes.len() / 2;
    bytes[weight] ^= 1;
    fs::write(&model, bytes).unwrap();
    let mut command = command("prove");
    command.arg(&model).arg("--input").arg(linreg("input.json"));
    command.arg("--keys").arg(FIXTURE.keys()).arg("--out").arg(&proof);
    let message = fail(&mut command, 2);
    assert!(message.contains("were made for the model"), "{message}");
    assert!(!proof.exists());
}

#[test]
fn an_unsupported_operator_is_named_with_the_supported_ones() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("network.onnx");
    let mut bytes = fs::read(linreg("network.onnx")).unwrap();
    let op = bytes.windows(4).position(|window| window == b"Gemm").unwrap();
    bytes[op..op + 4].copy_from_slice(b"Gemx");
    fs::write(&model, bytes).unwrap();
    let keys = folder.path().join("keys");
    let message = fail(command("setup").arg(&model).arg("--out").arg(&keys), 2);
    for part in ["Gemx", "not supported", "Conv", "Gemm"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    assert!(!keys.exists());
}

#[test]
fn models_that_cannot_be_proven_are_refused_with_place_and_reason() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    let bad = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/bad");
    for (name, expected) in [
        ("unsupported_op", &["node Det(t0_0)", "op Det is not supported"][..]),
        ("dynamic_axis", &["axis 1 of input \"x\"", "no fixed length"]),
        (
            "variable_weights",
            &["node Conv(t1_0)", "input W must be a constant", "the model's input x"],
        ),
        ("nan_weight", &["node Gemm(t0_0)", "constant B", "not finite"]),
        ("zero_axis", &["axis 1 of input \"x\"", "length 0"]),
        ("empty_output", &["node Slice(t0_0)", "no elements"]),
        (
            "opset_too_new",
            &["version 99 of the operator set ai.onnx", "newest that is known"],
        ),
        ("truncated", &["not an ONNX model"]),
    ] {
        let model = bad.join(name).with_extension("onnx");
        let message = fail(command("setup").arg(&model).arg("--out").arg(&keys), 2);
        assert!(message.contains(&format!("{name}.onnx")), "{message}");
        for part in expected {
            assert!(message.contains(part), "{name}, {part}: {message}");
        }
    }
    assert!(!keys.exists());
}

#[test]
fn wrong_inputs_are_refused_without_showing_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input.json");
    let cases = [
        ("[[0.125, 0.125]]".to_owned(), "expected 10"),
        (format!("[[{}0.125]]", "1234567.0,".repeat(9)), "calibrated range"),
        ("[[0.125, ".to_owned(), "as JSON"),
        ("{\"values\": [0.125]}".to_owned(), "input_data"),
        ("[\"0.125\"]".to_owned(), "lists of numbers"),
    ];
    for (text, expected) in cases {
        fs::write(
            &path,
            format!("{{\"input_data\": {text}}}").replace("{\"input_data\": {", "{"),
        )
        .unwrap();
        let proof = folder.path().join("proof");
        let mut command = command("prove");
        command.arg(linreg("network.onnx")).arg("--input").arg(&path);
        command.arg("--keys").arg(FIXTURE.keys()).arg("--out").arg(&proof);
        let message = fail(&mut command, 2);
        assert!(message.contains(expected), "{text}: {message}");
        assert!(!message.contains("0.125") && !message.contains("1234567"), "{message}");
        assert!(!proof.exists());
    }
}

#[test]
fn samples_of_the_wrong_length_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let samples = folder.path().join("samples.json");
    fs::write(&samples, "{\"samples\": [[1, 2, 3]]}").unwrap();
    let mut command = command("setup");
    command
        .arg(linreg("network.onnx"))
        .arg("--calibrate")
        .arg(&samples)
        .arg("--out")
        .arg(folder.path().join("keys"));
    let message = fail(&mut command, 2);
    assert!(message.contains("expected 10 values, got 3"), "{message}");
}

#[test]
fn a_proof_that_cannot_be_written_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let occupied = folder.path().join("proof");
    fs::create_dir(&occupied).unwrap();
    let message = fail(&mut prove_command(&FIXTURE.keys(), &occupied), 2);
    assert!(message.contains("cannot write"), "{message}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// A file of snarkjs, far too short for any model.
#[test]
fn ceremony_files_are_recognised_and_vouched_for_by_hash() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data");
    let ptau = data.join("snarkjs.ptau");
    let report = succeed(command("inspect").arg(&ptau));
    assert_eq!((&report["powers_g1"], &report["powers_g2"]), (&31.into(), &16.into()));
    assert_eq!(report["published"], Value::Null);
    let hash = report["hash"].as_str().unwrap();

    let folder = tempfile::tempdir().unwrap();
    let setup = |file: &Path, flags: &[&str]| {
        let mut command = command("setup");
        command.arg(linreg("network.onnx")).arg("--srs").arg(file);
        command.arg("--out").arg(folder.path().join("keys")).args(flags);
        command
    };
    for flags in [&[][..], &["--srs-hash", hash]] {
        let message = fail(&mut setup(&ptau, flags), 2);
        assert!(message.contains("the reference string has 31 and 16"), "{message}");
    }
    let message = fail(&mut setup(&ptau, &["--srs-hash", &"0".repeat(128)]), 2);
    assert!(message.contains(hash) && message.contains("expected 000"), "{message}");
    let usage = setup(&ptau, &["--srs-hash", "12"]).output().unwrap();
    assert_eq!(usage.status.code(), Some(2));
    assert!(stderr(&usage).contains("128 hexadecimal digits"));
    let message = fail(&mut setup(&FIXTURE.vk(), &["--srs-hash", hash]), 2);
    assert!(message.contains("--srs-hash is for .ptau files"), "{message}");
    let cut = folder.path().join("cut.ptau");
    fs::write(&cut, &fs::read(&ptau).unwrap()[..500]).unwrap();
    let message = fail(&mut setup(&cut, &[]), 2);
    assert!(
        message.contains("cut.ptau") && message.contains("truncated"),
        "{message}"
    );
    assert!(!folder.path().join("keys").exists());
}
