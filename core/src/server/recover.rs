//! How a server begins: from what storage recovered.

use alloc::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    sync::Arc,
    vec,
    vec::Vec,
};
use core::time::Duration;

use super::{
    Attempts, Files, Invitations, NameHolder, Peers, Pending, PendingTable, Places, Server, Sources,
};
use crate::{
    config::ServerConfig,
    hub::{Changes, Device, Ends, NameTable, Recent, Rights, Room, RoomKind, Rooms, User, Users},
    ids::{RoomId, UserId},
    name::{Nick, OPERATORS, RoomName},
    output::Stats,
    random,
    rights::{RoomMode, Standing, Term},
    storage::{AccountRecord, DeviceRecord, GuestRecord, Recovered, RoomKey, RoomRecord},
    time::{Monotonic, Now, WallTime},
    timer::Timer,
};

/// A wall clock that leapt further than this is not believed (E8).
const LEAP_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);

pub(super) fn recover(config: ServerConfig, seed: [u8; 32], recovered: Recovered, now: Now) -> Server {
    let mut server = Server {
        config,
        incarnation: recovered.incarnation,
        rng: random::generator(seed, now),
        peers: Peers::new(now),
        users: Users::default(),
        user_names: NameTable::new(),
        rooms: Rooms::default(),
        operators: None,
        room_names: NameTable::new(),
        opening: BTreeMap::new(),
        places: Places::default(),
        sources: Sources::default(),
        attempts: Attempts::default(),
        invitations: Invitations::recovered(recovered.invitations),
        verifications: 0,
        verifying: 0,
        pending: PendingTable::default(),
        outputs: VecDeque::new(),
        uneven: VecDeque::new(),
        spare_inbound: Vec::new(),
        drain: None,
        files: Files::default(),
        counters: Stats::default(),
    };
    if server.config.limits.file_kept.is_some() {
        server.peers.timers.arm(now.monotonic, Timer::Files);
    }
    for guest in recovered.guests {
        server.recover_guest(guest, now);
    }
    for account in recovered.accounts {
        server.recover_account(account, now);
    }
    for room in recovered.rooms {
        server.add_room(room);
    }
    server.files.usage = recovered.files.usage.into_iter().collect();
    for upload in recovered.files.uploads {
        server.recover_upload(upload, now);
    }
    server.open_lobby();
    server.drop_deserted();
    server
}

impl Server {
    fn recover_guest(&mut self, record: GuestRecord, now: Now) {
        // A name that was stored was a name; a database that says otherwise was changed by hand.
        let Ok(nick) = Nick::parse(&record.nick) else { return };
        let kept = remaining(record.expires, now.wall, self.config.limits.guest_kept);
        let expires = now.monotonic.after(kept);
        let key = nick.key();
        self.user_names.take(&key, NameHolder::User(record.user));
        self.users.insert(User {
            id: record.user,
            nick,
            key,
            password: None,
            password_version: 0,
            devices: vec![Device::of_guest(record.token_hash, expires, Vec::new())],
            away: false,
            shown: crate::wire::state::LOST,
            rooms: record.rooms.into_iter().collect(),
            directs: BTreeSet::new(),
            read: BTreeMap::new(),
            joining: 0,
            leaving: Vec::new(),
        });
        self.peers.timers.arm(expires, Timer::Guest(record.user));
        if record.expires.is_none() {
            // Its time runs from now on, also if the server stops again before it comes back.
            self.store_expiry(record.user);
        }
    }

    fn recover_account(&mut self, record: AccountRecord, now: Now) {
        // As with guests: what is stored was checked before.
        let Ok(nick) = Nick::parse(&record.nick) else { return };
        let kept = self.config.limits.device_kept;
        let devices = record.devices.into_iter().map(|device| {
            let expires = now.monotonic.after(remaining(Some(device.seen.after(kept)), now.wall, kept));
            let DeviceRecord { device: id, name, token, since, seen } = device;
            Device { id, name, token, renewed: None, since, seen, expires, seats: Vec::new() }
        });
        self.add_account(record.user, nick, record.record, devices.collect(), record.rooms, record.read);
    }

    /// Makes a room of its record, with the members that are known.
    pub(super) fn add_room(&mut self, record: RoomRecord) {
        let (kind, members) = match record.key {
            RoomKey::Named(name) => {
                let Ok(name) = RoomName::parse(&name) else { return };
                let key = name.key();
                self.room_names.take(&key, Some(record.id));
                if name.as_str() == OPERATORS {
                    self.operators = Some(record.id);
                }
                let members = self.users.iter().filter(|user| user.rooms.contains(&record.id));
                (RoomKind::Named(name, key), members.map(|user| user.id).collect())
            }
            RoomKey::Direct(low, high) => {
                let mut members = BTreeSet::new();
                for id in [low, high] {
                    if let Some(user) = self.users.get_mut(id) {
                        user.directs.insert(record.id);
                        members.insert(id);
                    }
                }
                (RoomKind::Direct([(low, self.nick_of(low)), (high, self.nick_of(high))]), members)
            }
        };
        self.rooms.insert(Room {
            id: record.id,
            kind,
            topic: record.topic,
            rights: self.recovered_rights(record.id, record.mode, record.standings),
            first: record.first,
            tail: record.last,
            members,
            listeners: Vec::new(),
            recent: Recent::new(record.last.next()),
            changes: Changes::default(),
            holds: 0,
            queued: false,
        });
    }

    fn recovered_rights(&self, id: RoomId, mode: RoomMode, standings: Vec<Standing>) -> Rights {
        let mut rights = Rights::new(mode, self.operators == Some(id));
        for standing in standings {
            let guest = self.users.get(standing.user).is_none_or(|user| !user.is_account());
            let name = Nick::parse(&standing.name).ok().filter(|_| guest);
            let ends = Ends { banned: self.end_of(standing.banned), muted: self.end_of(standing.muted) };
            rights.restore(standing, name.map(|name| name.key().folded().clone()), ends);
        }
        rights
    }

    /// When a term ends that was stored: its time ran on by the wall clock as far as that is believed (E8).
    fn end_of(&self, term: Option<Term>) -> Option<Monotonic> {
        let Term { since, until } = term?;
        let until = until?;
        let now = self.peers.now;
        Some(now.monotonic.after(remaining(Some(until), now.wall, until.since(since))))
    }

    fn nick_of(&self, user: UserId) -> Arc<str> {
        self.users.get(user).map_or_else(|| "".into(), |user| user.nick.shared())
    }

    /// The lobby always exists (R3).
    fn open_lobby(&mut self) {
        let name = RoomName::lobby();
        let key = name.key();
        if self.room_names.find(&key).is_none() {
            let operation = self.begin_opening(&name, &key, None);
            self.ask_storage(Pending::Lobby { key }, operation);
        }
    }

    /// Rooms that would have ceased if the server had not stopped first.
    fn drop_deserted(&mut self) {
        let ids: Vec<RoomId> = self.rooms.ids().collect();
        for id in ids {
            self.drop_if_deserted(id);
        }
    }
}

/// How much longer a guest is kept (E8).
fn remaining(expires: Option<WallTime>, wall: WallTime, kept: Duration) -> Duration {
    match expires {
        None if crate::seeded_bug!("connected-guest-expires-at-restart") => Duration::ZERO,
        None => kept,
        Some(expires) if wall.since(expires) > LEAP_MAX => kept,
        Some(expires) => expires.since(wall).min(kept),
    }
}
