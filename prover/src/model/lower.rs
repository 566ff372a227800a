//! Lowering: a graph becomes a [`Program`] in one pass over its nodes, each handled by its operator in [`crate::ops`].
//!
//! Linear operators stay pending ([`Value::Linear`]) as long as one consumer alone reads them, so that what follows (a bias, a
//! batch normalisation, a residual sum, an activation, a pool) fuses into the same layer. Whatever must be read by position, or
//! more than once, is materialised: it becomes a layer.

mod graph;

use super::curve::Curve;
use super::error::{OpError, Result};
use super::fixed::Scale;
use super::program::{Act, Composite, Function, INFERENCE_DIMS, Layer, Source, Term};
use super::tensor::{Element, Tensor, elements};
use super::value::{Affine, Linear, Part, Value};
pub(crate) use graph::lower;

/// The state of lowering: the layers so far.
#[derive(Debug, Default)]
pub(crate) struct Lowering {
    layers: Vec<Layer<f64>>,
    functions: Vec<Function<f64>>,
    /// Per layer whether no output can be negative.
    nonnegative: Vec<bool>,
    /// Name of the node being lowered.
    node: String,
    /// Element types of its inputs, `None` where one is left out.
    types: Vec<Option<Element>>,
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
            Some(_) => Err(OpError::NotConstant { name, input: i }),
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

    /// Element type of the current node's input `i`; floats where it has none.
    pub(crate) fn element(&self, i: usize) -> Element {
        self.types.get(i).copied().flatten().unwrap_or(Element::Float)
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
    ///
    /// # Errors
    /// [`OpError::Constant`] for weights that are not finite.
    pub(crate) fn materialise(&mut self, linear: Linear) -> Result<Affine, OpError> {
        self.scaled(linear, None)
    }

    /// Makes a layer of a pending linear map whose outputs are rounded to integers.
    pub(crate) fn integer(&mut self, linear: Linear) -> Result<Affine, OpError> {
        self.scaled(linear, Some(Scale(0)))
    }

    fn scaled(&mut self, mut linear: Linear, scale: Option<Scale>) -> Result<Affine, OpError> {
        linear.simplify(INFERENCE_DIMS)?;
        let mut weights = linear.terms.iter().flat_map(|t| t.taps.iter().flatten()).map(|t| t.1);
        if !weights.all(f64::is_finite) || !linear.bias.iter().all(|b| b.is_finite()) {
            return Err(OpError::Constant {
                name: "operand",
                problem: "holds a value that is not finite",
            });
        }
        let sources = |index: &u32| (self.layers.len() as u32, *index);
        let sources: Vec<_> = linear
            .order
            .iter()
            .map(sources)
            .map(|(layer, index)| Source::Layer { layer, index })
            .collect();
        let terms = linear.terms.into_iter().flat_map(|t| self.split_by_scale(t)).collect();
        self.push(Layer {
            name: linear.names.join(" + "),
            channels: linear.channels,
            dims: linear.dims,
            terms,
            bias: linear.bias,
            act: linear.act.unwrap_or(Act::Requant),
            scale,
            ..Layer::default()
        });
        Ok(Affine::plain(linear.shape, sources))
    }

    /// Makes a layer that reads operands element by element: `channels` times the positions `dims`.
    pub(crate) fn pairs(
        &mut self,
        act: Act,
        channels: usize,
        dims: Vec<usize>,
        operands: Vec<Affine>,
    ) -> Result<Affine, OpError> {
        let layer = self.layers.len() as u32;
        let count = elements(&[channels, dims.iter().product()])?;
        let mut operands = operands;
        self.push(Layer {
            name: self.node(),
            channels,
            dims,
            act,
            operands: operands.iter_mut().map(|o| o.parts.swap_remove(0).sources).collect(),
            ..Layer::default()
        });
        let sources = (0..count as u32).map(|index| Source::Layer { layer, index });
        Ok(Affine::plain(vec![count], sources.collect()))
    }

    fn push(&mut self, layer: Layer<f64>) {
        let reads = |layer: &Layer<f64>| {
            let taps = layer.terms.iter().flat_map(|t| t.taps.iter().flatten());
            taps.map(|t| t.1).all(|w| w >= 0.0)
                && layer.bias.iter().all(|&b| b >= 0.0)
                && layer.sources().all(|s| self.is_nonnegative(s))
        };
        let known = match layer.act {
            Act::Relu | Act::MaxPool { relu: true } | Act::Composite(Composite::Negative) => true,
            Act::Composite(Composite::SquareRoot | Composite::ReciprocalSquareRoot) => true,
            Act::Function(f) => match self.functions.get(f as usize) {
                Some(Function::Curve(curve)) => matches!(
                    curve,
                    Curve::Exp | Curve::Sigmoid | Curve::Softplus | Curve::Sqrt | Curve::Reciprocal
                ),
                _ => false,
            },
            _ => reads(&layer),
        };
        self.nonnegative.push(known);
        self.layers.push(layer);
    }

    /// The act that looks up a curve.
    pub(crate) fn function(&mut self, curve: Curve) -> Act {
        let wanted = Function::Curve(curve);
        let known = self.functions.iter().position(|f| *f == wanted);
        let at = known.unwrap_or(self.functions.len());
        if known.is_none() {
            self.functions.push(wanted);
        }
        Act::Function(at as u32)
    }

    /// The scale of a source where it is fixed.
    fn fixed(&self, source: &Source<f64>) -> Option<Option<Scale>> {
        match *source {
            Source::Const(_) => None,
            Source::Input(_) => Some(None),
            Source::Layer { layer, .. } => {
                let layer = &self.layers[layer as usize];
                Some(match layer.act {
                    Act::Composite(Composite::Negative) => Some(Scale(0)),
                    _ => layer.scale,
                })
            }
        }
    }

    /// Whether values of fixed scales stand among others.
    fn is_mixed(&self, sources: &[Source<f64>]) -> bool {
        let mut scales = sources.iter().filter_map(|s| self.fixed(s));
        let first = scales.next();
        scales.any(|s| Some(s) != first)
    }

    /// Whether the input is among these values beside some whose scale is not fixed.
    fn mixes_input(&self, sources: &[Source<f64>]) -> bool {
        let calibrated = |s: &Source<f64>| matches!(s, Source::Layer { .. }) && self.fixed(s) == Some(None);
        sources.iter().any(|s| matches!(s, Source::Input(_))) && sources.iter().any(calibrated)
    }

    /// A term per scale, so that integers stay integers beside what is calibrated.
    fn split_by_scale(&self, term: Term<f64>) -> Vec<Term<f64>> {
        if !self.is_mixed(&term.block) {
            return vec![term];
        }
        let mut scales: Vec<Option<Scale>> = term.block.iter().filter_map(|s| self.fixed(s)).collect();
        scales.sort_unstable();
        scales.dedup();
        let of = |scale: &Option<Scale>| {
            let keep = |s: &Source<f64>| match self.fixed(s) {
                Some(own) if own == *scale => *s,
                None if *scale == scales[0] => *s,
                _ => Source::Const(0.0),
            };
            Term {
                block: term.block.iter().map(keep).collect(),
                ..term.clone()
            }
        };
        scales.iter().map(of).collect()
    }

    /// The value as what a product can read: existing values of one scale, with weight 1 and offset 0.
    pub(crate) fn operand(&mut self, value: Value) -> Result<Affine, OpError> {
        let view = self.view(value)?;
        match self.is_mixed(&view.parts[0].sources) {
            false => Ok(view),
            true => self.materialise(view.into_linear(self.node())),
        }
    }

    /// The value as affine in what exists, materialising it if it is pending.
    pub(crate) fn affine(&mut self, value: Value) -> Result<Affine, OpError> {
        match value {
            Value::Const(t) => {
                let values = t.to_floats();
                if values.iter().any(|v| v.is_nan()) {
                    t.floats("operand")?;
                }
                // An infinity is no source; as an offset it is known to whoever can leave it out.
                let offset = values.iter().map(|v| if v.is_finite() { 0.0 } else { *v }).collect();
                let source = |v: f64| Source::Const(if v.is_finite() { v } else { 0.0 });
                let mut affine = Affine::plain(t.shape, values.into_iter().map(source).collect());
                affine.offset = offset;
                Ok(affine)
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
            Source::Layer { layer, .. } => self.nonnegative[layer as usize],
        }
    }

    /// Whether no element can be negative.
    pub(crate) fn is_nonnegative_value(&self, value: &Value) -> bool {
        let Value::Affine(a) = value else { return false };
        let part = |p: &Part| p.weights.iter().all(|&w| w >= 0.0) && p.sources.iter().all(|s| self.is_nonnegative(s));
        a.offset.iter().all(|&o| o >= 0.0) && a.parts.iter().all(part)
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
