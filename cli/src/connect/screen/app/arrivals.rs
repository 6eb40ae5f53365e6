//! What the chat has to show, as it comes to the screen.

use std::time::Duration;

use palabre_core::{
    client::{Client, MemberInfo, OutboxPost, RoomListed},
    ids::RoomId,
    rights::Role,
    storage::{EventFamily, EventKind, StoredEvent},
    wire::state,
};

use super::{App, Effect, Entry, Link, Naming, Notices, Past, Room, Said, Stamp, Tone, Waiting, What};
use crate::{
    connect::chat::{Shown, Stage, Time, Views},
    output::{Printable, presence, rights_lines, state_name},
    roster::Came,
};

/// Bytes of a text in a notice.
const NOTICE_CHARS_MAX: usize = 120;

impl App {
    /// Takes in one thing to show.
    pub(crate) fn take(&mut self, shown: Shown, views: &Views) {
        match shown {
            Shown::Status(sentence) => self.tell(sentence, Tone::Quiet),
            Shown::Detail(_) | Shown::Entered | Shown::Posted { .. } => {}
            Shown::Warning(sentence) => self.tell(sentence, Tone::Alarm),
            Shown::Text(text) => self.tell(text, Tone::Plain),
            Shown::Failed(failure) => {
                let room = self.room_mut();
                if room.past == Past::Asked {
                    room.past = Past::More;
                    room.wanted = None;
                }
                self.tell(failure.sentence, Tone::Alarm);
            }
            Shown::Mend(line) => {
                let room = self.room_mut();
                if room.line.is_empty() {
                    room.line.set(line);
                }
            }
            Shown::Switched(room) => {
                self.follow(views);
                self.move_in(room);
            }
            Shown::Event { room, event, time } => self.happened(room, event, time, views),
            Shown::Read { room, up_to } => {
                self.follow(views);
                if let Some(room) = self.room_with(room) {
                    room.unread_from = Some(up_to.next());
                }
            }
            Shown::PastEnd { room, first } => {
                if let Some(room) = self.room_with(room) {
                    room.page_ended(first);
                }
                self.go_on_to_wanted(room);
            }
            Shown::Came { room, name, came } => self.came(room, name, came),
            Shown::People { room, .. } => match self.room_with(room) {
                Some(room) => room.people_changed = true,
                None => self.follow(views),
            },
            Shown::Parted | Shown::Opened => self.follow(views),
            Shown::Trimmed { room, first } => {
                let text = format!("messages before number {first} are not kept any more");
                self.tell_in(room, text, Tone::Quiet);
            }
            Shown::NotPosted { room, failure } => self.tell_in(room, failure.sentence, Tone::Alarm),
            Shown::Members { members, .. } => self.tell(list_of_members(&members), Tone::Plain),
            Shown::Rights { place, mode, standings } => {
                let lines = rights_lines(&place, mode, &standings, self.now.wall);
                self.tell(lines.join("\n"), Tone::Plain);
            }
            Shown::Rooms(rooms) => self.tell(list_of_rooms(&rooms), Tone::Plain),
            Shown::Found { text, hits, more } => self.take_found(&text, &hits, more, views),
            Shown::RoomNames(rooms) => {
                let listed = rooms.iter().map(|room| room.name.as_str());
                self.vocabulary.set_rooms(listed.chain(views.places()));
            }
            Shown::Pong(round_trip) => self.tell(pong(round_trip), Tone::Plain),
            Shown::Online => self.link = Link::Ready,
            Shown::Queued(position) => self.link = Link::Waiting(position),
            Shown::Offline { why, retry_in } => {
                let retry_at = self.now.monotonic.after(retry_in);
                self.link = Link::Offline { why, retry_at };
                // What was asked for is not answered any more.
                for room in self.rooms.iter_mut().filter(|room| room.past == Past::Asked) {
                    room.past = Past::More;
                }
            }
        }
    }

    /// Takes in what the client knows by itself: who we are, what waits to be sent, whether a name is asked for.
    pub(crate) fn look_at(&mut self, client: &Client, stage: &Stage) {
        self.me.user = client.user();
        if self.me.nick != client.nick().as_str() {
            self.me.nick = client.nick().as_str().into();
            self.teach();
        }
        self.naming = match stage {
            Stage::Naming { suggestion } => Some(Naming { suggestion: suggestion.clone() }),
            Stage::Entering | Stage::Arriving | Stage::Chatting | Stage::Finishing => None,
        };
        for room in &mut self.rooms {
            // What changes a message shows when it has.
            let is_shown = |post: &OutboxPost<'_>| {
                matches!(post.kind.family(), EventFamily::Message | EventFamily::Topic)
            };
            let mine = || client.outbox().filter(|post| post.room == room.id).filter(is_shown);
            let is_same = |(waiting, post): (&Waiting, OutboxPost<'_>)| {
                waiting.post == post.post && waiting.state == post.state
            };
            if mine().count() != room.outbox.len() || !room.outbox.iter().zip(mine()).all(is_same) {
                room.outbox = mine()
                    .map(|post| Waiting { post: post.post, text: post.text.into(), state: post.state })
                    .collect();
            }
        }
    }

    /// To be called before each frame: brings up to date what is too dear to be so after each change.
    pub(crate) fn prepare(&mut self, views: &Views) {
        let room = self.room_mut();
        if let (true, Some(view)) = (room.people_changed, views.find_ref(room.id)) {
            room.people =
                view.roster.names().into_iter().map(|(name, state)| (name.to_owned(), state)).collect();
            room.people_changed = false;
            self.teach();
        }
    }

    /// Takes in which rooms there are.
    fn follow(&mut self, views: &Views) {
        self.rooms.retain(|room| views.find_ref(room.id).is_some());
        for view in views.iter() {
            let index = self.rooms.iter().position(|room| room.id == view.info.id);
            let index = index.unwrap_or_else(|| {
                let mut room = Room::new(view.info.id, view.place.clone());
                room.topic = view.info.topic.to_string();
                self.rooms.push(room);
                self.rooms.len() - 1
            });
            let room = &mut self.rooms[index];
            room.place.clone_from(&view.place);
        }
        // A # sorts before an @.
        self.rooms.sort_by_cached_key(|room| (room.is_conversation(), room.place.to_lowercase()));
        if !self.rooms.iter().any(|room| Some(room.id) == self.current) {
            self.current = None;
            if let Some(id) =
                views.current().map(|view| view.info.id).or_else(|| Some(self.rooms.first()?.id))
            {
                self.move_in(id);
            }
        }
    }

    /// Goes to a room; what was told and typed while there was none goes along.
    fn move_in(&mut self, id: RoomId) {
        if self.current.is_none() {
            let nowhere = std::mem::replace(&mut self.nowhere, Room::new(RoomId::new(0), String::new()));
            self.go_to(id);
            let room = self.room_mut();
            for entry in (nowhere.log.first()..nowhere.log.end()).filter_map(|number| nowhere.log.get(number))
            {
                room.log.push(entry.clone());
            }
            if room.line.is_empty() {
                room.line = nowhere.line;
            }
        } else {
            self.go_to(id);
        }
    }

    fn happened(&mut self, id: RoomId, event: StoredEvent, time: Time, views: &Views) {
        if self.room_with(id).is_none() {
            self.follow(views);
        }
        let stamp = Stamp::new(event.at, &self.zone);
        let said = Said::new(event, self.me.user, &self.me.nick);
        let is_current = self.current == Some(id);
        let is_focused = self.is_focused;
        let Some(room) = self.room_with(id) else { return };
        if time == Time::Before {
            return room.happened_before(said, stamp);
        }
        let is_seen = is_current && is_focused && room.anchor == super::Anchor::Bottom;
        let is_loud = match room.notices {
            Notices::All => true,
            Notices::Mentions => said.is_mention,
            Notices::None => false,
        };
        let is_said = matches!(said.kind, EventKind::Posted | EventKind::Action);
        let notice = (is_loud && is_said && !said.is_own && !(is_current && is_focused)).then(|| {
            let text: String = said.text.chars().take(NOTICE_CHARS_MAX).collect();
            Effect::Notify { title: format!("{} in {}", said.nick, room.place), text }
        });
        room.happened(said, stamp, is_seen);
        let forgot = room.trim(is_current).map(|earliest| Effect::Forgot { room: id, earliest });
        self.effects.extend(notice.into_iter().chain(forgot));
    }

    fn came(&mut self, room: RoomId, name: String, came: Came) {
        let stamp = Stamp::new(self.now.wall, &self.zone);
        if let Some(room) = self.room_with(room) {
            room.log.push(Entry { stamp, what: What::Traffic(vec![(name, came)]) });
        }
    }

    fn room_with(&mut self, id: RoomId) -> Option<&mut Room> {
        self.rooms.iter_mut().find(|room| room.id == id)
    }

    pub(super) fn tell(&mut self, text: String, tone: Tone) {
        let (now, zone) = (self.now.wall, self.zone.clone());
        self.room_mut().tell(text, tone, now, &zone);
    }

    fn tell_in(&mut self, room: RoomId, text: String, tone: Tone) {
        let (now, zone) = (self.now.wall, self.zone.clone());
        match self.room_with(room) {
            Some(room) => room.tell(text, tone, now, &zone),
            None => self.tell(text, tone),
        }
    }

    /// Keeps what Tab completes up to date.
    pub(super) fn teach(&mut self) {
        let people: Vec<String> = self
            .room()
            .people
            .iter()
            .map(|(name, _)| name.clone())
            .filter(|name| *name != self.me.nick)
            .collect();
        self.vocabulary.set_people(people.iter().map(String::as_str));
    }
}

fn list_of_members(members: &[MemberInfo]) -> String {
    let line = |member: &MemberInfo| {
        let name = Printable::new(&member.nick).to_string();
        let role = (member.role > Role::Member).then(|| member.role.to_string());
        let state = (member.state != state::HERE).then(|| state_name(member.state).to_owned());
        let words: Vec<_> = role.into_iter().chain(state).collect();
        if words.is_empty() { name } else { format!("{name} ({})", words.join(", ")) }
    };
    members.iter().map(line).collect::<Vec<_>>().join(", ")
}

fn list_of_rooms(rooms: &[RoomListed]) -> String {
    let line = |room: &RoomListed| format!("{}  {} here  {}", room.name, room.members, room.topic);
    rooms.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn pong(round_trip: Duration) -> String {
    format!("the server answered in {:.2} ms", round_trip.as_secs_f64() * 1_000.0)
}

/// Who came and went, in words.
pub(crate) fn traffic(came: &[(String, Came)]) -> String {
    came.iter().map(|(name, came)| presence("", name, came).1).collect::<Vec<_>>().join(", ")
}
