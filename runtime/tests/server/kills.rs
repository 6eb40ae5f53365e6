//! `kill -9`, over and over, while clients write: whoever looks at the log afterwards finds what was acknowledged.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::Path,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use palabre_core::{
    client::{ClientConfig, ClientEvent, PostId},
    ids::{RoomId, Seq},
    name::{Nick, RoomName},
    password::Stretching,
    storage::EventKind,
    wire::{Goodbye, Join, ToClient},
};
use palabre_runtime::{
    client::{ClientDriver, Security},
    clock::Clock,
};
use rustix::process::Signal;

use crate::support::{Peer, Process, until};

const WRITERS: usize = 4;
const ROOMS: [&str; 2] = ["#lobby", "#kitchen"];
/// Posts that a writer leaves unanswered.
const UNANSWERED_MAX: usize = 16;
/// Pauses before kills, in milliseconds: before anybody is back, while they come back, in the middle of their talk.
const PAUSES: [u64; 8] = [700, 0, 150, 1_200, 20, 400, 60, 1_000];

/// What clients were told, and what they are to do.
#[derive(Default)]
struct Shared {
    acknowledged: Mutex<Vec<Acknowledged>>,
    /// Nobody writes anything new.
    stop: AtomicBool,
}

struct Acknowledged {
    room: RoomId,
    seq: Seq,
    text: String,
}

fn driver(port: u16, nick: &str) -> ClientDriver {
    let config = ClientConfig {
        program: "test".into(),
        nick: Nick::parse(nick).unwrap(),
        take_suggestion: false,
        asks: false,
        account: None,
        stretching_min: Stretching::LEAST,
        saved: None,
        reconnect: true,
        outbox_posts_max: UNANSWERED_MAX,
    };
    let mut driver =
        ClientDriver::new("127.0.0.1", port, Security::Plain, config, Box::new(|_, _| ())).unwrap();
    for room in ROOMS {
        let room = RoomName::parse(room).unwrap();
        driver.with_client(|client, now| client.join(&room, Some(Seq::new(0)), now)).unwrap();
    }
    driver
}

/// Writes numbered lines into all rooms by turns, until told to stop and all is acknowledged; how many.
fn write(port: u16, name: &str, shared: &Shared) -> usize {
    let mut driver = driver(port, name);
    let mut rooms = Vec::new();
    let mut texts: HashMap<PostId, String> = HashMap::new();
    let mut written = 0;
    let mut entered = false;
    loop {
        while let Some(event) = driver.next_event() {
            match event {
                ClientEvent::Ready { resumed, .. } => {
                    assert_eq!(resumed, entered, "{name} was forgotten");
                    entered = true;
                }
                ClientEvent::Joined { room, .. } if !rooms.contains(&room.id) => rooms.push(room.id),
                ClientEvent::Posted { post, room, seq } => {
                    let text = texts.remove(&post).expect("acknowledged once");
                    shared.acknowledged.lock().unwrap().push(Acknowledged { room, seq, text });
                }
                ClientEvent::Ended { .. }
                | ClientEvent::PostRefused { .. }
                | ClientEvent::PostIndeterminate { .. } => panic!("{name} was told {event:?}"),
                _ => {}
            }
        }
        let stop = shared.stop.load(Ordering::Relaxed);
        if stop && texts.is_empty() {
            return written;
        }
        if !stop && rooms.len() == ROOMS.len() && texts.len() < UNANSWERED_MAX {
            let text = format!("{name} {written}");
            let room = rooms[written % rooms.len()];
            let post = driver.with_client(|client, now| {
                client.post(room, EventKind::Posted, &text, None, now).expect("there is room in the outbox")
            });
            texts.insert(post, text);
            written += 1;
        }
        driver.turn(Some(Duration::from_millis(5))).unwrap();
    }
}

/// Follows all rooms until it has read so much; what it read of each.
fn follow(port: u16, until_read: &Mutex<Option<usize>>) -> BTreeMap<RoomId, Vec<String>> {
    let mut driver = driver(port, "follower");
    let mut read: BTreeMap<RoomId, Vec<String>> = BTreeMap::new();
    loop {
        while let Some(event) = driver.next_event() {
            if let ClientEvent::Happened(happening) = event {
                let log = read.entry(happening.room).or_default();
                assert_eq!(happening.event.seq.get(), log.len() as u64 + 1, "a gap or a repeat");
                log.push(happening.event.text.to_string());
            }
        }
        if *until_read.lock().unwrap() == Some(read.values().map(Vec::len).sum()) {
            return read;
        }
        driver.turn(Some(Duration::from_millis(20))).unwrap();
    }
}

/// What somebody who was never here before reads of the rooms, and what is wrong with it.
#[derive(Default)]
struct Witness {
    logs: BTreeMap<RoomId, Vec<String>>,
    texts: HashSet<String>,
    /// The last number of each writer in each room.
    latest: HashMap<(RoomId, String), usize>,
    compared: usize,
    lost: usize,
    repeated: usize,
    out_of_order: usize,
}

impl Witness {
    /// Reads on from where the last reader stopped, as a new guest.
    fn read(&mut self, server: &Process, nick: &str) {
        let mut peer = Peer::plaintext(server.address());
        peer.enter(nick);
        for name in ROOMS {
            let known = self.room_named(name);
            let after = known.map_or(0, |room| self.logs[&room].len() as u64);
            peer.say(Join { id: 2, name, after: Some(Seq::new(after)) });
            let joined = peer.find(|message| match message {
                ToClient::Joined(joined) => Some((joined.room.room, joined.room.last.get())),
                _ => None,
            });
            let (room, last) = joined.unwrap();
            self.logs.entry(room).or_default();
            assert!(known.is_none_or(|known| known == room), "{name} is another room");
            for expected in after + 1..=last {
                let event = peer.find(|message| match message {
                    ToClient::Event(event) if event.room == room => {
                        Some((event.event.seq.get(), event.event.text.to_owned()))
                    }
                    _ => None,
                });
                let (seq, text) = event.unwrap();
                self.out_of_order += usize::from(seq != expected);
                self.note(room, text);
            }
        }
        peer.say(Goodbye { reason: 0, text: "" });
    }

    /// The rooms come into being in this order.
    fn room_named(&self, name: &str) -> Option<RoomId> {
        let index = ROOMS.iter().position(|room| *room == name)?;
        self.logs.keys().nth(index).copied()
    }

    fn note(&mut self, room: RoomId, text: String) {
        let (writer, number) = text.split_once(' ').expect("a writer and a number");
        let number = number.parse::<usize>().unwrap() + 1;
        let latest = self.latest.entry((room, writer.to_owned())).or_default();
        self.out_of_order += usize::from(number <= *latest);
        *latest = number;
        self.repeated += usize::from(!self.texts.insert(text.clone()));
        self.logs.entry(room).or_default().push(text);
    }

    /// Looks for what was acknowledged before the log was read.
    fn compare(&mut self, acknowledged: &[Acknowledged]) {
        for Acknowledged { room, seq, text } in &acknowledged[self.compared..] {
            let index = usize::try_from(seq.get() - 1).unwrap();
            let found = self.logs.get(room).and_then(|log| log.get(index));
            self.lost += usize::from(found != Some(text));
        }
        self.compared = acknowledged.len();
    }
}

fn start(port: u16, data: &Path) -> Process {
    let address = format!("127.0.0.1:{port}");
    Process::start(&[
        "--listen",
        &address,
        "--data",
        data.to_str().unwrap(),
        "--limits",
        "open",
        "--plaintext",
    ])
}

/// Kills a server so often, and looks at its logs after each restart.
fn kill(times: usize) {
    let clock = Clock::start();
    let data = tempfile::tempdir().unwrap();
    let mut server = start(0, data.path());
    let port = server.address().port();
    let shared = Arc::new(Shared::default());
    let writers: Vec<JoinHandle<usize>> = (0..WRITERS)
        .map(|index| {
            let shared = Arc::clone(&shared);
            thread::spawn(move || write(port, &format!("writer{index}"), &shared))
        })
        .collect();
    let read = Arc::new(Mutex::new(None));
    let until_read = Arc::clone(&read);
    let follower = thread::spawn(move || follow(port, &until_read));
    until("the first acknowledgement", || !shared.acknowledged.lock().unwrap().is_empty());

    let mut witness = Witness::default();
    for number in 0..times {
        thread::sleep(Duration::from_millis(PAUSES[number % PAUSES.len()]));
        server.signal(Signal::KILL);
        server.wait();
        let acknowledged = shared.acknowledged.lock().unwrap().len();
        server = start(port, data.path());
        witness.read(&server, &format!("reader{number}"));
        witness.compare(&shared.acknowledged.lock().unwrap()[..acknowledged]);
        assert!(writers.iter().all(|writer| !writer.is_finished()), "a writer has given up");
    }
    shared.stop.store(true, Ordering::Relaxed);
    let written: usize = writers.into_iter().map(|writer| writer.join().unwrap()).sum();
    witness.read(&server, "reader");
    let acknowledged = shared.acknowledged.lock().unwrap();
    witness.compare(&acknowledged);
    *read.lock().unwrap() = Some(written);
    let followed = follower.join().unwrap();

    let Witness { lost, repeated, out_of_order, .. } = witness;
    let seconds = clock.monotonic().as_micros() / 1_000_000;
    println!(
        "{times} kills in {seconds} s: {written} posts written, {} acknowledged; {lost} lost, {repeated} repeated, \
         {out_of_order} out of order",
        acknowledged.len()
    );
    assert_eq!((lost, repeated, out_of_order), (0, 0, 0));
    assert_eq!((acknowledged.len(), witness.texts.len()), (written, written));
    assert_eq!(followed, witness.logs);
    assert!(witness.compared >= times, "nothing was written between the kills");
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
}

#[test]
fn three_kills_lose_and_repeat_nothing() {
    kill(3);
}

/// Run by `tests/crash`.
#[test]
#[ignore = "takes minutes; run by tests/crash"]
fn two_hundred_kills_lose_and_repeat_nothing() {
    kill(200);
}
