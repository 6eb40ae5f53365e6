//! A chat: what it says and does is in `chat`; how that is shown and typed in `screen`, on the whole terminal, and in
//! `plain`, line by line.

mod chat;
mod plain;
mod screen;

use palabre_core::name::RoomName;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use self::screen::fuzz as fuzz_screen;
pub(crate) use self::screen::{Background, Depth, Way};
use crate::{context::Context, failure::Failure};

/// Chats until the person leaves, the lines end or the server is gone for good. On a terminal, and unless lines are
/// wanted, it takes the whole of it.
pub(crate) fn run(context: &mut Context, room: Option<RoomName>, lines: bool) -> Result<(), Failure> {
    let terminals = context.environment.terminals;
    let is_terminal = terminals.input && terminals.output && !context.environment.dumb_terminal;
    if is_terminal && !context.output.is_json() && !lines {
        screen::run(context, room)
    } else {
        plain::run(context, room)
    }
}
