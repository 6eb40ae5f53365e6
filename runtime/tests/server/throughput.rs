use std::{
    io::{Read, Write},
    net::SocketAddr,
    thread,
    time::Duration,
};

use palabre_core::{limits::Limits, wire::ToClient};
use palabre_runtime::{clock::Clock, server::ServerOptions};

use crate::support::{Peer, Stream, frame, post};

const MEMBERS: usize = 100;
const SECONDS: u64 = 5;
const UNANSWERED_MAX: u64 = 200;

/// Run by hand: `cargo test --release -p palabre-runtime --test server throughput -- --ignored --nocapture`.
#[test]
#[ignore = "measures; run by hand"]
fn deliveries_a_second_in_a_saturated_room_of_100() {
    let mut options = ServerOptions::ephemeral();
    options.config.limits = Limits::open();
    let server = options.start().unwrap();
    let address = server.addresses()[0];
    for index in 1..MEMBERS {
        let stream = member(address, index);
        thread::spawn(move || discard(stream));
    }
    let mut writer = Peer::connect(address);
    writer.enter("writer");
    let room = writer.join("#lobby");
    let before = server.stats().unwrap();
    let clock = Clock::start();
    let text = "x".repeat(64);
    let (mut sent, mut answered) = (0, 0);
    while clock.monotonic().as_micros() < SECONDS * 1_000_000 {
        let mut bytes = Vec::new();
        while sent - answered < UNANSWERED_MAX {
            sent += 1;
            bytes.extend(frame(post(room, sent, &text)));
        }
        writer.stream.write_all(&bytes).unwrap();
        let half = sent - UNANSWERED_MAX / 2;
        writer.find(|message| {
            answered += u64::from(matches!(message, ToClient::Posted(_)));
            (answered >= half).then_some(())
        });
    }
    let after = server.stats().unwrap();
    let seconds = Duration::from_micros(clock.monotonic().as_micros()).as_secs_f64();
    let deliveries = after.core.deliveries - before.core.deliveries;
    let per_second = deliveries as f64 / seconds;
    let turns = (after.turns - before.turns) as f64 / seconds;
    println!("{per_second:.0} deliveries/s, {turns:.0} turns/s, {} lagged", after.core.lagged);
}

fn member(address: SocketAddr, index: usize) -> Stream {
    let mut peer = Peer::connect(address);
    peer.enter(&format!("member{index}"));
    peer.join("#lobby");
    peer.stream
}

fn discard(mut stream: Stream) {
    let mut bytes = vec![0; 256 << 10];
    while stream.read(&mut bytes).is_ok_and(|count| count > 0) {}
}
