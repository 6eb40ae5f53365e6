//! How a run of the program ends: the stable exit codes, and failures with what a person and a script are told.

use std::{fmt, io};

use palabre_core::{
    client::OfflineCause,
    error::{Misuse, ProtocolError, Refusal, RefusalCode},
    time::WallTime,
};

use crate::output::utc;

/// Names an exit code, its number and its line in `--help`.
macro_rules! exit_codes {
    ($($variant:ident = $number:literal, $meaning:literal;)*) => {
        /// How the program ends. The numbers are stable: scripts depend on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u8)]
        pub(crate) enum ExitStatus {
            $(#[doc = $meaning] $variant = $number,)*
        }

        impl ExitStatus {
            /// The number the process ends with.
            pub(crate) const fn number(self) -> u8 {
                self as u8
            }
        }

        /// The table shown at the end of `--help`.
        pub(crate) const EXIT_CODES_HELP: &str =
            concat!("Exit codes:\n", $("  ", $number, "\t", $meaning, "\n",)*);
    };
}

exit_codes! {
    Done = 0, "done, or there was nothing left to do";
    Other = 1, "another error";
    Usage = 2, "wrong usage";
    NotFound = 3, "not found: a user, a room or a file";
    NotAllowed = 4, "not logged in, or not allowed";
    Unavailable = 5, "cannot connect, or a passing trouble: a retry may help";
    Exists = 6, "it exists already, or the name is in use";
    Limit = 7, "over a limit";
    NoSpace = 8, "the server has no space left";
    Integrity = 9, "what arrived is not what was sent";
    Identity = 10, "the server is not the one it was";
    Protocol = 11, "the two ends do not speak the same protocol";
    Partial = 12, "some of several failed";
    TimedOut = 13, "timed out";
    Interrupted = 130, "interrupted; transfers can be resumed";
}

/// Why the program could not do what was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// What it exits with.
    pub(crate) status: ExitStatus,
    /// A stable name for scripts.
    pub(crate) code: &'static str,
    /// What failed, where and why, and the next step. It may quote others: it is printed as `Printable`.
    pub(crate) sentence: String,
    /// A name that would do.
    pub(crate) suggestion: Option<String>,
}

impl Failure {
    /// A failure with a sentence for people.
    pub(crate) fn new(status: ExitStatus, code: &'static str, sentence: impl Into<String>) -> Self {
        Self { status, code, sentence: sentence.into(), suggestion: None }
    }

    /// Arguments that make no sense together.
    pub(crate) fn usage(sentence: impl Into<String>) -> Self {
        Self::new(ExitStatus::Usage, "usage", sentence)
    }

    /// The user pressed Ctrl-C, or the process was asked to end.
    pub(crate) fn interrupted() -> Self {
        Self::new(ExitStatus::Interrupted, "interrupted", "interrupted")
    }

    /// A server granted something not.
    pub(crate) fn refused(refusal: &Refusal) -> Self {
        let mut sentence = refusal.text.clone();
        if !refusal.about.is_empty() && !sentence.contains(&refusal.about) {
            sentence = format!("{}: {sentence}", refusal.about);
        }
        if let Some(suggestion) = &refusal.suggestion
            && !sentence.contains(suggestion)
        {
            sentence = format!("{sentence} Try {suggestion}.");
        }
        Self {
            status: refusal_status(refusal.code),
            code: refusal.code.name(),
            sentence,
            suggestion: refusal.suggestion.clone(),
        }
    }

    /// There is no connection, and no more waiting for one.
    pub(crate) fn offline(server: &str, cause: &OfflineCause) -> Self {
        let (status, code) = offline_status(cause);
        Self::new(status, code, format!("{server}: {}", OfflineSentence(cause)))
    }

    /// A local file or stream failed.
    pub(crate) fn local(what: impl fmt::Display, error: &io::Error) -> Self {
        let status =
            if error.kind() == io::ErrorKind::StorageFull { ExitStatus::NoSpace } else { ExitStatus::Other };
        Self::new(status, "local-io", format!("{what}: {error}"))
    }
}

/// One was put out of a room.
pub(crate) fn put_out(room: &str, banned: bool, by: &str, reason: &str, until: Option<WallTime>) -> Failure {
    let (code, how) = if banned { ("banned", "banned you from") } else { ("kicked", "put you out of") };
    let room = if room.is_empty() { "the room" } else { room };
    let mut sentence = format!("{by} {how} {room}");
    if let Some(until) = until {
        sentence.push_str(&format!(" until {}", utc(until)));
    }
    if !reason.is_empty() {
        sentence.push_str(&format!(": {reason}"));
    }
    Failure::new(ExitStatus::NotAllowed, code, sentence)
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl From<Misuse> for Failure {
    fn from(misuse: Misuse) -> Self {
        match misuse {
            Misuse::Text(refusal) => Self::refused(&refusal),
            Misuse::NotInRoom => Self::new(ExitStatus::NotAllowed, "not-a-member", misuse.to_string()),
            Misuse::Ended => Self::new(ExitStatus::Unavailable, "ended", misuse.to_string()),
            Misuse::Entered => Self::new(ExitStatus::Other, "entered", misuse.to_string()),
        }
    }
}

const fn refusal_status(code: RefusalCode) -> ExitStatus {
    match code {
        RefusalCode::NameInUse
        | RefusalCode::NameLooksAlike
        | RefusalCode::NonceReused
        | RefusalCode::Conflict => ExitStatus::Exists,
        RefusalCode::NameInvalid
        | RefusalCode::TextEmpty
        | RefusalCode::TextInvalid
        | RefusalCode::FileNameInvalid
        | RefusalCode::QueryEmpty => ExitStatus::Usage,
        RefusalCode::NoSuchUser
        | RefusalCode::NoSuchRoom
        | RefusalCode::NoSuchDevice
        | RefusalCode::NoSuchFile
        | RefusalCode::NoSuchUpload
        | RefusalCode::NoSuchContent
        | RefusalCode::NoSuchMessage
        | RefusalCode::MessageDeleted => ExitStatus::NotFound,
        RefusalCode::FilesOff => ExitStatus::NotAllowed,
        RefusalCode::Superseded => ExitStatus::Unavailable,
        RefusalCode::Quota | RefusalCode::FileTooLarge | RefusalCode::TransferLimit => ExitStatus::Limit,
        RefusalCode::FileChanged => ExitStatus::Other,
        RefusalCode::Integrity => ExitStatus::Integrity,
        RefusalCode::NotAMember
        | RefusalCode::TokenUnknown
        | RefusalCode::LoginFailed
        | RefusalCode::InvitationNeeded
        | RefusalCode::InvitationInvalid
        | RefusalCode::NotAllowed
        | RefusalCode::Banned
        | RefusalCode::Muted
        | RefusalCode::InviteOnly
        | RefusalCode::ReadOnly
        | RefusalCode::RoleNeeded
        | RefusalCode::NotYours
        | RefusalCode::Outranked => ExitStatus::NotAllowed,
        RefusalCode::ServerFull
        | RefusalCode::SlowDown
        | RefusalCode::StorageFailed
        | RefusalCode::Lockdown => ExitStatus::Unavailable,
        RefusalCode::TextTooLong
        | RefusalCode::RoomLimit
        | RefusalCode::RightsFull
        | RefusalCode::QueryTooLong => ExitStatus::Limit,
        RefusalCode::NoSpace => ExitStatus::NoSpace,
        RefusalCode::NotPossible => ExitStatus::Other,
    }
}

fn offline_status(cause: &OfflineCause) -> (ExitStatus, &'static str) {
    match cause {
        OfflineCause::Left => (ExitStatus::Done, "left"),
        OfflineCause::Unreachable => (ExitStatus::Unavailable, "unreachable"),
        OfflineCause::Cut => (ExitStatus::Unavailable, "cut"),
        OfflineCause::TimedOut => (ExitStatus::Unavailable, "timed-out"),
        OfflineCause::Goodbye { .. } => (ExitStatus::Unavailable, "goodbye"),
        OfflineCause::ServerFull(refusal) => (ExitStatus::Unavailable, refusal.code.name()),
        OfflineCause::Accused { code, .. } => accusation_status(*code),
        OfflineCause::Broke(error) => (ExitStatus::Protocol, error.name()),
    }
}

fn accusation_status(code: u16) -> (ExitStatus, &'static str) {
    let Some(error) = ProtocolError::from_number(code) else { return (ExitStatus::Protocol, "accused") };
    match error {
        ProtocolError::TooManyConnections | ProtocolError::TooManyFromAddress => {
            (ExitStatus::Unavailable, error.name())
        }
        ProtocolError::FrameEmpty
        | ProtocolError::FrameTooLong
        | ProtocolError::UnknownKind
        | ProtocolError::MalformedBody
        | ProtocolError::TrailingBytes
        | ProtocolError::UnexpectedKind
        | ProtocolError::VersionUnsupported
        | ProtocolError::TooManyFrames
        | ProtocolError::CreditExceeded
        | ProtocolError::SequenceBroken => (ExitStatus::Protocol, error.name()),
    }
}

/// Why there is no connection, in words.
pub(crate) struct OfflineSentence<'a>(pub(crate) &'a OfflineCause);

impl fmt::Display for OfflineSentence<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            OfflineCause::Left => f.write_str("left"),
            OfflineCause::Unreachable => f.write_str("cannot be reached"),
            OfflineCause::Cut => f.write_str("the connection was lost"),
            OfflineCause::TimedOut => f.write_str("the server does not answer"),
            OfflineCause::Goodbye { text, .. } if text.is_empty() => f.write_str("the server said goodbye"),
            OfflineCause::Goodbye { text, .. } => write!(f, "the server said goodbye: {text}"),
            OfflineCause::ServerFull(refusal) => f.write_str(&refusal.text),
            OfflineCause::Accused { code, text } => match ProtocolError::from_number(*code) {
                Some(error) => write!(f, "the server refuses the connection ({error}): {text}"),
                None => write!(f, "the server refuses the connection ({code}): {text}"),
            },
            OfflineCause::Broke(error) => write!(f, "it does not speak the protocol ({error})"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_exit_with_the_stable_code() {
        let expected = [
            (RefusalCode::NameInUse, 6),
            (RefusalCode::NameInvalid, 2),
            (RefusalCode::NameLooksAlike, 6),
            (RefusalCode::NoSuchUser, 3),
            (RefusalCode::NoSuchRoom, 3),
            (RefusalCode::NotAMember, 4),
            (RefusalCode::NotPossible, 1),
            (RefusalCode::ServerFull, 5),
            (RefusalCode::SlowDown, 5),
            (RefusalCode::TextEmpty, 2),
            (RefusalCode::TextTooLong, 7),
            (RefusalCode::TextInvalid, 2),
            (RefusalCode::NonceReused, 6),
            (RefusalCode::TokenUnknown, 4),
            (RefusalCode::RoomLimit, 7),
            (RefusalCode::NoSpace, 8),
            (RefusalCode::StorageFailed, 5),
            (RefusalCode::NoSuchFile, 3),
            (RefusalCode::Conflict, 6),
            (RefusalCode::Quota, 7),
            (RefusalCode::Integrity, 9),
            (RefusalCode::QueryEmpty, 2),
            (RefusalCode::QueryTooLong, 7),
        ];
        for (code, number) in expected {
            assert_eq!(Failure::refused(&Refusal::new(code, "")).status.number(), number, "{code}");
        }
    }

    #[test]
    fn a_server_that_speaks_another_version_exits_with_11() {
        let accused = |error: ProtocolError| OfflineCause::Accused {
            code: error.number(),
            text: "this server speaks versions 2 to 3".into(),
        };
        let failure = Failure::offline("host:4000", &accused(ProtocolError::VersionUnsupported));
        assert_eq!(failure.status, ExitStatus::Protocol);
        assert!(failure.sentence.contains("versions 2 to 3"));
        let failure = Failure::offline("host:4000", &accused(ProtocolError::TooManyFromAddress));
        assert_eq!(failure.status, ExitStatus::Unavailable);
        let failure =
            Failure::offline("host:4000", &OfflineCause::Accused { code: 999, text: String::new() });
        assert_eq!(failure.status, ExitStatus::Protocol);
    }

    #[test]
    fn a_refusal_names_the_name_and_the_way_on() {
        let refusal = Refusal::new(RefusalCode::NameInUse, "Somebody has this name.")
            .about("ana")
            .suggesting(Some("ana2".into()));
        let failure = Failure::refused(&refusal);
        assert_eq!(failure.sentence, "ana: Somebody has this name. Try ana2.");
        assert_eq!(failure.suggestion.as_deref(), Some("ana2"));
    }

    #[test]
    fn help_lists_every_exit_code() {
        assert!(EXIT_CODES_HELP.contains("  13\ttimed out"));
        assert!(EXIT_CODES_HELP.contains("  130\tinterrupted"));
    }
}
