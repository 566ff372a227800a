//! The proof system: a constraint system as data, and the prover that reads it. What the verifier reads too, and the verifier,
//! stand in [`tapeout_verifier::plonk`].

pub mod check;
pub mod cost;
pub mod eval;
pub mod fold;
pub(crate) mod hash;
pub mod hidden;
pub mod kernels;
pub mod linear;
pub mod matrix;
pub mod prover;
pub(crate) mod quotient;

pub use tapeout_verifier::plonk::{at, cs, expr, proof, rounds, verifier};

#[cfg(test)]
pub(crate) mod tests;
