//! `cli send --lines`: each line of standard input as a message, as fast as the server takes them.

use std::{
    collections::BTreeMap,
    io::{self, BufRead as _},
    sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    thread,
};

use palabre_core::{
    client::{ClientEvent, PostId, RoomInfo},
    ids::Seq,
    storage::EventKind,
};
use palabre_runtime::client::Waker;

use super::send::indeterminate;
use crate::{
    arguments::Target,
    failure::{ExitStatus, Failure, put_out},
    output::{Body, Printable, place},
    session::{OUTBOX_POSTS_MAX, Session},
};

/// Lines read ahead.
const LINES_AHEAD_MAX: usize = 64;

pub(super) fn run(session: &mut Session<'_>, to: &Target, kind: EventKind) -> Result<(), Failure> {
    let room = session.join(to, None)?;
    let lines = read_lines(session.driver().waker())?;
    let mut sending =
        Sending { place: place(&room), room, is_in: true, kind, lines: Some(lines), tally: Tally::default() };
    let result = sending.run(session);
    sending.tally.report(session, &sending.place)?;
    result.and_then(|()| sending.tally.verdict())
}

struct Sending {
    room: RoomInfo,
    place: String,
    /// Whether we are in the room; a guest that the server forgot has to enter again.
    is_in: bool,
    kind: EventKind,
    /// Nothing when the last line was read.
    lines: Option<Receiver<io::Result<String>>>,
    tally: Tally,
}

/// What became of the lines.
#[derive(Debug, Default)]
struct Tally {
    /// Lines read so far, empty ones included.
    read: u64,
    /// The lines that were not answered yet.
    pending: BTreeMap<PostId, u64>,
    stored: u64,
    failed: u64,
    last: Option<Seq>,
    /// The first failure, if all are of its kind.
    failure: Option<Failure>,
}

impl Sending {
    fn run(&mut self, session: &mut Session<'_>) -> Result<(), Failure> {
        loop {
            self.post_what_is_there(session)?;
            if self.lines.is_none() && self.tally.pending.is_empty() {
                return Ok(());
            }
            let event = session.next_event(None)?;
            self.note(session, event)?;
        }
    }

    /// Hands lines to the client while it takes more.
    fn post_what_is_there(&mut self, session: &mut Session<'_>) -> Result<(), Failure> {
        while self.is_in && self.tally.pending.len() < OUTBOX_POSTS_MAX {
            let Some(lines) = &self.lines else { return Ok(()) };
            match lines.try_recv() {
                Ok(Ok(line)) => self.post(session, &line)?,
                Ok(Err(error)) => return Err(Failure::local("standard input", &error)),
                Err(TryRecvError::Empty) => return Ok(()),
                Err(TryRecvError::Disconnected) => self.lines = None,
            }
        }
        Ok(())
    }

    /// Posts a line. An empty one says nothing and is passed over.
    fn post(&mut self, session: &mut Session<'_>, line: &str) -> Result<(), Failure> {
        self.tally.read += 1;
        let line = line.trim_end_matches(['\r', '\n']);
        if line.trim().is_empty() {
            return Ok(());
        }
        match session.act(|client, now| client.post(self.room.id, self.kind, line, None, now)) {
            Ok(post) => {
                self.tally.pending.insert(post, self.tally.read);
            }
            Err(failure) if failure.code == "ended" => return Err(failure),
            Err(failure) => self.tally.fail(session, self.tally.read, failure),
        }
        Ok(())
    }

    fn note(&mut self, session: &mut Session<'_>, event: Option<ClientEvent>) -> Result<(), Failure> {
        match event {
            Some(ClientEvent::Ready { resumed, .. }) => self.is_in = resumed,
            Some(ClientEvent::Joined { room, .. }) => (self.room, self.is_in) = (room, true),
            Some(ClientEvent::Unfollowed { refusal, .. }) => return Err(Failure::refused(&refusal)),
            Some(ClientEvent::Removed { name, banned, by, reason, until, .. }) => {
                return Err(put_out(&name, banned, &by, &reason, until));
            }
            Some(ClientEvent::Posted { post, seq, .. }) => {
                if self.tally.pending.remove(&post).is_some() {
                    self.tally.stored += 1;
                    self.tally.last = self.tally.last.max(Some(seq));
                }
            }
            Some(ClientEvent::PostRefused { post, refusal, .. }) => {
                if let Some(line) = self.tally.pending.remove(&post) {
                    self.tally.fail(session, line, Failure::refused(&refusal));
                }
            }
            Some(ClientEvent::PostIndeterminate { post, .. }) => {
                if let Some(line) = self.tally.pending.remove(&post) {
                    self.tally.fail(session, line, indeterminate());
                }
            }
            Some(_) | None => {}
        }
        Ok(())
    }
}

impl Tally {
    fn fail(&mut self, session: &mut Session<'_>, line: u64, failure: Failure) {
        self.failed += 1;
        session.output().warning(format_args!("line {line}: {}", Printable::new(&failure.sentence)));
        self.failure.get_or_insert(failure);
    }

    /// Prints the numbers.
    fn report(&self, session: &mut Session<'_>, place: &str) -> Result<(), Failure> {
        let body =
            Body::Done { r#in: place, sent: self.stored, failed: self.failed, last: self.last.map(Seq::get) };
        let last = self.last.unwrap_or_default();
        let line = format!("{} {last} ({} sent)", Printable::new(place), self.stored);
        let pending = self.pending.len();
        let output = session.output();
        if pending > 0 {
            output.warning(format_args!(
                "{pending} messages were not acknowledged; they may or may not be stored"
            ));
        }
        output.result(body, line)
    }

    /// Fails as the lines did: if all failed, as the first of them.
    fn verdict(&self) -> Result<(), Failure> {
        let Some(failure) = &self.failure else { return Ok(()) };
        if self.stored == 0 {
            return Err(failure.clone());
        }
        let all = self.failed + self.stored;
        let sentence = format!("{} of {all} messages were not stored", self.failed);
        Err(Failure::new(ExitStatus::Partial, "partial", sentence))
    }
}

/// Reads lines on a thread of its own, no further ahead than they are taken.
fn read_lines(waker: Waker) -> Result<Receiver<io::Result<String>>, Failure> {
    let (sender, lines) = sync_channel(LINES_AHEAD_MAX);
    let read = move || {
        forward_lines(sender, &waker);
        // The end is seen when the sender is gone.
        waker.wake();
    };
    thread::Builder::new()
        .name("lines".into())
        .spawn(read)
        .map_err(|error| Failure::local("a thread", &error))?;
    Ok(lines)
}

fn forward_lines(sender: SyncSender<io::Result<String>>, waker: &Waker) {
    let mut input = io::stdin().lock();
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = match input.read_until(b'\n', &mut line) {
            Ok(0) => return,
            Ok(_) => Ok(String::from_utf8_lossy(&line).into_owned()),
            Err(error) => Err(error),
        };
        let is_last = read.is_err();
        if sender.send(read).is_err() || is_last {
            return;
        }
        waker.wake();
    }
}
