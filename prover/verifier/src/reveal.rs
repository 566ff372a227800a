//! Chosen elements of what a commitment is to, shown later: "element `i` is `v`", with one KZG opening for all of them.
//!
//! | bytes | |
//! |---|---|
//! | 8 | `TAPEOUTX` |
//! | 4 | version, big-endian |
//! | 4 | number of elements |
//! | 4 + 32 each | index, strictly ascending, and value |
//! | 128 | the opening |
//!
//! On the rows the blinds of a commitment vanish, and all that the opening adds follows from the commitment and the values shown: what
//! is not shown stays hidden, and the proofs that the commitment can still be in are as many as before.

use ark_bn254::Fr;
use ark_ff::Field;

use crate::{
    commitment::Commitment,
    encoding::{DecodeError, Reader, Writer},
    field::{signed, to_signed},
    keys::VerifyingKey,
    kzg::{self, Claim, KzgError, OpeningProof},
    plonk::at::root_of_unity,
    transcript::{Tag, Transcript},
};

const MAGIC: [u8; 8] = *b"TAPEOUTX";
const VERSION: u32 = 1;

/// Names the rules; any change of them changes it.
const DOMAIN: &[u8] = b"tapeout reveal v1";
/// `[tau]_2`, which the reference string is known by.
const STRING: Tag = Tag(0x01);
/// The commitment.
const COMMITMENT: Tag = Tag(0x02);
/// The number of rows and the indices.
const ELEMENTS: Tag = Tag(0x03);

/// Elements of a committed tensor, with the proof that they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revealed {
    /// Index and fixed-point value of each, in ascending order of the indices.
    pub elements: Vec<(u32, i64)>,
    /// The opening of the commitment on these rows.
    pub opening: OpeningProof,
}

/// Why shown elements are not believed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RevealError {
    /// The file is something else.
    #[error("not a file of shown elements: the first bytes must be '{}'", MAGIC.escape_ascii())]
    Magic,
    /// The file was written by another version.
    #[error("shown elements of version {got}; this program reads version {VERSION}")]
    Version {
        /// The file's version.
        got: u32,
    },
    /// Too short, too long, or not in canonical form.
    #[error(transparent)]
    Decode(#[from] DecodeError),
    /// Indices that are not strictly ascending, or beyond the key's rows; or none.
    #[error("the indices of shown elements must be ascending and below {rows}, and there must be one at least")]
    Indices {
        /// The key's number of rows.
        rows: usize,
    },
    /// A value that is no fixed-point integer.
    #[error("the value of element {index} is out of range")]
    Value {
        /// The element.
        index: u32,
    },
    /// The elements are not those of the commitment.
    #[error("the shown elements are not those of the commitment: {0}")]
    Opening(#[from] KzgError),
}

/// The transcript of an opening of the elements with these indices, and the points that they stand at.
pub fn begin(key: &VerifyingKey, commitment: &Commitment, indices: &[u32]) -> (Vec<Fr>, Transcript) {
    let n = key.interface().shape.n();
    let mut transcript = Transcript::new(DOMAIN);
    transcript.absorb_g2(STRING, &[key.opening.tau_g2()]);
    transcript.absorb_g1(COMMITMENT, &[commitment.0]);
    let mut bytes = Writer::new();
    bytes.u64(n as u64);
    indices.iter().for_each(|index| bytes.u32(*index));
    transcript.absorb_bytes(ELEMENTS, &bytes.finish());
    let root = root_of_unity(n);
    let points = indices.iter().map(|index| root.pow([u64::from(*index)])).collect();
    (points, transcript)
}

impl Revealed {
    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.bytes(&MAGIC);
        out.u32(VERSION);
        out.u32(self.elements.len() as u32);
        for (index, value) in &self.elements {
            out.u32(*index);
            out.scalar(&signed(*value));
        }
        self.opening.write(&mut out);
        out.finish()
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`RevealError`] for anything that is not what [`Self::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RevealError> {
        let mut reader = Reader::new(bytes);
        if reader.array::<8>("magic").ok() != Some(MAGIC) {
            return Err(RevealError::Magic);
        }
        match reader.u32("version")? {
            VERSION => {}
            got => return Err(RevealError::Version { got }),
        }
        let count = reader.u32("number of elements")?;
        let mut element = || {
            let index = reader.u32("index")?;
            let value = to_signed(reader.scalar("value")?).ok_or(RevealError::Value { index })?;
            Ok::<_, RevealError>((index, value))
        };
        let elements = (0..count).map(|_| element()).collect::<Result<_, _>>()?;
        let opening = OpeningProof::read(&mut reader)?;
        reader.finish()?;
        Ok(Self { elements, opening })
    }

    /// Checks that the elements are those of `commitment`, which was made under `key` or another key of as many rows and the same
    /// reference string.
    ///
    /// # Errors
    /// [`RevealError::Indices`], [`RevealError::Opening`].
    pub fn verify(&self, key: &VerifyingKey, commitment: &Commitment) -> Result<(), RevealError> {
        let rows = key.interface().shape.n();
        let ascending = self.elements.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let below = self.elements.last().is_some_and(|(index, _)| (*index as usize) < rows);
        if !ascending || !below {
            return Err(RevealError::Indices { rows });
        }
        let indices: Vec<u32> = self.elements.iter().map(|(index, _)| *index).collect();
        let (points, transcript) = begin(key, commitment, &indices);
        let claim = Claim {
            subject: commitment.0.into(),
            points: &points,
            evals: self.elements.iter().map(|(_, value)| signed(*value)).collect(),
        };
        kzg::verify(&key.opening, &[claim], &self.opening, transcript)?;
        Ok(())
    }
}
