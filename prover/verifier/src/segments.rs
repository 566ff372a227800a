//! A model that is proven in segments: a key for each, proofs that are tied to each other by commitments, one product of pairings.
//!
//! Each segment is a circuit of its own, whose input is committed to but for the first's, and whose output is but for the last's. The
//! commitment to what a segment gives is the very point that the next one's input is committed in, so that nothing lies between
//! two proofs (`docs/protocol.md`, "Segments").
//!
//! | key: bytes | | proof: bytes | |
//! |---|---|---|---|
//! | 8 | `TAPEOUTS` | 8 | `TAPEOUTM` |
//! | 4 | version, big-endian | 4 | version, big-endian |
//! | 4 | number of segments | 32 | digest of the key |
//! | 8 and that many, each | a length, a [`VerifyingKey`] | as the keys say, each | a [`Statement`] |

use sha3::{Digest, Keccak256};

use crate::{
    encoding::{Reader, Writer},
    interface::{Input, Visibility},
    keys::{KeyFormatError, Parts, VerifyingKey, length, read_header},
    plonk::{pending::settle, rounds::Defences, verifier::Rejection},
    statement::{Context, Hex, ReadError, Statement, VerifyError},
};

/// What a segmented key begins with.
pub const KEY_MAGIC: [u8; 8] = *b"TAPEOUTS";
const KEY_VERSION: u32 = 1;
const PROOF_MAGIC: [u8; 8] = *b"TAPEOUTM";
const PROOF_VERSION: u32 = 1;

/// The largest number of segments.
pub const MAX_SEGMENTS: usize = 1024;

/// The keys of a model's segments, which belong together.
#[derive(Clone, Debug)]
pub struct SegmentedKey {
    keys: Vec<VerifyingKey>,
    digest: [u8; 32],
}

/// Proofs of all segments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SegmentedStatement {
    /// Digest of the segmented key.
    pub key: [u8; 32],
    /// One for each segment.
    pub segments: Vec<Statement>,
}

impl SegmentedKey {
    /// Keys that follow each other.
    ///
    /// # Errors
    /// [`KeyFormatError::Mismatch`] for keys that do not belong together.
    pub fn new(keys: Vec<VerifyingKey>) -> Result<Self, KeyFormatError> {
        let require = |ok: bool, what| {
            if ok {
                Ok(())
            } else {
                Err(KeyFormatError::Mismatch(what))
            }
        };
        require(
            (2..=MAX_SEGMENTS).contains(&keys.len()),
            "a model in segments has two or more",
        )?;
        for pair in keys.windows(2) {
            let [before, behind] = pair else { continue };
            let same = before.model.hash == behind.model.hash;
            require(same, "its segments are of several models")?;
            let same = before.origin == behind.origin && before.opening.tau_g2() == behind.opening.tau_g2();
            require(same, "its segments are under several reference strings")?;
            let same = before.interface.shape.log_n() == behind.interface.shape.log_n();
            require(same, "its segments have several numbers of rows")?;
            let committed = (
                before.interface.disclosure().output,
                behind.interface.disclosure().input,
            );
            let tied = committed == (Visibility::Committed, Visibility::Committed);
            require(tied, "a tensor between two segments is not committed to")?;
            let given: usize = before.model.output_shape.iter().product();
            let taken = match &behind.interface.input {
                Input::Private { len, .. } => *len,
                Input::Public(written) => written.len(),
            };
            require(given == taken, "a segment takes more or less than the one before gives")?;
            let same = before.model.output_scale == behind.model.input_scale;
            require(same, "a tensor between two segments has two scales")?;
        }
        let mut key = Self { keys, digest: [0; 32] };
        key.digest = Keccak256::digest(key.to_bytes()?).into();
        Ok(key)
    }

    /// The segments' keys: at least two.
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// The first segment's key and the last one's.
    pub fn ends(&self) -> (&VerifyingKey, &VerifyingKey) {
        (&self.keys[0], &self.keys[self.keys.len() - 1])
    }

    /// keccak256 of the key's bytes.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The key's bytes.
    ///
    /// # Errors
    /// None in practice, as for [`VerifyingKey::to_bytes`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, KeyFormatError> {
        let mut out = Writer::new();
        out.bytes(&KEY_MAGIC);
        out.u32(KEY_VERSION);
        out.u32(self.keys.len() as u32);
        for key in &self.keys {
            let bytes = key.to_bytes()?;
            out.u64(bytes.len() as u64);
            out.bytes(&bytes);
        }
        Ok(out.finish())
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`KeyFormatError`] for anything that is not what [`Self::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyFormatError> {
        let mut reader = Reader::new(bytes);
        read_header(&mut reader, "verifying key of segments", KEY_MAGIC, KEY_VERSION)?;
        let count = reader.u32("number of segments")? as usize;
        if count > MAX_SEGMENTS {
            return Err(KeyFormatError::Mismatch("too many segments"));
        }
        let mut keys = Vec::with_capacity(count);
        for _ in 0..count {
            let len = length(reader.u64("length of a key")?);
            keys.push(VerifyingKey::from_bytes(reader.bytes("key of a segment", len)?)?);
        }
        reader.finish()?;
        Self::new(keys)
    }
}

impl SegmentedStatement {
    /// The length of a proof file for `key`.
    pub fn len(key: &SegmentedKey) -> usize {
        8 + 4 + 32 + key.keys.iter().map(Statement::len).sum::<usize>()
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.bytes(&PROOF_MAGIC);
        out.u32(PROOF_VERSION);
        out.bytes(&self.key);
        self.segments.iter().for_each(|s| out.bytes(&s.to_bytes()));
        out.finish()
    }

    /// Reads the first part of a proof file: the digest of the segmented key that it was made for.
    ///
    /// # Errors
    /// [`ReadError`] when there is none.
    pub fn key_of(bytes: &[u8]) -> Result<[u8; 32], ReadError> {
        Self::parse(&mut Reader::new(bytes))
    }

    fn parse(reader: &mut Reader<'_>) -> Result<[u8; 32], ReadError> {
        let expected = PROOF_MAGIC;
        if reader.array::<8>("magic").ok() != Some(expected) {
            return Err(ReadError::Magic { expected });
        }
        match reader.u32("version")? {
            PROOF_VERSION => Ok(reader.array("key digest")?),
            got => Err(ReadError::Version {
                expected: PROOF_VERSION,
                got,
            }),
        }
    }

    /// Reads a file and checks that it was made for `key`.
    ///
    /// # Errors
    /// As [`Statement::read`].
    pub fn read(bytes: &[u8], key: &SegmentedKey) -> Result<Self, VerifyError> {
        let mut reader = Reader::new(bytes);
        let digest = Self::parse(&mut reader)?;
        check_key(digest, key)?;
        let mut segments = Vec::with_capacity(key.keys.len());
        for key in &key.keys {
            let bytes = reader.bytes("proof of a segment", Statement::len(key));
            segments.push(Statement::read(bytes.map_err(ReadError::from)?, key)?);
        }
        reader.finish().map_err(ReadError::from)?;
        Ok(Self { key: digest, segments })
    }

    /// Checks all proofs, which must have been made for `context`, and that they are tied to each other.
    ///
    /// # Errors
    /// [`VerifyError::Rejected`].
    pub fn verify(&self, key: &SegmentedKey, context: &Context) -> Result<(), VerifyError> {
        check_key(self.key, key)?;
        let segments = || key.keys.iter().zip(&self.segments);
        if self.segments.len() != key.keys.len() {
            let (expected, got) = (key.keys.len(), self.segments.len());
            return Err(Rejection::Segments { expected, got }.into());
        }
        let mut given = None;
        for (segment, (key, statement)) in segments().enumerate() {
            if segment > 0 && statement.input_commitment(key) != given {
                return Err(Rejection::Boundary { segment }.into());
            }
            given = statement.output_commitment(key);
        }
        let pending = segments()
            .map(|(key, statement)| {
                statement.check_key(key)?;
                let key: &Parts = key;
                key.reduce(statement.words(), context, &statement.proof, &Defences::ALL)
            })
            .collect::<Result<Vec<_>, Rejection>>()?;
        Ok(settle(&pending)?)
    }
}

fn check_key(got: [u8; 32], key: &SegmentedKey) -> Result<(), Rejection> {
    if got == key.digest {
        return Ok(());
    }
    Err(Rejection::OtherKey {
        expected: Hex(key.digest),
        got: Hex(got),
    })
}
