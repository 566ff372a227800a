//! In floats: what the model means, but for the rounding that it asks for itself.

use super::super::program::{Composite, Function, Rule};
use super::*;

pub(super) struct Float<'a>(pub(super) &'a Program<f64>);

impl Number for f64 {
    fn add_product(self, a: f64, b: f64) -> f64 {
        self + a * b
    }
}

impl Arithmetic for Float<'_> {
    type Value = f64;

    fn linear(&self, layer: &Layer<f64>, values: Values<'_, f64>) -> Result<Vec<f64>> {
        Ok(pre_activations(layer, values, |v| v))
    }

    fn combine(&self, layer: &Layer<f64>, operands: &[Vec<f64>]) -> Result<Vec<f64>> {
        let pairs = |f: fn(f64, f64) -> f64| operands[0].iter().zip(&operands[1]).map(|(a, b)| f(*a, *b)).collect();
        Ok(match layer.act {
            Act::Product { .. } | Act::RawProduct => pairs(|a, b| a * b),
            Act::MatMul { .. } => matrix_product(layer, operands, |v| v),
            Act::Advice(Rule::Quotient { .. }) | Act::Composite(Composite::Divide) => pairs(|a, b| a / b),
            Act::Advice(Rule::SquareRoot { .. }) | Act::Composite(Composite::SquareRoot) => {
                operands[0].iter().map(|v| v.sqrt()).collect()
            }
            _ => operands[0].iter().map(|v| 1.0 / v.sqrt()).collect(),
        })
    }

    fn activate(&self, layer: &Layer<f64>, pre: &[f64]) -> Result<Vec<f64>> {
        let each = |f: &dyn Fn(f64) -> f64| pre.iter().map(|u| f(*u)).collect();
        let mut out: Vec<f64> = match layer.act {
            Act::Relu => each(&|u| u.max(0.0)),
            Act::MaxPool { relu } => {
                let least = if relu { 0.0 } else { f64::NEG_INFINITY };
                pre.chunks_exact(layer.window())
                    .map(|w| w.iter().copied().fold(least, f64::max))
                    .collect()
            }
            Act::Function(f) => match &self.0.functions[f as usize] {
                Function::Curve(curve) => each(&|u| curve.eval(u)),
                Function::Table(rows) => each(&|u| {
                    let key = u.floor();
                    let row = rows.get(key as usize).filter(|_| u >= 0.0);
                    row.map_or(f64::NAN, |(left, rise)| left + rise * (u - key))
                }),
            },
            Act::Composite(Composite::Negative) => each(&|u| f64::from(u8::from(u < 0.0))),
            _ => pre.to_vec(),
        };
        if let Some(scale) = layer.scale {
            let factor = scale.factor();
            let half = if layer.act == Act::Floor { 0.0 } else { 0.5 };
            out.iter_mut().for_each(|y| *y = (*y * factor + half).floor() / factor);
        }
        Ok(out)
    }
}
