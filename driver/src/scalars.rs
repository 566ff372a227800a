//! Scalars of known width: what fits a hint, and how a width is written.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use ark_ff::{BigInteger, PrimeField};

use crate::{Error, Fr, Result, Scalars, Width};

/// The widest integer a hint can promise, in bits.
const MAX_BITS: u8 = 64;

impl Width {
    /// The integers that fit, both ends included; `None` for [`Width::Full`], which no integer range describes.
    #[must_use]
    pub fn range(self) -> Option<RangeInclusive<i128>> {
        match self {
            Width::Full => None,
            Width::Bits(bits) => Some(0..=(1i128 << bits.min(MAX_BITS)) - 1),
            Width::Signed(0) => Some(0..=0),
            Width::Signed(bits) => {
                let half = 1i128 << (bits.min(MAX_BITS) - 1);
                Some(-half..=half - 1)
            }
        }
    }

    /// The narrowest signed width that holds every one of `values`.
    #[must_use]
    pub fn covering(values: &[i64]) -> Width {
        // A value v > 0 needs as many bits as v has and one for the sign; v < 0 needs those of -v - 1 = !v.
        let bits = |&v: &i64| {
            if v == 0 {
                0
            } else {
                65 - (if v < 0 { !v } else { v }).leading_zeros()
            }
        };
        Width::Signed(values.iter().map(bits).max().unwrap_or(0) as u8)
    }

    /// Refuses hints of more than 64 bits.
    pub(crate) fn check(self) -> Result<()> {
        match self {
            Width::Bits(bits) | Width::Signed(bits) if bits > MAX_BITS => Err(Error::Promise { bits }),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Width {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Width::Full => f.write_str("full"),
            Width::Bits(bits) => write!(f, "u{bits}"),
            Width::Signed(bits) => write!(f, "i{bits}"),
        }
    }
}

impl FromStr for Width {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bits = |digits: &str| {
            let plain = digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0');
            digits
                .parse::<u8>()
                .ok()
                .filter(|b| plain && (1..=MAX_BITS).contains(b))
        };
        let width = match (text, text.get(..1)) {
            ("full", _) => Some(Width::Full),
            (_, Some("u")) => bits(&text[1..]).map(Width::Bits),
            (_, Some("i")) => bits(&text[1..]).map(Width::Signed),
            _ => None,
        };
        width.ok_or_else(|| Error::ParseWidth { text: text.to_owned() })
    }
}

impl Scalars<'_> {
    /// The scalars as integers, or `None` where the hint is [`Width::Full`].
    ///
    /// # Errors
    /// [`Error::Width`] at the first value that does not fit, [`Error::Promise`] for a hint of more than 64 bits; `item`
    /// is this item's place in its batch.
    pub fn integers(&self, item: usize) -> Result<Option<Vec<i128>>> {
        self.width.check()?;
        let Some(range) = self.width.range() else {
            return Ok(None);
        };
        let fit = |(index, value)| {
            let fits = small(value).filter(|v| range.contains(v));
            fits.ok_or(Error::Width {
                item,
                index,
                width: self.width,
            })
        };
        self.values
            .iter()
            .enumerate()
            .map(fit)
            .collect::<Result<Vec<_>>>()
            .map(Some)
    }
}

/// The integer of at most 64 bits and a sign that is congruent to `value`, if there is one.
fn small(value: &Fr) -> Option<i128> {
    let low = |words: [u64; 4]| (words[1..] == [0; 3]).then_some(i128::from(words[0]));
    let value = value.into_bigint();
    low(value.0).or_else(|| {
        let mut negated = Fr::MODULUS;
        negated.sub_with_borrow(&value);
        low(negated.0).map(|magnitude| -magnitude)
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use proptest::prelude::*;

    use super::*;

    fn field(v: i128) -> Fr {
        if v < 0 {
            -Fr::from(v.unsigned_abs())
        } else {
            Fr::from(v as u128)
        }
    }

    fn fits(width: Width, v: i128) -> bool {
        let values = [field(v)];
        match (Scalars { values: &values, width }).integers(3) {
            Ok(Some(got)) => {
                assert_eq!(got, [v]);
                true
            }
            Err(Error::Width {
                item: 3,
                index: 0,
                width: w,
            }) if w == width => false,
            other => unreachable!("{other:?}"),
        }
    }

    #[test]
    fn ranges_end_where_they_should() {
        for bits in 0..=64u8 {
            let top = 1i128 << bits;
            assert!(fits(Width::Bits(bits), top - 1) && !fits(Width::Bits(bits), top) && !fits(Width::Bits(bits), -1));
            let half = top / 2;
            assert!(fits(Width::Signed(bits), -half) && !fits(Width::Signed(bits), -half - 1));
            assert!(fits(Width::Signed(bits), (half - 1).max(0)) && !fits(Width::Signed(bits), half.max(1)));
        }
        let wide = Scalars {
            values: &[],
            width: Width::Bits(65),
        };
        assert!(matches!(wide.integers(0), Err(Error::Promise { bits: 65 })));
        assert!(matches!(
            (Scalars {
                values: &[],
                width: Width::Full
            })
            .integers(0),
            Ok(None)
        ));
    }

    #[test]
    fn widths_are_written_and_read() {
        for width in [
            Width::Full,
            Width::Bits(1),
            Width::Bits(64),
            Width::Signed(8),
            Width::Signed(48),
        ] {
            assert_eq!(width.to_string().parse::<Width>().unwrap(), width);
        }
        for text in ["", "u", "u0", "u65", "i08", "i+8", "f", "full ", "s8", "ü8", "u256"] {
            assert!(matches!(text.parse::<Width>(), Err(Error::ParseWidth { text: t }) if t == text));
        }
    }

    proptest! {
        #[test]
        fn covering_is_the_narrowest(values in proptest::collection::vec(any::<i64>(), 1..5), shift in 0u32..64) {
            let values: Vec<i64> = values.iter().map(|v| v >> shift).collect();
            let Width::Signed(bits) = Width::covering(&values) else { unreachable!() };
            let all = |b| values.iter().all(|&v| Width::Signed(b).range().is_some_and(|r| r.contains(&i128::from(v))));
            prop_assert!(all(bits) && (bits == 0 || !all(bits - 1)));
        }
    }
}
