//! One short story, told over and over: somebody shares a file and takes it again. Each time something else goes wrong once.

use std::time::Duration;

use palabre_core::{
    client::{DownloadWish, UploadWish},
    limits::Limits,
    name::RoomName,
    transfer::{FileName, UploadKey, Version},
};

use super::{Transfer, World, hash};

/// What goes wrong in a story.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// Nothing.
    None,
    /// The connection is cut when the server was given so many bytes.
    CutUp(u64),
    /// The connection is cut when the client was given so many bytes.
    CutDown(u64),
    /// The server's power goes after so many steps.
    Crash(u64),
}

/// How the file of a story is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Sent in several pieces, with checkpoints between them: its size is not known before.
    InParts,
    /// In one request.
    AtOnce,
}

/// How long a story was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Played {
    /// Bytes that the server was given.
    pub up: u64,
    /// Bytes that the client was given.
    pub down: u64,
    /// Things that happened: bytes that arrived, answers of the disk, of storage, and of the client's own disk.
    pub steps: u64,
}

const SIZE: usize = 2_500;
const KEY: UploadKey = UploadKey([1; 16]);

/// Such that a file in parts has several, with checkpoints between them.
fn limits() -> Limits {
    Limits {
        window_bytes: 600,
        window_bytes_max: 600,
        windows_bytes_max: 4_000,
        checkpoint_bytes: 700,
        undurable_bytes_max: 1_500,
        read_bytes: 500,
        ..Limits::open()
    }
}

/// Tells the story; `seed` draws what a crash leaves, and who is served first.
///
/// # Errors
/// What does not hold, or does not end.
pub fn play(way: Way, mishap: Mishap, seed: u64) -> Result<Played, String> {
    let mut world = World::new(seed, limits())?;
    world.healthy = true;
    world.disk.healthy = true;
    world.actors.truncate(1);
    let mut story = Story { world, way, mishap, played: Played::default(), disk_first: seed % 2 == 1 };
    story.tell().map_err(|reason| format!("{way:?}, {mishap:?}, seed {seed}: {reason}"))?;
    Ok(story.played)
}

struct Story {
    world: World,
    way: Way,
    mishap: Mishap,
    played: Played,
    disk_first: bool,
}

impl Story {
    fn tell(&mut self) -> Result<(), String> {
        let content: Vec<u8> = (0..SIZE).map(|at| ((at * 7 + at / 251) % 256) as u8).collect();
        self.world.contents.insert(hash(&content), content.clone());
        let mut waited = 0;
        while !self.world.marks.has("a file was downloaded whole") {
            if !self.step()? && !self.wish(&content)? {
                self.world.pass(Duration::from_millis(250))?;
                waited += 1;
            }
            if waited > 4_000 {
                return Err(format!("it does not end: {}", self.world.what_is_left()));
            }
        }
        if self.world.told.len() != 1 {
            return Err(format!("it was told of {} files", self.world.told.len()));
        }
        while self.world.settle()? {}
        for _ in 0..5 {
            self.world.pass(Duration::from_secs(6 * 3_600))?;
            while self.world.settle()? {}
        }
        self.world.check_all(true)
    }

    /// The next thing that is under way happens. Whether there was any.
    fn step(&mut self) -> Result<bool, String> {
        if !self.happen()? {
            return Ok(false);
        }
        self.played.steps += 1;
        if self.mishap == Mishap::Crash(self.played.steps) {
            self.world.crash()?;
        }
        Ok(true)
    }

    fn happen(&mut self) -> Result<bool, String> {
        let at_cut = |mishap, played: Played| {
            mishap == Mishap::CutUp(played.up) || mishap == Mishap::CutDown(played.down)
        };
        if self.world.actors[0].link.is_some() && at_cut(self.mishap, self.played) {
            self.mishap = Mishap::None;
            self.world.cut(0)?;
            return Ok(true);
        }
        let left = |bytes: u64, carried: u64| usize::try_from(bytes - carried).unwrap_or(usize::MAX);
        let (up, down) = match self.mishap {
            Mishap::None | Mishap::Crash(_) => (usize::MAX, usize::MAX),
            Mishap::CutUp(bytes) => (left(bytes, self.played.up), usize::MAX),
            Mishap::CutDown(bytes) => (usize::MAX, left(bytes, self.played.down)),
        };
        let (up, down, over) = self.world.carry(0, up, down)?;
        self.played.up += up as u64;
        self.played.down += down as u64;
        if over || up + down > 0 || self.world.work_locally(0)? {
            return Ok(true);
        }
        let disk_first = self.disk_first && self.world.answer_disk()?;
        Ok(disk_first || self.world.answer_storage()? || self.world.answer_disk()?)
    }

    /// Nothing is under way: what is wanted next is asked for, once.
    fn wish(&mut self, content: &[u8]) -> Result<bool, String> {
        let now = self.world.now;
        let told = !self.world.told.is_empty();
        let actor = &mut self.world.actors[0];
        if !actor.transfers.is_empty() {
            return Ok(false);
        }
        let Some(room) = actor.lobby else {
            let asked = actor.client.join(&RoomName::lobby(), None, now).is_ok();
            self.world.drain_client(0)?;
            return Ok(asked && self.world.actors[0].link.is_some());
        };
        let name = FileName::parse("story.txt").map_err(|error| error.to_string())?;
        let size = (self.way == Way::AtOnce).then_some(content.len() as u64);
        let room = Some(room);
        if told {
            let wish = DownloadWish { room, name, hash: None, offset: 0, end: None };
            if let Ok(id) = actor.client.download(wish, now) {
                actor.transfers.insert(id, Transfer::Download { content: Vec::new() });
            }
        } else {
            // As often as it takes: it is the same upload.
            let over = Some(Version::default());
            let wish = UploadWish { key: KEY, room, name, size, executable: false, over, ask_first: false };
            if let Ok(id) = actor.client.upload(wish, now) {
                let upload = Transfer::Upload { key: KEY, content: content.to_vec(), room };
                actor.transfers.insert(id, upload);
            }
        }
        self.world.drain_client(0)?;
        Ok(true)
    }
}
