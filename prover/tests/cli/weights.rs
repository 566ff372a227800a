//! Hidden weights.

use std::fs;

use super::*;

#[test]
fn weights_are_hidden_behind_a_secret() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let digits = "0123456789abcdef".repeat(4);
    fs::write(path("secret"), format!("{digits}\n")).unwrap();
    let secret = path("secret");
    // The development string is another one each time otherwise.
    let srs = path("srs");
    succeed(command("srs").args(["--g1", "4096", "--g2", "512", "--out"]).arg(&srs));
    let setup = |name: &str, flags: &[&str]| {
        let srs = srs.to_str().unwrap();
        setup(&path(name), &[&["--srs", srs], flags].concat())
    };
    let open = setup("open", &[]);
    assert_eq!(open["weights"], "public");
    let made = ["a", "b"].map(|name| setup(name, &["--weights", "private"]));
    assert_eq!(made[0]["weights"], "private");
    assert_ne!(made[0]["vk_digest"], made[1]["vk_digest"]);
    assert_ne!(made[0]["model_hash"], made[1]["model_hash"]);
    assert_ne!(made[0]["model_hash"], open["model_hash"]);
    let flags = ["--weights", "private", "--weights-secret", secret.to_str().unwrap()];
    let told = ["c", "d"].map(|name| setup(name, &flags));
    assert_eq!(told[0]["vk_digest"], told[1]["vk_digest"]);
    assert_eq!(
        fs::read(path("c/model.pk")).unwrap(),
        fs::read(path("d/model.pk")).unwrap()
    );

    for (keys, proof) in [("a", "proof"), ("b", "other")] {
        let proved = prove(&path(keys), &path(proof), &[]);
        let verified = succeed(&mut verify_command(&path(proof), &path(keys).join("model.vk")));
        assert_eq!(verified["outputs"], proved["outputs"]);
    }
    let refused = verify_command(&path("other"), &path("a/model.vk")).output().unwrap();
    assert_eq!(refused.status.code(), Some(1));
    // What is certified of one key is nothing of another's.
    let check = |certificate: &str, vk: &str| {
        let mut command = command("verify-weights");
        command.arg(path(certificate)).arg("--vk").arg(path(vk));
        command
    };
    let certified = succeed(check("a/model.cert", "a/model.vk").arg("--insecure-dev"));
    assert_eq!(made[0]["certificate"], path("a/model.cert").to_str().unwrap());
    assert_eq!(certified["vk_digest"], made[0]["vk_digest"]);
    assert_eq!(certified["layers"][0]["channels"], 1);
    let reason = fail(check("b/model.cert", "a/model.vk").arg("--insecure-dev"), 1);
    assert!(reason.contains("another verifying key"), "{reason}");
    let reason = fail(&mut check("a/model.cert", "a/model.vk"), 1);
    assert!(reason.contains("insecure-dev"), "{reason}");
    let message = fail(check("a/model.vk", "a/model.vk").arg("--insecure-dev"), 2);
    assert!(message.contains("not a certificate"), "{message}");
    assert!(open["certificate"].is_null() && !path("open/model.cert").exists());
    // Keys that hide nothing take the certificate of others away.
    setup("a", &[]);
    assert!(!path("a/model.cert").exists());

    let shown = succeed(command("inspect").arg(path("b/model.vk")));
    assert_eq!(shown["weights"], "private");
    assert_eq!(shown["proof_bytes"], fs::metadata(path("other")).unwrap().len());
}

#[test]
fn segments_hide_weights_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let example = |name: &str| linreg("").join("../mlp_sigmoid").join(name);
    let setup = |flags: &[&str], keys: &Path| {
        let mut command = command("setup");
        command.arg(example("network.onnx"));
        command.arg("--calibrate").arg(example("samples.json")).args(flags);
        command.arg("--out").arg(keys);
        command
    };
    let made = succeed(&mut setup(&["--weights", "private", "--segments", "2"], &path("keys")));
    let prove = |model: PathBuf| {
        let mut command = command("prove");
        command.arg(model).arg("--input").arg(example("input.json"));
        command.arg("--keys").arg(path("keys")).arg("--out").arg(path("proof"));
        command
    };
    let message = fail(&mut prove(linreg("network.onnx")), 2);
    assert!(message.contains("were made for the model"), "{message}");
    succeed(&mut prove(example("network.onnx")));
    succeed(&mut verify_command(&path("proof"), &path("keys/model.vk")));
    let check = |certificate: &str| {
        let mut command = command("verify-weights");
        command.arg(path(certificate)).arg("--insecure-dev");
        command.arg("--vk").arg(path("keys/model.vk"));
        command
    };
    assert_eq!(made["certificate"], path("keys/model.cert").to_str().unwrap());
    let certified = succeed(&mut check("keys/model.cert"));
    let layers = certified["layers"].as_array().unwrap();
    assert_eq!(layers.last().unwrap()["segment"], 1);
    assert!(layers.iter().all(|layer| layer["stated"] == false));
    succeed(&mut setup(&["--weights", "private"], &path("whole")));
    let reason = fail(&mut check("whole/model.cert"), 1);
    assert!(
        reason.contains("of 2 segment(s), the file has 1 certificate(s)"),
        "{reason}"
    );
}

#[test]
fn a_secret_that_is_none_is_refused_and_not_repeated() {
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("secret");
    let text = "deadbeef-nearly-secret";
    fs::write(&secret, text).unwrap();
    let setup = |flags: &[&str]| {
        let mut setup = command("setup");
        setup
            .arg(linreg("network.onnx"))
            .args(["--weights-secret"])
            .arg(&secret);
        setup.args(flags).arg("--out").arg(folder.path().join("keys"));
        setup
    };
    let message = fail(&mut setup(&["--weights", "private"]), 2);
    assert!(
        message.contains("64 hexadecimal digits") && !message.contains(text),
        "{message}"
    );
    let message = fail(&mut setup(&[]), 2);
    assert!(message.contains("--weights private"), "{message}");
    assert!(!folder.path().join("keys").exists());
    let wrong = setup(&["--weights", "hashed"]).output().unwrap();
    assert_eq!(wrong.status.code(), Some(2));
    assert!(stderr(&wrong).contains("private"), "{}", stderr(&wrong));
}
