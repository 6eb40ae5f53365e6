//! Who has which rights, in words.

use palabre_core::{client::StandingInfo, rights::Role, time::WallTime};

use super::LocalTime;

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
