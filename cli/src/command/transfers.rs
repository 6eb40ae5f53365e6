//! `cli transfers`: those that were not done, to be gone on with or given up.

use clap::{Args, Subcommand};

use super::{download, upload, upload::Pace};
use crate::{
    arguments::{Address, Remote},
    context::Context,
    failure::Failure,
    output::{Body, Printable, Size},
    session::with_session,
    transfer::{Direction, Held, Record, Records, delete_parts, run as run_jobs},
};

/// List transfers that were interrupted, go on with them, or give them up
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Go on with transfers; all, if none is said
    Resume {
        /// Their numbers in the list
        ids: Vec<u32>,
        #[command(flatten)]
        pace: Pace,
    },
    /// Give transfers up: what has arrived of them is deleted, here or on the server
    Cancel {
        /// Their numbers in the list
        #[arg(required = true)]
        ids: Vec<u32>,
    },
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let records = Records::of(context);
    match &arguments.action {
        None => list(&records, context),
        Some(Action::Resume { ids, pace }) => resume(&records, ids, *pace, context),
        Some(Action::Cancel { ids }) => cancel(&records, ids, context),
    }
}

fn list(records: &Records, context: &mut Context) -> Result<(), Failure> {
    for (id, record, busy) in records.list() {
        let arrow = match record.direction {
            Direction::Upload => "to",
            Direction::Download => "from",
        };
        let size = record.size.map_or_else(String::new, |size| format!("  {}", Size(size)));
        let state = if busy { "  (under way)" } else { "" };
        let local = record.local.display().to_string();
        let mark = if record.folder { "/" } else { "" };
        let line = format!(
            "{id:>4}  {}{mark}  {arrow}  {} on {}{size}{state}",
            Printable::new(&local),
            Printable::new(&record.remote),
            Printable::new(&record.server)
        );
        context.output.result(Body::transfer(id, &record, &local, busy), line)?;
    }
    Ok(())
}

/// The records meant, which must all be of one server; commands talk to one.
fn meant(records: &Records, ids: &[u32], context: &mut Context) -> Result<Vec<Held>, Failure> {
    let ids = if ids.is_empty() {
        records.list().into_iter().filter(|(_, _, busy)| !busy).map(|(id, ..)| id).collect()
    } else {
        ids.to_vec()
    };
    let mut held = Vec::new();
    for id in ids {
        held.push(records.hold(id)?);
    }
    if let Some(server) = held.first().map(|held| held.record.server.clone()) {
        if let Some(other) = held.iter().find(|held| held.record.server != server) {
            let sentence = format!("transfer {} is with another server; resume them one by one", other.id);
            return Err(Failure::usage(sentence));
        }
        let address: Address =
            server.parse().map_err(|error| Failure::usage(format!("{server}: {error}")))?;
        context.common.server = Some(address);
    }
    Ok(held)
}

fn remote_of(record: &Record) -> Result<Remote, Failure> {
    record.remote.parse().map_err(|error| Failure::usage(format!("{}: {error}", record.remote)))
}

fn resume(records: &Records, ids: &[u32], pace: Pace, context: &mut Context) -> Result<(), Failure> {
    let meant = meant(records, ids, context)?;
    if meant.is_empty() {
        context.output.status("there is nothing to resume");
        return Ok(());
    }
    let showing = pace.showing(context);
    with_session(context, |session| {
        session.limit_rate(pace.limit_rate);
        let mut jobs = Vec::new();
        for held in meant {
            let remote = remote_of(&held.record)?;
            jobs.push(match held.record.direction {
                Direction::Upload => upload::resumed(session, held, &remote)?,
                Direction::Download => download::resumed(session, held, &remote)?,
            });
        }
        run_jobs(session, jobs, showing)
    })
}

fn cancel(records: &Records, ids: &[u32], context: &mut Context) -> Result<(), Failure> {
    let meant = meant(records, ids, context)?;
    let uploads = meant.iter().filter_map(|held| held.record.upload_key()).collect::<Vec<_>>();
    if !uploads.is_empty() {
        with_session(context, |session| uploads.iter().try_for_each(|key| session.discard_upload(*key)))?;
    }
    for held in meant {
        let local = |error: &std::io::Error| Failure::local("the transfer", error);
        if held.record.direction == Direction::Download {
            delete_parts(&held.record).map_err(|error| local(&error))?;
        }
        held.forget().map_err(|error| local(&error))?;
    }
    Ok(())
}
