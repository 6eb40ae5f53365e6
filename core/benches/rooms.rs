//! What a post costs the server until it is handed to storage, and what each copy costs that is delivered.
//!
//! Elements are posts in `submit` and copies in `deliver`, so that the time of one is 1 over the throughput: a
//! copy is one event in the outbound buffer of one member, the author included. What a whole turn costs is in it:
//! decoding, judging, the storage's answer (which is immediate here), copying, and taking note of what was sent.
#![allow(missing_docs, reason = "criterion's macros make functions without")]
#![allow(clippy::disallowed_methods, reason = "a benchmark reads the clock")]

#[allow(unreachable_pub, reason = "it is a module of each benchmark")]
mod support;

use std::time::{Duration, Instant};

use criterion::{
    BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main, measurement::WallTime,
};

use self::support::Hall;

/// Posts that one turn brings when the server is busy.
const BATCH: u64 = 64;

fn settings<'a>(criterion: &'a mut Criterion, name: &str) -> BenchmarkGroup<'a, WallTime> {
    let mut group = criterion.benchmark_group(name);
    group
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1_500))
        .sample_size(20);
    group
}

fn submit(criterion: &mut Criterion) {
    let mut group = settings(criterion, "submit");
    for posts in [1, BATCH] {
        let mut hall = Hall::new();
        let room = hall.room("#submit", 10);
        group.throughput(Throughput::Elements(posts));
        group.bench_function(format!("{posts}-a-turn"), |bencher| {
            bencher.iter_custom(|turns| {
                let mut spent = Duration::ZERO;
                for _ in 0..turns {
                    hall.prepare(&room, posts);
                    let start = Instant::now();
                    assert_eq!(hall.submit(&room) as u64, posts);
                    spent += start.elapsed();
                    hall.settle();
                    hall.send();
                }
                spent
            });
        });
    }
}

fn deliver(criterion: &mut Criterion) {
    let mut group = settings(criterion, "deliver");
    for members in [10, 100, 1_000] {
        for posts in [1, BATCH] {
            let mut hall = Hall::new();
            let room = hall.room("#deliver", members);
            group.throughput(Throughput::Elements(posts * members as u64));
            group.bench_function(format!("room-of-{members}/{posts}-a-turn"), |bencher| {
                bencher.iter_custom(|turns| {
                    let mut spent = Duration::ZERO;
                    for _ in 0..turns {
                        hall.prepare(&room, posts);
                        let start = Instant::now();
                        hall.submit(&room);
                        hall.settle();
                        hall.send();
                        spent += start.elapsed();
                    }
                    spent
                });
            });
        }
    }
}

criterion_group!(benches, submit, deliver);
criterion_main!(benches);
