//! Field arithmetic one element at a time, in arkworks' own form: Montgomery's with `R = 2^256`, reduced.
//!
//! Products use the instructions `mulx`, `adcx` and `adox` where the processor has them: two carry chains at once, which no
//! compiler makes of plain integers. Inverses follow T. Pornin, Optimized Binary GCD for Modular Inversion (2020).

use ark_ff::{BigInt, Fp, MontBackend, MontConfig};

/// An element of a field of four words, in arkworks' form.
pub(super) type Element<C> = Fp<MontBackend<C, 4>, 4>;

/// A way to multiply.
pub(super) trait Scalar: Copy + Send + Sync + 'static {
    fn mul<C: MontConfig<4>>(self, a: Element<C>, b: Element<C>) -> Element<C>;
}

/// Products of 64-bit integers as the compiler makes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain;

impl Scalar for Plain {
    #[inline(always)]
    fn mul<C: MontConfig<4>>(self, a: Element<C>, b: Element<C>) -> Element<C> {
        a * b
    }
}

/// Proof that the processor has BMI2 and ADX.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug)]
pub(super) struct Adx(());

#[cfg(target_arch = "x86_64")]
impl Adx {
    /// The proof, if the processor gives it.
    pub(super) fn detect() -> Option<Adx> {
        let found = is_x86_feature_detected!("bmi2") && is_x86_feature_detected!("adx");
        found.then_some(Adx(()))
    }
}

/// A round of Montgomery's product, operand by operand: adds `a b[i]` to the five words named `t0` to `t4`, then the multiple
/// of `p` that clears the lowest of them. The top word of `p` leaves two bits free, so that five words are enough.
#[cfg(target_arch = "x86_64")]
macro_rules! round {
    ($b:literal, $t0:literal, $t1:literal, $t2:literal, $t3:literal, $t4:literal) => {
        concat!(
            "mov rdx, [{b} + ",
            $b,
            "]\n",
            "xor {",
            $t4,
            ":e}, {",
            $t4,
            ":e}\n",
            "mulx {hi}, {lo}, [{a}]\n adcx {",
            $t0,
            "}, {lo}\n adox {",
            $t1,
            "}, {hi}\n",
            "mulx {hi}, {lo}, [{a} + 8]\n adcx {",
            $t1,
            "}, {lo}\n adox {",
            $t2,
            "}, {hi}\n",
            "mulx {hi}, {lo}, [{a} + 16]\n adcx {",
            $t2,
            "}, {lo}\n adox {",
            $t3,
            "}, {hi}\n",
            "mulx {hi}, {lo}, [{a} + 24]\n adcx {",
            $t3,
            "}, {lo}\n adox {",
            $t4,
            "}, {hi}\n",
            "mov {lo:e}, 0\n adcx {",
            $t4,
            "}, {lo}\n",
            "mov rdx, [{p} + 32]\n imul rdx, {",
            $t0,
            "}\n",
            "xor {lo:e}, {lo:e}\n",
            "mulx {hi}, {lo}, [{p}]\n adcx {",
            $t0,
            "}, {lo}\n adox {",
            $t1,
            "}, {hi}\n",
            "mulx {hi}, {lo}, [{p} + 8]\n adcx {",
            $t1,
            "}, {lo}\n adox {",
            $t2,
            "}, {hi}\n",
            "mulx {hi}, {lo}, [{p} + 16]\n adcx {",
            $t2,
            "}, {lo}\n adox {",
            $t3,
            "}, {hi}\n",
            "mulx {hi}, {lo}, [{p} + 24]\n adcx {",
            $t3,
            "}, {lo}\n adox {",
            $t4,
            "}, {hi}\n",
            "adcx {",
            $t4,
            "}, {",
            $t0,
            "}\n",
        )
    };
}

#[cfg(target_arch = "x86_64")]
impl Scalar for Adx {
    #[inline(always)]
    fn mul<C: MontConfig<4>>(self, a: Element<C>, b: Element<C>) -> Element<C> {
        let (mut t0, mut t1, mut t2, t4) = (0u64, 0u64, 0u64, 0u64);
        let high: u64;
        // SAFETY: `self` proves that the processor has the instructions; no more is read than the four words of each factor
        // and the five of `p`, nothing is written to memory, and the stack is not used.
        unsafe {
            std::arch::asm!(
                // Each round's lowest word ends as zero, and serves the next round as its highest.
                round!("0", "t0", "t1", "t2", "t3", "t4"),
                round!("8", "t1", "t2", "t3", "t4", "t0"),
                round!("16", "t2", "t3", "t4", "t0", "t1"),
                round!("24", "t3", "t4", "t0", "t1", "t2"),
                a = in(reg) a.0.0.as_ptr(),
                b = in(reg) b.0.0.as_ptr(),
                p = in(reg) Constants::<C>::PLACE.as_ptr(),
                t0 = inout(reg) t0,
                t1 = inout(reg) t1,
                t2 = inout(reg) t2,
                t3 = inout(reg) 0u64 => _,
                t4 = inout(reg) t4 => high,
                lo = out(reg) _,
                hi = out(reg) _,
                out("rdx") _,
                options(pure, readonly, nostack),
            );
        }
        reduce([high, t0, t1, t2])
    }
}

/// The element in arkworks' form with these words, which stand for less than twice the prime. Which of the two it is cannot be
/// foreseen: no branches.
#[inline(always)]
pub(super) fn reduce<C: MontConfig<4>>(words: [u64; 4]) -> Element<C> {
    let (less, borrow) = subtract(words, C::MODULUS.0);
    let keep = u64::from(borrow).wrapping_neg();
    let mut out = less;
    for (out, word) in out.iter_mut().zip(words) {
        *out ^= (*out ^ word) & keep;
    }
    Element::new_unchecked(BigInt(out))
}

#[inline(always)]
fn subtract(a: [u64; 4], b: [u64; 4]) -> ([u64; 4], bool) {
    let (d0, borrow) = a[0].borrowing_sub(b[0], false);
    let (d1, borrow) = a[1].borrowing_sub(b[1], borrow);
    let (d2, borrow) = a[2].borrowing_sub(b[2], borrow);
    let (d3, borrow) = a[3].borrowing_sub(b[3], borrow);
    ([d0, d1, d2, d3], borrow)
}

#[inline(always)]
fn plus(a: [u64; 4], b: [u64; 4]) -> [u64; 4] {
    let (s0, carry) = a[0].carrying_add(b[0], false);
    let (s1, carry) = a[1].carrying_add(b[1], carry);
    let (s2, carry) = a[2].carrying_add(b[2], carry);
    let (s3, _) = a[3].carrying_add(b[3], carry);
    [s0, s1, s2, s3]
}

/// `a + b`, without branches.
#[inline(always)]
pub(super) fn add<C: MontConfig<4>>(a: Element<C>, b: Element<C>) -> Element<C> {
    reduce(plus(a.0.0, b.0.0))
}

/// `a - b`, without branches.
#[inline(always)]
pub(super) fn sub<C: MontConfig<4>>(a: Element<C>, b: Element<C>) -> Element<C> {
    let (difference, borrow) = subtract(a.0.0, b.0.0);
    let under = u64::from(borrow).wrapping_neg();
    Element::new_unchecked(BigInt(plus(difference, C::MODULUS.0.map(|word| word & under))))
}

/// `-a` if `negate`, without branches; zero has no negative of its own, and stays.
#[inline(always)]
pub(super) fn negate_if<C: MontConfig<4>>(negate: bool, a: Element<C>) -> Element<C> {
    let (negated, _) = subtract(C::MODULUS.0, a.0.0);
    let change = u64::from(negate & (a.0.0 != [0; 4])).wrapping_neg();
    let mut out = a.0.0;
    for (out, word) in out.iter_mut().zip(negated) {
        *out ^= (*out ^ word) & change;
    }
    Element::new_unchecked(BigInt(out))
}

/// What the instructions of a product read of a field: its prime, and `-1 / p` modulo `2^64`.
#[cfg(target_arch = "x86_64")]
struct Constants<C>(std::marker::PhantomData<C>);

#[cfg(target_arch = "x86_64")]
impl<C: MontConfig<4>> Constants<C> {
    const WORDS: [u64; 5] = {
        let [p0, p1, p2, p3] = C::MODULUS.0;
        [p0, p1, p2, p3, C::INV]
    };
    const PLACE: &'static [u64; 5] = &Self::WORDS;
}

/// How many halvings of the numbers share one update of them.
const STEPS: u32 = 31;

/// How often that is enough: for numbers of 254 bits at most `2 * 254 - 1` halvings leave nothing.
const ROUNDS: u32 = (2 * 254 - 1u32).div_ceil(STEPS);

/// `1 / x`; zero for zero.
pub(super) fn inverse<C: MontConfig<4>>(x: Element<C>) -> Element<C> {
    let p = C::MODULUS.0;
    // Modulo p, R^2 a and R^2 b are R x times u and v throughout.
    let (mut a, mut b) = (x.0.0, p);
    let (mut u, mut v) = (C::R2.0, [0; 4]);
    for _ in 0..ROUNDS {
        let (mut low_a, mut low_b) = approximate(a, b);
        // Signed, in two's complement.
        let [mut f0, mut g0, mut f1, mut g1] = [1u64, 0, 0, 1];
        for _ in 0..STEPS {
            // No branches: what to do is a coin's toss each time.
            let odd = (low_a & 1).wrapping_neg();
            let swap = odd & u64::from(low_a < low_b).wrapping_neg();
            let exchange = |a: &mut u64, b: &mut u64| {
                let both = (*a ^ *b) & swap;
                (*a, *b) = (*a ^ both, *b ^ both);
            };
            exchange(&mut low_a, &mut low_b);
            exchange(&mut f0, &mut f1);
            exchange(&mut g0, &mut g1);
            low_a -= low_b & odd;
            f0 = f0.wrapping_sub(f1 & odd);
            g0 = g0.wrapping_sub(g1 & odd);
            low_a >>= 1;
            f1 <<= 1;
            g1 <<= 1;
        }
        let [f0, g0, f1, g1] = [f0, g0, f1, g1].map(|f| f as i64);
        let (next_a, negative_a) = magnitude(halve(combine(a, f0, b, g0)));
        let (next_b, negative_b) = magnitude(halve(combine(a, f1, b, g1)));
        let sign = |negative: bool, f: i64| if negative { -f } else { f };
        let [f0, g0] = [f0, g0].map(|f| sign(negative_a, f));
        let [f1, g1] = [f1, g1].map(|f| sign(negative_b, f));
        (u, v) = (fold::<C>(combine(u, f0, v, g0)), fold::<C>(combine(u, f1, v, g1)));
        (a, b) = (next_a, next_b);
    }
    // If x is not zero b is one now, and v the form R / x of its inverse.
    if x.0.0 == [0; 4] {
        x
    } else {
        Element::new_unchecked(BigInt(v))
    }
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

#[cfg(test)]
mod tests {
    use ark_bn254::{FqConfig, FrConfig};
    use ark_ff::{AdditiveGroup, Field, PrimeField};
    use proptest::prelude::*;

    use super::*;

    fn check<C: MontConfig<4>>(a: Element<C>, b: Element<C>) {
        assert_eq!(Plain.mul(a, b), a * b);
        assert_eq!((add(a, b), sub(a, b)), (a + b, a - b));
        assert_eq!((negate_if(true, a), negate_if(false, a)), (-a, a));
        #[cfg(target_arch = "x86_64")]
        if let Some(adx) = Adx::detect() {
            assert_eq!(adx.mul(a, b), a * b);
        }
        assert_eq!(inverse(a), a.inverse().unwrap_or(Element::<C>::ZERO));
    }

    fn edges<C: MontConfig<4>>() -> Vec<Element<C>> {
        let mut half = Element::<C>::MODULUS;
        ark_ff::BigInteger::div2(&mut half);
        let mut words = vec![half.0, [u64::MAX, u64::MAX, u64::MAX, 0], [0, 0, 0, 1], [0, 1, 0, 0]];
        words.extend((0..4).map(|k| [k, 0, 0, 0]));
        let small = words
            .into_iter()
            .map(|words| Element::<C>::new_unchecked(BigInt(words)));
        let small: Vec<_> = small.collect();
        let values = (0..254u64).map(|k| Element::<C>::from(2u64).pow([k]));
        small
            .iter()
            .copied()
            .chain(small.iter().map(|&x| -x))
            .chain(values)
            .collect()
    }

    #[test]
    fn edge_values() {
        fn all<C: MontConfig<4>>() {
            let edges = edges::<C>();
            for (i, &a) in edges.iter().enumerate() {
                check(a, edges[(i * 7 + 3) % edges.len()]);
                check(a, a);
            }
        }
        all::<FqConfig>();
        all::<FrConfig>();
    }

    proptest! {
        #[test]
        fn arithmetic_is_that_of_the_field(a in any::<[u64; 8]>(), b in any::<[u64; 8]>()) {
            fn element<C: MontConfig<4>>(words: [u64; 8]) -> Element<C> {
                let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
                Element::<C>::from_le_bytes_mod_order(&bytes)
            }
            check::<FqConfig>(element(a), element(b));
            check::<FrConfig>(element(a), element(b));
        }
    }
}
