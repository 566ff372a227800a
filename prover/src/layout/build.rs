//! Gives every layer of a program its rows, its reads and its exponents.

use super::{
    Error, shape,
    slots::{Place, Regions},
};
use crate::{
    model::program::{Act, Layer, MAX_DIMS, Program, Source, Taps},
    plonk::{
        cs::Shape,
        fold::Weights,
        linear::{Axis, LinearLayer, Tile},
        matrix::Matrices,
    },
};

/// A layout in the making.
pub(super) struct Builder {
    lanes: usize,
    pub(super) regions: Regions,
    pub(super) linear: Vec<LinearLayer>,
    pub(super) weights: Weights,
    pub(super) places: Vec<Place>,
    pub(super) reads: Vec<Source<i64>>,
    pub(super) factors: Vec<Source<i64>>,
    /// Whether a bias may be an image of ones.
    images: bool,
    /// The next free row, of each kind, and the next free value.
    product: usize,
    raw: usize,
    free: usize,
    row: usize,
    /// The next free exponent of `rho`.
    offset: usize,
}

impl Builder {
    pub(super) fn new(program: &Program<i64>, shape: &Shape, inputs: usize, images: bool) -> Self {
        let regions = shape::regions(program, inputs);
        // Products read in their own rows, so that the linear layers' operands stand behind those. There is one port then.
        let ports = vec![Source::Const(0); regions.products + regions.raw];
        Self {
            lanes: shape.lanes,
            linear: Vec::with_capacity(program.layers.len()),
            weights: Weights::with_capacity(program.layers.len()),
            images,
            places: Vec::with_capacity(program.layers.len()),
            reads: ports.clone(),
            factors: ports,
            product: 0,
            raw: regions.products,
            free: inputs,
            row: regions.rows(shape.lanes),
            offset: 0,
            regions,
        }
    }

    pub(super) fn add(&mut self, layer: &Layer<i64>) -> Result<(), Error> {
        if layer.dims.len() > MAX_DIMS {
            return Err(Error::Axes {
                layer: layer.name.clone(),
                got: layer.dims.len(),
            });
        }
        let place = match layer.act {
            Act::Product { .. } => Place::Products {
                row: pair(&mut self.product, layer, &mut self.reads, &mut self.factors),
            },
            Act::RawProduct => Place::Products {
                row: pair(&mut self.raw, layer, &mut self.reads, &mut self.factors),
            },
            Act::Advice(_) => {
                self.free += layer.outputs();
                Place::Free {
                    first: self.free - layer.outputs(),
                }
            }
            Act::Composite(_) => {
                return Err(Error::Composite {
                    layer: layer.name.clone(),
                });
            }
            _ => Place::Linear,
        };
        self.places.push(place);
        let linear = match place {
            Place::Linear => self.linear(layer),
            // No outputs, no exponents: an entry of its own keeps the numbers of layers.
            _ => (
                LinearLayer {
                    offset: self.offset,
                    row: 0,
                    groups: 0,
                    group_stride: 0,
                    axes: Vec::new(),
                    tiles: Vec::new(),
                    matrices: None,
                },
                Vec::new(),
            ),
        };
        self.linear.push(linear.0);
        self.weights.push(linear.1);
        Ok(())
    }

    fn linear(&mut self, layer: &Layer<i64>) -> (LinearLayer, Vec<Taps<i64>>) {
        let (offset, row) = (self.offset, self.row);
        let groups = layer.channels.div_ceil(self.lanes);
        let group_stride = shape::group_rows(layer);
        // Channels that only fill up the lanes have exponents of their own, or they would be the next layer's.
        self.offset += groups * self.lanes;
        self.row += groups * group_stride;
        let matrices = match layer.act {
            Act::MatMul { factor } => Some(matrices(layer, factor, &mut self.reads)),
            _ => None,
        };
        let (tiles, weights) = tiles(layer, self.images, &mut self.reads);
        let linear = LinearLayer {
            offset,
            row,
            groups,
            group_stride,
            axes: axes(layer),
            tiles,
            matrices,
        };
        (linear, weights)
    }
}

/// Puts the operands of products into the ports of consecutive rows and returns the first of them.
fn pair(next: &mut usize, layer: &Layer<i64>, first: &mut [Source<i64>], second: &mut [Source<i64>]) -> usize {
    let row = *next;
    for (i, (a, b)) in layer.operands[0].iter().zip(&layer.operands[1]).enumerate() {
        (first[row + i], second[row + i]) = (*a, *b);
    }
    *next += layer.outputs();
    row
}

/// Appends the segments of a product of matrices to the reads.
fn matrices(layer: &Layer<i64>, factor: i64, reads: &mut Vec<Source<i64>>) -> Matrices {
    let matrices = Matrices {
        row: reads.len(),
        batch: layer.dims[0],
        rows: layer.channels,
        inner: layer.inner(),
        columns: layer.dims[1],
        factor,
    };
    let Matrices {
        batch,
        rows,
        inner,
        columns,
        ..
    } = matrices;
    let (left, right) = (&layer.operands[0], &layer.operands[1]);
    for b in 0..batch {
        for k in 0..inner {
            reads.extend((0..rows).map(|i| left[(b * rows + i) * inner + k]));
            reads.extend((0..columns).map(|j| right[(b * inner + k) * columns + j]));
            reads.push(Source::Const(0));
        }
    }
    matrices
}

fn axes(layer: &Layer<i64>) -> Vec<Axis> {
    let inner = if layer.window() > 1 || matches!(layer.act, Act::MaxPool { .. }) {
        layer.dims.len() - 2
    } else {
        layer.dims.len()
    };
    let mut axes = Vec::with_capacity(layer.dims.len());
    let mut stride = 1;
    for (d, count) in layer.dims.iter().enumerate().rev() {
        if d + 1 == inner && inner < layer.dims.len() {
            // Behind each window stands the row that closes it.
            stride += 1;
        }
        axes.push(Axis {
            count: *count,
            row_stride: stride,
        });
        stride *= count;
    }
    axes.reverse();
    axes
}

/// The layer's operands and their weights, their blocks appended to the reads.
///
/// A bias is a weight of a read of the constant 1. Where `images` allows, positions that move through an operand's block move
/// through an image of ones behind it as well, and the bias is part of that operand; else it is an operand of its own.
fn tiles(layer: &Layer<i64>, images: bool, reads: &mut Vec<Source<i64>>) -> (Vec<Tile>, Vec<Taps<i64>>) {
    let (mut tiles, mut weights) = (Vec::new(), Vec::new());
    let biased = layer.bias.iter().any(|b| *b != 0);
    let image = if images { shape::image_rows(layer) } else { 0 };
    for (t, term) in layer.terms.iter().enumerate() {
        let read = reads.len();
        reads.extend_from_slice(&term.block);
        let mut taps = term.taps.clone();
        if t == 0 && image > 0 {
            let slot = (reads.len() - read) as u32;
            reads.extend(std::iter::repeat_n(Source::Const(1), image));
            taps.iter_mut()
                .zip(&layer.bias)
                .for_each(|(taps, b)| taps.push((slot, *b)));
        }
        // The block decides on the number of slots, and not which weights are zero: that is nobody's business.
        let slots = reads.len() - read - shape::span(layer, &term.strides);
        tiles.push(Tile {
            read,
            strides: term.strides.clone(),
            channels: taps.len(),
            slots,
        });
        weights.push(taps);
    }
    if biased && image == 0 {
        let taps: Taps<i64> = layer.bias.iter().map(|b| vec![(0, *b)]).collect();
        tiles.push(Tile {
            read: reads.len(),
            strides: vec![0; layer.dims.len()],
            channels: taps.len(),
            slots: 1,
        });
        weights.push(taps);
        reads.push(Source::Const(1));
    }
    (tiles, weights)
}
