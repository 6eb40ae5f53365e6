//! Connections under TLS that are cut after so many bytes, in the handshake and after it, in either direction.

use std::{
    collections::BTreeMap,
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    thread,
    time::Duration,
};

use palabre_core::{
    client::{ClientConfig, ClientEvent},
    ids::Seq,
    limits::Limits,
    name::{Nick, RoomName},
    storage::EventKind,
    wire::{Follow, ToClient},
};
use palabre_runtime::{
    client::{ClientDriver, Security, Trust},
    clock::Clock,
    server::ServerOptions,
};

use crate::support::{PATIENCE, Peer};

/// What is let through of the first connection; later ones are whole.
#[derive(Clone, Copy, Debug)]
struct Allowed {
    to_server: usize,
    to_client: usize,
}

/// A proxy that tears the first connection.
fn tearing(server: SocketAddr, allowed: Allowed) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        let whole = Allowed { to_server: usize::MAX, to_client: usize::MAX };
        let allowances = [allowed].into_iter().chain(std::iter::repeat(whole));
        for (near, allowed) in listener.incoming().map_while(Result::ok).zip(allowances) {
            let far = TcpStream::connect(server).unwrap();
            let (near_too, far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            thread::spawn(move || carry(near_too, far_too, allowed.to_server));
            thread::spawn(move || carry(far, near, allowed.to_client));
        }
    });
    port
}

fn carry(mut from: TcpStream, mut to: TcpStream, mut allowed: usize) {
    let mut bytes = [0; 4_096];
    while allowed > 0 {
        let Ok(count @ 1..) = from.read(&mut bytes) else { break };
        let count = count.min(allowed);
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
        allowed -= count;
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}

/// Enters, says this in the lobby once, and waits until that is stored, whatever becomes of the connection.
fn say(port: u16, security: Security, nick: &str, text: &str) {
    let config = ClientConfig {
        program: "test".into(),
        nick: Nick::parse(nick).unwrap(),
        take_suggestion: true,
        asks: false,
        account: None,
        stretching_min: palabre_core::password::Stretching::LEAST,
        saved: None,
        reconnect: true,
        outbox_posts_max: 10,
    };
    let mut driver = ClientDriver::new("127.0.0.1", port, security, config, Box::new(|_, _| ())).unwrap();
    driver.with_client(|client, now| client.join(&RoomName::lobby(), None, now)).unwrap();
    let clock = Clock::start();
    let mut said = false;
    loop {
        while let Some(event) = driver.next_event() {
            match event {
                ClientEvent::Joined { room, .. } if !said => {
                    said = true;
                    let post = |client: &mut palabre_core::client::Client, now| {
                        client.post(room.id, EventKind::Posted, text, None, now)
                    };
                    driver.with_client(post).unwrap();
                }
                ClientEvent::Posted { .. } => return,
                ClientEvent::Interrupted { .. } => {
                    driver.with_client(|client, now| client.join(&RoomName::lobby(), None, now)).unwrap();
                }
                _ => {}
            }
        }
        assert!(clock.monotonic().as_micros() < PATIENCE.as_micros() as u64, "{nick}: {driver:?}");
        driver.turn(Some(Duration::from_millis(50))).unwrap();
    }
}

#[test]
fn a_connection_cut_anywhere_loses_and_repeats_nothing() {
    let mut options = ServerOptions::ephemeral();
    options.config.limits = Limits::open();
    let server = options.start().unwrap();
    let address = server.addresses()[0];
    let security = Security::Tls(Trust::Key(server.key().unwrap()));
    let mut cuts = Vec::new();
    // A client's hello is some 1,800 bytes long, the server's part of the handshake some 2,000; what follows is short.
    for bytes in
        [0, 1, 5, 700, 1_500, 1_700, 1_750, 1_800, 1_850, 1_900, 1_950, 2_000, 2_050, 2_100, 2_200, 2_300]
    {
        cuts.push(Allowed { to_server: bytes, to_client: usize::MAX });
        cuts.push(Allowed { to_server: usize::MAX, to_client: bytes });
    }
    let threads: Vec<_> = cuts
        .chunks(4)
        .enumerate()
        .map(|(chunk, cuts)| {
            let cuts = cuts.to_vec();
            thread::spawn(move || {
                for (index, allowed) in cuts.into_iter().enumerate() {
                    let name = format!("cut{chunk}-{index}");
                    say(tearing(address, allowed), security, &name, &format!("{name}: {allowed:?}"));
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let mut reader = Peer::connect(address);
    reader.enter("reader");
    let lobby = reader.join("#lobby");
    reader.say(Follow { id: 9, room: lobby, after: Some(Seq::new(0)) });
    let mut texts: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..32 {
        let text = reader.find(|message| match message {
            ToClient::Event(event) => Some(event.event.text.to_owned()),
            _ => None,
        });
        *texts.entry(text.unwrap()).or_default() += 1;
    }
    assert!(texts.len() == 32 && texts.values().all(|times| *times == 1), "{texts:?}");
    assert_eq!(server.stats().unwrap().core.events_stored, 32, "each is stored once");
}
