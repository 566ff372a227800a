//! The layout compiler: which row, lane and id everything of a program has.
//!
//! [`compile`] makes two things of a quantised program and a [`Shape`]: the [`Interface`], which the verifier needs too (the
//! linear layers' affine boxes, what the verifier itself writes on the bus), and the [`Wiring`], which only the prover needs (the
//! weights, the fixed columns, which value each row of the read column refers to). Both are functions of the program
//! alone, so that a proving key need not hold the wiring.

mod shape;
mod witness;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
pub use shape::{Demand, Profile, choose, demand};
pub use witness::{Trace, trace};

use crate::{
    model::{
        Limbs,
        program::{Act, Layer, MAX_DIMS, Program, Source, Taps},
    },
    plonk::{
        cs::{Columns, ConstraintSystem, Shape},
        fold::Weights,
        linear::{Axis, LinearLayer, Tile},
    },
};

/// Why a program cannot be laid out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The trace would be longer than the longest there is.
    #[error(
        "the model needs {slots} slot rows and {reads} reads, which is more than the largest trace has (2^20 rows)"
    )]
    TooLarge {
        /// Rows of slots with the most lanes.
        slots: usize,
        /// Rows of the read column.
        reads: usize,
    },
    /// A kind of layer that runs, but cannot be proven yet.
    #[error("layer '{layer}' cannot be proven yet: only sums, ReLUs and maxima can")]
    Unproven {
        /// The layer.
        layer: String,
    },
    /// A layer has more position axes than there are challenges.
    #[error("layer '{layer}' has {got} position axes; at most {MAX_DIMS} can be proven")]
    Axes {
        /// The layer.
        layer: String,
        /// Its number of axes.
        got: usize,
    },
}

/// A value that the verifier writes on the bus.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Written {
    /// The id it is written under.
    pub id: u64,
    /// How often it is read.
    pub reads: u64,
}

/// Where the input is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// In slots from row 0 on, element `i` at row `i / lanes`, lane `i % lanes`.
    Private {
        /// Number of elements.
        len: usize,
    },
    /// In the statement; the verifier writes it.
    Public(Vec<Written>),
}

/// The part of a circuit that the verifier needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interface {
    /// Rows, lanes, limbs and the kinds of rows.
    pub shape: Shape,
    /// The linear layers.
    pub linear: Vec<LinearLayer>,
    /// Constants that the verifier writes, with their values.
    pub constants: Vec<(i64, Written)>,
    /// The input.
    pub input: Input,
    /// Ids of the slots that the output is read from.
    pub outputs: Vec<u64>,
}

/// The part of a circuit that only the prover needs.
#[derive(Clone, Debug)]
pub struct Wiring {
    /// Values of the fixed columns, in the constraint system's order.
    pub fixed: Vec<Vec<i64>>,
    /// The weights of [`Interface::linear`].
    pub weights: Weights,
    /// What each row of the read column refers to; the rows behind read zero.
    pub reads: Vec<Source<i64>>,
    /// The layers' activations, in the order of [`Interface::linear`].
    pub acts: Vec<Act>,
}

/// Where an output of a layer is.
pub(crate) fn output_slot(layer: &LinearLayer, act: Act, lanes: usize, index: usize) -> (usize, usize) {
    let count: usize = layer.axes.iter().map(|a| a.count).product();
    let window: usize = match act {
        Act::MaxPool { .. } => layer.axes[layer.axes.len() - 2..].iter().map(|a| a.count).product(),
        _ => 1,
    };
    let per_channel = count / window;
    let (channel, position) = (index / per_channel, index % per_channel);
    let group = layer.row + channel / lanes * layer.group_stride;
    let row = match act {
        Act::MaxPool { .. } => group + position * (window + 1) + window,
        _ => group + position,
    };
    (row, channel % lanes)
}

/// Lays out `program`.
///
/// # Errors
/// [`Error::TooLarge`] when the shape is too small for it, [`Error::Axes`] when a layer has too many position axes.
pub fn compile(program: &Program<i64>, shape: &Shape, public_input: bool) -> Result<(Interface, Wiring), Error> {
    let (n, lanes) = (shape.n(), shape.lanes);
    let need = demand(program, lanes, public_input);
    if need.slots.max(need.reads) > n {
        return Err(Error::TooLarge {
            slots: need.slots,
            reads: need.reads,
        });
    }
    let inputs: usize = program.input_shape.iter().product();
    let mut row = if public_input { 0 } else { inputs.div_ceil(lanes) };
    let (mut offset, mut reads, mut linear) = (0, Vec::new(), Vec::with_capacity(program.layers.len()));
    let mut weights = Weights::with_capacity(program.layers.len());
    // An image of ones for a bias costs reads, which must not make the trace longer, and saves a tile.
    let images = need.reads + program.layers.iter().map(shape::image_rows).sum::<usize>() <= n;
    for layer in &program.layers {
        if !matches!(layer.act, Act::Requant | Act::Relu | Act::MaxPool { .. }) {
            return Err(Error::Unproven {
                layer: layer.name.clone(),
            });
        }
        if layer.dims.len() > MAX_DIMS {
            return Err(Error::Axes {
                layer: layer.name.clone(),
                got: layer.dims.len(),
            });
        }
        let groups = layer.channels.div_ceil(lanes);
        let group_stride = shape::group_rows(layer);
        let (tiles, taps) = tiles(layer, images, &mut reads);
        weights.push(taps);
        linear.push(LinearLayer {
            offset,
            row,
            groups,
            group_stride,
            axes: axes(layer),
            tiles,
        });
        // Channels that only fill up the lanes have exponents of their own, or they would be the next layer's.
        offset += groups * lanes;
        row += groups * group_stride;
    }
    let acts: Vec<Act> = program.layers.iter().map(|l| l.act).collect();
    let mut ids = Ids::new(shape, &linear, &acts, public_input.then_some(inputs));
    let fixed = fixed_columns(shape, &linear, &acts, &reads, &program.outputs, inputs, &mut ids);
    let outputs = program.outputs.iter().map(|s| ids.of(s)).collect();
    let input = match &ids.public {
        Some(base) => Input::Public((0..inputs as u64).map(|i| ids.written(base + i)).collect()),
        None => Input::Private { len: inputs },
    };
    let constants = ids.constants.iter().map(|(v, id)| (*v, ids.written(*id))).collect();
    let interface = Interface {
        shape: shape.clone(),
        linear,
        constants,
        input,
        outputs,
    };
    let wiring = Wiring {
        fixed,
        weights,
        reads,
        acts,
    };
    Ok((interface, wiring))
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

/// The layer's operands and their weights, their blocks appended to the read column.
///
/// A bias is a weight of a read of the constant 1. Where `images` allows, positions that move through an operand's block move
/// through an image of ones behind it as well, and the bias is part of that operand; else it is an operand of its own.
fn tiles(layer: &Layer<i64>, images: bool, reads: &mut Vec<Source<i64>>) -> (Vec<Tile>, Vec<Taps<i64>>) {
    let (mut tiles, mut weights) = (Vec::new(), Vec::new());
    let biased = layer.bias.iter().any(|b| *b != 0);
    let image = if images { shape::image_rows(layer) } else { 0 };
    for (t, term) in layer.terms.iter().enumerate() {
        let row = reads.len();
        reads.extend_from_slice(&term.block);
        let mut taps = term.taps.clone();
        if t == 0 && image > 0 {
            let slot = (reads.len() - row) as u32;
            reads.extend(std::iter::repeat_n(Source::Const(1), image));
            taps.iter_mut()
                .zip(&layer.bias)
                .for_each(|(taps, b)| taps.push((slot, *b)));
        }
        tiles.push(tile(row, term.strides.clone(), &taps));
        weights.push(taps);
    }
    if biased && image == 0 {
        let taps: Taps<i64> = layer.bias.iter().map(|b| vec![(0, *b)]).collect();
        tiles.push(tile(reads.len(), vec![0; layer.dims.len()], &taps));
        weights.push(taps);
        reads.push(Source::Const(1));
    }
    (tiles, weights)
}

fn tile(row: usize, strides: Vec<usize>, taps: &Taps<i64>) -> Tile {
    let slots = taps.iter().flatten().map(|(slot, _)| *slot as usize + 1).max();
    Tile {
        row,
        strides,
        channels: taps.len(),
        slots: slots.unwrap_or(0),
    }
}

/// Gives every source its id and counts how often each is read.
struct Ids<'a> {
    shape: &'a Shape,
    linear: &'a [LinearLayer],
    acts: &'a [Act],
    /// The first id of a public input's elements.
    public: Option<u64>,
    constants: BTreeMap<i64, u64>,
    next: u64,
    counts: BTreeMap<u64, u64>,
}

impl<'a> Ids<'a> {
    fn new(shape: &'a Shape, linear: &'a [LinearLayer], acts: &'a [Act], public: Option<usize>) -> Self {
        let first = shape.first_free_id();
        let next = first + public.unwrap_or(0) as u64;
        let public = public.map(|_| first);
        Self {
            shape,
            linear,
            acts,
            public,
            constants: BTreeMap::new(),
            next,
            counts: BTreeMap::new(),
        }
    }

    fn of(&mut self, source: &Source<i64>) -> u64 {
        match *source {
            Source::Input(i) => match self.public {
                Some(base) => base + u64::from(i),
                None => self
                    .shape
                    .slot_id(i as usize / self.shape.lanes, i as usize % self.shape.lanes),
            },
            Source::Layer { layer, index } => {
                let layer = layer as usize;
                let (row, lane) = output_slot(&self.linear[layer], self.acts[layer], self.shape.lanes, index as usize);
                self.shape.slot_id(row, lane)
            }
            Source::Const(v) => *self.constants.entry(v).or_insert_with(|| {
                self.next += 1;
                self.next - 1
            }),
        }
    }

    fn read(&mut self, source: &Source<i64>) -> u64 {
        let id = self.of(source);
        *self.counts.entry(id).or_default() += 1;
        id
    }

    fn written(&self, id: u64) -> Written {
        Written {
            id,
            reads: self.counts.get(&id).copied().unwrap_or(0),
        }
    }
}

fn fixed_columns(
    shape: &Shape,
    linear: &[LinearLayer],
    acts: &[Act],
    reads: &[Source<i64>],
    outputs: &[Source<i64>],
    inputs: usize,
    ids: &mut Ids<'_>,
) -> Vec<Vec<i64>> {
    let n = shape.n();
    let cs = ConstraintSystem::new(shape);
    let columns: &Columns = &cs.columns;
    let mut fixed = vec![vec![0i64; n]; cs.fixed.len()];
    fixed[columns.table] = (0..n as i64).collect();
    // Rows that read nothing read the verifier's zero, and are counted there.
    let idle = std::iter::repeat(&Source::Const(0));
    fixed[columns.read_id] = reads
        .iter()
        .chain(idle)
        .take(n)
        .map(|source| ids.read(source) as i64)
        .collect();
    for source in outputs {
        ids.read(source);
    }
    for (id, count) in &ids.counts {
        if *id < shape.first_free_id() {
            let slot = (*id - 1) as usize;
            fixed[columns.lanes[slot / n].mu][slot % n] = *count as i64;
        }
    }
    let mut set = |column: Option<usize>, row: usize| {
        if let Some(column) = column {
            fixed[column][row] = 1;
        }
    };
    if ids.public.is_none() {
        (0..inputs.div_ceil(shape.lanes)).for_each(|row| set(Some(columns.q_requant), row));
    }
    for (layer, act) in linear.iter().zip(acts) {
        let rows = layer.row..layer.row + layer.groups * layer.group_stride;
        match act {
            Act::Requant => rows.for_each(|row| set(Some(columns.q_requant), row)),
            Act::Relu => rows.for_each(|row| set(columns.q_relu, row)),
            Act::MaxPool { relu } => {
                let window: usize = layer.axes[layer.axes.len() - 2..].iter().map(|a| a.count).product();
                for (i, row) in rows.enumerate() {
                    match i % (window + 1) {
                        at if at < window => {
                            set(columns.q_window, row);
                            if at == 0 {
                                set(columns.q_first, row);
                            }
                        }
                        _ if *relu => set(columns.q_close_relu, row),
                        _ => {
                            set(columns.q_close_signed, row);
                            set(Some(columns.q_requant), row);
                        }
                    }
                }
            }
            // Refused by `compile`.
            _ => {}
        }
    }
    fixed
}

/// Why an [`Interface`] that was read contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the circuit contradicts itself: {0}")]
pub struct Inconsistent(&'static str);

impl Interface {
    /// The number of public words: the input's if it is public, then the output's.
    pub fn public_words(&self) -> usize {
        let inputs = if let Input::Public(written) = &self.input {
            written.len()
        } else {
            0
        };
        inputs + self.outputs.len()
    }

    /// Checks what a verifier relies on to end in time and memory proportional to the number of rows.
    ///
    /// # Errors
    /// The rule that is broken.
    pub fn validate(&self) -> Result<(), Inconsistent> {
        let require = |ok: bool, what| if ok { Ok(()) } else { Err(Inconsistent(what)) };
        let limbs = self.shape.limbs;
        require(Limbs::new(limbs.bits, limbs.hi, limbs.lo).is_ok(), "no such limbs")?;
        require((1..=24).contains(&limbs.bits), "the number of rows is out of range")?;
        require(
            (1..=64).contains(&self.shape.lanes),
            "the number of lanes is out of range",
        )?;
        let n = self.shape.n();
        if let Input::Private { len } = self.input {
            require(
                len <= n * self.shape.lanes,
                "the input has more elements than the trace has slots",
            )?;
        }
        for layer in &self.linear {
            require(layer.axes.len() <= MAX_DIMS, "too many position axes")?;
            let groups = (layer.group_stride, layer.groups);
            let rows = layer.axes.iter().map(|a| (a.row_stride, a.count)).chain([groups]);
            require(
                last_row(layer.row, rows).is_some_and(|r| r < n),
                "an output lies outside of the trace",
            )?;
            for tile in &layer.tiles {
                require(
                    tile.strides.len() == layer.axes.len(),
                    "a tile has another number of axes than its layer",
                )?;
                require(
                    tile.channels <= layer.groups.saturating_mul(self.shape.lanes),
                    "a tile has more channels than its layer",
                )?;
                let steps = layer
                    .axes
                    .iter()
                    .zip(&tile.strides)
                    .map(|(a, s)| (*s, a.count))
                    .chain([(1, tile.slots)]);
                require(
                    last_row(tile.row, steps).is_some_and(|r| r < n),
                    "a read lies outside of the trace",
                )?;
            }
        }
        Ok(())
    }
}

/// The last row of an affine box: `first + sum stride * (count - 1)`; `None` if that overflows.
fn last_row(first: usize, axes: impl IntoIterator<Item = (usize, usize)>) -> Option<usize> {
    axes.into_iter().try_fold(first, |at, (stride, count)| {
        at.checked_add(stride.checked_mul(count.saturating_sub(1))?)
    })
}
