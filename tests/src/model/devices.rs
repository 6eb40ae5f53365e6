//! The devices of an account, its connections, and what ends them (A7–A11).

use palabre_core::{
    error::{ProtocolError, RefusalCode},
    ids::DeviceId,
    time::{Monotonic, WallTime},
    wire::{NewPassword, Revoke, SetPassword},
};

use super::{
    ConnectionKey, Exchange, Expected, Model, Phase, Refusal, Standing, UserKey,
    accounts::{Account, REGISTRATION_RESPONSE_BYTES},
};

/// The reason of a server's `Goodbye` to a device that may not be connected any more (K3).
const REVOKED: u8 = 7;

/// A device, as the model numbers them; the server's id is learned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DeviceKey(pub usize);

/// What an account came by, once.
#[derive(Clone, Debug)]
pub struct Device {
    pub(super) user: UserKey,
    pub(super) name: String,
    pub(super) since: WallTime,
    pub(super) seen: WallTime,
    /// When its token ends, while it is not connected (A7).
    pub(super) ends: Option<Monotonic>,
    pub(super) gone: bool,
}

/// What a connection comes by as an account.
#[derive(Clone, Debug)]
pub(super) enum Hold {
    /// The token of a device.
    Device(DeviceKey),
    /// A password: there will be a device of this name when it enters, if that is not set anew before.
    New { name: String, by: Account },
}

impl Model {
    /// A8: by its device or its password, on one connection more, or in place of an older one (E7).
    pub(super) fn enter_by_account(&mut self, at: ConnectionKey, user: UserKey, hold: Hold, id: u32) -> bool {
        if let Err(refusal) = self.judge_entry(user) {
            return self.refuse(at, id, refusal);
        }
        let older = match hold {
            Hold::Device(device) => self.same_run(device, self[at].session),
            Hold::New { .. } => None,
        };
        let full = self.connections_of(user).count() >= self.limits.devices_connected_max;
        if older.is_none() && full {
            return self.refuse(at, id, Refusal::new(RefusalCode::SlowDown));
        }
        if older.is_none() && self.is_full() {
            return self.turn_away(at, id);
        }
        if let Hold::Device(device) = hold {
            self[device].ends = None;
        }
        self[at].proved = matches!(hold, Hold::New { .. });
        self[at].hold = Some(hold);
        if let Some(older) = older {
            self.supersede(older, at, user, id);
            return true;
        }
        self.enter_or_wait(at, user, id);
        true
    }

    /// E7, A8: the connection of the same run of the same device.
    fn same_run(&self, device: DeviceKey, session: u64) -> Option<ConnectionKey> {
        let mut of_device = self.connections_by(device);
        of_device.find(|key| self[*key].session == session)
    }

    fn connections_by(&self, device: DeviceKey) -> impl Iterator<Item = ConnectionKey> {
        let is_in =
            |key: &ConnectionKey| matches!(self[*key].phase, Phase::Ready { .. } | Phase::Waiting { .. });
        let by =
            move |key: &ConnectionKey| matches!(self[*key].hold, Some(Hold::Device(held)) if held == device);
        self.connection_keys().filter(is_in).filter(by)
    }

    /// A7: the device of an account that enters now; a new one for a password.
    pub(super) fn see_device(&mut self, at: ConnectionKey, user: UserKey) {
        let device = match self[at].hold.clone() {
            Some(Hold::Device(device)) => device,
            Some(Hold::New { name, .. }) => self.add_device(user, name),
            None => return,
        };
        self[device].seen = self.now.wall;
        self[device].ends = None;
        self[at].hold = Some(Hold::Device(device));
    }

    /// A10: where there are too many, the one seen longest ago gives way of those that are not connected.
    fn add_device(&mut self, user: UserKey, name: String) -> DeviceKey {
        let own = self.devices_of(user);
        let is_unused = |device: &&DeviceKey| self[**device].ends.is_some();
        let unused: Vec<_> = own.iter().filter(is_unused).copied().collect();
        if own.len() >= self.limits.devices_max
            && let Some(oldest) = unused.into_iter().min_by_key(|device| self[*device].seen)
        {
            self[oldest].gone = true;
        }
        let since = self.now.wall;
        let device = Device { user, name, since, seen: since, ends: None, gone: false };
        self.devices.push(device);
        DeviceKey(self.devices.len() - 1)
    }

    pub(super) fn devices_of(&self, user: UserKey) -> Vec<DeviceKey> {
        let keys = (0..self.devices.len()).map(DeviceKey);
        keys.filter(|device| self[*device].user == user && !self[*device].gone).collect()
    }

    /// A10: the device is no more, and its connections are told so.
    fn end_device(&mut self, device: DeviceKey) {
        self[device].gone = true;
        let closing: Vec<_> = self.connections_by(device).collect();
        for connection in closing {
            self.expect(connection, Expected::Goodbye { reason: REVOKED });
            self.end(connection, false);
        }
    }

    /// A7: whether its token is still good.
    pub(super) fn is_good(&self, device: DeviceKey) -> bool {
        !self[device].gone
    }

    /// A10.
    pub(super) fn list_devices(&mut self, at: ConnectionKey, user: UserKey, id: u32) -> Result<(), Refusal> {
        self.own_account(user)?;
        let Some(Hold::Device(this)) = self[at].hold else { return Ok(()) };
        let devices = self.devices_of(user);
        self.expect(at, Expected::DeviceList { id, devices, this });
        Ok(())
    }

    /// A10.
    pub(super) fn revoke(
        &mut self,
        at: ConnectionKey,
        user: UserKey,
        revoke: &Revoke,
    ) -> Result<(), Refusal> {
        self.own_account(user)?;
        let device = self.device_of(user, revoke.device)?;
        self.expect(at, Expected::Done { id: revoke.id });
        self.end_device(device);
        Ok(())
    }

    fn device_of(&self, user: UserKey, id: DeviceId) -> Result<DeviceKey, Refusal> {
        let device = self.known.device(id).filter(|device| self.devices_of(user).contains(device));
        device.ok_or_else(|| Refusal::new(RefusalCode::NoSuchDevice))
    }

    /// What only accounts may.
    pub(super) fn own_account(&self, user: UserKey) -> Result<(), Refusal> {
        if self[user].account.is_some() { Ok(()) } else { Err(Refusal::new(RefusalCode::NotAllowed)) }
    }

    /// A11.
    pub(super) fn new_password(
        &mut self,
        at: ConnectionKey,
        user: UserKey,
        wish: &NewPassword,
    ) -> Result<(), Refusal> {
        self.abandon(at);
        self.own_account(user)?;
        if !self[at].proved {
            return Err(Refusal::new(RefusalCode::NotAllowed));
        }
        let codes = self.why_not_challenge(at);
        if !codes.is_empty() {
            return Err(Refusal::any_of(codes));
        }
        self[at].exchange = Some(Exchange::NewPassword);
        self.challenge(at, wish.id, REGISTRATION_RESPONSE_BYTES);
        Ok(())
    }

    /// A11: all other devices are revoked.
    pub(super) fn set_password(&mut self, at: ConnectionKey, user: UserKey, wish: &SetPassword) -> bool {
        let password = self.known.password_in(&wish.upload);
        let asked = matches!(self[at].exchange.take(), Some(Exchange::NewPassword));
        let (true, Some(password), Some(Hold::Device(this))) = (asked, password, self[at].hold.clone())
        else {
            let mut codes = Vec::new();
            codes.extend((!asked).then_some(ProtocolError::UnexpectedKind));
            codes.extend(password.is_none().then_some(ProtocolError::MalformedBody));
            return self.fail_with(at, codes);
        };
        if let Some(account) = &mut self[user].account {
            account.password = password;
            account.changes += 1;
        }
        self.expect(at, Expected::Done { id: wish.id });
        for device in self.devices_of(user).into_iter().filter(|device| *device != this) {
            self.end_device(device);
        }
        true
    }

    /// A1: an account without connections is lost to others. A7: the time of a device runs from the end of its last.
    pub(super) fn leave_account(&mut self, at: ConnectionKey, user: UserKey) {
        if let Some(Hold::Device(device)) = self[at].hold
            && self.connections_by(device).next().is_none()
        {
            self[device].ends = Some(self.now.monotonic.after(self.limits.device_kept));
        }
        let here = self.connections_of(user).any(|key| matches!(self[key].phase, Phase::Ready { .. }));
        if !here {
            self[user].standing = Standing::Absent;
        }
    }

    pub(super) fn is_account(&self, user: UserKey) -> bool {
        self[user].account.is_some()
    }
}

/// A7 over time.
impl Model {
    /// Nobody came by the device for too long.
    pub(super) fn expire_device(&mut self, device: DeviceKey) {
        self.end_device(device);
    }

    /// After a restart, what is left is counted from when it entered last (E8).
    pub(super) fn restart_devices(&mut self) {
        let kept = self.limits.device_kept;
        for device in (0..self.devices.len()).map(DeviceKey) {
            let left = self.left_of(kept, self[device].seen.after(kept));
            self[device].ends = Some(self.now.monotonic.after(left));
            self[device].gone |= left.is_zero();
        }
    }
}
