//! Whether to talk to a server, before anything is said to it.

mod asking;

use std::{thread, time::Duration};

use palabre_runtime::{
    client::{Distrust, DriveError, Probed, Security, Trust, probe},
    clock::Clock,
    plaintext::Plaintext,
    server_key::ServerKey,
};

use crate::{
    arguments::{Address, HostKey},
    context::Context,
    failure::{ExitStatus, Failure},
    output::Printable,
    state::{Known, State},
};

/// The time between two tries to get to know a server.
const RETRY: Duration = Duration::from_secs(1);

/// A server, and how it is talked to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Contact {
    pub(crate) server: Address,
    pub(crate) security: Security,
}

/// Decides how to talk to a server; at the first contact it is asked for its key, and a person perhaps what to do. A token
/// says as well which key its server has.
pub(crate) fn contact(
    context: &mut Context,
    server: Address,
    token: Option<ServerKey>,
) -> Result<Contact, Failure> {
    let security = security(context, &server, token)?;
    Ok(Contact { server, security })
}

fn security(context: &mut Context, server: &Address, token: Option<ServerKey>) -> Result<Security, Failure> {
    match context.plaintext()? {
        Plaintext::No => {}
        Plaintext::Loopback | Plaintext::Anywhere if server.key.is_some() => {
            let sentence = "an invitation is to a server that encrypts; leave --plaintext out";
            return Err(Failure::usage(format!("{server}: {sentence}")));
        }
        Plaintext::Loopback if !server.is_loopback() => {
            let sentence = "--plaintext is for this machine: everybody on the way to another one could read along and \
                            change what is said. Leave it out, or say it twice";
            return Err(Failure::usage(format!("{server}: {sentence}")));
        }
        Plaintext::Loopback | Plaintext::Anywhere => return Ok(Security::Plain),
    }
    let known = match &context.state {
        Some(state) => state.known(server).map_err(|error| Failure::local("known-servers", &error))?,
        None => None,
    };
    Ok(Security::Tls(match (server.key, known) {
        (Some(invited), Some(Known::Key(expected))) if invited != expected => {
            return Err(identity_changed(server, expected, invited, "the invitation says"));
        }
        (Some(key), _) | (None, Some(Known::Key(key))) => Trust::Key(key),
        (None, Some(Known::Authorities)) => Trust::Authorities { last: None },
        (None, None) => match token {
            Some(key) => Trust::Key(key),
            None => first_contact(context, server)?,
        },
    }))
}

/// Gets to know a server, and has it trusted from now on if it may be.
fn first_contact(context: &mut Context, server: &Address) -> Result<Trust, Failure> {
    let Probed { key, vouched_for } = look_at(context, server)?;
    if vouched_for.is_ok() {
        remember(context, server, Known::Authorities);
        return Ok(Trust::Authorities { last: Some(key) });
    }
    match context.host_key()? {
        HostKey::Strict => return Err(unknown(server, key)),
        HostKey::AcceptNew => {
            context.output.status(format_args!("{server}: its key is {key}; it is trusted from now on"));
        }
        HostKey::Ask if server.is_loopback() => {
            context.output.detail(format_args!("{server}: its key is {key}; it is trusted from now on"));
        }
        HostKey::Ask if context.can_ask() => asking::ask(server, key)?,
        HostKey::Ask => return Err(unknown(server, key)),
    }
    remember(context, server, Known::Key(key));
    Ok(Trust::Key(key))
}

/// Asks a server for its key, for as long as a connection is to be tried.
pub(crate) fn look_at(context: &mut Context, server: &Address) -> Result<Probed, Failure> {
    let clock = Clock::start();
    let until = clock.monotonic().after(context.common.connect_timeout);
    let mut told = false;
    loop {
        let left = until.since(clock.monotonic());
        match probe(&server.host, server.port, left) {
            Ok(probed) => return Ok(probed),
            Err(DriveError::Distrusted(distrust)) => return Err(distrusted(server, &distrust)),
            Err(DriveError::System(error)) => {
                let failure = unreachable(server, &error);
                let left = until.since(clock.monotonic());
                if left.is_zero() {
                    return Err(failure);
                }
                if !std::mem::replace(&mut told, true) {
                    let sentence = Printable::new(&failure.sentence);
                    context.output.status(format_args!("{sentence}; trying again in {} s", RETRY.as_secs()));
                }
                thread::sleep(RETRY.min(left));
            }
        }
    }
}

/// Trusts a server from now on. One can talk to it as well if that cannot be written down.
pub(crate) fn remember(context: &mut Context, server: &Address, why: Known) {
    let Some(Err(error)) = context.state.as_ref().map(|state| state.know(server, why)) else { return };
    context.output.warning(format_args!("cannot remember the server's key: {error}"));
}

/// A server that was talked to by invitation is known from now on.
pub(crate) fn remember_invitation(context: &mut Context, server: &Address) {
    let Some(key) = server.key else { return };
    let known = context.state.as_ref().map(|state| State::known(state, server));
    if matches!(known, Some(Ok(None | Some(Known::Authorities)))) {
        remember(context, server, Known::Key(key));
    }
}

fn unreachable(server: &Address, error: &std::io::Error) -> Failure {
    let sentence = format!("{server}: cannot be reached: {error}");
    Failure::new(ExitStatus::Unavailable, "unreachable", sentence)
}

fn unknown(server: &Address, key: ServerKey) -> Failure {
    let sentence = format!(
        "{server}: this server is not known, and nothing was said to it. Its key is {key}. If that is what the server \
         printed at its start, run: cli server trust 'palabre://{server}/#{key}'"
    );
    Failure::new(ExitStatus::NotAllowed, "server-unknown", sentence)
}

fn identity_changed(server: &Address, expected: ServerKey, other: ServerKey, source: &str) -> Failure {
    let sentence = format!(
        "{server}: THE SERVER'S KEY IS NOT THE ONE THAT IS KNOWN, and nothing was said to it. Known is {expected}; \
         {source} {other}. Somebody may be in between. If its operator says that the key was changed, run: \
         cli server forget {server}"
    );
    Failure::new(ExitStatus::Identity, "server-identity-changed", sentence)
}

/// Why a server is not talked to, and what to do about it.
pub(crate) fn distrusted(server: &Address, distrust: &Distrust) -> Failure {
    match distrust {
        Distrust::OtherKey { expected, shown } if server.key == Some(*expected) => {
            let sentence = format!(
                "{server}: this is not the server of the invitation, and nothing was said to it. It should have \
                 {expected}; the server shows {shown}. Somebody may be in between; ask whoever invited you"
            );
            Failure::new(ExitStatus::Identity, "server-identity-changed", sentence)
        }
        Distrust::OtherKey { expected, shown } => identity_changed(server, *expected, *shown, "it shows"),
        Distrust::NewKey { .. } => {
            let sentence = format!("{server}: {distrust}. Connect again");
            Failure::new(ExitStatus::Unavailable, "server-key-renewed", sentence)
        }
        Distrust::NotVouchedFor { shown, reason } => {
            let sentence = format!(
                "{server}: PUBLIC AUTHORITIES DO NOT VOUCH FOR THIS SERVER ANY MORE, and nothing was said to it: \
                 {reason}. It shows {shown}. Somebody may be in between. If its operator says that this is right, run: \
                 cli server forget {server}"
            );
            Failure::new(ExitStatus::Identity, "server-identity-changed", sentence)
        }
        Distrust::Fraud(_) => {
            let sentence = format!("{server}: {distrust}. Nothing was said to it");
            Failure::new(ExitStatus::Identity, "server-fraud", sentence)
        }
        Distrust::OtherProtocol(_) => {
            let sentence = format!(
                "{server}: {distrust}. Perhaps another program listens there; or it was started with --plaintext, \
                 which then has to be said here too"
            );
            Failure::new(ExitStatus::Protocol, "not-palabre-over-tls", sentence)
        }
    }
}
