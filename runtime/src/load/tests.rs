//! A load on a server of its own.

use palabre_core::limits::Limits;

use super::*;
use crate::{
    client::Trust,
    server::{Ending, Protection, RunningServer, ServerOptions},
};

fn started(limits: Limits) -> RunningServer {
    let mut options = ServerOptions::ephemeral();
    options.config.limits = limits;
    options.start().expect("the server starts")
}

fn load_on(server: &RunningServer) -> Load {
    let security = server.key().map_or(Security::Plain, |key| Security::Tls(Trust::Key(key)));
    Load::new(server.addresses()[0], security, "tester").expect("the server is there")
}

fn traffic(per_second: Option<u32>) -> Traffic {
    Traffic { senders: 2, text_bytes: 64, window: 32, per_second }
}

#[test]
fn every_event_comes_to_everybody_once_and_all_leave() {
    let server = started(Limits::open());
    let mut load = load_on(&server);
    load.enter(8, 3).unwrap();
    load.join(2, 4).unwrap();
    load.start(traffic(None));
    let measured = load.run(Duration::from_millis(200)).unwrap();
    load.finish().unwrap();
    assert!(measured.messages > 0 && measured.deliveries > 0 && measured.latencies.count() == 0);
    let (echoes, deliveries) = (load.observer.echoes, load.observer.deliveries);
    assert_eq!(deliveries, 3 * echoes, "each event has three readers beside its author");
    load.leave().unwrap();
    let stats = server.stats().unwrap().core;
    assert_eq!((stats.events_stored, stats.clients, stats.lost), (echoes, 0, 0));
}

#[test]
fn a_load_in_plaintext_is_the_same() {
    let options = ServerOptions { protection: Protection::Plaintext, ..ServerOptions::ephemeral() };
    let server = options.start().unwrap();
    let mut load = load_on(&server);
    load.enter(4, 4).unwrap();
    load.join(1, 4).unwrap();
    load.finish().unwrap();
    load.leave().unwrap();
    assert_eq!(server.stats().unwrap().core.clients, 0);
}

#[test]
fn a_pace_is_kept_and_latencies_are_measured() {
    let server = started(Limits::open());
    let mut load = load_on(&server);
    load.enter(4, 4).unwrap();
    load.join(1, 4).unwrap();
    load.start(traffic(Some(500)));
    let measured = load.run(Duration::from_millis(300)).unwrap();
    load.finish().unwrap();
    assert!(measured.messages <= 151 + 64, "{measured:?}");
    assert_eq!(measured.latencies.count(), measured.deliveries);
    load.leave().unwrap();
}

#[test]
fn credit_is_kept_to() {
    let server = started(Limits::default());
    let mut load = load_on(&server);
    load.enter(2, 2).unwrap();
    load.join(1, 2).unwrap();
    load.start(traffic(None));
    let measured = load.run(Duration::from_millis(300)).unwrap();
    let burst = 2 * (Limits::default().post_burst + Limits::default().posts_per_second);
    assert!(measured.messages > 0 && measured.messages <= burst, "{measured:?}");
    load.finish().unwrap();
}

#[test]
fn a_server_that_is_full_is_told() {
    let server = started(Limits { clients_max: 1, queue_max: 0, ..Limits::open() });
    assert!(matches!(load_on(&server).enter(2, 1), Err(LoadError::Refused(_) | LoadError::Ended(_))));
}

#[test]
fn a_server_that_goes_is_told() {
    let server = started(Limits::open());
    let mut load = load_on(&server);
    load.enter(1, 1).unwrap();
    server.shut_down("That is all.");
    let ended = load.run(Duration::from_secs(5));
    assert!(matches!(ended, Err(LoadError::Ended(text)) if text == "That is all."));
    drop(load);
    assert!(matches!(server.join(), Ending::Drained | Ending::CutShort(_)));
}
