//! Constant tensors, and the arithmetic of shapes.

use super::error::OpError;

/// The largest number of elements of a tensor: every element of an activation costs a row of the trace, and indices are `u32`.
pub(crate) const MAX_ELEMENTS: usize = 1 << 24;

/// A tensor known when the model is compiled, row-major.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tensor {
    pub(crate) shape: Vec<usize>,
    pub(crate) data: Data,
}

/// Elements of a [`Tensor`]. Integers are kept apart because shapes and indices use all of `i64`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Data {
    Float(Vec<f64>),
    Int(Vec<i64>),
}

impl Tensor {
    pub(crate) fn float(shape: Vec<usize>, data: Vec<f64>) -> Self {
        Self {
            shape,
            data: Data::Float(data),
        }
    }

    pub(crate) fn int(shape: Vec<usize>, data: Vec<i64>) -> Self {
        Self {
            shape,
            data: Data::Int(data),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match &self.data {
            Data::Float(v) => v.len(),
            Data::Int(v) => v.len(),
        }
    }

    /// The elements as floats; `name` is the input that an error names.
    pub(crate) fn floats(&self, name: &'static str) -> Result<Vec<f64>, OpError> {
        let values: Vec<f64> = match &self.data {
            Data::Float(v) => v.clone(),
            Data::Int(v) => v.iter().map(|&x| x as f64).collect(),
        };
        match values.iter().all(|v| v.is_finite()) {
            true => Ok(values),
            false => Err(OpError::Constant {
                name,
                problem: "holds a value that is not finite",
            }),
        }
    }

    /// The elements as integers.
    pub(crate) fn ints(&self, name: &'static str) -> Result<&[i64], OpError> {
        match &self.data {
            Data::Int(v) => Ok(v),
            Data::Float(_) => Err(OpError::Constant {
                name,
                problem: "must hold integers",
            }),
        }
    }

    /// The tensor of the given shape whose element `i` is this tensor's element `indices[i]`.
    pub(crate) fn gather(&self, shape: Vec<usize>, indices: &[usize]) -> Self {
        let data = match &self.data {
            Data::Float(v) => Data::Float(indices.iter().map(|&i| v[i]).collect()),
            Data::Int(v) => Data::Int(indices.iter().map(|&i| v[i]).collect()),
        };
        Self { shape, data }
    }
}

/// Number of elements of a shape.
///
/// # Errors
/// [`OpError::TooLarge`] above [`MAX_ELEMENTS`].
pub(crate) fn elements(shape: &[usize]) -> Result<usize, OpError> {
    shape
        .iter()
        .try_fold(1usize, |n, &d| n.checked_mul(d))
        .filter(|&n| n <= MAX_ELEMENTS)
        .ok_or_else(|| OpError::TooLarge {
            shape: shape.to_vec(),
            limit: MAX_ELEMENTS,
        })
}

/// Row-major strides.
pub(crate) fn strides(shape: &[usize]) -> Vec<i64> {
    let mut out = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        out[i - 1] = out[i] * shape[i] as i64;
    }
    out
}

/// `start + sum_d i_d * strides[d]` for every index `i` of `shape`, row-major. Nothing may come out negative.
pub(crate) fn affine_indices(shape: &[usize], start: i64, strides: &[i64]) -> Vec<usize> {
    let mut out = vec![start];
    for (&count, &stride) in shape.iter().zip(strides) {
        out = out
            .iter()
            .flat_map(|&base| (0..count as i64).map(move |i| base + i * stride))
            .collect();
    }
    out.into_iter().map(|i| i as usize).collect()
}

/// The shape that two shapes broadcast to (numpy's rule).
pub(crate) fn broadcast_shape(a: &[usize], b: &[usize]) -> Result<Vec<usize>, OpError> {
    let rank = a.len().max(b.len());
    let at = |s: &[usize], i: usize| if i + s.len() < rank { 1 } else { s[i + s.len() - rank] };
    (0..rank)
        .map(|i| match (at(a, i), at(b, i)) {
            (x, y) if x == y || y == 1 => Ok(x),
            (1, y) => Ok(y),
            _ => Err(OpError::Shape {
                what: "second operand",
                expected: format!("a shape that broadcasts with {a:?}"),
                got: b.to_vec(),
            }),
        })
        .collect()
}

/// For every element of `to`, the element of `from` that broadcasting puts there. `from` must broadcast to `to`.
pub(crate) fn broadcast_indices(from: &[usize], to: &[usize]) -> Vec<usize> {
    let own = strides(from);
    let lead = to.len() - from.len();
    let steps: Vec<i64> = (0..to.len())
        .map(|i| {
            if i < lead || from[i - lead] == 1 {
                0
            } else {
                own[i - lead]
            }
        })
        .collect();
    affine_indices(to, 0, &steps)
}

/// The axis that a possibly negative ONNX axis means.
pub(crate) fn axis(axis: i64, rank: usize) -> Result<usize, OpError> {
    let resolved = if axis < 0 { axis + rank as i64 } else { axis };
    match usize::try_from(resolved) {
        Ok(a) if a < rank => Ok(a),
        _ => Err(OpError::Attribute {
            name: "axis".into(),
            expected: format!("an axis of a tensor of rank {rank}"),
            got: axis.to_string(),
        }),
    }
}
