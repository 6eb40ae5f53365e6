//! A chat, line by line.
use palabre_core::name::RoomName;
use crate::{context::Context, failure::Failure};
pub(crate) fn run(_context: &mut Context, _room: Option<RoomName>) -> Result<(), Failure> { Ok(()) }
