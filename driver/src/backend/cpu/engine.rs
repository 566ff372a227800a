//! What Pippenger's algorithm needs of a processor: many additions of affine points at once, and scalars in digits.

use ark_bn254::Fq;
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, Field};

use super::digits::{self, Extent, Integer, Windows};
use super::inverse::inverse;
use super::scalar::{Scalar, add, negate_if, sub};
use crate::{Fr, G1Affine};

/// The bit of a reference that asks for the point's negative.
pub(super) const NEGATED: u32 = 1 << 31;

/// The bit of a reference that points into the results so far, rather than into the bases.
pub(super) const RESULT: u32 = 1 << 30;

/// A way to compute on a processor.
pub(super) trait Engine: Copy + Send + Sync {
    /// A point in the engine's own form.
    type Point: Copy + Send + Sync;

    /// Buffers that are kept between calls.
    type Scratch: Send;

    /// The identity.
    const INFINITY: Self::Point;

    fn scratch(self) -> Self::Scratch;

    fn import(self, point: &G1Affine) -> Self::Point;

    fn export(self, point: &Self::Point) -> G1Affine;

    fn is_infinity(point: &Self::Point) -> bool;

    /// The point, or its negative.
    fn negate_if(negate: bool, point: &Self::Point) -> Self::Point;

    /// Sets `out[i] = points[a[i]] + points[b[i]]`, any exception of affine addition included. `a`, `b` and `out` are of
    /// the same length.
    fn add(self, scratch: &mut Self::Scratch, points: Points<'_, Self>, a: &[u32], b: &[u32], out: &mut [Self::Point]);

    /// As [`digits::integers`].
    fn integers(self, values: &[Fr], out: &mut [Integer]) -> Extent;

    /// As [`Windows::digits`].
    fn digits(self, windows: Windows, integers: &[Integer], out: &mut [u32]);
}

/// What references refer to.
pub(super) struct Points<'a, E: Engine> {
    pub(super) bases: &'a [E::Point],
    pub(super) results: &'a [E::Point],
}

impl<E: Engine> Clone for Points<'_, E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E: Engine> Copy for Points<'_, E> {}

impl<'a, E: Engine> Points<'a, E> {
    /// The point that is stored where `reference` points, without regard to [`NEGATED`].
    #[inline(always)]
    pub(super) fn stored(self, reference: u32) -> &'a E::Point {
        let from = if reference & RESULT == 0 {
            self.bases
        } else {
            self.results
        };
        &from[(reference & (RESULT - 1)) as usize]
    }

    pub(super) fn get(self, reference: u32) -> E::Point {
        E::negate_if(reference & NEGATED != 0, self.stored(reference))
    }
}

/// Additions one after the other: for processors without vector multiplication.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portable<S>(pub(super) S);

/// An affine point; the identity is `(0, 0)`, which is not on the curve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Affine {
    x: Fq,
    y: Fq,
}

/// How many additions share one inversion. What they keep must fit the second-level cache.
const SHARED: usize = 1024;

/// An addition between the two passes: its denominator's prefix product, and how to go on.
#[derive(Clone, Copy)]
pub(super) struct Pending {
    prefix: Fq,
    denominator: Fq,
    numerator: Fq,
    first: Affine,
    /// The sum of both points' `x`.
    x_sum: Fq,
    /// The sum when no slope is needed.
    known: Option<Affine>,
}

impl<S: Scalar> Engine for Portable<S> {
    type Point = Affine;
    type Scratch = Vec<Pending>;

    const INFINITY: Affine = Affine {
        x: Fq::ZERO,
        y: Fq::ZERO,
    };

    fn scratch(self) -> Vec<Pending> {
        Vec::with_capacity(SHARED)
    }

    fn import(self, point: &G1Affine) -> Affine {
        point.xy().map_or(Self::INFINITY, |(x, y)| Affine { x, y })
    }

    fn export(self, point: &Affine) -> G1Affine {
        if Self::is_infinity(point) {
            G1Affine::identity()
        } else {
            G1Affine::new_unchecked(point.x, point.y)
        }
    }

    fn is_infinity(point: &Affine) -> bool {
        point.y == Fq::ZERO
    }

    fn negate_if(negate: bool, point: &Affine) -> Affine {
        Affine {
            x: point.x,
            y: negate_if(negate, point.y),
        }
    }

    fn integers(self, values: &[Fr], out: &mut [Integer]) -> Extent {
        digits::integers(values, out)
    }

    fn digits(self, windows: Windows, integers: &[Integer], out: &mut [u32]) {
        windows.digits(integers, out);
    }

    fn add(self, scratch: &mut Vec<Pending>, points: Points<'_, Self>, a: &[u32], b: &[u32], out: &mut [Affine]) {
        let scalar = self.0;
        for ((a, b), out) in a.chunks(SHARED).zip(b.chunks(SHARED)).zip(out.chunks_mut(SHARED)) {
            scratch.clear();
            let mut product = Fq::ONE;
            for (i, (&first, &second)) in a.iter().zip(b).enumerate() {
                if let (Some(&first), Some(&second)) = (a.get(i + AHEAD), b.get(i + AHEAD)) {
                    prefetch(points.stored(first));
                    prefetch(points.stored(second));
                }
                let pending = self.begin(points.get(first), points.get(second), product);
                product = scalar.mul(product, pending.denominator);
                scratch.push(pending);
            }
            // A product of denominators that are not zero.
            let mut inverted = inverse(product);
            for (pending, out) in scratch.iter().zip(out).rev() {
                let slope = scalar.mul(pending.numerator, scalar.mul(pending.prefix, inverted));
                inverted = scalar.mul(inverted, pending.denominator);
                *out = pending.known.unwrap_or_else(|| {
                    let x = sub(scalar.mul(slope, slope), pending.x_sum);
                    Affine {
                        x,
                        y: sub(scalar.mul(slope, sub(pending.first.x, x)), pending.first.y),
                    }
                });
            }
        }
    }
}

/// How many additions ahead of their use points are fetched.
const AHEAD: usize = 8;

#[inline(always)]
fn prefetch(point: &Affine) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: prefetching reads nothing, at whatever address; every x86-64 processor has the instruction.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(std::ptr::from_ref(point).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = point;
}

impl<S: Scalar> Portable<S> {
    /// The slope's denominator and numerator.
    #[inline(always)]
    fn begin(self, p: Affine, q: Affine, prefix: Fq) -> Pending {
        let pending = Pending {
            prefix,
            denominator: sub(q.x, p.x),
            numerator: sub(q.y, p.y),
            first: p,
            x_sum: add(p.x, q.x),
            known: None,
        };
        let done = |sum| Pending {
            denominator: Fq::ONE,
            known: Some(sum),
            ..pending
        };
        if Self::is_infinity(&p) {
            return done(q);
        }
        if Self::is_infinity(&q) {
            return done(p);
        }
        if p.x != q.x {
            return pending;
        }
        if p.y != q.y {
            return done(Self::INFINITY);
        }
        let square = self.0.mul(p.x, p.x);
        Pending {
            denominator: p.y.double(),
            numerator: square.double() + square,
            ..pending
        }
    }
}
