//! Showing lines above the one that is being typed.

use std::{
    mem,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    thread,
};

use rustyline::ExternalPrinter;

use crate::output::Screen;

/// Lines that wait to be shown, and whether this is the moment.
///
/// The editor prints other people's lines only while it reads. In between, lines are kept, so that they neither
/// overtake each other nor get between a line that was typed and its removal from the screen.
#[derive(Debug, Default)]
pub(super) struct Gate {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    lines: String,
    moment: Moment,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Moment {
    /// Nothing is being typed.
    #[default]
    Between,
    /// The editor reads.
    Editing,
    /// The editor is not asked any more.
    Over,
}

impl Gate {
    /// The editor reads from now on.
    pub(super) fn open(&self) {
        self.enter(Moment::Editing);
    }

    /// The editor does not read for a moment.
    pub(super) fn shut(&self) {
        self.enter(Moment::Between);
    }

    /// Ends the printing thread; what it has not printed.
    pub(super) fn end(&self) -> String {
        self.enter(Moment::Over);
        mem::take(&mut self.lock().lines)
    }

    fn enter(&self, moment: Moment) {
        let mut state = self.lock();
        if state.moment != Moment::Over && state.moment != moment {
            state.moment = moment;
            self.changed.notify_all();
        }
    }

    /// Lines to show now; nothing at the end.
    fn wait_for_lines(&self) -> Option<String> {
        let mut state = self.lock();
        loop {
            match state.moment {
                Moment::Over => return None,
                Moment::Editing if !state.lines.is_empty() => return Some(mem::take(&mut state.lines)),
                Moment::Editing | Moment::Between => {
                    state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Screen for Gate {
    fn show(&self, lines: String) {
        self.lock().lines.push_str(&lines);
        self.changed.notify_all();
    }
}

/// Prints on a thread of its own: the editor takes lines when it comes to it, and nobody else should wait for that.
pub(super) fn print_on_a_thread(
    gate: Arc<Gate>,
    mut printer: impl ExternalPrinter + Send + 'static,
) -> std::io::Result<()> {
    let print = move || {
        while let Some(lines) = gate.wait_for_lines() {
            if printer.print(lines).is_err() {
                return;
            }
        }
    };
    thread::Builder::new().name("printer".into()).spawn(print).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_wait_until_the_editor_reads() {
        let gate = Gate::default();
        gate.show("one\n".into());
        gate.show("two\n".into());
        gate.open();
        assert_eq!(gate.wait_for_lines().as_deref(), Some("one\ntwo\n"));
        gate.shut();
        gate.show("three\n".into());
        assert_eq!(gate.end(), "three\n");
        assert_eq!(gate.wait_for_lines(), None);
    }
}
