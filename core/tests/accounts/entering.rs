//! Making an account, and logging in.

use std::time::Duration;

use palabre_core::{
    channel::Channel,
    client::{ClientEvent, Offers, OfflineCause},
    config::Registration,
    limits::Limits,
    output::Source,
};

use crate::house::{House, entry, nick};

#[test]
fn an_account_is_made_and_logged_into_from_elsewhere_as_the_same_user() {
    let mut house = House::new();
    let first = house.register("ana", "correct horse");
    assert!(house.ends[first].client.is_account());
    let second = house.log_in("ANA", "correct horse");
    assert!(house.ends[second].client.is_ready(), "{:?}", house.ends[second].events);
    assert_eq!(house.ends[first].client.user(), house.ends[second].client.user());
    assert_eq!(house.ends[second].client.nick().as_str(), "ana");
    assert_eq!(house.store.accounts.len(), 1);
}

#[test]
fn a_wrong_password_and_an_unknown_name_are_refused_alike() {
    let mut house = House::new();
    house.register("ana", "correct horse");
    for (name, text) in [("ana", "wrong battery"), ("nobody", "correct horse")] {
        let client = house.log_in(name, text);
        assert_eq!(house.refused(client), Some("login-failed"), "{name}");
        let ClientEvent::EnterRefused { refusal, .. } = &house.ends[client].events[1] else {
            panic!("refused")
        };
        assert_eq!((refusal.about.as_str(), &refusal.suggestion), ("", &None), "nothing tells them apart");
    }
}

#[test]
fn after_a_wrong_password_the_right_one_lets_in() {
    let mut house = House::new();
    house.register("ana", "correct horse");
    let client = house.log_in("ana", "wrong battery");
    let now = house.now;
    house.ends[client]
        .client
        .log_in(&nick("ana"), entry(false, "correct horse"), now)
        .expect("it was refused");
    house.settle();
    assert!(house.ends[client].client.is_ready());
}

#[test]
fn a_name_of_an_account_is_taken_also_while_it_is_away() {
    let mut house = House::new();
    let ana = house.register("ana", "correct horse");
    house.cut(ana);
    house.pass(Duration::from_secs(24 * 3_600));
    house.restart();
    house.source = Source::V4([10, 0, 0, 2]);
    let guest = house.client("Ana", None, None);
    assert_eq!(house.refused(guest), Some("name-in-use"));
    let other = house.client("ana", Some(entry(true, "another one")), None);
    assert_eq!(house.refused(other), Some("name-in-use"));
}

#[test]
fn a_name_is_reserved_while_its_account_is_being_made_and_free_if_that_is_given_up() {
    let mut house = House::new();
    house.prompt = false;
    let ana = house.client("ana", Some(entry(true, "correct horse")), None);
    let guest = house.client("ana", None, None);
    assert_eq!(house.refused(guest), Some("name-in-use"));
    house.cut(ana);
    house.settle();
    let guest = house.client("ana", None, None);
    assert_eq!(house.refused(guest), Some("name-in-use"), "storage may have written it");
    while house.answer_one() {}
    house.prompt = true;
    house.settle();
    assert_eq!(house.store.accounts.len(), 1);
    let devices = house.store.accounts.values().map(|account| account.devices.len()).sum::<usize>();
    assert_eq!(devices, 0, "nobody has that token");
    house.source = Source::V4([10, 0, 0, 2]);
    let again = house.log_in("ana", "correct horse");
    assert!(house.ends[again].client.is_ready(), "it is there: {:?}", house.ends[again].events);
}

#[test]
fn somebody_between_client_and_server_gets_no_login() {
    let mut house = House::new();
    house.register("ana", "correct horse");
    let elsewhere = Channel::Tls { exporter: [99; 32], server_key: [2; 32] };
    house.links_between(elsewhere);
    let client = house.log_in("ana", "correct horse");
    assert_eq!(house.refused(client), Some("login-failed"));
}

#[test]
fn the_fifth_wrong_password_ends_the_connection() {
    let limits = Limits { logins_max: 100, source_failures_free: 100, ..Limits::default() };
    let mut house = House::with(limits, Registration::Open, true);
    house.register("ana", "correct horse");
    let client = house.log_in("ana", "wrong battery");
    for _ in 0..3 {
        let now = house.now;
        house.ends[client].client.log_in(&nick("ana"), entry(false, "wrong again"), now).expect("refused");
        house.settle();
        assert!(house.ends[client].link.is_some());
    }
    let now = house.now;
    house.ends[client].client.log_in(&nick("ana"), entry(false, "and again"), now).expect("refused");
    house.settle();
    assert_eq!(house.refused(client), Some("login-failed"));
    assert_eq!(house.server.stats().connections, 1);
    assert!(house.ends[client].link.is_none());
}

#[test]
fn a_source_tries_one_name_three_times_a_minute() {
    let mut house = House::new();
    house.register("ana", "correct horse");
    for _ in 0..3 {
        let client = house.log_in("ana", "wrong battery");
        assert_eq!(house.refused(client), Some("login-failed"));
    }
    let client = house.log_in("ana", "correct horse");
    assert_eq!(house.refused(client), Some("slow-down"));
    let unknown = house.log_in("nobody", "correct horse");
    assert_eq!(house.refused(unknown), Some("slow-down"), "three failed, whatever names they were for");
    house.source = Source::V4([10, 0, 0, 2]);
    let elsewhere = house.log_in("ana", "correct horse");
    assert!(house.ends[elsewhere].client.is_ready(), "nobody else is kept from logging in");
}

#[test]
fn who_asks_for_a_challenge_and_goes_away_has_guessed() {
    let mut house = House::new();
    house.register("ana", "correct horse");
    house.register("bob", "correct horse");
    // Work is never handed back: the client knows by itself whether its guess was right.
    house.works = false;
    for _ in 0..3 {
        let client = house.log_in("ana", "wrong battery");
        let now = house.now;
        house.ends[client].client.leave(false, now);
        house.cut(client);
    }
    house.works = true;
    let client = house.log_in("bob", "correct horse");
    assert_eq!(house.refused(client), Some("slow-down"));
    house.pass(Duration::from_secs(61));
    let client = house.log_in("bob", "correct horse");
    assert!(house.ends[client].client.is_ready(), "{:?}", house.ends[client].events);
}

#[test]
fn a_source_makes_five_accounts_an_hour() {
    let mut house = House::new();
    for name in ["a1", "b2", "c3", "d4", "e5"] {
        house.register(name, "correct horse");
    }
    let sixth = house.client("f6", Some(entry(true, "correct horse")), None);
    assert_eq!(house.refused(sixth), Some("slow-down"));
    house.pass(Duration::from_secs(3_601));
    house.register("g7", "correct horse");
}

#[test]
fn names_that_are_taken_cost_no_account() {
    let mut house = House::new();
    house.register("a1", "correct horse");
    for _ in 0..6 {
        let taken = house.client("a1", Some(entry(true, "battery staple")), None);
        assert_eq!(house.refused(taken), Some("name-in-use"));
    }
    house.register("b2", "correct horse");
}

#[test]
fn a_server_says_who_may_enter_and_holds_to_it() {
    let mut closed = House::with(Limits::default(), Registration::Closed, false);
    let guest = closed.client("bob", None, None);
    assert_eq!(closed.refused(guest), Some("not-allowed"));
    let offers = Offers { guests: false, accounts: true, registration: false, invitation: false };
    assert_eq!(closed.ends[guest].client.offers(), offers);
    let new = closed.client("ana", Some(entry(true, "correct horse")), None);
    assert_eq!(closed.refused(new), Some("not-allowed"));
}

#[test]
fn a_login_waits_for_a_place_and_keeps_its_proof() {
    let mut house = House::with(Limits { clients_max: 2, ..Limits::default() }, Registration::Open, true);
    let ana = house.register("ana", "correct horse");
    let bob = house.client("bob", None, None);
    let again = house.log_in("ana", "correct horse");
    assert!(matches!(house.ends[again].events.last(), Some(ClientEvent::Waiting { position: 1 })));
    house.ends[bob].client.leave(false, house.now);
    house.settle();
    assert!(house.ends[again].client.is_ready());
    assert_eq!(house.ends[ana].client.user(), house.ends[again].client.user());
}

#[test]
fn a_client_is_told_when_an_account_cannot_be_stored() {
    let mut house = House::new();
    house.store.failing = Some(palabre_core::storage::StorageFailure::NoSpace);
    let ana = house.client("ana", Some(entry(true, "correct horse")), None);
    let full = house.ends[ana].events.iter().any(|event| {
        matches!(event, ClientEvent::Offline { cause: OfflineCause::ServerFull(refusal), .. }
            if refusal.code.name() == "no-space")
    });
    assert!(full, "{:?}", house.ends[ana].events);
    house.store.failing = None;
    house.pass(Duration::from_secs(60));
    assert!(house.ends[ana].client.is_ready(), "it tries again by itself");
}
