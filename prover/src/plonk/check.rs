//! Checks a trace gate by gate and says which row fails: for tests, and for whoever writes a layout.

use tapeout_driver::Fr;

use super::{
    at::root_of_unity,
    cs::ConstraintSystem,
    eval::{Compiled, Table},
    expr::Scalars,
};
use crate::field::powers;

/// A gate that does not vanish on some row. Holds no value of the trace.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("gate '{gate}' is not satisfied on row {row}")]
pub struct Violation {
    /// The gate's name.
    pub gate: String,
    /// The first row where it does not vanish.
    pub row: usize,
}

/// The first row on which each unsatisfied gate fails, in the order of the gates.
pub fn violations(cs: &ConstraintSystem, fixed: &[Vec<Fr>], advice: &[Vec<Fr>], scalars: &Scalars) -> Vec<Violation> {
    let n = fixed[0].len();
    let x = powers(root_of_unity(n), n);
    let mut first = vec![Fr::from(0u8); n];
    first[0] = Fr::from(1u8);
    // Gates over columns that do not exist yet (a trace alone) are left out.
    let complete = |gate: &&super::cs::Gate| {
        let mut known = true;
        gate.expr.for_each_leaf(&mut |leaf| match leaf {
            super::expr::Expr::Advice(i) | super::expr::Expr::Prev(i) => known &= *i < advice.len(),
            _ => {}
        });
        known
    };
    let gates: Vec<_> = cs.gates.iter().filter(complete).collect();
    let values = Compiled::new(gates.iter().map(|g| &g.expr), scalars).run(Table {
        fixed,
        advice,
        x: &x,
        first: &first,
        back: None,
    });
    let failing = |v: &Vec<Fr>| v.iter().position(|v| *v != Fr::from(0u8));
    gates
        .iter()
        .zip(&values)
        .filter_map(|(gate, v)| {
            failing(v).map(|row| Violation {
                gate: gate.name.clone(),
                row,
            })
        })
        .collect()
}
