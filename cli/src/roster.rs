//! Who is in a room, as far as is known.

use std::collections::BTreeMap;

use palabre_core::{
    client::{MemberChange, MemberInfo},
    ids::UserId,
    wire::state,
};

/// The members of a room. It begins empty and is complete once a list was taken in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Roster {
    members: BTreeMap<UserId, Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    nick: String,
    state: u8,
}

/// What a change comes to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Came {
    /// Became a member.
    Joined,
    /// Left the room, left the server, or did not come back in time.
    Left,
    /// Was cut off.
    Lost,
    /// Is there again, after having been away or lost.
    Back,
    /// Went away.
    Away,
    /// Took another name; this was the former.
    Renamed(String),
}

impl Roster {
    /// Takes in a whole list.
    pub(crate) fn replace(&mut self, members: &[MemberInfo]) {
        self.members = members
            .iter()
            .map(|member| (member.user, Entry { nick: member.nick.clone(), state: member.state }))
            .collect();
    }

    /// Takes in a change; what it comes to, unless that was known already.
    pub(crate) fn apply(&mut self, change: &MemberChange) -> Option<Came> {
        if matches!(change.state, state::LEFT | state::GONE | state::EXPIRED) {
            // Somebody who came and went between two notices was never seen here.
            return self.members.remove(&change.user).map(|_| Came::Left);
        }
        let entry = Entry { nick: change.nick.clone(), state: change.state };
        let before = self.members.insert(change.user, entry);
        if let Some(was) = &change.was {
            return Some(Came::Renamed(was.clone()));
        }
        let was = before.map(|entry| entry.state);
        match (was, change.state) {
            (None, state::HERE) => Some(Came::Joined),
            (Some(state::AWAY | state::LOST), state::HERE) => Some(Came::Back),
            (was, state::AWAY) if was != Some(state::AWAY) => Some(Came::Away),
            (was, state::LOST) if was != Some(state::LOST) => Some(Came::Lost),
            (_, _) => None,
        }
    }

    /// The names, in alphabetical order, with what is special about each.
    pub(crate) fn names(&self) -> Vec<(&str, u8)> {
        let mut names: Vec<_> =
            self.members.values().map(|entry| (entry.nick.as_str(), entry.state)).collect();
        names.sort_by_key(|(nick, _)| nick.to_lowercase());
        names
    }
}

#[cfg(test)]
mod tests {
    use palabre_core::rights::Role;

    use super::*;

    fn change(user: u64, nick: &str, state: u8, was: Option<&str>) -> MemberChange {
        MemberChange {
            user: UserId::new(user),
            nick: nick.into(),
            state,
            is_guest: true,
            role: Role::Member,
            was: was.map(Into::into),
        }
    }

    #[test]
    fn changes_come_to_what_people_call_them() {
        let mut roster = Roster::default();
        assert_eq!(roster.apply(&change(1, "ana", state::HERE, None)), Some(Came::Joined));
        assert_eq!(roster.apply(&change(1, "ana", state::HERE, None)), None);
        assert_eq!(roster.apply(&change(1, "ana", state::LOST, None)), Some(Came::Lost));
        assert_eq!(roster.apply(&change(1, "ana", state::HERE, None)), Some(Came::Back));
        assert_eq!(roster.apply(&change(1, "ana", state::AWAY, None)), Some(Came::Away));
        let renamed = roster.apply(&change(1, "anna", state::AWAY, Some("ana")));
        assert_eq!(renamed, Some(Came::Renamed("ana".into())));
        assert_eq!(roster.names(), [("anna", state::AWAY)]);
        assert_eq!(roster.apply(&change(1, "anna", state::GONE, None)), Some(Came::Left));
        assert!(roster.names().is_empty());
    }

    #[test]
    fn who_was_never_seen_does_not_leave() {
        assert_eq!(Roster::default().apply(&change(1, "ana", state::GONE, None)), None);
    }

    #[test]
    fn an_unknown_state_is_no_news() {
        let mut roster = Roster::default();
        roster.apply(&change(1, "ana", state::HERE, None));
        assert_eq!(roster.apply(&change(1, "ana", 99, None)), None);
    }
}
