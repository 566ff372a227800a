//! What a proof file says: which key it was made for, the public words, the proof.
//!
//! | bytes | |
//! |---|---|
//! | 8 | `TAPEOUTR` |
//! | 4 | version, big-endian |
//! | 32 | digest of the verifying key |
//! | 4 | number of public words |
//! | 32 each | public words: the input's if it is public, then the output's; the input's hash if it is hashed, then the output's |
//! | the rest | the proof ([`Proof::write`]) |
//!
//! The verifying key fixes every length, so that no byte can be added or left out.

use crate::{
    commitment::Commitment,
    encoding::{DecodeError, Reader, SCALAR_BYTES, Writer},
    field::to_signed,
    hash::Hash,
    interface::Public,
    keys::VerifyingKey,
    plonk::{cs::Committed, proof::Proof, rounds::Defences, verifier::Rejection},
};

const MAGIC: [u8; 8] = *b"TAPEOUTR";
const VERSION: u32 = 2;

/// What a proof is bound to beside its statement: 32 bytes of the caller's choice, such as a hash of who may use the proof, where
/// and for what. Prover and verifier name it; it is no part of a proof file.
pub type Context = [u8; 32];

/// The context of a proof that anybody may use anywhere.
pub const NO_CONTEXT: Context = [0; 32];

/// A proof with its statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Digest of the verifying key that the proof was made for.
    pub key: [u8; 32],
    /// The integers among the public words: the input's if it is public, then the output's, as the fixed-point integers that are
    /// proven.
    pub public: Vec<i64>,
    /// The hashes behind them: the input's if it is hashed, then the output's.
    pub hashes: Vec<Hash>,
    /// The proof.
    pub proof: Proof,
}

/// What can be read of a proof file without its verifying key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Digest of the verifying key that the proof was made for.
    pub key: [u8; 32],
    /// Number of public words.
    pub public_words: usize,
}

/// Why a proof file is not accepted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The bytes are no proof file.
    #[error("the proof cannot be read: {0}")]
    Unreadable(#[from] ReadError),
    /// The proof can be read, and does not verify.
    #[error("the proof does not verify: {0}")]
    Rejected(#[from] Rejection),
}

/// Why bytes are no proof file.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The file is something else.
    #[error("not a proof file for this key: the first bytes must be '{}'", .expected.escape_ascii())]
    Magic {
        /// Its first bytes.
        expected: [u8; 8],
    },
    /// The file was written by another version.
    #[error("a proof file of version {got}; this program reads version {expected}")]
    Version {
        /// The version that is read.
        expected: u32,
        /// The file's version.
        got: u32,
    },
    /// The number of public words is not the key's.
    #[error("{got} public words, where the verifying key has {expected}")]
    PublicWords {
        /// The key's number.
        expected: usize,
        /// The file's number.
        got: usize,
    },
    /// Too short, too long, or not in canonical form.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

impl Header {
    /// Reads the first part of a proof file.
    ///
    /// # Errors
    /// [`ReadError`] when there is none.
    pub fn read(bytes: &[u8]) -> Result<Self, ReadError> {
        Self::parse(&mut Reader::new(bytes))
    }

    fn parse(reader: &mut Reader<'_>) -> Result<Self, ReadError> {
        if reader.array::<8>("magic").ok() != Some(MAGIC) {
            return Err(ReadError::Magic { expected: MAGIC });
        }
        match reader.u32("version")? {
            VERSION => {}
            got => {
                return Err(ReadError::Version { expected: VERSION, got });
            }
        }
        Ok(Self {
            key: reader.array("key digest")?,
            public_words: reader.u32("number of public words")? as usize,
        })
    }
}

impl Statement {
    /// The length of a proof file for `key`.
    pub fn len(key: &VerifyingKey) -> usize {
        8 + 4 + 32 + 4 + key.interface.public_words() * SCALAR_BYTES + Proof::len(&key.cs)
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.bytes(&MAGIC);
        out.u32(VERSION);
        out.bytes(&self.key);
        let words = self.words().words();
        out.u32(words.len() as u32);
        words.iter().for_each(|word| out.scalar(word));
        self.proof.write(&mut out);
        out.finish()
    }

    /// Reads a file and checks that it was made for `key`.
    ///
    /// # Errors
    /// [`VerifyError::Unreadable`] for bytes that are not such a file, [`VerifyError::Rejected`] for a file of another key or
    /// with a public word outside of the format's range.
    pub fn read(bytes: &[u8], key: &VerifyingKey) -> Result<Self, VerifyError> {
        let mut reader = Reader::new(bytes);
        let header = Header::parse(&mut reader)?;
        same_key(header.key, key)?;
        let (expected, got) = (key.interface.public_words(), header.public_words);
        if expected != got {
            return Err(ReadError::PublicWords { expected, got }.into());
        }
        let words = (0..got)
            .map(|_| reader.scalar("public word"))
            .collect::<Result<Vec<_>, _>>();
        let mut words = words.map_err(ReadError::from)?;
        let hashes = words.split_off(key.interface.public_integers());
        let proof = Proof::read(&mut reader, &key.cs).map_err(ReadError::from)?;
        reader.finish().map_err(ReadError::from)?;
        let bits = key.interface.shape.limbs.hi_bits();
        let small = |(index, word)| to_signed(word).ok_or(Rejection::PublicRange { index, bits });
        let public = words.into_iter().enumerate().map(small).collect::<Result<_, _>>()?;
        Ok(Self {
            key: header.key,
            public,
            hashes: hashes.into_iter().map(Hash).collect(),
            proof,
        })
    }

    /// The public words.
    pub fn words(&self) -> Public<'_> {
        Public {
            integers: &self.public,
            hashes: &self.hashes,
        }
    }

    /// The hash of the input, if the key's is hashed.
    pub fn input_hash(&self, key: &VerifyingKey) -> Option<Hash> {
        let first = key.interface.shape.hashed_input.then(|| self.hashes.first())?;
        first.copied()
    }

    /// The hash of the output, if the key's is hashed.
    pub fn output_hash(&self, key: &VerifyingKey) -> Option<Hash> {
        let last = key.interface.shape.hashed_output.then(|| self.hashes.last())?;
        last.copied()
    }

    /// The commitment to the input that the proof shows, if the key has one.
    pub fn input_commitment(&self, key: &VerifyingKey) -> Option<Commitment> {
        self.committed(key.cs.columns.committed_input)
    }

    /// The commitment to the output that the proof shows, if the key has one.
    pub fn output_commitment(&self, key: &VerifyingKey) -> Option<Commitment> {
        self.committed(key.cs.columns.committed_output)
    }

    fn committed(&self, columns: Option<Committed>) -> Option<Commitment> {
        self.proof.advice.get(columns?.values).copied().map(Commitment)
    }

    /// A proof for one key is not even looked at for another: its parts need not be as many.
    pub(crate) fn check_key(&self, key: &VerifyingKey) -> Result<(), Rejection> {
        same_key(self.key, key)
    }

    /// Checks the proof, which must have been made for `context`.
    ///
    /// # Errors
    /// [`VerifyError::Rejected`].
    pub fn verify(&self, key: &VerifyingKey, context: &Context) -> Result<(), VerifyError> {
        self.check_key(key)?;
        Ok(key.check(self.words(), context, &self.proof, &Defences::ALL)?)
    }

    /// As [`Self::verify`], without some of the protocol's defences: accepts forgeries. For tests that show what each is for.
    ///
    /// # Errors
    /// [`VerifyError::Rejected`].
    #[cfg(feature = "weaken")]
    pub fn verify_weakened(
        &self,
        key: &VerifyingKey,
        context: &Context,
        defences: &Defences,
    ) -> Result<(), VerifyError> {
        Ok(key.check(self.words(), context, &self.proof, defences)?)
    }
}

fn same_key(got: [u8; 32], key: &VerifyingKey) -> Result<(), Rejection> {
    if got == key.digest {
        return Ok(());
    }
    Err(Rejection::OtherKey {
        expected: Hex(key.digest),
        got: Hex(got),
    })
}

/// Bytes that are shown in hexadecimal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hex(pub [u8; 32]);

impl std::fmt::Display for Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
    }
}
