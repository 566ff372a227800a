//! Keys and models as the verbs use them, and the names of their files.

use std::path::{Path, PathBuf};

use anyhow::Context;
use tapeout_prover::keys::{ProvingKey, VerifyingKey};
use tapeout_prover::model::Model;
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

pub(crate) fn read_proving(folder: &Path) -> anyhow::Result<ProvingKey> {
    let path = proving_path(folder);
    let bytes = files::read(&path).context("there is no proving key; `tapeout setup` makes one")?;
    ProvingKey::from_bytes(&bytes).with_context(|| format!("cannot read the proving key '{}'", path.display()))
}

pub(crate) fn read_verifying(path: &Path) -> anyhow::Result<VerifyingKey> {
    let bytes = files::read(path)?;
    VerifyingKey::from_bytes(&bytes).with_context(|| format!("cannot read the verifying key '{}'", path.display()))
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
