//! Scalars as signed digits, eight at a time. The definitions are in [`super::super::digits`].

use ark_ff::Field;

use super::super::digits::{self, Extent, Integer, NEGATIVE};
use super::super::engine::NEGATED;
use super::super::windows::{Kind, SIGN, Windows};
use super::eisenstein;
use super::field::{Field8, Scalar};
use super::lane::{Mask, Simd, W, store_words};
use crate::Fr;

/// As [`digits::integers`].
pub(crate) fn integers(simd: Simd, values: &[Fr], out: &mut [Integer]) -> Extent {
    let (eights, rest) = values.as_chunks::<8>();
    let (out, rest_out) = out.split_at_mut(8 * eights.len());
    // SAFETY: `simd` proves that the processor has the features.
    let extent = unsafe { integers_of_eights(simd, eights, out.as_chunks_mut().0) };
    extent.join(digits::integers(rest, rest_out))
}

/// As [`digits::narrow`]. Integers of one word are what scalars plus `2^63` are, which takes half of what it takes to find
/// the sign and the magnitude of any.
pub(crate) fn narrow(simd: Simd, values: &[Fr], out: &mut [u64]) -> Extent {
    let (eights, rest) = values.as_chunks::<16>();
    let (lanes_out, rest_out) = out.split_at_mut(16 * eights.len());
    // SAFETY: `simd` proves that the processor has the features.
    let extent = unsafe { narrow_of_eights(simd, eights, lanes_out.as_chunks_mut().0) };
    match extent {
        Some(extent) => extent.join(digits::narrow(rest, rest_out)),
        None => digits::narrow(values, out),
    }
}

/// How many bytes ahead of their use scalars are fetched: the processor's own prefetches stop at each page's end.
const AHEAD: usize = 1 << 12;

/// Where [`Simd::load_words`] puts eight integers, to put them in order.
pub(super) const LANES: [u64; 8] = [0, 2, 1, 3, 4, 6, 5, 7];

/// The extent of the integers so far, lane by lane.
struct Extents {
    positive: [W; 4],
    negative: [W; 4],
    any_negative: Mask,
}

impl Extents {
    #[inline(always)]
    fn new(simd: Simd) -> Extents {
        Extents {
            positive: [simd.zero(); 4],
            negative: [simd.zero(); 4],
            any_negative: 0,
        }
    }

    /// The magnitudes of eight scalars and which are negative, which the extent takes note of.
    #[inline(always)]
    fn magnitudes(&mut self, simd: Simd, values: &[Fr; 8]) -> ([W; 4], Mask) {
        let [a, b, c, d, e, f, g, h] = values;
        let words = simd.load_words([&a.0.0, &b.0.0, &c.0.0, &d.0.0, &e.0.0, &f.0.0, &g.0.0, &h.0.0]);
        let value = Field8::<Scalar>::from_words(words).leave_montgomery().canonical();
        let flip = value.above_half();
        self.any_negative |= flip;
        let magnitude = value.blend(flip, value.negate_canonical());
        let (words, less) = (magnitude.to_words(), magnitude.minus_one().to_words());
        for i in 0..4 {
            self.positive[i] = self.positive[i] | words[i].blend(flip, simd.zero());
            self.negative[i] = self.negative[i] | simd.zero().blend(flip, less[i]);
        }
        (words, flip)
    }

    fn join(self) -> Extent {
        let any = |words: [W; 4]| words.map(|word| word.lanes().iter().fold(0, |any, lane| any | lane));
        Extent {
            positive: any(self.positive),
            negative: any(self.negative),
            any_negative: self.any_negative != 0,
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn integers_of_eights(simd: Simd, values: &[[Fr; 8]], out: &mut [[Integer; 8]]) -> Extent {
    let mut extents = Extents::new(simd);
    for (values, out) in values.iter().zip(out) {
        let (mut words, flip) = extents.magnitudes(simd, values);
        words[3] = words[3].blend(flip, words[3] | simd.splat(NEGATIVE));
        store_words(words, out.each_mut());
    }
    extents.join()
}

/// `None` where one of the integers takes more than a word.
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn narrow_of_eights(simd: Simd, values: &[[Fr; 16]], out: &mut [[u64; 16]]) -> Option<Extent> {
    let order = simd.load(&LANES);
    let (mut positive, mut negative) = (simd.zero(), simd.zero());
    let mut any_negative = 0;
    for (values, out) in values.iter().zip(out) {
        simd.prefetch_behind::<AHEAD, _>(values);
        let (values, out) = (values.as_chunks::<8>().0, out.as_chunks_mut::<8>().0);
        let mut words = [[simd.zero(); 4]; 2];
        for k in 0..2 {
            let [a, b, c, d, e, f, g, h] = &values[k];
            words[k] = simd.load_words([&a.0.0, &b.0.0, &c.0.0, &d.0.0, &e.0.0, &f.0.0, &g.0.0, &h.0.0]);
        }
        let (low, beyond_low) = Field8::<Scalar>::leave_montgomery_small(words[0]);
        let (high, beyond_high) = Field8::<Scalar>::leave_montgomery_small(words[1]);
        let mut integers = [low, high];
        let beyond = beyond_low | beyond_high;
        if beyond.test(beyond) != 0 {
            integers = one_word_each(simd, words)?;
        }
        for k in 0..2 {
            let word = integers[k];
            let sign = word.negative();
            let magnitude = word.abs();
            any_negative |= sign;
            positive = positive | word.blend(sign, simd.zero());
            negative = negative | simd.zero().blend(sign, magnitude - simd.splat(1));
            order
                .look_up(magnitude.blend(sign, magnitude | simd.splat(NEGATIVE)))
                .store(&mut out[k]);
        }
    }
    let any = |lanes: W| lanes.lanes().iter().fold(0, |any, lane| any | lane);
    Some(Extent {
        positive: [any(positive), 0, 0, 0],
        negative: [any(negative), 0, 0, 0],
        any_negative: any_negative != 0,
    })
}

/// The integers, those of a word and a sign, that arkworks' forms stand for; `None` where one takes more.
#[cold]
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn one_word_each(simd: Simd, words: [[W; 4]; 2]) -> Option<[W; 2]> {
    let mut out = [simd.zero(); 2];
    let mut beyond = simd.zero();
    let integers = Field8::<Scalar>::leave_montgomery_each(words);
    for k in 0..2 {
        let (word, more) = integers[k].plus_half_word().canonical().low_word();
        out[k] = word - simd.splat(NEGATIVE);
        beyond = beyond | more;
    }
    (beyond.test(beyond) == 0).then_some(out)
}

/// As [`digits::units`].
pub(crate) fn units(simd: Simd, values: &[Fr], first: u32, out: &mut [u32]) -> Option<(usize, Extent)> {
    let (eights, rest) = values.as_chunks::<8>();
    // SAFETY: `simd` proves that the processor has the features.
    let (len, extent) = unsafe { units_of_eights(simd, eights, first, out)? };
    let (more, extent_of_rest) = digits::units(rest, first + 8 * eights.len() as u32, &mut out[len..])?;
    Some((len + more, extent.join(extent_of_rest)))
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn units_of_eights(simd: Simd, values: &[[Fr; 8]], first: u32, out: &mut [u32]) -> Option<(usize, Extent)> {
    let splat = |words: [u64; 4]| words.map(|word| simd.splat(word));
    let (one, minus_one) = (splat(Fr::ONE.0.0), splat(digits::MINUS_ONE.0.0));
    let (mut len, mut positive, mut negative) = (0, 0, 0);
    // The lanes' own order, in which they hold the values.
    let mut numbers = simd.load(&LANES) + simd.splat(u64::from(first));
    for values in values {
        simd.prefetch_behind::<AHEAD, _>(values);
        let [a, b, c, d, e, f, g, h] = values;
        let words = simd.load_words([&a.0.0, &b.0.0, &c.0.0, &d.0.0, &e.0.0, &f.0.0, &g.0.0, &h.0.0]);
        let zero = (words[0] | words[1] | words[2] | words[3]).equal(simd.zero());
        let (mut plus, mut minus) = (Mask::MAX, Mask::MAX);
        for i in 0..4 {
            plus &= words[i].equal(one[i]);
            minus &= words[i].equal(minus_one[i]);
        }
        if zero | plus | minus != Mask::MAX {
            return None;
        }
        let references = numbers.blend(minus, numbers | simd.splat(u64::from(NEGATED)));
        let references = references.compress(plus | minus).low_halves();
        *out[len..].first_chunk_mut()? = references;
        len += (plus | minus).count_ones() as usize;
        positive |= plus;
        negative |= minus;
        numbers = numbers + simd.splat(8);
    }
    Some((len, digits::extent_of_units(positive != 0, negative != 0)))
}

/// As [`digits::digits`].
pub(crate) fn digits(simd: Simd, windows: Windows, integers: &[Integer], out: &mut [u32]) {
    let whole = integers.len() / 8 * 8;
    // SAFETY: `simd` proves that the processor has the features.
    unsafe {
        match windows.kind {
            Kind::Signed => digits_of_eights(simd, windows, integers, out),
            Kind::Eisenstein => eisenstein::digits_of_eights(simd, windows, integers, out),
        }
    }
    let mut rest = vec![0; (integers.len() - whole) * windows.count];
    digits::digits(windows, &integers[whole..], &mut rest);
    put_rest(windows, integers.len(), &rest, out);
}

/// As [`digits::narrow_digits`].
pub(crate) fn narrow_digits(simd: Simd, windows: Windows, integers: &[u64], out: &mut [u32]) {
    let whole = integers.len() / 8 * 8;
    // SAFETY: `simd` proves that the processor has the features.
    unsafe { narrow_digits_of_eights(simd, windows, integers, out) };
    let mut rest = vec![0; (integers.len() - whole) * windows.count];
    digits::narrow_digits(windows, &integers[whole..], &mut rest);
    put_rest(windows, integers.len(), &rest, out);
}

/// Puts the digits of the last few of `len` integers behind those of the eights, window after window.
fn put_rest(windows: Windows, len: usize, rest: &[u32], out: &mut [u32]) {
    let count = rest.len() / windows.count;
    if count > 0 {
        for (row, rest) in out.chunks_exact_mut(len).zip(rest.chunks_exact(count)) {
            row[len - count..].copy_from_slice(rest);
        }
    }
}

/// Cuts integers of eight lanes into digits, from the lowest window to the highest.
struct Cutter {
    windows: Windows,
    mask: W,
    half: W,
    full: W,
    negative: Mask,
    carry: W,
}

impl Cutter {
    #[inline(always)]
    fn new(simd: Simd, windows: Windows, negative: Mask) -> Cutter {
        Cutter {
            windows,
            mask: simd.splat((1 << windows.width) - 1),
            half: simd.splat(1 << (windows.width - 1)),
            full: simd.splat(1 << windows.width),
            negative,
            carry: simd.zero(),
        }
    }

    /// The digits of a window, whose bits are the lowest of `bits`.
    #[inline(always)]
    fn cut(&mut self, simd: Simd, window: usize, bits: W) -> W {
        let (mut digit, mut negative) = (bits + self.carry, self.negative);
        if window + 1 < self.windows.count {
            digit = (bits & self.mask) + self.carry;
            let flip = digit.greater(self.half);
            digit = digit.blend(flip, self.full - digit);
            self.carry = simd.zero().blend(flip, simd.splat(1));
            negative ^= flip;
        }
        digit.blend(negative, digit | simd.splat(u64::from(SIGN)))
    }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn digits_of_eights(simd: Simd, windows: Windows, integers: &[Integer], out: &mut [u32]) {
    let order = simd.load(&LANES);
    for (eight, eights) in integers.as_chunks::<8>().0.iter().enumerate() {
        let mut words = simd.load_words(eights.each_ref());
        let mut cutter = Cutter::new(simd, windows, words[3].negative());
        words[3] = words[3] & simd.splat(!NEGATIVE);
        for j in 0..windows.count {
            let bit = windows.start(j);
            let (word, shift) = ((bit / 64) as usize, bit % 64);
            let mut bits = words[word].shr_by(shift);
            if word < 3 {
                bits = bits | words[word + 1].shl_by(64 - shift);
            }
            let at = j * integers.len() + 8 * eight;
            out[at..at + 8].copy_from_slice(&order.look_up(cutter.cut(simd, j, bits)).low_halves());
        }
    }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn narrow_digits_of_eights(simd: Simd, windows: Windows, integers: &[u64], out: &mut [u32]) {
    for (eight, eights) in integers.as_chunks::<8>().0.iter().enumerate() {
        let word = simd.load(eights);
        let mut cutter = Cutter::new(simd, windows, word.negative());
        let magnitude = word & simd.splat(!NEGATIVE);
        for j in 0..windows.count {
            let bits = magnitude.shr_by(windows.start(j));
            let at = j * integers.len() + 8 * eight;
            out[at..at + 8].copy_from_slice(&cutter.cut(simd, j, bits).low_halves());
        }
    }
}
