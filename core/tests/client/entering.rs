//! Hello, names, tokens, places (`PROTOCOL.md` V and E).

use std::time::Duration;

use palabre_core::{
    client::{ClientConfig, ClientEvent, ClientOutput, OfflineCause},
    error::{ProtocolError, RefusalCode},
    ids::{Incarnation, UserId},
    wire::{FRAMES_BEFORE_READY_MAX, Goodbye, Ready, Refused, ToServer, Waiting, Welcome},
};

use crate::bench::*;

fn refused(id: u32, code: RefusalCode, suggestion: Option<&str>) -> Refused<'_> {
    Refused { id, code: code.number(), text: "no", about: "ana", suggestion }
}

/// What an earlier run left behind: in the lobby, read up to 3.
pub(crate) fn saved_config() -> ClientConfig {
    let bench = Bench::in_lobby(3);
    ClientConfig { saved: bench.client.saved(), ..config() }
}

fn guest_nick(bench: &mut Bench) -> (u32, String) {
    let sent = bench.next_frame();
    match sent.message() {
        ToServer::Guest(guest) => (guest.id, guest.nick.into()),
        _ => panic!("not a guest: {sent:?}"),
    }
}

#[test]
fn a_new_guest_says_hello_and_its_name() {
    let mut bench = Bench::connected(config());
    bench.receive(welcome());
    assert_eq!(guest_nick(&mut bench).1, "ana");
    bench.receive(ready_in(vec![]));
    assert_eq!(bench.next_event(), ClientEvent::Connected { server: "fake".into() });
    let expected = ClientEvent::Ready { user: ME, nick: nick("ana"), resumed: false, rooms: vec![] };
    assert_eq!(bench.next_event(), expected);
    assert!(bench.client.is_ready());
    assert_eq!(bench.saved.map(|saved| saved.token), Some(TOKEN));
}

#[test]
fn another_version_is_fatal() {
    let mut bench = Bench::connected(config());
    bench.receive(Welcome { version: 2, ..welcome() });
    let cause = OfflineCause::Broke(ProtocolError::VersionUnsupported);
    assert_eq!(bench.events(), [ClientEvent::Ended { cause }]);
}

#[test]
fn suggestions_are_taken_a_few_times_and_then_the_application_is_asked() {
    let mut bench = Bench::connected(ClientConfig { take_suggestion: true, ..config() });
    bench.receive(welcome());
    bench.events();
    for expected in ["ana", "ana1", "ana2", "ana3"] {
        assert!(bench.events().is_empty());
        let (id, name) = guest_nick(&mut bench);
        assert_eq!(name, expected);
        let next = format!("ana{}", expected[3..].parse::<u32>().unwrap_or(0) + 1);
        bench.receive(refused(id, RefusalCode::NameInUse, Some(&next)));
    }
    assert!(matches!(bench.next_event(), ClientEvent::EnterRefused { .. }));
    assert!(bench.frames.is_empty());
}

#[test]
fn a_suggestion_that_is_no_name_is_not_taken() {
    let mut bench = Bench::connected(ClientConfig { take_suggestion: true, ..config() });
    bench.receive(welcome());
    let (id, _) = guest_nick(&mut bench);
    bench.receive(refused(id, RefusalCode::NameInUse, Some("\u{202e}ana")));
    assert!(matches!(bench.events().last(), Some(ClientEvent::EnterRefused { .. })));
}

#[test]
fn a_refused_name_waits_for_another_even_past_the_end_of_the_connection() {
    for cut in [false, true] {
        let mut bench = Bench::connected(config());
        bench.receive(welcome());
        let (id, _) = guest_nick(&mut bench);
        bench.receive(refused(id, RefusalCode::NameLooksAlike, Some("ana1")));
        bench.outputs.clear();
        if cut {
            bench.receive(Goodbye { reason: 4, text: "" });
            assert!(bench.events().is_empty(), "the application knows what is to be done");
            assert_eq!(bench.client.poll_timeout(), None);
        }
        let request = bench.client.rename(&nick("bea"), bench.now).expect("running");
        bench.drain();
        if cut {
            bench.connect();
            bench.next_frame();
            bench.receive(welcome());
        }
        assert_eq!(guest_nick(&mut bench).1, "bea");
        bench.receive(Ready { nick: "bea", ..ready_in(vec![]) });
        let renamed = ClientEvent::Renamed { request, nick: nick("bea") };
        assert!(bench.events().contains(&renamed));
    }
}

#[test]
fn who_is_refused_for_ever_never_uses_up_the_frames_of_a_connection() {
    let mut bench = Bench::connected(config());
    let (mut connections, mut frames) = (1, 1);
    bench.receive(welcome());
    for _ in 0..100 {
        let (id, _) = guest_nick(&mut bench);
        frames += 1;
        assert!(frames <= FRAMES_BEFORE_READY_MAX, "{frames} frames on connection {connections}");
        bench.receive(refused(id, RefusalCode::NameInUse, None));
        bench.events();
        bench.client.rename(&nick("bea"), bench.now).expect("running");
        bench.drain();
        if bench.outputs.contains(&ClientOutput::Connect) {
            bench.reconnect();
            bench.receive(welcome());
            (connections, frames) = (connections + 1, 1);
        }
    }
    assert!((4..=6).contains(&connections), "{connections}");
}

#[test]
fn another_name_asked_for_before_the_first_was_tried_takes_its_place() {
    let mut bench = Bench::new(config());
    let first = bench.client.rename(&nick("bea"), bench.now).expect("running");
    let second = bench.client.rename(&nick("cleo"), bench.now).expect("running");
    bench.drain();
    assert!(bench.outputs.contains(&ClientOutput::Event(ClientEvent::Interrupted { request: first })));
    bench.connect();
    bench.next_frame();
    bench.receive(welcome());
    let (id, name) = guest_nick(&mut bench);
    assert_eq!(name, "cleo");
    bench.receive(refused(id, RefusalCode::NameInUse, None));
    let answered = |event: &ClientEvent| matches!(event, ClientEvent::EnterRefused { request, .. } if *request == Some(second));
    assert!(bench.events().iter().any(answered));
}

#[test]
fn a_saved_session_is_resumed_and_its_rooms_followed_from_where_they_were_read() {
    let mut bench = Bench::connected(saved_config());
    bench.receive(welcome());
    assert!(matches!(bench.next_frame().message(), ToServer::Resume(resume) if resume.token == TOKEN));
    bench.receive(ready_in(vec![lobby(5)]));
    assert!(bench.events().iter().any(|event| matches!(event, ClientEvent::Ready { resumed: true, .. })));
    let sent = bench.next_frame();
    assert!(matches!(sent.message(), ToServer::Follow(follow)
        if follow.room == LOBBY && follow.after.map(|after| after.get()) == Some(3)));
}

#[test]
fn a_resumed_user_that_is_another_is_a_breach() {
    let mut bench = Bench::connected(saved_config());
    bench.receive(welcome());
    bench.receive(Ready { user: UserId::new(12), ..ready_in(vec![]) });
    assert_eq!(bench.accusation(), Some(ProtocolError::MalformedBody.number()));
}

#[test]
fn an_unknown_token_makes_a_new_guest_by_the_wished_name() {
    let mut bench = Bench::connected(saved_config());
    bench.receive(welcome());
    let id = bench.asked();
    bench.receive(refused(id, RefusalCode::TokenUnknown, None));
    assert_eq!(guest_nick(&mut bench).1, "ana");
    assert_eq!(bench.saved, None, "the old token is worth nothing");
}

#[test]
fn a_token_is_kept_when_the_server_merely_cannot_resume_now() {
    let mut bench = Bench::connected(saved_config());
    bench.receive(welcome());
    let id = bench.asked();
    bench.receive(refused(id, RefusalCode::StorageFailed, None));
    assert!(matches!(
        bench.events().last(),
        Some(ClientEvent::Offline { cause: OfflineCause::ServerFull(refusal), .. })
            if refusal.code == RefusalCode::StorageFailed
    ));
    bench.reconnect();
    bench.receive(welcome());
    assert!(matches!(bench.next_frame().message(), ToServer::Resume(_)));
}

#[test]
fn another_incarnation_makes_a_new_guest() {
    let mut bench = Bench::connected(saved_config());
    bench.receive(Welcome { incarnation: Incarnation::new(6), ..welcome() });
    assert_eq!(guest_nick(&mut bench).1, "ana");
    assert_eq!(bench.client.user(), None);
}

#[test]
fn a_place_is_waited_for_with_keep_alive_only() {
    let mut bench = Bench::connected(config());
    bench.receive(welcome());
    bench.next_frame();
    bench.receive(Waiting { position: 2 });
    bench.receive(Waiting { position: 1 });
    bench.client.manual(bench.now).expect("running");
    bench.drain();
    let positions = bench.events().into_iter().filter(|event| matches!(event, ClientEvent::Waiting { .. }));
    assert_eq!(positions.count(), 2);
    assert!(bench.frames.is_empty());
    assert_eq!(bench.wait_for_deadline(), "keep-alive");
    assert!(matches!(bench.next_frame().message(), ToServer::Ping(_)));
    bench.receive(ready_in(vec![]));
    assert!(matches!(bench.next_frame().message(), ToServer::Manual(_)));
}

#[test]
fn a_full_server_is_tried_again_or_ends_it() {
    for reconnect in [true, false] {
        let mut bench = Bench::connected(ClientConfig { reconnect, ..config() });
        bench.receive(welcome());
        let id = bench.asked();
        bench.receive(refused(id, RefusalCode::ServerFull, None));
        assert!(bench.outputs.contains(&ClientOutput::Drop));
        match bench.events().last() {
            Some(ClientEvent::Offline { cause: OfflineCause::ServerFull(_), .. }) => assert!(reconnect),
            Some(ClientEvent::Ended { cause: OfflineCause::ServerFull(_) }) => assert!(!reconnect),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_server_that_does_not_answer_is_given_up_after_ten_seconds() {
    for welcomed in [false, true] {
        let mut bench = Bench::connected(config());
        if welcomed {
            bench.receive(welcome());
        }
        let before = bench.now.monotonic;
        bench.wait_for_deadline();
        assert_eq!(bench.now.monotonic.since(before), Duration::from_secs(10));
        let events = bench.events();
        let offline = events.last().expect("an event");
        assert!(matches!(offline, ClientEvent::Offline { cause: OfflineCause::TimedOut, .. }), "{offline:?}");
    }
}

#[test]
fn a_program_with_a_long_name_says_64_bytes_of_it() {
    let program = "é".repeat(40);
    let mut bench = Bench::new(ClientConfig { program, ..config() });
    bench.connect();
    assert!(matches!(bench.next_frame().message(), ToServer::Hello(hello) if hello.client == "é".repeat(32)));
}

#[test]
fn a_client_that_asks_who_to_be_enters_when_it_is_told() {
    let mut bench = Bench::connected(ClientConfig { asks: true, ..config() });
    bench.receive(welcome());
    assert!(matches!(bench.next_event(), ClientEvent::Connected { .. }));
    assert!(bench.client.offers().guests && bench.frames.is_empty());
    let now = bench.now;
    bench.client.rename(&nick("bo"), now).unwrap();
    bench.drain();
    assert_eq!(guest_nick(&mut bench).1, "bo");
}
