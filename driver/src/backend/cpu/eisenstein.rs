//! Scalars as Eisenstein integers, and those as digits with six signs.
//!
//! BN254's curve has the endomorphism `(x, y) -> (beta x, y)`, which multiplies points by a cube root of unity `w` of the scalar
//! field (R. Gallant, R. Lambert, S. Vanstone, Faster point multiplication on elliptic curves with efficient endomorphisms,
//! CRYPTO 2001). So points can be multiplied by Eisenstein integers `a + b w`, where `w^2 + w + 1 = 0`, and those that are
//! multiples of `pi`, of norm `r`, take every point to the identity. A scalar becomes the Eisenstein integer that it is congruent
//! to modulo `pi` and that is nearest to zero: either part has half the scalar's bits.
//!
//! Digits in base `2^k` are residues modulo `2^k`, those nearest to zero too. There are six units, `1`, `w`, `w^2` and their
//! negatives, and with `w P` and `w^2 P` at hand a digit shares its bucket with five others that are units times it, where a signed
//! integer shares it with one: `4^k / 6` buckets serve `2 k` bits of a scalar, as many as those of signed digits of `2 k - 1.6`
//! bits. (Digits of least norm up to units, in other bases: R. Avanzi, C. Heuberger, H. Prodinger, Arithmetic of supersingular
//! Koblitz curves in characteristic three, 2010,; C. Heuberger, M. Mazzoli, Symmetric digit sets for elliptic curve scalar
//! multiplication without precomputation, 2014.)
//!
//! Nearness is measured by the largest of `|2 a - b|`, `|2 b - a|` and `|a + b|`, twice the distances from zero along the units'
//! directions: of all that is congruent modulo a real number `m`, what has a measure of at most `m` is nearest to zero. The
//! points up to there make a hexagon.

use ark_ec::bn::BnConfig;

use super::digits::{Integer, NEGATIVE};
use super::windows::{SIGN, UNIT, Windows};

#[cfg(test)]
mod tests;

/// BN254's parameter.
const X: i128 = <ark_bn254::Config as BnConfig>::X[0] as i128;

/// `pi = (C - D) - D w`, of norm `C^2 - C D + D^2 = r`.
pub(super) const C: i128 = 6 * X * X + 4 * X + 1;

/// See [`C`].
pub(super) const D: i128 = 2 * X + 1;

/// The absolute value of `pi` is below `2^BITS`.
pub(super) const BITS: u32 = 127;

/// The absolute value of `pi`, the root of `r`, without its fraction.
const NORM_ROOT: u128 = 147946756881789319005730692170996259609;

/// Where measures are cut off: what is left fits a word.
pub(super) const CUT: u32 = 78;

/// The largest measure of what is nearest to zero modulo `pi`, cut off.
pub(super) const LIMIT: i64 = (NORM_ROOT >> CUT) as i64;

/// The bits of the fraction of [`C_OVER_R`] and [`D_OVER_R`]. Quotients by `r` of integers below `2^253` are off by less than
/// `2^-19` with so many.
pub(super) const FRACTION: u32 = 272;

/// `C / r`, rounded.
pub(super) const C_OVER_R: [u64; 3] = [0xfd03_00ff_6565_149d, 0xf014_a773_d2d2_5398, 0x2_4cce];

/// `D / r`, rounded.
pub(super) const D_OVER_R: [u64; 3] = [0x232e_c7e0_b3d7_6eba, 0x2_d91d, 0];

/// The largest measure of what is left of an Eisenstein integer above bit `start`: that of one which is nearest to zero modulo
/// `pi`, a carry of measure two at most, and a little that roundings may add.
pub(super) fn left_above(start: u32) -> usize {
    (NORM_ROOT >> start) as usize + 3
}

/// How many of `n` Eisenstein integers have something left above bit `start`, about: what is nearer to zero than to any other
/// multiple of `2^start` has nothing, a hexagon in that of all.
pub(super) fn any_left_above(start: u32, n: usize) -> usize {
    let ratio = (NORM_ROOT >> (start - 4)) as usize;
    n - n * 256 / (ratio * ratio).max(256)
}

/// `[a, b]` such that `a + b w` is congruent to the magnitude of the scalar, and nearest to zero.
fn reduce(magnitude: [u64; 4]) -> [i128; 2] {
    // magnitude / pi = magnitude (C + D w) / r. What is left of both parts is small: it suffices to know it modulo 2^128.
    let (p, q) = (quotient(magnitude, C_OVER_R), quotient(magnitude, D_OVER_R));
    let low = (u128::from(magnitude[0]) | u128::from(magnitude[1]) << 64) as i128;
    let a = low.wrapping_sub(p.wrapping_mul(C - D)).wrapping_sub(q.wrapping_mul(D));
    let b = p.wrapping_mul(D).wrapping_sub(q.wrapping_mul(C));
    // Both parts of the quotient are off by up to a half: pi times one more unit may bring what is left nearer to zero. Measures are
    // good for that as pi is as good as real: the other part is 2^-63 of it.
    let [first, second] = further([a, b].map(|part| (part >> CUT) as i64), LIMIT).map(i128::from);
    [a - first * (C - D) - second * D, b + first * D - second * C]
}

/// The low words of `magnitude * factor / 2^272`, rounded.
fn quotient(magnitude: [u64; 4], factor: [u64; 3]) -> i128 {
    let mut product = [0u64; 7];
    for (i, word) in magnitude.into_iter().enumerate() {
        let mut carry = 0;
        for (j, factor) in factor.into_iter().enumerate() {
            let sum = u128::from(word) * u128::from(factor) + u128::from(product[i + j]) + carry;
            (product[i + j], carry) = (sum as u64, sum >> 64);
        }
        product[i + 3] = carry as u64;
    }
    let (low, high) = (
        u128::from(product[4]) | u128::from(product[5]) << 64,
        u128::from(product[6]),
    );
    let shift = FRACTION - 256;
    ((high << (128 - shift)) + (low >> shift) + (low >> (shift - 1) & 1)) as i128
}

/// Which of `-1`, `0` and `1` times `m`, and which times `m w`, to subtract of `a + b w` so that it is nearest to zero, where `a` and
/// `b` are in `-m/2 ..= m/2`.
///
/// Only the larger measure may be too large by more than the other can make good: with `2 a - b > m`, and no less than
/// `|2 b - a|`, `a - m + b w` has measures `2 a - b - 2 m` in `-m ..= -m/2`, `2 b - a + m` in `-m/2 ..= m` and `a + b - m` in
/// `-m ..= 0`. `|a + b|` is no larger than `m` from the beginning.
#[inline(always)]
fn further([a, b]: [i64; 2], m: i64) -> [i64; 2] {
    let (first, second) = (2 * a - b, 2 * b - a);
    let excess = |measure: i64| if measure.abs() > m { measure.signum() } else { 0 };
    if first.abs() >= second.abs() {
        [excess(first), 0]
    } else {
        [0, excess(second)]
    }
}

/// Writes the digits of `integers`, window after window: `out[j * len + i]` is digit `j` of integer `i`.
pub(super) fn digits(windows: Windows, integers: &[Integer], out: &mut [u32]) {
    let columns: Vec<usize> = (0..windows.count).map(|window| windows.grid(window).columns).collect();
    for (i, integer) in integers.iter().enumerate() {
        let [w0, w1, w2, w3] = *integer;
        let parts = reduce([w0, w1, w2, w3 & !NEGATIVE]);
        let sign = if w3 & NEGATIVE == 0 { 0 } else { SIGN };
        let own = out.iter_mut().skip(i).step_by(integers.len());
        let mut carries = [false; 2];
        for (window, (out, &columns)) in own.zip(&columns).enumerate() {
            let bits = parts.map(|part| (part >> windows.start(window)) as i64);
            let with_carries = |bits: [i64; 2]| [0, 1].map(|k| bits[k] + i64::from(carries[k]));
            let digit;
            if window + 1 < windows.count {
                let low = bits.map(|bits| bits & ((1 << windows.width) - 1));
                (digit, carries) = nearest(with_carries(low), windows.width, columns);
            } else {
                digit = last(with_carries(bits), columns);
            }
            *out = digit ^ sign;
        }
    }
}

/// The digit nearest to zero that is congruent to `a + b w` modulo `m = 2^width`, and what it carries to both parts of the next one,
/// where both parts are in `0 ..= m`.
///
/// The multiples of `m` around, which are `0`, `m`, `m w` and `m + m w`, make two equilateral triangles with the diagonal from the
/// first to the last as common side. A point's barycentric coordinates in its triangle tell the nearest corner, the largest
/// coordinate's, and so the carries; the two others are its coordinates along the sides that meet in that corner, which are parallel to
/// two neighbouring units.
///
/// No branches: none of this is for a processor to foresee.
#[inline(always)]
fn nearest([a, b]: [i64; 2], width: u32, columns: usize) -> (u32, [bool; 2]) {
    // The triangle with m w is that with m, mirrored.
    let mirrored = b > a;
    let (larger, smaller) = (a.max(b), a.min(b));
    let (origin, side, opposite) = ((1 << width) - larger, larger - smaller, smaller);
    let away = side.max(opposite) > origin;
    let across = away & (opposite > side);
    // Around the triangle, the coordinates after the corner's own are column and row; the other way around if it is mirrored.
    let (corner, turn) = (usize::from(away) + usize::from(across), usize::from(mirrored));
    let around = [origin, side, opposite, origin, side];
    let unit = corner + 2 * turn - 2 * turn * corner;
    let digit = digit(
        around[corner + 1 + turn],
        around[corner + 2 - turn],
        unit as u32,
        columns,
    );
    let carries = [across | (away & !mirrored), across | (away & mirrored)];
    (digit | if mirrored { SIGN } else { 0 }, carries)
}

/// The last digit, of any size.
#[inline(always)]
fn last([a, b]: [i64; 2], columns: usize) -> u32 {
    // To the half plane where b >= 0, and a > 0 if b is zero; three sixths of it follow each other from 1 to w.
    let below = b < 0 || (b == 0 && a < 0);
    let (a, b) = if below { (-a, -b) } else { (a, b) };
    let sign = if below { SIGN } else { 0 };
    if a > b {
        digit(a - b, b, 0, columns) ^ sign
    } else if a > 0 {
        digit(a, b - a, 2, columns) ^ SIGN ^ sign
    } else {
        digit(b, -a, 1, columns) ^ sign
    }
}

/// The digit `w^unit (column - row w^2)`.
#[inline(always)]
fn digit(column: i64, row: i64, unit: u32, columns: usize) -> u32 {
    (row as usize * columns + column as usize) as u32 | unit << UNIT
}
