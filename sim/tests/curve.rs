//! The point adder against the model of `hw`, and against arkworks.
#![allow(clippy::unwrap_used)]

use std::collections::VecDeque;

use ark_bn254::{Fq, G1Affine, G1Projective};
use ark_ec::{AffineRepr, CurveGroup, PrimeGroup};
use ark_ff::{AdditiveGroup, Field as _, PrimeField, UniformRand};
use ark_std::rand::{Rng, SeedableRng, rngs::StdRng};
use num_bigint::BigUint;
use tapeout_hw::curve::{Adder, Point};
use tapeout_hw::field::Field;
use tapeout_hw::msm::ADD_LATENCY;
use tapeout_sim::{Model, available};

fn limbs(n: &BigUint) -> [u64; 4] {
    std::array::from_fn(|i| n.iter_u64_digits().nth(i).unwrap_or(0))
}

/// Homogeneous coordinates scaled at random, each lifted by `p` where its bound allows and a coin says so.
fn lift(point: G1Projective, rng: &mut StdRng, field: &Field) -> Point {
    let point = point.into_affine();
    let scale = Fq::rand(rng);
    let (x, y, z) = if point.is_zero() {
        (Fq::ZERO, scale, Fq::ZERO)
    } else {
        (point.x * scale, point.y * scale, scale)
    };
    let mut number = |c: Fq| {
        let c = BigUint::from(c.into_bigint());
        let lifted = &c + field.modulus();
        if lifted < field.reduced_bound() && rng.r#gen() {
            lifted
        } else {
            c
        }
    };
    Point {
        x: number(x),
        y: number(y),
        z: number(z),
    }
}

fn lower(p: &Point) -> G1Affine {
    let (x, y, z) = (Fq::from(p.x.clone()), Fq::from(p.y.clone()), Fq::from(p.z.clone()));
    z.inverse()
        .map_or(G1Affine::identity(), |z| G1Affine::new_unchecked(x * z, y * z))
}

/// Pairs of points with the sum that arkworks gives; `None` where the coordinates are no point but the largest there can be.
fn pairs(count: usize, rng: &mut StdRng, field: &Field) -> Vec<(Point, Point, Option<G1Affine>)> {
    let pool: Vec<_> = (0..64).map(|_| G1Projective::rand(rng)).collect();
    let mut pairs = Vec::new();
    for i in 0..count {
        let p = pool[rng.gen_range(0..pool.len())];
        let other = pool[rng.gen_range(0..pool.len())];
        let (p, q) = match i % 8 {
            0 => (p, p),
            1 => (p, -p),
            2 => (G1Projective::ZERO, p),
            3 => (p, G1Projective::ZERO),
            4 => (G1Projective::ZERO, G1Projective::ZERO),
            5 => (p, G1Projective::generator()),
            _ => (p, other),
        };
        let sum = (p + q).into_affine();
        pairs.push((lift(p, rng, field), lift(q, rng, field), Some(sum)));
    }
    // every combination of the least and the largest coordinates: the worst case of every lazy range
    let extremes = [BigUint::ZERO, field.modulus() - 1u8, field.reduced_bound() - 1u8];
    let pick = |n: usize, place: u32| extremes[n / 3usize.pow(place) % 3].clone();
    for n in 0..729 {
        let p = Point {
            x: pick(n, 0),
            y: pick(n, 1),
            z: pick(n, 2),
        };
        let q = Point {
            x: pick(n, 3),
            y: pick(n, 4),
            z: pick(n, 5),
        };
        pairs.push((p, q, None));
    }
    pairs
}

fn additions() -> usize {
    std::env::var("TAPEOUT_VECTORS").map_or(8_000, |n| n.parse().unwrap())
}

/// Feeds a pair per cycle with gaps now and then, and checks the sums, their tags and when they come.
#[test]
fn sums_equal_the_model_and_arkworks() {
    if !available() {
        return;
    }
    let (adder, field) = (Adder::new().unwrap(), Field::fq());
    for name in ["point_add", "point_add_fast"] {
        let mut rng = StdRng::seed_from_u64(3);
        let mut dut = Model::new(name).unwrap();
        let port = |dut: &Model, name: &str| dut.port(name).unwrap();
        let (inputs, output) = (
            ["first_i", "second_i"].map(|name| port(&dut, name)),
            port(&dut, "sum_o"),
        );
        let (valid_i, tag_i) = (port(&dut, "valid_i"), port(&dut, "tag_i"));
        let (valid_o, tag_o) = (port(&dut, "valid_o"), port(&dut, "tag_o"));
        let reset = port(&dut, "rst_ni");
        dut.tick();
        dut.set(reset, &[1]);
        let mut pairs = VecDeque::from(pairs(additions(), &mut rng, &field));
        let mut pending: VecDeque<(u64, u64, Point, Option<G1Affine>)> = VecDeque::new();
        let mut tag = 0u64;
        while !pairs.is_empty() || !pending.is_empty() {
            let pair = if rng.gen_range(0..8) == 0 {
                None
            } else {
                pairs.pop_front()
            };
            dut.set(valid_i, &[u64::from(pair.is_some())]);
            if let Some((p, q, sum)) = pair {
                for (port, point) in inputs.into_iter().zip([&p, &q]) {
                    dut.set(port, [&point.x, &point.y, &point.z].map(limbs).as_flattened());
                }
                tag = (tag + 0x9e37) & 0xffff;
                dut.set(tag_i, &[tag]);
                pending.push_back((dut.cycles() + u64::from(ADD_LATENCY), tag, adder.add(&p, &q), sum));
            }
            dut.tick();
            assert!(!dut.stopped(), "{name}: a range was left");
            let due = pending.front().is_some_and(|(due, ..)| *due == dut.cycles());
            assert_eq!(dut.bits(valid_o) == 1, due, "{name}");
            if due {
                let (_, tag, right, sum) = pending.pop_front().unwrap();
                let mut got = [[0; 4]; 3];
                dut.get(output, got.as_flattened_mut());
                assert_eq!(got, [limbs(&right.x), limbs(&right.y), limbs(&right.z)], "{name}");
                assert_eq!(dut.bits(tag_o), tag);
                assert!(sum.is_none_or(|sum| lower(&right) == sum));
            }
        }
    }
}
