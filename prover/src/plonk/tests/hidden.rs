//! Hidden weights: what a proof and a key would tell somebody who guesses them, and provers that abuse the mask.

use std::collections::BTreeSet;

use ark_ec::{CurveGroup, VariableBaseMSM};
use ark_ff::{Field, UniformRand};
use tapeout_driver::{G1Affine, G1Projective};

use super::{
    fold::{INPUT, circuit, cover_up, raise_output},
    *,
};
use crate::{
    field::{horner, powers, signed},
    kzg::KzgError,
    model::program::Taps,
    plonk::{
        expr::{Scalar, Scalars},
        fold::{DUMMIES, MASK, remainder},
        hidden::Dummies,
        linear::Point,
        prover::FoldMessage,
    },
};

#[test]
fn honest_proofs_verify() {
    for lanes in 2..=4 {
        let fixture = Fixture::hidden(&small_network(), lanes);
        let (public, proof) = fixture.honest(&small_input());
        fixture.verify(&public, &proof).unwrap();
        assert!(proof.mask.is_some());
    }
    for (name, program, input) in primitives() {
        let fixture = Fixture::hidden(&program, 1);
        let (public, proof) = fixture.honest(&input);
        assert!(fixture.verify(&public, &proof).is_ok(), "{name}");
    }
}

/// Keys and proofs come back from their bytes.
#[test]
fn bytes_come_back() {
    let fixture = Fixture::hidden(&small_network(), 2);
    let key = ProvingKey::from_bytes(&fixture.key.to_bytes().unwrap()).unwrap();
    assert_eq!(key.verifying.digest, fixture.key.verifying.digest);
    assert_eq!(key.model_hash(), CONCEALED.model_hash);
    let (public, proof) = Fixture {
        key,
        defences: Defences::ALL,
        hashes: Vec::new(),
    }
    .honest(&small_input());
    let statement = Statement {
        key: fixture.key.verifying.digest,
        public,
        hashes: Vec::new(),
        proof,
    };
    let bytes = statement.to_bytes();
    assert_eq!(bytes.len(), Statement::len(&fixture.key.verifying));
    assert_eq!(Statement::read(&bytes, &fixture.key.verifying).unwrap(), statement);
}

/// What somebody sees who verifies a proof, with the weights guessed right.
#[derive(Default)]
struct Seen {
    point: Option<Point>,
    eta: Fr,
    /// Whether the prover leaves its mask out.
    unmasked: bool,
    /// Where the mask is in `C`, and `C`.
    at: (usize, usize),
}

impl Forger for Seen {
    fn linear(&mut self, columns: &mut [Vec<Fr>], _eta: Option<Fr>) {
        if self.unmasked {
            let (c, first) = self.at;
            columns[c][first..].fill(Fr::from(0u8));
        }
    }
    fn mask(&mut self, mask: &mut Vec<Fr>, _eta: Option<Fr>) {
        if self.unmasked {
            mask.fill(Fr::from(0u8));
        }
    }
    fn fold(&mut self, _fold: &mut FoldMessage, point: &Point, scalars: &Scalars) {
        (self.point, self.eta) = (Some(point.clone()), scalars[Scalar::Eta]);
    }
}

/// Which guesses of the weights a key and a proof confirm: the tiles' commitments, `[V]`, `[V*]`, and the value `V(eta)`.
/// `dummies` are those that the guesser knows.
fn confirmed(fixture: &Fixture, dummies: &Dummies, unmasked: bool) -> [bool; 4] {
    let verifying = &fixture.key.verifying;
    let fold = &verifying.weights.fold;
    let (layers, weights) = (&verifying.interface.linear, &fixture.key.wiring.weights);
    let hidden = fold.hidden.unwrap();
    let mut seen = Seen {
        unmasked,
        at: (verifying.cs.columns.ports[0].c, hidden.mask),
        ..Seen::default()
    };
    let (trace, public) = fixture.run(&small_input());
    let proof = fixture.prove(trace, &public, &mut seen).unwrap();
    fixture.verify(&public, &proof).unwrap();
    let powers = srs().powers_g1();
    let (tiles, _) = prepare(fold, layers, weights, dummies, powers, backend().as_ref()).unwrap();
    let (point, eta) = (seen.point.unwrap(), seen.eta);
    let v = remainder(fold, layers, weights, dummies, &point, eta);
    let commit = |p: &[Fr]| G1Projective::msm_unchecked(powers, p);
    let backwards: Vec<Fr> = v.iter().rev().copied().collect();
    // The mask's commitment is part of the proof, so that it can be taken off [V]; nothing takes it off [V*].
    let mask: G1Affine = proof.mask.unwrap();
    let unmasked_v = proof.fold.remainder - mask * eta.pow([hidden.mask as u64]);
    [
        tiles == verifying.weights.tiles,
        unmasked_v == commit(&v),
        proof.fold.reversed == commit(&backwards).into_affine(),
        proof.fold_evals[0] == horner(&v, eta),
    ]
}

/// A guess of the weights is confirmed by nothing; without the dummies by the key and the proofs' points, without the mask by a value,
/// once the dummies are known.
#[test]
fn nothing_confirms_a_guess_of_the_weights() {
    let fixture = Fixture::hidden(&small_network(), 2);
    let (none, known) = (Dummies::default(), fixture.key.dummies.clone());
    assert_eq!(confirmed(&fixture, &none, false), [false; 4]);
    assert_eq!(confirmed(&fixture, &none, true), [false; 4]);
    assert_eq!(confirmed(&fixture, &known, false), [true, true, false, false]);
    assert_eq!(confirmed(&fixture, &known, true), [true; 4]);

    let mut bare = Fixture::hidden(&small_network(), 2);
    bare.key.dummies = Dummies::default();
    let bare = bare.rewired(|_, _| {});
    assert_eq!(confirmed(&bare, &none, false), [true, true, false, false]);
    assert_eq!(confirmed(&bare, &none, true), [true; 4]);
}

/// The mask is uniform in all that is revealed of it, and so is each row of a tile; with one coefficient fewer neither would be.
#[test]
fn mask_and_dummies_have_a_coefficient_for_each_time_they_are_revealed() {
    let rng = &mut ark_std::test_rng();
    let [tau, eta, z] = [(); 3].map(|()| Fr::rand(rng));
    let back = tau.inverse().unwrap();
    for (points, count) in [(vec![tau, back, eta, z], MASK), (vec![tau, back], DUMMIES)] {
        let functionals = |count| points.iter().map(|p| powers(*p, count)).collect::<Vec<_>>();
        assert_eq!(rank(functionals(count)), points.len());
        assert!(rank(functionals(count - 1)) < points.len());
    }
}

/// One secret gives one key, but other dummies for other weights, another reference string, another shape or another segment: two keys with the same
/// ones would show more of them than they hide.
#[test]
fn no_two_keys_have_the_same_dummies() {
    let in_column = |key: &ProvingKey| {
        let mut c = vec![Fr::from(0u8); 1 << LIMBS.bits];
        let point = Point {
            rho: Fr::from(2u8),
            s: [Fr::from(3u8); crate::model::program::MAX_DIMS],
        };
        key.dummies.add_to_inputs(&key.verifying.weights.fold, &point, &mut c);
        c.into_iter().find(|v| *v != Fr::from(0u8)).unwrap()
    };
    let make = |program: &Program<i64>, lanes, concealed, srs: &Srs| {
        let hidden = Fixture::hidden(program, lanes).key.verifying;
        let (shape, disclosure) = (hidden.interface.shape.clone(), hidden.interface.disclosure());
        let info = hidden.model.clone();
        let backend = backend();
        ProvingKey::generate(
            program.clone(),
            &shape,
            disclosure,
            info,
            Some(concealed),
            srs,
            backend.as_ref(),
        )
        .unwrap()
    };
    let mut other = circuit();
    other.layers[0].terms[0].taps[0][0].1 += 1;
    let one = make(&circuit(), 1, CONCEALED, srs());
    let again = make(&circuit(), 1, CONCEALED, srs());
    assert_eq!(one.verifying.digest, again.verifying.digest);
    let another_string = Srs::insecure_from_seed(4096, 257, &[8; 32]).unwrap();
    let others = [
        make(&other, 1, CONCEALED, srs()),
        make(&circuit(), 2, CONCEALED, srs()),
        make(&circuit(), 1, CONCEALED.for_segment(0), srs()),
        make(&circuit(), 1, CONCEALED.for_segment(1), srs()),
        make(&circuit(), 1, CONCEALED, &another_string),
    ];
    let all: BTreeSet<String> = others
        .iter()
        .chain([&one])
        .map(|key| in_column(key).to_string())
        .collect();
    assert_eq!(all.len(), others.len() + 1);
    assert_ne!(CONCEALED.model_commitment(), CONCEALED.model_hash);
    assert!(!format!("{CONCEALED:?}").contains("3, 3"), "a secret in a message");
}

/// The columns that hide weights are multiplied by zeros: what they add to `C` is in rows that read the verifier's zero.
#[test]
fn what_hides_weights_stands_on_rows_that_read_zero() {
    for program in [small_network(), pool(2, vec![1, 2], vec![0, 1], true)] {
        let fixture = Fixture::hidden(&program, 2);
        let verifying = &fixture.key.verifying;
        let rng = &mut ark_std::test_rng();
        let point = Point {
            rho: Fr::rand(rng),
            s: std::array::from_fn(|_| Fr::rand(rng)),
        };
        let mut c = vec![Fr::from(0u8); verifying.interface.shape.n()];
        fixture
            .key
            .dummies
            .add_to_inputs(&verifying.weights.fold, &point, &mut c);
        let touched: Vec<usize> = (0..c.len()).filter(|row| c[*row] != Fr::from(0u8)).collect();
        let mask = verifying.weights.fold.hidden.unwrap().mask;
        assert!(touched.len() >= DUMMIES);
        assert!(
            touched
                .iter()
                .all(|row| (fixture.key.wiring.reads.len()..mask).contains(row))
        );
        // And `V` at eta is what the column adds up to.
        let eta = Fr::rand(rng);
        let fold = &verifying.weights.fold;
        let layers = &verifying.interface.linear;
        let no_weights = layers.iter().map(|l| vec![Taps::default(); l.tiles.len()]).collect();
        let v = remainder(fold, layers, &no_weights, &fixture.key.dummies, &point, eta);
        assert_eq!(horner(&v, eta), horner(&c, eta));
    }
}

/// A prover that changes its mask behind `C`'s back.
struct Masks<F>(F);

impl<F: FnMut(&mut Vec<Fr>, Option<Fr>)> Forger for Masks<F> {
    fn mask(&mut self, mask: &mut Vec<Fr>, eta: Option<Fr>) {
        (self.0)(mask, eta);
    }
}

/// A mask that is not the one in `C`, or that is longer than the rows that are left for it, is noticed.
#[test]
fn the_mask_is_the_one_in_the_column() {
    let fixture = Fixture::hidden(&circuit(), 1);
    let (trace, public) = fixture.run(&INPUT);
    let changes: [fn(&mut Vec<Fr>); 4] = [
        |mask| mask[0] += signed(1),
        |mask| mask[MASK - 1] += signed(1),
        |mask| mask.push(signed(1)),
        |mask| mask.swap(0, 1),
    ];
    for (i, change) in changes.into_iter().enumerate() {
        let mut forger = Masks(|mask: &mut Vec<Fr>, _| change(mask));
        let proof = fixture.prove(trace.clone(), &public, &mut forger).unwrap();
        let result = fixture.verify(&public, &proof);
        assert!(
            matches!(result, Err(Rejection::Opening(KzgError::Rejected))),
            "{i}: {result:?}"
        );
    }
}

/// Claims that the first output is one more, and covers it up in `C` and in the mask.
struct LateMask<'a> {
    fixture: &'a Fixture,
    delta: Fr,
}

impl Forger for LateMask<'_> {
    fn trace(&mut self, columns: &mut [Vec<Fr>], _point: Option<&Point>) {
        raise_output(self.fixture, columns);
    }

    fn linear(&mut self, columns: &mut [Vec<Fr>], _eta: Option<Fr>) {
        self.delta = cover_up(self.fixture, columns);
    }

    fn mask(&mut self, mask: &mut Vec<Fr>, eta: Option<Fr>) {
        // Where it does not know eta, it guesses.
        let eta = eta.unwrap_or(Fr::from(7u8));
        let first = self.fixture.key.verifying.weights.fold.hidden.unwrap().mask;
        mask[0] += self.delta / eta.pow([first as u64]);
    }
}

/// A mask that may be chosen once `eta` is known makes `kappa` anything, and with it the output.
#[test]
fn the_mask_is_committed_before_eta() {
    for early in [true, false] {
        let mut fixture = Fixture::hidden(&circuit(), 1);
        fixture.defences.mask_before_eta = early;
        let (trace, mut public) = fixture.run(&INPUT);
        public[0] += 1;
        let mut forger = LateMask {
            fixture: &fixture,
            delta: Fr::from(0u8),
        };
        let proof = fixture.prove(trace, &public, &mut forger).unwrap();
        assert_eq!(fixture.verify(&public, &proof).is_ok(), !early);
        fixture.defences = Defences::ALL;
        assert!(fixture.verify(&public, &proof).is_err());
    }
}

/// A key cannot be made without what hides its weights, nor take what hides weights that it does not hide.
#[test]
fn keys_take_a_secret_exactly_where_weights_are_hidden() {
    for hidden in [true, false] {
        let program = small_network();
        let disclosure = Disclosure {
            hidden_weights: hidden,
            ..Disclosure::default()
        };
        let shape = Shape {
            hidden_weights: hidden,
            ..shape(&program, 2)
        };
        let info = Fixture::new(&program, 2, false).key.verifying.model.clone();
        let concealed = (!hidden).then_some(CONCEALED);
        let key = ProvingKey::generate(program, &shape, disclosure, info, concealed, srs(), backend().as_ref());
        assert!(matches!(key, Err(crate::keys::KeyError::Secret)));
    }
}
