//! What a verifier needs to know of a circuit beside its constraints: where everything is, and what it writes on the bus itself.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use ark_bn254::Fr;

use crate::{
    field::signed,
    fixed::Limbs,
    hash::Hash,
    plonk::{
        cs::{MAX_PORTS, Shape},
        fold::{DUMMIES, Fold, Hidden, MASK},
        linear::{LinearLayer, MAX_DIMS},
    },
};

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
        /// How many of them, from the first on, are committed to.
        committed: usize,
    },
    /// In the statement; the verifier writes it.
    Public(Vec<Written>),
}

/// Who sees the input or the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Visibility {
    /// Everybody: it is part of the statement.
    Public,
    /// The prover alone.
    #[default]
    Private,
    /// The prover alone; a proof shows a commitment to it, which can stand in other proofs too.
    Committed,
    /// The prover alone; a proof shows the Poseidon2 hash of it, which anybody can compute who knows the values, or who guesses them.
    Hashed,
    /// As [`Self::Committed`], of so many elements from the first on. The others of an input are private, those of an output public.
    Part(u32),
}

impl Visibility {
    /// Whether a proof shows a commitment.
    pub fn is_committed(self) -> bool {
        matches!(self, Self::Committed | Self::Part(_))
    }

    /// The number of elements that are committed to, of `len`.
    pub fn committed_of(self, len: usize) -> usize {
        match self {
            Self::Public | Self::Private | Self::Hashed => 0,
            Self::Committed => len,
            Self::Part(part) => len.min(part as usize),
        }
    }
}

impl fmt::Display for Visibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Public => f.write_str("public"),
            Self::Private => f.write_str("private"),
            Self::Committed => f.write_str("committed"),
            Self::Hashed => f.write_str("hashed"),
            Self::Part(part) => write!(f, "committed:{part}"),
        }
    }
}

impl Serialize for Visibility {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a text names no [`Visibility`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected public, private, hashed, committed, or committed:COUNT for the first COUNT elements")]
pub struct NoVisibility;

impl FromStr for Visibility {
    type Err = NoVisibility;

    fn from_str(text: &str) -> Result<Self, NoVisibility> {
        match text {
            "public" => Ok(Self::Public),
            "private" => Ok(Self::Private),
            "committed" => Ok(Self::Committed),
            "hashed" => Ok(Self::Hashed),
            other => {
                let part = other.strip_prefix("committed:").and_then(|count| count.parse().ok());
                part.filter(|count| *count > 0).map(Self::Part).ok_or(NoVisibility)
            }
        }
    }
}

/// Who sees what of a statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disclosure {
    /// Who sees the input.
    pub input: Visibility,
    /// Who sees the output.
    pub output: Visibility,
    /// Whether key and proofs hide the weights. If not, whoever guesses them can check that they are right.
    pub hidden_weights: bool,
}

impl Default for Disclosure {
    fn default() -> Self {
        Self {
            input: Visibility::Private,
            output: Visibility::Public,
            hidden_weights: false,
        }
    }
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
    /// Ids of the slots that the public part of the output is read from.
    pub outputs: Vec<u64>,
    /// How many of the output's elements, from the first on, are committed to.
    pub committed_outputs: usize,
    /// Where weights are hidden: the first read behind everything that layers read.
    pub hidden_weights: Option<usize>,
}

/// The public words of a statement.
#[derive(Clone, Copy, Debug)]
pub struct Public<'a> {
    /// The input's if it is public, then the output's.
    pub integers: &'a [i64],
    /// The input's if it is hashed, then the output's.
    pub hashes: &'a [Hash],
}

impl Public<'_> {
    /// All of them in the order in which they stand in a statement.
    pub fn words(&self) -> Vec<Fr> {
        let integers = self.integers.iter().map(|v| signed(*v));
        integers.chain(self.hashes.iter().map(|hash| hash.0)).collect()
    }
}

/// Why an [`Interface`] that was read contradicts itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the circuit contradicts itself: {0}")]
pub struct Inconsistent(&'static str);

impl Interface {
    /// Who sees what.
    pub fn disclosure(&self) -> Disclosure {
        let part = |count: usize, all: bool, hashed: bool| match (count, all) {
            (0, _) if hashed => Visibility::Hashed,
            (0, _) => Visibility::Private,
            (_, true) => Visibility::Committed,
            (count, false) => Visibility::Part(count as u32),
        };
        Disclosure {
            input: match self.input {
                Input::Public(_) => Visibility::Public,
                Input::Private { len, committed } => part(committed, committed == len, self.shape.hashed_input),
            },
            output: match (self.committed_outputs, self.outputs.is_empty()) {
                (0, false) => Visibility::Public,
                (count, all) => part(count, all, self.shape.hashed_output),
            },
            hidden_weights: self.shape.hidden_weights,
        }
    }

    /// How the weights are cut into tiles.
    pub fn fold(&self) -> Fold {
        let mask = self.shape.reads().saturating_sub(MASK);
        let hidden = self.hidden_weights.map(|dummies| Hidden { dummies, mask });
        Fold::new(&self.linear, hidden)
    }

    /// The number of public words: integers, then hashes.
    pub fn public_words(&self) -> usize {
        self.public_integers() + self.hashes()
    }

    /// The number of integers among the public words: the input's if it is public, then the output's.
    pub fn public_integers(&self) -> usize {
        let inputs = if let Input::Public(written) = &self.input {
            written.len()
        } else {
            0
        };
        inputs + self.outputs.len()
    }

    /// The number of hashes among the public words: the input's, then the output's.
    pub fn hashes(&self) -> usize {
        usize::from(self.shape.hashed_input) + usize::from(self.shape.hashed_output)
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
        require(
            (1..=MAX_PORTS).contains(&self.shape.ports) && (self.shape.ports == 1 || !self.shape.one_port()),
            "the number of read ports is out of range",
        )?;
        let n = self.shape.n();
        let committed = match self.input {
            Input::Private { len, committed } => {
                require(
                    len <= n * self.shape.lanes,
                    "the input has more elements than the trace has slots",
                )?;
                require(committed <= len, "a commitment to more than the input")?;
                committed
            }
            Input::Public(_) => 0,
        };
        let secret = matches!(self.input, Input::Private { .. }) && committed == 0;
        require(
            (secret || !self.shape.hashed_input)
                && (self.outputs.is_empty() && self.committed_outputs == 0 || !self.shape.hashed_output),
            "a hash of what is public or committed to",
        )?;
        for (column, committed) in [
            (self.shape.committed_input, committed),
            (self.shape.committed_output, self.committed_outputs),
        ] {
            require(
                column == (committed > 0) && committed <= n,
                "a commitment to nothing, to what is public, or to more elements than a column has",
            )?;
        }
        require(
            self.shape.hidden_weights == self.hidden_weights.is_some(),
            "hidden weights without rows that hide them, or the reverse",
        )?;
        // Behind what is read come the rows that hide weights.
        let reads = self.shape.reads();
        let (end, mask) = (self.hidden_weights.unwrap_or(reads), reads.saturating_sub(MASK));
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
                    steps.and_then(|s| last_row(m.row, s)).is_some_and(|r| r < end),
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
                let steps = || layer.axes.iter().zip(&tile.strides).map(|(a, s)| (*s, a.count));
                require(
                    last_row(tile.read, steps().chain([(1, tile.slots)])).is_some_and(|r| r < end),
                    "a read lies outside of the trace",
                )?;
                require(
                    self.hidden_weights.is_none()
                        || last_row(end, steps().chain([(1, DUMMIES)])).is_some_and(|r| r < mask),
                    "the rows that hide weights do not fit the trace",
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
