//! When the client connects again, and when not (`PROTOCOL.md` K).

use std::time::Duration;

use palabre_core::{
    client::{Client, ClientConfig, ClientEvent, ClientOutput, OfflineCause},
    error::ProtocolError,
    wire::{Error, Goodbye, Ping, ToServer},
};

use crate::bench::*;

fn last_event(bench: &mut Bench) -> ClientEvent {
    bench.events().pop().expect("an event")
}

fn retry_in(bench: &mut Bench) -> Duration {
    match last_event(bench) {
        ClientEvent::Offline { retry_in, .. } => retry_in,
        other => panic!("not offline: {other:?}"),
    }
}

#[test]
fn the_first_connection_is_made_at_once() {
    let mut bench = Bench::new(config());
    assert_eq!(bench.outputs.pop_front(), Some(ClientOutput::Connect));
}

#[test]
fn the_wait_grows_to_thirty_seconds_and_is_drawn_at_random() {
    let mut waits = vec![Vec::new(); 10];
    for seed in 0..200 {
        let now = palabre_core::time::Now::default();
        let mut bench = Bench::new(config());
        bench.client = Client::new(config(), [seed; 32], now);
        bench.outputs.clear();
        for waits in &mut waits {
            bench.drain();
            bench.disconnect();
            waits.push(retry_in(&mut bench));
            bench.wait_for_deadline();
        }
    }
    for (attempt, waits) in waits.iter().enumerate() {
        let most = Duration::from_secs([1, 2, 4, 8, 16, 30, 30, 30, 30, 30][attempt]);
        let (least, longest) = (waits.iter().min().expect("some"), waits.iter().max().expect("some"));
        assert!(*longest <= most && *longest > most / 2, "attempt {attempt}: {longest:?} of {most:?}");
        assert!(*least < most / 4, "attempt {attempt}: never less than {least:?}");
    }
}

#[test]
fn the_wait_starts_over_after_being_ready_for_a_while() {
    for (ready_for, most) in [(Duration::from_secs(90), 1), (Duration::from_secs(2), 30)] {
        let mut longest = Duration::ZERO;
        for seed in 0..40 {
            let mut bench = Bench::new(config());
            bench.client = Client::new(config(), [seed; 32], bench.now);
            bench.outputs.clear();
            bench.drain();
            for _ in 0..6 {
                bench.disconnect();
                bench.wait_for_deadline();
            }
            bench.connect();
            bench.receive(welcome());
            bench.receive(ready_in(vec![]));
            bench.pass(ready_for);
            bench.disconnect();
            longest = longest.max(retry_in(&mut bench));
        }
        assert!(
            longest <= Duration::from_secs(most) && longest > Duration::from_secs(most) / 2,
            "{longest:?}"
        );
    }
}

#[test]
fn connect_now_does_not_wait() {
    let mut bench = Bench::new(config());
    bench.disconnect();
    bench.outputs.clear();
    bench.client.connect_now(bench.now);
    bench.drain();
    assert_eq!(bench.outputs.pop_front(), Some(ClientOutput::Connect));
}

#[test]
fn a_connection_that_is_not_made_is_dropped_and_tried_again() {
    let mut bench = Bench::new(config());
    bench.outputs.clear();
    assert_eq!(bench.wait_for_deadline(), "connect");
    assert_eq!(bench.outputs.pop_front(), Some(ClientOutput::Drop));
    assert!(matches!(last_event(&mut bench), ClientEvent::Offline { cause: OfflineCause::Unreachable, .. }));
}

#[test]
fn without_reconnect_the_first_failure_ends_it() {
    let mut bench = Bench::new(ClientConfig { reconnect: false, ..config() });
    bench.disconnect();
    assert_eq!(last_event(&mut bench), ClientEvent::Ended { cause: OfflineCause::Unreachable });
    let mut bench = Bench::connected(ClientConfig { reconnect: false, ..config() });
    bench.disconnect();
    assert_eq!(last_event(&mut bench), ClientEvent::Ended { cause: OfflineCause::Cut });
}

#[test]
fn goodbyes_are_retried_but_for_the_one_of_a_newer_connection() {
    for reason in 0..9 {
        let mut bench = Bench::in_lobby(0);
        bench.receive(Goodbye { reason, text: "so" });
        let cause = OfflineCause::Goodbye { reason, text: "so".into() };
        match last_event(&mut bench) {
            ClientEvent::Offline { cause: told, .. } => assert!(told == cause && reason != 3),
            ClientEvent::Ended { cause: told } => assert!(told == cause && reason == 3),
            other => panic!("{other:?}"),
        }
        assert!(bench.client.saved().is_some(), "the guest is not given up");
    }
}

#[test]
fn accusations_end_it_but_for_those_about_too_many_connections() {
    for error in ProtocolError::ALL {
        let mut bench = Bench::connected(config());
        bench.receive(Error { code: error.number(), text: "you" });
        let retried = [ProtocolError::TooManyConnections, ProtocolError::TooManyFromAddress].contains(error);
        match last_event(&mut bench) {
            ClientEvent::Offline { .. } => assert!(retried, "{error}"),
            ClientEvent::Ended { .. } => assert!(!retried, "{error}"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_server_that_breaks_the_protocol_twice_in_a_row_is_left_alone() {
    let mut bench = Bench::connected(config());
    bench.receive_bytes(&[0, 0, 0, 0]);
    assert_eq!(bench.accusation(), Some(ProtocolError::FrameEmpty.number()));
    assert!(matches!(last_event(&mut bench), ClientEvent::Offline { .. }));
    bench.frames.clear();
    bench.reconnect();
    bench.receive_bytes(&[0xff; 4]);
    let cause = OfflineCause::Broke(ProtocolError::FrameTooLong);
    assert_eq!(last_event(&mut bench), ClientEvent::Ended { cause });
}

#[test]
fn silence_is_asked_about_and_then_ends_the_connection() {
    let mut bench = Bench::in_lobby(0);
    let start = bench.now.monotonic;
    assert_eq!(bench.wait_for_deadline(), "keep-alive");
    assert_eq!(bench.now.monotonic.since(start), Duration::from_secs(60));
    assert_eq!(bench.client.silence(), Duration::from_secs(60));
    assert!(matches!(bench.next_frame().message(), ToServer::Ping(_)));
    assert_eq!(bench.wait_for_deadline(), "keep-alive");
    assert_eq!(bench.now.monotonic.since(start), Duration::from_secs(120));
    assert!(matches!(bench.next_frame().message(), ToServer::Goodbye(goodbye) if goodbye.reason == 4));
    assert!(matches!(last_event(&mut bench), ClientEvent::Offline { cause: OfflineCause::TimedOut, .. }));
}

#[test]
fn anything_heard_ends_the_silence_even_half_a_frame() {
    let mut bench = Bench::in_lobby(0);
    bench.wait_for_deadline();
    bench.pass(Duration::from_secs(59));
    bench.receive_bytes(&[0, 0]);
    assert_eq!(bench.client.silence(), Duration::ZERO);
    bench.frames.clear();
    bench.wait_for_deadline();
    assert!(matches!(bench.next_frame().message(), ToServer::Ping(_)));
}

#[test]
fn a_process_that_slept_asks_before_it_gives_up() {
    let mut bench = Bench::in_lobby(0);
    bench.pass(Duration::from_secs(36_000));
    bench.client.handle_timeout(bench.now);
    bench.drain();
    assert!(matches!(bench.next_frame().message(), ToServer::Ping(_)));
    assert!(bench.client.is_ready());
}

#[test]
fn a_flood_of_pings_is_answered_a_bounded_number_of_times() {
    let mut bench = Bench::in_lobby(0);
    let flood: Vec<u8> = (0..10_000).flat_map(|token| bytes_of(Ping { token })).collect();
    bench.client.handle_received(&flood, bench.now);
    assert!(bench.client.sendable().len() < 64 * 16);
    bench.drain();
    assert_eq!(bench.frames.len(), 64);
    bench.receive(Ping { token: 5 });
    assert_eq!(bench.frames.len(), 65, "what was taken makes room");
}

#[test]
fn leaving_says_goodbye_after_what_was_queued_and_ends_when_all_is_sent() {
    for keep in [false, true] {
        let mut bench = Bench::in_lobby(0);
        bench.client.manual(bench.now).expect("running");
        bench.client.leave(keep, bench.now);
        while let Some(output) = bench.client.poll_output() {
            assert!(!matches!(output, ClientOutput::Event(ClientEvent::Ended { .. })), "bytes wait");
        }
        bench.drain();
        assert!(matches!(bench.next_frame().message(), ToServer::Manual(_)));
        let sent = bench.next_frame();
        assert!(matches!(sent.message(), ToServer::Goodbye(goodbye) if goodbye.reason == u8::from(keep)));
        assert_eq!(last_event(&mut bench), ClientEvent::Ended { cause: OfflineCause::Left });
        assert_eq!(bench.client.saved().is_some(), keep);
    }
}

#[test]
fn a_connection_that_takes_no_goodbye_is_dropped_after_three_seconds() {
    let mut bench = Bench::in_lobby(0);
    bench.client.leave(true, bench.now);
    while bench.client.poll_output().is_some() {}
    let (deadline, timer) = bench.client.poll_timeout().expect("a deadline");
    assert_eq!((deadline.since(bench.now.monotonic), timer), (Duration::from_secs(3), "linger"));
    bench.pass(Duration::from_secs(3));
    bench.client.handle_timeout(bench.now);
    bench.drain();
    assert_eq!(bench.outputs.pop_front(), Some(ClientOutput::Drop));
    assert_eq!(last_event(&mut bench), ClientEvent::Ended { cause: OfflineCause::Left });
}

#[test]
fn leaving_ends_it_in_every_phase() {
    let benches: [fn() -> Bench; 4] = [
        || Bench::new(config()),
        || Bench::connected(config()),
        || {
            let mut bench = Bench::new(config());
            bench.disconnect();
            bench
        },
        || {
            let mut bench = Bench::connected(config());
            bench.receive(welcome());
            bench
        },
    ];
    for make in benches {
        let mut bench = make();
        let had_connection = !bench.events().iter().any(|event| matches!(event, ClientEvent::Offline { .. }));
        bench.client.leave(false, bench.now);
        bench.drain();
        let let_go = [ClientOutput::Drop, ClientOutput::Close];
        let is_let_go = bench.outputs.iter().any(|output| let_go.contains(output));
        assert_eq!(is_let_go, had_connection);
        assert_eq!(last_event(&mut bench), ClientEvent::Ended { cause: OfflineCause::Left });
        assert_eq!(bench.client.poll_timeout(), None);
    }
}
