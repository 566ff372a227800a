//! Models: import, calibration, quantisation and the exact integer executor.

pub mod program;
