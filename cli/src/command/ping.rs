//! `cli ping`: whether the server answers, and how fast.

use std::time::Duration;

use clap::Args;
use palabre_core::client::{Client, ClientEvent};

use crate::{
    arguments::parse_duration,
    context::Context,
    failure::Failure,
    output::Body,
    session::{Session, unexpected, with_session},
};

/// Measure the way to the server and back
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// How many times
    #[arg(short = 'c', long = "count", value_name = "N", default_value_t = 1)]
    count: u32,
    /// How long to wait between two: 1s, 20ms
    #[arg(short = 'i', long, value_name = "TIME", value_parser = parse_duration, default_value = "1s")]
    interval: Duration,
}

pub(crate) fn run(arguments: &Arguments, context: &mut Context) -> Result<(), Failure> {
    with_session(context, |session| {
        for number in 1..=arguments.count {
            if number > 1 {
                wait(session, arguments.interval)?;
            }
            let answer = session.ask(Client::ping)?;
            let ClientEvent::Pong { round_trip, .. } = answer else { return Err(unexpected(&answer)) };
            let milliseconds = round_trip.as_secs_f64() * 1_000.0;
            let line = format!("{}: number {number}, {milliseconds:.2} ms", session.server());
            let microseconds = u64::try_from(round_trip.as_micros()).unwrap_or(u64::MAX);
            session.output().result(Body::Pong { seq: number, microseconds }, line)?;
        }
        Ok(())
    })
}

fn wait(session: &mut Session<'_>, interval: Duration) -> Result<(), Failure> {
    let until = session.now().monotonic.after(interval);
    while session.now().monotonic < until {
        session.next_event(Some(until))?;
    }
    Ok(())
}
