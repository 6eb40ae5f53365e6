//! Every post of an honest client, from the moment it was written to what became of it.
//!
//! Texts begin with the post's number, so that an event of a log is recognised wherever it is seen.

use std::collections::{BTreeMap, BTreeSet};

use palabre_core::{
    client::SavedPost,
    ids::{Nonce, RoomId, Seq, UserId},
    storage::{EventKind, RoomKey, StoredEvent},
    wire::Token,
};

use super::{Invariant, Rights, Violation, ensure};
use crate::{network::Owner, sometimes, store::Tables};

/// The number of a post, in the order written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PostNumber(pub usize);

/// A post of an honest client.
#[derive(Clone, Debug)]
pub struct Post {
    /// The client.
    pub actor: usize,
    /// The user that client was.
    pub user: UserId,
    /// Where it went.
    pub room: RoomId,
    /// Of which kind.
    pub kind: EventKind,
    /// The message that it is about.
    pub to: Option<Seq>,
    /// What it said.
    pub text: String,
    /// What its author was told.
    pub outcome: Outcome,
    stored: Option<Seq>,
    saved: bool,
    failed: bool,
}

/// What a client wants to say.
#[derive(Clone, Debug)]
pub struct Said {
    /// Of which kind.
    pub kind: EventKind,
    /// The message that it is about.
    pub to: Option<Seq>,
    /// The text, which begins with the post's number; a deletion has none, its nonce is the number.
    pub text: String,
}

/// What an author was told of a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing yet.
    Open,
    /// It is durable under this number.
    Acknowledged(Seq),
    /// It is certainly not stored.
    Refused,
    /// Nobody can say.
    Indeterminate,
    /// Its author died before it was written down.
    Forgotten,
}

/// All posts, and what was found in the logs.
#[derive(Debug, Default)]
pub struct Ledger {
    posts: Vec<Post>,
    seen_of_log: BTreeMap<RoomId, (RoomKey, usize)>,
    latest: BTreeMap<(usize, UserId, RoomId), PostNumber>,
    acknowledged: BTreeMap<RoomId, Seq>,
    authors: BTreeMap<UserId, Owner>,
    tokens: BTreeMap<UserId, Token>,
    members_ever: BTreeSet<(UserId, RoomId)>,
    removed: BTreeSet<UserId>,
    nonces: BTreeMap<(UserId, Nonce), PostNumber>,
    /// Who may do what.
    pub rights: Rights,
}

impl Ledger {
    /// The number that the next post will have, to begin its text with.
    #[must_use]
    pub const fn next_number(&self) -> PostNumber {
        PostNumber(self.posts.len())
    }

    /// The number that a text begins with.
    #[must_use]
    pub fn number_in(&self, text: &str) -> Option<PostNumber> {
        let number = text.split_once(':')?.0.parse().ok()?;
        (number < self.posts.len()).then_some(PostNumber(number))
    }

    /// The number of a post that was written down.
    #[must_use]
    pub fn number_of(&self, saved: &SavedPost) -> Option<PostNumber> {
        if saved.kind == EventKind::Deleted {
            return usize::try_from(saved.nonce.get()).ok().map(PostNumber);
        }
        self.number_in(&saved.text)
    }

    /// A client has taken a post into its outbox.
    pub fn written(&mut self, actor: usize, user: UserId, room: RoomId, said: Said) {
        let Said { kind, to, text } = said;
        // A deletion has no text to be known by when it is saved or fails.
        let has_no_text = kind == EventKind::Deleted;
        self.posts.push(Post {
            actor,
            user,
            room,
            kind,
            to,
            text,
            outcome: Outcome::Open,
            stored: None,
            saved: has_no_text,
            failed: has_no_text,
        });
    }

    /// A client has written a post down, where it survives its process.
    pub fn saved(&mut self, text: &str) {
        if let Some(number) = self.number_in(text) {
            self.posts[number.0].saved = true;
        }
    }

    /// Storage could not append a post. If its author does not hear of that, it sends it again, behind others.
    pub fn failed(&mut self, text: &str) {
        if let Some(number) = self.number_in(text) {
            self.posts[number.0].failed = true;
        }
    }

    /// A post was seen on the wire under this nonce.
    pub fn sent(&mut self, user: UserId, nonce: Nonce, text: &str) {
        if let Some(number) = self.number_in(text) {
            self.nonces.insert((user, nonce), number);
        }
    }

    /// The server looks for a post that it is about to refuse. If its author does not hear of that, it sends it
    /// again, behind others, and may be allowed by then.
    pub fn doubted(&mut self, author: UserId, nonce: Nonce) {
        if let Some(number) = self.nonces.get(&(author, nonce)) {
            self.posts[number.0].failed = true;
        }
    }

    /// A post.
    #[must_use]
    pub fn post(&self, number: PostNumber) -> &Post {
        &self.posts[number.0]
    }

    /// Posts of a client that it has heard nothing of.
    pub fn open_posts(&self, actor: usize) -> impl Iterator<Item = PostNumber> + '_ {
        let open = move |post: &Post| post.actor == actor && post.outcome == Outcome::Open;
        self.posts
            .iter()
            .enumerate()
            .filter(move |(_, post)| open(post))
            .map(|(number, _)| PostNumber(number))
    }

    /// Somebody may speak as a user from now on.
    pub fn may_speak(&mut self, user: UserId, owner: Owner) {
        self.authors.entry(user).or_insert(owner);
    }

    /// Who a guest is was seen on the wire: always whoever has the same token (E4, E6).
    ///
    /// # Errors
    /// Somebody else was this guest.
    pub fn entered(&mut self, user: UserId, owner: Owner, token: Token) -> Result<(), Violation> {
        let first = *self.authors.entry(user).or_insert(owner);
        let same = *self.tokens.entry(user).or_insert(token) == token;
        ensure(same, Invariant::Private, || {
            format!("{owner} entered as user {user} with another token than {first} had as that user")
        })
    }

    /// Whether anybody was welcomed as this user.
    #[must_use]
    pub fn has_entered(&self, user: UserId) -> bool {
        self.authors.contains_key(&user)
    }

    /// A membership was asked of storage.
    pub fn member(&mut self, user: UserId, room: RoomId) {
        self.members_ever.insert((user, room));
    }

    /// Storage was asked to remove a guest. It may fail; the guest is no more nevertheless.
    pub fn removed(&mut self, user: UserId) {
        self.removed.insert(user);
    }

    /// Whether a user may have been in a room at some time.
    #[must_use]
    pub fn was_member(&self, user: UserId, room: RoomId, durable: &Tables) -> bool {
        self.members_ever.contains(&(user, room)) || durable.is_member(user, room)
    }

    /// The highest number acknowledged in a room to anybody.
    #[must_use]
    pub fn acknowledged_in(&self, room: RoomId) -> Seq {
        self.acknowledged.get(&room).copied().unwrap_or_default()
    }

    /// Judges what was committed since the last call (I2, I3, I4).
    ///
    /// # Errors
    /// An event that nobody wrote, or twice, or out of its author's order.
    pub fn inspect_logs(&mut self, durable: &Tables) -> Result<(), Violation> {
        for (id, room) in durable.rooms() {
            let seen = self.seen_of_log.get(&id).map_or(0, |(_, seen)| *seen);
            for (event, nonce) in room.log.iter().skip(seen) {
                self.logged(id, event, *nonce)?;
            }
            self.seen_of_log.insert(id, (room.key.clone(), room.log.len().max(seen)));
        }
        Ok(())
    }

    fn logged(&mut self, room: RoomId, event: &StoredEvent, nonce: Nonce) -> Result<(), Violation> {
        let facts =
            || format!("in room {room} number {}: {:?} by user {}", event.seq, event.text, event.author);
        match self.authors.get(&event.author) {
            Some(Owner::Peer(_)) => return Ok(()),
            Some(Owner::Actor(_)) => {}
            None => {
                return Err(Violation::new(Invariant::Authentic, format!("{}, who never entered", facts())));
            }
        }
        if !event.kind.is_post() {
            return Ok(());
        }
        let number = if event.kind == EventKind::Deleted {
            usize::try_from(nonce.get()).ok().map(PostNumber)
        } else {
            self.number_in(&event.text)
        };
        let number = number.filter(|number| {
            self.posts.get(number.0).is_some_and(|post| post.text == *event.text && post.to == event.to())
        });
        let Some(number) = number else {
            return Err(Violation::new(Invariant::Authentic, format!("{}, which nobody wrote", facts())));
        };
        let post = &mut self.posts[number.0];
        let same = post.user == event.author && post.room == room && post.kind == event.kind;
        ensure(same, Invariant::Authentic, || format!("{}, but it was written as {post:?}", facts()))?;
        if let Some(earlier) = post.stored.replace(event.seq) {
            return Err(Violation::new(Invariant::Once, format!("{}, but also number {earlier}", facts())));
        }
        ensure(post.outcome != Outcome::Refused, Invariant::Authentic, || {
            format!("{}, but its author was told that it is not stored", facts())
        })?;
        ensure(post.outcome != Outcome::Forgotten || post.saved, Invariant::Authentic, || {
            format!("{}, but its author sent it before writing it down", facts())
        })?;
        sometimes!(
            "an event of a post that its author forgot was stored",
            post.outcome == Outcome::Forgotten
        );
        if post.failed {
            return Ok(());
        }
        match self.latest.insert((post.actor, event.author, room), number) {
            Some(latest) if latest > number => Err(Violation::new(
                Invariant::Ordered,
                format!("{}, after post {} that was written later", facts(), latest.0),
            )),
            Some(_) | None => Ok(()),
        }
    }

    /// An author was told that a post is durable (I3, I6).
    ///
    /// # Errors
    /// It is not, or it was told otherwise before.
    pub fn acknowledge(&mut self, number: PostNumber, seq: Seq, durable: &Tables) -> Result<(), Violation> {
        let post = &mut self.posts[number.0];
        // What is read may have been on its way while the room ceased.
        let event = durable.room_ever(post.room).and_then(|room| room.event(seq));
        let is_stored = event.is_some_and(|event| *event.text == *post.text && event.author == post.user);
        ensure(is_stored, Invariant::Durable, || {
            format!(
                "post {} was acknowledged as number {seq} of room {}; durable there is {event:?}",
                number.0, post.room
            )
        })?;
        match post.outcome {
            Outcome::Open | Outcome::Forgotten => {}
            Outcome::Acknowledged(earlier) => ensure(earlier == seq, Invariant::Once, || {
                format!("post {} was acknowledged as number {earlier} and as {seq}", number.0)
            })?,
            Outcome::Refused | Outcome::Indeterminate => {
                let facts = format!("post {} was told as {:?}, then acknowledged", number.0, post.outcome);
                return Err(Violation::new(Invariant::Once, facts));
            }
        }
        post.outcome = Outcome::Acknowledged(seq);
        let latest = self.acknowledged.entry(post.room).or_default();
        *latest = seq.max(*latest);
        Ok(())
    }

    /// An author was told that a post is certainly not stored (P10).
    ///
    /// # Errors
    /// It is stored.
    pub fn refuse(&mut self, number: PostNumber, why: &str) -> Result<(), Violation> {
        let post = &mut self.posts[number.0];
        ensure(post.stored.is_none(), Invariant::Authentic, || {
            format!("post {} was refused ({why}), but it is in the log: {post:?}", number.0)
        })?;
        post.outcome = Outcome::Refused;
        Ok(())
    }

    /// Nobody can say what became of a post, or its author has forgotten it.
    pub fn give_up(&mut self, number: PostNumber, outcome: Outcome) {
        self.posts[number.0].outcome = outcome;
    }

    /// A direct conversation ceases when both its guests are no more (R6), and with it what was said.
    fn has_ceased(&self, room: RoomId, durable: &Tables) -> bool {
        match self.seen_of_log.get(&room) {
            Some((RoomKey::Direct(one, other), _)) => {
                let is_gone = |user| self.removed.contains(user) || !durable.has_guest(*user);
                durable.room(room).is_none() && is_gone(one) && is_gone(other)
            }
            Some((RoomKey::Named(_), _)) | None => false,
        }
    }

    /// Everything acknowledged is durable still (I1).
    ///
    /// # Errors
    /// Something is not.
    pub fn check_nothing_lost(&self, durable: &Tables) -> Result<(), Violation> {
        for (number, post) in self.posts.iter().enumerate() {
            let Outcome::Acknowledged(seq) = post.outcome else { continue };
            if self.has_ceased(post.room, durable) {
                continue;
            }
            let event = durable.room(post.room).and_then(|room| room.event(seq));
            ensure(event.is_some_and(|event| *event.text == *post.text), Invariant::Kept, || {
                format!(
                    "post {number} was acknowledged as number {seq} of room {}; now there is {event:?}",
                    post.room
                )
            })?;
        }
        Ok(())
    }
}
