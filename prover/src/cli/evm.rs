//! `tapeout evm`

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;
use tapeout_prover::evm::{
    self,
    tools::{Call, DEFAULT_DIR, Script, ToolError, Tools},
};
use tapeout_prover::keys::VerifyingKey;
use tapeout_prover::statement::{Statement, VerifyError};

use super::context::ContextArgs;
use super::files;
use super::keys::{self, hex};
use super::output::{Output, Status, facts};

/// The largest contract that a chain takes (EIP-170).
const CODE_LIMIT: usize = 24_576;

/// Write a Solidity contract that verifies proofs for a key, and the calldata of a proof
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder with model.vk, as `tapeout setup --profile evm` wrote it
    #[arg(long, value_name = "FOLDER")]
    keys: PathBuf,

    /// Folder that Verifier.sol, and calldata.hex if there is a proof, are written to
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,

    /// A proof to make calldata of, and to measure the gas of
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,

    #[command(flatten)]
    context: ContextArgs,

    /// Folder with the Solidity compiler and the EVM, as `make evm-tools` fills it; nothing is measured without them
    #[arg(long, value_name = "FOLDER", default_value = DEFAULT_DIR)]
    tools: PathBuf,
}

#[derive(Serialize)]
struct Report {
    vk_digest: String,
    contract: PathBuf,
    calldata: Option<PathBuf>,
    /// Length of the deployed contract.
    code_bytes: Option<usize>,
    calldata_bytes: Option<usize>,
    /// What the transaction takes, its calldata included.
    gas: Option<u64>,
    /// What deploying the contract takes.
    deploy_gas: Option<u64>,
    /// Whether the contract accepts the proof.
    accepted: Option<bool>,
    /// Why nothing was measured.
    unmeasured: Option<String>,
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let key = keys::read_verifying(&keys::verifying_path(&self.keys))?;
        let source = evm::contract(&key)?;
        let calldata = self
            .proof
            .as_deref()
            .map(|path| self.calldata(&key, path))
            .transpose()?;
        files::create_folder(&self.out)?;
        let contract = self.out.join("Verifier.sol");
        files::write(&contract, source.as_bytes())?;
        let hex_file = self.out.join("calldata.hex");
        if let Some(calldata) = &calldata {
            files::write(&hex_file, format!("0x{}\n", hex(calldata)).as_bytes())?;
        }
        let mut report = Report {
            vk_digest: hex(&key.digest()),
            contract,
            calldata: calldata.is_some().then_some(hex_file),
            code_bytes: None,
            calldata_bytes: calldata.as_ref().map(Vec::len),
            gas: None,
            deploy_gas: None,
            accepted: None,
            unmeasured: None,
        };
        match Tools::find(&self.tools) {
            Ok(tools) => measure(&tools, &source, calldata.as_deref(), &mut report)?,
            Err(error @ ToolError::Missing(_)) => report.unmeasured = Some(error.to_string()),
            Err(error) => return Err(error.into()),
        }
        if report.code_bytes.is_some_and(|bytes| bytes > CODE_LIMIT) {
            tracing::warn!(
                "the contract is larger than a chain takes ({CODE_LIMIT} bytes): make keys with --profile evm"
            );
        }
        let status = if report.accepted == Some(false) {
            Status::DoesNotVerify
        } else {
            Status::Ok
        };
        output.result(&report, human)?;
        Ok(status)
    }

    fn calldata(&self, key: &VerifyingKey, path: &Path) -> anyhow::Result<Vec<u8>> {
        let unreadable = || format!("cannot read the proof '{}'", path.display());
        let statement = match Statement::read(&files::read(path)?, key) {
            Ok(statement) => statement,
            Err(VerifyError::Rejected(reason)) => bail!("{}: {reason}", unreadable()),
            Err(error) => return Err(error).with_context(unreadable),
        };
        Ok(match self.context.given() {
            Some(context) => evm::calldata(&statement, &context),
            None => evm::calldata_unbound(&statement),
        })
    }
}

fn measure(tools: &Tools, source: &str, calldata: Option<&[u8]>, report: &mut Report) -> anyhow::Result<()> {
    let code = tools.compile(&[("Verifier.sol", source)], "TapeoutVerifier")?;
    let call = |data: &[u8]| Call {
        data: hex(data),
        ..Call::default()
    };
    let outcomes = tools.run(&Script {
        deploy: vec![code],
        calls: calldata.map(call).into_iter().collect(),
    })?;
    for deployed in &outcomes.deployed {
        if !deployed.ok {
            bail!("the contract cannot be deployed: {}", deployed.output);
        }
        report.code_bytes = deployed.code_bytes;
        report.deploy_gas = Some(deployed.gas);
    }
    for call in &outcomes.calls {
        report.gas = Some(call.gas);
        report.accepted = Some(call.ok);
    }
    Ok(())
}

fn human(report: &Report) -> String {
    let number = |v: Option<u64>| v.map(|v| v.to_string());
    let rows = [
        ("contract", Some(report.contract.display().to_string())),
        (
            "calldata",
            report.calldata.as_ref().map(|path| path.display().to_string()),
        ),
        ("key digest", Some(report.vk_digest.clone())),
        ("code", report.code_bytes.map(|v| format!("{v} bytes"))),
        ("calldata length", report.calldata_bytes.map(|v| format!("{v} bytes"))),
        ("gas", number(report.gas)),
        ("gas to deploy", number(report.deploy_gas)),
        (
            "the contract",
            report
                .accepted
                .map(|ok| if ok { "accepts the proof" } else { "REFUSES THE PROOF" }.to_owned()),
        ),
        ("not measured", report.unmeasured.clone()),
    ];
    let rows: Vec<_> = rows.into_iter().filter_map(|(name, v)| v.map(|v| (name, v))).collect();
    facts(&rows)
}
