//! The layout compiler: which row, lane and id everything of a program has.
//!
//! [`compile`] makes two things of a quantised program and a [`Shape`]: the [`Interface`], which the verifier needs too (the
//! linear layers' affine boxes, what the verifier itself writes on the bus), and the [`Wiring`], which only the prover needs (the
//! weights, the fixed columns, which value each row of the read column refers to). Both are functions of the program
//! alone, so that a proving key need not hold the wiring.

mod build;
mod fixed;
mod shape;
mod slots;
mod witness;

use build::Builder;
use serde::{Deserialize, Serialize};
pub use shape::{Demand, Profile, choose, choose_lanes, demand};
pub(crate) use slots::Slots;
pub use slots::{Place, Regions};
pub use witness::{Trace, trace};

use crate::{
    model::{
        Limbs,
        program::{Act, Function, Layer, MAX_DIMS, Program, Source},
    },
    plonk::{cs::Shape, fold::Weights, linear::LinearLayer},
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
    /// The tables of the model's functions have more rows than the trace.
    #[error("the model's functions need {rows} table rows; the trace has {available}")]
    Tables {
        /// Rows of all tables.
        rows: usize,
        /// Rows of the trace.
        available: usize,
    },
    /// A layer that quantisation should have replaced.
    #[error("layer '{layer}' is an operation that must be quantised before it is laid out")]
    Composite {
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
    /// In slots whose pre-activation takes part in no sum.
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
    /// The same of the second read port.
    pub second_reads: Vec<Source<i64>>,
    /// The layers' activations, in the order of [`Interface::linear`].
    pub acts: Vec<Act>,
    /// Where the layers' values are.
    pub places: Vec<Place>,
    /// The layers' numbers of elements.
    pub elements: Vec<usize>,
    /// The rows above the linear layers.
    pub regions: Regions,
    /// The functions' tables.
    pub tables: Vec<Vec<(i64, i64)>>,
}

/// Lays out `program`.
///
/// # Errors
/// [`Error::TooLarge`] when the shape is too small for it, [`Error::Axes`] when a layer has too many position axes,
/// [`Error::Tables`] when tables are too long, [`Error::Composite`] for a program that is not quantised.
pub fn compile(program: &Program<i64>, shape: &Shape, public_input: bool) -> Result<(Interface, Wiring), Error> {
    let n = shape.n();
    let need = demand(program, shape.lanes, public_input);
    if need.slots.max(need.reads) > n {
        return Err(Error::TooLarge {
            slots: need.slots,
            reads: need.reads,
        });
    }
    if need.tables > n {
        return Err(Error::Tables {
            rows: need.tables,
            available: n,
        });
    }
    let inputs: usize = program.input_shape.iter().product();
    // An image of ones for a bias costs reads, which must not make the trace longer, and saves a tile.
    let images = need.reads + program.layers.iter().map(shape::image_rows).sum::<usize>() <= n;
    let mut builder = Builder::new(program, shape, if public_input { 0 } else { inputs }, images);
    for layer in &program.layers {
        builder.add(layer)?;
    }
    let Builder {
        linear,
        weights,
        reads,
        second_reads,
        places,
        regions,
        ..
    } = builder;
    let acts: Vec<Act> = program.layers.iter().map(|l| l.act).collect();
    let elements: Vec<usize> = program.layers.iter().map(Layer::outputs).collect();
    let table = |f: &Function<i64>| match f {
        Function::Table(rows) => rows.clone(),
        Function::Curve(_) => Vec::new(),
    };
    let tables: Vec<_> = program.functions.iter().map(table).collect();
    let slots = Slots {
        shape,
        linear: &linear,
        acts: &acts,
        places: &places,
        elements: &elements,
        regions,
    };
    let mut ids = fixed::Ids::new(&slots, public_input.then_some(inputs));
    let ports = fixed::Reads {
        first: &reads,
        second: &second_reads,
        outputs: &program.outputs,
    };
    let fixed = fixed::columns(&slots, &ports, &tables, &mut ids);
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
        second_reads,
        acts,
        places,
        elements,
        regions,
        tables,
    };
    Ok((interface, wiring))
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
            if let Some(m) = &layer.matrices {
                require(self.shape.matmul, "a product of matrices in a circuit without")?;
                let (batch, rows) = (
                    layer.axes.first().map(|a| a.count),
                    layer.groups.saturating_mul(self.shape.lanes),
                );
                let fits = layer.axes.len() == 2 && batch == Some(m.batch) && layer.axes[1].count == m.columns;
                require(
                    fits && m.rows <= rows && m.inner > 0,
                    "a product of matrices does not fit its outputs",
                )?;
                let pitch = m.rows.checked_add(m.columns).and_then(|p| p.checked_add(1));
                let steps = pitch
                    .zip(m.inner.checked_mul(m.batch))
                    .map(|(p, count)| [(p, count), (1, p)]);
                require(
                    steps.and_then(|s| last_row(m.row, s)).is_some_and(|r| r < n),
                    "a read lies outside of the trace",
                )?;
            }
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
