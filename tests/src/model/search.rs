//! Searching (S), on the texts and queries of `operation` alone, none of which has accents to fold away.

use palabre_core::{error::RefusalCode, ids::Position, wire::Search};

use super::{ConnectionKey, Expected, Model, Refusal, UserKey};

/// S3.
const QUERY_WORDS_MAX: usize = 16;
/// S4.
const HITS_MAX: usize = 50;

/// Words that follow each other, and whether the last may go on.
type Phrase = (Vec<String>, bool);

impl Model {
    /// S1, S4, S5.
    pub(super) fn search(
        &mut self,
        at: ConnectionKey,
        user: UserKey,
        search: &Search<'_>,
    ) -> Result<(), Refusal> {
        let phrases = phrases(search.text);
        let room = search.room.map(|room| self.member_room(user, room)).transpose();
        let refusal = match (phrases.len(), phrases.iter().map(|(words, _)| words.len()).sum::<usize>()) {
            (0, _) => Some(RefusalCode::QueryEmpty),
            (_, words) if words > QUERY_WORDS_MAX => Some(RefusalCode::QueryTooLong),
            _ => None,
        };
        let room = match (refusal, room) {
            (None, Ok(room)) => room,
            (None, Err(refusal)) => return Err(refusal),
            (Some(code), Ok(_)) => return Err(Refusal::new(code)),
            (Some(code), Err(refusal)) => return Err(Refusal::any_of([vec![code], refusal.codes].concat())),
        };
        let end = search.before.map_or(self.said.len(), |before| self.place_of(before));
        let hits_max = if search.limit == 0 { HITS_MAX } else { usize::from(search.limit).min(HITS_MAX) };
        let mut bytes_left = self.limits.page_bytes_max as usize;
        let (mut hits, mut more) = (Vec::new(), false);
        for place in (0..end).rev() {
            let (of, seq) = self.said[place];
            let may_read = !self[of].ceased && self[of].members.contains(&user) && seq >= self[of].first;
            let event = self[of].event(seq);
            if !may_read || room.is_some_and(|room| room != of) || !matches(&phrases, &event.text) {
                continue;
            }
            let bytes = event.text.len() + event.nick.len();
            if hits.len() == hits_max || bytes > bytes_left {
                more = true;
                break;
            }
            bytes_left -= bytes;
            hits.push((place, event.clone()));
        }
        self.expect(at, Expected::SearchPage { id: search.id, hits, more });
        Ok(())
    }

    /// S5: how many events had been stored before the end of the page with this `next`.
    fn place_of(&self, next: Position) -> usize {
        self.known.place_of(next).expect("a client knows positions from pages alone")
    }
}

fn phrases(text: &str) -> Vec<Phrase> {
    let mut phrases = Vec::new();
    for (index, part) in text.split('"').enumerate() {
        let is_quoted = index % 2 == 1;
        let pieces = if is_quoted { vec![part] } else { part.split_whitespace().collect() };
        // A star right behind a quote belongs to what is quoted.
        let star_behind =
            is_quoted && text.split('"').nth(index + 1).is_some_and(|next| next.starts_with('*'));
        for piece in pieces {
            phrases.push((words(piece), piece.ends_with('*') || star_behind));
        }
    }
    phrases.retain(|(words, _)| !words.is_empty());
    phrases
}

/// S2, but for the folding of accents and the length of words, which the texts have no use for.
fn words(text: &str) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = lower.split(|char: char| !char.is_alphanumeric()).filter(|word| !word.is_empty());
    words.map(String::from).collect()
}

fn matches(phrases: &[Phrase], text: &str) -> bool {
    let words = words(text);
    phrases.iter().all(|(phrase, is_prefix)| {
        let fits = |found: &[String]| {
            found.iter().zip(phrase).enumerate().all(|(index, (found, wanted))| {
                let goes_on = *is_prefix && index + 1 == phrase.len() && found.starts_with(wanted.as_str());
                found == wanted || goes_on
            })
        };
        words.windows(phrase.len()).any(fits)
    })
}
