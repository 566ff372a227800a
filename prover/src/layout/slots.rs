//! Which row and lane a value has.
//!
//! From the top: products and raw products in lane 0, a row each; then what takes part in no sum, the private input and advice
//! (which also fill the other lanes of rounded products' rows, being requantise rows like them); then the linear layers.

use super::Interface;
use crate::{
    model::program::Act,
    plonk::{cs::Shape, linear::LinearLayer},
};

/// Where a layer's values are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the rows of [`Interface::linear`].
    Linear,
    /// In lane 0 of consecutive rows from this one.
    Products {
        /// The row of element 0.
        row: usize,
    },
    /// Among the free values, element 0 being this one.
    Free {
        /// Index of element 0.
        first: usize,
    },
}

/// How the rows above the linear layers are divided.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Regions {
    /// Rows of rounded products.
    pub products: usize,
    /// Rows of raw products, behind them.
    pub raw: usize,
    /// Number of free values: the private input, then advice.
    pub free: usize,
}

impl Regions {
    /// Rows of free values alone.
    pub fn free_rows(&self, lanes: usize) -> usize {
        self.free.saturating_sub(self.products * (lanes - 1)).div_ceil(lanes)
    }

    /// Rows of all regions.
    pub fn rows(&self, lanes: usize) -> usize {
        self.products + self.raw + self.free_rows(lanes)
    }

    /// Row and lane of free value `i`.
    pub fn free_slot(&self, i: usize, lanes: usize) -> (usize, usize) {
        let beside = self.products * (lanes - 1);
        match i.checked_sub(beside) {
            None => (i / (lanes - 1), 1 + i % (lanes - 1)),
            Some(i) => (self.products + self.raw + i / lanes, i % lanes),
        }
    }

    /// Whether this is a requantise row.
    pub fn is_signed(&self, row: usize, lanes: usize) -> bool {
        row < self.products || (self.products + self.raw..self.rows(lanes)).contains(&row)
    }
}

/// Everything that says where values are.
pub(crate) struct Slots<'a> {
    pub(crate) shape: &'a Shape,
    pub(crate) linear: &'a [LinearLayer],
    pub(crate) acts: &'a [Act],
    pub(crate) places: &'a [Place],
    /// Per layer the number of its elements.
    pub(crate) elements: &'a [usize],
    pub(crate) regions: Regions,
}

impl<'a> Slots<'a> {
    pub(crate) fn new(interface: &'a Interface, wiring: &'a super::Wiring) -> Self {
        Self {
            shape: &interface.shape,
            linear: &interface.linear,
            acts: &wiring.acts,
            places: &wiring.places,
            elements: &wiring.elements,
            regions: wiring.regions,
        }
    }

    /// Row and lane of an element of a private input.
    pub(crate) fn input(&self, index: usize) -> (usize, usize) {
        self.regions.free_slot(index, self.shape.lanes)
    }

    /// Row and lane of an output of a layer.
    pub(crate) fn output(&self, layer: usize, index: usize) -> (usize, usize) {
        match self.places[layer] {
            Place::Products { row } => (row + index, 0),
            Place::Free { first } => self.regions.free_slot(first + index, self.shape.lanes),
            Place::Linear => in_linear(&self.linear[layer], self.acts[layer], self.shape.lanes, index),
        }
    }
}

/// Number of elements of a window: 1 unless the layer is a pool.
pub(super) fn window(layer: &LinearLayer, act: Act) -> usize {
    match act {
        Act::MaxPool { .. } => layer.axes[layer.axes.len() - 2..].iter().map(|a| a.count).product(),
        _ => 1,
    }
}

/// Where an output of a linear layer is.
pub(super) fn in_linear(layer: &LinearLayer, act: Act, lanes: usize, index: usize) -> (usize, usize) {
    let count: usize = layer.axes.iter().map(|a| a.count).product();
    let window = window(layer, act);
    let per_channel = count / window;
    let (channel, position) = (index / per_channel, index % per_channel);
    let group = layer.row + channel / lanes * layer.group_stride;
    let row = match act {
        Act::MaxPool { .. } => group + position * (window + 1) + window,
        _ => group + position,
    };
    (row, channel % lanes)
}
