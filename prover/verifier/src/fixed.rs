//! The fixed-point format: how a value is split into limbs, and which values fit.

use serde::{Deserialize, Serialize};

/// Limbs outside of what a trace can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("limbs of {bits} bits, {hi} high and {lo} low: {what}")]
pub struct LimbsError {
    /// Bits of a limb.
    pub bits: u32,
    /// Number of high limbs.
    pub hi: u32,
    /// Number of low limbs.
    pub lo: u32,
    /// What is wrong.
    pub what: &'static str,
}

/// Limbs of a slot: `hi` of them above the binary point of a requantisation and `lo` below, of `bits` bits each.
///
/// A pre-activation `u` is written as `u + half = 2^shift * (signed high part) + low part`
/// with the low part in `0 .. 2^shift` and `shift = bits * lo`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Limbs {
    /// Bits of one limb: the range table is `0 .. 2^bits`.
    pub bits: u32,
    /// Number of high limbs (A).
    pub hi: u32,
    /// Number of low limbs (B).
    pub lo: u32,
}

impl Limbs {
    /// Checked limbs.
    ///
    /// # Errors
    /// [`LimbsError`] unless there is a limb of each kind and pre-activations (`bits * (hi + lo)` bits and a sign) stay
    /// below `2^60`, so that `i64` holds every sum and difference of two of them.
    pub fn new(bits: u32, hi: u32, lo: u32) -> Result<Self, LimbsError> {
        let error = |what| LimbsError { bits, hi, lo, what };
        if bits == 0 || hi == 0 || lo == 0 {
            return Err(error("each must be at least 1"));
        }
        match hi.checked_add(lo).and_then(|n| n.checked_mul(bits)) {
            Some(total) if total <= 60 => Ok(Self { bits, hi, lo }),
            _ => Err(error("more than 60 bits in all")),
        }
    }

    /// The requantisation shift `s`.
    pub fn shift(&self) -> u32 {
        self.bits * self.lo
    }

    /// `2^(s-1)`: what is added before the shift, so that it rounds to nearest, ties toward plus infinity.
    pub fn half(&self) -> i64 {
        1 << (self.shift() - 1)
    }

    /// Number of bits of the high part.
    pub fn hi_bits(&self) -> u32 {
        self.bits * self.hi
    }

    /// `2^hi_bits`: high parts are below it.
    pub fn hi_range(&self) -> i64 {
        1 << self.hi_bits()
    }

    /// `2^(hi_bits - 1)`: signed values `v`, the model's input among them, satisfy `-signed_range <= v < signed_range`.
    pub fn signed_range(&self) -> i64 {
        1 << (self.hi_bits() - 1)
    }

    /// Whether `v` is a signed value that limbs hold.
    pub fn holds_signed(&self, v: i64) -> bool {
        (-self.signed_range()..self.signed_range()).contains(&v)
    }

    /// `floor((u + half) / 2^s)`: division by `2^s`, rounded to nearest with ties toward plus infinity.
    pub fn round(&self, u: i64) -> i64 {
        u.saturating_add(self.half()) >> self.shift()
    }

    /// Bits of a function's argument below the point (the top high limb is the row of the table, the limbs below it the position
    /// within the segment): `u` is given as the integer nearest to `u * 2^point`.
    pub fn argument_point(&self) -> u32 {
        self.shift() + self.bits * (self.hi - 1)
    }

    /// The row of a function's table for an argument, and the position in it in units of `2^-s`.
    pub fn look_up(&self, argument: i64) -> (i64, i64) {
        let point = self.argument_point();
        let within = argument & ((1 << point) - 1);
        (argument >> point, within >> (point - self.shift()))
    }
}

/// A scale `2^e`: the real `x` is represented by the integer nearest to `x * 2^e`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Scale(pub i32);

impl Scale {
    /// `2^e`.
    pub fn factor(self) -> f64 {
        f64::from(self.0).exp2()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn limbs_are_checked() {
        assert!(Limbs::new(15, 2, 2).is_ok() && Limbs::new(16, 2, 2).is_err());
        for (bits, hi, lo) in [(0, 2, 2), (8, 0, 2), (8, 2, 0), (u32::MAX, 2, 2), (1, u32::MAX, 1)] {
            assert!(Limbs::new(bits, hi, lo).is_err());
        }
    }

    #[test]
    fn ranges_follow_from_limbs() {
        let limbs = Limbs::new(5, 3, 2).unwrap();
        assert_eq!((limbs.shift(), limbs.half(), limbs.hi_bits()), (10, 512, 15));
        assert_eq!((limbs.hi_range(), limbs.signed_range()), (1 << 15, 1 << 14));
        assert!(limbs.holds_signed(-(1 << 14)) && !limbs.holds_signed(1 << 14));
    }

    #[test]
    fn rounding_is_floor_of_x_plus_one_half() {
        let limbs = Limbs::new(2, 2, 1).unwrap();
        for u in -100i64..100 {
            assert_eq!(limbs.round(u), (f64::from(u as i32) / 4.0 + 0.5).floor() as i64, "{u}");
        }
        assert!(limbs.round(i64::MAX) > 0);
    }
}
