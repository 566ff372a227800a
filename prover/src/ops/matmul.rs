//! Products with a constant matrix.

use super::elementwise::{expand, product, sum};
use super::reshape::permute;
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::program::Term;
use crate::model::tensor::{Tensor, broadcast_shape, elements};
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
        out = product(ctx, out, number(alpha))?;
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
    let c = if beta == 1.0 { c } else { product(ctx, c, number(beta))? };
    Ok(vec![sum(ctx, out, c)?])
}

pub(crate) fn matmul(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (a, b) = (inputs.value(0, "A")?, inputs.value(1, "B")?);
    Ok(vec![multiply(ctx, a, b)?])
}

/// Numpy's matrix product; one operand must be a constant.
fn multiply(ctx: &mut Lowering, a: Value, b: Value) -> Result<Value, OpError> {
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
        (Value::Const(_), Value::Const(_)) => {
            return Err(OpError::Unsupported {
                what: "both operands are constants; fold them before export".into(),
            });
        }
        (a, Value::Const(b)) => rows_times(ctx, a, &b)?,
        // A B = (B^T A^T)^T
        (Value::Const(a), b) => {
            let (a, b) = (transpose(ctx, Value::Const(a))?, transpose(ctx, b)?);
            let Value::Const(a) = a else {
                return Err(OpError::NotConstant { name: "A" });
            };
            let out = rows_times(ctx, b, &a)?;
            transpose(ctx, out)?
        }
        _ => {
            return Err(OpError::Unsupported {
                what: "a product of two matrices that both depend on the input; one must be a constant".into(),
            });
        }
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

/// `(..., T, K) x (..., K, N)`: a one-dimensional convolution over the rows, with kernel and stride `K`.
fn rows_times(ctx: &mut Lowering, a: Value, b: &Tensor) -> Result<Value, OpError> {
    let (a_lead, &[rows, inner]) = split_last_two(a.shape());
    let (b_lead, &[b_inner, columns]) = split_last_two(&b.shape);
    if b_inner != inner {
        let expected = format!("matrices of {inner} rows");
        return Err(OpError::Shape {
            what: "second operand",
            expected,
            got: b.shape.clone(),
        });
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
        return Err(OpError::NotConstant { name: "B" });
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
