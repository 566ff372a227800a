use ark_ff::{AdditiveGroup, Field};
use proptest::prelude::*;
use tapeout_hw::msm::{CONFIG, recode};

use super::*;
use crate::Width;

fn power(bit: u32) -> Fr {
    Fr::from(2u64).pow([u64::from(bit)])
}

/// What the passes add up to for each scalar, as the engine's model recodes them.
fn rebuilt(items: &[Item], jobs: &[Job]) -> Vec<Vec<Fr>> {
    let mut out: Vec<Vec<Fr>> = items.iter().map(|item| vec![Fr::ZERO; item.values.len()]).collect();
    for job in jobs {
        let pass = &job.pass;
        assert_eq!(pass.check(), Ok(()), "{pass:?}");
        let words = job.words(items);
        let (words, _) = words.as_chunks::<WORD_LIMBS>();
        assert_eq!(words.len() as u32, pass.words + 2);
        // those of the lowest plane are those of the windows
        let weights: Vec<_> = job.weights().take(pass.windows as usize).collect();
        for (i, word) in words[2..].iter().enumerate() {
            let digits = recode(word, &pass.lane_tops, pass.width);
            for place in 0..pass.bases_per_word {
                let base = i * pass.bases_per_word as usize + place as usize;
                for (w, weight) in weights.iter().enumerate() {
                    let field = (place << pass.log_fields_per_base) + pass.first_field + w as u32;
                    let digit = digits[field as usize];
                    match out[weight.item].get_mut(base) {
                        Some(value) => *value += Fr::from(i64::from(digit)) * power(weight.bit),
                        None => assert_eq!(digit, 0),
                    }
                }
            }
        }
    }
    out
}

fn planned(items: &[Item]) -> Vec<Job> {
    let shapes: Vec<_> = items.iter().map(|item| item.shape).collect();
    plan(&shapes, &CONFIG)
}

/// Scalars whose hint says nothing.
fn items(batch: &[Vec<Fr>]) -> Vec<Item> {
    let width = Width::Full;
    let item = |(i, values): (usize, &Vec<Fr>)| Item::new(&Scalars { values, width }, i).ok();
    batch.iter().enumerate().filter_map(item).collect()
}

fn check(batch: &[Vec<Fr>]) {
    let items = items(batch);
    assert_eq!(rebuilt(&items, &planned(&items)), batch);
}

#[test]
fn extremes_of_every_width_are_rebuilt() {
    let half = -Fr::from(2u64).inverse().unwrap_or_default();
    check(&[vec![half, half + Fr::ONE, -half, Fr::ZERO, Fr::ONE, -Fr::ONE]]);
    for bits in 0..=253 {
        let edge = power(bits);
        check(&[vec![edge, -edge, edge - Fr::ONE, Fr::ONE - edge, -edge - Fr::ONE]]);
    }
    check(&[]);
    check(&[vec![], vec![Fr::ZERO; 3]]);
}

#[test]
fn narrow_items_share_passes() {
    let batch: Vec<_> = (0..20)
        .map(|i| (0..2048).map(|j| Fr::from((i * j % 127) as u64)).collect())
        .collect();
    check(&batch);
    assert!(planned(&items(&batch)).len() <= 2);
}

/// A narrow item alone leaves its doublings to the host, a batch and full scalars do not.
#[test]
fn the_host_doubles_where_that_is_faster() {
    let planes = |count: usize, bits: u32| {
        let values: Vec<_> = (0..4096u64).map(|j| power(bits) - Fr::from(j % 100)).collect();
        let jobs = planned(&items(&vec![values; count]));
        let (last, before) = jobs
            .split_last()
            .map_or((false, &jobs[..]), |(last, jobs)| (last.pass.planes, jobs));
        assert!(before.iter().all(|job| !job.pass.planes));
        last
    };
    assert_eq!([planes(1, 6), planes(16, 6), planes(1, 252)], [true, false, false]);
}

proptest! {
    #[test]
    fn batches_are_rebuilt(
        batch in prop::collection::vec((0u32..=253, prop::collection::vec((any::<[u64; 4]>(), any::<bool>()), 0..9)), 0..12)
    ) {
        let value = |bits: u32, (limbs, negative): ([u64; 4], bool)| {
            let keep = |i: u32| if bits >= 64 * (i + 1) { u64::MAX } else { (1u64 << bits.saturating_sub(64 * i)) - 1 };
            let limbs: Vec<_> = (0..4).map(|i| limbs[i as usize] & keep(i)).collect();
            let sum: Fr = limbs.iter().enumerate().map(|(i, &limb)| Fr::from(limb) * power(64 * i as u32)).sum();
            if negative { -sum } else { sum }
        };
        let batch: Vec<Vec<Fr>> =
            batch.into_iter().map(|(bits, values)| values.into_iter().map(|v| value(bits, v)).collect()).collect();
        check(&batch);
    }
}
