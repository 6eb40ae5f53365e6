//! `cli whoami`: by which account or name one enters.

use clap::Args;

use crate::{context::Context, failure::Failure, output::Body, session::with_account};

/// Tell by which account one is logged in
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(Arguments {}: &Arguments, context: &mut Context) -> Result<(), Failure> {
    with_account(context, |session| {
        let nick = session.client().nick().to_string();
        let line = format!("{nick} on {}", session.server());
        session.output().result(Body::Account { name: &nick }, line)
    })
}
