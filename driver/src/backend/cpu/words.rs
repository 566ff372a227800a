//! Integers of four words with their carries. Of additions with carries compilers make anything but the processor's own, and
//! of selections that nobody can foresee they make branches: on x86-64 both are spelled out.

/// `a + b` modulo `2^256`.
#[inline(always)]
pub(super) fn add(a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
    let [mut s0, mut s1, mut s2, mut s3] = a;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: registers only.
    unsafe {
        std::arch::asm!(
            "add {s0}, {b0}", "adc {s1}, {b1}", "adc {s2}, {b2}", "adc {s3}, {b3}",
            s0 = inout(reg) s0, s1 = inout(reg) s1, s2 = inout(reg) s2, s3 = inout(reg) s3,
            b0 = in(reg) b[0], b1 = in(reg) b[1], b2 = in(reg) b[2], b3 = in(reg) b[3],
            options(pure, nomem, nostack),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let mut carry = false;
        for (sum, b) in [&mut s0, &mut s1, &mut s2, &mut s3].into_iter().zip(b) {
            (*sum, carry) = sum.carrying_add(b, carry);
        }
    }
    [s0, s1, s2, s3]
}

/// `a - b` modulo `2^256`.
#[inline(always)]
pub(super) fn sub(a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
    let [mut d0, mut d1, mut d2, mut d3] = a;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: registers only.
    unsafe {
        std::arch::asm!(
            "sub {d0}, {b0}", "sbb {d1}, {b1}", "sbb {d2}, {b2}", "sbb {d3}, {b3}",
            d0 = inout(reg) d0, d1 = inout(reg) d1, d2 = inout(reg) d2, d3 = inout(reg) d3,
            b0 = in(reg) b[0], b1 = in(reg) b[1], b2 = in(reg) b[2], b3 = in(reg) b[3],
            options(pure, nomem, nostack),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let mut borrow = false;
        for (difference, b) in [&mut d0, &mut d1, &mut d2, &mut d3].into_iter().zip(b) {
            (*difference, borrow) = difference.borrowing_sub(b, borrow);
        }
    }
    [d0, d1, d2, d3]
}

/// `a`, less `m` if that is not negative.
#[inline(always)]
pub(super) fn reduce(a: [u64; 4], m: &[u64; 4]) -> [u64; 4] {
    let [mut r0, mut r1, mut r2, mut r3] = a;
    #[cfg(target_arch = "x86_64")]
    // SAFETY: reads the four words of `m`, writes registers only.
    unsafe {
        std::arch::asm!(
            "sub {r0}, [{m}]", "sbb {r1}, [{m} + 8]", "sbb {r2}, [{m} + 16]", "sbb {r3}, [{m} + 24]",
            "cmovc {r0}, {a0}", "cmovc {r1}, {a1}", "cmovc {r2}, {a2}", "cmovc {r3}, {a3}",
            m = in(reg) m.as_ptr(),
            r0 = inout(reg) r0, r1 = inout(reg) r1, r2 = inout(reg) r2, r3 = inout(reg) r3,
            a0 = in(reg) a[0], a1 = in(reg) a[1], a2 = in(reg) a[2], a3 = in(reg) a[3],
            options(pure, readonly, nostack),
        );
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let mut borrow = false;
        for (less, m) in [&mut r0, &mut r1, &mut r2, &mut r3].into_iter().zip(m) {
            (*less, borrow) = less.borrowing_sub(*m, borrow);
        }
        let keep = u64::from(borrow).wrapping_neg();
        for (less, a) in [&mut r0, &mut r1, &mut r2, &mut r3].into_iter().zip(a) {
            *less ^= (*less ^ a) & keep;
        }
    }
    [r0, r1, r2, r3]
}

/// `2 a` modulo `2^256`.
pub(super) const fn twice(a: [u64; 4]) -> [u64; 4] {
    [
        a[0] << 1,
        a[1] << 1 | a[0] >> 63,
        a[2] << 1 | a[1] >> 63,
        a[3] << 1 | a[2] >> 63,
    ]
}

/// `(x + t, x - t + m)`, where `x` is first reduced as [`reduce`] does: a butterfly of values below twice `m`, whose results are
/// below twice `m` again, for `t` up to `m` (D. Harvey, Faster arithmetic for number-theoretic transforms, 2014).
#[inline(always)]
pub(super) fn butterfly(x: [u64; 4], t: [u64; 4], m: &[u64; 4]) -> ([u64; 4], [u64; 4]) {
    #[cfg(target_arch = "x86_64")]
    {
        let [mut s0, mut s1, mut s2, mut s3] = x;
        let (d0, d1, d2, d3): (u64, u64, u64, u64);
        // SAFETY: reads the four words of `m`, writes registers only.
        unsafe {
            std::arch::asm!(
                "mov {d0}, {s0}", "mov {d1}, {s1}", "mov {d2}, {s2}", "mov {d3}, {s3}",
                "sub {d0}, [{m}]", "sbb {d1}, [{m} + 8]", "sbb {d2}, [{m} + 16]", "sbb {d3}, [{m} + 24]",
                "cmovc {d0}, {s0}", "cmovc {d1}, {s1}", "cmovc {d2}, {s2}", "cmovc {d3}, {s3}",
                "mov {s0}, {d0}", "mov {s1}, {d1}", "mov {s2}, {d2}", "mov {s3}, {d3}",
                "add {s0}, {t0}", "adc {s1}, {t1}", "adc {s2}, {t2}", "adc {s3}, {t3}",
                "add {d0}, [{m}]", "adc {d1}, [{m} + 8]", "adc {d2}, [{m} + 16]", "adc {d3}, [{m} + 24]",
                "sub {d0}, {t0}", "sbb {d1}, {t1}", "sbb {d2}, {t2}", "sbb {d3}, {t3}",
                m = in(reg) m.as_ptr(),
                s0 = inout(reg) s0, s1 = inout(reg) s1, s2 = inout(reg) s2, s3 = inout(reg) s3,
                d0 = out(reg) d0, d1 = out(reg) d1, d2 = out(reg) d2, d3 = out(reg) d3,
                t0 = in(reg) t[0], t1 = in(reg) t[1], t2 = in(reg) t[2], t3 = in(reg) t[3],
                options(pure, readonly, nostack),
            );
        }
        ([s0, s1, s2, s3], [d0, d1, d2, d3])
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        let x = reduce(x, m);
        (add(x, t), sub(add(x, *m), t))
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::{BigInt, BigInteger};
    use proptest::prelude::*;

    use super::*;

    /// A word that is at the edge of a carry more often than not.
    fn word() -> impl Strategy<Value = u64> {
        prop_oneof![Just(0), Just(1), Just(u64::MAX), Just(u64::MAX - 1), any::<u64>()]
    }

    proptest! {
        #[test]
        fn carries_are_those_of_integers(a in [word(), word(), word(), word()], b in [word(), word(), word(), word()],
                                         m in [word(), word(), word(), word()]) {
            let wide = BigInt::<4>;
            let (mut sum, mut difference, mut less) = (wide(a), wide(a), wide(a));
            sum.add_with_carry(&wide(b));
            difference.sub_with_borrow(&wide(b));
            prop_assert_eq!((add(a, b), sub(a, b)), (sum.0, difference.0));
            let reduced = if less.sub_with_borrow(&wide(m)) { a } else { less.0 };
            prop_assert_eq!(reduce(a, &m), reduced);
            prop_assert_eq!(twice(a), add(a, a));
            prop_assert_eq!(butterfly(a, b, &m), (add(reduced, b), sub(add(reduced, m), b)));
        }
    }
}
