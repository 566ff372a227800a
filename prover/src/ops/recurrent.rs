//! RNN, GRU and LSTM, unrolled: per step two products with constant matrices, the gates' functions and their products.

use super::elementwise::sum;
use super::movement::{gather_all, pick};
use super::primitive::{affine, clip, curve, difference, shared, times};
use super::reshape::{permute, reshaped};
use crate::model::curve::Curve;
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::{Tensor, elements};
use crate::model::value::Value;

pub(crate) const ATTRIBUTES: &[&str] = &[
    "activation_alpha",
    "activation_beta",
    "activations",
    "clip",
    "direction",
    "hidden_size",
    "input_forget",
    "layout",
    "linear_before_reset",
];

/// What the three have in common, for one direction.
struct Cell<'a> {
    node: &'a Node,
    hidden: usize,
    batch: usize,
    /// Names of the functions of this direction.
    functions: Vec<String>,
    clip: f64,
    /// `[inputs, gates * hidden]` and `[hidden, gates * hidden]`.
    weights: Value,
    recurrence: Value,
    /// `[gates * hidden]` each.
    bias: Value,
    recurrent_bias: Value,
    /// `[3 * hidden]`, of an LSTM.
    peepholes: Option<Value>,
}

impl Cell<'_> {
    fn activate(&self, ctx: &mut Lowering, which: usize, x: Value) -> Result<Value, OpError> {
        let x = if self.clip > 0.0 {
            clip(ctx, x, -self.clip, self.clip)?
        } else {
            x
        };
        match self.functions[which].as_str() {
            "Sigmoid" => curve(ctx, x, Curve::Sigmoid),
            "Tanh" => curve(ctx, x, Curve::Tanh),
            "Softsign" => curve(ctx, x, Curve::Softsign),
            "Softplus" => curve(ctx, x, Curve::Softplus),
            "Relu" => super::primitive::positive_part(ctx, x),
            _ => Err(self
                .node
                .attribute_error("activations", "Sigmoid, Tanh, Relu, Softsign or Softplus")),
        }
    }

    /// Columns of gate `g` of `[batch, gates * hidden]`.
    fn gate(&self, ctx: &mut Lowering, x: &Value, g: usize) -> Result<Value, OpError> {
        let width = x.shape()[1];
        let places: Vec<usize> = (0..self.batch * self.hidden)
            .map(|e| e / self.hidden * width + g * self.hidden + e % self.hidden)
            .collect();
        pick(ctx, x.clone(), vec![self.batch, self.hidden], &places)
    }

    /// `x W + h R + b` of all gates.
    fn linear(&self, ctx: &mut Lowering, x: Value, h: Value) -> Result<Value, OpError> {
        let x = super::matmul::multiply(ctx, x, self.weights.clone())?;
        let h = super::matmul::multiply(ctx, h, self.recurrence.clone())?;
        let both = sum(ctx, x, h)?;
        let both = sum(ctx, both, self.bias.clone())?;
        let both = sum(ctx, both, self.recurrent_bias.clone())?;
        Ok(Value::Affine(ctx.affine(both)?))
    }

    fn rnn(&self, ctx: &mut Lowering, x: Value, h: Value) -> Result<Value, OpError> {
        let u = self.linear(ctx, x, h)?;
        self.activate(ctx, 0, u)
    }

    /// Gates in the order update, reset, hidden.
    fn gru(&self, ctx: &mut Lowering, x: Value, h: Value) -> Result<Value, OpError> {
        let h = shared(ctx, h)?;
        let x = super::matmul::multiply(ctx, x, self.weights.clone())?;
        let x = sum(ctx, x, self.bias.clone())?;
        let r = super::matmul::multiply(ctx, h.clone(), self.recurrence.clone())?;
        let r = sum(ctx, r, self.recurrent_bias.clone())?;
        let (x, r) = (Value::Affine(ctx.affine(x)?), Value::Affine(ctx.affine(r)?));
        let gate = |ctx: &mut Lowering, g: usize| -> Result<Value, OpError> {
            let (a, b) = (self.gate(ctx, &x, g)?, self.gate(ctx, &r, g)?);
            let u = sum(ctx, a, b)?;
            self.activate(ctx, 0, u)
        };
        let (update, reset) = (gate(ctx, 0)?, gate(ctx, 1)?);
        let new = self.gate(ctx, &x, 2)?;
        let old = match self.node.flag("linear_before_reset", false)? {
            true => {
                let old = self.gate(ctx, &r, 2)?;
                times(ctx, reset, old)?
            }
            false => {
                let width = 3 * self.hidden;
                let columns: Vec<usize> = (0..self.hidden * self.hidden)
                    .map(|e| e / self.hidden * width + 2 * self.hidden + e % self.hidden)
                    .collect();
                let own = pick(ctx, self.recurrence.clone(), vec![self.hidden, self.hidden], &columns)?;
                let bias: Vec<usize> = (2 * self.hidden..width).collect();
                let bias = pick(ctx, self.recurrent_bias.clone(), vec![self.hidden], &bias)?;
                let kept = times(ctx, reset, h.clone())?;
                let old = super::matmul::multiply(ctx, kept, own)?;
                sum(ctx, old, bias)?
            }
        };
        let u = sum(ctx, new, old)?;
        let fresh = self.activate(ctx, 1, u)?;
        // (1 - z) n + z h = n + z (h - n)
        let step = difference(ctx, h, fresh.clone())?;
        let step = times(ctx, update, step)?;
        sum(ctx, fresh, step)
    }

    /// Gates in the order input, output, forget, cell.
    fn lstm(&self, ctx: &mut Lowering, x: Value, h: Value, c: Value) -> Result<(Value, Value), OpError> {
        let c = shared(ctx, c)?;
        let u = self.linear(ctx, x, h)?;
        let peep = |ctx: &mut Lowering, u: Value, c: &Value, which: usize| -> Result<Value, OpError> {
            let Some(p) = &self.peepholes else { return Ok(u) };
            let own: Vec<usize> = (which * self.hidden..(which + 1) * self.hidden).collect();
            let p = pick(ctx, p.clone(), vec![self.hidden], &own)?;
            let seen = times(ctx, c.clone(), p)?;
            sum(ctx, u, seen)
        };
        let input = self.gate(ctx, &u, 0)?;
        let input = peep(ctx, input, &c, 0)?;
        let input = self.activate(ctx, 0, input)?;
        let forget = match self.node.flag("input_forget", false)? {
            true => affine(ctx, input.clone(), -1.0, 1.0)?,
            false => {
                let forget = self.gate(ctx, &u, 2)?;
                let forget = peep(ctx, forget, &c, 2)?;
                self.activate(ctx, 0, forget)?
            }
        };
        let fresh = self.gate(ctx, &u, 3)?;
        let fresh = self.activate(ctx, 1, fresh)?;
        let (kept, new) = (times(ctx, forget, c)?, times(ctx, input, fresh)?);
        let cell = sum(ctx, kept, new)?;
        let cell = shared(ctx, cell)?;
        let output = self.gate(ctx, &u, 1)?;
        let output = peep(ctx, output, &cell, 1)?;
        let output = self.activate(ctx, 0, output)?;
        let bent = self.activate(ctx, 2, cell.clone())?;
        Ok((times(ctx, output, bent)?, cell))
    }
}

/// Which of the three.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    Rnn,
    Gru,
    Lstm,
}

pub(crate) fn rnn(ctx: &mut Lowering, node: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    unrolled(ctx, node, inputs, Kind::Rnn)
}

pub(crate) fn gru(ctx: &mut Lowering, node: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    unrolled(ctx, node, inputs, Kind::Gru)
}

pub(crate) fn lstm(ctx: &mut Lowering, node: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    unrolled(ctx, node, inputs, Kind::Lstm)
}

/// Part `d` of the first axis of a tensor.
fn part(ctx: &mut Lowering, x: &Value, d: usize, shape: Vec<usize>) -> Result<Value, OpError> {
    let size: usize = shape.iter().product();
    if elements(x.shape())? < (d + 1) * size {
        return Err(OpError::Shape {
            what: "W, R or B",
            expected: format!("{} elements a direction", size),
            got: x.shape().to_vec(),
        });
    }
    let places: Vec<usize> = (d * size..(d + 1) * size).collect();
    pick(ctx, x.clone(), shape, &places)
}

fn unrolled(ctx: &mut Lowering, node: &Node, mut inputs: Inputs, kind: Kind) -> Result<Vec<Value>, OpError> {
    let batch_first = node.flag("layout", false)?;
    let mut x = inputs.value(0, "X")?;
    let (w, r) = (inputs.value(1, "W")?, inputs.value(2, "R")?);
    let bias = inputs.optional(3);
    let lengths = inputs.optional_constant(4, "sequence_lens")?;
    if x.shape().len() != 3 || w.shape().len() != 3 || r.shape().len() != 3 {
        return Err(OpError::Shape {
            what: "X, W and R",
            expected: "three axes".into(),
            got: x.shape().to_vec(),
        });
    }
    if batch_first {
        x = permute(ctx, x, &[1, 0, 2])?;
    }
    let x = shared(ctx, x)?;
    let &[steps, batch, width] = x.shape() else {
        return Err(OpError::MissingInput { name: "X" });
    };
    if let Some(l) = &lengths
        && l.to_floats().iter().any(|&v| v != steps as f64)
    {
        return Err(OpError::Unsupported {
            what: "sequences shorter than the input (sequence_lens)".into(),
        });
    }
    let hidden = r.shape()[2];
    let gates = match kind {
        Kind::Rnn => 1,
        Kind::Gru => 3,
        Kind::Lstm => 4,
    };
    let defaults: &[&str] = match kind {
        Kind::Rnn => &["Tanh"],
        Kind::Gru => &["Sigmoid", "Tanh"],
        Kind::Lstm => &["Sigmoid", "Tanh", "Tanh"],
    };
    let reversed = match node.text("direction", "forward")? {
        "forward" => vec![false],
        "reverse" => vec![true],
        "bidirectional" => vec![false, true],
        _ => return Err(node.attribute_error("direction", "forward, reverse or bidirectional")),
    };
    let stated = node.texts("activations")?;
    let initial = |ctx: &mut Lowering, v: Option<Value>| -> Result<Option<Value>, OpError> {
        match v {
            Some(v) if batch_first => permute(ctx, v, &[1, 0, 2]).map(Some),
            other => Ok(other),
        }
    };
    let (h0, c0) = (inputs.optional(5), inputs.optional(6));
    let (h0, c0) = (initial(ctx, h0)?, initial(ctx, c0)?);
    let peepholes = inputs.optional(7);
    let directions = reversed.len();
    let (mut all, mut last, mut cells) = (Vec::new(), Vec::new(), Vec::new());
    for (d, &reverse) in reversed.iter().enumerate() {
        let functions = match stated.get(d * defaults.len()..(d + 1) * defaults.len()) {
            Some(own) => own.to_vec(),
            None => defaults.iter().map(|&s| s.to_owned()).collect(),
        };
        let weights = part(ctx, &w, d, vec![gates * hidden, width])?;
        let recurrence = part(ctx, &r, d, vec![gates * hidden, hidden])?;
        let zero = |n: usize| Value::Const(Tensor::float(vec![n], vec![0.0; n]));
        let (b, rb) = match &bias {
            Some(bias) => {
                let own = part(ctx, bias, d, vec![2 * gates * hidden])?;
                let half = |first: usize| (first * gates * hidden..(first + 1) * gates * hidden).collect::<Vec<_>>();
                let b = pick(ctx, own.clone(), vec![gates * hidden], &half(0))?;
                (b, pick(ctx, own, vec![gates * hidden], &half(1))?)
            }
            None => (zero(gates * hidden), zero(gates * hidden)),
        };
        let cell = Cell {
            node,
            hidden,
            batch,
            functions,
            clip: node.float("clip", 0.0)?,
            weights: permute(ctx, weights, &[1, 0])?,
            recurrence: permute(ctx, recurrence, &[1, 0])?,
            bias: b,
            recurrent_bias: rb,
            peepholes: match (&peepholes, kind) {
                (Some(p), Kind::Lstm) => Some(part(ctx, p, d, vec![3 * hidden])?),
                _ => None,
            },
        };
        let start = |ctx: &mut Lowering, v: &Option<Value>| -> Result<Value, OpError> {
            match v {
                Some(v) => part(ctx, v, d, vec![batch, hidden]),
                None => Ok(reshaped(zero(batch * hidden), vec![batch, hidden])),
            }
        };
        let (mut h, mut c) = (start(ctx, &h0)?, start(ctx, &c0)?);
        let mut outputs = vec![None; steps];
        for t in 0..steps {
            let t = if reverse { steps - 1 - t } else { t };
            let places: Vec<usize> = (t * batch * width..(t + 1) * batch * width).collect();
            let now = pick(ctx, x.clone(), vec![batch, width], &places)?;
            h = match kind {
                Kind::Rnn => cell.rnn(ctx, now, h)?,
                Kind::Gru => cell.gru(ctx, now, h)?,
                Kind::Lstm => {
                    let (new, state) = cell.lstm(ctx, now, h, c)?;
                    c = state;
                    new
                }
            };
            h = shared(ctx, h)?;
            outputs[t] = Some(h.clone());
        }
        all.extend(outputs.into_iter().flatten());
        last.push(h);
        cells.push(c);
    }
    // [directions, steps, batch, hidden] -> [steps, directions, batch, hidden]
    let y = gather_all(ctx, all)?;
    let y = reshaped(y, vec![directions, steps, batch, hidden]);
    let y = permute(ctx, y, if batch_first { &[2, 1, 0, 3] } else { &[1, 0, 2, 3] })?;
    let mut out = vec![y];
    for state in [last, cells] {
        let v = gather_all(ctx, state)?;
        let v = reshaped(v, vec![directions, batch, hidden]);
        out.push(if batch_first { permute(ctx, v, &[1, 0, 2])? } else { v });
    }
    if kind != Kind::Lstm {
        out.pop();
    }
    Ok(out)
}
