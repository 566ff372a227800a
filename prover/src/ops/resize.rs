//! Resize and Upsample: along each axis a linear map with constant weights, or a movement where one element is taken.

use super::movement::pick;
use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::lower::{Inputs, Lowering};
use crate::model::tensor::{Tensor, axis, elements};
use crate::model::value::Value;

pub(crate) const RESIZE_ATTRIBUTES: &[&str] = &[
    "antialias",
    "axes",
    "coordinate_transformation_mode",
    "cubic_coeff_a",
    "exclude_outside",
    "extrapolation_value",
    "keep_aspect_ratio_policy",
    "mode",
    "nearest_mode",
];

/// Resize: each axis in turn is a linear map with constant weights.
pub(crate) fn resize(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let x = inputs.value(0, "X")?;
    let rank = x.shape().len();
    let crop = node.text("coordinate_transformation_mode", "half_pixel")? == "tf_crop_and_resize";
    let region = if crop {
        inputs.optional_constant(1, "roi")?
    } else {
        None
    };
    let scales = inputs.optional_constant(2, "scales")?.filter(|t| t.len() > 0);
    let sizes = inputs.optional_constant(3, "sizes")?.filter(|t| t.len() > 0);
    let axes = match node.ints("axes")? {
        Some(list) => list.iter().map(|&a| axis(a, rank)).collect::<Result<Vec<_>, _>>()?,
        None => (0..rank).collect(),
    };
    let region: Option<Vec<f64>> = region.map(|t| t.to_floats());
    let own = x.shape().to_vec();
    let mut plan = Vec::new();
    match (&scales, &sizes) {
        (Some(t), _) if t.len() == axes.len() => {
            for (&a, s) in axes.iter().zip(t.floats("scales")?) {
                plan.push((a, (own[a] as f64 * s).floor() as usize, s));
            }
        }
        (None, Some(t)) if t.len() == axes.len() => {
            let wanted = sizes_of(t)?;
            let ratio = |i: usize| wanted[i] as f64 / own[axes[i]] as f64;
            let ratios = (0..axes.len()).map(ratio);
            let common = match node.text("keep_aspect_ratio_policy", "stretch")? {
                "stretch" => None,
                "not_larger" => Some(ratios.fold(f64::INFINITY, f64::min)),
                "not_smaller" => Some(ratios.fold(0.0, f64::max)),
                _ => return Err(node.attribute_error("keep_aspect_ratio_policy", "stretch, not_larger or not_smaller")),
            };
            for (i, &a) in axes.iter().enumerate() {
                plan.push(match common {
                    Some(s) => (a, (own[a] as f64 * s + 0.5).floor() as usize, s),
                    None => (a, wanted[i], ratio(i)),
                });
            }
        }
        _ => return Err(OpError::MissingInput { name: "scales" }),
    }
    let mut x = x;
    for (i, (a, size, scale)) in plan.into_iter().enumerate() {
        let interval = region.as_ref().map(|r| (r[i], r[i + axes.len()]));
        let rows = interpolation(node, own[a], size, scale, interval)?;
        x = along(ctx, x, a, &rows)?;
    }
    Ok(vec![x])
}

/// `Upsample`: nearest or linear by constant scales, aligned at the first pixel.
pub(crate) fn upsample(ctx: &mut Lowering, node: &Node, mut inputs: Inputs) -> Result<Vec<Value>, OpError> {
    let mut x = inputs.value(0, "X")?;
    let scales = match inputs.optional_constant(1, "scales")? {
        Some(t) => t.floats("scales")?,
        None => node.floats("scales")?.to_vec(),
    };
    let mode = node.text("mode", "nearest")?.to_owned();
    if scales.len() != x.shape().len() || !["nearest", "linear"].contains(&mode.as_str()) {
        return Err(node.attribute_error("mode", "nearest or linear, with one scale per axis"));
    }
    for (a, s) in scales.into_iter().enumerate() {
        let own = x.shape()[a];
        let size = (own as f64 * s).floor() as usize;
        let row = |i: usize| {
            let at = i as f64 / s;
            let low = (at.floor() as usize).min(own - 1);
            match mode == "nearest" || low + 1 >= own {
                true => vec![(low, 1.0)],
                false => vec![(low, 1.0 - at.fract()), (low + 1, at.fract())],
            }
        };
        let rows: Vec<_> = (0..size).map(row).collect();
        x = along(ctx, x, a, &rows)?;
    }
    Ok(vec![x])
}

/// Per output of an axis the elements that it is made of, and an offset.
type Row = Vec<(usize, f64)>;

fn interpolation(
    node: &Node,
    own: usize,
    size: usize,
    scale: f64,
    interval: Option<(f64, f64)>,
) -> Result<Vec<Row>, OpError> {
    let mode = node.text("mode", "nearest")?;
    let transform = node.text("coordinate_transformation_mode", "half_pixel")?;
    let nearest = node.text("nearest_mode", "round_prefer_floor")?;
    let (anti, exclude) = (node.flag("antialias", false)?, node.flag("exclude_outside", false)?);
    let cubic = node.float("cubic_coeff_a", -0.75)?;
    let (n, m) = (own as f64, size as f64);
    let place = |i: f64| -> Result<f64, OpError> {
        Ok(match transform {
            "half_pixel" => (i + 0.5) / scale - 0.5,
            "half_pixel_symmetric" => {
                let adjustment = m / (scale * n);
                let centre = n / 2.0;
                centre * (1.0 - adjustment) + (i + 0.5) / scale - 0.5
            }
            "pytorch_half_pixel" => {
                if m > 1.0 {
                    (i + 0.5) / scale - 0.5
                } else {
                    0.0
                }
            }
            "align_corners" => {
                if m > 1.0 {
                    i * (n - 1.0) / (scale * n - 1.0)
                } else {
                    0.0
                }
            }
            "asymmetric" => i / scale,
            "tf_crop_and_resize" => {
                let (start, end) = interval.ok_or(OpError::MissingInput { name: "roi" })?;
                match m > 1.0 {
                    true => start * (n - 1.0) + i * (end - start) * (n - 1.0) / (m - 1.0),
                    false => 0.5 * (start + end) * (n - 1.0),
                }
            }
            _ => return Err(node.attribute_error("coordinate_transformation_mode", "a mode of the specification")),
        })
    };
    let clamp = |i: f64| i.clamp(0.0, n - 1.0) as usize;
    let mut out = Vec::new();
    for i in 0..size {
        let x = place(i as f64)?;
        if transform == "tf_crop_and_resize" && (x < 0.0 || x > n - 1.0) {
            match node.float("extrapolation_value", 0.0)? {
                0.0 => out.push(vec![]),
                _ => return Err(node.attribute_error("extrapolation_value", "0")),
            }
            continue;
        }
        // Below 1 an antialiased filter is as wide as the ratio.
        let width = if anti && scale < 1.0 { 1.0 / scale } else { 1.0 };
        let filter = |reach: f64, f: &dyn Fn(f64) -> f64| -> Row {
            let (low, high) = ((x - reach * width).floor() as i64, (x + reach * width).ceil() as i64);
            let mut taps: Vec<(i64, f64)> = (low..=high).map(|k| (k, f((x - k as f64) / width))).collect();
            taps.retain(|t| t.1 != 0.0 && !(exclude && (t.0 < 0 || t.0 as f64 > n - 1.0)));
            let total: f64 = taps.iter().map(|t| t.1).sum();
            taps.into_iter().map(|(k, w)| (clamp(k as f64), w / total)).collect()
        };
        out.push(match mode {
            "nearest" => {
                let k = match nearest {
                    "round_prefer_floor" => (x - 0.5).ceil(),
                    "round_prefer_ceil" => (x + 0.5).floor(),
                    "floor" => x.floor(),
                    "ceil" => x.ceil(),
                    _ => return Err(node.attribute_error("nearest_mode", "a mode of the specification")),
                };
                vec![(clamp(k), 1.0)]
            }
            "linear" => filter(1.0, &|d| (1.0 - d.abs()).max(0.0)),
            "cubic" => filter(2.0, &|d| keys(d.abs(), cubic)),
            _ => return Err(node.attribute_error("mode", "nearest, linear or cubic")),
        });
    }
    Ok(out)
}

/// The cubic convolution kernel with parameter `a`.
fn keys(d: f64, a: f64) -> f64 {
    match d {
        d if d <= 1.0 => ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0,
        d if d < 2.0 => ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a,
        _ => 0.0,
    }
}

/// One axis mapped: where every output is one element it is a movement, else a linear map.
fn along(ctx: &mut Lowering, x: Value, a: usize, rows: &[Row]) -> Result<Value, OpError> {
    let own = x.shape().to_vec();
    let mut shape = own.clone();
    shape[a] = rows.len();
    let n = elements(&shape)?;
    let inner: usize = own[a + 1..].iter().product();
    let base = |e: usize| {
        (
            e / (inner * rows.len()) * own[a] * inner,
            e / inner % rows.len(),
            e % inner,
        )
    };
    if rows.iter().all(|r| matches!(r[..], [(_, w)] if w == 1.0)) {
        let places: Vec<usize> = (0..n)
            .map(|e| {
                let (first, i, rest) = base(e);
                first + rows[i][0].0 * inner + rest
            })
            .collect();
        return pick(ctx, x, shape, &places);
    }
    let taps: Vec<Vec<_>> = (0..n)
        .map(|e| {
            let (first, i, rest) = base(e);
            rows[i].iter().map(|&(k, w)| (first + k * inner + rest, w)).collect()
        })
        .collect();
    super::combination::combine(ctx, x, &taps, shape)
}

fn sizes_of(t: &Tensor) -> Result<Vec<usize>, OpError> {
    let convert = |&d: &i64| {
        usize::try_from(d).map_err(|_| OpError::Constant {
            name: "sizes",
            problem: "holds a negative length",
        })
    };
    t.ints("sizes")?.iter().map(convert).collect()
}
