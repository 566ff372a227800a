//! The rules that a [`Program`] must keep, checked: programs also come from key files.

use super::error::{Error, Result};
use super::program::{Act, Layer, MAX_DIMS, Program, Source};

impl<W> Program<W> {
    /// Number of elements of the input tensor.
    pub fn input_len(&self) -> usize {
        self.input_shape.iter().product()
    }

    /// Checks every rule that the types state: lengths, references to earlier layers only, taps in order and within their block.
    ///
    /// # Errors
    /// [`Error::Program`], naming the layer and the rule.
    pub fn validate(&self) -> Result<()> {
        let error = |layer: &str, what| Error::Program {
            layer: layer.into(),
            what,
        };
        let size = |shape: &[usize]| shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d));
        let inputs = size(&self.input_shape).ok_or_else(|| error("input", "its shape overflows"))?;
        let mut outputs: Vec<usize> = Vec::new();
        for layer in &self.layers {
            let valid = |source: &Source<W>| match *source {
                Source::Input(i) => (i as usize) < inputs,
                Source::Layer { layer, index } => outputs.get(layer as usize).is_some_and(|&n| (index as usize) < n),
                Source::Const(_) => true,
            };
            let count = layer.check().map_err(|what| error(&layer.name, what))?;
            if !layer.terms.iter().flat_map(|t| &t.block).all(valid) {
                return Err(error(
                    &layer.name,
                    "it reads what is neither the input nor an earlier layer",
                ));
            }
            outputs.push(count);
        }
        let valid = |source: &Source<W>| match *source {
            Source::Layer { layer, index } => outputs.get(layer as usize).is_some_and(|&n| (index as usize) < n),
            Source::Input(_) | Source::Const(_) => false,
        };
        if !self.outputs.iter().all(valid) {
            return Err(error("outputs", "an element is not the output of a layer"));
        }
        match size(&self.output_shape) == Some(self.outputs.len()) {
            true => Ok(()),
            false => Err(error("outputs", "their number is not that of the output shape")),
        }
    }
}

impl<W> Layer<W> {
    /// Checks what concerns the layer alone and returns its number of outputs.
    fn check(&self) -> std::result::Result<usize, &'static str> {
        let positions = self
            .dims
            .iter()
            .try_fold(1usize, |n, &d| n.checked_mul(d))
            .filter(|&n| n > 0);
        let positions = positions.ok_or("its axes hold no positions, or too many")?;
        if self.dims.len() > MAX_DIMS {
            return Err("it has too many axes of positions");
        }
        if matches!(self.act, Act::MaxPool { .. }) && self.dims.len() < 2 {
            return Err("a pool needs the two axes of its window");
        }
        let elements = self
            .channels
            .checked_mul(positions)
            .filter(|&n| n > 0 && n <= u32::MAX as usize);
        let elements = elements.ok_or("it has no outputs, or too many")?;
        if self.bias.len() != self.channels {
            return Err("it needs one bias per channel");
        }
        for term in &self.terms {
            if term.strides.len() != self.dims.len() || term.taps.len() != self.channels {
                return Err("a term needs one stride per axis and one list of taps per channel");
            }
            let mut steps = self.dims.iter().zip(&term.strides).map(|(&d, &s)| s.checked_mul(d - 1));
            let reach = steps
                .try_fold(0usize, |n, step| n.checked_add(step?))
                .ok_or("a stride overflows")?;
            let last = term
                .block
                .len()
                .checked_sub(reach)
                .ok_or("positions reach beyond a block")?;
            for taps in &term.taps {
                if !taps.is_sorted_by(|a, b| a.0 < b.0) || taps.last().is_some_and(|t| t.0 as usize >= last) {
                    return Err("taps must ascend and stay within their block");
                }
            }
        }
        Ok(elements / self.window())
    }
}
