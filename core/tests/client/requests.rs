//! Requests and their answers (`PROTOCOL.md` K1, R8, H).

use std::time::Duration;

use palabre_core::{
    client::{ClientEvent, RequestId},
    error::{Misuse, ProtocolError, RefusalCode},
    ids::{Position, RoomId, Seq, UserId},
    time::WallTime,
    transfer::{BlobHash, Version},
    wire::*,
};

use crate::bench::*;

fn member(user: u64, state: u8) -> Member<'static> {
    Member { user: UserId::new(user), nick: "bo", state, role: role::GUEST }
}

#[test]
fn pages_of_members_become_one_list() {
    let mut bench = Bench::in_lobby(0);
    let request = bench.client.members(LOBBY, bench.now).expect("in it");
    bench.drain();
    let id = bench.asked();
    let next = Some(UserId::new(2));
    bench.receive(MembersPage { id, room: LOBBY, members: vec![member(1, 1), member(2, 77)], next });
    assert!(bench.events().is_empty());
    let sent = bench.next_frame();
    let ToServer::Members(asked) = sent.message() else { panic!("{sent:?}") };
    assert_eq!(asked.after, next);
    bench.receive(MembersPage { id: asked.id, room: LOBBY, members: vec![member(3, 3)], next: None });
    let ClientEvent::Members { request: told, members, .. } = bench.next_event() else {
        panic!("no members")
    };
    assert_eq!(told, request);
    let states: Vec<_> = members.iter().map(|member| (member.user.get(), member.state)).collect();
    assert_eq!(states, [(1, 1), (2, 1), (3, 3)], "an unknown state counts as here");
}

#[test]
fn pages_that_do_not_go_on_are_a_breach() {
    let mut bench = Bench::in_lobby(0);
    bench.client.rooms(bench.now).expect("running");
    bench.drain();
    for next in [5, 5] {
        let id = bench.asked();
        bench.receive(RoomsPage { id, rooms: vec![], next: Some(RoomId::new(next)) });
    }
    assert_eq!(bench.accusation(), Some(ProtocolError::SequenceBroken.number()));
}

#[test]
fn a_list_without_end_ends_after_a_hundred_thousand() {
    let mut bench = Bench::in_lobby(0);
    bench.client.members(LOBBY, bench.now).expect("in it");
    bench.drain();
    let mut page = 0;
    while bench.outputs.is_empty() {
        page += 1;
        let id = bench.asked();
        let members = (0..5_000).map(|user| member(page * 5_000 + user, 1)).collect();
        bench.receive(MembersPage {
            id,
            room: LOBBY,
            members,
            next: Some(UserId::new(page * 5_000 + 5_000)),
        });
    }
    assert_eq!(page, 20);
}

#[test]
fn a_page_of_history_has_no_holes() {
    let page = |id, seqs: &[u64]| {
        let events = seqs.iter().map(|seq| event(LOBBY, *seq, "x").event).collect();
        bytes_of(HistoryPage { id, room: LOBBY, first: Seq::new(1), events })
    };
    for (seqs, fine) in [(vec![3, 4], true), (vec![], true), (vec![2, 4], false), (vec![4, 5], false)] {
        let mut bench = Bench::in_lobby(9);
        bench.client.history(LOBBY, Some(Seq::new(5)), 0, bench.now).expect("in it");
        bench.drain();
        let id = bench.asked();
        bench.receive_bytes(&page(id, &seqs));
        let expected = (!fine).then_some(ProtocolError::SequenceBroken.number());
        assert_eq!(bench.accusation(), expected, "{seqs:?}");
    }
}

fn hit(seq: u64, text: &'static str) -> Hit<'static> {
    Hit { room: LOBBY, event: event(LOBBY, seq, text).event }
}

fn file(name: &'static str) -> File<'static> {
    File {
        name,
        version: Version::new(1),
        size: 5,
        hash: BlobHash([3; 32]),
        executable: false,
        by: UserId::new(2),
        nick: "bo",
        at: WallTime::from_millis(1),
    }
}

#[test]
fn pages_of_files_become_one_list() {
    let mut bench = Bench::in_lobby(0);
    let request = bench.client.files(Some(LOBBY), bench.now).expect("running");
    bench.drain();
    let id = bench.asked();
    bench.receive(FilesPage {
        id,
        room: LOBBY,
        files: vec![file("a.txt"), file("b.txt")],
        next: Some("b.txt"),
    });
    assert!(bench.events().is_empty());
    let sent = bench.next_frame();
    let ToServer::Files(asked) = sent.message() else { panic!("{sent:?}") };
    assert_eq!(asked.after, Some("b.txt"));
    bench.receive(FilesPage { id: asked.id, room: LOBBY, files: vec![file("c.txt")], next: None });
    let ClientEvent::Files { request: told, files } = bench.next_event() else { panic!("no files") };
    assert_eq!(told, request);
    let names: Vec<_> = files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(names, ["a.txt", "b.txt", "c.txt"]);
}

#[test]
fn pages_of_rights_become_one_list() {
    let standing = |user, name| Standing {
        user: UserId::new(user),
        name,
        role: role::OWNER,
        invited: false,
        banned: false,
        banned_until: None,
        muted: false,
        muted_until: None,
    };
    let page = |id, standings, next| RightsPage {
        id,
        room: LOBBY,
        mode: 1,
        slow_seconds: 0,
        role: role::OWNER,
        standings,
        next,
    };
    let mut bench = Bench::in_lobby(0);
    let request = bench.client.rights(LOBBY, bench.now).expect("in it");
    bench.drain();
    let id = bench.asked();
    bench.receive(page(id, vec![standing(1, "ana")], Some(UserId::new(1))));
    let sent = bench.next_frame();
    let ToServer::Rights(asked) = sent.message() else { panic!("{sent:?}") };
    assert_eq!(asked.after, Some(UserId::new(1)));
    bench.receive(page(asked.id, vec![standing(2, "bo")], None));
    let ClientEvent::Rights { request: told, standings, .. } = bench.next_event() else {
        panic!("no rights")
    };
    assert_eq!(told, request);
    let names: Vec<_> = standings.iter().map(|standing| &*standing.name).collect();
    assert_eq!(names, ["ana", "bo"]);
}

#[test]
fn a_search_goes_on_until_there_is_as_much_as_was_wanted() {
    let mut bench = Bench::in_lobby(9);
    let request = bench.client.search("tea*", Some(LOBBY), None, 3, bench.now).expect("a word");
    bench.drain();
    let sent = bench.next_frame();
    let ToServer::Search(asked) = sent.message() else { panic!("{sent:?}") };
    assert_eq!((asked.text, asked.room, asked.before, asked.limit), ("tea*", Some(LOBBY), None, 3));
    let next = Some(Position::new(100));
    bench.receive(SearchPage { id: asked.id, hits: vec![hit(8, "tea"), hit(6, "teas")], next });
    assert!(bench.events().is_empty());
    let sent = bench.next_frame();
    let ToServer::Search(asked) = sent.message() else { panic!("{sent:?}") };
    assert_eq!((asked.before, asked.limit), (next, 1));
    let next = Some(Position::new(50));
    bench.receive(SearchPage { id: asked.id, hits: vec![hit(5, "teatime")], next });
    let ClientEvent::Found { request: told, hits, next: left } = bench.next_event() else {
        panic!("nothing")
    };
    let seqs: Vec<_> = hits.iter().map(|hit| hit.event.seq.get()).collect();
    assert_eq!((told, seqs, left), (request, vec![8, 6, 5], next));
}

#[test]
fn a_search_goes_on_over_pages_without_hits_and_ends_in_time() {
    let mut bench = Bench::in_lobby(9);
    bench.client.search("tea", None, None, 0, bench.now).expect("a word");
    bench.drain();
    let mut pages = 0;
    while bench.outputs.is_empty() {
        let id = bench.asked();
        pages += 1;
        bench.receive(SearchPage { id, hits: vec![], next: Some(Position::new(1_000 - pages)) });
    }
    assert_eq!(pages, 64);
    assert!(matches!(bench.next_event(), ClientEvent::Found { next: Some(_), .. }));
}

#[test]
fn pages_of_a_search_that_are_not_what_was_asked_for_are_a_breach() {
    let elsewhere = Hit { room: RoomId::new(99), ..hit(1, "tea") };
    let pages = [
        (vec![hit(3, "tea"), hit(2, "tea"), hit(1, "tea")], None),
        (vec![elsewhere], None),
        (vec![], Some(Position::new(7))),
    ];
    for (hits, next) in pages {
        let mut bench = Bench::in_lobby(9);
        let before = Some(Position::new(7));
        bench.client.search("tea", Some(LOBBY), before, 2, bench.now).expect("a word");
        bench.drain();
        let id = bench.asked();
        bench.receive(SearchPage { id, hits, next });
        assert_eq!(bench.accusation(), Some(ProtocolError::SequenceBroken.number()));
    }
}

#[test]
fn a_search_without_a_word_is_not_even_sent() {
    let mut bench = Bench::in_lobby(9);
    let Err(Misuse::Text(refusal)) = bench.client.search("-", None, None, 0, bench.now) else {
        panic!("taken")
    };
    assert_eq!(refusal.code, RefusalCode::QueryEmpty);
    let elsewhere = Some(RoomId::new(99));
    assert_eq!(bench.client.search("tea", elsewhere, None, 0, bench.now), Err(Misuse::NotInRoom));
}

#[test]
fn the_limit_of_unanswered_requests_is_kept() {
    let mut bench = Bench::connected(config());
    bench.receive(Welcome { limits: Limits { requests: 3, ..LIMITS }, ..welcome() });
    bench.next_frame();
    bench.receive(ready_in(vec![]));
    for _ in 0..10 {
        bench.client.manual(bench.now).expect("running");
    }
    bench.drain();
    for answered in 0..10 {
        assert_eq!(bench.frames.len(), 3.min(10 - answered), "after {answered}");
        let id = bench.asked();
        bench.receive(ManualText { id, text: "" });
    }
    let told = bench.events().into_iter().filter(|event| matches!(event, ClientEvent::Manual { .. })).count();
    assert_eq!(told, 10);
}

#[test]
fn too_many_waiting_requests_are_refused_with_a_sentence() {
    let mut bench = Bench::new(config());
    for _ in 0..1_024 {
        bench.client.away(true, bench.now).expect("there is room");
    }
    let Err(Misuse::Text(refusal)) = bench.client.away(true, bench.now) else { panic!("taken") };
    assert_eq!(refusal.code, RefusalCode::SlowDown);
    assert!(refusal.text.contains("1024"));
}

#[test]
fn a_cut_interrupts_what_was_sent_repeats_joins_and_keeps_what_waits() {
    let mut bench = Bench::connected(config());
    bench.receive(Welcome { limits: Limits { requests: 4, ..LIMITS }, ..welcome() });
    bench.next_frame();
    bench.receive(ready_in(vec![]));
    let now = bench.now;
    let manual = bench.client.manual(now).expect("running");
    let join = bench.client.join(&room_name("#lobby"), None, now).expect("running");
    let direct = bench.client.direct(&nick("bo"), now).expect("running");
    let ping = bench.client.ping(now).expect("running");
    let rooms = bench.client.rooms(now).expect("running");
    bench.drain();
    bench.outputs.clear();
    bench.frames.clear();
    bench.disconnect();
    let interrupted: Vec<_> = bench.events().into_iter().skip(1).collect();
    let event = |request: RequestId| ClientEvent::Interrupted { request };
    assert_eq!(interrupted, [event(manual), event(ping)]);
    bench.reconnect_into(vec![]);
    let (join_id, direct_id, rooms_id) = (bench.asked(), bench.asked(), bench.asked());
    bench.receive(Joined { id: join_id, room: lobby(0), members: 1 });
    let refused = Refused { id: direct_id, code: 4, text: "nobody", about: "bo", suggestion: None };
    bench.receive(refused);
    bench.receive(RoomsPage { id: rooms_id, rooms: vec![], next: None });
    let events = bench.events();
    let answers = &events[events.len() - 3..];
    assert!(matches!(&answers[0], ClientEvent::Joined { request, .. } if *request == Some(join)));
    assert!(matches!(&answers[1], ClientEvent::Refused { request, .. } if *request == direct));
    assert!(matches!(&answers[2], ClientEvent::Rooms { request, .. } if *request == rooms));
}

#[test]
fn the_end_interrupts_everything() {
    let mut bench = Bench::new(config());
    let request = bench.client.rooms(bench.now).expect("running");
    bench.client.leave(false, bench.now);
    bench.drain();
    let events = bench.events();
    assert_eq!(events[0], ClientEvent::Interrupted { request });
    assert!(matches!(events[1], ClientEvent::Ended { .. }));
}

#[test]
fn a_ping_tells_the_way_there_and_back() {
    let mut bench = Bench::in_lobby(0);
    let request = bench.client.ping(bench.now).expect("running");
    bench.drain();
    let sent = bench.next_frame();
    let ToServer::Ping(ping) = sent.message() else { panic!("{sent:?}") };
    bench.receive(Pong { token: ping.token ^ 1 });
    assert!(bench.events().is_empty(), "a pong to nothing is ignored");
    bench.pass(Duration::from_millis(35));
    bench.receive(Pong { token: ping.token });
    assert_eq!(bench.next_event(), ClientEvent::Pong { request, round_trip: Duration::from_millis(35) });
}

#[test]
fn a_new_name_is_kept_for_later() {
    let mut bench = Bench::in_lobby(0);
    let request = bench.client.rename(&nick("bea"), bench.now).expect("running");
    bench.drain();
    let id = bench.asked();
    bench.receive(Done { id });
    assert_eq!(bench.next_event(), ClientEvent::Renamed { request, nick: nick("bea") });
    assert_eq!(bench.client.nick(), &nick("bea"));
    assert_eq!(bench.saved.expect("saved").nick, nick("bea"));
}

#[test]
fn an_answer_of_the_wrong_kind_is_a_breach() {
    let answers: [fn(u32) -> Vec<u8>; 6] = [
        |id| bytes_of(SearchPage { id, hits: vec![], next: None }),
        |id| bytes_of(Done { id }),
        |id| bytes_of(Joined { id, room: lobby(0), members: 1 }),
        |id| bytes_of(MembersPage { id, room: LOBBY, members: vec![], next: None }),
        |id| bytes_of(RoomsPage { id, rooms: vec![], next: None }),
        |id| bytes_of(HistoryPage { id, room: LOBBY, first: Seq::new(1), events: vec![] }),
    ];
    for answer in answers {
        let mut bench = Bench::in_lobby(0);
        bench.client.manual(bench.now).expect("running");
        bench.drain();
        let id = bench.asked();
        bench.receive_bytes(&answer(id));
        assert_eq!(bench.accusation(), Some(ProtocolError::SequenceBroken.number()));
    }
}

#[test]
fn a_refusal_with_a_code_of_the_future_is_still_a_refusal() {
    let mut bench = Bench::in_lobby(0);
    let request = bench.client.manual(bench.now).expect("running");
    bench.drain();
    let id = bench.asked();
    bench.receive(Refused { id, code: 999, text: "not today", about: "", suggestion: None });
    assert!(matches!(bench.next_event(), ClientEvent::Refused { request: told, refusal }
        if told == request && refusal.text == "not today"));
}
