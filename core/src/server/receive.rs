//! Frames in, by phase.

use alloc::{format, vec::Vec};

use super::{Server, files::SHELF, pending::Asked};
use crate::{
    connection::{Pause, Phase},
    error::{ProtocolError, Refusal},
    ids::ConnectionId,
    output::EndCause,
    wire::{self, Frame, ToServer, missing_bytes, split_frame},
};

/// Whoever waits to enter keeps alive for as long as it takes (F8).
const WAITING_FRAMES_PER_SILENCE: u128 = 4;

/// A buffer of this size is kept for the next frame that does not arrive whole.
const SPARE_BYTES_MAX: usize = 256 << 10;

/// What became of a frame.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Taken {
    Yes,
    /// It is handled again later; nothing after it is handled before.
    NotYet,
}

/// What the phase of a connection lets it say.
enum Speaks {
    Hello,
    Entry,
    KeepAlive,
    Everything,
    Nothing,
}

impl Server {
    pub(super) fn receive(&mut self, id: ConnectionId, bytes: &[u8]) {
        let now = self.peers.now.monotonic;
        let Some(connection) = self.peers.connections.get_mut(id) else { return };
        if connection.is_closing() || matches!(connection.phase, Phase::Securing) {
            return;
        }
        connection.heard = now;
        connection.asked = false;
        let longest = connection.frame_bytes_max();
        let mut held = core::mem::take(&mut connection.inbound);
        let (mut bytes, mut budget) = (bytes, self.config.limits.frames_per_call_max);
        // A frame that was begun is completed by as little as it takes; those that follow are handled where they are.
        while !held.is_empty()
            && let Some(missing) = missing_bytes(&held, longest)
        {
            let Some((part, rest)) = bytes.split_at_checked(missing.min(bytes.len())) else { break };
            if part.is_empty() {
                return self.put_back(id, held);
            }
            held.extend_from_slice(part);
            bytes = rest;
        }
        if !held.is_empty() {
            let used = self.handle_frames(id, &held, &mut budget);
            held.drain(..used);
        }
        let used = if held.is_empty() { self.handle_frames(id, bytes, &mut budget) } else { 0 };
        if used < bytes.len() {
            if held.capacity() == 0 {
                held = core::mem::take(&mut self.spare_inbound);
            }
            held.extend_from_slice(&bytes[used..]);
        }
        self.put_back(id, held);
    }

    /// Handles what a connection said while it was not listened to.
    pub(super) fn resume(&mut self, id: ConnectionId) {
        let Some(connection) = self.peers.connections.get_mut(id) else { return };
        connection.resuming = false;
        let mut held = core::mem::take(&mut connection.inbound);
        let mut budget = self.config.limits.frames_per_call_max;
        let used = self.handle_frames(id, &held, &mut budget);
        held.drain(..used);
        self.put_back(id, held);
    }

    fn put_back(&mut self, id: ConnectionId, mut held: Vec<u8>) {
        let Some(connection) = self.peers.connections.get_mut(id) else { return };
        if held.is_empty() {
            // Whoever sends a lot begins the next frame at once; what others say in between needs none.
            if held.capacity() > self.spare_inbound.capacity() {
                held.shrink_to(SPARE_BYTES_MAX);
                self.spare_inbound = held;
            }
        } else if !connection.is_closing() {
            connection.inbound = held;
        }
        // With the inbound buffer full or emptied, what the connection takes in changes.
        if connection.receive_bytes() == 0 {
            self.peers.note_interest(id);
        }
    }

    /// Handles whole frames, so many of them in a call, for as long as the connection is listened to; how many bytes they were.
    fn handle_frames(&mut self, id: ConnectionId, bytes: &[u8], budget: &mut u32) -> usize {
        let mut rest = bytes;
        if rest.is_empty() {
            return 0;
        }
        while *budget > 0 {
            *budget -= 1;
            let Some(connection) = self.peers.connections.get(id) else { return bytes.len() };
            if connection.paused.is_some() || connection.is_closing() || self.drain.is_some() {
                return bytes.len() - rest.len();
            }
            match split_frame(rest, connection.frame_bytes_max()) {
                Ok(None) => return bytes.len() - rest.len(),
                Ok(Some((frame, after))) => match self.handle_frame(id, frame) {
                    Taken::Yes => rest = after,
                    Taken::NotYet => return bytes.len() - rest.len(),
                },
                Err(error) => {
                    self.accuse(id, error);
                    return bytes.len();
                }
            }
        }
        self.peers.queue_resume(id);
        bytes.len() - rest.len()
    }

    fn handle_frame(&mut self, id: ConnectionId, frame: Frame<'_>) -> Taken {
        let Some(speaks) = self.speaks(id) else { return Taken::Yes };
        let message = match ToServer::decode(frame) {
            Ok(Some(message)) => message,
            Ok(None) => return Taken::Yes,
            Err(error) => return self.accuse(id, error),
        };
        match speaks {
            Speaks::Hello => self.greeted(id, &message),
            Speaks::Entry => self.chose(id, &message),
            Speaks::KeepAlive => self.kept_alive(id, &message),
            Speaks::Everything => self.asked(id, message),
            Speaks::Nothing => Taken::Yes,
        }
    }

    /// What a connection may say; counts the frames before `Ready` (F8).
    fn speaks(&mut self, id: ConnectionId) -> Option<Speaks> {
        let frames_max = self.config.limits.frames_before_ready_max;
        let silence = self.config.limits.silence_max.as_micros().max(1);
        let now = self.peers.now.monotonic;
        let connection = self.peers.connections.get_mut(id)?;
        let speaks = match connection.phase {
            Phase::Ready(_) => return Some(Speaks::Everything),
            Phase::Closing(_) => return Some(Speaks::Nothing),
            Phase::Securing => return None,
            Phase::Greeting => Speaks::Hello,
            Phase::Choosing | Phase::Enrolling(_) | Phase::Proving(_) => Speaks::Entry,
            Phase::Verifying(_) | Phase::Entering(_) | Phase::Waiting(_) => Speaks::KeepAlive,
        };
        connection.frames += 1;
        let silences = match connection.phase {
            // Who enters may have waited, for a place or for a slow storage.
            Phase::Waiting(_) | Phase::Entering(_) => now.since(connection.connected).as_micros() / silence,
            Phase::Securing
            | Phase::Greeting
            | Phase::Choosing
            | Phase::Enrolling(_)
            | Phase::Proving(_)
            | Phase::Verifying(_)
            | Phase::Ready(_)
            | Phase::Closing(_) => 0,
        };
        if u128::from(connection.frames) > u128::from(frames_max) + WAITING_FRAMES_PER_SILENCE * silences {
            self.accuse(id, ProtocolError::TooManyFrames);
            return None;
        }
        Some(speaks)
    }

    fn greeted(&mut self, id: ConnectionId, message: &ToServer<'_>) -> Taken {
        if let ToServer::Hello(hello) = message {
            self.welcome(id, hello)
        } else {
            self.kept_alive(id, message)
        }
    }

    fn chose(&mut self, id: ConnectionId, message: &ToServer<'_>) -> Taken {
        match message {
            ToServer::Guest(guest) => self.enter_as_guest(id, guest),
            ToServer::Resume(resume) => self.enter_again(id, resume),
            ToServer::Register(register) => self.register(id, register),
            ToServer::Enrol(enrol) => self.enrol(id, enrol),
            ToServer::Login(login) => self.login(id, login),
            ToServer::Prove(prove) => self.prove(id, prove),
            ToServer::Plain(plain) => self.plain(id, plain),
            ToServer::Ping(_)
            | ToServer::Pong(_)
            | ToServer::Goodbye(_)
            | ToServer::Error(_)
            | ToServer::Hello(_)
            | ToServer::Join(_)
            | ToServer::Part(_)
            | ToServer::Follow(_)
            | ToServer::Direct(_)
            | ToServer::Post(_)
            | ToServer::Members(_)
            | ToServer::Rooms(_)
            | ToServer::History(_)
            | ToServer::Search(_)
            | ToServer::Rename(_)
            | ToServer::Manual(_)
            | ToServer::Away(_)
            | ToServer::NewPassword(_)
            | ToServer::SetPassword(_)
            | ToServer::Devices(_)
            | ToServer::Revoke(_)
            | ToServer::MarkRead(_)
            | ToServer::Govern(_)
            | ToServer::SetMode(_)
            | ToServer::Rights(_)
            | ToServer::Upload(_)
            | ToServer::Finish(_)
            | ToServer::Stop(_)
            | ToServer::Discard(_)
            | ToServer::Download(_)
            | ToServer::Window(_)
            | ToServer::Files(_)
            | ToServer::Delete(_)
            | ToServer::Put(_)
            | ToServer::Data(_) => self.kept_alive(id, message),
        }
    }

    /// What may be said in every phase.
    fn kept_alive(&mut self, id: ConnectionId, message: &ToServer<'_>) -> Taken {
        match message {
            ToServer::Ping(wire::Ping { token }) => {
                self.peers.answer(id, wire::Pong { token: *token }, &self.config.limits);
                Taken::Yes
            }
            ToServer::Pong(_) => Taken::Yes,
            ToServer::Goodbye(goodbye) => {
                let cause = if goodbye.reason == wire::goodbye::LEAVING {
                    EndCause::Left
                } else {
                    EndCause::Detached
                };
                self.close(id, cause, None);
                Taken::Yes
            }
            ToServer::Error(error) => {
                self.close(id, EndCause::Accused(error.code), None);
                Taken::Yes
            }
            ToServer::Hello(_)
            | ToServer::Guest(_)
            | ToServer::Resume(_)
            | ToServer::Register(_)
            | ToServer::Enrol(_)
            | ToServer::Login(_)
            | ToServer::Prove(_)
            | ToServer::Plain(_)
            | ToServer::Join(_)
            | ToServer::Part(_)
            | ToServer::Follow(_)
            | ToServer::Direct(_)
            | ToServer::Post(_)
            | ToServer::Members(_)
            | ToServer::Rooms(_)
            | ToServer::History(_)
            | ToServer::Search(_)
            | ToServer::Rename(_)
            | ToServer::Manual(_)
            | ToServer::Away(_)
            | ToServer::NewPassword(_)
            | ToServer::SetPassword(_)
            | ToServer::Devices(_)
            | ToServer::Revoke(_)
            | ToServer::MarkRead(_)
            | ToServer::Govern(_)
            | ToServer::SetMode(_)
            | ToServer::Rights(_)
            | ToServer::Upload(_)
            | ToServer::Finish(_)
            | ToServer::Stop(_)
            | ToServer::Discard(_)
            | ToServer::Download(_)
            | ToServer::Window(_)
            | ToServer::Files(_)
            | ToServer::Delete(_)
            | ToServer::Put(_)
            | ToServer::Data(_) => self.accuse(id, ProtocolError::UnexpectedKind),
        }
    }

    /// What a user that has entered says.
    fn asked(&mut self, id: ConnectionId, message: ToServer<'_>) -> Taken {
        if let ToServer::Post(post) = message {
            return self.post(id, &post);
        }
        if let ToServer::Data(data) = message {
            return self.data(id, &data);
        }
        let free = matches!(
            message,
            ToServer::Pong(_)
                | ToServer::Goodbye(_)
                | ToServer::Error(_)
                | ToServer::Window(_)
                | ToServer::Stop(_)
        );
        if !free && !self.admits_request(id, &message) {
            return Taken::NotYet;
        }
        match message {
            ToServer::Join(join) => self.join(id, &join),
            ToServer::Part(part) => self.part(id, &part),
            ToServer::Follow(follow) => self.follow(id, &follow),
            ToServer::Direct(direct) => self.direct(id, &direct),
            ToServer::Members(members) => self.members(id, &members),
            ToServer::Rooms(rooms) => self.list_rooms(id, &rooms),
            ToServer::History(history) => self.history(id, &history),
            ToServer::Search(search) => self.search(id, &search),
            ToServer::Rename(rename) => self.rename(id, &rename),
            ToServer::Manual(manual) => self.manual(id, &manual),
            ToServer::Away(away) => self.away(id, &away),
            ToServer::NewPassword(wish) => return self.new_password(id, &wish),
            ToServer::SetPassword(set) => return self.set_password(id, &set),
            ToServer::Devices(devices) => self.devices(id, &devices),
            ToServer::Revoke(revoke) => self.revoke(id, &revoke),
            ToServer::MarkRead(mark) => self.mark_read(id, &mark),
            ToServer::Govern(govern) => self.govern(id, &govern),
            ToServer::SetMode(wish) => self.set_mode(id, &wish),
            ToServer::Rights(rights) => self.list_rights(id, &rights),
            ToServer::Upload(upload) => return self.upload(id, &upload),
            ToServer::Finish(finish) => return self.finish_upload(id, &finish),
            ToServer::Stop(stop) => self.stop(id, &stop),
            ToServer::Discard(discard) => self.discard(id, &discard),
            ToServer::Download(download) => return self.download(id, &download),
            ToServer::Window(window) => self.window(id, &window),
            ToServer::Files(files) => self.list_files(id, &files),
            ToServer::Delete(delete) => self.delete_file(id, &delete),
            ToServer::Put(put) => self.put(id, &put),
            ToServer::Ping(_)
            | ToServer::Pong(_)
            | ToServer::Goodbye(_)
            | ToServer::Error(_)
            | ToServer::Hello(_)
            | ToServer::Guest(_)
            | ToServer::Resume(_)
            | ToServer::Register(_)
            | ToServer::Enrol(_)
            | ToServer::Login(_)
            | ToServer::Prove(_)
            | ToServer::Plain(_)
            | ToServer::Post(_)
            | ToServer::Data(_) => return self.kept_alive(id, &message),
        }
        Taken::Yes
    }

    /// Whether one more request is taken now (K1); if not, the connection is not listened to until it is.
    fn admits_request(&mut self, id: ConnectionId, message: &ToServer<'_>) -> bool {
        let limits = &self.config.limits;
        let now = self.peers.now.monotonic;
        let Some(connection) = self.peers.connections.get_mut(id) else { return false };
        let backlog = connection.outbound.replies_bytes() > limits.outbound_own_bytes;
        let Some(ready) = connection.ready_mut() else { return false };
        let requests = &mut ready.requests;
        let reads = (matches!(message, ToServer::History(_)) && requests.history)
            || (matches!(message, ToServer::Search(_)) && requests.search);
        if backlog || requests.in_flight >= limits.requests_in_flight_max || reads {
            self.peers.pause(id, Pause::Answers, limits);
            return false;
        }
        // Nobody but its owner sees a shelf, and what is brought counts against a quota. To ask for what is there is no less work
        // than any request, and an empty file counts nothing.
        let brings = |put: &wire::Put<'_>| put.content.is_some_and(|content| !content.is_empty());
        let is_free = matches!(message, ToServer::Put(put) if put.room == SHELF && brings(put));
        requests.bucket.refill(now);
        if is_free || requests.bucket.take(1) {
            return true;
        }
        let again = now.after(requests.bucket.wait(1));
        self.peers.pause(id, Pause::Until(again), limits);
        false
    }

    /// Begins a request that storage has a part in.
    pub(super) fn begin(&mut self, connection: ConnectionId, request: u32) -> Asked {
        if let Some(ready) = self.peers.connections.get_mut(connection).and_then(|found| found.ready_mut()) {
            ready.requests.in_flight += 1;
        }
        Asked { connection, request }
    }

    /// Ends a request that storage had a part in.
    pub(super) fn finish(&mut self, asked: Asked) {
        let Some(connection) = self.peers.connections.get_mut(asked.connection) else { return };
        if let Some(ready) = connection.ready_mut() {
            ready.requests.in_flight = ready.requests.in_flight.saturating_sub(1);
            self.peers.unpause_answered(asked.connection);
        }
    }

    pub(super) fn refuse(&mut self, id: ConnectionId, request: u32, refusal: &Refusal) {
        let refused = wire::Refused {
            id: request,
            code: refusal.code.number(),
            text: &refusal.text,
            about: &refusal.about,
            suggestion: refusal.suggestion.as_deref(),
        };
        self.peers.answer(id, refused, &self.config.limits);
    }

    /// Tells a peer how it broke the protocol, and ends the connection (F7).
    pub(super) fn accuse(&mut self, id: ConnectionId, error: ProtocolError) -> Taken {
        let text = format!("You broke the protocol ({error}); the connection ends.");
        self.accuse_saying(id, error, &text)
    }

    pub(super) fn accuse_saying(&mut self, id: ConnectionId, error: ProtocolError, text: &str) -> Taken {
        let farewell = wire::Error { code: error.number(), text };
        self.close(id, EndCause::Broke(error), Some(farewell.into()));
        Taken::Yes
    }
}
