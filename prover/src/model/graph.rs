//! A model's graph, independent of the file format it came from.

use std::collections::{HashMap, HashSet};

use super::error::{Error, OpError, Result};
use super::tensor::Tensor;

/// One input, one output, and the nodes between them in topological order.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    pub(crate) input: String,
    /// Shape of the input, a symbolic batch axis being 1.
    pub(crate) input_shape: Vec<usize>,
    pub(crate) output: String,
    pub(crate) initializers: HashMap<String, Tensor>,
    pub(crate) nodes: Vec<Node>,
}

/// One operator.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The node's name, or its operator and output where it has none.
    pub(crate) name: String,
    /// The operator, with its domain (`domain::Op`) unless that is ONNX's own.
    pub(crate) op: String,
    /// Names of the inputs; `None` where an optional one is left out.
    pub(crate) inputs: Vec<Option<String>>,
    /// Names of the outputs; `None` where an optional one is left out.
    pub(crate) outputs: Vec<Option<String>>,
    pub(crate) attributes: HashMap<String, Attribute>,
}

/// A node's attribute.
#[derive(Clone, Debug)]
pub(crate) enum Attribute {
    Int(i64),
    Float(f64),
    Text(String),
    Tensor(Tensor),
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    /// A kind that no supported operator has, by name.
    Other(&'static str),
}

impl Attribute {
    fn describe(&self) -> String {
        match self {
            Self::Int(v) => v.to_string(),
            Self::Float(v) => v.to_string(),
            Self::Text(v) => format!("{v:?}"),
            Self::Tensor(t) => format!("a tensor of shape {:?}", t.shape),
            Self::Ints(v) => format!("{v:?}"),
            Self::Floats(v) => format!("{v:?}"),
            Self::Other(kind) => format!("a {kind}"),
        }
    }
}

impl Node {
    /// An attribute with a value that is wrong or not supported.
    pub(crate) fn attribute_error(&self, name: &str, expected: impl Into<String>) -> OpError {
        OpError::Attribute {
            name: name.into(),
            expected: expected.into(),
            got: self
                .attributes
                .get(name)
                .map_or_else(|| "nothing".into(), Attribute::describe),
        }
    }

    /// An integer attribute, or `default` where there is none.
    pub(crate) fn int(&self, name: &str, default: i64) -> Result<i64, OpError> {
        match self.attributes.get(name) {
            None => Ok(default),
            Some(Attribute::Int(v)) => Ok(*v),
            Some(_) => Err(self.attribute_error(name, "an integer")),
        }
    }

    /// A flag: an integer attribute that is 0 or 1.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool, OpError> {
        match self.int(name, default.into())? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.attribute_error(name, "0 or 1")),
        }
    }

    /// A finite float attribute, or `default` where there is none.
    pub(crate) fn float(&self, name: &str, default: f64) -> Result<f64, OpError> {
        match self.attributes.get(name) {
            None => Ok(default),
            Some(Attribute::Float(v)) if v.is_finite() => Ok(*v),
            Some(_) => Err(self.attribute_error(name, "a finite float")),
        }
    }

    /// A list of integers, where there is one.
    pub(crate) fn ints(&self, name: &str) -> Result<Option<&[i64]>, OpError> {
        match self.attributes.get(name) {
            None => Ok(None),
            Some(Attribute::Ints(v)) => Ok(Some(v)),
            Some(_) => Err(self.attribute_error(name, "a list of integers")),
        }
    }

    /// A text attribute, or `default` where there is none.
    pub(crate) fn text<'a>(&'a self, name: &str, default: &'a str) -> Result<&'a str, OpError> {
        match self.attributes.get(name) {
            None => Ok(default),
            Some(Attribute::Text(v)) => Ok(v),
            Some(_) => Err(self.attribute_error(name, "a string")),
        }
    }
}

impl Graph {
    /// Puts the nodes in topological order and drops those that the output does not depend on.
    ///
    /// # Errors
    /// [`Error::Malformed`] when a name is defined twice or not at all, or when nodes depend on each other in a circle.
    pub(crate) fn sort(mut self) -> Result<Self> {
        let malformed = |what: String| Error::Malformed { what };
        let mut producer = HashMap::new();
        for (i, node) in self.nodes.iter().enumerate() {
            for name in node.outputs.iter().flatten() {
                let taken = name == &self.input || self.initializers.contains_key(name);
                if producer.insert(name.as_str(), i).is_some() || taken {
                    return Err(malformed(format!("the name {name:?} is defined twice")));
                }
            }
        }
        let (mut order, mut done, mut open) = (Vec::new(), HashSet::new(), HashSet::new());
        // Depth first without recursion: a node is pushed again, as finished, below the producers of its inputs.
        let mut stack = vec![(self.output.as_str(), "the model's output", false)];
        while let Some((name, user, finished)) = stack.pop() {
            if name == self.input || self.initializers.contains_key(name) {
                continue;
            }
            let &i = producer
                .get(name)
                .ok_or_else(|| malformed(format!("{user} refers to {name:?}, which nothing defines")))?;
            if finished {
                if done.insert(i) {
                    order.push(i);
                }
                continue;
            }
            if done.contains(&i) {
                continue;
            }
            if !open.insert(i) {
                return Err(malformed(format!(
                    "node {} depends on its own output",
                    self.nodes[i].name
                )));
            }
            stack.push((name, user, true));
            let node = &self.nodes[i];
            stack.extend(
                node.inputs
                    .iter()
                    .flatten()
                    .map(|input| (input.as_str(), node.name.as_str(), false)),
            );
        }
        let mut nodes: Vec<Option<Node>> = std::mem::take(&mut self.nodes).into_iter().map(Some).collect();
        self.nodes = order.into_iter().filter_map(|i| nodes[i].take()).collect();
        Ok(self)
    }
}
