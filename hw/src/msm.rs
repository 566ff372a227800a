//! The MSM engine: its shape, the words it is fed with, and what it gives.
//!
//! The engine works in passes. A pass multiplies up to 32 windows of signed digits with the resident bases: window
//! `w` gives `sum_i digit[i][w] * base[i]`. Windows of one scalar, or those of several batch items over the same
//! bases, are the same to it. The host sends a pass as a header of two words and a stream of packed scalars, and
//! receives one point per window.

use crate::field::{low, one};
use num_bigint::BigUint;

/// What the engine is built with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// `log2` of the bucket slots of a bank; two banks take turns.
    pub slot_bits: u32,
    /// Largest window width `c` in bits.
    pub max_width: u32,
    /// Pairs that can wait for the adder.
    pub queue: u32,
    /// Digits that can wait for their bases.
    pub digit_fifo: u32,
    /// Bases that can be awaited from memory at a time.
    pub base_fifo: u32,
}

/// The configuration that `rtl/gen` is generated for.
pub const CONFIG: Config = Config {
    slot_bits: 14,
    max_width: 13,
    queue: 64,
    digit_fifo: 512,
    base_fifo: 256,
};

/// Digit fields of a word, and windows of a pass.
pub const FIELDS: u32 = 32;
/// Bits of a word of the host's stream.
pub const WORD_BITS: u32 = 256;
/// Bits of a word after its sign has been extended, for a last window that reaches beyond the word.
pub const EXTENDED_BITS: u32 = 272;
/// 64-bit limbs of a word.
pub const WORD_LIMBS: usize = 4;
/// Smallest window width.
pub const MIN_WIDTH: u32 = 4;
/// Marks the first word of a header.
pub const MAGIC: u8 = 0xa5;
/// Words of the stream per window sum: `X`, `Y`, `Z`.
pub const SUM_WORDS: usize = 3;

/// Cycles from a multiplier's operands to its product.
pub const MUL_LATENCY: u32 = 35;
/// Cycles from an adder's operands to its sum.
pub const ADD_LATENCY: u32 = 2 * MUL_LATENCY + 9;

/// A pass, as its header says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pass {
    /// Window width `c` in bits.
    pub width: u32,
    /// `log2` of the digit fields that belong to one base.
    pub log_fields_per_base: u32,
    /// Bases whose digits share a word.
    pub bases_per_word: u32,
    /// The first field of each base that takes part.
    pub first_field: u32,
    /// Number of fields of each base that take part: the windows of the pass.
    pub windows: u32,
    /// Words of packed scalars.
    pub words: u32,
    /// The base of the first scalar.
    pub first_base: u32,
    /// The top bit of every lane that is followed by another one: no carry of the recoding crosses it.
    pub lane_tops: [u64; WORD_LIMBS],
    /// Whether the pass gives the sum of every bit plane of a window in place of the window's: the last steps of the
    /// reduction, a chain of doublings, are the host's then.
    pub planes: bool,
}

/// A pass that the engine would refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PassError {
    /// The width is not one that the engine was built for.
    #[error("window width {0}: expected {MIN_WIDTH} to {max}", max = CONFIG.max_width)]
    Width(u32),
    /// More windows than fields or bucket slots.
    #[error("{0} windows of this width: they need more than the fields or the bucket slots that there are")]
    Windows(u32),
    /// The fields do not fit the word.
    #[error("the digit fields do not fit a word of {WORD_BITS} bits")]
    Fields,
    /// Nothing to do.
    #[error("a pass needs at least one word")]
    Empty,
}

impl Pass {
    /// Checks it as the engine does.
    ///
    /// # Errors
    /// What the engine would refuse with [`crate::regs::Fault::Header`].
    pub fn check(&self) -> Result<(), PassError> {
        if !(MIN_WIDTH..=CONFIG.max_width).contains(&self.width) {
            return Err(PassError::Width(self.width));
        }
        if self.windows == 0 || self.windows > CONFIG.windows_per_pass(self.width) {
            return Err(PassError::Windows(self.windows));
        }
        let fields = self.bases_per_word << self.log_fields_per_base;
        let spill = self.bases_per_word > 1 && fields * self.width > WORD_BITS;
        if self.log_fields_per_base > 5
            || self.bases_per_word == 0
            || fields > FIELDS
            || spill
            || self.first_field + self.windows > 1 << self.log_fields_per_base
            || (self.first_field + self.windows) * self.width > EXTENDED_BITS
        {
            return Err(PassError::Fields);
        }
        if self.words == 0 { Err(PassError::Empty) } else { Ok(()) }
    }

    /// What the pass gives, in this order: the window of each sum and the bit of it that the sum stands for.
    pub fn sums(&self) -> impl Iterator<Item = (u32, u32)> + use<> {
        let (windows, planes) = (self.windows, if self.planes { self.width - 1 } else { 1 });
        (0..planes).flat_map(move |bit| (0..windows).map(move |window| (window, bit)))
    }

    /// The two words of the header, each least significant limb first.
    #[must_use]
    pub fn header(&self) -> [[u64; WORD_LIMBS]; 2] {
        let low = u64::from(MAGIC)
            | u64::from(self.width) << 8
            | u64::from(self.log_fields_per_base) << 13
            | u64::from(self.bases_per_word) << 16
            | u64::from(self.planes) << 22
            | u64::from(self.first_field) << 24
            | u64::from(self.windows) << 32;
        let high = u64::from(self.words) | u64::from(self.first_base) << 32;
        [[low, high, 0, 0], self.lane_tops]
    }
}

impl Config {
    /// The windows of width `c` for which one bank has buckets, at most [`FIELDS`].
    #[must_use]
    pub fn windows_per_pass(&self, width: u32) -> u32 {
        let spare = (self.slot_bits + 1).saturating_sub(width);
        1u32.checked_shl(spare).map_or(FIELDS, |windows| windows.min(FIELDS))
    }
}

/// The windows of width `c` that every integer of `-2^(bits-1) .. 2^(bits-1)` fits. A single digit has that very
/// range; the largest number that several signed digits reach is `2^(cW-1)` less an eighth or so, hence one bit more.
#[must_use]
pub fn windows_for(bits: u32, width: u32) -> u32 {
    if bits <= width { 1 } else { (bits + 1).div_ceil(width) }
}

/// What the digit unit makes of a word: `fields[f]` is the digit in `-2^(c-1) .. 2^(c-1)` of field `f`.
///
/// Recoding by one addition: with `K = sum_i 2^(ci + c-1)`, the fields of `(s + K) xor K` in two's complement are signed
/// digits of `s`, and no digit depends on the one below but by the carries of the addition. Carries do not
/// cross `lane_tops`; the word is sign-extended to [`EXTENDED_BITS`], and fields that reach beyond are zero.
#[must_use]
pub fn recode(word: &[u64; WORD_LIMBS], lane_tops: &[u64; WORD_LIMBS], width: u32) -> [i32; FIELDS as usize] {
    let bits = EXTENDED_BITS as usize;
    let extend = |limbs: &[u64; WORD_LIMBS], sign: bool| {
        let n = crate::field::from_limbs(limbs);
        let top = (one() << bits) - (one() << WORD_BITS as usize);
        if sign && limbs[WORD_LIMBS - 1] >> 63 == 1 {
            n + top
        } else {
            n
        }
    };
    let (s, tops) = (extend(word, true), extend(lane_tops, false));
    let k = (0..)
        .map(|i| (width * (i + 1) - 1) as usize)
        .take_while(|&bit| bit < bits)
        .fold(BigUint::ZERO, |k, bit| k + (one() << bit));
    let all = (one() << bits) - one();
    let rest = &all ^ &tops;
    let sum = low(&((&s & &rest) + (&k & &rest)), bits) ^ ((&s ^ &k) & &tops);
    let digits = sum ^ &k;
    std::array::from_fn(|f| {
        if (f + 1) * width as usize > bits {
            return 0;
        }
        let field = low(&(&digits >> (f * width as usize)), width as usize);
        let field = i32::try_from(field).unwrap_or(0);
        if field >> (width - 1) == 1 {
            field - (1 << width)
        } else {
            field
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn pass() -> Pass {
        Pass {
            width: 10,
            log_fields_per_base: 5,
            bases_per_word: 1,
            first_field: 0,
            windows: 26,
            words: 7,
            first_base: 3,
            lane_tops: [0; 4],
            planes: false,
        }
    }

    #[test]
    fn passes_that_do_not_fit_are_refused() {
        assert_eq!(pass().check(), Ok(()));
        assert_eq!(Pass { width: 3, ..pass() }.check(), Err(PassError::Width(3)));
        assert_eq!(Pass { width: 14, ..pass() }.check(), Err(PassError::Width(14)));
        assert_eq!(Pass { width: 13, ..pass() }.check(), Err(PassError::Windows(26)));
        assert_eq!(Pass { windows: 0, ..pass() }.check(), Err(PassError::Windows(0)));
        assert_eq!(
            Pass {
                first_field: 7,
                ..pass()
            }
            .check(),
            Err(PassError::Fields)
        );
        assert_eq!(
            Pass {
                bases_per_word: 2,
                ..pass()
            }
            .check(),
            Err(PassError::Fields)
        );
        assert_eq!(Pass { words: 0, ..pass() }.check(), Err(PassError::Empty));
    }

    #[test]
    fn sums_come_by_plane_and_window() {
        let sums = |planes| {
            Pass {
                width: 4,
                windows: 2,
                planes,
                ..pass()
            }
            .sums()
            .collect::<Vec<_>>()
        };
        assert_eq!(sums(false), [(0, 0), (1, 0)]);
        assert_eq!(sums(true), [(0, 0), (1, 0), (0, 1), (1, 1), (0, 2), (1, 2)]);
    }

    #[test]
    fn full_scalars_fit_the_fields_from_eight_bits_on() {
        assert!((8..=CONFIG.max_width).all(|width| windows_for(254, width) <= FIELDS));
    }

    proptest! {
        /// The digits of a lane sum to its value, whatever its neighbours are.
        #[test]
        fn digits_sum_to_the_lane(width in MIN_WIDTH..=13, windows in 1u32..4, values in prop::collection::vec(any::<i32>(), 32)) {
            let bits = width * windows;
            let lanes = (WORD_BITS / bits).min(FIELDS / windows);
            let (mut word, mut tops) = (BigUint::ZERO, BigUint::ZERO);
            let narrow = |v: i32| i64::from(v) % (1i64 << (bits - 2).min(31));
            for lane in 0..lanes {
                let v = narrow(values[lane as usize]);
                let v = u64::try_from(v.rem_euclid(1i64 << bits)).unwrap();
                word += BigUint::from(v) << (lane * bits) as usize;
                tops += one() << ((lane + 1) * bits - 1) as usize;
            }
            let limbs = |n: &BigUint| std::array::from_fn(|i| n.iter_u64_digits().nth(i).unwrap_or(0));
            let digits = recode(&limbs(&word), &limbs(&tops), width);
            for lane in 0..lanes {
                let sum: i64 = (0..windows).map(|w| i64::from(digits[(lane * windows + w) as usize]) << (width * w)).sum();
                prop_assert_eq!(sum, narrow(values[lane as usize]));
            }
        }

        #[test]
        fn a_word_is_sign_extended(value: i64, width in 8u32..=13) {
            let sign = if value < 0 { u64::MAX } else { 0 };
            let digits = recode(&[value as u64, sign, sign, sign], &[0; 4], width);
            let sum = digits.iter().rev().fold(0i128, |sum, &d| (sum << width).wrapping_add(i128::from(d)));
            prop_assert_eq!(sum, i128::from(value));
            prop_assert!(digits.iter().all(|&d| (-(1 << (width - 1))..1 << (width - 1)).contains(&d)));
        }
    }
}
