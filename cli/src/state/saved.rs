//! A saved session as JSON.

use palabre_core::{
    client::{SavedPost, SavedSession},
    ids::{Incarnation, Nonce, RoomId, Seq, UserId},
    name::Nick,
    storage::EventKind,
    time::WallTime,
    wire::Token,
};
use palabre_runtime::server_key::ServerKey;
use serde::{Deserialize, Serialize};

/// The version of the file.
const VERSION: u8 = 1;

/// The file.
#[derive(Debug, Serialize, Deserialize)]
struct File {
    v: u8,
    incarnation: u64,
    user: u64,
    nick: String,
    token: String,
    #[serde(default)]
    account: bool,
    /// The key of the server that all this is for; none if it was told in plaintext.
    #[serde(default)]
    server_key: Option<String>,
    rooms: Vec<Room>,
    outbox: Vec<Post>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Room {
    id: u64,
    name: String,
    seen: u64,
}

#[derive(Debug, Serialize, Deserialize)]
struct Post {
    room: u64,
    nonce: u64,
    kind: u8,
    text: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<u64>,
    written: u64,
}

/// Why a file is no saved session.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("it is of version {0}, which this program does not know")]
    Version(u8),
    #[error("its {0} makes no sense")]
    Field(&'static str),
}

/// Writes a session down.
pub(super) fn encode(
    session: &SavedSession,
    server_key: Option<ServerKey>,
) -> Result<Vec<u8>, serde_json::Error> {
    let file = File {
        v: VERSION,
        incarnation: session.incarnation.get(),
        user: session.user.get(),
        nick: session.nick.to_string(),
        token: session.token.0.iter().map(|byte| format!("{byte:02x}")).collect(),
        account: session.is_account,
        server_key: server_key.map(|key| key.to_string()),
        rooms: session.rooms.iter().map(Room::from).collect(),
        outbox: session.outbox.iter().map(Post::from).collect(),
    };
    serde_json::to_vec(&file)
}

/// Reads a session, and the key of the server that it is for.
pub(super) fn decode(bytes: &[u8]) -> Result<(SavedSession, Option<ServerKey>), Unreadable> {
    let file: File = serde_json::from_slice(bytes)?;
    if file.v != VERSION {
        return Err(Unreadable::Version(file.v));
    }
    let server_key = file.server_key.map(|key| key.parse()).transpose();
    let server_key = server_key.map_err(|_| Unreadable::Field("server key"))?;
    let session = SavedSession {
        incarnation: Incarnation::new(file.incarnation),
        user: UserId::new(file.user),
        nick: Nick::parse(&file.nick).map_err(|_| Unreadable::Field("nick"))?,
        token: token(&file.token).ok_or(Unreadable::Field("token"))?,
        is_account: file.account,
        rooms: file.rooms.into_iter().map(Room::read).collect(),
        outbox: file.outbox.into_iter().map(Post::read).collect::<Result<_, _>>()?,
    };
    Ok((session, server_key))
}

fn token(hex: &str) -> Option<Token> {
    let mut token = [0; 32];
    if hex.len() != 2 * token.len() || !hex.is_ascii() {
        return None;
    }
    for (index, byte) in token.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).ok()?;
    }
    Some(Token(token))
}

impl From<&(RoomId, String, Seq)> for Room {
    fn from((id, name, seen): &(RoomId, String, Seq)) -> Self {
        Self { id: id.get(), name: name.clone(), seen: seen.get() }
    }
}

impl Room {
    fn read(self) -> (RoomId, String, Seq) {
        (RoomId::new(self.id), self.name, Seq::new(self.seen))
    }
}

impl From<&SavedPost> for Post {
    fn from(post: &SavedPost) -> Self {
        Self {
            room: post.room.get(),
            nonce: post.nonce.get(),
            kind: post.kind.number(),
            text: post.text.clone(),
            to: post.to.map(Seq::get),
            written: post.written.as_millis(),
        }
    }
}

impl Post {
    fn read(self) -> Result<SavedPost, Unreadable> {
        Ok(SavedPost {
            room: RoomId::new(self.room),
            nonce: Nonce::new(self.nonce),
            kind: EventKind::from_number(self.kind)
                .filter(|kind| kind.is_post() && kind.takes(self.to.map(Seq::new)))
                .ok_or(Unreadable::Field("kind of post"))?,
            text: self.text,
            to: self.to.map(Seq::new),
            written: WallTime::from_millis(self.written),
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn session() -> SavedSession {
        SavedSession {
            incarnation: Incarnation::new(u64::MAX),
            user: UserId::new(7),
            nick: Nick::parse("ana").unwrap(),
            token: Token([0xa5; 32]),
            is_account: false,
            rooms: vec![
                (RoomId::new(1), "#lobby".into(), Seq::new(12)),
                (RoomId::new(2), String::new(), Seq::new(0)),
            ],
            outbox: vec![SavedPost {
                room: RoomId::new(1),
                nonce: Nonce::new(u64::MAX - 1),
                kind: EventKind::Action,
                text: "waves\n\"\u{1f44b}\"".into(),
                to: Some(Seq::new(11)),
                written: WallTime::from_millis(1_795_291_200_000),
            }],
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for key in [None, Some(ServerKey([7; 32]))] {
            assert_eq!(decode(&encode(&session(), key).unwrap()).unwrap(), (session(), key));
        }
    }

    #[test]
    fn nonsense_is_told_from_a_session() {
        assert!(matches!(decode(b"{}"), Err(Unreadable::Json(_))));
        let text = String::from_utf8(encode(&session(), Some(ServerKey([7; 32]))).unwrap()).unwrap();
        let version = text.replace("\"v\":1", "\"v\":2");
        assert!(matches!(decode(version.as_bytes()), Err(Unreadable::Version(2))));
        let token = text.replace("a5a5", "a5zz");
        assert!(matches!(decode(token.as_bytes()), Err(Unreadable::Field("token"))));
        let key = text.replace("sha256:", "sha1:");
        assert!(matches!(decode(key.as_bytes()), Err(Unreadable::Field("server key"))));
        let kind = text.replace("\"kind\":2", "\"kind\":9");
        assert!(matches!(decode(kind.as_bytes()), Err(Unreadable::Field("kind of post"))));
    }
}
