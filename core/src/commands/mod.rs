//! What a person types: text to say, or a slash command.
//!
//! ```
//! use palabre_core::commands::{Command, Input, parse};
//!
//! assert_eq!(parse("hello")?, Input::Say { text: "hello".into() });
//! assert_eq!(parse("//join is how one joins")?, Input::Say { text: "/join is how one joins".into() });
//! assert!(matches!(parse("/j tea")?, Input::Command(Command::Join { room }) if room.as_str() == "#tea"));
//! assert_eq!(
//!     parse("/jion tea").unwrap_err().to_string(),
//!     "There is no command /jion; did you mean /join? To say it as it stands, type // instead of /.",
//! );
//! # Ok::<(), palabre_core::commands::CommandError>(())
//! ```

mod table;
#[cfg(test)]
mod tests;

use alloc::{borrow::ToOwned as _, format, string::String};
use core::{fmt, num::NonZeroU16};

use self::table::Verb;
pub use self::table::{Entry, find, help, table};
use crate::{
    client::ModeChange,
    ids::Seq,
    name::{NameError, Nick, RoomName, nearest, printable},
    rights::Act,
};

/// The manual that a server shows unless its operator gives another: plain text, at most 4 KiB.
pub const MANUAL: &str = include_str!("manual.txt");

/// A line as it is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// An empty line, or white space.
    Nothing,
    /// Something to say where one is.
    Say {
        /// Not empty; without the white space that was at its end.
        text: String,
    },
    /// Something to do.
    Command(Command),
}

/// Something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Post what one does.
    Me {
        /// Not empty.
        text: String,
    },
    /// Post to the direct conversation with somebody, or only open it.
    Message {
        /// With whom.
        to: Nick,
        /// Not empty.
        text: Option<String>,
    },
    /// Answer a message of the room shown.
    Reply {
        /// Which; unless said, the last of somebody else.
        message: Option<MessageChoice>,
        /// Not empty.
        text: String,
    },
    /// Write a message of one's own anew.
    Edit {
        /// Which; the last unless said.
        message: Option<MessageChoice>,
        /// Not empty.
        text: String,
    },
    /// React to a message, or take that back.
    React {
        /// Which; unless said, the last of somebody else.
        message: Option<MessageChoice>,
        /// With what.
        reaction: String,
        /// Whether it is taken back.
        take_back: bool,
    },
    /// Delete a message.
    Delete {
        /// Which; unless said, the last of one's own.
        message: Option<MessageChoice>,
    },
    /// Become a member of a room.
    Join {
        /// Which.
        room: RoomName,
    },
    /// Stop being a member.
    Part {
        /// Of which room; the one shown unless said.
        room: Option<RoomName>,
    },
    /// List the rooms.
    Rooms,
    /// List the members.
    Members {
        /// Of which room; the one shown unless said.
        room: Option<RoomName>,
    },
    /// Do something to somebody in the room shown.
    Govern {
        /// What.
        act: Act,
        /// To whom.
        name: Nick,
        /// For how long, in seconds; for good unless said.
        seconds: Option<u64>,
        /// Why, or nothing.
        reason: String,
    },
    /// Change what kind of room the one shown is.
    SetMode {
        /// What is to change.
        change: ModeChange,
    },
    /// Show who has which rights in the room shown, and what kind of room it is.
    Rights,
    /// Take another name.
    Nick {
        /// Which.
        nick: Nick,
    },
    /// Show the topic of the room shown.
    Topic,
    /// Set the topic of the room shown.
    SetTopic {
        /// Empty to clear it.
        text: String,
    },
    /// Be away, or here again if one is away.
    ToggleAway,
    /// Be here again.
    Back,
    /// Show earlier events.
    History {
        /// How many; as many as the client thinks fit unless said.
        events: Option<NonZeroU16>,
    },
    /// Search what was said.
    Search {
        /// What is typed to look for; not empty.
        text: String,
    },
    /// Share a file in the room shown.
    Upload {
        /// Where it is here, as it was typed.
        path: String,
    },
    /// Take a file of the room shown.
    Download {
        /// What it is called there, as it was typed.
        name: String,
    },
    /// List the files of the room shown.
    Files,
    /// Stop a transfer.
    Cancel {
        /// Of which file; of the only one unless said.
        name: Option<String>,
    },
    /// Measure the round trip.
    Ping,
    /// Show the table and the manual, or one entry.
    Help {
        /// Which.
        command: Option<&'static Entry>,
    },
    /// Leave the server.
    Quit,
}

/// Which message of a room is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MessageChoice {
    /// The last is 1: typed `^1`, or `^` alone.
    FromEnd(NonZeroU16),
    /// By its number: typed `=12`.
    Number(Seq),
}

/// Why a line is neither. Nothing of it may be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// No such command.
    Unknown {
        /// What was typed, printable, without the slash.
        typed: String,
        /// The name of the one that may have been meant.
        meant: Option<&'static str>,
    },
    /// An argument is missing, or not what it must be.
    Arguments {
        /// Of which command.
        entry: &'static Entry,
    },
    /// More was typed than the command takes.
    Surplus {
        /// The command.
        entry: &'static Entry,
    },
    /// An argument must be a name and is not.
    Name {
        /// What was typed, printable.
        typed: String,
        /// Why it is none.
        error: NameError,
    },
}

/// Reads a line.
///
/// A slash begins a command, even after white space; two stand for one in a text.
///
/// # Errors
/// For an unknown command, and for arguments that do not fit.
pub fn parse(line: &str) -> Result<Input, CommandError> {
    let line = line.trim_end();
    let start = line.trim_start();
    if start.is_empty() {
        return Ok(Input::Nothing);
    }
    if start.eq_ignore_ascii_case("!members") {
        return Ok(Input::Command(Command::Members { room: None }));
    }
    let Some(command) = start.strip_prefix('/') else { return Ok(Input::Say { text: line.to_owned() }) };
    if command.starts_with('/') {
        let indent = &line[..line.len() - start.len()];
        return Ok(Input::Say { text: format!("{indent}{command}") });
    }
    let (name, rest) = split_word(command);
    parse_command(find(name).ok_or_else(|| unknown(name))?, rest)
}

fn parse_command(entry: &'static Entry, rest: &str) -> Result<Input, CommandError> {
    let mut arguments = Arguments { entry, rest };
    let command = match entry.verb {
        Verb::Me => Command::Me { text: arguments.text()?.to_owned() },
        Verb::Message => Command::Message { to: arguments.nick()?, text: arguments.optional_text() },
        Verb::Reply => Command::Reply { message: arguments.message(), text: arguments.text()?.to_owned() },
        Verb::Edit => Command::Edit { message: arguments.message(), text: arguments.text()?.to_owned() },
        Verb::React => arguments.reaction(false)?,
        Verb::Unreact => arguments.reaction(true)?,
        Verb::Delete => Command::Delete {
            message: match arguments.message() {
                None => arguments.number()?.map(MessageChoice::FromEnd),
                chosen => chosen,
            },
        },
        Verb::Join => Command::Join { room: arguments.room()?.ok_or_else(|| arguments.missing())? },
        Verb::Part => Command::Part { room: arguments.room()? },
        Verb::Rooms => Command::Rooms,
        Verb::Members => Command::Members { room: arguments.room()? },
        Verb::Govern(act) => Command::Govern {
            act,
            name: arguments.nick()?,
            seconds: if act.may_end() { arguments.time() } else { None },
            reason: arguments.optional_text().unwrap_or_default(),
        },
        Verb::Mode => match arguments.mode()? {
            Some(change) => Command::SetMode { change },
            None => Command::Rights,
        },
        Verb::Rights => Command::Rights,
        Verb::Nick => Command::Nick { nick: arguments.nick()? },
        Verb::Topic => match arguments.optional_text() {
            None => Command::Topic,
            Some(text) if text == "-" => Command::SetTopic { text: String::new() },
            Some(text) => Command::SetTopic { text },
        },
        Verb::Away => Command::ToggleAway,
        Verb::Back => Command::Back,
        Verb::History => Command::History { events: arguments.number()? },
        Verb::Search => Command::Search { text: arguments.text()?.to_owned() },
        Verb::Upload => Command::Upload { path: arguments.text()?.to_owned() },
        Verb::Download => Command::Download { name: arguments.text()?.to_owned() },
        Verb::Files => Command::Files,
        Verb::Cancel => Command::Cancel { name: arguments.optional_text() },
        Verb::Face(face) => {
            let text =
                arguments.optional_text().map_or_else(|| face.to_owned(), |text| format!("{text} {face}"));
            return Ok(Input::Say { text });
        }
        Verb::Ping => Command::Ping,
        Verb::Help => Command::Help { command: arguments.command()? },
        Verb::Quit => Command::Quit,
    };
    arguments.end()?;
    Ok(Input::Command(command))
}

/// The arguments of a command, taken off one by one.
struct Arguments<'a> {
    entry: &'static Entry,
    rest: &'a str,
}

impl<'a> Arguments<'a> {
    fn word(&mut self) -> Option<&'a str> {
        let (word, rest) = split_word(self.rest);
        self.rest = rest;
        (!word.is_empty()).then_some(word)
    }

    fn text(&mut self) -> Result<&'a str, CommandError> {
        let text = core::mem::take(&mut self.rest);
        if text.is_empty() { Err(self.missing()) } else { Ok(text) }
    }

    fn optional_text(&mut self) -> Option<String> {
        let text = core::mem::take(&mut self.rest);
        (!text.is_empty()).then(|| text.to_owned())
    }

    /// A nickname, with or without the `@` of a mention.
    fn nick(&mut self) -> Result<Nick, CommandError> {
        let word = self.word().ok_or_else(|| self.missing())?;
        Nick::parse(word.strip_prefix('@').unwrap_or(word)).map_err(|error| not_a_name(word, error))
    }

    /// A room, with or without its `#`.
    fn room(&mut self) -> Result<Option<RoomName>, CommandError> {
        let Some(word) = self.word() else { return Ok(None) };
        let room = match RoomName::parse(word) {
            Err(NameError::NoHash) => RoomName::parse(&format!("#{word}")),
            parsed => parsed,
        };
        room.map(Some).map_err(|error| not_a_name(word, error))
    }

    /// How long something lasts, like `30m`, if that is what comes: the reason may begin with any other word.
    fn time(&mut self) -> Option<u64> {
        let (word, rest) = split_word(self.rest);
        let seconds = parse_time(word)?;
        self.rest = rest;
        Some(seconds)
    }

    /// What kind of room it shall be, in words.
    fn mode(&mut self) -> Result<Option<ModeChange>, CommandError> {
        let mut change = ModeChange::default();
        let mut said = false;
        while let Some(word) = self.word() {
            said = true;
            match word {
                "private" => change.private = Some(true),
                "public" => change.private = Some(false),
                "read-only" => change.read_only = Some(true),
                "open" => change.read_only = Some(false),
                "topic-locked" => change.topic_locked = Some(true),
                "topic-free" => change.topic_locked = Some(false),
                "closed" => change.closed = Some(true),
                "unclosed" => change.closed = Some(false),
                "fast" => change.slow_seconds = Some(0),
                "slow" => {
                    let seconds = self.word().and_then(parse_time).and_then(|time| u32::try_from(time).ok());
                    change.slow_seconds = Some(seconds.ok_or_else(|| self.missing())?);
                }
                _ => return Err(self.missing()),
            }
        }
        Ok(said.then_some(change))
    }

    /// Which message is meant, if that is what comes: any other word begins the text.
    fn message(&mut self) -> Option<MessageChoice> {
        let (word, rest) = split_word(self.rest);
        let choice = match (word.strip_prefix('^'), word.strip_prefix('=')) {
            (Some(""), _) => MessageChoice::FromEnd(NonZeroU16::MIN),
            (Some(back), _) => MessageChoice::FromEnd(back.parse().ok()?),
            (None, Some(number)) => MessageChoice::Number(Seq::new(number.parse().ok()?)),
            (None, None) => return None,
        };
        self.rest = rest;
        Some(choice)
    }

    fn reaction(&mut self, take_back: bool) -> Result<Command, CommandError> {
        let message = self.message();
        let reaction = self.word().ok_or_else(|| self.missing())?.to_owned();
        Ok(Command::React { message, reaction, take_back })
    }

    fn number(&mut self) -> Result<Option<NonZeroU16>, CommandError> {
        let Some(word) = self.word() else { return Ok(None) };
        word.parse().map(Some).map_err(|_| self.missing())
    }

    /// A command, with or without its slash.
    fn command(&mut self) -> Result<Option<&'static Entry>, CommandError> {
        let Some(word) = self.word() else { return Ok(None) };
        let name = word.strip_prefix('/').unwrap_or(word);
        find(name).map(Some).ok_or_else(|| unknown(name))
    }

    const fn missing(&self) -> CommandError {
        CommandError::Arguments { entry: self.entry }
    }

    const fn end(&self) -> Result<(), CommandError> {
        if self.rest.is_empty() { Ok(()) } else { Err(CommandError::Surplus { entry: self.entry }) }
    }
}

/// A time in seconds from `90s`, `30m`, `12h` or `7d`; a number needs its unit, so that a reason may begin with one.
#[must_use]
pub fn parse_time(text: &str) -> Option<u64> {
    let unit = match text.as_bytes().last()? {
        b's' => 1,
        b'm' => 60,
        b'h' => 3_600,
        b'd' => 86_400,
        _ => return None,
    };
    let number: u64 = text.get(..text.len() - 1)?.parse().ok()?;
    number.checked_mul(unit).filter(|seconds| *seconds > 0)
}

/// The first word, and what follows it after white space.
fn split_word(text: &str) -> (&str, &str) {
    match text.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim_start()),
        None => (text, ""),
    }
}

fn unknown(name: &str) -> CommandError {
    let meant = nearest(name, table().iter().flat_map(Entry::names));
    CommandError::Unknown { typed: printable(name), meant }
}

fn not_a_name(word: &str, error: NameError) -> CommandError {
    CommandError::Name { typed: printable(word), error }
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { typed, meant } => {
                write!(f, "There is no command /{typed}; ")?;
                match meant {
                    Some(meant) => write!(f, "did you mean /{meant}?")?,
                    None => f.write_str("/help lists them.")?,
                }
                f.write_str(" To say it as it stands, type // instead of /.")
            }
            Self::Arguments { entry } => write!(f, "/{} is typed so: {}", entry.name, entry.usage()),
            Self::Surplus { entry } => {
                write!(f, "That is more than /{} takes: {}", entry.name, entry.usage())
            }
            Self::Name { typed, error } => write!(f, "{typed}: {error}"),
        }
    }
}

impl core::error::Error for CommandError {}
