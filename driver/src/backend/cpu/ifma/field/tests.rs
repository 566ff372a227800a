use ark_bn254::{Fq, Fr};
use ark_ff::{BigInt, BigInteger, PrimeField};
use proptest::prelude::*;

use super::*;

/// `k p + offset`.
fn near(p: [u64; 4], k: u64, offset: i64) -> [u64; 4] {
    let mut out = BigInt::<4>([0; 4]);
    for _ in 0..k {
        out.add_with_carry(&BigInt(p));
    }
    let step = BigInt::from(offset.unsigned_abs());
    if offset < 0 {
        out.sub_with_borrow(&step)
    } else {
        out.add_with_carry(&step)
    };
    out.0
}

fn lanes<P: Prime>(simd: Simd, values: [[u64; 4]; 8]) -> Field8<P> {
    let words = [0, 1, 2, 3].map(|i| simd.load(&values.map(|value| value[i])));
    Field8::from_words(words)
}

fn words<P: Prime>(element: Field8<P>) -> [[u64; 4]; 8] {
    let words = element.to_words().map(W::lanes);
    [0, 1, 2, 3, 4, 5, 6, 7].map(|k| [0, 1, 2, 3].map(|i| words[i][k]))
}

/// The residue of an integer below `2^256`.
fn residue<F: PrimeField<BigInt = BigInt<4>>>(words: [u64; 4]) -> F {
    words
        .iter()
        .rev()
        .fold(F::ZERO, |sum, &word| sum * F::from(1u128 << 64) + F::from(word))
}

fn check<P: Prime, F: PrimeField<BigInt = BigInt<4>>>(a: [[u64; 4]; 8], b: [[u64; 4]; 8]) {
    let Some(simd) = Simd::detect() else { return };
    let shrink = F::from(2u64).pow([260]).inverse().unwrap_or_default();
    let (x, y) = (lanes::<P>(simd, a), lanes::<P>(simd, b));
    assert_eq!(words(x), a);
    // Each of these is below 5.3 p and so canonical() holds it.
    let product = words(x.mul(y).canonical());
    let square = words(x.square().canonical());
    let difference = words(x.canonical().minus::<2>(y.canonical()).reduce().canonical());
    let sum = words(x.canonical().plus(y.canonical()).carry().canonical());
    let factor = words(
        x.canonical()
            .minus::<2>(y.canonical())
            .carry_for_product()
            .mul(y)
            .canonical(),
    );
    let canonical = words(x.canonical());
    let high = x.canonical().above_half();
    let integer = words(x.leave_montgomery().canonical());
    let congruent = x.canonical().maybe_congruent(y.canonical());
    for k in 0..8 {
        let (u, v) = (residue::<F>(a[k]), residue::<F>(b[k]));
        assert_eq!(canonical[k], u.into_bigint().0);
        assert_eq!(product[k], (u * v * shrink).into_bigint().0);
        assert_eq!(square[k], (u * u * shrink).into_bigint().0);
        assert_eq!(integer[k], (u * F::from(16u64) * shrink).into_bigint().0);
        assert_eq!(difference[k], (u - v).into_bigint().0);
        assert_eq!(sum[k], (u + v).into_bigint().0);
        assert_eq!(factor[k], ((u - v) * v * shrink).into_bigint().0);
        assert_eq!(high >> k & 1 == 1, u.into_bigint() > F::MODULUS_MINUS_ONE_DIV_TWO);
        assert!(u != v || congruent >> k & 1 == 1);
    }
}

#[test]
fn edges_of_the_lazy_form() {
    let mut values = vec![
        [1, 0, 0, 0],
        [LOW, 0, 0, 0],
        [0, 0, 0, 1 << 61],
        [u64::MAX; 4],
        [0, u64::MAX, 0, 0],
    ];
    for p in [Base::WORDS, Scalar::WORDS] {
        values.extend((1..=5).flat_map(|k| [-2, -1, 0, 1, 2].map(|offset| near(p, k, offset))));
        let mut half = BigInt(p);
        half.div2();
        values.extend([half.0, near(half.0, 1, 1), [0; 4]]);
    }
    for (i, &a) in values.iter().enumerate() {
        let b = [0, 1, 2, 3, 4, 5, 6, 7].map(|k| values[(i + k) % values.len()]);
        check::<Base, Fq>([a; 8], b);
        check::<Scalar, Fr>(b, [a; 8]);
    }
}

proptest! {
    #[test]
    fn arithmetic_is_that_of_the_field(a in any::<[[u64; 4]; 8]>(), b in any::<[[u64; 4]; 8]>()) {
        check::<Base, Fq>(a, b);
        check::<Scalar, Fr>(a, b);
    }
}
