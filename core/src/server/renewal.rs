//! How tokens of devices are replaced, and what the use of one that was replaced means (`PROTOCOL.md` A13).
//!
//! ```text
//!            Resume with it, a week after          Resume with the next
//! one token ─────────────────────────────▶ two ─────────────────────────▶ one token, the next
//!                                          │ ▲
//!                                          └─┘ Resume with the old: the same next is given again
//! ```
//! Each arrow is written before the `Ready` that follows from it, so that a cut or a crash anywhere leaves a client with a token
//! that is taken.

use super::{Pending, Server};
use crate::{
    connection::hash_token,
    hub::Holder,
    ids::ConnectionId,
    output::Event,
    storage::{DeviceToken, StorageOperation},
    wire::Token,
};

/// How many replacements back a token is still recognised.
const REPLACED_MAX: usize = 16;

impl Server {
    /// Who enters by a token, and the token to go on with. One that was replaced lets nobody in, and ends the device: it, or the
    /// one that took its place, was copied.
    pub(super) fn holder_of(&mut self, shown: Token) -> (Option<Holder>, Token) {
        if let Some(holder) = self.users.by_token(hash_token(shown)) {
            return (Some(holder), shown);
        }
        let Some((holder, successor, steps)) = self.replaced(shown) else { return (None, shown) };
        let now = self.peers.now.monotonic;
        let renewed = self.users.device(holder).and_then(|device| device.renewed);
        let is_late = renewed.is_none_or(|renewed| renewed.after(self.config.limits.token_grace) <= now);
        if steps == 1 && !is_late {
            // Another program on the same machine took the next one just now.
            return (Some(holder), successor);
        }
        self.report(Event::TokenReused { user: holder.user, device: holder.device });
        let text = "A token of this device was used again after another had taken its place: somebody may have copied it. \
                    The device was logged out; log in again, and look at your devices.";
        self.end_device_saying(holder, text);
        self.ask_storage(Pending::Background, StorageOperation::RemoveDevice { device: holder.device });
        (None, shown)
    }

    /// Whose token was replaced by others, by which it may be entered now, and after how many replacements.
    fn replaced(&self, shown: Token) -> Option<(Holder, Token, usize)> {
        let setup = &self.config.accounts.as_ref()?.setup;
        let mut token = shown;
        for steps in 1..=REPLACED_MAX {
            token = setup.successor_of(token);
            if let Some(holder) = self.users.by_token(hash_token(token)) {
                return Some((holder, token, steps));
            }
        }
        None
    }

    /// The token that somebody who comes back is given, and what storage is to write of it.
    pub(super) fn renewal(
        &self,
        id: ConnectionId,
        holder: Holder,
        shown: Token,
    ) -> (Token, Option<DeviceToken>) {
        let renews = self.peers.connections.get(id).is_some_and(|connection| connection.renews);
        let account = self.users.get(holder.user).filter(|user| user.is_account());
        let (Some(device), Some(accounts)) =
            (account.and_then(|user| user.device(holder.device)), self.config.accounts.as_ref())
        else {
            return (shown, None);
        };
        let wall = self.peers.now.wall;
        let DeviceToken { hash, since, next } = device.token;
        if next == Some(hash_token(shown)) {
            return (shown, Some(DeviceToken { hash: hash_token(shown), since: wall, next: None }));
        }
        if hash != hash_token(shown) || !renews || wall.since(since) < self.config.limits.token_renewed_after
        {
            return (shown, None);
        }
        let successor = accounts.setup.successor_of(shown);
        let given = Some(hash_token(successor));
        (successor, (next != given).then_some(DeviceToken { hash, since, next: given }))
    }
}
