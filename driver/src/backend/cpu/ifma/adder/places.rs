//! Where the points of a group of additions are.

use std::arch::x86_64::_mm_prefetch;
use std::marker::PhantomData;

use super::super::super::engine::{Points, RESULT};
use super::super::lane::{Mask, Simd, W};
use super::Point;

/// The base-2 logarithm of a point's size in bytes.
const LOG_SIZE: u32 = size_of::<Point>().trailing_zeros();

/// The addresses of the points that a group of eight additions adds: found once, eight at a time, for the prefetches and the
/// loads.
#[derive(Clone, Copy)]
pub(super) struct Places<'a> {
    at: [[u64; 8]; 2],
    points: PhantomData<&'a Point>,
}

impl<'a> Places<'a> {
    /// Those of group `group`, which has one reference at least.
    ///
    /// # Panics
    /// When a reference is to no point.
    #[inline(always)]
    pub(super) fn find(simd: Simd, points: Points<'a, Simd>, a: &[u32], b: &[u32], group: usize) -> Self {
        let mut at = [[0; 8]; 2];
        for (at, references) in at.iter_mut().zip([a, b]) {
            let references = simd.load_halves(&eight(references, group));
            let (index, result) = (
                references & simd.splat(u64::from(RESULT - 1)),
                references.test(simd.splat(u64::from(RESULT))),
            );
            let bound = simd.splat(points.bases.len() as u64);
            let bound = bound.blend(result, simd.splat(points.results.len() as u64));
            assert!(bound.greater(index) == Mask::MAX, "a reference to no point");
            let start = simd.splat(points.bases.as_ptr().expose_provenance() as u64);
            let start = start.blend(result, simd.splat(points.results.as_ptr().expose_provenance() as u64));
            (start + index.shl::<LOG_SIZE>()).store(at);
        }
        Places {
            at,
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

    /// The points of one side.
    #[inline(always)]
    // An iterator's parts are not sure to be inlined, which is dear here.
    #[allow(clippy::needless_range_loop)]
    pub(super) fn load(&self, simd: Simd, side: usize) -> [W; 8] {
        let mut rows = [simd.zero(); 8];
        for k in 0..8 {
            // SAFETY: `find` took the address from a list of points, within its bounds, that is borrowed for as long as `self`.
            let point: &Point = unsafe { &*std::ptr::with_exposed_provenance(self.at[side][k] as usize) };
            rows[k] = simd.load(&point.0);
        }
        rows
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
