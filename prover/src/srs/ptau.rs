//! Reference strings of ceremonies in the format of snarkjs, `.ptau`: <https://github.com/iden3/snarkjs>.
//!
//! All integers are little-endian. A file is `ptau`, its version (1), the number of sections, and the sections, each with its
//! number (4 bytes) and its length (8). With `p` the power in the header:
//!
//! | section | holds |
//! |---|---|
//! | 1 | bytes of a coordinate (32), the modulus q, `p`, the ceremony's own power |
//! | 2 | `[tau^i]_1` for `i < 2^(p+1) - 1` |
//! | 3 | `[tau^i]_2` for `i < 2^p` |
//! | others | what other proof systems need, and the contributions |
//!
//! Coordinates are written in Montgomery form, of G2 the real part first. A file can be hundreds of gigabytes long, of which
//! a model needs the first powers: those alone are read into memory and checked. The contributions are not checked: that a
//! file is what came out of a ceremony is known by its hash.

use std::io::{Read, Seek, SeekFrom};

use ark_bn254::Fq;
use ark_ff::{BigInteger, MontFp, PrimeField};
use blake2::{Blake2b512, Digest};
use rayon::prelude::*;

use super::{Origin, Srs, SrsError, file::check_count, pins};
use crate::encoding::{DecodeError, G1_BYTES, G2_BYTES, Reader};

/// The first bytes of such a file.
pub const MAGIC: [u8; 4] = *b"ptau";
const VERSION: u32 = 1;
const COORDINATE: usize = 32;
/// Bytes of section 1: the length of a coordinate, the modulus, two powers.
const HEADER: u64 = 4 + COORDINATE as u64 + 8;
/// The largest power of a ceremony over BN254, whose scalar field has roots of unity of order 2^28.
const MAX_POWER: u32 = 28;
/// Files have 7 sections, or 11 when they are prepared for a second phase.
const MAX_SECTIONS: u32 = 64;

/// blake2b-512 of a file.
pub type FileHash = [u8; 64];

/// Why a file is no `.ptau` file that can be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PtauError {
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Io(#[from] std::io::Error),
    /// The first bytes are others.
    #[error("not a .ptau file: the first bytes must be 'ptau', got '{}'", .got.escape_ascii())]
    Magic {
        /// The bytes that came.
        got: [u8; 4],
    },
    /// The version is another.
    #[error("a .ptau file of version {got}, only version {VERSION} is known")]
    Version {
        /// The file's.
        got: u32,
    },
    /// The file ends within something.
    #[error("truncated: {what} ends at byte {expected}, the file has {got}")]
    Truncated {
        /// What ends too late.
        what: String,
        /// Where it ends.
        expected: u64,
        /// The file's length.
        got: u64,
    },
    /// There are bytes behind the last section.
    #[error("trailing bytes: the sections end at byte {expected}, the file has {got}")]
    Trailing {
        /// Where the sections end.
        expected: u64,
        /// The file's length.
        got: u64,
    },
    /// An implausible number of sections.
    #[error("{got} sections, at most {MAX_SECTIONS} were expected")]
    SectionCount {
        /// The file's number.
        got: u32,
    },
    /// A section that is needed is there more than once, or not at all.
    #[error("section {section} ({what}) is there {got} times, expected once")]
    Section {
        /// Its number.
        section: u32,
        /// What it holds.
        what: &'static str,
        /// How often it is there.
        got: usize,
    },
    /// A section's length is not what the header implies.
    #[error("section {section} ({what}) has {got} bytes, expected {expected}")]
    SectionLength {
        /// Its number.
        section: u32,
        /// What it holds.
        what: &'static str,
        /// The length that follows from the header.
        expected: u64,
        /// The file's.
        got: u64,
    },
    /// The powers are of another curve.
    #[error("the file is for another curve: its modulus of {bytes} bytes is not that of BN254's base field")]
    Curve {
        /// Bytes of the file's modulus.
        bytes: u32,
    },
    /// The header's powers are out of range.
    #[error(
        "the file states power {power} of a ceremony of power {ceremony}; expected 1 to {MAX_POWER}, the ceremony's no smaller"
    )]
    Power {
        /// The file's power.
        power: u32,
        /// The ceremony's.
        ceremony: u32,
    },
    /// A point is none.
    #[error("section {section}, point {index}: {source}")]
    Point {
        /// The section's number.
        section: u32,
        /// The point's index in it.
        index: usize,
        /// What is wrong; offsets are those in the point.
        source: DecodeError,
    },
    /// The hash is not the one that was asked for.
    #[error("the file's blake2b-512 is {}, expected {}", hex(.got), hex(.expected))]
    Hash {
        /// What was asked for.
        expected: Box<FileHash>,
        /// The file's.
        got: Box<FileHash>,
    },
}

/// A `.ptau` file whose header and sections are in order.
#[derive(Debug)]
pub struct Ptau<R> {
    source: R,
    power: u32,
    /// Where sections 2 and 3 begin.
    offsets: [u64; 2],
}

const SECTIONS: [(u32, &str); 3] = [(1, "header"), (2, "powers in G1"), (3, "powers in G2")];

impl<R: Read + Seek> Ptau<R> {
    /// Reads the header and the table of sections.
    ///
    /// # Errors
    /// [`PtauError`] for anything that is not a file of BN254's powers, complete and with nothing behind it.
    pub fn open(mut source: R) -> Result<Self, PtauError> {
        let len = source.seek(SeekFrom::End(0))?;
        source.rewind()?;
        let magic: [u8; 4] = array(&mut source, len, "the magic")?;
        if magic != MAGIC {
            return Err(PtauError::Magic { got: magic });
        }
        let version = u32::from_le_bytes(array(&mut source, len, "the version")?);
        if version != VERSION {
            return Err(PtauError::Version { got: version });
        }
        let count = u32::from_le_bytes(array(&mut source, len, "the number of sections")?);
        if count > MAX_SECTIONS {
            return Err(PtauError::SectionCount { got: count });
        }
        let mut found: Vec<(u32, u64, u64)> = Vec::new();
        let mut at = source.stream_position()?;
        for _ in 0..count {
            let section = u32::from_le_bytes(array(&mut source, len, "a section's number")?);
            let size = u64::from_le_bytes(array(&mut source, len, "a section's length")?);
            let start = at + 12;
            at = start.saturating_add(size);
            if at > len {
                let what = format!("section {section}");
                return Err(PtauError::Truncated {
                    what,
                    expected: at,
                    got: len,
                });
            }
            source.seek(SeekFrom::Start(at))?;
            found.push((section, start, size));
        }
        if at != len {
            return Err(PtauError::Trailing { expected: at, got: len });
        }
        let only = |(section, what): (u32, &'static str)| {
            let mut same = found.iter().filter(|(number, ..)| *number == section);
            match (same.next(), same.count()) {
                (Some((_, start, size)), 0) => Ok((*start, *size)),
                (first, more) => {
                    let got = usize::from(first.is_some()) + more;
                    Err(PtauError::Section { section, what, got })
                }
            }
        };
        let expect = |(section, what): (u32, &'static str), expected: u64, got: u64| {
            if expected == got {
                return Ok(());
            }
            Err(PtauError::SectionLength {
                section,
                what,
                expected,
                got,
            })
        };
        let [header, powers_g1, powers_g2] = [only(SECTIONS[0])?, only(SECTIONS[1])?, only(SECTIONS[2])?];
        expect(SECTIONS[0], HEADER, header.1)?;
        source.seek(SeekFrom::Start(header.0))?;
        let bytes = u32::from_le_bytes(array(&mut source, len, "the header")?);
        let modulus: [u8; COORDINATE] = array(&mut source, len, "the header")?;
        if bytes as usize != COORDINATE || modulus[..] != Fq::MODULUS.to_bytes_le()[..] {
            return Err(PtauError::Curve { bytes });
        }
        let power = u32::from_le_bytes(array(&mut source, len, "the header")?);
        let ceremony = u32::from_le_bytes(array(&mut source, len, "the header")?);
        if !(1..=MAX_POWER).contains(&power) || ceremony < power || ceremony > MAX_POWER {
            return Err(PtauError::Power { power, ceremony });
        }
        expect(SECTIONS[1], ((2 << power) - 1) * G1_BYTES as u64, powers_g1.1)?;
        expect(SECTIONS[2], (1 << power) * G2_BYTES as u64, powers_g2.1)?;
        Ok(Self {
            source,
            power,
            offsets: [powers_g1.0, powers_g2.0],
        })
    }

    /// The number of powers in G1, one less than twice that in G2.
    pub fn powers_g1(&self) -> usize {
        (2 << self.power) - 1
    }

    /// The number of powers in G2.
    pub fn powers_g2(&self) -> usize {
        1 << self.power
    }

    /// blake2b-512 of the whole file, which ceremonies publish.
    ///
    /// # Errors
    /// [`PtauError::Io`].
    pub fn hash(&mut self) -> Result<FileHash, PtauError> {
        self.source.rewind()?;
        let mut hasher = Blake2b512::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            match self.source.read(&mut buffer)? {
                0 => return Ok(hasher.finalize().into()),
                count => hasher.update(&buffer[..count]),
            }
        }
    }

    /// The first `g1` powers in G1 and `g2` in G2, with all the checks of [`Srs::from_bytes`]: encodings, curve, subgroup,
    /// generators, and that they are the powers of one tau other than 1. `origin` is what [`origin`] says of the file's hash.
    ///
    /// # Errors
    /// [`SrsError::TooFewPowers`] when the file has less, [`SrsError::Ptau`] for points that are none, and those of the checks.
    pub fn powers(&mut self, g1: usize, g2: usize, origin: Origin) -> Result<Srs, SrsError> {
        check_count("G1", g1 as u64)?;
        check_count("G2", g2 as u64)?;
        let (got_g1, got_g2) = (self.powers_g1(), self.powers_g2());
        if got_g1 < g1 || got_g2 < g2 {
            return Err(SrsError::TooFewPowers { g1, g2, got_g1, got_g2 });
        }
        let powers_g1 = self.points(0, g1, G1_BYTES, |reader| reader.g1("point"), [0, 1])?;
        // Here the real parts come first, in our encoding (EIP-197) the imaginary ones.
        let powers_g2 = self.points(1, g2, G2_BYTES, |reader| reader.g2("point"), [1, 0, 3, 2])?;
        let srs = Srs {
            powers_g1,
            powers_g2,
            origin,
        };
        srs.check()?;
        Ok(srs)
    }

    /// The first points of a section: written anew in the encoding of [`crate::encoding`], whose reader checks them.
    fn points<T: Send, const N: usize>(
        &mut self,
        section: usize,
        count: usize,
        size: usize,
        read: impl Fn(&mut Reader<'_>) -> Result<T, DecodeError> + Sync,
        order: [usize; N],
    ) -> Result<Vec<T>, PtauError> {
        self.source.seek(SeekFrom::Start(self.offsets[section]))?;
        let mut bytes = vec![0; count * size];
        self.source.read_exact(&mut bytes)?;
        let point = |(index, bytes): (usize, &[u8])| {
            let mut encoded = Vec::with_capacity(size);
            for from in order {
                encoded.extend(canonical(&bytes[from * COORDINATE..(from + 1) * COORDINATE]));
            }
            let section = SECTIONS[section + 1].0;
            read(&mut Reader::new(&encoded)).map_err(|source| PtauError::Point { section, index, source })
        };
        let points: Vec<_> = bytes.par_chunks_exact(size).enumerate().map(point).collect();
        points.into_iter().collect()
    }
}

/// Where a file with the hash `got` stems from: a ceremony if that is what was `expected`, or one of those that are pinned here
/// ([`pins::ceremony`]) when nothing was.
///
/// # Errors
/// [`PtauError::Hash`] for a hash other than `expected`.
pub fn origin(got: &FileHash, expected: Option<&FileHash>) -> Result<Origin, PtauError> {
    match expected {
        Some(expected) if expected == got => Ok(Origin::Ceremony),
        Some(expected) => Err(PtauError::Hash {
            expected: Box::new(*expected),
            got: Box::new(*got),
        }),
        None if pins::ceremony(got).is_some() => Ok(Origin::Ceremony),
        None => Ok(Origin::InsecureDev),
    }
}

/// A coordinate in Montgomery form, little-endian, as the big-endian integer it stands for. What is not below the modulus stays
/// as it is, so that the reader refuses it.
fn canonical(bytes: &[u8]) -> Vec<u8> {
    let mut limbs = [0; 4];
    for (limb, chunk) in limbs.iter_mut().zip(bytes.chunks_exact(8)) {
        *limb = chunk.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte));
    }
    let integer = ark_ff::BigInt::new(limbs);
    match Fq::from_bigint(integer) {
        Some(montgomery) => (montgomery * RADIX_INVERSE).into_bigint().to_bytes_be(),
        None => integer.to_bytes_be(),
    }
}

/// `2^-256` mod q.
const RADIX_INVERSE: Fq = MontFp!("20988524275117001072002809824448087578619730785600314334253784976379291040311");

/// The next bytes.
fn array<const N: usize>(source: &mut (impl Read + Seek), len: u64, what: &str) -> Result<[u8; N], PtauError> {
    let at = source.stream_position()?;
    let expected = at.saturating_add(N as u64);
    if expected > len {
        let what = what.to_owned();
        return Err(PtauError::Truncated {
            what,
            expected,
            got: len,
        });
    }
    let mut out = [0; N];
    source.read_exact(&mut out)?;
    Ok(out)
}

/// A hash in hexadecimal.
pub fn hex(hash: &FileHash) -> String {
    hash.iter().map(|b| format!("{b:02x}")).collect()
}

#[cfg(test)]
mod tests;
