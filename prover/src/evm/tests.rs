//! The contract for real: compiled, deployed and called. What the native verifier refuses, it refuses, byte for byte.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::print_stderr)]

use std::path::Path;

use ark_bn254::{Fq, Fr};
use ark_ff::{BigInteger, PrimeField};

use super::{tools::*, *};
use crate::{
    keys::VerifyingKey,
    model::program::{Act, Source},
    plonk::{
        rounds::Defences,
        tests::{CONTEXT, Fixture, fold, gemm, network, pool, read, small_input, small_network},
    },
    statement::NO_CONTEXT,
};

/// The compiler and the EVM; `None`, said aloud, where they are not installed.
fn tools() -> Option<Tools> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    match Tools::find(&root.join(DEFAULT_DIR)) {
        Ok(tools) => Some(tools),
        Err(error) => {
            eprintln!("SKIPPED, no contract was run: {error}");
            None
        }
    }
}

/// What the contract for `key` says to each piece of calldata.
fn ask(tools: &Tools, key: &VerifyingKey, calls: Vec<Call>) -> Vec<Outcome> {
    let code = tools
        .compile(&[("Verifier.sol", &contract(key).unwrap())], "TapeoutVerifier")
        .unwrap();
    let outcomes = tools
        .run(&Script {
            deploy: vec![code],
            calls,
        })
        .unwrap();
    assert!(outcomes.deployed[0].ok, "{}", outcomes.deployed[0].output);
    outcomes.calls
}

fn call(data: &[u8]) -> Call {
    Call {
        data: data.iter().map(|b| format!("{b:02x}")).collect(),
        ..Call::default()
    }
}

const TRUE: &str = "0000000000000000000000000000000000000000000000000000000000000001";

/// A pool and a Gemm: columns opened at one point and at two, a weight fold with a quotient.
fn fixture() -> Fixture {
    let mut layers = pool(4, vec![2, 1, 2], vec![2, 0, 1], false).layers;
    let one = 1 << 14;
    let reads = vec![read(0, 0), read(0, 1)];
    layers.push(gemm(reads, &[&[one, 0], &[0, one]], Act::Requant));
    Fixture::new(&network(4, layers), 1, false)
}

fn statement(fixture: &Fixture, input: &[i64]) -> Statement {
    let (public, proof) = fixture.honest(input);
    Statement {
        key: fixture.key.verifying.digest,
        public,
        proof,
    }
}

/// Every kind of row, private and public input, two lanes and three.
#[test]
fn contracts_accept_what_is_right() {
    let Some(tools) = tools() else { return };
    for (lanes, public_input) in [(2, false), (3, true)] {
        let fixture = Fixture::new(&small_network(), lanes, public_input);
        let key = fixture.key.verifying();
        let statement = statement(&fixture, &small_input());
        let mut lie = statement.clone();
        *lie.public.last_mut().unwrap() += 1;
        let calls = [&statement, &lie].map(|s| call(&calldata(s, &CONTEXT))).to_vec();
        let outcomes = ask(&tools, key, calls);
        assert!(outcomes[0].ok && outcomes[0].output == TRUE, "{:?}", outcomes[0]);
        assert_eq!((outcomes[1].ok, &outcomes[1].output), (false, &selector("Rejected()")));
    }
}

/// Traps T15 to T19, T31 and A2: encodings, ranges, contexts.
#[test]
fn contracts_refuse_what_is_wrong() {
    let Some(tools) = tools() else { return };
    let fixture = fixture();
    let key = fixture.key.verifying();
    let statement = statement(&fixture, &[-9, -5, 70, 3]);
    let right = calldata(&statement, &CONTEXT);
    let proof = 4 + 4 * 32;
    let proof_len = proof_bytes(&statement).len();
    let words = proof + proof_len + 32;
    let advice = key.cs.advice.len();
    let evals = proof + (advice + 5) * 64;
    let opening = proof + proof_len - 128;
    assert_eq!(right.len(), words + 64);

    let mut names: Vec<String> = Vec::new();
    let mut calls = Vec::new();
    let mut expect = |name: String, data: Vec<u8>| {
        names.push(name);
        calls.push(call(&data));
    };
    let word = |at: usize| -> [u8; 32] { right[at..at + 32].try_into().unwrap() };
    let with = |at: usize, bytes: &[u8]| {
        let mut data = right.clone();
        data[at..at + bytes.len()].copy_from_slice(bytes);
        data
    };
    let plus = |bytes: [u8; 32], modulus: &[u8]| -> Option<[u8; 32]> {
        let mut carry = 0u16;
        let mut out = [0; 32];
        for i in (0..32).rev() {
            let sum = u16::from(bytes[i]) + u16::from(modulus[i]) + carry;
            out[i] = sum as u8;
            carry = sum >> 8;
        }
        (carry == 0).then_some(out)
    };
    let (r, q) = (Fr::MODULUS.to_bytes_be(), Fq::MODULUS.to_bytes_be());

    // Lengths and offsets (T17, T31).
    for len in [0, 3, 4, 100, words - 1, right.len() - 32, right.len() - 1] {
        expect(format!("cut at {len}"), right[..len].to_vec());
    }
    expect("a byte more".into(), [&right[..], &[0]].concat());
    expect("a word more".into(), [&right[..], &[0; 32]].concat());
    for at in [4, 36, 100, words - 32] {
        let mut number = word(at);
        number[31] ^= 0x20;
        expect(format!("offset or length at {at}"), with(at, &number));
        let mut huge = word(at);
        huge[0] = 0x80;
        expect(format!("huge offset or length at {at}"), with(at, &huge));
    }
    // Scalars and coordinates that are not canonical, and others (T18); points off the curve and at infinity (T19).
    for at in (evals..opening).step_by(32).chain([words, words + 32]) {
        if let Some(value) = plus(word(at), &r) {
            expect(format!("scalar at {at} plus r"), with(at, &value));
        }
        let mut other = word(at);
        other[31] ^= 1;
        expect(format!("another scalar at {at}"), with(at, &other));
    }
    for at in (proof..evals).step_by(64).chain([opening, opening + 64]) {
        for (i, coordinate) in [at, at + 32].into_iter().enumerate() {
            if let Some(value) = plus(word(coordinate), &q) {
                expect(format!("coordinate {i} at {at} plus q"), with(coordinate, &value));
            }
        }
        let mut off = word(at + 32);
        off[31] ^= 1;
        expect(format!("off the curve at {at}"), with(at + 32, &off));
        expect(format!("infinity at {at}"), with(at, &[0; 64]));
        let next = if at == opening { proof } else { opening };
        expect(format!("another point at {at}"), with(at, &right[next..next + 64]));
    }
    // Public words outside of the fixed-point range (A2), exchanged (T15), negative ones in another encoding (T12).
    for value in [1i64 << 13, -(1 << 13) - 1, i64::MAX] {
        let mut out = Writer::new();
        out.scalar(&signed(value));
        expect(format!("word {value}"), with(words, &out.finish()));
    }
    expect(
        "words exchanged".into(),
        with(words, &[word(words + 32), word(words)].concat()),
    );
    // Contexts (T30).
    expect("another context".into(), calldata(&statement, &[8; 32]));
    expect("no context".into(), calldata_unbound(&statement));
    expect("zero context".into(), calldata(&statement, &NO_CONTEXT));
    let wrong = names.len();

    calls.push(call(&right));
    // Too little gas at any point of the way is never a yes (T31).
    for gas in (130_000..430_000).step_by(50_000) {
        calls.push(Call {
            gas: Some(gas),
            ..call(&right)
        });
    }
    let outcomes = ask(&tools, key, calls);
    for (name, outcome) in names.iter().zip(&outcomes) {
        assert!(!outcome.ok, "{name}: {outcome:?}");
    }
    assert!(
        outcomes[wrong].ok && outcomes[wrong].output == TRUE,
        "{:?}",
        outcomes[wrong]
    );
    for outcome in &outcomes[wrong + 1..] {
        assert!(!outcome.ok || outcome.output == TRUE, "{outcome:?}");
    }
    assert!(!outcomes[wrong + 1].ok);
    let reason = |name: &str| &outcomes[names.iter().position(|n| n == name).unwrap()].output;
    assert_eq!(*reason("a byte more"), selector("Malformed()"));
    assert_eq!(reason("word 8192")[..8], selector("PublicRange(uint256)"));
    assert_eq!(
        *reason(&format!("scalar at {evals} plus r")),
        selector("NotCanonical()")
    );
    assert_eq!(*reason(&format!("infinity at {proof}")), selector("NotCanonical()"));
    assert_eq!(*reason(&format!("off the curve at {proof}")), selector("Precompile()"));
    assert_eq!(*reason("another context"), selector("Rejected()"));
}

/// (F1), (F2), (F3): what gets past the native verifier without one of the checks does not get past the contract.
#[test]
fn contracts_refuse_forged_weight_folds() {
    let Some(tools) = tools() else { return };
    for lie in fold::Lie::ALL {
        let (mut fixture, public, proof) = fold::forged(lie);
        let key = fixture.key.verifying.digest;
        let forged = calldata(&Statement { key, public, proof }, &CONTEXT);
        fixture.defences = Defences::ALL;
        let honest = calldata(&statement(&fixture, &fold::INPUT), &CONTEXT);
        let outcomes = ask(&tools, fixture.key.verifying(), vec![call(&forged), call(&honest)]);
        assert_eq!(
            (outcomes[0].ok, &outcomes[0].output),
            (false, &selector("Rejected()")),
            "{lie:?}"
        );
        assert!(outcomes[1].ok, "{lie:?}: {:?}", outcomes[1]);
    }
}

/// A proof for one key is none for another's contract (traps T15, T26).
#[test]
fn contracts_refuse_proofs_for_other_keys() {
    let Some(tools) = tools() else { return };
    let model = |weight| {
        let layer = gemm(vec![Source::Input(0)], &[&[weight]], Act::Requant);
        Fixture::new(&network(1, vec![layer]), 1, false)
    };
    let (one, other) = (model(1 << 14), model((1 << 14) + 1));
    let data = calldata(&statement(&one, &[100]), &CONTEXT);
    assert!(ask(&tools, one.key.verifying(), vec![call(&data)])[0].ok);
    assert!(!ask(&tools, other.key.verifying(), vec![call(&data)])[0].ok);
}
