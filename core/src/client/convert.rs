//! From what stands on the wire to what the application is told, with the checks that the wire types leave out.

use alloc::{sync::Arc, vec::Vec};

use super::{DeviceInfo, FileInfo, MemberChange, MemberInfo, RoomInfo, RoomListed, StandingInfo};
use crate::{
    error::{ProtocolError, Refusal, RefusalCode},
    ids::Seq,
    name::RoomName,
    rights::Role,
    storage::{About, EventKind, Hit, StoredEvent},
    transfer::{FileName, Subtree, outline_from_bytes},
    wire::{self, Change, Device, File, Listed, LogEvent, Member, Refused, Room, Standing, role, state},
};

pub(super) fn refusal(refused: &Refused<'_>) -> Refusal {
    Refusal {
        // A later server may know more codes; its sentence still says what is wrong.
        code: RefusalCode::from_number(refused.code).unwrap_or(RefusalCode::NotPossible),
        text: refused.text.into(),
        about: refused.about.into(),
        suggestion: refused.suggestion.map(Into::into),
    }
}

/// A room with the name of a room, or a direct conversation with somebody.
pub(super) fn room(room: &Room<'_>) -> Result<RoomInfo, ProtocolError> {
    let (name, with): (Arc<str>, _) = match (room.name, room.with_user, room.with_nick) {
        ("", Some(user), Some(nick)) => ("".into(), Some((user, nick.into()))),
        (name, None, None) => (room_name(name)?.as_str().into(), None),
        _ => return Err(ProtocolError::MalformedBody),
    };
    Ok(RoomInfo { id: room.room, name, topic: room.topic.into(), first: room.first, last: room.last, with })
}

pub(super) fn listed(listed: &Listed<'_>) -> Result<RoomListed, ProtocolError> {
    Ok(RoomListed {
        id: listed.room,
        name: room_name(listed.name)?.as_str().into(),
        topic: listed.topic.into(),
        members: listed.members,
        last: listed.last,
    })
}

fn room_name(name: &str) -> Result<RoomName, ProtocolError> {
    RoomName::parse(name).map_err(|_| ProtocolError::MalformedBody)
}

pub(super) fn member(member: &Member<'_>) -> MemberInfo {
    let state = match member.state {
        known @ (state::HERE | state::AWAY | state::LOST) => known,
        _ => state::HERE,
    };
    MemberInfo {
        user: member.user,
        nick: member.nick.into(),
        state,
        is_guest: member.role == role::GUEST,
        role: rank(member.role),
    }
}

pub(super) fn device(device: &Device<'_>) -> DeviceInfo {
    DeviceInfo {
        device: device.device,
        name: device.name.into(),
        since: device.since,
        seen: device.seen,
        is_this: device.this,
    }
}

/// What a number of [`role`] says of the room rather than of the kind of user.
const fn rank(number: u8) -> Role {
    match number {
        role::MODERATOR => Role::Moderator,
        role::OWNER => Role::Owner,
        _ => Role::Member,
    }
}

/// One whom something is particular about.
pub(super) fn standing(standing: &Standing<'_>) -> StandingInfo {
    StandingInfo {
        user: standing.user,
        name: standing.name.into(),
        is_guest: standing.role == role::GUEST,
        role: rank(standing.role),
        invited: standing.invited,
        banned: standing.banned.then_some(standing.banned_until),
        muted: standing.muted.then_some(standing.muted_until),
    }
}

pub(super) fn file(file: &File<'_>) -> Result<FileInfo, ProtocolError> {
    Ok(FileInfo {
        name: FileName::parse(file.name).map_err(|_| ProtocolError::MalformedBody)?,
        version: file.version,
        size: file.size,
        hash: file.hash,
        executable: file.executable,
        by: file.by,
        nick: file.nick.into(),
        at: file.at,
    })
}

/// The outline of a file's content.
pub(super) fn outline(bytes: &[u8]) -> Result<Vec<Subtree>, ProtocolError> {
    outline_from_bytes(bytes).ok_or(ProtocolError::MalformedBody)
}

/// The changes whose state is known; others are to be ignored.
pub(super) fn changes(changes: &[Change<'_>]) -> Vec<MemberChange> {
    let known = changes.iter().filter(|change| (state::HERE..=state::EXPIRED).contains(&change.state));
    known
        .map(|change| MemberChange {
            user: change.user,
            nick: change.nick.into(),
            state: change.state,
            is_guest: change.role == role::GUEST,
            role: rank(change.role),
            was: change.was.map(Into::into),
        })
        .collect()
}

/// The event, or nothing if it is of a later kind.
pub(super) fn event(event: &LogEvent<'_>) -> Option<StoredEvent> {
    let kind = EventKind::from_number(event.kind)?;
    Some(StoredEvent {
        seq: event.seq,
        author: event.author,
        nick: event.nick.into(),
        at: event.at,
        kind,
        text: event.text.into(),
        about: event.about.as_ref().map(|about| About {
            id: about.id,
            name: about.name.into(),
            until: about.until,
        }),
        revised: event.revised,
    })
}

/// The event that was found, or nothing if it is of a later kind.
pub(super) fn hit(hit: &wire::Hit<'_>) -> Option<Hit> {
    Some(Hit { room: hit.room, event: event(&hit.event)? })
}

/// The events of a page, which must be ascending, without holes and below `before`.
pub(super) fn page(events: &[LogEvent<'_>], before: Option<Seq>) -> Result<Vec<StoredEvent>, ProtocolError> {
    let ascending =
        events.windows(2).all(|pair| matches!(pair, [a, b] if a.seq < b.seq && a.seq.next() == b.seq));
    let below = match (events.last(), before) {
        (Some(last), Some(before)) => last.seq < before,
        (None, _) | (_, None) => true,
    };
    if ascending && below {
        Ok(events.iter().filter_map(event).collect())
    } else {
        Err(ProtocolError::SequenceBroken)
    }
}
