//! Hashes of inputs and outputs: shown by proofs, computed without one, compared by verifiers.

use std::fs;

use super::*;

struct Hashed {
    folder: TempDir,
    proved: Value,
}

impl Hashed {
    fn new(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        let made = setup(&keys, &[&["--input", "hashed", "--output", "hashed"], flags].concat());
        assert!(made["input"] == "hashed" && made["output"] == "hashed");
        let proved = prove(&keys, &folder.path().join("proof"), &[]);
        Self { folder, proved }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn hash(&self, what: &str) -> String {
        self.proved[format!("{what}_hash")].as_str().unwrap().to_owned()
    }

    fn verify(&self) -> Command {
        verify_command(&self.path("proof"), &self.path("keys/model.vk"))
    }

    fn compute(&self, flag: &str, file: &Path) -> Command {
        let mut command = command("hash");
        command.arg("--vk").arg(self.path("keys/model.vk")).arg(flag).arg(file);
        command
    }
}

#[test]
fn a_verifier_compares_the_hashes_that_it_names() {
    let hashed = Hashed::new(&[]);
    let (input, output) = (hashed.hash("input"), hashed.hash("output"));
    assert!(hashed.proved["public_words"].as_array().unwrap().is_empty());
    let verified = succeed(hashed.verify().args(["--input-hash", &input, "--output-hash", &output]));
    assert_eq!(verified["checked"], serde_json::json!(["input hash", "output hash"]));
    assert!(verified["input_hash"] == *input && verified["output_hash"] == *output);
    assert!(verified["outputs"].is_null());
    let reason = fail(hashed.verify().args(["--input-hash", &output]), 1);
    assert!(
        reason.contains("the input hash is") && reason.contains(&input),
        "{reason}"
    );
    fail(hashed.verify().args(["--output-hash", &input]), 1);
    let malformed = tapeout(&["verify", "proof", "--vk", "vk", "--input-hash", "0x12"]);
    assert_eq!(malformed.status.code(), Some(2));
    assert!(
        stderr(&malformed).contains("64 hexadecimal digits"),
        "{}",
        stderr(&malformed)
    );
    // A key without a hash shows none.
    let mut other = verify_command(&FIXTURE.proof(), &FIXTURE.vk());
    let reason = fail(other.args(["--input-hash", &input]), 1);
    assert!(reason.contains("none"), "{reason}");
}

#[test]
fn anybody_computes_the_hashes_with_the_verifying_key() {
    let hashed = Hashed::new(&[]);
    let computed = succeed(&mut hashed.compute("--input", &linreg("input.json")));
    assert_eq!(computed["input_hash"], hashed.proved["input_hash"]);
    assert!(computed["output_hash"].is_null());
    let outputs = hashed.path("outputs.json");
    let claim = |outputs: &Value| serde_json::json!({ "outputs": outputs }).to_string();
    fs::write(&outputs, claim(&hashed.proved["outputs"])).unwrap();
    let computed = succeed(&mut hashed.compute("--outputs", &outputs));
    assert_eq!(computed["output_hash"], hashed.proved["output_hash"]);
    fs::write(&outputs, claim(&serde_json::json!([0.0]))).unwrap();
    let computed = succeed(&mut hashed.compute("--outputs", &outputs));
    assert_ne!(computed["output_hash"], hashed.proved["output_hash"]);
    for wrong in [serde_json::json!([1e30]), serde_json::json!([0.0, 0.0])] {
        fs::write(&outputs, claim(&wrong)).unwrap();
        fail(&mut hashed.compute("--outputs", &outputs), 2);
    }
    let mut plain = command("hash");
    plain
        .arg("--vk")
        .arg(FIXTURE.vk())
        .arg("--input")
        .arg(linreg("input.json"));
    let message = fail(&mut plain, 2);
    assert!(message.contains("--input hashed"), "{message}");
}

#[test]
fn a_batch_has_one_hash_of_all_inputs() {
    let folder = tempfile::tempdir().unwrap();
    let (keys, proof, input) = (
        folder.path().join("keys"),
        folder.path().join("proof"),
        folder.path().join("input.json"),
    );
    setup(&keys, &["--input", "hashed", "--batch", "3"]);
    let one = read_json(&linreg("input.json"))["input_data"][0].clone();
    fs::write(
        &input,
        serde_json::json!({ "input_data": [&one, &one, &one] }).to_string(),
    )
    .unwrap();
    let mut prove = command("prove");
    prove.arg(linreg("network.onnx")).arg("--input").arg(&input);
    let proved = succeed(prove.arg("--keys").arg(&keys).arg("--out").arg(&proof));
    let mut computed = command("hash");
    let computed = succeed(
        computed
            .arg("--vk")
            .arg(keys.join("model.vk"))
            .arg("--input")
            .arg(&input),
    );
    assert_eq!(computed["input_hash"], proved["input_hash"]);
    let shown = proved["input_hash"].as_str().unwrap();
    succeed(verify_command(&proof, &keys.join("model.vk")).args(["--input-hash", shown]));
}

#[test]
fn a_contract_takes_the_hash_as_the_last_word() {
    let hashed = Hashed::new(&["--profile", "evm"]);
    let report = succeed(
        command("evm")
            .arg("--keys")
            .arg(hashed.path("keys"))
            .arg("--proof")
            .arg(hashed.path("proof"))
            .arg("--out")
            .arg(hashed.path("evm"))
            .arg("--tools")
            .arg(hashed.path("none")),
    );
    let arguments = read_json(Path::new(report["arguments"].as_str().unwrap()));
    let words = serde_json::json!([hashed.hash("input"), hashed.hash("output")]);
    assert_eq!(arguments["publicInputs"], words);
}
