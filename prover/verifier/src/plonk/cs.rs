//! The constraint system as data: columns, phases, blinding, gates, bus terms.
//!
//! [`Draft::new`] writes down the system for a [`Shape`]; [`Draft::finish`] adds what follows from it mechanically (helper
//! columns of the bus, the cyclic sum). Prover, verifier and checker read the finished [`ConstraintSystem`] and hold no
//! constraint of their own.
//!
//! Rows and their types, `hi = sum 2^(k a) hi_a`, `lo = sum 2^(k c) lo_c`, `s` the shift, `half = 2^(s-1)`:
//!
//! | type | selector | meaning |
//! |---|---|---|
//! | requantise | `q_requant` | `y = floor((u + half) / 2^s)`, signed |
//! | ReLU | `q_relu` | `y = max(0, floor((u + half) / 2^s))` |
//! | window | `q_window`, `q_first` on the first | one row an element: `u = y - d`, `d = 2^s hi + lo >= 0`, `y` the running maximum |
//! | close | `q_close_relu`, `q_close_signed` | requantises the window's maximum; the maximum must have been attained |
//! | floor | `q_floor` | `y = floor(u / 2^s)`, `u >= 0` |
//! | zero | none | `u = 0` |
//! | function | `q_function` | `y = 2^s value + rise t`, looked up under the top high limb of `u`; `t` the `s` bits below it |
//! | product | `q_product`, and requantise | `y = floor((factor x x2 + half) / 2^s)`, signed; lane 0 |
//! | raw product | `q_raw` | `y = factor x x2`; lane 0 |
//!
//! Private inputs and advice are requantise rows whose `u` takes part in no sum. The reads of products of matrices
//! have the selectors `q_left` and `q_right` ([`super::matrix`]).

mod columns;
mod gates;
pub mod hash;
mod shape;

pub use columns::{Columns, Committed, Functions, Lane, MatrixColumns, Port, Products, Segment};
pub use hash::HashColumns;
pub use shape::{MAX_PORTS, Shape};

use super::expr::{Expr, Scalar};

/// The largest degree, in multiples of the number of rows, that the two-coset quotient has room for.
pub const MAX_DEGREE: usize = 3;

/// How far the numerator's degree may exceed `3n`: the quotient then has degree at most `2n + SLACK`, which sixteen evaluations
/// on a further coset determine.
pub const SLACK: usize = 15;

/// The number of random coefficients that hide a column whose commitment stands across proofs. The commitment is one functional of
/// them and each proof's opening another, so that it hides its values for one proof fewer (`docs/protocol.md`, "Commitments").
pub const COMMITMENT_BLINDS: usize = 8;

/// When a column is committed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Before any challenge: the trace.
    Trace,
    /// After `rho` and the position challenges: `C` and `E`.
    Linear,
    /// After `eta` and the bus challenges.
    Bus,
}

/// An advice column.
#[derive(Clone, Debug)]
pub struct AdviceColumn {
    /// Its name, for messages.
    pub name: String,
    /// When it is committed.
    pub phase: Phase,
    /// Number of random coefficients, times `Z_H`, that hide it: 0 for what is public, 2 where it is opened at one point,
    /// 4 where it is opened at two (the quotient's commitment is a further functional of each; `docs/protocol.md`),
    /// [`COMMITMENT_BLINDS`] where its commitment stands across proofs.
    pub blinds: usize,
    /// Whether it is opened one row back as well.
    pub rotated: bool,
}

/// A polynomial that must vanish on every row.
#[derive(Clone, Debug)]
pub struct Gate {
    /// Its name, for messages.
    pub name: String,
    /// What must vanish.
    pub expr: Expr,
}

/// `numerator / (beta + message)`, summed over all rows.
#[derive(Clone, Debug)]
pub struct BusTerm {
    /// Its name, for messages.
    pub name: String,
    /// How often, with its sign: a constant or a fixed column.
    pub numerator: Expr,
    /// What is sent (positive) or received (negative).
    pub message: Expr,
}

/// A constraint system before its mechanical part is added. Tests take constraints out here to see what they defend against.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Names of the fixed columns.
    pub fixed: Vec<String>,
    /// The advice columns of the first two phases, and `D`.
    pub advice: Vec<AdviceColumn>,
    /// Local gates.
    pub gates: Vec<Gate>,
    /// What the bus carries, the range table's side apart.
    pub bus: Vec<BusTerm>,
    /// Weighted sums over all rows that must equal what the verifier computes.
    pub sums: Expr,
    /// Where the columns are, those of the bus not yet among them.
    pub columns: Columns,
}

/// A finished constraint system.
#[derive(Clone, Debug)]
pub struct ConstraintSystem {
    /// Names of the fixed columns.
    pub fixed: Vec<String>,
    /// The advice columns, ordered by phase.
    pub advice: Vec<AdviceColumn>,
    /// All gates, in the order of the powers of `alpha`.
    pub gates: Vec<Gate>,
    /// What the bus carries; helper `i` holds terms `2i` and `2i + 1`.
    pub bus: Vec<BusTerm>,
    /// What one row adds to the cyclic sum.
    pub increment: Expr,
    /// Where the columns are.
    pub columns: Columns,
}

impl Draft {
    /// The system for `shape`.
    pub fn new(shape: &Shape) -> Self {
        let mut fixed = Vec::new();
        let mut fix = |name: String| {
            fixed.push(name);
            fixed.len() - 1
        };
        let pool = shape.pool_relu || shape.pool_signed;
        let table = fix("table".into());
        let read_ids: Vec<usize> = (0..shape.ports).map(|p| fix(format!("port{p}.read_id"))).collect();
        let q_requant = fix("q_requant".into());
        let q_relu = shape.relu.then(|| fix("q_relu".into()));
        let q_window = pool.then(|| fix("q_window".into()));
        let q_first = pool.then(|| fix("q_first".into()));
        let q_close_relu = shape.pool_relu.then(|| fix("q_close_relu".into()));
        let q_close_signed = shape.pool_signed.then(|| fix("q_close_signed".into()));
        let q_floor = shape.floor.then(|| fix("q_floor".into()));
        let q_product = shape.product.then(|| fix("q_product".into()));
        let q_raw = shape.raw.then(|| fix("q_raw".into()));
        let pair = shape.products().then(|| (fix("factor".into()), fix("read2_id".into())));
        let table_columns = (shape.functions > 0).then(|| Functions {
            q_function: fix("q_function".into()),
            tag: (shape.functions > 1).then(|| fix("function.tag".into())),
            key: fix("function.key".into()),
            value: fix("function.value".into()),
            rise: fix("function.rise".into()),
            m: usize::MAX,
        });
        let sides = shape.matmul.then(|| (fix("q_left".into()), fix("q_right".into())));
        let input_id = shape.committed_input.then(|| fix("committed_input.id".into()));
        let output_id = shape.committed_output.then(|| fix("committed_output.id".into()));

        let mut advice = Vec::new();
        let mut add = |name: String, phase, blinds, rotated| {
            advice.push(AdviceColumn {
                name,
                phase,
                blinds,
                rotated,
            });
            advice.len() - 1
        };
        let lanes: Vec<Lane> = (0..shape.lanes)
            .map(|l| Lane {
                hi: (0..shape.limbs.hi)
                    .map(|i| add(format!("lane{l}.hi{i}"), Phase::Trace, 2, false))
                    .collect(),
                lo: (0..shape.limbs.lo)
                    .map(|i| add(format!("lane{l}.lo{i}"), Phase::Trace, 2, false))
                    .collect(),
                // Without windows nothing looks one row back, and an opening the less is a proof the shorter.
                flag: add(format!("lane{l}.flag"), Phase::Trace, if pool { 4 } else { 2 }, pool),
                y: add(format!("lane{l}.y"), Phase::Trace, if pool { 4 } else { 2 }, pool),
                function: (shape.functions > 0).then(|| Segment {
                    value: add(format!("lane{l}.value"), Phase::Trace, 2, false),
                    rise: add(format!("lane{l}.rise"), Phase::Trace, 2, false),
                }),
                mu: fix(format!("lane{l}.mu")),
            })
            .collect();
        let x: Vec<usize> = (0..shape.ports)
            .map(|p| add(format!("port{p}.x"), Phase::Trace, 2, false))
            .collect();
        let m = add("m".into(), Phase::Trace, 2, false);
        let products = pair.map(|(factor, read_id)| Products {
            x2: add("x2".into(), Phase::Trace, 2, false),
            read_id,
            factor,
            q_product,
            q_raw,
        });
        let functions = table_columns.map(|columns| Functions {
            m: add("function.m".into(), Phase::Trace, 2, false),
            ..columns
        });
        let mut committed = |name: &str, read_id: Option<usize>| {
            read_id.map(|read_id| Committed {
                values: add(name.into(), Phase::Trace, COMMITMENT_BLINDS, false),
                read_id,
            })
        };
        let committed_input = committed("committed_input", input_id);
        let committed_output = committed("committed_output", output_id);
        let hash = HashColumns::new(shape, &mut fix, &mut |name, blinds, rotated| {
            add(name, Phase::Trace, blinds, rotated)
        });
        // E and D follow from the challenges and the layout, C from the weights as well: often there is nothing to hide.
        let c_blinds = if shape.hidden_weights { 2 } else { 0 };
        let ports = std::iter::zip(x, read_ids).enumerate().map(|(p, (x, read_id))| Port {
            x,
            read_id,
            c: add(format!("port{p}.C"), Phase::Linear, c_blinds, false),
        });
        let ports = ports.collect();
        let e = add("E".into(), Phase::Linear, 0, false);
        let matrices = sides.map(|(q_left, q_right)| MatrixColumns {
            q_left,
            q_right,
            s: add("S".into(), Phase::Linear, 4, true),
        });
        let d = add("D".into(), Phase::Bus, 0, true);

        let columns = Columns {
            table,
            q_requant,
            q_relu,
            q_window,
            q_first,
            q_close_relu,
            q_close_signed,
            q_floor,
            products,
            functions,
            matrices,
            committed_input,
            committed_output,
            hash,
            lanes,
            ports,
            m,
            e,
            d,
            helpers: Vec::new(),
            table_helper: usize::MAX,
            phi: usize::MAX,
        };
        let gates = gates::local_gates(shape, &columns);
        let bus = gates::bus_terms(shape, &columns);
        let sums = gates::linear_sums(shape, &columns);
        Self {
            fixed,
            advice,
            gates,
            bus,
            sums,
            columns,
        }
    }

    /// Adds the bus's helper columns, the cyclic sum and their gates.
    pub fn finish(self) -> ConstraintSystem {
        let Self {
            fixed,
            mut advice,
            mut gates,
            bus,
            sums,
            mut columns,
        } = self;
        let mut add = |name: String, blinds, rotated| {
            advice.push(AdviceColumn {
                name,
                phase: Phase::Bus,
                blinds,
                rotated,
            });
            advice.len() - 1
        };
        let denominator = |t: &BusTerm| Expr::from(Scalar::Beta) + t.message.clone();
        let mut increment = Expr::int(0);
        for (i, pair) in bus.chunks(2).enumerate() {
            let h = add(format!("h{i}"), 2, false);
            columns.helpers.push(h);
            increment = increment + Expr::Advice(h);
            let expr = match pair {
                [a, b] => {
                    Expr::Advice(h) * denominator(a) * denominator(b)
                        - a.numerator.clone() * denominator(b)
                        - b.numerator.clone() * denominator(a)
                }
                [a, ..] => Expr::Advice(h) * denominator(a) - a.numerator.clone(),
                [] => continue,
            };
            let name = pair.iter().map(|t| t.name.as_str()).collect::<Vec<_>>().join(" and ");
            gates.push(Gate {
                name: format!("bus: {name}"),
                expr,
            });
        }
        columns.table_helper = add("h_table".into(), 2, false);
        let table = Expr::Advice(columns.table_helper);
        gates.push(Gate {
            name: "bus: range table".into(),
            expr: table.clone() * (Expr::from(Scalar::Beta) + Expr::Fixed(columns.table)) - Expr::Advice(columns.m),
        });
        increment = increment - table + sums - Expr::from(Scalar::TotalPerRow);
        columns.phi = add("phi".into(), 4, true);
        gates.push(Gate {
            name: "cyclic sum".into(),
            expr: Expr::Advice(columns.phi) - Expr::Prev(columns.phi) - increment.clone(),
        });
        ConstraintSystem {
            fixed,
            advice,
            gates,
            bus,
            increment,
            columns,
        }
    }
}

impl ConstraintSystem {
    /// The system for `shape`.
    pub fn new(shape: &Shape) -> Self {
        Draft::new(shape).finish()
    }

    /// Whether proofs reveal nothing of the weights, and so have a mask ([`super::fold`], "Hidden weights").
    pub fn hides_weights(&self) -> bool {
        self.columns.ports.iter().all(|port| self.advice[port.c].blinds > 0)
    }

    /// Indices of the advice columns that are opened one row back, ascending.
    pub fn rotated(&self) -> impl Iterator<Item = usize> + '_ {
        self.advice
            .iter()
            .enumerate()
            .filter(|(_, c)| c.rotated)
            .map(|(i, _)| i)
    }

    /// Indices of the advice columns of a phase, ascending.
    pub fn phase(&self, phase: Phase) -> impl Iterator<Item = usize> + '_ {
        self.advice
            .iter()
            .enumerate()
            .filter(move |(_, c)| c.phase == phase)
            .map(|(i, _)| i)
    }

    /// How many columns of the trace hold small values alone.
    pub fn narrow(&self) -> usize {
        let wide = self.columns.hash.map_or(0, |hash| hash.wide().len());
        self.phase(Phase::Trace).count() - wide
    }

    /// The largest degree of a gate over `n` rows, blinding included.
    pub fn degree(&self, n: usize) -> usize {
        self.gates
            .iter()
            .map(|g| g.expr.degree(n, &|i| self.advice[i].blinds))
            .max()
            .unwrap_or(0)
    }
}
