//! Accounts and their devices, as plainly as the port's words about them can be written down.

use std::{collections::BTreeMap, sync::Arc};

use palabre_core::{
    ids::{DeviceId, RoomId, Seq, UserId},
    password::PasswordRecord,
    storage::{
        AccountRecord, DeviceRecord, DeviceToken, InvitationId, InvitationRecord, InvitationUse, NewDevice,
        StorageFailure, TokenHash,
    },
    time::WallTime,
};

/// All accounts and devices that are stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Accounts {
    devices_given: u64,
    accounts: BTreeMap<UserId, Account>,
    devices: BTreeMap<DeviceId, Device>,
    read: BTreeMap<(UserId, RoomId), Seq>,
    invitations: BTreeMap<InvitationId, InvitationRecord>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Account {
    nick: Arc<str>,
    record: PasswordRecord,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Device {
    user: UserId,
    name: Arc<str>,
    token: DeviceToken,
    since: WallTime,
    seen: WallTime,
}

impl Accounts {
    pub(super) const fn new() -> Self {
        Self {
            devices_given: 0,
            accounts: BTreeMap::new(),
            devices: BTreeMap::new(),
            read: BTreeMap::new(),
            invitations: BTreeMap::new(),
        }
    }

    pub(super) fn contains(&self, user: UserId) -> bool {
        self.accounts.contains_key(&user)
    }

    pub(super) fn has_device(&self, device: DeviceId) -> bool {
        self.devices.contains_key(&device)
    }

    /// Whose device a token is of, and which.
    pub(super) fn find_token(&self, token_hash: TokenHash) -> Option<(UserId, DeviceId)> {
        let found = self.devices.iter().find(|(_, device)| device.token.hash == token_hash);
        found.map(|(id, device)| (device.user, *id))
    }

    /// Stores an account under the id that `next_user` gives.
    pub(super) fn create(
        &mut self,
        nick: &Arc<str>,
        record: &PasswordRecord,
        device: &NewDevice,
        invitation: Option<InvitationUse>,
        next_user: impl FnOnce() -> UserId,
    ) -> Result<(UserId, DeviceId), StorageFailure> {
        if let Some(found) = self.find_token(device.token_hash) {
            return Ok(found);
        }
        if self.accounts.values().any(|account| account.nick == *nick) {
            return Err(StorageFailure::Failed);
        }
        if let Some(InvitationUse { id, expires }) = invitation {
            self.invitations.entry(id).or_insert(InvitationRecord { id, uses: 0, expires }).uses += 1;
        }
        let user = next_user();
        self.accounts.insert(user, Account { nick: Arc::clone(nick), record: record.clone() });
        Ok((user, self.store_device(user, device)))
    }

    pub(super) fn add_device(
        &mut self,
        user: UserId,
        device: &NewDevice,
    ) -> Result<DeviceId, StorageFailure> {
        if !self.contains(user) {
            return Err(StorageFailure::NoSuchUser);
        }
        if let Some((_, found)) = self.find_token(device.token_hash) {
            return Ok(found);
        }
        Ok(self.store_device(user, device))
    }

    pub(super) fn see_device(&mut self, device: DeviceId, seen: WallTime, token: Option<DeviceToken>) {
        if let Some(device) = self.devices.get_mut(&device) {
            device.seen = seen;
            device.token = token.unwrap_or(device.token);
        }
    }

    pub(super) fn forget_invitation(&mut self, id: InvitationId) {
        self.invitations.remove(&id);
    }

    /// The invitations that were used.
    pub(super) fn invitations(&self) -> Vec<InvitationRecord> {
        self.invitations.values().copied().collect()
    }

    pub(super) fn set_read(&mut self, user: UserId, room: RoomId, seq: Seq) {
        if self.contains(user) {
            let read = self.read.entry((user, room)).or_default();
            *read = seq.max(*read);
        }
    }

    /// What was read is forgotten of those rooms of which this is so.
    pub(super) fn forget_read(&mut self, is_gone: impl Fn(UserId, RoomId) -> bool) {
        self.read.retain(|(user, room), _| !is_gone(*user, *room));
    }

    pub(super) fn remove_device(&mut self, device: DeviceId) {
        self.devices.remove(&device);
    }

    pub(super) fn set_password(
        &mut self,
        user: UserId,
        record: &PasswordRecord,
        keep: DeviceId,
    ) -> Result<(), StorageFailure> {
        let account = self.accounts.get_mut(&user).ok_or(StorageFailure::NoSuchUser)?;
        account.record = record.clone();
        self.devices.retain(|id, device| device.user != user || *id == keep);
        Ok(())
    }

    /// What a server is told at start.
    pub(super) fn records(&self, rooms_of: impl Fn(UserId) -> Vec<RoomId>) -> Vec<AccountRecord> {
        let record = |(user, account): (&UserId, &Account)| AccountRecord {
            user: *user,
            nick: Arc::clone(&account.nick),
            record: account.record.clone(),
            rooms: rooms_of(*user),
            devices: self.devices_of(*user).collect(),
            read: self
                .read
                .iter()
                .filter(|((reader, _), _)| reader == user)
                .map(|((_, room), seq)| (*room, *seq))
                .collect(),
        };
        self.accounts.iter().map(record).collect()
    }

    fn devices_of(&self, user: UserId) -> impl Iterator<Item = DeviceRecord> + '_ {
        let devices = self.devices.iter().filter(move |(_, device)| device.user == user);
        devices.map(|(id, device)| DeviceRecord {
            device: *id,
            name: Arc::clone(&device.name),
            token: device.token,
            since: device.since,
            seen: device.seen,
        })
    }

    fn store_device(&mut self, user: UserId, new: &NewDevice) -> DeviceId {
        self.devices_given += 1;
        let id = DeviceId::new(self.devices_given);
        let DeviceRecord { name, token, since, seen, .. } = DeviceRecord::new(id, new.clone());
        self.devices.insert(id, Device { user, name, token, since, seen });
        id
    }
}
