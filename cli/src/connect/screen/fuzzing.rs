//! What the fuzzer does to a screen: its bytes are a script of what others say, what is typed and how large the terminal is.

use std::time::Duration;

use palabre_core::{
    client::{RoomListed, StandingInfo, TransferProgress},
    ids::{RoomId, Seq, UserId},
    rights::{Role, RoomMode},
    storage::{About, EventKind, StoredEvent},
    time::WallTime,
};

use super::{
    app::{Link, Naming},
    seat::{HOSTILE, KEYS, Seat, here, hit, member},
    terminal::{Click, Decoder, Heard},
    theme::{Background, Depth, Palette, Theme},
};
use crate::{
    connect::chat::{Shown, Step, Time},
    failure::{ExitStatus, Failure},
    roster::Came,
};

/// What is beyond that of a script is not read.
const SCRIPT_BYTES_MAX: usize = 8 * 1024;
/// Cells that are drawn for a script; one goes on for as long as it stays below.
const CELLS_MAX: usize = 250_000;
/// Larger terminals are no other matter.
const COLUMNS_MAX: u16 = 500;
const ROWS_MAX: u16 = 200;

/// Numbers that break sums.
const EXTREMES: [u64; 5] = [u32::MAX as u64, i64::MAX as u64, u64::MAX / 1_000, u64::MAX - 1, u64::MAX];

/// Plays a script.
///
/// # Panics
/// If the screen does, or draws what a terminal would obey.
pub(crate) fn fuzz(data: &[u8]) {
    let mut script = Script(data.get(..SCRIPT_BYTES_MAX).unwrap_or(data));
    let mut seat = Seat::new(80, 24);
    seat.app.theme = script.theme();
    seat.enter(2, "#tea");
    seat.people(2, &["ana", "bob", "cleo"].map(here));
    let mut decoder = Decoder::default();
    let mut cells = 0;
    while !script.0.is_empty() && cells < CELLS_MAX {
        script.step(&mut seat, &mut decoder);
        seat.looks();
        cells += usize::from(seat.app.size.0) * usize::from(seat.app.size.1);
    }
}

/// Bytes that are still to be played. What is read past their end is 0.
struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    /// One thing that happens. The seeds know the numbers: new ones go to the end.
    fn step(&mut self, seat: &mut Seat, decoder: &mut Decoder) {
        match self.byte() % 24 {
            0 => {
                let (room, nick, text) = (self.room(), self.text(), self.text());
                seat.says(room, &nick, &text);
            }
            1 => drop(seat.presses(KEYS[usize::from(self.byte()) % KEYS.len()])),
            2 => self.types(seat, decoder),
            3 => seat.app.hear(Heard::Paste(self.text())),
            4 => seat.app.size = (1 + self.part_of(COLUMNS_MAX - 1), 1 + self.part_of(ROWS_MAX - 1)),
            5 => seat.app.hear(Heard::Click(self.click())),
            6 => self.sentence(seat),
            7 => {
                let (room, event) = (self.room(), self.event(seat));
                let time = if self.flag() { Time::Before } else { Time::Now };
                seat.shown(Shown::Event { room: RoomId::new(room), event, time });
            }
            8 => {
                seat.shown(Shown::PastEnd { room: RoomId::new(self.room()), first: Seq::new(self.number()) })
            }
            9 => {
                let (room, from) = (self.room(), self.number());
                seat.hears_of_before(room, from..from.saturating_add(u64::from(self.byte() % 32)));
            }
            10 => {
                let (room, sign, name) = (self.room(), if self.flag() { '@' } else { '#' }, self.text());
                seat.enter(room, &format!("{sign}{name}"));
            }
            11 => {
                let room = RoomId::new(self.room());
                if seat.views.iter().count() > 1 {
                    seat.views.remove(room);
                }
                seat.shown(Shown::Parted);
            }
            12 => {
                let room = self.room();
                let people = self.some(8, |script| (script.text(), script.byte() % 8));
                let people: Vec<(&str, u8)> =
                    people.iter().map(|(nick, how)| (nick.as_str(), *how)).collect();
                seat.people(room, &people);
            }
            13 => {
                let (room, name, came) = (RoomId::new(self.room()), self.text(), self.came());
                seat.shown(Shown::Came { room, name, came });
            }
            14 => self.link(seat),
            15 => seat.app.naming = Some(Naming { suggestion: self.flag().then(|| self.text()) }),
            16 => seat.app.me.nick = self.text(),
            17 => {
                let steps = self.some(5, Self::transfer);
                seat.app.follow_transfers(steps);
            }
            18 => {
                let text = self.text();
                let hits = self.some(20, |script| hit(script.room(), script.number(), &script.text()));
                seat.finds(&text, hits);
            }
            19 => seat.shown(self.list()),
            20 => seat.shown(Shown::Read { room: RoomId::new(self.room()), up_to: Seq::new(self.number()) }),
            21 => seat.shown(Shown::Trimmed { room: RoomId::new(self.room()), first: self.number() }),
            22 => {
                let now = &mut seat.app.now;
                let passed = Duration::from_millis(self.number());
                (now.monotonic, now.wall) = (now.monotonic.after(passed), now.wall.after(passed));
            }
            _ => seat.last = self.number(),
        }
    }

    /// What a terminal sends, through our reader of it.
    fn types(&mut self, seat: &mut Seat, decoder: &mut Decoder) {
        let (count, nothing_follows) = (self.byte(), self.flag());
        let mut heard = Vec::new();
        decoder.feed(self.bytes(count), &mut heard);
        if nothing_follows {
            decoder.decide(&mut heard);
        }
        heard.into_iter().for_each(|heard| seat.app.hear(heard));
    }

    fn theme(&mut self) -> Theme {
        let depths = [Depth::None, Depth::Sixteen, Depth::Indexed, Depth::True];
        let background = if self.flag() { Background::Light } else { Background::Dark };
        Theme::new(&Palette::of(background), depths[usize::from(self.byte()) % depths.len()])
    }

    fn click(&mut self) -> Click {
        let (how, column, row) = (self.byte(), self.part_of(COLUMNS_MAX), self.part_of(ROWS_MAX));
        match how % 4 {
            0 => Click::WheelUp { column, row },
            1 => Click::WheelDown { column, row },
            _ => Click::Press { column, row },
        }
    }

    /// What is told in words; they may quote others.
    fn sentence(&mut self, seat: &mut Seat) {
        let (how, text) = (self.byte(), self.text());
        let failure = |text| Failure::new(ExitStatus::Other, "fuzz", text);
        seat.shown(match how % 6 {
            0 => Shown::Status(text),
            1 => Shown::Text(text),
            2 => Shown::Failed(failure(text)),
            3 => Shown::Mend(text),
            4 => Shown::NotPosted { room: RoomId::new(self.room()), failure: failure(text) },
            _ => Shown::Warning(text),
        });
    }

    /// Any event, also one that no honest server would write.
    fn event(&mut self, seat: &mut Seat) -> StoredEvent {
        let kind = EventKind::from_number(self.byte() % 34).unwrap_or(EventKind::Action);
        let (nick, text) = (if self.flag() { "ana".into() } else { self.text() }, self.text());
        let mut event = seat.next_event(&nick, kind, &text);
        if self.flag() {
            let (id, name) = (self.number(), self.text().into());
            event.about =
                Some(About { id, name, until: self.flag().then(|| WallTime::from_millis(self.number())) });
        }
        if self.flag() {
            event.at = WallTime::from_millis(self.number());
            event.revised = self.flag().then(|| Seq::new(self.number()));
        }
        event
    }

    fn came(&mut self) -> Came {
        match self.byte() % 6 {
            0 => Came::Joined,
            1 => Came::Left,
            2 => Came::Lost,
            3 => Came::Back,
            4 => Came::Away,
            _ => Came::Renamed(self.text()),
        }
    }

    fn link(&mut self, seat: &mut Seat) {
        match self.byte() % 4 {
            0 => seat.shown(Shown::Online),
            1 => seat.shown(Shown::Queued(u32::try_from(self.number()).unwrap_or(u32::MAX))),
            2 => {
                let (why, retry_in) = (self.text(), Duration::from_millis(self.number()));
                seat.shown(Shown::Offline { why, retry_in });
            }
            _ => seat.app.link = Link::Connecting,
        }
    }

    fn transfer(&mut self) -> Step {
        let (label, is_upload) = (self.text(), self.flag());
        let (done, size, is_open) = (self.number(), self.flag().then(|| self.number()), self.flag());
        Step { label, is_upload, progress: TransferProgress { done, moved: done, from: 0, size, is_open } }
    }

    /// What was asked for.
    fn list(&mut self) -> Shown {
        let rooms = |script: &mut Self| {
            script.some(8, |script| RoomListed {
                id: RoomId::new(script.room()),
                name: script.text(),
                topic: script.text(),
                members: u32::from(script.byte()),
                last: Seq::new(script.number()),
            })
        };
        match self.byte() % 5 {
            0 => Shown::Members {
                room: RoomId::new(self.room()),
                members: self.some(8, |script| member(script.number(), &script.text(), script.byte() % 8)),
            },
            1 => Shown::Rights {
                place: self.text(),
                mode: RoomMode {
                    private: self.flag(),
                    read_only: self.flag(),
                    topic_locked: self.flag(),
                    closed: self.flag(),
                    slow_seconds: u32::try_from(self.number()).unwrap_or(u32::MAX),
                },
                standings: self.some(8, Self::standing),
            },
            2 => Shown::Rooms(rooms(self)),
            3 => Shown::RoomNames(rooms(self)),
            _ => Shown::Pong(Duration::from_millis(self.number())),
        }
    }

    fn standing(&mut self) -> StandingInfo {
        let until = |script: &mut Self| {
            script.flag().then(|| script.flag().then(|| WallTime::from_millis(script.number())))
        };
        StandingInfo {
            user: UserId::new(self.number()),
            name: self.text(),
            is_guest: self.flag(),
            role: if self.flag() { Role::Owner } else { Role::Moderator },
            invited: self.flag(),
            banned: until(self),
            muted: until(self),
        }
    }

    /// Text in one of the ways that reach much with few bytes.
    fn text(&mut self) -> String {
        let (form, count) = (self.byte(), self.byte());
        match form % 4 {
            0 => String::from_utf8_lossy(self.bytes(count)).into_owned(),
            1 => String::from_utf8_lossy(self.bytes(count % 16)).repeat(1 + usize::from(count)),
            2 => (0..count % 16).map(|_| HOSTILE[usize::from(self.byte()) % HOSTILE.len()]).collect(),
            _ => (0..count % 64).map(|_| self.char()).collect(),
        }
    }

    /// Any character.
    fn char(&mut self) -> char {
        let [high, middle, low] = [self.byte(), self.byte(), self.byte()].map(u32::from);
        char::from_u32(((high << 16) | (middle << 8) | low) % 0x11_0000)
            .unwrap_or(char::REPLACEMENT_CHARACTER)
    }

    fn some<T>(&mut self, most: u8, mut one: impl FnMut(&mut Self) -> T) -> Vec<T> {
        (0..self.byte() % (most + 1)).map(|_| one(self)).collect()
    }

    /// One of the rooms there are, or nearly.
    fn room(&mut self) -> u64 {
        1 + u64::from(self.byte() % 5)
    }

    /// A small number, or one that breaks sums.
    fn number(&mut self) -> u64 {
        let byte = self.byte();
        match 255_u8.checked_sub(byte).and_then(|index| EXTREMES.get(usize::from(index))) {
            Some(extreme) => *extreme,
            None => u64::from(byte),
        }
    }

    fn part_of(&mut self, whole: u16) -> u16 {
        u16::try_from(u32::from(self.byte()) * u32::from(whole) / 255).unwrap_or(whole)
    }

    fn flag(&mut self) -> bool {
        self.byte() % 2 == 1
    }

    fn byte(&mut self) -> u8 {
        self.bytes(1).first().copied().unwrap_or_default()
    }

    fn bytes(&mut self, count: u8) -> &'a [u8] {
        let (bytes, rest) = self.0.split_at(usize::from(count).min(self.0.len()));
        self.0 = rest;
        bytes
    }
}
