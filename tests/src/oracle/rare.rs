//! Marks of what a server seldom says: each code is a branch of the core that some run has to reach.

use palabre_core::{
    error::{ProtocolError, RefusalCode},
    wire::{Presence, Refused, state},
};

use crate::sometimes;

/// The server refused something, to whomever.
pub(super) fn refused(refused: &Refused<'_>) {
    let Some(code) = RefusalCode::from_number(refused.code) else { return };
    match code {
        RefusalCode::NameInUse => sometimes!("refused name-in-use"),
        RefusalCode::NameInvalid => sometimes!("refused name-invalid"),
        RefusalCode::NameLooksAlike => sometimes!("refused name-looks-alike"),
        RefusalCode::NoSuchUser => sometimes!("refused no-such-user"),
        RefusalCode::NoSuchRoom => sometimes!("refused no-such-room"),
        RefusalCode::NotAMember => sometimes!("refused not-a-member"),
        RefusalCode::NotPossible => sometimes!("refused not-possible"),
        RefusalCode::QueryEmpty => sometimes!("refused query-empty"),
        RefusalCode::QueryTooLong => sometimes!("refused query-too-long"),
        RefusalCode::ServerFull => sometimes!("refused server-full"),
        RefusalCode::SlowDown => sometimes!("refused slow-down"),
        RefusalCode::TextEmpty => sometimes!("refused text-empty"),
        RefusalCode::TextTooLong => sometimes!("refused text-too-long"),
        RefusalCode::TextInvalid => sometimes!("refused text-invalid"),
        RefusalCode::NonceReused => sometimes!("refused nonce-reused"),
        RefusalCode::TokenUnknown => sometimes!("refused token-unknown"),
        RefusalCode::RoomLimit => sometimes!("refused room-limit"),
        RefusalCode::NoSpace => sometimes!("refused no-space"),
        RefusalCode::StorageFailed => sometimes!("refused storage-failed"),
        RefusalCode::LoginFailed => sometimes!("refused login-failed"),
        RefusalCode::NotAllowed => sometimes!("refused not-allowed"),
        RefusalCode::NoSuchDevice => sometimes!("refused no-such-device"),
        RefusalCode::InvitationNeeded => sometimes!("refused invitation-needed"),
        RefusalCode::InvitationInvalid => sometimes!("refused invitation-invalid"),
        RefusalCode::Banned => sometimes!("refused banned"),
        RefusalCode::Muted => sometimes!("refused muted"),
        RefusalCode::InviteOnly => sometimes!("refused invite-only"),
        RefusalCode::ReadOnly => sometimes!("refused read-only"),
        RefusalCode::RoleNeeded => sometimes!("refused role-needed"),
        RefusalCode::Outranked => sometimes!("refused outranked"),
        // A thousand users with rights in one room are more than a run has.
        RefusalCode::RightsFull => {}
        RefusalCode::Lockdown => sometimes!("refused lockdown"),
        // Files have a world of their own.
        RefusalCode::FileNameInvalid
        | RefusalCode::NoSuchFile
        | RefusalCode::Conflict
        | RefusalCode::Quota
        | RefusalCode::FileTooLarge
        | RefusalCode::FileChanged
        | RefusalCode::Integrity
        | RefusalCode::Superseded
        | RefusalCode::TransferLimit
        | RefusalCode::FilesOff
        | RefusalCode::NoSuchUpload
        | RefusalCode::NoSuchContent => {}
        RefusalCode::NoSuchMessage => sometimes!("refused no-such-message"),
        RefusalCode::MessageDeleted => sometimes!("refused message-deleted"),
        RefusalCode::NotYours => sometimes!("refused not-yours"),
    }
}

/// The server accused somebody.
pub(super) fn accused(error: ProtocolError) {
    match error {
        ProtocolError::FrameEmpty => sometimes!("accused of frame-empty"),
        ProtocolError::FrameTooLong => sometimes!("accused of frame-too-long"),
        ProtocolError::UnknownKind => sometimes!("accused of unknown-kind"),
        ProtocolError::MalformedBody => sometimes!("accused of malformed-body"),
        ProtocolError::TrailingBytes => sometimes!("accused of trailing-bytes"),
        ProtocolError::UnexpectedKind => sometimes!("accused of unexpected-kind"),
        ProtocolError::VersionUnsupported => sometimes!("accused of version-unsupported"),
        ProtocolError::TooManyFrames => sometimes!("accused of too-many-frames"),
        ProtocolError::CreditExceeded => sometimes!("accused of credit-exceeded"),
        ProtocolError::TooManyConnections => sometimes!("accused of too-many-connections"),
        ProtocolError::TooManyFromAddress => sometimes!("accused of too-many-from-address"),
        // Only clients say this.
        ProtocolError::SequenceBroken => {}
    }
}

/// The server told what changed among the members of a room.
pub(super) fn changed(presence: &Presence<'_>) {
    sometimes!("presence with changes left out", presence.stale);
    for change in &presence.changes {
        sometimes!("members were told of a new name", change.was.is_some());
        sometimes!("members were told that a guest is lost", change.state == state::LOST);
        sometimes!("members were told that a guest left the server", change.state == state::GONE);
        sometimes!("members were told that a guest expired", change.state == state::EXPIRED);
    }
}
