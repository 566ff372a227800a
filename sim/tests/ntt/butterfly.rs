//! The butterfly alone.

use std::collections::VecDeque;

use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use num_bigint::BigUint;
use tapeout_hw::field::{Field, from_limbs};
use tapeout_hw::ntt;
use tapeout_sim::{Model, WORD, available};

use super::engine::limbs;

/// The butterfly and its stand-in, forward and inverse, at the ends of the operands' range and within.
#[test]
fn butterflies_equal_the_model() {
    if !available() {
        return;
    }
    let field = Field::fr();
    let (p, max) = (field.modulus().clone(), field.reduced_bound() - BigUint::from(1u8));
    let edges = [
        BigUint::ZERO,
        BigUint::from(1u8),
        &p - 1u8,
        p.clone(),
        &p + 1u8,
        max.clone(),
    ];
    for model in ["ntt_butterfly", "ntt_butterfly_fast"] {
        let mut dut = Model::new(model).unwrap();
        let [inverse, a, b, t, u, v] =
            ["inverse_i", "a_i", "b_i", "t_i", "u_o", "v_o"].map(|name| dut.port(name).unwrap());
        for direction in [false, true] {
            let mut rng = StdRng::seed_from_u64(1);
            dut.set(inverse, &[u64::from(direction)]);
            let mut vectors: Vec<[BigUint; 3]> = Vec::new();
            for a in &edges {
                for b in &edges {
                    vectors.extend(edges.iter().map(|t| [a.clone(), b.clone(), t.clone()]));
                }
            }
            let mut operand = || from_limbs(&rng.r#gen::<[u64; 4]>()) % (&max + 1u8);
            vectors.extend((0..2_000).map(|_| [operand(), operand(), operand()]));
            let mut expected = VecDeque::new();
            let idle = (0..ntt::BUTTERFLY_LATENCY).map(|_| [BigUint::ZERO, BigUint::ZERO, BigUint::ZERO]);
            for vector in vectors.into_iter().chain(idle) {
                for (port, operand) in [a, b, t].into_iter().zip(&vector) {
                    dut.set(port, &limbs(operand));
                }
                expected.push_back(ntt::butterfly(&field, direction, [&vector[0], &vector[1], &vector[2]]));
                dut.tick();
                assert!(!dut.stopped());
                if expected.len() == ntt::BUTTERFLY_LATENCY as usize {
                    let got = [u, v].map(|port| {
                        let mut word = [0; WORD];
                        dut.get(port, &mut word);
                        from_limbs(&word)
                    });
                    assert_eq!(got, expected.pop_front().unwrap(), "{model}, inverse: {direction}");
                }
            }
        }
    }
}
