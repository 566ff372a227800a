//! Proofs of neural-network inference: an ONNX model in, a Plonk-style (KZG, BN254) proof out.

pub mod model;
