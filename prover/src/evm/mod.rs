//! Verification on a chain: a Solidity contract per verifying key, and the calldata that brings a proof to it.
//!
//! The contract is written as a walk over the constraint system, the layout and the claims, the same data that prover and verifier
//! read, so that a new gate needs no new line here. `docs/evm.md` has its interface and what it costs.

mod contract;
mod ir;
pub mod tools;

use sha3::{Digest, Keccak256};

pub use contract::{Unsupported, contract};

use crate::{
    encoding::Writer,
    field::signed,
    statement::{Context, Statement},
};

/// The calldata of `verify(bytes,uint256[],bytes32)`: `statement` verified in `context`.
pub fn calldata(statement: &Statement, context: &Context) -> Vec<u8> {
    encode("verify(bytes,uint256[],bytes32)", statement, Some(context))
}

/// The calldata of `verify(bytes,uint256[])`, for proofs that are bound to nothing.
pub fn calldata_unbound(statement: &Statement) -> Vec<u8> {
    encode("verify(bytes,uint256[])", statement, None)
}

/// The proof's bytes as a contract takes them: those of the file without its header and its public words.
pub fn proof_bytes(statement: &Statement) -> Vec<u8> {
    let mut out = Writer::new();
    statement.proof.write(&mut out);
    out.finish()
}

fn encode(signature: &str, statement: &Statement, context: Option<&Context>) -> Vec<u8> {
    let proof = proof_bytes(statement);
    let word = |out: &mut Writer, v: usize| {
        out.bytes(&[0; 24]);
        out.u64(v as u64);
    };
    let head = 64 + 32 * usize::from(context.is_some());
    let mut out = Writer::new();
    out.bytes(&selector_bytes(signature));
    word(&mut out, head);
    // A proof is a multiple of 32 bytes, so that nothing pads it.
    word(&mut out, head + 32 + proof.len());
    if let Some(context) = context {
        out.bytes(context);
    }
    word(&mut out, proof.len());
    out.bytes(&proof);
    word(&mut out, statement.public.len());
    statement.public.iter().for_each(|v| out.scalar(&signed(*v)));
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
