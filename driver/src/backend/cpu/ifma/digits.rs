//! Scalars as signed digits, eight at a time. The definitions are in [`super::super::digits`].

use super::super::digits::{self, Extent, Integer, NEGATIVE, SIGN, Windows};
use super::field::{Field8, Scalar};
use super::lane::{Simd, W, store_words};
use crate::Fr;

/// As [`digits::integers`].
pub(crate) fn integers(simd: Simd, values: &[Fr], out: &mut [Integer]) -> Extent {
    let (eights, rest) = values.as_chunks::<8>();
    let (out, rest_out) = out.split_at_mut(8 * eights.len());
    // SAFETY: `simd` proves that the processor has the features.
    let extent = unsafe { integers_of_eights(simd, eights, out.as_chunks_mut().0) };
    extent.join(digits::integers(rest, rest_out))
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn integers_of_eights(simd: Simd, values: &[[Fr; 8]], out: &mut [[Integer; 8]]) -> Extent {
    let (mut positive, mut negative) = ([simd.zero(); 4], [simd.zero(); 4]);
    let mut any_negative = 0;
    for (values, out) in values.iter().zip(out) {
        let [a, b, c, d, e, f, g, h] = values;
        let words = simd.load_words([&a.0.0, &b.0.0, &c.0.0, &d.0.0, &e.0.0, &f.0.0, &g.0.0, &h.0.0]);
        let value = Field8::<Scalar>::from_words(words).leave_montgomery().canonical();
        let flip = value.above_half();
        any_negative |= flip;
        let magnitude = value.blend(flip, value.negate_canonical());
        let mut words = magnitude.to_words();
        let less = magnitude.minus_one().to_words();
        for i in 0..4 {
            positive[i] = positive[i] | words[i].blend(flip, simd.zero());
            negative[i] = negative[i] | simd.zero().blend(flip, less[i]);
        }
        words[3] = words[3].blend(flip, words[3] | simd.splat(NEGATIVE));
        store_words(words, out.each_mut());
    }
    let any = |words: [W; 4]| words.map(|word| word.lanes().iter().fold(0, |any, lane| any | lane));
    Extent {
        positive: any(positive),
        negative: any(negative),
        any_negative: any_negative != 0,
    }
}

/// As [`Windows::digits`].
pub(crate) fn digits(simd: Simd, windows: Windows, integers: &[Integer], out: &mut [u32]) {
    let whole = integers.len() / 8 * 8;
    // SAFETY: `simd` proves that the processor has the features.
    unsafe { digits_of_eights(simd, windows, integers, out) };
    let mut rest = vec![0; (integers.len() - whole) * windows.count];
    windows.digits(&integers[whole..], &mut rest);
    let rest = rest.chunks_exact((integers.len() - whole).max(1));
    for (row, rest) in out.chunks_exact_mut(integers.len().max(1)).zip(rest) {
        row[whole..].copy_from_slice(rest);
    }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn digits_of_eights(simd: Simd, windows: Windows, integers: &[Integer], out: &mut [u32]) {
    /// Where [`Simd::load_words`] puts the eight integers, to put their digits in order.
    const LANES: [u64; 8] = [0, 2, 1, 3, 4, 6, 5, 7];
    let order = simd.load(&LANES);
    let (len, last) = (integers.len(), windows.count - 1);
    let full = simd.splat(1 << windows.width);
    let (mask, half) = (
        simd.splat((1 << windows.width) - 1),
        simd.splat(1 << (windows.width - 1)),
    );
    for (eight, integers) in integers.as_chunks::<8>().0.iter().enumerate() {
        let mut words = simd.load_words(integers.each_ref());
        let sign = words[3].negative();
        words[3] = words[3] & simd.splat(!NEGATIVE);
        let mut carry = simd.zero();
        for j in 0..windows.count {
            let bit = windows.width * j as u32;
            let (word, shift) = ((bit / 64) as usize, bit % 64);
            let mut digit = words[word].shr_by(shift);
            if word < 3 {
                digit = digit | words[word + 1].shl_by(64 - shift);
            }
            let mut negative = sign;
            if j < last {
                digit = (digit & mask) + carry;
                let flip = digit.greater(half);
                digit = digit.blend(flip, full - digit);
                carry = simd.zero().blend(flip, simd.splat(1));
                negative ^= flip;
            } else {
                digit = digit + carry;
            }
            let digit = digit.blend(negative, digit | simd.splat(u64::from(SIGN)));
            let at = j * len + 8 * eight;
            out[at..at + 8].copy_from_slice(&order.look_up(digit).low_halves());
        }
    }
}
