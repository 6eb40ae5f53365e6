//! Logging in with the password as it is (`PROTOCOL.md` A15), as another maker's client would.

use palabre_core::{channel::Channel, output::Source, wire::Plain};

use crate::{
    house::House,
    stranger::{Stranger, TLS, hear, say, stranger, told},
};

fn log_in(house: &mut House, stranger: &mut Stranger, name: &str, password: &str) {
    let plain = Plain { id: 7, name, password, device: "elsewhere" };
    say(house, stranger, &plain.into());
}

#[test]
fn a_client_without_opaque_logs_in_with_its_password_inside_tls() {
    let mut house = House::new();
    house.register("ana", "correct horse");
    let mut other = stranger(&mut house, TLS);
    log_in(&mut house, &mut other, "Ana", "correct horse");
    assert_eq!(told(&other)[..2], ["Welcome", "Ready"]);
    assert_eq!(house.store.accounts.values().map(|account| account.devices.len()).sum::<usize>(), 2);
}

#[test]
fn without_tls_and_where_it_is_not_wanted_it_is_refused() {
    let mut house = House::new();
    house.register("ana", "correct horse");
    let mut plain = stranger(&mut house, Channel::Plain);
    log_in(&mut house, &mut plain, "ana", "correct horse");
    assert!(
        told(&plain)[1].starts_with("19 A password is not sent without encryption"),
        "{:?}",
        told(&plain)
    );
    house.config.accounts.as_mut().expect("accounts").plain = false;
    house.restart();
    let mut other = stranger(&mut house, TLS);
    log_in(&mut house, &mut other, "ana", "correct horse");
    assert!(told(&other)[1].starts_with("19 This server takes no passwords"), "{:?}", told(&other));
    assert!(house.to_check.is_empty());
}

#[test]
fn an_unknown_name_and_a_wrong_password_are_told_the_same_after_the_same_work() {
    let mut house = House::new();
    house.register("ana", "correct horse");
    let heard = ["ana", "bob"].map(|name| {
        house.source = Source::V4([10, 0, 1, name.len() as u8]);
        let mut other = stranger(&mut house, TLS);
        house.prompt = false;
        log_in(&mut house, &mut other, name, "wrong battery");
        assert_eq!(told(&other), ["Welcome"], "it is being checked");
        assert!(house.check_one(), "whether there is such an account or not");
        house.prompt = true;
        house.settle();
        hear(&mut house, &mut other);
        other.heard
    });
    assert_eq!(heard[0], heard[1], "byte for byte");
}

#[test]
fn only_so_many_are_checked_at_a_time_and_who_hangs_up_frees_no_place_early() {
    let mut house = House::new();
    house.config.limits.verifications_max = 2;
    house.restart();
    house.prompt = false;
    let mut others = Vec::new();
    for number in 1..=3_u8 {
        house.source = Source::V4([10, 0, 2, number]);
        let mut other = stranger(&mut house, TLS);
        log_in(&mut house, &mut other, "ana", "wrong battery");
        others.push(other);
    }
    assert!(told(&others[2])[1].starts_with("9 Too many logins are being checked"), "{:?}", told(&others[2]));
    house.server.handle_disconnected(others[0].id, house.now);
    log_in(&mut house, &mut others[2], "bob", "wrong battery");
    assert!(told(&others[2])[2].starts_with("9 "), "its check goes on");
    assert!(house.check_one());
    log_in(&mut house, &mut others[2], "eve", "wrong battery");
    assert_eq!(told(&others[2]).len(), 3, "now it is checked");
    house.prompt = true;
    house.settle();
    hear(&mut house, &mut others[1]);
    assert!(told(&others[1])[1].starts_with("18 "), "{:?}", told(&others[1]));
}

#[test]
fn guesses_count_as_those_by_opaque_do() {
    let mut house = House::new();
    house.register("ana", "correct horse");
    let mut other = stranger(&mut house, TLS);
    for _ in 0..3 {
        log_in(&mut house, &mut other, "ana", "wrong battery");
    }
    log_in(&mut house, &mut other, "ana", "correct horse");
    assert!(told(&other)[4].starts_with("9 Too many logins"), "{:?}", told(&other));
}

#[test]
fn a_password_that_was_changed_while_it_was_checked_is_none() {
    let mut house = House::new();
    let ana = house.register("ana", "correct horse");
    let mut other = stranger(&mut house, TLS);
    house.prompt = false;
    log_in(&mut house, &mut other, "ana", "correct horse");
    let checked = house.to_check.pop_front().expect("being checked");
    house.prompt = true;
    house.act(ana, |client, now| {
        client.change_password(crate::house::password("battery staple"), now).expect("it may")
    });
    house.server.handle_work(checked.run(), house.now);
    house.settle();
    hear(&mut house, &mut other);
    assert!(told(&other)[1].starts_with("18 "), "{:?}", told(&other));
}
