//! Polynomial expressions over a circuit's columns: the language that gates, bus messages and sums are written in.
//!
//! An [`Expr`] is data. The prover compiles it, the verifier evaluates it at one point, the checker evaluates
//! it row by row, and all read the same tree.

use std::ops::{Add, Mul, Neg, Sub};

use ark_bn254::Fr;
use ark_ff::{Field, One, Zero};

/// A scalar that both sides know: a challenge, or what follows from challenges and the statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scalar {
    /// Separates output channels in the linear argument.
    Rho,
    /// Base of the column `D`.
    Eta,
    /// `eta^n`: what separates the read ports in (L2).
    EtaToRows,
    /// Offset of every bus denominator.
    Beta,
    /// Separates a bus message's value from its id.
    Chi,
    /// Weight of the sum (L1), `C x - E U`.
    WeightLinear,
    /// Weight of the sum (L2), `D C`.
    WeightInputs,
    /// Weight of the sum (L3), `D E`.
    WeightOutputs,
    /// What the cyclic sum must add up to, divided by the number of rows.
    TotalPerRow,
    /// Separates the columns of a product of matrices: the position challenge `s_1`.
    MatrixColumn,
    /// The hash of the input, a public word.
    InputHash,
    /// The hash of the output, a public word.
    OutputHash,
}

/// Number of [`Scalar`]s.
pub const SCALARS: usize = 12;

/// The values of the scalars, indexed by [`Scalar`].
#[derive(Clone, Debug, Default)]
pub struct Scalars([Fr; SCALARS]);

impl std::ops::Index<Scalar> for Scalars {
    type Output = Fr;
    fn index(&self, s: Scalar) -> &Fr {
        &self.0[s as usize]
    }
}

impl std::ops::IndexMut<Scalar> for Scalars {
    fn index_mut(&mut self, s: Scalar) -> &mut Fr {
        &mut self.0[s as usize]
    }
}

/// A polynomial expression.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A constant.
    Const(Fr),
    /// A scalar known to both sides.
    Scalar(Scalar),
    /// The fixed column of this index.
    Fixed(usize),
    /// The advice column of this index.
    Advice(usize),
    /// The advice column of this index, one row back (cyclically): `f(X / w)`.
    Prev(usize),
    /// The polynomial `X`.
    X,
    /// `L_0`: 1 on the first row, 0 on the others.
    First,
    /// A sum.
    Add(Box<Expr>, Box<Expr>),
    /// A difference.
    Sub(Box<Expr>, Box<Expr>),
    /// A product.
    Mul(Box<Expr>, Box<Expr>),
}

/// What an expression's leaves are worth at one point.
pub trait Leaves {
    /// Value of a fixed column.
    fn fixed(&self, column: usize) -> Fr;
    /// Value of an advice column.
    fn advice(&self, column: usize) -> Fr;
    /// Value of an advice column one row back.
    fn prev(&self, column: usize) -> Fr;
    /// The point itself.
    fn x(&self) -> Fr;
    /// `L_0` at the point.
    fn first(&self) -> Fr;
}

impl Expr {
    /// The constant `v`.
    pub fn int(v: i64) -> Self {
        Self::Const(crate::field::signed(v))
    }

    /// The constant `2^bits`.
    pub fn pow2(bits: u32) -> Self {
        Self::Const(Fr::from(2u8).pow([u64::from(bits)]))
    }

    /// The sum of all, zero for none.
    pub fn sum(terms: impl IntoIterator<Item = Self>) -> Self {
        terms.into_iter().reduce(Add::add).unwrap_or(Self::Const(Fr::zero()))
    }

    /// Whether this is the constant `v`.
    fn is_const(&self, v: Fr) -> bool {
        matches!(self, Self::Const(c) if *c == v)
    }

    /// The value where the leaves are worth `leaves`.
    pub fn eval(&self, leaves: &impl Leaves, scalars: &Scalars) -> Fr {
        match self {
            Self::Const(c) => *c,
            Self::Scalar(s) => scalars[*s],
            Self::Fixed(i) => leaves.fixed(*i),
            Self::Advice(i) => leaves.advice(*i),
            Self::Prev(i) => leaves.prev(*i),
            Self::X => leaves.x(),
            Self::First => leaves.first(),
            Self::Add(a, b) => a.eval(leaves, scalars) + b.eval(leaves, scalars),
            Self::Sub(a, b) => a.eval(leaves, scalars) - b.eval(leaves, scalars),
            Self::Mul(a, b) => a.eval(leaves, scalars) * b.eval(leaves, scalars),
        }
    }

    /// The degree as a polynomial in X over `n` rows, an advice column `i` having degree `n - 1 + blinds(i)`.
    pub fn degree(&self, n: usize, blinds: &impl Fn(usize) -> usize) -> usize {
        match self {
            Self::Const(_) | Self::Scalar(_) => 0,
            Self::X => 1,
            Self::Fixed(_) | Self::First => n - 1,
            Self::Advice(i) | Self::Prev(i) => n - 1 + blinds(*i),
            Self::Add(a, b) | Self::Sub(a, b) => a.degree(n, blinds).max(b.degree(n, blinds)),
            Self::Mul(a, b) => a.degree(n, blinds) + b.degree(n, blinds),
        }
    }

    /// Calls `f` with every leaf.
    pub fn for_each_leaf(&self, f: &mut impl FnMut(&Self)) {
        match self {
            Self::Add(a, b) | Self::Sub(a, b) | Self::Mul(a, b) => {
                a.for_each_leaf(f);
                b.for_each_leaf(f);
            }
            leaf => f(leaf),
        }
    }
}

impl From<Scalar> for Expr {
    fn from(s: Scalar) -> Self {
        Self::Scalar(s)
    }
}

impl Add for Expr {
    type Output = Self;
    fn add(self, rhs: Self) -> Self {
        match (self.is_const(Fr::zero()), rhs.is_const(Fr::zero())) {
            (true, _) => rhs,
            (_, true) => self,
            _ => Self::Add(Box::new(self), Box::new(rhs)),
        }
    }
}

impl Sub for Expr {
    type Output = Self;
    fn sub(self, rhs: Self) -> Self {
        if rhs.is_const(Fr::zero()) {
            self
        } else {
            Self::Sub(Box::new(self), Box::new(rhs))
        }
    }
}

impl Mul for Expr {
    type Output = Self;
    fn mul(self, rhs: Self) -> Self {
        match (self.is_const(Fr::one()), rhs.is_const(Fr::one())) {
            (true, _) => rhs,
            (_, true) => self,
            _ => Self::Mul(Box::new(self), Box::new(rhs)),
        }
    }
}

impl Neg for Expr {
    type Output = Self;
    fn neg(self) -> Self {
        Self::Const(Fr::zero()) - self
    }
}
