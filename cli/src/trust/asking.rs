//! Asking a person whether a server is the right one.

use std::io::{self, BufRead as _, Write as _};

use palabre_runtime::server_key::ServerKey;

use crate::{
    arguments::Address,
    failure::{ExitStatus, Failure},
    output::Printable,
};

/// Goes on if a person says so.
pub(super) fn ask(server: &Address, key: ServerKey) -> Result<(), Failure> {
    let server = server.to_string();
    let server = Printable::new(&server);
    let mut question = format!(
        "{server}: you have not been here before, and no authority vouches for the server.\n\
         Its key is {key}\n\
         The server printed that at its start; ask whoever runs it.\n\
         Is it the same, and do you trust the server from now on? [yes/no] "
    );
    loop {
        let failed = |error: io::Error| Failure::local("the terminal", &error);
        let mut terminal = io::stderr();
        write!(terminal, "{question}").and_then(|()| terminal.flush()).map_err(failed)?;
        let mut answer = String::new();
        if io::stdin().lock().read_line(&mut answer).map_err(failed)? == 0 {
            return Err(declined(&server));
        }
        match answer.trim().to_ascii_lowercase().as_str() {
            "yes" | "y" => return Ok(()),
            "no" | "n" => return Err(declined(&server)),
            _ => question = "yes or no? ".to_owned(),
        }
    }
}

fn declined(server: &Printable<'_>) -> Failure {
    let sentence = format!("{server}: the server is not trusted, and nothing was said to it");
    Failure::new(ExitStatus::NotAllowed, "server-not-trusted", sentence)
}
