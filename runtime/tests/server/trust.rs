//! TLS on the client's side: whom it talks to, and what others can read of that.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use palabre_core::{
    client::{ClientConfig, ClientEvent},
    name::{Nick, RoomName},
    storage::EventKind,
};
use palabre_runtime::{
    client::{ClientDriver, Distrust, DriveError, Security, Trust, probe},
    clock::Clock,
    server_key::ServerKey,
};
use rustls::{ServerConfig, ServerConnection};

use crate::{
    support::{PATIENCE, plaintext_server, server},
    tls::{self, Pair},
};

fn driver(port: u16, security: Security) -> ClientDriver {
    let config = ClientConfig {
        program: "test".into(),
        nick: Nick::parse("Anastasia").unwrap(),
        take_suggestion: true,
        asks: false,
        account: None,
        stretching_min: palabre_core::password::Stretching::LEAST,
        saved: None,
        reconnect: true,
        outbox_posts_max: 100,
    };
    ClientDriver::new("127.0.0.1", port, security, config, Box::new(|_, _| ())).unwrap()
}

/// Turns until an event is what is looked for, or the driver gives up.
fn find<R>(
    driver: &mut ClientDriver,
    mut look: impl FnMut(&ClientEvent) -> Option<R>,
) -> Result<R, DriveError> {
    let clock = Clock::start();
    loop {
        while let Some(event) = driver.next_event() {
            if let Some(found) = look(&event) {
                return Ok(found);
            }
        }
        assert!(clock.monotonic().as_micros() < PATIENCE.as_micros() as u64, "{driver:?}");
        driver.turn(Some(Duration::from_millis(100)))?;
    }
}

fn ready(driver: &mut ClientDriver) -> Result<(), DriveError> {
    find(driver, |event| matches!(event, ClientEvent::Ready { .. }).then_some(()))
}

fn distrust(driver: &mut ClientDriver) -> Distrust {
    match ready(driver) {
        Err(DriveError::Distrusted(distrust)) => distrust,
        other => panic!("it should not be talked to: {other:?}"),
    }
}

fn key_of(pair: &Pair) -> ServerKey {
    ServerKey::of_certificate(&pair.certificate).unwrap()
}

/// A server of our own, which takes connections one after the other: how many there were, and what it could decrypt.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<(usize, Vec<u8>)>>);

fn impostor(config: ServerConfig) -> (u16, Heard) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (config, heard) = (Arc::new(config), Heard::default());
    let hears = heard.clone();
    thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            hears.0.lock().unwrap().0 += 1;
            let mut connection = ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut plaintext = [0; 4_096];
            let mut stream = rustls::Stream::new(&mut connection, &mut socket);
            while let Ok(count @ 1..) = stream.read(&mut plaintext) {
                hears.0.lock().unwrap().1.extend(&plaintext[..count]);
            }
        }
    });
    (port, heard)
}

/// A proxy that writes down what goes through it in both directions.
fn recorder(server: SocketAddr) -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let record: Arc<Mutex<Vec<u8>>> = Arc::default();
    let written = Arc::clone(&record);
    thread::spawn(move || {
        for near in listener.incoming().map_while(Result::ok) {
            let far = TcpStream::connect(server).unwrap();
            for (mut from, mut to) in
                [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far.try_clone().unwrap(), near)]
            {
                let record = Arc::clone(&written);
                thread::spawn(move || {
                    let mut bytes = [0; 4_096];
                    while let Ok(count @ 1..) = from.read(&mut bytes) {
                        record.lock().unwrap().extend(&bytes[..count]);
                        if to.write_all(&bytes[..count]).is_err() {
                            break;
                        }
                    }
                    let _ = to.shutdown(std::net::Shutdown::Write);
                });
            }
        }
    });
    (port, record)
}

/// Enters through a proxy, says something, and tells what stood on the wire.
fn overheard(server: SocketAddr, security: Security) -> (Vec<u8>, [u8; 32]) {
    let (port, record) = recorder(server);
    let mut driver = driver(port, security);
    ready(&mut driver).unwrap();
    let lobby = RoomName::lobby();
    driver.with_client(|client, now| client.join(&lobby, None, now)).unwrap();
    let room = find(&mut driver, |event| match event {
        ClientEvent::Joined { room, .. } => Some(room.id),
        _ => None,
    });
    let text = "between the two of us";
    driver.with_client(|client, now| client.post(room.unwrap(), EventKind::Posted, text, None, now)).unwrap();
    find(&mut driver, |event| matches!(event, ClientEvent::Posted { .. }).then_some(())).unwrap();
    let token = driver.client().saved().unwrap().token.0;
    drop(driver);
    let record = record.lock().unwrap().clone();
    (record, token)
}

fn stands_in(record: &[u8], part: &[u8]) -> bool {
    record.windows(part.len()).any(|window| window == part)
}

#[test]
fn whoever_listens_on_the_way_reads_neither_names_nor_texts_nor_tokens() {
    let server = plaintext_server();
    let (record, token) = overheard(server.addresses()[0], Security::Plain);
    let parts: [&[u8]; 4] = [b"Anastasia", b"between the two of us", b"#lobby", &token];
    for part in parts {
        assert!(stands_in(&record, part), "the proxy would see it: {}", String::from_utf8_lossy(part));
    }
    let server = crate::support::server();
    let security = Security::Tls(Trust::Key(server.key().unwrap()));
    let (record, token) = overheard(server.addresses()[0], security);
    assert!(record.len() > 2_000, "the proxy saw it all: {} bytes", record.len());
    for part in [&parts[..3], &[&token[..]]].concat() {
        assert!(!stands_in(&record, part), "{}", String::from_utf8_lossy(part));
    }
    // The certificate, too, is only for those who shook hands.
    assert!(!stands_in(&record, b"palabre.invalid"));
}

#[test]
fn a_server_with_another_key_is_told_nothing_and_not_tried_again() {
    let (expected, pair) = (ServerKey([7; 32]), tls::pair());
    let (port, heard) = impostor(tls::server_config(&pair, &[tls::PALABRE]));
    let mut driver = driver(port, Security::Tls(Trust::Key(expected)));
    let shown = key_of(&pair);
    assert_eq!(distrust(&mut driver), Distrust::OtherKey { expected, shown });
    assert_eq!(driver.server_key(), Some(expected), "what was saved belongs to no other");
    for _ in 0..5 {
        assert!(driver.turn(Some(Duration::from_millis(100))).is_err());
    }
    let (connections, told) = heard.0.lock().unwrap().clone();
    assert_eq!((connections, told.as_slice()), (1, &[][..]));
}

#[test]
fn the_right_certificate_without_its_key_is_a_fraud() {
    let server = server();
    let expected = server.key().unwrap();
    let replayed = certificate_of(server.addresses()[0]);
    let pair = Pair { certificate: replayed, key: tls::pair().key };
    assert_eq!(key_of(&pair), expected);
    let (port, heard) = impostor(tls::server_config(&pair, &[tls::PALABRE]));
    let mut driver = driver(port, Security::Tls(Trust::Key(expected)));
    assert!(matches!(distrust(&mut driver), Distrust::Fraud(_)));
    assert!(probe("127.0.0.1", port, PATIENCE).is_err(), "not even at first contact");
    assert_eq!(heard.0.lock().unwrap().1, b"");
}

fn certificate_of(address: SocketAddr) -> rustls::pki_types::CertificateDer<'static> {
    let name = rustls::pki_types::ServerName::try_from("palabre.invalid").unwrap();
    let mut connection = rustls::ClientConnection::new(Arc::new(tls::client_config()), name).unwrap();
    connection.complete_io(&mut TcpStream::connect(address).unwrap()).unwrap();
    connection.peer_certificates().unwrap()[0].clone().into_owned()
}

#[test]
fn a_server_of_another_protocol_is_told_nothing() {
    for protocols in [&[][..], &[&b"h2"[..]]] {
        let pair = tls::pair();
        let (port, heard) = impostor(tls::server_config(&pair, protocols));
        let mut driver = driver(port, Security::Tls(Trust::Key(key_of(&pair))));
        assert!(matches!(distrust(&mut driver), Distrust::OtherProtocol(_)));
        assert_eq!(heard.0.lock().unwrap().1, b"");
    }
}

#[test]
fn a_client_never_falls_back_to_plaintext() {
    let server = plaintext_server();
    let mut driver = driver(server.addresses()[0].port(), Security::Tls(Trust::Key(ServerKey([1; 32]))));
    assert!(matches!(distrust(&mut driver), Distrust::OtherProtocol(_)));
    assert_eq!(server.stats().unwrap().core.clients, 0);
}

#[test]
fn an_earlier_version_of_tls_is_not_spoken() {
    // The hello of a server that speaks TLS 1.2 and nothing later.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let mut socket = listener.accept().unwrap().0;
        let mut hello = [0; 2_048];
        let _ = socket.read(&mut hello);
        let mut answer = vec![22, 3, 3, 0, 42, 2, 0, 0, 38, 3, 3];
        answer.extend([5; 32]);
        answer.extend([0, 0xc0, 0x2f, 0]);
        let _ = socket.write_all(&answer);
        let _ = socket.read(&mut hello);
    });
    let mut driver = driver(port, Security::Tls(Trust::Key(ServerKey([1; 32]))));
    assert!(matches!(distrust(&mut driver), Distrust::OtherProtocol(_)));
}

#[test]
fn a_handshake_that_is_cut_is_tried_again() {
    let server = server();
    let address = server.addresses()[0];
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // Lets a few bytes of the server's answer through, each time more, then all.
    thread::spawn(move || {
        for (mut near, allowed) in listener.incoming().map_while(Result::ok).zip([3, 700, usize::MAX]) {
            let mut far = TcpStream::connect(address).unwrap();
            let (mut from, mut to) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            thread::spawn(move || std::io::copy(&mut from, &mut to));
            let mut left = allowed;
            let mut bytes = [0; 4_096];
            while left > 0 {
                let Ok(count @ 1..) = far.read(&mut bytes) else { break };
                let count = count.min(left);
                let _ = near.write_all(&bytes[..count]);
                left -= count;
            }
            let _ = near.shutdown(std::net::Shutdown::Both);
            let _ = far.shutdown(std::net::Shutdown::Both);
        }
    });
    let mut driver = driver(port, Security::Tls(Trust::Key(server.key().unwrap())));
    let mut lost = 0;
    let is_ready = find(&mut driver, |event| match event {
        ClientEvent::Offline { .. } => {
            lost += 1;
            None
        }
        ClientEvent::Ready { .. } => Some(()),
        _ => None,
    });
    assert!(is_ready.is_ok());
    assert_eq!(lost, 2);
}

#[test]
fn a_server_is_got_to_know_without_being_told_anything() {
    let server = server();
    let address = server.addresses()[0];
    let probed = probe("127.0.0.1", address.port(), PATIENCE).unwrap();
    assert_eq!(Some(probed.key), server.key());
    assert!(probed.vouched_for.is_err());
    let pair = tls::pair();
    let (port, heard) = impostor(tls::server_config(&pair, &[tls::PALABRE]));
    assert_eq!(probe("localhost", port, PATIENCE).unwrap().key, key_of(&pair));
    assert_eq!(heard.0.lock().unwrap().1, b"");
    drop(server);
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = holder.local_addr().unwrap().port();
    let timed_out = probe("127.0.0.1", silent, Duration::from_millis(200)).unwrap_err();
    assert!(matches!(timed_out, DriveError::System(error) if error.kind() == std::io::ErrorKind::TimedOut));
}

#[test]
fn a_name_that_no_authority_vouches_for_is_not_talked_to() {
    let pair = tls::pair();
    let (port, heard) = impostor(tls::server_config(&pair, &[tls::PALABRE]));
    let mut driver = driver(port, Security::Tls(Trust::Authorities { last: None }));
    let Distrust::NotVouchedFor { shown, .. } = distrust(&mut driver) else { panic!("it was vouched for") };
    assert_eq!(shown, key_of(&pair));
    assert_eq!(heard.0.lock().unwrap().1, b"");
}
