//! Models: import, calibration, quantisation and the exact integer executor.

pub mod error;
pub mod execute;
pub mod fixed;
pub mod program;
