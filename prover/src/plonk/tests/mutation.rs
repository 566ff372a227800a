//! Changes every cell of every circuit's trace alone, and finds each change out.
//!
//! A change is tried twice: with nothing else changed, and with all that follows from it computed anew (who reads the value reads
//! the new one, multiplicities are counted again, a changed output is what is claimed). Of the verifier the scanner takes the
//! gates and the balance of the global sum at random challenges, not the polynomial commitments, so that it has time for every cell.

use ark_ff::UniformRand;

use super::{forge::*, *};
use crate::{
    field::{horner, powers, signed},
    plonk::{
        at::root_of_unity,
        cs::Phase,
        eval::{Compiled, Table},
        expr::{Expr, Scalar, Scalars},
        linear::{self, Point},
        matrix,
        verifier::bus_total,
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
    linear: [Vec<Fr>; 2],
    /// The range table's inverse denominators.
    entries: Vec<Fr>,
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
        let linear = [
            linear::input_coefficients(&interface.linear, &fixture.key.wiring.weights, n, &point),
            linear::output_coefficients(&interface.linear, shape.lanes, n, &point),
        ];
        let mut first = vec![Fr::from(0u8); n];
        first[0] = Fr::from(1u8);
        let mut entries: Vec<Fr> = (0..n as u64).map(|v| scalars[Scalar::Beta] + Fr::from(v)).collect();
        ark_ff::batch_inversion(&mut entries);
        Self {
            fixture,
            fixed: fixture.key.wiring.fixed.iter().map(|c| field(c)).collect(),
            x: powers(root_of_unity(n), n),
            first,
            compiled: Compiled::new(&exprs, &scalars),
            gates,
            point,
            scalars,
            linear,
            entries,
        }
    }

    /// Whether a verifier accepts a trace with these public words.
    fn accepts(&self, trace: &[Vec<Fr>], public: &[i64]) -> bool {
        let (cs, interface) = (self.fixture.cs(), &self.fixture.key.verifying.interface);
        let mut advice = trace.to_vec();
        advice.extend(self.linear.iter().cloned());
        if cs.columns.matrices.is_some() {
            let x = advice[cs.columns.x].clone();
            advice.push(matrix::running_sums(
                &interface.linear,
                &self.linear[0],
                &x,
                &self.point,
            ));
        }
        advice.push(powers(self.scalars[Scalar::Eta], interface.shape.n()));
        let table = Table {
            fixed: &self.fixed,
            advice: &advice,
            x: &self.x,
            first: &self.first,
        };
        let mut values = self.compiled.run(table);
        let mut rest = values.split_off(self.gates);
        let zero = Fr::from(0u8);
        if values.iter().flatten().any(|v| *v != zero) {
            return false;
        }
        let mut sum: Fr = rest.pop().unwrap().iter().sum();
        for term in rest.chunks_mut(2) {
            let [denominator, numerator] = term else { unreachable!() };
            ark_ff::batch_inversion(denominator);
            sum += denominator.iter().zip(numerator).map(|(d, n)| *d * *n).sum::<Fr>();
        }
        let entries = trace[cs.columns.m].iter().zip(&self.entries);
        sum -= entries.map(|(m, inverse)| *m * inverse).sum::<Fr>();
        // What the fold proves; the part of products of matrices is the verifier's own.
        let eta = self.scalars[Scalar::Eta];
        let kappa = horner(&self.linear[0], eta) - matrix::checksum(&interface.linear, &self.point, eta);
        let per_row = bus_total(interface, public, &self.point, kappa, &self.scalars).unwrap();
        sum == per_row * Fr::from(interface.shape.n() as u64)
    }

    /// Counts what the trace asks of the tables.
    fn count(&self, trace: &mut [Vec<Fr>]) {
        count_limbs(self.fixture, trace);
        count_lookups(self.fixture, trace);
    }

    /// Lets every reader of a value, the public among them, read what stands there now.
    fn follow(&self, trace: &mut [Vec<Fr>], public: &mut [i64], id: u64, change: i64) {
        let (columns, interface) = (&self.fixture.cs().columns, &self.fixture.key.verifying.interface);
        let second = columns.products.map(|p| (p.x2, p.read_id));
        for (port, ids) in [(columns.x, columns.read_id)].into_iter().chain(second) {
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
        let sum = self.linear[1][row] != Fr::from(0u8);
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

#[test]
fn every_change_of_one_cell_is_found_out() {
    let pools = (small_network(), small_input());
    let circuits = primitives().into_iter().chain([("pools", pools.0, pools.1)]);
    let mut survivors = std::collections::BTreeMap::<&str, usize>::new();
    for (name, program, input) in circuits {
        let lanes = if name == "pools" { 3 } else { 1 };
        let fixture = Fixture::new(&program, lanes, false);
        let scanner = Scanner::new(&fixture);
        let (trace, public) = fixture.run(&input);
        let trace: Vec<Vec<Fr>> = trace.iter().map(|c| field(c)).collect();
        assert!(scanner.accepts(&trace, &public), "{name}");
        let cs = fixture.cs();
        // Of the rows that nothing uses, one stands for all.
        let need = layout::demand(&program, lanes, false);
        let used = need.slots.max(need.reads).max(need.tables);
        for column in cs.phase(Phase::Trace) {
            let counted = column == cs.columns.m || cs.columns.functions.is_some_and(|f| f.m == column);
            for row in (0..used).chain([127]) {
                for change in [1, -1] {
                    let mut changed = trace.clone();
                    changed[column][row] += signed(change);
                    let mut found = scanner.accepts(&changed, &public);
                    if !counted {
                        let mut words = public.clone();
                        if let Some(l) = cs.columns.lanes.iter().position(|l| l.y == column) {
                            let id = fixture.key.verifying.interface.shape.slot_id(row, l);
                            scanner.follow(&mut changed, &mut words, id, change);
                        }
                        scanner.count(&mut changed);
                        found |= scanner.accepts(&changed, &words);
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
    }
    // Each of these leaves every value that is read as it is.
    let expected = [
        "a slot that nothing fills and nothing reads",
        "limbs of a slot that nothing fills",
        "no lookup stands on this row",
        "the flag of a zero, or of a slot without a sign",
        "the low part of a value that is no rounded sum",
    ];
    assert_eq!(survivors.keys().copied().collect::<Vec<_>>(), expected, "{survivors:?}");
}
