//! The rules that a [`Program`] must keep, checked: programs also come from key files.

use super::error::{Error, Result};
use super::program::{Act, Function, Layer, MAX_DIMS, Program, Rule, Source};

/// Rules for advice shift by at most this many bits, so that 128 hold the result.
const MAX_SHIFT: u32 = 62;

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
            if let Act::Function(f) = layer.act {
                let rows = self.functions.get(f as usize).map(|f| match f {
                    Function::Curve(_) => 1,
                    Function::Table(rows) => rows.len(),
                });
                if rows.unwrap_or(0) == 0 {
                    return Err(error(&layer.name, "it refers to no function, or to an empty one"));
                }
            }
            if !layer.sources().all(valid) {
                return Err(error(
                    &layer.name,
                    "it reads what is neither the input nor an earlier layer",
                ));
            }
            outputs.push(count);
        }
        let valid = |source: &Source<W>| match *source {
            Source::Layer { layer, index } => outputs.get(layer as usize).is_some_and(|&n| (index as usize) < n),
            Source::Input(i) => (i as usize) < inputs,
            Source::Const(_) => false,
        };
        if !self.outputs.iter().all(valid) {
            return Err(error("outputs", "an element is neither the input's nor a layer's"));
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
        if self.operands.len() != self.act.operands() {
            return Err("it has another number of operands than its kind reads");
        }
        if let Act::Advice(rule) = self.act {
            let shifts = match rule {
                Rule::Quotient { numerator, denominator } => [numerator, denominator],
                Rule::SquareRoot { shift } | Rule::ReciprocalSquareRoot { shift } => [shift, 0],
            };
            if shifts.iter().any(|s| *s > MAX_SHIFT) {
                return Err("a rule for advice shifts too far");
            }
        }
        if self.act.operands() > 0 {
            self.check_operands(elements)?;
            return Ok(elements);
        }
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
        Ok(match self.act {
            Act::Zero => 0,
            _ => elements / self.window(),
        })
    }

    /// The operands of a layer without a linear map.
    fn check_operands(&self, elements: usize) -> std::result::Result<(), &'static str> {
        if !self.terms.is_empty() || !self.bias.is_empty() {
            return Err("a layer that reads operands has no linear map");
        }
        if !matches!(self.act, Act::MatMul { .. }) {
            return match self.operands.iter().all(|o| o.len() == elements) {
                true => Ok(()),
                false => Err("an operand needs one value per element"),
            };
        }
        let [batch, columns] = self.dims[..] else {
            return Err("a product of matrices has two axes of positions, the batch and the columns");
        };
        let inner = self.inner();
        let lengths = [self.channels * batch * inner, batch * inner * columns];
        match inner > 0 && self.operands.iter().map(Vec::len).eq(lengths) {
            true => Ok(()),
            false => Err("the operands of a product of matrices do not fit each other"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::program::{Taps, Term};
    use super::*;

    fn good() -> Program<i64> {
        let layer = |source: fn(u32) -> Source<i64>| Layer {
            name: "layer".into(),
            channels: 1,
            dims: vec![2, 2],
            terms: vec![Term {
                block: (0..5).map(source).collect(),
                strides: vec![2, 1],
                taps: vec![vec![(0, 1), (1, 2)]].into(),
            }],
            bias: vec![0],
            act: Act::Relu,
            ..Layer::default()
        };
        Program {
            input_shape: vec![5],
            output_shape: vec![1, 4],
            layers: vec![
                layer(Source::Input),
                layer(|i| Source::Layer {
                    layer: 0,
                    index: i.min(3),
                }),
            ],
            outputs: (0..4).map(|index| Source::Layer { layer: 1, index }).collect(),
            ..Program::default()
        }
    }

    type Break = fn(&mut Program<i64>);

    #[test]
    fn each_broken_rule_is_found() {
        assert!(good().validate().is_ok());
        let later = Source::Layer { layer: 1, index: 0 };
        let breaks: [(&str, Break); 15] = [
            ("no positions", |p| p.layers[1].dims[0] = 0),
            ("too many axes", |p| {
                p.layers[0].dims = vec![1; MAX_DIMS + 1];
                p.layers[0].terms[0].strides = vec![0; MAX_DIMS + 1];
            }),
            ("window", |p| {
                p.layers[0].act = Act::MaxPool { relu: true };
                p.layers[0].dims = vec![4];
                p.layers[0].terms[0].strides = vec![1];
            }),
            ("no outputs", |p| p.layers[0].channels = 0),
            ("no outputs, or too many", |p| p.layers[0].dims = vec![1 << 40, 1 << 23]),
            ("one bias", |p| p.layers[0].bias.clear()),
            ("one stride", |p| p.layers[0].terms[0].strides.push(1)),
            ("one list of taps", |p| p.layers[0].terms[0].taps = Taps::default()),
            ("overflows", |p| p.layers[0].terms[0].strides[0] = usize::MAX),
            ("reach beyond", |p| p.layers[0].terms[0].strides[0] = 5),
            ("taps must ascend", |p| p.layers[0].terms[0].taps[0].swap(0, 1)),
            ("within their block", |p| p.layers[0].terms[0].taps[0][1].0 = 2),
            ("neither the input", |p| {
                p.layers[0].terms[0].block[4] = Source::Input(5)
            }),
            ("an element is neither", |p| p.outputs[0] = Source::Const(3)),
            ("output shape", |p| p.output_shape = vec![5]),
        ];
        for (rule, change) in breaks {
            let mut program = good();
            change(&mut program);
            let error = program.validate().map_err(|e| e.to_string());
            assert!(error.as_ref().is_err_and(|e| e.contains(rule)), "{rule}: {error:?}");
        }
        let mut program = good();
        program.layers[1].terms[0].block[0] = later;
        assert!(program.validate().is_err(), "a layer reads itself");
        program.layers[1].terms[0].block[0] = Source::Layer { layer: 0, index: 4 };
        assert!(program.validate().is_err(), "beyond a layer's outputs");
        program = good();
        program.input_shape = vec![usize::MAX, 2];
        assert!(program.validate().is_err());
    }
}
