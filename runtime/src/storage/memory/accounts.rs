//! Accounts and their devices.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use palabre_core::{
    ids::{DeviceId, RoomId, UserId},
    password::PasswordRecord,
    storage::{AccountRecord, DeviceRecord, NewDevice, StorageFailure, TokenHash},
    time::WallTime,
};

/// All accounts, found by id and by name, and their devices, found by id and by token.
#[derive(Debug)]
pub(super) struct Accounts {
    accounts_max: usize,
    last_device: u64,
    accounts: BTreeMap<UserId, Account>,
    accounts_by_nick: HashMap<Arc<str>, UserId>,
    owners: HashMap<DeviceId, UserId>,
    devices_by_token: BTreeMap<TokenHash, DeviceId>,
}

#[derive(Debug)]
struct Account {
    nick: Arc<str>,
    record: PasswordRecord,
    devices: BTreeMap<DeviceId, DeviceRecord>,
}

impl Accounts {
    /// None yet, and at most `accounts_max` ever.
    pub(super) fn new(accounts_max: usize) -> Self {
        Self {
            accounts_max,
            last_device: 0,
            accounts: BTreeMap::new(),
            accounts_by_nick: HashMap::new(),
            owners: HashMap::new(),
            devices_by_token: BTreeMap::new(),
        }
    }

    pub(super) fn contains(&self, user: UserId) -> bool {
        self.accounts.contains_key(&user)
    }

    /// Stores an account under the id that follows `last_user`.
    pub(super) fn create(
        &mut self,
        nick: Arc<str>,
        record: PasswordRecord,
        device: NewDevice,
        last_user: &mut u64,
    ) -> Result<(UserId, DeviceId), StorageFailure> {
        if let Some(found) = self.find_token(device.token_hash) {
            return Ok(found);
        }
        if self.accounts_by_nick.contains_key(&nick) {
            return Err(StorageFailure::Failed);
        }
        if self.accounts.len() >= self.accounts_max {
            return Err(StorageFailure::NoSpace);
        }
        *last_user += 1;
        let user = UserId::new(*last_user);
        self.accounts_by_nick.insert(Arc::clone(&nick), user);
        self.accounts.insert(user, Account { nick, record, devices: BTreeMap::new() });
        Ok((user, self.add_device(user, device)?))
    }

    pub(super) fn add_device(&mut self, user: UserId, new: NewDevice) -> Result<DeviceId, StorageFailure> {
        if !self.accounts.contains_key(&user) {
            return Err(StorageFailure::NoSuchUser);
        }
        if let Some((_, found)) = self.find_token(new.token_hash) {
            return Ok(found);
        }
        let account = self.accounts.get_mut(&user).ok_or(StorageFailure::NoSuchUser)?;
        self.last_device += 1;
        let device = DeviceId::new(self.last_device);
        let NewDevice { name, token_hash, at } = new;
        account.devices.insert(device, DeviceRecord { device, name, token_hash, since: at, seen: at });
        self.owners.insert(device, user);
        self.devices_by_token.insert(token_hash, device);
        Ok(device)
    }

    pub(super) fn see_device(&mut self, device: DeviceId, seen: WallTime) {
        let account = self.owners.get(&device).and_then(|user| self.accounts.get_mut(user));
        if let Some(record) = account.and_then(|account| account.devices.get_mut(&device)) {
            record.seen = seen;
        }
    }

    pub(super) fn remove_device(&mut self, device: DeviceId) {
        let account = self.owners.remove(&device).and_then(|user| self.accounts.get_mut(&user));
        if let Some(removed) = account.and_then(|account| account.devices.remove(&device)) {
            self.devices_by_token.remove(&removed.token_hash);
        }
    }

    pub(super) fn set_password(
        &mut self,
        user: UserId,
        record: PasswordRecord,
        keep: DeviceId,
    ) -> Result<(), StorageFailure> {
        let account = self.accounts.get_mut(&user).ok_or(StorageFailure::NoSuchUser)?;
        account.record = record;
        let others: Vec<_> = account.devices.keys().copied().filter(|device| *device != keep).collect();
        for device in others {
            self.remove_device(device);
        }
        Ok(())
    }

    /// All accounts, ascending by id.
    pub(super) fn records(&self, rooms_of: impl Fn(UserId) -> Vec<RoomId>) -> Vec<AccountRecord> {
        let record = |(user, account): (&UserId, &Account)| AccountRecord {
            user: *user,
            nick: Arc::clone(&account.nick),
            record: account.record.clone(),
            rooms: rooms_of(*user),
            devices: account.devices.values().cloned().collect(),
        };
        self.accounts.iter().map(record).collect()
    }

    fn find_token(&self, token_hash: TokenHash) -> Option<(UserId, DeviceId)> {
        let device = *self.devices_by_token.get(&token_hash)?;
        Some((*self.owners.get(&device)?, device))
    }
}
