//! Kernels for processors with AVX-512 IFMA, which multiply 52-bit integers in eight lanes.

mod adder;
pub(crate) mod columns;
mod digits;
mod eisenstein;
mod field;
mod lane;
mod ntt;

pub(crate) use lane::Simd;
pub(super) use ntt::{MIN_LOG_N, Plan};
