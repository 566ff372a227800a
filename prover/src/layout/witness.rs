//! Fills the trace columns from an execution of the program.

use super::{
    Input, Interface, Place, Slots, Wiring, fixed,
    slots::{in_linear, window},
};
use crate::{
    model::{
        execute,
        program::{Act, Source},
    },
    plonk::cs::{ConstraintSystem, Lane, Phase, Shape},
};

/// The trace columns as integers, in the constraint system's order; every one has `n` rows.
///
/// Secret: holds the input and all activations.
pub type Trace = Vec<Vec<i64>>;

/// Fills the trace columns from `input` and what executing the program on it gave.
///
/// The multiplicities of the range table and of the functions' tables are counted last. Columns that hold no small integers, those
/// of hashes, are left to the prover, who derives them from the others.
pub fn trace(
    interface: &Interface,
    wiring: &Wiring,
    cs: &ConstraintSystem,
    input: &[i64],
    execution: &execute::Trace<i64>,
) -> Trace {
    let shape = &interface.shape;
    let n = shape.n();
    let filler = Filler {
        slots: Slots::new(interface, wiring),
        wiring,
        cs,
    };
    let mut columns = vec![vec![0i64; n]; cs.phase(Phase::Trace).count()];
    filler.idle(&mut columns);
    if let Input::Private { .. } = interface.input {
        for (i, v) in input.iter().enumerate() {
            filler.value(filler.slots.input(i), *v, &mut columns);
        }
    }
    for l in 0..wiring.acts.len() {
        match wiring.places[l] {
            Place::Linear => filler.linear(l, &execution.pre[l], &mut columns),
            Place::Free { .. } => {
                for (i, v) in execution.out[l].iter().enumerate() {
                    filler.value(filler.slots.output(l, i), *v, &mut columns);
                }
            }
            Place::Products { row } => filler.products(l, row, execution, &mut columns),
        }
    }
    let read = |source: &Source<i64>| match *source {
        Source::Input(i) => input[i as usize],
        Source::Layer { layer, index } => execution.out[layer as usize][index as usize],
        Source::Const(v) => v,
    };
    let ports = cs.columns.ports.iter().map(|port| port.x);
    let others = [
        (cs.columns.products.map(|p| p.x2), &wiring.factors),
        (cs.columns.committed_input.map(|c| c.values), &wiring.committed_input),
        (cs.columns.committed_output.map(|c| c.values), &wiring.committed_output),
        (cs.columns.hash.map(|c| c.values), &wiring.hashed),
    ];
    let others = others
        .into_iter()
        .filter_map(|(column, sources)| Some((column?, &sources[..])));
    for (column, sources) in ports.zip(wiring.reads.chunks(n)).chain(others) {
        columns[column]
            .iter_mut()
            .zip(sources)
            .for_each(|(x, source)| *x = read(source));
    }
    let mut counts = vec![0i64; n];
    for column in cs.columns.lanes.iter().flat_map(|lane| lane.hi.iter().chain(&lane.lo)) {
        columns[*column].iter().for_each(|limb| counts[*limb as usize] += 1);
    }
    columns[cs.columns.m] = counts;
    columns
}

struct Filler<'a> {
    slots: Slots<'a>,
    wiring: &'a Wiring,
    cs: &'a ConstraintSystem,
}

/// Splits `2^s hi + lo` over the limbs of a slot.
fn split(shape: &Shape, lane: &Lane, columns: &mut Trace, row: usize, mut value: u64) {
    let mask = (1u64 << shape.limbs.bits) - 1;
    for column in lane.lo.iter().chain(&lane.hi) {
        columns[*column][row] = (value & mask) as i64;
        value >>= shape.limbs.bits;
    }
}

/// A requantise slot: `y`, and `lo` with `2^s y + lo - half = u`.
fn requantised(shape: &Shape, lane: &Lane, columns: &mut Trace, row: usize, y: i64, lo: i64) {
    let hi = (y + (1i64 << (shape.limbs.hi * shape.limbs.bits - 1))) as u64;
    split(shape, lane, columns, row, hi << shape.limbs.shift() | lo as u64);
    columns[lane.y][row] = y;
}

impl Filler<'_> {
    fn lane(&self, lane: usize) -> &Lane {
        &self.cs.columns.lanes[lane]
    }

    /// Above the linear layers every slot of a requantise row is a zero until something is put there.
    fn idle(&self, columns: &mut Trace) {
        let lanes = self.slots.shape.lanes;
        for row in (0..columns[0].len()).filter(|row| self.slots.regions.is_signed(*row, lanes)) {
            (0..lanes).for_each(|lane| self.value((row, lane), 0, columns));
        }
    }

    /// A value whose pre-activation takes part in no sum.
    fn value(&self, (row, lane): (usize, usize), v: i64, columns: &mut Trace) {
        requantised(
            self.slots.shape,
            self.lane(lane),
            columns,
            row,
            v,
            self.slots.shape.limbs.half(),
        );
    }

    /// An accumulator, rounded.
    fn rounded(&self, row: usize, lane: &Lane, u: i64, columns: &mut Trace) {
        let limbs = &self.slots.shape.limbs;
        let v = u + limbs.half();
        requantised(
            self.slots.shape,
            lane,
            columns,
            row,
            v >> limbs.shift(),
            v & ((1 << limbs.shift()) - 1),
        );
    }

    fn products(&self, l: usize, first: usize, execution: &execute::Trace<i64>, columns: &mut Trace) {
        let lane = self.lane(0);
        for (i, u) in execution.pre[l].iter().enumerate() {
            match self.wiring.acts[l] {
                Act::Product { .. } => self.rounded(first + i, lane, *u, columns),
                _ => columns[lane.y][first + i] = *u,
            }
        }
    }

    fn linear(&self, l: usize, pre: &[i64], columns: &mut Trace) {
        let (shape, act, layer) = (self.slots.shape, self.wiring.acts[l], &self.slots.linear[l]);
        let positions: usize = layer.axes.iter().map(|a| a.count).product();
        let window = window(layer, act);
        // Ghost channels, which only fill up the lanes, have pre-activation 0 throughout.
        let zeros = vec![0; positions];
        for channel in 0..layer.groups * shape.lanes {
            let lane = self.lane(channel % shape.lanes);
            let u = pre
                .get(channel * positions..(channel + 1) * positions)
                .unwrap_or(&zeros);
            for (at, u) in u.chunks(window).enumerate() {
                let (row, _) = in_linear(layer, act, shape.lanes, channel * (positions / window) + at);
                match act {
                    Act::Requant | Act::MatMul { .. } => self.rounded(row, lane, u[0], columns),
                    Act::Relu => self.rectified(row, lane, u[0], columns),
                    Act::MaxPool { relu } => self.pooled(row, lane, u, relu, columns),
                    Act::Floor => {
                        split(shape, lane, columns, row, u[0] as u64);
                        columns[lane.y][row] = u[0] >> shape.limbs.shift();
                    }
                    Act::Function(f) => self.looked_up(row, lane, f as usize, u[0], columns),
                    // All zeros; the others have no linear rows.
                    Act::Zero | Act::Product { .. } | Act::RawProduct | Act::Advice(_) | Act::Composite(_) => {}
                }
            }
        }
    }

    fn rectified(&self, row: usize, lane: &Lane, u: i64, columns: &mut Trace) {
        let (shift, half) = (self.slots.shape.limbs.shift(), self.slots.shape.limbs.half());
        let (y, lo) = ((u + half) >> shift, (u + half) & ((1 << shift) - 1));
        split(
            self.slots.shape,
            lane,
            columns,
            row,
            y.unsigned_abs() << shift | lo as u64,
        );
        columns[lane.flag][row] = i64::from(y < 0);
        columns[lane.y][row] = y.max(0);
    }

    /// A window and the row that closes it, `row`.
    fn pooled(&self, row: usize, lane: &Lane, u: &[i64], relu: bool, columns: &mut Trace) {
        let max = u.iter().copied().fold(if relu { 0 } else { i64::MIN }, i64::max);
        let first = row - u.len();
        let mut attained = false;
        for (i, u) in u.iter().enumerate() {
            attained |= *u == max;
            split(self.slots.shape, lane, columns, first + i, (max - u) as u64);
            columns[lane.flag][first + i] = i64::from(attained);
            columns[lane.y][first + i] = max;
        }
        if relu {
            let v = max + self.slots.shape.limbs.half();
            split(self.slots.shape, lane, columns, row, v as u64);
            columns[lane.y][row] = v >> self.slots.shape.limbs.shift();
        } else {
            self.rounded(row, lane, max, columns);
        }
    }

    /// A lookup, counted in the table.
    fn looked_up(&self, row: usize, lane: &Lane, f: usize, u: i64, columns: &mut Trace) {
        let limbs = &self.slots.shape.limbs;
        let (Some(segment), Some(functions)) = (&lane.function, &self.cs.columns.functions) else {
            return;
        };
        let (key, within) = limbs.look_up(u);
        let (value, rise) = self.wiring.tables[f][key as usize];
        split(self.slots.shape, lane, columns, row, u as u64);
        (columns[segment.value][row], columns[segment.rise][row]) = (value, rise);
        columns[lane.y][row] = (value << limbs.shift()) + rise * within;
        columns[functions.m][fixed::table_row(&self.wiring.tables, f) + key as usize] += 1;
    }
}
