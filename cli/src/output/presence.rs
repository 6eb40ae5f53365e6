//! Who comes and goes, as records and as quiet lines.

use super::{
    Printable,
    json::{Body, Presence},
};
use crate::roster::Came;

/// What came of a change: the record and the line.
pub(crate) fn presence<'a>(place: &'a str, name: &'a str, came: &'a Came) -> (Body<'a>, String) {
    let who = Presence { r#in: place, name };
    let shown = Printable::new(name);
    match came {
        Came::Joined => (Body::Joined(who), format!("{shown} joined")),
        Came::Left => (Body::Left(who), format!("{shown} left")),
        Came::Lost => (Body::Lost(who), format!("{shown} is offline")),
        Came::Back => (Body::Back(who), format!("{shown} is back")),
        Came::Away => (Body::Away(who), format!("{shown} is away")),
        Came::Renamed(was) => {
            let line = format!("{} is now {shown}", Printable::new(was));
            (Body::Renamed { r#in: place, name, was }, line)
        }
    }
}
