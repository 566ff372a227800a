//! Sliding windows: the axes that convolutions and pools share, and the block of an image with its pads.

use crate::model::error::OpError;
use crate::model::graph::Node;
use crate::model::program::Source;
use crate::model::tensor::elements;

/// One spatial axis of a convolution or pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Axis {
    /// Length of the image.
    pub(super) size: usize,
    /// Elements of the window.
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) dilation: usize,
    /// Pad before the image.
    pub(super) pad: usize,
    /// Pad behind the image.
    pub(super) pad_end: usize,
    /// Number of windows.
    pub(super) out: usize,
}

impl Axis {
    /// Where element `a` of window `p` lies in the image, unless that is in a pad.
    pub(super) fn at(&self, p: usize, a: usize) -> Option<usize> {
        (p * self.stride + a * self.dilation)
            .checked_sub(self.pad)
            .filter(|&i| i < self.size)
    }

    /// Whether no window reads a pad.
    pub(super) fn is_inside(&self) -> bool {
        self.at(0, 0).is_some() && self.at(self.out - 1, self.kernel - 1).is_some()
    }
}

/// The axes of a node over an image of the given spatial shape.
pub(super) fn axes(node: &Node, image: &[usize], kernel: &[usize]) -> Result<Vec<Axis>, OpError> {
    let rank = image.len();
    let list = |name: &str, default: i64, count: usize, min: i64| -> Result<Vec<usize>, OpError> {
        let values = node.ints(name)?.map_or_else(|| vec![default; count], <[i64]>::to_vec);
        let valid = values.len() == count && values.iter().all(|v| (min..=1 << 20).contains(v));
        match valid {
            true => Ok(values.into_iter().map(|v| v as usize).collect()),
            false => Err(node.attribute_error(name, format!("{count} integers, at least {min}"))),
        }
    };
    let (strides, dilations) = (list("strides", 1, rank, 1)?, list("dilations", 1, rank, 1)?);
    let pads = list("pads", 0, 2 * rank, 0)?;
    let auto = node.text("auto_pad", "NOTSET")?;
    let ceil = node.flag("ceil_mode", false)?;
    (0..rank)
        .map(|i| {
            let (size, stride, dilation) = (image[i], strides[i], dilations[i]);
            let reach = (kernel[i] - 1) * dilation + 1;
            let (pad, pad_end, ceil) = match auto {
                "NOTSET" => (pads[i], pads[i + rank], ceil),
                "VALID" => (0, 0, ceil),
                "SAME_UPPER" | "SAME_LOWER" => {
                    let total = ((size.div_ceil(stride) - 1) * stride + reach).saturating_sub(size);
                    let small = total / 2;
                    if auto == "SAME_UPPER" {
                        (small, total - small, false)
                    } else {
                        (total - small, small, false)
                    }
                }
                _ => return Err(node.attribute_error("auto_pad", "NOTSET, VALID, SAME_UPPER or SAME_LOWER")),
            };
            let room = (size + pad + pad_end)
                .checked_sub(reach)
                .ok_or_else(|| OpError::Shape {
                    what: "image",
                    expected: format!("at least {reach} elements with pads on spatial axis {i}, the window's extent"),
                    got: image.to_vec(),
                })?;
            let mut out = if ceil { room.div_ceil(stride) } else { room / stride } + 1;
            // A window must not start in the pad behind the image.
            if ceil && (out - 1) * stride >= size + pad {
                out -= 1;
            }
            Ok(Axis {
                size,
                kernel: kernel[i],
                stride,
                dilation,
                pad,
                pad_end,
                out,
            })
        })
        .collect()
}

/// The kernel's shape, from the node's attribute.
pub(super) fn kernel_shape(node: &Node, rank: usize) -> Result<Vec<usize>, OpError> {
    let shape = node.ints("kernel_shape")?.unwrap_or_default();
    match shape.len() == rank && shape.iter().all(|v| (1..=1 << 20).contains(v)) {
        true => Ok(shape.iter().map(|&v| v as usize).collect()),
        false => Err(node.attribute_error("kernel_shape", format!("{rank} positive integers"))),
    }
}

/// How an image with its pads lies in a block. Pads between two rows, and between two channels, are shared by both.
#[derive(Clone, Debug)]
pub(super) struct Layout {
    axes: Vec<Fit>,
    channels: usize,
    channel_stride: usize,
}

/// One axis of a [`Layout`], in steps of what the windows can reach: coordinate `t` is `t * step - pad` in the image.
#[derive(Clone, Copy, Debug)]
struct Fit {
    step: usize,
    pad: usize,
    /// Coordinates before, inside and behind the image, as far as a window reads them.
    lead: usize,
    valid: usize,
    trail: usize,
    /// Distance in the block of two neighbours.
    pitch: usize,
    /// Steps per window and per window element.
    stride: usize,
    dilation: usize,
    out: usize,
}

impl Layout {
    /// The layout of `channels` images. `shared` pads need the same pad value in all of them.
    pub(super) fn new(channels: usize, axes: &[Axis], shared: bool) -> Result<Self, OpError> {
        elements(&[
            channels,
            elements(&axes.iter().map(|a| a.size + a.pad + a.pad_end).collect::<Vec<_>>())?,
        ])?;
        let mut fits: Vec<Fit> = axes.iter().map(Fit::new).collect();
        let mut pitch = 1;
        for fit in fits.iter_mut().rev() {
            fit.pitch = pitch;
            pitch *= fit.valid
                + if shared {
                    fit.lead.max(fit.trail)
                } else {
                    fit.lead + fit.trail
                };
        }
        Ok(Self {
            axes: fits,
            channels,
            channel_stride: pitch,
        })
    }

    /// The slot of the first element of the first window of a channel.
    pub(super) fn first(&self, channel: usize) -> usize {
        channel * self.channel_stride
    }

    /// How far one step along each output axis moves within the block.
    pub(super) fn window_strides(&self) -> Vec<usize> {
        self.axes.iter().map(|f| f.stride * f.pitch).collect()
    }

    /// How far one step along each axis of the window moves within the block.
    pub(super) fn element_strides(&self) -> Vec<usize> {
        self.axes.iter().map(|f| f.dilation * f.pitch).collect()
    }

    /// The slot of an element of the first window of a channel, unless every window has it in a pad.
    pub(super) fn slot(&self, channel: usize, element: &[usize]) -> Option<usize> {
        let alive = self.axes.iter().zip(element).all(|(f, &a)| {
            let (first, last) = (a * f.dilation, a * f.dilation + (f.out - 1) * f.stride);
            last >= f.lead && first < f.lead + f.valid
        });
        alive.then(|| {
            let within = self
                .axes
                .iter()
                .zip(element)
                .map(|(f, &a)| a * f.dilation * f.pitch)
                .sum::<usize>();
            self.first(channel) + within
        })
    }

    /// The block: `image` holds the channels one after another, each row-major; `pad` gives a channel's pad value.
    pub(super) fn block(
        &self,
        image: &[Source<f64>],
        pad: impl Fn(usize) -> Source<f64>,
        axes: &[Axis],
    ) -> Vec<Source<f64>> {
        let reach: usize = self
            .axes
            .iter()
            .map(|f| (f.lead + f.valid + f.trail - 1) * f.pitch)
            .sum();
        let len = (self.channels - 1) * self.channel_stride + reach + 1;
        let mut block: Vec<_> = (0..len)
            .map(|i| pad((i / self.channel_stride).min(self.channels - 1)))
            .collect();
        let size: usize = axes.iter().map(|a| a.size).product();
        for channel in 0..self.channels {
            let mut places = vec![(channel * self.channel_stride, channel * size)];
            let mut inner = size;
            for (fit, axis) in self.axes.iter().zip(axes) {
                inner /= axis.size;
                let along = |(slot, index): (usize, usize)| {
                    (fit.lead..fit.lead + fit.valid)
                        .map(move |t| (slot + t * fit.pitch, index + (t * fit.step - fit.pad) * inner))
                };
                places = places.into_iter().flat_map(along).collect();
            }
            places.into_iter().for_each(|(slot, index)| block[slot] = image[index]);
        }
        block
    }
}

impl Fit {
    fn new(axis: &Axis) -> Self {
        let stride = if axis.out > 1 { axis.stride } else { 0 };
        let dilation = if axis.kernel > 1 { axis.dilation } else { 0 };
        let step = gcd(stride, dilation).max(1);
        let reach = ((axis.out - 1) * stride + (axis.kernel - 1) * dilation) / step + 1;
        let lead = axis.pad.div_ceil(step).min(reach);
        let valid = (axis.pad + axis.size).div_ceil(step).min(reach).saturating_sub(lead);
        Self {
            step,
            pad: axis.pad,
            lead,
            valid,
            trail: reach - lead - valid,
            pitch: 1,
            stride: stride / step,
            dilation: dilation / step,
            out: axis.out,
        }
    }
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
