//! The layout compiler: which row, lane and id everything of a program has.
//!
//! [`compile`] makes two things of a quantised program and a [`Shape`]: the [`Interface`], which the verifier needs too (the
//! linear layers' affine boxes, what the verifier itself writes on the bus), and the [`Wiring`], which only the prover needs (the
//! weights, the fixed columns, which value each read refers to). Both are functions of the program
//! alone, so that a proving key need not hold the wiring.

mod build;
mod fixed;
mod hash;
mod shape;
mod slots;
mod witness;

use build::Builder;
pub use hash::rows as hash_rows;
pub use shape::{Demand, Precision, Profile, candidates, choose, choose_lanes, demand, lanes, limbs, rows, shape_for};
pub(crate) use slots::Slots;
pub use slots::{Place, Regions};
pub use tapeout_verifier::interface::{Disclosure, Inconsistent, Input, Interface, Public, Visibility, Written};
pub use witness::{Trace, trace};

use rayon::prelude::*;
use tapeout_driver::{Fr, Width};

use crate::{
    field::signed,
    model::program::{Act, Function, Layer, MAX_DIMS, Program, Source},
    plonk::{
        cs::{ConstraintSystem, Shape},
        fold::Weights,
    },
};

/// Why a program cannot be laid out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The trace would be longer than the longest there is.
    #[error(
        "the model needs {slots} slot rows, {reads} reads and {columns} rows of committed or hashed values, which is more \
         than the largest trace has (2^20 rows)"
    )]
    TooLarge {
        /// Rows of slots with the most lanes.
        slots: usize,
        /// Reads of layers.
        reads: usize,
        /// Rows of what commits or hashes.
        columns: usize,
    },
    /// No cuts make the model small enough.
    #[error("the model cannot be cut so: take more segments or more memory, or none of either")]
    Segments,
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
    /// An output that is to be hashed is bounded by no slot's limbs.
    #[error("the output cannot be hashed: values of '{layer}' are larger than a slot holds")]
    Unbounded {
        /// What gives it.
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

impl Error {
    /// For what takes `need`, and `hashing` rows that hash.
    pub(crate) fn too_large(need: &Demand, hashing: usize) -> Self {
        Self::TooLarge {
            slots: need.slots,
            reads: need.reads,
            columns: need.committed.max(hashing),
        }
    }
}

/// The part of a circuit that only the prover needs.
#[derive(Clone, Debug, Default)]
pub struct Wiring {
    /// Values of the fixed columns, in the constraint system's order.
    pub fixed: Vec<Vec<i64>>,
    /// Those of the fixed columns that are no small integers, by the column; [`Self::fixed`] has zeros there.
    pub wide: Vec<(usize, Vec<Fr>)>,
    /// The weights of [`Interface::linear`].
    pub weights: Weights,
    /// What each read refers to, those of port 0 first; the reads behind are of zero.
    pub reads: Vec<Source<i64>>,
    /// What the second factors of products refer to, row by row.
    pub factors: Vec<Source<i64>>,
    /// What the column that commits to the input holds.
    pub committed_input: Vec<Source<i64>>,
    /// What the column that commits to the output holds.
    pub committed_output: Vec<Source<i64>>,
    /// What the rows that hash absorb.
    pub hashed: Vec<Source<i64>>,
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

impl Wiring {
    /// The fixed columns as field elements.
    pub fn fixed_columns(&self) -> Vec<Vec<Fr>> {
        let field = |column: &Vec<i64>| column.iter().map(|v| signed(*v)).collect();
        let mut columns: Vec<Vec<Fr>> = self.fixed.par_iter().map(field).collect();
        for (column, values) in &self.wide {
            columns[*column].clone_from(values);
        }
        columns
    }

    /// The size of what each fixed column holds.
    pub fn fixed_widths(&self) -> Vec<Width> {
        let mut widths: Vec<Width> = self.fixed.iter().map(|column| Width::covering(column)).collect();
        self.wide.iter().for_each(|(column, _)| widths[*column] = Width::Full);
        widths
    }
}

/// Lays out `program`.
///
/// # Errors
/// [`Error::TooLarge`] when the shape is too small for it, [`Error::Axes`] when a layer has too many position axes,
/// [`Error::Tables`] when tables are too long, [`Error::Composite`] for a program that is not quantised, [`Error::Unbounded`] where
/// what is to be hashed is in no slot.
pub fn compile(program: &Program<i64>, shape: &Shape, disclosure: Disclosure) -> Result<(Interface, Wiring), Error> {
    let n = shape.n();
    let need = demand(program, shape.lanes, disclosure);
    if need.tables > n {
        return Err(Error::Tables {
            rows: need.tables,
            available: n,
        });
    }
    let hashing = hash::rows(program, &shape.limbs, disclosure);
    if need.rows(shape.ports).max(hashing) > n {
        return Err(Error::too_large(&need, hashing));
    }
    let inputs: usize = program.input_shape.iter().product();
    // An image of ones for a bias costs reads, which must not make the trace longer, and saves a tile.
    let images = need.reads + program.layers.iter().map(shape::image_rows).sum::<usize>() <= shape.reads();
    let public_input = disclosure.input == Visibility::Public;
    let mut builder = Builder::new(program, shape, if public_input { 0 } else { inputs }, images);
    for layer in &program.layers {
        builder.add(layer)?;
    }
    let Builder {
        linear,
        weights,
        reads,
        factors,
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
    let elements_of_input: Vec<_> = (0..inputs as u32).map(Source::Input).collect();
    let committed_input = elements_of_input[..disclosure.input.committed_of(inputs)].to_vec();
    let (committed, rest) = program
        .outputs
        .split_at(disclosure.output.committed_of(program.outputs.len()));
    let committed_output = committed.to_vec();
    let public_rest = matches!(disclosure.output, Visibility::Public | Visibility::Part(_));
    let public_output = if public_rest { rest.to_vec() } else { Vec::new() };
    let chains = hash::Chains::new(program, &shape.limbs, disclosure)?;
    let ports = fixed::Reads {
        ports: &reads,
        factors: &factors,
        outputs: &public_output,
        committed_input: &committed_input,
        committed_output: &committed_output,
        hashed: &chains.sources,
    };
    let mut fixed = fixed::columns(&slots, &ports, &tables, &mut ids);
    let hash_columns = ConstraintSystem::new(shape).columns.hash;
    let wide = hash_columns.map_or(Vec::new(), |columns| chains.fill(&columns, &mut fixed));
    let outputs = public_output.iter().map(|s| ids.of(s)).collect();
    let input = match &ids.public {
        Some(base) => Input::Public((0..inputs as u64).map(|i| ids.written(base + i)).collect()),
        None => Input::Private {
            len: inputs,
            committed: committed_input.len(),
        },
    };
    let constants = ids.constants.iter().map(|(v, id)| (*v, ids.written(*id))).collect();
    let interface = Interface {
        shape: shape.clone(),
        linear,
        constants,
        input,
        outputs,
        committed_outputs: committed_output.len(),
        hidden_weights: disclosure.hidden_weights.then_some(reads.len()),
    };
    let wiring = Wiring {
        fixed,
        wide,
        weights,
        reads,
        factors,
        committed_input,
        committed_output,
        hashed: chains.sources,
        acts,
        places,
        elements,
        regions,
        tables,
    };
    Ok((interface, wiring))
}
