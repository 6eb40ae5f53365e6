//! Posts, nonces and history (P, H).

use palabre_core::{
    error::RefusalCode,
    ids::Seq,
    wire::{History, Post, kind},
};

use super::{ConnectionKey, Expected, Logged, Model, Refusal, RoomKey, UserKey};

impl Model {
    /// P1–P6.
    pub(super) fn post(&mut self, at: ConnectionKey, user: UserKey, post: &Post<'_>) -> Result<(), Refusal> {
        self.judge_text(post.kind, post.text)?;
        if let Some((room, seq)) = self.stored.get(&(user, post.nonce)).copied() {
            return self.repeat(at, post, room, seq);
        }
        let room = self.member_room(user, post.room)?;
        if let Some((one, two)) = self[room].pair()
            && (self.is_gone(one) || self.is_gone(two))
        {
            return Err(Refusal::new(RefusalCode::NoSuchUser));
        }
        self.judge_right_to_post(room, user, post.kind)?;
        let seq = self.append(room, user, post);
        self.expect(at, Expected::Posted { id: post.id, room, seq });
        Ok(())
    }

    /// P2: every fault there is, since nothing says which is seen first.
    pub(super) fn judge_text(&self, kind: u8, text: &str) -> Result<(), Refusal> {
        let is_topic = kind == kind::TOPIC;
        let bytes_max = if is_topic { self.limits.topic_bytes_max } else { self.limits.text_bytes_max };
        let allowed = |c: char| !c.is_control() || (!is_topic && matches!(c, '\n' | '\t'));
        let mut codes = Vec::new();
        if !is_topic && text.chars().all(char::is_whitespace) {
            codes.push(RefusalCode::TextEmpty);
        }
        if text.len() > bytes_max {
            codes.push(RefusalCode::TextTooLong);
        }
        if !text.chars().all(allowed) {
            codes.push(RefusalCode::TextInvalid);
        }
        if codes.is_empty() { Ok(()) } else { Err(Refusal::any_of(codes)) }
    }

    /// P6: the nonce is stored.
    fn repeat(&mut self, at: ConnectionKey, post: &Post<'_>, room: RoomKey, seq: Seq) -> Result<(), Refusal> {
        let stored = self[room].event(seq.get());
        let same_event = stored.kind == post.kind && stored.text == post.text;
        if !same_event || self.known.room(post.room) != Some(room) {
            return Err(Refusal::new(RefusalCode::NonceReused));
        }
        self.expect(at, Expected::Posted { id: post.id, room, seq: seq.get() });
        Ok(())
    }

    /// P4, P5, C1: the event goes into the log and to everybody who follows.
    fn append(&mut self, room: RoomKey, user: UserKey, post: &Post<'_>) -> u64 {
        let nick = self[user].nick.clone();
        if post.kind == kind::TOPIC {
            self[room].topic = post.text.into();
        } else if self[room].rights.mode.slow_seconds > 0 {
            let now = self.now.monotonic;
            self[room].rights.spoke.insert(user, now);
        }
        let seq = self
            .log(room, Logged { author: user, nick, kind: post.kind, text: post.text.into(), about: None });
        self.stored.insert((user, post.nonce), (room, Seq::new(seq)));
        seq
    }

    /// An event is in the log, and everybody who follows is told.
    pub(super) fn log(&mut self, room: RoomKey, event: Logged) -> u64 {
        self[room].log.push(event.clone());
        let seq = self[room].last();
        self.said.push((room, seq));
        for index in 0..self.connections.len() {
            if self.connections[index].follows.contains_key(&room) {
                let event = event.clone();
                self.expect(ConnectionKey(index), Expected::Event { room, seq, event });
            }
        }
        seq
    }

    /// H1, H2.
    pub(super) fn history(
        &mut self,
        at: ConnectionKey,
        user: UserKey,
        history: &History,
    ) -> Result<(), Refusal> {
        let room = self.member_room(user, history.room)?;
        let (first, last) = (self[room].first, self[room].last());
        let end = history.before.map_or(last + 1, |before| before.get().min(last + 1));
        let events_max = match u32::from(history.limit) {
            0 => self.limits.page_events_max,
            limit => limit.min(self.limits.page_events_max),
        };
        let mut bytes_left = self.limits.page_bytes_max as usize;
        let mut events = Vec::new();
        for seq in (first..end).rev().take(events_max as usize) {
            let event = self[room].event(seq);
            let about = event.about.as_ref().map_or(0, |(_, name, _)| name.len());
            let bytes = event.text.len() + event.nick.len() + about;
            if bytes > bytes_left {
                break;
            }
            bytes_left -= bytes;
            events.push((seq, event.clone()));
        }
        events.reverse();
        self.expect(at, Expected::HistoryPage { id: history.id, room, first, events });
        Ok(())
    }

    /// P8: what is sent counts, whatever becomes of it; false if it was sent without credit once too often.
    pub(super) fn spend_credit(&mut self, at: ConnectionKey, bytes: u64) -> bool {
        let over = !self.may_post(at, bytes);
        let now = self.now.monotonic;
        let credit = &mut self[at].credit;
        credit.posts += 1;
        credit.bytes += bytes;
        credit.over += u32::from(over);
        credit.last_post = now;
        credit.over <= self.limits.overdraft_posts_max
    }

    /// Whether a client that keeps to its credit may post so many bytes now (P8).
    #[must_use]
    pub fn may_post(&self, at: ConnectionKey, bytes: u64) -> bool {
        let credit = self[at].credit;
        credit.announced.is_none_or(|(posts, all)| credit.posts < posts && credit.bytes + bytes <= all)
    }
}
