//! Movement of data by constant shapes and conditions. Nothing here costs a slot.

use super::elementwise::expand as broadcast;
use super::movement::{gather_all, pick};
use super::reshape::{permute, reshaped};
use super::scatter::resolved;
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::{Data, Tensor, affine_indices, axis, broadcast_shape, elements, strides};
use crate::model::value::Value;

/// A constant list of lengths.
pub(super) fn lengths(t: &Tensor, name: &'static str) -> Result<Vec<usize>, OpError> {
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
pub(super) fn mapped(
    shape: &[usize],
    own: &[usize],
    at: impl Fn(&[usize]) -> Vec<usize>,
) -> Result<Vec<usize>, OpError> {
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
    Ok(vec![super::combination::combine(ctx, x, &taps, shape)?])
}
