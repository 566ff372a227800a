//! The one byte encoding of scalars and points: strict, canonical, big-endian, as the EVM's precompiles want it.
//!
//! | value | bytes | encoding |
//! |---|---|---|
//! | scalar (Fr) | 32 | big-endian, below r |
//! | G1 point | 64 | `x, y`, each big-endian and below q; the identity is `(0, 0)` |
//! | G2 point | 128 | `x_im, x_re, y_im, y_re` (EIP-197), each big-endian and below q; never the identity |
//! | integer | 1, 4, 8 | big-endian |
//!
//! Every value has exactly one encoding and [`Reader`] accepts no other: a coordinate or scalar at or above its modulus, a
//! point off the curve, a G2 point outside of the subgroup of order r, a missing and a spare byte are each their own
//! [`DecodeError`]. Curve G1 has prime order, so that a G1 point on the curve is in the group. Proofs, keys and reference
//! strings are all read and written through this module, and the transcript hashes these same bytes.

use ark_bn254::{Fq, Fq2, Fr, G1Affine, G2Affine};
use ark_ec::AffineRepr;
use ark_ff::{BigInt, PrimeField};

/// Bytes of an encoded scalar.
pub const SCALAR_BYTES: usize = 32;
/// Bytes of an encoded G1 point.
pub const G1_BYTES: usize = 64;
/// Bytes of an encoded G2 point.
pub const G2_BYTES: usize = 128;

/// Why bytes are not the encoding of what was to be read. `field` is what was being read, `offset` where it starts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The bytes end before the field does.
    #[error("{field} at byte {offset}: truncated, expected {expected} bytes, got {got}")]
    Truncated {
        /// What was being read.
        field: &'static str,
        /// Where it starts.
        offset: usize,
        /// The bytes that it takes; `usize::MAX` when that many cannot be addressed.
        expected: usize,
        /// The bytes that were left.
        got: usize,
    },
    /// Bytes are left over.
    #[error("trailing bytes: expected {expected} bytes in all, got {got}")]
    Trailing {
        /// The length that is right.
        expected: usize,
        /// The length that came.
        got: usize,
    },
    /// A scalar is not below the order r of the groups.
    #[error("{field} at byte {offset}: the scalar is not canonical, it must be below the group order r")]
    ScalarRange {
        /// What was being read.
        field: &'static str,
        /// Where it starts.
        offset: usize,
    },
    /// A coordinate is not below the modulus q of the base field.
    #[error("{field} at byte {offset}: coordinate {coordinate} is not canonical, it must be below the field modulus q")]
    CoordinateRange {
        /// What was being read.
        field: &'static str,
        /// Where it starts.
        offset: usize,
        /// Which coordinate: `x` or `y` in G1; `x_im`, `x_re`, `y_im` or `y_re` in G2.
        coordinate: &'static str,
    },
    /// The coordinates do not satisfy the curve's equation.
    #[error("{field} at byte {offset}: the point is not on the curve")]
    OffCurve {
        /// What was being read.
        field: &'static str,
        /// Where it starts.
        offset: usize,
    },
    /// The point at infinity, where it has no place.
    #[error("{field} at byte {offset}: the point at infinity is not allowed here")]
    Infinity {
        /// What was being read.
        field: &'static str,
        /// Where it starts.
        offset: usize,
    },
    /// The point is on the curve, but not in the subgroup of order r.
    #[error("{field} at byte {offset}: the point is outside of the subgroup of order r")]
    Subgroup {
        /// What was being read.
        field: &'static str,
        /// Where it starts.
        offset: usize,
    },
}

/// Reads encoded values one after the other.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Reader<'a> {
    /// A reader that stands at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, offset: 0 }
    }

    /// Reads `len` bytes as they are.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn bytes(&mut self, field: &'static str, len: usize) -> Result<&'a [u8], DecodeError> {
        let rest = self.bytes.get(self.offset..).unwrap_or_default();
        let taken = rest.get(..len).ok_or(DecodeError::Truncated {
            field,
            offset: self.offset,
            expected: len,
            got: rest.len(),
        })?;
        self.offset += len;
        Ok(taken)
    }

    /// Reads `N` bytes as they are.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn array<const N: usize>(&mut self, field: &'static str) -> Result<[u8; N], DecodeError> {
        let mut out = [0; N];
        out.copy_from_slice(self.bytes(field, N)?);
        Ok(out)
    }

    /// Reads one byte.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u8(&mut self, field: &'static str) -> Result<u8, DecodeError> {
        Ok(u8::from_be_bytes(self.array(field)?))
    }

    /// Reads an integer of four bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u32(&mut self, field: &'static str) -> Result<u32, DecodeError> {
        Ok(u32::from_be_bytes(self.array(field)?))
    }

    /// Reads an integer of eight bytes.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`].
    pub fn u64(&mut self, field: &'static str) -> Result<u64, DecodeError> {
        Ok(u64::from_be_bytes(self.array(field)?))
    }

    /// Reads a scalar.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`], [`DecodeError::ScalarRange`].
    pub fn scalar(&mut self, field: &'static str) -> Result<Fr, DecodeError> {
        let offset = self.offset;
        let bytes = self.bytes(field, SCALAR_BYTES)?;
        Fr::from_bigint(integer(bytes)).ok_or(DecodeError::ScalarRange { field, offset })
    }

    /// Reads a G1 point other than the point at infinity.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`], [`DecodeError::CoordinateRange`], [`DecodeError::OffCurve`], [`DecodeError::Infinity`].
    pub fn g1(&mut self, field: &'static str) -> Result<G1Affine, DecodeError> {
        let offset = self.offset;
        let point = self.g1_or_infinity(field)?;
        if point.is_zero() {
            return Err(DecodeError::Infinity { field, offset });
        }
        Ok(point)
    }

    /// Reads a G1 point, where the point at infinity (a commitment to the zero polynomial) is allowed.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`], [`DecodeError::CoordinateRange`], [`DecodeError::OffCurve`].
    pub fn g1_or_infinity(&mut self, field: &'static str) -> Result<G1Affine, DecodeError> {
        let offset = self.offset;
        let [x, y] = self.coordinates(field, ["x", "y"])?;
        if x == Fq::from(0u8) && y == Fq::from(0u8) {
            return Ok(G1Affine::zero());
        }
        let point = G1Affine::new_unchecked(x, y);
        if !point.is_on_curve() {
            return Err(DecodeError::OffCurve { field, offset });
        }
        Ok(point)
    }

    /// Reads a G2 point of the subgroup of order r, other than the point at infinity.
    ///
    /// # Errors
    /// [`DecodeError::Truncated`], [`DecodeError::CoordinateRange`], [`DecodeError::OffCurve`], [`DecodeError::Infinity`],
    /// [`DecodeError::Subgroup`].
    pub fn g2(&mut self, field: &'static str) -> Result<G2Affine, DecodeError> {
        let offset = self.offset;
        let [x_im, x_re, y_im, y_re] = self.coordinates(field, ["x_im", "x_re", "y_im", "y_re"])?;
        let point = G2Affine::new_unchecked(Fq2::new(x_re, x_im), Fq2::new(y_re, y_im));
        if point.is_zero() {
            return Err(DecodeError::Infinity { field, offset });
        }
        if !point.is_on_curve() {
            return Err(DecodeError::OffCurve { field, offset });
        }
        if !point.is_in_correct_subgroup_assuming_on_curve() {
            return Err(DecodeError::Subgroup { field, offset });
        }
        Ok(point)
    }

    /// Ends the reading.
    ///
    /// # Errors
    /// [`DecodeError::Trailing`] when bytes are left over.
    pub fn finish(self) -> Result<(), DecodeError> {
        if self.offset != self.bytes.len() {
            return Err(DecodeError::Trailing {
                expected: self.offset,
                got: self.bytes.len(),
            });
        }
        Ok(())
    }

    /// Reads a point's coordinates, which the names in `names` are for.
    fn coordinates<const N: usize>(
        &mut self,
        field: &'static str,
        names: [&'static str; N],
    ) -> Result<[Fq; N], DecodeError> {
        let offset = self.offset;
        let bytes = self.bytes(field, N * 32)?;
        let mut out = [Fq::from(0u8); N];
        for ((value, chunk), coordinate) in out.iter_mut().zip(bytes.chunks_exact(32)).zip(names) {
            *value = Fq::from_bigint(integer(chunk)).ok_or(DecodeError::CoordinateRange {
                field,
                offset,
                coordinate,
            })?;
        }
        Ok(out)
    }
}

/// Writes encoded values one after the other.
#[derive(Clone, Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// A writer that has written nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes bytes as they are.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Writes one byte.
    pub fn u8(&mut self, value: u8) {
        self.bytes(&value.to_be_bytes());
    }

    /// Writes an integer of four bytes.
    pub fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// Writes an integer of eight bytes.
    pub fn u64(&mut self, value: u64) {
        self.bytes(&value.to_be_bytes());
    }

    /// Writes a scalar.
    pub fn scalar(&mut self, value: &Fr) {
        self.integer(value.into_bigint());
    }

    /// Writes a G1 point, `(0, 0)` for the point at infinity.
    pub fn g1(&mut self, point: &G1Affine) {
        let (x, y) = point.xy().unwrap_or_default();
        self.integer(x.into_bigint());
        self.integer(y.into_bigint());
    }

    /// Writes a G2 point. No reader accepts the point at infinity, which is written as zeros.
    pub fn g2(&mut self, point: &G2Affine) {
        let (x, y) = point.xy().unwrap_or_default();
        for coordinate in [x.c1, x.c0, y.c1, y.c0] {
            self.integer(coordinate.into_bigint());
        }
    }

    /// What was written.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }

    fn integer(&mut self, value: BigInt<4>) {
        for limb in value.0.iter().rev() {
            self.u64(*limb);
        }
    }
}

/// The integer that 32 big-endian bytes stand for.
fn integer(bytes: &[u8]) -> BigInt<4> {
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().rev().zip(bytes.chunks_exact(8)) {
        *limb = chunk.iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    }
    BigInt::new(limbs)
}

#[cfg(test)]
mod tests;
