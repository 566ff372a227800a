//! Openings of commitments in files: secret, and counted.

use std::fs::File;
use std::path::Path;

use anyhow::Context;
use tapeout_prover::commitment::{Opening, Use};

use super::files;

/// One proof's worth of the opening in a file, which is counted there before this returns: a proof that fails afterwards is
/// counted too.
pub(crate) fn spend(path: &Path) -> anyhow::Result<Use> {
    // Two provers must not take the same count. The file itself is replaced, so that its folder is what they queue for.
    let folder = File::open(files::folder_of(path)).with_context(|| cannot(path))?;
    folder.lock().with_context(|| cannot(path))?;
    let mut opening = Opening::from_bytes(&files::read(path)?).with_context(|| cannot(path))?;
    let one = opening.spend().with_context(|| cannot(path))?;
    write(path, &opening)?;
    Ok(one)
}

/// Writes an opening where only its owner can read it.
pub(crate) fn write(path: &Path, opening: &Opening) -> anyhow::Result<()> {
    files::write_secret(path, &opening.to_bytes())
}

/// Keeps what opens new commitments, each where that was asked for.
pub(crate) fn keep(openings: [(Option<&Path>, &Option<Opening>); 2]) -> anyhow::Result<()> {
    for (path, opening) in openings {
        if let (Some(path), Some(opening)) = (path, opening) {
            write(path, opening)?;
        }
    }
    Ok(())
}

pub(crate) fn cannot(path: &Path) -> String {
    format!("cannot use the opening '{}'", path.display())
}
