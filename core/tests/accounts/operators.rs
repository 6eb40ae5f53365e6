//! Operating a server (`PROTOCOL.md` section O).

use palabre_core::{
    client::{ClientEvent, ModeChange},
    config::Registration,
    ids::{Nonce, RoomId, Seq, UserId},
    limits::Limits,
    rights::{Act, RightChange, Role, RoomChange},
    storage::{About, EventKind, NewEvent, RoomKey, StorageOperation, StorageOutcome},
    time::WallTime,
};

use crate::{
    conversation::delete,
    house::{House, entry},
    rights::{govern, post, say, set_mode, try_join},
};

/// A house whose account `ana` was made an operator on the server's machine; her client.
fn operated() -> (House, usize, RoomId) {
    operated_with(Limits::default())
}

fn operated_with(limits: Limits) -> (House, usize, RoomId) {
    let mut house = House::with(limits, Registration::Open, true);
    let ana = house.register("ana", "correct horse");
    let user = house.ends[ana].client.user().expect("it entered");
    let room = make_operator(&mut house, user);
    house.restart();
    house.pass(std::time::Duration::from_secs(2));
    assert!(house.ends[ana].client.is_ready());
    (house, ana, room)
}

fn make_operator(house: &mut House, user: UserId) -> RoomId {
    let key = RoomKey::Named("#operators".into());
    let opened = house.store.execute(StorageOperation::OpenRoom { key, owner: None });
    let Ok(StorageOutcome::RoomOpened(record)) = opened else { panic!("{opened:?}") };
    let event = NewEvent {
        author: user,
        nick: "ana".into(),
        nonce: Nonce::new(1),
        at: WallTime::from_millis(1),
        kind: EventKind::Owned,
        text: "".into(),
        about: Some(About { id: user.get(), name: "ana".into(), until: None }),
    };
    let change = Some(RoomChange::Right(user, RightChange::Role(Role::Owner)));
    house.store.execute(StorageOperation::Append { room: record.id, event, change }).expect("it can");
    house.store.execute(StorageOperation::SetMember { user, room: record.id, member: true }).expect("it can");
    record.id
}

#[test]
fn the_operators_room_is_made_by_nobody_else_and_private() {
    let mut house = House::new();
    let bob = house.register("bob", "correct horse");
    assert_eq!(try_join(&mut house, bob, "#operators"), Some("not-allowed"));
    let (mut house, _, _) = operated();
    let bob = house.register("bob", "correct horse");
    assert_eq!(try_join(&mut house, bob, "#operators"), Some("invite-only"));
}

#[test]
fn the_operators_room_cannot_be_opened_and_its_log_never_says_so() {
    let (mut house, ana, operators) = operated();
    let opened = ModeChange { private: Some(false), ..ModeChange::default() };
    assert_eq!(set_mode(&mut house, ana, operators, opened), Some("not-possible"));
    let quiet = ModeChange { private: Some(false), read_only: Some(true), ..ModeChange::default() };
    assert_eq!(set_mode(&mut house, ana, operators, quiet), None);
    let said: Vec<_> = house.store.log(operators).iter().map(|event| event.text.to_string()).collect();
    assert_eq!(said.last().map(String::as_str), Some("private read-only"));
}

#[test]
fn an_operator_governs_rooms_without_an_owner_and_above_owners() {
    let (mut house, ana, operators) = operated();
    let guest = house.client("gus", None, None);
    let tea = house.join(guest, "#tea");
    assert_eq!(try_join(&mut house, ana, "#tea"), None);
    assert_eq!(govern(&mut house, ana, tea, Act::Mute, "gus"), None);
    assert_eq!(say(&mut house, guest, tea, "hm"), Some("muted"));
    let bob = house.register("bob", "correct horse");
    let milk = house.join(bob, "#milk");
    assert_eq!(try_join(&mut house, ana, "#milk"), None);
    assert_eq!(govern(&mut house, bob, milk, Act::Kick, "ana"), Some("outranked"));
    assert_eq!(govern(&mut house, ana, milk, Act::Kick, "bob"), None);
    let noted: Vec<_> =
        house.store.log(operators).iter().skip(1).map(|event| event.text.to_string()).collect();
    assert_eq!(noted, ["#tea mute: because", "#milk kick: because"]);
}

#[test]
fn an_operator_waits_in_no_slow_room_and_sets_a_locked_topic() {
    let (mut house, ana, _) = operated();
    let bob = house.register("bob", "correct horse");
    let tea = house.join(bob, "#tea");
    let strict = ModeChange {
        topic_locked: Some(true),
        slow_seconds: Some(30),
        read_only: Some(true),
        ..ModeChange::default()
    };
    assert_eq!(set_mode(&mut house, bob, tea, strict), None);
    assert_eq!(try_join(&mut house, ana, "#tea"), None);
    assert_eq!(post(&mut house, ana, tea, EventKind::Topic, "mind the manners"), None);
    assert_eq!(say(&mut house, ana, tea, "one"), None);
    assert_eq!(say(&mut house, ana, tea, "two"), None);
}

#[test]
fn who_is_banned_from_the_server_is_cut_off_and_not_let_in() {
    let (mut house, ana, operators) = operated();
    let bob = house.register("bob", "correct horse");
    let lobby = house.join(bob, "#lobby");
    let gus = house.client("gus", None, None);
    house.join(gus, "#lobby");
    for name in ["bob", "gus"] {
        assert_eq!(govern(&mut house, ana, operators, Act::Ban, name), None);
    }
    for end in [bob, gus] {
        assert!(!house.ends[end].client.is_ready(), "{:?}", house.ends[end].events.last());
    }
    let again = house.client("bob", Some(entry(false, "correct horse")), None);
    assert_eq!(house.refused(again), Some("banned"));
    let wrong = house.client("bob", Some(entry(false, "wrong battery")), None);
    assert_eq!(house.refused(wrong), Some("login-failed"));
    let namesake = house.client("Gus", None, None);
    assert!(!house.ends[namesake].client.is_ready());
    assert_eq!(govern(&mut house, ana, operators, Act::Unban, "bob"), None);
    let again = house.client("bob", Some(entry(false, "correct horse")), None);
    assert!(house.ends[again].client.is_ready());
    assert_eq!(say(&mut house, again, lobby, "hello again"), None);
}

#[test]
fn who_waited_for_a_place_is_kept_out_by_what_was_decided_meanwhile() {
    let (mut house, ana, operators) = operated_with(Limits { clients_max: 2, ..Limits::default() });
    let carol = house.register("carol", "correct horse");
    house.ends[carol].client.leave(true, house.now);
    house.settle();
    let bob = house.register("bob", "correct horse");
    let account = |make| Some(entry(make, "correct horse"));
    let banned = house.client("carol", account(false), None);
    let guest = house.client("gus", None, None);
    let newcomer = house.client("fred", account(true), None);
    let bobs_other = house.client("bob", account(false), None);
    assert_eq!(govern(&mut house, ana, operators, Act::Ban, "carol"), None);
    let closed = ModeChange { closed: Some(true), ..ModeChange::default() };
    assert_eq!(set_mode(&mut house, ana, operators, closed), None);
    house.ends[bob].client.leave(true, house.now);
    house.settle();
    assert_eq!(house.refused(banned), Some("banned"));
    for end in [guest, newcomer] {
        let told = house.ends[end].events.last();
        assert!(format!("{told:?}").contains("Lockdown"), "it is told so, and tries again later: {told:?}");
    }
    assert!(house.ends[bobs_other].client.is_ready(), "who has been here before comes back");
}

#[test]
fn who_is_muted_on_the_server_posts_nowhere() {
    let (mut house, ana, operators) = operated();
    let bob = house.register("bob", "correct horse");
    let lobby = house.join(bob, "#lobby");
    assert_eq!(govern(&mut house, ana, operators, Act::Mute, "bob"), None);
    assert_eq!(say(&mut house, bob, lobby, "hm"), Some("muted"));
    let nick = crate::house::nick("ana");
    house.act(bob, |client, now| client.direct(&nick, now).expect("it may"));
    let direct = house.ends[bob].client.joined().find(|room| room.with.is_some()).expect("it was opened").id;
    assert_eq!(say(&mut house, bob, direct, "psst"), Some("muted"));
}

#[test]
fn lockdown_keeps_newcomers_out_and_everybody_quiet() {
    let (mut house, ana, operators) = operated();
    let bob = house.register("bob", "correct horse");
    let lobby = house.join(bob, "#lobby");
    house.join(ana, "#lobby");
    let closed = ModeChange { closed: Some(true), ..ModeChange::default() };
    assert_eq!(set_mode(&mut house, ana, operators, closed), None);
    let guest = house.client("gus", None, None);
    let account = house.client("carol", Some(entry(true, "correct horse")), None);
    for newcomer in [guest, account] {
        assert!(!house.ends[newcomer].client.is_ready());
    }
    let phone = house.client("bob", Some(entry(false, "correct horse")), None);
    assert!(house.ends[phone].client.is_ready());
    assert_eq!(say(&mut house, bob, lobby, "still here"), None);
    let quiet = ModeChange { read_only: Some(true), ..ModeChange::default() };
    assert_eq!(set_mode(&mut house, ana, operators, quiet), None);
    assert_eq!(say(&mut house, bob, lobby, "hm"), Some("lockdown"));
    assert_eq!(say(&mut house, ana, lobby, "calm down"), None);
    let told =
        |event: &ClientEvent| matches!(event, ClientEvent::Happened(one) if &*one.event.text == "calm down");
    assert!(house.ends[bob].events.iter().any(told));
}

/// N3, O2: above owners, and in no room of two.
#[test]
fn an_operator_deletes_what_owners_said_and_nobody_but_one_what_an_operator_said() {
    let (mut house, ana, _) = operated();
    let bob = house.register("bob", "correct horse");
    let milk = house.join(bob, "#milk");
    assert_eq!(try_join(&mut house, ana, "#milk"), None);
    say(&mut house, bob, milk, "mine");
    say(&mut house, ana, milk, "not yours");
    assert_eq!(delete(&mut house, bob, milk, Seq::new(2)), Err("outranked"));
    assert_eq!(delete(&mut house, ana, milk, Seq::new(1)), Ok(Seq::new(3)));
    let nick = crate::house::nick("ana");
    house.act(bob, |client, now| client.direct(&nick, now).expect("it may"));
    let direct = house.ends[bob].client.joined().find(|room| room.with.is_some()).expect("it was opened").id;
    say(&mut house, bob, direct, "psst");
    assert_eq!(delete(&mut house, ana, direct, Seq::new(1)), Err("not-yours"));
}
