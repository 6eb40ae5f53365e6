//! A session that ends after any of its bytes, in an orderly way or not, beside somebody who keeps talking.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    time::Duration,
};

use palabre_core::{
    ids::RoomId,
    wire::{Away, Goodbye, Guest, Join, Members, Ping, ToClient},
};
use rustix::process::Signal;

use crate::support::{PATIENCE, Peer, Process, frame, hello, post};

/// How a connection ends.
#[derive(Clone, Copy, Debug)]
enum End {
    /// It says no more, and reads what is said to it until the server ends as well.
    HalfClose,
    /// It is gone at once; what was on its way is thrown away.
    Reset,
}

/// The lobby, the first room there is.
const LOBBY: RoomId = RoomId::new(1);

/// All a guest says who enters, joins, talks and leaves.
fn session(nick: &str) -> Vec<u8> {
    let frames = [
        frame(hello()),
        frame(Guest { id: 1, nick }),
        frame(Join { id: 2, name: "#lobby", after: None }),
        frame(post(LOBBY, 1, "hello")),
        frame(Members { id: 4, room: LOBBY, after: None }),
        frame(Ping { token: 7 }),
        frame(Away { id: 5, away: true }),
        frame(Goodbye { reason: 1, text: "" }),
    ];
    frames.concat()
}

fn end(mut stream: TcpStream, how: End) {
    match how {
        End::HalfClose => {
            stream.shutdown(Shutdown::Write).unwrap();
            let mut rest = Vec::new();
            // To the end, which comes without an error.
            stream.read_to_end(&mut rest).unwrap();
        }
        End::Reset => {
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
            drop(stream);
        }
    }
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Somebody who says something after each cut and hears all that is said, in order.
struct Bystander {
    peer: Peer,
    said: u64,
    heard: u64,
}

impl Bystander {
    fn enter(address: SocketAddr) -> Self {
        let mut peer = Peer::plaintext(address);
        peer.enter("bystander");
        assert_eq!(peer.join("#lobby"), LOBBY);
        Self { peer, said: 0, heard: 0 }
    }

    fn talk(&mut self) {
        self.said += 1;
        let text = format!("bystander {}", self.said);
        self.peer.say(post(LOBBY, self.said, &text));
        let heard = &mut self.heard;
        let own = self.peer.find(|message| match message {
            ToClient::Event(event) => {
                *heard += 1;
                assert_eq!(event.event.seq.get(), *heard, "nothing is missed and nothing comes twice");
                (event.event.text == text).then_some(())
            }
            _ => None,
        });
        assert_eq!(own, Some(()), "the bystander was cut off");
    }
}

fn figures(server: &mut Process, bystander: Bystander, cuts: usize) {
    // What is left of connections that were reset is gone when the bystander is heard once more.
    drop(bystander);
    crate::support::until("the sockets to be closed", || {
        server.read_log();
        server.log.clear();
        server.signal(Signal::USR1);
        server.until_logged("figures");
        server.log.contains("sockets=0 connections=0")
    });
    assert!(cuts > 100, "{cuts} cuts");
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    assert!(!server.log.contains("panic"), "{}", server.log);
}

fn server() -> Process {
    Process::start(&[
        "--ephemeral",
        "--listen",
        "127.0.0.1:0",
        "--limits",
        "open",
        "--max-clients",
        "5000",
        "--plaintext",
    ])
}

#[test]
fn a_session_that_ends_after_any_byte_it_says_disturbs_nobody() {
    let mut server = server();
    let mut bystander = Bystander::enter(server.address());
    let length = session("c0000").len();
    for how in [End::HalfClose, End::Reset] {
        for said in 0..=length {
            let prefix = match how {
                End::HalfClose => 'h',
                End::Reset => 'r',
            };
            let bytes = session(&format!("{prefix}{said:04}"));
            let mut stream = connect(server.address());
            stream.write_all(&bytes[..said]).unwrap();
            end(stream, how);
            bystander.talk();
        }
    }
    figures(&mut server, bystander, 2 * length);
}

#[test]
fn a_session_that_is_reset_after_any_byte_it_is_told_disturbs_nobody() {
    let mut server = server();
    let mut bystander = Bystander::enter(server.address());
    let mut cuts = 0;
    for told in 1.. {
        let mut stream = connect(server.address());
        stream.write_all(&session(&format!("t{told:04}"))).unwrap();
        let mut bytes = vec![0; told];
        // Until it is told less than that: its session is over.
        let complete = stream.read_exact(&mut bytes).is_ok();
        end(stream, End::Reset);
        bystander.talk();
        cuts += 1;
        if !complete {
            break;
        }
    }
    figures(&mut server, bystander, cuts);
}
