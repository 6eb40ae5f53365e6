//! The line that is being typed, and what stands before it.

use ratatui::{
    buffer::Buffer,
    layout::{Position, Rect},
};
use unicode_width::UnicodeWidthStr as _;

use super::put;
use crate::{
    connect::screen::{
        app::{App, Line, Overlay, Purpose},
        text::{Glyph, Row, Span, clusters},
    },
    output::Printable,
};

/// How many rows it takes.
pub(super) fn rows(app: &App, columns: u16) -> u16 {
    let (rows, _) = laid_out(app, usize::from(columns.max(1)));
    u16::try_from(rows.len()).unwrap_or(u16::MAX)
}

/// Draws the rows around the cursor; where the cursor is.
pub(super) fn draw(app: &App, area: Rect, buffer: &mut Buffer) -> Option<Position> {
    let (rows, (column, row)) = laid_out(app, usize::from(area.width.max(1)));
    let height = usize::from(area.height);
    let first = (row + 1).saturating_sub(height);
    for (y, row) in (area.top()..area.bottom()).zip(rows.iter().skip(first)) {
        put(buffer, area.x, y, row, app.theme.text);
    }
    let x = area.x + u16::try_from(column).unwrap_or(area.width).min(area.width.saturating_sub(1));
    let y = area.y + u16::try_from(row - first).unwrap_or(0);
    Some(Position { x, y })
}

fn prompt(app: &App) -> String {
    if let Overlay::Finding(_) = app.overlay {
        return "find: ".into();
    }
    match &app.naming {
        Some(naming) => match &naming.suggestion {
            Some(name) => format!("another name [{name}]: "),
            None => "another name: ".into(),
        },
        None => {
            let room = app.room();
            let aim = room.aim.as_ref().map(|aim| match aim.purpose {
                Purpose::Edit => " edit".to_owned(),
                Purpose::Reply => {
                    let said = room.log.message(aim.message);
                    said.map_or_else(|| " reply".into(), |said| format!(" reply to {}", said.nick))
                }
            });
            format!("{}{}> ", room.place, aim.unwrap_or_default())
        }
    }
}

/// The rows, and column and row of the cursor. It is shown as it is typed, in no other order.
fn laid_out(app: &App, columns: usize) -> (Vec<Row>, (usize, usize)) {
    let line: &Line = if let Overlay::Finding(line) = &app.overlay { line } else { &app.room().line };
    let theme = &app.theme;
    let prompt = Row::cut(&[Span::new(&prompt(app), theme.quiet)], (columns / 2).max(1));
    let mut row = prompt;
    let mut width = row.width();
    let mut rows = Vec::new();
    let mut cursor = (width, 0);
    for (at, cluster, cluster_width) in clusters(line.text()) {
        if at == line.cursor() {
            cursor = (width, rows.len());
        }
        if cluster == "\n" {
            rows.push(std::mem::take(&mut row));
            width = 0;
            continue;
        }
        let symbol = Printable::new(cluster).to_string();
        let symbol_width = if symbol == cluster { cluster_width } else { symbol.width() };
        // What terminals show as several characters is put as several.
        let parts: Vec<(String, usize)> = if symbol == cluster {
            vec![(symbol, symbol_width)]
        } else {
            clusters(&symbol).map(|(_, part, width)| (part.to_owned(), width)).collect()
        };
        for (symbol, part_width) in parts {
            if part_width == 0 || part_width > columns {
                continue;
            }
            if width + part_width > columns {
                rows.push(std::mem::take(&mut row));
                width = 0;
            }
            if at == line.cursor() && cursor.1 != rows.len() {
                cursor = (width, rows.len());
            }
            width += part_width;
            row.glyphs.push(Glyph { symbol, width: part_width, style: theme.text });
        }
    }
    if line.cursor() == line.text().len() {
        if width >= columns {
            rows.push(std::mem::take(&mut row));
            width = 0;
        }
        cursor = (width, rows.len());
    }
    rows.push(row);
    (rows, cursor)
}
