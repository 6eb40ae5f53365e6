//! What every command works with: flags, environment, configuration and state brought together.

use std::{fs, io};

use clap::ValueEnum as _;
use palabre_core::{client::SavedSession, name::Nick};
use palabre_runtime::{plaintext::Plaintext, server_key::ServerKey};

use crate::{
    arguments::{Address, Common, HostKey},
    config::Config,
    environment::Environment,
    failure::Failure,
    output::{Format, Loudness, Output, Style},
    portable_token::PortableToken,
    state::State,
    trust::{self, Contact},
};

/// The name of somebody whose own name cannot be one.
const NICK_FALLBACK: &str = "guest";

/// All that is known before there is a connection.
pub(crate) struct Context {
    pub(crate) common: Common,
    pub(crate) environment: Environment,
    pub(crate) config: Config,
    /// Nothing when the person has no home.
    pub(crate) state: Option<State>,
    /// The server and how to talk to it, once that is decided.
    contact: Option<Contact>,
    /// The token given for this run, once it was looked for.
    token: Option<Option<PortableToken>>,
    pub(crate) output: Output,
}

/// By which name to enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Identity {
    pub(crate) nick: Nick,
    /// Whether it was asked for by this name: then no other will do.
    pub(crate) is_explicit: bool,
}

impl Context {
    /// Puts everything together. The configuration is still to be read.
    pub(crate) fn new(common: Common, environment: Environment) -> Self {
        let output = output_for(&common, &environment);
        let state = environment.state_folder.clone().map(State::new);
        Self { common, environment, config: Config::default(), state, contact: None, token: None, output }
    }

    /// Reads the configuration, and tells what is odd about it.
    pub(crate) fn read_config(&mut self) -> Result<(), Failure> {
        let files = self.environment.config_files.iter().map(AsRef::as_ref);
        let (config, warnings) = Config::read(files)?;
        self.config = config;
        for warning in warnings {
            self.output.warning(warning);
        }
        Ok(())
    }

    /// The server: as typed, from the environment, from the configuration, or the last one.
    pub(crate) fn server(&self) -> Result<Address, Failure> {
        if let Some(server) = &self.common.server {
            return Ok(server.clone());
        }
        for (source, text) in [("PALABRE_SERVER", &self.environment.server), ("server", &self.config.server)]
        {
            if let Some(text) = text {
                return text.parse().map_err(|error| Failure::usage(format!("{source}: {text}: {error}")));
            }
        }
        self.state.as_ref().and_then(State::last_server).ok_or_else(|| {
            Failure::usage("which server? Say --server HOST, set PALABRE_SERVER, or connect to one first")
        })
    }

    /// The server and how to talk to it. The first time this may ask the server for its key, and a person what to do.
    pub(crate) fn contact(&mut self) -> Result<Contact, Failure> {
        if let Some(contact) = &self.contact {
            return Ok(contact.clone());
        }
        let server = self.server()?;
        let token = self.token()?;
        let contact = trust::contact(self, server, token.and_then(|token| token.server_key))?;
        Ok(self.contact.insert(contact).clone())
    }

    /// What to do about a server that is not known yet.
    pub(crate) fn host_key(&self) -> Result<HostKey, Failure> {
        if let Some(host_key) = self.common.host_key {
            return Ok(host_key);
        }
        let written = [
            ("PALABRE_HOST_KEY", self.environment.host_key.as_deref()),
            ("host-key", self.config.host_key.as_deref()),
        ];
        let Some((source, text)) = first(written) else { return Ok(HostKey::default()) };
        let mistaken = |_| Failure::usage(format!("{source}: {text}: it is ask, accept-new or strict"));
        HostKey::from_str(text, false).map_err(mistaken)
    }

    /// Whether to do without encryption.
    pub(crate) fn plaintext(&self) -> Result<Plaintext, Failure> {
        if let Some(plaintext) = Plaintext::of(&self.common.plaintext) {
            return Ok(plaintext);
        }
        let configured = self.config.plaintext.as_ref().map(ToString::to_string);
        let written = [
            ("PALABRE_PLAINTEXT", self.environment.plaintext.as_deref()),
            ("plaintext", configured.as_deref()),
        ];
        let Some((source, text)) = first(written) else { return Ok(Plaintext::No) };
        text.parse().map_err(|error| Failure::usage(format!("{source}: {text}: {error}")))
    }

    /// Whether a person is there who can be asked something.
    pub(crate) const fn can_ask(&self) -> bool {
        self.environment.terminals.input && self.environment.terminals.error && !self.output.is_json()
    }

    /// The name: as typed or from the environment, which must be had; else the configured one or the person's own,
    /// made a name if it is none, for which another will do.
    pub(crate) fn identity(&self) -> Result<Identity, Failure> {
        if let Some(nick) = &self.common.nick {
            return Ok(Identity { nick: nick.clone(), is_explicit: true });
        }
        if let Some(text) = &self.environment.nick {
            return Ok(Identity { nick: parse_nick("PALABRE_NICK", text)?, is_explicit: true });
        }
        let nick = match &self.config.nick {
            Some(text) => parse_nick("nick", text)?,
            None => nick_of_user(self.environment.user.as_deref().unwrap_or_default()),
        };
        Ok(Identity { nick, is_explicit: false })
    }

    /// The token given for this run, by flag or environment, instead of a login kept here.
    pub(crate) fn token(&mut self) -> Result<Option<PortableToken>, Failure> {
        if let Some(token) = &self.token {
            return Ok(token.clone());
        }
        let text = match (&self.common.token_file, &self.environment.token) {
            (Some(file), _) => {
                let read = if file.as_os_str() == "-" {
                    io::read_to_string(io::stdin())
                } else {
                    fs::read_to_string(file)
                };
                let read = read.map_err(|error| Failure::local(file.display(), &error))?;
                Some((file.display().to_string(), read))
            }
            // A name on the command line is a guest's.
            (None, Some(_)) if self.common.nick.is_some() => None,
            (None, token) => token.clone().map(|token| ("PALABRE_TOKEN".to_owned(), token)),
        };
        let token = match text {
            None => None,
            // What was read is not repeated: it may be a secret with one letter too few.
            Some((source, text)) => {
                let token = text.parse().map_err(|error| Failure::usage(format!("{source}: {error}")))?;
                Some(token)
            }
        };
        Ok(self.token.insert(token).clone())
    }

    /// Whether somebody is to be a guest: a name was asked for.
    pub(crate) const fn is_guest_by_choice(&self) -> bool {
        self.common.nick.is_some() || self.environment.nick.is_some()
    }

    /// Whether who to be was said by a token for this run.
    pub(crate) const fn has_token(&self) -> bool {
        matches!(self.token, Some(Some(_)))
    }

    /// The account somebody is logged in by on a server, unless a name was asked for: then they are its guest.
    pub(crate) fn credential(&mut self, contact: &Contact) -> Option<(SavedSession, Option<ServerKey>)> {
        if let Some(Some(token)) = &self.token {
            return Some((token.session.clone(), token.server_key));
        }
        if self.is_guest_by_choice() {
            return None;
        }
        self.state.as_ref()?.credential(contact).unwrap_or_else(|reason| {
            self.output.warning(format_args!("the login cannot be read, log in again: {reason}"));
            None
        })
    }

    /// Keeps the account of a session for the commands to come.
    pub(crate) fn keep_credential(
        &self,
        contact: &Contact,
        session: &SavedSession,
        server_key: Option<ServerKey>,
    ) -> Result<(), Failure> {
        let Some(state) = &self.state else {
            return Err(Failure::usage("there is no home to keep the login in; set HOME or XDG_STATE_HOME"));
        };
        state
            .keep_credential(contact, Some((session, server_key)))
            .map_err(|error| Failure::local("keeping the login", &error))
    }

    /// Forgets the account kept for a server.
    pub(crate) fn forget_credential(&self, contact: &Contact) -> Result<(), Failure> {
        if self.has_token() {
            return Ok(());
        }
        let Some(state) = &self.state else { return Ok(()) };
        state.keep_credential(contact, None).map_err(|error| Failure::local("forgetting the login", &error))
    }

    /// Remembers a server that was reached.
    pub(crate) fn remember_server(&mut self, server: &Address) {
        trust::remember_invitation(self, server);
        let Some(state) = &self.state else { return };
        if let Err(error) = state.remember_server(server) {
            self.output.detail(format_args!("cannot remember the server: {error}"));
        }
    }
}

/// The first source that says something.
fn first<'a, const N: usize>(
    sources: [(&'static str, Option<&'a str>); N],
) -> Option<(&'static str, &'a str)> {
    sources.into_iter().find_map(|(source, text)| Some((source, text?)))
}

/// How results look and how much is told, from the flags.
fn output_for(common: &Common, environment: &Environment) -> Output {
    let format = if common.json { Format::Json } else { Format::Text };
    let loudness = match (common.quiet, common.verbose) {
        (true, _) => Loudness::Quiet,
        (false, true) => Loudness::Verbose,
        (false, false) => Loudness::Normal,
    };
    let terminals = environment.terminals;
    let coloured = terminals.output && terminals.error && !environment.no_color && !common.json;
    Output::new(format, loudness, Style::new(coloured))
}

fn parse_nick(source: &str, text: &str) -> Result<Nick, Failure> {
    Nick::parse(text).map_err(|error| Failure::usage(format!("{source}: {text}: {error}")))
}

/// A person's name on this machine as a nickname.
fn nick_of_user(user: &str) -> Nick {
    let letters = |keep: fn(char) -> bool| user.chars().filter(|char| keep(*char)).collect::<String>();
    let within = letters(|char| char.is_alphanumeric() || matches!(char, '-' | '_' | '.'));
    let plain = letters(|char| char.is_ascii_alphanumeric());
    [within.as_str(), &plain, NICK_FALLBACK]
        .into_iter()
        .find_map(|name| Nick::parse(name).ok())
        .expect("the fallback is a name")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::config::Written;

    fn context() -> Context {
        let common = Common {
            server: None,
            nick: None,
            token_file: None,
            host_key: None,
            plaintext: Vec::new(),
            json: false,
            quiet: true,
            verbose: false,
            connect_timeout: Duration::from_secs(10),
            reconnect_for: Duration::from_secs(60),
        };
        Context::new(common, Environment::default())
    }

    #[test]
    fn a_flag_goes_before_the_environment_before_the_configuration() {
        let mut context = context();
        assert!(context.server().unwrap_err().sentence.contains("--server"));
        context.config.server = Some("configured".into());
        assert_eq!(context.server().unwrap().host, "configured");
        context.environment.server = Some("surrounding".into());
        assert_eq!(context.server().unwrap().host, "surrounding");
        context.common.server = Some("typed".parse().unwrap());
        assert_eq!(context.server().unwrap().host, "typed");
    }

    #[test]
    fn plaintext_and_unknown_servers_are_decided_by_flag_environment_and_configuration() {
        let mut context = context();
        assert_eq!((context.plaintext(), context.host_key()), (Ok(Plaintext::No), Ok(HostKey::Ask)));
        context.config.plaintext = Some(Written::Truth(true));
        context.config.host_key = Some("strict".into());
        assert_eq!((context.plaintext(), context.host_key()), (Ok(Plaintext::Loopback), Ok(HostKey::Strict)));
        context.environment.plaintext = Some("anywhere".into());
        context.environment.host_key = Some("accept-new".into());
        assert_eq!(
            (context.plaintext(), context.host_key()),
            (Ok(Plaintext::Anywhere), Ok(HostKey::AcceptNew))
        );
        context.common.plaintext = vec![Plaintext::No];
        context.common.host_key = Some(HostKey::Ask);
        assert_eq!((context.plaintext(), context.host_key()), (Ok(Plaintext::No), Ok(HostKey::Ask)));
        context.common.plaintext.clear();
        context.environment.plaintext = Some("yes".into());
        assert_eq!(
            context.plaintext().unwrap_err().sentence,
            "PALABRE_PLAINTEXT: yes: it is true, false or anywhere"
        );
    }

    #[test]
    fn the_last_server_is_the_last_resort() {
        let home = tempfile::tempdir().unwrap();
        let mut context = context();
        context.state = Some(State::new(home.path().to_owned()));
        context.remember_server(&"last:5000".parse().unwrap());
        assert_eq!(context.server().unwrap().to_string(), "last:5000");
    }

    #[test]
    fn only_a_name_that_was_asked_for_must_be_had() {
        let mut context = context();
        context.environment.user = Some("ana".into());
        assert_eq!(
            context.identity().unwrap(),
            Identity { nick: Nick::parse("ana").unwrap(), is_explicit: false }
        );
        context.config.nick = Some("anna".into());
        assert!(!context.identity().unwrap().is_explicit);
        context.environment.nick = Some("anita".into());
        assert!(context.identity().unwrap().is_explicit);
        context.environment.nick = Some("a b".into());
        assert!(context.identity().unwrap_err().sentence.starts_with("PALABRE_NICK"));
    }

    #[test]
    fn any_user_gets_a_name() {
        for (user, nick) in
            [("ana", "ana"), ("ana b$", "anab"), ("", "guest"), ("_www", "www"), ("---", "guest")]
        {
            assert_eq!(nick_of_user(user).as_str(), nick, "{user}");
        }
    }
}
