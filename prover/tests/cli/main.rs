//! The command line as scripts see it: exit codes, JSON on standard output, messages on standard error.

#![allow(clippy::unwrap_used, clippy::panic)]

mod calibration;
mod commitments;
mod contracts;
mod examples;
mod hashes;
mod kernels;
mod proofs;
mod refusals;
mod segments;
mod usage;
mod weights;

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

fn tapeout<S: AsRef<OsStr>>(arguments: &[S]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_tapeout"))
        .args(arguments)
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> &str {
    std::str::from_utf8(&output.stdout).unwrap()
}

fn stderr(output: &Output) -> &str {
    std::str::from_utf8(&output.stderr).unwrap()
}

/// Standard output as one JSON value, and nothing else.
fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", stdout(output)))
}

/// Keys and a proof of the linear regression, made once for all tests.
struct Fixture {
    folder: TempDir,
    proved: Value,
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let keys = folder.path().join("keys");
    setup(&keys, &[]);
    let proved = prove(&keys, &folder.path().join("proof"), &[]);
    Fixture { folder, proved }
});

impl Fixture {
    fn keys(&self) -> PathBuf {
        self.folder.path().join("keys")
    }

    fn vk(&self) -> PathBuf {
        self.keys().join("model.vk")
    }

    fn proof(&self) -> PathBuf {
        self.folder.path().join("proof")
    }

    fn outputs(&self) -> Vec<f64> {
        floats(&self.proved["outputs"])
    }
}

/// A file of the example model.
fn linreg(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../examples/linreg")
        .join(name)
}

fn setup(keys: &Path, flags: &[&str]) -> Value {
    succeed(
        command("setup")
            .arg(linreg("network.onnx"))
            .arg("--calibrate")
            .arg(linreg("samples.json"))
            .arg("--out")
            .arg(keys)
            .args(flags),
    )
}

fn prove(keys: &Path, proof: &Path, flags: &[&str]) -> Value {
    succeed(prove_command(keys, proof).args(flags))
}

fn prove_command(keys: &Path, proof: &Path) -> Command {
    let mut command = command("prove");
    command
        .arg(linreg("network.onnx"))
        .arg("--input")
        .arg(linreg("input.json"));
    command.arg("--keys").arg(keys).arg("--out").arg(proof);
    command
}

fn verify_command(proof: &Path, vk: &Path) -> Command {
    let mut command = command("verify");
    command.arg(proof).arg("--vk").arg(vk).arg("--insecure-dev");
    command
}

/// A verb with `--json`.
fn command(verb: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tapeout"));
    command.args([verb, "--json"]);
    command
}

fn succeed(command: &mut Command) -> Value {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{command:?}: {}", stderr(&output));
    json(&output)
}

/// Runs a command that must fail with `code`; its message, which must also be the JSON's.
fn fail(command: &mut Command, code: i32) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(code), "{command:?}: {}", stderr(&output));
    let report = json(&output);
    let message = if code == 1 { &report["reason"] } else { &report["error"] };
    assert!(code == 1 || stderr(&output).contains(message.as_str().unwrap()));
    message.as_str().unwrap().to_owned()
}

fn floats(list: &Value) -> Vec<f64> {
    list.as_array()
        .unwrap()
        .iter()
        .map(|value| value.as_f64().unwrap())
        .collect()
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}
