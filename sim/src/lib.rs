//! Tapeout sim.
