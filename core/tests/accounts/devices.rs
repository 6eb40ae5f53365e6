//! Several devices of one account.

use std::time::Duration;

use palabre_core::{
    client::ClientEvent,
    config::Registration,
    ids::{DeviceId, Seq},
    limits::Limits,
    name::RoomName,
    output::Source,
};

use crate::house::{House, password};

/// Two devices of one account.
fn two(house: &mut House) -> (usize, usize) {
    let laptop = house.register("ana", "correct horse");
    let phone = house.log_in("ana", "correct horse");
    assert!(house.ends[phone].client.is_ready());
    (laptop, phone)
}

fn devices(house: &mut House, end: usize) -> Vec<(u64, bool)> {
    house.act(end, |client, now| client.devices(now).expect("it may"));
    match house.ends[end].events.last() {
        Some(ClientEvent::Devices { devices, .. }) => {
            devices.iter().map(|device| (device.device.get(), device.is_this)).collect()
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_one_device_says_and_joins_the_others_see() {
    let mut house = House::new();
    let (laptop, phone) = two(&mut house);
    let tea = house.join(laptop, "#tea");
    assert!(house.ends[phone].client.joined().any(|room| room.id == tea), "{:?}", house.ends[phone].events);
    house.say(laptop, tea, "from the laptop");
    house.say(phone, tea, "from the phone");
    for device in [laptop, phone] {
        assert_eq!(house.heard(device), ["from the laptop", "from the phone"]);
    }
    house.act(phone, |client, now| client.part(tea, now).expect("it may"));
    assert!(matches!(house.ends[laptop].events.last(), Some(ClientEvent::Left { room }) if *room == tea));
    assert_eq!(house.ends[laptop].client.joined().count(), 0);
}

#[test]
fn an_account_is_here_as_long_as_one_of_its_devices_is() {
    let mut house = House::new();
    let (laptop, phone) = two(&mut house);
    let bob = house.client("bob", None, None);
    let tea = house.join(laptop, "#tea");
    house.join(bob, "#tea");
    let state = |house: &mut House| {
        house.act(bob, |client, now| client.members(tea, now).expect("it may"));
        match house.ends[bob].events.last() {
            Some(ClientEvent::Members { members, .. }) => (members[0].state, members[0].is_guest),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(state(&mut house), (1, false));
    house.ends[laptop].client.leave(true, house.now);
    house.settle();
    assert_eq!(state(&mut house), (1, false));
    house.ends[phone].client.leave(false, house.now);
    house.settle();
    assert_eq!(state(&mut house), (3, false), "and a member still");
    house.pass(Duration::from_secs(3 * 24 * 3_600));
    assert_eq!(house.store.accounts.len(), 1);
}

#[test]
fn a_token_enters_again_after_a_cut_and_a_restart_and_rooms_are_kept() {
    let mut house = House::new();
    let ana = house.register("ana", "correct horse");
    let tea = house.join(ana, "#tea");
    house.say(ana, tea, "before");
    house.restart();
    house.pass(Duration::from_secs(2));
    assert!(house.ends[ana].client.is_ready());
    house.say(ana, tea, "after");
    assert_eq!(house.heard(ana), ["before", "after"]);
    let saved = house.ends[ana].client.saved().expect("a session");
    assert!(saved.is_account);
    house.ends[ana].client.leave(true, house.now);
    house.settle();
    let later = house.client("ana", None, Some(saved));
    assert!(house.ends[later].client.is_ready() && house.ends[later].client.is_account());
}

#[test]
fn a_device_that_was_not_used_for_ninety_days_has_to_log_in_again() {
    let mut house = House::new();
    let ana = house.register("ana", "correct horse");
    let saved = house.ends[ana].client.saved().expect("a session");
    house.ends[ana].client.leave(true, house.now);
    house.settle();
    house.pass(Duration::from_secs(90 * 24 * 3_600 + 1));
    let later = house.client("ana", None, Some(saved));
    assert_eq!(house.refused(later), Some("token-unknown"));
    assert!(house.ends[later].client.is_account(), "who it is does not change with the token");
}

#[test]
fn a_device_whose_time_is_over_is_not_listed_and_cannot_be_logged_out() {
    let limits = Limits { device_kept: Duration::from_secs(60), ..Limits::default() };
    let mut house = House::with(limits, Registration::Open, true);
    let (laptop, phone) = two(&mut house);
    house.ends[phone].client.leave(true, house.now);
    house.settle();
    for _ in 0..2 {
        house.pass(Duration::from_secs(40));
    }
    assert_eq!(devices(&mut house, laptop), [(1, true)]);
    house.act(laptop, |client, now| client.revoke(DeviceId::new(2), now).expect("it may"));
    assert_eq!(house.refused(laptop), Some("no-such-device"));
}

#[test]
fn connections_that_wait_for_a_place_count_for_their_account() {
    let limits = Limits { clients_max: 2, queue_max: 4, devices_connected_max: 2, ..Limits::default() };
    let mut house = House::with(limits, Registration::Open, true);
    house.register("ana", "correct horse");
    house.client("bob", None, None);
    let waiting = house.log_in("ana", "correct horse");
    assert_eq!((house.refused(waiting), house.ends[waiting].client.is_ready()), (None, false));
    let one_more = house.log_in("ana", "correct horse");
    assert_eq!(house.refused(one_more), Some("slow-down"));
}

#[test]
fn the_device_unused_longest_gives_way_where_there_are_too_many() {
    let limits = Limits { devices_max: 3, ..Limits::default() };
    let mut house = House::with(limits, Registration::Open, true);
    let (laptop, phone) = two(&mut house);
    house.ends[phone].client.leave(true, house.now);
    house.pass(Duration::from_hours(48));
    house.pass(Duration::from_secs(2));
    let tablet = house.log_in("ana", "correct horse");
    house.ends[tablet].client.leave(true, house.now);
    house.settle();
    house.log_in("ana", "correct horse");
    let known: Vec<_> = devices(&mut house, laptop).into_iter().map(|(device, _)| device).collect();
    assert_eq!(known, [1, 3, 4], "the phone's is forgotten");
}

#[test]
fn a_device_that_is_logged_out_is_gone_at_once_and_for_good() {
    let mut house = House::new();
    let (laptop, phone) = two(&mut house);
    let saved = house.ends[phone].client.saved().expect("a session");
    let listed = devices(&mut house, laptop);
    assert_eq!(listed, [(1, true), (2, false)]);
    let tea = house.join(laptop, "#tea");
    house.act(laptop, |client, now| client.revoke(DeviceId::new(2), now).expect("it may"));
    assert!(matches!(house.ends[laptop].events.last(), Some(ClientEvent::Revoked { .. })));
    house.say(laptop, tea, "only here");
    assert!(!house.heard(phone).contains(&"only here".to_owned()));
    house.pass(Duration::from_secs(6));
    assert_eq!(house.refused(phone), Some("token-unknown"));
    house.restart();
    house.source = Source::V4([10, 0, 0, 2]);
    let thief = house.client("ana", None, Some(saved));
    assert_eq!(house.refused(thief), Some("token-unknown"));
    house.pass(Duration::from_secs(6));
    assert_eq!(devices(&mut house, laptop), [(1, true)]);
}

#[test]
fn a_device_that_does_not_exist_is_not_logged_out() {
    let mut house = House::new();
    let ana = house.register("ana", "correct horse");
    let bob = house.register("bob", "correct horse");
    let own = devices(&mut house, bob)[0].0;
    house.act(ana, |client, now| client.revoke(DeviceId::new(own), now).expect("it may"));
    assert_eq!(house.refused(ana), Some("no-such-device"), "nobody else's either");
    assert!(house.ends[bob].client.is_ready());
    let guest = house.client("eve", None, None);
    house.act(guest, |client, now| client.devices(now).expect("it may"));
    assert_eq!(house.refused(guest), Some("not-allowed"));
}

#[test]
fn another_password_logs_all_other_devices_out() {
    let mut house = House::new();
    let (laptop, phone) = two(&mut house);
    house.act(laptop, |client, now| client.change_password(password("battery staple"), now).expect("it may"));
    assert!(
        matches!(house.ends[laptop].events.last(), Some(ClientEvent::PasswordChanged { .. })),
        "{:?}",
        house.ends[laptop].events
    );
    house.pass(Duration::from_secs(6));
    assert_eq!(house.refused(phone), Some("token-unknown"));
    house.source = Source::V4([10, 0, 0, 2]);
    let old = house.log_in("ana", "correct horse");
    assert_eq!(house.refused(old), Some("login-failed"));
    let new = house.log_in("ana", "battery staple");
    assert!(house.ends[new].client.is_ready());
}

#[test]
fn a_token_alone_changes_no_password() {
    let mut house = House::new();
    let ana = house.register("ana", "correct horse");
    house.cut(ana);
    house.pass(Duration::from_secs(2));
    assert!(house.ends[ana].client.is_ready());
    house.act(ana, |client, now| client.change_password(password("battery staple"), now).expect("it may"));
    assert_eq!(house.refused(ana), Some("not-allowed"));
}

#[test]
fn a_new_password_that_was_not_sent_before_a_cut_is_not_sent_on_the_next_connection() {
    let limits = Limits { requests_in_flight_max: 1, ..Limits::default() };
    let mut house = House::with(limits, Registration::Open, true);
    let ana = house.register("ana", "correct horse");
    house.prompt = false;
    let now = house.now;
    let client = &mut house.ends[ana].client;
    let change = client.change_password(password("battery staple"), now).expect("it may");
    // This one goes out while the password is stretched, and keeps the place.
    let name = RoomName::parse("#tea").expect("a name");
    house.act(ana, |client, now| client.join(&name, None, now).expect("it may"));
    house.cut(ana);
    house.prompt = true;
    house.pass(Duration::from_secs(2));
    let events = &house.ends[ana].events;
    let interrupted =
        |event: &ClientEvent| matches!(event, ClientEvent::Interrupted { request } if *request == change);
    assert_eq!(events.iter().filter(|event| interrupted(event)).count(), 1, "{events:?}");
    assert!(house.ends[ana].client.is_ready(), "{events:?}");
}

#[test]
fn a_login_that_was_proved_before_the_password_changed_gives_no_device_after() {
    let mut house = House::new();
    let laptop = house.register("ana", "correct horse");
    house.prompt = false;
    house.act(laptop, |client, now| client.change_password(password("battery staple"), now).expect("it may"));
    let phone = house.log_in("ana", "correct horse");
    house.prompt = true;
    house.settle();
    assert!(!house.ends[phone].client.is_ready());
    assert_eq!(house.refused(phone), Some("login-failed"));
    let devices: Vec<_> = house.store.accounts.values().flat_map(|account| &account.devices).collect();
    assert_eq!(devices.len(), 1, "{devices:?}");
}

#[test]
fn an_account_keeps_its_name() {
    let mut house = House::new();
    let ana = house.register("ana", "correct horse");
    let other = crate::house::nick("anna");
    house.act(ana, |client, now| client.rename(&other, now).expect("it may"));
    assert_eq!(house.refused(ana), Some("not-possible"));
}

#[test]
fn what_was_posted_while_the_token_was_revoked_is_sent_after_the_next_login() {
    let mut house = House::new();
    let (laptop, phone) = two(&mut house);
    let tea = house.join(laptop, "#tea");
    house.cut(phone);
    house.ends[phone]
        .client
        .post(tea, palabre_core::storage::EventKind::Posted, "kept", None, house.now)
        .expect("it may");
    house.act(laptop, |client, now| client.revoke(DeviceId::new(2), now).expect("it may"));
    house.pass(Duration::from_secs(2));
    assert_eq!(house.refused(phone), Some("token-unknown"));
    let now = house.now;
    let entry = crate::house::entry(false, "correct horse");
    house.ends[phone].client.log_in(&crate::house::nick("ana"), entry, now).expect("it was refused");
    house.settle();
    assert_eq!(house.heard(laptop), ["kept"]);
}

#[test]
fn several_programs_use_one_token_side_by_side_and_each_follows_its_own_cut() {
    let mut house = House::new();
    let chat = house.register("ana", "correct horse");
    let tea = house.join(chat, "#tea");
    let saved = house.ends[chat].client.saved().expect("a session");
    let script = house.client("ana", None, Some(saved));
    assert!(house.ends[script].client.is_ready() && house.ends[chat].client.is_ready());
    house.say(script, tea, "from a script");
    assert_eq!(house.heard(chat), ["from a script"]);
    // The server has not noticed that the first connection is gone: the newer one of the same run takes its place.
    house.ends[chat].link = None;
    let now = house.now;
    house.ends[chat].client.handle_disconnected(now);
    house.pass(Duration::from_secs(2));
    assert!(house.ends[chat].client.is_ready() && house.ends[script].client.is_ready());
    assert_eq!(house.server.stats().clients, 2);
}

#[test]
fn what_one_device_has_read_the_others_know_also_after_a_restart() {
    let mut house = House::new();
    let (laptop, phone) = two(&mut house);
    let bob = house.client("bob", None, None);
    let tea = house.join(bob, "#tea");
    house.say(bob, tea, "before");
    house.join(laptop, "#tea");
    assert_eq!(
        house.ends[phone].client.read_up_to(tea).map(Seq::get),
        Some(1),
        "who joins has read what was said"
    );
    for text in ["one", "two", "three"] {
        house.say(bob, tea, text);
    }
    let now = house.now;
    house.ends[laptop].client.mark_read(tea, Seq::new(3), now).expect("it may");
    house.ends[laptop].client.mark_read(tea, Seq::new(2), now).expect("it may");
    house.settle();
    assert_eq!(house.ends[phone].client.read_up_to(tea).map(Seq::get), Some(3));
    assert!(matches!(house.ends[phone].events.last(), Some(ClientEvent::Read { .. })));
    house.restart();
    house.pass(Duration::from_secs(6));
    let tablet = house.log_in("ana", "correct horse");
    assert_eq!(house.ends[tablet].client.read_up_to(tea).map(Seq::get), Some(3));
    house.ends[tablet].client.mark_read(tea, Seq::new(99), now).expect("it may");
    house.settle();
    assert_eq!(house.ends[laptop].client.read_up_to(tea).map(Seq::get), Some(4), "no further than there is");
    house.act(laptop, |client, now| client.part(tea, now).expect("it may"));
    assert!(house.store.accounts.values().all(|account| account.read.is_empty()));
}

#[test]
fn what_was_read_without_a_connection_is_told_with_the_next_and_only_the_latest() {
    let mut house = House::new();
    let (laptop, phone) = two(&mut house);
    let tea = house.join(laptop, "#tea");
    for text in ["one", "two", "three"] {
        house.say(laptop, tea, text);
    }
    house.cut(phone);
    let now = house.now;
    for seq in 1..=3 {
        house.ends[phone].client.mark_read(tea, Seq::new(seq), now).expect("it may");
    }
    house.pass(Duration::from_secs(2));
    let told = |event: &&ClientEvent| matches!(event, ClientEvent::Read { .. });
    assert_eq!(house.ends[laptop].client.read_up_to(tea).map(Seq::get), Some(3));
    // Once on joining, once for all three.
    assert_eq!(house.ends[laptop].events.iter().filter(told).count(), 2);
}

#[test]
fn of_guests_nobody_remembers_what_they_read() {
    let mut house = House::new();
    let guest = house.client("bob", None, None);
    let tea = house.join(guest, "#tea");
    house.say(guest, tea, "one");
    let now = house.now;
    house.ends[guest].client.mark_read(tea, Seq::new(1), now).expect("it may");
    house.settle();
    assert_eq!(house.ends[guest].client.read_up_to(tea), None);
}
