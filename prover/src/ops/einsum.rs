//! Einsum: sums, permutations and products of matrices.

use super::combination::total;
use super::movement::pick;
use super::reduce::Rows;
use super::reshape::{permute, reshaped};
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::strides;
use crate::model::value::Value;

/// `Einsum`: one operand is summed and permuted, two are brought to a product of matrices.
pub(crate) fn einsum(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let equation: String = node
        .text("equation", "")?
        .chars()
        .filter(|c| !c.is_whitespace())
        .collect();
    let (left, right) = match equation.split_once("->") {
        Some((l, r)) => (l.to_owned(), Some(r.to_owned())),
        None => (equation.clone(), None),
    };
    let terms: Vec<&str> = left.split(',').collect();
    let error = |what: &str| OpError::Unsupported {
        what: format!("equation {equation:?}: {what}"),
    };
    if terms.len() != inputs.len() {
        return Err(error("another number of operands than inputs"));
    }
    let mut operands = Vec::new();
    for (i, term) in terms.iter().enumerate() {
        let x = inputs.value(i, "Inputs")?;
        let rank = x.shape().len();
        let named = term.replace("...", "").chars().count();
        let spread = rank.checked_sub(named).ok_or_else(|| error("more labels than axes"))?;
        // Axes of an ellipsis get digits, counted from its end.
        let digits: String = (0..spread)
            .rev()
            .filter_map(|d| char::from_digit(d as u32, 36))
            .collect();
        let labels: Vec<char> = match term.contains("...") {
            true => term.replace("...", &digits).chars().collect(),
            false if spread == 0 => term.chars().collect(),
            false => return Err(error("fewer labels than axes")),
        };
        operands.push(diagonal(ctx, x, labels)?);
    }
    let ellipsis: String = {
        let mut digits: Vec<char> = operands
            .iter()
            .flat_map(|o| &o.1)
            .copied()
            .filter(char::is_ascii_digit)
            .collect();
        digits.sort_unstable();
        digits.dedup();
        digits.into_iter().rev().collect()
    };
    let output: Vec<char> = match right {
        Some(r) => r.replace("...", &ellipsis).chars().collect(),
        None => {
            let all: Vec<char> = operands.iter().flat_map(|o| &o.1).copied().collect();
            let mut once: Vec<char> = all
                .iter()
                .copied()
                .filter(|c| c.is_alphabetic() && all.iter().filter(|d| *d == c).count() == 1)
                .collect();
            once.sort_unstable();
            ellipsis.chars().chain(once).collect()
        }
    };
    let mut rest = operands.into_iter();
    let mut so_far = rest.next().ok_or_else(|| error("no operand"))?;
    let mut rest: Vec<_> = rest.collect();
    while !rest.is_empty() {
        let next = rest.remove(0);
        let needed = |c: &char| output.contains(c) || rest.iter().any(|r| r.1.contains(c));
        so_far = contract(ctx, so_far, next, needed)?;
    }
    let (x, labels) = so_far;
    let x = summed(ctx, x, &labels, |c| output.contains(c))?;
    let kept: Vec<char> = labels.into_iter().filter(|c| output.contains(c)).collect();
    let order = output
        .iter()
        .map(|c| {
            kept.iter()
                .position(|k| k == c)
                .ok_or_else(|| error("an output label that no operand has"))
        })
        .collect::<Result<Vec<_>, _>>()?;
    Ok(vec![permute(ctx, x, &order)?])
}

/// The operand with each label once: the diagonal of axes with the same label.
fn diagonal(ctx: &mut Lowering, x: Value, labels: Vec<char>) -> Result<(Value, Vec<char>), OpError> {
    let own = strides(x.shape());
    let mut unique: Vec<char> = Vec::new();
    labels.iter().for_each(|c| {
        if !unique.contains(c) {
            unique.push(*c);
        }
    });
    if unique.len() == labels.len() {
        return Ok((x, labels));
    }
    let axes = |c: &char| -> Vec<usize> { (0..labels.len()).filter(|&a| labels[a] == *c).collect() };
    let shape: Vec<usize> = unique.iter().map(|c| x.shape()[axes(c)[0]]).collect();
    let steps: Vec<i64> = unique.iter().map(|c| axes(c).iter().map(|&a| own[a]).sum()).collect();
    let indices = crate::model::tensor::affine_indices(&shape, 0, &steps);
    Ok((pick(ctx, x, shape, &indices)?, unique))
}

/// Sums over the labels that are not kept.
fn summed(ctx: &mut Lowering, x: Value, labels: &[char], keep: impl Fn(&char) -> bool) -> Result<Value, OpError> {
    let gone: Vec<usize> = (0..labels.len()).filter(|&a| !keep(&labels[a])).collect();
    if gone.is_empty() {
        return Ok(x);
    }
    let rows = Rows::new(ctx, x, &gone)?;
    let s = total(ctx, rows.value.clone(), 1.0)?;
    Ok(rows.reduced(s, false))
}

type Labelled = (Value, Vec<char>);

fn contract(
    ctx: &mut Lowering,
    (a, a_labels): Labelled,
    (b, b_labels): Labelled,
    needed: impl Fn(&char) -> bool,
) -> Result<Labelled, OpError> {
    // What one operand alone has and nobody needs is summed first.
    let a = summed(ctx, a, &a_labels, |c| needed(c) || b_labels.contains(c))?;
    let b = summed(ctx, b, &b_labels, |c| needed(c) || a_labels.contains(c))?;
    let a_labels: Vec<char> = a_labels
        .iter()
        .copied()
        .filter(|c| needed(c) || b_labels.contains(c))
        .collect();
    let b_labels: Vec<char> = b_labels
        .into_iter()
        .filter(|c| needed(c) || a_labels.contains(c))
        .collect();
    let common: Vec<char> = a_labels.iter().copied().filter(|c| b_labels.contains(c)).collect();
    let (batch, inner): (Vec<char>, Vec<char>) = common.iter().partition(|c| needed(c));
    let own = |labels: &[char]| -> Vec<char> { labels.iter().copied().filter(|c| !common.contains(c)).collect() };
    let (rows, columns) = (own(&a_labels), own(&b_labels));
    let place =
        |x: Value, labels: &[char], groups: [&[char]; 3], ctx: &mut Lowering| -> Result<(Value, Vec<usize>), OpError> {
            let order: Vec<usize> = groups
                .concat()
                .iter()
                .filter_map(|c| labels.iter().position(|l| l == c))
                .collect();
            let shape: Vec<usize> = order.iter().map(|&a| x.shape()[a]).collect();
            Ok((permute(ctx, x, &order)?, shape))
        };
    let (a, a_shape) = place(a, &a_labels, [&batch, &rows, &inner], ctx)?;
    let (b, b_shape) = place(b, &b_labels, [&batch, &inner, &columns], ctx)?;
    let size = |s: &[usize]| s.iter().product::<usize>();
    let (batch_shape, row_shape) = (
        a_shape[..batch.len()].to_vec(),
        a_shape[batch.len()..][..rows.len()].to_vec(),
    );
    let (inner_shape, column_shape) = (
        &a_shape[batch.len() + rows.len()..],
        &b_shape[batch.len() + inner.len()..],
    );
    if b_shape[..batch.len()] != batch_shape || b_shape[batch.len()..][..inner.len()] != *inner_shape {
        return Err(OpError::Shape {
            what: "Inputs",
            expected: format!("equal lengths of the labels {common:?}"),
            got: b_shape,
        });
    }
    let a = reshaped(a, vec![size(&batch_shape), size(&row_shape), size(inner_shape)]);
    let b = reshaped(b, vec![size(&batch_shape), size(inner_shape), size(column_shape)]);
    let shape = [&batch_shape[..], &row_shape, column_shape].concat();
    let out = super::matmul::multiply(ctx, a, b)?;
    Ok((reshaped(out, shape), [batch, rows, columns].concat()))
}
