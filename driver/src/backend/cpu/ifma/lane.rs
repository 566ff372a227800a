//! Eight 64-bit lanes of an AVX-512 register, and the proof that there are such registers.

use std::arch::x86_64::*;
use std::ops::{Add, BitAnd, BitOr, Sub};

/// Proof that the processor has every instruction that this module and the kernels above it use.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Simd(());

impl Simd {
    /// The proof, if the processor gives it.
    pub(crate) fn detect() -> Option<Simd> {
        let found = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512ifma")
            && is_x86_feature_detected!("avx512vbmi2")
            && is_x86_feature_detected!("avx512dq")
            && is_x86_feature_detected!("avx512vl");
        found.then_some(Simd(()))
    }

    /// `x` in every lane.
    #[inline(always)]
    pub(crate) fn splat(self, x: u64) -> W {
        // SAFETY: `self` proves that the processor has AVX-512.
        W(unsafe { _mm512_set1_epi64(x as i64) })
    }

    #[inline(always)]
    pub(crate) fn zero(self) -> W {
        // SAFETY: as in `splat`.
        W(unsafe { _mm512_setzero_si512() })
    }

    /// `x[k]` in lane `k`.
    #[inline(always)]
    pub(crate) fn load(self, x: &[u64; 8]) -> W {
        // SAFETY: as in `splat`; the reference is valid for the 64 bytes that are read, at any alignment.
        W(unsafe { _mm512_loadu_si512(x.as_ptr().cast()) })
    }

    /// `x[k]` in lane `k`.
    #[inline(always)]
    pub(crate) fn load_halves(self, x: &[u32; 8]) -> W {
        // SAFETY: as in `splat`; the reference is valid for the 32 bytes that are read, at any alignment.
        W(unsafe { _mm512_cvtepu32_epi64(_mm256_loadu_si256(x.as_ptr().cast())) })
    }
}

impl Simd {
    /// Fetches what lies `AHEAD` bytes behind `here`, as many bytes as `here` has.
    #[inline(always)]
    pub(crate) fn prefetch_behind<const AHEAD: usize, T>(self, here: &T) {
        prefetch::<_MM_HINT_T0, AHEAD, T>(here);
    }

    /// As [`Simd::prefetch_behind`], for what will be written.
    #[inline(always)]
    pub(crate) fn prefetch_to_write_behind<const AHEAD: usize, T>(self, here: &T) {
        prefetch::<_MM_HINT_ET0, AHEAD, T>(here);
    }

    /// Eight values of four words as four registers of their words, in the lanes' order 0 2 1 3 4 6 5 7.
    #[inline(always)]
    pub(crate) fn load_words(self, x: [&[u64; 4]; 8]) -> [W; 4] {
        let pair = |low: &[u64; 4], high: &[u64; 4]| {
            // SAFETY: as in `splat`; the references are valid for the 32 bytes that are read, at any alignment.
            W(unsafe {
                let low = _mm512_castsi256_si512(_mm256_loadu_si256(low.as_ptr().cast()));
                _mm512_inserti64x4::<1>(low, _mm256_loadu_si256(high.as_ptr().cast()))
            })
        };
        let (a, b) = pair(x[0], x[1]).unpack(pair(x[2], x[3]));
        let (c, d) = pair(x[4], x[5]).unpack(pair(x[6], x[7]));
        let ((w0, w2), (w1, w3)) = (a.quarters(c), b.quarters(d));
        [w0, w1, w2, w3]
    }
}

/// Eight lanes. A value proves, as [`Simd`] does, that the processor has the instructions: it takes a proof to make one.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub(crate) struct W(__m512i);

/// One bit for each lane.
pub(crate) type Mask = u8;

// SAFETY of every block below: `self` exists, so the processor has AVX-512 F, DQ, VL, IFMA and VBMI2 (see `W`).
#[inline(always)]
fn prefetch<const HINT: i32, const AHEAD: usize, T>(here: &T) {
    for line in (0..size_of::<T>()).step_by(64) {
        let at = std::ptr::from_ref(here).cast::<i8>().wrapping_add(AHEAD + line);
        // SAFETY: prefetching reads nothing, at whatever address.
        unsafe { _mm_prefetch::<HINT>(at) };
    }
}

impl W {
    /// The proof that this value carries.
    #[inline(always)]
    pub(crate) fn simd(self) -> Simd {
        Simd(())
    }

    #[inline(always)]
    pub(crate) fn store(self, to: &mut [u64; 8]) {
        // SAFETY: see above; the reference is valid for the 64 bytes that are written, at any alignment.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), self.0) }
    }

    #[inline(always)]
    pub(crate) fn lanes(self) -> [u64; 8] {
        let mut out = [0; 8];
        self.store(&mut out);
        out
    }

    /// `self + low 52 bits of a * b`, where `a` and `b` are cut to 52 bits.
    #[inline(always)]
    pub(crate) fn madd_lo(self, a: W, b: W) -> W {
        // SAFETY: see above.
        W(unsafe { _mm512_madd52lo_epu64(self.0, a.0, b.0) })
    }

    /// `self + high 52 bits of a * b`, where `a` and `b` are cut to 52 bits.
    #[inline(always)]
    pub(crate) fn madd_hi(self, a: W, b: W) -> W {
        // SAFETY: see above.
        W(unsafe { _mm512_madd52hi_epu64(self.0, a.0, b.0) })
    }

    #[inline(always)]
    pub(crate) fn shl<const N: u32>(self) -> W {
        // SAFETY: see above.
        W(unsafe { _mm512_slli_epi64::<N>(self.0) })
    }

    #[inline(always)]
    pub(crate) fn shr<const N: u32>(self) -> W {
        // SAFETY: see above.
        W(unsafe { _mm512_srli_epi64::<N>(self.0) })
    }

    /// Shifts right and keeps the sign.
    #[inline(always)]
    pub(crate) fn sar<const N: u32>(self) -> W {
        // SAFETY: see above.
        W(unsafe { _mm512_srai_epi64::<N>(self.0) })
    }

    /// Shifts all lanes right by the same variable count; 64 and more give zero.
    #[inline(always)]
    pub(crate) fn shr_by(self, count: u32) -> W {
        // SAFETY: see above.
        W(unsafe { _mm512_srl_epi64(self.0, _mm_cvtsi32_si128(count as i32)) })
    }

    /// Shifts all lanes right by the same variable count and keeps the sign.
    #[inline(always)]
    pub(crate) fn sar_by(self, count: u32) -> W {
        // SAFETY: see above.
        W(unsafe { _mm512_sra_epi64(self.0, _mm_cvtsi32_si128(count as i32)) })
    }

    /// The absolute values of signed integers.
    #[inline(always)]
    pub(crate) fn abs(self) -> W {
        // SAFETY: see above.
        W(unsafe { _mm512_abs_epi64(self.0) })
    }

    /// Shifts all lanes left by the same variable count; 64 and more give zero.
    #[inline(always)]
    pub(crate) fn shl_by(self, count: u32) -> W {
        // SAFETY: see above.
        W(unsafe { _mm512_sll_epi64(self.0, _mm_cvtsi32_si128(count as i32)) })
    }

    /// The low word of the 128-bit integer `high * 2^64 + self` shifted right by `N`.
    #[inline(always)]
    pub(crate) fn funnel<const N: i32>(self, high: W) -> W {
        // SAFETY: see above.
        W(unsafe { _mm512_shrdi_epi64::<N>(self.0, high.0) })
    }

    /// As [`W::funnel`], by a variable count below 64.
    #[inline(always)]
    pub(crate) fn funnel_by(self, high: W, count: u32) -> W {
        // SAFETY: see above.
        W(unsafe { _mm512_shrdv_epi64(self.0, high.0, _mm512_set1_epi64(i64::from(count))) })
    }

    /// The larger one of signed integers.
    #[inline(always)]
    pub(crate) fn larger(self, other: W) -> W {
        // SAFETY: see above.
        W(unsafe { _mm512_max_epi64(self.0, other.0) })
    }

    /// The smaller one of signed integers.
    #[inline(always)]
    pub(crate) fn smaller(self, other: W) -> W {
        // SAFETY: see above.
        W(unsafe { _mm512_min_epi64(self.0, other.0) })
    }

    /// `table[self[k] mod 8]` in lane `k`.
    #[inline(always)]
    pub(crate) fn look_up(self, table: W) -> W {
        // SAFETY: see above.
        W(unsafe { _mm512_permutexvar_epi64(self.0, table.0) })
    }

    /// `other` in the lanes of the mask, `self` in the rest.
    #[inline(always)]
    pub(crate) fn blend(self, mask: Mask, other: W) -> W {
        // SAFETY: see above.
        W(unsafe { _mm512_mask_mov_epi64(self.0, mask, other.0) })
    }

    /// The lanes whose sign bit is set.
    #[inline(always)]
    pub(crate) fn negative(self) -> Mask {
        // SAFETY: see above.
        unsafe { _mm512_movepi64_mask(self.0) }
    }

    /// The lanes in which a bit is set in both.
    #[inline(always)]
    pub(crate) fn test(self, other: W) -> Mask {
        // SAFETY: see above.
        unsafe { _mm512_test_epi64_mask(self.0, other.0) }
    }

    #[inline(always)]
    pub(crate) fn equal(self, other: W) -> Mask {
        // SAFETY: see above.
        unsafe { _mm512_cmpeq_epi64_mask(self.0, other.0) }
    }

    /// The lanes where `self > other` as signed integers.
    #[inline(always)]
    pub(crate) fn greater(self, other: W) -> Mask {
        // SAFETY: see above.
        unsafe { _mm512_cmpgt_epi64_mask(self.0, other.0) }
    }

    /// The lanes of the mask in front, the rest zero.
    #[inline(always)]
    pub(crate) fn compress(self, mask: Mask) -> W {
        // SAFETY: as in `splat`.
        W(unsafe { _mm512_maskz_compress_epi64(mask, self.0) })
    }

    /// The low halves of the lanes.
    #[inline(always)]
    pub(crate) fn low_halves(self) -> [u32; 8] {
        let mut out = [0; 8];
        // SAFETY: see above; `out` has the 32 bytes that are written.
        unsafe { _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm512_cvtepi64_epi32(self.0)) }
        out
    }

    #[inline(always)]
    fn store_pair(self, low: &mut [u64; 4], high: &mut [u64; 4]) {
        // SAFETY: see above; the references are valid for the 32 bytes that are written, at any alignment.
        unsafe {
            _mm256_storeu_si256(low.as_mut_ptr().cast(), _mm512_castsi512_si256(self.0));
            _mm256_storeu_si256(high.as_mut_ptr().cast(), _mm512_extracti64x4_epi64::<1>(self.0));
        }
    }

    /// In lane `k`, the lane `index[k]` of the sixteen of `self` and `other`.
    #[inline(always)]
    fn pick(self, index: W, other: W) -> W {
        // SAFETY: see above.
        W(unsafe { _mm512_permutex2var_epi64(self.0, index.0, other.0) })
    }

    #[inline(always)]
    fn unpack(self, other: W) -> (W, W) {
        // SAFETY: see above.
        unsafe {
            (
                W(_mm512_unpacklo_epi64(self.0, other.0)),
                W(_mm512_unpackhi_epi64(self.0, other.0)),
            )
        }
    }

    /// The even, and the odd, 128-bit quarters of the two.
    #[inline(always)]
    fn quarters(self, other: W) -> (W, W) {
        // SAFETY: see above.
        unsafe {
            (
                W(_mm512_shuffle_i64x2::<0x88>(self.0, other.0)),
                W(_mm512_shuffle_i64x2::<0xdd>(self.0, other.0)),
            )
        }
    }
}

impl Add for W {
    type Output = W;

    #[inline(always)]
    fn add(self, other: W) -> W {
        // SAFETY: see above.
        W(unsafe { _mm512_add_epi64(self.0, other.0) })
    }
}

impl Sub for W {
    type Output = W;

    #[inline(always)]
    fn sub(self, other: W) -> W {
        // SAFETY: see above.
        W(unsafe { _mm512_sub_epi64(self.0, other.0) })
    }
}

impl BitAnd for W {
    type Output = W;

    #[inline(always)]
    fn bitand(self, other: W) -> W {
        // SAFETY: see above.
        W(unsafe { _mm512_and_si512(self.0, other.0) })
    }
}

impl BitOr for W {
    type Output = W;

    #[inline(always)]
    fn bitor(self, other: W) -> W {
        // SAFETY: see above.
        W(unsafe { _mm512_or_si512(self.0, other.0) })
    }
}

/// The second half of [`transpose`], for every other row.
#[inline(always)]
fn merge(p0: W, p1: W, p2: W, p3: W) -> (W, W, W, W) {
    let ((e0, o0), (e1, o1)) = (p0.quarters(p1), p2.quarters(p3));
    let ((r0, r4), (r2, r6)) = (e0.quarters(e1), o0.quarters(o1));
    (r0, r2, r4, r6)
}

/// Undoes [`Simd::load_words`].
#[inline(always)]
pub(crate) fn store_words(w: [W; 4], to: [&mut [u64; 4]; 8]) {
    let ((a, b), (c, d)) = (w[0].unpack(w[1]), w[2].unpack(w[3]));
    let simd = w[0].simd();
    let (low, high) = (
        simd.load(&[0, 1, 8, 9, 2, 3, 10, 11]),
        simd.load(&[4, 5, 12, 13, 6, 7, 14, 15]),
    );
    let [t0, t1, t2, t3, t4, t5, t6, t7] = to;
    a.pick(low, c).store_pair(t0, t1);
    b.pick(low, d).store_pair(t2, t3);
    a.pick(high, c).store_pair(t4, t5);
    b.pick(high, d).store_pair(t6, t7);
}

/// Swaps rows and lanes: lane `j` of row `i` of the result is lane `i` of row `j`.
#[inline(always)]
pub(crate) fn transpose(r: [W; 8]) -> [W; 8] {
    let ((a0, b0), (a1, b1)) = (r[0].unpack(r[1]), r[2].unpack(r[3]));
    let ((a2, b2), (a3, b3)) = (r[4].unpack(r[5]), r[6].unpack(r[7]));
    let (r0, r2, r4, r6) = merge(a0, a1, a2, a3);
    let (r1, r3, r5, r7) = merge(b0, b1, b2, b3);
    [r0, r1, r2, r3, r4, r5, r6, r7]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_come_back_where_they_were() {
        let Some(simd) = Simd::detect() else { return };
        let mut values = [[0; 4]; 8];
        values
            .iter_mut()
            .flatten()
            .enumerate()
            .for_each(|(i, word)| *word = i as u64);
        let words = simd.load_words(values.each_ref());
        assert_eq!(words[1].lanes(), [1, 9, 5, 13, 17, 25, 21, 29]);
        let mut back = [[0; 4]; 8];
        store_words(words, back.each_mut());
        assert_eq!(back, values);
    }

    #[test]
    fn transposing_swaps_rows_and_lanes() {
        let Some(simd) = Simd::detect() else { return };
        let mut rows = [simd.zero(); 8];
        for (i, row) in rows.iter_mut().enumerate() {
            let mut lanes = [0; 8];
            lanes
                .iter_mut()
                .enumerate()
                .for_each(|(j, lane)| *lane = (10 * i + j) as u64);
            *row = simd.load(&lanes);
        }
        for (i, row) in transpose(rows).iter().enumerate() {
            let expected: Vec<u64> = (0..8).map(|j| (10 * j + i) as u64).collect();
            assert_eq!(row.lanes().as_slice(), expected);
        }
    }
}
