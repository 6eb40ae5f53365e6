//! The credit of one connection for posts (`PROTOCOL.md` P8), and its posts under way (P11).

use crate::{limits::Limits, rate::Bucket, time::Monotonic, wire::Credit};

/// What is announced where nothing is limited. Far from the end, so that nobody's sums overflow.
const UNLIMITED: u64 = i64::MAX as u64;

/// How much a connection may post, has posted, and is waiting to hear about.
#[derive(Debug)]
pub(crate) struct Posting {
    posts: Bucket,
    bytes: Bucket,
    posts_taken: u64,
    bytes_taken: u64,
    announced: Credit,
    announce_at: Option<Monotonic>,
    overdrafts: u32,
    in_flight: u32,
    in_flight_bytes: usize,
}

/// What is to happen with a post.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// It is taken.
    Now,
    /// It is taken when this time has come.
    At(Monotonic),
    /// It is taken when something under way has ended.
    Later,
    /// It is one too many without credit.
    Exceeded,
}

impl Posting {
    pub(crate) const fn new(limits: &Limits, now: Monotonic) -> Self {
        // A rate of bytes without a rate of posts would be a limit that nobody announces.
        let bytes_per_second = if limits.posts_per_second == 0 { 0 } else { limits.post_bytes_per_second };
        Self {
            posts: Bucket::new(limits.post_burst, limits.posts_per_second, now),
            bytes: Bucket::new(limits.post_burst_bytes, bytes_per_second, now),
            posts_taken: 0,
            bytes_taken: 0,
            announced: Credit { posts: 0, bytes: 0 },
            announce_at: None,
            overdrafts: 0,
            in_flight: 0,
            in_flight_bytes: 0,
        }
    }

    /// Whether a post with so many bytes of text is taken now; if so, it is under way from now on.
    pub(crate) fn admit(&mut self, bytes: usize, limits: &Limits, now: Monotonic) -> Admission {
        if self.in_flight >= limits.posts_in_flight_max
            || (self.in_flight > 0 && self.in_flight_bytes + bytes > limits.posts_in_flight_bytes_max)
        {
            return Admission::Later;
        }
        self.posts.refill(now);
        self.bytes.refill(now);
        let units = bytes as u64;
        if !self.posts.has(1) || !self.bytes.has(units) {
            let wait = self.posts.wait(1).max(self.bytes.wait(units));
            return self.overdraw(limits, now.after(wait));
        }
        self.posts.take(1);
        self.bytes.take(units);
        self.posts_taken += 1;
        self.bytes_taken += units;
        self.in_flight += 1;
        self.in_flight_bytes += bytes;
        if !self.posts.is_full() || !self.bytes.is_full() {
            self.announce_at.get_or_insert_with(|| now.after(limits.credit_interval));
        }
        Admission::Now
    }

    /// A peer that keeps to what was announced never comes here.
    const fn overdraw(&mut self, limits: &Limits, again: Monotonic) -> Admission {
        self.overdrafts += 1;
        if self.overdrafts > limits.overdraft_posts_max { Admission::Exceeded } else { Admission::At(again) }
    }

    /// A post under way has been answered.
    pub(crate) const fn answered(&mut self, bytes: usize) {
        self.in_flight = self.in_flight.saturating_sub(1);
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(bytes);
    }

    /// When credit is to be announced next.
    pub(crate) const fn announce_at(&self) -> Option<Monotonic> {
        self.announce_at
    }

    /// Has credit announced later.
    pub(crate) fn put_off(&mut self, limits: &Limits, now: Monotonic) {
        self.announce_at = Some(now.after(limits.credit_interval));
    }

    /// The credit to announce now, if it has grown.
    pub(crate) fn announcement(&mut self, limits: &Limits, now: Monotonic) -> Option<Credit> {
        self.posts.refill(now);
        self.bytes.refill(now);
        let full = self.posts.is_full() && self.bytes.is_full();
        self.announce_at = if full { None } else { Some(now.after(limits.credit_interval)) };
        let grown = Credit {
            posts: limit(&self.posts, self.posts_taken).max(self.announced.posts),
            bytes: limit(&self.bytes, self.bytes_taken).max(self.announced.bytes),
        };
        if grown == self.announced {
            return None;
        }
        self.announced = grown.clone();
        Some(grown)
    }
}

fn limit(bucket: &Bucket, taken: u64) -> u64 {
    let beyond = u64::from(crate::seeded_bug!("credit-announced-beyond-level"));
    if bucket.is_unlimited() { UNLIMITED } else { taken + bucket.level() + beyond }
}
