//! What may go wrong, by who is to blame: a peer that breaks the protocol ([`ProtocolError`]), a request that is not
//! granted ([`RefusalCode`], [`Refusal`]), a caller's mistake ([`Misuse`]). Input and output that fail are inputs.

use alloc::string::String;
use core::fmt;

macro_rules! codes {
    ($(#[$doc:meta])* $name:ident { $($variant:ident = $number:literal, $text:literal, $meaning:literal;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[repr(u16)]
        pub enum $name {
            $(#[doc = $meaning] $variant = $number,)*
        }

        impl $name {
            /// Every code, in order.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The number on the wire.
            #[must_use]
            pub const fn number(self) -> u16 {
                self as u16
            }

            /// The code with this number.
            #[must_use]
            pub const fn from_number(number: u16) -> Option<Self> {
                match number {
                    $($number => Some(Self::$variant),)*
                    _ => None,
                }
            }

            /// The name in logs and JSON.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $text,)*
                }
            }
        }
    };
}

codes! {
    /// How a peer broke the protocol (`PROTOCOL.md` section X). It ends the connection.
    ProtocolError {
        FrameEmpty = 1, "frame-empty", "A frame announced a length of 0.";
        FrameTooLong = 2, "frame-too-long", "A frame announced more than the cap.";
        UnknownKind = 3, "unknown-kind", "A frame of an unknown kind that may not be skipped.";
        MalformedBody = 4, "malformed-body", "A body that is not what its kind says.";
        TrailingBytes = 5, "trailing-bytes", "Bytes after a body.";
        UnexpectedKind = 6, "unexpected-kind", "A frame that may not be sent now, or not in this direction.";
        VersionUnsupported = 7, "version-unsupported", "No version that both peers speak.";
        TooManyFrames = 8, "too-many-frames", "Too many frames before entering.";
        CreditExceeded = 9, "credit-exceeded", "Too many posts without credit.";
        TooManyConnections = 10, "too-many-connections", "The server has too many connections that have not entered.";
        TooManyFromAddress = 11, "too-many-from-address", "Too many connections from one address.";
        SequenceBroken = 12, "sequence-broken", "Events out of order, or an answer to nothing.";
    }
}

codes! {
    /// Why a request was not granted (`PROTOCOL.md` section X). The connection goes on.
    RefusalCode {
        NameInUse = 1, "name-in-use", "A user has this name.";
        NameInvalid = 2, "name-invalid", "Not a name.";
        NameLooksAlike = 3, "name-looks-alike", "Could be mistaken for another.";
        NoSuchUser = 4, "no-such-user", "Nobody has this name, or not any more.";
        NoSuchRoom = 5, "no-such-room", "There is no such room.";
        NotAMember = 6, "not-a-member", "Only members may.";
        NotPossible = 7, "not-possible", "Makes no sense here.";
        ServerFull = 8, "server-full", "No place and no room in the queue.";
        SlowDown = 9, "slow-down", "Too often; try again later.";
        TextEmpty = 10, "text-empty", "Nothing to say.";
        TextTooLong = 11, "text-too-long", "Over the limit.";
        TextInvalid = 12, "text-invalid", "Control characters.";
        NonceReused = 13, "nonce-reused", "The nonce belongs to another post.";
        TokenUnknown = 14, "token-unknown", "The token is unknown or expired.";
        RoomLimit = 15, "room-limit", "In too many rooms, or too many rooms.";
        NoSpace = 16, "no-space", "The server's storage is full.";
        StorageFailed = 17, "storage-failed", "The server's storage failed.";
        LoginFailed = 18, "login-failed", "Wrong name or password.";
        NotAllowed = 19, "not-allowed", "This server, or this user, may not.";
        NoSuchDevice = 20, "no-such-device", "The account has no such device.";
        InvitationNeeded = 40, "invitation-needed", "Accounts are made by invitation alone.";
        InvitationInvalid = 41, "invitation-invalid", "The invitation is none of this server's, has expired or was used.";
        Banned = 21, "banned", "Kept out of the room.";
        Muted = 22, "muted", "Kept from posting.";
        InviteOnly = 23, "invite-only", "Only who is invited may join.";
        ReadOnly = 24, "read-only", "Only moderators post here.";
        RoleNeeded = 25, "role-needed", "Needs a moderator's or an owner's role.";
        Outranked = 26, "outranked", "The other's role is not below one's own.";
        RightsFull = 27, "rights-full", "The room's list of rights is full.";
        Lockdown = 28, "lockdown", "Not while the server is locked down.";
        FileNameInvalid = 60, "file-name-invalid", "Not a name of a file.";
        NoSuchFile = 61, "no-such-file", "There is no such file.";
        Conflict = 62, "conflict", "Another version of the file is there.";
        Quota = 63, "quota", "More than the account may store.";
        FileTooLarge = 64, "file-too-large", "More than a file may have.";
        FileChanged = 65, "file-changed", "The file has another content now.";
        Integrity = 66, "integrity", "The content does not have the hash it should.";
        Superseded = 67, "superseded", "The upload goes on elsewhere.";
        TransferLimit = 68, "transfer-limit", "Too many transfers at once.";
        FilesOff = 69, "files-off", "The server takes no files.";
        NoSuchUpload = 70, "no-such-upload", "There is no such upload.";
        NoSuchContent = 71, "no-such-content", "The content must be uploaded.";
        NoSuchMessage = 80, "no-such-message", "There is no such message.";
        MessageDeleted = 81, "message-deleted", "The message was deleted.";
        NotYours = 82, "not-yours", "The message is another's.";
        QueryEmpty = 85, "query-empty", "No word to search for.";
        QueryTooLong = 86, "query-too-long", "More to search for than is taken.";
    }
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl core::error::Error for ProtocolError {}

impl fmt::Display for RefusalCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A refusal with what a person is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The stable code.
    pub code: RefusalCode,
    /// A sentence: what failed, the name involved, the next step.
    pub text: String,
    /// The name involved, or nothing.
    pub about: String,
    /// A name that would do.
    pub suggestion: Option<String>,
}

impl Refusal {
    /// A refusal that involves no name.
    #[must_use]
    pub fn new(code: RefusalCode, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), about: String::new(), suggestion: None }
    }

    /// With the name involved.
    #[must_use]
    pub fn about(mut self, name: impl Into<String>) -> Self {
        self.about = name.into();
        self
    }

    /// With a name that would do.
    #[must_use]
    pub fn suggesting(mut self, name: Option<String>) -> Self {
        self.suggestion = name;
        self
    }
}

/// A caller's mistake: the call had no effect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Misuse {
    /// A room that the client is not in.
    NotInRoom,
    /// A text that would be refused; why, in a sentence.
    Text(Refusal),
    /// The client has been told to leave, or was ended by the server.
    Ended,
    /// The client has entered, or is about to.
    Entered,
}

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotInRoom => f.write_str("you are not in that room; join it first"),
            Self::Text(refusal) => f.write_str(&refusal.text),
            Self::Ended => f.write_str("the connection has ended"),
            Self::Entered => f.write_str("you have entered already; leave first"),
        }
    }
}

impl core::error::Error for Misuse {}
