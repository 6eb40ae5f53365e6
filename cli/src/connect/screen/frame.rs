//! Frames: what changed since the last one, as bytes for the terminal.

use ratatui::{
    backend::{Backend as _, CrosstermBackend},
    buffer::Buffer,
    layout::{Position, Rect},
};

use super::{app::App, draw};

/// A terminal that knows how shows what is between these at once.
const BEGIN: &[u8] = b"\x1b[?2026h\x1b[?25l";
const END: &[u8] = b"\x1b[?2026l";

/// What the terminal shows.
#[derive(Debug, Default)]
pub(crate) struct Frames {
    shown: Option<(Buffer, Option<Position>)>,
}

impl Frames {
    /// It is not known what the terminal shows.
    pub(crate) fn forget(&mut self) {
        self.shown = None;
    }

    /// What the terminal shows, and where its cursor is.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn shown(&self) -> Option<(&Buffer, Option<Position>)> {
        self.shown.as_ref().map(|(buffer, cursor)| (buffer, *cursor))
    }

    /// What makes the terminal show how things are now; nothing if it does already.
    pub(crate) fn draw(&mut self, app: &App) -> Vec<u8> {
        let (width, height) = app.size;
        let mut buffer = Buffer::empty(Rect { x: 0, y: 0, width, height });
        let cursor = draw::draw(app, &mut buffer);
        let mut bytes = BEGIN.to_vec();
        let before = match self.shown.take() {
            Some((before, at)) if before.area == buffer.area => {
                if before == buffer && at == cursor {
                    self.shown = Some((before, at));
                    return Vec::new();
                }
                before
            }
            Some(_) | None => {
                bytes.extend(b"\x1b[0m\x1b[2J");
                Buffer::empty(buffer.area)
            }
        };
        // Writing to memory does not fail.
        let _ = CrosstermBackend::new(&mut bytes).draw(before.diff(&buffer).into_iter());
        if let Some(Position { x, y }) = cursor {
            bytes.extend(format!("\x1b[{};{}H\x1b[?25h", y + 1, x + 1).as_bytes());
        }
        bytes.extend(END);
        self.shown = Some((buffer, cursor));
        bytes
    }
}
