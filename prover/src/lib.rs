//! Proofs of neural-network inference: an ONNX model in, a Plonk-style (KZG, BN254) proof out, verified in milliseconds.
//!
//! The crate is a library with a command line, `tapeout`, on top. It names no device: every multi-scalar multiplication and
//! every transform goes through [`tapeout_driver::Backend`], and the same proof bytes come out of each.
//!
//! ```
//! use tapeout_prover::{model::Model, pipeline::{self, SetupOptions, Trust}, statement::NO_CONTEXT};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let backend = tapeout_driver::backend::open(tapeout_driver::backend::DEFAULT)?;
//! let model = Model::load("../examples/linreg/network.onnx")?;
//! // Typical inputs decide the scales; with none, random ones stand in.
//! let samples: [Vec<f64>; 0] = [];
//! let pipeline::Keys { proving: key, .. } = pipeline::setup(&model, &samples, SetupOptions::default(), None, backend.as_ref(), &mut |_| {})?;
//! let proven = pipeline::prove(&key, &[0.5; 10], &NO_CONTEXT, backend.as_ref(), None, &mut |_| {})?;
//! let proof = proven.statement.to_bytes();
//!
//! let verified = pipeline::verify(key.verifying(), &proof, &NO_CONTEXT, Trust::InsecureDev)?;
//! assert_eq!(verified.outputs, Some(proven.outputs));
//! # Ok(())
//! # }
//! ```
//!
//! From the outside in: [`pipeline`] has the three functions that most callers need, [`choice`] what limbs and scales a model gets; [`model`] and [`ops`] import, calibrate
//! and quantise; [`layout`] gives everything its row; [`plonk`] is the proof system, with the constraints as data; [`kzg`],
//! [`srs`], [`transcript`] and [`encoding`] are what it stands on. What a verifier needs of all that is a crate of its own,
//! [`tapeout_verifier`], whose items stand here too. The protocol is written down in `docs/protocol.md`.

// Unit tests share files with the tests under tests/, which name the crate.
#[cfg(test)]
extern crate self as tapeout_prover;

pub mod certificate;
pub mod choice;
pub mod commitment;
pub mod encoding;
pub mod evm;
pub mod field;
pub mod hash;
pub mod keys;
pub mod kzg;
pub mod layout;
pub mod model;
pub mod ops;
pub mod pipeline;
pub mod plonk;
pub mod segments;
pub mod srs;
pub mod statement;

pub use tapeout_verifier::transcript;
