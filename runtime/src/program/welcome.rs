//! What a server says when it can be reached.

use std::{fmt::Write as _, net::SocketAddr, path::PathBuf};

use crate::{
    listen::ListenAddress,
    server::{Data, IdentitySource, Protection, RunningServer, ServerOptions},
};

/// What of a server's options there is to say.
#[derive(Debug)]
pub(super) struct Welcome {
    /// Whether the data is gone at the end.
    pub(super) forgets_data: bool,
    directory: Option<PathBuf>,
    forgets_key: bool,
    /// A name that others may know the machine by.
    name: Option<String>,
}

impl Welcome {
    pub(super) fn of(options: &ServerOptions) -> Self {
        let directory = match &options.data {
            Data::Memory { .. } => None,
            Data::Sqlite(options) => Some(options.directory.clone()),
        };
        let forgets_key = match &options.protection {
            Protection::Tls(IdentitySource::Ephemeral) => true,
            Protection::Tls(IdentitySource::Kept { .. } | IdentitySource::Files { .. })
            | Protection::Plaintext => false,
        };
        let name = options.listen.iter().find_map(|address| match address {
            ListenAddress::Name(name, _) => Some(name.clone()),
            ListenAddress::Port(_) | ListenAddress::Address(_) => None,
        });
        Self { forgets_data: directory.is_none(), directory, forgets_key, name }
    }

    /// A line with where it can be reached, and one with how others know that they did.
    pub(super) fn lines(&self, server: &RunningServer) -> String {
        let mut text = String::from("Listening on ");
        for (index, address) in server.addresses().iter().enumerate() {
            let separator = if index == 0 { "" } else { " and " };
            let _ = write!(text, "{separator}{address}");
        }
        let _ = match &self.directory {
            None => write!(text, "; nothing is kept (--ephemeral)"),
            Some(directory) => write!(text, "; data in {}", directory.display()),
        };
        let Some(address) = server.addresses().first() else { return text };
        let _ = write!(text, "; connect with: cli connect {}", as_seen_from_here(*address));
        let loopback = server.addresses().iter().all(|address| address.ip().to_canonical().is_loopback());
        match (server.key(), loopback) {
            (None, true) => text.push_str(" --plaintext. Only this machine can connect."),
            (None, false) => {
                text.push_str(" --plaintext --plaintext. Other machines can connect, WITHOUT ENCRYPTION.");
            }
            (Some(key), _) => {
                let forgotten = if self.forgets_key { " (made for this run alone)" } else { "" };
                let host = self.as_seen_from_elsewhere(*address);
                let _ = write!(text, ".\nIts key is {key}{forgotten}; invite with: palabre://{host}/#{key}");
            }
        }
        text
    }

    /// The server as other machines may reach it: by the name it was told to listen on, else by that of the machine.
    fn as_seen_from_elsewhere(&self, address: SocketAddr) -> String {
        let name = match &self.name {
            Some(name) => Some(name.clone()),
            None if address.ip().is_unspecified() => name_of_this_machine(),
            None => None,
        };
        name.map_or_else(|| as_seen_from_here(address), |name| format!("{name}:{}", address.port()))
    }
}

/// The server as this machine reaches it.
fn as_seen_from_here(address: SocketAddr) -> String {
    if address.ip().is_unspecified() { format!("localhost:{}", address.port()) } else { address.to_string() }
}

fn name_of_this_machine() -> Option<String> {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    Some(name.trim().to_owned()).filter(|name| is_host(name))
}

fn is_host(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.'))
}
