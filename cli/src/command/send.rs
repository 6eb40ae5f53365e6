//! `cli send`: say something, and return when it is stored.

use std::{
    io::{self, Read as _},
    time::Duration,
};

use clap::Args;
use palabre_core::{
    client::{Client, ClientEvent, PostId, RoomInfo},
    error::Misuse,
    ids::{Nonce, RoomId, Seq},
    storage::EventKind,
    time::Now,
};

use super::send_lines;
use crate::{
    arguments::Target,
    context::Context,
    failure::{ExitStatus, Failure},
    output::{Body, Printable, place},
    session::{Session, with_session},
    state::Slot,
};

/// What a nonce is derived for: another use of the same key gives other numbers.
const NONCE_CONTEXT: &str = "palabre-cli 2026 nonce of a key";

/// How often the place of a key is tried while another process uses it.
const SLOT_RETRY: Duration = Duration::from_millis(100);

/// Say something, and return when it is stored
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cli send '#lobby' 'the build is green'
  make 2>&1 | tail -20 | cli send @ana -
  tail -f log | cli send '#log' --lines
  cli send '#ops' 'deployed' --nonce deploy-42")]
pub(crate) struct Arguments {
    /// Where: #room or @name
    to: Target,
    /// What to say; - reads it from standard input
    #[arg(required_unless_present = "lines", allow_hyphen_values = true)]
    text: Option<String>,
    /// Send each line of standard input as a message, as fast as the server takes them
    #[arg(long)]
    lines: bool,
    /// Make a retry safe: the same KEY stores the message once
    #[arg(long, value_name = "KEY", conflicts_with = "lines")]
    nonce: Option<String>,
    /// Say what you do, like /me
    #[arg(long)]
    me: bool,
    /// Answer the message with this number
    #[arg(long, value_name = "SEQ", conflicts_with = "lines")]
    reply: Option<u64>,
}

/// Write a message of your own anew
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cli edit '#lobby' 42 'the build is green, really'
  cli edit @ana 7 - < text")]
pub(crate) struct EditArguments {
    /// Where: #room or @name
    to: Target,
    /// The number of the message, as `cli send` and --json print it
    message: u64,
    /// What it shall say; - reads it from standard input
    #[arg(allow_hyphen_values = true)]
    text: String,
}

/// Delete a message: your own, or as a moderator
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cli delete '#lobby' 42")]
pub(crate) struct DeleteArguments {
    /// Where: #room or @name
    to: Target,
    /// The number of the message, as `cli send` and --json print it
    message: u64,
}

/// React to a message, or take that back
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  cli react '#lobby' 42 👍
  cli react '#lobby' 42 👍 --remove")]
pub(crate) struct ReactArguments {
    /// Where: #room or @name
    to: Target,
    /// The number of the message, as `cli send` and --json print it
    message: u64,
    /// With what: a few characters without space
    #[arg(allow_hyphen_values = true)]
    reaction: String,
    /// Take it back
    #[arg(long)]
    remove: bool,
}

/// Reacts to a message, and returns when that is stored.
pub(crate) fn react(arguments: &ReactArguments, context: &mut Context) -> Result<(), Failure> {
    let ReactArguments { to, message, reaction, remove } = arguments;
    change(context, to, *message, |client, room, message, now| {
        client.react(room, message, reaction, *remove, now)
    })
}

/// Writes a message anew, and returns when that is stored.
pub(crate) fn edit(arguments: &EditArguments, context: &mut Context) -> Result<(), Failure> {
    let text = if arguments.text == "-" { read_text()? } else { arguments.text.clone() };
    change(context, &arguments.to, arguments.message, |client, room, message, now| {
        client.edit(room, message, &text, None, now)
    })
}

/// Deletes a message, and returns when that is stored.
pub(crate) fn delete(arguments: &DeleteArguments, context: &mut Context) -> Result<(), Failure> {
    change(context, &arguments.to, arguments.message, |client, room, message, now| {
        client.delete(room, message, None, now)
    })
}

/// Posts something about a message, and returns when that is stored.
fn change(
    context: &mut Context,
    to: &Target,
    message: u64,
    post: impl FnOnce(&mut Client, RoomId, Seq, Now) -> Result<PostId, Misuse>,
) -> Result<(), Failure> {
    with_session(context, |session| {
        let room = session.join(to, None)?;
        let post = session.act(|client, now| post(client, room.id, Seq::new(message), now))?;
        wait_for(session, &room, post)
    })
}

impl Arguments {
    const fn kind(&self) -> EventKind {
        if self.me { EventKind::Action } else { EventKind::Posted }
    }
}

pub(crate) fn run(arguments: Arguments, context: &mut Context) -> Result<(), Failure> {
    if arguments.lines {
        if arguments.text.as_deref().is_some_and(|text| text != "-") {
            return Err(Failure::usage("--lines reads standard input; leave the text out"));
        }
        return with_session(context, |session| send_lines::run(session, &arguments.to, arguments.kind()));
    }
    let text = match arguments.text.as_deref() {
        None | Some("-") => read_text()?,
        Some(text) => text.to_owned(),
    };
    match &arguments.nonce {
        None => with_session(context, |session| send_one(session, &arguments, &text, None)),
        Some(key) => send_with_key(context, &arguments, &text, key),
    }
}

fn read_text() -> Result<String, Failure> {
    let mut text = String::new();
    io::stdin().lock().read_to_string(&mut text).map_err(|error| Failure::local("standard input", &error))?;
    text.truncate(text.trim_end_matches('\n').len());
    Ok(text)
}

fn send_one(
    session: &mut Session<'_>,
    arguments: &Arguments,
    text: &str,
    nonce: Option<Nonce>,
) -> Result<(), Failure> {
    let room = session.join(&arguments.to, None)?;
    let (room_id, kind) = (room.id, arguments.kind());
    let post = session.act(|client, now| match arguments.reply {
        Some(to) => client.reply(room_id, Seq::new(to), kind, text, nonce, now),
        None => client.post(room_id, kind, text, nonce, now),
    })?;
    wait_for(session, &room, post)
}

fn wait_for(session: &mut Session<'_>, room: &RoomInfo, wanted: PostId) -> Result<(), Failure> {
    loop {
        match session.next_event(None)? {
            Some(ClientEvent::Posted { post, seq, .. }) if post == wanted => {
                let place = place(room);
                let line = format!("{} {seq}", Printable::new(&place));
                return session.output().result(Body::posted(&place, seq), line);
            }
            Some(ClientEvent::PostRefused { post, refusal, .. }) if post == wanted => {
                return Err(Failure::refused(&refusal));
            }
            Some(ClientEvent::PostIndeterminate { post, .. }) if post == wanted => {
                return Err(indeterminate());
            }
            Some(_) | None => {}
        }
    }
}

pub(super) fn indeterminate() -> Failure {
    let sentence = "nobody can say whether the message was stored: the server forgot who sent it";
    Failure::new(ExitStatus::Other, "indeterminate", sentence)
}

/// Sends as the guest of a key. It is kept, here and on the server, so that another run is the same author: then
/// the server knows the message by its nonce.
fn send_with_key(context: &mut Context, arguments: &Arguments, text: &str, key: &str) -> Result<(), Failure> {
    let slot = slot_for(context, key)?;
    let mut session = Session::open(context, Some(slot))?;
    let result =
        send_one(&mut session, arguments, text, Some(nonce_of(key))).and_then(|()| session.output().flush());
    session.leave(true);
    result
}

fn slot_for(context: &mut Context, key: &str) -> Result<Slot, Failure> {
    let contact = context.contact()?;
    let state = context.state.as_ref().ok_or_else(|| {
        Failure::new(ExitStatus::Other, "no-home", "--nonce needs a home folder to remember the key in")
    })?;
    let local = |error: io::Error| Failure::local("the folder of saved sessions", &error);
    let tries = context.common.connect_timeout.as_millis() / SLOT_RETRY.as_millis();
    for _ in 0..=tries {
        if let Some(slot) = Slot::for_key(state, &contact, key).map_err(local)? {
            return Ok(slot);
        }
        std::thread::sleep(SLOT_RETRY);
    }
    let sentence = format!("another process is sending the message of the key {key}");
    Err(Failure::new(ExitStatus::Unavailable, "key-busy", sentence))
}

/// The first 8 bytes, the lowest first, of BLAKE3 in its mode for deriving keys.
fn nonce_of(key: &str) -> Nonce {
    let derived = blake3::derive_key(NONCE_CONTEXT, key.as_bytes());
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&derived[..8]);
    Nonce::new(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_always_gives_the_same_nonce() {
        assert_eq!(nonce_of("deploy-42").get(), nonce_of("deploy-42").get());
        assert_ne!(nonce_of("deploy-42"), nonce_of("deploy-43"));
        // A change of it would let a retry across an update store a message twice.
        assert_eq!(nonce_of("deploy-42").get(), 5_145_028_263_985_521_003);
    }
}
