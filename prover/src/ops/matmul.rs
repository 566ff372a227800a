//! Products of matrices: with a constant one they are linear maps.

use super::elementwise::{expand, sum};
use super::primitive::{times, to_ints};
use super::reshape::permute;
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::program::{Act, Term};
use crate::model::tensor::{Data, Tensor, broadcast_indices, broadcast_shape, elements};
use crate::model::value::{Affine, Linear, Value};

pub(crate) fn gemm(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let mut operand = |i, name, transpose: &str| {
        let value = inputs.value(i, name)?;
        if value.shape().len() != 2 {
            let got = value.shape().to_vec();
            return Err(OpError::Shape {
                what: name,
                expected: "two axes".into(),
                got,
            });
        }
        if node.flag(transpose, false)? {
            permute(ctx, value, &[1, 0])
        } else {
            Ok(value)
        }
    };
    let (a, b) = (operand(0, "A", "transA")?, operand(1, "B", "transB")?);
    let mut out = multiply(ctx, a, b)?;
    let number = |v: f64| Value::Const(Tensor::float(vec![], vec![v]));
    let (alpha, beta) = (node.float("alpha", 1.0)?, node.float("beta", 1.0)?);
    if alpha != 1.0 {
        out = times(ctx, out, number(alpha))?;
    }
    let Some(c) = inputs.optional(2).filter(|_| beta != 0.0) else {
        return Ok(vec![out]);
    };
    if broadcast_shape(out.shape(), c.shape())? != out.shape() {
        let expected = format!("a shape that broadcasts to {:?}", out.shape());
        return Err(OpError::Shape {
            what: "C",
            expected,
            got: c.shape().to_vec(),
        });
    }
    let c = if beta == 1.0 { c } else { times(ctx, c, number(beta))? };
    Ok(vec![sum(ctx, out, c)?])
}

pub(crate) fn matmul(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (a, b) = (inputs.value(0, "A")?, inputs.value(1, "B")?);
    Ok(vec![multiply(ctx, a, b)?])
}

/// Numpy's matrix product.
pub(super) fn multiply(ctx: &mut Lowering, a: Value, b: Value) -> Result<Value, OpError> {
    let (a_vector, b_vector) = (a.shape().len() == 1, b.shape().len() == 1);
    if a.shape().is_empty() || b.shape().is_empty() {
        return Err(OpError::Shape {
            what: "operand",
            expected: "at least one axis".into(),
            got: vec![],
        });
    }
    let a = if a_vector {
        with_shape(ctx, a, |k| vec![1, k])?
    } else {
        a
    };
    let b = if b_vector {
        with_shape(ctx, b, |k| vec![k, 1])?
    } else {
        b
    };
    let mut out = match (a, b) {
        (Value::Const(a), Value::Const(b)) => Value::Const(constants(&a, &b)?),
        (a, Value::Const(b)) => rows_times(ctx, a, &b)?,
        // A B = (B^T A^T)^T
        (Value::Const(a), b) => {
            let (a, b) = (transpose(ctx, Value::Const(a))?, transpose(ctx, b)?);
            let Value::Const(a) = a else {
                return Err(OpError::NotConstant { name: "A", input: 0 });
            };
            let out = rows_times(ctx, b, &a)?;
            transpose(ctx, out)?
        }
        (a, b) => matrices(ctx, a, b)?,
    };
    let mut shape = out.shape().to_vec();
    if b_vector {
        shape.pop();
    }
    if a_vector {
        shape.remove(shape.len() - if b_vector { 1 } else { 2 });
    }
    out = expand(ctx, out, &shape)?;
    Ok(out)
}

fn with_shape(ctx: &mut Lowering, value: Value, shape: impl Fn(usize) -> Vec<usize>) -> Result<Value, OpError> {
    let shape = shape(value.shape()[0]);
    expand(ctx, value, &shape)
}

/// Swaps the last two axes.
fn transpose(ctx: &mut Lowering, value: Value) -> Result<Value, OpError> {
    let rank = value.shape().len();
    let mut perm: Vec<usize> = (0..rank).collect();
    perm.swap(rank - 2, rank - 1);
    permute(ctx, value, &perm)
}

fn inner_error(inner: usize, got: &[usize]) -> OpError {
    OpError::Shape {
        what: "second operand",
        expected: format!("matrices of {inner} rows"),
        got: got.to_vec(),
    }
}

/// The product of matrices that both depend on the input: one slot an element of the result.
fn matrices(ctx: &mut Lowering, a: Value, b: Value) -> Result<Value, OpError> {
    let (a_lead, &[rows, inner]) = split_last_two(a.shape());
    let (b_lead, &[b_inner, columns]) = split_last_two(b.shape());
    if b_inner != inner {
        return Err(inner_error(inner, b.shape()));
    }
    let lead = broadcast_shape(a_lead, b_lead)?;
    let batch = elements(&lead)?;
    let (a, b) = (Value::Affine(ctx.operand(a)?), Value::Affine(ctx.operand(b)?));
    let a = expand(ctx, a, &[&lead[..], &[rows, inner]].concat())?;
    let b = expand(ctx, b, &[&lead[..], &[inner, columns]].concat())?;
    let operands = vec![ctx.operand(a)?, ctx.operand(b)?];
    let out = ctx.pairs(Act::MatMul { factor: 1 }, rows, vec![batch, columns], operands)?;
    // The layer has its rows outermost.
    let order: Vec<usize> = (0..batch * rows * columns)
        .map(|e| {
            let (b, i, j) = (e / (rows * columns), e / columns % rows, e % columns);
            (i * batch + b) * columns + j
        })
        .collect();
    Ok(Value::Affine(
        out.gather([&lead[..], &[rows, columns]].concat(), &order),
    ))
}

fn constants(a: &Tensor, b: &Tensor) -> Result<Tensor, OpError> {
    let (a_lead, &[rows, inner]) = split_last_two(&a.shape);
    let (b_lead, &[b_inner, columns]) = split_last_two(&b.shape);
    if b_inner != inner {
        return Err(inner_error(inner, &b.shape));
    }
    let lead = broadcast_shape(a_lead, b_lead)?;
    let shape = [&lead[..], &[rows, columns]].concat();
    let size = elements(&shape)?;
    let (x, y) = (a.to_floats(), b.to_floats());
    let (i, j) = (broadcast_indices(a_lead, &lead), broadcast_indices(b_lead, &lead));
    let at = |e: usize| {
        let (m, r, c) = (e / (rows * columns), e / columns % rows, e % columns);
        let term = |k: usize| x[(i[m] * rows + r) * inner + k] * y[(j[m] * inner + k) * columns + c];
        (0..inner).map(term).sum()
    };
    let out = Tensor::float(shape, (0..size).map(at).collect());
    Ok(match (&a.data, &b.data) {
        (Data::Int(_), Data::Int(_)) => to_ints(&out),
        _ => out,
    })
}

/// `(..., T, K) x (..., K, N)`: a one-dimensional convolution over the rows, with kernel and stride `K`.
fn rows_times(ctx: &mut Lowering, a: Value, b: &Tensor) -> Result<Value, OpError> {
    let (a_lead, &[rows, inner]) = split_last_two(a.shape());
    let (b_lead, &[b_inner, columns]) = split_last_two(&b.shape);
    if b_inner != inner {
        return Err(inner_error(inner, &b.shape));
    }
    let lead = broadcast_shape(a_lead, b_lead)?;
    let batch = elements(&lead)?;
    let a = expand(ctx, a, &[&lead[..], &[rows, inner]].concat())?;
    // One matrix for all rows, or one for each index of the leading axes.
    let own = b_lead.iter().any(|&d| d > 1);
    let (groups, rows_each) = if own { (batch, rows) } else { (1, batch * rows) };
    let b_shape = if own {
        [&lead[..], &[inner, columns]].concat()
    } else {
        vec![inner, columns]
    };
    let Value::Const(b) = expand(ctx, Value::Const(b.clone()), &b_shape)? else {
        return Err(OpError::NotConstant { name: "B", input: 1 });
    };
    elements(&[groups, columns, inner])?;
    let weights = b.floats("B")?;

    let group = rows_each * inner;
    let alike = |v: &[f64]| v.chunks(group).all(|g| g.chunks(inner).all(|row| row == &g[..inner]));
    let mut x = ctx.affine(a)?;
    if !alike(&x.offset) || !x.parts.iter().all(|p| alike(&p.weights)) {
        x = ctx.materialise(x.into_linear(ctx.node()))?;
    }
    ctx.count_macs(groups * rows_each * inner * columns);
    let channels = groups * columns;
    let at = |channel: usize, k: usize| {
        let (g, n) = (channel / columns, channel % columns);
        (g * group + k, weights[(g * inner + k) * columns + n])
    };
    let bias = (0..channels).map(|c| (0..inner).map(|k| at(c, k)).map(|(slot, w)| w * x.offset[slot]).sum());
    let bias = bias.collect();
    let Affine { parts, .. } = x;
    let terms = parts.into_iter().map(|part| {
        let taps = |c| {
            let taps = (0..inner)
                .map(|k| at(c, k))
                .map(|(slot, w)| (slot as u32, w * part.weights[slot]));
            taps.filter(|&(_, w)| w != 0.0).collect()
        };
        Term {
            taps: (0..channels).map(taps).collect(),
            block: part.sources,
            strides: vec![inner],
        }
    });
    let order = (0..groups * rows_each * columns).map(|e| {
        let (g, r, n) = (e / (rows_each * columns), e / columns % rows_each, e % columns);
        ((g * columns + n) * rows_each + r) as u32
    });
    Ok(Value::Linear(Linear {
        names: vec![ctx.node()],
        shape: [&lead[..], &[rows, columns]].concat(),
        channels,
        dims: vec![rows_each],
        terms: terms.collect(),
        bias,
        act: None,
        order: order.collect(),
    }))
}

fn split_last_two(shape: &[usize]) -> (&[usize], &[usize; 2]) {
    shape.split_last_chunk().unwrap_or((shape, &[1, 1]))
}
