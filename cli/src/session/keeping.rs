//! What a running client writes down: its session, and the login that it shares with other programs of the same person.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use palabre_core::{
    client::{ClientEvent, SavedSession},
    wire::Token,
};
use palabre_runtime::{client::ClientDriver, server_key::ServerKey};

use crate::{
    context::Context,
    state::{Slot, State},
    trust::Contact,
};

/// Where a client's session is kept, and its login.
pub(crate) struct Keeping {
    slot: Option<Slot>,
    login: Option<Login>,
    /// Why something could not be written.
    error: RefCell<Option<String>>,
}

/// A login that is kept here and may be renewed by the server (`PROTOCOL.md` A13).
struct Login {
    state: State,
    contact: Contact,
    /// The token that is written down.
    token: Cell<Token>,
    /// Whether another one could not be written: then that must not be used either.
    is_stuck: Cell<bool>,
}

impl Keeping {
    /// Keeping nothing.
    pub(crate) fn nothing() -> Rc<Self> {
        Rc::new(Self { slot: None, login: None, error: RefCell::default() })
    }

    /// Keeping a session in the slot, and the login that it goes on with.
    pub(crate) fn of(
        slot: Option<Slot>,
        saved: Option<&SavedSession>,
        contact: &Contact,
        context: &Context,
    ) -> Rc<Self> {
        let login = saved.filter(|saved| saved.is_account && !context.has_token()).and_then(|saved| {
            let (token, is_stuck) = (Cell::new(saved.token), Cell::new(false));
            Some(Login { state: context.state.clone()?, contact: contact.clone(), token, is_stuck })
        });
        Rc::new(Self { slot, login, error: RefCell::default() })
    }

    /// Whether the server may replace the token: only if the next one will be found again.
    pub(crate) const fn keeps_tokens(&self) -> bool {
        self.login.is_some()
    }

    /// Writes down what has to survive the process.
    pub(super) fn save(&self, session: Option<&SavedSession>, server_key: Option<ServerKey>) {
        if let Some(Err(error)) = self.slot.as_ref().map(|slot| slot.write(session, server_key)) {
            *self.error.borrow_mut() = Some(format!("cannot save the session: {error}"));
        }
        let (Some(login), Some(session)) = (&self.login, session.filter(|session| session.is_account)) else {
            return;
        };
        if session.token == login.token.get() {
            return;
        }
        match login.state.keep_credential(&login.contact, Some((session, server_key))) {
            Ok(()) => login.token.set(session.token),
            Err(error) => {
                login.is_stuck.set(true);
                *self.error.borrow_mut() = Some(format!("cannot keep the login that was renewed: {error}"));
            }
        }
    }

    /// What could not be written, if anything, since the last time; a token that was not is not used.
    pub(crate) fn mind(&self, driver: &mut ClientDriver) -> Option<String> {
        if let Some(login) = self.login.as_ref().filter(|login| login.is_stuck.take()) {
            use_token(driver, login.token.get());
        }
        self.error.borrow_mut().take()
    }

    /// When the connection is lost, it is looked whether another program was given the next token meanwhile.
    pub(crate) fn note(&self, event: &ClientEvent, driver: &mut ClientDriver) {
        let (ClientEvent::Offline { .. }, Some(login)) = (event, &self.login) else { return };
        let Ok(Some((kept, _))) = login.state.credential(&login.contact) else { return };
        if Some(kept.user) == driver.client().user() && kept.token != login.token.get() {
            login.token.set(kept.token);
            use_token(driver, kept.token);
        }
    }
}

fn use_token(driver: &mut ClientDriver, token: Token) {
    driver.with_client(|client, _| client.use_token(token));
}
