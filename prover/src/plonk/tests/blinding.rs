//! What a proof reveals of the columns that are secret: nothing.

use std::collections::BTreeSet;

use ark_ec::{CurveGroup, VariableBaseMSM};
use ark_ff::{Field, UniformRand};
use rand::RngCore;
use tapeout_driver::G1Projective;

use super::*;
use crate::{
    commitment::MAX_PROOFS,
    field::powers,
    plonk::{
        at::root_of_unity,
        cs::{AdviceColumn, COMMITMENT_BLINDS},
        eval::{Compiled, Table},
        expr::{Expr, Scalars},
        kernels::MAX_BLINDS,
    },
};

/// Columns that follow from the challenges and the key, so that there is nothing to hide. `C` is blinded where weights are hidden.
fn is_public(column: &AdviceColumn) -> bool {
    ["E", "D"].contains(&column.name.as_str()) || (column.name.ends_with(".C") && column.blinds == 0)
}

fn secret(cs: &ConstraintSystem) -> impl Iterator<Item = (usize, &AdviceColumn)> {
    cs.advice.iter().enumerate().filter(|(_, c)| !is_public(c))
}

/// Trap T14: two proofs of one trace have no commitment and no evaluation in common, but for those of fixed columns.
#[test]
fn two_proofs_of_one_trace_share_nothing() {
    let fixture = Fixture::new(&small_network(), 3, false);
    let (trace, public) = fixture.run(&small_input());
    let proofs = [1, 2].map(|seed| fixture.prove_seeded(trace.clone(), &public, &mut Honest, seed).unwrap());
    let revealed = |proof: &Proof| {
        let points = proof
            .advice
            .iter()
            .chain(&proof.quotient)
            .chain([&proof.opening.w, &proof.opening.w_prime]);
        let points = points.map(|p| p.to_string());
        let values = proof.advice_evals.iter().map(|v| v.to_string());
        points.chain(values).collect::<BTreeSet<_>>()
    };
    let [first, second] = proofs.each_ref().map(revealed);
    assert_eq!(first.intersection(&second).collect::<Vec<_>>(), Vec::<&String>::new());
}

/// A generator that gives the same values as another for a while.
struct Diverging {
    rng: ChaCha20Rng,
    same: usize,
}

impl RngCore for Diverging {
    fn next_u32(&mut self) -> u32 {
        self.rng.next_u32()
    }
    fn next_u64(&mut self) -> u64 {
        self.rng.next_u64()
    }
    fn fill_bytes(&mut self, out: &mut [u8]) {
        self.rng.fill_bytes(out);
        match self.same.checked_sub(1) {
            Some(left) => self.same = left,
            None => out.iter_mut().for_each(|byte| *byte ^= 0x5a),
        }
    }
}

impl CryptoRng for Diverging {}

/// Trap T14: how the quotient is split in two depends on a blind of its own, or each part would be one more functional of the
/// columns.
#[test]
fn the_parts_of_the_quotient_are_blinded() {
    let fixture = Fixture::new(&pool(2, vec![1, 2], vec![0, 1], true), 1, false);
    let (trace, public) = fixture.run(&[100, 7]);
    let blinds: usize = fixture.cs().advice.iter().map(|c| c.blinds).sum();
    let [first, second] = [blinds, blinds + 1].map(|same| {
        let rng = &mut Diverging {
            rng: ChaCha20Rng::seed_from_u64(3),
            same,
        };
        let proof = fixture.prove_with(trace.clone(), &public, &mut Honest, rng).unwrap();
        fixture.verify(&public, &proof).unwrap();
        proof
    });
    assert_eq!(first.advice, second.advice);
    assert_ne!(first.quotient[0], second.quotient[0]);
    assert_ne!(first.quotient[1], second.quotient[1]);
}

/// Keeps the values of all columns, as an observer has them who guesses the input right.
#[derive(Default)]
struct Guess {
    columns: Vec<Vec<Fr>>,
    scalars: Scalars,
}

impl Forger for Guess {
    fn bus(&mut self, columns: &mut [Vec<Fr>], scalars: &Scalars) {
        (self.columns, self.scalars) = (columns.to_vec(), scalars.clone());
    }
}

/// The columns whose commitment is that of the values alone, so that a guess of the input can be confirmed.
fn confirmed(fixture: &Fixture, guess: &Guess, proof: &Proof) -> Vec<String> {
    let bases = &fixture.key.bases.lagrange;
    let commit = |values: &[Fr]| G1Projective::msm(bases, values).unwrap().into_affine();
    let columns = fixture.cs().advice.iter().zip(&proof.advice).zip(&guess.columns);
    let unhidden = columns.filter(|((_, point), values)| commit(values) == **point);
    unhidden.map(|((column, _), _)| column.name.clone()).collect()
}

/// Trap T14: with the blinds of one column left out, a guess of the input can be confirmed; with all of them in place, not.
#[test]
fn no_commitment_confirms_a_guess() {
    let fixture = Fixture::new(&pool(2, vec![1, 2], vec![0, 1], true), 1, false);
    assert_no_guess_confirmed(fixture, &[100, 7]);
}

#[test]
fn no_standing_commitment_confirms_a_guess() {
    let committed = Disclosure {
        input: Visibility::Committed,
        output: Visibility::Committed,
        ..Disclosure::default()
    };
    assert_no_guess_confirmed(Fixture::committed(&small_network(), committed, |_| {}), &small_input());
}

/// The same of a guess of the weights, where they are hidden: `C` follows from them.
#[test]
fn no_commitment_confirms_a_guess_of_hidden_weights() {
    let fixture = Fixture::hidden(&small_network(), 2);
    assert!(secret(fixture.cs()).any(|(_, column)| column.name == "port0.C"));
    assert_no_guess_confirmed(fixture, &small_input());
}

#[test]
fn no_commitment_of_a_hash_confirms_a_guess() {
    let input = [3, -7, 100];
    let (fixture, ..) = super::hash::hashed_input(&input, |_| {});
    assert_no_guess_confirmed(fixture, &input);
}

/// Traps A5 and T14: the running sum of products of matrices depends on the witness, and is blinded as the rest.
#[test]
fn no_commitment_of_a_primitive_confirms_a_guess() {
    for (name, program, input) in primitives() {
        if ["products", "functions", "matrices", "two ports"].contains(&name) {
            assert_no_guess_confirmed(Fixture::new(&program, 1, false), &input);
        }
    }
}

fn assert_no_guess_confirmed(mut fixture: Fixture, input: &[i64]) {
    let (trace, public) = fixture.run(input);
    let confirmed_by = |fixture: &Fixture| {
        let mut guess = Guess::default();
        let proof = fixture.prove(trace.clone(), &public, &mut guess).unwrap();
        fixture.verify(&public, &proof).unwrap();
        let phi = cyclic_sum(fixture, &guess);
        guess.columns.push(phi);
        confirmed(fixture, &guess, &proof)
    };
    let public: Vec<_> = fixture
        .cs()
        .advice
        .iter()
        .filter(|c| is_public(c))
        .map(|c| c.name.clone())
        .collect();
    assert_eq!(confirmed_by(&fixture), public);
    let columns: Vec<usize> = secret(fixture.cs()).map(|(i, _)| i).collect();
    for column in columns {
        let blinds = std::mem::take(&mut fixture.key.verifying.cs.advice[column].blinds);
        let name = fixture.cs().advice[column].name.clone();
        assert!(confirmed_by(&fixture).contains(&name), "{name}");
        fixture.key.verifying.cs.advice[column].blinds = blinds;
    }
}

/// The cyclic sum, which the prover computes behind the last column that a forger sees.
fn cyclic_sum(fixture: &Fixture, guess: &Guess) -> Vec<Fr> {
    let fixed = fixture.key.wiring.fixed_columns();
    let n = fixed[0].len();
    let (x, mut first) = (powers(root_of_unity(n), n), vec![Fr::from(0u8); n]);
    first[0] = Fr::from(1u8);
    let table = Table {
        fixed: &fixed,
        advice: &guess.columns,
        x: &x,
        first: &first,
        back: None,
    };
    // The total is not among the scalars yet: it is what makes the increments add up to zero.
    let increments = Compiled::new([&fixture.cs().increment], &guess.scalars)
        .run(table)
        .remove(0);
    let total_per_row = increments.iter().sum::<Fr>() / Fr::from(n as u64);
    let sums = increments.iter().scan(Fr::from(0u8), |sum, v| {
        *sum += *v - total_per_row;
        Some(*sum)
    });
    sums.collect()
}

/// Trap A7: where a proof reveals a column: at `tau` by its commitment and at `z` by its evaluation; at `z / w` where it is
/// opened there; and at `tau / w` where a gate looks one row back, since the quotient's commitment then depends on that value.
fn functionals(cs: &ConstraintSystem, column: usize, tau: Fr, z: Fr, w: Fr) -> Vec<Fr> {
    let mut points = vec![tau, z];
    if cs.advice[column].rotated {
        points.push(z / w);
    }
    let mut looked_back_at = false;
    for gate in &cs.gates {
        gate.expr
            .for_each_leaf(&mut |leaf| looked_back_at |= *leaf == Expr::Prev(column));
    }
    if looked_back_at {
        points.push(tau / w);
    }
    points
}

/// What blinding coefficient `i` adds at each of `points`: `Z_H(p) p^i`.
fn blinding_matrix(points: &[Fr], blinds: usize, n: usize) -> Vec<Vec<Fr>> {
    let row = |p: &Fr| {
        let z_h = p.pow([n as u64]) - Fr::from(1u8);
        powers(*p, blinds).iter().map(|v| z_h * v).collect()
    };
    points.iter().map(row).collect()
}

pub(crate) fn rank(mut rows: Vec<Vec<Fr>>) -> usize {
    let mut rank = 0;
    for column in 0..rows.first().map_or(0, Vec::len) {
        let Some(pivot) = (rank..rows.len()).find(|r| rows[*r][column] != Fr::from(0u8)) else {
            continue;
        };
        rows.swap(rank, pivot);
        let (done, below) = rows.split_at_mut(rank + 1);
        let pivot = &done[rank];
        for row in below {
            let factor = row[column] / pivot[column];
            row.iter_mut().zip(pivot).for_each(|(a, b)| *a -= factor * b);
        }
        rank += 1;
    }
    rank
}

/// Trap A7: everything that a proof reveals of a secret column is uniform, whatever its values: the functionals are linearly
/// independent on its blinds, and would not be with one blind fewer.
#[test]
fn every_secret_column_has_a_blind_for_each_time_it_is_revealed() {
    let rng = &mut ark_std::test_rng();
    let (tau, z) = (Fr::rand(rng), Fr::rand(rng));
    let programs = [
        small_network(),
        network(1, vec![gemm(vec![Source::Input(0)], &[&[77]], Act::Relu)]),
    ];
    for program in programs.into_iter().chain(primitives().into_iter().map(|p| p.1)) {
        for lanes in 1..=4 {
            let alternately = lanes % 2 == 0;
            let shape = Shape {
                hidden_weights: alternately,
                hashed_input: alternately,
                hashed_output: alternately,
                ..shape(&program, lanes)
            };
            let cs = ConstraintSystem::new(&shape);
            let w = root_of_unity(shape.n());
            for (i, column) in secret(&cs) {
                let points = functionals(&cs, i, tau, z, w);
                let rank_with = |blinds| rank(blinding_matrix(&points, blinds, shape.n()));
                assert_eq!(rank_with(column.blinds), points.len(), "{}", column.name);
                assert!(
                    rank_with(column.blinds - 1) < points.len(),
                    "{} has a blind to spare",
                    column.name
                );
                assert!(column.blinds <= MAX_BLINDS);
            }
        }
    }
}

/// Correction A6: what all proofs together reveal of a column whose commitment stands across them is uniform, up to the last proof
/// that an opening gives, and would not be behind one proof more.
#[test]
fn a_standing_commitment_hides_its_values_for_as_many_proofs_as_an_opening_gives() {
    let rng = &mut ark_std::test_rng();
    let points: Vec<Fr> = (0..MAX_PROOFS + 2).map(|_| Fr::rand(rng)).collect();
    let (blinds, n) = (COMMITMENT_BLINDS, 1 << LIMBS.bits);
    let revealed = 1 + MAX_PROOFS as usize;
    assert_eq!(rank(blinding_matrix(&points[..revealed], blinds, n)), revealed);
    assert!(rank(blinding_matrix(&points, blinds, n)) < points.len());
}
