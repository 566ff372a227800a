//! ai.onnx.ml: tree ensembles, linear models and scalers.
//!
//! A tree costs a comparison per inner node and a ReLU per leaf: a leaf is reached where all decisions on its path are met, that
//! is where their number less its depth, plus 1, is positive.

use std::collections::HashMap;

use super::combination::combine;
use super::elementwise::sum;
use super::movement::{gather_all, pick};
use super::order::winner;
use super::primitive::{affine, curve, less, not, positive_part, shared, times};
use super::reshape::{permute, reshaped};
use super::softmax::soft;
use crate::model::curve::Curve;
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::{Tensor, elements};
use crate::model::value::Value;

pub(crate) const TREE_ATTRIBUTES: &[&str] = &[
    "aggregate_function",
    "base_values",
    "class_ids",
    "class_nodeids",
    "class_treeids",
    "class_weights",
    "classlabels_int64s",
    "classlabels_strings",
    "n_targets",
    "nodes_falsenodeids",
    "nodes_featureids",
    "nodes_hitrates",
    "nodes_missing_value_tracks_true",
    "nodes_modes",
    "nodes_nodeids",
    "nodes_treeids",
    "nodes_truenodeids",
    "nodes_values",
    "post_transform",
    "target_ids",
    "target_nodeids",
    "target_treeids",
    "target_weights",
];

pub(crate) const LINEAR_ATTRIBUTES: &[&str] = &[
    "classlabels_ints",
    "classlabels_strings",
    "coefficients",
    "intercepts",
    "multi_class",
    "post_transform",
    "targets",
];

/// Rows of samples and the number of features.
fn samples(x: Value) -> Result<(Value, usize, usize), OpError> {
    match *x.shape() {
        [n] => Ok((reshaped(x, vec![1, n]), 1, n)),
        [rows, n] => Ok((x, rows, n)),
        _ => Err(OpError::Shape {
            what: "X",
            expected: "one or two axes".into(),
            got: x.shape().to_vec(),
        }),
    }
}

/// One inner node: a comparison of a feature.
struct Split<'a> {
    feature: usize,
    mode: &'a str,
    value: f64,
}

/// A path's end: its decisions (a split, and whether it is met) and what it adds to which target.
struct Leaf {
    path: Vec<(usize, bool)>,
    weights: Vec<(usize, f64)>,
}

struct Ensemble<'a> {
    splits: Vec<Split<'a>>,
    leaves: Vec<Leaf>,
}

impl<'a> Ensemble<'a> {
    fn read(node: &'a Node, kind: &str) -> Result<Self, OpError> {
        let ints = |name: &str| node.ints(name).map(|v| v.unwrap_or_default());
        let error = |name: &str| node.attribute_error(name, "one entry a node");
        let (trees, ids) = (ints("nodes_treeids")?, ints("nodes_nodeids")?);
        let (features, modes) = (ints("nodes_featureids")?, node.texts("nodes_modes")?);
        let (yes, no) = (ints("nodes_truenodeids")?, ints("nodes_falsenodeids")?);
        let values = node.floats("nodes_values")?;
        // `nodes_missing_value_tracks_true` is about NaN, which no quantised value is.
        let n = trees.len();
        for (name, len) in [
            ("nodes_nodeids", ids.len()),
            ("nodes_featureids", features.len()),
            ("nodes_modes", modes.len()),
            ("nodes_truenodeids", yes.len()),
            ("nodes_falsenodeids", no.len()),
            ("nodes_values", values.len()),
        ] {
            if len != n {
                return Err(error(name));
            }
        }
        let index: HashMap<(i64, i64), usize> = (0..n).map(|i| ((trees[i], ids[i]), i)).collect();
        let mut weights: HashMap<(i64, i64), Vec<(usize, f64)>> = HashMap::new();
        let (t, l, g) = (
            ints(&format!("{kind}_treeids"))?,
            ints(&format!("{kind}_nodeids"))?,
            ints(&format!("{kind}_ids"))?,
        );
        let w = node.floats(&format!("{kind}_weights"))?;
        if l.len() != t.len() || g.len() != t.len() || w.len() != t.len() {
            return Err(error(&format!("{kind}_weights")));
        }
        for i in 0..t.len() {
            let target = usize::try_from(g[i]).map_err(|_| error(&format!("{kind}_ids")))?;
            weights.entry((t[i], l[i])).or_default().push((target, w[i]));
        }
        let mut all = Self {
            splits: Vec::new(),
            leaves: Vec::new(),
        };
        // The first node of each tree is its root.
        let mut seen = Vec::new();
        for root in 0..n {
            if seen.contains(&trees[root]) {
                continue;
            }
            seen.push(trees[root]);
            let mut stack = vec![(root, Vec::new())];
            while let Some((i, path)) = stack.pop() {
                if path.len() > n {
                    return Err(node.attribute_error("nodes_truenodeids", "trees without circles"));
                }
                if modes[i] == "LEAF" {
                    let weights = weights.get(&(trees[i], ids[i])).cloned().unwrap_or_default();
                    all.leaves.push(Leaf { path, weights });
                    continue;
                }
                let feature = usize::try_from(features[i]).map_err(|_| error("nodes_featureids"))?;
                let at = all.splits.len();
                all.splits.push(Split {
                    feature,
                    mode: &modes[i],
                    value: values[i],
                });
                for (met, child) in [(true, yes[i]), (false, no[i])] {
                    let child = index.get(&(trees[i], child));
                    let &child = child.ok_or_else(|| node.attribute_error("nodes_truenodeids", "ids of nodes"))?;
                    let mut path = path.clone();
                    path.push((at, met));
                    stack.push((child, path));
                }
            }
        }
        Ok(all)
    }

    /// The sums of the reached leaves' weights: `[rows, targets]`.
    fn sums(&self, ctx: &mut Lowering, node: &Node, x: Value, targets: usize) -> Result<Value, OpError> {
        let (x, rows, width) = samples(x)?;
        let x = shared(ctx, x)?;
        let n = self.splits.len();
        if self.splits.iter().any(|s| s.feature >= width) {
            return Err(OpError::Shape {
                what: "X",
                expected: "all features that nodes refer to".into(),
                got: x.shape().to_vec(),
            });
        }
        if self.leaves.iter().any(|l| l.weights.iter().any(|w| w.0 >= targets)) {
            return Err(node.attribute_error("class_ids", format!("numbers below {targets}")));
        }
        let reached = match n {
            0 => Value::Const(Tensor::float(
                vec![rows, self.leaves.len()],
                vec![1.0; rows * self.leaves.len()],
            )),
            _ => self.reached(ctx, node, x, rows, width)?,
        };
        let leaves = self.leaves.len();
        let taps: Vec<Vec<_>> = (0..rows * targets)
            .map(|e| {
                let (r, t) = (e / targets, e % targets);
                let own = |(i, l): (usize, &Leaf)| {
                    let w: f64 = l.weights.iter().filter(|w| w.0 == t).map(|w| w.1).sum();
                    (w != 0.0).then_some((r * leaves + i, w))
                };
                self.leaves.iter().enumerate().filter_map(own).collect()
            })
            .collect();
        combine(ctx, reached, &taps, vec![rows, targets])
    }

    fn reached(&self, ctx: &mut Lowering, node: &Node, x: Value, rows: usize, width: usize) -> Result<Value, OpError> {
        let n = self.splits.len();
        let places: Vec<usize> = (0..rows)
            .flat_map(|r| self.splits.iter().map(move |s| r * width + s.feature))
            .collect();
        let seen = pick(ctx, x, vec![rows, n], &places)?;
        let bounds = Value::Const(Tensor::float(vec![n], self.splits.iter().map(|s| s.value).collect()));
        let first = self.splits[0].mode;
        if self.splits.iter().any(|s| s.mode != first) {
            return Err(node.attribute_error("nodes_modes", "one mode for all nodes"));
        }
        let met = match first {
            "BRANCH_LT" => less(ctx, seen, bounds)?,
            "BRANCH_GT" => less(ctx, bounds, seen)?,
            "BRANCH_LEQ" => {
                let above = less(ctx, bounds, seen)?;
                not(ctx, above)?
            }
            "BRANCH_GTE" => {
                let below = less(ctx, seen, bounds)?;
                not(ctx, below)?
            }
            _ => return Err(node.attribute_error("nodes_modes", "BRANCH_LEQ, BRANCH_LT, BRANCH_GTE or BRANCH_GT")),
        };
        let leaves = self.leaves.len();
        elements(&[rows, leaves])?;
        let taps: Vec<Vec<_>> = (0..rows)
            .flat_map(|r| {
                let own = move |l: &Leaf| {
                    l.path
                        .iter()
                        .map(|&(s, met)| (r * n + s, if met { 1.0 } else { -1.0 }))
                        .collect()
                };
                self.leaves.iter().map(own)
            })
            .collect();
        let count = combine(ctx, met, &taps, vec![rows, leaves])?;
        // Of `d` decisions, `m` that must be met: the sum is m where all are right, and less elsewhere.
        let least = |l: &Leaf| 1.0 - l.path.iter().filter(|d| d.1).count() as f64;
        let least = Tensor::float(vec![leaves], self.leaves.iter().map(least).collect());
        let count = sum(ctx, count, Value::Const(least))?;
        positive_part(ctx, count)
    }
}

/// Adds the base values, where there are any.
fn based(ctx: &mut Lowering, node: &Node, scores: Value) -> Result<Value, OpError> {
    let base = node.floats("base_values")?;
    let width = scores.shape()[1];
    match base.len() {
        0 => Ok(scores),
        n if n == width || n == 1 => sum(ctx, scores, Value::Const(Tensor::float(vec![n], base.to_vec()))),
        _ => Err(node.attribute_error("base_values", format!("{width} numbers"))),
    }
}

fn transformed(ctx: &mut Lowering, node: &Node, scores: Value) -> Result<Value, OpError> {
    match node.text("post_transform", "NONE")? {
        "NONE" => Ok(scores),
        "LOGISTIC" => curve(ctx, scores, Curve::Sigmoid),
        "SOFTMAX" => {
            let scores = shared(ctx, scores)?;
            soft(ctx, scores)
        }
        _ => Err(node.attribute_error("post_transform", "NONE, LOGISTIC or SOFTMAX")),
    }
}

pub(crate) fn regressor(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let targets = usize::try_from(node.int("n_targets", 1)?).unwrap_or(1);
    let ensemble = Ensemble::read(node, "target")?;
    let mut sums = ensemble.sums(ctx, node, x, targets)?;
    match node.text("aggregate_function", "SUM")? {
        "SUM" => {}
        "AVERAGE" => {
            let trees: std::collections::BTreeSet<_> = node.ints("nodes_treeids")?.unwrap_or_default().iter().collect();
            sums = affine(ctx, sums, 1.0 / trees.len().max(1) as f64, 0.0)?;
        }
        _ => return Err(node.attribute_error("aggregate_function", "SUM or AVERAGE")),
    }
    let scores = based(ctx, node, sums)?;
    Ok(vec![transformed(ctx, node, scores)?])
}

/// Labels of the classes, which must be numbers.
fn labels(node: &Node, ints: &str, strings: &str) -> Result<Vec<f64>, OpError> {
    match node.ints(ints)? {
        Some(list) if !list.is_empty() => Ok(list.iter().map(|&v| v as f64).collect()),
        // Of text labels the index is given.
        _ => Ok((0..node.texts(strings)?.len()).map(|i| i as f64).collect()),
    }
}

/// Label and scores: with the scores of one class of two, that of the other is what is left.
fn classified(
    ctx: &mut Lowering,
    node: &Node,
    scores: Value,
    labels: &[f64],
    binary: bool,
) -> Result<Vec<Value>, OpError> {
    let scores = shared(ctx, scores)?;
    let probabilities = transformed(ctx, node, scores.clone())?;
    let probabilities = shared(ctx, probabilities)?;
    let rows = scores.shape()[0];
    let (decided, both) = if binary {
        let logistic = node.text("post_transform", "NONE")? != "NONE";
        let threshold = if logistic { 0.0 } else { 0.5 };
        // Above the threshold it is the second class.
        let below = less(ctx, Value::Const(Tensor::float(vec![], vec![threshold])), scores)?;
        let other = affine(ctx, probabilities.clone(), -1.0, 1.0)?;
        let other = shared(ctx, other)?;
        let all = gather_all(ctx, vec![other, probabilities])?;
        let all = permute(ctx, reshaped(all, vec![2, rows]), &[1, 0])?;
        (reshaped(below, vec![rows]), all)
    } else {
        (winner(ctx, scores, false)?, probabilities)
    };
    let plain = labels.iter().enumerate().all(|(i, &l)| l == i as f64);
    let label = match plain {
        true => decided,
        false => {
            let hot = super::combination::one_hot(ctx, decided, labels.len())?;
            let k = labels.len();
            let taps: Vec<Vec<_>> = (0..rows)
                .map(|r| (0..k).map(|i| (r * k + i, labels[i])).collect())
                .collect();
            combine(ctx, hot, &taps, vec![rows])?
        }
    };
    Ok(vec![label, both])
}

pub(crate) fn classifier(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let labels = labels(node, "classlabels_int64s", "classlabels_strings")?;
    let ensemble = Ensemble::read(node, "class")?;
    // Two classes of which only one has weights: those are the second's.
    let ids = node.ints("class_ids")?.unwrap_or_default();
    let binary = labels.len() == 2 && ids.iter().all(|&i| i == ids[0]);
    if binary {
        let at = ids.first().copied().unwrap_or(0) as usize;
        let scores = ensemble.sums(ctx, node, x, at + 1)?;
        let rows = scores.shape()[0];
        let own: Vec<usize> = (0..rows).map(|r| r * (at + 1) + at).collect();
        let scores = pick(ctx, scores, vec![rows, 1], &own)?;
        let base = node.floats("base_values")?;
        let scores = match base.last() {
            Some(&b) => affine(ctx, scores, 1.0, b)?,
            None => scores,
        };
        return classified(ctx, node, scores, &labels, true);
    }
    let scores = ensemble.sums(ctx, node, x, labels.len())?;
    let scores = based(ctx, node, scores)?;
    classified(ctx, node, scores, &labels, false)
}

/// `X W^T + b`.
fn linear(ctx: &mut Lowering, node: &Node, x: Value, targets: usize) -> Result<Value, OpError> {
    let (x, _, width) = samples(x)?;
    let weights = node.floats("coefficients")?;
    if weights.len() != targets * width {
        return Err(node.attribute_error("coefficients", format!("{targets} times {width} numbers")));
    }
    let transposed = (0..width * targets)
        .map(|e| weights[e % targets * width + e / targets])
        .collect();
    let y = super::matmul::multiply(ctx, x, Value::Const(Tensor::float(vec![width, targets], transposed)))?;
    match node.floats("intercepts")? {
        [] => Ok(y),
        b if b.len() == targets => sum(ctx, y, Value::Const(Tensor::float(vec![targets], b.to_vec()))),
        _ => Err(node.attribute_error("intercepts", format!("{targets} numbers"))),
    }
}

pub(crate) fn linear_regressor(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let targets = usize::try_from(node.int("targets", 1)?).unwrap_or(1);
    let y = linear(ctx, node, x, targets)?;
    Ok(vec![transformed(ctx, node, y)?])
}

pub(crate) fn linear_classifier(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    node.int("multi_class", 0)?;
    let labels = labels(node, "classlabels_ints", "classlabels_strings")?;
    let (_, _, width) = samples(x.clone())?;
    let targets = node.floats("coefficients")?.len() / width.max(1);
    let scores = linear(ctx, node, x, targets)?;
    classified(ctx, node, scores, &labels, labels.len() == 2 && targets == 1)
}

pub(crate) fn scaler(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let width = x.shape().last().copied().unwrap_or(1);
    let list = |name: &str, default: f64| -> Result<Value, OpError> {
        let v = node.floats(name)?;
        match v.len() {
            0 => Ok(Value::Const(Tensor::float(vec![1], vec![default]))),
            n if n == width || n == 1 => Ok(Value::Const(Tensor::float(vec![n], v.to_vec()))),
            _ => Err(node.attribute_error(name, format!("{width} numbers"))),
        }
    };
    let (offset, scale) = (list("offset", 0.0)?, list("scale", 1.0)?);
    let d = super::primitive::difference(ctx, x, offset)?;
    Ok(vec![times(ctx, d, scale)?])
}
