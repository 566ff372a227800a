//! Tapeout hw.
