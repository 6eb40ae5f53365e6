//! The suites that no single package can hold: see `docs/TESTING.md` for what is where.
