use std::{
    io::{Read, Write},
    net::TcpStream,
    thread,
    time::Duration,
};

use palabre_core::{
    limits::Limits,
    wire::{Goodbye, Guest, ToClient},
};
use palabre_runtime::server::{Ending, IdentitySource, Protection, RunningServer, ServerOptions};

use crate::support::{Peer, Process, frame, hello, post, server, until};

fn open_server() -> RunningServer {
    let mut options = ServerOptions::ephemeral();
    options.config.limits = Limits::open();
    options.start().unwrap()
}

#[test]
fn bytes_one_at_a_time_are_as_good_as_all_at_once() {
    let server = server();
    let mut peer = Peer::connect(server.addresses()[0]);
    let mut bytes = frame(hello());
    bytes.extend(frame(Guest { id: 1, nick: "ana" }));
    for byte in bytes {
        peer.stream.write_all(&[byte]).unwrap();
        thread::sleep(Duration::from_millis(1));
    }
    let ready = peer.find(|message| matches!(message, ToClient::Ready(_)).then_some(()));
    assert_eq!(ready, Some(()));
}

#[test]
fn a_reader_with_tiny_buffers_gets_everything_in_order() {
    let server = open_server();
    let address = server.addresses()[0];
    let mut reader = small_reader(address, 1);
    let room = reader.join("#lobby");
    let mut writer = Peer::connect(address);
    writer.enter("writer");
    writer.join("#lobby");
    let text = "x".repeat(16_000);
    for number in 0..200 {
        writer.post(room, number + 1, &format!("{number} {text}"));
    }
    let mut next = 0;
    while next < 200 {
        let number = reader.find(|message| match message {
            ToClient::Event(event) => event.event.text.split(' ').next().map(str::to_owned),
            _ => None,
        });
        assert_eq!(number, Some(next.to_string()));
        next += 1;
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_reader_that_stops_reading_keeps_nobody_waiting_and_is_caught_up() {
    let server = open_server();
    let address = server.addresses()[0];
    let mut reader = Peer::connect(address);
    reader.enter("reader");
    let room = reader.join("#lobby");
    let mut writer = Peer::connect(address);
    writer.enter("writer");
    writer.join("#lobby");
    let text = "y".repeat(16_000);
    for number in 0..1_000 {
        writer.post(room, number + 1, &text);
    }
    until("the reader to lag", || server.stats().unwrap().core.lagged >= 1);
    // What is encrypted for it already does not grow with what it misses.
    let waiting = server.stats().unwrap().tls_bytes;
    assert!((1..=21_000).contains(&waiting), "{waiting} bytes");
    for expected in 1..=1_000 {
        let seq = reader.find(|message| match message {
            ToClient::Event(event) => Some(event.event.seq.get()),
            _ => None,
        });
        assert_eq!(seq, Some(expected));
    }
    until("the reader to keep up", || server.stats().unwrap().core.caught_up >= 1);
}

#[test]
fn readers_who_stall_are_caught_up_from_the_database_and_a_bystander_hears_everything_at_once() {
    const POSTS: u64 = 300;
    let data = tempfile::tempdir().unwrap();
    let arguments = ["--listen", "127.0.0.1:0", "--limits", "open", "--data", data.path().to_str().unwrap()];
    let mut server = Process::start(&arguments);
    let mut stalled: Vec<Peer> = (0..3).map(|number| small_reader(server.address(), number)).collect();
    let mut bystander = Peer::connect(server.address());
    bystander.enter("bystander");
    let room = bystander.join("#lobby");
    let text = "z".repeat(16_000);
    let next = |peer: &mut Peer| {
        peer.find(|message| match message {
            ToClient::Event(event) => Some(event.event.seq.get()),
            _ => None,
        })
    };
    for number in 1..=POSTS {
        bystander.say(post(room, number, &text));
        assert_eq!(next(&mut bystander), Some(number));
    }
    server.until_logged("lagging");
    for reader in &mut stalled {
        for expected in 1..=POSTS {
            assert_eq!(next(reader), Some(expected));
        }
    }
    server.until_logged("caught up");
}

/// A reader whose socket holds little, in the lobby.
fn small_reader(address: std::net::SocketAddr, number: usize) -> Peer {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.set_recv_buffer_size(1_024).unwrap();
    socket.connect(&address.into()).unwrap();
    let mut reader = Peer::on(socket.into());
    reader.enter(&format!("reader{number}"));
    reader.join("#lobby");
    reader
}

#[test]
fn a_peer_that_says_all_it_has_to_say_and_ends_is_still_answered() {
    let server = server();
    let mut peer = Peer::connect(server.addresses()[0]);
    let mut bytes = frame(hello());
    bytes.extend(frame(palabre_core::wire::Ping { token: 1 }));
    bytes.extend([0, 0, 0, 0]);
    peer.stream.write_all(&bytes).unwrap();
    peer.stream.end();
    assert_eq!(peer.error(), Some(1));
    let mut rest = Vec::new();
    assert_eq!(peer.stream.read_to_end(&mut rest).unwrap(), 0);
}

#[test]
fn a_goodbye_is_answered_by_the_end_of_the_stream() {
    let server = server();
    let mut peer = Peer::connect(server.addresses()[0]);
    peer.enter("ana");
    peer.say(Goodbye { reason: 0, text: "" });
    assert_eq!(peer.goodbye(), None);
    // The server waits for our end before it lets go.
    peer.stream.write_all(&[0; 100_000]).unwrap();
    drop(peer);
    until("the socket to be closed", || server.stats().unwrap().sockets == 0);
    assert_eq!(server.stats().unwrap().core.lost, 0);
}

#[test]
fn a_hang_up_frees_the_socket_and_leaves_the_guest_lost() {
    let server = server();
    let mut peer = Peer::connect(server.addresses()[0]);
    peer.enter("ana");
    drop(peer);
    until("the guest to be lost", || {
        let stats = server.stats().unwrap();
        (stats.sockets, stats.core.lost) == (0, 1)
    });
}

#[test]
fn a_reset_frees_the_socket() {
    let server = server();
    let mut peer = Peer::connect(server.addresses()[0]);
    peer.enter("ana");
    socket2::SockRef::from(peer.stream.socket()).set_linger(Some(Duration::ZERO)).unwrap();
    drop(peer);
    until("the socket to be closed", || server.stats().unwrap().sockets == 0);
}

#[test]
fn an_urgent_byte_does_not_make_the_server_spin() {
    let server = Process::start(&["--ephemeral", "--listen", "127.0.0.1:0"]);
    let mut peer = Peer::connect(server.address());
    peer.enter("ana");
    socket2::SockRef::from(peer.stream.socket()).send_out_of_band(&[0]).unwrap();
    thread::sleep(Duration::from_millis(200));
    let before = server.cpu_seconds();
    thread::sleep(Duration::from_secs(1));
    assert!(server.cpu_seconds() - before <= 0.05);
}

#[test]
fn a_flood_of_posts_over_credit_does_not_make_the_server_spin() {
    let server = Process::start(&["--ephemeral", "--listen", "127.0.0.1:0"]);
    let mut peer = Peer::connect(server.address());
    peer.enter("ana");
    let room = peer.join("#lobby");
    for nonce in 1..=30 {
        peer.say(post(room, nonce, "again"));
    }
    thread::sleep(Duration::from_millis(300));
    let before = server.cpu_seconds();
    thread::sleep(Duration::from_secs(1));
    assert!(server.cpu_seconds() - before <= 0.1);
}

#[test]
fn connections_over_a_cap_are_told_so_in_plaintext() {
    let server = two_at_a_time(Protection::Plaintext);
    let address = server.addresses()[0];
    let _held: Vec<_> = (0..2).map(|_| TcpStream::connect(address).unwrap()).collect();
    assert_eq!(Peer::plaintext(address).error(), Some(11));
}

#[test]
fn connections_over_a_cap_are_closed_without_a_word_under_tls() {
    let server = two_at_a_time(Protection::Tls(IdentitySource::Ephemeral));
    let address = server.addresses()[0];
    let _held: Vec<_> = (0..2).map(|_| TcpStream::connect(address).unwrap()).collect();
    let mut read = Vec::new();
    TcpStream::connect(address).unwrap().read_to_end(&mut read).unwrap();
    assert_eq!(read, b"");
}

fn two_at_a_time(protection: Protection) -> RunningServer {
    let mut options = ServerOptions { protection, ..ServerOptions::ephemeral() };
    options.config.limits.loopback_exempt = false;
    options.config.limits.source_connections_max = 2;
    options.start().unwrap()
}

#[test]
fn a_server_told_to_shut_down_drains_and_ends() {
    let server = server();
    let mut peer = Peer::connect(server.addresses()[0]);
    peer.enter("ana");
    server.shut_down("See you.");
    assert!(peer.goodbye().is_some());
    drop(peer);
    assert!(matches!(server.join(), Ending::Drained));
}

#[test]
fn a_peer_that_does_not_take_what_remains_is_cut_at_the_end_of_the_drain() {
    let mut options = ServerOptions::ephemeral();
    options.config.limits = Limits { drain_max: Duration::from_millis(300), ..Limits::open() };
    let server = options.start().unwrap();
    let address = server.addresses()[0];
    let mut reader = Peer::connect(address);
    reader.enter("reader");
    let room = reader.join("#lobby");
    let mut writer = Peer::connect(address);
    writer.enter("writer");
    writer.join("#lobby");
    let text = "z".repeat(16_000);
    for nonce in 1..=800 {
        writer.post(room, nonce, &text);
    }
    server.shut_down("See you.");
    assert!(writer.goodbye().is_some());
    drop(writer);
    assert!(matches!(server.join(), Ending::CutShort(1)));
    drop(reader);
}
