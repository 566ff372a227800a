//! How much of a model's accuracy quantisation costs, layer by layer.

use serde::{Deserialize, Serialize};

use super::calibrate::Calibration;
use super::error::Result;
use super::execute;
use super::fixed::{Limbs, Scale};
use super::program::{Program, Source};
use super::quantise::Quantised;

/// What quantisation does to one layer's outputs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LayerAccuracy {
    /// The layer's name.
    pub name: String,
    /// Scale of its outputs.
    pub scale: Scale,
    /// How many limbs its outputs on the samples take. All values of a trace have as many as the largest needs.
    pub limbs: u32,
    /// The largest magnitude of an output, in floats.
    pub largest: f64,
    /// The largest difference between an output and its float.
    pub error: f64,
    /// By how much the error, relative to the largest magnitude, exceeds that of what the layer reads.
    pub added: f64,
}

/// The accuracy of a quantised model on samples.
#[derive(Clone, Debug)]
pub struct Accuracy {
    /// The quantised model.
    pub quantised: Quantised,
    /// Per layer of the program.
    pub layers: Vec<LayerAccuracy>,
    /// The largest difference between an output of the model and its float.
    pub error: f64,
    /// The largest magnitude of an output of the model, in floats.
    pub largest: f64,
}

impl Accuracy {
    /// Quantises a program and runs it on each sample, in floats and in integers.
    ///
    /// # Errors
    /// Those of [`Quantised::new`] and [`Quantised::run`].
    pub fn measure(
        program: &Program<f64>,
        samples: &[Vec<f64>],
        calibration: &Calibration,
        limbs: Limbs,
    ) -> Result<Self> {
        let (quantised, places) = Quantised::placed(program, calibration, limbs)?;
        let mut layers: Vec<LayerAccuracy> = program
            .layers
            .iter()
            .zip(&places)
            .map(|(layer, place)| LayerAccuracy {
                name: layer.name.clone(),
                scale: place.scale,
                limbs: 1,
                largest: 0.0,
                error: 0.0,
                added: 0.0,
            })
            .collect();
        let (mut error, mut largest) = (0.0f64, 0.0f64);
        for sample in samples {
            let float = execute::float(program, sample)?;
            let exact = quantised.run(&quantised.quantise_input(sample)?)?;
            for (i, place) in places.iter().enumerate() {
                let factor = place.scale.factor();
                for (y, z) in float.out[i].iter().zip(&exact.out[place.layer as usize]) {
                    let bits = z.unsigned_abs().checked_ilog2().map_or(1, |b| b + 2);
                    layers[i].limbs = layers[i].limbs.max(bits.div_ceil(limbs.bits));
                    layers[i].largest = layers[i].largest.max(y.abs());
                    layers[i].error = layers[i].error.max((y - *z as f64 / factor).abs());
                }
            }
            let outputs = quantised.dequantise_output(&exact.outputs);
            for (y, z) in float.outputs.iter().zip(&outputs) {
                (error, largest) = (error.max((y - z).abs()), largest.max(y.abs()));
            }
        }
        let relative = |l: &LayerAccuracy| if l.largest > 0.0 { l.error / l.largest } else { 0.0 };
        let all: Vec<f64> = layers.iter().map(relative).collect();
        for (i, layer) in program.layers.iter().enumerate() {
            let read = layer.sources().filter_map(|s| match s {
                Source::Layer { layer, .. } => Some(all[*layer as usize]),
                Source::Input(_) | Source::Const(_) => None,
            });
            layers[i].added = (all[i] - read.fold(0.0, f64::max)).max(0.0);
        }
        Ok(Self {
            quantised,
            layers,
            error,
            largest,
        })
    }

    /// The layer that adds most of the error, if any does.
    pub fn worst(&self) -> Option<&LayerAccuracy> {
        let worst = self.layers.iter().max_by(|a, b| a.added.total_cmp(&b.added));
        worst.filter(|l| l.added > 0.0)
    }
}
