//! `tapeout setup`

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::Context;
use bytesize::ByteSize;
use serde::Serialize;
use tapeout_prover::choice::{self, Refusal};
use tapeout_prover::layout::{Disclosure, Profile, Visibility};
use tapeout_prover::model::accuracy::Accuracy;
use tapeout_prover::model::{Limbs, io};
use tapeout_prover::pipeline::{self, SetupOptions, SrsSource};
use tapeout_prover::plonk::prover::{PhaseTime, Phases};
use tapeout_prover::segments::{self, Division};
use tapeout_prover::srs::Origin;
use tapeout_prover::statement::Statement;

use super::device::BackendArgs;
use super::keys::{self, hex, origin_name};
use super::meter::{Cost, Meter};
use super::output::{Output, Status, facts, phases, trace};
use super::precision::{PrecisionArgs, describe};
use super::srs::{SrsArgs, SrsFile};
use super::weights::{Weights, WeightsArgs, warn_of_what_is_shown};
use super::{files, progress, segments as in_segments};

/// Make the proving and the verifying key of a model
#[derive(clap::Args)]
pub(crate) struct Args {
    /// The ONNX model
    model: PathBuf,

    /// Typical inputs, which the fixed-point ranges are chosen by; without them, random inputs in [-1, 1] stand in
    #[arg(long, value_name = "FILE")]
    calibrate: Option<PathBuf>,

    /// What `tapeout calibrate --out` wrote: limbs and ranges as they were chosen there, in place of samples
    #[arg(long, value_name = "FILE", conflicts_with_all = ["calibrate", "accuracy", "fast"])]
    calibration: Option<PathBuf>,

    #[command(flatten)]
    precision: PrecisionArgs,

    #[command(flatten)]
    srs: SrsArgs,

    /// Folder that model.pk and model.vk are written to
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,

    /// What proofs are to be cheap for: native keeps proving short, evm keeps verification on a chain cheap
    #[arg(long, value_enum, default_value_t = ProfileArg::Native)]
    profile: ProfileArg,

    /// Who sees the input: everybody (public), the prover alone (private), the prover alone with a hash that anybody can compute who
    /// knows the input (hashed), or with a commitment that can stand in several proofs (committed; committed:COUNT for the first
    /// COUNT elements, the others being private)
    #[arg(long, value_name = "WHO", default_value_t = Visibility::Private)]
    input: Visibility,

    /// Who sees the output, likewise (but behind the first COUNT elements the others are public)
    #[arg(long, value_name = "WHO", default_value_t = Visibility::Public)]
    output: Visibility,

    /// How many inferences one proof is of: their inputs one behind the other, and so their outputs
    #[arg(long, value_name = "COUNT", default_value_t = NonZeroUsize::MIN)]
    batch: NonZeroUsize,

    /// Cut the model into at most COUNT segments with a proof each, one key in memory at a time
    #[arg(long, value_name = "COUNT", conflicts_with_all = ["memory", "calibration"])]
    segments: Option<NonZeroUsize>,

    /// Cut the model into as few segments as a prover of SIZE bytes of memory (2GiB, 500MB) can have; none if all of it fits
    #[arg(long, value_name = "SIZE", conflicts_with = "calibration")]
    memory: Option<ByteSize>,

    #[command(flatten)]
    weights: WeightsArgs,

    #[command(flatten)]
    backend: BackendArgs,
}

#[derive(Clone, Copy, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
enum ProfileArg {
    Native,
    Evm,
}

impl From<ProfileArg> for Profile {
    fn from(profile: ProfileArg) -> Self {
        match profile {
            ProfileArg::Native => Self::Native,
            ProfileArg::Evm => Self::Evm,
        }
    }
}

#[derive(Serialize)]
struct Report {
    /// What the key names the model by: keccak256 of its file, or where weights are hidden a commitment to that.
    model_hash: String,
    vk_digest: String,
    pk: PathBuf,
    vk: PathBuf,
    /// Where weights are hidden: what `tapeout verify-weights` checks.
    certificate: Option<PathBuf>,
    pk_bytes: usize,
    vk_bytes: usize,
    rows: usize,
    lanes: usize,
    ports: usize,
    limbs: Limbs,
    /// The largest error of an output on the samples, where there are any.
    max_error: Option<f64>,
    /// Limbs that were tried before these.
    refused: Vec<Refusal>,
    parameters: usize,
    macs: u64,
    /// Inferences in a proof.
    batch: NonZeroUsize,
    input: Visibility,
    output: Visibility,
    weights: Weights,
    profile: ProfileArg,
    /// A proof file's length.
    proof_bytes: usize,
    srs: &'static str,
    backend: &'static str,
    #[serde(flatten)]
    cost: Cost,
    phases: Vec<PhaseTime>,
}

impl Args {
    pub(crate) fn run(&self, output: &Output) -> anyhow::Result<Status> {
        let meter = Meter::start();
        let spinner = progress::spinner();
        let device = self.backend.open()?;
        let backend = device.backend.as_ref();
        let model = keys::read_model(&self.model)?;
        let samples = match &self.calibrate {
            Some(path) => io::read_samples(path, model.program.input_len())?,
            None => Vec::new(),
        };
        let mut srs = self.srs.open()?;
        let mut powers = srs.as_mut().map(|file| |needed| file.powers(needed));
        let source = powers.as_mut().map(|source| source as SrsSource<'_>);
        let options = SetupOptions {
            disclosure: Disclosure {
                input: self.input,
                output: self.output,
                hidden_weights: self.weights.hidden(),
            },
            profile: self.profile.into(),
            precision: self.precision.into(),
            batch: self.batch,
            secret: self.weights.secret()?,
        };
        let mut observe = |phase: &'static str| spinner.set_message(phase);
        let cannot = || format!("no keys for the model '{}'", self.model.display());
        let division = match (self.segments, self.memory) {
            (Some(count), _) => Some(Division::Count(count)),
            (None, Some(size)) => {
                let whole = choice::choose(&model, &samples, options);
                let fits = whole.is_ok_and(|choice| segments::memory_of_whole(&choice.shape) <= size.as_u64());
                (!fits).then_some(Division::Memory(size.as_u64()))
            }
            (None, None) => None,
        };
        if let Some(division) = division {
            observe("quantise");
            let choose = |division| segments::choose(&model, &samples, options, division).with_context(cannot);
            let mut choice = choose(division)?;
            // What does not fit in one piece may do so as a segment, which is proven in less memory: of these there are two or more.
            if self.memory.is_some() && choice.shape.len() == 1 {
                choice = choose(Division::Count(NonZeroUsize::MIN.saturating_add(1)))?;
            }
            if choice.shape.len() > 1 {
                warn_of_error(choice.accuracy.as_ref());
                let job = in_segments::Setup {
                    model: &model,
                    choice: &choice,
                    options,
                    folder: &self.out,
                };
                let report = job.run(source, backend, &meter, &mut observe)?;
                spinner.finish_and_clear();
                warn_of_what_is_shown(&report.interface);
                warn_of_origin(report.origin, srs.as_ref());
                output.result(&report, in_segments::human_setup)?;
                return Ok(Status::Ok);
            }
        }
        let mut quantising = Phases::new(&mut observe);
        quantising.begin("quantise");
        let choice = match &self.calibration {
            None => choice::choose(&model, &samples, options).with_context(cannot)?,
            Some(path) => {
                let unreadable = || format!("'{}' is no file that tapeout calibrate --out writes", path.display());
                let calibrated = serde_json::from_slice(&files::read(path)?).with_context(unreadable)?;
                choice::calibrated(&model, &calibrated, options).with_context(cannot)?
            }
        };
        warn_of_error(choice.accuracy.as_ref());
        let (max_error, refused) = (choice.accuracy.as_ref().map(|a| a.error), choice.refused.clone());
        let mut phases = quantising.finish();
        let made = pipeline::keys(&model, choice, options, source, backend, &mut observe).with_context(cannot)?;
        phases.extend(made.phases);
        let verifying = made.proving.verifying();
        let (pk_bytes, vk_bytes) = (made.proving.to_bytes()?, verifying.to_bytes()?);
        let (pk, vk) = (keys::proving_path(&self.out), keys::verifying_path(&self.out));
        files::create_folder(&self.out)?;
        files::write(&pk, &pk_bytes)?;
        files::write(&vk, &vk_bytes)?;
        let certificate = keys::write_certificates(&self.out, made.certificates.as_ref())?;
        keys::remove_stale(&self.out, 0)?;
        spinner.finish_and_clear();
        warn_of_origin(verifying.origin(), srs.as_ref());
        warn_of_what_is_shown(verifying.interface());
        let shape = &verifying.interface().shape;
        let report = Report {
            model_hash: hex(&verifying.model().hash),
            vk_digest: hex(&verifying.digest()),
            pk,
            vk,
            certificate,
            pk_bytes: pk_bytes.len(),
            vk_bytes: vk_bytes.len(),
            rows: shape.n(),
            lanes: shape.lanes,
            ports: shape.ports,
            limbs: shape.limbs,
            max_error,
            refused,
            parameters: model.summary.params,
            macs: model.summary.macs,
            batch: self.batch,
            input: self.input,
            output: self.output,
            weights: Weights::of(verifying.interface()),
            profile: self.profile,
            proof_bytes: Statement::len(verifying),
            srs: origin_name(verifying.origin()),
            backend: backend.info().name,
            cost: meter.read(),
            phases,
        };
        output.result(&report, human)?;
        Ok(Status::Ok)
    }
}

fn warn_of_error(accuracy: Option<&Accuracy>) {
    if let Some(measured) = accuracy.filter(|a| a.error > choice::ACCEPTED_ERROR * a.largest.max(1.0)) {
        tracing::warn!(
            "the largest error of an output on the samples is {:.1e}; tapeout calibrate looks for finer limbs and says which layer \
             loses most",
            measured.error
        );
    }
}

fn warn_of_origin(origin: Origin, srs: Option<&SrsFile>) {
    if origin != Origin::InsecureDev {
        return;
    }
    match srs.and_then(SrsFile::unknown_hash) {
        Some(hash) => tracing::warn!(
            "the reference string is not known to stem from a ceremony (blake2b-512 {hash}): whoever made it can forge \
             proofs under these keys; --srs-hash vouches for it"
        ),
        None => tracing::warn!(
            "the reference string was made for development: whoever made it can forge proofs under these keys"
        ),
    }
}

/// The limbs, how accurate they are, and what was refused before.
fn limbs(report: &Report) -> String {
    let mut text = describe(report.limbs);
    if let Some(error) = report.max_error {
        text += &format!("; largest error on the samples {error:.1e}");
    }
    if let [first, ..] = &report.refused[..] {
        let others = report.refused.len();
        text += &format!(
            "; refused before: {others}, the first ({}) as {}",
            describe(first.limbs),
            first.reason
        );
    }
    text
}

fn human(report: &Report) -> String {
    let certificate = report.certificate.as_ref().map(|path| path.display().to_string());
    let facts = facts(&[
        (
            "model",
            format!(
                "{}: {} parameters, {} multiplications",
                report.model_hash, report.parameters, report.macs
            ),
        ),
        ("trace", trace(report.rows, report.lanes, report.ports)),
        ("limbs", limbs(report)),
        ("inferences", report.batch.to_string()),
        ("input", report.input.to_string()),
        ("output", report.output.to_string()),
        ("weights", report.weights.name().to_owned()),
        ("proofs", format!("{} bytes", report.proof_bytes)),
        ("reference string", report.srs.to_owned()),
        (
            "proving key",
            format!("{} ({} bytes)", report.pk.display(), report.pk_bytes),
        ),
        (
            "verifying key",
            format!("{} ({} bytes)", report.vk.display(), report.vk_bytes),
        ),
        ("certificate", certificate.unwrap_or_else(|| "none".to_owned())),
        ("key digest", report.vk_digest.clone()),
        ("cost", report.cost.to_string()),
    ]);
    format!("{facts}\n\n{}", phases(&report.phases))
}
