//! Which servers a client talks to (`PROTOCOL.md` T2, T5).

use std::{
    io,
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
};

use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, SignatureScheme,
    client::{
        Resumption,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use rustls_platform_verifier::Verifier;

use crate::{server_key::ServerKey, tls::provider, transport::APPLICATION_PROTOCOL};

/// How a client's connections are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// Not at all: the server was told so as well.
    Plain,
    /// By TLS, with a server that is trusted so.
    Tls(Trust),
}

impl Security {
    /// The key that what was saved for the server belongs to, as far as it is known.
    pub(super) const fn key(self) -> Option<ServerKey> {
        match self {
            Self::Plain => None,
            Self::Tls(Trust::Key(key)) => Some(key),
            Self::Tls(Trust::Authorities { last }) => last,
        }
    }

    /// What protects connections to a host so; nothing in plaintext.
    ///
    /// # Errors
    /// What TLS needs is not there.
    pub(crate) fn securing(self, host: &str) -> io::Result<Option<Securing>> {
        match self {
            Self::Plain => Ok(None),
            Self::Tls(trust) => Securing::new(host, Judgement::Trust(trust)).map(Some),
        }
    }
}

/// How a client knows that it talks to the right server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// It has this key, whatever its certificate says.
    Key(ServerKey),
    /// Public authorities, those that this system trusts, say that the name it is called by is its own.
    Authorities {
        /// The key it had when it last was talked to. With another one it is not, although the authorities vouch
        /// for that too: what was entrusted to the one key does not belong to the other.
        last: Option<ServerKey>,
    },
}

/// A server that is not talked to. Nothing was said to it but that TLS is spoken, and nothing will be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Distrust {
    /// It has another key than it should.
    #[error("it shows the key {shown}, but should have {expected}")]
    OtherKey {
        /// The key that is trusted.
        expected: ServerKey,
        /// The key it showed.
        shown: ServerKey,
    },
    /// It has another key than before, and public authorities say that it is right nevertheless.
    #[error("it has a new key, {shown}, that public authorities vouch for; before it was {expected}")]
    NewKey {
        /// The key it had.
        expected: ServerKey,
        /// The key it has now.
        shown: ServerKey,
    },
    /// Public authorities do not say that it is the right one.
    #[error("public authorities do not vouch for its key, {shown}: {reason}")]
    NotVouchedFor {
        /// The key it showed.
        shown: ServerKey,
        /// In the words of those who looked.
        reason: String,
    },
    /// It does not prove that it has the key of the certificate that it shows.
    #[error("it shows a certificate that is not its own, or none that can be understood: {0}")]
    Fraud(String),
    /// It does not speak TLS 1.3, or not our protocol over it.
    #[error("it does not speak Palabre over TLS 1.3: {0}")]
    OtherProtocol(String),
}

/// What makes TLS connections to one server.
#[derive(Clone, Debug)]
pub(crate) struct Securing {
    pub(crate) config: Arc<ClientConfig>,
    pub(crate) name: ServerName<'static>,
    judge: Arc<Judge>,
}

impl Securing {
    /// # Errors
    /// The authorities of this system cannot be found out, or TLS cannot be had at all.
    pub(super) fn new(host: &str, judgement: Judgement) -> io::Result<Self> {
        Self::prepared(host, judgement).map_err(io::Error::other)
    }

    fn prepared(host: &str, judgement: Judgement) -> Result<Self, Error> {
        let provider = provider();
        let authorities = match judgement {
            Judgement::Trust(Trust::Key(_)) => None,
            Judgement::Trust(Trust::Authorities { .. }) => Some(Verifier::new(Arc::clone(&provider))?),
            // One can get to know a server without them.
            Judgement::Curiosity => Verifier::new(Arc::clone(&provider)).ok(),
        };
        let judge = Arc::new(Judge {
            host_is_a_name: host.parse::<IpAddr>().is_err(),
            authorities,
            provider: Arc::clone(&provider),
            findings: Mutex::new(Findings { judgement, seen: None }),
        });
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&judge) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        config.alpn_protocols = vec![APPLICATION_PROTOCOL.to_owned()];
        // Who the server is, is looked at each time.
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config), name: server_name(host), judge })
    }

    /// From now on the server must have this key.
    pub(super) fn remember(&self, key: ServerKey) {
        let mut findings = self.judge.lock();
        if let Judgement::Trust(Trust::Authorities { last }) = &mut findings.judgement {
            *last = Some(key);
        }
    }

    /// What was seen of the server in the last handshake that came so far.
    pub(super) fn seen(&self) -> Option<Seen> {
        self.judge.lock().seen.clone()
    }

    /// Why a handshake failed; nothing if the next one may do.
    pub(super) fn distrust(&self, error: &Error) -> Option<Distrust> {
        if let Error::InvalidCertificate(CertificateError::Other(OtherError(other))) = error
            && let Some(distrust) = other.downcast_ref::<Distrust>()
        {
            return Some(distrust.clone());
        }
        let is_fraud = matches!(
            error,
            Error::InvalidCertificate(_)
                | Error::InvalidCertRevocationList(_)
                | Error::NoCertificatesPresented
        );
        // Neither the cryptography nor the clock of this machine work: not the server's fault, and may pass.
        let is_ours = matches!(error, Error::FailedToGetCurrentTime | Error::FailedToGetRandomBytes);
        match (is_fraud, is_ours) {
            (true, _) => Some(Distrust::Fraud(error.to_string())),
            (false, true) => None,
            (false, false) => Some(Distrust::OtherProtocol(error.to_string())),
        }
    }
}

/// A name that no certificate is looked at for stands for hosts that cannot be names of servers.
fn server_name(host: &str) -> ServerName<'static> {
    let name = ServerName::try_from(host.to_owned());
    name.unwrap_or_else(|_| ServerName::try_from("palabre.invalid").expect("it is a name"))
}

/// What to make of the server's certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// The server must be trusted so.
    Trust(Trust),
    /// Any will do: it is only looked at, and told nothing.
    Curiosity,
}

/// What was seen of a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) key: ServerKey,
    /// Whether public authorities vouch for it, or why they do not.
    pub(super) vouched_for: Result<(), String>,
}

/// Looks at certificates.
#[derive(Debug)]
struct Judge {
    host_is_a_name: bool,
    authorities: Option<Verifier>,
    provider: Arc<CryptoProvider>,
    findings: Mutex<Findings>,
}

#[derive(Debug)]
struct Findings {
    judgement: Judgement,
    seen: Option<Seen>,
}

impl Judge {
    fn lock(&self) -> std::sync::MutexGuard<'_, Findings> {
        self.findings.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ask_authorities(
        &self,
        certificate: &CertificateDer<'_>,
        others: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<(), String> {
        if !self.host_is_a_name {
            return Err("they know servers by name, and this is an address".to_owned());
        }
        let Some(authorities) = &self.authorities else {
            return Err("this system trusts none".to_owned());
        };
        let verdict = authorities.verify_server_cert(certificate, others, name, ocsp, now);
        verdict.map(drop).map_err(|error| error.to_string())
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = ServerKey::of_certificate(end_entity)?;
        let ask = || self.ask_authorities(end_entity, intermediates, server_name, ocsp_response, now);
        let mut findings = self.lock();
        let verdict = match findings.judgement {
            Judgement::Trust(Trust::Key(expected)) if expected == shown => Ok(()),
            Judgement::Trust(Trust::Key(expected)) => Err(Distrust::OtherKey { expected, shown }),
            Judgement::Trust(Trust::Authorities { last }) => match (ask(), last) {
                (Err(reason), _) => Err(Distrust::NotVouchedFor { shown, reason }),
                (Ok(()), Some(expected)) if expected != shown => Err(Distrust::NewKey { expected, shown }),
                (Ok(()), _) => Ok(()),
            },
            Judgement::Curiosity => {
                findings.seen = Some(Seen { key: shown, vouched_for: ask() });
                Ok(())
            }
        };
        match verdict {
            Ok(()) => Ok(ServerCertVerified::assertion()),
            Err(distrust) => Err(CertificateError::Other(OtherError(Arc::new(distrust))).into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    /// A certificate is public: only the signature shows that its key is the server's.
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
