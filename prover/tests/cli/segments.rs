//! Models in segments: cut, proven, interrupted, verified.

use std::fs;
use std::process::Stdio;
use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::*;

/// A model of several layers, in segments.
struct Segmented {
    folder: TempDir,
    made: Value,
}

fn example(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples/mlp_sigmoid")
        .join(name)
}

impl Segmented {
    fn new(flags: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = succeed(
            command("setup")
                .arg(example("network.onnx"))
                .arg("--calibrate")
                .arg(example("samples.json"))
                .arg("--out")
                .arg(folder.path().join("keys"))
                .args(flags),
        );
        Self { folder, made }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn segments(&self) -> usize {
        self.made["segments"].as_array().unwrap().len()
    }

    fn prove(&self, proof: &str) -> Command {
        let mut command = command("prove");
        command
            .arg(example("network.onnx"))
            .arg("--input")
            .arg(example("input.json"))
            .arg("--keys")
            .arg(self.path("keys"))
            .arg("--out")
            .arg(self.path(proof));
        command
    }

    fn verify(&self, proof: &str) -> Command {
        verify_command(&self.path(proof), &self.path("keys/model.vk"))
    }

    /// Numbers of the segments that are finished of an interrupted proof.
    fn finished(&self, proof: &str) -> Vec<usize> {
        let folder = self.path(&format!("{proof}.segments"));
        let place = |i: &usize| folder.join(format!("segment-{i}.proof")).exists();
        (0..self.segments()).filter(place).collect()
    }
}

#[test]
fn a_model_in_segments_is_proven_as_one_in_one_piece() {
    let model = Segmented::new(&["--segments", "3"]);
    assert_eq!(model.segments(), 3);
    let proved = succeed(&mut model.prove("proof"));
    assert_eq!(proved["segments"], 3);
    assert_eq!(proved["finished_before"], serde_json::json!([]));
    assert!(!model.path("proof.segments").exists());
    let verified = succeed(&mut model.verify("proof"));
    assert_eq!(verified["outputs"], proved["outputs"]);
    assert_eq!(verified["proof_bytes"], model.made["proof_bytes"]);
    let expected: Value = serde_json::from_slice(&fs::read(example("input.json")).unwrap()).unwrap();
    for (got, wanted) in floats(&proved["outputs"])
        .iter()
        .zip(floats(&expected["output_data"][0]))
    {
        assert!((got - wanted).abs() < 1e-2, "{got} for {wanted}");
    }

    // A seed gives the same bytes; so does another backend.
    succeed(model.prove("a").args(["--seed", "5"]));
    succeed(model.prove("b").args(["--seed", "5", "--backend", "arkworks"]));
    assert_eq!(fs::read(model.path("a")).unwrap(), fs::read(model.path("b")).unwrap());

    let mut proof = fs::read(model.path("proof")).unwrap();
    let last = proof.len() - 1;
    proof[last] ^= 1;
    fs::write(model.path("changed"), proof).unwrap();
    let refused = model.verify("changed").output().unwrap();
    assert_ne!(refused.status.code(), Some(0));

    // What is for models of one piece says so.
    for arguments in [vec!["--record", "trace"], vec!["--predict"]] {
        let refused = model.prove("c").args(arguments).output().unwrap();
        assert_eq!(refused.status.code(), Some(2));
        assert!(stderr(&refused).contains("segments"), "{}", stderr(&refused));
        assert!(!model.path("c").exists());
    }
    let contract = command("evm")
        .arg("--keys")
        .arg(model.path("keys"))
        .arg("--out")
        .arg(model.path("contract"))
        .output()
        .unwrap();
    assert_eq!(contract.status.code(), Some(2));
    assert!(stderr(&contract).contains("segments"), "{}", stderr(&contract));
}

/// Killed at twenty random moments, a proof loses nothing that was finished, and is right in the end.
#[cfg(unix)]
#[test]
fn a_killed_proof_goes_on() {
    let model = Segmented::new(&["--segments", "4"]);
    let mut rng = ChaCha20Rng::seed_from_u64(20);
    let mut kills = 0;
    let mut whole = Duration::from_millis(1500);
    for proof in 0.. {
        let name = format!("proof-{proof}");
        loop {
            let mut child = model
                .prove(&name)
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap();
            let begin = std::time::Instant::now();
            std::thread::sleep(whole.mul_f64(rng.random()));
            if let Some(status) = child.try_wait().unwrap() {
                assert!(status.success());
                whole = begin.elapsed();
                break;
            }
            let before = model.finished(&name);
            child.kill().unwrap();
            child.wait().unwrap();
            // It may have finished one more, or all, in between.
            let after = model.finished(&name);
            let written = model.path(&name).exists();
            assert!(written || before.iter().all(|i| after.contains(i)));
            kills += 1;
            if written || kills >= 20 {
                break;
            }
        }
        let kept = model.finished(&name);
        if !model.path(&name).exists() {
            let proved = succeed(&mut model.prove(&name));
            let before: Vec<usize> = serde_json::from_value(proved["finished_before"].clone()).unwrap();
            assert!(
                kept.iter().all(|i| before.contains(i)),
                "{kept:?}, of which {before:?} were used"
            );
        }
        succeed(&mut model.verify(&name));
        if kills >= 20 {
            break;
        }
    }
}

#[test]
fn finished_segments_of_something_else_are_not_mixed_in() {
    let model = Segmented::new(&["--segments", "3"]);
    let kept = model.path("proof.segments");
    // A proof whose last segment's key cannot be read ends there.
    let key = model.path("keys/segment-2.pk");
    let bytes = fs::read(&key).unwrap();
    fs::write(&key, &bytes[..100]).unwrap();
    let stopped = model.prove("proof").output().unwrap();
    assert_eq!(stopped.status.code(), Some(2));
    assert!(stderr(&stopped).contains("segment-2.pk"), "{}", stderr(&stopped));
    assert!(!model.path("proof").exists());
    assert_eq!(model.finished("proof"), [0, 1]);
    fs::write(&key, &bytes).unwrap();

    let other = model
        .prove("proof")
        .args(["--context", &"11".repeat(32)])
        .output()
        .unwrap();
    assert_eq!(other.status.code(), Some(2));
    assert!(stderr(&other).contains("another proof"), "{}", stderr(&other));

    let damaged = kept.join("segment-1.proof");
    let mut proof = fs::read(&damaged).unwrap();
    proof[500] ^= 4;
    fs::write(&damaged, &proof).unwrap();
    let went_on = model.prove("proof").output().unwrap();
    assert_eq!(went_on.status.code(), Some(0));
    assert!(
        stderr(&went_on).contains("segment 1 is damaged"),
        "{}",
        stderr(&went_on)
    );
    assert_eq!(json(&went_on)["finished_before"], serde_json::json!([0]));
    succeed(&mut model.verify("proof"));
    assert!(!kept.exists());

    // A secret that is damaged cannot be gone on with.
    fs::write(&key, &bytes[..100]).unwrap();
    assert_eq!(model.prove("again").output().unwrap().status.code(), Some(2));
    fs::write(&key, &bytes).unwrap();
    let secret = model.path("again.segments/secret");
    let mut content = fs::read(&secret).unwrap();
    content[50] ^= 1;
    fs::write(&secret, &content).unwrap();
    let anew = model.prove("again").output().unwrap();
    assert!(stderr(&anew).contains("damaged"), "{}", stderr(&anew));
    assert_eq!(json(&anew)["finished_before"], serde_json::json!([]));
    succeed(&mut model.verify("again"));
}

#[test]
fn memory_decides_on_the_number_of_segments() {
    let whole = Segmented::new(&["--memory", "2GiB"]);
    assert!(whole.made["segments"].is_null() && whole.path("keys/model.pk").exists());
    let none = command("setup")
        .arg(example("network.onnx"))
        .arg("--calibrate")
        .arg(example("samples.json"))
        .args(["--memory", "1MB", "--out"])
        .arg(whole.path("none"))
        .output()
        .unwrap();
    assert_eq!(none.status.code(), Some(2));
    assert!(stderr(&none).contains("cannot be cut"), "{}", stderr(&none));
    assert!(!whole.path("none").exists());
    // Keys of one piece go when those of segments come.
    let segmented = Segmented::new(&["--segments", "2"]);
    fs::write(segmented.path("keys/segment-2.pk"), b"stale").unwrap();
    succeed(
        command("setup")
            .arg(example("network.onnx"))
            .arg("--calibrate")
            .arg(example("samples.json"))
            .arg("--out")
            .arg(segmented.path("keys")),
    );
    assert!(!segmented.path("keys/segment-0.pk").exists());
    succeed(&mut segmented.prove("proof"));
    succeed(&mut segmented.verify("proof"));
}

#[test]
fn a_batch_is_proven_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let made = setup(&path("keys"), &["--batch", "3"]);
    assert_eq!(made["batch"], 3);
    let samples: Value = serde_json::from_slice(&fs::read(linreg("samples.json")).unwrap()).unwrap();
    let three: Vec<Value> = samples["samples"].as_array().unwrap()[..3].to_vec();
    fs::write(
        path("input.json"),
        serde_json::json!({ "input_data": three }).to_string(),
    )
    .unwrap();
    let prove = |input: &Path| {
        let mut command = command("prove");
        command.arg(linreg("network.onnx")).arg("--input").arg(input);
        command.arg("--keys").arg(path("keys")).arg("--out").arg(path("proof"));
        command
    };
    let proved = succeed(&mut prove(&path("input.json")));
    let outputs = floats(&proved["outputs"]);
    assert_eq!(outputs.len(), 3);
    for (got, wanted) in outputs.iter().zip(samples["outputs"].as_array().unwrap()) {
        let wanted = floats(wanted)[0];
        assert!((got - wanted).abs() < 1e-3, "{got} for {wanted}");
    }
    succeed(&mut verify_command(&path("proof"), &path("keys/model.vk")));
    let one = prove(&linreg("input.json")).output().unwrap();
    assert_eq!(one.status.code(), Some(2));
    assert!(stderr(&one).contains("expected"), "{}", stderr(&one));
}

/// The input of the first segment and the output of the last: the hashes are those of the whole model.
#[test]
fn the_ends_of_a_model_in_segments_are_hashed() {
    let hashed = ["--input", "hashed", "--output", "hashed"];
    let model = Segmented::new(&[&["--segments", "3"], &hashed[..]].concat());
    assert_eq!(model.segments(), 3);
    let proved = succeed(&mut model.prove("proof"));
    let [input, output] = ["input_hash", "output_hash"].map(|name| proved[name].as_str().unwrap().to_owned());
    let verified = succeed(
        model
            .verify("proof")
            .args(["--input-hash", &input, "--output-hash", &output]),
    );
    assert_eq!(verified["checked"], serde_json::json!(["input hash", "output hash"]));
    let mut computed = command("hash");
    computed.arg("--vk").arg(model.path("keys/model.vk"));
    let computed = succeed(computed.arg("--input").arg(example("input.json")));
    assert_eq!(computed["input_hash"], *input);
    fail(model.verify("proof").args(["--input-hash", &output]), 1);
}
