//! The server does what the model does, operation by operation (invariant I12).
#![allow(missing_docs)]

use std::time::Duration;

use palabre_core::{
    config::Registration,
    limits::Limits,
    time::{Now, WallTime},
};
use proptest::prelude::*;

use palabre_tests::model::{
    ConnectionKey, Divergence, Lockstep, Name, Operation, Password, Rules, Speech, Word, operations,
};

const ANA: Name = Name(0);
const BOB: Name = Name(1);
const ONE: Name = Name(1);
const HELLO: Speech = Speech::Post { room: 0, nonce: None, kind: 1, text: 0 };

/// Changes among members are collected for less (W1).
const SETTLED_AFTER: Duration = Duration::from_millis(50);

/// Small enough that a few clients meet every limit.
fn small() -> Limits {
    Limits {
        clients_max: 3,
        queue_max: 2,
        text_bytes_max: 64,
        topic_bytes_max: 40,
        user_rooms_max: 3,
        user_directs_max: 2,
        page_events_max: 4,
        page_bytes_max: 200,
        catch_up_bytes_max: 100,
        members_page_max: 2,
        rooms_page_max: 2,
        rooms_created_max: u32::MAX,
        devices_max: 3,
        devices_connected_max: 2,
        device_kept: Duration::from_secs(1_000),
        standings_max: 4,
        standings_page_max: 2,
        ..often()
    }
}

/// Any source may make accounts and log in as often as it likes.
fn often() -> Limits {
    Limits {
        logins_max: u32::MAX,
        source_failures_free: u32::MAX,
        registrations_max: u32::MAX,
        ..Limits::default()
    }
}

/// A server with these limits and both kinds of users.
fn server(limits: Limits) -> Result<Lockstep, Divergence> {
    Lockstep::new(open_to_all(limits), SETTLED_AFTER)
}

const fn open_to_all(limits: Limits) -> Rules {
    Rules { limits, registration: Registration::Open }
}

/// Half of the runs that are asked for: those with accounts take several times as long as those without.
fn config() -> ProptestConfig {
    let asked = ProptestConfig::default();
    ProptestConfig { cases: asked.cases / 2, failure_persistence: None, ..asked }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn the_server_does_what_the_model_does(operations in operations(60)) {
        run(small(), SETTLED_AFTER, &operations)?;
    }

    #[test]
    fn it_does_so_where_changes_are_left_out_and_no_events_are_at_hand(operations in operations(60)) {
        let limits = Limits {
            clients_max: 2,
            queue_max: 1,
            presence_members_max: 1,
            recent_room_bytes_max: 0,
            recent_bytes_max: 0,
            ..small()
        };
        run(limits, Duration::from_millis(1_500), &operations)?;
    }
}

fn run(limits: Limits, settled_after: Duration, operations: &[Operation]) -> Result<(), TestCaseError> {
    let result =
        Lockstep::new(open_to_all(limits), settled_after).and_then(|mut lockstep| lockstep.run(operations));
    result.map_err(|divergence| TestCaseError::fail(divergence.to_string()))
}

/// Two users who follow `#one`.
fn two_in_a_room() -> Result<(Lockstep, ConnectionKey), Divergence> {
    let mut lockstep = server(often())?;
    for nick in [BOB, ANA] {
        let at = lockstep.greet_with(&Speech::Guest(nick))?;
        lockstep.speak(at, &Speech::Join(ONE, None))?;
        if nick == ANA {
            return Ok((lockstep, at));
        }
    }
    unreachable!("the second is ana")
}

#[test]
fn posts_over_credit_are_read_as_credit_comes_back() -> Result<(), Divergence> {
    let (mut lockstep, ana) = two_in_a_room()?;
    lockstep.speak_unheard(ana, &vec![HELLO; 10 + 32], true);
    lockstep.settle(Duration::from_secs(30), true)
}

#[test]
fn the_33rd_post_over_credit_ends_the_connection() -> Result<(), Divergence> {
    let (mut lockstep, ana) = two_in_a_room()?;
    lockstep.speak(ana, &Speech::Part(0))?;
    lockstep.speak_unheard(ana, &vec![HELLO; 10 + 33], true);
    lockstep.settle(Duration::from_secs(30), true)
}

/// A guest is lost for 300 s of 600; then the server restarts while the wall clock shows something else.
fn lost_over_a_leap(leap: impl Fn(WallTime) -> WallTime) -> Result<Lockstep, Divergence> {
    let mut lockstep = server(often())?;
    lockstep.perform(&Operation::Enter(ANA))?;
    lockstep.perform(&Operation::Cut(0))?;
    lockstep.perform(&Operation::Sleep { millis: 300_000, answering: true })?;
    let Now { monotonic, wall } = lockstep.now();
    lockstep.restart_at(Now { monotonic, wall: leap(wall) }, None)?;
    Ok(lockstep)
}

#[test]
fn a_wall_clock_that_went_back_takes_no_time_from_a_lost_guest() -> Result<(), Divergence> {
    let hour_back = |wall: WallTime| WallTime::from_millis(wall.as_millis() - 3_600_000);
    lost_over_a_leap(hour_back)?.perform(&Operation::Return(0))?;
    let mut lockstep = lost_over_a_leap(hour_back)?;
    lockstep.perform(&Operation::Sleep { millis: 601_000, answering: true })?;
    lockstep.perform(&Operation::Return(0))
}

#[test]
fn a_wall_clock_that_leapt_by_31_days_takes_no_time_from_a_lost_guest() -> Result<(), Divergence> {
    let month_on = |wall: WallTime| wall.after(Duration::from_secs(31 * 24 * 3_600));
    lost_over_a_leap(month_on)?.perform(&Operation::Return(0))?;
    let mut lockstep = lost_over_a_leap(month_on)?;
    lockstep.perform(&Operation::Sleep { millis: 601_000, answering: true })?;
    lockstep.perform(&Operation::Return(0))
}

#[test]
fn one_who_has_waited_long_enters_when_a_place_frees() -> Result<(), Divergence> {
    let mut lockstep = server(small())?;
    (0..4).try_for_each(|number| lockstep.perform(&Operation::Enter(Name(number))))?;
    lockstep.perform(&Operation::Sleep { millis: 20_000, answering: true })?;
    lockstep.perform(&Operation::Cut(0))
}

#[test]
fn one_who_has_waited_for_hours_enters_when_a_place_frees() -> Result<(), Divergence> {
    let mut lockstep = server(small())?;
    (0..4).try_for_each(|number| lockstep.perform(&Operation::Enter(Name(number))))?;
    lockstep.perform(&Operation::Sleep { millis: 7_200_000, answering: true })?;
    lockstep.perform(&Operation::Cut(0))
}

#[test]
fn one_who_waits_enters_when_another_falls_silent() -> Result<(), Divergence> {
    let mut lockstep = server(small())?;
    (0..3).try_for_each(|number| lockstep.perform(&Operation::Enter(Name(number))))?;
    lockstep.perform(&Operation::Sleep { millis: 50_000, answering: false })?;
    lockstep.perform(&Operation::Enter(Name(3)))?;
    lockstep.perform(&Operation::Sleep { millis: 75_000, answering: false })
}

#[test]
fn a_second_restart_counts_on_from_the_first() -> Result<(), Divergence> {
    let mut lockstep = server(small())?;
    lockstep.perform(&Operation::Enter(ANA))?;
    for seconds in [1, 700] {
        lockstep.perform(&Operation::Restart { orderly: false, seconds, trimmed: None })?;
    }
    lockstep.perform(&Operation::Return(0))
}

#[test]
fn one_who_is_cut_while_waiting_to_come_back_is_kept_from_then() -> Result<(), Divergence> {
    let mut lockstep = server(small())?;
    lockstep.perform(&Operation::Enter(Name(0)))?;
    lockstep.perform(&Operation::Cut(0))?;
    (1..4).try_for_each(|number| lockstep.perform(&Operation::Enter(Name(number))))?;
    lockstep.perform(&Operation::Sleep { millis: 400_000, answering: true })?;
    lockstep.perform(&Operation::Return(0))?;
    lockstep.perform(&Operation::Cut(3))?;
    lockstep.perform(&Operation::Sleep { millis: 400_000, answering: true })?;
    lockstep.perform(&Operation::Return(0))
}

#[test]
fn one_who_is_turned_away_expires_when_it_would_have() -> Result<(), Divergence> {
    let limits = Limits { clients_max: 1, queue_max: 1, ..small() };
    let mut lockstep = server(limits)?;
    lockstep.perform(&Operation::Enter(Name(0)))?;
    lockstep.perform(&Operation::Cut(0))?;
    (1..3).try_for_each(|number| lockstep.perform(&Operation::Enter(Name(number))))?;
    lockstep.perform(&Operation::Sleep { millis: 400_000, answering: true })?;
    lockstep.perform(&Operation::Return(0))?;
    (0..2).try_for_each(|_| lockstep.perform(&Operation::Cut(0)))?;
    lockstep.perform(&Operation::Sleep { millis: 400_000, answering: true })?;
    lockstep.perform(&Operation::Return(0))
}

/// `ana`, an account, owns `#one`; `bob`, a guest, is a member of it, too.
fn owned() -> Result<(Lockstep, ConnectionKey, ConnectionKey), Divergence> {
    let mut lockstep = server(often())?;
    lockstep.perform(&Operation::Register(ANA, Password(0)))?;
    lockstep.perform(&Operation::Enter(BOB))?;
    let (ana, bob) = (ConnectionKey(0), ConnectionKey(1));
    for at in [ana, bob] {
        lockstep.speak(at, &Speech::Join(ONE, None))?;
    }
    Ok((lockstep, ana, bob))
}

/// The owner of `#one` does something to `bob`.
const fn act(act: u8, seconds: Option<u8>) -> Speech {
    Speech::Govern { room: 0, act, name: BOB, seconds }
}

const KICK: u8 = 7;
const BAN: u8 = 8;
const MUTE: u8 = 10;

#[test]
fn an_account_comes_back_by_its_password_and_by_the_token_of_each_device() -> Result<(), Divergence> {
    let mut lockstep = server(often())?;
    lockstep.perform(&Operation::Register(ANA, Password(0)))?;
    lockstep.perform(&Operation::LogIn(ANA, Word::Right))?;
    lockstep.perform(&Operation::LogIn(ANA, Word::Wrong))?;
    lockstep.perform(&Operation::LogIn(BOB, Word::Right))?;
    lockstep.perform(&Operation::Restart { orderly: true, seconds: 700, trimmed: None })?;
    lockstep.perform(&Operation::Return(0))?;
    lockstep.perform(&Operation::Return(1))
}

#[test]
fn another_password_ends_all_other_devices_and_refuses_the_one_before() -> Result<(), Divergence> {
    let mut lockstep = server(often())?;
    lockstep.perform(&Operation::Register(ANA, Password(0)))?;
    lockstep.perform(&Operation::LogIn(ANA, Word::Right))?;
    lockstep.perform(&Operation::ChangePassword(0, Password(1)))?;
    lockstep.perform(&Operation::Return(1))?;
    lockstep.perform(&Operation::LogIn(ANA, Word::Wrong))?;
    lockstep.perform(&Operation::LogIn(ANA, Word::Right))
}

#[test]
fn a_login_that_waits_for_a_place_fails_once_the_password_is_another() -> Result<(), Divergence> {
    let mut lockstep = server(small())?;
    lockstep.perform(&Operation::Register(ANA, Password(0)))?;
    (1..3).try_for_each(|number| lockstep.perform(&Operation::Enter(Name(number))))?;
    lockstep.perform(&Operation::LogIn(ANA, Word::Right))?;
    lockstep.perform(&Operation::ChangePassword(0, Password(1)))?;
    lockstep.perform(&Operation::Cut(1))
}

#[test]
fn the_name_of_who_is_about_to_be_an_account_is_taken_until_it_goes_away() -> Result<(), Divergence> {
    let mut lockstep = server(often())?;
    let ana = lockstep.greet_with(&Speech::Register(ANA, Password(0)))?;
    lockstep.perform(&Operation::Enter(ANA))?;
    lockstep.speak(ana, &Speech::Goodbye(1))?;
    lockstep.perform(&Operation::Enter(ANA))
}

#[test]
fn a_ban_ends_with_its_term_and_not_with_a_restart() -> Result<(), Divergence> {
    let (mut lockstep, ana, bob) = owned()?;
    lockstep.speak(ana, &act(BAN, Some(200)))?;
    lockstep.speak(bob, &Speech::Join(ONE, None))?;
    lockstep.perform(&Operation::Restart { orderly: false, seconds: 100, trimmed: None })?;
    lockstep.perform(&Operation::Return(1))?;
    lockstep.perform(&Operation::Speak(0, Speech::Join(ONE, None)))?;
    lockstep.perform(&Operation::Sleep { millis: 101_000, answering: true })?;
    lockstep.perform(&Operation::Speak(0, Speech::Join(ONE, None)))
}

#[test]
fn a_guest_that_comes_by_the_name_of_one_who_is_muted_is_muted() -> Result<(), Divergence> {
    let (mut lockstep, ana, bob) = owned()?;
    lockstep.speak(ana, &act(MUTE, None))?;
    lockstep.speak(bob, &Speech::Goodbye(0))?;
    let again = lockstep.greet_with(&Speech::Guest(BOB))?;
    lockstep.speak(again, &Speech::Join(ONE, None))?;
    lockstep.speak(again, &HELLO)
}

#[test]
fn who_is_kicked_hears_nothing_more_and_may_join_again() -> Result<(), Divergence> {
    let (mut lockstep, ana, bob) = owned()?;
    lockstep.speak(ana, &act(KICK, None))?;
    lockstep.speak(ana, &HELLO)?;
    lockstep.speak(bob, &Speech::Join(ONE, Some(0)))
}

#[test]
fn what_an_account_has_read_is_forgotten_with_its_membership() -> Result<(), Divergence> {
    let mut lockstep = server(often())?;
    for (number, name) in [ANA, BOB].into_iter().enumerate() {
        lockstep.perform(&Operation::Register(name, Password(0)))?;
        lockstep.speak(ConnectionKey(number), &Speech::Join(ONE, None))?;
    }
    let (ana, bob) = (ConnectionKey(0), ConnectionKey(1));
    lockstep.speak(ana, &HELLO)?;
    lockstep.speak(bob, &Speech::MarkRead(0, 1))?;
    lockstep.speak(ana, &act(KICK, None))?;
    lockstep.perform(&Operation::Return(1))?;
    lockstep.perform(&Operation::Restart { orderly: false, seconds: 1, trimmed: None })?;
    lockstep.perform(&Operation::Return(1))
}

#[test]
fn an_operator_governs_every_room_and_locks_the_server_down() -> Result<(), Divergence> {
    let mut lockstep = server(often())?;
    lockstep.perform(&Operation::Register(ANA, Password(0)))?;
    lockstep.perform(&Operation::Appoint(ANA))?;
    lockstep.perform(&Operation::Return(0))?;
    lockstep.perform(&Operation::Enter(BOB))?;
    for (who, room) in [(1, 1), (1, 2), (0, 1)] {
        lockstep.perform(&Operation::Speak(who, Speech::Join(Name(room), None)))?;
    }
    // The rooms of ana, ascending by id: the operators' first.
    lockstep
        .perform(&Operation::Speak(0, Speech::Govern { room: 1, act: MUTE, name: BOB, seconds: None }))?;
    let locked = Speech::SetMode { room: 0, flags: 3 + 27, slow: None };
    lockstep.perform(&Operation::Speak(0, locked))?;
    lockstep.perform(&Operation::Speak(1, Speech::Post { room: 1, nonce: None, kind: 1, text: 0 }))?;
    lockstep.perform(&Operation::Enter(Name(2)))?;
    lockstep.perform(&Operation::Register(Name(3), Password(0)))?;
    lockstep.perform(&Operation::Speak(0, Speech::Govern { room: 0, act: BAN, name: BOB, seconds: None }))?;
    lockstep.perform(&Operation::Return(1))
}
