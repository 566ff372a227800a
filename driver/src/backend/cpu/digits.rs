//! Scalars as signed integers, and those as signed digits.

use ark_ff::{AdditiveGroup, BigInteger, Field, MontFp, PrimeField};

use super::eisenstein;
use super::engine::NEGATED;
use super::windows::{Kind, SIGN, Windows};
use crate::{Fr, Width};

/// Every magnitude is at most `2^253`: `(r - 1) / 2` is below.
pub(super) const MAX_BITS: u32 = 253;

/// The magnitude, and in the highest bit the sign, of the integer in `-(r - 1)/2 ..= (r - 1)/2` that a scalar is congruent
/// to.
pub(super) type Integer = [u64; 4];

/// The bit of an integer's highest word that is its sign.
pub(super) const NEGATIVE: u64 = 1 << 63;

pub(super) const MINUS_ONE: Fr = MontFp!("-1");

/// The widest hint whose scalars fit one word beside their sign.
const NARROW_BITS: u8 = 63;

/// The integers of a list of scalars.
pub(super) enum Integers {
    /// Of any size.
    Wide(Vec<Integer>),
    /// One word each, for scalars whose hint promises as much: magnitudes below `2^63` and [`NEGATIVE`].
    Narrow(Vec<u64>),
}

impl Integers {
    /// Room for `len` integers of that width.
    pub(super) fn zero(width: Width, len: usize) -> Integers {
        match width {
            Width::Bits(bits) | Width::Signed(bits) if bits <= NARROW_BITS => Integers::Narrow(vec![0; len]),
            _ => Integers::Wide(vec![[0; 4]; len]),
        }
    }

    pub(super) fn len(&self) -> usize {
        match self {
            Integers::Wide(integers) => integers.len(),
            Integers::Narrow(integers) => integers.len(),
        }
    }
}

/// How large the integers of a list are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Extent {
    /// The bits that are set in any positive magnitude.
    pub(super) positive: [u64; 4],
    /// The bits that are set in any negative magnitude less one. It is these that a signed width leaves free.
    pub(super) negative: [u64; 4],
    pub(super) any_negative: bool,
}

impl Extent {
    pub(super) fn join(self, other: Extent) -> Extent {
        let or = |a: [u64; 4], b: [u64; 4]| [a[0] | b[0], a[1] | b[1], a[2] | b[2], a[3] | b[3]];
        Extent {
            positive: or(self.positive, other.positive),
            negative: or(self.negative, other.negative),
            any_negative: self.any_negative || other.any_negative,
        }
    }

    /// The least number such that every magnitude is at most `2^bits`, or one more.
    pub(super) fn bits(self) -> u32 {
        let ones: u32 = self.positive.iter().map(|word| word.count_ones()).sum();
        (bits(self.positive) - u32::from(ones == 1)).max(bits(self.negative))
    }

    /// Whether every integer fits.
    pub(super) fn fits(self, width: Width) -> bool {
        let (positive, negative) = (bits(self.positive), bits(self.negative));
        match width {
            Width::Full => true,
            Width::Bits(width) => positive <= u32::from(width) && !self.any_negative,
            Width::Signed(0) => positive == 0 && !self.any_negative,
            Width::Signed(width) => positive.max(negative) < u32::from(width),
        }
    }
}

fn bits(words: [u64; 4]) -> u32 {
    words
        .iter()
        .rposition(|&w| w != 0)
        .map_or(0, |i| 64 * i as u32 + 64 - words[i].leading_zeros())
}

/// Writes the integers of `values` and tells how large they are.
pub(super) fn integers(values: &[Fr], out: &mut [Integer]) -> Extent {
    let mut extent = Extent::default();
    for (value, out) in values.iter().zip(out) {
        let integer = integer(value);
        extent = extent.join(extent_of(integer));
        *out = integer;
    }
    extent
}

/// As [`integers`], each in one word; of larger ones only what the extent says is of use.
pub(super) fn narrow(values: &[Fr], out: &mut [u64]) -> Extent {
    let mut extent = Extent::default();
    for (value, out) in values.iter().zip(out) {
        let integer = integer(value);
        extent = extent.join(extent_of(integer));
        *out = integer[0] | integer[3] & NEGATIVE;
    }
    extent
}

/// Writes references to those of `values` that are one, negated to those that are minus one, in any order, and tells how many they
/// are and how large the values. Values are counted from `first`; `out` has room for eight references more than there are values.
/// `None` where a value is neither of these nor zero.
pub(super) fn units(values: &[Fr], first: u32, out: &mut [u32]) -> Option<(usize, Extent)> {
    let (mut len, mut positive, mut negative) = (0, false, false);
    for (value, at) in values.iter().zip(first..) {
        let (zero, plus, minus) = (same(value, &Fr::ZERO), same(value, &Fr::ONE), same(value, &MINUS_ONE));
        if !(zero | plus | minus) {
            return None;
        }
        out[len] = at | if minus { NEGATED } else { 0 };
        len += usize::from(plus | minus);
        positive |= plus;
        negative |= minus;
    }
    Some((len, extent_of_units(positive, negative)))
}

/// The extent of scalars of which none is but zero, one, if there is a `positive` one, and minus one, if there is a `negative` one.
pub(super) fn extent_of_units(positive: bool, negative: bool) -> Extent {
    Extent {
        positive: [u64::from(positive), 0, 0, 0],
        negative: [0; 4],
        any_negative: negative,
    }
}

/// Whether two elements are equal, without a branch.
#[inline(always)]
fn same(a: &Fr, b: &Fr) -> bool {
    let ([a0, a1, a2, a3], [b0, b1, b2, b3]) = (a.0.0, b.0.0);
    (a0 ^ b0) | (a1 ^ b1) | (a2 ^ b2) | (a3 ^ b3) == 0
}

/// Whether a scalar fits its hint.
pub(super) fn fits(value: &Fr, width: Width) -> bool {
    extent_of(integer(value)).fits(width)
}

fn integer(value: &Fr) -> Integer {
    let value = value.into_bigint();
    if value <= Fr::MODULUS_MINUS_ONE_DIV_TWO {
        return value.0;
    }
    let mut magnitude = Fr::MODULUS;
    magnitude.sub_with_borrow(&value);
    magnitude.0[3] |= NEGATIVE;
    magnitude.0
}

/// The extent of a list of one.
pub(super) fn extent_of(integer: Integer) -> Extent {
    let mut magnitude = integer;
    magnitude[3] &= !NEGATIVE;
    if integer[3] & NEGATIVE == 0 {
        return Extent {
            positive: magnitude,
            ..Extent::default()
        };
    }
    let mut less = ark_ff::BigInt::<4>(magnitude);
    less.sub_with_borrow(&ark_ff::BigInt::from(1u64));
    Extent {
        negative: less.0,
        any_negative: true,
        ..Extent::default()
    }
}

/// Writes the digits of `integers`, window after window: `out[j * len + i]` is digit `j` of integer `i`.
///
/// Signed digits but the last are in `-2^(width - 1) ..= 2^(width - 1)`; the last is what is left.
pub(super) fn digits(windows: Windows, integers: &[Integer], out: &mut [u32]) {
    if windows.kind == Kind::Eisenstein {
        return eisenstein::digits(windows, integers, out);
    }
    for (i, integer) in integers.iter().enumerate() {
        let [w0, w1, w2, w3] = *integer;
        let words = [w0, w1, w2, w3 & !NEGATIVE, 0];
        let own = out.iter_mut().skip(i).step_by(integers.len());
        cut(windows, w3 & NEGATIVE != 0, words, own);
    }
}

/// As [`digits`], for integers of one word; signed digits only.
pub(super) fn narrow_digits(windows: Windows, integers: &[u64], out: &mut [u32]) {
    for (i, integer) in integers.iter().enumerate() {
        let words = [integer & !NEGATIVE, 0, 0, 0, 0];
        let own = out.iter_mut().skip(i).step_by(integers.len());
        cut(windows, integer & NEGATIVE != 0, words, own);
    }
}

/// Writes one integer's signed digits.
fn cut<'a>(windows: Windows, negative: bool, words: [u64; 5], out: impl Iterator<Item = &'a mut u32>) {
    let width = windows.width;
    let (mask, half, full) = ((1u64 << width) - 1, 1u64 << (width - 1), 1u64 << width);
    let mut carry = 0;
    for (j, out) in out.take(windows.count).enumerate() {
        let bit = windows.start(j);
        let (word, shift) = ((bit / 64) as usize, bit % 64);
        let two = u128::from(words[word]) | u128::from(words[word + 1]) << 64;
        let digit = (two >> shift) as u64;
        let inner = j + 1 < windows.count;
        let digit = if inner { digit & mask } else { digit } + carry;
        let flip = inner && digit > half;
        let magnitude = if flip { full - digit } else { digit };
        carry = u64::from(flip);
        *out = magnitude as u32 | if negative ^ flip { SIGN } else { 0 };
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::{AdditiveGroup, Field};
    use proptest::prelude::*;

    use super::super::engine::{Engine, Portable};
    use super::super::scalar::Plain;
    use super::*;
    use crate::sample;

    fn value(integer: Integer) -> Fr {
        let magnitude = Fr::new(ark_ff::BigInt([
            integer[0],
            integer[1],
            integer[2],
            integer[3] & !NEGATIVE,
        ]));
        if integer[3] & NEGATIVE == 0 {
            magnitude
        } else {
            -magnitude
        }
    }

    /// What the digits stand for, after checking that they are as small as promised.
    fn rebuild(windows: Windows, digits: &[u32]) -> Fr {
        digits.iter().enumerate().rev().fold(Fr::ZERO, |sum, (j, digit)| {
            let magnitude = digit & !SIGN;
            assert!(magnitude as usize <= windows.largest(j));
            let magnitude = Fr::from(magnitude);
            sum * Fr::from(2u64).pow([u64::from(windows.width)])
                + if digit & SIGN == 0 { magnitude } else { -magnitude }
        })
    }

    fn check(values: &[Fr], width: u32) {
        check_engine(Portable(Plain), values, width);
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = super::super::ifma::Simd::detect() {
            check_engine(simd, values, width);
        }
    }

    fn check_engine(engine: impl Engine, values: &[Fr], width: u32) {
        let mut list = vec![[0; 4]; values.len()];
        let extent = engine.integers(values, &mut list);
        let each = list.iter().map(|&integer| extent_of(integer)).reduce(Extent::join);
        assert_eq!(extent, each.unwrap_or_default());
        assert!(extent.bits() <= MAX_BITS);
        assert!(list.iter().zip(values).all(|(&integer, v)| value(integer) == *v));
        let windows = Windows::signed(width, extent.bits(), false);
        let mut digits = vec![0; values.len() * windows.count];
        engine.digits(windows, &list, &mut digits);
        // Where one word is enough, it comes to the same.
        let mut narrow = vec![0; values.len()];
        assert_eq!(engine.narrow(values, &mut narrow), extent);
        if extent.bits() < u32::from(NARROW_BITS) {
            let mut same = vec![0; digits.len()];
            engine.narrow_digits(windows, &narrow, &mut same);
            assert_eq!(same, digits);
        }
        for (i, v) in values.iter().enumerate() {
            let own: Vec<u32> = digits.iter().skip(i).step_by(values.len()).copied().collect();
            assert_eq!(rebuild(windows, &own), *v);
        }
    }

    #[test]
    fn edge_values_are_what_their_digits_say() {
        let half = Fr::from(2u64).inverse().unwrap_or_default();
        let powers = (0..254u64).flat_map(|k| {
            let power = Fr::from(2u64).pow([k]);
            [power, -power, power - Fr::ONE, Fr::ONE - power]
        });
        let values: Vec<Fr> = powers.chain([Fr::ZERO, half, half - Fr::ONE, -half]).collect();
        for width in 1..=20 {
            check(&values, width);
            values.iter().for_each(|&value| check(&[value], width));
        }
    }

    #[test]
    fn narrow_integers_of_every_size_side_by_side() {
        // Whole groups of lanes and what is left, small integers alone and beside larger ones.
        for len in 0..=33 {
            for k in 0..63u32 {
                let edges = [
                    1 << k,
                    -(1i128 << k),
                    (1 << k) - 1,
                    1 - (1i128 << k),
                    0,
                    1,
                    -1,
                    (1 << k) / 85,
                ];
                let values: Vec<Fr> = (0..len).map(|i| sample::integer(edges[(i + k as usize) % 8])).collect();
                check(&values, 7);
                let one: Vec<Fr> = (0..len)
                    .map(|i| {
                        sample::integer(if i == k as usize % len {
                            edges[i % 4]
                        } else {
                            (i % 2) as i128
                        })
                    })
                    .collect();
                check(&one, 1);
            }
        }
        let mut rng = <rand_chacha::ChaCha8Rng as rand_chacha::rand_core::SeedableRng>::seed_from_u64(6);
        let mut values = vec![Fr::ONE; 32];
        values[11] = sample::field(&mut rng);
        check(&values, 5);
    }

    fn check_units(engine: impl Engine, values: &[Fr]) {
        let mut out = vec![0; values.len() + 8];
        let found = engine.units(values, 5, &mut out);
        if values
            .iter()
            .any(|value| ![Fr::ZERO, Fr::ONE, MINUS_ONE].contains(value))
        {
            assert_eq!(found, None, "{values:?}");
            return;
        }
        let references = (5..)
            .zip(values)
            .map(|(at, &value)| (at | if value == MINUS_ONE { NEGATED } else { 0 }, value));
        let wanted: Vec<u32> = references
            .filter(|(_, value)| *value != Fr::ZERO)
            .map(|(at, _)| at)
            .collect();
        let extent = values
            .iter()
            .map(|&value| extent_of(integer(&value)))
            .reduce(Extent::join);
        assert_eq!(found, Some((wanted.len(), extent.unwrap_or_default())));
        let mut references = out[..wanted.len()].to_vec();
        references.sort_unstable_by_key(|reference| reference & !NEGATED);
        assert_eq!(references, wanted);
    }

    #[test]
    fn units_are_found_at_every_place() {
        let mut rng = <rand_chacha::ChaCha8Rng as rand_chacha::rand_core::SeedableRng>::seed_from_u64(9);
        let mut next = |count: u32| rand_chacha::rand_core::RngCore::next_u32(&mut rng) % count;
        // What has one word, or all but one, in common with a unit is none.
        let one = Fr::ONE.0.0;
        let strangers = (0..4).flat_map(|i| {
            let (mut alone, mut other) = ([0; 4], one);
            alone[i] = one[i];
            other[i] ^= 1 << (7 * i);
            [alone, other].map(|words| Fr::new_unchecked(ark_ff::BigInt(words)))
        });
        let strangers: Vec<Fr> = strangers.chain([Fr::from(2u64), -Fr::from(2u64)]).collect();
        for len in 0..=33 {
            let check_both = |values: &[Fr]| {
                check_units(Portable(Plain), values);
                #[cfg(target_arch = "x86_64")]
                if let Some(simd) = super::super::ifma::Simd::detect() {
                    check_units(simd, values);
                }
            };
            for kinds in 1..=3 {
                let mut values: Vec<Fr> = (0..len)
                    .map(|_| [Fr::ONE, Fr::ZERO, MINUS_ONE][next(kinds) as usize])
                    .collect();
                check_both(&values);
                for at in 0..len {
                    let stranger = strangers[(at + len) % strangers.len()];
                    let unit = std::mem::replace(&mut values[at], stranger);
                    check_both(&values);
                    values[at] = unit;
                }
            }
        }
    }

    #[test]
    fn widths_hold_what_they_promise() {
        let extent = |v: i128| extent_of(integer(&sample::integer(v)));
        for bits in 0..=64u8 {
            let (unsigned, signed) = (Width::Bits(bits), Width::Signed(bits));
            for width in [unsigned, signed] {
                let Some(range) = width.range() else { continue };
                assert!(extent(*range.start()).fits(width) && extent(*range.end()).fits(width));
                assert!(!extent(range.start() - 1).fits(width) && !extent(range.end() + 1).fits(width));
            }
        }
    }

    proptest! {
        #[test]
        fn digits_are_the_scalar(seed in any::<[u8; 32]>(), width in 1u32..=20, bits in 1u8..=64) {
            use rand_chacha::rand_core::SeedableRng;
            let mut rng = rand_chacha::ChaCha8Rng::from_seed(seed);
            for hint in [Width::Full, Width::Bits(bits), Width::Signed(bits)] {
                check(&sample::scalars(19, hint, &mut rng), width);
            }
        }
    }
}
