//! The server does what the model does, operation by operation (invariant I12).
#![allow(missing_docs)]

use std::time::Duration;

use palabre_core::{limits::Limits, time::Now};
use proptest::prelude::*;

#[path = "../src/model/mod.rs"]
pub mod model;

use model::{Breakage, Divergence, Lockstep, Name, Operation, Speech, operations};

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
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn the_server_does_what_the_model_does(operations in operations(60)) {
        run(small(), &operations)?;
    }

    #[test]
    fn so_it_does_where_rooms_are_too_large_to_tell_changes_and_nothing_is_kept_at_hand(
        operations in operations(60),
    ) {
        let limits = Limits { presence_members_max: 1, recent_room_bytes_max: 0, recent_bytes_max: 0, ..small() };
        run(limits, &operations)?;
    }
}

fn run(limits: Limits, operations: &[Operation]) -> Result<(), TestCaseError> {
    Lockstep::new(limits).run(operations).map_err(|divergence| TestCaseError::fail(divergence.to_string()))
}
