//! The terminal: taken over, read and written on threads of their own, and given back however the program ends.

mod decode;
mod key;
mod reader;
mod signals;
mod writer;

use std::{
    io, panic,
    sync::{Mutex, PoisonError},
};

use palabre_runtime::client::Waker;
use rustix::{
    process::{Signal, getppid, getsid, kill_current_process_group},
    stdio::{stdin, stdout},
    termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr},
};

pub(crate) use self::{
    decode::Decoder,
    key::{Click, Code, Heard, Key, NoKey},
};
use self::{reader::Reader, signals::Signals, writer::Writer};
use crate::interrupts;

/// Another screen; pastes in brackets; whether the window has the focus; keys that say which they are, where the
/// terminal knows how; text of both directions in the order in which we write it.
const ENTER: &str = "\x1b[?1049h\x1b[2J\x1b[?2004h\x1b[?1004h\x1b[>1u\x1b[>4;1m\x1b[8l";
const LEAVE: &str =
    "\x1b[8h\x1b[>4;0m\x1b[<u\x1b[?1006l\x1b[?1000l\x1b[?1004l\x1b[?2004l\x1b[0m\x1b[?25h\x1b[?1049l";
const MOUSE_ON: &str = "\x1b[?1000h\x1b[?1006h";
const MOUSE_OFF: &str = "\x1b[?1006l\x1b[?1000l";

/// How the terminal was, while it is ours.
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// The terminal, ours until dropped.
#[derive(Debug)]
pub(crate) struct Terminal {
    reader: Reader,
    writer: Writer,
    signals: Signals,
    mouse: bool,
}

/// What happened at the terminal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Arrived {
    Bytes(Vec<u8>),
    /// Nobody is there any more.
    Gone,
}

impl Terminal {
    /// Takes it over.
    pub(crate) fn take_over(waker: Waker, mouse: bool) -> io::Result<Self> {
        let signals = Signals::notice(waker.clone())?;
        let writer = Writer::start(waker.clone())?;
        let reader = Reader::start(waker)?;
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            give_back();
            before(panic);
        }));
        interrupts::before_exit(give_back);
        let terminal = Self { reader, writer, signals, mouse };
        terminal.enter()?;
        Ok(terminal)
    }

    fn enter(&self) -> io::Result<()> {
        let before = tcgetattr(stdin())?;
        *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = Some(before);
        self.set_up()
    }

    /// Makes it again what it has to be, after somebody else may have changed it.
    pub(crate) fn set_up(&self) -> io::Result<()> {
        let mut raw = tcgetattr(stdin())?;
        raw.make_raw();
        tcsetattr(stdin(), OptionalActions::Now, &raw)?;
        let mouse = if self.mouse { MOUSE_ON } else { MOUSE_OFF };
        write_all(format!("{ENTER}{mouse}").as_bytes());
        Ok(())
    }

    /// Columns and rows.
    pub(crate) fn size(&self) -> (u16, u16) {
        match tcgetwinsize(stdout()) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
            // What does not know its size is taken for what terminals always were.
            Ok(_) | Err(_) => (80, 24),
        }
    }

    /// What was typed since.
    pub(crate) fn read(&self) -> Option<Arrived> {
        self.reader.read()
    }

    /// Whether what was written before has been taken.
    pub(crate) fn is_idle(&self) -> bool {
        self.writer.is_idle()
    }

    /// Writes without waiting for the terminal to take it.
    pub(crate) fn write(&self, bytes: Vec<u8>) {
        self.writer.write(bytes);
    }

    /// Whether somebody outside asked for the program to be stopped for a while.
    pub(crate) fn is_to_stop(&self) -> bool {
        self.signals.take_stop()
    }

    /// Whether all has to be drawn anew.
    pub(crate) fn was_disturbed(&self) -> bool {
        self.signals.take_resumed()
    }

    pub(crate) fn set_mouse(&mut self, mouse: bool) {
        self.mouse = mouse;
        self.write(if mouse { MOUSE_ON } else { MOUSE_OFF }.into());
    }

    /// Gives the terminal away, to another program.
    pub(crate) fn lend(&self) {
        self.writer.settle();
        self.reader.pause();
        give_back();
    }

    /// Takes it over again.
    pub(crate) fn take_back(&self) -> io::Result<()> {
        self.enter()?;
        self.reader.resume();
        Ok(())
    }

    /// Stops the program until it is continued, as Ctrl-Z does. Fails where no shell is there to continue it.
    pub(crate) fn stop(&self) -> io::Result<()> {
        let parent = getppid().and_then(|parent| getsid(Some(parent)).ok());
        if parent.is_none() || parent != getsid(None).ok() {
            return Err(io::Error::other("there is no shell to go back to"));
        }
        self.lend();
        let stopped = kill_current_process_group(Signal::STOP);
        self.take_back()?;
        Ok(stopped?)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.lend();
    }
}

/// Makes the terminal what it was before. Does nothing when it is so already.
fn give_back() {
    let before = BEFORE.lock().unwrap_or_else(PoisonError::into_inner).take();
    if let Some(before) = before {
        write_all(LEAVE.as_bytes());
        let _ = tcsetattr(stdin(), OptionalActions::Flush, &before);
    }
}

/// To the terminal itself, past the buffers of the standard library.
fn write_all(mut bytes: &[u8]) {
    while let Ok(count @ 1..) = rustix::io::retry_on_intr(|| rustix::io::write(stdout(), bytes)) {
        bytes = bytes.get(count..).unwrap_or_default();
    }
}
