//! The complete point adder of BN254 G1, `y^2 = x^3 + 3`, over lazily reduced coordinates.
//!
//! Formula: Renes, Costello, Batina, "Complete addition formulas for prime order elliptic curves" (2015), algorithm 7
//! (`a = 0`, `b3 = 3 b = 9`): right for every pair of points, doubling, opposite points and infinity included. The sequence
//! of integer operations is that of `rtl/curve/point_add.sv`; [`ranges`] proves that none of them leaves its width.

use num_bigint::BigUint;

use crate::field::{Field, MULTIPLES, R_BITS, WIDTH, one};

/// `3 b` of the curve.
const B3: u8 = 9;

/// A point in homogeneous projective coordinates `(X : Y : Z)`, each lazily reduced; infinity is `(0 : y : 0)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Point {
    /// `X`.
    pub x: BigUint,
    /// `Y`.
    pub y: BigUint,
    /// `Z`.
    pub z: BigUint,
}

/// The multiples of `p` that are added before a subtraction so that nothing becomes negative, as small as the ranges
/// allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offsets {
    /// Before `t0 + t1`, `t1 + t2` or `t0 + t2` is subtracted.
    pub cross: u8,
    /// Before `9 t2` is subtracted from `t1`.
    pub nine: u8,
    /// Before `t4 * y3` is subtracted.
    pub x: u8,
}

/// A value's exclusive upper bound under a name.
#[derive(Clone, Debug)]
pub struct Range {
    /// The signal's name in `point_add.sv`.
    pub signal: &'static str,
    /// It stays below this.
    pub bound: BigUint,
    /// And must stay below this.
    pub limit: BigUint,
}

/// A signal that could leave its width.
#[derive(Debug, thiserror::Error)]
#[error("{signal} can reach a value of {got} bits, and its limit has {limit} bits")]
pub struct OutOfRange {
    signal: &'static str,
    got: u64,
    limit: u64,
}

/// Proves by interval arithmetic that the adder is closed: with all coordinates below [`Field::reduced_bound`], every
/// multiplier's operand is below `R`, every small reduction's below `64 p`, no difference is negative, and the
/// coordinates of the sum are below the same bound. Returns the offsets that make it so and every signal's range.
///
/// # Errors
/// The first signal that could leave its range.
pub fn ranges(field: &Field) -> Result<(Offsets, Vec<Range>), OutOfRange> {
    let p = field.modulus();
    let operand = one() << R_BITS;
    let reducible = p * BigUint::from(MULTIPLES);
    let reduced = field.reduced_bound();
    let mut all = Vec::new();
    let mut check = |signal, bound: &BigUint, limit: &BigUint| {
        let (bound, limit) = (bound.clone(), limit.clone());
        let (got, most) = (bound.bits(), limit.bits());
        let fits = bound <= limit;
        all.push(Range { signal, bound, limit });
        if fits {
            Ok(())
        } else {
            Err(OutOfRange {
                signal,
                got,
                limit: most,
            })
        }
    };
    // exclusive bounds add up to exclusive bounds; a subtraction adds an offset no smaller than what is subtracted
    let offset = |subtracted: &BigUint| u8::try_from(subtracted.div_ceil_by(p)).unwrap_or(u8::MAX);

    let sum = &reduced * 2u8;
    check("operand sum", &sum, &operand)?;
    let (m, s) = (
        field.mont_mul_bound(&reduced, &reduced),
        field.mont_mul_bound(&sum, &sum),
    );
    check("product", &s, &(one() << WIDTH))?;

    let cross = offset(&(&m * 2u8));
    let difference = &s + p * cross;
    check("cross", &difference, &reducible)?;
    check("y3", &(&difference * B3), &reducible)?;
    check("t0", &(&m * 3u8), &reducible)?;
    check("z3", &(&m + &m * B3), &reducible)?;
    let nine = offset(&(&m * B3));
    check("t1", &(&m + p * nine), &reducible)?;

    let n = field.mont_mul_bound(&reduced, &reduced);
    let x = offset(&n);
    check("x sum", &(&n + p * x), &reducible)?;
    check("y sum", &(&n * 2u8), &reducible)?;
    check("coordinate", &reduced, &(one() << R_BITS))?;
    Ok((Offsets { cross, nine, x }, all))
}

/// Division that rounds up.
trait DivCeil {
    fn div_ceil_by(&self, by: &Self) -> Self;
}

impl DivCeil for BigUint {
    fn div_ceil_by(&self, by: &Self) -> Self {
        (self + by - one()) / by
    }
}

/// The adder, to the bit.
#[derive(Clone, Debug)]
pub struct Adder {
    field: Field,
    offsets: Offsets,
}

impl Adder {
    /// The adder over the base field of BN254.
    ///
    /// # Errors
    /// Those of [`ranges`].
    pub fn new() -> Result<Self, OutOfRange> {
        let field = Field::fq();
        let (offsets, _) = ranges(&field)?;
        Ok(Self { field, offsets })
    }

    /// What the hardware gives for `p + q`, coordinates below [`Field::reduced_bound`].
    #[must_use]
    pub fn add(&self, p: &Point, q: &Point) -> Point {
        let f = &self.field;
        let mul = |a: &BigUint, b: &BigUint| f.mont_mul(a, b);
        let offset = |n: u8| f.modulus() * n;
        let (t0, t1, t2) = (mul(&p.x, &q.x), mul(&p.y, &q.y), mul(&p.z, &q.z));
        let cross = |pa, pb, qa, qb, ta: &BigUint, tb: &BigUint| -> BigUint {
            mul(&(pa + pb), &(qa + qb)) + offset(self.offsets.cross) - (ta + tb)
        };
        let t3 = f.reduce_small(&cross(&p.x, &p.y, &q.x, &q.y, &t0, &t1));
        let t4 = f.reduce_small(&cross(&p.y, &p.z, &q.y, &q.z, &t1, &t2));
        let y3 = f.reduce_small(&(cross(&p.x, &p.z, &q.x, &q.z, &t0, &t2) * B3));
        let z3 = f.reduce_small(&(&t1 + &t2 * B3));
        let u1 = f.reduce_small(&(&t1 + offset(self.offsets.nine) - &t2 * B3));
        let u0 = f.reduce_small(&(&t0 * 3u8));
        Point {
            x: f.reduce_small(&(mul(&t3, &u1) + offset(self.offsets.x) - mul(&t4, &y3))),
            y: f.reduce_small(&(mul(&u1, &z3) + mul(&y3, &u0))),
            z: f.reduce_small(&(mul(&z3, &t4) + mul(&u0, &t3))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use ark_bn254::{Fq, G1Affine, G1Projective};
    use ark_ec::{AffineRepr, CurveGroup, PrimeGroup};
    use ark_ff::{AdditiveGroup, Field as _, PrimeField, UniformRand};
    use ark_std::rand::{SeedableRng, rngs::StdRng};

    use super::*;

    /// Homogeneous coordinates scaled by a random factor, each lifted by `p` where its bound allows.
    fn lift(point: G1Affine, rng: &mut StdRng, field: &Field) -> Point {
        let scale = Fq::rand(rng);
        let (x, y, z) = if point.is_zero() {
            (Fq::ZERO, scale, Fq::ZERO)
        } else {
            (point.x * scale, point.y * scale, scale)
        };
        let number = |c: Fq| {
            let c = BigUint::from(c.into_bigint());
            let lifted = &c + field.modulus();
            if lifted < field.reduced_bound() { lifted } else { c }
        };
        Point {
            x: number(x),
            y: number(y),
            z: number(z),
        }
    }

    fn lower(p: &Point) -> G1Affine {
        let (x, y, z) = (Fq::from(p.x.clone()), Fq::from(p.y.clone()), Fq::from(p.z.clone()));
        z.inverse()
            .map_or(G1Affine::identity(), |z| G1Affine::new(x * z, y * z))
    }

    #[test]
    fn the_adder_is_closed() {
        let (offsets, ranges) = ranges(&Field::fq()).unwrap();
        assert_eq!(
            offsets,
            Offsets {
                cross: 4,
                nine: 14,
                x: 2
            }
        );
        assert!(ranges.iter().all(|range| range.bound <= range.limit));
    }

    /// The scaling of the coordinates by powers of `R` cancels: homogeneous coordinates are all of one degree.
    #[test]
    fn sums_are_those_of_arkworks_for_all_pairs_of_kinds() {
        let mut rng = StdRng::seed_from_u64(1);
        let (adder, field) = (Adder::new().unwrap(), Field::fq());
        let g = G1Projective::generator();
        let kinds = [
            G1Projective::ZERO,
            g,
            -g,
            g.double(),
            G1Projective::rand(&mut rng),
            G1Projective::rand(&mut rng),
        ];
        for p in kinds {
            for q in kinds {
                let sum = adder.add(
                    &lift(p.into_affine(), &mut rng, &field),
                    &lift(q.into_affine(), &mut rng, &field),
                );
                assert_eq!(lower(&sum), (p + q).into_affine());
                let bound = field.reduced_bound();
                assert!(sum.x < bound && sum.y < bound && sum.z < bound);
            }
        }
    }
}
