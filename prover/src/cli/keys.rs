//! Keys and models as the verbs use them, and the names of their files.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use sha3::{Digest, Keccak256};
use tapeout_prover::certificate::Certificates;
use tapeout_prover::keys::{ProvingKey, VerifyingKey};
use tapeout_prover::model::Model;
use tapeout_prover::pipeline::Key;
use tapeout_prover::srs::Origin;

use super::files;

/// The proving key's place in a folder of keys.
pub(crate) fn proving_path(folder: &Path) -> PathBuf {
    folder.join("model.pk")
}

/// The verifying key's place in a folder of keys.
pub(crate) fn verifying_path(folder: &Path) -> PathBuf {
    folder.join("model.vk")
}

/// The place of the certificate of hidden weights.
fn certificate_path(folder: &Path) -> PathBuf {
    folder.join("model.cert")
}

/// Writes the certificates of hidden weights, or removes those that an earlier setup left.
pub(crate) fn write_certificates(
    folder: &Path,
    certificates: Option<&Certificates>,
) -> anyhow::Result<Option<PathBuf>> {
    let path = certificate_path(folder);
    match certificates {
        Some(certificates) => files::write(&path, &certificates.to_bytes()?).map(|()| Some(path)),
        None if path.exists() => {
            std::fs::remove_file(&path).with_context(|| format!("cannot remove '{}'", path.display()))?;
            Ok(None)
        }
        None => Ok(None),
    }
}

/// The place of a segment's proving key, numbered from 0.
pub(crate) fn segment_path(folder: &Path, segment: usize) -> PathBuf {
    folder.join(format!("segment-{segment}.pk"))
}

/// Whether a folder has keys of a model in segments.
pub(crate) fn in_segments(folder: &Path) -> bool {
    !proving_path(folder).exists() && segment_path(folder, 0).exists()
}

/// Removes proving keys that an earlier setup left, beyond the first `segments`; with none, all of them. The key of a whole model goes if
/// there are segments.
pub(crate) fn remove_stale(folder: &Path, segments: usize) -> anyhow::Result<()> {
    let whole = (segments > 0).then(|| proving_path(folder));
    let stale = (segments..)
        .map(|i| segment_path(folder, i))
        .take_while(|path| path.exists());
    for path in whole.into_iter().filter(|path| path.exists()).chain(stale) {
        std::fs::remove_file(&path).with_context(|| format!("cannot remove '{}'", path.display()))?;
    }
    Ok(())
}

pub(crate) fn read_proving(folder: &Path) -> anyhow::Result<ProvingKey> {
    if in_segments(folder) {
        bail!(
            "the keys in '{}' are of a model in segments, which have no proof of one piece",
            folder.display()
        );
    }
    read_proving_at(&proving_path(folder))
}

pub(crate) fn read_segment(folder: &Path, segment: usize) -> anyhow::Result<ProvingKey> {
    read_proving_at(&segment_path(folder, segment))
}

/// The proving key that takes the model's input.
pub(crate) fn read_first(folder: &Path) -> anyhow::Result<ProvingKey> {
    match in_segments(folder) {
        true => read_segment(folder, 0),
        false => read_proving(folder),
    }
}

fn read_proving_at(path: &Path) -> anyhow::Result<ProvingKey> {
    let bytes = files::read(path).context("there is no proving key; `tapeout setup` makes one")?;
    ProvingKey::from_bytes(&bytes).with_context(|| format!("cannot read the proving key '{}'", path.display()))
}

/// The verifying key of a model, whole or in segments.
pub(crate) fn read_key(path: &Path) -> anyhow::Result<Key> {
    let bytes = files::read(path)?;
    Key::from_bytes(&bytes).with_context(|| format!("cannot read the verifying key '{}'", path.display()))
}

/// The verifying key of a model that has one proof.
pub(crate) fn read_verifying(path: &Path) -> anyhow::Result<VerifyingKey> {
    match read_key(path)? {
        Key::Whole(key) => Ok(*key),
        Key::Segmented(_) => bail!(
            "'{}' is of a model in segments, which has no proof of one piece",
            path.display()
        ),
    }
}

/// Checks that a model's file is the one that keys were made for.
pub(crate) fn expect_model(model: &Path, expected: &[u8; 32], keys: &Path) -> anyhow::Result<()> {
    let hash: [u8; 32] = Keccak256::digest(files::read(model)?).into();
    if hash != *expected {
        bail!(
            "the keys in '{}' were made for the model {}, '{}' is {}; `tapeout setup` makes keys for it",
            keys.display(),
            hex(expected),
            model.display(),
            hex(&hash)
        );
    }
    Ok(())
}

pub(crate) fn read_model(path: &Path) -> anyhow::Result<Model> {
    let bytes = files::read(path)?;
    Model::from_bytes(&bytes).with_context(|| format!("cannot use the model '{}'", path.display()))
}

/// How a reference string's origin is called in reports.
pub(crate) fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::InsecureDev => "insecure-dev",
        Origin::Ceremony => "ceremony",
    }
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
