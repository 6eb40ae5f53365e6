//! All connections, by slot; a generation tells a slot's users apart.

use alloc::{boxed::Box, vec::Vec};

use super::Connection;
use crate::ids::ConnectionId;

#[derive(Debug, Default)]
pub(crate) struct Connections {
    slots: Vec<Slot>,
    free: Vec<u32>,
    open: usize,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    connection: Option<Box<Connection>>,
}

impl Slot {
    /// Whether an id was given to the connection that has the slot now.
    fn is_of(&self, id: ConnectionId) -> bool {
        self.generation == id.generation() || crate::seeded_bug!("generation-ignored")
    }
}

impl Connections {
    pub(crate) fn insert(&mut self, make: impl FnOnce(ConnectionId) -> Connection) -> ConnectionId {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.slots.push(Slot { generation: 0, connection: None });
            u32::try_from(self.slots.len() - 1).expect("fewer connections than 2^32")
        });
        let entry = &mut self.slots[slot as usize];
        let id = ConnectionId::new(slot, entry.generation);
        entry.connection = Some(Box::new(make(id)));
        self.open += 1;
        id
    }

    /// Takes a connection out. Its slot is used again only after [`Self::release`].
    pub(crate) fn remove(&mut self, id: ConnectionId) -> Option<Box<Connection>> {
        let entry = self.slots.get_mut(id.slot()).filter(|entry| entry.is_of(id))?;
        let connection = entry.connection.take()?;
        self.open -= 1;
        Some(connection)
    }

    /// Lets the slot of a connection that was taken out be used again.
    pub(crate) fn release(&mut self, id: ConnectionId) {
        let Some(entry) = self.slots.get_mut(id.slot()) else { return };
        if entry.generation == id.generation() && entry.connection.is_none() {
            entry.generation = entry.generation.wrapping_add(1);
            self.free.push(u32::try_from(id.slot()).expect("slots are numbered by u32"));
        }
    }

    pub(crate) fn get(&self, id: ConnectionId) -> Option<&Connection> {
        let entry = self.slots.get(id.slot()).filter(|entry| entry.is_of(id))?;
        entry.connection.as_deref()
    }

    pub(crate) fn get_mut(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        let entry = self.slots.get_mut(id.slot()).filter(|entry| entry.is_of(id))?;
        entry.connection.as_deref_mut()
    }

    /// The id of the connection that has this one's slot now, be it another: nobody may ever ask for that.
    pub(crate) fn now_in_slot_of(&self, id: ConnectionId) -> ConnectionId {
        let latest = self.slots.get(id.slot()).and_then(|slot| slot.connection.as_ref());
        latest.map_or(id, |connection| connection.id)
    }

    pub(crate) const fn len(&self) -> usize {
        self.open
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Connection> {
        self.slots.iter().filter_map(|slot| slot.connection.as_deref())
    }

    pub(crate) fn ids(&self) -> Vec<ConnectionId> {
        self.iter().map(|connection| connection.id).collect()
    }
}
