//! Marks of what storage seldom answers: each is a branch of the server.

use palabre_core::storage::{
    Appended, EventFamily, EventKind, StorageFailure, StorageOperation, StorageOutcome, Unfit,
};

use crate::sometimes;

pub(super) fn executed(operation: &StorageOperation, result: &Result<StorageOutcome, StorageFailure>) {
    match (operation, result) {
        (StorageOperation::Append { .. }, Ok(StorageOutcome::Appended(appended))) => match appended {
            Appended::Stored { .. } => {}
            Appended::Repeated { .. } => sometimes!("a post was sent again and was stored already"),
            Appended::NonceReused => sometimes!("a nonce was used for another post"),
            Appended::Unfit(_) => {}
        },
        (StorageOperation::AppendAbout { event, .. }, Ok(StorageOutcome::Appended(appended))) => {
            let stored = matches!(appended, Appended::Stored { .. });
            sometimes!("a message was answered", stored && event.kind.is_message());
            sometimes!("a message was edited", stored && event.kind == EventKind::Edited);
            let is_reaction = event.kind.family() == EventFamily::Reaction;
            sometimes!("somebody reacted to a message", stored && is_reaction);
            sometimes!("a message was deleted", stored && event.kind == EventKind::Deleted);
            sometimes!(
                "an event about a message was sent again and was stored already",
                matches!(appended, Appended::Repeated { .. })
            );
            sometimes!("a deleted message was meant", *appended == Appended::Unfit(Unfit::Deleted));
            sometimes!("another's message was meant", *appended == Appended::Unfit(Unfit::NotTheirs));
        }
        (StorageOperation::FindNonce { .. }, Ok(StorageOutcome::Found(found))) => {
            sometimes!("a post about to be refused was found stored", found.is_some());
        }
        (StorageOperation::DropRoom { .. }, Ok(_)) => sometimes!("a room ceased"),
        (StorageOperation::SeeDevice { token: Some(token), .. }, Ok(_)) => {
            sometimes!("the next token was given", token.next.is_some());
            sometimes!("a token was replaced", token.next.is_none());
        }
        (_, Ok(_)) => {}
        (StorageOperation::Append { .. } | StorageOperation::AppendAbout { .. }, Err(_)) => {
            sometimes!("a post could not be stored")
        }
        (StorageOperation::FindNonce { .. }, Err(_)) => {
            sometimes!("nobody could say whether a post was stored");
        }
        (StorageOperation::ReadPage { .. }, Err(_)) => sometimes!("the log could not be read"),
        (StorageOperation::Search { .. }, Err(_)) => sometimes!("storage could not search"),
        (StorageOperation::DropRoom { .. }, Err(_)) => sometimes!("a room could not be dropped"),
        (StorageOperation::OpenRoom { .. }, Err(_)) => sometimes!("a room could not be opened"),
        (StorageOperation::CreateGuest { .. }, Err(_)) => sometimes!("a newcomer could not be written"),
        (StorageOperation::UpdateGuest { .. }, Err(_)) => sometimes!("a guest could not be updated"),
        (StorageOperation::RemoveGuest { .. }, Err(_)) => sometimes!("a guest could not be removed"),
        (StorageOperation::SetMember { .. }, Err(_)) => sometimes!("a membership could not be written"),
        (StorageOperation::CreateAccount { .. }, Err(_)) => sometimes!("an account could not be written"),
        (StorageOperation::AddDevice { .. }, Err(_)) => sometimes!("a device could not be written"),
        (StorageOperation::SeeDevice { .. }, Err(_)) => sometimes!("a device could not be noted as seen"),
        (StorageOperation::RemoveDevice { .. }, Err(_)) => sometimes!("a device could not be removed"),
        (StorageOperation::ForgetInvitation { .. } | StorageOperation::SetRead { .. }, Err(_)) => {}
        (StorageOperation::Files(_), Err(_)) => {}
        (StorageOperation::SetPassword { .. }, Err(_)) => sometimes!("a password could not be written"),
    }
}
