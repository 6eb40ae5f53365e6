//! What both ends of TLS have in common: who does the cryptography.

use std::sync::Arc;

use rustls::crypto::{CryptoProvider, aws_lc_rs};

/// The cryptography, with key exchange that also withstands quantum computers in the first place.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}
