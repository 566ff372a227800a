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
#[inline(always)]
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

/// [`add`] with `mulx`, which leaves the flags to the carries: a third less time.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi2")]
fn add_bmi2(pair: &[Short; 6]) -> [Short; 3] {
    add(pair)
}

fn sum(pair: &[Short; 6]) -> [Short; 3] {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("bmi2") {
        // SAFETY: the processor has BMI2.
        return unsafe { add_bmi2(pair) };
    }
    add(pair)
}

/// What `sim/fast/point_add.sv` calls: the coordinates of two points, 256 bits each, to those of their sum.
#[unsafe(no_mangle)]
extern "C" fn tapeout_point_add(pair: *const [u32; 48], out: *mut [u32; 24]) {
    // SAFETY: the generated code passes a vector of 1536 bits and room for one of 768, as declared in point_add.sv.
    let (pair, out) = unsafe { (&*pair, &mut *out) };
    let limb = |i: usize| u64::from(pair[2 * i]) | u64::from(pair[2 * i + 1]) << 32;
    let mut point = sum(&std::array::from_fn(|c| std::array::from_fn(|i| limb(4 * c + i))));
    upset::pass(Unit::Adder, point.as_flattened_mut());
    for (words, limb) in out.chunks_exact_mut(2).zip(point.as_flattened()) {
        words[0] = *limb as u32;
        words[1] = (*limb >> 32) as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whatever the processor has, both give the same; `sim/tests/curve.rs` compares one of them with the model.
    #[test]
    fn sums_do_not_depend_on_the_processor() {
        // xorshift (Marsaglia 2003)
        let mut x = 0x9e37_79b9_7f4a_7c15_u64;
        let mut limb = |i: usize| {
            x ^= x << 13;
            x ^= x >> 7;
            x ^= x << 17;
            // coordinates stay below 1.17 p
            if i == 3 { x >> 2 } else { x }
        };
        for _ in 0..1_000 {
            let pair: [Short; 6] = std::array::from_fn(|_| std::array::from_fn(&mut limb));
            assert_eq!(sum(&pair), add(&pair));
        }
    }
}
