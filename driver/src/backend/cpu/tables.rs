//! Multiples of resident bases.

use rayon::prelude::*;

use super::engine::{Engine, Points};
use super::pages;
use super::windows::Windows;

/// How many bases one task multiplies.
const CHUNK: usize = 1 << 9;

/// How many points are kept of a base where it is kept with its products by the powers of `w`, one list behind the other.
pub(super) const ROTATIONS: usize = 3;

/// Adds to a list of points their products by `w` and by its square, whole lists behind each other.
pub(super) fn extend_with_rotations<E: Engine>(engine: E, points: &[E::Point], out: &mut Vec<E::Point>) {
    let from = out.len();
    out.extend_from_slice(points);
    for _ in 1..ROTATIONS {
        let last = out.len() - points.len();
        out.extend_from_within(last..);
        let new = &mut out[last + points.len()..];
        new.par_chunks_mut(CHUNK).for_each(|points| engine.rotate(points));
    }
    debug_assert_eq!(out.len(), from + ROTATIONS * points.len());
}

/// For each window of a scalar's Eisenstein digits, the bases times the window's weight, with their rotations: digits of all
/// windows can go to the same buckets then.
pub(super) struct Tables<E: Engine> {
    /// `w^j 2^(k width) * bases[i]` at `(ROTATIONS k + j) len + i`.
    pub(super) points: Vec<E::Point>,
}

impl<E: Engine> Tables<E> {
    /// About how many additions it takes to make tables for `n` bases. Doublings are additions that need the tangent's slope,
    /// which costs some more.
    pub(super) fn cost(windows: Windows, n: usize) -> usize {
        n * (windows.count - 1) * windows.width as usize * 3 / 2
    }

    pub(super) fn new(engine: E, bases: &[E::Point], windows: Windows) -> Self {
        let chunks = bases.par_chunks(CHUNK).map(|chunk| {
            let references: Vec<u32> = (0..chunk.len() as u32).collect();
            let mut scratch = engine.scratch();
            let (mut point, mut double) = (chunk.to_vec(), chunk.to_vec());
            let mut levels = vec![point.clone()];
            for _ in 1..windows.count {
                for _ in 0..windows.width {
                    let points = Points {
                        bases: &point,
                        results: &[],
                    };
                    engine.add(&mut scratch, points, &references, &references, &mut double);
                    std::mem::swap(&mut point, &mut double);
                }
                levels.push(point.clone());
            }
            levels
        });
        let chunks: Vec<Vec<Vec<E::Point>>> = chunks.collect();
        let mut points = pages::with_capacity(ROTATIONS * windows.count * bases.len());
        for level in 0..windows.count {
            let level: Vec<E::Point> = chunks.iter().flat_map(|chunk| &chunk[level]).copied().collect();
            extend_with_rotations(engine, &level, &mut points);
        }
        Tables { points }
    }
}
