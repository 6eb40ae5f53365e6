//! Times as people and programs read them.

use std::fmt;

use jiff::{Timestamp, Zoned, tz::TimeZone};
use palabre_core::time::WallTime;

/// RFC 3339 in UTC, for programs: fractions of a second only where there are any.
pub(crate) fn utc(at: WallTime) -> String {
    timestamp(at).to_string()
}

/// The hour and minute here; with the date when that was not today.
#[derive(Clone, Debug)]
pub(crate) struct LocalTime {
    at: Zoned,
    is_today: bool,
}

impl LocalTime {
    /// A time as seen from another.
    pub(crate) fn new(at: WallTime, now: WallTime) -> Self {
        let zone = TimeZone::system();
        let at = timestamp(at).to_zoned(zone.clone());
        let is_today = at.date() == timestamp(now).to_zoned(zone).date();
        Self { at, is_today }
    }
}

impl fmt::Display for LocalTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.is_today {
            write!(f, "{} ", self.at.date())?;
        }
        write!(f, "{:02}:{:02}", self.at.hour(), self.at.minute())
    }
}

/// A peer may send any number; what no calendar has is shown as the last day of it.
fn timestamp(at: WallTime) -> Timestamp {
    let millis = i64::try_from(at.as_millis()).unwrap_or(i64::MAX);
    Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_read_rfc_3339_in_utc() {
        assert_eq!(utc(WallTime::from_millis(1_795_291_200_000)), "2026-11-21T20:00:00Z");
        assert_eq!(utc(WallTime::from_millis(1_795_291_200_250)), "2026-11-21T20:00:00.25Z");
        assert!(utc(WallTime::from_millis(u64::MAX)).starts_with("9999-12-"));
    }

    #[test]
    fn another_day_is_named() {
        let now = WallTime::from_millis(1_795_291_200_000);
        let days_ago = WallTime::from_millis(1_795_291_200_000 - 3 * 86_400_000);
        assert_eq!(LocalTime::new(now, now).to_string().len(), "20:00".len());
        assert_eq!(LocalTime::new(days_ago, now).to_string().len(), "2026-11-18 20:00".len());
    }
}
