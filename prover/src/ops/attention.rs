//! Attention and rotary embeddings, composed of products of matrices and softmax.

use super::elementwise::sum;
use super::movement::{gather_all, pick};
use super::primitive::{affine, curve, shared, times};
use super::reshape::{permute, reshaped};
use super::softmax::soft;
use crate::model::curve::Curve;
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::{Element, Tensor, elements};
use crate::model::value::Value;

pub(crate) const ATTRIBUTES: &[&str] = &[
    "is_causal",
    "kv_num_heads",
    "left_window_size",
    "q_num_heads",
    "qk_matmul_output_mode",
    "right_window_size",
    "scale",
    "softcap",
    "softmax_precision",
];

/// `[B, T, H * D]` as `[B, H, T, D]`; four axes stay as they are.
fn heads(ctx: &mut Lowering, node: &Node, x: Value, attribute: &str) -> Result<Value, OpError> {
    let &[batch, length, width] = x.shape() else {
        return Ok(x);
    };
    let count = usize::try_from(node.int(attribute, 0)?).unwrap_or(0);
    if count == 0 || width % count != 0 {
        return Err(node.attribute_error(attribute, format!("a divisor of {width}")));
    }
    let x = reshaped(x, vec![batch, length, count, width / count]);
    permute(ctx, x, &[0, 2, 1, 3])
}

/// Scaled dot-product attention.
pub(crate) fn attention(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (q, k, v) = (inputs.value(0, "Q")?, inputs.value(1, "K")?, inputs.value(2, "V")?);
    let flat = q.shape().len() == 3;
    let bool_mask = ctx.element(3) == Element::Bool;
    let mask = inputs.optional(3);
    let (past_key, past_value) = (inputs.optional(4), inputs.optional(5));
    let lengths = inputs.optional_constant(6, "nonpad_kv_seqlen")?;
    let q = heads(ctx, node, q, "q_num_heads")?;
    let (mut k, mut v) = (
        heads(ctx, node, k, "kv_num_heads")?,
        heads(ctx, node, v, "kv_num_heads")?,
    );
    let &[batch, q_heads, length, size] = q.shape() else {
        return Err(OpError::Shape {
            what: "Q",
            expected: "three or four axes".into(),
            got: q.shape().to_vec(),
        });
    };
    let mut past = 0;
    if let (Some(key), Some(value)) = (past_key, past_value) {
        past = key.shape().get(2).copied().unwrap_or(0);
        k = append(ctx, key, k)?;
        v = append(ctx, value, v)?;
    }
    let (k, v) = (shared(ctx, k)?, shared(ctx, v)?);
    let (present_key, present_value) = (k.clone(), v.clone());
    let (kv_heads, total_length) = (k.shape()[1], k.shape()[2]);
    let (k, v) = (repeat(ctx, k, q_heads)?, repeat(ctx, v, q_heads)?);
    if kv_heads == 0 || q_heads % kv_heads != 0 {
        return Err(node.attribute_error("kv_num_heads", format!("a divisor of {q_heads}")));
    }
    let scale = node.float("scale", 1.0 / (size as f64).sqrt())?;
    let q = affine(ctx, q, scale, 0.0)?;
    let k = permute(ctx, k, &[0, 1, 3, 2])?;
    let product = super::matmul::multiply(ctx, q, k)?;
    let product = shared(ctx, product)?;
    let cap = node.float("softcap", 0.0)?;
    let mut scores = product.clone();
    if cap > 0.0 {
        let inner = affine(ctx, scores, 1.0 / cap, 0.0)?;
        let bent = curve(ctx, inner, Curve::Tanh)?;
        scores = affine(ctx, bent, cap, 0.0)?;
    }
    let capped = shared(ctx, scores)?;
    let mut scores = capped.clone();
    if let Some(mask) = mask {
        scores = match (mask, bool_mask) {
            (Value::Const(t), true) => {
                let open = |v: f64| if v != 0.0 { 0.0 } else { f64::NEG_INFINITY };
                let t = super::primitive::map(&super::primitive::to_float(&t), open);
                let t = padded_mask(&t, total_length);
                sum(ctx, scores, Value::Const(t))?
            }
            (Value::Const(t), false) => {
                let t = padded_mask(&t, total_length);
                sum(ctx, scores, Value::Const(t))?
            }
            (_, true) => {
                return Err(OpError::NotConstant {
                    name: "attn_mask",
                    input: 3,
                });
            }
            (m, false) => sum(ctx, scores, m)?,
        };
    }
    // What a query must not see: later positions, and keys beyond their sequence.
    let causal = node.flag("is_causal", false)?;
    let (before, behind) = (node.int("left_window_size", -1)?, node.int("right_window_size", -1)?);
    if causal || lengths.is_some() || before >= 0 || behind >= 0 {
        let lengths: Option<Vec<f64>> = lengths.map(|t| t.to_floats());
        let hidden = |b: usize, i: usize, j: usize| {
            let end = lengths
                .as_ref()
                .map_or(total_length, |l| l[b.min(l.len() - 1)] as usize);
            // Without a past, lengths say where the queries stand.
            let first = match &lengths {
                Some(_) if past == 0 => end as i64 - length as i64,
                _ => past as i64,
            };
            let distance = j as i64 - (i as i64 + first);
            j >= end
                || (causal && distance > 0)
                || (before >= 0 && -distance > before)
                || (behind >= 0 && distance > behind)
        };
        let mut bias = Vec::new();
        for b in 0..batch {
            for i in 0..length {
                bias.extend((0..total_length).map(|j| if hidden(b, i, j) { f64::NEG_INFINITY } else { 0.0 }));
            }
        }
        let bias = Tensor::float(vec![batch, 1, length, total_length], bias);
        scores = sum(ctx, scores, Value::Const(bias))?;
    }
    let masked_scores = scores.clone();
    let shape = scores.shape().to_vec();
    let rows = elements(&shape)? / total_length;
    let weights = soft(ctx, reshaped(scores, vec![rows, total_length]))?;
    let weights = reshaped(weights, shape);
    let weights = shared(ctx, weights)?;
    let y = super::matmul::multiply(ctx, weights.clone(), v)?;
    let y = match flat {
        false => y,
        true => {
            let y = permute(ctx, y, &[0, 2, 1, 3])?;
            let width = y.shape()[2] * y.shape()[3];
            reshaped(y, vec![batch, length, width])
        }
    };
    let inner = match node.int("qk_matmul_output_mode", 0)? {
        0 => product,
        1 => capped,
        2 => masked_scores,
        3 => weights,
        _ => return Err(node.attribute_error("qk_matmul_output_mode", "0 to 3")),
    };
    Ok(vec![y, present_key, present_value, inner])
}

/// A mask shorter than the keys hides the rest of them.
fn padded_mask(t: &Tensor, length: usize) -> Tensor {
    let last = t.shape.last().copied().unwrap_or(1);
    if last >= length || last <= 1 {
        return t.clone();
    }
    let mut data = Vec::new();
    for row in t.to_floats().chunks(last) {
        data.extend_from_slice(row);
        data.resize(data.len() + length - last, f64::NEG_INFINITY);
    }
    let mut shape = t.shape.clone();
    if let Some(d) = shape.last_mut() {
        *d = length;
    }
    Tensor::float(shape, data)
}

/// Joined along the third of four axes.
fn append(ctx: &mut Lowering, a: Value, b: Value) -> Result<Value, OpError> {
    let (s, t) = (a.shape().to_vec(), b.shape().to_vec());
    if s.len() != 4 || t.len() != 4 || s[..2] != t[..2] || s[3] != t[3] {
        return Err(OpError::Shape {
            what: "past_key",
            expected: format!("{t:?} but for the length"),
            got: s,
        });
    }
    let (outer, x, y) = (s[0] * s[1], s[2] * s[3], t[2] * t[3]);
    let all = gather_all(ctx, vec![a, b])?;
    let places: Vec<usize> = (0..outer)
        .flat_map(|o| {
            (0..x)
                .map(move |i| o * x + i)
                .chain((0..y).map(move |i| outer * x + o * y + i))
        })
        .collect();
    pick(ctx, all, vec![s[0], s[1], s[2] + t[2], s[3]], &places)
}

/// Each head as often as queries share it.
fn repeat(ctx: &mut Lowering, x: Value, heads: usize) -> Result<Value, OpError> {
    let &[batch, own, length, size] = x.shape() else {
        return Ok(x);
    };
    if own == heads || own == 0 {
        return Ok(x);
    }
    let area = length * size;
    let places: Vec<usize> = (0..batch * heads * area)
        .map(|e| {
            let (b, h, i) = (e / (heads * area), e / area % heads, e % area);
            (b * own + h * own / heads) * area + i
        })
        .collect();
    pick(ctx, x, vec![batch, heads, length, size], &places)
}

/// Rotary position embedding: pairs of each head's leading elements, turned.
pub(crate) fn rotary(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let (cos, sin) = (inputs.value(1, "cos_cache")?, inputs.value(2, "sin_cache")?);
    let positions = inputs.optional_constant(3, "position_ids")?;
    let flat = x.shape().len() == 3;
    let x = heads(ctx, node, x, "num_heads")?;
    let &[batch, heads, length, size] = x.shape() else {
        return Err(OpError::Shape {
            what: "X",
            expected: "three or four axes".into(),
            got: x.shape().to_vec(),
        });
    };
    let turned = match node.int("rotary_embedding_dim", 0)? {
        0 => size,
        d => usize::try_from(d).ok().filter(|&d| d <= size).unwrap_or(size),
    };
    let interleaved = node.flag("interleaved", false)?;
    let half = turned / 2;
    let row = |b: usize, t: usize| -> usize {
        match &positions {
            Some(p) => p.to_floats().get(b * length + t).map_or(0, |&v| v as usize),
            None => b * length + t,
        }
    };
    let x = shared(ctx, x)?;
    // Per pair: the places of both elements, and of their angle.
    let (mut first, mut second, mut angle) = (Vec::new(), Vec::new(), Vec::new());
    for e in 0..batch * heads * length {
        let (b, t) = (e / (heads * length), e % length);
        for i in 0..half {
            let (p, q) = if interleaved { (2 * i, 2 * i + 1) } else { (i, i + half) };
            first.push(e * size + p);
            second.push(e * size + q);
            angle.push(row(b, t) * half + i);
        }
    }
    let n = vec![first.len()];
    let limit = elements(cos.shape())?;
    if angle.iter().any(|&a| a >= limit) {
        return Err(OpError::Shape {
            what: "cos_cache",
            expected: format!("{half} angles for every position"),
            got: cos.shape().to_vec(),
        });
    }
    let (a, b) = (
        pick(ctx, x.clone(), n.clone(), &first)?,
        pick(ctx, x.clone(), n.clone(), &second)?,
    );
    let (cos, sin) = (pick(ctx, cos, n.clone(), &angle)?, pick(ctx, sin, n, &angle)?);
    let turn = |ctx: &mut Lowering, a: &Value, b: &Value, sign: f64| -> Result<Value, OpError> {
        let straight = times(ctx, a.clone(), cos.clone())?;
        let across = times(ctx, b.clone(), sin.clone())?;
        let across = affine(ctx, across, sign, 0.0)?;
        sum(ctx, straight, across)
    };
    let (u, v) = (turn(ctx, &a, &b, -1.0)?, turn(ctx, &b, &a, 1.0)?);
    let count = first.len();
    let size_all = batch * heads * length * size;
    let mut places: Vec<usize> = (0..size_all).collect();
    for i in 0..count {
        places[first[i]] = size_all + i;
        places[second[i]] = size_all + count + i;
    }
    let all = gather_all(ctx, vec![x, u, v])?;
    let y = pick(ctx, all, vec![batch, heads, length, size], &places)?;
    Ok(vec![match flat {
        false => y,
        true => {
            let y = permute(ctx, y, &[0, 2, 1, 3])?;
            reshaped(y, vec![batch, length, heads * size])
        }
    }])
}
