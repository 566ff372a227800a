//! Proves one inference of a digit classifier and verifies the proof: `cargo run --release --example prove`.
#![allow(clippy::print_stdout)]

use tapeout_prover::{keys::VerifyingKey, model::Model, pipeline, statement::NO_CONTEXT};

fn main() -> anyhow::Result<()> {
    let backend = tapeout_driver::backend::open(tapeout_driver::backend::DEFAULT)?;
    let model = Model::load("examples/lenet5/network.onnx")?;
    let file: serde_json::Value = serde_json::from_slice(&std::fs::read("examples/lenet5/input.json")?)?;
    let image: Vec<f64> = serde_json::from_value(file["input_data"][0].clone())?;

    // Once per model: scales from typical inputs, keys for prover and verifier.
    let (options, samples) = (pipeline::SetupOptions::default(), [image.clone()]);
    let pipeline::Keys { proving: key, .. } = pipeline::setup(&model, &samples, options, None, &*backend, &mut |_| {})?;
    let verifying_key = key.verifying().to_bytes()?;

    // Once per inference. The image stays with the prover.
    let proven = pipeline::prove(&key, &image, &NO_CONTEXT, &*backend, None, &mut |_| {})?;
    let proof = proven.statement.to_bytes();

    // Anywhere else, from bytes alone.
    let key = VerifyingKey::from_bytes(&verifying_key)?;
    let verified = pipeline::verify(&key, &proof, &NO_CONTEXT, pipeline::Trust::InsecureDev)?;
    println!("{} bytes prove the scores {:.3?}", proof.len(), verified.outputs);
    Ok(())
}
