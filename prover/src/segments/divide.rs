//! Where a model is cut.

use std::num::NonZeroUsize;

use crate::{
    choice::{self, Choice},
    layout::{self, Disclosure, Visibility},
    model::{
        Limbs, Model, Quantised,
        cut::Cuts,
        interval,
        program::{Layer, Program},
    },
    pipeline::{Error, SetupOptions},
    plonk::cs::{ConstraintSystem, Shape},
};

/// How many segments a model is cut into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Division {
    /// At most so many, in the shortest trace that this allows, and then as even as the layers are.
    Count(NonZeroUsize),
    /// As few as a prover of so many bytes of memory can have.
    Memory(u64),
}

/// A part of a model with a circuit of its own.
#[derive(Clone, Debug)]
pub struct Segment {
    /// Its layers.
    pub program: Program<i64>,
    /// The shape of its trace.
    pub shape: Shape,
    /// Who sees its input and its output: what lies between two segments is committed to.
    pub disclosure: Disclosure,
}

/// Quantises a model as [`choice::choose`] does, with limbs for which it can be cut as `division` says.
///
/// # Errors
/// Those of [`choice::choose`]; [`layout::Error::Segments`] where no cuts do.
pub fn choose(
    model: &Model,
    samples: &[Vec<f64>],
    options: SetupOptions,
    division: Division,
) -> Result<Choice<Vec<Segment>>, Error> {
    let program = model.program.clone().batched(options.batch.get());
    let slots = layout::demand(&program, options.profile.max_lanes(), options.disclosure).slots;
    let room = |limbs: &Limbs| match division {
        Division::Count(count) => slots <= count.get() << limbs.bits,
        Division::Memory(_) => true,
    };
    let mut limbs = layout::limbs(options.profile, options.precision);
    if matches!(division, Division::Memory(_)) {
        limbs.reverse();
    }
    let fit = |quantised: &Quantised| {
        let segments = divide(&quantised.program, quantised.limbs, options, division)?;
        Some((1 << quantised.limbs.bits, segments))
    };
    let good = choice::accepted(model);
    // A shorter trace is what cuts are for, so that no longer one is tried for the sake of accuracy alone.
    match choice::search(model, samples, options, limbs.into_iter().filter(room), 1, good, fit) {
        Err(Error::Layout(layout::Error::TooLarge { .. })) => Err(layout::Error::Segments.into()),
        other => other,
    }
}

/// Cuts a quantised program; `None` where these limbs' traces are too short for it.
pub(super) fn divide(
    program: &Program<i64>,
    limbs: Limbs,
    options: SetupOptions,
    division: Division,
) -> Option<Vec<Segment>> {
    let n = 1 << limbs.bits;
    let lanes = options.profile.max_lanes();
    // Layers of more rows than a segment is to have are split by channels, so that there is where to cut.
    let share = match division {
        Division::Count(count) => layout::demand(program, lanes, options.disclosure)
            .slots
            .div_ceil(count.get()),
        Division::Memory(_) => n / 2,
    };
    let parts = |layer: &Layer<i64>| layout::rows(layer, lanes).div_ceil(share.max(1));
    let cuts = Cuts::new(program, lanes, parts);
    let cutter = Cutter {
        layers: cuts.places(),
        cuts,
        limbs,
        options,
        memory: match division {
            Division::Memory(bytes) => Some(bytes),
            Division::Count(_) => None,
        },
    };
    let Division::Count(count) = division else {
        return cutter.pieces(n);
    };
    let within = |rows: usize| cutter.pieces(rows).filter(|pieces| pieces.len() <= count.get());
    // The least number of rows that all segments keep to.
    let (mut best, mut low, mut high) = (within(n)?, 0, n);
    while low + 1 < high {
        let middle = usize::midpoint(low, high);
        match within(middle) {
            Some(pieces) => (best, high) = (pieces, middle),
            None => low = middle,
        }
    }
    Some(best)
}

struct Cutter {
    cuts: Cuts<i64>,
    layers: usize,
    limbs: Limbs,
    options: SetupOptions,
    memory: Option<u64>,
}

impl Cutter {
    /// Segments that take at most so many rows with the most lanes, each as long as it can be.
    fn pieces(&self, rows: usize) -> Option<Vec<Segment>> {
        let (mut segments, mut start) = (Vec::new(), 0);
        while start < self.layers {
            let mut fitting: Vec<usize> = Vec::new();
            for end in start + 1..=self.layers {
                match self.segment(start, end, rows) {
                    Fit::Fits(_) => fitting.push(end),
                    Fit::Uncuttable => {}
                    Fit::TooLong => break,
                }
            }
            // What is known of values in the whole is not known of an input: sums may be too large there.
            let sound = |end| match self.segment(start, end, rows) {
                Fit::Fits(segment) if interval::bounds(&segment.program, &self.limbs).is_ok() => Some((end, segment)),
                _ => None,
            };
            let (end, segment) = fitting.into_iter().rev().find_map(sound)?;
            segments.push(*segment);
            start = end;
        }
        Some(segments)
    }

    fn segment(&self, start: usize, end: usize, rows: usize) -> Fit {
        let Disclosure { input, output, .. } = self.options.disclosure;
        let disclosure = Disclosure {
            input: if start == 0 { input } else { Visibility::Committed },
            output: if end == self.layers {
                output
            } else {
                Visibility::Committed
            },
            ..self.options.disclosure
        };
        let Some(program) = self.cuts.piece(start..end) else {
            return Fit::Uncuttable;
        };
        let profile = self.options.profile;
        let need = layout::demand(&program, profile.max_lanes(), disclosure);
        if need.slots > rows {
            return Fit::TooLong;
        }
        let fits = |shape: &Shape| self.memory.is_none_or(|bytes| memory(shape) <= bytes);
        let shape = layout::lanes(&program, self.limbs, disclosure, profile).find(fits);
        match shape {
            Some(shape) => Fit::Fits(Box::new(Segment {
                program,
                shape,
                disclosure,
            })),
            None => Fit::Uncuttable,
        }
    }
}

enum Fit {
    Fits(Box<Segment>),
    /// It cannot end there, but perhaps further on.
    Uncuttable,
    /// Nor can it end further on.
    TooLong,
}

/// Bytes that a prover of a segment of this shape takes at its peak, about.
pub fn memory(shape: &Shape) -> u64 {
    estimate(shape, SEGMENT)
}

/// Bytes that a prover of a model in one piece takes at its peak, about.
pub fn memory_of_whole(shape: &Shape) -> u64 {
    estimate(shape, WHOLE)
}

/// What provers take. Fitted to the backend `cpu` on traces of 2^10 to 2^15 rows, of which it takes between 5 % more and 8 % less. Weights are not
/// counted.
struct Need {
    /// Whatever is proven: the program itself, and multiples of few bases.
    fixed: u64,
    /// Bases, multiples of them, and a multiplication's buckets.
    row: u64,
    /// A value of a column in each of its forms.
    cell: u64,
}

const WHOLE: Need = Need {
    fixed: 23 << 20,
    row: 900,
    cell: 72,
};

const SEGMENT: Need = Need {
    fixed: 27 << 19,
    row: 530,
    cell: 35,
};

fn estimate(shape: &Shape, need: Need) -> u64 {
    let cs = ConstraintSystem::new(shape);
    let columns = (cs.advice.len() + cs.fixed.len()) as u64;
    need.fixed + shape.n() as u64 * (need.row + columns * need.cell)
}
