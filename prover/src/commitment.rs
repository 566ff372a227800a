//! Commitments to inputs and outputs that stand across proofs, from the side of who knows the values.
//!
//! An [`Opening`] is all that a prover keeps of one: the values and the blinds. Each proof that shows the commitment reveals one more
//! linear combination of the blinds, so that an opening counts its proofs and gives no more [`Use`]s than it hides its values for
//! (`docs/protocol.md`, "Commitments").

mod reveal;

use ark_ec::AffineRepr;
use rand::CryptoRng;
use sha3::{Digest, Keccak256};
use tapeout_driver::{Backend, Fr, G1Affine, Width};
pub use tapeout_verifier::{
    commitment::{Commitment, CommitmentError},
    reveal::{RevealError, Revealed},
};
use zeroize::Zeroize;

pub use reveal::reveal;

use crate::{
    encoding::{DecodeError, Reader, Writer},
    field::{random, signed, to_signed},
    keys::ProvingKey,
    kzg::OpenError,
    model::Scale,
    plonk::{
        cs::{COMMITMENT_BLINDS, Committed},
        kernels::Kernels,
        proof::Proof,
    },
};

const MAGIC: [u8; 8] = *b"TAPEOUTO";
const VERSION: u32 = 1;

/// The number of proofs that may show one commitment.
pub const MAX_PROOFS: u32 = COMMITMENT_BLINDS as u32 - 1;

/// What a prover keeps of a commitment. Secret.
#[derive(Clone, Debug)]
pub struct Opening {
    known: Use,
    /// The number of proofs that were made or begun.
    proofs: u32,
}

/// One proof's worth of an [`Opening`]. Secret.
#[derive(Clone)]
pub struct Use {
    values: Vec<i64>,
    blinds: Vec<Fr>,
    scale: Scale,
    log_rows: u32,
    point: G1Affine,
}

impl std::fmt::Debug for Use {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Use")
            .field("commitment", &self.commitment())
            .finish_non_exhaustive()
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.values.zeroize();
        self.blinds.iter_mut().for_each(|blind| blind.0.0.zeroize());
    }
}

/// Why an opening cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpeningError {
    /// The file is something else.
    #[error("not an opening: the first bytes must be '{}'", MAGIC.escape_ascii())]
    Magic,
    /// The file was written by another version.
    #[error("an opening of version {got}; this program reads version {VERSION}")]
    Version {
        /// The file's version.
        got: u32,
    },
    /// Too short, too long, or not in canonical form.
    #[error("damaged opening: {0}")]
    Decode(#[from] DecodeError),
    /// The parts do not belong together.
    #[error("damaged opening: {0}")]
    Damaged(&'static str),
    /// Another proof would reveal something of the values.
    #[error("this commitment is in {MAX_PROOFS} proofs, and hides its values in no more: commit anew")]
    Exhausted,
    /// The key has no commitment in that place.
    #[error("the keys commit to no {0}: `tapeout setup` makes keys that do with --{0} committed")]
    NotCommitted(&'static str),
    /// The opening is of other values than those that are to be proven.
    #[error("the opening is of another {0} than the one to be proven")]
    OtherValues(&'static str),
    /// The opening was made for keys of another size.
    #[error("the opening was made for keys of 2^{got} rows, these have 2^{expected}")]
    Rows {
        /// Binary logarithm of the key's rows.
        expected: u32,
        /// The opening's.
        got: u32,
    },
    /// The opening was made for another scale.
    #[error("the opening's fixed-point values have another scale than the key's")]
    OtherScale,
    /// The same values and blinds commit to another point under this key.
    #[error("the opening was made under another reference string")]
    OtherString,
    /// An element that is not there was to be shown.
    #[error("there is no element {index} to show: what is committed to has {len}, numbered from 0")]
    Element {
        /// The element.
        index: u32,
        /// The number of elements.
        len: usize,
    },
    /// The opening of elements failed.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The backend failed.
    #[error(transparent)]
    Driver(#[from] tapeout_driver::Error),
}

/// What is committed to.
pub(crate) struct Values {
    /// "input" or "output".
    pub(crate) what: &'static str,
    pub(crate) values: Vec<i64>,
    pub(crate) scale: Scale,
    pub(crate) log_rows: u32,
}

impl Opening {
    /// Commits to `values`, for keys of the same number of rows and reference string as `key`.
    ///
    /// # Errors
    /// The backend's.
    pub(crate) fn new(
        key: &ProvingKey,
        values: Values,
        backend: &dyn Backend,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, OpeningError> {
        let mut known = Use::new(values, rng);
        let mut column: Vec<Fr> = known.values.iter().map(|v| signed(*v)).collect();
        column.resize(1 << known.log_rows, Fr::from(0u8));
        let columns = [(&column[..], Width::covering(&known.values), &known.blinds[..])];
        known.point = Kernels::new(backend, key.bases())?
            .commit_columns(&columns)?
            .swap_remove(0);
        column.iter_mut().for_each(|v| v.0.0.zeroize());
        Ok(Self { known, proofs: 0 })
    }

    /// The commitment.
    pub fn commitment(&self) -> Commitment {
        self.known.commitment()
    }

    /// The number of proofs that were made or begun.
    pub fn proofs(&self) -> u32 {
        self.proofs
    }

    /// What one more proof needs. Who keeps the opening in a file writes it back before that proof is made.
    ///
    /// # Errors
    /// [`OpeningError::Exhausted`].
    pub fn spend(&mut self) -> Result<Use, OpeningError> {
        if self.proofs >= MAX_PROOFS {
            return Err(OpeningError::Exhausted);
        }
        self.proofs += 1;
        Ok(self.known.clone())
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = Writer::new();
        out.bytes(&MAGIC);
        out.u32(VERSION);
        out.u32(self.proofs);
        out.u32(self.known.log_rows);
        out.u32(u32::from_be_bytes(self.known.scale.0.to_be_bytes()));
        out.g1(&self.known.point);
        out.u64(self.known.values.len() as u64);
        self.known.values.iter().for_each(|v| out.scalar(&signed(*v)));
        self.known.blinds.iter().for_each(|blind| out.scalar(blind));
        let mut bytes = out.finish();
        let checksum: [u8; 32] = Keccak256::digest(&bytes).into();
        bytes.extend_from_slice(&checksum);
        bytes
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`OpeningError`] for anything that is not what [`Self::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, OpeningError> {
        let mut reader = Reader::new(bytes);
        if reader.array::<8>("magic").ok() != Some(MAGIC) {
            return Err(OpeningError::Magic);
        }
        match reader.u32("version")? {
            VERSION => {}
            got => return Err(OpeningError::Version { got }),
        }
        let proofs = reader.u32("number of proofs")?;
        let log_rows = reader.u32("rows")?;
        let scale = Scale(i32::from_be_bytes(reader.array("scale")?));
        let point = reader.g1("commitment")?;
        let len = reader.u64("number of values")?;
        if log_rows > 24 || len > 1 << log_rows {
            return Err(OpeningError::Damaged("more values than rows"));
        }
        let mut value = || {
            let word = reader.scalar("value")?;
            to_signed(word).ok_or(OpeningError::Damaged("a value is out of range"))
        };
        let values = (0..len).map(|_| value()).collect::<Result<_, _>>()?;
        let blinds = (0..COMMITMENT_BLINDS)
            .map(|_| reader.scalar("blind"))
            .collect::<Result<_, _>>()?;
        let checksum: [u8; 32] = reader.array("checksum")?;
        reader.finish()?;
        if checksum != <[u8; 32]>::from(Keccak256::digest(&bytes[..bytes.len() - 32])) {
            return Err(OpeningError::Damaged("its checksum is wrong"));
        }
        let known = Use {
            values,
            blinds,
            scale,
            log_rows,
            point,
        };
        Ok(Self { known, proofs })
    }
}

impl Use {
    /// The commitment.
    pub fn commitment(&self) -> Commitment {
        Commitment(self.point)
    }

    /// With blinds that are new, not committed yet.
    fn new(of: Values, rng: &mut impl CryptoRng) -> Self {
        Self {
            values: of.values,
            blinds: (0..COMMITMENT_BLINDS).map(|_| random(rng)).collect(),
            scale: of.scale,
            log_rows: of.log_rows,
            point: G1Affine::zero(),
        }
    }

    /// Checks that the opening is of these values.
    fn check(&self, of: &Values) -> Result<(), OpeningError> {
        if self.log_rows != of.log_rows {
            return Err(OpeningError::Rows {
                expected: of.log_rows,
                got: self.log_rows,
            });
        }
        if self.scale != of.scale {
            return Err(OpeningError::OtherScale);
        }
        if self.values != of.values {
            return Err(OpeningError::OtherValues(of.what));
        }
        Ok(())
    }
}

/// A commitment in a proof under way.
pub(crate) struct Shown {
    column: usize,
    known: Use,
    /// Whether it was there before the proof.
    standing: bool,
}

impl Shown {
    /// The commitment in these columns: the one that is given, or a new one.
    pub(crate) fn new(
        columns: Option<Committed>,
        given: Option<Use>,
        of: Values,
        rng: &mut impl CryptoRng,
    ) -> Result<Option<Self>, OpeningError> {
        let Some(Committed { values: column, .. }) = columns else {
            return given.map_or(Ok(None), |_| Err(OpeningError::NotCommitted(of.what)));
        };
        let standing = given.is_some();
        let known = match given {
            Some(known) => known.check(&of).map(|()| known)?,
            None => Use::new(of, rng),
        };
        Ok(Some(Self {
            column,
            known,
            standing,
        }))
    }

    /// The column and its blinds.
    pub(crate) fn blinds(&self) -> (usize, Vec<Fr>) {
        (self.column, self.known.blinds.clone())
    }

    /// What opens the commitment, if it is new.
    pub(crate) fn finish(mut self, proof: &Proof) -> Result<Option<Opening>, OpeningError> {
        let point = proof.advice[self.column];
        if self.standing {
            // The values and blinds are the same: the bases are not.
            return if point == self.known.point {
                Ok(None)
            } else {
                Err(OpeningError::OtherString)
            };
        }
        self.known.point = point;
        Ok(Some(Opening {
            known: self.known,
            proofs: 1,
        }))
    }
}

#[cfg(test)]
mod tests;
