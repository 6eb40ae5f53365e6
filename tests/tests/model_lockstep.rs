//! The server does what the model does, operation by operation (invariant I12).
#![allow(missing_docs)]

use std::time::Duration;

use palabre_core::{
    limits::Limits,
    time::{Now, WallTime},
};
use proptest::prelude::*;

use palabre_tests::model::{ConnectionKey, Divergence, Lockstep, Name, Operation, Speech, operations};

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
        ..Limits::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

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
    let result = Lockstep::new(limits, settled_after).and_then(|mut lockstep| lockstep.run(operations));
    result.map_err(|divergence| TestCaseError::fail(divergence.to_string()))
}

/// Two users who follow `#one`.
fn two_in_a_room() -> Result<(Lockstep, ConnectionKey), Divergence> {
    let mut lockstep = Lockstep::new(Limits::default(), SETTLED_AFTER)?;
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
    let mut lockstep = Lockstep::new(Limits::default(), SETTLED_AFTER)?;
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
    let mut lockstep = Lockstep::new(small(), SETTLED_AFTER)?;
    (0..4).try_for_each(|number| lockstep.perform(&Operation::Enter(Name(number))))?;
    lockstep.perform(&Operation::Sleep { millis: 20_000, answering: true })?;
    lockstep.perform(&Operation::Cut(0))
}

#[test]
fn one_who_has_waited_for_hours_enters_when_a_place_frees() -> Result<(), Divergence> {
    let mut lockstep = Lockstep::new(small(), SETTLED_AFTER)?;
    (0..4).try_for_each(|number| lockstep.perform(&Operation::Enter(Name(number))))?;
    lockstep.perform(&Operation::Sleep { millis: 7_200_000, answering: true })?;
    lockstep.perform(&Operation::Cut(0))
}

#[test]
fn one_who_waits_enters_when_another_falls_silent() -> Result<(), Divergence> {
    let mut lockstep = Lockstep::new(small(), SETTLED_AFTER)?;
    (0..3).try_for_each(|number| lockstep.perform(&Operation::Enter(Name(number))))?;
    lockstep.perform(&Operation::Sleep { millis: 50_000, answering: false })?;
    lockstep.perform(&Operation::Enter(Name(3)))?;
    lockstep.perform(&Operation::Sleep { millis: 75_000, answering: false })
}

#[test]
fn a_second_restart_counts_on_from_the_first() -> Result<(), Divergence> {
    let mut lockstep = Lockstep::new(small(), SETTLED_AFTER)?;
    lockstep.perform(&Operation::Enter(ANA))?;
    for seconds in [1, 700] {
        lockstep.perform(&Operation::Restart { orderly: false, seconds, trimmed: None })?;
    }
    lockstep.perform(&Operation::Return(0))
}

#[test]
fn one_who_is_cut_while_waiting_to_come_back_is_kept_from_then() -> Result<(), Divergence> {
    let mut lockstep = Lockstep::new(small(), SETTLED_AFTER)?;
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
    let mut lockstep = Lockstep::new(limits, SETTLED_AFTER)?;
    lockstep.perform(&Operation::Enter(Name(0)))?;
    lockstep.perform(&Operation::Cut(0))?;
    (1..3).try_for_each(|number| lockstep.perform(&Operation::Enter(Name(number))))?;
    lockstep.perform(&Operation::Sleep { millis: 400_000, answering: true })?;
    lockstep.perform(&Operation::Return(0))?;
    (0..2).try_for_each(|_| lockstep.perform(&Operation::Cut(0)))?;
    lockstep.perform(&Operation::Sleep { millis: 400_000, answering: true })?;
    lockstep.perform(&Operation::Return(0))
}
