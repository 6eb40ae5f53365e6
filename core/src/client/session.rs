//! What outlives a connection: who the client is, its rooms, its requests and its outbox.

use alloc::{string::String, vec::Vec};

use rand_chacha::ChaCha12Rng;
use rand_core::RngCore;

use super::{
    AccountEntry, ClientConfig, ClientEvent, OfflineCause, RequestId, SavedSession,
    arrival::Common,
    goodbye,
    keepalive::{Keepalive, Silence},
    link::{Link, Outputs},
    outbox::{Outbox, TextLimits},
    phase::{Leaving, Offline, Phase},
    reconnect::Backoff,
    requests::Requests,
    rooms::Rooms,
    transfers::Transfers,
};
use crate::{
    channel::Channel,
    ids::{Incarnation, UserId},
    name::Nick,
    password::{Stretching, WorkNumber},
    time::Now,
    wire::{self, Ping, ToServer, Token},
};

/// Nobody waits for this `Pong`: any sign of life will do.
const KEEP_ALIVE_TOKEN: u64 = u64::MAX;

/// What every phase works on.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) settings: Settings,
    pub(super) now: Now,
    pub(super) random: ChaCha12Rng,
    /// Names this run of the client to servers (A8).
    pub(super) run: u64,
    pub(super) outputs: Outputs,
    pub(super) link: Link,
    /// What protects the latest connection.
    pub(super) channel: Channel,
    pub(super) keepalive: Keepalive,
    pub(super) backoff: Backoff,
    /// The database that ids and numbers are of, once one is known.
    pub(super) incarnation: Option<Incarnation>,
    /// What the server offers (V3).
    pub(super) mechanisms: u64,
    last_work: u64,
    /// A new password that is being stretched, and the request for it.
    pub(super) changing_password: Option<(RequestId, WorkNumber)>,
    pub(super) identity: Option<Identity>,
    pub(super) wished: WishedName,
    pub(super) text_limits: TextLimits,
    pub(super) rooms: Rooms,
    pub(super) outbox: Outbox,
    pub(super) requests: Requests,
    pub(super) transfers: Transfers,
}

/// What the application decided once.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) program: String,
    pub(super) take_suggestion: bool,
    /// Whether the application is still to say who to be.
    pub(super) asks: bool,
    pub(super) keeps_tokens: bool,
    pub(super) stretching_min: Stretching,
    pub(super) reconnect: bool,
    pub(super) outbox_posts_max: usize,
}

/// A user of a server.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    pub(super) user: UserId,
    pub(super) nick: Nick,
    pub(super) token: Token,
    pub(super) is_account: bool,
}

/// The name to enter by, and the request to be answered when that worked.
#[derive(Debug)]
pub(super) struct WishedName {
    pub(super) nick: Nick,
    pub(super) request: Option<RequestId>,
    /// By an account instead.
    pub(super) account: Option<AccountEntry>,
}

impl Session {
    pub(super) fn new(config: ClientConfig, mut random: ChaCha12Rng, now: Now) -> Self {
        let run = random.next_u64();
        let ClientConfig {
            program,
            nick,
            take_suggestion,
            asks,
            keeps_tokens,
            account,
            stretching_min,
            saved,
            reconnect,
            outbox_posts_max,
        } = config;
        let mut session = Self {
            settings: Settings {
                program,
                take_suggestion,
                asks,
                keeps_tokens,
                stretching_min,
                reconnect,
                outbox_posts_max,
            },
            now,
            random,
            run,
            outputs: Outputs::default(),
            link: Link::new(),
            channel: Channel::Plain,
            keepalive: Keepalive::new(now.monotonic),
            backoff: Backoff::default(),
            incarnation: None,
            mechanisms: 0,
            last_work: 0,
            changing_password: None,
            identity: None,
            wished: WishedName { nick, request: None, account },
            text_limits: TextLimits::default(),
            rooms: Rooms::default(),
            outbox: Outbox::default(),
            requests: Requests::default(),
            transfers: Transfers::default(),
        };
        if let Some(SavedSession { incarnation, user, nick, token, is_account, rooms, outbox }) = saved {
            session.incarnation = Some(incarnation);
            session.identity = Some(Identity { user, nick, token, is_account });
            session.rooms = Rooms::restore(rooms);
            session.outbox = Outbox::restore(outbox);
        }
        session
    }

    /// Whether nothing but a name is known to enter by.
    pub(super) const fn is_to_enter_as_new_guest(&self) -> bool {
        self.identity.is_none() && self.wished.account.is_none()
    }

    /// The name to enter by is another from now on; who asked for the one before is not answered by its fate.
    pub(super) fn wish_for(&mut self, nick: &Nick) -> RequestId {
        let request = self.requests.next_request_id();
        let before = self.wished.request.replace(request);
        self.tell_all(before.map(|request| ClientEvent::Interrupted { request }).into_iter().collect());
        self.settings.asks = false;
        self.wished.nick = nick.clone();
        self.wished.account = None;
        request
    }

    /// Takes the time over. It never goes back.
    pub(super) fn advance(&mut self, now: Now) {
        self.now = Now { monotonic: self.now.monotonic.max(now.monotonic), wall: now.wall };
    }

    pub(super) fn send<'a>(&mut self, message: impl Into<ToServer<'a>>) {
        self.link.send(&message.into(), &mut self.outputs);
    }

    pub(super) fn tell(&mut self, event: ClientEvent) {
        self.outputs.tell(event);
    }

    pub(super) fn tell_all(&mut self, events: Vec<ClientEvent>) {
        for event in events {
            self.outputs.tell(event);
        }
    }

    /// The messages that may come in every phase. `Goodbye` and `Error` end the connection.
    pub(super) fn handle_common(&mut self, message: &Common<'_>) -> Result<(), OfflineCause> {
        match message {
            Common::Ping(ping) => {
                self.link.answer_ping(ping.token, &mut self.outputs);
                Ok(())
            }
            Common::Pong(pong) => {
                if let Some((request, sent)) = self.requests.take_ping(pong.token) {
                    let round_trip = self.now.monotonic.since(sent);
                    self.tell(ClientEvent::Pong { request, round_trip });
                }
                Ok(())
            }
            Common::Goodbye(said) => {
                Err(OfflineCause::Goodbye { reason: said.reason, text: said.text.into() })
            }
            Common::Error(error) => Err(OfflineCause::Accused { code: error.code, text: error.text.into() }),
        }
    }

    /// Sends a `Ping` into a long silence, gives up after an endless one (K2).
    pub(super) fn keep_alive(&mut self) -> Result<(), OfflineCause> {
        match self.keepalive.check(self.now.monotonic) {
            Silence::Short => Ok(()),
            Silence::Long => {
                self.send(Ping { token: KEEP_ALIVE_TOKEN });
                Ok(())
            }
            Silence::Endless => Err(OfflineCause::TimedOut),
        }
    }

    /// A number for the next piece of work.
    pub(super) const fn next_work(&mut self) -> WorkNumber {
        self.last_work += 1;
        WorkNumber(self.last_work)
    }

    /// A password let the client in as this user: whether it is who it was before. If not, what it was is no more.
    pub(super) fn become_account(&mut self, user: UserId) -> bool {
        let same = self.identity.as_ref().is_some_and(|identity| identity.user == user);
        if !same {
            self.forget_guest();
        }
        same
    }

    /// The guest is no more: it left or expired, or its database is not there any more (P9).
    pub(super) fn forget_guest(&mut self) {
        if self.identity.take().is_none() {
            return;
        }
        let posts = self.outbox.give_up_all();
        self.tell_all(posts);
        self.rooms.become_wishes();
        self.outputs.save();
    }

    /// Takes over which database the server runs on. Of another one nothing is known (V4).
    pub(super) fn meet(&mut self, incarnation: Incarnation) {
        if self.incarnation.replace(incarnation).is_some_and(|known| known != incarnation) {
            self.forget_guest();
            self.rooms.forget_ids();
            self.forget_transfers();
            let requests = self.requests.forget_rooms();
            self.tell_all(requests);
        }
    }

    pub(super) fn saved(&self) -> Option<SavedSession> {
        let identity = self.identity.as_ref()?;
        Some(SavedSession {
            incarnation: self.incarnation?,
            user: identity.user,
            nick: identity.nick.clone(),
            token: identity.token,
            is_account: identity.is_account,
            rooms: self.rooms.to_save(),
            outbox: self.outbox.to_save(),
        })
    }

    /// The way out of every phase that had a connection, or tried to have one.
    pub(super) fn lose(&mut self, cause: OfflineCause) -> Phase {
        self.say_last_words(&cause);
        self.outbox.unsend();
        self.rooms.unset_cursors();
        self.transfers.interrupt();
        let wait = self.backoff.lost(&cause, self.now.monotonic, &mut self.random);
        match wait.filter(|_| self.settings.reconnect) {
            Some(retry_in) => {
                let retry_at = Some(self.now.monotonic.after(retry_in));
                self.tell(ClientEvent::Offline { cause, retry_in });
                let mut interrupted = self.requests.interrupt();
                interrupted.extend(self.interrupt_password());
                self.tell_all(interrupted);
                Phase::Offline(Offline { retry_at })
            }
            None => self.finish(cause),
        }
    }

    fn say_last_words(&mut self, cause: &OfflineCause) {
        match cause {
            OfflineCause::Broke(error) => {
                self.send(wire::Error { code: error.number(), text: error.name() });
                self.link.close(self.now.monotonic, &mut self.outputs);
            }
            OfflineCause::TimedOut => {
                self.send(wire::Goodbye { reason: goodbye::TIMED_OUT, text: "The server is silent." });
                self.link.close(self.now.monotonic, &mut self.outputs);
            }
            OfflineCause::Left => self.link.close(self.now.monotonic, &mut self.outputs),
            OfflineCause::Unreachable
            | OfflineCause::Cut
            | OfflineCause::Goodbye { .. }
            | OfflineCause::ServerFull(_)
            | OfflineCause::Accused { .. } => self.link.drop_now(&mut self.outputs),
        }
    }

    fn interrupt_password(&mut self) -> Option<ClientEvent> {
        let (request, _) = self.changing_password.take()?;
        Some(ClientEvent::Interrupted { request })
    }

    /// Ends it, after what waits to be sent.
    pub(super) fn finish(&mut self, cause: OfflineCause) -> Phase {
        if self.link.lingers_until().is_some() {
            return Phase::Leaving(Leaving { cause });
        }
        let mut interrupted = self.requests.end();
        interrupted.extend(self.interrupt_password());
        let renaming = self.wished.request.take();
        interrupted.extend(renaming.map(|request| ClientEvent::Interrupted { request }));
        self.tell_all(interrupted);
        self.tell(ClientEvent::Ended { cause });
        Phase::Ended
    }
}
