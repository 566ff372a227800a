//! Models quantised elsewhere: they keep their own scales and zero points, and integers stay integers.

use super::elementwise::sum;
use super::primitive::{clip, difference, number, quotient, shared, times, to_float};
use super::reshape::reshaped;
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::{Element, Tensor, axis};
use crate::model::value::Value;

pub(crate) const ATTRIBUTES: &[&str] = &["axis", "block_size", "output_dtype", "precision", "saturate"];

/// Rounds half to even and clips to the range of a type.
fn saturated(ctx: &mut Lowering, node: &Node, x: Value, to: Element) -> Result<Value, OpError> {
    let (low, high) = to.range().ok_or_else(|| OpError::Unsupported {
        what: "a quantised type other than of 8, 16 or 32 bits".into(),
    })?;
    let x = clip(ctx, x, low - 0.5, high + 0.5)?;
    let rounded = super::function::rounded(ctx, node, x)?;
    clip(ctx, rounded, low, high)
}

/// Scales or zero points laid out so that they broadcast along an axis of `shape`: one, one per index, or one per block.
fn along(ctx: &mut Lowering, node: &Node, v: Value, shape: &[usize]) -> Result<Value, OpError> {
    let rank = shape.len();
    if v.shape().len() <= 1 && v.shape().iter().product::<usize>() == 1 {
        return Ok(reshaped(v, vec![]));
    }
    let at = axis(node.int("axis", 1)?, rank)?;
    let block = node.int("block_size", 0)?;
    if v.shape().len() == 1 {
        let mut own = vec![1; rank];
        own[at] = v.shape()[0];
        return Ok(reshaped(v, own));
    }
    let block = usize::try_from(block).ok().filter(|&b| b > 0);
    let block = block.ok_or_else(|| node.attribute_error("block_size", "a positive integer"))?;
    // Each scale as often as its block is long.
    let own = v.shape().to_vec();
    let inner: usize = shape[at + 1..].iter().product();
    let n: usize = shape.iter().product();
    let places: Vec<usize> = (0..n)
        .map(|e| (e / (inner * shape[at]) * own[at] + (e / inner % shape[at]) / block) * inner + e % inner)
        .collect();
    if own.len() != rank || own[at] * block < shape[at] {
        return Err(OpError::Shape {
            what: "scale",
            expected: format!("one for every {block} of axis {at} of {shape:?}"),
            got: own,
        });
    }
    super::movement::pick(ctx, v, shape.to_vec(), &places)
}

/// The type that a zero point or an attribute states.
pub(crate) fn output_type(node: &Node, ctx: &Lowering) -> Element {
    let stated = node.int("output_dtype", 0).unwrap_or(0);
    i32::try_from(stated)
        .ok()
        .and_then(Element::from_onnx)
        .unwrap_or_else(|| {
            if node.inputs.len() > 2 {
                ctx.element(2)
            } else {
                Element::Uint8
            }
        })
}

pub(crate) fn quantize(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (x, scale) = (inputs.value(0, "x")?, inputs.value(1, "y_scale")?);
    let zero = inputs.optional(2);
    let to = output_type(node, ctx);
    let shape = x.shape().to_vec();
    let scale = along(ctx, node, scale, &shape)?;
    let ratio = quotient(ctx, x, scale)?;
    let rounded = super::function::rounded(ctx, node, ratio)?;
    let shifted = match zero {
        Some(z) => {
            let z = along(ctx, node, z, &shape)?;
            sum(ctx, rounded, z)?
        }
        None => rounded,
    };
    let (low, high) = to.range().ok_or_else(|| OpError::Unsupported {
        what: "a quantised type other than of 8, 16 or 32 bits".into(),
    })?;
    Ok(vec![clip(ctx, shifted, low, high)?])
}

/// `(x - zero) scale`.
fn real(ctx: &mut Lowering, node: &Node, x: Value, scale: Value, zero: Option<Value>) -> Result<Value, OpError> {
    let shape = x.shape().to_vec();
    let scale = along(ctx, node, scale, &shape)?;
    let x = match zero {
        Some(z) => {
            let z = along(ctx, node, z, &shape)?;
            difference(ctx, x, z)?
        }
        None => x,
    };
    // A constant of integers becomes one of reals.
    let x = if let Value::Const(t) = &x {
        Value::Const(to_float(t))
    } else {
        x
    };
    times(ctx, x, scale)
}

pub(crate) fn dequantize(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (x, scale) = (inputs.value(0, "x")?, inputs.value(1, "x_scale")?);
    let zero = inputs.optional(2);
    Ok(vec![real(ctx, node, x, scale, zero)?])
}

/// An operand less its zero point, which is one number or one per row or column.
fn centred(ctx: &mut Lowering, x: Value, zero: Option<Value>, columns: bool) -> Result<Value, OpError> {
    let Some(z) = zero else { return Ok(x) };
    let rank = x.shape().len();
    let z = match z.shape() {
        [] | [1] => reshaped(z, vec![]),
        &[n] if rank >= 2 => reshaped(z, if columns { vec![n] } else { vec![n, 1] }),
        _ => z,
    };
    difference(ctx, x, z)
}

pub(crate) fn matmul_integer(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (a, b) = (inputs.value(0, "A")?, inputs.value(1, "B")?);
    let (za, zb) = (inputs.optional(2), inputs.optional(3));
    let (a, b) = (centred(ctx, a, za, false)?, centred(ctx, b, zb, true)?);
    Ok(vec![super::matmul::multiply(ctx, a, b)?])
}

/// The scales of the two operands and of the result of a quantised layer: constants, since among integers of 8 bits that are read
/// from the same tensor a number such as 1/255 would keep few bits.
struct Scales([Value; 3]);

impl Scales {
    fn read(inputs: &mut Inputs, names: [&'static str; 3]) -> Result<Self, OpError> {
        let [a, b, y] = names;
        let read = [(1, a), (4, b), (6, y)].map(|(i, name)| inputs.constant(i, name).map(Value::Const));
        let [a, b, y] = read;
        Ok(Self([a?, b?, y?]))
    }

    /// What a product of integers is to be multiplied by; the first operand's scales are one per column or one per row.
    fn factor(self, ctx: &mut Lowering, columns: bool) -> Result<Value, OpError> {
        let [a, b, y] = self.0;
        let scale = times(ctx, single(a, columns), single(b, true))?;
        quotient(ctx, scale, single(y, true))
    }
}

pub(crate) fn qlinear_matmul(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let to = ctx.element(7);
    let (a, za) = (inputs.value(0, "a")?, inputs.optional(2));
    let (b, zb) = (inputs.value(3, "b")?, inputs.optional(5));
    let scales = Scales::read(&mut inputs, ["a_scale", "b_scale", "y_scale"])?;
    let zy = inputs.value(7, "y_zero_point")?;
    let (a, b) = (centred(ctx, a, za, false)?, centred(ctx, b, zb, true)?);
    let product = super::matmul::multiply(ctx, a, b)?;
    let factor = scales.factor(ctx, false)?;
    let y = times(ctx, product, factor)?;
    let rounded = super::function::rounded(ctx, node, y)?;
    let y = sum(ctx, rounded, single(zy, true))?;
    bounded(ctx, y, to).map(|y| vec![y])
}

fn bounded(ctx: &mut Lowering, y: Value, to: Element) -> Result<Value, OpError> {
    let (low, high) = to.range().ok_or_else(|| OpError::Unsupported {
        what: "a quantised type other than of 8, 16 or 32 bits".into(),
    })?;
    clip(ctx, y, low, high)
}

/// A scale: one number, one per row, or one per column.
fn single(v: Value, columns: bool) -> Value {
    match v.shape() {
        [1] => reshaped(v, vec![]),
        &[n] if !columns => reshaped(v, vec![n, 1]),
        _ => v,
    }
}

pub(crate) fn conv_integer(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (x, w) = (inputs.value(0, "x")?, inputs.constant(1, "w")?);
    let (zx, zw) = (inputs.optional(2), inputs.optional_constant(3, "w_zero_point")?);
    let x = centred(ctx, x, zx, true)?;
    let w = weights(ctx, w, zw)?;
    super::conv::convolve(ctx, node, x, w, None)
}

/// Weights less their zero points, one for all or one per output channel.
fn weights(ctx: &mut Lowering, w: Tensor, zero: Option<Tensor>) -> Result<Value, OpError> {
    let rank = w.shape.len();
    match zero {
        None => Ok(Value::Const(w)),
        Some(z) => difference(ctx, Value::Const(w), per_channel(Value::Const(z), rank)),
    }
}

/// One number, or one per index of the first axis.
fn per_channel(v: Value, rank: usize) -> Value {
    match v.shape() {
        [] | [1] => reshaped(v, vec![]),
        &[n] => {
            let mut shape = vec![1; rank];
            shape[0] = n;
            reshaped(v, shape)
        }
        _ => v,
    }
}

pub(crate) fn qlinear_conv(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let to = ctx.element(7);
    let (x, zx) = (inputs.value(0, "x")?, inputs.optional(2));
    let (w, zw) = (inputs.constant(3, "w")?, inputs.optional_constant(5, "w_zero_point")?);
    let scales = Scales::read(&mut inputs, ["x_scale", "w_scale", "y_scale"])?;
    let zy = inputs.value(7, "y_zero_point")?;
    let bias = inputs.optional_constant(8, "B")?;
    let x = centred(ctx, x, zx, true)?;
    let w = weights(ctx, w, zw)?;
    let y = super::conv::convolve(ctx, node, x, w, bias)?.swap_remove(0);
    let rank = y.shape().len();
    let factor = scales.factor(ctx, true)?;
    let factor = match factor.shape() {
        [] => factor,
        &[n] => {
            let mut shape = vec![1; rank - 1];
            shape[0] = n;
            reshaped(factor, shape)
        }
        _ => factor,
    };
    let y = times(ctx, y, factor)?;
    let rounded = super::function::rounded(ctx, node, y)?;
    let y = sum(ctx, rounded, single(zy, true))?;
    bounded(ctx, y, to).map(|y| vec![y])
}

/// Scale and zero point from the range of the values, then `QuantizeLinear` to 8 bits without a sign.
pub(crate) fn dynamic(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "x")?;
    let x = shared(ctx, x)?;
    let n: usize = x.shape().iter().product();
    let flat = reshaped(x.clone(), vec![1, n]);
    let opposite = super::primitive::affine(ctx, flat.clone(), -1.0, 0.0)?;
    let top = super::combination::largest(ctx, flat)?;
    let bottom = super::combination::largest(ctx, opposite)?;
    // Both with 0: the largest, and minus the smallest.
    let (top, bottom) = (
        super::primitive::positive_part(ctx, top)?,
        super::primitive::positive_part(ctx, bottom)?,
    );
    let width = sum(ctx, top, bottom.clone())?;
    let width = shared(ctx, width)?;
    let scale = super::primitive::affine(ctx, width.clone(), 1.0 / 255.0, 0.0)?;
    let part = quotient(ctx, bottom, width.clone())?;
    let part = super::primitive::affine(ctx, part, 255.0, 0.0)?;
    let zero = saturated(ctx, node, part, Element::Uint8)?;
    let zero = shared(ctx, reshaped(zero, vec![]))?;
    let inverse = quotient(ctx, number(255.0), reshaped(width, vec![]))?;
    let ratio = times(ctx, x, inverse)?;
    let rounded = super::function::rounded(ctx, node, ratio)?;
    let y = sum(ctx, rounded, zero.clone())?;
    let y = clip(ctx, y, 0.0, 255.0)?;
    Ok(vec![y, reshaped(scale, vec![]), zero])
}
