//! `rtl/ntt/ntt_butterfly.sv` on the host's 64-bit limbs, for the simulation of fidelity `fast`, to the bit. `sim/tests/ntt`
//! compares both with the model of `hw`.

use crate::limbs::{FR, FR_P, Short, Wide, minus, plus, product, reduce, times, wide};
use crate::upset::{self, Unit};

const TWICE: Wide = times(&wide(&FR_P), 2);

/// Half of a value modulo p: of the value or of its sum with p, whichever is even.
#[inline(always)]
fn half(v: &Wide) -> Wide {
    let even = if v[0] & 1 == 1 { plus(v, &wide(&FR_P)) } else { *v };
    std::array::from_fn(|i| even[i] >> 1 | even.get(i + 1).map_or(0, |next| next << 63))
}

fn butterfly(inverse: bool, [a, b, t]: [&Short; 3]) -> [Short; 2] {
    if inverse {
        let odd = half(&minus(&plus(&wide(a), &TWICE), &wide(b)));
        let product = product(&FR, &[odd[0], odd[1], odd[2], odd[3]], t);
        [reduce(&FR, &half(&plus(&wide(a), &wide(b)))), reduce(&FR, &product)]
    } else {
        let product = product(&FR, b, t);
        let difference = minus(&plus(&wide(a), &TWICE), &product);
        [reduce(&FR, &plus(&wide(a), &product)), reduce(&FR, &difference)]
    }
}

/// What `sim/fast/ntt_butterfly.sv` calls: `a`, `b` and `t`, 256 bits each, to `u` and `v`.
#[unsafe(no_mangle)]
extern "C" fn tapeout_ntt_butterfly(inverse: u8, operands: *const [u32; 24], results: *mut [u32; 16]) {
    // SAFETY: the generated code passes a vector of 768 bits and room for one of 512, as declared in ntt_butterfly.sv.
    let (operands, results) = unsafe { (&*operands, &mut *results) };
    let limb = |i: usize| u64::from(operands[2 * i]) | u64::from(operands[2 * i + 1]) << 32;
    let [a, b, t]: [Short; 3] = std::array::from_fn(|c| std::array::from_fn(|i| limb(4 * c + i)));
    let mut out = butterfly(inverse != 0, [&a, &b, &t]);
    upset::pass(Unit::Butterfly, out.as_flattened_mut());
    for (words, limb) in results.chunks_exact_mut(2).zip(out.as_flattened()) {
        words[0] = *limb as u32;
        words[1] = (*limb >> 32) as u32;
    }
}
