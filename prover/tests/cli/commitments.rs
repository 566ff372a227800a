//! Commitments to inputs and outputs: made, shown by proofs, compared by verifiers, counted.

use std::fs;

use super::*;

/// Keys with a committed input and output, and an opening of the example's input.
struct Committed {
    folder: TempDir,
    commitment: String,
}

impl Committed {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let keys = folder.path().join("keys");
        let made = setup(&keys, &["--input", "committed", "--output", "committed"]);
        assert!(made["input"] == "committed" && made["output"] == "committed");
        let committed = Self {
            folder,
            commitment: String::new(),
        };
        let report = succeed(
            command("commit")
                .arg("--input")
                .arg(linreg("input.json"))
                .arg("--keys")
                .arg(keys)
                .arg("--out")
                .arg(committed.path("opening")),
        );
        Self {
            commitment: report["commitment"].as_str().unwrap().to_owned(),
            ..committed
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn prove(&self, flags: &[(&str, &str)]) -> Command {
        let mut command = prove_command(&self.path("keys"), &self.path("proof"));
        for (flag, file) in flags {
            command.arg(flag).arg(self.path(file));
        }
        command
    }

    fn verify(&self) -> Command {
        verify_command(&self.path("proof"), &self.path("keys/model.vk"))
    }
}

#[test]
fn a_verifier_compares_what_it_names_and_says_so() {
    let committed = Committed::new();
    let proved = succeed(&mut committed.prove(&[("--input-opening", "opening"), ("--keep-output", "output")]));
    assert_eq!(proved["input_commitment"], *committed.commitment);
    assert!(proved["public_words"].as_array().unwrap().is_empty());
    assert_eq!(succeed(&mut committed.verify())["checked"], serde_json::json!([]));

    let (input, output) = (&committed.commitment, proved["output_commitment"].as_str().unwrap());
    let model = proved["model_hash"].as_str().unwrap();
    let verified = succeed(committed.verify().args([
        "--input-commitment",
        input,
        "--output-commitment",
        output,
        "--model-hash",
        model,
    ]));
    assert_eq!(
        verified["checked"],
        serde_json::json!(["model hash", "input commitment", "output commitment"])
    );
    assert!(verified["outputs"].is_null() && verified["inputs"].is_null());
    assert_eq!(verified["input_commitment"], **input);
    assert_eq!(verified["output_commitment"], *output);

    for (flag, other) in [
        ("--input-commitment", output),
        ("--output-commitment", input),
        ("--model-hash", &"0".repeat(64)),
    ] {
        let reason = fail(committed.verify().args([flag, other]), 1);
        assert!(reason.contains(&format!("not {other}")), "{reason}");
    }
    let plain = verify_command(&FIXTURE.proof(), &FIXTURE.vk())
        .args(["--input-commitment", input])
        .output()
        .unwrap();
    assert_eq!(plain.status.code(), Some(1), "{}", stderr(&plain));
    let wrong = committed.verify().args(["--input-commitment", "12"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("128 hexadecimal digits"), "{}", stderr(&wrong));
}

#[test]
fn an_opening_is_counted_and_gives_no_proof_too_many() {
    let committed = Committed::new();
    for _ in 0..7 {
        let proved = succeed(&mut committed.prove(&[("--input-opening", "opening")]));
        assert_eq!(proved["input_commitment"], *committed.commitment);
    }
    fs::remove_file(committed.path("proof")).unwrap();
    let message = fail(&mut committed.prove(&[("--input-opening", "opening")]), 2);
    assert!(
        message.contains("7 proofs") && message.contains("commit anew"),
        "{message}"
    );
    assert!(!committed.path("proof").exists());
}

#[test]
fn a_new_commitment_can_be_kept_for_other_proofs() {
    let committed = Committed::new();
    let first = succeed(&mut committed.prove(&[("--keep-input", "kept"), ("--keep-output", "output")]));
    let second = succeed(&mut committed.prove(&[("--input-opening", "kept"), ("--output-opening", "output")]));
    for which in ["input_commitment", "output_commitment"] {
        assert_eq!(first[which], second[which]);
    }
    assert_ne!(first["input_commitment"], *committed.commitment);
}

#[test]
fn openings_are_refused_where_keys_commit_to_nothing_and_stay_uncounted() {
    let committed = Committed::new();
    let before = fs::read(committed.path("opening")).unwrap();
    let opening = committed.path("opening");
    let opening = opening.to_str().unwrap();
    let proof = committed.path("proof");
    for flag in ["--input-opening", "--keep-input", "--output-opening", "--keep-output"] {
        let message = fail(prove_command(&FIXTURE.keys(), &proof).args([flag, opening]), 2);
        assert!(message.contains("committed"), "{message}");
    }
    assert_eq!(fs::read(opening).unwrap(), before);
    fs::write(opening, &before[..100]).unwrap();
    let message = fail(&mut committed.prove(&[("--input-opening", "opening")]), 2);
    assert!(
        message.contains("cannot use the opening") && message.contains("truncated"),
        "{message}"
    );
    assert!(!proof.exists());
}

#[test]
fn elements_of_a_committed_input_are_shown_later() {
    let committed = Committed::new();
    let shown = committed.path("shown");
    let mut reveal = command("reveal");
    reveal.arg("--opening").arg(committed.path("opening"));
    reveal.arg("--keys").arg(committed.path("keys"));
    reveal.arg("--out").arg(&shown);
    let before = fs::read(committed.path("opening")).unwrap();
    let report = succeed(reveal.args(["--elements", "3,1"]));
    assert_eq!(report["commitment"], *committed.commitment);
    assert_eq!(fs::read(committed.path("opening")).unwrap(), before);

    let verify = |commitment: &str| {
        let mut command = command("verify-reveal");
        command.arg(&shown).arg("--vk").arg(committed.path("keys/model.vk"));
        command.args(["--input-commitment", commitment]);
        command
    };
    let input = floats(&read_json(&linreg("input.json"))["input_data"][0]);
    let verified = succeed(&mut verify(&committed.commitment));
    for (element, index) in verified["elements"].as_array().unwrap().iter().zip([1, 3]) {
        assert_eq!(element["index"], index);
        assert!((element["value"].as_f64().unwrap() - input[index]).abs() < 1e-5);
    }
    let other = succeed(&mut committed.prove(&[]));
    let reason = fail(&mut verify(other["input_commitment"].as_str().unwrap()), 1);
    assert!(reason.contains("not those of the commitment"), "{reason}");
    let message = fail(reveal.args(["--elements", "10"]), 2);
    assert!(message.contains("no element 10"), "{message}");
}
