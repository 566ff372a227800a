//! The proof system: a constraint system as data, and the prover and verifier that read it.

pub mod check;
pub mod cost;
pub mod cs;
pub mod eval;
pub mod expr;
pub mod fold;
pub mod kernels;
pub mod linear;
pub mod matrix;
pub mod proof;
pub mod prover;
pub(crate) mod quotient;
pub(crate) mod rounds;
pub mod verifier;

#[cfg(test)]
pub(crate) mod tests;
