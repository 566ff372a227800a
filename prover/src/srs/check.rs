//! That points are the successive powers of one tau.

use ark_bn254::{Bn254, Fr, G1Affine, G1Projective, G2Affine, G2Projective};
use ark_ec::{AffineRepr, CurveGroup, VariableBaseMSM, pairing::Pairing};
use ark_ff::Zero;
use rand::{RngCore, SeedableRng, TryRngCore, rngs::OsRng};
use rand_chacha::ChaCha20Rng;

use super::{Srs, SrsError};

impl Srs {
    /// Checks the generators, that tau is not 1, and both sequences by a random linear combination each: with random `r_i`
    /// of 128 bits, `e(sum r_i P_{i+1}, [1]_2) = e(sum r_i P_i, [tau]_2)`, and the same with the groups' parts exchanged.
    /// A string that is wrong anywhere passes with probability at most 2^-128. Curve and subgroup membership are checked
    /// where points are decoded.
    pub(super) fn check(&self) -> Result<(), SrsError> {
        if self.powers_g1.first() != Some(&G1Affine::generator()) {
            return Err(SrsError::Generator { group: "G1" });
        }
        if self.powers_g2.first() != Some(&G2Affine::generator()) {
            return Err(SrsError::Generator { group: "G2" });
        }
        if self.tau_g2() == G2Affine::generator() {
            return Err(SrsError::TrivialTau);
        }
        let mut seed = [0; 32];
        OsRng.try_fill_bytes(&mut seed)?;
        let mut rng = ChaCha20Rng::from_seed(seed);

        let (low, high) = shifted_sums::<G1Projective>(&self.powers_g1, &mut rng);
        if !pairings_cancel([(high, G2Affine::generator()), (-low, self.tau_g2())]) {
            return Err(SrsError::Inconsistent { group: "G1" });
        }
        // The powers of G1 are right by now, so that [tau]_1 stands at index 1.
        let tau_g1 = self.powers_g1.get(1).copied().unwrap_or_else(G1Affine::zero);
        let (low, high) = shifted_sums::<G2Projective>(&self.powers_g2, &mut rng);
        let generator = G1Affine::generator().into_group();
        if !pairings_cancel([
            (generator, high.into_affine()),
            (-tau_g1.into_group(), low.into_affine()),
        ]) {
            return Err(SrsError::Inconsistent { group: "G2" });
        }
        Ok(())
    }
}

/// `(sum r_i P_i, sum r_i P_{i+1})` over all neighbours, with random `r_i` of 128 bits.
fn shifted_sums<G>(points: &[G::MulBase], rng: &mut ChaCha20Rng) -> (G, G)
where
    G: VariableBaseMSM<ScalarField = Fr>,
{
    let neighbours = points.len().saturating_sub(1);
    let mut random = || {
        let mut bytes = [0; 16];
        rng.fill_bytes(&mut bytes);
        Fr::from(u128::from_le_bytes(bytes))
    };
    let scalars: Vec<Fr> = (0..neighbours).map(|_| random()).collect();
    let high = points.get(1..).unwrap_or_default();
    // `msm_unchecked` stops at the shorter slice: the last point takes no part in the low sum.
    (G::msm_unchecked(points, &scalars), G::msm_unchecked(high, &scalars))
}

fn pairings_cancel(pairs: [(G1Projective, G2Affine); 2]) -> bool {
    let (g1, g2): (Vec<_>, Vec<_>) = pairs.into_iter().map(|(p, q)| (p.into_affine(), q)).unzip();
    Bn254::multi_pairing(g1, g2).is_zero()
}
