//! `cli whoami`: by which account or name one enters.

use clap::Args;

use crate::{
    context::Context,
    failure::{ExitStatus, Failure},
    output::Body,
    session::Session,
};

/// Tell by which account one is logged in
#[derive(Debug, Args)]
pub(crate) struct Arguments {}

pub(crate) fn run(Arguments {}: &Arguments, context: &mut Context) -> Result<(), Failure> {
    let contact = context.contact()?;
    let server = contact.server.clone();
    if context.credential(&contact).is_none() {
        let sentence = format!("{server}: not logged in; `cli login NAME` or `cli register NAME` does it");
        return Err(Failure::new(ExitStatus::NotAllowed, "not-logged-in", sentence));
    }
    let mut session = Session::open(context, None)?;
    let nick = session.client().nick().to_string();
    let line = format!("{nick} on {}", session.server());
    let told = session.output().result(Body::Account { name: &nick }, line);
    session.leave(false);
    told
}
