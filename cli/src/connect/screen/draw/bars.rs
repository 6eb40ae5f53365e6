//! The bars: what a room is about above its messages, how things are below them.

use palabre_core::client::TransferProgress;
use ratatui::{buffer::Buffer, layout::Rect};

use super::{fill, put};
use crate::{
    connect::{
        chat::Step,
        screen::{
            app::{Anchor, App, Link, Overlay, Past},
            text::{Row, Span},
        },
    },
    output::Size,
};

/// How wide the bar of a file on its way is.
const BAR_COLUMNS: u64 = 16;

/// The room and its topic.
pub(super) fn topic(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    let room = app.room();
    fill(buffer, area, theme.bar);
    let place = if room.place.is_empty() { app.server.as_str() } else { room.place.as_str() };
    let mut spans = vec![Span::new(" ", theme.bar), Span::new(place, theme.bar_strong)];
    if !room.topic.is_empty() {
        let topic = room.topic.replace('\n', " ");
        spans.extend([Span::new("  ", theme.bar), Span::new(&topic, theme.bar)]);
    }
    put(buffer, area.x, area.y, &Row::cut(&spans, area.width.into()), theme.bar);
}

/// How far files on their way are.
pub(super) fn transfers(app: &App, area: Rect, buffer: &mut Buffer) {
    for (y, step) in (area.top()..area.bottom()).zip(&app.transfers) {
        let row = Row::cut(&[Span::new(&step_row(step), app.theme.quiet)], area.width.into());
        put(buffer, area.x, y, &row, app.theme.text);
    }
}

fn step_row(step: &Step) -> String {
    let TransferProgress { done, size, is_open, .. } = step.progress;
    let way = if step.is_upload { '↑' } else { '↓' };
    let waits = if is_open { "" } else { ", waits" };
    let Some(size) = size.filter(|size| *size > 0) else {
        return format!(" {way} {}  {}{waits}", step.label, Size(done));
    };
    let part = |of: u64| u64::try_from(u128::from(done.min(size)) * u128::from(of) / u128::from(size));
    let (full, percent) = (part(BAR_COLUMNS).unwrap_or(0), part(100).unwrap_or(0));
    let bar: String = (0..BAR_COLUMNS).map(|column| if column < full { '█' } else { '░' }).collect();
    format!(" {way} {}  {bar} {percent} %  {} of {}{waits}", step.label, Size(done), Size(size))
}

/// Who one is, how the connection is, what waits, and where something happened.
pub(super) fn status(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    let room = app.room();
    fill(buffer, area, theme.bar);
    let mut left = vec![Span::new(" ", theme.bar)];
    let mut say = |text: String, strong: bool| {
        let style = if strong { theme.bar_strong } else { theme.bar };
        if left.len() > 1 {
            left.push(Span::new(" · ", theme.bar));
        }
        left.push(Span::new(&text, style));
    };
    match &app.link {
        Link::Connecting => say(format!("connecting to {} …", app.server), true),
        Link::Ready => say(app.me.nick.clone(), false),
        Link::Waiting(position) => say(format!("waiting for a place, position {position}"), true),
        Link::Offline { why, retry_at } => {
            let seconds = retry_at.since(app.now.monotonic).as_millis().div_ceil(1_000);
            let when = if seconds == 0 { "now".into() } else { format!("in {seconds} s") };
            say(format!("{why}; trying again {when}"), true);
        }
    }
    match room.anchor {
        Anchor::Bottom => {}
        Anchor::At { .. } if room.unread > 0 => say(format!("↓ {} new, Esc to go there", room.unread), true),
        Anchor::At { .. } => say("↓ Esc for the newest".into(), false),
    }
    if room.past == Past::Asked {
        say("loading …".into(), false);
    }
    let waiting: usize = app.rooms.iter().map(|room| room.outbox.len()).sum();
    if waiting > 0 {
        say(format!("{waiting} to send"), false);
    }
    if app.overlay == Overlay::None && app.link == Link::Ready && room.anchor == Anchor::Bottom {
        say("F1 help".into(), false);
    }
    let active = active_rooms(app);
    let right = Row::cut(&active, usize::from(area.width) / 2);
    let left = Row::cut(&left, usize::from(area.width).saturating_sub(right.width() + 1));
    put(buffer, area.x, area.y, &left, theme.bar);
    let right_width = u16::try_from(right.width()).unwrap_or(area.width);
    put(buffer, area.right().saturating_sub(right_width), area.y, &right, theme.bar);
}

/// The rooms with something unread, by the numbers of the keys that go there.
fn active_rooms(app: &App) -> Vec<Span> {
    let theme = &app.theme;
    let mut spans = Vec::new();
    for (index, room) in app.rooms.iter().enumerate() {
        if room.unread == 0 || Some(room.id) == app.current() {
            continue;
        }
        let style = if room.mentions > 0 { theme.bar.patch(theme.mention) } else { theme.bar_strong };
        let mention = if room.mentions > 0 { "!" } else { "" };
        let number = index + 1;
        spans.push(Span::new(&format!("{number}:{}({}{mention}) ", room.place, room.unread), style));
    }
    spans
}
