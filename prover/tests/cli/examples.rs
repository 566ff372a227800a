//! The examples of uses: each tells its story to the end, where everything honest went through and every attempt to cheat was refused as
//! the story says. `examples/common/example.py` ends with 1 where something is otherwise.

use tapeout_prover::evm::tools::{DEFAULT_DIR, Tools};

use super::*;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn tell(name: &str) {
    let story = root().join("examples").join(name).join("run.py");
    let output = Command::new("python3")
        .arg(story)
        .arg(env!("CARGO_BIN_EXE_tapeout"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}{}", stdout(&output), stderr(&output));
    assert!(
        stdout(&output).trim_end().ends_with("All as it should be."),
        "{}",
        stdout(&output)
    );
}

/// Of examples with contracts: where no contract can be run, a developer is told and goes on without; a build server fails.
fn tell_with_contracts(name: &str) {
    match Tools::find(&root().join(DEFAULT_DIR)) {
        Ok(_) => tell(name),
        Err(error) if std::env::var_os("CI").is_some() => panic!("no contract can be run: {error}"),
        Err(error) => {
            // Not by a macro that the test runner holds back.
            let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("SKIPPED, {name}: {error}\n"));
        }
    }
}

#[test]
fn a_trading_strategy_has_its_record_on_chain() {
    tell_with_contracts("trading");
}

#[test]
fn a_diagnosis_is_proven_from_a_committed_record() {
    tell("medical");
}

#[test]
fn a_service_proves_its_answers() {
    tell("api");
}

#[test]
fn a_credential_moves_to_a_new_template_of_the_same_scan() {
    tell("credential");
}

#[test]
fn training_goes_from_step_to_step_by_committed_weights() {
    tell("training");
}

#[test]
fn a_bridge_freezes_on_a_proven_anomaly() {
    tell_with_contracts("freeze");
}

#[test]
fn a_loan_is_paid_out_on_a_proven_score() {
    tell_with_contracts("lending");
}
