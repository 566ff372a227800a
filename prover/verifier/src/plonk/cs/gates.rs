//! What the columns must satisfy: local gates, the bus's terms, the sums over all rows.

use ark_bn254::Fr;
use ark_ff::One;

use super::{BusTerm, Columns, Gate, Lane, Shape, hash};
use crate::plonk::expr::{Expr, Scalar};

/// What stands for the id in the messages of lookups; ids are not negative.
const FUNCTION_ID: i64 = -1;

/// `sum 2^(k i) limb_i`.
fn recompose(limbs: &[usize], bits: u32) -> Expr {
    Expr::sum(
        limbs
            .iter()
            .enumerate()
            .map(|(i, c)| Expr::pow2(bits * i as u32) * Expr::Advice(*c)),
    )
}

/// The parts that a lane's gates are written in.
struct Parts {
    hi: Expr,
    lo: Expr,
    y: Expr,
    flag: Expr,
}

fn parts(shape: &Shape, lane: &Lane) -> Parts {
    Parts {
        hi: recompose(&lane.hi, shape.limbs.bits),
        lo: recompose(&lane.lo, shape.limbs.bits),
        y: Expr::Advice(lane.y),
        flag: Expr::Advice(lane.flag),
    }
}

pub(super) fn local_gates(shape: &Shape, c: &Columns) -> Vec<Gate> {
    let mut gates = Vec::new();
    let shift = shape.limbs.shift();
    let scale = || Expr::pow2(shift);
    let half = || Expr::pow2(shift - 1);
    let fixed = Expr::Fixed;
    for (l, lane) in c.lanes.iter().enumerate() {
        let mut gate = |name: &str, expr| {
            gates.push(Gate {
                name: format!("lane {l}: {name}"),
                expr,
            })
        };
        let Parts { hi, lo, y, flag } = parts(shape, lane);
        let (prev_y, prev_flag) = (Expr::Prev(lane.y), Expr::Prev(lane.flag));
        gate("flag is 0 or 1", flag.clone() * flag.clone() - flag.clone());
        let signed = Expr::pow2(shape.limbs.hi * shape.limbs.bits - 1);
        gate("requantise", fixed(c.q_requant) * (y.clone() - hi.clone() + signed));
        if let Some(q) = c.q_relu {
            gate("relu", fixed(q) * (y.clone() - hi.clone() + flag.clone() * hi.clone()));
        }
        if let (Some(q), Some(first)) = (c.q_window, c.q_first) {
            let inner = fixed(q) - fixed(first);
            let d = scale() * hi.clone() + lo.clone();
            gate("window keeps its maximum", inner.clone() * (y.clone() - prev_y.clone()));
            gate(
                "flag rises only where the maximum is",
                d * (fixed(q) * flag - inner * prev_flag.clone()),
            );
        }
        let one = || Expr::Const(Fr::one());
        if let Some(q) = c.q_close_relu {
            let d = scale() * hi.clone() + lo.clone();
            gate("close: splits the maximum", fixed(q) * (d - half() - prev_y.clone()));
            gate("close: value", fixed(q) * (y.clone() - hi));
            gate(
                "close: attained or zero",
                fixed(q) * (one() - prev_flag.clone()) * prev_y.clone(),
            );
        }
        if let Some(q) = c.q_close_signed {
            // Such a row is also a requantise row, which ties `y` to the high limbs.
            gate(
                "close signed: splits the maximum",
                fixed(q) * (scale() * y + lo - half() - prev_y),
            );
            gate("close signed: attained", fixed(q) * (one() - prev_flag));
        }
        if let Some(q) = c.q_floor {
            gate(
                "floor",
                fixed(q) * (Expr::Advice(lane.y) - recompose(&lane.hi, shape.limbs.bits)),
            );
        }
        if let (Some(functions), Some(segment)) = (&c.functions, &lane.function) {
            let value = scale() * Expr::Advice(segment.value) + Expr::Advice(segment.rise) * within(shape, lane);
            gate("function", fixed(functions.q_function) * (Expr::Advice(lane.y) - value));
        }
    }
    gates.extend(product(shape, c));
    gates.extend(running_sum(c));
    gates.extend(hash::gates(c));
    let (d, prev_d) = (Expr::Advice(c.d), Expr::Prev(c.d));
    gates.push(Gate {
        name: "D: powers of eta".into(),
        expr: (Expr::X - Expr::int(1)) * (d.clone() - Expr::from(Scalar::Eta) * prev_d),
    });
    gates.push(Gate {
        name: "D: starts at one".into(),
        expr: Expr::First * (d - Expr::int(1)),
    });
    gates
}

/// The limbs below the top one, the lowest left out so that `s` bits remain: the position within a function's segment.
fn within(shape: &Shape, lane: &Lane) -> Expr {
    let limbs: Vec<usize> = lane.lo.iter().chain(&lane.hi).copied().collect();
    recompose(&limbs[lane.hi.len() - 1..limbs.len() - 1], shape.limbs.bits)
}

/// Products, in lane 0.
fn product(shape: &Shape, c: &Columns) -> Option<Gate> {
    let (products, lane, port) = (c.products.as_ref()?, c.lanes.first()?, c.ports.first()?);
    let shift = shape.limbs.shift();
    let Parts { lo, y, .. } = parts(shape, lane);
    let select = |q: Option<usize>, value: Expr| q.map_or(Expr::int(0), |q| Expr::Fixed(q) * value);
    let rounded = Expr::pow2(shift) * y.clone() + lo - Expr::pow2(shift - 1);
    let claimed = select(products.q_product, rounded) + select(products.q_raw, y);
    let value = Expr::Fixed(products.factor) * Expr::Advice(port.x) * Expr::Advice(products.x2);
    Some(Gate {
        name: "product".into(),
        expr: claimed - value,
    })
}

/// The running sum over the segments of products of matrices.
fn running_sum(c: &Columns) -> Option<Gate> {
    let (m, port) = (c.matrices.as_ref()?, c.ports.first()?);
    let (left, right) = (Expr::Fixed(m.q_left), Expr::Fixed(m.q_right));
    let carried = (left.clone() + Expr::from(Scalar::MatrixColumn) * right) * Expr::Prev(m.s);
    let added = left * Expr::Advice(port.c) * Expr::Advice(port.x);
    Some(Gate {
        name: "S: running sum".into(),
        expr: Expr::Advice(m.s) - carried - added,
    })
}

pub(super) fn bus_terms(shape: &Shape, c: &Columns) -> Vec<BusTerm> {
    let mut bus = Vec::new();
    for (l, lane) in c.lanes.iter().enumerate() {
        for (part, limbs) in [("hi", &lane.hi), ("lo", &lane.lo)] {
            for (i, column) in limbs.iter().enumerate() {
                bus.push(BusTerm {
                    name: format!("range of lane{l}.{part}{i}"),
                    numerator: Expr::int(1),
                    message: Expr::Advice(*column),
                });
            }
        }
    }
    let chi = || Expr::from(Scalar::Chi);
    let tagged = |value: Expr, id: Expr| value + chi() * id;
    let mut read = |name: &str, column, id| {
        bus.push(BusTerm {
            name: name.into(),
            numerator: Expr::int(-1),
            message: tagged(Expr::Advice(column), Expr::Fixed(id)),
        });
    };
    for (p, port) in c.ports.iter().enumerate() {
        read(&format!("read of port{p}"), port.x, port.read_id);
    }
    if let Some(products) = &c.products {
        read("second factors", products.x2, products.read_id);
    }
    for (name, columns) in [
        ("committed input", c.committed_input),
        ("committed output", c.committed_output),
    ] {
        if let Some(columns) = columns {
            read(name, columns.values, columns.read_id);
        }
    }
    if let Some(hash) = &c.hash {
        read("hashed values", hash.values, hash.read_id);
    }
    for (l, lane) in c.lanes.iter().enumerate() {
        let id = Expr::Fixed(c.table) + Expr::int(shape.slot_id(0, l) as i64);
        bus.push(BusTerm {
            name: format!("write of lane{l}"),
            numerator: Expr::Fixed(lane.mu),
            message: tagged(Expr::Advice(lane.y), id),
        });
    }
    let Some(functions) = &c.functions else { return bus };
    // The place of the id holds what no id is, so that neither a wire nor the range table answers a lookup.
    let entry = |key: Expr, value: Expr, rise: Expr| {
        tagged(key, Expr::int(FUNCTION_ID)) + chi() * chi() * value + chi() * chi() * chi() * rise
    };
    for (l, lane) in c.lanes.iter().enumerate() {
        let (Some(segment), Some(top)) = (&lane.function, lane.hi.last()) else {
            continue;
        };
        let key = Expr::Advice(*top) + functions.tag.map_or(Expr::int(0), Expr::Fixed);
        bus.push(BusTerm {
            name: format!("lookup of lane{l}"),
            numerator: Expr::Fixed(functions.q_function),
            message: entry(key, Expr::Advice(segment.value), Expr::Advice(segment.rise)),
        });
    }
    let [key, value, rise] = [functions.key, functions.value, functions.rise].map(Expr::Fixed);
    bus.push(BusTerm {
        name: "function tables".into(),
        numerator: -Expr::Advice(functions.m),
        message: entry(key, value, rise),
    });
    bus
}

/// The three sums of the linear argument, each with a weight of its own.
pub(super) fn linear_sums(shape: &Shape, c: &Columns) -> Expr {
    let shift = shape.limbs.shift();
    let mut outputs = Expr::int(0);
    // Horner over the lanes: the lane is the low digit of the channel.
    for lane in c.lanes.iter().rev() {
        let Parts { hi, lo, y, .. } = parts(shape, lane);
        let rounded = Expr::pow2(shift) * y.clone() + lo.clone() - Expr::pow2(shift - 1);
        let mut u = Expr::Fixed(c.q_requant) * rounded.clone();
        if let Some(q) = c.q_relu {
            u = u + Expr::Fixed(q) * (rounded + Expr::pow2(shift) * (y.clone() - hi.clone()));
        }
        if let Some(q) = c.q_window {
            u = u + Expr::Fixed(q) * (y - Expr::pow2(shift) * hi.clone() - lo.clone());
        }
        let unsigned = c
            .q_floor
            .into_iter()
            .chain(c.functions.map(|f| f.q_function))
            .map(Expr::Fixed);
        if let Some(unsigned) = unsigned.reduce(std::ops::Add::add) {
            u = u + unsigned * (Expr::pow2(shift) * hi + lo);
        }
        outputs = u + Expr::from(Scalar::Rho) * outputs;
    }
    let (output, d) = (Expr::Advice(c.e), Expr::Advice(c.d));
    let inputs = c.ports.iter().map(|port| {
        let input = Expr::Advice(port.c);
        // Where matrices are read, C goes into S, and S is what their right sides are multiplied by.
        let coefficient = match &c.matrices {
            None => input,
            Some(m) => input.clone() - Expr::Fixed(m.q_left) * input + Expr::Fixed(m.q_right) * Expr::Advice(m.s),
        };
        coefficient * Expr::Advice(port.x)
    });
    let inputs = Expr::sum(inputs);
    // Horner over the ports: the port is the high digit of a read.
    let coefficients = c.ports.iter().rev().map(|port| Expr::Advice(port.c));
    let checksum = coefficients.reduce(|further, input| input + Expr::from(Scalar::EtaToRows) * further);
    let checksum = checksum.unwrap_or(Expr::int(0));
    Expr::from(Scalar::WeightLinear) * (inputs - output.clone() * outputs)
        + d * (Expr::from(Scalar::WeightInputs) * checksum + Expr::from(Scalar::WeightOutputs) * output)
}
