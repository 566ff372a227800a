//! What Pippenger's algorithm needs of a processor: many additions of affine points at once, and scalars in digits.

use ark_bn254::{Fq, FqConfig};
use ark_ec::AffineRepr;
use ark_ec::scalar_mul::glv::GLVConfig;
use ark_ff::{AdditiveGroup, Field};

use super::digits::{self, Extent, Integer};
use super::inverse::inverse;
use super::scalar::{self, Scalar, negate_if};
use super::windows::Windows;
use crate::{Fr, G1Affine};

/// The bit of a reference that asks for the point's negative.
pub(super) const NEGATED: u32 = 1 << 31;

/// The bit of a reference that points into the results so far, rather than into the bases.
pub(super) const RESULT: u32 = 1 << 30;

/// The cube root of unity by which the endomorphism multiplies `x`.
pub(super) const ROOT: Fq = <ark_bn254::g1::Config as GLVConfig>::ENDO_COEFFS[0];

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

    /// Multiplies points by the cube root of unity that [`super::eisenstein`] writes as `w`.
    fn rotate(self, points: &mut [Self::Point]);

    /// Sets `out[i] = points[a[i]] + points[b[i]]`, any exception of affine addition included. `a`, `b` and `out` are of
    /// the same length.
    fn add(self, scratch: &mut Self::Scratch, points: Points<'_, Self>, a: &[u32], b: &[u32], out: &mut [Self::Point]);

    /// Sets `results[to[i]] = points[a[i]] + points[b[i]]`, as [`Engine::add`] does. The points are read before any of the sums are
    /// written.
    fn add_among(
        self,
        scratch: &mut Self::Scratch,
        bases: &[Self::Point],
        results: &mut [Self::Point],
        a: &[u32],
        b: &[u32],
        to: &[u32],
    );

    /// As [`digits::integers`].
    fn integers(self, values: &[Fr], out: &mut [Integer]) -> Extent;

    /// As [`digits::digits`].
    fn digits(self, windows: Windows, integers: &[Integer], out: &mut [u32]);

    /// As [`digits::narrow`].
    fn narrow(self, values: &[Fr], out: &mut [u64]) -> Extent;

    /// As [`digits::narrow_digits`].
    fn narrow_digits(self, windows: Windows, integers: &[u64], out: &mut [u32]);

    /// As [`digits::units`].
    fn units(self, values: &[Fr], first: u32, out: &mut [u32]) -> Option<(usize, Extent)>;
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

/// An affine point; the identity is `(0, 0)`, which is not on the curve. Each has a cache line of its own, which is what is fetched
/// ahead.
#[derive(Clone, Copy, Debug)]
#[repr(align(64))]
pub(super) struct Affine {
    x: Fq,
    y: Fq,
}

/// How many additions share one inversion. What they keep must fit the second-level cache.
const SHARED: usize = 1024;

/// How many additions go side by side. A product alone waits for its own carries; the processor has room for several at once,
/// but does not look far enough ahead to find those of the next addition.
const ABREAST: usize = 4;

/// A coordinate's representative that is not reduced.
type Lazy = scalar::Lazy<FqConfig>;

/// An addition between the two passes.
#[derive(Clone, Copy)]
pub(super) struct Pending {
    /// The product of the denominators before it.
    prefix: Lazy,
    denominator: Lazy,
    numerator: Lazy,
    first: Affine,
    /// The sum of both points' `x`.
    x_sum: Lazy,
}

/// What additions keep between the two passes.
pub(super) struct Scratch {
    pending: Vec<[Pending; ABREAST]>,
    /// Sums that are known without a slope, by their place in the output.
    known: Vec<(usize, Affine)>,
}

impl<S: Scalar> Engine for Portable<S> {
    type Point = Affine;
    type Scratch = Scratch;

    const INFINITY: Affine = Affine {
        x: Fq::ZERO,
        y: Fq::ZERO,
    };

    fn scratch(self) -> Scratch {
        Scratch {
            pending: Vec::new(),
            known: Vec::new(),
        }
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

    fn rotate(self, points: &mut [Affine]) {
        for point in points {
            point.x = self.0.mul(point.x, ROOT);
        }
    }

    fn integers(self, values: &[Fr], out: &mut [Integer]) -> Extent {
        digits::integers(values, out)
    }

    fn digits(self, windows: Windows, integers: &[Integer], out: &mut [u32]) {
        digits::digits(windows, integers, out);
    }

    fn narrow(self, values: &[Fr], out: &mut [u64]) -> Extent {
        digits::narrow(values, out)
    }

    fn narrow_digits(self, windows: Windows, integers: &[u64], out: &mut [u32]) {
        digits::narrow_digits(windows, integers, out);
    }

    fn units(self, values: &[Fr], first: u32, out: &mut [u32]) -> Option<(usize, Extent)> {
        digits::units(values, first, out)
    }

    fn add(self, scratch: &mut Scratch, points: Points<'_, Self>, a: &[u32], b: &[u32], out: &mut [Affine]) {
        for ((a, b), out) in a.chunks(SHARED).zip(b.chunks(SHARED)).zip(out.chunks_mut(SHARED)) {
            let product = self.first_pass(scratch, points, a, b);
            self.second_pass(scratch, self.invert_each(product), |at, sum| {
                if let Some(out) = out.get_mut(at) {
                    *out = sum;
                }
            });
        }
    }

    fn add_among(
        self,
        scratch: &mut Scratch,
        bases: &[Affine],
        results: &mut [Affine],
        a: &[u32],
        b: &[u32],
        to: &[u32],
    ) {
        let product = self.first_pass(scratch, Points { bases, results }, a, b);
        self.second_pass(scratch, self.invert_each(product), |at, sum| {
            if let Some(&to) = to.get(at) {
                results[to as usize] = sum;
            }
        });
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
    /// An addition of which nobody asks the sum.
    fn idle() -> Pending {
        Pending {
            prefix: Fq::ONE.into(),
            denominator: Fq::ONE.into(),
            numerator: Fq::ZERO.into(),
            first: Self::INFINITY,
            x_sum: Fq::ZERO.into(),
        }
    }

    /// The denominators of the slopes and their products, those of every fourth addition apart.
    fn first_pass(self, scratch: &mut Scratch, points: Points<'_, Self>, a: &[u32], b: &[u32]) -> [Lazy; ABREAST] {
        scratch
            .pending
            .resize(a.len().div_ceil(ABREAST), [Self::idle(); ABREAST]);
        if let Some(last) = scratch.pending.last_mut() {
            *last = [Self::idle(); ABREAST];
        }
        scratch.known.clear();
        let mut product = [Lazy::from(Fq::ONE); ABREAST];
        for (i, &first) in a.iter().enumerate() {
            if let (Some(&first), Some(&second)) = (a.get(i + AHEAD), b.get(i + AHEAD)) {
                prefetch(points.stored(first));
                prefetch(points.stored(second));
            }
            let (mut pending, known) = self.begin(points.get(first), points.get(b[i]));
            scratch.known.extend(known.map(|sum| (i, sum)));
            let product = &mut product[i % ABREAST];
            pending.prefix = *product;
            *product = self.mul(*product, pending.denominator);
            scratch.pending[i / ABREAST][i % ABREAST] = pending;
        }
        product
    }

    /// The slopes and the sums, from the last addition to the first; `inverted` has the inverses of the products.
    /// `put` gets each with its number.
    #[inline(always)]
    fn second_pass(self, scratch: &Scratch, mut inverted: [Lazy; ABREAST], mut put: impl FnMut(usize, Affine)) {
        for (at, group) in scratch.pending.iter().enumerate().rev() {
            let (mut slope, mut sums) = (inverted, [Self::INFINITY; ABREAST]);
            for k in 0..ABREAST {
                slope[k] = self.mul(group[k].prefix, inverted[k]);
            }
            for k in 0..ABREAST {
                inverted[k] = self.mul(inverted[k], group[k].denominator);
            }
            for k in 0..ABREAST {
                slope[k] = self.mul(group[k].numerator, slope[k]);
            }
            for k in 0..ABREAST {
                sums[k].x = self.mul(slope[k], slope[k]).minus(group[k].x_sum);
            }
            for k in 0..ABREAST {
                let across = Lazy::difference(group[k].first.x, sums[k].x);
                sums[k].y = self.mul(slope[k], across).minus(group[k].first.y);
            }
            for (k, &sum) in sums.iter().enumerate() {
                put(ABREAST * at + k, sum);
            }
        }
        for &(at, sum) in &scratch.known {
            put(at, sum);
        }
    }

    #[inline(always)]
    fn mul(self, a: Lazy, b: Lazy) -> Lazy {
        Lazy::product(self.0, a, b)
    }

    /// The inverses of elements that are not zero.
    fn invert_each(self, x: [Lazy; ABREAST]) -> [Lazy; ABREAST] {
        let (low, high) = (self.mul(x[0], x[1]), self.mul(x[2], x[3]));
        let both = inverse(self.mul(low, high).reduce()).into();
        let (low, high) = (self.mul(both, high), self.mul(both, low));
        [
            self.mul(low, x[1]),
            self.mul(low, x[0]),
            self.mul(high, x[3]),
            self.mul(high, x[2]),
        ]
    }

    /// The slope's denominator and numerator, and the sum where it is known without.
    #[inline(always)]
    fn begin(self, p: Affine, q: Affine) -> (Pending, Option<Affine>) {
        let pending = Pending {
            prefix: Fq::ONE.into(),
            denominator: Lazy::difference(q.x, p.x),
            numerator: Lazy::difference(q.y, p.y),
            first: p,
            x_sum: Lazy::sum(p.x, q.x),
        };
        if Self::is_infinity(&p) {
            return (Self::idle(), Some(q));
        }
        if Self::is_infinity(&q) {
            return (Self::idle(), Some(p));
        }
        if p.x != q.x {
            return (pending, None);
        }
        if p.y != q.y {
            return (Self::idle(), Some(Self::INFINITY));
        }
        let square = self.0.mul(p.x, p.x);
        let tangent = Pending {
            denominator: p.y.double().into(),
            numerator: (square.double() + square).into(),
            ..pending
        };
        (tangent, None)
    }
}
