//! Palabre, tested as a whole: a simulated world in which the same `Server` and `Client` that run in production meet
//! every fault that a seed can draw, an oracle that judges from outside what they were told, and a reference model.
//!
//! `docs/TESTING.md` says how to run it, read its reports and add to it.

pub mod campaign;
pub mod choices;
pub mod determinism;
pub mod files;
pub mod fuzzing;
pub mod marks;
pub mod minimise;
#[cfg(feature = "model")]
pub mod model;
pub mod network;
pub mod oracle;
pub mod plan;
pub mod record;
pub mod report;
pub mod run;
pub mod skip;
pub mod store;
pub mod trace;
pub mod world;
