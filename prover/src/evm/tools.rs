//! Runs contracts for real: the Solidity compiler and an EVM, as programs beside this one, so that who does without does not build
//! them. `make evm-tools` installs both.

use std::io::{Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};
use serde_json::json;
use sha3::{Digest, Keccak256};

/// Where `make evm-tools` puts them.
pub const DEFAULT_DIR: &str = "build/evm";

/// The Solidity compiler and the EVM.
#[derive(Clone, Debug)]
pub struct Tools {
    compiler: PathBuf,
    evm: PathBuf,
}

/// Why a contract was not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ToolError {
    /// A program is not there.
    #[error("'{}' is not there: `make evm-tools` installs it", .0.display())]
    Missing(PathBuf),
    /// A program could not be run.
    #[error("cannot run {program}: {source}")]
    Run {
        /// Which.
        program: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// A program failed.
    #[error("{program} failed: {message}")]
    Failed {
        /// Which.
        program: &'static str,
        /// What it said.
        message: String,
    },
    /// The compiler refused the source.
    #[error("the contract does not compile: {0}")]
    Source(String),
}

/// The largest contract that Ethereum and most chains like it take, in bytes of deployed code (EIP-170).
pub const CODE_LIMIT: usize = 24_576;

/// What the compiler made of a contract.
#[derive(Clone, Debug)]
pub struct Compiled {
    /// The creation code, in hexadecimal.
    pub creation: String,
    /// Length of the code that it deploys.
    pub code_bytes: usize,
}

/// What is run, in order.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Script {
    /// Creation code, in hexadecimal, with the constructor's arguments.
    pub deploy: Vec<String>,
    /// Transactions to what was deployed.
    pub calls: Vec<Call>,
}

/// One transaction.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Call {
    /// Index into [`Script::deploy`].
    pub to: usize,
    /// The calldata, in hexadecimal.
    pub data: String,
    /// The gas limit, if it is another than the usual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gas: Option<u64>,
    /// What is paid with it, in wei.
    pub value: u64,
}

/// What became of one transaction.
#[derive(Clone, Debug, Deserialize)]
pub struct Outcome {
    /// Whether it succeeded.
    pub ok: bool,
    /// The gas it took, that of the calldata included.
    pub gas: u64,
    /// What it returned or reverted with, in hexadecimal; why it was stopped, in words.
    pub output: String,
    /// The deployed code's length.
    pub code_bytes: Option<usize>,
    /// The deployed contract's address, in hexadecimal.
    pub address: Option<String>,
}

/// What became of a [`Script`].
#[derive(Clone, Debug, Deserialize)]
pub struct Outcomes {
    /// Of each deployment.
    pub deployed: Vec<Outcome>,
    /// Of each call.
    pub calls: Vec<Outcome>,
}

/// The address at which [`Tools::run`] puts the contract of this index in [`Script::deploy`]: its sender is 0x1111.., and
/// the index is the sender's nonce.
/// Indices are below 128, so that RLP writes them as one byte.
pub fn deployed_address(index: u8) -> [u8; 20] {
    // The last 20 bytes of keccak256 of the RLP list of sender and nonce; zero is written as the empty string.
    let mut list = vec![0xd6, 0x94];
    list.extend([0x11; 20]);
    list.push(if index == 0 { 0x80 } else { index });
    let mut address = [0; 20];
    address.copy_from_slice(&Keccak256::digest(&list)[12..]);
    address
}

impl Tools {
    /// The tools in a folder.
    ///
    /// # Errors
    /// [`ToolError::Missing`].
    pub fn find(dir: &Path) -> Result<Self, ToolError> {
        let there = |path: PathBuf| {
            if path.exists() {
                Ok(path)
            } else {
                Err(ToolError::Missing(path))
            }
        };
        Ok(Self {
            compiler: there(dir.join("node_modules/solc/solc.js"))?,
            evm: there(dir.join("evm-run"))?,
        })
    }

    /// The contract of this name in `sources` (file name, text).
    ///
    /// # Errors
    /// [`ToolError::Source`] with the compiler's messages, [`ToolError::Run`], [`ToolError::Failed`].
    pub fn compile(&self, sources: &[(&str, &str)], contract: &str) -> Result<Compiled, ToolError> {
        let files: serde_json::Map<String, serde_json::Value> = sources
            .iter()
            .map(|(name, text)| ((*name).to_owned(), json!({ "content": text })))
            .collect();
        let input = json!({
            "language": "Solidity",
            "sources": files,
            "settings": {
                "evmVersion": "cancun",
                // The legacy optimiser leaves memory words alone; Yul's would turn `mload(0)` into 33 bytes of constant each.
                "optimizer": { "enabled": true, "runs": 200, "details": { "yul": false } },
                "outputSelection": { "*": { "*": ["evm.bytecode.object", "evm.deployedBytecode.object"] } },
            },
        });
        let compiler = [self.compiler.as_os_str(), "--standard-json".as_ref()];
        let output = run("node", Command::new("node").args(compiler), &input.to_string())?;
        // The compiler may greet before it answers.
        let answer = output.find('{').map_or("", |start| &output[start..]);
        let output: serde_json::Value = serde_json::from_str(answer).map_err(|error| ToolError::Failed {
            program: "solc",
            message: format!(
                "its answer is no JSON ({error}): {}",
                output.chars().take(200).collect::<String>()
            ),
        })?;
        let messages = output["errors"].as_array().into_iter().flatten();
        let errors: Vec<&str> = messages
            .filter(|m| m["severity"] == "error")
            .filter_map(|m| m["formattedMessage"].as_str())
            .collect();
        if !errors.is_empty() {
            return Err(ToolError::Source(errors.join("\n")));
        }
        let contracts = output["contracts"].as_object().into_iter().flatten();
        let compiled = contracts
            .filter_map(|(_, file)| {
                let evm = &file[contract]["evm"];
                Some(Compiled {
                    creation: evm["bytecode"]["object"].as_str()?.to_owned(),
                    code_bytes: evm["deployedBytecode"]["object"].as_str()?.len() / 2,
                })
            })
            .next();
        compiled.ok_or_else(|| ToolError::Source(format!("there is no contract '{contract}'")))
    }

    /// Runs a script on an empty chain.
    ///
    /// # Errors
    /// [`ToolError::Run`], [`ToolError::Failed`].
    pub fn run(&self, script: &Script) -> Result<Outcomes, ToolError> {
        let program = "evm-run";
        let failed = |message: String| ToolError::Failed { program, message };
        let request = serde_json::to_string(script).map_err(|e| failed(e.to_string()))?;
        let output = run(program, &mut Command::new(&self.evm), &request)?;
        serde_json::from_str(&output).map_err(|e| failed(e.to_string()))
    }
}

/// What a program writes when it is given `input`. Files rather than pipes bring both: the compiler does not wait for a pipe that
/// is still empty, nor for one that is full.
fn run(program: &'static str, command: &mut Command, input: &str) -> Result<String, ToolError> {
    let cannot = |source| ToolError::Run { program, source };
    let file = || tempfile::tempfile().map_err(cannot);
    let (mut given, mut written) = (file()?, file()?);
    given.write_all(input.as_bytes()).map_err(cannot)?;
    given.rewind().map_err(cannot)?;
    let stdout = written.try_clone().map_err(cannot)?;
    let output = command
        .stdin(given)
        .stdout(stdout)
        .stderr(Stdio::piped())
        .output()
        .map_err(cannot)?;
    if !output.status.success() {
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(ToolError::Failed { program, message });
    }
    let mut text = String::new();
    written.rewind().map_err(cannot)?;
    written.read_to_string(&mut text).map_err(cannot)?;
    Ok(text)
}
