//! Where the lines of a chat come from: a person at a line editor, or a stream.

use std::{
    io::{self, BufRead as _},
    sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    thread,
};

use palabre_runtime::client::Waker;

use super::editor::LineEditor;

/// Lines read ahead of a stream.
const LINES_AHEAD_MAX: usize = 64;

/// A line is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) prompt: String,
    /// What stands there already.
    pub(super) initial: String,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// A line, without its line feed.
    Line(String),
    /// A line was begun and given up.
    Discarded,
    /// Ctrl-C on an empty line.
    Interrupt,
    /// There will be no more.
    End,
}

/// Where lines come from.
pub(super) enum Input {
    /// A person, who is asked for each line.
    Person { editor: LineEditor, is_asked: bool },
    /// A stream that was read ahead.
    Stream { lines: Receiver<String>, has_ended: bool },
}

impl Input {
    /// Reads standard input on a thread of its own.
    pub(super) fn stream(waker: Waker) -> io::Result<Self> {
        let (sender, lines) = sync_channel(LINES_AHEAD_MAX);
        let read = move || {
            forward(sender, &waker);
            // The end is seen when the sender is gone.
            waker.wake();
        };
        thread::Builder::new().name("lines".into()).spawn(read)?;
        Ok(Self::Stream { lines, has_ended: false })
    }

    /// Whether a person types.
    pub(super) const fn is_person(&self) -> bool {
        matches!(self, Self::Person { .. })
    }

    /// What was typed, if anything; a person is asked with this question where that was not done yet.
    pub(super) fn next(&mut self, question: impl FnOnce() -> Question) -> Option<Typed> {
        match self {
            Self::Person { editor, is_asked } => {
                if !std::mem::replace(is_asked, true) {
                    editor.ask(question());
                }
                let typed = editor.answer();
                *is_asked = typed.is_none();
                typed
            }
            Self::Stream { has_ended: true, .. } => None,
            Self::Stream { lines, has_ended } => match lines.try_recv() {
                Ok(line) => Some(Typed::Line(line)),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => {
                    *has_ended = true;
                    Some(Typed::End)
                }
            },
        }
    }
}

fn forward(sender: SyncSender<String>, waker: &Waker) {
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        // A stream that cannot be read any more has ended.
        if !matches!(input.read_until(b'\n', &mut line), Ok(1..)) {
            return;
        }
        let text = String::from_utf8_lossy(&line);
        if sender.send(text.trim_end_matches(['\r', '\n']).to_owned()).is_err() {
            return;
        }
        waker.wake();
    }
}
