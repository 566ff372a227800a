//! Quantisation: weights and scales as integers, chosen so that every requantisation is a shift by the same `s` bits.

use serde::{Deserialize, Serialize};

use super::calibrate::{Calibration, check_input};
use super::error::{Error, Result};
use super::execute::{self, Trace};
use super::expand::Expansion;
use super::fixed::{Limbs, Scale};
use super::interval;
use super::program::Program;
use super::scales::{Scales, node};

/// A quantised model: what is proven.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Quantised {
    /// The program in integers.
    pub program: Program<i64>,
    /// The limbs that its values fit.
    pub limbs: Limbs,
    /// Scale of the input.
    pub input_scale: Scale,
    /// Scale of the output.
    pub output_scale: Scale,
}

/// What a layer became.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    /// The quantised layer that gives its values.
    pub(super) layer: u32,
    /// The scale of those.
    pub(super) scale: Scale,
}

impl Quantised {
    /// Quantises a program for limbs of the given kind.
    ///
    /// # Errors
    /// [`Error::Weight`] for parameters that no scale represents, [`Error::Overflow`] when a layer's accumulator could wrap,
    /// [`Error::Program`] for a program that breaks its rules or fixes scales that cannot be.
    pub fn new(program: &Program<f64>, calibration: &Calibration, limbs: Limbs) -> Result<Self> {
        Ok(Self::placed(program, calibration, limbs)?.0)
    }

    /// As [`Quantised::new`], with the place of each of the program's layers in the quantised one.
    pub(super) fn placed(
        program: &Program<f64>,
        calibration: &Calibration,
        limbs: Limbs,
    ) -> Result<(Self, Vec<Place>)> {
        program.validate()?;
        let scales = Scales::choose(program, calibration, &limbs)?;
        let mut expansion = Expansion::new(program, calibration, &scales, limbs)?;
        for i in 0..program.layers.len() {
            expansion.add(i)?;
        }
        let layers = expansion.results().iter().enumerate();
        let places = layers.map(|(i, &layer)| Place {
            layer,
            scale: Scale(scales.of(i + 1)),
        });
        let places = places.collect();
        let quantised = Self {
            program: expansion.finish(),
            limbs,
            input_scale: Scale(scales.of(0)),
            output_scale: Scale(program.outputs.iter().find_map(node).map_or(0, |n| scales.of(n))),
        };
        quantised.check()?;
        Ok((quantised, places))
    }

    /// `count` inferences side by side ([`Program::batched`]).
    #[must_use]
    pub fn batched(self, count: usize) -> Self {
        Self {
            program: self.program.batched(count),
            ..self
        }
    }

    /// Checks a quantised model that comes from a file: limbs, the program's rules, and that no accumulator can wrap.
    ///
    /// # Errors
    /// [`Error::Limbs`], [`Error::Program`], [`Error::Overflow`].
    pub fn check(&self) -> Result<()> {
        Limbs::new(self.limbs.bits, self.limbs.hi, self.limbs.lo)?;
        interval::bounds(&self.program, &self.limbs).map(drop)
    }

    /// The integers that represent an input.
    ///
    /// # Errors
    /// [`Error::Length`], [`Error::NotFinite`], and [`Error::Range`] for a value beyond the calibrated range.
    pub fn quantise_input(&self, input: &[f64]) -> Result<Vec<i64>> {
        check_input(self.program.input_len(), input, "input")?;
        let in_range = |v| self.limbs.holds_signed(v);
        integers(input, self.input_scale, "input", in_range)
    }

    /// The reals that outputs represent.
    pub fn dequantise_output(&self, outputs: &[i64]) -> Vec<f64> {
        let factor = self.output_scale.factor();
        outputs.iter().map(|&y| y as f64 / factor).collect()
    }

    /// Runs the model on integers, exactly as it is proven.
    ///
    /// # Errors
    /// Those of [`execute::exact`].
    pub fn run(&self, input: &[i64]) -> Result<Trace<i64>> {
        execute::exact(&self.program, &self.limbs, input)
    }
}

/// The integers that represent values at a scale, all of them `in_range`, which the limits of 64 bits are not.
///
/// # Errors
/// [`Error::Range`], naming `what` they are.
pub(crate) fn integers(values: &[f64], scale: Scale, what: &str, in_range: impl Fn(i64) -> bool) -> Result<Vec<i64>> {
    let factor = scale.factor();
    let integer = |x: &f64| {
        let range = || Error::Range {
            layer: what.into(),
            what: "a value",
        };
        // The conversion saturates.
        Some((x * factor).round() as i64)
            .filter(|&v| in_range(v))
            .ok_or_else(range)
    };
    values.iter().map(integer).collect()
}
