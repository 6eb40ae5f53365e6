//! The screen as a person sees it, without a terminal.

use palabre_core::{
    client::TransferProgress,
    storage::{About, EventKind, StoredEvent},
};
use proptest::prelude::*;
use ratatui::{Terminal, backend::TestBackend};

use super::*;
use crate::connect::{
    chat::{self, Shown},
    screen::{
        draw,
        seat::{HOSTILE, KEYS, Seat, here, hit},
    },
};

/// What is said about messages, and what a person reads.
impl Seat {
    /// What became of a message: another text, or none.
    fn revises(&mut self, nick: &str, message: u64, text: &str) {
        let kind = if text.is_empty() { EventKind::Deleted } else { EventKind::Edited };
        let event = self.next_event(nick, kind, text);
        self.happens(1, StoredEvent { about: Some(about(message)), ..event });
    }

    /// Somebody thinks this of a message, or does not any more.
    fn reacts(&mut self, nick: &str, message: u64, reaction: &str, stands: bool) {
        let kind = if stands { EventKind::Reacted } else { EventKind::Unreacted };
        let event = self.next_event(nick, kind, reaction);
        self.happens(1, StoredEvent { about: Some(about(message)), ..event });
    }

    /// The lines that were sent since.
    fn sent(&mut self) -> Vec<String> {
        let effects = self.app.take_effects().into_iter();
        effects
            .filter_map(|effect| if let Effect::Line { line, .. } = effect { Some(line) } else { None })
            .collect()
    }

    fn types(&mut self, text: &str) -> &mut Self {
        for char in text.chars() {
            self.app.hear(Heard::Key(Key::plain(Code::Char(char))));
        }
        self
    }

    /// The rows of the screen, without the spaces at their ends.
    fn rows(&self) -> Vec<String> {
        let (columns, rows) = self.app.size;
        let mut terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        terminal
            .draw(|frame| {
                draw::draw(&self.app, frame.buffer_mut());
            })
            .unwrap();
        let buffer = terminal.backend().buffer().clone();
        buffer
            .content()
            .chunks(usize::from(columns))
            .map(|row| {
                let mut line = String::new();
                let mut skip = 0;
                for cell in row {
                    if skip == 0 {
                        line.push_str(cell.symbol());
                        skip = unicode_width::UnicodeWidthStr::width(cell.symbol()).max(1);
                    }
                    skip -= 1;
                }
                line.trim_end().to_owned()
            })
            .collect()
    }

    fn shows(&self, part: &str) -> bool {
        self.rows().iter().any(|row| row.contains(part))
    }
}

/// A message that something is about.
fn about(message: u64) -> About {
    About { id: message, name: "".into(), until: None }
}

#[test]
fn files_on_their_way_have_a_row_each_as_far_as_there_is_place() {
    let mut seat = Seat::new(60, 12);
    let step = |label: &str, is_upload, done, size, is_open| chat::Step {
        label: label.into(),
        is_upload,
        progress: TransferProgress { done, moved: done, from: 0, size, is_open },
    };
    let steps = vec![
        step("report.iso", true, 1 << 19, Some(1 << 20), true),
        step("#lobby/x", false, 17, None, false),
        step("empty", true, 0, Some(0), true),
        step("unseen", true, 0, Some(5), true),
    ];
    assert!(seat.app.follow_transfers(steps.clone()));
    assert!(!seat.app.follow_transfers(steps), "nothing has changed");
    let rows = seat.rows();
    assert_eq!(rows[7], " ↑ report.iso  ████████░░░░░░░░ 50 %  512.0 KiB of 1.0 MiB");
    assert_eq!(rows[8], " ↓ #lobby/x  17 B, waits");
    assert_eq!(rows[9], " ↑ empty  0 B");
    assert!(rows[10].starts_with(" ana"), "{rows:?}");
}

#[test]
fn a_chat_looks_like_this() {
    let mut seat = Seat::new(100, 12);
    seat.enter(2, "@cleo");
    seat.enter(1, "#lobby");
    seat.app.go_to(RoomId::new(1));
    seat.people(1, &["ana", "bob"].map(here));
    seat.says(
        1,
        "bob",
        "is this thing on? a line that is longer than the pane is wide goes on below its beginning",
    );
    seat.says(1, "ana", "it is");
    seat.says(2, "cleo", "psst");
    seat.types("and nothing was m");
    assert_eq!(
        seat.rows(),
        [
            " #lobby",
"1 #lobby        │                                                                      │ana",
            "2 @cleo        1│                                                                      │bob",
            "                │                                                                      │",
            "                │                                                                      │",
            "                │                                                                      │",
            "                │─── Saturday, 21 November 2026 ────────────────────────────────────── │",
            "                │20:00            bob  is this thing on? a line that is longer than    │",
            "                │                      the pane is wide goes on below its beginning    │",
            "                │20:00            ana  it is                                           │",
            " ana · F1 help                                                                           2:@cleo(1)",
            "#lobby> and nothing was m",
        ]
        .map(str::to_owned)
    );
}

#[test]
fn what_was_not_read_is_counted_and_marked() {
    let mut seat = Seat::new(80, 24);
    seat.enter(2, "#tea");
    seat.says(2, "bob", "read at once");
    seat.app.go_to(RoomId::new(1));
    seat.says(2, "bob", "while we looked elsewhere");
    seat.says(2, "bob", "ana: this is for you");
    assert!(seat.shows("2 #tea    2 !1"), "{:#?}", seat.rows());
    seat.presses("alt-a");
    let rows = seat.rows();
    let at = |part| rows.iter().position(|row| row.contains(part)).unwrap();
    assert!(at("read at once") < at("─ new ─") && at("─ new ─") < at("elsewhere"));
    assert!(!seat.shows(" 2 !1"));
}

#[test]
fn each_room_keeps_its_draft() {
    let mut seat = Seat::new(80, 24);
    seat.enter(2, "#tea");
    seat.types("for the tea").presses("alt-1").types("for the lobby");
    assert!(seat.shows("#lobby> for the lobby"));
    seat.presses("alt-right");
    assert!(seat.shows("#tea> for the tea"));
}

#[test]
fn a_room_is_gone_to_by_a_part_of_its_name() {
    let mut seat = Seat::new(80, 24);
    seat.enter(2, "#tea");
    seat.enter(3, "#gardening");
    seat.presses("ctrl-p").types("te");
    assert!(seat.shows("go to: te"));
    seat.presses("enter");
    assert!(seat.shows("#tea>"));
    assert!(seat.app.take_effects().contains(&Effect::Look(RoomId::new(2))));
}

#[test]
fn scrolling_shows_every_row_once() {
    let mut seat = Seat::new(80, 12);
    (1..=50).for_each(|number| seat.says(1, "bob", &format!("message {number}.")));
    assert!(seat.shows("message 50."));
    seat.presses("shift-up shift-up");
    assert!(!seat.shows("message 49.") && seat.shows("message 48."));
    assert!(seat.shows("Esc for the newest"));
    (0..100).for_each(|_| {
        seat.presses("shift-up");
    });
    let rows = seat.rows();
    assert!(rows[1].contains("Saturday") && rows[2].contains("message 1."), "{rows:#?}");
    seat.presses("pagedown");
    assert!(seat.shows("message 9.") && !seat.shows("message 1."));
    seat.says(1, "bob", "new one");
    assert!(!seat.shows("new one") && seat.shows("↓ 1 new"));
    seat.presses("escape");
    assert!(seat.shows("new one"));
}

#[test]
fn older_messages_are_asked_for_before_the_oldest_is_reached() {
    let mut seat = Seat::new(80, 12);
    seat.last = 100;
    (0..20).for_each(|_| seat.says(1, "bob", "x"));
    seat.app.take_effects();
    seat.presses("pageup");
    let older = Effect::Older { room: RoomId::new(1), before: Seq::new(101) };
    assert_eq!(seat.app.take_effects(), [older]);
    seat.presses("pageup");
    assert!(seat.app.take_effects().is_empty(), "it was asked for already");
}

#[test]
fn what_was_found_is_gone_to() {
    let mut seat = Seat::new(80, 12);
    (1..=50).for_each(|number| seat.says(1, "bob", &format!("message {number}.")));
    seat.presses("ctrl-f").types("AGE 7.").presses("enter");
    let rows = seat.rows();
    assert!(rows.iter().any(|row| row.contains("message 7.")), "{rows:#?}");
    assert!(seat.shows("find: AGE 7."));
    seat.presses("escape");
    assert!(seat.shows("#lobby>"));
}

#[test]
fn nothing_that_others_write_breaks_the_frame() {
    let mut seat = Seat::new(80, 14);
    seat.says(1, "bob", "\x1b[2J\x1b]0;owned\x07 and \u{202e}backwards");
    seat.says(1, "bob", "你好，世界 👩\u{200d}👩\u{200d}👧 ❤\u{fe0f} e\u{301}\u{301}\u{301}");
    seat.says(1, "bob", "שלום עולם (1) مرحبا");
    seat.says(1, "bob", &"x".repeat(200));
    let rows = seat.rows();
    assert!(rows.iter().all(|row| !row.chars().any(char::is_control)), "{rows:#?}");
    assert!(seat.shows("␛[2J␛]0;owned␇ and <202E>backwards"));
    assert!(seat.shows("你好，世界 👩\u{200d}👩\u{200d}👧"));
    assert!(rows[1..12].iter().all(|row| row.contains('│')), "{rows:#?}");
}

#[test]
fn a_window_that_is_too_small_says_so() {
    for (columns, rows) in [(1, 1), (39, 10), (40, 9), (10, 200)] {
        let seat = Seat::new(columns, rows);
        assert_eq!(seat.rows().len(), usize::from(rows));
        assert!(columns < 16 || seat.shows("40×10 is needed"), "{columns}×{rows}");
    }
    assert!(Seat::new(40, 10).shows("#lobby>"));
}

#[test]
fn a_mention_elsewhere_makes_a_noise_unless_it_is_not_wanted() {
    let mut seat = Seat::new(80, 24);
    seat.enter(2, "#tea");
    seat.app.take_effects();
    seat.says(1, "bob", "nothing");
    assert!(seat.app.take_effects().is_empty());
    seat.says(1, "bob", "ana, look");
    let notice = Effect::Notify { title: "bob in #lobby".into(), text: "ana, look".into() };
    assert_eq!(seat.app.take_effects(), [notice]);
    seat.presses("alt-1 alt-n alt-2");
    seat.app.take_effects();
    seat.says(1, "bob", "ana, look");
    assert!(seat.app.take_effects().is_empty());
}

#[test]
fn what_was_not_read_in_an_earlier_run_is_marked() {
    let mut seat = Seat::new(80, 24);
    seat.says(1, "bob", "read before");
    seat.shown(Shown::Read { room: RoomId::new(1), up_to: Seq::new(1) });
    seat.says(1, "bob", "not yet");
    let rows = seat.rows();
    let at = |part| rows.iter().position(|row| row.contains(part)).unwrap();
    assert!(at("read before") < at("─ new ─") && at("─ new ─") < at("not yet"), "{rows:#?}");
}

#[test]
fn emoji_are_chosen_from_a_list_with_their_names() {
    let mut seat = Seat::new(80, 24);
    seat.types("more :tea").presses("tab");
    assert!(seat.shows(":tea:") && seat.shows(":teapot:"), "{:#?}", seat.rows());
    seat.presses("down up enter");
    assert!(seat.shows("#lobby> more 🍵"), "{:#?}", seat.rows());
    seat.presses("ctrl-w").types(":x");
    seat.presses("tab escape");
    assert!(seat.shows(":x"));
}

#[test]
fn a_full_room_costs_no_more_than_what_is_seen() {
    let mut seat = Seat::new(120, 40);
    (0..13_000).for_each(|number| seat.says(1, "bob", &format!("message {number}")));
    assert_eq!(seat.app.room().log.len(), 12_000, "older ones are on the server");
    assert!(seat.app.take_effects().iter().any(|effect| matches!(effect, Effect::Forgot { .. })));
    seat.presses("pageup pageup");
    assert!(seat.shows("message 12920"));
}

fn any_key() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(KEYS)
}

/// Text with what might break a frame.
fn hostile() -> impl Strategy<Value = String> {
    let piece = proptest::sample::select(HOSTILE).prop_map(str::to_owned);
    let part = prop_oneof![any::<String>(), "[a-z ]{0,30}", piece];
    proptest::collection::vec(part, 0..4).prop_map(|parts| parts.concat())
}

#[derive(Clone, Debug)]
enum Step {
    Says { room: u64, nick: String, text: String },
    Presses(&'static str),
    Pastes(String),
    Resizes(u16, u16),
    Points(u16, u16),
    Told(String),
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1..3_u64, hostile(), hostile()).prop_map(|(room, nick, text)| Step::Says { room, nick, text }),
        6 => any_key().prop_map(Step::Presses),
        1 => hostile().prop_map(Step::Pastes),
        1 => (0..120_u16, 0..50_u16).prop_map(|(columns, rows)| Step::Resizes(columns, rows)),
        1 => (0..130_u16, 0..60_u16).prop_map(|(column, row)| Step::Points(column, row)),
        1 => hostile().prop_map(Step::Told),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Hostile text, keys and sizes: nothing panics, and nothing that the terminal would obey comes out.
    #[test]
    fn the_screen_takes_anything(steps in proptest::collection::vec(any_step(), 0..40)) {
        let mut seat = Seat::new(80, 24);
        seat.enter(2, "#tea");
        seat.people(1, &["ana", "bob", "\u{1b}[2J"].map(here));
        for step in steps {
            match step {
                Step::Says { room, nick, text } => seat.says(room, &nick, &text),
                Step::Presses(key) => { seat.presses(key); }
                Step::Pastes(text) => seat.app.hear(Heard::Paste(text)),
                Step::Resizes(columns, rows) => seat.app.size = (columns.max(1), rows.max(1)),
                Step::Points(column, row) => seat.app.hear(Heard::Click(Click::Press { column, row })),
                Step::Told(text) => seat.shown(Shown::Warning(text)),
            }
            seat.looks();
        }
    }
}

#[test]
fn what_was_found_is_a_list_with_the_newest_at_the_bottom() {
    let mut seat = Seat::new(80, 24);
    seat.enter(2, "#tea");
    seat.finds("green", vec![hit(2, 9, "green tea"), hit(1, 3, "green light")]);
    let rows = seat.rows();
    let row = |part: &str| rows.iter().position(|row| row.contains(part)).expect(part);
    assert!(row("that is all for green (2)") < row("#lobby bob: green light"));
    assert!(row("#lobby bob: green light") < row("#tea bob: green tea"));
    seat.presses("escape");
    assert!(!seat.shows("green light"));
    seat.presses("alt-s");
    assert!(seat.shows("green light"), "it is opened again");
}

#[test]
fn a_hit_that_is_here_is_gone_to_in_its_room() {
    let mut seat = Seat::new(80, 16);
    for number in 1..=100 {
        seat.says(1, "bob", &format!("line {number}."));
    }
    seat.enter(2, "#tea");
    seat.finds("line", vec![hit(1, 60, "line 60."), hit(1, 20, "line 20.")]);
    seat.presses("up enter");
    assert_eq!(seat.app.current(), Some(RoomId::new(1)));
    assert!(
        seat.shows(" found ") && seat.shows("line 20.") && seat.shows("line 18.") && seat.shows("line 23.")
    );
    assert!(!seat.shows("line 100."));
    seat.presses("escape");
    assert!(seat.shows("line 100.") && !seat.shows(" found "));
    seat.presses("alt-s down enter");
    assert!(seat.shows("line 60."), "the list is where it was left");
}

#[test]
fn what_is_missing_up_to_a_hit_is_asked_for_page_by_page() {
    let mut seat = Seat::new(80, 16);
    seat.last = 1_000;
    seat.says(1, "bob", "now");
    seat.finds("line", vec![hit(1, 950, "line 950.")]);
    seat.app.take_effects();
    seat.presses("enter");
    let older = |before| Effect::Older { room: RoomId::new(1), before: Seq::new(before) };
    assert_eq!(seat.app.take_effects(), [older(1_001)]);
    seat.hears_of_before(1, 980..1_001);
    assert_eq!(seat.app.take_effects(), [older(980)]);
    assert!(seat.shows("now"), "until it is here nothing moves");
    seat.hears_of_before(1, 930..980);
    assert_eq!(seat.app.take_effects(), []);
    assert!(seat.shows("line 950.") && seat.shows("line 947.") && seat.shows("line 953."));
}

#[test]
fn a_hit_that_is_not_kept_any_more_is_told_so() {
    let mut seat = Seat::new(80, 16);
    seat.says(1, "bob", "now");
    seat.last = 10;
    seat.says(1, "bob", "later");
    seat.finds("line", vec![hit(2, 5, "of a room that was left")]);
    seat.finds("line", vec![hit(1, 0, "line")]);
    seat.presses("enter");
    seat.hears_of_before(1, 1..1);
    assert!(seat.shows("not kept any more"));
}

#[test]
fn nothing_found_is_told_in_the_room() {
    let mut seat = Seat::new(80, 16);
    seat.finds("absent", Vec::new());
    assert!(seat.shows("nothing was found for absent"));
    seat.presses("alt-s");
    assert!(seat.shows("nothing was searched for yet"));
}

#[test]
fn up_on_an_empty_line_writes_the_last_own_message_anew() {
    let mut seat = Seat::new(80, 12);
    seat.says(1, "ana", "one");
    seat.says(1, "ana", "two");
    seat.says(1, "bob", "three");
    assert!(seat.presses("up").shows("#lobby edit> two"));
    seat.types("!").presses("enter");
    assert_eq!(seat.sent(), ["/edit =2 two!"]);
    assert!(seat.shows("#lobby>"));
    seat.revises("ana", 2, "two!");
    assert!(seat.shows("ana  two! (edited)"));
    // Nothing is sent where nothing was changed, and Escape gives it up.
    seat.presses("up enter");
    seat.presses("up").types("?").presses("escape");
    assert!(seat.sent().is_empty() && !seat.shows("edit>"));
    seat.revises("ana", 2, "");
    assert!(seat.shows("ana  (deleted)"));
    assert!(seat.presses("up").shows("#lobby edit> one"));
}

#[test]
fn up_twice_recalls_what_was_sent_and_so_does_up_after_a_command() {
    let mut seat = Seat::new(80, 12);
    seat.types("hello").presses("enter");
    seat.says(1, "ana", "hello");
    assert!(seat.presses("up").shows("#lobby edit> hello"));
    assert!(seat.presses("up").shows("#lobby> hello"));
    seat.presses("ctrl-u");
    seat.types("/members").presses("enter");
    assert!(seat.presses("up").shows("#lobby> /members"));
}

#[test]
fn a_selected_message_is_answered_edited_and_deleted() {
    let mut seat = Seat::new(80, 12);
    for (nick, text) in [("ana", "one"), ("bob", "two"), ("bob", "three")] {
        seat.says(1, nick, text);
    }
    seat.types("a draft");
    assert!(seat.presses("alt-up alt-up").shows("20:00▸           bob  two"));
    assert!(seat.presses("alt-q").shows("#lobby reply to bob>"));
    seat.types("yes").presses("enter");
    assert_eq!(seat.sent(), ["/reply =2 yes"]);
    assert!(seat.shows("#lobby> a draft") && !seat.shows("▸"));
    seat.presses("alt-up alt-up alt-up alt-e");
    assert!(seat.shows("#lobby edit> one"));
    seat.presses("escape");
    assert!(seat.shows("#lobby> a draft"));
    seat.presses("alt-up alt-x").presses("enter");
    assert_eq!(seat.sent(), ["/delete =3"]);
    // Past the newest nothing is selected.
    assert!(seat.presses("alt-up").shows("▸"));
    assert!(!seat.presses("alt-down").shows("▸"));
}

#[test]
fn selecting_scrolls() {
    let mut seat = Seat::new(80, 12);
    for number in 1..=40 {
        seat.says(1, "bob", &format!("line {number}."));
    }
    for _ in 0..30 {
        seat.presses("alt-up");
    }
    assert!(seat.shows("▸           bob  line 11."));
    for _ in 0..29 {
        seat.presses("alt-down");
    }
    assert!(seat.shows("▸           bob  line 40."));
}

#[test]
fn reactions_are_counted_under_their_message() {
    let mut seat = Seat::new(80, 12);
    seat.says(1, "ana", "tea?");
    seat.reacts("bob", 1, "👍", true);
    seat.reacts("ana", 1, "👍", true);
    seat.reacts("bob", 1, "+1", true);
    assert!(seat.shows("👍 2  +1 1"));
    seat.reacts("ana", 1, "👍", false);
    assert!(seat.shows("👍 1  +1 1"));
    seat.says(1, "bob", "yes");
    assert!(seat.presses("alt-k").shows("#lobby> /react =6"));
    seat.types(":tea:").presses("enter");
    assert_eq!(seat.sent(), ["/react =6 :tea:"]);
    seat.revises("ana", 1, "");
    assert!(!seat.shows("👍"));
}
