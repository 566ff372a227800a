//! Proving and verifying keys: what they hold, how they are made, and their bytes.

use ark_bn254::G2Affine;
use serde::{Deserialize, Serialize};
use sha3::{Digest, Keccak256};
use tapeout_driver::{Backend, G1Affine, Width};

use crate::{
    encoding::{DecodeError, Reader, Writer},
    field::signed,
    kzg::{self, KzgError},
    layout::{self, Inconsistent, Interface, Wiring},
    model::{Quantised, Scale, program::Program},
    plonk::{
        cs::{ConstraintSystem, Shape},
        fold::{Cache, Fold},
        kernels::{Bases, Kernels, TAIL},
        verifier::Weights,
    },
    srs::{Origin, Srs, SrsError},
};

const VERIFYING_MAGIC: [u8; 8] = *b"TAPEOUTV";
const PROVING_MAGIC: [u8; 8] = *b"TAPEOUTP";
const VERSION: u32 = 2;

/// What a key says of the model that it was made for. Part of the verifying key's digest.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelInfo {
    /// keccak256 of the model file.
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

/// All that a verifier needs.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    pub(crate) model: ModelInfo,
    pub(crate) interface: Interface,
    pub(crate) fixed: Vec<G1Affine>,
    pub(crate) weights: Weights,
    pub(crate) origin: Origin,
    pub(crate) opening: kzg::VerifierKey,
    pub(crate) cs: ConstraintSystem,
    pub(crate) digest: [u8; 32],
}

/// All that a prover needs, the verifying key included.
#[derive(Clone, Debug)]
pub struct ProvingKey {
    pub(crate) verifying: VerifyingKey,
    pub(crate) quantised: Quantised,
    pub(crate) wiring: Wiring,
    pub(crate) bases: Bases,
}

/// Why a key could not be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
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
    /// The reference string is too short or damaged.
    #[error(transparent)]
    Srs(#[from] SrsError),
    /// The program breaks its rules.
    #[error("damaged key: {0}")]
    Program(#[from] crate::model::Error),
    /// The program has no layout.
    #[error(transparent)]
    Layout(#[from] layout::Error),
    /// The backend failed.
    #[error(transparent)]
    Driver(#[from] tapeout_driver::Error),
}

/// What keys take from a reference string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Powers {
    /// Number of powers in G1.
    pub g1: usize,
    /// Number of powers in G2.
    pub g2: usize,
}

/// What keys for `program` take from a reference string.
///
/// # Errors
/// [`KeyError::Layout`] when the shape is too small.
pub fn powers_needed(program: &Program<i64>, shape: &Shape, public_input: bool) -> Result<Powers, KeyError> {
    let (interface, _) = layout::compile(program, shape, public_input)?;
    Ok(powers_of(&Fold::new(&interface.linear), shape))
}

fn powers_of(fold: &Fold, shape: &Shape) -> Powers {
    Powers {
        g1: fold.powers().max(committed(shape)),
        g2: fold.width + 1,
    }
}

/// The number of coefficients of the longest polynomial that is committed to in a proof.
fn committed(shape: &Shape) -> usize {
    shape.n() + TAIL
}

impl ProvingKey {
    /// Lays out `program` and commits to the fixed columns.
    ///
    /// # Errors
    /// [`KeyError::Srs`] when the reference string is too short (see [`powers_needed`]), [`KeyError::Layout`] when the shape
    /// is too small, and the backend's.
    pub fn generate(
        program: Program<i64>,
        shape: &Shape,
        public_input: bool,
        model: ModelInfo,
        srs: &Srs,
        backend: &dyn Backend,
    ) -> Result<Self, KeyError> {
        let cs = ConstraintSystem::new(shape);
        Self::generate_for(cs, program, shape, public_input, model, srs, backend)
    }

    /// As [`Self::generate`], for a constraint system that need not be the shape's: tests leave constraints out.
    pub(crate) fn generate_for(
        cs: ConstraintSystem,
        program: Program<i64>,
        shape: &Shape,
        public_input: bool,
        model: ModelInfo,
        srs: &Srs,
        backend: &dyn Backend,
    ) -> Result<Self, KeyError> {
        let (interface, wiring) = layout::compile(&program, shape, public_input)?;
        let fold = Fold::new(&interface.linear);
        let needed = powers_of(&fold, shape);
        srs.require(needed.g1, needed.g2)?;
        let (tiles, cache) = fold.prepare(&interface.linear, &wiring.weights, srs.powers_g1(), backend)?;
        let shift = srs.powers_g2()[fold.width];
        let bases = Bases {
            lagrange: srs.lagrange_g1(shape.log_n())?,
            monomial: srs.powers_g1()[..committed(shape)].to_vec(),
            fold: cache,
        };
        let columns: Vec<Vec<_>> = wiring
            .fixed
            .iter()
            .map(|c| c.iter().map(|v| signed(*v)).collect())
            .collect();
        let widths = wiring.fixed.iter().map(|c| Width::covering(c));
        let batch: Vec<(&[_], _, &[_])> = columns
            .iter()
            .zip(widths)
            .map(|(c, w)| (c.as_slice(), w, &[][..]))
            .collect();
        let fixed = Kernels::new(backend, &bases)?.commit_columns(&batch)?;
        let verifying = VerifyingKey::new(
            cs,
            model,
            interface,
            fixed,
            Weights::new(fold, tiles, shift),
            srs.origin(),
            srs.tau_g2(),
        )?;
        Ok(Self {
            quantised: verifying.quantised(program),
            verifying,
            wiring,
            bases,
        })
    }

    /// The quantised model.
    pub fn quantised(&self) -> &Quantised {
        &self.quantised
    }

    /// The verifying key.
    pub fn verifying(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// The bases that commitments are made over.
    pub fn bases(&self) -> &Bases {
        &self.bases
    }

    /// The key's bytes: the verifying key, the program, the bases, and a keccak256 of all that.
    ///
    /// # Errors
    /// None in practice: [`KeyError::Description`] is what the encoder could report.
    pub fn to_bytes(&self) -> Result<Vec<u8>, KeyError> {
        let mut out = Writer::new();
        out.bytes(&PROVING_MAGIC);
        out.u32(VERSION);
        let verifying = self.verifying.to_bytes()?;
        out.u64(verifying.len() as u64);
        out.bytes(&verifying);
        let program = postcard::to_stdvec(&self.quantised.program)?;
        out.u64(program.len() as u64);
        out.bytes(&program);
        self.bases
            .lagrange
            .iter()
            .chain(&self.bases.monomial)
            .chain(&self.bases.fold.remainders)
            .chain(&self.bases.fold.reversed)
            .chain(&self.bases.fold.quotients)
            .for_each(|p| out.g1(p));
        let mut bytes = out.finish();
        let checksum: [u8; 32] = Keccak256::digest(&bytes).into();
        bytes.extend_from_slice(&checksum);
        Ok(bytes)
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`KeyError`] for anything that is not what [`Self::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let mut reader = Reader::new(bytes);
        header(&mut reader, "proving key", PROVING_MAGIC)?;
        let len = length(reader.u64("length of the verifying key")?);
        let verifying = VerifyingKey::from_bytes(reader.bytes("verifying key", len)?)?;
        let len = length(reader.u64("length of the program")?);
        let program: Program<i64> = postcard::from_bytes(reader.bytes("program", len)?)?;
        let shape = &verifying.interface.shape;
        let lagrange = reader.g1_points("Lagrange basis", shape.n())?;
        let monomial = reader.g1_points("powers of tau", committed(shape))?;
        let rows = verifying.weights.fold.rows();
        let mut folded = || {
            (0..rows)
                .map(|_| reader.g1_or_infinity("base of the weight fold"))
                .collect::<Result<Vec<_>, _>>()
        };
        let fold = Cache {
            remainders: folded()?,
            reversed: folded()?,
            quotients: folded()?,
        };
        let covered = bytes.len().saturating_sub(32);
        let checksum: [u8; 32] = reader.array("checksum")?;
        reader.finish()?;
        if checksum != <[u8; 32]>::from(Keccak256::digest(&bytes[..covered])) {
            return Err(KeyError::Mismatch("its checksum is wrong"));
        }
        let (input, public_input) = match &verifying.interface.input {
            layout::Input::Private { len } => (*len, false),
            layout::Input::Public(written) => (written.len(), true),
        };
        let quantised = verifying.quantised(program);
        quantised.check()?;
        if quantised.program.input_len() != input {
            return Err(KeyError::Mismatch("the program has another input than the circuit"));
        }
        let (interface, wiring) = layout::compile(&quantised.program, shape, public_input)?;
        if interface != verifying.interface {
            return Err(KeyError::Mismatch("the program's circuit is not the verifying key's"));
        }
        Ok(Self {
            quantised,
            verifying,
            wiring,
            bases: Bases {
                lagrange,
                monomial,
                fold,
            },
        })
    }
}

impl VerifyingKey {
    fn new(
        cs: ConstraintSystem,
        model: ModelInfo,
        interface: Interface,
        fixed: Vec<G1Affine>,
        weights: Weights,
        origin: Origin,
        tau_g2: G2Affine,
    ) -> Result<Self, KeyError> {
        let opening = kzg::VerifierKey::new(tau_g2)?;
        let mut key = Self {
            model,
            interface,
            fixed,
            weights,
            origin,
            opening,
            cs,
            digest: [0; 32],
        };
        key.digest = Keccak256::digest(key.to_bytes()?).into();
        Ok(key)
    }

    fn quantised(&self, program: Program<i64>) -> Quantised {
        let limbs = self.interface.shape.limbs;
        Quantised {
            program,
            limbs,
            input_scale: self.model.input_scale,
            output_scale: self.model.output_scale,
        }
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
    /// None in practice: [`KeyError::Description`] is what the encoder could report.
    pub fn to_bytes(&self) -> Result<Vec<u8>, KeyError> {
        let mut out = Writer::new();
        out.bytes(&VERIFYING_MAGIC);
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
    /// [`KeyError`] for anything that is not what [`Self::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let mut reader = Reader::new(bytes);
        header(&mut reader, "verifying key", VERIFYING_MAGIC)?;
        let len = length(reader.u64("length of the description")?);
        let description = reader.bytes("description", len)?;
        let ((model, interface, origin), rest): ((ModelInfo, Interface, Origin), _) =
            postcard::take_from_bytes(description)?;
        if !rest.is_empty() {
            return Err(KeyError::Mismatch("bytes behind the description"));
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
        let fold = Fold::new(&interface.linear);
        let tiles = fold
            .tiles
            .iter()
            .map(|_| reader.g1_or_infinity("tile of weights"))
            .collect::<Result<_, _>>()?;
        let tau_g2 = reader.g2("[tau]_2")?;
        let shift = reader.g2("[tau^width]_2")?;
        reader.finish()?;
        let weights = Weights::new(fold, tiles, shift);
        let key = Self::new(cs, model, interface, fixed, weights, origin, tau_g2)?;
        if key.digest != <[u8; 32]>::from(Keccak256::digest(bytes)) {
            return Err(KeyError::Mismatch("it is not in canonical form"));
        }
        Ok(key)
    }
}

fn header(reader: &mut Reader<'_>, kind: &'static str, magic: [u8; 8]) -> Result<(), KeyError> {
    if reader.array::<8>("magic").ok() != Some(magic) {
        return Err(KeyError::Magic { kind, expected: magic });
    }
    match reader.u32("version")? {
        VERSION => Ok(()),
        got => Err(KeyError::Version {
            kind,
            expected: VERSION,
            got,
        }),
    }
}

/// A length that no slice reaches stands for any that is too long.
fn length(v: u64) -> usize {
    usize::try_from(v).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests;
