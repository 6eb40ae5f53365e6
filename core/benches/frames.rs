//! What one frame costs to read and to write. Times are per frame.
#![allow(missing_docs, reason = "criterion's macros make functions without")]

#[allow(unreachable_pub, reason = "it is a module of each benchmark")]
mod support;

use std::{hint::black_box, time::Duration};

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};
use palabre_core::{
    ids::{Nonce, RoomId, Seq, UserId},
    time,
    wire::{self, EventHead, FRAME_BYTES_MAX, Frame, FrameDecoder, ToClient, ToServer, split_frame},
};

use self::support::TEXT;

/// Frames in a stream that is decoded at a go.
const FRAMES: u64 = 256;
/// Reads that cut frames anywhere: a little more than half a frame each.
const CUT_BYTES: usize = 61;

fn post() -> ToServer<'static> {
    let (room, nonce) = (RoomId::new(300), Nonce::new(1 << 40));
    wire::Post { id: 70_000, room, nonce, kind: wire::kind::POSTED, text: TEXT, to: None }.into()
}

fn event() -> ToClient<'static> {
    let event = wire::LogEvent {
        seq: Seq::new(70_000),
        at: time::WallTime::from_millis(1_750_000_000_000),
        author: UserId::new(3_000),
        nick: "somebody",
        kind: wire::kind::POSTED,
        text: TEXT,
        about: None,
        revised: None,
    };
    wire::Event { room: RoomId::new(300), event }.into()
}

fn stream(encode: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = Vec::new();
    (0..FRAMES).for_each(|_| encode(&mut bytes));
    bytes
}

/// Every frame of a stream that is there as a whole.
fn each(bytes: &[u8], mut handle: impl FnMut(Frame<'_>)) {
    let mut rest = bytes;
    while let Some((frame, after)) = split_frame(rest, FRAME_BYTES_MAX).expect("it is ours") {
        handle(frame);
        rest = after;
    }
}

/// Every frame of a stream that arrives in cuts.
fn each_of_cuts(bytes: &[u8], mut handle: impl FnMut(Frame<'_>)) {
    let mut decoder = FrameDecoder::new(FRAME_BYTES_MAX);
    for cut in bytes.chunks(CUT_BYTES) {
        decoder.push(cut);
        while let Some(frame) = decoder.next_frame().expect("it is ours") {
            handle(frame);
        }
    }
}

fn to_server(frame: Frame<'_>) {
    black_box(ToServer::decode(frame).expect("it is ours"));
}

fn to_client(frame: Frame<'_>) {
    black_box(ToClient::decode(frame).expect("it is ours"));
}

fn head(frame: Frame<'_>) {
    black_box(EventHead::decode(frame).expect("it is ours"));
}

fn settings<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group.warm_up_time(Duration::from_millis(300)).measurement_time(Duration::from_secs(1)).sample_size(20);
    group
}

fn decode(criterion: &mut Criterion) {
    let posts = stream(|bytes| post().encode(bytes));
    let events = stream(|bytes| event().encode(bytes));
    let mut group = settings(criterion, "decode");
    group.throughput(Throughput::Elements(FRAMES));
    group.bench_function("post-whole", |bencher| bencher.iter(|| each(black_box(&posts), to_server)));
    group.bench_function("post-in-cuts", |bencher| {
        bencher.iter(|| each_of_cuts(black_box(&posts), to_server))
    });
    group.bench_function("event-whole", |bencher| bencher.iter(|| each(black_box(&events), to_client)));
    group.bench_function("event-in-cuts", |bencher| {
        bencher.iter(|| each_of_cuts(black_box(&events), to_client))
    });
    group.bench_function("event-head", |bencher| bencher.iter(|| each(black_box(&events), head)));
}

fn encode(criterion: &mut Criterion) {
    let mut group = settings(criterion, "encode");
    group.throughput(Throughput::Elements(FRAMES));
    let mut bytes = Vec::with_capacity(64 << 10);
    group.bench_function("post", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            (0..FRAMES).for_each(|_| black_box(post()).encode(&mut bytes));
        });
    });
    group.bench_function("event", |bencher| {
        bencher.iter(|| {
            bytes.clear();
            (0..FRAMES).for_each(|_| black_box(event()).encode(&mut bytes));
        });
    });
}

criterion_group!(benches, decode, encode);
criterion_main!(benches);
