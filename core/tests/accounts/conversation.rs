//! What becomes of messages: answers, edits and deletions (`PROTOCOL.md` section N).

// What is told of a message is one or two of many events.
#![allow(clippy::unwrap_in_result, clippy::wildcard_enum_match_arm)]

use palabre_core::{
    client::{Client, ClientEvent, PostId},
    error::Misuse,
    ids::{Nonce, RoomId, Seq},
    storage::{EventKind, StoredEvent},
    time::Now,
};

use crate::house::House;

/// The owner of a room, a guest in it, and the room.
fn two_in_a_room() -> (House, usize, usize, RoomId) {
    let mut house = House::new();
    let ana = house.register("ana", "correct horse");
    let tea = house.join(ana, "#tea");
    let bob = house.client("bob", None, None);
    house.join(bob, "#tea");
    (house, ana, bob, tea)
}

/// Posts something: its number, or the code that it is refused with.
fn post(
    house: &mut House,
    end: usize,
    post: impl FnOnce(&mut Client, Now) -> Result<PostId, Misuse>,
) -> Result<Seq, &'static str> {
    post(&mut house.ends[end].client, house.now).expect("the client takes it");
    house.settle();
    let told = house.ends[end].events.iter().rev().find_map(|event| match event {
        ClientEvent::Posted { seq, .. } => Some(Ok(*seq)),
        ClientEvent::PostRefused { refusal, .. } => Some(Err(refusal.code.name())),
        _ => None,
    });
    told.expect("it was answered")
}

fn say(house: &mut House, end: usize, room: RoomId, text: &str) -> Seq {
    post(house, end, |client, now| client.post(room, EventKind::Posted, text, None, now)).expect("it may")
}

fn edit(house: &mut House, end: usize, room: RoomId, message: Seq, text: &str) -> Result<Seq, &'static str> {
    post(house, end, |client, now| client.edit(room, message, text, None, now))
}

pub(crate) fn delete(house: &mut House, end: usize, room: RoomId, message: Seq) -> Result<Seq, &'static str> {
    post(house, end, |client, now| client.delete(room, message, None, now))
}

/// All that is kept of a room.
fn page(house: &mut House, end: usize, room: RoomId) -> Vec<StoredEvent> {
    house.act(end, |client, now| client.history(room, None, 0, now).expect("it is in it"));
    match house.ends[end].events.last() {
        Some(ClientEvent::History { events, .. }) => events.clone(),
        other => panic!("{other:?}"),
    }
}

fn texts(events: &[StoredEvent]) -> Vec<(&str, Option<u64>)> {
    events.iter().map(|event| (&*event.text, event.revised.map(Seq::get))).collect()
}

#[test]
fn an_edit_reaches_who_is_there_and_is_the_text_for_who_reads_later() {
    let (mut house, ana, bob, tea) = two_in_a_room();
    let message = say(&mut house, ana, tea, "helo");
    assert_eq!(edit(&mut house, ana, tea, message, "hello"), Ok(Seq::new(2)));
    assert_eq!(house.heard(bob), ["helo", "hello"]);
    let events = page(&mut house, bob, tea);
    assert_eq!(texts(&events), [("hello", Some(2)), ("hello", None)]);
    assert_eq!((events[1].kind, events[1].to()), (EventKind::Edited, Some(message)));
}

#[test]
fn a_deleted_text_is_on_no_page_and_its_edits_are_neither() {
    let (mut house, ana, bob, tea) = two_in_a_room();
    let message = say(&mut house, ana, tea, "secret");
    edit(&mut house, ana, tea, message, "a secret").expect("it is hers");
    assert_eq!(delete(&mut house, ana, tea, message), Ok(Seq::new(3)));
    let events = page(&mut house, bob, tea);
    assert_eq!(texts(&events), [("", Some(3)), ("", Some(3)), ("", None)]);
    assert!(events[0].is_deleted());
}

#[test]
fn who_was_behind_is_not_sent_a_text_that_was_deleted_meanwhile() {
    let (mut house, ana, bob, tea) = two_in_a_room();
    let message = say(&mut house, ana, tea, "secret");
    say(&mut house, ana, tea, "kept");
    delete(&mut house, ana, tea, message).expect("it is hers");
    let known = house.ends[bob].events.len();
    // From the first event on: all of them were at hand before the deletion.
    let name = palabre_core::name::RoomName::parse("#tea").expect("a name");
    house.act(bob, |client, now| client.join(&name, Some(Seq::new(0)), now).expect("it is in it"));
    let again: Vec<_> = house.ends[bob].events[known..]
        .iter()
        .filter_map(|event| match event {
            ClientEvent::Happened(happening) => Some(happening.event.text.to_string()),
            _ => None,
        })
        .collect();
    assert_eq!(again, ["", "kept", ""]);
}

#[test]
fn a_message_is_edited_by_its_author_alone() {
    let (mut house, ana, bob, tea) = two_in_a_room();
    let message = say(&mut house, bob, tea, "mine");
    assert_eq!(edit(&mut house, ana, tea, message, "hers"), Err("not-yours"));
    assert_eq!(delete(&mut house, ana, tea, message), Ok(Seq::new(2)));
    let hers = say(&mut house, ana, tea, "hers");
    assert_eq!(delete(&mut house, bob, tea, hers), Err("not-yours"));
}

#[test]
fn moderators_delete_what_those_below_them_said() {
    use palabre_core::{client::Governance, rights::Act};
    let (mut house, ana, bob, tea) = two_in_a_room();
    let cleo = house.register("cleo", "correct horse");
    house.join(cleo, "#tea");
    let promote = Governance {
        room: tea,
        act: Act::Promote,
        name: crate::house::nick("cleo"),
        seconds: None,
        reason: "".into(),
    };
    house.act(ana, |client, now| client.govern(promote, now).expect("she may"));
    let (of_ana, of_bob) = (say(&mut house, ana, tea, "owner"), say(&mut house, bob, tea, "guest"));
    assert_eq!(delete(&mut house, cleo, tea, of_ana), Err("outranked"));
    assert!(delete(&mut house, cleo, tea, of_bob).is_ok());
    let of_cleo = say(&mut house, cleo, tea, "moderator");
    assert!(delete(&mut house, ana, tea, of_cleo).is_ok());
}

#[test]
fn what_is_no_message_is_not_meant() {
    let (mut house, ana, _, tea) = two_in_a_room();
    let message = say(&mut house, ana, tea, "one");
    let change = edit(&mut house, ana, tea, message, "two").expect("it is hers");
    for number in [Seq::new(0), change, Seq::new(77)] {
        assert_eq!(edit(&mut house, ana, tea, number, "x"), Err("no-such-message"));
    }
    delete(&mut house, ana, tea, message).expect("it is hers");
    assert_eq!(edit(&mut house, ana, tea, message, "x"), Err("message-deleted"));
    assert_eq!(delete(&mut house, ana, tea, message), Err("message-deleted"));
    let answer = post(&mut house, ana, |client, now| {
        client.reply(tea, message, EventKind::Posted, "what was it?", None, now)
    });
    assert_eq!(answer, Err("message-deleted"));
}

#[test]
fn an_answer_says_what_it_answers() {
    let (mut house, ana, bob, tea) = two_in_a_room();
    let message = say(&mut house, ana, tea, "tea?");
    post(&mut house, bob, |client, now| client.reply(tea, message, EventKind::Action, "nods", None, now))
        .expect("anybody answers");
    assert_eq!(page(&mut house, ana, tea)[1].to(), Some(message));
}

/// P6: the text is gone, and yet it is known that it was stored.
#[test]
fn a_post_that_was_deleted_before_it_was_acknowledged_counts_as_stored() {
    let (mut house, ana, _, tea) = two_in_a_room();
    let nonce = Some(Nonce::new(7));
    let first = post(&mut house, ana, |client, now| client.post(tea, EventKind::Posted, "oops", nonce, now));
    delete(&mut house, ana, tea, first.expect("it may")).expect("it is hers");
    let again = post(&mut house, ana, |client, now| client.post(tea, EventKind::Posted, "oops", nonce, now));
    assert_eq!(again, first);
}

/// N6: by who may post, to what is there; it changes nothing of the message.
#[test]
fn members_react_to_messages_and_take_that_back() {
    let (mut house, ana, bob, tea) = two_in_a_room();
    let message = say(&mut house, ana, tea, "tea?");
    let react = |house: &mut House, message, reaction, take_back| {
        post(house, bob, |client, now| client.react(tea, message, reaction, take_back, now))
    };
    assert_eq!(react(&mut house, message, "👍", false), Ok(Seq::new(2)));
    assert_eq!(react(&mut house, message, "👍", true), Ok(Seq::new(3)));
    assert_eq!(react(&mut house, Seq::new(2), "👍", false), Err("no-such-message"));
    delete(&mut house, ana, tea, message).expect("it is hers");
    assert_eq!(react(&mut house, message, "👍", false), Err("message-deleted"));
    let events = page(&mut house, ana, tea);
    let told: Vec<_> = events.iter().map(|event| (event.kind, event.to().map(Seq::get))).collect();
    assert_eq!(told[1..3], [(EventKind::Reacted, Some(1)), (EventKind::Unreacted, Some(1))]);
    assert_eq!(&*events[1].text, "👍");
}
