//! Shows chosen elements of what a commitment is to.

use tapeout_driver::{Backend, Dir, Fr};
use tapeout_verifier::reveal::{Revealed, begin};

use super::{Opening, OpeningError};
use crate::{
    field::signed,
    keys::ProvingKey,
    kzg::{self, Claim},
    plonk::kernels::Kernels,
};

/// Proves which values the elements with these indices have, and nothing of the others. Costs none of the proofs that the commitment
/// can still be in.
///
/// # Errors
/// [`OpeningError::Rows`] for a key of another size, [`OpeningError::Element`] for an index that the tensor does not have,
/// [`OpeningError::Driver`] and [`OpeningError::Open`] when the backend fails.
pub fn reveal(
    key: &ProvingKey,
    opening: &Opening,
    indices: &[u32],
    backend: &dyn Backend,
) -> Result<Revealed, OpeningError> {
    let known = &opening.known;
    let expected = key.verifying().interface().shape.log_n();
    if known.log_rows != expected {
        let got = known.log_rows;
        return Err(OpeningError::Rows { expected, got });
    }
    let mut indices = indices.to_vec();
    indices.sort_unstable();
    indices.dedup();
    let element = |index: &u32| {
        let value = known.values.get(*index as usize).copied();
        let len = known.values.len();
        Ok((*index, value.ok_or(OpeningError::Element { index: *index, len })?))
    };
    let elements = indices.iter().map(element).collect::<Result<Vec<_>, OpeningError>>()?;
    let mut kernels = Kernels::new(backend, key.bases())?;
    let mut column: Vec<Fr> = known.values.iter().map(|v| signed(*v)).collect();
    column.resize(1 << known.log_rows, Fr::from(0u8));
    let mut columns = [column];
    kernels.transform(Dir::Inverse, Fr::from(1u8), &mut columns)?;
    let [mut polynomial] = columns;
    // As the prover blinds a column: f + Z_H (r_0 + r_1 X + ..).
    polynomial.extend_from_slice(&known.blinds);
    known.blinds.iter().enumerate().for_each(|(i, r)| polynomial[i] -= r);
    let (points, transcript) = begin(key.verifying(), &known.commitment(), &indices);
    let claim = Claim {
        subject: &polynomial[..],
        points: &points,
        evals: elements.iter().map(|(_, value)| signed(*value)).collect(),
    };
    let mut commit = |p: &[Fr]| Ok(kernels.commit_polynomials(&[p])?.swap_remove(0));
    let (proof, _) = kzg::open(&[claim], transcript, &mut commit)?;
    Ok(Revealed {
        elements,
        opening: proof,
    })
}
