//! Generation of development strings.

use ark_bn254::{Fr, G1Projective, G2Projective};
use ark_ec::{PrimeGroup, scalar_mul::ScalarMul};
use ark_ff::{One, PrimeField, Zero};
use rand::{RngCore, SeedableRng, TryRngCore, rngs::OsRng};
use rand_chacha::ChaCha20Rng;
use zeroize::{Zeroize, Zeroizing};

use super::{Origin, Srs, SrsError, file};

impl Srs {
    /// Generates a string of `size` powers in G1 and two in G2 from a fresh tau of the operating system's randomness. Tau is
    /// wiped from memory, but nobody else can know that: the origin is [`Origin::InsecureDev`].
    ///
    /// # Errors
    /// [`SrsError::Count`] for a size out of range, [`SrsError::Randomness`].
    pub fn insecure_dev(size: usize) -> Result<Self, SrsError> {
        let mut seed = Zeroizing::new([0; 32]);
        OsRng.try_fill_bytes(seed.as_mut())?;
        Self::insecure_from_seed(size, &seed)
    }

    /// Generates the string that `seed` determines, for tests that must be repeatable: whoever knows the seed knows tau.
    ///
    /// # Errors
    /// [`SrsError::Count`] for a size out of range.
    pub fn insecure_from_seed(size: usize, seed: &[u8; 32]) -> Result<Self, SrsError> {
        file::check_count("G1", size as u64)?;
        let mut rng = ChaCha20Rng::from_seed(*seed);
        let tau = Zeroizing::new(loop {
            let mut wide = Zeroizing::new([0; 64]);
            rng.fill_bytes(wide.as_mut());
            let tau = Fr::from_le_bytes_mod_order(wide.as_ref());
            if !tau.is_zero() && !tau.is_one() {
                break tau;
            }
        });
        let mut exponents = Zeroizing::new(Vec::with_capacity(size));
        let mut power = Fr::one();
        for _ in 0..size {
            exponents.push(power);
            power *= *tau;
        }
        power.zeroize();
        let powers_g1 = G1Projective::generator().batch_mul(&exponents);
        let powers_g2 = G2Projective::generator().batch_mul(&[Fr::one(), *tau]);
        Ok(Self {
            powers_g1,
            powers_g2,
            origin: Origin::InsecureDev,
        })
    }
}
