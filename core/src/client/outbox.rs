//! The posts that are not answered yet (`PROTOCOL.md` P6–P9, P11).

use alloc::{
    collections::VecDeque,
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::time::Duration;

use super::{ClientEvent, OutboxPost, OutboxState, PostId, SavedPost, session::Session};
use crate::{
    error::{Misuse, Refusal, RefusalCode},
    ids::{Nonce, RoomId, Seq},
    limits::Limits,
    storage::{EventFamily, EventKind},
    time::{Now, WallTime},
    wire::{Credit, Post},
};

/// After so long nobody resends a post: the server may have forgotten its nonce (P6, P7).
const RESEND_MAX: Duration = Duration::from_secs(6 * 24 * 60 * 60);

/// The posts, oldest first: at the front those that were sent on this connection, behind them those that wait.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    posts: VecDeque<Pending>,
    sent: usize,
    last_post: u64,
}

#[derive(Debug)]
pub(super) struct Pending {
    pub(super) post: PostId,
    pub(super) room: RoomId,
    pub(super) text: String,
    pub(super) kind: EventKind,
    pub(super) to: Option<Seq>,
    nonce: Nonce,
    written: WallTime,
    /// The number of the request; of this connection's only while the post counts as sent.
    wire_id: u32,
}

/// What is to be posted.
#[derive(Clone, Debug)]
pub(super) struct NewPost {
    pub(super) kind: EventKind,
    pub(super) text: String,
    pub(super) to: Option<Seq>,
}

/// How much may be posted on a connection, and how much was (P8).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Allowance {
    posts_max: u64,
    bytes_max: u64,
    posts: u64,
    bytes: u64,
}

impl Allowance {
    /// Takes an announcement over. Values never fall; one that does is not believed.
    pub(super) fn announce(&mut self, credit: &Credit) {
        self.posts_max = self.posts_max.max(credit.posts);
        self.bytes_max = self.bytes_max.max(credit.bytes);
    }

    fn spend(&mut self, bytes: usize) -> bool {
        let (posts, bytes) = (self.posts.saturating_add(1), self.bytes.saturating_add(bytes as u64));
        let enough = posts <= self.posts_max && bytes <= self.bytes_max;
        if enough {
            (self.posts, self.bytes) = (posts, bytes);
        }
        enough
    }
}

impl Outbox {
    /// Takes up what an earlier run saved.
    pub(super) fn restore(saved: Vec<SavedPost>) -> Self {
        let mut outbox = Self::default();
        for SavedPost { room, nonce, kind, text, to, written } in saved {
            outbox.push(room, nonce, NewPost { kind, text, to }, written);
        }
        outbox
    }

    pub(super) fn len(&self) -> usize {
        self.posts.len()
    }

    pub(super) fn push(&mut self, room: RoomId, nonce: Nonce, new: NewPost, written: WallTime) -> PostId {
        let NewPost { kind, text, to } = new;
        self.last_post += 1;
        let post = PostId(self.last_post);
        self.posts.push_back(Pending { post, room, text, kind, to, nonce, written, wire_id: 0 });
        post
    }

    /// The post that was sent under this number, which is answered now.
    pub(super) fn take(&mut self, wire_id: u32) -> Option<Pending> {
        let at = self.posts.iter().take(self.sent).position(|pending| pending.wire_id == wire_id)?;
        self.sent -= 1;
        self.posts.remove(at)
    }

    /// The connection is gone: everything has to be sent again.
    pub(super) fn unsend(&mut self) {
        if !crate::seeded_bug!("unanswered-not-resent") {
            self.sent = 0;
        }
    }

    /// Its author is no more (P9).
    pub(super) fn give_up_all(&mut self) -> Vec<ClientEvent> {
        self.sent = 0;
        core::mem::take(&mut self.posts).into_iter().map(Pending::indeterminate).collect()
    }

    /// The next post to send, if it is too old for that (P7).
    fn take_expired(&mut self, now: Now) -> Option<Pending> {
        let next = self.posts.get(self.sent)?;
        if now.wall.since(next.written) < RESEND_MAX {
            return None;
        }
        self.posts.remove(self.sent)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = OutboxPost<'_>> {
        self.posts.iter().enumerate().map(|(at, pending)| OutboxPost {
            post: pending.post,
            room: pending.room,
            kind: pending.kind,
            to: pending.to,
            text: &pending.text,
            state: if at < self.sent { OutboxState::Sent } else { OutboxState::Waiting },
        })
    }

    pub(super) fn to_save(&self) -> Vec<SavedPost> {
        let saved = self.posts.iter().map(|pending| SavedPost {
            room: pending.room,
            nonce: pending.nonce,
            kind: pending.kind,
            text: pending.text.clone(),
            to: pending.to,
            written: pending.written,
        });
        saved.collect()
    }
}

impl Pending {
    fn indeterminate(self) -> ClientEvent {
        ClientEvent::PostIndeterminate { post: self.post, room: self.room, kind: self.kind, text: self.text }
    }
}

impl Session {
    /// Sends posts that wait, in order, as far as credit and the limit of unanswered ones allow.
    pub(super) fn send_posts(&mut self, allowance: &mut Allowance, unanswered_max: u32) {
        while self.outbox.sent < unanswered_max as usize && self.link.has_room() {
            if let Some(expired) = self.outbox.take_expired(self.now) {
                self.outputs.save();
                self.outputs.tell(expired.indeterminate());
                continue;
            }
            let Some(next) = self.outbox.posts.get_mut(self.outbox.sent) else { return };
            if !allowance.spend(next.text.len()) {
                return;
            }
            next.wire_id = self.requests.next_wire_id();
            let (id, kind) = (next.wire_id, next.kind.number());
            let Pending { room, nonce, to, .. } = *next;
            let message = Post { id, room, nonce, kind, text: &next.text, to };
            self.link.send(&message.into(), &mut self.outputs);
            self.outbox.sent += 1;
        }
    }
}

/// Whether a server would take this: what is an error there (M, N1) would come again with each connection.
pub(super) fn check_post(new: &NewPost, limits: &TextLimits) -> Result<(), Misuse> {
    check_text(new.kind, &new.text, limits)?;
    if new.kind.is_post() && new.kind.takes(new.to) {
        return Ok(());
    }
    let text = "That is not posted, or not without saying which message it is about.";
    Err(Misuse::Text(Refusal::new(RefusalCode::NotPossible, text)))
}

/// Whether a server would take this text (P2), by the limits it told or, before that, the protocol's.
pub(super) fn check_text(kind: EventKind, text: &str, limits: &TextLimits) -> Result<(), Misuse> {
    let (what, bytes_max, is_layout): (_, _, fn(char) -> bool) = match kind.family() {
        EventFamily::Revision if kind == EventKind::Deleted => ("The deletion", 0, |_| false),
        EventFamily::Message | EventFamily::Revision => {
            ("The text", limits.text_bytes, |c| matches!(c, '\n' | '\t'))
        }
        EventFamily::Reaction => return crate::text::check_reaction(text).map_err(Misuse::Text),
        EventFamily::Topic => ("The topic", limits.topic_bytes, |_| false),
        EventFamily::Act => ("The reason", limits.topic_bytes, |_| false),
        EventFamily::File => {
            let text = "Only the server tells of files; upload one.";
            return Err(Misuse::Text(Refusal::new(RefusalCode::NotPossible, text)));
        }
    };
    let refused = |code, text: String| Err(Misuse::Text(Refusal::new(code, text)));
    if (kind.is_message() || kind == EventKind::Edited) && text.trim().is_empty() {
        return refused(RefusalCode::TextEmpty, "There is nothing to say: the text is empty.".to_string());
    }
    if text.len() > bytes_max {
        let sentence = format!("{what} has {} bytes; at most {bytes_max} are allowed.", text.len());
        return refused(RefusalCode::TextTooLong, sentence);
    }
    if let Some(control) = text.chars().find(|c| c.is_control() && !is_layout(*c)) {
        let sentence =
            format!("{what} contains the control character U+{:04X}; remove it.", u32::from(control));
        return refused(RefusalCode::TextInvalid, sentence);
    }
    Ok(())
}

/// How long texts may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct TextLimits {
    text_bytes: usize,
    topic_bytes: usize,
}

impl Default for TextLimits {
    fn default() -> Self {
        let protocol = Limits::default();
        Self { text_bytes: protocol.text_bytes_max, topic_bytes: protocol.topic_bytes_max }
    }
}

impl TextLimits {
    /// What a server told, never more than the protocol knows.
    pub(super) fn told(limits: &crate::wire::Limits) -> Self {
        let protocol = Self::default();
        Self {
            text_bytes: protocol.text_bytes.min(limits.text_bytes as usize),
            topic_bytes: protocol.topic_bytes.min(limits.topic_bytes as usize),
        }
    }
}
