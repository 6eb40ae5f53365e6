//! The messages of a room.

use palabre_core::{
    client::OutboxState,
    ids::Seq,
    storage::{EventFamily, EventKind},
};
use ratatui::{buffer::Buffer, layout::Rect, style::Style};

use super::put;
use crate::{
    connect::screen::{
        app::{Anchor, App, Entry, Overlay, Room, Said, Stamp, Tone, What, mentions, traffic},
        text::{Glyph, Row, Span, wrap},
    },
    output::beginning,
};

/// Columns of a time and the space behind it.
const TIME_COLUMNS: usize = 6;
/// Columns of a name, where there is room to give them a column of their own.
const NAME_COLUMNS: usize = 14;
/// From how many columns on.
const COLUMNS_WITH_NAMES: u16 = 56;

/// Draws the messages from the last that is seen upwards.
pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) {
    let room = app.room();
    let mut y = area.bottom();
    let (mut entry, mut hidden) = match room.anchor {
        Anchor::Bottom => {
            let waiting: Vec<Row> = room
                .outbox
                .iter()
                .flat_map(|waiting| waiting_rows(app, &waiting.text, waiting.state, area.width))
                .collect();
            for row in waiting.iter().rev() {
                if y == area.top() {
                    return;
                }
                y -= 1;
                put(buffer, area.x, y, row, app.theme.text);
            }
            (room.log.end() - 1, 0)
        }
        Anchor::At { entry, hidden } => (entry.min(room.log.end() - 1), hidden),
    };
    while y > area.top() && entry >= room.log.first() {
        for row in entry_rows(app, room, entry, area.width).iter().rev().skip(hidden) {
            if y == area.top() {
                return;
            }
            y -= 1;
            put(buffer, area.x, y, row, app.theme.text);
        }
        hidden = 0;
        entry -= 1;
    }
}

/// The rows of an entry, with the lines that stand before it: of another day, of what was not read yet.
pub(crate) fn entry_rows(app: &App, room: &Room, number: i64, width: u16) -> Vec<Row> {
    let Some(entry) = room.log.get(number) else { return Vec::new() };
    let mut rows = Vec::new();
    let before = room.log.get(number - 1);
    if before.is_none_or(|before| before.stamp.date != entry.stamp.date) {
        let label = entry.stamp.date.strftime("%A, %-d %B %Y").to_string();
        rows.push(ruled(&label, app.theme.day, width));
    }
    if let (What::Said(said), Some(from)) = (&entry.what, room.unread_from)
        && said.seq == from
    {
        rows.push(ruled("new", app.theme.unread, width));
    }
    if let (What::Said(said), Some(pointed_at)) = (&entry.what, room.pointed_at)
        && said.seq == pointed_at
    {
        rows.push(ruled("found", app.theme.day, width));
    }
    let mut own = own_rows(app, room, entry, width);
    if let (What::Said(said), Some(selected)) = (&entry.what, room.selected)
        && said.seq == selected
    {
        // Between the time and the name.
        for mark in own.iter_mut().filter_map(|row| row.glyphs.get_mut(TIME_COLUMNS - 1)) {
            *mark = Glyph { symbol: "▸".into(), width: 1, style: app.theme.found };
        }
    }
    rows.extend(own);
    rows
}

/// A line across the pane with a word in it.
fn ruled(label: &str, style: Style, width: u16) -> Row {
    let width = usize::from(width);
    let label = Row::cut(&[Span::new(&format!(" {label} "), style)], width.saturating_sub(4));
    let rule = |columns| Row::cut(&[Span::new(&"─".repeat(columns), style)], columns);
    let rest = width.saturating_sub(3 + label.width());
    rule(3.min(width)).then(label).then(rule(rest))
}

fn own_rows(app: &App, room: &Room, entry: &Entry, width: u16) -> Vec<Row> {
    let theme = &app.theme;
    match &entry.what {
        What::Said(said) => said_rows(app, room, entry.stamp, said, width),
        What::Traffic(came) => {
            let text = Span::new(&traffic(came), theme.quiet);
            laid_out(app, Some(entry.stamp), Span::new("·", theme.quiet), false, &[vec![text]], width)
        }
        What::Told { text, tone } => {
            let style = match tone {
                Tone::Quiet => theme.quiet,
                Tone::Plain => theme.text,
                Tone::Alarm => theme.alarm,
            };
            let lines: Vec<Vec<Span>> = text.split('\n').map(|line| vec![Span::new(line, style)]).collect();
            laid_out(app, Some(entry.stamp), Span::new("·", theme.quiet), false, &lines, width)
        }
    }
}

fn said_rows(app: &App, room: &Room, stamp: Stamp, said: &Said, width: u16) -> Vec<Row> {
    let theme = &app.theme;
    let name = theme.name(&said.nick);
    let style = if said.is_mention { theme.mention } else { theme.text };
    let mut lines: Vec<Vec<Span>> = said.text.split('\n').map(|line| spans(app, line, style)).collect();
    if said.is_deleted() {
        lines = vec![vec![Span::new("(deleted)", theme.quiet)]];
    } else if let (Some(last), true, true) = (lines.last_mut(), said.is_message(), said.revised.is_some()) {
        last.push(Span::new(" (edited)", theme.quiet));
    }
    if said.is_message() && !said.is_deleted() {
        lines.extend(reactions(app, room, said.seq));
    }
    let before = |lines: &mut Vec<Vec<Span>>, words: &[(&str, Style)]| {
        if let Some(first) = lines.first_mut() {
            first.splice(0..0, words.iter().map(|(text, style)| Span::new(text, *style)));
        }
    };
    let mark = match said.kind.family() {
        EventFamily::Message if said.kind == EventKind::Posted => {
            if let Some(to) = said.to {
                lines.insert(0, vec![Span::new(&quote(room, to), theme.quiet)]);
            }
            return laid_out(app, Some(stamp), Span::new(&said.nick, name), true, &lines, width);
        }
        EventFamily::Message => {
            before(&mut lines, &[(&said.nick, name), (" ", style)]);
            "*"
        }
        EventFamily::Topic if said.text.is_empty() => {
            before(&mut lines, &[(&said.nick, name), (" cleared the topic", theme.quiet)]);
            "*"
        }
        EventFamily::Topic => {
            before(&mut lines, &[(&said.nick, name), (" set the topic: ", theme.quiet)]);
            "*"
        }
        // Revisions and reactions are shown where what they change is.
        EventFamily::Act | EventFamily::File | EventFamily::Revision | EventFamily::Reaction => {
            before(&mut lines, &[(&said.nick, name), (" ", theme.quiet)]);
            "*"
        }
    };
    laid_out(app, Some(stamp), Span::new(mark, theme.quiet), false, &lines, width)
}

/// What people think of a message, with how many do; one's own stand out.
fn reactions(app: &App, room: &Room, message: Seq) -> Option<Vec<Span>> {
    let counts = room.reactions.of(message, app.me.user);
    let spans = counts.iter().enumerate().map(|(index, count)| {
        let space = if index == 0 { "" } else { "  " };
        let style = if count.is_own { app.theme.mention } else { app.theme.quiet };
        Span::new(&format!("{space}{} {}", count.reaction, count.people), style)
    });
    (!counts.is_empty()).then(|| spans.collect())
}

/// How many characters of a message are quoted where it is answered.
const QUOTED_CHARS: usize = 60;

/// The message that is answered, in one line.
fn quote(room: &Room, to: Seq) -> String {
    match room.log.message(to) {
        Some(said) if said.is_deleted() => format!("↳ {}: (deleted)", said.nick),
        Some(said) => format!("↳ {}: {}", said.nick, beginning(&said.text, QUOTED_CHARS)),
        None => "↳ an earlier message".into(),
    }
}

/// A message of ours that is not stored yet.
fn waiting_rows(app: &App, text: &str, state: OutboxState, width: u16) -> Vec<Row> {
    let state = match state {
        OutboxState::Waiting => "waiting",
        OutboxState::Sent => "sending",
    };
    let quiet = app.theme.quiet;
    let mut lines: Vec<Vec<Span>> = text.split('\n').map(|line| vec![Span::new(line, quiet)]).collect();
    if let Some(last) = lines.last_mut() {
        last.push(Span::new(&format!(" ({state} …)"), quiet));
    }
    laid_out(app, None, Span::new(&app.me.nick, quiet), true, &lines, width)
}

/// Time, name and lines beside each other, or after each other where that is too narrow.
fn laid_out(
    app: &App,
    stamp: Option<Stamp>,
    name: Span,
    is_name: bool,
    lines: &[Vec<Span>],
    width: u16,
) -> Vec<Row> {
    let quiet = app.theme.quiet;
    let time = stamp
        .map_or_else(|| " ".repeat(TIME_COLUMNS), |stamp| format!("{:02}:{:02} ", stamp.hour, stamp.minute));
    let time = Row::cut(&[Span::new(&time, quiet)], TIME_COLUMNS);
    let width = usize::from(width);
    let (head, indent) = if width >= usize::from(COLUMNS_WITH_NAMES) {
        let name = Row::cut(std::slice::from_ref(&name), NAME_COLUMNS);
        let right = Row::default().padded(NAME_COLUMNS - name.width(), quiet).then(name);
        (time.then(right).then(Row::default().padded(2, quiet)), TIME_COLUMNS + NAME_COLUMNS + 2)
    } else {
        let mark = if is_name { ": " } else { " " };
        let name = Row::cut(std::slice::from_ref(&name), (width / 2).saturating_sub(TIME_COLUMNS + 2));
        (time.then(name).then(Row::cut(&[Span::new(mark, quiet)], 2)), TIME_COLUMNS + 2)
    };
    let mut rows = Vec::new();
    for spans in lines {
        // In a narrow pane the first row has less room than those that follow.
        let first = rows.is_empty();
        let lead = if first { head.clone() } else { Row::default().padded(indent, quiet) };
        let room = width.saturating_sub(lead.width().max(indent)).max(1);
        for (index, row) in wrap(spans, room).into_iter().enumerate() {
            let lead = if index == 0 { lead.clone() } else { Row::default().padded(indent, quiet) };
            rows.push(lead.then(row));
        }
    }
    rows
}

/// A line of a message, with what stands out in it.
fn spans(app: &App, line: &str, style: Style) -> Vec<Span> {
    let mut marks: Vec<(usize, usize, Style)> = Vec::new();
    if let Overlay::Finding(wanted) = &app.overlay {
        marks.extend(found(line, wanted.text()).map(|(start, end)| (start, end, app.theme.found)));
    }
    marks.extend(links(line).map(|(start, end)| (start, end, app.theme.link)));
    if !app.me.nick.is_empty() {
        let own = app.theme.mention;
        marks.extend(mentions(line, &app.me.nick).map(|(start, end)| (start, end, own)));
    }
    marks.sort_by_key(|(start, ..)| *start);
    let mut spans = Vec::new();
    let mut at = 0;
    for (start, end, mark) in marks {
        if start < at || end > line.len() {
            continue;
        }
        spans.push(Span::new(&line[at..start], style));
        spans.push(Span::new(&line[start..end], style.patch(mark)));
        at = end;
    }
    spans.push(Span::new(&line[at..], style));
    spans
}

/// Where a text contains another, whatever its case. Letters that change their length with their case are not found.
fn found<'a>(line: &'a str, wanted: &'a str) -> impl Iterator<Item = (usize, usize)> {
    let is_fit = !wanted.is_empty();
    let starts = line.char_indices().map(|(at, _)| at).filter(move |_| is_fit);
    starts.filter_map(|start| {
        let end = start + wanted.len();
        let part = line.get(start..end)?;
        (part.to_lowercase() == wanted.to_lowercase()).then_some((start, end))
    })
}

fn links(line: &str) -> impl Iterator<Item = (usize, usize)> {
    ["https://", "http://", "palabre://"].into_iter().flat_map(|scheme| {
        line.match_indices(scheme).map(|(start, _)| {
            let rest = &line[start..];
            let end = rest.find(|char: char| char.is_whitespace() || char.is_control()).unwrap_or(rest.len());
            let link = rest[..end].trim_end_matches(['.', ',', ';', ':', '!', '?', ')', '"', '\'', '>']);
            (start, start + link.len())
        })
    })
}
