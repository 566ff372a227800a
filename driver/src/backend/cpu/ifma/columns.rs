//! Work on whole columns of scalars, eight rows at a time. The definitions are in [`crate::kernels`].
//!
//! Where factors of a product are both data, one of them goes from arkworks' form, `R = 2^256`, to that of the lanes,
//! `R = 2^260`, by a shift of four bits; the product then is in the form of the other.

use ark_ff::{AdditiveGroup, BigInt, Field};

use super::super::inverse::inverse;
use super::field::{Combination, Factor, Field8, Loose8, Products, Scalar};
use super::lane::{Simd, W, store_words};
use crate::Fr;
use crate::kernels::{Kind, Op, Program, Source};

/// Where [`Simd::load_words`] puts eight values.
const LANES: [usize; 8] = [0, 2, 1, 3, 4, 6, 5, 7];

/// Eights of rows that a program works on at a time.
const EIGHTS: usize = 8;

/// Rows that a program works on at a time: its registers stay in the second-level cache.
pub(crate) const ROWS: usize = 8 * EIGHTS;

type Eight = Field8<Scalar>;

type LooseEight = Loose8<Scalar>;

#[inline(always)]
fn load(simd: Simd, values: &[Fr; 8]) -> [W; 4] {
    let [a, b, c, d, e, f, g, h] = values;
    simd.load_words([&a.0.0, &b.0.0, &c.0.0, &d.0.0, &e.0.0, &f.0.0, &g.0.0, &h.0.0])
}

#[inline(always)]
fn store(value: impl Into<LooseEight>, to: &mut [Fr; 8]) {
    let [a, b, c, d, e, f, g, h] = to;
    let to = [
        &mut a.0.0, &mut b.0.0, &mut c.0.0, &mut d.0.0, &mut e.0.0, &mut f.0.0, &mut g.0.0, &mut h.0.0,
    ];
    store_words(value.into().canonical().to_words(), to);
}

/// The element in every lane, in the lanes' form.
fn splat(simd: Simd, x: Fr) -> Eight {
    Field8::splat(simd, (x * Fr::from(16u64)).0.0)
}

/// Eight elements in arkworks' form, each in the lane where [`Simd::load_words`] would put it.
fn gather(simd: Simd, values: [Fr; 8]) -> Eight {
    Field8::from_words(load(simd, &values))
}

/// The elements in arkworks' form, in order.
fn scatter(value: Eight) -> [Fr; 8] {
    let mut out = [Fr::ZERO; 8];
    let words = value.canonical().to_words().map(W::lanes);
    for (place, lane) in LANES.into_iter().enumerate() {
        out[lane] = Fr::new_unchecked(BigInt(words.map(|word| word[place])));
    }
    out
}

/// Chains of products under way at once: each waits for the one that far before it.
const CHAINS: usize = 4;

/// As [`crate::kernels::powers`], for whole eights.
pub(crate) fn powers(simd: Simd, start: Fr, step: Fr, out: &mut [[Fr; 8]]) {
    let mut power = start;
    let first = [(); CHAINS].map(|()| {
        let mut eight = [Fr::ZERO; 8];
        for value in &mut eight {
            *value = power;
            power *= step;
        }
        gather(simd, eight)
    });
    let step = Factor::new(step.pow([8 * CHAINS as u64]));
    // SAFETY: `simd` proves that the processor has the features.
    unsafe { powers_of_eights(first.map(LooseEight::from), &step, out) }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn powers_of_eights(mut current: [LooseEight; CHAINS], step: &Factor, out: &mut [[Fr; 8]]) {
    for out in out.chunks_mut(CHAINS) {
        for (current, out) in current.iter().zip(out) {
            store(*current, out);
        }
        current = Loose8::times_each(current, [step; CHAINS]);
    }
}

/// As [`crate::kernels::evaluate`], for whole eights.
pub(crate) fn evaluate(simd: Simd, coefficients: &[[Fr; 8]], x: Fr) -> Fr {
    let whole = coefficients.len() / CHAINS * CHAINS;
    let (runs, rest) = coefficients.split_at(whole);
    let step = Factor::new(x.pow([8 * CHAINS as u64]));
    // SAFETY: `simd` proves that the processor has the features.
    let chains = unsafe { horner(simd, runs.as_chunks().0, &step) };
    let values = chains.map(scatter);
    let tail = rest.as_flattened().iter().rev().fold(Fr::ZERO, |sum, c| sum * x + c);
    let low = values.as_flattened().iter().rev().fold(Fr::ZERO, |sum, c| sum * x + c);
    low + tail * x.pow([8 * whole as u64])
}

/// Horner's rule in each lane of each chain.
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn horner(simd: Simd, runs: &[[[Fr; 8]; CHAINS]], step: &Factor) -> [Eight; CHAINS] {
    let mut sums = [LooseEight::from(Field8::zero(simd)); CHAINS];
    for run in runs.iter().rev() {
        sums = Loose8::times_each(sums, [step; CHAINS]);
        for (sum, eight) in sums.iter_mut().zip(run) {
            *sum = sum.plus(Field8::from_words(load(simd, eight)));
        }
    }
    sums.map(Loose8::carry)
}

/// As [`crate::kernels::multiply`], for whole eights.
pub(crate) fn multiply(simd: Simd, values: &mut [[Fr; 8]], factors: &[[Fr; 8]]) {
    // SAFETY: `simd` proves that the processor has the features.
    unsafe { multiply_eights(simd, values, factors) }
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn multiply_eights(simd: Simd, values: &mut [[Fr; 8]], factors: &[[Fr; 8]]) {
    for (value, factor) in values.iter_mut().zip(factors) {
        let product = Field8::from_words(load(simd, value)).mul(Field8::enter(load(simd, factor)));
        store(product, value);
    }
}

/// As [`crate::kernels::inner_product`], for whole eights.
pub(crate) fn inner_product(simd: Simd, values: &[[Fr; 8]], factors: &[[Fr; 8]]) -> Fr {
    // SAFETY: `simd` proves that the processor has the features.
    let sums = unsafe { inner_products(simd, values, factors) };
    scatter(sums).into_iter().sum()
}

/// The inner product in each lane.
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn inner_products(simd: Simd, values: &[[Fr; 8]], factors: &[[Fr; 8]]) -> Eight {
    const MOST: usize = Products::<Scalar>::MOST;
    let mut sum = Field8::zero(simd);
    for (values, factors) in values.chunks(MOST).zip(factors.chunks(MOST)) {
        let mut products = Products::new(simd);
        for (value, factor) in values.iter().zip(factors) {
            products.add(Field8::from_words(load(simd, value)), Field8::enter(load(simd, factor)));
        }
        // Each product adds at most a quarter of r here.
        sum = products.reduce().plus(sum).shrink();
    }
    sum
}

/// As [`crate::kernels::combine`], for whole eights: adds the terms to `out`.
pub(crate) fn combine(simd: Simd, terms: &[(Fr, &[[Fr; 8]])], out: &mut [[Fr; 8]]) {
    for terms in terms.chunks(Combination::MOST) {
        let terms: Vec<_> = terms
            .iter()
            .map(|(factor, values)| (Factor::new(*factor), *values))
            .collect();
        // SAFETY: `simd` proves that the processor has the features.
        unsafe { combine_eights(simd, &terms, out) }
    }
}

/// For no more than [`Combination::MOST`] terms.
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn combine_eights(simd: Simd, terms: &[(Factor, &[[Fr; 8]])], out: &mut [[Fr; 8]]) {
    for (i, out) in out.iter_mut().enumerate() {
        let mut sum = Combination::new(simd);
        for (factor, values) in terms {
            if let Some(values) = values.get(i) {
                sum.add(Field8::from_words(load(simd, values)), factor);
            }
        }
        store(sum.reduce().plus(Field8::from_words(load(simd, out))), out);
    }
}

/// As [`crate::kernels::invert`], for whole eights.
pub(crate) fn invert(simd: Simd, values: &mut [[Fr; 8]]) {
    let mut prefixes = vec![Field8::zero(simd); values.len()];
    let one = splat(simd, Fr::ONE);
    // SAFETY: `simd` proves that the processor has the features.
    let products = unsafe { prefix_products(simd, values, one, &mut prefixes) };
    // Montgomery's trick once more, over the lanes.
    let products = products.map(scatter);
    let products = products.as_flattened();
    let mut inverses = [[Fr::ONE; 8]; 2];
    let inverses_flat = inverses.as_flattened_mut();
    for k in 1..products.len() {
        inverses_flat[k] = inverses_flat[k - 1] * products[k - 1];
    }
    let last = products.len() - 1;
    let mut inverted = inverse(inverses_flat[last] * products[last]);
    for (prefix, product) in inverses_flat.iter_mut().zip(products).rev() {
        (*prefix, inverted) = (*prefix * inverted, inverted * product);
    }
    // What was scattered was 2^4 times the products in arkworks' form; these come back with 2^-4, and go to 2^260.
    let inverses = inverses.map(|eight| gather(simd, eight.map(|x| x * Fr::from(256u64))));
    // SAFETY: as above.
    unsafe { divide(simd, values, one, &prefixes, inverses) }
}

/// Factors that are zero are taken for one.
#[inline(always)]
fn factor(simd: Simd, values: &[Fr; 8], one: Eight) -> (Eight, u8) {
    let words = load(simd, values);
    let zero = (words[0] | words[1] | words[2] | words[3]).equal(simd.zero());
    (Field8::enter(words).blend(zero, one), zero)
}

/// The products before each eight, of the even ones and of the odd ones, and at last the products of all.
#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn prefix_products(simd: Simd, values: &[[Fr; 8]], one: Eight, prefixes: &mut [Eight]) -> [Eight; 2] {
    let mut products = [one; 2];
    for (i, (values, prefix)) in values.iter().zip(prefixes).enumerate() {
        *prefix = products[i % 2];
        products[i % 2] = products[i % 2].mul(factor(simd, values, one).0);
    }
    products
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn divide(simd: Simd, values: &mut [[Fr; 8]], one: Eight, prefixes: &[Eight], mut inverses: [Eight; 2]) {
    let back = Field8::splat(simd, Fr::ONE.0.0);
    for (i, (values, prefix)) in values.iter_mut().zip(prefixes).enumerate().rev() {
        let (factor, zero) = factor(simd, values, one);
        let inverse = &mut inverses[i % 2];
        let [out, next] = Field8::mul_each([*prefix, factor], [*inverse; 2]);
        *inverse = next;
        store(out.mul(back).blend(zero, Field8::zero(simd)), values);
    }
}

/// What an operand of a program stands for.
#[derive(Clone, Copy)]
enum Operand<'a> {
    Register(usize),
    /// The words of a constant in the lanes' form.
    Const([u64; 4]),
    /// The column, and how many rows before.
    Column(&'a [Fr], usize),
}

/// An operation of a program.
enum Operation<'a> {
    OfTwo(Kind, Operand<'a>, Operand<'a>),
    /// The product by a constant.
    Scaled(Operand<'a>, Factor),
}

/// A program whose operands are bound to columns.
pub(crate) struct Bound<'a> {
    simd: Simd,
    /// Each with the register that its result goes to.
    ops: Vec<(Operation<'a>, usize)>,
    outputs: Vec<Operand<'a>>,
    registers: usize,
}

impl<'a> Bound<'a> {
    pub(crate) fn new(simd: Simd, program: &Program, columns: &[&'a [Fr]]) -> Self {
        let bind = |source: &Source| match *source {
            Source::Register(register) => Operand::Register(register),
            Source::Const(value) => Operand::Const((value * Fr::from(16u64)).0.0),
            Source::Column(column) => Operand::Column(columns[column], 0),
            Source::Previous(column) => Operand::Column(columns[column], 1),
        };
        let operation = |op: &Op| match (op.kind, &op.a, &op.b) {
            (Kind::Mul, Source::Const(factor), other) | (Kind::Mul, other, Source::Const(factor)) => {
                Operation::Scaled(bind(other), Factor::new(*factor))
            }
            (kind, a, b) => Operation::OfTwo(kind, bind(a), bind(b)),
        };
        Bound {
            simd,
            ops: program.ops.iter().map(|op| (operation(op), op.to)).collect(),
            outputs: program.outputs.iter().map(bind).collect(),
            registers: program.registers,
        }
    }

    pub(crate) fn registers(&self) -> Vec<[Eight; EIGHTS]> {
        vec![[Field8::zero(self.simd); EIGHTS]; self.registers]
    }

    /// Rows `start..start + out[_].len()`, [`ROWS`] of them or another multiple of eight that is less.
    pub(crate) fn run(&self, start: usize, registers: &mut [[Eight; EIGHTS]], out: &mut [&mut [Fr]]) {
        // SAFETY: `self.simd` proves that the processor has the features.
        unsafe { self.run_rows(start, registers, out) }
    }

    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
    fn run_rows(&self, start: usize, registers: &mut [[Eight; EIGHTS]], out: &mut [&mut [Fr]]) {
        let eights = out.first().map_or(0, |out| out.len() / 8).min(EIGHTS);
        let mut space = [[Field8::zero(self.simd); EIGHTS]; 3];
        let [space_a, space_b, result] = &mut space;
        for (operation, to) in &self.ops {
            // Registers are below 2.5 p.
            match *operation {
                Operation::Scaled(a, ref factor) => {
                    let a = values(self.simd, a, start, eights, registers, space_a);
                    for i in 0..eights {
                        result[i] = Loose8::from(a[i]).times(factor).reduce();
                    }
                }
                Operation::OfTwo(kind, a, b) => {
                    let a = values(self.simd, a, start, eights, registers, space_a);
                    let b = values(self.simd, b, start, eights, registers, space_b);
                    for i in 0..eights {
                        result[i] = match kind {
                            Kind::Add => a[i].plus(b[i]).reduce(),
                            Kind::Sub => a[i].minus::<3>(b[i]).reduce(),
                            Kind::Mul => a[i].mul(b[i]),
                        };
                    }
                }
            }
            registers[*to][..eights].copy_from_slice(&result[..eights]);
        }
        let back = Field8::splat(self.simd, Fr::ONE.0.0);
        for (&output, out) in self.outputs.iter().zip(out) {
            let values = values(self.simd, output, start, eights, registers, space_a);
            for (value, out) in values.iter().zip(out.as_chunks_mut::<8>().0) {
                store(value.mul(back), out);
            }
        }
    }
}

/// An operand's values in the lanes' form.
#[inline(always)]
fn values<'a>(
    simd: Simd,
    operand: Operand<'_>,
    start: usize,
    eights: usize,
    registers: &'a [[Eight; EIGHTS]],
    space: &'a mut [Eight; EIGHTS],
) -> &'a [Eight; EIGHTS] {
    match operand {
        Operand::Register(register) => return &registers[register],
        Operand::Const(value) => space[..eights].fill(Field8::splat(simd, value)),
        Operand::Column(column, before) => {
            for (i, out) in space[..eights].iter_mut().enumerate() {
                let row = start + 8 * i;
                let words = match row.checked_sub(before).and_then(|row| column[row..].first_chunk()) {
                    Some(eight) => load(simd, eight),
                    // The row before the first is the last.
                    None => {
                        let mut eight = [column[column.len() - 1]; 8];
                        eight[1..].copy_from_slice(&column[..7]);
                        load(simd, &eight)
                    }
                };
                *out = Loose8::from(Field8::enter(words)).shrink();
            }
        }
    }
    space
}
