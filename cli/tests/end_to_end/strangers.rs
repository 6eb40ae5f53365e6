//! Servers that are full, that speak something else, or that are not there.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener},
    thread,
};

use palabre_core::{
    error::ProtocolError,
    limits::Limits,
    wire::{Error, ToClient},
};

use super::support::House;

/// A server that says this to whoever connects, once it has heard something.
fn server_that_says(words: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut heard = [0; 1_024];
            let _ = stream.read(&mut heard);
            let _ = stream.write_all(&words);
            while matches!(stream.read(&mut heard), Ok(1..)) {}
        }
    });
    address
}

#[test]
fn a_server_of_another_version_is_a_mismatch() {
    let mut words = Vec::new();
    let text = "This server speaks versions 2 to 3.";
    ToClient::from(Error { code: ProtocolError::VersionUnsupported.number(), text }).encode(&mut words);
    let address = server_that_says(words).to_string();
    let house = House::new();
    let refused = house.run(["rooms", "--server", &address, "--plaintext"]);
    assert_eq!(refused.code, 11, "{refused:?}");
    assert!(refused.errors.contains("versions 2 to 3"), "{refused:?}");
}

#[test]
fn what_is_no_palabre_server_is_a_mismatch() {
    let address = server_that_says(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec()).to_string();
    let house = House::new();
    for flags in [&[][..], &["--plaintext"]] {
        let refused = house.run([&["rooms", "--server", &address], flags].concat());
        assert_eq!(refused.code, 11, "{refused:?}");
    }
}

#[test]
fn a_server_that_is_not_there_is_not_waited_for_for_ever() {
    let mut house = House::new();
    house.stop_server();
    let refused = house.run(["rooms", "--connect-timeout", "300ms"]);
    assert_eq!(refused.code, 5, "{refused:?}");
    assert!(refused.errors.contains("Connection refused"), "{refused:?}");
}

#[test]
fn a_connection_that_stays_lost_is_given_up() {
    let mut house = House::new();
    let mut tail = house.start(["tail", "#lobby", "--follow", "-v", "--reconnect-for", "300ms"]);
    tail.error_with("entered");
    house.stop_server();
    assert_eq!(tail.wait(), 5);
}

#[test]
fn a_full_server_lets_one_wait_and_refuses_the_next() {
    let house = House::with_limits(Limits { clients_max: 1, queue_max: 1, ..Limits::open() });
    let mut first = house.start(["connect", "--nick", "ana"]);
    first.error_with("here:");
    let mut second = house.start(["connect", "--nick", "bob"]);
    second.error_with("waiting for a place, position 1");
    let third = house.run(["rooms", "--nick", "carl", "--connect-timeout", "300ms"]);
    assert_eq!(third.code, 5, "{third:?}");
    first.write("/quit\n");
    assert_eq!(first.wait(), 0);
    second.error_with("here: bob");
}
