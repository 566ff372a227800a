//! Changes every cell of every circuit's trace alone, and finds each change out.
//!
//! A change is tried twice: with nothing else changed, and with all that follows from it computed anew (who reads the value reads
//! the new one, multiplicities are counted again, a changed output is what is claimed). Of the verifier the scanner takes the
//! gates and the balance of the global sum at random challenges, not the polynomial commitments, so that it has time for every cell.

use std::collections::BTreeMap;

use ark_ff::{Field, UniformRand};

use super::{forge::*, *};
use crate::{
    field::{horner, powers, signed},
    plonk::{
        at::root_of_unity,
        cs::Phase,
        eval::{Compiled, Table},
        expr::{Expr, Scalar, Scalars},
        hash,
        linear::{self, Point},
        matrix,
        verifier::{bus_total, hash_scalars},
    },
};

/// What a verifier's equations look at, prepared for many traces.
struct Scanner<'a> {
    fixture: &'a Fixture,
    fixed: Vec<Vec<Fr>>,
    x: Vec<Fr>,
    first: Vec<Fr>,
    point: Point,
    scalars: Scalars,
    /// Gates, then per bus term its denominator and its numerator, then the sums.
    compiled: Compiled,
    gates: usize,
    /// `C` and `E`.
    linear: Vec<Vec<Fr>>,
    /// The powers of `eta`.
    eta: Vec<Fr>,
    /// What the fold proves; the part of products of matrices is the verifier's own.
    kappa: Fr,
    /// The range table's inverse denominators.
    entries: Vec<Fr>,
}

/// A trace that a verifier accepts.
struct Accepted {
    advice: Vec<Vec<Fr>>,
    /// What each row adds to the global sum.
    terms: Vec<Fr>,
    sum: Fr,
}

impl<'a> Scanner<'a> {
    fn new(fixture: &'a Fixture) -> Self {
        let rng = &mut ark_std::test_rng();
        let (cs, interface) = (fixture.cs(), &fixture.key.verifying.interface);
        let n = interface.shape.n();
        let mut scalars = Scalars::default();
        let point = Point {
            rho: Fr::rand(rng),
            s: std::array::from_fn(|_| Fr::rand(rng)),
        };
        (scalars[Scalar::Rho], scalars[Scalar::MatrixColumn]) = (point.rho, point.s[1]);
        for scalar in [
            Scalar::Eta,
            Scalar::Beta,
            Scalar::Chi,
            Scalar::WeightLinear,
            Scalar::WeightInputs,
            Scalar::WeightOutputs,
        ] {
            scalars[scalar] = Fr::rand(rng);
        }
        scalars[Scalar::EtaToRows] = scalars[Scalar::Eta].pow([n as u64]);
        let public = Public {
            integers: &[],
            hashes: &fixture.hashes,
        };
        hash_scalars(&interface.shape, public, &mut scalars);
        let known = cs.columns.d;
        let of_trace = |expr: &&Expr| {
            let mut all = true;
            expr.for_each_leaf(&mut |leaf| all &= !matches!(leaf, Expr::Advice(i) | Expr::Prev(i) if *i > known));
            all
        };
        let mut exprs: Vec<Expr> = cs.gates.iter().map(|g| &g.expr).filter(of_trace).cloned().collect();
        let gates = exprs.len();
        for term in &cs.bus {
            exprs.push(Expr::from(Scalar::Beta) + term.message.clone());
            exprs.push(term.numerator.clone());
        }
        let shape = &interface.shape;
        exprs.push(Draft::new(shape).sums);
        let inputs = linear::input_coefficients(&interface.linear, &fixture.key.wiring.weights, shape.reads(), &point);
        let outputs = linear::output_coefficients(&interface.linear, shape.lanes, n, &point);
        let eta = scalars[Scalar::Eta];
        let kappa = horner(&inputs, eta) - matrix::checksum(&interface.linear, &point, eta);
        let linear = inputs.chunks(n).map(<[Fr]>::to_vec).chain([outputs]).collect();
        let mut first = vec![Fr::from(0u8); n];
        first[0] = Fr::from(1u8);
        let mut entries: Vec<Fr> = (0..n as u64).map(|v| scalars[Scalar::Beta] + Fr::from(v)).collect();
        ark_ff::batch_inversion(&mut entries);
        Self {
            fixture,
            fixed: fixture.key.wiring.fixed_columns(),
            x: powers(root_of_unity(n), n),
            first,
            compiled: Compiled::new(&exprs, &scalars),
            gates,
            point,
            scalars,
            linear,
            eta: powers(eta, n),
            kappa,
            entries,
        }
    }

    /// The trace and the columns that follow from it.
    fn advice(&self, trace: &[Vec<Fr>]) -> Vec<Vec<Fr>> {
        let (cs, interface) = (self.fixture.cs(), &self.fixture.key.verifying.interface);
        let mut advice = trace.to_vec();
        advice.extend(self.linear.iter().cloned());
        if cs.columns.matrices.is_some() {
            let x = &trace[cs.columns.ports[0].x];
            advice.push(matrix::running_sums(&interface.linear, &self.linear[0], x, &self.point));
        }
        advice.push(self.eta.clone());
        advice
    }

    /// What each of these rows adds to the global sum, if all gates hold on it.
    fn terms(&self, advice: &[Vec<Fr>], rows: &[usize]) -> Option<Vec<Fr>> {
        // Each behind the row before it, which gates may look at.
        let n = self.x.len();
        let pairs: Vec<usize> = rows.iter().flat_map(|r| [(r + n - 1) % n, *r]).collect();
        let pick = |column: &Vec<Fr>| pairs.iter().map(|r| column[*r]).collect::<Vec<_>>();
        let fixed: Vec<_> = self.fixed.iter().map(pick).collect();
        let picked: Vec<_> = advice.iter().map(pick).collect();
        let table = Table {
            fixed: &fixed,
            advice: &picked,
            x: &pick(&self.x),
            first: &pick(&self.first),
            back: None,
        };
        let own = |column: Vec<Fr>| column.into_iter().skip(1).step_by(2).collect::<Vec<_>>();
        let mut values: Vec<Vec<Fr>> = self.compiled.run(table).into_iter().map(own).collect();
        let mut rest = values.split_off(self.gates);
        let zero = Fr::from(0u8);
        if values.iter().flatten().any(|v| *v != zero) {
            return None;
        }
        let mut sums = rest.pop().unwrap();
        for term in rest.chunks_mut(2) {
            let [denominator, numerator] = term else { unreachable!() };
            ark_ff::batch_inversion(denominator);
            let fractions = denominator.iter().zip(numerator).map(|(d, n)| *d * *n);
            sums.iter_mut().zip(fractions).for_each(|(sum, f)| *sum += f);
        }
        let counts = &advice[self.fixture.cs().columns.m];
        let entries = rows.iter().map(|r| counts[*r] * self.entries[*r]);
        sums.iter_mut().zip(entries).for_each(|(sum, e)| *sum -= e);
        Some(sums)
    }

    /// Whether the global sum is what a verifier expects for these public words.
    fn balances(&self, sum: Fr, public: &[i64]) -> bool {
        let interface = &self.fixture.key.verifying.interface;
        let per_row = bus_total(interface, public, &self.point, self.kappa, &self.scalars).unwrap();
        sum == per_row * Fr::from(interface.shape.n() as u64)
    }

    /// Whether a verifier accepts a trace with these public words, `honest` being one that it accepts: only rows that differ, and
    /// those behind them, are looked at.
    fn accepts(&self, honest: &Accepted, trace: &[Vec<Fr>], public: &[i64]) -> bool {
        let advice = self.advice(trace);
        let n = self.x.len();
        let differs = |r: &usize| advice.iter().zip(&honest.advice).any(|(a, b)| a[*r] != b[*r]);
        let mut rows: Vec<usize> = (0..n).filter(differs).flat_map(|r| [r, (r + 1) % n]).collect();
        rows.sort_unstable();
        rows.dedup();
        let Some(terms) = self.terms(&advice, &rows) else {
            return false;
        };
        let change: Fr = rows.iter().zip(terms).map(|(r, term)| term - honest.terms[*r]).sum();
        self.balances(honest.sum + change, public)
    }

    /// Counts what the trace asks of the tables.
    fn count(&self, trace: &mut [Vec<Fr>]) {
        count_limbs(self.fixture, trace);
        count_lookups(self.fixture, trace);
    }

    /// Lets every reader of a value, the public among them, read what stands there now.
    fn follow(&self, trace: &mut [Vec<Fr>], public: &mut [i64], id: u64, change: i64) {
        let (columns, interface) = (&self.fixture.cs().columns, &self.fixture.key.verifying.interface);
        let ports = columns.ports.iter().map(|p| (p.x, p.read_id));
        let factors = columns.products.map(|p| (p.x2, p.read_id));
        let hashed = columns.hash.map(|h| (h.values, h.read_id));
        for (port, ids) in ports.chain(factors).chain(hashed) {
            for (row, read) in self.fixture.key.wiring.fixed[ids].iter().enumerate() {
                if *read as u64 == id {
                    trace[port][row] += signed(change);
                }
            }
        }
        for (word, output) in public.iter_mut().zip(&interface.outputs) {
            *word += if *output == id { change } else { 0 };
        }
    }

    /// Why a change of this cell alone does no harm, if it does none.
    fn harmless(&self, trace: &[Vec<Fr>], column: usize, row: usize) -> Option<&'static str> {
        let columns = &self.fixture.cs().columns;
        let on = |q: Option<usize>| q.is_some_and(|q| self.fixed[q][row] != Fr::from(0u8));
        let lane = columns.lanes.iter().enumerate().find(|(_, l)| {
            let segment = l.function.iter().flat_map(|s| [s.value, s.rise]);
            l.hi.iter()
                .chain(&l.lo)
                .copied()
                .chain([l.flag, l.y])
                .chain(segment)
                .any(|c| c == column)
        });
        let (index, lane) = lane?;
        let products = columns.products.filter(|_| index == 0);
        let rounded_product = on(products.and_then(|p| p.q_product));
        let window = on(columns.q_window) || on(columns.q_close_relu) || on(columns.q_close_signed);
        let function = on(columns.functions.map(|f| f.q_function));
        let sum = self.linear[columns.ports.len()][row] != Fr::from(0u8);
        let requant = on(Some(columns.q_requant));
        let any = requant || on(columns.q_relu) || window || on(columns.q_floor) || function;
        if column == lane.flag {
            // On a ReLU row both signs of zero are zero. In a window the flag may rise at any element that attains the maximum,
            // and the closing row demands that it did. Elsewhere no gate but "flag is 0 or 1" reads it.
            let zero = |limbs: &[usize]| limbs.iter().all(|c| trace[*c][row] == Fr::from(0u8));
            let (signed, element) = (on(columns.q_relu), on(columns.q_window));
            let free = !(signed || element) || zero(&lane.hi) && (signed || zero(&lane.lo));
            return free.then_some("the flag of a zero, or of a slot without a sign");
        }
        if lane.function.is_some_and(|s| s.value == column || s.rise == column) {
            return (!function).then_some("no lookup stands on this row");
        }
        if column == lane.y {
            let raw = on(products.and_then(|p| p.q_raw));
            let unread = self.fixed[lane.mu][row] == Fr::from(0u8);
            return (unread && !any && !raw).then_some("a slot that nothing fills and nothing reads");
        }
        // What is left are limbs.
        if !any {
            return Some("limbs of a slot that nothing fills");
        }
        let low = lane.lo.contains(&column);
        (low && requant && !sum && !rounded_product).then_some("the low part of a value that is no rounded sum")
    }
}

/// Why a change does no harm: each of these leaves every value that is read as it is.
pub(crate) const HARMLESS: [&str; 5] = [
    "a slot that nothing fills and nothing reads",
    "limbs of a slot that nothing fills",
    "no lookup stands on this row",
    "the flag of a zero, or of a slot without a sign",
    "the low part of a value that is no rounded sum",
];

/// The changes of one cell that a verifier accepts, by why they do no harm.
///
/// # Panics
/// If one does.
pub(crate) fn survivors(
    name: &str,
    program: &Program<i64>,
    shape: &Shape,
    input: &[i64],
) -> BTreeMap<&'static str, usize> {
    let fixture = Fixture::shaped(program, shape, false, |_| {});
    let key = &fixture.key;
    let execution = execute::exact(program, &shape.limbs, input).unwrap();
    let trace = layout::trace(&key.verifying.interface, &key.wiring, fixture.cs(), input, &execution);
    scan(name, &fixture, &trace, &execution.outputs)
}

/// [`survivors`] of the changes of this trace.
fn scan(name: &str, fixture: &Fixture, trace: &Trace, public: &[i64]) -> BTreeMap<&'static str, usize> {
    let scanner = Scanner::new(fixture);
    let (cs, interface) = (fixture.cs(), &fixture.key.verifying.interface);
    let (shape, program) = (&interface.shape, &fixture.key.quantised.program);
    let n = shape.n();
    let mut trace: Vec<Vec<Fr>> = trace.iter().map(|c| field(c)).collect();
    let rehash = |trace: &mut [Vec<Fr>]| {
        if let Some(columns) = &cs.columns.hash {
            hash::fill(columns, &scanner.fixed, trace);
        }
    };
    rehash(&mut trace);
    let advice = scanner.advice(&trace);
    let all: Vec<usize> = (0..n).collect();
    let terms = scanner
        .terms(&advice, &all)
        .unwrap_or_else(|| panic!("{name}: a gate refuses the honest trace"));
    let sum = terms.iter().sum();
    assert!(scanner.balances(sum, public), "{name}");
    let honest = Accepted { advice, terms, sum };
    // Of the rows that nothing uses, one stands for all.
    let need = layout::demand(program, shape.lanes, interface.disclosure());
    let hashing = layout::hash_rows(program, &shape.limbs, interface.disclosure());
    let used = need.rows(shape.ports).max(hashing + 1).min(n - 1);
    let mut survivors = BTreeMap::new();
    for column in cs.phase(Phase::Trace) {
        let counted = column == cs.columns.m || cs.columns.functions.is_some_and(|f| f.m == column);
        for row in (0..used).chain([n - 1]) {
            for change in [1, -1] {
                let mut changed = trace.clone();
                changed[column][row] += signed(change);
                let mut found = scanner.accepts(&honest, &changed, public);
                if !counted {
                    let mut words = public.to_vec();
                    if let Some(l) = cs.columns.lanes.iter().position(|l| l.y == column) {
                        let id = shape.slot_id(row, l);
                        scanner.follow(&mut changed, &mut words, id, change);
                    }
                    scanner.count(&mut changed);
                    if !cs.columns.hash.is_some_and(|hash| hash.wide().contains(&column)) {
                        rehash(&mut changed);
                    }
                    found |= scanner.accepts(&honest, &changed, &words);
                }
                if found {
                    let why = scanner.harmless(&trace, column, row);
                    let cell = &cs.advice[column].name;
                    *survivors
                        .entry(why.unwrap_or_else(|| panic!("{name}: {cell} on row {row} is free")))
                        .or_default() += 1;
                }
            }
        }
    }
    survivors
}

#[test]
fn every_change_of_one_cell_is_found_out() {
    let pools = (small_network(), small_input());
    let circuits = primitives().into_iter().chain([("pools", pools.0, pools.1)]);
    let mut all = BTreeMap::<&str, usize>::new();
    for (name, program, input) in circuits {
        let lanes = if name == "pools" { 3 } else { 1 };
        for (why, count) in survivors(name, &program, &shape(&program, lanes), &input) {
            *all.entry(why).or_default() += count;
        }
    }
    assert_eq!(all.keys().copied().collect::<Vec<_>>(), HARMLESS, "{all:?}");
}

#[test]
fn every_change_of_one_cell_that_is_hashed_is_found_out() {
    let (fixture, trace, public) = super::hash::hashed_input(&[3, -7, 8191, -8192, 55], |_| {});
    let found = scan("hash", &fixture, &trace, &public);
    assert!(found.keys().all(|why| HARMLESS.contains(why)));
    assert!(found.values().sum::<usize>() > 0);
}
