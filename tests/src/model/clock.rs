//! Time: entering (V5), keep-alive (K2), expiry (E6), restart (E8) and shutdown (K4).

use std::time::Duration;

use palabre_core::{
    time::{Monotonic, Now, WallTime},
    wire::{Pong, ToServer, state},
};

use super::{ConnectionKey, DeviceKey, Expected, Model, Phase, Standing, UserKey};

/// The reasons of a server's `Goodbye` (K3).
const SHUTTING_DOWN: u8 = 2;
const TIMED_OUT: u8 = 4;

/// How far past its end a guest's time is still believed to have ended (E8).
const BELIEVED_MAX: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// Something that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    /// V5, K2: the connection has had its time.
    TimeOut(ConnectionKey),
    /// K2: the connection was silent and is asked.
    Ask(ConnectionKey),
    /// E6: the guest was lost for too long.
    Expire(UserKey),
    /// A7: the device was not seen for too long.
    Forget(DeviceKey),
    /// G5: a ban or a mute is over.
    EndTerms,
}

impl Model {
    /// Time passes. Clients that are `answering` answer a `Ping` at once; the others have fallen silent. Tells when
    /// something was last due meanwhile.
    pub fn pass_time(&mut self, until: Now, answering: bool) -> Option<Monotonic> {
        let mut last = None;
        while let Some((at, due)) = self.next_due().filter(|(at, _)| *at <= until.monotonic) {
            last = Some(at);
            let passed = at.since(self.now.monotonic);
            self.tell_time(Now {
                monotonic: self.now.monotonic.after(passed),
                wall: self.now.wall.after(passed),
            });
            match due {
                Due::TimeOut(connection) => {
                    self.expect(connection, Expected::Goodbye { reason: TIMED_OUT });
                    self.end(connection, false);
                }
                Due::Ask(connection) => {
                    self.expect(connection, Expected::Ping);
                    self[connection].asked = true;
                    if answering {
                        self.receive(connection, &ToServer::Pong(Pong { token: 0 }));
                    }
                }
                Due::Expire(user) => self.remove_user(user, state::EXPIRED),
                Due::Forget(device) => self.expire_device(device),
                Due::EndTerms => self.end_terms(),
            }
        }
        self.tell_time(until);
        last
    }

    fn next_due(&self) -> Option<(Monotonic, Due)> {
        let connections = self.connection_keys().filter_map(|key| self.connection_due(key));
        let users = (0..self.users.len()).map(UserKey).filter_map(|user| match self[user].standing {
            Standing::Lost { expires, .. } => Some((expires, Due::Expire(user))),
            Standing::Present
            | Standing::Returning { .. }
            | Standing::Absent
            | Standing::Newcomer
            | Standing::Gone { .. } => None,
        });
        let devices = (0..self.devices.len()).map(DeviceKey).filter(|device| !self[*device].gone);
        let devices = devices.filter_map(|device| Some((self[device].ends?, Due::Forget(device))));
        let terms = self.next_term().map(|at| (at, Due::EndTerms));
        connections.chain(users).chain(devices).chain(terms).min()
    }

    fn connection_due(&self, key: ConnectionKey) -> Option<(Monotonic, Due)> {
        let connection = &self[key];
        match connection.phase {
            Phase::Connected | Phase::Greeted => {
                Some((connection.entering.after(self.limits.entering_max), Due::TimeOut(key)))
            }
            Phase::Waiting { .. } | Phase::Ready { .. } if connection.asked => {
                Some((connection.heard.after(self.limits.silence_end), Due::TimeOut(key)))
            }
            Phase::Waiting { .. } | Phase::Ready { .. } => {
                Some((connection.heard.after(self.limits.silence_max), Due::Ask(key)))
            }
            Phase::Closed => None,
        }
    }

    /// K4: every client is told, and its connection closed; its guest counts as connected until the end (E8).
    pub fn shut_down(&mut self) {
        self.queue.clear();
        for key in self.connection_keys() {
            if self[key].phase != Phase::Closed {
                self.expect(key, Expected::Goodbye { reason: SHUTTING_DOWN });
                self.close(key);
            }
        }
    }

    /// E8: the server stopped, orderly or not, and starts on the same database.
    pub fn restart(&mut self, now: Now) {
        self.tell_time(now);
        self.queue.clear();
        for key in self.connection_keys() {
            self.close(key);
            self[key].expected.clear();
        }
        for user in (0..self.users.len()).map(UserKey) {
            self[user].away = false;
            match self[user].standing {
                Standing::Present | Standing::Absent if self.is_account(user) => {
                    self[user].standing = Standing::Absent;
                }
                Standing::Present | Standing::Absent => {
                    self[user].standing = self.lost_for(self.limits.guest_kept);
                }
                Standing::Lost { expires_wall, .. } | Standing::Returning { expires_wall } => {
                    let left = self.left_of(self.limits.guest_kept, expires_wall);
                    if left.is_zero() {
                        self.remove_user(user, state::EXPIRED);
                    } else {
                        self[user].standing = self.lost_for(left);
                    }
                }
                Standing::Newcomer => self.remove_user(user, state::GONE),
                Standing::Gone { .. } => {}
            }
        }
        self.restart_terms();
        self.restart_devices();
    }

    /// E8: what is left by the wall clock, at most the whole; and the whole by one that is not believed.
    pub(super) fn left_of(&self, whole: Duration, ends: WallTime) -> Duration {
        let now = self.now.wall;
        if now.since(ends) > BELIEVED_MAX { whole } else { ends.since(now).min(whole) }
    }

    const fn tell_time(&mut self, now: Now) {
        self.now = now;
        if now.wall.as_millis() > self.latest_wall.as_millis() {
            self.latest_wall = now.wall;
        }
    }
}
