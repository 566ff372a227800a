//! The proof system as both sides see it: the constraints as data, the rounds, the proof; and the verifier.

pub mod at;
pub mod cs;
pub mod expr;
pub mod fold;
pub mod linear;
pub mod matrix;
pub(crate) mod pending;
pub mod proof;
pub mod rounds;
pub mod verifier;
