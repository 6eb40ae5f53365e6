use std::{
    io::{BufRead, BufReader, Read},
    process::Stdio,
    time::Duration,
};

use palabre_core::{
    client::goodbye,
    wire::{Follow, ToClient},
};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Peer, Process, binary};

const EPHEMERAL: &[&str] = &["--ephemeral", "--listen", "127.0.0.1:0"];

#[test]
fn a_term_signal_tells_clients_and_ends_in_order() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut server = Process::start(EPHEMERAL);
        let mut peer = Peer::connect(server.address());
        peer.enter("ana");
        server.signal(signal);
        assert_eq!(peer.goodbye(), Some(goodbye::SHUTTING_DOWN));
        drop(peer);
        assert_eq!(server.exit_code(), Some(0));
        server.until_logged("ended in order");
    }
}

#[test]
fn what_was_acknowledged_survives_a_kill_and_guests_resume() {
    let data = tempfile::tempdir().unwrap();
    let mut server = Process::start_in(data.path());
    let mut peer = Peer::connect(server.address());
    let token = peer.enter("ana");
    let room = peer.join("#kitchen");
    peer.post(room, 7, "it is on the table");
    server.signal(Signal::KILL);
    server.wait();

    let server = Process::start_in(data.path());
    let mut peer = Peer::connect(server.address());
    peer.resume(token);
    peer.say(Follow { id: 5, room, after: Some(palabre_core::ids::Seq::new(0)) });
    let text = peer.find(|message| match message {
        ToClient::Event(event) => Some(event.event.text.to_owned()),
        _ => None,
    });
    assert_eq!(text.as_deref(), Some("it is on the table"));
}

#[test]
fn a_second_signal_stops_at_once() {
    let mut server = Process::start(EPHEMERAL);
    // This one does not read, and so does not close its end.
    let mut peer = Peer::connect(server.address());
    peer.enter("ana");
    server.signal(Signal::TERM);
    server.until_logged("shutting down");
    std::thread::sleep(Duration::from_millis(250));
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(4));
}

#[test]
fn a_signal_sent_twice_by_mistake_is_one() {
    let mut server = Process::start(EPHEMERAL);
    let mut peer = Peer::connect(server.address());
    peer.enter("ana");
    server.signal(Signal::TERM);
    server.until_logged("shutting down");
    server.signal(Signal::INT);
    assert_eq!(peer.goodbye(), Some(goodbye::SHUTTING_DOWN));
    drop(peer);
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn a_server_that_shuts_down_takes_no_more_connections() {
    let mut server = Process::start(EPHEMERAL);
    let mut peer = Peer::connect(server.address());
    peer.enter("ana");
    server.signal(Signal::TERM);
    assert_eq!(peer.goodbye(), Some(goodbye::SHUTTING_DOWN));
    assert!(std::net::TcpStream::connect(server.address()).is_err());
    drop(peer);
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn figures_are_logged_on_request() {
    let mut server = Process::start(&["--ephemeral", "--listen", "127.0.0.1:0", "--log-format", "json"]);
    let mut peer = Peer::connect(server.address());
    peer.enter("ana");
    server.signal(Signal::USR1);
    server.until_logged("\"message\":\"figures\"");
    assert!(server.log.contains("\"clients\":1"), "{}", server.log);
    assert!(server.log.contains("\"resident_bytes\":"), "{}", server.log);
    assert!(server.log.contains("nothing is kept"), "{}", server.log);
}

#[test]
fn neither_texts_nor_tokens_are_logged() {
    let arguments = ["--ephemeral", "--listen", "127.0.0.1:0", "--log", "trace"];
    let mut server = Process::start(&arguments);
    let mut peer = Peer::connect(server.address());
    peer.enter("ana");
    let room = peer.join("#lobby");
    peer.post(room, 1, "between the two of us");
    server.until_logged("entered");
    server.signal(Signal::TERM);
    drop(peer);
    assert_eq!(server.exit_code(), Some(0));
    server.until_logged("ended in order");
    assert!(!server.log.contains("between"), "{}", server.log);
    assert!(!server.log.contains("token"), "{}", server.log);
}

#[test]
fn an_idle_server_sleeps() {
    // Fifty that have not entered are more than a server with the usual limits puts up with.
    let server = Process::start(&["--ephemeral", "--listen", "127.0.0.1:0", "--limits", "open"]);
    let mut peers: Vec<_> = (0..50).map(|_| Peer::connect(server.address())).collect();
    for (index, peer) in peers.iter_mut().enumerate() {
        peer.enter(&format!("guest{index}"));
    }
    std::thread::sleep(Duration::from_millis(300));
    let before = server.cpu_seconds();
    std::thread::sleep(Duration::from_secs(2));
    let used = server.cpu_seconds() - before;
    assert!(used <= 0.05, "{used} s of CPU in 2 s of silence");
}

#[test]
fn a_log_that_nobody_reads_stops_nothing() {
    let mut command =
        binary(&["--ephemeral", "--listen", "127.0.0.1:0", "--log", "trace", "--limits", "open"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let address = line.strip_prefix("Listening on ").unwrap().split(';').next().unwrap().parse().unwrap();
    // Two lines and more each, so that a pipe of 64 KiB is full long before the last.
    for index in 0..1_000 {
        Peer::connect(address).enter(&format!("guest{index}"));
    }
    kill_process(Pid::from_child(&child), Signal::TERM).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut log = String::new();
    child.stderr.take().unwrap().read_to_string(&mut log).unwrap();
    assert!(log.len() >= 60_000, "the log was never stuck: {} bytes", log.len());
}
