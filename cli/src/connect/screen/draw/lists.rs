//! Lists: rooms, people, and what lies over the messages.

use palabre_core::wire::state;
use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};

use super::{fill, put};
use crate::connect::screen::{
    app::{App, Choosing, Found, Overlay},
    text::{Row, Span},
};

/// Rows of a list over the messages.
const LIST_ROWS_MAX: u16 = 10;

/// Which room is the first that is seen in a pane of this height.
pub(crate) fn first_room(app: &App, height: u16) -> usize {
    let here = app.rooms.iter().position(|room| Some(room.id) == app.current()).unwrap_or(0);
    (here + 1).saturating_sub(usize::from(height))
}

/// The rooms, with how much in each is unread.
pub(super) fn rooms(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    let width = usize::from(area.width);
    let first = first_room(app, area.height);
    for (y, (index, room)) in (area.top()..area.bottom()).zip(app.rooms.iter().enumerate().skip(first)) {
        let is_current = Some(room.id) == app.current();
        let style = if is_current {
            theme.chosen
        } else if room.mentions > 0 {
            theme.mention
        } else if room.unread > 0 {
            theme.active
        } else {
            theme.text
        };
        let count = match (room.unread, room.mentions) {
            (0, _) => String::new(),
            (unread, 0) => format!(" {unread}"),
            (unread, mentions) => format!(" {unread} !{mentions}"),
        };
        let number = if index < 9 { format!("{} ", index + 1) } else { "  ".into() };
        let number = Row::cut(&[Span::new(&number, if is_current { theme.chosen } else { theme.quiet })], 2);
        let count = Row::cut(&[Span::new(&count, style)], width / 2);
        let place = width.saturating_sub(number.width() + count.width());
        let row =
            number.then(Row::cut(&[Span::new(&room.place, style)], place).padded(place, style)).then(count);
        put(buffer, area.x, y, &row, theme.text);
    }
}

/// Who is here.
pub(super) fn people(app: &App, area: Rect, buffer: &mut Buffer) {
    let theme = &app.theme;
    let people = &app.room().people;
    let height = usize::from(area.height);
    for (index, (y, (name, how))) in (area.top()..area.bottom()).zip(people).enumerate() {
        let is_last = index + 1 == height && people.len() > height;
        let row = if is_last {
            Span::new(&format!("and {} more", people.len() - index), theme.quiet)
        } else if *how == state::HERE {
            Span::new(name, theme.name(name))
        } else {
            let mark = if *how == state::AWAY { "away" } else { "lost" };
            Span::new(&format!("{name} ({mark})"), theme.quiet)
        };
        put(buffer, area.x, y, &Row::cut(&[row], area.width.into()), theme.text);
    }
}

/// What is open, over the messages; where the cursor is in it.
pub(super) fn overlay(app: &App, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    match &app.overlay {
        Overlay::None | Overlay::Finding(_) => None,
        Overlay::Completing(completing) => {
            let lines: Vec<String> =
                completing.candidates.iter().map(|line| named(line.trim_end())).collect();
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            list(app, area, buffer, &lines, completing.chosen);
            None
        }
        Overlay::Switching(choosing) => {
            let places: Vec<&str> =
                app.switchable(choosing).into_iter().map(|index| app.rooms[index].place.as_str()).collect();
            Some(asked(app, area, buffer, "go to: ", choosing, &places))
        }
        Overlay::Recalling(choosing) => {
            let lines = app.recalled(choosing);
            Some(asked(app, area, buffer, "sent before: ", choosing, &lines))
        }
        Overlay::Found(found) => {
            self::found(app, area, buffer, found);
            None
        }
        Overlay::Help { scrolled } => {
            help(app, area, buffer, *scrolled);
            None
        }
        Overlay::Pasted(text) => {
            let count = text.lines().count();
            let lines = [
                format!("{count} lines were pasted."),
                "m      send them as one message".into(),
                "e      put them into the line, to be edited".into(),
                "Esc    forget them".into(),
            ];
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            list(app, area, buffer, &lines, usize::MAX);
            None
        }
    }
}

/// A candidate; an emoji with its name.
fn named(candidate: &str) -> String {
    match emojis::get(candidate).and_then(|emoji| emoji.shortcode()) {
        Some(code) => format!("{candidate} :{code}:"),
        None => candidate.to_owned(),
    }
}

/// A list with a line above it in which its filter is typed.
fn asked(
    app: &App,
    area: Rect,
    buffer: &mut Buffer,
    question: &str,
    choosing: &Choosing,
    lines: &[&str],
) -> Position {
    let shown = list(app, Rect { height: area.height, ..area }, buffer, lines, choosing.chosen);
    let y = shown.y.saturating_sub(1).max(area.y);
    let line = Rect { y, height: 1, ..shown };
    fill(buffer, line, app.theme.bar);
    let width = usize::from(line.width).saturating_sub(1);
    let typed = [
        Span::new(question, app.theme.bar_strong),
        Span::new(&choosing.line.text().replace('\n', " "), app.theme.bar),
    ];
    let row = Row::cut(&typed, width);
    put(buffer, line.x, y, &row, app.theme.bar);
    let column = u16::try_from(row.width()).unwrap_or(line.width);
    Position { x: (line.x + column).min(line.right().saturating_sub(1)), y }
}

/// What was found, the newest at the bottom, under how much it is.
fn found(app: &App, area: Rect, buffer: &mut Buffer, found: &Found) {
    let lines: Vec<&str> = found.hits.iter().rev().map(|hit| hit.line.as_str()).collect();
    let chosen = found.hits.len().saturating_sub(found.chosen + 1);
    let shown = list(app, area, buffer, &lines, chosen);
    let title = Rect { y: shown.y.saturating_sub(1).max(area.y), height: 1, ..shown };
    fill(buffer, title, app.theme.bar);
    let text = format!("{}  Enter: go there  Esc: close", found.title);
    let row = Row::cut(&[Span::new(&text, app.theme.bar_strong)], usize::from(title.width));
    put(buffer, title.x, title.y, &row, app.theme.bar);
}

/// Lines at the bottom of the messages, one of them chosen; where they are.
fn list(app: &App, area: Rect, buffer: &mut Buffer, lines: &[&str], chosen: usize) -> Rect {
    let theme = &app.theme;
    let count = u16::try_from(lines.len()).unwrap_or(u16::MAX);
    let height = count.clamp(1, LIST_ROWS_MAX).min(area.height.saturating_sub(1));
    let place = Rect { y: area.bottom() - height, height, ..area };
    fill(buffer, place, theme.popup);
    let first = if chosen == usize::MAX { 0 } else { (chosen + 1).saturating_sub(usize::from(height)) };
    for (y, (index, line)) in (place.top()..place.bottom()).zip(lines.iter().enumerate().skip(first)) {
        let style = if index == chosen { theme.chosen } else { theme.popup };
        let width = usize::from(area.width);
        let line = line.replace('\n', " ");
        let row = Row::cut(&[Span::new(" ", style), Span::new(&line, style)], width).padded(width, style);
        put(buffer, area.x, y, &row, theme.popup);
    }
    place
}

/// The keys, and what they do.
fn help(app: &App, area: Rect, buffer: &mut Buffer, scrolled: usize) {
    let theme = &app.theme;
    fill(buffer, area, theme.popup);
    let keys = app.bindings.help();
    let column = usize::from(area.width / 3).min(28);
    let title = "Keys: ↑ ↓ to scroll, Esc to close. Commands: /help.";
    put(buffer, area.x, area.y, &Row::cut(&[Span::new(title, theme.popup)], area.width.into()), theme.popup);
    let rows = keys.iter().skip(scrolled).zip(area.top() + 1..area.bottom());
    for ((names, help), y) in rows {
        let names = Row::cut(&[Span::new(names, theme.popup.patch(theme.active))], column);
        let help = Row::cut(
            &[Span::new("  ", theme.popup), Span::new(help, theme.popup)],
            usize::from(area.width).saturating_sub(column),
        );
        put(buffer, area.x, y, &names.padded(column, theme.popup).then(help), theme.popup);
    }
}
