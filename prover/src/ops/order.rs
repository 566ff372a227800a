//! Order: which element is the largest, which are the k largest, and truth values at an index.

use super::combination::{combine, largest, one_hot, total};
use super::elementwise::sum;
use super::movement::{gather_all, pick};
use super::primitive::{affine, less, negative, not, number, shared, times, to_ints};
use super::reduce::Rows;
use super::reshape::{permute, reshaped};
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::{Tensor, axis, elements};
use crate::model::value::Value;

pub(crate) fn arg_max(ctx: &mut Lowering, node: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    arg(ctx, node, inputs, 1.0)
}

pub(crate) fn arg_min(ctx: &mut Lowering, node: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
    arg(ctx, node, inputs, -1.0)
}

fn arg(ctx: &mut Lowering, node: &Node, mut inputs: Inputs, sign: f64) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "data")?;
    let along = axis(node.int("axis", 0)?, x.shape().len())?;
    let (keep, last) = (node.flag("keepdims", true)?, node.flag("select_last_index", false)?);
    let x = affine(ctx, x, sign, 0.0)?;
    let rows = Rows::new(ctx, x, &[along])?;
    let index = winner(ctx, rows.value.clone(), last)?;
    Ok(vec![rows.reduced(index, keep)])
}

/// Per row of `[rows, K]` the index of its largest element: of several, the first (or the last).
///
/// Everything that is not the largest is less than it, which is exact; of the others the index nearest to the chosen end is a
/// maximum of integers.
pub(super) fn winner(ctx: &mut Lowering, x: Value, last: bool) -> Result<Value, OpError> {
    let &[rows, count] = x.shape() else {
        return Err(OpError::MissingInput { name: "data" });
    };
    let less = below_largest(ctx, x)?;
    // The rank k of an element that loses becomes k - K.
    let rank = |k: usize| if last { k } else { count - 1 - k } as f64;
    let ranks = Tensor::float(vec![count], (0..count).map(rank).collect());
    let loss = affine(ctx, less, -(count as f64), 0.0)?;
    let ranked = sum(ctx, loss, Value::Const(ranks))?;
    let best = largest(ctx, ranked)?;
    let best = reshaped(best, vec![rows]);
    if last {
        Ok(best)
    } else {
        affine(ctx, best, -1.0, (count - 1) as f64)
    }
}

/// 1 for what is less than the largest of its row, else 0.
fn below_largest(ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
    let &[rows, count] = x.shape() else {
        return Err(OpError::MissingInput { name: "data" });
    };
    let x = Value::Affine(ctx.operand(x)?);
    if let Value::Const(_) = x {
        return Err(OpError::Unsupported {
            what: "a constant".into(),
        });
    }
    let top = largest(ctx, x.clone())?;
    // Read from one block, the elements and their maximum have one scale, so that the difference is exact.
    let all = gather_all(ctx, vec![x, top])?;
    let taps: Vec<Vec<_>> = (0..rows * count)
        .map(|e| vec![(e, 1.0), (rows * count + e / count, -1.0)])
        .collect();
    let d = combine(ctx, all, &taps, vec![rows, count])?;
    negative(ctx, d)
}

pub(crate) fn hardmax(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "input")?;
    let rank = x.shape().len();
    let along = axis(node.int("axis", if node.opset < 13 { 1 } else { -1 })?, rank)?;
    let reduced: Vec<usize> = if node.opset < 13 {
        (along..rank).collect()
    } else {
        vec![along]
    };
    let rows = Rows::new(ctx, x, &reduced)?;
    let index = winner(ctx, rows.value.clone(), false)?;
    let hot = one_hot(ctx, index, rows.count)?;
    Ok(vec![rows.restored(ctx, hot)?])
}

/// The `k` largest (or smallest) of an axis in order, by the rank of each: how many come before it. Of equals the one with the
/// lower index comes first, so that ranks are a permutation.
pub(crate) fn top_k(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let k = match inputs.optional_constant(1, "K")? {
        Some(t) => to_ints(&t).ints("K")?.first().copied().unwrap_or(0),
        None => node.int("k", 0)?,
    };
    let rank = x.shape().len();
    let along = axis(node.int("axis", -1)?, rank)?;
    let size = x.shape()[along];
    let k = usize::try_from(k)
        .ok()
        .filter(|k| (1..=size).contains(k))
        .ok_or(OpError::Constant {
            name: "K",
            problem: "is not between 1 and the length of the axis",
        })?;
    let sign = if node.flag("largest", true)? { 1.0 } else { -1.0 };
    node.flag("sorted", true)?;
    let x = Value::Affine(ctx.operand(x)?);
    let rows = Rows::new(ctx, x, &[along])?;
    let (values, count) = (rows.value.clone(), rows.count);
    let n = values.shape()[0];
    // One comparison a pair i < j: whether element j comes before i, being greater.
    let pairs: Vec<(usize, usize)> = (0..count).flat_map(|i| (i + 1..count).map(move |j| (i, j))).collect();
    elements(&[n, pairs.len().max(1)])?;
    let taps: Vec<Vec<_>> = (0..n)
        .flat_map(|r| {
            pairs
                .iter()
                .map(move |&(i, j)| vec![(r * count + i, sign), (r * count + j, -sign)])
        })
        .collect();
    let before = match pairs.is_empty() {
        true => Value::Const(Tensor::int(vec![n, 0], vec![])),
        false => {
            let d = combine(ctx, values.clone(), &taps, vec![n, pairs.len()])?;
            negative(ctx, d)?
        }
    };
    let place = |i: usize, j: usize| i * count - i * (i + 1) / 2 + j - i - 1;
    let rank_taps: Vec<Vec<_>> = (0..n * count)
        .map(|e| {
            let (r, i) = (e / count, e % count);
            let behind = (i + 1..count).map(|j| (r * pairs.len() + place(i, j), 1.0));
            let ahead = (0..i).map(|j| (r * pairs.len() + place(j, i), -1.0));
            behind.chain(ahead).collect()
        })
        .collect();
    let ranks = combine(ctx, before, &rank_taps, vec![n, count])?;
    // An element behind another that is not less than it comes after it.
    let earlier = Tensor::float(vec![count], (0..count).map(|i| i as f64).collect());
    let ranks = sum(ctx, ranks, Value::Const(earlier))?;
    let hot = one_hot(ctx, ranks, count)?;
    // [n, count, count] -> the first k places, each a row over the elements.
    let hot = permute(ctx, hot, &[0, 2, 1])?;
    let wanted: Vec<usize> = (0..n * k * count)
        .map(|e| e / (k * count) * count * count + e % (k * count))
        .collect();
    let hot = pick(ctx, hot, vec![n, k, count], &wanted)?;
    let hot = shared(ctx, hot)?;
    let sorted = super::matmul::multiply(ctx, hot.clone(), reshaped(values, vec![n, count, 1]))?;
    let indices: Vec<Vec<_>> = (0..n * k)
        .map(|e| (0..count).map(|i| (e * count + i, i as f64)).collect())
        .collect();
    let indices = combine(ctx, hot, &indices, vec![n, k])?;
    let mut out = Vec::new();
    for value in [reshaped(sorted, vec![n, k]), indices] {
        let mut shape: Vec<usize> = rows.dropped.clone();
        shape.push(k);
        let order: Vec<usize> = (0..rank)
            .map(|a| {
                if a == along {
                    rank - 1
                } else {
                    a - usize::from(a > along)
                }
            })
            .collect();
        out.push(permute(ctx, reshaped(value, shape), &order)?);
    }
    Ok(out)
}

/// `OneHot` with constant depth: off where the index lies elsewhere.
pub(crate) fn one_hot_op(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let indices = inputs.value(0, "indices")?;
    let depth = inputs.constant(1, "depth")?;
    let depth = to_ints(&depth).ints("depth")?.first().copied().unwrap_or(0);
    let depth = usize::try_from(depth)
        .ok()
        .filter(|&d| d > 0)
        .ok_or(OpError::Constant {
            name: "depth",
            problem: "must be positive",
        })?;
    let values = inputs.value(2, "values")?;
    let rank = indices.shape().len() + 1;
    let along = axis(node.int("axis", -1)?, rank)?;
    let index = super::combination::wrapped(ctx, indices, depth)?;
    let hot = one_hot(ctx, index, depth)?;
    let mut order: Vec<usize> = (0..rank - 1).collect();
    order.insert(along, rank - 1);
    let hot = permute(ctx, hot, &order)?;
    let off = pick(ctx, values.clone(), vec![], &[0])?;
    let on = pick(ctx, values, vec![], &[1])?;
    Ok(vec![super::combination::choose(ctx, hot, on, off)?])
}

/// Of each place the value of the class that `target` names.
pub(super) fn picked_by_class(ctx: &mut Lowering, x: Value, target: Value, classes: usize) -> Result<Value, OpError> {
    // x: [N, C, D], target: [N, D]; the result has target's shape.
    let hot = one_hot(ctx, target.clone(), classes)?;
    let hot = permute(ctx, hot, &[0, 2, 1])?;
    let chosen = times(ctx, x, hot)?;
    let rows = Rows::new(ctx, chosen, &[1])?;
    let s = total(ctx, rows.value.clone(), 1.0)?;
    Ok(rows.reduced(s, false))
}

/// 1 where a constant or secret integer equals `v`.
pub(super) fn equals(ctx: &mut Lowering, x: Value, v: f64) -> Result<Value, OpError> {
    if let Value::Const(t) = &x {
        return Ok(Value::Const(super::primitive::truth(t, |x| x == v)));
    }
    let x = shared(ctx, x)?;
    let under = less(ctx, x.clone(), number(v))?;
    let over = less(ctx, number(v), x)?;
    let either = sum(ctx, under, over)?;
    not(ctx, either)
}
