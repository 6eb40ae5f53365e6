//! Two clients and a server, talking over links that are cut at chosen bytes.
//!
//! All three are the machines that run in production. Whatever is cut, both clients come back, and in the end every
//! message is in the log once, each author's in the order written, and both have read the log without a gap or a
//! repeat (`PROTOCOL.md` P4, P6, P7, C5).

use std::{collections::VecDeque, time::Duration};

use palabre_core::{
    channel::Channel,
    client::{Client, ClientConfig, ClientEvent, ClientOutput, Happening, OfflineCause},
    config::ServerConfig,
    ids::{ConnectionId, Incarnation, RoomId, Seq},
    limits::Limits,
    name::{Nick, RoomName},
    output::{Output, Source},
    password::Stretching,
    server::Server,
    storage::{EventKind, PageRange, StorageOperation, StorageOutcome, StorageReply, StoredEvent},
    time::{Monotonic, Now, WallTime},
};

use crate::store::Tables;

/// What each client says.
const MESSAGES: usize = 6;
/// In how much simulated time everything must have come right.
const TIME_MAX: Duration = Duration::from_secs(3_600);
/// The lobby, the first room there is.
const LOBBY: RoomId = RoomId::new(1);

/// After how many bytes a link is cut, counted over both directions from the link's start.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Whose link: 0 or 1.
    pub client: usize,
    /// After so many bytes.
    pub after: usize,
}

/// Talks with links that are cut so, one cut after the other for each client, and with bytes that arrive `piece`
/// at a time; how many bytes went over each client's links.
///
/// # Panics
/// If anything was lost, doubled or out of order, or does not come right within an hour of simulated time.
pub fn converse(cuts: &[Cut], piece: usize) -> [usize; 2] {
    let mut duet = Duet::new(cuts, piece.max(1));
    duet.talk();
    duet.check();
    duet.ends.map(|end| end.bytes)
}

struct Duet {
    server: Server,
    store: Tables,
    now: Now,
    ends: [End; 2],
    piece: usize,
}

/// A client and its link.
struct End {
    index: usize,
    client: Client,
    link: Option<Link>,
    cuts: VecDeque<usize>,
    read: Vec<StoredEvent>,
    posted: usize,
    said: bool,
    bytes: usize,
}

struct Link {
    id: ConnectionId,
    /// Bytes until it is cut.
    left: usize,
    /// Whether the client has given it up.
    closing: bool,
}

impl Duet {
    fn new(cuts: &[Cut], piece: usize) -> Self {
        let now = Now { monotonic: Monotonic::from_millis(1), wall: WallTime::from_millis(1_000_000) };
        let store = Tables::new(Incarnation::new(1));
        // Small buffers, so that reading back is part of the conversation.
        let limits = Limits { recent_room_bytes_max: 256, outbound_own_bytes: 512, ..Limits::default() };
        let config = ServerConfig { limits, ..ServerConfig::default() };
        let server = Server::new(config, [1; 32], store.recovered(), now);
        let ends = [0, 1].map(|index| End::new(index, cuts, now));
        Self { server, store, now, ends, piece }
    }

    /// Lets everything happen that can, and time pass, until both have said and read all.
    fn talk(&mut self) {
        let end = self.now.monotonic.after(TIME_MAX);
        while !self.ends.iter().all(|end| end.is_done()) {
            let told = self.ends.each_ref().map(|end| end.told());
            assert!(self.now.monotonic < end, "it does not come right: {told:?}");
            if !self.turn() {
                self.wait();
            }
        }
    }

    /// One turn of everybody; whether anything happened.
    fn turn(&mut self) -> bool {
        let mut busy = self.serve();
        for index in 0..self.ends.len() {
            busy |= self.attend(index);
            busy |= self.carry(index);
        }
        busy
    }

    /// Takes the server's outputs.
    fn serve(&mut self) -> bool {
        let mut busy = false;
        while let Some(output) = self.server.poll_output() {
            busy = true;
            match output {
                Output::Storage(request) => {
                    let result = self.store.execute(&request.operation);
                    self.server.handle_storage(StorageReply { ticket: request.ticket, result }, self.now);
                }
                Output::Work(verification) => self.server.handle_work(verification.run(), self.now),
                Output::Drop(id) => self.hang_up(id),
                Output::Blob(request) => unreachable!("no files are taken: {request:?}"),
                // What is left of a closing link flows like everything else, until its bytes are all taken.
                Output::Close(_) | Output::Interest(_) | Output::Event(_) => {}
            }
        }
        busy
    }

    fn hang_up(&mut self, id: ConnectionId) {
        for end in &mut self.ends {
            if end.link.as_ref().is_some_and(|link| link.id == id) {
                end.link = None;
                end.client.handle_disconnected(self.now);
            }
        }
    }

    /// Takes a client's outputs.
    fn attend(&mut self, index: usize) -> bool {
        let mut busy = false;
        while let Some(output) = self.ends[index].client.poll_output() {
            busy = true;
            match output {
                ClientOutput::Connect => self.connect(index),
                ClientOutput::Close => {
                    if let Some(link) = &mut self.ends[index].link {
                        link.closing = true;
                    }
                }
                ClientOutput::Drop => self.cut(index),
                ClientOutput::Work(work) => self.ends[index].client.handle_work(work.run(), self.now),
                ClientOutput::File(request) => unreachable!("nothing is transferred: {request:?}"),
                ClientOutput::Send | ClientOutput::Save => {}
                ClientOutput::Event(event) => self.ends[index].hear(event, self.now),
            }
        }
        busy
    }

    fn connect(&mut self, index: usize) {
        let end = &mut self.ends[index];
        match self.server.handle_connected(Source::V4([127, 0, 0, 1]), self.now) {
            Ok(id) => {
                self.server.handle_secured(id, Channel::Plain, self.now);
                let left = end.cuts.pop_front().unwrap_or(usize::MAX);
                end.link = Some(Link { id, left, closing: false });
                end.client.handle_connected(Channel::Plain, self.now);
            }
            Err(_) => end.client.handle_disconnected(self.now),
        }
    }

    /// Carries one piece each way over a client's link, and cuts it where it is to be cut.
    fn carry(&mut self, index: usize) -> bool {
        let up = self.carry_up(index);
        let down = self.carry_down(index);
        let end = &mut self.ends[index];
        let Some(link) = &end.link else { return up || down };
        let ended = link.closing && end.client.sendable().is_empty();
        if link.left == 0 || ended {
            self.cut(index);
            return true;
        }
        up || down
    }

    fn carry_up(&mut self, index: usize) -> bool {
        let end = &mut self.ends[index];
        let Some(link) = &mut end.link else { return false };
        let room = self.server.interest(link.id).receive_bytes;
        let bytes = end.client.sendable();
        let count = bytes.len().min(self.piece).min(link.left).min(room);
        if count == 0 {
            return false;
        }
        let bytes = bytes[..count].to_vec();
        end.client.handle_sent(count, self.now);
        link.left -= count;
        end.bytes += count;
        self.server.handle_received(link.id, &bytes, self.now);
        true
    }

    fn carry_down(&mut self, index: usize) -> bool {
        let end = &mut self.ends[index];
        let Some(link) = &mut end.link else { return false };
        let bytes = self.server.sendable(link.id);
        let count = bytes.len().min(self.piece).min(link.left);
        if count == 0 {
            return false;
        }
        let bytes = bytes[..count].to_vec();
        self.server.handle_sent(link.id, count, self.now);
        link.left -= count;
        end.bytes += count;
        end.client.handle_received(&bytes, self.now);
        true
    }

    fn cut(&mut self, index: usize) {
        if let Some(link) = self.ends[index].link.take() {
            self.server.handle_disconnected(link.id, self.now);
            self.ends[index].client.handle_disconnected(self.now);
        }
    }

    /// Lets time pass up to the next deadline of anybody.
    fn wait(&mut self) {
        let deadlines = self.ends.iter().filter_map(|end| end.client.poll_timeout()).map(|(at, _)| at);
        let next = deadlines.chain(self.server.poll_timeout().map(|(at, _)| at)).min();
        let next = next.expect("somebody waits for something").max(self.now.monotonic);
        let passed = next.since(self.now.monotonic);
        self.now = Now { monotonic: next, wall: self.now.wall.after(passed) };
        self.server.handle_timeout(self.now);
        for end in &mut self.ends {
            end.client.handle_timeout(self.now);
        }
    }

    fn check(&mut self) {
        let operation = StorageOperation::ReadPage {
            room: LOBBY,
            range: PageRange::After(Seq::new(0)),
            events_max: u32::MAX,
            bytes_max: u32::MAX,
        };
        let Ok(StorageOutcome::Page { events: log, .. }) = self.store.execute(&operation) else {
            panic!("the log can be read")
        };
        for (index, end) in self.ends.iter().enumerate() {
            let own = log.iter().filter(|event| event.text.starts_with(&name(index)));
            let own: Vec<_> = own.map(|event| event.text.to_string()).collect();
            let expected: Vec<_> = (0..MESSAGES).map(|number| message(index, number)).collect();
            assert_eq!(own, expected, "each message once, in the order written");
            assert_eq!(end.read, log, "what was read is the log");
        }
    }
}

impl End {
    fn new(index: usize, cuts: &[Cut], now: Now) -> Self {
        let config = ClientConfig {
            program: "duet".into(),
            nick: Nick::parse(&name(index)).expect("a name"),
            take_suggestion: true,
            asks: false,
            keeps_tokens: false,
            account: None,
            stretching_min: Stretching::LEAST,
            saved: None,
            reconnect: true,
            outbox_posts_max: MESSAGES,
        };
        let mut client = Client::new(config, [index as u8 + 2; 32], now);
        client.join(&RoomName::lobby(), Some(Seq::new(0)), now).expect("running");
        let cuts = cuts.iter().filter(|cut| cut.client == index).map(|cut| cut.after).collect();
        Self { index, client, link: None, cuts, read: Vec::new(), posted: 0, said: false, bytes: 0 }
    }

    fn hear(&mut self, event: ClientEvent, now: Now) {
        if let ClientEvent::Joined { room, .. } = &event
            && !self.said
        {
            self.said = true;
            for number in 0..MESSAGES {
                let text = message(self.index, number);
                self.client.post(room.id, EventKind::Posted, &text, None, now).expect("room in the outbox");
            }
        } else if let ClientEvent::Happened(Happening { event, .. }) = event {
            self.read.push(event);
        } else if let ClientEvent::Posted { .. } = event {
            self.posted += 1;
        } else if let ClientEvent::Offline { cause, .. } | ClientEvent::Ended { cause } = &event {
            // Contract rule 9: two Palabre ends never accuse each other.
            assert!(!matches!(cause, OfflineCause::Broke(_) | OfflineCause::Accused { .. }), "{cause:?}");
        } else if let ClientEvent::PostIndeterminate { .. } | ClientEvent::PostRefused { .. } = event {
            panic!("no guest expires and nothing is refused: {event:?}");
        }
    }

    /// How far it is, for whoever has to find out why it does not get further.
    fn told(&self) -> String {
        let Self { posted, said, read, .. } = self;
        let (ready, waiting) = (self.client.is_ready(), self.client.outbox().count());
        let read: Vec<_> = read.iter().map(|event| event.seq.get()).collect();
        format!("ready {ready}, said {said}, posted {posted}, waiting {waiting}, read {read:?}")
    }

    fn is_done(&self) -> bool {
        self.posted == MESSAGES && self.read.len() == 2 * MESSAGES
    }
}

fn name(index: usize) -> String {
    ["ana", "bob"][index].into()
}

fn message(index: usize, number: usize) -> String {
    format!("{} says {number} {}", name(index), "x".repeat(number * 20))
}

/// Cuts as a fuzzer's bytes say: a byte for the size of pieces, then three a cut, whose link and after how many
/// bytes of it. At most 16 cuts; a link that is cut at once is cut after a byte.
pub fn disconnects(data: &[u8]) {
    let Some((piece, rest)) = data.split_first() else { return };
    let cuts: Vec<Cut> = rest
        .chunks_exact(3)
        .take(16)
        .map(|bytes| Cut {
            client: usize::from(bytes[0] & 1),
            after: usize::from(u16::from_be_bytes([bytes[1], bytes[2]])).clamp(1, 4_096),
        })
        .collect();
    converse(&cuts, usize::from(*piece));
}
