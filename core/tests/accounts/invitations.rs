//! Accounts by invitation (`PROTOCOL.md` A12).

use std::time::Duration;

use palabre_core::{
    client::AccountEntry, config::Registration, invitation::Invitation, limits::Limits, password::Setup,
    storage::StorageFailure,
};

use crate::house::{House, entry};

fn house() -> House {
    House::with(Limits { registrations_max: 100, ..Limits::default() }, Registration::Invite, true)
}

fn code(house: &House, uses: u16, hours: u32, number: u8) -> String {
    let setup = &house.config.accounts.as_ref().expect("accounts").setup;
    Invitation::new(uses, hours, [number; 6], house.now.wall).code(setup)
}

fn by(code: &str) -> Option<AccountEntry> {
    Some(AccountEntry { invitation: Some(code.to_owned()), ..entry(true, "correct horse") })
}

#[test]
fn without_an_invitation_nobody_makes_an_account_and_is_told_what_to_do() {
    let mut house = house();
    let ana = house.client("ana", Some(entry(true, "correct horse")), None);
    assert_eq!(house.refused(ana), Some("invitation-needed"));
    let offers = house.ends[ana].client.offers();
    assert!(offers.invitation && !offers.registration && offers.accounts);
    let mut open = House::new();
    let ana = open.client("ana", by("whatever it says"), None);
    assert!(open.ends[ana].client.is_ready(), "where everybody may, nobody looks");
}

#[test]
fn an_invitation_is_good_for_as_many_accounts_as_it_says_also_after_a_restart() {
    let mut house = house();
    let code = code(&house, 2, 24, 1);
    let ana = house.client("ana", by(&code), None);
    assert!(house.ends[ana].client.is_ready(), "{:?}", house.ends[ana].events);
    house.restart();
    let bob = house.client("bob", by(&code.to_uppercase()), None);
    assert!(house.ends[bob].client.is_ready(), "{:?}", house.ends[bob].events);
    let eve = house.client("eve", by(&code), None);
    assert_eq!(house.refused(eve), Some("invitation-invalid"));
    house.restart();
    house.source = palabre_core::output::Source::V4([10, 0, 0, 2]);
    let eve = house.client("eve", by(&code), None);
    assert_eq!(house.refused(eve), Some("invitation-invalid"));
}

#[test]
fn an_invitation_that_expired_or_is_another_servers_is_none() {
    let mut house = house();
    let code = code(&house, 1, 24, 1);
    let other = Invitation::new(1, 24, [1; 6], house.now.wall).code(&Setup::generate([6; 32]));
    let ana = house.client("ana", by(&other), None);
    assert_eq!(house.refused(ana), Some("invitation-invalid"));
    house.pass(Duration::from_secs(25 * 3_600));
    let ana = house.client("ana", by(&code), None);
    assert_eq!(house.refused(ana), Some("invitation-invalid"));
}

#[test]
fn an_account_that_could_not_be_stored_uses_no_invitation_up() {
    let mut house = house();
    let code = code(&house, 1, 24, 1);
    house.store.failing = Some(StorageFailure::NoSpace);
    let ana = house.client("ana", by(&code), None);
    assert!(!house.ends[ana].client.is_ready());
    house.store.failing = None;
    let now = house.now;
    house.ends[ana].client.leave(false, now);
    house.settle();
    let ana = house.client("ana", by(&code), None);
    assert!(house.ends[ana].client.is_ready(), "{:?}", house.ends[ana].events);
    assert_eq!(house.store.invitations.len(), 1);
}

#[test]
fn two_who_use_the_last_of_an_invitation_at_once_do_not_both_get_in() {
    let mut house = house();
    let code = code(&house, 1, 24, 1);
    house.prompt = false;
    let ana = house.client("ana", by(&code), None);
    let bob = house.client("bob", by(&code), None);
    house.prompt = true;
    house.settle();
    assert!(house.ends[ana].client.is_ready());
    assert_eq!(house.refused(bob), Some("invitation-invalid"));
    assert_eq!(house.store.accounts.len(), 1);
}

#[test]
fn codes_cannot_be_found_by_trying() {
    let mut house = House::with(Limits::default(), Registration::Invite, true);
    for _ in 0..5 {
        let guess = house.client("ana", by("0000-0000-0000-0000-0000-0000-0000-0000"), None);
        assert_eq!(house.refused(guess), Some("invitation-invalid"));
    }
    let right = code(&house, 1, 24, 1);
    let ana = house.client("ana", by(&right), None);
    assert_eq!(house.refused(ana), Some("slow-down"));
}

#[test]
fn only_so_many_invitations_are_remembered_and_those_long_over_give_way() {
    let limits = Limits { invitations_max: 2, registrations_max: 100, ..Limits::default() };
    let mut house = House::with(limits, Registration::Invite, true);
    for (number, name) in [(1, "ana"), (2, "bob")] {
        let code = code(&house, 1, 24, number);
        let end = house.client(name, by(&code), None);
        assert!(house.ends[end].client.is_ready());
    }
    let third = code(&house, 1, 1_000, 3);
    let eve = house.client("eve", by(&third), None);
    assert_eq!(house.refused(eve), Some("not-possible"));
    house.pass(Duration::from_secs(32 * 24 * 3_600));
    let later = house.client("eve", by(&third), None);
    assert!(house.ends[later].client.is_ready(), "{:?}", house.ends[later].events);
    assert_eq!(house.store.invitations.len(), 2);
}
