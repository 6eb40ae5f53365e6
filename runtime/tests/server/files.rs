//! Uploads through the binary: what strangers would call them, and a disk that they fill.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{
    full_disk::{NO_SPACE, SmallDisk, say},
    support::{Peer, Process},
};
use palabre_core::{
    error::RefusalCode,
    ids::RoomId,
    storage::EventKind,
    transfer::{BlobHash, UploadKey},
    wire::{self, ToClient},
};

/// What a file system, a terminal or a person would take for something else.
const HOSTILE: [&str; 13] = [
    "../x",
    "a/../../x",
    "/etc/x",
    "C:\\x",
    "..\\x",
    "CON",
    "nul.txt",
    "a\0b",
    "a\u{1b}[2J",
    "a\u{202e}gpj.exe",
    "a\u{200b}b",
    "..",
    "x ",
];

fn start(data: &Path) -> Process {
    let data = data.to_str().unwrap();
    Process::start(&[
        "--listen",
        "127.0.0.1:0",
        "--limits",
        "open",
        "--files",
        "everybody",
        "--plaintext",
        "--data",
        data,
    ])
}

fn wish(room: RoomId, key: u8, transfer: u32, name: &str) -> wire::Upload<'_> {
    let key = UploadKey([key; 16]);
    wire::Upload { id: 5, transfer, key, room, name, size: None, executable: false, over: None }
}

/// Brings content from `offset` on, as far as it is let. Up to where it was durable at last, and the code that it was stopped with.
struct Bringing {
    transfer: u32,
    sent: u64,
    limit: u64,
    durable: u64,
    stopped: Option<u16>,
}

impl Bringing {
    fn begin(peer: &mut Peer, wish: wire::Upload<'_>) -> Result<Self, u16> {
        let transfer = wish.transfer;
        peer.say(wish);
        let answer = peer.find(|message| match message {
            ToClient::Accepted(accepted) => Some(Ok((accepted.offset, accepted.limit))),
            ToClient::Refused(refused) => Some(Err(refused.code)),
            _ => None,
        });
        let (sent, limit) = answer.unwrap()?;
        Ok(Self { transfer, sent, limit, durable: sent, stopped: None })
    }

    fn bring(&mut self, peer: &mut Peer, content: &[u8]) {
        while self.stopped.is_none() && self.sent < content.len() as u64 {
            let at = usize::try_from(self.sent).unwrap();
            let end = content.len().min(at + wire::DATA_BYTES_MAX).min(usize::try_from(self.limit).unwrap());
            if end > at {
                peer.say(wire::Data { transfer: self.transfer, offset: self.sent, bytes: &content[at..end] });
                self.sent = end as u64;
            } else {
                self.hear(peer);
            }
        }
    }

    fn hear(&mut self, peer: &mut Peer) {
        let heard = peer.find(|message| match message {
            ToClient::Window(window) => Some((window.limit, self.durable, None)),
            ToClient::Durable(durable) => Some((self.limit, durable.offset, None)),
            ToClient::Stopped(stopped) => Some((self.limit, self.durable, Some(stopped.code))),
            _ => None,
        });
        (self.limit, self.durable, self.stopped) = heard.unwrap();
    }
}

/// The code that a request is refused with.
fn refused<'a>(peer: &mut Peer, message: impl Into<wire::ToServer<'a>>) -> u16 {
    peer.say(message);
    let refused = |message: &ToClient<'_>| match message {
        ToClient::Refused(refused) => Some(refused.code),
        _ => None,
    };
    peer.find(refused).expect("a refusal ends nothing")
}

/// All files and folders below a folder, as paths from there.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            found.push(path.strip_prefix(folder).unwrap().to_path_buf());
            if path.is_dir() {
                folders.push(path);
            }
        }
    }
    found.sort();
    found
}

#[test]
fn no_name_that_a_stranger_sends_becomes_a_path() {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join("a/data");
    let mut server = start(&data);
    let mut mallory = Peer::plaintext(server.address());
    mallory.enter("mallory");
    let room = mallory.join("#kitchen");
    let long = "x".repeat(4_096);
    let invalid = RefusalCode::FileNameInvalid.number();
    let mut transfer = 0;
    for name in HOSTILE.into_iter().chain([long.as_str()]) {
        transfer += 1;
        assert_eq!(refused(&mut mallory, wish(room, 1, transfer, name)), invalid, "{name:?}");
        transfer += 1;
        let download =
            wire::Download { id: 6, transfer, room, name, hash: None, offset: 0, limit: 100, outline: None };
        assert_eq!(refused(&mut mallory, download), invalid, "{name:?}");
        let delete = wire::Delete { id: 7, room, name, version: None };
        assert_eq!(refused(&mut mallory, delete), invalid, "{name:?}");
        assert_eq!(
            refused(&mut mallory, wire::Files { id: 8, room, after: Some(name) }),
            invalid,
            "{name:?}"
        );
    }
    // A good name at first, and a bad one at last.
    transfer += 1;
    let content = b"harmless".repeat(100);
    let hash = BlobHash(*blake3::hash(&content).as_bytes());
    let mut bringing = Bringing::begin(&mut mallory, wish(room, 2, transfer, "good")).unwrap();
    bringing.bring(&mut mallory, &content);
    let finish = |name| wire::Finish { id: 9, transfer, size: content.len() as u64, hash, name, over: None };
    for name in HOSTILE {
        assert_eq!(refused(&mut mallory, finish(Some(name))), invalid, "{name:?}");
    }
    mallory.say(finish(None));
    let stored = mallory.find(|message| matches!(message, ToClient::Stored(_)).then_some(()));
    assert_eq!(stored, Some(()));
    // Nor is an event about a file something that anybody may say.
    let nonce = palabre_core::ids::Nonce::new(1);
    mallory.say(wire::Post {
        id: 3,
        room,
        nonce,
        kind: EventKind::FileShared.number(),
        text: "../x\n1\n1\n00",
        to: None,
    });
    let taken = mallory.heard(|message| matches!(message, ToClient::Posted(_)).then_some(()));
    assert_eq!(taken, None);

    let found = below(home.path());
    let hexadecimal = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        name.chars().all(|char| char.is_ascii_hexdigit())
    };
    let blobs = Path::new("a/data/files/blobs");
    let contents: Vec<_> = found.iter().filter(|path| path.starts_with(blobs) && *path != blobs).collect();
    assert!(contents.iter().all(|path| hexadecimal(path)), "{contents:?}");
    let others = found.iter().filter(|path| !path.starts_with("a/data/files/"));
    let others: Vec<_> = others.filter(|path| path.as_path() != Path::new("a/data/files")).collect();
    let expected = |path: &&&PathBuf| {
        let name = path.file_name().unwrap().to_str().unwrap();
        **path == Path::new("a")
            || **path == Path::new("a/data")
            || name.starts_with("palabre.db")
            || ["lock", "accounts.secret"].contains(&name)
            || name.ends_with(".lock")
    };
    assert_eq!(others.iter().filter(|path| !expected(path)).collect::<Vec<_>>(), Vec::<&&PathBuf>::new());
    server.read_log();
    assert!(!server.log.contains(['\u{1b}', '\u{202e}', '\0']), "{}", server.log);
}

#[test]
fn an_upload_that_fills_the_disk_is_told_so_chat_goes_on_and_it_is_resumed_when_there_is_space() {
    let Some(disk) = SmallDisk::mount(32 << 10) else { return };
    // Gone later, so that there is space again.
    fs::write(disk.filler(), vec![1; 16 << 20]).unwrap();
    let mut server = start(&disk.data());
    let mut ana = Peer::plaintext(server.address());
    ana.enter("ana");
    let room = ana.join("#kitchen");
    let content: Vec<u8> = (0..24_u32 << 20).map(|at| (at % 251) as u8 ^ (at >> 16) as u8).collect();
    // It is not said how large it will be: otherwise that would be refused at once.
    let mut bringing = Bringing::begin(&mut ana, wish(room, 1, 1, "large")).unwrap();
    bringing.bring(&mut ana, &content[..8 << 20]);
    while bringing.durable < 8 << 20 {
        bringing.hear(&mut ana);
    }
    bringing.bring(&mut ana, &content);
    assert_eq!(bringing.stopped, Some(NO_SPACE));
    server.until_logged("no space left for files");
    let text = "x".repeat(10_000);
    for nonce in 1..20 {
        assert_eq!(say(&mut ana, room, nonce, &text), None, "what is left is for people");
    }
    let announced = wire::Upload { size: Some(20 << 20), ..wish(room, 2, 2, "announced") };
    assert_eq!(
        Bringing::begin(&mut ana, announced).err(),
        Some(NO_SPACE),
        "one that cannot fit is refused at once"
    );
    disk.free();
    let mut bringing = Bringing::begin(&mut ana, wish(room, 1, 3, "large")).unwrap();
    assert!(bringing.sent >= 8 << 20, "what was durable is there still: {} bytes", bringing.sent);
    bringing.bring(&mut ana, &content);
    let hash = BlobHash(*blake3::hash(&content).as_bytes());
    let size = content.len() as u64;
    ana.say(wire::Finish { id: 9, transfer: 3, size, hash, name: None, over: None });
    let stored = ana.find(|message| match message {
        ToClient::Stored(stored) => Some(stored.file.hash),
        _ => None,
    });
    assert_eq!(stored, Some(hash));
}
