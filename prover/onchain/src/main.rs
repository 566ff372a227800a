//! Deploys contracts in revm and calls them: JSON in on standard input, JSON out on standard output.
//!
//! In: `{"deploy": [HEX], "calls": [{"to": INDEX, "data": HEX, "gas": LIMIT, "value": WEI, "from": ADDRESS}], "errors": [SIGNATURE]}`,
//! `to` an index into `deploy` (creation code, its constructor's arguments included). Out: `{"deployed": [..], "calls": [..]}`, each with
//! `ok`, `gas` (the transaction's, calldata included), `output`, `error` if it reverted with one of `errors`, and, for what was deployed,
//! `code_bytes` and `address`. State persists from call to call. Whoever sends has as much as is needed; who deploys, and sends unless
//! `from` says otherwise, is 0x1111...

use std::collections::HashMap;
use std::io::Read;

use anyhow::{Context as _, anyhow, ensure};
use revm::{
    Context, ExecuteCommitEvm, MainBuilder, MainContext,
    context::TxEnv,
    context_interface::result::{ExecutionResult, Output},
    database::{CacheDB, EmptyDB},
    primitives::{Address, Bytes, TxKind, U256, hex, keccak256},
    state::AccountInfo,
};
use serde::{Deserialize, Serialize};

const CALLER: Address = Address::repeat_byte(0x11);
/// What a transaction may take unless it says otherwise: below the cap of EIP-7825.
const GAS: u64 = 16_000_000;

#[derive(Deserialize)]
struct Request {
    deploy: Vec<String>,
    #[serde(default)]
    calls: Vec<Call>,
    /// Errors to know by name, such as `Rejected()`.
    #[serde(default)]
    errors: Vec<String>,
}

#[derive(Deserialize)]
struct Call {
    to: usize,
    data: String,
    gas: Option<u64>,
    #[serde(default)]
    value: u64,
    from: Option<String>,
}

impl Call {
    fn sender(&self) -> anyhow::Result<Address> {
        let Some(text) = &self.from else { return Ok(CALLER) };
        text.parse().with_context(|| format!("'{text}' is no address"))
    }
}

#[derive(Serialize)]
struct Outcome {
    ok: bool,
    gas: u64,
    output: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    code_bytes: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
}

#[derive(Serialize)]
struct Report {
    deployed: Vec<Outcome>,
    calls: Vec<Outcome>,
}

fn main() -> anyhow::Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let request: Request = serde_json::from_str(&text).context("the request on standard input cannot be read")?;
    let mut db = CacheDB::new(EmptyDB::default());
    for sender in request.calls.iter().map(Call::sender).chain([Ok(CALLER)]) {
        let sender = sender?;
        db.insert_account_info(
            sender,
            AccountInfo::from_balance(U256::from(10u64).pow(U256::from(30u64))),
        );
    }
    let names: HashMap<[u8; 4], &String> = request
        .errors
        .iter()
        .map(|signature| (selector(keccak256(signature).as_slice()), signature))
        .collect();
    let mut evm = Context::mainnet().with_db(db).build_mainnet();
    let mut nonces: HashMap<Address, u64> = HashMap::new();
    let mut transact = |from: Address,
                        kind: TxKind,
                        data: Vec<u8>,
                        gas: u64,
                        value: u64|
     -> anyhow::Result<(Outcome, Option<Address>)> {
        let nonce = nonces.entry(from).or_default();
        let tx = TxEnv::builder()
            .caller(from)
            .kind(kind)
            .data(Bytes::from(data))
            .gas_limit(gas)
            .gas_price(0)
            .value(U256::from(value))
            .nonce(*nonce)
            .build()
            .map_err(|e| anyhow!("{e:?}"))?;
        *nonce += 1;
        let result = evm.transact_commit(tx).map_err(|e| anyhow!("{e:?}"))?;
        let gas = result.tx_gas_used();
        Ok(match result {
            ExecutionResult::Success { output, .. } => {
                let (code_bytes, address) = match &output {
                    Output::Create(code, address) => (Some(code.len()), *address),
                    Output::Call(_) => (None, None),
                };
                let outcome = Outcome {
                    ok: true,
                    gas,
                    // A contract's code is not worth printing.
                    error: None,
                    output: if code_bytes.is_some() {
                        String::new()
                    } else {
                        hex::encode(output.data())
                    },
                    code_bytes,
                    address: address.map(|a| format!("{a:?}")),
                };
                (outcome, address)
            }
            ExecutionResult::Revert { output, .. } => {
                let error = names.get(&selector(&output)).map(|name| (*name).clone());
                (
                    Outcome {
                        error,
                        ..failed(gas, hex::encode(output))
                    },
                    None,
                )
            }
            ExecutionResult::Halt { reason, .. } => (failed(gas, format!("{reason:?}")), None),
        })
    };
    let mut report = Report {
        deployed: Vec::new(),
        calls: Vec::new(),
    };
    let mut addresses = Vec::new();
    for code in &request.deploy {
        let (outcome, address) = transact(CALLER, TxKind::Create, bytes(code)?, GAS, 0)?;
        report.deployed.push(outcome);
        addresses.push(address);
    }
    for call in &request.calls {
        let address = addresses.get(call.to).copied().flatten();
        ensure!(address.is_some(), "contract {} was not deployed", call.to);
        let to = TxKind::Call(address.unwrap_or_default());
        let from = call.sender()?;
        let (outcome, _) = transact(from, to, bytes(&call.data)?, call.gas.unwrap_or(GAS), call.value)?;
        report.calls.push(outcome);
    }
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

fn failed(gas: u64, output: String) -> Outcome {
    Outcome {
        ok: false,
        gas,
        output,
        error: None,
        code_bytes: None,
        address: None,
    }
}

/// The first four bytes, zeros where there are fewer.
fn selector(data: &[u8]) -> [u8; 4] {
    let mut first = [0; 4];
    first.iter_mut().zip(data).for_each(|(to, from)| *to = *from);
    first
}

fn bytes(text: &str) -> anyhow::Result<Vec<u8>> {
    hex::decode(text.trim_start_matches("0x")).context("not hexadecimal")
}
