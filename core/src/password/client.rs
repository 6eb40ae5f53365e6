//! The client's half. What would stall a program, the stretching, is handed out as [`Work`].

use alloc::{boxed::Box, vec::Vec};
use core::fmt;

use opaque_ke::{
    ClientLogin, ClientLoginFinishParameters, ClientRegistration, ClientRegistrationFinishParameters,
    CredentialResponse, Identifiers, RegistrationResponse,
};
use rand_chacha::ChaCha12Rng;
use rand_core::{RngCore, SeedableRng};

use super::{
    LOGIN_FINISH_BYTES, LOGIN_START_BYTES, Malformed, Password, REGISTRATION_REQUEST_BYTES,
    REGISTRATION_UPLOAD_BYTES, Stretching, Suite, context, sized,
};
use crate::channel::Channel;

/// A login that was begun.
#[derive(Clone)]
pub(crate) struct Attempt {
    login: Box<ClientLogin<Suite>>,
    password: Password,
}

impl Attempt {
    /// Begins to log in: what to send.
    pub(crate) fn begin(password: Password, random: &mut ChaCha12Rng) -> (Self, [u8; LOGIN_START_BYTES]) {
        let started =
            ClientLogin::start(random, password.as_bytes()).expect("a password of a sound length is taken");
        (Self { login: Box::new(started.state), password }, sized(&started.message.serialize()))
    }

    /// The work that the server's answer makes.
    pub(crate) fn work(
        self,
        number: WorkNumber,
        response: &[u8],
        stretching: Stretching,
        channel: Channel,
        random: &mut ChaCha12Rng,
    ) -> Result<Work, Malformed> {
        CredentialResponse::<Suite>::deserialize(response).map_err(|_| Malformed)?;
        let job = Job::Login { attempt: self, response: response.into(), channel };
        Ok(Work::new(number, job, stretching, random))
    }
}

/// A registration, or a new password, that was begun.
#[derive(Clone)]
pub(crate) struct Enrolment {
    registration: Box<ClientRegistration<Suite>>,
    password: Password,
}

impl Enrolment {
    /// Begins to register: what to send.
    pub(crate) fn begin(
        password: Password,
        random: &mut ChaCha12Rng,
    ) -> (Self, [u8; REGISTRATION_REQUEST_BYTES]) {
        let started = ClientRegistration::start(random, password.as_bytes())
            .expect("a password of a sound length is taken");
        (Self { registration: Box::new(started.state), password }, sized(&started.message.serialize()))
    }

    /// The work that the server's answer makes.
    pub(crate) fn work(
        self,
        number: WorkNumber,
        response: &[u8],
        stretching: Stretching,
        random: &mut ChaCha12Rng,
    ) -> Result<Work, Malformed> {
        RegistrationResponse::<Suite>::deserialize(response).map_err(|_| Malformed)?;
        let job = Job::Enrol { enrolment: self, response: response.into() };
        Ok(Work::new(number, job, stretching, random))
    }
}

/// Names a piece of work of one client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct WorkNumber(pub(crate) u64);

/// Computation that would stall a program: to be [`run`](Self::run) elsewhere, in a second or so, and handed back.
#[derive(Clone)]
pub struct Work {
    number: WorkNumber,
    job: Job,
    stretching: Stretching,
    seed: [u8; 32],
}

#[derive(Clone)]
enum Job {
    Login { attempt: Attempt, response: Vec<u8>, channel: Channel },
    Enrol { enrolment: Enrolment, response: Vec<u8> },
}

impl Work {
    fn new(number: WorkNumber, job: Job, stretching: Stretching, random: &mut ChaCha12Rng) -> Self {
        let mut seed = [0; 32];
        random.fill_bytes(&mut seed);
        Self { number, job, stretching, seed }
    }

    /// Does it: some tens to hundreds of milliseconds, and the memory that the server asked for, up to 1 GiB.
    #[must_use]
    pub fn run(self) -> WorkDone {
        let Self { number, job, stretching, seed } = self;
        let mut random = ChaCha12Rng::from_seed(seed);
        let outcome = match job {
            Job::Login { attempt, response, channel } => {
                prove(attempt, &response, stretching, channel, &mut random)
            }
            Job::Enrol { enrolment, response } => enrol(enrolment, &response, stretching, &mut random),
        };
        WorkDone { number, outcome }
    }
}

fn prove(
    attempt: Attempt,
    response: &[u8],
    stretching: Stretching,
    channel: Channel,
    random: &mut ChaCha12Rng,
) -> WorkOutcome {
    let (Ok(response), Some(argon2)) = (CredentialResponse::deserialize(response), stretching.argon2())
    else {
        return WorkOutcome::Failed;
    };
    let context = context(channel);
    let parameters = ClientLoginFinishParameters::new(Some(&context), Identifiers::default(), Some(&argon2));
    match attempt.login.finish(random, attempt.password.as_bytes(), response, parameters) {
        Ok(finished) => WorkOutcome::Proved(sized(&finished.message.serialize())),
        Err(_) => WorkOutcome::Failed,
    }
}

fn enrol(
    enrolment: Enrolment,
    response: &[u8],
    stretching: Stretching,
    random: &mut ChaCha12Rng,
) -> WorkOutcome {
    let (Ok(response), Some(argon2)) = (RegistrationResponse::deserialize(response), stretching.argon2())
    else {
        return WorkOutcome::Failed;
    };
    let parameters = ClientRegistrationFinishParameters::new(Identifiers::default(), Some(&argon2));
    match enrolment.registration.finish(random, enrolment.password.as_bytes(), response, parameters) {
        Ok(finished) => WorkOutcome::Enrolled(Box::new(sized(&finished.message.serialize()))),
        Err(_) => WorkOutcome::Failed,
    }
}

/// What came of it.
pub struct WorkDone {
    pub(crate) number: WorkNumber,
    pub(crate) outcome: WorkOutcome,
}

#[derive(Clone)]
pub(crate) enum WorkOutcome {
    /// The proof of knowing the password.
    Proved([u8; LOGIN_FINISH_BYTES]),
    /// What the server is to keep.
    Enrolled(Box<[u8; REGISTRATION_UPLOAD_BYTES]>),
    /// The password is not the one, or the server is not who was registered with.
    Failed,
}

// Within a client, a number is given once.
impl PartialEq for Work {
    fn eq(&self, other: &Self) -> bool {
        self.number == other.number
    }
}

impl Eq for Work {}

impl fmt::Debug for Work {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Work({})", self.number.0)
    }
}

impl fmt::Debug for WorkDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WorkDone({})", self.number.0)
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attempt(…)")
    }
}

impl fmt::Debug for Enrolment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Enrolment(…)")
    }
}
