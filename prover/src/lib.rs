//! Tapeout prover.
