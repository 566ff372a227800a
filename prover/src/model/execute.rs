//! Runs a program: in floats for calibration, and exactly as it is proven.

use super::error::{Error, Result};
use super::fixed::Limbs;
use super::program::{Act, Layer, Program, Source};

/// Every value of one inference.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace<W> {
    /// Pre-activations per layer, `(channel, positions...)` row-major, a pool's window included.
    pub pre: Vec<Vec<W>>,
    /// Outputs per layer, `(channel, positions...)` row-major.
    pub out: Vec<Vec<W>>,
    /// The output tensor, row-major.
    pub outputs: Vec<W>,
}

/// Runs a program in floats, without requantisation.
///
/// # Errors
/// [`Error::Length`] for an input of the wrong length, [`Error::Program`] for a program that breaks its rules.
pub fn float(program: &Program<f64>, input: &[f64]) -> Result<Trace<f64>> {
    run(program, input, |layer, pre| {
        Ok(match layer.act {
            Act::Requant => pre.to_vec(),
            Act::Relu => pre.iter().map(|u| u.max(0.0)).collect(),
            Act::MaxPool { relu } => {
                let least = if relu { 0.0 } else { f64::NEG_INFINITY };
                pre.chunks_exact(layer.window())
                    .map(|w| w.iter().copied().fold(least, f64::max))
                    .collect()
            }
        })
    })
}

/// Runs a quantised program as it is proven: exact integers, each activation as its slot's gates define it.
///
/// # Errors
/// [`Error::Range`] when the input or a pre-activation does not fit the limbs, and those of [`float`].
pub fn exact(program: &Program<i64>, limbs: &Limbs, input: &[i64]) -> Result<Trace<i64>> {
    if !input.iter().all(|&x| limbs.holds_signed(x)) {
        return Err(Error::Range {
            layer: "input".into(),
            what: "a value",
        });
    }
    run(program, input, |layer, pre| {
        let range = |what| Error::Range {
            layer: layer.name.clone(),
            what,
        };
        let activate = |window: &[i64]| activation(layer.act, limbs, window).ok_or_else(|| range("an activation"));
        pre.chunks_exact(layer.window()).map(activate).collect()
    })
}

/// The activation of one window (of one element, but for a pool), unless it does not fit the limbs.
fn activation(act: Act, limbs: &Limbs, window: &[i64]) -> Option<i64> {
    let (low, high) = window
        .iter()
        .fold((i64::MAX, i64::MIN), |(l, h), &u| (l.min(u), h.max(u)));
    let y = match act {
        Act::Requant => return Some(limbs.round(high)).filter(|&y| limbs.holds_signed(y)),
        Act::Relu => {
            return Some(limbs.round(high))
                .filter(|y| y.abs() < limbs.hi_range())
                .map(|y| y.max(0));
        }
        Act::MaxPool { relu } => {
            let top = if relu { high.max(0) } else { high };
            // Each element's distance from the maximum is written with all limbs.
            top.checked_sub(low).filter(|d| d >> limbs.shift() < limbs.hi_range())?;
            limbs.round(top)
        }
    };
    let fits = if act == (Act::MaxPool { relu: true }) {
        y < limbs.hi_range()
    } else {
        limbs.holds_signed(y)
    };
    fits.then_some(y)
}

/// Numbers that a program computes with.
trait Number: Copy + Default {
    fn add_product(self, a: Self, b: Self) -> Self;
}

impl Number for f64 {
    fn add_product(self, a: f64, b: f64) -> f64 {
        self + a * b
    }
}

impl Number for i64 {
    /// Modulo 2^64: where the interval analysis has passed, the result is exact whatever the partial sums.
    fn add_product(self, a: i64, b: i64) -> i64 {
        self.wrapping_add(a.wrapping_mul(b))
    }
}

fn run<W: Number>(
    program: &Program<W>,
    input: &[W],
    activate: impl Fn(&Layer<W>, &[W]) -> Result<Vec<W>>,
) -> Result<Trace<W>> {
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
        let pre = pre_activations(layer, input, &trace.out);
        trace.out.push(activate(layer, &pre)?);
        trace.pre.push(pre);
    }
    trace.outputs = program.outputs.iter().map(|s| read(s, input, &trace.out)).collect();
    Ok(trace)
}

fn read<W: Number>(source: &Source<W>, input: &[W], out: &[Vec<W>]) -> W {
    match *source {
        Source::Input(i) => input[i as usize],
        Source::Layer { layer, index } => out[layer as usize][index as usize],
        Source::Const(c) => c,
    }
}

fn pre_activations<W: Number>(layer: &Layer<W>, input: &[W], out: &[Vec<W>]) -> Vec<W> {
    let positions = layer.positions();
    let mut pre: Vec<W> = layer
        .bias
        .iter()
        .flat_map(|&b| std::iter::repeat_n(b, positions))
        .collect();
    for term in &layer.terms {
        let block: Vec<W> = term.block.iter().map(|s| read(s, input, out)).collect();
        let mut offsets = vec![0];
        for (&count, &stride) in layer.dims.iter().zip(&term.strides) {
            offsets = offsets
                .iter()
                .flat_map(|&o| (0..count).map(move |i| o + i * stride))
                .collect();
        }
        for (pre, taps) in pre.chunks_exact_mut(positions).zip(&term.taps) {
            for &(slot, w) in taps {
                let block = &block[slot as usize..];
                pre.iter_mut()
                    .zip(&offsets)
                    .for_each(|(u, &o)| *u = u.add_product(w, block[o]));
            }
        }
    }
    pre
}
