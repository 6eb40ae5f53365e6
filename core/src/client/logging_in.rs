//! Making an account and logging in (`PROTOCOL.md` A3, A4): asked, worked, proved.

use alloc::string::String;

use super::{
    ClientOutput, OfflineCause,
    arrival::Arrival,
    entering::{self, Entering, Naming},
    phase::Phase,
    session::Session,
};
use crate::{
    error::{ProtocolError, Refusal, RefusalCode},
    password::{
        Attempt, Enrolment, LOGIN_FINISH_BYTES, Password, Stretching, WorkDone, WorkNumber, WorkOutcome,
    },
    time::Monotonic,
    wire::{Challenge, Enrol, Limits, Login, Prove, Refused, Register},
};

/// An account to enter by, or to make; its name is the one wished for.
#[derive(Clone, Debug)]
pub(super) struct AccountWish {
    pub(super) make: bool,
    pub(super) password: Password,
    /// What this device is to be called.
    pub(super) device: String,
}

/// `Register` or `Login` was sent.
#[derive(Debug)]
pub(super) struct LoggingIn {
    step: Step,
    limits: Limits,
    pub(super) deadline: Monotonic,
}

#[derive(Debug)]
enum Step {
    /// The server's challenge is waited for.
    Registering { id: u32, enrolment: Enrolment },
    /// As above.
    LoggingIn { id: u32, attempt: Attempt },
    /// The password is being stretched.
    Working(WorkNumber),
}

impl LoggingIn {
    pub(super) fn begin(wish: &AccountWish, limits: Limits, session: &mut Session) -> Self {
        let id = session.requests.next_wire_id();
        let name = session.wished.nick.clone();
        let step = if wish.make {
            let (enrolment, request) = Enrolment::begin(wish.password.clone(), &mut session.random);
            session.send(Register { id, name: name.as_str(), request });
            Step::Registering { id, enrolment }
        } else {
            let (attempt, start) = Attempt::begin(wish.password.clone(), &mut session.random);
            session.send(Login { id, name: name.as_str(), start });
            Step::LoggingIn { id, attempt }
        };
        Self { step, limits, deadline: entering::answer_deadline(session) }
    }

    pub(super) fn handle(self, arrival: Arrival<'_>, session: &mut Session) -> Result<Phase, OfflineCause> {
        match arrival {
            Arrival::Common(common) => session.handle_common(&common).map(|()| Phase::LoggingIn(self)),
            Arrival::Challenge(challenge) => self.challenged(&challenge, session),
            Arrival::Refused(refused) => self.refused(&refused, session),
            Arrival::Welcome(_)
            | Arrival::Waiting(_)
            | Arrival::Ready(_)
            | Arrival::Answer(_)
            | Arrival::Notice(_) => Err(ProtocolError::UnexpectedKind.into()),
        }
    }

    fn challenged(self, challenge: &Challenge<'_>, session: &mut Session) -> Result<Phase, OfflineCause> {
        let wire = challenge.stretching;
        let stretching = Stretching { memory_kib: wire.memory_kib, passes: wire.passes, lanes: wire.lanes };
        if !stretching.is_possible() {
            return Err(ProtocolError::MalformedBody.into());
        }
        let number = session.next_work();
        let (response, random) = (challenge.response, &mut session.random);
        let work = match self.step {
            Step::Registering { id, enrolment } if id == challenge.id => {
                if !stretching.covers(session.settings.stretching_min) {
                    return Ok(too_cheap(self.limits, session));
                }
                enrolment.work(number, response, stretching, random)
            }
            Step::LoggingIn { id, attempt } if id == challenge.id => {
                attempt.work(number, response, stretching, session.channel, random)
            }
            Step::Registering { .. } | Step::LoggingIn { .. } => {
                return Err(ProtocolError::SequenceBroken.into());
            }
            Step::Working(_) => return Err(ProtocolError::UnexpectedKind.into()),
        };
        let work = work.map_err(|_| ProtocolError::MalformedBody)?;
        session.outputs.push(ClientOutput::Work(work));
        Ok(Phase::LoggingIn(Self { step: Step::Working(number), ..self }))
    }

    fn refused(self, refused: &Refused<'_>, session: &mut Session) -> Result<Phase, OfflineCause> {
        let id = match self.step {
            Step::Registering { id, .. } | Step::LoggingIn { id, .. } => Some(id),
            Step::Working(_) => None,
        };
        if id != Some(refused.id) {
            return Err(ProtocolError::SequenceBroken.into());
        }
        Naming::refused(super::convert::refusal(refused), self.limits, session)
    }

    /// The work is done: the proof of it is sent.
    pub(super) fn worked(self, done: WorkDone, session: &mut Session) -> Result<Phase, OfflineCause> {
        if !matches!(self.step, Step::Working(number) if number == done.number) {
            return Ok(Phase::LoggingIn(self));
        }
        let registers = session.wished.account.as_ref().is_some_and(|wish| wish.make);
        let id = session.requests.next_wire_id();
        let device = session.wished.account.as_ref().map_or_else(String::new, |wish| wish.device.clone());
        match done.outcome {
            WorkOutcome::Enrolled(upload) => session.send(Enrol { id, upload: *upload, device: &device }),
            WorkOutcome::Proved(finish) => session.send(Prove { id, finish, device: &device }),
            // Only a server that sent our own message back.
            WorkOutcome::Failed if registers => return Err(ProtocolError::MalformedBody.into()),
            // The server is told as well: it counts, and its refusal is the one for a wrong password.
            WorkOutcome::Failed => {
                session.send(Prove { id, finish: [0; LOGIN_FINISH_BYTES], device: &device });
            }
        }
        Ok(Phase::Entering(Entering::by_account(id, self.limits, session)))
    }
}

/// A server that asks for less than any should makes a stolen record easier to guess from.
fn too_cheap(limits: Limits, session: &mut Session) -> Phase {
    let text = "The server asks for too cheap a protection of the password; ask its operator to raise it.";
    Naming::ask(Refusal::new(RefusalCode::NotAllowed, text), limits, session)
}
