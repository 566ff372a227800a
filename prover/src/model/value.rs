//! What a tensor of the graph is while the graph is being lowered.

use super::error::OpError;
use super::program::{Act, INFERENCE_DIMS, Source, Term};
use super::tensor::{Tensor, strides};

/// A tensor during lowering.
#[derive(Clone, Debug)]
pub(crate) enum Value {
    /// Known when the model is compiled.
    Const(Tensor),
    /// Elementwise affine in values that exist: costs nothing, and can be read any number of times.
    Affine(Affine),
    /// A linear map that is not a layer yet: what follows may still fuse into it.
    Linear(Linear),
}

impl Value {
    pub(crate) fn shape(&self) -> &[usize] {
        match self {
            Self::Const(t) => &t.shape,
            Self::Affine(a) => &a.shape,
            Self::Linear(l) => &l.shape,
        }
    }
}

/// `value[e] = offset[e] + sum over parts of weights[e] * sources[e]`.
#[derive(Clone, Debug)]
pub(crate) struct Affine {
    pub(crate) shape: Vec<usize>,
    pub(crate) parts: Vec<Part>,
    pub(crate) offset: Vec<f64>,
}

/// One summand of an [`Affine`].
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) sources: Vec<Source<f64>>,
    pub(crate) weights: Vec<f64>,
}

impl Affine {
    /// The sources themselves.
    pub(crate) fn plain(shape: Vec<usize>, sources: Vec<Source<f64>>) -> Self {
        let n = sources.len();
        Self {
            shape,
            parts: vec![Part {
                sources,
                weights: vec![1.0; n],
            }],
            offset: vec![0.0; n],
        }
    }

    /// The tensor of the given shape whose element `i` is this tensor's element `indices[i]`.
    pub(crate) fn gather(&self, shape: Vec<usize>, indices: &[usize]) -> Self {
        let part = |p: &Part| Part {
            sources: indices.iter().map(|&i| p.sources[i]).collect(),
            weights: indices.iter().map(|&i| p.weights[i]).collect(),
        };
        Self {
            shape,
            parts: self.parts.iter().map(part).collect(),
            offset: indices.iter().map(|&i| self.offset[i]).collect(),
        }
    }

    /// Multiplies element `e` by `factors[e]`.
    pub(crate) fn scale(&mut self, factors: &[f64]) {
        for values in self.parts.iter_mut().map(|p| &mut p.weights).chain([&mut self.offset]) {
            values.iter_mut().zip(factors).for_each(|(v, f)| *v *= f);
        }
    }

    /// Whether weights and offsets are the same within each run of `run` elements.
    pub(crate) fn uniform(&self, run: usize) -> bool {
        let even = |v: &[f64]| v.chunks(run).all(|c| c.iter().all(|x| x == &c[0]));
        even(&self.offset) && self.parts.iter().all(|p| even(&p.weights))
    }

    /// The same values as a linear map of the identity's kind. Its channels are the axes along which weights or offsets
    /// vary (or the first axis), its positions the others.
    pub(crate) fn into_linear(self, name: String) -> Linear {
        let step = strides(&self.shape);
        let varies = |axis: usize| {
            let differs = |v: &[f64]| {
                let (n, s) = (self.shape[axis], step[axis] as usize);
                (0..v.len()).any(|e| v[e] != v[e - e / s % n * s])
            };
            self.shape[axis] > 1 && (differs(&self.offset) || self.parts.iter().any(|p| differs(&p.weights)))
        };
        let varying: Vec<usize> = (0..self.shape.len()).filter(|&a| varies(a)).collect();
        let first = match varying.first() {
            Some(&a) => a,
            None => self.shape.iter().position(|&d| d > 1).unwrap_or(0),
        };
        let end = varying.last().map_or(first + 1, |&a| a + 1).min(self.shape.len());
        let size = |s: &[usize]| s.iter().product::<usize>();
        let (before, channels, after) = (
            size(&self.shape[..first]),
            size(&self.shape[first..end]),
            size(&self.shape[end..]),
        );
        // Positions keep their axes, which a pool behind may need; `simplify` joins them.
        let axes: Vec<usize> = (0..self.shape.len())
            .filter(|&a| a >= end || (a < first && self.shape[a] > 1))
            .collect();
        if axes.len() > INFERENCE_DIMS {
            return self.in_a_row(name, (before, channels, after));
        }
        let terms = self.parts.into_iter().map(|p| Term {
            taps: (0..channels)
                .map(|c| vec![((c * after) as u32, p.weights[c * after])])
                .collect(),
            block: p.sources,
            strides: axes.iter().map(|&a| step[a] as usize).collect(),
        });
        let order = (0..before * channels * after).map(|e| {
            let (b, c, a) = (e / (channels * after), e / after % channels, e % after);
            ((c * before + b) * after + a) as u32
        });
        Linear {
            names: vec![name],
            channels,
            dims: axes.iter().map(|&a| self.shape[a]).collect(),
            terms: terms.collect(),
            bias: (0..channels).map(|c| self.offset[c * after]).collect(),
            act: None,
            order: order.collect(),
            shape: self.shape,
        }
    }
}

impl Affine {
    /// A linear map of the identity's kind with one axis of positions, along which the sources are laid out anew. Elements are
    /// `(before, channels, after)`, and weights and offsets those of their channel.
    fn in_a_row(self, name: String, (before, channels, after): (usize, usize, usize)) -> Linear {
        let positions = before * after;
        let element = |e: usize| {
            let (c, b, a) = (e / positions, e % positions / after, e % after);
            (b * channels + c) * after + a
        };
        let order = (0..before * channels * after).map(|e| {
            let (b, c, a) = (e / (channels * after), e / after % channels, e % after);
            ((c * before + b) * after + a) as u32
        });
        let terms = self.parts.iter().map(|p| Term {
            taps: (0..channels)
                .map(|c| vec![((c * positions) as u32, p.weights[c * after])])
                .collect(),
            block: (0..p.sources.len()).map(|e| p.sources[element(e)]).collect(),
            strides: vec![1],
        });
        Linear {
            names: vec![name],
            channels,
            dims: vec![positions],
            terms: terms.collect(),
            bias: (0..channels).map(|c| self.offset[c * after]).collect(),
            act: None,
            order: order.collect(),
            shape: self.shape,
        }
    }
}

/// A linear map, and possibly its activation, that has not become a layer. See [`super::program::Layer`] for the fields.
#[derive(Clone, Debug)]
pub(crate) struct Linear {
    /// The nodes that went into it.
    pub(crate) names: Vec<String>,
    pub(crate) shape: Vec<usize>,
    pub(crate) channels: usize,
    pub(crate) dims: Vec<usize>,
    pub(crate) terms: Vec<Term<f64>>,
    pub(crate) bias: Vec<f64>,
    /// [`Act::Relu`] or [`Act::MaxPool`] once seen; nothing but a pool fuses with the first, nothing but a ReLU with the other.
    pub(crate) act: Option<Act>,
    /// Per element of the tensor, row-major: the element of the layer, `(channel, positions...)` row-major.
    pub(crate) order: Vec<u32>,
}

impl Linear {
    /// The order of elements of a tensor whose layer has the same.
    pub(crate) fn natural_order(len: usize) -> Vec<u32> {
        (0..len as u32).collect()
    }

    pub(crate) fn positions(&self) -> usize {
        self.dims.iter().product()
    }

    /// Whether the tensor's elements are in the layer's order.
    pub(crate) fn is_natural(&self) -> bool {
        self.order.iter().enumerate().all(|(e, &i)| e == i as usize)
    }

    /// One value per channel, if `values` (one per element of the tensor) does not depend on the position.
    pub(crate) fn per_channel(&self, values: &[f64]) -> Option<Vec<f64>> {
        let positions = self.positions();
        let mut out: Vec<Option<f64>> = vec![None; self.channels];
        for (&v, &i) in values.iter().zip(&self.order) {
            let slot = &mut out[i as usize / positions];
            if *slot.get_or_insert(v) != v {
                return None;
            }
        }
        out.into_iter().collect()
    }

    /// Multiplies channel `c` by `factors[c]`.
    pub(crate) fn scale(&mut self, factors: &[f64]) {
        for (c, &f) in factors.iter().enumerate() {
            self.bias[c] *= f;
            self.terms
                .iter_mut()
                .for_each(|t| t.taps[c].iter_mut().for_each(|(_, w)| *w *= f));
        }
    }

    /// Adds `other` if it does not add weights that depend on the position; else gives it back.
    pub(crate) fn add_affine(&mut self, other: Affine) -> Result<(), Affine> {
        let (weights, bias): (Vec<_>, _) = (
            other.parts.iter().map(|p| self.per_channel(&p.weights)).collect(),
            self.per_channel(&other.offset),
        );
        let Some(bias) = bias.filter(|_| weights.iter().all(Option::is_some)) else {
            return Err(other);
        };
        self.bias.iter_mut().zip(bias).for_each(|(b, x)| *b += x);
        let positions = self.positions();
        let dims: Vec<i64> = strides(&self.dims);
        for (part, weights) in other.parts.into_iter().zip(weights.into_iter().flatten()) {
            let mut block = part.sources.clone();
            part.sources
                .iter()
                .zip(&self.order)
                .for_each(|(&s, &i)| block[i as usize] = s);
            let taps = weights
                .iter()
                .enumerate()
                .map(|(c, &w)| vec![((c * positions) as u32, w)]);
            self.terms.push(Term {
                block,
                strides: dims.iter().map(|&s| s as usize).collect(),
                taps: taps.collect(),
            });
        }
        Ok(())
    }

    /// Adds `other`, which must have the same shape, if it is laid out alike; else gives it back.
    pub(crate) fn add_linear(&mut self, other: Linear) -> Result<(), Box<Linear>> {
        if self.channels != other.channels || self.dims != other.dims || self.order != other.order {
            return Err(Box::new(other));
        }
        self.bias.iter_mut().zip(&other.bias).for_each(|(b, x)| *b += x);
        self.terms.extend(other.terms);
        self.names.extend(other.names);
        Ok(())
    }

    /// Drops position axes of length 1 and joins axes that every term walks through as one. A pool's window keeps its two axes.
    ///
    /// # Errors
    /// [`OpError::Unsupported`] when more than `max` axes are left.
    pub(crate) fn simplify(&mut self, max: usize) -> Result<(), OpError> {
        let mut keep = match self.act {
            Some(Act::MaxPool { .. }) => self.dims.len() - 2,
            _ => self.dims.len(),
        };
        for d in (0..keep).rev() {
            let joins = d + 1 < keep
                && self
                    .terms
                    .iter()
                    .all(|t| t.strides[d] == t.strides[d + 1] * self.dims[d + 1]);
            if joins {
                self.dims[d + 1] *= self.dims[d];
            }
            if joins || self.dims[d] == 1 {
                self.dims.remove(d);
                for term in &mut self.terms {
                    term.strides.remove(d);
                }
                keep -= 1;
            }
        }
        match self.dims.len() <= max {
            true => Ok(()),
            false => Err(OpError::Unsupported {
                what: format!("{} axes of positions; at most {max} are supported", self.dims.len()),
            }),
        }
    }
}
