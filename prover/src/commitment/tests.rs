#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;

use super::*;
use crate::{
    layout::{Disclosure, Visibility},
    model::program::Act,
    pipeline::{self, Error, Standing},
    plonk::tests::{Fixture, LIMBS, backend, gemm, inputs, network, small_input, small_network},
    statement::NO_CONTEXT,
};

fn key() -> ProvingKey {
    let disclosure = Disclosure {
        input: Visibility::Committed,
        output: Visibility::Committed,
        ..Disclosure::default()
    };
    Fixture::committed(&small_network(), disclosure, |_| {}).key
}

fn input() -> Vec<f64> {
    small_input().iter().map(|v| *v as f64).collect()
}

fn prove(key: &ProvingKey, input: &[f64], standing: Standing) -> Result<pipeline::Proven, Error> {
    pipeline::prove_standing(
        key,
        input,
        standing,
        &NO_CONTEXT,
        backend().as_ref(),
        Some(4),
        &mut |_| {},
    )
}

fn standing(opening: &mut Opening) -> Standing {
    Standing {
        input: Some(opening.spend().unwrap()),
        output: None,
    }
}

#[test]
fn a_commitment_made_beforehand_is_in_the_proof_and_the_outputs_can_be_the_next_inputs() {
    let key = key();
    let mut opening = pipeline::commit(&key, &input(), backend().as_ref(), None).unwrap();
    let proven = prove(&key, &input(), standing(&mut opening)).unwrap();
    assert_eq!(
        proven.statement.input_commitment(key.verifying()),
        Some(opening.commitment())
    );
    assert!(proven.input_opening.is_none() && proven.statement.public.is_empty());
    let output = proven.output_opening.unwrap();
    assert_eq!(
        proven.statement.output_commitment(key.verifying()),
        Some(output.commitment())
    );
    assert_eq!((opening.proofs(), output.proofs()), (1, 1));
    // Without one that stands, a proof commits anew.
    let fresh = prove(&key, &input(), Standing::default()).unwrap();
    assert_ne!(
        fresh.statement.input_commitment(key.verifying()),
        Some(opening.commitment())
    );
    let fresh = fresh.input_opening.unwrap();
    assert_eq!(fresh.proofs(), 1);
    let again = prove(&key, &input(), standing(&mut fresh.clone())).unwrap();
    assert_eq!(
        again.statement.input_commitment(key.verifying()),
        Some(fresh.commitment())
    );
}

#[test]
fn an_opening_gives_no_use_too_many() {
    let mut opening = pipeline::commit(&key(), &input(), backend().as_ref(), None).unwrap();
    for proofs in 1..=MAX_PROOFS {
        opening.spend().unwrap();
        opening = Opening::from_bytes(&opening.to_bytes()).unwrap();
        assert_eq!(opening.proofs(), proofs);
    }
    assert!(matches!(opening.spend(), Err(OpeningError::Exhausted)));
}

#[test]
fn an_opening_is_refused_where_it_does_not_fit() {
    let key = key();
    let opening = pipeline::commit(&key, &input(), backend().as_ref(), Some(1)).unwrap();
    let fails = |change: fn(&mut Use), input: &[f64]| {
        let mut opening = opening.clone();
        change(&mut opening.known);
        match prove(&key, input, standing(&mut opening)) {
            Err(Error::Opening(error)) => error.to_string(),
            other => panic!("{other:?}"),
        }
    };
    let mut other = input();
    other[0] += 1.0;
    assert!(fails(|_| {}, &other).contains("another input"));
    assert!(fails(|known| known.log_rows = 9, &input()).contains("2^9 rows, these have 2^7"));
    assert!(fails(|known| known.scale = Scale(3), &input()).contains("another scale"));
    assert!(fails(|known| known.point = -known.point, &input()).contains("another reference string"));
    let plain = Fixture::new(&small_network(), 2, false).key;
    let result = prove(&plain, &input(), standing(&mut opening.clone()));
    assert!(
        matches!(result, Err(Error::Opening(OpeningError::NotCommitted("input")))),
        "{result:?}"
    );
    let result = pipeline::commit(&plain, &input(), backend().as_ref(), None);
    assert!(matches!(
        result,
        Err(Error::Opening(OpeningError::NotCommitted("input")))
    ));
}

#[test]
fn a_damaged_opening_is_not_read_and_secrets_are_not_shown() {
    let mut opening = pipeline::commit(&key(), &input(), backend().as_ref(), Some(1)).unwrap();
    let shown = format!("{opening:?} {:?}", opening.spend().unwrap());
    assert!(!shown.contains("blinds") && !shown.contains("values"), "{shown}");
    let bytes = opening.to_bytes();
    assert_eq!(Opening::from_bytes(&bytes).unwrap().to_bytes(), bytes);
    for len in 0..bytes.len() {
        assert!(Opening::from_bytes(&bytes[..len]).is_err(), "{len}");
    }
    assert!(Opening::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
    let rng = &mut ChaCha20Rng::seed_from_u64(5);
    for _ in 0..500 {
        let mut wrong = bytes.clone();
        let at = rng.random_range(0..wrong.len());
        wrong[at] ^= 1 << rng.random_range(0..8);
        assert!(Opening::from_bytes(&wrong).is_err(), "byte {at}");
        let noise: Vec<u8> = (0..at).map(|_| rng.random()).collect();
        assert!(Opening::from_bytes(&noise).is_err());
    }
}

#[test]
fn chosen_elements_are_shown_and_no_others_are_believed() {
    let key = key();
    let opening = pipeline::commit(&key, &input(), backend().as_ref(), None).unwrap();
    let (verifying, commitment) = (key.verifying(), opening.commitment());
    let show = |indices: &[u32]| reveal(&key, &opening, indices, backend().as_ref());
    let values = small_input();
    for indices in [&[0][..], &[8], &[7, 1, 1, 4], &[0, 1, 2, 3, 4, 5, 6, 7, 8]] {
        let shown = show(indices).unwrap();
        shown.verify(verifying, &commitment).unwrap();
        assert!(shown.elements.iter().all(|(i, v)| values[*i as usize] == *v));
        assert_eq!(Revealed::from_bytes(&shown.to_bytes()).unwrap(), shown);
    }
    let shown = show(&[1, 4]).unwrap();
    let refused = |change: &dyn Fn(&mut Revealed)| {
        let mut other = shown.clone();
        change(&mut other);
        other.verify(verifying, &commitment).unwrap_err()
    };
    assert!(matches!(refused(&|r| r.elements[0].1 += 1), RevealError::Opening(_)));
    assert!(matches!(refused(&|r| r.elements[0].0 = 2), RevealError::Opening(_)));
    assert!(matches!(refused(&|r| r.elements.truncate(1)), RevealError::Opening(_)));
    assert!(matches!(
        refused(&|r| r.elements.reverse()),
        RevealError::Indices { rows: 128 }
    ));
    assert!(matches!(
        refused(&|r| r.elements[1].0 = 128),
        RevealError::Indices { .. }
    ));
    assert!(matches!(refused(&|r| r.elements.clear()), RevealError::Indices { .. }));
    let other = pipeline::commit(&key, &input(), backend().as_ref(), None).unwrap();
    assert!(shown.verify(verifying, &other.commitment()).is_err());
    assert!(matches!(show(&[9]), Err(OpeningError::Element { index: 9, len: 9 })));
    let bytes = shown.to_bytes();
    (0..bytes.len()).for_each(|len| assert!(Revealed::from_bytes(&bytes[..len]).is_err(), "{len}"));
    assert!(Revealed::from_bytes(&[&bytes[..], &[0]].concat()).is_err());
    let rng = &mut ChaCha20Rng::seed_from_u64(6);
    for _ in 0..200 {
        let (mut wrong, at) = (bytes.clone(), rng.random_range(0..bytes.len()));
        wrong[at] ^= 1 << rng.random_range(0..8);
        let believed = Revealed::from_bytes(&wrong).is_ok_and(|r| r.verify(verifying, &commitment).is_ok());
        assert!(!believed, "byte {at}");
    }
}

/// One step of a state that is committed to, from the first elements of the input to the first of the output: the rest of the input is the
/// step's own, the rest of the output is public.
fn step() -> ProvingKey {
    let scale = 1 << LIMBS.shift();
    let weights: [&[i64]; 3] = [&[scale, 0, scale / 2, 0], &[0, scale, 0, -scale], &[0, 0, scale, scale]];
    let layer = gemm(inputs(0..4), &weights, Act::Requant);
    let disclosure = Disclosure {
        input: Visibility::Part(2),
        output: Visibility::Part(2),
        ..Disclosure::default()
    };
    let key = Fixture::committed(&network(4, vec![layer]), disclosure, |_| {}).key;
    assert_eq!(key.verifying.interface.disclosure(), disclosure);
    key
}

#[test]
fn a_part_that_is_committed_to_goes_from_step_to_step() {
    let key = step();
    let first = prove(&key, &[10.0, 20.0, 4.0, 6.0], Standing::default()).unwrap();
    assert_eq!(first.outputs, [12.0, 14.0, 10.0]);
    assert_eq!(first.statement.public, [10]);
    let verified = tapeout_verifier::verify(
        key.verifying(),
        &first.statement.to_bytes(),
        &NO_CONTEXT,
        tapeout_verifier::Trust::InsecureDev,
    );
    assert_eq!(verified.unwrap().outputs.unwrap(), [10.0]);
    let state = first.output_opening.unwrap();
    let second = prove(&key, &[12.0, 14.0, -2.0, 1.0], standing(&mut state.clone())).unwrap();
    assert_eq!(
        second.statement.input_commitment(key.verifying()),
        first.statement.output_commitment(key.verifying())
    );
    // The rest is each step's own; the state is not.
    prove(&key, &[12.0, 14.0, 100.0, 3.0], standing(&mut state.clone())).unwrap();
    let other = prove(&key, &[12.0, 15.0, -2.0, 1.0], standing(&mut state.clone()));
    assert!(matches!(other, Err(Error::Opening(OpeningError::OtherValues("input")))));
    let made = pipeline::commit(&key, &[12.0, 14.0, 9.0, 9.0], backend().as_ref(), None).unwrap();
    prove(&key, &[12.0, 14.0, 5.0, 5.0], standing(&mut made.clone())).unwrap();
}
