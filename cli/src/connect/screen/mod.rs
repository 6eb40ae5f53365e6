//! A chat on the whole terminal.
//!
//! The screen is a state machine ([`App`]) that is fed what the chat shows and what a person does; this module carries
//! things between it, the chat and the terminal, and draws a frame when something changed and the terminal has taken the
//! last one.

mod app;
mod draw;
mod editor;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
mod fuzzing;
mod keys;
mod notice;
#[cfg(any(test, feature = "fuzzing"))]
mod seat;
mod terminal;
mod text;
mod theme;
mod theme_file;

use std::{io, sync::Arc, time::Duration};

use jiff::tz::TimeZone;
use palabre_core::{name::RoomName, time::Monotonic};

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::fuzzing::fuzz;
use self::{
    app::{App, Effect},
    editor::Editing,
    frame::Frames,
    keys::Bindings,
    terminal::{Arrived, Decoder, Terminal},
    theme::{Palette, Theme},
};
pub(crate) use self::{
    notice::Way,
    theme::{Background, Depth},
};
use super::chat::{Chat, Shown};
use crate::{context::Context, failure::Failure, output::Collector};

/// Messages of before that are asked for on entering a room, and each time one scrolls to the oldest.
const PAST_EVENTS: u16 = 100;

/// How long an escape byte may wait for what follows it.
const ESCAPE_MAX: Duration = Duration::from_millis(30);

/// How often it is looked whether the editor has ended.
const EDITOR_LOOK: Duration = Duration::from_millis(50);

/// Frames follow each other no faster, unless a key was pressed.
const FRAME_MIN: Duration = Duration::from_millis(33);

/// Chats until the person leaves or the server is gone for good.
pub(super) fn run(context: &mut Context, room: Option<RoomName>) -> Result<(), Failure> {
    // Whatever is wrong or has to be asked comes before the terminal is taken over.
    let bindings =
        Bindings::new(context.config.keys.iter().map(|(name, keys)| (name.as_str(), keys.as_slice())))
            .map_err(|error| Failure::usage(format!("[keys]: {error}")))?;
    let looks = &context.environment.looks;
    let palette = match context.config.theme.as_deref() {
        None => Palette::of(looks.background),
        Some("dark") => Palette::of(Background::Dark),
        Some("light") => Palette::of(Background::Light),
        Some(file) => theme_file::read(file).map_err(|error| {
            Failure::usage(format!("theme: {file}: {error}; it is dark, light or a file"))
        })?,
    };
    let theme = Theme::new(&palette, looks.depth);
    let chat = Chat::start(context, room, true, PAST_EVENTS)?;
    let server = chat.connection().server().to_string();
    let mut app = App::new(theme, bindings, TimeZone::system(), server, chat.now());
    app.mouse = context.config.mouse.unwrap_or(true);
    app.vocabulary.set_paths(chat.paths());
    app.bell = context.config.bell.unwrap_or(true);
    let terminal = Terminal::take_over(chat.waker(), app.mouse)
        .map_err(|error| Failure::local("the terminal", &error))?;
    let told = Collector::default();
    context.output.use_screen(Arc::new(told.clone()));
    let mut screen = Screen {
        context,
        chat,
        app,
        terminal,
        is_lent: false,
        told,
        frames: Frames::default(),
        decoder: Decoder::default(),
        undecided_until: None,
        drawn: None,
        is_stale: true,
        is_urgent: true,
    };
    let result = screen.converse();
    screen.end(result)
}

struct Screen<'a> {
    context: &'a mut Context,
    chat: Chat,
    app: App,
    terminal: Terminal,
    /// Whether another program has the terminal.
    is_lent: bool,
    /// What other parts of the program have to say.
    told: Collector,
    frames: Frames,
    decoder: Decoder,
    /// Until when an escape byte waits for what follows it.
    undecided_until: Option<Monotonic>,
    /// When the last frame was drawn.
    drawn: Option<Monotonic>,
    /// Whether something changed since.
    is_stale: bool,
    /// Whether a person waits to see it.
    is_urgent: bool,
}

impl Screen<'_> {
    fn converse(&mut self) -> Result<(), Failure> {
        loop {
            self.app.now = self.chat.now();
            while self.chat.take_event()? {
                self.show()?;
            }
            self.hear()?;
            let going_on = self.chat.check();
            self.show()?;
            going_on?;
            if self.chat.is_finished() {
                return Ok(());
            }
            self.draw();
            let until = self.wakes_at();
            self.chat.wait(until)?;
        }
    }

    /// Hands what is to be shown to the screen, and does what comes of it.
    fn show(&mut self) -> Result<(), Failure> {
        loop {
            while let Some(shown) = self.chat.next_shown() {
                if matches!(shown, Shown::Entered) {
                    self.context.remember_server(self.chat.connection().server());
                }
                self.app.take(shown, self.chat.views());
                self.is_stale = true;
            }
            self.context.output.flush()?;
            for line in self.told.take() {
                self.warn(line);
            }
            self.app.look_at(self.chat.client(), self.chat.stage());
            self.is_stale |= self.app.follow_transfers(self.chat.transfers().collect());
            let effects = self.app.take_effects();
            if effects.is_empty() {
                return Ok(());
            }
            effects.into_iter().try_for_each(|effect| self.do_it(effect))?;
        }
    }

    /// Hands what was typed to the screen, and does what comes of it.
    fn hear(&mut self) -> Result<(), Failure> {
        let mut heard = Vec::new();
        while let Some(arrived) = self.terminal.read() {
            match arrived {
                Arrived::Bytes(bytes) => self.decoder.feed(&bytes, &mut heard),
                Arrived::Gone => return Err(Failure::interrupted()),
            }
        }
        let now = self.app.now.monotonic;
        self.undecided_until = match (self.decoder.is_undecided(), self.undecided_until) {
            (false, _) => None,
            (true, None) => Some(now.after(ESCAPE_MAX)),
            (true, Some(until)) if until <= now => {
                self.decoder.decide(&mut heard);
                None
            }
            (true, until) => until,
        };
        for heard in heard {
            self.app.hear(heard);
            (self.is_stale, self.is_urgent) = (true, true);
            self.show()?;
        }
        if self.terminal.is_to_stop() {
            self.stop();
        }
        if self.terminal.was_disturbed() {
            self.terminal.set_up().map_err(|error| Failure::local("the terminal", &error))?;
            self.redraw();
        }
        Ok(())
    }

    fn do_it(&mut self, effect: Effect) -> Result<(), Failure> {
        match effect {
            Effect::Line { room, line } => {
                if let Some(room) = room {
                    self.chat.look_at(room);
                }
                self.chat.take_line(&line)?;
            }
            Effect::Name(name) => self.chat.take_name(&name)?,
            Effect::Leave => self.chat.quit()?,
            Effect::Interrupt => return Err(Failure::interrupted()),
            Effect::Look(room) => self.chat.look_at(room),
            Effect::Say { room, text } => self.chat.say_in(room, &text),
            Effect::Older { room, before } => self.chat.older(room, before, PAST_EVENTS),
            Effect::Forgot { room, earliest } => self.chat.shown_from(room, earliest),
            Effect::Notify { .. } if self.is_lent => {}
            Effect::Notify { title, text } => {
                let way = self.context.environment.looks.notices;
                self.terminal.write(notice::bytes(way, self.app.bell, &title, &text));
            }
            Effect::Edit(text) => self.edit(&text)?,
            Effect::Mouse(mouse) => self.terminal.set_mouse(mouse),
            Effect::Redraw => self.redraw(),
            Effect::Suspend => self.stop(),
        }
        Ok(())
    }

    /// Has the line edited in another program. The chat goes on meanwhile, unseen.
    fn edit(&mut self, text: &str) -> Result<(), Failure> {
        self.terminal.lend();
        self.is_lent = true;
        let edited = self.wait_for_editor(text);
        self.is_lent = false;
        self.terminal.take_back().map_err(|error| Failure::local("the terminal", &error))?;
        match edited? {
            Ok(text) => self.app.edited(&text),
            Err(error) => self.warn(format!("the editor: {error}")),
        }
        self.redraw();
        Ok(())
    }

    fn wait_for_editor(&mut self, text: &str) -> Result<io::Result<String>, Failure> {
        let mut editing = match Editing::start(self.context.environment.editor.as_deref(), text) {
            Ok(editing) => editing,
            Err(error) => return Ok(Err(error)),
        };
        loop {
            match editing.result() {
                Ok(None) => {}
                Ok(Some(text)) => return Ok(Ok(text)),
                Err(error) => return Ok(Err(error)),
            }
            self.app.now = self.chat.now();
            while self.chat.take_event()? {
                self.show()?;
            }
            self.chat.wait(Some(self.app.now.monotonic.after(EDITOR_LOOK)))?;
        }
    }

    fn stop(&mut self) {
        if let Err(error) = self.terminal.stop() {
            self.warn(format!("cannot be stopped: {error}"));
        }
        self.redraw();
    }

    fn warn(&mut self, sentence: String) {
        self.app.take(Shown::Warning(sentence), self.chat.views());
        self.is_stale = true;
    }

    fn redraw(&mut self) {
        self.frames.forget();
        (self.is_stale, self.is_urgent) = (true, true);
    }

    /// Draws, if there is something to draw, the terminal has taken the last frame and it is time.
    fn draw(&mut self) {
        let size = self.terminal.size();
        if size != self.app.size {
            self.app.size = size;
            (self.is_stale, self.is_urgent) = (true, true);
        }
        let now = self.app.now.monotonic;
        let is_due =
            self.app.changes_in().is_some_and(|wait| self.drawn.is_none_or(|at| at.after(wait) <= now));
        let is_too_soon = !self.is_urgent && self.drawn.is_some_and(|at| now < at.after(FRAME_MIN));
        if !(self.is_stale || is_due) || is_too_soon || !self.terminal.is_idle() {
            return;
        }
        self.app.prepare(self.chat.views());
        let bytes = self.frames.draw(&self.app);
        if !bytes.is_empty() {
            self.terminal.write(bytes);
        }
        self.drawn = Some(now);
        (self.is_stale, self.is_urgent) = (false, false);
    }

    /// When something is to be done though nothing happens.
    fn wakes_at(&self) -> Option<Monotonic> {
        let frame =
            self.drawn.filter(|_| self.is_stale && self.terminal.is_idle()).map(|at| at.after(FRAME_MIN));
        let changes = self.app.changes_in().and_then(|wait| Some(self.drawn?.after(wait)));
        [self.undecided_until, frame, changes].into_iter().flatten().min()
    }

    /// Gives the terminal back and says goodbye.
    fn end(self, result: Result<(), Failure>) -> Result<(), Failure> {
        drop(self.terminal);
        let shown = self.context.output.leave_screen();
        for line in self.told.take() {
            self.context.output.warning(line);
        }
        let left = self.chat.leave(&mut self.context.output);
        result.and(shown).and(left)
    }
}
