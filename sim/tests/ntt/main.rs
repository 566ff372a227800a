//! The NTT engine and its butterfly, each alone: against the models of `hw` and against arkworks, under stalls, and in cycles.
#![allow(clippy::unwrap_used)]

mod butterfly;
mod cycles;
mod engine;
mod faults;
mod four_step;
mod parts;
mod transforms;
