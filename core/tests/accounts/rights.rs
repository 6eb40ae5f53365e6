//! Governing a room (`PROTOCOL.md` section G).

// A request that is not answered fails the test; what answers it is one or two of many events.
#![allow(clippy::unwrap_in_result, clippy::wildcard_enum_match_arm)]

use std::time::Duration;

use palabre_core::{
    client::{ClientEvent, Governance, ModeChange, StandingInfo},
    commands::{Command, Input, parse},
    config::Registration,
    ids::{Nonce, RoomId},
    limits::Limits,
    name::RoomName,
    rights::{Act, Role, RoomMode},
    storage::{EventKind, StorageFailure},
};

use crate::house::{House, nick};

/// The house, the owner of a room and the room.
fn owned() -> (House, usize, RoomId) {
    let mut house = House::new();
    let owner = house.register("ana", "correct horse");
    let room = house.join(owner, "#tea");
    (house, owner, room)
}

pub(crate) fn governance(room: RoomId, act: Act, name: &str, seconds: Option<u64>) -> Governance {
    Governance { room, act, name: nick(name), seconds, reason: "because".into() }
}

/// Does something to somebody; the code it is refused with.
pub(crate) fn govern(
    house: &mut House,
    end: usize,
    room: RoomId,
    act: Act,
    name: &str,
) -> Option<&'static str> {
    govern_for(house, end, room, act, name, None)
}

fn govern_for(
    house: &mut House,
    end: usize,
    room: RoomId,
    act: Act,
    name: &str,
    seconds: Option<u64>,
) -> Option<&'static str> {
    house.act(end, |client, now| client.govern(governance(room, act, name, seconds), now).expect("it may"));
    outcome(house, end)
}

pub(crate) fn set_mode(
    house: &mut House,
    end: usize,
    room: RoomId,
    change: ModeChange,
) -> Option<&'static str> {
    house.act(end, |client, now| client.set_mode(room, change, now).expect("it may"));
    outcome(house, end)
}

/// How the last request ended.
fn outcome(house: &House, end: usize) -> Option<&'static str> {
    house.ends[end]
        .events
        .iter()
        .rev()
        .find_map(|event| match event {
            ClientEvent::Governed { .. } => Some(None),
            ClientEvent::Refused { refusal, .. } => Some(Some(refusal.code.name())),
            _ => None,
        })
        .expect("it was answered")
}

/// Says something; the code it is refused with.
pub(crate) fn say(house: &mut House, end: usize, room: RoomId, text: &str) -> Option<&'static str> {
    post(house, end, room, EventKind::Posted, text)
}

pub(crate) fn post(
    house: &mut House,
    end: usize,
    room: RoomId,
    kind: EventKind,
    text: &str,
) -> Option<&'static str> {
    post_with(house, end, room, (kind, text), None)
}

fn post_with(
    house: &mut House,
    end: usize,
    room: RoomId,
    (kind, text): (EventKind, &str),
    nonce: Option<Nonce>,
) -> Option<&'static str> {
    house.ends[end].client.post(room, kind, text, nonce, house.now).expect("it may");
    house.settle();
    let answer = house.ends[end].events.iter().rev().find_map(|event| match event {
        ClientEvent::Posted { .. } => Some(None),
        ClientEvent::PostRefused { refusal, .. } => Some(Some(refusal.code.name())),
        _ => None,
    });
    answer.expect("it was answered")
}

/// Tries to join; the code it is refused with.
pub(crate) fn try_join(house: &mut House, end: usize, room: &str) -> Option<&'static str> {
    let name = RoomName::parse(room).expect("a name");
    house.act(end, |client, now| client.join(&name, None, now).expect("it may"));
    let answer = house.ends[end].events.iter().rev().find_map(|event| match event {
        ClientEvent::Joined { .. } => Some(None),
        ClientEvent::Refused { refusal, .. } => Some(Some(refusal.code.name())),
        _ => None,
    });
    answer.expect("it was answered")
}

fn rights(house: &mut House, end: usize, room: RoomId) -> (RoomMode, Vec<StandingInfo>) {
    house.act(end, |client, now| client.rights(room, now).expect("it may"));
    match house.ends[end].events.last() {
        Some(ClientEvent::Rights { mode, standings, .. }) => (*mode, standings.clone()),
        other => panic!("{other:?}"),
    }
}

fn was_removed(house: &House, end: usize) -> bool {
    house.ends[end].events.iter().any(|event| matches!(event, ClientEvent::Removed { .. }))
}

#[test]
fn the_account_that_makes_a_room_owns_it_and_a_guest_does_not() {
    let (mut house, owner, tea) = owned();
    assert_eq!(rights(&mut house, owner, tea).1[0].role, Role::Owner);
    let guest = house.client("bob", None, None);
    let milk = house.join(guest, "#milk");
    assert_eq!(rights(&mut house, guest, milk).1, []);
    assert_eq!(govern(&mut house, guest, milk, Act::Mute, "ana"), Some("role-needed"));
}

#[test]
fn who_is_kicked_hears_no_more_and_may_come_again() {
    let (mut house, owner, tea) = owned();
    let bob = house.client("bob", None, None);
    house.join(bob, "#tea");
    assert_eq!(govern(&mut house, owner, tea, Act::Kick, "bob"), None);
    assert!(was_removed(&house, bob));
    assert_eq!(house.ends[bob].client.joined().count(), 0);
    house.say(owner, tea, "alone at last");
    assert_eq!(house.heard(bob), Vec::<String>::new());
    assert_eq!(house.heard(owner), ["because", "alone at last"]);
    assert_eq!(try_join(&mut house, bob, "#tea"), None);
    house.say(owner, tea, "you again");
    assert_eq!(house.heard(bob), ["you again"]);
}

#[test]
fn a_right_is_taken_when_that_is_submitted() {
    let (mut house, owner, tea) = owned();
    let bob = house.register("bob", "correct horse");
    house.join(bob, "#tea");
    house.prompt = false;
    house.act(owner, |client, now| {
        client.govern(governance(tea, Act::Mute, "bob", None), now).expect("it may")
    });
    house.ends[bob].client.post(tea, EventKind::Posted, "too late", None, house.now).expect("it may");
    house.settle();
    house.prompt = true;
    house.settle();
    let texts: Vec<_> = house.store.log(tea).iter().map(|event| event.text.to_string()).collect();
    assert_eq!(texts, ["because"]);
    assert_eq!(say(&mut house, bob, tea, "still"), Some("muted"));
    assert_eq!(govern(&mut house, owner, tea, Act::Unmute, "bob"), None);
    assert_eq!(say(&mut house, bob, tea, "thanks"), None);
}

#[test]
fn a_kick_that_fails_leaves_everything_as_it_was() {
    let (mut house, owner, tea) = owned();
    let bob = house.client("bob", None, None);
    house.join(bob, "#tea");
    house.store.failing = Some(StorageFailure::NoSpace);
    assert_eq!(govern(&mut house, owner, tea, Act::Kick, "bob"), Some("no-space"));
    house.store.failing = None;
    assert!(!was_removed(&house, bob));
    house.say(owner, tea, "as before");
    assert_eq!(house.heard(bob), ["as before"]);
    assert_eq!(say(&mut house, bob, tea, "indeed"), None);
}

#[test]
fn what_was_said_before_a_kick_stands_before_it() {
    let (mut house, owner, tea) = owned();
    let bob = house.client("bob", None, None);
    house.join(bob, "#tea");
    house.prompt = false;
    house.ends[bob].client.post(tea, EventKind::Posted, "in time", None, house.now).expect("it may");
    house.settle();
    house.act(owner, |client, now| {
        client.govern(governance(tea, Act::Kick, "bob", None), now).expect("it may")
    });
    house.prompt = true;
    house.settle();
    let kinds: Vec<_> = house.store.log(tea).iter().map(|event| event.kind).collect();
    assert_eq!(kinds, [EventKind::Posted, EventKind::Kicked]);
    assert!(house.ends[bob].events.iter().any(|event| matches!(event, ClientEvent::Posted { .. })));
    // Its cursor was gone when the event was stored.
    assert_eq!(house.heard(bob), Vec::<String>::new());
}

#[test]
fn who_is_banned_is_kept_out_until_the_ban_ends() {
    let (mut house, owner, tea) = owned();
    let bob = house.register("bob", "correct horse");
    house.join(bob, "#tea");
    assert_eq!(govern_for(&mut house, owner, tea, Act::Ban, "bob", Some(60)), None);
    assert_eq!(try_join(&mut house, bob, "#tea"), Some("banned"));
    house.restart();
    house.pass(Duration::from_secs(40));
    assert_eq!(try_join(&mut house, bob, "#tea"), Some("banned"));
    house.pass(Duration::from_secs(30));
    assert_eq!(try_join(&mut house, bob, "#tea"), None);
    assert_eq!(govern(&mut house, owner, tea, Act::Unban, "bob"), Some("not-possible"));
}

#[test]
fn a_guest_is_banned_by_its_name_too() {
    let (mut house, owner, tea) = owned();
    let bob = house.client("bob", None, None);
    house.join(bob, "#tea");
    assert_eq!(govern(&mut house, owner, tea, Act::Ban, "bob"), None);
    house.ends[bob].client.leave(false, house.now);
    house.settle();
    let again = house.client("BOB", None, None);
    assert_eq!(try_join(&mut house, again, "#tea"), Some("banned"));
    let other = house.client("rob", None, None);
    assert_eq!(try_join(&mut house, other, "#tea"), None);
    assert_eq!(govern(&mut house, owner, tea, Act::Unban, "bob"), None);
    assert_eq!(try_join(&mut house, again, "#tea"), None);
}

#[test]
fn a_private_room_is_joined_by_invitation_and_shown_to_nobody_else() {
    let (mut house, owner, tea) = owned();
    let bob = house.register("bob", "correct horse");
    let private = ModeChange { private: Some(true), ..ModeChange::default() };
    assert_eq!(set_mode(&mut house, owner, tea, private), None);
    let sees = |house: &mut House| {
        house.act(bob, |client, now| client.rooms(now).expect("it may"));
        match house.ends[bob].events.last() {
            Some(ClientEvent::Rooms { rooms, .. }) => rooms.iter().any(|room| room.id == tea),
            other => panic!("{other:?}"),
        }
    };
    assert!(!sees(&mut house));
    assert_eq!(try_join(&mut house, bob, "#tea"), Some("invite-only"));
    assert_eq!(govern(&mut house, owner, tea, Act::Invite, "bob"), None);
    let invited =
        |event: &ClientEvent| matches!(event, ClientEvent::Invited { name, .. } if name.as_str() == "#tea");
    assert!(house.ends[bob].events.iter().any(invited));
    assert!(sees(&mut house));
    assert_eq!(try_join(&mut house, bob, "#tea"), None);
    // A kick takes the invitation, too.
    assert_eq!(govern(&mut house, owner, tea, Act::Kick, "bob"), None);
    assert_eq!(try_join(&mut house, bob, "#tea"), Some("invite-only"));
}

#[test]
fn modes_say_who_posts_and_how_often() {
    let (mut house, owner, tea) = owned();
    let bob = house.register("bob", "correct horse");
    house.join(bob, "#tea");
    let change = ModeChange { read_only: Some(true), ..ModeChange::default() };
    assert_eq!(set_mode(&mut house, bob, tea, change), Some("role-needed"));
    assert_eq!(set_mode(&mut house, owner, tea, change), None);
    assert_eq!(set_mode(&mut house, owner, tea, change), Some("not-possible"));
    assert_eq!(say(&mut house, bob, tea, "may I"), Some("read-only"));
    assert_eq!(say(&mut house, owner, tea, "news"), None);
    let change = ModeChange {
        read_only: Some(false),
        topic_locked: Some(true),
        slow_seconds: Some(30),
        ..ModeChange::default()
    };
    assert_eq!(set_mode(&mut house, owner, tea, change), None);
    assert_eq!(post(&mut house, bob, tea, EventKind::Topic, "mine"), Some("role-needed"));
    assert_eq!(say(&mut house, bob, tea, "one"), None);
    assert_eq!(say(&mut house, bob, tea, "two"), Some("slow-down"));
    assert_eq!(say(&mut house, owner, tea, "owners do not wait"), None);
    assert_eq!(say(&mut house, owner, tea, "at all"), None);
    house.pass(Duration::from_secs(30));
    assert_eq!(say(&mut house, bob, tea, "two"), None);
    house.restart();
    house.pass(Duration::from_secs(2));
    let (mode, _) = rights(&mut house, owner, tea);
    assert_eq!((mode.topic_locked, mode.slow_seconds, mode.read_only), (true, 30, false));
}

#[test]
fn a_message_that_is_sent_again_makes_nobody_wait() {
    let (mut house, owner, tea) = owned();
    let bob = house.register("bob", "correct horse");
    house.join(bob, "#tea");
    let slow = ModeChange { slow_seconds: Some(30), ..ModeChange::default() };
    assert_eq!(set_mode(&mut house, owner, tea, slow), None);
    let said = (EventKind::Posted, "once");
    assert_eq!(post_with(&mut house, bob, tea, said, Some(Nonce::new(7))), None);
    house.pass(Duration::from_secs(30));
    assert_eq!(post_with(&mut house, bob, tea, said, Some(Nonce::new(7))), None);
    assert_eq!(say(&mut house, bob, tea, "twice"), None);
    assert_eq!(say(&mut house, bob, tea, "thrice"), Some("slow-down"));
}

#[test]
fn acts_that_change_nothing_or_make_no_sense_are_refused() {
    let (mut house, owner, tea) = owned();
    let bob = house.register("bob", "correct horse");
    house.join(bob, "#tea");
    house.register("carol", "correct horse");
    let without_sense = [
        (Act::Invite, "bob", None),
        (Act::Uninvite, "carol", None),
        (Act::Kick, "carol", None),
        (Act::Unban, "bob", None),
        (Act::Unmute, "bob", None),
        (Act::Demote, "bob", None),
        (Act::Kick, "bob", Some(60)),
        (Act::Mute, "bob", Some(0)),
        (Act::Mute, "ana", None),
    ];
    for (act, name, seconds) in without_sense {
        let refused = govern_for(&mut house, owner, tea, act, name, seconds);
        assert_eq!(refused, Some("not-possible"), "{act:?} {name}");
    }
    assert_eq!(govern(&mut house, owner, tea, Act::Ban, "carol"), None);
    for act in [Act::Invite, Act::Promote, Act::Own] {
        assert_eq!(govern(&mut house, owner, tea, act, "carol"), Some("not-possible"), "{act:?}");
    }
    let slower = ModeChange { slow_seconds: Some(86_401), ..ModeChange::default() };
    assert_eq!(set_mode(&mut house, owner, tea, slower), Some("not-possible"));
}

#[test]
fn a_room_has_rights_of_so_many_and_those_that_are_over_give_way() {
    let limits = Limits { standings_max: 3, ..Limits::default() };
    let mut house = House::with(limits, Registration::Open, true);
    let owner = house.register("ana", "correct horse");
    let tea = house.join(owner, "#tea");
    for name in ["bob", "carol", "dave"] {
        house.register(name, "correct horse");
    }
    assert_eq!(govern_for(&mut house, owner, tea, Act::Mute, "bob", Some(60)), None);
    assert_eq!(govern(&mut house, owner, tea, Act::Ban, "carol"), None);
    assert_eq!(govern(&mut house, owner, tea, Act::Invite, "dave"), Some("rights-full"));
    house.pass(Duration::from_secs(61));
    assert_eq!(govern(&mut house, owner, tea, Act::Invite, "dave"), None);
    let (_, standings) = rights(&mut house, owner, tea);
    let names: Vec<_> = standings.iter().map(|standing| &*standing.name).collect();
    assert_eq!(names, ["ana", "carol", "dave"]);
}

#[test]
fn an_owner_makes_owners_and_takes_invitations_back() {
    let (mut house, owner, tea) = owned();
    let bob = house.register("bob", "correct horse");
    house.join(bob, "#tea");
    let carol = house.register("carol", "correct horse");
    let private = ModeChange { private: Some(true), ..ModeChange::default() };
    assert_eq!(govern(&mut house, owner, tea, Act::Own, "bob"), None);
    assert_eq!(set_mode(&mut house, bob, tea, private), None);
    assert_eq!(govern(&mut house, owner, tea, Act::Demote, "bob"), Some("outranked"));
    assert_eq!(govern(&mut house, bob, tea, Act::Invite, "carol"), None);
    assert_eq!(govern(&mut house, bob, tea, Act::Uninvite, "carol"), None);
    assert_eq!(try_join(&mut house, carol, "#tea"), Some("invite-only"));
    assert_eq!(govern(&mut house, bob, tea, Act::Demote, "bob"), None);
    assert_eq!(govern(&mut house, bob, tea, Act::Invite, "carol"), Some("role-needed"));
}

#[test]
fn every_act_becomes_an_event_of_its_number_and_has_a_command() {
    for number in 0..=u8::MAX {
        let act = Act::from_number(number);
        assert_eq!(act.is_some(), (5..=14).contains(&number), "{number}");
        if let Some(act) = act {
            assert_eq!(act.event().number(), number);
            assert_eq!(EventKind::from_number(number), Some(act.event()));
            let line = format!("/{} bob", act.event().act_name());
            assert!(
                matches!(parse(&line), Ok(Input::Command(Command::Govern { act: done, .. })) if done == act),
                "{line}: {:?}",
                parse(&line)
            );
        }
    }
    for role in [Role::Member, Role::Moderator, Role::Owner] {
        assert_eq!(Role::from_number(role.number()), Some(role));
    }
}

#[test]
fn roles_are_given_by_owners_to_accounts_and_nobody_touches_an_equal() {
    let (mut house, owner, tea) = owned();
    let bob = house.register("bob", "correct horse");
    let carol = house.register("carol", "correct horse");
    let guest = house.client("dave", None, None);
    for end in [bob, carol, guest] {
        house.join(end, "#tea");
    }
    assert_eq!(govern(&mut house, owner, tea, Act::Promote, "dave"), Some("not-possible"));
    assert_eq!(govern(&mut house, bob, tea, Act::Kick, "carol"), Some("role-needed"));
    assert_eq!(govern(&mut house, owner, tea, Act::Promote, "bob"), None);
    assert_eq!(govern(&mut house, owner, tea, Act::Promote, "carol"), None);
    assert_eq!(govern(&mut house, bob, tea, Act::Promote, "carol"), Some("role-needed"));
    assert_eq!(govern(&mut house, bob, tea, Act::Kick, "carol"), Some("outranked"));
    assert_eq!(govern(&mut house, bob, tea, Act::Ban, "ana"), Some("outranked"));
    assert_eq!(govern(&mut house, bob, tea, Act::Mute, "dave"), None);
    let named: Vec<_> = rights(&mut house, bob, tea).1.iter().map(|one| one.name.clone()).collect();
    assert_eq!(named, ["ana", "bob", "carol", "dave"]);
    let named: Vec<_> = rights(&mut house, guest, tea).1.iter().map(|one| one.name.clone()).collect();
    assert_eq!(named, ["ana", "bob", "carol"]);
    assert_eq!(govern(&mut house, owner, tea, Act::Demote, "carol"), None);
    assert_eq!(govern(&mut house, bob, tea, Act::Kick, "carol"), None);
    house.act(owner, |client, now| client.members(tea, now).expect("it may"));
    let Some(ClientEvent::Members { members, .. }) = house.ends[owner].events.last() else { panic!() };
    let roles: Vec<_> = members.iter().map(|member| (member.nick.as_str(), member.role)).collect();
    assert_eq!(roles, [("ana", Role::Owner), ("bob", Role::Moderator), ("dave", Role::Member)]);
}

#[test]
fn a_join_under_way_does_not_get_past_a_ban() {
    let (mut house, owner, tea) = owned();
    let bob = house.register("bob", "correct horse");
    house.prompt = false;
    let name = RoomName::parse("#tea").expect("a name");
    house.act(bob, |client, now| client.join(&name, None, now).expect("it may"));
    house.act(owner, |client, now| {
        client.govern(governance(tea, Act::Ban, "bob", None), now).expect("it may")
    });
    house.prompt = true;
    house.settle();
    assert_eq!(house.ends[bob].client.joined().count(), 0, "{:?}", house.ends[bob].events);
    let account = house.store.accounts.values().find(|account| &*account.nick == "bob").expect("it is there");
    assert_eq!(account.rooms, []);
    house.say(owner, tea, "nobody else reads this");
    assert_eq!(house.heard(bob), Vec::<String>::new());
}
