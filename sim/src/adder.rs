//! The sum of `rtl/curve/point_add.sv` on the host's 64-bit limbs, for the simulation of fidelity `fast`: the same sequence of
//! integer operations as `hw/src/curve.rs`, to the bit. `sim/tests/curve.rs` compares it with that model.

use crate::limbs::{self, FQ, FQ_P, Short, Wide, minus, plus, times, wide};
use crate::upset::{self, Unit};

// multiples of p that keep differences positive: `Offset*` of rtl/gen/tapeout_pkg.sv
const CROSS: Wide = times(&wide(&FQ_P), 4);
const NINE: Wide = times(&wide(&FQ_P), 14);
const X: Wide = times(&wide(&FQ_P), 2);

#[inline(always)]
fn reduce(v: &Wide) -> Short {
    limbs::reduce(&FQ, v)
}

#[inline(always)]
fn product(a: &Short, b: &Short) -> Wide {
    limbs::product(&FQ, a, b)
}

/// `(a1 + b1)(a2 + b2) - ta - tb`, kept positive.
#[inline(always)]
fn cross([a1, b1]: [&Short; 2], [a2, b2]: [&Short; 2], ta: &Wide, tb: &Wide) -> Wide {
    let sum = |a, b| {
        let s = plus(&wide(a), &wide(b));
        [s[0], s[1], s[2], s[3]]
    };
    minus(&plus(&product(&sum(a1, b1), &sum(a2, b2)), &CROSS), &plus(ta, tb))
}

/// `x, y, z` of the sum of two points.
fn add([x1, y1, z1, x2, y2, z2]: &[Short; 6]) -> [Short; 3] {
    let (t0, t1, t2) = (product(x1, x2), product(y1, y2), product(z1, z2));
    let t2x9 = times(&t2, 9);
    let t3 = reduce(&cross([x1, y1], [x2, y2], &t0, &t1));
    let t4 = reduce(&cross([y1, z1], [y2, z2], &t1, &t2));
    let y3 = reduce(&times(&cross([x1, z1], [x2, z2], &t0, &t2), 9));
    let z3 = reduce(&plus(&t1, &t2x9));
    let u1 = reduce(&minus(&plus(&t1, &NINE), &t2x9));
    let u0 = reduce(&times(&t0, 3));
    [
        reduce(&minus(&plus(&product(&t3, &u1), &X), &product(&t4, &y3))),
        reduce(&plus(&product(&u1, &z3), &product(&y3, &u0))),
        reduce(&plus(&product(&z3, &t4), &product(&u0, &t3))),
    ]
}

/// What `sim/fast/point_add.sv` calls: the coordinates of two points, 256 bits each, to those of their sum.
#[unsafe(no_mangle)]
extern "C" fn tapeout_point_add(pair: *const [u32; 48], sum: *mut [u32; 24]) {
    // SAFETY: the generated code passes a vector of 1536 bits and room for one of 768, as declared in point_add.sv.
    let (pair, sum) = unsafe { (&*pair, &mut *sum) };
    let limb = |i: usize| u64::from(pair[2 * i]) | u64::from(pair[2 * i + 1]) << 32;
    let mut out = add(&std::array::from_fn(|c| std::array::from_fn(|i| limb(4 * c + i))));
    upset::pass(Unit::Adder, out.as_flattened_mut());
    for (words, limb) in sum.chunks_exact_mut(2).zip(out.as_flattened()) {
        words[0] = *limb as u32;
        words[1] = (*limb >> 32) as u32;
    }
}
