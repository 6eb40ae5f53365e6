//! How often one source may try to make accounts and to log in (A3, A5).

/// What is remembered of the one source that all connections come from.
#[derive(Clone, Debug, Default)]
pub(super) struct Attempts {}
