//! `cli server`: which servers are known.

use clap::{Args, Subcommand};
use palabre_runtime::client::{Distrust, Probed};

use crate::{
    arguments::Address,
    context::Context,
    failure::{ExitStatus, Failure},
    output::{Body, Printable},
    state::{Known, State},
    trust,
};

/// Show and change which servers are trusted
#[derive(Debug, Args)]
#[command(after_help = "\
A server is known by its key, which it prints at its start, or because public authorities vouch for its name.

Example:  cli server trust 'palabre://chat.example:4000/#sha256:…'")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// List the servers that are known, and their keys
    List,
    /// Trust a server from now on: an invitation as it is, another server after a question
    Trust {
        /// The server, or an invitation to it
        #[arg(value_name = "HOST[:PORT]")]
        server: Address,
    },
    /// Forget a server, so that its key may be another one
    Forget {
        /// The server
        #[arg(value_name = "HOST[:PORT]")]
        server: Address,
    },
}

pub(crate) fn run(arguments: Arguments, context: &mut Context) -> Result<(), Failure> {
    let state = context.state.clone().ok_or_else(|| {
        Failure::new(
            ExitStatus::Other,
            "no-home",
            "known servers are kept in a home folder, and there is none",
        )
    })?;
    match arguments.action {
        Action::List => list(&state, context),
        Action::Trust { server } => trust(&state, &server, context),
        Action::Forget { server } => forget(&state, &server, context),
    }
}

fn list(state: &State, context: &mut Context) -> Result<(), Failure> {
    for (server, why) in state.all_known().map_err(unreadable)? {
        tell(&server, why, context)?;
    }
    Ok(())
}

fn trust(state: &State, server: &Address, context: &mut Context) -> Result<(), Failure> {
    let known = state.known(server).map_err(unreadable)?;
    let why = match (server.key, known) {
        (Some(key), _) => Known::Key(key),
        // It is looked at whether the server still is what is known of it.
        (None, Some(known)) => {
            let Probed { key: shown, vouched_for } = trust::look_at(context, server)?;
            match (known, vouched_for) {
                (Known::Key(expected), _) if expected != shown => {
                    return Err(trust::distrusted(server, &Distrust::OtherKey { expected, shown }));
                }
                (Known::Authorities, Err(reason)) => {
                    return Err(trust::distrusted(server, &Distrust::NotVouchedFor { shown, reason }));
                }
                (Known::Key(_), _) | (Known::Authorities, Ok(())) => known,
            }
        }
        (None, None) => {
            // Whoever is asked to decide has decided on the command line, if nobody can be asked.
            context.common.server = Some(server.clone());
            context.contact()?;
            return told(state, server, context);
        }
    };
    match (known, why) {
        (Some(Known::Key(expected)), Known::Key(shown)) if expected != shown => {
            return Err(trust::distrusted(server, &Distrust::OtherKey { expected, shown }));
        }
        (Some(_) | None, Known::Key(_) | Known::Authorities) => {}
    }
    state.know(server, why).map_err(unreadable)?;
    told(state, server, context)
}

fn told(state: &State, server: &Address, context: &mut Context) -> Result<(), Failure> {
    match state.known(server).map_err(unreadable)? {
        Some(why) => tell(&server.to_string(), why, context),
        None => Ok(()),
    }
}

fn forget(state: &State, server: &Address, context: &mut Context) -> Result<(), Failure> {
    let was_known = state.forget(server).map_err(unreadable)?;
    let news = if was_known { "forgotten" } else { "was not known" };
    context.output.status(format_args!("{server}: {news}"));
    Ok(())
}

fn tell(server: &str, why: Known, context: &mut Context) -> Result<(), Failure> {
    let key = match why {
        Known::Key(key) => Some(key.to_string()),
        Known::Authorities => None,
    };
    let line = format!("{}  {why}", Printable::new(server));
    context.output.result(Body::Server { server, key }, line)
}

fn unreadable(error: std::io::Error) -> Failure {
    Failure::local("known-servers", &error)
}
