//! A program cut at tensors into programs that follow each other.

use std::collections::BTreeMap;
use std::ops::Range;

use super::program::{Act, Layer, Program, Source, Term};

/// Where a program can be cut, and what crosses there.
pub struct Cuts<'a, W> {
    program: &'a Program<W>,
    /// Every value that is read, and the last layer that reads it: the number of layers for one that is an output.
    last: BTreeMap<Value, usize>,
}

/// The input's elements stand first, then the layers' in order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Value {
    /// 0 for the input, one more than the layer's number for a layer.
    node: u32,
    index: u32,
}

impl Value {
    fn of<W>(source: &Source<W>) -> Option<Self> {
        match *source {
            Source::Input(index) => Some(Self { node: 0, index }),
            Source::Layer { layer, index } => Some(Self { node: layer + 1, index }),
            Source::Const(_) => None,
        }
    }
}

impl<'a, W: Copy> Cuts<'a, W> {
    /// Of this program.
    pub fn new(program: &'a Program<W>) -> Self {
        let mut last = BTreeMap::new();
        for (i, layer) in program.layers.iter().enumerate() {
            last.extend(layer.sources().filter_map(Value::of).map(|value| (value, i)));
        }
        let outputs = program.outputs.iter().filter_map(Value::of);
        last.extend(outputs.map(|value| (value, program.layers.len())));
        Self { program, last }
    }

    /// The values that cross between the layers before `at` and those from there on; `None` if a raw one does, which no slot of
    /// an input holds.
    fn crossing(&self, at: usize) -> Option<Vec<Value>> {
        let before = self.last.iter().take_while(|(value, _)| (value.node as usize) <= at);
        let crossing: Vec<Value> = before
            .filter(|(_, last)| **last >= at)
            .map(|(value, _)| *value)
            .collect();
        let raw = |value: &Value| {
            let layer = (value.node as usize).checked_sub(1);
            layer.is_some_and(|layer| self.program.layers[layer].act.is_raw())
        };
        (!crossing.iter().any(raw)).then_some(crossing)
    }

    /// The layers of `range` as a program of its own, whose input is what the layers before give and whose output is what those
    /// behind read. Values that only pass by are in both. `None` where it cannot be cut.
    pub fn piece(&self, range: Range<usize>) -> Option<Program<W>> {
        let whole = self.program;
        let (first, last) = (range.start == 0, range.end == whole.layers.len());
        let inputs = match first {
            true => (0..whole.input_len() as u32)
                .map(|index| Value { node: 0, index })
                .collect(),
            false => self.crossing(range.start)?,
        };
        let mut functions: Vec<u32> = Vec::new();
        let piece = Piece {
            start: range.start,
            inputs: &inputs,
        };
        let mut layers: Vec<Layer<W>> = whole.layers[range.clone()].iter().map(|l| piece.layer(l)).collect();
        for layer in &mut layers {
            if let Act::Function(function) = &mut layer.act {
                let known = functions.iter().position(|f| f == function);
                let place = known.unwrap_or(functions.len());
                if known.is_none() {
                    functions.push(*function);
                }
                *function = place as u32;
            }
        }
        let outputs: Vec<Source<W>> = match last {
            true => whole.outputs.iter().map(|s| piece.source(s)).collect(),
            false => self.crossing(range.end)?.into_iter().map(|v| piece.value(v)).collect(),
        };
        Some(Program {
            input_shape: if first {
                whole.input_shape.clone()
            } else {
                vec![inputs.len()]
            },
            output_shape: if last {
                whole.output_shape.clone()
            } else {
                vec![outputs.len()]
            },
            input_scale: whole.input_scale.filter(|_| first),
            layers,
            functions: functions.iter().map(|f| whole.functions[*f as usize].clone()).collect(),
            outputs,
        })
    }
}

impl<W: Copy> Program<W> {
    /// The same program with layers of many channels as several layers of fewer, so that there are more places to cut it: `parts` says
    /// into how many, which is more than one only where each channel is computed by itself.
    #[must_use]
    pub fn split(&self, parts: impl Fn(&Layer<W>) -> usize) -> Self {
        let mut layers: Vec<Layer<W>> = Vec::with_capacity(self.layers.len());
        // Per layer its outputs a channel, and per part its first channel and its place.
        let mut places: Vec<(usize, Vec<(usize, u32)>)> = Vec::with_capacity(self.layers.len());
        let source = |places: &[(usize, Vec<(usize, u32)>)], source: &Source<W>| match *source {
            Source::Layer { layer, index } => {
                let (per_channel, parts) = &places[layer as usize];
                let part = parts.partition_point(|(first, _)| first * per_channel <= index as usize) - 1;
                let (first, layer) = parts[part];
                let index = index - (first * per_channel) as u32;
                Source::Layer { layer, index }
            }
            other => other,
        };
        for layer in &self.layers {
            let renamed = |sources: &[Source<W>]| sources.iter().map(|s| source(&places, s)).collect::<Vec<_>>();
            let separate = layer.operands.is_empty();
            let count = if separate {
                parts(layer).clamp(1, layer.channels)
            } else {
                1
            };
            let mut own = Vec::with_capacity(count);
            let mut made = Vec::with_capacity(count);
            for part in 0..count {
                let channels = layer.channels * part / count..layer.channels * (part + 1) / count;
                own.push((channels.start, (layers.len() + part) as u32));
                let term = |term: &Term<W>| Term {
                    block: renamed(&term.block),
                    strides: term.strides.clone(),
                    taps: match count {
                        1 => term.taps.clone(),
                        _ => term.taps[channels.clone()].to_vec().into(),
                    },
                };
                made.push(Layer {
                    name: layer.name.clone(),
                    channels: channels.len(),
                    dims: layer.dims.clone(),
                    terms: layer.terms.iter().map(term).collect(),
                    bias: layer.bias.get(channels.clone()).unwrap_or_default().to_vec(),
                    operands: layer.operands.iter().map(|operand| renamed(operand)).collect(),
                    ..*layer
                });
            }
            layers.extend(made);
            places.push((layer.positions() / layer.window(), own));
        }
        Self {
            input_shape: self.input_shape.clone(),
            output_shape: self.output_shape.clone(),
            outputs: self.outputs.iter().map(|s| source(&places, s)).collect(),
            functions: self.functions.clone(),
            layers,
            ..*self
        }
    }
}

/// How a piece calls what the whole has.
struct Piece<'a> {
    start: usize,
    inputs: &'a [Value],
}

impl Piece<'_> {
    fn value<W>(&self, value: Value) -> Source<W> {
        match (value.node as usize).checked_sub(self.start + 1) {
            Some(layer) => Source::Layer {
                layer: layer as u32,
                index: value.index,
            },
            // Whatever an earlier layer gives and this piece reads crosses into it.
            None => Source::Input(self.inputs.binary_search(&value).unwrap_or_default() as u32),
        }
    }

    fn source<W: Copy>(&self, source: &Source<W>) -> Source<W> {
        Value::of(source).map_or(*source, |value| self.value(value))
    }

    fn sources<W: Copy>(&self, sources: &[Source<W>]) -> Vec<Source<W>> {
        sources.iter().map(|s| self.source(s)).collect()
    }

    fn layer<W: Copy>(&self, layer: &Layer<W>) -> Layer<W> {
        let term = |term: &Term<W>| Term {
            block: self.sources(&term.block),
            strides: term.strides.clone(),
            taps: term.taps.clone(),
        };
        Layer {
            name: layer.name.clone(),
            dims: layer.dims.clone(),
            terms: layer.terms.iter().map(term).collect(),
            bias: layer.bias.clone(),
            operands: layer.operands.iter().map(|operand| self.sources(operand)).collect(),
            ..*layer
        }
    }
}
