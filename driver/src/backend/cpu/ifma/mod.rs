//! Kernels for processors with AVX-512 IFMA, which multiply 52-bit integers in eight lanes.

mod adder;
mod digits;
mod field;
mod lane;

pub(super) use lane::Simd;
