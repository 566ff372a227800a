//! The pass over a graph: which value each name has, and the program that is left at the end.

use std::collections::HashMap;

use super::{Inputs, Lowering};
use crate::model::error::{Error, OpError, Result};
use crate::model::fixed::Scale;
use crate::model::graph::{Constant, Graph, Input, Node};
use crate::model::program::{Layer, Program, Source};
use crate::model::tensor::{Element, Tensor, elements};
use crate::model::value::{Affine, Value};
use crate::ops;

/// A lowered model.
pub(crate) struct Lowered {
    pub(crate) program: Program<f64>,
    /// Name, shape and type of each output.
    pub(crate) outputs: Vec<Input>,
    /// Multiplications by weights per inference.
    pub(crate) macs: u64,
}

/// The values, by name, of a graph being lowered.
struct Values<'a> {
    graph: &'a Graph,
    values: HashMap<&'a str, Value>,
    /// How many readers are left.
    uses: HashMap<&'a str, usize>,
    shapes: HashMap<&'a str, Vec<usize>>,
    types: HashMap<&'a str, Element>,
    /// Per value the model's inputs that it depends on, by index.
    origins: HashMap<&'a str, Vec<usize>>,
}

impl<'a> Values<'a> {
    /// The model's inputs and constants.
    fn new(graph: &'a Graph) -> Self {
        let mut all = Self {
            graph,
            values: HashMap::new(),
            uses: HashMap::new(),
            shapes: HashMap::new(),
            types: HashMap::new(),
            origins: HashMap::new(),
        };
        for name in &graph.outputs {
            *all.uses.entry(name).or_default() += 1;
        }
        for node in graph.nodes.iter().filter(|n| !ops::reads_shape_only(&n.op)) {
            for name in node.inputs.iter().flatten() {
                *all.uses.entry(name).or_default() += 1;
            }
        }
        let mut first = 0;
        for (i, input) in graph.inputs.iter().enumerate() {
            let size = input.shape.iter().product::<usize>() as u32;
            let sources = (first..first + size).map(Source::Input).collect();
            let value = Value::Affine(Affine::plain(input.shape.clone(), sources));
            all.define(&input.name, value, input.element, vec![i]);
            first += size;
        }
        for (name, Constant { tensor, element }) in &graph.initializers {
            all.define(name, Value::Const(tensor.clone()), *element, vec![]);
        }
        all
    }

    fn define(&mut self, name: &'a str, value: Value, element: Element, origins: Vec<usize>) {
        self.shapes.insert(name, value.shape().to_vec());
        self.types.insert(name, element);
        self.origins.insert(name, origins);
        if self.uses.get(name).copied().unwrap_or(0) > 0 {
            self.values.insert(name, value);
        }
    }

    /// A value for one of its readers.
    fn take(&mut self, name: &str) -> Option<Value> {
        let left = self.uses.get_mut(name)?;
        *left -= 1;
        match left {
            0 => self.values.remove(name),
            _ => self.values.get(name).cloned(),
        }
    }

    /// What a node reads of an input.
    fn read(&mut self, name: &str, node: &Node) -> Option<Value> {
        if !ops::reads_shape_only(&node.op) {
            return self.take(name);
        }
        let dims: Vec<i64> = self.shapes.get(name)?.iter().map(|&d| d as i64).collect();
        Some(Value::Const(Tensor::int(vec![dims.len()], dims)))
    }

    /// The model's inputs that a value depends on.
    fn origins(&self, name: &str) -> Vec<usize> {
        self.origins.get(name).cloned().unwrap_or_default()
    }

    /// An error of a node, which names the model's inputs that are not constant where they should be.
    fn error(&self, node: &Node, source: OpError) -> Error {
        let mut inputs = Vec::new();
        if let OpError::NotConstant { input, .. } = source {
            let name = node.inputs.get(input).and_then(Option::as_ref);
            let origins = name.map(|n| self.origins(n)).unwrap_or_default();
            inputs = origins.iter().map(|&i| self.graph.inputs[i].name.clone()).collect();
        }
        Error::Node {
            node: node.name.clone(),
            op: node.op.clone(),
            source: Box::new(source),
            inputs,
        }
    }
}

/// Lowers a graph.
///
/// # Errors
/// [`Error::UnsupportedOp`] and [`Error::Node`], naming the node.
pub(crate) fn lower(graph: &Graph) -> Result<Lowered> {
    let mut ctx = Lowering::default();
    let mut values = Values::new(graph);
    for node in &graph.nodes {
        let op = ops::find(&node.op).ok_or_else(|| Error::UnsupportedOp {
            node: node.name.clone(),
            op: node.op.clone(),
            supported: ops::names(),
        })?;
        let names = || node.inputs.iter().map(Option::as_deref);
        let inputs = names().map(|n| n.and_then(|n| values.read(n, node))).collect();
        ctx.node.clone_from(&node.name);
        ctx.types = names().map(|n| values.types.get(n?).copied()).collect();
        let mut origins: Vec<usize> = names().flatten().flat_map(|n| values.origins(n)).collect();
        origins.sort_unstable();
        origins.dedup();
        let outputs = op
            .lower(&mut ctx, node, Inputs(inputs))
            .map_err(|e| values.error(node, e))?;
        for (i, name) in node.outputs.iter().enumerate() {
            let Some(name) = name else { continue };
            let readers = values.uses.get(name.as_str()).copied().unwrap_or(0);
            let at_node = |source| values.error(node, source);
            let Some(mut value) = outputs.get(i).cloned() else {
                if readers == 0 {
                    continue;
                }
                return Err(at_node(OpError::Arity {
                    what: "outputs",
                    expected: outputs.len().to_string(),
                    got: node.outputs.len(),
                }));
            };
            if elements(value.shape()).map_err(at_node)? == 0 && !matches!(value, Value::Const(_)) {
                return Err(at_node(OpError::Unsupported {
                    what: "its output has no elements".into(),
                }));
            }
            if readers > 1 {
                value = ctx.share(value).map_err(at_node)?;
            }
            let origins = match value {
                Value::Const(_) => vec![],
                _ => origins.clone(),
            };
            values.define(name, value, op.element(i, &ctx, node), origins);
        }
    }
    finish(ctx, values)
}

/// Makes every element of every output the output of a layer.
fn finish(mut ctx: Lowering, mut values: Values<'_>) -> Result<Lowered> {
    let graph = values.graph;
    let node = graph.nodes.last().map_or("output", |n| n.name.as_str());
    let at_output = |source: OpError| Error::Node {
        node: node.into(),
        op: "output".into(),
        source: Box::new(source),
        inputs: vec![],
    };
    ctx.node = "output".into();
    ctx.types.clear();
    let (mut views, mut outputs) = (Vec::new(), Vec::new());
    for name in &graph.outputs {
        let value = values.take(name).ok_or_else(|| Error::Malformed {
            what: format!("output {name:?} has no value"),
        })?;
        outputs.push(Input {
            name: name.clone(),
            shape: value.shape().to_vec(),
            element: values.types.get(name.as_str()).copied().unwrap_or(Element::Float),
        });
        let mut view = ctx.operand(value).map_err(at_output)?;
        if !view.parts[0].sources.iter().all(|s| matches!(s, Source::Layer { .. })) {
            view = ctx.materialise(view.into_linear(ctx.node())).map_err(at_output)?;
        }
        views.push(view);
    }
    // All outputs have one scale.
    let together: Vec<_> = views.iter().flat_map(|v| &v.parts[0].sources).copied().collect();
    let mixed = ctx.is_mixed(&together);
    let mut sources = Vec::new();
    for mut view in views {
        if mixed {
            view = ctx.materialise(view.into_linear(ctx.node())).map_err(at_output)?;
        }
        sources.push(view.parts.swap_remove(0).sources);
    }
    let input_shape = match &graph.inputs[..] {
        [one] => one.shape.clone(),
        several => vec![several.iter().map(|i| i.shape.iter().product::<usize>()).sum()],
    };
    let output_shape = match &outputs[..] {
        [one] => one.shape.clone(),
        _ => vec![sources.iter().map(Vec::len).sum()],
    };
    // Integers are what they are: a commitment to those that one model gives is one to those that the next one takes. Where they are
    // read as one tensor with what is calibrated they are calibrated too.
    let integers = graph.inputs.iter().all(|input| !input.element.is_float());
    let result = sources.concat();
    let mixed = ctx
        .layers
        .iter()
        .flat_map(Layer::blocks)
        .any(|block| ctx.mixes_input(block));
    let input_scale = (integers && !mixed && !ctx.mixes_input(&result)).then_some(Scale(0));
    let program = Program {
        input_shape,
        input_scale,
        output_shape,
        layers: ctx.layers,
        functions: ctx.functions,
        outputs: result,
    };
    Ok(Lowered {
        program,
        outputs,
        macs: ctx.macs,
    })
}

impl ops::Op {
    /// Element type of output `i` of the node whose inputs the context has.
    fn element(&self, i: usize, ctx: &Lowering, node: &Node) -> Element {
        let rule = self.types.get(i).or(self.types.last());
        match rule {
            None => ctx.element(0),
            Some(ops::Type::Input(i)) => ctx.element(*i),
            Some(ops::Type::Is(element)) => *element,
            Some(ops::Type::By(rule)) => rule(node, ctx),
        }
    }

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
