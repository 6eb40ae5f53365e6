//! The server's half.

use alloc::{boxed::Box, sync::Arc};
use core::fmt;

use opaque_ke::{
    CredentialFinalization, CredentialRequest, RegistrationRequest, RegistrationUpload, ServerLogin,
    ServerLoginParameters, ServerRegistration, ServerSetup,
};
use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

use super::{
    LOGIN_FINISH_BYTES, LOGIN_RESPONSE_BYTES, LOGIN_START_BYTES, Malformed, PasswordRecord,
    REGISTRATION_REQUEST_BYTES, REGISTRATION_RESPONSE_BYTES, REGISTRATION_UPLOAD_BYTES, SetupId, Stretching,
    Suite, context, sized,
};
use crate::{channel::Channel, name::NameKey, wire::Token};

/// What the key for the successors of tokens is derived for.
const SUCCESSOR_CONTEXT: &str = "palabre 2026 successors of tokens";

/// Bytes of a stored setup.
const SETUP_BYTES: usize = 128;

/// The server's secret. Records open only with the setup that made them: lost, every password is lost with it.
#[derive(Clone)]
pub struct Setup {
    setup: Arc<ServerSetup<Suite>>,
    id: SetupId,
}

impl Setup {
    /// A new one, from 32 random bytes.
    #[must_use]
    pub fn generate(seed: [u8; 32]) -> Self {
        Self::of(ServerSetup::new(&mut ChaCha12Rng::from_seed(seed)))
    }

    fn of(setup: ServerSetup<Suite>) -> Self {
        let hash = blake3::hash(&setup.serialize());
        let mut id = [0; 8];
        id.copy_from_slice(&hash.as_bytes()[..8]);
        Self { setup: Arc::new(setup), id: SetupId(id) }
    }

    /// What is to be kept secret and safe.
    #[must_use]
    pub fn to_bytes(&self) -> [u8; SETUP_BYTES] {
        sized(&self.setup.serialize())
    }

    /// From the file it was kept in.
    ///
    /// # Errors
    /// They are not the bytes of a setup.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SetupError> {
        ServerSetup::deserialize(bytes).map(Self::of).map_err(|_| SetupError)
    }

    /// By which records name it.
    #[must_use]
    pub const fn id(&self) -> SetupId {
        self.id
    }

    /// A key that only who has the setup knows, one for each purpose.
    pub(crate) fn key_for(&self, purpose: &'static str) -> [u8; 32] {
        blake3::derive_key(purpose, &self.setup.serialize())
    }

    /// The token that takes the place of a device's token in time (A13). It follows from it, so that whoever asks again,
    /// before it was used, is given the same.
    pub(crate) fn successor_of(&self, token: Token) -> Token {
        Token(*blake3::keyed_hash(&self.key_for(SUCCESSOR_CONTEXT), &token.0).as_bytes())
    }

    /// Answers the first message of a registration.
    pub(crate) fn begin_registration(
        &self,
        name: &NameKey,
        request: &[u8; REGISTRATION_REQUEST_BYTES],
    ) -> Result<[u8; REGISTRATION_RESPONSE_BYTES], Malformed> {
        let request = RegistrationRequest::deserialize(request).map_err(|_| Malformed)?;
        let started = ServerRegistration::<Suite>::start(&self.setup, request, identifier(name));
        Ok(sized(&started.map_err(|_| Malformed)?.message.serialize()))
    }

    /// What is stored of what a registration ends with.
    pub(crate) fn record(
        &self,
        upload: &[u8; REGISTRATION_UPLOAD_BYTES],
        stretching: Stretching,
    ) -> Result<PasswordRecord, Malformed> {
        let upload = RegistrationUpload::<Suite>::deserialize(upload).map_err(|_| Malformed)?;
        let registration: [u8; REGISTRATION_UPLOAD_BYTES] =
            sized(&ServerRegistration::<Suite>::finish(upload).serialize());
        Ok(PasswordRecord { setup: self.id, stretching, registration: Arc::new(registration) })
    }

    /// Answers the first message of a login. Without a record the answer is one that no password opens, and nothing
    /// about it tells so.
    pub(crate) fn begin_login(
        &self,
        record: Option<&PasswordRecord>,
        name: &NameKey,
        start: &[u8; LOGIN_START_BYTES],
        channel: Channel,
        random: &mut ChaCha12Rng,
    ) -> Result<([u8; LOGIN_RESPONSE_BYTES], Challenged), Malformed> {
        let start = CredentialRequest::deserialize(start).map_err(|_| Malformed)?;
        // Reading one takes as long as a twentieth of all this: without a record, another is read for nothing.
        let read = parse_registration(record.map_or(&STAND_IN, |record| &record.registration));
        let registration = read.ok().filter(|_| record.is_some());
        let context = context(channel);
        let parameters =
            ServerLoginParameters { context: Some(&context), ..ServerLoginParameters::default() };
        let name = identifier(name);
        let started = ServerLogin::start(random, &self.setup, registration, start, name, parameters);
        let started = started.map_err(|_| Malformed)?;
        Ok((sized(&started.message.serialize()), Challenged { login: Box::new(started.state) }))
    }
}

/// A registration that nobody made: the base point of ristretto255 (RFC 9496, section 4) as the key, and nothing in it.
pub(super) const STAND_IN: [u8; REGISTRATION_UPLOAD_BYTES] = {
    let point = [
        0xe2, 0xf2, 0xae, 0x0a, 0x6a, 0xbc, 0x4e, 0x71, 0xa8, 0x84, 0xa9, 0x61, 0xc5, 0x00, 0x51, 0x5f, 0x58,
        0xe3, 0x0b, 0x6a, 0xa5, 0x82, 0xdd, 0x8d, 0xb6, 0xa6, 0x59, 0x45, 0xe0, 0x8d, 0x2d, 0x76,
    ];
    let mut bytes = [0; REGISTRATION_UPLOAD_BYTES];
    bytes.split_at_mut(32).0.copy_from_slice(&point);
    bytes
};

/// The record that a login tries is named by the account: as it is compared, whatever way it is written.
fn identifier(name: &NameKey) -> &[u8] {
    name.folded().as_bytes()
}

pub(super) fn parse_registration(
    bytes: &[u8; REGISTRATION_UPLOAD_BYTES],
) -> Result<ServerRegistration<Suite>, Malformed> {
    ServerRegistration::deserialize(bytes).map_err(|_| Malformed)
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Bytes that are no setup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetupError;

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not the secret of a server's accounts, or damaged")
    }
}

impl core::error::Error for SetupError {}

/// A login that was answered, and waits for its proof.
pub(crate) struct Challenged {
    login: Box<ServerLogin<Suite>>,
}

impl Challenged {
    /// Whether this shows that the peer knows the password.
    pub(crate) fn proves(self, finish: &[u8; LOGIN_FINISH_BYTES], channel: Channel) -> bool {
        let Ok(finish) = CredentialFinalization::deserialize(finish) else { return false };
        let context = context(channel);
        let parameters =
            ServerLoginParameters { context: Some(&context), ..ServerLoginParameters::default() };
        self.login.finish(finish, parameters).is_ok()
    }
}

impl fmt::Debug for Challenged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Challenged(…)")
    }
}
