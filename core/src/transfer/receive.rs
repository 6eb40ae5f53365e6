//! The end of a transfer that receives: what may come, what was written, what is durable.

use core::time::Duration;

use crate::time::Monotonic;

/// What is wrong with bytes that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overrun {
    /// They do not begin where the ones before ended, or go past the end.
    Misplaced,
    /// There was no credit for them.
    Uncredited,
}

/// How much a sender may have on its way: it starts small and grows where that holds a fast sender up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Window {
    bytes: u64,
    bytes_max: u64,
    half_since: Monotonic,
}

/// A window of which half is used up faster than this is too small.
const HALF_TOO_FAST: Duration = Duration::from_millis(50);

impl Window {
    pub(crate) const fn new(bytes: u64, bytes_max: u64, now: Monotonic) -> Self {
        Self { bytes, bytes_max, half_since: now }
    }

    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Half of it was used up, or all while the sender waits; how much it would grow, if there is memory for that.
    fn growth(&mut self, waits: bool, now: Monotonic) -> u64 {
        let fast = now.since(self.half_since) < HALF_TOO_FAST;
        self.half_since = now;
        if fast || waits { self.bytes.min(self.bytes_max.saturating_sub(self.bytes)) } else { 0 }
    }
}

/// What arrived of a transfer, and what its sender may send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Receiving {
    received: u64,
    written: u64,
    limit: u64,
    size: Option<u64>,
    window: Window,
    /// Whether the window alone bounded what was granted last.
    is_tight: bool,
}

impl Receiving {
    /// From `offset` on, of `size` bytes if that is known. Nothing may come yet.
    pub(crate) const fn new(offset: u64, size: Option<u64>, window: Window) -> Self {
        Self { received: offset, written: offset, limit: offset, size, window, is_tight: false }
    }

    /// Bytes arrived.
    ///
    /// # Errors
    /// They are none that may come now; nothing has changed.
    pub(crate) fn take(&mut self, offset: u64, count: u64) -> Result<(), Overrun> {
        let end = offset.checked_add(count).ok_or(Overrun::Misplaced)?;
        if offset != self.received || self.size.is_some_and(|size| end > size) {
            return Err(Overrun::Misplaced);
        }
        let overrun = if crate::seeded_bug!("window-checked-for-zero-only") {
            self.limit <= offset
        } else {
            end > self.limit
        };
        if overrun {
            return Err(Overrun::Uncredited);
        }
        self.received = end;
        Ok(())
    }

    /// So many bytes more were written.
    pub(crate) fn wrote(&mut self, count: u64) {
        self.written = self.written.saturating_add(count).min(self.received);
    }

    /// What arrived.
    pub(crate) const fn received(&self) -> u64 {
        self.received
    }

    /// What was written of it.
    pub(crate) const fn written(&self) -> u64 {
        self.written
    }

    /// Whether nothing is on its way to the disk.
    pub(crate) const fn is_settled(&self) -> bool {
        self.written == self.received
    }

    /// Up to where the sender may send.
    pub(crate) const fn limit(&self) -> u64 {
        self.limit
    }

    /// More bytes may be in memory at a time.
    pub(crate) fn widen(&mut self, bytes: u64) {
        self.window.bytes = self.window.bytes.saturating_add(bytes);
    }

    /// The bytes that may be in memory at a time.
    pub(crate) const fn window_bytes(&self) -> u64 {
        self.window.bytes()
    }

    /// The limit to announce now, no higher than `ceiling`; `None` while it is not worth a message. `budget` is the memory
    /// that is left for windows, of which a larger window takes what it grows by.
    pub(crate) fn grant(&mut self, ceiling: u64, budget: &mut u64, now: Monotonic) -> Option<u64> {
        let end = self.size.unwrap_or(u64::MAX);
        let wanted = self.written.saturating_add(self.window.bytes).min(ceiling).min(end);
        let gained = wanted.saturating_sub(self.limit);
        // The last stretch, and the last before a ceiling, is announced as soon as it can be, however short.
        if gained == 0 || (gained < self.window.bytes / 2 && wanted < end.min(ceiling)) {
            return None;
        }
        // All that was granted has come, and is written: it is the window that holds the sender up, as on a long way.
        let waits = self.written == self.limit;
        if self.is_tight || !waits {
            let growth = self.window.growth(waits, now).min(*budget);
            *budget -= growth;
            self.window.bytes += growth;
        }
        self.limit = self.written.saturating_add(self.window.bytes).min(ceiling).min(end);
        self.is_tight = self.limit < ceiling.min(end);
        Some(self.limit)
    }
}

/// How much of what was written is synced, and how much of that is in the journal: only then it is durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoints {
    durable: u64,
    /// Written when the sync that is under way began.
    syncing: Option<u64>,
    /// Synced, and being written into the journal.
    journaling: Option<u64>,
    /// Synced, and to be written into the journal after that.
    synced: u64,
    last: Monotonic,
}

impl Checkpoints {
    pub(crate) const fn new(durable: u64, now: Monotonic) -> Self {
        Self { durable, syncing: None, journaling: None, synced: durable, last: now }
    }

    pub(crate) const fn durable(&self) -> u64 {
        self.durable
    }

    /// Whether all that was written is durable, and nothing under way.
    pub(crate) const fn is_settled(&self, written: u64) -> bool {
        self.syncing.is_none() && self.journaling.is_none() && self.durable == written
    }

    /// When a sync is due by time, if anything was written since the last one.
    pub(crate) fn due(&self, written: u64, every: Duration) -> Option<Monotonic> {
        (self.syncing.is_none() && written > self.synced).then(|| self.last.after(every))
    }

    /// Whether to sync now: enough was written, or it is time, or everything is wanted.
    pub(crate) fn begin_sync(
        &mut self,
        written: u64,
        bytes: u64,
        every: Duration,
        all: bool,
        now: Monotonic,
    ) -> bool {
        let unsynced = written.saturating_sub(self.synced);
        let due = self.due(written, every).is_some_and(|at| at <= now);
        if self.syncing.is_some() || unsynced == 0 || !(all || unsynced >= bytes || due) {
            return false;
        }
        self.syncing = Some(written);
        self.last = now;
        true
    }

    /// The sync is done.
    pub(crate) fn synced(&mut self) {
        if let Some(offset) = self.syncing.take() {
            self.synced = self.synced.max(offset);
        }
    }

    /// What is to be written into the journal now.
    pub(crate) fn begin_journal(&mut self) -> Option<u64> {
        // The order is what makes it safe: never in the journal before it is on the disk.
        let reached = if crate::seeded_bug!("journal-before-sync") {
            self.syncing.unwrap_or(self.synced)
        } else {
            self.synced
        };
        if self.journaling.is_some() || reached <= self.durable {
            return None;
        }
        self.journaling = Some(reached);
        Some(reached)
    }

    /// The journal has it; what is durable now.
    pub(crate) fn journaled(&mut self) -> u64 {
        if let Some(offset) = self.journaling.take() {
            self.durable = self.durable.max(offset);
        }
        self.durable
    }

    /// Whether the journal is being written.
    pub(crate) const fn is_journaling(&self) -> bool {
        self.journaling.is_some()
    }

    /// The file is not open any more: what was not synced is not there.
    pub(crate) const fn forget_sync(&mut self) {
        self.syncing = None;
        self.synced = self.durable;
    }

    /// Nothing of it is of use any more.
    pub(crate) const fn restart(&mut self) {
        self.durable = 0;
        self.synced = 0;
        self.syncing = None;
        self.journaling = None;
    }

    /// The journal could not be written; it is tried again with the next checkpoint.
    pub(crate) fn journal_failed(&mut self) {
        self.journaling = None;
        self.synced = self.durable;
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::{super::Sending, *};

    const KIB: u64 = 1_024;

    #[test]
    fn what_was_not_granted_or_is_misplaced_is_not_taken() {
        let window = Window::new(64 * KIB, 256 * KIB, Monotonic::ZERO);
        let mut receiving = Receiving::new(10, Some(1_000), window);
        assert_eq!(receiving.take(10, 1), Err(Overrun::Uncredited));
        assert_eq!(receiving.grant(10, &mut 0, Monotonic::ZERO), None, "there is nothing to grant");
        assert_eq!(
            receiving.grant(500, &mut 0, Monotonic::ZERO),
            Some(500),
            "a ceiling is announced at once"
        );
        let mut receiving = Receiving::new(0, Some(1_000_000), window);
        assert_eq!(receiving.grant(u64::MAX, &mut 0, Monotonic::ZERO), Some(64 * KIB));
        assert_eq!(receiving.take(1, 1), Err(Overrun::Misplaced));
        assert_eq!(receiving.take(0, 64 * KIB + 1), Err(Overrun::Uncredited));
        assert_eq!(receiving.take(0, 1_000_001), Err(Overrun::Misplaced));
        assert_eq!(receiving.take(0, u64::MAX), Err(Overrun::Misplaced));
        assert_eq!(receiving.take(0, 64 * KIB), Ok(()));
        assert_eq!(receiving.take(0, 1), Err(Overrun::Misplaced));
    }

    #[test]
    fn only_what_is_synced_goes_into_the_journal_and_only_what_is_there_is_durable() {
        let now = Monotonic::ZERO;
        let mut checkpoints = Checkpoints::new(0, now);
        assert!(!checkpoints.begin_sync(99, 100, Duration::from_secs(2), false, now));
        assert!(checkpoints.begin_sync(150, 100, Duration::from_secs(2), false, now));
        assert_eq!(checkpoints.begin_journal(), None);
        assert!(!checkpoints.begin_sync(400, 100, Duration::from_secs(2), true, now), "one at a time");
        checkpoints.synced();
        assert_eq!(checkpoints.begin_journal(), Some(150));
        assert_eq!((checkpoints.durable(), checkpoints.begin_journal()), (0, None));
        assert_eq!(checkpoints.journaled(), 150);
        let later = now.after(Duration::from_secs(2));
        assert!(checkpoints.begin_sync(151, 100, Duration::from_secs(2), false, later), "it is time");
    }

    #[test]
    fn a_window_that_holds_its_sender_up_grows_however_long_the_way_is() {
        let mut now = Monotonic::ZERO;
        // So little may have been left of the memory.
        let mut receiving = Receiving::new(0, None, Window::new(1, 64 * KIB, now));
        let mut budget = 40 * KIB;
        receiving.grant(u64::MAX, &mut budget, now);
        for _ in 0..20 {
            let count = receiving.limit() - receiving.received();
            receiving.take(receiving.received(), count).expect("it was granted");
            receiving.wrote(count);
            now = now.after(Duration::from_secs(1));
            receiving.grant(u64::MAX, &mut budget, now);
        }
        assert_eq!((receiving.window_bytes(), budget), (40 * KIB + 1, 0));
    }

    #[derive(Clone, Copy, Debug)]
    enum Step {
        Send(u64),
        Arrive,
        Write,
        Sync { all: bool },
        Synced,
        Journaled,
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            4 => (1_u64..=64 * KIB).prop_map(Step::Send),
            4 => Just(Step::Arrive),
            4 => Just(Step::Write),
            1 => any::<bool>().prop_map(|all| Step::Sync { all }),
            1 => Just(Step::Synced),
            1 => Just(Step::Journaled),
        ]
    }

    proptest! {
        #[test]
        fn in_any_order_of_steps_no_end_goes_too_far_and_all_arrives(
            steps in vec(step(), 0..200),
            size in 0_u64..600 * KIB,
            offset in 0_u64..10,
        ) {
            let offset = offset.min(size);
            let now = Monotonic::ZERO;
            let window = Window::new(64 * KIB, 256 * KIB, now);
            let (mut receiving, mut checkpoints) = (Receiving::new(offset, Some(size), window), Checkpoints::new(offset, now));
            let mut budget = 100 * KIB;
            let mut sending = Sending::new(offset, offset);
            let (mut wire, mut disk, mut on_platter) = (alloc::collections::VecDeque::new(), alloc::collections::VecDeque::new(), offset);
            let ceiling = |checkpoints: &Checkpoints| checkpoints.durable() + 256 * KIB;
            // After what happened, whatever can still happen is let happen: no credit may be missing.
            let endgame = [Step::Send(64 * KIB), Step::Arrive, Step::Write, Step::Sync { all: true }, Step::Synced, Step::Journaled];
            for step in steps.into_iter().chain(endgame.into_iter().cycle().take(400)) {
                match step {
                    Step::Send(count) => {
                        let count = count.min(sending.credit()).min(size - sending.next());
                        if count > 0 {
                            wire.push_back((sending.next(), count));
                            sending.sent(count);
                        }
                    }
                    Step::Arrive => if let Some((at, count)) = wire.pop_front() {
                        prop_assert_eq!(receiving.take(at, count), Ok(()));
                        disk.push_back(count);
                    },
                    Step::Write => if let Some(count) = disk.pop_front() {
                        receiving.wrote(count);
                    },
                    Step::Sync { all } => {
                        checkpoints.begin_sync(receiving.written(), 128 * KIB, Duration::from_secs(2), all, now);
                    }
                    Step::Synced => {
                        checkpoints.synced();
                        on_platter = checkpoints.synced;
                        checkpoints.begin_journal();
                    }
                    Step::Journaled => {
                        let before = checkpoints.durable();
                        prop_assert!(checkpoints.journaled() >= before);
                    }
                }
                if let Some(limit) = receiving.grant(ceiling(&checkpoints), &mut budget, now) {
                    sending.grant(limit);
                }
                prop_assert!(checkpoints.durable() <= on_platter);
                prop_assert!(receiving.received() <= receiving.limit());
                prop_assert!(receiving.limit() - receiving.written() <= receiving.window_bytes());
                prop_assert!(receiving.window_bytes() <= 64 * KIB + 100 * KIB);
                prop_assert!(receiving.limit() <= ceiling(&checkpoints));
            }
            prop_assert_eq!((sending.next(), receiving.written(), checkpoints.durable()), (size, size, size));
        }
    }
}
