//! What Pippenger's algorithm needs of a processor: many additions of affine points at once, and scalars in digits.

use ark_bn254::Fq;
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, Field};

use super::digits::{self, Extent, Integer, Windows};
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

    fn negate(point: &Self::Point) -> Self::Point;

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
        let point = self.stored(reference);
        if reference & NEGATED == 0 {
            *point
        } else {
            E::negate(point)
        }
    }
}

/// Additions with the field arithmetic of arkworks, one after the other: for processors without vector multiplication.
#[derive(Clone, Copy, Debug)]
pub(super) struct Portable;

/// An affine point; the identity is `(0, 0)`, which is not on the curve.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    x: Fq,
    y: Fq,
}

/// How many additions share one inversion.
const SHARED: usize = 512;

/// An addition between the two passes: its denominator's prefix product, and how to go on.
#[derive(Clone, Copy)]
pub(super) struct Pending {
    prefix: Fq,
    denominator: Fq,
    numerator: Fq,
    /// The sum when no slope is needed.
    known: Option<Plain>,
}

impl Engine for Portable {
    type Point = Plain;
    type Scratch = Vec<Pending>;

    const INFINITY: Plain = Plain {
        x: Fq::ZERO,
        y: Fq::ZERO,
    };

    fn scratch(self) -> Vec<Pending> {
        Vec::with_capacity(SHARED)
    }

    fn import(self, point: &G1Affine) -> Plain {
        point.xy().map_or(Self::INFINITY, |(x, y)| Plain { x, y })
    }

    fn export(self, point: &Plain) -> G1Affine {
        if Self::is_infinity(point) {
            G1Affine::identity()
        } else {
            G1Affine::new_unchecked(point.x, point.y)
        }
    }

    fn is_infinity(point: &Plain) -> bool {
        point.y == Fq::ZERO
    }

    fn negate(point: &Plain) -> Plain {
        Plain {
            x: point.x,
            y: -point.y,
        }
    }

    fn integers(self, values: &[Fr], out: &mut [Integer]) -> Extent {
        digits::integers(values, out)
    }

    fn digits(self, windows: Windows, integers: &[Integer], out: &mut [u32]) {
        windows.digits(integers, out);
    }

    fn add(self, scratch: &mut Vec<Pending>, points: Points<'_, Self>, a: &[u32], b: &[u32], out: &mut [Plain]) {
        for ((a, b), out) in a.chunks(SHARED).zip(b.chunks(SHARED)).zip(out.chunks_mut(SHARED)) {
            scratch.clear();
            let mut product = Fq::ONE;
            for (&a, &b) in a.iter().zip(b) {
                let pending = begin(points.get(a), points.get(b), product);
                product *= pending.denominator;
                scratch.push(pending);
            }
            // A product of denominators that are not zero.
            let mut inverse = product.inverse().unwrap_or_default();
            for (i, pending) in scratch.iter().enumerate().rev() {
                let slope = pending.numerator * pending.prefix * inverse;
                inverse *= pending.denominator;
                out[i] = pending
                    .known
                    .unwrap_or_else(|| finish(points.get(a[i]), points.get(b[i]), slope));
            }
        }
    }
}

/// The slope's denominator and numerator.
#[inline(always)]
fn begin(p: Plain, q: Plain, prefix: Fq) -> Pending {
    let done = |sum| Pending {
        prefix,
        denominator: Field::ONE,
        numerator: Field::ONE,
        known: Some(sum),
    };
    if Portable::is_infinity(&p) {
        return done(q);
    }
    if Portable::is_infinity(&q) {
        return done(p);
    }
    if p.x != q.x {
        return Pending {
            prefix,
            denominator: q.x - p.x,
            numerator: q.y - p.y,
            known: None,
        };
    }
    if p.y != q.y {
        return done(Portable::INFINITY);
    }
    let square = p.x.square();
    Pending {
        prefix,
        denominator: p.y.double(),
        numerator: square.double() + square,
        known: None,
    }
}

#[inline(always)]
fn finish(p: Plain, q: Plain, slope: Fq) -> Plain {
    let x = slope.square() - p.x - q.x;
    Plain {
        x,
        y: slope * (p.x - x) - p.y,
    }
}
