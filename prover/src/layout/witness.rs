//! Fills the trace columns from an execution of the program.

use super::{Input, Interface, Wiring, output_slot};
use crate::{
    model::{
        execute,
        program::{Act, Source},
    },
    plonk::cs::{ConstraintSystem, Lane, Shape},
};

/// The trace columns as integers, in the constraint system's order; every one has `n` rows.
///
/// Secret: holds the input and all activations.
pub type Trace = Vec<Vec<i64>>;

/// Fills the trace columns from `input` and what executing the program on it gave.
///
/// The multiplicities of the range table are counted last, from the limbs.
pub fn trace(
    interface: &Interface,
    wiring: &Wiring,
    cs: &ConstraintSystem,
    input: &[i64],
    execution: &execute::Trace<i64>,
) -> Trace {
    let shape = &interface.shape;
    let n = shape.n();
    let width = cs.columns.m + 1;
    let mut columns = vec![vec![0i64; n]; width];
    if let Input::Private { .. } = interface.input {
        for (i, v) in input.iter().enumerate() {
            let (row, lane) = (i / shape.lanes, &cs.columns.lanes[i % shape.lanes]);
            requantised(shape, lane, &mut columns, row, *v, shape.limbs.half());
        }
        // A lane that is left over on the input's last row is still a signed slot.
        for i in input.len()..input.len().next_multiple_of(shape.lanes) {
            let (row, lane) = (i / shape.lanes, &cs.columns.lanes[i % shape.lanes]);
            requantised(shape, lane, &mut columns, row, 0, shape.limbs.half());
        }
    }
    for (l, act) in wiring.acts.iter().enumerate() {
        fill_layer(interface, cs, l, *act, &execution.pre[l], &mut columns);
    }
    for (row, source) in wiring.reads.iter().enumerate() {
        columns[cs.columns.x][row] = match *source {
            Source::Input(i) => input[i as usize],
            Source::Layer { layer, index } => execution.out[layer as usize][index as usize],
            Source::Const(v) => v,
        };
    }
    let mut counts = vec![0i64; n];
    for column in cs.columns.lanes.iter().flat_map(|lane| lane.hi.iter().chain(&lane.lo)) {
        columns[*column].iter().for_each(|limb| counts[*limb as usize] += 1);
    }
    columns[cs.columns.m] = counts;
    columns
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

fn fill_layer(interface: &Interface, cs: &ConstraintSystem, l: usize, act: Act, pre: &[i64], columns: &mut Trace) {
    let shape = &interface.shape;
    let layer = &interface.linear[l];
    let positions: usize = layer.axes.iter().map(|a| a.count).product();
    let (shift, half) = (shape.limbs.shift(), shape.limbs.half());
    let window: usize = match act {
        Act::MaxPool { .. } => layer.axes[layer.axes.len() - 2..].iter().map(|a| a.count).product(),
        _ => 1,
    };
    // Ghost channels, which only fill up the lanes, have pre-activation 0 throughout.
    for channel in 0..layer.groups * shape.lanes {
        let lane = &cs.columns.lanes[channel % shape.lanes];
        let zeros = vec![0; positions];
        let u = pre
            .get(channel * positions..(channel + 1) * positions)
            .unwrap_or(&zeros);
        for (at, u) in u.chunks(window).enumerate() {
            let (row, _) = output_slot(layer, act, shape.lanes, channel * (positions / window) + at);
            match act {
                // Refused by `compile`.
                Act::Floor | Act::Zero | Act::Function(_) | Act::Product { .. } => {}
                Act::RawProduct | Act::Advice(_) | Act::MatMul { .. } | Act::Composite(_) => {}
                Act::Requant => {
                    let v = u[0] + half;
                    requantised(shape, lane, columns, row, v >> shift, v & ((1 << shift) - 1));
                }
                Act::Relu => {
                    let v = u[0] + half;
                    let (y, lo) = (v >> shift, v & ((1 << shift) - 1));
                    split(shape, lane, columns, row, y.unsigned_abs() << shift | lo as u64);
                    columns[lane.flag][row] = i64::from(y < 0);
                    columns[lane.y][row] = y.max(0);
                }
                Act::MaxPool { relu } => {
                    let max = u.iter().copied().fold(if relu { 0 } else { i64::MIN }, i64::max);
                    let first = row - window;
                    let mut attained = false;
                    for (i, u) in u.iter().enumerate() {
                        attained |= *u == max;
                        split(shape, lane, columns, first + i, (max - u) as u64);
                        columns[lane.flag][first + i] = i64::from(attained);
                        columns[lane.y][first + i] = max;
                    }
                    let v = max + half;
                    let (y, lo) = (v >> shift, v & ((1 << shift) - 1));
                    if relu {
                        split(shape, lane, columns, row, v as u64);
                        columns[lane.y][row] = y;
                    } else {
                        requantised(shape, lane, columns, row, y, lo);
                    }
                }
            }
        }
    }
}
