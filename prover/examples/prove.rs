//! Proves one inference of a digit classifier and verifies the proof: `cargo run --release --example prove`.

use tapeout_prover::{
    keys::VerifyingKey,
    model::Model,
    pipeline::{self, SetupOptions, Trust},
};

fn main() -> anyhow::Result<()> {
    let backend = tapeout_driver::backend::open(tapeout_driver::backend::DEFAULT)?;
    let model = Model::load("examples/lenet5/network.onnx")?;
    let sample = serde_json::from_slice::<serde_json::Value>(&std::fs::read("examples/lenet5/input.json")?)?;
    let image: Vec<f64> = serde_json::from_value(sample["input_data"][0].clone())?;

    // Once per model: scales from typical inputs, keys for prover and verifier.
    let samples = [image.clone()];
    let (key, _) = pipeline::setup(
        &model,
        &samples,
        SetupOptions::default(),
        None,
        backend.as_ref(),
        &mut |_| {},
    )?;
    let verifying_key = key.verifying().to_bytes()?;

    // Once per inference. The image stays with the prover.
    let proof = pipeline::prove(&key, &image, backend.as_ref(), None, &mut |_| {})?
        .statement
        .to_bytes();

    // Anywhere else, from bytes alone.
    let verified = pipeline::verify(&VerifyingKey::from_bytes(&verifying_key)?, &proof, Trust::InsecureDev)?;
    println!("{} bytes prove the scores {:.3?}", proof.len(), verified.outputs);
    Ok(())
}
