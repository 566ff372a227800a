//! Multiples of resident bases.

use rayon::prelude::*;

use super::digits::Windows;
use super::engine::{Engine, Points};
use super::pages;

/// How many bases one task doubles.
const CHUNK: usize = 1 << 9;

/// For each window of a scalar's digits, the bases times the window's weight: digits of all windows can go to the same
/// buckets then.
pub(super) struct Tables<E: Engine> {
    /// `2^(k width) * bases[i]` at `k * len + i`.
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
        let levels = (0..windows.count).flat_map(|level| chunks.iter().flat_map(move |chunk| &chunk[level]));
        let mut points = pages::with_capacity(windows.count * bases.len());
        points.extend(levels.copied());
        Tables { points }
    }
}
