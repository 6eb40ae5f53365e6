//! Whether a connection was sent what it must be sent.

use std::mem;

use palabre_core::wire::{Credit, ToClient};

use super::{CREDIT_REFILLED_AFTER, ConnectionKey, Divergence, Expected, Model, Phase, RoomKey};

/// Messages of one lane have an order among each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    /// K1: requests are answered in any order.
    Reply(u32),
    /// C1: the events of one room.
    Room(RoomKey),
    Entering,
    Opened,
    Ping,
    Pong,
    /// The last frame.
    End,
}

impl Model {
    /// Compares what a connection was sent since the last check with what it had to be sent, and learns from it.
    ///
    /// # Errors
    /// The first difference.
    pub fn check(
        &mut self,
        at: ConnectionKey,
        sent: &[ToClient<'_>],
        closed: bool,
    ) -> Result<(), Divergence> {
        self.check_positions(at, sent)?;
        for (index, message) in sent.iter().enumerate() {
            self.check_neighbours(sent, index)?;
            self.take(at, message)?;
        }
        self[at].optional.clear();
        if let Some(missing) = mem::take(&mut self[at].expected).first() {
            return Err(Divergence(format!("{at:?} was not sent {missing:?}")));
        }
        if closed != (self[at].phase == Phase::Closed) {
            return Err(Divergence(format!("{at:?}: closed is {closed}, but {:?}", self[at].phase)));
        }
        self.check_views(at)?;
        self.check_marks(at)?;
        self.check_credit(at)
    }

    /// P8: `Credit` comes right after `Ready`. F7, K3: nothing comes after the last frame.
    fn check_neighbours(&self, sent: &[ToClient<'_>], index: usize) -> Result<(), Divergence> {
        let next = sent.get(index + 1);
        if matches!(sent[index], ToClient::Ready(_)) && !matches!(next, Some(ToClient::Credit(_))) {
            return Err(Divergence(format!("P8: Ready is followed by {next:?}")));
        }
        if matches!(sent[index], ToClient::Goodbye(_) | ToClient::Error(_)) && next.is_some() {
            return Err(Divergence(format!("{:?} is followed by {next:?}", sent[index])));
        }
        Ok(())
    }

    /// E9: of the positions told in one go only the last counts, and none to one that is through with waiting.
    fn check_positions(&mut self, at: ConnectionKey, sent: &[ToClient<'_>]) -> Result<(), Divergence> {
        let was_told =
            self[at].expected.extract_if(.., |one| matches!(one, Expected::Waiting { .. })).count() > 0;
        let Phase::Waiting { told, .. } = self[at].phase else { return Ok(()) };
        let position = |message: &ToClient<'_>| {
            if let ToClient::Waiting(waiting) = message { Some(waiting.position) } else { None }
        };
        match sent.iter().filter_map(position).next_back() {
            Some(last) if last != told => {
                Err(Divergence(format!("E9: {at:?} is at {told}, and is told {last}")))
            }
            None if was_told => Err(Divergence(format!("E9: {at:?} is at {told}, and is told nothing"))),
            Some(_) | None => Ok(()),
        }
    }

    fn take(&mut self, at: ConnectionKey, message: &ToClient<'_>) -> Result<(), Divergence> {
        if matches!(message, ToClient::Waiting(_)) {
            return Ok(());
        }
        if let ToClient::Presence(presence) = message {
            return self.take_presence(at, presence);
        }
        if let ToClient::ReadUpTo(mark) = message {
            return self.take_mark(at, mark);
        }
        if let ToClient::Credit(credit) = message {
            return self.take_credit(at, credit);
        }
        let Some(lane) = self.lane(message) else {
            return Err(Divergence(format!("{at:?} was sent {message:?} of a room unknown")));
        };
        let in_lane = |expected: &Expected| expected.lane() == lane;
        let expected = if let Some(index) = self[at].expected.iter().position(in_lane) {
            self.check_joined_first(at, index)?;
            self[at].expected.remove(index)
        } else if let Some(index) = self[at].optional.iter().position(in_lane) {
            self.check_not_parted(at, lane)?;
            self[at].optional.remove(index)
        } else {
            return Err(Divergence(format!("{at:?} was sent {message:?}, which nothing asked for")));
        };
        self.compare(&expected, message)
            .map_err(|why| Divergence(format!("{at:?} was sent {message:?} instead of {expected:?}: {why}")))
    }

    /// `None` for an event of a room that the model does not know.
    fn lane(&self, message: &ToClient<'_>) -> Option<Lane> {
        Some(match message {
            ToClient::Done(done) => Lane::Reply(done.id),
            ToClient::Refused(refused) => Lane::Reply(refused.id),
            ToClient::Joined(joined) => Lane::Reply(joined.id),
            ToClient::Posted(posted) => Lane::Reply(posted.id),
            ToClient::MembersPage(page) => Lane::Reply(page.id),
            ToClient::RoomsPage(page) => Lane::Reply(page.id),
            ToClient::HistoryPage(page) => Lane::Reply(page.id),
            ToClient::SearchPage(page) => Lane::Reply(page.id),
            ToClient::ManualText(manual) => Lane::Reply(manual.id),
            ToClient::Challenge(challenge) => Lane::Reply(challenge.id),
            ToClient::DeviceList(list) => Lane::Reply(list.id),
            ToClient::Accepted(accepted) => Lane::Reply(accepted.id),
            ToClient::Stored(stored) => Lane::Reply(stored.id),
            ToClient::Sending(sending) => Lane::Reply(sending.id),
            ToClient::FilesPage(page) => Lane::Reply(page.id),
            ToClient::RightsPage(page) => Lane::Reply(page.id),
            ToClient::Event(event) => Lane::Room(self.known.room(event.room)?),
            ToClient::Trimmed(trimmed) => Lane::Room(self.known.room(trimmed.room)?),
            ToClient::Welcome(_) | ToClient::Ready(_) => Lane::Entering,
            ToClient::Opened(_) | ToClient::Parted(_) | ToClient::Removed(_) | ToClient::Invited(_) => {
                Lane::Opened
            }
            ToClient::Ping(_) => Lane::Ping,
            ToClient::Pong(_) => Lane::Pong,
            ToClient::Goodbye(_) | ToClient::Error(_) => Lane::End,
            ToClient::Presence(_)
            | ToClient::Credit(_)
            | ToClient::Waiting(_)
            | ToClient::ReadUpTo(_)
            | ToClient::Window(_)
            | ToClient::Durable(_)
            | ToClient::Stopped(_)
            | ToClient::Data(_) => return None,
        })
    }

    /// R5: after `Part` was answered no more events come, though they may just before.
    fn check_not_parted(&self, at: ConnectionKey, lane: Lane) -> Result<(), Divergence> {
        let Lane::Room(room) = lane else { return Ok(()) };
        let parts = self[at].expected.iter().any(|one| matches!(one, Expected::Done { .. }));
        if parts || self[at].phase == Phase::Closed {
            return Ok(());
        }
        Err(Divergence(format!("R5: {at:?} was sent an event of {room:?} after it had parted")))
    }

    /// C1: the `Joined` comes before the events.
    fn check_joined_first(&self, at: ConnectionKey, index: usize) -> Result<(), Divergence> {
        let Lane::Room(room) = self[at].expected[index].lane() else { return Ok(()) };
        let is_joined =
            |one: &Expected| matches!(one, Expected::Joined { room: face, .. } if face.room == room);
        if self[at].expected[..index].iter().any(is_joined) {
            return Err(Divergence(format!("C1: {at:?} was sent an event of {room:?} before Joined")));
        }
        Ok(())
    }

    /// P8: values never fall, and allow no more than a burst beyond what was sent.
    fn take_credit(&mut self, at: ConnectionKey, credit: &Credit) -> Result<(), Divergence> {
        let (posts_burst, bytes_burst) = (self.limits.post_burst, self.limits.post_burst_bytes);
        let before = &mut self[at].credit;
        let (posts, bytes) = before.announced.unwrap_or_default();
        let fell = credit.posts < posts || credit.bytes < bytes;
        let beyond = credit.posts > before.posts + posts_burst || credit.bytes > before.bytes + bytes_burst;
        before.announced = Some((credit.posts, credit.bytes));
        if fell || beyond {
            let why = format!("P8: {at:?} was sent {credit:?} after {:?}", self[at].credit);
            return Err(Divergence(why));
        }
        Ok(())
    }

    /// P8: who has not posted for a while has a whole burst again.
    fn check_credit(&self, at: ConnectionKey) -> Result<(), Divergence> {
        let credit = self[at].credit;
        let Phase::Ready { .. } = self[at].phase else { return Ok(()) };
        let rested = self.now.monotonic.since(credit.last_post) >= CREDIT_REFILLED_AFTER;
        let whole = (credit.posts + self.limits.post_burst, credit.bytes + self.limits.post_burst_bytes);
        if rested && credit.announced != Some(whole) {
            return Err(Divergence(format!("P8: {at:?} should have {whole:?}, has {credit:?}")));
        }
        Ok(())
    }
}

impl Expected {
    const fn lane(&self) -> Lane {
        match self {
            Self::Done { id }
            | Self::Refused { id, .. }
            | Self::Joined { id, .. }
            | Self::Posted { id, .. }
            | Self::MembersPage { id, .. }
            | Self::RoomsPage { id, .. }
            | Self::HistoryPage { id, .. }
            | Self::SearchPage { id, .. }
            | Self::RightsPage { id, .. }
            | Self::Challenge { id, .. }
            | Self::DeviceList { id, .. }
            | Self::ManualText { id, .. } => Lane::Reply(*id),
            Self::Event { room, .. } | Self::Trimmed { room, .. } => Lane::Room(*room),
            Self::Welcome | Self::Waiting { .. } | Self::Ready { .. } => Lane::Entering,
            Self::Opened { .. } | Self::Parted { .. } | Self::Removed { .. } | Self::Invited { .. } => {
                Lane::Opened
            }
            Self::Ping => Lane::Ping,
            Self::Pong { .. } => Lane::Pong,
            Self::Goodbye { .. } | Self::Error { .. } => Lane::End,
        }
    }
}
