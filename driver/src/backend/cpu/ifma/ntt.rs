//! Number-theoretic transforms in two passes, each of which keeps eight short transforms in the lanes.
//!
//! A column of `n = R C` elements is a matrix of `R` rows and `C` columns, row by row. The first pass transforms the matrix's
//! columns, eight neighbours at a time, and multiplies by the twist `w^(row * column)`; the second transforms the rows,
//! eight at a time (D. H. Bailey, FFTs in external or hierarchical memory, 1990). The coset's powers and `1/n` go into the
//! twist as far as they can; what is left, a power that depends on the row in forward and on the column in inverse
//! transforms, is one product by a constant before the first, or after the second pass.
//!
//! Elements stay in arkworks' form throughout: a product by a constant keeps whatever form they are in.

mod short;

use std::sync::{Mutex, PoisonError};

use ark_ff::{FftField, Field};
use rayon::prelude::*;

use super::super::pages;
use super::super::powers::{Powers, powers};
use super::field::{Factor, Field8, Loose8, Scalar};
use super::lane::{Simd, W, store_words, transpose};
use crate::{Dir, Error, Fr, Result};
use short::Short;

/// The smallest domain that fills the lanes in both passes.
pub(crate) const MIN_LOG_N: u32 = 6;

/// Columns of no more elements than this are transformed on one thread: another takes longer to wake than to help.
const SPLIT: usize = 1 << 11;

/// Where [`Simd::load_words`] puts eight values.
const LANES: [usize; 8] = [0, 2, 1, 3, 4, 6, 5, 7];

/// The words of eight elements between the passes.
type Packed = [[u64; 8]; 4];

/// A domain's resident constants.
pub(crate) struct Plan {
    simd: Simd,
    rows: usize,
    columns: usize,
    forward: Direction,
    inverse: Direction,
    /// Matrices that no transform uses just now: fresh memory costs more than a pass over it.
    idle: Mutex<Vec<Vec<Packed>>>,
    /// Whether they are kept from call to call.
    keeps: bool,
}

/// The constants of one direction.
struct Direction {
    /// The generator of the domain, inverted for inverse transforms.
    root: Fr,
    by_rows: Short,
    by_columns: Short,
    /// The twist when the coset is the domain itself.
    twist: Vec<Packed>,
}

/// What one run multiplies by.
struct Scaling<'a> {
    direction: &'a Direction,
    twist: &'a [Packed],
    /// By row, before the first pass.
    before: Option<Vec<Factor>>,
    /// By column, after the second pass.
    after: Option<Vec<Factor>>,
}

impl Plan {
    /// The constants of the domain of size `2^log_n`, which is at least `2^6`; whether it `keeps` its buffers from call to call.
    pub(crate) fn new(simd: Simd, log_n: u32, keeps: bool) -> Result<Plan> {
        let (rows, columns) = (1usize << (log_n / 2), 1usize << (log_n - log_n / 2));
        let root = (log_n..Fr::TWO_ADICITY).fold(Fr::TWO_ADIC_ROOT_OF_UNITY, |w, _| w.square());
        let invert = |x: Fr| x.inverse().ok_or(Error::Coset);
        let shrink = invert(Fr::from(1u64 << log_n))?;
        let direction = |root: Fr, scale: Fr| Direction {
            root,
            by_rows: Short::new(rows, root.pow([columns as u64])),
            by_columns: Short::new(columns, root.pow([rows as u64])),
            twist: {
                let mut out = matrix(rows * columns);
                twist(simd, &vec![scale; columns], &powers(Fr::ONE, root, columns), &mut out);
                out
            },
        };
        let (forward, inverse) = (direction(root, Fr::ONE), direction(invert(root)?, shrink));
        Ok(Plan {
            simd,
            rows,
            columns,
            forward,
            inverse,
            idle: Mutex::new(Vec::new()),
            keeps,
        })
    }

    pub(crate) fn run(&self, dir: Dir, coset: Fr, batch: &mut [Vec<Fr>]) -> Result<()> {
        let direction = match dir {
            Dir::Forward => &self.forward,
            Dir::Inverse => &self.inverse,
        };
        let mut twisted = None;
        let mut scaling = Scaling {
            direction,
            twist: &direction.twist,
            before: None,
            after: None,
        };
        if coset != Fr::ONE {
            let factors = |step: Fr, count| Some(powers(Fr::ONE, step, count).into_iter().map(Factor::new).collect());
            let (root, columns) = (direction.root, self.columns);
            match dir {
                // Element row C + column is multiplied by coset^(row C) before, and by coset^column in the twist.
                Dir::Forward => {
                    let starts = powers(Fr::ONE, coset, columns);
                    let out = twisted.insert(self.take());
                    twist(self.simd, &starts, &powers(Fr::ONE, root, columns), out);
                    scaling.before = factors(coset.pow([columns as u64]), self.rows);
                }
                // Element row + column R is multiplied by coset^-row in the twist, and by coset^(-column R) after.
                Dir::Inverse => {
                    let shrink = Fr::from((self.rows * columns) as u64).inverse().ok_or(Error::Coset)?;
                    let back = coset.inverse().ok_or(Error::Coset)?;
                    let out = twisted.insert(self.take());
                    twist(self.simd, &vec![shrink; columns], &powers(back, root, columns), out);
                    scaling.after = factors(back.pow([self.rows as u64]), columns);
                }
            }
        }
        if let Some(twisted) = &twisted {
            scaling.twist = twisted;
        }
        // Threads are woken for many columns, or for one that is worth it.
        let threads = rayon::current_num_threads();
        let alone =
            threads == 1 || (self.rows * self.columns <= SPLIT && batch.len() * self.rows * self.columns <= 2 * SPLIT);
        if alone {
            let (mut between, mut scratch) = (self.take(), self.scratch());
            for column in batch {
                self.column(&scaling, column, &mut between, &mut scratch);
            }
            self.give(between);
        } else if batch.len() >= 2 * threads || self.rows * self.columns <= SPLIT {
            batch.par_iter_mut().for_each_init(
                || self.scratch(),
                |scratch, column| {
                    let mut between = self.take();
                    self.column(&scaling, column, &mut between, scratch);
                    self.give(between);
                },
            );
        } else {
            // On a thread of the pool: one that is not would be woken between the passes.
            rayon::scope(|_| self.split(&scaling, batch));
        }
        twisted.into_iter().for_each(|matrix| self.give(matrix));
        if !self.keeps {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
        }
        Ok(())
    }

    /// Transforms columns one after the other, each on all threads.
    fn split(&self, scaling: &Scaling<'_>, batch: &mut [Vec<Fr>]) {
        let mut between = self.take();
        for column in batch {
            let blocks = between.par_chunks_exact_mut(self.rows).enumerate();
            blocks.for_each_init(
                || self.scratch(),
                |scratch, (at, out)| self.first(scaling, column, at, out, scratch),
            );
            let out = Out::new(column);
            (0..self.rows / 8).into_par_iter().for_each_init(
                || self.scratch(),
                |scratch, at| self.second(scaling, &between, at, &out, scratch),
            );
        }
        self.give(between);
    }

    /// Transforms a column on this thread.
    fn column(&self, scaling: &Scaling<'_>, column: &mut [Fr], between: &mut [Packed], scratch: &mut [Loose8<Scalar>]) {
        for (at, out) in between.chunks_exact_mut(self.rows).enumerate() {
            self.first(scaling, column, at, out, scratch);
        }
        let out = Out::new(column);
        (0..self.rows / 8).for_each(|at| self.second(scaling, between, at, &out, scratch));
    }

    fn take(&self) -> Vec<Packed> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        idle.unwrap_or_else(|| matrix(self.rows * self.columns))
    }

    fn give(&self, matrix: Vec<Packed>) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(matrix);
    }

    fn scratch(&self) -> Vec<Loose8<Scalar>> {
        vec![Field8::zero(self.simd).into(); self.rows.max(self.columns)]
    }

    fn first(
        &self,
        scaling: &Scaling<'_>,
        column: &[Fr],
        at: usize,
        out: &mut [Packed],
        scratch: &mut [Loose8<Scalar>],
    ) {
        // SAFETY: `self.simd` proves that the processor has the features.
        unsafe { self.first_pass(scaling, column, at, out, scratch) }
    }

    /// Columns `8 at..8 at + 8` of the matrix.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
    fn first_pass(
        &self,
        scaling: &Scaling<'_>,
        column: &[Fr],
        at: usize,
        out: &mut [Packed],
        scratch: &mut [Loose8<Scalar>],
    ) {
        let short = &scaling.direction.by_rows;
        let scratch = &mut scratch[..self.rows];
        for (slot, &row) in scratch.iter_mut().zip(&short.reversed) {
            let start = row as usize * self.columns + 8 * at;
            let Some(eight) = column[start..].first_chunk::<8>() else {
                continue;
            };
            // The processor fetches ahead within a row's elements, not from one row to the next: those of the next call are
            // neighbours, here and in the second pass.
            self.simd.prefetch_behind::<{ size_of::<[Fr; 8]>() }, _>(eight);
            let [a, b, c, d, e, f, g, h] = eight;
            let words = self
                .simd
                .load_words([&a.0.0, &b.0.0, &c.0.0, &d.0.0, &e.0.0, &f.0.0, &g.0.0, &h.0.0]);
            let value = Loose8::from(Field8::from_words(words));
            // Below 3 p, as the transform asks.
            *slot = match &scaling.before {
                Some(factors) => value.times(&factors[row as usize]).reduce().into(),
                None => value,
            };
        }
        short.run(scratch);
        let twist = &scaling.twist[at * self.rows..];
        for ((value, twist), out) in scratch.iter().zip(twist).zip(out) {
            let twist = Field8::from_words(load(self.simd, twist));
            let words = value.carry_for_product().mul(twist).to_words();
            for (out, word) in out.iter_mut().zip(words) {
                word.store(out);
            }
        }
    }

    fn second(
        &self,
        scaling: &Scaling<'_>,
        between: &[Packed],
        at: usize,
        out: &Out<'_>,
        scratch: &mut [Loose8<Scalar>],
    ) {
        // SAFETY: `self.simd` proves that the processor has the features.
        unsafe { self.second_pass(scaling, between, at, out, scratch) }
    }

    /// Rows `8 at..8 at + 8` of the matrix.
    #[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
    fn second_pass(
        &self,
        scaling: &Scaling<'_>,
        between: &[Packed],
        at: usize,
        out: &Out<'_>,
        scratch: &mut [Loose8<Scalar>],
    ) {
        let short = &scaling.direction.by_columns;
        let scratch = &mut scratch[..self.columns];
        for (block, reversed) in short.reversed.chunks_exact(8).enumerate() {
            let Some(rows) = between[block * self.rows + 8 * at..].first_chunk::<8>() else {
                continue;
            };
            self.simd.prefetch_behind::<{ size_of::<[Packed; 8]>() }, _>(rows);
            let mut words = [[self.simd.zero(); 4]; 8];
            for i in 0..4 {
                // Row `LANES[k]` goes to place `k`, so that in the end the rows are as `store_words` expects them.
                let mut square = [self.simd.zero(); 8];
                for (place, row) in square.iter_mut().zip(LANES) {
                    *place = self.simd.load(&rows[row][i]);
                }
                for (words, lane) in words.iter_mut().zip(transpose(square)) {
                    words[i] = lane;
                }
            }
            for (words, column) in words.into_iter().zip(LANES) {
                scratch[reversed[column] as usize] = Field8::from_words(words).into();
            }
        }
        short.run(scratch);
        for (column, value) in scratch.iter().enumerate() {
            let value = match &scaling.after {
                Some(factors) => value.times(&factors[column]),
                None => *value,
            };
            // SAFETY: elements R column + 8 at.. + 8, for each column, are written by no other call for the same output.
            let to = unsafe { out.eight(column * self.rows + 8 * at) };
            self.simd.prefetch_to_write_behind::<{ size_of::<[Fr; 8]>() }, _>(to);
            let [a, b, c, d, e, f, g, h] = to;
            let to = [
                &mut a.0.0, &mut b.0.0, &mut c.0.0, &mut d.0.0, &mut e.0.0, &mut f.0.0, &mut g.0.0, &mut h.0.0,
            ];
            store_words(value.canonical().to_words(), to);
        }
    }
}

#[inline(always)]
fn load(simd: Simd, packed: &Packed) -> [W; 4] {
    [
        simd.load(&packed[0]),
        simd.load(&packed[1]),
        simd.load(&packed[2]),
        simd.load(&packed[3]),
    ]
}

/// A matrix of `n` elements as it is between the passes: block by block of eight columns, row by row.
fn matrix(n: usize) -> Vec<Packed> {
    let mut out = pages::with_capacity(n / 8);
    out.resize(n / 8, [[0; 8]; 4]);
    out
}

/// Sets element `(row, column)` of a matrix to `starts[column] * steps[column]^row`, as a factor for Montgomery products.
fn twist(simd: Simd, starts: &[Fr], steps: &[Fr], out: &mut [Packed]) {
    let rows = 8 * out.len() / starts.len();
    let blocks = out
        .par_chunks_exact_mut(rows)
        .zip(starts.par_chunks_exact(8))
        .zip(steps.par_chunks_exact(8));
    // SAFETY: `simd` proves that the processor has the features.
    blocks.for_each(|((out, starts), steps)| unsafe { twist_block(simd, starts, steps, out) });
}

#[target_feature(enable = "avx512f,avx512ifma,avx512vbmi2,avx512dq,avx512vl")]
fn twist_block(simd: Simd, starts: &[Fr], steps: &[Fr], out: &mut [Packed]) {
    // How many powers are under way at once: each waits for the one that far before it.
    const CHAINS: usize = 4;
    let Powers { first, step } = Powers::<CHAINS>::new(starts, steps);
    // Arkworks' form of 16 x is 2^260 x.
    let form = |values: [Fr; 8]| {
        let words = LANES.map(|lane| (values[lane] * Fr::from(16u64)).0.0);
        Field8::<Scalar>::from_words([0, 1, 2, 3].map(|i| simd.load(&words.map(|word| word[i]))))
    };
    let step = form(step);
    let mut current = first.map(form);
    for out in out.chunks_mut(CHAINS) {
        for (out, current) in out.iter_mut().zip(&mut current) {
            for (out, word) in out.iter_mut().zip(current.canonical().to_words()) {
                word.store(out);
            }
            *current = current.mul(step);
        }
    }
}

/// A column that several threads write to, each its own elements.
struct Out<'a> {
    start: *mut Fr,
    len: usize,
    column: std::marker::PhantomData<&'a mut [Fr]>,
}

// SAFETY: elements are written through `eight` only, whose callers keep to elements of their own.
unsafe impl Sync for Out<'_> {}

impl<'a> Out<'a> {
    fn new(column: &'a mut [Fr]) -> Out<'a> {
        Out {
            start: column.as_mut_ptr(),
            len: column.len(),
            column: std::marker::PhantomData,
        }
    }

    /// Elements `at..at + 8`.
    ///
    /// # Safety
    /// Nothing else may refer to any of them.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    unsafe fn eight(&self, at: usize) -> &mut [Fr; 8] {
        assert!(at + 8 <= self.len);
        // SAFETY: within the column, which is borrowed for as long as `self`; exclusive by the contract.
        unsafe { &mut *self.start.add(at).cast() }
    }
}
