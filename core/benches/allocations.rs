//! How often memory is allocated for a delivered copy, once all buffers have grown: not at all.
//!
//! Posts allocate (their text is kept until it is stored), copies must not. So turns are run in a small and in a
//! large room, and what the large one allocates beyond the small one is put down to its copies.
#![allow(unsafe_code, reason = "an allocator that counts")]
#![allow(clippy::print_stdout, reason = "it is what it is for")]

#[allow(unreachable_pub, reason = "it is a module of each benchmark")]
mod support;

use std::{
    alloc::{GlobalAlloc, Layout, System},
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};

use self::support::Hall;

/// Turns that are counted, and before that run to let buffers grow.
const TURNS: u64 = 200;

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is left to the system's allocator; counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the caller keeps the promises that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `System`.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Relaxed);
        // SAFETY: the pointer came from `System`, and the caller keeps the other promises.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// What was counted over many turns.
struct Counted {
    posts: u64,
    copies: u64,
    allocations: u64,
}

fn run(members: usize, posts_a_turn: u64) -> Counted {
    let mut hall = Hall::new();
    let room = hall.room("#counted", members);
    let mut counted = Counted { posts: TURNS * posts_a_turn, copies: 0, allocations: 0 };
    for turn in 0..2 * TURNS {
        hall.prepare(&room, posts_a_turn);
        let before = ALLOCATIONS.load(Relaxed);
        hall.submit(&room);
        hall.settle();
        let copies = hall.send_counting_events();
        if turn >= TURNS {
            counted.copies += copies;
            counted.allocations += ALLOCATIONS.load(Relaxed) - before;
        }
    }
    assert_eq!(counted.copies, counted.posts * members as u64, "everybody gets every event in its turn");
    counted
}

fn main() {
    for posts_a_turn in [1, 64] {
        let small = run(10, posts_a_turn);
        let per_post = small.allocations as f64 / small.posts as f64;
        for members in [100, 1_000] {
            let large = run(members, posts_a_turn);
            let extra = large.allocations as f64 - small.allocations as f64;
            let per_copy = extra / (large.copies - small.copies) as f64;
            println!(
                "allocations, room of {members}, {posts_a_turn} posts a turn: {per_copy:.6} a copy, {per_post:.2} a post"
            );
            assert!(per_copy < 0.000_1, "copies allocate");
        }
    }
}
