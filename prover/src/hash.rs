//! Hashes of inputs and outputs, from the side of who knows the values: what circuits compute as well (`docs/protocol.md`, "Hashes").

pub(crate) mod rounds;

use taceo_poseidon2::bn254::t4::permutation_in_place;
use tapeout_driver::Fr;
pub use tapeout_verifier::hash::{Hash, HashError, Packing};
use tapeout_verifier::keys::VerifyingKey;

use crate::{
    layout::Visibility,
    model::{self, Limbs, Scale, calibrate::check_input, quantise::integers},
};

/// Field elements that one permutation absorbs.
pub(crate) const RATE: usize = 3;

/// Why a tensor has no hash.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TensorError {
    /// The key hashes no such tensor.
    #[error("the keys hash no {0}: `tapeout setup` makes keys that do with --{0} hashed")]
    NotHashed(&'static str),
    /// The values are no such tensor.
    #[error(transparent)]
    Values(#[from] model::Error),
}

/// The hash that proofs under `key` show of this input, row-major.
///
/// # Errors
/// [`TensorError::NotHashed`], and [`TensorError::Values`] for values that are no input of the model.
pub fn input(key: &VerifyingKey, values: &[f64]) -> Result<Hash, TensorError> {
    let model = key.model();
    let seen = key.interface().disclosure().input;
    of(key, "input", seen, &model.input_shape, model.input_scale, values)
}

/// The hash that proofs under `key` show of this output, row-major: the values as a prover has them, of which each is the nearest
/// fixed-point number.
///
/// # Errors
/// [`TensorError::NotHashed`], and [`TensorError::Values`] for values that are no output of the model.
pub fn output(key: &VerifyingKey, values: &[f64]) -> Result<Hash, TensorError> {
    let model = key.model();
    let seen = key.interface().disclosure().output;
    of(key, "output", seen, &model.output_shape, model.output_scale, values)
}

fn of(
    key: &VerifyingKey,
    what: &'static str,
    seen: Visibility,
    shape: &[usize],
    scale: Scale,
    values: &[f64],
) -> Result<Hash, TensorError> {
    if seen != Visibility::Hashed {
        return Err(TensorError::NotHashed(what));
    }
    check_input(shape.iter().product(), values, what)?;
    let limbs = &key.interface().shape.limbs;
    let integers = integers(values, scale, what, |v| match what {
        "input" => limbs.holds_signed(v),
        _ => Packing::of(limbs).holds(v),
    })?;
    Ok(hash(&integers, limbs))
}

/// The hash of integers in slots with these limbs.
pub fn hash(values: &[i64], limbs: &Limbs) -> Hash {
    Hash(sponge(&Packing::of(limbs).pack(values)))
}

/// The Poseidon2 sponge that Barretenberg and Noir have: four cells of which three absorb, `2^64` times the number of elements in the
/// fourth, zeros behind the last element.
fn sponge(elements: &[Fr]) -> Fr {
    let mut state = [Fr::from(0u8); RATE + 1];
    state[RATE] = initial(elements.len());
    for block in elements.chunks(RATE) {
        state.iter_mut().zip(block).for_each(|(cell, element)| *cell += element);
        permutation_in_place(&mut state);
    }
    if elements.is_empty() {
        permutation_in_place(&mut state);
    }
    state[0]
}

/// What the fourth cell holds before `len` elements are absorbed.
pub(crate) fn initial(len: usize) -> Fr {
    Fr::from((len as u128) << 64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use ark_ff::PrimeField;

    use super::*;

    fn element(hex: &str) -> Fr {
        let digit = |d: u8| u8::try_from((d as char).to_digit(16).unwrap()).unwrap();
        let bytes: Vec<u8> = hex
            .as_bytes()
            .chunks(2)
            .map(|p| digit(p[0]) << 4 | digit(p[1]))
            .collect();
        Fr::from_be_bytes_mod_order(&bytes)
    }

    /// `HashConsistencyCheck` of Barretenberg's `poseidon2.test.cpp`, and `Poseidon2::hash` of Noir, of one block and of two.
    #[test]
    fn known_answers_of_barretenberg_and_noir() {
        let a = element("9a807b615c4d3e2fa0b1c2d3e4f56789fedcba9876543210abcdef0123456789");
        let expected = element("2f43a0f83b51a6f5fc839dea0ecec74947637802a579fa9841930a25a0bcec11");
        assert_eq!(sponge(&[a; 4]), expected);
        for (elements, expected) in [
            (
                &[1][..],
                "168758332d5b3e2d13be8048c8011b454590e06c44bce7f702f09103eef5a373",
            ),
            (
                &[1, 1],
                "1df6080e5bf5cefb3e40daf91cfcc5a267781505471aa058c0b205986774f978",
            ),
            (
                &[1, 2],
                "038682aa1cb5ae4e0a3f13da432a95c77c5c111f6f030faf9cad641ce1ed7383",
            ),
            (
                &[1, 1, 1],
                "27c9467e3a466973f72dfe56bdeb362fe3158acf84bb79f59a55d722199b8a47",
            ),
            (
                &[1, 2, 3, 4],
                "130bf204a32cac1f0ace56c78b731aa3809f06df2731ebcf6b3464a15788b1b9",
            ),
        ] {
            let elements: Vec<Fr> = elements.iter().map(|v| Fr::from(*v as u64)).collect();
            assert_eq!(sponge(&elements), element(expected), "{elements:?}");
        }
        let six: Vec<Fr> = (1..=6u64).map(Fr::from).collect();
        let expected = "3599949537341985477016757037706432767211961921187530182442854462554790207098";
        assert_eq!(sponge(&six).to_string(), expected);
    }

    #[test]
    fn a_tensor_hashes_as_its_packed_values() {
        let limbs = Limbs::new(12, 2, 2).unwrap();
        let values: Vec<i64> = (-4..5).collect();
        let packed = |values: &[i64]| {
            values.iter().rev().fold(Fr::from(0u8), |e, v| {
                e * Fr::from(1u64 << 31) + Fr::from((v + (1 << 30)) as u64)
            })
        };
        assert_eq!(
            hash(&values, &limbs).0,
            sponge(&[packed(&values[..8]), packed(&values[8..])])
        );
        assert_ne!(hash(&values[..8], &limbs), hash(&values, &limbs));
    }
}
