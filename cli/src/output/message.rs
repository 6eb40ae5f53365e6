//! An event of a room as lines for people.

use std::fmt;

use palabre_core::{
    storage::{EventFamily, EventKind, StoredEvent},
    time::WallTime,
    transfer::SharedFile,
};

use super::{LocalTime, Printable, Size, Style, act_sentence};

/// What the lines of all messages have in common.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Layout {
    /// The colours.
    pub(crate) style: Style,
    /// Today.
    pub(crate) now: WallTime,
}

/// `12:03 ana: text`, with further lines of the text set apart so that none of them can pass for a message.
pub(crate) struct MessageLines<'a> {
    event: &'a StoredEvent,
    place: Option<&'a str>,
    /// What it answers, in few words.
    quoted: Option<String>,
    layout: Layout,
}

impl<'a> MessageLines<'a> {
    /// The lines of an event; with its place where that is not obvious.
    pub(crate) const fn new(event: &'a StoredEvent, place: Option<&'a str>, layout: Layout) -> Self {
        Self { event, place, quoted: None, layout }
    }

    /// With what it answers.
    pub(crate) fn quoting(self, quoted: Option<String>) -> Self {
        Self { quoted, ..self }
    }
}

impl fmt::Display for MessageLines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { event, place, quoted, layout: Layout { style, now } } = self;
        write!(f, "{} ", style.quiet(LocalTime::new(event.at, *now)))?;
        if let Some(place) = place {
            write!(f, "{} ", style.quiet(Printable::new(place)))?;
        }
        let nick = style.name(&event.nick, Printable::new(&event.nick));
        match event.kind.family() {
            EventFamily::Message => {
                let (before, after) = if event.kind == EventKind::Action { ("* ", " ") } else { ("", ": ") };
                write!(f, "{before}{nick}")?;
                match (quoted, event.to()) {
                    (Some(quoted), _) => write!(f, " {}", style.quiet(format_args!("[↳ {quoted}]")))?,
                    (None, Some(to)) => write!(f, " {}", style.quiet(format_args!("[↳ ={to}]")))?,
                    (None, None) => {}
                }
                f.write_str(after)?;
                if event.is_deleted() {
                    return write!(f, "{}", style.quiet("(deleted)"));
                }
            }
            EventFamily::Revision if event.kind == EventKind::Edited => {
                write!(f, "* {nick} edited ={}: ", event.to().unwrap_or_default())?;
                if event.text.is_empty() {
                    return write!(f, "{}", style.quiet("(deleted)"));
                }
            }
            EventFamily::Reaction => {
                let verb = if event.kind == EventKind::Reacted { "reacted" } else { "no longer reacts" };
                let (to, reaction) = (event.to().unwrap_or_default(), Printable::new(&event.text));
                return write!(f, "* {nick} {verb} to ={to}: {reaction}");
            }
            EventFamily::Revision => {
                return write!(f, "* {nick} deleted ={}", event.to().unwrap_or_default());
            }
            EventFamily::Topic if event.text.is_empty() => return write!(f, "* {nick} cleared the topic"),
            EventFamily::Topic => write!(f, "* {nick} set the topic: ")?,
            EventFamily::Act | EventFamily::File => {
                return write!(f, "* {nick} {}", act_sentence(event, *now));
            }
        }
        for (index, line) in event.text.split('\n').enumerate() {
            let before = if index == 0 { "" } else { "\n      | " };
            write!(f, "{before}{}", Printable::new(line))?;
        }
        if event.is_edited() {
            write!(f, " {}", style.quiet("(edited)"))?;
        }
        Ok(())
    }
}

/// What an event about a file says of it: `shared report.iso (3.1 GiB)`.
pub(crate) fn about_file(kind: EventKind, text: &str) -> String {
    let verb = match (kind == EventKind::FileDeleted, SharedFile::has_expired(text)) {
        (true, true) => "shared too long ago:",
        (true, false) => "deleted",
        (false, _) => "shared",
    };
    // Of what a later server says otherwise, the first line is the name.
    match SharedFile::parse(text) {
        Some(file) => format!("{verb} {} ({})", Printable::new(file.name.as_str()), Size(file.size)),
        None => format!("{verb} {}", Printable::new(text.lines().next().unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use palabre_core::{
        ids::{Seq, UserId},
        storage::About,
    };

    use super::*;

    fn lines(kind: EventKind, text: &str, place: Option<&str>) -> String {
        let now = WallTime::from_millis(1_795_291_200_000);
        let event = StoredEvent {
            seq: Seq::new(1),
            author: UserId::new(1),
            nick: "ana".into(),
            at: now,
            kind,
            text: text.into(),
            about: None,
            revised: None,
        };
        let layout = Layout { style: Style::new(false), now };
        let lines = MessageLines::new(&event, place, layout).to_string();
        lines.split_once(' ').unwrap().1.to_owned()
    }

    #[test]
    fn each_kind_reads_as_what_it_is() {
        assert_eq!(lines(EventKind::Posted, "hello", None), "ana: hello");
        assert_eq!(lines(EventKind::Action, "waves", None), "* ana waves");
        assert_eq!(lines(EventKind::Topic, "tea", None), "* ana set the topic: tea");
        assert_eq!(lines(EventKind::Topic, "", None), "* ana cleared the topic");
        assert_eq!(lines(EventKind::Posted, "hello", Some("#tea")), "#tea ana: hello");
    }

    #[test]
    fn acts_say_upon_whom_and_why() {
        let now = WallTime::from_millis(1_795_291_200_000);
        let about = About { id: 2, name: "eve".into(), until: None };
        let event = StoredEvent {
            seq: Seq::new(1),
            author: UserId::new(1),
            nick: "ana".into(),
            at: now,
            kind: EventKind::Banned,
            text: "spam\nbob: b".into(),
            about: Some(about),
            revised: None,
        };
        let shown = MessageLines::new(&event, None, Layout { style: Style::new(false), now }).to_string();
        assert_eq!(shown.split_once(' ').unwrap().1, "* ana banned eve: spam␊bob: b");
        assert_eq!(lines(EventKind::Mode, "private slow=30", None), "* ana made the room private slow=30");
    }

    #[test]
    fn no_line_of_a_text_can_pass_for_a_message() {
        assert_eq!(lines(EventKind::Posted, "a\n20:00 bob: b", None), "ana: a\n      | 20:00 bob: b");
        assert_eq!(lines(EventKind::Posted, "a\rbob: b", None), "ana: a␍bob: b");
    }
}
