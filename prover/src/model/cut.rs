//! A program cut at tensors into programs that follow each other.

use std::collections::BTreeMap;
use std::ops::Range;

use super::program::{Act, Layer, Program, Source, Term};

/// Where a program can be cut, and what crosses there.
pub struct Cuts<W> {
    program: Program<W>,
    /// Per layer which layer it is a part of: parts of one that are in one piece are one layer again.
    origin: Vec<usize>,
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

impl<W: Copy> Cuts<W> {
    /// Of this program. Where `parts` gives more than 1 for a layer, it can be cut into as many parts by its channels, of which all but
    /// the last have a multiple of `lanes`; layers whose channels are not computed each by itself have one part.
    pub fn new(program: &Program<W>, lanes: usize, parts: impl Fn(&Layer<W>) -> usize) -> Self {
        let (program, origin) = split(program, lanes, parts);
        let mut last = BTreeMap::new();
        for (i, layer) in program.layers.iter().enumerate() {
            last.extend(layer.sources().filter_map(Value::of).map(|value| (value, i)));
        }
        let outputs = program.outputs.iter().filter_map(Value::of);
        last.extend(outputs.map(|value| (value, program.layers.len())));
        Self { program, origin, last }
    }

    /// The number of places to cut at, and one more: pieces are ranges up to it.
    pub fn places(&self) -> usize {
        self.program.layers.len()
    }

    /// The values that cross between the layers before `at` and those from there on; `None` if a raw one does, which no slot of
    /// an input holds, or where advice is parted from what settles it.
    fn crossing(&self, at: usize) -> Option<Vec<Value>> {
        let before = at.checked_sub(1).and_then(|before| self.program.layers.get(before));
        if before.is_some_and(|layer| matches!(layer.act, Act::Advice(_))) {
            return None;
        }
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
        let whole = &self.program;
        let (first, last) = (range.start == 0, range.end == whole.layers.len());
        let inputs = match first {
            true => (0..whole.input_len() as u32)
                .map(|index| Value { node: 0, index })
                .collect(),
            false => self.crossing(range.start)?,
        };
        let mut functions: Vec<u32> = Vec::new();
        let mut piece = Piece {
            start: range.start,
            inputs: &inputs,
            places: Vec::with_capacity(range.len()),
        };
        let mut layers: Vec<Layer<W>> = Vec::with_capacity(range.len());
        for i in range.clone() {
            let (layer, at) = (piece.layer(&whole.layers[i]), layers.len() as u32);
            match layers
                .last_mut()
                .filter(|_| i > range.start && self.origin[i] == self.origin[i - 1])
            {
                Some(before) => {
                    piece.places.push((at - 1, before.outputs() as u32));
                    join(before, layer);
                }
                None => {
                    piece.places.push((at, 0));
                    layers.push(layer);
                }
            }
        }
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

/// The parts of a layer that was split: outputs a channel, and per part its first channel and its place.
struct Parts {
    per_channel: usize,
    parts: Vec<(usize, u32)>,
}

impl Parts {
    fn source<W>(&self, index: u32) -> Source<W> {
        let after = |(first, _): &(usize, u32)| first * self.per_channel <= index as usize;
        let (first, layer) = self.parts[self.parts.partition_point(after) - 1];
        Source::Layer {
            layer,
            index: index - (first * self.per_channel) as u32,
        }
    }
}

/// The program with layers of many channels as several of fewer, and per layer which one it is a part of.
fn split<W: Copy>(program: &Program<W>, lanes: usize, parts: impl Fn(&Layer<W>) -> usize) -> (Program<W>, Vec<usize>) {
    let (mut layers, mut origin) = (Vec::new(), Vec::new());
    let mut places: Vec<Parts> = Vec::with_capacity(program.layers.len());
    let renamed = |places: &[Parts], sources: &[Source<W>]| -> Vec<Source<W>> {
        let source = |source: &Source<W>| match *source {
            Source::Layer { layer, index } => places[layer as usize].source(index),
            other => other,
        };
        sources.iter().map(source).collect()
    };
    for (i, layer) in program.layers.iter().enumerate() {
        let groups = layer.channels.div_ceil(lanes).max(1);
        let count = match layer.operands.is_empty() {
            true => parts(layer).clamp(1, groups),
            false => 1,
        };
        let first = |part: usize| (groups * part / count * lanes).min(layer.channels);
        let mut own = Parts {
            per_channel: layer.positions() / layer.window(),
            parts: Vec::with_capacity(count),
        };
        for part in 0..count {
            let channels = first(part)..first(part + 1);
            own.parts.push((channels.start, layers.len() as u32));
            origin.push(i);
            let term = |term: &Term<W>| Term {
                block: renamed(&places, &term.block),
                strides: term.strides.clone(),
                taps: match count {
                    1 => term.taps.clone(),
                    _ => term.taps[channels.clone()].to_vec().into(),
                },
            };
            layers.push(Layer {
                name: layer.name.clone(),
                channels: channels.len(),
                dims: layer.dims.clone(),
                terms: layer.terms.iter().map(term).collect(),
                bias: layer.bias.get(channels.clone()).unwrap_or_default().to_vec(),
                operands: layer.operands.iter().map(|operand| renamed(&places, operand)).collect(),
                ..*layer
            });
        }
        places.push(own);
    }
    let split = Program {
        input_shape: program.input_shape.clone(),
        output_shape: program.output_shape.clone(),
        outputs: renamed(&places, &program.outputs),
        functions: program.functions.clone(),
        layers,
        ..*program
    };
    (split, origin)
}

/// Adds the channels of the next part of the same layer, which reads the same.
fn join<W: Copy>(layer: &mut Layer<W>, next: Layer<W>) {
    layer.channels += next.channels;
    layer.bias.extend(next.bias);
    for (term, next) in layer.terms.iter_mut().zip(next.terms) {
        term.taps = term.taps.iter().chain(&*next.taps).cloned().collect();
    }
}

/// How a piece calls what the whole has.
struct Piece<'a> {
    start: usize,
    inputs: &'a [Value],
    /// Of the layers so far: which layer of the piece it is, or is a part of, and which output of that its first is.
    places: Vec<(u32, u32)>,
}

impl Piece<'_> {
    fn value<W>(&self, value: Value) -> Source<W> {
        match (value.node as usize).checked_sub(self.start + 1) {
            Some(at) => {
                let (layer, first) = self.places[at];
                Source::Layer {
                    layer,
                    index: first + value.index,
                }
            }
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
