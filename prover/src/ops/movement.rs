//! Movement of data: which element of which activation a later read refers to. Nothing here costs a slot.

use crate::model::error::OpError;
use crate::model::graph::{Attribute, Node};
use crate::model::lower::{Inputs, Lowering};
use crate::model::program::Source;
use crate::model::tensor::{Data, Tensor, affine_indices, axis, elements, strides};
use crate::model::value::{Affine, Value};

pub(crate) const CONSTANT_ATTRIBUTES: &[&str] = &["value", "value_float", "value_floats", "value_int", "value_ints"];

pub(crate) fn identity(_: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    Ok(vec![inputs.value(0, "input")?])
}

pub(crate) fn dropout(_: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    if let Some(training) = inputs.optional_constant(2, "training_mode")?
        && training.ints("training_mode")?.iter().any(|&v| v != 0)
    {
        return Err(OpError::Constant {
            name: "training_mode",
            problem: "must be false",
        });
    }
    node.flag("is_test", true)?;
    let x = inputs.value(0, "data")?;
    let kept = Tensor::int(x.shape().to_vec(), vec![1; elements(x.shape())?]);
    Ok(vec![x, Value::Const(kept)])
}

pub(crate) fn constant(_: &mut Lowering, node: &Node, _: Inputs) -> Result<Vec<Value>, OpError> {
    let mut given = node.attributes.iter();
    let (Some((name, attribute)), None) = (given.next(), given.next()) else {
        return Err(node.attribute_error("value", "exactly one value attribute"));
    };
    let tensor = match (name.as_str(), attribute) {
        ("value", Attribute::Tensor(t, _)) => t.clone(),
        ("value_float", Attribute::Float(v)) => Tensor::float(vec![], vec![*v]),
        ("value_floats", Attribute::Floats(v)) => Tensor::float(vec![v.len()], v.clone()),
        ("value_int", Attribute::Int(v)) => Tensor::int(vec![], vec![*v]),
        ("value_ints", Attribute::Ints(v)) => Tensor::int(vec![v.len()], v.clone()),
        _ => return Err(node.attribute_error(name, "a value of the attribute's kind")),
    };
    Ok(vec![Value::Const(tensor)])
}

pub(crate) fn concat(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let values = (0..inputs.len())
        .map(|i| inputs.value(i, "inputs"))
        .collect::<Result<Vec<_>, _>>()?;
    if !node.attributes.contains_key("axis") {
        return Err(node.attribute_error("axis", "an axis"));
    }
    let first = values[0].shape().to_vec();
    let along = axis(node.int("axis", 0)?, first.len())?;
    for v in &values {
        let alike = v.shape().len() == first.len() && (0..first.len()).all(|a| a == along || v.shape()[a] == first[a]);
        if !alike {
            let expected = format!("{first:?} but for axis {along}");
            return Err(OpError::Shape {
                what: "inputs",
                expected,
                got: v.shape().to_vec(),
            });
        }
    }
    let mut shape = first;
    shape[along] = values.iter().map(|v| v.shape()[along]).sum();
    elements(&shape)?;
    let outer: usize = shape[..along].iter().product();
    // Element `e` of input `i` is element `places[i] + e` of the inputs one behind the other.
    let sizes: Vec<usize> = values.iter().map(|v| v.shape()[along..].iter().product()).collect();
    let mut indices = Vec::new();
    for o in 0..outer {
        let mut base = 0;
        for &size in &sizes {
            indices.extend((0..size).map(|e| base + o * size + e));
            base += outer * size;
        }
    }
    let all = gather_all(ctx, values)?;
    Ok(vec![pick(ctx, all, shape, &indices)?])
}

/// The elements of several values, one behind the other.
pub(super) fn gather_all(ctx: &mut Lowering, values: Vec<Value>) -> Result<Value, OpError> {
    if values.iter().all(|v| matches!(v, Value::Const(_))) {
        return Ok(Value::Const(concat_constants(values)?));
    }
    let mut all = Affine::plain(vec![], vec![]);
    for value in values {
        let mut a = ctx.affine(value)?;
        if a.parts.len() > 1 {
            a = ctx.materialise(a.into_linear(ctx.node()))?;
        }
        all.offset.extend(a.offset);
        for (into, from) in all.parts.iter_mut().zip(a.parts) {
            into.sources.extend(from.sources);
            into.weights.extend(from.weights);
        }
    }
    all.shape = vec![all.offset.len()];
    Ok(Value::Affine(all))
}

fn concat_constants(values: Vec<Value>) -> Result<Tensor, OpError> {
    let tensors = values
        .into_iter()
        .filter_map(|v| if let Value::Const(t) = v { Some(t) } else { None });
    let tensors: Vec<Tensor> = tensors.collect();
    if tensors.iter().all(|t| matches!(t.data, Data::Int(_))) {
        let data = tensors
            .iter()
            .map(|t| t.ints("inputs"))
            .collect::<Result<Vec<_>, _>>()?
            .concat();
        return Ok(Tensor::int(vec![data.len()], data));
    }
    let data = tensors.iter().map(Tensor::to_floats).collect::<Vec<_>>().concat();
    Ok(Tensor::float(vec![data.len()], data))
}

pub(crate) fn pad(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let mode = node.text("mode", "constant")?.to_owned();
    if !["constant", "edge", "reflect", "wrap"].contains(&mode.as_str()) {
        return Err(node.attribute_error("mode", "constant, edge, reflect or wrap"));
    }
    let x = inputs.value(0, "data")?;
    let pads = match inputs.optional_constant(1, "pads")? {
        Some(t) => t.ints("pads")?.to_vec(),
        None => match (node.ints("pads")?, node.ints("paddings")?) {
            (Some(p), _) | (None, Some(p)) => p.to_vec(),
            (None, None) => return Err(OpError::MissingInput { name: "pads" }),
        },
    };
    let fill = match inputs.optional_constant(2, "constant_value")? {
        Some(t) => match t.to_floats().as_slice() {
            [v] => *v,
            [] => 0.0,
            _ => {
                return Err(OpError::Constant {
                    name: "constant_value",
                    problem: "must be a single number",
                });
            }
        },
        None => node.float("value", 0.0)?,
    };
    let rank = x.shape().len();
    let axes = match inputs.optional_constant(3, "axes")? {
        Some(t) => t
            .ints("axes")?
            .iter()
            .map(|&a| axis(a, rank))
            .collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    if pads.len() != 2 * axes.len() {
        return Err(OpError::Constant {
            name: "pads",
            problem: "needs two lengths per axis",
        });
    }
    // Per axis of the output: the element of the input, or the nearest one and `false` in a pad.
    let mut lines: Vec<Vec<(usize, bool)>> = x.shape().iter().map(|&d| (0..d).map(|i| (i, true)).collect()).collect();
    for (i, &a) in axes.iter().enumerate() {
        let (before, after, size) = (pads[i], pads[i + axes.len()], x.shape()[a] as i64);
        let end = size.saturating_add(after);
        elements(&[usize::try_from(end.saturating_add(before)).unwrap_or(0)])?;
        let period = (2 * size - 2).max(1);
        let place = |i: i64| match mode.as_str() {
            "edge" => (i.clamp(0, size - 1), true),
            "wrap" => (i.rem_euclid(size), true),
            "reflect" => (size - 1 - (i.rem_euclid(period) - (size - 1)).abs(), true),
            _ => (i.clamp(0, size - 1), (0..size).contains(&i)),
        };
        let line = (before.saturating_neg()..end).map(place);
        lines[a] = line.map(|(i, inside)| (i as usize, inside)).collect();
    }
    let shape: Vec<usize> = lines.iter().map(Vec::len).collect();
    elements(&shape)?;
    let mut places = vec![(0, true)];
    for (line, &step) in lines.iter().zip(&strides(x.shape())) {
        let extend = |(base, inside): (usize, bool)| {
            line.iter()
                .map(move |&(i, valid)| (base + i * step as usize, inside && valid))
        };
        places = places.into_iter().flat_map(extend).collect();
    }
    let indices: Vec<usize> = places.iter().map(|&(i, _)| i).collect();
    if let Value::Const(t) = &x {
        let data = t.to_floats();
        let data = places
            .iter()
            .map(|&(i, inside)| if inside { data[i] } else { fill })
            .collect();
        let padded = Tensor::float(shape, data);
        return Ok(vec![Value::Const(match t.data {
            Data::Int(_) => super::primitive::to_ints(&padded),
            Data::Float(_) => padded,
        })]);
    }
    // A pad has the weight and offset of its neighbour, so that they stay uniform within a channel.
    let mut a = ctx.affine(x)?;
    if a.parts[0].weights.contains(&0.0) {
        a = ctx.materialise(a.into_linear(ctx.node()))?;
    }
    let mut a = a.gather(shape, &indices);
    for (e, _) in places.iter().enumerate().filter(|&(_, &(_, inside))| !inside) {
        let value = (fill - a.offset[e]) / a.parts[0].weights[e];
        for (i, part) in a.parts.iter_mut().enumerate() {
            part.sources[e] = Source::Const(if i == 0 { value } else { 0.0 });
        }
    }
    Ok(vec![Value::Affine(a)])
}

pub(crate) fn slice(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "data")?;
    let rank = x.shape().len();
    let mut list = |i, name: &'static str| -> Result<Option<Vec<i64>>, OpError> {
        match inputs.optional_constant(i, name)? {
            Some(t) => Ok(Some(t.ints(name)?.to_vec())),
            None => Ok(node.ints(name)?.map(<[i64]>::to_vec)),
        }
    };
    let starts = list(1, "starts")?.ok_or(OpError::MissingInput { name: "starts" })?;
    let ends = list(2, "ends")?.ok_or(OpError::MissingInput { name: "ends" })?;
    let axes = list(3, "axes")?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = list(4, "steps")?.unwrap_or_else(|| vec![1; starts.len()]);
    if ends.len() != starts.len() || axes.len() != starts.len() || steps.len() != starts.len() {
        return Err(OpError::Constant {
            name: "starts",
            problem: "differs in length from ends, axes or steps",
        });
    }
    let (mut shape, own) = (x.shape().to_vec(), strides(x.shape()));
    let (mut start, mut walk) = (0, own.clone());
    for i in 0..starts.len() {
        let (a, step) = (axis(axes[i], rank)?, steps[i]);
        if step == 0 {
            return Err(OpError::Constant {
                name: "steps",
                problem: "holds a zero",
            });
        }
        let size = x.shape()[a] as i64;
        let wrap = |v: i64| if v < 0 { v.saturating_add(size) } else { v };
        // Walking backwards, the end may lie one before the first element.
        let (low, high) = if step > 0 { (0, size) } else { (-1, size - 1) };
        let (from, to) = (wrap(starts[i]).clamp(low.max(0), high), wrap(ends[i]).clamp(low, high));
        let count = if step > 0 {
            (to - from).max(0)
        } else {
            (from - to).max(0)
        } as u64;
        shape[a] = count.div_ceil(step.unsigned_abs()) as usize;
        start += from * own[a];
        walk[a] = if shape[a] > 1 { own[a] * step } else { 0 };
    }
    let indices = affine_indices(&shape, start, &walk);
    Ok(vec![pick(ctx, x, shape, &indices)?])
}

pub(crate) fn split(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "input")?;
    let along = axis(node.int("axis", 0)?, x.shape().len())?;
    let size = x.shape()[along];
    let parts = node.outputs.len().max(1);
    let lengths = match inputs.optional_constant(1, "split")? {
        Some(t) => t.ints("split")?.to_vec(),
        None => match node.ints("split")? {
            Some(v) => v.to_vec(),
            None => {
                let each = size.div_ceil(parts);
                (0..parts)
                    .map(|i| each.min(size.saturating_sub(i * each)) as i64)
                    .collect()
            }
        },
    };
    let fits = lengths.len() == parts && lengths.iter().all(|&l| l > 0);
    if !fits || lengths.iter().try_fold(0i64, |n, &l| n.checked_add(l)) != Some(size as i64) {
        return Err(OpError::Constant {
            name: "split",
            problem: "does not divide the axis among the outputs",
        });
    }
    let (own, x) = (
        strides(x.shape()),
        if let Value::Linear(l) = x {
            Value::Affine(ctx.materialise(l)?)
        } else {
            x
        },
    );
    let mut start = 0;
    let mut out = Vec::new();
    for length in lengths {
        let mut shape = x.shape().to_vec();
        shape[along] = length as usize;
        let indices = affine_indices(&shape, start * own[along], &own);
        out.push(pick(ctx, x.clone(), shape, &indices)?);
        start += length;
    }
    Ok(out)
}

pub(crate) fn gather(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "data")?;
    let picked = inputs.value(1, "indices")?;
    let along = axis(node.int("axis", 0)?, x.shape().len())?;
    let size = x.shape()[along];
    let (outer, inner) = (x.shape()[..along].to_vec(), x.shape()[along + 1..].to_vec());
    let shape = [&outer, picked.shape(), &inner].concat();
    elements(&shape)?;
    let (outer, inner) = (outer.iter().product::<usize>(), inner.iter().product::<usize>());
    let Value::Const(picked) = picked else {
        // A secret index: its one-hot row times the values.
        let count = elements(picked.shape())?;
        let index = super::combination::wrapped(ctx, picked, size)?;
        let rows = super::combination::one_hot(ctx, index, size)?;
        let rows = super::reshape::reshaped(rows, vec![1, count, size]);
        let x = super::reshape::reshaped(x, vec![outer, size, inner]);
        let out = super::matmul::multiply(ctx, rows, x)?;
        return Ok(vec![super::reshape::reshaped(out, shape)]);
    };
    let resolve = |&i: &i64| {
        axis(i, size).map_err(|_| OpError::Constant {
            name: "indices",
            problem: "is out of bounds",
        })
    };
    let picked = picked
        .ints("indices")?
        .iter()
        .map(resolve)
        .collect::<Result<Vec<_>, _>>()?;
    let at = |o: usize| {
        picked
            .iter()
            .flat_map(move |&p| (0..inner).map(move |i| (o * size + p) * inner + i))
    };
    let indices: Vec<usize> = (0..outer).flat_map(at).collect();
    Ok(vec![pick(ctx, x, shape, &indices)?])
}

/// The tensor of the given shape whose element `i` is the value's element `indices[i]`.
pub(super) fn pick(ctx: &mut Lowering, value: Value, shape: Vec<usize>, indices: &[usize]) -> Result<Value, OpError> {
    Ok(match value {
        Value::Const(t) => Value::Const(t.gather(shape, indices)),
        other => Value::Affine(ctx.affine(other)?.gather(shape, indices)),
    })
}
