//! Tapeout benches.
