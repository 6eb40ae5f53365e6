//! What sockets are called towards the poller.

use palabre_core::ids::ConnectionId;

// Slot and generation share a key, so that an event is never taken for one of a later connection in the slot.
const _: () = assert!(usize::BITS >= 64, "the server needs a 64-bit system");

/// A slot that no connection has.
const LISTENERS: u32 = u32::MAX;

/// The key of a connection's socket.
pub(super) const fn of(id: ConnectionId) -> usize {
    (id.generation() as usize) << 32 | id.slot()
}

/// The slot of a connection's key.
pub(super) const fn slot(key: usize) -> usize {
    key & u32::MAX as usize
}

/// The key of a listener, of which there are far fewer than 2^31.
pub(super) const fn of_listener(index: usize) -> usize {
    index << 32 | LISTENERS as usize
}

/// The listener's index, if it is the key of one.
pub(super) const fn listener(key: usize) -> Option<usize> {
    if slot(key) == LISTENERS as usize { Some(key >> 32) } else { None }
}
