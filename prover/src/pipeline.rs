//! From a model to keys, from an input to a proof, from a proof to a verdict: what most callers need, in three functions.

use std::{borrow::Cow, num::NonZeroUsize};

use rand::{SeedableRng, TryRngCore, rngs::OsRng};
use rand_chacha::ChaCha20Rng;
use tapeout_driver::Backend;

pub use tapeout_verifier::{Key, Trust, Verified, verify};

use crate::{
    certificate::{Certificate, CertificateError, Certificates},
    choice::{self, Choice},
    commitment::{Opening, OpeningError, Shown, Use, Values},
    hash,
    keys::{Concealed, KeyError, ModelInfo, Powers, ProvingKey, powers_needed},
    layout::{self, Disclosure, Precision, Profile, Public, Visibility},
    model::{self, Model, Quantised},
    plonk::{
        hidden::Secret,
        kernels::{KernelRow, Kernels},
        prover::{self, Honest, Instance, PhaseTime, Phases, ProveError, Witness},
        rounds::Defences,
    },
    srs::{Srs, SrsError},
    statement::{Context, Statement, VerifyError},
};

/// Why there are no keys or no proof.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The model or the input.
    #[error(transparent)]
    Model(#[from] model::Error),
    /// The model has no layout.
    #[error(transparent)]
    Layout(#[from] layout::Error),
    /// The keys.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The reference string.
    #[error(transparent)]
    Srs(#[from] SrsError),
    /// A commitment.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// The certificate of hidden weights.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// The proof.
    #[error(transparent)]
    Prove(#[from] ProveError),
    /// The proof was made and does not verify: the backend computed something wrong.
    #[error(
        "the proof that was made does not verify, so that it was thrown away; backend {backend} is at fault: {source}"
    )]
    SelfCheck {
        /// The backend.
        backend: &'static str,
        /// What the verifier says.
        source: VerifyError,
    },
    /// A proving key is not the one that belongs there.
    #[error("the proving key of segment {segment}, counted from 0, does not belong to the verifying key")]
    OtherKey {
        /// Which segment.
        segment: usize,
    },
    /// A finished segment could not be kept or read.
    #[error("the proofs of finished segments cannot be kept: {0}")]
    Store(#[from] std::io::Error),
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Randomness(#[from] rand::rand_core::OsError),
}

/// What keys are to be made for.
#[derive(Clone, Copy, Debug)]
pub struct SetupOptions {
    /// Who sees the input and the output.
    pub disclosure: Disclosure,
    /// What proofs are to be cheap for.
    pub profile: Profile,
    /// How finely values are represented.
    pub precision: Precision,
    /// The number of inferences in one proof. Their inputs are one behind the other, and so are their outputs.
    pub batch: NonZeroUsize,
    /// What hides the weights, where they are to be hidden: with one secret the same model gives the same keys, so that somebody who is told
    /// both can check that keys are the model's. Without one, a new one is drawn.
    pub secret: Option<Secret>,
}

impl Default for SetupOptions {
    fn default() -> Self {
        Self {
            disclosure: Disclosure::default(),
            profile: Profile::default(),
            precision: Precision::default(),
            batch: NonZeroUsize::MIN,
            secret: None,
        }
    }
}

/// Gives the first powers of a reference string, at least as many as are asked for.
pub type SrsSource<'a> = &'a mut dyn FnMut(Powers) -> Result<Srs, SrsError>;

/// Keys, and what making them took.
#[derive(Debug)]
pub struct Keys {
    /// The proving key, which holds the verifying one.
    pub proving: ProvingKey,
    /// What is certified of hidden weights.
    pub certificates: Option<Certificates>,
    /// Time per phase.
    pub phases: Vec<PhaseTime>,
}

/// Makes keys for a model, quantised by `samples` as [`choice::choose`] does it. Without a reference string a new one is made, whose
/// keys are marked [`Origin::InsecureDev`](crate::srs::Origin::InsecureDev). `observe` is called with the name of each phase as it begins.
///
/// # Errors
/// Those of [`choice::choose`] and of [`keys`].
pub fn setup(
    model: &Model,
    samples: &[Vec<f64>],
    options: SetupOptions,
    srs: Option<SrsSource<'_>>,
    backend: &dyn Backend,
    observe: &mut dyn FnMut(&'static str),
) -> Result<Keys, Error> {
    let mut phases = Phases::new(observe);
    phases.begin("quantise");
    let choice = choice::choose(model, samples, options)?;
    let mut times = phases.finish();
    let keys = keys(model, choice, options, srs, backend, observe)?;
    times.extend(keys.phases);
    Ok(Keys { phases: times, ..keys })
}

/// Makes keys for a model that limbs and scales have been chosen for; the rest is as in [`setup`].
///
/// # Errors
/// [`Error::Layout`] for a model that is too large, and those of the keys and of the reference string.
pub fn keys(
    model: &Model,
    choice: Choice,
    options: SetupOptions,
    srs: Option<SrsSource<'_>>,
    backend: &dyn Backend,
    observe: &mut dyn FnMut(&'static str),
) -> Result<Keys, Error> {
    let Choice { quantised, shape, .. } = choice;
    let mut phases = Phases::new(observe);
    phases.begin("reference string");
    let srs = string(srs, powers_needed(&quantised.program, &shape, options.disclosure)?)?;
    phases.begin("keys");
    let concealed = concealed(model, options)?;
    let info = model_info(model, &quantised, concealed.as_ref());
    let program = quantised.program;
    let proving = ProvingKey::generate(program, &shape, options.disclosure, info, concealed, &srs, backend)?;
    let mut certificates = None;
    if concealed.is_some() {
        phases.begin("certify");
        let certificate = Certificate::new(&proving, &srs, backend, &mut generator(None)?)?;
        certificates = Some(Certificates(vec![certificate]));
    }
    Ok(Keys {
        proving,
        certificates,
        phases: phases.finish(),
    })
}

/// What hides the weights, where they are to be hidden.
pub(crate) fn concealed(model: &Model, options: SetupOptions) -> Result<Option<Concealed>, Error> {
    if !options.disclosure.hidden_weights {
        return Ok(None);
    }
    let secret = match options.secret {
        Some(secret) => secret,
        None => Secret(fresh()?),
    };
    let model_hash = model.hash;
    Ok(Some(Concealed { secret, model_hash }))
}

/// 32 random bytes.
fn fresh() -> Result<[u8; 32], Error> {
    let mut bytes = [0; 32];
    OsRng.try_fill_bytes(&mut bytes)?;
    Ok(bytes)
}

/// A reference string from `source`, or a new one.
pub(crate) fn string(source: Option<SrsSource<'_>>, needed: Powers) -> Result<Srs, SrsError> {
    match source {
        Some(source) => source(needed),
        None => Srs::insecure_dev(needed.g1, needed.g2),
    }
}

/// What a key says of a quantised model.
pub(crate) fn model_info(model: &Model, quantised: &Quantised, concealed: Option<&Concealed>) -> ModelInfo {
    ModelInfo {
        hash: concealed.map_or(model.hash, Concealed::model_commitment),
        input_shape: quantised.program.input_shape.clone(),
        output_shape: quantised.program.output_shape.clone(),
        input_scale: quantised.input_scale,
        output_scale: quantised.output_scale,
    }
}

/// A proof and what making it took.
#[derive(Debug)]
pub struct Proven {
    /// The proof with its statement.
    pub statement: Statement,
    /// The model's output, dequantised, row-major.
    pub outputs: Vec<f64>,
    /// Time per phase.
    pub phases: Vec<PhaseTime>,
    /// Kernel calls.
    pub kernels: Vec<KernelRow>,
    /// What opens the commitment to the input, if the proof has a new one.
    pub input_opening: Option<Opening>,
    /// What opens the commitment to the output, if the proof has a new one.
    pub output_opening: Option<Opening>,
}

/// The commitments that a proof is to show. Where the key commits and none is given, the proof has a new one.
#[derive(Debug, Default)]
pub struct Standing {
    /// That to the input.
    pub input: Option<Use>,
    /// That to the output.
    pub output: Option<Use>,
}

/// Commits to an input, row-major, without a proof: what a data owner publishes beforehand. Proofs under `key` and under keys with
/// as many rows, the same scale and the same reference string can show the commitment.
///
/// # Errors
/// [`Error::Model`] for an input that is none, [`Error::Opening`] for a key that commits to no input, and when the backend fails.
pub fn commit(key: &ProvingKey, input: &[f64], backend: &dyn Backend, seed: Option<u64>) -> Result<Opening, Error> {
    let visibility = key.verifying.interface.disclosure().input;
    if !visibility.is_committed() {
        return Err(OpeningError::NotCommitted("input").into());
    }
    let values = Values {
        what: "input",
        values: committed(visibility, &key.quantised().quantise_input(input)?),
        scale: key.verifying.model.input_scale,
        log_rows: key.verifying.interface.shape.log_n(),
    };
    Ok(Opening::new(key, values, backend, &mut generator(seed)?)?)
}

/// The values that are committed to.
pub(crate) fn committed(visibility: Visibility, values: &[i64]) -> Vec<i64> {
    values[..visibility.committed_of(values.len())].to_vec()
}

pub(crate) fn generator(seed: Option<u64>) -> Result<ChaCha20Rng, Error> {
    match seed {
        Some(seed) => Ok(ChaCha20Rng::seed_from_u64(seed)),
        None => Ok(ChaCha20Rng::from_seed(fresh()?)),
    }
}

/// Proves what the model gives for `input`, row-major.
///
/// `seed` fixes the blinding, so that every backend gives the same bytes; two proofs with one seed and different inputs reveal
/// something of the inputs, so that it is for tests and comparisons. Without one the operating system's randomness is used.
/// The proof is bound to `context`: verifiers accept it for no other.
///
/// The proof is verified before it is returned, so that a backend that computes wrong is found out here.
///
/// # Errors
/// [`Error::Model`] for an input that is none or lies outside of the calibrated range, [`Error::Prove`] when the backend fails,
/// [`Error::SelfCheck`] when it computes something wrong.
pub fn prove(
    key: &ProvingKey,
    input: &[f64],
    context: &Context,
    backend: &dyn Backend,
    seed: Option<u64>,
    observe: &mut (dyn FnMut(&'static str) + Send),
) -> Result<Proven, Error> {
    prove_standing(key, input, Standing::default(), context, backend, seed, observe)
}

/// As [`prove`], with commitments that are known already.
///
/// # Errors
/// Those of [`prove`], and [`Error::Opening`] where a commitment is to something else or was made for other keys.
pub fn prove_standing(
    key: &ProvingKey,
    input: &[f64],
    standing: Standing,
    context: &Context,
    backend: &dyn Backend,
    seed: Option<u64>,
    observe: &mut (dyn FnMut(&'static str) + Send),
) -> Result<Proven, Error> {
    let rng = generator(seed)?;
    let key = Cow::Borrowed(key);
    prove_from(key, input, standing, context, backend, rng, observe)
}

/// As [`prove_standing`], with all randomness from `rng`. Where the key is given away memory is short: what is no longer needed of it is
/// dropped, and the domain is looked at in parts. The proof is the same.
pub(crate) fn prove_from(
    key: Cow<'_, ProvingKey>,
    input: &[f64],
    standing: Standing,
    context: &Context,
    backend: &dyn Backend,
    rng: ChaCha20Rng,
    observe: &mut (dyn FnMut(&'static str) + Send),
) -> Result<Proven, Error> {
    // On a thread of the pool: one that is not wakes the others and sleeps at each parallel step.
    rayon::scope(|_| prove_on_this_thread(key, input, standing, context, backend, rng, observe))
}

fn prove_on_this_thread(
    mut key: Cow<'_, ProvingKey>,
    input: &[f64],
    standing: Standing,
    context: &Context,
    backend: &dyn Backend,
    mut rng: ChaCha20Rng,
    observe: &mut (dyn FnMut(&'static str) + Send),
) -> Result<Proven, Error> {
    let mut phases = Phases::new(observe);
    phases.begin("load bases");
    let kernels = match key {
        Cow::Borrowed(_) => Kernels::new(backend, &key.bases),
        Cow::Owned(_) => Kernels::in_parts(backend, &key.bases),
    };
    let mut kernels = kernels.map_err(ProveError::from)?;
    phases.begin("run the model");
    let input = key.quantised.quantise_input(input)?;
    let execution = key.quantised.run(&input)?;
    let outputs = key.quantised.dequantise_output(&execution.outputs);
    let (interface, cs) = (&key.verifying.interface, &key.verifying.cs);
    let trace = layout::trace(interface, &key.wiring, cs, &input, &execution);
    let weights = key.wiring.weights.clone();
    if let Cow::Owned(key) = &mut key {
        key.unload();
    }
    let verifying = &key.verifying;
    let disclosure = verifying.interface.disclosure();
    let mut public = match disclosure.input {
        Visibility::Public => input.clone(),
        _ => Vec::new(),
    };
    public.extend(match disclosure.output {
        Visibility::Public | Visibility::Part(_) => {
            &execution.outputs[disclosure.output.committed_of(execution.outputs.len())..]
        }
        Visibility::Private | Visibility::Committed | Visibility::Hashed => &[],
    });
    let limbs = &verifying.interface.shape.limbs;
    let hashes: Vec<_> = [(disclosure.input, &input), (disclosure.output, &execution.outputs)]
        .into_iter()
        .filter(|(seen, _)| *seen == Visibility::Hashed)
        .map(|(_, values)| hash::hash(values, limbs))
        .collect();
    let (columns, model) = (&verifying.cs.columns, &verifying.model);
    let log_rows = verifying.interface.shape.log_n();
    let mut shown = |what, columns, given, values, scale| {
        let values = Values {
            what,
            values,
            scale,
            log_rows,
        };
        Shown::new(columns, given, values, &mut rng)
    };
    let shown_input = shown(
        "input",
        columns.committed_input,
        standing.input,
        committed(disclosure.input, &input),
        model.input_scale,
    )?;
    let outputs_scale = model.output_scale;
    let shown_output = shown(
        "output",
        columns.committed_output,
        standing.output,
        committed(disclosure.output, &execution.outputs),
        outputs_scale,
    )?;
    let standing: Vec<_> = [&shown_input, &shown_output]
        .into_iter()
        .flatten()
        .map(Shown::blinds)
        .collect();
    let instance = Instance {
        cs: &verifying.cs,
        interface: &verifying.interface,
        wiring: &key.wiring,
        digest: &verifying.digest,
        fold: &verifying.weights.fold,
        dummies: &key.dummies,
        public: Public {
            integers: &public,
            hashes: &hashes,
        },
        context,
        standing: &standing,
    };
    let proof = prover::prove(
        &instance,
        Witness { trace, weights },
        &mut kernels,
        &mut rng,
        &mut phases,
        &Defences::ALL,
        &mut Honest,
    )?;
    let statement = Statement {
        key: verifying.digest,
        public,
        hashes,
        proof,
    };
    phases.begin("self-check");
    let backend = backend.info().name;
    statement
        .verify(verifying, context)
        .map_err(|source| Error::SelfCheck { backend, source })?;
    let opening = |shown: Option<Shown>| shown.map_or(Ok(None), |shown| shown.finish(&statement.proof));
    let (input_opening, output_opening) = (opening(shown_input)?, opening(shown_output)?);
    Ok(Proven {
        statement,
        outputs,
        phases: phases.finish(),
        kernels: kernels.into_rows(),
        input_opening,
        output_opening,
    })
}
