//! The line editor: it reads on a thread of its own, a line each time it is asked for one.

use std::{
    io::{self, Write as _},
    path::PathBuf,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
};

use palabre_runtime::client::Waker;
use rustix::termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr};
use rustyline::{
    Config, Context, Editor, Helper,
    completion::Completer,
    config::CompletionType,
    error::ReadlineError,
    highlight::Highlighter,
    hint::Hinter,
    history::FileHistory,
    validate::{ValidationContext, ValidationResult, Validator},
};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::{
    gate::{Gate, print_on_a_thread},
    input::{Question, Typed},
};
use crate::connect::chat::Vocabulary;

/// Lines that are remembered.
const HISTORY_LINES_MAX: usize = 1_000;

/// A line editor on the terminal.
pub(super) struct LineEditor {
    questions: Sender<Question>,
    answers: Receiver<Typed>,
    gate: Arc<Gate>,
    vocabulary: Arc<Mutex<Vocabulary>>,
    /// How the terminal was before.
    terminal: Option<Termios>,
}

impl LineEditor {
    /// Takes the terminal over. Typed lines are remembered in the file.
    pub(super) fn start(history: Option<PathBuf>, waker: Waker) -> io::Result<Self> {
        let terminal = tcgetattr(io::stdin()).ok();
        let gate = Arc::new(Gate::default());
        let vocabulary = Arc::new(Mutex::new(Vocabulary::default()));
        let (questions, asked) = channel();
        let (answer, answers) = channel();
        let config = Config::builder()
            .max_history_size(HISTORY_LINES_MAX)
            .map_err(io::Error::other)?
            .history_ignore_dups(true)
            .map_err(io::Error::other)?
            .completion_type(CompletionType::List)
            .build();
        let mut editor: Editor<Helping, FileHistory> =
            Editor::with_config(config).map_err(io::Error::other)?;
        let line_is_empty = Arc::new(AtomicBool::new(true));
        editor.set_helper(Some(Helping {
            gate: Arc::clone(&gate),
            vocabulary: Arc::clone(&vocabulary),
            line_is_empty: Arc::clone(&line_is_empty),
        }));
        let printer = editor.create_external_printer().map_err(io::Error::other)?;
        print_on_a_thread(Arc::clone(&gate), printer)?;
        let reading = Reading { editor, history, line_is_empty, gate: Arc::clone(&gate), answer, waker };
        thread::Builder::new().name("editor".into()).spawn(move || reading.run(&asked))?;
        Ok(Self { questions, answers, gate, vocabulary, terminal })
    }

    /// Asks for a line.
    pub(super) fn ask(&self, question: Question) {
        // The thread ends only after it said so with an answer.
        let _ = self.questions.send(question);
    }

    /// What was typed, if anything.
    pub(super) fn answer(&self) -> Option<Typed> {
        self.answers.try_recv().ok()
    }

    /// Where to show lines.
    pub(super) fn screen(&self) -> Arc<Gate> {
        Arc::clone(&self.gate)
    }

    /// Changes what Tab completes.
    pub(super) fn teach(&self, change: impl FnOnce(&mut Vocabulary)) {
        change(&mut self.vocabulary.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Gives the terminal back as it was; lines that were not shown yet are shown.
    pub(super) fn end(self) {
        let rest = self.gate.end();
        let mut output = io::stdout();
        if let Some(terminal) = &self.terminal {
            let is_raw = tcgetattr(io::stdin()).is_ok_and(|now| now.local_modes != terminal.local_modes);
            if is_raw {
                // The line that is being typed goes, and so does bracketed paste.
                let _ = output.write_all(b"\r\x1b[J\x1b[?2004l");
                let _ = tcsetattr(io::stdin(), OptionalActions::Flush, terminal);
            }
        }
        let _ = output.write_all(rest.as_bytes()).and_then(|()| output.flush());
    }
}

/// The thread that reads.
struct Reading {
    editor: Editor<Helping, FileHistory>,
    history: Option<PathBuf>,
    line_is_empty: Arc<AtomicBool>,
    gate: Arc<Gate>,
    answer: Sender<Typed>,
    waker: Waker,
}

impl Reading {
    fn run(mut self, questions: &Receiver<Question>) {
        if let Some(file) = &self.history {
            // Without what was typed in earlier runs one can type as well.
            let _ = self.editor.load_history(file);
        }
        for question in questions {
            let typed = self.read(&question);
            let is_last = matches!(typed, Typed::End);
            if self.answer.send(typed).is_err() {
                return;
            }
            self.waker.wake();
            if is_last {
                return;
            }
        }
    }

    fn read(&mut self, question: &Question) -> Typed {
        let read = self.editor.readline_with_initial(&question.prompt, (&question.initial, ""));
        self.gate.shut();
        match read {
            Ok(line) => {
                erase(&question.prompt, &line);
                self.remember(&line);
                Typed::Line(line)
            }
            Err(ReadlineError::Interrupted) if !self.line_is_empty.load(Ordering::Relaxed) => {
                Typed::Discarded
            }
            Err(ReadlineError::Interrupted) => Typed::Interrupt,
            Err(_) => Typed::End,
        }
    }

    fn remember(&mut self, line: &str) {
        let is_new = self.editor.add_history_entry(line).unwrap_or(false);
        if let (true, Some(file)) = (is_new, &self.history) {
            // A line that is not remembered is not worth a word.
            let _ = self.editor.append_history(file);
        }
    }
}

/// Removes a line that was typed: what becomes of it is shown in its place. One whose height on the screen is not
/// certain stays.
fn erase(prompt: &str, line: &str) {
    let Ok(size) = tcgetwinsize(io::stdout()) else { return };
    if let Some(rows) = rows(prompt, line, usize::from(size.ws_col)) {
        let mut output = io::stdout();
        let _ = output.write_all(format!("\x1b[{rows}A\r\x1b[J").as_bytes()).and_then(|()| output.flush());
    }
}

/// How many rows a prompt and a line take, the one included on which the cursor is after Enter.
fn rows(prompt: &str, line: &str, columns: usize) -> Option<usize> {
    if columns == 0 || !line.chars().all(|char| char.is_ascii_graphic() || char == ' ' || is_simple(char)) {
        return None;
    }
    let (mut row, mut column) = (0, prompt.width());
    for char in line.chars() {
        let width = char.width().unwrap_or_default();
        column += width;
        if column > columns {
            (row, column) = (row + 1, width);
        }
    }
    Some(row + 1 + usize::from(column == columns))
}

/// Letters that stand for themselves on every terminal.
fn is_simple(char: char) -> bool {
    char.is_alphabetic() && char.width() == Some(1)
}

/// What the editor asks while it reads.
struct Helping {
    gate: Arc<Gate>,
    vocabulary: Arc<Mutex<Vocabulary>>,
    line_is_empty: Arc<AtomicBool>,
}

impl Helper for Helping {}
impl Highlighter for Helping {}

impl Hinter for Helping {
    type Hint = String;

    /// Hints nothing; but it is asked at each change of the line, the first time when the editor begins to read.
    fn hint(&self, line: &str, _position: usize, _context: &Context<'_>) -> Option<String> {
        self.line_is_empty.store(line.is_empty(), Ordering::Relaxed);
        self.gate.open();
        None
    }
}

impl Validator for Helping {
    /// Everything may be typed; but it is asked when Enter was pressed.
    fn validate(&self, _context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        self.gate.shut();
        Ok(ValidationResult::Valid(None))
    }
}

impl Completer for Helping {
    type Candidate = String;

    fn complete(
        &self,
        line: &str,
        position: usize,
        _context: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<String>)> {
        let vocabulary = self.vocabulary.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(vocabulary.complete(line, position))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_height_of_a_line_is_known_or_admitted_not_to_be() {
        assert_eq!(rows("#lobby> ", "hello", 80), Some(1));
        assert_eq!(rows("#lobby> ", "", 80), Some(1));
        assert_eq!(rows("> ", &"x".repeat(8), 10), Some(2));
        assert_eq!(rows("> ", &"x".repeat(9), 10), Some(2));
        assert_eq!(rows("> ", "héllo", 80), Some(1));
        assert_eq!(rows("> ", "👩\u{200d}👧", 80), None);
        assert_eq!(rows("> ", "two\nlines", 80), None);
    }
}
