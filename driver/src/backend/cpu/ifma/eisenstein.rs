//! Scalars as Eisenstein integers and their digits, eight at a time. The definitions are in [`super::super::eisenstein`].

// An iterator's parts are not sure to be inlined, which is dear here.
#![allow(clippy::needless_range_loop)]

use super::super::digits::{Integer, NEGATIVE};
use super::super::eisenstein::{C, C_OVER_R, CUT, D, D_OVER_R, FRACTION, LIMIT};
use super::super::windows::{SIGN, UNIT, Windows};
use super::digits::LANES;
use super::field::{LOW, limbs, split};
use super::lane::{Mask, Simd, W};

/// An integer modulo `2^156` in limbs of 52 bits: more than the 128 bits that either part of an Eisenstein integer takes.
type Part = [W; 3];

/// The limbs of an integer modulo `2^156`.
const fn part(x: i128) -> [u64; 3] {
    let sign = (x >> 127) as u64;
    let [l0, l1, l2, ..] = split([x as u64, (x >> 64) as u64, sign, sign]);
    [l0, l1, l2]
}

/// `pi`, `pi w` and their negatives: what there may be to add to an Eisenstein integer so that it is nearest to zero.
const STEPS: [[[u64; 3]; 2]; 4] = [
    [part(D - C), part(D)],
    [part(C - D), part(-D)],
    [part(-D), part(-C)],
    [part(D), part(C)],
];

/// As [`super::super::digits::digits`], for whole eights of integers.
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
pub(super) fn digits_of_eights(simd: Simd, windows: Windows, integers: &[Integer], out: &mut [u32]) {
    let order = simd.load(&LANES);
    let columns = |window| windows.grid(window).columns as u64;
    let columns: Vec<u64> = (0..windows.count).map(columns).collect();
    for (eight, eights) in integers.as_chunks::<8>().0.iter().enumerate() {
        let mut words = simd.load_words(eights.each_ref());
        let negative = words[3].negative();
        words[3] = words[3] & simd.splat(!NEGATIVE);
        let [a, b] = reduce(simd, words);
        let mut carry = [simd.zero(); 2];
        for (j, &columns) in columns.iter().enumerate() {
            let (bits, columns) = (
                [bits_from(a, windows.start(j)), bits_from(b, windows.start(j))],
                simd.splat(columns),
            );
            let digit;
            if j + 1 < windows.count {
                (digit, carry) = nearest(simd, bits, carry, windows.width, columns, negative);
            } else {
                digit = last(simd, [bits[0] + carry[0], bits[1] + carry[1]], columns, negative);
            }
            let at = j * integers.len() + 8 * eight;
            out[at..at + 8].copy_from_slice(&order.look_up(digit).low_halves());
        }
    }
}

/// The Eisenstein integers that magnitudes come to, two words a part.
#[inline(always)]
fn reduce(simd: Simd, magnitude: [W; 4]) -> [[W; 2]; 2] {
    let m = limbs(magnitude);
    let p = quotient(simd, m, const { split([C_OVER_R[0], C_OVER_R[1], C_OVER_R[2], 0]) });
    let q = quotient(simd, m, const { split([D_OVER_R[0], D_OVER_R[1], D_OVER_R[2], 0]) });
    let mut parts = [[m[0], m[1], m[2]], [simd.zero(); 3]];
    accumulate(simd, &mut parts[0], p, const { part(D - C) });
    accumulate(simd, &mut parts[0], q, const { part(-D) });
    accumulate(simd, &mut parts[1], p, const { part(D) });
    accumulate(simd, &mut parts[1], q, const { part(-C) });
    parts = [carry(parts[0]), carry(parts[1])];
    let high = [cut(parts[0]), cut(parts[1])];
    let masks = further(high, simd.splat(LIMIT as u64));
    for k in 0..4 {
        for i in 0..3 {
            for side in 0..2 {
                let limb = parts[side][i];
                parts[side][i] = limb.blend(masks[k], limb + simd.splat(STEPS[k][side][i]));
            }
        }
    }
    let words = |[l0, l1, l2]: Part| [l0 | l1.shl::<52>(), l1.shr::<12>() | l2.shl::<40>()];
    [words(carry(parts[0])), words(carry(parts[1]))]
}

/// `m * factor / 2^272`, rounded, for factors below `2^156`.
#[inline(always)]
fn quotient(simd: Simd, m: [W; 5], factor: [u64; 5]) -> Part {
    let mut t = [simd.zero(); 8];
    for j in 0..3 {
        let factor = simd.splat(factor[j]);
        for i in 0..5 {
            t[i + j] = t[i + j].madd_lo(m[i], factor);
        }
        for i in 0..5 {
            t[i + j + 1] = t[i + j + 1].madd_hi(m[i], factor);
        }
    }
    const { assert!(FRACTION == 5 * 52 + 12) };
    t[5] = t[5] + simd.splat(1 << 11);
    for i in 0..7 {
        t[i + 1] = t[i + 1] + t[i].shr::<52>();
    }
    let low = simd.splat(LOW);
    let (t5, t6) = (t[5] & low, t[6] & low);
    [
        (t5.shr::<12>() | t6.shl::<40>()) & low,
        (t6.shr::<12>() | t[7].shl::<40>()) & low,
        t[7].shr::<12>(),
    ]
}

/// Adds `x * factor` modulo `2^156`, but for the carries.
#[inline(always)]
fn accumulate(simd: Simd, to: &mut Part, x: Part, factor: [u64; 3]) {
    for j in 0..3 {
        let factor = simd.splat(factor[j]);
        for i in 0..3 - j {
            to[i + j] = to[i + j].madd_lo(x[i], factor);
        }
        for i in 0..2 - j.min(2) {
            to[i + j + 1] = to[i + j + 1].madd_hi(x[i], factor);
        }
    }
}

/// Propagates the carries.
#[inline(always)]
fn carry(mut x: Part) -> Part {
    let low = x[0].simd().splat(LOW);
    for i in 0..2 {
        x[i + 1] = x[i + 1] + x[i].shr::<52>();
        x[i] = x[i] & low;
    }
    x[2] = x[2] & low;
    x
}

/// What is left of a signed integer above bit [`CUT`].
#[inline(always)]
fn cut(x: Part) -> W {
    const { assert!(CUT == 52 + 26) };
    x[2].shl::<12>().sar::<12>().shl::<26>() | x[1].shr::<26>()
}

/// As `further` there, of `[a, b]`: the lanes where `m`, `-m`, `m w` and `-m w` are to be subtracted.
#[inline(always)]
fn further([a, b]: [W; 2], m: W) -> [Mask; 4] {
    let (first, second) = (a + a - b, b + b - a);
    let by_second = second.abs().greater(first.abs());
    let (beyond, beyond_second) = (first.abs().greater(m) & !by_second, second.abs().greater(m) & by_second);
    let (minus, minus_second) = (first.negative(), second.negative());
    [
        beyond & !minus,
        beyond & minus,
        beyond_second & !minus_second,
        beyond_second & minus_second,
    ]
}

/// The bits of a signed integer of two words from bit `start` on, as many as a word has.
#[inline(always)]
fn bits_from([low, high]: [W; 2], start: u32) -> W {
    if start < 64 {
        low.funnel_by(high, start)
    } else {
        high.sar_by(start - 64)
    }
}

/// As `nearest` there, of the lowest bits and carries, and with the sign changed in the lanes of `negative`.
#[inline(always)]
fn nearest(simd: Simd, bits: [W; 2], carry: [W; 2], width: u32, columns: W, negative: Mask) -> (W, [W; 2]) {
    let (zero, one, full) = (simd.zero(), simd.splat(1), simd.splat(1 << width));
    let mask = simd.splat((1 << width) - 1);
    let (a, b) = ((bits[0] & mask) + carry[0], (bits[1] & mask) + carry[1]);
    let mirrored = b.greater(a);
    let (larger, smaller) = (a.larger(b), a.smaller(b));
    let (origin, side, opposite) = (full - larger, larger - smaller, smaller);
    let away = side.larger(opposite).greater(origin);
    let across = opposite.greater(side) & away;
    let column = side.blend(away, opposite).blend(across, origin);
    let row = opposite.blend(away, origin).blend(across, side);
    let unit = zero
        .blend(away, simd.splat(1 << UNIT))
        .blend(across, simd.splat(2 << UNIT));
    let unit = unit.blend(mirrored, simd.splat(2 << UNIT) - unit);
    let digit = column
        .blend(mirrored, row)
        .madd_lo(row.blend(mirrored, column), columns)
        | unit;
    let digit = digit.blend(mirrored ^ negative, digit | simd.splat(u64::from(SIGN)));
    let carry = |mirrored: Mask| zero.blend(across | (away & !mirrored), one);
    (digit, [carry(mirrored), carry(!mirrored)])
}

/// As `last` there, with the sign changed in the lanes of `negative`.
#[inline(always)]
fn last(simd: Simd, [a, b]: [W; 2], columns: W, negative: Mask) -> W {
    let zero = simd.zero();
    let below = b.negative() | (b.equal(zero) & a.negative());
    let (a, b) = (a.blend(below, zero - a), b.blend(below, zero - b));
    let difference = a - b;
    let (second, first) = (a.greater(zero), difference.greater(zero));
    let column = b.blend(second, a).blend(first, difference);
    let row = (zero - a).blend(second, zero - difference).blend(first, b);
    let unit = simd
        .splat(1 << UNIT)
        .blend(second, simd.splat(2 << UNIT))
        .blend(first, zero);
    let sign = below ^ negative ^ (second & !first);
    let digit = column.madd_lo(row, columns) | unit;
    digit.blend(sign, digit | simd.splat(u64::from(SIGN)))
}
