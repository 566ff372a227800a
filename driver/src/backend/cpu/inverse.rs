//! Inverses one element at a time, after T. Pornin, Optimized Binary GCD for Modular Inversion (2020).

use std::hint::select_unpredictable;

use ark_ff::{BigInt, MontConfig};

use super::scalar::{Element, reduce};

/// How many halvings of the numbers share one update of them.
const STEPS: u32 = 31;

/// `1 / x`; zero for zero.
pub(super) fn inverse<C: MontConfig<4>>(x: Element<C>) -> Element<C> {
    let p = C::MODULUS.0;
    // Modulo p, R^2 a and R^2 b are R x times u and v throughout.
    let (mut a, mut b) = (x.0.0, p);
    let (mut u, mut v) = (C::R2.0, [0; 4]);
    // Once a is zero b is one, and v the form R / x of the inverse.
    while a != [0; 4] {
        let (low_a, low_b) = approximate(a, b);
        let [[f0, g0], [f1, g1]] = steps(low_a, low_b);
        let (next_a, negative_a) = magnitude(halve(combine(a, f0, b, g0)));
        let (next_b, negative_b) = magnitude(halve(combine(a, f1, b, g1)));
        let sign = |negative: bool, f: i64| if negative { -f } else { f };
        let [f0, g0] = [f0, g0].map(|f| sign(negative_a, f));
        let [f1, g1] = [f1, g1].map(|f| sign(negative_b, f));
        (u, v) = (fold::<C>(combine(u, f0, v, g0)), fold::<C>(combine(u, f1, v, g1)));
        (a, b) = (next_a, next_b);
    }
    if x.0.0 == [0; 4] {
        x
    } else {
        Element::new_unchecked(BigInt(v))
    }
}

/// The factors of [`STEPS`] halvings of `a`, where `b` is odd: `[f0, g0]` and `[f1, g1]` with which `a f0 + b g0` and `a f1 + b g1`
/// are, but for their signs and a division by `2^31`, what `a` and `b` become.
#[inline(always)]
fn steps(mut a: u64, mut b: u64) -> [[i64; 2]; 2] {
    // Pairs of factors in one word, see [`unpack`].
    let (mut of_a, mut of_b) = (1u64, 1u64 << 32);
    let mut left = STEPS;
    loop {
        let zeros = (a | (1 << left)).trailing_zeros();
        a >>= zeros;
        of_b <<= zeros;
        left -= zeros;
        if left == 0 {
            break;
        }
        // No branches here: which one is larger is a coin's toss each time.
        let swap = a < b;
        (a, b) = (select_unpredictable(swap, b, a), select_unpredictable(swap, a, b));
        (of_a, of_b) = (
            select_unpredictable(swap, of_b, of_a),
            select_unpredictable(swap, of_a, of_b),
        );
        a -= b;
        of_a = of_a.wrapping_sub(of_b);
    }
    [unpack(of_a), unpack(of_b)]
}

/// Two integers above `-2^31` and at most `2^31` from one word, `f + 2^32 g`.
#[inline(always)]
fn unpack(both: u64) -> [i64; 2] {
    const OFFSET: u64 = (1 << 31) - 1;
    let shifted = both.wrapping_add(OFFSET | (OFFSET << 32));
    [shifted & 0xffff_ffff, shifted >> 32].map(|x| x as i64 - OFFSET as i64)
}

/// The lowest 31 bits of both numbers, and above them 33 bits from the highest that is set in either.
#[inline(always)]
fn approximate(a: [u64; 4], b: [u64; 4]) -> (u64, u64) {
    const LOW: u64 = (1 << STEPS) - 1;
    let top = (1..4).rev().find(|&i| a[i] | b[i] != 0).unwrap_or(0);
    if top == 0 {
        return (a[0], b[0]);
    }
    let lead = (a[top] | b[top]).leading_zeros();
    let high = |x: [u64; 4]| {
        let two = u128::from(x[top]) << 64 | u128::from(x[top - 1]);
        ((two << lead) >> (64 + STEPS)) as u64
    };
    (high(a) << STEPS | a[0] & LOW, high(b) << STEPS | b[0] & LOW)
}

/// `x f + y g`, for factors of at most `2^31` in magnitude.
#[inline(always)]
fn combine(x: [u64; 4], f: i64, y: [u64; 4], g: i64) -> [u64; 5] {
    let (mut out, mut carry) = ([0; 5], 0i128);
    for i in 0..4 {
        carry += i128::from(x[i]) * i128::from(f) + i128::from(y[i]) * i128::from(g);
        out[i] = carry as u64;
        carry >>= 64;
    }
    out[4] = carry as u64;
    out
}

/// The signed integer over `2^31`, which divides it.
#[inline(always)]
fn halve(x: [u64; 5]) -> [u64; 5] {
    let word = |i: usize| x[i] >> STEPS | x[i + 1] << (64 - STEPS);
    [word(0), word(1), word(2), word(3), (x[4] as i64 >> STEPS) as u64]
}

/// The magnitude and whether it was negative.
#[inline(always)]
fn magnitude(x: [u64; 5]) -> ([u64; 4], bool) {
    let negative = (x[4] as i64) < 0;
    let mut out = [x[0], x[1], x[2], x[3]];
    if negative {
        let mut carry = true;
        for word in &mut out {
            (*word, carry) = (!*word).overflowing_add(u64::from(carry));
        }
    }
    (out, negative)
}

/// `x / 2^31` modulo the prime, for `x` of at most `2^31` times the prime in magnitude.
#[inline(always)]
fn fold<C: MontConfig<4>>(x: [u64; 5]) -> [u64; 4] {
    let p = C::MODULUS.0;
    let digit = x[0].wrapping_mul(C::INV) & ((1 << STEPS) - 1);
    let (mut sum, mut carry) = ([0; 5], 0u128);
    for i in 0..4 {
        carry += u128::from(x[i]) + u128::from(digit) * u128::from(p[i]);
        sum[i] = carry as u64;
        carry >>= 64;
    }
    sum[4] = x[4].wrapping_add(carry as u64);
    // From -p to 2 p.
    let [x0, x1, x2, x3, high] = halve(sum);
    let mut words = [x0, x1, x2, x3];
    if (high as i64) < 0 {
        let mut carry = 0;
        for (word, p) in words.iter_mut().zip(p) {
            let sum = u128::from(*word) + u128::from(p) + carry;
            (*word, carry) = (sum as u64, sum >> 64);
        }
    }
    reduce::<C>(words).0.0
}
