//! Sums of groups of any size, beside those of arkworks.

use ark_ec::CurveGroup;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use super::super::engine::{NEGATED, Portable};
use super::super::scalar::Plain;
use super::*;
use crate::sample::Bases;
use crate::{G1Affine, G1Projective};

const TASK: usize = Portions::LARGE.task;

fn check<E: Engine>(engine: E, points: &[G1Affine], groups: &[Vec<u32>]) {
    check_in(Portions::LARGE, engine, points, groups);
    check_in(Portions::SMALL, engine, points, groups);
}

fn check_in<E: Engine>(portions: Portions, engine: E, points: &[G1Affine], groups: &[Vec<u32>]) {
    let bases: Vec<E::Point> = points.iter().map(|point| engine.import(point)).collect();
    let mut list = Groups::new();
    for group in groups {
        list.references.extend(group);
        list.close();
    }
    let sums = Summer::new(engine, portions).sums(&bases, &mut list);
    assert_eq!(sums.len(), groups.len());
    for (group, sum) in groups.iter().zip(&sums) {
        let members = group.iter().map(|reference| {
            let point = points[(reference & !NEGATED) as usize];
            if reference & NEGATED == 0 { point } else { -point }
        });
        let expected: G1Projective = members.map(G1Projective::from).sum();
        assert_eq!(engine.export(sum), expected.into_affine(), "{} members", group.len());
    }
}

/// Groups of these sizes, of any of the points or always the same.
fn check_sizes(sizes: &[usize]) {
    let mut rng = rand_chacha::ChaCha8Rng::seed_from_u64(5);
    let points = Bases::random(50, &mut rng).points;
    for same in [false, true] {
        let mut any = || {
            if same {
                7
            } else {
                (rng.next_u32() % 50) | (rng.next_u32() & NEGATED)
            }
        };
        let groups: Vec<Vec<u32>> = sizes.iter().map(|&size| (0..size).map(|_| any()).collect()).collect();
        check(Portable(Plain), &points, &groups);
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = super::super::ifma::Simd::detect() {
            check(simd, &points, &groups);
        }
    }
}

#[test]
fn groups_of_every_size_in_any_order() {
    check_sizes(&[]);
    check_sizes(&[0]);
    check_sizes(&(0..=40).collect::<Vec<_>>());
    check_sizes(&(0..=40).rev().collect::<Vec<_>>());
    check_sizes(&[1, 0, 0, 2, 1, 1, 16, 17, 0, 3, 1, 33, 1, 0]);
}

#[test]
fn groups_across_tasks() {
    check_sizes(&[1, TASK + 3, 2, 0, 2 * TASK + 1, 5, 1]);
    check_sizes(&[3; TASK / 2]);
}
