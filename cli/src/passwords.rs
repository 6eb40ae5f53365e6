//! Asking for passwords: of a person on the terminal, without showing them, or from standard input.

use std::io::{self, BufRead as _};

use palabre_core::password::Password;

use crate::{
    context::Context,
    failure::{ExitStatus, Failure},
};

/// Where passwords come from.
#[derive(Clone, Copy, Debug, Default, clap::Args)]
pub(crate) struct PasswordSource {
    /// Read the password from the first line of standard input, and a new one from the second
    #[arg(long)]
    password_stdin: bool,
}

impl PasswordSource {
    /// A password that exists already.
    pub(crate) fn present(self, context: &Context, prompt: &str) -> Result<Password, Failure> {
        parse(&self.ask(context, prompt)?)
    }

    /// A password that does not: a person types it twice.
    pub(crate) fn new_one(self, context: &Context, prompt: &str) -> Result<Password, Failure> {
        let password = parse(&self.ask(context, prompt)?)?;
        if self.password_stdin {
            return Ok(password);
        }
        if password != parse(&self.ask(context, "the same again")?)? {
            return Err(Failure::usage("the two passwords are not the same; try again"));
        }
        Ok(password)
    }

    fn ask(self, context: &Context, prompt: &str) -> Result<String, Failure> {
        if self.password_stdin {
            let mut line = String::new();
            io::stdin()
                .lock()
                .read_line(&mut line)
                .map_err(|error| Failure::local("standard input", &error))?;
            return Ok(line.trim_end_matches(['\n', '\r']).to_owned());
        }
        if !context.environment.terminals.input {
            let sentence = "a password is asked for on a terminal; elsewhere give it with --password-stdin";
            return Err(Failure::new(ExitStatus::NotAllowed, "password-needed", sentence));
        }
        rpassword::prompt_password(format!("{prompt}: "))
            .map_err(|error| Failure::local("the terminal", &error))
    }
}

fn parse(text: &str) -> Result<Password, Failure> {
    Password::parse(text).map_err(|error| Failure::usage(error.to_string()))
}

/// What this machine is called in the list of the account's devices.
pub(crate) fn device_name(context: &Context) -> String {
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    match &context.environment.user {
        Some(user) => format!("{user}@{host}"),
        None => host,
    }
}
