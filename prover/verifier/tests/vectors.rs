//! The shared set of proof files, right and wrong: each verdict and each reason. Contracts and the WebAssembly module are tested with
//! the same file; `prover/src/evm/tests/vectors.rs` writes it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use serde::Deserialize;
use tapeout_verifier::{Trust, keys::VerifyingKey, verify};

#[derive(Deserialize)]
struct Vectors {
    keys: Vec<String>,
    proofs: Vec<String>,
    vectors: Vec<Vector>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    key: usize,
    proof: usize,
    at: usize,
    removed: usize,
    inserted: String,
    context: String,
    reason: Option<String>,
}

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len() / 2)
        .map(|i| u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap())
        .collect()
}

#[test]
fn every_vector_has_its_verdict() {
    let set: Vectors = serde_json::from_str(&std::fs::read_to_string("tests/vectors.json").unwrap()).unwrap();
    let keys: Vec<_> = set
        .keys
        .iter()
        .map(|key| VerifyingKey::from_bytes(&bytes(key)).unwrap())
        .collect();
    let (mut accepted, mut refused) = (0, 0);
    for v in &set.vectors {
        let base = bytes(&set.proofs[v.proof]);
        let file = [&base[..v.at], &bytes(&v.inserted), &base[v.at + v.removed..]].concat();
        let context = bytes(&v.context).try_into().unwrap();
        let verdict = verify(&keys[v.key], &file, &context, Trust::InsecureDev);
        assert_eq!(verdict.as_ref().err().map(ToString::to_string), v.reason, "{}", v.name);
        match verdict {
            Ok(_) => accepted += 1,
            Err(_) => refused += 1,
        }
        // Keys here are of a development string.
        assert!(
            verify(&keys[v.key], &file, &context, Trust::Ceremony).is_err(),
            "{}",
            v.name
        );
    }
    assert!(accepted == 7 && refused > 100, "{accepted} {refused}");
}
