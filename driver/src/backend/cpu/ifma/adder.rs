//! Additions of affine points, eight at a time.

use std::arch::x86_64::{_MM_HINT_T0, _MM_HINT_T1};

use ark_bn254::Fq;
use ark_ec::AffineRepr;
use ark_ff::{BigInt, BigInteger, MontFp, PrimeField};

use super::super::digits::{Extent, Integer};
use super::super::engine::{Engine, NEGATED, Points, ROOT};
use super::super::inverse::inverse;
use super::super::windows::Windows;
use super::digits;
use super::field::{Base, Field8, Loose8};
use super::lane::{Mask, Simd, W, transpose};
use crate::{Fr, G1Affine};

mod places;
#[cfg(test)]
mod tests;

use places::{Places, eight};

/// How many groups of eight additions share one inversion. An even number; what they keep must fit the second-level cache.
const SHARED: usize = 256;

/// How many groups ahead of their use points are fetched to the nearest cache.
const AHEAD: usize = 4;

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
pub(crate) struct Point([u64; 8]);

/// A group of additions between the two passes.
#[derive(Clone, Copy)]
pub(crate) struct Group {
    x1: Field8<Base>,
    y1: Loose8<Base>,
    /// As `x1` in lanes that double their point.
    x2: Field8<Base>,
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
            x2: zero,
            numerator: zero,
            denominator: zero,
            prefix: zero,
        }
    }
}

/// What additions keep between the two passes.
pub(crate) struct Scratch {
    groups: Vec<Group>,
    /// Sums that are known without a slope, by their place in the output.
    known: Vec<(usize, Point)>,
}

impl Engine for Simd {
    type Point = Point;
    type Scratch = Scratch;

    const INFINITY: Point = Point([0; 8]);

    fn scratch(self) -> Scratch {
        Scratch {
            groups: Vec::new(),
            known: Vec::new(),
        }
    }

    fn import(self, point: &G1Affine) -> Point {
        let Some((x, y)) = point.xy() else {
            return Self::INFINITY;
        };
        // In memory arkworks keeps x 2^256 mod p.
        let sixteen = Fq::from(16u64);
        let (x, y) = ((x * sixteen).0.0, (y * sixteen).0.0);
        Point([x[0], x[1], x[2], x[3], y[0], y[1], y[2], y[3]])
    }

    fn export(self, point: &Point) -> G1Affine {
        if Self::is_infinity(point) {
            return G1Affine::identity();
        }
        let [x0, x1, x2, x3, y0, y1, y2, y3] = point.0;
        G1Affine::new_unchecked(
            from_words([x0, x1, x2, x3]) * SIXTEENTH,
            from_words([y0, y1, y2, y3]) * SIXTEENTH,
        )
    }

    fn is_infinity(point: &Point) -> bool {
        point.0[4..] == [0; 4]
    }

    fn negate_if(negate: bool, point: &Point) -> Point {
        if !negate || Self::is_infinity(point) {
            return *point;
        }
        let mut negated = *point;
        let y = -from_words([point.0[4], point.0[5], point.0[6], point.0[7]]);
        negated.0[4..].copy_from_slice(&y.0.0);
        negated
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

    fn add(self, scratch: &mut Scratch, points: Points<'_, Self>, a: &[u32], b: &[u32], out: &mut [Point]) {
        const CHUNK: usize = 8 * SHARED;
        // Chunks of even size, so that the last one is not so small that its inversion weighs.
        let chunk = a
            .len()
            .div_ceil(a.len().div_ceil(CHUNK).max(1))
            .next_multiple_of(16)
            .max(16);
        for ((a, b), out) in a.chunks(chunk).zip(b.chunks(chunk)).zip(out.chunks_mut(chunk)) {
            // SAFETY: `self` proves that the processor has the features.
            unsafe { add_chunk(self, scratch, points, a, b, out) };
        }
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
        let mut rows = [simd.zero(); 8];
        for (row, point) in rows.iter_mut().zip(points.iter()) {
            *row = simd.load(&point.0);
        }
        let [x0, x1, x2, x3, y0, y1, y2, y3] = transpose(rows);
        let x = Field8::<Base>::from_words([x0, x1, x2, x3]).mul(root);
        let [x0, x1, x2, x3] = x.canonical().to_words();
        for (point, row) in points.iter_mut().zip(transpose([x0, x1, x2, x3, y0, y1, y2, y3])) {
            row.store(&mut point.0);
        }
    }
}

/// The points of eight references, and the lanes that hold the identity.
#[inline(always)]
fn gather(simd: Simd, rows: [W; 8], references: [u32; 8]) -> (Field8<Base>, Loose8<Base>, Mask) {
    let [x0, x1, x2, x3, y0, y1, y2, y3] = transpose(rows);
    let infinity = (y0 | y1 | y2 | y3).equal(simd.zero());
    let y = Field8::<Base>::from_words([y0, y1, y2, y3]);
    let negated = simd.load_halves(&references).test(simd.splat(u64::from(NEGATED)));
    let minus_y = Field8::zero(simd).minus::<2>(y);
    (
        Field8::from_words([x0, x1, x2, x3]),
        Loose8::from(y).blend(negated, minus_y),
        infinity,
    )
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn add_chunk(simd: Simd, scratch: &mut Scratch, points: Points<'_, Simd>, a: &[u32], b: &[u32], out: &mut [Point]) {
    let Scratch { groups, known } = scratch;
    let count = a.len().div_ceil(16) * 2;
    if groups.len() < count {
        groups.resize(count, Group::zero(simd));
    }
    let groups = &mut groups[..count];
    known.clear();
    let product = begin(simd, groups, known, points, a, b);
    let inverse = invert(simd, product[0].mul(product[1]));
    let [odd, even] = Field8::mul_each([inverse; 2], product);
    finish(groups.as_chunks::<2>().0, [even, odd], out);
    for &(at, sum) in known.iter() {
        if let Some(out) = out.get_mut(at) {
            *out = sum;
        }
    }
}

/// The first pass: the denominators of the slopes and their products, those of the even and those of the odd groups.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn begin(
    simd: Simd,
    groups: &mut [Group],
    known: &mut Vec<(usize, Point)>,
    points: Points<'_, Simd>,
    a: &[u32],
    b: &[u32],
) -> [Field8<Base>; 2] {
    // Two chains of products, of the even and the odd groups: neighbours do not wait for each other.
    let one = Field8::splat(simd, Fq::from(16u64).0.0);
    let mut product = [one; 2];
    // Those of groups g..g + FAR_AHEAD, where g is at hand, each at its number modulo RING.
    let mut ring = [Places::find(simd, points, a, b, 0); RING];
    let count = groups.len();
    for g in 0..count.min(FAR_AHEAD) {
        ring[g % RING] = Places::find(simd, points, a, b, g);
        ring[g % RING].prefetch::<_MM_HINT_T1>();
    }
    for (at, pair) in groups.as_chunks_mut::<2>().0.iter_mut().enumerate() {
        for (k, group) in pair.iter_mut().enumerate() {
            let g = 2 * at + k;
            if g + FAR_AHEAD < count {
                let far = Places::find(simd, points, a, b, g + FAR_AHEAD);
                far.prefetch::<_MM_HINT_T1>();
                ring[(g + FAR_AHEAD) % RING] = far;
            }
            if g + AHEAD < count {
                ring[(g + AHEAD) % RING].prefetch::<_MM_HINT_T0>();
            }
            let places = &ring[g % RING];
            let (a, b) = (eight(a, g), eight(b, g));
            let (x1, y1, infinity1) = gather(simd, places.load(simd, 0), a);
            let (x2, y2, infinity2) = gather(simd, places.load(simd, 1), b);
            group.x1 = x1;
            group.y1 = y1;
            group.x2 = x2;
            group.denominator = x2.minus::<2>(x1).carry_for_product();
            group.numerator = y2.minus::<3>(y1).carry_for_product();
            if infinity1 | infinity2 | x1.maybe_congruent(x2) != 0 {
                exceptions(group, y2, [infinity1, infinity2], one, |lane, sum| {
                    let sum = match sum {
                        Sum::First => points.get(a[lane]),
                        Sum::Second => points.get(b[lane]),
                        Sum::Infinity => Simd::INFINITY,
                    };
                    known.push((8 * g + lane, sum));
                });
            }
            group.prefix = product[k];
        }
        product = Field8::mul_each(product, [pair[0].denominator, pair[1].denominator]);
    }
    product
}

/// The second pass, from the last groups to the first: the slopes and the sums. `inverse` has the inverses of the products.
///
/// A pair's slope, its square and its rise wait for each other; between them go the two products that divide for the pair
/// before, which wait for neither.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn finish(pairs: &[[Group; 2]], mut inverse: [Field8<Base>; 2], out: &mut [Point]) {
    let Some([even, odd]) = pairs.last() else { return };
    let mut inverses = Field8::mul_each(inverse, [even.prefix, odd.prefix]);
    inverse = Field8::mul_each(inverse, [even.denominator, odd.denominator]);
    for (at, pair) in pairs.iter().enumerate().rev() {
        // No closures here: they would be compiled without the processor's features.
        let [even, odd] = pair;
        let [next_even, next_odd] = &pairs[at.saturating_sub(1)];
        let slope = Field8::mul_each([even.numerator, odd.numerator], inverses);
        inverses = Field8::mul_each(inverse, [next_even.prefix, next_odd.prefix]);
        let square = Field8::square_loose_each(slope);
        inverse = Field8::mul_each(inverse, [next_even.denominator, next_odd.denominator]);
        let x3 = [
            square[0].minus::<3>(even.x1).minus::<0>(even.x2).reduce(),
            square[1].minus::<3>(odd.x1).minus::<0>(odd.x2).reduce(),
        ];
        let across = [
            even.x1.minus::<2>(x3[0]).carry_for_product(),
            odd.x1.minus::<2>(x3[1]).carry_for_product(),
        ];
        let rise = Field8::mul_loose_each(slope, across);
        for k in 0..2 {
            let y3 = rise[k].minus::<3>(pair[k].y1).reduce();
            let ([x0, x1, x2, x3], [y0, y1, y2, y3]) = (x3[k].to_words(), y3.to_words());
            let rows: [W; 8] = transpose([x0, x1, x2, x3, y0, y1, y2, y3]);
            for (out, row) in out.iter_mut().skip(16 * at + 8 * k).zip(rows) {
                row.store(&mut out.0);
            }
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
fn exceptions(
    group: &mut Group,
    y2: Loose8<Base>,
    [infinity1, infinity2]: [Mask; 2],
    one: Field8<Base>,
    mut known: impl FnMut(usize, Sum),
) {
    let (x1, y1) = (group.x1, group.y1);
    let finite = !(infinity1 | infinity2);
    let same_x = finite & group.x2.minus::<2>(x1).carry().canonical().is_zero();
    let same_y = y2.minus::<3>(y1).carry().canonical().is_zero();
    let (doubled, opposite) = (same_x & same_y, same_x & !same_y);
    let square = x1.square();
    group.x2 = group.x2.blend(doubled, x1);
    group.numerator = group
        .numerator
        .blend(doubled, square.plus(square).plus(square).carry_for_product());
    group.denominator = group.denominator.blend(doubled, y1.plus(y1).carry_for_product());
    group.denominator = group.denominator.blend(!finite | opposite, one);
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
