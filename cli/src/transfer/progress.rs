//! How far transfers are, as told to people: on safe bytes, not on those that are on their way.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use palabre_core::{client::TransferProgress, time::Monotonic};

use crate::output::{Output, Printable, Size};

/// How often bars are drawn,
const BARS_HZ: u8 = 10;
/// and what they say is written anew.
const BARS_EVERY: Duration = Duration::from_millis(100);
/// Files that have a bar at a time, above that of all.
const BARS_MAX: usize = 4;
/// How often a line is written instead.
const LINE_EVERY: Duration = Duration::from_secs(10);
/// After how long without a byte a transfer stands still.
const STALLED: Duration = Duration::from_secs(5);

/// How it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Showing {
    /// Bars, on a terminal.
    Bars,
    /// A line each ten seconds.
    Lines,
    /// Not at all.
    Nothing,
}

/// The progress of all transfers of a run.
pub(super) struct Progress {
    showing: Showing,
    bars: MultiProgress,
    last_line: Monotonic,
    last_bars: Option<Monotonic>,
    /// Of all files, where there are more than have a bar.
    total: Option<ProgressBar>,
}

/// That of one.
pub(super) struct Meter {
    label: String,
    bar: Option<ProgressBar>,
    begun: Monotonic,
    moved_at: Monotonic,
    last: u64,
    /// Up to where it was moved on the connection that it has, or had last.
    reached: u64,
    /// Whether the server has begun with it, so that another beginning follows a cut.
    has_begun: bool,
    /// Where what is wanted begins.
    start: u64,
    /// What was safe before this run.
    before: Option<u64>,
}

impl Progress {
    pub(super) fn new(showing: Showing, files: usize, now: Monotonic) -> Self {
        let target = match showing {
            Showing::Bars => ProgressDrawTarget::stderr_with_hz(BARS_HZ),
            Showing::Lines | Showing::Nothing => ProgressDrawTarget::hidden(),
        };
        // A terminal without colours shows none; then lines do.
        let showing = if showing == Showing::Bars && target.is_hidden() { Showing::Lines } else { showing };
        let bars = MultiProgress::with_draw_target(target);
        let total = (showing == Showing::Bars && files > BARS_MAX).then(|| {
            let bar = bars.add(ProgressBar::new(files as u64).with_style(style("{bar:20} {msg}")));
            bar.set_message(format!("{files} files"));
            bar
        });
        Self { showing, bars, last_line: now, last_bars: None, total }
    }

    /// Shows how far transfers are, and that so many are done.
    pub(super) fn show<'a>(
        &mut self,
        meters: impl Iterator<Item = (&'a mut Meter, TransferProgress)>,
        done: usize,
        output: &mut Output,
        now: Monotonic,
    ) {
        let lines = self.showing == Showing::Lines && now.since(self.last_line) >= LINE_EVERY;
        if lines {
            self.last_line = now;
        }
        let since = self.last_bars.map(|last| now.since(last));
        let bars = self.showing == Showing::Bars && since.is_none_or(|since| since >= BARS_EVERY);
        if bars {
            self.last_bars = Some(now);
        }
        let mut shown = 0;
        for (meter, progress) in meters {
            meter.advance(progress, now);
            if bars && shown < BARS_MAX {
                shown += 1;
                let text = meter.says(progress, now);
                let bar = meter.bar.get_or_insert_with(|| {
                    let bar = ProgressBar::no_length().with_style(style("{prefix:24!} {bar:20} {msg}"));
                    bar.set_prefix(Printable::new(&meter.label).to_string());
                    self.bars.insert(shown - 1, bar)
                });
                if let Some(size) = progress.size {
                    bar.set_length(size);
                }
                bar.set_position(progress.done);
                bar.set_message(text);
            } else if lines {
                let text = meter.says(progress, now);
                output.status(format_args!("{}: {text}", Printable::new(&meter.label)));
            }
        }
        if let (true, Some(total)) = (bars, &self.total) {
            total.set_position(done as u64);
            total.set_message(format!("{done} of {} files", total.length().unwrap_or_default()));
        }
    }

    /// All is done, or given up.
    pub(super) fn clear(&self) {
        if let Some(total) = &self.total {
            total.finish_and_clear();
        }
    }

    /// Prints something that the bars must not overwrite.
    pub(super) fn print<T>(&self, print: impl FnOnce() -> T) -> T {
        self.bars.suspend(print)
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

impl Meter {
    pub(super) fn new(label: &str, start: u64, now: Monotonic) -> Self {
        let label = label.to_owned();
        Self {
            label,
            bar: None,
            begun: now,
            moved_at: now,
            last: 0,
            reached: 0,
            has_begun: false,
            start,
            before: None,
        }
    }

    /// Takes note of how far it is.
    fn advance(&mut self, progress: TransferProgress, now: Monotonic) {
        let TransferProgress { moved, from, is_open, .. } = progress;
        if is_open && self.before.is_none() {
            (self.before, self.begun) = (Some(from), now);
        }
        if is_open {
            self.reached = moved;
        }
        if moved != self.last {
            (self.last, self.moved_at) = (moved, now);
        }
    }

    /// How far it is, in words.
    fn says(&self, progress: TransferProgress, now: Monotonic) -> String {
        let TransferProgress { done, moved, size, is_open, .. } = progress;
        let of = size.map_or_else(String::new, |size| format!(" of {}", Size(size)));
        if !is_open {
            return format!("{}{of}, waits", Size(done));
        }
        if now.since(self.moved_at) >= STALLED {
            return format!("{}{of}, stalled", Size(done));
        }
        let rate = self.rate(moved, now);
        let left = size.filter(|_| rate > 0).map_or_else(String::new, |size| {
            format!(", {} s left", size.saturating_sub(moved).div_ceil(rate.max(1)))
        });
        format!("{}{of}, {}/s{left}", Size(done), Size(rate))
    }

    /// It begins, or goes on after a cut: then what has to be moved once more is told.
    pub(super) fn went_on(&mut self, offset: u64) -> Option<String> {
        let again = Size(self.reached.saturating_sub(offset));
        self.reached = offset;
        let went_on = std::mem::replace(&mut self.has_begun, true);
        went_on.then(|| {
            format!("{}: goes on at {}, {again} are sent again", Printable::new(&self.label), Size(offset))
        })
    }

    fn rate(&self, moved: u64, now: Monotonic) -> u64 {
        let millis = u64::try_from(now.since(self.begun).as_millis()).unwrap_or(u64::MAX).max(1);
        let count = moved.saturating_sub(self.before.unwrap_or(0));
        u64::try_from(u128::from(count) * 1_000 / u128::from(millis)).unwrap_or(u64::MAX)
    }

    /// The line that is left of it, which ended there.
    pub(super) fn summary(&self, end: u64, now: Monotonic) -> String {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let took = now.since(self.begun);
        let before = self.before.unwrap_or(0).saturating_sub(self.start);
        let resumed =
            if before > 0 { format!(", {} were there already", Size(before)) } else { String::new() };
        let rate = Size(self.rate(end, now));
        format!(
            "{}: {} in {:.1} s, {rate}/s{resumed}",
            Printable::new(&self.label),
            Size(end.saturating_sub(self.start)),
            took.as_secs_f64()
        )
    }

    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_moved_once_more_after_a_cut_is_told() {
        let now = Monotonic::ZERO;
        let mut meter = Meter::new("large", 0, now);
        let step = |moved, is_open| TransferProgress { done: 0, moved, from: 0, size: Some(100), is_open };
        assert_eq!(meter.went_on(0), None, "it only begins");
        meter.advance(step(0, true), now);
        meter.advance(step(5_120, true), now);
        // While there is no connection, what is safe is all that there is.
        meter.advance(step(1_024, false), now);
        assert_eq!(meter.went_on(1_024), Some("large: goes on at 1.0 KiB, 4.0 KiB are sent again".into()));
        assert_eq!(meter.went_on(1_024), Some("large: goes on at 1.0 KiB, 0 B are sent again".into()));
    }
}
