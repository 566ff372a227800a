//! The contract for real: compiled, deployed and called. What the native verifier refuses, it refuses, byte for byte.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod vectors;

use std::io::Write as _;
use std::path::Path;

use ark_bn254::{Fq, Fr};
use ark_ff::{BigInteger, PrimeField};

use super::{tools::*, *};
use crate::{
    keys::VerifyingKey,
    layout::{Disclosure, Visibility},
    model::program::{Act, Source},
    plonk::{
        rounds::Defences,
        tests::{
            CONTEXT, Fixture, fold, gemm, hash::hashed_input, matrix_product_of_inputs, network, pool, read,
            small_input, small_network, two_ports,
        },
    },
    statement::NO_CONTEXT,
};

/// The compiler and the EVM. Where they are not installed, a developer is told and goes on without; a build server fails.
fn tools() -> Option<Tools> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    match Tools::find(&root.join(DEFAULT_DIR)) {
        Ok(tools) => Some(tools),
        Err(error) if std::env::var_os("CI").is_some() => panic!("no contract can be run: {error}"),
        Err(error) => {
            // Not by a macro that the test runner holds back.
            let _ = writeln!(std::io::stderr(), "SKIPPED, no contract was run: {error}");
            None
        }
    }
}

/// What the contract for `key` says to each piece of calldata.
fn ask(tools: &Tools, key: &VerifyingKey, calls: Vec<Call>) -> Vec<Outcome> {
    ask_form(tools, key, Form::Single, calls)
}

/// The same of either form; the shared one's key is the second contract.
fn ask_form(tools: &Tools, key: &VerifyingKey, form: Form, calls: Vec<Call>) -> Vec<Outcome> {
    let deploy = match form {
        Form::Single => vec![code(tools, key, form)],
        Form::Shared => vec![code(tools, key, form), hex(&key_creation(key))],
    };
    run(tools, deploy, calls)
}

/// The creation code of a contract.
fn code(tools: &Tools, key: &VerifyingKey, form: Form) -> String {
    let name = if form == Form::Shared { SHARED_NAME } else { SINGLE_NAME };
    tools
        .compile(&[("Verifier.sol", &contract(key, form))], name)
        .unwrap()
        .creation
}

fn run(tools: &Tools, deploy: Vec<String>, calls: Vec<Call>) -> Vec<Outcome> {
    let outcomes = tools.run(&Script { deploy, calls }).unwrap();
    for (index, deployed) in outcomes.deployed.iter().enumerate() {
        assert!(deployed.ok, "{}", deployed.output);
        let address: String = format!("0x{}", hex(&deployed_address(index as u8)));
        assert_eq!(deployed.address.as_ref(), Some(&address));
        // The limit of EIP-170.
        assert!(deployed.code_bytes.unwrap() <= CODE_LIMIT);
    }
    outcomes.calls
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn call(data: &[u8]) -> Call {
    Call {
        data: hex(data),
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
        hashes: fixture.hashes.clone(),
        proof,
    }
}

/// Every kind of row, private and public input, two lanes and three, one read port and two.
#[test]
fn contracts_accept_what_is_right() {
    let Some(tools) = tools() else { return };
    let (network, input) = (small_network(), small_input());
    let wide = (two_ports(), vec![100, -70, 33, 500]);
    for (program, input, lanes, public_input) in [
        (&network, &input, 2, false),
        (&network, &input, 3, true),
        (&wide.0, &wide.1, 2, true),
    ] {
        let fixture = Fixture::new(program, lanes, public_input);
        let key = fixture.key.verifying();
        let statement = statement(&fixture, input);
        let mut lie = statement.clone();
        *lie.public.last_mut().unwrap() += 1;
        let calls = [&statement, &lie].map(|s| call(&calldata(s, &CONTEXT))).to_vec();
        let outcomes = ask(&tools, key, calls);
        assert!(outcomes[0].ok && outcomes[0].output == TRUE, "{:?}", outcomes[0]);
        assert_eq!((outcomes[1].ok, &outcomes[1].output), (false, &selector("Rejected()")));
    }
}

/// Trap T31: what is wrong around the proof, in the calldata or for want of gas. What is wrong in it is among the vectors.
#[test]
fn contracts_refuse_malformed_calls() {
    let Some(tools) = tools() else { return };
    let fixture = fixture();
    for form in [Form::Single, Form::Shared] {
        refuses_malformed_calls(&tools, &fixture, form);
    }
}

fn refuses_malformed_calls(tools: &Tools, fixture: &Fixture, form: Form) {
    let key = fixture.key.verifying();
    let statement = statement(fixture, &[-9, -5, 70, 3]);
    // In front of the other arguments the shared form has the key's address.
    let (first, right) = match form {
        Form::Single => (4, calldata(&statement, &CONTEXT)),
        Form::Shared => (36, calldata_shared(&deployed_address(1), &statement, &CONTEXT)),
    };
    let words = first + 4 * 32 + proof_bytes(&statement).len() + 32;
    assert_eq!(right.len(), words + 64);

    let mut names: Vec<String> = Vec::new();
    let mut calls = Vec::new();
    let mut expect = |name: String, data: &[u8]| {
        names.push(name);
        calls.push(call(data));
    };
    for len in [0, 3, 4, 100, words - 1, right.len() - 32, right.len() - 1] {
        expect(format!("cut at {len}"), &right[..len]);
    }
    expect("a byte more".into(), &[&right[..], &[0]].concat());
    expect("a word more".into(), &[&right[..], &[0; 32]].concat());
    for at in [first, first + 32, first + 96, words - 32] {
        let mut data = right.clone();
        data[at + 31] ^= 0x20;
        expect(format!("offset or length at {at}"), &data);
        let mut data = right.clone();
        data[at] = 0x80;
        expect(format!("huge offset or length at {at}"), &data);
    }
    match form {
        Form::Single => expect("no context".into(), &calldata_unbound(&statement)),
        Form::Shared => {
            for at in [4, 15] {
                let mut data = right.clone();
                data[at] = 1;
                expect(format!("more than an address at {at}"), &data);
            }
            let nobody = calldata_shared(&deployed_address(7), &statement, &CONTEXT);
            expect("no key".into(), &nobody);
        }
    }
    let wrong = names.len();
    calls.push(call(&right));
    // Too little gas at any point of the way is never a yes.
    for gas in (130_000..430_000).step_by(50_000) {
        calls.push(Call {
            gas: Some(gas),
            ..call(&right)
        });
    }
    let outcomes = ask_form(tools, key, form, calls);
    for (name, outcome) in names.iter().zip(&outcomes) {
        assert!(!outcome.ok, "{name}: {outcome:?}");
    }
    let accepted = &outcomes[wrong];
    assert!(accepted.ok && accepted.output == TRUE, "{accepted:?}");
    for outcome in &outcomes[wrong + 1..] {
        assert!(!outcome.ok || outcome.output == TRUE, "{outcome:?}");
    }
    assert!(!outcomes[wrong + 1].ok);
    let reason = |name: &str| &outcomes[names.iter().position(|n| n == name).unwrap()].output;
    assert_eq!(*reason("a byte more"), selector("Malformed()"));
    match form {
        Form::Single => assert_eq!(*reason("no context"), selector("Rejected()")),
        Form::Shared => assert_eq!(*reason("no key"), selector("NoKey()")),
    }
}

/// Products of matrices: a checksum of their own, and columns that no other model has.
#[test]
fn contracts_verify_products_of_matrices() {
    let Some(tools) = tools() else { return };
    let fixture = Fixture::new(&matrix_product_of_inputs(), 1, false);
    let right = statement(&fixture, &(0..18).map(|i| 37 * i - 300).collect::<Vec<i64>>());
    let mut lie = right.clone();
    lie.public[0] += 1;
    for form in [Form::Single, Form::Shared] {
        let data = |statement: &Statement| match form {
            Form::Single => calldata(statement, &CONTEXT),
            Form::Shared => calldata_shared(&deployed_address(1), statement, &CONTEXT),
        };
        let calls = [&right, &lie].map(|s| call(&data(s))).to_vec();
        let outcomes = ask_form(&tools, fixture.key.verifying(), form, calls);
        assert!(
            outcomes[0].ok && outcomes[0].output == TRUE,
            "{form:?}: {:?}",
            outcomes[0]
        );
        assert_eq!((outcomes[1].ok, &outcomes[1].output), (false, &selector("Rejected()")));
    }
}

/// A hash is a public word behind the integers: below r, and in no slot's range.
#[test]
fn contracts_compare_hashes() {
    let Some(tools) = tools() else { return };
    let input = [3, -7, 100];
    let (fixture, ..) = hashed_input(&input, |_| {});
    let right = statement(&fixture, &input);
    let mut lie = right.clone();
    lie.hashes[0].0 += Fr::from(1u8);
    let mut swapped = right.clone();
    (swapped.public[0], swapped.hashes[0].0) = (3, Fr::from(100u8));
    for form in [Form::Single, Form::Shared] {
        let data = |statement: &Statement| match form {
            Form::Single => calldata(statement, &CONTEXT),
            Form::Shared => calldata_shared(&deployed_address(1), statement, &CONTEXT),
        };
        let mut large = data(&right);
        let hash = large.len() - 32;
        large[hash..].copy_from_slice(&Fr::MODULUS.to_bytes_be());
        // The output's word as large as a hash.
        let mut unbounded = data(&right);
        let word = unbounded[hash..].to_vec();
        unbounded[hash - 32..hash].copy_from_slice(&word);
        let calls = [data(&right), data(&lie), data(&swapped), large, unbounded];
        let outcomes = ask_form(
            &tools,
            fixture.key.verifying(),
            form,
            calls.iter().map(|c| call(c)).collect(),
        );
        let accepted = &outcomes[0];
        assert!(accepted.ok && accepted.output == TRUE, "{form:?}: {accepted:?}");
        let refused: Vec<(bool, &str)> = outcomes[1..].iter().map(|o| (o.ok, &o.output[..8])).collect();
        let names = ["Rejected()", "Rejected()", "NotCanonical()", "PublicRange(uint256)"];
        assert_eq!(
            refused,
            names.map(selector).each_ref().map(|name| (false, name.as_str()))
        );
    }
}

/// One contract for two models of one architecture: each proof with its own key and no other.
#[test]
fn a_shared_contract_tells_models_apart() {
    let Some(tools) = tools() else { return };
    let model = |weight| {
        let layer = gemm(vec![Source::Input(0)], &[&[weight]], Act::Requant);
        Fixture::new(&network(1, vec![layer]), 1, false)
    };
    let (one, other) = (model(1 << 14), model((1 << 14) + 1));
    let keys = [one.key.verifying(), other.key.verifying()];
    assert_eq!(contract(keys[0], Form::Shared), contract(keys[1], Form::Shared));
    let statements = [statement(&one, &[100]), statement(&other, &[100])];
    let calls = |address: [u8; 20]| {
        statements
            .iter()
            .map(move |s| call(&calldata_shared(&address, s, &CONTEXT)))
    };
    let mut all: Vec<Call> = calls(deployed_address(1)).chain(calls(deployed_address(2))).collect();
    // Accounts that hold no key: the verifier itself, and none at all.
    all.extend(calls(deployed_address(0)));
    all.extend(calls([0x77; 20]));
    let deploy = [
        vec![code(&tools, keys[0], Form::Shared)],
        keys.map(|k| hex(&key_creation(k))).to_vec(),
    ]
    .concat();
    let outcomes = run(&tools, deploy, all);
    let verdicts: Vec<&str> = outcomes.iter().map(|o| o.output.as_str()).collect();
    let (rejected, no_key) = (selector("Rejected()"), selector("NoKey()"));
    assert_eq!(
        verdicts,
        [TRUE, &rejected, &rejected, TRUE, &no_key, &no_key, &no_key, &no_key]
    );
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

/// A key that commits to input and output: no public words, commitments where the constants say, and no other ones accepted.
#[test]
fn contracts_check_proofs_that_commit() {
    let Some(tools) = tools() else { return };
    let committed = Disclosure {
        input: Visibility::Committed,
        output: Visibility::Committed,
        ..Disclosure::default()
    };
    let fixture = Fixture::committed(&small_network(), committed, |_| {});
    let key = fixture.key.verifying();
    let statements = [1, 2].map(|scale| {
        let input: Vec<i64> = small_input().iter().map(|v| scale * v).collect();
        statement(&fixture, &input)
    });
    let shown = [
        statements[0].input_commitment(key).unwrap(),
        statements[0].output_commitment(key).unwrap(),
    ];
    let mut calls = vec![call(&calldata(&statements[0], &CONTEXT))];
    for (name, commitment) in [("INPUT_COMMITMENT()", shown[0]), ("OUTPUT_COMMITMENT()", shown[1])] {
        calls.push(call(&selector_bytes(name)));
        let at = proof_bytes(&statements[0])
            .windows(64)
            .position(|w| w == commitment.to_bytes());
        let mut other = statements[0].clone();
        other.proof.advice[at.unwrap() / 64] = statements[1].proof.advice[at.unwrap() / 64];
        calls.push(call(&calldata(&other, &CONTEXT)));
    }
    let outcomes = ask(&tools, key, calls);
    assert!(outcomes[0].output == TRUE, "{:?}", outcomes[0]);
    for (i, commitment) in shown.iter().enumerate() {
        let at = u64::from_str_radix(&outcomes[1 + 2 * i].output, 16).unwrap() as usize;
        assert_eq!(proof_bytes(&statements[0])[at..at + 64], commitment.to_bytes());
        assert_eq!(outcomes[2 + 2 * i].output, selector("Rejected()"));
    }
}

/// Hidden weights, in contracts of both forms.
#[test]
fn contracts_check_proofs_that_hide_weights() {
    let Some(tools) = tools() else { return };
    let fixture = Fixture::hidden(&small_network(), 2);
    let key = fixture.key.verifying();
    let statement = statement(&fixture, &small_input());
    let mut masked = statement.clone();
    masked.proof.mask = Some(statement.proof.fold.remainder);
    let mut lie = statement.clone();
    *lie.public.last_mut().unwrap() += 1;
    let all = [&statement, &masked, &lie];
    let single = ask(&tools, key, all.map(|s| call(&calldata(s, &CONTEXT))).to_vec());
    let address = deployed_address(1);
    let shared = all.map(|s| call(&calldata_shared(&address, s, &CONTEXT))).to_vec();
    let shared = ask_form(&tools, key, Form::Shared, shared);
    let rejected = selector("Rejected()");
    for outcomes in [single, shared] {
        let verdicts: Vec<&str> = outcomes.iter().map(|o| o.output.as_str()).collect();
        assert_eq!(verdicts, [TRUE, &rejected, &rejected]);
    }
}

/// Tiles with the same weights have one commitment, which is multiplied once: by the sum of its scalars, which must be right.
#[test]
fn a_point_is_multiplied_once() {
    let Some(tools) = tools() else { return };
    // Layers that all positions read alike would share one tile.
    let layer = |source: fn(usize) -> Source<i64>| {
        let mut layer = gemm(vec![source(0), source(1)], &[&[3 << 12]], Act::Requant);
        (layer.dims, layer.terms[0].strides) = (vec![2], vec![1]);
        layer
    };
    let layers = vec![
        layer(|i| Source::Input(i as u32)),
        layer(|i| read(0, i)),
        layer(|i| read(1, i)),
    ];
    let fixture = Fixture::new(&network(2, layers), 1, false);
    let key = fixture.key.verifying();
    let tiles = &key.weights.tiles;
    assert!(tiles.len() == 3 && tiles.iter().all(|tile| *tile == tiles[0]));
    let x = ir::hex_integer(&tiles[0].x.into_bigint());
    assert_eq!(contract(key, Form::Single).matches(&x).count(), 1);
    let statement = statement(&fixture, &[100, -7]);
    let data = calldata(&statement, &CONTEXT);
    assert_eq!(ask(&tools, key, vec![call(&data)])[0].output, TRUE);
    statement.verify(key, &CONTEXT).unwrap();
}
