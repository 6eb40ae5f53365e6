//! `cli tail`: the end of what was said, and what is said from now on.

use clap::Args;
use palabre_core::{
    client::{ClientEvent, MemberChange, RoomInfo},
    ids::Seq,
    storage::StoredEvent,
};

use super::members::ask_members;
use crate::{
    arguments::Target,
    context::Context,
    failure::{Failure, put_out},
    output::{Body, MessageLines, place, presence},
    roster::Roster,
    session::{Session, with_session},
};

/// How many messages are printed unless said.
const COUNT_DEFAULT: usize = 10;

/// Print the last messages, and with --follow what is said from now on
#[derive(Debug, Args)]
#[command(after_help = "Example:  cli tail '#lobby' --follow --json | jq -r .text")]
pub(crate) struct Arguments {
    /// Where: #room or @name
    to: Target,
    /// How many messages of before; 10 unless said
    #[arg(short = 'n', long = "lines", value_name = "N", conflicts_with = "since")]
    count: Option<usize>,
    /// Go on with what is said from now on
    #[arg(short, long)]
    follow: bool,
    /// All messages with a higher number, instead of a number of messages
    #[arg(long, value_name = "SEQ")]
    since: Option<u64>,
    /// Also print who comes and goes
    #[arg(long, requires = "follow")]
    presence: bool,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    with_session(context, |session| {
        let after = arguments.since.map(Seq::new);
        let room = if arguments.follow {
            session.join(&arguments.to, after)?
        } else {
            session.join_existing(&arguments.to, after)?
        };
        let mut tail = Tail::new(session, room);
        if arguments.since.is_none() {
            tail.print_last(arguments.count.unwrap_or(COUNT_DEFAULT))?;
        }
        if arguments.presence {
            let members = ask_members(tail.session, tail.room.id)?;
            tail.roster.insert(Roster::default()).replace(&members);
        }
        tail.follow(arguments)
    })
}

struct Tail<'a, 'context> {
    session: &'a mut Session<'context>,
    room: RoomInfo,
    place: String,
    /// The last number printed.
    printed: Seq,
    /// Who is there, where that is wanted.
    roster: Option<Roster>,
}

impl<'a, 'context> Tail<'a, 'context> {
    fn new(session: &'a mut Session<'context>, room: RoomInfo) -> Self {
        let place = place(&room);
        Self { session, room, place, printed: Seq::default(), roster: None }
    }

    fn print_last(&mut self, count: usize) -> Result<(), Failure> {
        let before = self.room.last.next();
        let events = self.session.read_back(self.room.id, Some(before), count)?;
        events.iter().try_for_each(|event| self.print(event))
    }

    /// Prints what comes; without `--follow` only up to what was there at the start.
    fn follow(&mut self, arguments: &Arguments) -> Result<(), Failure> {
        let is_reading_on = |printed: Seq, last: Seq| arguments.since.is_some() && printed < last;
        self.printed = self.printed.max(Seq::new(arguments.since.unwrap_or_default()));
        while arguments.follow || is_reading_on(self.printed, self.room.last) {
            match self.session.next_event(None)? {
                Some(ClientEvent::Happened(happening)) if happening.room == self.room.id => {
                    self.print(&happening.event)?;
                }
                // After the server forgot us, the room may be another by the same name.
                Some(ClientEvent::Joined { room, .. }) => self.room = room,
                Some(ClientEvent::Unfollowed { refusal, .. }) => return Err(Failure::refused(&refusal)),
                Some(ClientEvent::Removed { name, banned, by, reason, until, .. }) => {
                    return Err(put_out(&name, banned, &by, &reason, until));
                }
                Some(ClientEvent::Trimmed { room, first }) if room == self.room.id => self.skip_to(first)?,
                Some(ClientEvent::Presence { room, changes, .. }) if room == self.room.id => {
                    changes.iter().try_for_each(|change| self.print_change(change))?;
                }
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    fn print(&mut self, event: &StoredEvent) -> Result<(), Failure> {
        self.printed = event.seq;
        let lines = MessageLines::new(event, None, self.session.layout());
        self.session.output().result(Body::event(&self.place, event), lines)
    }

    fn skip_to(&mut self, first: Seq) -> Result<(), Failure> {
        self.printed = self.printed.max(first.previous());
        let body = Body::Trimmed { r#in: &self.place, first: first.get() };
        let output = self.session.output();
        if output.is_json() {
            return output.result(body, "");
        }
        output.status(format_args!("messages before number {first} are not kept any more"));
        Ok(())
    }

    fn print_change(&mut self, change: &MemberChange) -> Result<(), Failure> {
        let Some(came) = self.roster.as_mut().and_then(|roster| roster.apply(change)) else { return Ok(()) };
        let (body, line) = presence(&self.place, &change.nick, &came);
        self.session.output().result(body, line)
    }
}
