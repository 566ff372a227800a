//! Pools: means are linear maps, maxima are activations of their own.

use super::combination::{combine, largest, sparse};
use super::conv::{Filter, image_shape};
use super::movement::pick;
use super::primitive::{absolute, root, shared, square};
use super::reshape::{permute, reshaped};
use super::window::{Axis, Layout, axes, kernel_shape};
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::program::{Act, Source, Term};
use crate::model::tensor::{elements, strides};
use crate::model::value::{Affine, Linear, Value};

pub(crate) const AVERAGE_ATTRIBUTES: &[&str] = &[
    "auto_pad",
    "ceil_mode",
    "count_include_pad",
    "dilations",
    "kernel_shape",
    "pads",
    "strides",
];
pub(crate) const MAX_ATTRIBUTES: &[&str] = &[
    "auto_pad",
    "ceil_mode",
    "dilations",
    "kernel_shape",
    "pads",
    "storage_order",
    "strides",
];

/// Images of a batch as channels of one image: pools treat channels alike.
fn one_image(x: Value) -> (Value, usize) {
    match x.shape() {
        &[batch, channels, ref image @ ..] if batch > 1 => {
            let shape = [&[1, batch * channels], image].concat();
            (reshaped(x, shape), batch)
        }
        _ => (x, 1),
    }
}

/// The inverse of [`one_image`].
fn batched(x: Value, batch: usize) -> Value {
    let mut shape = x.shape().to_vec();
    shape[0] = batch;
    shape[1] /= batch;
    reshaped(x, shape)
}

pub(crate) fn average(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (x, batch) = one_image(inputs.value(0, "X")?);
    Ok(vec![batched(averaged(ctx, node, x)?, batch)])
}

fn averaged(ctx: &mut Lowering, node: &Node, x: Value) -> Result<Value, OpError> {
    let (channels, image) = image_shape(&x)?;
    let axes = axes(node, &image, &kernel_shape(node, image.len())?)?;
    let include = node.flag("count_include_pad", false)?;
    // Per axis and window: how many of its elements count.
    let counts = |a: &Axis| -> Vec<usize> {
        let counts = |p: usize, i: usize| match include {
            true => p * a.stride + i * a.dilation < a.pad + a.size + a.pad_end,
            false => a.at(p, i).is_some(),
        };
        (0..a.out)
            .map(|p| (0..a.kernel).filter(|&i| counts(p, i)).count())
            .collect()
    };
    let counts: Vec<Vec<usize>> = axes.iter().map(counts).collect();
    if counts.iter().flatten().any(|&n| n == 0) {
        return Err(OpError::Unsupported {
            what: "a window that holds nothing but pads".into(),
        });
    }
    if counts.iter().all(|c| c.iter().all(|n| n == &c[0])) {
        let area: usize = axes.iter().map(|a| a.kernel).product();
        let mean = 1.0 / counts.iter().map(|c| c[0]).product::<usize>() as f64;
        let size = elements(&[channels, area])?;
        let filter = Filter {
            axes,
            groups: channels,
            weights: vec![mean; size],
            bias: vec![0.0; channels],
        };
        return Ok(Value::Linear(filter.apply(ctx, x)?));
    }
    // The divisor depends on the position, so every output is a channel of its own.
    let windows = Windows::new(&axes)?;
    let x = ctx.affine(x)?;
    let size: usize = image.iter().product();
    let mut taps = Vec::new();
    for c in 0..channels {
        for (p, window) in windows.0.iter().enumerate() {
            let out: Vec<usize> = axes.iter().map(|a| a.out).collect();
            let position = strides(&out).into_iter().zip(&out).map(|(s, &n)| p / s as usize % n);
            let n: usize = position.zip(&counts).map(|(i, c)| c[i]).product();
            let read = window.iter().flatten().map(|&e| (c * size + e, 1.0 / n as f64));
            taps.push(read.collect::<Vec<_>>());
        }
    }
    let shape = [&[1, channels], &axes.iter().map(|a| a.out).collect::<Vec<_>>()[..]].concat();
    Ok(Value::Linear(sparse(ctx, x, &taps, shape)))
}

pub(crate) fn global_average(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let axes: Vec<usize> = (2..x.shape().len()).collect();
    Ok(vec![mean(ctx, x, &axes, true)?])
}

/// The mean over some axes.
fn mean(ctx: &mut Lowering, x: Value, reduced: &[usize], keep: bool) -> Result<Value, OpError> {
    let shape = x.shape().to_vec();
    let kept: Vec<usize> = (0..shape.len()).filter(|a| !reduced.contains(a)).collect();
    let last: Vec<usize> = (0..shape.len()).filter(|a| reduced.contains(a)).collect();
    let count: usize = last.iter().map(|&a| shape[a]).product();
    let outputs: usize = kept.iter().map(|&a| shape[a]).product();
    let x = permute(ctx, x, &[kept.clone(), last].concat())?;
    let x = ctx.affine(x)?;
    let taps: Vec<Vec<(usize, f64)>> = (0..outputs)
        .map(|o| (0..count).map(|i| (o * count + i, 1.0 / count as f64)).collect())
        .collect();
    let out = match keep {
        true => shape
            .iter()
            .enumerate()
            .map(|(a, &d)| if reduced.contains(&a) { 1 } else { d })
            .collect(),
        false => kept.iter().map(|&a| shape[a]).collect(),
    };
    Ok(Value::Linear(sparse(ctx, x, &taps, out)))
}

pub(crate) fn max(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (x, batch) = one_image(inputs.value(0, "X")?);
    let (_, image) = image_shape(&x)?;
    let axes = axes(node, &image, &kernel_shape(node, image.len())?)?;
    if axes.len() > 2 {
        return Ok(vec![batched(gathered(ctx, x, &axes)?, batch)]);
    }
    Ok(vec![batched(Value::Linear(maximum(ctx, x, axes)?), batch)])
}

pub(crate) fn global_max(ctx: &mut Lowering, _: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (x, batch) = one_image(inputs.value(0, "X")?);
    let (_, image) = image_shape(&x)?;
    let whole = |&n: &usize| Axis {
        size: n,
        kernel: n,
        stride: 1,
        dilation: 1,
        pad: 0,
        pad_end: 0,
        out: 1,
    };
    let axes: Vec<Axis> = image.iter().map(whole).collect();
    if axes.len() > 2 {
        return Ok(vec![batched(gathered(ctx, x, &axes)?, batch)]);
    }
    Ok(vec![batched(Value::Linear(maximum(ctx, x, axes)?), batch)])
}

/// The maximum over windows of an image of any number of axes, each window read element by element.
fn gathered(ctx: &mut Lowering, x: Value, axes: &[Axis]) -> Result<Value, OpError> {
    let (channels, image) = image_shape(&x)?;
    let size: usize = image.iter().product();
    let windows = Windows::new(axes)?;
    let mut places = Vec::new();
    for c in 0..channels {
        for window in &windows.0 {
            let any = window.iter().flatten().next().ok_or_else(|| OpError::Unsupported {
                what: "a window that holds nothing but pads".into(),
            })?;
            places.extend(window.iter().map(|e| c * size + e.unwrap_or(*any)));
        }
    }
    let out: Vec<usize> = axes.iter().map(|a| a.out).collect();
    let count = windows.0.first().map_or(1, Vec::len);
    let rows = places.len() / count;
    let x = shared(ctx, x)?;
    let windows = pick(ctx, x, vec![rows, count], &places)?;
    let y = largest(ctx, windows)?;
    Ok(reshaped(y, [&[1, channels], &out[..]].concat()))
}

pub(crate) const LP_ATTRIBUTES: &[&str] = &[
    "auto_pad",
    "ceil_mode",
    "dilations",
    "kernel_shape",
    "p",
    "pads",
    "strides",
];

/// The p-norm over windows.
pub(crate) fn lp(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let (x, batch) = one_image(inputs.value(0, "X")?);
    let (channels, image) = image_shape(&x)?;
    let axes = axes(node, &image, &kernel_shape(node, image.len())?)?;
    let (size, windows) = (image.iter().product::<usize>(), Windows::new(&axes)?);
    let powers = powers(ctx, node, x)?;
    let taps: Vec<Vec<_>> = (0..channels)
        .flat_map(|c| {
            windows
                .0
                .iter()
                .map(move |w| w.iter().flatten().map(|&e| (c * size + e, 1.0)).collect())
        })
        .collect();
    let shape = [&[1, channels], &axes.iter().map(|a| a.out).collect::<Vec<_>>()[..]].concat();
    let sums = combine(ctx, powers, &taps, shape)?;
    let y = if node.int("p", 2)? == 2 { root(ctx, sums)? } else { sums };
    Ok(vec![batched(y, batch)])
}

/// `|x|^p` for p = 1 and 2.
fn powers(ctx: &mut Lowering, node: &Node, x: Value) -> Result<Value, OpError> {
    match node.int("p", 2)? {
        1 => absolute(ctx, x),
        2 => square(ctx, x),
        _ => Err(node.attribute_error("p", "1 or 2")),
    }
}

/// The p-norm over all spatial axes.
pub(crate) fn global_lp(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let axes: Vec<usize> = (2..x.shape().len()).collect();
    let powers = powers(ctx, node, x)?;
    let rows = super::reduce::Rows::new(ctx, powers, &axes)?;
    let sums = super::combination::total(ctx, rows.value.clone(), 1.0)?;
    let y = if node.int("p", 2)? == 2 { root(ctx, sums)? } else { sums };
    Ok(vec![rows.reduced(y, true)])
}

/// The maximum over windows of an image with one or two axes.
fn maximum(ctx: &mut Lowering, x: Value, mut axes: Vec<Axis>) -> Result<Linear, OpError> {
    let (channels, image) = image_shape(&x)?;
    if axes.len() > 2 {
        let expected = "[1, channels, 1 or 2 spatial axes]".into();
        return Err(OpError::Shape {
            what: "X",
            expected,
            got: x.shape().to_vec(),
        });
    }
    let shape = [&[1, channels], &axes.iter().map(|a| a.out).collect::<Vec<_>>()[..]].concat();
    let outputs = elements(&shape)?;
    elements(&[outputs, axes.iter().map(|a| a.kernel).product()])?;
    let inside = axes.iter().all(Axis::is_inside);
    if axes.len() == 1 {
        axes.push(Axis {
            size: 1,
            kernel: 1,
            stride: 1,
            dilation: 1,
            pad: 0,
            pad_end: 0,
            out: 1,
        });
    }
    let dims = [axes[0].out, axes[1].out, axes[0].kernel, axes[1].kernel];
    let mut linear = match x {
        Value::Linear(l) if inside && fuses(&l, channels, &image) => windowed(l, &axes),
        x => {
            let size = image.iter().product();
            let x = ctx.uniform(x, size)?;
            identity(ctx, x, channels, size, &axes, inside)?
        }
    };
    ctx.fuse(&mut linear);
    linear.shape = shape;
    linear.dims = dims.to_vec();
    linear.act = Some(Act::MaxPool {
        relu: linear.act == Some(Act::Relu),
    });
    linear.order = Linear::natural_order(outputs);
    Ok(linear)
}

/// Whether a pool can take the maximum of the map's values before they become a layer.
fn fuses(linear: &Linear, channels: usize, image: &[usize]) -> bool {
    matches!(linear.act, None | Some(Act::Relu))
        && linear.channels == channels
        && linear.dims == image
        && linear.is_natural()
}

/// The map evaluated once per window and element: every element of every window is a position of its own.
fn windowed(mut linear: Linear, axes: &[Axis]) -> Linear {
    for term in &mut linear.terms {
        term.strides.resize(2, 0);
        let along = |factor: fn(&Axis) -> usize| term.strides.iter().zip(axes).map(move |(s, a)| s * factor(a));
        term.strides = along(|a| a.stride).chain(along(|a| a.dilation)).collect();
    }
    linear
}

/// Windows over values that exist.
fn identity(
    ctx: &mut Lowering,
    x: Affine,
    channels: usize,
    size: usize,
    axes: &[Axis],
    inside: bool,
) -> Result<Linear, OpError> {
    let bias: Vec<f64> = (0..channels).map(|c| x.offset[c * size]).collect();
    let plain =
        x.offset.iter().all(|&o| o == 0.0) && x.parts.len() == 1 && x.parts[0].weights.iter().all(|&w| w == 1.0);
    // Where nothing is negative, a pad of zeros never changes a maximum.
    let zero_pads = plain && x.parts[0].sources.iter().all(|s| ctx.is_nonnegative(s));
    let windows = if inside || zero_pads {
        None
    } else {
        Some(Windows::new(axes)?)
    };
    let layout = Layout::new(channels, axes, true)?;
    let mut terms = Vec::new();
    for part in x.parts {
        let weight = |c: usize| part.weights[c * size];
        terms.push(match &windows {
            None => Term {
                block: layout.block(&part.sources, |_| Source::Const(0.0), axes),
                strides: [layout.window_strides(), layout.element_strides()].concat(),
                taps: (0..channels)
                    .map(|c| vec![(layout.first(c) as u32, weight(c))])
                    .collect(),
            },
            Some(windows) => windows.gather(&part.sources, channels, size, axes, weight)?,
        });
    }
    Ok(Linear {
        names: vec![ctx.node()],
        shape: vec![],
        channels,
        dims: vec![],
        terms,
        bias,
        act: None,
        order: vec![],
    })
}

/// Per window of an image, row-major: the element of the image that each of its elements reads, `None` in a pad.
struct Windows(Vec<Vec<Option<usize>>>);

impl Windows {
    fn new(axes: &[Axis]) -> Result<Self, OpError> {
        elements(&axes.iter().flat_map(|a| [a.out, a.kernel]).collect::<Vec<_>>())?;
        let mut windows = vec![vec![Some(0)]];
        for a in axes {
            let extend = |window: &Vec<Option<usize>>, p: usize| {
                let step = |&e: &Option<usize>| {
                    (0..a.kernel)
                        .map(move |i| Some(e? * a.size + a.at(p, i)?))
                        .collect::<Vec<_>>()
                };
                window.iter().flat_map(step).collect()
            };
            windows = windows
                .iter()
                .flat_map(|w| (0..a.out).map(move |p| extend(w, p)))
                .collect();
        }
        Ok(Self(windows))
    }

    /// Reads window by window; an element in a pad repeats another one of its window, which leaves the maximum as it is.
    fn gather(
        &self,
        image: &[Source<f64>],
        channels: usize,
        size: usize,
        axes: &[Axis],
        weight: impl Fn(usize) -> f64,
    ) -> Result<Term<f64>, OpError> {
        let mut block = Vec::new();
        for c in 0..channels {
            for window in &self.0 {
                let Some(any) = window.iter().flatten().next() else {
                    return Err(OpError::Unsupported {
                        what: "a window that holds nothing but pads".into(),
                    });
                };
                block.extend(window.iter().map(|e| image[c * size + e.unwrap_or(*any)]));
            }
        }
        let dims = [axes[0].out, axes[1].out, axes[0].kernel, axes[1].kernel];
        let per_channel = dims.iter().product::<usize>();
        Ok(Term {
            block,
            strides: strides(&dims).into_iter().map(|s| s as usize).collect(),
            taps: (0..channels)
                .map(|c| vec![((c * per_channel) as u32, weight(c))])
                .collect(),
        })
    }
}
