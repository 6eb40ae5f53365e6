//! How often one source tries to log in and to make accounts (`PROTOCOL.md` A3, A5). The tables have a fixed size.

use alloc::{collections::BTreeMap, sync::Arc};
use core::time::Duration;

use crate::{limits::Limits, output::Source, time::Monotonic};

/// What was tried lately.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    logins: BTreeMap<(Source, Arc<str>), Window>,
    failures: BTreeMap<Source, Failures>,
    registrations: BTreeMap<Source, Window>,
}

/// Tries since the first of them.
#[derive(Clone, Copy, Debug)]
struct Window {
    tries: u32,
    since: Monotonic,
}

#[derive(Clone, Copy, Debug)]
struct Failures {
    failed: u32,
    latest: Monotonic,
    /// Until when the source has to wait.
    until: Monotonic,
}

impl Attempts {
    /// Counts a login with a name, or says how long its source has to wait before it may try.
    pub(crate) fn login(
        &mut self,
        source: Source,
        name: &Arc<str>,
        limits: &Limits,
        now: Monotonic,
    ) -> Result<(), Duration> {
        if let Some(failures) = self.failures.get(&source)
            && failures.until > now
        {
            return Err(failures.until.since(now));
        }
        let window = (limits.logins_max, limits.login_window);
        count(&mut self.logins, (source, name.clone()), window, limits.sources_max, now)
    }

    /// Counts an account being made, or says how long its source has to wait.
    pub(crate) fn registration(
        &mut self,
        source: Source,
        limits: &Limits,
        now: Monotonic,
    ) -> Result<(), Duration> {
        let window = (limits.registrations_max, limits.registration_window);
        count(&mut self.registrations, source, window, limits.sources_max, now)
    }

    /// A login failed: the more did, the longer the source has to wait before the next. An hour without forgives all.
    pub(crate) fn failed(&mut self, source: Source, limits: &Limits, now: Monotonic) {
        make_room(&mut self.failures, &source, limits.sources_max, |failures| failures.latest);
        let failures = self.failures.entry(source).or_insert(Failures { failed: 0, latest: now, until: now });
        if now.since(failures.latest) >= Duration::from_secs(3_600) {
            failures.failed = 0;
        }
        failures.latest = now;
        failures.failed = failures.failed.saturating_add(1);
        let over = failures.failed.saturating_sub(limits.source_failures_free);
        if over > 0 {
            let times = 1_u32.checked_shl(over - 1).unwrap_or(u32::MAX);
            let wait = limits.source_penalty_min.saturating_mul(times);
            failures.until = now.after(wait.min(limits.source_penalty_max));
        }
    }
}

/// Counts one more try, unless there were as many as may be since the first of them.
fn count<K: Ord + Clone>(
    table: &mut BTreeMap<K, Window>,
    key: K,
    (tries_max, span): (u32, Duration),
    entries_max: usize,
    now: Monotonic,
) -> Result<(), Duration> {
    make_room(table, &key, entries_max, |window| window.since);
    let window = table.entry(key).or_insert(Window { tries: 0, since: now });
    if now.since(window.since) >= span {
        *window = Window { tries: 0, since: now };
    }
    if window.tries >= tries_max {
        return Err(window.since.after(span).since(now));
    }
    window.tries += 1;
    Ok(())
}

/// Forgets the oldest entry for a new one, where there are as many as may be.
fn make_room<K: Ord + Clone, V>(
    table: &mut BTreeMap<K, V>,
    key: &K,
    entries_max: usize,
    age: impl Fn(&V) -> Monotonic,
) {
    if table.len() < entries_max || table.contains_key(key) {
        return;
    }
    let oldest = table.iter().min_by_key(|(_, entry)| age(entry)).map(|(key, _)| key.clone());
    if let Some(oldest) = oldest {
        table.remove(&oldest);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: Source = Source::V4([10, 0, 0, 1]);

    fn seconds(seconds: u64) -> Monotonic {
        Monotonic::from_millis(seconds * 1_000)
    }

    #[test]
    fn a_name_is_tried_three_times_a_minute_from_one_source() {
        let limits = Limits::default();
        let mut attempts = Attempts::default();
        let ana: Arc<str> = "ana".into();
        for second in 0..3 {
            assert_eq!(attempts.login(SOURCE, &ana, &limits, seconds(second)), Ok(()));
        }
        assert_eq!(attempts.login(SOURCE, &ana, &limits, seconds(3)), Err(Duration::from_secs(57)));
        assert_eq!(attempts.login(SOURCE, &"bob".into(), &limits, seconds(3)), Ok(()));
        assert_eq!(attempts.login(Source::V4([10, 0, 0, 2]), &ana, &limits, seconds(3)), Ok(()));
        assert_eq!(attempts.login(SOURCE, &ana, &limits, seconds(60)), Ok(()));
    }

    #[test]
    fn each_failure_of_a_source_past_the_free_ones_doubles_its_wait() {
        let limits = Limits::default();
        let mut attempts = Attempts::default();
        for _ in 0..limits.source_failures_free {
            attempts.failed(SOURCE, &limits, seconds(0));
        }
        let mut name = 0;
        let mut login = |attempts: &mut Attempts, at| {
            name += 1;
            attempts.login(SOURCE, &alloc::format!("name{name}").into(), &limits, at)
        };
        assert_eq!(login(&mut attempts, seconds(0)), Ok(()));
        attempts.failed(SOURCE, &limits, seconds(0));
        assert_eq!(login(&mut attempts, seconds(0)), Err(Duration::from_secs(60)));
        assert_eq!(login(&mut attempts, seconds(60)), Ok(()));
        attempts.failed(SOURCE, &limits, seconds(60));
        assert_eq!(login(&mut attempts, seconds(60)), Err(Duration::from_secs(120)));
        for _ in 0..100 {
            attempts.failed(SOURCE, &limits, seconds(180));
        }
        assert_eq!(login(&mut attempts, seconds(180)), Err(limits.source_penalty_max));
        attempts.failed(SOURCE, &limits, seconds(4_000));
        assert_eq!(login(&mut attempts, seconds(4_000)), Ok(()), "an hour forgave the rest");
    }

    #[test]
    fn the_tables_keep_to_their_size() {
        let limits = Limits { sources_max: 8, ..Limits::default() };
        let mut attempts = Attempts::default();
        for last in 0..=255 {
            let source = Source::V4([10, 0, 0, last]);
            let now = seconds(last.into());
            assert_eq!(attempts.login(source, &"ana".into(), &limits, now), Ok(()));
            assert_eq!(attempts.registration(source, &limits, now), Ok(()));
            attempts.failed(source, &limits, now);
        }
        assert!(
            attempts.logins.len() <= 8 && attempts.failures.len() <= 8 && attempts.registrations.len() <= 8
        );
    }
}
