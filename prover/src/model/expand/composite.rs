//! Operations that take several layers to prove.
//!
//! What an [`Act::Advice`] is worth is settled by assertions alone; here is why each value is unique. All values are integers
//! in the range of their slots or products of such, so that no equation wraps around modulo `r`; [`Act::Floor`] asserts that
//! its accumulator is not negative.
//!
//! - **Quotient** of `a` by `b`. Let `B = 2^d b`, `h = floor(B / 2)` and `N = 2^n a + h`; `p = q b` exactly, and `R = N - 2^d p`.
//!   Asserted are `R >= 0` and `B - 1 - R >= 0`. Their sum says `B >= 1`. So `N = B q + R` with `0 <= R < B` is division with
//!   remainder: `q = floor(N / B)`. Where `d = 0` a floor of its own proves `h`: with an arbitrary `h` the quotient would be off
//!   by as much; elsewhere `h = 2^(d-1) b` is linear.
//! - **Square root** of `v`: `p = q^2`; asserted are `2^t v - p >= 0` and `p + 2 q - 2^t v >= 0`, that is
//!   `q^2 <= 2^t v < (q + 1)^2`. For `q < 0` that would be `q^2 < (q + 1)^2 <= q^2`. So `q >= 0`, and `q` is the root's floor.
//! - **Reciprocal square root** of `v`: `p = q v`, `w = p q`; asserted are `2^t - w >= 0` and `w + 2 p + v - 2^t - 1 >= 0`, that
//!   is `q^2 v <= 2^t < (q + 1)^2 v`. If `v <= 0` the right side is not positive, so `v >= 1`; then as above `q >= 0`, and
//!   `q = floor(sqrt(2^t / v))`.
//! - **Negative**: `y = max(0, floor(u / 2^s) + 1)` is 0 exactly where `u < 0`, and `max(0, 1 - y)` is 1 exactly where `y` is 0.
//!
//! The tests below go through all small values.

use super::{Accumulator, Expansion, Result};
use crate::model::program::{Act, Layer, Rule};
use crate::model::scales::room;

impl Expansion<'_> {
    pub(super) fn divide(&mut self, layer: &Layer<f64>, scale: i32) -> Result<u32> {
        let [(a, a_scale), (b, b_scale)] = [self.operand(layer, 0)?, self.operand(layer, 1)?];
        let ratio = scale + b_scale - a_scale;
        let (numerator, denominator) = (self.shift(layer, ratio.max(0))?, self.shift(layer, (-ratio).max(0))?);
        let (n, d) = (1i64 << numerator, 1i64 << denominator);
        let rule = Act::Advice(Rule::Quotient { numerator, denominator });
        let (advice, q) = self.values(self.elementwise(layer, "quotient", rule, vec![a.clone(), b.clone()]));
        let (_, p) = self.values(self.elementwise(
            layer,
            "quotient times divisor",
            Act::RawProduct,
            vec![q.clone(), b.clone()],
        ));
        let (half, weight) = match denominator {
            0 => {
                let halved: (&[_], _) = (&b, 1 << (self.limbs.shift() - 1));
                let floor = self.combination(layer, "half of the divisor", Act::Floor, &[halved], 0);
                (self.values(floor).1, 1)
            }
            _ => (b.clone(), d / 2),
        };
        let low = [(&a[..], n), (&half, weight), (&p, -d)];
        let remainder = self.combination(layer, "remainder", Act::Floor, &low, 0);
        let high = [(&a[..], -n), (&half, -weight), (&p, d), (&b, d)];
        let bound = self.combination(layer, "remainder below the divisor", Act::Floor, &high, -1);
        self.push(remainder);
        self.push(bound);
        Ok(advice)
    }

    pub(super) fn square_root(&mut self, layer: &Layer<f64>, scale: i32) -> Result<u32> {
        let (v, v_scale) = self.operand(layer, 0)?;
        let shift = self.shift(layer, 2 * scale - v_scale)?;
        let rule = Act::Advice(Rule::SquareRoot { shift });
        let (advice, q) = self.values(self.elementwise(layer, "root", rule, vec![v.clone()]));
        let (_, p) = self.values(self.elementwise(layer, "root squared", Act::RawProduct, vec![q.clone(), q.clone()]));
        let (below, above) = (
            [(&v[..], 1 << shift), (&p, -1)],
            [(&p[..], 1), (&q, 2), (&v, -(1 << shift))],
        );
        let below = self.combination(layer, "root from below", Act::Floor, &below, 0);
        let above = self.combination(layer, "root from above", Act::Floor, &above, 0);
        self.push(below);
        self.push(above);
        Ok(advice)
    }

    pub(super) fn reciprocal_square_root(&mut self, layer: &Layer<f64>, scale: i32) -> Result<u32> {
        let (v, v_scale) = self.operand(layer, 0)?;
        let shift = self.shift(layer, 2 * scale + v_scale)?;
        let rule = Act::Advice(Rule::ReciprocalSquareRoot { shift });
        let (advice, q) = self.values(self.elementwise(layer, "root", rule, vec![v.clone()]));
        let (_, p) =
            self.values(self.elementwise(layer, "root times value", Act::RawProduct, vec![q.clone(), v.clone()]));
        let (_, w) = self.values(self.elementwise(
            layer,
            "root squared times value",
            Act::RawProduct,
            vec![p.clone(), q.clone()],
        ));
        let (below, above) = ([(&w[..], -1)], [(&w[..], 1), (&p, 2), (&v, 1)]);
        let below = self.combination(layer, "root from below", Act::Floor, &below, 1 << shift);
        let above = self.combination(layer, "root from above", Act::Floor, &above, -(1 << shift) - 1);
        self.push(below);
        self.push(above);
        Ok(advice)
    }

    /// `max(0, 1 - max(0, floor(u / 2^s) + 1))`.
    pub(super) fn negative(&mut self, layer: &Layer<f64>, i: usize) -> Result<u32> {
        // As fine as what is compared, so that its differences are exact; as coarse as there must be room for.
        let compared = layer.terms.iter().map(|t| self.scales.of_block(&t.block, &self.limbs));
        let scale = compared
            .max()
            .unwrap_or(0)
            .min(room(self.limbs.hi_bits() - 1, self.calibration.layers[i]));
        let one = 1 << self.limbs.shift();
        let to = Accumulator {
            exponent: self.limbs.shift() as i32 + scale,
            offset: one - self.limbs.half(),
        };
        let mut first = self.linear(layer, to, Act::Relu)?;
        first.name = format!("{}: positive part", layer.name);
        let (_, positive) = self.values(first);
        let second = self.combination(layer, "negative", Act::Relu, &[(&positive, -one)], one);
        Ok(self.push(second))
    }
}
