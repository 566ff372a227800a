//! Reductions over axes: sums are linear maps, maxima windows, products chains of products.

use super::combination::{combine, largest, total};
use super::elementwise::sum;
use super::movement::pick;
use super::primitive::{
    absolute, affine, curve, difference, negative, not, quotient, root, shared, square, times, to_ints,
};
use super::reshape::{permute, reshaped};
use crate::model::curve::Curve;
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::{Tensor, axis};
use crate::model::value::Value;

pub(crate) const ATTRIBUTES: &[&str] = &["axes", "keepdims", "noop_with_empty_axes"];

/// A value as rows along the axes that are reduced.
pub(super) struct Rows {
    /// `[rows, K]`
    pub(super) value: Value,
    /// Number of elements of a row.
    pub(super) count: usize,
    /// Shape with the reduced axes of length 1.
    kept: Vec<usize>,
    /// Shape without them.
    pub(super) dropped: Vec<usize>,
    shape: Vec<usize>,
    /// The axes, kept ones first.
    order: Vec<usize>,
}

impl Rows {
    pub(super) fn new(ctx: &mut Lowering, x: Value, reduced: &[usize]) -> Result<Self, OpError> {
        let shape = x.shape().to_vec();
        let keeps: Vec<usize> = (0..shape.len()).filter(|a| !reduced.contains(a)).collect();
        let last: Vec<usize> = (0..shape.len()).filter(|a| reduced.contains(a)).collect();
        let count: usize = last.iter().map(|&a| shape[a]).product();
        let dropped: Vec<usize> = keeps.iter().map(|&a| shape[a]).collect();
        let order = [keeps, last].concat();
        let rows = dropped.iter().product();
        let x = permute(ctx, x, &order)?;
        let kept = shape.iter().enumerate();
        Ok(Self {
            value: reshaped(x, vec![rows, count]),
            count,
            kept: kept.map(|(a, &d)| if reduced.contains(&a) { 1 } else { d }).collect(),
            dropped,
            shape,
            order,
        })
    }

    /// One value per row in the shape of the result.
    pub(super) fn reduced(&self, value: Value, keep: bool) -> Value {
        reshaped(value, if keep { &self.kept } else { &self.dropped }.clone())
    }

    /// Values laid out as the rows are, back in the shape of the tensor.
    pub(super) fn restored(&self, ctx: &mut Lowering, value: Value) -> Result<Value, OpError> {
        let shape = self.order.iter().map(|&a| self.shape[a]).collect();
        let mut back = vec![0; self.order.len()];
        self.order.iter().enumerate().for_each(|(i, &a)| back[a] = i);
        permute(ctx, reshaped(value, shape), &back)
    }
}

/// The axes of a reduction; `None` where nothing is reduced.
fn axes(node: &Node, inputs: &mut Inputs, rank: usize) -> Result<Option<Vec<usize>>, OpError> {
    let listed = match inputs.optional_constant(1, "axes")? {
        Some(t) => to_ints(&t).ints("axes")?.to_vec(),
        None => node.ints("axes")?.unwrap_or_default().to_vec(),
    };
    match listed.is_empty() {
        false => Ok(Some(listed.iter().map(|&a| axis(a, rank)).collect::<Result<_, _>>()?)),
        true if node.flag("noop_with_empty_axes", false)? => Ok(None),
        true => Ok(Some((0..rank).collect())),
    }
}

/// A reduction: `before` on every element, `rows` on the rows, `after` on every result.
fn reduce(
    ctx: &mut Lowering,
    node: &Node,
    mut inputs: Inputs,
    before: impl Fn(&mut Lowering, Value) -> Result<Value, OpError>,
    rows: impl Fn(&mut Lowering, Value) -> Result<Value, OpError>,
    after: impl Fn(&mut Lowering, Value) -> Result<Value, OpError>,
) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "data")?;
    let reduced = axes(node, &mut inputs, x.shape().len())?;
    let keep = node.flag("keepdims", true)?;
    let x = before(ctx, x)?;
    let Some(reduced) = reduced else {
        return Ok(vec![after(ctx, x)?]);
    };
    let all = Rows::new(ctx, x, &reduced)?;
    let out = rows(ctx, all.value.clone())?;
    let out = after(ctx, out)?;
    Ok(vec![all.reduced(out, keep)])
}

fn same(_: &mut Lowering, x: Value) -> Result<Value, OpError> {
    Ok(x)
}

fn sum_rows(ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
    total(ctx, x, 1.0)
}

fn log(ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
    curve(ctx, x, Curve::Log)
}

pub(crate) fn reduce_sum(ctx: &mut Lowering, node: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    reduce(ctx, node, inputs, same, sum_rows, same)
}

pub(crate) fn reduce_mean(ctx: &mut Lowering, node: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let mean = |ctx: &mut Lowering, x: Value| {
        let weight = 1.0 / x.shape()[1] as f64;
        total(ctx, x, weight)
    };
    reduce(ctx, node, inputs, same, mean, same)
}

pub(crate) fn reduce_l1(ctx: &mut Lowering, node: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    reduce(ctx, node, inputs, absolute, sum_rows, same)
}

pub(crate) fn reduce_l2(ctx: &mut Lowering, node: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    reduce(ctx, node, inputs, square, sum_rows, root)
}

pub(crate) fn reduce_sum_square(ctx: &mut Lowering, node: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    reduce(ctx, node, inputs, square, sum_rows, same)
}

pub(crate) fn reduce_log_sum(ctx: &mut Lowering, node: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    reduce(ctx, node, inputs, same, sum_rows, log)
}

/// The logarithm of a sum of exponentials, relative to the largest.
pub(crate) fn reduce_log_sum_exp(ctx: &mut Lowering, node: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let rows = |ctx: &mut Lowering, x: Value| {
        let x = shared(ctx, x)?;
        let top = largest(ctx, x.clone())?;
        let below = difference(ctx, x, reshaped(top.clone(), vec![top.shape()[0], 1]))?;
        let e = curve(ctx, below, Curve::Exp)?;
        let s = total(ctx, e, 1.0)?;
        let l = log(ctx, s)?;
        sum(ctx, top, l)
    };
    reduce(ctx, node, inputs, same, rows, same)
}

pub(crate) fn reduce_max(ctx: &mut Lowering, node: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    reduce(ctx, node, inputs, same, largest, same)
}

pub(crate) fn reduce_min(ctx: &mut Lowering, node: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let opposite = |ctx: &mut Lowering, x: Value| affine(ctx, x, -1.0, 0.0);
    reduce(ctx, node, inputs, opposite, largest, opposite)
}

pub(crate) fn reduce_prod(ctx: &mut Lowering, node: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let rows = |ctx: &mut Lowering, x: Value| {
        let &[rows, mut count] = x.shape() else {
            return Err(OpError::MissingInput { name: "data" });
        };
        let mut x = x;
        // Halves of each row by each other, an odd one left over.
        while count > 1 {
            let half = count / 2;
            let at = |first: usize, n: usize| -> Vec<usize> {
                (0..rows * n).map(|e| e / n * count + first + e % n).collect()
            };
            x = shared(ctx, x)?;
            let a = pick(ctx, x.clone(), vec![rows, half], &at(0, half))?;
            let b = pick(ctx, x.clone(), vec![rows, half], &at(half, half))?;
            let mut y = times(ctx, a, b)?;
            if count % 2 == 1 {
                let rest = pick(ctx, x, vec![rows, 1], &at(count - 1, 1))?;
                let all = super::movement::gather_all(ctx, vec![y, rest])?;
                let places: Vec<usize> = (0..rows * (half + 1))
                    .map(|e| {
                        let (r, i) = (e / (half + 1), e % (half + 1));
                        if i < half { r * half + i } else { rows * half + r }
                    })
                    .collect();
                y = pick(ctx, all, vec![rows, half + 1], &places)?;
            }
            x = y;
            count = half + count % 2;
        }
        Ok(reshaped(x, vec![rows]))
    };
    reduce(ctx, node, inputs, same, rows, same)
}

/// Running sums or products along an axis: `rows` computes those of each row of `[rows, K]`, up to each element or before it.
fn cumulate(
    ctx: &mut Lowering,
    node: &Node,
    mut inputs: Inputs,
    rows: impl Fn(&mut Lowering, Value, bool) -> Result<Value, OpError>,
) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "x")?;
    let along = inputs.constant(1, "axis")?;
    let along = to_ints(&along).ints("axis")?.first().copied().unwrap_or(0);
    let along = axis(along, x.shape().len())?;
    let (exclusive, reverse) = (node.flag("exclusive", false)?, node.flag("reverse", false)?);
    let all = Rows::new(ctx, x, &[along])?;
    let (n, count) = (all.value.shape()[0], all.count);
    let flip: Vec<usize> = (0..n * count)
        .map(|e| e / count * count + count - 1 - e % count)
        .collect();
    let mut x = shared(ctx, all.value.clone())?;
    if reverse {
        x = pick(ctx, x, vec![n, count], &flip)?;
    }
    let mut y = rows(ctx, x, exclusive)?;
    if reverse {
        y = pick(ctx, y, vec![n, count], &flip)?;
    }
    Ok(vec![all.restored(ctx, y)?])
}

pub(crate) fn cum_sum(ctx: &mut Lowering, node: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    cumulate(ctx, node, inputs, |ctx, x, exclusive| {
        let (n, count) = (x.shape()[0], x.shape()[1]);
        let taps: Vec<Vec<_>> = (0..n * count)
            .map(|e| {
                (e / count * count..e + usize::from(!exclusive))
                    .map(|i| (i, 1.0))
                    .collect()
            })
            .collect();
        combine(ctx, x, &taps, vec![n, count])
    })
}

pub(crate) fn cum_prod(ctx: &mut Lowering, node: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    cumulate(ctx, node, inputs, |ctx, x, exclusive| {
        let (n, count) = (x.shape()[0], x.shape()[1]);
        let column = |ctx: &mut Lowering, i: usize| {
            let at: Vec<usize> = (0..n).map(|r| r * count + i).collect();
            pick(ctx, x.clone(), vec![n], &at)
        };
        let mut columns = vec![column(ctx, 0)?];
        for i in 1..count - usize::from(exclusive && count > 1) {
            let (so_far, next) = (columns[i - 1].clone(), column(ctx, i)?);
            columns.push(times(ctx, so_far, next)?);
        }
        if exclusive {
            columns.insert(0, Value::Const(Tensor::float(vec![n], vec![1.0; n])));
            columns.truncate(count);
        }
        let all = super::movement::gather_all(ctx, columns)?;
        let order: Vec<usize> = (0..n * count).map(|e| e % count * n + e / count).collect();
        pick(ctx, all, vec![n, count], &order)
    })
}

/// Each row over its norm.
pub(crate) fn lp_normalization(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "input")?;
    let along = axis(node.int("axis", -1)?, x.shape().len())?;
    let kind = match node.int("p", 2)? {
        1 => "L1",
        2 => "L2",
        _ => return Err(node.attribute_error("p", "1 or 2")),
    };
    normalized(ctx, x, along, kind)
}

/// `normalizer` of ai.onnx.ml.
pub(crate) fn normalizer(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let along = x.shape().len().saturating_sub(1);
    let kind = node.text("norm", "MAX")?.to_owned();
    normalized(ctx, x, along, &kind)
}

fn normalized(ctx: &mut Lowering, x: Value, along: usize, kind: &str) -> Result<Vec<Value>, OpError> {
    let rows = Rows::new(ctx, x, &[along])?;
    let x = shared(ctx, rows.value.clone())?;
    let n = x.shape()[0];
    let norm = match kind {
        "L1" => {
            let size = absolute(ctx, x.clone())?;
            total(ctx, size, 1.0)?
        }
        "L2" => {
            let squares = square(ctx, x.clone())?;
            let s = total(ctx, squares, 1.0)?;
            root(ctx, s)?
        }
        "MAX" => {
            let size = absolute(ctx, x.clone())?;
            largest(ctx, size)?
        }
        other => {
            return Err(OpError::Unsupported {
                what: format!("the norm {other}"),
            });
        }
    };
    // A row of zeros stays one: it is divided by 1.
    let norm = shared(ctx, norm)?;
    let opposite = affine(ctx, norm.clone(), -1.0, 0.0)?;
    let some = negative(ctx, opposite)?;
    let none = not(ctx, some)?;
    let divisor = sum(ctx, norm, none)?;
    let y = quotient(ctx, x, reshaped(divisor, vec![n, 1]))?;
    Ok(vec![rows.restored(ctx, y)?])
}

/// `(x - mean) / standard deviation` over some axes.
pub(crate) fn mean_variance(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let rank = x.shape().len();
    let listed = node.ints("axes")?.unwrap_or(&[0, 2, 3]);
    let reduced = listed.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
    let rows = Rows::new(ctx, x, &reduced)?;
    let (y, _, _) = super::norm::standardized(ctx, rows.value.clone(), 1e-9, true)?;
    Ok(vec![rows.restored(ctx, y)?])
}
