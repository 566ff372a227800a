//! Verifying keys: what they hold, and their bytes.

use std::ops::Deref;

use ark_bn254::{G1Affine, G2Affine};
use serde::{Deserialize, Serialize};
use sha3::{Digest, Keccak256};

use crate::{
    encoding::{DecodeError, Reader, Writer},
    fixed::Scale,
    interface::{Inconsistent, Interface},
    kzg::{self, KzgError},
    plonk::{cs::ConstraintSystem, fold::Fold, verifier::Weights},
};

const MAGIC: [u8; 8] = *b"TAPEOUTV";
const VERSION: u32 = 4;

/// Who could know the tau of a reference string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// Whoever ran the generation could have kept tau: proofs under this string convince nobody else.
    InsecureDev,
    /// A ceremony of many contributors, one of whom must have destroyed their share of tau.
    Ceremony,
}

/// What a key says of the model that it was made for. Part of the verifying key's digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// keccak256 of the model file; where weights are hidden, a commitment to that.
    pub hash: [u8; 32],
    /// Shape of the input.
    pub input_shape: Vec<usize>,
    /// Shape of the output.
    pub output_shape: Vec<usize>,
    /// An input value `v` is proven as the integer nearest to `v` times this.
    pub input_scale: Scale,
    /// A proven output `y` means `y` divided by this.
    pub output_scale: Scale,
}

/// All that a verifier needs. Its parts can be read and not changed: they belong together.
#[derive(Clone, Debug)]
pub struct VerifyingKey(Parts);

/// The parts of a verifying key.
#[derive(Clone, Debug)]
pub struct Parts {
    /// The model that the key is for.
    pub model: ModelInfo,
    /// Where everything is.
    pub interface: Interface,
    /// Commitments of the fixed columns.
    pub fixed: Vec<G1Affine>,
    /// The tiles of weights and their commitments.
    pub weights: Weights,
    /// Where the reference string stems from.
    pub origin: Origin,
    /// The reference string's part that openings are checked with.
    pub opening: kzg::VerifierKey,
    /// The constraint system, which follows from the interface.
    pub cs: ConstraintSystem,
    /// keccak256 of the key's bytes: what a verifier pins, and the model's identity.
    pub digest: [u8; 32],
}

/// Why bytes are no key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyFormatError {
    /// The file is not a key of this kind.
    #[error("not a {kind}: the first bytes must be '{}'", .expected.escape_ascii())]
    Magic {
        /// Which kind was expected.
        kind: &'static str,
        /// Its first bytes.
        expected: [u8; 8],
    },
    /// The key was written by another version.
    #[error("a {kind} of version {got}; this program reads version {expected}")]
    Version {
        /// Which kind.
        kind: &'static str,
        /// The version that is read.
        expected: u32,
        /// The file's.
        got: u32,
    },
    /// The bytes end too soon, or hold no valid point.
    #[error("damaged key: {0}")]
    Decode(#[from] DecodeError),
    /// The description of the circuit is not readable.
    #[error("damaged key: its description cannot be read ({0})")]
    Description(#[from] postcard::Error),
    /// The circuit makes no sense.
    #[error("damaged key: {0}")]
    Inconsistent(#[from] Inconsistent),
    /// The key's parts do not belong together.
    #[error("damaged key: {0}")]
    Mismatch(&'static str),
    /// `[tau]_2` is trivial.
    #[error(transparent)]
    Opening(#[from] KzgError),
}

impl Deref for VerifyingKey {
    type Target = Parts;
    fn deref(&self) -> &Parts {
        &self.0
    }
}

#[cfg(feature = "weaken")]
impl std::ops::DerefMut for VerifyingKey {
    fn deref_mut(&mut self) -> &mut Parts {
        &mut self.0
    }
}

impl VerifyingKey {
    /// The key of a circuit whose fixed columns and tiles of weights have these commitments.
    ///
    /// # Errors
    /// [`KeyFormatError::Opening`] for a trivial `tau_g2`.
    pub fn new(
        model: ModelInfo,
        interface: Interface,
        fixed: Vec<G1Affine>,
        weights: Weights,
        origin: Origin,
        tau_g2: G2Affine,
    ) -> Result<Self, KeyFormatError> {
        let opening = kzg::VerifierKey::new(tau_g2)?;
        let cs = ConstraintSystem::new(&interface.shape);
        let mut key = Self(Parts {
            model,
            interface,
            fixed,
            weights,
            origin,
            opening,
            cs,
            digest: [0; 32],
        });
        key.0.digest = Keccak256::digest(key.to_bytes()?).into();
        Ok(key)
    }

    /// keccak256 of the key's bytes: what a verifier pins, and the model's identity.
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// The model that this key is for.
    pub fn model(&self) -> &ModelInfo {
        &self.model
    }

    /// The circuit's part that the verifier sees.
    pub fn interface(&self) -> &Interface {
        &self.interface
    }

    /// How the weights are cut into the tiles that the key has commitments of.
    pub fn fold(&self) -> &Fold {
        &self.weights.fold
    }

    /// The constraint system.
    pub fn constraints(&self) -> &ConstraintSystem {
        &self.cs
    }

    /// Where the reference string stems from.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The key's bytes. Its digest is their keccak256.
    ///
    /// # Errors
    /// None in practice: [`KeyFormatError::Description`] is what the encoder could report.
    pub fn to_bytes(&self) -> Result<Vec<u8>, KeyFormatError> {
        let mut out = Writer::new();
        out.bytes(&MAGIC);
        out.u32(VERSION);
        let description = postcard::to_stdvec(&(&self.model, &self.interface, self.origin))?;
        out.u64(description.len() as u64);
        out.bytes(&description);
        self.fixed.iter().chain(&self.weights.tiles).for_each(|p| out.g1(p));
        out.g2(&self.opening.tau_g2());
        out.g2(&self.weights.shift);
        Ok(out.finish())
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`KeyFormatError`] for anything that is not what [`Self::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyFormatError> {
        let mut reader = Reader::new(bytes);
        read_header(&mut reader, "verifying key", MAGIC, VERSION)?;
        let len = length(reader.u64("length of the description")?);
        let description = reader.bytes("description", len)?;
        let ((model, interface, origin), rest): ((ModelInfo, Interface, Origin), _) =
            postcard::take_from_bytes(description)?;
        if !rest.is_empty() {
            return Err(KeyFormatError::Mismatch("bytes behind the description"));
        }
        interface.validate()?;
        let cs = ConstraintSystem::new(&interface.shape);
        // A column of zeros, such as the multiplicities of a lane that nothing reads, commits to the point at infinity.
        let fixed = cs
            .fixed
            .iter()
            .map(|_| reader.g1_or_infinity("fixed column"))
            .collect::<Result<_, _>>()?;
        // So does a tile whose weights are all zero.
        let fold = interface.fold();
        let tiles = fold
            .tiles
            .iter()
            .map(|_| reader.g1_or_infinity("tile of weights"))
            .collect::<Result<_, _>>()?;
        let tau_g2 = reader.g2("[tau]_2")?;
        let shift = reader.g2("[tau^width]_2")?;
        reader.finish()?;
        let weights = Weights::new(fold, tiles, shift);
        let key = Self::new(model, interface, fixed, weights, origin, tau_g2)?;
        if key.digest != <[u8; 32]>::from(Keccak256::digest(bytes)) {
            return Err(KeyFormatError::Mismatch("it is not in canonical form"));
        }
        Ok(key)
    }
}

/// Reads the magic and the version that every key begins with.
///
/// # Errors
/// [`KeyFormatError::Magic`], [`KeyFormatError::Version`].
pub fn read_header(
    reader: &mut Reader<'_>,
    kind: &'static str,
    magic: [u8; 8],
    version: u32,
) -> Result<(), KeyFormatError> {
    if reader.array::<8>("magic").ok() != Some(magic) {
        return Err(KeyFormatError::Magic { kind, expected: magic });
    }
    match reader.u32("version")? {
        got if got == version => Ok(()),
        got => Err(KeyFormatError::Version {
            kind,
            expected: version,
            got,
        }),
    }
}

/// A length that no slice reaches stands for any that is too long.
pub fn length(v: u64) -> usize {
    usize::try_from(v).unwrap_or(usize::MAX)
}
