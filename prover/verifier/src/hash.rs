//! Poseidon2 hashes of inputs and outputs: a hash as a public word, and how integers are packed into what is hashed
//! (`docs/protocol.md`, "Hashes").

use std::fmt;
use std::str::FromStr;

use ark_bn254::Fr;

use crate::{
    encoding::{DecodeError, Reader, SCALAR_BYTES, Writer},
    field::signed,
    fixed::Limbs,
};

/// The Poseidon2 hash of the integers of one tensor: a field element.
///
/// Written as 64 hexadecimal digits, the canonical big-endian encoding, behind `0x`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hash(pub Fr);

/// Why text is no hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HashError {
    /// Other than the right number of hexadecimal digits.
    #[error("a hash has {} hexadecimal digits", 2 * SCALAR_BYTES)]
    Digits,
    /// The digits encode no field element.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = Writer::new();
        out.scalar(&self.0);
        f.write_str("0x")?;
        out.finish().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        if digits.len() != 2 * SCALAR_BYTES || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(HashError::Digits);
        }
        let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).map_err(|_| HashError::Digits);
        let bytes = (0..digits.len()).step_by(2).map(byte).collect::<Result<Vec<u8>, _>>()?;
        Ok(Self(Reader::new(&bytes).scalar("hash")?))
    }
}

/// How signed integers become the field elements that are hashed: shifted by `2^(bits-1)`, so that none is negative, and `count` to a
/// field element, low end first. Injective on values of so many bits, which all slots of the trace hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packing {
    /// Bits of a value.
    pub bits: u32,
    /// Values in a field element.
    pub count: usize,
}

/// For slots of up to 30 bits.
const NARROW: Packing = Packing { bits: 31, count: 8 };
/// For all others, which have up to 59.
const WIDE: Packing = Packing { bits: 62, count: 4 };

impl Packing {
    /// The packing of values in slots with these limbs, signed or not.
    pub fn of(limbs: &Limbs) -> Self {
        // A slot that is not signed reaches as far as the high limbs, which takes one bit more.
        match limbs.hi_bits() < NARROW.bits {
            true => NARROW,
            false => WIDE,
        }
    }

    /// Whether this is one of the values that packing tells apart.
    pub fn holds(&self, value: i64) -> bool {
        let half = 1i64 << (self.bits - 1);
        (-half..half).contains(&value)
    }

    /// What makes the value at `index` of a field element no negative number, in that element: `2^(bits - 1 + bits * index)`.
    pub fn offset(&self, index: usize) -> Fr {
        self.scale(index) * Fr::from(1u64 << (self.bits - 1))
    }

    /// What the value at `index` of a field element is multiplied by: `2^(bits * index)`.
    pub fn scale(&self, index: usize) -> Fr {
        let step = Fr::from(1u64 << self.bits);
        (0..index).fold(Fr::from(1u8), |scale, _| scale * step)
    }

    /// The field elements that stand for `values`; the last one may hold fewer.
    pub fn pack(&self, values: &[i64]) -> Vec<Fr> {
        let packed = |(index, value): (usize, &i64)| self.offset(index) + self.scale(index) * signed(*value);
        let element = |values: &[i64]| values.iter().enumerate().map(packed).sum();
        values.chunks(self.count).map(element).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use ark_ff::{BigInteger, PrimeField};

    use super::*;

    #[test]
    fn text_is_read_back_and_nothing_else_is() {
        let hash = Hash(-Fr::from(5u8));
        let text = hash.to_string();
        assert_eq!((text.len(), &text[..4]), (66, "0x30"));
        assert_eq!(text.parse(), Ok(hash));
        assert_eq!(text[2..].to_uppercase().parse(), Ok(hash));
        for wrong in [
            "",
            "0x",
            &text[3..],
            &format!("{text}0"),
            &text.replace('3', "g"),
            &"é".repeat(32),
        ] {
            assert_eq!(wrong.parse::<Hash>(), Err(HashError::Digits), "{wrong}");
        }
        let modulus: String = Fr::MODULUS.to_bytes_be().iter().map(|b| format!("{b:02x}")).collect();
        for large in [modulus, "f".repeat(64)] {
            assert!(matches!(large.parse::<Hash>(), Err(HashError::Decode(_))), "{large}");
        }
    }

    #[test]
    fn every_slot_fits_its_packing() {
        for bits in 1..=20 {
            for hi in 1..60 {
                let Ok(limbs) = Limbs::new(bits, hi, 1) else { continue };
                let packing = Packing::of(&limbs);
                for value in [limbs.signed_range() - 1, -limbs.signed_range(), limbs.hi_range() - 1] {
                    assert!(packing.holds(value), "{limbs:?}");
                }
                assert!(packing.bits * packing.count as u32 <= 253);
            }
        }
    }

    #[test]
    fn packed_values_stand_side_by_side() {
        for packing in [NARROW, WIDE] {
            let half = 1i64 << (packing.bits - 1);
            let values: Vec<i64> = (0..packing.count as i64 + 1)
                .map(|i| [-half, half - 1, i, -i][i as usize % 4])
                .collect();
            let elements = packing.pack(&values);
            assert_eq!(elements.len(), 2);
            let bits = elements[0].into_bigint().to_bits_le();
            for (i, value) in values[..packing.count].iter().enumerate() {
                let own = bits.iter().skip(i * packing.bits as usize).take(packing.bits as usize);
                let shifted: i64 = own.rev().fold(0, |v, bit| v * 2 + i64::from(*bit));
                assert_eq!(shifted - half, *value);
            }
            assert_eq!(packing.pack(&[]), []);
        }
    }
}
