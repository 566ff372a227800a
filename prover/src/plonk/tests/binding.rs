//! What a proof is bound to: its public words, its key, the order of the rounds.

use super::{
    forge::{Attack, SCALE},
    *,
};
use crate::{
    field::signed,
    kzg::KzgError,
    plonk::{
        at::{lagrange_first_at, root_of_unity},
        expr::{Scalar, Scalars},
        linear::Point,
        rounds,
        verifier::bus_total,
    },
};

fn assert_opening_rejected(result: Result<(), Rejection>) {
    assert!(
        matches!(result, Err(Rejection::Opening(KzgError::Rejected))),
        "{result:?}"
    );
}

/// Two inputs passed on, one of them negated.
fn pass_on() -> Program<i64> {
    let both = vec![Source::Input(0), Source::Input(1)];
    network(2, vec![gemm(both, &[&[SCALE, 0], &[0, -SCALE]], Act::Requant)])
}

/// Trap T15: the words of a proof are its own.
#[test]
fn a_proof_of_other_words_is_rejected() {
    for public_input in [false, true] {
        let fixture = Fixture::new(&pass_on(), 1, public_input);
        let (public, proof) = fixture.honest(&[7, 8]);
        fixture.verify(&public, &proof).unwrap();
        for word in 0..public.len() {
            let mut other = public.clone();
            other[word] += 1;
            assert_opening_rejected(fixture.verify(&other, &proof));
            let mut permuted = public.clone();
            permuted.rotate_left(word);
            assert_eq!(fixture.verify(&permuted, &proof).is_ok(), permuted == public);
        }
        for count in 0..2 * public.len() {
            let result = fixture.verify(&vec![0; count], &proof);
            let wrong = matches!(result, Err(Rejection::PublicCount { expected, got }) if expected == public.len() && got == count);
            assert_eq!(wrong, count != public.len());
        }
    }
}

/// Trap T15: the first challenge, and all behind it, depend on the key and on every word.
#[test]
fn the_first_challenge_depends_on_the_key_and_on_every_word() {
    let rho = |defences: &Defences, digest: [u8; 32], words: &[i64]| {
        let start = rounds::start(defences, &digest, &CONTEXT, &field(words));
        rounds::trace(defences, start, &[], &mut Scalars::default()).0.rho
    };
    let words = [1, -2, 3];
    let others = [
        vec![0, -2, 3],
        vec![1, 2, 3],
        vec![1, -2, 4],
        vec![-2, 1, 3],
        vec![1, -2],
        vec![1, -2, 3, 0],
    ];
    let unbound = Defences {
        bind_public: false,
        ..Defences::ALL
    };
    for other in others {
        assert_ne!(
            rho(&Defences::ALL, [1; 32], &words),
            rho(&Defences::ALL, [1; 32], &other)
        );
        assert_eq!(rho(&unbound, [1; 32], &words), rho(&unbound, [1; 32], &other));
    }
    let mut digest = [1; 32];
    digest[31] ^= 1;
    let unbound = Defences {
        bind_key: false,
        ..Defences::ALL
    };
    assert_ne!(
        rho(&Defences::ALL, [1; 32], &words),
        rho(&Defences::ALL, digest, &words)
    );
    assert_eq!(rho(&unbound, [1; 32], &words), rho(&unbound, digest, &words));
}

/// Trap T15: two keys may differ in nothing but what they say of the model; a proof for one is none for the other.
#[test]
fn a_proof_for_another_digest_is_rejected() {
    for bind_key in [true, false] {
        let mut fixture = Fixture::new(&pass_on(), 1, false);
        fixture.defences.bind_key = bind_key;
        let (public, proof) = fixture.honest(&[7, 8]);
        fixture.key.verifying.digest[0] ^= 1;
        match bind_key {
            true => assert_opening_rejected(fixture.verify(&public, &proof)),
            false => fixture.verify(&public, &proof).unwrap(),
        }
    }
}

/// Trap T26: one weight more by one, which changes no output here, in a circuit that is otherwise the same.
#[test]
fn a_proof_of_another_model_is_rejected() {
    let program = |weight| network(1, vec![gemm(vec![Source::Input(0)], &[&[weight]], Act::Requant)]);
    let (right, mut other) = (
        Fixture::new(&program(SCALE), 1, false),
        Fixture::new(&program(SCALE + 1), 1, false),
    );
    assert_eq!(right.key.verifying.fixed, other.key.verifying.fixed);
    assert_ne!(right.key.verifying.digest, other.key.verifying.digest);
    let (public, proof) = other.honest(&[100]);
    assert_eq!(public, right.honest(&[100]).0);
    other.verify(&public, &proof).unwrap();
    assert_opening_rejected(right.verify(&public, &proof));
    // The prover says it is the right model's.
    other.key.verifying.digest = right.key.verifying.digest;
    let (public, proof) = other.honest(&[100]);
    other.verify(&public, &proof).unwrap();
    assert_opening_rejected(right.verify(&public, &proof));
}

/// Trap A2: a public word that no slot holds is refused before anything else, and would be accepted otherwise.
#[test]
fn a_public_word_out_of_range_is_rejected() {
    let layer = gemm(vec![Source::Input(0)], &[&[1]], Act::Requant);
    let attack = Attack::new(network(1, vec![layer]), &[1 << 20]).public_input();
    let mut fixture = attack.fixture(|_| {});
    let result = attack.against(&fixture);
    assert!(
        matches!(result, Err(Rejection::PublicRange { index: 0, bits: 14 })),
        "{result:?}"
    );
    fixture.defences.public_range = false;
    attack.assert_accepted(&fixture);

    let fixture = Fixture::new(&pass_on(), 1, false);
    let (public, proof) = fixture.honest(&[8191, 8191]);
    assert_eq!(public, [8191, -8191]);
    fixture.verify(&public, &proof).unwrap();
    for word in [8192, -8193, i64::MAX, i64::MIN, (1 << 14) - 8191] {
        let result = fixture.verify(&[8191, word], &proof);
        assert!(
            matches!(result, Err(Rejection::PublicRange { index: 1, bits: 14 })),
            "{result:?}"
        );
    }
}

/// Trap T23: challenges at which the check divides by zero, or proves nothing.
#[test]
fn challenges_at_which_nothing_can_be_checked_are_recognised() {
    let fixture = Fixture::new(&pass_on(), 1, true);
    let interface = &fixture.key.verifying.interface;
    let n = interface.shape.n();
    for z in crate::field::powers(root_of_unity(n), n) {
        assert_eq!(lagrange_first_at(z, n), None);
    }
    let public = [7, 8, 7, -8];
    let point = Point {
        rho: Fr::from(2u8),
        s: [Fr::from(3u8); crate::model::program::MAX_DIMS],
    };
    let mut scalars = Scalars::default();
    scalars[Scalar::Chi] = Fr::from(1000u64);
    let layout::Input::Public(written) = &interface.input else {
        panic!("a public input")
    };
    let constants = interface.constants.iter().map(|(value, written)| (*value, written.id));
    let inputs = public.iter().copied().zip(written.iter().map(|w| w.id));
    let outputs = public[2..].iter().copied().zip(interface.outputs.iter().copied());
    let terms: Vec<(i64, u64)> = constants.chain(inputs).chain(outputs).collect();
    assert_eq!(terms.len(), 1 + 2 + 2);
    for (value, id) in terms {
        scalars[Scalar::Beta] = -(signed(value) + scalars[Scalar::Chi] * Fr::from(id));
        assert_eq!(bus_total(interface, &public, &point, Fr::from(5u8), &scalars), None);
        scalars[Scalar::Beta] += Fr::from(1u64 << 40);
        assert!(bus_total(interface, &public, &point, Fr::from(5u8), &scalars).is_some());
    }
}
