//! Field arithmetic one element at a time, in arkworks' own form: Montgomery's with `R = 2^256`, reduced.
//!
//! Products use the instructions `mulx`, `adcx` and `adox` where the processor has them: two carry chains at once, which no
//! compiler makes of plain integers.

use std::hint::select_unpredictable;
use std::marker::PhantomData;

use ark_ff::{BigInt, Fp, MontBackend, MontConfig};

use super::words;

/// An element of a field of four words, in arkworks' form.
pub(super) type Element<C> = Fp<MontBackend<C, 4>, 4>;

/// A way to multiply.
pub(super) trait Scalar: Copy + Send + Sync + 'static {
    /// The words of a representative of `a b / 2^256`: below twice the prime for reduced `a` and any words `b`, and for `a` and
    /// `b` both below twice the prime, as four primes are less than `2^256`.
    fn product<C: MontConfig<4>>(self, a: &[u64; 4], b: &[u64; 4]) -> [u64; 4];

    #[inline(always)]
    fn mul<C: MontConfig<4>>(self, a: Element<C>, b: Element<C>) -> Element<C> {
        reduce(self.product::<C>(&a.0.0, &b.0.0))
    }
}

/// The words of a representative below twice the prime, for what goes on to be multiplied.
pub(super) struct Lazy<C>([u64; 4], PhantomData<C>);

impl<C> Clone for Lazy<C> {
    #[inline(always)]
    fn clone(&self) -> Self {
        *self
    }
}

impl<C> Copy for Lazy<C> {}

impl<C: MontConfig<4>> Lazy<C> {
    /// `a b`.
    #[inline(always)]
    pub(super) fn product(scalar: impl Scalar, a: Self, b: Self) -> Self {
        Lazy(scalar.product::<C>(&a.0, &b.0), PhantomData)
    }

    /// `a + b`.
    #[inline(always)]
    pub(super) fn sum(a: Element<C>, b: Element<C>) -> Self {
        Lazy(words::add(a.0.0, b.0.0), PhantomData)
    }

    /// `a - b`.
    #[inline(always)]
    pub(super) fn difference(a: Element<C>, b: Element<C>) -> Self {
        Lazy(words::sub(words::add(a.0.0, C::MODULUS.0), b.0.0), PhantomData)
    }

    /// `self - other`, reduced.
    #[inline(always)]
    pub(super) fn minus(self, other: impl Into<Self>) -> Element<C> {
        let twice = const { words::twice(C::MODULUS.0) };
        // Below four primes, and below two after the first reduction.
        let difference = words::sub(words::add(self.0, twice), other.into().0);
        reduce(words::reduce(difference, &twice))
    }

    #[inline(always)]
    pub(super) fn reduce(self) -> Element<C> {
        reduce(self.0)
    }
}

impl<C: MontConfig<4>> From<Element<C>> for Lazy<C> {
    #[inline(always)]
    fn from(element: Element<C>) -> Self {
        Lazy(element.0.0, PhantomData)
    }
}

/// Products of 64-bit integers as the compiler makes them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain;

impl Scalar for Plain {
    /// Montgomery's product, operand by operand. The top word of the prime leaves two bits free, so that four words and a
    /// carry are enough.
    #[inline(always)]
    fn product<C: MontConfig<4>>(self, a: &[u64; 4], b: &[u64; 4]) -> [u64; 4] {
        let add = |x: u64, y: u64, c: u64, d: u64| {
            let sum = u128::from(x) * u128::from(y) + u128::from(c) + u128::from(d);
            (sum as u64, (sum >> 64) as u64)
        };
        let p = &C::MODULUS.0;
        let mut t = [0; 4];
        for &b in b {
            let (low, mut carry) = add(a[0], b, t[0], 0);
            let digit = low.wrapping_mul(C::INV);
            let (_, mut borrow) = add(digit, p[0], low, 0);
            for i in 1..4 {
                let (word, high) = add(a[i], b, t[i], carry);
                carry = high;
                (t[i - 1], borrow) = add(digit, p[i], word, borrow);
            }
            t[3] = carry + borrow;
        }
        t
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
    fn product<C: MontConfig<4>>(self, a: &[u64; 4], b: &[u64; 4]) -> [u64; 4] {
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
                a = in(reg) a.as_ptr(),
                b = in(reg) b.as_ptr(),
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
        [high, t0, t1, t2]
    }
}

/// The element in arkworks' form with these words, which stand for less than twice the prime.
#[inline(always)]
pub(super) fn reduce<C: MontConfig<4>>(words: [u64; 4]) -> Element<C> {
    Element::new_unchecked(BigInt(words::reduce(words, &C::MODULUS.0)))
}

/// `-a` if `negate`, without branches; zero has no negative of its own, and stays.
#[inline(always)]
pub(super) fn negate_if<C: MontConfig<4>>(negate: bool, a: Element<C>) -> Element<C> {
    let negated = words::sub(C::MODULUS.0, a.0.0);
    let change = negate & (a.0.0 != [0; 4]);
    let mut out = a.0.0;
    for (out, word) in out.iter_mut().zip(negated) {
        *out = select_unpredictable(change, word, *out);
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

#[cfg(test)]
mod tests {
    use ark_bn254::{FqConfig, FrConfig};
    use ark_ff::{AdditiveGroup, Field, PrimeField};
    use proptest::prelude::*;

    use super::super::inverse::inverse;
    use super::*;

    fn check<C: MontConfig<4>>(a: Element<C>, b: Element<C>) {
        check_products(Plain, a, b);
        #[cfg(target_arch = "x86_64")]
        if let Some(adx) = Adx::detect() {
            check_products(adx, a, b);
        }
        assert_eq!((negate_if(true, a), negate_if(false, a)), (-a, a));
        assert_eq!(inverse(a), a.inverse().unwrap_or(Element::<C>::ZERO));
    }

    fn check_products<C: MontConfig<4>>(scalar: impl Scalar, a: Element<C>, b: Element<C>) {
        assert_eq!(scalar.mul(a, b), a * b);
        // Any words do for the second factor: a multiple of the prime more does not matter.
        let more = |x: [u64; 4]| words::add(x, C::MODULUS.0);
        assert_eq!(reduce::<C>(scalar.product::<C>(&a.0.0, &more(more(b.0.0)))), a * b);
        // Up to twice the prime less one, and on from there.
        let lazy = |x: Element<C>| [x.0.0, more(x.0.0)].map(|words| Lazy(words, PhantomData));
        for a_lazy in lazy(a) {
            for b_lazy in lazy(b) {
                let product = Lazy::product(scalar, a_lazy, b_lazy);
                assert_eq!((product.reduce(), product.minus(b_lazy)), (a * b, a * b - b));
                let again = Lazy::product(scalar, product, b_lazy);
                assert_eq!((again.reduce(), b_lazy.minus(again)), (a * b * b, b - a * b * b));
            }
        }
        assert_eq!((Lazy::sum(a, b).minus(a), Lazy::difference(a, b).reduce()), (b, a - b));
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
