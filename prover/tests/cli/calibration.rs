//! `calibrate`, what it writes, and `setup` from that.

use std::fs;

use crate::{command, fail, floats, linreg, prove, setup, succeed};

fn calibrate(out: &std::path::Path, flags: &[&str]) -> serde_json::Value {
    succeed(
        command("calibrate")
            .arg(linreg("network.onnx"))
            .arg("--samples")
            .arg(linreg("samples.json"))
            .arg("--out")
            .arg(out)
            .args(flags),
    )
}

fn setup_from(calibration: &std::path::Path, keys: &std::path::Path) -> std::process::Command {
    let mut command = command("setup");
    command
        .arg(linreg("network.onnx"))
        .arg("--calibration")
        .arg(calibration);
    command.arg("--out").arg(keys);
    command
}

#[test]
fn setup_takes_what_calibrate_wrote() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("calibration.json");
    for flags in [&[][..], &["--fast"], &["--accuracy"]] {
        let report = calibrate(&file, flags);
        assert!(report["max_error"].as_f64().unwrap() < 1e-3, "{report}");
        for layer in report["layers"].as_array().unwrap() {
            assert!(
                layer["scale"].is_i64() && layer["limbs"].as_u64().unwrap() > 0,
                "{layer}"
            );
        }
        let keys = folder.path().join("keys");
        let made = succeed(&mut setup_from(&file, &keys));
        assert_eq!(made["limbs"], report["limbs"]);
        // The same choice as setup's own by the same samples.
        let own = setup(&folder.path().join("own"), flags);
        assert_eq!(made["limbs"], own["limbs"]);
        assert!(own["max_error"].as_f64().is_some() && own["refused"].as_array().is_some());
        let outputs = |keys: &std::path::Path| floats(&prove(keys, &folder.path().join("proof"), &[])["outputs"]);
        assert_eq!(outputs(&keys), outputs(&folder.path().join("own")));
    }
}

#[test]
fn presets_differ_in_limbs() {
    let folder = tempfile::tempdir().unwrap();
    let bits = |flags: &[&str]| {
        let limbs = setup(&folder.path().join("keys"), flags)["limbs"].clone();
        let value = |name: &str| limbs[name].as_u64().unwrap();
        value("bits") * (value("hi") + value("lo"))
    };
    let (fast, usual, accurate) = (bits(&["--fast"]), bits(&[]), bits(&["--accuracy"]));
    assert!(fast < usual && usual < accurate, "{fast} {usual} {accurate}");
}

#[test]
fn calibrations_that_are_none_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (file, keys) = (folder.path().join("calibration.json"), folder.path().join("keys"));
    calibrate(&file, &[]);
    let good: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    type Damage = fn(&mut serde_json::Value);
    let damages: [(Damage, &str); 6] = [
        (|v| v["model_hash"] = "00".into(), "not one of this model"),
        (
            |v| v["calibration"]["layers"] = serde_json::json!([]),
            "as many as the model has",
        ),
        (|v| v["calibration"]["input"] = (-1.0).into(), "not a positive number"),
        (
            |v| v["calibration"]["ranges"][0] = serde_json::json!([1.0, -1.0]),
            "from a number to a larger one",
        ),
        (|v| v["limbs"]["bits"] = 40.into(), "60 bits"),
        (|v| v["further"] = 1.into(), "tapeout calibrate --out"),
    ];
    for (damage, expected) in damages {
        let mut value = good.clone();
        damage(&mut value);
        fs::write(&file, value.to_string()).unwrap();
        let message = fail(&mut setup_from(&file, &keys), 2);
        assert!(message.contains(expected), "{expected}: {message}");
    }
    for text in ["", "[]", "{\"limbs\": 3}"] {
        fs::write(&file, text).unwrap();
        assert!(fail(&mut setup_from(&file, &keys), 2).contains("tapeout calibrate --out"));
    }
    assert!(!keys.exists());
}
