//! A chat: what it says and does is in `chat`, how that is shown and typed in `plain`.

mod chat;
mod plain;

use palabre_core::name::RoomName;

use crate::{context::Context, failure::Failure};

/// Chats until the person leaves, the lines end or the server is gone for good.
pub(crate) fn run(context: &mut Context, room: Option<RoomName>) -> Result<(), Failure> {
    plain::run(context, room)
}
