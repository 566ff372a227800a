//! Verification on a chain: a Solidity contract per verifying key, and the calldata that brings a proof to it.
//!
//! The contract is written as a walk over the constraint system, the layout and the claims, the same data that prover and verifier
//! read, so that a new gate needs no new line here. `docs/evm.md` has its interface and what it costs.

mod contract;
mod ir;
pub mod tools;

use sha3::{Digest, Keccak256};
use tapeout_driver::Fr;

pub use contract::{Form, SHARED_NAME, SINGLE_NAME, contract, key_data};

use crate::{
    encoding::Writer,
    keys::VerifyingKey,
    statement::{Context, Statement},
};

/// The calldata of `verify(bytes,uint256[],bytes32)`: `statement` verified in `context`.
pub fn calldata(statement: &Statement, context: &Context) -> Vec<u8> {
    encode("verify(bytes,uint256[],bytes32)", &[], statement, &[*context])
}

/// The calldata of `verify(bytes,uint256[])`, for proofs that are bound to nothing.
pub fn calldata_unbound(statement: &Statement) -> Vec<u8> {
    encode("verify(bytes,uint256[])", &[], statement, &[])
}

/// The calldata of `verify(address,bytes,uint256[],bytes32)`: `statement` verified in `context` with the key that stands at `key`,
/// by a contract of [`Form::Shared`].
pub fn calldata_shared(key: &[u8; 20], statement: &Statement, context: &Context) -> Vec<u8> {
    let mut address = [0; 32];
    address[12..].copy_from_slice(key);
    encode(
        "verify(address,bytes,uint256[],bytes32)",
        &[address],
        statement,
        &[*context],
    )
}

/// The creation code of a contract that holds [`key_data`] and nothing else, behind a byte that stops whoever calls it.
pub fn key_creation(key: &VerifyingKey) -> Vec<u8> {
    let data = key_data(key);
    let [high, low] = (data.len() as u16 + 1).to_be_bytes();
    // PUSH2 length, DUP1, PUSH1 10, RETURNDATASIZE, CODECOPY, RETURNDATASIZE, RETURN; RETURNDATASIZE is zero here.
    let mut code = vec![0x61, high, low, 0x80, 0x60, 0x0a, 0x3d, 0x39, 0x3d, 0xf3, 0x00];
    code.extend(data);
    code
}

/// The public words as a contract takes them, field elements of 32 bytes each: integers, then hashes.
pub fn words(statement: &Statement) -> Vec<Vec<u8>> {
    let word = |value: &Fr| {
        let mut out = Writer::new();
        out.scalar(value);
        out.finish()
    };
    statement.words().words().iter().map(word).collect()
}

/// The proof's bytes as a contract takes them: those of the file without its header and its public words.
pub fn proof_bytes(statement: &Statement) -> Vec<u8> {
    let mut out = Writer::new();
    statement.proof.write(&mut out);
    out.finish()
}

/// `before` and `behind` are the arguments of one word on either side of proof and public words.
fn encode(signature: &str, before: &[[u8; 32]], statement: &Statement, behind: &[[u8; 32]]) -> Vec<u8> {
    let proof = proof_bytes(statement);
    let word = |out: &mut Writer, v: usize| {
        out.bytes(&[0; 24]);
        out.u64(v as u64);
    };
    let head = 64 + 32 * (before.len() + behind.len());
    let mut out = Writer::new();
    out.bytes(&selector_bytes(signature));
    before.iter().for_each(|word| out.bytes(word));
    word(&mut out, head);
    // A proof is a multiple of 32 bytes, so that nothing pads it.
    word(&mut out, head + 32 + proof.len());
    behind.iter().for_each(|word| out.bytes(word));
    word(&mut out, proof.len());
    out.bytes(&proof);
    let words = words(statement);
    word(&mut out, words.len());
    words.iter().for_each(|word| out.bytes(word));
    out.finish()
}

/// The first four bytes of a signature's hash.
fn selector_bytes(signature: &str) -> [u8; 4] {
    let hash = Keccak256::digest(signature);
    [hash[0], hash[1], hash[2], hash[3]]
}

fn selector(signature: &str) -> String {
    selector_bytes(signature).iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests;
