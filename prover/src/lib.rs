//! Proofs of neural-network inference: an ONNX model in, a Plonk-style (KZG, BN254) proof out.

pub mod encoding;
pub mod kzg;
pub mod model;
pub mod srs;
pub mod transcript;
