//! A commitment to an input or an output that stands for itself: the same point in every proof that is about the same values.

use std::fmt;
use std::str::FromStr;

use ark_bn254::G1Affine;

use crate::encoding::{DecodeError, G1_BYTES, Reader, Writer};

/// A hiding commitment to the values of one tensor, as fixed-point integers, element `i` on row `i` of the key's domain: two are equal
/// if and only if their makers know the same values and the same blinds. It means the same under all keys with as many rows, one
/// scale and one reference string.
///
/// Written as 128 hexadecimal digits, the point's strict encoding ([`crate::encoding`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Commitment(pub G1Affine);

/// Why text is no commitment.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitmentError {
    /// Other than the right number of hexadecimal digits.
    #[error("a commitment has {} hexadecimal digits", 2 * G1_BYTES)]
    Digits,
    /// The digits encode no point.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl Commitment {
    /// The strict encoding of the point.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.g1(&self.0);
        out.finish()
    }
}

impl fmt::Display for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.to_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Commitment {
    type Err = CommitmentError;

    fn from_str(text: &str) -> Result<Self, CommitmentError> {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        if digits.len() != 2 * G1_BYTES || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(CommitmentError::Digits);
        }
        let byte = |pair: &[u8]| pair.iter().fold(0, |v, digit| v << 4 | nibble(*digit));
        let bytes: Vec<u8> = digits.as_bytes().chunks(2).map(byte).collect();
        let mut reader = Reader::new(&bytes);
        let point = reader.g1("commitment")?;
        reader.finish()?;
        Ok(Self(point))
    }
}

/// The value of a hexadecimal digit.
fn nibble(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use ark_ec::AffineRepr;

    use super::*;

    #[test]
    fn text_is_read_back_and_nothing_else_is() {
        let commitment = Commitment(G1Affine::generator());
        let text = commitment.to_string();
        assert_eq!(text.len(), 128);
        assert_eq!(text.parse(), Ok(commitment));
        assert_eq!(
            format!("0x{}", text.to_uppercase().to_lowercase()).parse(),
            Ok(commitment)
        );
        assert_eq!(text.to_uppercase().parse(), Ok(commitment));
        for wrong in [
            "",
            &text[1..],
            &format!("{text}0"),
            &text.replace('0', "g"),
            &"é".repeat(64),
        ] {
            assert_eq!(wrong.parse::<Commitment>(), Err(CommitmentError::Digits), "{wrong}");
        }
        for point in ["0".repeat(128), "f".repeat(128), format!("{}3", &text[..127])] {
            assert!(
                matches!(point.parse::<Commitment>(), Err(CommitmentError::Decode(_))),
                "{point}"
            );
        }
    }
}
