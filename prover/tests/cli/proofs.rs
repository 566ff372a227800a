//! From a model to a verified proof, and what the reports say.

use std::fs;

use super::*;

#[test]
fn reports_have_the_fields_that_scripts_read() {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("made/on/the/way");
    let made = setup(&keys, &[]);
    for field in ["wall_s", "cpu_s", "pk_bytes", "vk_bytes", "rows", "lanes"] {
        assert!(made[field].is_number(), "{field}: {made}");
    }
    assert_eq!(made["pk_bytes"], fs::metadata(keys.join("model.pk")).unwrap().len());
    assert_eq!(made["vk_bytes"], fs::metadata(keys.join("model.vk")).unwrap().len());

    let proved = &FIXTURE.proved;
    for field in ["proof_bytes", "wall_s", "cpu_s"] {
        assert!(proved[field].is_number(), "{field}: {proved}");
    }
    assert!(proved["peak_rss_mib"].is_number() || cfg!(not(target_os = "linux")));
    assert_eq!(proved["proof_bytes"], fs::metadata(FIXTURE.proof()).unwrap().len());
    assert_eq!(proved["backend"], "cpu");
    assert!(
        proved["phases"]
            .as_array()
            .unwrap()
            .iter()
            .any(|phase| phase["name"] == "quotient")
    );
    let kernels = proved["kernels"].as_array().unwrap();
    for kind in ["msm", "ntt"] {
        assert!(
            kernels
                .iter()
                .any(|row| row["kind"] == kind && row["count"].as_u64() > Some(0)),
            "{kind}"
        );
    }
    let mut fields: Vec<&str> = kernels[0].as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["count", "cycles", "kind", "log_n", "wall_s", "width"]);

    let verified = succeed(&mut verify_command(&FIXTURE.proof(), &FIXTURE.vk()));
    assert_eq!(verified["ok"], true);
    assert!(verified["wall_s"].is_number());
    assert_eq!(verified["public"], proved["outputs"]);
    assert_eq!(verified["model_hash"], proved["model_hash"]);
}

#[test]
fn the_output_is_onnxruntimes() {
    let expected = floats(&read_json(&linreg("input.json"))["output_data"][0]);
    let outputs = FIXTURE.outputs();
    assert_eq!(outputs.len(), expected.len());
    assert!(
        outputs
            .iter()
            .zip(&expected)
            .all(|(got, want)| (got - want).abs() < 1e-3),
        "{outputs:?} {expected:?}"
    );
}

#[test]
fn run_gives_what_is_proven() {
    for flag in [
        ["--keys".into(), FIXTURE.keys()],
        ["--calibrate".into(), linreg("samples.json")],
    ] {
        let ran = succeed(
            command("run")
                .arg(linreg("network.onnx"))
                .arg("--input")
                .arg(linreg("input.json"))
                .args(&flag),
        );
        assert_eq!(ran["outputs"], FIXTURE.proved["outputs"], "{flag:?}");
        assert!(ran["max_error"].as_f64() < Some(1e-3));
    }
}

#[test]
fn an_array_is_the_same_input() {
    let values = floats(&read_json(&linreg("input.json"))["input_data"][0]);
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input.npy");
    let header = format!(
        "{:<117}\n",
        "{'descr': '<f8', 'fortran_order': False, 'shape': (1, 10), }"
    );
    let data: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    fs::write(&path, [b"\x93NUMPY\x01\x00\x76\x00", header.as_bytes(), &data].concat()).unwrap();
    let ran = succeed(
        command("run")
            .arg(linreg("network.onnx"))
            .arg("--input")
            .arg(&path)
            .arg("--keys")
            .arg(FIXTURE.keys()),
    );
    assert_eq!(ran["outputs"], FIXTURE.proved["outputs"]);
}

#[test]
fn a_public_input_is_part_of_the_statement() {
    let folder = tempfile::tempdir().unwrap();
    let (keys, proof) = (folder.path().join("keys"), folder.path().join("proof"));
    assert_eq!(setup(&keys, &["--input", "public"])["input"], "public");
    let proved = prove(&keys, &proof, &[]);
    let verified = succeed(&mut verify_command(&proof, &keys.join("model.vk")));
    let input = floats(&read_json(&linreg("input.json"))["input_data"][0]);
    let (stated, outputs) = (floats(&verified["inputs"]), floats(&verified["outputs"]));
    assert!(stated.len() == input.len() && stated.iter().zip(&input).all(|(got, want)| (got - want).abs() < 1e-5));
    assert_eq!(outputs, floats(&proved["outputs"]));
    assert_eq!(floats(&verified["public"]), [stated, outputs].concat());

    // The verifier names the input.
    let vk = keys.join("model.vk");
    let verify = |file: &Path| {
        let mut command = verify_command(&proof, &vk);
        command.arg("--input").arg(file);
        command
    };
    let verified = succeed(&mut verify(&linreg("input.json")));
    assert_eq!(verified["checked"], serde_json::json!(["input"]));
    let other = folder.path().join("other.json");
    let mut values = input.clone();
    values[7] += 1e-3;
    fs::write(&other, serde_json::json!({ "input_data": [values] }).to_string()).unwrap();
    let reason = fail(&mut verify(&other), 1);
    assert!(reason.contains("its element 7 differs"), "{reason}");
    fs::write(&other, serde_json::json!({ "input_data": [input[1..]] }).to_string()).unwrap();
    let message = fail(&mut verify(&other), 2);
    assert!(message.contains("10") && message.contains('9'), "{message}");
    let mut private = verify_command(&FIXTURE.proof(), &FIXTURE.vk());
    let message = fail(private.arg("--input").arg(linreg("input.json")), 2);
    assert!(message.contains("private, not public"), "{message}");

    let facts = succeed(command("inspect").arg(&vk));
    let words = [&facts["input_bits"], &facts["output_bits"]].map(|bits| 2f64.powi(bits.as_i64().unwrap() as i32));
    let output = proved["public_words"]
        .as_array()
        .unwrap()
        .last()
        .unwrap()
        .as_f64()
        .unwrap();
    assert_eq!(output / words[1], floats(&proved["outputs"])[0]);
    assert_eq!(
        proved["public_words"][0].as_f64().unwrap(),
        (input[0] * words[0]).round()
    );
}

#[test]
fn one_seed_gives_the_same_bytes_on_every_backend() {
    let folder = tempfile::tempdir().unwrap();
    let proof = |backend: &str, seed: &str| {
        let path = folder.path().join(format!("{backend}-{seed}"));
        prove(&FIXTURE.keys(), &path, &["--backend", backend, "--seed", seed]);
        fs::read(path).unwrap()
    };
    let expected = proof("cpu", "7");
    assert_eq!(proof("reference", "7"), expected);
    assert_eq!(proof("arkworks", "7"), expected);
    assert_ne!(proof("cpu", "8"), expected);
    assert_ne!(fs::read(FIXTURE.proof()).unwrap(), expected);
}

/// Every multiplication and every transform on the simulated card.
#[test]
fn the_card_proves_the_same_bytes() {
    if tapeout_driver::backend::open("rtl").is_err() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (on_cpu, on_card) = (folder.path().join("cpu"), folder.path().join("card"));
    let proved = prove(&FIXTURE.keys(), &on_cpu, &["--seed", "7"]);
    assert!(proved["device_time"].is_null());
    let proved = prove(&FIXTURE.keys(), &on_card, &["--backend", "rtl", "--seed", "7"]);
    assert_eq!(fs::read(&on_card).unwrap(), fs::read(&on_cpu).unwrap());
    let rows = proved["kernels"].as_array().unwrap();
    let cycles: Vec<_> = rows.iter().map(|row| row["cycles"].as_u64()).collect();
    assert!(cycles.iter().all(Option::is_some));
    let transforms = rows.iter().filter(|row| row["kind"] == "ntt");
    assert!(transforms.map(|row| row["cycles"].as_u64()).sum::<Option<u64>>() > Some(0));
    assert_eq!(proved["device_time"]["cycles"].as_u64(), cycles.into_iter().sum());
}

#[test]
fn the_prediction_stands_beside_the_measurement() {
    let folder = tempfile::tempdir().unwrap();
    let proved = prove(&FIXTURE.keys(), &folder.path().join("proof"), &["--predict"]);
    let prediction = &proved["prediction"];
    assert!(prediction["cpu_s"].as_f64() > Some(0.0) && prediction["measured_cpu_s"].as_f64() > Some(0.0));
    assert!(!prediction["terms"].as_array().unwrap().is_empty());
    assert!(FIXTURE.proved["prediction"].is_null());
}

#[test]
fn inspect_tells_every_kind_of_file() {
    let inspect = |path: PathBuf| succeed(command("inspect").arg(path));
    let model = inspect(linreg("network.onnx"));
    assert_eq!(
        (&model["kind"], &model["model_hash"]),
        (&"model".into(), &FIXTURE.proved["model_hash"])
    );
    assert_eq!(model["layers"].as_array().unwrap().len(), 1);
    for (path, kind) in [
        (FIXTURE.vk(), "verifying-key"),
        (FIXTURE.keys().join("model.pk"), "proving-key"),
    ] {
        let key = inspect(path);
        assert_eq!(
            (&key["kind"], &key["vk_digest"]),
            (&kind.into(), &FIXTURE.proved["vk_digest"])
        );
        assert_eq!(key["proof_bytes"], FIXTURE.proved["proof_bytes"]);
    }
    let proof = inspect(FIXTURE.proof());
    assert_eq!(
        (&proof["kind"], &proof["vk_digest"]),
        (&"proof".into(), &FIXTURE.proved["vk_digest"])
    );
}

#[test]
fn tables_name_what_was_proven() {
    let verified = tapeout(&[
        &"verify".into(),
        &FIXTURE.proof(),
        &"--vk".into(),
        &FIXTURE.vk(),
        &"--insecure-dev".into(),
    ]);
    let hash = FIXTURE.proved["model_hash"].as_str().unwrap();
    assert!(stdout(&verified).starts_with("the proof verifies\n") && stdout(&verified).contains(hash));
    // Whoever made the keys could have kept the secret of the reference string: that is said, and not in the result.
    assert!(stderr(&verified).contains("reference string"));
}
