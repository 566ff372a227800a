//! Whether the values that a prover chooses are settled by the layers behind them.
//!
//! What [`super::expand`] puts behind advice settles it (`expand/composite.rs` says why), in batches as well. Here it is found
//! again in a program that somebody else states: the layers right behind the advice are compared, element by element, with what
//! settles a rule. That takes no bounds on values but those of their slots.

use std::collections::BTreeMap;

use super::program::{Act, Layer, Rule, Source};
use super::quantise::Quantised;

/// What a layer sums for one of its outputs: a weight for each value that it reads, none of them zero, and a constant.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sum {
    weights: BTreeMap<(u32, u32), i128>,
    constant: i128,
}

impl Sum {
    fn add(&mut self, source: Source<i64>, weight: i128) {
        let place = match source {
            Source::Const(c) => {
                self.constant += weight * i128::from(c);
                return;
            }
            Source::Input(index) => (0, index),
            Source::Layer { layer, index } => (layer + 1, index),
        };
        let sum = self.weights.entry(place).or_default();
        *sum += weight;
        if *sum == 0 {
            self.weights.remove(&place);
        }
    }

    /// Of an output of a linear map that is no pool's.
    fn of(layer: &Layer<i64>, output: usize) -> Self {
        let positions = layer.positions();
        let (channel, mut position) = (output / positions, output % positions);
        let mut sum = Self {
            constant: i128::from(layer.bias[channel]),
            ..Self::default()
        };
        let mut at = vec![0; layer.dims.len()];
        for (at, count) in at.iter_mut().zip(&layer.dims).rev() {
            (*at, position) = (position % count, position / count);
        }
        for term in &layer.terms {
            let first: usize = at.iter().zip(&term.strides).map(|(at, stride)| at * stride).sum();
            for &(slot, weight) in &term.taps[channel] {
                sum.add(term.block[first + slot as usize], weight.into());
            }
        }
        sum
    }
}

impl Quantised {
    /// Per layer whether its weights are among those that settle advice: whoever knows these need not know the others to know
    /// that no value is the prover's choice. The model must be one that [`Quantised::check`] accepts.
    ///
    /// # Errors
    /// The number of the first layer that is advice which nothing settles, or that has a raw product's values for other ends
    /// than to settle advice.
    pub fn settling(&self) -> Result<Vec<bool>, usize> {
        let layers = &self.program.layers;
        let raw = |source: &Source<i64>| match source {
            Source::Layer { layer, .. } if layers[*layer as usize].act == Act::RawProduct => Some(*layer as usize),
            _ => None,
        };
        let mut settling = vec![false; layers.len()];
        let mut i = 0;
        while i < layers.len() {
            let behind = match layers[i].act {
                Act::Advice(rule) => self.settled(i, rule).ok_or(i)?,
                _ => i + 1,
            };
            for at in i..behind {
                if layers[at].sources().filter_map(raw).any(|product| product < i) {
                    return Err(at);
                }
                settling[at] = behind > i + 1 && layers[at].operands.is_empty();
            }
            i = behind;
        }
        match self.program.outputs.iter().find_map(raw) {
            Some(product) => Err(product),
            None => Ok(settling),
        }
    }

    /// The number of the first layer behind those that settle the advice of layer `i`, if they do.
    fn settled(&self, i: usize, rule: Rule) -> Option<usize> {
        let power = |shift: u32| 1i128 << shift;
        let operands = &self.program.layers[i].operands;
        let q = self.outputs(i)?;
        match rule {
            Rule::Quotient { numerator, denominator } => {
                let (a, b) = (&operands[0][..], &operands[1][..]);
                let (n, d) = (power(numerator), power(denominator));
                let p = self.product(i + 1, &q, b)?;
                let halved;
                let (half, weight, at) = match denominator {
                    0 => {
                        self.asserts(i + 2, &[(b, power(self.limbs.shift() - 1))], 0)?;
                        halved = self.outputs(i + 2)?;
                        (&halved[..], 1, i + 3)
                    }
                    _ => (b, d / 2, i + 2),
                };
                self.asserts(at, &[(a, n), (half, weight), (&p, -d)], 0)?;
                self.asserts(at + 1, &[(a, -n), (half, -weight), (&p, d), (b, d)], -1)?;
                Some(at + 2)
            }
            Rule::SquareRoot { shift } => {
                let (v, t) = (&operands[0][..], power(shift));
                let p = self.product(i + 1, &q, &q)?;
                self.asserts(i + 2, &[(v, t), (&p, -1)], 0)?;
                self.asserts(i + 3, &[(&p, 1), (&q, 2), (v, -t)], 0)?;
                Some(i + 4)
            }
            Rule::ReciprocalSquareRoot { shift } => {
                let (v, t) = (&operands[0][..], power(shift));
                let p = self.product(i + 1, &q, v)?;
                let w = self.product(i + 2, &p, &q)?;
                self.asserts(i + 3, &[(&w, -1)], t)?;
                self.asserts(i + 4, &[(&w, 1), (&p, 2), (v, 1)], -t - 1)?;
                Some(i + 5)
            }
        }
    }

    fn outputs(&self, layer: usize) -> Option<Vec<Source<i64>>> {
        let count = self.program.layers.get(layer)?.outputs() as u32;
        let layer = layer as u32;
        Some((0..count).map(|index| Source::Layer { layer, index }).collect())
    }

    /// The outputs of a layer, if it is the raw product of the two.
    fn product(&self, i: usize, a: &[Source<i64>], b: &[Source<i64>]) -> Option<Vec<Source<i64>>> {
        let layer = self.program.layers.get(i)?;
        let right = layer.act == Act::RawProduct && layer.operands[0] == a && layer.operands[1] == b;
        right.then(|| self.outputs(i))?
    }

    /// `Some` if a layer asserts of each element of the sum that it is not negative.
    fn asserts(&self, i: usize, parts: &[(&[Source<i64>], i128)], constant: i128) -> Option<()> {
        let layer = self.program.layers.get(i)?;
        let expected = |element: usize| {
            let mut sum = Sum {
                constant,
                ..Sum::default()
            };
            parts
                .iter()
                .for_each(|(values, weight)| sum.add(values[element], *weight));
            sum
        };
        let elements = parts.first()?.0.len();
        let right = layer.act == Act::Floor
            && layer.outputs() == elements
            && (0..elements).all(|element| Sum::of(layer, element) == expected(element));
        right.then_some(())
    }
}

#[cfg(test)]
mod tests;
