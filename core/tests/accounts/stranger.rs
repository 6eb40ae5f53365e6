//! Clients of other makers, frame by frame.

use palabre_core::{
    channel::Channel,
    ids::ConnectionId,
    wire::{Frame, Hello, Refused, ToClient, ToServer, VERSION, split_frame},
};

use crate::house::House;

pub(crate) const TLS: Channel = Channel::Tls { exporter: [9; 32], server_key: [1; 32] };

/// Another maker's client, and what it was told.
pub(crate) struct Stranger {
    pub(crate) id: ConnectionId,
    pub(crate) heard: Vec<u8>,
}

/// One that is connected.
pub(crate) fn silent(house: &mut House, channel: Channel) -> Stranger {
    let id = house.server.handle_connected(house.source, house.now).expect("room");
    house.server.handle_secured(id, channel, house.now);
    Stranger { id, heard: Vec::new() }
}

/// One that has said hello.
pub(crate) fn stranger(house: &mut House, channel: Channel) -> Stranger {
    let mut stranger = silent(house, channel);
    let hello = Hello { first: VERSION, last: VERSION, client: "other", features: 0, session: None };
    say(house, &mut stranger, &hello.into());
    stranger
}

pub(crate) fn say(house: &mut House, stranger: &mut Stranger, message: &ToServer<'_>) {
    let mut bytes = Vec::new();
    message.encode(&mut bytes);
    house.server.handle_received(stranger.id, &bytes, house.now);
    house.settle();
    hear(house, stranger);
}

pub(crate) fn hear(house: &mut House, stranger: &mut Stranger) {
    let bytes = house.server.sendable(stranger.id).to_vec();
    house.server.handle_sent(stranger.id, bytes.len(), house.now);
    stranger.heard.extend(bytes);
}

/// What the server said: names of messages, and codes of refusals and errors.
pub(crate) fn told(stranger: &Stranger) -> Vec<String> {
    let mut rest = stranger.heard.as_slice();
    let mut told = Vec::new();
    while let Ok(Some((Frame { kind, body }, after))) = split_frame(rest, 66_560) {
        rest = after;
        match ToClient::decode(Frame { kind, body }) {
            Ok(Some(ToClient::Refused(Refused { code, text, .. }))) => told.push(format!("{code} {text}")),
            Ok(Some(ToClient::Error(error))) => told.push(format!("Error {}", error.code)),
            Ok(Some(message)) => told.push(message.name().to_owned()),
            other => panic!("{other:?}"),
        }
    }
    told
}
