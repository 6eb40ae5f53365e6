use std::sync::Arc;

use palabre_core::{
    ids::{Incarnation, Nonce, RoomId, UserId},
    storage::{EventKind, NewEvent, StorageOperation, StorageRequest, Ticket},
    time::WallTime,
};
use palabre_runtime::storage::MemoryStorage;

use crate::support::{execute_batch, now, open, open_room};

/// Posts of about 100 bytes by 64 authors in 8 rooms, with nonces in no order.
fn post(number: u64, nick: &Arc<str>, text: &Arc<str>) -> StorageOperation {
    StorageOperation::Append {
        room: RoomId::new(number % 8 + 1),
        event: NewEvent {
            author: UserId::new(number % 64 + 1),
            nick: Arc::clone(nick),
            nonce: Nonce::new(number.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
            at: WallTime::from_millis(number),
            kind: EventKind::Posted,
            text: Arc::clone(text),
            about: None,
        },
        change: None,
    }
}

#[test]
#[ignore = "a measurement of some seconds, worth looking at in release only"]
fn appends_a_second() {
    let (nick, text): (Arc<str>, Arc<str>) = ("somebody".into(), "x".repeat(100).into());
    let rooms: Vec<_> = (0..8).map(|room| open_room(&room.to_string())).collect();
    for batch in [1_u64, 100, 1_000] {
        let directory = tempfile::tempdir_in(".").unwrap();
        let (mut storage, _) = open(directory.path());
        execute_batch(&mut storage, rooms.clone());
        let (start, mut number) = (now(), 0);
        while start.elapsed().as_millis() < 1_500 {
            let requests: Vec<_> = (number..number + batch)
                .map(|number| StorageRequest {
                    ticket: Ticket::from_number(number),
                    operation: post(number, &nick, &text),
                })
                .collect();
            storage.execute_batch(&requests).unwrap();
            number += batch;
        }
        let rate = u128::from(number) * 1_000 / start.elapsed().as_millis();
        println!("SQLite, batches of {batch}: {rate} appends/s");
    }
    let mut storage = MemoryStorage::new(Incarnation::new(1));
    for room in rooms {
        storage.execute(room).unwrap();
    }
    let (start, count) = (now(), 2_000_000_u64);
    for number in 0..count {
        storage.execute(post(number, &nick, &text)).unwrap();
    }
    let rate = u128::from(count) * 1_000 / start.elapsed().as_millis();
    println!("memory, trimming after about 700,000 events: {rate} appends/s");
}
