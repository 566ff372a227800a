//! Lowering: a graph becomes a [`Program`] in one pass over its nodes, each handled by its operator in [`crate::ops`].
//!
//! Linear operators stay pending ([`Value::Linear`]) as long as one consumer alone reads them, so that what follows (a bias, a
//! batch normalisation, a residual sum, an activation, a pool) fuses into the same layer. Whatever must be read by position, or
//! more than once, is materialised: it becomes a layer.

use std::collections::HashMap;

use super::error::{Error, OpError, Result};
use super::graph::{Graph, Node};
use super::program::{Act, Layer, MAX_DIMS, Program, Source};
use super::tensor::{Tensor, elements};
use super::value::{Affine, Linear, Value};
use crate::ops;

/// The state of lowering: the layers so far.
#[derive(Debug, Default)]
pub(crate) struct Lowering {
    layers: Vec<Layer<f64>>,
    /// Name of the node being lowered.
    node: String,
    /// Multiplications by weights that the nodes so far stand for.
    macs: u64,
}

/// A node's inputs, to be taken one by one.
#[derive(Debug)]
pub(crate) struct Inputs(Vec<Option<Value>>);

impl Inputs {
    /// Number of inputs that the node lists, those left out in the middle included.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Input `i`, if it is there.
    pub(crate) fn optional(&mut self, i: usize) -> Option<Value> {
        self.0.get_mut(i).and_then(Option::take)
    }

    /// Input `i`, which has the given name in the specification.
    pub(crate) fn value(&mut self, i: usize, name: &'static str) -> Result<Value, OpError> {
        self.optional(i).ok_or(OpError::MissingInput { name })
    }

    /// Input `i`, if it is there; it must be a constant.
    pub(crate) fn optional_constant(&mut self, i: usize, name: &'static str) -> Result<Option<Tensor>, OpError> {
        match self.optional(i) {
            None => Ok(None),
            Some(Value::Const(t)) => Ok(Some(t)),
            Some(_) => Err(OpError::NotConstant { name }),
        }
    }

    /// Input `i`, which must be there and constant.
    pub(crate) fn constant(&mut self, i: usize, name: &'static str) -> Result<Tensor, OpError> {
        self.optional_constant(i, name)?.ok_or(OpError::MissingInput { name })
    }
}

impl Lowering {
    /// Name of the node being lowered, for the layers that it starts.
    pub(crate) fn node(&self) -> String {
        self.node.clone()
    }

    /// Counts multiplications by weights.
    pub(crate) fn count_macs(&mut self, n: usize) {
        self.macs = self.macs.saturating_add(n as u64);
    }

    /// Marks the current node as fused into `linear`.
    pub(crate) fn fuse(&self, linear: &mut Linear) {
        if linear.names.last() != Some(&self.node) {
            linear.names.push(self.node.clone());
        }
    }

    /// Makes a layer of a pending linear map; without an activation it is requantised.
    pub(crate) fn materialise(&mut self, mut linear: Linear) -> Result<Affine, OpError> {
        linear.simplify(MAX_DIMS)?;
        let layer = self.layers.len() as u32;
        let sources = linear
            .order
            .iter()
            .map(|&index| Source::Layer { layer, index })
            .collect();
        self.layers.push(Layer {
            name: linear.names.join(" + "),
            channels: linear.channels,
            dims: linear.dims,
            terms: linear.terms,
            bias: linear.bias,
            act: linear.act.unwrap_or(Act::Requant),
            ..Layer::default()
        });
        Ok(Affine::plain(linear.shape, sources))
    }

    /// The value as affine in what exists, materialising it if it is pending.
    pub(crate) fn affine(&mut self, value: Value) -> Result<Affine, OpError> {
        match value {
            Value::Const(t) => {
                let sources = t.floats("operand")?.into_iter().map(Source::Const).collect();
                Ok(Affine::plain(t.shape, sources))
            }
            Value::Affine(a) => Ok(a),
            Value::Linear(l) => self.materialise(l),
        }
    }

    /// The value as a pending linear map without an activation.
    pub(crate) fn linear(&mut self, value: Value) -> Result<Linear, OpError> {
        match value {
            Value::Linear(mut l) if l.act.is_none() => {
                self.fuse(&mut l);
                Ok(l)
            }
            other => Ok(self.affine(other)?.into_linear(self.node())),
        }
    }

    /// The value as one layer's output or the input, each element read with weight 1 and offset 0.
    pub(crate) fn view(&mut self, value: Value) -> Result<Affine, OpError> {
        let affine = self.affine(value)?;
        let plain = affine.parts.len() == 1
            && affine.offset.iter().all(|&o| o == 0.0)
            && affine.parts[0].weights.iter().all(|&w| w == 1.0);
        match plain {
            true => Ok(affine),
            false => self.materialise(affine.into_linear(self.node())),
        }
    }

    /// The value as affine, with weights and offsets that are the same within each run of `run(shape)` elements.
    pub(crate) fn uniform(&mut self, value: Value, run: usize) -> Result<Affine, OpError> {
        let affine = self.affine(value)?;
        match affine.uniform(run) {
            true => Ok(affine),
            false => self.materialise(affine.into_linear(self.node())),
        }
    }

    /// Whether a source can never be negative.
    pub(crate) fn is_nonnegative(&self, source: &Source<f64>) -> bool {
        match *source {
            Source::Input(_) => false,
            Source::Const(c) => c >= 0.0,
            Source::Layer { layer, .. } => {
                matches!(self.layers[layer as usize].act, Act::Relu | Act::MaxPool { relu: true })
            }
        }
    }

    /// Prepares a value that several nodes read: only what is free to read twice stays as it is.
    fn share(&mut self, value: Value) -> Result<Value, OpError> {
        match value {
            Value::Affine(a) if a.parts.len() > 1 => self.materialise(a.into_linear(self.node())).map(Value::Affine),
            Value::Linear(l) => self.materialise(l).map(Value::Affine),
            free => Ok(free),
        }
    }
}

/// A lowered model.
pub(crate) struct Lowered {
    pub(crate) program: Program<f64>,
    /// Multiplications by weights per inference.
    pub(crate) macs: u64,
}

/// Lowers a graph.
///
/// # Errors
/// [`Error::UnsupportedOp`] and [`Error::Node`], naming the node.
pub(crate) fn lower(graph: Graph) -> Result<Lowered> {
    let mut ctx = Lowering::default();
    let mut uses: HashMap<&str, usize> = HashMap::from([(graph.output.as_str(), 1)]);
    for node in graph.nodes.iter().filter(|n| !ops::reads_shape_only(&n.op)) {
        for name in node.inputs.iter().flatten() {
            *uses.entry(name).or_default() += 1;
        }
    }
    let mut shapes: HashMap<&str, Vec<usize>> = HashMap::new();
    let mut values: HashMap<&str, Value> = HashMap::new();
    let size = graph.input_shape.iter().product::<usize>() as u32;
    let input = Affine::plain(graph.input_shape.clone(), (0..size).map(Source::Input).collect());
    shapes.insert(&graph.input, graph.input_shape.clone());
    values.insert(&graph.input, Value::Affine(input));
    for (name, tensor) in &graph.initializers {
        shapes.insert(name, tensor.shape.clone());
        values.insert(name, Value::Const(tensor.clone()));
    }
    for node in &graph.nodes {
        let at_node = |source| Error::Node {
            node: node.name.clone(),
            op: node.op.clone(),
            source,
        };
        let op = ops::find(&node.op).ok_or_else(|| Error::UnsupportedOp {
            node: node.name.clone(),
            op: node.op.clone(),
            supported: ops::names(),
        })?;
        let mut take = |name: &str| {
            if ops::reads_shape_only(&node.op) {
                let dims: Vec<i64> = shapes.get(name)?.iter().map(|&d| d as i64).collect();
                return Some(Value::Const(Tensor::int(vec![dims.len()], dims)));
            }
            let left = uses.get_mut(name)?;
            *left -= 1;
            if *left == 0 {
                values.remove(name)
            } else {
                values.get(name).cloned()
            }
        };
        let inputs = Inputs(node.inputs.iter().map(|n| n.as_ref().and_then(|n| take(n))).collect());
        ctx.node.clone_from(&node.name);
        let outputs = op.lower(&mut ctx, node, inputs).map_err(at_node)?;
        for (i, name) in node.outputs.iter().enumerate() {
            let Some(name) = name else { continue };
            let readers = uses.get(name.as_str()).copied().unwrap_or(0);
            let Some(mut value) = outputs.get(i).cloned() else {
                if readers == 0 {
                    continue;
                }
                let expected = outputs.len().to_string();
                return Err(at_node(OpError::Arity {
                    what: "outputs",
                    expected,
                    got: node.outputs.len(),
                }));
            };
            if elements(value.shape()).map_err(at_node)? == 0 && !matches!(value, Value::Const(_)) {
                return Err(at_node(OpError::Unsupported {
                    what: "its output has no elements".into(),
                }));
            }
            shapes.insert(name, value.shape().to_vec());
            if readers > 1 {
                value = ctx.share(value).map_err(at_node)?;
            }
            if readers > 0 {
                values.insert(name, value);
            }
        }
    }
    finish(ctx, &graph, values.remove(graph.output.as_str()))
}

/// Makes every element of the output the output of a layer.
fn finish(mut ctx: Lowering, graph: &Graph, output: Option<Value>) -> Result<Lowered> {
    let Some(output @ (Value::Affine(_) | Value::Linear(_))) = output else {
        return Err(Error::Unsupported {
            what: "its output does not depend on its input".into(),
        });
    };
    let node = graph.nodes.last().map_or("output", |n| n.name.as_str());
    let at_output = |source| Error::Node {
        node: node.into(),
        op: "output".into(),
        source,
    };
    ctx.node = "output".into();
    let mut view = ctx.view(output).map_err(at_output)?;
    if !view.parts[0].sources.iter().all(|s| matches!(s, Source::Layer { .. })) {
        view = ctx.materialise(view.into_linear(ctx.node())).map_err(at_output)?;
    }
    let program = Program {
        input_shape: graph.input_shape.clone(),
        output_shape: view.shape,
        layers: ctx.layers,
        outputs: view.parts.swap_remove(0).sources,
        ..Program::default()
    };
    Ok(Lowered {
        program,
        macs: ctx.macs,
    })
}

impl ops::Op {
    fn lower(&self, ctx: &mut Lowering, node: &Node, inputs: Inputs) -> Result<Vec<Value>, OpError> {
        if let Some(name) = node
            .attributes
            .keys()
            .find(|name| !self.attributes.contains(&name.as_str()))
        {
            let expected = match self.attributes {
                [] => "no attributes".to_owned(),
                known => format!("one of {}", known.join(", ")),
            };
            return Err(node.attribute_error(name, expected));
        }
        let (min, max) = self.inputs;
        if inputs.len() < min || inputs.len() > max {
            let expected = if min == max {
                min.to_string()
            } else {
                format!("{min} to {max}")
            };
            return Err(OpError::Arity {
                what: "inputs",
                expected,
                got: inputs.len(),
            });
        }
        (self.lower)(ctx, node, inputs)
    }
}
