//! The hardware as data: configuration, registers, memory layout, latencies and bit-exact models, and the generators that
//! write `rtl/gen`, `docs/registers.md` and tables of `docs/area.md` from them.
//!
//! Everything that both sides of a card must agree on is written here once. This crate runs nothing and simulates
//! nothing: `sim` runs the SystemVerilog under `rtl/` and judges it by these models, `driver` speaks to a card by these
//! registers.

pub mod area;
pub mod cost;
pub mod curve;
pub mod emit;
pub mod field;
pub mod msm;
pub mod ntt;
pub mod part;
pub mod regs;
pub mod tables;

pub use regs::Reg;
