//! The client as one state machine: one user's end of the conversation, over as many connections as it takes.

mod answers;
mod arrival;
mod convert;
mod entering;
mod event;
mod keepalive;
mod link;
mod logging_in;
mod outbox;
mod phase;
mod ready;
mod reconnect;
mod requests;
mod rooms;
mod saved;
mod session;
mod transfers;

use alloc::string::String;
use core::time::Duration;

use rand_core::RngCore;

pub use self::{
    event::{
        ClientEvent, ClientOutput, DeviceInfo, Governance, Happening, MemberChange, MemberInfo, ModeChange,
        Offers, OfflineCause, OutboxPost, OutboxState, PostId, RequestId, RoomInfo, RoomListed, StandingInfo,
        goodbye,
    },
    saved::{SavedPost, SavedSession},
    transfers::{
        DownloadWish, FileInfo, LocalDone, LocalFailure, LocalOperation, LocalOutcome, LocalRequest,
        PUT_BYTES_MAX, TransferEvent, TransferFailure, TransferId, TransferProgress, UploadWish,
    },
};
use self::{
    outbox::NewPost,
    phase::{Offline, Phase},
    requests::{Ask, Search},
    session::Session,
};
use crate::{
    channel::Channel,
    error::{Misuse, Refusal, RefusalCode},
    ids::{DeviceId, Nonce, Position, RoomId, Seq, UserId},
    name::{Nick, RoomName},
    password::{Enrolment, Password, Stretching, WorkDone},
    random,
    search::Query,
    storage::EventKind,
    time::{Monotonic, Now},
    transfer::{FileName, UploadKey, Version},
    wire::{MECHANISM_ACCOUNT, MECHANISM_GUEST, MECHANISM_INVITED, MECHANISM_REGISTER, ToClient, Token},
};

/// What a client is to be.
#[derive(Clone, Debug)]
pub struct ClientConfig {
    /// What program it says it is, at most 64 bytes; the rest is cut off.
    pub program: String,
    /// The name to enter by, as a new guest or by the account.
    pub nick: Nick,
    /// Whether to take the suggestion when that name is taken, instead of asking.
    pub take_suggestion: bool,
    /// Whether to ask who to be, where neither a session nor an account says so: after [`ClientEvent::Connected`] nothing
    /// happens until [`Client::rename`] enters as a guest, or [`Client::log_in`] by an account.
    pub asks: bool,
    /// Whether what is to be [saved](ClientOutput::Save) is: then the server may replace a token that it gave long ago.
    pub keeps_tokens: bool,
    /// The account to enter by, or to make, even if a session is saved.
    pub account: Option<AccountEntry>,
    /// The least a server may ask a new password to be stretched by: [`Stretching::LEAST`] but in tests.
    pub stretching_min: Stretching,
    /// What an earlier run saved for this server.
    pub saved: Option<SavedSession>,
    /// Whether to connect again when the connection is lost or cannot be made. Without, the first failure ends it.
    pub reconnect: bool,
    /// Posts that may wait in the outbox; more are a [`Misuse`].
    pub outbox_posts_max: usize,
}

/// A password to enter with.
#[derive(Clone, Debug)]
pub struct AccountEntry {
    /// Whether the account is to be made.
    pub make: bool,
    /// Its password.
    pub password: Password,
    /// What this device is to be called in the list of the account's devices.
    pub device: String,
    /// The code of an invitation, where accounts are made by one.
    pub invitation: Option<String>,
}

/// The client: driven by inputs and drained of outputs, like the [`Server`](crate::server::Server), and with
/// verbs for what its application wants.
///
/// # How to drive it
/// 1. Hand in what happened, each with the time: [`handle_connected`](Self::handle_connected),
///    [`handle_received`](Self::handle_received), [`handle_sent`](Self::handle_sent),
///    [`handle_disconnected`](Self::handle_disconnected), and [`handle_timeout`](Self::handle_timeout) when
///    [`poll_timeout`](Self::poll_timeout) says so; or call a verb.
/// 2. Drain [`poll_output`](Self::poll_output) until it answers `None`, and do each output before the next. So a
///    post is saved before it is sent.
/// 3. Write [`sendable`](Self::sendable) to the connection, and say how much it took with `handle_sent`.
///
/// Inputs are about the latest connection that [`ClientOutput::Connect`] asked for: after `Close` only
/// `handle_sent` and `handle_disconnected` are of use, after `Drop` nothing is.
///
/// # What holds
/// 1. `now` never goes back: an earlier monotonic value counts as the latest seen.
/// 2. While outputs are queued, `poll_timeout` is not later than the last `now`.
/// 3. After `handle_timeout(t)` at or past the deadline, there is output or the deadline moved later.
/// 4. Any cut of the received bytes gives the same events and sends the same bytes.
/// 5. After [`ClientEvent::Ended`] nothing has an effect, and verbs answer [`Misuse::Ended`].
/// 6. The same seed and the same inputs give the same outputs.
/// 7. Work and memory are bounded by the bytes received and by what the application asked for; nothing that
///    the server announces allocates.
#[derive(Debug)]
pub struct Client {
    phase: Phase,
    session: Session,
}

/// Inputs.
impl Client {
    /// A client that will ask to be connected at once. The seed is 32 random bytes.
    #[must_use]
    pub fn new(config: ClientConfig, seed: [u8; 32], now: Now) -> Self {
        let mut session = Session::new(config, random::generator(seed, now), now);
        Self { phase: Phase::connect(&mut session), session }
    }

    /// The connection asked for by [`ClientOutput::Connect`] is there, and protected by this.
    pub fn handle_connected(&mut self, channel: Channel, now: Now) {
        self.step(now, |phase, session| Ok(phase.handle_connected(channel, session)));
    }

    /// Bytes arrived.
    pub fn handle_received(&mut self, bytes: &[u8], now: Now) {
        self.session.advance(now);
        if bytes.is_empty() || !self.session.link.is_open() {
            return;
        }
        self.session.keepalive.heard(self.session.now.monotonic);
        let mut decoder = self.session.link.take_decoder();
        decoder.push(bytes);
        while self.session.link.is_open() {
            let message = match decoder.next_frame() {
                Ok(None) => break,
                Ok(Some(frame)) => ToClient::decode(frame),
                Err(error) => Err(error),
            };
            self.step(now, |phase, session| match message? {
                Some(message) => phase.handle(message.into(), session),
                None => Ok(phase),
            });
        }
        self.session.link.give_back_decoder(decoder);
    }

    /// The first `count` bytes of `sendable` were taken by the socket.
    pub fn handle_sent(&mut self, count: usize, now: Now) {
        self.step(now, |phase, session| {
            session.link.sent(count);
            Ok(phase.end_if_all_sent(session))
        });
    }

    /// The connection could not be made, or ended.
    pub fn handle_disconnected(&mut self, now: Now) {
        self.step(now, |phase, session| {
            session.link.gone();
            phase.handle_disconnected(session)
        });
    }

    /// What [`ClientOutput::Work`] gave.
    pub fn handle_work(&mut self, done: WorkDone, now: Now) {
        self.step(now, |phase, session| phase.handle_work(done, session));
    }

    /// What [`ClientOutput::File`] gave.
    pub fn handle_local(&mut self, done: LocalDone, now: Now) {
        self.step(now, |phase, session| phase.handle_local(done, session));
    }

    /// The deadline of `poll_timeout` has come.
    pub fn handle_timeout(&mut self, now: Now) {
        self.step(now, Phase::handle_timeout);
    }

    /// Every input goes through here: time, then the phase, then what may be sent after it.
    fn step(&mut self, now: Now, handle: impl FnOnce(Phase, &mut Session) -> Result<Phase, OfflineCause>) {
        self.session.advance(now);
        let phase = core::mem::replace(&mut self.phase, Phase::Ended);
        self.phase = handle(phase, &mut self.session).unwrap_or_else(|cause| self.session.lose(cause));
        self.phase.send_waiting(&mut self.session);
    }
}

/// Outputs.
impl Client {
    /// The next thing to do; `None` when drained.
    pub fn poll_output(&mut self) -> Option<ClientOutput> {
        self.session.outputs.pop()
    }

    /// When to call `handle_timeout`, and which timer that is for; `None` when nothing waits.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<(Monotonic, &'static str)> {
        if !self.session.outputs.is_empty() {
            return Some((self.session.now.monotonic, "output"));
        }
        let lingering = self.session.link.lingers_until().map(|until| (until, "linger"));
        self.phase.deadline(&self.session).into_iter().chain(lingering).min()
    }

    /// The bytes that wait to be sent.
    #[must_use]
    pub fn sendable(&self) -> &[u8] {
        self.session.link.sendable()
    }
}

/// Verbs. Each answers with an id by which the events that answer it are recognised.
///
/// Requests made while not ready wait until the client is. Requests under way when the connection is lost end as
/// [`ClientEvent::Interrupted`], except `join` and `direct`, which are repeated, and posts, which are resent.
///
/// All of them fail with [`Misuse::Ended`] once the client has been told to leave or was ended, and with
/// [`Misuse::Text`] and `slow-down` when too much waits already.
impl Client {
    /// Joins a room and follows it: after a number, or from now on (in a room that is followed already: from
    /// where it was). Answered by [`ClientEvent::Joined`] or `Refused`.
    ///
    /// # Errors
    /// As all verbs.
    pub fn join(&mut self, room: &RoomName, after: Option<Seq>, now: Now) -> Result<RequestId, Misuse> {
        self.ask(Ask::Join { name: room.clone(), after }, now)
    }

    /// Opens the direct conversation with somebody and follows it. Answered by [`ClientEvent::Joined`] or
    /// `Refused`.
    ///
    /// # Errors
    /// As all verbs.
    pub fn direct(&mut self, nick: &Nick, now: Now) -> Result<RequestId, Misuse> {
        self.ask(Ask::Direct { nick: nick.clone() }, now)
    }

    /// Leaves a room. Answered by [`ClientEvent::Parted`] or `Refused`.
    ///
    /// # Errors
    /// [`Misuse::NotInRoom`]; and as all verbs.
    pub fn part(&mut self, room: RoomId, now: Now) -> Result<RequestId, Misuse> {
        self.check_in(room)?;
        self.ask(Ask::Part { room }, now)
    }

    /// Says something in a room (or sets its topic). The post is in the outbox, to be saved, before it is sent.
    /// Without a nonce, one is drawn. Answered by [`ClientEvent::Posted`], `PostRefused` or `PostIndeterminate`.
    ///
    /// # Errors
    /// [`Misuse::NotInRoom`]; [`Misuse::Text`] for a text that would be refused, or with `slow-down` when the
    /// outbox is full; and as all verbs.
    pub fn post(
        &mut self,
        room: RoomId,
        kind: EventKind,
        text: &str,
        nonce: Option<Nonce>,
        now: Now,
    ) -> Result<PostId, Misuse> {
        self.put_in_outbox(room, NewPost { kind, text: text.into(), to: None }, nonce, now)
    }

    /// Answers a message with another. The rest is as for [`post`](Self::post).
    ///
    /// # Errors
    /// As for `post`.
    pub fn reply(
        &mut self,
        room: RoomId,
        to: Seq,
        kind: EventKind,
        text: &str,
        nonce: Option<Nonce>,
        now: Now,
    ) -> Result<PostId, Misuse> {
        self.put_in_outbox(room, NewPost { kind, text: text.into(), to: Some(to) }, nonce, now)
    }

    /// Writes a message of the user's own anew. The rest is as for [`post`](Self::post).
    ///
    /// # Errors
    /// As for `post`.
    pub fn edit(
        &mut self,
        room: RoomId,
        message: Seq,
        text: &str,
        nonce: Option<Nonce>,
        now: Now,
    ) -> Result<PostId, Misuse> {
        let new = NewPost { kind: EventKind::Edited, text: text.into(), to: Some(message) };
        self.put_in_outbox(room, new, nonce, now)
    }

    /// Deletes a message: the user's own, or as a moderator. The rest is as for [`post`](Self::post).
    ///
    /// # Errors
    /// As for `post`.
    pub fn delete(
        &mut self,
        room: RoomId,
        message: Seq,
        nonce: Option<Nonce>,
        now: Now,
    ) -> Result<PostId, Misuse> {
        let new = NewPost { kind: EventKind::Deleted, text: String::new(), to: Some(message) };
        self.put_in_outbox(room, new, nonce, now)
    }

    /// Reacts to a message, or takes that back. The rest is as for [`post`](Self::post).
    ///
    /// # Errors
    /// As for `post`.
    pub fn react(
        &mut self,
        room: RoomId,
        message: Seq,
        reaction: &str,
        take_back: bool,
        now: Now,
    ) -> Result<PostId, Misuse> {
        let kind = if take_back { EventKind::Unreacted } else { EventKind::Reacted };
        let new = NewPost { kind, text: reaction.into(), to: Some(message) };
        self.put_in_outbox(room, new, None, now)
    }

    fn put_in_outbox(
        &mut self,
        room: RoomId,
        new: NewPost,
        nonce: Option<Nonce>,
        now: Now,
    ) -> Result<PostId, Misuse> {
        self.check_not_ended()?;
        self.check_in(room)?;
        outbox::check_post(&new, &self.session.text_limits)?;
        self.check_outbox()?;
        let nonce = nonce.unwrap_or_else(|| Nonce::new(self.session.random.next_u64()));
        let post = self.session.outbox.push(room, nonce, new, now.wall);
        if !crate::seeded_bug!("sent-but-not-saved") {
            self.session.outputs.save();
        }
        self.step(now, |phase, _| Ok(phase));
        Ok(post)
    }

    /// Asks who is in a room. Answered by [`ClientEvent::Members`] or `Refused`.
    ///
    /// # Errors
    /// [`Misuse::NotInRoom`]; and as all verbs.
    pub fn members(&mut self, room: RoomId, now: Now) -> Result<RequestId, Misuse> {
        self.check_in(room)?;
        self.ask(Ask::Members { room, after: None, gathered: alloc::vec::Vec::new() }, now)
    }

    /// Asks which rooms there are. Answered by [`ClientEvent::Rooms`] or `Refused`.
    ///
    /// # Errors
    /// As all verbs.
    pub fn rooms(&mut self, now: Now) -> Result<RequestId, Misuse> {
        self.ask(Ask::Rooms { after: None, gathered: alloc::vec::Vec::new() }, now)
    }

    /// Asks for the last events with a lower number than `before`, at most `limit`; 0 for as many as the server
    /// gives. Answered by [`ClientEvent::History`] or `Refused`.
    ///
    /// # Errors
    /// [`Misuse::NotInRoom`]; and as all verbs.
    pub fn history(
        &mut self,
        room: RoomId,
        before: Option<Seq>,
        limit: u16,
        now: Now,
    ) -> Result<RequestId, Misuse> {
        self.check_in(room)?;
        self.ask(Ask::History { room, before, limit }, now)
    }

    /// Searches, in a room or in all that the user is in, for what is written as `PROTOCOL.md` S3 says: the newest hits that stand
    /// before `before`, at most `hits_max`; 0 for as many as the server gives at a time. Answered by [`ClientEvent::Found`] or
    /// `Refused`.
    ///
    /// # Errors
    /// [`Misuse::NotInRoom`]; [`Misuse::Text`] for a text that would be refused; and as all verbs.
    pub fn search(
        &mut self,
        text: &str,
        room: Option<RoomId>,
        before: Option<Position>,
        hits_max: u16,
        now: Now,
    ) -> Result<RequestId, Misuse> {
        self.check_not_ended()?;
        room.map_or(Ok(()), |room| self.check_in(room))?;
        Query::parse(text).map_err(Misuse::Text)?;
        self.ask(Ask::Search(Search::new(text, room, before, hits_max).into()), now)
    }

    /// Another name: also the way on after [`ClientEvent::EnterRefused`], and of a client that asks who to be. Answered by [`ClientEvent::Renamed`];
    /// by `Refused`, or while entering by `EnterRefused` again.
    ///
    /// # Errors
    /// As all verbs.
    pub fn rename(&mut self, nick: &Nick, now: Now) -> Result<RequestId, Misuse> {
        match self.phase {
            Phase::Naming(_) | Phase::Offline(Offline { retry_at: None }) => {
                let request = self.session.wish_for(nick);
                self.step(now, |phase, session| Ok(phase.enter_as_wished(session)));
                Ok(request)
            }
            Phase::Offline(Offline { retry_at: Some(_) }) | Phase::Connecting(_) | Phase::Greeting(_)
                if self.session.is_to_enter_as_new_guest() =>
            {
                let request = self.session.wish_for(nick);
                self.step(now, |phase, _| Ok(phase));
                Ok(request)
            }
            Phase::Offline(Offline { retry_at: Some(_) })
            | Phase::Connecting(_)
            | Phase::Greeting(_)
            | Phase::LoggingIn(_)
            | Phase::Entering(_)
            | Phase::Waiting(_)
            | Phase::Ready(_)
            | Phase::Leaving(_)
            | Phase::Ended => self.ask(Ask::Rename { nick: nick.clone() }, now),
        }
    }

    /// Enters by an account, or makes it: the way on after [`ClientEvent::EnterRefused`]. Answered by
    /// [`ClientEvent::Ready`], or by `EnterRefused` again.
    ///
    /// # Errors
    /// As all verbs; and [`Misuse::Entered`] where the client has entered, or is about to.
    pub fn log_in(&mut self, name: &Nick, entry: AccountEntry, now: Now) -> Result<(), Misuse> {
        self.check_not_ended()?;
        match self.phase {
            Phase::Naming(_) | Phase::Offline(_) => {
                self.session.settings.asks = false;
                self.session.wished.nick = name.clone();
                self.session.wished.account = Some(entry);
                self.step(now, |phase, session| Ok(phase.enter_as_wished(session)));
                Ok(())
            }
            Phase::Connecting(_)
            | Phase::Greeting(_)
            | Phase::LoggingIn(_)
            | Phase::Entering(_)
            | Phase::Waiting(_)
            | Phase::Ready(_)
            | Phase::Leaving(_)
            | Phase::Ended => Err(Misuse::Entered),
        }
    }

    /// Says that a room was read up to there, so that the account's other devices know (A14): the latest is told as soon as
    /// may be, nothing answers. Of guests nobody remembers it.
    ///
    /// # Errors
    /// [`Misuse::NotInRoom`]; and as all verbs.
    pub fn mark_read(&mut self, room: RoomId, seq: Seq, now: Now) -> Result<(), Misuse> {
        self.check_in(room)?;
        if self.is_account() {
            self.session.rooms.mark(room, seq);
            self.step(now, |phase, _| Ok(phase));
        }
        Ok(())
    }

    /// Another program that shares this device's token was given the next one: it is used from now on.
    pub fn use_token(&mut self, token: Token) {
        if let Some(identity) = self.session.identity.as_mut().filter(|identity| identity.is_account) {
            identity.token = token;
        }
    }

    /// Asks which devices the account has. Answered by [`ClientEvent::Devices`] or `Refused`.
    ///
    /// # Errors
    /// As all verbs.
    pub fn devices(&mut self, now: Now) -> Result<RequestId, Misuse> {
        self.ask(Ask::Devices, now)
    }

    /// Logs a device of the account out. Answered by [`ClientEvent::Revoked`] or `Refused`.
    ///
    /// # Errors
    /// As all verbs.
    pub fn revoke(&mut self, device: DeviceId, now: Now) -> Result<RequestId, Misuse> {
        self.ask(Ask::Revoke { device }, now)
    }

    /// Sets another password, on a connection that logged in with the present one. Answered by
    /// [`ClientEvent::PasswordChanged`] or `Refused`.
    ///
    /// # Errors
    /// As all verbs; and [`Misuse::Text`] with `slow-down` while it is being changed already.
    pub fn change_password(&mut self, password: Password, now: Now) -> Result<RequestId, Misuse> {
        self.check_not_ended()?;
        if self.session.changing_password.is_some() || self.session.requests.changes_password() {
            let text = "The password is being changed already; wait until that is done.";
            return Err(Misuse::Text(Refusal::new(RefusalCode::SlowDown, text)));
        }
        let (enrolment, request) = Enrolment::begin(password, &mut self.session.random);
        self.ask(Ask::NewPassword { request, enrolment }, now)
    }

    /// Does something to somebody in a room. Answered by [`ClientEvent::Governed`] or `Refused`.
    ///
    /// # Errors
    /// [`Misuse::NotInRoom`]; [`Misuse::Text`] for a reason that would be refused; and as all verbs.
    pub fn govern(&mut self, governance: Governance, now: Now) -> Result<RequestId, Misuse> {
        self.check_in(governance.room)?;
        outbox::check_text(governance.act.event(), &governance.reason, &self.session.text_limits)?;
        self.ask(Ask::Govern(governance), now)
    }

    /// Changes what kind of room it is. Answered by [`ClientEvent::Governed`] or `Refused`.
    ///
    /// # Errors
    /// [`Misuse::NotInRoom`]; and as all verbs.
    pub fn set_mode(&mut self, room: RoomId, change: ModeChange, now: Now) -> Result<RequestId, Misuse> {
        self.check_in(room)?;
        self.ask(Ask::SetMode { room, change }, now)
    }

    /// Asks who has which rights in a room. Answered by [`ClientEvent::Rights`] or `Refused`.
    ///
    /// # Errors
    /// [`Misuse::NotInRoom`]; and as all verbs.
    pub fn rights(&mut self, room: RoomId, now: Now) -> Result<RequestId, Misuse> {
        self.check_in(room)?;
        self.ask(Ask::Rights { room, after: None, gathered: alloc::vec::Vec::new() }, now)
    }

    /// Begins to upload: at once, or as soon as there is a connection. It goes on over other connections by itself, and
    /// is told of by [`ClientEvent::Transfer`]; how far it is says [`transfer`](Self::transfer).
    ///
    /// # Errors
    /// [`Misuse::Ended`], as all verbs.
    pub fn upload(&mut self, wish: UploadWish, now: Now) -> Result<TransferId, Misuse> {
        self.check_not_ended()?;
        let transfer = self.session.add_upload(wish);
        self.step(now, |phase, _| Ok(phase));
        Ok(transfer)
    }

    /// Begins to download, likewise.
    ///
    /// # Errors
    /// As [`upload`](Self::upload).
    pub fn download(&mut self, wish: DownloadWish, now: Now) -> Result<TransferId, Misuse> {
        self.check_not_ended()?;
        let transfer = self.session.add_download(wish);
        self.step(now, |phase, _| Ok(phase));
        Ok(transfer)
    }

    /// Finishes an upload after [`TransferEvent::Conflict`], under this name and in place of this version. Whether it
    /// waited for that.
    pub fn finish_as(
        &mut self,
        transfer: TransferId,
        name: FileName,
        over: Option<Version>,
        now: Now,
    ) -> bool {
        let mut waited = false;
        self.step(now, |phase, session| {
            waited = session.finish_as(transfer, name, over);
            Ok(phase)
        });
        waited
    }

    /// Ends a transfer at this end; an upload is kept on the server, to be resumed by its key.
    pub fn cancel(&mut self, transfer: TransferId, now: Now) {
        self.step(now, |phase, session| {
            session.cancel_transfer(transfer);
            Ok(phase)
        });
    }

    /// Has transfers take at most so many bytes a second, all together; `None` for as many as they can.
    pub fn limit_rate(&mut self, bytes_per_second: Option<u64>, now: Now) {
        self.step(now, |phase, session| {
            session.transfers.limit_rate(bytes_per_second, session.now.monotonic);
            Ok(phase)
        });
    }

    /// Asks which files a room has; `None` for the user's own shelf. Answered by [`ClientEvent::Files`] or `Refused`.
    ///
    /// # Errors
    /// As all verbs.
    pub fn files(&mut self, room: Option<RoomId>, now: Now) -> Result<RequestId, Misuse> {
        self.ask(Ask::Files { room, after: None, gathered: alloc::vec::Vec::new() }, now)
    }

    /// Deletes a file, where it has this version if one is said. Answered by [`ClientEvent::FileDeleted`] or `Refused`.
    ///
    /// # Errors
    /// As all verbs.
    pub fn delete_file(
        &mut self,
        room: Option<RoomId>,
        name: FileName,
        version: Option<Version>,
        now: Now,
    ) -> Result<RequestId, Misuse> {
        self.ask(Ask::DeleteFile { room, name, version }, now)
    }

    /// Has the server forget an upload that is not finished. Answered by [`ClientEvent::UploadDiscarded`] or `Refused`.
    ///
    /// # Errors
    /// As all verbs.
    pub fn discard_upload(&mut self, key: UploadKey, now: Now) -> Result<RequestId, Misuse> {
        self.ask(Ask::DiscardUpload { key }, now)
    }

    /// Asks for the server's manual. Answered by [`ClientEvent::Manual`] or `Refused`.
    ///
    /// # Errors
    /// As all verbs.
    pub fn manual(&mut self, now: Now) -> Result<RequestId, Misuse> {
        self.ask(Ask::Manual, now)
    }

    /// Says that the user is away, or here again. Answered by [`ClientEvent::AwaySet`] or `Refused`.
    ///
    /// # Errors
    /// As all verbs.
    pub fn away(&mut self, away: bool, now: Now) -> Result<RequestId, Misuse> {
        self.ask(Ask::Away { away }, now)
    }

    /// Measures the way to the server and back. Answered by [`ClientEvent::Pong`].
    ///
    /// # Errors
    /// As all verbs.
    pub fn ping(&mut self, now: Now) -> Result<RequestId, Misuse> {
        self.ask(Ask::Ping { sent: now.monotonic }, now)
    }

    /// Try to connect now instead of after the back-off.
    pub fn connect_now(&mut self, now: Now) {
        self.step(now, |phase, session| Ok(phase.connect_now(session)));
    }

    /// Says goodbye and ends: for good, or `keep`ing the guest on the server to resume later.
    ///
    /// What waits to be sent is sent before; what waits to be answered is not waited for. Leaving for good makes
    /// the posts in a guest's outbox indeterminate, keeping leaves them in [`saved`](Self::saved). An account is kept
    /// in any case.
    pub fn leave(&mut self, keep: bool, now: Now) {
        if self.phase.has_ended() {
            return;
        }
        if !keep && !self.is_account() {
            self.session.forget_guest();
        }
        self.step(now, |phase, session| Ok(phase.leave(keep, session)));
    }

    fn ask(&mut self, ask: Ask, now: Now) -> Result<RequestId, Misuse> {
        self.check_not_ended()?;
        let request = self.session.requests.add(ask)?;
        self.step(now, |phase, _| Ok(phase));
        Ok(request)
    }

    const fn check_not_ended(&self) -> Result<(), Misuse> {
        if self.phase.has_ended() { Err(Misuse::Ended) } else { Ok(()) }
    }

    fn check_in(&self, room: RoomId) -> Result<(), Misuse> {
        self.check_not_ended()?;
        if self.session.rooms.contains(room) { Ok(()) } else { Err(Misuse::NotInRoom) }
    }

    fn check_outbox(&self) -> Result<(), Misuse> {
        let posts = self.session.outbox.len();
        if posts < self.session.settings.outbox_posts_max {
            return Ok(());
        }
        let text = alloc::format!("{posts} posts already wait to be sent; try again when some are.");
        Err(Misuse::Text(Refusal::new(RefusalCode::SlowDown, text)))
    }
}

/// What is known.
impl Client {
    /// Who the user is; `None` before the first `Ready` and after the guest left or expired.
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        self.session.identity.as_ref().map(|identity| identity.user)
    }

    /// By which name the user is known, or wishes to be.
    #[must_use]
    pub fn nick(&self) -> &Nick {
        self.session.identity.as_ref().map_or(&self.session.wished.nick, |identity| &identity.nick)
    }

    /// Whether the user is an account.
    #[must_use]
    pub fn is_account(&self) -> bool {
        self.session.identity.as_ref().is_some_and(|identity| identity.is_account)
    }

    /// Whether a password is to let the client in, or is about to.
    #[must_use]
    pub const fn is_logging_in(&self) -> bool {
        self.session.wished.account.is_some()
    }

    /// How the server may be entered, as it said when it was connected to last.
    #[must_use]
    pub const fn offers(&self) -> Offers {
        let mechanisms = self.session.mechanisms;
        Offers {
            guests: mechanisms & MECHANISM_GUEST != 0,
            accounts: mechanisms & MECHANISM_ACCOUNT != 0,
            registration: mechanisms & MECHANISM_REGISTER != 0,
            invitation: mechanisms & MECHANISM_INVITED != 0,
        }
    }

    /// Whether the client has entered.
    #[must_use]
    pub const fn is_ready(&self) -> bool {
        matches!(self.phase, Phase::Ready(_))
    }

    /// The rooms joined, by id.
    pub fn joined(&self) -> impl Iterator<Item = &RoomInfo> {
        self.session.rooms.infos()
    }

    /// Up to where the account has read a room, on whatever device; nothing if that is not known.
    #[must_use]
    pub fn read_up_to(&self, room: RoomId) -> Option<Seq> {
        self.session.rooms.read(room)
    }

    /// The posts not answered yet, oldest first.
    pub fn outbox(&self) -> impl Iterator<Item = OutboxPost<'_>> {
        self.session.outbox.iter()
    }

    /// What has to survive the process; `None` before the first `Ready` and after the guest left or expired.
    #[must_use]
    pub fn saved(&self) -> Option<SavedSession> {
        self.session.saved()
    }

    /// How far a transfer is; `None` once it has ended.
    #[must_use]
    pub fn transfer(&self, transfer: TransferId) -> Option<TransferProgress> {
        self.session.transfers.progress(transfer)
    }

    /// How long the server has not been heard; zero without a connection.
    #[must_use]
    pub fn silence(&self) -> Duration {
        if self.session.link.is_open() {
            self.session.now.monotonic.since(self.session.keepalive.last_heard())
        } else {
            Duration::ZERO
        }
    }
}
