//! The hardware of `rtl/` under Verilator: models that step cycle by cycle, and the host's side of a card's buses.
//!
//! Models come in two fidelities of the same pipeline: `exact` simulates every gate of `rtl/`, `fast` computes the point
//! additions and butterflies on the host with the same latency. Outputs and cycles are equal, and a test holds them to it.
//!
//! Where Verilator 5 was missing when this crate was built there are no models, and [`Model::new`] says so.

mod adder;
mod butterfly;
mod card;
mod limbs;
mod model;
pub mod upset;

pub use card::{Card, Engine, Fidelity, LINE, Surroundings, WORD};
pub use model::{Error, Model, Port, available};
