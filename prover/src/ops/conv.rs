//! Convolution.

use super::combination::combine;
use super::elementwise::sum;
use super::movement::gather_all;
use super::primitive::shared;
use super::reshape::reshaped;
use super::window::{Axis, Layout, axes};
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::program::{Source, Term};
use crate::model::tensor::{Tensor, elements, strides};
use crate::model::value::{Affine, Linear, Value};

pub(crate) const ATTRIBUTES: &[&str] = &["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"];

pub(crate) fn conv(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let weights = inputs.constant(1, "W")?;
    let bias = inputs.optional_constant(2, "B")?;
    convolve(ctx, node, x, Value::Const(weights), bias)
}

/// A convolution with constant weights. Images of a batch are another axis of positions.
pub(super) fn convolve(
    ctx: &mut Lowering,
    node: &Node,
    x: Value,
    weights: Value,
    bias: Option<Tensor>,
) -> Result<Vec<Value>, OpError> {
    let Value::Const(weights) = weights else {
        return Err(OpError::NotConstant { name: "W", input: 1 });
    };
    let batch = x.shape().first().copied().unwrap_or(1);
    if batch > 1 && x.shape().len() > 2 {
        return per_image(ctx, x, |ctx, image| {
            let weights = Value::Const(weights.clone());
            Ok(convolve(ctx, node, image, weights, bias.clone())?.swap_remove(0))
        });
    }
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
    let bias = match bias {
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

/// The same for every image of a batch.
pub(super) fn per_image(
    ctx: &mut Lowering,
    x: Value,
    each: impl Fn(&mut Lowering, Value) -> Result<Value, OpError>,
) -> Result<Vec<Value>, OpError> {
    let shape = x.shape().to_vec();
    let size: usize = shape[1..].iter().product();
    let one = [&[1], &shape[1..]].concat();
    let x = shared(ctx, x)?;
    let x = ctx.affine(x)?;
    let mut images = Vec::new();
    for b in 0..shape[0] {
        let places: Vec<usize> = (b * size..(b + 1) * size).collect();
        let image = x.gather(one.clone(), &places);
        images.push(each(ctx, Value::Affine(image))?);
    }
    let mut out = images[0].shape().to_vec();
    out[0] = shape[0];
    let all = gather_all(ctx, images)?;
    Ok(vec![reshaped(all, out)])
}

pub(crate) const TRANSPOSE_ATTRIBUTES: &[&str] = &[
    "auto_pad",
    "dilations",
    "group",
    "kernel_shape",
    "output_padding",
    "output_shape",
    "pads",
    "strides",
];

/// The transposed convolution: every element of the image adds the kernel, times itself, to the output.
pub(crate) fn transposed(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let weights = inputs.constant(1, "W")?;
    let bias = inputs.optional_constant(2, "B")?;
    let rank = x.shape().len();
    let &[batch, channels, ref image @ ..] = x.shape() else {
        return Err(OpError::Shape {
            what: "X",
            expected: "at least three axes".into(),
            got: x.shape().to_vec(),
        });
    };
    let image = image.to_vec();
    let groups = usize::try_from(node.int("group", 1)?)
        .ok()
        .filter(|&g| g > 0 && channels % g == 0);
    let groups = groups.ok_or_else(|| node.attribute_error("group", format!("a divisor of {channels} channels")))?;
    let &[from, per_group, ref kernel @ ..] = &weights.shape[..] else {
        return Err(OpError::Shape {
            what: "W",
            expected: format!("{rank} axes"),
            got: weights.shape,
        });
    };
    if from != channels || kernel.len() != image.len() {
        return Err(OpError::Shape {
            what: "W",
            expected: format!("[{channels}, out channels, {} kernel axes]", image.len()),
            got: weights.shape.clone(),
        });
    }
    let d = image.len();
    let list = |name: &str, default: usize, count: usize| -> Result<Vec<usize>, OpError> {
        match node.ints(name)? {
            None => Ok(vec![default; count]),
            Some(v) if v.len() == count && v.iter().all(|v| (0..1 << 20).contains(v)) => {
                Ok(v.iter().map(|&v| v as usize).collect())
            }
            Some(_) => Err(node.attribute_error(name, format!("{count} integers"))),
        }
    };
    let (strides_of, dilations) = (list("strides", 1, d)?, list("dilations", 1, d)?);
    let (pads, extra) = (list("pads", 0, 2 * d)?, list("output_padding", 0, d)?);
    let stated = node.ints("output_shape")?;
    let auto = node.text("auto_pad", "NOTSET")?;
    let (mut out, mut first) = (Vec::new(), Vec::new());
    for i in 0..d {
        let whole = strides_of[i] * (image[i] - 1) + extra[i] + (kernel[i] - 1) * dilations[i] + 1;
        let wanted = match (stated, auto) {
            (Some(s), _) => s.get(s.len() - d + i).map(|&v| v as usize),
            (None, "SAME_UPPER" | "SAME_LOWER") => Some(image[i] * strides_of[i]),
            _ => None,
        };
        match wanted {
            Some(size) => {
                let total = whole.saturating_sub(size);
                first.push(if auto == "SAME_UPPER" {
                    total / 2
                } else {
                    total - total / 2
                });
                out.push(size);
            }
            None => {
                let size = whole.checked_sub(pads[i] + pads[i + d]).filter(|&n| n > 0);
                out.push(size.ok_or_else(|| node.attribute_error("pads", "less than the output"))?);
                first.push(pads[i]);
            }
        }
    }
    let out_channels = per_group * groups;
    let (area, size, window): (usize, usize, usize) =
        (image.iter().product(), out.iter().product(), kernel.iter().product());
    elements(&[batch, out_channels, size])?;
    let values = weights.floats("W")?;
    let mut taps: Vec<Vec<(usize, f64)>> = vec![vec![]; batch * out_channels * size];
    let digits = |e: usize, shape: &[usize]| -> Vec<usize> {
        strides(shape)
            .iter()
            .zip(shape)
            .map(|(&s, &n)| e / s as usize % n)
            .collect()
    };
    let own = strides(&out);
    for p in 0..area {
        let at = digits(p, &image);
        for k in 0..window {
            let step = digits(k, kernel);
            let mut place = Some(0);
            for i in 0..d {
                let i_out = (at[i] * strides_of[i] + step[i] * dilations[i])
                    .checked_sub(first[i])
                    .filter(|&v| v < out[i]);
                place = place.and_then(|sum| Some(sum + i_out? * own[i] as usize));
            }
            let Some(place) = place else { continue };
            for b in 0..batch {
                for c in 0..channels {
                    let group = c / (channels / groups);
                    for o in 0..per_group {
                        let to = (b * out_channels + group * per_group + o) * size + place;
                        let w = values[(c * per_group + o) * window + k];
                        taps[to].push(((b * channels + c) * area + p, w));
                    }
                }
            }
        }
    }
    ctx.count_macs(taps.iter().map(Vec::len).sum());
    let shape = [&[batch, out_channels], &out[..]].concat();
    let y = combine(ctx, x, &taps, shape)?;
    let Some(bias) = bias else { return Ok(vec![y]) };
    let mut wide = vec![1; d + 1];
    wide[0] = bias.len();
    Ok(vec![sum(ctx, y, reshaped(Value::Const(bias), wide))?])
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
