//! The environment of the process: the one place where it is read.
#![allow(clippy::disallowed_methods)]

use std::{
    env,
    ffi::OsString,
    io::{self, IsTerminal as _},
    path::PathBuf,
};

use etcetera::base_strategy::{BaseStrategy as _, Xdg};

use crate::connect::{Background, Depth, Way};

/// What the program takes from around it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    /// `PALABRE_SERVER`.
    pub(crate) server: Option<String>,
    /// `PALABRE_NICK`.
    pub(crate) nick: Option<String>,
    /// `PALABRE_TOKEN`.
    pub(crate) token: Option<String>,
    /// `PALABRE_HOST_KEY`.
    pub(crate) host_key: Option<String>,
    /// `PALABRE_PLAINTEXT`.
    pub(crate) plaintext: Option<String>,
    /// The name of the person at the keyboard: `USER`, or `LOGNAME`.
    pub(crate) user: Option<String>,
    /// Whether colours are unwanted (`NO_COLOR`, or a terminal that has none).
    pub(crate) no_color: bool,
    /// Whether the terminal understands nothing but text.
    pub(crate) dumb_terminal: bool,
    /// The person's own folder.
    pub(crate) home: Option<PathBuf>,
    /// `$XDG_STATE_HOME/palabre`; nothing without a home.
    pub(crate) state_folder: Option<PathBuf>,
    /// The configuration files, the more important first.
    pub(crate) config_files: Vec<PathBuf>,
    /// Whether standard input, output and error are terminals.
    pub(crate) terminals: Terminals,
    /// What can be shown on the terminal, and how.
    pub(crate) looks: Looks,
    /// The program that texts are written in: `VISUAL`, or `EDITOR`.
    pub(crate) editor: Option<String>,
}

/// What a terminal says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Looks {
    pub(crate) depth: Depth,
    pub(crate) background: Background,
    pub(crate) notices: Way,
}

impl Default for Looks {
    fn default() -> Self {
        Self { depth: Depth::None, background: Background::Dark, notices: Way::Direct }
    }
}

/// Which of the three streams are terminals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Terminals {
    pub(crate) input: bool,
    pub(crate) output: bool,
    pub(crate) error: bool,
}

impl Environment {
    /// Reads it.
    pub(crate) fn read() -> Self {
        let term = text("TERM").unwrap_or_default();
        let folders = Xdg::new().ok();
        let own_config = folders.as_ref().map(|folders| folders.config_dir().join("palabre/config.toml"));
        Self {
            server: text("PALABRE_SERVER"),
            nick: text("PALABRE_NICK"),
            token: text("PALABRE_TOKEN"),
            host_key: text("PALABRE_HOST_KEY"),
            plaintext: text("PALABRE_PLAINTEXT"),
            user: text("USER").or_else(|| text("LOGNAME")),
            no_color: text("NO_COLOR").is_some() || term == "dumb",
            dumb_terminal: term.is_empty() || term == "dumb",
            home: folders.as_ref().map(|folders| folders.home_dir().to_owned()),
            state_folder: folders.and_then(|folders| Some(folders.state_dir()?.join("palabre"))),
            config_files: own_config.into_iter().chain([PathBuf::from("/etc/palabre/config.toml")]).collect(),
            terminals: Terminals {
                input: io::stdin().is_terminal(),
                output: io::stdout().is_terminal(),
                error: io::stderr().is_terminal(),
            },
            looks: looks(&term),
            editor: text("VISUAL").or_else(|| text("EDITOR")),
        }
    }
}

fn looks(term: &str) -> Looks {
    let colours = text("COLORTERM").unwrap_or_default();
    let depth = if text("NO_COLOR").is_some() {
        Depth::None
    } else if matches!(colours.as_str(), "truecolor" | "24bit") || term.ends_with("-direct") {
        Depth::True
    } else if term.contains("256color")
        || ["kitty", "alacritty", "foot"].iter().any(|name| term.contains(name))
    {
        Depth::Indexed
    } else {
        Depth::Sixteen
    };
    // Some terminals tell the numbers of their colours: text;background.
    let behind = text("COLORFGBG").and_then(|colours| colours.rsplit(';').next()?.parse::<u8>().ok());
    let background = match behind {
        Some(7 | 9..=15) => Background::Light,
        Some(_) | None => Background::Dark,
    };
    let notices = if text("TMUX").is_some() { Way::Tmux } else { Way::Direct };
    Looks { depth, background, notices }
}

/// The arguments of the process, the program's name first.
pub(crate) fn arguments() -> Vec<OsString> {
    env::args_os().collect()
}

/// A variable that is set to something.
fn text(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
