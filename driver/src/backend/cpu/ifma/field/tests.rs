use ark_bn254::{Fq, Fr};
use ark_ff::{AdditiveGroup, BigInt, BigInteger, FftField, Field, PrimeField};
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

/// Products by constants of `a`, of `a + b` and of `a - b + 6 p` before their carries, alone and two in turn.
fn check_factors(a: [[u64; 4]; 8], b: [[u64; 4]; 8], by: [Fr; 2]) {
    let Some(simd) = Simd::detect() else { return };
    let (x, y) = (
        Loose8::from(lanes::<Scalar>(simd, a)),
        Loose8::from(lanes::<Scalar>(simd, b)),
    );
    let factors = by.map(Factor::new);
    let (sum, difference) = x.butterfly::<6>(y);
    let both = Loose8::times_each([sum, difference], [&factors[0], &factors[1]]);
    let most = scale(Consts::<Scalar>::P, PRODUCT as u64)[4];
    for product in both {
        assert!(product.carry().0[4].lanes().iter().all(|&top| top <= most));
    }
    let found = [x.times(&factors[0]), both[0], both[1]].map(|value| words(value.canonical()));
    for k in 0..8 {
        let (u, v) = (residue::<Fr>(a[k]), residue::<Fr>(b[k]));
        let expected = [u * by[0], (u + v) * by[0], (u - v) * by[1]];
        assert_eq!(
            found.map(|values| values[k]),
            expected.map(|value| value.into_bigint().0)
        );
    }
}

#[test]
fn products_by_constants_take_the_lazy_form() {
    let p = Scalar::WORDS;
    let edges: Vec<_> = (0..=5u64)
        .flat_map(|k| [-1, 0, 1].map(|offset| (k, offset)))
        .filter(|&edge| edge != (0, -1))
        .map(|(k, offset)| near(p, k, offset))
        .collect();
    let factors = [
        Fr::ZERO,
        Fr::ONE,
        -Fr::ONE,
        Fr::from(1u64 << 52),
        Fr::TWO_ADIC_ROOT_OF_UNITY,
    ];
    for (i, &a) in edges.iter().enumerate() {
        let b = [0, 1, 2, 3, 4, 5, 6, 7].map(|k| edges[(i + 2 * k) % edges.len()]);
        for (j, &factor) in factors.iter().enumerate() {
            check_factors([a; 8], b, [factor, factors[(i + j) % factors.len()]]);
            check_factors(b, [a; 8], [factor, factors[(i + j) % factors.len()]]);
        }
    }
}

/// What is nearest to having one multiple of the prime more or less.
#[test]
fn everything_below_84_p_has_its_representative() {
    fn check<P: Prime, F: PrimeField<BigInt = BigInt<4>>>(simd: Simd) {
        for k in 0..=84 {
            let limbs = scale(Consts::<P>::P, k);
            let offsets = [-2i64, -1, 0, 1, 2, 3, 1 << 50, (1 << 62) - 1]
                .map(|offset| if k == 0 { offset.abs() } else { offset });
            let mut element = Field8::<P>::zero(simd);
            for i in 0..5 {
                element.0[i] = simd.splat(limbs[i]);
            }
            element.0[0] = element.0[0] + simd.load(&offsets.map(|offset| offset as u64));
            // Carries that are still to be made, up to the last limb but one.
            for carry in [0, 1, 1 << 8] {
                let mut loose = Loose8::from(element);
                loose.0[2] = loose.0[2] + simd.splat(carry << 52);
                loose.0[3] = loose.0[3] - simd.splat(carry);
                for (found, offset) in words(loose.canonical()).into_iter().zip(offsets) {
                    let expected = F::from(offset.unsigned_abs());
                    let expected = if offset < 0 { -expected } else { expected };
                    assert_eq!(found, expected.into_bigint().0, "{k} p + {offset}, {carry} moved");
                }
            }
        }
    }
    if let Some(simd) = Simd::detect() {
        check::<Base, Fq>(simd);
        check::<Scalar, Fr>(simd);
    }
}

proptest! {
    #[test]
    fn products_by_constants_are_those_of_the_field(
        a in any::<[[u64; 4]; 8]>(), b in any::<[[u64; 4]; 8]>(), f in any::<[u64; 4]>(), g in any::<[u64; 4]>(),
    ) {
        check_factors(a, b, [residue(f), residue(g)]);
    }

    #[test]
    fn arithmetic_is_that_of_the_field(a in any::<[[u64; 4]; 8]>(), b in any::<[[u64; 4]; 8]>()) {
        check::<Base, Fq>(a, b);
        check::<Scalar, Fr>(a, b);
    }
}
