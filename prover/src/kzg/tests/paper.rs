//! The proof against the paper's own definition.

use ark_bn254::Fr;
use ark_ec::CurveGroup;
use ark_ff::{Field, Zero};
use ark_poly::{DenseUVPolynomial, Polynomial, univariate::DensePolynomial};

use super::{Case, commit, rng};
use crate::kzg::{draw_batching, draw_point};

/// The definition, term by term and with the paper's scaling, over polynomial arithmetic: f over the union T of the sets, and
/// L times Z_T(u). Both group equations must be those of the implementation up to that factor.
#[test]
fn proof_is_the_papers() {
    let rng = &mut rng(2);
    for case in [Case::columns(rng), Case::random(rng, &[1, 2, 3], 6)] {
        let (proof, _) = case.open().unwrap();
        let (powers, transcript) = draw_batching(&case.commitment_claims(), case.transcript());
        let (u, _) = draw_point(&proof.w, transcript);
        let v = powers[1];

        let mut union: Vec<Fr> = Vec::new();
        case.sets.iter().flatten().for_each(|point| {
            if !union.contains(point) {
                union.push(*point);
            }
        });
        let vanishing = |points: &[Fr]| {
            let one = DensePolynomial::from_coefficients_vec(vec![Fr::ONE]);
            let factor = |s: &Fr| DensePolynomial::from_coefficients_vec(vec![-*s, Fr::ONE]);
            points
                .iter()
                .map(factor)
                .fold(one, |product, factor| &product * &factor)
        };
        let z_t = vanishing(&union);

        let mut f = DensePolynomial::<Fr>::zero();
        let mut l = DensePolynomial::<Fr>::zero();
        for (index, &(polynomial, set)) in case.claims.iter().enumerate() {
            let outside: Vec<Fr> = union
                .iter()
                .filter(|point| !case.sets[set].contains(point))
                .copied()
                .collect();
            let polynomial = DensePolynomial::from_coefficients_slice(&case.polynomials[polynomial]);
            let r = &polynomial - &(&(&polynomial / &vanishing(&case.sets[set])) * &vanishing(&case.sets[set]));
            for (point, value) in case.sets[set].iter().zip(&case.evals[index]) {
                assert_eq!(r.evaluate(point), *value);
            }
            let power = v.pow([index as u64]);
            f = &f + &(&(&polynomial - &r) * &(&vanishing(&outside) * power));
            let at_u = DensePolynomial::from_coefficients_vec(vec![r.evaluate(&u)]);
            l = &l + &(&(&polynomial - &at_u) * (power * vanishing(&outside).evaluate(&u)));
        }
        let h = &f / &z_t;
        assert_eq!(&h * &z_t, f);
        assert_eq!(proof.w, commit(&h));

        l = &l - &(&h * z_t.evaluate(&u));
        let x_minus_u = DensePolynomial::from_coefficients_vec(vec![-u, Fr::ONE]);
        let quotient = &l / &x_minus_u;
        assert_eq!(&quotient * &x_minus_u, l);
        let scaled = proof.w_prime * z_t.evaluate(&u);
        assert_eq!(scaled.into_affine(), commit(&quotient));
    }
}
