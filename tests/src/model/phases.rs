//! What may be sent in which phase (F6–F8, V1, E1, E9), and how a peer is told that it broke the protocol (F7).

use palabre_core::{
    error::ProtocolError,
    wire::{ToServer, kind},
};

use super::{ConnectionKey, Expected, Model, Outcome, Phase, Refusal, UserKey};

/// The reason of a `Goodbye` that ends the guest at once (K3).
const LEAVING: u8 = 0;

impl Model {
    /// A well-formed message arrives.
    pub fn receive(&mut self, at: ConnectionKey, message: &ToServer<'_>) -> Outcome {
        if self[at].phase == Phase::Closed {
            return Outcome::Indeterminate;
        }
        if !self.takes_frame(at) {
            return Outcome::Failed;
        }
        let accepted = match self[at].phase {
            Phase::Connected => self.receive_connected(at, message),
            Phase::Greeted => self.receive_greeted(at, message),
            Phase::Waiting { .. } => self.receive_waiting(at, message),
            Phase::Ready { user } => self.receive_ready(at, user, message),
            Phase::Closed => false,
        };
        if accepted { Outcome::Ok } else { Outcome::Failed }
    }

    /// A frame of an unknown kind with the top bit set arrives (F6).
    pub fn receive_skippable(&mut self, at: ConnectionKey) {
        self.takes_frame(at);
    }

    /// A frame arrives that is an error whatever the phase (F2, F5, F6).
    pub fn receive_broken(&mut self, at: ConnectionKey, error: ProtocolError) {
        let mut codes = vec![error];
        match self[at].phase {
            Phase::Connected | Phase::Greeted | Phase::Waiting { .. } => {
                codes.extend((!self.within_frames(at)).then_some(ProtocolError::TooManyFrames));
            }
            Phase::Ready { .. } => {}
            Phase::Closed => return,
        }
        self.fail_with(at, codes);
    }

    /// Notes that a frame came; false if the connection takes none any more (F8).
    fn takes_frame(&mut self, at: ConnectionKey) -> bool {
        let now = self.now.monotonic;
        self[at].heard = now;
        self[at].asked = false;
        match self[at].phase {
            Phase::Closed => false,
            Phase::Ready { .. } => true,
            Phase::Connected | Phase::Greeted | Phase::Waiting { .. } => {
                self.within_frames(at) || self.fail(at, ProtocolError::TooManyFrames)
            }
        }
    }

    /// F8: counts a frame before `Ready`.
    fn within_frames(&mut self, at: ConnectionKey) -> bool {
        let now = self.now.monotonic;
        let mut frames_max = u64::from(self.limits.frames_before_ready_max);
        let connection = &mut self[at];
        connection.frames += 1;
        if matches!(connection.phase, Phase::Waiting { .. }) {
            frames_max += 4 * (now.since(connection.opened).as_secs() / 60);
        }
        connection.frames <= frames_max
    }

    /// V1: `Hello` comes first, but for what is understood in every phase.
    fn receive_connected(&mut self, at: ConnectionKey, message: &ToServer<'_>) -> bool {
        if let ToServer::Hello(hello) = message {
            return self.hello(at, hello);
        }
        self.receive_waiting(at, message)
    }

    /// E1: then `Guest`, `Resume`, or what section A says.
    fn receive_greeted(&mut self, at: ConnectionKey, message: &ToServer<'_>) -> bool {
        if let ToServer::Guest(guest) = message {
            return self.guest(at, guest);
        }
        if let ToServer::Resume(resume) = message {
            return self.resume(at, resume);
        }
        if let ToServer::Register(register) = message {
            return self.register(at, register);
        }
        if let ToServer::Enrol(enrol) = message {
            return self.enrol(at, enrol);
        }
        if let ToServer::Login(login) = message {
            return self.login(at, login);
        }
        if let ToServer::Prove(prove) = message {
            return self.prove(at, prove);
        }
        self.receive_waiting(at, message)
    }

    /// E9: only `Ping`, `Pong` and `Goodbye`, and `Error` as everywhere.
    fn receive_waiting(&mut self, at: ConnectionKey, message: &ToServer<'_>) -> bool {
        if let ToServer::Ping(ping) = message {
            return self.expect(at, Expected::Pong { token: ping.token });
        }
        if let ToServer::Goodbye(goodbye) = message {
            return self.hang_up(at, goodbye.reason == LEAVING);
        }
        if matches!(message, ToServer::Error(_)) {
            return self.hang_up(at, false);
        }
        matches!(message, ToServer::Pong(_)) || self.fail(at, ProtocolError::UnexpectedKind)
    }

    fn receive_ready(&mut self, at: ConnectionKey, user: UserKey, message: &ToServer<'_>) -> bool {
        if let ToServer::Post(post) = message
            && !self.spend_credit(at, post.text.len() as u64)
        {
            return self.fail(at, ProtocolError::CreditExceeded);
        }
        if matches!(message, ToServer::Post(post) if !matches!(post.kind, kind::POSTED..=kind::TOPIC)) {
            return self.fail(at, ProtocolError::MalformedBody);
        }
        if let ToServer::SetPassword(wish) = message {
            return self.set_password(at, user, wish);
        }
        let (id, result) = match message {
            ToServer::Join(join) => (join.id, self.join(at, user, join)),
            ToServer::Part(part) => (part.id, self.part(at, user, part)),
            ToServer::Follow(follow) => (follow.id, self.follow(at, user, follow)),
            ToServer::Direct(direct) => (direct.id, self.direct(at, user, direct)),
            ToServer::Post(post) => (post.id, self.post(at, user, post)),
            ToServer::Members(members) => (members.id, self.members(at, user, members)),
            ToServer::Rooms(rooms) => (rooms.id, self.list_rooms(at, user, rooms)),
            ToServer::History(history) => (history.id, self.history(at, user, history)),
            ToServer::Search(search) => (search.id, self.search(at, user, search)),
            ToServer::Rename(rename) => (rename.id, self.rename(at, user, rename)),
            ToServer::Away(away) => (away.id, self.away(at, user, away)),
            ToServer::Govern(govern) => (govern.id, self.govern(at, user, govern)),
            ToServer::SetMode(wish) => (wish.id, self.set_mode(at, user, wish)),
            ToServer::Rights(rights) => (rights.id, self.rights(at, user, rights)),
            ToServer::NewPassword(wish) => (wish.id, self.new_password(at, user, wish)),
            ToServer::Devices(devices) => (devices.id, self.list_devices(at, user, devices.id)),
            ToServer::Revoke(revoke) => (revoke.id, self.revoke(at, user, revoke)),
            ToServer::MarkRead(mark) => (mark.id, self.mark_read(at, user, mark)),
            ToServer::Manual(manual) => (manual.id, self.serve_manual(at, manual.id)),
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
            | ToServer::SetPassword(_)
            | ToServer::Plain(_)
            | ToServer::Upload(_)
            | ToServer::Finish(_)
            | ToServer::Stop(_)
            | ToServer::Discard(_)
            | ToServer::Put(_)
            | ToServer::Download(_)
            | ToServer::Window(_)
            | ToServer::Files(_)
            | ToServer::Delete(_)
            | ToServer::Data(_) => return self.receive_waiting(at, message),
        };
        match result {
            Ok(()) => true,
            Err(refusal) => {
                self.expect(at, Expected::Refused { id, refusal });
                false
            }
        }
    }

    fn serve_manual(&mut self, at: ConnectionKey, id: u32) -> Result<(), Refusal> {
        let text = self.manual.clone();
        self.expect(at, Expected::ManualText { id, text });
        Ok(())
    }

    pub(super) fn fail(&mut self, at: ConnectionKey, error: ProtocolError) -> bool {
        self.fail_with(at, vec![error])
    }

    /// F7: the peer is told of any of these breaches, and the connection closed.
    pub(super) fn fail_with(&mut self, at: ConnectionKey, codes: Vec<ProtocolError>) -> bool {
        self.excuse(at);
        self.expect(at, Expected::Error { codes });
        self.end(at, false);
        false
    }

    /// The peer ends the connection, and need not be answered any more.
    pub(super) fn hang_up(&mut self, at: ConnectionKey, leaving: bool) -> bool {
        self.excuse(at);
        self.end(at, leaving)
    }

    /// What the connection was to be sent need not reach it any more.
    fn excuse(&mut self, at: ConnectionKey) {
        let excused = std::mem::take(&mut self[at].expected);
        self[at].optional.extend(excused);
    }
}
