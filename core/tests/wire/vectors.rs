//! The golden vectors in `tests/vectors`, in both directions.

use std::collections::BTreeSet;

use palabre_core::{
    error::ProtocolError,
    wire::{FRAME_BYTES_MAX, Frame, ToClient, ToServer, split_frame},
};

use crate::{
    golden::{self, Named},
    hex,
};

const TO_SERVER: &str = include_str!("../vectors/to_server.txt");
const TO_CLIENT: &str = include_str!("../vectors/to_client.txt");
const TOLERATED: &str = include_str!("../vectors/tolerated.txt");
const REFUSED: &str = include_str!("../vectors/refused.txt");

fn frame(bytes: &[u8]) -> Result<Frame<'_>, ProtocolError> {
    let (frame, rest) = split_frame(bytes, FRAME_BYTES_MAX)?.expect("a vector is a whole frame");
    assert!(rest.is_empty(), "a vector is one frame");
    Ok(frame)
}

fn to_server(bytes: &[u8]) -> Result<Option<ToServer<'_>>, ProtocolError> {
    ToServer::decode(frame(bytes)?)
}

fn to_client(bytes: &[u8]) -> Result<Option<ToClient<'_>>, ProtocolError> {
    ToClient::decode(frame(bytes)?)
}

fn find<M: Clone>(messages: &[Named<M>], name: &str) -> Option<M> {
    let found = messages.iter().find(|(known, _)| *known == name).map(|(_, message)| message.clone());
    assert_eq!(found.is_none(), name == "nothing", "no golden vector {name}");
    found
}

#[test]
fn messages_to_the_server_have_their_golden_bytes() {
    let messages = golden::to_server();
    let blocks = hex::blocks(TO_SERVER);
    assert_eq!(blocks.len(), messages.len());
    for (block, (name, message)) in blocks.iter().zip(messages) {
        assert_eq!(block.title, name);
        assert_eq!(to_server(&block.bytes), Ok(Some(message.clone())), "{name}");
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        assert_eq!(bytes, block.bytes, "{name}");
    }
}

#[test]
fn messages_to_the_client_have_their_golden_bytes() {
    let messages = golden::to_client();
    let blocks = hex::blocks(TO_CLIENT);
    assert_eq!(blocks.len(), messages.len());
    for (block, (name, message)) in blocks.iter().zip(messages) {
        assert_eq!(block.title, name);
        assert_eq!(to_client(&block.bytes), Ok(Some(message.clone())), "{name}");
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        assert_eq!(bytes, block.bytes, "{name}");
    }
}

#[test]
fn every_kind_has_a_golden_vector() {
    for (file, kinds) in [(TO_SERVER, ToServer::KINDS), (TO_CLIENT, ToClient::KINDS)] {
        let shown: BTreeSet<u8> = hex::blocks(file).iter().map(|block| block.bytes[4]).collect();
        assert_eq!(shown, kinds.iter().copied().collect());
    }
}

#[test]
fn what_later_versions_append_and_earlier_ones_leave_out_is_tolerated() {
    for block in hex::blocks(TOLERATED) {
        let (means, why) = block.title.split_once(": ").expect("a title says why");
        match means.split_once(' ').expect("a title says where and what") {
            ("to-server", name) => {
                assert_eq!(to_server(&block.bytes), Ok(find(&golden::to_server(), name)), "{why}")
            }
            ("to-client", name) => {
                assert_eq!(to_client(&block.bytes), Ok(find(&golden::to_client(), name)), "{why}")
            }
            other => panic!("no direction: {other:?}"),
        }
    }
}

#[test]
fn what_breaks_the_protocol_is_refused_with_its_code() {
    for block in hex::blocks(REFUSED) {
        let (means, why) = block.title.split_once(": ").expect("a title says why");
        let (decoded, name) = match means.split_once(' ').expect("a title says where and what") {
            ("to-server", name) => (to_server(&block.bytes).map(drop), name),
            ("to-client", name) => (to_client(&block.bytes).map(drop), name),
            other => panic!("no direction: {other:?}"),
        };
        assert_eq!(decoded.expect_err(why).name(), name, "{why}");
    }
}
