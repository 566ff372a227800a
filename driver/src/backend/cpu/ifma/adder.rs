//! Additions of affine points, eight at a time.

use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1};

use ark_bn254::Fq;
use ark_ec::AffineRepr;
use ark_ff::{BigInt, BigInteger, MontFp, PrimeField};

use super::super::digits::{Extent, Integer};
use super::super::engine::{Engine, Points, ROOT};
use super::super::inverse::inverse;
use super::super::windows::Windows;
use super::digits;
use super::field::{Base, Field8, Loose8};
use super::lane::{Simd, store_words, transpose};
use crate::{Fr, G1Affine};

mod places;
#[cfg(test)]
mod tests;

use places::{Places, eight};

/// How many groups of eight additions share one inversion. An even number; what they keep must fit the second-level cache.
const SHARED: usize = 256;

/// How many groups ahead of their use points are fetched to the nearest cache.
const AHEAD: usize = 6;

/// How many groups ahead of their use points are fetched to the second-level cache.
const FAR_AHEAD: usize = 32;

/// How many groups' places are kept at once.
const RING: usize = 2 * FAR_AHEAD;

/// `1 / 16` in the base field.
const SIXTEENTH: Fq = MontFp!("12312136615409592312513603231707217237391675025980025810262583815737939742328");

/// A point as four words of `x`, then four of `y`: Montgomery form with `R = 2^260`, each below `(1 + 2^-17) p`. The identity
/// is all zeros, which is not on the curve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C, align(64))]
pub(crate) struct Point([[u64; 4]; 2]);

impl Point {
    /// Those of `x`, then those of `y`.
    #[inline(always)]
    fn words(&mut self) -> &mut [u64; 8] {
        // SAFETY: the two types are laid out alike.
        unsafe { &mut *std::ptr::from_mut(&mut self.0).cast() }
    }
}

/// A group of additions between the two passes.
#[derive(Clone, Copy)]
pub(crate) struct Group {
    x1: Field8<Base>,
    y1: Loose8<Base>,
    /// The sum of both points' `x`.
    x_sum: Loose8<Base>,
    numerator: Field8<Base>,
    denominator: Field8<Base>,
    /// The product of the denominators before.
    prefix: Field8<Base>,
}

impl Group {
    fn zero(simd: Simd) -> Group {
        let zero = Field8::zero(simd);
        Group {
            x1: zero,
            y1: zero.into(),
            x_sum: zero.into(),
            numerator: zero,
            denominator: zero,
            prefix: zero,
        }
    }
}

/// What additions keep between the two passes.
pub(crate) struct Scratch {
    groups: Vec<Group>,
    /// Sums that are known without a slope, by the number of their addition.
    known: Vec<(usize, Point)>,
    /// The numbers from zero on.
    order: Vec<u32>,
}

impl Engine for Simd {
    type Point = Point;
    type Scratch = Scratch;

    const INFINITY: Point = Point([[0; 4]; 2]);

    fn scratch(self) -> Scratch {
        Scratch {
            groups: Vec::new(),
            known: Vec::new(),
            order: Vec::new(),
        }
    }

    fn import(self, point: &G1Affine) -> Point {
        let Some((x, y)) = point.xy() else {
            return Self::INFINITY;
        };
        // In memory arkworks keeps x 2^256 mod p.
        let sixteen = Fq::from(16u64);
        Point([(x * sixteen).0.0, (y * sixteen).0.0])
    }

    fn export(self, point: &Point) -> G1Affine {
        if Self::is_infinity(point) {
            return G1Affine::identity();
        }
        let [x, y] = point.0.map(|words| from_words(words) * SIXTEENTH);
        G1Affine::new_unchecked(x, y)
    }

    fn is_infinity(point: &Point) -> bool {
        point.0[1] == [0; 4]
    }

    fn negate_if(negate: bool, point: &Point) -> Point {
        if !negate || Self::is_infinity(point) {
            return *point;
        }
        let [x, y] = point.0;
        Point([x, (-from_words(y)).0.0])
    }

    fn rotate(self, points: &mut [Point]) {
        // SAFETY: `self` proves that the processor has the features.
        unsafe { rotate_each(self, points) };
    }

    fn integers(self, values: &[Fr], out: &mut [Integer]) -> Extent {
        digits::integers(self, values, out)
    }

    fn digits(self, windows: Windows, integers: &[Integer], out: &mut [u32]) {
        digits::digits(self, windows, integers, out);
    }

    fn narrow(self, values: &[Fr], out: &mut [u64]) -> Extent {
        digits::narrow(self, values, out)
    }

    fn narrow_digits(self, windows: Windows, integers: &[u64], out: &mut [u32]) {
        digits::narrow_digits(self, windows, integers, out);
    }

    fn units(self, values: &[Fr], first: u32, out: &mut [u32]) -> Option<(usize, Extent)> {
        digits::units(self, values, first, out)
    }

    fn add(self, scratch: &mut Scratch, points: Points<'_, Self>, a: &[u32], b: &[u32], out: &mut [Point]) {
        const CHUNK: usize = 8 * SHARED;
        // Chunks of even size, so that the last one is not so small that its inversion weighs.
        let chunk = a
            .len()
            .div_ceil(a.len().div_ceil(CHUNK).max(1))
            .next_multiple_of(16)
            .max(16);
        let mut order = std::mem::take(&mut scratch.order);
        order.extend(order.len() as u32..chunk as u32);
        for ((a, b), out) in a.chunks(chunk).zip(b.chunks(chunk)).zip(out.chunks_mut(chunk)) {
            // SAFETY: `self` proves that the processor has the features.
            let inverse = unsafe { begin(self, scratch, points, a, b) };
            // SAFETY: as above.
            unsafe { finish(scratch, inverse, out, &order[..a.len()]) };
        }
        scratch.order = order;
    }

    fn add_among(
        self,
        scratch: &mut Scratch,
        bases: &[Point],
        results: &mut [Point],
        a: &[u32],
        b: &[u32],
        to: &[u32],
    ) {
        if a.is_empty() {
            return;
        }
        // SAFETY: `self` proves that the processor has the features.
        let inverse = unsafe { begin(self, scratch, Points { bases, results }, a, b) };
        // SAFETY: as above.
        unsafe { finish(scratch, inverse, results, to) };
    }
}

/// The field element in arkworks' form with these words, which may be up to `4 p`.
fn from_words(words: [u64; 4]) -> Fq {
    let mut words = BigInt::<4>(words);
    while words >= Fq::MODULUS {
        words.sub_with_borrow(&Fq::MODULUS);
    }
    Fq::new_unchecked(words)
}

/// As [`Engine::rotate`].
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn rotate_each(simd: Simd, points: &mut [Point]) {
    let root = Field8::<Base>::splat(simd, (ROOT * Fq::from(16u64)).0.0);
    for points in points.chunks_mut(8) {
        let mut eight = [Simd::INFINITY; 8];
        eight[..points.len()].copy_from_slice(points);
        let x = Field8::<Base>::from_words(simd.load_words(eight.each_ref().map(|point| &point.0[0])));
        store_words(
            x.mul(root).canonical().to_words(),
            eight.each_mut().map(|point| &mut point.0[0]),
        );
        points.copy_from_slice(&eight[..points.len()]);
    }
}

/// The first pass: the denominators of the slopes and the inverses of their products, of the even groups and of the odd ones.
///
/// Groups begin at place one of the list, and each one's prefix is the product of the denominators two, four and more places
/// before it. So a group is gathered while the next one's prefix is under way, and neighbours do not wait for each other.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn begin(simd: Simd, scratch: &mut Scratch, points: Points<'_, Simd>, a: &[u32], b: &[u32]) -> [Field8<Base>; 2] {
    let count = a.len().div_ceil(16) * 2;
    if scratch.groups.len() < count + 3 {
        scratch.groups.resize(count + 3, Group::zero(simd));
    }
    let (groups, known) = (&mut scratch.groups[..count + 3], &mut scratch.known);
    known.clear();
    let one = Field8::splat(simd, Fq::from(16u64).0.0);
    // Those of groups g..g + FAR_AHEAD, where g is at hand, each at its number modulo RING.
    let mut ring = [Places::find(simd, points, a, b, 0); RING];
    for g in 0..count.min(FAR_AHEAD) {
        ring[g % RING] = Places::find(simd, points, a, b, g);
        ring[g % RING].prefetch::<_MM_HINT_T1>();
    }
    groups[0].prefix = one;
    groups[0].denominator = one;
    groups[1].prefix = one;
    for g in 0..count {
        if g + FAR_AHEAD < count {
            ring[(g + FAR_AHEAD) % RING] = Places::find(simd, points, a, b, g + FAR_AHEAD);
        }
        if g + FAR_AHEAD - 1 < count {
            ring[(g + FAR_AHEAD - 1) % RING].prefetch::<_MM_HINT_T1>();
        }
        if g + AHEAD < count {
            ring[(g + AHEAD) % RING].prefetch::<_MM_HINT_T0>();
        }
        let Some([before, group, next]) = groups[g..].first_chunk_mut() else {
            break;
        };
        [next.prefix] = Field8::factors_each([before.prefix], [before.denominator]);
        let places = &ring[g % RING];
        let ([x1, y1], [x2, y2]) = (places.load(simd, 0), places.load(simd, 1));
        let (x1, x2) = (Field8::<Base>::from_words(x1), Field8::<Base>::from_words(x2));
        let (y1, y2) = (Field8::<Base>::from_words(y1), Field8::<Base>::from_words(y2));
        let infinite = y1.low_limb_is_zero() | y2.low_limb_is_zero();
        let y1 = Loose8::from(y1).blend(places.negated[0], Field8::zero(simd).minus::<2>(y1));
        let y2 = Loose8::from(y2).blend(places.negated[1], Field8::zero(simd).minus::<2>(y2));
        group.x1 = x1;
        group.y1 = y1;
        group.x_sum = x1.plus(x2);
        group.denominator = x2.minus::<2>(x1).carry_for_product();
        group.numerator = y2.minus::<3>(y1).carry_for_product();
        if infinite | x1.maybe_congruent(x2) != 0 {
            exceptions(simd, group, |lane, sum| {
                let references = match sum {
                    Sum::First => a,
                    Sum::Second => b,
                    Sum::Infinity => &[],
                };
                let sum = references.get(8 * g + lane).map_or(Simd::INFINITY, |&r| points.get(r));
                known.push((8 * g + lane, sum));
            });
        }
    }
    let [odd] = Field8::factors_each([groups[count].prefix], [groups[count].denominator]);
    let (even, odd) = (groups[count + 1].prefix.cut(), odd.cut());
    let inverse = invert(simd, even.mul(odd));
    Field8::mul_each([inverse; 2], [odd, even])
}

/// The second pass, from the last groups to the first: the slopes, and the sums, which go where `to` says. `inverse` is what the first
/// pass returned.
///
/// A pair's slope, its square and its rise wait for each other; between them go the two products that divide for the pair
/// before, which wait for neither.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn finish(scratch: &Scratch, mut inverse: [Field8<Base>; 2], out: &mut [Point], to: &[u32]) {
    let count = to.len().div_ceil(16) * 2;
    let pairs = scratch.groups[1..=count].as_chunks::<2>().0;
    let Some([even, odd]) = pairs.last() else { return };
    let mut inverses = Field8::factors_each(inverse, [even.prefix, odd.prefix]);
    inverse = Field8::factors_each(inverse, [even.denominator, odd.denominator]);
    for (at, pair) in pairs.iter().enumerate().rev() {
        // No closures here: they would be compiled without the processor's features.
        let [even, odd] = pair;
        let [next_even, next_odd] = &pairs[at.saturating_sub(1)];
        let slope = Field8::factors_each([even.numerator, odd.numerator], inverses);
        inverses = Field8::factors_each(inverse, [next_even.prefix, next_odd.prefix]);
        let square = Field8::square_loose_each(slope);
        inverse = Field8::factors_each(inverse, [next_even.denominator, next_odd.denominator]);
        let x3 = [
            square[0].minus::<3>(even.x_sum).reduce(),
            square[1].minus::<3>(odd.x_sum).reduce(),
        ];
        let across = [
            even.x1.minus::<2>(x3[0]).carry_for_product(),
            odd.x1.minus::<2>(x3[1]).carry_for_product(),
        ];
        let rise = Field8::mul_loose_each(slope, across);
        for k in 0..2 {
            let y3 = rise[k].minus::<3>(pair[k].y1).reduce_for_product();
            let ([x0, x1, x2, x3], [y0, y1, y2, y3]) = (x3[k].to_words(), y3.to_words());
            let rows = transpose([x0, x1, x2, x3, y0, y1, y2, y3]);
            // Lanes behind the last addition repeat it.
            let to = eight(to, 2 * at + k);
            for lane in 0..8 {
                let out: &mut Point = &mut out[to[lane] as usize];
                rows[lane].store(out.words());
            }
        }
    }
    for &(at, sum) in &scratch.known {
        if let Some(&to) = to.get(at) {
            out[to as usize] = sum;
        }
    }
}

/// A sum that needs no slope.
enum Sum {
    First,
    Second,
    Infinity,
}

/// Sorts out the lanes of a group where the slope is not that of the chord: where the points are equal it becomes the
/// tangent's, where the sum is known without one, `known` is told and the denominator becomes one.
#[cold]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn exceptions(simd: Simd, group: &mut Group, mut known: impl FnMut(usize, Sum)) {
    let one = Field8::splat(simd, Fq::from(16u64).0.0);
    let (x1, y1) = (group.x1, group.y1.canonical());
    let rise = group.numerator.cut();
    // Only the identity has a y of zero.
    let infinity1 = y1.is_zero();
    let infinity2 = rise.plus(y1).canonical().is_zero();
    let finite = !(infinity1 | infinity2);
    let same_x = finite & group.denominator.cut().canonical().is_zero();
    let same_y = rise.canonical().is_zero();
    let (doubled, opposite) = (same_x & same_y, same_x & !same_y);
    let square = x1.square();
    let rise = square.plus(square).plus(square).canonical();
    let run = y1.plus(y1).canonical();
    group.x_sum = group.x_sum.blend(doubled, x1.plus(x1));
    group.numerator = group.numerator.blend(doubled, rise);
    group.denominator = group.denominator.blend(doubled, run).blend(!finite | opposite, one);
    for lane in 0..8 {
        let bit = 1 << lane;
        if infinity1 & bit != 0 {
            known(lane, Sum::Second);
        } else if infinity2 & bit != 0 {
            known(lane, Sum::First);
        } else if opposite & bit != 0 {
            known(lane, Sum::Infinity);
        }
    }
}

/// `2^520 / product` in each lane, for lanes that are not zero.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn invert(simd: Simd, product: Field8<Base>) -> Field8<Base> {
    // The product of all lanes, in each of them, and of all others, from those of pairs, of fours and of both halves.
    let (mut all, mut others) = (product, Field8::splat(simd, Fq::from(16u64).0.0));
    for partner in [
        [1, 0, 3, 2, 5, 4, 7, 6],
        [2, 3, 0, 1, 6, 7, 4, 5],
        [4, 5, 6, 7, 0, 1, 2, 3],
    ] {
        let across = all.look_up(simd.load(&partner));
        [all, others] = Field8::mul_each([all, others], [across; 2]);
    }
    let words = all.canonical().to_words();
    let x = Fq::new_unchecked(BigInt([
        words[0].lanes()[0],
        words[1].lanes()[0],
        words[2].lanes()[0],
        words[3].lanes()[0],
    ]));
    // The words are those of 2^260 x, arkworks' form of 16 x: what is wanted, 2^260 / x, is its form of 256 / (16 x).
    let inverted = inverse(x) * Fq::from(256u64);
    Field8::splat(simd, inverted.0.0).mul(others)
}
