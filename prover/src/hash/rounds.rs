//! The round constants of Poseidon2, as its authors derive them: the bits of a Grain LFSR that is seeded with the parameters
//! (the Poseidon paper, <https://eprint.iacr.org/2019/458>, appendix E).

use std::sync::LazyLock;

use ark_ff::{BigInt, BigInteger, PrimeField};
use tapeout_driver::Fr;

use super::RATE;

/// Full rounds: half of them stand before the partial ones and half behind.
pub(crate) const FULL: usize = 8;

/// Partial rounds.
pub(crate) const PARTIAL: usize = 56;

/// Cells of the state.
const CELLS: usize = RATE + 1;

/// The round constants.
pub(crate) struct Rounds {
    /// Those of the full rounds.
    pub(crate) full: [[Fr; CELLS]; FULL],
    /// Those of the partial rounds, which have one each.
    pub(crate) partial: [Fr; PARTIAL],
}

/// The round constants for four cells.
pub(crate) static ROUNDS: LazyLock<Rounds> = LazyLock::new(|| {
    let mut grain = Grain::new();
    let mut next = || std::array::from_fn(|_| grain.element());
    let mut full = [[Fr::from(0u8); CELLS]; FULL];
    full[..FULL / 2].iter_mut().for_each(|round| *round = next());
    let partial = std::array::from_fn(|_| grain.element());
    let mut next = || std::array::from_fn(|_| grain.element());
    full[FULL / 2..].iter_mut().for_each(|round| *round = next());
    Rounds { full, partial }
});

/// Bits of the register.
const REGISTER: usize = 80;

/// A shift register of 80 bits, the oldest in bit 0.
struct Grain(u128);

impl Grain {
    /// Seeded with: a prime field, the S-box `x^5`, bits of the field, cells, full and partial rounds, and ones.
    fn new() -> Self {
        let parameters = [
            (1, 2),
            (0, 4),
            (Fr::MODULUS_BIT_SIZE as usize, 12),
            (CELLS, 12),
            (FULL, 10),
            (PARTIAL, 10),
            ((1 << 30) - 1, 30),
        ];
        let bits = parameters
            .iter()
            .flat_map(|(value, width)| (0..*width).rev().map(move |i| (value >> i & 1) as u128));
        let mut grain = Self(bits.enumerate().fold(0, |register, (i, bit)| register | bit << i));
        for _ in 0..2 * REGISTER {
            grain.step();
        }
        grain
    }

    fn step(&mut self) -> bool {
        let tapped = [62, 51, 38, 23, 13, 0].iter().fold(0, |sum, i| sum ^ self.0 >> i & 1);
        self.0 = self.0 >> 1 | tapped << (REGISTER - 1);
        tapped == 1
    }

    /// Of two bits the second, where the first is 1.
    fn bit(&mut self) -> bool {
        loop {
            let (taken, bit) = (self.step(), self.step());
            if taken {
                return bit;
            }
        }
    }

    /// As many bits as the field has, the highest first, until they are below the modulus.
    fn element(&mut self) -> Fr {
        loop {
            let bits: Vec<bool> = (0..Fr::MODULUS_BIT_SIZE).map(|_| self.bit()).collect();
            if let Some(element) = Fr::from_bigint(BigInt::from_bits_be(&bits)) {
                return element;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::UniformRand;
    use taceo_poseidon2::bn254::t4::permutation;
    use tapeout_verifier::plonk::cs::hash::DIAGONAL;

    use super::*;

    fn full(state: [Fr; CELLS], constants: &[Fr; CELLS]) -> [Fr; CELLS] {
        let [a, b, c, d] = std::array::from_fn(|i| ark_ff::Field::pow(&(state[i] + constants[i]), [5]));
        mixed([a, b, c, d])
    }

    fn mixed(state: [Fr; CELLS]) -> [Fr; CELLS] {
        let rows = [[5u64, 7, 1, 3], [4, 6, 1, 1], [1, 3, 5, 7], [1, 1, 4, 6]];
        rows.map(|row| row.iter().zip(&state).map(|(m, cell)| Fr::from(*m) * cell).sum())
    }

    /// The permutation with these constants is the one that a library has.
    #[test]
    fn the_constants_are_those_of_another_implementation() {
        let rng = &mut ark_std::test_rng();
        for _ in 0..3 {
            let start: [Fr; CELLS] = std::array::from_fn(|_| Fr::rand(rng));
            let mut state = mixed(start);
            let (before, behind) = ROUNDS.full.split_at(FULL / 2);
            before.iter().for_each(|round| state = full(state, round));
            for constant in &ROUNDS.partial {
                state[0] = ark_ff::Field::pow(&(state[0] + constant), [5]);
                let sum: Fr = state.iter().sum();
                state = std::array::from_fn(|i| state[i] * DIAGONAL[i] + sum);
            }
            behind.iter().for_each(|round| state = full(state, round));
            assert_eq!(state, permutation(&start));
        }
    }
}
