//! Rooms and the order of their events (`PROTOCOL.md` C).

use palabre_core::{
    client::{ClientConfig, ClientEvent},
    error::{Misuse, ProtocolError, RefusalCode},
    ids::{Incarnation, RoomId, Seq, UserId},
    storage::EventKind,
    wire::*,
};

use crate::{bench::*, entering::saved_config};

const BROKEN: Option<u16> = Some(ProtocolError::SequenceBroken as u16);

/// The numbers told, in order.
fn told(bench: &mut Bench) -> Vec<u64> {
    let events = bench.events().into_iter();
    events
        .filter_map(|event| match event {
            ClientEvent::Happened(happening) => Some(happening.event.seq.get()),
            _ => None,
        })
        .collect()
}

fn followed(bench: &mut Bench) -> (u32, RoomId, Option<u64>) {
    let sent = bench.next_frame();
    match sent.message() {
        ToServer::Follow(follow) => (follow.id, follow.room, follow.after.map(Seq::get)),
        _ => panic!("not a follow: {sent:?}"),
    }
}

fn joined_by_name(bench: &mut Bench) -> (u32, String, Option<u64>) {
    let sent = bench.next_frame();
    match sent.message() {
        ToServer::Join(join) => (join.id, join.name.into(), join.after.map(Seq::get)),
        _ => panic!("not a join: {sent:?}"),
    }
}

#[test]
fn events_are_told_in_order_from_the_joining_on() {
    let mut bench = Bench::in_lobby(3);
    bench.receive(event(LOBBY, 4, "a"));
    bench.receive(event(LOBBY, 5, "b"));
    assert_eq!(told(&mut bench), [4, 5]);
    assert_eq!(bench.client.joined().next().expect("the lobby").last, Seq::new(5));
}

#[test]
fn any_other_number_than_the_next_is_a_breach() {
    for seq in [0, 1, 3, 5, u64::MAX] {
        let mut bench = Bench::in_lobby(3);
        bench.receive(event(LOBBY, seq, "?"));
        assert_eq!(bench.accusation(), BROKEN, "{seq}");
        assert!(told(&mut bench).is_empty());
    }
    let mut bench = Bench::in_lobby(3);
    bench.receive(event(RoomId::new(2), 1, "?"));
    assert_eq!(bench.accusation(), BROKEN);
}

#[test]
fn an_event_of_a_later_kind_is_counted_but_not_told() {
    let mut bench = Bench::in_lobby(3);
    let mut unknown = event(LOBBY, 4, "a");
    unknown.event.kind = 77;
    bench.receive(unknown);
    bench.receive(event(LOBBY, 5, "b"));
    assert_eq!(told(&mut bench), [5]);
}

#[test]
fn a_topic_is_known_from_its_event() {
    let mut bench = Bench::in_lobby(0);
    let mut topic = event(LOBBY, 1, "cats");
    topic.event.kind = EventKind::Topic.number();
    bench.receive(topic);
    assert_eq!(&*bench.client.joined().next().expect("the lobby").topic, "cats");
}

#[test]
fn trimmed_moves_what_is_expected() {
    let mut bench = Bench::in_lobby(3);
    bench.receive(Trimmed { room: LOBBY, first: Seq::new(8) });
    bench.receive(event(LOBBY, 8, "a"));
    let events = bench.events();
    assert_eq!(events[0], ClientEvent::Trimmed { room: LOBBY, first: Seq::new(8) });
    assert!(matches!(&events[1], ClientEvent::Happened(happening) if happening.event.seq == Seq::new(8)));
    bench.receive(Trimmed { room: LOBBY, first: Seq::new(8) });
    assert_eq!(bench.accusation(), BROKEN, "it never goes back");
}

#[test]
fn after_a_cut_rooms_are_followed_from_the_last_number_seen() {
    let mut bench = Bench::in_lobby(3);
    bench.receive(event(LOBBY, 4, "a"));
    bench.disconnect();
    bench.reconnect_into(vec![lobby(9)]);
    bench.outputs.clear();
    let (id, room, after) = followed(&mut bench);
    assert_eq!((room, after), (LOBBY, Some(4)));
    bench.receive(Joined { id, room: lobby(9), members: 1 });
    assert!(matches!(bench.next_event(), ClientEvent::Joined { request: None, .. }));
    for seq in 5..=10 {
        bench.receive(event(LOBBY, seq, "b"));
    }
    assert_eq!(told(&mut bench), [5, 6, 7, 8, 9, 10]);
}

#[test]
fn no_event_may_come_before_the_room_is_followed_again() {
    let mut bench = Bench::in_lobby(3);
    bench.disconnect();
    bench.reconnect_into(vec![lobby(4)]);
    bench.receive(event(LOBBY, 4, "a"));
    assert_eq!(bench.accusation(), BROKEN);
}

#[test]
fn a_room_that_is_not_listed_any_more_is_told_and_forgotten() {
    let mut bench = Bench::in_lobby(3);
    bench.disconnect();
    bench.reconnect_into(vec![]);
    let events = bench.events();
    assert!(matches!(events.last(), Some(ClientEvent::Unfollowed { room, refusal })
        if *room == LOBBY && refusal.about == "#lobby"));
    assert_eq!(bench.client.joined().count(), 0);
    assert_eq!(bench.client.part(LOBBY, bench.now), Err(Misuse::NotInRoom));
}

#[test]
fn a_room_that_may_not_be_followed_any_more_is_told_and_forgotten() {
    let mut bench = Bench::in_lobby(3);
    bench.disconnect();
    bench.reconnect_into(vec![lobby(3)]);
    let (id, ..) = followed(&mut bench);
    let code = RefusalCode::NotAMember.number();
    bench.receive(Refused { id, code, text: "out", about: "#lobby", suggestion: None });
    assert!(matches!(bench.events().last(), Some(ClientEvent::Unfollowed { room, .. }) if *room == LOBBY));
}

/// A client whose guest has expired, asked to join the lobby again.
fn expired(config: ClientConfig) -> Bench {
    let mut bench = Bench::connected(config);
    bench.receive(welcome());
    let id = bench.asked();
    let code = RefusalCode::TokenUnknown.number();
    bench.receive(Refused { id, code, text: "expired", about: "", suggestion: None });
    bench.next_frame();
    bench.receive(Ready { user: UserId::new(50), ..ready_in(vec![]) });
    bench.outputs.clear();
    bench
}

#[test]
fn a_new_guest_joins_the_same_rooms_again_and_misses_nothing() {
    let mut bench = expired(saved_config());
    let (id, name, after) = joined_by_name(&mut bench);
    assert_eq!((name.as_str(), after), ("#lobby", Some(3)));
    bench.receive(Joined { id, room: lobby(5), members: 1 });
    bench.receive(event(LOBBY, 4, "a"));
    assert_eq!(told(&mut bench), [4]);
}

#[test]
fn a_room_of_the_same_name_that_is_another_is_read_from_its_first_event() {
    let mut bench = expired(saved_config());
    let (id, ..) = joined_by_name(&mut bench);
    let other = RoomId::new(8);
    bench.receive(Joined { id, room: named(other, "#lobby", 5), members: 1 });
    let (id, room, after) = followed(&mut bench);
    assert_eq!((room, after), (other, Some(0)));
    bench.receive(event(other, 4, "of the first cursor"));
    bench.receive(event(other, 5, "of the first cursor"));
    assert!(told(&mut bench).is_empty());
    bench.receive(Joined { id, room: named(other, "#lobby", 5), members: 1 });
    for seq in 1..=5 {
        bench.receive(event(other, seq, "of the second"));
    }
    assert_eq!(told(&mut bench), [1, 2, 3, 4, 5]);
}

#[test]
fn a_room_a_new_guest_is_not_let_into_is_told() {
    let mut bench = expired(saved_config());
    let (id, ..) = joined_by_name(&mut bench);
    let code = RefusalCode::RoomLimit.number();
    bench.receive(Refused { id, code, text: "full", about: "", suggestion: None });
    assert!(matches!(bench.next_event(), ClientEvent::Unfollowed { room, refusal }
        if room == LOBBY && refusal.about == "#lobby" && refusal.code == RefusalCode::RoomLimit));
}

#[test]
fn on_another_database_rooms_are_joined_by_name_from_the_first_event() {
    let mut bench = Bench::connected(saved_config());
    bench.receive(Welcome { incarnation: Incarnation::new(6), ..welcome() });
    bench.next_frame();
    bench.receive(ready_in(vec![]));
    let (id, name, after) = joined_by_name(&mut bench);
    assert_eq!((name.as_str(), after), ("#lobby", Some(0)));
    bench.receive(Joined { id, room: lobby(2), members: 1 });
    bench.receive(event(LOBBY, 1, "a"));
    assert_eq!(told(&mut bench), [1]);
}

#[test]
fn a_rejoin_cut_off_is_taken_up_where_it_was() {
    let mut bench = expired(saved_config());
    bench.frames.clear();
    bench.disconnect();
    bench.reconnect();
    bench.receive(welcome());
    bench.next_frame();
    bench.receive(Ready { user: UserId::new(50), ..ready_in(vec![lobby(5)]) });
    let (_, room, after) = followed(&mut bench);
    assert_eq!((room, after), (LOBBY, Some(3)));
    assert!(bench.frames.is_empty(), "there is nothing left to join");
}

#[test]
fn a_conversation_opened_by_another_is_followed_from_its_first_event() {
    let mut bench = Bench::in_lobby(0);
    bench.receive(Opened { room: direct(4, "bo", 1) });
    let (id, room, after) = followed(&mut bench);
    assert_eq!((room, after), (RoomId::new(4), Some(0)));
    bench.receive(Joined { id, room: direct(4, "bo", 1), members: 2 });
    bench.receive(event(RoomId::new(4), 1, "psst"));
    assert!(matches!(bench.next_event(), ClientEvent::Opened { room } if room.id == RoomId::new(4)));
    assert_eq!(told(&mut bench), [1]);
}

#[test]
fn a_conversation_opened_while_away_is_found_on_return() {
    let mut bench = Bench::in_lobby(0);
    bench.disconnect();
    bench.reconnect_into(vec![lobby(0), direct(4, "bo", 2)]);
    assert!(matches!(bench.events().last(), Some(ClientEvent::Opened { room }) if room.id == RoomId::new(4)));
    followed(&mut bench);
    let (_, room, after) = followed(&mut bench);
    assert_eq!((room, after), (RoomId::new(4), Some(0)));
}

#[test]
fn a_conversation_opened_from_both_ends_at_once_tells_nothing_twice() {
    let mut bench = Bench::in_lobby(0);
    let room = RoomId::new(4);
    bench.client.direct(&nick("bo"), bench.now).expect("running");
    bench.drain();
    let direct_id = bench.asked();
    bench.receive(Opened { room: direct(4, "bo", 0) });
    let (follow_id, ..) = followed(&mut bench);
    bench.receive(Joined { id: direct_id, room: direct(4, "bo", 0), members: 2 });
    bench.receive(event(room, 1, "a"));
    bench.receive(Joined { id: follow_id, room: direct(4, "bo", 1), members: 2 });
    bench.receive(event(room, 1, "a"));
    bench.receive(event(room, 2, "b"));
    assert_eq!(bench.accusation(), None);
    assert_eq!(told(&mut bench), [1, 2]);
}

#[test]
fn joining_a_followed_room_again_leaves_no_hole() {
    let mut bench = Bench::in_lobby(3);
    bench.client.join(&room_name("#Lobby"), None, bench.now).expect("running");
    bench.drain();
    let (id, ..) = joined_by_name(&mut bench);
    bench.receive(Joined { id, room: lobby(6), members: 1 });
    let (id, room, after) = followed(&mut bench);
    assert_eq!((room, after), (LOBBY, Some(3)));
    bench.receive(event(LOBBY, 7, "d"));
    bench.receive(Joined { id, room: lobby(7), members: 1 });
    for seq in 4..=7 {
        bench.receive(event(LOBBY, seq, "x"));
    }
    assert_eq!(told(&mut bench), [4, 5, 6, 7]);
}

#[test]
fn joining_after_a_number_tells_everything_after_it_again() {
    let mut bench = Bench::in_lobby(3);
    bench.client.join(&room_name("#lobby"), Some(Seq::new(1)), bench.now).expect("running");
    bench.drain();
    let (id, ..) = joined_by_name(&mut bench);
    bench.receive(Joined { id, room: lobby(3), members: 1 });
    bench.receive(event(LOBBY, 2, "b"));
    assert_eq!(told(&mut bench), [2]);
}

#[test]
fn a_parted_room_is_gone_when_the_server_says_so() {
    let mut bench = Bench::in_lobby(3);
    let request = bench.client.part(LOBBY, bench.now).expect("in it");
    bench.drain();
    bench.receive(event(LOBBY, 4, "still"));
    let id = bench.asked();
    bench.receive(Done { id });
    bench.receive(Presence { room: LOBBY, members: 1, stale: false, changes: vec![] });
    let events = bench.events();
    assert_eq!(events.last(), Some(&ClientEvent::Parted { request, room: LOBBY }));
    bench.receive(event(LOBBY, 5, "no more"));
    assert_eq!(bench.accusation(), BROKEN);
}

#[test]
fn a_room_that_could_not_be_left_is_followed_on_from_where_it_was_read() {
    let mut bench = Bench::in_lobby(3);
    bench.client.join(&room_name("#lobby"), None, bench.now).expect("running");
    let request = bench.client.part(LOBBY, bench.now).expect("in it");
    bench.drain();
    let (join, ..) = joined_by_name(&mut bench);
    let part = bench.asked();
    bench.receive(Joined { id: join, room: lobby(6), members: 1 });
    let (follow, ..) = followed(&mut bench);
    bench.events();
    let refused = |id, code: RefusalCode| {
        let (code, text, about) = (code.number(), "", "");
        Refused { id, code, text, about, suggestion: None }
    };
    bench.receive(refused(follow, RefusalCode::NotAMember));
    assert!(bench.events().is_empty(), "whether it is a member is not decided");
    bench.receive(refused(part, RefusalCode::StorageFailed));
    let events = bench.events();
    assert!(
        matches!(events[..], [ClientEvent::Refused { request: told, .. }] if told == request),
        "{events:?}"
    );
    let (id, room, after) = followed(&mut bench);
    assert_eq!((room, after), (LOBBY, Some(3)));
    bench.receive(event(LOBBY, 7, "from the cursor as it was before"));
    bench.receive(Joined { id, room: lobby(7), members: 1 });
    for seq in 4..=8 {
        bench.receive(event(LOBBY, seq, "x"));
    }
    assert_eq!(told(&mut bench), [4, 5, 6, 7, 8]);
}

#[test]
fn rooms_with_impossible_names_are_not_believed() {
    let nameless = Room { name: "", ..lobby(0) };
    let both = Room { name: "#a", ..direct(4, "bo", 0) };
    for room in [named(LOBBY, "lobby", 0), named(LOBBY, "#a\u{1b}[2J", 0), nameless, both] {
        let mut bench = Bench::connected(config());
        bench.receive(welcome());
        bench.receive(ready_in(vec![room]));
        assert_eq!(bench.accusation(), Some(ProtocolError::MalformedBody.number()));
    }
}

#[test]
fn more_rooms_than_anybody_has_are_not_believed() {
    for (count, fine) in [(512, true), (513, false)] {
        let mut bench = Bench::connected(config());
        bench.receive(welcome());
        let rooms = (0..count).map(|id| direct(id, "bo", 0)).collect();
        bench.receive(ready_in(rooms));
        assert_eq!(bench.accusation().is_none(), fine);
    }
    let mut bench = Bench::in_lobby(0);
    for id in 2..=600 {
        bench.receive(Opened { room: direct(id, "bo", 0) });
    }
    assert_eq!(bench.accusation(), Some(ProtocolError::MalformedBody.number()));
}

#[test]
fn presence_is_told_without_states_of_the_future_and_renames_the_partner() {
    let mut bench = Bench::in_lobby(0);
    bench.receive(Opened { room: direct(4, "bo", 0) });
    bench.outputs.clear();
    let change = |state, was| Change { user: UserId::new(22), nick: "bob", state, was, role: role::GUEST };
    let changes = vec![change(99, None), change(1, Some("bo"))];
    bench.receive(Presence { room: RoomId::new(4), members: 2, stale: true, changes });
    let ClientEvent::Presence { changes, stale: true, .. } = bench.next_event() else {
        panic!("no presence")
    };
    assert_eq!(changes.len(), 1);
    let room = bench.client.joined().find(|room| room.id == RoomId::new(4)).expect("open");
    assert_eq!(room.with.as_ref().map(|(_, nick)| &**nick), Some("bob"));
}
