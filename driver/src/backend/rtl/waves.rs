//! Waves of the engine at work.

use std::path::Path;

use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::SeedableRng;
use tapeout_sim::Fidelity;

use super::{NAME, Rtl, availability};
use crate::card::VerilatorCard;
use crate::sample::{Bases, scalars};
use crate::{Backend, Error, Result, Scalars, Width};

/// Records every signal of the simulated card in an FST file while it computes one MSM of random scalars of that
/// width; gives its cycles.
///
/// With `exact`, every gate of the adder is in it; without, the adder is a delay line.
///
/// # Errors
/// [`Error::Unavailable`] where the card cannot be simulated, [`Error::Device`] where this build cannot record or the file
/// cannot be written, [`Error::Wrong`] when the sum is wrong.
pub fn record_msm(size: usize, width: Width, seed: u64, exact: bool, path: &Path) -> Result<u64> {
    availability().check(NAME)?;
    let mut card = VerilatorCard::new(if exact { Fidelity::Exact } else { Fidelity::Fast })?;
    card.dump_waves(path)?;
    let mut rng = ChaCha20Rng::seed_from_u64(seed);
    let bases = Bases::random(size, &mut rng);
    let values = scalars(size, width, &mut rng);
    let msm = Rtl::new(Box::new(card))?.prepare_msm(&bases.points)?;
    let run = msm.run(&[Scalars { values: &values, width }])?;
    if run.out != [bases.msm(&values)] {
        return Err(Error::Wrong {
            backend: NAME,
            what: format!("the MSM of {size} points"),
        });
    }
    Ok(run.cycles.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn waves_are_recorded_where_the_build_can() {
        let path = std::env::temp_dir().join(format!("tapeout-waves-{}.fst", std::process::id()));
        let recorded = record_msm(20, Width::Signed(8), 1, false, &path);
        if !tapeout_sim::available() {
            assert!(matches!(recorded, Err(Error::Unavailable { .. })));
        } else if cfg!(feature = "waves") {
            assert!(recorded.unwrap() > 0);
            let waves = std::fs::read(&path).unwrap();
            std::fs::remove_file(&path).unwrap();
            // an FST file begins with a block of type 0, the header, of 329 bytes
            assert_eq!(waves[..9], [0, 0, 0, 0, 0, 0, 0, 1, 73]);
            // into a folder that is not there
            assert!(matches!(
                record_msm(1, Width::Full, 1, false, &path.join("below").join("it")),
                Err(Error::Device { .. })
            ));
        } else {
            let message = recorded.unwrap_err().to_string();
            assert!(message.contains("--features waves") && !path.exists(), "{message}");
        }
    }
}
