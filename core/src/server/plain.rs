//! Logging in with the password as it is (`PROTOCOL.md` A15), for clients that cannot do OPAQUE.

use rand_core::RngCore;

use super::{Server, account::device_name, receive::Taken};
use crate::{
    channel::Channel,
    connection::{Phase, Verifying},
    error::{Refusal, RefusalCode},
    ids::ConnectionId,
    name::Nick,
    output::Output,
    password::{Password, Verification, Verified},
    wire,
};

impl Server {
    pub(super) fn plain(&mut self, id: ConnectionId, plain: &wire::Plain<'_>) -> Taken {
        self.leave_enrolment(id);
        let Some(accounts) = self.config.accounts.clone().filter(|accounts| accounts.plain) else {
            let text = "This server takes no passwords as they are; log in by OPAQUE.";
            return self.refuse_attempt(id, plain.id, &Refusal::new(RefusalCode::NotAllowed, text));
        };
        let channel = self.peers.connections.get(id).map(|found| found.channel);
        let Some(Channel::Tls { .. }) = channel else {
            let text = "A password is not sent without encryption; connect by TLS, and change it if others could read it.";
            return self.refuse_attempt(id, plain.id, &Refusal::new(RefusalCode::NotAllowed, text));
        };
        let key = match Nick::parse(plain.name) {
            Ok(nick) => nick.key(),
            Err(error) => return self.refuse_attempt(id, plain.id, &error.refusal(plain.name)),
        };
        if let Err(refusal) = self.may_log_in(id, key.folded()) {
            return self.refuse_attempt(id, plain.id, &refusal);
        }
        if self.verifying >= self.config.limits.verifications_max {
            let text = "Too many logins are being checked; try again in a moment.";
            return self.refuse_attempt(id, plain.id, &Refusal::new(RefusalCode::SlowDown, text));
        }
        if !self.count_challenge(id) {
            return Taken::Yes;
        }
        // What is no password is nobody's: that says nothing about the name.
        let Ok(password) = Password::parse(plain.password) else {
            self.login_failed(id, plain.id);
            return Taken::Yes;
        };
        let account = self.account_named(&key);
        let record = account.and_then(|user| user.password.clone());
        let user = account.map(|user| (user.id, user.password_version));
        let stretching = record.as_ref().map_or(accounts.stretching, |record| record.stretching);
        let mut seed = [0; 32];
        self.rng.fill_bytes(&mut seed);
        self.verifications += 1;
        self.verifying += 1;
        let number = self.verifications;
        let verification = Verification {
            connection: id,
            number,
            setup: accounts.setup,
            record,
            stretching,
            name: key,
            password,
            seed,
        };
        self.outputs.push_back(Output::Work(verification));
        let verifying = Verifying { number, user, request: plain.id, device: device_name(plain.device) };
        self.peers.move_to(id, Phase::Verifying(verifying), &self.config.limits);
        Taken::Yes
    }

    /// A password was checked. Whose connection is gone is not told.
    pub(super) fn verified(&mut self, verified: Verified) {
        self.verifying = self.verifying.saturating_sub(1);
        let Verified { connection: id, number, is_right } = verified;
        let Some(connection) = self.peers.connections.get_mut(id) else { return };
        if !matches!(&connection.phase, Phase::Verifying(verifying) if verifying.number == number) {
            return;
        }
        let Phase::Verifying(verifying) = core::mem::replace(&mut connection.phase, Phase::Choosing) else {
            return;
        };
        self.peers.rearm(id, &self.config.limits);
        let Verifying { user, request, device, .. } = verifying;
        self.judge_login(id, request, user.filter(|_| is_right), device);
    }
}
