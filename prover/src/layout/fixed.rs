//! The fixed columns: selectors, ids, multiplicities, tables.

use std::collections::BTreeMap;

use super::{
    Written,
    slots::{Place, Slots, window},
};
use crate::{
    model::program::{Act, Source},
    plonk::{
        cs::{Columns, ConstraintSystem, Shape},
        matrix::Matrices,
    },
};

/// Gives every source its id and counts how often each is read.
pub(super) struct Ids<'a> {
    slots: &'a Slots<'a>,
    /// The first id of a public input's elements.
    pub(super) public: Option<u64>,
    pub(super) constants: BTreeMap<i64, u64>,
    next: u64,
    counts: BTreeMap<u64, u64>,
}

impl<'a> Ids<'a> {
    pub(super) fn new(slots: &'a Slots<'a>, public: Option<usize>) -> Self {
        let first = slots.shape.first_free_id();
        Self {
            slots,
            public: public.map(|_| first),
            constants: BTreeMap::new(),
            next: first + public.unwrap_or(0) as u64,
            counts: BTreeMap::new(),
        }
    }

    pub(super) fn of(&mut self, source: &Source<i64>) -> u64 {
        let slot = |(row, lane)| self.slots.shape.slot_id(row, lane);
        match *source {
            Source::Input(i) => match self.public {
                Some(base) => base + u64::from(i),
                None => slot(self.slots.input(i as usize)),
            },
            Source::Layer { layer, index } => slot(self.slots.output(layer as usize, index as usize)),
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

    pub(super) fn written(&self, id: u64) -> Written {
        Written {
            id,
            reads: self.counts.get(&id).copied().unwrap_or(0),
        }
    }
}

/// What is read where.
pub(super) struct Reads<'a> {
    /// By linear layers, and the first factors of products.
    pub(super) ports: &'a [Source<i64>],
    /// The second factors of products.
    pub(super) factors: &'a [Source<i64>],
    /// The output, where the verifier reads it.
    pub(super) outputs: &'a [Source<i64>],
    /// What is committed to of the input.
    pub(super) committed_input: &'a [Source<i64>],
    /// What is committed to of the output.
    pub(super) committed_output: &'a [Source<i64>],
    /// What the rows that hash absorb.
    pub(super) hashed: &'a [Source<i64>],
}

/// The fixed columns, in the constraint system's order.
pub(super) fn columns(
    slots: &Slots<'_>,
    reads: &Reads<'_>,
    tables: &[Vec<(i64, i64)>],
    ids: &mut Ids<'_>,
) -> Vec<Vec<i64>> {
    let shape = slots.shape;
    let n = shape.n();
    let cs = ConstraintSystem::new(shape);
    let columns = &cs.columns;
    let mut fixed = vec![vec![0i64; n]; cs.fixed.len()];
    fixed[columns.table] = (0..n as i64).collect();
    // Rows that read nothing read the verifier's zero, and are counted there.
    let mut port = |sources: &[Source<i64>]| {
        let idle = std::iter::repeat(&Source::Const(0));
        let sources = sources.iter().chain(idle).take(n);
        sources.map(|source| ids.read(source) as i64).collect::<Vec<_>>()
    };
    for (p, columns) in columns.ports.iter().enumerate() {
        fixed[columns.read_id] = port(reads.ports.get(p * n..).unwrap_or_default());
    }
    if let Some(products) = &columns.products {
        fixed[products.read_id] = port(reads.factors);
    }
    let committed = [
        (columns.committed_input, reads.committed_input),
        (columns.committed_output, reads.committed_output),
    ];
    for (columns, sources) in committed {
        if let Some(columns) = columns {
            fixed[columns.read_id] = port(sources);
        }
    }
    if let Some(hash) = &columns.hash {
        fixed[hash.read_id] = port(reads.hashed);
    }
    for source in reads.outputs {
        ids.read(source);
    }
    for (id, count) in &ids.counts {
        if *id < shape.first_free_id() {
            let slot = (*id - 1) as usize;
            fixed[columns.lanes[slot / n].mu][slot % n] = *count as i64;
        }
    }
    for row in (0..n).filter(|row| slots.regions.is_signed(*row, shape.lanes)) {
        fixed[columns.q_requant][row] = 1;
    }
    for layer in 0..slots.acts.len() {
        select(slots, columns, layer, &mut fixed);
    }
    fill_tables(shape, columns, tables, &mut fixed);
    fixed
}

/// The selectors of one layer's rows.
fn select(slots: &Slots<'_>, columns: &Columns, l: usize, fixed: &mut [Vec<i64>]) {
    let (layer, act) = (&slots.linear[l], slots.acts[l]);
    let mut set = |column: Option<usize>, row: usize, value: i64| {
        if let Some(column) = column {
            fixed[column][row] = value;
        }
    };
    if let (Place::Products { row }, Some(products)) = (slots.places[l], &columns.products) {
        let count = slots.elements[l];
        for row in row..row + count {
            match act {
                Act::Product { factor } => {
                    set(products.q_product, row, 1);
                    set(Some(products.factor), row, factor);
                }
                _ => {
                    set(products.q_raw, row, 1);
                    set(Some(products.factor), row, 1);
                }
            }
        }
        return;
    }
    let rows = layer.row..layer.row + layer.groups * layer.group_stride;
    match act {
        Act::Requant | Act::MatMul { .. } => rows.for_each(|row| set(Some(columns.q_requant), row, 1)),
        Act::Relu => rows.for_each(|row| set(columns.q_relu, row, 1)),
        Act::Floor => rows.for_each(|row| set(columns.q_floor, row, 1)),
        Act::Function(f) => {
            let Some(functions) = &columns.functions else { return };
            for row in rows {
                set(Some(functions.q_function), row, 1);
                set(functions.tag, row, tag(slots.shape, f as usize));
            }
        }
        Act::MaxPool { relu } => {
            let window = window(layer, act);
            for (i, row) in rows.enumerate() {
                match i % (window + 1) {
                    at if at < window => {
                        set(columns.q_window, row, 1);
                        if at == 0 {
                            set(columns.q_first, row, 1);
                        }
                    }
                    _ if relu => set(columns.q_close_relu, row, 1),
                    _ => {
                        set(columns.q_close_signed, row, 1);
                        set(Some(columns.q_requant), row, 1);
                    }
                }
            }
        }
        // No selector forces the pre-activation to zero; the others have no linear rows.
        Act::Zero | Act::Product { .. } | Act::RawProduct | Act::Advice(_) | Act::Composite(_) => {}
    }
    if let (Some(m), Some(sides)) = (&layer.matrices, &columns.matrices) {
        let Matrices { rows, columns, .. } = *m;
        for row in m.segments() {
            (row..row + rows).for_each(|row| set(Some(sides.q_left), row, 1));
            (row + rows..row + rows + columns).for_each(|row| set(Some(sides.q_right), row, 1));
        }
    }
}

/// What tells the keys of one function from those of others.
pub(super) fn tag(shape: &Shape, function: usize) -> i64 {
    (function * shape.n()) as i64
}

/// The row of a function's first entry.
pub(super) fn table_row(tables: &[Vec<(i64, i64)>], function: usize) -> usize {
    tables[..function].iter().map(Vec::len).sum()
}

/// All tables one behind the other; the rows that are left repeat the last entry, so that no key has another one.
fn fill_tables(shape: &Shape, columns: &Columns, tables: &[Vec<(i64, i64)>], fixed: &mut [Vec<i64>]) {
    let Some(functions) = &columns.functions else { return };
    let entries = tables.iter().enumerate().flat_map(|(f, rows)| {
        let entry = move |(key, (value, rise)): (usize, &(i64, i64))| (tag(shape, f) + key as i64, *value, *rise);
        rows.iter().enumerate().map(entry)
    });
    let mut last = (0, 0, 0);
    let mut entries = entries.fuse();
    let rows = (0..shape.n()).map(|_| {
        last = entries.next().unwrap_or(last);
        last
    });
    for (row, (key, value, rise)) in rows.enumerate() {
        let columns = [functions.key, functions.value, functions.rise];
        columns
            .into_iter()
            .zip([key, value, rise])
            .for_each(|(column, v)| fixed[column][row] = v);
    }
}
