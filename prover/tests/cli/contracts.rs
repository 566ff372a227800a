//! What `tapeout evm` writes, and the reference string that several keys share.

use std::fs;

use super::*;

/// The proof and the public words one by one are those that the calldata is made of.
#[test]
fn the_arguments_of_a_call_are_written_one_by_one() {
    let folder = tempfile::tempdir().unwrap();
    let context = "0x".to_owned() + &"ab".repeat(32);
    let proof = folder.path().join("proof");
    let proved = prove(&FIXTURE.keys(), &proof, &["--context", &context]);
    let report = succeed(
        command("evm")
            .arg("--keys")
            .arg(FIXTURE.keys())
            .arg("--proof")
            .arg(&proof)
            .args(["--context", &context])
            .arg("--out")
            .arg(folder.path())
            // Where nothing is: nothing is measured.
            .arg("--tools")
            .arg(folder.path()),
    );
    let arguments = read_json(Path::new(report["arguments"].as_str().unwrap()));
    assert_eq!(arguments["context"], *context);
    let bare = |value: &Value| value.as_str().unwrap().strip_prefix("0x").unwrap().to_owned();
    let words: Vec<String> = arguments["publicInputs"].as_array().unwrap().iter().map(bare).collect();
    assert_eq!(words.len(), proved["public_words"].as_array().unwrap().len());
    let first = proved["public_words"][0].as_i64().unwrap();
    assert!(first > 0 && words[0] == format!("{first:064x}"), "{first} {words:?}");

    let proof = bare(&arguments["proof"]);
    let word = |v: usize| format!("{v:064x}");
    let body = [
        word(96),
        word(96 + 32 + proof.len() / 2),
        "ab".repeat(32),
        word(proof.len() / 2),
        proof,
        word(words.len()),
        words.concat(),
    ];
    let calldata = fs::read_to_string(folder.path().join("calldata.hex")).unwrap();
    // Behind 0x and the selector.
    assert_eq!(calldata.trim_end()[10..], body.concat());
}

#[test]
fn keys_under_one_reference_string_are_the_same_whoever_makes_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let made = succeed(command("srs").args(["--g1", "1100", "--out"]).arg(path("srs")));
    assert_eq!(made["bytes"], fs::metadata(path("srs")).unwrap().len());
    assert_eq!((&made["powers_g1"], &made["powers_g2"]), (&1100.into(), &1024.into()));
    assert_eq!(made["origin"], "insecure-dev");
    let srs = path("srs");
    let flags = ["--srs", srs.to_str().unwrap()];
    let digests = ["one", "two"].map(|name| setup(&path(name), &flags)["vk_digest"].clone());
    assert_eq!(digests[0], digests[1]);
    assert_ne!(digests[0], setup(&path("three"), &[])["vk_digest"]);

    succeed(
        command("srs")
            .args(["--g1", "9", "--g2", "9", "--out"])
            .arg(path("short")),
    );
    let mut setup = command("setup");
    setup.arg(linreg("network.onnx")).arg("--srs").arg(path("short"));
    let message = fail(setup.arg("--out").arg(path("four")), 2);
    assert!(message.contains("reference string"), "{message}");
}
