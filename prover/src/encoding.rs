//! The one byte encoding of scalars and points ([`tapeout_verifier::encoding`]), and the reading of many points at once.

use rayon::prelude::*;
use tapeout_driver::G1Affine;

pub use tapeout_verifier::encoding::*;

/// Reads `count` G1 points other than the point at infinity, checking them in parallel.
///
/// # Errors
/// As [`Reader::g1`], with the offset of the first point that is wrong; nothing is allocated for points that are missing.
pub fn g1_points(reader: &mut Reader<'_>, field: &'static str, count: usize) -> Result<Vec<G1Affine>, DecodeError> {
    let start = reader.clone();
    reader.bytes(field, count.saturating_mul(G1_BYTES))?;
    let read = |index| {
        let mut at = start.clone();
        at.bytes(field, index * G1_BYTES)?;
        at.g1(field)
    };
    let points: Vec<_> = (0..count).into_par_iter().map(read).collect();
    points.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use ark_ff::UniformRand;

    use super::*;

    #[test]
    fn many_points_are_read_as_one_by_one() {
        let rng = &mut ark_std::test_rng();
        let points: Vec<G1Affine> = (0..300).map(|_| G1Affine::rand(rng)).collect();
        let mut out = Writer::new();
        out.u8(7);
        points.iter().for_each(|point| out.g1(point));
        let bytes = out.finish();
        let all = |bytes: &[u8], count| {
            let mut reader = Reader::new(bytes);
            reader.u8("start")?;
            let points = g1_points(&mut reader, "p", count)?;
            reader.finish()?;
            Ok(points)
        };
        assert_eq!(all(&bytes, 300), Ok(points));
        assert_eq!(
            all(&bytes, 299),
            Err(DecodeError::Trailing {
                expected: bytes.len() - G1_BYTES,
                got: bytes.len()
            })
        );
        let truncated = |expected| DecodeError::Truncated {
            field: "p",
            offset: 1,
            expected,
            got: bytes.len() - 1,
        };
        assert_eq!(all(&bytes, 301), Err(truncated(301 * G1_BYTES)));
        assert_eq!(all(&bytes, usize::MAX), Err(truncated(usize::MAX)));
        assert_eq!(all(&[0], 0), Ok(vec![]));
        // Of several wrong points, the first is named.
        let mut wrong = bytes.clone();
        for index in [250, 17, 100] {
            wrong[1 + index * G1_BYTES + 63] ^= 1;
        }
        assert_eq!(
            all(&wrong, 300),
            Err(DecodeError::OffCurve {
                field: "p",
                offset: 1 + 17 * G1_BYTES
            })
        );
    }
}
