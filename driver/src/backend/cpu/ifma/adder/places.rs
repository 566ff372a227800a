//! Where the points of a group of additions are.

use std::arch::x86_64::_mm_prefetch;
use std::marker::PhantomData;

use super::super::super::engine::Engine;
use super::super::super::engine::{NEGATED, Points, RESULT};
use super::super::lane::{Mask, Simd, W};
use super::Point;

/// The base-2 logarithm of a point's size in bytes.
const LOG_SIZE: u32 = size_of::<Point>().trailing_zeros();

/// The addresses of the points that a group of eight additions adds: found once, eight at a time, for the prefetches and the
/// loads.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    at: [[u64; 8]; 2],
    /// Which ones are to be negated.
    pub(super) negated: [Mask; 2],
    points: PhantomData<&'a Point>,
}

impl<'a> Places<'a> {
    /// Those of group `group`, which has one reference at least.
    ///
    /// # Panics
    /// When a reference is to no point.
    #[inline(always)]
    pub(super) fn find(simd: Simd, points: Points<'a, Simd>, a: &[u32], b: &[u32], group: usize) -> Self {
        let (mut at, mut negated) = ([[0; 8]; 2], [0; 2]);
        for (k, references) in [a, b].into_iter().enumerate() {
            let references = simd.load_halves(&eight(references, group));
            negated[k] = references.test(simd.splat(u64::from(NEGATED)));
            let (index, result) = (
                references & simd.splat(u64::from(RESULT - 1)),
                references.test(simd.splat(u64::from(RESULT))),
            );
            let bound = simd.splat(points.bases.len() as u64);
            let bound = bound.blend(result, simd.splat(points.results.len() as u64));
            assert!(bound.greater(index) == Mask::MAX, "a reference to no point");
            let start = simd.splat(points.bases.as_ptr().expose_provenance() as u64);
            let start = start.blend(result, simd.splat(points.results.as_ptr().expose_provenance() as u64));
            (start + index.shl::<LOG_SIZE>()).store(&mut at[k]);
        }
        Places {
            at,
            negated,
            points: PhantomData,
        }
    }

    /// Fetches the points to the cache that the hint names.
    #[inline(always)]
    pub(super) fn prefetch<const HINT: i32>(&self) {
        for &at in self.at.as_flattened() {
            // SAFETY: prefetching reads nothing, at whatever address.
            unsafe { _mm_prefetch::<HINT>(std::ptr::without_provenance(at as usize)) };
        }
    }

    /// The words of `x` and of `y` of one side's points.
    #[inline(always)]
    // An iterator's parts are not sure to be inlined, which is dear here.
    #[allow(clippy::needless_range_loop)]
    pub(super) fn load(&self, simd: Simd, side: usize) -> [[W; 4]; 2] {
        let mut points = [&Simd::INFINITY; 8];
        // `load_words` swaps the middle ones of each half.
        for (k, place) in [0, 2, 1, 3, 4, 6, 5, 7].into_iter().enumerate() {
            // SAFETY: `find` took the address from a list of points, within its bounds, that is borrowed for as long as `self`.
            points[k] = unsafe { &*std::ptr::with_exposed_provenance(self.at[side][place] as usize) };
        }
        let [a, b, c, d, e, f, g, h] = points;
        [
            simd.load_words([&a.0[0], &b.0[0], &c.0[0], &d.0[0], &e.0[0], &f.0[0], &g.0[0], &h.0[0]]),
            simd.load_words([&a.0[1], &b.0[1], &c.0[1], &d.0[1], &e.0[1], &f.0[1], &g.0[1], &h.0[1]]),
        ]
    }
}

/// The references of a group; the last reference repeated where fewer than eight are left.
#[inline(always)]
pub(super) fn eight(references: &[u32], group: usize) -> [u32; 8] {
    let rest = &references[(8 * group).min(references.len() - 1)..];
    if let Some(eight) = rest.first_chunk::<8>() {
        return *eight;
    }
    let mut eight = [rest[rest.len() - 1]; 8];
    eight[..rest.len()].copy_from_slice(rest);
    eight
}
