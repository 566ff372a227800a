//! MSMs over bases in the device's memory.

use std::collections::BTreeMap;
use std::time::Instant;

use ark_bn254::Fq;
use ark_ec::AffineRepr;
use ark_ff::{AdditiveGroup, BigInt, PrimeField};

use super::abi::{Affine, Limbs, MsmConfig, Projective};
use super::{Buffer, Icicle, limbs, session};
use crate::backend::check_lengths;
use crate::{Error, Fr, G1Affine, G1Projective, Msm, Result, Run, Scalars};

/// The most scalars of one call, 512 MiB of them; a longer batch is several calls.
const CALL: usize = 1 << 24;

pub(super) struct IcicleMsm {
    bases: Buffer,
    len: usize,
}

/// Part of an item: unsigned scalars of at most so many bits, added to the item's sum or subtracted.
struct Part {
    item: usize,
    subtract: bool,
    scalars: Vec<Limbs>,
}

impl IcicleMsm {
    pub(super) fn new(icicle: &Icicle, bases: &[G1Affine]) -> Result<Self> {
        if i32::try_from(bases.len()).is_err() {
            let reason = format!("{} bases are too many: at most 2^31 - 1", bases.len());
            return Err(Error::Unsupported {
                backend: icicle.device.name,
                reason,
            });
        }
        let coordinates = |base: &G1Affine| base.xy().map_or([[0; 4]; 2], |(x, y)| [limbs(&x), limbs(&y)]);
        let points: Vec<Affine> = bases.iter().map(coordinates).collect();
        let buffer = icicle.session()?.upload(&points)?;
        Ok(Self {
            bases: buffer,
            len: bases.len(),
        })
    }

    /// The sums of parts of one length and one number of bits, in one call.
    fn call(&self, bits: u32, parts: &[Part], bytes: &mut (u64, u64)) -> Result<Vec<G1Projective>> {
        let device = self.bases.device;
        let failed = |reason: String| device.failed(reason);
        let scalars: Vec<Limbs> = parts.iter().flat_map(|part| &part.scalars).copied().collect();
        let length = i32::try_from(parts[0].scalars.len()).map_err(|e| failed(e.to_string()))?;
        let config = MsmConfig {
            stream: std::ptr::null_mut(),
            precompute_factor: 1,
            c: 0,
            bitsize: bits as i32,
            batch_size: parts.len() as i32,
            are_points_shared_in_batch: true,
            are_scalars_on_device: false,
            are_scalars_montgomery_form: false,
            are_points_on_device: true,
            are_points_montgomery_form: false,
            are_results_on_device: false,
            is_async: false,
            ext: std::ptr::null_mut(),
        };
        let mut sums: Vec<Projective> = vec![[[0; 4]; 3]; parts.len()];
        let session = session(device, self.bases.api)?;
        // SAFETY: `length * batch_size` scalars, at least `length` resident bases, and `batch_size` sums.
        let status = unsafe {
            (session.api.msm)(
                scalars.as_ptr().cast(),
                self.bases.at,
                length,
                &raw const config,
                sums.as_mut_ptr(),
            )
        };
        drop(session);
        status.ok("bn254_msm").map_err(failed)?;
        bytes.0 += size_of_val(scalars.as_slice()) as u64;
        bytes.1 += size_of_val(sums.as_slice()) as u64;
        let points = sums.iter().map(point).collect::<Option<Vec<_>>>();
        points.ok_or_else(|| failed("it returned a point that is not on the curve".into()))
    }
}

/// The point, unless its coordinates are not canonical or it is not on the curve.
fn point([x, y, z]: &Projective) -> Option<G1Projective> {
    let field = |limbs: &Limbs| Fq::from_bigint(BigInt(*limbs));
    let (x, y, z) = (field(x)?, field(y)?, field(z)?);
    if z == Fq::ZERO {
        return Some(G1Projective::ZERO);
    }
    // From (X/Z, Y/Z) to (X/Z^2, Y/Z^3).
    let point = G1Projective::new_unchecked(x * z, y * z * z, z);
    G1Affine::from(point).is_on_curve().then_some(point)
}

impl Msm for IcicleMsm {
    fn len(&self) -> usize {
        self.len
    }

    fn run(&self, batch: &[Scalars<'_>]) -> Result<Run<Vec<G1Projective>>> {
        let start = Instant::now();
        check_lengths(self, batch)?;
        let mut calls: BTreeMap<(u32, usize), Vec<Part>> = BTreeMap::new();
        for (item, scalars) in batch.iter().enumerate() {
            for (bits, part) in parts(item, scalars)? {
                calls.entry((bits, part.scalars.len())).or_default().push(part);
            }
        }
        let mut out = vec![G1Projective::ZERO; batch.len()];
        let mut bytes = (0, 0);
        for ((bits, length), parts) in calls {
            for parts in parts.chunks((CALL / length).max(1)) {
                for (part, sum) in parts.iter().zip(self.call(bits, parts, &mut bytes)?) {
                    if part.subtract {
                        out[part.item] -= sum;
                    } else {
                        out[part.item] += sum;
                    }
                }
            }
        }
        Ok(Run {
            out,
            wall: start.elapsed(),
            cycles: None,
            activity: None,
            bytes_in: bytes.0,
            bytes_out: bytes.1,
        })
    }
}

/// An item's scalars as unsigned ones with their number of bits: negative ones apart, all-zero parts left out.
fn parts(item: usize, scalars: &Scalars<'_>) -> Result<Vec<(u32, Part)>> {
    let Some(integers) = scalars.integers(item)? else {
        let part = Part {
            item,
            subtract: false,
            scalars: scalars.values.iter().map(limbs).collect(),
        };
        let some = part.scalars.iter().any(|s| *s != [0; 4]);
        return Ok(some.then_some((Fr::MODULUS_BIT_SIZE, part)).into_iter().collect());
    };
    let side = |subtract: bool| {
        let scalars: Vec<Limbs> = integers
            .iter()
            .map(|&v| {
                [
                    if (v < 0) == subtract {
                        v.unsigned_abs() as u64
                    } else {
                        0
                    },
                    0,
                    0,
                    0,
                ]
            })
            .collect();
        let bits = scalars
            .iter()
            .map(|s| u64::BITS - s[0].leading_zeros())
            .max()
            .unwrap_or(0);
        (bits > 0).then_some((
            bits,
            Part {
                item,
                subtract,
                scalars,
            },
        ))
    };
    Ok([side(false), side(true)].into_iter().flatten().collect())
}
