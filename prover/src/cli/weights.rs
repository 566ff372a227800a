//! Who sees the weights.

use std::path::PathBuf;

use anyhow::Context;
use serde::Serialize;
use tapeout_prover::layout::Interface;
use tapeout_prover::plonk::hidden::Secret;

use super::{context, files};

/// Who sees the weights.
#[derive(clap::Args)]
pub(crate) struct WeightsArgs {
    /// Whether key and proofs hide the weights (private, experimental: see docs/protocol.md, "Hidden weights") or are the same for everybody who
    /// has the model (public). The key commits to the weights either way
    #[arg(long, value_enum, value_name = "WHO", default_value_t = Weights::Public)]
    weights: Weights,

    /// 32 bytes, 64 hexadecimal digits in a file, that hide the weights in place of new random ones: whoever has them and the model makes the
    /// same keys, and so can check that they are the model's
    #[arg(long, value_name = "FILE")]
    weights_secret: Option<PathBuf>,
}

/// Who sees the weights.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Weights {
    Public,
    Private,
}

impl Weights {
    pub(crate) fn of(interface: &Interface) -> Self {
        match interface.shape.hidden_weights {
            true => Self::Private,
            false => Self::Public,
        }
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
        }
    }
}

impl WeightsArgs {
    pub(crate) fn hidden(&self) -> bool {
        self.weights == Weights::Private
    }

    pub(crate) fn secret(&self) -> anyhow::Result<Option<Secret>> {
        let Some(path) = &self.weights_secret else {
            return Ok(None);
        };
        if !self.hidden() {
            anyhow::bail!("--weights-secret hides nothing without --weights private");
        }
        let text = String::from_utf8(files::read(path)?).unwrap_or_default();
        // The message of the parser would repeat the secret.
        let secret = context::parse(text.trim()).ok();
        let secret = secret.with_context(|| format!("'{}' does not hold 64 hexadecimal digits", path.display()))?;
        Ok(Some(Secret(secret)))
    }
}

/// Says what a key shows of a model although its weights are hidden.
pub(crate) fn warn_of_what_is_shown(interface: &Interface) {
    if !interface.shape.hidden_weights {
        return;
    }
    // Zero and one are the layout's own.
    let constants = interface.constants.iter().filter(|(value, _)| !matches!(value, 0 | 1));
    let (constants, functions) = (constants.count(), interface.shape.functions);
    if constants + functions > 0 {
        tracing::warn!(
            "the key shows the layers and their scales, and more of the model: constants that are no weights of sums ({constants}), tables of functions \
             ({functions})"
        );
    }
}
