//! Whether a message says what it must say, where the protocol decides that; what it leaves open is learned.

use palabre_core::{
    config::Registration,
    ids::UserId,
    time::WallTime,
    wire::{
        self, DeviceList, HistoryPage, Listed, LogEvent, MECHANISM_ACCOUNT, MECHANISM_GUEST,
        MECHANISM_INVITED, MECHANISM_REGISTER, MembersPage, Ready, Refused, RightsPage, RoomsPage,
        SearchPage, ToClient, VERSION, Welcome,
    },
};

use super::{
    About, Device, DeviceKey, Divergence, Expected, Logged, Model, Refusal, RoomKey, Suggestion, UserKey,
    expected::{Face, Listing},
    known::Holder,
    names,
    presence::Seen,
    rights::Term,
};

impl Model {
    pub(super) fn compare(&mut self, expected: &Expected, message: &ToClient<'_>) -> Result<(), Divergence> {
        match (expected, message) {
            (Expected::Welcome, ToClient::Welcome(welcome)) => self.compare_welcome(welcome),
            (Expected::Ready { user, holder, nick, rooms, .. }, ToClient::Ready(ready)) => {
                self.compare_ready(*user, *holder, nick, rooms, ready)
            }
            (Expected::Challenge { bytes, .. }, ToClient::Challenge(challenge)) => {
                same("response", bytes, &challenge.response.len())
            }
            (Expected::DeviceList { devices, this, .. }, ToClient::DeviceList(list)) => {
                self.compare_devices(devices, *this, list)
            }
            (Expected::Parted { room }, ToClient::Parted(parted)) => {
                self.known.learn_room(*room, parted.room)
            }
            (Expected::Done { .. }, ToClient::Done(_)) | (Expected::Ping, ToClient::Ping(_)) => Ok(()),
            (Expected::Refused { refusal, .. }, ToClient::Refused(refused)) => {
                self.compare_refusal(refusal, refused)
            }
            (Expected::Joined { room, members, .. }, ToClient::Joined(joined)) => {
                self.compare_room(room, &joined.room)?;
                same("members", members, &joined.members)
            }
            (Expected::Posted { room, seq, .. }, ToClient::Posted(posted)) => {
                same("seq", seq, &posted.seq.get())?;
                self.known.learn_room(*room, posted.room)?;
                self.compare_time(*room, *seq, posted.at)
            }
            (Expected::MembersPage { room, rest, .. }, ToClient::MembersPage(page)) => {
                self.known.learn_room(*room, page.room)?;
                compare_members(rest, page, self.limits.members_page_max)
            }
            (Expected::RoomsPage { rest, .. }, ToClient::RoomsPage(page)) => self.compare_rooms(rest, page),
            (Expected::HistoryPage { room, first, events, .. }, ToClient::HistoryPage(page)) => {
                self.compare_history(*room, *first, events, page)
            }
            (Expected::SearchPage { hits, more, .. }, ToClient::SearchPage(page)) => {
                self.compare_search(hits, *more, page)
            }
            (Expected::RightsPage { room, listing, .. }, ToClient::RightsPage(page)) => {
                self.known.learn_room(*room, page.room)?;
                compare_rights(listing, page, self.limits.standings_page_max)
            }
            (Expected::Removed { room, kind, by, reason, until }, ToClient::Removed(removed)) => {
                self.known.learn_room(*room, removed.room)?;
                let sent = (removed.kind, removed.by, removed.reason, removed.until);
                same("removed", &(*kind, by.as_str(), reason.as_str(), *until), &sent)
            }
            (Expected::Invited { room, by, reason }, ToClient::Invited(invited)) => {
                self.known.learn_room(*room, invited.room)?;
                let name = self[*room].name().unwrap_or_default();
                same(
                    "invited",
                    &(name, by.as_str(), reason.as_str()),
                    &(invited.name, invited.by, invited.reason),
                )
            }
            (Expected::ManualText { text, .. }, ToClient::ManualText(manual)) => {
                same("text", text.as_str(), manual.text)
            }
            (Expected::Event { room, seq, event }, ToClient::Event(sent)) => {
                self.compare_event(*room, *seq, event, &sent.event)
            }
            (Expected::Trimmed { first, .. }, ToClient::Trimmed(trimmed)) => {
                same("first", first, &trimmed.first.get())
            }
            (Expected::Opened { room }, ToClient::Opened(opened)) => self.compare_room(room, &opened.room),
            (Expected::Pong { token }, ToClient::Pong(pong)) => same("token", token, &pong.token),
            (Expected::Goodbye { reason }, ToClient::Goodbye(goodbye)) => {
                same("reason", reason, &goodbye.reason)
            }
            (Expected::Error { codes }, ToClient::Error(error)) => {
                holds("code", codes.iter().any(|code| code.number() == error.code))
            }
            _ => Err(Divergence("another message".into())),
        }
    }

    fn compare_welcome(&self, welcome: &Welcome<'_>) -> Result<(), Divergence> {
        let number = |size: usize| u32::try_from(size).unwrap_or(u32::MAX);
        let limits = wire::Limits {
            text_bytes: number(self.limits.text_bytes_max),
            nick_bytes: number(names::NICK_BYTES_MAX),
            room_bytes: number(names::ROOM_BYTES_MAX),
            topic_bytes: number(self.limits.topic_bytes_max),
            page_events: self.limits.page_events_max,
            requests: self.limits.requests_in_flight_max,
            posts: self.limits.posts_in_flight_max,
            silence_seconds: u32::try_from(self.limits.silence_max.as_secs()).unwrap_or(u32::MAX),
        };
        same("limits", &limits, &welcome.limits)?;
        same("version", &VERSION, &welcome.version)?;
        let register = match self.registration {
            Registration::Open => MECHANISM_REGISTER,
            Registration::Invite => MECHANISM_INVITED,
            Registration::Closed => 0,
        };
        same("mechanisms", &(MECHANISM_GUEST | MECHANISM_ACCOUNT | register), &welcome.mechanisms)?;
        holds("server", welcome.server.len() <= 64)
    }

    /// E4, E5: id and token are learned at first and stay.
    fn compare_ready(
        &mut self,
        user: UserKey,
        holder: Holder,
        nick: &str,
        rooms: &[Face],
        ready: &Ready<'_>,
    ) -> Result<(), Divergence> {
        self.known.learn_user(user, ready.user)?;
        self.known.learn_token(holder, ready.token)?;
        same("nick", nick, ready.nick)?;
        let (account, kept) = match holder {
            Holder::Guest(_) => (false, self.limits.guest_kept),
            Holder::Device(_) => (true, self.limits.device_kept),
        };
        same("account", &account, &ready.account)?;
        same("keep_seconds", &kept.as_secs(), &u64::from(ready.keep_seconds))?;
        same("rooms", &rooms.len(), &ready.rooms.len())?;
        rooms.iter().zip(&ready.rooms).try_for_each(|(face, room)| self.compare_room(face, room))
    }

    /// A10.
    fn compare_devices(
        &mut self,
        devices: &[DeviceKey],
        this: DeviceKey,
        list: &DeviceList<'_>,
    ) -> Result<(), Divergence> {
        same("devices", &devices.len(), &list.devices.len())?;
        holds("order", list.devices.is_sorted_by_key(|device| device.device))?;
        // Devices are stored in the order in which they are numbered.
        for (key, sent) in devices.iter().zip(&list.devices) {
            self.known.learn_device(*key, sent.device)?;
            let Device { name, since, seen, .. } = &self[*key];
            same("device", &(name.as_str(), *since, *seen), &(sent.name, sent.since, sent.seen))?;
            same("this", &(*key == this), &sent.this)?;
        }
        Ok(())
    }

    fn compare_refusal(&self, refusal: &Refusal, refused: &Refused<'_>) -> Result<(), Divergence> {
        holds("code", refusal.codes.iter().any(|code| code.number() == refused.code))?;
        holds("text", !refused.text.is_empty())?;
        holds(
            "about",
            match &refusal.about {
                About::Open => true,
                About::Perhaps(name) => {
                    refused.about.is_empty() || refused.about == name || name.contains(char::is_control)
                }
                About::OneOf(names) => names.iter().any(|name| name == refused.about),
            },
        )?;
        holds(
            "suggestion",
            match (&refusal.suggestion, refused.suggestion) {
                (Suggestion::Open, _) => true,
                (Suggestion::FreeNick(owner), Some(nick)) => self.is_free(nick, *owner),
                (Suggestion::Somebody(but), Some(nick)) => {
                    self.entered_but(Some(*but)).any(|(_, user)| user.nick == nick)
                }
                (Suggestion::FreeNick(_) | Suggestion::Somebody(_), None) => true,
            },
        )
    }

    fn compare_room(&mut self, face: &Face, room: &wire::Room<'_>) -> Result<(), Divergence> {
        self.known.learn_room(face.room, room.room)?;
        same("name", face.name.as_str(), room.name)?;
        same("topic", face.topic.as_str(), room.topic)?;
        same("first", &face.first, &room.first.get())?;
        same("last", &face.last, &room.last.get())?;
        match (&face.with, room.with_user, room.with_nick) {
            (None, None, None) => Ok(()),
            (Some((user, nick)), Some(id), Some(sent)) => {
                self.known.learn_user(*user, id)?;
                holds("with_nick", nick.as_ref().is_none_or(|nick| nick == sent))
            }
            _ => Err(Divergence("with_user and with_nick".into())),
        }
    }

    fn compare_rooms(&mut self, rest: &[(Face, u32)], page: &RoomsPage<'_>) -> Result<(), Divergence> {
        holds("page", page.rooms.len() <= self.limits.rooms_page_max && page.rooms.len() <= rest.len())?;
        for ((face, members), listed) in rest.iter().zip(&page.rooms) {
            let Listed { room, name, topic, members: count, last } = listed;
            self.known.learn_room(face.room, *room)?;
            same("name", face.name.as_str(), *name)?;
            same("topic", face.topic.as_str(), *topic)?;
            same("members", members, count)?;
            same("last", &face.last, &last.get())?;
        }
        let ids: Vec<_> = rest.iter().map(|(face, _)| self.known.room_id(face.room)).collect();
        holds("next", continues(&ids, page.rooms.len(), page.next.map(|next| next.get())))
    }

    fn compare_history(
        &mut self,
        room: RoomKey,
        first: u64,
        events: &[(u64, Logged)],
        page: &HistoryPage<'_>,
    ) -> Result<(), Divergence> {
        self.known.learn_room(room, page.room)?;
        same("first", &first, &page.first.get())?;
        same("events", &events.len(), &page.events.len())?;
        let mut pairs = events.iter().zip(&page.events);
        pairs.try_for_each(|((seq, event), sent)| self.compare_event(room, *seq, event, sent))
    }

    /// S4, S5: there is no reason to find less than there is, and `next` is where the page ended.
    fn compare_search(
        &mut self,
        hits: &[(usize, Logged)],
        more: bool,
        page: &SearchPage<'_>,
    ) -> Result<(), Divergence> {
        same("hits", &hits.len(), &page.hits.len())?;
        for ((place, event), hit) in hits.iter().zip(&page.hits) {
            let (room, seq) = self.said[*place];
            self.known.learn_room(room, hit.room)?;
            self.compare_event(room, seq, event, &hit.event)?;
        }
        holds("next", page.next.is_some() || !more)?;
        match (page.next, hits.last()) {
            (Some(next), Some((place, _))) => self.known.learn_position(*place, next),
            (Some(_), None) | (None, _) => Ok(()),
        }
    }

    fn compare_event(
        &mut self,
        room: RoomKey,
        seq: u64,
        event: &Logged,
        sent: &LogEvent<'_>,
    ) -> Result<(), Divergence> {
        same("seq", &seq, &sent.seq.get())?;
        self.known.learn_user(event.author, sent.author)?;
        same("nick", event.nick.as_str(), sent.nick)?;
        same("kind", &event.kind, &sent.kind)?;
        same("text", event.text.as_str(), sent.text)?;
        let about = event.about.as_ref().map(|(user, name, until)| (user, name.as_str(), *until));
        match (about, &sent.about) {
            (None, None) => {}
            (Some((user, name, until)), Some(about)) => {
                self.known.learn_user(*user, UserId::new(about.id))?;
                same("about", &(name, until), &(about.name, about.until))?;
            }
            (Some(_), None) | (None, Some(_)) => return Err(Divergence("about".into())),
        }
        self.compare_time(room, seq, sent.at)
    }

    fn compare_time(&mut self, room: RoomKey, seq: u64, at: WallTime) -> Result<(), Divergence> {
        holds("at", at <= self.latest_wall)?;
        self.known.learn_time(room, seq, at)
    }
}

fn compare_members(rest: &[(u64, Seen)], page: &MembersPage<'_>, page_max: usize) -> Result<(), Divergence> {
    holds("page", page.members.len() <= page_max && page.members.len() <= rest.len())?;
    for (member, sent) in rest.iter().zip(&page.members) {
        let seen = Seen { nick: sent.nick.into(), state: sent.state, role: sent.role };
        same("member", member, &(sent.user.get(), seen))?;
    }
    let ids: Vec<_> = rest.iter().map(|(id, ..)| *id).collect();
    holds("next", continues(&ids, page.members.len(), page.next.map(|next| next.get())))
}

/// G8.
fn compare_rights(listing: &Listing, page: &RightsPage<'_>, page_max: usize) -> Result<(), Divergence> {
    let Listing { mode, slow_seconds, role, rest } = listing;
    same("mode", &(*mode, *slow_seconds, *role), &(page.mode, page.slow_seconds, page.role))?;
    holds("page", page.standings.len() <= page_max && page.standings.len() <= rest.len())?;
    for ((id, role, standing), sent) in rest.iter().zip(&page.standings) {
        same("standing", &(*id, *role), &(sent.user.get(), sent.role))?;
        same("name", standing.name.as_str(), sent.name)?;
        let until = |term: Option<Term>| (term.is_some(), term.and_then(Term::until));
        same("ban", &until(standing.banned), &(sent.banned, sent.banned_until))?;
        same("mute", &until(standing.muted), &(sent.muted, sent.muted_until))?;
        same("invited", &standing.invited, &sent.invited)?;
    }
    let ids: Vec<_> = rest.iter().map(|(id, ..)| *id).collect();
    holds("next", continues(&ids, page.standings.len(), page.next.map(|next| next.get())))
}

/// R8: whether `next` asks for exactly those that come after the first `taken`.
fn continues(ids: &[u64], taken: usize, next: Option<u64>) -> bool {
    match (ids.get(taken), next) {
        (None, None) => true,
        (Some(following), Some(next)) => taken > 0 && ids[taken - 1] <= next && next < *following,
        (None, Some(_)) | (Some(_), None) => false,
    }
}

fn same<T: PartialEq + std::fmt::Debug + ?Sized>(
    what: &str,
    expected: &T,
    sent: &T,
) -> Result<(), Divergence> {
    if expected == sent { Ok(()) } else { Err(Divergence(format!("{what} should be {expected:?}"))) }
}

fn holds(what: &str, holds: bool) -> Result<(), Divergence> {
    if holds { Ok(()) } else { Err(Divergence(what.into())) }
}
