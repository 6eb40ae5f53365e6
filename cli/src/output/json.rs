//! The records of `--json`: one object a line, versioned. Fields are only ever added.

use std::fmt;

use palabre_core::{
    client::{DeviceInfo, FileInfo, MemberInfo, RoomInfo, RoomListed, StandingInfo},
    ids::Seq,
    rights::RoomMode,
    storage::{EventFamily, EventKind, StoredEvent},
    transfer::SharedFile,
    wire::state,
};
use serde::Serialize;

use super::time::utc;
use crate::{
    failure::Failure,
    transfer::{Direction, Record as TransferRecord},
};

/// The version of the records.
const VERSION: u8 = 1;

/// A line of `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Record<'a> {
    v: u8,
    #[serde(flatten)]
    body: Body<'a>,
}

impl<'a> Record<'a> {
    pub(crate) const fn new(body: Body<'a>) -> Self {
        Self { v: VERSION, body }
    }
}

impl fmt::Display for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// What a line tells.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub(crate) enum Body<'a> {
    /// Somebody said something.
    Message(Event<'a>),
    /// Somebody did something (`/me`).
    Action(Event<'a>),
    /// Somebody set the topic.
    Topic(Event<'a>),
    /// Somebody wrote a message anew.
    Edited(Event<'a>),
    /// Somebody deleted a message.
    Deleted(Event<'a>),
    /// Somebody reacted to a message.
    Reacted(Event<'a>),
    /// Somebody took a reaction back.
    Unreacted(Event<'a>),
    /// Somebody did something about the rights in the room.
    Act(ActRecord<'a>),
    /// What is particular about somebody in a room.
    Right {
        r#in: &'a str,
        name: &'a str,
        guest: bool,
        role: String,
        invited: bool,
        banned: bool,
        banned_until: Option<String>,
        muted: bool,
        muted_until: Option<String>,
    },
    /// What kind of room it is.
    Mode {
        r#in: &'a str,
        private: bool,
        read_only: bool,
        topic_locked: bool,
        closed: bool,
        slow_seconds: u32,
    },
    /// Somebody became a member.
    Joined(Presence<'a>),
    /// Somebody left the room or the server, or did not come back.
    Left(Presence<'a>),
    /// Somebody's connection was cut.
    Lost(Presence<'a>),
    /// Somebody is there again.
    Back(Presence<'a>),
    /// Somebody is away.
    Away(Presence<'a>),
    /// Somebody took another name.
    Renamed { r#in: &'a str, name: &'a str, was: &'a str },
    /// Earlier events are not kept any more.
    Trimmed { r#in: &'a str, first: u64 },
    /// A message of ours is stored.
    Posted { r#in: &'a str, seq: u64 },
    /// All of several messages were dealt with.
    Done {
        r#in: &'a str,
        sent: u64,
        failed: u64,
        /// The number of the last one stored.
        last: Option<u64>,
    },
    /// A room there is.
    Room { r#in: &'a str, members: u32, topic: &'a str, last: u64 },
    /// A member of a room.
    Member { r#in: &'a str, name: &'a str, state: &'static str, guest: bool, role: String },
    /// Somebody shared a file.
    FileShared(FileEvent<'a>),
    /// Somebody deleted a file.
    FileDeleted(FileEvent<'a>),
    /// A file there is.
    File(File<'a>),
    /// A file was transferred; with where it is here, if it was downloaded.
    Transferred(File<'a>),
    /// A transfer that is not done.
    Transfer {
        id: u32,
        direction: Direction,
        server: &'a str,
        file: &'a str,
        local: &'a str,
        folder: bool,
        size: Option<u64>,
        busy: bool,
    },
    /// The account one is logged in by.
    Account { name: &'a str },
    /// A login for a script elsewhere.
    Token { name: &'a str, token: &'a str },
    /// What was not read yet in a room.
    Unread { r#in: &'a str, count: u64, last: u64 },
    /// What was not read yet in all.
    UnreadCount { count: u64 },
    /// A device of the account.
    Device { id: u64, name: &'a str, since: String, seen: String, this: bool },
    /// The server answered.
    Pong { seq: u32, microseconds: u64 },
    /// A server that is known; its key, unless public authorities vouch for it.
    Server { server: &'a str, key: Option<String> },
    /// What a server can do.
    Bench(&'a crate::bench::Report),
    /// Something failed.
    Error {
        code: &'a str,
        exit: u8,
        text: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        suggestion: Option<&'a str>,
    },
}

/// An event of a room's log.
#[derive(Debug, Serialize)]
pub(crate) struct Event<'a> {
    r#in: &'a str,
    seq: u64,
    from: &'a str,
    at: String,
    text: &'a str,
    /// The message that it answers, edits or deletes.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<u64>,
    /// Whether its author wrote it anew.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    edited: bool,
    /// Whether it was deleted, and so has no text.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
}

/// An act upon the rights in a room.
#[derive(Debug, Serialize)]
pub(crate) struct ActRecord<'a> {
    #[serde(flatten)]
    event: Event<'a>,
    act: &'static str,
    /// Upon whom; nothing for the mode.
    name: Option<&'a str>,
    /// When a ban or a mute ends.
    until: Option<String>,
}

/// An event about a file; what is not known of it is left out.
#[derive(Debug, Serialize)]
pub(crate) struct FileEvent<'a> {
    r#in: &'a str,
    seq: u64,
    from: &'a str,
    at: String,
    name: String,
    version: u64,
    size: u64,
    hash: String,
}

/// A file.
#[derive(Debug, Serialize)]
pub(crate) struct File<'a> {
    r#in: &'a str,
    name: &'a str,
    version: u64,
    size: u64,
    hash: String,
    executable: bool,
    from: &'a str,
    at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    range: Option<String>,
}

impl<'a> File<'a> {
    fn new(place: &'a str, file: &'a FileInfo) -> Self {
        Self {
            r#in: place.strip_suffix('/').unwrap_or(place),
            name: file.name.as_str(),
            version: file.version.get(),
            size: file.size,
            hash: file.hash.to_string(),
            executable: file.executable,
            from: &file.nick,
            at: utc(file.at),
            path: None,
            range: None,
        }
    }
}

/// Who is there.
#[derive(Debug, Serialize)]
pub(crate) struct Presence<'a> {
    pub(crate) r#in: &'a str,
    pub(crate) name: &'a str,
}

impl<'a> Body<'a> {
    fn about_file(kind: EventKind, event: Event<'a>, file: &SharedFile) -> Self {
        let Event { r#in, seq, from, at, .. } = event;
        let SharedFile { name, version, size, hash } = file;
        let (version, size) = (version.get(), *size);
        let event =
            FileEvent { r#in, seq, from, at, name: name.to_string(), version, size, hash: hash.to_string() };
        if kind == EventKind::FileDeleted { Self::FileDeleted(event) } else { Self::FileShared(event) }
    }

    /// A file there is.
    pub(crate) fn file(place: &'a str, file: &'a FileInfo) -> Self {
        Self::File(File::new(place, file))
    }

    /// A file that was transferred.
    pub(crate) fn transferred(
        place: &'a str,
        file: &'a FileInfo,
        path: Option<&'a str>,
        range: Option<String>,
    ) -> Self {
        Self::Transferred(File { path, range, ..File::new(place, file) })
    }

    /// A transfer that is not done.
    pub(crate) fn transfer(id: u32, record: &'a TransferRecord, local: &'a str, busy: bool) -> Self {
        let TransferRecord { direction, server, remote, folder, size, .. } = record;
        let (direction, folder, size) = (*direction, *folder, *size);
        Self::Transfer { id, direction, server, file: remote, local, folder, size, busy }
    }

    /// An event of a room's log.
    pub(crate) fn event(place: &'a str, event: &'a StoredEvent) -> Self {
        let body = Event {
            r#in: place,
            seq: event.seq.get(),
            from: &event.nick,
            at: utc(event.at),
            text: &event.text,
            to: event.to().map(Seq::get),
            edited: event.is_edited(),
            deleted: event.is_deleted(),
        };
        match event.kind.family() {
            EventFamily::Revision if event.kind == EventKind::Edited => Self::Edited(body),
            EventFamily::Revision => Self::Deleted(body),
            EventFamily::Reaction if event.kind == EventKind::Reacted => Self::Reacted(body),
            EventFamily::Reaction => Self::Unreacted(body),
            EventFamily::Message if event.kind == EventKind::Posted => Self::Message(body),
            EventFamily::Message => Self::Action(body),
            EventFamily::Topic => Self::Topic(body),
            EventFamily::Act => {
                let name = event.about.as_ref().map(|about| &*about.name);
                let until = event.about.as_ref().and_then(|about| about.until).map(utc);
                Self::Act(ActRecord { event: body, act: event.kind.act_name(), name, until })
            }
            EventFamily::File => match SharedFile::parse(body.text) {
                Some(file) => Self::about_file(event.kind, body, &file),
                // A later server may say it otherwise.
                None => Self::Action(body),
            },
        }
    }

    /// A post that is stored.
    pub(crate) const fn posted(place: &'a str, seq: Seq) -> Self {
        Self::Posted { r#in: place, seq: seq.get() }
    }

    /// A room in the list of rooms.
    pub(crate) fn room(room: &'a RoomListed) -> Self {
        Self::Room { r#in: &room.name, members: room.members, topic: &room.topic, last: room.last.get() }
    }

    /// A device of the account.
    pub(crate) fn device(device: &'a DeviceInfo) -> Self {
        Self::Device {
            id: device.device.get(),
            name: &device.name,
            since: utc(device.since),
            seen: utc(device.seen),
            this: device.is_this,
        }
    }

    /// What is particular about somebody in a room.
    pub(crate) fn right(place: &'a str, standing: &'a StandingInfo) -> Self {
        Self::Right {
            r#in: place,
            name: &standing.name,
            guest: standing.is_guest,
            role: standing.role.to_string(),
            invited: standing.invited,
            banned: standing.banned.is_some(),
            banned_until: standing.banned.flatten().map(utc),
            muted: standing.muted.is_some(),
            muted_until: standing.muted.flatten().map(utc),
        }
    }

    /// What kind of room it is.
    pub(crate) const fn mode(place: &'a str, mode: RoomMode) -> Self {
        let RoomMode { private, read_only, topic_locked, closed, slow_seconds } = mode;
        Self::Mode { r#in: place, private, read_only, topic_locked, closed, slow_seconds }
    }

    /// A member of a room.
    pub(crate) fn member(place: &'a str, member: &'a MemberInfo) -> Self {
        Self::Member {
            r#in: place,
            name: &member.nick,
            state: state_name(member.state),
            guest: member.is_guest,
            role: member.role.to_string(),
        }
    }

    /// How the program failed.
    pub(crate) fn failure(failure: &'a Failure) -> Self {
        Self::Error {
            code: failure.code,
            exit: failure.status.number(),
            text: &failure.sentence,
            suggestion: failure.suggestion.as_deref(),
        }
    }
}

/// The name of a member's state in a list; unknown ones read as here.
pub(crate) const fn state_name(state: u8) -> &'static str {
    match state {
        state::AWAY => "away",
        state::LOST => "lost",
        _ => "here",
    }
}

/// What a room or direct conversation is called: `#room` or `@name`.
pub(crate) fn place(room: &RoomInfo) -> String {
    match &room.with {
        Some((_, nick)) => format!("@{nick}"),
        None => room.name.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use palabre_core::{
        error::{Refusal, RefusalCode},
        ids::UserId,
        time::WallTime,
    };

    use super::*;

    fn event(kind: EventKind, text: &str) -> StoredEvent {
        StoredEvent {
            seq: Seq::new(12),
            author: UserId::new(3),
            nick: "ana".into(),
            at: WallTime::from_millis(1_795_291_200_000),
            kind,
            text: text.into(),
            about: None,
            revised: None,
        }
    }

    #[test]
    fn a_message_has_its_documented_shape() {
        let event = event(EventKind::Posted, "hello\x1b[2J");
        assert_eq!(
            Record::new(Body::event("#lobby", &event)).to_string(),
            r##"{"v":1,"type":"message","in":"#lobby","seq":12,"from":"ana","at":"2026-11-21T20:00:00Z","text":"hello\u001b[2J"}"##
        );
    }

    #[test]
    fn kinds_have_types_of_their_own() {
        for (kind, name) in [(EventKind::Action, "action"), (EventKind::Topic, "topic")] {
            let event = event(kind, "x");
            let value: serde_json::Value =
                serde_json::from_str(&Record::new(Body::event("@bob", &event)).to_string()).unwrap();
            assert_eq!(value["type"], name);
            assert_eq!(value["in"], "@bob");
        }
    }

    #[test]
    fn a_record_is_one_line() {
        let event = event(EventKind::Posted, "one\ntwo");
        assert!(!Record::new(Body::event("#lobby", &event)).to_string().contains('\n'));
    }

    #[test]
    fn an_error_names_its_code_and_the_exit_code() {
        let refusal =
            Refusal::new(RefusalCode::NameInUse, "Somebody has this name.").suggesting(Some("ana2".into()));
        let failure = Failure::refused(&refusal);
        assert_eq!(
            Record::new(Body::failure(&failure)).to_string(),
            r#"{"v":1,"type":"error","code":"name-in-use","exit":6,"text":"Somebody has this name. Try ana2.","suggestion":"ana2"}"#
        );
    }

    #[test]
    fn presence_names_room_and_person() {
        let left = Record::new(Body::Left(Presence { r#in: "#lobby", name: "ana" }));
        assert_eq!(left.to_string(), r##"{"v":1,"type":"left","in":"#lobby","name":"ana"}"##);
        let renamed = Record::new(Body::Renamed { r#in: "#lobby", name: "ana", was: "anna" });
        assert_eq!(
            renamed.to_string(),
            r##"{"v":1,"type":"renamed","in":"#lobby","name":"ana","was":"anna"}"##
        );
    }
}
