//! Every limit, in one place. Units stand last in the name; where a number comes from stands beside it.

use core::time::Duration;

use crate::{
    name::{NICK_BYTES_MAX, ROOM_NAME_BYTES_MAX},
    transfer::FILE_NAME_BYTES_MAX,
    wire::{self, DATA_BYTES_MAX, FRAME_BYTES_MAX, FRAMES_BEFORE_READY_MAX},
};

/// The limits a server holds itself and its peers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// From being accepted to being protected (T4).
    pub securing_max: Duration,
    /// From connecting to having entered or waiting (OpenSSH: 120 s; we have no person at the keyboard yet).
    pub entering_max: Duration,
    /// Frames before `Ready` (`PROTOCOL.md` F8).
    pub frames_before_ready_max: u32,
    /// Connections that have not entered, past which some are dropped at random (OpenSSH `MaxStartups`).
    pub entering_free: u32,
    /// Connections that have not entered, past which all are dropped.
    pub entering_full: u32,
    /// Connections from one source at once (Ergo: 16).
    pub source_connections_max: u32,
    /// New connections from one source within [`Self::source_window`] (Ergo: 32).
    pub source_connects_max: u32,
    /// Over how long connects are counted.
    pub source_window: Duration,
    /// How many sources are remembered.
    pub sources_max: usize,
    /// Whether connections from this machine are counted by source.
    pub loopback_exempt: bool,
    /// Users who are connected and have entered.
    pub clients_max: u32,
    /// Users who wait for a place.
    pub queue_max: u32,

    /// Posts at once.
    pub post_burst: u64,
    /// Posts a second after that; 0 for no limit to posts and their bytes.
    pub posts_per_second: u64,
    /// Bytes of text at once. At least one whole text.
    pub post_burst_bytes: u64,
    /// Bytes of text a second after that.
    pub post_bytes_per_second: u64,
    /// How many posts over credit a connection may send before it is closed (P8).
    pub overdraft_posts_max: u32,
    /// How often credit is announced while it refills.
    pub credit_interval: Duration,
    /// Posts of one connection on their way to storage (P11).
    pub posts_in_flight_max: u32,
    /// Bytes of their texts.
    pub posts_in_flight_bytes_max: usize,
    /// Requests at once (K1).
    pub request_burst: u64,
    /// Requests a second after that; 0 for no limit.
    pub requests_per_second: u64,
    /// Requests of one connection that are unanswered (K1).
    pub requests_in_flight_max: u32,
    /// Rooms one connection may create.
    pub rooms_created_max: u32,

    /// What each connection may have waiting to be sent.
    pub outbound_own_bytes: usize,
    /// What it may have waiting beyond that, while the shared part lasts.
    pub outbound_extra_bytes_max: usize,
    /// The shared part.
    pub outbound_shared_bytes_max: usize,
    /// A peer that takes nothing for so long is closed (K3, *too-slow*).
    pub stalled_max: Duration,
    /// Recent events of one room kept at hand.
    pub recent_room_bytes_max: usize,
    /// Recent events of all rooms kept at hand.
    pub recent_bytes_max: usize,
    /// How long a closed connection may take to send what remains.
    pub linger_max: Duration,
    /// How long a server that shuts down waits for its clients to take what remains.
    pub drain_max: Duration,

    /// Silence after which a peer is asked (K2).
    pub silence_max: Duration,
    /// Silence after which a peer is given up (K2).
    pub silence_end: Duration,
    /// How long a lost guest is kept (E6).
    pub guest_kept: Duration,
    /// How long the token of an account's device is good for after it was used last (A7).
    pub device_kept: Duration,
    /// How old the token of a device becomes before another takes its place (A13).
    pub token_renewed_after: Duration,
    /// How long a token is still taken that was replaced: another program on the same machine may be about to use it.
    pub token_grace: Duration,
    /// Passwords being checked that were sent as they are (A15); more are refused.
    pub verifications_max: u32,
    /// Invitations whose uses are remembered.
    pub invitations_max: usize,
    /// Devices of one account (A10).
    pub devices_max: usize,
    /// Devices of one account connected at a time (A8).
    pub devices_connected_max: usize,
    /// Failed logins of one connection, after which it is closed (A5).
    pub logins_failed_max: u32,
    /// Logins with one name from one source in [`login_window`](Self::login_window) (A5).
    pub logins_max: u32,
    /// See [`logins_max`](Self::logins_max).
    pub login_window: Duration,
    /// Failed logins of one source, after which each further one costs it a wait: the first
    /// [`source_penalty_min`](Self::source_penalty_min), each twice as long as the one before.
    pub source_failures_free: u32,
    /// See [`source_failures_free`](Self::source_failures_free).
    pub source_penalty_min: Duration,
    /// The longest such wait.
    pub source_penalty_max: Duration,
    /// Accounts made from one source in [`registration_window`](Self::registration_window) (A3).
    pub registrations_max: u32,
    /// See [`registrations_max`](Self::registrations_max).
    pub registration_window: Duration,
    /// Challenges of one connection: each costs the server half a millisecond.
    pub challenges_max: u32,

    /// Text of a post (P2).
    pub text_bytes_max: usize,
    /// Topic (P2).
    pub topic_bytes_max: usize,
    /// Named rooms of one user (R7).
    pub user_rooms_max: usize,
    /// Direct conversations of one user (R7).
    pub user_directs_max: usize,
    /// Rooms on the server.
    pub rooms_max: usize,
    /// Events of a history page (H1).
    pub page_events_max: u32,
    /// Users of a room of whom something is particular: roles, invitations, bans, mutes (G2).
    pub standings_max: usize,
    /// Users whose last message a slow room remembers (G3).
    pub slowed_users_max: usize,
    /// The longest wait between two messages that a room may ask for, in seconds (G3).
    pub slow_seconds_max: u32,
    /// Standings of a page (G8).
    pub standings_page_max: usize,
    /// Texts and names of a history page; with what surrounds them it must fit into a frame.
    pub page_bytes_max: u32,
    /// Hits of a page of what was searched for (S4).
    pub search_hits_max: u32,
    /// Texts and names that are read back from storage for one reader at a time.
    pub catch_up_bytes_max: u32,
    /// How many readers are read for from storage at a time.
    pub catch_ups_max: usize,
    /// How long until storage is asked again after it failed to read.
    pub read_again: Duration,
    /// Members of a page (R8).
    pub members_page_max: usize,
    /// Rooms of a page (R8).
    pub rooms_page_max: usize,
    /// Members of a room up to which changes are told one by one (W2).
    pub presence_members_max: usize,
    /// Changes of a room that are remembered for slow readers (W2).
    pub presence_changes_max: usize,
    /// How long changes are collected before they are told; in larger rooms, fifty times as long.
    pub presence_interval: Duration,
    /// The operator's manual: it must fit into a frame.
    pub manual_bytes_max: usize,
    /// Frames of one connection handled in one call; the rest waits for the next (contract rule 7).
    pub frames_per_call_max: u32,

    /// The largest file (U10).
    pub file_bytes_max: u64,
    /// How long files are kept (U16); for ever, where that is not said.
    pub file_kept: Option<Duration>,
    /// What one user may have stored and announced (U10).
    pub user_files_bytes_max: u64,
    /// How many files one user may have stored and announced (U10).
    pub user_files_max: u64,
    /// Transfers of one connection at once (U10).
    pub transfers_max: usize,
    /// Uploads of one user that are not files yet.
    pub uploads_max: usize,
    /// What a sender may have on its way at first (quinn: 1.25 MB).
    pub window_bytes: u64,
    /// To what that grows where it holds a fast sender up.
    pub window_bytes_max: u64,
    /// What all senders together may have on their way,
    pub windows_bytes_max: u64,
    /// and what the uploads of one user may: idle ones take nothing from others.
    pub user_windows_bytes_max: u64,
    /// An upload is made durable each time that so much more of it was written,
    pub checkpoint_bytes: u64,
    /// or, if anything was, after this time.
    pub checkpoint_interval: Duration,
    /// How much of an upload may be sent beyond what is durable.
    pub undurable_bytes_max: u64,
    /// How long an upload is kept that nobody goes on with (U9).
    pub upload_kept: Duration,
    /// What is reserved at a time for an upload of unknown size.
    pub reserved_step_bytes: u64,
    /// What is read from the disk at a time for a download; as much again is read ahead.
    pub read_bytes: u32,
    /// Content is put into a connection's buffer while less than this waits in it (U14).
    pub bulk_bytes_max: usize,
    /// Files of a page (U12).
    pub files_page_max: u32,
    /// Names of a page of files; with what surrounds them they must fit into a frame.
    pub files_page_bytes_max: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            securing_max: Duration::from_secs(5),
            entering_max: Duration::from_secs(15),
            frames_before_ready_max: FRAMES_BEFORE_READY_MAX,
            entering_free: 32,
            entering_full: 256,
            source_connections_max: 16,
            source_connects_max: 60,
            source_window: Duration::from_secs(600),
            sources_max: 4_096,
            loopback_exempt: true,
            clients_max: 2_000,
            queue_max: 100,

            post_burst: 10,
            posts_per_second: 5,
            post_burst_bytes: 65_536,
            post_bytes_per_second: 32_768,
            overdraft_posts_max: 32,
            credit_interval: Duration::from_millis(200),
            posts_in_flight_max: 256,
            posts_in_flight_bytes_max: 1 << 20,
            request_burst: 100,
            requests_per_second: 20,
            requests_in_flight_max: 64,
            rooms_created_max: 16,

            outbound_own_bytes: 16 << 10,
            outbound_extra_bytes_max: 1 << 20,
            outbound_shared_bytes_max: 128 << 20,
            stalled_max: Duration::from_secs(60),
            recent_room_bytes_max: 1 << 20,
            recent_bytes_max: 64 << 20,
            linger_max: Duration::from_secs(5),
            drain_max: Duration::from_secs(10),

            silence_max: Duration::from_secs(60),
            silence_end: Duration::from_secs(120),
            guest_kept: Duration::from_secs(600),
            device_kept: Duration::from_secs(90 * 24 * 3_600),
            token_renewed_after: Duration::from_secs(7 * 24 * 3_600),
            token_grace: Duration::from_secs(60),
            verifications_max: 16,
            invitations_max: 10_000,
            devices_max: 64,
            devices_connected_max: 16,
            logins_failed_max: 5,
            logins_max: 3,
            login_window: Duration::from_secs(60),
            source_failures_free: 2,
            source_penalty_min: Duration::from_secs(60),
            source_penalty_max: Duration::from_secs(300),
            registrations_max: 5,
            registration_window: Duration::from_secs(3_600),
            challenges_max: 10,

            text_bytes_max: 16_384,
            topic_bytes_max: 400,
            user_rooms_max: 64,
            user_directs_max: 128,
            rooms_max: 10_000,
            standings_max: 1_000,
            slowed_users_max: 4_096,
            slow_seconds_max: 86_400,
            standings_page_max: 200,
            page_events_max: 200,
            page_bytes_max: 53_248,
            search_hits_max: 50,
            catch_up_bytes_max: 128 << 10,
            catch_ups_max: 64,
            read_again: Duration::from_secs(1),
            members_page_max: 500,
            rooms_page_max: 100,
            presence_members_max: 500,
            presence_changes_max: 256,
            presence_interval: Duration::from_millis(20),
            manual_bytes_max: 48 << 10,
            frames_per_call_max: 1_024,

            file_bytes_max: 4 << 30,
            file_kept: None,
            user_files_bytes_max: 20 << 30,
            user_files_max: 100_000,
            transfers_max: 8,
            uploads_max: 1_024,
            window_bytes: 1 << 20,
            window_bytes_max: 4 << 20,
            windows_bytes_max: 64 << 20,
            user_windows_bytes_max: 16 << 20,
            checkpoint_bytes: 32 << 20,
            checkpoint_interval: Duration::from_secs(2),
            undurable_bytes_max: 64 << 20,
            upload_kept: Duration::from_secs(24 * 3_600),
            reserved_step_bytes: 64 << 20,
            read_bytes: 128 << 10,
            bulk_bytes_max: 64 << 10,
            files_page_max: 200,
            files_page_bytes_max: 32 << 10,
        }
    }
}

impl Limits {
    /// For trusted networks and benchmarks: no limit to rates, early drop or connections by source. Sizes,
    /// memory caps and deadlines stay.
    #[must_use]
    pub fn open() -> Self {
        Self {
            entering_free: u32::MAX,
            entering_full: u32::MAX,
            source_connections_max: u32::MAX,
            source_connects_max: u32::MAX,
            posts_per_second: 0,
            requests_per_second: 0,
            rooms_created_max: u32::MAX,
            logins_max: u32::MAX,
            source_failures_free: u32::MAX,
            registrations_max: u32::MAX,
            ..Self::default()
        }
    }
}

impl Limits {
    /// What a client is told of them.
    #[must_use]
    pub fn announced(&self) -> wire::Limits {
        let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX);
        wire::Limits {
            text_bytes: number(self.text_bytes_max),
            nick_bytes: number(NICK_BYTES_MAX),
            room_bytes: number(ROOM_NAME_BYTES_MAX),
            topic_bytes: number(self.topic_bytes_max),
            page_events: self.page_events_max,
            requests: self.requests_in_flight_max,
            posts: self.posts_in_flight_max,
            silence_seconds: u32::try_from(self.silence_max.as_secs()).unwrap_or(u32::MAX),
        }
    }
}

/// The longest text that fits beside its header, names and numbers into a frame.
const EVENT_OVERHEAD_BYTES_MAX: usize = 128;
/// What a file takes at most in a frame, beside its names.
const FILE_OVERHEAD_BYTES_MAX: usize = 80;
/// What a member, a listed room and a room of `Ready` take at most in a frame, beside their names and topics.
const ENTRY_OVERHEAD_BYTES_MAX: usize = 64;

const _: () = {
    let frame = FRAME_BYTES_MAX as usize;
    assert!(53_248 + 200 * ENTRY_OVERHEAD_BYTES_MAX < frame);
    assert!(16_384 + EVENT_OVERHEAD_BYTES_MAX < frame);
    assert!(500 * (NICK_BYTES_MAX + ENTRY_OVERHEAD_BYTES_MAX) < frame);
    assert!(200 * (NICK_BYTES_MAX + ENTRY_OVERHEAD_BYTES_MAX) < frame);
    assert!((32 << 10) + FILE_NAME_BYTES_MAX + 200 * FILE_OVERHEAD_BYTES_MAX < frame);
    assert!(DATA_BYTES_MAX + 13 <= frame);
    assert!(100 * (ROOM_NAME_BYTES_MAX + 400 + ENTRY_OVERHEAD_BYTES_MAX) < frame);
    assert!(
        64 * (ROOM_NAME_BYTES_MAX + 400 + ENTRY_OVERHEAD_BYTES_MAX)
            + 128 * (NICK_BYTES_MAX + ENTRY_OVERHEAD_BYTES_MAX)
            < frame
    );
};
