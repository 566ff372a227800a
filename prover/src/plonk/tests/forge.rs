//! A malicious prover: it lies about an activation and recomputes all that follows from the lie.

use super::*;
use crate::{
    field::{signed, to_signed},
    kzg::KzgError,
    plonk::{
        cs::BusTerm,
        expr::{Expr, Scalars},
        linear::Point,
    },
};

/// `2^s`.
pub(crate) const SCALE: i64 = 1 << 14;

/// Values of an [`Attack`]'s layer: pre-activations, and outputs, which may be any field element.
pub(crate) type Lie = dyn Fn(usize, &mut Vec<i64>, &mut Vec<Fr>);

/// What the prover does with the columns before a commitment.
pub(crate) type Change<T> = dyn Fn(&Fixture, &mut [Vec<Fr>], T);

/// A lie and how the prover covers it up.
///
/// The prover runs the program on its input; behind each layer the lie may change what the layer gave, and later layers go on
/// with that. Slots and reads are filled accordingly, then changed by hand, then the multiplicities of the range table are
/// counted from whatever limbs the bus carries. Public words are the outputs that this run ended with.
pub(crate) struct Attack {
    program: Program<i64>,
    shape: Shape,
    public_input: bool,
    input: Vec<Fr>,
    defences: Defences,
    lie: Box<Lie>,
    slots: Box<dyn Fn(&mut Slots<'_>)>,
    from_table: Vec<(i64, i64)>,
    linear: Box<Change<Option<Fr>>>,
    bus: Box<Change<Scalars>>,
}

impl Attack {
    /// A prover that does nothing wrong yet, with one lane and a private input.
    pub(crate) fn new(program: Program<i64>, input: &[i64]) -> Self {
        Self {
            shape: shape(&program, 1),
            program,
            public_input: false,
            input: field(input),
            defences: Defences::ALL,
            lie: Box::new(|_, _, _| {}),
            slots: Box::new(|_| {}),
            from_table: Vec::new(),
            linear: Box::new(|_, _, _| {}),
            bus: Box::new(|_, _, _| {}),
        }
    }

    pub(crate) fn lanes(mut self, lanes: usize) -> Self {
        self.shape.lanes = lanes;
        self
    }

    pub(crate) fn public_input(mut self) -> Self {
        self.public_input = true;
        self
    }

    /// Puts any field element in the place of an element of the input.
    pub(crate) fn input(mut self, index: usize, v: Fr) -> Self {
        self.input[index] = v;
        self
    }

    pub(crate) fn lie(mut self, lie: impl Fn(usize, &mut Vec<i64>, &mut Vec<Fr>) + 'static) -> Self {
        self.lie = Box::new(lie);
        self
    }

    pub(crate) fn slots(mut self, slots: impl Fn(&mut Slots<'_>) + 'static) -> Self {
        self.slots = Box::new(slots);
        self
    }

    /// One more read of the range table for `new`, one less for `old`.
    pub(crate) fn answered_from_the_table(mut self, old: i64, new: i64) -> Self {
        self.from_table = vec![(old, 1), (new, -1)];
        self
    }

    /// One more entry of the range table that is asked for.
    pub(crate) fn counted_in_the_table(mut self, v: i64) -> Self {
        self.from_table = vec![(v, 1)];
        self
    }

    /// What becomes of `C` and `E`, with `eta` where it is known by then.
    pub(crate) fn linear(mut self, change: impl Fn(&Fixture, &mut [Vec<Fr>], Option<Fr>) + 'static) -> Self {
        self.linear = Box::new(change);
        self
    }

    /// What becomes of `D` and the helpers.
    pub(crate) fn bus(mut self, change: impl Fn(&Fixture, &mut [Vec<Fr>], Scalars) + 'static) -> Self {
        self.bus = Box::new(change);
        self
    }

    /// Claims that the real system rejects the lie, and accepts it once `weaken` took a constraint out.
    #[track_caller]
    pub(crate) fn needs(&self, weaken: impl FnOnce(&mut Draft)) {
        self.assert_rejected(&self.fixture(|_| {}));
        self.assert_accepted(&self.fixture(weaken));
    }

    /// As [`Self::needs`], for the gate of this name.
    #[track_caller]
    pub(crate) fn needs_gate(&self, name: &str) {
        self.needs(|draft| {
            let before = draft.gates.len();
            draft.gates.retain(|gate| gate.name != name);
            assert_eq!(draft.gates.len() + 1, before, "no gate '{name}'");
        });
    }

    /// As [`Self::needs`], for the bus term of this name.
    #[track_caller]
    pub(crate) fn needs_bus(&self, name: &str) {
        self.needs(|draft| {
            let before = draft.bus.len();
            draft.bus.retain(|term| term.name != name);
            assert_eq!(draft.bus.len() + 1, before, "no bus term '{name}'");
        });
    }

    /// As [`Self::needs`], for a part of the protocol.
    #[track_caller]
    pub(crate) fn needs_defence(&self, drop: impl FnOnce(&mut Defences)) {
        let mut fixture = self.fixture(|_| {});
        self.assert_rejected(&fixture);
        drop(&mut fixture.defences);
        self.assert_accepted(&fixture);
    }

    #[track_caller]
    pub(crate) fn assert_rejected(&self, fixture: &Fixture) {
        let result = self.against(fixture);
        assert!(
            matches!(result, Err(Rejection::Opening(KzgError::Rejected))),
            "{result:?}"
        );
    }

    #[track_caller]
    pub(crate) fn assert_accepted(&self, fixture: &Fixture) {
        let result = self.against(fixture);
        assert!(result.is_ok(), "{result:?}");
    }

    /// The circuit that is attacked.
    pub(crate) fn fixture(&self, weaken: impl FnOnce(&mut Draft)) -> Fixture {
        let mut fixture = Fixture::shaped(&self.program, &self.shape, self.public_input, weaken);
        fixture.defences = self.defences;
        fixture
    }

    /// A pre-activation that the attack ends with.
    pub(crate) fn pre_activation(&self, layer: usize, index: usize) -> i64 {
        self.run().0[layer][index]
    }

    /// The public words that the attack ends with.
    pub(crate) fn public(&self) -> Vec<i64> {
        self.run().2
    }

    /// What the verifier of `fixture` says to the forged proof.
    pub(crate) fn against(&self, fixture: &Fixture) -> Result<(), Rejection> {
        let (pre, out, public) = self.run();
        let input: Vec<i64> = self.input.iter().map(|v| to_signed(*v).unwrap_or(0)).collect();
        let or_zero = |layer: &Vec<Fr>| layer.iter().map(|v| to_signed(*v).unwrap_or(0)).collect();
        let execution = execute::Trace {
            pre,
            out: out.iter().map(or_zero).collect(),
            outputs: Vec::new(),
        };
        let interface = &fixture.key.verifying.interface;
        let trace = layout::trace(interface, &fixture.key.wiring, fixture.cs(), &input, &execution);
        let mut forger = Covering {
            attack: self,
            fixture,
            out,
        };
        let proof = fixture.prove(trace, &public, &mut forger).unwrap();
        fixture.verify(&public, &proof)
    }

    /// Pre-activations, outputs and public words. A lie must leave what later layers compute small.
    fn run(&self) -> (Vec<Vec<i64>>, Vec<Vec<Fr>>, Vec<i64>) {
        let (mut pre, mut out): (Vec<Vec<i64>>, Vec<Vec<Fr>>) = (Vec::new(), Vec::new());
        for (l, layer) in self.program.layers.iter().enumerate() {
            let mut u = small(&pre_activations(layer, &self.input, &out));
            let mut y = field(&activate(&self.program, layer, &u));
            (self.lie)(l, &mut u, &mut y);
            pre.push(u);
            out.push(y);
        }
        let words = self.program.outputs.iter().map(|s| value(s, &self.input, &out));
        let inputs = self.input.iter().copied().filter(|_| self.public_input);
        let public = small(&inputs.chain(words).collect::<Vec<_>>());
        (pre, out, public)
    }
}

fn small(values: &[Fr]) -> Vec<i64> {
    values.iter().map(|v| to_signed(*v).unwrap()).collect()
}

/// [`Attack`] at work on a proof.
struct Covering<'a> {
    attack: &'a Attack,
    fixture: &'a Fixture,
    out: Vec<Vec<Fr>>,
}

impl Forger for Covering<'_> {
    fn trace(&mut self, columns: &mut [Vec<Fr>], _point: Option<&Point>) {
        let Self { attack, fixture, out } = self;
        let mut slots = Slots { fixture, columns };
        for (l, layer) in out.iter().enumerate() {
            for (i, y) in layer.iter().enumerate() {
                slots.of(l, i).set_y(*y);
            }
        }
        if !attack.public_input {
            for (i, v) in attack.input.iter().enumerate() {
                slots.input(i).set_y(*v);
            }
        }
        for (read, source) in fixture.key.wiring.reads.iter().enumerate() {
            *slots.x(read) = value(source, &attack.input, out);
        }
        for (row, source) in fixture.key.wiring.factors.iter().enumerate() {
            *slots.x2(row) = value(source, &attack.input, out);
        }
        (attack.slots)(&mut slots);
        count_limbs(fixture, columns);
        count_lookups(fixture, columns);
        for (v, change) in &attack.from_table {
            columns[fixture.cs().columns.m][*v as usize] += signed(*change);
        }
    }

    fn linear(&mut self, columns: &mut [Vec<Fr>], eta: Option<Fr>) {
        (self.attack.linear)(self.fixture, columns, eta);
    }

    fn bus(&mut self, columns: &mut [Vec<Fr>], scalars: &Scalars) {
        (self.attack.bus)(self.fixture, columns, scalars.clone());
    }
}

/// Sets the multiplicities of the range table to what the range terms that are left on the bus ask of it. A limb out of range
/// has no entry to be counted at.
pub(crate) fn count_limbs(fixture: &Fixture, columns: &mut [Vec<Fr>]) {
    let cs = fixture.cs();
    let n = columns[0].len();
    let mut counts = vec![0i64; n];
    let limb = |term: &BusTerm| match term.message {
        Expr::Advice(column) => Some(column),
        _ => None,
    };
    for column in cs.bus.iter().filter_map(limb) {
        for v in &columns[column] {
            if let Some(count) = to_signed(*v).and_then(|v| counts.get_mut(usize::try_from(v).ok()?)) {
                *count += 1;
            }
        }
    }
    columns[cs.columns.m] = field(&counts);
}

/// Sets the multiplicities of the functions' tables to what the lookups that are left on the bus ask of them. What is in no
/// table has no entry to be counted at.
pub(crate) fn count_lookups(fixture: &Fixture, columns: &mut [Vec<Fr>]) {
    let (cs, fixed) = (fixture.cs(), &fixture.key.wiring.fixed);
    let Some(functions) = &cs.columns.functions else { return };
    let n = columns[0].len();
    let mut counts = vec![0i64; n];
    for (l, lane) in cs.columns.lanes.iter().enumerate() {
        let name = format!("lookup of lane{l}");
        if !cs.bus.iter().any(|term| term.name == name) {
            continue;
        }
        let (segment, top) = (lane.function.unwrap(), *lane.hi.last().unwrap());
        for row in (0..n).filter(|row| fixed[functions.q_function][*row] == 1) {
            let tag = functions.tag.map_or(0, |tag| fixed[tag][row]);
            let asked = [
                columns[top][row] + signed(tag),
                columns[segment.value][row],
                columns[segment.rise][row],
            ];
            let entry =
                |row: &usize| [functions.key, functions.value, functions.rise].map(|c| signed(fixed[c][*row])) == asked;
            if let Some(found) = (0..n).find(entry) {
                counts[found] += 1;
            }
        }
    }
    columns[functions.m] = field(&counts);
}

/// The trace under a forger's hands.
pub(crate) struct Slots<'a> {
    pub(crate) fixture: &'a Fixture,
    pub(crate) columns: &'a mut [Vec<Fr>],
}

impl Slots<'_> {
    /// The slot at a row and lane.
    pub(crate) fn at(&mut self, row: usize, lane: usize) -> Slot<'_> {
        let shape = &self.fixture.key.verifying.interface.shape;
        Slot {
            lane: &self.fixture.cs().columns.lanes[lane],
            bits: shape.limbs.bits,
            row,
            columns: self.columns,
        }
    }

    /// The slot of an output of a layer.
    pub(crate) fn of(&mut self, layer: usize, index: usize) -> Slot<'_> {
        let (row, lane) = self.fixture.slot(layer, index);
        self.at(row, lane)
    }

    /// The slot of an element of a private input.
    pub(crate) fn input(&mut self, index: usize) -> Slot<'_> {
        let (row, lane) = self.fixture.slots().input(index);
        self.at(row, lane)
    }

    /// What a read gives; those of port 0 come first.
    pub(crate) fn x(&mut self, read: usize) -> &mut Fr {
        let n = self.columns[0].len();
        &mut self.columns[self.fixture.cs().columns.ports[read / n].x][read % n]
    }

    /// The second factor of this row.
    pub(crate) fn x2(&mut self, row: usize) -> &mut Fr {
        &mut self.columns[self.fixture.cs().columns.products.unwrap().x2][row]
    }

    /// A row that no layer and no input has.
    pub(crate) fn idle_row(&self) -> usize {
        self.columns[0].len() - 1
    }
}

/// One slot.
pub(crate) struct Slot<'a> {
    lane: &'a crate::plonk::cs::Lane,
    bits: u32,
    row: usize,
    columns: &'a mut [Vec<Fr>],
}

impl Slot<'_> {
    pub(crate) fn y(&self) -> Fr {
        self.columns[self.lane.y][self.row]
    }

    pub(crate) fn set_y(&mut self, v: Fr) {
        self.columns[self.lane.y][self.row] = v;
    }

    /// The segment that a function's slot has looked up.
    pub(crate) fn set_segment(&mut self, value: i64, rise: i64) {
        let segment = self.lane.function.unwrap();
        self.columns[segment.value][self.row] = signed(value);
        self.columns[segment.rise][self.row] = signed(rise);
    }

    pub(crate) fn set_flag(&mut self, v: Fr) {
        self.columns[self.lane.flag][self.row] = v;
    }

    pub(crate) fn hi(&self) -> i64 {
        self.joined(&self.lane.hi)
    }

    pub(crate) fn lo(&self) -> i64 {
        self.joined(&self.lane.lo)
    }

    /// Splits `v` over the high limbs; the top one takes what is left, in range or not.
    pub(crate) fn set_hi(&mut self, v: Fr) {
        self.split(&self.lane.hi, v);
    }

    /// As [`Self::set_hi`], for the low limbs.
    pub(crate) fn set_lo(&mut self, v: i64) {
        self.split(&self.lane.lo, signed(v));
    }

    /// Writes `d` as `2^s hi + lo` with `lo` in range.
    pub(crate) fn set_difference(&mut self, d: i64) {
        self.set_lo(d.rem_euclid(SCALE));
        self.set_hi(signed(d.div_euclid(SCALE)));
    }

    /// Moves one from a limb to `2^k` of the one below it (both counted from the low end, low limbs first).
    pub(crate) fn borrow(&mut self, limb: usize) {
        let limbs: Vec<usize> = self.lane.lo.iter().chain(&self.lane.hi).copied().collect();
        self.columns[limbs[limb]][self.row] -= signed(1 << self.bits);
        self.columns[limbs[limb + 1]][self.row] += Fr::from(1u8);
    }

    fn joined(&self, limbs: &[usize]) -> i64 {
        let limb = |c: &usize| to_signed(self.columns[*c][self.row]).unwrap();
        limbs.iter().rev().fold(0, |acc, c| (acc << self.bits) + limb(c))
    }

    fn split(&mut self, limbs: &[usize], v: Fr) {
        let (top, low) = limbs.split_last().unwrap();
        let mut rest = v;
        for column in low {
            let limb = to_signed(rest).map_or(0, |v| v.rem_euclid(1 << self.bits));
            self.columns[*column][self.row] = signed(limb);
            rest = (rest - signed(limb)) / signed(1 << self.bits);
        }
        self.columns[*top][self.row] = rest;
    }
}
