//! Storage as the server's driver sees it: requests go out, answers come back when they are durable.

use palabre_core::storage::{Appended, StorageOperation, StorageOutcome, StorageReply, StorageRequest};

use super::{Task, World};
use crate::{oracle::Violation, sometimes, trace::Step};

impl World {
    pub(super) fn ask_storage(&mut self, request: StorageRequest) -> Result<(), Violation> {
        let (ticket, durable) = (request.ticket.get(), self.store.durable());
        self.ledger.rights.submitted(ticket, &request.operation, durable)?;
        if let StorageOperation::SetMember { user, room, member: true } = &request.operation {
            self.ledger.member(*user, *room);
        }
        if let StorageOperation::FindNonce { author, nonce } = &request.operation {
            self.ledger.doubted(*author, *nonce);
        }
        if let StorageOperation::RemoveGuest { user } = &request.operation {
            sometimes!("a guest was written whose connection had gone", !self.ledger.has_entered(*user));
            self.ledger.removed(*user);
        }
        self.note(Step::Asked(request.ticket.get(), operation_name(&request.operation)));
        if self.store.submit(request) {
            self.begin_commit();
        }
        Ok(())
    }

    fn begin_commit(&mut self) {
        if let Some(takes) = self.store.begin(&self.plan, &mut self.choices) {
            self.agenda.add(self.now.after(takes), Task::Commit);
        }
    }

    pub(super) fn commit(&mut self) -> Result<(), Violation> {
        if !self.store.is_committing() {
            return Ok(());
        }
        self.store.commit(self.now, &self.plan, &mut self.choices);
        for text in self.store.take_failed_texts() {
            self.ledger.failed(&text);
        }
        self.ledger.inspect_logs(self.store.durable())?;
        self.agenda.add(self.now, Task::Answer);
        self.begin_commit();
        Ok(())
    }

    pub(super) fn answer(&mut self) -> Result<(), Violation> {
        if self.put_off_while_paused(Task::Answer) {
            return Ok(());
        }
        let Some(reply) = self.store.take_answer() else { return Ok(()) };
        sometimes!("storage answered when nobody was connected", self.host.connections.is_empty());
        self.ledger.rights.answered(reply.ticket.get(), is_done(&reply), self.store.durable());
        self.note(Step::Answered(reply.ticket.get(), format!("{:?}", reply.result)));
        self.server_input(|server, now| server.handle_storage(reply, now))?;
        self.agenda.add(self.now, Task::Answer);
        Ok(())
    }
}

/// Whether what was asked was done, be it that it had been already.
const fn is_done(reply: &StorageReply) -> bool {
    match &reply.result {
        Ok(StorageOutcome::Appended(appended)) => {
            !matches!(appended, Appended::NonceReused | Appended::Unfit(_))
        }
        Ok(_) => true,
        Err(_) => false,
    }
}

const fn operation_name(operation: &StorageOperation) -> &'static str {
    match operation {
        StorageOperation::OpenRoom { .. } => "open room",
        StorageOperation::DropRoom { .. } => "drop room",
        StorageOperation::Append { .. } => "append",
        StorageOperation::AppendAbout { .. } => "append about",
        StorageOperation::FindNonce { .. } => "find nonce",
        StorageOperation::ReadPage { .. } => "read page",
        StorageOperation::Search { .. } => "search",
        StorageOperation::CreateGuest { .. } => "create guest",
        StorageOperation::UpdateGuest { .. } => "update guest",
        StorageOperation::RemoveGuest { .. } => "remove guest",
        StorageOperation::SetMember { .. } => "set member",
        StorageOperation::CreateAccount { .. } => "create account",
        StorageOperation::AddDevice { .. } => "add device",
        StorageOperation::SeeDevice { .. } => "see device",
        StorageOperation::RemoveDevice { .. } => "remove device",
        StorageOperation::SetPassword { .. } => "set password",
        StorageOperation::ForgetInvitation { .. } => "forget invitation",
        StorageOperation::SetRead { .. } => "set read",
        StorageOperation::Files(_) => "files",
    }
}
