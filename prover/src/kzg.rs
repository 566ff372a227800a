//! KZG openings of many polynomials at many points with two group elements: SHPLONK. The protocol and the verifier's side
//! stand in [`tapeout_verifier::kzg`]; here is the prover's.

mod prove;

pub use prove::{Combined, OpenError, open};
pub use tapeout_verifier::kzg::*;

#[cfg(test)]
mod tests;
