//! The presets of accuracy that `setup` and `calibrate` share.

use tapeout_prover::layout::Precision;
use tapeout_prover::model::Limbs;

/// How finely values are represented.
#[derive(Clone, Copy, clap::Args)]
pub(crate) struct PrecisionArgs {
    /// More limbs: the smallest error
    #[arg(long, conflicts_with = "fast")]
    accuracy: bool,

    /// Fewer limbs: the least work in a proof
    #[arg(long)]
    fast: bool,
}

impl From<PrecisionArgs> for Precision {
    fn from(args: PrecisionArgs) -> Self {
        match (args.accuracy, args.fast) {
            (true, _) => Self::Accurate,
            (_, true) => Self::Fast,
            _ => Self::Balanced,
        }
    }
}

/// Limbs in words.
pub(crate) fn describe(limbs: Limbs) -> String {
    let Limbs { bits, hi, lo } = limbs;
    format!("{hi} above the point, {lo} below, of {bits} bits")
}
