//! A file system that is full, and storage that can no longer tell what is stored, through the binary.

use std::{
    fs::{self, File},
    io::{ErrorKind, Write},
    path::{Path, PathBuf},
    process::Command,
};

use palabre_core::{
    ids::{RoomId, Seq},
    wire::{Follow, Guest, ToClient},
};
use rustix::process::{Resource, Rlimit, Signal, prlimit};
use tempfile::TempDir;

use crate::support::{Peer, Process, failing, hello, post};

/// Refusals by their numbers in PROTOCOL X.
pub(crate) const NO_SPACE: u16 = 16;

/// A small file system of its own.
pub(crate) struct SmallDisk {
    mount: TempDir,
}

impl SmallDisk {
    /// `None`, and says so, where this user may not mount one.
    pub(crate) fn mount(kibibytes: u32) -> Option<Self> {
        let mount = tempfile::tempdir().unwrap();
        let size = format!("size={kibibytes}k");
        let status =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(mount.path()).status();
        if status.is_ok_and(|status| status.success()) {
            return Some(Self { mount });
        }
        println!("skipped: a file system can only be mounted by root");
        None
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.mount.path().join("data")
    }

    pub(crate) fn filler(&self) -> PathBuf {
        self.mount.path().join("filler")
    }

    /// Leaves no space.
    fn fill(&self) {
        let mut filler = File::create(self.filler()).unwrap();
        let error = loop {
            if let Err(error) = filler.write_all(&[0; 4_096]) {
                break error;
            }
        };
        assert_eq!(error.kind(), ErrorKind::StorageFull);
    }

    pub(crate) fn free(&self) {
        fs::remove_file(self.filler()).unwrap();
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.mount.path()).status();
    }
}

fn start(data: &Path) -> Process {
    Process::start(&["--listen", "127.0.0.1:0", "--limits", "open", "--data", data.to_str().unwrap()])
}

/// Says something; the code of the refusal, if it is refused.
pub(crate) fn say(peer: &mut Peer, room: RoomId, nonce: u64, text: &str) -> Option<u16> {
    peer.say(post(room, nonce, text));
    let answer = peer.find(|message| match message {
        ToClient::Posted(_) => Some(None),
        ToClient::Refused(refused) => Some(Some(refused.code)),
        _ => None,
    });
    answer.unwrap()
}

/// The numbers of the events of a room that this peer is in, up to the last.
fn read(peer: &mut Peer, room: RoomId) -> Vec<u64> {
    peer.say(Follow { id: 9, room, after: Some(Seq::new(0)) });
    let joined = peer.find(|message| match message {
        ToClient::Joined(joined) => Some(joined.room.last.get()),
        _ => None,
    });
    let event = |message: &ToClient<'_>| match message {
        ToClient::Event(event) => Some(event.event.seq.get()),
        _ => None,
    };
    (0..joined.unwrap()).map(|_| peer.find(event).unwrap()).collect()
}

#[test]
fn a_full_disk_refuses_posts_with_no_space_goes_on_reading_and_recovers_when_space_returns() {
    let Some(disk) = SmallDisk::mount(2_048) else { return };
    let mut server = start(&disk.data());
    let mut ana = Peer::connect(server.address());
    let token = ana.enter("ana");
    let room = ana.join("#kitchen");
    let text = "x".repeat(10_000);
    assert_eq!(say(&mut ana, room, 1, &text), None);
    disk.fill();
    let refused = (2..1_000).find(|nonce| say(&mut ana, room, *nonce, &text) == Some(NO_SPACE));
    let stored = refused.expect("a full disk refuses") - 1;
    for nonce in 1_000..1_020 {
        assert_eq!(say(&mut ana, room, nonce, &text), Some(NO_SPACE));
    }
    server.until_logged("no space left for the data");
    assert!(read(&mut ana, room).into_iter().eq(1..=stored), "reading goes on");

    let mut newcomer = Peer::connect(server.address());
    newcomer.say(hello());
    newcomer.say(Guest { id: 1, nick: "bob" });
    let refused = newcomer.find(|message| match message {
        ToClient::Refused(refused) => Some(refused.code),
        _ => None,
    });
    assert_eq!(refused, Some(NO_SPACE), "a new guest cannot be stored");

    // Also for one who was cut off meanwhile.
    drop(ana);
    let mut ana = Peer::connect(server.address());
    ana.resume(token);
    assert!(read(&mut ana, room).into_iter().eq(1..=stored), "reading goes on after coming back");
    assert_eq!(say(&mut ana, room, 1, &text), None, "what is stored is acknowledged again");
    assert_eq!(say(&mut ana, room, 1_019, &text), Some(NO_SPACE));
    server.read_log();
    assert_eq!(server.log.matches("no space left for the data").count(), 1, "{}", server.log);

    disk.free();
    for nonce in 1_000..1_010 {
        assert_eq!(say(&mut ana, room, nonce, &text), None, "there is space again");
    }
    server.signal(Signal::KILL);
    server.wait();
    let server = start(&disk.data());
    let mut ana = Peer::connect(server.address());
    ana.resume(token);
    assert!(read(&mut ana, room).into_iter().eq(1..=stored + 10), "no holes, nothing lost");
}

#[test]
fn a_start_on_a_full_disk_after_a_kill_works_and_after_an_orderly_end_says_what_to_do() {
    let Some(disk) = SmallDisk::mount(2_048) else { return };
    let mut server = start(&disk.data());
    server.signal(Signal::KILL);
    server.wait();
    disk.fill();
    // The files that SQLite needs are there still.
    let mut server = start(&disk.data());
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    disk.fill();
    let (code, message) = failing(&["--listen", "127.0.0.1:0", "--data", disk.data().to_str().unwrap()]);
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("no space left"), "{message}");
    disk.free();
    start(&disk.data());
}

#[test]
fn a_damaged_database_ends_the_start_with_what_to_do() {
    let data = tempfile::tempdir().unwrap();
    let mut server = start(data.path());
    let mut ana = Peer::connect(server.address());
    ana.enter("ana");
    let room = ana.join("#kitchen");
    for nonce in 1..20 {
        ana.post(room, nonce, &"x".repeat(10_000));
    }
    drop(ana);
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    let database = data.path().join("palabre.db");
    let mut bytes = fs::read(&database).unwrap();
    assert!(bytes.len() > 100_000);
    // All but the first page, which makes it a database.
    bytes[4_096..].fill(0x55);
    fs::write(&database, bytes).unwrap();
    let (code, message) = failing(&["--listen", "127.0.0.1:0", "--data", data.path().to_str().unwrap()]);
    assert_eq!(code, Some(1), "{message}");
    assert!(message.contains("is damaged") && message.contains(".recover"), "{message}");
}

#[test]
fn storage_that_cannot_tell_what_is_stored_ends_the_server_with_3() {
    let data = tempfile::tempdir().unwrap();
    let mut server = start(data.path());
    let mut ana = Peer::connect(server.address());
    ana.enter("ana");
    let room = ana.join("#kitchen");
    ana.post(room, 1, "before");
    // Writing fails, and there is no database any more to look what became of it.
    fs::remove_file(data.path().join("palabre.db")).unwrap();
    let none = Rlimit { current: Some(0), maximum: None };
    prlimit(Some(server.pid()), Resource::Fsize, none).unwrap();
    ana.say(post(room, 2, "after"));
    let answer = ana.find(|message| matches!(message, ToClient::Posted(_)).then_some(()));
    assert_eq!(answer, None, "nothing is acknowledged");
    assert_eq!(server.exit_code(), Some(3));
    server.until_logged("The server stops rather than guess");
}
