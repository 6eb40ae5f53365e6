//! Accounts by invitation (`PROTOCOL.md` A12): who shows one, and how often each was used.

use alloc::{collections::BTreeMap, vec::Vec};
use core::time::Duration;

use super::{Pending, Server};
use crate::{
    config::Registration,
    connection::{Invited, NewAccount},
    error::{Refusal, RefusalCode},
    invitation::Invitation,
    storage::{InvitationId, InvitationRecord, InvitationUse, StorageOperation},
    time::WallTime,
};

/// So long after its end an invitation is forgotten where there are too many: a wall clock may have been wrong.
const REMEMBERED_AFTER: Duration = Duration::from_secs(30 * 24 * 3_600);

/// The invitations that were used, those included that are being used.
#[derive(Debug)]
pub(super) struct Invitations {
    used: BTreeMap<InvitationId, Used>,
}

#[derive(Clone, Copy, Debug)]
struct Used {
    uses: u32,
    expires: WallTime,
}

impl Invitations {
    pub(super) fn recovered(records: Vec<InvitationRecord>) -> Self {
        let used = |InvitationRecord { id, uses, expires }| (id, Used { uses, expires });
        Self { used: records.into_iter().map(used).collect() }
    }

    fn uses_of(&self, id: InvitationId) -> u32 {
        self.used.get(&id).map_or(0, |used| used.uses)
    }

    /// The invitation that ended first, if it ended long ago.
    fn long_ended(&self, wall: WallTime) -> Option<InvitationId> {
        let (id, used) = self.used.iter().min_by_key(|(_, used)| used.expires)?;
        (used.expires.after(REMEMBERED_AFTER) < wall).then_some(*id)
    }
}

impl Server {
    /// The invitation that somebody shows, where one is needed.
    pub(super) fn invited(&self, code: Option<&str>) -> Result<Option<Invited>, Refusal> {
        let Some(accounts) = self.config.accounts.as_ref() else { return Ok(None) };
        if accounts.registration != Registration::Invite {
            return Ok(None);
        }
        let Some(code) = code else {
            let text =
                "Accounts are made by invitation here; ask the operator for a code, and register with it.";
            return Err(Refusal::new(RefusalCode::InvitationNeeded, text));
        };
        let Some(invitation) = Invitation::read(code, &accounts.setup) else {
            return Err(invalid("This is no invitation of this server; check how it is written."));
        };
        if invitation.expires() <= self.peers.now.wall {
            return Err(invalid("The invitation has expired; ask for another."));
        }
        let one = InvitationUse { id: invitation.id(&accounts.setup), expires: invitation.expires() };
        let invited = Invited { one, uses_max: invitation.uses().into() };
        self.check_uses(invited).map(|()| Some(invited))
    }

    fn check_uses(&self, invited: Invited) -> Result<(), Refusal> {
        if self.invitations.uses_of(invited.one.id) < invited.uses_max {
            return Ok(());
        }
        Err(invalid("The invitation was used as often as it may be; ask for another."))
    }

    /// Counts the use of an account's invitation, before storage does.
    pub(super) fn spend(&mut self, account: &NewAccount) -> Result<(), Refusal> {
        let Some(invited) = account.invited else { return Ok(()) };
        self.check_uses(invited)?;
        let InvitationUse { id, expires } = invited.one;
        let is_new = !self.invitations.used.contains_key(&id);
        if is_new && self.invitations.used.len() >= self.config.limits.invitations_max {
            let Some(ended) = self.invitations.long_ended(self.peers.now.wall) else {
                let text =
                    "Too many invitations are in use; ask the operator to make fewer that last shorter.";
                return Err(Refusal::new(RefusalCode::NotPossible, text));
            };
            self.invitations.used.remove(&ended);
            self.ask_storage(Pending::Background, StorageOperation::ForgetInvitation { id: ended });
        }
        self.invitations.used.entry(id).or_insert(Used { uses: 0, expires }).uses += 1;
        Ok(())
    }

    /// Storage did not write the account: the use does not count.
    pub(super) fn unspend(&mut self, account: &NewAccount) {
        let Some(InvitationUse { id, .. }) = account.invited.map(|invited| invited.one) else { return };
        let Some(used) = self.invitations.used.get_mut(&id) else { return };
        used.uses = used.uses.saturating_sub(1);
        if used.uses == 0 {
            self.invitations.used.remove(&id);
        }
    }
}

fn invalid(text: &str) -> Refusal {
    Refusal::new(RefusalCode::InvitationInvalid, text)
}
