//! From a model to keys, from an input to a proof, from a proof to a verdict: what most callers need, in three functions.

use rand::{SeedableRng, TryRngCore, rngs::OsRng};
use rand_chacha::ChaCha20Rng;
use tapeout_driver::Backend;

pub use tapeout_verifier::{Trust, Verified, verify};

use crate::{
    choice::{self, Choice},
    keys::{KeyError, ModelInfo, Powers, ProvingKey, powers_needed},
    layout::{self, Input, Precision, Profile},
    model::{self, Model},
    plonk::{
        kernels::{KernelRow, Kernels},
        prover::{self, Honest, Instance, PhaseTime, Phases, ProveError},
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
    /// The operating system gave no randomness.
    #[error("the operating system gave no randomness: {0}")]
    Randomness(#[from] rand::rand_core::OsError),
}

/// What keys are to be made for.
#[derive(Clone, Copy, Debug, Default)]
pub struct SetupOptions {
    /// The input is part of the statement, not a secret of the prover.
    pub public_input: bool,
    /// What proofs are to be cheap for.
    pub profile: Profile,
    /// How finely values are represented.
    pub precision: Precision,
}

/// Gives the first powers of a reference string, at least as many as are asked for.
pub type SrsSource<'a> = &'a mut dyn FnMut(Powers) -> Result<Srs, SrsError>;

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
) -> Result<(ProvingKey, Vec<PhaseTime>), Error> {
    observe("quantise");
    keys(
        model,
        choice::choose(model, samples, options)?,
        options,
        srs,
        backend,
        observe,
    )
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
) -> Result<(ProvingKey, Vec<PhaseTime>), Error> {
    let Choice { quantised, shape, .. } = choice;
    let mut phases = Phases::new(observe);
    phases.begin("reference string");
    let needed = powers_needed(&quantised.program, &shape, options.public_input)?;
    let srs = match srs {
        Some(source) => source(needed)?,
        None => Srs::insecure_dev(needed.g1, needed.g2)?,
    };
    phases.begin("keys");
    let info = ModelInfo {
        hash: model.hash,
        input_shape: model.program.input_shape.clone(),
        output_shape: model.program.output_shape.clone(),
        input_scale: quantised.input_scale,
        output_scale: quantised.output_scale,
    };
    let key = ProvingKey::generate(quantised.program, &shape, options.public_input, info, &srs, backend)?;
    Ok((key, phases.finish()))
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
    observe: &mut dyn FnMut(&'static str),
) -> Result<Proven, Error> {
    let mut rng = match seed {
        Some(seed) => ChaCha20Rng::seed_from_u64(seed),
        None => {
            let mut seed = [0; 32];
            OsRng.try_fill_bytes(&mut seed)?;
            ChaCha20Rng::from_seed(seed)
        }
    };
    let mut phases = Phases::new(observe);
    phases.begin("load bases");
    let mut kernels = Kernels::new(backend, &key.bases).map_err(ProveError::from)?;
    phases.begin("run the model");
    let quantised = key.quantised();
    let verifying = &key.verifying;
    let input = quantised.quantise_input(input)?;
    let execution = quantised.run(&input)?;
    let trace = layout::trace(&verifying.interface, &key.wiring, &verifying.cs, &input, &execution);
    let outputs = quantised.dequantise_output(&execution.outputs);
    let mut public = if let Input::Public(_) = verifying.interface.input {
        input
    } else {
        Vec::new()
    };
    public.extend_from_slice(&execution.outputs);
    drop(execution);
    let instance = Instance {
        cs: &verifying.cs,
        interface: &verifying.interface,
        wiring: &key.wiring,
        digest: &verifying.digest,
        fold: &verifying.weights.fold,
        public: &public,
        context,
    };
    let proof = prover::prove(
        &instance,
        trace,
        &mut kernels,
        &mut rng,
        &mut phases,
        &Defences::ALL,
        &mut Honest,
    )?;
    let statement = Statement {
        key: verifying.digest,
        public,
        proof,
    };
    phases.begin("self-check");
    let backend = backend.info().name;
    statement
        .verify(verifying, context)
        .map_err(|source| Error::SelfCheck { backend, source })?;
    Ok(Proven {
        statement,
        outputs,
        phases: phases.finish(),
        kernels: kernels.into_rows(),
    })
}
