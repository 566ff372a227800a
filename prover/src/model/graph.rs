//! A model's graph, independent of the file format it came from.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::error::{Error, OpError, Result};
use super::tensor::{Element, Tensor};

/// Inputs, outputs, and the nodes between them in topological order.
#[derive(Clone, Debug)]
pub(crate) struct Graph {
    pub(crate) inputs: Vec<Input>,
    /// Names of the outputs.
    pub(crate) outputs: Vec<String>,
    pub(crate) initializers: HashMap<String, Constant>,
    pub(crate) nodes: Vec<Node>,
}

/// An input of the model.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Input {
    /// Its name.
    pub name: String,
    /// Its shape, a symbolic batch axis being 1.
    pub shape: Vec<usize>,
    /// Type of its elements.
    pub element: Element,
}

/// A constant of the model.
#[derive(Clone, Debug)]
pub(crate) struct Constant {
    pub(crate) tensor: Tensor,
    pub(crate) element: Element,
}

/// One operator.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    /// The node's name, or its operator and output where it has none.
    pub(crate) name: String,
    /// The operator, with its domain (`domain::Op`) unless that is ONNX's own.
    pub(crate) op: String,
    /// Version of the operator set that it is from.
    pub(crate) opset: i64,
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
    Tensor(Tensor, Element),
    Ints(Vec<i64>),
    Floats(Vec<f64>),
    Texts(Vec<String>),
    /// A kind that no supported operator has, by name.
    Other(&'static str),
}

impl Attribute {
    fn describe(&self) -> String {
        match self {
            Self::Int(v) => v.to_string(),
            Self::Float(v) => v.to_string(),
            Self::Text(v) => format!("{v:?}"),
            Self::Tensor(t, _) => format!("a tensor of shape {:?}", t.shape),
            Self::Ints(v) => format!("{v:?}"),
            Self::Floats(v) => format!("{v:?}"),
            Self::Texts(v) => format!("{v:?}"),
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

    /// A list of floats; empty where there is none.
    pub(crate) fn floats(&self, name: &str) -> Result<&[f64], OpError> {
        match self.attributes.get(name) {
            None => Ok(&[]),
            Some(Attribute::Floats(v)) if v.iter().all(|x| x.is_finite()) => Ok(v),
            Some(_) => Err(self.attribute_error(name, "a list of finite floats")),
        }
    }

    /// A list of strings; empty where there is none.
    pub(crate) fn texts(&self, name: &str) -> Result<&[String], OpError> {
        match self.attributes.get(name) {
            None => Ok(&[]),
            Some(Attribute::Texts(v)) => Ok(v),
            Some(_) => Err(self.attribute_error(name, "a list of strings")),
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
        let given: HashSet<&str> = self
            .inputs
            .iter()
            .map(|i| i.name.as_str())
            .chain(self.initializers.keys().map(String::as_str))
            .collect();
        let mut producer = HashMap::new();
        for (i, node) in self.nodes.iter().enumerate() {
            for name in node.outputs.iter().flatten() {
                let taken = given.contains(name.as_str());
                if producer.insert(name.as_str(), i).is_some() || taken {
                    return Err(malformed(format!("the name {name:?} is defined twice")));
                }
            }
        }
        let (mut order, mut done, mut open) = (Vec::new(), HashSet::new(), HashSet::new());
        // Depth first without recursion: a node is pushed again, as finished, below the producers of its inputs.
        let outputs = self.outputs.iter().rev();
        let mut stack: Vec<_> = outputs.map(|o| (o.as_str(), "the model's output", false)).collect();
        while let Some((name, user, finished)) = stack.pop() {
            if given.contains(name) {
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
