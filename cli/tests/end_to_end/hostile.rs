//! A server that means ill: whatever it calls files and says about them, nothing outside of the folder is touched and nothing raw
//! reaches the terminal.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    thread,
};

use palabre_core::{
    ids::{Incarnation, RoomId, Seq, UserId},
    time::WallTime,
    transfer::{BlobHash, Version},
    wire::{self, FRAME_BYTES_MAX, FrameDecoder, ToClient, ToServer, kind},
};

use super::support::{Finished, House};

/// What a file system, a terminal or a person would take for something else.
const HOSTILE: [&str; 14] = [
    "../x",
    "a/../../x",
    "/etc/x",
    "C:\\x",
    "..\\x",
    "CON",
    "nul.txt",
    "a\0b",
    "a\u{1b}[2J",
    "a\u{9b}2J",
    "a\u{202e}gpj.exe",
    "a\u{200b}b",
    "..",
    "",
];

const CONTENT: &[u8] = b"gotcha";
const ROOM: RoomId = RoomId::new(1);

/// What the server says about its only file.
#[derive(Clone)]
struct Lies {
    name: String,
    nick: String,
    /// The content that it sends for it.
    content: Vec<u8>,
    /// What it says when it refuses, or that it does not.
    refusal: Option<String>,
}

impl Default for Lies {
    fn default() -> Self {
        Self { name: "good".into(), nick: "mallory".into(), content: CONTENT.into(), refusal: None }
    }
}

impl Lies {
    fn file(&self) -> wire::File<'_> {
        wire::File {
            name: &self.name,
            version: Version::new(1),
            size: CONTENT.len() as u64,
            hash: BlobHash(*blake3::hash(CONTENT).as_bytes()),
            executable: false,
            by: UserId::new(9),
            nick: &self.nick,
            at: WallTime::from_millis(1_795_292_400_000),
        }
    }

    fn serve(self) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for stream in listener.incoming() {
                let lies = self.clone();
                thread::spawn(move || lies.talk(stream.unwrap()));
            }
        });
        address
    }

    fn talk(&self, mut stream: TcpStream) {
        let mut decoder = FrameDecoder::new(FRAME_BYTES_MAX);
        let mut bytes = [0; 16 << 10];
        while let Ok(count @ 1..) = stream.read(&mut bytes) {
            decoder.push(&bytes[..count]);
            while let Ok(Some(frame)) = decoder.next_frame() {
                let Ok(Some(message)) = ToServer::decode(frame) else { return };
                let mut answer = Vec::new();
                self.answer(&message, &mut answer);
                if stream.write_all(&answer).is_err() {
                    return;
                }
            }
        }
    }

    fn answer(&self, message: &ToServer<'_>, out: &mut Vec<u8>) {
        let mut say = |message: ToClient<'_>| message.encode(out);
        let refuse = |id, text| wire::Refused { id, code: 61, text, about: text, suggestion: None };
        match (message, &self.refusal) {
            (ToServer::Hello(_), _) => say(welcome().into()),
            (ToServer::Guest(guest), _) => {
                say(wire::Ready {
                    id: guest.id,
                    user: UserId::new(1),
                    nick: guest.nick,
                    token: wire::Token([7; 32]),
                    keep_seconds: 600,
                    rooms: Vec::new(),
                    account: false,
                }
                .into());
                say(wire::Credit { posts: 10, bytes: 65_536 }.into());
            }
            (ToServer::Join(join), _) => {
                let (name, topic) = (join.name, "");
                let (first, last) = (Seq::new(1), Seq::new(1));
                let room =
                    wire::Room { room: ROOM, name, topic, first, last, with_user: None, with_nick: None };
                say(wire::Joined { id: join.id, room, members: 2 }.into());
            }
            (ToServer::Rooms(rooms), _) => {
                let (name, topic, members, last) = ("#lobby", "", 2, Seq::new(1));
                let lobby = wire::Listed { room: ROOM, name, topic, members, last };
                say(wire::RoomsPage { id: rooms.id, rooms: vec![lobby], next: None }.into());
            }
            (ToServer::Files(files), Some(text)) => say(refuse(files.id, text).into()),
            (ToServer::Files(files), None) => {
                say(wire::FilesPage { id: files.id, room: ROOM, files: vec![self.file()], next: None }.into());
            }
            (ToServer::Download(download), Some(text)) => say(refuse(download.id, text).into()),
            (ToServer::Download(download), None) => {
                let (id, transfer) = (download.id, download.transfer);
                say(wire::Sending { id, transfer, file: self.file(), offset: 0, outline: None }.into());
            }
            (ToServer::Window(window), _) => {
                say(wire::Data { transfer: window.transfer, offset: 0, bytes: &self.content }.into());
            }
            (ToServer::History(history), _) => {
                let hash = BlobHash(*blake3::hash(CONTENT).as_bytes());
                let text = format!("{}\n1\n6\n{hash}", self.name);
                let event = wire::LogEvent {
                    seq: Seq::new(1),
                    at: WallTime::from_millis(1_795_292_400_000),
                    author: UserId::new(9),
                    nick: &self.nick,
                    kind: kind::FILE_SHARED,
                    text: &text,
                    about: None,
                    revised: None,
                };
                let (id, room, first) = (history.id, history.room, Seq::new(1));
                say(wire::HistoryPage { id, room, first, events: vec![event] }.into());
            }
            (ToServer::Ping(ping), _) => say(wire::Pong { token: ping.token }.into()),
            _ => {}
        }
    }
}

fn welcome() -> wire::Welcome<'static> {
    let limits = wire::Limits {
        text_bytes: 16_384,
        nick_bytes: 32,
        room_bytes: 64,
        topic_bytes: 400,
        page_events: 200,
        requests: 32,
        posts: 64,
        silence_seconds: 60,
    };
    let (server, incarnation) = ("palabre 0.1.0", Incarnation::new(1));
    wire::Welcome { version: 1, server, incarnation, mechanisms: 1, features: 0, limits }
}

/// Runs the program against a server that lies so, in a folder of its own.
fn run(house: &House, lies: &Lies, arguments: &[&str]) -> Finished {
    let address = lies.clone().serve().to_string();
    let mut all = arguments.to_vec();
    all.extend(["--nick", "bob", "--plaintext", "--server", &address]);
    let finished = house.run(all);
    for text in [&finished.output, &finished.errors] {
        let raw = |char: char| (char.is_control() && char != '\n') || "\u{202e}\u{200b}\u{9b}".contains(char);
        assert!(!text.contains(raw), "{arguments:?}: {finished:?}");
    }
    finished
}

/// The files below a folder that the program has no business of its own with.
fn below(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if ["state", "config", "data"].contains(&name) {
            continue;
        }
        if path.is_dir() {
            found.extend(below(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_server_that_calls_its_file_something_else_has_it_put_nowhere_else() {
    let house = House::new();
    let folder = house.path("a/taken");
    fs::create_dir_all(&folder).unwrap();
    let into = folder.to_str().unwrap();
    for name in HOSTILE.into_iter().chain([&*"x".repeat(4_096)]) {
        let lies = Lies { name: name.into(), ..Lies::default() };
        let taken = run(&house, &lies, &["download", "#lobby/good", "-o", into]);
        assert_ne!(taken.code, 0, "{name:?}: {taken:?}");
        // What has begun to arrive may be kept as that.
        let left: Vec<_> =
            below(&house.path("")).into_iter().filter(|path| path.parent() != Some(&folder)).collect();
        assert_eq!(left, Vec::<PathBuf>::new(), "{name:?}");
        assert!(!folder.join("good").exists(), "{name:?}");
    }
}

#[test]
fn names_of_a_server_that_means_ill_never_reach_the_terminal_as_they_are() {
    let house = House::new();
    for name in HOSTILE {
        let lies = Lies { name: name.into(), ..Lies::default() };
        assert_ne!(run(&house, &lies, &["files", "-l"]).code, 0, "{name:?}");
        run(&house, &lies, &["history", "#lobby"]);
        // What is no name of a file may be said by a person, or by a server.
        let lies = Lies { nick: format!("m{name}"), ..Lies::default() };
        run(&house, &lies, &["files", "-l"]);
        run(&house, &lies, &["history", "#lobby"]);
        let lies = Lies { refusal: Some(format!("no {name}")), ..Lies::default() };
        assert_eq!(run(&house, &lies, &["files"]).code, 3, "{name:?}");
        assert_eq!(run(&house, &lies, &["download", "good", "-o", "-"]).code, 3, "{name:?}");
    }
}

#[test]
fn content_that_is_not_what_was_announced_is_not_kept() {
    let house = House::new();
    let folder = house.path("taken");
    fs::create_dir(&folder).unwrap();
    let into = folder.to_str().unwrap();
    let lies = Lies { content: b"gotchA".into(), ..Lies::default() };
    let taken = run(&house, &lies, &["download", "good", "-o", into]);
    assert_eq!(taken.code, 9, "{taken:?}");
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    let longer = Lies { content: b"gotcha and more".into(), ..Lies::default() };
    assert_ne!(run(&house, &longer, &["download", "good", "-o", into]).code, 0);
    assert!(!folder.join("good").exists());
    assert_eq!(run(&house, &Lies::default(), &["download", "good", "-f", "-o", into]).code, 0);
    assert_eq!(fs::read(folder.join("good")).unwrap(), CONTENT);
}

#[test]
fn a_link_in_the_place_of_a_file_is_not_followed() {
    let house = House::new();
    let folder = house.path("taken");
    fs::create_dir(&folder).unwrap();
    let (outside, link) = (house.path("outside"), folder.join("good"));
    fs::write(&outside, "mine").unwrap();
    std::os::unix::fs::symlink(&outside, &link).unwrap();
    let into = folder.to_str().unwrap();
    let lies = Lies::default();
    assert_eq!(run(&house, &lies, &["download", "good", "-o", into]).code, 6);
    assert_eq!(run(&house, &lies, &["download", "good", "-f", "-o", into]).code, 0);
    assert_eq!(fs::read_to_string(&outside).unwrap(), "mine", "the link was replaced, not what it leads to");
    assert_eq!(fs::read(&link).unwrap(), CONTENT);
}
