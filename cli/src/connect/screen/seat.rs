//! Somebody at the screen without a terminal, for tests and the fuzzer: what others say and what is typed goes in by the
//! doors of the real screen, and what would go to a terminal is looked at.

use std::ops::Range;

use jiff::tz::TimeZone;
use palabre_core::{
    client::{MemberInfo, RoomInfo},
    ids::{RoomId, Seq, UserId},
    rights::Role,
    storage::{EventKind, Hit, StoredEvent},
    time::{Monotonic, Now, WallTime},
    wire::state,
};
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};
use unicode_width::UnicodeWidthStr as _;

use super::{
    app::{App, Effect, Link, Me},
    frame::Frames,
    keys::Bindings,
    notice::{self, Way},
    terminal::Heard,
    theme::{Background, Depth, Palette, Theme},
};
use crate::connect::chat::{Shown, Time, Views};

/// 2026-11-21, 20:00 in UTC.
const EVENING: u64 = 1_795_291_200_000;

/// Keys that do something, and some that are only typed. The fuzzer's seeds know them by their places.
#[rustfmt::skip]
pub(super) const KEYS: &[&str] = &[
    "enter", "tab", "shift-tab", "up", "down", "left", "right", "pageup", "pagedown", "escape", "backspace",
    "alt-enter", "ctrl-f", "ctrl-p", "ctrl-r", "ctrl-w", "ctrl-k", "ctrl-y", "ctrl-_", "f1", "alt-a", "alt-1",
    "alt-2", "alt-right", "alt-m", "alt-r", "alt-n", "shift-up", "shift-down", "a", ":", "/", "é", "你", "?",
    "alt-up", "alt-down", "alt-q", "alt-e", "alt-x", "alt-k", "alt-s", "alt-3", "alt-left", "alt-b", "alt-f", "alt-d",
    "ctrl-a", "ctrl-e", "ctrl-u", "ctrl-t", "ctrl-x", "ctrl-c", "ctrl-l", "ctrl-z", "ctrl-d", "alt-o", "home", "end",
    "delete", "space", "@", "#", "t", "e",
];

/// Text with what might break a frame. The fuzzer's seeds know it by its places.
pub(super) const HOSTILE: &[&str] = &[
    "\x1b[2J\x1b]0;x\x07",
    "\u{202e}\u{200b}\u{feff}\u{9b}31m",
    "👩\u{200d}👩\u{200d}👧❤\u{fe0f}",
    "\u{301}\u{301}e\u{301}",
    "שלום (1) مرحبا",
    "你好\n\t\r",
    "\x1b\\\x1bP\x1b_\x1b^\x18\x1a\0\x7f\u{85}\u{9c}\u{9d}0;x\u{9c}",
    "\u{2066}\u{2069}\u{2028}\u{2029}\u{61c}\u{200f}\u{ad}\u{34f}\u{e0041}",
    "🇩🇪🇫\u{1f3fd}\u{20e3}\u{fe0f}\u{fe0e}\u{200d}",
    "กำ ﷽ ᄀ각 \u{1160}\u{3164} ｡ﾞ 𝔸",
    "ana @ana #lobby :tea: https://example.org/x ",
    "one two three four five six seven eight nine ten ",
    "/edit =1 x",
];

/// A screen with the rooms that it is about, and what its terminal shows.
pub(super) struct Seat {
    pub(super) app: App,
    pub(super) views: Views,
    /// The number of the last event, in whichever room.
    pub(super) last: u64,
    frames: Frames,
}

impl Seat {
    /// In the lobby, in a terminal of so many columns and rows and without colours.
    pub(super) fn new(columns: u16, rows: u16) -> Self {
        let theme = Theme::new(&Palette::of(Background::Dark), Depth::None);
        let bindings = Bindings::new([]).expect("the keys unless said are bound once");
        let now = Now { monotonic: Monotonic::ZERO, wall: WallTime::from_millis(EVENING) };
        let mut app = App::new(theme, bindings, TimeZone::UTC, "chat.example".into(), now);
        app.size = (columns, rows);
        app.me = Me { user: Some(UserId::new(1)), nick: "ana".into() };
        app.link = Link::Ready;
        let mut seat = Self { app, views: Views::default(), last: 0, frames: Frames::default() };
        seat.enter(1, "#lobby");
        seat
    }

    pub(super) fn shown(&mut self, shown: Shown) {
        self.app.take(shown, &self.views);
    }

    /// Into a room or, by an `@`, a conversation.
    pub(super) fn enter(&mut self, id: u64, name: &str) {
        let info = RoomInfo {
            id: RoomId::new(id),
            name: name.into(),
            topic: "".into(),
            first: Seq::new(1),
            last: Seq::new(0),
            with: name.strip_prefix('@').map(|name| (UserId::new(9), name.into())),
        };
        self.views.update(info);
        self.shown(Shown::Switched(RoomId::new(id)));
    }

    /// These are in a room.
    pub(super) fn people(&mut self, room: u64, people: &[(&str, u8)]) {
        let members: Vec<MemberInfo> =
            (1..).zip(people).map(|(user, (nick, how))| member(user, nick, *how)).collect();
        let room = RoomId::new(room);
        if let Some(view) = self.views.find(room) {
            view.roster.replace(&members);
        }
        self.shown(Shown::People { room, tell: false });
        self.app.prepare(&self.views);
    }

    /// The next event of a room, a second after the one before.
    pub(super) fn next_event(&mut self, nick: &str, kind: EventKind, text: &str) -> StoredEvent {
        self.last = self.last.saturating_add(1);
        StoredEvent {
            seq: Seq::new(self.last),
            author: UserId::new(if nick == "ana" { 1 } else { 2 }),
            nick: nick.into(),
            at: WallTime::from_millis(EVENING.saturating_add(self.last.saturating_mul(1_000))),
            kind,
            text: text.into(),
            about: None,
            revised: None,
        }
    }

    pub(super) fn happens(&mut self, room: u64, event: StoredEvent) {
        self.shown(Shown::Event { room: RoomId::new(room), event, time: Time::Now });
    }

    pub(super) fn says(&mut self, room: u64, nick: &str, text: &str) {
        let event = self.next_event(nick, EventKind::Posted, text);
        self.happens(room, event);
    }

    /// A page of what was said before: the numbers from one to another.
    pub(super) fn hears_of_before(&mut self, room: u64, seqs: Range<u64>) {
        let id = RoomId::new(room);
        for seq in seqs {
            let event = hit(room, seq, &format!("line {seq}.")).event;
            self.shown(Shown::Event { room: id, event, time: Time::Before });
        }
        self.shown(Shown::PastEnd { room: id, first: Seq::new(1) });
    }

    pub(super) fn finds(&mut self, text: &str, hits: Vec<Hit>) {
        self.shown(Shown::Found { text: text.into(), hits, more: false });
    }

    /// Keys by their names, between spaces.
    pub(super) fn presses(&mut self, keys: &str) -> &mut Self {
        for key in keys.split(' ') {
            self.app.hear(Heard::Key(key.parse().expect("the name of a key")));
        }
        self
    }

    /// Does what the screen asks for as far as the terminal is concerned, and draws.
    ///
    /// # Panics
    /// If something goes to the terminal that it would obey and that is not ours.
    pub(super) fn looks(&mut self) {
        for effect in self.app.take_effects() {
            match effect {
                Effect::Notify { title, text } => rings(&title, &text),
                // An editor that changes nothing.
                Effect::Edit(text) => self.app.edited(&text),
                Effect::Redraw => self.frames.forget(),
                Effect::Line { .. }
                | Effect::Say { .. }
                | Effect::Name(_)
                | Effect::Look(_)
                | Effect::Older { .. }
                | Effect::Forgot { .. }
                | Effect::Mouse(_)
                | Effect::Suspend
                | Effect::Leave
                | Effect::Interrupt => {}
            }
        }
        self.app.prepare(&self.views);
        let text = without_sequences(&self.frames.draw(&self.app));
        let text = String::from_utf8(text).expect("what is written is text");
        assert!(!text.chars().any(is_obeyed), "{text:?}");
        let (buffer, cursor) = self.frames.shown().expect("it was drawn just now");
        assert_eq!((buffer.area.width, buffer.area.height), self.app.size);
        fits(buffer, cursor);
    }
}

/// An event as it is found, in a room.
pub(super) fn hit(room: u64, seq: u64, text: &str) -> Hit {
    let event = StoredEvent {
        seq: Seq::new(seq),
        author: UserId::new(2),
        nick: "bob".into(),
        at: WallTime::from_millis(EVENING),
        kind: EventKind::Posted,
        text: text.into(),
        about: None,
        revised: None,
    };
    Hit { room: RoomId::new(room), event }
}

pub(super) fn member(user: u64, nick: &str, how: u8) -> MemberInfo {
    MemberInfo { user: UserId::new(user), nick: nick.into(), state: how, is_guest: true, role: Role::Member }
}

/// Somebody who is there.
pub(super) const fn here(nick: &str) -> (&str, u8) {
    (nick, state::HERE)
}

/// A notice rings, and says nothing to the terminal but what we do: those of ours are counted.
fn rings(title: &str, text: &str) {
    for (way, ours) in [(Way::Direct, 1 + 4), (Way::Tmux, 1 + 12)] {
        let bytes = notice::bytes(way, true, title, text);
        let told = String::from_utf8(bytes).expect("what is written is text");
        assert_eq!(told.chars().filter(|char| is_obeyed(*char)).count(), ours, "{told:?}");
    }
}

/// What the terminal is told, without the sequences that we write ourselves: a frame's two ends, places and styles.
fn without_sequences(bytes: &[u8]) -> Vec<u8> {
    const WHOLE: [&[u8]; 5] = [b"?2026h", b"?2026l", b"?25h", b"?25l", b"2J"];
    let mut text = Vec::new();
    let mut rest = bytes;
    while let Some((byte, after)) = rest.split_first() {
        if *byte != 0x1b {
            text.push(*byte);
            rest = after;
            continue;
        }
        let sequence = after.strip_prefix(b"[").expect("only control sequences are written");
        let is_parameter = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b';' | b':');
        let end = match sequence.iter().position(|byte| !is_parameter(byte)) {
            Some(end) if matches!(sequence[end], b'H' | b'm') => end + 1,
            Some(_) | None => WHOLE
                .iter()
                .find(|whole| sequence.starts_with(whole))
                .unwrap_or_else(|| panic!("not ours: {:?}", sequence.get(..16.min(sequence.len()))))
                .len(),
        };
        rest = &sequence[end..];
    }
    text
}

/// No cell has what a terminal would obey, whatever was written around it, and none is wider than its place; so is the
/// cursor in its own.
fn fits(buffer: &Buffer, cursor: Option<Position>) {
    let Rect { width, height, .. } = buffer.area;
    let columns = usize::from(width);
    for (index, cell) in buffer.content().iter().enumerate() {
        let symbol = cell.symbol();
        assert!(!symbol.chars().any(is_obeyed), "{symbol:?}");
        assert!(
            index % columns + symbol.width().max(1) <= columns,
            "{symbol:?} ends past the terminal's edge"
        );
    }
    assert!(cursor.is_none_or(|at| at.x < width && at.y < height), "{cursor:?} in {width}×{height}");
}

/// A control character, or one that turns others around.
fn is_obeyed(char: char) -> bool {
    char.is_control()
        || matches!(char, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_we_write_is_left_out_and_nothing_else() {
        assert_eq!(
            without_sequences(b"\x1b[?2026h\x1b[0m\x1b[2J\x1b[1;20Hab\x1b[38;2;1;2;3mc\x1b[?2026l"),
            b"abc"
        );
        for others in
            ["\x1b]0;x\x07", "\x1b[3J", "\x1b[?1049l", "\x1b[5n", "\x1bc", "\x1b", "\x1b[", "\x1b[1"]
        {
            let caught = std::panic::catch_unwind(|| without_sequences(others.as_bytes()));
            assert!(caught.is_err(), "{others:?}");
        }
    }

    #[test]
    fn a_notice_that_carries_others_sequences_would_be_seen() {
        rings("bob in #tea", "\x1b\\\x1b]0;x\x07\u{9c}");
        let mut buffer = Buffer::empty(Rect { x: 0, y: 0, width: 2, height: 1 });
        fits(&buffer, Some(Position { x: 1, y: 0 }));
        for (column, symbol) in [(0, "\x1b"), (0, "\u{9b}"), (0, "\u{202e}"), (1, "你")] {
            let mut broken = buffer.clone();
            broken[(column, 0)].set_symbol(symbol);
            assert!(std::panic::catch_unwind(|| fits(&broken, None)).is_err(), "{symbol:?}");
        }
        buffer[(0, 0)].set_symbol("你");
        fits(&buffer, None);
        assert!(std::panic::catch_unwind(|| fits(&buffer, Some(Position { x: 2, y: 0 }))).is_err());
    }
}
