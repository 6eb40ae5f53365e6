//! `cli search`: what was said with some words.

use clap::Args;
use palabre_core::{client::ClientEvent, search::Query};

use crate::{
    arguments::Target,
    context::Context,
    failure::{ExitStatus, Failure},
    output::{Body, FoundLine, place},
    session::{unexpected, with_session},
};

/// Search what was said
#[derive(Debug, Args)]
#[command(
    after_help = "All words have to be there, in any order and case. word* also finds what begins so, \"some words\" \
                  what follows each other.\nThe newest is printed last; nothing found is exit code 3.\n\n\
                  Example:  cli search 'deploy* \"build is green\"' --in '#lobby' -n 5"
)]
pub(crate) struct Arguments {
    /// What to look for
    #[arg(required = true, value_name = "TEXT")]
    text: Vec<String>,
    /// Only there: #room or @name; everywhere one is a member unless said
    #[arg(long = "in", value_name = "TO")]
    target: Option<Target>,
    /// How many at most
    #[arg(short = 'n', long = "lines", value_name = "N", default_value_t = 20)]
    count: u16,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let text = arguments.text.join(" ");
    // What makes no sense needs no server.
    let query = Query::parse(&text).map_err(|refusal| Failure::refused(&refusal))?;
    with_session(context, |session| {
        let room = match &arguments.target {
            Some(target) => Some(session.join_existing(target, None)?.id),
            None => None,
        };
        let answer = session.ask(|client, now| client.search(&text, room, None, arguments.count, now))?;
        let ClientEvent::Found { hits, .. } = answer else { return Err(unexpected(&answer)) };
        if hits.is_empty() {
            let is_nowhere = room.is_none() && session.client().joined().next().is_none();
            return Err(nothing_found(&text, is_nowhere));
        }
        let layout = session.layout();
        for hit in hits.iter().rev() {
            let place = session.client().joined().find(|room| room.id == hit.room).map(place);
            let place = place.unwrap_or_else(|| format!("room {}", hit.room));
            let line = FoundLine::new(&place, &hit.event, &query, layout);
            session.output().result(Body::event(&place, &hit.event), line)?;
        }
        Ok(())
    })
}

fn nothing_found(text: &str, is_nowhere: bool) -> Failure {
    let sentence = if is_nowhere {
        "you are in no room, so there is nothing to search; say where with --in".into()
    } else {
        format!("nothing was found for {text}")
    };
    Failure::new(ExitStatus::NotFound, "nothing-found", sentence)
}
