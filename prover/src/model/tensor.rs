//! Constant tensors, and the arithmetic of shapes.

use serde::Serialize;

use super::error::OpError;

/// The largest number of elements of a tensor: every element of an activation costs a row of the trace, and indices are `u32`.
pub(crate) const MAX_ELEMENTS: usize = 1 << 24;

/// Type of a tensor's elements, numbered as in ONNX's `TensorProto.DataType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum Element {
    Float = 1,
    Uint8 = 2,
    Int8 = 3,
    Uint16 = 4,
    Int16 = 5,
    Int32 = 6,
    Int64 = 7,
    Bool = 9,
    Float16 = 10,
    Double = 11,
    Uint32 = 12,
    Uint64 = 13,
    Bfloat16 = 16,
}

impl Element {
    /// The type of a number in `TensorProto.DataType`, where it is one of numbers or truth values.
    pub fn from_onnx(number: i32) -> Option<Self> {
        use Element::*;
        let all = [
            Float, Uint8, Int8, Uint16, Int16, Int32, Int64, Bool, Float16, Double, Uint32, Uint64, Bfloat16,
        ];
        all.into_iter().find(|&e| e as i32 == number)
    }

    /// Bytes per element of a file.
    pub fn size(self) -> usize {
        match self {
            Self::Uint8 | Self::Int8 | Self::Bool => 1,
            Self::Uint16 | Self::Int16 | Self::Float16 | Self::Bfloat16 => 2,
            Self::Float | Self::Int32 | Self::Uint32 => 4,
            Self::Int64 | Self::Double | Self::Uint64 => 8,
        }
    }

    /// Whether this is a type of fractions.
    pub fn is_float(self) -> bool {
        matches!(self, Self::Float | Self::Float16 | Self::Double | Self::Bfloat16)
    }

    /// The smallest and the largest value of an integer type that 53 bits hold.
    pub(crate) fn range(self) -> Option<(f64, f64)> {
        let (signed, bits) = match self {
            Self::Bool => return Some((0.0, 1.0)),
            Self::Uint8 => (false, 8),
            Self::Int8 => (true, 8),
            Self::Uint16 => (false, 16),
            Self::Int16 => (true, 16),
            Self::Int32 => (true, 32),
            Self::Uint32 => (false, 32),
            _ => return None,
        };
        let span = f64::from(bits).exp2();
        Some(if signed {
            (-span / 2.0, span / 2.0 - 1.0)
        } else {
            (0.0, span - 1.0)
        })
    }
}

/// A tensor known when the model is compiled, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Lengths of the axes.
    pub shape: Vec<usize>,
    /// As many elements as the shape has.
    pub data: Data,
}

/// Elements of a [`Tensor`]. Integers are kept apart because shapes and indices use all of `i64`.
#[derive(Clone, Debug, PartialEq)]
pub enum Data {
    /// Of any type of fractions.
    Float(Vec<f64>),
    /// Of any type of integers; truth values are 0 and 1.
    Int(Vec<i64>),
}

impl Tensor {
    /// Reads elements that lie one behind the other, little-endian, as `raw_data` of ONNX's `TensorProto` has them.
    ///
    /// Returns nothing when `raw` is not as long as the shape says.
    pub fn from_le_bytes(element: Element, shape: Vec<usize>, raw: &[u8]) -> Option<Self> {
        let count = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d))?;
        (raw.len() == count.checked_mul(element.size())?).then(|| Self {
            shape,
            data: Data::from_le_bytes(element, raw),
        })
    }

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
        self.data.len()
    }

    /// The elements as floats, infinities and NaN included.
    pub fn to_floats(&self) -> Vec<f64> {
        match &self.data {
            Data::Float(v) => v.clone(),
            Data::Int(v) => v.iter().map(|&x| x as f64).collect(),
        }
    }

    /// The elements as floats; `name` is the input that an error names.
    pub(crate) fn floats(&self, name: &'static str) -> Result<Vec<f64>, OpError> {
        let values = self.to_floats();
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

impl Data {
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Float(v) => v.len(),
            Self::Int(v) => v.len(),
        }
    }

    /// Elements as little-endian bytes; what is left over of a length that is no multiple of the element's is dropped.
    pub(crate) fn from_le_bytes(element: Element, raw: &[u8]) -> Self {
        fn float<const N: usize>(raw: &[u8], f: impl Fn([u8; N]) -> f64) -> Data {
            Data::Float(raw.as_chunks::<N>().0.iter().map(|&c| f(c)).collect())
        }
        fn int<const N: usize>(raw: &[u8], f: impl Fn([u8; N]) -> i64) -> Data {
            Data::Int(raw.as_chunks::<N>().0.iter().map(|&c| f(c)).collect())
        }
        match element {
            Element::Float => float(raw, |b| f32::from_le_bytes(b).into()),
            Element::Double => float(raw, f64::from_le_bytes),
            Element::Float16 => float(raw, |b| half::f16::from_le_bytes(b).into()),
            Element::Bfloat16 => float(raw, |b| half::bf16::from_le_bytes(b).into()),
            Element::Int8 => int(raw, |b| i8::from_le_bytes(b).into()),
            Element::Uint16 => int(raw, |b| u16::from_le_bytes(b).into()),
            Element::Int16 => int(raw, |b| i16::from_le_bytes(b).into()),
            Element::Int32 => int(raw, |b| i32::from_le_bytes(b).into()),
            Element::Uint32 => int(raw, |b| u32::from_le_bytes(b).into()),
            Element::Int64 => int(raw, i64::from_le_bytes),
            Element::Uint64 => int(raw, |b| clamp(u64::from_le_bytes(b))),
            Element::Uint8 | Element::Bool => int(raw, |b| u8::from_le_bytes(b).into()),
        }
    }
}

/// Unsigned integers serve as shapes and indices, where everything beyond `i64::MAX` means "to the end".
pub(crate) fn clamp(v: u64) -> i64 {
    i64::try_from(v).unwrap_or(i64::MAX)
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
