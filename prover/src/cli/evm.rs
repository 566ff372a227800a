//! `tapeout evm`

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;
use tapeout_prover::evm::{
    self, Form, SHARED_NAME, SINGLE_NAME,
    tools::{CODE_LIMIT, Call, DEFAULT_DIR, Script, ToolError, Tools, deployed_address},
};
use tapeout_prover::keys::VerifyingKey;
use tapeout_prover::statement::{NO_CONTEXT, Statement, VerifyError};

use super::context::ContextArgs;
use super::files;
use super::keys::{self, hex};
use super::output::{Output, Status, facts};

/// Write a Solidity contract that verifies proofs for a key, and the calldata of a proof
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Folder with model.vk, as `tapeout setup --profile evm` wrote it
    #[arg(long, value_name = "FOLDER")]
    keys: PathBuf,

    /// Folder that Verifier.sol is written to, and, if there is a proof, calldata.hex and its arguments one by one, arguments.json
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,

    /// A proof to make calldata of, and to measure the gas of
    #[arg(long, value_name = "FILE")]
    proof: Option<PathBuf>,

    /// Write a contract that serves every model of this architecture, SharedVerifier.sol, and the key as a contract of its own, key.hex
    #[arg(long)]
    shared: bool,

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
    /// The creation code of the contract that holds the key.
    key: Option<PathBuf>,
    calldata: Option<PathBuf>,
    /// The proof and the public words one by one, for a contract that passes them on.
    arguments: Option<PathBuf>,
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

/// What the calldata is made of, each in hexadecimal.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Arguments {
    proof: String,
    public_inputs: Vec<String>,
    context: String,
}

impl Arguments {
    fn new(statement: &Statement, context: &[u8]) -> Self {
        let hex = |bytes: &[u8]| format!("0x{}", hex(bytes));
        Self {
            proof: hex(&evm::proof_bytes(statement)),
            public_inputs: evm::words(statement).iter().map(|word| hex(word)).collect(),
            context: hex(context),
        }
    }
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let key = keys::read_verifying(&keys::verifying_path(&self.keys))?;
        let (form, file) = if self.shared {
            (Form::Shared, "SharedVerifier.sol")
        } else {
            (Form::Single, "Verifier.sol")
        };
        let source = evm::contract(&key, form);
        let statement = self
            .proof
            .as_deref()
            .map(|path| self.statement(&key, path))
            .transpose()?;
        // Where the measuring run deploys the key. On a chain the key's address is known once it stands there.
        let calldata = statement.as_ref().map(|statement| match (form, self.context.given()) {
            (Form::Shared, context) => {
                evm::calldata_shared(&deployed_address(1), statement, &context.unwrap_or(NO_CONTEXT))
            }
            (Form::Single, Some(context)) => evm::calldata(statement, &context),
            (Form::Single, None) => evm::calldata_unbound(statement),
        });
        files::create_folder(&self.out)?;
        let contract = self.out.join(file);
        let key_code = self.shared.then(|| evm::key_creation(&key));
        let key_file = self.out.join("key.hex");
        if let Some(code) = &key_code {
            files::write(&key_file, format!("0x{}\n", hex(code)).as_bytes())?;
        }
        files::write(&contract, source.as_bytes())?;
        let hex_file = self.out.join("calldata.hex");
        if let Some(calldata) = &calldata {
            files::write(&hex_file, format!("0x{}\n", hex(calldata)).as_bytes())?;
        }
        let arguments = self.out.join("arguments.json");
        if let Some(statement) = &statement {
            let json = serde_json::to_string_pretty(&Arguments::new(statement, &self.context.bytes()))?;
            files::write(&arguments, json.as_bytes())?;
        }
        let mut report = Report {
            vk_digest: hex(&key.digest()),
            contract,
            key: key_code.is_some().then_some(key_file),
            calldata: calldata.is_some().then_some(hex_file),
            arguments: statement.is_some().then_some(arguments),
            code_bytes: None,
            calldata_bytes: calldata.as_ref().map(Vec::len),
            gas: None,
            deploy_gas: None,
            accepted: None,
            unmeasured: None,
        };
        match Tools::find(&self.tools) {
            Ok(tools) => measure(&tools, &source, key_code.as_deref(), calldata.as_deref(), &mut report)?,
            Err(error @ ToolError::Missing(_)) => report.unmeasured = Some(error.to_string()),
            Err(error) => return Err(error.into()),
        }
        let status = if report.accepted == Some(false) {
            Status::DoesNotVerify
        } else {
            Status::Ok
        };
        output.result(&report, human)?;
        Ok(status)
    }

    fn statement(&self, key: &VerifyingKey, path: &Path) -> anyhow::Result<Statement> {
        let unreadable = || format!("cannot read the proof '{}'", path.display());
        match Statement::read(&files::read(path)?, key) {
            Ok(statement) => Ok(statement),
            Err(VerifyError::Rejected(reason)) => bail!("{}: {reason}", unreadable()),
            Err(error) => Err(error).with_context(unreadable),
        }
    }
}

fn measure(
    tools: &Tools,
    source: &str,
    key: Option<&[u8]>,
    calldata: Option<&[u8]>,
    report: &mut Report,
) -> anyhow::Result<()> {
    let name = if key.is_some() { SHARED_NAME } else { SINGLE_NAME };
    let compiled = tools.compile(&[("Verifier.sol", source)], name)?;
    report.code_bytes = Some(compiled.code_bytes);
    if compiled.code_bytes > CODE_LIMIT {
        let reason = format!(
            "the contract has {} bytes, more than the {CODE_LIMIT} that a chain takes (EIP-170): keys made with --profile evm, \
             and --shared, make it shorter",
            compiled.code_bytes
        );
        tracing::warn!("{reason}");
        report.unmeasured = Some(reason);
        return Ok(());
    }
    let call = |data: &[u8]| Call {
        data: hex(data),
        ..Call::default()
    };
    let outcomes = tools.run(&Script {
        deploy: std::iter::once(compiled.creation).chain(key.map(hex)).collect(),
        calls: calldata.map(call).into_iter().collect(),
    })?;
    for deployed in &outcomes.deployed {
        if !deployed.ok {
            bail!("the contract cannot be deployed: {}", deployed.output);
        }
    }
    if let Some(deployed) = outcomes.deployed.first() {
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
        ("key", report.key.as_ref().map(|path| path.display().to_string())),
        (
            "calldata",
            report.calldata.as_ref().map(|path| path.display().to_string()),
        ),
        (
            "arguments",
            report.arguments.as_ref().map(|path| path.display().to_string()),
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
