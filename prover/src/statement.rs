//! Proof files and their verdicts: [`tapeout_verifier::statement`].

pub use tapeout_verifier::statement::*;

#[cfg(test)]
mod tests;
