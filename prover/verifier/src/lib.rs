//! The verifier of Tapeout's proofs: a key, a proof file and a context in; what was proven, or why not, out.
//!
//! The crate holds what a verifier needs and nothing of a prover: no model import, no device, no randomness, no threads of its
//! own. It builds for `wasm32-unknown-unknown`. Provers build on it: the constraint system as data ([`plonk::cs`]), the order
//! of the rounds ([`plonk::rounds`]) and the encodings ([`encoding`]) stand here once.
//!
//! ```no_run
//! use tapeout_verifier::{Trust, keys::VerifyingKey, statement::NO_CONTEXT, verify};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let key = VerifyingKey::from_bytes(&std::fs::read("keys/model.vk")?)?;
//! let verified = verify(&key, &std::fs::read("proof")?, &NO_CONTEXT, Trust::Ceremony)?;
//! println!("{:?}", verified.outputs);
//! # Ok(())
//! # }
//! ```
//!
//! A key says which model it is for ([`keys::ModelInfo`]) and where its reference string stems from ([`keys::Origin`]); who
//! verifies must have the key, or its digest, from somebody they trust. The protocol is written down in `docs/protocol.md`.

pub mod commitment;
pub mod encoding;
pub mod field;
pub mod fixed;
pub mod hash;
pub mod interface;
pub mod keys;
pub mod kzg;
pub mod plonk;
pub mod reveal;
pub mod segments;
pub mod statement;
pub mod transcript;
mod verify;

pub use verify::{Key, Trust, Verified, verify};
