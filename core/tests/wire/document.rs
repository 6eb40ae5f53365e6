//! `docs/PROTOCOL.md` says what the code does: kinds, fields, codes, and the bytes of its worked session.

use std::{collections::BTreeMap, fmt::Debug};

use palabre_core::{
    error::{ProtocolError, RefusalCode},
    wire::{FRAME_BYTES_MAX, FRAME_BYTES_MAX_BEFORE_READY, Frame, ToClient, ToServer, split_frame},
};

use crate::{
    golden::{self, Worked},
    hex,
};

const PROTOCOL: &str = include_str!("../../../docs/PROTOCOL.md");

/// The section that begins with this letter.
fn section(letter: char) -> &'static str {
    let (_, rest) = PROTOCOL.split_once(&format!("\n## {letter} ")).expect("the section exists");
    rest.split("\n## ").next().unwrap()
}

/// The rows of the first table after `title`, as cells without their back quotes.
fn table(text: &str, title: &str) -> Vec<Vec<String>> {
    let (_, rest) = text.split_once(title).expect("the title exists");
    let lines =
        rest.lines().skip_while(|line| !line.starts_with('|')).take_while(|line| line.starts_with('|'));
    let rows = lines.skip(2).map(|line| {
        line.trim_matches('|').split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect()
    });
    let rows: Vec<_> = rows.collect();
    assert!(!rows.is_empty(), "no table after {title}");
    rows
}

/// The names of the fields of a body like `[id, room u64, text str]`.
fn fields(body: &str) -> Vec<String> {
    let (body, _) = body.trim_start_matches('[').rsplit_once(']').expect("a body is an array");
    body.split(',').map(|field| field.split_whitespace().next().unwrap().to_owned()).collect()
}

/// The names of the fields of a message or part, `depth` structs deep.
fn fields_of(value: &impl Debug, depth: usize) -> Vec<String> {
    let indent = " ".repeat(4 * depth);
    let shown = format!("{value:#?}");
    let lines = shown.lines().filter_map(|line| line.strip_prefix(&indent));
    lines
        .filter(|line| line.starts_with(char::is_alphabetic))
        .filter_map(|line| Some(line.split_once(':')?.0.into()))
        .collect()
}

type Shape = (String, Vec<String>);

fn documented(titles: [&str; 2]) -> BTreeMap<u8, Shape> {
    let rows = titles.iter().flat_map(|title| table(section('M'), title));
    rows.map(|row| {
        let kind = row[0].strip_prefix("0x").expect("a kind is in hexadecimal");
        (u8::from_str_radix(kind, 16).unwrap(), (row[1].clone(), fields(row[2].trim_matches('`'))))
    })
    .collect()
}

#[test]
fn messages_to_the_server_have_the_documented_kinds_names_and_fields() {
    let documented = documented(["Either direction:", "To the server:"]);
    let mut coded = BTreeMap::new();
    for (_, message) in golden::to_server() {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        coded.insert(bytes[4], (message.name().to_owned(), fields_of(&message, 2)));
    }
    assert_eq!(coded, documented);
    assert!(documented.keys().eq(ToServer::KINDS));
}

#[test]
fn messages_to_the_client_have_the_documented_kinds_names_and_fields() {
    let documented = documented(["Either direction:", "To the client:"]);
    let mut coded = BTreeMap::new();
    for (_, message) in golden::to_client() {
        let mut bytes = Vec::new();
        message.encode(&mut bytes);
        coded.insert(bytes[4], (message.name().to_owned(), fields_of(&message, 2)));
    }
    assert_eq!(coded, documented);
    assert!(documented.keys().eq(ToClient::KINDS));
}

#[test]
fn parts_have_the_documented_fields() {
    let mut coded = BTreeMap::new();
    for (_, message) in golden::to_client() {
        match message {
            ToClient::Welcome(welcome) => part(&mut coded, "Limits", &welcome.limits),
            ToClient::Joined(joined) => part(&mut coded, "Room", &joined.room),
            ToClient::MembersPage(page) => page.members.iter().for_each(|it| part(&mut coded, "Member", it)),
            ToClient::RoomsPage(page) => page.rooms.iter().for_each(|it| part(&mut coded, "Listed", it)),
            ToClient::Event(event) => {
                part(&mut coded, "LogEvent", &event.event);
                event.event.about.iter().for_each(|it| part(&mut coded, "About", it));
            }
            ToClient::Presence(presence) => {
                presence.changes.iter().for_each(|it| part(&mut coded, "Change", it))
            }
            ToClient::Challenge(challenge) => part(&mut coded, "Stretching", &challenge.stretching),
            ToClient::RightsPage(page) => {
                page.standings.iter().for_each(|it| part(&mut coded, "Standing", it))
            }
            ToClient::DeviceList(list) => list.devices.iter().for_each(|it| part(&mut coded, "Device", it)),
            ToClient::Stored(stored) => part(&mut coded, "File", &stored.file),
            ToClient::SearchPage(page) => page.hits.iter().for_each(|it| part(&mut coded, "Hit", it)),
            ToClient::Accepted(_)
            | ToClient::Window(_)
            | ToClient::Durable(_)
            | ToClient::Sending(_)
            | ToClient::Stopped(_)
            | ToClient::FilesPage(_)
            | ToClient::Data(_)
            | ToClient::Ping(_)
            | ToClient::Pong(_)
            | ToClient::Goodbye(_)
            | ToClient::Error(_)
            | ToClient::Waiting(_)
            | ToClient::Ready(_)
            | ToClient::Done(_)
            | ToClient::Refused(_)
            | ToClient::Posted(_)
            | ToClient::HistoryPage(_)
            | ToClient::ManualText(_)
            | ToClient::Opened(_)
            | ToClient::Trimmed(_)
            | ToClient::Credit(_)
            | ToClient::Parted(_)
            | ToClient::ReadUpTo(_) => {}
            ToClient::Removed(_) | ToClient::Invited(_) => {}
        }
    }
    let documented = table(section('M'), "Parts:").into_iter();
    let documented: BTreeMap<_, _> =
        documented.map(|row| (row[0].clone(), fields(row[1].trim_start_matches('`')))).collect();
    assert_eq!(coded, documented);
}

fn part(coded: &mut BTreeMap<String, Vec<String>>, name: &str, value: &impl Debug) {
    coded.insert(name.to_owned(), fields_of(value, 1));
}

#[test]
fn codes_have_the_documented_numbers_and_names() {
    let pairs = |title| -> Vec<(u16, String)> {
        table(section('X'), title).iter().map(|row| (row[0].parse().unwrap(), row[1].clone())).collect()
    };
    let refusals: Vec<_> =
        RefusalCode::ALL.iter().map(|code| (code.number(), code.name().to_owned())).collect();
    assert_eq!(refusals, pairs("Refusals"));
    let errors: Vec<_> =
        ProtocolError::ALL.iter().map(|code| (code.number(), code.name().to_owned())).collect();
    assert_eq!(errors, pairs("Errors (`Error`)"));
    for number in 0..=u16::MAX {
        assert_eq!(RefusalCode::from_number(number).map_or(number, RefusalCode::number), number);
        assert_eq!(ProtocolError::from_number(number).map_or(number, ProtocolError::number), number);
    }
}

#[test]
fn frames_have_the_documented_caps() {
    assert!(section('F').contains("The cap is 4,096 until"));
    assert_eq!(FRAME_BYTES_MAX_BEFORE_READY, 4_096);
    assert!(section('F').contains("66,560 (64 KiB and 1 KiB"));
    assert_eq!(FRAME_BYTES_MAX, 66_560);
}

/// The blocks of section B: direction and name from the line above, bytes.
fn worked_blocks() -> Vec<hex::Block> {
    let blocks = section('B').split("\n**").skip(1);
    let blocks = blocks.map(|block| {
        let title = block.split('.').next().unwrap().replace("**", "");
        let (_, rest) = block.split_once("```hex\n").expect("bytes follow");
        hex::Block { title, bytes: hex::bytes(rest.split("```").next().unwrap()) }
    });
    blocks.collect()
}

fn frame(bytes: &[u8]) -> Frame<'_> {
    match split_frame(bytes, FRAME_BYTES_MAX_BEFORE_READY) {
        Ok(Some((frame, []))) => frame,
        other => panic!("not one frame: {other:?}"),
    }
}

#[test]
fn the_worked_bytes_are_those_of_the_code() {
    let (blocks, session) = (worked_blocks(), golden::worked());
    assert_eq!(blocks.len(), session.len());
    for (index, (block, expected)) in blocks.iter().zip(session).enumerate() {
        let mut encoded = Vec::new();
        let title = match &expected {
            Worked::ToServer(message) => {
                assert_eq!(ToServer::decode(frame(&block.bytes)), Ok(Some(message.clone())));
                message.encode(&mut encoded);
                format!("{}, to the server", message.name())
            }
            Worked::ToClient(message) => {
                assert_eq!(ToClient::decode(frame(&block.bytes)), Ok(Some(message.clone())));
                message.encode(&mut encoded);
                format!("{}, to the client", message.name())
            }
            Worked::Nothing => {
                assert_eq!(ToClient::decode(frame(&block.bytes)), Ok(None));
                "nothing, to the client".to_owned()
            }
        };
        assert_eq!(block.title, title);
        // The last two are of a later version.
        assert_eq!(encoded == block.bytes, index < blocks.len() - 2, "{title}");
    }
}
