//! The structured reference string of KZG: powers of a secret tau in the exponent of BN254's groups.
//!
//! `powers_g1[i] = [tau^i]_1` and `powers_g2[i] = [tau^i]_2`. Whoever knows tau can open any commitment to anything, so a
//! string says where it stems from ([`Origin`]): one that this module generates is [`Origin::InsecureDev`], good for
//! development and tests only. A string is either generated here or decoded, by [`Srs::from_bytes`] or from a ceremony's file
//! by [`ptau::Ptau`], which check every property that commitments rest on; a value of type [`Srs`] has them all.

mod check;
mod file;
mod generate;
pub mod pins;
pub mod ptau;

use ark_bn254::{G1Affine, G2Affine};
use ark_ec::AffineRepr;

pub use tapeout_verifier::keys::Origin;

use crate::encoding::DecodeError;

/// Powers of tau in G1 and G2: at least `[1]` and `[tau]` in each group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srs {
    powers_g1: Vec<G1Affine>,
    powers_g2: Vec<G2Affine>,
    origin: Origin,
}

/// Why there is no reference string.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SrsError {
    /// The first bytes are not those of a reference string.
    #[error("not a reference string: the first bytes must be {expected:02x?}, got {got:02x?}")]
    Magic {
        /// The bytes that every file starts with.
        expected: [u8; 8],
        /// The bytes that came.
        got: [u8; 8],
    },
    /// The file's version is another.
    #[error("reference string of version {got}, only version {expected} is known")]
    Version {
        /// The version that this program reads.
        expected: u32,
        /// The file's.
        got: u32,
    },
    /// The byte that marks the origin has no meaning.
    #[error("reference string of unknown origin {got}: expected 0 (insecure-dev) or 1 (ceremony)")]
    UnknownOrigin {
        /// The byte.
        got: u8,
    },
    /// Fewer powers than `[1]` and `[tau]`, or more than can be addressed.
    #[error(
        "a reference string needs from 2 to 2^{} powers in {group}, got {got}",
        file::MAX_LOG_POWERS
    )]
    Count {
        /// `G1` or `G2`.
        group: &'static str,
        /// The number of powers that was asked for or that the file states.
        got: u64,
    },
    /// A `.ptau` file is none.
    #[error(transparent)]
    Ptau(#[from] ptau::PtauError),
    /// A field of the file is not the encoding of what must stand there.
    #[error("reference string: {0}")]
    Decode(#[from] DecodeError),
    /// The power 0 is not the group's standard generator.
    #[error("power 0 in {group} is not the standard generator")]
    Generator {
        /// `G1` or `G2`.
        group: &'static str,
    },
    /// The power 1 is the generator, that is, tau is 1 and no secret.
    #[error("[tau]_2 equals the generator of G2: tau is 1")]
    TrivialTau,
    /// The points are not successive powers of one tau.
    #[error("the points in {group} are not successive powers of the tau of [tau]_2")]
    Inconsistent {
        /// `G1` or `G2`.
        group: &'static str,
    },
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Randomness(#[from] rand::rand_core::OsError),
    /// The string is too short for the model.
    #[error("the model needs {g1} powers in G1 and {g2} in G2; the reference string has {got_g1} and {got_g2}")]
    TooFewPowers {
        /// Powers needed in G1.
        g1: usize,
        /// Powers needed in G2.
        g2: usize,
        /// Powers there are in G1.
        got_g1: usize,
        /// Powers there are in G2.
        got_g2: usize,
    },
    /// The string is too short for the domain.
    #[error("a domain of 2^{log_n} points needs 2^{log_n} powers in G1, the reference string has {got}")]
    TooShort {
        /// Binary logarithm of the domain's size.
        log_n: u32,
        /// The powers there are.
        got: usize,
    },
}

impl Srs {
    /// `[tau^i]_1`, i from 0.
    pub fn powers_g1(&self) -> &[G1Affine] {
        &self.powers_g1
    }

    /// `[tau^i]_2`, i from 0.
    pub fn powers_g2(&self) -> &[G2Affine] {
        &self.powers_g2
    }

    /// `[tau]_2`, all that a verifier of openings needs.
    pub fn tau_g2(&self) -> G2Affine {
        // Index 1 exists in every value of this type.
        self.powers_g2.get(1).copied().unwrap_or_else(G2Affine::zero)
    }

    /// Checks that there are as many powers as somebody needs.
    ///
    /// # Errors
    /// [`SrsError::TooFewPowers`].
    pub fn require(&self, g1: usize, g2: usize) -> Result<(), SrsError> {
        let (got_g1, got_g2) = (self.powers_g1.len(), self.powers_g2.len());
        if got_g1 >= g1 && got_g2 >= g2 {
            return Ok(());
        }
        Err(SrsError::TooFewPowers { g1, g2, got_g1, got_g2 })
    }

    /// Where the string stems from.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// The Lagrange basis `[L_0(tau)]_1 .. [L_{n-1}(tau)]_1` of the domain of `n = 2^log_n` points, natural order, so that the
    /// commitment to values on the domain is one MSM over them. Needs no secret: `L_i(tau) = 1/n sum_j w^{-ij} tau^j`, an
    /// inverse NTT of the powers in the exponent.
    ///
    /// # Errors
    /// [`SrsError::TooShort`] when there are fewer than n powers in G1, or no domain of that size.
    pub fn lagrange_g1(&self, log_n: u32) -> Result<Vec<G1Affine>, SrsError> {
        let too_short = || SrsError::TooShort {
            log_n,
            got: self.powers_g1.len(),
        };
        let n = 1usize.checked_shl(log_n).ok_or_else(too_short)?;
        let powers = self.powers_g1.get(..n).ok_or_else(too_short)?;
        tapeout_driver::kernels::inverse_ntt_of_points(powers).ok_or_else(too_short)
    }
}

#[cfg(test)]
mod tests;
