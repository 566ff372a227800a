//! Sums of buckets, each times its number.

use rayon::prelude::*;

use super::engine::Engine;
use super::sums::{Groups, SPLIT, Summer};

/// Buckets that are summed with weights, side by side in rows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Set {
    pub(super) buckets: std::ops::Range<usize>,
    pub(super) columns: usize,
}

#[derive(Clone, Copy)]
enum Axis {
    Columns,
    Rows,
}

impl Set {
    /// The buckets of each column, or of each row, but for the first, and but for those that are empty.
    fn lines<E: Engine>(&self, buckets: &[E::Point], axis: Axis) -> Groups {
        let (count, columns) = (self.buckets.len(), self.columns);
        let lines = match axis {
            Axis::Columns => columns,
            Axis::Rows => count.div_ceil(columns),
        };
        let mut groups = Groups::new();
        for line in 1..lines {
            let (range, step) = match axis {
                Axis::Columns => (line..count, columns),
                Axis::Rows => (line * columns..((line + 1) * columns).min(count), 1),
            };
            let places = range.step_by(step).map(|place| self.buckets.start + place);
            let present = places.filter(|&place| !E::is_infinity(&buckets[place]));
            groups.references.extend(present.map(|place| place as u32));
            groups.close();
        }
        groups
    }
}

/// A set's sums `sum column(i) * buckets[i]` and `sum row(i) * buckets[i]`, in parts: `parts[k]` is to be taken `2^k` times.
pub(super) struct Weighted<P> {
    pub(super) columns: Vec<P>,
    pub(super) rows: Vec<P>,
}

/// The weighted sums of each set.
///
/// Buckets are summed over equal rows and over equal columns, two additions for each bucket; the sums, few now, are summed once
/// more for each bit of their numbers.
pub(super) fn weighted<E: Engine>(summer: &Summer<E>, buckets: &[E::Point], sets: &[Set]) -> Vec<Weighted<E::Point>> {
    let axes: Vec<(&Set, Axis)> = sets
        .iter()
        .flat_map(|set| [(set, Axis::Columns), (set, Axis::Rows)])
        .collect();
    let alone = if buckets.len() <= SPLIT { axes.len() } else { 1 };
    let of_axes = axes.par_iter().with_min_len(alone);
    let of_axes: Vec<Groups> = of_axes.map(|(set, axis)| set.lines::<E>(buckets, *axis)).collect();
    let mut lines = Groups::new();
    let mut shapes = Vec::with_capacity(axes.len());
    for of_axis in of_axes {
        shapes.push(of_axis.offsets.len() - 1);
        lines.append(of_axis);
    }
    let lines = summer.sums(buckets, &mut lines);
    let width = |count: usize| usize::BITS - count.leading_zeros();
    let mut bits = Groups::new();
    let mut at = 0;
    for &count in &shapes {
        for bit in 0..width(count) {
            let members = (1..=count).filter(|i| i >> bit & 1 == 1).map(|i| (at + i - 1) as u32);
            bits.references
                .extend(members.filter(|&i| !E::is_infinity(&lines[i as usize])));
            bits.close();
        }
        at += count;
    }
    let mut parts = summer.sums(&lines, &mut bits).into_iter();
    let mut next = |count: usize| parts.by_ref().take(width(count) as usize).collect();
    shapes
        .chunks_exact(2)
        .map(|shape| Weighted {
            columns: next(shape[0]),
            rows: next(shape[1]),
        })
        .collect()
}
