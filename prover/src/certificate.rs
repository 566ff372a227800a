//! What a verifying key with hidden weights does not show, proven once for all proofs under it: that its weights are integers of
//! bounded size and its circuit is the layout of a network whose layers, weights left out, are stated.
//!
//! A [`Certificate`] is made with each key, and a file of [`Certificates`] is checked by whoever is to trust the verifying key of a model,
//! whole or in segments. The argument, why it is sound and
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
    model::{
        Quantised,
        program::{Program, Taps},
    },
    pipeline::{Key, Trust},
    plonk::fold::polynomials,
    srs::{Origin, Srs, SrsError},
};
pub(crate) use argument::MASK_LEN;
use argument::{Argument, SUM_BITS};

const MAGIC: [u8; 8] = *b"TAPEOUTW";
const VERSION: u32 = 2;

/// Proven weights are smaller than this power of two in size: far beyond what keys are made of, and far below what could wrap around.
pub const WEIGHT_BITS: u32 = 137;

/// That a verifying key's hidden weights are integers of at most [`WEIGHT_BITS`] bits, and which network its circuit is of.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificate {
    /// The key that it is for.
    pub key: [u8; 32],
    /// The network without its weights but those that settle advice: constants, shifts and signs.
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
    /// A layer holds values that the prover chooses, and those behind it do not settle them; or it has products beyond the range
    /// of a slot for other ends.
    #[error(
        "layer '{layer}' is advice that nothing settles, or has a raw product's values for other ends than settling advice"
    )]
    Unsettled {
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
    /// There are other segments than certificates.
    #[error("the key is of {expected} segment(s), the file has {got} certificate(s)")]
    Count {
        /// Segments.
        expected: usize,
        /// Certificates.
        got: usize,
    },
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

/// A program without what hidden weights hide: no names, and weights and biases only where `settling` says so, beyond whether a
/// layer has biases.
fn skeleton(program: &Program<i64>, settling: &[bool]) -> Program<i64> {
    let mut skeleton = program.clone();
    for (i, layer) in skeleton.layers.iter_mut().enumerate() {
        layer.name = format!("layer {i}");
        if settling[i] {
            continue;
        }
        let biased = layer.bias.iter().any(|b| *b != 0);
        layer.bias.fill(i64::from(biased));
        for term in &mut layer.terms {
            term.taps = Taps::from(vec![Vec::new(); layer.channels]);
        }
    }
    skeleton
}

/// Which layers' weights are stated, as values that the prover chooses rest on them.
fn settling(quantised: &Quantised) -> Result<Vec<bool>, CertificateError> {
    quantised.settling().map_err(|layer| CertificateError::Unsettled {
        layer: quantised.program.layers[layer].name.clone(),
    })
}

/// What a skeleton states of a key.
struct Stated {
    /// The skeleton's hash.
    digest: [u8; 32],
    /// Its circuit, whose fixed columns must be the key's, as must be the weights of those layers that settle advice.
    wiring: Wiring,
    settling: Vec<bool>,
}

impl Stated {
    fn new(skeleton: &Program<i64>, key: &VerifyingKey) -> Result<Self, CertificateError> {
        let quantised = keys::quantised(key, skeleton.clone());
        let wiring = keys::wiring(&quantised, key).map_err(|error| match error {
            KeyError::Format(KeyFormatError::Mismatch(_)) => CertificateError::OtherCircuit,
            error => CertificateError::Network(error),
        })?;
        Ok(Self {
            digest: Keccak256::digest(postcard::to_stdvec(skeleton)?).into(),
            settling: settling(&quantised)?,
            wiring,
        })
    }
}

impl Certificate {
    /// Certifies a key's weights. `srs` is the reference string that the key was made with.
    ///
    /// # Errors
    /// [`CertificateError::NotHidden`], [`CertificateError::Unsettled`], [`CertificateError::Weights`], and those of the backend.
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
        let settling = settling(&key.quantised)?;
        let hidden = key
            .wiring
            .weights
            .iter()
            .zip(&settling)
            .filter(|(_, settling)| !**settling);
        let taps = hidden
            .flat_map(|(layer, _)| layer)
            .flat_map(|taps| taps.iter().flatten());
        let total: u128 = taps.map(|(_, w)| u128::from(w.unsigned_abs())).sum();
        if total >> SUM_BITS != 0 {
            return Err(CertificateError::Weights);
        }
        let skeleton = skeleton(&key.quantised.program, &settling);
        let stated = Stated::new(&skeleton, verifying)?;
        let (fold, layers) = (&verifying.weights.fold, &verifying.interface.linear);
        let tiles = polynomials(fold, layers, &key.wiring.weights, &key.dummies);
        let certificate = Self {
            key: verifying.digest,
            skeleton,
            argument: Argument::prove(verifying, &tiles, &stated, srs, backend, rng, |_| {})?,
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
        self.argument.verify(key, &Stated::new(&self.skeleton, key)?)
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, CertificateError> {
        let key = reader.array("key digest")?;
        let len = usize::try_from(reader.u64("length of the network")?).unwrap_or(usize::MAX);
        let (skeleton, rest) = postcard::take_from_bytes(reader.bytes("network", len)?)?;
        if !rest.is_empty() {
            return Err(postcard::Error::DeserializeBadEncoding.into());
        }
        Ok(Self {
            key,
            skeleton,
            argument: Argument::read(reader)?,
        })
    }
}

/// The certificates of a model: one, or one for each segment. Segments that keys tie to each other are then those of one network.
#[derive(Clone, Debug, PartialEq)]
pub struct Certificates(pub Vec<Certificate>);

impl Certificates {
    /// Checks all. `trust` says which reference strings will do.
    ///
    /// # Errors
    /// As [`Certificate::verify`]; [`CertificateError::Count`].
    pub fn verify(&self, key: &Key, trust: Trust) -> Result<(), CertificateError> {
        let keys = key.keys();
        if keys.len() != self.0.len() {
            let (expected, got) = (keys.len(), self.0.len());
            return Err(CertificateError::Count { expected, got });
        }
        let mut all = self.0.iter().zip(keys);
        all.try_for_each(|(certificate, key)| certificate.verify(key, trust))
    }

    /// The file's bytes.
    ///
    /// # Errors
    /// None in practice: [`CertificateError::Description`] is what the encoder could report.
    pub fn to_bytes(&self) -> Result<Vec<u8>, CertificateError> {
        let mut out = Writer::new();
        out.bytes(&MAGIC);
        out.u32(VERSION);
        out.u32(self.0.len() as u32);
        for certificate in &self.0 {
            out.bytes(&certificate.key);
            let skeleton = postcard::to_stdvec(&certificate.skeleton)?;
            out.u64(skeleton.len() as u64);
            out.bytes(&skeleton);
            certificate.argument.write(&mut out);
        }
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
        let count = reader.u32("number of certificates")?;
        let certificates: Result<Vec<_>, _> = (0..count).map(|_| Certificate::read(&mut reader)).collect();
        let certificates = certificates?;
        reader.finish()?;
        Ok(Self(certificates))
    }
}

#[cfg(test)]
mod tests;
