use std::ops::Range;

use palabre_runtime::storage::Synchronous;

use crate::story::{Plot, Tally, Violation, Weather, tell};

/// Cuts in one story.
const CUTS: u64 = 8;

fn tell_all(plots: impl IntoIterator<Item = Plot>) -> (Tally, Vec<Violation>) {
    let mut tally = Tally::default();
    let mut violations = Vec::new();
    for plot in plots {
        let (told, result) = tell(plot);
        tally.add(&told);
        violations.extend(result.err());
    }
    (tally, violations)
}

fn hold(seeds: Range<u64>, weather: Weather) -> Tally {
    let (tally, violations) = tell_all(seeds.map(|seed| Plot::new(seed, CUTS, weather)));
    assert_eq!(violations, Vec::<Violation>::new());
    tally
}

#[test]
fn power_cuts_lose_nothing_that_was_answered() {
    let tally = hold(1..6, Weather::Fair);
    assert!(tally.power_cuts > 0 && tally.kills > 0 && tally.cuts_in_recovery > 0, "{tally}");
    assert!(tally.in_flight_kept > 0 && tally.in_flight_lost > 0, "{tally}");
}

#[test]
fn syncs_that_fail_lose_nothing_that_was_answered() {
    let tally = hold(1..6, Weather::FailingSyncs);
    assert!(tally.failed_syncs > 0, "{tally}");
}

#[test]
fn a_disk_that_fails_in_every_way_loses_nothing_that_was_answered() {
    let tally = hold(1..6, Weather::Foul);
    assert!(tally.refused > 0, "{tally}");
}

/// The negative control: a storage that answers what it has not synced.
fn lying(seeds: Range<u64>) -> (Tally, Vec<Violation>) {
    tell_all(
        seeds.map(|seed| Plot { synchronous: Synchronous::Normal, ..Plot::new(seed, CUTS, Weather::Fair) }),
    )
}

/// The other: one that believes a log after a sync of it has failed.
fn trusting(seeds: Range<u64>) -> (Tally, Vec<Violation>) {
    tell_all(seeds.map(|seed| Plot { rewrites_log: false, ..Plot::new(seed, CUTS, Weather::FailingSyncs) }))
}

#[test]
fn a_storage_that_answers_before_it_has_synced_is_found_out() {
    let (_, violations) = lying(1..6);
    assert!(violations.iter().any(|what| what.contains("what was answered is not there")), "{violations:?}");
}

/// The first story from a seed on that shows it. Not many do: a failed sync, a restart and a power cut have to meet.
fn showing_trust(first: u64) -> Option<u64> {
    (first..first + 400).find(|seed| !trusting(*seed..seed + 1).1.is_empty())
}

#[test]
fn a_storage_that_believes_a_log_after_a_failed_sync_is_found_out() {
    assert!(showing_trust(1).is_some(), "none of 400 stories showed it");
}

/// Run by `tests/crash`: `PALABRE_SEEDS=1..41` is the default, 40 stories of 8 cuts.
#[test]
#[ignore = "takes a minute and more; run by tests/crash"]
fn two_hundred_power_cuts_in_every_weather() {
    let seeds = seeds();
    let stories = seeds.end - seeds.start;
    let mut found = Vec::new();
    for weather in [Weather::Fair, Weather::FailingSyncs, Weather::Foul] {
        let (tally, violations) = tell_all(seeds.clone().map(|seed| Plot::new(seed, CUTS, weather)));
        println!("{weather:?}, {stories} stories: {tally}; {} violations", violations.len());
        found.extend(violations);
    }
    let (tally, violations) = lying(seeds.clone());
    let (lies, cuts) = (violations.len(), tally.power_cuts);
    println!(
        "negative control, synchronous=NORMAL: {lies} of {stories} stories found out; {cuts} power cuts"
    );
    assert!(lies > 0, "a storage that answers before it has synced was not found out");
    let showing = showing_trust(seeds.start).expect("a storage that believes a log is found out");
    println!("negative control, a log believed: found out in story {}", showing - seeds.start + 1);
    assert_eq!(found, Vec::<Violation>::new());
}

fn seeds() -> Range<u64> {
    #[expect(clippy::disallowed_methods, reason = "the one place of this program that reads the environment")]
    let text = std::env::var("PALABRE_SEEDS").unwrap_or_else(|_| "1..41".into());
    let (first, end) = text.split_once("..").expect("PALABRE_SEEDS is like 1..41");
    first.parse().expect("a number")..end.parse().expect("a number")
}
