//! Functions of one variable that are proven by piecewise-linear tables, and how such a table is made.

use serde::{Deserialize, Serialize};

/// A real function of one variable.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Curve {
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// The hyperbolic tangent.
    Tanh,
    /// The error function.
    Erf,
    /// `e^x`.
    Exp,
    /// The natural logarithm of `x > 0`.
    Log,
    /// The square root of `x >= 0`.
    Sqrt,
    /// `1 / x` for `x > 0`.
    Reciprocal,
    /// `log(1 + e^x)`.
    Softplus,
    /// `x / (1 + |x|)`.
    Softsign,
    /// `x / 2 (1 + erf(x / sqrt 2))`.
    Gelu,
    /// `x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`.
    GeluTanh,
    /// `x tanh(log(1 + e^x))`.
    Mish,
    /// `x sigmoid(x)`.
    Silu,
    /// `x max(0, min(1, x / 6 + 1 / 2))`.
    HardSwish,
    /// `x` where positive, else `scale (e^(x / width) - 1)`; times `gain` throughout.
    Elu {
        /// What multiplies both branches.
        gain: f64,
        /// What multiplies the negative branch.
        scale: f64,
        /// What divides the argument of the exponential.
        width: f64,
    },
    /// The sine.
    Sin,
    /// The cosine.
    Cos,
    /// The inverse tangent.
    Atan,
    /// `|x|^exponent`, with the sign of `x` where the exponent is odd; `x > 0` where it is no integer or negative.
    Pow {
        /// The exponent.
        exponent: f64,
    },
}

/// Table rows aim at half of `2^-ERROR_BITS` of what the function's values need to be told apart.
const ERROR_BITS: i32 = 17;

/// `e^-x` is below `2^-17` from here on.
const TAIL: f64 = 12.0;

/// The largest number of rows of one table.
pub(crate) const MAX_ROWS: usize = 1 << 11;

impl Curve {
    /// The function's value.
    pub fn eval(self, x: f64) -> f64 {
        match self {
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Tanh => x.tanh(),
            Self::Erf => libm::erf(x),
            Self::Exp => x.exp(),
            Self::Log => x.ln(),
            Self::Sqrt => x.sqrt(),
            Self::Reciprocal => 1.0 / x,
            Self::Softplus => x.max(0.0) + (-x.abs()).exp().ln_1p(),
            Self::Softsign => x / (1.0 + x.abs()),
            Self::Gelu => 0.5 * x * (1.0 + libm::erf(x * std::f64::consts::FRAC_1_SQRT_2)),
            Self::GeluTanh => {
                let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x.powi(3));
                0.5 * x * (1.0 + inner.tanh())
            }
            Self::Mish => x * Self::Softplus.eval(x).tanh(),
            Self::Silu => x * Self::Sigmoid.eval(x),
            Self::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
            Self::Elu { gain, scale, width } if x < 0.0 => gain * scale * (x / width).exp_m1(),
            Self::Elu { gain, .. } => gain * x,
            Self::Sin => x.sin(),
            Self::Cos => x.cos(),
            Self::Atan => x.atan(),
            Self::Pow { exponent } => x.powf(exponent),
        }
    }

    /// Where the function is defined: a closed range, or one that the smallest positive value opens.
    pub fn domain(self) -> (f64, f64) {
        let positive = (f64::MIN_POSITIVE, f64::INFINITY);
        match self {
            Self::Log | Self::Reciprocal => positive,
            Self::Sqrt => (0.0, f64::INFINITY),
            Self::Pow { exponent } if exponent < 0.0 => positive,
            Self::Pow { exponent } if exponent.fract() != 0.0 => (0.0, f64::INFINITY),
            _ => (f64::NEG_INFINITY, f64::INFINITY),
        }
    }

    /// Arguments beyond which the function is constant to `2^-17`, below and above.
    pub fn tails(self) -> (Option<f64>, Option<f64>) {
        match self {
            Self::Sigmoid => (Some(-TAIL), Some(TAIL)),
            Self::Tanh => (Some(-6.25), Some(6.25)),
            Self::Erf => (Some(-3.25), Some(3.25)),
            Self::Exp | Self::Softplus => (Some(-TAIL), None),
            _ => (None, None),
        }
    }
}

/// A table of a curve: row `i` is the segment from `(start + i) / 2^density` to the next.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Segments {
    /// Index of the first segment, counted from 0.
    pub(crate) start: i64,
    /// `log2` of the number of segments a unit.
    pub(crate) density: i32,
    /// Value at the left end and rise, per segment.
    pub(crate) rows: Vec<(f64, f64)>,
}

impl Segments {
    /// The coarsest table of `curve` over `range` that is accurate, or the finest of at most `most` rows.
    pub(crate) fn of(curve: Curve, range: (f64, f64), most: usize) -> Self {
        let width = (range.1 - range.0).max(f64::MIN_POSITIVE);
        // One segment at each end may be needed to reach beyond the range. A range that is too wide even for the coarsest table is
        // covered in part; arguments beyond are refused when they come.
        let finest = ((most.saturating_sub(2).max(1) as f64) / width)
            .log2()
            .floor()
            .clamp(-60.0, 40.0) as i32;
        let mut density = (finest - 10).max(-60);
        loop {
            let (table, error) = Self::at(curve, range, density, most);
            let size = table.rows.iter().map(|r| r.0.abs()).fold(1.0, f64::max);
            if density >= finest || error <= size * f64::from(-ERROR_BITS - 1).exp2() {
                return table;
            }
            density += 1;
        }
    }

    /// The table of this density, and its largest error.
    fn at(curve: Curve, range: (f64, f64), density: i32, most: usize) -> (Self, f64) {
        let unit = f64::from(density).exp2();
        let (low, high) = curve.domain();
        let value = |x: f64| {
            let v = curve.eval(x.clamp(low, high));
            if v.is_finite() { v } else { 0.0 }
        };
        let start = (range.0 * unit).floor();
        let count = (((range.1 * unit).floor() - start + 1.0) as usize).min(most.max(3));
        let mut error: f64 = 0.0;
        let row = |i: usize| {
            let at = |t: f64| value((start + i as f64 + t) / unit);
            let (left, right) = (at(0.0), at(1.0));
            // Half of the chord's error in the middle, so that it is wrong by as much above as below.
            let shift = (at(0.5) - 0.5 * (left + right)) / 2.0;
            // The middle alone would miss what is odd about it, such as a wave over two segments.
            for t in [0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0] {
                error = error.max((at(t) - (left + shift + t * (right - left))).abs());
            }
            (left + shift, right - left)
        };
        let rows = (0..count).map(row).collect();
        let table = Self {
            start: start as i64,
            density,
            rows,
        };
        (table, error)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Limbs;

    fn largest_error(curve: Curve, range: (f64, f64), most: usize) -> (f64, usize) {
        let table = Segments::of(curve, range, most);
        let unit = f64::from(table.density).exp2();
        let value = |x: f64| {
            let key = (x * unit).floor();
            let (left, rise) = table.rows[(key as i64 - table.start) as usize];
            left + rise * (x * unit - key)
        };
        let points = (0..=20_000).map(|i| range.0 + (range.1 - range.0) * f64::from(i) / 20_000.0);
        let error = points.map(|x| (value(x) - curve.eval(x)).abs()).fold(0.0, f64::max);
        (error, table.rows.len())
    }

    #[test]
    fn tables_are_accurate_to_sixteen_bits() {
        let elu = Curve::Elu {
            gain: 1.0,
            scale: 1.0,
            width: 1.0,
        };
        for (curve, range) in [
            (Curve::Sigmoid, (-12.0, 12.0)),
            (Curve::Tanh, (-6.25, 6.25)),
            (Curve::Erf, (-3.25, 3.25)),
            (Curve::Exp, (-12.0, 0.0)),
            (Curve::Log, (0.5, 8.0)),
            (Curve::Sqrt, (0.25, 16.0)),
            (Curve::Reciprocal, (0.5, 8.0)),
            (Curve::Softplus, (-8.0, 8.0)),
            (Curve::Softsign, (-4.0, 4.0)),
            (Curve::Gelu, (-6.0, 6.0)),
            (Curve::GeluTanh, (-6.0, 6.0)),
            (Curve::Mish, (-6.0, 6.0)),
            (Curve::Silu, (-8.0, 8.0)),
            (elu, (-4.0, 4.0)),
            (Curve::Sin, (-6.3, 6.3)),
            (Curve::Cos, (-6.3, 6.3)),
            (Curve::Atan, (-8.0, 8.0)),
            (Curve::Pow { exponent: 3.0 }, (-1.0, 1.0)),
        ] {
            let (error, rows) = largest_error(curve, range, MAX_ROWS);
            let size = curve.eval(range.0).abs().max(curve.eval(range.1).abs()).max(1.0);
            assert!(error < size * 2f64.powi(-16), "{curve:?}: {error} with {rows} rows");
            assert!(rows <= MAX_ROWS, "{curve:?}: {rows}");
        }
    }

    #[test]
    fn tables_keep_to_the_number_of_rows() {
        for most in [3, 10, 100, 1000] {
            for range in [(-1.0, 1.0), (-1e6, 1e6), (0.0, 1e-6), (3.0, 3.0), (-1.0, 1e38)] {
                assert!(
                    Segments::of(Curve::Tanh, range, most).rows.len() <= most,
                    "{most} {range:?}"
                );
            }
        }
    }

    #[test]
    fn arguments_split_into_row_and_position() {
        let limbs = Limbs { bits: 4, hi: 2, lo: 2 };
        assert_eq!(limbs.argument_point(), 12);
        assert_eq!(limbs.look_up(0x7abc), (7, 0xab));
        let limbs = Limbs { bits: 4, hi: 3, lo: 1 };
        assert_eq!(limbs.look_up(0x7abc), (7, 0xa));
    }
}
