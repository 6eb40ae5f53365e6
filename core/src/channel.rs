//! What protects a connection (`PROTOCOL.md` section T).

use core::fmt;

/// What a driver knows of a connection's protection once it can carry frames.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// Nothing: both ends asked for it.
    Plain,
    /// TLS 1.3.
    Tls {
        /// 32 bytes exported from the handshake under the label of T3: the same on both ends of one connection, and on
        /// no other.
        exporter: [u8; 32],
        /// The SHA-256 hash of the server's public key (its `SubjectPublicKeyInfo`).
        server_key: [u8; 32],
    },
}

impl Channel {
    /// The label under which both ends export from the handshake, without a context (T3).
    pub const EXPORTER_LABEL: &'static str = "EXPORTER-palabre-1";
}

// The exporter is a secret.
impl fmt::Debug for Channel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Plain => "Plain",
            Self::Tls { .. } => "Tls",
        })
    }
}
