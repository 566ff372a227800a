//! Models in segments, as `setup` and `prove` have them.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Serialize;
use sha3::{Digest, Keccak256};
use tapeout_driver::Backend;
use tapeout_driver::guard::Log;
use tapeout_prover::choice::Choice;
use tapeout_prover::keys::ProvingKey;
use tapeout_prover::layout::Interface;
use tapeout_prover::model::{Limbs, Model, io as model_io};
use tapeout_prover::pipeline::{SetupOptions, SrsSource, Standing};
use tapeout_prover::plonk::prover::PhaseTime;
use tapeout_prover::segments::{self, Event, Job, Segment, SegmentedKey, SegmentedStatement, Store};
use tapeout_prover::srs::Origin;
use tapeout_prover::statement::Context as Bound;

use super::device::{self, Device};
use super::keys::{self, hex, origin_name};
use super::meter::{Cost, Meter};
use super::output::{Output, Shown, Status, facts, numbers, phases, table};
use super::{files, memory, opening, progress};

#[derive(Serialize)]
pub(crate) struct SetupReport {
    model_hash: String,
    vk_digest: String,
    vk: PathBuf,
    certificate: Option<PathBuf>,
    vk_bytes: usize,
    rows: usize,
    limbs: Limbs,
    /// The largest error of an output on the samples, where there are any.
    max_error: Option<f64>,
    segments: Vec<SegmentReport>,
    /// A proof file's length.
    proof_bytes: usize,
    srs: &'static str,
    #[serde(skip)]
    pub(crate) origin: Origin,
    #[serde(skip)]
    pub(crate) interface: Interface,
    #[serde(flatten)]
    cost: Cost,
    phases: Vec<PhaseTime>,
}

#[derive(Serialize)]
struct SegmentReport {
    pk: PathBuf,
    pk_bytes: usize,
    layers: usize,
    /// Values that it takes and gives.
    inputs: usize,
    outputs: usize,
    lanes: usize,
    ports: usize,
    /// What proving it takes in memory, about.
    memory_bytes: u64,
}

/// What `setup` was asked for of a model in segments.
pub(crate) struct Setup<'a> {
    pub(crate) model: &'a Model,
    pub(crate) choice: &'a Choice<Vec<Segment>>,
    pub(crate) options: SetupOptions,
    pub(crate) folder: &'a Path,
}

impl Setup<'_> {
    /// Makes and writes the keys.
    pub(crate) fn run(
        &self,
        srs: Option<SrsSource<'_>>,
        backend: &dyn Backend,
        meter: &Meter,
        observe: &mut dyn FnMut(&'static str),
    ) -> anyhow::Result<SetupReport> {
        let Self {
            model,
            choice,
            options,
            folder,
        } = *self;
        files::create_folder(folder)?;
        let mut reports = Vec::with_capacity(choice.shape.len());
        let mut keep = |i: usize, key: &ProvingKey| -> anyhow::Result<()> {
            let (pk, bytes, segment) = (keys::segment_path(folder, i), key.to_bytes()?, &choice.shape[i]);
            files::write(&pk, &bytes)?;
            reports.push(SegmentReport {
                pk,
                pk_bytes: bytes.len(),
                layers: segment.program.layers.len(),
                inputs: segment.program.input_len(),
                outputs: segment.program.outputs.len(),
                lanes: segment.shape.lanes,
                ports: segment.shape.ports,
                memory_bytes: segments::memory(&segment.shape),
            });
            Ok(())
        };
        let made = segments::keys(model, choice, options, srs, backend, &mut keep, observe)?;
        let key = &made.verifying;
        let (vk, bytes) = (keys::verifying_path(folder), key.to_bytes()?);
        files::write(&vk, &bytes)?;
        let certificate = keys::write_certificates(folder, made.certificates.as_ref())?;
        keys::remove_stale(folder, choice.shape.len())?;
        let first = key.ends().0;
        let (interface, origin) = (first.interface(), first.origin());
        Ok(SetupReport {
            model_hash: hex(&first.model().hash),
            vk_digest: hex(&key.digest()),
            vk,
            certificate,
            vk_bytes: bytes.len(),
            rows: interface.shape.n(),
            limbs: interface.shape.limbs,
            max_error: choice.accuracy.as_ref().map(|a| a.error),
            segments: reports,
            proof_bytes: SegmentedStatement::len(key),
            srs: origin_name(origin),
            origin,
            interface: interface.clone(),
            cost: meter.read(),
            phases: made.phases,
        })
    }
}

pub(crate) fn human_setup(report: &SetupReport) -> String {
    let error = report.max_error.map_or_else(|| "-".to_owned(), |e| format!("{e:.1e}"));
    let certificate = report.certificate.as_ref().map(|path| path.display().to_string());
    let facts = facts(&[
        ("model", report.model_hash.clone()),
        ("rows", format!("{} in every segment", report.rows)),
        ("largest error", error),
        ("proofs", format!("{} bytes", report.proof_bytes)),
        ("reference string", report.srs.to_owned()),
        (
            "verifying key",
            format!("{} ({} bytes)", report.vk.display(), report.vk_bytes),
        ),
        ("certificate", certificate.unwrap_or_else(|| "none".to_owned())),
        ("key digest", report.vk_digest.clone()),
        ("cost", report.cost.to_string()),
    ]);
    let rows = report.segments.iter().enumerate().map(|(i, s)| {
        [
            i.to_string(),
            s.layers.to_string(),
            s.inputs.to_string(),
            s.outputs.to_string(),
            s.lanes.to_string(),
            s.ports.to_string(),
            s.pk_bytes.to_string(),
            format!("{:.0}", s.memory_bytes as f64 / f64::from(1 << 20)),
        ]
    });
    let header = [
        "segment",
        "layers",
        "takes",
        "gives",
        "lanes",
        "ports",
        "key, bytes",
        "memory, MiB about",
    ];
    format!("{facts}\n\n{}\n\n{}", table(header, 1, rows), phases(&report.phases))
}

/// A proof of a model in segments: what `prove` was asked for.
pub(crate) struct Prove<'a> {
    pub(crate) model: &'a Path,
    pub(crate) input: &'a Path,
    pub(crate) keys: &'a Path,
    pub(crate) out: &'a Path,
    pub(crate) keep_input: Option<&'a Path>,
    pub(crate) keep_output: Option<&'a Path>,
    pub(crate) context: Bound,
    pub(crate) seed: Option<u64>,
}

#[derive(Serialize)]
struct ProveReport {
    model_hash: String,
    vk_digest: String,
    srs: &'static str,
    proof: PathBuf,
    proof_bytes: usize,
    /// The model's output, dequantised, row-major.
    outputs: Vec<f64>,
    /// The public words that the proof is about, as fixed-point integers; hashes apart.
    public_words: Vec<i64>,
    #[serde(flatten)]
    shown: Shown,
    segments: usize,
    /// Segments that an interrupted proof had finished, numbered from 0.
    finished_before: Vec<usize>,
    backend: &'static str,
    device: String,
    #[serde(flatten)]
    cost: Cost,
    phases: Vec<PhaseTime>,
    results: Option<Log>,
}

impl Prove<'_> {
    pub(crate) fn run(
        &self,
        key: &SegmentedKey,
        standing: Standing,
        device: &Device,
        meter: &Meter,
        output: &Output,
    ) -> anyhow::Result<Status> {
        let (first, last) = key.ends();
        // A key that hides the weights names the model by a commitment that the proving keys alone can be compared with.
        let expected = match first.interface().shape.hidden_weights {
            true => keys::read_segment(self.keys, 0)?.model_hash(),
            false => first.model().hash,
        };
        keys::expect_model(self.model, &expected, self.keys)?;
        let input = model_io::read_input(self.input, first.model().input_shape.iter().product())?;
        let bar = progress::bar(key.keys().len() as u64);
        let mut kept = Kept::open(self.out, &self.binding(key, &input, &standing), self.seed)?;
        let secret = kept.secret;
        let job = Job {
            key,
            input: &input,
            context: &self.context,
            secret: &secret,
        };
        let mut observe = |event| match event {
            Event::Begin(i) => bar.set_position(i as u64),
            Event::Phase(name) => {
                bar.set_message(name);
                memory::give_back();
            }
            Event::Finished(i) => tracing::info!("segment {i} was finished before"),
            Event::Damaged(i, reason) => {
                tracing::warn!("the finished proof of segment {i} is damaged ({reason}); it is proven again");
            }
        };
        let mut load = |i| keys::read_segment(self.keys, i);
        let backend = device.backend.as_ref();
        let proven = segments::prove(&job, standing, &mut load, &mut kept, backend, &mut observe)
            .with_context(|| format!("no proof for the input '{}'", self.input.display()))?;
        bar.finish_and_clear();
        opening::keep([
            (self.keep_input, &proven.input_opening),
            (self.keep_output, &proven.output_opening),
        ])?;
        let bytes = proven.statement.to_bytes();
        files::write(self.out, &bytes)?;
        kept.remove()?;
        let (info, ends) = (backend.info(), &proven.statement.segments);
        let report = ProveReport {
            model_hash: hex(&first.model().hash),
            vk_digest: hex(&key.digest()),
            srs: origin_name(first.origin()),
            proof: self.out.to_path_buf(),
            proof_bytes: bytes.len(),
            outputs: proven.outputs,
            public_words: ends.iter().flat_map(|segment| &segment.public).copied().collect(),
            shown: Shown::of((first, &ends[0]), (last, &ends[ends.len() - 1])),
            segments: ends.len(),
            finished_before: proven.finished_before,
            backend: info.name,
            device: info.device,
            cost: meter.read(),
            phases: proven.phases,
            results: device.log(),
        };
        output.result(&report, human_prove)?;
        Ok(Status::Ok)
    }

    /// What finished segments are of: the same key, input, context, seed and commitments that are to be shown. One secret for two of
    /// these would blind two different proofs alike.
    fn binding(&self, key: &SegmentedKey, input: &[f64], standing: &Standing) -> [u8; 32] {
        let mut hasher = Keccak256::new();
        hasher.update(key.digest());
        hasher.update(self.context);
        hasher.update([u8::from(self.seed.is_some())]);
        hasher.update(self.seed.unwrap_or(0).to_be_bytes());
        for shown in [&standing.input, &standing.output] {
            hasher.update(
                shown
                    .as_ref()
                    .map_or_else(|| vec![0; 64], |shown| shown.commitment().to_bytes()),
            );
        }
        input.iter().for_each(|v| hasher.update(v.to_be_bytes()));
        hasher.finalize().into()
    }
}

fn human_prove(report: &ProveReport) -> String {
    let before: Vec<String> = report.finished_before.iter().map(usize::to_string).collect();
    let mut rows = vec![
        ("model", report.model_hash.clone()),
        ("output", numbers(&report.outputs)),
        (
            "proof",
            format!("{} ({} bytes)", report.proof.display(), report.proof_bytes),
        ),
        ("segments", report.segments.to_string()),
    ];
    if !before.is_empty() {
        rows.push(("finished before", before.join(", ")));
    }
    rows.extend(report.shown.facts());
    rows.extend([
        ("key digest", report.vk_digest.clone()),
        ("backend", format!("{}: {}", report.backend, report.device)),
        ("cost", report.cost.to_string()),
    ]);
    rows.extend(report.results.as_ref().map(|log| ("results", device::summary(log))));
    format!("{}\n\n{}", facts(&rows), phases(&report.phases))
}

const MAGIC: &[u8; 8] = b"TAPEOUTN";

/// A folder beside the proof-to-be with the proofs of finished segments, and the secret that all blinding follows from.
struct Kept {
    folder: PathBuf,
    secret: [u8; 32],
    /// Locked: no second prover works here.
    _lock: File,
}

impl Kept {
    /// Opens the folder, or makes one.
    fn open(out: &Path, binding: &[u8; 32], seed: Option<u64>) -> anyhow::Result<Self> {
        let mut name = out
            .file_name()
            .context("the proof's place has no file name")?
            .to_owned();
        name.push(".segments");
        let folder = out.with_file_name(name);
        files::create_folder(&folder)?;
        let lock = File::open(&folder).with_context(|| format!("cannot open '{}'", folder.display()))?;
        if lock.try_lock().is_err() {
            bail!("another prover is at work in '{}'", folder.display());
        }
        let place = folder.join("secret");
        let secret = match fs::read(&place) {
            Ok(bytes) => match read_secret(&bytes) {
                Some((known, secret)) if known == *binding => Some(secret),
                Some(_) => bail!(
                    "'{}' holds finished segments of another proof (other keys, input, context, seed or openings): remove it to begin anew",
                    folder.display()
                ),
                None => {
                    tracing::warn!("'{}' is damaged: all segments are proven again", place.display());
                    None
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error).with_context(|| format!("cannot read '{}'", place.display())),
        };
        let secret = match secret {
            Some(secret) => secret,
            None => {
                // Proofs under another secret are of no use, and must not be mixed with those to come.
                for entry in fs::read_dir(&folder)? {
                    fs::remove_file(entry?.path())?;
                }
                let secret = new_secret(seed)?;
                files::write_secret(&place, &write_secret(binding, &secret))?;
                secret
            }
        };
        Ok(Self {
            folder,
            secret,
            _lock: lock,
        })
    }

    fn path(&self, segment: usize) -> PathBuf {
        self.folder.join(format!("segment-{segment}.proof"))
    }

    /// Removes the folder: the proof is written.
    fn remove(self) -> anyhow::Result<()> {
        fs::remove_dir_all(&self.folder).with_context(|| format!("cannot remove '{}'", self.folder.display()))
    }
}

impl Store for Kept {
    fn load(&mut self, segment: usize) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path(segment)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            bytes => bytes.map(Some),
        }
    }

    fn save(&mut self, segment: usize, proof: &[u8]) -> io::Result<()> {
        files::write(&self.path(segment), proof).map_err(io::Error::other)
    }
}

fn new_secret(seed: Option<u64>) -> anyhow::Result<[u8; 32]> {
    use rand::TryRngCore;
    let mut secret = [0; 32];
    match seed {
        Some(seed) => secret[..8].copy_from_slice(&seed.to_be_bytes()),
        None => rand::rngs::OsRng
            .try_fill_bytes(&mut secret)
            .context("the operating system gave no randomness")?,
    }
    Ok(secret)
}

fn write_secret(binding: &[u8; 32], secret: &[u8; 32]) -> Vec<u8> {
    let body = [&MAGIC[..], binding, secret].concat();
    let checksum: [u8; 32] = Keccak256::digest(&body).into();
    [&body[..], &checksum].concat()
}

/// Binding and secret.
fn read_secret(bytes: &[u8]) -> Option<([u8; 32], [u8; 32])> {
    let (body, checksum) = bytes.split_last_chunk::<32>()?;
    let rest = body.strip_prefix(MAGIC)?;
    let expected: [u8; 32] = Keccak256::digest(body).into();
    let (binding, secret) = rest.split_first_chunk::<32>()?;
    Some((*binding, secret.try_into().ok()?)).filter(|_| *checksum == expected)
}
