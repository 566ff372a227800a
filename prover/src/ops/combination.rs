//! Sums, maxima and selections over several elements of a value. Each folds constants.

use super::elementwise::{expand as broadcast, sum};
use super::movement::{gather_all, pick};
use super::primitive::{affine, difference, less, map, negative, shared, times, to_ints};
use super::reshape::reshaped;
use crate::model::error::OpError;
use crate::model::lower::Lowering;
use crate::model::program::{Act, Term};
use crate::model::tensor::{Data, Tensor, broadcast_shape, elements};
use crate::model::value::{Affine, Linear, Value};

/// The largest of each row of `[rows, K]`. What is minus infinity is left out.
pub(super) fn largest(ctx: &mut Lowering, x: Value) -> Result<Value, OpError> {
    let &[rows, count] = x.shape() else {
        return Err(OpError::Shape {
            what: "data",
            expected: "two axes".into(),
            got: x.shape().to_vec(),
        });
    };
    if let Value::Const(t) = &x {
        let data: Vec<f64> = t
            .to_floats()
            .chunks(count.max(1))
            .map(|r| r.iter().copied().fold(f64::NEG_INFINITY, f64::max))
            .collect();
        let out = Tensor::float(vec![rows], data);
        return Ok(Value::Const(match t.data {
            Data::Int(_) => to_ints(&out),
            Data::Float(_) => out,
        }));
    }
    if count == 1 {
        return Ok(reshaped(x, vec![rows]));
    }
    let mut x = ctx.affine(x)?;
    if x.offset.contains(&f64::NEG_INFINITY) {
        // An element that is left out repeats another one of its row.
        let at = |row: usize| row * count..(row + 1) * count;
        let mut indices = Vec::new();
        for row in 0..rows {
            let first = at(row).find(|&e| x.offset[e] != f64::NEG_INFINITY);
            let first = first.ok_or_else(|| OpError::Unsupported {
                what: "a maximum of nothing but minus infinity".into(),
            })?;
            indices.extend(at(row).map(|e| if x.offset[e] == f64::NEG_INFINITY { first } else { e }));
        }
        x = x.gather(vec![rows, count], &indices);
    }
    let alike = |v: &[f64]| v.iter().all(|w| w == &v[0]);
    if !alike(&x.offset) || !x.parts.iter().all(|p| alike(&p.weights)) {
        let node = ctx.node();
        x = ctx.materialise(x.into_linear(node))?;
    }
    let bias = vec![x.offset[0]];
    let terms = x.parts.into_iter().map(|part| Term {
        taps: vec![vec![(0, part.weights[0])]].into(),
        block: part.sources,
        strides: vec![count, 0, 1],
    });
    let linear = Linear {
        names: vec![ctx.node()],
        shape: vec![rows],
        channels: 1,
        dims: vec![rows, 1, count],
        terms: terms.collect(),
        bias,
        act: Some(Act::MaxPool { relu: false }),
        order: Linear::natural_order(rows),
    };
    Ok(Value::Affine(ctx.materialise(linear)?))
}

/// Weighted sums over elements of one value, which all have one scale: output `o` is the sum of `weight * x[element]`.
pub(super) fn combine(
    ctx: &mut Lowering,
    x: Value,
    taps: &[Vec<(usize, f64)>],
    shape: Vec<usize>,
) -> Result<Value, OpError> {
    if let Value::Const(t) = &x {
        let data = t.to_floats();
        let sums = taps.iter().map(|t| t.iter().map(|&(e, w)| w * data[e]).sum());
        let out = Tensor::float(shape, sums.collect());
        let whole = taps.iter().flatten().all(|t| t.1.fract() == 0.0) && matches!(t.data, Data::Int(_));
        return Ok(Value::Const(if whole { to_ints(&out) } else { out }));
    }
    let x = ctx.affine(x)?;
    if x.offset.iter().any(|o| !o.is_finite()) {
        return Err(OpError::Constant {
            name: "operand",
            problem: "holds a value that is not finite",
        });
    }
    Ok(Value::Linear(sparse(ctx, x, taps, shape)))
}

/// A linear map with one channel per output.
pub(super) fn sparse(ctx: &Lowering, x: Affine, taps: &[Vec<(usize, f64)>], shape: Vec<usize>) -> Linear {
    let bias = taps
        .iter()
        .map(|t| t.iter().map(|&(e, w)| w * x.offset[e]).sum())
        .collect();
    // Slots ascend, and each is listed once.
    let own = |part: &[f64], t: &[(usize, f64)]| {
        let mut taps: Vec<(u32, f64)> = t.iter().map(|&(e, w)| (e as u32, w * part[e])).collect();
        taps.sort_unstable_by_key(|t| t.0);
        taps.dedup_by(|later, first| {
            let same = later.0 == first.0;
            if same {
                first.1 += later.1;
            }
            same
        });
        taps
    };
    let terms = x.parts.into_iter().map(|part| Term {
        strides: vec![],
        taps: taps.iter().map(|t| own(&part.weights, t)).collect(),
        block: part.sources,
    });
    Linear {
        names: vec![ctx.node()],
        shape,
        channels: taps.len(),
        dims: vec![],
        terms: terms.collect(),
        bias,
        act: None,
        order: Linear::natural_order(taps.len()),
    }
}

/// Sums of each row of `[rows, K]`, times `weight`.
pub(super) fn total(ctx: &mut Lowering, x: Value, weight: f64) -> Result<Value, OpError> {
    let &[rows, count] = x.shape() else {
        return Err(OpError::Shape {
            what: "data",
            expected: "two axes".into(),
            got: x.shape().to_vec(),
        });
    };
    let taps: Vec<Vec<_>> = (0..rows)
        .map(|r| (r * count..(r + 1) * count).map(|e| (e, weight)).collect())
        .collect();
    combine(ctx, x, &taps, vec![rows])
}

/// `x` where `condition` is 1, `y` where it is 0; all broadcast.
pub(super) fn choose(ctx: &mut Lowering, condition: Value, x: Value, y: Value) -> Result<Value, OpError> {
    let shape = broadcast_shape(&broadcast_shape(condition.shape(), x.shape())?, y.shape())?;
    let n = elements(&shape)?;
    if let Value::Const(c) = &condition {
        let Value::Const(c) = broadcast(ctx, Value::Const(c.clone()), &shape)? else {
            return Err(OpError::NotConstant {
                name: "condition",
                input: 0,
            });
        };
        let (x, y) = (broadcast(ctx, x, &shape)?, broadcast(ctx, y, &shape)?);
        let c = c.to_floats();
        let indices: Vec<usize> = (0..n).map(|e| if c[e] != 0.0 { e } else { n + e }).collect();
        let all = gather_all(ctx, vec![x, y])?;
        return pick(ctx, all, shape, &indices);
    }
    for (side, input) in [(&x, 1), (&y, 2)] {
        if let Value::Const(t) = side
            && t.to_floats().iter().any(|v| v.is_infinite())
        {
            let _ = input;
            return Err(OpError::NotConstant {
                name: "condition",
                input: 0,
            });
        }
    }
    let y = shared(ctx, y)?;
    let d = difference(ctx, x, y.clone())?;
    let part = times(ctx, condition, d)?;
    sum(ctx, y, part)
}

/// Per index of `x` (integers in `0..count`) a row of `count` truth values, 1 at the index.
pub(super) fn one_hot(ctx: &mut Lowering, x: Value, count: usize) -> Result<Value, OpError> {
    let shape = [x.shape(), &[count]].concat();
    elements(&shape)?;
    let steps: Vec<f64> = (0..=count).map(|k| k as f64 - 0.5).collect();
    let lead = x.shape().to_vec();
    let x = shared(ctx, x)?;
    let x = reshaped(x, [&lead[..], &[1]].concat());
    // below[k] = x < k - 1/2, so x = k where below[k + 1] - below[k] = 1.
    let below = less(ctx, x, Value::Const(Tensor::float(vec![count + 1], steps)))?;
    let rows: usize = lead.iter().product();
    let taps: Vec<Vec<_>> = (0..rows * count)
        .map(|e| {
            let (row, k) = (e / count, e % count);
            let at = row * (count + 1) + k;
            vec![(at, -1.0), (at + 1, 1.0)]
        })
        .collect();
    combine(ctx, below, &taps, shape)
}

/// Indices into an axis of length `size`: the negative ones count from the end.
pub(super) fn wrapped(ctx: &mut Lowering, x: Value, size: usize) -> Result<Value, OpError> {
    if let Value::Const(t) = &x {
        return Ok(Value::Const(map(t, |v| if v < 0.0 { v + size as f64 } else { v })));
    }
    let x = shared(ctx, x)?;
    let below = negative(ctx, x.clone())?;
    let shift = affine(ctx, below, size as f64, 0.0)?;
    sum(ctx, x, shift)
}
