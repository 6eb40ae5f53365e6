//! The ledger of campaigns, `docs/CAMPAIGNS.md`: a row for each long run, written by the program that ran it.

use std::{
    fs::OpenOptions,
    io::{self, Write as _},
    path::Path,
    process::Command,
    time::Duration,
};

use crate::{
    campaign::{Campaign, Tally},
    plan::Fault,
};

/// When and of what a campaign is run. Taken before it begins: others may commit while it runs.
#[derive(Clone, Debug)]
pub struct Beginning {
    date: String,
    commit: String,
}

impl Beginning {
    /// Today, and the commit that is checked out; a mark where the sources differ from it.
    ///
    /// # Errors
    /// `date` or `git` cannot be asked.
    pub fn take() -> io::Result<Self> {
        let commit = answer_of("git", &["rev-parse", "--short=10", "HEAD"])?;
        let sources = ["status", "--porcelain", "--", "core", "tests/src", "Cargo.lock"];
        let changed = if answer_of("git", &sources)?.is_empty() { "" } else { " and changes" };
        Ok(Self { date: answer_of("date", &["-u", "+%Y-%m-%d"])?, commit: format!("{commit}{changed}") })
    }

    /// The row of a campaign that has ended.
    #[must_use]
    pub fn row(&self, campaign: &Campaign, tally: &Tally, elapsed: Duration) -> String {
        let missed = tally.marks.missed().len();
        let violations = tally.failures.len();
        format!(
            "| {} | {} | {} × {} | {} | {:.1} | {missed} | {violations} | {} |\n",
            self.date,
            self.commit,
            tally.seeds,
            campaign.options.events_max,
            tally.events,
            elapsed.as_secs_f64() / 60.0,
            notes(campaign, tally),
        )
    }
}

/// Adds a row to the ledger.
///
/// # Errors
/// The file is not there, or cannot be written.
pub fn append(ledger: &Path, row: &str) -> io::Result<()> {
    OpenOptions::new().append(true).open(ledger)?.write_all(row.as_bytes())
}

/// What a row says in words: which seeds, how they were run, and which failed with what.
fn notes(campaign: &Campaign, tally: &Tally) -> String {
    let build = if cfg!(debug_assertions) { "debug" } else { "release" };
    let mut notes = format!("from seed {}, {build}, {} jobs", campaign.first, campaign.jobs);
    if !campaign.options.without.is_empty() {
        let names: Vec<_> = campaign.options.without.iter().copied().map(Fault::name).collect();
        notes += &format!("; without {}", names.join(", "));
    }
    for mark in tally.marks.missed() {
        notes += &format!("; never: {}", mark.name);
    }
    for (seed, failure) in &tally.failures {
        notes += &format!("; seed {seed}: {}", failure.verdict.name());
    }
    notes.replace('|', "/")
}

fn answer_of(program: &str, arguments: &[&str]) -> io::Result<String> {
    let output = Command::new(program).args(arguments).output()?;
    if !output.status.success() {
        return Err(io::Error::other(format!("`{program} {}` failed", arguments.join(" "))));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::Options;

    #[test]
    fn a_row_has_a_cell_for_each_column_of_the_ledger() {
        let options = Options { events_max: 300, ..Options::default() };
        let campaign = Campaign { first: 7, seeds: Some(2), jobs: 1, keep_going: true, options };
        let tally = campaign.run(|| false, |_| {});
        let beginning = Beginning { date: "2026-11-22".to_owned(), commit: "0123456789".to_owned() };
        let row = beginning.row(&campaign, &tally, Duration::from_secs(90));
        let ledger = include_str!("../../docs/CAMPAIGNS.md");
        let header = ledger.lines().find(|line| line.starts_with("| Date")).expect("a table");
        assert_eq!(row.matches('|').count(), header.matches('|').count(), "{row}");
        assert!(row.starts_with("| 2026-11-22 | 0123456789 | 2 × 300 |"), "{row}");
        assert!(row.contains(&format!("| {} | 1.5 |", tally.events)), "{row}");
    }
}
