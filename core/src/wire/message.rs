//! Every message, one struct each (`PROTOCOL.md` section M).

use alloc::vec::Vec;

use minicbor::{Decoder, Encoder};

use super::{
    field::{Field, Malformed, Writer, record},
    frame::{Frame, write_frame},
    part::{Change, Device, File, Hit, Limits, Listed, LogEvent, Member, Room, Standing, Stretching, Token},
};
use crate::{
    error::ProtocolError,
    ids::{DeviceId, Incarnation, Nonce, Position, RoomId, Seq, UserId},
    password::{
        LOGIN_FINISH_BYTES, LOGIN_START_BYTES, REGISTRATION_REQUEST_BYTES, REGISTRATION_UPLOAD_BYTES,
    },
    time::WallTime,
    transfer::{BlobHash, UploadKey, Version},
};

/// Makes the messages of a direction: structs, and an enum that knows their kinds.
macro_rules! messages {
    ($(#[$doc:meta])* $direction:ident, not here: [$($other:literal),*], {
        $($name:ident $(<$life:lifetime>)? = $kind:literal,)*
    }) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub enum $direction<'a> {
            $(#[doc = concat!("`", stringify!($name), "`, kind ", stringify!($kind), ".")]
            $name($name $(<$life>)?),)*
        }

        impl<'a> $direction<'a> {
            /// Every kind of this direction.
            pub const KINDS: &'static [u8] = &[$($kind),*];

            /// Reads a frame; `None` for a kind that may be skipped when unknown (F6).
            ///
            /// # Errors
            /// `unknown-kind`, `unexpected-kind` for a message of the other direction, `malformed-body` and
            /// `trailing-bytes`.
            #[inline]
            pub fn decode(frame: Frame<'a>) -> Result<Option<Self>, ProtocolError> {
                match frame.kind {
                    $($kind => decode_body(frame.body).map(|message| Some(Self::$name(message))),)*
                    $($other)|* => Err(ProtocolError::UnexpectedKind),
                    0x80.. => Ok(None),
                    _ => Err(ProtocolError::UnknownKind),
                }
            }

            /// Appends the frame of this message.
            #[inline]
            pub fn encode(&self, out: &mut Vec<u8>) {
                match self {
                    $(Self::$name(message) => {
                        write_frame(out, $kind, |out| message.encode(&mut Encoder::new(out)));
                    })*
                }
            }

            /// What the message is called in `PROTOCOL.md`.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name),)*
                }
            }
        }

        $(impl<'a> From<$name $(<$life>)?> for $direction<'a> {
            fn from(message: $name $(<$life>)?) -> Self {
                Self::$name(message)
            }
        })*
    };
}

#[inline]
fn decode_body<'a, T: Field<'a>>(body: &'a [u8]) -> Result<T, ProtocolError> {
    let mut decoder = Decoder::new(body);
    let message = T::decode(&mut decoder).map_err(|_| ProtocolError::MalformedBody)?;
    if decoder.position() != body.len() {
        return Err(ProtocolError::TrailingBytes);
    }
    Ok(message)
}

messages! {
    /// A message to the server.
    ToServer, not here: [0x40, 0x41, 0x42, 0x43, 0x44, 0x45, 0x46, 0x47, 0x48, 0x49, 0x4a, 0x4b, 0x4c, 0x4d, 0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x5a, 0x70, 0x71, 0x72, 0x73, 0x74, 0x75, 0x76, 0x7f, 0x5c], {
        Ping = 0x01,
        Pong = 0x02,
        Goodbye<'a> = 0x03,
        Error<'a> = 0x04,
        Hello<'a> = 0x10,
        Guest<'a> = 0x11,
        Resume = 0x12,
        Register<'a> = 0x13,
        Enrol<'a> = 0x14,
        Login<'a> = 0x15,
        Prove<'a> = 0x16,
        MarkRead = 0x17,
        Plain<'a> = 0x18,
        Join<'a> = 0x20,
        Part = 0x21,
        Follow = 0x22,
        Direct<'a> = 0x23,
        Post<'a> = 0x24,
        Search<'a> = 0x25,
        Members = 0x26,
        Rooms = 0x27,
        History = 0x28,
        Rename<'a> = 0x29,
        Manual = 0x2a,
        Away = 0x2b,
        NewPassword = 0x2c,
        SetPassword = 0x2d,
        Devices = 0x2e,
        Revoke = 0x2f,
        Govern<'a> = 0x30,
        SetMode = 0x31,
        Rights = 0x32,
        Upload<'a> = 0x60,
        Finish<'a> = 0x61,
        Stop = 0x62,
        Discard = 0x63,
        Download<'a> = 0x64,
        Window = 0x65,
        Files<'a> = 0x66,
        Delete<'a> = 0x67,
        Put<'a> = 0x68,
        Data<'a> = 0x6f,
    }
}

messages! {
    /// A message to the client.
    ToClient, not here: [0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18, 0x20, 0x21, 0x22, 0x23, 0x24, 0x25, 0x26, 0x27, 0x28, 0x29, 0x2a, 0x2b, 0x2c, 0x2d, 0x2e, 0x2f, 0x30, 0x31, 0x60, 0x61, 0x62, 0x63, 0x64, 0x65, 0x66, 0x67, 0x68, 0x6f, 0x32], {
        Ping = 0x01,
        Pong = 0x02,
        Goodbye<'a> = 0x03,
        Error<'a> = 0x04,
        Welcome<'a> = 0x40,
        Waiting = 0x41,
        Ready<'a> = 0x42,
        Done = 0x43,
        Refused<'a> = 0x44,
        Joined<'a> = 0x45,
        Posted = 0x46,
        MembersPage<'a> = 0x47,
        RoomsPage<'a> = 0x48,
        HistoryPage<'a> = 0x49,
        ManualText<'a> = 0x4a,
        Challenge<'a> = 0x4b,
        DeviceList<'a> = 0x4c,
        RightsPage<'a> = 0x4d,
        Event<'a> = 0x50,
        Presence<'a> = 0x51,
        Opened<'a> = 0x52,
        Trimmed = 0x53,
        Credit = 0x54,
        Parted = 0x55,
        Removed<'a> = 0x56,
        Invited<'a> = 0x57,
        SearchPage<'a> = 0x5a,
        ReadUpTo = 0x5c,
        Accepted = 0x70,
        Stored<'a> = 0x71,
        Window = 0x72,
        Durable = 0x73,
        Sending<'a> = 0x74,
        Stopped<'a> = 0x75,
        FilesPage<'a> = 0x76,
        Data<'a> = 0x7f,
    }
}

record! { /// Asks for a sign of life (K2).
Ping { /** To be carried back. */ token: u64, } }
record! { /// Answers a `Ping` (K2).
Pong { /** From the `Ping`. */ token: u64, } }
record! { /// The last frame of its sender (K3).
Goodbye<'a> { /** See K3. */ reason: u8, /** For people. */ text: &'a str, } }
record! { /// Says that the receiver broke the protocol (F7).
Error<'a> { /** See section X. */ code: u16, /** For people. */ text: &'a str, } }

record! { /// Opens the conversation (V1).
Hello<'a> {
    /** The first version the client speaks. */ first: u16,
    /** The last version the client speaks. */ last: u16,
    /** What program it is. */ client: &'a str,
    /** What it can (V3). */ features: u64,
    /** Of which run of the client (A8). */ session: Option<u64>,
} }
record! { /// Asks to enter as a new guest (E1).
Guest<'a> { /** Of the request. */ id: u32, /** The name wished for. */ nick: &'a str, } }
record! { /// Asks to come back as a guest (E6).
Resume { /** Of the request. */ id: u32, /** From `Ready`. */ token: Token, } }
record! { /// Asks to make an account (A3).
Register<'a> {
    /** Of the request. */ id: u32,
    /** The name wished for. */ name: &'a str,
    /** A `RegistrationRequest`. */ request: [u8; REGISTRATION_REQUEST_BYTES],
    /** The code of an invitation (A12). */ invitation: Option<&'a str>,
} }
record! { /// Makes the account (A3).
Enrol<'a> {
    /** Of the request. */ id: u32,
    /** A `RegistrationRecord`. */ upload: [u8; REGISTRATION_UPLOAD_BYTES],
    /** What the device is to be called. */ device: &'a str,
} }
record! { /// Asks to enter by an account (A4).
Login<'a> {
    /** Of the request. */ id: u32,
    /** Which account. */ name: &'a str,
    /** A `KE1`. */ start: [u8; LOGIN_START_BYTES],
} }
record! { /// Proves to know the password (A4).
Prove<'a> {
    /** Of the request. */ id: u32,
    /** A `KE3`. */ finish: [u8; LOGIN_FINISH_BYTES],
    /** What the device is to be called. */ device: &'a str,
} }
record! { /// Asks to enter by an account, with the password as it is (A15).
Plain<'a> {
    /** Of the request. */ id: u32,
    /** Which account. */ name: &'a str,
    /** Its password. */ password: &'a str,
    /** What the device is to be called. */ device: &'a str,
} }
record! { /// Asks to become a member (R2).
Join<'a> {
    /** Of the request. */ id: u32,
    /** The room's name. */ name: &'a str,
    /** Where events are to begin (C1). */ after: Option<Seq>,
} }
record! { /// Ends a membership (R5).
Part { /** Of the request. */ id: u32, /** Which room. */ room: RoomId, } }
record! { /// Sets the cursor of a room the user is in (C1).
Follow {
    /** Of the request. */ id: u32,
    /** Which room. */ room: RoomId,
    /** Where events are to begin (C1). */ after: Option<Seq>,
} }
record! { /// Asks for the direct conversation with somebody (R6).
Direct<'a> {
    /** Of the request. */ id: u32,
    /** With whom. */ nick: &'a str,
    /** Where events are to begin (C1). */ after: Option<Seq>,
} }
record! { /// Asks to append to a room's log (P1).
Post<'a> {
    /** Of the request. */ id: u32,
    /** Which room. */ room: RoomId,
    /** The author's number for the event (P6). */ nonce: Nonce,
    /** A number of [`kind`](super::kind). */ kind: u8,
    /** What to say. */ text: &'a str,
    /** The message that it is about (N1). */ to: Option<Seq>,
} }
record! { /// Asks for events by their words (S1).
Search<'a> {
    /** Of the request. */ id: u32,
    /** What to look for (S3). */ text: &'a str,
    /** In which room; in all that the user is in unless said. */ room: Option<RoomId>,
    /** `next` of the page before (S5). */ before: Option<Position>,
    /** At most so many hits; 0 for as many as possible. */ limit: u16,
} }
record! { /// Asks who is in a room (R8).
Members {
    /** Of the request. */ id: u32,
    /** Which room. */ room: RoomId,
    /** Only users with a higher id. */ after: Option<UserId>,
} }
record! { /// Asks which rooms there are (R8).
Rooms { /** Of the request. */ id: u32, /** Only rooms with a higher id. */ after: Option<RoomId>, } }
record! { /// Asks for events of the past (H1).
History {
    /** Of the request. */ id: u32,
    /** Which room. */ room: RoomId,
    /** Only events with a lower number. */ before: Option<Seq>,
    /** At most so many; 0 for as many as possible. */ limit: u16,
} }
record! { /// Asks for another name (E11).
Rename<'a> { /** Of the request. */ id: u32, /** The name wished for. */ nick: &'a str, } }
record! { /// Asks for the server's manual.
Manual { /** Of the request. */ id: u32, } }
record! { /// Says that the user is away, or here again (W3).
Away { /** Of the request. */ id: u32, /** Whether it is away. */ away: bool, } }

record! { /// Asks for another password (A11).
NewPassword { /** Of the request. */ id: u32, /** A `RegistrationRequest`. */ request: [u8; REGISTRATION_REQUEST_BYTES], } }
record! { /// Sets the other password (A11).
SetPassword { /** Of the request. */ id: u32, /** A `RegistrationRecord`. */ upload: [u8; REGISTRATION_UPLOAD_BYTES], } }
record! { /// Asks which devices the account has (A10).
Devices { /** Of the request. */ id: u32, } }
record! { /// Says up to where a room was read (A14).
MarkRead { /** Of the request. */ id: u32, /** Which room. */ room: RoomId, /** The last event read. */ seq: Seq, } }
record! { /// Ends a device (A10).
Revoke { /** Of the request. */ id: u32, /** Which. */ device: DeviceId, } }
record! { /// Asks to do something to somebody in a room (G4).
Govern<'a> {
    /** Of the request. */ id: u32,
    /** In which room. */ room: RoomId,
    /** A number of [`kind`](super::kind), 5 to 14. */ act: u8,
    /** To whom. */ name: &'a str,
    /** For how long, where it ends by itself. */ seconds: Option<u64>,
    /** Why, or nothing. */ reason: &'a str,
} }
record! { /// Asks to change what kind of room it is (G3). What is left out stays.
SetMode {
    /** Of the request. */ id: u32,
    /** Which room. */ room: RoomId,
    /** Whether only who is invited may join. */ private: Option<bool>,
    /** Whether only moderators and owners post. */ read_only: Option<bool>,
    /** Whether only moderators and owners set the topic. */ topic_locked: Option<bool>,
    /** How long members wait between two messages. */ slow_seconds: Option<u32>,
    /** Whether nobody joins any more. */ closed: Option<bool>,
} }
record! { /// Asks who has which rights in a room (G8).
Rights {
    /** Of the request. */ id: u32,
    /** Which room. */ room: RoomId,
    /** Only users with a higher id. */ after: Option<UserId>,
} }

record! { /// Answers `Hello` (V1).
Welcome<'a> {
    /** The version from now on. */ version: u16,
    /** What program it is. */ server: &'a str,
    /** Of which database (V4). */ incarnation: Incarnation,
    /** Ways to enter (V3). */ mechanisms: u64,
    /** None yet. */ features: u64,
    /** What the client is held to. */ limits: Limits,
} }
record! { /// Says that all places are taken (E9).
Waiting { /** 1 for the next. */ position: u32, } }
record! { /// Says that the user has entered (E4, E5).
Ready<'a> {
    /** Of the request. */ id: u32,
    /** Who it is. */ user: UserId,
    /** By which name. */ nick: &'a str,
    /** To resume with. */ token: Token,
    /** How long it is kept after a cut, in seconds. */ keep_seconds: u32,
    /** The rooms it is in. */ rooms: Vec<Room<'a>>,
    /** Whether it is an account. */ account: bool,
} }
record! { /// Answers requests that only do something.
Done { /** Of the request. */ id: u32, } }
record! { /// Answers any request that was not granted.
Refused<'a> {
    /** Of the request. */ id: u32,
    /** See section X. */ code: u16,
    /** What failed and what to do, for people. */ text: &'a str,
    /** The name involved, or nothing. */ about: &'a str,
    /** A name that would do. */ suggestion: Option<&'a str>,
} }
record! { /// Answers `Join`, `Follow` and `Direct` (R4).
Joined<'a> {
    /** Of the request. */ id: u32,
    /** The room as it is. */ room: Room<'a>,
    /** How many members it has. */ members: u32,
} }
record! { /// Answers `Post`: it is durable (P1).
Posted {
    /** Of the request. */ id: u32,
    /** In which room. */ room: RoomId,
    /** Under which number. */ seq: Seq,
    /** When the server heard of it. */ at: WallTime,
} }
record! { /// Answers `Members` (R8).
MembersPage<'a> {
    /** Of the request. */ id: u32,
    /** Of which room. */ room: RoomId,
    /** Ascending by id. */ members: Vec<Member<'a>>,
    /** The `after` of the next page. */ next: Option<UserId>,
} }
record! { /// Answers `Rooms` (R8).
RoomsPage<'a> {
    /** Of the request. */ id: u32,
    /** Ascending by id. */ rooms: Vec<Listed<'a>>,
    /** The `after` of the next page. */ next: Option<RoomId>,
} }
record! { /// Answers `History` (H1).
HistoryPage<'a> {
    /** Of the request. */ id: u32,
    /** Of which room. */ room: RoomId,
    /** The first number still kept. */ first: Seq,
    /** Ascending and without holes. */ events: Vec<LogEvent<'a>>,
} }
record! { /// Answers `Search` (S4).
SearchPage<'a> {
    /** Of the request. */ id: u32,
    /** The newest first. */ hits: Vec<Hit<'a>>,
    /** The `before` of the next page. */ next: Option<Position>,
} }
record! { /// Answers `Manual`.
ManualText<'a> { /** Of the request. */ id: u32, /** The manual. */ text: &'a str, } }
record! { /// Answers `Register`, `Login` and `NewPassword` (A3, A4, A11).
Challenge<'a> {
    /** Of the request. */ id: u32,
    /** A `RegistrationResponse` or a `KE2`. */ response: &'a [u8],
    /** What the client is to spend on its password. */ stretching: Stretching,
} }
record! { /// Answers `Devices` (A10).
DeviceList<'a> { /** Of the request. */ id: u32, /** Ascending by id. */ devices: Vec<Device<'a>>, } }
record! { /// Answers `Rights` (G8).
RightsPage<'a> {
    /** Of the request. */ id: u32,
    /** Of which room. */ room: RoomId,
    /** 1 private, 2 read-only, 4 the topic is locked, 8 closed. */ mode: u8,
    /** How long members wait between two messages; 0 for not at all. */ slow_seconds: u32,
    /** A number of [`role`](super::role): what the asker is there. */ role: u8,
    /** Ascending by id. */ standings: Vec<Standing<'a>>,
    /** The `after` of the next page. */ next: Option<UserId>,
} }
record! { /// Something happened in a room (C1).
Event<'a> { /** In which. */ room: RoomId, /** What. */ event: LogEvent<'a>, } }
record! { /// Something changed among the members of a room (W1).
Presence<'a> {
    /** Of which. */ room: RoomId,
    /** How many members it has now. */ members: u32,
    /** Whether changes were left out (W2). */ stale: bool,
    /** In order. */ changes: Vec<Change<'a>>,
} }
record! { /// Somebody opened a direct conversation with the user (R6).
Opened<'a> { /** It. */ room: Room<'a>, } }
record! { /// Events before this number are not kept any more (C3).
Trimmed { /** In which room. */ room: RoomId, /** The first number there is. */ first: Seq, } }
record! { /// How much may have been posted in all since `Ready` (P8).
Credit { /** Posts. */ posts: u64, /** Bytes of their text. */ bytes: u64, } }
record! { /// The user left a room on another device (A9).
Parted { /** Which. */ room: RoomId, } }
record! { /// Up to where the account has read a room (A14).
ReadUpTo { /** Which. */ room: RoomId, /** The last event read. */ seq: Seq, } }
record! { /// The user was put out of a room (G6).
Removed<'a> {
    /** Which. */ room: RoomId,
    /** A number of [`kind`](super::kind): kicked or banned. */ kind: u8,
    /** By whom. */ by: &'a str,
    /** Why, or nothing. */ reason: &'a str,
    /** When a ban ends. */ until: Option<WallTime>,
} }
record! { /// The user was invited to a room (G7).
Invited<'a> {
    /** Which. */ room: RoomId,
    /** Its name. */ name: &'a str,
    /** By whom. */ by: &'a str,
    /** Why, or nothing. */ reason: &'a str,
} }

record! { /// Begins or resumes an upload (U3).
Upload<'a> {
    /** Of the request. */ id: u32,
    /** What the transfer is called on this connection. */ transfer: u32,
    /** What the upload is called by its user. */ key: UploadKey,
    /** The place; 0 for the user's shelf. */ room: RoomId,
    /** What the file is to be called. */ name: &'a str,
    /** How many bytes it has, if that is known. */ size: Option<u64>,
    /** Whether it is a program. */ executable: bool,
    /** Which version it takes the place of (U8). */ over: Option<Version>,
} }
record! { /// Ends an upload, all of which was sent (U7).
Finish<'a> {
    /** Of the request. */ id: u32,
    /** Of the upload. */ transfer: u32,
    /** How many bytes it has. */ size: u64,
    /** Of all of them. */ hash: BlobHash,
    /** Another name than that of `Upload`. */ name: Option<&'a str>,
    /** Another version than that of `Upload`. */ over: Option<Version>,
} }
record! { /// Ends a transfer; an upload is kept (U9).
Stop { /** Which. */ transfer: u32, } }
record! { /// Forgets an upload (U9).
Discard { /** Of the request. */ id: u32, /** Which. */ key: UploadKey, } }
record! { /// Asks for the content of a file (U11).
Download<'a> {
    /** Of the request. */ id: u32,
    /** What the transfer is called on this connection. */ transfer: u32,
    /** The place; 0 for the user's shelf. */ room: RoomId,
    /** Which file. */ name: &'a str,
    /** The content it must have. */ hash: Option<BlobHash>,
    /** Where to begin. */ offset: u64,
    /** Up to where it may be sent. */ limit: u64,
    /** Whether its outline is wanted, too. */ outline: Option<bool>,
} }
record! { /// Raises how far a transfer may be sent (U4, U11).
Window { /** Which. */ transfer: u32, /** Up to where. */ limit: u64, } }
record! { /// Asks which files there are (U12).
Files<'a> {
    /** Of the request. */ id: u32,
    /** The place; 0 for the user's shelf. */ room: RoomId,
    /** Only those with a higher name. */ after: Option<&'a str>,
} }
record! { /// Asks to delete a file (U12).
Delete<'a> {
    /** Of the request. */ id: u32,
    /** The place; 0 for the user's shelf. */ room: RoomId,
    /** Which file. */ name: &'a str,
    /** The version it must have. */ version: Option<Version>,
} }
record! { /// Stores a file in one request (U15).
Put<'a> {
    /** Of the request. */ id: u32,
    /** What the upload is called by its user. */ key: UploadKey,
    /** The place; 0 for the user's shelf. */ room: RoomId,
    /** What the file is to be called. */ name: &'a str,
    /** How many bytes it has. */ size: u64,
    /** Of all of them. */ hash: BlobHash,
    /** Whether it is a program. */ executable: bool,
    /** Which version it takes the place of (U8). */ over: Option<Version>,
    /** All of it; none for a content that is there already. */ content: Option<&'a [u8]>,
} }

record! { /// Answers `Upload` (U4).
Accepted {
    /** Of the request. */ id: u32,
    /** Of the request. */ transfer: u32,
    /** Where to go on. */ offset: u64,
    /** Up to where it may be sent. */ limit: u64,
} }
record! { /// Answers `Finish`, `Put`, and an `Upload` that was finished before: it is durable (U7, U15, U3).
Stored<'a> {
    /** Of the request. */ id: u32,
    /** The place. */ room: RoomId,
    /** The file. */ file: File<'a>,
} }
record! { /// So much of an upload is durable (U6).
Durable { /** Which. */ transfer: u32, /** Up to where. */ offset: u64, } }
record! { /// Answers `Download` (U11).
Sending<'a> {
    /** Of the request. */ id: u32,
    /** Of the request. */ transfer: u32,
    /** The file. */ file: File<'a>,
    /** Where its content begins to be sent. */ offset: u64,
    /** What its stretches come to, 32 bytes each, if that was wanted (U17). */ outline: Option<&'a [u8]>,
} }
record! { /// A transfer was ended by the server (U9).
Stopped<'a> {
    /** Which. */ transfer: u32,
    /** See section X. */ code: u16,
    /** For people. */ text: &'a str,
} }
record! { /// Answers `Files` (U12).
FilesPage<'a> {
    /** Of the request. */ id: u32,
    /** The place. */ room: RoomId,
    /** Ascending by name. */ files: Vec<File<'a>>,
    /** The `after` of the next page. */ next: Option<&'a str>,
} }

/// Content of a file, in either direction (U4). The only body that is no CBOR (U5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// Of which transfer.
    pub transfer: u32,
    /// Where in the file it begins.
    pub offset: u64,
    /// 1 to 65,536 bytes.
    pub bytes: &'a [u8],
}

impl<'a> Field<'a> for Data<'a> {
    fn encode(&self, out: &mut Writer<'_>) {
        let out: &mut Vec<u8> = out.writer_mut();
        out.extend_from_slice(&self.transfer.to_be_bytes());
        out.extend_from_slice(&self.offset.to_be_bytes());
        out.extend_from_slice(self.bytes);
    }

    fn decode(from: &mut Decoder<'a>) -> Result<Self, Malformed> {
        let body = from.input();
        let (transfer, rest) = body.split_first_chunk::<4>().ok_or(Malformed)?;
        let (offset, bytes) = rest.split_first_chunk::<8>().ok_or(Malformed)?;
        from.set_position(body.len());
        if bytes.is_empty() || bytes.len() > DATA_BYTES_MAX {
            return Err(Malformed);
        }
        Ok(Self { transfer: u32::from_be_bytes(*transfer), offset: u64::from_be_bytes(*offset), bytes })
    }
}

/// The most bytes of a `Data` frame (U5).
pub const DATA_BYTES_MAX: usize = 65_536;

/// The most bytes of the content of a `Put` (U15).
pub const PUT_BYTES_MAX: usize = 32_768;
