//! From a connection to `Ready`: `Hello`, then a name or a token (`PROTOCOL.md` sections V and E).

use core::time::Duration;

use super::{
    ClientEvent, OfflineCause,
    arrival::{Arrival, Common},
    convert, goodbye,
    keepalive::Keepalive,
    logging_in::LoggingIn,
    outbox::TextLimits,
    phase::{Offline, Phase},
    ready::Ready,
    session::{Identity, Session},
};
use crate::{
    error::{ProtocolError, Refusal, RefusalCode},
    name::Nick,
    time::Monotonic,
    wire::{
        self, FEATURE_RENEWAL, FRAMES_BEFORE_READY_MAX, Guest, Hello, Limits, Refused, Resume, VERSION,
        Welcome,
    },
};

/// How long the server may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// How many suggested names are tried, one after the other.
const SUGGESTIONS_MAX: u32 = 3;

/// Frames that one more try to enter may take: a name and those suggested instead, or the two of a login, and
/// answers to a few `Ping`s.
const FRAMES_OF_A_TRY: u32 = 8;

/// `Hello` was sent.
#[derive(Debug)]
pub(super) struct Greeting {
    pub(super) deadline: Monotonic,
}

/// `Guest` or `Resume` was sent.
#[derive(Debug)]
pub(super) struct Entering {
    entry: Entry,
    pub(super) deadline: Monotonic,
}

/// The name was refused, or none was given yet: the application has to say who to be.
#[derive(Debug)]
pub(super) struct Naming {
    limits: Limits,
}

/// All places are taken.
#[derive(Debug)]
pub(super) struct Waiting {
    entry: Entry,
}

/// An unanswered request to enter.
#[derive(Debug)]
struct Entry {
    id: u32,
    way: Way,
    limits: Limits,
}

#[derive(Debug)]
enum Way {
    /// By the token of this guest.
    Resume(Identity),
    /// As a new guest, after so many suggestions of the server.
    Guest { suggestions: u32 },
    /// By an account whose password was given.
    Account,
}

impl Greeting {
    /// Says `Hello`.
    pub(super) fn new(session: &mut Session) -> Self {
        let client = cut_to_64_bytes(&session.settings.program);
        let session_number = Some(session.run);
        let features = if session.settings.keeps_tokens { FEATURE_RENEWAL } else { 0 };
        let hello = Hello { first: VERSION, last: VERSION, client, features, session: session_number };
        session.link.send(&hello.into(), &mut session.outputs);
        session.keepalive = Keepalive::new(session.now.monotonic);
        Self { deadline: answer_deadline(session) }
    }

    pub(super) fn handle(self, arrival: Arrival<'_>, session: &mut Session) -> Result<Phase, OfflineCause> {
        match arrival {
            Arrival::Welcome(welcome) => enter(&welcome, session),
            Arrival::Common(common) => session.handle_common(&common).map(|()| Phase::Greeting(self)),
            Arrival::Waiting(_)
            | Arrival::Ready(_)
            | Arrival::Challenge(_)
            | Arrival::Refused(_)
            | Arrival::Answer(_)
            | Arrival::Notice(_) => Err(ProtocolError::UnexpectedKind.into()),
        }
    }
}

/// `Hello` says at most 64 bytes about the program (V3).
fn cut_to_64_bytes(program: &str) -> &str {
    &program[..program.floor_char_boundary(64)]
}

fn enter(welcome: &Welcome<'_>, session: &mut Session) -> Result<Phase, OfflineCause> {
    if welcome.version != VERSION {
        return Err(ProtocolError::VersionUnsupported.into());
    }
    session.meet(welcome.incarnation);
    session.text_limits = TextLimits::told(&welcome.limits);
    session.keepalive.set_silence_seconds(welcome.limits.silence_seconds);
    session.mechanisms = welcome.mechanisms;
    session.tell(ClientEvent::Connected { server: welcome.server.into() });
    Ok(match session.identity.clone() {
        // A password was given: it is meant to be used.
        Some(identity) if session.wished.account.is_none() => {
            Phase::Entering(Entering::by_token(identity, welcome.limits, session))
        }
        None if session.settings.asks && session.wished.account.is_none() => {
            Phase::Naming(Naming { limits: welcome.limits })
        }
        Some(_) | None => Entering::as_wished(welcome.limits, session),
    })
}

/// Until when an answer is waited for.
pub(super) fn answer_deadline(session: &Session) -> Monotonic {
    session.now.monotonic.after(ANSWER_MAX)
}

impl Entering {
    fn by_token(identity: Identity, limits: Limits, session: &mut Session) -> Self {
        let id = session.requests.next_wire_id();
        session.send(Resume { id, token: identity.token });
        Self::new(Entry { id, way: Way::Resume(identity), limits }, session)
    }

    fn as_wished(limits: Limits, session: &mut Session) -> Phase {
        if let Some(wish) = session.wished.account.clone() {
            return Phase::LoggingIn(LoggingIn::begin(&wish, limits, session));
        }
        session.forget_guest();
        let nick = session.wished.nick.clone();
        Phase::Entering(Self::as_guest(&nick, 0, limits, session))
    }

    /// A proof was sent.
    pub(super) fn by_account(id: u32, limits: Limits, session: &Session) -> Self {
        Self::new(Entry { id, way: Way::Account, limits }, session)
    }

    fn as_guest(nick: &Nick, suggestions: u32, limits: Limits, session: &mut Session) -> Self {
        let id = session.requests.next_wire_id();
        session.send(Guest { id, nick: nick.as_str() });
        Self::new(Entry { id, way: Way::Guest { suggestions }, limits }, session)
    }

    fn new(entry: Entry, session: &Session) -> Self {
        Self { entry, deadline: answer_deadline(session) }
    }

    pub(super) fn handle(self, arrival: Arrival<'_>, session: &mut Session) -> Result<Phase, OfflineCause> {
        match arrival {
            Arrival::Common(common) => session.handle_common(&common).map(|()| Phase::Entering(self)),
            Arrival::Waiting(waiting) => Ok(self.entry.wait(&waiting, session)),
            Arrival::Ready(ready) => self.entry.ready(&ready, session),
            Arrival::Refused(refused) => self.entry.refused(&refused, session),
            Arrival::Welcome(_) | Arrival::Challenge(_) | Arrival::Answer(_) | Arrival::Notice(_) => {
                Err(ProtocolError::UnexpectedKind.into())
            }
        }
    }
}

impl Waiting {
    pub(super) fn handle(self, arrival: Arrival<'_>, session: &mut Session) -> Result<Phase, OfflineCause> {
        match arrival {
            Arrival::Common(common) => session.handle_common(&common).map(|()| Phase::Waiting(self)),
            Arrival::Waiting(waiting) => Ok(self.entry.wait(&waiting, session)),
            Arrival::Ready(ready) => self.entry.ready(&ready, session),
            Arrival::Refused(refused) => self.entry.refused(&refused, session),
            Arrival::Welcome(_) | Arrival::Challenge(_) | Arrival::Answer(_) | Arrival::Notice(_) => {
                Err(ProtocolError::UnexpectedKind.into())
            }
        }
    }
}

impl Naming {
    /// Tries the name that is wished for now: on another connection before this one has used up its frames (F8).
    pub(super) fn rename(self, session: &mut Session) -> Phase {
        if session.link.frames_sent() + FRAMES_OF_A_TRY > FRAMES_BEFORE_READY_MAX {
            return Phase::connect(session);
        }
        Entering::as_wished(self.limits, session)
    }

    /// Asks the application for another way to enter.
    pub(super) fn ask(refusal: Refusal, limits: Limits, session: &mut Session) -> Phase {
        let request = session.wished.request.take();
        session.tell(ClientEvent::EnterRefused { refusal, request });
        Phase::Naming(Self { limits })
    }

    /// An account was refused: the application has to do something about it, unless it passes by itself.
    pub(super) fn refused(
        refusal: Refusal,
        limits: Limits,
        session: &mut Session,
    ) -> Result<Phase, OfflineCause> {
        if passes_by_itself(refusal.code) && refusal.code != RefusalCode::SlowDown {
            return Err(OfflineCause::ServerFull(refusal));
        }
        Ok(Self::ask(refusal, limits, session))
    }

    pub(super) fn handle(self, arrival: Arrival<'_>, session: &mut Session) -> Result<Phase, OfflineCause> {
        match arrival {
            // Nobody named itself in time (V5). The application knows that it has to, so it is not told again.
            Arrival::Common(Common::Goodbye(said))
                if matches!(said.reason, goodbye::TIMED_OUT | goodbye::REFUSED)
                    && session.settings.reconnect =>
            {
                session.link.drop_now(&mut session.outputs);
                Ok(Phase::Offline(Offline { retry_at: None }))
            }
            Arrival::Common(common) => session.handle_common(&common).map(|()| Phase::Naming(self)),
            Arrival::Welcome(_)
            | Arrival::Waiting(_)
            | Arrival::Ready(_)
            | Arrival::Challenge(_)
            | Arrival::Refused(_)
            | Arrival::Answer(_)
            | Arrival::Notice(_) => Err(ProtocolError::UnexpectedKind.into()),
        }
    }
}

impl Entry {
    fn wait(self, waiting: &wire::Waiting, session: &mut Session) -> Phase {
        session.tell(ClientEvent::Waiting { position: waiting.position });
        Phase::Waiting(Waiting { entry: self })
    }

    fn ready(self, ready: &wire::Ready<'_>, session: &mut Session) -> Result<Phase, OfflineCause> {
        if ready.id != self.id {
            return Err(ProtocolError::SequenceBroken.into());
        }
        let resumed = match self.way {
            Way::Resume(identity) if identity.user != ready.user => {
                return Err(ProtocolError::MalformedBody.into());
            }
            Way::Resume(_) => true,
            Way::Guest { .. } => false,
            Way::Account => session.become_account(ready.user),
        };
        Ready::enter(ready, resumed, self.limits, session).map(Phase::Ready)
    }

    fn refused(self, refused: &Refused<'_>, session: &mut Session) -> Result<Phase, OfflineCause> {
        if refused.id != self.id {
            return Err(ProtocolError::SequenceBroken.into());
        }
        let refusal = convert::refusal(refused);
        match (self.way, passes_by_itself(refusal.code)) {
            // Who it is does not change with the token: what is in the outbox waits for the next login.
            (Way::Resume(identity), _)
                if refusal.code == RefusalCode::TokenUnknown && identity.is_account =>
            {
                Naming::refused(refusal, self.limits, session)
            }
            (Way::Resume(_), _) if refusal.code == RefusalCode::TokenUnknown => {
                session.forget_guest();
                Ok(Entering::as_wished(self.limits, session))
            }
            (Way::Account, _) => Naming::refused(refusal, self.limits, session),
            // Whatever it is: who the client is and what it has not heard about is not given up for it.
            (Way::Resume(_), _) | (Way::Guest { .. }, true) => Err(OfflineCause::ServerFull(refusal)),
            (Way::Guest { suggestions }, false) => {
                Ok(name_refused(refusal, suggestions, self.limits, session))
            }
        }
    }
}

/// Whether a refusal is about the server's state rather than the name.
const fn passes_by_itself(code: RefusalCode) -> bool {
    match code {
        RefusalCode::ServerFull
        | RefusalCode::SlowDown
        | RefusalCode::Lockdown
        | RefusalCode::RoomLimit
        | RefusalCode::NoSpace
        | RefusalCode::StorageFailed => true,
        RefusalCode::NameInUse
        | RefusalCode::NameInvalid
        | RefusalCode::NameLooksAlike
        | RefusalCode::NoSuchUser
        | RefusalCode::NoSuchRoom
        | RefusalCode::NotAMember
        | RefusalCode::NotPossible
        | RefusalCode::TextEmpty
        | RefusalCode::TextTooLong
        | RefusalCode::TextInvalid
        | RefusalCode::NonceReused
        | RefusalCode::TokenUnknown
        | RefusalCode::LoginFailed
        | RefusalCode::NotAllowed
        | RefusalCode::NoSuchDevice
        | RefusalCode::InvitationNeeded
        | RefusalCode::InvitationInvalid
        | RefusalCode::Banned
        | RefusalCode::Muted
        | RefusalCode::InviteOnly
        | RefusalCode::ReadOnly
        | RefusalCode::RoleNeeded
        | RefusalCode::Outranked
        | RefusalCode::RightsFull
        | RefusalCode::FileNameInvalid
        | RefusalCode::NoSuchFile
        | RefusalCode::Conflict
        | RefusalCode::Quota
        | RefusalCode::FileTooLarge
        | RefusalCode::FileChanged
        | RefusalCode::Integrity
        | RefusalCode::Superseded
        | RefusalCode::TransferLimit
        | RefusalCode::FilesOff
        | RefusalCode::NoSuchUpload
        | RefusalCode::NoSuchContent
        | RefusalCode::NoSuchMessage
        | RefusalCode::MessageDeleted
        | RefusalCode::NotYours
        | RefusalCode::QueryEmpty
        | RefusalCode::QueryTooLong => false,
    }
}

fn name_refused(refusal: Refusal, suggestions: u32, limits: Limits, session: &mut Session) -> Phase {
    let suggestion = refusal.suggestion.as_deref().and_then(|name| Nick::parse(name).ok());
    match suggestion {
        Some(nick) if session.settings.take_suggestion && suggestions < SUGGESTIONS_MAX => {
            Phase::Entering(Entering::as_guest(&nick, suggestions + 1, limits, session))
        }
        Some(_) | None => Naming::ask(refusal, limits, session),
    }
}
