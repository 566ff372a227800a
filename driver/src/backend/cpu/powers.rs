//! Powers of field elements.

use ark_ff::Field;

use crate::Fr;

/// `start * step^i` for `i < count`.
pub(super) fn powers(start: Fr, step: Fr, count: usize) -> Vec<Fr> {
    (0..count)
        .scan(start, |power, _| Some(std::mem::replace(power, *power * step)))
        .collect()
}

/// Eight geometric sequences, cut into `CHAINS` interleaved ones each.
pub(super) struct Powers<const CHAINS: usize> {
    /// `first[k][lane] = starts[lane] * steps[lane]^k`.
    pub(super) first: [[Fr; 8]; CHAINS],
    /// `steps[lane]^CHAINS`.
    pub(super) step: [Fr; 8],
}

impl<const CHAINS: usize> Powers<CHAINS> {
    pub(super) fn new(starts: &[Fr], steps: &[Fr]) -> Self {
        let mut out = Powers {
            first: [[Fr::ONE; 8]; CHAINS],
            step: [Fr::ONE; 8],
        };
        for (lane, (&start, &step)) in starts.iter().zip(steps).take(8).enumerate() {
            let mut power = start;
            for first in &mut out.first {
                first[lane] = power;
                power *= step;
            }
            out.step[lane] = step.pow([CHAINS as u64]);
        }
        out
    }
}
