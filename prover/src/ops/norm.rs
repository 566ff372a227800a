//! Normalisations: with fixed statistics a scale and an offset per channel; otherwise a mean, a product and an inverse root a row.

use super::combination::{combine, total};
use super::elementwise::sum;
use super::movement::pick;
use super::primitive::{affine, curve, difference, inverse_root, number, shared, square, times};
use super::reduce::Rows;
use super::reshape::reshaped;
use crate::model::curve::Curve;
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::{axis, elements};
use crate::model::value::Value;

pub(crate) const BATCH_ATTRIBUTES: &[&str] = &["epsilon", "momentum", "training_mode", "is_test", "spatial"];

pub(crate) fn batch(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    if node.flag("training_mode", false)? {
        return Err(node.attribute_error("training_mode", "0"));
    }
    if !node.flag("spatial", true)? {
        return Err(node.attribute_error("spatial", "1"));
    }
    let epsilon = node.float("epsilon", f64::from(1e-5f32))?;
    let x = inputs.value(0, "X")?;
    let &[_, channels, ..] = x.shape() else {
        return Err(OpError::Shape {
            what: "X",
            expected: "at least two axes".into(),
            got: x.shape().to_vec(),
        });
    };
    let mut shape = vec![channels];
    shape.resize(x.shape().len() - 1, 1);
    let mut parameter = |i, name| {
        let v = inputs.value(i, name)?;
        match v.shape() == [channels] {
            true => Ok(reshaped(v, shape.clone())),
            false => Err(OpError::Shape {
                what: name,
                expected: format!("[{channels}]"),
                got: v.shape().to_vec(),
            }),
        }
    };
    let (gamma, beta) = (parameter(1, "scale")?, parameter(2, "B")?);
    let (mean, variance) = (parameter(3, "mean")?, parameter(4, "var")?);
    if let Value::Const(t) = &variance
        && t.floats("var")?.iter().any(|v| v + epsilon <= 0.0)
    {
        return Err(OpError::Constant {
            name: "var",
            problem: "is negative or zero",
        });
    }
    let variance = affine(ctx, variance, 1.0, epsilon)?;
    let inverse = inverse_root(ctx, variance)?;
    let factor = times(ctx, gamma, inverse)?;
    let shift = times(ctx, mean, factor.clone())?;
    let offset = difference(ctx, beta, shift)?;
    let scaled = times(ctx, x, factor)?;
    Ok(vec![sum(ctx, scaled, offset)?])
}

/// Rows `[n, K]` less their mean, times one over the root of their variance: with the means and the inverse roots, `[n]` each.
pub(super) fn standardized(
    ctx: &mut Lowering,
    x: Value,
    epsilon: f64,
    centred: bool,
) -> Result<(Value, Value, Value), OpError> {
    let &[n, count] = x.shape() else {
        return Err(OpError::MissingInput { name: "X" });
    };
    let x = shared(ctx, x)?;
    let (mean, x) = match centred {
        false => (number(0.0), x),
        true => {
            let mean = total(ctx, x.clone(), 1.0 / count as f64)?;
            let mean = shared(ctx, mean)?;
            let d = difference(ctx, x, reshaped(mean.clone(), vec![n, 1]))?;
            (mean, shared(ctx, d)?)
        }
    };
    let squares = square(ctx, x.clone())?;
    let variance = total(ctx, squares, 1.0 / count as f64)?;
    let variance = affine(ctx, variance, 1.0, epsilon)?;
    let inverse = inverse_root(ctx, variance)?;
    let y = times(ctx, x, reshaped(inverse.clone(), vec![n, 1]))?;
    Ok((y, mean, inverse))
}

/// The axes from `first` on.
fn trailing(node: &Node, rank: usize) -> Result<Vec<usize>, OpError> {
    Ok((axis(node.int("axis", -1)?, rank)?..rank).collect())
}

pub(crate) fn layer(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    node.int("stash_type", 1)?;
    let (x, scale) = (inputs.value(0, "X")?, inputs.value(1, "Scale")?);
    let epsilon = node.float("epsilon", f64::from(1e-5f32))?;
    let rows = Rows::new(ctx, x.clone(), &trailing(node, x.shape().len())?)?;
    let (y, mean, inverse) = standardized(ctx, rows.value.clone(), epsilon, true)?;
    let y = rows.restored(ctx, y)?;
    let mut y = times(ctx, y, scale)?;
    if let Some(bias) = inputs.optional(2) {
        y = sum(ctx, y, bias)?;
    }
    Ok(vec![y, rows.reduced(mean, true), rows.reduced(inverse, true)])
}

pub(crate) fn rms(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    node.int("stash_type", 1)?;
    let (x, scale) = (inputs.value(0, "X")?, inputs.value(1, "scale")?);
    let epsilon = node.float("epsilon", f64::from(1e-5f32))?;
    let rows = Rows::new(ctx, x.clone(), &trailing(node, x.shape().len())?)?;
    let (y, _, _) = standardized(ctx, rows.value.clone(), epsilon, false)?;
    let y = rows.restored(ctx, y)?;
    Ok(vec![times(ctx, y, scale)?])
}

/// Standardised over the spatial axes of each channel.
pub(crate) fn instance(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "input")?;
    let groups = x.shape().get(1).copied().unwrap_or(1);
    grouped(ctx, node, x, groups, &mut inputs)
}

/// Standardised over each group of channels.
pub(crate) fn group(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    node.int("stash_type", 1)?;
    let x = inputs.value(0, "X")?;
    let groups = usize::try_from(node.int("num_groups", 0)?).unwrap_or(0);
    grouped(ctx, node, x, groups, &mut inputs)
}

fn grouped(
    ctx: &mut Lowering,
    node: &Node,
    x: Value,
    groups: usize,
    inputs: &mut Inputs,
) -> Result<Vec<Value>, OpError> {
    let shape = x.shape().to_vec();
    let (batch, channels) = match shape[..] {
        [batch, channels, ..] if groups > 0 && channels % groups == 0 => (batch, channels),
        _ => {
            return Err(OpError::Shape {
                what: "X",
                expected: format!("a multiple of {groups} channels on axis 1"),
                got: shape,
            });
        }
    };
    let epsilon = node.float("epsilon", f64::from(1e-5f32))?;
    let size: usize = shape.iter().product();
    let rows = reshaped(x, vec![batch * groups, size / (batch * groups)]);
    let (y, _, _) = standardized(ctx, rows, epsilon, true)?;
    let y = reshaped(y, shape.clone());
    // Parameters of each channel; older operator sets have them for each group.
    let mut parameter = |i, name| -> Result<Value, OpError> {
        let v = inputs.value(i, name)?;
        let given = v.shape().to_vec();
        let each = match given[..] {
            [n] if n == channels => (0..channels).collect::<Vec<_>>(),
            [n] if n == groups => (0..channels).map(|c| c / (channels / groups)).collect(),
            _ => {
                return Err(OpError::Shape {
                    what: name,
                    expected: format!("[{channels}]"),
                    got: given,
                });
            }
        };
        let mut wide = vec![channels];
        wide.resize(shape.len() - 1, 1);
        pick(ctx, v, wide, &each)
    };
    let (scale, bias) = (parameter(1, "scale")?, parameter(2, "B")?);
    let y = times(ctx, y, scale)?;
    Ok(vec![sum(ctx, y, bias)?])
}

/// `x / (bias + alpha / size * sum of squares of neighbouring channels)^beta`.
pub(crate) fn local_response(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let size = node.int("size", 0)?;
    let size = usize::try_from(size).ok().filter(|&s| s > 0);
    let size = size.ok_or_else(|| node.attribute_error("size", "a positive integer"))?;
    let (alpha, beta) = (node.float("alpha", f64::from(1e-4f32))?, node.float("beta", 0.75)?);
    let bias = node.float("bias", 1.0)?;
    let shape = x.shape().to_vec();
    let &[_, channels, ref image @ ..] = &shape[..] else {
        return Err(OpError::Shape {
            what: "X",
            expected: "at least two axes".into(),
            got: shape,
        });
    };
    let area: usize = image.iter().product();
    let x = shared(ctx, x)?;
    let squares = square(ctx, x.clone())?;
    let taps: Vec<Vec<_>> = (0..elements(&shape)?)
        .map(|e| {
            let c = e / area % channels;
            let (low, high) = (c.saturating_sub((size - 1) / 2), (c + size / 2).min(channels - 1));
            (low..=high)
                .map(|k| (e - c * area + k * area, alpha / size as f64))
                .collect()
        })
        .collect();
    let sums = combine(ctx, squares, &taps, shape.clone())?;
    let base = affine(ctx, sums, 1.0, bias)?;
    let factor = curve(ctx, base, Curve::Pow { exponent: -beta })?;
    Ok(vec![times(ctx, x, factor)?])
}
