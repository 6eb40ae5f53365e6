//! How tokens are replaced, and what the use of one that was means (`PROTOCOL.md` A13).

use std::time::Duration;

use palabre_core::{
    client::SavedSession,
    output::{Event, Source},
};

use crate::house::House;

const WEEK: Duration = Duration::from_secs(7 * 24 * 3_600 + 1);

fn saved(house: &House, end: usize) -> SavedSession {
    house.ends[end].client.saved().expect("a session")
}

fn leave(house: &mut House, end: usize) {
    let now = house.now;
    house.ends[end].client.leave(true, now);
    house.settle();
}

/// Somebody enters with what was saved, and leaves.
fn visit(house: &mut House, session: &SavedSession) -> SavedSession {
    house.source = match house.source {
        Source::V4([a, b, c, d]) => Source::V4([a, b, c.wrapping_add(u8::from(d == 255)), d.wrapping_add(1)]),
        source => source,
    };
    let end = house.client("ana", None, Some(session.clone()));
    assert!(house.ends[end].client.is_ready(), "{:?}", house.ends[end].events);
    let after = saved(house, end);
    leave(house, end);
    after
}

fn account(house: &mut House) -> SavedSession {
    let ana = house.register("ana", "correct horse");
    let session = saved(house, ana);
    leave(house, ana);
    session
}

#[test]
fn a_token_is_replaced_after_a_week_and_good_until_the_next_is_used() {
    let mut house = House::new();
    let first = account(&mut house);
    assert_eq!(visit(&mut house, &first).token, first.token, "it is young");
    house.pass(WEEK);
    let second = visit(&mut house, &first);
    assert_ne!(second.token, first.token);
    // The answer was lost, the process died before it wrote it down, the server started again: asked again, the same.
    assert_eq!(visit(&mut house, &first).token, second.token);
    house.restart();
    assert_eq!(visit(&mut house, &first).token, second.token);
    assert_eq!(visit(&mut house, &second).token, second.token);
    house.restart();
    assert_eq!(visit(&mut house, &second).token, second.token);
    house.pass(WEEK);
    assert_ne!(visit(&mut house, &second).token, second.token);
}

#[test]
fn a_token_that_was_replaced_ends_the_device_and_everybody_on_it_is_told() {
    let mut house = House::new();
    let first = account(&mut house);
    house.pass(WEEK);
    let second = visit(&mut house, &first);
    let ana = house.client("ana", None, Some(second.clone()));
    house.pass(Duration::from_secs(61));
    house.source = Source::V4([10, 9, 9, 9]);
    let thief = house.client("ana", None, Some(first));
    assert_eq!(house.refused(thief), Some("token-unknown"));
    assert!(house.reported.iter().any(|event| matches!(event, Event::TokenReused { .. })));
    let told = format!("{:?}", house.ends[ana].events.last());
    assert!(told.contains("somebody may have copied it"), "{told}");
    house.restart();
    house.pass(Duration::from_secs(10));
    assert_eq!(house.refused(ana), Some("token-unknown"), "whoever has the newer one is out as well");
    assert!(house.store.accounts.values().all(|account| account.devices.is_empty()));
}

#[test]
fn a_token_that_was_replaced_long_ago_is_still_known_for_what_it_is() {
    let mut house = House::new();
    let first = account(&mut house);
    let mut latest = first.clone();
    for _ in 0..3 {
        house.pass(WEEK);
        latest = visit(&mut house, &latest);
        latest = visit(&mut house, &latest);
    }
    house.restart();
    house.source = Source::V4([10, 9, 9, 9]);
    let thief = house.client("ana", None, Some(first));
    assert_eq!(house.refused(thief), Some("token-unknown"));
    assert!(house.reported.iter().any(|event| matches!(event, Event::TokenReused { .. })));
}

#[test]
fn a_program_that_comes_a_moment_late_with_the_old_token_is_given_the_next() {
    let mut house = House::new();
    let first = account(&mut house);
    house.pass(WEEK);
    let second = visit(&mut house, &first);
    assert_eq!(visit(&mut house, &second).token, second.token);
    house.pass(Duration::from_secs(30));
    assert_eq!(visit(&mut house, &first).token, second.token);
    assert!(!house.reported.iter().any(|event| matches!(event, Event::TokenReused { .. })));
}

#[test]
fn who_does_not_keep_what_it_is_given_keeps_its_token() {
    let mut house = House::new();
    let session = account(&mut house);
    house.keeps_tokens = false;
    for _ in 0..10 {
        house.pass(WEEK);
        assert_eq!(visit(&mut house, &session).token, session.token);
    }
}

#[test]
fn no_cut_or_crash_locks_an_honest_client_out() {
    // At each step: how many answers of storage come before the server dies, and whether the client lives to write down.
    for answers in 0..3 {
        for writes_down in [false, true] {
            let mut house = House::new();
            let mut kept = account(&mut house);
            for _ in 0..6 {
                house.pass(WEEK);
                house.prompt = false;
                let end = house.client("ana", None, Some(kept.clone()));
                for _ in 0..answers {
                    house.answer_one();
                    house.settle();
                }
                if writes_down && let Some(session) = house.ends[end].client.saved() {
                    kept = session;
                }
                leave(&mut house, end);
                // What was asked of storage may be done although nobody heard of it.
                house.prompt = true;
                house.settle();
                house.restart();
            }
            assert!(visit(&mut house, &kept).is_account);
            assert!(!house.reported.iter().any(|event| matches!(event, Event::TokenReused { .. })));
        }
    }
}
