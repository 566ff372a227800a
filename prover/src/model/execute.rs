//! Runs a program: in floats for calibration, and exactly as it is proven.

mod exact;
mod float;
#[cfg(test)]
mod tests;

use super::error::{Error, Result};
use super::fixed::Limbs;
use super::program::{Act, Layer, Program, Source, Term};
use exact::Exact;
use float::Float;

/// Every value of one inference.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace<W> {
    /// Pre-activations per layer, `(channel, positions...)` row-major, a pool's window included. For a layer without a linear map
    /// what its operands give before it is rounded.
    pub pre: Vec<Vec<W>>,
    /// Outputs per layer, `(channel, positions...)` row-major.
    pub out: Vec<Vec<W>>,
    /// The output tensor, row-major.
    pub outputs: Vec<W>,
}

/// Runs a program in floats. Only layers whose scale the model fixes are rounded.
///
/// # Errors
/// [`Error::Length`] for an input of the wrong length, [`Error::Program`] for a program that breaks its rules.
pub fn float(program: &Program<f64>, input: &[f64]) -> Result<Trace<f64>> {
    run(&Float(program), program, input)
}

/// Runs a quantised program as it is proven: exact integers, each activation as its slot's gates define it.
///
/// # Errors
/// [`Error::Range`] when the input or a pre-activation does not fit the limbs, or an assertion does not hold, and those of
/// [`float`()].
pub fn exact(program: &Program<i64>, limbs: &Limbs, input: &[i64]) -> Result<Trace<i64>> {
    if !input.iter().all(|&x| limbs.holds_signed(x)) {
        return Err(Error::Range {
            layer: "input".into(),
            what: "a value",
        });
    }
    run(&Exact { program, limbs }, program, input)
}

/// Numbers that a program computes with.
trait Number: Copy + Default {
    fn add_product(self, a: Self, b: Self) -> Self;
}

/// How the layers are computed.
trait Arithmetic {
    type Value: Number;
    /// Pre-activations of a layer with a linear map.
    fn linear(&self, layer: &Layer<Self::Value>, values: Values<'_, Self::Value>) -> Result<Vec<Self::Value>>;
    /// What the operands of a layer without a linear map give.
    fn combine(&self, layer: &Layer<Self::Value>, operands: &[Vec<Self::Value>]) -> Result<Vec<Self::Value>>;
    /// Outputs from either.
    fn activate(&self, layer: &Layer<Self::Value>, pre: &[Self::Value]) -> Result<Vec<Self::Value>>;
}

/// What can be read: the input and the outputs of earlier layers.
#[derive(Clone, Copy)]
struct Values<'a, W> {
    input: &'a [W],
    out: &'a [Vec<W>],
}

impl<W: Number> Values<'_, W> {
    fn read(&self, source: &Source<W>) -> W {
        match *source {
            Source::Input(i) => self.input[i as usize],
            Source::Layer { layer, index } => self.out[layer as usize][index as usize],
            Source::Const(c) => c,
        }
    }

    fn read_all(&self, sources: &[Source<W>]) -> Vec<W> {
        sources.iter().map(|s| self.read(s)).collect()
    }
}

fn run<A: Arithmetic>(arithmetic: &A, program: &Program<A::Value>, input: &[A::Value]) -> Result<Trace<A::Value>> {
    let expected = program.input_len();
    if input.len() != expected {
        return Err(Error::Length {
            what: "input".into(),
            expected,
            got: input.len(),
        });
    }
    program.validate()?;
    let mut trace = Trace {
        pre: Vec::new(),
        out: Vec::new(),
        outputs: Vec::new(),
    };
    for layer in &program.layers {
        let values = Values { input, out: &trace.out };
        let pre = if layer.operands.is_empty() {
            arithmetic.linear(layer, values)?
        } else {
            let operands: Vec<_> = layer.operands.iter().map(|o| values.read_all(o)).collect();
            arithmetic.combine(layer, &operands)?
        };
        let out = match layer.act {
            // Nothing reads what is only asserted.
            Act::Zero => arithmetic.activate(layer, &pre).map(|_| Vec::new())?,
            _ => arithmetic.activate(layer, &pre)?,
        };
        trace.out.push(out);
        trace.pre.push(pre);
    }
    let values = Values { input, out: &trace.out };
    trace.outputs = values.read_all(&program.outputs);
    Ok(trace)
}

/// A layer's linear map, what is read and the weights lifted to `N`.
fn pre_activations<W: Number, N: Number>(layer: &Layer<W>, values: Values<'_, W>, lift: impl Fn(W) -> N) -> Vec<N> {
    let positions = layer.positions();
    let mut pre: Vec<N> = layer
        .bias
        .iter()
        .flat_map(|&b| std::iter::repeat_n(lift(b), positions))
        .collect();
    for Term { block, strides, taps } in &layer.terms {
        let block: Vec<N> = block.iter().map(|s| lift(values.read(s))).collect();
        let mut offsets = vec![0];
        for (&count, &stride) in layer.dims.iter().zip(strides) {
            offsets = offsets
                .iter()
                .flat_map(|&o| (0..count).map(move |i| o + i * stride))
                .collect();
        }
        for (pre, taps) in pre.chunks_exact_mut(positions).zip(taps) {
            for &(slot, w) in taps {
                let (block, w) = (&block[slot as usize..], lift(w));
                pre.iter_mut()
                    .zip(&offsets)
                    .for_each(|(u, &o)| *u = u.add_product(w, block[o]));
            }
        }
    }
    pre
}

/// `sum_k left[b, i, k] right[b, k, j]` for every `(i, b, j)`, the operands lifted to `N`.
fn matrix_product<W: Number, N: Number>(layer: &Layer<W>, operands: &[Vec<W>], lift: impl Fn(W) -> N) -> Vec<N> {
    let (inner, columns) = (layer.inner(), layer.dims[1]);
    let mut out = Vec::with_capacity(layer.channels * layer.positions());
    for i in 0..layer.channels {
        for b in 0..layer.dims[0] {
            for j in 0..columns {
                let term = |k: usize| {
                    let left = operands[0][(b * layer.channels + i) * inner + k];
                    (lift(left), lift(operands[1][(b * inner + k) * columns + j]))
                };
                out.push(
                    (0..inner)
                        .map(term)
                        .fold(N::default(), |sum, (l, r)| sum.add_product(l, r)),
                );
            }
        }
    }
    out
}
