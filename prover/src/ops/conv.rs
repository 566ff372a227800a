//! Convolution.

use super::window::{Axis, Layout, axes};
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::program::{Source, Term};
use crate::model::tensor::{elements, strides};
use crate::model::value::{Affine, Linear, Value};

pub(crate) const ATTRIBUTES: &[&str] = &["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"];

pub(crate) fn conv(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let weights = inputs.constant(1, "W")?;
    let (channels, image) = image_shape(&x)?;
    let groups = node.int("group", 1)?;
    let groups = usize::try_from(groups).ok().filter(|g| *g > 0 && channels % g == 0);
    let groups = groups.ok_or_else(|| node.attribute_error("group", format!("a divisor of {channels} channels")))?;
    let shape_error = |got: &[usize]| OpError::Shape {
        what: "W",
        expected: format!(
            "[a multiple of {groups}, {}, {} kernel axes]",
            channels / groups,
            image.len()
        ),
        got: got.to_vec(),
    };
    let &[out_channels, per_group, ref kernel @ ..] = weights.shape.as_slice() else {
        return Err(shape_error(&weights.shape));
    };
    let fits = out_channels > 0 && out_channels % groups == 0 && per_group == channels / groups;
    if !fits || kernel.len() != image.len() || kernel.contains(&0) {
        return Err(shape_error(&weights.shape));
    }
    if let Some(stated) = node.ints("kernel_shape")?
        && !stated.iter().map(|&k| k as usize).eq(kernel.iter().copied())
    {
        return Err(node.attribute_error("kernel_shape", format!("{kernel:?}, the shape of W")));
    }
    let axes = axes(node, &image, kernel)?;
    let bias = match inputs.optional_constant(2, "B")? {
        None => vec![0.0; out_channels],
        Some(b) if b.shape == [out_channels] => b.floats("B")?,
        Some(b) => {
            return Err(OpError::Shape {
                what: "B",
                expected: format!("[{out_channels}]"),
                got: b.shape,
            });
        }
    };
    let positions: usize = axes.iter().map(|a| a.out).product();
    ctx.count_macs(weights.len().saturating_mul(positions));
    let filter = Filter {
        axes,
        groups,
        weights: weights.floats("W")?,
        bias,
    };
    Ok(vec![Value::Linear(filter.apply(ctx, x)?)])
}

/// Channels and spatial shape of an image tensor `[1, C, ...]`.
pub(super) fn image_shape(x: &Value) -> Result<(usize, Vec<usize>), OpError> {
    match x.shape() {
        &[1, channels, ref image @ ..] if (1..=3).contains(&image.len()) => Ok((channels, image.to_vec())),
        other => Err(OpError::Shape {
            what: "X",
            expected: "[1, channels, 1 to 3 spatial axes], one image at a time".into(),
            got: other.to_vec(),
        }),
    }
}

/// A convolution's parameters.
pub(super) struct Filter {
    pub(super) axes: Vec<Axis>,
    pub(super) groups: usize,
    /// `[out channels, channels per group, kernel...]`
    pub(super) weights: Vec<f64>,
    /// One per output channel.
    pub(super) bias: Vec<f64>,
}

impl Filter {
    /// The filter as a linear map over an image.
    pub(super) fn apply(&self, ctx: &mut Lowering, x: Value) -> Result<Linear, OpError> {
        let (channels, image) = image_shape(&x)?;
        let size: usize = image.iter().product();
        let mut x = ctx.uniform(x, size)?;
        let inside = self.axes.iter().all(Axis::is_inside);
        if !inside
            && x.offset
                .iter()
                .zip(&x.parts[0].weights)
                .any(|(&o, &w)| o != 0.0 && w == 0.0)
        {
            x = ctx.materialise(x.into_linear(ctx.node()))?;
        }
        let has_offset = x.offset.iter().any(|&o| o != 0.0);
        let layout = Layout::new(channels, &self.axes, !has_offset)?;
        let kernel: Vec<usize> = self.axes.iter().map(|a| a.kernel).collect();
        let out: Vec<usize> = self.axes.iter().map(|a| a.out).collect();
        let (area, positions): (usize, usize) = (kernel.iter().product(), elements(&out)?);
        let (out_channels, per_group) = (self.bias.len(), channels / self.groups);
        elements(&[out_channels, per_group, area])?;

        let steps = strides(&kernel);
        let element =
            |a: usize| -> Vec<usize> { steps.iter().zip(&kernel).map(|(&s, &k)| a / s as usize % k).collect() };
        let elements_of_kernel: Vec<_> = (0..area).map(element).collect();
        // (slot, input channel, weight) of the taps that read more than pads
        let taps: Vec<Vec<(usize, usize, f64)>> = (0..out_channels)
            .map(|o| {
                let first = o / (out_channels / self.groups) * per_group;
                let of_channel = |c: usize| {
                    let weights = &self.weights[(o * per_group + c) * area..][..area];
                    let slot = |e: &Vec<usize>| layout.slot(first + c, e);
                    let taps = elements_of_kernel.iter().zip(weights).filter(|&(_, &w)| w != 0.0);
                    taps.filter_map(move |(e, &w)| Some((slot(e)?, first + c, w)))
                        .collect::<Vec<_>>()
                };
                (0..per_group).flat_map(of_channel).collect()
            })
            .collect();
        let bias = taps.iter().zip(&self.bias);
        let bias = bias
            .map(|(t, b)| b + t.iter().map(|&(_, c, w)| w * x.offset[c * size]).sum::<f64>())
            .collect();
        let Affine { parts, offset, .. } = x;
        let terms = parts.iter().enumerate().map(|(i, part)| {
            // Zero stands in the pads; the first part makes up for the offset there.
            let pad = |c: usize| match offset[c * size] {
                o if o != 0.0 && i == 0 && !inside => Source::Const(-o / part.weights[c * size]),
                _ => Source::Const(0.0),
            };
            let own = |t: &Vec<(usize, usize, f64)>| {
                t.iter()
                    .map(|&(slot, c, w)| (slot as u32, w * part.weights[c * size]))
                    .collect()
            };
            Term {
                block: layout.block(&part.sources, pad, &self.axes),
                strides: layout.window_strides(),
                taps: taps.iter().map(own).collect(),
            }
        });
        let terms = terms.collect();
        Ok(Linear {
            names: vec![ctx.node()],
            shape: [&[1, out_channels], &out[..]].concat(),
            channels: out_channels,
            dims: out,
            terms,
            bias,
            act: None,
            order: Linear::natural_order(out_channels * positions),
        })
    }
}
