//! What the screen looks like: a function of the state alone.

mod bars;
mod input;
mod lists;
mod messages;

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
    style::Style,
};

pub(crate) use self::{lists::first_room, messages::entry_rows};
use super::{
    app::App,
    text::{Row, Span},
};

/// The smallest terminal in which there is a chat.
pub(crate) const COLUMNS_MIN: u16 = 40;
pub(crate) const ROWS_MIN: u16 = 10;

/// From how many columns on there is a pane of rooms, and one of people.
const COLUMNS_WITH_ROOMS: u16 = 72;
const COLUMNS_WITH_PEOPLE: u16 = 96;

/// Rows that the line may take.
const INPUT_ROWS_MAX: u16 = 8;

/// Rows that files on their way may take.
const TRANSFER_ROWS_MAX: u16 = 3;

/// Where everything is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Panes {
    pub(crate) topic: Rect,
    pub(crate) rooms: Option<Rect>,
    pub(crate) messages: Rect,
    pub(crate) people: Option<Rect>,
    /// A row for each file on its way, as far as there is place.
    pub(crate) transfers: Rect,
    pub(crate) status: Rect,
    pub(crate) input: Rect,
}

/// Where everything is in a terminal of this size.
pub(crate) fn panes(app: &App) -> Panes {
    let (columns, rows) = app.size;
    let input_rows = input::rows(app, columns).clamp(1, INPUT_ROWS_MAX.min(rows / 3).max(1));
    let transfers = u16::try_from(app.transfers.len()).unwrap_or(u16::MAX);
    let transfer_rows = transfers.min(TRANSFER_ROWS_MAX).min(rows / 4);
    let middle = rows.saturating_sub(2 + input_rows + transfer_rows);
    let below = 1 + middle + transfer_rows;
    let is_wide = |wanted: bool, least: u16| wanted && columns >= least;
    let rooms_width =
        if is_wide(app.show_rooms, COLUMNS_WITH_ROOMS) { (columns / 6).clamp(14, 24) } else { 0 };
    let people_width = if is_wide(app.show_people, COLUMNS_WITH_PEOPLE) && !app.room().people.is_empty() {
        (columns / 8).clamp(12, 20)
    } else {
        0
    };
    // A column for the border.
    let left = if rooms_width > 0 { rooms_width + 1 } else { 0 };
    let right = if people_width > 0 { people_width + 2 } else { 0 };
    let pane = |x, width| Rect { x, y: 1, width, height: middle };
    Panes {
        topic: Rect { x: 0, y: 0, width: columns, height: 1 },
        rooms: (rooms_width > 0).then(|| pane(0, rooms_width)),
        messages: pane(left, columns.saturating_sub(left + right)),
        people: (people_width > 0).then(|| pane(columns - people_width, people_width)),
        transfers: Rect { x: 0, y: 1 + middle, width: columns, height: transfer_rows },
        status: Rect { x: 0, y: below, width: columns, height: 1 },
        input: Rect { x: 0, y: below + 1, width: columns, height: input_rows },
    }
}

/// Draws everything; where the cursor is.
pub(crate) fn draw(app: &App, buffer: &mut Buffer) -> Option<Position> {
    let area = buffer.area;
    if area.width < COLUMNS_MIN || area.height < ROWS_MIN {
        too_small(app, buffer);
        return None;
    }
    let panes = panes(app);
    bars::topic(app, panes.topic, buffer);
    if let Some(rooms) = panes.rooms {
        lists::rooms(app, rooms, buffer);
        border(app, rooms.right(), rooms, buffer);
    }
    if let Some(people) = panes.people {
        lists::people(app, people, buffer);
        border(app, people.x - 1, people, buffer);
    }
    messages::draw(app, panes.messages, buffer);
    bars::transfers(app, panes.transfers, buffer);
    bars::status(app, panes.status, buffer);
    let cursor = input::draw(app, panes.input, buffer);
    lists::overlay(app, panes.messages, buffer).or(cursor)
}

fn too_small(app: &App, buffer: &mut Buffer) {
    let text = format!("{COLUMNS_MIN}×{ROWS_MIN} is needed");
    let row = Row::cut(&[Span::new(&text, app.theme.alarm)], buffer.area.width.into());
    put(buffer, buffer.area.x, buffer.area.y, &row, app.theme.text);
}

fn border(app: &App, x: u16, beside: Rect, buffer: &mut Buffer) {
    for y in beside.top()..beside.bottom() {
        if let Some(cell) = buffer.cell_mut((x, y)) {
            cell.set_symbol("│").set_style(app.theme.border);
        }
    }
}

/// Fills a place with spaces.
fn fill(buffer: &mut Buffer, area: Rect, style: Style) {
    for y in area.top()..area.bottom() {
        for x in area.left()..area.right() {
            if let Some(cell) = buffer.cell_mut((x, y)) {
                cell.reset();
                cell.set_style(style);
            }
        }
    }
}

/// Writes a row, over what is there, in styles over a style.
fn put(buffer: &mut Buffer, x: u16, y: u16, row: &Row, base: Style) {
    let mut at = x;
    for glyph in &row.glyphs {
        let width = u16::try_from(glyph.width).unwrap_or(1);
        if at.saturating_add(width) > buffer.area.right() {
            return;
        }
        if let Some(cell) = buffer.cell_mut((at, y)) {
            cell.reset();
            cell.set_symbol(&glyph.symbol).set_style(base.patch(glyph.style));
        }
        for covered in at + 1..at + width {
            if let Some(cell) = buffer.cell_mut((covered, y)) {
                cell.reset();
            }
        }
        at += width;
    }
}
