//! Accounts and their devices.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use palabre_core::{
    ids::{DeviceId, RoomId, Seq, UserId},
    password::PasswordRecord,
    storage::{
        AccountRecord, DeviceRecord, DeviceToken, InvitationId, InvitationRecord, InvitationUse, NewDevice,
        StorageFailure, TokenHash,
    },
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
    invitations: BTreeMap<InvitationId, InvitationRecord>,
}

#[derive(Debug)]
struct Account {
    nick: Arc<str>,
    record: PasswordRecord,
    devices: BTreeMap<DeviceId, DeviceRecord>,
    read: BTreeMap<RoomId, Seq>,
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
            invitations: BTreeMap::new(),
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
        invitation: Option<InvitationUse>,
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
        if let Some(InvitationUse { id, expires }) = invitation {
            self.invitations.entry(id).or_insert(InvitationRecord { id, uses: 0, expires }).uses += 1;
        }
        *last_user += 1;
        let user = UserId::new(*last_user);
        self.accounts_by_nick.insert(Arc::clone(&nick), user);
        self.accounts.insert(user, Account { nick, record, devices: BTreeMap::new(), read: BTreeMap::new() });
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
        self.owners.insert(device, user);
        self.devices_by_token.insert(new.token_hash, device);
        account.devices.insert(device, DeviceRecord::new(device, new));
        Ok(device)
    }

    pub(super) fn see_device(&mut self, device: DeviceId, seen: WallTime, token: Option<DeviceToken>) {
        let account = self.owners.get(&device).and_then(|user| self.accounts.get_mut(user));
        let Some(record) = account.and_then(|account| account.devices.get_mut(&device)) else { return };
        record.seen = seen;
        if let Some(token) = token {
            self.devices_by_token.remove(&record.token.hash);
            self.devices_by_token.insert(token.hash, device);
            record.token = token;
        }
    }

    pub(super) fn forget_invitation(&mut self, id: InvitationId) {
        self.invitations.remove(&id);
    }

    /// The invitations that were used, ascending by id.
    pub(super) fn invitations(&self) -> Vec<InvitationRecord> {
        self.invitations.values().copied().collect()
    }

    pub(super) fn set_read(&mut self, user: UserId, room: RoomId, seq: Seq) {
        if let Some(account) = self.accounts.get_mut(&user) {
            let read = account.read.entry(room).or_default();
            *read = seq.max(*read);
        }
    }

    pub(super) fn forget_read(&mut self, user: UserId, room: RoomId) {
        if let Some(account) = self.accounts.get_mut(&user) {
            account.read.remove(&room);
        }
    }

    /// A room is no more.
    pub(super) fn forget_room(&mut self, room: RoomId) {
        for account in self.accounts.values_mut() {
            account.read.remove(&room);
        }
    }

    pub(super) fn remove_device(&mut self, device: DeviceId) {
        let account = self.owners.remove(&device).and_then(|user| self.accounts.get_mut(&user));
        if let Some(removed) = account.and_then(|account| account.devices.remove(&device)) {
            self.devices_by_token.remove(&removed.token.hash);
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
            read: account.read.iter().map(|(room, seq)| (*room, *seq)).collect(),
        };
        self.accounts.iter().map(record).collect()
    }

    fn find_token(&self, token_hash: TokenHash) -> Option<(UserId, DeviceId)> {
        let device = *self.devices_by_token.get(&token_hash)?;
        Some((*self.owners.get(&device)?, device))
    }
}
