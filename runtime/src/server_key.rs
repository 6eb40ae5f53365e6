//! The key by which a server is known.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use rustls::{pki_types::CertificateDer, server::ParsedCertificate};
use sha2::{Digest as _, Sha256};

/// What stands before the hash.
const PREFIX: &str = "sha256:";

/// The SHA-256 hash of a server's public key, the `SubjectPublicKeyInfo` of its certificate (`PROTOCOL.md` T3).
///
/// It is written `sha256:` and the hash in base64 for URLs, without padding: 50 characters, everywhere the same.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerKey(pub [u8; 32]);

/// A text that is no fingerprint of a server's key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a server's key is written sha256: and 43 letters, digits, - or _, as the server prints it at its start"
)]
pub struct ServerKeyError;

impl ServerKey {
    /// The key of a certificate, which need not be valid otherwise.
    ///
    /// # Errors
    /// It is not a certificate.
    pub fn of_certificate(certificate: &CertificateDer<'_>) -> Result<Self, rustls::Error> {
        let key = ParsedCertificate::try_from(certificate)?.subject_public_key_info();
        Ok(Self(Sha256::digest(&*key).into()))
    }
}

impl fmt::Display for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}{}", URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for ServerKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for ServerKey {
    type Err = ServerKeyError;

    fn from_str(text: &str) -> Result<Self, ServerKeyError> {
        let encoded = text.strip_prefix(PREFIX).ok_or(ServerKeyError)?;
        let bytes = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| ServerKeyError)?;
        bytes.try_into().map(Self).map_err(|_| ServerKeyError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_it_is_written() {
        let key = ServerKey([0xfb; 32]);
        let text = key.to_string();
        assert_eq!(text, "sha256:-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_v7-_s");
        assert_eq!(text.parse(), Ok(key));
    }

    #[test]
    fn what_is_no_key_is_told_so() {
        let key = ServerKey([7; 32]).to_string();
        for text in [
            "",
            "sha256:",
            "sha256:AAAA",
            &key[7..],
            &key[..49],
            &format!("{key}="),
            &format!("{key}A"),
            "md5:AA",
        ] {
            assert_eq!(text.parse::<ServerKey>(), Err(ServerKeyError), "{text}");
        }
        // The last character carries two bits that must be 0: one key has one spelling.
        let other = format!("{}d", &key[..49]);
        assert_ne!(other, key);
        assert_eq!(other.parse::<ServerKey>(), Err(ServerKeyError));
    }

    #[test]
    fn a_certificate_made_anew_for_the_same_key_has_the_same_name() {
        let pair = rcgen::KeyPair::generate().unwrap();
        let made = |name: &str| {
            rcgen::CertificateParams::new(vec![name.into()]).unwrap().self_signed(&pair).unwrap()
        };
        let (first, second) = (made("a.example"), made("b.example"));
        assert_ne!(first.der(), second.der());
        assert_eq!(ServerKey::of_certificate(first.der()), ServerKey::of_certificate(second.der()));
        assert!(ServerKey::of_certificate(&vec![1, 2, 3].into()).is_err());
    }
}
