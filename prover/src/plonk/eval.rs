//! Evaluates expressions over whole columns: compiled once per proof, run in blocks of rows.

use std::collections::{BTreeSet, HashMap};

use tapeout_driver::Fr;
use tapeout_driver::kernels::{self, Kind, Program, Source};

use super::expr::{Expr, Scalars};

/// The columns' values over one domain: the rows themselves or a coset of them.
#[derive(Clone, Copy)]
pub struct Table<'a> {
    /// Values of the fixed columns.
    pub fixed: &'a [Vec<Fr>],
    /// Values of the advice columns.
    pub advice: &'a [Vec<Fr>],
    /// The domain's points.
    pub x: &'a [Fr],
    /// `L_0` on the domain.
    pub first: &'a [Fr],
    /// The columns' values one row back, of those that are looked back at; `None` where that row is in the table as well.
    pub back: Option<&'a [Vec<Fr>]>,
}

/// Expressions compiled to straight-line code: common subexpressions computed once, registers reused.
pub struct Compiled {
    ops: Vec<Op>,
    outputs: Vec<Operand>,
    registers: usize,
    looked_back_at: Vec<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Operand {
    Register(usize),
    Const(Fr),
    Fixed(usize),
    Advice(usize),
    Prev(usize),
    X,
    First,
}

struct Op {
    kind: Kind,
    a: Operand,
    b: Operand,
    dst: usize,
}

impl Compiled {
    /// Compiles `exprs` for the given scalars.
    pub fn new<'a>(exprs: impl IntoIterator<Item = &'a Expr>, scalars: &Scalars) -> Self {
        let mut builder = Builder {
            scalars,
            ops: Vec::new(),
            seen: HashMap::new(),
        };
        let outputs = exprs.into_iter().map(|e| builder.lower(e)).collect();
        allocate(builder.ops, outputs)
    }

    /// The advice columns that are looked back at, ascending.
    pub fn looked_back_at(&self) -> &[usize] {
        &self.looked_back_at
    }

    /// Number of field operations a row.
    pub fn operations(&self) -> usize {
        self.ops.len()
    }

    /// The values of each expression on every row.
    pub fn run(&self, table: Table<'_>) -> Vec<Vec<Fr>> {
        let (fixed, advice) = (table.fixed.len(), table.advice.len());
        let columns: Vec<&[Fr]> = table
            .fixed
            .iter()
            .chain(table.advice)
            .map(Vec::as_slice)
            .chain([table.x, table.first])
            .chain(table.back.unwrap_or_default().iter().map(Vec::as_slice))
            .collect();
        let back = |column: usize| match (table.back, self.looked_back_at.binary_search(&column)) {
            (Some(_), Ok(place)) => Source::Column(fixed + advice + 2 + place),
            _ => Source::Previous(fixed + column),
        };
        let source = |operand: &Operand| match *operand {
            Operand::Register(r) => Source::Register(r),
            Operand::Const(c) => Source::Const(c),
            Operand::Fixed(i) => Source::Column(i),
            Operand::Advice(i) => Source::Column(fixed + i),
            Operand::Prev(i) => back(i),
            Operand::X => Source::Column(fixed + advice),
            Operand::First => Source::Column(fixed + advice + 1),
        };
        let op = |op: &Op| kernels::Op {
            kind: op.kind,
            a: source(&op.a),
            b: source(&op.b),
            to: op.dst,
        };
        let program = Program {
            ops: self.ops.iter().map(op).collect(),
            outputs: self.outputs.iter().map(source).collect(),
            registers: self.registers,
        };
        program.run(table.x.len(), &columns)
    }
}

/// Lowers trees to operations, each value once.
struct Builder<'a> {
    scalars: &'a Scalars,
    ops: Vec<Op>,
    seen: HashMap<(Kind, Operand, Operand), usize>,
}

impl Builder<'_> {
    fn lower(&mut self, expr: &Expr) -> Operand {
        let (kind, a, b) = match expr {
            Expr::Const(c) => return Operand::Const(*c),
            Expr::Scalar(s) => return Operand::Const(self.scalars[*s]),
            Expr::Fixed(i) => return Operand::Fixed(*i),
            Expr::Advice(i) => return Operand::Advice(*i),
            Expr::Prev(i) => return Operand::Prev(*i),
            Expr::X => return Operand::X,
            Expr::First => return Operand::First,
            Expr::Add(a, b) => (Kind::Add, a, b),
            Expr::Sub(a, b) => (Kind::Sub, a, b),
            Expr::Mul(a, b) => (Kind::Mul, a, b),
        };
        let (a, b) = (self.lower(a), self.lower(b));
        if let (Operand::Const(a), Operand::Const(b)) = (a, b) {
            return Operand::Const(match kind {
                Kind::Add => a + b,
                Kind::Sub => a - b,
                Kind::Mul => a * b,
            });
        }
        let dst = *self.seen.entry((kind, a, b)).or_insert_with(|| {
            let dst = self.ops.len();
            self.ops.push(Op { kind, a, b, dst });
            dst
        });
        Operand::Register(dst)
    }
}

/// Gives every value a register, reusing those that are no longer read.
fn allocate(mut ops: Vec<Op>, mut outputs: Vec<Operand>) -> Compiled {
    let mut last_use: Vec<usize> = (0..ops.len()).collect();
    for (i, op) in ops.iter().enumerate() {
        for operand in [op.a, op.b] {
            if let Operand::Register(r) = operand {
                last_use[r] = i;
            }
        }
    }
    for output in &outputs {
        if let Operand::Register(r) = output {
            last_use[*r] = usize::MAX;
        }
    }
    let mut home = vec![0; ops.len()];
    let (mut free, mut registers) = (Vec::new(), 0);
    for (i, op) in ops.iter_mut().enumerate() {
        let value = op.dst;
        let mut dead = Vec::new();
        for operand in [&mut op.a, &mut op.b] {
            if let Operand::Register(r) = operand {
                if last_use[*r] == i && !dead.contains(&home[*r]) {
                    dead.push(home[*r]);
                }
                *r = home[*r];
            }
        }
        free.extend(dead);
        home[value] = free.pop().unwrap_or_else(|| {
            registers += 1;
            registers - 1
        });
        op.dst = home[value];
    }
    for output in &mut outputs {
        if let Operand::Register(r) = output {
            *r = home[*r];
        }
    }
    let operands = ops.iter().flat_map(|op| [op.a, op.b]).chain(outputs.iter().copied());
    let looked_back_at: BTreeSet<usize> = operands
        .filter_map(|operand| match operand {
            Operand::Prev(column) => Some(column),
            _ => None,
        })
        .collect();
    Compiled {
        ops,
        outputs,
        registers,
        looked_back_at: looked_back_at.into_iter().collect(),
    }
}

#[cfg(test)]
mod tests {
    use ark_ff::UniformRand;
    use proptest::prelude::*;

    use super::super::expr::{Leaves, Scalar};
    use super::*;

    struct Row<'a>(Table<'a>, usize);

    impl Leaves for Row<'_> {
        fn fixed(&self, c: usize) -> Fr {
            self.0.fixed[c][self.1]
        }
        fn advice(&self, c: usize) -> Fr {
            self.0.advice[c][self.1]
        }
        fn prev(&self, c: usize) -> Fr {
            let n = self.0.x.len();
            self.0.advice[c][(self.1 + n - 1) % n]
        }
        fn x(&self) -> Fr {
            self.0.x[self.1]
        }
        fn first(&self) -> Fr {
            self.0.first[self.1]
        }
    }

    fn any_expr() -> impl Strategy<Value = Expr> {
        let leaf = prop_oneof![
            any::<i32>().prop_map(|v| Expr::int(v.into())),
            Just(Expr::Scalar(Scalar::Rho)),
            (0usize..2).prop_map(Expr::Fixed),
            (0usize..3).prop_map(Expr::Advice),
            (0usize..3).prop_map(Expr::Prev),
            Just(Expr::X),
            Just(Expr::First),
        ];
        leaf.prop_recursive(6, 64, 2, |inner| {
            (0..3, inner.clone(), inner).prop_map(|(k, a, b)| match k {
                0 => a + b,
                1 => a - b,
                _ => a * b,
            })
        })
    }

    proptest! {
        #[test]
        fn compiled_matches_the_tree(exprs in prop::collection::vec(any_expr(), 1..4), log_n in 0u32..9) {
            let n = 1usize << log_n;
            let rng = &mut ark_std::test_rng();
            let mut columns = |k| (0..k).map(|_| (0..n).map(|_| Fr::rand(rng)).collect()).collect::<Vec<Vec<Fr>>>();
            let (fixed, advice, other) = (columns(2), columns(3), columns(2));
            let table = Table { fixed: &fixed, advice: &advice, x: &other[0], first: &other[1], back: None };
            let mut scalars = Scalars::default();
            scalars[Scalar::Rho] = Fr::from(99u64);
            let out = Compiled::new(&exprs, &scalars).run(table);
            for (e, values) in exprs.iter().zip(&out) {
                for (j, v) in values.iter().enumerate() {
                    prop_assert_eq!(*v, e.eval(&Row(table, j), &scalars));
                }
            }
        }
    }
}
