//! Verifies a proof file without the rest of Tapeout, and times it on one core: `verify KEY PROOF [TIMES]`.

#![allow(clippy::print_stdout)]

use std::time::{Duration, Instant};

use tapeout_verifier::{Trust, keys::VerifyingKey, statement::NO_CONTEXT, verify};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [key, proof, rest @ ..] = &arguments[..] else {
        return Err("usage: verify KEY PROOF [TIMES]".into());
    };
    let times: usize = rest.first().map_or(Ok(1), |times| times.parse())?;
    let key = VerifyingKey::from_bytes(&std::fs::read(key)?)?;
    let proof = std::fs::read(proof)?;
    let verified = verify(&key, &proof, &NO_CONTEXT, Trust::InsecureDev)?;
    println!("verified; outputs {:?}", verified.outputs);
    let mut measured = Vec::new();
    for _ in 0..times {
        let start = Instant::now();
        verify(&key, &proof, &NO_CONTEXT, Trust::InsecureDev)?;
        measured.push(start.elapsed());
    }
    measured.sort_unstable();
    let middle = measured.get(times / 2).copied().unwrap_or(Duration::ZERO);
    let least = measured.first().copied().unwrap_or(Duration::ZERO);
    println!("median {middle:.2?}, least {least:.2?} of {times}");
    Ok(())
}
