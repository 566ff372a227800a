//! Calibration: how large the values of a model become.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha20Rng;
use serde::{Deserialize, Serialize};

use super::error::{Error, Result};
use super::execute;
use super::program::Program;

/// Ratio between the largest value that is representable at least and the largest that was seen on given samples.
pub const MARGIN: f64 = 4.0;

/// The same ratio where no samples were given and the model ran on random inputs.
pub const MARGIN_WITHOUT_SAMPLES: f64 = 16.0;

/// The largest magnitudes to be represented, margin included.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Of an input value.
    pub input: f64,
    /// Of a pre-activation, per layer.
    pub layers: Vec<f64>,
    /// Of an output, per layer.
    pub outputs: Vec<f64>,
    /// Between which values a layer's pre-activations may lie: what was seen, as much farther from zero (or nearer, where zero
    /// lies beyond) as the margin says.
    pub ranges: Vec<(f64, f64)>,
}

impl Calibration {
    /// Runs the model on samples and takes the largest magnitudes times [`MARGIN`]. Without samples it runs on a fixed set of
    /// random inputs in `[-1, 1]`, times [`MARGIN_WITHOUT_SAMPLES`].
    ///
    /// # Errors
    /// [`Error::Length`] and [`Error::NotFinite`] for a sample that is no input of the model, [`Error::Weight`] when a layer's
    /// values overflow.
    pub fn new(program: &Program<f64>, samples: &[Vec<f64>]) -> Result<Self> {
        match samples {
            [] => Self::over(program, &synthetic(program.input_len()), MARGIN_WITHOUT_SAMPLES),
            given => Self::over(program, given, MARGIN),
        }
    }

    /// Checks a calibration that comes from a file: one entry a layer, and magnitudes and ranges that are some.
    ///
    /// # Errors
    /// [`Error::Calibration`].
    pub fn check(&self, program: &Program<f64>) -> Result<()> {
        let error = |what: &str| Err(Error::Calibration { what: what.into() });
        let count = program.layers.len();
        if [self.layers.len(), self.outputs.len(), self.ranges.len()] != [count; 3] {
            return error(&format!(
                "expected entries for {count} layers, as many as the model has"
            ));
        }
        let mut magnitudes = self.layers.iter().chain(&self.outputs).chain([&self.input]);
        if !magnitudes.all(|m| m.is_finite() && *m > 0.0) {
            return error("a magnitude is not a positive number");
        }
        match self
            .ranges
            .iter()
            .all(|(low, high)| low.is_finite() && high.is_finite() && low <= high)
        {
            true => Ok(()),
            false => error("a range does not go from a number to a larger one"),
        }
    }

    fn over(program: &Program<f64>, samples: &[Vec<f64>], margin: f64) -> Result<Self> {
        let mut seen = Self {
            input: 0.0,
            layers: vec![0.0; program.layers.len()],
            outputs: vec![0.0; program.layers.len()],
            ranges: vec![(f64::INFINITY, f64::NEG_INFINITY); program.layers.len()],
        };
        let widen = |max: &mut f64, values: &[f64]| values.iter().for_each(|v| *max = max.max(v.abs()));
        for (i, sample) in samples.iter().enumerate() {
            check_input(program.input_len(), sample, &format!("calibration sample {i}"))?;
            let trace = execute::float(program, sample)?;
            widen(&mut seen.input, sample);
            for (i, pre) in trace.pre.iter().enumerate() {
                widen(&mut seen.outputs[i], &trace.out[i]);
                let (low, high) = &mut seen.ranges[i];
                pre.iter().for_each(|u| (*low, *high) = (low.min(*u), high.max(*u)));
            }
            for (layer, (max, pre)) in program.layers.iter().zip(seen.layers.iter_mut().zip(&trace.pre)) {
                widen(max, pre);
                if pre.iter().any(|u| !u.is_finite()) {
                    return Err(Error::Weight {
                        layer: layer.name.clone(),
                        what: "a pre-activation",
                    });
                }
            }
        }
        // What no sample moves could be of any size; 1 is as good a guess as any.
        for max in seen.layers.iter_mut().chain(&mut seen.outputs).chain([&mut seen.input]) {
            *max = if *max == 0.0 { 1.0 } else { *max * margin };
        }
        for (low, high) in &mut seen.ranges {
            *low *= if *low < 0.0 { margin } else { 1.0 / margin };
            *high *= if *high > 0.0 { margin } else { 1.0 / margin };
        }
        Ok(seen)
    }
}

/// Checks that `input` is one: the right number of finite values.
pub(crate) fn check_input(expected: usize, input: &[f64], what: &str) -> Result<()> {
    if input.len() != expected {
        return Err(Error::Length {
            what: what.into(),
            expected,
            got: input.len(),
        });
    }
    match input.iter().position(|v| !v.is_finite()) {
        None => Ok(()),
        Some(index) => Err(Error::NotFinite {
            what: what.into(),
            index,
        }),
    }
}

/// Inputs for models that come without samples: the edges of `[-1, 1]` and random points in it, the same in every run.
fn synthetic(len: usize) -> Vec<Vec<f64>> {
    let mut rng = ChaCha20Rng::seed_from_u64(0);
    let random = (0..16).map(|_| (0..len).map(|_| rng.random_range(-1.0..=1.0)).collect());
    random.chain([1.0, -1.0, 0.0].map(|v| vec![v; len])).collect()
}
