//! Generation of development strings.

use ark_bn254::{Fr, G1Affine, G2Projective};
use ark_ec::{AffineRepr, PrimeGroup, scalar_mul::ScalarMul};
use ark_ff::{One, PrimeField, Zero};
use rand::{RngCore, SeedableRng, TryRngCore, rngs::OsRng};
use rand_chacha::ChaCha20Rng;
use tapeout_driver::kernels::multiples;
use zeroize::{Zeroize, Zeroizing};

use super::{Origin, Srs, SrsError, file};

impl Srs {
    /// Generates a string of `g1` powers in G1 and `g2` in G2 from a fresh tau of the operating system's randomness. Tau is
    /// wiped from memory, but nobody else can know that: the origin is [`Origin::InsecureDev`].
    ///
    /// # Errors
    /// [`SrsError::Count`] for a size out of range, [`SrsError::Randomness`].
    pub fn insecure_dev(g1: usize, g2: usize) -> Result<Self, SrsError> {
        let mut seed = Zeroizing::new([0; 32]);
        OsRng.try_fill_bytes(seed.as_mut())?;
        Self::insecure_from_seed(g1, g2, &seed)
    }

    /// Generates the string of these numbers of powers that `seed` determines, for tests that must be repeatable: whoever knows the seed knows tau.
    ///
    /// # Errors
    /// [`SrsError::Count`] for a size out of range.
    pub fn insecure_from_seed(g1: usize, g2: usize, seed: &[u8; 32]) -> Result<Self, SrsError> {
        file::check_count("G1", g1 as u64)?;
        file::check_count("G2", g2 as u64)?;
        let mut rng = ChaCha20Rng::from_seed(*seed);
        let tau = Zeroizing::new(loop {
            let mut wide = Zeroizing::new([0; 64]);
            rng.fill_bytes(wide.as_mut());
            let tau = Fr::from_le_bytes_mod_order(wide.as_ref());
            if !tau.is_zero() && !tau.is_one() {
                break tau;
            }
        });
        let mut exponents = Zeroizing::new(Vec::with_capacity(g1.max(g2)));
        let mut power = Fr::one();
        for _ in 0..g1.max(g2) {
            exponents.push(power);
            power *= *tau;
        }
        power.zeroize();
        let powers_g1 = multiples(G1Affine::generator(), &exponents[..g1]);
        let powers_g2 = G2Projective::generator().batch_mul(&exponents[..g2]);
        Ok(Self {
            powers_g1,
            powers_g2,
            origin: Origin::InsecureDev,
        })
    }
}
