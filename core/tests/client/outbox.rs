//! The outbox: credit, cuts, resends, ends (`PROTOCOL.md` P).

use std::time::Duration;

use palabre_core::{
    client::{ClientConfig, ClientEvent, ClientOutput, OutboxState, PostId},
    error::{Misuse, ProtocolError, RefusalCode},
    ids::{Incarnation, Nonce, Seq},
    storage::EventKind,
    time::WallTime,
    wire::*,
};
use proptest::prelude::*;

use crate::{
    bench::*,
    fake::{FakeConnection, FakeServer},
};

fn say(bench: &mut Bench, text: &str) -> PostId {
    let post = bench.client.post(LOBBY, EventKind::Posted, text, None, bench.now).expect("a good text");
    bench.drain();
    post
}

/// The posts sent and not looked at yet: number and nonce.
fn posts(bench: &mut Bench) -> Vec<(u32, Nonce)> {
    let frames = std::mem::take(&mut bench.frames);
    frames
        .iter()
        .filter_map(|sent| match sent.message() {
            ToServer::Post(post) => Some((post.id, post.nonce)),
            _ => None,
        })
        .collect()
}

fn posted(id: u32, seq: u64) -> Posted {
    Posted { id, room: LOBBY, seq: Seq::new(seq), at: WallTime::from_millis(1) }
}

fn states(bench: &Bench) -> Vec<OutboxState> {
    bench.client.outbox().map(|post| post.state).collect()
}

#[test]
fn what_every_server_calls_a_breach_is_not_taken_into_the_outbox() {
    let mut bench = Bench::in_lobby(0);
    for (kind, text) in [
        (EventKind::Edited, "anew"),
        (EventKind::Deleted, ""),
        (EventKind::Reacted, "+1"),
        (EventKind::Kicked, "why"),
    ] {
        let taken = bench.client.post(LOBBY, kind, text, None, bench.now);
        assert!(matches!(taken, Err(Misuse::Text(_))), "{kind:?}: {taken:?}");
    }
    let topic = bench.client.reply(LOBBY, Seq::new(1), EventKind::Topic, "tea", None, bench.now);
    assert!(matches!(topic, Err(Misuse::Text(_))), "{topic:?}");
    assert_eq!(bench.client.outbox().count(), 0);
}

#[test]
fn a_post_waits_for_credit_is_sent_and_answered() {
    let mut bench = Bench::in_lobby(0);
    let post = say(&mut bench, "hello");
    assert_eq!(states(&bench), [OutboxState::Waiting]);
    assert!(bench.frames.is_empty());
    bench.receive(Credit { posts: 10, bytes: 1_000 });
    assert_eq!(states(&bench), [OutboxState::Sent]);
    let (id, _) = posts(&mut bench)[0];
    bench.receive(posted(id, 1));
    assert_eq!(bench.next_event(), ClientEvent::Posted { post, room: LOBBY, seq: Seq::new(1) });
    assert_eq!(states(&bench), []);
    assert_eq!(bench.saved.expect("saved").outbox, []);
}

#[test]
fn a_post_is_saved_before_anything_is_sent_even_what_was_to_be_sent_before() {
    let mut bench = Bench::in_lobby(0);
    bench.receive(Credit { posts: 10, bytes: 1_000 });
    bench.client.manual(bench.now).expect("running");
    bench.client.post(LOBBY, EventKind::Posted, "x", None, bench.now).expect("in it");
    assert_eq!(bench.client.poll_output(), Some(ClientOutput::Save));
    assert_eq!(bench.client.poll_output(), Some(ClientOutput::Send));
    assert_eq!(bench.client.poll_output(), None);
}

#[test]
fn a_refused_post_comes_back_with_its_text() {
    let mut bench = Bench::in_lobby(0);
    bench.receive(Credit { posts: 10, bytes: 1_000 });
    let post = say(&mut bench, "hello");
    let id = bench.asked();
    let code = RefusalCode::NoSpace.number();
    bench.receive(Refused { id, code, text: "full", about: "", suggestion: None });
    assert!(matches!(bench.next_event(), ClientEvent::PostRefused { post: told, text, refusal, .. }
        if told == post && text == "hello" && refusal.code == RefusalCode::NoSpace));
}

#[test]
fn texts_that_would_be_refused_are_not_taken() {
    let long = "x".repeat(16_385);
    let cases = [
        (EventKind::Posted, "", RefusalCode::TextEmpty),
        (EventKind::Action, " \n\u{3000}", RefusalCode::TextEmpty),
        (EventKind::Posted, long.as_str(), RefusalCode::TextTooLong),
        (EventKind::Topic, &long[..401], RefusalCode::TextTooLong),
        (EventKind::Posted, "a\u{1b}[2J", RefusalCode::TextInvalid),
        (EventKind::Posted, "a\u{9b}", RefusalCode::TextInvalid),
        (EventKind::Topic, "a\nb", RefusalCode::TextInvalid),
    ];
    let mut bench = Bench::in_lobby(0);
    for (kind, text, code) in cases {
        let Err(Misuse::Text(refusal)) = bench.client.post(LOBBY, kind, text, None, bench.now) else {
            panic!("taken: {text:?}")
        };
        assert_eq!(refusal.code, code, "{text:?}");
    }
    let Err(Misuse::Text(refusal)) = bench.client.post(LOBBY, EventKind::Posted, &long, None, bench.now)
    else {
        panic!("taken")
    };
    assert!(refusal.text.contains("16385") && refusal.text.contains("16384"), "{}", refusal.text);
    let fine = [(EventKind::Topic, ""), (EventKind::Posted, "a\n\tb"), (EventKind::Posted, &long[1..])];
    for (kind, text) in fine {
        bench.client.post(LOBBY, kind, text, None, bench.now).expect("fine");
    }
    let elsewhere = palabre_core::ids::RoomId::new(2);
    assert_eq!(bench.client.post(elsewhere, EventKind::Posted, "x", None, bench.now), Err(Misuse::NotInRoom));
}

#[test]
fn a_full_outbox_takes_no_more() {
    let mut bench = Bench::in_lobby(0);
    for _ in 0..100 {
        say(&mut bench, "x");
    }
    let full = bench.client.post(LOBBY, EventKind::Posted, "x", None, bench.now);
    assert!(matches!(full, Err(Misuse::Text(refusal)) if refusal.code == RefusalCode::SlowDown));
    assert_eq!(bench.client.outbox().count(), 100);
}

#[test]
fn the_limit_of_unanswered_posts_is_kept() {
    let mut bench = Bench::connected(config());
    bench.receive(Welcome { limits: Limits { posts: 2, ..LIMITS }, ..welcome() });
    bench.receive(ready_in(vec![lobby(0)]));
    bench.receive(Credit { posts: 100, bytes: 100_000 });
    for _ in 0..5 {
        say(&mut bench, "x");
    }
    let sent = posts(&mut bench);
    assert_eq!(sent.len(), 2);
    bench.receive(posted(sent[1].0, 1));
    assert_eq!(posts(&mut bench).len(), 1);
    assert_eq!(states(&bench)[..3], [OutboxState::Sent, OutboxState::Sent, OutboxState::Waiting]);
}

#[test]
fn an_answer_for_another_room_is_a_breach() {
    let mut bench = Bench::in_lobby(0);
    bench.receive(Credit { posts: 10, bytes: 1_000 });
    say(&mut bench, "x");
    let id = bench.asked();
    bench.receive(Posted { room: palabre_core::ids::RoomId::new(9), ..posted(id, 1) });
    assert_eq!(bench.accusation(), Some(ProtocolError::SequenceBroken.number()));
}

#[test]
fn after_a_resume_unanswered_posts_are_sent_again_in_order_before_new_ones() {
    let mut bench = Bench::in_lobby(0);
    bench.receive(Credit { posts: 3, bytes: 1_000 });
    for text in ["a", "b", "c", "d"] {
        say(&mut bench, text);
    }
    let first = posts(&mut bench);
    assert_eq!(first.len(), 3);
    bench.receive(posted(first[1].0, 1));
    bench.disconnect();
    assert_eq!(states(&bench), [OutboxState::Waiting; 3]);
    say(&mut bench, "e");
    bench.reconnect_into(vec![lobby(1)]);
    assert_eq!(posts(&mut bench), [], "credit is counted anew");
    bench.receive(Credit { posts: 10, bytes: 1_000 });
    let again: Vec<_> = posts(&mut bench).into_iter().map(|(_, nonce)| nonce).collect();
    assert_eq!(again.len(), 4);
    assert_eq!(again[..2], [first[0].1, first[2].1]);
}

#[test]
fn posts_are_sent_even_where_the_room_may_not_be_followed() {
    let mut bench = Bench::in_lobby(0);
    bench.receive(Credit { posts: 3, bytes: 1_000 });
    say(&mut bench, "x");
    let first = posts(&mut bench);
    bench.disconnect();
    bench.reconnect_into(vec![]);
    bench.receive(Credit { posts: 3, bytes: 1_000 });
    let again = posts(&mut bench);
    assert_eq!(again[0].1, first[0].1);
    bench.receive(posted(again[0].0, 1));
    assert!(matches!(bench.events().last(), Some(ClientEvent::Posted { .. })));
}

#[test]
fn posts_older_than_six_days_are_indeterminate_and_clocks_that_went_back_age_nothing() {
    let days = |days: u64| Duration::from_secs(days * 86_400);
    for (passed, back, sent_again) in
        [(days(5), false, true), (days(6), false, false), (days(3_650), true, true)]
    {
        let mut bench = Bench::in_lobby(0);
        bench.receive(Credit { posts: 3, bytes: 1_000 });
        let post = say(&mut bench, "x");
        bench.disconnect();
        bench.frames.clear();
        let millis = passed.as_millis() as u64;
        let wall = bench.now.wall.as_millis();
        let moved = if back { wall - millis } else { wall + millis };
        bench.reconnect();
        bench.now.wall = WallTime::from_millis(moved);
        bench.receive(welcome());
        bench.receive(ready_in(vec![lobby(0)]));
        bench.receive(Credit { posts: 3, bytes: 1_000 });
        assert_eq!(posts(&mut bench).len(), usize::from(sent_again), "{passed:?}");
        let indeterminate =
            ClientEvent::PostIndeterminate { post, room: LOBBY, kind: EventKind::Posted, text: "x".into() };
        assert_eq!(bench.events().contains(&indeterminate), !sent_again, "{passed:?}");
    }
}

#[test]
fn posts_of_a_guest_that_is_no_more_are_indeterminate() {
    for other_database in [false, true] {
        let mut bench = Bench::in_lobby(0);
        let post = say(&mut bench, "x");
        bench.disconnect();
        bench.reconnect();
        bench.outputs.clear();
        if other_database {
            bench.receive(Welcome { incarnation: Incarnation::new(6), ..welcome() });
        } else {
            bench.receive(welcome());
            let id = bench.asked();
            let code = RefusalCode::TokenUnknown.number();
            bench.receive(Refused { id, code, text: "expired", about: "", suggestion: None });
        }
        let indeterminate =
            ClientEvent::PostIndeterminate { post, room: LOBBY, kind: EventKind::Posted, text: "x".into() };
        assert!(bench.events().contains(&indeterminate));
        assert_eq!(bench.client.outbox().count(), 0);
        bench.frames.clear();
        bench.receive(ready_in(vec![]));
        bench.receive(Credit { posts: 9, bytes: 1_000 });
        assert_eq!(posts(&mut bench), []);
    }
}

#[test]
fn the_outbox_survives_the_process() {
    let mut bench = Bench::in_lobby(0);
    bench.receive(Credit { posts: 1, bytes: 1_000 });
    for text in ["a", "b"] {
        say(&mut bench, text);
    }
    let sent = posts(&mut bench);
    let mut bench = Bench::connected(ClientConfig { saved: bench.saved, ..config() });
    assert_eq!(states(&bench), [OutboxState::Waiting; 2]);
    bench.receive(welcome());
    bench.receive(ready_in(vec![lobby(0)]));
    bench.receive(Credit { posts: 9, bytes: 1_000 });
    let again = posts(&mut bench);
    assert_eq!((again.len(), again[0].1), (2, sent[0].1));
}

#[test]
fn leaving_for_good_says_what_was_not_answered_and_keeping_keeps_it() {
    for keep in [false, true] {
        let mut bench = Bench::in_lobby(0);
        let post = say(&mut bench, "x");
        bench.client.leave(keep, bench.now);
        bench.drain();
        let indeterminate =
            ClientEvent::PostIndeterminate { post, room: LOBBY, kind: EventKind::Posted, text: "x".into() };
        assert_eq!(bench.events().contains(&indeterminate), !keep);
        assert_eq!(bench.client.saved().map(|saved| saved.outbox.len()), keep.then_some(1));
    }
}

#[test]
fn a_server_that_does_not_read_gets_no_more_than_a_buffer_full() {
    let mut bench = Bench::in_lobby(0);
    bench.receive(Credit { posts: u64::MAX, bytes: u64::MAX });
    let text = "x".repeat(16_000);
    for _ in 0..100 {
        bench.client.post(LOBBY, EventKind::Posted, &text, None, bench.now).expect("there is room");
        while bench.client.poll_output().is_some() {}
    }
    assert!(bench.client.sendable().len() < (64 << 10) + 17_000);
}

/// Runs a session against the fake server with the connection cut after so many bytes from the server, then
/// lets it come to its end. Says whether the cut came before that.
fn run_cut_after(bytes_from_server: usize, bytes_from_client: usize) -> (FakeServer, Bench, bool) {
    let mut server = FakeServer::new();
    let mut bench = Bench::new(config());
    let mut budget = Some((bytes_from_server, bytes_from_client));
    let mut was_cut = false;
    let mut said = 0;
    bench.client.join(&room_name("#lobby"), None, bench.now).expect("running");
    for _connection in 0..3 {
        let mut connection = FakeConnection::new();
        while !bench.outputs.contains(&ClientOutput::Connect) {
            bench.wait_for_deadline();
        }
        let from = bench.sent_bytes.len();
        bench.connect();
        let mut taken = from;
        loop {
            let mut upward = bench.sent_bytes[taken..].to_vec();
            taken = bench.sent_bytes.len();
            if let Some((_, allowed)) = &mut budget {
                upward.truncate(*allowed);
                *allowed -= upward.len();
            }
            let mut downward = server.receive(&mut connection, &upward);
            if let Some((allowed, _)) = &mut budget {
                downward.truncate(*allowed);
                *allowed -= downward.len();
            }
            let quiet = downward.is_empty();
            bench.receive_bytes(&downward);
            while said < 4 && bench.client.is_ready() && bench.client.joined().next().is_some() {
                said += 1;
                let nonce = Some(Nonce::new(said));
                let text = format!("post {said}");
                bench.client.post(LOBBY, EventKind::Posted, &text, nonce, bench.now).expect("fine");
                bench.drain();
            }
            if quiet && bench.sent_bytes.len() == taken {
                break;
            }
        }
        if said == 4 && bench.client.outbox().count() == 0 {
            break;
        }
        was_cut = true;
        budget = None;
        bench.disconnect();
    }
    (server, bench, was_cut)
}

fn told_number(event: &ClientEvent) -> Option<u64> {
    match event {
        ClientEvent::Happened(happening) => Some(happening.event.seq.get()),
        _ => None,
    }
}

fn check_whole(server: &FakeServer, bench: &mut Bench, what: &str) {
    let log: Vec<_> = server.rooms[&LOBBY].log.iter().map(|(_, nonce, _)| nonce.get()).collect();
    assert_eq!(log, [1, 2, 3, 4], "stored once, in order: {what}");
    assert_eq!(bench.client.outbox().count(), 0, "{what}");
    for nonce in 1..=4 {
        let times = server.received.iter().filter(|received| received.get() == nonce).count();
        assert!(times <= 2, "sent once on each connection: {what}");
    }
    let events = bench.events();
    let told: Vec<_> = events.iter().filter_map(told_number).collect();
    assert_eq!(told, (1..=told.len() as u64).collect::<Vec<_>>(), "told once, in order: {what}");
    assert_eq!(
        events.iter().filter(|event| matches!(event, ClientEvent::Posted { .. })).count(),
        4,
        "{what}"
    );
}

#[test]
fn a_cut_at_every_byte_from_the_server_loses_and_doubles_nothing() {
    for cut in 0.. {
        let (server, mut bench, was_cut) = run_cut_after(cut, usize::MAX);
        check_whole(&server, &mut bench, &format!("cut after {cut} bytes"));
        if !was_cut {
            assert!(cut > 200, "the session was cut {cut} times");
            break;
        }
    }
}

#[test]
fn a_cut_at_every_byte_to_the_server_loses_and_doubles_nothing() {
    for cut in 0.. {
        let (server, mut bench, was_cut) = run_cut_after(usize::MAX, cut);
        check_whole(&server, &mut bench, &format!("cut after {cut} bytes"));
        if !was_cut {
            assert!(cut > 80, "the session was cut {cut} times");
            break;
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Say(usize),
    Allow(u64, u64),
    Answer(usize),
    Cut,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_usize..200).prop_map(Step::Say),
        3 => (0_u64..4, 0_u64..300).prop_map(|(posts, bytes)| Step::Allow(posts, bytes)),
        3 => any::<prop::sample::Index>().prop_map(|index| Step::Answer(index.index(1_000))),
        1 => Just(Step::Cut),
    ]
}

proptest! {
    #[test]
    fn credit_is_never_exceeded_and_order_never_changed(steps in prop::collection::vec(step(), 1..80)) {
        let mut bench = Bench::in_lobby(0);
        let (mut allowed, mut used, mut seq) = ((0, 0), (0, 0), 0);
        let mut unanswered: Vec<(u32, Nonce)> = Vec::new();
        let mut order: Vec<Nonce> = Vec::new();
        for step in steps {
            match step {
                Step::Say(length) => {
                    let text = "x".repeat(length);
                    let nonce = Nonce::new(order.len() as u64);
                    if bench.client.post(LOBBY, EventKind::Posted, &text, Some(nonce), bench.now).is_ok() {
                        order.push(nonce);
                    }
                    bench.drain();
                }
                Step::Allow(posts, bytes) => {
                    allowed = (allowed.0 + posts, allowed.1 + bytes);
                    bench.receive(Credit { posts: allowed.0, bytes: allowed.1 });
                }
                Step::Answer(_) if unanswered.is_empty() => {}
                Step::Answer(index) => {
                    let (id, _) = unanswered.remove(index % unanswered.len());
                    seq += 1;
                    bench.receive(posted(id, seq));
                }
                Step::Cut => {
                    bench.disconnect();
                    bench.reconnect_into(vec![lobby(0)]);
                    unanswered.clear();
                    (allowed, used) = ((0, 0), (0, 0));
                }
            }
            let frames = std::mem::take(&mut bench.frames);
            for sent in &frames {
                if let ToServer::Post(post) = sent.message() {
                    used = (used.0 + 1, used.1 + post.text.len() as u64);
                    prop_assert!(used.0 <= allowed.0 && used.1 <= allowed.1, "{used:?} of {allowed:?}");
                    prop_assert!(unanswered.last().is_none_or(|(_, last)| *last < post.nonce), "overtaken");
                    unanswered.push((post.id, post.nonce));
                }
            }
            let next = bench.client.outbox().find(|post| post.state == OutboxState::Waiting);
            let fits = next.is_some_and(|next| used.0 < allowed.0 && used.1 + next.text.len() as u64 <= allowed.1);
            prop_assert!(!fits, "held back: {used:?} of {allowed:?}");
        }
    }
}
