//! A peer that sends more of a file than it may: nothing of that reaches the disk, and it is shown the door.

use palabre_core::{
    channel::Channel,
    ids::{ConnectionId, RoomId},
    output::Source,
    server::Server,
    time::Now,
    transfer::UploadKey,
    wire::{self, FRAME_BYTES_MAX, FrameDecoder, ToClient, ToServer},
};

use super::{Found, Marks};
use crate::choices::{Choices, Subsystem};

/// Uploads onto its own shelf, and goes past its credit.
#[derive(Default)]
pub(super) struct Liar {
    line: Option<Line>,
    pub(super) marks: Marks,
}

struct Line {
    id: ConnectionId,
    decoder: FrameDecoder,
    limit: Option<u64>,
    sent: u64,
    lied: bool,
}

impl Liar {
    pub(super) fn id(&self) -> Option<ConnectionId> {
        self.line.as_ref().map(|line| line.id)
    }

    pub(super) fn leave(&mut self, server: Option<&mut Server>, now: Now) {
        let line = self.line.take();
        if let (Some(line), Some(server)) = (line, server) {
            server.handle_disconnected(line.id, now);
        }
    }

    pub(super) fn act(&mut self, server: &mut Server, choices: &mut Choices, now: Now) -> Found {
        let Some(line) = &mut self.line else {
            let source = Source::V4([127, 0, 0, 1]);
            let Ok(id) = server.handle_connected(source, now) else { return Ok(()) };
            server.handle_secured(id, Channel::Plain, now);
            let decoder = FrameDecoder::new(FRAME_BYTES_MAX);
            self.line = Some(Line { id, decoder, limit: None, sent: 0, lied: false });
            let hello = wire::Hello { first: 1, last: 1, client: "liar", features: 0, session: None };
            say(server, id, hello, now);
            say(server, id, wire::Guest { id: 1, nick: "liar" }, now);
            return Ok(());
        };
        let Some(limit) = line.limit else { return Ok(()) };
        let left = limit - line.sent;
        if line.lied || (left > 0 && choices.chance(Subsystem::Peers, 1, 2)) {
            return Ok(());
        }
        // From within its credit to beyond it.
        let count = (left + 1 + choices.below(Subsystem::Peers, 2_000)).min(65_536);
        let bytes = vec![7; usize::try_from(count).unwrap_or(0)];
        let data = wire::Data { transfer: 1, offset: line.sent, bytes: &bytes };
        line.sent += count;
        line.lied = line.sent > limit;
        say(server, line.id, data, now);
        Ok(())
    }

    /// Hears what the server has to say.
    pub(super) fn hear(&mut self, server: &mut Server, now: Now) -> Found {
        let Some(line) = &mut self.line else { return Ok(()) };
        let bytes = server.sendable(line.id).to_vec();
        server.handle_sent(line.id, bytes.len(), now);
        line.decoder.push(&bytes);
        let (id, mut over, mut uploads) = (line.id, false, false);
        while let Ok(Some(frame)) = line.decoder.next_frame() {
            match ToClient::decode(frame) {
                Ok(Some(ToClient::Ready(_))) => uploads = true,
                Ok(Some(ToClient::Accepted(accepted))) => line.limit = Some(accepted.limit),
                Ok(Some(ToClient::Window(window))) if !line.lied => line.limit = Some(window.limit),
                Ok(Some(ToClient::Window(window))) => {
                    return Err(format!(
                        "a peer that went past its credit was let send up to {}",
                        window.limit
                    ));
                }
                Ok(Some(ToClient::Durable(durable))) if durable.offset > line.limit.unwrap_or(0) => {
                    return Err("what was sent without credit was kept".into());
                }
                Ok(Some(ToClient::Error(_))) => {
                    self.marks.note("a peer that went past its credit was accused", line.lied);
                    over = true;
                }
                Ok(Some(ToClient::Goodbye(_) | ToClient::Refused(_))) => over = true,
                _ => {}
            }
        }
        if over {
            self.line = None;
            server.handle_disconnected(id, now);
        } else if uploads {
            let upload = wire::Upload {
                id: 2,
                transfer: 1,
                key: UploadKey([0xee; 16]),
                room: RoomId::new(0),
                name: "lies",
                size: Some(200_000),
                executable: false,
                over: None,
            };
            say(server, id, upload, now);
        }
        Ok(())
    }
}

fn say<'a>(server: &mut Server, id: ConnectionId, message: impl Into<ToServer<'a>>, now: Now) {
    let mut frame = Vec::new();
    message.into().encode(&mut frame);
    server.handle_received(id, &frame, now);
}
