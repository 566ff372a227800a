//! A model too large for one proof, in segments: cut at tensors, each segment a circuit of its own, the tensors between them
//! committed to by points that two proofs share (`docs/protocol.md`, "Segments").
//!
//! One segment's key is in memory at a time. All blinding follows from one secret, so that a proof that is interrupted goes on
//! from the segments that were finished: what is proven again comes out in the same bytes and reveals nothing more.

mod divide;

use std::borrow::Cow;

pub use divide::{Division, Segment, choose, memory, memory_of_whole};
use rand::SeedableRng;
use rand_chacha::ChaCha20Rng;
use sha3::{Digest, Keccak256};
use tapeout_driver::Backend;
pub use tapeout_verifier::segments::{MAX_SEGMENTS, SegmentedKey, SegmentedStatement};

use crate::{
    certificate::{Certificate, Certificates},
    choice::Choice,
    commitment::{Commitment, Opening, OpeningError, Use, Values},
    keys::{Concealed, ModelInfo, Powers, ProvingKey, VerifyingKey, powers_needed},
    model::{Model, Scale},
    pipeline::{
        Error, Proven, SetupOptions, SrsSource, Standing, committed, concealed, generator, model_info, prove_from,
        string,
    },
    plonk::prover::{PhaseTime, Phases},
    statement::{Context, Statement},
};

/// What setup makes of segments.
#[derive(Debug)]
pub struct Keys {
    /// The verifying key.
    pub verifying: SegmentedKey,
    /// What is certified of hidden weights.
    pub certificates: Option<Certificates>,
    /// Time per phase.
    pub phases: Vec<PhaseTime>,
}

/// Makes keys for the segments of a model ([`keys_of`]).
///
/// # Errors
/// Those of [`keys_of`].
pub fn keys<E: From<Error>>(
    model: &Model,
    choice: &Choice<Vec<Segment>>,
    options: SetupOptions,
    srs: Option<SrsSource<'_>>,
    backend: &dyn Backend,
    keep: &mut dyn FnMut(usize, &ProvingKey) -> Result<(), E>,
    observe: &mut dyn FnMut(&'static str),
) -> Result<Keys, E> {
    let concealed = concealed(model, options)?;
    let info = model_info(model, &choice.quantised, concealed.as_ref());
    keys_of(&info, &choice.shape, concealed, srs, backend, keep, observe)
}

/// Makes keys for segments that follow each other. Each proving key is given to `keep` with its number, and then forgotten.
///
/// # Errors
/// Those of the keys, of the reference string, and of `keep`.
pub fn keys_of<E: From<Error>>(
    model: &ModelInfo,
    segments: &[Segment],
    concealed: Option<Concealed>,
    srs: Option<SrsSource<'_>>,
    backend: &dyn Backend,
    keep: &mut dyn FnMut(usize, &ProvingKey) -> Result<(), E>,
    observe: &mut dyn FnMut(&'static str),
) -> Result<Keys, E> {
    let mut phases = Phases::new(observe);
    phases.begin("reference string");
    let mut needed = Powers { g1: 0, g2: 0 };
    for segment in segments {
        let own = powers_needed(&segment.program, &segment.shape, segment.disclosure).map_err(Error::from)?;
        (needed.g1, needed.g2) = (needed.g1.max(own.g1), needed.g2.max(own.g2));
    }
    let srs = string(srs, needed).map_err(Error::from)?;
    phases.begin("keys");
    let mut verifying = Vec::with_capacity(segments.len());
    let mut certificates = Vec::new();
    for (i, segment) in segments.iter().enumerate() {
        let (first, last) = (i == 0, i + 1 == segments.len());
        // Between segments values are what they are: integers.
        let scale = |end: bool, scale| if end { scale } else { Scale(0) };
        let info = ModelInfo {
            hash: model.hash,
            input_shape: segment.program.input_shape.clone(),
            output_shape: segment.program.output_shape.clone(),
            input_scale: scale(first, model.input_scale),
            output_scale: scale(last, model.output_scale),
        };
        let (program, shape) = (segment.program.clone(), &segment.shape);
        let own = concealed.map(|concealed| concealed.for_segment(i));
        let key =
            ProvingKey::generate(program, shape, segment.disclosure, info, own, &srs, backend).map_err(Error::from)?;
        keep(i, &key)?;
        if own.is_some() {
            let rng = &mut generator(None)?;
            certificates.push(Certificate::new(&key, &srs, backend, rng).map_err(Error::from)?);
        }
        verifying.push(key.verifying);
    }
    Ok(Keys {
        verifying: SegmentedKey::new(verifying).map_err(|e| Error::Key(e.into()))?,
        certificates: concealed.is_some().then_some(Certificates(certificates)),
        phases: phases.finish(),
    })
}

/// Keeps what is finished of a proof, so that it can go on after an interruption.
pub trait Store {
    /// The proof of a segment that was finished before, if there is one.
    ///
    /// # Errors
    /// The operating system's.
    fn load(&mut self, segment: usize) -> std::io::Result<Option<Vec<u8>>>;

    /// Keeps the proof of a segment. It must be whole or not there at all, whenever the program may end.
    ///
    /// # Errors
    /// The operating system's.
    fn save(&mut self, segment: usize, proof: &[u8]) -> std::io::Result<()>;
}

/// Keeps nothing.
impl Store for () {
    fn load(&mut self, _: usize) -> std::io::Result<Option<Vec<u8>>> {
        Ok(None)
    }

    fn save(&mut self, _: usize, _: &[u8]) -> std::io::Result<()> {
        Ok(())
    }
}

/// What happens while segments are proven.
#[derive(Clone, Debug)]
pub enum Event {
    /// This segment is next.
    Begin(usize),
    /// A phase of its proof begins.
    Phase(&'static str),
    /// It was finished before.
    Finished(usize),
    /// What was kept of it is no proof of it, for this reason; it is proven again.
    Damaged(usize, String),
}

/// What to prove.
pub struct Job<'a> {
    /// The keys.
    pub key: &'a SegmentedKey,
    /// The model's input, row-major.
    pub input: &'a [f64],
    /// What the proofs are bound to.
    pub context: &'a Context,
    /// What all blinding follows from. One secret is for one input, one context and one key only.
    pub secret: &'a [u8; 32],
}

/// A proof in segments.
#[derive(Debug)]
pub struct SegmentedProven {
    /// The proofs.
    pub statement: SegmentedStatement,
    /// The model's output, dequantised, row-major.
    pub outputs: Vec<f64>,
    /// Which segments had been finished before.
    pub finished_before: Vec<usize>,
    /// Time per phase, of all segments together.
    pub phases: Vec<PhaseTime>,
    /// What opens the commitment to the input, if the proof has a new one.
    pub input_opening: Option<Opening>,
    /// What opens the commitment to the output, if the proof has a new one.
    pub output_opening: Option<Opening>,
}

/// Proves segment after segment; `load` reads a segment's proving key.
///
/// # Errors
/// As [`crate::pipeline::prove_standing`], [`Error::OtherKey`] for a key of another model or segment, those of the store, and those of `load`.
pub fn prove<E: From<Error>>(
    job: &Job<'_>,
    mut standing: Standing,
    load: &mut dyn FnMut(usize) -> Result<ProvingKey, E>,
    store: &mut dyn Store,
    backend: &dyn Backend,
    observe: &mut (dyn FnMut(Event) + Send),
) -> Result<SegmentedProven, E> {
    let frugal = backend.frugal();
    let backend = frugal.as_deref().unwrap_or(backend);
    let keys = job.key.keys();
    let mut proven = SegmentedProven {
        statement: SegmentedStatement {
            key: job.key.digest(),
            segments: Vec::with_capacity(keys.len()),
        },
        outputs: job.input.to_vec(),
        finished_before: Vec::new(),
        phases: Vec::new(),
        input_opening: None,
        output_opening: None,
    };
    let mut before = standing.input.take();
    for (i, verifying) in keys.iter().enumerate() {
        observe(Event::Begin(i));
        let key = load(i)?;
        if key.verifying.digest != verifying.digest {
            return Err(Error::OtherKey { segment: i }.into());
        }
        let behind = if i + 1 == keys.len() {
            standing.output.take()
        } else {
            None
        };
        let segment = OneSegment {
            job,
            number: i,
            key,
            input: &proven.outputs,
            backend,
        };
        let step = segment.prove(before, behind, store, observe)?;
        if step.finished_before {
            proven.finished_before.push(i);
        }
        add(&mut proven.phases, step.phases);
        proven.outputs = step.outputs;
        proven.statement.segments.push(step.statement);
        if i == 0 {
            proven.input_opening = step.input;
        }
        (before, proven.output_opening) = match step.output {
            Some(mut opening) if i + 1 < keys.len() => (Some(opening.spend().map_err(Error::from)?), None),
            opening => (None, opening),
        };
    }
    let backend = backend.info().name;
    proven
        .statement
        .verify(job.key, job.context)
        .map_err(|source| Error::SelfCheck { backend, source })?;
    Ok(proven)
}

struct OneSegment<'a> {
    job: &'a Job<'a>,
    number: usize,
    key: ProvingKey,
    input: &'a [f64],
    backend: &'a dyn Backend,
}

struct Step {
    statement: Statement,
    outputs: Vec<f64>,
    finished_before: bool,
    phases: Vec<PhaseTime>,
    /// New openings.
    input: Option<Opening>,
    output: Option<Opening>,
}

impl OneSegment<'_> {
    /// Randomness for one purpose.
    fn rng(&self, purpose: &[u8]) -> ChaCha20Rng {
        let mut hasher = Keccak256::new();
        hasher.update(self.job.secret);
        hasher.update((self.number as u64).to_be_bytes());
        hasher.update(purpose);
        ChaCha20Rng::from_seed(hasher.finalize().into())
    }

    fn commit(&self, what: &'static str, values: Vec<i64>, scale: Scale) -> Result<Opening, OpeningError> {
        let values = Values {
            what,
            values,
            scale,
            log_rows: self.key.verifying.interface.shape.log_n(),
        };
        Opening::new(&self.key, values, self.backend, &mut self.rng(what.as_bytes()))
    }

    fn prove(
        self,
        before: Option<Use>,
        behind: Option<Use>,
        store: &mut dyn Store,
        observe: &mut (dyn FnMut(Event) + Send),
    ) -> Result<Step, Error> {
        let (quantised, model) = (self.key.quantised(), &self.key.verifying.model);
        let disclosure = self.key.verifying.interface.disclosure();
        let input = quantised.quantise_input(self.input)?;
        let execution = quantised.run(&input)?;
        // What is committed to, by openings that are known already or new ones.
        let mut ends = Ends::default();
        if disclosure.input.is_committed() {
            let values = committed(disclosure.input, &input);
            ends.input = self.end(before, "input", values, model.input_scale)?;
        }
        if disclosure.output.is_committed() {
            let values = committed(disclosure.output, &execution.outputs);
            ends.output = self.end(behind, "output", values, model.output_scale)?;
        }
        let kept = match store.load(self.number)? {
            None => None,
            Some(bytes) => match self.check(&bytes, &ends) {
                Ok(statement) => Some(statement),
                Err(reason) => {
                    observe(Event::Damaged(self.number, reason));
                    None
                }
            },
        };
        let finished_before = kept.is_some();
        let outputs = quantised.dequantise_output(&execution.outputs);
        let (statement, phases) = match kept {
            Some(statement) => {
                observe(Event::Finished(self.number));
                (statement, Vec::new())
            }
            None => {
                let standing = Standing {
                    input: ends.input.0.take(),
                    output: ends.output.0.take(),
                };
                let mut phase = |name| observe(Event::Phase(name));
                let rng = self.rng(b"proof");
                let Proven { statement, phases, .. } = prove_from(
                    Cow::Owned(self.key),
                    self.input,
                    standing,
                    self.job.context,
                    self.backend,
                    rng,
                    &mut phase,
                )?;
                store.save(self.number, &statement.to_bytes())?;
                (statement, phases)
            }
        };
        Ok(Step {
            statement,
            outputs,
            finished_before,
            phases,
            input: ends.input.1,
            output: ends.output.1,
        })
    }

    fn end(&self, given: Option<Use>, what: &'static str, values: Vec<i64>, scale: Scale) -> Result<End, Error> {
        if given.is_some() {
            return Ok((given, None));
        }
        let mut opening = self.commit(what, values, scale)?;
        Ok((Some(opening.spend()?), Some(opening)))
    }

    /// The proof that was kept, if it is one of this segment.
    fn check(&self, bytes: &[u8], ends: &Ends) -> Result<Statement, String> {
        let key: &VerifyingKey = &self.key.verifying;
        let statement = Statement::read(bytes, key).map_err(|e| e.to_string())?;
        statement.verify(key, self.job.context).map_err(|e| e.to_string())?;
        let commitment = |end: &End| end.0.as_ref().map(Use::commitment);
        let expected: [Option<Commitment>; 2] = [commitment(&ends.input), commitment(&ends.output)];
        if [statement.input_commitment(key), statement.output_commitment(key)] != expected {
            return Err("it is about other values".into());
        }
        Ok(statement)
    }
}

/// One proof's worth of an opening, and the opening itself if it is new.
type End = (Option<Use>, Option<Opening>);

#[derive(Default)]
struct Ends {
    input: End,
    output: End,
}

/// Adds times up, phase by phase.
fn add(sums: &mut Vec<PhaseTime>, times: Vec<PhaseTime>) {
    for time in times {
        match sums.iter_mut().find(|sum| sum.name == time.name) {
            Some(sum) => {
                sum.wall_s += time.wall_s;
                sum.cpu_s += time.cpu_s;
            }
            None => sums.push(time),
        }
    }
}

#[cfg(test)]
mod tests;
