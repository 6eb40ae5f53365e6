//! All that the program prints. Results go to standard output, everything else to standard error; in a chat on a
//! terminal both go above the line that is being typed.

mod found;
mod json;
mod message;
mod presence;
mod printable;
mod rights;
mod size;
mod style;
mod time;

use std::{
    fmt::Display,
    io::{self, BufWriter, StderrLock, Stdout, Write as _},
    sync::{Arc, Mutex, PoisonError},
};

pub(crate) use self::{
    found::{FoundLine, found_sentence, hit_snippet},
    json::{Body, Record, place, state_name},
    message::{Layout, MessageLines, about_file},
    presence::presence,
    printable::{Printable, beginning},
    rights::{act_sentence, rights_lines, standing_words},
    size::Size,
    style::{Style, name_hash},
    time::{LocalTime, utc},
};
use crate::failure::{ExitStatus, Failure};

/// How results look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// Lines for people.
    Text,
    /// JSON Lines for programs.
    Json,
}

/// How much is told beside the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loudness {
    /// Failures.
    Quiet,
    /// What a person needs to know.
    Normal,
    /// What a person may want to know.
    Verbose,
}

/// Tells people how things are.
pub(crate) trait Tell {
    /// To everybody who did not ask for quiet.
    fn status(&mut self, sentence: impl Display);
    /// To who wants to know everything.
    fn detail(&mut self, sentence: impl Display);
}

/// Takes whole lines and shows them without disturbing what is being typed.
pub(crate) trait Screen {
    /// Shows lines, each with its line feed.
    fn show(&self, lines: String);
}

/// Keeps lines for somebody who shows them in a way of their own.
#[derive(Clone, Debug, Default)]
pub(crate) struct Collector {
    lines: Arc<Mutex<Vec<String>>>,
}

impl Collector {
    /// The lines since they were taken last, without what would colour them.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Screen for Collector {
    fn show(&self, lines: String) {
        let mut kept = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        kept.extend(lines.lines().map(style::without_colours));
    }
}

/// Where everything that is printed goes through.
pub(crate) struct Output {
    format: Format,
    loudness: Loudness,
    style: Style,
    results: Results,
}

enum Results {
    Stream(BufWriter<Stdout>),
    Screen { screen: Arc<dyn Screen>, lines: String },
}

impl Output {
    /// Printing to the standard streams.
    pub(crate) fn new(format: Format, loudness: Loudness, style: Style) -> Self {
        Self { format, loudness, style, results: Results::Stream(BufWriter::new(io::stdout())) }
    }

    /// From now on everything goes to a screen.
    pub(crate) fn use_screen(&mut self, screen: Arc<dyn Screen>) {
        self.results = Results::Screen { screen, lines: String::new() };
    }

    /// From now on everything goes to the standard streams again.
    pub(crate) fn leave_screen(&mut self) -> Result<(), Failure> {
        self.flush()?;
        self.results = Results::Stream(BufWriter::new(io::stdout()));
        Ok(())
    }

    pub(crate) const fn style(&self) -> Style {
        self.style
    }

    pub(crate) const fn is_json(&self) -> bool {
        matches!(self.format, Format::Json)
    }

    /// Prints a result: the record for programs, or the lines for people. It may wait for `flush`.
    pub(crate) fn result(&mut self, body: Body<'_>, lines: impl Display) -> Result<(), Failure> {
        match self.format {
            Format::Text => self.line(lines),
            Format::Json => self.line(Record::new(body)),
        }
    }

    /// Prints lines as a result, whatever the format. They may wait for `flush`.
    pub(crate) fn line(&mut self, lines: impl Display) -> Result<(), Failure> {
        match &mut self.results {
            Results::Stream(stream) => writeln!(stream, "{lines}").map_err(|error| output_failed(&error)),
            Results::Screen { lines: waiting, .. } => {
                waiting.push_str(&format!(
                    "{lines}
"
                ));
                Ok(())
            }
        }
    }

    /// Prints lines that only people read; beside records they go to standard error.
    pub(crate) fn text(&mut self, lines: impl Display) -> Result<(), Failure> {
        match self.format {
            Format::Text => self.line(lines),
            Format::Json => {
                self.status(lines);
                Ok(())
            }
        }
    }

    /// Shows what was printed. To be called before waiting for anything.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        match &mut self.results {
            Results::Stream(stream) => stream.flush().map_err(|error| output_failed(&error)),
            Results::Screen { lines, .. } if lines.is_empty() => Ok(()),
            Results::Screen { screen, lines } => {
                screen.show(std::mem::take(lines));
                Ok(())
            }
        }
    }

    /// Tells a person how things are.
    pub(crate) fn status(&mut self, sentence: impl Display) {
        if self.loudness >= Loudness::Normal {
            self.tell(self.style.quiet(sentence));
        }
    }

    /// Tells a person who wants to know everything.
    pub(crate) fn detail(&mut self, sentence: impl Display) {
        if self.loudness >= Loudness::Verbose {
            self.tell(self.style.quiet(sentence));
        }
    }

    /// Tells what does not end the program but should be known.
    pub(crate) fn warning(&mut self, sentence: impl Display) {
        self.tell(self.style.alarm(sentence));
    }

    /// Tells how the program failed: programs on standard output, people on standard error.
    pub(crate) fn failure(&mut self, failure: &Failure) {
        if failure.status == ExitStatus::Done {
            return;
        }
        if self.is_json() {
            // Standard output may be what failed; then standard error still tells.
            let _ = self.line(Record::new(Body::failure(failure))).and_then(|()| self.flush());
        }
        self.warning(format_args!("cli: {}", Printable::new(&failure.sentence)));
    }

    fn tell(&mut self, line: impl Display) {
        // What was printed before comes first where both go to the same terminal.
        let _ = self.flush();
        match &mut self.results {
            Results::Stream(_) => tell_on_standard_error(io::stderr().lock(), line),
            Results::Screen { screen, .. } => screen.show(format!("{line}\n")),
        }
    }
}

impl Tell for Output {
    fn status(&mut self, sentence: impl Display) {
        Self::status(self, sentence);
    }

    fn detail(&mut self, sentence: impl Display) {
        Self::detail(self, sentence);
    }
}

fn tell_on_standard_error(mut stream: StderrLock<'_>, line: impl Display) {
    // Whoever closed standard error does not want to know.
    let _ = stream.write_all(format!("{line}\n").as_bytes());
}

/// A reader that went away has what it wanted; the program ends without a word.
fn output_failed(error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::BrokenPipe {
        Failure::new(ExitStatus::Done, "output-closed", "nobody reads any more")
    } else {
        Failure::local("standard output", error)
    }
}
