//! The field's modules against the models of `hw`.
#![cfg(test)]
#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use num_bigint::BigUint;
use tapeout_hw::field::{Field, MULTIPLES, QUOTIENT_SHIFT, R_BITS};
use tapeout_hw::msm::MUL_LATENCY;
use tapeout_sim::{Model, available};

fn limbs(n: &BigUint) -> [u64; 5] {
    std::array::from_fn(|i| n.iter_u64_digits().nth(i).unwrap_or(0))
}

fn one() -> BigUint {
    BigUint::from(1u8)
}

/// A hundred operands, no two the same, whose limbs, tiles and carries are at their extremes.
fn edges(field: &Field) -> BTreeSet<BigUint> {
    let r = one() << R_BITS;
    let p = field.modulus();
    let mut edges = vec![
        BigUint::ZERO,
        one(),
        BigUint::from(2u8),
        p - one(),
        p.clone(),
        p + one(),
        &r - one(),
        p * 2u8,
        p / 2u8,
        &r % p,
        p - &r % p,
    ];
    edges.push(field.reduced_bound() - one());
    edges.push(field.reduced_bound() * 2u8 - one());
    let tiles = [17, 26, 34, 51, 68, 85, 102, 119, 128, 153, 170, 187, 204, 221, 238, 254];
    let beside = [25, 33, 50, 52, 64, 101, 103, 152, 154, 203];
    for bits in tiles.into_iter().chain(beside) {
        edges.push(one() << bits);
        edges.push((one() << bits) - one());
        edges.push(&r - (one() << bits));
    }
    let repeat = |limb: u64| (0..5).fold(BigUint::ZERO, |n, _| (n << 51) + limb);
    edges.extend(
        [
            1,
            1 << 50,
            (1 << 26) - 1,
            1 << 26,
            (1 << 34) - 1,
            0x5_5555_5555_5555,
            0x2_aaaa_aaaa_aaaa,
        ]
        .map(repeat),
    );
    edges.extend((0..5).map(|i| BigUint::from((1u64 << 51) - 1) << (51 * i)));
    edges.into_iter().collect()
}

fn operand(rng: &mut StdRng) -> BigUint {
    let kind = rng.gen_range(0..4);
    let limb = |rng: &mut StdRng| match (kind, rng.gen_range(0..4)) {
        (0, 0) => 0,
        (0, 1) => (1 << 51) - 1,
        (0, 2) => 1 << 50,
        _ => rng.r#gen::<u64>() >> 13,
    };
    (0..5).fold(BigUint::ZERO, |n, _| (n << 51) + limb(rng))
}

/// Feeds one pair per cycle and checks what comes out `MUL_LATENCY` cycles later.
fn multiply(model: &str, field: &Field, pairs: impl Iterator<Item = (BigUint, BigUint)>) {
    let mut dut = Model::new(model).unwrap();
    let (a, b, y) = (
        dut.port("a_i").unwrap(),
        dut.port("b_i").unwrap(),
        dut.port("y_o").unwrap(),
    );
    let mut pending = std::collections::VecDeque::new();
    let mut pairs = pairs.fuse();
    loop {
        let pair = pairs.next();
        if let Some((x, z)) = &pair {
            dut.set(a, &limbs(x)[..4]);
            dut.set(b, &limbs(z)[..4]);
        } else if pending.iter().all(Option::is_none) {
            break;
        }
        pending.push_back(pair);
        dut.tick();
        if pending.len() == MUL_LATENCY as usize
            && let Some((x, z)) = pending.pop_front().unwrap()
        {
            let mut got = [0; 5];
            dut.get(y, &mut got);
            assert_eq!(got, limbs(&field.mont_mul(&x, &z)), "{model}: {x:x} * {z:x}");
        }
    }
}

fn multiplications() -> usize {
    std::env::var("TAPEOUT_VECTORS").map_or(40_000, |n| n.parse().unwrap())
}

#[test]
fn products_equal_the_model() {
    if !available() {
        return;
    }
    for (model, field) in [("mont_mul", Field::fq()), ("mont_mul_fr", Field::fr())] {
        let edges = edges(&field);
        assert_eq!(edges.len(), 100);
        let every = edges.iter().flat_map(|a| edges.iter().map(|b| (a.clone(), b.clone())));
        let mut rng = StdRng::seed_from_u64(2);
        let random = (0..multiplications()).map(|_| (operand(&mut rng), operand(&mut rng)));
        multiply(model, &field, every.chain(random));
    }
}

#[test]
fn small_reductions_equal_the_model() {
    if !available() {
        return;
    }
    let field = Field::fq();
    let mut dut = Model::new("reduce_small").unwrap();
    let (v, y) = (dut.port("v_i").unwrap(), dut.port("y_o").unwrap());
    let limit = field.modulus() * MULTIPLES;
    let tops = (0u64..512).flat_map(|top| {
        [
            BigUint::from(top) << QUOTIENT_SHIFT,
            (BigUint::from(top + 1) << QUOTIENT_SHIFT) - one(),
        ]
    });
    for value in tops.chain([&limit - one()]).filter(|value| *value < limit) {
        dut.set(v, &limbs(&value));
        dut.tick();
        dut.tick();
        let mut got = [0; 5];
        dut.get(y, &mut got);
        assert_eq!(got, limbs(&field.reduce_small(&value)), "{value:x}");
    }
}
