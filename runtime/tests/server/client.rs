use std::{cell::RefCell, net::TcpListener, rc::Rc, thread, time::Duration};

use palabre_core::{
    client::{ClientConfig, ClientEvent, OfflineCause, SavedSession},
    name::{Nick, RoomName},
    password::Stretching,
    storage::EventKind,
};
use palabre_runtime::{
    client::{ClientDriver, Security, Trust},
    clock::Clock,
    server::RunningServer,
    server_key::ServerKey,
};

use crate::support::{PATIENCE, Process, plaintext_server, server};

fn config(nick: &str) -> ClientConfig {
    ClientConfig {
        program: "test".into(),
        nick: Nick::parse(nick).unwrap(),
        take_suggestion: true,
        asks: false,
        account: None,
        stretching_min: Stretching::LEAST,
        saved: None,
        reconnect: true,
        outbox_posts_max: 100,
    }
}

fn driver(host: &str, port: u16, security: Security, config: ClientConfig) -> ClientDriver {
    ClientDriver::new(host, port, security, config, Box::new(|_, _| ())).unwrap()
}

/// A driver to a server in this process, whose key it knows.
fn driver_to(server: &RunningServer, host: &str, config: ClientConfig) -> ClientDriver {
    driver(host, server.addresses()[0].port(), security(server), config)
}

fn security(server: &RunningServer) -> Security {
    server.key().map_or(Security::Plain, |key| Security::Tls(Trust::Key(key)))
}

/// Turns until an event is what is looked for.
fn find<R>(driver: &mut ClientDriver, mut look: impl FnMut(&ClientEvent) -> Option<R>) -> R {
    let clock = Clock::start();
    loop {
        while let Some(event) = driver.next_event() {
            if let Some(found) = look(&event) {
                return found;
            }
        }
        assert!(clock.monotonic().as_micros() < PATIENCE.as_micros() as u64, "{driver:?}");
        driver.turn(Some(Duration::from_millis(100))).unwrap();
    }
}

fn ready(driver: &mut ClientDriver) -> bool {
    find(driver, |event| match event {
        ClientEvent::Ready { resumed, .. } => Some(*resumed),
        _ => None,
    })
}

fn say(driver: &mut ClientDriver, text: &str) {
    let lobby = RoomName::lobby();
    driver.with_client(|client, now| client.join(&lobby, None, now)).unwrap();
    let room = find(driver, |event| match event {
        ClientEvent::Joined { room, .. } => Some(room.id),
        _ => None,
    });
    driver.with_client(|client, now| client.post(room, EventKind::Posted, text, None, now)).unwrap();
}

fn posted(event: &ClientEvent) -> Option<()> {
    matches!(event, ClientEvent::Posted { .. }).then_some(())
}

#[test]
fn a_client_finds_its_server_by_name_enters_and_posts() {
    let server = server();
    let mut driver = driver_to(&server, "localhost", config("ana"));
    assert!(!ready(&mut driver));
    say(&mut driver, "hello");
    find(&mut driver, posted);
}

#[test]
fn a_client_and_a_server_that_were_both_told_so_talk_in_plaintext() {
    let server = plaintext_server();
    let mut driver = driver_to(&server, "127.0.0.1", config("ana"));
    assert!(!ready(&mut driver));
    say(&mut driver, "hello");
    find(&mut driver, posted);
    assert_eq!(driver.server_key(), None);
}

#[test]
fn a_post_is_saved_before_it_is_sent_and_forgotten_after() {
    let server = server();
    let saved: Rc<RefCell<Vec<Option<SavedSession>>>> = Rc::default();
    let log = Rc::clone(&saved);
    let expected = server.key();
    let save = Box::new(move |session: Option<&SavedSession>, key: Option<ServerKey>| {
        assert_eq!(key, expected, "it belongs to the server with this key");
        log.borrow_mut().push(session.cloned());
    });
    let port = server.addresses()[0].port();
    let mut driver = ClientDriver::new("127.0.0.1", port, security(&server), config("ana"), save).unwrap();
    ready(&mut driver);
    say(&mut driver, "hello");
    // The verb has flushed: saved and sent, and not answered yet.
    assert_eq!(saved.borrow().last().unwrap().as_ref().unwrap().outbox.len(), 1);
    find(&mut driver, posted);
    driver.turn(Some(Duration::ZERO)).unwrap();
    assert_eq!(saved.borrow().last().unwrap().as_ref().unwrap().outbox.len(), 0);
    driver.with_client(|client, now| client.leave(false, now));
    assert_eq!(*saved.borrow().last().unwrap(), None);
}

#[test]
fn leaving_is_heard_by_the_server_before_the_driver_has_ended() {
    let server = server();
    let mut driver = driver_to(&server, "127.0.0.1", config("ana"));
    ready(&mut driver);
    driver.with_client(|client, now| client.leave(false, now));
    let cause = find(&mut driver, |event| match event {
        ClientEvent::Ended { cause } => Some(cause.clone()),
        _ => None,
    });
    assert_eq!(cause, OfflineCause::Left);
    let clock = Clock::start();
    while !driver.is_ended() {
        driver.turn(None).unwrap();
    }
    assert!(clock.monotonic().as_micros() < 1_000_000, "the server closes its side as soon as it has heard");
    let stats = server.stats().unwrap().core;
    assert_eq!((stats.clients, stats.lost), (0, 0));
}

#[test]
fn a_server_that_is_not_there_is_told_with_the_reason() {
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = holder.local_addr().unwrap().port();
    drop(holder);
    let mut driver =
        driver("127.0.0.1", port, Security::Plain, ClientConfig { reconnect: false, ..config("ana") });
    let cause = find(&mut driver, |event| match event {
        ClientEvent::Ended { cause } => Some(cause.clone()),
        _ => None,
    });
    assert_eq!(cause, OfflineCause::Unreachable);
    assert_eq!(driver.connect_error().unwrap().kind(), std::io::ErrorKind::ConnectionRefused);
    assert!(driver.is_ended());
}

#[test]
fn a_name_that_means_nothing_is_told_so() {
    let config = ClientConfig { reconnect: false, ..config("ana") };
    let mut driver = driver("no-such-host.invalid", 4000, Security::Plain, config);
    find(&mut driver, |event| matches!(event, ClientEvent::Ended { .. }).then_some(()));
    assert!(driver.connect_error().is_some());
}

#[test]
fn another_thread_ends_the_waiting() {
    let server = server();
    let mut driver = driver_to(&server, "127.0.0.1", config("ana"));
    ready(&mut driver);
    let waker = driver.waker();
    let clock = Clock::start();
    let thread = thread::spawn(move || {
        thread::sleep(Duration::from_millis(200));
        waker.wake();
    });
    let mut turns = 0;
    while clock.monotonic().as_micros() < 200_000 {
        driver.turn(None).unwrap();
        while driver.next_event().is_some() {}
        turns += 1;
    }
    assert!(clock.monotonic().as_micros() < 5_000_000);
    assert!(turns < 20, "{turns} turns in 200 ms of silence");
    thread.join().unwrap();
}

#[test]
fn a_client_survives_its_server_and_nothing_is_lost() {
    let data = tempfile::tempdir().unwrap();
    let first = Process::start_in(data.path());
    let port = first.address().port();
    let security = Security::Tls(Trust::Key(first.key()));
    let mut driver = driver("127.0.0.1", port, security, config("ana"));
    ready(&mut driver);
    say(&mut driver, "before");
    find(&mut driver, posted);
    first.signal(rustix::process::Signal::KILL);
    find(&mut driver, |event| matches!(event, ClientEvent::Offline { .. }).then_some(()));
    drop(first);
    let room = driver.client().joined().next().unwrap().id;
    driver.with_client(|client, now| client.post(room, EventKind::Posted, "meanwhile", None, now)).unwrap();
    let address = format!("127.0.0.1:{port}");
    let _second = Process::start(&["--listen", &address, "--data", data.path().to_str().unwrap()]);
    assert!(ready(&mut driver), "the same guest came back");
    find(&mut driver, posted);
}
