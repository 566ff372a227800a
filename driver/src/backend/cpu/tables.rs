//! Multiples of resident bases.

use rayon::prelude::*;

use super::engine::{Engine, Points};
use super::pages;
use super::windows::Windows;

/// How many bases one task multiplies.
const CHUNK: usize = 1 << 9;

/// How many points are kept of a base with its products by the powers of `w`.
pub(super) const ROTATIONS: usize = 3;

/// The points, those times `w` and those times its square, whole lists behind each other.
pub(super) fn rotations<E: Engine>(engine: E, points: &[E::Point]) -> Vec<E::Point> {
    let mut out = pages::with_capacity(ROTATIONS * points.len());
    out.extend_from_slice(points);
    for k in 1..ROTATIONS {
        out.extend_from_within((k - 1) * points.len()..);
        let new = &mut out[k * points.len()..];
        new.par_chunks_mut(CHUNK).for_each(|points| engine.rotate(points));
    }
    out
}

/// Where, counted in lists of the bases' length, the multiples by the weight of a window are: behind the rotations, which not every
/// window has. Three times the multiples' memory for digits with six signs took MSMs no less time.
pub(super) fn place(window: usize) -> usize {
    if window == 0 { 0 } else { ROTATIONS - 1 + window }
}

/// The bases and their rotations, and for each further window of a scalar's signed digits the bases times the window's weight:
/// digits of all windows can go to the same buckets then.
pub(super) struct Tables<E: Engine> {
    /// `2^(k width) * bases[i]` at `place(k) * len + i`.
    pub(super) points: Vec<E::Point>,
}

impl<E: Engine> Tables<E> {
    /// About how many additions it takes to make tables for `n` bases. Doublings are additions that need the tangent's slope,
    /// which costs some more.
    pub(super) fn cost(windows: Windows, n: usize) -> usize {
        n * (windows.count - 1) * windows.width as usize * 3 / 2
    }

    /// How many lists of the bases' length tables for these windows are.
    pub(super) fn lists(windows: Windows) -> usize {
        place(windows.count)
    }

    /// Tables of bases, which come with their rotations.
    pub(super) fn new(engine: E, rotated: &[E::Point], windows: Windows) -> Self {
        let bases = &rotated[..rotated.len() / ROTATIONS];
        let chunks = bases.par_chunks(CHUNK).map(|chunk| {
            let references: Vec<u32> = (0..chunk.len() as u32).collect();
            let mut scratch = engine.scratch();
            let (mut point, mut double) = (chunk.to_vec(), chunk.to_vec());
            let mut levels = Vec::with_capacity(windows.count);
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
        let mut points = pages::with_capacity(Self::lists(windows) * bases.len());
        points.extend_from_slice(rotated);
        for level in 0..windows.count - 1 {
            points.extend(chunks.iter().flat_map(|chunk| &chunk[level]).copied());
        }
        Tables { points }
    }
}
