//! Movement of data by constant indices, and constants made from shapes. Nothing here costs a slot.

use super::elementwise::{expand as broadcast, sum};
use super::movement::{gather_all, pick};
use super::primitive::{larger, smaller, times, to_ints};
use super::reshape::{permute, reshaped};
use crate::model::error::OpError;
use crate::model::graph::{Attribute, Node};
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::{Data, Element, Tensor, affine_indices, axis, broadcast_shape, elements, strides};
use crate::model::value::Value;

/// A constant list of lengths.
fn lengths(t: &Tensor, name: &'static str) -> Result<Vec<usize>, OpError> {
    let convert = |&d: &i64| {
        usize::try_from(d).map_err(|_| OpError::Constant {
            name,
            problem: "holds a negative length",
        })
    };
    t.ints(name)?.iter().map(convert).collect()
}

pub(crate) fn expand(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "input")?;
    let target = lengths(&inputs.constant(1, "shape")?, "shape")?;
    let shape = broadcast_shape(x.shape(), &target)?;
    Ok(vec![broadcast(ctx, x, &shape)?])
}

pub(crate) fn tile(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "input")?;
    let repeats = lengths(&inputs.constant(1, "repeats")?, "repeats")?;
    if repeats.len() != x.shape().len() {
        return Err(OpError::Constant {
            name: "repeats",
            problem: "needs one number per axis",
        });
    }
    let shape: Vec<usize> = x.shape().iter().zip(&repeats).map(|(d, r)| d * r).collect();
    let own = x.shape().to_vec();
    let places = mapped(&shape, &own, |index| {
        index.iter().zip(&own).map(|(i, d)| i % d).collect()
    })?;
    Ok(vec![pick(ctx, x, shape, &places)?])
}

/// For every index of `shape` the element of a tensor of shape `own` that `at` says, row-major.
fn mapped(shape: &[usize], own: &[usize], at: impl Fn(&[usize]) -> Vec<usize>) -> Result<Vec<usize>, OpError> {
    let n = elements(shape)?;
    let (outer, inner) = (strides(shape), strides(own));
    let mut index = vec![0; shape.len()];
    let mut out = Vec::with_capacity(n);
    for e in 0..n {
        for (i, (s, d)) in index.iter_mut().zip(outer.iter().zip(shape)) {
            *i = e / *s as usize % d;
        }
        out.push(at(&index).iter().zip(&inner).map(|(i, s)| i * *s as usize).sum());
    }
    Ok(out)
}

/// Constant indices along an axis, the negative ones counted from its end.
fn resolved(t: &Tensor, size: usize) -> Result<Vec<usize>, OpError> {
    let resolve = |&i: &i64| {
        axis(i, size).map_err(|_| OpError::Constant {
            name: "indices",
            problem: "is out of bounds",
        })
    };
    to_ints(t).ints("indices")?.iter().map(resolve).collect()
}

pub(crate) fn gather_elements(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "data")?;
    let along = axis(node.int("axis", 0)?, x.shape().len())?;
    let own = x.shape().to_vec();
    let indices = inputs.value(1, "indices")?;
    let shape = indices.shape().to_vec();
    if shape.len() != own.len() || (0..own.len()).any(|a| a != along && shape[a] > own[a]) {
        return Err(OpError::Shape {
            what: "indices",
            expected: format!("at most {own:?} but for axis {along}"),
            got: shape,
        });
    }
    let Value::Const(indices) = indices else {
        // Secret indices: each one-hot row times the line that it picks from.
        let (n, size) = (elements(&shape)?, own[along]);
        let index = super::primitive::wrapped(ctx, indices, size)?;
        let hot = super::primitive::one_hot(ctx, reshaped(index, vec![n]), size)?;
        let lines = mapped(&[&shape[..], &[size]].concat(), &own, |at| {
            let mut place = at[..own.len()].to_vec();
            place[along] = at[own.len()];
            place
        })?;
        let lines = pick(ctx, x, vec![n, size], &lines)?;
        let chosen = times(ctx, hot, lines)?;
        let out = super::primitive::total(ctx, chosen, 1.0)?;
        return Ok(vec![reshaped(out, shape)]);
    };
    let list = resolved(&indices, own[along])?;
    let steps = strides(&shape);
    let places = mapped(&shape, &own, |at| {
        let e: usize = at.iter().zip(&steps).map(|(i, s)| i * *s as usize).sum();
        let mut place = at.to_vec();
        place[along] = list[e];
        place
    })?;
    Ok(vec![pick(ctx, x, shape, &places)?])
}

/// The slices that rows of indices name: `(first element, length of a slice)` per row.
fn slices(shape: &[usize], indices: &Tensor, batch: usize) -> Result<(Vec<usize>, Vec<usize>), OpError> {
    let error = || OpError::Constant {
        name: "indices",
        problem: "does not fit the data",
    };
    let depth = *indices.shape.last().ok_or_else(error)?;
    if batch + depth > shape.len() || indices.shape.len() <= batch {
        return Err(error());
    }
    let own = strides(shape);
    let list = to_ints(indices);
    let list = list.ints("indices")?;
    let per_batch: usize = indices.shape[batch..indices.shape.len() - 1].iter().product();
    let size: usize = shape[batch..].iter().product();
    let mut out = Vec::new();
    for (row, index) in list.chunks(depth.max(1)).enumerate() {
        let mut place = row / per_batch.max(1) * size;
        for (d, &i) in index.iter().enumerate() {
            place += axis(i, shape[batch + d]).map_err(|_| error())? * own[batch + d] as usize;
        }
        out.push(place);
    }
    Ok((out, shape[batch + depth..].to_vec()))
}

pub(crate) fn gather_nd(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "data")?;
    let indices = inputs.constant(1, "indices")?;
    let batch = usize::try_from(node.int("batch_dims", 0)?).unwrap_or(0);
    let (firsts, rest) = slices(x.shape(), &indices, batch)?;
    let size: usize = rest.iter().product();
    let shape = [&indices.shape[..indices.shape.len() - 1], &rest].concat();
    let places: Vec<usize> = firsts.iter().flat_map(|&f| f..f + size).collect();
    Ok(vec![pick(ctx, x, shape, &places)?])
}

/// Joins updates with the data: in order, each with what is there.
fn scatter(ctx: &mut Lowering, node: &Node, x: Value, updates: Value, places: &[usize]) -> Result<Vec<Value>, OpError> {
    let shape = x.shape().to_vec();
    let n = elements(&shape)?;
    let reduction = node.text("reduction", "none")?.to_owned();
    // In rounds, so that no element has two updates in one.
    let mut x = x;
    let mut open: Vec<usize> = (0..places.len()).collect();
    while !open.is_empty() {
        let mut current: Vec<Option<usize>> = vec![None; n];
        let mut later = Vec::new();
        for u in open {
            match current[places[u]] {
                None => current[places[u]] = Some(u),
                // Without a reduction the last one counts.
                Some(_) if reduction == "none" => current[places[u]] = Some(u),
                Some(_) => later.push(u),
            }
        }
        let taken: Vec<usize> = (0..n).filter(|&e| current[e].is_some()).collect();
        let from: Vec<usize> = current.iter().copied().flatten().collect();
        let new = pick(ctx, updates.clone(), vec![from.len()], &from)?;
        let old = super::primitive::shared(ctx, x)?;
        let there = pick(ctx, old.clone(), vec![taken.len()], &taken)?;
        let joined = match reduction.as_str() {
            "none" => new,
            "add" => sum(ctx, there, new)?,
            "mul" => times(ctx, there, new)?,
            "max" => larger(ctx, there, new)?,
            "min" => smaller(ctx, there, new)?,
            _ => return Err(node.attribute_error("reduction", "none, add, mul, max or min")),
        };
        let all = gather_all(ctx, vec![old, joined])?;
        let mut order: Vec<usize> = (0..n).collect();
        taken.iter().enumerate().for_each(|(i, &e)| order[e] = n + i);
        x = pick(ctx, all, shape.clone(), &order)?;
        open = later;
    }
    Ok(vec![x])
}

pub(crate) fn scatter_elements(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "data")?;
    let indices = inputs.constant(1, "indices")?;
    let updates = inputs.value(2, "updates")?;
    let along = axis(node.int("axis", 0)?, x.shape().len())?;
    if indices.shape != updates.shape() || indices.shape.len() != x.shape().len() {
        return Err(OpError::Shape {
            what: "updates",
            expected: format!("{:?}", indices.shape),
            got: updates.shape().to_vec(),
        });
    }
    let list = resolved(&indices, x.shape()[along])?;
    let steps = strides(&indices.shape);
    let places = mapped(&indices.shape, x.shape(), |at| {
        let e: usize = at.iter().zip(&steps).map(|(i, s)| i * *s as usize).sum();
        let mut place = at.to_vec();
        place[along] = list[e];
        place
    })?;
    let n = elements(x.shape())?;
    if places.iter().any(|&p| p >= n) {
        return Err(OpError::Constant {
            name: "indices",
            problem: "does not fit the data",
        });
    }
    scatter(ctx, node, x, updates, &places)
}

pub(crate) fn scatter_nd(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "data")?;
    let indices = inputs.constant(1, "indices")?;
    let updates = inputs.value(2, "updates")?;
    let (firsts, rest) = slices(x.shape(), &indices, 0)?;
    let size: usize = rest.iter().product();
    let places: Vec<usize> = firsts.iter().flat_map(|&f| f..f + size).collect();
    if elements(updates.shape())? != places.len() {
        return Err(OpError::Shape {
            what: "updates",
            expected: format!("{} elements", places.len()),
            got: updates.shape().to_vec(),
        });
    }
    scatter(ctx, node, x, updates, &places)
}

pub(crate) fn trilu(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "input")?;
    let k = inputs.optional_constant(1, "k")?;
    let k = k.map_or(0, |t| t.to_floats().first().map_or(0, |&v| v as i64));
    let upper = node.flag("upper", true)?;
    let shape = x.shape().to_vec();
    let &[.., rows, columns] = &shape[..] else {
        return Err(OpError::Shape {
            what: "input",
            expected: "at least two axes".into(),
            got: shape,
        });
    };
    let n = elements(&shape)?;
    let zero = Value::Const(match &x {
        Value::Const(t) if matches!(t.data, Data::Int(_)) => Tensor::int(vec![1], vec![0]),
        _ => Tensor::float(vec![1], vec![0.0]),
    });
    let all = gather_all(ctx, vec![x, zero])?;
    let kept = |e: usize| {
        let (i, j) = ((e / columns % rows) as i64, (e % columns) as i64);
        if upper {
            j >= i.saturating_add(k)
        } else {
            j <= i.saturating_add(k)
        }
    };
    let places: Vec<usize> = (0..n).map(|e| if kept(e) { e } else { n }).collect();
    Ok(vec![pick(ctx, all, shape, &places)?])
}

pub(crate) fn range(_: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let parts = [
        inputs.constant(0, "start")?,
        inputs.constant(1, "limit")?,
        inputs.constant(2, "delta")?,
    ];
    let one = |t: &Tensor| {
        t.to_floats()
            .first()
            .copied()
            .filter(|v| v.is_finite())
            .ok_or(OpError::Constant {
                name: "start",
                problem: "must be a single number",
            })
    };
    let (start, limit, delta) = (one(&parts[0])?, one(&parts[1])?, one(&parts[2])?);
    let count = ((limit - start) / delta).ceil().max(0.0);
    if !count.is_finite() {
        return Err(OpError::Constant {
            name: "delta",
            problem: "must not be zero",
        });
    }
    let n = elements(&[count as usize])?;
    let values = Tensor::float(vec![n], (0..n).map(|i| start + i as f64 * delta).collect());
    let whole = parts.iter().all(|t| matches!(t.data, Data::Int(_)));
    Ok(vec![Value::Const(if whole { to_ints(&values) } else { values })])
}

pub(crate) fn constant_of_shape(_: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let shape = lengths(&inputs.constant(0, "input")?, "input")?;
    let n = elements(&shape)?;
    Ok(vec![Value::Const(match node.attributes.get("value") {
        Some(Attribute::Tensor(t, _)) if t.len() == 1 => t.gather(shape, &vec![0; n]),
        None => Tensor::float(shape, vec![0.0; n]),
        Some(_) => return Err(node.attribute_error("value", "a tensor of one element")),
    })])
}

/// The type of the tensor in the attribute `value`; floats where there is none.
pub(crate) fn value_type(node: &Node, _: &Lowering) -> Element {
    match node.attributes.iter().find(|(name, _)| name.starts_with("value")) {
        Some((_, Attribute::Tensor(_, element))) => *element,
        Some((_, Attribute::Int(_) | Attribute::Ints(_))) => Element::Int64,
        _ => Element::Float,
    }
}

pub(crate) fn eye_like(_: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    // Of its input it takes the shape alone.
    let shape = lengths(&inputs.constant(0, "input")?, "input")?;
    let k = node.int("k", 0)?;
    let &[_, columns] = &shape[..] else {
        return Err(OpError::Shape {
            what: "input",
            expected: "two axes".into(),
            got: shape,
        });
    };
    let n = elements(&shape)?;
    let at = |e: usize| f64::from(u8::from((e % columns) as i64 == (e / columns) as i64 + k));
    Ok(vec![Value::Const(Tensor::float(shape, (0..n).map(at).collect()))])
}

/// The type that the attribute `dtype` names; else that of the input.
pub(crate) fn dtype(node: &Node, ctx: &Lowering) -> Element {
    let stated = node.int("dtype", 0).unwrap_or(0);
    i32::try_from(stated)
        .ok()
        .and_then(Element::from_onnx)
        .unwrap_or_else(|| ctx.element(0))
}

pub(crate) fn compress(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "input")?;
    let condition = inputs.constant(1, "condition")?.to_floats();
    let n = elements(x.shape())?;
    let (x, along) = match node.attributes.contains_key("axis") {
        true => {
            let along = axis(node.int("axis", 0)?, x.shape().len())?;
            (x, along)
        }
        false => (reshaped(x, vec![n]), 0),
    };
    let own = x.shape().to_vec();
    let kept: Vec<usize> = (0..own[along])
        .filter(|&i| condition.get(i).is_some_and(|&c| c != 0.0))
        .collect();
    let mut shape = own.clone();
    shape[along] = kept.len();
    let places = mapped(&shape, &own, |at| {
        let mut place = at.to_vec();
        place[along] = kept[at[along]];
        place
    })?;
    Ok(vec![pick(ctx, x, shape, &places)?])
}

/// Splits axes, permutes them, and joins them again.
fn blocks(
    ctx: &mut Lowering,
    x: Value,
    split: &[usize],
    perm: &[usize],
    joined: Vec<usize>,
) -> Result<Vec<Value>, OpError> {
    let x = permute(ctx, reshaped(x, split.to_vec()), perm)?;
    Ok(vec![reshaped(x, joined)])
}

/// `[N, C, H, W]` and the block's size.
fn image_blocks(node: &Node, x: &Value) -> Result<([usize; 4], usize), OpError> {
    let size = usize::try_from(node.int("blocksize", 0)?).ok().filter(|&b| b > 0);
    let size = size.ok_or_else(|| node.attribute_error("blocksize", "a positive integer"))?;
    match x.shape() {
        &[n, c, h, w] => Ok(([n, c, h, w], size)),
        other => Err(OpError::Shape {
            what: "input",
            expected: "four axes".into(),
            got: other.to_vec(),
        }),
    }
}

pub(crate) fn depth_to_space(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "input")?;
    let ([n, c, h, w], b) = image_blocks(node, &x)?;
    if c % (b * b) != 0 {
        return Err(node.attribute_error("blocksize", format!("a number whose square divides {c} channels")));
    }
    let d = c / (b * b);
    let joined = vec![n, d, h * b, w * b];
    match node.text("mode", "DCR")? {
        "DCR" => blocks(ctx, x, &[n, b, b, d, h, w], &[0, 3, 4, 1, 5, 2], joined),
        "CRD" => blocks(ctx, x, &[n, d, b, b, h, w], &[0, 1, 4, 2, 5, 3], joined),
        _ => Err(node.attribute_error("mode", "DCR or CRD")),
    }
}

pub(crate) fn space_to_depth(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "input")?;
    let ([n, c, h, w], b) = image_blocks(node, &x)?;
    if h % b != 0 || w % b != 0 {
        return Err(node.attribute_error("blocksize", format!("a divisor of {h} and {w}")));
    }
    let joined = vec![n, c * b * b, h / b, w / b];
    match node.text("mode", "DCR")? {
        "DCR" => blocks(ctx, x, &[n, c, h / b, b, w / b, b], &[0, 3, 5, 1, 2, 4], joined),
        "CRD" => blocks(ctx, x, &[n, c, h / b, b, w / b, b], &[0, 1, 3, 5, 2, 4], joined),
        _ => Err(node.attribute_error("mode", "DCR or CRD")),
    }
}

pub(crate) fn reverse_sequence(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "input")?;
    let given = lengths(&inputs.constant(1, "sequence_lens")?, "sequence_lens")?;
    let rank = x.shape().len();
    let (batch, time) = (
        axis(node.int("batch_axis", 1)?, rank)?,
        axis(node.int("time_axis", 0)?, rank)?,
    );
    let own = x.shape().to_vec();
    if given.len() != own[batch] || given.iter().any(|&l| l > own[time]) {
        return Err(OpError::Constant {
            name: "sequence_lens",
            problem: "does not fit the input",
        });
    }
    let places = mapped(&own, &own, |at| {
        let mut place = at.to_vec();
        let length = given[at[batch]];
        if at[time] < length {
            place[time] = length - 1 - at[time];
        }
        place
    })?;
    Ok(vec![pick(ctx, x, own, &places)?])
}

pub(crate) fn center_crop_pad(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "input_data")?;
    let target = lengths(&inputs.constant(1, "shape")?, "shape")?;
    let own = x.shape().to_vec();
    let axes = match node.ints("axes")? {
        Some(list) => list
            .iter()
            .map(|&a| axis(a, own.len()))
            .collect::<Result<Vec<_>, _>>()?,
        None => (0..own.len()).collect(),
    };
    if axes.len() != target.len() {
        return Err(OpError::Constant {
            name: "shape",
            problem: "needs one length per axis",
        });
    }
    let mut shape = own.clone();
    axes.iter().zip(&target).for_each(|(&a, &d)| shape[a] = d);
    // Where index `i` of an axis lies in the input, unless it is padding.
    let place = |a: usize, i: usize| -> Option<usize> {
        match shape[a] >= own[a] {
            true => i.checked_sub((shape[a] - own[a]) / 2).filter(|&i| i < own[a]),
            false => Some(i + (own[a] - shape[a]) / 2),
        }
    };
    let inside = mapped(&shape, &[2], |at| {
        vec![usize::from((0..at.len()).all(|a| place(a, at[a]).is_some()))]
    })?;
    let places = mapped(&shape, &own, |at| {
        (0..at.len()).map(|a| place(a, at[a]).unwrap_or(0)).collect()
    })?;
    let n = elements(&own)?;
    let zero = Value::Const(Tensor::float(vec![1], vec![0.0]));
    let all = gather_all(ctx, vec![x, zero])?;
    let places: Vec<usize> = places
        .iter()
        .zip(&inside)
        .map(|(&p, &i)| if i == 1 { p } else { n })
        .collect();
    Ok(vec![pick(ctx, all, shape, &places)?])
}

/// `ArrayFeatureExtractor` of ai.onnx.ml: elements of the last axis.
pub(crate) fn features(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let picked = inputs.constant(1, "Y")?;
    let own = x.shape().to_vec();
    let size = own.last().copied().unwrap_or(1);
    let list = resolved(&picked, size)?;
    let rows: usize = own.iter().rev().skip(1).product();
    let places: Vec<usize> = (0..rows)
        .flat_map(|r| list.iter().map(move |&i| r * size + i))
        .collect();
    Ok(vec![pick(ctx, x, vec![rows, list.len()], &places)?])
}

/// Windows of signal processing: `sum of c_k cos(2 pi k i / n)`.
fn window(node: &Node, inputs: &mut Inputs, coefficients: &[f64]) -> Result<Vec<Value>, OpError> {
    let size = inputs.constant(0, "size")?;
    let n = size.to_floats().first().map_or(0, |&v| v as usize);
    elements(&[n])?;
    let periodic = node.flag("periodic", true)?;
    let period = if periodic { n } else { n.saturating_sub(1).max(1) } as f64;
    let at = |i: usize| -> f64 {
        let angle = std::f64::consts::TAU * i as f64 / period;
        coefficients
            .iter()
            .enumerate()
            .map(|(k, c)| c * (k as f64 * angle).cos())
            .sum()
    };
    Ok(vec![Value::Const(Tensor::float(vec![n], (0..n).map(at).collect()))])
}

pub(crate) fn hann(_: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    window(node, &mut inputs, &[0.5, -0.5])
}

pub(crate) fn hamming(_: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    window(node, &mut inputs, &[25.0 / 46.0, -21.0 / 46.0])
}

pub(crate) fn blackman(_: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    window(node, &mut inputs, &[0.42, -0.5, 0.08])
}

/// The type that `output_datatype` names.
pub(crate) fn output_datatype(node: &Node, _: &Lowering) -> Element {
    let stated = node.int("output_datatype", 1).unwrap_or(1);
    i32::try_from(stated)
        .ok()
        .and_then(Element::from_onnx)
        .unwrap_or(Element::Float)
}

/// A matrix of constants that maps an image's columns back: `Col2Im` adds overlapping blocks.
pub(crate) fn col2im(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "input")?;
    let image = lengths(&inputs.constant(1, "image_shape")?, "image_shape")?;
    let kernel = lengths(&inputs.constant(2, "block_shape")?, "block_shape")?;
    let axes = super::window::axes(node, &image, &kernel)?;
    let counts: Vec<usize> = axes.iter().map(|a| a.out).collect();
    let (blocks, area): (usize, usize) = (counts.iter().product(), kernel.iter().product());
    let &[n, rows, columns] = x.shape() else {
        return Err(OpError::Shape {
            what: "input",
            expected: "three axes".into(),
            got: x.shape().to_vec(),
        });
    };
    if rows % area.max(1) != 0 || columns != blocks {
        return Err(OpError::Shape {
            what: "input",
            expected: format!("[{n}, a multiple of {area}, {blocks}]"),
            got: x.shape().to_vec(),
        });
    }
    let (channels, size) = (rows / area, image.iter().product::<usize>());
    let mut taps: Vec<Vec<(usize, f64)>> = vec![vec![]; n * channels * size];
    let (inner, outer) = (
        affine_indices(&kernel, 0, &strides(&kernel)),
        affine_indices(&counts, 0, &strides(&counts)),
    );
    let digit = |e: usize, shape: &[usize], d: usize| e / strides(shape)[d] as usize % shape[d];
    for &k in &inner {
        for &p in &outer {
            let at: Option<Vec<usize>> = axes
                .iter()
                .enumerate()
                .map(|(d, a)| a.at(digit(p, &counts, d), digit(k, &kernel, d)))
                .collect();
            let Some(at) = at else { continue };
            let pixel: usize = at.iter().zip(strides(&image)).map(|(i, s)| i * s as usize).sum();
            for c in 0..n * channels {
                taps[c * size + pixel].push(((c * area + k) * columns + p, 1.0));
            }
        }
    }
    let shape = [&[n, channels], &image[..]].concat();
    Ok(vec![super::primitive::combine(ctx, x, &taps, shape)?])
}
