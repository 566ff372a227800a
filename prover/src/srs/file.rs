//! The file format of reference strings, in the encoding of [`crate::encoding`].
//!
//! | bytes | field |
//! |---|---|
//! | 8 | magic `TAPE-SRS` |
//! | 4 | version, 1 |
//! | 1 | origin: 0 insecure-dev, 1 ceremony |
//! | 8 | number of powers in G1, `a` |
//! | 8 | number of powers in G2, `b` |
//! | 64 a | `[tau^i]_1` |
//! | 128 b | `[tau^i]_2` |

use super::{Origin, Srs, SrsError};
use crate::encoding::{Reader, Writer, g1_points};

const MAGIC: [u8; 8] = *b"TAPE-SRS";
const VERSION: u32 = 1;

/// Fr has roots of unity of order 2^28, so that no domain needs more powers than this (twice as many leave room for blinding).
pub(super) const MAX_LOG_POWERS: u32 = 29;

impl Srs {
    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.bytes(&MAGIC);
        out.u32(VERSION);
        out.u8(match self.origin {
            Origin::InsecureDev => 0,
            Origin::Ceremony => 1,
        });
        out.u64(self.powers_g1.len() as u64);
        out.u64(self.powers_g2.len() as u64);
        self.powers_g1.iter().for_each(|point| out.g1(point));
        self.powers_g2.iter().for_each(|point| out.g2(point));
        out.finish()
    }

    /// Decodes a file and checks the string in full: encodings, curve and subgroup membership, generators, and that the points
    /// are successive powers of one tau other than 1. That tau is unknown to everybody is what no check can tell; the
    /// origin is the file's own claim.
    ///
    /// # Errors
    /// Each fault has its own [`SrsError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SrsError> {
        let mut reader = Reader::new(bytes);
        let magic = reader.array("magic")?;
        if magic != MAGIC {
            return Err(SrsError::Magic {
                expected: MAGIC,
                got: magic,
            });
        }
        let version = reader.u32("version")?;
        if version != VERSION {
            return Err(SrsError::Version {
                expected: VERSION,
                got: version,
            });
        }
        let origin = match reader.u8("origin")? {
            0 => Origin::InsecureDev,
            1 => Origin::Ceremony,
            got => return Err(SrsError::UnknownOrigin { got }),
        };
        let count_g1 = check_count("G1", reader.u64("number of powers in G1")?)?;
        let count_g2 = check_count("G2", reader.u64("number of powers in G2")?)?;
        let powers_g1 = g1_points(&mut reader, "power in G1", count_g1)?;
        let powers_g2 = (0..count_g2)
            .map(|_| reader.g2("power in G2"))
            .collect::<Result<_, _>>()?;
        reader.finish()?;
        let srs = Self {
            powers_g1,
            powers_g2,
            origin,
        };
        srs.check()?;
        Ok(srs)
    }
}

/// The count, when a string can have so many powers.
pub(super) fn check_count(group: &'static str, count: u64) -> Result<usize, SrsError> {
    if !(2..=1 << MAX_LOG_POWERS).contains(&count) {
        return Err(SrsError::Count { group, got: count });
    }
    usize::try_from(count).map_err(|_| SrsError::Count { group, got: count })
}
