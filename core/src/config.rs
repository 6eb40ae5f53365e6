//! What an operator decides about a server.

use alloc::{string::String, sync::Arc};

use crate::limits::Limits;

/// The configuration of a `Server`.
#[derive(Clone, Debug)]
pub struct ServerConfig {
    /// What it holds itself and its peers to.
    pub limits: Limits,
    /// What program it says it is, at most 64 bytes.
    pub program: String,
    /// The manual it serves, at most [`Limits::manual_bytes_max`] bytes.
    pub manual: Arc<str>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            program: concat!("palabre/", env!("CARGO_PKG_VERSION")).into(),
            manual: crate::commands::MANUAL.into(),
        }
    }
}
