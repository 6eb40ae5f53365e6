//! The suites that no single package can hold: `docs/TESTING.md` says what is where.

pub mod model;
