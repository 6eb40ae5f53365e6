//! `cli wait`: until somebody says what is waited for.

use std::time::Duration;

use clap::Args;
use palabre_core::client::ClientEvent;
use regex_lite::Regex;

use crate::{
    arguments::{Target, parse_duration},
    context::Context,
    failure::{ExitStatus, Failure, put_out},
    output::{Body, MessageLines, place},
    session::with_session,
};

/// Wait until a message matches, and print it
#[derive(Debug, Args)]
#[command(after_help = "Example:  cli wait --in '#ops' --match 'deploy(ed| failed)' --timeout 10m")]
pub(crate) struct Arguments {
    /// A regular expression that the text must match somewhere
    #[arg(long = "match", value_name = "RE", value_parser = Regex::new)]
    pattern: Regex,
    /// Where: #room or @name
    #[arg(long = "in", value_name = "TO", default_value = "#lobby")]
    place: Target,
    /// Give up after this time, with exit code 13; else wait for ever
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    timeout: Option<Duration>,
}

pub(crate) fn run(arguments: Arguments, context: &mut Context) -> Result<(), Failure> {
    with_session(context, |session| {
        let until = arguments.timeout.map(|timeout| session.now().monotonic.after(timeout));
        let mut room = session.join(&arguments.place, None)?;
        loop {
            let event = session.next_event(until)?;
            match &event {
                Some(ClientEvent::Joined { room: again, .. }) => room = again.clone(),
                Some(ClientEvent::Unfollowed { refusal, .. }) => return Err(Failure::refused(refusal)),
                Some(ClientEvent::Removed { name, banned, by, reason, until, .. }) => {
                    return Err(put_out(name, *banned, by, reason, *until));
                }
                Some(_) | None => {}
            }
            if let Some(ClientEvent::Happened(happening)) = &event
                && happening.room == room.id
                && arguments.pattern.is_match(&happening.event.text)
            {
                let (place, layout) = (place(&room), session.layout());
                let lines = MessageLines::new(&happening.event, None, layout);
                return session.output().result(Body::event(&place, &happening.event), lines);
            }
            if event.is_none() && until.is_some_and(|until| until <= session.now().monotonic) {
                return Err(timed_out(&arguments));
            }
        }
    })
}

fn timed_out(arguments: &Arguments) -> Failure {
    let sentence = format!("nothing in {} matched {} in time", arguments.place, arguments.pattern);
    Failure::new(ExitStatus::TimedOut, "timed-out", sentence)
}
