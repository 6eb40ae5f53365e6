//! Worlds in which only what a test says happens, under the same oracle.

use palabre_core::{ids::Seq, name::RoomName, storage::EventKind};

use super::{Options, Phase, World, operations::Request, peer::Peer};
use crate::{
    choices::Choices,
    network::{Owner, Way},
    oracle::{Said, Violation},
};

impl World {
    /// A world without faults and two clients, both in the lobby and reading it from the beginning.
    ///
    /// # Errors
    /// An invariant did not hold on the way.
    pub fn quiet() -> Result<Self, Violation> {
        Self::quiet_but(|_| {})
    }

    /// The same, with something that goes wrong on the way.
    ///
    /// # Errors
    /// An invariant did not hold.
    pub fn quiet_but(prepare: impl FnOnce(&mut Self)) -> Result<Self, Violation> {
        let mut world = Self::new(Choices::from_bytes([]), Options::default());
        world.phase = Phase::Liveness;
        world.store.heal();
        prepare(&mut world);
        world.begin()?;
        world.wait("both have entered")?;
        for actor in 0..world.actors.len() {
            world.verb(actor, Request::Join { after: Some(Seq::new(0)) }, |client, now| {
                client.join(&RoomName::lobby(), Some(Seq::new(0)), now)
            })?;
        }
        world.wait("both are in the lobby")?;
        Ok(world)
    }

    /// A client says something in the first room it is in, if it is in any.
    ///
    /// # Errors
    /// An invariant did not hold.
    pub fn say(&mut self, actor: usize, text: &str) -> Result<(), Violation> {
        let client = self.actors[actor].client.as_ref();
        let room = client.and_then(|client| client.joined().next().map(|room| room.id));
        let Some(room) = room else { return Ok(()) };
        let text = format!("{}:{text}", self.ledger.next_number().0);
        self.post_text(actor, room, Said { kind: EventKind::Posted, to: None, text }, true)
    }

    /// A raw peer connects and says these bytes, and later as many of them as are taken.
    pub fn recite(&mut self, bytes: &[u8]) {
        self.peers.push(Peer::reciting(bytes));
        let link = self.connect(Owner::Peer(self.peers.len() - 1));
        self.peers.last_mut().expect("just added").hold(link);
    }

    /// The next links, in the order they are made, break after so many bytes in a direction.
    pub fn cut_links(&mut self, cuts: impl IntoIterator<Item = (Way, usize)>) {
        self.cuts.extend(cuts);
    }

    /// The storage operation with this number fails, the first being 1.
    pub const fn fail_storage_call(&mut self, number: u64) {
        self.store.fail_call(number);
    }

    /// How many operations storage has executed.
    #[must_use]
    pub const fn storage_calls(&self) -> u64 {
        self.store.calls()
    }

    /// The server is killed after so many outputs, and starts again.
    pub const fn crash_after_outputs(&mut self, outputs: u64) {
        self.outputs_to_crash = Some(outputs);
    }

    /// Whether a crash that was asked for has not happened yet.
    #[must_use]
    pub const fn crash_is_to_come(&self) -> bool {
        self.outputs_to_crash.is_some()
    }

    /// All connections break now.
    pub fn break_all(&mut self) {
        for link in self.live_links() {
            self.reset_link(link);
        }
    }

    /// Some steps.
    ///
    /// # Errors
    /// An invariant did not hold.
    pub fn steps(&mut self, count: usize) -> Result<(), Violation> {
        for _ in 0..count {
            self.step()?;
        }
        Ok(())
    }

    /// Everybody has entered, and nothing of anybody waits.
    ///
    /// # Errors
    /// An invariant did not hold, or this one never does.
    pub fn wait(&mut self, what: &str) -> Result<(), Violation> {
        self.settle(what, |world| {
            Ok((0..world.actors.len())
                .all(|actor| world.actors[actor].is_settled() && world.is_caught_up(actor)))
        })
    }

    /// The end of every run: all that was said is durable, was read by all, and everything comes to rest.
    ///
    /// # Errors
    /// An invariant did not hold.
    pub fn conclude(&mut self) -> Result<(), Violation> {
        self.finish()
    }
}
