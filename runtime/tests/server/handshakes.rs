//! TLS on the server's side: what it takes, what it refuses, and what that costs.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    sync::Arc,
    thread,
    time::Duration,
};

use palabre_core::{
    channel::Channel,
    limits::Limits,
    wire::{Goodbye, Ping, ToClient},
};
use palabre_runtime::{
    clock::Clock,
    server::{RunningServer, ServerOptions},
    server_key::ServerKey,
};
use rustls::{ClientConfig, ClientConnection, pki_types::ServerName};

use crate::{
    support::{PATIENCE, Peer, Process, Stream, frame, hello, plaintext_server, server, until},
    tls,
};

fn connection(config: ClientConfig) -> ClientConnection {
    ClientConnection::new(Arc::new(config), ServerName::try_from("palabre.invalid").unwrap()).unwrap()
}

/// What a client says first.
fn client_hello() -> Vec<u8> {
    let mut bytes = Vec::new();
    connection(tls::client_config()).write_tls(&mut bytes).unwrap();
    bytes
}

fn raw(address: SocketAddr) -> TcpStream {
    let socket = TcpStream::connect(address).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    socket
}

/// All that the server says until it ends the connection, in order or not.
fn rest(socket: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut portion = [0; 4_096];
    while let Ok(count @ 1..) = socket.read(&mut portion) {
        bytes.extend(&portion[..count]);
    }
    bytes
}

/// Whether bytes of the server are one fatal alert that everybody can read.
fn is_alert(bytes: &[u8]) -> bool {
    matches!(bytes, [21, 3, _, 0, 2, 2, _])
}

fn is_idle(server: &RunningServer) -> bool {
    server.stats().unwrap().sockets == 0
}

#[test]
fn whoever_does_not_speak_tls_is_closed_with_an_alert() {
    let server = server();
    let garbage = (0..=255).cycle().take(100_000).collect::<Vec<u8>>();
    for bytes in [
        &b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"[..],
        &frame(hello()),
        &garbage,
        &[0; 5],
        &[0x16; 40_000],
    ] {
        let mut socket = raw(server.addresses()[0]);
        // It may be closed before it has taken all.
        let _ = socket.write_all(bytes);
        let said = rest(&mut socket);
        // What was not read resets the connection, and the alert with it.
        assert!(is_alert(&said) || bytes.len() > 16 << 10 && said.is_empty(), "{said:?}");
    }
    until("the sockets to be closed", || is_idle(&server));
    Peer::connect(server.addresses()[0]).enter("ana");
}

#[test]
fn tls_to_a_server_without_is_answered_by_its_error() {
    let server = plaintext_server();
    let mut peer = Peer::plaintext(server.addresses()[0]);
    peer.stream.write_all(&client_hello()).unwrap();
    assert_eq!(peer.error(), Some(2), "the beginning of a handshake is read as a frame that is too long");
}

#[test]
fn without_our_protocol_there_is_no_handshake() {
    let server = server();
    for protocols in [&[][..], &[&b"h2"[..], b"http/1.1"], &[b"palabre/2"], &[b"palabre"]] {
        let mut socket = raw(server.addresses()[0]);
        let mut connection = connection(tls::client_config_with(protocols));
        let error = connection.complete_io(&mut socket).unwrap_err().to_string();
        assert!(error.contains("alert"), "{protocols:?}: {error}");
        assert!(connection.is_handshaking());
    }
    let mut socket = raw(server.addresses()[0]);
    let mut connection = connection(tls::client_config_with(&[b"h2", tls::PALABRE]));
    connection.complete_io(&mut socket).unwrap();
    assert_eq!(connection.alpn_protocol(), Some(tls::PALABRE));
}

#[test]
fn earlier_versions_of_tls_are_refused() {
    let server = server();
    let mut hello = client_hello();
    // What makes it a hello of TLS 1.3 is one extension: under another number it is one of TLS 1.2.
    let versions = hello.windows(7).position(|bytes| bytes == [0, 43, 0, 3, 2, 3, 4]).unwrap();
    hello[versions..versions + 2].copy_from_slice(&[0xfa, 0xfa]);
    let mut socket = raw(server.addresses()[0]);
    socket.write_all(&hello).unwrap();
    let said = rest(&mut socket);
    assert!(is_alert(&said), "{said:?}");
    // protocol_version
    assert_eq!(said[6], 70);
}

#[test]
fn a_handshake_byte_by_byte_is_as_good_as_all_at_once() {
    let server = server();
    let mut socket = raw(server.addresses()[0]);
    let mut connection = connection(tls::client_config());
    while connection.is_handshaking() {
        let mut bytes = Vec::new();
        while connection.wants_write() {
            connection.write_tls(&mut bytes).unwrap();
        }
        for byte in bytes {
            socket.write_all(&[byte]).unwrap();
        }
        connection.read_tls(&mut socket).unwrap();
        connection.process_new_packets().unwrap();
    }
    let stream = rustls::StreamOwned::new(connection, socket);
    Peer::over(Stream::Tls(Box::new(stream))).enter("ana");
}

#[test]
fn both_ends_know_the_same_of_their_handshake() {
    // The server's side of it is between driver and core: what it was told shows in the key alone.
    let server = server();
    let mut socket = raw(server.addresses()[0]);
    let (mut first, mut second) = (connection(tls::client_config()), connection(tls::client_config()));
    first.complete_io(&mut socket).unwrap();
    second.complete_io(&mut raw(server.addresses()[0])).unwrap();
    let exporter = |connection: &ClientConnection| {
        connection.export_keying_material([0; 32], Channel::EXPORTER_LABEL.as_bytes(), None).unwrap()
    };
    assert_ne!(exporter(&first), exporter(&second));
    let shown = ServerKey::of_certificate(&first.peer_certificates().unwrap()[0]).unwrap();
    assert_eq!(Some(shown), server.key());
}

#[test]
fn nothing_of_a_handshake_is_remembered_for_the_next() {
    let server = server();
    let mut peer = Peer::connect(server.addresses()[0]);
    peer.enter("ana");
    peer.join("#lobby");
    let Stream::Tls(stream) = &peer.stream else { panic!("it is encrypted") };
    assert_eq!(stream.conn.tls13_tickets_received(), 0);
}

#[test]
fn what_is_recorded_today_stays_secret_when_there_are_quantum_computers() {
    let server = server();
    let mut connection = connection(tls::client_config());
    connection.complete_io(&mut raw(server.addresses()[0])).unwrap();
    let group = connection.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
}

#[test]
fn a_handshake_cut_anywhere_costs_nothing_afterwards() {
    let server = server();
    let hello = client_hello();
    for length in (0..hello.len()).step_by(97).chain([1, 4, 5, 6, hello.len() - 1, hello.len()]) {
        let mut socket = raw(server.addresses()[0]);
        socket.write_all(&hello[..length]).unwrap();
        if length % 2 == 0 {
            socket.shutdown(Shutdown::Write).unwrap();
        } else {
            socket2::SockRef::from(&socket).set_linger(Some(Duration::ZERO)).unwrap();
        }
    }
    until("all to be forgotten", || {
        let stats = server.stats().unwrap();
        (stats.sockets, stats.core.connections, stats.tls_bytes) == (0, 0, 0)
    });
}

#[test]
fn a_stream_without_a_farewell_is_a_cut() {
    let server = server();
    for (number, is_reset) in [false, true].into_iter().enumerate() {
        let mut peer = Peer::connect(server.addresses()[0]);
        peer.enter(&format!("guest{number}"));
        if is_reset {
            socket2::SockRef::from(peer.stream.socket()).set_linger(Some(Duration::ZERO)).unwrap();
        } else {
            peer.stream.socket().shutdown(Shutdown::Write).unwrap();
        }
        drop(peer);
        until("the guest to be lost", || server.stats().unwrap().core.lost == number as u64 + 1);
    }
    until("the sockets to be closed", || is_idle(&server));
}

#[test]
fn the_server_says_farewell_when_it_closes() {
    let server = server();
    let mut peer = Peer::connect(server.addresses()[0]);
    peer.enter("ana");
    peer.say(Goodbye { reason: 0, text: "" });
    let mut bytes = [0; 100];
    loop {
        // Without the farewell the last read is an error.
        if peer.stream.read(&mut bytes).unwrap() == 0 {
            break;
        }
    }
}

#[test]
fn a_farewell_straight_after_the_first_word_does_not_make_the_server_spin() {
    let server = Process::start(&["--ephemeral", "--listen", "127.0.0.1:0", "--limits", "open"]);
    let held: Vec<_> = (0..8)
        .map(|number| {
            let mut socket = raw(server.address());
            let mut bytes = client_hello();
            // close_notify, unencrypted (RUSTSEC-2024-0336).
            bytes.extend([21, 3, 3, 0, 2, 1, 0]);
            socket.write_all(&bytes).unwrap();
            if number % 2 == 0 {
                socket.shutdown(Shutdown::Write).unwrap();
            }
            socket
        })
        .collect();
    thread::sleep(Duration::from_millis(300));
    let before = server.cpu_seconds();
    thread::sleep(Duration::from_secs(1));
    let used = server.cpu_seconds() - before;
    assert!(used <= 0.05, "{used} s of CPU in 1 s of silence");
    drop(held);
}

#[test]
fn a_slow_handshake_is_closed_without_a_word() {
    let mut options = ServerOptions::ephemeral();
    options.config.limits = Limits { securing_max: Duration::from_millis(400), ..Limits::default() };
    let server = options.start().unwrap();
    let clock = Clock::start();
    let silent = raw(server.addresses()[0]);
    let hello = client_hello();
    let mut slow = raw(server.addresses()[0]);
    // Traffic does not extend the time (T4).
    for byte in &hello[..100] {
        if slow.write_all(&[*byte]).is_err() {
            break;
        }
        thread::sleep(Duration::from_millis(10));
    }
    for mut socket in [silent, slow] {
        assert_eq!(rest(&mut socket), b"");
    }
    assert!(clock.monotonic().as_micros() >= 400_000);
    until("the sockets to be closed", || is_idle(&server));
}

#[test]
fn a_flood_of_half_handshakes_costs_bounded_memory_and_lets_others_in() {
    let server = Process::start(&["--ephemeral", "--listen", "127.0.0.1:0"]);
    Peer::connect(server.address()).enter("before");
    let before = server.resident_bytes();
    let client_hello = client_hello();
    let mut held = Vec::new();
    for _ in 0..1_500 {
        let socket = raw(server.address());
        socket.set_nonblocking(true).unwrap();
        // A handshake that promises 16 KiB and never ends.
        let _ =
            (&socket).write(&[&[22, 3, 1, 0x3f, 0xff, 1, 0, 0x3f, 0xfb][..], &client_hello[9..]].concat());
        held.push(socket);
    }
    let grown = server.resident_bytes().saturating_sub(before);
    assert!(grown < 24 << 20, "{grown} bytes for 1,500 half handshakes");
    drop(held);
    // Early drop leaves it to chance who gets in while others are half in (K6): trying again does.
    until("somebody to get in", || {
        let mut peer = Peer::connect(server.address());
        let said = peer.stream.write_all(&frame(hello())).and_then(|()| peer.stream.flush());
        said.is_ok() && peer.find(|message| matches!(message, ToClient::Welcome(_)).then_some(())).is_some()
    });
}

#[test]
fn records_without_content_keep_nobody_waiting() {
    let server = server();
    let mut noisy = Peer::connect(server.addresses()[0]);
    noisy.enter("noisy");
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopped = Arc::clone(&stop);
    let thread = thread::spawn(move || {
        let Stream::Tls(stream) = &mut noisy.stream else { panic!("it is encrypted") };
        while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
            // Each is answered by a new key; past some the server has had enough.
            if stream.conn.refresh_traffic_keys().is_err() || stream.flush().is_err() {
                break;
            }
        }
    });
    let clock = Clock::start();
    for number in 0..5 {
        Peer::connect(server.addresses()[0]).enter(&format!("guest{number}"));
    }
    assert!(clock.monotonic().as_micros() < PATIENCE.as_micros() as u64 / 2);
    stop.store(true, std::sync::atomic::Ordering::Relaxed);
    thread.join().unwrap();
}

#[test]
fn what_was_left_of_a_record_is_read_although_no_socket_reports_it() {
    let mut options = ServerOptions::ephemeral();
    options.config.limits = Limits::open();
    let server = options.start().unwrap();
    let mut peer = Peer::connect(server.addresses()[0]);
    peer.enter("ana");
    let mut token = 0;
    // What one turn reads, the size of a record, and what fits into a connection's share of memory, and around these.
    for count in [1, 300, 1_100, 1_200, 4_600, 4_700, 5_000, 9_500, 15_000] {
        let last = token + count;
        let pings: Vec<u8> = (token..last).flat_map(|token| frame(Ping { token })).collect();
        peer.stream.write_all(&pings).and_then(|()| peer.stream.flush()).unwrap();
        while token < last {
            let answered = peer.find(|message| match message {
                ToClient::Pong(pong) => Some(pong.token),
                _ => None,
            });
            assert_eq!(answered, Some(token), "of {count} pings");
            token += 1;
        }
    }
}
