//! Who has which rights, in words.

use palabre_core::{
    client::StandingInfo,
    rights::{Role, RoomMode},
    storage::{EventKind, StoredEvent},
    time::WallTime,
};

use super::{LocalTime, Printable, about_file};

/// What is particular about somebody, for people.
pub(crate) fn standing_words(standing: &StandingInfo, now: WallTime) -> String {
    let mut words = Vec::new();
    if standing.role > Role::Member {
        words.push(standing.role.to_string());
    }
    if standing.invited {
        words.push("invited".to_owned());
    }
    for (what, until) in [("banned", standing.banned), ("muted", standing.muted)] {
        match until {
            Some(Some(until)) => words.push(format!("{what} until {}", LocalTime::new(until, now))),
            Some(None) => words.push(what.to_owned()),
            None => {}
        }
    }
    words.join(", ")
}

/// What kind of room it is and who has which rights there, a line each.
pub(crate) fn rights_lines(
    place: &str,
    mode: RoomMode,
    standings: &[StandingInfo],
    now: WallTime,
) -> Vec<String> {
    let first = format!("{} is {mode}", Printable::new(place));
    let others =
        standings.iter().map(|one| format!("  {}  {}", Printable::new(&one.name), standing_words(one, now)));
    std::iter::once(first).chain(others).collect()
}

/// What somebody did about rights or a file, without the name of who did: `banned eve until 12:03: spam`. Fit for a
/// terminal.
pub(crate) fn act_sentence(event: &StoredEvent, now: WallTime) -> String {
    let text = Printable::new(&event.text);
    let (before, after) = match event.kind {
        EventKind::Mode => return format!("made the room {text}"),
        EventKind::Noted => {
            let about = event.about.as_ref().map(|about| format!(" ({})", Printable::new(&about.name)));
            return format!("did in {text}{}", about.unwrap_or_default());
        }
        EventKind::Invited => ("invited ", ""),
        EventKind::Uninvited => ("took the invitation of ", " back"),
        EventKind::Kicked => ("put ", " out"),
        EventKind::Banned => ("banned ", ""),
        EventKind::Unbanned => ("let ", " in again"),
        EventKind::Muted => ("muted ", ""),
        EventKind::Unmuted => ("let ", " write again"),
        EventKind::Promoted => ("made ", " a moderator"),
        EventKind::Demoted => ("took the role of ", " back"),
        EventKind::Owned => ("made ", " an owner"),
        EventKind::FileShared | EventKind::FileDeleted => return about_file(event.kind, &event.text),
        EventKind::Posted
        | EventKind::Action
        | EventKind::Topic
        | EventKind::Edited
        | EventKind::Deleted
        | EventKind::Reacted
        | EventKind::Unreacted => ("", ""),
    };
    let name = event.about.as_ref().map_or("somebody", |about| &*about.name);
    let until = event.about.as_ref().and_then(|about| about.until);
    let until = until.map(|until| format!(" until {}", LocalTime::new(until, now))).unwrap_or_default();
    let why = if event.text.is_empty() { String::new() } else { format!(": {text}") };
    format!("{before}{}{after}{until}{why}", Printable::new(name))
}
