//! What a proof computes besides MSMs and transforms: `driver::kernels`, and the same with arkworks' arithmetic, element by
//! element. The benchmark `benches/benches/kernels.rs` times these too.

use ark_ff::Field;
use tapeout_driver::Fr;
use tapeout_driver::kernels::{self, Kind, Op, Program, Source};

/// Columns that an operation works on.
pub(crate) const COLUMNS: usize = 3;

/// Computes on [`COLUMNS`] columns of one length and leaves its result in the first.
pub(crate) type Work = fn(&mut [Vec<Fr>]);

/// An operation.
pub(crate) struct Operation {
    pub(crate) name: &'static str,
    /// By `driver::kernels`.
    pub(crate) kernels: Work,
    /// By arkworks.
    pub(crate) arkworks: Work,
}

/// All of them.
pub(crate) const OPERATIONS: [Operation; 7] = [
    Operation {
        name: "powers",
        kernels: |columns| columns[0] = kernels::powers(columns[1][0], columns[2][0], columns[0].len()),
        arkworks: |columns| {
            let step = columns[2][0];
            let powers = std::iter::successors(Some(columns[1][0]), |power| Some(*power * step));
            columns[0] = powers.take(columns[0].len()).collect();
        },
    },
    Operation {
        name: "evaluation",
        kernels: |columns| columns[0] = vec![kernels::evaluate(&columns[1], columns[2][0])],
        arkworks: |columns| {
            let x = columns[2][0];
            columns[0] = vec![columns[1].iter().rev().fold(Fr::from(0), |sum, c| sum * x + c)];
        },
    },
    Operation {
        name: "inversion",
        kernels: |columns| kernels::invert(&mut columns[0]),
        arkworks: |columns| ark_ff::batch_inversion(&mut columns[0]),
    },
    Operation {
        name: "pointwise product",
        kernels: |columns| {
            let (values, rest) = columns.split_at_mut(1);
            kernels::multiply(&mut values[0], &rest[0]);
        },
        arkworks: |columns| {
            let (values, rest) = columns.split_at_mut(1);
            values[0]
                .iter_mut()
                .zip(&rest[0])
                .for_each(|(value, factor)| *value *= factor);
        },
    },
    Operation {
        name: "inner product",
        kernels: |columns| columns[0] = vec![kernels::inner_product(&columns[1], &columns[2])],
        arkworks: |columns| columns[0] = vec![columns[1].iter().zip(&columns[2]).map(|(a, b)| *a * b).sum()],
    },
    Operation {
        name: "combination of three",
        kernels: |columns| {
            let factors = factors(columns);
            let terms: Vec<_> = factors.into_iter().zip(columns.iter().map(Vec::as_slice)).collect();
            columns[0] = kernels::combine(&terms);
        },
        arkworks: |columns| {
            let factors = factors(columns);
            let row = |i: usize| {
                factors
                    .iter()
                    .zip(&*columns)
                    .map(|(factor, column)| *factor * column[i])
                    .sum()
            };
            columns[0] = (0..columns[0].len()).map(row).collect();
        },
    },
    Operation {
        name: "program of six steps",
        kernels: |columns| {
            let inputs: Vec<_> = columns.iter().map(Vec::as_slice).collect();
            let mut out = program().run(inputs[0].len(), &inputs);
            columns[0] = out.remove(0);
        },
        arkworks: |columns| {
            let [a, b, c] = &*columns else { return };
            let mut before = a[a.len() - 1];
            let rows = a.iter().zip(b).zip(c).map(|((a, b), c)| {
                let out = (*a * b + c) * (*a - before) + Fr::from(5) * c;
                before = *a;
                out
            });
            columns[0] = rows.collect();
        },
    },
];

/// The factors of a combination.
fn factors(columns: &[Vec<Fr>]) -> [Fr; COLUMNS] {
    std::array::from_fn(|i| columns[i][0].square())
}

/// `(a b + c) (a - a') + 5 c` with `a'` of the row before.
fn program() -> Program {
    let op = |kind, a, b, to| Op { kind, a, b, to };
    let (a, b, c) = (Source::Column(0), Source::Column(1), Source::Column(2));
    let (first, second) = (Source::Register(0), Source::Register(1));
    Program {
        ops: vec![
            op(Kind::Mul, a, b, 0),
            op(Kind::Add, first, c, 0),
            op(Kind::Sub, a, Source::Previous(0), 1),
            op(Kind::Mul, first, second, 0),
            op(Kind::Mul, Source::Const(Fr::from(5)), c, 1),
            op(Kind::Add, first, second, 0),
        ],
        outputs: vec![first],
        registers: 2,
    }
}
