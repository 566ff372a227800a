//! Changes of shape: the same elements under other indices. Nothing here costs a slot.

use super::movement::pick;
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::{Tensor, affine_indices, axis, elements, strides};
use crate::model::value::Value;

pub(crate) fn shape(_: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    // The operator is given the shape itself, see `reads_shape_only`.
    let shape = inputs.constant(0, "data")?;
    let dims = shape.ints("data")?;
    let rank = dims.len() as i64;
    let clamp = |v: i64| (if v < 0 { v.saturating_add(rank) } else { v }).clamp(0, rank) as usize;
    let (start, end) = (clamp(node.int("start", 0)?), clamp(node.int("end", rank)?));
    let part = dims.get(start..end).unwrap_or_default().to_vec();
    Ok(vec![Value::Const(Tensor::int(vec![part.len()], part))])
}

pub(crate) fn size(_: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    // As for `shape`.
    let shape = inputs.constant(0, "data")?;
    let count = shape.ints("data")?.iter().product();
    Ok(vec![Value::Const(Tensor::int(vec![], vec![count]))])
}

pub(crate) fn flatten(_: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "input")?;
    let rank = x.shape().len();
    let at = node.int("axis", 1)?;
    let at = if at == rank as i64 { rank } else { axis(at, rank)? };
    let (outer, inner) = x.shape().split_at(at);
    let shape = vec![outer.iter().product(), inner.iter().product()];
    Ok(vec![reshaped(x, shape)])
}

pub(crate) fn reshape(_: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "data")?;
    let target = match inputs.optional_constant(1, "shape")? {
        Some(t) => t.ints("shape")?.to_vec(),
        None => node
            .ints("shape")?
            .ok_or(OpError::MissingInput { name: "shape" })?
            .to_vec(),
    };
    let allow_zero = node.flag("allowzero", false)?;
    let size: usize = x.shape().iter().product();
    let error = || OpError::Shape {
        what: "data",
        expected: format!("to fit shape {target:?}"),
        got: x.shape().to_vec(),
    };
    let mut shape = Vec::new();
    for (i, &d) in target.iter().enumerate() {
        shape.push(match d {
            -1 => 1,
            0 if !allow_zero => *x.shape().get(i).ok_or_else(error)?,
            d => usize::try_from(d).map_err(|_| error())?,
        });
    }
    let known = elements(&shape)?;
    let mut open = target.iter().enumerate().filter(|&(_, &d)| d == -1);
    match (open.next(), open.next()) {
        (None, _) if known == size => {}
        (Some((i, _)), None) if known > 0 && size.is_multiple_of(known) => shape[i] = size / known,
        _ => return Err(error()),
    }
    Ok(vec![reshaped(x, shape)])
}

pub(crate) fn transpose(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "data")?;
    let rank = x.shape().len();
    let perm = match node.ints("perm")? {
        None => (0..rank).rev().collect(),
        Some(p) => p.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?,
    };
    if perm.len() != rank || (0..rank).any(|a| !perm.contains(&a)) {
        return Err(node.attribute_error("perm", format!("a permutation of {rank} axes")));
    }
    Ok(vec![permute(ctx, x, &perm)?])
}

pub(crate) fn squeeze(_: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "data")?;
    let shape = x.shape();
    let removed = match axes_of(node, &mut inputs)? {
        None => (0..shape.len()).filter(|&a| shape[a] == 1).collect(),
        Some(list) => list
            .iter()
            .map(|&a| axis(a, shape.len()))
            .collect::<Result<Vec<_>, _>>()?,
    };
    if removed.iter().any(|&a| shape[a] != 1) {
        let expected = format!("length 1 on axes {removed:?}");
        return Err(OpError::Shape {
            what: "data",
            expected,
            got: shape.to_vec(),
        });
    }
    let kept = shape
        .iter()
        .enumerate()
        .filter(|(a, _)| !removed.contains(a))
        .map(|(_, &d)| d)
        .collect();
    Ok(vec![reshaped(x, kept)])
}

pub(crate) fn unsqueeze(_: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "data")?;
    let list = axes_of(node, &mut inputs)?.ok_or(OpError::MissingInput { name: "axes" })?;
    let rank = x.shape().len() + list.len();
    let mut added = list.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?;
    added.sort_unstable();
    added.dedup();
    if added.len() != list.len() {
        return Err(OpError::Constant {
            name: "axes",
            problem: "names an axis twice",
        });
    }
    let mut shape = x.shape().to_vec();
    added.into_iter().for_each(|a| shape.insert(a, 1));
    Ok(vec![reshaped(x, shape)])
}

fn axes_of(node: &Node, inputs: &mut Inputs) -> Result<Option<Vec<i64>>, OpError> {
    match inputs.optional_constant(1, "axes")? {
        Some(t) => Ok(Some(t.ints("axes")?.to_vec())),
        None => Ok(node.ints("axes")?.map(<[i64]>::to_vec)),
    }
}

/// Permutes axes: axis `i` of the result is axis `perm[i]` of the value.
pub(super) fn permute(ctx: &mut Lowering, value: Value, perm: &[usize]) -> Result<Value, OpError> {
    let own = strides(value.shape());
    let shape: Vec<usize> = perm.iter().map(|&a| value.shape()[a]).collect();
    let steps: Vec<i64> = perm.iter().map(|&a| own[a]).collect();
    let indices = affine_indices(&shape, 0, &steps);
    match value {
        Value::Linear(mut l) => {
            l.order = indices.iter().map(|&i| l.order[i]).collect();
            l.shape = shape;
            Ok(Value::Linear(l))
        }
        other => pick(ctx, other, shape, &indices),
    }
}

/// The same elements in another shape of the same size.
pub(super) fn reshaped(mut value: Value, shape: Vec<usize>) -> Value {
    match &mut value {
        Value::Const(t) => t.shape = shape,
        Value::Affine(a) => a.shape = shape,
        Value::Linear(l) => l.shape = shape,
    }
    value
}
