//! A person without a login is asked whether there is an account: then they log in or register, and go on.

use std::io::{self, BufRead as _, Write as _};

use palabre_core::{
    client::{AccountEntry, Client, Offers},
    error::{Refusal, RefusalCode},
    name::Nick,
};

use crate::{
    arguments::Address,
    context::Context,
    failure::{ExitStatus, Failure},
    output::Printable,
    passwords::{PasswordSource, device_name},
};

/// Who somebody wants to be.
pub(crate) enum Answer {
    Account { name: Nick, entry: AccountEntry },
    Guest,
}

/// What a person may be.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Choice {
    pub(crate) offers: Offers,
    /// Whether a guest could do what is to be done.
    pub(crate) guest_will_do: bool,
}

/// Asks until it is clear; fails when the person gives up.
pub(crate) fn ask(context: &Context, server: &Address, choice: Choice) -> Result<Answer, Failure> {
    let Choice { offers, guest_will_do } = choice;
    let guest = offers.guests && guest_will_do;
    if !offers.accounts {
        return if guest { Ok(Answer::Guest) } else { Err(no_accounts(server)) };
    }
    let server_name = server.to_string();
    let place = Printable::new(&server_name);
    let question =
        format!("Do you have an account on {place}? [y/n{}] ", if guest { ", g: be a guest" } else { "" });
    loop {
        match line(&question, server)?.to_ascii_lowercase().as_str() {
            "y" | "yes" => return log_in(context, server, false),
            "n" | "no" if offers.registration => return log_in(context, server, true),
            "n" | "no" => {
                say("This server makes no accounts for those who ask; ask its operator for one.")?;
                if !guest {
                    return Err(not_logged_in(server));
                }
            }
            "g" | "guest" if guest => return Ok(Answer::Guest),
            _ => {}
        }
    }
}

fn log_in(context: &Context, server: &Address, make: bool) -> Result<Answer, Failure> {
    let name = name(context, server, if make { "a name for it" } else { "its name" })?;
    let source = PasswordSource::default();
    let password = if make {
        source.new_one(context, &format!("a password for {name}"))?
    } else {
        source.present(context, &format!("password of {name}"))?
    };
    Ok(Answer::Account { name, entry: AccountEntry { make, password, device: device_name(context) } })
}

fn name(context: &Context, server: &Address, what: &str) -> Result<Nick, Failure> {
    let own = context.identity()?.nick;
    loop {
        let typed = line(&format!("{what} [{own}]: "), server)?;
        if typed.is_empty() {
            return Ok(own);
        }
        match Nick::parse(&typed) {
            Ok(name) => return Ok(name),
            Err(error) => say(&error.to_string())?,
        }
    }
}

/// A line typed by a person, or the failure of one who has nothing more to say.
fn line(question: &str, server: &Address) -> Result<String, Failure> {
    let failed = |error: io::Error| Failure::local("the terminal", &error);
    let mut terminal = io::stderr();
    write!(terminal, "{question}").and_then(|()| terminal.flush()).map_err(failed)?;
    let mut typed = String::new();
    if io::stdin().lock().read_line(&mut typed).map_err(failed)? == 0 {
        return Err(not_logged_in(server));
    }
    Ok(typed.trim().to_owned())
}

fn say(sentence: &str) -> Result<(), Failure> {
    writeln!(io::stderr(), "{sentence}").map_err(|error| Failure::local("the terminal", &error))
}

/// Something needs an account, and nobody can be asked for one.
pub(crate) fn not_logged_in(server: &Address) -> Failure {
    let sentence = format!(
        "{server}: not logged in; run: cli login NAME, or cli register NAME. Scripts take PALABRE_TOKEN or --token-file"
    );
    Failure::new(ExitStatus::NotAllowed, "not-logged-in", sentence)
}

/// A server let nobody in by what was tried.
pub(crate) fn not_entered(client: &Client, server: &Address, refusal: &Refusal) -> Failure {
    if refusal.code == RefusalCode::NotAllowed && !client.is_logging_in() && !client.offers().guests {
        return not_logged_in(server);
    }
    Failure::refused(refusal)
}

fn no_accounts(server: &Address) -> Failure {
    let sentence = format!("{server}: this server has no accounts, and this is for accounts alone");
    Failure::new(ExitStatus::NotAllowed, "not-allowed", sentence)
}
