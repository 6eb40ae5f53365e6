//! The one table of slash commands: for reading a line, for help and for completion.

use alloc::string::String;
use core::fmt;

use crate::rights::Act;

/// A command as a person types it.
#[derive(Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, without the slash, in lower case.
    pub name: &'static str,
    /// Other names for it.
    pub aliases: &'static [&'static str],
    /// What comes after the name, in capitals; what may be left out in brackets. Empty where nothing may come.
    pub arguments: &'static str,
    /// What it does, in one line.
    pub help: &'static str,
    pub(super) verb: Verb,
}

/// What a command does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Me,
    Message,
    Reply,
    Edit,
    React,
    Unreact,
    Delete,
    Join,
    Part,
    Rooms,
    Members,
    Govern(Act),
    Mode,
    Rights,
    Nick,
    Topic,
    Away,
    Back,
    History,
    Search,
    Upload,
    Download,
    Files,
    Cancel,
    Face(&'static str),
    Ping,
    Help,
    Quit,
}

const fn entry(
    name: &'static str,
    aliases: &'static [&'static str],
    arguments: &'static str,
    help: &'static str,
    verb: Verb,
) -> Entry {
    Entry { name, aliases, arguments, help, verb }
}

const fn govern(act: Act) -> Verb {
    Verb::Govern(act)
}

const MODE_HELP: &str = "show or set: private, read-only, topic-locked, slow 30s";
const SHRUG: Verb = Verb::Face(r"¯\_(ツ)_/¯");
const TABLEFLIP: Verb = Verb::Face("(╯°□°)╯︵ ┻━┻");
const UNFLIP: Verb = Verb::Face("┬─┬ノ( º _ ºノ)");

static TABLE: [Entry; 39] = [
    entry("msg", &["m", "query", "w", "dm"], "NAME [TEXT]", "write to somebody alone", Verb::Message),
    entry("me", &[], "TEXT", "say what you do: /me waves", Verb::Me),
    entry("reply", &["re"], "TEXT", "answer what was said last, or before (^2)", Verb::Reply),
    entry("edit", &[], "TEXT", "write your last message anew, or one before (^2)", Verb::Edit),
    entry("react", &[], "[^N] EMOJI", "react to what was said last, or before (^2)", Verb::React),
    entry("unreact", &[], "[^N] EMOJI", "take a reaction back", Verb::Unreact),
    entry("delete", &["del"], "[^N]", "delete your last message, or another (^2)", Verb::Delete),
    entry("join", &["j"], "ROOM", "enter a room, made if there is none", Verb::Join),
    entry("part", &["leave"], "[ROOM]", "leave this room, or another", Verb::Part),
    entry("rooms", &["list"], "", "list the rooms there are", Verb::Rooms),
    entry("members", &["names", "who"], "[ROOM]", "list who is in this room, or another", Verb::Members),
    entry("nick", &[], "NAME", "take another name", Verb::Nick),
    entry("topic", &[], "[TEXT or -]", "show the room's topic, set it, or clear it with -", Verb::Topic),
    entry("invite", &[], "NAME [WHY]", "let somebody into a private room", govern(Act::Invite)),
    entry("uninvite", &[], "NAME [WHY]", "take an invitation back", govern(Act::Uninvite)),
    entry("kick", &[], "NAME [WHY]", "put somebody out of this room", govern(Act::Kick)),
    entry("ban", &[], "NAME [TIME] [WHY]", "put out and keep out: /ban eve 7d spam", govern(Act::Ban)),
    entry("unban", &[], "NAME [WHY]", "let somebody in again", govern(Act::Unban)),
    entry("mute", &[], "NAME [TIME] [WHY]", "keep somebody from writing: /mute eve 10m", govern(Act::Mute)),
    entry("unmute", &[], "NAME [WHY]", "let somebody write again", govern(Act::Unmute)),
    entry("op", &[], "NAME [WHY]", "make somebody a moderator", govern(Act::Promote)),
    entry("deop", &[], "NAME [WHY]", "take somebody's role back", govern(Act::Demote)),
    entry("owner", &[], "NAME [WHY]", "make somebody an owner of this room", govern(Act::Own)),
    entry("mode", &[], "[WORDS]", MODE_HELP, Verb::Mode),
    entry("rights", &["bans"], "", "show who has which rights in this room", Verb::Rights),
    entry("away", &[], "", "say that you are away, or here again", Verb::Away),
    entry("back", &[], "", "say that you are here again", Verb::Back),
    entry("history", &[], "[N]", "show earlier messages of this room", Verb::History),
    entry("search", &["find"], "TEXT", "search what was said in your rooms", Verb::Search),
    entry("upload", &[], "PATH", "share a file of yours in this room", Verb::Upload),
    entry("download", &[], "NAME", "take a file of this room into your folder", Verb::Download),
    entry("files", &[], "", "list the files of this room", Verb::Files),
    entry("cancel", &[], "[NAME]", "stop an upload or a download", Verb::Cancel),
    entry("shrug", &[], "[TEXT]", r"say the text and ¯\_(ツ)_/¯", SHRUG),
    entry("tableflip", &[], "[TEXT]", "say the text and (╯°□°)╯︵ ┻━┻", TABLEFLIP),
    entry("unflip", &[], "[TEXT]", "say the text and ┬─┬ノ( º _ ºノ)", UNFLIP),
    entry("ping", &[], "", "measure the way to the server and back", Verb::Ping),
    entry("help", &[], "[COMMAND]", "show the commands and the manual, or one command", Verb::Help),
    entry("quit", &["q", "exit"], "", "leave the server", Verb::Quit),
];

/// Every command, in the order of help.
#[must_use]
pub fn table() -> &'static [Entry] {
    &TABLE
}

/// The command with this name or alias, without the slash; case does not matter.
#[must_use]
pub fn find(name: &str) -> Option<&'static Entry> {
    TABLE.iter().find(|entry| entry.names().any(|known| known.eq_ignore_ascii_case(name)))
}

/// The table as text, a command a line: usage, what it does, other names.
#[must_use]
pub fn help() -> String {
    let width = TABLE.iter().map(|entry| entry.usage_width()).max().unwrap_or_default();
    let mut text = String::new();
    for entry in &TABLE {
        let line = entry.help_line(width);
        fmt::Write::write_fmt(&mut text, format_args!("{line}\n")).expect("a String takes any text");
    }
    text
}

impl Entry {
    /// The name, then the aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        core::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// How the command is typed, like `/join ROOM`.
    #[must_use]
    pub fn usage(&self) -> impl fmt::Display {
        Usage { name: self.name, arguments: self.arguments }
    }

    /// Its line of help, with the usage in a column of `usage_columns`.
    #[must_use]
    pub fn help_line(&self, usage_columns: usize) -> impl fmt::Display {
        HelpLine { entry: self, padding: usage_columns.saturating_sub(self.usage_width()) }
    }

    const fn usage_width(&self) -> usize {
        let space = if self.arguments.is_empty() { 0 } else { 1 };
        1 + self.name.len() + space + self.arguments.len()
    }
}

struct Usage {
    name: &'static str,
    arguments: &'static str,
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let space = if self.arguments.is_empty() { "" } else { " " };
        write!(f, "/{}{space}{}", self.name, self.arguments)
    }
}

struct HelpLine<'a> {
    entry: &'a Entry,
    padding: usize,
}

impl fmt::Display for HelpLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:padding$}  {}", self.entry.usage(), "", self.entry.help, padding = self.padding)?;
        for (index, alias) in self.entry.aliases.iter().enumerate() {
            let before = if index == 0 { "; also" } else { "" };
            write!(f, "{before} /{alias}")?;
        }
        Ok(())
    }
}
