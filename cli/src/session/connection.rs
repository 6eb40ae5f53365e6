//! Following how the connection is: telling it, and giving up in time.

use std::{fmt, time::Duration};

use palabre_core::{
    client::{ClientEvent, OfflineCause},
    time::Monotonic,
};
use palabre_runtime::client::{ClientDriver, Security};

use crate::{
    arguments::Address,
    failure::{ExitStatus, Failure},
    output::{Printable, Tell},
    trust::Contact,
};

/// How the connection to a server is, as told by the client's events.
#[derive(Debug)]
pub(crate) struct Connection {
    server: Address,
    /// Whether it is talked to without encryption.
    is_plain: bool,
    /// How long a lost connection is waited for; nothing waits for ever.
    reconnect_for: Option<Duration>,
    state: State,
    /// What was told last about why there is no connection; the same is not told at each try.
    told: Option<OfflineCause>,
}

#[derive(Clone, Debug)]
enum State {
    /// The client has entered, or waits for a place.
    There,
    /// It was not there yet.
    Expected { until: Monotonic, cause: OfflineCause },
    /// It was there.
    Lost { until: Option<Monotonic>, cause: OfflineCause },
}

impl Connection {
    /// A connection that is expected until then.
    pub(crate) fn new(contact: Contact, until: Monotonic, reconnect_for: Option<Duration>) -> Self {
        let is_plain = contact.security == Security::Plain;
        let state = State::Expected { until, cause: OfflineCause::Unreachable };
        Self { server: contact.server, is_plain, reconnect_for, state, told: None }
    }

    pub(crate) const fn server(&self) -> &Address {
        &self.server
    }

    /// It is expected again, until then.
    pub(crate) fn expect(&mut self, until: Monotonic) {
        self.state = State::Expected { until, cause: OfflineCause::Unreachable };
    }

    /// When to give up, if ever.
    pub(crate) const fn deadline(&self) -> Option<Monotonic> {
        match &self.state {
            State::There => None,
            State::Expected { until, .. } => Some(*until),
            State::Lost { until, .. } => *until,
        }
    }

    /// Fails when it is time to give up.
    pub(crate) fn check(&self, driver: &ClientDriver, now: Monotonic) -> Result<(), Failure> {
        match &self.state {
            State::There => Ok(()),
            State::Expected { cause, .. } | State::Lost { cause, .. } => match self.deadline() {
                Some(until) if until <= now => Err(self.failure(cause, driver)),
                Some(_) | None => Ok(()),
            },
        }
    }

    /// Takes an event in and tells what a person should know of it. Fails when the client has ended, and when it
    /// turns out that the two ends do not speak the same protocol: at first, or at any time where nobody waits for ever.
    pub(crate) fn note(
        &mut self,
        event: &ClientEvent,
        driver: &ClientDriver,
        now: Monotonic,
        output: &mut impl Tell,
    ) -> Result<(), Failure> {
        match event {
            ClientEvent::Ready { .. } => {
                if matches!(self.state, State::Lost { .. }) {
                    output.status("connected again");
                }
                self.state = State::There;
                self.told = None;
            }
            // It is there, and waits for another name as long as a person needs.
            ClientEvent::EnterRefused { .. } => self.state = State::There,
            ClientEvent::Waiting { position } => {
                output.status(format_args!("waiting for a place, position {position}"));
                self.state = State::There;
            }
            ClientEvent::Offline { cause, retry_in } => {
                let failure = self.failure(cause, driver);
                // A command would ask the same again, and be answered the same.
                let repeats = matches!(cause, OfflineCause::Broke(_)) && self.reconnect_for.is_some();
                let at_first = matches!(self.state, State::Expected { .. });
                if failure.status == ExitStatus::Protocol && (at_first || repeats) {
                    return Err(failure);
                }
                self.lose(cause, now);
                let retrying = Retrying { failure: &failure, retry_in: *retry_in };
                if self.told.as_ref() == Some(cause) {
                    output.detail(retrying);
                } else {
                    output.status(retrying);
                    self.told = Some(cause.clone());
                }
            }
            ClientEvent::Ended { cause } => return Err(self.failure(cause, driver)),
            ClientEvent::Connected { server } => {
                output.detail(format_args!("{}: connected to {}", self.server, Printable::new(server)));
            }
            ClientEvent::Joined { .. }
            | ClientEvent::Opened { .. }
            | ClientEvent::Unfollowed { .. }
            | ClientEvent::Left { .. }
            | ClientEvent::Read { .. }
            | ClientEvent::Removed { .. }
            | ClientEvent::Invited { .. }
            | ClientEvent::Governed { .. }
            | ClientEvent::Rights { .. }
            | ClientEvent::Devices { .. }
            | ClientEvent::Revoked { .. }
            | ClientEvent::PasswordChanged { .. }
            | ClientEvent::Parted { .. }
            | ClientEvent::Happened(_)
            | ClientEvent::Transfer(_)
            | ClientEvent::Files { .. }
            | ClientEvent::FileDeleted { .. }
            | ClientEvent::UploadDiscarded { .. }
            | ClientEvent::Trimmed { .. }
            | ClientEvent::Presence { .. }
            | ClientEvent::Posted { .. }
            | ClientEvent::PostRefused { .. }
            | ClientEvent::PostIndeterminate { .. }
            | ClientEvent::Members { .. }
            | ClientEvent::Rooms { .. }
            | ClientEvent::History { .. }
            | ClientEvent::Found { .. }
            | ClientEvent::Manual { .. }
            | ClientEvent::Renamed { .. }
            | ClientEvent::AwaySet { .. }
            | ClientEvent::Pong { .. }
            | ClientEvent::Refused { .. }
            | ClientEvent::Interrupted { .. } => {}
        }
        Ok(())
    }

    fn lose(&mut self, cause: &OfflineCause, now: Monotonic) {
        let cause = cause.clone();
        self.state = match self.state {
            State::There => State::Lost { until: self.reconnect_for.map(|time| now.after(time)), cause },
            State::Expected { until, .. } => State::Expected { until, cause },
            State::Lost { until, .. } => State::Lost { until, cause },
        };
    }

    /// Why there is no connection.
    fn failure(&self, cause: &OfflineCause, driver: &ClientDriver) -> Failure {
        let mut failure = Failure::offline(&self.server.to_string(), cause);
        if let (OfflineCause::Unreachable, Some(error)) = (cause, driver.connect_error()) {
            failure.sentence = format!("{}: {error}", failure.sentence);
        }
        if let (OfflineCause::Broke(_), true) = (cause, self.is_plain) {
            failure.sentence += "; if it encrypts, leave --plaintext out";
        }
        failure
    }
}

struct Retrying<'a> {
    failure: &'a Failure,
    retry_in: Duration,
}

impl fmt::Display for Retrying<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sentence = self.failure.sentence.trim_end_matches('.');
        write!(f, "{}; trying again ", Printable::new(sentence))?;
        match self.retry_in.as_millis().div_ceil(1_000) {
            0 => f.write_str("now"),
            seconds => write!(f, "in {seconds} s"),
        }
    }
}
