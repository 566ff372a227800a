//! What a verifying key with hidden weights does not show, proven once for all proofs under it: that its weights are integers of
//! bounded size and its circuit is the layout of a network whose layers, weights left out, are stated.
//!
//! A [`Certificate`] is made with the keys and checked by whoever is to trust the verifying key. The argument, why it is sound and
//! what it reveals stand in `docs/protocol.md`, "The certificate of hidden weights".

mod argument;

use rand::CryptoRng;
use sha3::{Digest, Keccak256};
use tapeout_driver::Backend;

use crate::{
    encoding::{DecodeError, Reader, Writer},
    keys::{self, KeyError, KeyFormatError, ProvingKey, VerifyingKey},
    kzg::{KzgError, OpenError},
    layout::Wiring,
    model::program::{Act, Program, Taps},
    pipeline::Trust,
    plonk::fold::polynomials,
    srs::{Origin, Srs, SrsError},
};
pub(crate) use argument::MASK_LEN;
use argument::{Argument, SUM_BITS};

const MAGIC: [u8; 8] = *b"TAPEOUTW";
const VERSION: u32 = 1;

/// Proven weights are smaller than this power of two in size: far beyond what keys are made of, and far below what could wrap around.
pub const WEIGHT_BITS: u32 = 137;

/// That a verifying key's hidden weights are integers of at most [`WEIGHT_BITS`] bits, and which network its circuit is of.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    /// The key that it is for.
    pub key: [u8; 32],
    /// The network without its weights.
    pub skeleton: Program<i64>,
    argument: Argument,
}

/// Why there is no certificate, or why it shows nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CertificateError {
    /// The key does not hide its weights: whoever has the model makes it again.
    #[error(
        "the key does not hide its weights, so that there is nothing to certify: setup makes it again of the model"
    )]
    NotHidden,
    /// Values that the prover chooses are right only if the weights of the layers behind them are.
    #[error("layer '{layer}' rests on the weights of layers behind it, which hidden weights cannot be trusted with")]
    Unsupported {
        /// The layer.
        layer: String,
    },
    /// The weights add up to more than their sums' masks can hide.
    #[error("the weights are larger than a certificate can be made for")]
    Weights,
    /// The file is something else.
    #[error("not a certificate: the first bytes must be '{}'", MAGIC.escape_ascii())]
    Magic,
    /// The file was written by another version.
    #[error("a certificate of version {got}; this program reads version {VERSION}")]
    Version {
        /// The file's version.
        got: u32,
    },
    /// Too short, too long, or not in canonical form.
    #[error("damaged certificate: {0}")]
    Decode(#[from] DecodeError),
    /// The network is not readable.
    #[error("damaged certificate: its network cannot be read ({0})")]
    Description(#[from] postcard::Error),
    /// The network breaks its rules or has no layout.
    #[error("damaged certificate: {0}")]
    Network(#[source] KeyError),
    /// The key's reference string was made for development.
    #[error("the key's reference string is marked insecure-dev: whoever made it can certify anything")]
    InsecureReferenceString,
    /// The certificate is for another key.
    #[error("the certificate is for another verifying key")]
    OtherKey,
    /// The network's circuit is not the key's.
    #[error("the circuit of the certificate's network is not the key's")]
    OtherCircuit,
    /// A sum of weights is beyond the bound.
    #[error("a sum of weights is out of range")]
    Range,
    /// The key's weights or columns are not what the certificate says.
    #[error("the certificate does not hold for this key: {0}")]
    Opening(#[from] KzgError),
    /// A challenge took a value at which the check is not defined.
    #[error("a challenge of this certificate is a value at which it cannot be checked")]
    Challenge,
    /// No opening was found.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The reference string is too short.
    #[error(transparent)]
    Srs(#[from] SrsError),
    /// The backend failed.
    #[error(transparent)]
    Driver(#[from] tapeout_driver::Error),
}

/// A program without what hidden weights hide: no weights, biases only where there are any, no names.
fn skeleton(program: &Program<i64>) -> Program<i64> {
    let mut skeleton = program.clone();
    for (i, layer) in skeleton.layers.iter_mut().enumerate() {
        layer.name = format!("layer {i}");
        let biased = layer.bias.iter().any(|b| *b != 0);
        layer.bias.fill(i64::from(biased));
        for term in &mut layer.terms {
            term.taps = Taps::from(vec![Vec::new(); layer.channels]);
        }
    }
    skeleton
}

/// Layers whose values are what they should be whatever the weights of others are.
fn supported(program: &Program<i64>) -> Result<(), CertificateError> {
    let unsupported = |act: Act| matches!(act, Act::Advice(_) | Act::RawProduct);
    match program.layers.iter().find(|layer| unsupported(layer.act)) {
        Some(layer) => Err(CertificateError::Unsupported {
            layer: layer.name.clone(),
        }),
        None => Ok(()),
    }
}

/// The fixed columns of the skeleton's circuit, which must be the key's.
fn circuit(skeleton: &Program<i64>, key: &VerifyingKey) -> Result<Wiring, CertificateError> {
    keys::wiring(&keys::quantised(key, skeleton.clone()), key).map_err(|error| match error {
        KeyError::Format(KeyFormatError::Mismatch(_)) => CertificateError::OtherCircuit,
        error => CertificateError::Network(error),
    })
}

impl Certificate {
    /// Certifies a key's weights. `srs` is the reference string that the key was made with.
    ///
    /// # Errors
    /// [`CertificateError::NotHidden`], [`CertificateError::Unsupported`], [`CertificateError::Weights`], and those of the backend.
    pub fn new(
        key: &ProvingKey,
        srs: &Srs,
        backend: &dyn Backend,
        rng: &mut impl CryptoRng,
    ) -> Result<Self, CertificateError> {
        let verifying = &key.verifying;
        if verifying.interface.hidden_weights.is_none() {
            return Err(CertificateError::NotHidden);
        }
        supported(&key.quantised.program)?;
        let taps = key
            .wiring
            .weights
            .iter()
            .flatten()
            .flat_map(|taps| taps.iter().flatten());
        let total: u128 = taps.map(|(_, w)| u128::from(w.unsigned_abs())).sum();
        if total >> SUM_BITS != 0 {
            return Err(CertificateError::Weights);
        }
        let skeleton = skeleton(&key.quantised.program);
        let columns = circuit(&skeleton, verifying)?.fixed_columns();
        let (fold, layers) = (&verifying.weights.fold, &verifying.interface.linear);
        let tiles = polynomials(fold, layers, &key.wiring.weights, &key.dummies);
        let digest = digest(&skeleton)?;
        let certificate = Self {
            key: verifying.digest,
            skeleton,
            argument: Argument::prove(verifying, &tiles, &digest, &columns, srs, backend, rng)?,
        };
        // A backend that computes wrong is found out here.
        certificate.verify(verifying, Trust::InsecureDev)?;
        Ok(certificate)
    }

    /// Checks that this is true of `key`. `trust` says which reference strings will do.
    ///
    /// # Errors
    /// [`CertificateError`]; what it says of damage means that nothing is certified.
    pub fn verify(&self, key: &VerifyingKey, trust: Trust) -> Result<(), CertificateError> {
        if key.origin == Origin::InsecureDev && trust == Trust::Ceremony {
            return Err(CertificateError::InsecureReferenceString);
        }
        if key.interface.hidden_weights.is_none() {
            return Err(CertificateError::NotHidden);
        }
        if self.key != key.digest {
            return Err(CertificateError::OtherKey);
        }
        supported(&self.skeleton)?;
        let wiring = circuit(&self.skeleton, key)?;
        self.argument
            .verify(key, &digest(&self.skeleton)?, &wiring.fixed_columns())
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// None in practice: [`CertificateError::Description`] is what the encoder could report.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CertificateError> {
        let mut out = Writer::new();
        out.bytes(&MAGIC);
        out.u32(VERSION);
        out.bytes(&self.key);
        let skeleton = postcard::to_stdvec(&self.skeleton)?;
        out.u64(skeleton.len() as u64);
        out.bytes(&skeleton);
        self.argument.write(&mut out);
        Ok(out.finish())
    }

    /// Reads a file.
    ///
    /// # Errors
    /// [`CertificateError`] for anything that is not what [`Self::to_bytes`] writes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CertificateError> {
        let mut reader = Reader::new(bytes);
        if reader.array::<8>("magic").ok() != Some(MAGIC) {
            return Err(CertificateError::Magic);
        }
        match reader.u32("version")? {
            VERSION => {}
            got => return Err(CertificateError::Version { got }),
        }
        let key = reader.array("key digest")?;
        let len = usize::try_from(reader.u64("length of the network")?).unwrap_or(usize::MAX);
        let (skeleton, rest) = postcard::take_from_bytes(reader.bytes("network", len)?)?;
        if !rest.is_empty() {
            return Err(postcard::Error::DeserializeBadEncoding.into());
        }
        let argument = Argument::read(&mut reader)?;
        reader.finish()?;
        Ok(Self {
            key,
            skeleton,
            argument,
        })
    }
}

fn digest(skeleton: &Program<i64>) -> Result<[u8; 32], CertificateError> {
    Ok(Keccak256::digest(postcard::to_stdvec(skeleton)?).into())
}

#[cfg(test)]
mod tests;
