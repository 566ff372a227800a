//! Batch normalisation with fixed statistics: a scale and an offset per channel.

use super::elementwise::{product, sum};
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::Tensor;
use crate::model::value::Value;

pub(crate) const BATCH_ATTRIBUTES: &[&str] = &["epsilon", "momentum", "training_mode", "is_test", "spatial"];

pub(crate) fn batch(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    if node.flag("training_mode", false)? {
        return Err(node.attribute_error("training_mode", "0"));
    }
    if !node.flag("spatial", true)? {
        return Err(node.attribute_error("spatial", "1"));
    }
    let epsilon = node.float("epsilon", f64::from(1e-5f32))?;
    let x = inputs.value(0, "X")?;
    let &[_, channels, ..] = x.shape() else {
        return Err(OpError::Shape {
            what: "X",
            expected: "at least two axes".into(),
            got: x.shape().to_vec(),
        });
    };
    let mut shape = vec![channels];
    shape.resize(x.shape().len() - 1, 1);
    let mut parameter = |i, name| {
        let t = inputs.constant(i, name)?;
        match t.shape == [channels] {
            true => t.floats(name),
            false => Err(OpError::Shape {
                what: name,
                expected: format!("[{channels}]"),
                got: t.shape,
            }),
        }
    };
    let (gamma, beta) = (parameter(1, "scale")?, parameter(2, "B")?);
    let (mean, variance) = (parameter(3, "mean")?, parameter(4, "var")?);
    if variance.iter().any(|v| v + epsilon <= 0.0) {
        return Err(OpError::Constant {
            name: "var",
            problem: "is negative or zero",
        });
    }
    let scale: Vec<f64> = gamma
        .iter()
        .zip(&variance)
        .map(|(g, v)| g / (v + epsilon).sqrt())
        .collect();
    let offset = (0..channels).map(|c| beta[c] - mean[c] * scale[c]).collect();
    let scaled = product(ctx, x, Value::Const(Tensor::float(shape.clone(), scale)))?;
    Ok(vec![sum(ctx, scaled, Value::Const(Tensor::float(shape, offset)))?])
}
