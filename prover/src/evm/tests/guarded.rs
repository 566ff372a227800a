//! The example contract (`examples/guarded`): who is paid, and what is refused.

use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;

use super::*;
use crate::{plonk::prover::Honest, statement::Context};

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/guarded/GuardedPayout.sol");
/// Index of the contract among what is deployed, behind the verifier and one for another model.
const PAYOUT: u8 = 2;
/// Who sends every transaction.
const CALLER: [u8; 20] = [0x11; 20];
const FEATURES: [i64; 2] = [300, -40];
const THRESHOLD: i64 = 500;
const AMOUNT: u64 = 1000;

/// A score: `2 x_0 + weight x_1`.
fn model(weight: i64) -> Fixture {
    let one = 1 << 14;
    let layer = gemm(
        vec![Source::Input(0), Source::Input(1)],
        &[&[2 * one, weight * one]],
        Act::Requant,
    );
    Fixture::new(&network(2, vec![layer]), 1, true)
}

/// A proof of the score of these features, for this context.
fn proven(fixture: &Fixture, features: &[i64], context: &Context) -> Statement {
    let (trace, public) = fixture.run(features);
    let proof = fixture
        .prove_in(context, trace, &public, &mut Honest, &mut ChaCha20Rng::seed_from_u64(1))
        .unwrap();
    let key = fixture.key.verifying.digest;
    Statement { key, public, proof }
}

fn word(v: u64) -> Vec<u8> {
    [&[0; 24][..], &v.to_be_bytes()].concat()
}

fn address_word(address: &[u8; 20]) -> Vec<u8> {
    [&[0; 12][..], address].concat()
}

/// `keccak256(abi.encode(chain, contract, applicant))`, as the contract has it.
fn context_of(chain: u64, contract: u8, applicant: &[u8; 20]) -> Context {
    let parts = [
        word(chain),
        address_word(&deployed_address(contract)),
        address_word(applicant),
    ];
    Keccak256::digest(parts.concat()).into()
}

fn claim(statement: &Statement) -> Call {
    call(&encode("claim(bytes,uint256[])", &[], statement, &[]))
}

fn register(features: &[i64]) -> Call {
    let mut words = Writer::new();
    features.iter().for_each(|v| words.scalar(&signed(*v)));
    let hash: [u8; 32] = Keccak256::digest(words.finish()).into();
    call(
        &[
            &selector_bytes("register(address,bytes32)")[..],
            &address_word(&CALLER),
            &hash,
        ]
        .concat(),
    )
}

struct Case {
    name: &'static str,
    calls: Vec<Call>,
    /// The error of the last call; none if it pays.
    error: Option<&'static str>,
}

#[test]
fn the_guarded_contract_pays_for_the_right_proof_alone() {
    let Some(tools) = tools() else { return };
    let (score, other) = (model(1), model(3));
    let payout = tools.compile(
        &[("GuardedPayout.sol", &std::fs::read_to_string(SOURCE).unwrap())],
        "GuardedPayout",
    );
    let payout = payout.unwrap().creation;
    let create = |verifier: u8, digest: [u8; 32]| {
        let arguments = [
            address_word(&deployed_address(verifier)),
            digest.to_vec(),
            word(THRESHOLD as u64),
            word(AMOUNT),
        ];
        format!("{payout}{}", hex(&arguments.concat()))
    };
    let digest = score.key.verifying.digest;
    let verifiers = [&score, &other].map(|f| code(&tools, f.key.verifying(), Form::Single));
    // 300 * 2 - 40 = 560 is above the threshold.
    let here = context_of(1, PAYOUT, &CALLER);
    let right = proven(&score, &FEATURES, &here);
    assert_eq!(right.public, [300, -40, 560]);
    let mut lie = proven(&score, &[200, -40], &here);
    *lie.public.last_mut().unwrap() = 560;
    let case = |name, features: &[i64], statement: &Statement, error| Case {
        name,
        calls: vec![register(features), claim(statement)],
        error,
    };
    let rejected = Some("Rejected()");
    let cases = [
        case("the right proof", &FEATURES, &right, None),
        Case {
            name: "a second time",
            calls: vec![register(&FEATURES), claim(&right), claim(&right)],
            error: Some("AlreadyPaid()"),
        },
        case(
            "another applicant's",
            &FEATURES,
            &proven(&score, &FEATURES, &context_of(1, PAYOUT, &[0x22; 20])),
            rejected,
        ),
        case(
            "another contract's",
            &FEATURES,
            &proven(&score, &FEATURES, &context_of(1, 9, &CALLER)),
            rejected,
        ),
        case(
            "another chain's",
            &FEATURES,
            &proven(&score, &FEATURES, &context_of(5, PAYOUT, &CALLER)),
            rejected,
        ),
        case(
            "of another model",
            &FEATURES,
            &proven(&other, &[300, -40], &here),
            rejected,
        ),
        case(
            "of other features",
            &FEATURES,
            &proven(&score, &[400, -40], &here),
            Some("OtherFeatures()"),
        ),
        case(
            "of features that were never registered",
            &[1, 2],
            &right,
            Some("OtherFeatures()"),
        ),
        case(
            "of a low score",
            &[200, -40],
            &proven(&score, &[200, -40], &here),
            Some("ScoreTooLow(int256)"),
        ),
        case(
            "of a negative score",
            &[-300, -40],
            &proven(&score, &[-300, -40], &here),
            Some("ScoreTooLow(int256)"),
        ),
        case("of a low score, with a high one claimed", &[200, -40], &lie, rejected),
    ];
    for Case { name, calls, error } in cases {
        let fund = Call {
            value: AMOUNT,
            ..Call::default()
        };
        let calls = std::iter::once(fund).chain(calls).map(|call| Call {
            to: PAYOUT.into(),
            ..call
        });
        let script = Script {
            deploy: [verifiers.to_vec(), vec![create(0, digest)]].concat(),
            calls: calls.collect(),
        };
        let outcomes = tools.run(&script).unwrap();
        assert!(outcomes.deployed.iter().all(|d| d.ok), "{:?}", outcomes.deployed);
        let last = outcomes.calls.last().unwrap();
        match error {
            None => assert!(last.ok, "{name}: {last:?}"),
            Some(error) => assert!(
                !last.ok && last.output.starts_with(&selector(error)),
                "{name}: {last:?}"
            ),
        }
    }
    // A verifier of another model is not taken in the first place.
    let outcomes = tools.run(&Script {
        deploy: [verifiers.to_vec(), vec![create(1, digest)]].concat(),
        ..Script::default()
    });
    let refused = &outcomes.unwrap().deployed[2];
    assert!(
        !refused.ok && refused.output.starts_with(&selector("OtherModel(bytes32,bytes32)")),
        "{refused:?}"
    );
}
