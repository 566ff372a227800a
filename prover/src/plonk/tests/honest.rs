//! What an honest prover proves is accepted.

use super::*;
use crate::plonk::{check::violations, cs::SLACK, expr::Scalars};

#[test]
fn honest_proofs_verify_with_any_number_of_lanes() {
    for lanes in 1..=4 {
        for public_input in [false, true] {
            let program = small_network();
            let fixture = match layout::demand(&program, lanes, disclosure(public_input)).slots {
                rows if rows > 128 => continue,
                _ => Fixture::new(&program, lanes, public_input),
            };
            let (trace, public) = fixture.run(&small_input());
            let columns: Vec<Vec<Fr>> = trace.iter().map(|c| field(c)).collect();
            let fixed = fixture.key.wiring.fixed_columns();
            assert_eq!(violations(fixture.cs(), &fixed, &columns, &Scalars::default()), []);
            let proof = fixture.prove(trace, &public, &mut Honest).unwrap();
            fixture.verify(&public, &proof).unwrap();
        }
    }
}

#[test]
fn degrees_stay_within_what_the_quotient_holds() {
    let program = small_network();
    for lanes in 1..=4 {
        let shape = shape(&program, lanes);
        let n = shape.n();
        assert!(ConstraintSystem::new(&shape).degree(n) <= 3 * n + SLACK);
    }
}

#[test]
fn honest_proofs_of_every_primitive_verify() {
    for (name, program, input) in primitives() {
        for lanes in [1, 2, 3] {
            for public_input in [false, true] {
                let fixture = Fixture::new(&program, lanes, public_input);
                let (trace, public) = fixture.run(&input);
                let exact = execute::exact(&program, &LIMBS, &input).unwrap();
                assert_eq!(exact, reference_run(&program, &input), "{name}");
                let columns: Vec<Vec<Fr>> = trace.iter().map(|c| field(c)).collect();
                let fixed = fixture.key.wiring.fixed_columns();
                let known = violations(fixture.cs(), &fixed, &columns, &Scalars::default());
                assert_eq!(known, [], "{name}");
                assert!(fixture.cs().degree(1 << LIMBS.bits) <= (3 << LIMBS.bits) + SLACK);
                let proof = fixture.prove(trace, &public, &mut Honest).unwrap();
                fixture
                    .verify(&public, &proof)
                    .unwrap_or_else(|e| panic!("{e}: {name}, {lanes} lanes"));
            }
        }
    }
}
