//! Proofs of neural-network inference: an ONNX model in, a Plonk-style (KZG, BN254) proof out.

pub mod encoding;
pub mod field;
pub mod keys;
pub mod kzg;
pub mod layout;
pub mod model;
pub mod ops;
pub mod pipeline;
pub mod plonk;
pub mod srs;
pub mod statement;
pub mod transcript;
