//! The server's answers to requests and posts, matched by number (`PROTOCOL.md` K1).

use super::{
    ClientEvent, ClientOutput, Governance,
    arrival::Answer,
    convert,
    requests::{Ask, LISTED_MAX, Request, Search},
    rooms::{Begin, FollowFrom},
    session::Session,
};
use crate::{
    error::{ProtocolError, Refusal},
    ids::Seq,
    password::{Stretching, WorkDone, WorkOutcome},
    rights::RoomMode,
    transfer::FileName,
    wire::{
        self, Challenge, DeviceList, Done, FilesPage, HistoryPage, Joined, ManualText, MembersPage, Posted,
        Refused, RightsPage, RoomsPage, SearchPage,
    },
};

/// An answer to nothing, or to something else.
const MISMATCH: ProtocolError = ProtocolError::SequenceBroken;

impl Session {
    pub(super) fn handle_answer(&mut self, answer: &Answer<'_>) -> Result<(), ProtocolError> {
        match answer {
            Answer::Done(done) => self.answer_done(done),
            Answer::Joined(joined) => self.answer_joined(joined),
            Answer::Posted(posted) => self.answer_posted(posted),
            Answer::Members(page) => self.answer_members(page),
            Answer::Rooms(page) => self.answer_rooms(page),
            Answer::History(page) => self.answer_history(page),
            Answer::Search(page) => self.answer_search(page),
            Answer::Manual(manual) => self.answer_manual(manual),
            Answer::Devices(list) => self.answer_devices(list),
            Answer::Rights(page) => self.answer_rights(page),
            Answer::Accepted(accepted) => self.upload_accepted(accepted),
            Answer::Stored(stored) => self.upload_stored(stored),
            Answer::Sending(sending) => self.download_begun(sending),
            Answer::Files(page) => self.answer_files(page),
        }
    }

    fn answer_done(&mut self, done: &Done) -> Result<(), ProtocolError> {
        match self.requests.take(done.id)? {
            Request::Verb(request, Ask::Part { room }) => {
                if self.rooms.leave(room).is_some() {
                    self.outputs.save();
                }
                self.tell(ClientEvent::Parted { request, room });
                Ok(())
            }
            Request::Verb(request, Ask::Rename { nick }) => {
                if let Some(identity) = &mut self.identity {
                    identity.nick = nick.clone();
                }
                self.wished.nick = nick.clone();
                self.outputs.save();
                self.tell(ClientEvent::Renamed { request, nick });
                Ok(())
            }
            Request::Verb(request, Ask::Away { away }) => {
                self.tell(ClientEvent::AwaySet { request, away });
                Ok(())
            }
            Request::Verb(request, Ask::Revoke { device }) => {
                self.tell(ClientEvent::Revoked { request, device });
                Ok(())
            }
            Request::Verb(request, Ask::SetPassword { .. }) => {
                self.tell(ClientEvent::PasswordChanged { request });
                Ok(())
            }
            Request::Mark(room, seq) => {
                self.rooms.marked(room, seq);
                Ok(())
            }
            Request::Verb(request, Ask::DeleteFile { .. }) => {
                self.tell(ClientEvent::FileDeleted { request });
                Ok(())
            }
            Request::Verb(request, Ask::DiscardUpload { .. }) => {
                self.tell(ClientEvent::UploadDiscarded { request });
                Ok(())
            }
            Request::Verb(
                _,
                Ask::Join { .. }
                | Ask::Direct { .. }
                | Ask::Devices
                | Ask::Govern(_)
                | Ask::SetMode { .. }
                | Ask::Rights { .. }
                | Ask::NewPassword { .. }
                | Ask::Members { .. }
                | Ask::Rooms { .. }
                | Ask::History { .. }
                | Ask::Search(_)
                | Ask::Manual
                | Ask::Files { .. }
                | Ask::Ping { .. },
            )
            | Request::Follow(_)
            | Request::Rejoin(_) => Err(MISMATCH),
        }
    }

    pub(super) fn answer_refused(&mut self, refused: &Refused<'_>) -> Result<(), ProtocolError> {
        let refusal = convert::refusal(refused);
        if let Some(pending) = self.outbox.take(refused.id) {
            self.outputs.save();
            let (post, room, kind, text) = (pending.post, pending.room, pending.kind, pending.text);
            self.tell(ClientEvent::PostRefused { post, room, kind, text, refusal });
            return Ok(());
        }
        if self.transfer_refused(refused.id, &refusal) {
            return Ok(());
        }
        match self.requests.take(refused.id)? {
            Request::Verb(request, Ask::Part { room }) => {
                self.tell(ClientEvent::Refused { request, refusal });
                // One is a member as before; what was asked in between was refused.
                let follow = self.rooms.to_rewind(room);
                self.follow(follow);
            }
            Request::Verb(request, _) => self.tell(ClientEvent::Refused { request, refusal }),
            // While a room is being left nobody can say how that ends: its own answer tells (R5).
            Request::Follow(FollowFrom { room, .. }) if self.requests.is_parting(room) => {}
            Request::Follow(FollowFrom { room, .. }) => self.follow_refused(room, refusal),
            // It is said again when more was read.
            Request::Mark(room, seq) => self.rooms.marked(room, seq),
            Request::Rejoin(wish) => {
                self.rooms.forget_wish(&wish.name);
                let refusal = refusal.about(wish.name.as_str());
                self.tell(ClientEvent::Unfollowed { room: wish.was, refusal });
            }
        }
        Ok(())
    }

    fn follow_refused(&mut self, room: crate::ids::RoomId, refusal: Refusal) {
        if self.rooms.leave(room).is_some() {
            self.outputs.save();
            self.tell(ClientEvent::Unfollowed { room, refusal });
        }
    }

    fn answer_joined(&mut self, joined: &Joined<'_>) -> Result<(), ProtocolError> {
        let info = convert::room(&joined.room)?;
        let (request, after, begin) = match self.requests.take(joined.id)? {
            Request::Verb(request, Ask::Join { after: Some(after), .. }) => {
                (Some(request), Some(after), Begin::At(after))
            }
            Request::Verb(request, Ask::Join { after: None, .. } | Ask::Direct { .. }) => {
                (Some(request), None, Begin::WhereRead)
            }
            Request::Follow(FollowFrom { room, after }) if room == info.id => {
                // It was left in the meantime; what answers that ends the cursor again.
                if !self.rooms.contains(room) {
                    return Ok(());
                }
                (None, Some(after), Begin::WhereRead)
            }
            Request::Rejoin(wish) => {
                self.rooms.forget_wish(&wish.name);
                // Another room by the same name is another log: nothing of it was read.
                let begin = if wish.is(info.id) { Begin::WhereRead } else { Begin::At(Seq::new(0)) };
                (None, Some(wish.after), begin)
            }
            Request::Verb(
                _,
                Ask::Part { .. }
                | Ask::Members { .. }
                | Ask::Rooms { .. }
                | Ask::History { .. }
                | Ask::Search(_)
                | Ask::Rename { .. }
                | Ask::Manual
                | Ask::Away { .. }
                | Ask::Devices
                | Ask::Govern(_)
                | Ask::SetMode { .. }
                | Ask::Rights { .. }
                | Ask::Revoke { .. }
                | Ask::NewPassword { .. }
                | Ask::SetPassword { .. }
                | Ask::Files { .. }
                | Ask::DeleteFile { .. }
                | Ask::DiscardUpload { .. }
                | Ask::Ping { .. },
            )
            | Request::Mark(..)
            | Request::Follow(_) => return Err(MISMATCH),
        };
        let follow = self.rooms.joined(&info, after, begin)?;
        self.outputs.save();
        self.tell(ClientEvent::Joined { request, room: info, members: joined.members });
        self.follow(follow);
        Ok(())
    }

    fn answer_posted(&mut self, posted: &Posted) -> Result<(), ProtocolError> {
        let Some(pending) = self.outbox.take(posted.id) else { return self.answer_governed(posted) };
        if pending.room != posted.room {
            return Err(MISMATCH);
        }
        self.outputs.save();
        self.tell(ClientEvent::Posted { post: pending.post, room: posted.room, seq: posted.seq });
        Ok(())
    }

    /// An act upon rights is an event of the log, too.
    fn answer_governed(&mut self, posted: &Posted) -> Result<(), ProtocolError> {
        let Request::Verb(request, Ask::Govern(Governance { room, .. }) | Ask::SetMode { room, .. }) =
            self.requests.take(posted.id)?
        else {
            return Err(MISMATCH);
        };
        if room != posted.room {
            return Err(MISMATCH);
        }
        self.tell(ClientEvent::Governed { request, room, seq: posted.seq });
        Ok(())
    }

    fn answer_rights(&mut self, page: &RightsPage<'_>) -> Result<(), ProtocolError> {
        let Request::Verb(request, Ask::Rights { room, after, mut gathered }) =
            self.requests.take(page.id)?
        else {
            return Err(MISMATCH);
        };
        if room != page.room || page.next.is_some_and(|next| Some(next) <= after) {
            return Err(MISMATCH);
        }
        gathered.extend(page.standings.iter().map(convert::standing));
        if page.next.is_some() && gathered.len() < LISTED_MAX {
            let ask = Ask::Rights { room, after: page.next, gathered };
            self.requests.add_first(Request::Verb(request, ask));
        } else {
            let mode = RoomMode::from_bits(page.mode, page.slow_seconds);
            self.tell(ClientEvent::Rights { request, room, mode, standings: gathered });
        }
        Ok(())
    }

    fn answer_members(&mut self, page: &MembersPage<'_>) -> Result<(), ProtocolError> {
        let Request::Verb(request, Ask::Members { room, after, mut gathered }) =
            self.requests.take(page.id)?
        else {
            return Err(MISMATCH);
        };
        if room != page.room || page.next.is_some_and(|next| Some(next) <= after) {
            return Err(MISMATCH);
        }
        gathered.extend(page.members.iter().map(convert::member));
        if page.next.is_some() && gathered.len() < LISTED_MAX {
            let ask = Ask::Members { room, after: page.next, gathered };
            self.requests.add_first(Request::Verb(request, ask));
        } else {
            self.tell(ClientEvent::Members { request, room, members: gathered });
        }
        Ok(())
    }

    fn answer_rooms(&mut self, page: &RoomsPage<'_>) -> Result<(), ProtocolError> {
        let Request::Verb(request, Ask::Rooms { after, mut gathered }) = self.requests.take(page.id)? else {
            return Err(MISMATCH);
        };
        if page.next.is_some_and(|next| Some(next) <= after) {
            return Err(MISMATCH);
        }
        for listed in &page.rooms {
            gathered.push(convert::listed(listed)?);
        }
        if page.next.is_some() && gathered.len() < LISTED_MAX {
            let ask = Ask::Rooms { after: page.next, gathered };
            self.requests.add_first(Request::Verb(request, ask));
        } else {
            self.tell(ClientEvent::Rooms { request, rooms: gathered });
        }
        Ok(())
    }

    fn answer_history(&mut self, page: &HistoryPage<'_>) -> Result<(), ProtocolError> {
        let Request::Verb(request, Ask::History { room, before, .. }) = self.requests.take(page.id)? else {
            return Err(MISMATCH);
        };
        if room != page.room {
            return Err(MISMATCH);
        }
        let events = convert::page(&page.events, before)?;
        self.tell(ClientEvent::History { request, room, first: page.first, events });
        Ok(())
    }

    fn answer_search(&mut self, page: &SearchPage<'_>) -> Result<(), ProtocolError> {
        let Request::Verb(request, Ask::Search(mut search)) = self.requests.take(page.id)? else {
            return Err(MISMATCH);
        };
        if !search.takes(page) {
            return Err(MISMATCH);
        }
        search.gathered.extend(page.hits.iter().filter_map(convert::hit));
        search.pages = search.pages.saturating_add(1);
        search.before = page.next;
        if page.next.is_some() && search.wants_more() {
            self.requests.add_first(Request::Verb(request, Ask::Search(search)));
        } else {
            let Search { gathered: hits, .. } = *search;
            self.tell(ClientEvent::Found { request, hits, next: page.next });
        }
        Ok(())
    }

    fn answer_manual(&mut self, manual: &ManualText<'_>) -> Result<(), ProtocolError> {
        let Request::Verb(request, Ask::Manual) = self.requests.take(manual.id)? else {
            return Err(MISMATCH);
        };
        self.tell(ClientEvent::Manual { request, text: manual.text.into() });
        Ok(())
    }

    fn answer_devices(&mut self, list: &DeviceList<'_>) -> Result<(), ProtocolError> {
        let Request::Verb(request, Ask::Devices) = self.requests.take(list.id)? else {
            return Err(MISMATCH);
        };
        let devices = list.devices.iter().map(convert::device).collect();
        self.tell(ClientEvent::Devices { request, devices });
        Ok(())
    }

    fn answer_files(&mut self, page: &FilesPage<'_>) -> Result<(), ProtocolError> {
        let Request::Verb(request, Ask::Files { room, mut gathered, .. }) = self.requests.take(page.id)?
        else {
            return Err(MISMATCH);
        };
        for file in &page.files {
            gathered.push(convert::file(file)?);
        }
        let next = page.next.map(FileName::parse).transpose().map_err(|_| ProtocolError::MalformedBody)?;
        match next {
            Some(after) if gathered.len() < LISTED_MAX => {
                let ask = Ask::Files { room, after: Some(after), gathered };
                self.requests.add_first(Request::Verb(request, ask));
            }
            Some(_) | None => self.tell(ClientEvent::Files { request, files: gathered }),
        }
        Ok(())
    }

    /// The server's part of a new password: now it is stretched.
    pub(super) fn password_challenged(&mut self, challenge: &Challenge<'_>) -> Result<(), ProtocolError> {
        let Request::Verb(request, Ask::NewPassword { enrolment, .. }) = self.requests.take(challenge.id)?
        else {
            return Err(MISMATCH);
        };
        let wire::Stretching { memory_kib, passes, lanes } = challenge.stretching;
        let stretching = Stretching { memory_kib, passes, lanes };
        if !stretching.is_possible() || !stretching.covers(self.settings.stretching_min) {
            return Err(ProtocolError::MalformedBody);
        }
        let number = self.next_work();
        let work = enrolment.work(number, challenge.response, stretching, &mut self.random);
        self.outputs.push(ClientOutput::Work(work.map_err(|_| ProtocolError::MalformedBody)?));
        self.changing_password = Some((request, number));
        Ok(())
    }

    /// A new password is stretched: it is sent before all else.
    pub(super) fn password_stretched(&mut self, done: WorkDone) -> Result<(), ProtocolError> {
        let Some((request, _)) = self.changing_password.filter(|(_, number)| *number == done.number) else {
            return Ok(());
        };
        self.changing_password = None;
        match done.outcome {
            WorkOutcome::Enrolled(upload) => {
                self.requests.add_first(Request::Verb(request, Ask::SetPassword { upload }));
            }
            WorkOutcome::Proved(_) | WorkOutcome::Failed => return Err(ProtocolError::MalformedBody),
        }
        Ok(())
    }
}
