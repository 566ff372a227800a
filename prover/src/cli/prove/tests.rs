//! `tapeout prove --backend rtl` on a card whose bits flip.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::LazyLock;

use clap::Parser;
use tapeout_driver::backend::{Availability, TABLE};
use tapeout_driver::card::Site;
use tapeout_prover::pipeline::{self, SetupOptions};
use tempfile::TempDir;

use super::*;

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    args: Args,
}

/// Keys of the linear regression, and its proof by the processor.
static FOLDER: LazyLock<(TempDir, Vec<u8>)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let model = keys::read_model(&linreg("network.onnx")).unwrap();
    let samples = io::read_samples(linreg("samples.json"), model.program.input_len()).unwrap();
    let cpu = tapeout_driver::backend::open("cpu").unwrap();
    let options = SetupOptions::default();
    let pipeline::Keys { proving: key, .. } =
        pipeline::setup(&model, &samples, options, None, cpu.as_ref(), &mut |_| ()).unwrap();
    files::write(&keys::proving_path(folder.path()), &key.to_bytes().unwrap()).unwrap();
    let args = args(folder.path(), "expected", &["--backend", "cpu"]);
    let report = args.prove(&args.backend.open().unwrap(), &Meter::start()).unwrap();
    assert!(report.results.is_none());
    let proof = std::fs::read(folder.path().join("expected")).unwrap();
    (folder, proof)
});

fn linreg(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples/linreg")
        .join(name)
}

/// The verb's arguments; the proof goes to a file of that name.
fn args(folder: &Path, proof: &str, more: &[&str]) -> Args {
    let path = |path: PathBuf| path.to_str().unwrap().to_owned();
    let line = [
        "prove".to_owned(),
        path(linreg("network.onnx")),
        "--input".to_owned(),
        path(linreg("input.json")),
        "--keys".to_owned(),
        path(folder.to_owned()),
        "--out".to_owned(),
        path(folder.join(proof)),
        "--seed=7".to_owned(),
    ];
    Line::try_parse_from(line.into_iter().chain(more.iter().map(|flag| (*flag).to_owned())))
        .map_err(|error| error.to_string())
        .unwrap()
        .args
}

fn simulated() -> bool {
    TABLE
        .iter()
        .any(|entry| entry.name == "rtl" && entry.availability() == Availability::Ready)
}

#[test]
fn a_fault_gives_an_error_and_no_proof() {
    if !simulated() {
        return;
    }
    let (folder, expected) = &*FOLDER;
    let place = folder.path().join("faulty");
    let record = folder.path().join("faulty.json");
    let flags = ["--backend", "rtl", "--record", record.to_str().unwrap()];
    let args = args(folder.path(), "faulty", &flags);
    for (after, engine) in [(1, "MSM"), (30, "")] {
        let (device, injectors) = args.backend.open_faulty(1);
        injectors[0].arm(Site::Result, after, u64::from(after));
        let error = args
            .prove(&device, &Meter::start())
            .err()
            .map(|error| format!("{error:#}"));
        let flipped = injectors[0].disarm();
        assert_eq!(flipped.len(), 1, "{error:?}");
        let error = error.unwrap();
        assert!(error.contains("no proof for the input"), "{error}");
        assert!(
            error.contains(&format!("{engine} engine of backend rtl failed call")),
            "{error}"
        );
        assert!(!place.exists() && !record.exists());
        // the card is none the worse for it
        if after == 1 {
            let report = args.prove(&device, &Meter::start()).unwrap();
            assert_eq!(&std::fs::read(&place).unwrap(), expected);
            let log = report.results.unwrap();
            assert!(log.checked > 0 && log.incidents.len() == 1, "{log:?}");
            let time = report.device_time.unwrap();
            assert!(0 < time.check_cycles && time.check_cycles < time.cycles);
            std::fs::remove_file(&place).unwrap();
            std::fs::remove_file(&record).unwrap();
        }
    }
}

#[test]
fn the_fallback_gives_the_same_proof() {
    if !simulated() {
        return;
    }
    let (folder, expected) = &*FOLDER;
    let args = args(folder.path(), "made-good", &["--backend", "rtl:2", "--fallback", "cpu"]);
    let (device, injectors) = args.backend.open_faulty(2);
    injectors[1].arm(Site::Result, 2, 5);
    let report = args.prove(&device, &Meter::start()).unwrap();
    assert_eq!(injectors[1].disarm().len(), 1);
    assert_eq!(&std::fs::read(folder.path().join("made-good")).unwrap(), expected);
    let incidents = &report.results.as_ref().unwrap().incidents;
    assert_eq!((incidents.len(), incidents[0].made_good_on), (1, Some("cpu")));
    assert_eq!(incidents[0].engine, "the MSM engine of card 2 of backend rtl:2");
    let text = human(&report);
    assert!(text.contains("computed on cpu instead"), "{text}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["results"]["incidents"][0]["made_good_on"], "cpu");
}

/// Without checks of results it is the prover, which verifies what it made, that throws the proof away.
#[test]
fn what_is_not_checked_does_not_leave_either() {
    if !simulated() {
        return;
    }
    let (folder, _) = &*FOLDER;
    let args = args(
        folder.path(),
        "unchecked",
        &["--backend", "rtl", "--check-results", "never"],
    );
    let (device, injectors) = args.backend.open_faulty(1);
    injectors[0].arm(Site::Result, 1, 1);
    let error = args
        .prove(&device, &Meter::start())
        .err()
        .map(|error| format!("{error:#}"));
    assert_eq!(injectors[0].disarm().len(), 1);
    let error = error.unwrap();
    assert!(
        error.contains("does not verify") && error.contains("backend rtl"),
        "{error}"
    );
    assert!(!folder.path().join("unchecked").exists());
}

/// Proofs during each of which a bit flips somewhere, without checks: none leaves but the right one. Gives how many did not leave.
fn unchecked_proofs(count: u32) -> u32 {
    let (folder, expected) = &*FOLDER;
    let flags = ["--backend", "rtl", "--check-results", "never"];
    let args = args(folder.path(), "swept", &flags);
    let place = folder.path().join("swept");
    let mut lost = 0;
    for (seed, site) in (0..count).zip(Site::ALL.into_iter().cycle()) {
        let (device, injectors) = args.backend.open_faulty(1);
        injectors[0].arm(site, seed % 11, u64::from(seed));
        let outcome = args.prove(&device, &Meter::start());
        let flipped = injectors[0].disarm();
        match outcome {
            Ok(_) => assert_eq!(&std::fs::read(&place).unwrap(), expected, "{flipped:?}"),
            Err(_) => {
                assert!(!flipped.is_empty() && !place.exists(), "{flipped:?}");
                lost += 1;
            }
        }
        if place.exists() {
            std::fs::remove_file(&place).unwrap();
        }
    }
    lost
}

#[test]
fn no_wrong_proof_leaves_without_checks() {
    if simulated() {
        assert!(unchecked_proofs(6) > 0);
    }
}

/// As above, of many more: `make test-hardware`.
#[test]
#[ignore = "takes minutes"]
fn no_wrong_proof_leaves_in_a_long_sweep() {
    if simulated() {
        assert!(unchecked_proofs(200) > 40);
    }
}
