//! Many inferences as one program.

use super::program::{Act, Layer, Program, Source, Term};

impl<W: Copy> Program<W> {
    /// The program of `count` inferences side by side. Its input is theirs one behind the other, and so is its output.
    ///
    /// Which inference it is becomes the outermost position axis of every layer: weights, tables and what a verifier computes stay
    /// what they are for one. A batch of one is the program itself.
    #[must_use]
    pub fn batched(self, count: usize) -> Self {
        if count == 1 {
            return self;
        }
        let batch = Batch {
            count,
            inputs: self.input_shape.iter().product(),
            per_channel: self.layers.iter().map(per_channel).collect(),
        };
        Self {
            input_shape: shape(&self.input_shape, count),
            output_shape: shape(&self.output_shape, count),
            layers: self.layers.iter().map(|layer| batch.layer(layer)).collect(),
            outputs: batch.copies(&self.outputs),
            ..self
        }
    }
}

/// A shape with the inferences as its first axis; an axis of length 1 that stands there for them is made longer.
fn shape(one: &[usize], count: usize) -> Vec<usize> {
    let rest = one.strip_prefix(&[1]).unwrap_or(one);
    std::iter::once(count).chain(rest.iter().copied()).collect()
}

/// Outputs of a layer in each of its channels.
fn per_channel<W>(layer: &Layer<W>) -> usize {
    layer.positions() / layer.window()
}

/// What it takes to find a value of one inference in the batch.
struct Batch {
    count: usize,
    /// Number of elements of one input.
    inputs: usize,
    /// Of each layer.
    per_channel: Vec<usize>,
}

impl Batch {
    /// The place of a value in inference `b`. Of a layer's outputs the channel comes first, then the inference.
    fn source<W: Copy>(&self, source: &Source<W>, b: usize) -> Source<W> {
        match *source {
            Source::Input(index) => Source::Input(index + (b * self.inputs) as u32),
            Source::Layer { layer, index } => {
                let per_channel = self.per_channel[layer as usize];
                let (channel, position) = (index as usize / per_channel, index as usize % per_channel);
                Source::Layer {
                    layer,
                    index: ((channel * self.count + b) * per_channel + position) as u32,
                }
            }
            Source::Const(value) => Source::Const(value),
        }
    }

    /// The same values of all inferences, one inference behind the other.
    fn copies<W: Copy>(&self, sources: &[Source<W>]) -> Vec<Source<W>> {
        let all = (0..self.count).flat_map(|b| sources.iter().map(move |s| self.source(s, b)));
        all.collect()
    }

    fn layer<W: Copy>(&self, layer: &Layer<W>) -> Layer<W> {
        let mut dims = layer.dims.clone();
        match (layer.act, dims.first_mut()) {
            // Products of matrices have a batch axis already, and no other will do.
            (Act::MatMul { .. }, Some(batch)) => *batch *= self.count,
            _ => dims.insert(0, self.count),
        }
        // Element by element in the order of the outputs, or matrices one behind the other.
        let run = match layer.act {
            Act::MatMul { .. } => usize::MAX,
            _ => per_channel(layer).max(1),
        };
        let operand = |sources: &Vec<Source<W>>| {
            let runs = sources.chunks(run.min(sources.len().max(1)));
            runs.flat_map(|run| self.copies(run)).collect()
        };
        Layer {
            dims,
            terms: layer.terms.iter().map(|term| self.term(term)).collect(),
            operands: layer.operands.iter().map(operand).collect(),
            name: layer.name.clone(),
            bias: layer.bias.clone(),
            ..*layer
        }
    }

    fn term<W: Copy>(&self, term: &Term<W>) -> Term<W> {
        let constant = term.block.iter().all(|s| matches!(s, Source::Const(_)));
        let (block, stride) = match constant {
            true => (term.block.clone(), 0),
            false => (self.copies(&term.block), term.block.len()),
        };
        Term {
            block,
            strides: std::iter::once(stride).chain(term.strides.iter().copied()).collect(),
            taps: term.taps.clone(),
        }
    }
}
