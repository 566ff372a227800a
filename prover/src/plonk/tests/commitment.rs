//! Columns that commit to the input and the output.

use super::*;
use crate::{
    field::{random, signed},
    kzg::KzgError,
    plonk::cs::{COMMITMENT_BLINDS, Committed},
};

const BOTH: Disclosure = Disclosure {
    input: Visibility::Committed,
    output: Visibility::Committed,
    hidden_weights: false,
};

fn committed(fixture: &Fixture) -> [Committed; 2] {
    let columns = &fixture.cs().columns;
    [columns.committed_input.unwrap(), columns.committed_output.unwrap()]
}

#[test]
fn a_committed_statement_has_no_public_words_and_holds() {
    for program in [
        small_network(),
        network(1, vec![gemm(vec![Source::Input(0)], &[&[77]], Act::Relu)]),
    ] {
        let fixture = Fixture::committed(&program, BOTH, |_| {});
        let input = vec![3; program.input_len()];
        let (public, proof) = fixture.honest(&input);
        assert!(public.is_empty());
        fixture.verify(&public, &proof).unwrap();
        assert_eq!(fixture.key.verifying.interface.disclosure(), BOTH);
    }
}

#[test]
fn one_of_the_two_may_be_committed_to() {
    for (input, output) in [
        (Visibility::Committed, Visibility::Public),
        (Visibility::Committed, Visibility::Private),
        (Visibility::Public, Visibility::Committed),
        (Visibility::Private, Visibility::Committed),
        (Visibility::Private, Visibility::Private),
    ] {
        let disclosure = Disclosure {
            input,
            output,
            ..Disclosure::default()
        };
        let fixture = Fixture::committed(&small_network(), disclosure, |_| {});
        let (public, proof) = fixture.honest(&small_input());
        fixture.verify(&public, &proof).unwrap();
        assert_eq!(fixture.key.verifying.interface.disclosure(), disclosure);
    }
}

/// Changes one cell of a committed column and nothing else.
struct OtherValue {
    column: usize,
    row: usize,
}

impl Forger for OtherValue {
    fn trace(&mut self, columns: &mut [Vec<Fr>], _point: Option<&crate::plonk::linear::Point>) {
        columns[self.column][self.row] += signed(1);
    }
}

/// What is committed to is what the model was run on and what it gave: a row more, a row less or another value is refused, and would
/// be accepted if the column did not read the bus.
#[test]
fn what_is_committed_to_is_what_the_proof_is_about() {
    for which in 0..2 {
        let honest = Fixture::committed(&small_network(), BOTH, |_| {});
        let unread = Fixture::committed(&small_network(), BOTH, |draft| {
            let name = ["committed input", "committed output"][which];
            draft.bus.retain(|term| term.name != name);
        });
        let column = committed(&unread)[which];
        let unread = unread.unread(column.read_id);
        let (trace, public) = honest.run(&small_input());
        let len = [small_input().len(), honest.key.quantised.program.outputs.len()][which];
        for row in [0, len - 1, len, honest.key.verifying.interface.shape.n() - 1] {
            let mut forger = OtherValue {
                column: column.values,
                row,
            };
            let rejected = |fixture: &Fixture, forger: &mut OtherValue| {
                let proof = fixture.prove(trace.clone(), &public, forger).unwrap();
                fixture.verify(&public, &proof)
            };
            let result = rejected(&honest, &mut forger);
            assert!(
                matches!(result, Err(Rejection::Opening(KzgError::Rejected))),
                "{row}: {result:?}"
            );
            rejected(&unread, &mut forger).unwrap();
        }
    }
}

#[test]
fn a_commitment_stands_across_proofs_with_its_blinds() {
    let fixture = Fixture::committed(&small_network(), BOTH, |_| {});
    let [input, output] = committed(&fixture).map(|c| c.values);
    let (trace, public) = fixture.run(&small_input());
    let blinds: Vec<Fr> = (0..COMMITMENT_BLINDS)
        .map(|_| random(&mut ChaCha20Rng::seed_from_u64(8)))
        .collect();
    let proofs = [1, 2].map(|seed| {
        let rng = &mut ChaCha20Rng::seed_from_u64(seed);
        let standing = [(input, blinds.clone())];
        fixture
            .prove_standing(&standing, &CONTEXT, trace.clone(), &public, &mut Honest, rng)
            .unwrap()
    });
    proofs.iter().for_each(|proof| fixture.verify(&public, proof).unwrap());
    assert_eq!(proofs[0].advice[input], proofs[1].advice[input]);
    assert_ne!(proofs[0].advice[output], proofs[1].advice[output]);
}
