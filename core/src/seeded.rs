//! Seeded bugs: mistakes at the places where rules stand, to test the tests with. None is compiled unless asked for.
//!
//! `if crate::seeded_bug!("name") { … }` stands beside the rule that it breaks and is a constant `false` in every
//! ordinary build. `--cfg seeded_bug="name"` compiles one mistake in; `--cfg seeded_bug="any"` all of them, of which
//! `plant` chooses one at run time, so that one build serves them all. `.ci/nightly seeded-bugs` has the simulated
//! world find each (`docs/TESTING.md`, "Seeded bugs").

/// A mistake that the simulated world must find.
#[derive(Clone, Copy, Debug)]
pub struct SeededBug {
    /// What is wrong.
    pub name: &'static str,
    /// The file it stands in.
    pub file: &'static str,
    /// The rule that it breaks.
    pub rule: &'static str,
    /// How many events the simulated world needs in a run to get that far.
    pub events: u64,
    /// Whether it is the world of files that must find it.
    pub in_files: bool,
}

const fn bug(name: &'static str, file: &'static str, rule: &'static str, events: u64) -> SeededBug {
    SeededBug { name, file, rule, events, in_files: false }
}

const fn file_bug(name: &'static str, file: &'static str, rule: &'static str) -> SeededBug {
    SeededBug { name, file, rule, events: 1_000, in_files: true }
}

/// All of them. A mistake that is not listed here does not compile.
pub const SEEDED_BUGS: &[SeededBug] = &[
    file_bug(
        "window-checked-for-zero-only",
        "core/src/transfer/receive.rs",
        "`Data` past the limit is an error (U4)",
    ),
    file_bug(
        "journal-before-sync",
        "core/src/server/files/data.rs",
        "what is told to be durable survives a crash (U6)",
    ),
    file_bug("content-of-anybody", "core/src/server/files/put.rs", "nobody learns what others have (U15)"),
    file_bug("put-counted-for-ever", "core/src/server/files/put.rs", "what is stored counts once (U10)"),
    file_bug("quota-kept-on-abort", "core/src/server/files/mod.rs", "what ended counts no more (U10)"),
    file_bug(
        "resumed-by-size",
        "core/src/server/files/upload.rs",
        "an upload goes on behind what is durable (U4)",
    ),
    file_bug(
        "reopened-while-journaling",
        "core/src/server/files/upload.rs",
        "what was lost with an older handle is not counted as there (U6)",
    ),
    bug(
        "acknowledged-before-commit",
        "core/src/server/post.rs",
        "`Posted` says that it is durable (P1)",
        2_000,
    ),
    bug(
        "repeat-not-acknowledged",
        "core/src/server/post.rs",
        "a post that is stored is answered with the `Posted` of then (P6)",
        2_000,
    ),
    bug(
        "unanswered-not-resent",
        "core/src/client/outbox.rs",
        "a client resends what was not answered (P7)",
        2_000,
    ),
    bug(
        "failed-repeat-refused",
        "core/src/server/post.rs",
        "a refused post is certainly not stored (P10)",
        2_000,
    ),
    bug(
        "nonce-window-one-too-small",
        "tests/src/store/tables.rs",
        "a nonce is unique for 7 days, however many follow (P6)",
        2_000,
    ),
    bug(
        "number-given-again-after-crash",
        "tests/src/store/tables.rs",
        "events are numbered without holes, each once (P4)",
        2_000,
    ),
    bug("id-given-again-after-crash", "tests/src/store/tables.rs", "names come back, ids never (E4)", 2_000),
    bug(
        "newest-before-missed",
        "core/src/server/deliver.rs",
        "events flow in ascending order, also to a slow reader (C1, C2)",
        2_000,
    ),
    bug(
        "live-one-event-early",
        "core/src/server/catch_up.rs",
        "a reader that catches up misses nothing (C1, C5)",
        2_000,
    ),
    bug(
        "page-of-an-old-cursor",
        "core/src/server/catch_up.rs",
        "a cursor set anew is served from where it was set (C1)",
        2_000,
    ),
    bug(
        "told-again-after-reconnect",
        "core/src/client/rooms.rs",
        "a reconnecting client gets nothing twice (C5)",
        2_000,
    ),
    bug(
        "page-overlaps",
        "core/src/server/read.rs",
        "a page has events before the number asked for (H1)",
        2_000,
    ),
    bug(
        "resumed-one-byte-early",
        "core/src/connection/outbound.rs",
        "what was sent is not sent again (F1)",
        2_000,
    ),
    bug("longest-frame-refused", "core/src/wire/frame.rs", "a frame as long as the cap is taken (F2)", 2_000),
    bug("longest-text-refused", "core/src/text.rs", "a text as long as the limit is taken (P2)", 2_000),
    bug(
        "outbound-kept-after-reset",
        "core/src/client/link.rs",
        "a new connection begins with `Hello` (V1)",
        2_000,
    ),
    bug(
        "inbound-kept-after-reset",
        "core/src/client/link.rs",
        "a new connection begins with a frame (F1)",
        2_000,
    ),
    bug(
        "deadlines-by-the-wall-clock",
        "core/src/server/mod.rs",
        "deadlines are in monotonic time (contract, rule 1)",
        2_000,
    ),
    bug(
        "connected-guest-expires-at-restart",
        "core/src/server/recover.rs",
        "a restart leaves a connected guest its whole time (E8)",
        2_000,
    ),
    bug(
        "joined-after-leaving",
        "core/src/server/join.rs",
        "a join still being written when one leaves is refused (R5)",
        10_000,
    ),
    bug(
        "cursor-kept-after-part",
        "core/src/server/join.rs",
        "no events of a room reach one who left it (R5)",
        2_000,
    ),
    bug(
        "answered-whoever-has-the-slot",
        "core/src/server/peers.rs",
        "storage's answer is for the connection that asked, or nobody (K1)",
        2_000,
    ),
    bug(
        "generation-ignored",
        "core/src/connection/table.rs",
        "calls with the id of a connection that ended do nothing (contract, rule 5)",
        2_000,
    ),
    bug(
        "place-never-freed",
        "core/src/server/close.rs",
        "a place that frees goes to whoever waits (E9)",
        2_000,
    ),
    bug(
        "pause-never-ends",
        "core/src/server/peers.rs",
        "requests are read again when others were answered (K1)",
        2_000,
    ),
    bug(
        "credit-announced-beyond-level",
        "core/src/connection/credit.rs",
        "who keeps to the credit announced has it (P8)",
        2_000,
    ),
    bug(
        "shared-memory-kept",
        "core/src/server/peers.rs",
        "a connection's memory is given back when it ends (contract, rule 8)",
        2_000,
    ),
    bug(
        "sent-but-not-saved",
        "core/src/client/mod.rs",
        "a post is written down before it is sent (P7)",
        2_000,
    ),
    bug(
        "kicked-only-when-stored",
        "core/src/server/govern.rs",
        "a right that is taken is taken from submission on (G2)",
        10_000,
    ),
    bug(
        "cursor-kept-after-kick",
        "core/src/server/govern.rs",
        "no events of a room reach one who was put out of it (G6)",
        10_000,
    ),
    bug(
        "private-room-joined-uninvited",
        "core/src/server/rights.rs",
        "a private room is joined by who is invited (G3)",
        10_000,
    ),
    bug(
        "muted-still-posts",
        "core/src/server/rights.rs",
        "no event of an author follows the one that took its right (G2)",
        10_000,
    ),
    bug(
        "anybody-deletes",
        "core/src/server/rights.rs",
        "a message is deleted by its author and by moderators (N3)",
        10_000,
    ),
    bug(
        "deleted-text-at-hand",
        "core/src/server/deliver.rs",
        "a deleted text reaches nobody after its deletion (N4)",
        10_000,
    ),
    bug(
        "searched-without-membership",
        "core/src/server/search.rs",
        "only what the asker may read is found (S1)",
        2_000,
    ),
    bug(
        "shut-out-stays-connected",
        "core/src/server/operators.rs",
        "the connections of who is banned from the server end (O3)",
        10_000,
    ),
    bug(
        "spoken-in-lockdown",
        "core/src/server/operators.rs",
        "while the server is read-only, only operators post (O4)",
        10_000,
    ),
    bug(
        "act-not-noted",
        "core/src/server/operators.rs",
        "every act stands in the operators' log as well (O5)",
        10_000,
    ),
];

/// The place of a bug in the list.
///
/// # Panics
/// If it is not there: when it is compiled.
#[doc(hidden)]
#[must_use]
pub const fn place_of(name: &str) -> usize {
    let mut place = 0;
    while place < SEEDED_BUGS.len() {
        if is_same(SEEDED_BUGS[place].name.as_bytes(), name.as_bytes()) {
            return place;
        }
        place += 1;
    }
    panic!("a seeded bug is listed in core/src/seeded.rs")
}

const fn is_same(one: &[u8], other: &[u8]) -> bool {
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}

/// Whether a mistake is to be made here: never, in an ordinary build.
#[cfg(not(seeded_bug = "any"))]
#[macro_export]
macro_rules! seeded_bug {
    ($name:literal) => {{
        const _: usize = $crate::seeded::place_of($name);
        cfg!(seeded_bug = $name)
    }};
}

/// Whether a mistake is to be made here: if it is the one that was planted.
#[cfg(seeded_bug = "any")]
#[macro_export]
macro_rules! seeded_bug {
    ($name:literal) => {
        $crate::seeded::is_planted(const { $crate::seeded::place_of($name) })
    };
}

#[cfg(seeded_bug = "any")]
mod planted {
    use core::sync::atomic::{AtomicUsize, Ordering};

    static PLANTED: AtomicUsize = AtomicUsize::new(usize::MAX);

    /// From now on this mistake is made, and no other; or none.
    pub fn plant(bug: Option<&super::SeededBug>) {
        let place = bug.map_or(usize::MAX, |bug| super::place_of(bug.name));
        PLANTED.store(place, Ordering::Relaxed);
    }

    #[doc(hidden)]
    #[must_use]
    pub fn is_planted(place: usize) -> bool {
        PLANTED.load(Ordering::Relaxed) == place
    }
}
#[cfg(seeded_bug = "any")]
pub use self::planted::{is_planted, plant};
