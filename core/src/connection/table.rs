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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Monotonic;

    fn insert(connections: &mut Connections) -> ConnectionId {
        connections.insert(|id| Connection::new(id, None, Monotonic::ZERO))
    }

    #[test]
    fn a_slot_is_used_again_only_after_its_connection_was_taken_out_and_released() {
        let mut connections = Connections::default();
        let first = insert(&mut connections);
        connections.release(first);
        let second = insert(&mut connections);
        assert_eq!((first.slot(), second.slot()), (0, 1), "it was not taken out");
        assert!(connections.remove(first).is_some_and(|connection| connection.id == first));
        assert_eq!(insert(&mut connections).slot(), 2, "it was not released");
        connections.release(first);
        connections.release(first);
        let again = insert(&mut connections);
        assert_eq!((again.slot(), again.generation()), (0, 1));
        assert_eq!(insert(&mut connections).slot(), 3, "it was released once");
        assert_eq!(connections.len(), 4);
    }

    #[test]
    fn an_id_of_an_earlier_generation_is_nobodys() {
        let mut connections = Connections::default();
        let old = insert(&mut connections);
        connections.remove(old);
        connections.release(old);
        let new = insert(&mut connections);
        assert!(connections.get(old).is_none() && connections.get_mut(old).is_none());
        assert!(connections.remove(old).is_none());
        connections.release(old);
        assert!(connections.get(new).is_some());
        assert_eq!(connections.ids(), [new]);
    }
}
