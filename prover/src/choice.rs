//! Which limbs and scales a model gets: the first shape of a trace that it fits, or what a calibration says.

use serde::{Deserialize, Serialize};

use crate::{
    layout::{self, Precision},
    model::{
        self, Calibration, Limbs, Model, Quantised,
        accuracy::{Accuracy, LayerAccuracy},
    },
    pipeline::{Error, SetupOptions},
    plonk::cs::Shape,
};

/// What keys for a model are made of.
#[derive(Clone, Debug)]
pub struct Choice<S = Shape> {
    /// The quantised model.
    pub quantised: Quantised,
    /// The shape of its trace, or what else it is to be proven in.
    pub shape: S,
    /// What it was quantised by.
    pub calibration: Calibration,
    /// The accuracy on the samples, where there are any.
    pub accuracy: Option<Accuracy>,
    /// Limbs that were tried before, and why they were refused.
    pub refused: Vec<Refusal>,
}

/// Limbs that do not do for a model.
#[derive(Clone, Debug, Serialize)]
pub struct Refusal {
    /// The limbs.
    pub limbs: Limbs,
    /// What is wrong with them.
    pub reason: String,
}

/// The result of a calibration, as it stands in a file: enough to quantise the model without samples.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibrated {
    /// The model's hash, hexadecimal.
    pub model_hash: String,
    /// The limbs of all values.
    pub limbs: Limbs,
    /// How large values become.
    pub calibration: Calibration,
    /// The scale that follows for each layer's outputs, and its error: for people to read.
    pub layers: Vec<LayerAccuracy>,
}

/// Up to this error of an output, relative to the largest output or to 1 where that is larger, [`choose`] looks no further.
pub const ACCEPTED_ERROR: f64 = 1e-3;

/// [`choose`] looks for a smaller error in traces of at most this many times as many rows.
const LONGER: usize = 4;

/// Calibrates and quantises a model, and chooses the shape of its trace.
///
/// `samples` are typical inputs: ranges are chosen so that values four times as large as any that occurred still fit. With
/// no samples, random inputs in `[-1, 1]` stand in. Where the limbs that `options` ask for do not hold the model's weights,
/// sums or integers, or the largest error of an output on the samples is above [`ACCEPTED_ERROR`] (of an output of integers, is
/// one at all), others are tried: [`Choice::refused`] says which and why. Where all err, those of the least error are taken.
///
/// # Errors
/// [`Error::Model`] for a model that cannot be quantised with any limbs (what the first of them met with), [`Error::Layout`] for
/// one that is too large.
pub fn choose(model: &Model, samples: &[Vec<f64>], options: SetupOptions) -> Result<Choice, Error> {
    let program = model.program.clone().batched(options.batch.get());
    let shapes = layout::candidates(&program, options.disclosure, options.profile, options.precision);
    let limbs = shapes.map(|s| s.limbs);
    search(model, samples, options, limbs, LONGER, accepted(model), |q| {
        fitted(q, options)
    })
}

/// Whether an error is small enough to look no further.
pub(crate) fn accepted(model: &Model) -> impl Fn(&Accuracy) -> bool + use<> {
    let whole = model.outputs.iter().all(|port| !port.element.is_float());
    move |a: &Accuracy| match whole {
        true => a.error < 0.5,
        false => a.error <= ACCEPTED_ERROR * a.largest.max(1.0),
    }
}

/// As [`choose`], but takes the first limbs with which the largest error of an output on the samples is at most `max_error`, finer
/// ones than `options` ask for among them; where there are none, those of the least error.
///
/// # Errors
/// Those of [`choose`].
pub fn accurate(model: &Model, samples: &[Vec<f64>], options: SetupOptions, max_error: f64) -> Result<Choice, Error> {
    let program = model.program.clone().batched(options.batch.get());
    let of = |precision| layout::candidates(&program, options.disclosure, options.profile, precision);
    let finer = (options.precision != Precision::Accurate).then(|| of(Precision::Accurate));
    let shapes = of(options.precision).chain(finer.into_iter().flatten());
    let (limbs, good) = (shapes.map(|s| s.limbs), |a: &Accuracy| a.error <= max_error);
    search(model, samples, options, limbs, usize::MAX, good, |q| fitted(q, options))
}

/// The first choice that is good; or the best of those whose traces are at most `longer` times as long as the first that will do.
/// `fit` says how many rows a quantised model takes, and in what.
pub(crate) fn search<S>(
    model: &Model,
    samples: &[Vec<f64>],
    options: SetupOptions,
    limbs: impl Iterator<Item = Limbs>,
    longer: usize,
    good: impl Fn(&Accuracy) -> bool,
    fit: impl Fn(&Quantised) -> Option<(usize, S)>,
) -> Result<Choice<S>, Error> {
    let calibration = Calibration::new(&model.program, samples)?;
    let (mut refused, mut first_error) = (Vec::new(), None);
    let mut best: Option<(f64, Choice<S>)> = None;
    let (mut most_rows, mut unfit) = (usize::MAX, false);
    for limbs in limbs {
        if 1 << limbs.bits > most_rows || refused.iter().any(|r: &Refusal| r.limbs == limbs) {
            continue;
        }
        match attempt(model, samples, &calibration, limbs) {
            Ok((quantised, accuracy)) => {
                let quantised = quantised.batched(options.batch.get());
                let Some((rows, shape)) = fit(&quantised) else {
                    unfit = true;
                    let reason = "quantised, the model has more values than rows of that many bits hold".into();
                    refused.push(Refusal { limbs, reason });
                    continue;
                };
                let error = accuracy.as_ref().map_or(0.0, |a| a.error);
                let is_good = accuracy.as_ref().is_none_or(&good);
                let choice = |refused: &[Refusal]| Choice {
                    shape,
                    quantised,
                    calibration: calibration.clone(),
                    accuracy,
                    refused: refused.to_vec(),
                };
                if is_good {
                    return Ok(choice(&refused));
                }
                most_rows = most_rows.min(rows.saturating_mul(longer));
                if best.as_ref().is_none_or(|(least, _)| error < *least) {
                    best = Some((error, choice(&refused)));
                }
                let reason = format!("the largest error of an output is {error:.1e}");
                refused.push(Refusal { limbs, reason });
            }
            // Samples that are none, for one, are the same for all limbs.
            Err(error) if depends_on_limbs(&error) => {
                let reason = error.to_string();
                refused.push(Refusal { limbs, reason });
                first_error.get_or_insert(error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    match (best, first_error) {
        (Some((_, choice)), _) => Ok(choice),
        (None, Some(error)) if !unfit => Err(error.into()),
        _ => Err(too_large(model, options)),
    }
}

/// Quantises a model by an earlier calibration, and chooses the shape of its trace for the limbs that it names.
///
/// # Errors
/// [`Error::Model`] for a calibration of another model or one that it cannot be quantised by, [`Error::Layout`] if it does not fit
/// the rows that the limbs mean.
pub fn calibrated(model: &Model, calibrated: &Calibrated, options: SetupOptions) -> Result<Choice, Error> {
    let own = hex(&model.hash);
    if calibrated.model_hash != own {
        let what = format!("expected the hash {own}, got {}", calibrated.model_hash);
        return Err(model::Error::Calibration { what }.into());
    }
    calibrated.calibration.check(&model.program)?;
    let Limbs { bits, hi, lo } = calibrated.limbs;
    let limbs = Limbs::new(bits, hi, lo).map_err(model::Error::from)?;
    let quantised = Quantised::new(&model.program, &calibrated.calibration, limbs)?.batched(options.batch.get());
    Ok(Choice {
        shape: fitted(&quantised, options).ok_or_else(|| too_large(model, options))?.1,
        quantised,
        calibration: calibrated.calibration.clone(),
        accuracy: None,
        refused: Vec::new(),
    })
}

impl<S> Choice<S> {
    /// What [`calibrated`] makes the same choice of.
    pub fn to_calibrated(&self, model: &Model) -> Calibrated {
        Calibrated {
            model_hash: hex(&model.hash),
            limbs: self.quantised.limbs,
            calibration: self.calibration.clone(),
            layers: self.accuracy.iter().flat_map(|a| &a.layers).cloned().collect(),
        }
    }
}

fn attempt(
    model: &Model,
    samples: &[Vec<f64>],
    calibration: &Calibration,
    limbs: Limbs,
) -> model::Result<(Quantised, Option<Accuracy>)> {
    match samples {
        [] => Ok((Quantised::new(&model.program, calibration, limbs)?, None)),
        _ => {
            let accuracy = Accuracy::measure(&model.program, samples, calibration, limbs)?;
            Ok((accuracy.quantised.clone(), Some(accuracy)))
        }
    }
}

fn depends_on_limbs(error: &model::Error) -> bool {
    use model::Error::{Coarse, Overflow, Program, Range, Weight};
    matches!(
        error,
        Coarse { .. } | Overflow { .. } | Program { .. } | Range { .. } | Weight { .. }
    )
}

/// The shape for the quantised program, in which some layers have been replaced by several.
fn fitted(quantised: &Quantised, options: SetupOptions) -> Option<(usize, Shape)> {
    let shape = layout::choose_lanes(&quantised.program, quantised.limbs, options.disclosure, options.profile)?;
    Some((shape.n(), shape))
}

fn too_large(model: &Model, options: SetupOptions) -> Error {
    let program = model.program.clone().batched(options.batch.get());
    let need = layout::demand(&program, options.profile.max_lanes(), options.disclosure);
    let hashing = layout::limbs(options.profile, options.precision)
        .iter()
        .map(|limbs| layout::hash_rows(&program, limbs, options.disclosure))
        .min();
    layout::Error::too_large(&need, hashing.unwrap_or(0)).into()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
