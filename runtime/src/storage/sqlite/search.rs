//! The index of words, and searching it.
//!
//! An FTS5 table has the words of each event, under its position. It is told words as the core makes them, with one space
//! between, and its tokenizer `ascii` takes them apart there and nowhere else: all that these words have of ASCII is small
//! letters and digits, which it leaves as they are, and all that is not ASCII is part of a word to it. So the index decides
//! nothing about words.
//!
//! Each word is led by the number of its *stretch*, a run of positions. What a query has to look at is thus bounded by one
//! stretch, whatever is searched for and however common it is: also the beginning of a word, for which FTS5 would else
//! bring together all that was ever said with any word that begins so.

use std::fmt::Write as _;

use palabre_core::{
    ids::{Position, RoomId, Seq},
    search::{Phrase, Query, searched, words},
    storage::{EventKind, Hit, StorageOutcome},
};
use rusqlite::{Connection, params};

use super::{
    error::Problem,
    operations::{count_up, signed, stored_event},
    rooms::Rooms,
};

/// How many positions are a stretch.
const STRETCH_POSITIONS: u64 = 1 << 13;

/// So many stretches are searched for one request,
const STRETCHES_MAX: u32 = 32;

/// or fewer, if so many events that have the words were looked at: they may be in rooms that are not asked about.
const EVENTS_MAX: u32 = 1 << 13;

/// What is to be found.
pub(super) struct Wanted<'a> {
    pub(super) rooms: &'a [RoomId],
    pub(super) query: &'a Query,
    pub(super) before: Option<Position>,
    pub(super) hits_max: u32,
    pub(super) bytes_max: u32,
}

/// Gives the event that was just appended its position, and notes its words.
pub(super) fn append(connection: &Connection, kind: EventKind, text: &str) -> rusqlite::Result<()> {
    let position = count_up(connection, "last_position")?;
    index(connection, position, kind, text)
}

/// Notes the words of an event.
pub(super) fn index(
    connection: &Connection,
    position: i64,
    kind: EventKind,
    text: &str,
) -> rusqlite::Result<()> {
    let Some(text) = searched(kind, text) else { return Ok(()) };
    let stretch = stretch_of(position.cast_unsigned());
    let mut indexed = String::with_capacity(2 * text.len());
    for word in words(text) {
        push_word(&mut indexed, stretch, &word);
    }
    if indexed.is_empty() {
        return Ok(());
    }
    connection
        .prepare_cached("INSERT INTO search (rowid, words) VALUES (?1, ?2)")?
        .execute(params![position, indexed])
        .map(drop)
}

/// Notes the words that an event has from now on instead of those it had.
pub(super) fn index_anew(
    connection: &Connection,
    position: i64,
    kind: EventKind,
    text: &str,
) -> rusqlite::Result<()> {
    connection.prepare_cached("DELETE FROM search WHERE rowid = ?1")?.execute([position])?;
    index(connection, position, kind, text)
}

/// Searches.
pub(super) fn search(
    connection: &Connection,
    rooms: &Rooms,
    wanted: &Wanted<'_>,
) -> Result<StorageOutcome, Problem> {
    let mut found = Found::default();
    let Some((lowest, highest)) = positions(connection)? else { return Ok(found.outcome(None)) };
    let mut before = wanted.before.map_or(highest + 1, |before| before.get().min(highest + 1));
    for _ in 0..STRETCHES_MAX {
        if before <= lowest {
            return Ok(found.outcome(None));
        }
        let stretch = stretch_of(before - 1);
        if found.search_stretch(connection, rooms, wanted, stretch, before)? {
            let next = found.last;
            return Ok(found.outcome(next));
        }
        before = stretch * STRETCH_POSITIONS;
        if found.looked_at >= EVENTS_MAX {
            break;
        }
    }
    Ok(found.outcome((before > lowest).then_some(Position::new(before))))
}

/// What was found so far.
#[derive(Default)]
struct Found {
    hits: Vec<Hit>,
    /// Where the last of them stands.
    last: Option<Position>,
    bytes: u64,
    looked_at: u32,
}

impl Found {
    /// Whether it is full.
    fn search_stretch(
        &mut self,
        connection: &Connection,
        rooms: &Rooms,
        wanted: &Wanted<'_>,
        stretch: u64,
        before: u64,
    ) -> rusqlite::Result<bool> {
        // Read downwards, and from indexes alone: most may be in rooms that are not asked about.
        let mut statement = connection.prepare_cached(
            "SELECT position, room, seq FROM search CROSS JOIN events ON position = search.rowid
             WHERE search MATCH ?1 AND search.rowid < ?2 ORDER BY search.rowid DESC",
        )?;
        let mut rows = statement.query(params![expression(wanted.query, stretch), signed(before)])?;
        while let Some(row) = rows.next()? {
            self.looked_at += 1;
            let number = |column| row.get::<_, i64>(column).map(i64::cast_unsigned);
            let (position, room, seq) =
                (Position::new(number(0)?), RoomId::new(number(1)?), Seq::new(number(2)?));
            // What was stored but not answered is not there yet.
            let is_there = rooms.log(room).is_some_and(|log| seq <= log.answered);
            if is_there
                && wanted.rooms.binary_search(&room).is_ok()
                && self.is_full_with(connection, position, room, seq, wanted)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Takes in an event of a room that is asked about, unless there is no space. Whether there is none now.
    fn is_full_with(
        &mut self,
        connection: &Connection,
        position: Position,
        room: RoomId,
        seq: Seq,
        wanted: &Wanted<'_>,
    ) -> rusqlite::Result<bool> {
        let event = connection
            .prepare_cached(
                "SELECT seq, author, nick, at, kind, text, about_id, about_name, about_until, revised
                 FROM events
                 WHERE room = ?1 AND seq = ?2",
            )?
            .query_row([signed(room.get()), signed(seq.get())], stored_event)?;
        self.bytes += event.readable_bytes() as u64;
        if self.bytes > u64::from(wanted.bytes_max) && !self.hits.is_empty() {
            return Ok(true);
        }
        self.hits.push(Hit { room, event });
        self.last = Some(position);
        Ok(self.hits.len() >= wanted.hits_max as usize)
    }

    fn outcome(self, next: Option<Position>) -> StorageOutcome {
        StorageOutcome::Hits { hits: self.hits, next }
    }
}

/// The first and the last position of events that are kept.
fn positions(connection: &Connection) -> rusqlite::Result<Option<(u64, u64)>> {
    let end = |select: &str| {
        let position = connection.prepare_cached(select)?.query_row([], |row| row.get::<_, Option<i64>>(0));
        position.map(|position| position.map(i64::cast_unsigned))
    };
    let lowest = end("SELECT min(position) FROM events")?;
    let highest = end("SELECT max(position) FROM events")?;
    Ok(lowest.zip(highest))
}

const fn stretch_of(position: u64) -> u64 {
    position / STRETCH_POSITIONS
}

fn push_word(into: &mut String, stretch: u64, word: &str) {
    if !into.is_empty() && !into.ends_with('"') {
        into.push(' ');
    }
    write!(into, "{stretch:08x}{word}").expect("a String takes any text");
}

/// A query in FTS5's language. The words hold no quote, so nothing of them is ever anything but words there.
fn expression(query: &Query, stretch: u64) -> String {
    let mut expression = String::new();
    for Phrase { words, is_prefix } in query.phrases() {
        if !expression.is_empty() {
            expression.push_str(" AND ");
        }
        expression.push('"');
        for word in words {
            push_word(&mut expression, stretch, word);
        }
        expression.push_str(if *is_prefix { "\" *" } else { "\"" });
    }
    expression
}
