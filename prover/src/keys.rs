//! Proving and verifying keys: what they hold, how they are made, and their bytes.

use ark_bn254::G2Affine;
use sha3::{Digest, Keccak256};
use tapeout_driver::Backend;

pub use tapeout_verifier::keys::{KeyFormatError, ModelInfo, Parts, VerifyingKey};
use tapeout_verifier::keys::{length, read_header};

use crate::{
    certificate,
    encoding::{DecodeError, Reader, Writer, g1_points},
    layout::{self, Disclosure, Interface, Wiring},
    model::{Quantised, program::Program},
    plonk::{
        cs::Shape,
        fold::{self, Cache, Fold},
        hidden::{Dummies, Secret},
        kernels::{Bases, Kernels, TAIL},
        verifier::Weights,
    },
    srs::{Srs, SrsError},
};

const MAGIC: [u8; 8] = *b"TAPEOUTP";
const VERSION: u32 = 4;
const CHECKSUM_BYTES: usize = 32;

/// All that a prover needs, the verifying key included.
#[derive(Clone, Debug)]
pub struct ProvingKey {
    pub(crate) verifying: VerifyingKey,
    pub(crate) quantised: Quantised,
    pub(crate) wiring: Wiring,
    pub(crate) bases: Bases,
    pub(crate) concealed: Option<Concealed>,
    pub(crate) dummies: Dummies,
}

/// What a proving key holds beside its verifying key where that hides the weights.
#[derive(Clone, Copy, Debug)]
pub struct Concealed {
    /// What the dummies follow from.
    pub secret: Secret,
    /// keccak256 of the model file; the verifying key has a hash of this and of the secret.
    pub model_hash: [u8; 32],
}

impl Concealed {
    /// What the verifying key names the model by: a commitment to its hash.
    pub fn model_commitment(&self) -> [u8; 32] {
        let mut hasher = Keccak256::new_with_prefix(b"tapeout hidden model");
        hasher.update(self.secret.0);
        hasher.update(self.model_hash);
        hasher.finalize().into()
    }

    /// The dummies of one key. They depend on all that the key depends on: what two keys with other weights or another reference string show of
    /// the same dummies would be more than these hide.
    fn dummies(
        &self,
        program: &Program<i64>,
        interface: &Interface,
        tau_g2: G2Affine,
        fold: &Fold,
    ) -> Result<Dummies, KeyError> {
        let mut tau = Writer::new();
        tau.g2(&tau_g2);
        let mut hasher = Keccak256::new_with_prefix(b"tapeout hidden weights");
        hasher.update(self.secret.0);
        hasher.update(tau.finish());
        hasher.update(postcard::to_stdvec(&(interface, program))?);
        Ok(Dummies::new(fold, hasher.finalize().into()))
    }

    /// The same for one of several keys of a model, whose weights are to be hidden independently of each other.
    #[must_use]
    pub fn for_segment(&self, segment: usize) -> Self {
        let mut hasher = Keccak256::new_with_prefix(b"tapeout hidden segment");
        hasher.update(self.secret.0);
        hasher.update((segment as u64).to_be_bytes());
        Self {
            secret: Secret(hasher.finalize().into()),
            ..*self
        }
    }
}

/// Why a key could not be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// The bytes are no key.
    #[error(transparent)]
    Format(#[from] KeyFormatError),
    /// The reference string is too short or damaged.
    #[error(transparent)]
    Srs(#[from] SrsError),
    /// The program breaks its rules.
    #[error("damaged key: {0}")]
    Program(#[from] crate::model::Error),
    /// The program has no layout.
    #[error(transparent)]
    Layout(#[from] layout::Error),
    /// Weights are to be hidden and there is nothing to hide them with, or the reverse.
    #[error("hidden weights take a secret, and nothing else does")]
    Secret,
    /// The backend failed.
    #[error(transparent)]
    Driver(#[from] tapeout_driver::Error),
}

impl From<DecodeError> for KeyError {
    fn from(error: DecodeError) -> Self {
        Self::Format(error.into())
    }
}

impl From<postcard::Error> for KeyError {
    fn from(error: postcard::Error) -> Self {
        Self::Format(error.into())
    }
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
pub fn powers_needed(program: &Program<i64>, shape: &Shape, disclosure: Disclosure) -> Result<Powers, KeyError> {
    let (interface, _) = layout::compile(program, shape, disclosure)?;
    Ok(powers_of(&interface.fold(), shape))
}

fn powers_of(fold: &Fold, shape: &Shape) -> Powers {
    Powers {
        // A certificate of hidden weights commits to its mask besides.
        g1: fold.powers().max(committed(fold, shape)).max(certificate::MASK_LEN),
        g2: fold.width + 1,
    }
}

/// The number of coefficients of the longest polynomial that is committed to in a proof.
fn committed(fold: &Fold, shape: &Shape) -> usize {
    fold.width.max(shape.n() + TAIL)
}

impl ProvingKey {
    /// Lays out `program` and commits to the fixed columns. `concealed` is what hides the weights, where the disclosure says
    /// that they are.
    ///
    /// # Errors
    /// [`KeyError::Secret`] where `concealed` is not what the disclosure asks for, [`KeyError::Srs`] when the reference string
    /// is too short (see [`powers_needed`]), [`KeyError::Layout`] when the shape is too small, and the backend's.
    pub fn generate(
        program: Program<i64>,
        shape: &Shape,
        disclosure: Disclosure,
        model: ModelInfo,
        concealed: Option<Concealed>,
        srs: &Srs,
        backend: &dyn Backend,
    ) -> Result<Self, KeyError> {
        if disclosure.hidden_weights != concealed.is_some() {
            return Err(KeyError::Secret);
        }
        let (interface, wiring) = layout::compile(&program, shape, disclosure)?;
        let fold = interface.fold();
        let dummies = match &concealed {
            Some(concealed) => concealed.dummies(&program, &interface, srs.tau_g2(), &fold)?,
            None => Dummies::default(),
        };
        let needed = powers_of(&fold, shape);
        srs.require(needed.g1, needed.g2)?;
        let (layers, powers) = (&interface.linear, srs.powers_g1());
        let (tiles, cache) = fold::prepare(&fold, layers, &wiring.weights, &dummies, powers, backend)?;
        let shift = srs.powers_g2()[fold.width];
        let bases = Bases {
            lagrange: srs.lagrange_g1(shape.log_n())?,
            monomial: srs.powers_g1()[..committed(&fold, shape)].to_vec(),
            fold: cache,
        };
        let columns = wiring.fixed_columns();
        let widths = wiring.fixed_widths();
        let batch: Vec<(&[_], _, &[_])> = columns
            .iter()
            .zip(widths)
            .map(|(c, w)| (c.as_slice(), w, &[][..]))
            .collect();
        let fixed = Kernels::new(backend, &bases)?.commit_columns(&batch)?;
        let verifying = VerifyingKey::new(
            model,
            interface,
            fixed,
            Weights::new(fold, tiles, shift),
            srs.origin(),
            srs.tau_g2(),
        )?;
        Ok(Self {
            quantised: quantised(&verifying, program),
            verifying,
            wiring,
            bases,
            concealed,
            dummies,
        })
    }

    /// Forgets what a proof needs no longer once it has its bases loaded, its trace and its weights: all but the verifying key and the
    /// fixed columns.
    pub(crate) fn unload(&mut self) {
        self.bases = Bases::default();
        self.quantised.program.layers = Vec::new();
        self.wiring = Wiring {
            fixed: std::mem::take(&mut self.wiring.fixed),
            wide: std::mem::take(&mut self.wiring.wide),
            ..Wiring::default()
        };
    }

    /// keccak256 of the model file.
    pub fn model_hash(&self) -> [u8; 32] {
        self.concealed.map_or(self.verifying.model.hash, |c| c.model_hash)
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

    /// The key's bytes: the verifying key, the program, what hides the weights if they are, the bases, and a keccak256 of all that.
    ///
    /// # Errors
    /// None in practice: [`KeyFormatError::Description`] is what the encoder could report.
    pub fn to_bytes(&self) -> Result<Vec<u8>, KeyError> {
        let mut out = Writer::new();
        out.bytes(&MAGIC);
        out.u32(VERSION);
        let verifying = self.verifying.to_bytes()?;
        out.u64(verifying.len() as u64);
        out.bytes(&verifying);
        let program = postcard::to_stdvec(&self.quantised.program)?;
        out.u64(program.len() as u64);
        out.bytes(&program);
        if let Some(concealed) = &self.concealed {
            out.bytes(&concealed.secret.0);
            out.bytes(&concealed.model_hash);
        }
        self.bases
            .lagrange
            .iter()
            .chain(&self.bases.monomial)
            .chain(&self.bases.fold.remainders)
            .chain(&self.bases.fold.reversed)
            .chain(&self.bases.fold.quotients)
            .for_each(|p| out.g1(p));
        let mut bytes = out.finish();
        let checksum: [u8; CHECKSUM_BYTES] = Keccak256::digest(&bytes).into();
        bytes.extend_from_slice(&checksum);
        Ok(bytes)
    }

    /// Reads a key.
    ///
    /// # Errors
    /// [`KeyError`] for anything that is not what [`Self::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, KeyError> {
        let covered = &bytes[..bytes.len().saturating_sub(CHECKSUM_BYTES)];
        let (checksum, contents) = rayon::join(|| Keccak256::digest(covered), || Contents::read(bytes));
        let Contents {
            verifying,
            program,
            concealed,
            bases,
            checksum: stated,
        } = contents?;
        if stated[..] != checksum[..] {
            return Err(KeyFormatError::Mismatch("its checksum is wrong").into());
        }
        let quantised = quantised(&verifying, program);
        let wiring = wiring(&quantised, &verifying)?;
        let dummies = match &concealed {
            Some(concealed) => {
                let (interface, fold) = (&verifying.interface, &verifying.weights.fold);
                concealed.dummies(&quantised.program, interface, verifying.opening.tau_g2(), fold)?
            }
            None => Dummies::default(),
        };
        Ok(Self {
            dummies,
            quantised,
            verifying,
            wiring,
            bases,
            concealed,
        })
    }
}

/// What the file of a proving key holds.
struct Contents {
    verifying: VerifyingKey,
    program: Program<i64>,
    concealed: Option<Concealed>,
    bases: Bases,
    checksum: [u8; CHECKSUM_BYTES],
}

impl Contents {
    fn read(bytes: &[u8]) -> Result<Self, KeyError> {
        let mut reader = Reader::new(bytes);
        read_header(&mut reader, "proving key", MAGIC, VERSION)?;
        let len = length(reader.u64("length of the verifying key")?);
        let verifying = VerifyingKey::from_bytes(reader.bytes("verifying key", len)?)?;
        let len = length(reader.u64("length of the program")?);
        let program: Program<i64> = postcard::from_bytes(reader.bytes("program", len)?)?;
        let concealed = match verifying.interface.hidden_weights {
            None => None,
            Some(_) => Some(Concealed {
                secret: Secret(reader.array("secret of the weights")?),
                model_hash: reader.array("model hash")?,
            }),
        };
        let shape = &verifying.interface.shape;
        let lagrange = g1_points(&mut reader, "Lagrange basis", shape.n())?;
        let monomial = g1_points(&mut reader, "powers of tau", committed(&verifying.weights.fold, shape))?;
        let rows = verifying.weights.fold.rows();
        let mut folded = || {
            (0..rows)
                .map(|_| reader.g1_or_infinity("base of the weight fold"))
                .collect::<Result<Vec<_>, _>>()
        };
        let bases = Bases {
            lagrange,
            monomial,
            fold: Cache {
                remainders: folded()?,
                reversed: folded()?,
                quotients: folded()?,
            },
        };
        let checksum = reader.array("checksum")?;
        reader.finish()?;
        Ok(Contents {
            verifying,
            program,
            concealed,
            bases,
            checksum,
        })
    }
}

/// Checks a program from a file and lays it out; its circuit must be the key's.
///
/// # Errors
/// [`KeyError::Program`], [`KeyError::Layout`], and [`KeyFormatError::Mismatch`] for another circuit.
pub(crate) fn wiring(quantised: &Quantised, key: &VerifyingKey) -> Result<Wiring, KeyError> {
    let input = match &key.interface.input {
        layout::Input::Private { len, .. } => *len,
        layout::Input::Public(written) => written.len(),
    };
    quantised.check()?;
    // Before anything of its size is made.
    if quantised.program.input_len() != input {
        return Err(KeyFormatError::Mismatch("the program has another input than the circuit").into());
    }
    let (shape, disclosure) = (&key.interface.shape, key.interface.disclosure());
    let (interface, wiring) = layout::compile(&quantised.program, shape, disclosure)?;
    if interface != key.interface {
        return Err(KeyFormatError::Mismatch("the program's circuit is not the verifying key's").into());
    }
    Ok(wiring)
}

pub(crate) fn quantised(key: &VerifyingKey, program: Program<i64>) -> Quantised {
    Quantised {
        program,
        limbs: key.interface.shape.limbs,
        input_scale: key.model.input_scale,
        output_scale: key.model.output_scale,
    }
}

#[cfg(test)]
mod tests;
